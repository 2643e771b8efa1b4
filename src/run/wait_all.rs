//! Waiting for the ends of many runs at once.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};

use super::wait::{FIRST_LOOK, Settings, pause_setters};
use super::{Phase, RunProvider, RunRef, RunSnapshot, Target};
use crate::client::{CallOptions, Clock, draw};
use crate::error::{Error, ErrorKind, Result};
use crate::trace::{self, Span};

/// Runs that are asked for alone, at once.
const AT_ONCE: usize = 8;

/// A wait for the ends of many runs, made by [`RunProviderExt::wait_all`](super::RunProviderExt::wait_all).
///
/// It goes in rounds: all runs that go on are looked at, then it sleeps. Runs of one target are asked for together where
/// the vendor has a list; a single run, and what the list leaves out, is asked for alone. A thousand runs of one schedule
/// cost a few requests a round.
#[must_use = "a wait does nothing until its ends are asked for"]
pub struct WaitAll<'p, P: ?Sized> {
    provider: &'p P,
    runs: Vec<RunRef>,
    settings: Settings<'p>,
}

impl<P: ?Sized> fmt::Debug for WaitAll<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitAll")
            .field("runs", &self.runs.len())
            .field("every", &self.settings.pauses.every)
            .field("timeout", &self.settings.timeout)
            .finish_non_exhaustive()
    }
}

impl<'p, P: RunProvider + ?Sized> WaitAll<'p, P> {
    pub(super) fn new(provider: &'p P, runs: Vec<RunRef>) -> Self {
        Self { provider, runs, settings: Settings::default() }
    }

    pause_setters!();

    /// Each run once, in the order in which they end: its last snapshot, or the error that ended its wait, whose
    /// [`run`](Error::run) says which one. A run that was given twice ends once. Dropping the stream cancels nothing at
    /// the vendor.
    #[must_use]
    pub fn ends(self) -> BoxStream<'p, Result<RunSnapshot>> {
        let clock = self.provider.clock();
        let span = Span::wait_all(&self.provider.vendor(), self.runs.len());
        let going: BTreeMap<_, _> =
            self.runs.into_iter().map(|run| (run, Going::default())).collect();
        let round = Round {
            provider: self.provider,
            settings: self.settings,
            floor: self.provider.capabilities().poll_floor,
            begun: clock.now(),
            clock,
            rounds: 0,
            asked: Duration::ZERO,
            going,
            ended: VecDeque::new(),
        };
        Box::pin(stream::unfold((round, span), |(mut round, span)| async move {
            while round.ended.is_empty() && !round.going.is_empty() {
                span.around(round.look()).await;
            }
            round.ended.pop_front().map(|end| (end, (round, span)))
        }))
    }
}

/// What is known about a run that goes on.
#[derive(Default)]
struct Going {
    last: Option<RunSnapshot>,
    /// Looks that failed in a row.
    failed: u32,
}

/// All runs that go on, round after round.
struct Round<'p, P: ?Sized> {
    provider: &'p P,
    settings: Settings<'p>,
    floor: Duration,
    clock: Arc<dyn Clock>,
    begun: Instant,
    rounds: u32,
    /// The pause that the vendor asked for in the last round.
    asked: Duration,
    going: BTreeMap<RunRef, Going>,
    /// Those that ended in the last round and were not told yet.
    ended: VecDeque<Result<RunSnapshot>>,
}

impl<P: RunProvider + ?Sized> Round<'_, P> {
    fn left(&self) -> Duration {
        self.settings.timeout.saturating_sub(self.clock.now().saturating_duration_since(self.begun))
    }

    /// The pause that is due, then a look at every run.
    async fn look(&mut self) {
        if self.rounds > 0 {
            let pause = self.settings.pauses.after(self.rounds, self.floor, draw());
            self.clock.sleep(pause.max(self.asked).min(self.left())).await;
            if self.left().is_zero() {
                self.out_of_time();
                return;
            }
        }
        let left = self.left().max(if self.rounds == 0 { FIRST_LOOK } else { Duration::ZERO });
        self.rounds = self.rounds.saturating_add(1);
        self.asked = Duration::ZERO;
        let looks = self.looks(left).await;
        for (run, look) in looks {
            self.take(&run, look);
        }
        // Those that ended between two rounds, by the vendor's own times.
        self.ended.make_contiguous().sort_by_key(|end| end.as_ref().ok().map(|run| run.finished));
    }

    async fn looks(&mut self, left: Duration) -> Vec<(RunRef, Result<RunSnapshot>)> {
        let options = &CallOptions { left: Some(left), ..self.settings.options.clone() };
        let (provider, lists) = (self.provider, self.provider.capabilities().list);
        let mut looks = Vec::with_capacity(self.going.len());
        let mut alone = Vec::new();
        for (target, runs) in self.by_target() {
            let seen = match &*runs {
                [_, _, ..] if lists => provider.get_runs(&target, &runs, options).await,
                _ => Ok(Vec::new()),
            };
            match seen {
                Ok(seen) => {
                    let told = seen.into_iter().filter(|run| !lacks_its_reason(run));
                    let mut told: BTreeMap<_, _> = told.map(|run| (run.run.clone(), run)).collect();
                    for run in runs {
                        match told.remove(&run) {
                            Some(snapshot) => looks.push((run, Ok(snapshot))),
                            None => alone.push(run),
                        }
                    }
                }
                Err(error) if error.is_transient() => {
                    self.asked = self.asked.max(error.retry_after().unwrap_or_default());
                    let (kind, text) = (error.kind(), error.to_string());
                    let failed = |run| (run, Err(Error::new(kind, text.clone())));
                    looks.extend(runs.into_iter().map(failed));
                }
                // A list that is refused says nothing about the runs.
                Err(_) => alone.extend(runs),
            }
        }
        let asked = stream::iter(alone).map(|run| async move {
            let look = provider.get_run(&run, options).await;
            (run, look)
        });
        looks.extend(asked.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
        looks
    }

    fn by_target(&self) -> BTreeMap<Target, Vec<RunRef>> {
        let mut targets: BTreeMap<Target, Vec<RunRef>> = BTreeMap::new();
        for run in self.going.keys() {
            targets.entry(run.target().clone()).or_default().push(run.clone());
        }
        targets
    }

    fn take(&mut self, run: &RunRef, look: Result<RunSnapshot>) {
        let Some(going) = self.going.get_mut(run) else { return };
        let end = match look {
            Ok(snapshot) => {
                if let Some(told) = &mut self.settings.on_update {
                    told(&snapshot);
                }
                trace::looked(going.last.as_ref(), &snapshot);
                if !snapshot.phase.is_terminal() {
                    *going = Going { last: Some(snapshot), failed: 0 };
                    return;
                }
                Ok(snapshot)
            }
            Err(error) if error.is_transient() && going.failed < self.settings.tolerate => {
                going.failed += 1;
                trace::look_failed(&error, going.failed);
                self.asked = self.asked.max(error.retry_after().unwrap_or_default());
                return;
            }
            Err(error) => Err(about(run.clone(), going.last.take(), error)),
        };
        self.going.remove(run);
        self.ended.push_back(end);
    }

    fn out_of_time(&mut self) {
        let seconds = self.settings.timeout.as_secs();
        for (run, going) in std::mem::take(&mut self.going) {
            let message =
                format!("run {run} has not ended within {seconds} s; it goes on at the vendor");
            let error = Error::new(ErrorKind::WaitTimeout, message);
            self.ended.push_back(Err(about(run, going.last, error)));
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
