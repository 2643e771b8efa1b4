//! Waits that go on for ever, runs that join a wait, what a dropped wait cancels, and lists of runs since a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use scheduled_runs::client::{Clock, Vendor};
use scheduled_runs::run::{Capabilities, Failure};
use scheduled_runs::testing::{FakeProvider, ManualClock};
use scheduled_runs::{
    CallLimits, Cursor, Error, ErrorKind, Page, Phase, Result, RunProvider, RunProviderExt as _,
    RunRef, RunSnapshot, Target,
};
use tokio::sync::mpsc;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "the test says so")
}

#[tokio::test]
async fn a_wait_for_ever_sits_out_a_refused_credential_and_polls_less_and_less_often() {
    let provider = FakeProvider::new();
    let run = provider.add_run(&provider.target("nightly"), [Phase::Running, Phase::Succeeded]);
    for _ in 0..200 {
        provider.fail_next_poll(error(ErrorKind::Auth));
    }
    let mut told = Vec::new();
    let wait = provider.wait(&run).forever();
    let done = wait.on_failed_poll(|error, in_a_row| told.push((error.kind(), in_a_row)));
    assert_eq!((done.await.unwrap().phase, provider.polls()), (Phase::Succeeded, 202));
    assert_eq!((told.len(), told.last()), (200, Some(&(ErrorKind::Auth, 200))));
    let clock = provider.manual_clock();
    let expected = [5, 10, 20, 40, 80, 160, 320, 600, 600].map(Duration::from_secs);
    assert_eq!(clock.sleeps().get(..9).unwrap(), expected, "5 s after the first that failed");
    assert_eq!(*clock.sleeps().last().unwrap(), Duration::from_secs(5), "a poll has succeeded");
    assert!(clock.elapsed() > DAY, "longer than any wait by default");

    // Without it, a credential that was never good ends the wait.
    provider.fail_next_poll(error(ErrorKind::Auth));
    let refused = provider.wait(&run).await.unwrap_err();
    assert_eq!((refused.kind(), provider.polls()), (ErrorKind::Auth, 203));
}

#[tokio::test]
async fn a_wait_for_ever_ends_where_there_is_nothing_to_wait_for() {
    let provider = FakeProvider::new();
    let unknown = provider.target("nightly").run("nobody-knows-it");
    assert_eq!(provider.wait(&unknown).forever().await.unwrap_err().kind(), ErrorKind::NotFound);
    for kind in [ErrorKind::Denied, ErrorKind::Decode, ErrorKind::Config] {
        let run = provider.add_run(&provider.target("nightly"), [Phase::Running]);
        provider.fail_next_poll(error(kind));
        assert_eq!(provider.wait(&run).forever().await.unwrap_err().kind(), kind);
    }
    // A later setter counts again.
    let run = provider.add_run(&provider.target("nightly"), [Phase::Running]);
    let wait = provider.wait(&run).forever().timeout(Duration::from_secs(60));
    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::WaitTimeout);
}

#[tokio::test]
async fn many_waits_for_ever_sit_it_out_as_well() {
    let provider = FakeProvider::new();
    let [one, other] = ["nightly", "weekly"].map(|name| provider.target(name));
    let runs =
        [&one, &other].map(|target| provider.add_run(target, [Phase::Running, Phase::Failed]));
    for _ in 0..100 {
        provider.fail_next_poll(error(ErrorKind::Auth));
    }
    let ends: Vec<_> = provider.wait_all(runs).forever().ends().try_collect().await.unwrap();
    assert_eq!(ends.len(), 2);
    assert!(ends.iter().all(|end| end.phase == Phase::Failed));
    assert!(
        provider.manual_clock().elapsed() > Duration::from_secs(4 * 3600),
        "40 polls and more, 10 min apart"
    );
}

#[tokio::test]
async fn what_a_wait_tolerates_ends_at_the_limit_and_not_a_poll_later() {
    let ten = Duration::from_secs(10);
    let provider = FakeProvider::new();
    let unknown = provider.target("nightly").run("nobody-knows-it");
    let wait = provider.wait(&unknown).every(ten).appears_within(ten * 2);
    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(provider.polls(), 3, "after 0, 10 and 20 s");

    let provider = FakeProvider::new();
    let run = provider.add_run(&provider.target("nightly"), [Phase::Running]);
    (0..10).for_each(|_| provider.fail_next_poll(error(ErrorKind::Server)));
    let wait = provider.wait(&run).every(ten).tolerate_for(ten * 2);
    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(provider.polls(), 3, "after 0, 10 and 20 s");
}

