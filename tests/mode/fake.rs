//! `FakeMode`, seen through plain HTTP calls.
#![cfg(feature = "mode")]
#![allow(clippy::disallowed_methods, reason = "the fake lives in real time")]

use chrono::{DateTime, Utc};
use reqwest::{Client, Method, RequestBuilder, Response};
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::{NewRun, Plan};
use serde_json::{Value, json};

const REPORT: &str = FakeMode::REPORT;
const FRESH: &str = FakeMode::FRESH_REPORT;
const DATASET: &str = FakeMode::DATASET;

struct Caller {
    fake: FakeMode,
    http: Client,
}

impl Caller {
    async fn new() -> Self {
        Self { fake: FakeMode::start().await, http: Client::new() }
    }

    /// A path below the workspace, or one that starts with `/api`.
    fn url(&self, path: &str) -> String {
        let base = self.fake.base_url();
        let host = base.strip_suffix("/api/initech").unwrap();
        if path.starts_with("/api/") { format!("{host}{path}") } else { format!("{base}{path}") }
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, self.url(path));
        request.basic_auth(FakeMode::API_TOKEN, Some(FakeMode::API_SECRET))
    }

    async fn answer(&self, path: &str) -> Response {
        self.request("GET", path).send().await.unwrap()
    }

    async fn call(&self, method: &str, path: &str) -> (u16, Value) {
        read(self.request(method, path).send().await.unwrap()).await
    }

    async fn status(&self, path: &str) -> u16 {
        self.call("GET", path).await.0
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn bytes(&self, path: &str) -> Vec<u8> {
        let answer = self.answer(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.unwrap().to_vec()
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        read(self.request(method, path).json(&body).send().await.unwrap()).await
    }

    /// Runs a report; gives back the path of the run.
    async fn trigger(&self, report: &str) -> String {
        let path = format!("/reports/{report}/runs");
        let (status, run) = self.send("POST", &path, json!({ "parameters": {} })).await;
        assert_eq!((status, &run["state"]), (202, &json!("enqueued")));
        format!("{path}/{}", text(&run["token"]))
    }

    /// One member of all items of a list.
    async fn column(&self, path: &str, key: &str, member: &str) -> Vec<String> {
        let list = self.get(path).await;
        assert!(list["_links"]["self"]["href"].is_string(), "{path}");
        let items = list["_embedded"][key].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| text(&item[member])).collect()
    }

    async fn tokens(&self, path: &str, key: &str) -> Vec<String> {
        self.column(path, key, "token").await
    }

    /// Path of the newest run of a report in this state.
    async fn run_in(&self, report: &str, state: &str) -> String {
        let list = self.get(&format!("/reports/{report}/runs")).await;
        let runs = list["_embedded"]["report_runs"].as_array().unwrap();
        let run = runs.iter().find(|run| run["state"] == state).unwrap();
        format!("/reports/{report}/runs/{}", text(&run["token"]))
    }
}

async fn read(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).to_owned()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
}

