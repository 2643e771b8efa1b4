//! One start: the trigger, and the search for the run that it started.

use std::collections::HashSet;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_core::future::BoxFuture;

use super::intent::{Bounds, KnownRuns, StartIntent};
use super::model::{RunRef, Target};
use super::provider::{RunProvider, unsupported};
use super::search::{Look, Runs, known_runs};
use crate::client::{CallLimits, CallOptions, Clock, Lease};
use crate::error::{Delivery, Error, ErrorKind, Result};

/// The parts of a server may disagree about the time, and cut it to whole seconds.
const ROUNDING: TimeDelta = TimeDelta::seconds(1);

/// The time between two looks at the list.
const EVERY: Duration = Duration::from_secs(1);

/// What is known before a trigger is sent, and how to find the run that it starts.
pub(super) struct Start<'p, P: ?Sized> {
    provider: &'p P,
    target: Target,
    /// The run, where the caller names it.
    run: Option<RunRef>,
    /// The runs that are there already, where ours is found by listing.
    before: Option<Before>,
    /// Runs that belong to other starts, although they may appear in the list only now.
    pub(super) others: HashSet<RunRef>,
    limits: CallLimits,
    pub(super) grace: Duration,
    pub(super) settle: Duration,
}

struct Before {
    known: KnownRuns,
    server_time: Option<DateTime<Utc>>,
    /// When the list was read.
    read: Instant,
}

impl<'p, P: RunProvider + ?Sized> Start<'p, P> {
    /// Names the run, if callers do; `lists` says whether the list is read first. If this fails, nothing has been started.
    pub(super) async fn begin(
        provider: &'p P,
        target: Target,
        limits: CallLimits,
        lists: bool,
    ) -> Result<Self> {
        target.id_at(provider)?;
        let capabilities = provider.capabilities_of(&target);
        let by_name = capabilities.caller_names_run;
        let run = if by_name { provider.name_run(&target)? } else { None };
        let before = if capabilities.trigger && !by_name && lists {
            let read = provider.clock().now();
            let (known, server_time) = known_runs(provider, &target, &limits).await?;
            Some(Before { known, server_time, read })
        } else {
            None
        };
        let (grace, settle) = (Bounds::default().grace, Duration::from_secs(3));
        let others = HashSet::new();
        Ok(Self { provider, target, run, before, others, limits, grace, settle })
    }

    /// Sends the trigger. If its response is lost, `verify` says whether to search for the run.
    pub(super) async fn send(&self, verify: bool) -> Result<RunRef> {
        let run = self.send_and_find(verify).await?;
        Ok(run.triggered_at(self.provider.clock().now()))
    }

    async fn send_and_find(&self, verify: bool) -> Result<RunRef> {
        let sent = self.provider.send_trigger(&self.target, self.run.as_ref(), &self.limits).await;
        let error = match sent {
            Ok(triggered) => {
                return match (triggered.run.or_else(|| self.run.clone()), &self.before) {
                    (Some(run), _) => Ok(run),
                    (None, Some(before)) => self.find(before, None).await,
                    (None, None) => {
                        Err(self.nameless(Duration::ZERO).after_trigger(Delivery::Answered))
                    }
                };
            }
            Err(error) => error,
        };
        let error = match &self.run {
            Some(run) if error.may_have_run() => error.with_run(run.clone()),
            _ => error,
        };
        match (&self.run, &self.before) {
            _ if !verify || !error.may_have_run() => Err(error),
            (Some(run), _) => self.find_by_id(run, error).await,
            (None, Some(before)) => self.find(before, Some(error)).await,
            (None, None) => Err(error),
        }
    }

    /// Searches for the run of this id: the response to its trigger is lost.
    async fn find_by_id(&self, run: &RunRef, mut lost: Error) -> Result<RunRef> {
        let search = Search::begin(self);
        loop {
            let is_last = search.is_over();
            let (pause, absent) = match self.provider.fetch_run(run, &self.limits).await {
                Ok(_) => return Ok(run.clone()),
                Err(error) if error.kind() == ErrorKind::NotFound => (search.every, true),
                Err(error) if error.is_transient() => (search.pause_after(&error), false),
                Err(_) => return Err(lost),
            };
            if is_last {
                if absent {
                    lost.set().verified_not_started();
                }
                return Err(lost);
            }
            search.sleep(pause).await;
        }
    }