#[tokio::test]
async fn a_list_that_is_refused_says_nothing_about_the_runs_of_a_wait() {
    let provider = FakeProvider::new();
    let nightly = provider.target("nightly");
    let runs = [(); 2].map(|()| provider.add_run(&nightly, [Phase::Succeeded]));
    provider.fail_next_poll(error(ErrorKind::Denied));
    let ends: Vec<_> = provider.wait_all(runs).ends().try_collect().await.unwrap();
    assert!(ends.len() == 2 && ends.iter().all(|end| end.phase == Phase::Succeeded));
    assert_eq!((provider.lists(), provider.polls()), (1, 2), "each is polled by itself");
}

#[tokio::test]
async fn runs_join_a_wait_and_are_polled_at_once() {
    let provider = FakeProvider::new();
    let target = provider.target("nightly");
    let slow = provider
        .add_run(&target, [Phase::Running, Phase::Running, Phase::Running, Phase::Succeeded]);
    let late = provider.add_run(&provider.target("weekly"), [Phase::Skipped]);
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let joining = stream::poll_fn(move |context| receiver.poll_recv(context));
    let mut ends = provider.wait_all([slow.clone()]).joined_by(joining).ends();

    sender.send(late.clone()).unwrap();
    // It is polled in the first round, as the runs that were there.
    let end = ends.next().await.unwrap().unwrap();
    assert_eq!((end.run, end.phase), (late, Phase::Skipped));
    assert!(provider.manual_clock().elapsed() < Duration::from_secs(5));

    let end = ends.next().await.unwrap().unwrap();
    assert_eq!((end.run, end.phase), (slow, Phase::Succeeded));
    assert_eq!(
        provider.manual_clock().elapsed(),
        Duration::from_secs(15),
        "its own polls are 5 s apart as before"
    );

    // All runs have ended, and others may join: the wait goes on.
    assert!(ends.next().now_or_never().is_none());
    let next = provider.add_run(&target, [Phase::Running, Phase::Cancelled]);
    sender.send(next.clone()).unwrap();
    assert_eq!(ends.next().await.unwrap().unwrap().run, next);
    drop(sender);
    assert!(ends.next().await.is_none(), "nothing joins any more");
}

#[tokio::test]
async fn a_run_that_joins_has_its_whole_time() {
    let provider = FakeProvider::new();
    let [one, other] = ["nightly", "weekly"]
        .map(|name| provider.add_run(&provider.target(name), [Phase::Running]));
    let clock = provider.manual_clock();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let joining = stream::poll_fn(move |context| receiver.poll_recv(context));
    let wait = provider.wait_all([one.clone()]).joined_by(joining).timeout(Duration::from_secs(60));
    let mut sender = Some(sender);
    // At its second poll the first run has 50 s left.
    let wait = wait.every(Duration::from_secs(10)).on_update(move |_| {
        if clock.elapsed() >= Duration::from_secs(10)
            && let Some(sender) = sender.take()
        {
            sender.send(other.clone()).unwrap();
        }
    });
    let mut timed_out = Vec::new();
    let mut ends = wait.ends();
    while let Some(end) = ends.next().await {
        let error = end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WaitTimeout);
        timed_out.push((
            error.run().unwrap().target().id().to_owned(),
            provider.manual_clock().elapsed().as_secs(),
        ));
    }
    assert_eq!(timed_out, [("nightly".to_owned(), 60), ("weekly".to_owned(), 70)]);
}

#[tokio::test]
async fn a_dropped_wait_cancels_its_run_if_it_was_asked_to() {
    let cancelled = async |asked: bool, polls: usize| {
        let provider = FakeProvider::new();
        let run = provider.add_run(&provider.target("nightly"), [Phase::Running, Phase::Succeeded]);
        let wait = provider.wait(&run);
        let wait = if asked { wait.cancel_on_drop(provider.clone()) } else { wait };
        let mut updates = wait.updates();
        for _ in 0..polls {
            updates.next().await.unwrap().unwrap();
        }
        drop(updates);
        tokio::task::yield_now().await;
        provider.snapshot(&run).await.unwrap().phase == Phase::Cancelled
    };
    assert!(cancelled(true, 1).await);
    assert!(!cancelled(false, 1).await, "not by default");
    assert!(!cancelled(true, 2).await, "the run has ended");
    assert!(!cancelled(true, 0).await, "the wait has not begun");
}

