//! Waiting for the end of a run.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::stream;
use tracing::{Instrument as _, Span};

use super::model::{RunRef, RunSnapshot};
use super::provider::RunProvider;
use super::trace;
use super::trigger::Trigger;
use crate::client::{CallLimits, CallOptions, Clock, draw, within};
use crate::error::{Delivery, Error, ErrorKind, Result, TimeoutPhase};

/// Least time for the first poll.
pub(super) const FIRST_POLL: Duration = Duration::from_secs(1);

type OnUpdate<'p> = Box<dyn FnMut(&RunSnapshot) + Send + 'p>;
type Until<'p> = Box<dyn FnMut(&RunSnapshot) -> bool + Send + 'p>;

/// A wait for the end of a run. Await it for the last snapshot: any end is `Ok`, and [`success`](RunSnapshot::success) turns a
/// run that did not succeed into an error.
///
/// A wait polls, reports, and only then sleeps. A few failed polls in a row do not fail the wait. Dropping a wait cancels nothing
/// at the vendor, and another process can resume it from the printed [`RunRef`].
#[must_use = "a wait does nothing until it is awaited"]
pub struct Wait<'p, P: ?Sized> {
    provider: &'p P,
    subject: Subject<'p, P>,
    settings: Settings<'p>,
    stop: StopRules<'p>,
}

/// What waits for one run and for many have in common.
pub(super) struct Settings<'p> {
    pub(super) intervals: Intervals,
    pub(super) timeout: Duration,
    pub(super) tolerate: u32,
    pub(super) on_update: Option<OnUpdate<'p>>,
    pub(super) options: CallOptions,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self {
            intervals: Intervals::default(),
            timeout: Duration::from_secs(24 * 3600),
            tolerate: 5,
            on_update: None,
            options: CallOptions::default(),
        }
    }
}

/// What else ends a wait for one run, and how.
#[derive(Default)]
struct StopRules<'p> {
    cancel_on_timeout: bool,
    until: Option<Until<'p>>,
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
        let jitter = if self.jitter > 0.0 { self.jitter.min(1.0) } else { 0.0 };
        let shift = 1.0 + jitter * (2.0 * draw - 1.0);
        Duration::try_from_secs_f64(interval * shift).unwrap_or(Duration::MAX).max(floor)
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

        /// Jitter: lengthens or shortens each polling interval by a random part of it, at most this share. With 0.2, an interval
        /// of 5 s becomes 4 to 6 s. Default 0, at most 1. For many waits that begin at the same time.
        pub fn jitter(mut self, share: f64) -> Self {
            self.settings.intervals.jitter = share;
            self
        }

        /// Longest wait, counted from the first poll, which is made in any case. Default 24 hours. Then the wait fails with
        /// [`ErrorKind::WaitTimeout`], which holds the last snapshot; the run keeps running.
        pub fn timeout(mut self, limit: Duration) -> Self {
            self.settings.timeout = limit;
            self
        }

        /// Polls in a row that may fail before the wait fails. Default 5. Only failures of network, load and server are tolerated:
        /// a run that is not found, or a credential that is refused, ends the wait at once.
        pub fn tolerate(mut self, polls: u32) -> Self {
            self.settings.tolerate = polls;
            self
        }

        /// Called with every snapshot, the last one included.
        pub fn on_update(mut self, report: impl FnMut(&RunSnapshot) + Send + 'p) -> Self {
            self.settings.on_update = Some(Box::new(report));
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

enum Subject<'p, P: ?Sized> {
    Run(RunRef),
    Trigger(Trigger<'p, P>),
}

impl<P: ?Sized> fmt::Debug for Wait<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Wait");
        match &self.subject {
            Subject::Run(run) => debug.field("run", run),
            Subject::Trigger(trigger) => debug.field("trigger", trigger),
        };
        debug
            .field("every", &self.settings.intervals.every)
            .field("timeout", &self.settings.timeout)
            .finish_non_exhaustive()
    }
}

impl<'p, P: RunProvider + ?Sized> Wait<'p, P> {
    pub(super) fn for_run(provider: &'p P, run: RunRef) -> Self {
        Self::new(provider, Subject::Run(run))
    }

    fn new(provider: &'p P, subject: Subject<'p, P>) -> Self {
        Self { provider, subject, settings: Settings::default(), stop: StopRules::default() }
    }

    wait_setters!();

    /// Asks the vendor to cancel the run when the wait runs out of time. The wait still fails.
    pub fn cancel_on_timeout(mut self) -> Self {
        self.stop.cancel_on_timeout = true;
        self
    }

    /// Ends the wait at the first snapshot for which `enough` is true, and at the run's end in any case. For a moment before the
    /// end: when the run has started, or half of its parts are done.
    pub fn until(mut self, enough: impl FnMut(&RunSnapshot) -> bool + Send + 'p) -> Self {
        self.stop.until = Some(Box::new(enough));
        self
    }

    /// The wait as a stream of snapshots, the last one when the run has ended. An error ends the stream.
    ///
    /// Between two snapshots it sleeps; dropping it ends the wait and nothing else.
    #[must_use]
    pub fn updates(self) -> BoxStream<'p, Result<RunSnapshot>> {
        Box::pin(stream::unfold(Updates::Before(Box::new(self)), |updates| async move {
            let mut polling = match updates {
                Updates::Before(wait) => match wait.begin().await {
                    Ok(polling) => Box::new(polling),
                    Err(error) => return Some((Err(error), Updates::Ended)),
                },
                Updates::Polling(polling) => polling,
                Updates::Ended => return None,
            };
            let update = polling.poll().await;
            let ended = update.as_ref().map_or(true, |run| polling.is_enough(run));
            Some((update, if ended { Updates::Ended } else { Updates::Polling(polling) }))
        }))
    }

    /// Triggers, if that is asked for, and starts the clock.
    async fn begin(self) -> Result<Polling<'p, P>> {
        let (run, triggered) = match self.subject {
            Subject::Run(run) => (run, false),
            Subject::Trigger(trigger) => (trigger.send().await?, true),
        };
        run.target().id_at(self.provider)?;
        let clock = self.provider.clock();
        Ok(Polling {
            provider: self.provider,
            span: trace::wait_span(&run),
            run,
            triggered,
            settings: self.settings,
            stop: self.stop,
            floor: self.provider.capabilities().poll_floor,
            begun: clock.now(),
            clock,
            polls: 0,
            interval: None,
            failed: 0,
            last: None,
        })
    }
}

