//! `FakeFoundry`, seen through plain HTTP calls.
#![cfg(feature = "foundry")]
#![allow(clippy::disallowed_methods, reason = "the fake lives in real time")]

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, Method, RequestBuilder, Response};
use scheduled_runs::testing::foundry::{FakeFoundry, UnionForm};
use scheduled_runs::testing::{NewRun, Plan};
use serde_json::{Value, json};

const NIGHTLY: &str = FakeFoundry::NIGHTLY_ORDERS;
const HOURLY: &str = FakeFoundry::HOURLY_TRAFFIC;

type Form<'a> = &'a [(&'a str, &'a str)];

struct Caller {
    fake: FakeFoundry,
    http: Client,
    token: String,
}

impl Caller {
    async fn new() -> Self {
        let fake = FakeFoundry::start().await;
        let (http, token) = (Client::new(), fake.access_token());
        Self { fake, http, token }
    }

    /// `path` is below `/v2/orchestration`, unless it starts with `!`.
    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let path = match path.strip_prefix('!') {
            Some(path) => format!("{}{path}", self.fake.base_url()),
            None => format!("{}/v2/orchestration{path}", self.fake.base_url()),
        };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, path).bearer_auth(&self.token)
    }

    async fn call(&self, method: &str, path: &str) -> (u16, Value) {
        read(self.request(method, path).send().await.unwrap()).await
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        read(self.request(method, path).json(&body).send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.send("POST", path, body).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Triggers a run; gives its RID back.
    async fn run(&self, schedule: &str) -> String {
        let (status, run) = self.call("POST", &format!("/schedules/{schedule}/run")).await;
        assert_eq!((status, run.get("result")), (200, None));
        text(&run["rid"])
    }

    /// The newest run of a schedule.
    async fn newest(&self, schedule: &str) -> Value {
        self.get(&format!("/schedules/{schedule}/runs?pageSize=1")).await["data"][0].clone()
    }

    /// Triggers a run and lists it until it shows its build.
    async fn build(&self, schedule: &str) -> String {
        self.run(schedule).await;
        self.newest(schedule).await;
        text(&self.newest(schedule).await["result"]["buildRid"])
    }

    async fn status(&self, build: &str) -> String {
        text(&self.get(&format!("/builds/{build}")).await["status"])
    }

    async fn jobs(&self, build: &str) -> Vec<Value> {
        let page = self.get(&format!("/builds/{build}/jobs")).await;
        page["data"].as_array().unwrap().clone()
    }

    async fn search(&self, body: Value) -> Vec<Value> {
        let page = self.post("/builds/search?preview=true", body).await;
        page["data"].as_array().unwrap().clone()
    }

    async fn error_of(&self, method: &str, path: &str, body: Value) -> (u16, String, Value) {
        error(self.send(method, path, body).await)
    }

    async fn token(&self, form: Form<'_>) -> (u16, Value) {
        read(self.token_request(form).send().await.unwrap()).await
    }

    fn token_request(&self, form: Form<'_>) -> RequestBuilder {
        let request = self.http.post(self.fake.token_url()).body(escaped(form));
        request.header("content-type", "application/x-www-form-urlencoded")
    }

    /// A page found by its token.
    async fn page(&self, path: &str, query: Form<'_>) -> (u16, Value) {
        self.call("GET", &format!("{path}?{}", escaped(query))).await
    }
}

/// As in a form or a query.
fn escaped(pairs: Form<'_>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn read(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// Status, name and parameters of an error that has all its members.
fn error((status, body): (u16, Value)) -> (u16, String, Value) {
    assert_eq!(body["errorInstanceId"].as_str().map(str::len), Some(36), "{status} {body}");
    let code = match status {
        400 | 415 | 422 => "INVALID_ARGUMENT",
        401 => "UNAUTHORIZED",
        404 => "NOT_FOUND",
        other => panic!("{other} {body}"),
    };
    assert_eq!(body["errorCode"], code);
    (status, text(&body["errorName"]), body["parameters"].clone())
}

fn named(status: u16, name: &str, parameters: Value) -> (u16, String, Value) {
    (status, name.to_owned(), parameters)
}

fn invalid() -> (u16, String, Value) {
    named(400, "Conjure:InvalidArgument", json!({}))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

fn texts(values: &[Value], name: &str) -> Vec<String> {
    values.iter().map(|value| text(&value[name])).collect()
}

fn time(value: &Value) -> DateTime<Utc> {
    text(value).parse().unwrap()
}

fn dataset(name: &str) -> String {
    format!("ri.foundry.main.dataset.{name}")
}

/// The least a new schedule needs.
fn schedule() -> Value {
    json!({ "action": { "target": { "type": "manual", "targetRids": [dataset("a")] } } })
}

fn with(mut body: Value, path: &str, value: Value) -> Value {
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.insert(name.to_owned(), value);
    body
}

const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const ID: (&str, &str) = ("client_id", FakeFoundry::CLIENT_ID);
const SECRET: (&str, &str) = ("client_secret", FakeFoundry::CLIENT_SECRET);

#[tokio::test]
async fn a_token_is_given_for_a_secret_in_the_form_and_works() {
    let mut caller = Caller::new().await;
    let (status, body) = caller.token(&[GRANT, ID, SECRET]).await;
    assert_eq!(
        (status, &body["token_type"], &body["expires_in"]),
        (200, &json!("bearer"), &json!(3600))
    );
    caller.token = text(&body["access_token"]);
    caller.get(&format!("/schedules/{NIGHTLY}/runs")).await;
    let scope = ("scope", "api:orchestration-read offline_access");
    assert_eq!(caller.token(&[GRANT, ID, SECRET, scope]).await.0, 200);
    assert_eq!((caller.fake.token_requests(), caller.fake.requests().len()), (2, 1));
}

#[tokio::test]
async fn a_token_is_given_for_a_secret_in_http_basic() {
    let caller = Caller::new().await;
    let ask = |secret: &str, form: Form<'_>| {
        caller.token_request(form).basic_auth(FakeFoundry::CLIENT_ID, Some(secret)).send()
    };
    let coded: String =
        url::form_urlencoded::byte_serialize(FakeFoundry::CLIENT_SECRET.as_bytes()).collect();
    assert_eq!(ask(&coded, &[GRANT]).await.unwrap().status(), 200);
    assert_eq!(ask("fake%2Bclient%2Fsecret%251", &[GRANT, ID]).await.unwrap().status(), 200);
    assert_eq!(ask(FakeFoundry::CLIENT_SECRET, &[GRANT, SECRET]).await.unwrap().status(), 400);
    let refused = ask("no", &[GRANT]).await.unwrap();
    assert!(refused.headers().contains_key("www-authenticate"));
    assert_eq!(read(refused).await.0, 401);
}

#[tokio::test]
async fn a_token_request_that_is_wrong_is_refused_in_the_form_of_oauth() {
    let caller = Caller::new().await;
    let cases: [(Form<'_>, u16, &str); 8] = [
        (&[GRANT, ID, ("client_secret", "no")], 401, "invalid_client"),
        (&[GRANT, ("client_id", "no"), SECRET], 401, "invalid_client"),
        (&[GRANT, ID], 401, "invalid_client"),
        (&[ID, SECRET], 400, "unsupported_grant_type"),
        (&[("grant_type", "password"), ID, SECRET], 400, "unsupported_grant_type"),
        (&[GRANT, ID, SECRET, ("scope", "all")], 400, "invalid_scope"),
        (&[GRANT, ID, SECRET, ("more", "1")], 400, "invalid_request"),
        (&[GRANT, GRANT, ID, SECRET], 400, "invalid_request"),
    ];
    for (form, status, error) in cases {
        let (answered, body) = caller.token(form).await;
        assert_eq!((answered, &body["error"]), (status, &json!(error)), "{form:?}");
        assert!(body["error_description"].is_string());
    }
    let as_json = caller.http.post(caller.fake.token_url()).json(&json!({}));
    assert_eq!(read(as_json.send().await.unwrap()).await.0, 400);
    caller.fake.fail_next_token(503);
    assert_eq!(caller.token(&[GRANT, ID, SECRET]).await.0, 503);
}

#[tokio::test]
async fn a_missing_an_unknown_and_an_expired_token_are_refused_differently() {
    let mut caller = Caller::new().await;
    let url = format!("{}/v2/orchestration/schedules/{NIGHTLY}/runs", caller.fake.base_url());
    let missing = named(401, "MissingCredentials", json!({}));
    let answer = caller.http.get(&url).send().await.unwrap();
    assert_eq!(error(read(answer).await), missing);
    let answer = caller.http.get(&url).header("authorization", "Basic YTpi").send().await.unwrap();
    assert_eq!(error(read(answer).await), missing);
    let answer = caller.http.get(&url).bearer_auth("no").send().await.unwrap();
    assert_eq!(error(read(answer).await), named(401, "Default:Unauthorized", json!({})));

    caller.fake.expire_tokens();
    let path = format!("/schedules/{NIGHTLY}/runs");
    let expired = named(401, "Default:Unauthorized", json!({ "error": "EXPIRED" }));
    assert_eq!(error(caller.call("GET", &path).await), expired);
    caller.token = caller.fake.access_token();
    caller.get(&path).await;
}

#[tokio::test]
async fn every_answer_has_a_date_and_a_trace_id() {
    let caller = Caller::new().await;
    caller.fake.respond_next_with(418, &[], "");
    let paths = ["/builds/no".to_owned(), "!/no".to_owned(), format!("/schedules/{NIGHTLY}/runs")];
    for path in paths {
        let answer = caller.request("GET", &path).send().await.unwrap();
        assert!(answer.headers().contains_key("date"));
        assert_eq!(answer.headers()["x-b3-traceid"].len(), 16);
    }
    let request = caller.request("GET", "/builds/no").header("X-B3-TraceId", "0af7651916cd43dd");
    assert_eq!(request.send().await.unwrap().headers()["x-b3-traceid"], "0af7651916cd43dd");
    let token = caller.http.post(caller.fake.token_url()).send().await.unwrap();
    assert!(token.headers().contains_key("x-b3-traceid"));
}

#[tokio::test]
async fn an_unknown_path_is_answered_404_without_a_body() {
    let caller = Caller::new().await;
    let cases = [
        ("GET", "/schedules"),
        ("GET", "/schedules/"),
        ("GET", "/builds"),
        ("POST", "/builds"),
        ("GET", "/scheduleRuns/ri.scheduler.main.run.a"),
        ("PATCH", "/builds/a"),
        ("POST", "/schedules/a/runs"),
        ("GET", "/schedules/a/runs/"),
        ("GET", "!/v1/orchestration/builds/a"),
        ("GET", "!"),
    ];
    for (method, path) in cases {
        let answer = caller.request(method, path).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{method} {path}");
        assert_eq!(answer.bytes().await.unwrap().len(), 0, "{method} {path}");
    }
}

#[tokio::test]
async fn an_unknown_rid_is_answered_404_with_the_name_of_its_kind() {
    let caller = Caller::new().await;
    let cases = [
        ("GET", "/schedules/no?preview=true", "ScheduleNotFound", "scheduleRid"),
        ("DELETE", "/schedules/no", "ScheduleNotFound", "scheduleRid"),
        ("POST", "/schedules/no/run", "ScheduleNotFound", "scheduleRid"),
        ("POST", "/schedules/no/pause", "ScheduleNotFound", "scheduleRid"),
        ("POST", "/schedules/no/unpause", "ScheduleNotFound", "scheduleRid"),
        ("GET", "/schedules/no/runs", "ScheduleNotFound", "scheduleRid"),
        (
            "POST",
            "/schedules/no/getAffectedResources?preview=true",
            "ScheduleNotFound",
            "scheduleRid",
        ),
        (
            "GET",
            "/scheduleVersions/no?preview=true",
            "ScheduleVersionNotFound",
            "scheduleVersionRid",
        ),
        (
            "GET",
            "/scheduleVersions/no/schedule?preview=true",
            "ScheduleVersionNotFound",
            "scheduleVersionRid",
        ),
        ("GET", "/builds/no", "BuildNotFound", "buildRid"),
        ("POST", "/builds/no/cancel", "BuildNotFound", "buildRid"),
        ("GET", "/builds/no/jobs", "BuildNotFound", "buildRid"),
        ("GET", "/jobs/no?preview=true", "JobNotFound", "jobRid"),
    ];
    for (method, path, name, parameter) in cases {
        let refusal = named(404, name, json!({ (parameter): "no" }));
        assert_eq!(error(caller.call(method, path).await), refusal, "{method} {path}");
    }
    let replaced = caller.error_of("PUT", "/schedules/a%2Fb?preview=true", schedule()).await;
    assert_eq!(replaced, named(404, "ScheduleNotFound", json!({ "scheduleRid": "a/b" })));
}

#[tokio::test]
async fn unknown_or_repeated_parameters_are_refused() {
    let caller = Caller::new().await;
    for query in ["limit=2", "pageSize=2&pageSize=2", "pageSize=two", "preview=1", "page_size=2"] {
        let path = format!("/schedules/{NIGHTLY}/runs?{query}");
        assert_eq!(error(caller.call("GET", &path).await), invalid(), "{query}");
    }
    let path = format!("/schedules/{NIGHTLY}?preview=true&pageSize=2");
    assert_eq!(error(caller.call("GET", &path).await), invalid());
    caller.get(&format!("/schedules/{NIGHTLY}/runs?preview=true")).await;
}

#[tokio::test]
async fn preview_operations_are_refused_without_the_parameter_unless_told_otherwise() {
    let caller = Caller::new().await;
    let build = caller.build(HOURLY).await;
    let job = text(&caller.jobs(&build).await[0]["rid"]);
    let shown = caller.get(&format!("/schedules/{NIGHTLY}?preview=true")).await;
    let version = text(&shown["currentVersionRid"]);
    let search = json!({ "where": { "type": "eq", "field": "RID", "value": build } });
    let cases = [
        ("POST", "/schedules".to_owned(), Some(schedule())),
        ("GET", format!("/schedules/{NIGHTLY}"), None),
        ("PUT", format!("/schedules/{NIGHTLY}"), Some(schedule())),
        ("POST", "/schedules/getBatch".to_owned(), Some(json!([{ "scheduleRid": NIGHTLY }]))),
        ("POST", format!("/schedules/{NIGHTLY}/getAffectedResources"), None),
        ("GET", format!("/scheduleVersions/{version}"), None),
        ("GET", format!("/scheduleVersions/{version}/schedule"), None),
        ("POST", "/builds/search".to_owned(), Some(search)),
        ("GET", format!("/jobs/{job}"), None),
        ("POST", "/jobs/getBatch".to_owned(), Some(json!([{ "jobRid": job }]))),
    ];
    let refusal = named(400, "ApiFeaturePreviewUsageOnly", json!({}));
    for query in ["", "?preview=false", "?preview=true"] {
        for (method, path, body) in &cases {
            let request = caller.request(method, &format!("{path}{query}"));
            let request = match body {
                Some(body) => request.json(body),
                None => request,
            };
            let (status, body) = read(request.send().await.unwrap()).await;
            if query == "?preview=true" {
                assert_eq!(status, 200, "{method} {path}: {body}");
            } else {
                assert_eq!(error((status, body)), refusal, "{method} {path}");
            }
        }
    }
    caller.fake.require_preview(false);
    caller.get(&format!("/schedules/{NIGHTLY}")).await;
}

#[tokio::test]
async fn a_body_is_refused_where_none_is_taken_and_missed_where_one_is() {
    let caller = Caller::new().await;
    let run = format!("/schedules/{HOURLY}/run");
    assert_eq!(caller.error_of("POST", &run, json!({})).await, invalid());
    let empty = caller.request("POST", &run).header("content-type", "application/json");
    assert_eq!(empty.send().await.unwrap().status(), 200);

    let create = "/builds/create";
    let missing = named(400, "MissingPostBody", json!({}));
    assert_eq!(error(caller.call("POST", create).await), missing);
    let plain = caller.request("POST", create).body("{}").send().await.unwrap();
    let wrong_type = named(415, "Conjure:UnsupportedMediaType", json!({}));
    assert_eq!(error(read(plain).await), wrong_type);
    for body in ["{", "[]", "null", "\"a\"", "{\"a\":1}", &"[".repeat(100_000)] {
        let request = caller.request("POST", create).header("content-type", "application/json");
        let answer = request.body(body.to_owned()).send().await.unwrap();
        assert_eq!(error(read(answer).await), invalid());
    }
}

#[tokio::test]
async fn the_demo_data_has_all_kinds_of_runs() {
    let caller = Caller::new().await;
    let page = caller.get(&format!("/schedules/{NIGHTLY}/runs")).await;
    assert_eq!(page.get("nextPageToken"), None);
    let runs = page["data"].as_array().unwrap();
    let mut kinds = Vec::new();
    for run in runs {
        let result = &run["result"];
        kinds.push(match result["type"].as_str().unwrap() {
            "submitted" => caller.status(&text(&result["buildRid"])).await,
            "error" => text(&result["errorName"]),
            other => other.to_owned(),
        });
    }
    let expected = ["SUCCEEDED", "FAILED", "SUCCEEDED", "JOBSPECNOTFOUND", "ignored", "SUCCEEDED"];
    assert_eq!(kinds, expected);
    let by_somebody = runs.iter().map(|run| run.get("createdBy").is_some());
    assert_eq!(by_somebody.collect::<Vec<_>>(), [false, false, true, false, false, false]);
    let times: Vec<_> = runs.iter().map(|run| time(&run["createdTime"])).collect();
    assert!(times.is_sorted_by(|left, right| left > right));

    let fresh = caller.get(&format!("/schedules/{HOURLY}/runs")).await;
    assert_eq!(fresh, json!({ "data": [] }));
    let retired = FakeFoundry::RETIRED_REPORT;
    let paused = caller.get(&format!("/schedules/{retired}?preview=true")).await;
    assert_eq!(
        (&paused["paused"], &paused["displayName"]),
        (&json!(true), &json!("retired-report"))
    );
    assert_eq!(caller.newest(retired).await["result"]["type"], "submitted");
}

#[tokio::test]
async fn a_triggered_run_is_listed_at_once_and_its_result_one_list_later() {
    let caller = Caller::new().await;
    let (status, told) = caller.call("POST", &format!("/schedules/{HOURLY}/run")).await;
    assert_eq!(status, 200);
    assert_eq!(told["scheduleRid"], HOURLY);
    assert_eq!(told["createdBy"], FakeFoundry::USER);
    let shown = caller.get(&format!("/schedules/{HOURLY}?preview=true")).await;
    assert_eq!(told["scheduleVersionRid"], shown["currentVersionRid"]);

    assert_eq!(caller.newest(HOURLY).await, told);
    let decided = caller.newest(HOURLY).await;
    assert_eq!(decided["rid"], told["rid"]);
    let build = caller.get(&format!("/builds/{}", text(&decided["result"]["buildRid"]))).await;
    assert_eq!(build["scheduleRid"], HOURLY);
    assert_eq!(build["retryBackoffDuration"], json!({ "value": 15, "unit": "SECONDS" }));
    assert_eq!((&build["retryCount"], &build["branchName"]), (&json!(2), &json!("master")));
    assert_eq!(build["fallbackBranches"], json!([]));
    assert!(build["abortOnFailure"].is_boolean() && build.get("target").is_none());
    assert_eq!(caller.fake.triggers(HOURLY), 1);
}

#[tokio::test]
async fn results_appear_after_as_many_lists_as_told() {
    let caller = Caller::new().await;
    caller.fake.result_after_lists(0);
    caller.run(HOURLY).await;
    assert!(caller.newest(HOURLY).await["result"].is_object());
    caller.fake.next_run(Plan::skipped().after_lists(3));
    caller.run(HOURLY).await;
    for _ in 0..3 {
        assert_eq!(caller.newest(HOURLY).await.get("result"), None);
    }
    assert_eq!(caller.newest(HOURLY).await["result"], json!({ "type": "ignored" }));
}

#[tokio::test]
async fn a_list_that_does_not_show_a_run_does_not_count_for_it() {
    let caller = Caller::new().await;
    let run = caller.run(HOURLY).await;
    caller.fake.trigger_from_elsewhere(HOURLY);
    caller.newest(HOURLY).await;
    let page = caller.get(&format!("/schedules/{HOURLY}/runs")).await;
    assert_eq!(page["data"][1]["rid"], run);
    assert_eq!(page["data"][1].get("result"), None);
    assert!(page["data"][0]["result"].is_object());
}

#[tokio::test]
async fn a_build_and_its_jobs_move_on_as_the_build_is_asked_for() {
    let caller = Caller::new().await;
    let build = caller.build(HOURLY).await;
    let jobs = caller.jobs(&build).await;
    assert_eq!(texts(&jobs, "jobStatus"), ["WAITING", "WAITING"]);
    assert_eq!((jobs[0].get("latestAttemptStartTime"), jobs[0].get("finishedTime")), (None, None));
    assert_eq!(jobs[0]["outputs"][0]["type"], "datasetJobOutput");
    assert_eq!(jobs[0]["outputs"][0]["datasetRid"], FakeFoundry::DATASET);

    let shown = caller.get(&format!("/builds/{build}")).await;
    assert_eq!((&shown["status"], shown.get("finishedTime")), (&json!("RUNNING"), None));
    assert_eq!(shown["jobRids"], json!(texts(&jobs, "rid")));
    assert_eq!(texts(&caller.jobs(&build).await, "jobStatus"), ["RUNNING", "RUNNING"]);
    assert_eq!(caller.status(&build).await, "RUNNING");

    let shown = caller.get(&format!("/builds/{build}")).await;
    assert_eq!(shown["status"], "SUCCEEDED");
    assert!(time(&shown["finishedTime"]) > time(&shown["createdTime"]));
    for job in caller.jobs(&build).await {
        assert_eq!((&job["jobStatus"], &job["buildRid"]), (&json!("SUCCEEDED"), &json!(build)));
        assert!(time(&job["finishedTime"]) > time(&job["latestAttemptStartTime"]));
        let transaction = text(&job["outputs"][0]["outputTransactionRid"]);
        assert!(transaction.starts_with("ri.foundry.main.transaction."), "{transaction}");
        assert_eq!(caller.get(&format!("/jobs/{}?preview=true", text(&job["rid"]))).await, job);
    }
}

#[tokio::test]
async fn plans_are_used_in_order_and_end_when_they_say() {
    let caller = Caller::new().await;
    caller.fake.result_after_lists(0);
    caller.fake.next_run(Plan::fails("").takes(1));
    caller.fake.next_run(Plan::succeeds().takes(0));
    caller.fake.next_run(Plan::skipped());
    caller.fake.next_run(Plan::submit_fails("Not yours").code("PermissionDenied"));
    caller.run(HOURLY).await;
    let failed = text(&caller.newest(HOURLY).await["result"]["buildRid"]);
    assert_eq!(caller.status(&failed).await, "FAILED");
    caller.run(HOURLY).await;
    let done = text(&caller.newest(HOURLY).await["result"]["buildRid"]);
    assert_eq!(texts(&caller.jobs(&done).await, "jobStatus"), ["SUCCEEDED", "SUCCEEDED"]);
    caller.run(HOURLY).await;
    assert_eq!(caller.newest(HOURLY).await["result"], json!({ "type": "ignored" }));
    caller.run(HOURLY).await;
    assert_eq!(
        caller.newest(HOURLY).await["result"],
        json!({ "type": "error", "errorName": "PermissionDenied", "description": "Not yours" })
    );
    let build = caller.build(HOURLY).await;
    assert_eq!(caller.status(&build).await, "RUNNING");
}

#[tokio::test]
async fn a_failed_build_has_a_failed_job_and_one_that_did_not_run() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::fails("").takes(2));
    let build = caller.build(HOURLY).await;
    assert_eq!(caller.status(&build).await, "RUNNING");
    assert_eq!(caller.status(&build).await, "FAILED");
    let jobs = caller.jobs(&build).await;
    assert_eq!(texts(&jobs, "jobStatus"), ["FAILED", "DID_NOT_RUN"]);
    assert!(jobs[0].get("latestAttemptStartTime").is_some());
    assert!(jobs[1].get("latestAttemptStartTime").is_none());
    assert!(jobs[1].get("startedTime").is_some() && jobs[1].get("finishedTime").is_some());
    assert!(jobs.iter().all(|job| job["outputs"][0].get("outputTransactionRid").is_none()));
}

#[tokio::test]
async fn a_cancel_takes_effect_with_the_next_look_and_leaves_finished_builds_alone() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::never_ends());
    let build = caller.build(HOURLY).await;
    let cancel = format!("/builds/{build}/cancel");
    assert_eq!(caller.call("POST", &cancel).await, (204, Value::Null));
    assert_eq!(texts(&caller.jobs(&build).await, "jobStatus"), ["WAITING", "WAITING"]);
    assert_eq!(caller.status(&build).await, "CANCELED");
    assert_eq!(texts(&caller.jobs(&build).await, "jobStatus"), ["CANCELED", "CANCELED"]);

    caller.fake.next_run(Plan::succeeds().takes(0));
    let done = caller.build(HOURLY).await;
    assert_eq!(caller.call("POST", &format!("/builds/{done}/cancel")).await.0, 204);
    assert_eq!(caller.status(&done).await, "SUCCEEDED");
}