#[tokio::test]
async fn a_wait_that_has_ended_cancels_nothing() {
    let provider = FakeProvider::new();
    let run = provider.add_run(&provider.target("nightly"), [Phase::Running]);
    let wait =
        provider.wait(&run).cancel_on_drop(provider.clone()).timeout(Duration::from_secs(20));
    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::WaitTimeout);
    tokio::task::yield_now().await;
    assert_eq!(provider.snapshot(&run).await.unwrap().phase, Phase::Running);

    // A task that is aborted drops its wait.
    let (owned, target) = (provider.clone(), run.clone());
    let task = tokio::spawn(async move {
        owned.wait(&target).every(DAY).timeout(DAY * 9).cancel_on_drop(owned.clone()).await
    });
    tokio::task::yield_now().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    tokio::task::yield_now().await;
    assert_eq!(provider.snapshot(&run).await.unwrap().phase, Phase::Cancelled);
}

/// Pages of runs, each with the day of its creation; odd days have failed.
#[derive(Debug, Default)]
struct Shelf {
    pages: Vec<Vec<i64>>,
    fetched: Mutex<(usize, usize)>,
    has_no_reasons: bool,
    fails_at: Option<usize>,
}

fn day(day: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(day)
}

impl Shelf {
    fn of(pages: &[&[i64]]) -> Self {
        Self { pages: pages.iter().map(|page| page.to_vec()).collect(), ..Self::default() }
    }

    fn run(created: i64) -> RunSnapshot {
        let run = Target::new(Vendor::new("shelf"), "t").run(created.to_string());
        let phase = if created % 2 == 1 { Phase::Failed } else { Phase::Succeeded };
        let mut snapshot = RunSnapshot::new(run, phase);
        snapshot.created = (created != 0).then(|| day(created));
        snapshot
    }

    async fn since(&self, time: i64) -> (Vec<String>, usize) {
        let runs = self.runs(&Target::new(Vendor::new("shelf"), "t")).since(day(time));
        let runs: Vec<_> = runs.try_collect().await.unwrap();
        let pages = std::mem::take(&mut self.fetched.lock().unwrap().0);
        (runs.iter().map(|run| run.run.id().to_owned()).collect(), pages)
    }
}

#[async_trait]
impl RunProvider for Shelf {
    fn vendor(&self) -> Vendor {
        Vendor::new("shelf")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list()
    }

    async fn fetch_run(&self, run: &RunRef, _: &CallLimits) -> Result<RunSnapshot> {
        self.fetched.lock().unwrap().1 += 1;
        if self.has_no_reasons {
            return Err(error(ErrorKind::Server));
        }
        let mut snapshot = Self::run(run.id().parse().unwrap());
        snapshot.failure = Some(Failure::new("bad day"));
        Ok(snapshot)
    }

    async fn fetch_page(
        &self,
        _: &Target,
        cursor: Option<Cursor>,
        _: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        self.fetched.lock().unwrap().0 += 1;
        let number: usize = cursor.map_or(0, |cursor| cursor.as_str().parse().unwrap());
        if self.fails_at == Some(number) {
            return Err(error(ErrorKind::Server));
        }
        let next = (number + 1 < self.pages.len()).then(|| Cursor::new((number + 1).to_string()));
        let days = self.pages.get(number).unwrap();
        Ok(Page::new(days.iter().map(|day| Self::run(*day)).collect(), next))
    }
}

#[tokio::test]
async fn a_list_since_a_time_ends_where_its_runs_are_older() {
    let newest_first = Shelf::of(&[&[12, 11, 10], &[9, 8, 7], &[6, 5, 4], &[3, 2]]);
    assert_eq!(newest_first.since(10).await, (vec!["12".into(), "11".into(), "10".into()], 2));
    assert_eq!(newest_first.since(9).await.0.len(), 4);
    assert_eq!(
        newest_first.since(5).await,
        (["12", "11", "10", "9", "8", "7", "6", "5"].map(String::from).to_vec(), 3)
    );
    assert_eq!(newest_first.since(1).await.1, 4, "to its end");
    assert_eq!(newest_first.since(20).await, (vec![], 2));

    // Pages that are sorted one by one do not show that the list begins with the oldest runs.
    let oldest_first = Shelf::of(&[&[3, 2, 1], &[6, 5, 4], &[9, 8, 7]]);
    assert_eq!(oldest_first.since(8).await, (vec!["9".into(), "8".into()], 3));
    // A page without a date shows nothing, and a page sorted by itself no order.
    let filtered = Shelf::of(&[&[], &[5, 4, 3], &[12, 11]]);
    assert_eq!(filtered.since(10).await, (vec!["12".into(), "11".into()], 3));
    let timeless = Shelf::of(&[&[0], &[0]]);
    assert_eq!(timeless.since(8).await.1, 2, "a run without a time is in the list, once");
}

