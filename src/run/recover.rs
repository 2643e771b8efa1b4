//! Finding out what became of a start, in any process.

use std::collections::HashSet;
use std::fmt;
use std::future::IntoFuture;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_core::future::BoxFuture;

use super::intent::{KnownRuns, Moment, StartIntent};
use super::model::RunRef;
use super::polls::is_passing;
use super::provider::RunProvider;
use super::search::Look;
use super::start::{ambiguous, several, too_long};
use crate::client::{CallLimits, CallOptions};
use crate::error::{Delivery, ErrorKind, Result};

/// What became of a start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// It started this run.
    Started(RunRef),
    /// It started nothing, and nothing of it can start a run any more. Prepare anew.
    NotStarted,
    /// It is too early to tell.
    Undecided {
        /// When to ask again, by the clock of this machine.
        again_at: DateTime<Utc>,
    },
}

/// A question about a start: it sends nothing that could start a run. Await it for what is known now; [`decide`](Self::decide) sleeps
/// until it is decided.
///
/// A run that the caller has named is found at once. Otherwise the vendor's list decides, after all the time has passed that the
/// intent allows for sending the trigger, for its arrival, for clocks that differ, and for the list: 3 minutes by default. That
/// nothing was started is said after two looks at it, a second apart.
///
/// If the stored intent has been replaced meanwhile, ask about the new one: to the old one, a run of the new one may look like
/// somebody else's.
///
/// # Errors
/// [`ErrorKind::Ambiguous`] with [`candidates`](crate::Error::candidates) if several runs may be ours, or none can be told apart;
/// [`ErrorKind::Config`] for an intent of another vendor or account; else as [`RunProvider::recent_runs`] and
/// [`RunProvider::fetch_run`].
#[must_use = "nothing is recovered until it is awaited"]
pub struct Recover<'p, P: ?Sized> {
    provider: &'p P,
    intent: StartIntent,
    others: HashSet<RunRef>,
    forever: bool,
    limits: CallLimits,
}

impl<P: ?Sized> fmt::Debug for Recover<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recover").field("intent", &self.intent.id()).finish_non_exhaustive()
    }
}

impl<'p, P: RunProvider + ?Sized> Recover<'p, P> {
    pub(super) fn new(provider: &'p P, intent: StartIntent) -> Self {
        Self {
            provider,
            intent,
            others: HashSet::new(),
            forever: false,
            limits: CallLimits::default(),
        }
    }

    /// Leaves out runs that are known to belong to other starts, for example those that a job queue has stored with its other jobs
    /// of this target.
    pub fn excluding(mut self, runs: impl IntoIterator<Item = RunRef>) -> Self {
        self.others.extend(runs);
        self
    }

    /// Lets [`decide`](Self::decide) sit out every outage, also that of a refused credential, and ask less and less often meanwhile: for a
    /// service that starts while the vendor cannot be reached.
    pub fn forever(mut self) -> Self {
        self.forever = true;
        self
    }

    /// Limits for each call.
    pub fn options(mut self, options: CallOptions) -> Self {
        self.limits.options = options;
        self
    }

    /// Asks until it is decided, and sleeps in between: the run that was started, or `None` if nothing was. Calls that fail for
    /// reasons of network, load or server are repeated for as long as the intent allows for, or [for ever](Self::forever).
    ///
    /// # Errors
    /// As for one look.
    pub async fn decide(self) -> Result<Option<RunRef>> {
        let clock = self.provider.clock();
        let (begun, longest) = (clock.now(), self.intent.bounds.total().max(PAUSE));
        let mut failing = None;
        loop {
            let pause = match self.ask(begun).await {
                Ok(Recovery::Started(run)) => return Ok(Some(run)),
                Ok(Recovery::NotStarted) => return Ok(None),
                Ok(Recovery::Undecided { again_at }) => {
                    failing = None;
                    (again_at - clock.utc()).to_std().unwrap_or_default()
                }
                Err(error) => {
                    let since = *failing.get_or_insert_with(|| clock.now());
                    let failing = clock.now().saturating_duration_since(since);
                    let is_outage =
                        error.is_transient() || (self.forever && is_passing(error.kind()));
                    if !is_outage || (failing >= longest && !self.forever) {
                        return Err(error);
                    }
                    // As long as it has failed already.
                    let patience = if self.forever { failing } else { Duration::ZERO };
                    error.server_pause().unwrap_or_default().max(patience)
                }
            };
            // A wall clock that jumps does not make it sleep longer than the intent could take.
            clock.sleep(pause.clamp(PAUSE, longest)).await;
        }
    }