#[tokio::test]
async fn runs_and_builds_can_be_held_released_and_finished() {
    let caller = Caller::new().await;
    caller.fake.hold();
    let run = caller.run(HOURLY).await;
    for _ in 0..4 {
        assert_eq!(caller.newest(HOURLY).await.get("result"), None);
    }
    caller.fake.release();
    caller.newest(HOURLY).await;
    let build = text(&caller.newest(HOURLY).await["result"]["buildRid"]);
    caller.fake.hold();
    for _ in 0..4 {
        assert_eq!(caller.status(&build).await, "RUNNING");
    }
    caller.fake.finish(&run, "failed");
    assert_eq!(caller.status(&build).await, "FAILED");
    caller.fake.release();

    caller.fake.next_run(Plan::never_ends());
    let build = caller.build(HOURLY).await;
    caller.fake.finish(&build, "PAUSED_BY_ADMIN");
    assert_eq!(caller.status(&build).await, "PAUSED_BY_ADMIN");
}

#[tokio::test]
async fn a_run_from_elsewhere_uses_no_plan_and_counts_as_no_trigger() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::fails("").takes(0));
    let run = caller.fake.trigger_from_elsewhere(HOURLY);
    let listed = caller.newest(HOURLY).await;
    assert_eq!(listed["rid"], run);
    assert!(listed["createdBy"].is_string() && listed["createdBy"] != FakeFoundry::USER);
    assert_eq!(caller.fake.triggers(HOURLY), 0);
    let build = caller.build(HOURLY).await;
    assert_eq!(caller.status(&build).await, "FAILED");
}