    /// Searches for the run that was not there before. `lost` is the trigger's error; `None` if the vendor accepted it.
    async fn find(&self, before: &Before, lost: Option<Error>) -> Result<RunRef> {
        let search = Search::begin(self);
        let mut seen = Seen::default();
        loop {
            let is_last = search.is_over();
            let look = Look::take(self.provider, &self.target, &before.known, &self.limits).await;
            let (pause, listed) = match look {
                Ok(look) => {
                    let look =
                        look.without(&self.target, &self.others).of_start_at(before.server_time);
                    let is_complete = look.is_complete;
                    seen.add(look, search.waited());
                    (search.every, Ok(is_complete))
                }
                Err(error) if error.is_transient() => (search.pause_after(&error), Err(error)),
                Err(error) => {
                    let delivery = delivery(lost.as_ref());
                    return Err(lost.unwrap_or(error).after_trigger(delivery));
                }
            };
            if seen.ours.len() > 1 {
                return Err(several(&self.target, seen.ours.into_keys(), lost));
            }
            if let Some((run, created)) = seen.ours.iter().next() {
                // A run that was created while the trigger was under way is ours, if no other one appears soon. One of another time
                // may be somebody else's, and ours is listed later.
                let fits = created.is_some_and(|created| before.fits(created, search.begun));
                let pause = if fits { self.settle } else { self.grace };
                let since = seen.since.unwrap_or_default();
                if search.is_over() || search.waited().saturating_sub(since) >= pause {
                    return Ok(run.clone());
                }
            }
            if is_last {
                return Err(self.nothing_found(seen.doubtful, lost, listed));
            }
            search.sleep(pause).await;
        }
    }

    /// The grace time is over. `listed` says whether the last look was complete.
    fn nothing_found(&self, doubtful: Runs, lost: Option<Error>, listed: Result<bool>) -> Error {
        let (target, seconds) = (&self.target, self.grace.as_secs());
        if !doubtful.is_empty() {
            let message = format!(
                "every run of {target} that started within {seconds} s seems to be somebody else's"
            );
            return ambiguous(message, doubtful.into_keys(), lost);
        }
        match (listed, lost) {
            (Err(error), lost) => {
                let message = format!(
                    "the list of the runs of {target} could not be read within {seconds} s: {error}"
                );
                let is_lost = lost.is_some();
                let unread = ambiguous(message, [], lost);
                if is_lost { unread } else { unread.with_source(error) }
            }
            (Ok(false), Some(lost)) => ambiguous(too_long(target), [], Some(lost)),
            // A complete list, read after the whole grace time, shows that there is no run.
            (Ok(true), Some(mut lost)) => {
                lost.set().verified_not_started();
                lost
            }
            (Ok(_), None) => self.nameless(self.grace).after_trigger(Delivery::Answered),
        }
    }

    fn nameless(&self, waited: Duration) -> Error {
        let message =
            format!("no new run of {} appeared within {} s", self.target, waited.as_secs());
        Error::new(ErrorKind::Ambiguous, message)
    }
}

fn delivery(lost: Option<&Error>) -> Delivery {
    if lost.is_some() { Delivery::Unknown } else { Delivery::Answered }
}

/// Several runs started at the same time.
pub(super) fn several(
    target: &Target,
    runs: impl IntoIterator<Item = RunRef>,
    lost: Option<Error>,
) -> Error {
    let runs: Vec<RunRef> = runs.into_iter().collect();
    let message = format!(
        "{} runs of {target} started at the same time; one of them is the one that was triggered here",
        runs.len()
    );
    ambiguous(message, runs, lost)
}

/// What is said of a list in which a new run may be overlooked.
pub(super) fn too_long(target: &Target) -> String {
    format!(
        "the list of the runs of {target} may lack a new run: it is too long and not sorted newest first, or the vendor removes runs that have ended"
    )
}

