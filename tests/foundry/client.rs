//! Foundry from end to end, with answers written here.
#![cfg(feature = "foundry")]

use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Response};
use scheduled_runs::client::{
    ApiRequest, BodyLimits, Clock as _, SystemClock, Transport, TransportError,
};
use scheduled_runs::foundry::{
    self, CancelBuild, ClientCredentials, GetBuild, GetJob, GetSchedule, ListScheduleRuns, Preview,
    RunSchedule, UserToken, error_name,
};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{
    CallLimits, CancelOutcome, ErrorKind, Phase, RunProvider, RunProviderExt as _, RunRef,
};
use serde_json::{Value, json};

const SCHEDULE: &str = "ri.scheduler.main.schedule.1";
const RUN: &str = "ri.scheduler.main.run.1";
const BUILD: &str = "ri.foundry.main.build.1";

fn start() -> (ScriptedTransport, ManualClock, foundry::Client) {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = foundry::Client::builder().hostname("example.palantirfoundry.com");
    let client = builder.transport(script.clone()).clock(clock.clone()).build().unwrap();
    (script, clock, client)
}

/// What was sent, as method and path below the API.
fn sent(script: &ScriptedTransport) -> Vec<String> {
    let line = |request: &ApiRequest| {
        let path = request.url().path().trim_start_matches("/api/v2/orchestration");
        format!("{} {path}", request.method())
    };
    script.sent().iter().map(line).collect()
}

fn the_run() -> RunRef {
    foundry::target(SCHEDULE).run(RUN)
}

fn run(result: Value) -> Value {
    let mut run = json!({"rid": RUN, "createdTime": "2026-02-03T04:00:00Z"});
    if !result.is_null() {
        run["result"] = result;
    }
    run
}

fn runs(result: Value) -> String {
    json!({"data": [{"rid": "ri.scheduler.main.run.2"}, run(result)]}).to_string()
}

fn submitted() -> Value {
    json!({"type": "submitted", "buildRid": BUILD})
}

fn build(status: &str) -> String {
    json!({"rid": BUILD, "status": status, "createdTime": "2026-02-03T04:00:01Z",
        "finishedTime": "2026-02-03T04:05:01Z"})
    .to_string()
}

fn refusal(code: &str, name: &str) -> String {
    json!({"errorCode": code, "errorName": name, "errorInstanceId": "e-1", "parameters": {}})
        .to_string()
}

#[tokio::test]
async fn a_run_is_followed_from_its_trigger_to_the_end_of_its_build() {
    let (script, _, client) = start();
    script.respond(200, run(Value::Null).to_string());
    script.respond(200, runs(Value::Null));
    script.respond(200, runs(submitted()));
    script.respond(200, build("RUNNING"));
    // From here on the build is known.
    script.respond(200, build("SUCCEEDED"));
    let mut phases = Vec::new();
    let wait = client.trigger_and_wait(&foundry::target(SCHEDULE));
    let done = wait.on_update(|run| phases.push((run.phase, run.finished.is_some()))).await;
    let done = done.unwrap().success().unwrap();
    assert_eq!(done.run, the_run());
    // A running build with a time of its end, as in a sample, is running.
    assert_eq!(phases, [(Phase::Queued, false), (Phase::Running, false), (Phase::Succeeded, true)]);
    assert_eq!(
        (done.state.as_deref(), done.duration().unwrap().as_secs()),
        (Some("SUCCEEDED"), 300)
    );
    let list = format!("GET /schedules/{SCHEDULE}/runs");
    let look = format!("GET /builds/{BUILD}");
    assert_eq!(
        sent(&script),
        [&*format!("POST /schedules/{SCHEDULE}/run"), &list, &list, &look, &look]
    );
}

#[tokio::test]
async fn a_run_that_became_no_build_is_over_too() {
    for (result, phase, state) in [
        (json!({"type": "ignored"}), Phase::Skipped, Some("ignored")),
        (json!({"type": "error", "errorName": "CyclicDependency"}), Phase::Failed, Some("error")),
        (json!({"type": "postponed", "until": 1}), Phase::Unknown, None),
    ] {
        let (script, _, client) = start();
        script.respond(200, runs(result));
        let found = client.snapshot(&the_run()).await.unwrap();
        assert_eq!((found.phase, found.state.as_deref()), (phase, state));
        assert_eq!(script.sent().len(), 1);
    }
    let (script, _, client) = start();
    let error = json!({"error": {"errorName": "PERMISSIONDENIED", "description": "no role"}});
    script.respond(200, runs(error));
    let failed = client.snapshot(&the_run()).await.unwrap().success().unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::RunFailed);
    assert!(failed.to_string().contains("failed: no role (code PERMISSIONDENIED)"), "{failed}");
}