#[tokio::test]
async fn runs_of_ones_own_can_be_added_in_every_state() {
    let caller = Caller::new().await;
    let rid = caller.fake.add_schedule("own");
    assert!(rid.starts_with("ri.scheduler.main.schedule."));
    let at = Utc::now() - TimeDelta::days(3);
    let add = |run: NewRun| caller.fake.add_run(&rid, run);
    let old = add(NewRun::new("succeeded").created(at));
    let older = add(NewRun::new("ignored").created(at - TimeDelta::hours(1)).id("any text"));
    let open = add(NewRun::new("pending").triggered(true));
    let going = add(NewRun::new("RUNNING"));
    let page = caller.get(&format!("/schedules/{rid}/runs")).await;
    let runs = page["data"].as_array().unwrap();
    assert_eq!(texts(runs, "rid"), [going.clone(), open.clone(), old, older]);
    assert_eq!((runs[1].get("result"), runs[1]["createdBy"].is_string()), (None, true));
    assert_eq!(time(&runs[2]["createdTime"]).timestamp_millis(), at.timestamp_millis());

    let build = text(&runs[0]["result"]["buildRid"]);
    for _ in 0..5 {
        assert_eq!(caller.status(&build).await, "RUNNING");
    }
    caller.fake.finish(&going, "SUCCEEDED");
    assert_eq!(caller.status(&build).await, "SUCCEEDED");
    caller.fake.finish(&open, "CANCELED");
    let page = caller.get(&format!("/schedules/{rid}/runs")).await;
    let build = text(&page["data"][1]["result"]["buildRid"]);
    assert_eq!(caller.status(&build).await, "CANCELED");
}

