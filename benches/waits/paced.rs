//! Polls that are paced by a history, beside a fixed poll of the same mean lag.

use std::time::Duration;

use fastrand::Rng;
use scheduled_runs::run::History;
use scheduled_runs::{Target, Vendor};

use super::{Figures, log_normal};

const EVERY: Duration = Duration::from_secs(5);
const FLOOR: Duration = Duration::from_secs(1);
const CEILING: Duration = Duration::from_secs(60);

/// Histories of each kind, and runs with each history.
const HISTORIES: usize = 400;
const RUNS: usize = 10;

/// How long runs take.
#[derive(Clone, Copy)]
enum Takes {
    LogNormal(f64),
    /// Half of the runs have little to do.
    TwoKinds,
    /// They fail at any moment of the first five minutes.
    FailsEarly,
}

impl Takes {
    fn draw(self, random: &mut Rng) -> Duration {
        match self {
            Self::LogNormal(sigma) => log_normal(random, 600.0, sigma),
            Self::TwoKinds => {
                let median = if random.bool() { 200.0 } else { 1000.0 };
                log_normal(random, median, 0.1)
            }
            Self::FailsEarly => Duration::from_secs_f64(random.f64() * 300.0),
        }
    }
}

struct Case {
    name: &'static str,
    /// What the history holds, and by what it is multiplied.
    past: (Takes, f64),
    durations: usize,
    runs: Takes,
    /// At most so many polls of a fixed poll with the same mean lag.
    bound: f64,
}

impl Case {
    fn same(name: &'static str, takes: Takes, bound: f64) -> Self {
        Self { name, past: (takes, 1.0), durations: 20, runs: takes, bound }
    }
}

pub(super) fn run() -> usize {
    let regular = Takes::LogNormal(0.3);
    let very_regular = Takes::LogNormal(0.15);
    let wrong =
        |name, takes, factor| Case { past: (takes, factor), ..Case::same(name, takes, 1.3) };
    let cases = [
        Case::same("log-normal, σ 0.15", very_regular, 0.6),
        Case::same("log-normal, σ 0.3", regular, 0.6),
        Case::same("log-normal, σ 0.6", Takes::LogNormal(0.6), 1.1),
        Case::same("log-normal, σ 1.0", Takes::LogNormal(1.0), 1.1),
        Case::same("two kinds of runs", Takes::TwoKinds, 1.1),
        wrong("σ 0.15, history three times as long", very_regular, 3.0),
        wrong("σ 0.3, history three times as long", regular, 3.0),
        wrong("σ 0.15, history a third as long", very_regular, 1.0 / 3.0),
        wrong("σ 0.3, history a third as long", regular, 1.0 / 3.0),
        Case { runs: Takes::FailsEarly, ..Case::same("runs that fail early", regular, 1.3) },
        Case { durations: 5, ..Case::same("σ 0.3, only five durations", regular, 0.8) },
    ];
    println!("| runs | polls | mean lag | 95 % | longest | fixed poll, same lag | ratio | bound |");
    println!("|---|---|---|---|---|---|---|---|");
    let exceeded = cases.iter().filter(|case| !show(case)).count();
    println!();
    exceeded
}

/// Whether the bounds are kept.
fn show(case: &Case) -> bool {
    let mut random = Rng::with_seed(17);
    let (mut paced, mut ends) = (Figures::default(), Vec::new());
    for _ in 0..HISTORIES {
        let (takes, factor) = case.past;
        let past = (0..case.durations).map(|_| takes.draw(&mut random).mul_f64(factor));
        let history = History::new(Target::new(Vendor::new("acme"), "nightly"), past);
        for _ in 0..RUNS {
            let end = case.runs.draw(&mut random);
            let interval = |elapsed| history.interval_after(elapsed, EVERY, FLOOR, CEILING);
            let mut polled = Duration::ZERO;
            paced.polls += 1;
            while polled < end {
                polled += interval(polled);
                paced.polls += 1;
            }
            paced.lags.push((polled - end).as_secs_f64());
            ends.push(end.as_secs_f64());
        }
    }
    // The mean lag of a fixed poll is half of its interval.
    let interval = 2.0 * paced.mean_lag();
    let fixed =
        ends.iter().map(|end| (end / interval).ceil() + 1.0).sum::<f64>() / ends.len() as f64;
    let (ratio, (most, longest)) = (paced.polls() / fixed, paced.late());
    println!(
        "| {} | {:.0} | {:.1} s | {most:.1} s | {longest:.0} s | {fixed:.0} | {ratio:.2} | {} |",
        case.name,
        paced.polls(),
        paced.mean_lag(),
        case.bound,
    );
    ratio <= case.bound && longest <= CEILING.as_secs_f64()
}
