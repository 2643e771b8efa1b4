//! The ArcGIS client over a scripted transport: who it says it is, what it makes of errors inside 200, how lists are walked.
#![cfg(feature = "arcgis")]

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{Method, Response};
use scheduled_runs::arcgis::{
    self, AppToken, ArcGis, CreateTask, CreateUserTask, CronSchedule, DeleteTask, DisableUserTask,
    EnableTask, GenerateToken, GetInfo, GetTask, GetTaskRun, GetUserTaskRun, ListTaskRuns,
    ListTasks, ListUserTasks, ReadyToken, UpdateTask, UserLogin,
};
use scheduled_runs::client::{ApiRequest, Endpoint, Idempotency, Meta};
use scheduled_runs::run::Recovery;
use scheduled_runs::testing::arcgis::{Deployment, FakeArcGis};
use scheduled_runs::testing::{ManualClock, NewRun, Plan, ScriptedTransport};
use scheduled_runs::{
    CallLimits, CancelOutcome, ClientBuilder, Cursor, ErrorKind, Phase, RunProvider, RunProviderExt,
};
use serde_json::{Value, json};
use url::Url;

const ROOT: &str = "https://gis.initech.example/maps";

/// A client without a credential, and what it talks to.
fn scripted() -> (ScriptedTransport, ManualClock, ClientBuilder<ArcGis>) {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = arcgis::Client::builder().base_url(ROOT);
    let builder = builder.transport(script.clone()).clock(clock.clone());
    (script, clock, builder)
}

fn user() -> GenerateToken {
    GenerateToken::new("m.bolton", "canary-password")
}

/// A token of the portal's that lives an hour.
fn token(name: &str, clock: &ManualClock) -> String {
    use scheduled_runs::client::Clock as _;
    let expires = (clock.utc() + Duration::from_secs(3600)).timestamp_millis();
    json!({ "token": name, "expires": expires, "ssl": true }).to_string()
}

fn body(request: &ApiRequest) -> &str {
    str::from_utf8(request.body()).unwrap()
}

/// Method, path and query of everything sent, below the portal's root.
fn sent(script: &ScriptedTransport) -> Vec<String> {
    let line = |request: &ApiRequest| {
        format!("{} {}", request.method(), request.url().as_str().strip_prefix(ROOT).unwrap())
    };
    script.sent().iter().map(line).collect()
}

fn refused(code: u16) -> String {
    json!({ "error": { "code": code, "message": "no", "details": [] } }).to_string()
}

const DONE: &str = r#"{"status":"success"}"#;

fn nightly() -> CronSchedule {
    CronSchedule::daily(4, 0).unwrap()
}