    /// `begun` is since when this process has had the intent.
    async fn ask(&self, begun: Instant) -> Result<Recovery> {
        let mut recovery = self.look(begun).await;
        // What was read may be an old copy from a cache, which that brings up to date.
        if let Ok(Recovery::NotStarted) = recovery {
            self.provider.clock().sleep(PAUSE).await;
            recovery = self.look(begun).await;
        }
        // Whatever prevents the look says nothing about the start.
        recovery.map_err(|error| error.after_trigger(Delivery::Unknown))
    }

    async fn look(&self, begun: Instant) -> Result<Recovery> {
        let Self { provider, intent, limits, .. } = self;
        intent.target().id_at(*provider)?;
        // The time before anything is read: what has arrived by then is listed.
        let mut now = self.now(begun);
        if let Some(run) = intent.run() {
            match provider.fetch_run(&run, limits).await {
                Ok(_) => return Ok(Recovery::Started(run)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if intent.believes(now.local) && !intent.undecided_for(now).is_zero() {
            return Ok(self.undecided(now));
        }
        let look = match (intent.run(), &intent.known) {
            (Some(_), _) if !provider.capabilities_of(intent.target()).list => {
                Look { is_complete: true, ..Look::default() }
            }
            // The vendor may have forgotten a run of this id that has ended, and still list it.
            (Some(_), _) => {
                let known = KnownRuns::default();
                Look::take(*provider, intent.target(), &known, limits).await?
            }
            (None, Some(known)) => Look::take(*provider, intent.target(), known, limits).await?,
            (None, None) => {
                let message = format!(
                    "a run of {} cannot be found, because nothing tells its runs apart",
                    intent.target()
                );
                return Err(ambiguous(message, [], None));
            }
        };
        now.server = look.server_time;
        if !intent.undecided_for(now).is_zero() {
            return Ok(self.undecided(now));
        }
        decided_by(intent, &self.others, look)
    }

    fn now(&self, begun: Instant) -> Moment {
        let clock = self.provider.clock();
        let held = clock.now().saturating_duration_since(begun);
        Moment { local: clock.utc(), server: None, held }
    }

    fn undecided(&self, now: Moment) -> Recovery {
        // Vendors tell the time in whole seconds: what is left of one is not worth a look.
        let left = self.intent.undecided_for(now).max(PAUSE);
        let left = TimeDelta::from_std(left).unwrap_or(TimeDelta::MAX);
        let again_at = now.local.checked_add_signed(left).unwrap_or(DateTime::<Utc>::MAX_UTC);
        Recovery::Undecided { again_at }
    }
}

/// What a list shows in which everything stands that this start can have started.
pub(super) fn decided_by(
    intent: &StartIntent,
    others: &HashSet<RunRef>,
    look: Look,
) -> Result<Recovery> {
    let target = intent.target();
    let look = look.of_start_at(Some(intent.began()));
    if let Some(run) = intent.run() {
        return match look.ours.contains_key(&run) {
            true => Ok(Recovery::Started(run)),
            false if look.is_complete => Ok(Recovery::NotStarted),
            false => Err(ambiguous(too_long(target), [run], None)),
        };
    }
    let look = look.without(target, others);
    let mut ours = look.ours.into_iter();
    match (ours.next(), ours.next()) {
        (Some((run, created)), None) => {
            if created.is_some_and(|created| intent.is_later(created)) {
                let message = format!(
                    "the only new run of {target} was created after the lease of this start; somebody else seems to have started it"
                );
                return Err(ambiguous(message, [run], None));
            }
            Ok(Recovery::Started(run))
        }
        (Some(one), Some(two)) => {
            let runs = [one, two].into_iter().chain(ours).map(|(run, _)| run);
            Err(several(target, runs, None))
        }
        (None, _) if !look.doubtful.is_empty() => {
            let message = format!("every new run of {target} seems to be somebody else's");
            Err(ambiguous(message, look.doubtful.into_keys(), None))
        }
        (None, _) if !look.is_complete => Err(ambiguous(too_long(target), [], None)),
        (None, _) => Ok(Recovery::NotStarted),
    }
}

/// The shortest time between two looks.
const PAUSE: Duration = Duration::from_secs(1);

impl<'p, P: RunProvider + ?Sized> IntoFuture for Recover<'p, P> {
    type Output = Result<Recovery>;
    type IntoFuture = BoxFuture<'p, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.ask(self.provider.clock().now()).await })
    }
}
