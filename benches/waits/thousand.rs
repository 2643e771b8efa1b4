//! A thousand waits at once for runs of ten minutes: with fixed intervals, with a history, with events, and with both.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use futures_util::TryStreamExt as _;
use scheduled_runs::run::{Event, Events, History, Wait};
use scheduled_runs::{Phase, RunProvider, RunProviderExt as _, RunRef, Target};
use tokio::task::JoinSet;

use super::timed::Timed;
use super::{Figures, log_normal};

const RUNS: usize = 1000;
const MEDIAN: f64 = 600.0;
const SIGMA: f64 = 0.3;
const MINUTES: Duration = Duration::from_secs(300);

/// One event in so many is lost, and the others come within this time after the end.
const LOST: usize = 50;
const DELAY: Duration = Duration::from_secs(2);

type Set = fn(Wait<'_, Timed>, History) -> Wait<'_, Timed>;

struct Way {
    name: &'static str,
    events: bool,
    /// How the wait is set, beside the events.
    set: Set,
    /// At most so many requests a run, and seconds of mean lag.
    bounds: (f64, f64),
}

pub(super) fn run() -> usize {
    let ways = [
        Way {
            name: "`every(5 s)`, the default",
            events: false,
            set: |wait, _| wait,
            bounds: (130.0, 2.6),
        },
        Way {
            name: "`backoff(1.5, 60 s)`",
            events: false,
            set: |wait, _| wait.backoff(1.5, Duration::from_secs(60)),
            bounds: (20.0, 32.0),
        },
        Way {
            name: "`paced_by(history)`",
            events: false,
            set: |wait, history| wait.paced_by(history),
            bounds: (105.0, 2.6),
        },
        Way {
            name: "`every(30 s)` and `paced_by(history)`",
            events: false,
            set: |wait, history| wait.every(Duration::from_secs(30)).paced_by(history),
            bounds: (20.0, 16.0),
        },
        Way {
            name: "`wake_on(events)` and `every(5 min)`",
            events: true,
            set: |wait, _| wait.every(MINUTES),
            bounds: (5.0, 5.0),
        },
        Way {
            name: "`wake_on(events)`, `every(60 s)`, `paced_by(history)`, `longest_interval(5 min)`",
            events: true,
            set: |wait, history| {
                wait.every(Duration::from_secs(60)).longest_interval(MINUTES).paced_by(history)
            },
            bounds: (10.0, 3.0),
        },
    ];
    println!("| 1,000 waits | requests a run | mean lag | 95 % | longest |");
    println!("|---|---|---|---|---|");
    let mut exceeded = ways.iter().filter(|way| !show(way.name, &measure(way), way.bounds)).count();
    for (events, name, bounds) in [
        (false, "`wait_all`, one target", (1.0, 2.6)),
        (true, "`wait_all` and `wake_on(events)`, `every(5 min)`", (1.5, 5.0)),
    ] {
        exceeded += usize::from(!show(name, &together(events), bounds));
    }
    exceeded
}

/// Whether the bounds are kept.
fn show(name: &str, figures: &Figures, (polls, lag): (f64, f64)) -> bool {
    let (most, longest) = figures.late();
    println!(
        "| {name} | {:.1} | {:.1} s | {most:.1} s | {longest:.0} s |",
        figures.polls(),
        figures.mean_lag(),
    );
    figures.polls() <= polls && figures.mean_lag() <= lag
}

/// Runs of one target, with their ends, which begin within ten minutes.
struct World {
    provider: Timed,
    events: Events,
    random: Rng,
}

impl World {
    fn new() -> Self {
        Self { provider: Timed::new(), events: Events::new(), random: Rng::with_seed(17) }
    }

    fn start(&mut self, events: bool) -> (RunRef, Duration) {
        let took = log_normal(&mut self.random, MEDIAN, SIGMA);
        let run = self.provider.run("nightly", took, Phase::Succeeded);
        let delay = DELAY.mul_f64(self.random.f64());
        if events && self.random.usize(0..LOST) > 0 {
            let (events, id) = (self.events.clone(), run.id().to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(took + delay).await;
                events.send(Event::of(Timed::VENDOR).run(id));
            });
        }
        (run, took)
    }

    fn history(&mut self) -> History {
        let past = (0..20).map(|_| log_normal(&mut self.random, MEDIAN, SIGMA)).collect::<Vec<_>>();
        History::new(Target::new(self.provider.vendor(), "nightly"), past)
    }
}

fn measure(way: &Way) -> Figures {
    paused(async {
        let mut world = World::new();
        let mut waits = JoinSet::new();
        for _ in 0..RUNS {
            let ((run, took), history) = (world.start(way.events), world.history());
            let (provider, events, set) = (world.provider.clone(), world.events.clone(), way.set);
            waits.spawn(async move {
                let began = tokio::time::Instant::now();
                set(provider.wait(&run).wake_on(events.stream()), history).await.unwrap();
                (began.elapsed() - took).as_secs_f64()
            });
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
        let lags = waits.join_all().await;
        Figures { polls: world.provider.requests(), lags }
    })
}

fn together(events: bool) -> Figures {
    paused(async {
        let mut world = World::new();
        let began = tokio::time::Instant::now();
        let started: Vec<_> = (0..RUNS).map(|_| world.start(events)).collect();
        let took: BTreeMap<_, _> = started.iter().cloned().collect();
        let mut wait = world.provider.wait_all(took.keys().cloned());
        if events {
            wait = wait.every(MINUTES).wake_on(world.events.stream());
        }
        let mut ends = wait.ends();
        let mut lags = Vec::new();
        while let Some(end) = ends.try_next().await.unwrap() {
            lags.push((began.elapsed() - took[&end.run]).as_secs_f64());
        }
        Figures { polls: world.provider.requests(), lags }
    })
}

fn paused<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(work)
}
