//! `FakeSupermetrics`, seen through plain HTTP calls.
#![cfg(feature = "supermetrics")]
#![allow(clippy::disallowed_methods, reason = "the fake lives in real time")]

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, Method, RequestBuilder, Response};
use scheduled_runs::testing::supermetrics::{
    ErrorShape, FakeSupermetrics, LastPage, NextLinks, NoData, RowShape,
};
use scheduled_runs::testing::{NewRun, Plan};
use serde_json::{Value, json};
use url::form_urlencoded;

const KEY: &str = FakeSupermetrics::API_KEY;
const USER: &str = FakeSupermetrics::USER;

struct Caller {
    fake: FakeSupermetrics,
    http: Client,
}

impl Caller {
    async fn new() -> Self {
        let fake = FakeSupermetrics::start().await;
        fake.add_data_source("GA");
        Self { fake, http: Client::new() }
    }

    fn origin(&self) -> String {
        self.fake.base_url().strip_suffix("/enterprise/v2").unwrap().to_owned()
    }

    /// A path below the API, or a whole URL.
    fn bare_request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let base = self.fake.base_url();
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{base}{path}") };
        self.http.request(method, url)
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.bare_request(method, path).bearer_auth(KEY)
    }

    async fn answer(&self, path: &str) -> Response {
        self.request("GET", path).send().await.unwrap()
    }

    async fn call(&self, method: &str, path: &str) -> (u16, Value) {
        read(self.request(method, path).send().await.unwrap()).await
    }

    /// Status and error code of a refusal.
    async fn refusal(&self, path: &str) -> (u16, String) {
        let (status, body) = self.call("GET", path).await;
        assert!(body["meta"]["request_id"].is_string(), "{path}: {body}");
        assert!(body["error"]["message"].is_string(), "{path}: {body}");
        (status, text(&body["error"]["code"]))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        read(self.request("POST", path).json(body).send().await.unwrap()).await
    }

    /// Starts a run without waiting; gives its schedule id back.
    async fn trigger(&self, query: Value) -> String {
        let mut query = query;
        query["sync_timeout"] = json!(0);
        let (status, body) = self.call("GET", &data(&query)).await;
        assert_eq!((status, &body["meta"]["status_code"]), (202, &json!("SCHEDULED")), "{body}");
        text(&body["meta"]["schedule_id"])
    }

    /// How many runs were started, whatever their data source.
    fn triggers(&self) -> usize {
        ["GA", "AW", "GAWA", FakeSupermetrics::UNLICENSED_DATA_SOURCE, ""]
            .map(|source| self.fake.triggers(source))
            .iter()
            .sum()
    }

    async fn state(&self, id: &str) -> String {
        text(&self.get(&status(id)).await["meta"]["status_code"])
    }

    /// Rows of a run that has ended before it is answered.
    async fn rows(&self, plan: Plan, query: &Value) -> Value {
        self.fake.next_run(plan.takes(0));
        self.get(&data(query)).await
    }
}

async fn read(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).to_owned()
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
}

fn with_json(path: &str, parameters: &Value) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    format!("{path}?{}", query.append_pair("json", &parameters.to_string()).finish())
}

fn data(query: &Value) -> String {
    with_json("/query/data/json", query)
}

fn status(id: &str) -> String {
    with_json("/query/status", &json!({ "schedule_id": id }))
}

fn results(id: &str) -> String {
    format!("/query/results?schedule_id={id}")
}

fn ga() -> Value {
    json!({ "ds_id": "GA" })
}

/// `ga`, and one parameter more.
fn ga_with(name: &str, value: Value) -> Value {
    let mut query = ga();
    query[name] = value;
    query
}

/// The parameters of a link to a page.
fn linked(link: &Value) -> Value {
    let link = text(link);
    let query = link.split_once('?').unwrap().1;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    serde_json::from_str(&pairs.find(|(name, _)| name == "json").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_key_is_needed_and_checked() {
    let caller = Caller::new().await;
    let path = "/query/history";
    let get = |path: &str| caller.bare_request("GET", path);
    let basic = get(path).basic_auth("user", Some(KEY));
    for (request, code) in [
        (get(path), "API_KEY_REQUIRED"),
        (get("/query/nothing"), "API_KEY_REQUIRED"),
        (basic, "API_KEY_REQUIRED"),
        (get(path).header("authorization", KEY), "API_KEY_REQUIRED"),
        (get(path).bearer_auth(""), "API_KEY_REQUIRED"),
        (get(path).bearer_auth("api_other"), "API_KEY_INVALID"),
        (get(path).bearer_auth("otok_other"), "ACCESS_TOKEN_INVALID"),
        (get("/query/history?api_key=api_other"), "API_KEY_INVALID"),
        (get(&with_json(path, &json!({ "api_key": "api_other" }))), "API_KEY_INVALID"),
        (get(&format!("{path}?api_key={KEY}")).bearer_auth("api_other"), "API_KEY_INVALID"),
    ] {
        let answer = request.send().await.unwrap();
        assert!(header(&answer, "www-authenticate").starts_with("Bearer"));
        let (status, body) = read(answer).await;
        assert_eq!((status, &body["error"]["code"]), (401, &json!(code)));
        assert!(body["meta"]["request_id"].is_string());
    }
}

#[tokio::test]
async fn a_key_may_be_among_the_parameters() {
    let caller = Caller::new().await;
    let query = json!({ "ds_id": "GA", "api_key": KEY });
    let body = format!("ds_id=GA&api_key={KEY}");
    let post = || caller.bare_request("POST", "/query/data/json");
    let form = "application/x-www-form-urlencoded";
    for request in [
        caller.bare_request("GET", &format!("/query/history?api_key={KEY}")),
        caller.bare_request("GET", &data(&query)),
        caller.bare_request("GET", &format!("{}&api_key={KEY}", data(&ga()))),
        post().json(&query),
        post().header("content-type", form).body(body),
        caller.bare_request("POST", &format!("/query/data/json?api_key={KEY}")).json(&ga()),
        caller.bare_request("GET", &format!("{}/me?api_key={KEY}", caller.origin())),
    ] {
        let status = request.send().await.unwrap().status().as_u16();
        assert!(status == 200 || status == 202, "{status}");
    }
    assert_eq!(caller.refusal(&data(&ga_with("api_key", json!(7)))).await.0, 400);
}

#[tokio::test]
async fn the_api_is_at_three_places_and_me_at_the_root() {
    let caller = Caller::new().await;
    let origin = caller.origin();
    for base in ["", "/v2", "/enterprise/v2"] {
        caller.get(&format!("{origin}{base}/query/history")).await;
    }
    assert_eq!(caller.get(&format!("{origin}/me")).await["data"]["email"], USER);
    for path in [
        "/me",
        "/nothing",
        "/query",
        "/query/batch",
        "/query/data/json/x",
        "/query/s/x",
        "/v2/query/history",
    ] {
        assert_eq!(caller.refusal(path).await, (404, "NOT_FOUND".to_owned()), "{path}");
    }
    assert_eq!(caller.call("POST", "/query/status").await.0, 404);
    assert_eq!(caller.call("DELETE", "/query/data/json").await.0, 404);
}

#[tokio::test]
async fn every_answer_has_an_id_and_rate_limits() {
    let caller = Caller::new().await;
    let answer = caller.answer("/query/history").await;
    let id = header(&answer, "x-request-id");
    assert_eq!((id.len(), header(&answer, "x-ratelimit-limit")), (32, "5000".to_owned()));
    assert_eq!(header(&answer, "x-ratelimit-remaining"), "4999");
    assert_eq!(header(&answer, "access-control-allow-origin"), "*");
    assert_eq!(answer.json::<Value>().await.unwrap()["meta"]["request_id"], json!(id));
    assert_eq!(header(&caller.answer("/nothing").await, "x-ratelimit-remaining"), "4998");

    caller.fake.rate_limit(1);
    caller.get("/query/history").await;
    let answer = caller.answer("/query/history").await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "retry-after")),
        (429, "3600".to_owned())
    );
    assert_eq!(header(&answer, "x-ratelimit-remaining"), "0");
    caller.fake.rate_limit(2);
    caller.fake.rate_limit_headers(false);
    let answer = caller.answer("/query/history").await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "x-ratelimit-limit")),
        (200, String::new())
    );
    caller.fake.fail_next(429);
    assert_eq!(header(&caller.answer("/query/history").await, "retry-after"), "");
}

