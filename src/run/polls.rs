//! What waits for one run and for many have in common: intervals, limits, and which failed polls they sit out.

use std::fmt;
use std::time::{Duration, Instant};

use super::events::Wakes;
use super::finished::FinishedWait;
use super::history::History;
use super::model::{RunRef, RunSnapshot, Target};
use super::trace;
use crate::client::{CallOptions, draw, within};
use crate::error::{Delivery, Error, ErrorKind, Result, TimeoutPhase};
pub(super) use futures_core::stream::Stream;

/// Least time for the first poll.
pub(super) const FIRST_POLL: Duration = Duration::from_secs(1);

/// How far apart the polls of an outage are at most, if a wait goes on whatever fails.
const LONGEST_OUTAGE_PAUSE: Duration = Duration::from_secs(600);

/// The longest interval of a wait that is paced by history, in fixed intervals.
const PACED_INTERVALS: u32 = 12;

/// For how long a vendor may not know a run that was just triggered.
const APPEARS_WITHIN: Duration = Duration::from_secs(60);

type OnUpdate<'p> = Box<dyn FnMut(&RunSnapshot) + Send + 'p>;
type OnFailedPoll<'p> = Box<dyn FnMut(&Error, u32) + Send + 'p>;
type OnEnd<'p> = Box<dyn FnMut(&FinishedWait<'_>) + Send + 'p>;

/// The settings that [`wait_setters`] sets.
pub(super) struct Settings<'p> {
    pub(super) intervals: Intervals,
    pub(super) histories: Vec<History>,
    pub(super) longest_interval: Option<Duration>,
    pub(super) wakes: Wakes<'p>,
    pub(super) timeout: Duration,
    pub(super) tolerance: Tolerance,
    pub(super) appears_within: Option<Duration>,
    pub(super) on_update: Option<OnUpdate<'p>>,
    pub(super) on_failed_poll: Option<OnFailedPoll<'p>>,
    pub(super) on_end: Option<OnEnd<'p>>,
    pub(super) options: CallOptions,
}

impl fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("intervals", &self.intervals)
            .field("histories", &self.histories)
            .field("longest_interval", &self.longest_interval)
            .field("wakes", &self.wakes)
            .field("timeout", &self.timeout)
            .field("tolerance", &self.tolerance)
            .field("appears_within", &self.appears_within)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Settings<'_> {
    /// The interval to the next poll of a run that is awaited.
    pub(super) fn interval(
        &self,
        run: &RunRef,
        awaited: &Awaited,
        now: Instant,
        floor: Duration,
    ) -> Duration {
        let every = self.intervals.every;
        let longest = self.longest_interval.unwrap_or(every.saturating_mul(PACED_INTERVALS));
        let paced = self
            .history(run.target())
            .and_then(|history| history.paced_interval(awaited.age(now), every, floor, longest));
        match paced {
            Some(interval) => self.intervals.jittered(interval, draw()).min(longest).max(floor),
            None => self.intervals.after(awaited.polls, floor, draw()),
        }
    }

    pub(super) fn history(&self, target: &Target) -> Option<&History> {
        self.histories.iter().find(|history| history.target().is(target))
    }

    /// The least pause after so many polls have failed in a row. A wait that goes on whatever fails doubles it each time.
    pub(super) fn outage(&self, failed: u32, floor: Duration) -> Option<Duration> {
        let doublings = failed.checked_sub(1).filter(|_| self.tolerance == Tolerance::Forever)?;
        let pause = self.intervals.every.max(floor).saturating_mul(2_u32.saturating_pow(doublings));
        Some(pause.min(LONGEST_OUTAGE_PAUSE))
    }
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self {
            intervals: Intervals::default(),
            histories: Vec::new(),
            longest_interval: None,
            wakes: Wakes::default(),
            timeout: Duration::from_secs(24 * 3600),
            tolerance: Tolerance::Time(Duration::from_secs(600)),
            appears_within: None,
            on_update: None,
            on_failed_poll: None,
            on_end: None,
            options: CallOptions::default(),
        }
    }
}

/// How much failure in a row a wait sits out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tolerance {
    /// From the first poll that failed to the last.
    Time(Duration),
    /// Polls.
    Polls(u32),
    /// Without an end, and of a refused credential as well.
    Forever,
}

