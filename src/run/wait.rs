//! Waiting for the end of a run.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::stream;

use super::{RunProvider, RunRef, RunSnapshot, Trigger};
use crate::client::{CallOptions, Clock, draw, within};
use crate::error::{Delivery, Error, ErrorKind, Result, TimeoutPhase};
use crate::trace::{self, Span};

/// Least time for the first look.
pub(super) const FIRST_LOOK: Duration = Duration::from_secs(1);

type OnUpdate<'p> = Box<dyn FnMut(&RunSnapshot) + Send + 'p>;
type Until<'p> = Box<dyn FnMut(&RunSnapshot) -> bool + Send + 'p>;

/// A wait for the end of a run. Await it for the last snapshot: any end is `Ok`, and
/// [`success`](RunSnapshot::success) turns a bad one into an error.
///
/// It looks, tells, and only then sleeps. A look that failed is not a run that failed: a few are tolerated in a row.
/// Dropping a wait cancels nothing at the vendor, and another process can take it up from the printed [`RunRef`].
#[must_use = "a wait does nothing until it is awaited"]
pub struct Wait<'p, P: ?Sized> {
    provider: &'p P,
    subject: Subject<'p, P>,
    settings: Settings<'p>,
    ending: Ending<'p>,
}

/// What waits for one run and for many have in common.
pub(super) struct Settings<'p> {
    pub(super) pauses: Pauses,
    pub(super) timeout: Duration,
    pub(super) tolerate: u32,
    pub(super) on_update: Option<OnUpdate<'p>>,
    pub(super) options: CallOptions,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self {
            pauses: Pauses::default(),
            timeout: Duration::from_secs(24 * 3600),
            tolerate: 5,
            on_update: None,
            options: CallOptions::default(),
        }
    }
}

/// What else ends a wait for one run.
#[derive(Default)]
struct Ending<'p> {
    cancel_on_timeout: bool,
    until: Option<Until<'p>>,
}

/// The pauses between the looks of a wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    pub(super) every: Duration,
    pub(super) factor: f64,
    pub(super) cap: Duration,
    pub(super) jitter: f64,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { every: Duration::from_secs(5), factor: 1.0, cap: Duration::MAX, jitter: 0.0 }
    }
}

impl Pauses {
    /// The pause after so many looks. `draw` is random in 0..1.
    pub(super) fn after(self, looks: u32, floor: Duration, draw: f64) -> Duration {
        let doublings = i32::try_from(looks.saturating_sub(1)).unwrap_or(i32::MAX);
        let cap = self.cap.max(self.every).as_secs_f64();
        let pause = (self.every.as_secs_f64() * self.factor.max(1.0).powi(doublings)).min(cap);
        let jitter = if self.jitter > 0.0 { self.jitter.min(1.0) } else { 0.0 };
        let shift = 1.0 + jitter * (2.0 * draw - 1.0);
        Duration::try_from_secs_f64(pause * shift).unwrap_or(Duration::MAX).max(floor)
    }
}

/// The setters that waits for one run and for many have in common.
macro_rules! pause_setters {
    () => {
        /// Pause between two looks. Default 5 s; never less than the vendor's
        /// [`poll_floor`](super::Capabilities::poll_floor), whatever is asked for.
        pub fn every(mut self, pause: Duration) -> Self {
            self.settings.pauses.every = pause;
            self
        }

        /// Makes each pause `factor` times as long as the one before, up to `longest`. Default: they stay as they are. A
        /// factor below 1 counts as 1.
        pub fn backoff(mut self, factor: f64, longest: Duration) -> Self {
            (self.settings.pauses.factor, self.settings.pauses.cap) = (factor, longest);
            self
        }

        /// Lengthens or shortens each pause by a random part of it, at most this share: with 0.2, a pause of 5 s is one of
        /// 4 to 6 s. Default 0, at most 1. For many waits that begin at once.
        pub fn jitter(mut self, share: f64) -> Self {
            self.settings.pauses.jitter = share;
            self
        }

        /// Longest wait, counted from the first look, which is made in any case. Default 24 hours. Then the wait fails
        /// with [`ErrorKind::WaitTimeout`], which holds the last snapshot; the run goes on.
        pub fn timeout(mut self, limit: Duration) -> Self {
            self.settings.timeout = limit;
            self
        }

        /// Looks in a row that may fail before the wait fails. Default 5. Only failures of network, load and server are
        /// tolerated: a run that is not found, or a credential that is refused, ends its wait at once.
        pub fn tolerate(mut self, looks: u32) -> Self {
            self.settings.tolerate = looks;
            self
        }

        /// Called with every snapshot, the last one included.
        pub fn on_update(mut self, told: impl FnMut(&RunSnapshot) + Send + 'p) -> Self {
            self.settings.on_update = Some(Box::new(told));
            self
        }

        /// Limits for each look.
        pub fn options(mut self, options: CallOptions) -> Self {
            self.settings.options = options;
            self
        }
    };
}

