//! What triggers and waits say when things go wrong around them, with answers written in the test.
#![cfg(feature = "adobe")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{pending, ready};
use futures_util::{FutureExt as _, StreamExt as _};
use scheduled_runs::Vendor;
use scheduled_runs::adobe::{self, ListRuns, ListSchedules};
use scheduled_runs::client::{
    ApiRequest, Clock, Credential, CredentialContext, Endpoint, Idempotency, Limits, Meta,
    TransportErrorKind,
};
use scheduled_runs::run::{Capabilities, Events, RecentRuns, Recovery, Triggered};
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::{FakeProvider, ManualClock, ScriptedTransport};
use scheduled_runs::{
    CallLimits, CancelOutcome, Cursor, Delivery, Error, ErrorKind, Page, Phase, Result,
    RunProvider, RunProviderExt as _, RunRef, RunSnapshot, Target,
};

use crate::own::{Own, lost, said, started};

const NO_RUNS: &str = r#"{"runsSchedules":[]}"#;
const TAKEN: &str = r#"{"message":"taken","statusCode":202}"#;

fn scripted() -> (ScriptedTransport, ManualClock, adobe::Client) {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev");
    let client = builder.transport(script.clone()).clock(clock.clone()).build().unwrap();
    (script, clock, client)
}

fn target() -> Target {
    adobe::target("nightly")
}

#[tokio::test]
async fn nothing_is_verified_while_the_list_cannot_be_had() {
    let (script, _, client) = scripted();
    script.respond(200, NO_RUNS);
    script.fail(TransportErrorKind::Interrupted);
    // One look works at once, which is too early to tell; then none does until the grace time is over.
    script.respond(200, NO_RUNS);
    for _ in 0..1000 {
        script.respond(503, "");
    }
    let error = client.trigger(&target()).verify().await.unwrap_err();
    assert_eq!(
        (error.verified_not_started(), error.may_have_run()),
        (false, true),
        "{}",
        error.report()
    );
}

#[tokio::test]
async fn a_debug_print_of_a_call_that_is_not_made_yet_names_its_run_or_target() {
    let provider = FakeProvider::new();
    let target = provider.target("nightly");
    let run = target.run("42");
    let prepared = provider.prepare(&target).await.unwrap();
    let intent = prepared.intent().clone();
    let printed = |value: &dyn std::fmt::Debug| format!("{value:?}");
    let wait = provider.wait(&run).timeout(Duration::from_secs(71));
    let cases: [(String, &[&str]); 10] = [
        (printed(&run), &["RunRef", "nightly", "42"]),
        (printed(&provider.trigger(&target)), &["Trigger", "nightly"]),
        (printed(&wait), &["Wait", "nightly", "42", "timeout: 71s", "Wakes(false)"]),
        (printed(&provider.trigger_and_wait(&target)), &["Wait", "Trigger", "nightly"]),
        (printed(&provider.wait_all([run])), &["WaitAll", "runs: 1", "timeout"]),
        (printed(&provider.runs(&target)), &["Runs", "nightly"]),
        (printed(&provider.prepare(&target)), &["Prepare", "nightly"]),
        (printed(&prepared), &["Prepared", "nightly", intent.id()]),
        (printed(&provider.recover(&intent)), &["Recover", intent.id()]),
        (printed(&Events::new()), &["Events", "waits: 0"]),
    ];
    for (printed, shown) in cases {
        for part in shown {
            assert!(printed.contains(part), "{part} is missing: {printed}");
        }
    }
}

type Prepare<'a> = Box<dyn Fn(&ScriptedTransport) + 'a>;

