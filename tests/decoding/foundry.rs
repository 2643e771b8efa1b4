//! Foundry's answers in the documented shapes, and what becomes of them when the vendor changes its mind.
//!
//! The fixtures under `tests/fixtures/foundry` are written after the models of the vendor's API pages, with values of our own.
#![cfg(feature = "foundry")]

use crate::mutations;

use std::time::Duration;

use chrono::{DateTime, Utc};
use scheduled_runs::client::Endpoint;
use scheduled_runs::foundry::{
    self, BuildStatus, BuildTarget, DeleteSchedule, Foundry, GetAffectedResources, GetBuilds,
    GetSchedule, GetScheduleOfVersion, GetScheduleVersion, JobOutput, JobStatus, ListBuildJobs,
    ListScheduleRuns, PauseSchedule, ReplaceSchedule, RunSchedule, ScheduleRunErrorName,
    ScheduleRunResult, ScopeMode, Trigger,
};
use scheduled_runs::testing::ScriptedTransport;
use scheduled_runs::{ErrorKind, Response, Result};

use self::mutations::Rules;

const RUNS: &str = include_str!("../fixtures/foundry/schedule_runs_list.json");
const SCHEDULE: &str = include_str!("../fixtures/foundry/schedule.json");
const BUILDS: &str = include_str!("../fixtures/foundry/builds_batch.json");
const JOBS: &str = include_str!("../fixtures/foundry/jobs_list.json");

/// Of anything: requests are not looked at here.
const RID: &str = "ri.a.b.c.1";

async fn decode_as<E: Endpoint<Api = Foundry>>(
    status: u16,
    request: E,
    body: &str,
) -> Result<Response<E::Output>> {
    let script = ScriptedTransport::default();
    script.respond(status, body.to_owned());
    let client = foundry::Client::builder().hostname("example.palantirfoundry.com");
    client.transport(script).build().unwrap().send(request).await
}

async fn decode<E: Endpoint<Api = Foundry>>(request: E, body: &str) -> Result<Response<E::Output>> {
    decode_as(200, request, body).await
}

