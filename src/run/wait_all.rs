//! Waiting for the ends of many runs at once.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use tracing::Instrument as _;

use super::model::{Phase, RunRef, RunSnapshot, Target};
use super::provider::RunProvider;
use super::trace;
use super::wait::{FIRST_POLL, Settings, wait_setters};
use crate::client::{CallLimits, CallOptions, Clock, draw};
use crate::error::{Error, ErrorKind, Result};

/// Runs that are fetched alone, at the same time.
const CONCURRENT_POLLS: usize = 8;

/// A wait for the ends of many runs, made by [`RunProviderExt::wait_all`](super::RunProviderExt::wait_all).
///
/// It works in rounds: it polls all runs that have not ended, then it sleeps. Runs of one target are fetched together if the
/// vendor has a list; a single run, and a run that the list leaves out, is fetched alone. A thousand runs of one schedule cost a
/// few requests a round.
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
            .field("every", &self.settings.intervals.every)
            .field("timeout", &self.settings.timeout)
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
        let pending: BTreeMap<_, _> =
            self.runs.into_iter().map(|run| (run, Pending::default())).collect();
        let round = Round {
            provider: self.provider,
            settings: self.settings,
            floor: self.provider.capabilities().poll_floor,
            begun: clock.now(),
            clock,
            rounds: 0,
            asked: Duration::ZERO,
            pending,
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

/// What is known about a run that has not ended.
#[derive(Default)]
struct Pending {
    last: Option<RunSnapshot>,
    /// Polls that failed in a row.
    failed: u32,
}

/// All runs that have not ended, round after round.
struct Round<'p, P: ?Sized> {
    provider: &'p P,
    settings: Settings<'p>,
    floor: Duration,
    clock: Arc<dyn Clock>,
    begun: Instant,
    rounds: u32,
    /// The pause that the vendor asked for in the last round.
    asked: Duration,
    pending: BTreeMap<RunRef, Pending>,
    /// Runs that ended in the last round and were not returned yet.
    ended: VecDeque<Result<RunSnapshot>>,
}

impl<P: RunProvider + ?Sized> Round<'_, P> {
    fn left(&self) -> Duration {
        self.settings.timeout.saturating_sub(self.clock.now().saturating_duration_since(self.begun))
    }

    /// Sleeps for the interval that is due, then polls every run.
    async fn poll(&mut self) {
        if self.rounds > 0 {
            let interval = self.settings.intervals.after(self.rounds, self.floor, draw());
            self.clock.sleep(interval.max(self.asked).min(self.left())).await;
            if self.left().is_zero() {
                self.out_of_time();
                return;
            }
        }
        let left = self.left().max(if self.rounds == 0 { FIRST_POLL } else { Duration::ZERO });
        self.rounds = self.rounds.saturating_add(1);
        self.asked = Duration::ZERO;
        for (run, polled) in self.poll_all(left).await {
            self.take_in(&run, polled);
        }
        // Runs that ended between two rounds are ordered by the vendor's own times.
        self.ended.make_contiguous().sort_by_key(|end| end.as_ref().ok().map(|run| run.finished));
    }

    async fn poll_all(&mut self, left: Duration) -> Vec<(RunRef, Result<RunSnapshot>)> {
        let limits = &CallLimits::from(self.settings.options.clone()).time_left(left);
        let (provider, lists) = (self.provider, self.provider.capabilities().list);
        let mut polled = Vec::with_capacity(self.pending.len());
        let mut alone = Vec::new();
        for (target, runs) in self.by_target() {
            let listed = match &*runs {
                [_, _, ..] if lists => provider.fetch_runs(&target, &runs, limits).await,
                _ => Ok(Vec::new()),
            };
            match listed {
                Ok(listed) => {
                    let listed = listed.into_iter().filter(|run| !lacks_its_reason(run));
                    let mut listed: BTreeMap<_, _> =
                        listed.map(|run| (run.run.clone(), run)).collect();
                    for run in runs {
                        match listed.remove(&run) {
                            Some(snapshot) => polled.push((run, Ok(snapshot))),
                            None => alone.push(run),
                        }
                    }
                }
                Err(error) if error.is_transient() => {
                    self.asked = self.asked.max(error.retry_after().unwrap_or_default());
                    let (kind, text) = (error.kind(), error.to_string());
                    let failed = |run| (run, Err(Error::new(kind, text.clone())));
                    polled.extend(runs.into_iter().map(failed));
                }
                // A list that is refused says nothing about the runs.
                Err(_) => alone.extend(runs),
            }
        }
        let fetched = stream::iter(alone).map(|run| async move {
            let snapshot = provider.fetch_run(&run, limits).await;
            (run, snapshot)
        });
        polled.extend(fetched.buffer_unordered(CONCURRENT_POLLS).collect::<Vec<_>>().await);
        polled
    }

    fn by_target(&self) -> BTreeMap<Target, Vec<RunRef>> {
        let mut targets: BTreeMap<Target, Vec<RunRef>> = BTreeMap::new();
        for run in self.pending.keys() {
            targets.entry(run.target().clone()).or_default().push(run.clone());
        }
        targets
    }

    fn take_in(&mut self, run: &RunRef, polled: Result<RunSnapshot>) {
        let Some(pending) = self.pending.get_mut(run) else { return };
        let end = match polled {
            Ok(snapshot) => {
                if let Some(report) = &mut self.settings.on_update {
                    report(&snapshot);
                }
                trace::polled(pending.last.as_ref(), &snapshot);
                if !snapshot.phase.is_terminal() {
                    *pending = Pending { last: Some(snapshot), failed: 0 };
                    return;
                }
                Ok(snapshot)
            }
            Err(error) if error.is_transient() && pending.failed < self.settings.tolerate => {
                pending.failed += 1;
                trace::poll_failed(&error, pending.failed);
                self.asked = self.asked.max(error.retry_after().unwrap_or_default());
                return;
            }
            Err(error) => Err(about(run.clone(), pending.last.take(), error)),
        };
        self.pending.remove(run);
        self.ended.push_back(end);
    }

    fn out_of_time(&mut self) {
        let seconds = self.settings.timeout.as_secs();
        for (run, pending) in std::mem::take(&mut self.pending) {
            let message = format!(
                "run {run} has not ended within {seconds} s; it is still running at the vendor"
            );
            let error = Error::new(ErrorKind::WaitTimeout, message);
            self.ended.push_back(Err(about(run, pending.last, error)));
        }
    }
}

/// Lists leave the reason of a failed run out.
fn lacks_its_reason(run: &RunSnapshot) -> bool {
    run.phase == Phase::Failed && run.failure.is_none()
}

fn about(run: RunRef, last: Option<RunSnapshot>, error: Error) -> Error {
    match last {
        Some(last) => error.with_snapshot(last),
        None => error.with_run(run),
    }
}
