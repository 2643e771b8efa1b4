//! Adobe Query Service from end to end, against the fake on loopback.
#![cfg(feature = "adobe")]

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt as _;
use http::Method;
use scheduled_runs::adobe::{
    AlertFilter, AlertStatus, AlertType, CancelQuery, Channel, CountTemplates, CreateAccount,
    CreateAlert, CreateQuery, CreateSchedule, CreateTemplate, DeleteAccount, DeleteAlert,
    DeleteIpAccess, DeleteSchedule, DeleteTemplate, DisableAlert, DisableSchedule, EnableAlert,
    EnableSchedule, GetAlert, GetConnectionParameters, GetIpAccess, GetQuery, GetRun, GetSchedule,
    GetTemplate, IpRange, ListAccounts, ListAlerts, ListAssetAlerts, ListQueries, ListRuns,
    ListSchedules, ListTemplates, QueryDef, QueryFilter, QueryState, RunAcceleratedQuery,
    RunFilter, RunState, ScheduleFilter, ScheduleState, SetCron, SetIpAccess, SoftDeleteQuery,
    TemplateDef, TemplateFilter, TriggerRun, UpdateAccount, UpdateTemplate, ValidateIpAccess,
    gateway,
};
use scheduled_runs::testing::adobe::{FakeAdobe, LinkForm};
use scheduled_runs::testing::{ManualClock, NewRun, Plan, ScriptedTransport};
use scheduled_runs::wire::hal::Link;
use scheduled_runs::{
    CallLimits, CancelOutcome, Cursor, Delivery, ErrorKind, Phase, RunProvider as _,
    RunProviderExt as _, RunRef, adobe,
};

const NIGHTLY: &str = "nightly-orders";

async fn start() -> (FakeAdobe, adobe::Client) {
    let fake = FakeAdobe::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    (fake, client)
}

/// What the fake saw, as `METHOD /path`.
fn seen(fake: &FakeAdobe) -> Vec<String> {
    fake.requests().iter().map(|request| format!("{} {}", request.method, request.path)).collect()
}

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// A schedule with `count` runs, of which every fourth was started by a call and several share a time.
fn many_runs(fake: &FakeAdobe, count: i64) -> BTreeSet<String> {
    let schedule = fake.add_schedule("many");
    let run = |number: i64| {
        let created = at("2026-03-01T00:00:00Z") + TimeDelta::hours(number / 3);
        let id = FakeAdobe::run_id(&format!("scheduled__{number}"));
        NewRun::new("SUCCESS").created(created).triggered(number % 4 == 0).id(&id)
    };
    (0..count).map(|number| fake.add_run(&schedule, run(number))).collect()
}

#[tokio::test]
async fn a_walk_brings_every_run_once_whatever_form_the_links_have() {
    for form in [LinkForm::Object, LinkForm::Text, LinkForm::Absent] {
        for newest_first in [false, true] {
            let (fake, client) = start().await;
            let all = many_runs(&fake, 50);
            fake.link_form(form);
            let list = ListRuns::new("many").limit(5);
            let list = if newest_first { list.newest_first() } else { list };
            let runs = client.items(list).try_collect().await.unwrap();
            assert_eq!(runs.len(), all.len(), "{form:?}");
            assert_eq!(runs.iter().map(|run| run.id.to_string()).collect::<BTreeSet<_>>(), all);
            assert!(runs.is_sorted_by_key(|run| {
                let time = run.created.unwrap().timestamp();
                if newest_first { -time } else { time }
            }));
            // Links drop limit and order; the walk does not.
            assert!(fake.requests().iter().all(|request| request.query.contains("limit=5")));
        }
    }
}

#[tokio::test]
async fn filters_hold_on_every_page() {
    let (fake, client) = start().await;
    many_runs(&fake, 50);
    let list = ListRuns::new("many")
        .limit(2)
        .filter(RunFilter::external_trigger(true))
        .filter(RunFilter::created_after(at("2026-03-01T03:00:00Z")));
    let runs = client.items(list).try_collect().await.unwrap();
    assert_eq!(runs.len(), 10);
    assert!(runs.iter().all(|run| run.external_trigger == Some(true)));
    assert!(
        fake.requests().iter().all(|request| request.query.contains("externalTrigger%3D%3Dtrue"))
    );
}