#[tokio::test]
async fn a_failed_build_is_explained_by_its_failed_job() {
    let job = |number: u8, status: &str| {
        json!({"rid": format!("ri.foundry.main.job.{number}"), "jobStatus": status,
        "outputs": [{"type": "datasetJobOutput", "datasetRid": format!("ri.foundry.main.dataset.{number}")}]})
    };
    for (jobs, says) in [
        (
            vec![
                (200, json!({"data": [job(1, "SUCCEEDED")], "nextPageToken": "t"}).to_string()),
                (200, json!({"data": [job(2, "DID_NOT_RUN"), job(3, "FAILED")]}).to_string()),
            ],
            "the job that builds ri.foundry.main.dataset.3 failed; the vendor does not say why (in job ri.foundry.main.job.3)",
        ),
        (
            vec![(
                200,
                r#"{"data":[{"rid":"ri.foundry.main.job.4","jobStatus":"FAILED"}]}"#.to_owned(),
            )],
            "a job of the build failed; the vendor does not say why (in job ri.foundry.main.job.4)",
        ),
        (
            vec![(403, String::new())],
            "the reason could not be fetched: foundry.jobs.list: the credential may not do this (HTTP 403) (in build ri.foundry.main.build.1)",
        ),
    ] {
        let (script, _, client) = start();
        script.respond(200, runs(submitted()));
        script.respond(200, build("FAILED"));
        for (status, body) in jobs {
            script.respond(status, body);
        }
        let failed = client.snapshot(&the_run()).await.unwrap();
        assert_eq!(failed.failure.as_ref().unwrap().to_string(), says);
        assert_eq!(failed.phase, Phase::Failed);
    }
}

#[tokio::test]
async fn states_of_builds_are_phases() {
    for (status, phase) in [
        ("CANCELED", Phase::Cancelled),
        ("canceled", Phase::Cancelled),
        ("HIBERNATING", Phase::Unknown),
    ] {
        let (script, _, client) = start();
        script.respond(200, runs(submitted()));
        script.respond(200, build(status));
        assert_eq!(client.snapshot(&the_run()).await.unwrap().phase, phase, "{status}");
    }
}