/// An error that leaves open which run was started. `lost` is the error of the trigger, if its response was lost.
pub(super) fn ambiguous(
    message: String,
    candidates: impl IntoIterator<Item = RunRef>,
    lost: Option<Error>,
) -> Error {
    let delivery = delivery(lost.as_ref());
    let mut candidates: Vec<_> = candidates.into_iter().collect();
    candidates.sort_unstable();
    let error = Error::new(ErrorKind::Ambiguous, message).after_trigger(delivery);
    let error = error.with_candidates(candidates);
    match lost {
        Some(lost) => error.with_operation(lost.operation().unwrap_or("trigger")).with_source(lost),
        None => error,
    }
}

impl Before {
    /// Whether a run was created between the list and the end of the trigger, by the vendor's clock.
    fn fits(&self, created: DateTime<Utc>, ended: Instant) -> bool {
        let Some(listed) = self.server_time else { return false };
        let took = ended.saturating_duration_since(self.read);
        // A difference, because a sum may lie beyond the dates that there are: the vendor's date can be any.
        let after = created - listed;
        after >= -ROUNDING && (after - ROUNDING * 2).to_std().unwrap_or_default() <= took
    }
}

/// The new runs of all looks so far.
#[derive(Default)]
struct Seen {
    ours: Runs,
    doubtful: Runs,
    /// After which time the first of ours was seen.
    since: Option<Duration>,
}

impl Seen {
    fn add(&mut self, look: Look, waited: Duration) {
        self.ours.extend(look.ours);
        self.doubtful.extend(look.doubtful);
        if !self.ours.is_empty() {
            self.since.get_or_insert(waited);
        }
    }
}

/// A search for a run until the grace time is over: the result is worth several attempts.
struct Search {
    clock: Arc<dyn Clock>,
    begun: Instant,
    grace: Duration,
    every: Duration,
}

impl Search {
    fn begin<P: RunProvider + ?Sized>(start: &Start<'_, P>) -> Self {
        let clock = start.provider.clock();
        Self {
            begun: clock.now(),
            clock,
            grace: start.grace,
            every: EVERY.max(start.provider.capabilities_of(&start.target).poll_floor),
        }
    }

    fn waited(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.begun)
    }

    fn is_over(&self) -> bool {
        self.waited() >= self.grace
    }

    fn pause_after(&self, error: &Error) -> Duration {
        self.every.max(error.server_pause().unwrap_or_default())
    }

    async fn sleep(&self, pause: Duration) {
        self.clock.sleep(pause.min(self.grace.saturating_sub(self.waited()))).await;
    }
}

/// A start that is about to be prepared. Await it for the [`Prepared`] start; nothing is started by that.
///
/// The setters are the bounds that the promise "never started twice" rests on. If all of them hold, then a run that this start
/// began is found by [`recover`](super::RunProviderExt::recover), and "not started" is said only when there is none and there
/// can be none any more: a trigger is sent within the lease; it arrives within the arrival time or never; the clocks of the
/// machines involved differ by the skew at most; and the vendor lists a run within the grace time after its trigger arrived.
///
/// # Errors
/// [`ErrorKind::Unsupported`] where the target cannot be triggered; [`ErrorKind::Config`] for a target of another vendor or account; else
/// as [`RunProvider::recent_runs`](super::RunProvider::recent_runs), because the runs that are there already are listed first. Nothing was
/// started then.
#[must_use = "nothing is prepared until it is awaited"]
pub struct Prepare<'p, P: ?Sized> {
    provider: &'p P,
    target: Target,
    bounds: Bounds,
    others: HashSet<RunRef>,
    limits: CallLimits,
}