#[tokio::test]
async fn more_runs_of_one_time_than_fit_a_page_are_an_error_and_not_a_loss() {
    let (fake, client) = start().await;
    let schedule = fake.add_schedule("ties");
    for number in 0..5 {
        let id = FakeAdobe::run_id(&format!("manual__{number}"));
        fake.add_run(&schedule, NewRun::new("SUCCESS").created(at("2026-03-01T00:00:00Z")).id(&id));
    }
    let error = client.items(ListRuns::new("ties").limit(3)).try_collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pagination);
    assert_eq!(client.items(ListRuns::new("ties").limit(10)).try_collect().await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_walk_resumes_in_another_process_from_its_stored_cursor() {
    let (fake, client) = start().await;
    let all = many_runs(&fake, 20);
    let mut pages = client.pages(ListRuns::new("many").limit(6));
    let mut got: BTreeSet<String> = BTreeSet::new();
    for _ in 0..2 {
        got.extend(pages.next().await.unwrap().unwrap().items.iter().map(|run| run.id.to_string()));
    }
    let stored = serde_json::to_string(pages.cursor().unwrap()).unwrap();
    drop(pages);

    let another = fake.client_builder().build().unwrap();
    let cursor: Cursor = serde_json::from_str(&stored).unwrap();
    let rest = another
        .items(ListRuns::new("many").limit(6))
        .resume_at(cursor)
        .try_collect()
        .await
        .unwrap();
    got.extend(rest.iter().map(|run| run.id.to_string()));
    assert_eq!(got, all);
}

#[tokio::test]
async fn a_list_that_fails_says_where_to_resume() {
    let (fake, client) = start().await;
    let all = many_runs(&fake, 20);
    let mut items = client.items(ListRuns::new("many").limit(8));
    let mut got: BTreeSet<String> = BTreeSet::new();
    for _ in 0..8 {
        got.insert(items.next().await.unwrap().unwrap().id.to_string());
    }
    fake.fail_next(403);
    let error = items.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(items.next().await.is_none(), "nothing comes after an error");
    let list = ListRuns::new("many").limit(8);
    let rest =
        client.items(list).resume_at(error.cursor().unwrap().clone()).try_collect().await.unwrap();
    got.extend(rest.iter().map(|run| run.id.to_string()));
    assert_eq!(got, all);
}

#[tokio::test]
async fn list_and_detail_of_a_run_agree_although_the_vendor_spells_them_differently() {
    let (fake, client) = start().await;
    let page = client.send(ListRuns::new(NIGHTLY).newest_first().limit(1)).await.unwrap();
    let listed = &page.items[0];
    let run = client.send(GetRun::new(NIGHTLY, &listed.id)).await.unwrap();
    assert_eq!((&run.id, &run.state, run.created), (&listed.id, &listed.state, listed.created));
    assert_eq!((run.state.clone(), run.external_trigger), (Some(RunState::Success), Some(false)));
    assert_eq!(run.schedule_id.as_ref().unwrap().as_str(), NIGHTLY);
    assert_eq!(run.tasks.len(), 1);
    assert!(
        run.tasks[0].duration.unwrap() > Duration::ZERO
            && run.tasks[0].ended > run.tasks[0].started
    );
    // What the model has no name for is not lost.
    assert!(str::from_utf8(run.body()).unwrap().contains("\"_links\""));
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test]
async fn a_trigger_whose_answer_is_lost_is_sent_once_and_says_that_it_may_have_run() {
    let (fake, client) = start().await;
    fake.lose_next_response();
    let error = client.send(TriggerRun::new(NIGHTLY)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Interrupted, Delivery::Unknown));
    assert!(error.may_have_run());
    assert_eq!((fake.triggers(NIGHTLY), error.attempts().len()), (1, 1));
    assert_eq!(seen(&fake), ["POST /schedules/nightly-orders/runs"]);
}

#[tokio::test]
async fn a_trigger_that_did_not_arrive_is_verified_not_to_have_started() {
    let (fake, client) = start().await;
    // The list before succeeds; the trigger itself meets a gateway that gives up.
    let before =
        client.recent_runs(&adobe::target(NIGHTLY), None, &CallLimits::default()).await.unwrap();
    assert!(before.server_time.is_some());
    let target = adobe::target(NIGHTLY);
    let trigger = client.trigger(&target).verify();
    let lists = fake.requests().len();
    let sent = std::pin::pin!(async { trigger.await });
    // The fault is queued between the list and the trigger.
    let error = with_fault_after(sent, || fake.requests().len() > lists, || fake.fail_next(502))
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Server, 502));
    assert!(error.may_have_run() && error.verified_not_started());
    assert_eq!(fake.triggers(NIGHTLY), 0);
    assert_eq!(seen(&fake).iter().filter(|request| request.starts_with("POST")).count(), 1);
}

/// Polls a future, and does something as soon as a condition holds.
async fn with_fault_after<F: Future>(
    mut future: std::pin::Pin<&mut F>,
    condition: impl Fn() -> bool,
    act: impl FnOnce(),
) -> F::Output {
    let mut act = Some(act);
    std::future::poll_fn(|context| {
        if condition()
            && let Some(act) = act.take()
        {
            act();
        }
        future.as_mut().poll(context)
    })
    .await
}

#[tokio::test]
async fn a_trigger_is_refused_while_the_schedule_is_disabled() {
    let (fake, client) = start().await;
    let error = client.trigger(&adobe::target("retired-report")).verify().await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Rejected, false));
    assert_eq!(error.operation(), Some("adobe.runs.trigger"));
    assert_eq!(fake.triggers("retired-report"), 0);
}

#[tokio::test]
async fn a_run_that_the_list_shows_late_is_found() {
    let (fake, client) = start().await;
    fake.show_runs_after_lists(7);
    let run = client.trigger(&adobe::target(NIGHTLY)).await.unwrap();
    assert_eq!(client.wait(&run).await.unwrap().phase, Phase::Succeeded);
}

#[tokio::test]
async fn a_run_that_never_shows_is_ambiguous_after_the_grace_time() {
    let (fake, client) = start().await;
    fake.show_runs_after_lists(usize::MAX);
    let error =
        client.trigger(&adobe::target(NIGHTLY)).grace(Duration::from_secs(10)).await.unwrap_err();
    assert_eq!((error.kind(), error.candidates().len()), (ErrorKind::Ambiguous, 0));
    assert!(error.to_string().contains("within 10 s"), "{error}");
    assert_eq!(fake.triggers(NIGHTLY), 1);
}

