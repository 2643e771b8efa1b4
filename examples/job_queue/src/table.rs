//! The jobs: one row for each run that is wanted. A statement compares before it sets, so a worker that comes late changes nothing.

use std::time::Duration;

use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::{Result, RunRef, Target};
use sqlx::any::{AnyPoolOptions, AnyRow, install_default_drivers};
use sqlx::{AnyPool, Row as _};

use crate::broken;
use crate::steps::Step;

/// Where the vendor chooses the ids of runs, two starts of one target at a time cannot be told apart: hence the index. An
/// `ambiguous` job keeps its target until a person decides: either sets its run and the state `running`, or removes its intent and
/// sets the state `waiting`. The sweep does the rest.
const SETUP: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS run_jobs (
        id TEXT PRIMARY KEY,
        queue TEXT NOT NULL,
        target TEXT NOT NULL,
        state TEXT NOT NULL,
        intent TEXT,
        run TEXT UNIQUE,
        saved BIGINT,
        due BIGINT NOT NULL,
        note TEXT
    )",
    "CREATE UNIQUE INDEX IF NOT EXISTS one_start_of_a_target ON run_jobs (target)
        WHERE state IN ('starting', 'ambiguous')",
];

/// One row. Times are milliseconds since 1970.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: String,
    pub target: Target,
    /// `waiting`, `starting`, `running`, or how it ended: the phase of the run, `not started`, `ambiguous` or `lost`.
    pub state: String,
    /// As it was written: it is compared as text.
    pub intent: Option<String>,
    pub run: Option<RunRef>,
    /// When the run was saved.
    pub saved: Option<i64>,
    /// When the next step is due. A task for another time is a duplicate.
    pub due: i64,
    /// Why it ended as it did.
    pub note: Option<String>,
}

impl Job {
    pub fn has_ended(&self) -> bool {
        !matches!(&*self.state, "waiting" | "starting" | "running")
    }

    fn read(row: &AnyRow) -> Result<Self> {
        let text = |column| row.try_get::<Option<String>, _>(column).map_err(broken);
        Ok(Self {
            id: text("id")?.unwrap_or_default(),
            target: text("target")?.unwrap_or_default().parse()?,
            state: text("state")?.unwrap_or_default(),
            intent: text("intent")?,
            run: text("run")?.map(|run| run.parse()).transpose()?,
            saved: row.try_get("saved").map_err(broken)?,
            due: row.try_get("due").map_err(broken)?,
            note: text("note")?,
        })
    }
}

/// The table, in the database of the queue.
#[derive(Clone, Debug)]
pub struct Table(AnyPool);

/// The rows that a statement selects.
macro_rules! rows {
    ($pool:expr, $sql:expr $(, $value:expr)*) => {{
        let rows = sqlx::query($sql)$(.bind($value))*.fetch_all($pool).await.map_err(broken)?;
        rows.iter().map(Job::read).collect::<Result<Vec<_>>>()
    }};
}

/// Whether a statement changes a row. It does not if that would give two rows what only one may have.
macro_rules! changes {
    ($pool:expr, $sql:expr $(, $value:expr)*) => {
        match sqlx::query($sql)$(.bind($value))*.execute($pool).await {
            Ok(done) => Ok(done.rows_affected() > 0),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
            Err(error) => Err(broken(error)),
        }
    };
}

impl Table {
    pub async fn open(url: &str) -> Result<Self> {
        install_default_drivers();
        let pool = AnyPoolOptions::new().max_connections(4).connect(url).await.map_err(broken)?;
        for statement in SETUP {
            sqlx::query(statement).execute(&pool).await.map_err(broken)?;
        }
        Ok(Self(pool))
    }

    /// Adds a job. Returns its first step, which is due now.
    pub async fn add(&self, queue: &str, target: &Target) -> Result<Step> {
        let (id, due) = (format!("{:016x}", fastrand::u64(..)), now());
        let sql = "INSERT INTO run_jobs (id, queue, target, state, due)
                   VALUES ($1, $2, $3, 'waiting', $4)";
        changes!(&self.0, sql, &id, queue, target.to_string(), due)?;
        Ok(Step { id, due })
    }

