//! How long the last runs of a target took, and when to poll the next one because of it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::model::{Phase, RunSnapshot, Target};
use crate::wire::model;

/// Durations that are kept at most.
pub(super) const MOST: usize = 20;

/// Fewer durations say too little about the next one.
const FEWEST: usize = 5;

/// Longer durations, and those of zero, are not believed.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// The least spread of the durations, as a scale of their logarithms: equal durations do not promise that the next one is equal.
const LEAST_SPREAD: f64 = 0.03;

/// How wide each duration is smoothed, in distances to its neighbours. It and the next two constants are the best ones of simulations:
/// `cargo bench --bench waits`.
const SMOOTHING: f64 = 0.75;

/// The part of runs that differ from the last ones, because something has changed: the data, the query, the load.
const OTHERS: f64 = 0.1;

/// The spread of these runs around the middle of the last ones.
const SPREAD_OF_OTHERS: f64 = 0.35;

model! {
    /// How long the last successful runs of a target took, for [`Wait::paced_by`](super::Wait::paced_by). A serde value: keep it, and
    /// [record](Self::record) each run that ends, instead of fetching it before every wait.
    ///
    /// [`RunProviderExt::history`](super::RunProviderExt::history) fetches it. It keeps the last 20 durations; with fewer than 5 it paces
    /// nothing, and waits poll at their fixed interval; durations of zero or of more than 30 days do not count.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use scheduled_runs::run::History;
    /// use scheduled_runs::{Target, Vendor};
    ///
    /// let took = [590, 610, 600, 605, 620].map(Duration::from_secs);
    /// let history = History::new(Target::new(Vendor::new("acme"), "nightly"), took);
    ///
    /// let (every, floor) = (Duration::from_secs(5), Duration::from_secs(1));
    /// let ceiling = Duration::from_secs(60);
    /// let interval = |elapsed| {
    ///     history.interval_after(Duration::from_secs(elapsed), every, floor, ceiling)
    /// };
    /// assert!(interval(60) > 10 * every, "it never ended that soon");
    /// assert!(interval(600) < every / 2, "it ends about now");
    /// assert!(interval(3600) > every, "it takes longer than ever");
    /// ```
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct History {
        target: Target,
        /// Oldest first.
        durations_ms: Vec<u64>,
    }
}

impl History {
    /// These durations of successful runs of the target, newest first, as lists are.
    #[must_use]
    pub fn new(target: Target, durations: impl IntoIterator<Item = Duration>) -> Self {
        let mut history = Self { target, durations_ms: Vec::new() };
        let durations: Vec<_> = durations.into_iter().take(MOST).collect();
        durations.into_iter().rev().for_each(|duration| history.add(duration));
        history
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The durations, newest first, to the millisecond.
    pub fn durations(&self) -> impl Iterator<Item = Duration> + '_ {
        self.durations_ms.iter().rev().copied().map(Duration::from_millis)
    }

    /// Adds a run that has ended, if it is one of this target, it succeeded, and the vendor says when it began and ended.
    pub fn record(&mut self, run: &RunSnapshot) {
        if let Some(duration) = run.took().filter(|_| run.run.target().is(&self.target)) {
            self.add(duration);
        }
    }

