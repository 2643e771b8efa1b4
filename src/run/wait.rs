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
use super::polls::{Awaited, FIRST_POLL, STILL_RUNNING, Settings, in_time, wait_setters};
use super::provider::RunProvider;
use super::trace;
use super::trigger::Trigger;
use crate::client::{CallLimits, CallOptions, Clock, draw};
use crate::error::{Error, Result};

type Until<'p> = Box<dyn FnMut(&RunSnapshot) -> bool + Send + 'p>;

/// A wait for the end of a run. Await it for the last snapshot: any end is `Ok`, and [`success`](RunSnapshot::success) turns a
/// run that did not succeed into an error.
///
/// A wait polls, reports, and only then sleeps. An outage of some minutes does not fail the wait, and a server that asks for a
/// pause holds it up for at most [`longest_server_pause`](crate::client::RetryPolicy::longest_server_pause). Dropping a wait
/// cancels nothing at the vendor, and another process can resume it from the printed [`RunRef`].
#[must_use = "a wait does nothing until it is awaited"]
pub struct Wait<'p, P: ?Sized> {
    provider: &'p P,
    subject: Subject<'p, P>,
    settings: Settings<'p>,
    stop: StopRules<'p>,
}

/// What else ends a wait for one run, and how.
#[derive(Default)]
struct StopRules<'p> {
    cancel_on_timeout: bool,
    until: Option<Until<'p>>,
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
            .field("settings", &self.settings)
            .field("cancel_on_timeout", &self.stop.cancel_on_timeout)
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
            awaited: Awaited::new(&run, triggered),
            run,
            settings: self.settings,
            stop: self.stop,
            floor: self.provider.capabilities().poll_floor,
            begun: clock.now(),
            clock,
            polls: 0,
            interval: None,
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
    awaited: Awaited,
    settings: Settings<'p>,
    stop: StopRules<'p>,
    floor: Duration,
    clock: Arc<dyn Clock>,
    begun: Instant,
    polls: u32,
    /// The interval before the next poll; `None` before the first.
    interval: Option<Duration>,
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
            let poll = in_time(left, self.provider.fetch_run(&self.run, &limits)).await;
            // The server may ask for a longer pause.
            self.interval = poll.as_ref().err().and_then(Error::server_pause).max(self.interval);
            let now = self.clock.now();
            match self.awaited.take_in(poll, self.begun, now, &mut self.settings) {
                Some(Ok(snapshot)) => return Ok(snapshot),
                Some(Err(error)) => return Err(self.awaited.about_the_run(&self.run, error)),
                None => {}
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
        let then = if self.stop.cancel_on_timeout {
            let limits = CallLimits::from(self.settings.options.clone());
            match self.provider.send_cancel(&self.run, &limits).await {
                Ok(_) => "its cancellation was requested".into(),
                Err(error) => format!("it could not be cancelled: {error}"),
            }
        } else {
            STILL_RUNNING.to_owned()
        };
        self.awaited.out_of_time(&self.run, self.settings.timeout, &then)
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