#[tokio::test]
async fn a_failed_run_says_why_in_the_words_of_its_query() {
    for encoded in [false, true] {
        let (fake, client) = start().await;
        fake.filter_by_encoded_run_id(encoded);
        fake.next_run(Plan::fails("relation \"orders\" does not exist").code("42P01"));
        let done = client.trigger_and_wait(&adobe::target(NIGHTLY)).await.unwrap();
        let failure = done.failure.clone().unwrap();
        assert_eq!(failure.code.as_deref(), Some("42P01"));
        assert!(failure.part.unwrap().starts_with("query "));
        let error = done.success().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RunFailed);
        assert!(
            error.to_string().contains("relation \"orders\" does not exist (code 42P01, in query "),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_failed_run_whose_query_cannot_be_had_says_what_its_task_says() {
    let (fake, client) = start().await;
    let page = client
        .send(ListRuns::new(NIGHTLY).filter(RunFilter::state(RunState::Failed)))
        .await
        .unwrap();
    let run = adobe::target(NIGHTLY).run(page.items[0].id.as_str());
    let queries = client
        .send(ListQueries::new().filter(QueryFilter::state(QueryState::Failed)))
        .await
        .unwrap();
    let decoded = page.items[0].id.decode().unwrap().text;
    assert!(!queries.items.is_empty(), "the fake explains failed runs");
    assert!(decoded.starts_with("scheduled__"));

    let snapshot = client.snapshot(&run).await.unwrap();
    assert!(snapshot.failure.unwrap().part.unwrap().starts_with("query "));
    // The second request, for the queries, is refused: the run is known to have failed all the same.
    let asked = fake.requests().len();
    let look = std::pin::pin!(client.snapshot(&run));
    let snapshot = with_fault_after(look, || fake.requests().len() > asked, || fake.fail_next(403))
        .await
        .unwrap();
    let failure = snapshot.failure.unwrap();
    assert_eq!((snapshot.phase, failure.code), (Phase::Failed, None));
    assert!(failure.part.unwrap().starts_with("task "));
}

/// Cancels a run of the nightly schedule.
async fn cancelled(fake: &FakeAdobe, client: &adobe::Client) -> RunRef {
    fake.next_run(Plan::never_ends());
    let run = client.trigger(&adobe::target(NIGHTLY)).await.unwrap();
    assert_eq!(client.cancel(&run).await.unwrap(), CancelOutcome::Requested);
    run
}

#[tokio::test]
async fn a_cancelled_run_ends_as_cancelled_whatever_the_vendor_calls_it() {
    for state in ["FAILED", "KILLED", "Cancelled"] {
        let (fake, client) = start().await;
        fake.cancelled_state(state);
        let run = cancelled(&fake, &client).await;
        for end in [client.wait(&run).await, client.snapshot(&run).await] {
            let end = end.unwrap();
            assert_eq!((end.phase, end.failure), (Phase::Cancelled, None), "{state}");
            assert!(
                end.state.unwrap().eq_ignore_ascii_case(state),
                "the vendor's own word is kept"
            );
        }
        assert_eq!(client.cancel(&run).await.unwrap(), CancelOutcome::AlreadyFinished);
        let patches =
            seen(&fake).into_iter().filter(|request| request.starts_with("PATCH")).count();
        assert_eq!(patches, 1, "a finished run is not cancelled again");
    }
}

#[tokio::test]
async fn lists_tell_cancelled_runs_from_failed_ones_by_one_request_more() {
    let (fake, client) = start().await;
    let run = cancelled(&fake, &client).await;
    client.wait(&run).await.unwrap();
    // The same id at another schedule, where the run has failed; and a cancelled query of no schedule.
    let twin = fake.add_run("hourly-traffic", NewRun::new("FAILED").id(run.id()));
    let other = client.send(CreateQuery::new(QueryDef::sql("dev:all", "SELECT 1"))).await.unwrap();
    client.send(CancelQuery::new(other.id.clone())).await.unwrap();
    let phases = async |schedule: &str| {
        let runs = client.runs(&adobe::target(schedule)).try_collect::<Vec<_>>().await.unwrap();
        let phases: Vec<_> =
            runs.into_iter().map(|run| (run.phase, run.run.id().to_owned())).collect();
        phases
    };

    let before = fake.requests().len();
    let nightly = phases(NIGHTLY).await;
    assert_eq!(nightly[0], (Phase::Cancelled, run.id().to_owned()));
    let failed = nightly.iter().filter(|(phase, _)| *phase == Phase::Failed);
    assert_eq!((nightly.len(), failed.count()), (7, 1), "the run that failed has failed");
    let asked = fake.requests().split_off(before);
    let [_, killed] = &*asked else { panic!("{asked:?}") };
    assert_eq!(killed.path, "/queries");
    let filter = "orderby=%2Bcreated&limit=1000&property=scheduleId%3D%3Dnightly-orders%2Cstate%3D%3DKILLED%2Ccreated%3E";
    assert!(killed.query.starts_with(filter), "{}", killed.query);
    assert!(phases("hourly-traffic").await.contains(&(Phase::Failed, twin)));

    // Without a failed run there is nothing to ask, and a refusal does not spoil the list.
    let before = fake.requests().len();
    phases("retired-report").await;
    assert_eq!(fake.requests().len(), before + 1);
    let look = std::pin::pin!(phases(NIGHTLY));
    let before = fake.requests().len();
    let listed =
        with_fault_after(look, || fake.requests().len() > before, || fake.fail_next(403)).await;
    assert_eq!(listed[0], (Phase::Failed, run.id().to_owned()));
}

#[tokio::test]
async fn a_wait_for_many_runs_tells_cancelled_runs_from_failed_ones() {
    let (fake, client) = start().await;
    let first = cancelled(&fake, &client).await;
    fake.next_run(Plan::fails("out of space"));
    let second = client.trigger(&adobe::target(NIGHTLY)).await.unwrap();
    let runs = [first.clone(), second.clone()];
    let ends: Vec<_> = client.wait_all(runs).ends().try_collect().await.unwrap();
    let end = |run: &RunRef| ends.iter().find(|end| end.run == *run).unwrap();
    assert_eq!((end(&first).phase, &end(&first).failure), (Phase::Cancelled, &None));
    assert_eq!(end(&second).phase, Phase::Failed);
    assert_eq!(end(&second).failure.as_ref().unwrap().message.as_deref(), Some("out of space"));
}

#[tokio::test]
async fn an_unknown_state_is_kept_and_is_not_the_end() {
    let (fake, client) = start().await;
    let id = fake.add_run(NIGHTLY, NewRun::new("QUARANTINED"));
    let run = adobe::target(NIGHTLY).run(id);
    let error = client.wait(&run).timeout(Duration::from_secs(30)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    let last = error.last_snapshot().unwrap();
    assert_eq!(last.phase, Phase::Unknown);
    assert!(last.state.as_deref().unwrap().eq_ignore_ascii_case("quarantined"));
}

#[tokio::test]
async fn a_wait_without_time_looks_once_all_the_same() {
    let (fake, client) = start().await;
    fake.next_run(Plan::never_ends());
    let run = client.trigger(&adobe::target(NIGHTLY)).await.unwrap();
    let error = client.wait(&run).timeout(Duration::ZERO).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.last_snapshot().unwrap().run.clone()),
        (ErrorKind::WaitTimeout, run)
    );
}

#[tokio::test]
async fn one_token_serves_a_hundred_calls_and_is_renewed_once() {
    let (fake, client) = start().await;
    let hundred = async || {
        let calls: Vec<_> = (0..100)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.send(GetSchedule::new(NIGHTLY)).await })
            })
            .collect();
        let mut attempts = 0;
        for call in calls {
            attempts += call.await.unwrap().unwrap().meta().attempts.len();
        }
        attempts
    };
    assert_eq!(hundred().await, 100);
    assert_eq!(fake.token_requests(), 1);

    fake.expire_tokens();
    let attempts = hundred().await;
    assert!((101..=200).contains(&attempts), "{attempts}");
    assert_eq!(fake.token_requests(), 2, "a hundred refused calls ask for one new token");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let fake = FakeAdobe::start().await;
    let clock = ManualClock::new();
    let client = fake.client_builder().clock(clock.clone()).build().unwrap();
    client.send(GetSchedule::new(NIGHTLY)).await.unwrap();
    clock.advance(Duration::from_secs(86_399 - 301));
    client.send(GetSchedule::new(NIGHTLY)).await.unwrap();
    assert_eq!(fake.token_requests(), 1);
    clock.advance(Duration::from_secs(2));
    // The early renewal fails: the old token still serves.
    fake.fail_next_token(400);
    client.send(GetSchedule::new(NIGHTLY)).await.unwrap();
    client.send(GetSchedule::new(NIGHTLY)).await.unwrap();
    assert_eq!(fake.token_requests(), 2);
    clock.advance(Duration::from_secs(11));
    client.send(GetSchedule::new(NIGHTLY)).await.unwrap();
    assert_eq!(fake.token_requests(), 3);
}

