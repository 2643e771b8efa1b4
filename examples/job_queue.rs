//! Hands a run to a job queue: the queue stores it, so that a wait of several days needs no process that lives as long.
//!
//! `cargo run --example job_queue` needs no account: it uses a fake. If you set the vendor's environment variables, which it
//! prints, it uses your account. The queue is apalis over SQLite, in a temporary file.
//!
//! There are two kinds of jobs. The first one triggers a run, once. The second one polls the run, once, and queues the next poll.
//! Jobs contain a `RunRef`, so any worker can do the next poll: here the first worker stops after the trigger, and a second one,
//! which knows nothing but the file, polls the run to its end.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]

mod shared;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use apalis::prelude::{
    Attempt, Data, Error as JobError, Monitor, Storage as _, WorkerBuilder, WorkerFactoryFn as _,
};
use apalis_sql::sqlite::{SqlitePool, SqliteStorage};
use chrono::{DateTime, Utc};
use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::{
    Error, ErrorKind, Phase, Result, RunProvider, RunProviderExt, RunRef, RunSnapshot, Target,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use shared::progress::ended;
use shared::vendors::{Connected, Plan, connect, parse};

const USAGE: &str = "\
usage: job_queue [--fail] [VENDOR | VENDOR:TARGET]

  VENDOR    adobe, foundry, mode (default) or supermetrics
  TARGET    what to run there, as a `Target` prints it
  --fail    on a fake: the run fails, to show its reason

Uses your account if the vendor's environment variables are set, and a fake of the
vendor otherwise. It prints the names of the variables.";

/// Seconds between two polls.
const INTERVAL: i64 = 1;

/// Polls in a row that may fail.
const TOLERATED: u32 = 5;

/// Job: trigger a run of this target, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Start {
    target: Target,
    queued: DateTime<Utc>,
}

/// Job: poll this run, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Poll {
    run: RunRef,
    /// Polls in a row that failed.
    failed: u32,
}

/// What the jobs work with.
#[derive(Clone)]
struct Work {
    provider: Arc<dyn RunProvider>,
    queue: Queue,
    news: mpsc::UnboundedSender<News>,
}

/// What a worker reports to this program.
enum News {
    Started(RunRef),
    Ended(RunSnapshot),
    /// A person must decide.
    GivenUp(String),
}

/// One file, two kinds of jobs.
#[derive(Clone)]
struct Queue {
    starts: SqliteStorage<Start>,
    polls: SqliteStorage<Poll>,
}

impl Queue {
    async fn open(file: &Path) -> Result<Self> {
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let open = async {
            let pool = SqlitePool::connect(&url).await?;
            SqliteStorage::setup(&pool).await?;
            Ok::<_, sqlx::Error>(pool)
        };
        let pool = open.await.map_err(broken)?;
        Ok(Self { starts: SqliteStorage::new(pool.clone()), polls: SqliteStorage::new(pool) })
    }

    async fn start(&self, job: Start) -> Result<()> {
        self.starts.clone().push(job).await.map(drop).map_err(broken)
    }

    /// Schedules a poll. No worker is busy with it until its time has come.
    async fn poll(&self, job: Poll) -> Result<()> {
        let at = SystemClock::default().utc().timestamp() + INTERVAL;
        self.polls.clone().schedule(job, at).await.map(drop).map_err(broken)
    }
}

/// Triggers a run. A queue runs unfinished jobs again; this one must not trigger twice.
async fn start(job: Start, attempt: Attempt, work: Data<Work>) -> Result<(), JobError> {
    if attempt.current() > 1 {
        // A worker died while it ran this job. A person must check whether a run has started.
        return work.give_up(format!(
            "{} may have been triggered by a worker that died, after {}",
            job.target, job.queued
        ));
    }
    match work.provider.trigger(&job.target).verify().await {
        Ok(run) => {
            work.queue.poll(Poll { run: run.clone(), failed: 0 }).await.map_err(retried)?;
            work.report(News::Started(run));
            Ok(())
        }
        // Certainly no run has started, and a later trigger may succeed.
        Err(error) if !error.may_have_run() && error.is_transient() => {
            work.queue.start(job).await.map_err(retried)
        }
        Err(error) => work.give_up(error.to_string()),
    }
}

