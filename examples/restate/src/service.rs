//! The service: one virtual object per target. Its key is the target, as a `Target` prints it.
//!
//! If a worker dies in a step, the engine executes the step again. This is why no run is started twice nevertheless:
//!
//! 1. The step `prepare` returns the intent of a start. The engine has it in its journal before the step `start` begins.
//! 2. A `Prepared` cannot leave its process, and `start` uses it up. So the step `start` has one only if it is executed for the first time, by
//!    the process that prepared it. Otherwise it recovers the intent, which sends nothing.
//! 3. Two workers may execute one invocation, because the engine cannot tell a frozen worker from a dead one. But it accepts results only from
//!    the worker that it called last. So an intent is replaced by compare-and-swap: a worker whose intent comes too late does not
//!    get past the step `prepare`. A worker that was frozen after that step has a `Prepared` whose intent counts. After the lease of the intent
//!    it starts nothing, and only after the lease is it decided that nothing was started.
//! 4. `run` is exclusive: the engine executes one invocation of it after another for each object. So only one start of a target is open at
//!    a time.
//!
//! An invocation ends with the version of the program that it began with. Register a new version at a new address, and keep the old one
//! until its invocations have ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use restate_sdk::prelude::*;
use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::run::{CancelOutcome, Prepared, Recovery};
use scheduled_runs::{
    Error, ErrorKind, Phase, RunProvider, RunProviderExt as _, RunRef, RunSnapshot, StartIntent,
    Target, Vendor,
};
use serde::{Deserialize, Serialize};

/// The name of an object's state.
const MEMORY: &str = "memory";

/// The state of an object. Unlike a journal it outlives an invocation that a person kills.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Memory {
    /// A start that may not be decided yet. If it is ambiguous, every call fails for that reason until a person clears this state.
    intent: Option<StartIntent>,
    /// The newest runs, oldest first.
    runs: Vec<RunRef>,
}

/// How many runs an object remembers.
const REMEMBERED: usize = 20;

/// A vendor lists a run within this time after its start. This is the default of `prepare`.
const GRACE: Duration = Duration::from_secs(60);

/// The lease of an intent where a fake is used.
pub(crate) const SHORT_LEASE: Duration = Duration::from_millis(1500);

/// What the step `start` or `recover` found out.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome {
    Started(RunRef),
    NotStarted,
    Undecided { again_at: DateTime<Utc> },
}

/// The virtual objects.
pub(crate) struct Runs {
    pub(crate) providers: HashMap<Vendor, Arc<dyn RunProvider>>,
    /// Whether the vendors are fakes on this machine. They need less time.
    pub(crate) are_fakes: bool,
}

#[restate_sdk::object(client_visibility = "pub(crate)")]
impl Runs {
    /// Starts a run of the target and returns how it ended.
    //
    // By default the engine stops after 70 attempts, and a person must resume the invocation.
    #[handler(invocation_retry_policy(
        initial_interval = "100ms",
        factor = 2.0,
        max_interval = "30s",
        max_attempts = 1_000_000,
        on_max_attempts = "pause"
    ))]
    async fn run(&self, ctx: ObjectContext<'_>) -> HandlerResult<Json<RunSnapshot>> {
        let target = ctx.key().parse().terminal()?;
        let provider = self.provider(&target)?;
        let run = self.start(&ctx, provider, &target).await?;
        self.wait(&ctx, provider, &run).await.map(Json)
    }

    /// Asks the vendor to cancel the target's newest run. `run` then returns when the run has ended.
    #[handler]
    async fn cancel(&self, ctx: SharedObjectContext<'_>) -> HandlerResult<Json<CancelOutcome>> {
        let target = ctx.key().parse().terminal()?;
        let provider = self.provider(&target)?;
        let memory = ctx.get::<Json<Memory>>(MEMORY).await?;
        let Some(run) = memory.and_then(|Json(mut memory)| memory.runs.pop()) else {
            return Err(TerminalError::new_with_code(404, "no run has been started yet").into());
        };
        let cancel = || async { provider.cancel(&run).await.map(Json).map_err(judge) };
        Ok(ctx.run(cancel).name("cancel").await?)
    }
}

impl Runs {
    fn provider(&self, target: &Target) -> Result<&dyn RunProvider, TerminalError> {
        let provider = self.providers.get(target.vendor());
        let unknown = || TerminalError::new(format!("no provider for {}", target.vendor()));
        provider.map(|provider| &**provider).ok_or_else(unknown)
    }

    /// Between two polls, between two recoveries, and before a start that failed is prepared anew.
    fn interval(&self) -> Duration {
        if self.are_fakes { Duration::from_secs(1) } else { Duration::from_secs(30) }
    }