#[tokio::test]
async fn parameters_are_sent_in_five_ways() {
    let caller = Caller::new().await;
    let query =
        json!({ "ds_id": "GA", "fields": ["date", "clicks"], "max_rows": 2, "sync_timeout": 0 });
    let form = |body: String| {
        let request = caller.request("POST", "/query/data/json");
        request
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .body(body)
    };
    let whole = with_json("", &query)[1..].to_owned();
    let mut ids = Vec::new();
    for request in [
        caller.request("GET", &data(&query)),
        caller.request(
            "GET",
            "/query/data/json?ds_id=GA&fields=date&fields=clicks&max_rows=2&sync_timeout=0",
        ),
        caller.request("GET", "/query/data?ds_id=GA&fields=date,clicks&max_rows=2&sync_timeout=0"),
        caller.request("POST", "/query/data/json?system=n8n").json(&query),
        form("ds_id=GA&fields=date&fields=clicks&max_rows=2&sync_timeout=0".to_owned()),
        form(whole),
    ] {
        let (status, body) = read(request.send().await.unwrap()).await;
        assert_eq!(status, 202, "{body}");
        ids.push(text(&body["meta"]["schedule_id"]));
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "it is one and the same query");
    let spread = caller.answer(&format!("{}&pretty=1&system=n8n", data(&query))).await;
    assert!(spread.text().await.unwrap().starts_with("{\n  \""));
    let settings = "/query/data?ds_id=GA&settings=%7B%22no_headers%22%3Atrue%7D&sync_timeout=0";
    assert_eq!(caller.call("GET", settings).await.0, 202);
}

#[tokio::test]
async fn what_is_not_defined_or_too_large_is_a_bad_request() {
    let caller = Caller::new().await;
    let long = |length| json!("x".repeat(length));
    let many = |count, length| json!(vec!["x".repeat(length); count]);
    for (name, value) in [
        ("ds_accuonts", json!("1")),
        ("data_range_type", json!("yesterday")),
        ("ds_login", json!("dsl_1")),
        ("schedule_id", long(51)),
        ("schedule_id", json!("a.b")),
        ("schedule_id", json!("")),
        ("schedule_id", json!(7)),
        ("ds_segments", many(1001, 1)),
        ("ds_segments", json!(["a b"])),
        ("ds_user", long(256)),
        ("ds_users", many(101, 1)),
        ("date_range_type", long(51)),
        ("start_date", long(101)),
        ("start_date", json!("2026-02-30")),
        ("end_date", json!("the other day")),
        ("compare_show", json!("perc_change")),
        ("fields", many(101, 1)),
        ("fields", long(1001)),
        ("fields", json!(["date", long(101)])),
        ("fields", json!([{ "name": "date" }])),
        ("fields", json!([1])),
        ("settings", json!([])),
        ("settings", json!({ "no_headers": "yes" })),
        ("filter", long(5001)),
        ("order_rows", many(51, 1)),
        ("order_columns", long(1001)),
        ("max_columns", json!(0)),
        ("max_columns", json!(1001)),
        ("max_rows", json!(1_000_001)),
        ("max_rows", json!("10")),
        ("max_rows", json!(1.5)),
        ("max_rows", json!(-1)),
        ("offset_start", json!(1_000_001)),
        ("cache_minutes", json!(10_081)),
        ("sync_timeout", json!(3601)),
        ("sync_timeout", Value::Null),
    ] {
        let path = data(&ga_with(name, value.clone()));
        let expected = (400, "BAD_REQUEST".to_owned());
        assert_eq!(caller.refusal(&path).await, expected, "{name} {value}");
    }
    for path in [
        "/query/data/json".to_owned(),
        data(&json!({ "ds_id": "" })),
        data(&json!({ "ds_id": "G A" })),
        data(&json!([])),
        "/query/data/json?json=%7B".to_owned(),
        format!("{}&ds_id=GA", data(&ga())),
        format!("{}&json=%7B%7D", data(&ga())),
        "/query/data/json?ds_id=GA&ds_id=AW".to_owned(),
        "/query/data/json?ds_id=GA&max_rows=many".to_owned(),
        "/query/data/json?ds_id=GA&settings=no_headers".to_owned(),
        "/query/data/json?ds_id=GA&offset_start=5&offset_end=4".to_owned(),
        "/query/data/csv?ds_id=GA&offset_start=5".to_owned(),
        "/query/data/json?ds_id=GA&start_date=2026-03-02&end_date=2026-03-01".to_owned(),
        "/query/data/xml?ds_id=GA".to_owned(),
        "/query/status".to_owned(),
        "/query/status?schedule_id=x&format=json".to_owned(),
        "/query/status?schedule_id=x&offset_start=3&offset_end=2".to_owned(),
        "/query/results?schedule_id=x&limit=0".to_owned(),
        "/query/results?schedule_id=x&limit=100001".to_owned(),
        "/query/results?schedule_id=x&offset=1000001".to_owned(),
        "/query/accounts".to_owned(),
        "/query/accounts?ds_id=GA&cache_minutes=59".to_owned(),
        "/query/segments?ds_id=GA&cache_minutes=1441".to_owned(),
        "/query/fields?ds_id=GA&cache_minutes=60".to_owned(),
        "/query/q7RkP2xw?ds_id=GA".to_owned(),
        "/query/s/q7RkP2xw/xml".to_owned(),
        "/query/s/q7RkP2xw/csv?offset_start=1".to_owned(),
    ] {
        assert_eq!(caller.refusal(&path).await, (400, "BAD_REQUEST".to_owned()), "{path}");
    }
    let post = |path: &str| caller.request("POST", path);
    for request in [
        post("/query/data/json").body(ga().to_string()),
        post("/query/data/json").header("content-type", "text/plain").body("ds_id=GA"),
        post("/query/data/json?ds_id=GA").json(&ga()),
        caller.request("GET", "/query/data/json").json(&ga()),
    ] {
        assert_eq!(read(request.send().await.unwrap()).await.0, 400);
    }
    assert_eq!(caller.triggers(), 0);
}

#[tokio::test]
async fn what_is_just_within_its_limits_is_taken() {
    let caller = Caller::new().await;
    let many = |count, length| json!(vec!["x".repeat(length); count]);
    for (name, value) in [
        ("schedule_id", json!("x".repeat(50))),
        ("ds_accounts", many(100, 50)),
        ("ds_accounts", json!("1, 2,act_3")),
        ("ds_accounts", json!({ "name": "Initech*" })),
        ("ds_segments", many(1000, 50)),
        ("ds_users", json!([USER.to_uppercase()])),
        ("ds_user", json!(USER)),
        ("fields", json!([{ "id": "date" }, { "id": "cost" }])),
        ("fields", many(100, 100)),
        ("filter", json!("x".repeat(5000))),
        ("order_rows", json!("date desc")),
        ("max_rows", json!(1_000_000)),
        ("max_columns", json!(1000)),
        ("offset_end", json!(1_000_000)),
        ("cache_minutes", json!(10_080)),
        ("api_links", json!(["x"])),
        ("start_date", json!("7daysAgo")),
        ("start_date", json!("-2 weeks next Monday")),
        ("start_date", json!("@1772323200")),
        ("end_date", json!("previous Monday")),
        ("settings", json!({ "no_headers": true, "no_json_keys": false, "other": 1 })),
    ] {
        let mut query = ga_with(name, value);
        query["sync_timeout"] = json!(0);
        let (status, body) = caller.call("GET", &data(&query)).await;
        assert_eq!(status, 202, "{name}: {body}");
    }
}

#[tokio::test]
async fn accounts_and_comparisons_have_codes_of_their_own() {
    let caller = Caller::new().await;
    let compared = |extra: Value| {
        let mut query = ga_with("compare_type", json!("custom"));
        for (name, value) in extra.as_object().unwrap() {
            query[name] = value.clone();
        }
        query
    };
    let start = || json!({ "compare_start_date": "2025-01-01" });
    let ended = |end: &str| {
        compared(json!({ "compare_start_date": "2025-01-01", "compare_end_date": end }))
    };
    for (query, code) in [
        (ga_with("ds_accounts", json!(7)), "ACCOUNTS_INVALID"),
        (ga_with("ds_accounts", json!(vec!["1"; 101])), "ACCOUNTS_INVALID"),
        (ga_with("ds_accounts", json!([1])), "ACCOUNTS_INVALID"),
        (ga_with("ds_accounts", json!(["a/b"])), "ACCOUNT_ID_INVALID"),
        (ga_with("ds_accounts", json!("1,,2")), "ACCOUNT_ID_INVALID"),
        (ga_with("ds_accounts", json!({})), "ACCOUNT_FILTER_INVALID"),
        (compared(json!({})), "COMPARE_START_DATE_REQUIRED"),
        (compared(start()), "COMPARE_END_DATE_REQUIRED"),
        (ended("soon"), "COMPARE_END_DATE_INVALID"),
    ] {
        assert_eq!(caller.refusal(&data(&query)).await, (400, code.to_owned()), "{query}");
    }
    let shown = caller.rows(Plan::succeeds().rows(1), &ended("2025-01-31")).await;
    let query = &shown["meta"]["query"];
    assert_eq!(
        (&query["compare_type"], &query["compare_end_date"]),
        (&json!("custom"), &json!("2025-01-31"))
    );
}

