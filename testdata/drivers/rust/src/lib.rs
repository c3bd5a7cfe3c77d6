//! What each client of each Rust program does with its driver.

use std::env::var;
use std::fmt::Display;
use std::io::Read;
use std::sync::Arc;

use serde_json::{Value, json};

const READS: i32 = 40;
const DETAILS: i32 = 10;
const WRITES: i32 = 5;

/// What a program ends a client with. The runner looks for the SQLSTATE in it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

pub struct Details {
    pub mood: String,
    pub tags: Vec<String>,
    pub extra: Value,
    pub published: String,
}

/// A client uses a driver.
pub trait Client: Send + Sync + 'static {
    fn read_book(&self, id: i32) -> impl Future<Output = Result<(String, String), Failure>> + Send;
    fn read_details(&self, id: i32) -> impl Future<Output = Result<Details, Failure>> + Send;
    fn add_note(&self, client: i32, body: &str) -> impl Future<Output = Result<i64, Failure>> + Send;
    fn read_note(&self, id: i64) -> impl Future<Output = Result<String, Failure>> + Send;
    fn change_note(&self, id: i64, body: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    fn count_notes(&self, client: i32) -> impl Future<Output = Result<i64, Failure>> + Send;
    /// Adds a note in a transaction, reads it there, and rolls back.
    fn take_back(&self, client: i32, body: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Reads the book and, as the same session, asks the proxy what became of that: its status and reason.
    fn fate(&self, id: i32) -> impl Future<Output = Result<(String, String), Failure>> + Send;
}

pub fn env(name: &str) -> String {
    var(format!("DRIVERS_{name}")).unwrap_or_default()
}

#[derive(Default)]
struct Seen {
    served: bool,
    writes: i32,
    own_writes_read: i32,
    rollback_undone: bool,
    types_misread: bool,
    fate: (String, String),
    error: String,
}

/// Runs the clients, each in a task, prints what they saw, and keeps their connections until the runner has looked at them.
pub async fn run<C: Client>(version: &str, connect: impl AsyncFn() -> Result<C, Failure>) {
    let count: i32 = env("CLIENTS").parse().unwrap_or(8);
    let (mut kept, mut tasks, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        match connect().await {
            Ok(client) => {
                let client = Arc::new(client);
                kept.push(client.clone());
                tasks.push(tokio::spawn(async move { visit(&*client, number).await }));
            }
            Err(error) => seen.push(Seen { error: describe(error), ..Seen::default() }),
        }
    }
    for task in tasks {
        seen.push(task.await.unwrap_or_else(|panic| Seen { error: panic.to_string(), ..Seen::default() }));
    }
    let clients: Vec<Value> = seen.iter().map(Seen::json).collect();
    println!("{{\"version\":{},\"clients\":{}}}", json!(version), json!(clients));
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
    drop(kept);
}

/// The text of an error and of what caused it.
fn describe(error: Failure) -> String {
    eprintln!("{error:?}");
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

async fn visit<C: Client>(client: &C, number: i32) -> Seen {
    let mut seen = Seen::default();
    if let Err(error) = seen.visit(client, number).await {
        seen.error = describe(error);
    }
    seen
}

pub fn expect(holds: bool, text: impl Display) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(text.to_string().into()) }
}

impl Seen {
    async fn visit<C: Client>(&mut self, client: &C, number: i32) -> Result<(), Failure> {
        self.read(client).await?;
        for i in 0..WRITES {
            self.write(client, number, i).await?;
        }
        let before = client.count_notes(number).await?;
        client.take_back(number, "never").await?;
        self.rollback_undone = client.count_notes(number).await? == before;
        self.read(client).await?;
        self.fate = client.fate(1).await?;
        self.served = true;
        Ok(())
    }

    async fn read<C: Client>(&mut self, client: &C) -> Result<(), Failure> {
        for i in 0..READS {
            let id = i % 5 + 1;
            let (title, price) = client.read_book(id).await?;
            let right = title == format!("Book {id}") && price.parse() == Ok(f64::from(id) + 0.5);
            expect(right, format!("book {id} is {title} at {price}"))?;
        }
        for i in 0..DETAILS {
            let id = i % 5 + 1;
            let d = client.read_details(id).await?;
            let right = d.mood == "happy" && d.tags == ["paper", "signed"] && d.extra == json!({"pages": 100 + id})
                && d.published == "2020-06-01 12:00:00+00";
            self.types_misread |= !right;
        }
        Ok(())
    }

    async fn write<C: Client>(&mut self, client: &C, number: i32, i: i32) -> Result<(), Failure> {
        let before = client.count_notes(number).await?;
        let note = client.add_note(number, &format!("new {i}")).await?;
        self.count(client.read_note(note).await? == format!("new {i}"));
        self.count(client.count_notes(number).await? == before + 1);
        client.change_note(note, &format!("changed {i}")).await?;
        self.count(client.read_note(note).await? == format!("changed {i}"));
        Ok(())
    }

    fn count(&mut self, was_read: bool) {
        self.writes += 1;
        self.own_writes_read += i32::from(was_read);
    }

    fn json(&self) -> Value {
        json!({
            "served": self.served, "writes": self.writes, "own_writes_read": self.own_writes_read,
            "rollback_undone": self.rollback_undone, "types_read": !self.types_misread,
            "status": self.fate.0, "reason": self.fate.1, "error": self.error,
        })
    }
}

/// The version of a crate that the program was built with.
pub fn locked(name: &str) -> String {
    let head = format!("name = \"{name}\"\nversion = \"");
    let lock = include_str!("../Cargo.lock");
    let rest = lock.split_once(&head).map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or_default().to_owned()
}