/// The intervals between the polls of a wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intervals {
    pub(super) every: Duration,
    pub(super) factor: f64,
    pub(super) cap: Duration,
    pub(super) jitter: f64,
}

impl Default for Intervals {
    fn default() -> Self {
        Self { every: Duration::from_secs(5), factor: 1.0, cap: Duration::MAX, jitter: 0.0 }
    }
}

impl Intervals {
    /// The interval after so many polls. `draw` is random in 0..1.
    pub(super) fn after(self, polls: u32, floor: Duration, draw: f64) -> Duration {
        let doublings = i32::try_from(polls.saturating_sub(1)).unwrap_or(i32::MAX);
        let cap = self.cap.max(self.every).as_secs_f64();
        let interval = (self.every.as_secs_f64() * self.factor.max(1.0).powi(doublings)).min(cap);
        let interval = Duration::try_from_secs_f64(interval).unwrap_or(Duration::MAX);
        self.jittered(interval, draw).max(floor)
    }

    /// `draw` is random in 0..1.
    fn jittered(self, interval: Duration, draw: f64) -> Duration {
        let jitter = if self.jitter > 0.0 { self.jitter.min(1.0) } else { 0.0 };
        let shift = 1.0 + jitter * (2.0 * draw - 1.0);
        Duration::try_from_secs_f64(interval.as_secs_f64() * shift).unwrap_or(Duration::MAX)
    }
}