#[tokio::test]
async fn a_user_signs_in_and_the_referer_stays_with_the_token() {
    let (script, clock, builder) = scripted();
    let credential = user().expiration(Duration::from_secs(90 * 60));
    let client = builder.credential(credential).build().unwrap();
    script.respond(200, token("canary-1", &clock));
    script.respond(200, r#"{"result":[]}"#);
    script.respond(200, DONE);
    client.send(ListTasks::new()).await.unwrap();
    client.send(EnableTask::new("t1")).await.unwrap();

    let sent = script.sent();
    let [login, list, enable] = &sent[..] else { panic!("three requests") };
    assert_eq!(login.url().as_str(), format!("{ROOT}/sharing/rest/generateToken"));
    assert_eq!(
        (login.method(), body(login)),
        (
            &Method::POST,
            "username=m.bolton&password=canary-password&client=referer&referer=scheduled-runs&expiration=90&f=json"
        )
    );
    assert_eq!(UserLogin::REFERER, "scheduled-runs");
    assert!(
        !login.headers().contains_key("referer")
            && !login.headers().contains_key("x-esri-authorization")
    );
    for request in [list, enable] {
        assert_eq!(request.headers()["x-esri-authorization"], "Bearer canary-1");
        assert_eq!(request.headers()["referer"], "scheduled-runs");
        assert!(!request.headers().contains_key("authorization"));
        assert!(!request.url().as_str().contains("canary"));
    }
    assert_eq!((body(list), body(enable)), ("", "f=json&token=canary-1"));
    assert!(!format!("{sent:?} {script:?} {client:?}").contains("canary"));
}

#[tokio::test]
async fn an_application_signs_in_by_oauth() {
    let (script, clock, builder) = scripted();
    let credential = AppToken::new("app", "canary-secret").expiration(Duration::from_secs(61));
    let client = builder.credential(credential).build().unwrap();
    for token in ["canary-1", "canary-2"] {
        script.respond(200, json!({"access_token": token, "expires_in": 120}).to_string());
        script.respond(200, r#"{"tasks":[]}"#);
        client.send(ListUserTasks::new("m.bolton")).await.unwrap();
        clock.advance(Duration::from_secs(120));
    }
    let sent = script.sent();
    assert_eq!(sent[0].url().as_str(), format!("{ROOT}/sharing/rest/oauth2/token"));
    assert_eq!(
        body(&sent[0]),
        "client_id=app&client_secret=canary-secret&grant_type=client_credentials&expiration=2&f=json"
    );
    assert_eq!(sent[1].headers()["x-esri-authorization"], "Bearer canary-1");
    assert!(!sent[1].headers().contains_key("referer"));
    assert_eq!(sent[3].headers()["x-esri-authorization"], "Bearer canary-2", "after two minutes");
}

#[tokio::test]
async fn a_ready_token_goes_where_tokens_go() {
    let (script, _, builder) = scripted();
    let credential = ReadyToken::new("canary-token").referer("https://app.initech.example");
    let client = builder.credential(credential).build().unwrap();
    script.respond(200, DONE);
    script.respond(200, r#"{"success":true,"taskId":"t1"}"#);
    client.send(DeleteTask::new("t1")).await.unwrap();
    client.send(DisableUserTask::new("admin", "t1")).await.unwrap();
    let sent = script.sent();
    assert_eq!(body(&sent[0]), "f=json&token=canary-token", "the administrator API wants it there");
    assert_eq!(body(&sent[1]), "f=json", "the sharing API does not, whatever its users are called");
    for request in sent {
        assert_eq!(request.headers()["x-esri-authorization"], "Bearer canary-token");
        assert_eq!(request.headers()["referer"], "https://app.initech.example");
        assert!(request.url().query().is_none());
    }
}

#[tokio::test]
async fn a_raw_call_to_the_administrator_api_is_dressed_the_same() {
    let (script, _, builder) = scripted();
    let client = builder.credential(ReadyToken::new("canary-token")).build().unwrap();
    script.respond(200, "{}");
    script.respond(200, "{}");
    let call = client.raw(Method::POST, &["admin", "logs", "query"]).form([("a", "1")]);
    call.send().await.unwrap();
    client.raw(Method::GET, &["sharing", "rest", "info"]).send().await.unwrap();
    assert_eq!(body(&script.sent()[0]), "a=1&f=json&token=canary-token");
    assert_eq!(sent(&script)[1], "GET /sharing/rest/info?f=json");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_whatever_the_call() {
    for code in [498, 499] {
        let (script, clock, builder) = scripted();
        let client = builder.credential(user()).build().unwrap();
        script.respond(200, token("canary-1", &clock));
        script.respond(200, refused(code));
        script.respond(200, token("canary-2", &clock));
        script.respond(200, DONE);
        let task = CreateTask::new("CreateBackup", nightly());
        let created = client.send(task).await.unwrap();
        assert_eq!(created.meta().attempts.len(), 2);
        let sent = script.sent();
        assert!(body(&sent[1]).ends_with("&f=json&token=canary-1"), "{code}");
        assert!(body(&sent[3]).ends_with("&f=json&token=canary-2"), "{code}");
        assert_eq!(body(&sent[3]).matches("token=").count(), 1);
        assert_eq!(sent[3].headers()["x-esri-authorization"], "Bearer canary-2");
        assert_eq!(sent[3].headers()["referer"], "scheduled-runs");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_twice_is_an_auth_error_that_says_what_to_check() {
    for (body, says) in [
        (refused(498), "was made for another referer"),
        (refused(499), "pass a credential"),
        (
            r#"{"status":"error","messages":["Unauthorized access"],"code":"498"}"#.into(),
            "Unauthorized access",
        ),
    ] {
        let (script, clock, builder) = scripted();
        let client = builder.credential(user()).build().unwrap();
        script.respond(200, token("canary-1", &clock));
        script.respond(200, body.clone());
        script.respond(200, token("canary-2", &clock));
        script.respond(200, body.clone());
        let error = client.send(GetTask::new("t1")).await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Auth, 4), "{body}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!format!("{error:?} {}", error.report()).contains("canary"));
        // A ready token cannot be renewed.
        let (script, _, builder) = scripted();
        let client = builder.credential(ReadyToken::new("canary-token")).build().unwrap();
        script.respond(200, body);
        let error = client.send(GetTask::new("t1")).await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Auth, 1));
    }
}

#[tokio::test]
async fn a_refused_login_says_what_to_check_and_is_not_tried_again() {
    let (script, _, builder) = scripted();
    let client = builder.credential(user()).build().unwrap();
    script.respond(
        200,
        r#"{"error":{"code":400,"message":"Unable to generate token.","details":["No such canary-password."]}}"#,
    );
    let error = client.send(ListTasks::new()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Auth, 1));
    let text = error.to_string();
    assert!(text.contains("check user name and password") && text.contains("SAML"), "{text}");
    assert!(text.contains("Unable to generate token. No such REDACTED."), "{text}");
    assert!(!format!("{error:?} {}", error.report()).contains("canary"));

    let (script, _, builder) = scripted();
    let client = builder.credential(AppToken::new("app", "canary-secret")).build().unwrap();
    script.respond(200, r#"{"error":{"code":400,"error":"invalid_client_id","error_description":"Invalid client_id"}}"#);
    let error = client.send(ListTasks::new()).await.unwrap_err();
    assert!(error.to_string().contains("check client id and client secret"), "{error}");
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Auth, 1));
}

#[tokio::test]
async fn a_base_url_that_leads_to_no_portal_is_named_by_the_error() {
    for (status, body, says) in [
        (404, "<html>", "check the base URL"),
        (200, r#"{"error":{"code":404,"message":"no"}}"#, "check the base URL"),
        (200, r#"{"error":{"code":499,"message":"Token Required"}}"#, "the base URL"),
        (200, "<html>sign in</html>", "login page"),
    ] {
        let (script, _, builder) = scripted();
        let client = builder.credential(user()).build().unwrap();
        script.respond(status, body);
        let error = client.send(ListTasks::new()).await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Auth, 1));
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_portal_without_tasks_of_the_deployment_is_distinguished_from_a_missing_task() {
    let (script, _, builder) = scripted();
    let client = builder.build().unwrap();
    let lacking = "only ArcGIS Enterprise on Kubernetes has";
    let gone = r#"{"error":{"code":404,"message":"no such task"}}"#;
    script.respond(404, "<html>");
    script.respond(404, "");
    script.respond(200, gone);
    script.respond(404, "<html>");
    script.respond(200, gone);
    let list = client.send(ListTasks::new()).await.unwrap_err();
    let runs = client.send(ListTaskRuns::new("t1")).await.unwrap_err();
    let task = client.send(GetTask::new("t1")).await.unwrap_err();
    let user = client.send(ListUserTasks::new("u")).await.unwrap_err();
    let none = client.send(ListTasks::new()).await.unwrap_err();
    for (error, expected) in
        [(list, true), (runs, true), (task, false), (user, false), (none, true)]
    {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.to_string().contains(lacking), expected, "{error}");
    }
}

#[tokio::test]
async fn no_password_is_too_short_to_be_kept_from_plain_http() {
    let (script, _, builder) = scripted();
    let credential = GenerateToken::new("u", "abc").token_url("http://sso.initech.example/tokens");
    let client = builder.credential(credential).build().unwrap();
    let error = client.send(ListTasks::new()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Config, 0));
    assert!(error.to_string().contains("clear text"), "{error}");
}

#[tokio::test]
async fn a_token_url_of_ones_own_is_asked_and_a_page_there_is_no_token() {
    let (script, clock, builder) = scripted();
    let credential = user().token_url("https://sso.initech.example/tokens").referer("r");
    let client = builder.credential(credential).build().unwrap();
    script.respond(200, token("canary-1", &clock));
    script.respond(200, "{}");
    client.send(GetInfo::new()).await.unwrap();
    assert_eq!(script.sent()[0].url().as_str(), "https://sso.initech.example/tokens");
    assert_eq!(script.sent()[1].headers()["referer"], "r");

    let (script, _, builder) = scripted();
    let client = builder.credential(user()).build().unwrap();
    script.respond(200, "<html>sign in</html>");
    let error = client.send(GetInfo::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.to_string().contains("login page"), "{error}");
}

#[tokio::test]
async fn a_tokens_life_is_measured_on_the_servers_clock() {
    let (script, clock, builder) = scripted();
    let client = builder.credential(user()).build().unwrap();
    // By our clock this token ended in 2017; by the server's it has ten minutes.
    let login = Response::builder().header("date", "Thu, 11 May 2017 22:18:55 GMT");
    script.respond_with(
        login.body(r#"{"token":"canary-1","expires":"1494541735000"}"#.into()).unwrap(),
    );
    for _ in 0..2 {
        script.respond(200, "{}");
        client.send(GetInfo::new()).await.unwrap();
        clock.advance(Duration::from_secs(8 * 60));
    }
    assert_eq!(script.sent().len(), 3, "one login, two calls");
    clock.advance(Duration::from_secs(3 * 60));
    script.respond(200, token("canary-2", &clock));
    script.respond(200, "{}");
    client.send(GetInfo::new()).await.unwrap();
    assert_eq!(script.sent().len(), 5);
}

#[tokio::test]
async fn a_failure_inside_a_success_is_repeated_as_its_code_says() {
    // Code, tries of a read, tries of an update, tries of a create, whether the create may have been carried out.
    for (code, read, update_tries, create, doubt, kind) in [
        (400, 1, 1, 1, false, ErrorKind::Rejected),
        (403, 1, 1, 1, false, ErrorKind::Denied),
        (404, 1, 1, 1, false, ErrorKind::NotFound),
        (429, 3, 3, 3, false, ErrorKind::RateLimited),
        (500, 3, 3, 1, true, ErrorKind::Server),
        (503, 3, 3, 1, true, ErrorKind::Server),
    ] {
        let refusing = || {
            let (script, _, builder) = scripted();
            (0..3).for_each(|_| script.respond(200, refused(code)));
            (script, builder.build().unwrap())
        };
        let (script, client) = refusing();
        let error = client.send(GetTask::new("t1")).await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (kind, read), "{code}");
        assert_eq!(error.status().unwrap(), 200, "people are shown the answer's own");
        assert!(!error.may_have_run());
        let (script, client) = refusing();
        let update = UpdateTask::new("t1", "CleanGPJobs", nightly());
        let error = client.send(update).await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (kind, update_tries), "{code}");
        let (script, client) = refusing();
        let error = client.send(CreateTask::new("CreateBackup", nightly())).await.unwrap_err();
        assert_eq!((script.sent().len(), error.may_have_run()), (create, doubt), "{code}");
    }
}