#[tokio::test]
async fn results_can_be_written_in_three_forms() {
    let caller = Caller::new().await;
    caller.fake.add_run(HOURLY, NewRun::new("error").code("INTERNAL").reason("No luck"));
    let members = json!({ "errorName": "INTERNAL", "description": "No luck" });
    let cases = [
        (
            UnionForm::Tagged,
            json!({ "type": "error", "errorName": "INTERNAL", "description": "No luck" }),
        ),
        (UnionForm::Wrapped, json!({ "type": "error", "error": members })),
        (UnionForm::Bare, json!({ "error": members })),
    ];
    for (form, written) in cases {
        caller.fake.union_form(form);
        assert_eq!(caller.newest(HOURLY).await["result"], written);
    }
}

#[tokio::test]
async fn pages_of_runs_have_opaque_tokens_that_must_be_escaped() {
    let caller = Caller::new().await;
    let first = caller.get(&format!("/schedules/{NIGHTLY}/runs?pageSize=4")).await;
    assert_eq!(first["data"].as_array().map(Vec::len), Some(4));
    let token = text(&first["nextPageToken"]);
    assert!(token.starts_with("v1.") && token.contains('+'));
    caller.fake.trigger_from_elsewhere(NIGHTLY);
    let query = [("pageToken", token.as_str()), ("pageSize", "1")];
    let path = format!("/schedules/{NIGHTLY}/runs");
    for _ in 0..2 {
        let second = caller.page(&path, &query).await.1;
        assert_eq!(second["data"][0]["result"]["type"], "ignored");
        let token = text(&second["nextPageToken"]);
        let last = caller.page(&path, &[("pageToken", &token)]).await.1;
        assert_eq!(last["data"].as_array().map(Vec::len), Some(1));
        assert_eq!(last.get("nextPageToken"), None);
    }
    let bad = |token: &str| named(400, "InvalidPageToken", json!({ "pageToken": token }));
    let unescaped = caller.call("GET", &format!("{path}?pageToken={token}")).await;
    assert_eq!(error(unescaped), bad(&token.replace('+', " ")));
    assert_eq!(error(caller.call("GET", &format!("{path}?pageToken=")).await), bad(""));
    let other = caller.page(&format!("/schedules/{HOURLY}/runs"), &query).await;
    assert_eq!(error(other), bad(&token));
}