pub(super) use pause_setters;

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
            .field("every", &self.settings.pauses.every)
            .field("timeout", &self.settings.timeout)
            .finish_non_exhaustive()
    }
}

impl<'p, P: RunProvider + ?Sized> Wait<'p, P> {
    pub(super) fn for_run(provider: &'p P, run: RunRef) -> Self {
        Self::new(provider, Subject::Run(run))
    }

    pub(super) fn for_trigger(trigger: Trigger<'p, P>) -> Self {
        Self::new(trigger.provider(), Subject::Trigger(trigger))
    }

    fn new(provider: &'p P, subject: Subject<'p, P>) -> Self {
        Self { provider, subject, settings: Settings::default(), ending: Ending::default() }
    }

    pause_setters!();

    /// Asks the vendor to end the run when the wait runs out of time. The wait still fails.
    pub fn cancel_on_timeout(mut self) -> Self {
        self.ending.cancel_on_timeout = true;
        self
    }

    /// Ends the wait at the first snapshot for which `enough` is true, and at the run's end in any case. For what comes
    /// before the end: a run that has begun, or half of whose parts are done.
    pub fn until(mut self, enough: impl FnMut(&RunSnapshot) -> bool + Send + 'p) -> Self {
        self.ending.until = Some(Box::new(enough));
        self
    }

    /// The wait as a stream: every snapshot, the last one when the run is over. An error ends it.
    ///
    /// Between two snapshots it sleeps; dropping it ends the wait and nothing else.
    #[must_use]
    pub fn updates(self) -> BoxStream<'p, Result<RunSnapshot>> {
        Box::pin(stream::unfold(Progress::Before(Box::new(self)), |progress| async move {
            let mut watch = match progress {
                Progress::Before(wait) => match wait.begin().await {
                    Ok(watch) => Box::new(watch),
                    Err(error) => return Some((Err(error), Progress::Over)),
                },
                Progress::Watching(watch) => watch,
                Progress::Over => return None,
            };
            let update = watch.look().await;
            let over = update.as_ref().map_or(true, |run| watch.is_over(run));
            Some((update, if over { Progress::Over } else { Progress::Watching(watch) }))
        }))
    }

    /// Triggers, if that is asked for, and starts the clock.
    async fn begin(self) -> Result<Watch<'p, P>> {
        let (run, triggered) = match self.subject {
            Subject::Run(run) => (run, false),
            Subject::Trigger(trigger) => (trigger.send().await?, true),
        };
        run.target().id_at(&self.provider.vendor())?;
        let clock = self.provider.clock();
        Ok(Watch {
            provider: self.provider,
            span: Span::wait(&run),
            run,
            triggered,
            settings: self.settings,
            ending: self.ending,
            floor: self.provider.capabilities().poll_floor,
            begun: clock.now(),
            clock,
            looks: 0,
            pause: None,
            failed: 0,
            last: None,
        })
    }
}

enum Progress<'p, P: ?Sized> {
    Before(Box<Wait<'p, P>>),
    Watching(Box<Watch<'p, P>>),
    Over,
}

/// A wait under way.
struct Watch<'p, P: ?Sized> {
    provider: &'p P,
    run: RunRef,
    /// By this very wait.
    triggered: bool,
    settings: Settings<'p>,
    ending: Ending<'p>,
    floor: Duration,
    clock: Arc<dyn Clock>,
    begun: Instant,
    looks: u32,
    /// The pause before the next look; none before the first.
    pause: Option<Duration>,
    failed: u32,
    last: Option<RunSnapshot>,
    span: Span,
}