#[tokio::test]
async fn what_the_vendor_says_stands_in_the_error() {
    for (status, body, kind, text) in [
        (
            200,
            r#"{"error":{"code":403,"messageCode":"GWM_0003","message":"You may not do this.","details":[]}}"#,
            ErrorKind::Denied,
            "arcgis.tasks.get: GWM_0003: You may not do this. (HTTP 200, code 403)",
        ),
        (
            200,
            r#"{"status":"error","messages":["The portal","is not set up."],"code":400}"#,
            ErrorKind::Rejected,
            "arcgis.tasks.get: The portal is not set up. (HTTP 200, code 400)",
        ),
        (
            200,
            r#"{"success":false,"taskId":"t1"}"#,
            ErrorKind::Rejected,
            "arcgis.tasks.get: the vendor refused the request (HTTP 200)",
        ),
        (
            200,
            r#"{"status":"failed","statusMessage":"the job is lost"}"#,
            ErrorKind::Rejected,
            "arcgis.tasks.get: the job is lost (HTTP 200)",
        ),
        (
            404,
            "<html>nothing here</html>",
            ErrorKind::NotFound,
            "arcgis.tasks.get: only ArcGIS Enterprise on Kubernetes has tasks of the deployment; check the kind of portal and the base URL (HTTP 404)",
        ),
        (
            200,
            "<html>nothing here</html>",
            ErrorKind::UnexpectedContent,
            "arcgis.tasks.get: the response is an HTML page of 25 bytes, not JSON: is this a login page or a proxy, or was `f=json` ignored? (HTTP 200)",
        ),
    ] {
        let (script, _, builder) = scripted();
        script.respond(status, body);
        let error = builder.build().unwrap().send(GetTask::new("t1")).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        assert_eq!(error.attempts().len(), 1);
    }
}

