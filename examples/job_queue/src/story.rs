//! What a person sees who has no account: one job, and two workers, of which the first is killed.
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::process::Stdio;

use scheduled_runs::{Error, ErrorKind, Result, RunProvider as _};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::queue::Queue;
use crate::steps::Work;
use crate::table::Job;
use crate::vendors::{Connected, Plan, connect, name, parse};
use crate::{Timing, broken, variable};

/// Whether the run succeeded.
pub async fn story(argument: &str, fail: bool) -> Result<bool> {
    let (vendor, target) = parse(argument)?;
    let Connected { provider, target, fake } = connect(&vendor, target).await?;
    if !provider.capabilities().trigger {
        let name = name(&vendor);
        let why = format!("{name} cannot trigger runs; use adobe, foundry, mode or supermetrics");
        return Err(Error::new(ErrorKind::Config, why));
    }
    // A folder, because SQLite writes its log beside its file.
    let name = format!("job_queue_{}", std::process::id());
    let folder = std::env::temp_dir().join(&name);
    std::fs::create_dir_all(&folder).map_err(broken)?;
    let file = format!("sqlite://{}?mode=rwc", folder.join("queue.db").display());
    let url = variable("DATABASE_URL", &file);
    let work = Queue::open(&url, &name, Timing::from_env()).await?;

    // What a worker needs.
    let mut variables = vec![("DATABASE_URL", url), ("QUEUE", name)];
    if let Some(fake) = &fake {
        fake.next_run(if fail { Plan::Fails } else { Plan::Takes(2) });
        variables.extend(fake.variables());
        variables.push((Timing::SHORT, "1".to_owned()));
    }

    say!("\nQueueing a run of {}.", short(&target.to_string()));
    let id = work.add(&target).await?;
    say!("A worker takes the job.");
    let mut worker = Worker::spawn(&variables)?;
    if fake.is_some() {
        let job = worker.watch(&work, &id, |line| line.contains(" started ")).await?;
        worker.kill().await?;
        let saved = if job.run.is_none() { "before" } else { "after" };
        say!("That worker was killed {saved} it saved the run. Another one takes the job.");
        worker = Worker::spawn(&variables)?;
    }
    let job = worker.watch(&work, &id, |_| false).await?;
    worker.kill().await?;
    std::fs::remove_dir_all(&folder).map_err(broken)?;

    match &*job.state {
        "succeeded" | "failed" => say!("It {}.", job.state),
        "cancelled" | "skipped" => say!("It was {}.", job.state),
        state => say!("A person must decide, because the job is {state}."),
    }
    if let Some(note) = &job.note {
        say!("  {note}");
    }
    Ok(job.state == "succeeded")
}

/// A worker in a process of its own.
struct Worker {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    fn spawn(variables: &[(&str, String)]) -> Result<Self> {
        let program = std::env::current_exe().map_err(broken)?;
        let mut command = Command::new(program);
        command.arg("work").envs(variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().map_err(broken)?;
        let lines = process.stdout.take().ok_or_else(|| broken("a worker has no output"))?;
        Ok(Self { process, lines: BufReader::new(lines).lines() })
    }

    /// Prints what the worker prints, until a line is enough or the job has ended. Returns the job.
    async fn watch(&mut self, work: &Work, id: &str, enough: fn(&str) -> bool) -> Result<Job> {
        while let Some(line) = self.lines.next_line().await.map_err(broken)? {
            if enough(&line) {
                // No time to lose: the worker must not get on.
                self.process.start_kill().map_err(broken)?;
            }
            say!("  {}", short(&line));
            let job = work.table.find(id).await?.ok_or_else(|| broken("the job is gone"))?;
            if enough(&line) || job.has_ended() {
                return Ok(job);
            }
        }
        Err(broken("the worker has ended"))
    }

    async fn kill(mut self) -> Result<()> {
        self.process.kill().await.map_err(broken)
    }
}

/// One line of a terminal: the target of some vendors is a whole query.
fn short(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text.to_owned(),
    }
}
