//! sqlx with rustls, as its README shows it: one pool for all clients.

use drivers::{Client, Details, Failure, env, expect, run};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, PgPool, Row, query, query_scalar};

struct Pooled(PgPool);

#[derive(sqlx::Type)]
#[sqlx(type_name = "mood", rename_all = "lowercase")]
enum Mood {
    Sad,
    Ok,
    Happy,
}

const BOOK: &str = "SELECT title, price::text FROM books WHERE id = $1";

impl Client for Pooled {
    async fn read_book(&self, id: i32) -> Result<(String, String), Failure> {
        let row = query(BOOK).bind(id).fetch_one(&self.0).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    async fn read_details(&self, id: i32) -> Result<Details, Failure> {
        // The time as text, since no feature for it is switched on.
        let sql = "SELECT mood, tags, extra, published::text FROM books WHERE id = $1";
        let row = query(sql).bind(id).fetch_one(&self.0).await?;
        let mood = match row.try_get(0)? {
            Mood::Sad => "sad",
            Mood::Ok => "ok",
            Mood::Happy => "happy",
        };
        Ok(Details { mood: mood.to_owned(), tags: row.try_get(1)?, extra: row.try_get(2)?, published: row.try_get(3)? })
    }

    async fn add_note(&self, client: i32, body: &str) -> Result<i64, Failure> {
        let sql = "INSERT INTO notes (client, body) VALUES ($1, $2) RETURNING id";
        Ok(query_scalar(sql).bind(client).bind(body).fetch_one(&self.0).await?)
    }

    async fn read_note(&self, id: i64) -> Result<String, Failure> {
        Ok(query_scalar("SELECT body FROM notes WHERE id = $1").bind(id).fetch_one(&self.0).await?)
    }

    async fn change_note(&self, id: i64, body: &str) -> Result<(), Failure> {
        query("UPDATE notes SET body = $2 WHERE id = $1").bind(id).bind(body).execute(&self.0).await?;
        Ok(())
    }

    async fn count_notes(&self, client: i32) -> Result<i64, Failure> {
        Ok(query_scalar("SELECT count(*) FROM notes WHERE client = $1").bind(client).fetch_one(&self.0).await?)
    }

    async fn take_back(&self, client: i32, body: &str) -> Result<(), Failure> {
        let mut transaction = self.0.begin().await?;
        let sql = "INSERT INTO notes (client, body) VALUES ($1, $2) RETURNING id";
        let id: i64 = query_scalar(sql).bind(client).bind(body).fetch_one(&mut *transaction).await?;
        let again: String = query_scalar("SELECT body FROM notes WHERE id = $1").bind(id).fetch_one(&mut *transaction).await?;
        expect(again == body, "not read in its transaction")?;
        Ok(transaction.rollback().await?)
    }

    async fn fate(&self, id: i32) -> Result<(String, String), Failure> {
        let mut session = self.0.acquire().await?;
        query(BOOK).bind(id).fetch_one(&mut *session).await?;
        let mut told = Vec::new();
        for name in ["overdrive.status", "overdrive.reason"] {
            told.push(query_scalar::<_, String>(AssertSqlSafe(format!("SHOW {name}"))).fetch_one(&mut *session).await?);
        }
        Ok((told[0].clone(), told[1].clone()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&env("HOST"))
        .port(env("PORT").parse()?)
        .username(&env("USER"))
        .password(&env("PASSWORD"))
        .database(&env("DATABASE"))
        .ssl_mode(PgSslMode::VerifyFull)
        .ssl_root_cert(env("CA"));
    let pool = PgPoolOptions::new().connect_lazy_with(options);
    run(&drivers::locked("sqlx"), async || Ok(Pooled(pool.clone()))).await;
    Ok(())
}
