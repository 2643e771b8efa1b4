//! Starting a run once, and knowing which run that was.

use std::collections::BTreeSet;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;

use super::{RecentRuns, RunProvider, RunRef, Target, Wait};
use crate::client::{CallOptions, Clock};
use crate::error::{Delivery, Error, ErrorKind, Result};

/// A trigger that is about to be sent. Await it for the run it started.
///
/// Exactly one trigger is sent, whatever happens, unless you choose [`retry_if_not_started`](Self::retry_if_not_started).
/// Where the vendor's answer does not name the run, the newest runs are
/// listed before and after, and the one that is new is taken for ours; two new ones are [`ErrorKind::Ambiguous`], never a
/// guess. What a list shows only after the [settle](Self::settle) time cannot be told apart.
#[must_use = "nothing is triggered until it is awaited"]
pub struct Trigger<'p, P: ?Sized> {
    provider: &'p P,
    target: Target,
    verify: bool,
    again: bool,
    grace: Duration,
    settle: Duration,
    every: Duration,
    options: CallOptions,
}

impl<P: ?Sized> fmt::Debug for Trigger<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trigger")
            .field("target", &self.target)
            .field("verify", &self.verify)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

impl<'p, P: RunProvider + ?Sized> Trigger<'p, P> {
    /// A run that was created this long before the trigger is not ours. Both times are the server's, but its parts may
    /// disagree, and run times may be cut to whole seconds.
    const SKEW: Duration = Duration::from_secs(30);

    pub(super) fn new(provider: &'p P, target: Target) -> Self {
        Self {
            provider,
            target,
            verify: false,
            again: false,
            grace: Duration::from_secs(60),
            settle: Duration::from_secs(3),
            every: Duration::from_secs(1),
            options: CallOptions::default(),
        }
    }

    /// If the trigger's answer is lost, looks whether a run has started, instead of failing at once.
    ///
    /// It ends in the run, in [`ErrorKind::Ambiguous`] with [`Error::candidates`], or in the first error with
    /// [`Error::verified_not_started`] set. It does not trigger again. Runs that the vendor shows to have started otherwise,
    /// by their schedule for example, are not taken for it; one that somebody starts in the same way, just while ours is
    /// lost before it arrives, cannot be told from it where the vendor chooses the ids.
    pub fn verify(mut self) -> Self {
        self.verify = true;
        self
    }

    /// Sends the trigger once more, if its answer was lost and [`verify`](Self::verify), which this implies, found within
    /// the [grace](Self::grace) time that nothing has started. Never a third time.
    ///
    /// Off unless you choose it: what the vendor starts later than the grace time runs twice then.
    pub fn retry_if_not_started(mut self) -> Self {
        (self.verify, self.again) = (true, true);
        self
    }

