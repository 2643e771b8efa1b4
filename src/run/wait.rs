//! Waiting for the end of a run.

use std::fmt;
use std::future::IntoFuture;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::future::{self, Either};
use futures_util::stream;
use tracing::{Instrument as _, Span};

use super::history::History;
use super::model::{RunRef, RunSnapshot};
use super::polls::{Awaited, Settings, in_time, wait_setters};
use super::provider::{CancelOutcome, RunProvider};
use super::trace;
use super::trigger::Trigger;
use crate::client::{CallLimits, CallOptions, Clock};
use crate::error::{Error, Result};

type Until<'p> = Box<dyn FnMut(&RunSnapshot) -> bool + Send + 'p>;

/// A wait for the end of a run. Await it for the last snapshot: any end is `Ok`, and [`success`](RunSnapshot::success) turns a
/// run that failed, was cancelled or was skipped into an error.
///
/// A wait polls, reports, and only then sleeps. An outage of some minutes does not fail the wait, and a server that asks for a
/// pause holds it up for at most [`longest_server_pause`](crate::client::RetryPolicy::longest_server_pause). Dropping a wait
/// cancels nothing at the vendor, and another process can resume it from the printed [`RunRef`].
///
/// # Errors
/// [`ErrorKind::WaitTimeout`](crate::ErrorKind::WaitTimeout) if the [`timeout`](Self::timeout) is over before the run has ended; the error
/// of the last poll if polls have failed for longer than [`tolerate_for`](Self::tolerate_for) allows, and at once if it is not an outage:
/// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) for a run that the vendor does not know, `Auth` or `Denied` for a credential that it
/// refuses; [`ErrorKind::Config`](crate::ErrorKind::Config) for a run of another vendor or account, or a history of another target. A wait
/// that begins with a trigger also fails as [`Trigger`] does. [`Error::run`] says which run it was, once it is known.
#[must_use = "a wait does nothing until it is awaited"]
pub struct Wait<'p, P: ?Sized> {
    provider: &'p P,
    subject: Subject<'p, P>,
    settings: Settings<'p>,
    learn: bool,
    stop: StopRules<'p>,
}

/// What else ends a wait for one run, and how.
#[derive(Default)]
struct StopRules<'p> {
    cancel_on_timeout: bool,
    cancel_on_drop: Option<Arc<dyn RunProvider>>,
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
            .field("learn", &self.learn)
            .field("cancel_on_timeout", &self.stop.cancel_on_timeout)
            .field("cancel_on_drop", &self.stop.cancel_on_drop.is_some())
            .finish_non_exhaustive()
    }
}

impl<'p, P: RunProvider + ?Sized> Wait<'p, P> {
    pub(super) fn for_run(provider: &'p P, run: RunRef) -> Self {
        Self::new(provider, Subject::Run(run))
    }

    fn new(provider: &'p P, subject: Subject<'p, P>) -> Self {
        Self {
            provider,
            subject,
            settings: Settings::default(),
            learn: false,
            stop: StopRules::default(),
        }
    }

    wait_setters!();

    /// Fetches the history of the target when the wait begins, after its trigger, and is [paced by](Self::paced_by) it: one request more,
    /// for a wait of minutes. If it cannot be fetched, the wait polls at its fixed interval. For many waits for one target, fetch the
    /// history [once](super::RunProviderExt::history) and keep it.
    pub fn learn(mut self) -> Self {
        self.learn = true;
        self
    }

    /// Asks the vendor to cancel the run when the wait runs out of time. The wait still fails.
    pub fn cancel_on_timeout(mut self) -> Self {
        self.stop.cancel_on_timeout = true;
        self
    }

