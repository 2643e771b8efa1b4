//! Waits that are paced by a history, and those that events wake.
#![allow(
    clippy::disallowed_methods,
    reason = "time is paused, and the vendor here has its own clock"
)]

use crate::timed;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use scheduled_runs::run::{CancelOutcome, Capabilities, Event, Events, History, Triggered};
use scheduled_runs::testing::FakeProvider;
use scheduled_runs::{
    CallLimits, Cursor, Error, ErrorKind, Page, Phase, Result, RunProvider, RunProviderExt as _,
    RunRef, RunSnapshot, Target, Vendor,
};
use timed::Timed;
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Sends events at these seconds after now.
fn send_at(events: &Events, sent: impl IntoIterator<Item = (u64, Event)>) {
    for (after, event) in sent {
        let events = events.clone();
        tokio::spawn(async move {
            tokio::time::sleep(seconds(after)).await;
            events.send(event);
        });
    }
}

fn about(run: &RunRef) -> Event {
    Event::of(Timed::VENDOR).target(run.target().id()).run(run.id())
}

/// How long a wait took, in whole seconds, and its requests.
async fn took(provider: &Timed, wait: impl Future<Output = ()>) -> (u64, usize) {
    let (began, before) = (Instant::now(), provider.requests());
    wait.await;
    (began.elapsed().as_secs(), provider.requests() - before)
}

#[tokio::test(start_paused = true)]
async fn an_event_ends_a_wait_with_one_poll() {
    let (provider, events) = (Timed::new(), Events::new());
    let run = provider.run("nightly", seconds(600), Phase::Failed);
    send_at(&events, [(600, about(&run))]);
    let wait = async {
        let done = provider.wait(&run).every(HOUR).wake_on(events.stream()).await.unwrap();
        assert_eq!(done.phase, Phase::Failed);
    };
    let (after, requests) = took(&provider, wait).await;
    assert_eq!((after, requests), (600, 2), "polls when the wait began, and at the event");
}

#[tokio::test(start_paused = true)]
async fn an_event_decides_nothing_and_costs_at_most_one_poll() {
    let (provider, events) = (Timed::new(), Events::new());
    let run = provider.run("nightly", seconds(600), Phase::Succeeded);
    // Forged, early, twice, and for others.
    let others = ["weekly", "monthly"].map(|id| Event::of(Timed::VENDOR).target(id));
    let others = others.into_iter().chain([about(&run).run("run-7"), about(&run).scope("sales")]);
    let other_vendor = Event::of(Vendor::new("acme")).run(run.id());
    let unscoped = 1;
    send_at(&events, others.chain([other_vendor]).map(|event| (50, event)));
    send_at(&events, [100, 100, 100, 200].map(|at| (at, about(&run))));
    let wait = async {
        let wait = provider.wait(&run).every(HOUR).wake_on(events.stream());
        assert_eq!(wait.await.unwrap().phase, Phase::Succeeded);
    };
    let (after, requests) = took(&provider, wait).await;
    assert_eq!(after, 200 + 3600, "the safety net: the interval after the last poll");
    // A run without a scope may belong to the account that the event names.
    assert_eq!(requests, 1 + unscoped + 2 + 1);
}