    /// How long to look for the run. Default 60 s: a vendor lists a new run with some delay.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = limit;
        self
    }

    /// How long to go on looking once a new run was seen, in case somebody else's came first. Default 3 s.
    pub fn settle(mut self, pause: Duration) -> Self {
        self.settle = pause;
        self
    }

    /// Limits for each call.
    pub fn options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Goes on to wait for the run's end.
    pub fn wait(self) -> Wait<'p, P> {
        Wait::for_trigger(self)
    }

    pub(super) fn provider(&self) -> &'p P {
        self.provider
    }

    pub(super) async fn send(self) -> Result<RunRef> {
        match self.send_once().await {
            Err(lost) if self.again && lost.verified_not_started() => {
                let again = self.send_once().await;
                // The first one may start something yet.
                again.map_err(|error| error.after_trigger(lost.delivery()))
            }
            sent => sent,
        }
    }

    async fn send_once(&self) -> Result<RunRef> {
        let capabilities = self.provider.capabilities();
        self.target.id_at(&self.provider.vendor())?;
        // Listed first: if even that fails, nothing has been started.
        let unnamed = !capabilities.trigger_names_run;
        let to_verify = self.verify && !capabilities.caller_names_run;
        let before = if capabilities.trigger && (to_verify || unnamed) {
            Some(self.provider.recent_runs(&self.target, &self.options).await?)
        } else {
            None
        };
        match (self.provider.trigger_run(&self.target, &self.options).await, before) {
            (Ok(triggered), before) => match (triggered.run, before) {
                (Some(run), _) => Ok(run),
                (None, Some(before)) => self.find(&before, None).await,
                (None, None) => {
                    Err(self.nameless(Duration::ZERO).after_trigger(Delivery::Answered))
                }
            },
            (Err(error), before) if self.verify && error.may_have_run() => {
                match (error.run().cloned(), before) {
                    (Some(run), _) => self.look_up(run, error).await,
                    (None, Some(before)) => self.find(&before, Some(error)).await,
                    (None, None) => Err(error),
                }
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Looks whether the run of this id is there: the trigger that was to start it is lost.
    async fn look_up(&self, run: RunRef, mut lost: Error) -> Result<RunRef> {
        let search = Search::begin(self);
        loop {
            let (pause, looked) = match self.provider.get_run(&run, &self.options).await {
                Ok(_) => return Ok(run),
                Err(error) if error.kind() == ErrorKind::NotFound => (search.every, true),
                Err(error) if error.is_transient() => (search.pause_after(&error), false),
                Err(_) => return Err(lost),
            };
            if search.is_over() {
                if looked {
                    lost.set().verified_not_started();
                }
                return Err(lost);
            }
            search.sleep(pause).await;
        }
    }

    /// Looks for the run that was not there before. `lost` is the trigger's error; `None` if the vendor accepted it.
    async fn find(&self, before: &RecentRuns, lost: Option<Error>) -> Result<RunRef> {
        let delivery = if lost.is_some() { Delivery::Unknown } else { Delivery::Answered };
        let search = Search::begin(self);
        let (mut found, mut doubtful) = (BTreeSet::new(), BTreeSet::new());
        let mut seen_at = None;
        loop {
            let (pause, looked) = match self.provider.recent_runs(&self.target, &self.options).await
            {
                Ok(recent) => {
                    for (runs, new) in [(recent.runs, &mut found), (recent.doubtful, &mut doubtful)]
                    {
                        let runs = runs.into_iter().filter(|run| Self::is_new(before, run));
                        new.extend(runs.map(|run| run.run));
                    }
                    (search.every, true)
                }
                Err(error) if error.is_transient() => (search.pause_after(&error), false),
                Err(error) => return Err(lost.unwrap_or(error).after_trigger(delivery)),
            };
            if found.len() > 1 {
                let candidates: Vec<_> = found.into_iter().collect();
                let message = format!(
                    "{} runs of {} started at the same time; one of them is the one that was triggered here",
                    candidates.len(),
                    self.target
                );
                let error = Self::ambiguous(message, lost).after_trigger(delivery);
                return Err(error.with_candidates(candidates));
            }
            if let Some(run) = found.first()
                && search.waited().saturating_sub(*seen_at.get_or_insert_with(|| search.waited()))
                    >= self.settle
            {
                return Ok(run.clone());
            }
            if search.is_over() {
                if let Some(run) = found.pop_first() {
                    return Ok(run);
                }
                if !doubtful.is_empty() {
                    let message = format!(
                        "no run of {} started within {} s but what seems to be somebody else's",
                        self.target,
                        self.grace.as_secs()
                    );
                    let error = Self::ambiguous(message, lost).after_trigger(delivery);
                    return Err(error.with_candidates(doubtful.into_iter().collect()));
                }
                return Err(match lost {
                    None => self.nameless(self.grace).after_trigger(delivery),
                    Some(mut error) => {
                        // Only a look that worked, after the whole grace time, shows that there is no run.
                        if looked {
                            error.set().verified_not_started();
                        }
                        error
                    }
                });
            }
            search.sleep(pause).await;
        }
    }

    fn is_new(before: &RecentRuns, run: &super::RunSnapshot) -> bool {
        let known = before.runs.iter().chain(&before.doubtful).any(|old| old.run == run.run);
        let older = before.server_time.zip(run.created).is_some_and(|(since, created)| {
            (since - created).to_std().is_ok_and(|age| age > Self::SKEW)
        });
        !known && !older
    }

    fn nameless(&self, looked: Duration) -> Error {
        let message = format!(
            "the vendor accepted the trigger of {}, but no new run appeared within {} s",
            self.target,
            looked.as_secs()
        );
        Self::ambiguous(message, None)
    }

    fn ambiguous(message: String, lost: Option<Error>) -> Error {
        let error = Error::new(ErrorKind::Ambiguous, message);
        match lost {
            Some(lost) => {
                error.with_operation(lost.operation().unwrap_or("trigger")).with_source(lost)
            }
            None => error,
        }
    }
}

/// Looking for a run until the grace time is over. Finding out is worth several tries.
struct Search {
    clock: Arc<dyn Clock>,
    begun: Instant,
    grace: Duration,
    every: Duration,
}

impl Search {
    fn begin<P: RunProvider + ?Sized>(trigger: &Trigger<'_, P>) -> Self {
        let clock = trigger.provider.clock();
        Self {
            begun: clock.now(),
            clock,
            grace: trigger.grace,
            every: trigger.every.max(trigger.provider.capabilities().poll_floor),
        }
    }

    fn waited(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.begun)
    }

    fn is_over(&self) -> bool {
        self.waited() >= self.grace
    }

    fn pause_after(&self, error: &Error) -> Duration {
        self.every.max(error.retry_after().unwrap_or_default())
    }

    async fn sleep(&self, pause: Duration) {
        self.clock.sleep(pause.min(self.grace.saturating_sub(self.waited()))).await;
    }
}

impl<'p, P: RunProvider + ?Sized> IntoFuture for Trigger<'p, P> {
    type Output = Result<RunRef>;
    type IntoFuture = BoxFuture<'p, Result<RunRef>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
