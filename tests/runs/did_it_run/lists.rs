//! What the list of runs shows: times that mislead, orders that do, runs that are listed late, lists that cannot be read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use scheduled_runs::client::{Clock, TransportErrorKind};
use scheduled_runs::run::{Capabilities, RecentRuns, Triggered};
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{
    CallLimits, Cursor, Delivery, Error, ErrorKind, Page, Phase, Result, RunProvider,
    RunProviderExt as _, RunRef, RunSnapshot, Target, Vendor, adobe, foundry, mode, supermetrics,
};

/// A vendor whose list is as odd as a test wants. All triggers are lost, and started all the same.
#[derive(Clone, Debug)]
struct Shelf {
    clock: ManualClock,
    runs: Arc<Mutex<Vec<Listed>>>,
    /// Our run: what its `created` is, after the trigger, and how long lists leave it out.
    created: TimeDelta,
    late: TimeDelta,
    starts: bool,
    oldest_first: bool,
    page: usize,
    /// How long each response takes; it shows what there was when the request came.
    takes: Duration,
    /// The vendor's `Date`, compared with our clock.
    date: Option<TimeDelta>,
    /// The list says how many runs it has.
    counted: bool,
    /// So many times, the first run of the list is deleted just before the second page is read.
    deletes: Arc<Mutex<usize>>,
    /// Lists fail from this one on.
    fails_from: usize,
    lists: Arc<Mutex<usize>>,
    triggers: Arc<Mutex<usize>>,
}

#[derive(Clone, Debug)]
struct Listed {
    id: String,
    created: DateTime<Utc>,
    from: DateTime<Utc>,
}

impl Shelf {
    /// With so many runs, an hour apart, the last an hour ago.
    fn new(runs: usize) -> Self {
        let clock = ManualClock::new();
        let now = clock.utc();
        let old = |index| Listed {
            id: format!("old-{index}"),
            created: now - TimeDelta::hours(i64::try_from(runs - index).unwrap()),
            from: now,
        };
        Self {
            clock,
            runs: Arc::new(Mutex::new((0..runs).map(old).collect())),
            created: TimeDelta::zero(),
            late: TimeDelta::zero(),
            starts: true,
            oldest_first: false,
            page: 10,
            takes: Duration::ZERO,
            date: Some(TimeDelta::zero()),
            counted: false,
            deletes: Arc::default(),
            fails_from: usize::MAX,
            lists: Arc::default(),
            triggers: Arc::default(),
        }
    }

    fn target(&self) -> Target {
        Target::new(self.vendor(), "t")
    }

    fn start(&self, id: &str) {
        let now = self.clock.utc();
        let (created, from) = (now + self.created, now + self.late);
        self.runs.lock().unwrap().push(Listed { id: id.to_owned(), created, from });
    }
}

#[async_trait]
impl RunProvider for Shelf {
    fn vendor(&self) -> Vendor {
        Vendor::new("shelf")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list().trigger()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    async fn fetch_run(&self, run: &RunRef, _: &CallLimits) -> Result<RunSnapshot> {
        Ok(RunSnapshot::new(run.clone(), Phase::Succeeded))
    }

    async fn send_trigger(
        &self,
        _: &Target,
        _: Option<&RunRef>,
        _: &CallLimits,
    ) -> Result<Triggered> {
        *self.triggers.lock().unwrap() += 1;
        if self.starts {
            self.start(&format!("ours-{}", self.triggers.lock().unwrap()));
        }
        Err(Error::new(ErrorKind::Interrupted, "cut off").after_trigger(Delivery::Unknown))
    }

    async fn recent_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        _: &CallLimits,
    ) -> Result<RecentRuns> {
        *self.lists.lock().unwrap() += 1;
        if *self.lists.lock().unwrap() >= self.fails_from {
            return Err(Error::new(ErrorKind::Server, "the shelf is closed"));
        }
        let now = self.clock.utc();
        self.clock.advance(self.takes);
        let mut runs: Vec<_> = self.runs.lock().unwrap().clone();
        runs.retain(|run| run.from <= now);
        runs.sort_by_key(|run| run.created);
        if !self.oldest_first {
            runs.reverse();
        }
        let from: usize = cursor.map_or(0, |cursor| cursor.as_str().parse().unwrap());
        if from == self.page && *self.deletes.lock().unwrap() > 0 {
            *self.deletes.lock().unwrap() -= 1;
            let first = runs.remove(0).id;
            self.runs.lock().unwrap().retain(|run| run.id != first);
        }
        let snapshot = |run: &Listed| {
            let mut snapshot = RunSnapshot::new(target.run(run.id.clone()), Phase::Queued);
            snapshot.created = Some(run.created);
            snapshot
        };
        let items = runs.iter().skip(from).take(self.page).map(snapshot).collect();
        let next = from + self.page;
        let next = (next < runs.len()).then(|| Cursor::new(next.to_string()));
        let mut page = Page::new(items, next);
        page.total = self.counted.then(|| runs.len().try_into().unwrap());
        Ok(RecentRuns::new(page, self.date.map(|ahead| now + ahead)))
    }
}

