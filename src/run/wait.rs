//! Waiting for the end of a run.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::stream;

use super::{RunProvider, RunRef, RunSnapshot, Trigger};
use crate::client::{CallOptions, Clock, within};
use crate::error::{Delivery, Error, ErrorKind, Result, TimeoutPhase};

/// Least time for the first look.
const FIRST_LOOK: Duration = Duration::from_secs(1);

type OnUpdate<'p> = Box<dyn FnMut(&RunSnapshot) + Send + 'p>;

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
}

struct Settings<'p> {
    every: Duration,
    timeout: Duration,
    tolerate: u32,
    cancel_on_timeout: bool,
    on_update: Option<OnUpdate<'p>>,
    options: CallOptions,
}

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
            .field("every", &self.settings.every)
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
        let settings = Settings {
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(24 * 3600),
            tolerate: 5,
            cancel_on_timeout: false,
            on_update: None,
            options: CallOptions::default(),
        };
        Self { provider, subject, settings }
    }

    /// Pause between two looks. Default 5 s; never less than the vendor's
    /// [`poll_floor`](super::Capabilities::poll_floor), whatever is asked for.
    pub fn every(mut self, pause: Duration) -> Self {
        self.settings.every = pause;
        self
    }

    /// Longest wait, counted from the first look, which is made in any case. Default 24 hours. Then the wait fails with
    /// [`ErrorKind::WaitTimeout`], which holds the last snapshot; the run goes on.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.settings.timeout = limit;
        self
    }

    /// Looks in a row that may fail before the wait fails. Default 5. Only failures of network, load and server are
    /// tolerated: a run that is not found, or a credential that is refused, ends the wait at once.
    pub fn tolerate(mut self, looks: u32) -> Self {
        self.settings.tolerate = looks;
        self
    }

    /// Asks the vendor to end the run when the wait runs out of time. The wait still fails.
    pub fn cancel_on_timeout(mut self) -> Self {
        self.settings.cancel_on_timeout = true;
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

    /// The wait as a stream: every snapshot, the last one when the run is over. An error ends it.
    ///
    /// Between two snapshots it sleeps; dropping it ends the wait and nothing else.
    #[must_use]
    pub fn updates(self) -> BoxStream<'p, Result<RunSnapshot>> {
        Box::pin(stream::unfold(Progress::Before(self), |progress| async move {
            let mut watch = match progress {
                Progress::Before(wait) => match wait.begin().await {
                    Ok(watch) => watch,
                    Err(error) => return Some((Err(error), Progress::Over)),
                },
                Progress::Watching(watch) => watch,
                Progress::Over => return None,
            };
            let update = watch.look().await;
            let over = update.as_ref().map_or(true, |run| run.phase.is_terminal());
            Some((update, if over { Progress::Over } else { Progress::Watching(watch) }))
        }))
    }

    /// Triggers, if that is asked for, and starts the clock.
    async fn begin(self) -> Result<Watch<'p, P>> {
        let (run, triggered) = match self.subject {
            Subject::Run(run) => (run, false),
            Subject::Trigger(trigger) => (trigger.send().await?, true),
        };
        if run.vendor() != &self.provider.vendor() {
            return Err(super::foreign(&run, &self.provider.vendor()));
        }
        let mut settings = self.settings;
        settings.every = settings.every.max(self.provider.capabilities().poll_floor);
        let clock = self.provider.clock();
        Ok(Watch {
            provider: self.provider,
            run,
            triggered,
            settings,
            begun: clock.now(),
            clock,
            pause: None,
            failed: 0,
            last: None,
        })
    }
}

enum Progress<'p, P: ?Sized> {
    Before(Wait<'p, P>),
    Watching(Watch<'p, P>),
    Over,
}

/// A wait under way.
struct Watch<'p, P: ?Sized> {
    provider: &'p P,
    run: RunRef,
    /// By this very wait.
    triggered: bool,
    settings: Settings<'p>,
    clock: Arc<dyn Clock>,
    begun: Instant,
    /// The pause before the next look; none before the first.
    pause: Option<Duration>,
    failed: u32,
    last: Option<RunSnapshot>,
}

impl<P: RunProvider + ?Sized> Watch<'_, P> {
    /// The next snapshot, after the pause that is due.
    async fn look(&mut self) -> Result<RunSnapshot> {
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
            self.pause = Some(self.settings.every);
            let mut options = self.settings.options.clone();
            options.left = Some(left);
            let look = within(left, self.provider.get_run(&self.run, &options)).await;
            match look.unwrap_or_else(|| Err(Error::timeout(TimeoutPhase::Call))) {
                Ok(snapshot) => {
                    self.failed = 0;
                    if let Some(told) = &mut self.settings.on_update {
                        told(&snapshot);
                    }
                    self.last = Some(snapshot.clone());
                    return Ok(snapshot);
                }
                Err(error) if error.is_transient() && self.left().is_zero() => {
                    return Err(self.out_of_time().await.with_source(error));
                }
                Err(error) if error.is_transient() && self.failed < self.settings.tolerate => {
                    self.failed += 1;
                    self.pause = error.retry_after().max(self.pause);
                }
                Err(error) => {
                    return Err(self.about_the_run(error));
                }
            }
        }
    }

    fn left(&self) -> Duration {
        self.settings.timeout.saturating_sub(self.clock.now().saturating_duration_since(self.begun))
    }

    async fn out_of_time(&mut self) -> Error {
        let seconds = self.settings.timeout.as_secs();
        let mut message = format!("run {} has not ended within {seconds} s", self.run);
        let mut cause = None;
        if self.settings.cancel_on_timeout {
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
                if snapshot.phase.is_terminal() {
                    return Ok(snapshot);
                }
            }
        })
    }
}