impl<P: ?Sized> fmt::Debug for Prepare<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepare")
            .field("target", &self.target)
            .field("bounds", &self.bounds)
            .field("others", &self.others.len())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<'p, P: RunProvider + ?Sized> Prepare<'p, P> {
    pub(super) fn new(provider: &'p P, target: Target) -> Self {
        let (bounds, limits) = (Bounds::default(), CallLimits::default());
        // Who recovers it at another account would read there that it has not started.
        let target = target.in_account_of(provider);
        Self { provider, target, bounds, others: HashSet::new(), limits }
    }

    /// Within this time after it was prepared the trigger may be sent. Default 60 s. It must be long enough for storing the intent and
    /// for a call's retries; the shorter it is, the sooner a crash is recovered from.
    pub fn lease(mut self, length: Duration) -> Self {
        self.bounds.lease = length;
        self
    }

    /// Within this time after it was sent a trigger arrives, or never. Default 30 s. No attempt of the trigger takes longer.
    pub fn arrival(mut self, limit: Duration) -> Self {
        self.bounds.arrival = limit;
        self
    }

    /// How much the clocks of the machine that starts, the machine that recovers and the vendor may differ. Default 30 s.
    pub fn clock_skew(mut self, most: Duration) -> Self {
        self.bounds.skew = most;
        self
    }

    /// Within this time after its trigger arrived, the vendor lists a run. Default 60 s. The start searches for its run as long,
    /// where the vendor does not name it.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.bounds.grace = limit;
        self
    }

    /// Leaves out runs that are known to belong to other starts of this target, when the start searches for its run. A vendor may list
    /// the run of the start before only after this one was prepared. Say it to [`recover`](super::Recover::excluding) as well.
    pub fn excluding(mut self, runs: impl IntoIterator<Item = RunRef>) -> Self {
        self.others.extend(runs);
        self
    }

    /// Limits for each call.
    pub fn options(mut self, options: CallOptions) -> Self {
        self.limits.options = options;
        self
    }

    async fn prepare(self) -> Result<Prepared<'p, P>> {
        let Self { provider, target, bounds, others, limits } = self;
        let clock = provider.clock();
        // Before the list is read, so that every clock counts from a time at which nothing was sent.
        let (prepared, lease) = (clock.utc(), Lease::new(&*clock, bounds.lease));
        let lease = lease.arriving_within(bounds.arrival);
        let capabilities = provider.capabilities_of(&target);
        if !capabilities.trigger {
            target.id_at(provider)?;
            // The provider may know what to do instead.
            provider.name_run(&target)?;
            return Err(unsupported(&provider.vendor(), "triggering a run"));
        }
        let begin = |lists| Start::begin(provider, target.clone(), limits.clone(), lists);
        let mut start = match begin(true).await {
            // Then a start whose response is lost cannot be recovered.
            Err(error)
                if error.kind() == ErrorKind::Unsupported && capabilities.trigger_names_run =>
            {
                begin(false).await?
            }
            start => start?,
        };
        start.limits.lease = Some(lease);
        (start.grace, start.others) = (bounds.grace, others);
        let mut intent = StartIntent::new(target, start.run.as_ref(), prepared, bounds);
        if let Some(before) = &start.before {
            intent = intent.after(before.known.clone(), before.server_time);
        }
        Ok(Prepared { start, intent, lease })
    }
}

impl<'p, P: RunProvider + ?Sized> IntoFuture for Prepare<'p, P> {
    type Output = Result<Prepared<'p, P>>;
    type IntoFuture = BoxFuture<'p, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.prepare())
    }
}

/// A start that was prepared and not sent. Store its [intent](Self::intent), then [start](Self::start) it. Dropping it starts
/// nothing.
#[must_use = "a prepared start does nothing until it is started"]
pub struct Prepared<'p, P: ?Sized> {
    start: Start<'p, P>,
    intent: StartIntent,
    lease: Lease,
}

impl<P: ?Sized> fmt::Debug for Prepared<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("intent", &self.intent).finish_non_exhaustive()
    }
}

impl<P: RunProvider + ?Sized> Prepared<'_, P> {
    /// What to store before it is started.
    #[must_use]
    pub fn intent(&self) -> &StartIntent {
        &self.intent
    }

    /// Sends the trigger, at most once, and finds out which run it started: from the response, by the run's name, or in the
    /// vendor's list, as [`Trigger::verify`](super::Trigger::verify) does.
    ///
    /// If the process dies, or this future is dropped, the run is found by [recovering](super::RunProviderExt::recover) the
    /// intent.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with [`lease_is_over`](Error::lease_is_over) if the lease is over: then nothing was sent. After any error with
    /// [`may_have_run`](Error::may_have_run), recover the intent; without it, nothing was started. Else as
    /// [`RunProvider::send_trigger`], and [`ErrorKind::Ambiguous`] with [`candidates`](Error::candidates) if somebody else started
    /// a run at the same time.
    pub async fn start(self) -> Result<RunRef> {
        if self.lease.is_over(&*self.start.provider.clock()) {
            return Err(Lease::refusal());
        }
        self.start.send(true).await
    }
}