#[tokio::test]
async fn wrong_credentials_are_told_apart() {
    let fake = FakeAdobe::start().await;
    let token = || fake.access_token();
    let client = |builder: scheduled_runs::ClientBuilder<adobe::Adobe>| builder.build().unwrap();
    let good = || adobe::AccessToken::new(FakeAdobe::CLIENT_ID, token());
    for (client, kind, code) in [
        (
            client(fake.client_builder().credential(adobe::AccessToken::new("other-key", token()))),
            ErrorKind::Auth,
            gateway::API_KEY_INVALID,
        ),
        (
            client(
                fake.client_builder()
                    .credential(adobe::AccessToken::new(FakeAdobe::CLIENT_ID, "stale-token")),
            ),
            ErrorKind::Auth,
            gateway::TOKEN_NOT_VALID,
        ),
        (
            client(fake.client_builder().credential(good()).org_id("F00@AdobeOrg")),
            ErrorKind::Denied,
            gateway::USER_REGION_MISSING,
        ),
    ] {
        let error = client.send(GetSchedule::new(NIGHTLY)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.vendor_error().unwrap().code.as_deref(), Some(code));
        assert!(error.request_id().is_some());
        assert_eq!(error.attempts().len(), 1);
    }
    let source = adobe::ServerToServer::new(FakeAdobe::CLIENT_ID, "wrong-secret")
        .token_url(fake.token_url());
    let wrong = client(fake.client_builder().credential(source));
    let before = fake.requests().len();
    let error = wrong.send(GetSchedule::new(NIGHTLY)).await.unwrap_err();
    assert_eq!(
        (error.kind(), fake.requests().len()),
        (ErrorKind::Auth, before),
        "nothing was sent"
    );
    assert!(error.report().contains("invalid_client"), "{}", error.report());
    assert!(!error.report().contains("wrong-secret"));
}

#[tokio::test]
async fn a_schedule_lives_from_creation_to_deletion() {
    let (fake, client) = start().await;
    let query = QueryDef::sql("dev:all", "INSERT INTO totals SELECT 1").name("totals");
    let create = CreateSchedule::new(query, "30 2 * * *", at("2026-04-01T00:00:00Z"))
        .end(at("2027-04-01T00:00:00Z"));
    let created = client.send(create).await.unwrap();
    assert_eq!((created.state.clone(), created.created), (Some(ScheduleState::Registering), None));
    let id = created.id.clone();

    let schedule = client.send(GetSchedule::new(&id)).await.unwrap();
    assert_eq!(schedule.state, Some(ScheduleState::Enabled));
    assert!(schedule.created.is_some(), "epoch milliseconds in a text are read");
    let timetable = schedule.timetable.clone().unwrap();
    assert_eq!(
        (timetable.cron.as_deref(), timetable.end),
        (Some("30 2 * * *"), Some(at("2027-04-01T00:00:00Z")))
    );
    assert_eq!(schedule.query.as_ref().unwrap().name.as_deref(), Some("totals"));

    let refused = client.send(DeleteSchedule::new(&id)).await.unwrap_err();
    assert_eq!((refused.kind(), refused.may_have_run()), (ErrorKind::Rejected, false));
    assert_eq!(client.send(SetCron::new(&id, "@daily")).await.unwrap().status_code, Some(202));
    client.send(DisableSchedule::new(&id)).await.unwrap();
    let again = client.send(DisableSchedule::new(&id)).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Rejected);
    client.send(EnableSchedule::new(&id)).await.unwrap();
    client.send(DisableSchedule::new(&id)).await.unwrap();
    client.send(DeleteSchedule::new(&id)).await.unwrap();
    assert_eq!(client.send(GetSchedule::new(&id)).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(seen(&fake).len(), 10);
}