#[tokio::test]
async fn a_page_size_must_be_above_zero_and_is_100_when_left_out() {
    let caller = Caller::new().await;
    let path = format!("/schedules/{HOURLY}/runs");
    for size in [0, -1] {
        let refusal = named(400, "InvalidPageSize", json!({ "pageSize": size }));
        let answer = caller.call("GET", &format!("{path}?pageSize={size}")).await;
        assert_eq!(error(answer), refusal);
    }
    for _ in 0..101 {
        caller.fake.add_run(HOURLY, NewRun::new("ignored"));
    }
    let page = caller.get(&path).await;
    assert_eq!(page["data"].as_array().map(Vec::len), Some(100));
    assert!(page["nextPageToken"].is_string());
    let page = caller.get(&format!("{path}?pageSize=1000")).await;
    assert_eq!(page["data"].as_array().map(Vec::len), Some(101));
}

#[tokio::test]
async fn jobs_of_a_build_come_in_pages() {
    let caller = Caller::new().await;
    let build = caller.build(HOURLY).await;
    let all = texts(&caller.jobs(&build).await, "rid");
    let path = format!("/builds/{build}/jobs");
    let first = caller.get(&format!("{path}?pageSize=1")).await;
    let token = text(&first["nextPageToken"]);
    let last = caller.page(&path, &[("pageToken", &token)]).await.1;
    assert_eq!([&first["data"][0]["rid"], &last["data"][0]["rid"]], [all[0].as_str(), &all[1]]);
    assert_eq!(last.get("nextPageToken"), None);
}

#[tokio::test]
async fn batches_leave_out_what_is_not_there_and_have_limits() {
    let caller = Caller::new().await;
    let build = caller.build(HOURLY).await;
    let job = text(&caller.jobs(&build).await[0]["rid"]);
    let cases = [
        ("/schedules/getBatch?preview=true", "scheduleRid", NIGHTLY, 1000),
        ("/builds/getBatch", "buildRid", build.as_str(), 100),
        ("/jobs/getBatch?preview=true", "jobRid", job.as_str(), 500),
    ];
    for (path, name, rid, most) in cases {
        let found = caller.post(path, json!([{ (name): rid }, { (name): "no" }])).await;
        assert_eq!(found["data"].as_object().map(serde_json::Map::len), Some(1));
        assert_eq!(found["data"][rid]["rid"], rid);
        let empty = named(400, "MissingBatchRequest", json!({}));
        assert_eq!(caller.error_of("POST", path, json!([])).await, empty);
        let full = vec![json!({ (name): "no" }); most];
        assert_eq!(caller.post(path, json!(full)).await, json!({ "data": {} }));
        let over = vec![json!({ (name): "no" }); most + 1];
        let parameters = json!({ "maximumBatchSize": most, "providedBatchSize": most + 1 });
        let refusal = named(400, "BatchRequestSizeExceededLimit", parameters);
        assert_eq!(caller.error_of("POST", path, json!(over)).await, refusal);
        for body in [json!([{ "rid": rid }]), json!([rid]), json!([{ (name): rid, "a": 1 }])] {
            assert_eq!(caller.error_of("POST", path, body).await, invalid());
        }
    }
}

#[tokio::test]
async fn a_batch_is_one_look_at_each_of_its_builds() {
    let caller = Caller::new().await;
    let build = caller.build(HOURLY).await;
    let twice = json!([{ "buildRid": build }, { "buildRid": build }]);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let found = caller.post("/builds/getBatch", twice.clone()).await;
        seen.push(text(&found["data"][&build]["status"]));
    }
    assert_eq!(seen, ["RUNNING", "RUNNING", "SUCCEEDED"]);
}

#[tokio::test]
async fn a_search_applies_its_filters() {
    let caller = Caller::new().await;
    let open = caller.build(HOURLY).await;
    let at = time(&caller.get(&format!("/builds/{open}")).await["createdTime"]);
    let eq = |field: &str, value: &str| json!({ "type": "eq", "field": field, "value": value });
    let not = |filter: Value| json!({ "type": "not", "value": filter });
    let limit = |kind: &str, field: &str, at: DateTime<Utc>| {
        let value = at.to_rfc3339();
        json!({ "type": kind, "field": field, "value": value })
    };
    let later = at + TimeDelta::hours(1);
    let cases = [
        (eq("STATUS", "SUCCEEDED"), 4),
        (eq("STATUS", "FAILED"), 1),
        (not(eq("STATUS", "SUCCEEDED")), 2),
        (eq("RID", &open), 1),
        (eq("RID", "no"), 0),
        (eq("BRANCH_NAME", "master"), 6),
        (eq("CREATED_BY", "no"), 0),
        (limit("gte", "STARTED_TIME", at), 1),
        (limit("lt", "STARTED_TIME", at), 5),
        (limit("lt", "FINISHED_TIME", later), 5),
        (not(limit("lt", "FINISHED_TIME", later)), 1),
        (json!({ "type": "and", "items": [eq("STATUS", "RUNNING"), eq("RID", &open)] }), 1),
        (json!({ "type": "and", "items": [eq("STATUS", "FAILED"), eq("RID", &open)] }), 0),
        (json!({ "type": "or", "items": [eq("STATUS", "FAILED"), eq("RID", &open)] }), 2),
    ];
    for (filter, count) in cases {
        let found = caller.search(json!({ "where": filter })).await;
        assert_eq!(found.len(), count, "{filter}");
    }
}