#[tokio::test]
async fn a_run_is_looked_for_on_every_page() {
    let (script, _, client) = start();
    script.respond(200, r#"{"data":[{"rid":"ri.scheduler.main.run.3"}],"nextPageToken":"v1.a+b"}"#);
    script.respond(200, r#"{"nextPageToken":"v1.c"}"#);
    script.respond(200, runs(json!({"type": "ignored"})));
    assert_eq!(client.snapshot(&the_run()).await.unwrap().phase, Phase::Skipped);
    assert_eq!(script.sent()[1].url().query(), Some("pageToken=v1.a%2Bb"));

    let (script, _, client) = start();
    script.respond(200, r#"{"data":[{"rid":"ri.scheduler.main.run.3"}]}"#);
    let error = client.snapshot(&the_run()).await.unwrap_err();
    assert_eq!((error.kind(), error.run()), (ErrorKind::NotFound, Some(&the_run())));
}

#[tokio::test]
async fn a_list_of_runs_asks_for_all_its_builds_at_once() {
    let (script, _, client) = start();
    script.respond(
        200,
        json!({"data": [
            {"rid": "ri.scheduler.main.run.5"},
            {"rid": "ri.scheduler.main.run.4", "result": submitted()},
            {"rid": "ri.scheduler.main.run.3", "result": {"type": "submitted", "buildRid": "ri.foundry.main.build.hidden"}},
            {"rid": "ri.scheduler.main.run.2", "result": {"type": "ignored"}},
        ], "nextPageToken": "t"})
        .to_string(),
    );
    let one: Value = serde_json::from_str(&build("SUCCEEDED")).unwrap();
    script.respond(200, json!({"data": {BUILD: one}}).to_string());
    let target = foundry::target(SCHEDULE);
    let page = client.fetch_page(&target, None, &CallLimits::default()).await.unwrap();
    let phases: Vec<_> = page.items.iter().map(|run| run.phase).collect();
    assert_eq!(phases, [Phase::Queued, Phase::Succeeded, Phase::Unknown, Phase::Skipped]);
    assert_eq!(sent(&script)[1], "POST /builds/getBatch");

    // Nothing to ask for, nothing asked.
    script.respond(200, "");
    let last = client.fetch_page(&target, page.next, &CallLimits::default()).await.unwrap();
    assert!(last.items.is_empty() && last.next.is_none());
    assert_eq!(script.sent()[2].url().query(), Some("pageToken=t"));
    assert_eq!(script.sent().len(), 3);
}

/// A build that is gone or hidden is left out of a batch; asked for alone it is not found.
#[tokio::test]
async fn many_runs_whose_builds_are_gone_end_with_an_error_as_one_does() {
    let run = |number: u32| format!("ri.scheduler.main.run.{number}");
    let build = |number: u32| format!("ri.foundry.main.build.{number}");
    let list = |numbers: &[u32]| {
        let listed = numbers.iter().map(|number| {
            json!({"rid": run(*number), "result": {"type": "submitted", "buildRid": build(*number)}})
        });
        json!({"data": listed.collect::<Vec<_>>()}).to_string()
    };
    let batch = |status: &str, numbers: &[u32]| {
        let builds = numbers
            .iter()
            .map(|number| (build(*number), json!({"rid": build(*number), "status": status})));
        json!({"data": builds.collect::<serde_json::Map<_, _>>()}).to_string()
    };
    let gone = || refusal("NOT_FOUND", "BuildNotFound");
    let (script, _, client) = start();
    for (status, body) in [
        // The build of the second run was never seen.
        (200, list(&[3, 2, 1])),
        (200, batch("RUNNING", &[1, 3])),
        (200, list(&[3, 2, 1])),
        (404, gone()),
        // That of the first one is gone a round later.
        (200, batch("SUCCEEDED", &[3])),
        (404, gone()),
    ] {
        script.respond(status, body);
    }
    let runs = [1, 2, 3].map(|number| foundry::target(SCHEDULE).run(run(number)));
    let ends: Vec<_> = client.wait_all(runs).ends().collect().await;
    let mut failed = ends.iter().filter_map(|end| end.as_ref().err());
    let (first, second) = (failed.next().unwrap(), failed.next().unwrap());
    assert_eq!([first.kind(), second.kind()], [ErrorKind::NotFound; 2]);
    assert_eq!((first.run().unwrap().id(), first.last_snapshot()), (&*run(2), None));
    assert_eq!(
        (second.run().unwrap().id(), second.last_snapshot().unwrap().phase),
        (&*run(1), Phase::Running)
    );
    assert_eq!((ends.len(), failed.count()), (3, 0));
}

#[test]
fn a_provider_works_in_the_account_of_its_client() {
    let named = foundry::Client::builder().hostname("example.palantirfoundry.com");
    let named = named.scope("the-account").build().unwrap();
    assert_eq!(RunProvider::scope(&named), Some("the-account"));
    let (_, _, client) = start();
    assert_eq!(RunProvider::scope(&client), client.scope());
}

#[tokio::test]
async fn cancelling_a_run_cancels_its_build() {
    let (script, _, client) = start();
    script.respond(200, runs(submitted()));
    script.respond(200, build("RUNNING"));
    script.respond(204, "");
    assert_eq!(client.cancel(&the_run()).await.unwrap(), CancelOutcome::Requested);
    assert_eq!(sent(&script)[2], format!("POST /builds/{BUILD}/cancel"));

    for answers in [
        vec![(200, runs(submitted())), (200, build("SUCCEEDED"))],
        vec![
            (200, runs(submitted())),
            (200, build("RUNNING")),
            (400, refusal("INVALID_ARGUMENT", "BuildNotRunning")),
        ],
        vec![(200, runs(json!({"type": "ignored"})))],
        vec![(200, runs(json!({"type": "error"})))],
    ] {
        let (script, _, client) = start();
        let count = answers.len();
        for (status, body) in answers {
            script.respond(status, body);
        }
        assert_eq!(client.cancel(&the_run()).await.unwrap(), CancelOutcome::AlreadyFinished);
        assert_eq!(script.sent().len(), count);
    }

    let (script, _, client) = start();
    script.respond(200, runs(submitted()));
    script.respond(200, build("RUNNING"));
    script.respond(403, refusal("PERMISSION_DENIED", "CancelBuildPermissionDenied"));
    assert_eq!(client.cancel(&the_run()).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(script.sent().len(), 3);
}

#[tokio::test]
async fn a_run_without_a_build_is_looked_at_again_before_it_cannot_be_cancelled() {
    let (script, clock, client) = start();
    script.respond(200, runs(Value::Null));
    script.respond(200, runs(submitted()));
    script.respond(200, build("RUNNING"));
    script.respond(204, "");
    assert_eq!(client.cancel(&the_run()).await.unwrap(), CancelOutcome::Requested);
    assert_eq!(clock.sleeps().len(), 1);

    let (script, clock, client) = start();
    (0..10).for_each(|_| script.respond(200, runs(Value::Null)));
    let error = client.cancel(&the_run()).await.unwrap_err();
    assert_eq!((error.kind(), error.run()), (ErrorKind::Unsupported, Some(&the_run())));
    assert!(error.to_string().contains("has no build yet"), "{error}");
    assert_eq!((script.sent().len(), clock.sleeps().len()), (5, 4));

    let (script, _, client) = start();
    script.respond(200, runs(json!({"type": "postponed"})));
    assert_eq!(client.cancel(&the_run()).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_run_is_started_again_only_if_it_was_turned_away() {
    // Turned away before any work: sent again.
    for status in [429, 503] {
        let (script, _, client) = start();
        script.respond(status, "");
        script.respond(200, run(Value::Null).to_string());
        assert_eq!(client.send(RunSchedule::new(SCHEDULE)).await.unwrap().rid.as_str(), RUN);
        assert_eq!(script.sent().len(), 2);
    }
    // Perhaps carried out: not sent again.
    for status in [500, 502, 504] {
        let (script, _, client) = start();
        script.respond(status, "<html>");
        let error = client.send(RunSchedule::new(SCHEDULE)).await.unwrap_err();
        assert_eq!((error.may_have_run(), script.sent().len()), (true, 1), "{status}");
    }
    // Not wanted again.
    let (script, _, client) = start();
    let turned_away = Response::builder().status(503).header("QoS-Retry-Hint", "do-not-retry");
    script.respond_with(turned_away.body(Bytes::new()).unwrap());
    let error = client.send(GetBuild::new(BUILD)).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Server, 1));
    // Refused.
    let (script, _, client) = start();
    script.respond(409, refusal("CONFLICT", "ScheduleAlreadyRunning"));
    let error = client.trigger(&foundry::target(SCHEDULE)).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Rejected, false));
    assert_eq!(error_name::of(&error), Some(error_name::SCHEDULE_ALREADY_RUNNING));
}

#[tokio::test]
async fn a_cancel_is_sent_again_when_its_answer_is_lost() {
    let (script, _, client) = start();
    script.fail(scheduled_runs::client::TransportErrorKind::Interrupted);
    script.respond(204, "");
    client.send(CancelBuild::new(BUILD)).await.unwrap();
    assert_eq!(script.sent().len(), 2);
}

#[tokio::test]
async fn an_error_says_what_is_missing_and_what_to_do() {
    for (status, body, text) in [
        (
            404,
            refusal("NOT_FOUND", "ScheduleNotFound"),
            "foundry.schedules.get: ScheduleNotFound (HTTP 404, code NOT_FOUND)",
        ),
        (
            404,
            String::new(),
            "foundry.schedules.get: no such API here: check the host and the path; an older Foundry may lack the operation (HTTP 404)",
        ),
        (
            400,
            refusal("INVALID_ARGUMENT", "ApiFeaturePreviewUsageOnly"),
            "foundry.schedules.get: ApiFeaturePreviewUsageOnly: the operation is in preview; allow it with \
             `preview(Preview::Always)` on the client or the request (HTTP 400, code INVALID_ARGUMENT)",
        ),
        (
            403,
            json!({"errorCode": "PERMISSION_DENIED", "errorName": "Default:PermissionDenied",
                "errorDescription": "ask the owner"})
            .to_string(),
            "foundry.schedules.get: Default:PermissionDenied: ask the owner (HTTP 403, code PERMISSION_DENIED)",
        ),
    ] {
        let (script, _, client) = start();
        script.respond(status, body);
        let error = client.send(GetSchedule::new(SCHEDULE)).await.unwrap_err();
        assert_eq!(error.to_string(), text);
    }
    let (script, _, client) = start();
    script.respond(404, refusal("NOT_FOUND", "Default:ScheduleNotFound"));
    let error = client.send(GetSchedule::new(SCHEDULE)).await.unwrap_err();
    assert_eq!(error_name::of(&error), Some(error_name::SCHEDULE_NOT_FOUND));
    assert!(error.report().contains("error id     e-1"), "{}", error.report());
}

#[tokio::test]
async fn preview_is_set_for_the_client_the_request_and_raw_calls() {
    let query = async |setting: Preview, stable: bool| {
        let script = ScriptedTransport::default();
        let builder = foundry::Client::builder().hostname("example.palantirfoundry.com");
        let client = builder.transport(script.clone()).preview(setting).build().unwrap();
        script.respond(200, build("RUNNING"));
        if stable {
            client.send(GetBuild::new(BUILD)).await.unwrap();
        } else {
            client.send(GetJob::new("ri.foundry.main.job.1")).await.unwrap();
        }
        script.sent()[0].url().query().map(str::to_owned)
    };
    let asked = Some("preview=true".to_owned());
    assert_eq!(
        (query(Preview::Auto, true).await, query(Preview::Auto, false).await),
        (None, asked.clone())
    );
    assert_eq!(
        (query(Preview::Always, true).await, query(Preview::Never, false).await),
        (asked, None)
    );

    let (script, _, client) = start();
    script.respond(200, "{}");
    client
        .raw(Method::GET, &["v2", "admin", "users"])
        .query("pageSize", Some(1))
        .send()
        .await
        .unwrap();
    let raw = &script.sent()[0];
    assert_eq!(
        raw.url().as_str(),
        "https://example.palantirfoundry.com/api/v2/admin/users?pageSize=1"
    );
}

/// A client whose first answer is a token.
fn application(token: ClientCredentials) -> (ScriptedTransport, foundry::Client) {
    let script = ScriptedTransport::default();
    script.respond(
        200,
        r#"{"access_token":"tok-1","token_type":"bearer","expires_in":3600,"scope":"x"}"#,
    );
    let builder = foundry::Client::builder().hostname("gateway.example/foundry");
    let builder = builder.transport(script.clone()).clock(ManualClock::new());
    (script, builder.credential(token).build().unwrap())
}

#[tokio::test]
async fn a_token_is_fetched_once_with_the_secret_in_the_form() {
    let (script, client) = application(ClientCredentials::new("the-id", "the secret"));
    script.respond(200, "{}");
    script.respond(200, "{}");
    client.send(ListScheduleRuns::new(SCHEDULE)).await.unwrap();
    client.send(ListScheduleRuns::new(SCHEDULE)).await.unwrap();
    let sent = script.sent();
    assert_eq!(sent.len(), 3);
    assert_eq!(
        sent[0].url().as_str(),
        "https://gateway.example/foundry/multipass/api/oauth2/token"
    );
    assert_eq!(sent[0].method(), Method::POST);
    assert_eq!(sent[0].headers()["content-type"], "application/x-www-form-urlencoded");
    assert!(!sent[0].headers().contains_key("authorization"));
    assert_eq!(
        str::from_utf8(sent[0].body()).unwrap(),
        "grant_type=client_credentials&client_id=the-id&client_secret=the+secret"
    );
    assert_eq!(sent[2].headers()["authorization"], "Bearer tok-1");
    assert_eq!(sent[2].headers()["accept"], "application/json");
}

#[tokio::test]
async fn scopes_and_basic_authentication_are_sent_as_asked() {
    let token = ClientCredentials::new("the-id", "the-secret")
        .scopes(["api:orchestration-read", "api:orchestration-write"])
        .basic_auth()
        .token_url("https://login.example/token");
    let (script, client) = application(token);
    script.respond(200, "{}");
    client.send(ListScheduleRuns::new(SCHEDULE)).await.unwrap();
    let sent = script.sent();
    assert_eq!(sent[0].url().as_str(), "https://login.example/token");
    assert_eq!(
        str::from_utf8(sent[0].body()).unwrap(),
        "grant_type=client_credentials&scope=api%3Aorchestration-read+api%3Aorchestration-write"
    );
    assert_eq!(sent[0].headers()["authorization"], "Basic dGhlLWlkOnRoZS1zZWNyZXQ=");
}

#[tokio::test]
async fn a_stale_token_is_renewed_once_and_the_call_sent_again() {
    let (script, client) = application(ClientCredentials::new("the-id", "the-secret"));
    script.respond(401, refusal("UNAUTHORIZED", "Default:Unauthorized"));
    script.respond(200, r#"{"access_token":"tok-2"}"#);
    script.respond(200, run(Value::Null).to_string());
    client.send(RunSchedule::new(SCHEDULE)).await.unwrap();
    assert_eq!(script.sent()[3].headers()["authorization"], "Bearer tok-2");
    assert_eq!(script.sent().len(), 4);

    // A token of the user's own is not renewed.
    let script = ScriptedTransport::default();
    script.respond(401, refusal("UNAUTHORIZED", "Default:Unauthorized"));
    let builder = foundry::Client::builder().hostname("example.palantirfoundry.com");
    let client =
        builder.transport(script.clone()).credential(UserToken::new("tok")).build().unwrap();
    let error = client.send(GetBuild::new(BUILD)).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Auth, 1));
}

#[tokio::test]
async fn a_refused_secret_is_an_error_that_does_not_show_it() {
    let script = ScriptedTransport::default();
    script.respond(400, r#"{"error":"invalid_client","error_description":"the-secret is wrong"}"#);
    let builder = foundry::Client::builder().hostname("example.palantirfoundry.com");
    let credential = ClientCredentials::new("the-id", "the-secret");
    let client = builder.transport(script.clone()).credential(credential).build().unwrap();
    let error = client.send(RunSchedule::new(SCHEDULE)).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Auth, false));
    assert_eq!(script.sent().len(), 1);
    assert!(!format!("{error} {error:?} {}", error.report()).contains("the-secret"), "{error:?}");
}