/// The run is found, or said to be among others; it is never said that nothing started, and nothing is started again.
async fn is_found(what: &str, shelf: &Shelf) {
    let run = shelf.trigger(&shelf.target()).retry_if_not_started().await;
    let run = run.unwrap_or_else(|error| panic!("{what}: {}", error.report()));
    assert_eq!((run.id(), *shelf.triggers.lock().unwrap()), ("ours-1", 1), "{what}");

    let prepared = shelf.prepare(&shelf.target()).await.unwrap();
    let intent = prepared.intent().to_string().parse().unwrap();
    let started = prepared.start().await;
    assert_eq!(started.unwrap().id(), "ours-2", "{what}");
    let found = shelf.recover(&intent).decide().await.unwrap();
    assert_eq!(found.unwrap().id(), "ours-2", "{what}");
}

#[tokio::test]
async fn a_run_is_found_whatever_its_time_and_wherever_it_stands() {
    let seconds = TimeDelta::seconds;
    let hours = TimeDelta::hours;
    let cases = [
        ("as it should be", Shelf::new(35)),
        ("no runs before", Shelf::new(0)),
        ("one run before", Shelf::new(1)),
        ("created 40 s behind", Shelf { created: seconds(-40), ..Shelf::new(35) }),
        ("due hours ago", Shelf { created: hours(-5), ..Shelf::new(35) }),
        ("due 15 hours ago, on page 2", Shelf { created: hours(-15), ..Shelf::new(35) }),
        ("created in the future", Shelf { created: seconds(70), ..Shelf::new(35) }),
        ("`Date` in the future", Shelf { date: Some(hours(3)), ..Shelf::new(35) }),
        ("`Date` in the past", Shelf { date: Some(hours(-3)), ..Shelf::new(35) }),
        ("no `Date`", Shelf { date: None, ..Shelf::new(35) }),
        ("oldest first, on page 4", Shelf { oldest_first: true, ..Shelf::new(35) }),
        ("oldest first, on page 2", Shelf { oldest_first: true, ..Shelf::new(10) }),
        ("listed 20 s late", Shelf { late: seconds(20), ..Shelf::new(35) }),
        ("listed 59 s late", Shelf { late: seconds(59), ..Shelf::new(3) }),
        (
            "listed 50 s late, and looks take 20 s",
            Shelf { late: seconds(50), takes: Duration::from_secs(20), ..Shelf::new(3) },
        ),
        ("one a page", Shelf { page: 1, ..Shelf::new(7) }),
    ];
    for (what, shelf) in cases {
        is_found(what, &shelf).await;
    }
}