#[tokio::test]
async fn a_wrong_login_and_a_foreign_data_source_are_told_apart_from_a_wrong_key() {
    let caller = Caller::new().await;
    let other = "somebody@initech.example";
    let unavailable = (403, "QUERY_AUTH_UNAVAILABLE".to_owned());
    for query in [ga_with("ds_user", json!(other)), ga_with("ds_users", json!([USER, other]))] {
        assert_eq!(caller.refusal(&data(&query)).await, unavailable);
    }
    let accounts = format!("/query/accounts?ds_id=GA&ds_users={other}");
    assert_eq!(caller.refusal(&accounts).await, unavailable);
    let unlicensed = json!({ "ds_id": FakeSupermetrics::UNLICENSED_DATA_SOURCE });
    let licence = (500, "LICENSE_ACCESS_DATA_SOURCE".to_owned());
    assert_eq!(caller.refusal(&data(&unlicensed)).await, licence);
    // What does not exist is neither, wherever it is named.
    let refused = (400, "BAD_REQUEST".to_owned());
    assert_eq!(caller.refusal(&data(&json!({ "ds_id": "FA" }))).await, refused);
    for path in ["/query/accounts?ds_id=FA", "/query/fields?ds_id=FA", "/query/segments?ds_id=FA"] {
        assert_eq!(caller.refusal(path).await, refused, "{path}");
    }
    let batch = json!({ "queries": [{ "ds_id": "GA" }, { "ds_id": "FA" }] });
    let batch = caller.request("POST", "/query/batch").json(&batch).send().await.unwrap();
    assert_eq!((batch.status().as_u16(), caller.fake.batches()), (400, 0));
    caller.fake.add_data_source("FA");
    for path in ["/query/accounts?ds_id=FA", "/query/fields?ds_id=fa"] {
        assert_eq!(caller.call("GET", path).await.0, 200, "{path}");
    }
    assert_eq!(caller.triggers(), 0);
}

#[tokio::test]
async fn a_run_moves_on_as_it_is_looked_at() {
    let caller = Caller::new().await;
    let (_, first) = caller.call("GET", &data(&ga_with("sync_timeout", json!(0)))).await;
    assert_eq!(first["meta"]["progress"], json!({ "queries_ready": 0, "queries_total": 1 }));
    assert_eq!(first["meta"]["workflow"], json!({ "tasks_scheduled": 1, "tasks_running": 0 }));
    assert_eq!(first["data"], json!([]));
    let id = text(&first["meta"]["schedule_id"]);
    assert_eq!(caller.state(&id).await, "QUEUED");
    let running = caller.get(&status(&id)).await;
    assert_eq!(running["meta"]["status_code"], "RUNNING");
    assert_eq!(running["meta"]["progress"], json!({ "queries_ready": 1, "queries_total": 2 }));
    assert_eq!(running["meta"]["workflow"], json!({ "tasks_scheduled": 0, "tasks_running": 1 }));
    for _ in 0..2 {
        let done = caller.get(&status(&id)).await;
        assert_eq!(
            (&done["meta"]["status_code"], &done["meta"]["schedule_id"]),
            (&json!("SUCCESS"), &json!(id))
        );
        assert_eq!(done["data"].as_array().unwrap().len(), 4);
        for member in ["progress", "workflow"] {
            assert!(done["meta"].get(member).is_none(), "{member}");
        }
    }
    assert_eq!(caller.triggers(), 1);
}

#[tokio::test]
async fn the_total_of_a_long_run_grows_faster_than_what_is_ready() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::never_ends());
    let id = caller.trigger(ga()).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let meta = caller.get(&status(&id)).await["meta"].take();
        seen.push((
            meta["progress"]["queries_ready"].as_u64(),
            meta["progress"]["queries_total"].as_u64(),
        ));
    }
    let expected = [(0, 1), (1, 2), (2, 4), (3, 7), (4, 11)].map(|(r, t)| (Some(r), Some(t)));
    assert_eq!(seen, expected);
    caller.fake.finish(&id, "SUCCESS");
    assert_eq!(caller.state(&id).await, "SUCCESS");
}

#[tokio::test]
async fn plans_are_used_in_order() {
    let caller = Caller::new().await;
    let plans = [
        (Plan::cancelled(), "STOPPED"),
        (Plan::ends("PROCESS_EXITED"), "PROCESS_EXITED"),
        (Plan::fails_silently(), "FAILURE"),
        (Plan::never_ends(), "RUNNING"),
        (Plan::succeeds().rows(1), "SUCCESS"),
    ];
    for (plan, _) in &plans {
        caller.fake.next_run(plan.clone().takes(1));
    }
    for (index, (_, state)) in plans.iter().enumerate() {
        let id = caller.trigger(ga_with("filter", json!(index.to_string()))).await;
        let body = caller.get(&status(&id)).await;
        assert_eq!(body["meta"]["status_code"], *state);
        match *state {
            "FAILURE" => assert_eq!(body["data"], Value::Null),
            "SUCCESS" => assert_eq!(body["data"].as_array().unwrap().len(), 2),
            _ => assert_eq!(body["data"], json!([])),
        }
    }
}

#[tokio::test]
async fn a_failed_run_is_an_error_whenever_it_is_looked_at() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::fails("the source is down").code("QUERY_ERROR").takes(1));
    let id = caller.trigger(ga()).await;
    for _ in 0..2 {
        let (status, body) = caller.call("GET", &status(&id)).await;
        assert_eq!((status, &body["error"]["code"]), (500, &json!("QUERY_ERROR")));
        assert_eq!(body["error"]["message"], "the source is down");
        assert!(body["meta"].get("status_code").is_none() && body.get("data").is_none());
    }
    let unavailable = (404, "QUERY_RESULTS_UNAVAILABLE".to_owned());
    assert_eq!(caller.refusal(&results(&id)).await, unavailable);
    caller.fake.failures_name_state(true);
    let (_, body) = caller.call("GET", &status(&id)).await;
    assert_eq!(
        (&body["meta"]["status_code"], &body["meta"]["schedule_id"]),
        (&json!("FAILURE"), &json!(id))
    );
    caller.fake.next_run(Plan::fails("expired").code("QUERY_AUTH_UNAVAILABLE").takes(0));
    let waited = data(&ga_with("filter", json!("x")));
    assert_eq!(caller.refusal(&waited).await, (403, "QUERY_AUTH_UNAVAILABLE".to_owned()));
    caller.fake.errors_inside_200(true);
    let (status, body) = caller.call("GET", &status(&id)).await;
    assert_eq!((status, &body["error"]["code"]), (200, &json!("QUERY_ERROR")));
}

#[tokio::test]
async fn a_call_that_waits_is_a_look_and_one_that_does_not_is_none() {
    let caller = Caller::new().await;
    let waiting = data(&ga_with("sync_timeout", json!(30)));
    let passing = data(&ga_with("sync_timeout", json!(0)));
    for (path, state, expected) in [
        (&passing, "SCHEDULED", 202),
        (&passing, "SCHEDULED", 202),
        (&waiting, "QUEUED", 202),
        (&waiting, "RUNNING", 202),
        (&passing, "RUNNING", 202),
        (&waiting, "SUCCESS", 200),
        (&passing, "SUCCESS", 200),
    ] {
        let (status, body) = caller.call("GET", path).await;
        assert_eq!((status, &body["meta"]["status_code"]), (expected, &json!(state)));
    }
    assert_eq!(caller.triggers(), 1);
    // Without a limit of its own, a call waits to the end, if there is one.
    let to_the_end =
        async |id: &str| caller.call("GET", &data(&ga_with("schedule_id", json!(id)))).await;
    for (plan, expected) in [
        (Plan::succeeds().takes(9), (200, json!("SUCCESS"))),
        (Plan::never_ends(), (202, json!("QUEUED"))),
        (Plan::succeeds().takes(u32::MAX), (202, json!("RUNNING"))),
    ] {
        caller.fake.next_run(plan);
        let (status, body) = to_the_end(&format!("id-{}", caller.triggers())).await;
        assert_eq!((status, body["meta"]["status_code"].clone()), expected);
    }
    caller.fake.hold();
    assert_eq!(to_the_end("held").await.0, 202);
    caller.fake.release();
    let rows = caller.rows(Plan::succeeds().rows(2), &ga_with("filter", json!("x"))).await;
    assert_eq!(rows["data"].as_array().unwrap().len(), 3);

    caller.fake.unfinished_status(200);
    let (status, body) = caller.call("GET", &data(&ga_with("sync_timeout", json!(1)))).await;
    assert_eq!((status, &body["meta"]["status_code"]), (200, &json!("SUCCESS")));
    let (status, body) = caller.post("/query/data/csv", &ga_with("sync_timeout", json!(0))).await;
    assert_eq!((status, &body["meta"]["status_code"]), (200, &json!("SCHEDULED")));
}

