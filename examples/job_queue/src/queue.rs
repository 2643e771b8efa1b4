//! The queue: apalis, over SQLite or Postgres.
//!
//! apalis gives the tasks of a worker that has shown no sign of life to the others. But a task can be lost: a worker that dies
//! between saving a row and queueing its next step leaves a row without a task. So workers also sweep the table.

use apalis::prelude::{
    BackendExt as _, BoxDynError, Data, TaskBuilder, TaskSink as _, WorkerBuilder,
    WorkerBuilderExt as _, WorkerError,
};
use apalis_postgres::{PgPool, PostgresStorage};
use apalis_sqlite::{SqlitePool, SqliteStorage};
use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::{Result, Target};
use tokio::time::{MissedTickBehavior, interval};

use crate::steps::{Step, Work};
use crate::table::{Table, millis, now};
use crate::{Timing, broken};

/// Steps that one worker takes at a time.
const CONCURRENT: usize = 8;

#[derive(Clone)]
pub struct Queue {
    name: String,
    tasks: Tasks,
}

#[derive(Clone)]
enum Tasks {
    Sqlite(SqliteStorage<Step>),
    Postgres(PostgresStorage<Step>),
}

/// The settings of a queue. The two databases have a type each, which look the same.
macro_rules! config {
    ($backend:ident, $name:expr, $timing:expr) => {
        $backend::Config::default()
            .queue($name)
            .heartbeat_interval($timing.heartbeat)
            .missed_heartbeats(Timing::MISSED)
            // A worker shows no sign of life while it holds tasks that it has not begun.
            .batch_size(1)
    };
}

/// Runs a worker until it stops or fails.
macro_rules! run {
    ($storage:expr, $name:expr, $work:expr) => {
        WorkerBuilder::new($name)
            .backend($storage.clone().poll_with_interval($work.timing.fetch))
            .concurrency(CONCURRENT)
            .data($work.clone())
            .build(take)
            .run()
            .await
    };
}

impl Queue {
    /// Opens the queue of this name, and the table. The database is `postgres://…` or `sqlite://…`.
    pub async fn open(url: &str, name: &str, timing: Timing) -> Result<Work> {
        let tasks = if url.starts_with("postgres") {
            let pool = PgPool::connect(url).await.map_err(broken)?;
            PostgresStorage::setup(&pool).await.map_err(broken)?;
            let config = config!(apalis_postgres, name, timing);
            Tasks::Postgres(PostgresStorage::new(&pool).with_config(config))
        } else {
            let pool = SqlitePool::connect(url).await.map_err(broken)?;
            sqlx::query("PRAGMA journal_mode = WAL").execute(&pool).await.map_err(broken)?;
            // `setup` would also turn off `synchronous`: then a power cut could take a saved intent away.
            SqliteStorage::migrations().run(&pool).await.map_err(broken)?;
            let config = config!(apalis_sqlite, name, timing);
            Tasks::Sqlite(SqliteStorage::new(&pool).with_config(config))
        };
        Ok(Work::new(Table::open(url).await?, Self { name: name.to_owned(), tasks }, timing))
    }

    /// Queues a step. apalis counts in whole seconds: it is taken up to a second later.
    pub async fn push(&self, step: Step) -> Result<()> {
        let seconds = u64::try_from(step.due).unwrap_or_default().div_ceil(1000);
        let task = TaskBuilder::new(step).run_at_timestamp(seconds).build();
        match &self.tasks {
            Tasks::Sqlite(tasks) => tasks.clone().push_task(task).await.map_err(broken),
            Tasks::Postgres(tasks) => tasks.clone().push_task(task).await.map_err(broken),
        }
    }
}

impl Work {
    /// Adds a job, and queues its first step. Returns the job's id.
    pub async fn add(&self, target: &Target) -> Result<String> {
        let step = self.table.add(&self.queue.name, target).await?;
        self.queue.push(step.clone()).await?;
        Ok(step.id)
    }

    /// Works until the process ends.
    pub async fn run(self) {
        tokio::spawn(self.clone().sweep());
        loop {
            // Each worker has a name of its own: no other one waits until the name is free.
            let name = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
            let ended: Result<(), WorkerError> = match &self.queue.tasks {
                Tasks::Sqlite(tasks) => run!(tasks, &*name, self),
                Tasks::Postgres(tasks) => run!(tasks, &*name, self),
            };
            if let Err(error) = ended {
                complain!("worker {name}: {error}");
            }
            SystemClock::default().sleep(self.timing.fetch).await;
        }
    }

    /// Queues steps anew that nobody has taken for long, and deletes the tasks that are done.
    async fn sweep(self) {
        let mut ticks = interval(self.timing.patience / 2);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.sweep_once().await {
                complain!("sweep: {error}");
            }
        }
    }

    async fn sweep_once(&self) -> Result<()> {
        // apalis keeps what is done. Each poll of a run is a task.
        let done = match self.queue.tasks {
            Tasks::Sqlite(_) => "DELETE FROM Jobs WHERE job_type = $1 AND status = 'Done'",
            Tasks::Postgres(_) => "DELETE FROM apalis.jobs WHERE job_type = $1 AND status = 'Done'",
        };
        self.table.delete(done, &self.queue.name).await?;
        for job in
            self.table.overdue(&self.queue.name, now() - millis(self.timing.patience)).await?
        {
            self.queue_next(&job, now()).await?;
        }
        Ok(())
    }
}

async fn take(step: Step, work: Data<Work>) -> Result<(), BoxDynError> {
    work.take(&step).await.inspect_err(|error| complain!("{}", error.report()))?;
    Ok(())
}