#[tokio::test(start_paused = true)]
async fn events_never_poll_below_the_floor() {
    let (provider, events) = (Timed::new(), Events::new());
    let run = provider.run("nightly", seconds(60), Phase::Succeeded);
    let flood = events.clone();
    let sender = tokio::spawn(async move {
        loop {
            flood.send(Event::of(Timed::VENDOR));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let wait = async {
        provider.wait(&run).every(HOUR).wake_on(events.stream()).await.unwrap();
    };
    let (after, requests) = took(&provider, wait).await;
    assert!((60..=61).contains(&after), "{after}");
    assert_eq!(requests, 61, "one a second, and the first");

    let run = provider.run("nightly", seconds(60), Phase::Succeeded);
    let runs = [run, provider.run("nightly", seconds(60), Phase::Succeeded)];
    let wait = async {
        let wait = provider.wait_all(runs).every(HOUR).wake_on(events.stream());
        wait.ends().try_collect::<Vec<_>>().await.unwrap();
    };
    let (after, requests) = took(&provider, wait).await;
    assert!((60..=61).contains(&after), "{after}");
    assert!((60..=62).contains(&requests), "one list a second: {requests}");
    sender.abort();
}

#[tokio::test]
async fn a_stream_that_always_has_an_event_holds_up_nothing() {
    let provider = FakeProvider::new();
    let target = provider.target("nightly");
    let event = Event::of(provider.vendor());
    for event in [event.clone(), event.target("weekly")] {
        let phases = [Phase::Running, Phase::Running, Phase::Succeeded];
        let [one, other] = [phases, phases].map(|phases| provider.add_run(&target, phases));
        let wait = provider.wait(&one).wake_on(stream::repeat(event.clone()));
        assert_eq!(wait.await.unwrap().phase, Phase::Succeeded);
        let mut ends = provider.wait_all([other]).wake_on(stream::repeat(event)).ends();
        assert_eq!(ends.next().await.unwrap().unwrap().phase, Phase::Succeeded);
    }
    assert_eq!(provider.polls(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_ended_does_not_end_another_one() {
    let provider = Timed::new();
    let run = provider.run("nightly", seconds(12), Phase::Succeeded);
    let late = stream::once(async {
        tokio::time::sleep(seconds(13)).await;
        Event::of(Timed::VENDOR)
    });
    let wait = provider.wait(&run).every(HOUR).wake_on(stream::empty()).wake_on(late);
    let (after, _) = took(&provider, async { drop(wait.await.unwrap()) }).await;
    assert_eq!(after, 13);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_while_its_run_is_triggered_or_polled_is_not_lost() {
    let (provider, events) = (Timed::new(), Events::new());
    let target = Target::new(Timed::VENDOR, "nightly");
    let wait = provider.trigger_and_wait(&target).every(HOUR).wake_on(events.stream());
    // It is read when the run is known: the first poll says as much.
    events.send(Event::of(Timed::VENDOR).run("run-0"));
    send_at(&events, [(600, Event::of(Timed::VENDOR).run("run-0"))]);
    let (after, requests) = took(&provider, async { drop(wait.await.unwrap()) }).await;
    assert_eq!((after, requests), (600, 3), "a trigger, and two polls");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waits_share_one_channel() {
    let (provider, events) = (Timed::new(), Events::new());
    let mut waits = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let run = provider.run("nightly", seconds(600 + number), Phase::Succeeded);
        send_at(&events, [(600 + number, about(&run))]);
        let (provider, events) = (provider.clone(), events.stream());
        waits.spawn(async move { provider.wait(&run).every(HOUR).wake_on(events).await.unwrap() });
    }
    let done = waits.join_all().await;
    assert!(done.iter().all(|run| run.lag().unwrap() < seconds(1)));
    assert_eq!(provider.requests(), 2000, "two polls a run");

    // One wait for all: a list for the first poll, and each run alone at its event.
    let runs: Vec<_> = (0..1000)
        .map(|number| provider.run(&format!("t{number}"), seconds(600 + number), Phase::Succeeded))
        .collect();
    send_at(&events, runs.iter().enumerate().map(|(at, run)| (600 + at as u64, about(run))));
    let wait = async {
        let wait = provider.wait_all(runs).every(HOUR).wake_on(events.stream());
        let done: Vec<_> = wait.ends().try_collect().await.unwrap();
        assert!(done.iter().all(|run| run.lag().unwrap() < seconds(1)));
    };
    assert_eq!(took(&provider, wait).await.1, 2000);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_cannot_keep_up_with_the_events_polls_once() {
    let (provider, events) = (Timed::new(), Events::new());
    let run = provider.run("nightly", seconds(600), Phase::Succeeded);
    let (crowd, lost) = (events.clone(), about(&run));
    tokio::spawn(async move {
        tokio::time::sleep(seconds(600)).await;
        crowd.send(lost);
        for _ in 0..5000 {
            crowd.send(Event::of(Vendor::new("acme")));
        }
    });
    let wait = provider.wait(&run).every(HOUR).wake_on(events.stream());
    let (after, requests) = took(&provider, async { drop(wait.await.unwrap()) }).await;
    assert_eq!((after, requests), (600, 2));
}

fn history(provider: &impl RunProvider, target: &str, secs: &[u64]) -> History {
    History::new(Target::new(provider.vendor(), target), secs.iter().copied().map(seconds))
}

#[tokio::test(start_paused = true)]
async fn a_history_paces_the_polls_of_one_run_and_of_many() {
    let provider = Timed::new();
    let usual = [590, 600, 610, 605, 595, 600, 615];
    let fixed = {
        let run = provider.run("nightly", seconds(602), Phase::Succeeded);
        let wait = async { drop(provider.wait(&run).await.unwrap()) };
        took(&provider, wait).await.1
    };
    let run = provider.run("nightly", seconds(602), Phase::Succeeded);
    let wait = async {
        let wait = provider.wait(&run).paced_by(history(&provider, "nightly", &usual));
        assert!(wait.await.unwrap().lag().unwrap() <= seconds(2));
    };
    let (_, paced) = took(&provider, wait).await;
    assert!(paced * 2 < fixed, "{paced} polls instead of {fixed}");

    // A wait that another process began: the vendor says how long the run has been running.
    let run = provider.run("nightly", seconds(602), Phase::Succeeded);
    tokio::time::sleep(seconds(590)).await;
    let wait = async {
        let wait = provider.wait(&run).paced_by(history(&provider, "nightly", &usual));
        assert!(wait.await.unwrap().lag().unwrap() <= seconds(2));
    };
    let (_, resumed) = took(&provider, wait).await;
    assert!((3..paced).contains(&resumed), "{resumed}");

    // Each target has its own history, and one has none.
    let runs = ["nightly", "hourly", "weekly"]
        .map(|target| provider.run(target, seconds(602), Phase::Succeeded));
    let wait = async {
        let wait = provider
            .wait_all(runs)
            .paced_by(history(&provider, "nightly", &usual))
            .paced_by(history(&provider, "hourly", &[3600; 6]));
        let done: Vec<_> = wait.ends().try_collect().await.unwrap();
        let mut lags: Vec<_> =
            done.iter().map(|run| (run.run.target().id(), run.lag().unwrap())).collect();
        lags.sort();
        assert!(lags.iter().all(|(_, lag)| *lag <= seconds(60)), "the ceiling: {lags:?}");
        let usual = lags.iter().filter(|(target, _)| *target != "hourly");
        assert!(usual.clone().all(|(_, lag)| *lag <= seconds(5)), "{lags:?}");
    };
    let (_, together) = took(&provider, wait).await;
    assert!((fixed + paced..fixed + 2 * paced).contains(&together), "{together}");

    // The ends of many runs of one target are always near: no more lists than at a fixed interval.
    let many = |target| (0..100).map(move |at| (target, seconds(580 + at / 2))).collect::<Vec<_>>();
    let requests = async |paced: bool| {
        let target = if paced { "nightly" } else { "daily" };
        let runs: Vec<_> = many(target)
            .into_iter()
            .map(|(target, took)| provider.run(target, took, Phase::Succeeded))
            .collect();
        let mut wait = provider.wait_all(runs);
        if paced {
            wait = wait.paced_by(history(&provider, "nightly", &usual));
        }
        took(&provider, async { drop(wait.ends().try_collect::<Vec<_>>().await.unwrap()) }).await.1
    };
    let (fixed, paced) = (requests(false).await, requests(true).await);
    assert!(paced * 2 < fixed, "{paced} lists instead of {fixed}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_learns_from_the_list_and_a_history_from_the_ends() {
    let provider = Timed::new();
    for took in [590, 600, 610, 605, 595] {
        provider.run("nightly", seconds(took), Phase::Succeeded);
    }
    provider.run("nightly", seconds(3), Phase::Failed);
    tokio::time::sleep(HOUR).await;
    let target = Target::new(Timed::VENDOR, "nightly");
    let mut history = provider.history(&target).await.unwrap();
    let mut durations: Vec<_> = history.durations().map(|took| took.as_secs()).collect();
    durations.sort_unstable();
    assert_eq!(durations, [590, 595, 600, 605, 610]);

    let (after, requests) =
        took(&provider, async { drop(provider.trigger_and_wait(&target).learn().await.unwrap()) })
            .await;
    assert!(requests < 61, "a trigger, a list, and half of the 121 polls: {requests}");
    assert!((600..602).contains(&after), "{after}");
    let run = provider.run("weekly", seconds(7), Phase::Succeeded);
    let other = provider.wait(&run).learn().await.unwrap();
    assert_eq!(other.phase, Phase::Succeeded, "without runs it polls at its interval");

    let run = provider.run("nightly", seconds(42), Phase::Succeeded);
    let done = provider.wait(&run).await.unwrap();
    history.record(&done);
    history.record(&other);
    assert_eq!(history.durations().next(), Some(seconds(42)), "newest first, and of its target");
    assert_eq!(history.durations().count(), 6);

    // Kept by a program as JSON.
    let kept = serde_json::to_string(&history).unwrap();
    assert!(kept.starts_with(r#"{"target":"timed:nightly","durations_ms":["#), "{kept}");
    assert_eq!(serde_json::from_str::<History>(&kept).unwrap(), history);
}

#[tokio::test(start_paused = true)]
async fn the_history_of_another_target_is_refused_before_anything_is_sent() {
    let provider = Timed::new();
    let target = Target::new(Timed::VENDOR, "nightly");
    let weekly = history(&provider, "weekly", &[600; 6]);
    let refused = provider.trigger_and_wait(&target).paced_by(weekly).await.unwrap_err();
    assert_eq!((refused.kind(), provider.requests()), (ErrorKind::Config, 0));
    assert!(refused.to_string().contains("timed:weekly"), "{refused}");
}

/// A vendor whose requests may take long and fail. Clones are the same vendor.
#[derive(Clone, Debug)]
struct Slow {
    timed: Timed,
    began: Instant,
    /// How long a request about a target takes, and whether it fails, so many seconds after the beginning.
    how: fn(&str, u64) -> (Duration, bool),
    /// Targets and seconds of the requests.
    asked: Arc<Mutex<Vec<(String, u64)>>>,
}

impl Slow {
    fn new(how: fn(&str, u64) -> (Duration, bool)) -> Self {
        Self { timed: Timed::new(), began: Instant::now(), how, asked: Arc::default() }
    }

    async fn request(&self, target: &Target) -> Result<()> {
        let at = self.began.elapsed().as_secs();
        self.asked.lock().unwrap().push((target.id().to_owned(), at));
        let (takes, fails) = (self.how)(target.id(), at);
        tokio::time::sleep(takes).await;
        if fails { Err(Error::new(ErrorKind::Connect, "no connection")) } else { Ok(()) }
    }

    /// When a target was asked for.
    fn asked(&self, target: &str) -> Vec<u64> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(of, _)| of == target).map(|(_, at)| *at).collect()
    }
}

#[async_trait]
impl RunProvider for Slow {
    fn vendor(&self) -> Vendor {
        Timed::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        self.timed.capabilities()
    }

    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
        self.request(run.target()).await?;
        self.timed.fetch_run(run, limits).await
    }

    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        self.request(target).await?;
        self.timed.fetch_page(target, cursor, limits).await
    }

    async fn send_trigger(
        &self,
        target: &Target,
        after: Option<&RunRef>,
        limits: &CallLimits,
    ) -> Result<Triggered> {
        self.timed.send_trigger(target, after, limits).await
    }

    async fn send_cancel(&self, run: &RunRef, _: &CallLimits) -> Result<CancelOutcome> {
        self.request(&Target::new(Timed::VENDOR, format!("cancel {run}"))).await?;
        Ok(CancelOutcome::Requested)
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_come_at_once_cost_one_poll() {
    let (provider, events) = (Timed::new(), Events::new());
    let run = provider.run("nightly", seconds(600), Phase::Succeeded);
    let (crowd, event) = (events.clone(), about(&run));
    tokio::spawn(async move {
        tokio::time::sleep(seconds(300)).await;
        (0..1000).for_each(|_| crowd.send(event.clone()));
    });
    send_at(&events, [(600, about(&run))]);
    let wait = async {
        provider.wait(&run).every(HOUR).wake_on(events.stream()).await.unwrap();
    };
    let (after, requests) = took(&provider, wait).await;
    assert_eq!((after, requests), (600, 3));
}

#[tokio::test(start_paused = true)]
async fn an_event_soon_after_a_poll_polls_no_other_target() {
    let (provider, events) = (Slow::new(|_, _| (Duration::ZERO, false)), Events::new());
    let [one, other] =
        ["one", "other"].map(|target| provider.timed.run(target, seconds(600), Phase::Succeeded));
    // The second one comes less than a second after the poll that the first one has caused.
    for millis in [10_000, 10_500] {
        let (events, event) = (events.clone(), about(&one));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            events.send(event);
        });
    }
    send_at(&events, [&one, &other].map(|run| (600, about(run))));
    let wait = provider.wait_all([one, other]).every(HOUR).wake_on(events.stream());
    assert_eq!(wait.ends().try_collect::<Vec<_>>().await.unwrap().len(), 2);
    assert_eq!(provider.asked("one"), [0, 10, 11, 600]);
    assert_eq!(provider.asked("other"), [0, 600]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_runs_out_of_time_begins_no_round() {
    let provider =
        Slow::new(|target, _| (if target == "slow" { HOUR } else { Duration::ZERO }, false));
    let joining = ["a", "b", "c", "d", "slow", "other"].map(|target| {
        let after = if target == "slow" { 50 } else { 1 };
        (after, provider.timed.run(target, 2 * HOUR, Phase::Succeeded))
    });
    let joining = stream::iter(joining).then(|(after, run)| async move {
        tokio::time::sleep(seconds(after)).await;
        run
    });
    let wait = provider.wait_all([]).joined_by(joining).every(HOUR).timeout(seconds(100));
    let ends: Vec<_> = wait.ends().collect().await;
    assert_eq!(ends.len(), 6);
    assert_eq!(provider.asked("other"), [55], "not when the others end, 101 s to 104 s");
}

#[tokio::test(start_paused = true)]
async fn a_round_soon_after_an_event_polls_its_run_no_second_time() {
    let (provider, events) = (Slow::new(|_, _| (Duration::ZERO, false)), Events::new());
    let [one, early, other] = ["one", "early", "other"]
        .map(|target| provider.timed.run(target, seconds(25), Phase::Succeeded));
    send_at(&events, [(4, about(&early))]);
    let (late, event) = (events.clone(), about(&one));
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(9500)).await;
        late.send(event);
    });
    let wait = provider.wait_all([one, early, other]).every(seconds(10)).wake_on(events.stream());
    assert_eq!(wait.ends().try_collect::<Vec<_>>().await.unwrap().len(), 3);
    assert_eq!(provider.asked("one"), [0, 9, 20, 30]);
    assert_eq!(provider.asked("early"), [0, 4, 10, 20, 30]);
    assert_eq!(provider.asked("other"), [0, 10, 20, 30]);
}

#[tokio::test(start_paused = true)]
async fn events_hold_up_no_end() {
    let provider =
        Slow::new(|target, _| (if target == "slow" { HOUR } else { Duration::ZERO }, false));
    let [slow, done] =
        ["slow", "done"].map(|target| provider.timed.run(target, Duration::ZERO, Phase::Succeeded));
    let events = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Some((Event::of(Timed::VENDOR).target("another"), ()))
    });
    let mut ends = provider.wait_all([slow, done.clone()]).every(HOUR).wake_on(events).ends();
    let began = Instant::now();
    assert_eq!(ends.next().await.unwrap().unwrap().run, done);
    assert!(began.elapsed() <= seconds(2), "{:?}", began.elapsed());
}

/// More targets than are polled at the same time, and polls that take longer than the floor.
#[tokio::test(start_paused = true)]
async fn a_flood_of_events_starves_no_target() {
    let provider = Slow::new(|_, _| (seconds(2), false));
    let runs: Vec<_> = (100..250)
        .map(|number| provider.timed.run(&format!("t{number}"), seconds(60), Phase::Succeeded))
        .collect();
    let events = Events::new();
    let sender = tokio::spawn({
        let events = events.clone();
        async move {
            loop {
                events.send(Event::of(Timed::VENDOR));
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    });
    let wait = provider.wait_all(runs.clone()).every(seconds(30)).wake_on(events.stream());
    let began = Instant::now();
    let ends: Vec<_> = wait.ends().try_collect().await.unwrap();
    sender.abort();
    assert_eq!(ends.len(), runs.len());
    assert!(began.elapsed() < seconds(80), "{:?}", began.elapsed());
    let first = |run: &RunRef| provider.asked(run.target().id())[0];
    assert!(runs.iter().all(|run| first(run) < 20), "all are polled in the first round");
    let polls: Vec<_> = runs.iter().map(|run| provider.asked(run.target().id()).len()).collect();
    let (least, most) = (polls.iter().min().unwrap(), polls.iter().max().unwrap());
    assert!(most - least <= 2, "all are polled as often: {polls:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_make_a_run_younger() {
    // The last poll before the run's end fails, and one at its end does not.
    let provider = Slow::new(|_, at| (Duration::ZERO, (100..598).contains(&at)));
    let run = provider.timed.run("nightly", seconds(602), Phase::Succeeded);
    let usual = history(&provider, "nightly", &[590, 600, 610, 605, 595, 600, 615]);
    let done = provider.wait(&run).paced_by(usual).tolerate_for(HOUR).await.unwrap();
    assert!(done.lag().unwrap() <= seconds(3), "{:?}: {:?}", done.lag(), provider.asked("nightly"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_while_it_learns_cancels_its_run() {
    let provider =
        Slow::new(|target, _| (if target == "nightly" { HOUR } else { Duration::ZERO }, false));
    let target = Target::new(Timed::VENDOR, "nightly");
    let wait = provider.trigger_and_wait(&target).learn().cancel_on_drop(provider.clone());
    assert!(tokio::time::timeout(seconds(60), wait).await.is_err());
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(provider.asked("cancel timed:nightly/run-0"), [60]);
}

#[test]
fn a_high_ceiling_does_not_blur_when_runs_end() {
    let target = Target::new(Timed::VENDOR, "nightly");
    let usual = [590, 600, 610, 605, 595, 600, 615].map(seconds);
    let history = History::new(target, usual);
    for elapsed in [0, 300, 500, 580, 600, 700] {
        let interval = |ceiling| {
            history.interval_after(seconds(elapsed), seconds(5), seconds(1), ceiling).as_secs_f64()
        };
        let expected = interval(seconds(600));
        for ceiling in [seconds(6000), 24 * HOUR, 10_000 * HOUR, Duration::MAX] {
            let ratio = interval(ceiling) / expected;
            assert!((0.9..1.1).contains(&ratio), "{elapsed} s, {ceiling:?}: {ratio} of {expected}");
        }
    }
}