#[tokio::test]
async fn held_runs_stay_as_they_are() {
    let caller = Caller::new().await;
    caller.fake.hold();
    let id = caller.trigger(ga()).await;
    for _ in 0..5 {
        assert_eq!(caller.state(&id).await, "SCHEDULED");
    }
    caller.fake.release();
    assert_eq!(caller.state(&id).await, "QUEUED");
    caller.fake.hold();
    caller.fake.finish(&id, "STOPPED");
    assert_eq!(caller.state(&id).await, "STOPPED");
}

#[tokio::test]
async fn a_schedule_id_comes_from_the_query_unless_it_is_given() {
    let caller = Caller::new().await;
    let first = caller.trigger(ga_with("ds_accounts", json!("1,2"))).await;
    assert!(first.len() <= 50 && first.chars().all(|c| c.is_ascii_alphanumeric()));
    assert_eq!(caller.trigger(ga_with("ds_accounts", json!(["1", "2"]))).await, first);
    assert_eq!(caller.triggers(), 1, "the same query is merged");
    assert_ne!(caller.trigger(ga_with("ds_accounts", json!(["1"]))).await, first);
    let mut named = ga_with("ds_accounts", json!(["1", "2"]));
    named["schedule_id"] = json!("my_run-1");
    assert_eq!(caller.trigger(named.clone()).await, "my_run-1");
    named["ds_accounts"] = json!("3");
    assert_eq!(caller.trigger(named).await, "my_run-1");
    assert_eq!(caller.triggers(), 3, "one run per schedule id at a time");
}

#[tokio::test]
async fn after_the_end_the_same_id_returns_the_run_or_starts_another() {
    let caller = Caller::new().await;
    let mut query = ga_with("schedule_id", json!("mine"));
    let first = caller.rows(Plan::succeeds().rows(1), &query).await;
    assert_eq!(first["meta"]["result"]["cache_used"], false);
    assert_eq!(first["meta"]["result"]["cache_time"], Value::Null);
    for minutes in [Value::Null, json!(5)] {
        if minutes.is_number() {
            query["cache_minutes"] = minutes;
        }
        let again = caller.get(&data(&query)).await;
        assert_eq!(again["meta"]["result"]["cache_used"], true);
        let time = text(&again["meta"]["result"]["cache_time"]);
        assert!(time.parse::<DateTime<Utc>>().is_ok(), "{time}");
        assert_eq!(again["data"], first["data"]);
    }
    assert_eq!(caller.triggers(), 1);
    query["cache_minutes"] = json!(0);
    let anew = caller.rows(Plan::succeeds().rows(2), &query).await;
    assert_eq!(anew["data"].as_array().unwrap().len(), 3);
    assert_eq!(caller.triggers(), 2);
    query["cache_minutes"] = json!(60);
    query["filter"] = json!("clicks > 1");
    caller.trigger(query).await;
    assert_eq!(caller.triggers(), 3, "another query is no page of the first");
    caller.fake.next_run(Plan::cancelled().takes(0));
    let stopped = data(&ga_with("filter", json!("y")));
    for _ in 0..2 {
        caller.call("GET", &stopped).await;
    }
    assert_eq!(caller.triggers(), 5, "what was stopped is not returned");
}

#[tokio::test]
async fn results_expire_and_unknown_ids_look_the_same() {
    let caller = Caller::new().await;
    let recent = FakeSupermetrics::RECENT_RUN;
    caller.get(&status(recent)).await;
    let old = NewRun::new("SUCCESS").created(Utc::now() - TimeDelta::minutes(61)).id("old");
    caller.fake.add_run("GA", old);
    let gone = (404, "STATUS_NOT_FOUND".to_owned());
    for id in ["old", "none"] {
        assert_eq!(caller.refusal(&status(id)).await, gone);
        let unavailable = (404, "QUERY_RESULTS_UNAVAILABLE".to_owned());
        assert_eq!(caller.refusal(&results(id)).await, unavailable);
    }
    let going = caller.trigger(ga()).await;
    caller.fake.expire_results();
    assert_eq!(caller.refusal(&status(recent)).await, gone);
    assert_eq!(caller.state(&going).await, "QUEUED", "what goes on does not expire");
    for status_code in [400, 500] {
        caller.fake.expired_status(status_code);
        let expected = (status_code, "STATUS_NOT_FOUND".to_owned());
        assert_eq!(caller.refusal(&status(recent)).await, expected);
    }
    let history = caller.get("/query/history").await;
    let ids = history["data"].as_array().unwrap().iter().map(|row| text(&row["schedule_id"]));
    assert!(ids.collect::<Vec<_>>().contains(&recent.to_owned()));
    caller.fake.next_run(Plan::succeeds().rows(1).takes(0));
    caller.get(&data(&ga_with("filter", json!("x")))).await;
    caller.fake.expire_results();
    caller.trigger(ga_with("filter", json!("x"))).await;
    assert_eq!(caller.triggers(), 3, "what expired is not returned");
}

#[tokio::test]
async fn rows_are_text_under_headers_and_described() {
    let caller = Caller::new().await;
    let query = json!({
        "ds_id": "GA", "ds_accounts": ["1", "2"], "ds_segments": "s1", "cache_minutes": 7,
        "start_date": "2026-03-01", "end_date": "today", "fields": ["date", "campaign", "clicks", "own_goal"],
    });
    let body = caller.rows(Plan::succeeds().rows(2), &query).await;
    assert_eq!(
        body["data"],
        json!([
            ["Date", "Campaign", "Clicks", "own_goal"],
            ["2026-03-01", "Campaign 1", "12", "13"],
            ["2026-03-02", "Campaign 2", "22", "23"],
        ])
    );
    let meta = &body["meta"];
    let result = &meta["result"];
    assert_eq!((&result["total_rows"], &result["total_columns"]), (&json!(2), &json!(4)));
    assert_eq!((&result["run_seconds"], &result["data_sampled"]), (&json!(2.5), &json!(false)));
    let shown = &meta["query"];
    assert_eq!(shown["end_date"], Utc::now().date_naive().to_string());
    assert_eq!(
        (&shown["ds_accounts"], &shown["ds_segments"]),
        (&json!(["1", "2"]), &json!(["s1"]))
    );
    assert_eq!((&shown["cache_minutes"], &shown["settings"]), (&json!(7), &json!({})));
    assert_eq!(
        shown["fields"][1],
        json!({
            "id": "campaign", "field_id": "campaign", "field_name": "Campaign", "field_type": "dim",
            "field_split": "row", "data_type": "string.text.value", "data_column": 1, "visible": true,
        })
    );
    assert_eq!(meta["paginate"], json!({ "prev": null, "next": null }));

    caller.fake.numeric_cells(true);
    let body = caller.get(&data(&query)).await;
    assert_eq!(body["data"][1], json!(["2026-03-01", "Campaign 1", 12, 13]));
}

#[tokio::test]
async fn headers_can_be_left_out_and_no_rows_have_none() {
    let caller = Caller::new().await;
    let query = ga_with("settings", json!({ "no_headers": true }));
    let body = caller.rows(Plan::succeeds().rows(2), &query).await;
    assert_eq!(body["data"].as_array().unwrap().len(), 2);
    let body = caller.rows(Plan::succeeds().rows(0), &ga()).await;
    let result = &body["meta"]["result"];
    assert_eq!((&result["total_rows"], &result["total_columns"]), (&json!(0), &json!(0)));
    assert_eq!((&body["data"], &body["meta"]["status_code"]), (&json!([]), &json!("SUCCESS")));
}

#[tokio::test]
async fn rows_of_ones_own_are_sent_as_they_are_and_no_more_than_asked_for() {
    let caller = Caller::new().await;
    let rows = vec![
        vec![json!("Day"), json!("Total")],
        vec![json!("Mon"), json!(1.5)],
        vec![json!("Tue"), Value::Null],
        vec![json!("Wed"), json!("x")],
    ];
    let body = caller.rows(Plan::succeeds().table(rows), &ga_with("max_rows", json!(2))).await;
    assert_eq!(body["data"], json!([["Day", "Total"], ["Mon", 1.5], ["Tue", null]]));
    assert_eq!(body["meta"]["result"]["total_rows"], 2);
    let body = caller.rows(Plan::succeeds().rows(1200), &ga()).await;
    assert_eq!(body["meta"]["result"]["total_rows"], 1000, "what is not asked for otherwise");
}

#[tokio::test]
async fn a_split_dimension_makes_columns_that_only_headers_name() {
    let caller = Caller::new().await;
    let plan = Plan::succeeds().rows(1).split_by(&["phone", "tablet", "desktop"]);
    let query = json!({ "ds_id": "GA", "fields": ["date", "device", "clicks"], "max_columns": 2, "start_date": "2026-03-01" });
    let body = caller.rows(plan.clone(), &query).await;
    assert_eq!(body["data"], json!([["Date", "phone", "tablet"], ["2026-03-01", "11", "12"]]));
    let fields = &body["meta"]["query"]["fields"];
    let split = |index: usize| text(&fields[index]["field_split"]);
    assert_eq!([split(0), split(1), split(2)], ["row", "column", "row"]);
    assert!(fields[0].get("data_column").is_none());
    let query = ga_with("fields", json!("device,clicks,cost"));
    let body = caller.rows(plan.split_by(&["phone"]), &query).await;
    assert_eq!(body["data"][0], json!(["phone: Clicks", "phone: Cost"]));
}