#[tokio::test]
async fn nothing_started_is_said_after_a_look_at_everything_new_only() {
    for oldest_first in [false, true] {
        let shelf = Shelf { starts: false, oldest_first, ..Shelf::new(35) };
        let error = shelf.trigger(&shelf.target()).verify().await.unwrap_err();
        assert!(error.verified_not_started(), "{}", error.report());
    }
    // A day of runs is known; the list goes on for long behind them, and is not read.
    let shelf = Shelf { starts: false, ..Shelf::new(2000) };
    let error = shelf.trigger(&shelf.target()).verify().await.unwrap_err();
    assert!(error.verified_not_started(), "{}", error.report());
    let looks = 62;
    assert!(*shelf.lists.lock().unwrap() <= 3 * looks, "{:?}", shelf.lists);
    // In a long list without an order a new run may be overlooked.
    let shelf = Shelf { starts: false, oldest_first: true, page: 1000, ..Shelf::new(15_000) };
    let target = shelf.target();
    let trigger = shelf.trigger(&target).grace(Duration::from_secs(2));
    let error = trigger.retry_if_not_started().await.unwrap_err();
    assert_eq!((error.kind(), error.verified_not_started()), (ErrorKind::Ambiguous, false));
    assert!(error.to_string().contains("too long and not sorted"), "{error}");
    let intent = shelf.prepare(&shelf.target()).await.unwrap().intent().clone();
    // Not even if it is short by then: which of its runs were there before is not known of all.
    for kept in [15_000, 9] {
        shelf.runs.lock().unwrap().truncate(kept);
        let error = shelf.recover(&intent).decide().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{}", error.report());
    }
}

#[tokio::test]
async fn a_list_that_becomes_shorter_while_it_is_read_is_read_again() {
    // One run moves to the first page after that was read: it is known all the same, and is not taken for ours.
    let shelf = Shelf { counted: true, deletes: Arc::new(Mutex::new(2)), ..Shelf::new(35) };
    let intent = shelf.prepare(&shelf.target()).await.unwrap().intent().clone();
    assert_eq!(*shelf.deletes.lock().unwrap(), 0);
    let found = shelf.recover(&intent).decide().await.unwrap();
    assert_eq!(found, None, "nothing was sent");

    // Ours moves to a page that was read before.
    let shelf = Shelf { counted: true, oldest_first: true, page: 3, ..Shelf::new(3) };
    let prepared = shelf.prepare(&shelf.target()).await.unwrap();
    let intent = prepared.intent().clone();
    drop(prepared.start().now_or_never());
    shelf.clock.advance(Duration::from_secs(600));
    *shelf.deletes.lock().unwrap() = 2;
    assert_eq!(shelf.recover(&intent).decide().await.unwrap().unwrap().id(), "ours-1");

    let shelf = Shelf { counted: true, deletes: Arc::new(Mutex::new(3)), ..Shelf::new(35) };
    let error = shelf.prepare(&shelf.target()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pagination);
    assert!(error.to_string().contains("lost items each of the 3 times"), "{error}");
}

#[tokio::test]
async fn lists_that_are_counted_say_so_to_a_search() {
    let limits = CallLimits::default();
    let (reports, queries) = (FakeMode::start().await, FakeSupermetrics::start().await);
    let providers: [(Arc<dyn RunProvider>, Target); 2] = [
        (Arc::new(reports.client_builder().build().unwrap()), mode::target(FakeMode::REPORT)),
        (
            Arc::new(queries.client_builder().build().unwrap()),
            supermetrics::target(&super::query()),
        ),
    ];
    for (provider, target) in providers {
        let recent = provider.recent_runs(&target, None, &limits).await.unwrap();
        assert!(recent.page.total.is_some(), "{}", provider.vendor());
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_for_the_whole_time_is_named_as_the_reason() {
    let shelf = Shelf { fails_from: 5, ..Shelf::new(35) };
    let error = shelf.trigger(&shelf.target()).retry_if_not_started().await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Ambiguous, true));
    let said = error.to_string();
    assert!(said.contains("could not be read within 60 s: the shelf is closed"), "{said}");
    assert!(!said.contains("no new run"), "{said}");
    assert_eq!((error.verified_not_started(), *shelf.triggers.lock().unwrap()), (false, 1));
}