/// The states of [`Wait::updates`].
enum Updates<'p, P: ?Sized> {
    Before(Box<Wait<'p, P>>),
    Polling(Box<Polling<'p, P>>),
    Ended,
}

/// A wait in progress.
struct Polling<'p, P: ?Sized> {
    provider: &'p P,
    run: RunRef,
    /// The run was triggered by this wait.
    triggered: bool,
    settings: Settings<'p>,
    stop: StopRules<'p>,
    floor: Duration,
    clock: Arc<dyn Clock>,
    begun: Instant,
    polls: u32,
    /// The interval before the next poll; `None` before the first.
    interval: Option<Duration>,
    /// Polls that failed in a row.
    failed: u32,
    last: Option<RunSnapshot>,
    span: Span,
}

impl<P: RunProvider + ?Sized> Polling<'_, P> {
    /// The next snapshot, after the interval that is due.
    async fn poll(&mut self) -> Result<RunSnapshot> {
        let span = self.span.clone();
        let update = self.poll_inside_span().instrument(span.clone()).await;
        if let Err(error) = &update {
            trace::wait_failed(&span, error);
        }
        update
    }

    async fn poll_inside_span(&mut self) -> Result<RunSnapshot> {
        loop {
            if let Some(interval) = self.interval {
                self.clock.sleep(interval.min(self.left())).await;
                if self.left().is_zero() {
                    return Err(self.out_of_time().await);
                }
            }
            // The first poll is made whatever the limit: a wait reports the run's phase before it gives up.
            let least = if self.interval.is_none() { FIRST_POLL } else { Duration::ZERO };
            let left = self.left().max(least);
            self.polls = self.polls.saturating_add(1);
            self.interval = Some(self.settings.intervals.after(self.polls, self.floor, draw()));

            let limits = CallLimits::from(self.settings.options.clone()).time_left(left);
            let poll = within(left, self.provider.fetch_run(&self.run, &limits)).await;
            match poll.unwrap_or_else(|| Err(Error::timeout(TimeoutPhase::Call))) {
                Ok(snapshot) => {
                    self.failed = 0;
                    if let Some(report) = &mut self.settings.on_update {
                        report(&snapshot);
                    }
                    trace::polled(self.last.as_ref(), &snapshot);
                    self.last = Some(snapshot.clone());
                    return Ok(snapshot);
                }
                Err(error) if error.is_transient() && self.left().is_zero() => {
                    return Err(self.out_of_time().await.with_source(error));
                }
                Err(error) if error.is_transient() && self.failed < self.settings.tolerate => {
                    self.failed += 1;
                    trace::poll_failed(&error, self.failed);
                    // The server may ask for a longer pause.
                    self.interval = error.retry_after().max(self.interval);
                }
                Err(error) => return Err(self.about_the_run(error)),
            }
        }
    }

    fn is_enough(&mut self, run: &RunSnapshot) -> bool {
        run.phase.is_terminal() || self.stop.until.as_mut().is_some_and(|enough| enough(run))
    }

    fn left(&self) -> Duration {
        self.settings.timeout.saturating_sub(self.clock.now().saturating_duration_since(self.begun))
    }

    async fn out_of_time(&mut self) -> Error {
        let seconds = self.settings.timeout.as_secs();
        let mut message = format!("run {} has not ended within {seconds} s", self.run);
        let mut cause = None;
        if self.stop.cancel_on_timeout {
            let limits = CallLimits::from(self.settings.options.clone());
            match self.provider.send_cancel(&self.run, &limits).await {
                Ok(_) => message.push_str("; its cancellation was requested"),
                Err(error) => {
                    message.push_str("; it could not be cancelled");
                    cause = Some(error);
                }
            }
        } else {
            message.push_str("; it is still running at the vendor");
        }
        let mut error = Error::new(ErrorKind::WaitTimeout, message);
        if let Some(cause) = cause {
            error = error.with_source(cause);
        }
        self.about_the_run(error)
    }

    /// Adds what is known about the run, and that this wait triggered it.
    fn about_the_run(&mut self, error: Error) -> Error {
        let error = match self.last.take() {
            Some(last) => error.with_snapshot(last),
            None => error.with_run(self.run.clone()),
        };
        if self.triggered { error.after_trigger(Delivery::Answered) } else { error }
    }
}

impl<'p, P: RunProvider + ?Sized> Trigger<'p, P> {
    /// Waits for the end of the run after it has started it.
    pub fn wait(self) -> Wait<'p, P> {
        Wait::new(self.provider(), Subject::Trigger(self))
    }
}

impl<'p, P: RunProvider + ?Sized> IntoFuture for Wait<'p, P> {
    type Output = Result<RunSnapshot>;
    type IntoFuture = BoxFuture<'p, Result<RunSnapshot>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut polling = self.begin().await?;
            loop {
                let snapshot = polling.poll().await?;
                if polling.is_enough(&snapshot) {
                    return Ok(snapshot);
                }
            }
        })
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
