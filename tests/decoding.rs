//! Answers in the documented shapes, and what becomes of them when the vendor changes its mind.
//!
//! The fixtures under `tests/fixtures/adobe` are written after the samples of the vendor's API pages, with values of our own.
#![cfg(feature = "adobe")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of tests may panic")]

mod mutations;

use chrono::{DateTime, Utc};
use scheduled_runs::adobe::{
    ErrorType, GetQuery, GetRun, GetSchedule, ListQueries, ListRuns, ListSchedules, QueryState,
    RunState, ScheduleState, TaskState, TriggerRun,
};
use scheduled_runs::client::Endpoint;
use scheduled_runs::testing::ScriptedTransport;
use scheduled_runs::{ErrorKind, Response, Result, adobe};

use self::mutations::{Change, Mutation};

const RUNS: &str = include_str!("fixtures/adobe/runs_list.json");
const RUN: &str = include_str!("fixtures/adobe/run_detail.json");
const SCHEDULES: &str = include_str!("fixtures/adobe/schedules_list.json");
const QUERIES: &str = include_str!("fixtures/adobe/queries_list.json");

async fn decode<E: Endpoint<Api = adobe::Adobe>>(
    request: E,
    body: &str,
) -> Result<Response<E::Output>> {
    let script = ScriptedTransport::default();
    script.answer(200, body.to_owned());
    let client =
        adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev").transport(script).build();
    client.unwrap().send(request).await
}

fn at(text: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

#[tokio::test]
async fn a_list_of_runs() {
    let page = decode(ListRuns::new("s").limit(2), RUNS).await.unwrap();
    let [scheduled, manual] = &page.items[..] else { panic!("two runs") };
    assert_eq!(
        (&scheduled.state, scheduled.external_trigger),
        (&Some(RunState::Success), Some(false))
    );
    assert_eq!((&manual.state, manual.external_trigger), (&Some(RunState::InProgress), Some(true)));
    assert_eq!(scheduled.created, at("2026-02-03T04:00:00Z"));
    assert_eq!(manual.id.decode().unwrap().time, at("2026-02-03T04:05:06.789012Z"));
    assert_eq!(
        page.next.as_ref().unwrap().as_str(),
        "orderby=%2Bcreated&start=2026-02-03T05%3A00%3A00Z",
        "only the link's query is kept, with its plus sign"
    );
}

#[tokio::test]
async fn a_run_with_its_tasks() {
    let run = decode(GetRun::new("s", "r"), RUN).await.unwrap();
    assert_eq!((&run.state, run.external_trigger), (&Some(RunState::Success), Some(true)));
    assert_eq!(run.created, at("2026-02-03T04:05:06Z"));
    let [done, retried] = &run.tasks[..] else { panic!("two tasks") };
    assert_eq!((done.duration.unwrap().as_secs(), retried.duration.unwrap().as_secs()), (72, 9));
    assert_eq!(
        (done.started, done.ended),
        (at("2026-02-03T04:06:00.25Z"), at("2026-02-03T04:07:12.75Z"))
    );
    assert_eq!((&retried.state, retried.started), (&Some(TaskState::QueuedForRetry), None));
}

#[tokio::test]
async fn schedules_and_queries() {
    let schedules = decode(ListSchedules::new(), SCHEDULES).await.unwrap();
    let schedule = &schedules.items[0];
    assert_eq!(schedule.state, Some(ScheduleState::Enabled));
    assert_eq!(
        (schedule.created, schedule.updated),
        (at("2026-02-03T04:05:06Z"), at("2026-02-03T04:05:06.789Z"))
    );
    assert_eq!(schedule.query.as_ref().unwrap().query_parameters["kind"], "click");
    assert_eq!(schedule.timetable.as_ref().unwrap().max_active_runs, Some(1));
    assert!(schedules.next.is_none());

    let queries = decode(ListQueries::new(), QUERIES).await.unwrap();
    let query = &queries.items[0];
    assert_eq!(
        (&query.state, query.is_ctas, query.elapsed_ms),
        (&Some(QueryState::Failed), Some(true), Some(9800))
    );
    assert_eq!(query.errors[0].error_type, Some(ErrorType::User));
    assert_eq!(
        query.errors[1].code.as_deref(),
        Some("58000"),
        "a code is text, whatever it comes as"
    );
    assert_eq!(query.links.get("schedule_run").unwrap().id.as_deref(), Some("r1"));
    assert_eq!(
        query.referenced_datasets().iter().map(|set| set.id.as_str()).collect::<Vec<_>>(),
        ["5b2b", "6c3c"]
    );
}

/// Only an id may be missed.
#[tokio::test]
async fn members_may_be_missing_null_or_new() {
    for (fixture, kind) in
        [(RUNS, "runs"), (RUN, "run"), (SCHEDULES, "schedules"), (QUERIES, "queries")]
    {
        for Mutation { at, name, change, body } in mutations::of(fixture) {
            let needed = ["id", "datasetName", "href", "path"].contains(&&*name);
            let decoded = match kind {
                "runs" => decode(ListRuns::new("s"), &body).await.map(drop),
                "run" => decode(GetRun::new("s", "r"), &body).await.map(drop),
                "schedules" => decode(ListSchedules::new(), &body).await.map(drop),
                _ => decode(ListQueries::new(), &body).await.map(drop),
            };
            match decoded {
                Ok(()) => {}
                Err(error) if needed && matches!(change, Change::Removed | Change::Null) => {
                    assert_eq!(error.kind(), ErrorKind::Decode);
                }
                Err(error) => panic!("{kind} with {at} {change:?}: {}", error.report()),
            }
        }
    }
}

#[tokio::test]
async fn states_the_vendor_invents_are_kept() {
    let run =
        decode(GetRun::new("s", "r"), r#"{"id":"x","state":"Quarantined","taskStatusList":null}"#)
            .await
            .unwrap();
    assert_eq!(run.state.as_ref().unwrap().as_str(), "Quarantined");
    assert!(run.tasks.is_empty());
    let schedule = decode(GetSchedule::new("s"), r#"{"id":"x","state":"DELETED"}"#).await.unwrap();
    assert_eq!(schedule.state.as_ref().unwrap().as_str(), "DELETED");
    let query =
        decode(GetQuery::new("q"), r#"{"id":"x","state":"PAUSED","errors":[]}"#).await.unwrap();
    assert!(!query.state.as_ref().unwrap().is_terminal());
}

#[tokio::test]
async fn an_answer_nobody_can_read_leaves_a_trigger_in_doubt_and_a_read_not() {
    for (body, kind) in [
        ("", ErrorKind::Decode),
        ("null", ErrorKind::Decode),
        ("[]", ErrorKind::Decode),
        ("<html>please log in</html>", ErrorKind::UnexpectedContent),
    ] {
        let error = decode(TriggerRun::new("s"), body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, true), "{body:?}");
        assert_eq!(error.status().unwrap().as_u16(), 200);
        assert!(!error.to_string().contains("log in"));
        let error = decode(GetRun::new("s", "r"), body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, false), "{body:?}");
    }
}

#[tokio::test]
async fn an_acknowledgement_is_read_with_its_status_in_either_form() {
    for body in [r#"{"message":"ok","statusCode":202}"#, r#"{"message":"ok","statusCode":"202"}"#] {
        assert_eq!(decode(TriggerRun::new("s"), body).await.unwrap().status_code, Some(202));
    }
}