#[tokio::test]
async fn a_search_is_sorted_and_comes_in_pages() {
    let caller = Caller::new().await;
    let open = caller.build(HOURLY).await;
    let filter = json!({ "type": "eq", "field": "BRANCH_NAME", "value": "master" });
    let latest_first = texts(&caller.search(json!({ "where": filter })).await, "rid");
    let sorted = |fields: Value| json!({ "where": filter, "orderBy": { "fields": fields } });
    let started = sorted(json!([{ "field": "STARTED_TIME", "direction": "ASC" }]));
    let mut found = texts(&caller.search(started).await, "rid");
    found.reverse();
    assert_eq!(found, latest_first);
    let finished = |direction: &str| {
        sorted(json!([
            { "field": "FINISHED_TIME", "direction": direction },
            { "field": "STARTED_TIME", "direction": "ASC" },
        ]))
    };
    assert_eq!(caller.search(finished("ASC")).await[5]["rid"], open);
    assert_eq!(caller.search(finished("DESC")).await[0]["rid"], open);

    let mut body = with(finished("DESC"), "/pageSize", json!(4));
    let page = caller.post("/builds/search?preview=true", body.clone()).await;
    assert_eq!(page["data"].as_array().map(Vec::len), Some(4));
    body = with(body, "/pageToken", page["nextPageToken"].clone());
    assert_eq!(caller.search(body.clone()).await.len(), 2);
    let other = with(body, "/where/value", json!("other"));
    let answer = caller.error_of("POST", "/builds/search?preview=true", other).await;
    assert_eq!((answer.0, answer.1.as_str()), (400, "InvalidPageToken"));
}

#[tokio::test]
async fn a_search_that_is_wrong_is_refused_with_the_reason() {
    let caller = Caller::new().await;
    let eq = json!({ "type": "eq", "field": "RID", "value": "a" });
    let ordered = |fields: Value| json!({ "where": eq, "orderBy": { "fields": fields } });
    let value = |field: &str, value: Value, expected: &str| {
        let parameters = json!({ "field": field, "value": value, "expectedType": expected });
        named(400, "InvalidFilterValue", parameters)
    };
    let cases = [
        (json!({}), invalid()),
        (json!({ "where": eq, "limit": 1 }), invalid()),
        (json!({ "where": eq, "orderBy": null }), invalid()),
        (json!({ "where": eq, "pageSize": "4" }), invalid()),
        (
            json!({ "where": eq, "pageSize": 0 }),
            named(400, "InvalidPageSize", json!({ "pageSize": 0 })),
        ),
        (ordered(json!([{ "field": "RID", "direction": "ASC" }])), invalid()),
        (ordered(json!([{ "field": "STARTED_TIME", "direction": "UP" }])), invalid()),
        (json!({ "where": { "type": "eq", "field": "RID" } }), invalid()),
        (json!({ "where": { "type": "eq", "field": "STARTED_TIME", "value": "a" } }), invalid()),
        (json!({ "where": { "type": "gte", "field": "RID", "value": "a" } }), invalid()),
        (json!({ "where": { "type": "like", "field": "RID", "value": "a" } }), invalid()),
        (json!({ "where": { "eq": { "field": "RID", "value": "a" } } }), invalid()),
        (
            json!({ "where": { "type": "and", "items": [] } }),
            named(400, "InvalidAndFilter", json!({})),
        ),
        (
            json!({ "where": { "type": "or", "items": [] } }),
            named(400, "InvalidOrFilter", json!({})),
        ),
        (
            json!({ "where": { "type": "not", "value": { "type": "or", "items": [eq, 1] } } }),
            invalid(),
        ),
        (
            json!({ "where": { "type": "eq", "field": "RID", "value": 1 } }),
            value("RID", json!(1), "STRING"),
        ),
        (
            json!({ "where": { "type": "eq", "field": "STATUS", "value": "DONE" } }),
            value("STATUS", json!("DONE"), "ENUM"),
        ),
        (
            json!({ "where": { "type": "lt", "field": "STARTED_TIME", "value": "2026-01-01" } }),
            value("STARTED_TIME", json!("2026-01-01"), "DATETIME"),
        ),
    ];
    for (body, refusal) in cases {
        let answer = caller.error_of("POST", "/builds/search?preview=true", body.clone()).await;
        assert_eq!(answer, refusal, "{body}");
    }
}

#[tokio::test]
async fn a_new_schedule_shows_what_was_left_out() {
    let caller = Caller::new().await;
    let made = caller.post("/schedules?preview=true", schedule()).await;
    let rid = text(&made["rid"]);
    assert_eq!(caller.get(&format!("/schedules/{rid}?preview=true")).await, made);
    assert_eq!(made["action"]["branchName"], "master");
    assert_eq!(made["action"]["fallbackBranches"], json!([]));
    assert_eq!(made["scopeMode"], json!({ "type": "user" }));
    for name in ["forceBuild", "abortOnFailure", "notificationsEnabled"] {
        assert_eq!(made["action"][name], false);
    }
    assert_eq!((&made["paused"], &made["createdBy"]), (&json!(false), &json!(FakeFoundry::USER)));
    assert_eq!((made.get("trigger"), made.get("displayName")), (None, None));
    assert_eq!(made["createdTime"], made["updatedTime"]);
    caller.run(&rid).await;
}

#[tokio::test]
async fn a_schedule_keeps_all_that_can_be_said() {
    let caller = Caller::new().await;
    let on = |kind: &str, name: &str, rid: &str| {
        let branch = "dev";
        json!({ "type": kind, (name): rid, "branchName": branch })
    };
    let body = json!({
        "displayName": "All of it",
        "description": "Words",
        "scopeMode": { "type": "project", "projectRids": ["ri.compass.main.folder.a"] },
        "action": {
            "target": {
                "type": "connecting",
                "inputRids": [dataset("a")],
                "targetRids": [dataset("b"), dataset("c")],
                "ignoredRids": [dataset("c")],
            },
            "branchName": "dev",
            "fallbackBranches": ["develop", "master"],
            "forceBuild": true,
            "retryCount": 3,
            "retryBackoffDuration": { "value": 5, "unit": "MINUTES" },
            "abortOnFailure": true,
            "notificationsEnabled": true,
        },
        "trigger": { "type": "or", "triggers": [
            { "type": "and", "triggers": [{ "type": "manual" }] },
            { "type": "time", "cronExpression": "*/5 2,3 * 1-6 MON", "timeZone": "Europe/Paris" },
            on("datasetUpdated", "datasetRid", &dataset("a")),
            on("newLogic", "datasetRid", &dataset("a")),
            on("jobSucceeded", "datasetRid", &dataset("a")),
            on("mediaSetUpdated", "mediaSetRid", "ri.mio.main.media-set.a"),
            on("tableUpdated", "tableRid", "ri.tables..table.a.b"),
            { "type": "scheduleSucceeded", "scheduleRid": NIGHTLY },
            { "type": "scheduleFailed", "scheduleRid": NIGHTLY },
        ] },
    });
    let made = caller.post("/schedules?preview=true", body.clone()).await;
    for name in ["displayName", "description", "scopeMode", "action", "trigger"] {
        assert_eq!(made[name], body[name]);
    }
    let path = format!("/schedules/{}/getAffectedResources?preview=true", text(&made["rid"]));
    let affected = caller.call("POST", &path).await;
    assert_eq!(affected, (200, json!({ "datasets": [dataset("b")] })));
}