#[tokio::test]
async fn the_reasons_of_failed_runs_are_fetched_and_their_order_is_kept() {
    let mut shelf = Shelf::of(&[&[9, 8, 7, 6, 5, 4, 3, 2, 1]]);
    let target = Target::new(Vendor::new("shelf"), "t");
    let plain: Vec<_> = shelf.runs(&target).try_collect().await.unwrap();
    assert!(plain.iter().all(|run| run.failure.is_none()));
    assert_eq!(shelf.fetched.lock().unwrap().1, 0);
    let reasons = async |shelf: &Shelf| -> Vec<String> {
        let runs: Vec<_> = shelf.runs(&target).with_reasons().try_collect().await.unwrap();
        let why =
            |run: &RunSnapshot| run.failure.as_ref().map_or("-".to_owned(), ToString::to_string);
        runs.iter().map(why).collect()
    };
    let expected = ["bad day", "-", "bad day", "-", "bad day", "-", "bad day", "-", "bad day"];
    assert_eq!(reasons(&shelf).await, expected);
    assert_eq!(shelf.fetched.lock().unwrap().1, 5, "only failed runs");
    shelf.has_no_reasons = true;
    assert!(reasons(&shelf).await.first().unwrap().starts_with("the reason could not be fetched"));
}

#[tokio::test]
async fn a_wait_reports_its_end_once() {
    let provider = FakeProvider::new();
    let target = provider.target("nightly");
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = || {
        let reports = Arc::clone(&reports);
        move |wait: &scheduled_runs::run::FinishedWait<'_>| {
            let numbers = (wait.polls, wait.failed_polls, wait.elapsed.as_secs());
            let lag = wait.lag().map(|lag| lag.as_secs());
            reports.lock().unwrap().push((wait.outcome(), numbers, lag));
        }
    };
    let run = provider.add_run(&target, [Phase::Running, Phase::Running, Phase::Succeeded]);
    provider.fail_next_poll(error(ErrorKind::Server));
    provider.wait(&run).on_end(sink()).await.unwrap();
    let run = provider.add_run(&target, [Phase::Running]);
    provider.wait(&run).timeout(Duration::from_secs(7)).on_end(sink()).await.unwrap_err();
    // An earlier moment is an end as well, of a run that goes on.
    provider.wait(&run).until(|_| true).on_end(sink()).await.unwrap();
    let unknown = target.run("nobody-knows-it");
    provider.wait(&unknown).on_end(sink()).await.unwrap_err();
    assert_eq!(
        std::mem::take(&mut *reports.lock().unwrap()),
        [
            ("succeeded", (4, 1, 15), Some(0)),
            ("wait_timeout", (2, 0, 7), None),
            ("running", (1, 0, 0), None),
            ("not_found", (1, 1, 0), None),
        ]
    );

    let runs = [&unknown, &provider.add_run(&target, [Phase::Failed])].map(Clone::clone);
    let ends: Vec<_> = provider.wait_all(runs).on_end(sink()).ends().collect().await;
    assert_eq!(ends.len(), 2);
    let mut outcomes: Vec<_> = reports.lock().unwrap().iter().map(|report| report.0).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["failed", "not_found"]);
}

/// A vendor that needs 300 ms for each response, and whose run `first` ends at the third poll.
#[derive(Debug, Default)]
struct Slow {
    clock: ManualClock,
    polls_of_first: Mutex<usize>,
}

