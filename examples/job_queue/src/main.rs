//! Runs as jobs of a queue: each is started exactly once, also when the worker that starts it is killed.
//!
//! `cargo run --manifest-path examples/job_queue/Cargo.toml` needs no account: it uses a fake, and a queue in a temporary SQLite
//! file. If you set the vendor's environment variables, which it prints, it uses your account. If you set `DATABASE_URL` to
//! `postgres://…`, the queue is there.
//!
//! The worker is a process of its own. On a fake it is killed when its trigger has been carried out and the run is not saved yet.
//! Another worker, which knows nothing but the database, finds out that the run has started, and polls it to its end.

#[macro_use]
#[path = "../../shared/lines.rs"]
mod lines;

use std::error::Error as _;
use std::process::ExitCode;

use job_queue::queue::Queue;
use job_queue::steps::Work;
use job_queue::story::story;
use job_queue::{Timing, target, variable};
use scheduled_runs::{ErrorKind, Result};

const USAGE: &str = "\
usage: job_queue [--fail] [VENDOR | VENDOR:TARGET]
       job_queue add VENDOR:TARGET
       job_queue work
       job_queue list

  VENDOR    adobe, foundry, mode (default) or supermetrics
  TARGET    what to run there, as a `Target` prints it
  --fail    on a fake: the run fails, to show its reason

Without a command it shows how a run becomes a job of a queue, and how one worker
continues what another one has begun. It uses your account if the vendor's
environment variables are set, and a fake of the vendor otherwise. It prints the
names of the variables.

`add` queues a run of your account, `work` runs a worker until it is stopped, and
`list` prints the jobs. Start as many workers as you like.

  DATABASE_URL   postgres://… or sqlite://…; default sqlite://job_queue.db?mode=rwc
  QUEUE          the queue's name in the database; default runs";

/// The exit code for a mistake that the user can correct.
const MISTAKE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match rustls::crypto::ring::default_provider().install_default() {
        Ok(()) => command().await,
        Err(_) => Ok(ExitCode::FAILURE),
    };
    let error = match done {
        Ok(code) => return code,
        Err(error) => error,
    };
    if error.kind() != ErrorKind::Config {
        complain!("\n{}", error.report());
        return ExitCode::FAILURE;
    }
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    complain!("{line}");
    ExitCode::from(MISTAKE)
}

async fn command() -> Result<ExitCode> {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let succeeded = match *arguments {
        _ if arguments.iter().any(|argument| matches!(*argument, "--help" | "-h")) => {
            say!("{USAGE}");
            true
        }
        ["add", text] => {
            let target = target(text)?;
            say!("{}", open().await?.add(&target).await?);
            true
        }
        ["work"] => {
            open().await?.run().await;
            true
        }
        ["list"] => {
            for job in open().await?.table.all().await? {
                say!("{} {} {}", job.id, job.target, job.state);
            }
            true
        }
        [] => story("mode", false).await?,
        ["--fail"] => story("mode", true).await?,
        ["--fail", vendor] | [vendor, "--fail"] if is_vendor(vendor) => story(vendor, true).await?,
        [vendor] if is_vendor(vendor) => story(vendor, false).await?,
        _ => return Ok(refuse(&arguments)),
    };
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether this may be a vendor: it is neither an option nor a command.
fn is_vendor(argument: &str) -> bool {
    !argument.starts_with('-') && !["add", "work", "list"].contains(&argument)
}

/// Says which argument is wrong.
fn refuse(arguments: &[&str]) -> ExitCode {
    let is_unknown = |argument: &&&str| argument.starts_with('-') && **argument != "--fail";
    match (arguments.iter().find(is_unknown), arguments) {
        (Some(option), _) => complain!("unknown option {option}\n\n{USAGE}"),
        (None, ["add"]) => complain!("add needs VENDOR:TARGET\n\n{USAGE}"),
        (None, [.., last]) => complain!("unexpected argument {last:?}\n\n{USAGE}"),
        (None, []) => complain!("{USAGE}"),
    }
    ExitCode::from(MISTAKE)
}

/// The queue that the environment names.
async fn open() -> Result<Work> {
    let url = variable("DATABASE_URL", "sqlite://job_queue.db?mode=rwc");
    Queue::open(&url, &variable("QUEUE", "runs"), Timing::from_env()).await
}