#[tokio::test]
async fn a_login_is_needed_and_checked() {
    let caller = Caller::new().await;
    let url = caller.url(&format!("/reports/{REPORT}"));
    let requests = [
        caller.http.get(&url),
        caller.http.get(&url).basic_auth(FakeMode::API_TOKEN, Some("other")),
        caller.http.get(&url).bearer_auth(FakeMode::API_SECRET),
        caller.http.get(caller.url("/api/verify")),
    ];
    for request in requests {
        let (status, body) = read(request.send().await.unwrap()).await;
        assert_eq!((status, &body["id"]), (401, &json!("unauthorized")));
        assert!(body["message"].is_string());
    }
    let verify = caller.get("/api/verify").await;
    assert_eq!(
        (&verify["workspace"], &verify["api_key_scope"], &verify["_links"]["self"]["href"]),
        (&json!(FakeMode::WORKSPACE), &json!("member"), &json!("/api/verify"))
    );
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_a_date_and_hal_is_named() {
    let caller = Caller::new().await;
    let request = caller.request("GET", "/spaces").header("x-request-id", "mine");
    assert_eq!(header(&request.send().await.unwrap(), "x-request-id"), "mine");
    for (path, mime) in [("/spaces", "application/hal+json"), ("/nothing", "application/json")] {
        let answer = caller.answer(path).await;
        assert_eq!(header(&answer, "content-type"), mime);
        assert_eq!(header(&answer, "x-request-id").len(), 36);
        assert!(answer.headers().contains_key("date"));
    }
}

#[tokio::test]
async fn unknown_workspaces_tokens_and_paths_are_not_found() {
    let caller = Caller::new().await;
    for path in [
        "/api/umbrella/spaces".to_owned(),
        "/api/".to_owned(),
        "/nothing".to_owned(),
        "/reports".to_owned(),
        "/reports/none".to_owned(),
        "/reports/none/runs".to_owned(),
        format!("/reports/{REPORT}/runs/none"),
        format!("/reports/{REPORT}/runs/none/query_runs"),
        format!("/reports/{REPORT}/runs/none/query_runs/none"),
        format!("/reports/{REPORT}/queries/none"),
        format!("/reports/{REPORT}/schedules/none"),
        format!("/reports/{REPORT}/schedules/none/subscriptions"),
        format!("/reports/{REPORT}/subscriptions/none"),
        format!("/datasets/{REPORT}/reports"),
        format!("/datasets/{REPORT}/runs"),
        format!("/reports/{FRESH}/results/content.csv"),
        "/spaces/none/reports".to_owned(),
        "/data_sources/none".to_owned(),
        "/reports/3170001".to_owned(),
        "/spaces/".to_owned(),
    ] {
        let (status, body) = caller.call("GET", &path).await;
        assert_eq!((status, &body["id"]), (404, &json!("not_found")), "{path}");
    }
    assert_eq!(caller.call("PUT", &format!("/reports/{REPORT}")).await.0, 404);
    let run = json!({ "parameters": {} });
    assert_eq!(caller.send("POST", "/reports/none/runs", run).await.0, 404);
}

#[tokio::test]
async fn numbers_instead_of_tokens_can_be_bad_requests() {
    let caller = Caller::new().await;
    caller.fake.numeric_tokens_are_bad_requests(true);
    let (status, body) = caller.call("GET", "/reports/3170001/runs").await;
    assert_eq!((status, &body["id"]), (400, &json!(3_170_001)));
    caller.get(&format!("/reports/{REPORT}/runs")).await;
}

#[tokio::test]
async fn unknown_parameters_and_values_are_bad_requests() {
    let caller = Caller::new().await;
    let runs = format!("/reports/{REPORT}/runs");
    for path in [
        format!("{runs}?state=failed"),
        format!("{runs}?page=0"),
        format!("{runs}?page=x"),
        format!("{runs}?page=1&page=2"),
        format!("{runs}?per_page=0"),
        format!("{runs}?filter=state.eq.failed"),
        format!("{runs}?filter=created_at.gt.2026-01-01"),
        format!("{runs}?filter=created_at.gt.2026-01-01T00:00:00.000Z"),
        format!("{runs}?filter=created_at.eq.2026-01-01T00:00:00Z"),
        format!("{runs}?order=created_at&order_by=updated_at"),
        format!("{runs}?order=up"),
        format!("/spaces/{}/reports?order=created_at&order_by=desc", FakeMode::SPACE),
        "/spaces?filter=theirs".to_owned(),
        "/spaces?order=asc".to_owned(),
        "/data_sources?filter=all".to_owned(),
        format!("/reports/{REPORT}?page=1"),
        format!("/reports/{REPORT}/subscriptions?order=asc"),
        format!("/datasets/{DATASET}/reports?filter=all"),
        "/api/verify?x=1".to_owned(),
    ] {
        let (status, body) = caller.call("GET", &path).await;
        assert_eq!((status, &body["id"]), (400, &json!("bad_request")), "{path}: {body}");
    }
}

#[tokio::test]
async fn the_demo_data_looks_alive() {
    let caller = Caller::new().await;
    let list = caller.get(&format!("/reports/{REPORT}/runs")).await;
    let runs = list["_embedded"]["report_runs"].as_array().unwrap();
    let states: Vec<_> = runs.iter().map(|run| text(&run["state"])).collect();
    assert_eq!(states, ["succeeded", "failed", "completed", "succeeded"], "newest first");
    assert_eq!(runs[2]["python_state"], "succeeded");
    let flags = |run: &Value| {
        ["is_latest_report_run", "is_latest_successful_report_run"].map(|f| run[f] == true)
    };
    assert_eq!((flags(&runs[0]), flags(&runs[1])), ([true, true], [false, false]));
    assert_eq!(runs[1]["has_more_recent_successful_run_available"], true);

    let report = caller.get(&format!("/reports/{REPORT}")).await;
    assert_eq!((&report["runs_count"], &report["query_count"]), (&json!(4), &json!(2)));
    assert_eq!((&report["type"], &report["schedules_count"]), (&json!("Report"), &json!(1)));
    assert_eq!(report["last_successful_run_token"], runs[0]["token"]);
    assert_eq!(report["last_run_at"], runs[0]["created_at"]);
    assert_eq!(report["last_successfully_run_at"], runs[0]["completed_at"]);
    assert_eq!(report["_links"]["report_run"]["templated"], true);

    let fresh = caller.get(&format!("/reports/{FRESH}")).await;
    assert_eq!((&fresh["runs_count"], &fresh["last_run_at"]), (&json!(0), &Value::Null));
    assert!(fresh.get("last_successful_run_token").is_none());
    let archived = caller.get(&format!("/reports/{}", FakeMode::ARCHIVED_REPORT)).await;
    assert_eq!(archived["archived"], true);
    let dataset = caller.get(&format!("/datasets/{DATASET}")).await;
    assert_eq!(dataset["type"], "DatasetReport");
    assert!(dataset.get("chart_count").is_none());
}

#[tokio::test]
async fn links_start_with_api_and_lead_somewhere() {
    let caller = Caller::new().await;
    let path = caller.run_in(REPORT, "succeeded").await;
    let run = caller.get(&path).await;
    for name in ["self", "report", "query_runs", "content"] {
        let href = text(&run["_links"][name]["href"]);
        assert!(href.starts_with("/api/initech/"), "{href}");
        assert_eq!(caller.answer(&href).await.status(), 200, "{href}");
    }
    let report = caller.get(&format!("/reports/{REPORT}")).await;
    let names =
        ["self", "queries", "report_runs", "report_schedules", "csv_export", "space", "last_run"];
    for name in names {
        let href = text(&report["_links"][name]["href"]);
        assert_eq!(caller.answer(&href).await.status(), 200, "{href}");
    }
    assert!(text(&report["_links"]["web"]["href"]).starts_with("https://app.mode.com/"));
    assert!(text(&run["_links"]["share"]["href"]).starts_with("/initech/reports/"));

    caller.fake.relative_hrefs(false);
    let run = caller.get(&path).await;
    let own = text(&run["_links"]["self"]["href"]);
    assert_eq!(own, format!("{}{path}", caller.fake.base_url()));
}

#[tokio::test]
async fn ids_are_text_unless_they_are_to_be_numbers() {
    let caller = Caller::new().await;
    let report = caller.get(&format!("/reports/{REPORT}")).await;
    assert!(report["id"].is_string() && report["account_id"].is_string());
    caller.fake.numeric_ids(true);
    let queries = caller.get(&format!("/reports/{REPORT}/queries")).await;
    let query = &queries["_embedded"]["queries"][0];
    assert_eq!(query["data_source_id"], FakeMode::DATA_SOURCE_ID);
    assert!(query["last_run_id"].as_u64().unwrap() > u64::from(u32::MAX) / 2);
}

#[tokio::test]
async fn a_run_moves_on_as_it_is_read() {
    let caller = Caller::new().await;
    let path = caller.trigger(FRESH).await;
    for state in ["enqueued", "enqueued", "succeeded", "succeeded"] {
        let run = caller.get(&path).await;
        assert_eq!(run["state"], state);
        assert_eq!(run["completed_at"].is_null(), state == "enqueued");
        assert_eq!(run["python_state"], "none");
        let queries = caller.column(&format!("{path}/query_runs"), "query_runs", "state").await;
        let expected = if state == "enqueued" { "running" } else { state };
        assert_eq!(queries, [expected, expected]);
    }
    assert_eq!(caller.fake.triggers(FRESH), 1);
}

#[tokio::test]
async fn plans_are_used_in_order() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::ends("completed"));
    caller.fake.next_run(Plan::fails("took too long").code("SqlTimeout").takes(1));
    caller.fake.next_run(Plan::cancelled().takes(1));
    caller.fake.next_run(Plan::never_ends().takes(1));
    caller.fake.next_run(Plan::succeeds().takes(0));
    let path = caller.trigger(FRESH).await;
    for (state, python) in
        [("enqueued", "pending"), ("running_notebook", "submitted"), ("completed", "succeeded")]
    {
        let run = caller.get(&path).await;
        assert_eq!((&run["state"], &run["python_state"]), (&json!(state), &json!(python)));
    }
    for state in ["failed", "cancelled", "enqueued", "succeeded"] {
        let path = caller.trigger(FRESH).await;
        assert_eq!(caller.get(&path).await["state"], state);
    }
}

