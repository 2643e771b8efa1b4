//! Events of vendors, and how they reach the waits.

use std::fmt;

use futures_core::stream::{BoxStream, Stream};
use futures_util::{FutureExt as _, StreamExt as _, future, stream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::task::coop;

use super::model::RunRef;
use crate::vendor::Vendor;

/// Events that a wait may lag behind before it polls instead of reading them.
const CAPACITY: usize = 1024;

/// A vendor says that something has happened to a run. It only means "poll now": whether the run has ended is decided by what the
/// vendor's API says.
///
/// An event names as much as the vendor does: a run, a target, an account, or nothing. What it does not name can be any.
///
/// ```
/// use scheduled_runs::run::Event;
/// use scheduled_runs::{RunRef, Vendor};
///
/// let run: RunRef = "acme@sales:nightly/42".parse()?;
/// let event = Event::of(Vendor::new("acme"));
/// assert!(event.concerns(&run), "it names nobody, so it concerns all");
/// assert!(event.clone().target("nightly").concerns(&run));
/// assert!(!event.target("nightly").run("43").concerns(&run));
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Event {
    vendor: Option<Vendor>,
    scope: Option<Box<str>>,
    target: Option<Box<str>>,
    run: Option<Box<str>>,
}

impl Event {
    /// An event of this vendor that names nobody: it concerns all of the vendor's runs.
    #[must_use]
    pub fn of(vendor: Vendor) -> Self {
        Self { vendor: Some(vendor), ..Self::ANY }
    }

    /// Events were lost: it concerns every run.
    const ANY: Self = Self { vendor: None, scope: None, target: None, run: None };

    /// Names the account: the [scope](super::Target::scoped) of a target, with or without the host before it. An empty name is none.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<Box<str>>) -> Self {
        self.scope = Some(scope.into()).filter(|scope| !scope.is_empty());
        self
    }

    /// Names the target, by the vendor's id.
    #[must_use]
    pub fn target(mut self, id: impl Into<Box<str>>) -> Self {
        self.target = Some(id.into());
        self
    }

    /// Names the run, by the vendor's id.
    #[must_use]
    pub fn run(mut self, id: impl Into<Box<str>>) -> Self {
        self.run = Some(id.into());
        self
    }

    /// Whether it may be about this run: all that it names is the run's.
    #[must_use]
    pub fn concerns(&self, run: &RunRef) -> bool {
        let fits =
            |named: &Option<Box<str>>, own: &str| named.as_deref().is_none_or(|named| named == own);
        let target = run.target();
        self.vendor.as_ref().is_none_or(|vendor| vendor == target.vendor())
            && fits(&self.target, target.id())
            && fits(&self.run, run.id())
            && self.scope.as_deref().zip(target.scope()).is_none_or(|(named, own)| {
                own.strip_suffix(named).is_some_and(|host| host.is_empty() || host.ends_with('/'))
            })
    }
}

/// A channel for events that many waits share: a service has one endpoint for webhooks, and a thousand waits. Clones are the same
/// channel.
///
/// Every wait takes a [stream](Self::stream) of it, and polls at events that concern its own runs. A wait that does not keep up
/// with thousands of events at once loses some and polls once instead.
///
/// ```
/// use std::time::Duration;
///
/// use scheduled_runs::run::{Event, Events};
/// use scheduled_runs::testing::FakeProvider;
/// use scheduled_runs::{Phase, RunProvider, RunProviderExt};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> scheduled_runs::Result<()> {
/// let provider = FakeProvider::new();
/// let nightly = provider.target("nightly");
/// let run = provider.add_run(&nightly, [Phase::Running, Phase::Succeeded]);
///
/// let events = Events::new();
/// let endpoint = events.clone();
/// tokio::spawn(async move {
///     tokio::time::sleep(Duration::from_secs(20)).await;
///     endpoint.send(Event::of(FakeProvider::new().vendor()));
/// });
/// let ten_minutes = Duration::from_secs(600);
/// let wait = provider.wait(&run).every(ten_minutes).wake_on(events.stream());
/// assert_eq!(wait.await?.phase, Phase::Succeeded);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Events(broadcast::Sender<Event>);

impl Events {
    /// A channel without waits.
    #[must_use]
    pub fn new() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }

    /// Wakes all waits that have a [stream](Self::stream) of this channel and that the event concerns. Without such a wait, nothing
    /// happens: an event is not kept for waits that begin later.
    pub fn send(&self, event: Event) {
        // It fails if nobody waits.
        let _ = self.0.send(event);
    }

    /// The events that are sent from now on, for [`Wait::wake_on`](super::Wait::wake_on). It ends when all clones of the channel
    /// are gone.
    #[must_use]
    pub fn stream(&self) -> BoxStream<'static, Event> {
        let events = stream::unfold(self.0.subscribe(), |mut events| async move {
            match events.recv().await {
                Ok(event) => Some((event, events)),
                Err(RecvError::Lagged(_)) => Some((Event::ANY, events)),
                Err(RecvError::Closed) => None,
            }
        });
        events.boxed()
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("waits", &self.0.receiver_count()).finish_non_exhaustive()
    }
}

/// The events that wake a wait.
#[derive(Default)]
pub(super) struct Wakes<'p>(Option<BoxStream<'p, Event>>);

impl<'p> Wakes<'p> {
    pub(super) fn add(&mut self, events: impl Stream<Item = Event> + Send + 'p) {
        self.0 = Some(match self.0.take() {
            Some(others) => stream::select(others, events).boxed(),
            None => events.boxed(),
        });
    }

    /// The next event; without one, it never ends.
    pub(super) async fn next(&mut self) -> Event {
        if let Some(events) = &mut self.0 {
            // A stream that always has an event must not hold up everything else.
            coop::consume_budget().await;
            if let Some(event) = events.next().await {
                return event;
            }
            self.0 = None;
        }
        future::pending().await
    }

    /// The next event that concerns this run.
    pub(super) async fn next_about(&mut self, run: &RunRef) {
        while !self.next().await.concerns(run) {}
    }

    /// Drops the events that are there already: the poll that follows says what they could say.
    pub(super) fn skip(&mut self) {
        for _ in 0..CAPACITY {
            // Not even the runtime's budget for one task leaves events for later.
            if coop::unconstrained(self.next()).now_or_never().is_none() {
                break;
            }
        }
    }
}

impl fmt::Debug for Wakes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wakes").field(&self.0.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_concerns_the_runs_of_its_vendor_only() {
        let [acme, other] = ["acme", "other"].map(Vendor::new);
        let run: RunRef = "acme:nightly/42".parse().unwrap();
        assert!(Event::of(acme.clone()).concerns(&run));
        assert!(!Event::of(other).concerns(&run));
        assert!(!Event::of(acme.clone()).target("weekly").concerns(&run));
        let scoped: RunRef = "acme@sales:nightly/42".parse().unwrap();
        assert!(Event::of(acme.clone()).scope("").concerns(&scoped), "an empty name is none");
        assert!(!Event::of(acme).scope("other").concerns(&scoped));
    }
}