impl<P: RunProvider + ?Sized> Watch<'_, P> {
    /// The next snapshot, after the pause that is due.
    async fn look(&mut self) -> Result<RunSnapshot> {
        let span = self.span.clone();
        let update = span.around(self.look_again()).await;
        span.failed(update.as_ref().err());
        update
    }

    async fn look_again(&mut self) -> Result<RunSnapshot> {
        loop {
            if let Some(pause) = self.pause {
                self.clock.sleep(pause.min(self.left())).await;
                if self.left().is_zero() {
                    return Err(self.out_of_time().await);
                }
            }
            // The first look is made whatever the limit: a wait tells how the run stands before it gives up.
            let left =
                self.left().max(if self.pause.is_none() { FIRST_LOOK } else { Duration::ZERO });
            self.looks = self.looks.saturating_add(1);
            self.pause = Some(self.settings.pauses.after(self.looks, self.floor, draw()));
            let mut options = self.settings.options.clone();
            options.left = Some(left);
            let look = within(left, self.provider.get_run(&self.run, &options)).await;
            match look.unwrap_or_else(|| Err(Error::timeout(TimeoutPhase::Call))) {
                Ok(snapshot) => {
                    self.failed = 0;
                    if let Some(told) = &mut self.settings.on_update {
                        told(&snapshot);
                    }
                    trace::looked(self.last.as_ref(), &snapshot);
                    self.last = Some(snapshot.clone());
                    return Ok(snapshot);
                }
                Err(error) if error.is_transient() && self.left().is_zero() => {
                    return Err(self.out_of_time().await.with_source(error));
                }
                Err(error) if error.is_transient() && self.failed < self.settings.tolerate => {
                    self.failed += 1;
                    trace::look_failed(&error, self.failed);
                    self.pause = error.retry_after().max(self.pause);
                }
                Err(error) => {
                    return Err(self.about_the_run(error));
                }
            }
        }
    }

    fn is_over(&mut self, run: &RunSnapshot) -> bool {
        run.phase.is_terminal() || self.ending.until.as_mut().is_some_and(|enough| enough(run))
    }

    fn left(&self) -> Duration {
        self.settings.timeout.saturating_sub(self.clock.now().saturating_duration_since(self.begun))
    }

    async fn out_of_time(&mut self) -> Error {
        let seconds = self.settings.timeout.as_secs();
        let mut message = format!("run {} has not ended within {seconds} s", self.run);
        let mut cause = None;
        if self.ending.cancel_on_timeout {
            match self.provider.cancel_run(&self.run, &self.settings.options).await {
                Ok(_) => message.push_str("; its cancellation was requested"),
                Err(error) => {
                    message.push_str("; it could not be cancelled");
                    cause = Some(error);
                }
            }
        } else {
            message.push_str("; it goes on at the vendor");
        }
        let mut error = Error::new(ErrorKind::WaitTimeout, message);
        if let Some(cause) = cause {
            error = error.with_source(cause);
        }
        self.about_the_run(error)
    }

    /// Adds what is known about the run, and that it was triggered here.
    fn about_the_run(&mut self, error: Error) -> Error {
        let error = match self.last.take() {
            Some(last) => error.with_snapshot(last),
            None => error.with_run(self.run.clone()),
        };
        if self.triggered { error.after_trigger(Delivery::Answered) } else { error }
    }
}

impl<'p, P: RunProvider + ?Sized> IntoFuture for Wait<'p, P> {
    type Output = Result<RunSnapshot>;
    type IntoFuture = BoxFuture<'p, Result<RunSnapshot>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut watch = self.begin().await?;
            loop {
                let snapshot = watch.look().await?;
                if watch.is_over(&snapshot) {
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
    fn pauses_grow_up_to_their_cap_and_never_fall_below_the_floor() {
        let millis = |pauses: Pauses, looks, draw| {
            pauses.after(looks, Duration::from_secs(1), draw).as_millis()
        };
        let every = Duration::from_secs(4);
        let even = Pauses { every, ..Pauses::default() };
        assert_eq!([1, 2, 9, u32::MAX].map(|looks| millis(even, looks, 0.9)), [4000; 4]);
        let growing = Pauses { factor: 1.5, cap: Duration::from_secs(10), ..even };
        let grown = [1, 2, 3, 4, u32::MAX].map(|looks| millis(growing, looks, 0.0));
        assert_eq!(grown, [4000, 6000, 9000, 10_000, 10_000]);
        let shaken = Pauses { jitter: 0.25, ..even };
        assert_eq!([0.0, 0.5, 1.0].map(|draw| millis(shaken, 1, draw)), [3000, 4000, 5000]);
        let odd = Pauses { factor: f64::NAN, jitter: f64::INFINITY, cap: Duration::ZERO, ..even };
        assert_eq!([0.0, 0.5].map(|draw| millis(odd, 7, draw)), [1000, 4000]);
        assert_eq!(millis(Pauses { jitter: f64::NAN, ..even }, 1, 0.9), 4000);
        let endless = Pauses { every: Duration::MAX, factor: f64::INFINITY, ..even };
        assert_eq!(endless.after(9, Duration::ZERO, 0.5), Duration::MAX);
    }
}
