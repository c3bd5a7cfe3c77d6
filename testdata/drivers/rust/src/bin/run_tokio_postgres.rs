//! tokio-postgres with rustls, as its documentation shows it: a connection of its own for each client.

use drivers::{Client, Details, Failure, env, expect, run};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::sync::Mutex;
use tokio_postgres::{Config, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

struct One {
    session: Mutex<tokio_postgres::Client>, // a transaction wants it for itself
    book: Statement,
}

impl One {
    async fn connect() -> Result<One, Failure> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(env("CA"))?)?;
        let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let (session, connection) = Config::new()
            .host(env("HOST"))
            .port(env("PORT").parse()?)
            .user(env("USER"))
            .password(env("PASSWORD"))
            .dbname(env("DATABASE"))
            .connect(MakeRustlsConnect::new(tls))
            .await?;
        tokio::spawn(connection);
        let book = session.prepare("SELECT title, price::text FROM books WHERE id = $1").await?;
        Ok(One { session: Mutex::new(session), book })
    }
}

impl Client for One {
    async fn read_book(&self, id: i32) -> Result<(String, String), Failure> {
        let row = self.session.lock().await.query_one(&self.book, &[&id]).await?;
        Ok((row.get(0), row.get(1)))
    }

    async fn read_details(&self, id: i32) -> Result<Details, Failure> {
        // The enum is read as what it is, so the driver looks it up; the time as text, since no feature for it is switched on.
        let sql = "SELECT mood, tags, extra, published::text FROM books WHERE id = $1";
        let row = self.session.lock().await.query_one(sql, &[&id]).await?;
        let mood: Mood = row.get(0);
        Ok(Details { mood: mood.0, tags: row.get(1), extra: row.get(2), published: row.get(3) })
    }

    async fn add_note(&self, client: i32, body: &str) -> Result<i64, Failure> {
        let sql = "INSERT INTO notes (client, body) VALUES ($1, $2) RETURNING id";
        Ok(self.session.lock().await.query_one(sql, &[&client, &body]).await?.get(0))
    }

    async fn read_note(&self, id: i64) -> Result<String, Failure> {
        Ok(self.session.lock().await.query_one("SELECT body FROM notes WHERE id = $1", &[&id]).await?.get(0))
    }

    async fn change_note(&self, id: i64, body: &str) -> Result<(), Failure> {
        self.session.lock().await.execute("UPDATE notes SET body = $2 WHERE id = $1", &[&id, &body]).await?;
        Ok(())
    }

    async fn count_notes(&self, client: i32) -> Result<i64, Failure> {
        Ok(self.session.lock().await.query_one("SELECT count(*) FROM notes WHERE client = $1", &[&client]).await?.get(0))
    }

    async fn take_back(&self, client: i32, body: &str) -> Result<(), Failure> {
        let mut session = self.session.lock().await;
        let transaction = session.transaction().await?;
        let sql = "INSERT INTO notes (client, body) VALUES ($1, $2) RETURNING id";
        let id: i64 = transaction.query_one(sql, &[&client, &body]).await?.get(0);
        let again: String = transaction.query_one("SELECT body FROM notes WHERE id = $1", &[&id]).await?.get(0);
        expect(again == body, "not read in its transaction")?;
        Ok(transaction.rollback().await?)
    }

    async fn fate(&self, id: i32) -> Result<(String, String), Failure> {
        let session = self.session.lock().await;
        session.query_one(&self.book, &[&id]).await?;
        let status = session.query_one("SHOW overdrive.status", &[]).await?.get(0);
        Ok((status, session.query_one("SHOW overdrive.reason", &[]).await?.get(0)))
    }
}

/// A value of an enum, whatever its name.
struct Mood(String);

impl<'a> tokio_postgres::types::FromSql<'a> for Mood {
    fn from_sql(_: &tokio_postgres::types::Type, raw: &'a [u8]) -> Result<Mood, Failure> {
        Ok(Mood(std::str::from_utf8(raw)?.to_owned()))
    }

    fn accepts(kind: &tokio_postgres::types::Type) -> bool {
        matches!(kind.kind(), tokio_postgres::types::Kind::Enum(_))
    }
}

#[tokio::main]
async fn main() {
    run(&drivers::locked("tokio-postgres"), One::connect).await;
}