    async fn prepare<'p>(
        &self,
        provider: &'p dyn RunProvider,
        target: &Target,
    ) -> scheduled_runs::Result<Prepared<'p, dyn RunProvider>> {
        let prepare = provider.prepare(target);
        if !self.are_fakes {
            return prepare.await;
        }
        let prepare = prepare.lease(SHORT_LEASE).arrival(Duration::from_secs(1));
        prepare.clock_skew(Duration::from_millis(100)).grace(Duration::from_millis(1500)).await
    }

    /// Starts a run, once.
    async fn start(
        &self,
        ctx: &ObjectContext<'_>,
        provider: &dyn RunProvider,
        target: &Target,
    ) -> HandlerResult<RunRef> {
        let memory = ctx.get::<Json<Memory>>(MEMORY).await?;
        let Memory { intent: mut left, mut runs } =
            memory.map(Json::into_inner).unwrap_or_default();
        let recent = runs.clone();
        let recover = async |intent: &StartIntent| {
            // A vendor may list a run so late that it looks like a new one.
            let recover = provider.recover(intent).excluding(recent.clone());
            let found = recover.await.map_err(judge)?;
            let outcome = match found {
                Recovery::Started(run) => Outcome::Started(run),
                Recovery::NotStarted => Outcome::NotStarted,
                Recovery::Undecided { again_at } => Outcome::Undecided { again_at },
                _ => return Err(TerminalError::new("this recovery is not known here").into()),
            };
            report(target, "recovered", &outcome);
            Ok(Json(outcome))
        };
        loop {
            let mut prepared = None;
            // A person killed the invocation before this one while it started a run: that start is decided first.
            let intent = if let Some(intent) = left.take() {
                intent
            } else {
                let slot = &mut prepared;
                let prepare = || async move {
                    let new = self.prepare(provider, target).await.map_err(judge)?;
                    let intent = slot.insert(new).intent().clone();
                    say!("{target} prepared");
                    Ok(Json(intent))
                };
                let Json(new) = ctx.run(prepare).name("prepare").await?;
                ctx.set(MEMORY, Json(Memory { intent: Some(new.clone()), runs: runs.clone() }));
                // Nobody waits for a `set`. When the engine has the result of this step, it also has the state.
                ctx.run(async || Ok(())).name("remembered").await?;
                new
            };
            let start = || async {
                match prepared {
                    Some(prepared) => send(prepared, target).await.map(Json),
                    None => recover(&intent).await,
                }
            };
            let Json(mut outcome) = ctx.run(start).name("start").await?;
            while let Outcome::Undecided { again_at } = outcome {
                let pause = (again_at - SystemClock::default().utc()).to_std().unwrap_or_default();
                ctx.sleep(pause.max(self.interval())).await?;
                Json(outcome) = ctx.run(|| recover(&intent)).name("recover").await?;
            }
            if let Outcome::Started(run) = outcome {
                runs.push(run.clone());
                runs.drain(..runs.len().saturating_sub(REMEMBERED));
                ctx.set(MEMORY, Json(Memory { intent: None, runs }));
                return Ok(run);
            }
            ctx.sleep(self.interval()).await?;
        }
    }

    /// Polls until the run has ended, with durable sleeps in between. An invocation that sleeps for more than a minute needs no worker: the
    /// engine suspends it.
    ///
    /// Each poll stays in the journal, which a worker replays when it takes the invocation over: 2,000 polls in less than a second.
    async fn wait(
        &self,
        ctx: &ObjectContext<'_>,
        provider: &dyn RunProvider,
        run: &RunRef,
    ) -> HandlerResult<RunSnapshot> {
        let mut waited = Duration::ZERO;
        loop {
            let poll = || async {
                let snapshot = match provider.snapshot(run).await {
                    Ok(snapshot) => snapshot,
                    // The vendor lists a new run late.
                    Err(error) if error.kind() == ErrorKind::NotFound && waited < GRACE => {
                        RunSnapshot::new(run.clone(), Phase::Unknown)
                    }
                    Err(error) => return Err(judge(error)),
                };
                say!("{} {}", run.target(), snapshot.phase);
                Ok(Json(snapshot))
            };
            let Json(snapshot) = ctx.run(poll).name("poll").await?;
            if snapshot.phase.is_terminal() {
                return Ok(snapshot);
            }
            ctx.sleep(self.interval()).await?;
            waited += self.interval();
        }
    }
}

/// Sends the trigger, at most once.
async fn send(prepared: Prepared<'_, dyn RunProvider>, target: &Target) -> HandlerResult<Outcome> {
    let outcome = match prepared.start().await {
        Ok(run) => Outcome::Started(run),
        // The engine executes the step again, which recovers the intent.
        Err(error) if error.may_have_run() => return Err(error.into()),
        // Certainly nothing was started. Either the lease is over (`prepare` has met everything else that is wrong with the
        // configuration), or a later start may succeed.
        Err(error) if error.kind() == ErrorKind::Config || error.is_transient() => {
            Outcome::NotStarted
        }
        Err(error) => return Err(judge(error)),
    };
    report(target, "sent", &outcome);
    Ok(outcome)
}

/// The engine retries what may succeed later. Everything else ends the invocation.
fn judge(error: Error) -> HandlerError {
    if error.is_transient() { error.into() } else { TerminalError::new(error.to_string()).into() }
}

fn report(target: &Target, step: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Started(run) => say!("{target} {step}: started {}", run.id()),
        Outcome::NotStarted => say!("{target} {step}: not started"),
        Outcome::Undecided { .. } => say!("{target} {step}: undecided"),
    }
}