#[tokio::test]
async fn rows_and_their_absence_take_other_shapes() {
    let caller = Caller::new().await;
    let query = ga_with("start_date", json!("2026-03-01"));
    caller.rows(Plan::succeeds().rows(1), &query).await;
    for (shape, expected) in [
        (RowShape::Objects, json!([{ "Date": "2026-03-01", "Sessions": "11" }])),
        (RowShape::Wrapped, json!({ "rows": [["Date", "Sessions"], ["2026-03-01", "11"]] })),
    ] {
        caller.fake.row_shape(shape);
        assert_eq!(caller.get(&data(&query)).await["data"], expected);
    }
    let id = caller.trigger(ga()).await;
    caller.fake.lower_case_states(true);
    caller.fake.no_data(NoData::Null);
    let body = caller.get(&status(&id)).await;
    assert_eq!((&body["data"], &body["meta"]["status_code"]), (&Value::Null, &json!("queued")));
    caller.fake.no_data(NoData::Absent);
    assert!(caller.get(&status(&id)).await.get("data").is_none());
    assert_eq!(caller.state(&id).await, "success");
}

#[tokio::test]
async fn pages_are_inclusive_repeat_the_headers_and_link_to_each_other() {
    let caller = Caller::new().await;
    let query = json!({
        "ds_id": "GA", "fields": "date,clicks", "start_date": "2026-03-01", "cache_minutes": 0,
        "offset_end": 1,
    });
    caller.fake.next_run(Plan::succeeds().rows(5).takes(0));
    let first = caller.get(&format!("{}&system=n8n", data(&query))).await;
    assert_eq!(first["data"].as_array().unwrap().len(), 3);
    assert_eq!(first["meta"]["result"]["total_rows"], 5);
    assert_eq!(first["meta"]["paginate"]["prev"], Value::Null);
    let next = text(&first["meta"]["paginate"]["next"]);
    assert!(next.starts_with(&format!("{}/query/data/json?json=", caller.fake.base_url())));
    assert!(next.ends_with("&system=n8n"));
    let mut expected = query.clone();
    expected["offset_start"] = json!(2);
    expected["offset_end"] = json!(3);
    assert_eq!(linked(&first["meta"]["paginate"]["next"]), expected);

    let second = caller.get(&next).await;
    assert_eq!(second["data"][0], json!(["Date", "Clicks"]));
    assert_eq!(second["data"][1], json!(["2026-03-03", "31"]));
    assert_eq!(second["meta"]["schedule_id"], first["meta"]["schedule_id"]);
    assert_ne!(second["meta"]["request_id"], first["meta"]["request_id"]);
    assert_eq!(linked(&second["meta"]["paginate"]["prev"])["offset_start"], 0);
    let third = caller.get(&text(&second["meta"]["paginate"]["next"])).await;
    assert_eq!(third["data"].as_array().unwrap().len(), 2);
    assert_eq!(third["meta"]["paginate"]["next"], Value::Null);
    let back = caller.get(&text(&third["meta"]["paginate"]["prev"])).await;
    assert_eq!(back["data"], second["data"]);
    assert_eq!(caller.triggers(), 1, "pages are of one run, whatever cache_minutes says");

    let past = caller
        .get(&format!(
            "{}?schedule_id={}&offset_start=9",
            "/query/status",
            text(&first["meta"]["schedule_id"])
        ))
        .await;
    assert_eq!(past["data"], json!([["Date", "Clicks"]]));
}

#[tokio::test]
async fn status_has_pages_of_its_own() {
    let caller = Caller::new().await;
    let path =
        format!("/v2/query/status?schedule_id={}&offset_end=0", FakeSupermetrics::RECENT_RUN);
    let page = caller.get(&format!("{}{path}", caller.origin())).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    let next = text(&page["meta"]["paginate"]["next"]);
    assert!(next.starts_with(&format!("{}/v2/query/status?json=", caller.origin())));
    assert_eq!(caller.get(&next).await["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn links_hold_the_key_only_where_it_was_a_parameter() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::succeeds().rows(5).takes(0));
    let query = ga_with("offset_end", json!(1));
    let body = caller.get(&data(&query)).await;
    assert!(!text(&body["meta"]["paginate"]["next"]).contains(KEY));
    let mut keyed = query.clone();
    keyed["api_key"] = json!(KEY);
    for path in [data(&keyed), format!("{}&api_key={KEY}", data(&query))] {
        let (_, body) = read(caller.bare_request("GET", &path).send().await.unwrap()).await;
        let next = &body["meta"]["paginate"]["next"];
        assert_eq!(linked(next)["api_key"], KEY);
        let answer = caller.bare_request("GET", &text(next)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(caller.triggers(), 1);
}

#[tokio::test]
async fn the_end_of_pages_and_links_at_all_have_other_forms() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::succeeds().takes(0));
    let query = ga_with("offset_end", json!(1));
    let first = caller.get(&data(&query)).await;
    let last = text(&first["meta"]["paginate"]["next"]);
    caller.fake.last_page(LastPage::Empty);
    assert_eq!(caller.get(&last).await["meta"]["paginate"], json!({}));
    caller.fake.last_page(LastPage::Absent);
    caller.fake.later_pages_without_schedule_id(true);
    let page = caller.get(&last).await;
    assert!(page["meta"].get("paginate").is_none() && page["meta"].get("schedule_id").is_none());
    assert!(caller.get(&data(&query)).await["meta"]["schedule_id"].is_string());
    caller.fake.last_page(LastPage::Repeats);
    let page = caller.get(&last).await;
    let again = linked(&page["meta"]["paginate"]["next"]);
    assert_eq!((&again["offset_start"], &again["offset_end"]), (&json!(2), &json!(3)));

    caller.fake.last_page(LastPage::Null);
    let (_, page) = caller.post("/query/data/json", &query).await;
    assert_eq!(page["meta"]["paginate"], json!({ "prev": null, "next": null }));
    assert_eq!(page["meta"]["result"]["total_rows"], 3);
    caller.fake.next_links(NextLinks::Always);
    let (_, page) = caller.post("/query/data/json", &query).await;
    assert_eq!(
        caller.get(&text(&page["meta"]["paginate"]["next"])).await["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    caller.fake.next_links(NextLinks::Never);
    assert_eq!(caller.get(&data(&query)).await["meta"]["paginate"]["next"], Value::Null);
    caller.fake.next_links(NextLinks::Get);
    caller.fake.link_origin("https://api.example");
    let page = caller.get(&data(&query)).await;
    assert!(
        text(&page["meta"]["paginate"]["next"])
            .starts_with("https://api.example/enterprise/v2/query")
    );
}

#[tokio::test]
async fn each_format_has_its_own_body() {
    let caller = Caller::new().await;
    let fields = ["sessions", "date"];
    let mut query =
        json!({ "ds_id": "GA", "start_date": "2026-03-01", "max_rows": 1, "fields": fields });
    query["sync_timeout"] = json!(30);
    for (format, mime, expected) in [
        ("csv", "text/csv; charset=utf-8", "Sessions,Date\n10,2026-03-01\n"),
        ("tsv", "text/tab-separated-values; charset=utf-8", "Sessions\tDate\n10\t2026-03-01\n"),
        ("ndjson", "application/x-ndjson", "{\"Sessions\":\"10\",\"Date\":\"2026-03-01\"}\n"),
        ("keyjson", "application/json", "[{\"Sessions\":\"10\",\"Date\":\"2026-03-01\"}]"),
        ("tableau", "application/json", "[{\"Sessions\":\"10\",\"Date\":\"2026-03-01\"}]"),
    ] {
        let path = with_json(&format!("/query/data/{format}"), &query);
        let answer = caller.answer(&path).await;
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "content-type")),
            (202, "application/json".to_owned())
        );
        let id = text(&answer.json::<Value>().await.unwrap()["meta"]["schedule_id"]);
        caller.fake.finish(&id, "SUCCESS");
        for path in [path, results(&id)] {
            let answer = caller.answer(&path).await;
            assert_eq!(header(&answer, "content-type"), mime);
            assert_eq!(answer.text().await.unwrap(), expected);
        }
        assert_eq!(caller.get(&status(&id)).await["data"][0], json!(["Sessions", "Date"]));
    }
    caller.fake.next_run(Plan::succeeds().rows(1).takes(0));
    let answer = caller.answer(&with_json("/query/data/parquet", &query)).await;
    assert_eq!(header(&answer, "content-type"), "application/octet-stream");
    let body = answer.bytes().await.unwrap();
    assert!(body.starts_with(b"PAR1") && body.ends_with(b"PAR1"));
    let tricky = vec![vec![json!("a,b"), json!("c")], vec![json!("say \"no\""), json!("x\ny")]];
    caller.fake.next_run(Plan::succeeds().table(tricky).takes(0));
    let answer = caller.answer(&with_json("/query/data/csv", &ga())).await;
    assert_eq!(answer.text().await.unwrap(), "\"a,b\",c\n\"say \"\"no\"\"\",\"x\ny\"\n");
    caller.fake.next_run(Plan::succeeds().rows(0).takes(0));
    let answer = caller.answer(&with_json("/query/data/csv", &ga_with("filter", json!("x")))).await;
    assert_eq!(answer.text().await.unwrap(), "");
}

#[tokio::test]
async fn results_come_in_parts_of_a_hundred() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::succeeds().rows(150).takes(2));
    let id = caller.trigger(ga()).await;
    for _ in 0..3 {
        let expected = (404, "QUERY_RESULTS_UNAVAILABLE".to_owned());
        assert_eq!(
            caller.refusal(&results(&id)).await,
            expected,
            "asking for results moves nothing"
        );
    }
    assert_eq!(caller.state(&id).await, "RUNNING");
    assert_eq!(caller.state(&id).await, "SUCCESS");
    let body = caller.get(&results(&id)).await;
    assert_eq!(body["meta"]["paginate"], json!({ "offset": 0, "limit": 100, "total": 150 }));
    assert_eq!(body["data"].as_array().unwrap().len(), 101);
    let rest = caller.get(&format!("{}&offset=100&limit=100000", results(&id))).await;
    assert_eq!(rest["data"].as_array().unwrap().len(), 51);
    assert_eq!(rest["data"][0], json!(["Date", "Sessions"]));
}

