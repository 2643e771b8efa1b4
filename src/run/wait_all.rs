//! Waiting for the ends of many runs at once.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use futures_core::stream::{BoxStream, Stream};
use futures_util::future::{self, Either};
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt as _, stream};
use tracing::Instrument as _;

use super::due::Due;
use super::events::{Event, Wakes};
use super::model::{RunRef, RunSnapshot, Target};
use super::polls::{Awaited, FIRST_POLL, Settings, in_time, wait_setters};
use super::provider::RunProvider;
use super::trace;
use super::wait::fetch;
use crate::client::{CallLimits, CallOptions, Clock, after, draw, within};
use crate::error::{Error, Result};

/// Targets that are polled at the same time: half of the requests that a client has in flight by default, so that beside one wait the
/// caller's own calls find a place while slow polls stand still between two ends.
const CONCURRENT_POLLS: usize = 32;

/// Rounds of runs that have intervals of their own begin at least so far apart, also where the vendor sets no shortest interval.
const SHORTEST_ROUND: Duration = Duration::from_millis(100);

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
    joining: Option<Joining<'p>>,
    settings: Settings<'p>,
}

/// Runs that join later.
type Joining<'p> = BoxStream<'p, RunRef>;

impl<P: ?Sized> fmt::Debug for WaitAll<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitAll")
            .field("runs", &self.runs.len())
            .field("joining", &self.joining.is_some())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl<'p, P: RunProvider + ?Sized> WaitAll<'p, P> {
    pub(super) fn new(provider: &'p P, runs: Vec<RunRef>) -> Self {
        Self { provider, runs, joining: None, settings: Settings::default() }
    }

    wait_setters!();

    /// Waits for these runs as well, from the moment when each comes out of the stream: give it the receiving end of a channel. A run
    /// is polled when it joins, as soon as its target is not being polled and its server asks for no pause, and its limits count from
    /// then. A run that is awaited already goes on as it was; one that has ended and joins again is returned again. The wait ends when
    /// the stream has ended and all runs have.
    ///
    /// ```
    /// use futures_util::{StreamExt, stream};
    /// use scheduled_runs::testing::FakeProvider;
    /// use scheduled_runs::{Phase, RunProviderExt};
    /// use tokio::sync::mpsc;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> scheduled_runs::Result<()> {
    /// let provider = FakeProvider::new();
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// let joining = stream::poll_fn(move |context| receiver.poll_recv(context));
    /// let mut ends = provider.wait_all([]).joined_by(joining).forever().ends();
    ///
    /// sender.send(provider.trigger(&provider.target("nightly")).await?).unwrap();
    /// assert_eq!(ends.next().await.unwrap()?.phase, Phase::Succeeded);
    /// drop(sender);
    /// assert!(ends.next().await.is_none());
    /// # Ok(()) }
    /// ```
    pub fn joined_by(mut self, runs: impl Stream<Item = RunRef> + Send + 'p) -> Self {
        self.joining = Some(runs.boxed());
        self
    }

    /// Each run once, in the order in which they end: its last snapshot, or the error that ended its wait, whose
    /// [`run`](Error::run) says which one. A run that was given twice is returned once. Dropping the stream cancels nothing at the
    /// vendor.
    ///
    /// Nothing is polled while the stream is not. Up to 32 requests that are under way then keep their places among those that the client
    /// has [in flight](crate::client::Limits::in_flight), by default 64: take the ends of several waits in tasks of their own, or allow
    /// more.
    #[must_use]
    pub fn ends(self) -> BoxStream<'p, Result<RunSnapshot>> {
        let clock = self.provider.clock();
        let span = trace::wait_all_span(&self.provider.vendor(), self.runs.len());
        let now = clock.now();
        let pending = self.runs.into_iter().map(|run| {
            let awaited = Awaited::new(&run, false, now);
            (run, awaited)
        });
        let round = Round {
            provider: self.provider,
            settings: self.settings,
            floor: self.provider.capabilities().poll_floor,
            next: now,
            clock,
            rounds: 0,
            due: Due::default(),
            is_interrupted: false,
            pending: pending.collect(),
            joining: self.joining,
            polls: FuturesUnordered::new(),
            ended: VecDeque::new(),
        };
        Box::pin(stream::unfold((round, span), |(mut round, span)| async move {
            while round.ended.is_empty() && !(round.pending.is_empty() && round.joining.is_none()) {
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
    rounds: u32,
    /// When the next round begins.
    next: Instant,
    due: Due,
    /// The round is not over: it was left to return an end.
    is_interrupted: bool,
    pending: BTreeMap<RunRef, Awaited>,
    /// Runs that join later.
    joining: Option<Joining<'p>>,
    /// The polls that are under way, one for each target.
    polls: FuturesUnordered<BoxFuture<'p, (Target, Polled)>>,
    /// Runs that ended in the last round and were not returned yet.
    ended: VecDeque<Result<RunSnapshot>>,
}

/// What a wait hears of while it sleeps or polls.
enum Heard {
    Joined(RunRef),
    NoneJoins,
    Event(Event),
}

async fn heard(joining: &mut Option<Joining<'_>>, wakes: &mut Wakes<'_>) -> Heard {
    let joined = async {
        match joining {
            Some(joining) => joining.next().await.map_or(Heard::NoneJoins, Heard::Joined),
            None => future::pending().await,
        }
    };
    let event = async { Heard::Event(wakes.next().await) };
    future::select(pin!(joined), pin!(event)).await.factor_first().0
}

/// What a poll of a target's runs brought. A run for which there was no time left, or whose server asked for a pause, is missing.
type Polled = Vec<(RunRef, Result<RunSnapshot>)>;

impl<P: RunProvider + ?Sized> Round<'_, P> {
    /// Sleeps until the next round and polls every run that is due, or goes on with the round that an end has interrupted. A run that
    /// joins meanwhile, or that an event concerns, is polled at once.
    async fn poll(&mut self) {
        if self.pending.is_empty() {
            self.sleep(None).await;
        } else if self.rounds > 0
            && self.polls.is_empty()
            && !self.due.is_any_free(self.clock.now())
        {
            let pause = self.next_poll().saturating_duration_since(self.clock.now());
            self.sleep(Some(pause.min(self.first_left()))).await;
        }
        self.end_those_out_of_time();
        if !self.ended.is_empty() {
            return;
        }
        // Runs that join, events and runs that end before the next round do not begin it. A round that is not over goes on: otherwise
        // the last of very many targets would never be polled.
        let is_time = self.clock.now() >= self.next;
        if !std::mem::take(&mut self.is_interrupted) && self.due.is_round_over() && is_time {
            self.begin_round();
        }
        // Slow polls hold up the others for one interval at most. It is real time, as that of all requests.
        let interval = self.next.saturating_duration_since(self.clock.now()).max(FIRST_POLL);
        let left = self.first_left();
        if within(|| interval.min(left), self.poll_due()).await.is_none() && interval <= left {
            // The next round is due, whatever the clock says.
            self.next = self.next.min(self.clock.now());
        }
        // Runs that ended between two rounds are ordered by the vendor's own times.
        self.ended.make_contiguous().sort_by_key(|end| end.as_ref().ok().map(|run| run.finished));
    }

    /// When a run is to be polled next, if nothing happens before.
    fn next_poll(&self) -> Instant {
        let due = self.pending.values().map(|run| run.rests_until().unwrap_or(self.next)).min();
        let round = due.map_or(self.next, |due| due.max(self.next));
        // Runs that have joined wait for the end of a pause that their server asks for, not for the next round.
        self.due.held_until().map_or(round, |held| held.min(round))
    }

    fn begin_round(&mut self) {
        self.schedule_next();
        let now = self.clock.now();
        self.due.release(now);
        for (run, awaited) in &mut self.pending {
            if awaited.is_due(now) && self.due.is_free(run.target(), now) {
                // An event that came just before the round has had it polled.
                if awaited.take_woken() && !awaited.rest(self.floor, now).is_zero() {
                    continue;
                }
                self.due.add(run);
            }
        }
        if self.provider.capabilities().list {
            // The list that one run needs shows the others as well.
            for (run, awaited) in &self.pending {
                if awaited.failed_in_a_row() == 0 {
                    self.due.add_to_its_target(run);
                }
            }
        }
        self.due.bring_fresh_along();
    }

    fn schedule_next(&mut self) {
        self.rounds = self.rounds.saturating_add(1);
        let interval = if self.settings.histories.is_empty() {
            self.settings.intervals.after(self.rounds, self.floor, draw())
        } else {
            // Each run has an interval of its own.
            self.floor.max(SHORTEST_ROUND)
        };
        self.next = after(self.clock.now(), interval);
    }

    /// What is left of the wait that has the least left.
    fn first_left(&self) -> Duration {
        let now = self.clock.now();
        let left = self.pending.values().map(|run| run.left(self.settings.timeout, now));
        left.min().unwrap_or_default()
    }

    /// Sleeps, without a limit if there is no pause, until a run joins or an event concerns one.
    async fn sleep(&mut self, pause: Option<Duration>) {
        let clock = Arc::clone(&self.clock);
        let mut sleep = pin!(async move {
            match pause {
                Some(pause) => clock.sleep(pause).await,
                None => future::pending().await,
            }
        });
        while pause.is_some() || self.joining.is_some() {
            let heard = {
                let heard = pin!(heard(&mut self.joining, &mut self.settings.wakes));
                match future::select(sleep.as_mut(), heard).await {
                    Either::Left(_) => return,
                    Either::Right((heard, _)) => heard,
                }
            };
            if self.hear(heard) {
                return;
            }
        }
    }

    /// Whether there is something to poll now.
    fn hear(&mut self, heard: Heard) -> bool {
        match heard {
            Heard::Joined(run) => {
                self.join(&run);
                true
            }
            Heard::NoneJoins => {
                self.joining = None;
                false
            }
            Heard::Event(event) => self.wake(&event),
        }
    }

    /// Polls the runs that an event concerns soon. Whether there are any that were not to be polled soon anyway.
    fn wake(&mut self, event: &Event) -> bool {
        let now = self.clock.now();
        let mut is_any = false;
        for (run, awaited) in self.pending.iter_mut().filter(|(run, _)| event.concerns(run)) {
            awaited.wake();
            is_any |= self.due.add_fresh(run);
            self.due.hold(run.target(), after(now, awaited.rest(self.floor, now)));
        }
        is_any
    }

    fn join(&mut self, run: &RunRef) {
        if self.pending.is_empty() {
            self.schedule_next();
        }
        let now = self.clock.now();
        // A run that is awaited already goes on as it was.
        if let Entry::Vacant(place) = self.pending.entry(run.clone()) {
            place.insert(Awaited::new(run, false, now));
            self.due.add_fresh(run);
        }
    }

    /// Polls all targets that are due, and takes in what the polls bring, also those of earlier rounds.
    async fn poll_due(&mut self) {
        loop {
            while self.polls.len() < CONCURRENT_POLLS {
                let now = self.clock.now();
                let Some((target, runs)) = self.due.next(now) else { break };
                let awaited = runs.iter().filter_map(|run| self.pending.get(run));
                let left = awaited.map(|run| run.left(self.settings.timeout, now)).max();
                // They end before they can be polled.
                let Some(left) = left.filter(|left| !left.is_zero()) else { continue };
                self.due.begin_poll(target.clone());
                let floor = self.provider.capabilities_of(&target).poll_floor;
                if floor > self.floor {
                    self.due.hold(&target, after(now, floor));
                }
                let options = self.settings.options.clone();
                let (provider, clock, until) =
                    (self.provider, Arc::clone(&self.clock), after(now, left));
                let last = |run: &RunRef| self.pending.get(run).and_then(Awaited::last).cloned();
                let mut runs: Known = runs.into_iter().map(|run| (last(&run), run)).collect();
                // Otherwise a server that asks for a pause each round keeps the last ones from ever being polled.
                runs.sort_by_key(|(_, run)| self.pending.get(run).and_then(Awaited::polled_at));
                self.polls.push(Box::pin(async move {
                    let polled =
                        poll_target(provider, &target, runs, options, &*clock, until).await;
                    (target, polled)
                }));
            }
            // Who waits for an end shall have it soon. Others that end at the same time come with it, in their order.
            let patience = if self.ended.is_empty() { Duration::MAX } else { FIRST_POLL };
            let next = {
                let heard = pin!(heard(&mut self.joining, &mut self.settings.wakes));
                let next = future::select(self.polls.next(), heard);
                match within(|| patience, next).await {
                    Some(Either::Left((Some(polled), _))) => Either::Left(polled),
                    Some(Either::Left((None, _))) => return,
                    Some(Either::Right((heard, _))) => Either::Right(heard),
                    None => {
                        self.is_interrupted = true;
                        return;
                    }
                }
            };
            match next {
                Either::Left((target, polled)) => {
                    self.due.end_poll(&target);
                    let is_batch = polled.len() > 1;
                    for (run, polled) in polled {
                        self.take_in(&run, polled, is_batch);
                    }
                }
                Either::Right(heard) => {
                    self.hear(heard);
                    // Runs that keep joining, and events, hold up neither an end nor the next round.
                    if !self.ended.is_empty() {
                        self.is_interrupted = true;
                        return;
                    }
                    if self.due.is_round_over() && self.clock.now() >= self.next {
                        return;
                    }
                }
            }
        }
    }

    fn take_in(&mut self, run: &RunRef, polled: Result<RunSnapshot>, is_batch: bool) {
        let Some(awaited) = self.pending.get_mut(run) else { return };
        let now = self.clock.now();
        let pause = polled.as_ref().err().and_then(Error::server_pause);
        let taken = awaited.take_in(polled, now, &mut self.settings);
        let outage = self.settings.outage(awaited.failed_in_a_row(), self.floor);
        awaited.rest_until(if self.settings.histories.is_empty() {
            // An outage of one run is none of the others. The pause counts from this round, not from the end of the poll.
            let interval = self.settings.intervals.every.max(self.floor);
            outage.map(|pause| after(self.next, pause.saturating_sub(interval)))
        } else {
            // The ends of many runs are always near: a list is not read more often than without a history.
            let least = if is_batch { self.settings.intervals.every } else { self.floor };
            let interval = self.settings.interval(run, awaited, now, self.floor).max(least);
            Some(after(now, interval.max(outage.unwrap_or_default())))
        });
        if let Some(pause) = pause {
            self.due.hold(run.target(), after(now, pause));
        }
        // An event came while the run was being polled.
        if self.due.is_fresh(run) {
            self.due.hold(run.target(), after(now, self.floor));
        }
        match taken {
            Some(Ok(snapshot)) if snapshot.phase.is_terminal() => self.end(run, Ok(snapshot)),
            Some(Err(error)) => {
                let error = awaited.about_the_run(run, error);
                self.end(run, Err(error));
            }
            Some(Ok(_)) | None => {}
        }
    }

    /// The wait for a run has ended.
    fn end(&mut self, run: &RunRef, end: Result<RunSnapshot>) {
        self.due.remove_fresh(run);
        if let Some(awaited) = self.pending.remove(run) {
            awaited.report_end(run, end.as_ref().err(), self.clock.now(), &mut self.settings);
            self.ended.push_back(end);
        }
    }

    fn end_those_out_of_time(&mut self) {
        let (now, limit) = (self.clock.now(), self.settings.timeout);
        let is_over = |awaited: &Awaited| awaited.left(limit, now).is_zero();
        let over = self.pending.iter_mut().filter(|(_, awaited)| is_over(awaited));
        let over: Vec<_> = over
            .map(|(run, awaited)| (run.clone(), awaited.out_of_time(run, limit, None)))
            .collect();
        for (run, error) in over {
            self.end(&run, Err(error));
        }
        if self.pending.is_empty() {
            self.polls.clear();
            self.due.end_polls();
        }
    }
}

/// Runs, with what is known of those that were fetched before.
type Known = Vec<(Option<RunSnapshot>, RunRef)>;

/// Fetches the runs of one target: together, and alone those that the list leaves out. No request begins after `until`.
async fn poll_target<P: RunProvider + ?Sized>(
    provider: &P,
    target: &Target,
    runs: Known,
    options: CallOptions,
    clock: &dyn Clock,
    until: Instant,
) -> Polled {
    let left = || until.saturating_duration_since(clock.now());
    let limits = || CallLimits::from(options.clone()).time_left(left());
    let mut polled = Polled::with_capacity(runs.len());
    let mut alone = runs;
    if alone.len() > 1 && provider.capabilities_of(target).list {
        let listed = in_time(left(), fetch_together(provider, target, &alone, &limits())).await;
        match listed {
            Ok(listed) => {
                let mut listed: BTreeMap<_, _> =
                    listed.into_iter().map(|run| (run.run.clone(), run)).collect();
                alone.retain_mut(|(last, run)| match listed.remove(run) {
                    // It is fetched alone for its reason.
                    Some(failed) if failed.lacks_its_reason() => {
                        *last = Some(failed);
                        true
                    }
                    Some(snapshot) => {
                        polled.push((run.clone(), Ok(snapshot)));
                        false
                    }
                    None => true,
                });
            }
            Err(error) if error.is_transient() || error.is_renewable() => {
                return alone.into_iter().map(|(_, run)| (run, Err(error.clone()))).collect();
            }
            // A list that is refused says nothing about the runs.
            Err(_) => {}
        }
    }
    // The server asked for a pause: the rest has time until the next round.
    let is_held = AtomicBool::new(false);
    let (left, limits, is_held) = (&left, &limits, &is_held);
    let fetched = stream::iter(alone).map(|(last, run)| async move {
        let left = left();
        if left.is_zero() || is_held.load(Ordering::Relaxed) {
            return None;
        }
        let snapshot = in_time(left, fetch(provider, &run, last.as_ref(), &limits())).await;
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

/// Fetches runs of one target with as few requests as the vendor allows: from what is known of them, if all were fetched before.
async fn fetch_together<P: RunProvider + ?Sized>(
    provider: &P,
    target: &Target,
    runs: &Known,
    limits: &CallLimits,
) -> Result<Vec<RunSnapshot>> {
    let last: Vec<_> = runs.iter().filter_map(|(last, _)| last.clone()).collect();
    if last.len() == runs.len() {
        return provider.fetch_runs_again(target, &last, limits).await;
    }
    let runs: Vec<_> = runs.iter().map(|(_, run)| run.clone()).collect();
    provider.fetch_runs(target, &runs, limits).await
}