fn at(text: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

#[tokio::test]
async fn runs_and_what_came_of_them() {
    let page = decode(ListScheduleRuns::new(RID), RUNS).await.unwrap();
    let [undecided, submitted, ignored, error] = &page.items[..] else { panic!("four runs") };
    assert!(undecided.result.is_none() && undecided.created.is_none());
    assert!(undecided.created_by.is_some() && submitted.created_by.is_none());
    assert_eq!(submitted.created, at("2026-02-03T04:00:00.25Z"));
    assert!(matches!(
        &submitted.result,
        Some(ScheduleRunResult::Submitted { build_rid, .. }) if build_rid.as_str().ends_with("cc")
    ));
    assert_eq!(ignored.created, at("2026-02-02T04:00:00Z"));
    assert!(matches!(ignored.result, Some(ScheduleRunResult::Ignored { .. })));
    assert!(matches!(
        &error.result,
        Some(ScheduleRunResult::Error {
            error_name: Some(ScheduleRunErrorName::JobSpecNotFound),
            description: Some(_),
            ..
        })
    ));
    assert_eq!(page.next.as_ref().unwrap().as_str(), "v1.b3JkZXJz");
}

#[tokio::test]
async fn a_schedule_is_read_and_can_be_sent_back_whole() {
    let schedule = decode(GetSchedule::new(RID), SCHEDULE).await.unwrap();
    assert_eq!(schedule.paused, Some(false));
    assert_eq!(
        (schedule.created, schedule.updated),
        (at("2025-11-05T08:15:30.5Z"), at("2026-01-31T23:59:59Z"))
    );
    let Some(Trigger::Or { triggers, .. }) = &schedule.trigger else { panic!("or") };
    assert!(matches!(
        &triggers[..],
        [Trigger::Time { .. }, Trigger::And { .. }, Trigger::Unknown(_)]
    ));
    let action = schedule.action.as_ref().unwrap();
    assert!(
        matches!(&action.target, BuildTarget::Connecting { ignored_rids, .. } if ignored_rids.len() == 1)
    );
    let pause = action.retry_backoff.as_ref().unwrap().duration();
    assert_eq!(pause, Some(Duration::from_secs(300)));
    assert!(matches!(&schedule.scope_mode, Some(ScopeMode::Project { .. })));

    let again = ReplaceSchedule::new(RID, action.clone())
        .display_name(schedule.display_name.clone().unwrap())
        .description(schedule.description.clone().unwrap())
        .trigger(schedule.trigger.clone().unwrap())
        .scope_mode(schedule.scope_mode.clone().unwrap());
    let sent = again.to_request(&"https://host/api".parse().unwrap()).unwrap();
    let sent: serde_json::Value =
        serde_json::from_str(str::from_utf8(sent.body()).unwrap()).unwrap();
    let came: serde_json::Value = serde_json::from_str(SCHEDULE).unwrap();
    for member in ["displayName", "description", "trigger", "action", "scopeMode"] {
        assert_eq!(sent[member], came[member], "{member}");
    }
}

#[tokio::test]
async fn builds_and_jobs() {
    let builds = decode(GetBuilds::new([RID]), BUILDS).await.unwrap();
    let [done, running] = &builds.values().collect::<Vec<_>>()[..] else { panic!("two builds") };
    assert_eq!((&done.status, done.job_rids.len()), (&Some(BuildStatus::Succeeded), 2));
    assert_eq!(done.finished, at("2026-02-03T04:21:09Z"));
    assert_eq!((&running.status, running.finished), (&Some(BuildStatus::Running), None));
    assert!(running.job_rids.is_empty() && running.fallback_branches.is_empty());

    let jobs = decode(ListBuildJobs::new(RID), JOBS).await.unwrap();
    let [failed, skipped] = &jobs.items[..] else { panic!("two jobs") };
    assert_eq!(failed.status, Some(JobStatus::Failed));
    assert_eq!(failed.latest_attempt_started, at("2026-02-03T04:03:00.125Z"));
    assert!(matches!(
        &failed.outputs[..],
        [JobOutput::Dataset { output_transaction_rid: Some(_), .. }, JobOutput::MediaSet { .. }]
    ));
    assert_eq!((&skipped.status, skipped.outputs.len()), (&Some(JobStatus::DidNotRun), 0));
}

/// Only what tells a thing apart may be missed.
#[tokio::test]
async fn members_may_be_missing_null_new_or_of_another_type() {
    let client = || foundry::Client::builder().hostname("example.palantirfoundry.com");
    let rules = Rules {
        required: &["/rid", "/target"],
        typed: &["/data", "/datasets", "/nextPageToken"],
        kept: &["/harbour", "/nextPageToken"],
    };
    mutations::check(client, ListScheduleRuns::new(RID), RUNS, rules).await;
    mutations::check(client, GetSchedule::new(RID), SCHEDULE, rules).await;
    mutations::check(client, GetBuilds::new([RID]), BUILDS, rules).await;
    mutations::check(client, ListBuildJobs::new(RID), JOBS, rules).await;
    let version = r#"{"rid":"ri.v.1","scheduleRid":"ri.s.1","createdTime":"2026-02-03T04:05:06Z","createdBy":"u",
        "trigger":{"type":"manual"},"action":{"target":{"type":"manual","targetRids":["ri.d.1"]}},"scopeMode":{"type":"user"}}"#;
    let request = GetScheduleVersion::new("ri.scheduler.main.schedule-version.1");
    mutations::check(client, request, version, rules).await;
    let affected = r#"{"datasets":["ri.d.1","ri.d.2"]}"#;
    mutations::check(client, GetAffectedResources::new(RID), affected, rules).await;
}