/// The setters that waits for one run and for many have in common.
macro_rules! wait_setters {
    () => {
        /// Polling interval. Default 5 s; never less than the vendor's [`poll_floor`](super::Capabilities::poll_floor).
        pub fn every(mut self, interval: Duration) -> Self {
            self.settings.intervals.every = interval;
            self
        }

        /// Makes each polling interval `factor` times as long as the one before, up to `longest`. By default all are equal. A
        /// factor below 1 counts as 1.
        pub fn backoff(mut self, factor: f64, longest: Duration) -> Self {
            (self.settings.intervals.factor, self.settings.intervals.cap) = (factor, longest);
            self
        }

        /// Polls where runs of this target end, instead of at fixed intervals: rarely before, often about then. For the same lag after a
        /// run's end, a regular schedule then costs a third to two thirds of the requests. Without enough history the intervals are those
        /// of the other settings.
        ///
        /// [`every`](Self::every) then weighs requests against lag, as [`History::interval_after`](super::History::interval_after) says,
        /// and [`longest_interval`](Self::longest_interval) is the ceiling. [`backoff`](Self::backoff) does not apply. Call it once for
        /// each target.
        pub fn paced_by(mut self, history: $crate::run::History) -> Self {
            self.settings.histories.push(history);
            self
        }

        /// Longest polling interval while a history [paces](Self::paced_by) the wait: whatever the history says, the end of a run is
        /// known after this time, as far as its polls succeed. Default twelve times [`every`](Self::every).
        pub fn longest_interval(mut self, longest: Duration) -> Self {
            self.settings.longest_interval = Some(longest);
            self
        }

        /// Polls as soon as an event says that something has happened: the stream of [`Events`](super::Events), of a webhook or a journal.
        /// May be called again for further streams.
        ///
        /// An event only means "poll now". It costs at most one poll, and never one earlier than the vendor's
        /// [`poll_floor`](super::Capabilities::poll_floor) or the pause that its server asks for. Events get lost, so the wait polls at its
        /// intervals as well; with events, minutes are short enough for [`every`](Self::every). When the stream ends, only they remain.
        pub fn wake_on(
            mut self,
            events: impl $crate::run::polls::Stream<Item = $crate::run::Event> + Send + 'p,
        ) -> Self {
            self.settings.wakes.add(events);
            self
        }

        /// Jitter: lengthens or shortens each polling interval by a random part of it, at most this share. With 0.2, an interval
        /// of 5 s becomes 4 to 6 s. Default 0, at most 1. For many waits that begin at the same time.
        pub fn jitter(mut self, share: f64) -> Self {
            self.settings.intervals.jitter = share;
            self
        }

        /// Longest wait, counted from the first poll, which is made in any case. Default 24 hours. Then the wait fails with
        /// [`ErrorKind::WaitTimeout`](crate::ErrorKind::WaitTimeout), which holds the last snapshot; the run keeps running.
        pub fn timeout(mut self, limit: Duration) -> Self {
            self.settings.timeout = limit;
            self
        }

        /// Waits without a limit, and sits out every outage, also that of a credential, and the page of a gateway: for a service whose
        /// waits live as long as its process. Polls that fail are made less and less often, up to once in 10 minutes. A later
        /// [`timeout`](Self::timeout), [`tolerate_for`](Self::tolerate_for) or [`tolerate`](Self::tolerate) counts again.
        ///
        /// It ends when the run has ended, and with an error that no time heals: a run that is not found, that the credential may not
        /// see, whose response has another shape than documented, or that cannot be asked for.
        ///
        /// A refused credential is an outage, because another one may come: a client secret that is replaced, a
        /// [`TokenFile`](crate::client::TokenFile) that is written anew. [`on_failed_poll`](Self::on_failed_poll) and the events of
        /// `tracing` say that it takes long.
        pub fn forever(mut self) -> Self {
            self.settings.timeout = Duration::MAX;
            self.settings.tolerance = $crate::run::polls::Tolerance::Forever;
            self
        }

        /// For how long all polls may fail before the wait fails, from the first one that failed to the last. Default 10 minutes.
        /// Only outages are tolerated: failures of network, load and server, and, once a poll has succeeded, a refused credential
        /// that can be renewed. A run that is not found, or is not yours, ends the wait at once.
        pub fn tolerate_for(mut self, time: Duration) -> Self {
            self.settings.tolerance = $crate::run::polls::Tolerance::Time(time);
            self
        }

        /// How many polls in a row may fail before the wait fails, instead of a [time](Self::tolerate_for); the last of the two
        /// setters counts. 0 ends the wait with the first poll that fails.
        pub fn tolerate(mut self, polls: u32) -> Self {
            self.settings.tolerance = $crate::run::polls::Tolerance::Polls(polls);
            self
        }

        /// For how long after the beginning of the wait the vendor may not know the run yet: until then, a run that is not found is
        /// polled again. If not set, 60 s after the trigger for a run that this process has triggered, otherwise not at all. Set it
        /// to wait for a run that another process started a moment ago.
        pub fn appears_within(mut self, time: Duration) -> Self {
            self.settings.appears_within = Some(time);
            self
        }

        /// Called with every snapshot, the last one included.
        pub fn on_update(mut self, report: impl FnMut(&RunSnapshot) + Send + 'p) -> Self {
            self.settings.on_update = Some(Box::new(report));
            self
        }

        /// Called with the error of every poll that failed and is tolerated, and with how many have failed in a row.
        pub fn on_failed_poll(
            mut self,
            report: impl FnMut(&$crate::Error, u32) + Send + 'p,
        ) -> Self {
            self.settings.on_failed_poll = Some(Box::new(report));
            self
        }

        /// Called once for each run when the wait for it has ended, for metrics: how, after how many polls, and how long after the
        /// run's own end.
        pub fn on_end(
            mut self,
            report: impl FnMut(&$crate::run::FinishedWait<'_>) + Send + 'p,
        ) -> Self {
            self.settings.on_end = Some(Box::new(report));
            self
        }

        /// Limits for each poll.
        pub fn options(mut self, options: CallOptions) -> Self {
            self.settings.options = options;
            self
        }
    };
}

pub(super) use wait_setters;

/// A poll that ends with the wait.
pub(super) async fn in_time<T>(left: Duration, poll: impl Future<Output = Result<T>>) -> Result<T> {
    within(|| left, poll).await.unwrap_or_else(|| Err(Error::timeout(TimeoutPhase::Call)))
}

/// A run whose end is awaited: what is known about it, and how long its polls have failed.
pub(super) struct Awaited {
    begun: Instant,
    /// When its last poll ended.
    polled_at: Option<Instant>,
    polls: u32,
    failed_polls: u32,
    last: Option<RunSnapshot>,
    /// When the last snapshot came.
    seen_at: Option<Instant>,
    failing: Option<Failing>,
    /// It is not polled before this time, because its last polls failed.
    rests_until: Option<Instant>,
    /// An event concerned it since the last round.
    is_woken: bool,
    /// This wait triggered the run.
    triggered: bool,
    /// When this process triggered the run.
    triggered_at: Option<Instant>,
}

/// Whether a wait for ever sits it out, although it is no outage by itself: a credential may be replaced, and the page of a gateway
/// goes away.
pub(super) fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Auth | ErrorKind::UnexpectedContent)
}