    fn add(&mut self, duration: Duration) {
        self.durations_ms.push(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        let excess = self.durations_ms.len().saturating_sub(MOST);
        self.durations_ms.drain(..excess);
    }

    /// The polling interval for a run that began `elapsed` ago and has not ended: shorter where runs of this target end, longer
    /// before and between. A pure function; waits call it after each poll.
    ///
    /// It is never shorter than `floor` and never longer than `ceiling`, or than `floor` if that is longer: whatever the history says, the
    /// end of a run is known after that time. `every` weighs polls against lag: the result grows with it. It is the interval of a fixed poll
    /// for which a poll is worth the lag that it saves; with too little history it is the result.
    ///
    /// The optimal density of polls is the square root of the hazard, which is how likely the run ends within the next moment as it has
    /// not ended yet. Source: Keller, "Optimum checking schedules for systems subject to random failure", Management Science 21
    /// (1974). The hazard is estimated from the durations, whose logarithms are smoothed, and from the assumption that one run in
    /// ten differs from them.
    #[must_use]
    pub fn interval_after(
        &self,
        elapsed: Duration,
        every: Duration,
        floor: Duration,
        ceiling: Duration,
    ) -> Duration {
        let paced = self.paced_interval(elapsed, every, floor, ceiling);
        paced.unwrap_or_else(|| every.clamp(floor, ceiling.max(floor)))
    }

    /// The interval of [`interval_after`](Self::interval_after); `None` with too little history.
    pub(super) fn paced_interval(
        &self,
        elapsed: Duration,
        every: Duration,
        floor: Duration,
        ceiling: Duration,
    ) -> Option<Duration> {
        let ceiling = ceiling.max(floor);
        let ends = Ends::of(self.durations())?;
        // A fixed poll at this interval has a density of 1 / every, and is the best one if the hazard is 1 / mean all the time.
        let goal = every.as_secs_f64() / ends.mean.sqrt();
        let (began, longest) = (elapsed.as_secs_f64(), ceiling.as_secs_f64());
        // As fine as the estimate, but not endlessly: far behind the durations, steps grow with the time.
        let finest = longest.min(ends.mean) / 256.0;
        let (mut interval, mut covered) = (0.0, 0.0);
        let mut density = ends.hazard(began).sqrt();
        while interval < longest && covered < goal {
            let at = began + interval;
            let step = (at * ends.spread).clamp(finest, longest / 32.0);
            let next = ends.hazard(at + step).sqrt();
            let more = step * f64::midpoint(density, next);
            let part = if covered + more > goal { (goal - covered) / more } else { 1.0 };
            (interval, covered, density) = (interval + step * part, covered + more, next);
        }
        Some(Duration::try_from_secs_f64(interval).unwrap_or(ceiling).clamp(floor, ceiling))
    }
}

/// When runs end: logistic distributions of the logarithm of the duration, one around each duration, and a wide one around all.
struct Ends {
    centres: Vec<f64>,
    spread: f64,
    middle: f64,
    spread_of_others: f64,
    /// Seconds.
    mean: f64,
}

impl Ends {
    #[allow(clippy::cast_precision_loss, reason = "there are at most 20")]
    fn of(durations: impl Iterator<Item = Duration>) -> Option<Self> {
        let plausible =
            durations.filter(|duration| !duration.is_zero() && *duration <= LONGEST).take(MOST);
        let seconds: Vec<f64> = plausible.map(|duration| duration.as_secs_f64()).collect();
        if seconds.len() < FEWEST {
            return None;
        }
        let count = seconds.len() as f64;
        let centres: Vec<f64> = seconds.iter().map(|duration| duration.ln()).collect();
        let middle = centres.iter().sum::<f64>() / count;
        let variance = centres.iter().map(|centre| (centre - middle).powi(2)).sum::<f64>();
        let deviation = (variance / (count - 1.0)).sqrt();
        // How far a quarter of the others are away: within one kind of runs, if there are several.
        let mut distances: Vec<f64> =
            centres.iter().map(|at| quarter_within(*at, &centres)).collect();
        // The scale of a logistic distribution is its standard deviation times √3 / π.
        let scale = 3.0_f64.sqrt() / std::f64::consts::PI;
        Some(Self {
            spread: (SMOOTHING * median(&mut distances)).max(LEAST_SPREAD),
            spread_of_others: SPREAD_OF_OTHERS.hypot(scale * deviation),
            mean: seconds.iter().sum::<f64>() / count,
            middle,
            centres,
        })
    }