#[async_trait]
impl RunProvider for Slow {
    fn vendor(&self) -> Vendor {
        Vendor::new("slow")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    async fn fetch_run(&self, run: &RunRef, _: &CallLimits) -> Result<RunSnapshot> {
        self.clock.advance(Duration::from_millis(300));
        tokio::task::yield_now().await;
        let mut polls = self.polls_of_first.lock().unwrap();
        *polls += usize::from(run.id() == "first");
        let has_ended = run.id() == "first" && *polls == 3;
        Ok(RunSnapshot::new(run.clone(), if has_ended { Phase::Succeeded } else { Phase::Running }))
    }
}

#[tokio::test]
async fn runs_that_keep_joining_do_not_hold_up_the_others() {
    let provider = Slow::default();
    let run = |id: &str| Target::new(Vendor::new("slow"), id).run(id);
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let joining = stream::poll_fn(move |context| receiver.poll_recv(context));
    let mut number = 0;
    // Each run that is polled lets another one join, so that there is always one.
    let wait = provider.wait_all([run("first")]).joined_by(joining).on_update(move |_| {
        number += 1;
        let _ = sender.send(Target::new(Vendor::new("slow"), number.to_string()).run("joined"));
    });
    let mut ends = wait.ends();
    assert_eq!(ends.next().await.unwrap().unwrap().run, run("first"));
    assert!(provider.clock.elapsed() < Duration::from_secs(60), "{:?}", provider.clock.elapsed());
}

#[tokio::test]
async fn a_run_that_joins_in_a_pause_is_polled_in_it_and_one_that_joins_twice_goes_on() {
    let provider = FakeProvider::new();
    let slow = provider.add_run(&provider.target("slow"), [Phase::Running]);
    let quick = provider.add_run(&provider.target("quick"), [Phase::Succeeded]);
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let joining = stream::poll_fn(move |context| receiver.poll_recv(context));
    let wait =
        provider.wait_all([slow.clone()]).joined_by(joining).timeout(Duration::from_secs(60));
    let mut ends = wait.every(Duration::from_secs(20)).ends();
    // The first round, then the pause.
    assert!(ends.next().now_or_never().is_none());
    let polls = provider.polls();
    sender.send(slow.clone()).unwrap();
    sender.send(quick.clone()).unwrap();
    assert_eq!(ends.next().await.unwrap().unwrap().run, quick);
    assert!(
        provider.polls() > polls && provider.manual_clock().elapsed() <= Duration::from_secs(20)
    );
    // It joined again, and its time goes on from where it was.
    drop(sender);
    let error = ends.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.run()), (ErrorKind::WaitTimeout, Some(&slow)));
    assert_eq!(provider.manual_clock().elapsed(), Duration::from_secs(60));
    assert!(error.last_snapshot().is_some());
}

/// A vendor whose runs have succeeded, and who counts how many polls it has at once.
#[derive(Debug, Default)]
struct Counting {
    clock: ManualClock,
    polls: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl RunProvider for Counting {
    fn vendor(&self) -> Vendor {
        Vendor::new("counting")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    async fn fetch_run(&self, run: &RunRef, _: &CallLimits) -> Result<RunSnapshot> {
        self.most.fetch_max(self.polls.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.polls.fetch_sub(1, Ordering::SeqCst);
        Ok(RunSnapshot::new(run.clone(), Phase::Succeeded))
    }
}

#[tokio::test]
async fn a_wait_for_very_many_targets_polls_32_of_them_at_once() {
    let provider = Counting::default();
    let run = |target: u32| Target::new(Vendor::new("counting"), target.to_string()).run("r");
    let ends: Vec<_> = provider.wait_all((0..100).map(run)).ends().try_collect().await.unwrap();
    assert_eq!((ends.len(), provider.most.into_inner()), (100, 32));
}

/// A vendor whose run `broken` can never be polled, and whose others end at the third poll.
#[derive(Debug, Default)]
struct OneBroken {
    clock: ManualClock,
    polls: Mutex<usize>,
}

#[async_trait]
impl RunProvider for OneBroken {
    fn vendor(&self) -> Vendor {
        Vendor::new("one-broken")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    async fn fetch_run(&self, run: &RunRef, _: &CallLimits) -> Result<RunSnapshot> {
        if run.id() == "broken" {
            return Err(error(ErrorKind::Server));
        }
        let mut polls = self.polls.lock().unwrap();
        *polls += 1;
        let phase = if *polls < 300 { Phase::Running } else { Phase::Succeeded };
        Ok(RunSnapshot::new(run.clone(), phase))
    }
}

#[tokio::test]
async fn a_run_that_cannot_be_polled_does_not_hold_up_the_others_of_its_target() {
    let provider = OneBroken::default();
    let target = Target::new(provider.vendor(), "t");
    let mut ends =
        provider.wait_all(["broken", "fine"].map(|run| target.run(run))).forever().ends();
    assert_eq!(ends.next().await.unwrap().unwrap().run.id(), "fine");
    assert_eq!(provider.clock.elapsed(), Duration::from_secs(299 * 5), "a poll every 5 s");
}

#[tokio::test]
async fn an_error_of_a_later_page_loses_no_run_of_an_earlier_one() {
    let shelf = Shelf { fails_at: Some(1), ..Shelf::of(&[&[9, 8, 7, 6, 5, 4, 3], &[2, 1]]) };
    let target = Target::new(Vendor::new("shelf"), "t");
    let mut runs = shelf.runs(&target).with_reasons();
    for day in (3..=9).rev() {
        assert_eq!(runs.next().await.unwrap().unwrap().run.id(), day.to_string());
    }
    assert_eq!(runs.next().await.unwrap().unwrap_err().cursor(), Some(&Cursor::new("1")));
    assert!(runs.next().await.is_none());
}