#[tokio::test]
async fn two_at_once_end_with_their_own_or_with_both_named() {
    let seconds = TimeDelta::seconds;
    // When the other one triggers, compared with us, and how late lists show its run and ours.
    for (theirs_at, theirs_late, ours_late) in
        [(-20, 25, 0), (-20, 25, 10), (-5, 30, 31), (-2, 3, 59), (0, 0, 0)]
    {
        let mut shelf = Shelf::new(35);
        shelf.clock.advance(Duration::from_secs(100));
        let now = shelf.clock.utc();
        // Not listed when we begin.
        let theirs = Listed {
            id: "theirs".to_owned(),
            created: now + seconds(theirs_at),
            from: (now + seconds(theirs_at + theirs_late)).max(now + TimeDelta::milliseconds(1)),
        };
        shelf.runs.lock().unwrap().push(theirs);
        shelf.late = seconds(ours_late);
        let found = shelf.trigger(&shelf.target()).verify().await;
        let what = format!("{theirs_at} {theirs_late} {ours_late}: {found:?}");
        match found {
            Ok(run) => assert_eq!(run.id(), "ours-1", "{what}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Ambiguous, "{what}");
                assert_eq!(error.candidates().len(), 2, "{what}");
            }
        }
    }
}

/// A list as Adobe writes it, `first` to `last`.
fn adobe_page(first: u32, last: u32, next: Option<&str>) -> String {
    let run = |day: u32| {
        format!(
            r#"{{"id":"r{day}","externalTrigger":"true","created":"2026-01-{:02}T04:00:00Z"}}"#,
            day + 1
        )
    };
    let runs: Vec<_> = (first..=last).map(run).collect();
    let link = next.map(|start| {
        format!(r#","_links":{{"next":{{"href":"https://platform.adobe.io/data/foundation/query/schedules/nightly/runs?start={start}"}}}}"#)
    });
    format!(r#"{{"runsSchedules":[{}]{}}}"#, runs.join(","), link.unwrap_or_default())
}

#[tokio::test]
async fn adobes_list_is_walked_to_its_end_if_it_comes_oldest_first() {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev");
    let client = builder.transport(script.clone()).clock(clock).build().unwrap();
    let look = |last: u32| {
        script.respond(200, adobe_page(1, 5, Some("2026-01-07T04:00:00Z")));
        script.respond(200, adobe_page(6, last, None));
    };
    look(9);
    script.fail(TransportErrorKind::Interrupted);
    (0..100).for_each(|_| look(10));
    let run = client.trigger(&adobe::target("nightly")).retry_if_not_started().await.unwrap();
    assert_eq!(run.id(), "r10");
    let sent = script.sent();
    assert_eq!(sent.iter().filter(|sent| sent.method() == "POST").count(), 1);
    assert!(sent[1].url().as_str().contains("start=2026-01-07"), "{}", sent[1].url());
}

#[tokio::test]
async fn foundrys_list_is_walked_to_its_end_if_it_comes_oldest_first() {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = foundry::Client::builder().hostname("acme.palantirfoundry.com");
    let client = builder.transport(script.clone()).clock(clock).build().unwrap();
    let page = |days: std::ops::RangeInclusive<u32>, next: &str| {
        let run = |day: u32| {
            format!(
                r#"{{"rid":"ri.scheduler.main.run.{day}","createdTime":"2026-01-{day:02}T04:00:00Z","createdBy":"u"}}"#
            )
        };
        let runs: Vec<_> = days.map(run).collect();
        script.respond(200, format!(r#"{{"data":[{}]{next}}}"#, runs.join(",")));
    };
    let look = |last: u32| {
        page(1..=5, r#","nextPageToken":"v1.two""#);
        page(6..=last, "");
    };
    look(9);
    script.fail(TransportErrorKind::Interrupted);
    (0..100).for_each(|_| look(10));
    let target = foundry::target("ri.scheduler.main.schedule.1");
    let run = client.trigger(&target).retry_if_not_started().await.unwrap();
    assert_eq!(run.id(), "ri.scheduler.main.run.10");
    let sent = script.sent();
    assert_eq!(sent.iter().filter(|sent| sent.method() == "POST").count(), 1);
    assert!(sent[1].url().as_str().contains("pageToken=v1.two"), "{}", sent[1].url());
}
