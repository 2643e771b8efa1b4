//! What one task of the queue does: the next step of one job.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use scheduled_runs::run::Recovery;
use scheduled_runs::{
    Error, ErrorKind, Result, RunProvider, RunProviderExt as _, RunRef, StartIntent,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::Timing;
use crate::queue::Queue;
use crate::table::{Job, Table, millis, now};
use crate::vendors::connect;

/// A task of the queue: the step of a job that is due at this time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    pub id: String,
    pub due: i64,
}

/// When the next step of a job is due.
enum Next {
    /// After the usual pause, or after this one if it is longer.
    After(Duration),
    At(DateTime<Utc>),
    /// It has ended, or another worker goes on with it.
    Never,
}

const SOON: Next = Next::After(Duration::ZERO);

/// What a worker works with.
#[derive(Clone)]
pub struct Work {
    pub table: Table,
    pub queue: Queue,
    pub timing: Timing,
    providers: Arc<Mutex<HashMap<String, Arc<dyn RunProvider>>>>,
}

impl Work {
    pub fn new(table: Table, queue: Queue, timing: Timing) -> Self {
        Self { table, queue, timing, providers: Arc::default() }
    }

    /// Takes the step, and queues the next one. It may be taken twice, also at the same time.
    pub async fn take(&self, step: &Step) -> Result<()> {
        let Some(job) = self.table.find(&step.id).await? else { return Ok(()) };
        if job.due != step.due || job.has_ended() {
            return Ok(());
        }
        let provider = self.provider(&job).await?;
        let next = match &job.run {
            None => self.start(job.clone(), &*provider).await?,
            Some(run) => self.poll(&job, &*provider, run).await?,
        };
        let due = match next {
            Next::After(pause) => {
                let usual = self.timing.poll.max(provider.capabilities().poll_floor);
                now() + millis(pause.max(usual))
            }
            Next::At(time) => time.timestamp_millis(),
            Next::Never => return Ok(()),
        };
        self.queue_next(&job, due).await
    }

    /// Queues the next step, unless another worker has. If this worker dies in between, the sweep queues it.
    pub async fn queue_next(&self, job: &Job, due: i64) -> Result<()> {
        match self.table.reschedule(job, due).await? {
            Some(step) => self.queue.push(step).await,
            None => Ok(()),
        }
    }

    /// Starts the run, exactly once: first it finds out what became of an earlier start.
    async fn start(&self, mut job: Job, provider: &dyn RunProvider) -> Result<Next> {
        if job.state == "waiting" {
            if !self.table.claim(&job).await? {
                return Ok(SOON); // another job of this target is starting
            }
            "starting".clone_into(&mut job.state);
        }
        if let Some(line) = &job.intent {
            let intent: StartIntent = line.parse()?;
            let others = self.table.runs(&job.target).await?;
            match provider.recover(&intent).excluding(others).await {
                Ok(Recovery::Started(run)) => {
                    report(&job, &format!("recovered: started {run}"));
                    return self.save(&job, line, &run).await;
                }
                Ok(Recovery::NotStarted) => report(&job, "recovered: not started"),
                Ok(Recovery::Undecided { again_at }) => {
                    report(&job, "recovered: undecided");
                    return Ok(Next::At(again_at));
                }
                Ok(_) => return Ok(SOON),
                Err(error) if error.kind() == ErrorKind::Ambiguous => {
                    let runs: Vec<_> = error.candidates().iter().map(RunRef::to_string).collect();
                    let note = format!("{error}; candidates: {}", runs.join(", "));
                    return self.end(&job, "ambiguous", Some(&note)).await;
                }
                Err(error) => return Ok(later(&job, &error)),
            }
        }

        let Timing { lease, arrival, skew, grace, .. } = self.timing;
        let prepare = provider.prepare(&job.target).lease(lease).arrival(arrival);
        let prepared = match prepare.clock_skew(skew).grace(grace).await {
            Ok(prepared) => prepared,
            Err(error) if error.is_transient() => return Ok(later(&job, &error)),
            Err(error) => return self.end(&job, "not started", Some(&error.to_string())).await,
        };
        let intent = prepared.intent().to_string();
        if !self.table.replace_intent(&job, job.intent.as_deref(), Some(&intent)).await? {
            return Ok(Next::Never); // another worker starts it
        }
        report(&job, "the intent is saved");
        provider.clock().sleep(self.timing.pause).await;
        let error = match prepared.start().await {
            Ok(run) => {
                report(&job, &format!("started {run}"));
                provider.clock().sleep(self.timing.pause).await;
                return self.save(&job, &intent, &run).await;
            }
            // The intent stays: the next step finds out.
            Err(error) if error.may_have_run() => return Ok(later(&job, &error)),
            Err(error) => error,
        };
        // Certainly nothing was started. `Config` means that this worker came too late.
        if self.table.replace_intent(&job, Some(&intent), None).await?
            && !error.is_transient()
            && error.kind() != ErrorKind::Config
        {
            job.intent = None;
            return self.end(&job, "not started", Some(&error.to_string())).await;
        }
        Ok(later(&job, &error))
    }

    async fn save(&self, job: &Job, intent: &str, run: &RunRef) -> Result<Next> {
        if self.table.save_run(job, intent, run).await? {
            report(job, "the run is saved");
        }
        Ok(SOON)
    }

    /// Polls the run once.
    async fn poll(&self, job: &Job, provider: &dyn RunProvider, run: &RunRef) -> Result<Next> {
        match provider.snapshot(run).await {
            Ok(snapshot) if snapshot.phase.is_terminal() => {
                let why = snapshot.failure.map(|failure| failure.to_string());
                self.end(job, snapshot.phase.as_str(), why.as_deref()).await
            }
            Ok(snapshot) => {
                report(job, snapshot.phase.as_str());
                Ok(SOON)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // A vendor may show a new run late.
                let shown = job.saved.unwrap_or_default() + millis(self.timing.grace);
                if now() < shown {
                    return Ok(SOON);
                }
                self.end(job, "lost", Some(&error.to_string())).await
            }
            // The poll failed, not the run.
            Err(error) => Ok(later(job, &error)),
        }
    }

    /// The job has ended. Here a program fetches the results, before the end is saved; it may do so twice.
    async fn end(&self, job: &Job, state: &str, note: Option<&str>) -> Result<Next> {
        if self.table.end(job, state, note).await? {
            report(job, &[state, note.unwrap_or_default()].join(" "));
        }
        Ok(Next::Never)
    }

    async fn provider(&self, job: &Job) -> Result<Arc<dyn RunProvider>> {
        let vendor = job.target.vendor().to_string();
        let mut providers = self.providers.lock().await;
        if let Some(provider) = providers.get(&vendor) {
            return Ok(provider.clone());
        }
        let connected = connect(&vendor, Some(job.target.clone())).await?;
        if connected.fake.is_some() {
            let message = format!("set the environment variables of your account at {vendor}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        providers.insert(vendor, connected.provider.clone());
        Ok(connected.provider)
    }
}

fn later(job: &Job, error: &Error) -> Next {
    report(job, &format!("later, because of: {error}"));
    Next::After(error.server_pause().unwrap_or_default())
}

#[allow(clippy::print_stdout, reason = "an example talks to a person")]
fn report(job: &Job, what: &str) {
    say!("{} {what}", job.id);
}