/// Polls that failed in a row.
struct Failing {
    since: Instant,
    polls: u32,
    last: Error,
}

impl Awaited {
    pub(super) fn new(run: &RunRef, triggered: bool, begun: Instant) -> Self {
        Self {
            begun,
            polled_at: None,
            polls: 0,
            failed_polls: 0,
            last: None,
            seen_at: None,
            failing: None,
            rests_until: None,
            is_woken: false,
            triggered,
            triggered_at: run.triggered(),
        }
    }

    /// What is left of the wait. The first poll is made whatever the limit: a wait reports the run's phase before it gives up.
    pub(super) fn left(&self, limit: Duration, now: Instant) -> Duration {
        let least = if self.polls == 0 { FIRST_POLL } else { Duration::ZERO };
        limit.max(least).saturating_sub(now.saturating_duration_since(self.begun))
    }

    /// Takes in what a poll brought: the snapshot, an error that ends the wait, or nothing if the failure is tolerated.
    pub(super) fn take_in(
        &mut self,
        polled: Result<RunSnapshot>,
        now: Instant,
        settings: &mut Settings<'_>,
    ) -> Option<Result<RunSnapshot>> {
        self.polls = self.polls.saturating_add(1);
        self.polled_at = Some(now);
        let mut error = match polled {
            Ok(snapshot) => {
                if let Some(report) = &mut settings.on_update {
                    report(&snapshot);
                }
                trace::polled(self.last.as_ref(), &snapshot);
                self.failing = None;
                (self.last, self.seen_at) = (Some(snapshot.clone()), Some(now));
                return Some(Ok(snapshot));
            }
            Err(error) => error,
        };
        self.failed_polls = self.failed_polls.saturating_add(1);
        let (since, before) =
            self.failing.as_ref().map_or((now, 0), |failing| (failing.since, failing.polls));
        let (age, failing_for) =
            (now.saturating_duration_since(self.begun), now.saturating_duration_since(since));
        let tolerated = if error.kind() == ErrorKind::NotFound {
            match (settings.appears_within, self.triggered_at) {
                (Some(limit), _) => age < limit,
                (None, Some(at)) => now.saturating_duration_since(at) < APPEARS_WITHIN,
                (None, None) => false,
            }
        } else {
            // A credential that was never good is not an outage.
            let was_good = self.triggered || self.last.is_some();
            let is_forever = settings.tolerance == Tolerance::Forever;
            let is_outage = error.is_transient()
                || (was_good && error.is_renewable())
                || (is_forever && is_passing(error.kind()));
            is_outage
                // A wait that is over says so, and what has failed last.
                && (age >= settings.timeout
                    || match settings.tolerance {
                        Tolerance::Time(limit) => failing_for < limit,
                        Tolerance::Polls(most) => before < most,
                        Tolerance::Forever => true,
                    })
        };
        let polls = before.saturating_add(1);
        if !tolerated {
            if polls > 1 {
                let seconds = failing_for.as_secs();
                error.set().note(&format!("{polls} polls in a row have failed, over {seconds} s"));
            }
            return Some(Err(error));
        }
        trace::poll_failed(&error, polls);
        if let Some(report) = &mut settings.on_failed_poll {
            report(&error, polls);
        }
        self.failing = Some(Failing { since, polls, last: error });
        None
    }

