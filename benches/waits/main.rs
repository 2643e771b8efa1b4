//! What waits cost, in requests, and how late they know: `cargo bench --bench waits`. Nothing here takes real time, and a seed makes
//! each figure the same every time. It fails if a bound is exceeded. `-- picture` writes the guide's picture.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is a program, and fails loudly"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are small"
)]
#![allow(clippy::indexing_slicing, clippy::unchecked_time_subtraction, reason = "see above")]
#![allow(clippy::disallowed_methods, reason = "time is paused")]

mod paced;
mod picture;
mod thousand;
#[path = "../../tests/runs/timed.rs"]
mod timed;

use std::time::Duration;

use fastrand::Rng;

/// Polls and lags of many runs.
#[derive(Default)]
struct Figures {
    polls: usize,
    /// Seconds from a run's end to the poll that has seen it.
    lags: Vec<f64>,
}

impl Figures {
    fn polls(&self) -> f64 {
        self.polls as f64 / self.lags.len() as f64
    }

    fn mean_lag(&self) -> f64 {
        self.lags.iter().sum::<f64>() / self.lags.len() as f64
    }

    /// The lag that 95 % of the runs do not exceed, and the longest.
    fn late(&self) -> (f64, f64) {
        let mut sorted = self.lags.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
        (at(0.95), at(1.0))
    }
}

/// How long a run takes: log-normal, around so many seconds.
fn log_normal(random: &mut Rng, median: f64, sigma: f64) -> Duration {
    let (length, angle) = ((-2.0 * (1.0 - random.f64()).ln()).sqrt(), random.f64());
    let normal = length * (std::f64::consts::TAU * angle).cos();
    Duration::from_secs_f64(median * (sigma * normal).exp())
}

fn main() {
    if std::env::args().any(|argument| argument == "picture") {
        return picture::write();
    }
    let exceeded = paced::run() + thousand::run();
    assert_eq!(exceeded, 0, "bounds are exceeded");
}