/// Polls once. A second poll does no harm, so the queue may run this job again.
async fn poll(job: Poll, work: Data<Work>) -> Result<(), JobError> {
    let Poll { run, failed } = job;
    match work.provider.snapshot(&run).await {
        Ok(snapshot) if snapshot.phase.is_terminal() => {
            work.report(News::Ended(snapshot));
            Ok(())
        }
        Ok(snapshot) => {
            println!("  {}", snapshot.phase);
            work.queue.poll(Poll { run, failed: 0 }).await.map_err(retried)
        }
        // The poll failed, not the run.
        Err(error) if error.is_transient() && failed < TOLERATED => {
            work.queue.poll(Poll { run, failed: failed + 1 }).await.map_err(retried)
        }
        Err(error) => work.give_up(error.to_string()),
    }
}

impl Work {
    fn report(&self, news: News) {
        // Fails if the program is ending: then nobody receives it.
        let _ = self.news.send(news);
    }

    /// Makes the queue keep the job as killed and not run it again.
    fn give_up(&self, why: String) -> Result<(), JobError> {
        self.report(News::GivenUp(why.clone()));
        Err(JobError::Abort(Arc::new(why.into())))
    }
}

fn retried(error: Error) -> JobError {
    JobError::Failed(Arc::new(error.into()))
}

fn broken(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Config, "the queue cannot be used").with_source(error)
}

fn at(place: &Path, error: std::io::Error) -> Error {
    let message = format!("cannot use {}", place.display());
    Error::new(ErrorKind::Config, message).with_source(error)
}

/// Runs a worker until it reports something that is enough.
async fn work_until(
    name: &str,
    provider: Arc<dyn RunProvider>,
    file: &Path,
    enough: fn(&News) -> bool,
) -> Result<Option<News>> {
    let queue = Queue::open(file).await?;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let work = Work { provider, queue: queue.clone(), news: sender };
    let starts = WorkerBuilder::new(format!("{name}-starts"))
        .data(work.clone())
        .backend(queue.starts)
        .build_fn(start);
    let polls =
        WorkerBuilder::new(format!("{name}-polls")).data(work).backend(queue.polls).build_fn(poll);
    let mut last = None;
    let stop = async {
        while let Some(news) = receiver.recv().await {
            let done = enough(&news) || matches!(news, News::GivenUp(_));
            last = Some(news);
            if done {
                break;
            }
        }
        Ok(())
    };
    let monitor = Monitor::new().register(starts).register(polls);
    monitor.run_with_signal(stop).await.map_err(|error| at(file, error))?;
    Ok(last)
}

/// Whether the run succeeded.
async fn run(argument: &str, fail: bool) -> Result<bool> {
    let (vendor, target) = parse(argument)?;
    let Connected { provider, target, fake } = connect(&vendor, target).await?;
    if !provider.capabilities().trigger {
        println!("{vendor} cannot trigger runs.");
        return Ok(false);
    }
    if let Some(fake) = &fake {
        fake.next_run(if fail { Plan::Fails } else { Plan::Takes(2) });
    }
    // A folder, because SQLite writes its log beside its file.
    let folder = std::env::temp_dir().join(format!("scheduled_runs_{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| at(&folder, error))?;
    let file = folder.join("queue.db");

    println!("\nQueueing a trigger of {}.", shared::short(&target.to_string()));
    Queue::open(&file).await?.start(Start { target, queued: SystemClock::default().utc() }).await?;

    println!("A worker takes the job, triggers the run, and stops.");
    let news = work_until("first", provider.clone(), &file, |news| {
        matches!(news, News::Started(_) | News::Ended(_))
    })
    .await?;
    if let Some(News::Started(run)) = &news {
        println!("The queue now has a job that polls {}", shared::short(&run.to_string()));
    }

    let news = if matches!(news, Some(News::Started(_))) {
        println!("Another worker takes the job, and polls until the run has ended.");
        work_until("second", provider, &file, |news| matches!(news, News::Ended(_))).await?
    } else {
        news
    };
    std::fs::remove_dir_all(&folder).map_err(|error| at(&folder, error))?;
    match news {
        Some(News::Ended(run)) => {
            println!("It {}.", ended(run.phase));
            if let Some(why) = &run.failure {
                println!("  {why}");
            }
            Ok(run.phase == Phase::Succeeded)
        }
        Some(News::GivenUp(why)) => {
            println!("A person must decide: {why}");
            Ok(false)
        }
        _ => Ok(false),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let (vendor, fail) = match shared::vendor_and_fail("mode", USAGE) {
        Ok(asked) => asked,
        Err(code) => return code,
    };
    match run(&vendor, fail).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\n{}", error.report());
            ExitCode::FAILURE
        }
    }
}
