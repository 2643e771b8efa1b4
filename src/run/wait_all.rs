//! Waiting for the ends of many runs at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt as _, stream};
use tracing::Instrument as _;

use super::model::{Phase, RunRef, RunSnapshot, Target};
use super::polls::{Awaited, FIRST_POLL, STILL_RUNNING, Settings, in_time, wait_setters};
use super::provider::RunProvider;
use super::trace;
use crate::client::{CallLimits, CallOptions, Clock, after, draw, within};
use crate::error::{Error, Result};

/// Targets that are polled at the same time: half of the requests that a client has in flight by default, so that the caller's own
/// calls find a place while slow polls stand still between two ends.
const CONCURRENT_POLLS: usize = 32;

/// Runs of one target that are fetched alone at the same time.
const CONCURRENT_POLLS_OF_A_TARGET: usize = 8;

/// A wait for the ends of many runs, made by [`RunProviderExt::wait_all`](super::RunProviderExt::wait_all).
///
/// It works in rounds: it polls all runs that have not ended, side by side, then it sleeps. Runs of one target are fetched
/// together if the vendor has a list; a single run, and a run that the list leaves out, is fetched alone. A thousand runs of one
/// schedule cost a few requests a round. A target that responds slowly, or whose server asks for a pause, delays only its own runs.
#[must_use = "a wait does nothing until its ends are polled"]
pub struct WaitAll<'p, P: ?Sized> {
    provider: &'p P,
    runs: Vec<RunRef>,
    settings: Settings<'p>,
}

impl<P: ?Sized> fmt::Debug for WaitAll<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitAll")
            .field("runs", &self.runs.len())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl<'p, P: RunProvider + ?Sized> WaitAll<'p, P> {
    pub(super) fn new(provider: &'p P, runs: Vec<RunRef>) -> Self {
        Self { provider, runs, settings: Settings::default() }
    }

    wait_setters!();

    /// Each run once, in the order in which they end: its last snapshot, or the error that ended its wait, whose
    /// [`run`](Error::run) says which one. A run that was given twice is returned once. Dropping the stream cancels nothing at the
    /// vendor.
    #[must_use]
    pub fn ends(self) -> BoxStream<'p, Result<RunSnapshot>> {
        let clock = self.provider.clock();
        let span = trace::wait_all_span(&self.provider.vendor(), self.runs.len());
        let pending = self.runs.into_iter().map(|run| {
            let awaited = Awaited::new(&run, false);
            (run, awaited)
        });
        let begun = clock.now();
        let round = Round {
            provider: self.provider,
            settings: self.settings,
            floor: self.provider.capabilities().poll_floor,
            begun,
            clock,
            rounds: 0,
            until: begun,
            due: BTreeMap::new(),
            is_interrupted: false,
            pending: pending.collect(),
            polls: FuturesUnordered::new(),
            busy: BTreeSet::new(),
            held: BTreeMap::new(),
            ended: VecDeque::new(),
        };
        Box::pin(stream::unfold((round, span), |(mut round, span)| async move {
            while round.ended.is_empty() && !round.pending.is_empty() {
                round.poll().instrument(span.clone()).await;
            }
            round.ended.pop_front().map(|end| (end, (round, span)))
        }))
    }
}

/// All runs that have not ended, round after round.
struct Round<'p, P: ?Sized> {
    provider: &'p P,
    settings: Settings<'p>,
    floor: Duration,
    clock: Arc<dyn Clock>,
    begun: Instant,
    rounds: u32,
    /// No request of this round begins later.
    until: Instant,
    /// The targets that are still to be polled in this round.
    due: BTreeMap<Target, Vec<RunRef>>,
    /// The round is not over: it was left to return an end.
    is_interrupted: bool,
    pending: BTreeMap<RunRef, Awaited>,
    /// The polls that are under way, one for each target.
    polls: FuturesUnordered<BoxFuture<'p, (Target, Polled)>>,
    busy: BTreeSet<Target>,
    /// Targets that are not polled before this time: their server asked for a pause.
    held: BTreeMap<Target, Instant>,
    /// Runs that ended in the last round and were not returned yet.
    ended: VecDeque<Result<RunSnapshot>>,
}

/// What a poll of a target's runs brought. A run for which there was no time left, or whose server asked for a pause, is missing.
type Polled = Vec<(RunRef, Result<RunSnapshot>)>;