#[tokio::test]
async fn a_run_that_has_ended_at_once_is_ended_in_lists_too() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::fails("no slots").code("ResourceFailure").takes(0));
    caller.trigger(FRESH).await;
    let path = format!("/reports/{FRESH}/runs");
    assert_eq!(caller.column(&path, "report_runs", "state").await, ["failed"]);
    let report = caller.get(&path).await;
    let run = &report["_embedded"]["report_runs"][0];
    assert_eq!(run["report_has_failures_since_last_success"], true);
}

#[tokio::test]
async fn a_failed_run_is_explained_by_its_last_query_run_only() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::fails("took too long").code("SqlTimeout").takes(1));
    let path = caller.trigger(FRESH).await;
    let run = caller.get(&path).await;
    assert!(!run.to_string().contains("took too long"));
    let list = caller.get(&format!("{path}/query_runs?page=7&per_page=1")).await;
    assert!(list.get("pagination").is_none());
    let queries = list["_embedded"]["query_runs"].as_array().unwrap();
    assert_eq!(queries.len(), 2, "everything comes at once");
    assert_eq!(queries[0]["state"], "succeeded");
    assert!(queries[0].get("error_message").is_none());
    let failed = &queries[1];
    assert_eq!(
        (&failed["state"], &failed["error_code"], &failed["error_type"], &failed["error_message"]),
        (&json!("failed"), &json!("SqlTimeout"), &json!("generic"), &json!("took too long"))
    );
    let own = caller.get(&text(&failed["_links"]["self"]["href"])).await;
    assert_eq!(&own, failed);

    let demo = caller.run_in(REPORT, "failed").await;
    let codes = caller.get(&format!("{demo}/query_runs")).await;
    assert_eq!(codes["_embedded"]["query_runs"][1]["error_code"], "SqlUnknownColumn");
}

#[tokio::test]
async fn parameters_come_back_and_are_put_into_the_source() {
    let caller = Caller::new().await;
    let path = format!("/reports/{FRESH}/runs");
    let parameters = json!({ "region": "apac", "limit": 5 });
    let (_, run) = caller.send("POST", &path, json!({ "parameters": parameters })).await;
    assert_eq!(run["parameters"], parameters);
    let run_path = format!("{path}/{}", text(&run["token"]));
    let queries = caller.get(&format!("{run_path}/query_runs")).await;
    let query = &queries["_embedded"]["query_runs"][0];
    assert!(text(&query["raw_source"]).ends_with("'{{ region }}'"));
    assert!(text(&query["rendered_source"]).ends_with("'apac'"));
    assert_eq!((&query["limit"], &query["id"]), (&json!(false), &query["token"]));
    assert_eq!(query["max_result_bytes"], 6_000_000_000_u64);
    let options = caller.get(&format!("{run_path}/options")).await;
    assert_eq!(options["_embedded"]["form_fields"][0]["name"], "region");
}