#[tokio::test]
async fn every_error_after_a_trigger_says_that_it_may_have_run() {
    let run = |id: &str| format!(r#"{{"id":"{id}","externalTrigger":true}}"#);
    let two = format!(r#"{{"runsSchedules":[{},{}]}}"#, run("a"), run("b"));
    let one = format!(r#"{{"runsSchedules":[{}]}}"#, run("a"));
    let cases: [(&str, Prepare<'_>, ErrorKind, Delivery); 4] = [
        (
            "accepted, then the list is refused",
            Box::new(|script| {
                script.respond(202, TAKEN);
                script.respond(403, "");
            }),
            ErrorKind::Denied,
            Delivery::Answered,
        ),
        (
            "accepted, then no run appears",
            Box::new(|script| {
                script.respond(202, TAKEN);
                (0..100).for_each(|_| script.respond(200, NO_RUNS));
            }),
            ErrorKind::Ambiguous,
            Delivery::Answered,
        ),
        (
            "lost, then two runs appear",
            Box::new(|script| {
                script.fail(TransportErrorKind::Interrupted);
                script.respond(200, two.clone());
            }),
            ErrorKind::Ambiguous,
            Delivery::Unknown,
        ),
        (
            "accepted and found, then the run cannot be looked at",
            Box::new(|script| {
                script.respond(202, TAKEN);
                (0..4).for_each(|_| script.respond(200, one.clone()));
                script.respond(403, "");
            }),
            ErrorKind::Denied,
            Delivery::Answered,
        ),
    ];
    for (what, prepare, kind, delivery) in cases {
        let (script, _, client) = scripted();
        script.respond(200, NO_RUNS);
        prepare(&script);
        let error = client.trigger(&target()).verify().wait().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (kind, delivery),
            "{what}: {}",
            error.report()
        );
        assert!(error.may_have_run(), "{what}");
        assert!(error.report().contains("may have run yes"), "{}", error.report());
        assert_eq!(
            script.sent().iter().filter(|sent| sent.method() == "POST").count(),
            1,
            "{what}"
        );
    }
}

#[tokio::test]
async fn looking_for_the_run_waits_as_long_as_the_server_asks() {
    let (script, clock, client) = scripted();
    script.respond(200, NO_RUNS);
    script.respond(202, TAKEN);
    for _ in 0..10 {
        let mut busy = http::Response::new(bytes::Bytes::new());
        *busy.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
        busy.headers_mut().insert("retry-after", "90".parse().unwrap());
        script.respond_with(busy);
    }
    let error = client.trigger(&target()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    assert!(script.sent().len() <= 4, "{} requests", script.sent().len());
    assert!(clock.elapsed() <= Duration::from_secs(60), "{:?}", clock.elapsed());
}

#[tokio::test]
async fn a_provider_of_ones_own_can_lose_a_trigger_and_have_it_verified() {
    let own = Own::new(Capabilities::new().list().trigger_names_run());
    let error = own.trigger(&Own::target()).verify().await.unwrap_err();
    assert!(error.may_have_run() && error.verified_not_started());
    assert_eq!(own.scope(), None, "a provider has no accounts unless it says so");
}

/// A vendor whose callers choose the ids of runs. Its trigger is lost; the run is there from some look on.
fn chosen(found_at: usize, refuses: bool) -> Own {
    let own = Own::new(Capabilities::new().caller_names_run()).named("chosen-7");
    let own = own.on_trigger(|_, run| async move {
        assert_eq!(run.unwrap().id(), "chosen-7");
        Err(lost())
    });
    own.on_look(move |look, run| async move {
        match look {
            look if look >= found_at => Ok(RunSnapshot::new(run, Phase::Queued)),
            _ if refuses => Err(said(ErrorKind::Denied)),
            2 => Err(said(ErrorKind::Server)),
            _ => Err(said(ErrorKind::NotFound)),
        }
    })
}

#[tokio::test]
async fn a_lost_trigger_whose_run_has_a_chosen_id_is_looked_up_by_it() {
    let target = Own::target();
    for found_at in [1, 5] {
        let provider = chosen(found_at, false);
        assert_eq!(provider.trigger(&target).verify().await.unwrap(), target.run("chosen-7"));
        assert_eq!(provider.looks(), found_at);
    }
    let unverified = chosen(1, false);
    let error = unverified.trigger(&target).await.unwrap_err();
    assert_eq!((error.run(), error.may_have_run()), (Some(&target.run("chosen-7")), true));
    assert_eq!(unverified.looks(), 0);
}

#[tokio::test]
async fn a_cancel_that_is_refused_has_come_too_late_only_if_the_run_has_ended() {
    let run = |state: &str| format!(r#"{{"id":"r1","state":"{state}"}}"#);
    let going = || (200, run("IN_PROGRESS"));
    for (then, outcome) in [
        (vec![(400, String::new()), (200, run("FAILED"))], Ok(CancelOutcome::AlreadyFinished)),
        (vec![(400, String::new()), going()], Err(ErrorKind::Rejected)),
        (vec![(403, String::new())], Err(ErrorKind::Denied)),
    ] {
        let (script, _, client) = scripted();
        let responses: Vec<_> = [going()].into_iter().chain(then).collect();
        let count = responses.len();
        for (status, body) in responses {
            script.respond(status, body);
        }
        let cancelled = client.cancel(&target().run("r1")).await;
        assert_eq!(cancelled.map_err(|error| error.kind()), outcome);
        let sent: Vec<_> = script.sent().iter().map(|sent| sent.method().clone()).collect();
        assert_eq!((sent.len(), sent[0].as_str(), sent[1].as_str()), (count, "GET", "PATCH"));
    }
}

#[tokio::test]
async fn a_failed_run_is_explained_by_the_state_of_its_own_query_where_there_is_no_error() {
    let query = |id: &str, schedule: &str, state: &str| {
        let link = format!(r#"{{"schedule":{{"href":"/s","id":"{schedule}"}}}}"#);
        format!(r#"{{"id":"{id}","state":"{state}","_links":{link}}}"#)
    };
    let (script, _, client) = scripted();
    script.respond(200, r#"{"id":"r1","state":"FAILED"}"#);
    let [others, own] = [query("q1", "hourly", "KILLED"), query("q2", "nightly", "TIMEOUT")];
    script.respond(200, format!(r#"{{"queries":[{others},{own}]}}"#));
    let failed = client.snapshot(&target().run("r1")).await.unwrap();
    assert_eq!(failed.phase, Phase::Failed, "the cancelled query is of another schedule");
    let failure = failed.failure.unwrap().to_string();
    assert!(failure.contains("ended as TIMEOUT") && failure.contains("q2"), "{failure}");
}

/// What one look at a list shows: pages of runs, each with its age in hours when the test began.
type Listed = Vec<Vec<(&'static str, i64)>>;

/// A vendor whose triggers name no run. The test says what each look at its list shows; the last one stays.
fn listing(shown: Vec<Listed>) -> Own {
    let own = Own::new(Capabilities::new().list().trigger());
    let (clock, start) = (own.clock.clone(), own.clock.utc());
    let looks = AtomicUsize::new(0);
    own.on_trigger(|_, _| ready(Ok(Triggered::new(None)))).on_list(move |_, page| {
        let look =
            looks.fetch_add(usize::from(page == 0), Ordering::Relaxed) - usize::from(page > 0);
        let list = shown.get(look).or(shown.last()).unwrap();
        let runs = list[page].iter().map(|(id, hours)| {
            let mut run = RunSnapshot::new(Own::target().run(*id), Phase::Running);
            run.created = Some(start - TimeDelta::hours(*hours));
            run
        });
        let next = (page + 1 < list.len()).then(|| Cursor::new((page + 1).to_string()));
        Ok(RecentRuns::new(Page::new(runs.collect(), next), Some(clock.utc())))
    })
}

#[tokio::test]
async fn a_new_run_is_searched_behind_known_ones_and_must_stay_the_only_one() {
    let known = || vec![vec![("known-1", 1)], vec![("known-2", 48)]];
    let first = |ids: &[&'static str]| vec![ids.iter().map(|id| (*id, 0)).collect()];
    for (lists, found) in [
        // It is sorted by the time for which it was due.
        (
            vec![known(), vec![vec![("known-1", 1)], vec![("new", 2), ("known-2", 48)]]],
            Ok("new".to_owned()),
        ),
        (vec![first(&[]), first(&[]), first(&["new"])], Ok("new".to_owned())),
        (vec![first(&[]), first(&[]), first(&["new"]), first(&["new", "late"])], Err(2)),
    ] {
        let provider = listing(lists);
        let found_run = provider.trigger(&Own::target()).settle(Duration::from_secs(1)).await;
        let found_run = found_run.map(|run| run.id().to_owned());
        assert_eq!(found_run.map_err(|error| error.candidates().len()), found);
    }
}

/// A vendor all of whose methods do what no default does.
#[derive(Clone, Debug)]
struct Whole(ManualClock);

#[async_trait]
impl RunProvider for Whole {
    fn vendor(&self) -> Vendor {
        Vendor::new("whole")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().caller_names_run().cancel()
    }

    fn capabilities_of(&self, target: &Target) -> Capabilities {
        if target.id() == "t" { self.capabilities() } else { Capabilities::new() }
    }

    fn scope(&self) -> Option<&str> {
        Some("whole-account")
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.0.clone())
    }

    async fn fetch_run(&self, _: &RunRef, _: &CallLimits) -> Result<RunSnapshot> {
        Err(said(ErrorKind::NotFound))
    }

    async fn fetch_run_again(&self, last: &RunSnapshot, _: &CallLimits) -> Result<RunSnapshot> {
        Ok(RunSnapshot::new(last.run.clone(), Phase::Skipped))
    }

    async fn fetch_durations(&self, _: &Target, _: &CallLimits) -> Result<Vec<Duration>> {
        Ok(vec![Duration::from_secs(7)])
    }

    async fn fetch_runs(
        &self,
        _: &Target,
        runs: &[RunRef],
        _: &CallLimits,
    ) -> Result<Vec<RunSnapshot>> {
        Ok(runs.iter().map(|run| RunSnapshot::new(run.clone(), Phase::Queued)).collect())
    }

    async fn fetch_runs_again(
        &self,
        _: &Target,
        last: &[RunSnapshot],
        _: &CallLimits,
    ) -> Result<Vec<RunSnapshot>> {
        Ok(last.iter().map(|last| RunSnapshot::new(last.run.clone(), Phase::Failed)).collect())
    }

    fn name_run(&self, target: &Target) -> Result<Option<RunRef>> {
        Ok(Some(target.run("whole-7")))
    }

    async fn send_trigger(
        &self,
        _: &Target,
        run: Option<&RunRef>,
        _: &CallLimits,
    ) -> Result<Triggered> {
        Ok(Triggered::new(run.cloned()))
    }
}

#[tokio::test]
async fn an_arc_of_a_provider_does_what_the_provider_does() {
    let limits = CallLimits::default();
    let provider = Whole(ManualClock::new());
    let target = Target::new(provider.vendor(), "t");
    let run = target.run("whole-7");
    let shared = Arc::new(provider.clone());
    // Of the Arc itself, as a function sees it that takes any provider.
    let shared: &dyn RunProvider = &shared;
    assert_eq!((shared.vendor(), shared.scope()), (provider.vendor(), Some("whole-account")));
    assert_eq!(shared.capabilities(), provider.capabilities());
    assert_eq!(shared.capabilities_of(&target), provider.capabilities());
    assert_eq!(shared.capabilities_of(&Target::new(provider.vendor(), "u")), Capabilities::new());
    assert_eq!(shared.clock().now(), provider.0.now());
    assert_eq!(shared.name_run(&target).unwrap(), Some(run.clone()));
    assert_eq!(shared.fetch_durations(&target, &limits).await.unwrap(), [Duration::from_secs(7)]);
    let queued = shared.fetch_runs(&target, std::slice::from_ref(&run), &limits).await.unwrap();
    assert_eq!(queued, [RunSnapshot::new(run.clone(), Phase::Queued)]);
    let again = shared.fetch_runs_again(&target, &queued, &limits).await.unwrap();
    assert_eq!(again, [RunSnapshot::new(run.clone(), Phase::Failed)]);
    let skipped = shared.fetch_run_again(&queued[0], &limits).await.unwrap();
    assert_eq!(skipped.phase, Phase::Skipped);
    let triggered = shared.send_trigger(&target, Some(&run), &limits).await.unwrap();
    assert_eq!(triggered.run, Some(run));
}

#[tokio::test]
async fn a_start_is_prepared_without_a_list_only_where_there_is_none_and_the_vendor_names_the_run()
{
    let (names_run, lists) =
        (Capabilities::new().trigger_names_run(), Capabilities::new().trigger());
    for (capabilities, list, outcome) in [
        (names_run.clone(), ErrorKind::Unsupported, Ok("7")),
        (names_run, ErrorKind::Denied, Err(ErrorKind::Denied)),
        (lists, ErrorKind::Unsupported, Err(ErrorKind::Unsupported)),
    ] {
        let own = Own::new(capabilities).on_list(move |_, _| Err(said(list)));
        let own = own.on_trigger(|_, _| ready(Ok(started())));
        let started = match own.prepare(&Own::target()).await {
            Ok(prepared) => prepared.start().await,
            Err(error) => Err(error),
        };
        let started = started.as_ref().map(RunRef::id).map_err(Error::kind);
        assert_eq!(started, outcome, "{list:?}");
    }
}

#[tokio::test]
async fn an_error_names_the_run_whose_id_the_caller_chose_only_if_it_may_have_started() {
    for (kind, may_have_run) in [(ErrorKind::Denied, false), (ErrorKind::Interrupted, true)] {
        let own = Own::new(Capabilities::new().caller_names_run()).named("7");
        let own = own.on_trigger(move |_, _| async move {
            Err(if may_have_run { lost() } else { said(ErrorKind::Denied) })
        });
        let error = own.trigger(&Own::target()).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, may_have_run));
        assert_eq!(error.run(), may_have_run.then(|| Own::target().run("7")).as_ref());
    }
}

#[tokio::test]
async fn a_recovery_by_id_believes_that_nothing_started_only_where_that_is_certain() {
    let by_id = Capabilities::new().caller_names_run();
    let listed_since = |time| {
        let listed = move || RecentRuns::new(Page::new(Vec::new(), None), None).kept_since(time);
        Own::new(by_id.clone().list()).named("7").on_list(move |_, _| Ok(listed()))
    };
    // The second page shows that the list is cut.
    let cut = Own::new(by_id.clone().list()).named("7").on_list(|_, page| {
        let (next, since) = match page {
            0 => (Some(Cursor::new("1")), DateTime::UNIX_EPOCH),
            _ => (None, DateTime::<Utc>::MAX_UTC),
        };
        let runs = vec![RunSnapshot::new(Own::target().run("6"), Phase::Succeeded)];
        Ok(RecentRuns::new(Page::new(runs, next), None).kept_since(Some(since)))
    });
    for (provider, outcome) in [
        (Own::new(by_id.clone()).named("7"), Ok(None)),
        (listed_since(None), Ok(None)),
        (listed_since(Some(DateTime::UNIX_EPOCH)), Ok(None)),
        // It may have ended, and is not listed any more.
        (listed_since(Some(DateTime::<Utc>::MAX_UTC)), Err(ErrorKind::Ambiguous)),
        (cut, Err(ErrorKind::Ambiguous)),
    ] {
        let prepared = provider.prepare(&Own::target()).await.unwrap();
        let intent = prepared.intent().clone();
        let recovered = provider.recover(&intent).decide().await;
        assert_eq!(recovered.map_err(|error| error.kind()), outcome);
    }

    let provider = FakeProvider::new();
    provider.callers_name_runs(true);
    let intent = lost_start(&provider).await;
    provider.fail_next_poll(said(ErrorKind::Denied));
    assert_eq!(provider.recover(&intent).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(provider.lists(), 0, "what could not be asked for is not taken for missing");
}

#[tokio::test]
async fn a_trigger_is_sent_once_more_only_where_that_is_chosen_and_nothing_started() {
    let target = Own::target();
    // lost triggers, whether a retry is chosen, triggers sent, whether a run is known in the end
    for (lost_ones, chosen, sent, known) in
        [(1, false, 1, false), (1, true, 2, true), (5, true, 2, false), (0, true, 1, true)]
    {
        let own = Own::new(Capabilities::new().list().trigger_names_run());
        let provider = own.on_trigger(move |number, _| {
            ready(if number <= lost_ones { Err(lost()) } else { Ok(started()) })
        });
        let trigger = provider.trigger(&target).verify();
        let trigger = if chosen { trigger.retry_if_not_started() } else { trigger };
        let run = trigger.await;
        assert_eq!(run.is_ok(), known, "{lost_ones} {chosen}");
        assert_eq!(provider.triggers(), sent, "{lost_ones} {chosen}");
        assert!(run.map_or_else(|error| error.may_have_run(), |run| run == target.run("7")));
    }
    // A run that did start is found, and nothing is sent again.
    let provider = FakeProvider::new();
    provider.lose_next_trigger_response();
    let run = provider.trigger(&provider.target("t")).retry_if_not_started().await;
    assert_eq!((run.is_ok(), provider.triggers()), (true, 1));
}

#[tokio::test]
async fn a_run_of_a_chosen_id_that_never_appears_did_not_start_and_a_refused_look_says_nothing() {
    let target = Own::target();
    let provider = chosen(usize::MAX, false);
    let lost = provider.trigger(&target).verify().grace(Duration::from_secs(9)).await.unwrap_err();
    assert!(lost.verified_not_started(), "{}", lost.report());
    assert_eq!(provider.clock.sleeps().into_iter().sum::<Duration>(), Duration::from_secs(9));

    let provider = chosen(usize::MAX, true);
    let lost = provider.trigger(&target).verify().await.unwrap_err();
    assert_eq!((lost.kind(), lost.verified_not_started()), (ErrorKind::Interrupted, false));
    assert_eq!(provider.looks(), 1);
}

#[tokio::test]
async fn a_run_of_a_chosen_id_did_not_start_only_if_a_look_after_the_grace_time_says_so() {
    let own = Own::new(Capabilities::new().caller_names_run()).named("7");
    let (clock, began) = (own.clock.clone(), own.clock.now());
    // It is there after 50 s. A look takes 20 s, and shows what there was when it began.
    let own = own.on_look(move |_, run| {
        let is_there = clock.now() - began >= Duration::from_secs(50);
        clock.advance(Duration::from_secs(20));
        let run = RunSnapshot::new(run, Phase::Running);
        ready(if is_there { Ok(run) } else { Err(said(ErrorKind::NotFound)) })
    });
    assert_eq!(own.trigger(&Own::target()).retry_if_not_started().await.unwrap().id(), "7");
    assert_eq!(own.triggers(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_never_ends_does_not_outlive_its_wait() {
    let own = Own::new(Capabilities::new()).on_look(|_, _| pending());
    let error = own
        .wait(&Own::target().run("7"))
        .timeout(Duration::from_secs(3))
        .tolerate(0)
        .await
        .unwrap_err();
    assert_eq!(error.timeout_phase(), Some(scheduled_runs::TimeoutPhase::Call), "{error}");
}

#[tokio::test]
async fn a_wait_that_its_own_limit_cuts_off_says_so_and_cancels_if_asked() {
    for asked in [true, false] {
        // The second look takes longer than the wait has, and fails.
        let own = Own::new(Capabilities::new().cancel());
        let clock = own.clock.clone();
        let slow = own.on_look(move |look, run| {
            if look == 1 {
                return ready(Ok(RunSnapshot::new(run, Phase::Running)));
            }
            clock.advance(Duration::from_secs(20));
            ready(Err(Error::new(ErrorKind::Server, "busy")))
        });
        let wait = slow.wait(&Own::target().run("7")).timeout(Duration::from_secs(10)).tolerate(0);
        let wait = if asked { wait.cancel_on_timeout() } else { wait };
        let error = wait.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{}", error.report());
        assert_eq!(error.last_snapshot().unwrap().phase, Phase::Running);
        assert!(error.report().contains("busy"), "the last cause is inside: {}", error.report());
        assert_eq!(slow.cancels(), usize::from(asked));
    }
}

#[tokio::test]
async fn a_run_that_has_ended_when_its_wait_is_to_cancel_it_is_returned() {
    let shows = |end| {
        let own = Own::new(Capabilities::new().cancel());
        let own = own.on_look(move |look, run| {
            let phase = if look == 1 { Phase::Running } else { end };
            ready(Ok(RunSnapshot::new(run, phase)))
        });
        own.on_cancel(|_, _| Ok(CancelOutcome::AlreadyFinished))
    };
    let run = Own::target().run("7");
    let (minute, limit) = (Duration::from_secs(60), Duration::from_secs(10));
    let own = shows(Phase::Succeeded);
    let mut updates = 0;
    let wait = own.wait(&run).every(minute).timeout(limit).cancel_on_timeout();
    assert_eq!(wait.on_update(|_| updates += 1).await.unwrap().phase, Phase::Succeeded);
    assert_eq!((own.looks(), own.cancels(), updates), (2, 1, 2));

    let own = shows(Phase::Running);
    let error = own.wait(&run).every(minute).timeout(limit).cancel_on_timeout().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert!(error.to_string().ends_with("it had already ended when it was to be cancelled"));
}

#[tokio::test]
async fn a_wait_that_gives_up_after_an_outage_says_how_long_that_was() {
    let run = Own::target().run("7");
    for (tolerated, text) in
        [(0, "the test says so"), (2, "the test says so; 3 polls in a row have failed, over 10 s")]
    {
        let own = Own::new(Capabilities::new());
        let own = own.on_look(|_, _| ready(Err(said(ErrorKind::Server))));
        let wait = own.wait(&run).every(Duration::from_secs(5)).tolerate(tolerated);
        assert_eq!(wait.await.unwrap_err().to_string(), text);
    }
}

#[tokio::test]
async fn a_wait_that_ran_out_of_time_says_what_was_seen_of_the_run() {
    let run = Own::target().run("7");
    let limit = Duration::from_secs(10);
    for (seen, said) in [
        (Ok(Phase::Queued), "it was queued when it was last seen"),
        (Err(ErrorKind::Server), "nothing is known of it, because no poll has succeeded"),
    ] {
        let own = Own::new(Capabilities::new());
        let own = own.on_look(move |_, run| {
            ready(seen.map(|phase| RunSnapshot::new(run, phase)).map_err(crate::own::said))
        });
        let error = own.wait(&run).timeout(limit).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        let error = own.wait_all([run.clone()]).timeout(limit).ends().next().await.unwrap();
        assert!(error.as_ref().unwrap_err().to_string().contains(said), "{error:?}");
    }
}

#[tokio::test]
async fn a_blip_of_the_token_endpoint_does_not_end_a_wait() {
    let fake = FakeAdobe::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let run = client.trigger(&adobe::target("nightly-orders")).await.unwrap();
    fake.expire_tokens();
    (0..3).for_each(|_| fake.fail_next_token(503));
    assert_eq!(client.wait(&run).await.unwrap().phase, Phase::Succeeded);
}

#[tokio::test]
async fn a_prefetched_page_holds_nothing_up() {
    let fake = FakeAdobe::start().await;
    let builder = fake.client_builder().limits(Limits::default().in_flight(1));
    let client = builder.clock(ManualClock::new()).build().unwrap();
    let mut pages = client.pages(ListRuns::new("nightly-orders").limit(2)).prefetch();
    assert_eq!(pages.next().await.unwrap().unwrap().items.len(), 2);
    // The next page is on its way, and nobody polls it.
    assert_eq!(client.send(ListSchedules::new()).await.unwrap().items.len(), 3);
    assert!(pages.next().await.unwrap().is_ok());
}

#[tokio::test]
async fn a_server_that_refuses_every_token_does_not_cost_one_each_call() {
    let fake = FakeAdobe::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    for _ in 0..10 {
        for _ in 0..2 {
            fake.respond_next_with(401, &[], r#"{"error_code":"401013","message":"no"}"#);
        }
        let error = client.send(ListSchedules::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
    }
    assert_eq!(fake.token_requests(), 2);
}

/// An endpoint that leads elsewhere.
#[derive(Clone, Debug)]
struct Elsewhere;

impl Endpoint for Elsewhere {
    type Api = adobe::Adobe;
    type Output = ();
    const OPERATION: &'static str = "test.elsewhere";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, _: &url::Url) -> Result<ApiRequest> {
        let evil = url::Url::parse("https://evil.example/").unwrap();
        ApiRequest::of::<Self>(http::Method::GET, &evil, &["x"]).finish()
    }

    fn decode(&self, _: &Meta, _: &bytes::Bytes) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Never;

#[async_trait]
impl Credential for Never {
    async fn apply(&self, _: &mut ApiRequest, _: &CredentialContext<'_>) -> Result<()> {
        Err(Error::new(ErrorKind::Auth, "asked for a request that leads elsewhere"))
    }
}

#[tokio::test]
async fn a_credential_goes_to_no_origin_but_the_base_urls() {
    let script = ScriptedTransport::default();
    let builder = adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev").credential(Never);
    let client = builder.transport(script.clone()).build().unwrap();
    let error = client.send(Elsewhere).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::CrossOrigin, 0), "{error}");
}

#[tokio::test]
async fn what_somebody_else_starts_uses_up_no_plan() {
    let provider = FakeProvider::new();
    provider.next_run([Phase::Failed]);
    let target = provider.target("t");
    provider.trigger_from_elsewhere(&target);
    provider.name_runs(true);
    assert_eq!(provider.trigger_and_wait(&target).await.unwrap().phase, Phase::Failed);
}

#[tokio::test]
async fn no_duration_is_too_long() {
    let provider = FakeProvider::new();
    provider.name_runs(true);
    let wait = provider.trigger_and_wait(&provider.target("t"));
    let done = wait.every(Duration::MAX).timeout(Duration::MAX).await;
    assert!(done.is_ok() || done.unwrap_err().kind() == ErrorKind::WaitTimeout);
    let (script, _, client) = scripted();
    script.respond(200, NO_RUNS);
    let call =
        client.call(ListRuns::new("s")).deadline(Duration::MAX).attempt_timeout(Duration::MAX);
    assert!(call.send().await.is_ok());
}

mod many {
    use futures_util::{StreamExt as _, TryStreamExt as _};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_thousand_waits_on_one_target_cost_one_list_a_round() {
        let provider = FakeProvider::new();
        let target = provider.target("nightly");
        let phases = [Phase::Queued, Phase::Running, Phase::Succeeded];
        let runs: Vec<_> = (0..1000).map(|_| provider.add_run(&target, phases)).collect();
        let clock = provider.manual_clock();
        let ends: Vec<_> =
            provider.wait_all(runs.clone()).every(MINUTE).ends().try_collect().await.unwrap();

        let mut ended: Vec<_> = ends.iter().map(|end| end.run.clone()).collect();
        ended.sort();
        let mut wanted = runs;
        wanted.sort();
        assert_eq!(ended, wanted, "each run ends once");
        assert!(ends.iter().all(|end| end.phase == Phase::Succeeded));
        assert_eq!(provider.polls(), 0, "no run is asked for alone");
        assert_eq!(u32::try_from(provider.lists()).unwrap() - 1, {
            let pauses = clock.elapsed().as_secs() / 60;
            u32::try_from(pauses).unwrap()
        });
    }

    #[tokio::test]
    async fn no_wait_looks_more_often_than_the_vendor_likes() {
        let provider = FakeProvider::new();
        let target = provider.target("nightly");
        let looks = || [[Phase::Running; 9].as_slice(), &[Phase::Succeeded]].concat();
        let floor = provider.capabilities().poll_floor;
        assert_eq!(floor, Duration::from_secs(1));

        provider.wait(&provider.add_run(&target, looks())).every(Duration::ZERO).await.unwrap();
        assert_eq!((provider.polls(), provider.manual_clock().elapsed()), (10, 9 * floor));
        assert!(provider.manual_clock().sleeps().iter().all(|pause| *pause == floor));

        // A jitter that halves pauses does not halve the floor.
        let runs: Vec<_> = (0..1000).map(|_| provider.add_run(&target, looks())).collect();
        let wait = provider.wait_all(runs).every(Duration::ZERO).jitter(0.5);
        assert_eq!(wait.ends().count().await, 1000);
        assert!(provider.manual_clock().sleeps().iter().all(|pause| *pause >= floor));
    }

    #[tokio::test]
    async fn runs_end_in_their_order_and_failed_ones_say_why() {
        let provider = FakeProvider::new();
        let (one, other) = (provider.target("one"), provider.target("other"));
        let slow = provider.add_run(&one, [Phase::Running; 3]);
        let fails = provider.add_run(&other, [Phase::Running, Phase::Failed]);
        let skipped = provider.add_run(&other, [Phase::Running, Phase::Running, Phase::Skipped]);
        let unknown = one.run("nobody-knows-it");
        let runs = [slow.clone(), fails.clone(), skipped.clone(), unknown.clone(), fails.clone()];
        let mut updates = 0;
        let wait = provider.wait_all(runs).timeout(60 * MINUTE).on_update(|_| updates += 1);
        let ends: Vec<_> = wait.ends().collect().await;
        assert!(updates > 4);

        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for end in ends {
            match end {
                Ok(end) => good.push(end),
                Err(error) => bad.push((error.kind(), error.run().unwrap().clone())),
            }
        }
        let phases: Vec<_> = good.iter().map(|end| (end.run.clone(), end.phase)).collect();
        assert_eq!(phases, [(fails, Phase::Failed), (skipped, Phase::Skipped)]);
        assert!(good[0].failure.is_some(), "the list leaves the reason out, the run tells it");
        assert_eq!(bad, [(ErrorKind::NotFound, unknown), (ErrorKind::WaitTimeout, slow)]);
    }

    #[tokio::test]
    async fn rounds_that_fail_are_tolerated_a_few_times_and_waited_after() {
        let provider = FakeProvider::new();
        let target = provider.target("nightly");
        let phases = [Phase::Running, Phase::Succeeded];
        let runs = [0, 1].map(|_| provider.add_run(&target, phases));
        let busy = || Error::new(ErrorKind::Server, "busy");
        (0..2).for_each(|_| provider.fail_next_poll(busy()));
        let wait = provider.wait_all(runs.clone()).tolerate(2);
        assert_eq!(wait.ends().try_collect::<Vec<_>>().await.unwrap().len(), 2);

        (0..2).for_each(|_| provider.fail_next_poll(busy()));
        let ends: Vec<_> = provider.wait_all(runs.clone()).tolerate(1).ends().collect().await;
        let errors: Vec<_> = ends.into_iter().map(Result::unwrap_err).collect();
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::Server));
        assert_eq!(
            errors.iter().map(|error| error.run()).collect::<Vec<_>>(),
            runs.iter().map(Some).collect::<Vec<_>>()
        );
    }

    #[tokio::test]
    async fn a_wait_ends_where_it_is_told_to_and_its_pauses_grow() {
        let provider = FakeProvider::new();
        let run = provider.add_run(
            &provider.target("nightly"),
            [Phase::Queued, Phase::Queued, Phase::Queued, Phase::Running],
        );
        let seconds = Duration::from_secs;
        let wait = provider.wait(&run).every(seconds(2)).backoff(3.0, seconds(10));
        let begun = wait.until(|run| run.phase == Phase::Running).await.unwrap();
        assert_eq!((begun.phase, provider.polls()), (Phase::Running, 4));
        assert_eq!(provider.manual_clock().sleeps(), [2, 6, 10].map(seconds));
        assert_eq!(begun.success().unwrap_err().kind(), ErrorKind::Config, "it has not ended");
    }
}

mod lists {
    use futures_util::{StreamExt as _, TryStreamExt as _};

    use super::*;

    async fn ids(client: &adobe::Client) -> (Vec<String>, Option<Error>) {
        let (mut ids, mut runs) = (Vec::new(), client.runs(&target()));
        loop {
            match runs.try_next().await {
                Ok(Some(run)) => ids.push(run.run.id().to_owned()),
                Ok(None) => return (ids, None),
                Err(error) => return (ids, Some(error)),
            }
        }
    }

    /// A page of three runs, and where the next one begins.
    fn page(runs: [&str; 3], next: &str) -> String {
        let runs =
            runs.map(|id| format!(r#"{{"id":"{id}","created":"2026-03-01T0{}Z"}}"#, &id[1..]));
        format!(r#"{{"runsSchedules":[{}],"_page":{{"next":"{next}","count":3}}}}"#, runs.join(","))
    }

    #[tokio::test]
    async fn the_runs_of_a_target_are_walked_page_by_page_and_each_comes_once() {
        let (script, _, client) = scripted();
        script.respond(200, page(["c9:00:00", "b8:00:00", "a7:00:00"], "2026-03-01T07:00:00Z"));
        script.respond(200, page(["a7:00:00", "z6:00:00", "y5:00:00"], "2026-03-01T05:00:00Z"));
        script.respond(200, NO_RUNS);
        let (ids, error) = ids(&client).await;
        assert_eq!(ids, ["c9:00:00", "b8:00:00", "a7:00:00", "z6:00:00", "y5:00:00"]);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(script.sent().len(), 3);
    }

    #[tokio::test]
    async fn a_page_is_asked_for_when_its_first_run_is() {
        let (script, _, client) = scripted();
        script.respond(200, page(["c9:00:00", "b8:00:00", "a7:00:00"], "2026-03-01T07:00:00Z"));
        let newest: Vec<_> = client.runs(&target()).take(3).try_collect().await.unwrap();
        assert_eq!((newest.len(), script.sent().len()), (3, 1));
    }

    #[tokio::test]
    async fn a_list_of_runs_that_turns_in_a_circle_ends_and_a_failed_page_says_where_to_go_on() {
        let (script, _, client) = scripted();
        let circle = page(["c9:00:00", "b8:00:00", "a7:00:00"], "2026-03-01T07:00:00Z");
        (0..5).for_each(|_| script.respond(200, circle.clone()));
        let (_, error) = ids(&client).await;
        assert_eq!(error.unwrap().kind(), ErrorKind::Pagination);
        assert!(script.sent().len() < 5);

        let (script, _, client) = scripted();
        script.respond(200, circle.clone());
        script.respond(404, "{}");
        let (seen, error) = ids(&client).await;
        assert_eq!(seen.len(), 3);
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let options = CallLimits::default();
        script.respond(200, NO_RUNS);
        let rest = client.fetch_page(&target(), error.cursor().cloned(), &options).await.unwrap();
        assert!(rest.items.is_empty());
        let asked = script.sent();
        assert_eq!(asked[1].url(), asked[2].url(), "the page that failed is asked for again");
    }
}

/// A start whose response is lost, and the bounds of its intent have passed.
async fn lost_start(provider: &FakeProvider) -> scheduled_runs::StartIntent {
    let prepared = provider.prepare(&provider.target("nightly")).await.unwrap();
    let intent = prepared.intent().clone();
    provider.lose_next_trigger_response();
    drop(prepared.start().now_or_never());
    provider.manual_clock().advance(Duration::from_secs(600));
    intent
}

#[tokio::test]
async fn whatever_prevents_a_recovery_the_run_may_have_started() {
    let provider = FakeProvider::new();
    let intent = lost_start(&provider).await;
    for kind in [ErrorKind::NotFound, ErrorKind::Auth, ErrorKind::Server, ErrorKind::Config] {
        provider.fail_next_poll(said(kind));
        let error = provider.recover(&intent).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, true));
        assert!(error.to_string().ends_with("; a run may have started"), "{error}");
    }
    let elsewhere = FakeProvider::new().scoped("another account");
    let scoped = provider.clone().scoped("one account");
    let prepared = scoped.prepare(&scoped.target("nightly")).await.unwrap();
    let error = elsewhere.recover(prepared.intent()).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Config, true));
}

#[tokio::test]
async fn a_recovery_that_is_too_early_to_decide_asks_the_vendor_nothing() {
    let provider = FakeProvider::new();
    let prepared = provider.prepare(&provider.target("nightly")).await.unwrap();
    let (listed, intent) = (provider.lists(), prepared.intent().clone());
    let recovery = provider.recover(&intent).await.unwrap();
    assert!(matches!(recovery, Recovery::Undecided { .. }), "{recovery:?}");
    assert_eq!((provider.lists(), provider.polls()), (listed, 0));
}

#[tokio::test]
async fn a_run_that_was_triggered_here_may_be_missing_for_a_minute_and_no_longer() {
    let own = Own::new(Capabilities::new().trigger_names_run());
    let provider = own.on_trigger(|_, _| ready(Ok(started())));
    let run = provider.trigger(&Own::target()).await.unwrap();
    let wait = provider.wait(&run).every(Duration::from_secs(20));
    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(provider.clock.elapsed(), Duration::from_secs(60));
}

#[tokio::test]
async fn a_recovery_for_ever_sits_out_a_refused_credential() {
    let provider = FakeProvider::new();
    let intent = lost_start(&provider).await;
    let refused = || provider.fail_next_poll(said(ErrorKind::Auth));
    refused();
    let error = provider.recover(&intent).decide().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "a credential is not tolerated by default");
    (0..40).for_each(|_| refused());
    let before = provider.lists();
    let run = provider.recover(&intent).forever().decide().await.unwrap().unwrap();
    assert_eq!((run.id(), provider.lists() - before), ("run-1", 41));
    let slept = provider.manual_clock().sleeps();
    assert!(
        slept.iter().rev().take(20).all(|pause| *pause >= Duration::from_secs(60)),
        "{slept:?}"
    );
}

#[tokio::test]
async fn the_run_of_another_start_that_is_listed_late_is_not_taken_for_ours() {
    // What the caller knows of the start before: its run appears in the list only after the next start was prepared.
    let provider = FakeProvider::new();
    let nightly = provider.target("nightly");
    let earlier = nightly.run("run-1");
    let prepared = provider.prepare(&nightly).excluding([earlier.clone()]).await.unwrap();
    assert_eq!(provider.trigger_from_elsewhere(&nightly), earlier);
    provider.lose_next_trigger_response();
    assert_eq!(prepared.start().await.unwrap().id(), "run-2");

    let late = nightly.run("run-3");
    provider.name_runs(true);
    let trigger = provider.trigger(&nightly).verify().excluding([late.clone()]);
    provider.lose_next_trigger_response();
    assert_eq!(
        trigger.await.unwrap_err().kind(),
        ErrorKind::Interrupted,
        "the only new run is not ours"
    );
}

#[tokio::test]
async fn a_start_after_its_lease_says_so() {
    let provider = FakeProvider::new();
    let prepared = provider.prepare(&provider.target("nightly")).await.unwrap();
    provider.manual_clock().advance(Duration::from_secs(61));
    let error = prepared.start().await.unwrap_err();
    assert_eq!((error.kind(), error.lease_is_over()), (ErrorKind::Config, true));
    assert!(!error.may_have_run() && provider.triggers() == 0);
    assert!(!Error::config("something else").lease_is_over());
}
