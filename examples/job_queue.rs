//! Runs handed to a job queue: the queue keeps them, so that a wait of days needs no process that lives for days.
//!
//! `cargo run --example job_queue` shows it without an account, on a fake; with the vendor's variables set, which it names, on
//! yours. The queue is apalis over SQLite, in a temporary file.
//!
//! Two kinds of jobs are all it takes. One triggers, once. One looks, once, and puts the next look into the queue. What they
//! pass on is a `RunRef`, so that any worker can do the next look: here the first worker stops after the trigger, and a second
//! one, which knows nothing but the file, sees the run end.
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
  --fail    on a fake: the run fails, so that its reason is seen

Without the vendor's variables, which are named then, a fake of it is started.";

/// Seconds between two looks.
const PAUSE: i64 = 1;

/// Looks in a row that may fail.
const TOLERATED: u32 = 5;

/// Job: trigger this, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Start {
    target: Target,
    asked: DateTime<Utc>,
}

/// Job: look at this run, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Look {
    run: RunRef,
    /// Looks in a row that failed.
    failed: u32,
}

/// What the jobs work with.
#[derive(Clone)]
struct Work {
    provider: Arc<dyn RunProvider>,
    queue: Queue,
    told: mpsc::UnboundedSender<News>,
}

/// What a worker tells this program.
enum News {
    Started(RunRef),
    Ended(RunSnapshot),
    /// A person has to look.
    GivenUp(String),
}

/// One file, two kinds of jobs.
#[derive(Clone)]
struct Queue {
    starts: SqliteStorage<Start>,
    looks: SqliteStorage<Look>,
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
        Ok(Self { starts: SqliteStorage::new(pool.clone()), looks: SqliteStorage::new(pool) })
    }

    async fn start(&self, job: Start) -> Result<()> {
        self.starts.clone().push(job).await.map(drop).map_err(broken)
    }

    /// A look at a time to come: no worker is busy with it until then.
    async fn look(&self, job: Look) -> Result<()> {
        let at = SystemClock::default().utc().timestamp() + PAUSE;
        self.looks.clone().schedule(job, at).await.map(drop).map_err(broken)
    }
}

/// Triggers. A queue does again what was begun and not finished; a trigger must not be.
async fn start(job: Start, attempt: Attempt, work: Data<Work>) -> Result<(), JobError> {
    if attempt.current() > 1 {
        // A worker died with this job in its hands. Whatever has started since is for a person to see.
        return work.give_up(format!("{} was being triggered since {}", job.target, job.asked));
    }
    match work.provider.trigger(&job.target).verify().await {
        Ok(run) => {
            work.queue.look(Look { run: run.clone(), failed: 0 }).await.map_err(retried)?;
            work.tell(News::Started(run));
            Ok(())
        }
        // Certainly nothing has started, and it may work later.
        Err(error) if !error.may_have_run() && error.is_transient() => {
            work.queue.start(job).await.map_err(retried)
        }
        Err(error) => work.give_up(error.to_string()),
    }
}

/// Looks once. Doing it twice does no harm, so the queue may do it again as it likes.
async fn look(job: Look, work: Data<Work>) -> Result<(), JobError> {
    let Look { run, failed } = job;
    match work.provider.snapshot(&run).await {
        Ok(seen) if seen.phase.is_terminal() => {
            work.tell(News::Ended(seen));
            Ok(())
        }
        Ok(seen) => {
            println!("  {}", seen.phase);
            work.queue.look(Look { run, failed: 0 }).await.map_err(retried)
        }
        // A look that failed is not a run that failed.
        Err(error) if error.is_transient() && failed < TOLERATED => {
            work.queue.look(Look { run, failed: failed + 1 }).await.map_err(retried)
        }
        Err(error) => work.give_up(error.to_string()),
    }
}

impl Work {
    /// Nobody listens any more when the program ends.
    fn tell(&self, news: News) {
        let _ = self.told.send(news);
    }

    /// The queue keeps the job as killed, and does not do it again.
    fn give_up(&self, why: String) -> Result<(), JobError> {
        self.tell(News::GivenUp(why.clone()));
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

/// Works until there is news that ends it.
async fn work_until(
    name: &str,
    provider: Arc<dyn RunProvider>,
    file: &Path,
    enough: fn(&News) -> bool,
) -> Result<Option<News>> {
    let queue = Queue::open(file).await?;
    let (told, mut heard) = mpsc::unbounded_channel();
    let work = Work { provider, queue: queue.clone(), told };
    let starts = WorkerBuilder::new(format!("{name}-starts"))
        .data(work.clone())
        .backend(queue.starts)
        .build_fn(start);
    let looks =
        WorkerBuilder::new(format!("{name}-looks")).data(work).backend(queue.looks).build_fn(look);
    let mut last = None;
    let stop = async {
        while let Some(news) = heard.recv().await {
            let over = enough(&news) || matches!(news, News::GivenUp(_));
            last = Some(news);
            if over {
                break;
            }
        }
        Ok(())
    };
    let monitor = Monitor::new().register(starts).register(looks);
    monitor.run_with_signal(stop).await.map_err(|error| at(file, error))?;
    Ok(last)
}

/// Whether the run succeeded.
async fn run(argument: &str, fail: bool) -> Result<bool> {
    let (vendor, target) = parse(argument)?;
    let Connected { provider, target, fake } = connect(&vendor, target).await?;
    if !provider.capabilities().trigger {
        println!("{vendor} cannot be asked to run anything.");
        return Ok(false);
    }
    if let Some(fake) = &fake {
        fake.next_run(if fail { Plan::Fails } else { Plan::Takes(2) });
    }
    // A folder: SQLite keeps its log beside its file.
    let folder = std::env::temp_dir().join(format!("scheduled_runs_{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| at(&folder, error))?;
    let file = folder.join("queue.db");

    println!("\nA trigger of {} goes into the queue.", shared::short(&target.to_string()));
    Queue::open(&file).await?.start(Start { target, asked: SystemClock::default().utc() }).await?;

    println!("A worker takes it, triggers, and stops.");
    let news = work_until("first", provider.clone(), &file, |news| {
        matches!(news, News::Started(_) | News::Ended(_))
    })
    .await?;
    if let Some(News::Started(run)) = &news {
        println!("In the queue is now: look at {}", shared::short(&run.to_string()));
    }

    let news = if matches!(news, Some(News::Started(_))) {
        println!("Another worker takes it, and looks until the run is over.");
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
            println!("A person has to look: {why}");
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