#[tokio::test]
async fn a_schedule_that_is_wrong_is_refused_with_the_reason() {
    let caller = Caller::new().await;
    let change = |path: &str, value: Value| with(schedule(), path, value);
    let trigger = |value: Value| with(schedule(), "/trigger", value);
    let gone = dataset("a").replace("foundry.main.dataset", "scheduler.main.schedule");
    let bad = |name: &str| named(400, name, json!({}));
    let a = dataset("a");
    let cases = [
        (json!({}), invalid()),
        (json!([]), invalid()),
        (change("/name", json!("a")), invalid()),
        (change("/displayName", Value::Null), invalid()),
        (change("/scopeMode", json!({ "type": "world" })), invalid()),
        (change("/scopeMode", json!({ "type": "project" })), invalid()),
        (change("/action/cron", json!("a")), invalid()),
        (change("/action/retryCount", json!(-1)), invalid()),
        (change("/action/forceBuild", json!("true")), invalid()),
        (change("/action/fallbackBranches", json!([1])), invalid()),
        (change("/action/retryBackoffDuration", json!({ "value": 1, "unit": "s" })), invalid()),
        (change("/action/retryBackoffDuration", json!({ "value": 1 })), invalid()),
        (
            with(
                change("/action/branchName", json!("a")),
                "/action/fallbackBranches",
                json!(["a", "b", "b"]),
            ),
            named(400, "DuplicateBuildBranches", json!({ "duplicateBranchNames": ["a", "b"] })),
        ),
        (change("/action/target/targetRids", json!([])), bad("MissingBuildTargets")),
        (change("/action/target/targetRids", json!(["no"])), invalid()),
        (change("/action/target/ignoredRids", json!([])), invalid()),
        (change("/action/target/type", json!("downstream")), invalid()),
        (
            change(
                "/action/target",
                json!({ "type": "connecting", "inputRids": [], "targetRids": [dataset("a")] }),
            ),
            bad("MissingConnectingBuildInputs"),
        ),
        (trigger(json!({ "type": "weekly" })), invalid()),
        (trigger(json!({ "type": "manual", "branchName": "a" })), invalid()),
        (trigger(json!({ "type": "time", "cronExpression": "0 0 * * *" })), invalid()),
        (
            trigger(json!({ "type": "time", "cronExpression": "@daily", "timeZone": "UTC" })),
            named(400, "InvalidTimeTrigger", json!({ "cronExpression": "@daily" })),
        ),
        (
            trigger(
                json!({ "type": "time", "cronExpression": "0 0 * * *", "timeZone": "Old York" }),
            ),
            named(400, "InvalidTimeZone", json!({ "timeZone": "Old York" })),
        ),
        (
            trigger(json!({ "type": "datasetUpdated", "datasetRid": "a", "branchName": "b" })),
            invalid(),
        ),
        (
            trigger(json!({ "type": "mediaSetUpdated", "mediaSetRid": a, "branchName": "b" })),
            named(400, "InvalidMediaSetTrigger", json!({ "mediaSetRid": dataset("a") })),
        ),
        (trigger(json!({ "type": "and", "triggers": [] })), bad("InvalidAndTrigger")),
        (
            trigger(json!({ "type": "and", "triggers": [{ "type": "or", "triggers": [] }] })),
            bad("InvalidOrTrigger"),
        ),
        (
            trigger(json!({ "type": "scheduleFailed", "scheduleRid": gone })),
            named(404, "ScheduleTriggerResourcesNotFound", json!({ "resourceRids": [gone] })),
        ),
    ];
    let replace = format!("/schedules/{NIGHTLY}?preview=true");
    for (body, refusal) in cases {
        let answer = caller.error_of("POST", "/schedules?preview=true", body.clone()).await;
        assert_eq!(answer, refusal, "{body}");
        assert_eq!(caller.error_of("PUT", &replace, body).await, refusal);
    }
}

#[tokio::test]
async fn a_replaced_schedule_has_a_new_version_and_the_old_one_stays() {
    let caller = Caller::new().await;
    let path = format!("/schedules/{}?preview=true", FakeFoundry::RETIRED_REPORT);
    let before = caller.get(&path).await;
    let (status, after) = caller.send("PUT", &path, schedule()).await;
    assert_eq!((status, &after), (200, &caller.get(&path).await));
    assert_eq!((after.get("displayName"), &after["paused"]), (None, &json!(true)));
    assert_eq!(after["createdTime"], before["createdTime"]);
    assert!(time(&after["updatedTime"]) > time(&before["updatedTime"]));
    assert_ne!(after["currentVersionRid"], before["currentVersionRid"]);
    for shown in [before, after.clone()] {
        let version = format!("/scheduleVersions/{}", text(&shown["currentVersionRid"]));
        let kept = caller.get(&format!("{version}?preview=true")).await;
        assert_eq!((&kept["action"], &kept["scopeMode"]), (&shown["action"], &shown["scopeMode"]));
        assert_eq!(kept["scheduleRid"], FakeFoundry::RETIRED_REPORT);
        assert_eq!((kept.get("displayName"), kept.get("paused")), (None, None));
        assert_eq!(caller.get(&format!("{version}/schedule?preview=true")).await, after);
    }
}

#[tokio::test]
async fn a_deleted_schedule_is_gone_and_its_version_has_no_schedule() {
    let caller = Caller::new().await;
    let shown = caller.get(&format!("/schedules/{NIGHTLY}?preview=true")).await;
    let build = text(&caller.newest(NIGHTLY).await["result"]["buildRid"]);
    let path = format!("/schedules/{NIGHTLY}");
    assert_eq!(caller.call("DELETE", &path).await, (204, Value::Null));
    assert_eq!(caller.call("DELETE", &path).await.0, 404);
    assert_eq!(caller.call("GET", &format!("{path}/runs")).await.0, 404);
    let version = format!("/scheduleVersions/{}", text(&shown["currentVersionRid"]));
    caller.get(&format!("{version}?preview=true")).await;
    let schedule = caller.call("GET", &format!("{version}/schedule?preview=true")).await;
    assert_eq!(schedule, (204, Value::Null));
    assert_eq!(caller.status(&build).await, "SUCCEEDED");
}

#[tokio::test]
async fn a_schedule_is_paused_and_unpaused() {
    let caller = Caller::new().await;
    for (act, paused) in [("pause", true), ("pause", true), ("unpause", false)] {
        let answer = caller.call("POST", &format!("/schedules/{HOURLY}/{act}")).await;
        assert_eq!(answer, (204, Value::Null));
        let shown = caller.get(&format!("/schedules/{HOURLY}?preview=true")).await;
        assert_eq!(shown["paused"], paused);
    }
}

#[tokio::test]
async fn schedules_are_found_by_dataset_and_branch() {
    let caller = Caller::new().await;
    let path = |rid: &str, query: &str| format!("!/v2/datasets/{rid}/getSchedules{query}");
    let first = caller.get(&path(FakeFoundry::DATASET, "?pageSize=2")).await;
    assert_eq!(first["data"], json!([NIGHTLY, HOURLY]));
    let token = text(&first["nextPageToken"]);
    let last = caller.page(&path(FakeFoundry::DATASET, ""), &[("pageToken", &token)]).await.1;
    assert_eq!(last, json!({ "data": [FakeFoundry::RETIRED_REPORT] }));

    let body = with(schedule(), "/action/branchName", json!("dev"));
    let body = with(body, "/action/fallbackBranches", json!(["main"]));
    let made = caller.post("/schedules?preview=true", body).await;
    let a = dataset("a");
    assert_eq!(caller.get(&path(&a, "")).await, json!({ "data": [] }));
    assert_eq!(caller.get(&path(&a, "?branchName=main")).await, json!({ "data": [] }));
    assert_eq!(caller.get(&path(&a, "?branchName=dev")).await, json!({ "data": [made["rid"]] }));
    let refusal = named(404, "BranchNotFound", json!({ "datasetRid": a, "branchName": "no" }));
    assert_eq!(error(caller.call("GET", &path(&a, "?branchName=no")).await), refusal);
}

