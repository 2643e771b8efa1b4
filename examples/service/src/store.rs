//! The table: one row for each idempotency key, in SQLite. Each statement compares before it sets, so that a task that comes late
//! changes nothing.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Params};
use scheduled_runs::{Error, RunRef, RunSnapshot, Target};
use serde::{Deserialize, Serialize};

use crate::BoxError;

/// The lock makes sure that one process at a time owns the table; it ends with the process, however that dies. A unique run is the
/// last line of defence: no two rows may claim the same one.
const SETUP: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS runs (
        key TEXT PRIMARY KEY,
        target TEXT NOT NULL,
        intent TEXT,
        run TEXT UNIQUE,
        outcome TEXT
    ) STRICT;
    BEGIN IMMEDIATE; COMMIT;";

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: String,
    pub target: Target,
    /// As it was written: it is compared as text.
    pub intent: Option<String>,
    pub run: Option<RunRef>,
    pub outcome: Option<Outcome>,
}

impl Row {
    fn read(row: &rusqlite::Row<'_>) -> Result<Self, BoxError> {
        let text = |column| row.get::<_, Option<String>>(column);
        Ok(Self {
            key: row.get("key")?,
            target: row.get::<_, String>("target")?.parse()?,
            intent: text("intent")?,
            run: text("run")?.map(|run| run.parse()).transpose()?,
            outcome: text("outcome")?
                .map(|json| serde_json::from_str(&json))
                .transpose()?,
        })
    }
}

/// How it ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome {
    /// The run has ended, with or without success.
    Ended { snapshot: RunSnapshot },
    /// There is no run, or nothing more is known about it.
    Failed { code: String, message: String, may_have_run: bool, candidates: Vec<RunRef> },
}

impl Outcome {
    pub fn failed(error: &Error) -> Self {
        Self::Failed {
            code: error.kind().as_str().to_owned(),
            message: error.to_string(),
            may_have_run: error.may_have_run(),
            candidates: error.candidates().to_vec(),
        }
    }

    fn json(&self) -> Result<String, BoxError> {
        Ok(serde_json::to_string(self)?)
    }
}

/// The table. Clones share it.
#[derive(Clone, Debug)]
pub struct Store(Arc<Mutex<Connection>>);

impl Store {
    /// Opens the table in this file, or in memory. Fails if another process has it.
    pub fn open(file: Option<&Path>) -> Result<Self, BoxError> {
        let connection = match file {
            Some(file) => Connection::open(file)?,
            None => Connection::open_in_memory()?,
        };
        connection.execute_batch(SETUP)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Adds a row, unless the key has one. Returns the row of the key, and whether it is new.
    pub async fn insert(
        &self,
        key: &str,
        target: &Target,
    ) -> Result<(Row, bool), BoxError> {
        let sql =
            "INSERT INTO runs (key, target) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING";
        let is_new = self.changes(sql, [key.to_owned(), target.to_string()]).await?;
        let row = self.find(key).await?.ok_or("a row has disappeared")?;
        Ok((row, is_new))
    }

    pub async fn find(&self, key: &str) -> Result<Option<Row>, BoxError> {
        Ok(self.rows("SELECT * FROM runs WHERE key = ?1", [key.to_owned()]).await?.pop())
    }

    /// All rows that have no outcome. Those with an intent come first: what became of them must be known before another start of
    /// their target is prepared.
    pub async fn open_rows(&self) -> Result<Vec<Row>, BoxError> {
        let sql =
            "SELECT * FROM runs WHERE outcome IS NULL ORDER BY intent IS NULL, rowid";
        self.rows(sql, []).await
    }

    /// The runs that rows of this target have.
    pub async fn runs(&self, target: &Target) -> Result<Vec<RunRef>, BoxError> {
        let sql = "SELECT * FROM runs WHERE target = ?1 AND run IS NOT NULL";
        let rows = self.rows(sql, [target.to_string()]).await?;
        Ok(rows.into_iter().filter_map(|row| row.run).collect())
    }

    /// Replaces the intent that was read by another one. `false` if it has changed: then nothing may be started.
    pub async fn replace_intent(&self, row: &Row, new: &str) -> Result<bool, BoxError> {
        let sql = "UPDATE runs SET intent = ?3
                   WHERE key = ?1 AND intent IS ?2 AND run IS NULL AND outcome IS NULL";
        self.changes(sql, (row.key.clone(), row.intent.clone(), new.to_owned())).await
    }

    /// Saves the run that this intent has started. `false` if that was done already, or if the run belongs to another row.
    pub async fn save_run(
        &self,
        key: &str,
        intent: &str,
        run: &RunRef,
    ) -> Result<bool, BoxError> {
        let sql = "UPDATE OR IGNORE runs SET run = ?3
                   WHERE key = ?1 AND intent = ?2 AND run IS NULL AND outcome IS NULL";
        self.changes(sql, [key.to_owned(), intent.to_owned(), run.to_string()]).await
    }

    /// Ends a row whose start has failed, if its intent is still this one.
    pub async fn end_start(
        &self,
        key: &str,
        intent: Option<&str>,
        outcome: &Outcome,
    ) -> Result<bool, BoxError> {
        let sql = "UPDATE runs SET outcome = ?3
                   WHERE key = ?1 AND intent IS ?2 AND run IS NULL AND outcome IS NULL";
        let intent = intent.map(str::to_owned);
        self.changes(sql, (key.to_owned(), intent, outcome.json()?)).await
    }

    /// Ends the row of this run.
    pub async fn end_run(
        &self,
        run: &RunRef,
        outcome: &Outcome,
    ) -> Result<bool, BoxError> {
        let sql = "UPDATE runs SET outcome = ?2 WHERE run = ?1 AND outcome IS NULL";
        self.changes(sql, [run.to_string(), outcome.json()?]).await
    }

    async fn rows<P: Params + Send + 'static>(
        &self,
        sql: &'static str,
        values: P,
    ) -> Result<Vec<Row>, BoxError> {
        self.with(move |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(values, |row| Ok(Row::read(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    /// Whether a statement changes a row.
    async fn changes<P: Params + Send + 'static>(
        &self,
        sql: &'static str,
        values: P,
    ) -> Result<bool, BoxError> {
        self.with(move |connection| {
            Ok(connection.prepare_cached(sql)?.execute(values)? > 0)
        })
        .await
    }

    /// SQLite blocks, so it has a thread of its own.
    async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, BoxError> + Send + 'static,
    ) -> Result<T, BoxError> {
        let connection = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            act(&connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await?
    }
}
