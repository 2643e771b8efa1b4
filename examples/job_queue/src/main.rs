//! Runs as jobs of a queue: each is started exactly once, also when the worker that starts it is killed.
//!
//! `cargo run --manifest-path examples/job_queue/Cargo.toml` needs no account: it uses a fake, and a queue in a temporary SQLite
//! file. If you set the vendor's environment variables, which it prints, it uses your account. If you set `DATABASE_URL` to
//! `postgres://…`, the queue is there.
//!
//! The worker is a process of its own. On a fake it is killed when its trigger has been carried out and the run is not saved yet.
//! Another worker, which knows nothing but the database, finds out that the run has started, and polls it to its end.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]

use std::process::ExitCode;

use job_queue::queue::Queue;
use job_queue::steps::Work;
use job_queue::story::story;
use job_queue::{Timing, variable};
use scheduled_runs::Result;

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

#[tokio::main]
async fn main() -> ExitCode {
    let done = match rustls::crypto::ring::default_provider().install_default() {
        Ok(()) => command().await,
        Err(_) => Ok(false),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\n{}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn command() -> Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["add", target] => println!("{}", open().await?.add(&target.parse()?).await?),
        ["work"] => open().await?.run().await,
        ["list"] => {
            for job in open().await?.table.all().await? {
                println!("{} {} {}", job.id, job.target, job.state);
            }
        }
        [] => return story("mode", false).await,
        ["--fail"] => return story("mode", true).await,
        ["--fail", vendor] | [vendor, "--fail"] => return story(vendor, true).await,
        ["--help" | "-h"] => println!("{USAGE}"),
        [vendor] if !vendor.starts_with('-') => return story(vendor, false).await,
        _ => {
            eprintln!("{USAGE}");
            return Ok(false);
        }
    }
    Ok(true)
}

/// The queue that the environment names.
async fn open() -> Result<Work> {
    let url = variable("DATABASE_URL", "sqlite://job_queue.db?mode=rwc");
    Queue::open(&url, &variable("QUEUE", "runs"), Timing::from_env()).await
}