#[tokio::test]
async fn history_is_filtered_and_comes_in_pages() {
    let caller = Caller::new().await;
    let states = async |query: &str| {
        let body = caller.get(&format!("/query/history{query}")).await;
        let rows = body["data"].as_array().unwrap().clone();
        rows.iter().map(|row| text(&row["status_code"])).collect::<Vec<_>>()
    };
    assert_eq!(states("").await, ["SUCCESS", "FAILURE", "STOPPED"]);
    assert_eq!(states("?since=4%20days%20ago").await.len(), 4);
    assert_eq!(states("?since=1+hour+ago").await, ["SUCCESS"]);
    assert_eq!(states("?until=1+hour+ago").await, ["FAILURE", "STOPPED"]);
    assert_eq!(states("?ds_ids=aw").await, ["STOPPED"]);
    assert_eq!(
        states("?ds_ids=AW,gawa&status_codes=success&status_codes=Stopped").await,
        ["SUCCESS", "STOPPED"]
    );
    assert_eq!(states("?ds_ids=none").await.len(), 0);
    let listed = with_json("", &json!({ "ds_ids": "GAWA, AW", "since": "5 hours ago" }));
    assert_eq!(states(&listed).await, ["SUCCESS", "FAILURE"]);
    assert_eq!(states("?offset=1&limit=1").await, ["FAILURE"]);

    let body = caller.get("/query/history?limit=2").await;
    assert_eq!(body["meta"]["paginate"], json!({ "offset": 0, "limit": 2, "total": 3 }));
    let since = text(&body["meta"]["filter"]["since"]).parse::<DateTime<Utc>>().unwrap();
    let until = text(&body["meta"]["filter"]["until"]).parse::<DateTime<Utc>>().unwrap();
    assert_eq!(until - since, TimeDelta::hours(24));
    let [good, bad] = [0, 1].map(|index| &body["data"][index]);
    assert_eq!(
        (&good["@type"], &good["schedule_id"]),
        (&json!("query_history"), &json!(FakeSupermetrics::RECENT_RUN))
    );
    assert_eq!(
        (&good["rows"], &good["run_seconds"], &good["app_id"]),
        (&json!(3), &json!(2.5), &json!("API"))
    );
    assert_eq!((&bad["rows"], &bad["ds_id"]), (&json!(0), &json!("GAWA")));
    let stopped = caller.get("/query/history?status_codes=STOPPED").await["data"][0].take();
    assert!(stopped.get("rows").is_none() && stopped.get("run_seconds").is_none());
    assert_eq!(stopped["app_id"], "GS");

    for query in [
        "?since=91+days+ago",
        "?since=long+ago",
        "?since=now&until=yesterday",
        "?status_codes=DONE",
        "?limit=0",
        "?limit=1001",
        "?ds_id=GA",
        "?offset=x",
        "?ds_ids=a%20b",
    ] {
        assert_eq!(caller.refusal(&format!("/query/history{query}")).await.0, 400, "{query}");
    }
    caller.fake.times_without_zone(true);
    let time = text(&caller.get("/query/history").await["data"][0]["schedule_time"]);
    assert_eq!((time.len(), time.ends_with('Z')), (19, false));
}

#[tokio::test]
async fn history_shows_what_goes_on_and_looking_moves_nothing() {
    let caller = Caller::new().await;
    let mine = caller.trigger(ga()).await;
    let theirs = caller.fake.add_run("GAWA", NewRun::new("RUNNING").app_id("GS"));
    for _ in 0..4 {
        let body = caller.get("/query/history?status_codes=scheduled,running").await;
        let rows: Vec<_> = body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (text(&row["schedule_id"]), text(&row["status_code"])))
            .collect();
        assert_eq!(
            rows,
            [(theirs.clone(), "RUNNING".to_owned()), (mine.clone(), "SCHEDULED".to_owned())]
        );
    }
    assert_eq!(caller.state(&theirs).await, "RUNNING");
    caller.fake.finish(&theirs, "SUCCESS");
    assert_eq!(caller.state(&theirs).await, "SUCCESS");
    assert_eq!(caller.triggers(), 1);
}

#[tokio::test]
async fn logins_fields_and_segments_are_described() {
    let caller = Caller::new().await;
    let accounts = caller.get("/query/accounts?ds_id=GAWA").await;
    let login = &accounts["data"][0];
    assert_eq!((&login["ds_user"], &login["cache_time"]), (&json!(USER), &Value::Null));
    assert_eq!(login["accounts"][0]["account_id"], FakeSupermetrics::ACCOUNT);
    assert_eq!(login["accounts"][1]["group_name"], "");
    assert_eq!(accounts["meta"]["query"]["cache_minutes"], Value::Null);
    let cached = with_json(
        "/query/accounts",
        &json!({ "ds_id": "GAWA", "ds_users": USER, "cache_minutes": 60 }),
    );
    let accounts = caller.get(&cached).await;
    assert!(accounts["data"][0]["cache_time"].is_string());
    assert_eq!(accounts["meta"]["query"]["cache_minutes"], 60);
    let segments = caller.get("/query/segments?ds_id=GAWA").await;
    assert!(segments["data"][0]["segments"][0]["segment_name"].is_string());
    let fields = caller.get("/query/fields?ds_id=GAWA").await;
    assert_eq!(fields["data"][0]["entity_type"], "ds_dimension");
    assert_eq!(fields["data"].as_array().unwrap().last().unwrap()["is_non_aggregatable"], false);
}