#[tokio::test]
async fn a_build_can_be_created_without_a_schedule() {
    let caller = Caller::new().await;
    let body = with(schedule()["action"].clone(), "/fallbackBranches", json!(["main"]));
    let made = caller.post("/builds/create", body.clone()).await;
    assert_eq!((&made["status"], made.get("scheduleRid")), (&json!("RUNNING"), None));
    assert_eq!(made["retryBackoffDuration"], json!({ "value": 0, "unit": "SECONDS" }));
    assert_eq!((&made["fallbackBranches"], &made["retryCount"]), (&json!(["main"]), &json!(0)));
    assert_eq!(caller.jobs(&text(&made["rid"])).await.len(), 1);

    caller.fake.next_run(Plan::skipped());
    caller.fake.next_run(Plan::submit_fails("").code("INTERNAL"));
    for name in ["BuildTargetsUpToDate", "BuildTargetsResolutionError"] {
        let answer = caller.error_of("POST", "/builds/create", body.clone()).await;
        assert_eq!(answer, named(400, name, json!({})));
    }
    let without_fallbacks = schedule()["action"].clone();
    assert_eq!(caller.error_of("POST", "/builds/create", without_fallbacks).await, invalid());
}

#[tokio::test]
async fn queued_faults_hit_one_request_each_and_carry_nothing_out() {
    let caller = Caller::new().await;
    let run = format!("/schedules/{HOURLY}/run");
    for status in [400, 401, 415, 422] {
        caller.fake.fail_next(status);
        assert_eq!(error(caller.call("POST", &run).await).0, status);
    }
    for (status, code) in [(403, "PERMISSION_DENIED"), (409, "CONFLICT"), (500, "INTERNAL")] {
        caller.fake.fail_next(status);
        let (answered, body) = caller.call("POST", &run).await;
        assert_eq!((answered, &body["errorCode"]), (status, &json!(code)));
    }
    for (status, length) in [(404, 0), (429, 0), (503, 0), (502, 38), (504, 38)] {
        caller.fake.fail_next(status);
        let answer = caller.request("POST", &run).send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.bytes().await.unwrap().len(), length, "{status}");
    }
    caller.fake.respond_next_with(200, &[("qos-retry-hint", "do-not-retry")], "<p>");
    let answer = caller.request("POST", &run).send().await.unwrap();
    assert_eq!(answer.headers()["qos-retry-hint"], "do-not-retry");
    assert!(!answer.headers().contains_key("content-type"));
    assert_eq!(answer.text().await.unwrap(), "<p>");
    assert_eq!(caller.fake.triggers(HOURLY), 0);
    caller.run(HOURLY).await;
}

#[tokio::test]
async fn a_lost_answer_leaves_its_work_done() {
    let caller = Caller::new().await;
    caller.fake.lose_next_response();
    let pause = format!("/schedules/{HOURLY}/pause");
    assert!(caller.request("POST", &pause).send().await.is_err());
    let shown = caller.get(&format!("/schedules/{HOURLY}?preview=true")).await;
    assert_eq!(shown["paused"], true);
}

#[tokio::test]
async fn a_lost_trigger_answer_spares_reads_and_waits_for_a_trigger_that_is_carried_out() {
    let caller = Caller::new().await;
    caller.fake.lose_next_trigger_response();
    caller.fake.fail_next(429);
    let run = format!("/schedules/{HOURLY}/run");
    assert_eq!(caller.call("POST", &run).await.0, 429);
    caller.newest(HOURLY).await;
    assert!(caller.request("POST", &run).send().await.is_err());
    assert_eq!(caller.fake.triggers(HOURLY), 1);
    assert!(caller.newest(HOURLY).await["rid"].is_string());
    caller.run(HOURLY).await;

    caller.fake.lose_next_trigger_response();
    let body = with(schedule()["action"].clone(), "/fallbackBranches", json!([]));
    let create = caller.request("POST", "/builds/create").json(&body);
    assert!(create.send().await.is_err());
}

#[tokio::test]
async fn requests_are_kept_as_sent_and_without_credentials() {
    let caller = Caller::new().await;
    caller.call("GET", "/builds/a%2Fb?preview=true").await;
    caller.send("POST", "/builds/getBatch", json!([])).await;
    let seen = caller.fake.requests();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].path.as_str()),
        ("GET", "/v2/orchestration/builds/a%2Fb")
    );
    assert_eq!((seen[0].query.as_str(), seen[0].body.as_str()), ("preview=true", ""));
    assert_eq!(
        (seen[1].path.as_str(), seen[1].body.as_str()),
        ("/v2/orchestration/builds/getBatch", "[]")
    );
    assert!(!format!("{seen:?} {:?}", caller.fake).contains(&caller.token));
}

#[tokio::test]
async fn odd_requests_are_answered_and_break_nothing() {
    let caller = Caller::new().await;
    let nested = format!("{}1{}", "{\"where\":".repeat(5000), "}".repeat(5000));
    let nested_filter = format!(
        "{{\"where\":{}{{}}{}}}",
        "{\"type\":\"not\",\"value\":".repeat(100),
        "}".repeat(100)
    );
    for body in [nested.as_bytes(), nested_filter.as_bytes(), b"\xff\xfe", b"{\"where\":1e400}"] {
        let request = caller.request("POST", "/builds/search?preview=true");
        let request = request.header("content-type", "application/json").body(body.to_vec());
        assert_eq!(error(read(request.send().await.unwrap()).await), invalid());
    }
    for path in ["/builds/%FF", "/builds/%", "/builds/..%2F", "/builds/%00"] {
        assert_eq!(caller.call("GET", path).await.0, 404, "{path}");
    }
    let huge = "/schedules/getBatch?preview=true&%FF=%FF";
    assert_eq!(caller.error_of("POST", huge, json!([])).await, invalid());
    let path = format!("/schedules/{NIGHTLY}/runs?pageSize=99999999999999999999");
    assert_eq!(error(caller.call("GET", &path).await), invalid());
    let path = format!("/schedules/{NIGHTLY}/runs?pageSize={}", i64::MAX);
    assert_eq!(caller.call("GET", &path).await.0, 200);
    caller.run(HOURLY).await;
}

#[tokio::test]
#[should_panic(expected = "the fake has no schedule \"no\"")]
async fn a_schedule_that_is_not_there_is_a_mistake_in_the_test() {
    FakeFoundry::start().await.add_run("no", NewRun::new("ignored"));
}

#[tokio::test]
#[should_panic(expected = "the fake has no build for")]
async fn a_run_without_a_build_cannot_be_finished() {
    let fake = FakeFoundry::start().await;
    let run = fake.add_run(HOURLY, NewRun::new("ignored"));
    fake.finish(&run, "SUCCEEDED");
}

#[tokio::test]
async fn the_client_sends_its_secret_in_either_form() {
    use scheduled_runs::foundry::{Client, ClientCredentials, GetSchedule};

    let fake = FakeFoundry::start().await;
    for basic in [false, true] {
        let token = ClientCredentials::new(FakeFoundry::CLIENT_ID, FakeFoundry::CLIENT_SECRET);
        let token = if basic { token.basic_auth() } else { token };
        let builder = Client::builder().base_url(fake.base_url());
        let client = builder.credential(token).build().unwrap();
        client.send(GetSchedule::new(FakeFoundry::NIGHTLY_ORDERS)).await.unwrap();
    }
    assert_eq!(fake.token_requests(), 2);
}

#[tokio::test]
#[should_panic(expected = "FakeFoundry has no `Plan::rows`")]
async fn a_plan_that_the_service_cannot_follow_is_a_mistake_in_the_test() {
    FakeFoundry::start().await.next_run(Plan::succeeds().rows(5));
}