    pub async fn find(&self, id: &str) -> Result<Option<Job>> {
        Ok(rows!(&self.0, "SELECT * FROM run_jobs WHERE id = $1", id)?.pop())
    }

    pub async fn all(&self) -> Result<Vec<Job>> {
        rows!(&self.0, "SELECT * FROM run_jobs ORDER BY due")
    }

    /// Jobs of this queue that go on, and whose step was due before this time.
    pub async fn overdue(&self, queue: &str, time: i64) -> Result<Vec<Job>> {
        let sql = "SELECT * FROM run_jobs
                   WHERE queue = $1 AND due < $2 AND state IN ('waiting', 'starting', 'running')
                   ORDER BY due LIMIT 100";
        rows!(&self.0, sql, queue, time)
    }

    /// The runs that jobs of this target have.
    pub async fn runs(&self, target: &Target) -> Result<Vec<RunRef>> {
        let sql = "SELECT * FROM run_jobs WHERE target = $1 AND run IS NOT NULL";
        let jobs = rows!(&self.0, sql, target.to_string())?;
        Ok(jobs.into_iter().filter_map(|job| job.run).collect())
    }

    /// Deletes tasks of a queue in the same database.
    pub async fn delete(&self, sql: &'static str, queue: &str) -> Result<bool> {
        changes!(&self.0, sql, queue)
    }

    /// Takes the target for this job. `false` if another job of the target is starting.
    pub async fn claim(&self, job: &Job) -> Result<bool> {
        let sql = "UPDATE run_jobs SET state = 'starting' WHERE id = $1 AND state = 'waiting'";
        changes!(&self.0, sql, &job.id)
    }

    /// Replaces the intent of a job that is starting by another one, or by none. `false` if it is no longer this one: another
    /// worker goes on with the job, and the caller must not start anything.
    pub async fn replace_intent(
        &self,
        job: &Job,
        old: Option<&str>,
        new: Option<&str>,
    ) -> Result<bool> {
        let sql = "UPDATE run_jobs SET intent = $3
                   WHERE id = $1 AND state = 'starting' AND intent IS NOT DISTINCT FROM $2";
        changes!(&self.0, sql, &job.id, old, new)
    }

    /// Saves the run that came from this intent. `false` if that was done already, or if the run belongs to another job.
    pub async fn save_run(&self, job: &Job, intent: &str, run: &RunRef) -> Result<bool> {
        let sql = "UPDATE run_jobs SET run = $3, saved = $4, state = 'running'
                   WHERE id = $1 AND state = 'starting' AND intent = $2";
        changes!(&self.0, sql, &job.id, intent, run.to_string(), now())
    }

    /// Sets when the next step is due. `None` if another worker did: then the queue has the task.
    pub async fn reschedule(&self, job: &Job, due: i64) -> Result<Option<Step>> {
        let (sql, due) = (
            "UPDATE run_jobs SET due = $3 WHERE id = $1 AND due = $2",
            due.max(job.due + 1), // another time than before
        );
        let set = changes!(&self.0, sql, &job.id, job.due, due)?;
        Ok(set.then(|| Step { id: job.id.clone(), due }))
    }

    /// Ends a job that is still as it was read.
    pub async fn end(&self, job: &Job, state: &str, note: Option<&str>) -> Result<bool> {
        let sql = "UPDATE run_jobs SET state = $5, note = $6
                   WHERE id = $1 AND state = $2 AND due = $3 AND intent IS NOT DISTINCT FROM $4";
        changes!(&self.0, sql, &job.id, &job.state, job.due, &job.intent, state, note)
    }
}

pub fn now() -> i64 {
    SystemClock::default().utc().timestamp_millis()
}

pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