#[tokio::test]
async fn a_saved_query_is_read_by_id_or_slug() {
    let caller = Caller::new().await;
    let id = FakeSupermetrics::SAVED_QUERY;
    let saved = caller.get(&format!("/query/{id}")).await;
    assert_eq!(caller.get("/query/weekly-clicks").await["data"], saved["data"]);
    let data = &saved["data"];
    assert_eq!((&data["query_id"], &data["query_params"]["ds_id"]), (&json!(id), &json!("GAWA")));
    assert_eq!(data["ds_info"]["ds_id"], "GAWA");
    assert_eq!(data["group_info"]["@type"], "query_group");
    for path in ["/query/none", "/query/s/none/json"] {
        assert_eq!(caller.refusal(path).await, (404, "NOT_FOUND".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_short_url_runs_a_saved_query_for_everybody() {
    let caller = Caller::new().await;
    let path = |format: &str| format!("/query/s/{}/{format}", FakeSupermetrics::SAVED_QUERY);
    caller.fake.next_run(Plan::succeeds().rows(1).takes(1));
    let answer = caller.bare_request("GET", &path("csv")).send().await.unwrap();
    assert!(answer.text().await.unwrap().starts_with("Date,Clicks\n"));
    let changes = json!({
        "date_range_type": "custom", "start_date": "2026-03-01", "end_date": "2026-03-31",
        "max_rows": 4, "offset_end": 1,
    });
    caller.fake.next_run(Plan::succeeds().rows(9).takes(0));
    let body = caller.get(&with_json(&path("json"), &changes)).await;
    assert_eq!(body["data"][1], json!(["2026-03-01", "11"]));
    assert_eq!(body["meta"]["result"]["total_rows"], 4);
    let mut expected = changes.clone();
    expected["offset_start"] = json!(2);
    expected["offset_end"] = json!(3);
    let next = &body["meta"]["paginate"]["next"];
    assert_eq!(linked(next), expected);
    assert_eq!(caller.get(&text(next)).await["data"][1][0], "2026-03-03");
    assert_eq!(caller.triggers(), 2);
    let (status, body) = caller.post(&path("json"), &json!({ "sync_timeout": 0 })).await;
    assert_eq!((status, &body["meta"]["status_code"]), (202, &json!("SCHEDULED")));
    for wrong in [
        json!({ "start_date": "yesterday" }),
        json!({ "fields": "cost" }),
        json!({ "max_rows": 0 }),
        json!({ "schedule_id": "mine" }),
    ] {
        assert_eq!(caller.refusal(&with_json(&path("json"), &wrong)).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_batch_moves_on_as_its_status_is_looked_at() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::succeeds().rows(4).takes(2));
    caller.fake.next_run(Plan::fails("expired").code("QUERY_AUTH_UNAVAILABLE").takes(1));
    let body = json!({
        "queries": [ga(), { "ds_id": "AW" }, "weekly-clicks"],
        "query_concurrency": 2, "description": "Monday", "timeout_minutes": 5, "query_output_format": "csv",
    });
    let (status, made) = caller.post("/query/batch", &body).await;
    assert_eq!(status, 201, "{made}");
    let batch = &made["data"];
    assert_eq!((&batch["@type"], &batch["status_code"]), (&json!("query_batch"), &json!("QUEUED")));
    assert_eq!((&batch["query_amount"], &batch["start_time"]), (&json!(3), &Value::Null));
    assert_eq!(
        (&batch["split_dates_policy"], &batch["timeout_minutes"]),
        (&json!("none"), &json!(5))
    );
    let own = format!("/query/batch/{}", text(&batch["batch_id"]));
    let link = text(&batch["links"]["status"]["href"]);
    assert_eq!(link, format!("{}{own}/status", caller.fake.base_url()));
    for (state, progress) in [
        ("RUNNING", [1, 1, 0, 1]),
        ("RUNNING", [1, 0, 1, 1]),
        ("RUNNING", [0, 1, 1, 1]),
        ("STOPPED", [0, 0, 2, 1]),
    ] {
        let body = caller.get(&link).await;
        let meta = &body["meta"];
        let counts =
            ["queued", "running", "success", "failure"].map(|name| meta["progress"][name].clone());
        assert_eq!((&meta["status_code"], counts), (&json!(state), progress.map(Value::from)));
        assert_eq!(caller.get(&own).await["data"]["status_code"], state);
    }
    let body = caller.get(&link).await;
    let [good, bad] = [0, 1].map(|index| &body["data"][index]);
    assert_eq!((&good["@type"], &good["error_info"]), (&json!("batch_query"), &Value::Null));
    assert_eq!(good["result_info"]["total_rows"], 4);
    let own_id = own.rsplit_once('/').unwrap().1;
    assert_eq!(good["schedule_id"], format!("{own_id}_query_1"));
    let csv = caller.answer(&text(&good["result_info"]["results_url"])).await.text().await.unwrap();
    assert_eq!(csv.lines().count(), 5);
    assert_eq!(
        bad["error_info"],
        json!({ "status": 403, "code": "QUERY_AUTH_UNAVAILABLE", "message": "expired", "description": "expired" })
    );
    assert_eq!((&bad["status_code"], &bad["result_info"]), (&json!("FAILURE"), &Value::Null));
    let page = caller.get(&format!("{link}?offset=2&limit=1")).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    assert_eq!(page["meta"]["paginate"], json!({ "offset": 2, "limit": 1, "total": 3 }));
    assert!(caller.get(&own).await["data"]["end_time"].is_string());
    assert_eq!((caller.fake.batches(), caller.triggers()), (1, 0));
}

#[tokio::test]
async fn a_batch_is_split_by_account_and_day() {
    let caller = Caller::new().await;
    let query = json!({ "ds_id": "GA", "ds_accounts": "1,2", "start_date": "2026-03-01", "end_date": "2026-03-02" });
    let body =
        json!({ "queries": [query], "split_accounts_policy": "all", "split_dates_policy": "day" });
    let (_, made) = caller.post("/query/batch", &body).await;
    let rows = caller.get(&text(&made["data"]["links"]["status"]["href"])).await;
    let splits: Vec<_> =
        rows["data"].as_array().unwrap().iter().map(|row| row["split_info"].clone()).collect();
    let split = |account: &str, day: &str| json!({ "ds_accounts": [account], "start_date": day, "end_date": day });
    let expected =
        [("1", "2026-03-01"), ("1", "2026-03-02"), ("2", "2026-03-01"), ("2", "2026-03-02")];
    assert_eq!(splits, expected.map(|(account, day)| split(account, day)));
}

#[tokio::test]
async fn a_cancelled_batch_stops_what_goes_on() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::succeeds().rows(1).takes(1));
    caller.fake.next_run(Plan::never_ends());
    let (_, made) = caller.post("/query/batch", &json!({ "queries": [ga(), ga()] })).await;
    let link = text(&made["data"]["links"]["status"]["href"]);
    let own = link.strip_suffix("/status").unwrap().to_owned();
    let going = text(&caller.get(&link).await["data"][1]["schedule_id"]);
    for _ in 0..2 {
        let (status, body) = caller.call("DELETE", &own).await;
        assert_eq!((status, &body["data"]["status_code"]), (200, &json!("STOPPED")));
        assert!(body["data"]["cancel_time"].is_string());
    }
    let rows = caller.get(&link).await;
    let states: Vec<_> =
        rows["data"].as_array().unwrap().iter().map(|row| text(&row["status_code"])).collect();
    assert_eq!(states, ["SUCCESS", "FAILURE"]);
    assert_eq!(rows["data"][1]["error_info"]["code"], "QUERY_STOPPED");
    assert_eq!(caller.state(&going).await, "STOPPED");
}

#[tokio::test]
async fn bad_batches_are_refused_whole() {
    let caller = Caller::new().await;
    let year = json!({ "ds_id": "GA", "start_date": "2020-01-01", "end_date": "2026-01-01" });
    for (body, status) in [
        (json!({}), 400),
        (json!({ "queries": [] }), 400),
        (json!({ "queries": ga() }), 400),
        (json!({ "queries": [7] }), 400),
        (json!({ "queries": [{}] }), 400),
        (json!({ "queries": [ga_with("start", json!(1))] }), 400),
        (json!({ "queries": [ga()], "timeout_minutes": 4 }), 400),
        (json!({ "queries": [ga()], "query_concurrency": 51 }), 400),
        (json!({ "queries": [ga()], "split_accounts_policy": "some" }), 400),
        (json!({ "queries": [ga()], "split_dates_policy": "week" }), 400),
        (json!({ "queries": [ga()], "query_output_format": "xml" }), 400),
        (json!({ "queries": [ga()], "add_clean_data_types": 1 }), 400),
        (json!({ "queries": [ga()], "ds_id": "GA" }), 400),
        (json!({ "queries": [year], "split_dates_policy": "day" }), 400),
        (json!({ "queries": ["none"] }), 404),
        (json!({ "queries": [ga_with("ds_user", json!("x"))] }), 403),
    ] {
        assert_eq!(caller.post("/query/batch", &body).await.0, status, "{body}");
    }
    for (method, path) in [
        ("GET", "/query/batch/none"),
        ("DELETE", "/query/batch/none"),
        ("GET", "/query/batch/none/status"),
    ] {
        assert_eq!(caller.call(method, path).await.0, 404);
    }
    assert_eq!(caller.fake.batches(), 0);
}

#[tokio::test]
async fn refusals_take_every_shape_also_inside_a_200() {
    let caller = Caller::new().await;
    let refused = async |shape: ErrorShape| {
        caller.fake.error_shape(shape);
        let answer = caller.answer("/query/data/json").await;
        assert_eq!(answer.status(), 400);
        (header(&answer, "content-type"), answer.text().await.unwrap())
    };
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let (mime, body) = refused(ErrorShape::Envelope).await;
    let body = parsed(&body);
    assert_eq!(
        (mime.as_str(), &body["error"]["code"]),
        ("application/json", &json!("BAD_REQUEST"))
    );
    assert_eq!(body["error"]["description"], "ds_id is required");
    let body = parsed(&refused(ErrorShape::EnvelopeWithLinks).await.1);
    assert!(body["error"]["links"]["docs"]["href"].is_string());
    let (mime, body) = refused(ErrorShape::Problem).await;
    let body = parsed(&body);
    assert_eq!((mime.as_str(), &body["status"]), ("application/problem+json", &json!(400)));
    assert_eq!(body["detail"], "ds_id is required");
    let body = parsed(&refused(ErrorShape::Flat).await.1);
    assert_eq!(body["error"], "BAD_REQUEST");
    let body = parsed(&refused(ErrorShape::MessageOnly).await.1);
    assert!(body["error"]["message"].is_string() && body["error"].get("code").is_none());
    let body = parsed(&refused(ErrorShape::UnderMeta).await.1);
    assert_eq!(body["meta"]["error"]["code"], "BAD_REQUEST");
    let (mime, body) = refused(ErrorShape::Html).await;
    assert!(mime.starts_with("text/html") && body.contains("<h1>400</h1>"));

    caller.fake.error_shape(ErrorShape::Envelope);
    caller.fake.errors_inside_200(true);
    for (path, code) in [("/query/data/json", "BAD_REQUEST"), ("/nothing", "NOT_FOUND")] {
        let body = caller.get(path).await;
        assert_eq!(body["error"]["code"], code);
    }
    let answer = caller.bare_request("GET", "/query/history").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "API_KEY_REQUIRED");
}

#[tokio::test]
async fn queued_faults_hit_one_request_each_and_carry_nothing_out() {
    let caller = Caller::new().await;
    let path = data(&ga_with("sync_timeout", json!(0)));
    for (status, code) in [
        (400, "BAD_REQUEST"),
        (401, "UNAUTHORIZED"),
        (403, "FORBIDDEN"),
        (404, "NOT_FOUND"),
        (409, "CONFLICT_ERROR"),
        (422, "UNPROCESSABLE_ENTITY"),
        (429, "TOO_MANY_REQUESTS"),
        (500, "INTERNAL_SERVER_ERROR"),
        (503, "SERVICE_UNAVAILABLE"),
    ] {
        caller.fake.fail_next(status);
        let answer = caller.answer(&path).await;
        assert_eq!(header(&answer, "retry-after"), if status == 429 { "1" } else { "" });
        assert_eq!(header(&answer, "www-authenticate").is_empty(), status != 401);
        let (got, body) = read(answer).await;
        assert_eq!((got, &body["error"]["code"]), (status, &json!(code)));
    }
    caller.fake.fail_next(502);
    assert!(header(&caller.answer(&path).await, "content-type").starts_with("text/html"));
    for (code, status) in [
        ("API_KEY_DISABLED", 403),
        ("LICENSE_EXPIRED", 403),
        ("LICENSE_NOT_FOUND", 500),
        ("LICENSE_DAILY_QUERY_LIMIT_EXCEEDED", 429),
        ("UNPROCESSABLE_CONTENT", 422),
        ("ACCOUNT_REQUIRED", 400),
    ] {
        caller.fake.fail_next_with(code, "so it is");
        assert_eq!(caller.refusal(&path).await, (status, code.to_owned()));
    }
    caller.fake.respond_next_with(200, &[("x-span-id", "7")], "{\"meta\":{}}");
    let answer = caller.answer(&path).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "x-span-id")), (200, "7".to_owned()));
    assert_eq!(answer.text().await.unwrap(), "{\"meta\":{}}");
    assert_eq!((caller.triggers(), caller.fake.requests().len()), (0, 17));
}