    /// The probability that a run ends in the next second, if it has not ended after `elapsed` seconds.
    #[allow(clippy::cast_precision_loss, reason = "there are at most 20")]
    fn hazard(&self, elapsed: f64) -> f64 {
        let elapsed = elapsed.max(1e-3);
        let time = elapsed.ln();
        let still_running =
            |centre: f64, spread: f64| 1.0 / (1.0 + ((time - centre) / spread).exp());
        let (mut ending, mut running) = (0.0, 0.0);
        let share = (1.0 - OTHERS) / self.centres.len() as f64;
        let usual = self.centres.iter().map(|centre| (*centre, self.spread, share));
        let others = (self.middle, self.spread_of_others, OTHERS);
        for (centre, spread, share) in usual.chain([others]) {
            let still = still_running(centre, spread);
            running += share * still;
            ending += share * still * (1.0 - still) / spread;
        }
        ending / (running * elapsed)
    }
}

/// The distance from `at` within which a quarter of the values lie, at least two of them beside itself.
fn quarter_within(at: f64, values: &[f64]) -> f64 {
    let mut distances: Vec<f64> = values.iter().map(|value| (value - at).abs()).collect();
    distances.sort_by(f64::total_cmp);
    distances.get(values.len().div_ceil(4).max(2)).copied().unwrap_or_default()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl RunSnapshot {
    /// When it began: when work began, or else when it was created.
    fn began(&self) -> Option<DateTime<Utc>> {
        self.started.or(self.created)
    }

    /// How long it took to succeed.
    pub(super) fn took(&self) -> Option<Duration> {
        let finished = self.finished.filter(|_| self.phase == Phase::Succeeded)?;
        (finished - self.began()?).to_std().ok()
    }

    /// For how long it had been running when this was said, by the vendor's clock.
    pub(super) fn age(&self) -> Option<Duration> {
        (self.observed? - self.began()?).to_std().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::Vendor;

    fn history(seconds: &[u64]) -> History {
        let durations = seconds.iter().copied().map(Duration::from_secs);
        History::new(Target::new(Vendor::new("acme"), "nightly"), durations)
    }

    #[test]
    fn polls_are_placed_where_runs_end() {
        let minutes = [540, 560, 580, 590, 600, 600, 610, 620, 640, 660];
        let regular = history(&minutes);
        let two_kinds = history(&[110, 118, 120, 120, 125, 130, 600, 610, 590, 620]);
        let hung = history(&[540, 560, 580, 590, 600, 600, 610, 620, 640, 36_000]);
        // After so many seconds: tenths of a second.
        for (history, expected) in [
            (
                &regular,
                &[
                    (0, 600),
                    (60, 554),
                    (240, 225),
                    (420, 171),
                    (540, 30),
                    (600, 15),
                    (720, 20),
                    (1200, 44),
                    (36_000, 229),
                ],
            ),
            (
                &two_kinds,
                &[
                    (0, 298),
                    (60, 178),
                    (100, 43),
                    (120, 15),
                    (240, 136),
                    (420, 197),
                    (600, 20),
                    (1200, 76),
                    (36_000, 407),
                ],
            ),
        ] {
            let intervals = expected.map(|(elapsed, _)| {
                let [every, floor, ceiling] = [5, 1, 60].map(Duration::from_secs);
                let elapsed = Duration::from_secs(elapsed);
                let interval = history.interval_after(elapsed, every, floor, ceiling);
                (elapsed.as_secs(), interval.as_millis() / 100)
            });
            assert_eq!(intervals, *expected);
        }
        let at = |history: &History, elapsed| {
            let [elapsed, every, ceiling] = [elapsed, 5, 60].map(Duration::from_secs);
            history.interval_after(elapsed, every, Duration::ZERO, ceiling)
        };
        assert!(at(&hung, 600) < Duration::from_secs(5), "one run that hung hides nothing");
        let equal = history(&[600; 20]);
        assert!(at(&equal, 600) < at(&regular, 600) && !at(&equal, 600).is_zero());
    }

    #[test]
    fn durations_of_more_than_30_days_are_not_believed() {
        let month = 30 * 24 * 3600;
        let interval = |seconds| {
            let [every, floor, ceiling] = [5, 1, 60].map(Duration::from_secs);
            history(&[seconds; 5]).paced_interval(Duration::ZERO, every, floor, ceiling)
        };
        assert!(interval(month).is_some());
        assert!(interval(month + 1).is_none());
    }

    #[test]
    fn only_runs_of_the_same_target_in_the_same_account_are_recorded() {
        let acme = |id: &str| Target::new(Vendor::new("acme"), id);
        for (of, run, recorded) in [
            (acme("nightly"), acme("nightly"), true),
            (acme("nightly").scoped("a"), acme("nightly").scoped("a"), true),
            (acme("nightly").scoped("a"), acme("nightly"), true),
            (acme("nightly").scoped("a"), acme("nightly").scoped("b"), false),
            (acme("nightly"), acme("weekly"), false),
            (acme("nightly"), Target::new(Vendor::new("other"), "nightly"), false),
        ] {
            let mut history = History::new(of.clone(), []);
            let mut ended = RunSnapshot::new(run.run("7"), Phase::Succeeded);
            ended.started = Some(DateTime::UNIX_EPOCH);
            ended.finished = DateTime::from_timestamp(60, 0);
            history.record(&ended);
            assert_eq!(history.durations().count(), usize::from(recorded), "{of} {run}");
        }
    }

    #[test]
    fn the_newest_durations_are_kept() {
        let mut history = history(&(1..=25).collect::<Vec<_>>());
        assert_eq!(
            history.durations().map(|took| took.as_secs()).collect::<Vec<_>>(),
            (1..=20).collect::<Vec<_>>()
        );
        history.add(Duration::from_millis(30_000_500));
        let kept: Vec<_> = history.durations().map(|took| took.as_secs()).collect();
        assert_eq!((kept.len(), kept.first(), kept.last()), (20, Some(&30_000), Some(&19)));
        assert!(history.durations_ms.len() == MOST);
    }
}