/// Foundry schedules with one run each, which go on until two thousand looks at their builds were made; notes when
/// those were.
#[derive(Clone, Debug)]
struct Looks(Arc<Mutex<Vec<Instant>>>);

#[async_trait]
impl Transport for Looks {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let path: Vec<_> = request.url().path_segments().unwrap().collect();
        let body = match *path {
            [.., "schedules", schedule, "runs"] => {
                let number = schedule.rsplit('.').next().unwrap();
                let build = format!("ri.foundry.main.build.{number}");
                let result = json!({ "type": "submitted", "buildRid": build });
                json!({ "data": [{ "rid": "the-run", "result": result }] })
            }
            [.., "builds", build] => {
                let mut times = self.0.lock().unwrap();
                times.push(SystemClock::default().now());
                let status = if times.len() <= 2000 { "RUNNING" } else { "SUCCEEDED" };
                json!({ "rid": build, "status": status })
            }
            _ => unreachable!("{path:?}"),
        };
        Ok(Response::new(body.to_string().into()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waits_on_one_client_keep_to_the_vendors_rate() {
    let looks = Looks(Arc::default());
    let client = foundry::Client::builder()
        .base_url("https://example.palantirfoundry.com/api")
        .transport(looks.clone())
        .build()
        .unwrap();
    let schedules = (0..1000).map(|n| foundry::target(format!("ri.scheduler.main.schedule.{n}")));
    let runs: Vec<_> = schedules.map(|schedule| schedule.run("the-run")).collect();
    let waits = runs.iter().map(|run| client.wait(run).every(Duration::from_secs(2)));
    let done = futures_util::future::join_all(waits.map(IntoFuture::into_future)).await;
    assert!(done.iter().all(|end| end.as_ref().unwrap().phase == Phase::Succeeded));
    let times = looks.0.lock().unwrap();
    assert!(times.windows(5).all(|five| five[4] - five[0] >= Duration::from_secs(1)));
    assert_eq!(times.len(), 3000, "no look but those of the waits");
}
