//! The guide's picture: when a wait polls, under the probability that the run ends then.

use std::fmt::Write as _;
use std::time::Duration;

use fastrand::Rng;
use scheduled_runs::run::History;
use scheduled_runs::{Target, Vendor};

use super::log_normal;

/// Seconds from left to right, and how wide and high the picture is.
const SECONDS: u32 = 1200;
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 175.0;

/// Ends of runs are counted in bars of so many seconds.
const BAR: usize = 30;

pub(super) fn write() {
    let mut random = Rng::with_seed(17);
    let mut draw = || log_normal(&mut random, 600.0, 0.2);
    let past: Vec<_> = (0..20).map(|_| draw()).collect();
    let mut bars = [0_usize; SECONDS as usize / BAR];
    for _ in 0..10_000 {
        if let Some(bar) = bars.get_mut(draw().as_secs() as usize / BAR) {
            *bar += 1;
        }
    }
    let history = History::new(Target::new(Vendor::new("acme"), "nightly"), past);
    let mut polls = vec![Duration::ZERO];
    let [every, floor, ceiling] = [30, 1, 60].map(Duration::from_secs);
    while let Some(last) = polls.last().filter(|last| last.as_secs() < SECONDS.into()) {
        polls.push(*last + history.interval_after(*last, every, floor, ceiling));
    }

    let x = |seconds: f64| seconds / f64::from(SECONDS) * WIDTH;
    let most = bars.iter().max().copied().unwrap_or(1) as f64;
    let mut runs = String::new();
    for (number, bar) in bars.iter().enumerate().filter(|(_, bar)| **bar > 0) {
        let (left, height) = (x((number * BAR) as f64), *bar as f64 / most * 100.0);
        write!(runs, "M{left:.0} 120v-{height:.0}h17v{height:.0}z").unwrap();
    }
    let mut lines = String::new();
    for poll in &polls {
        write!(lines, "M{:.1} 130v20", x(poll.as_secs_f64())).unwrap();
    }
    let mut scale = String::new();
    for (minute, anchor) in
        [(0, "start"), (5, "middle"), (10, "middle"), (15, "middle"), (20, "end")]
    {
        let at = x(f64::from(minute) * 60.0);
        writeln!(scale, "<text x=\"{at}\" y=\"168\" text-anchor=\"{anchor}\">{minute} min</text>")
            .unwrap();
    }
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" font-size="12" fill="currentColor">
<title>Polls stand where runs end</title>
<text x="0" y="14">how many runs end then (bars), and the polls of a run that has not ended (lines)</text>
<path d="{runs}" opacity="0.3"/>
<path d="{lines}" stroke="currentColor"/>
{scale}</svg>
"#
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/polls.svg");
    std::fs::write(path, svg).unwrap();
    println!("{path}: {} polls in {} minutes", polls.len(), SECONDS / 60);
}