impl<P: RunProvider + ?Sized> Round<'_, P> {
    fn left(&self) -> Duration {
        self.settings.timeout.saturating_sub(self.clock.now().saturating_duration_since(self.begun))
    }

    /// Sleeps for the interval that is due and polls every run, or goes on with the round that an end has interrupted.
    async fn poll(&mut self) {
        let interval = self.settings.intervals.after(self.rounds, self.floor, draw());
        if self.rounds > 0 {
            // Polls that are still under way have taken the whole interval.
            if self.polls.is_empty() {
                self.clock.sleep(interval.min(self.left())).await;
            }
            if self.left().is_zero() {
                self.out_of_time();
                return;
            }
        }
        let left = self.left().max(if self.rounds == 0 { FIRST_POLL } else { Duration::ZERO });
        // A round that is not over goes on: otherwise the last of very many targets would never be polled.
        if !std::mem::take(&mut self.is_interrupted) && self.due.is_empty() {
            let now = self.clock.now();
            self.until = after(now, left);
            self.rounds = self.rounds.saturating_add(1);
            self.held.retain(|_, until| *until > now);
            self.due = self.due();
        }
        // Slow polls hold up the others for one interval at most. It is real time, as that of all requests.
        let patience = interval.max(FIRST_POLL).min(left);
        let _ = within(patience, self.poll_due()).await;
        // Runs that ended between two rounds are ordered by the vendor's own times.
        self.ended.make_contiguous().sort_by_key(|end| end.as_ref().ok().map(|run| run.finished));
    }

    /// Polls all targets that are due, and takes in what the polls bring, also those of earlier rounds.
    async fn poll_due(&mut self) {
        loop {
            while self.polls.len() < CONCURRENT_POLLS
                && self.clock.now() < self.until
                && let Some((target, runs)) = self.due.pop_first()
            {
                self.busy.insert(target.clone());
                let options = self.settings.options.clone();
                let (provider, clock, until) = (self.provider, Arc::clone(&self.clock), self.until);
                self.polls.push(Box::pin(async move {
                    let polled =
                        poll_target(provider, &target, runs, options, &*clock, until).await;
                    (target, polled)
                }));
            }
            // Who waits for an end shall have it soon. Others that end at the same time come with it, in their order.
            let patience = if self.ended.is_empty() { Duration::MAX } else { FIRST_POLL };
            let Some(polled) = within(patience, self.polls.next()).await else {
                self.is_interrupted = true;
                return;
            };
            let Some((target, polled)) = polled else { return };
            self.busy.remove(&target);
            for (run, polled) in polled {
                self.take_in(&run, polled);
            }
        }
    }

    /// The targets to poll in this round, each with its runs.
    fn due(&self) -> BTreeMap<Target, Vec<RunRef>> {
        let mut due: BTreeMap<Target, Vec<RunRef>> = BTreeMap::new();
        for run in self.pending.keys() {
            let target = run.target();
            if !self.busy.contains(target) && !self.held.contains_key(target) {
                due.entry(target.clone()).or_default().push(run.clone());
            }
        }
        due
    }

    fn take_in(&mut self, run: &RunRef, polled: Result<RunSnapshot>) {
        let Some(awaited) = self.pending.get_mut(run) else { return };
        let now = self.clock.now();
        if let Some(pause) = polled.as_ref().err().and_then(Error::server_pause) {
            let until = self.held.entry(run.target().clone()).or_insert(now);
            *until = after(now, pause).max(*until);
        }
        let end = match awaited.take_in(polled, self.begun, now, &mut self.settings) {
            Some(Ok(snapshot)) if snapshot.phase.is_terminal() => Ok(snapshot),
            Some(Err(error)) => Err(awaited.about_the_run(run, error)),
            Some(Ok(_)) | None => return,
        };
        self.pending.remove(run);
        self.ended.push_back(end);
    }

    fn out_of_time(&mut self) {
        self.polls.clear();
        for (run, mut awaited) in std::mem::take(&mut self.pending) {
            let error = awaited.out_of_time(&run, self.settings.timeout, STILL_RUNNING);
            self.ended.push_back(Err(error));
        }
    }
}

/// Fetches the runs of one target: together, and alone those that the list leaves out. No request begins after `until`.
async fn poll_target<P: RunProvider + ?Sized>(
    provider: &P,
    target: &Target,
    runs: Vec<RunRef>,
    options: CallOptions,
    clock: &dyn Clock,
    until: Instant,
) -> Polled {
    let left = || until.saturating_duration_since(clock.now());
    let limits = || CallLimits::from(options.clone()).time_left(left());
    let mut polled = Polled::with_capacity(runs.len());
    let mut alone = runs;
    if alone.len() > 1 && provider.capabilities().list {
        let listed = in_time(left(), provider.fetch_runs(target, &alone, &limits())).await;
        match listed {
            Ok(listed) => {
                let listed = listed.into_iter().filter(|run| !lacks_its_reason(run));
                let mut listed: BTreeMap<_, _> = listed.map(|run| (run.run.clone(), run)).collect();
                alone.retain(|run| match listed.remove(run) {
                    Some(snapshot) => {
                        polled.push((run.clone(), Ok(snapshot)));
                        false
                    }
                    None => true,
                });
            }
            Err(error) if error.is_transient() || error.is_renewable() => {
                return alone.into_iter().map(|run| (run, Err(error.clone()))).collect();
            }
            // A list that is refused says nothing about the runs.
            Err(_) => {}
        }
    }
    // The server asked for a pause: the rest has time until the next round.
    let is_held = AtomicBool::new(false);
    let fetched = stream::iter(alone).map(|run| async {
        let left = left();
        if left.is_zero() || is_held.load(Ordering::Relaxed) {
            return None;
        }
        let snapshot = in_time(left, provider.fetch_run(&run, &limits())).await;
        let pause = snapshot.as_ref().err().and_then(Error::server_pause);
        is_held.fetch_or(pause.is_some_and(|pause| !pause.is_zero()), Ordering::Relaxed);
        Some((run, snapshot))
    });
    let mut fetched = fetched.buffer_unordered(CONCURRENT_POLLS_OF_A_TARGET);
    while let Some(fetched) = fetched.next().await {
        polled.extend(fetched);
    }
    polled
}

/// Lists leave the reason of a failed run out.
fn lacks_its_reason(run: &RunSnapshot) -> bool {
    run.phase == Phase::Failed && run.failure.is_none()
}