#[tokio::test]
async fn a_schedule_is_retired_in_the_order_the_vendor_asks_for() {
    let (fake, client) = start().await;
    client.retire_schedule(NIGHTLY).await.unwrap();
    let path = "/schedules/nightly-orders";
    assert_eq!(
        seen(&fake),
        ["GET", "PATCH", "GET", "DELETE"].map(|method| format!("{method} {path}"))
    );
    client.retire_schedule("retired-report").await.unwrap();
    assert_eq!(seen(&fake).len(), 6, "a disabled schedule is not disabled again");
    assert_eq!(client.retire_schedule(NIGHTLY).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn schedules_are_listed_and_filtered() {
    let (_fake, client) = start().await;
    let all = client.items(ListSchedules::new().limit(2)).try_collect().await.unwrap();
    let ids: BTreeSet<_> = all.iter().map(|schedule| schedule.id.as_str()).collect();
    assert_eq!(ids, ["hourly-traffic", NIGHTLY, "retired-report"].into());
    let none =
        ListSchedules::new().filter(ScheduleFilter::created_before(at("2020-01-01T00:00:00Z")));
    assert!(client.items(none).try_collect().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_query_lives_from_submission_to_soft_deletion() {
    let (_fake, client) = start().await;
    let created = client
        .send(CreateQuery::new(QueryDef::sql("dev:all", "SELECT 1").name("one")))
        .await
        .unwrap();
    assert_eq!(created.state, Some(QueryState::Submitted));
    let id = created.id.clone();
    client.send(CancelQuery::new(&id)).await.unwrap();
    let killed = client.send(GetQuery::new(&id)).await.unwrap();
    assert!(killed.state.as_ref().unwrap().is_terminal());
    let error = client.send(CancelQuery::new(&id)).await.unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Rejected, 409));

    client.send(SoftDeleteQuery::new(&id)).await.unwrap();
    let listed = async |list: ListQueries| {
        let queries = client.items(list).try_collect().await.unwrap();
        queries.iter().any(|query| query.id == id)
    };
    assert!(!listed(ListQueries::new()).await);
    assert!(listed(ListQueries::new().include_soft_deleted()).await);
}

#[tokio::test]
async fn a_template_lives_from_creation_to_deletion() {
    let (_fake, client) = start().await;
    let template = TemplateDef::new("daily orders", "SELECT $day").parameter("day", "2026-02-03");
    let created = client.send(CreateTemplate::new(template)).await.unwrap();
    assert!(created.created.is_some() && created.last_updated_by.is_none());
    let id = created.id.clone();
    assert_eq!(
        client.send(GetTemplate::new(&id)).await.unwrap().query_parameters["day"],
        "2026-02-03"
    );

    let query = QueryDef::template("dev:all", &id).parameter("day", "2026-02-04");
    let query = client.send(CreateQuery::new(query)).await.unwrap();
    assert_eq!(query.request.as_ref().unwrap().template_id.as_ref(), Some(&id));

    let other = TemplateDef::new("all orders", "SELECT 1");
    let updated = client.send(UpdateTemplate::new(&id, other)).await.unwrap();
    assert_eq!((&updated.id, updated.name.as_deref()), (&id, Some("all orders")));
    assert!(updated.query_parameters.is_empty(), "what is left out is gone");
    assert!(updated.updated > created.updated && updated.last_updated_by.is_some());

    let named = |filter| client.items(ListTemplates::new().filter(filter)).try_collect();
    assert_eq!(named(TemplateFilter::name_contains("all")).await.unwrap().len(), 1);
    assert!(named(TemplateFilter::name("daily orders")).await.unwrap().is_empty());
    let user = updated.user_id.clone().unwrap();
    let count = async |request: CountTemplates| client.send(request).await.unwrap().total_count;
    assert_eq!(count(CountTemplates::new()).await, Some(1));
    assert_eq!(count(CountTemplates::new().user(user)).await, Some(1));
    assert_eq!(count(CountTemplates::new().user("nobody")).await, Some(0));

    client.send(DeleteTemplate::new(&id)).await.unwrap();
    assert_eq!(client.send(GetTemplate::new(&id)).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_overwritten_template_is_sent_again_when_its_answer_is_lost_and_a_new_one_is_not() {
    let (fake, client) = start().await;
    let template = || TemplateDef::new("one", "SELECT 1");
    fake.lose_next_response();
    let error = client.send(CreateTemplate::new(template())).await.unwrap_err();
    assert!(error.may_have_run() && error.attempts().len() == 1);
    let id = client.items(ListTemplates::new()).next().await.unwrap().unwrap().id;
    fake.lose_next_response();
    let updated = client.send(UpdateTemplate::new(&id, template())).await.unwrap();
    assert_eq!(updated.meta().attempts.len(), 2);
}

#[tokio::test]
async fn a_walk_over_pages_that_overlap_or_not_brings_every_template_once() {
    for (form, overlap) in [
        (LinkForm::Object, true),
        (LinkForm::Text, true),
        (LinkForm::Absent, true),
        (LinkForm::Object, false),
    ] {
        let (fake, client) = start().await;
        fake.link_form(form);
        fake.next_link_past_end(overlap);
        let all: BTreeSet<String> =
            (0..7).map(|number| fake.add_template(&format!("t{number}"), "SELECT 1")).collect();
        // Seven divide into pages of two, three and seven with a last page that is full, and one that is not.
        for limit in [2, 3, 4, 7, 20] {
            let list = ListTemplates::new().newest_first().limit(limit);
            let walked = client.items(list).try_collect().await.unwrap();
            assert_eq!(walked.len(), all.len(), "{form:?} {limit}");
            let ids: BTreeSet<String> = walked.iter().map(|one| one.id.to_string()).collect();
            assert_eq!(ids, all);
        }
        let ones = client.items(ListTemplates::new().limit(1)).try_collect().await;
        if overlap {
            let error = ones.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Pagination, "pages of one item get nowhere");
        } else {
            assert_eq!(ones.unwrap().len(), all.len());
        }
    }
}

#[tokio::test]
async fn an_alert_lives_from_its_first_subscriber_to_its_deletion() {
    let (fake, client) = start().await;
    let create = |emails: &[&str]| {
        CreateAlert::new(NIGHTLY, AlertType::Failure, emails.iter().copied())
            .in_context_notifications(false)
    };
    let created = client.send(create(&["ann@example.com", "bob@example.com"])).await.unwrap();
    let people = created.subscriptions.as_ref().unwrap();
    assert_eq!(people.email_ids.len(), 2);
    assert_eq!(people.email_notifications, Some(Channel::Switch(true)));
    client.send(create(&["cleo@example.com"])).await.unwrap();

    let alerts = client.send(GetAlert::new(NIGHTLY, AlertType::Failure)).await.unwrap();
    let people = alerts[0].subscriptions.as_ref().unwrap();
    let mails = ["ann", "bob", "cleo"].map(|name| format!("{name}@example.com").into());
    assert_eq!(people.email_notifications, Some(Channel::Users(mails.to_vec())));
    assert_eq!(people.in_context_notifications, Some(Channel::Users(Vec::new())));

    let disabled = client.send(DisableAlert::new(NIGHTLY, AlertType::Failure)).await.unwrap();
    assert_eq!(disabled.status, Some(AlertStatus::Disabled));
    let refused = client.send(create(&["dora@example.com"])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Rejected);
    let enabled = client.send(EnableAlert::new(NIGHTLY, AlertType::Failure)).await.unwrap();
    assert_eq!((enabled.status.clone(), enabled.id()), (Some(AlertStatus::Enabled), created.id()));

    let quarantine = CreateAlert::new(NIGHTLY, AlertType::Quarantine, ["ann@example.com"]);
    client.send(quarantine).await.unwrap();
    let types: Vec<_> = client.send(ListAssetAlerts::new(NIGHTLY)).await.unwrap().into_inner();
    assert_eq!(types.len(), 2);
    let ann = client.items(ListAlerts::of_user("ann@example.com")).try_collect().await.unwrap();
    assert_eq!((ann.len(), ann[0].id()), (2, created.id()));
    let cleo = client.send(ListAlerts::of_user("cleo@example.com")).await.unwrap();
    let channels = cleo.items[0].subscriptions.as_ref().unwrap();
    assert_eq!(channels.in_context_notifications, Some(Channel::Switch(false)));

    client.send(DeleteAlert::new(NIGHTLY, AlertType::Failure)).await.unwrap();
    client.send(DeleteAlert::new(NIGHTLY, AlertType::Quarantine)).await.unwrap();
    let gone = client.send(ListAssetAlerts::new(NIGHTLY)).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(fake.requests().iter().any(|request| request.path.ends_with("ann%40example.com")));
}

#[tokio::test]
async fn an_alert_is_refused_for_strangers_and_for_what_is_not_there_and_no_address_is_reported() {
    let (_fake, client) = start().await;
    let stranger = FakeAdobe::UNREGISTERED;
    let error = client
        .send(CreateAlert::new("no-such-schedule", AlertType::Start, ["ann@example.com"]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = client.send(GetAlert::new(NIGHTLY, AlertType::from("delay"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let error =
        client.send(CreateAlert::new(NIGHTLY, AlertType::Start, [stranger])).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Rejected, false));
    let error = client.send(ListAlerts::of_user(stranger)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let report = error.report();
    assert!(
        report.contains("user-subscriptions/REDACTED?orderby=%2Bcreated&pagesize=50"),
        "{report}"
    );
    assert!(!report.contains("nobody"), "{report}");
}

#[tokio::test]
async fn a_walk_over_numbered_pages_brings_every_alert_once_and_ends() {
    let (fake, client) = start().await;
    for number in 0..7 {
        let schedule = fake.add_schedule(&format!("s{number}"));
        client
            .send(CreateAlert::new(schedule, AlertType::Failure, ["ann@example.com"]))
            .await
            .unwrap();
    }
    client.send(CreateAlert::new("s3", AlertType::Start, ["bob@example.com"])).await.unwrap();
    client.send(DisableAlert::new("s5", AlertType::Failure)).await.unwrap();
    let walk = async |list: ListAlerts| {
        let alerts = client.items(list).try_collect().await.unwrap();
        alerts.iter().map(|alert| alert.asset_id.to_string()).collect::<Vec<_>>()
    };
    for (size, linked) in
        [(1, false), (8, false), (1, true), (2, true), (4, true), (8, true), (50, true)]
    {
        fake.next_link_past_end(linked);
        assert_eq!(walk(ListAlerts::new().page_size(size)).await.len(), 8, "{size}");
    }
    let failures =
        ListAlerts::new().page_size(3).filter(AlertFilter::alert_type(AlertType::Failure));
    let enabled = failures.newest_first().filter(AlertFilter::status(AlertStatus::Enabled));
    assert_eq!(walk(enabled).await, ["s6", "s4", "s3", "s2", "s1", "s0"]);
    let last = fake.requests().pop().unwrap();
    assert_eq!(
        last.query,
        "orderby=-created&pagesize=3&page=2&property=alertType%3D%3Dfailure%2Cstatus%3D%3Denabled",
        "links have neither size nor filter; the walk keeps them"
    );
    assert_eq!(walk(ListAlerts::of_user("bob@example.com")).await, ["s3"]);
    let of_s5 = ListAlerts::new().filter(AlertFilter::asset("s5"));
    assert_eq!(client.send(of_s5).await.unwrap().items[0].status, Some(AlertStatus::Disabled));
}

#[tokio::test]
async fn an_accelerated_query_answers_with_its_rows() {
    #[derive(serde::Deserialize)]
    struct Totals {
        results: Vec<Total>,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Total {
        shop: String,
        orders: u32,
    }
    let (fake, client) = start().await;
    let row = |shop: &str, orders: u32| {
        let members = [("shop", shop.into()), ("orders", orders.into())];
        members.map(|(name, value): (&str, serde_json::Value)| (name.to_owned(), value))
    };
    fake.accelerated_rows([row("Bremen", 12), row("Kiel", 7)].map(|row| row.into_iter().collect()));
    let sql = RunAcceleratedQuery::sql("dev:store:facts", "SELECT shop, orders FROM totals");
    let result = client.send(sql.clone().name("totals")).await.unwrap();
    assert_eq!((result.rows.len(), &result.rows[1]["orders"]), (2, &7.into()));
    let orders = result.columns.iter().find(|column| &*column.name == "orders").unwrap();
    assert_eq!(orders.json_type.as_deref(), Some("integer"));
    assert_eq!(result.request.as_ref().unwrap().name.as_deref(), Some("totals"));
    let typed = client.send_as::<_, Totals>(sql.clone()).await.unwrap().into_inner();
    assert_eq!(typed.results[0], Total { shop: "Bremen".into(), orders: 12 });

    let template = fake.add_template("totals", "SELECT 1");
    let by_template = |id: &str| RunAcceleratedQuery::template("dev:store.facts", id);
    client.send(by_template(&template)).await.unwrap();
    let error = client.send(by_template("none")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let elsewhere = RunAcceleratedQuery::sql("prod:store:facts", "SELECT 1");
    assert_eq!(client.send(elsewhere).await.unwrap_err().kind(), ErrorKind::Rejected);
    fake.lose_next_response();
    let lost = client.send(sql).await.unwrap_err();
    assert!(lost.may_have_run() && lost.attempts().len() == 1, "not sent twice");
}

#[tokio::test]
async fn what_sql_clients_need_is_asked_for_at_its_own_places() {
    let (fake, client) = start().await;
    let answer = |body: &str| fake.respond_next_with(200, &[], body);
    answer(r#"{"host":"h.example.com","port":80,"token":"canary-token"}"#);
    let parameters = client.send(GetConnectionParameters::new()).await.unwrap();
    assert_eq!((parameters.port, parameters.token()), (Some(80), Some("canary-token")));
    assert!(!format!("{parameters:?}").contains("canary"));

    answer(r#"{"allowedIpRanges":[]}"#);
    assert!(client.send(GetIpAccess::new()).await.unwrap().allowed_ip_ranges.is_empty());
    answer(r#"{"allowedIpRanges":[{"ipRange":"192.0.2.1"}]}"#);
    let set = client.send(SetIpAccess::new([IpRange::new("192.0.2.1")])).await.unwrap();
    assert_eq!(set.allowed_ip_ranges, [IpRange::new("192.0.2.1")]);
    answer(r#"{"isAllowed":false}"#);
    let validation = client.send(ValidateIpAccess::new("192.0.2.2")).await.unwrap();
    assert_eq!(validation.is_allowed, Some(false));
    answer(r#"{"deletedIpRanges":[{"ipRange":"192.0.2.1"}]}"#);
    assert_eq!(client.send(DeleteIpAccess::new()).await.unwrap().deleted_ip_ranges.len(), 1);

    let account = r#"{"technicalAccountId":"A1","credential":"canary-credential"}"#;
    answer(account);
    let created = client.send(CreateAccount::new("bi", "ann@example.com")).await.unwrap();
    assert_eq!(created.credential(), Some("canary-credential"));
    fake.fail_next(503);
    answer(account);
    let change = UpdateAccount::new(&created.technical_account_id).credential("canary-credential");
    assert_eq!(client.send(change).await.unwrap().meta().attempts.len(), 2);
    let link = "https://platform.adobe.io/data/foundation/queryauth/accounts?orderby=+created&property=active==true&start=2026-02-02T00:00:00.000Z";
    let (first, second) = (
        r#"{"technicalAccountId":"A1","created":"2026-02-01T00:00:00.000Z"}"#,
        r#"{"technicalAccountId":"A2","created":"2026-02-02T00:00:00.000Z"}"#,
    );
    let links = format!(r#""_links":{{"next":{{"href":"{link}"}}}}"#);
    answer(&format!(
        r#"{{"accounts":[{first},{second}],"_page":{{"start":"2026-02-01T00:00:00.000Z"}},{links}}}"#
    ));
    answer(&format!(
        r#"{{"accounts":[{second}],"_page":{{"start":"2026-02-02T00:00:00.000Z"}},{links}}}"#
    ));
    let accounts = client.items(ListAccounts::new()).try_collect().await.unwrap();
    assert_eq!(accounts.len(), 2, "the page after begins with the last account of the page before");
    answer(r#"{"result":"Success"}"#);
    let deleted = client.send(DeleteAccount::new("A1")).await.unwrap();
    assert_eq!(deleted.result.as_deref(), Some("Success"));

    let accounts = "/data/foundation/queryauth/accounts";
    assert_eq!(
        seen(&fake),
        [
            "GET /connection_parameters".to_owned(),
            "GET /security/ip-access".to_owned(),
            "PUT /security/ip-access".to_owned(),
            "POST /security/validate/ip-access".to_owned(),
            "DELETE /security/ip-access".to_owned(),
            format!("POST {accounts}"),
            format!("PUT {accounts}/A1"),
            format!("PUT {accounts}/A1"),
            format!("GET {accounts}"),
            format!("GET {accounts}"),
            format!("DELETE {accounts}/A1"),
        ]
    );
    let second_page = &fake.requests()[9].query;
    assert_eq!(
        second_page,
        "orderby=%2Bcreated&limit=20&property=active%3D%3Dtrue&start=2026-02-02T00%3A00%3A00.000Z"
    );
}

#[tokio::test]
async fn anything_else_of_the_api_is_reached_raw_or_decoded_by_the_caller() {
    #[derive(serde::Deserialize)]
    struct Ids {
        schedules: Vec<Id>,
    }
    #[derive(serde::Deserialize)]
    struct Id {
        id: String,
    }
    let (fake, client) = start().await;
    let raw = client
        .raw(Method::GET, &["schedules"])
        .query("limit", Some(1))
        .send_as::<Ids>()
        .await
        .unwrap();
    assert_eq!(raw.schedules.len(), 1);
    let typed = client.send_as::<_, Ids>(ListSchedules::new().limit(3)).await.unwrap();
    assert_eq!(typed.schedules[0].id, raw.schedules[0].id);
    let bytes = client.raw(Method::GET, &["schedules", NIGHTLY]).send().await.unwrap();
    assert!(bytes.body().starts_with(b"{"));

    // A raw POST is not repeated either.
    fake.fail_next(503);
    let path = ["schedules", NIGHTLY, "runs"];
    let error = client.raw(Method::POST, &path).send().await.unwrap_err();
    assert!(error.may_have_run());
    assert_eq!(error.attempts().len(), 1);
}

#[tokio::test]
async fn a_link_is_followed_on_the_own_origin_only() {
    let (fake, client) = start().await;
    let own = Link::new(format!("/data/foundation/query/schedules/{NIGHTLY}"));
    let schedule = client.follow::<adobe::Schedule>(&own).await.unwrap();
    assert_eq!(schedule.id.as_str(), NIGHTLY);
    let before = fake.requests().len();
    let foreign = Link::new("https://platform-va7.adobe.io/data/foundation/query/schedules");
    let error = client.follow::<adobe::Schedule>(&foreign).await.unwrap_err();
    assert_eq!((error.kind(), fake.requests().len()), (ErrorKind::CrossOrigin, before));
}

#[tokio::test]
async fn a_report_tells_every_attempt_and_no_secret() {
    let fake = FakeAdobe::start().await;
    let token = fake.access_token();
    let client = fake
        .client_builder()
        .credential(adobe::AccessToken::new(FakeAdobe::CLIENT_ID, token.clone()))
        .clock(ManualClock::new())
        .build()
        .unwrap();
    let echo = format!(r#"{{"message":"the token {token} of {} is odd"}}"#, FakeAdobe::ORG_ID);
    fake.fail_next(500);
    fake.respond_next_with(503, &[("retry-after", "7")], "");
    fake.respond_next_with(503, &[], &echo);
    let error = client
        .send(ListRuns::new(NIGHTLY).filter(RunFilter::raw("state==SECRET")))
        .await
        .unwrap_err();
    let report = error.report();
    for part in [
        "adobe.runs.list: the token REDACTED of REDACTED is odd (HTTP 503, request id ",
        ") after 3 attempts",
        "kind         Server",
        "vendor       adobe",
        "orderby=%2Bcreated&limit=20&property=REDACTED",
        "delivery     Answered",
        "attempt 1",
        "HTTP 500",
        "attempt 3",
        "then paused 7.",
    ] {
        assert!(report.contains(part), "{part:?} is not in {report}");
    }
    let printed = format!("{report}{error:?}{client:?}");
    for secret in [token.as_str(), FakeAdobe::CLIENT_ID, FakeAdobe::ORG_ID, "SECRET"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(
        str::from_utf8(error.body()).unwrap().contains(&token),
        "the body itself is there for who asks"
    );
}

#[tokio::test]
async fn a_transport_is_told_whose_bodies_may_not_be_kept() {
    let script = ScriptedTransport::default();
    script.respond(200, r#"{"access_token":"canary-token","expires_in":3600}"#);
    script.respond(200, r#"{"runsSchedules":[]}"#);
    script.respond(200, r#"{"token":"canary-token"}"#);
    let client = adobe::Client::builder()
        .credential(adobe::ServerToServer::new("canary-id", "canary-secret"))
        .org_id("canary-org")
        .sandbox("prod")
        .transport(script.clone())
        .build()
        .unwrap();
    client.send(ListRuns::new(NIGHTLY)).await.unwrap();
    client.send(GetConnectionParameters::new()).await.unwrap();
    let sent = script.sent();
    let kept: Vec<_> = sent.iter().map(|sent| (sent.operation(), sent.is_confidential())).collect();
    assert_eq!(
        kept,
        [
            ("adobe.token", true),
            ("adobe.runs.list", false),
            ("adobe.connection_parameters.get", true)
        ]
    );
    for (name, value) in sent[1].headers() {
        let kept = sent[1].redact(value.to_str().unwrap()).into_owned();
        assert!(!kept.contains("canary"), "{name}: {kept}");
    }
}

#[test]
fn what_a_client_is_asked_to_do_may_move_to_another_thread() {
    fn moves<T: Send>(_: &T) {}
    let build = || {
        adobe::Client::builder()
            .org_id("1@AdobeOrg")
            .sandbox("dev")
            .base_url("http://localhost")
            .build()
    };
    let client = build().unwrap();
    let target = adobe::target("nightly");
    moves(&client.send(ListRuns::new("nightly")));
    moves(&client.pages(ListRuns::new("nightly")));
    moves(&client.items(ListRuns::new("nightly")));
    moves(&client.trigger_and_wait(&target));
    moves(&client.trigger_and_wait(&target).updates());
    moves(&client.cancel(&target.run("7")));
}