#[tokio::test]
async fn a_run_that_failed_is_an_answer_and_the_same_words_elsewhere_are_an_error() {
    let (script, _, builder) = scripted();
    let client = builder.build().unwrap();
    let run = r#"{"runId":"r1","status":"failed","result":"no space left"}"#;
    script.respond(200, run);
    script.respond(200, run);
    script.respond(200, format!(r#"{{"result":[{run}],"nextStart":0}}"#));
    script.respond(200, r#"{"status":"failed","statusMessage":"no"}"#);
    let admin = client.send(GetTaskRun::new("t1", "r1")).await.unwrap();
    assert_eq!(admin.result.as_deref(), Some("no space left"));
    let user = client.send(GetUserTaskRun::new("u", "t1", "r1")).await.unwrap();
    assert!(user.status.as_ref().unwrap().phase() == Phase::Failed);
    assert_eq!(client.send(ListTaskRuns::new("t1")).await.unwrap().items.len(), 1);
    let error = client.send(EnableTask::new("t1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
}

#[tokio::test]
async fn a_login_whose_answer_cannot_be_read_shows_no_password() {
    let (script, _, builder) = scripted();
    let client = builder.credential(user()).build().unwrap();
    script.respond(200, r#"{"canary-password":nul"#);
    let error = client.send(GetTask::new("t1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.report().contains("at `REDACTED`"), "{}", error.report());
}

#[tokio::test]
async fn a_portal_that_sends_the_password_back_later_is_not_quoted() {
    let (script, clock, builder) = scripted();
    let client = builder.credential(user()).build().unwrap();
    script.respond(200, token("canary-1", &clock));
    script.respond(200, r#"{"error":{"code":400,"message":"canary-password is too old"}}"#);
    let error = client.send(GetTask::new("t1")).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Rejected, 2));
    assert!(!error.report().contains("canary"), "{}", error.report());
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_names_the_base_url_to_set() {
    let (script, _, builder) = scripted();
    let client = builder.credential(ReadyToken::new("canary-token")).build().unwrap();
    let moved =
        |to: &str| Response::builder().status(302).header("location", to).body("".into()).unwrap();
    script.respond_with(moved("https://gis.initech.example/portal/admin/system/tasks/createTask"));
    let error = client.send(CreateTask::new("CreateBackup", nightly())).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Rejected, 1));
    assert!(
        error.to_string().contains("set the base URL to https://gis.initech.example/portal"),
        "{error}"
    );
    script.respond_with(moved("https://sso.example/login?token=x"));
    let error = client.send(EnableTask::new("t1")).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::CrossOrigin, 2));
}

fn page(name: &str, ids: &[&str], start: i64, next: i64, total: u64) -> String {
    let items: Vec<_> = ids.iter().map(|id| json!({ "id": id, "runId": id })).collect();
    json!({ name: items, "start": start, "num": ids.len(), "nextStart": next, "total": total })
        .to_string()
}

#[tokio::test]
async fn lists_of_both_apis_are_walked_to_their_own_end() {
    let (script, _, builder) = scripted();
    let client = builder.build().unwrap();
    script.respond(200, page("result", &["a", "b"], 0, 2, 5));
    script.respond(200, page("result", &["c", "d"], 2, 4, 5));
    script.respond(200, page("result", &["e"], 4, 0, 5));
    let runs = client.items(ListTaskRuns::new("t1")).try_collect().await.unwrap();
    assert_eq!(runs.iter().map(|run| run.run_id.as_str()).collect::<String>(), "abcde");
    script.respond(200, page("tasks", &["a", "b"], 1, 3, 3));
    script.respond(200, page("tasks", &["c"], 3, -1, 3));
    let tasks = client.items(ListUserTasks::new("u").num(2)).try_collect().await.unwrap();
    assert_eq!(tasks.len(), 3);
    assert_eq!(
        sent(&script),
        [
            "GET /admin/system/tasks/t1/runs?f=json",
            "GET /admin/system/tasks/t1/runs?start=2&num=2&f=json",
            "GET /admin/system/tasks/t1/runs?start=4&num=2&f=json",
            "GET /sharing/rest/community/users/u/tasks?num=2&f=json",
            "GET /sharing/rest/community/users/u/tasks?start=3&num=2&f=json"
        ]
    );
}

#[tokio::test]
async fn a_list_that_moves_between_pages_gives_each_item_once() {
    let (script, _, builder) = scripted();
    let client = builder.build().unwrap();
    script.respond(200, page("result", &["b", "a"], 0, 2, 4));
    // Meanwhile a new run came in front.
    script.respond(200, page("result", &["a", "z"], 2, 4, 5));
    script.respond(200, page("result", &["y"], 4, 0, 5));
    let runs = client.items(ListTaskRuns::new("t1")).try_collect().await.unwrap();
    assert_eq!(runs.iter().map(|run| run.run_id.as_str()).collect::<String>(), "bazy");
}

#[tokio::test]
async fn a_server_that_ignores_where_to_begin_is_an_error_after_two_calls() {
    let (script, _, builder) = scripted();
    let client = builder.build().unwrap();
    script.respond(200, page("result", &["a", "b"], 0, 2, 5));
    script.respond(200, page("result", &["a", "b"], 0, 2, 5));
    let error = client.items(ListTaskRuns::new("t1")).try_collect().await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Pagination, 2));
    for _ in 0..3 {
        script.respond(200, page("result", &["a", "b"], 0, 2, 5));
    }
    let pages: Vec<_> = client.pages(ListTaskRuns::new("t1")).concurrent(2).collect().await;
    assert_eq!(pages.len(), 2);
    let last = pages.into_iter().last().unwrap();
    assert_eq!(last.unwrap_err().kind(), ErrorKind::Pagination);
}

#[tokio::test]
async fn pages_are_fetched_side_by_side_where_they_are_counted_and_one_by_one_where_not() {
    let ids = async |client: &arcgis::Client, at: Option<&str>| {
        let mut pages = client.pages(ListUserTasks::new("u"));
        if let Some(cursor) = at {
            pages = pages.resume_at(Cursor::new(cursor));
        }
        let pages: Vec<_> = pages.concurrent(3).collect().await;
        let tasks = pages.into_iter().flat_map(|page| page.unwrap().items);
        tasks.map(|task| task.id.as_str().to_owned()).collect::<String>()
    };
    let (script, _, builder) = scripted();
    let client = builder.build().unwrap();
    script.respond(200, page("tasks", &["a", "b"], 1, 3, 7));
    script.respond(200, page("tasks", &["c", "d"], 3, 5, 7));
    script.respond(200, page("tasks", &["e", "f"], 5, 7, 7));
    script.respond(200, page("tasks", &["g"], 7, -1, 7));
    assert_eq!(ids(&client, None).await, "abcdefg");
    let path = "GET /sharing/rest/community/users/u/tasks?";
    let mut asked = sent(&script);
    asked.sort();
    assert_eq!(asked[3], format!("{path}start=7&num=2&f=json"));

    // From the middle on.
    script.respond(200, page("tasks", &["c", "d"], 3, 5, 7));
    script.respond(200, page("tasks", &["e", "f"], 5, 7, 7));
    script.respond(200, page("tasks", &["g"], 7, -1, 7));
    assert_eq!(ids(&client, Some("start=3&read=2&size=2&first=a")).await, "cdefg");
    assert_eq!(script.sent().len(), 7);

    // Nothing that counts.
    let uncounted = |id: &str, start: u64, next: i64| {
        json!({"tasks": [{"id": id}], "start": start, "nextStart": next}).to_string()
    };
    script.respond(200, uncounted("a", 1, 2));
    script.respond(200, uncounted("b", 2, 3));
    script.respond(200, uncounted("c", 3, -1));
    assert_eq!(ids(&client, None).await, "abc");
    assert_eq!(script.sent().len(), 10);
}

#[tokio::test]
async fn a_run_is_watched_to_its_end_and_explained() {
    let (script, clock, builder) = scripted();
    let client = builder.build().unwrap();
    for (status, result) in [("scheduled", ""), ("executing", ""), ("failed", "the store is full")]
    {
        script.respond(
            200,
            json!({"runId": "r1", "status": status, "result": result,
                   "created": "Feb 3, 2026, 4:05:06 AM", "modified": 1_770_091_600_000_i64})
            .to_string(),
        );
    }
    let mut phases = Vec::new();
    let done = client
        .wait(&arcgis::target("t1").run("r1"))
        .on_update(|run| phases.push(run.phase))
        .await
        .unwrap();
    assert_eq!(phases, [Phase::Queued, Phase::Running, Phase::Failed]);
    assert_eq!(clock.sleeps().len(), 2);
    assert_eq!(done.created.unwrap().to_rfc3339(), "2026-02-03T04:05:06+00:00");
    assert_eq!(done.finished.unwrap().to_rfc3339(), "2026-02-03T04:06:40+00:00");
    assert_eq!(done.state.as_deref(), Some("failed"));
    assert_eq!(
        done.success().unwrap_err().to_string(),
        "run arcgis:t1/r1 failed: the store is full"
    );
    assert_eq!(sent(&script)[0], "GET /admin/system/tasks/t1/runs/r1?f=json");
}

#[tokio::test]
async fn runs_of_both_apis_are_listed_newest_first() {
    let (script, _, builder) = scripted();
    let client = builder.build().unwrap();
    let run =
        |id: &str, created: &str| json!({"runId": id, "status": "skipped", "created": created});
    script.respond(
        200,
        json!({"runs": [
            run("b", "1770091506789"), run("a", "Feb 3, 2026, 4:05:05 AM"), run("c", "1770091506790"), {"runId": "x"}
        ]})
        .to_string(),
    );
    script.respond(200, page("result", &["a", "b"], 0, 2, 3));
    script.respond(200, page("result", &["c"], 2, 0, 3));
    let options = CallLimits::default();
    let user = arcgis::user_target("m/bolton", "t1");
    let runs = client.fetch_page(&user, None, &options).await.unwrap();
    let ids: Vec<_> = runs.items.iter().map(|run| run.run.id()).collect();
    assert_eq!(ids, ["c", "b", "a", "x"]);
    assert_eq!((runs.items[0].phase, runs.items[3].phase), (Phase::Skipped, Phase::Unknown));
    let admin = arcgis::target("t1");
    let first = client.fetch_page(&admin, None, &options).await.unwrap();
    let second = client.fetch_page(&admin, first.next, &options).await.unwrap();
    assert_eq!((second.items[0].run.to_string(), second.next), ("arcgis:t1/c".into(), None));
    assert_eq!(
        sent(&script),
        [
            "GET /sharing/rest/community/users/m%2Fbolton/tasks/t1/runs?f=json",
            "GET /admin/system/tasks/t1/runs?f=json",
            "GET /admin/system/tasks/t1/runs?start=2&num=2&f=json"
        ]
    );
}

#[tokio::test]
async fn nothing_can_be_started_or_ended_and_the_client_says_so() {
    let (script, _, builder) = scripted();
    let client = builder.build().unwrap();
    let capabilities = client.capabilities();
    assert!(capabilities.list && !capabilities.trigger && !capabilities.cancel);
    let error = client.trigger(&arcgis::target("t1")).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Unsupported, false));
    let refused = client.prepare(&arcgis::target("t1")).await.unwrap_err();
    assert_eq!(refused.to_string(), error.to_string());
    assert!(error.to_string().contains("`arcgis::notebook_target`"), "{error}");
    let error = client.cancel(&arcgis::target("t1").run("r1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let foreign = "acme:x/y".parse().unwrap();
    let error = client.snapshot(&foreign).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(script.sent().is_empty());
}

#[tokio::test]
async fn a_task_is_created_once_and_what_its_answer_names_is_told() {
    for answer in [r#"{"success":true,"taskId":"t1"}"#, r#"{"id":"t1","taskTitle":"x"}"#] {
        let (script, _, builder) = scripted();
        script.respond(200, answer);
        let client = builder.build().unwrap();
        let task = CreateUserTask::new("u", "ExecuteNotebook", nightly());
        let created = client.send(task).await.unwrap();
        assert_eq!(created.task_id.as_ref().unwrap().as_str(), "t1");
    }
    for status in [500, 502, 504] {
        let (script, _, builder) = scripted();
        script.respond(status, "<html>gateway</html>");
        let error = builder
            .build()
            .unwrap()
            .send(CreateTask::new("CreateBackup", nightly()))
            .await
            .unwrap_err();
        assert_eq!((script.sent().len(), error.may_have_run()), (1, true), "{status}");
    }
}

#[tokio::test]
async fn a_passcode_that_the_server_repeats_shows_nowhere() {
    let (script, _, builder) = scripted();
    let client = builder.build().unwrap();
    script.respond(200, r#"{"error":{"code":400,"message":"bad passcode canary-passcode","details":["canary-passcode"]}}"#);
    let backup = arcgis::BackupParameters::new("n", "s", "canary-passcode");
    let task = CreateTask::new("CreateBackup", nightly()).parameters(backup);
    let error = client.send(task.clone()).await.unwrap_err();
    assert!(error.to_string().contains("bad passcode REDACTED"), "{error}");
    assert!(!format!("{error:?} {} {task:?} {script:?}", error.report()).contains("canary"));
}

/// A client of the fake, with its own clock, and a target.
async fn notebook(
    set_up: impl Fn(&FakeArcGis),
) -> (FakeArcGis, arcgis::Client, scheduled_runs::Target) {
    let fake = FakeArcGis::start().await;
    set_up(&fake);
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let target = client.notebook_target(FakeArcGis::NOTEBOOK_ITEM);
    (fake, client, target)
}

const EXECUTE: &str = "/admin/notebooks/executeNotebook";

/// Executions that were sent, whether they arrived or not.
fn executions(fake: &FakeArcGis) -> usize {
    fake.requests().iter().filter(|request| request.path.ends_with(EXECUTE)).count()
}

fn on_a_server(fake: &FakeArcGis) {
    fake.deployment(Deployment::WindowsOrLinux);
    fake.strict(true);
}

#[tokio::test]
async fn a_notebook_is_executed_watched_and_explained_in_both_deployments() {
    for set_up in [on_a_server, |fake: &FakeArcGis| fake.strict(true)] {
        let (fake, client, target) = notebook(set_up).await;
        let capabilities = client.capabilities_of(&target);
        assert!(capabilities.trigger_names_run && capabilities.cancel && capabilities.list);
        fake.next_run(Plan::fails("KeyError: 'roads'"));
        let mut phases = Vec::new();
        let wait = client.trigger_and_wait(&target);
        let done = wait.on_update(|run| phases.push(run.phase)).await.unwrap();
        assert_eq!(phases, [Phase::Queued, Phase::Running, Phase::Failed]);
        let why = done.failure.as_ref().unwrap().message.as_deref();
        assert_eq!(why, Some("The container has started. KeyError: 'roads'"));
        assert_eq!((done.state.as_deref(), executions(&fake)), (Some("FAILED"), 1));
        assert!(done.created.is_some() && done.observed.is_some());

        let parameters = json!({ "region": "north", "days": 7 });
        let request = arcgis::ExecuteNotebook::new(FakeArcGis::NOTEBOOK_ITEM)
            .parameters(parameters.clone())
            .update_portal_item(false);
        let started = client.send(request).await.unwrap();
        let job = client.send(arcgis::GetNotebookJob::new(&started.job_id)).await.unwrap();
        let inputs = job.inputs.as_ref().unwrap();
        let read: Value = inputs.notebook_parameters.as_ref().unwrap().read().unwrap();
        assert_eq!((read, inputs.update_portal_item), (parameters, Some(false)));
    }
}

#[tokio::test]
async fn a_lost_execution_is_found_and_never_sent_again() {
    let versions: [fn(&FakeArcGis); 3] = [on_a_server, |_| (), |fake| fake.job_details(false)];
    for set_up in versions {
        // The response is lost.
        let (fake, client, target) = notebook(set_up).await;
        fake.trigger_from_elsewhere(FakeArcGis::NOTEBOOK_ITEM);
        fake.add_task(FakeArcGis::USERNAME, "another");
        fake.lose_next_trigger_response();
        let run = client.trigger(&target).verify().await.unwrap();
        assert_eq!((executions(&fake), fake.triggers(FakeArcGis::NOTEBOOK_ITEM)), (1, 1));
        assert_eq!(client.wait(&run).await.unwrap().phase, Phase::Succeeded);

        // The request is lost.
        fake.lose_next_trigger();
        let error = client.trigger(&target).verify().await.unwrap_err();
        assert!(error.verified_not_started() && error.may_have_run(), "{}", error.report());
        assert_eq!((executions(&fake), fake.triggers(FakeArcGis::NOTEBOOK_ITEM)), (2, 1));

        // A failure of the server, in any form, may come after the start.
        for status in [500, 502, 503, 504] {
            let before = executions(&fake);
            fake.fail_next(status);
            let error = client.trigger(&target).await.unwrap_err();
            assert!(error.may_have_run(), "{status}: {}", error.report());
            assert_eq!(executions(&fake), before + 1, "{status}");
        }
        // A token that has expired has started nothing.
        let before = executions(&fake);
        fake.expire_tokens();
        client.trigger(&target).await.unwrap();
        assert_eq!(executions(&fake), before + 2);
        assert_eq!(fake.triggers(FakeArcGis::NOTEBOOK_ITEM), 2);
    }
}

#[tokio::test]
async fn a_job_that_its_task_started_is_not_taken_for_ours() {
    let (fake, client, target) = notebook(|_| ()).await;
    fake.use_clock(&ManualClock::new());
    let prepared = client.prepare(&target).await.unwrap();
    let intent = prepared.intent().clone();
    drop(prepared);
    let run = fake.start_run(FakeArcGis::NOTEBOOK, Plan::succeeds());
    let job = fake.start_job_of_run(&run);
    assert_eq!(client.recover(&intent).decide().await.unwrap(), None);

    let jobs = client.send(arcgis::ListNotebookJobs::new().detail(true)).await.unwrap();
    let found = jobs.items.iter().find(|job| job.is_of_run(&run.as_str().into())).unwrap();
    assert_eq!(found.job_id.as_str(), job);
}

#[tokio::test]
async fn a_job_that_is_gone_has_ended_and_is_not_said_to_have_succeeded() {
    let (fake, client, target) = notebook(|fake| fake.removes_ended_jobs(true)).await;
    for plan in [Plan::succeeds(), Plan::fails("no"), Plan::succeeds().takes(9)] {
        fake.next_run(plan);
        let error = client.trigger_and_wait(&target).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}", error.report());
        assert!(error.to_string().contains("whether it succeeded is not known"), "{error}");
        let last = error.last_snapshot().unwrap();
        assert_eq!((last.phase, error.run().unwrap().target()), (Phase::Running, &target));
        assert!(error.may_have_run());
    }
    fake.next_run(Plan::succeeds());
    let runs = [client.trigger(&target).await.unwrap(), target.run("unknown")];
    let ends: Vec<_> = client.wait_all(runs).ends().collect().await;
    let kinds: Vec<_> =
        ends.iter().map(|end| end.as_ref().map_err(scheduled_runs::Error::kind)).collect();
    assert!(kinds.iter().all(|end| *end == Err(ErrorKind::NotFound)), "{kinds:?}");
}

#[tokio::test]
async fn a_job_is_cancelled_as_far_as_the_version_can() {
    let by_get = |fake: &FakeArcGis| {
        on_a_server(fake);
        fake.cancels_by_get(true);
    };
    let versions: [fn(&FakeArcGis); 3] = [by_get, on_a_server, |_| ()];
    for set_up in versions {
        let (fake, client, target) = notebook(set_up).await;
        fake.next_run(Plan::never_ends());
        let run = client.trigger(&target).await.unwrap();
        assert_eq!(client.cancel(&run).await.unwrap(), CancelOutcome::Requested);
        assert_eq!(client.wait(&run).await.unwrap().phase, Phase::Cancelled);
        assert_eq!(client.cancel(&run).await.unwrap(), CancelOutcome::AlreadyFinished);
    }
    let (fake, client, target) = notebook(|fake| fake.job_cancels(false)).await;
    fake.next_run(Plan::never_ends());
    let run = client.trigger(&target).await.unwrap();
    let error = client.cancel(&run).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("since 11.5"), "{error}");
    let error = client.cancel(&target.run("unknown")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Without details, a Notebook Server lists jobs without their status.
#[tokio::test]
async fn a_wait_for_many_jobs_that_are_listed_without_their_status_ends() {
    let (fake, client, target) = notebook(on_a_server).await;
    fake.job_details(false);
    let runs = [client.trigger(&target).await.unwrap(), client.trigger(&target).await.unwrap()];
    let wait = client.wait_all(runs).timeout(Duration::from_secs(600));
    let ends: Vec<_> = wait.ends().try_collect().await.unwrap();
    assert!(ends.len() == 2 && ends.iter().all(|end| end.phase == Phase::Succeeded), "{ends:?}");
}

#[tokio::test]
async fn the_runs_of_a_notebook_are_its_own_and_all_of_them() {
    let (fake, client, target) = notebook(on_a_server).await;
    let other = fake.add_task(FakeArcGis::USERNAME, "another");
    let task = client.send(arcgis::GetUserTask::new(FakeArcGis::USERNAME, other)).await.unwrap();
    let other = task.item_id.clone().unwrap();
    let first = DateTime::from_timestamp(1_770_000_000, 0).unwrap();
    for number in 0..2_300 {
        let item = if number % 2 == 0 { FakeArcGis::NOTEBOOK_ITEM } else { &*other };
        let run = NewRun::new("COMPLETED").created(first + TimeDelta::seconds(number));
        fake.add_run(item, run.id(&format!("j{number}")));
    }
    let runs: Vec<_> = client.runs(&target).try_collect().await.unwrap();
    let ids: Vec<_> = runs.iter().map(|run| run.run.id().to_owned()).collect();
    let expected: Vec<_> = (0..1_150).rev().map(|half| format!("j{}", half * 2)).collect();
    assert_eq!(ids, expected);
    client.send(arcgis::DeleteNotebookJobs::new()).await.unwrap();
    assert!(client.runs(&target).try_collect::<Vec<_>>().await.unwrap().is_empty());

    let foreign = client.fetch_page(&target, Some(Cursor::new("x")), &CallLimits::default()).await;
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::Config);
}

/// A job may have run and be gone.
#[tokio::test]
async fn where_ended_jobs_are_removed_a_lost_execution_is_not_said_to_have_started_nothing() {
    let (fake, client, target) = notebook(|fake| fake.removes_ended_jobs(true)).await;
    for lose in [FakeArcGis::lose_next_trigger_response, FakeArcGis::lose_next_trigger] {
        fake.next_run(Plan::succeeds().takes(0));
        lose(&fake);
        let error = client.trigger(&target).verify().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{}", error.report());
        assert!(!error.verified_not_started() && error.may_have_run(), "{}", error.report());
    }
    let prepared = client.prepare(&target).await.unwrap();
    let intent = prepared.intent().clone();
    drop(prepared);
    let error = client.recover(&intent).decide().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{}", error.report());
    assert!(error.to_string().contains("removes runs that have ended"), "{error}");
}

/// A request of the caller's own, to any server.
#[derive(Clone)]
struct Elsewhere;
impl Endpoint for Elsewhere {
    type Api = ArcGis;
    type Output = ();
    const OPERATION: &'static str = "own.elsewhere.get";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;
    fn to_request(&self, _: &Url) -> scheduled_runs::Result<ApiRequest> {
        let base = "https://nb.initech.example:6443/arcgis".parse().unwrap();
        ApiRequest::of::<Self>(Method::GET, &base, &["x"]).finish()
    }
    fn decode(&self, _: &Meta, _: &Bytes) -> scheduled_runs::Result<()> {
        Ok(())
    }
}

/// A Notebook Server has an operation that deletes the jobs that have ended, and a clean-up of its own.
#[tokio::test]
async fn no_server_is_known_to_keep_the_jobs_that_have_ended() {
    let server = "https://notebooks.initech.example/notebook";
    for server in [None, Some(server)] {
        let (script, _, builder) = scripted();
        let builder = match server {
            Some(server) => builder.notebook_server(server),
            None => builder,
        };
        let client = builder.build().unwrap();
        script.respond(200, r#"{"asyncJobs":[],"total":0}"#);
        let target = client.notebook_target("n");
        let recent = client.recent_runs(&target, None, &CallLimits::default()).await.unwrap();
        let kept_since = Some(DateTime::<Utc>::MAX_UTC);
        assert_eq!((recent.page.items.len(), recent.kept_since), (0, kept_since), "{server:?}");
        assert_eq!(script.sent().len(), 1);
    }
}

#[tokio::test]
async fn jobs_that_somebody_deletes_do_not_show_that_nothing_was_started() {
    let (_fake, client, target) = notebook(on_a_server).await;
    client.trigger_and_wait(&target).await.unwrap();
    let prepared = client.prepare(&target).await.unwrap();
    let intent = prepared.intent().clone();
    // The process dies when it has started the run, which has ended when somebody deletes the jobs.
    let run = prepared.start().await.unwrap();
    client.wait(&run).await.unwrap();
    client.send(arcgis::DeleteNotebookJobs::new()).await.unwrap();
    let error = client.recover(&intent).decide().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{}", error.report());
}

/// A Notebook Server 10.8 does not know the parameter `num`, and lists 100 jobs.
#[tokio::test]
async fn a_list_that_counts_more_jobs_than_it_has_does_not_show_that_nothing_was_started() {
    for (total, is_whole) in [(250, false), (100, true)] {
        let (script, clock, builder) = scripted();
        let client = builder.notebook_server("https://nb.initech.example/nb").build().unwrap();
        let job = |number: u64| {
            let start = 1_600_000_000_000 + number;
            json!({ "jobId": format!("j{number}"), "status": "COMPLETED", "startTime": start,
                "endTime": start + 1, "inputs": { "itemId": "n1" } })
        };
        let jobs: Vec<_> = (0..100).map(job).collect();
        let list = json!({ "asyncJobs": jobs, "total": total }).to_string();
        for _ in 0..3 {
            script.respond(200, list.clone());
        }
        let target = client.notebook_target("n1");
        let intent = client.prepare(&target).await.unwrap().intent().clone();
        clock.advance(Duration::from_secs(600));
        let found = client.recover(&intent).await.map_err(|error| error.kind());
        assert_eq!(
            found,
            if is_whole { Ok(Recovery::NotStarted) } else { Err(ErrorKind::Ambiguous) }
        );
    }
}

/// The token goes to the portal and to the Notebook Server, and nowhere else.
#[tokio::test]
async fn a_credential_goes_to_the_portal_and_the_notebook_server_only() {
    let (script, clock, builder) = scripted();
    script.respond(200, token("t1", &clock));
    script.respond(200, r#"{"jobId":"j","status":"COMPLETED"}"#);
    script.respond(200, r#"{"id":"t","title":"x"}"#);
    let server = "https://nb.initech.example:11443/arcgis/admin/";
    let client = builder.credential(user()).notebook_server(server).build().unwrap();
    let run = client.notebook_target("n").run("j");
    assert_eq!(client.snapshot(&run).await.unwrap().phase, Phase::Succeeded);
    client.send(GetTask::new("t")).await.unwrap();
    let sent = script.sent();
    let job = &sent[1];
    let expected = "https://nb.initech.example:11443/arcgis/admin/system/jobs/j?f=json";
    assert_eq!(job.url().as_str(), expected);
    assert!(sent[0].url().as_str().starts_with(ROOT) && sent[2].url().as_str().starts_with(ROOT));
    for request in &sent[1..] {
        assert_eq!(request.headers()["x-esri-authorization"], "Bearer t1");
    }

    let error = client.send(Elsewhere).await.map(drop).unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::CrossOrigin, 3));
}

#[tokio::test]
async fn a_portal_without_notebooks_says_what_to_set() {
    let (fake, _, target) = notebook(|_| ()).await;
    on_a_server(&fake);
    let portal = |url: String| {
        let user = GenerateToken::new(FakeArcGis::USERNAME, FakeArcGis::PASSWORD);
        arcgis::Client::builder().base_url(url).credential(user).build().unwrap()
    };
    let error = portal(fake.base_url()).trigger(&target).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("`notebook_server`"), "{error}");
    let windows = portal(format!("{}/portaladmin", fake.base_url()));
    let error = windows.trigger(&target).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Config, false));
    assert!(error.to_string().contains("`notebook_server`"), "{error}");
}