    pub(super) fn rest_until(&mut self, time: Option<Instant>) {
        self.rests_until = time;
    }

    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|until| until <= now)
    }

    pub(super) fn wake(&mut self) {
        self.is_woken = true;
    }

    pub(super) fn take_woken(&mut self) -> bool {
        std::mem::take(&mut self.is_woken)
    }

    /// For how long the run has been running, as far as it is known.
    fn age(&self, now: Instant) -> Duration {
        let known = self.last.as_ref().and_then(RunSnapshot::age).zip(self.seen_at);
        let (age, since) =
            known.unwrap_or((Duration::ZERO, self.triggered_at.unwrap_or(self.begun)));
        age.saturating_add(now.saturating_duration_since(since))
    }

    /// What is left of the least time between two polls.
    pub(super) fn rest(&self, floor: Duration, now: Instant) -> Duration {
        self.polled_at
            .map_or(Duration::ZERO, |at| floor.saturating_sub(now.saturating_duration_since(at)))
    }

    pub(super) fn polled_at(&self) -> Option<Instant> {
        self.polled_at
    }

    /// What was last known about the run.
    pub(super) fn last(&self) -> Option<&RunSnapshot> {
        self.last.as_ref()
    }

    /// How many polls in a row have failed.
    pub(super) fn failed_in_a_row(&self) -> u32 {
        self.failing.as_ref().map_or(0, |failing| failing.polls)
    }

    /// Reports that the wait for the run has ended, and with which error.
    pub(super) fn report_end(
        &self,
        run: &RunRef,
        failure: Option<&Error>,
        now: Instant,
        settings: &mut Settings<'_>,
    ) {
        let wait = FinishedWait {
            run,
            snapshot: self.last.as_ref().or(failure.and_then(Error::last_snapshot)),
            failure: failure.map(Error::kind),
            polls: self.polls,
            failed_polls: self.failed_polls,
            elapsed: now.saturating_duration_since(self.begun),
        };
        trace::wait_ended(&wait);
        if let Some(report) = &mut settings.on_end {
            report(&wait);
        }
    }

    /// The error of a wait that ran out of time; `then` is what was done about the run.
    pub(super) fn out_of_time(
        &mut self,
        run: &RunRef,
        limit: Duration,
        then: Option<String>,
    ) -> Error {
        let seen = match &self.last {
            Some(last) => format!("it was {} when it was last seen", last.phase),
            None => "nothing is known of it, because no poll has succeeded".to_owned(),
        };
        let message = format!("run {run} has not ended within {} s; {seen}", limit.as_secs());
        let message = match then {
            Some(then) => format!("{message}; {then}"),
            None => message,
        };
        let error = match self.failing.take() {
            Some(Failing { polls, last, .. }) => {
                let message = format!("{message}; the last polls failed, {polls} in a row");
                Error::new(ErrorKind::WaitTimeout, message).with_source(last)
            }
            None => Error::new(ErrorKind::WaitTimeout, message),
        };
        self.about_the_run(run, error)
    }

    /// Adds what is known about the run, and that this wait triggered it.
    pub(super) fn about_the_run(&mut self, run: &RunRef, error: Error) -> Error {
        let error = match self.last.take() {
            Some(last) => error.with_snapshot(last),
            None => error.with_run(run.clone()),
        };
        if self.triggered { error.after_trigger(Delivery::Answered) } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_grow_up_to_their_cap_and_never_fall_below_the_floor() {
        let millis = |intervals: Intervals, polls, draw| {
            intervals.after(polls, Duration::from_secs(1), draw).as_millis()
        };
        let every = Duration::from_secs(4);
        let even = Intervals { every, ..Intervals::default() };
        assert_eq!([1, 2, 9, u32::MAX].map(|polls| millis(even, polls, 0.9)), [4000; 4]);
        let growing = Intervals { factor: 1.5, cap: Duration::from_secs(10), ..even };
        let grown = [1, 2, 3, 4, u32::MAX].map(|polls| millis(growing, polls, 0.0));
        assert_eq!(grown, [4000, 6000, 9000, 10_000, 10_000]);
        let jittered = Intervals { jitter: 0.25, ..even };
        assert_eq!([0.0, 0.5, 1.0].map(|draw| millis(jittered, 1, draw)), [3000, 4000, 5000]);
        let odd =
            Intervals { factor: f64::NAN, jitter: f64::INFINITY, cap: Duration::ZERO, ..even };
        assert_eq!([0.0, 0.5].map(|draw| millis(odd, 7, draw)), [1000, 4000]);
        assert_eq!(millis(Intervals { jitter: f64::NAN, ..even }, 1, 0.9), 4000);
        let endless = Intervals { every: Duration::MAX, factor: f64::INFINITY, ..even };
        assert_eq!(endless.after(9, Duration::ZERO, 0.5), Duration::MAX);
    }
}