#[tokio::test]
async fn what_is_empty_may_come_as_nothing_at_all() {
    for (status, body) in
        [(204, ""), (200, ""), (200, " \n"), (200, "{}"), (200, r#"{"data":null}"#)]
    {
        let runs = decode_as(status, ListScheduleRuns::new(RID), body).await.unwrap();
        assert!(runs.items.is_empty() && runs.next.is_none(), "{status} {body:?}");
        assert!(decode_as(status, GetBuilds::new([RID]), body).await.unwrap().is_empty());
        let affected = decode_as(status, GetAffectedResources::new(RID), body).await.unwrap();
        assert!(affected.datasets.is_empty());
    }
    let last = decode(ListScheduleRuns::new(RID), r#"{"data":[],"nextPageToken":""}"#).await;
    assert!(last.unwrap().next.is_none());
    for (status, body) in [(204, ""), (200, ""), (200, "null")] {
        let none = decode_as(status, GetScheduleOfVersion::new(RID), body).await.unwrap();
        assert!(none.is_none(), "{status} {body:?}");
    }
    assert!(decode(GetScheduleOfVersion::new(RID), SCHEDULE).await.unwrap().is_some());
    for (status, body) in [(204, ""), (200, ""), (202, "{}"), (200, "null")] {
        decode_as(status, DeleteSchedule::new(RID), body).await.unwrap();
        decode_as(status, PauseSchedule::new(RID), body).await.unwrap();
    }
    let page = "<html>please log in</html>";
    let error = decode(DeleteSchedule::new(RID), page).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::UnexpectedContent, true));
}

#[tokio::test]
async fn an_answer_nobody_can_read_leaves_a_run_in_doubt_and_a_read_not() {
    for (body, kind) in [
        ("", ErrorKind::Decode),
        ("null", ErrorKind::Decode),
        ("[]", ErrorKind::Decode),
        ("<html>please log in</html>", ErrorKind::UnexpectedContent),
    ] {
        let error = decode(RunSchedule::new(RID), body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, true), "{body:?}");
        let error = decode(GetSchedule::new(RID), body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, false), "{body:?}");
    }
}

#[tokio::test]
async fn nesting_of_any_depth_leaves_the_rest_readable() {
    let levels = 100_000;
    let trigger =
        format!("{}{{}}{}", r#"{"type":"and","triggers":["#.repeat(levels), "]}".repeat(levels));
    let body = format!(r#"{{"rid":"ri.a.b.c.1","trigger":{trigger},"paused":true}}"#);
    let schedule = decode(GetSchedule::new(RID), &body).await.unwrap();
    assert!(matches!(&schedule.trigger, Some(Trigger::Unknown(raw)) if raw.json() == trigger));
    assert_eq!(schedule.paused, Some(true));
}

/// Of a result that could be read but for one optional member, the rest is read.
#[tokio::test]
async fn results_and_outputs_keep_what_can_be_read() {
    let body = format!(
        r#"{{"data":[{{"rid":"{RID}","createdTime":"2026-02-03T04:05:06.789+0000","result":{{"type":"error","errorName":"INTERNAL","description":7}}}}]}}"#
    );
    let runs = decode(ListScheduleRuns::new(RID), &body).await.unwrap();
    assert_eq!(runs.items[0].created, at("2026-02-03T04:05:06.789Z"));
    let Some(ScheduleRunResult::Error { error_name, description, .. }) = &runs.items[0].result
    else {
        panic!("{runs:?}")
    };
    assert_eq!((error_name, description), (&Some(ScheduleRunErrorName::Internal), &None));
    let body = r#"{"data":[{"rid":"ri.j.1","outputs":[{"type":"datasetJobOutput","datasetRid":"ri.d.1","outputTransactionRid":[]}]}]}"#;
    let jobs = decode(ListBuildJobs::new(RID), body).await.unwrap();
    let [JobOutput::Dataset { output_transaction_rid: None, .. }] = &jobs.items[0].outputs[..]
    else {
        panic!("{jobs:?}")
    };
    // What is sent back to the vendor is kept as it came instead.
    let trigger = r#"{"type":"and","triggers":[{"type":"manual"},7]}"#;
    let trigger: Trigger = serde_json::from_str(trigger).unwrap();
    assert!(matches!(&trigger, Trigger::And { triggers, .. } if triggers.len() == 2));
    let target = r#"{"type":"manual","targetRids":["ri.a.b.c.1",7]}"#;
    let read: BuildTarget = serde_json::from_str(target).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), target);
}

/// A list that cannot be continued is not at its end.
#[tokio::test]
async fn a_next_page_that_cannot_be_read_is_an_error() {
    for next in ["true", "{}", r#"["v1"]"#, "1.5"] {
        let body = format!(r#"{{"data":[],"nextPageToken":{next}}}"#);
        let error = decode(ListScheduleRuns::new(RID), &body).await.unwrap_err();
        assert_eq!(error.decode_path(), Some("nextPageToken"), "{body}");
    }
    let number = decode(ListScheduleRuns::new(RID), r#"{"data":[],"nextPageToken":7}"#).await;
    assert_eq!(number.unwrap().next.as_ref().unwrap().as_str(), "7");
}
