//! Waits that go on for ever, runs that join a wait, what a dropped wait cancels, and lists of runs since a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::ready;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use scheduled_runs::client::Clock as _;
use scheduled_runs::run::{Capabilities, Failure, History, RecentRuns};
use scheduled_runs::testing::FakeProvider;
use scheduled_runs::{Cursor, ErrorKind, Page, Phase, RunProviderExt as _, RunSnapshot, Target};
use tokio::sync::mpsc;

use crate::own::{Own, said};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn a_wait_for_ever_sits_out_a_refused_credential_and_polls_less_and_less_often() {
    let provider = FakeProvider::new();
    let run = provider.add_run(&provider.target("nightly"), [Phase::Running, Phase::Succeeded]);
    for _ in 0..200 {
        provider.fail_next_poll(said(ErrorKind::Auth));
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
    provider.fail_next_poll(said(ErrorKind::Auth));
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
        provider.fail_next_poll(said(kind));
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
        provider.fail_next_poll(said(ErrorKind::Auth));
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
    (0..10).for_each(|_| provider.fail_next_poll(said(ErrorKind::Server)));
    let wait = provider.wait(&run).every(ten).tolerate_for(ten * 2);
    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(provider.polls(), 3, "after 0, 10 and 20 s");
}

#[tokio::test]
async fn a_list_that_is_refused_says_nothing_about_the_runs_of_a_wait() {
    let provider = FakeProvider::new();
    let nightly = provider.target("nightly");
    let runs = [(); 2].map(|()| provider.add_run(&nightly, [Phase::Succeeded]));
    provider.fail_next_poll(said(ErrorKind::Denied));
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

fn day(day: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(day)
}

/// A run that was created on this day, or nobody knows when if it is 0; odd days have failed.
fn run_of(created: i64) -> RunSnapshot {
    let phase = if created % 2 == 1 { Phase::Failed } else { Phase::Succeeded };
    let mut snapshot = RunSnapshot::new(Own::target().run(created.to_string()), phase);
    snapshot.created = (created != 0).then(|| day(created));
    snapshot
}

/// A vendor with these pages of runs, whose look at a run shows why it failed.
fn shelf(pages: &[&[i64]]) -> Own {
    let pages: Vec<Vec<i64>> = pages.iter().map(|page| page.to_vec()).collect();
    let own = Own::new(Capabilities::new().list()).on_look(|_, run| {
        let mut snapshot = run_of(run.id().parse().unwrap());
        snapshot.failure = Some(Failure::new("bad day"));
        ready(Ok(snapshot))
    });
    own.on_list(move |_, page| {
        let days = &pages[page];
        let next = (page + 1 < pages.len()).then(|| Cursor::new((page + 1).to_string()));
        Ok(RecentRuns::new(Page::new(days.iter().map(|day| run_of(*day)).collect(), next), None))
    })
}

/// The runs since this day, and how many pages were fetched.
async fn since(own: &Own, time: i64) -> (Vec<String>, usize) {
    let before = own.lists();
    let runs: Vec<_> = own.runs(&Own::target()).since(day(time)).try_collect().await.unwrap();
    (runs.iter().map(|run| run.run.id().to_owned()).collect(), own.lists() - before)
}

#[tokio::test]
async fn a_list_since_a_time_ends_where_its_runs_are_older() {
    let newest_first = shelf(&[&[12, 11, 10], &[9, 8, 7], &[6, 5, 4], &[3, 2]]);
    assert_eq!(since(&newest_first, 10).await, (vec!["12".into(), "11".into(), "10".into()], 2));
    assert_eq!(since(&newest_first, 9).await.0.len(), 4);
    assert_eq!(
        since(&newest_first, 5).await,
        (["12", "11", "10", "9", "8", "7", "6", "5"].map(String::from).to_vec(), 3)
    );
    assert_eq!(since(&newest_first, 1).await.1, 4, "to its end");
    assert_eq!(since(&newest_first, 20).await, (vec![], 2));

    // Pages that are sorted one by one do not show that the list begins with the oldest runs.
    let oldest_first = shelf(&[&[3, 2, 1], &[6, 5, 4], &[9, 8, 7]]);
    assert_eq!(since(&oldest_first, 8).await, (vec!["9".into(), "8".into()], 3));
    // A page without a date shows nothing, and a page sorted by itself no order.
    let filtered = shelf(&[&[], &[5, 4, 3], &[12, 11]]);
    assert_eq!(since(&filtered, 10).await, (vec!["12".into(), "11".into()], 3));
    let timeless = shelf(&[&[0], &[0]]);
    assert_eq!(since(&timeless, 8).await.1, 2, "a run without a time is in the list, once");
}

#[tokio::test]
async fn the_reasons_of_failed_runs_are_fetched_and_their_order_is_kept() {
    let own = shelf(&[&[9, 8, 7, 6, 5, 4, 3, 2, 1]]);
    let plain: Vec<_> = own.runs(&Own::target()).try_collect().await.unwrap();
    assert!(plain.iter().all(|run| run.failure.is_none()));
    assert_eq!(own.looks(), 0);
    let reasons = async |own: &Own| -> Vec<String> {
        let runs: Vec<_> = own.runs(&Own::target()).with_reasons().try_collect().await.unwrap();
        let why =
            |run: &RunSnapshot| run.failure.as_ref().map_or("-".to_owned(), ToString::to_string);
        runs.iter().map(why).collect()
    };
    let expected = ["bad day", "-", "bad day", "-", "bad day", "-", "bad day", "-", "bad day"];
    assert_eq!(reasons(&own).await, expected);
    assert_eq!(own.looks(), 5, "only failed runs");
    let unexplained = own.on_look(|_, _| ready(Err(said(ErrorKind::Server))));
    let reasons = reasons(&unexplained).await;
    assert!(reasons.first().unwrap().starts_with("the reason could not be fetched"));
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
    provider.fail_next_poll(said(ErrorKind::Server));
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

#[tokio::test]
async fn runs_that_keep_joining_do_not_hold_up_the_others() {
    let own = Own::new(Capabilities::new());
    let (clock, polls_of_first) = (own.clock.clone(), Arc::new(AtomicUsize::new(0)));
    // Each response needs 300 ms, and the run `first` ends at the third poll.
    let provider = own.on_look(move |_, run| {
        clock.advance(Duration::from_millis(300));
        let is_first = run.id() == "first";
        let polls = polls_of_first.fetch_add(usize::from(is_first), Ordering::SeqCst);
        let phase = if is_first && polls == 2 { Phase::Succeeded } else { Phase::Running };
        async move {
            tokio::task::yield_now().await;
            Ok(RunSnapshot::new(run, phase))
        }
    });
    let run = |id: &str| Target::new(Own::VENDOR, id).run(id);
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let joining = stream::poll_fn(move |context| receiver.poll_recv(context));
    let mut number = 0;
    // Each run that is polled lets another one join, so that there is always one.
    let wait = provider.wait_all([run("first")]).joined_by(joining).on_update(move |_| {
        number += 1;
        let _ = sender.send(Target::new(Own::VENDOR, number.to_string()).run("joined"));
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

#[tokio::test]
async fn a_wait_for_very_many_targets_polls_32_of_them_at_once() {
    let [polls, most] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let most_so_far = Arc::clone(&most);
    let provider = Own::new(Capabilities::new()).on_look(move |_, run| {
        let (polls, most) = (Arc::clone(&polls), Arc::clone(&most_so_far));
        async move {
            most.fetch_max(polls.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            polls.fetch_sub(1, Ordering::SeqCst);
            Ok(RunSnapshot::new(run, Phase::Succeeded))
        }
    });
    let run = |target: u32| Target::new(Own::VENDOR, target.to_string()).run("r");
    let ends: Vec<_> = provider.wait_all((0..100).map(run)).ends().try_collect().await.unwrap();
    assert_eq!((ends.len(), most.load(Ordering::SeqCst)), (100, 32));
}

#[tokio::test]
async fn a_run_that_cannot_be_polled_does_not_hold_up_the_others_of_its_target() {
    let polls = AtomicUsize::new(0);
    let provider = Own::new(Capabilities::new()).on_look(move |_, run| {
        if run.id() == "broken" {
            return ready(Err(said(ErrorKind::Server)));
        }
        let has_ended = polls.fetch_add(1, Ordering::SeqCst) == 299;
        ready(Ok(RunSnapshot::new(run, if has_ended { Phase::Succeeded } else { Phase::Running })))
    });
    let runs = ["broken", "fine"].map(|run| Own::target().run(run));
    let mut ends = provider.wait_all(runs).forever().ends();
    assert_eq!(ends.next().await.unwrap().unwrap().run.id(), "fine");
    assert_eq!(provider.clock.elapsed(), Duration::from_secs(299 * 5), "a poll every 5 s");
}

#[tokio::test]
async fn responses_that_take_long_leave_out_no_round_at_the_shortest_interval() {
    let own = Own::new(Capabilities::new().poll_floor(Duration::from_secs(5)));
    let clock = own.clock.clone();
    let slow = own.on_look(move |look, run| {
        clock.advance(Duration::from_millis(300));
        ready(Ok(RunSnapshot::new(run, if look < 5 { Phase::Running } else { Phase::Succeeded })))
    });
    let wait = slow.wait_all([Own::target().run("7")]).every(Duration::from_secs(5));
    assert_eq!(wait.ends().try_collect::<Vec<_>>().await.unwrap().len(), 1);
    assert_eq!(slow.clock.elapsed(), Duration::from_millis(4 * 5000 + 300));
}

#[tokio::test]
async fn the_shortest_interval_of_a_target_holds_in_a_wait_for_many_as_in_a_wait_for_one() {
    let minute = Duration::from_secs(60);
    for many in [false, true] {
        let own = Own::new(Capabilities::new()).of_targets(Capabilities::new().poll_floor(minute));
        let own = own.on_look(|look, run| {
            let phase = if look < 4 { Phase::Running } else { Phase::Succeeded };
            ready(Ok(RunSnapshot::new(run, phase)))
        });
        let run = Own::target().run("7");
        if many {
            own.wait_all([run]).ends().next().await.unwrap().unwrap();
        } else {
            own.wait(&run).await.unwrap();
        }
        assert_eq!(own.clock.elapsed(), 3 * minute, "many: {many}");
    }
}

#[tokio::test]
async fn a_run_that_cannot_be_polled_rests_also_while_the_others_are_listed() {
    let own = Own::new(Capabilities::new().list());
    let (clock, began) = (own.clock.clone(), own.clock.now());
    let end = Duration::from_secs(3600);
    let own = own.on_look(|_, _| ready(Err(said(ErrorKind::Server)))).on_list(move |_, _| {
        let phase = if clock.now() - began < end { Phase::Running } else { Phase::Succeeded };
        let fine = ["fine", "good"].map(|run| RunSnapshot::new(Own::target().run(run), phase));
        Ok(RecentRuns::new(Page::new(fine.to_vec(), None), None))
    });
    let runs = ["fine", "good", "broken"].map(|run| Own::target().run(run));
    let mut ends = own.wait_all(runs).forever().ends();
    for run in ["fine", "good"] {
        assert_eq!(ends.next().await.unwrap().unwrap().run.id(), run);
    }
    let rounds = 1 + 3600 / 5;
    assert!(own.lists() >= rounds, "{} lists", own.lists());
    assert!((2..rounds / 5).contains(&own.looks()), "{} looks", own.looks());
}

#[tokio::test]
async fn a_wait_for_paced_runs_sleeps_from_one_poll_to_the_next() {
    let provider = FakeProvider::new();
    let target = provider.target("nightly");
    let history = History::new(target.clone(), [590, 600, 610, 605, 595].map(Duration::from_secs));
    let run =
        provider.add_run(&target, [[Phase::Running; 9].as_slice(), &[Phase::Failed]].concat());
    let wait = provider.wait_all([run]).paced_by(history);
    assert_eq!(wait.ends().try_collect::<Vec<_>>().await.unwrap().len(), 1);
    let (sleeps, polls) = (provider.manual_clock().sleeps().len(), provider.polls());
    assert!(sleeps <= polls, "{sleeps} sleeps, {polls} polls");
}

#[tokio::test]
async fn an_error_of_a_later_page_loses_no_run_of_an_earlier_one() {
    let own = shelf(&[]).on_list(|_, page| match page {
        0 => {
            let runs = (3..=9).rev().map(run_of).collect();
            Ok(RecentRuns::new(Page::new(runs, Some(Cursor::new("1"))), None))
        }
        _ => Err(said(ErrorKind::Server)),
    });
    let mut runs = own.runs(&Own::target()).with_reasons();
    for day in (3..=9).rev() {
        assert_eq!(runs.next().await.unwrap().unwrap().run.id(), day.to_string());
    }
    assert_eq!(runs.next().await.unwrap().unwrap_err().cursor(), Some(&Cursor::new("1")));
    assert!(runs.next().await.is_none());
}