#[tokio::test]
async fn a_lost_answer_leaves_its_work_done() {
    let caller = Caller::new().await;
    let path = data(&ga_with("schedule_id", json!("mine")));
    let send = |path: &str| caller.request("GET", path).send();
    caller.fake.lose_next_response();
    assert!(
        send("/query/history").await.is_err_and(|error| error.is_request() && !error.is_timeout())
    );
    caller.fake.lose_next_trigger_response();
    caller.get("/query/history").await;
    assert_eq!(caller.refusal("/query/data/json").await.0, 400);
    assert!(send(&path).await.is_err());
    assert_eq!((caller.triggers(), caller.state("mine").await), (1, "SUCCESS".to_owned()));
    caller.fake.lose_next_trigger_response();
    assert_eq!(send(&path).await.unwrap().status(), 200, "it gets the run and starts none");
    assert!(send(&data(&ga())).await.is_err());
    caller.fake.lose_next_trigger_response();
    let batch = json!({ "queries": [ga()] });
    assert!(caller.request("POST", "/query/batch").json(&batch).send().await.is_err());
    assert_eq!((caller.triggers(), caller.fake.batches()), (2, 1));
}

#[tokio::test]
async fn a_refused_trigger_leaves_the_lost_answer_for_the_next_one() {
    let caller = Caller::new().await;
    caller.fake.lose_next_trigger_response();
    caller.fake.fail_next(503);
    assert_eq!(caller.refusal(&data(&ga())).await.0, 503);
    assert!(caller.request("GET", &data(&ga())).send().await.is_err());
    assert_eq!(caller.triggers(), 1);
}

#[tokio::test]
async fn requests_are_kept_as_sent_and_without_credentials() {
    let caller = Caller::new().await;
    let secret = "api_somebody-elses";
    let keyed = json!({ "ds_id": "GA", "api_key": secret });
    caller.call("GET", "/query/status?schedule_id=%61").await;
    caller.call("GET", &data(&ga())).await;
    caller.call("GET", &format!("/query/data/json?api_key={secret}&ds_id=GA&&x")).await;
    caller.call("GET", &data(&keyed)).await;
    caller.call("GET", &format!("/query/history?api%5Fkey={secret}")).await;
    caller.call("GET", &format!("/query/history?json=%7B%22api_key%22:%22{secret}%22")).await;
    caller.post("/query/data/json", &keyed).await;
    caller.post("/query/batch", &json!({ "queries": [keyed] })).await;
    let form = caller
        .request("POST", "/query/data/csv")
        .header("content-type", "application/x-www-form-urlencoded");
    form.body(format!("ds_id=GA&api_key={secret}")).send().await.unwrap();
    caller.get(&format!("{}/me", caller.origin())).await;
    let seen = caller.fake.requests();
    let flat: Vec<_> = seen
        .iter()
        .map(|seen| format!("{} {} {} {}", seen.method, seen.path, seen.query, seen.body))
        .collect();
    let bare = with_json("", &ga())[1..].to_owned();
    let expected = [
        "GET /query/status schedule_id=%61 ".to_owned(),
        format!("GET /query/data/json {bare} "),
        "GET /query/data/json ds_id=GA&&x ".to_owned(),
        format!("GET /query/data/json {bare} "),
        "GET /query/history  ".to_owned(),
        "GET /query/history json= ".to_owned(),
        "POST /query/data/json  {\"ds_id\":\"GA\"}".to_owned(),
        "POST /query/batch  {\"queries\":[{\"ds_id\":\"GA\"}]}".to_owned(),
        "POST /query/data/csv  ds_id=GA".to_owned(),
        "GET /me  ".to_owned(),
    ];
    assert_eq!(flat, expected);
    let debug = format!("{:?} {seen:?}", caller.fake);
    assert!(!debug.contains(KEY) && !debug.contains(secret));
}

#[tokio::test]
async fn nothing_a_client_sends_makes_it_panic() {
    let caller = Caller::new().await;
    let huge = "9".repeat(40);
    for path in [
        format!("/query/status?schedule_id={huge}&offset_start={huge}"),
        format!("/query/data/json?ds_id=GA&max_rows={}", u64::MAX),
        "/query/data/json?ds_id=GA&start_date=0000-00-00".to_owned(),
        format!("/query/data/json?ds_id=GA&start_date={huge}+days+ago"),
        "/query/data/json?ds_id=GA&start_date=4294967295+years+ago".to_owned(),
        "/query/data/json?ds_id=GA&start_date=4294967295+weeks+ago".to_owned(),
        "/query/data/json?ds_id=GA&start_date=ago".to_owned(),
        "/query/data/json?ds_id=GA&start_date=%C3%A9+days+ago".to_owned(),
        "/query/history?since=-262143-01-01".to_owned(),
        "/query/history?since=+262142-12-31".to_owned(),
        "/query/data/%FF%00?json=%FF".to_owned(),
        format!("/query/data/json?json={}", "[".repeat(3000)),
        "//////".to_owned(),
    ] {
        let status = caller.call("GET", &path).await.0;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    caller.fake.next_run(Plan::succeeds().takes(0));
    let late = json!({ "ds_id": "GA", "start_date": "262142-12-30" });
    caller.call("GET", &data(&late)).await;
    for path in ["/query/data/json", "/query/batch"] {
        for body in ["{", "null", "[[]]", "\u{0}", "{\"queries\":[{\"queries\":[]}]}"] {
            let request = caller.request("POST", path).header("content-type", "application/json");
            let status = request.body(body).send().await.unwrap().status().as_u16();
            assert!((400..500).contains(&status), "{body}");
        }
    }
}

#[tokio::test]
#[should_panic(expected = "the fake has no run \"nightly\"")]
async fn a_run_that_is_not_there_is_a_mistake_in_the_test() {
    FakeSupermetrics::start().await.finish("nightly", "SUCCESS");
}