    /// Asks the vendor to cancel the run if the wait is dropped before it has ended: because its task was aborted, or because a
    /// time limit around it ran out. `provider` is the same provider, owned: a clone of the client, or of the `Arc`. Off by default.
    ///
    /// It is an attempt, not a promise. The request is sent by a task of its own, once, with the client's own limits, and nobody
    /// learns what came of it but the event "a run is cancelled because its wait was dropped". It is not sent if the wait was never
    /// polled, if the run is not known yet because its trigger is still under way, if the last poll has said that the run has ended, if
    /// the wait is dropped outside of a tokio runtime, or if the program or its runtime ends.
    pub fn cancel_on_drop(mut self, provider: impl RunProvider) -> Self {
        self.stop.cancel_on_drop = Some(Arc::new(provider));
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
            let ended = polling.has_ended(&update);
            Some((update, if ended { Updates::Ended } else { Updates::Polling(polling) }))
        }))
    }

    /// Triggers, if that is asked for, and starts the clock.
    async fn begin(mut self) -> Result<Polling<'p, P>> {
        let target = match &self.subject {
            Subject::Run(run) => run.target(),
            Subject::Trigger(trigger) => trigger.target(),
        };
        target.id_at(self.provider)?;
        if let [history, ..] = &*self.settings.histories
            && self.settings.history(target).is_none()
        {
            let own = history.target();
            return Err(Error::config(format!(
                "the history is that of {own}, and the run is one of {target}; fetch it with `history(&target)` of the run's own target"
            )));
        }
        let (run, triggered) = match self.subject {
            Subject::Run(run) => (run, false),
            Subject::Trigger(trigger) => (trigger.send().await?, true),
        };
        let on_drop = CancelOnDrop(self.stop.cancel_on_drop, run.clone());
        if self.learn && self.settings.history(run.target()).is_none() {
            let limits = CallLimits::from(self.settings.options.clone());
            match self.provider.fetch_durations(run.target(), &limits).await {
                Ok(durations) => {
                    self.settings.histories.push(History::new(run.target().clone(), durations));
                }
                Err(error) => trace::history_failed(&run, &error),
            }
        }
        let clock = self.provider.clock();
        let floor = self.provider.capabilities_of(run.target()).poll_floor;
        Ok(Polling {
            provider: self.provider,
            span: trace::wait_span(&run),
            on_drop,
            awaited: Awaited::new(&run, triggered, clock.now()),
            run,
            settings: self.settings,
            cancel_on_timeout: self.stop.cancel_on_timeout,
            until: self.stop.until,
            floor,
            clock,
            pauses: None,
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
    cancel_on_timeout: bool,
    until: Option<Until<'p>>,
    on_drop: CancelOnDrop,
    floor: Duration,
    clock: Arc<dyn Clock>,
    /// What comes before the next poll; `None` before the first.
    pauses: Option<Pauses>,
    span: Span,
}

/// The time between two polls.
#[derive(Clone, Copy)]
struct Pauses {
    /// Also if an event wakes the wait.
    least: Duration,
    /// Without an event.
    interval: Duration,
}

/// Fetches a run, from what is known of it if it was fetched before.
pub(super) async fn fetch<P: RunProvider + ?Sized>(
    provider: &P,
    run: &RunRef,
    last: Option<&RunSnapshot>,
    limits: &CallLimits,
) -> Result<RunSnapshot> {
    match last {
        Some(last) => provider.fetch_run_again(last, limits).await,
        None => provider.fetch_run(run, limits).await,
    }
}

/// Cancels the run when it is dropped, if there still is a provider.
struct CancelOnDrop(Option<Arc<dyn RunProvider>>, RunRef);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(provider) = self.0.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let run = self.1.clone();
        runtime.spawn(async move {
            let outcome = provider.send_cancel(&run, &CallLimits::default()).await;
            trace::cancelled_on_drop(&run, outcome);
        });
    }
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
            if let Some(pauses) = self.pauses {
                self.sleep(pauses).await;
                if self.left().is_zero() {
                    return self.out_of_time().await;
                }
            }
            let left = self.left();
            self.settings.wakes.skip();
            let limits = CallLimits::from(self.settings.options.clone()).time_left(left);
            let fetched = fetch(self.provider, &self.run, self.awaited.last(), &limits);
            let poll = in_time(left, fetched).await;
            let server = poll.as_ref().err().and_then(Error::server_pause).unwrap_or_default();
            let now = self.clock.now();
            let taken = self.awaited.take_in(poll, now, &mut self.settings);
            let interval = self.settings.interval(&self.run, &self.awaited, now, self.floor);
            let outage = self.settings.outage(self.awaited.failed_in_a_row(), self.floor);
            self.pauses = Some(Pauses {
                least: server.max(self.floor),
                interval: interval.max(server).max(outage.unwrap_or_default()),
            });
            match taken {
                Some(Ok(snapshot)) => return Ok(snapshot),
                Some(Err(error)) => return Err(self.awaited.about_the_run(&self.run, error)),
                None => {}
            }
        }
    }

    /// Sleeps until the interval is over, or an event concerns the run.
    async fn sleep(&mut self, pauses: Pauses) {
        let is_woken = {
            let interval = self.clock.sleep(pauses.interval.min(self.left()));
            let event = pin!(self.settings.wakes.next_about(&self.run));
            matches!(future::select(interval, event).await, Either::Right(_))
        };
        if is_woken {
            let rest = self.awaited.rest(pauses.least, self.clock.now());
            self.clock.sleep(rest.min(self.left())).await;
        }
    }

    /// Whether this update is the last one. If it is, the wait is reported, and dropping it cancels nothing any more.
    fn has_ended(&mut self, update: &Result<RunSnapshot>) -> bool {
        let ended = match update {
            Ok(run) => {
                run.phase.is_terminal() || self.until.as_mut().is_some_and(|enough| enough(run))
            }
            Err(_) => true,
        };
        if ended {
            self.on_drop.0 = None;
            let now = self.clock.now();
            let failure = update.as_ref().err();
            let _entered = self.span.enter();
            self.awaited.report_end(&self.run, failure, now, &mut self.settings);
        }
        ended
    }

    fn left(&self) -> Duration {
        self.awaited.left(self.settings.timeout, self.clock.now())
    }

    /// The end of a wait that ran out of time.
    async fn out_of_time(&mut self) -> Result<RunSnapshot> {
        let mut then = None;
        if self.cancel_on_timeout {
            let limits = CallLimits::from(self.settings.options.clone());
            then = Some(match self.provider.send_cancel(&self.run, &limits).await {
                Ok(CancelOutcome::Requested) => "its cancellation was requested".to_owned(),
                // It has ended since the last poll.
                Ok(CancelOutcome::AlreadyFinished) => {
                    let end = fetch(self.provider, &self.run, self.awaited.last(), &limits).await;
                    let end = self.awaited.take_in(end, self.clock.now(), &mut self.settings);
                    if let Some(Ok(end)) = end
                        && end.phase.is_terminal()
                    {
                        return Ok(end);
                    }
                    "it had already ended when it was to be cancelled".to_owned()
                }
                Err(error) => format!("it could not be cancelled: {error}"),
            });
        }
        Err(self.awaited.out_of_time(&self.run, self.settings.timeout, then))
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
                let update = polling.poll().await;
                if polling.has_ended(&update) {
                    return update;
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use futures_util::StreamExt as _;
    use tokio::time::Instant;

    use super::super::{Event, Phase, RunProviderExt as _, Target};
    use super::*;
    use crate::error::ErrorKind;
    use crate::run::Capabilities;
    use crate::vendor::Vendor;

    /// The first poll is refused, with a pause of 30 s; the third one sees the end.
    #[derive(Debug, Default)]
    struct Busy(Mutex<Vec<Instant>>);

    #[async_trait]
    impl RunProvider for Busy {
        fn vendor(&self) -> Vendor {
            Vendor::new("acme")
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities::new()
        }

        #[allow(clippy::disallowed_methods, reason = "time is paused")]
        async fn fetch_run(&self, run: &RunRef, _: &CallLimits) -> Result<RunSnapshot> {
            let mut polls = self.0.lock().unwrap();
            polls.push(Instant::now());
            match polls.len() {
                1 => {
                    let mut busy = Error::new(ErrorKind::RateLimited, "busy");
                    busy.set().retry_after(Some(Duration::from_secs(30)));
                    Err(busy)
                }
                2 => Ok(RunSnapshot::new(run.clone(), Phase::Running)),
                _ => Ok(RunSnapshot::new(run.clone(), Phase::Succeeded)),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    #[allow(clippy::disallowed_methods, reason = "time is paused")]
    async fn events_do_not_shorten_the_pause_that_a_server_asks_for() {
        let run = Target::new(Vendor::new("acme"), "nightly").run("1");
        let every = || {
            stream::repeat(()).then(|()| async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                Event::of(Vendor::new("acme"))
            })
        };
        let hour = Duration::from_secs(3600);
        for together in [false, true] {
            let (provider, began) = (Busy::default(), Instant::now());
            if together {
                let wait = provider.wait_all([run.clone()]).every(hour).wake_on(every());
                wait.ends().next().await.unwrap().unwrap();
            } else {
                provider.wait(&run).every(hour).wake_on(every()).await.unwrap();
            }
            let polls = provider.0.lock().unwrap();
            let after: Vec<_> = polls.iter().map(|poll| (*poll - began).as_secs()).collect();
            assert_eq!(after, [0, 30, 31], "together: {together}");
        }
    }
}
