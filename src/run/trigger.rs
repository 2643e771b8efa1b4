//! Starting a run once, and finding out which run it is.

use std::collections::BTreeSet;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;

use super::model::{RunRef, RunSnapshot, Target};
use super::provider::{RecentRuns, RunProvider};
use crate::client::{CallLimits, CallOptions, Clock};
use crate::error::{Delivery, Error, ErrorKind, Result};

/// A run that was created this long before the trigger is not ours. Both times are the server's, but its parts may disagree, and
/// run times may be cut to whole seconds.
const SKEW: Duration = Duration::from_secs(30);

/// A trigger that is about to be sent. Await it for the run it started.
///
/// Exactly one trigger is sent, whatever happens, unless you choose [`retry_if_not_started`](Self::retry_if_not_started).
/// If the vendor's response does not name the run, the newest runs are listed before and after, and the one that is new is taken
/// for ours; two new ones are [`ErrorKind::Ambiguous`], never a guess. A run that a list shows only after the
/// [settle](Self::settle) time is not noticed.
#[must_use = "nothing is triggered until it is awaited"]
pub struct Trigger<'p, P: ?Sized> {
    provider: &'p P,
    target: Target,
    verify: bool,
    again: bool,
    grace: Duration,
    settle: Duration,
    every: Duration,
    limits: CallLimits,
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
    pub(super) fn new(provider: &'p P, target: Target) -> Self {
        Self {
            provider,
            target,
            verify: false,
            again: false,
            grace: Duration::from_secs(60),
            settle: Duration::from_secs(3),
            every: Duration::from_secs(1),
            limits: CallLimits::default(),
        }
    }

    /// If the response to the trigger is lost, searches for the run instead of failing at once.
    ///
    /// The result is the run, [`ErrorKind::Ambiguous`] with [`Error::candidates`], or the first error with
    /// [`Error::verified_not_started`] set. It does not trigger again. Runs that were started in another way according to the
    /// vendor, by their schedule for example, are not taken for it. If somebody else triggers a run at the moment when our request
    /// is lost on its way, that run cannot be told from ours, where the vendor chooses the ids.
    pub fn verify(mut self) -> Self {
        self.verify = true;
        self
    }

    /// Sends the trigger once more, if its response was lost and [`verify`](Self::verify), which this implies, found within the
    /// [grace](Self::grace) time that nothing has started. Never a third time.
    ///
    /// Off by default: a run that the vendor starts later than the grace time would then run twice.
    pub fn retry_if_not_started(mut self) -> Self {
        (self.verify, self.again) = (true, true);
        self
    }

    /// How long to search for the run. Default 60 s: a vendor lists a new run with some delay.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = limit;
        self
    }

    /// How long to keep searching after a new run was found, in case somebody else's was listed first. Default 3 s.
    pub fn settle(mut self, pause: Duration) -> Self {
        self.settle = pause;
        self
    }

    /// Limits for each call.
    pub fn options(mut self, options: CallOptions) -> Self {
        self.limits.options = options;
        self
    }

    pub(super) fn provider(&self) -> &'p P {
        self.provider
    }

    pub(super) async fn send(self) -> Result<RunRef> {
        match self.send_once().await {
            Err(lost) if self.again && lost.verified_not_started() => {
                let again = self.send_once().await;
                // The first one may still start something.
                again.map_err(|error| error.after_trigger(lost.delivery()))
            }
            sent => sent,
        }
    }

    async fn send_once(&self) -> Result<RunRef> {
        let capabilities = self.provider.capabilities();
        self.target.id_at(&self.provider.vendor())?;
        // Listed first: if this fails, nothing has been started.
        let unnamed = !capabilities.trigger_names_run;
        let to_verify = self.verify && !capabilities.caller_names_run;
        let before = if capabilities.trigger && (to_verify || unnamed) {
            Some(self.provider.recent_runs(&self.target, &self.limits).await?)
        } else {
            None
        };
        match (self.provider.send_trigger(&self.target, &self.limits).await, before) {
            (Ok(triggered), before) => match (triggered.run, before) {
                (Some(run), _) => Ok(run),
                (None, Some(before)) => self.find(&before, None).await,
                (None, None) => {
                    Err(self.nameless(Duration::ZERO).after_trigger(Delivery::Answered))
                }
            },
            (Err(error), before) if self.verify && error.may_have_run() => {
                match (error.run().cloned(), before) {
                    (Some(run), _) => self.find_by_id(run, error).await,
                    (None, Some(before)) => self.find(&before, Some(error)).await,
                    (None, None) => Err(error),
                }
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Searches for the run of this id: the response to its trigger is lost.
    async fn find_by_id(&self, run: RunRef, mut lost: Error) -> Result<RunRef> {
        let search = Search::begin(self);
        loop {
            let (pause, absent) = match self.provider.fetch_run(&run, &self.limits).await {
                Ok(_) => return Ok(run),
                Err(error) if error.kind() == ErrorKind::NotFound => (search.every, true),
                Err(error) if error.is_transient() => (search.pause_after(&error), false),
                Err(_) => return Err(lost),
            };
            if search.is_over() {
                if absent {
                    lost.set().verified_not_started();
                }
                return Err(lost);
            }
            search.sleep(pause).await;
        }
    }

    /// Searches for the run that was not there before. `lost` is the trigger's error; `None` if the vendor accepted it.
    async fn find(&self, before: &RecentRuns, lost: Option<Error>) -> Result<RunRef> {
        let search = Search::begin(self);
        let mut seen = Seen::default();
        loop {
            let (pause, listed) = match self.provider.recent_runs(&self.target, &self.limits).await
            {
                Ok(recent) => {
                    seen.add(before, recent, search.waited());
                    (search.every, true)
                }
                Err(error) if error.is_transient() => (search.pause_after(&error), false),
                Err(error) => {
                    let delivery = Self::delivery(lost.as_ref());
                    return Err(lost.unwrap_or(error).after_trigger(delivery));
                }
            };
            if seen.ours.len() > 1 {
                return Err(self.several(seen.ours, lost));
            }
            let settled = seen
                .since
                .is_some_and(|since| search.waited().saturating_sub(since) >= self.settle);
            if let Some(run) = seen.ours.first()
                && (settled || search.is_over())
            {
                return Ok(run.clone());
            }
            if search.is_over() {
                return Err(self.nothing_found(seen.doubtful, lost, listed));
            }
            search.sleep(pause).await;
        }
    }

    fn delivery(lost: Option<&Error>) -> Delivery {
        if lost.is_some() { Delivery::Unknown } else { Delivery::Answered }
    }

    fn several(&self, runs: BTreeSet<RunRef>, lost: Option<Error>) -> Error {
        let message = format!(
            "{} runs of {} started at the same time; one of them is the one that was triggered here",
            runs.len(),
            self.target
        );
        let delivery = Self::delivery(lost.as_ref());
        let error = Self::ambiguous(message, lost).after_trigger(delivery);
        error.with_candidates(runs.into_iter().collect())
    }

    /// The grace time is over. `listed` says whether the last list could be fetched.
    fn nothing_found(
        &self,
        doubtful: BTreeSet<RunRef>,
        lost: Option<Error>,
        listed: bool,
    ) -> Error {
        let delivery = Self::delivery(lost.as_ref());
        if !doubtful.is_empty() {
            let message = format!(
                "every run of {} that started within {} s seems to be somebody else's",
                self.target,
                self.grace.as_secs()
            );
            let error = Self::ambiguous(message, lost).after_trigger(delivery);
            return error.with_candidates(doubtful.into_iter().collect());
        }
        match lost {
            None => self.nameless(self.grace).after_trigger(delivery),
            Some(mut error) => {
                // Only a list that was fetched after the whole grace time shows that there is no run.
                if listed {
                    error.set().verified_not_started();
                }
                error
            }
        }
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

/// The new runs of all lists so far.
#[derive(Default)]
struct Seen {
    ours: BTreeSet<RunRef>,
    doubtful: BTreeSet<RunRef>,
    /// After which time the first of ours was seen.
    since: Option<Duration>,
}

impl Seen {
    fn add(&mut self, before: &RecentRuns, recent: RecentRuns, waited: Duration) {
        let new = |runs: Vec<RunSnapshot>| {
            runs.into_iter().filter(|run| is_new(before, run)).map(|run| run.run)
        };
        self.ours.extend(new(recent.runs));
        self.doubtful.extend(new(recent.doubtful));
        if !self.ours.is_empty() {
            self.since.get_or_insert(waited);
        }
    }
}

fn is_new(before: &RecentRuns, run: &RunSnapshot) -> bool {
    let known = before.runs.iter().chain(&before.doubtful).any(|old| old.run == run.run);
    let older = before
        .server_time
        .zip(run.created)
        .is_some_and(|(since, created)| (since - created).to_std().is_ok_and(|age| age > SKEW));
    !known && !older
}

/// A search for a run until the grace time is over: the result is worth several attempts.
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