#[tokio::test]
async fn a_trigger_takes_one_of_two_bodies_and_nothing_else() {
    let caller = Caller::new().await;
    let path = format!("/reports/{FRESH}/runs");
    let refresh = |token: &str| json!({ "report": { "dataset_tokens": [{ "token": token }] } });
    let (status, run) = caller.send("POST", &path, refresh(DATASET)).await;
    assert_eq!((status, &run["state"]), (202, &json!("enqueued")));
    for (body, expected) in [
        (json!({}), 400),
        (json!([]), 400),
        (json!({ "parameters": [] }), 400),
        (json!({ "parameters": {}, "report": { "dataset_tokens": [] } }), 400),
        (json!({ "report": {} }), 400),
        (refresh("none"), 404),
        (refresh(REPORT), 404),
    ] {
        let (status, answer) = caller.send("POST", &path, body.clone()).await;
        assert_eq!(status, expected, "{body}: {answer}");
    }
    let (status, body) = caller.send("POST", &path, json!({ "params": {} })).await;
    assert_eq!((status, &body["message"]), (400, &json!({ "params": ["is not known"] })));
    assert_eq!(caller.call("POST", &path).await.0, 400, "no body");
    let plain = caller.request("POST", &path).body(r#"{"parameters":{}}"#);
    assert_eq!(plain.send().await.unwrap().status(), 400, "no content type");
    assert_eq!(caller.fake.triggers(FRESH), 1);
}

#[tokio::test]
async fn runs_can_be_held_released_finished_and_triggered_from_elsewhere() {
    let caller = Caller::new().await;
    let token = caller.fake.trigger_from_elsewhere(FRESH);
    assert_eq!(caller.fake.triggers(FRESH), 0);
    let path = format!("/reports/{FRESH}/runs/{token}");
    caller.fake.hold();
    for _ in 0..5 {
        assert_eq!(caller.get(&path).await["state"], "enqueued");
    }
    caller.fake.release();
    for state in ["enqueued", "enqueued", "succeeded"] {
        assert_eq!(caller.get(&path).await["state"], state);
    }
    let token = caller.fake.add_run(FRESH, NewRun::new("running"));
    let path = format!("/reports/{FRESH}/runs/{token}");
    for _ in 0..5 {
        assert_eq!(caller.get(&path).await["state"], "running");
    }
    caller.fake.finish(&token, "failed");
    assert_eq!(caller.get(&path).await["state"], "failed");
    let queries = caller.get(&format!("{path}/query_runs")).await;
    assert!(queries["_embedded"]["query_runs"][1]["error_message"].is_string());
}

#[tokio::test]
async fn runs_come_in_pages_of_twenty_and_never_more_than_thirty() {
    let caller = Caller::new().await;
    let report = caller.fake.add_report("Busy");
    for _ in 0..35 {
        caller.fake.add_run(&report, NewRun::new("succeeded"));
    }
    let path = format!("/reports/{report}/runs");
    let answer = caller.answer(&path).await.text().await.unwrap();
    assert!(answer.starts_with(r#"{"pagination":{"#), "counters come first");
    let page = caller.get(&path).await;
    let counters =
        json!({ "page": 1, "per_page": 20, "count": 20, "total_pages": 2, "total_count": 35 });
    assert_eq!(page["pagination"], counters);
    assert_eq!(page["_links"]["next_page"]["href"], format!("/api/initech{path}?page=2"));
    assert!(page["_links"].get("prev_page").is_none());
    let page = caller.get(&format!("{path}?per_page=500&order=asc")).await;
    assert_eq!(page["pagination"]["per_page"], 30);
    let next = text(&page["_links"]["next_page"]["href"]);
    assert_eq!(next, format!("/api/initech{path}?page=2&per_page=500&order=asc"));
    let last = caller.get(&next).await;
    assert_eq!((&last["pagination"]["count"], &last["pagination"]["page"]), (&json!(5), &json!(2)));
    assert!(last["_links"].get("next_page").is_none());
    assert!(last["_links"]["prev_page"]["href"].is_string());
    let past = caller.get(&format!("{path}?page=3")).await;
    assert_eq!(past["_embedded"]["report_runs"], json!([]));

    caller.fake.next_link_past_end(true);
    let last = caller.get(&format!("{path}?page=2")).await;
    let next = text(&last["_links"]["next_page"]["href"]);
    assert_eq!(caller.status(&next).await, 404);
    let empty = caller.get(&format!("/reports/{FRESH}/runs")).await;
    assert_eq!(empty["pagination"]["total_pages"], 0);
}

#[tokio::test]
async fn runs_are_ordered_with_the_two_words_either_way_round() {
    let caller = Caller::new().await;
    let path = format!("/reports/{REPORT}/runs");
    let newest_first = caller.tokens(&path, "report_runs").await;
    for query in ["order=desc&order_by=updated_at", "order=created_at&order_by=desc", "order=desc"]
    {
        assert_eq!(caller.tokens(&format!("{path}?{query}"), "report_runs").await, newest_first);
    }
    let mut oldest_first = newest_first;
    oldest_first.reverse();
    for query in ["order=asc&order_by=created_at", "order=updated_at&order_by=asc"] {
        assert_eq!(caller.tokens(&format!("{path}?{query}"), "report_runs").await, oldest_first);
    }
}

#[tokio::test]
async fn runs_of_one_moment_are_listed_as_they_came() {
    let caller = Caller::new().await;
    let at = time("2026-01-02T03:04:05Z");
    for token in ["one", "two"] {
        caller.fake.add_run(FRESH, NewRun::new("succeeded").created(at).id(token));
    }
    let path = format!("/reports/{FRESH}/runs");
    assert_eq!(caller.tokens(&path, "report_runs").await, ["two", "one"]);
    assert_eq!(caller.tokens(&format!("{path}?order=asc"), "report_runs").await, ["one", "two"]);
    assert_eq!(caller.get(&format!("{path}/two")).await["is_latest_report_run"], true);
}

#[tokio::test]
async fn runs_are_filtered_by_time_unless_the_filter_is_broken() {
    let caller = Caller::new().await;
    let old = NewRun::new("succeeded").created(time("2026-01-02T03:04:05.678Z")).id("old-run");
    caller.fake.add_run(FRESH, old);
    caller.fake.add_run(FRESH, NewRun::new("succeeded"));
    let path = format!("/reports/{FRESH}/runs");
    for (filter, count) in [
        ("created_at.lt.2026-01-02T03:04:06Z", 1),
        ("created_at.gt.2026-01-02T03:04:05Z", 2),
        ("updated_at.gt.2026-01-03T00:00:00Z", 1),
        ("updated_at.lt.2026-01-02T03:04:06Z", 0),
    ] {
        let found = caller.tokens(&format!("{path}?filter={filter}"), "report_runs").await;
        assert_eq!(found.len(), count, "{filter}");
    }
    assert_eq!(
        caller.get(&format!("{path}/old-run")).await["created_at"],
        "2026-01-02T03:04:05.678Z"
    );
    caller.fake.run_filter_fails(true);
    let filter = format!("{path}?filter=created_at.lt.2026-01-02T03:04:06Z");
    let (status, body) = caller.call("GET", &filter).await;
    assert_eq!((status, &body["id"]), (500, &json!("internal_server_error")));
}

#[tokio::test]
async fn results_of_a_query_run_are_rows_and_csv() {
    let caller = Caller::new().await;
    let path = caller.run_in(REPORT, "succeeded").await;
    let list = caller.get(&format!("{path}/query_runs")).await;
    let query = &list["_embedded"]["query_runs"][1];
    let result = text(&query["_links"]["result"]["href"]);
    let stub = caller.get(&result).await;
    assert_eq!(stub["_links"]["self"]["href"], json!(result));
    for (name, mime) in [("csv", "text/csv"), ("json", "application/json")] {
        let href = text(&stub["_links"][name]["href"]);
        assert!(href.starts_with("http://127.0.0.1:"), "{href}");
        let request = caller.http.get(href);
        let request = request.basic_auth(FakeMode::API_TOKEN, Some(FakeMode::API_SECRET));
        assert_eq!(header(&request.send().await.unwrap(), "content-type"), mime);
    }
    let rows = caller.get(&format!("{result}/content.json")).await;
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["query"]), (2, &json!("Totals")));
    let rows = caller.get(&format!("{result}/content.json?limit=1")).await;
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(caller.status(&format!("{result}/content.json?limit=x")).await, 400);
    assert_eq!(caller.status(&format!("{result}/content.csv?limit=1")).await, 400);
    let csv = caller.bytes(&format!("{result}/content.csv")).await;
    let expected = "day,query,total\n2026-03-01,Totals,1250.5\n2026-03-02,Totals,990.0\n";
    assert_eq!(csv, expected.as_bytes());
    caller.fake.csv_with_bom(true);
    let csv = caller.bytes(&format!("{result}/content.csv")).await;
    assert_eq!(csv, format!("\u{feff}{expected}").as_bytes());
}

#[tokio::test]
async fn results_of_a_report_run_are_its_first_query_or_a_zip() {
    let caller = Caller::new().await;
    let path = caller.run_in(REPORT, "completed").await;
    let rows = caller.get(&format!("{path}/results/content.json")).await;
    assert_eq!(rows[0]["query"], "By day");
    let path = format!("{path}/results/content.csv");
    let answer = caller.answer(&path).await;
    assert_eq!(header(&answer, "content-type"), "text/csv");
    let name = header(&answer, "content-disposition");
    assert!(name.starts_with("attachment; filename=\"weekly-revenue-") && name.ends_with(".csv\""));
    assert!(answer.text().await.unwrap().contains("\n2026-03-01,By day,"));

    caller.fake.zip_results(true);
    let answer = caller.answer(&path).await;
    assert_eq!(header(&answer, "content-type"), "application/zip");
    let zip = answer.bytes().await.unwrap();
    assert!(zip.starts_with(b"PK\x03\x04"));
    let tail = &zip[zip.len() - 22..];
    assert_eq!(&tail[..12], b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
    let directory = u32::from_le_bytes(tail[16..20].try_into().unwrap()) as usize;
    assert_eq!(&zip[directory..directory + 4], b"PK\x01\x02");
    let newest = caller.answer(&format!("/reports/{REPORT}/results/content.csv")).await;
    assert_eq!(newest.status(), 200);
}

#[tokio::test]
async fn results_are_missing_while_a_run_goes_on_when_it_failed_and_when_purged() {
    let caller = Caller::new().await;
    let going = caller.fake.add_run(FRESH, NewRun::new("enqueued"));
    let purged = caller.fake.add_run(FRESH, NewRun::new("succeeded").purged());
    let failed = caller.fake.add_run(FRESH, NewRun::new("failed"));
    for token in [going, purged.clone(), failed.clone()] {
        let path = format!("/reports/{FRESH}/runs/{token}");
        for file in ["content.csv", "content.json"] {
            let (status, body) = caller.call("GET", &format!("{path}/results/{file}")).await;
            assert_eq!((status, &body["id"]), (404, &json!("not_found")));
        }
        let last = caller.tokens(&format!("{path}/query_runs"), "query_runs").await.remove(1);
        assert_eq!(caller.status(&format!("{path}/query_runs/{last}/results")).await, 404);
    }
    let run = caller.get(&format!("/reports/{FRESH}/runs/{purged}")).await;
    assert!(run["purge_started_at"].is_string() && run["purge_completed_at"].is_string());
    let path = format!("/reports/{FRESH}/runs/{failed}/query_runs");
    let first = caller.tokens(&path, "query_runs").await.remove(0);
    caller.get(&format!("{path}/{first}/results/content.json")).await;
}

#[tokio::test]
async fn the_parents_of_a_query_run_and_of_a_query_do_not_matter() {
    let caller = Caller::new().await;
    let path = caller.run_in(REPORT, "succeeded").await;
    let token = caller.tokens(&format!("{path}/query_runs"), "query_runs").await.remove(0);
    let run = caller.get(&format!("/reports/{FRESH}/runs/none/query_runs/{token}")).await;
    assert_eq!(run["token"], json!(token));
    let query = caller.tokens(&format!("/reports/{REPORT}/queries"), "queries").await.remove(0);
    let path = format!("/reports/{FRESH}/queries/{query}");
    assert_eq!(caller.get(&path).await["token"], json!(query));
    assert_eq!(caller.call("DELETE", &path).await.0, 404, "but nothing is changed that way");
}

#[tokio::test]
async fn a_query_has_a_history_in_pages() {
    let caller = Caller::new().await;
    let queries = caller.get(&format!("/reports/{REPORT}/queries")).await;
    let query = &queries["_embedded"]["queries"][1];
    let path = text(&query["_links"]["query_runs"]["href"]);
    let states = caller.column(&path, "query_runs", "state").await;
    assert_eq!(states, ["succeeded", "failed", "completed", "succeeded"]);
    let page = caller.get(&format!("{path}?page=2&per_page=3")).await;
    assert_eq!(page["pagination"]["total_pages"], 2);
    assert_eq!(page["_embedded"]["query_runs"].as_array().unwrap().len(), 1);
    assert_eq!(caller.status(&format!("{path}?order=asc")).await, 400);
    assert_eq!(caller.status(&format!("/reports/{REPORT}/queries/none/runs")).await, 404);
}

#[tokio::test]
async fn queries_are_made_changed_and_deleted() {
    let caller = Caller::new().await;
    let path = format!("/reports/{FRESH}/queries");
    let body = |source: Value| json!({ "query": { "raw_query": "SELECT 1", "data_source_id": source, "name": "One" } });
    for source in [json!(FakeMode::DATA_SOURCE_ID), json!(FakeMode::DATA_SOURCE_ID.to_string())] {
        let (status, made) = caller.send("POST", &path, body(source)).await;
        assert_eq!((status, &made["name"]), (200, &json!("One")));
    }
    for (wrong, expected) in [
        (body(json!(1)), 422),
        (json!({ "query": { "raw_query": "SELECT 1" } }), 400),
        (json!({ "query": { "data_source_id": FakeMode::DATA_SOURCE_ID } }), 400),
        (json!({ "raw_query": "SELECT 1", "data_source_id": 1 }), 400),
        (json!({ "query": { "sql": "SELECT 1" } }), 400),
        (json!({ "query": [] }), 400),
    ] {
        assert_eq!(caller.send("POST", &path, wrong.clone()).await.0, expected, "{wrong}");
    }
    let tokens = caller.tokens(&path, "queries").await;
    assert_eq!(tokens.len(), 4);
    let own = format!("{path}/{}", tokens[3]);
    let (status, changed) = caller.send("PATCH", &own, json!({ "query": { "name": "Two" } })).await;
    assert_eq!(
        (status, &changed["name"], &changed["raw_query"]),
        (200, &json!("Two"), &json!("SELECT 1"))
    );
    let (status, body) = caller.send("PATCH", &own, json!({ "query": { "name": " " } })).await;
    assert_eq!((status, body), (422, json!({ "message": { "name": ["cannot be blank"] } })));
    assert_eq!(caller.call("DELETE", &own).await, (204, Value::Null));
    assert_eq!(caller.call("DELETE", &own).await.0, 404);
    caller.fake.documented_statuses(true);
    let (status, deleted) = caller.call("DELETE", &format!("{path}/{}", tokens[2])).await;
    assert_eq!((status, &deleted["token"]), (200, &json!(tokens[2])));
    let run = caller.trigger(FRESH).await;
    assert_eq!(caller.tokens(&format!("{run}/query_runs"), "query_runs").await.len(), 2);
}

#[tokio::test]
async fn a_clone_is_a_report_without_runs() {
    let caller = Caller::new().await;
    let path = format!("{}/clone", caller.run_in(REPORT, "failed").await);
    let (status, copy) = caller.call("POST", &path).await;
    assert_eq!((status, &copy["name"]), (202, &json!("Copy of Weekly Revenue")));
    assert_eq!((&copy["runs_count"], &copy["query_count"]), (&json!(0), &json!(2)));
    caller.get(&format!("/reports/{}", text(&copy["token"]))).await;
    caller.fake.documented_statuses(true);
    assert_eq!(caller.send("POST", &path, json!({ "owner_id": 7 })).await.0, 200);
    assert_eq!(caller.send("POST", &path, json!({ "name": "x" })).await.0, 400);
    assert_eq!(caller.fake.triggers(REPORT), 0, "a clone is no run");
}

#[tokio::test]
async fn a_report_is_archived_and_brought_back() {
    let caller = Caller::new().await;
    let space = format!("/spaces/{}/reports", FakeMode::SPACE);
    for (verb, archived, listed) in [("archive", true, 1), ("unarchive", false, 2)] {
        let (status, report) = caller.call("PATCH", &format!("/reports/{REPORT}/{verb}")).await;
        assert_eq!((status, &report["archived"]), (200, &json!(archived)));
        assert_eq!(caller.tokens(&space, "reports").await.len(), listed);
    }
    assert_eq!(caller.send("PATCH", &format!("/reports/{REPORT}/archive"), json!({})).await.0, 400);
}

#[tokio::test]
async fn reports_of_a_space_lack_some_members_and_end_with_an_empty_page() {
    let caller = Caller::new().await;
    let path = format!("/spaces/{}/reports", FakeMode::SPACE);
    let list = caller.get(&format!("{path}?order=asc&order_by=created_at")).await;
    let row = &list["_embedded"]["reports"][0];
    assert_eq!((&row["token"], &row["collection_name"]), (&json!(REPORT), &json!("Finance")));
    assert!(row.get("archived").is_none() && row.get("expected_runtime").is_none());
    assert!(list.get("pagination").is_none());
    let page = caller.get(&format!("{path}?per_page=1")).await;
    assert!(page["_links"]["next_page"]["href"].is_string());
    let past = caller.get(&format!("{path}?page=2")).await;
    assert_eq!(past, json!({ "_links": { "self": { "href": "" } }, "_embedded": {} }));
    let datasets = format!("/spaces/{}/datasets", FakeMode::SPACE);
    assert_eq!(caller.tokens(&datasets, "reports").await, [DATASET]);
    for index in 0..30 {
        caller.fake.add_report(&format!("Report {index}"));
    }
    assert_eq!(caller.tokens(&path, "reports").await.len(), 30);
    assert_eq!(caller.tokens(&format!("{path}?page=2"), "reports").await.len(), 2);
}

#[tokio::test]
async fn reports_of_a_data_source_are_there_once_per_query() {
    let caller = Caller::new().await;
    let path = format!("/data_sources/{}/reports", FakeMode::DATA_SOURCE);
    let tokens = caller.tokens(&format!("{path}?order=asc"), "reports").await;
    assert_eq!(tokens, [REPORT, REPORT, FRESH, FRESH, DATASET, DATASET]);
    let first = caller.tokens(&format!("{path}?per_page=1"), "reports").await;
    assert_eq!(caller.tokens(&format!("{path}?per_page=1&page=2"), "reports").await, first);
    assert_eq!(caller.tokens("/data_sources/a90e4c2d7f53/reports", "reports").await.len(), 0);
}

#[tokio::test]
async fn data_sources_ignore_the_page() {
    let caller = Caller::new().await;
    let all = caller.tokens("/data_sources", "data_sources").await;
    assert_eq!(all.len(), 2);
    assert_eq!(caller.tokens("/data_sources?page=9&per_page=1", "data_sources").await, all);
    let source = caller.get(&format!("/data_sources/{}", FakeMode::DATA_SOURCE)).await;
    assert_eq!((&source["adapter"], &source["port"]), (&json!("jdbc:postgresql"), &json!(5432)));
}

#[tokio::test]
async fn spaces_are_filtered_with_one_word() {
    let caller = Caller::new().await;
    for (query, count) in [("", 2), ("?filter=all", 3), ("?filter=custom", 1), ("?filter=mine", 1)]
    {
        let list = caller.get(&format!("/spaces{query}")).await;
        assert_eq!(list["_embedded"]["spaces"].as_array().unwrap().len(), count, "{query}");
        assert_eq!(list["pagination"]["total_count"], json!(count));
        assert_eq!(list["pagination"]["per_page"], 30);
    }
    let page = caller.get("/spaces?filter=all&per_page=2").await;
    let next = text(&page["_links"]["next_page"]["href"]);
    assert_eq!(next, "/api/initech/spaces?page=2&filter=all&per_page=2");
    assert_eq!(caller.tokens(&next, "spaces").await.len(), 1);
    let space = caller.get(&format!("/collections/{}", FakeMode::SPACE)).await;
    assert_eq!((&space["viewable?"], &space["space_type"]), (&json!(true), &json!("custom")));
}

#[tokio::test]
async fn schedules_are_made_changed_and_deleted_with_or_without_their_wrapper() {
    let caller = Caller::new().await;
    let path = format!("/reports/{FRESH}/schedules");
    let bare = json!({ "cron": { "freq": "weekly", "day_of_week": [2, 3], "hour": 13, "minute": 30 }, "timeout": 3600 });
    let (status, made) = caller.send("POST", &path, bare.clone()).await;
    assert_eq!((status, &made["name"]), (200, &json!("Untitled schedule")));
    assert_eq!(
        (&made["hour"], &made["cron_hour"], &made["cron_minute"], &made["day_of_week"]),
        (&json!("1:00 pm"), &json!(13), &json!(30), &json!("Monday,Tuesday"))
    );
    let own = format!("{path}/{}", text(&made["token"]));
    let change = json!({ "report_schedule": { "name": "Noon", "params": { "region": "emea" } } });
    let (status, changed) = caller.send("PATCH", &own, change).await;
    assert_eq!(
        (status, &changed["name"], &changed["cron_hour"]),
        (200, &json!("Noon"), &json!(13))
    );
    assert_eq!(
        (&changed["parameters"]["region"], &changed["timeout"]),
        (&json!("emea"), &json!(3600))
    );
    assert_eq!(caller.tokens(&path, "report_schedules").await, [text(&made["token"])]);
    assert_eq!(caller.get(&own).await["frequency"], "weekly");
    for (wrong, expected) in [
        (json!({ "name": "x" }), 400),
        (json!({ "cron": {} }), 400),
        (json!({ "cron": { "freq": "yearly" } }), 422),
        (json!({ "cron": { "freq": "daily", "hour": 24 } }), 422),
        (json!({ "cron": { "freq": "weekly", "day_of_week": 7 } }), 422),
        (json!({ "cron": { "freq": "monthly", "day_of_month": 0 } }), 422),
        (json!({ "cron": { "freq": "daily", "second": 1 } }), 400),
        (json!({ "cron": { "freq": "daily" }, "timeout": "1h" }), 422),
        (json!({ "cron": { "freq": "daily" }, "report_schedule": {} }), 400),
        (json!({ "schedule": bare }), 400),
    ] {
        assert_eq!(caller.send("POST", &path, wrong.clone()).await.0, expected, "{wrong}");
    }
    assert_eq!(caller.call("DELETE", &own).await.0, 204);
    assert_eq!(caller.call("DELETE", &own).await.0, 404);
    let demo = caller.get(&format!("/datasets/{DATASET}/schedules")).await;
    assert_eq!(demo["_embedded"]["report_schedules"][0]["minute"], "30 minutes past the hour");
}

#[tokio::test]
async fn subscriptions_are_made_changed_and_deleted_and_go_with_their_schedule() {
    let caller = Caller::new().await;
    let path = format!("/reports/{REPORT}/subscriptions");
    let count = async |path: &str| caller.get(path).await["pagination"]["total_count"].clone();
    assert_eq!(count(&path).await, 1);
    let (status, made) = caller.send("POST", &path, json!({ "csv_attachments": true })).await;
    assert_eq!(
        (status, &made["csv_attachments_enabled"], &made["pdf_attachments_enabled"]),
        (200, &json!(true), &json!(false))
    );
    assert!(made.get("token").is_none() && made.get("id").is_none(), "{made}");
    let own = text(&made["_links"]["self"]["href"]);
    let change = json!({ "csv_attachments": false, "data_tables": true });
    let (status, changed) = caller.send("PATCH", &own, change).await;
    assert_eq!(
        (status, &changed["csv_attachments_enabled"], &changed["data_tables_enabled"]),
        (200, &json!(false), &json!(true))
    );
    assert_eq!(caller.get(&own).await, changed);
    let schedule = text(&changed["_links"]["report_schedule"]["href"]);
    let of_schedule = format!("{schedule}/subscriptions");
    assert_eq!(count(&of_schedule).await, 2);
    assert_eq!(caller.get(&schedule).await["subscriber_count"], 2);
    for (wrong, expected) in [
        (json!({ "csv_attachments": "true" }), 422),
        (json!({ "csv_attachments_enabled": true }), 400),
        (json!({ "report_subscription": { "csv_attachments": true } }), 400),
    ] {
        assert_eq!(caller.send("POST", &path, wrong.clone()).await.0, expected, "{wrong}");
        assert_eq!(caller.send("PATCH", &own, wrong.clone()).await.0, expected, "{wrong}");
    }
    let fresh = format!("/reports/{FRESH}/subscriptions");
    assert_eq!(caller.send("POST", &fresh, json!({})).await.0, 404, "no schedule to belong to");
    assert_eq!(caller.call("DELETE", &own).await.0, 204);
    assert_eq!(caller.call("DELETE", &own).await.0, 404);
    assert_eq!(caller.call("DELETE", &schedule).await.0, 204);
    assert_eq!(count(&path).await, 0);
}

#[tokio::test]
async fn a_dataset_is_listed_with_the_reports_that_use_it() {
    let caller = Caller::new().await;
    let using = format!("/datasets/{DATASET}/reports");
    assert_eq!(caller.tokens(&using, "reports").await, [REPORT]);
    let report = caller.get(&format!("/reports/{REPORT}")).await;
    assert_eq!(report["imported_datasets"][0]["token"], DATASET);
}

#[tokio::test]
async fn a_dataset_run_has_fewer_members_and_takes_no_body() {
    let caller = Caller::new().await;
    let path = format!("/datasets/{DATASET}/runs");
    assert_eq!(caller.send("POST", &path, json!({})).await.0, 400);
    caller.fake.next_run(Plan::ends("completed").takes(2));
    let (status, run) = caller.call("POST", &path).await;
    assert_eq!((status, &run["state"]), (202, &json!("enqueued")));
    for name in ["python_state", "parameters", "form_fields"] {
        assert!(run.get(name).is_none(), "{name}");
    }
    let own = text(&run["_links"]["self"]["href"]);
    assert!(own.starts_with(&format!("/api/initech{path}/")));
    for state in ["enqueued", "completed"] {
        assert_eq!(caller.get(&own).await["state"], state);
    }
    assert_eq!(caller.tokens(&path, "report_runs").await.len(), 2);
    assert_eq!(caller.fake.triggers(DATASET), 1);
    let links = run["_links"].as_object().unwrap();
    assert_eq!(caller.status(&text(&links["query_runs"]["href"])).await, 200);
}

#[tokio::test]
async fn a_pdf_is_asked_for_awaited_and_then_downloaded() {
    let caller = Caller::new().await;
    let run = caller.run_in(REPORT, "succeeded").await;
    let export = text(&caller.get(&run).await["_links"]["pdf_export"]["href"]);
    let download = export.replace("pdf.pdf", "pdf/download");
    assert_eq!(caller.status(&download).await, 404);
    for state in ["new", "requested"] {
        let job = caller.get(&export).await;
        assert_eq!((&job["state"], &job["filename"]), (&json!(state), &Value::Null));
        assert_eq!(job["created_at"].is_null(), state == "new");
        assert_eq!(caller.status(&download).await, 404);
    }
    let job = caller.get(&export).await;
    assert_eq!(job["state"], "completed");
    assert!(text(&job["filename"]).starts_with("weekly-revenue-"));
    for path in [text(&job["_links"]["download"]["href"]), download] {
        let answer = caller.answer(&path).await;
        assert_eq!(header(&answer, "content-type"), "application/pdf");
        assert!(answer.bytes().await.unwrap().starts_with(b"%PDF-"));
    }
    let going = caller.fake.add_run(FRESH, NewRun::new("enqueued"));
    for _ in 0..4 {
        let job = caller.get(&format!("/reports/{FRESH}/exports/runs/{going}/pdf.pdf")).await;
        assert_eq!(job["state"], "new");
    }
}

#[tokio::test]
async fn queued_faults_hit_one_request_each_and_carry_nothing_out() {
    let caller = Caller::new().await;
    let path = format!("/reports/{FRESH}/runs");
    let body = json!({ "parameters": {} });
    for (status, id) in [
        (400, json!("bad_request")),
        (401, json!("unauthorized")),
        (403, json!("forbidden")),
        (404, json!("not_found")),
        (422, Value::Null),
        (429, Value::Null),
        (500, json!("internal_server_error")),
        (503, json!("service_unavailable")),
    ] {
        caller.fake.fail_next(status);
        let (got, answer) = caller.send("POST", &path, body.clone()).await;
        assert_eq!((got, &answer["id"]), (status, &id));
        assert_eq!(answer["message"].is_object(), status == 422);
    }
    caller.fake.fail_next(502);
    assert!(header(&caller.answer(&path).await, "content-type").starts_with("text/html"));
    caller.fake.respond_next_with(429, &[("retry-after", "7")], "busy");
    let answer = caller.answer(&path).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (429, "7".to_owned()));
    assert_eq!(answer.text().await.unwrap(), "busy");
    caller.fake.login_page_next();
    let answer = caller.answer(&path).await;
    assert_eq!(answer.status(), 200);
    assert!(header(&answer, "content-type").starts_with("text/html"));
    assert!(answer.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!((caller.fake.triggers(FRESH), caller.fake.requests().len()), (0, 11));
}

#[tokio::test]
async fn a_lost_answer_leaves_its_work_done() {
    let caller = Caller::new().await;
    let path = format!("/reports/{FRESH}/runs");
    let post = || caller.request("POST", &path).json(&json!({ "parameters": {} })).send();
    caller.fake.lose_next_response();
    assert!(post().await.is_err_and(|error| error.is_request() && !error.is_timeout()));
    caller.fake.lose_next_trigger_response();
    assert_eq!(caller.tokens(&path, "report_runs").await.len(), 1);
    assert!(post().await.is_err());
    assert_eq!(post().await.unwrap().status(), 202);
    assert_eq!((caller.fake.triggers(FRESH), caller.fake.triggers("none")), (3, 0));
}

#[tokio::test]
async fn a_refused_trigger_leaves_the_lost_answer_for_the_next_one() {
    let caller = Caller::new().await;
    caller.fake.lose_next_trigger_response();
    caller.fake.fail_next(503);
    let path = format!("/datasets/{DATASET}/runs");
    assert_eq!(caller.call("POST", &path).await.0, 503);
    assert!(caller.request("POST", &path).send().await.is_err());
    assert_eq!(caller.fake.triggers(DATASET), 1);
}

#[tokio::test]
async fn requests_are_kept_as_sent_and_without_credentials() {
    let caller = Caller::new().await;
    let token = caller.fake.add_run(FRESH, NewRun::new("succeeded").id("a+b/c"));
    assert_eq!(token, "a+b/c");
    let path = format!("/reports/{FRESH}/runs/a%2Bb%2Fc");
    let run = caller.get(&path).await;
    assert_eq!(run["_links"]["self"]["href"], format!("/api/initech{path}"));
    caller.send("POST", "/reports/x/runs", json!({ "x": 1 })).await;
    caller.status("/spaces?filter=%6Dine").await;
    caller.get("/api/verify").await;
    let seen = caller.fake.requests();
    let flat: Vec<_> = seen
        .iter()
        .map(|seen| format!("{} {} {} {}", seen.method, seen.path, seen.query, seen.body))
        .collect();
    let expected = [
        format!("GET {path}  "),
        "POST /reports/x/runs  {\"x\":1}".to_owned(),
        "GET /spaces filter=%6Dine ".to_owned(),
        "GET /api/verify  ".to_owned(),
    ];
    assert_eq!(flat, expected);
    assert!(!format!("{:?} {seen:?}", caller.fake).contains(FakeMode::API_SECRET));
}

#[tokio::test]
async fn nothing_a_client_sends_makes_it_panic() {
    let caller = Caller::new().await;
    let huge = "9".repeat(40);
    for path in [
        format!("/reports/{REPORT}/runs?page={huge}"),
        format!("/reports/{REPORT}/runs?page={}", usize::MAX),
        format!("/reports/{REPORT}/runs?per_page={}&filter=created_at.gt.", usize::MAX),
        format!("/reports/{REPORT}/queries?page=%FF"),
        "/reports/%FF%00/runs".to_owned(),
        "/spaces?filter=%FF".to_owned(),
        "//////".to_owned(),
    ] {
        let status = caller.status(&path).await;
        assert!(status < 500, "{path}: {status}");
    }
    for path in [format!("/reports/{REPORT}/runs"), format!("/reports/{REPORT}/schedules")] {
        for body in ["", "{", "null", "[[]]", "\u{0}", "{\"cron\":{\"freq\":7}}"] {
            let request = caller.request("POST", &path).header("content-type", "application/json");
            let status = request.body(body).send().await.unwrap().status().as_u16();
            assert!((400..500).contains(&status), "{body}");
        }
    }
}

#[tokio::test]
#[should_panic(expected = "the fake has no report \"weekly\"")]
async fn a_report_that_is_not_there_is_a_mistake_in_the_test() {
    FakeMode::start().await.trigger_from_elsewhere("weekly");
}
