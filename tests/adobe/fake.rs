//! `FakeAdobe`, seen through plain HTTP calls.
#![cfg(feature = "adobe")]
#![allow(clippy::disallowed_methods, reason = "the fake lives in real time")]

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, Method, RequestBuilder, Response};
use scheduled_runs::testing::adobe::{FakeAdobe, LinkForm};
use scheduled_runs::testing::{NewRun, Plan};
use serde_json::{Value, json};

type Headers<'a> = &'a [(&'a str, &'a str)];

struct Caller {
    fake: FakeAdobe,
    http: Client,
    token: String,
}

impl Caller {
    async fn new() -> Self {
        let fake = FakeAdobe::start().await;
        let (http, token) = (Client::new(), fake.access_token());
        Self { fake, http, token }
    }

    /// A request with the headers named, and no others.
    fn with(&self, headers: Headers<'_>) -> RequestBuilder {
        let request = self.http.get(format!("{}/schedules", self.fake.base_url()));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http
            .request(method, format!("{}{path}", self.fake.base_url()))
            .bearer_auth(&self.token)
            .header("x-api-key", FakeAdobe::CLIENT_ID)
            .header("x-gw-ims-org-id", FakeAdobe::ORG_ID)
            .header("x-sandbox-name", FakeAdobe::SANDBOX)
    }

    async fn call(&self, method: &str, path: &str) -> (u16, Value) {
        read(self.request(method, path).send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn status(&self, path: &str) -> u16 {
        self.call("GET", path).await.0
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        read(self.request(method, path).json(&body).send().await.unwrap()).await
    }

    /// Triggers a run and finds it in the list that shows it.
    async fn trigger(&self, schedule: &str) -> String {
        let path = format!("/schedules/{schedule}/runs");
        assert_eq!(self.call("POST", &path).await.0, 202);
        let newest = format!("{path}?orderby=-created&limit=1&property=externalTrigger%3D%3Dtrue");
        self.get(&newest).await;
        let list = self.get(&newest).await;
        text(&list["runsSchedules"][0]["id"])
    }

    async fn ids(&self, path: &str, member: &str) -> Vec<String> {
        let list = self.get(path).await;
        list[member].as_array().unwrap().iter().map(|item| text(&item["id"])).collect()
    }

    /// Asks for a token.
    async fn token(&self, query: &str, form: &str) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}{query}", self.fake.token_url()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        read(request.send().await.unwrap()).await
    }
}

async fn read(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn query() -> Value {
    json!({ "dbName": "dev:all", "sql": "SELECT 1", "name": "One" })
}

const FORM: &str = "grant_type=client_credentials&client_id=fake-client-id&client_secret=fake-client-secret&scope=openid%2CAdobeID";

#[tokio::test]
async fn a_token_needs_all_four_fields_in_a_form_and_works_then() {
    let mut caller = Caller::new().await;
    let (status, body) = caller.token("", FORM).await;
    assert_eq!(
        (status, &body["token_type"], &body["expires_in"]),
        (200, &json!("bearer"), &json!(86399))
    );
    caller.token = text(&body["access_token"]);
    caller.get("/schedules").await;
    let cases = [
        (
            FORM.replace("fake-client-secret", "no"),
            "invalid_client",
            "invalid client_secret parameter",
        ),
        (FORM.replace("fake-client-id", "no"), "invalid_client", "invalid client_id parameter"),
        (
            FORM.replace("client_credentials", "password"),
            "unsupported_grant_type",
            "invalid grant_type parameter",
        ),
        (FORM.replace("&scope=openid%2CAdobeID", ""), "invalid_scope", "invalid scope parameter"),
        (FORM.replace("%2C", "+"), "invalid_scope", "invalid scope parameter"),
        (format!("{FORM}&more=1"), "invalid_request", "unknown parameter"),
    ];
    for (form, error, description) in cases {
        let refusal = json!({ "error": error, "error_description": description });
        assert_eq!(caller.token("", &form).await, (400, refusal));
    }
    assert_eq!(caller.token(&format!("?{FORM}"), "").await.0, 400);
    caller.fake.fail_next_token(503);
    assert_eq!(caller.token("", FORM).await.0, 503);
    assert_eq!((caller.fake.token_requests(), caller.fake.requests().len()), (9, 1));
}

#[tokio::test]
async fn the_gateway_says_which_header_is_missing_or_wrong() {
    let caller = Caller::new().await;
    let bearer = format!("Bearer {}", caller.token);
    let org = ("x-gw-ims-org-id", FakeAdobe::ORG_ID);
    let token = ("authorization", bearer.as_str());
    let key = ("x-api-key", FakeAdobe::CLIENT_ID);
    let cases: [(Headers<'_>, u16, &str); 8] = [
        (&[token, key], 400, "400003"),
        (&[org, key], 403, "403010"),
        (&[org, key, ("authorization", "Bearer other")], 401, "401013"),
        (&[org, key, ("authorization", &caller.token)], 401, "401013"),
        (&[org, token], 403, "403000"),
        (&[org, token, ("x-api-key", "other")], 403, "403003"),
        (&[token, key, ("x-gw-ims-org-id", "other@AdobeOrg")], 403, "403027"),
        (&[org, token, key], 400, ""),
    ];
    for (headers, status, code) in cases {
        let (got, body) = read(caller.with(headers).send().await.unwrap()).await;
        assert_eq!(
            (got, body["error_code"].as_str().unwrap_or_default()),
            (status, code),
            "{headers:?}"
        );
    }
}

#[tokio::test]
async fn a_sandbox_or_content_type_the_platform_does_not_take_is_a_problem_body() {
    let caller = Caller::new().await;
    let headers = [
        ("x-gw-ims-org-id", FakeAdobe::ORG_ID),
        ("authorization", &format!("Bearer {}", caller.token)),
        ("x-api-key", FakeAdobe::CLIENT_ID),
        ("x-sandbox-name", "prod"),
    ];
    let (status, body) = read(caller.with(&headers).send().await.unwrap()).await;
    assert_eq!((status, &body["status"]), (400, &json!(400)));
    assert_eq!(body["report"]["tenantInfo"]["sandboxName"], "dev");
    for mime in ["text/plain", "application/json-patch+json"] {
        let request = caller.request("POST", "/queries").header("content-type", mime);
        let (status, body) = read(request.body("{}").send().await.unwrap()).await;
        assert_eq!(
            (status, &body["detail"]),
            (400, &json!("A valid content-type must be specified"))
        );
    }
    let request = caller
        .request("POST", "/queries")
        .header("content-type", "application/json; charset=utf-8");
    let answer = request.body(query().to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 202);
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_a_date() {
    let caller = Caller::new().await;
    let answer =
        caller.request("GET", "/schedules").header("x-request-id", "mine").send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "mine");
    for path in ["/schedules", "/nothing"] {
        let answer = caller.request("GET", path).send().await.unwrap();
        assert_eq!(answer.headers()["x-request-id"].len(), 36);
        assert!(answer.headers().contains_key("date"));
    }
}

#[tokio::test]
async fn unknown_paths_ids_parameters_and_members_are_refused_in_the_services_form() {
    let caller = Caller::new().await;
    for path in [
        "/nothing",
        "/schedules/none",
        "/schedules/none/runs",
        "/schedules/nightly-orders/runs/none",
        "/queries/none",
        "/schedules/",
    ] {
        let (status, body) = caller.call("GET", path).await;
        assert_eq!((status, &body["statusCode"]), (404, &json!(404)), "{path}");
    }
    assert_eq!(caller.call("PUT", "/schedules/nightly-orders").await.0, 404);
    assert_eq!(caller.call("POST", "/schedules/none/runs").await.0, 404);
    for path in [
        "/schedules?page=1",
        "/schedules/nightly-orders?limit=1",
        "/schedules?excludeHidden=true",
        "/queries?excludeHidden=yes",
        "/schedules?limit=1&limit=2",
    ] {
        let (status, body) = caller.call("GET", path).await;
        assert_eq!((status, &body["statusCode"]), (400, &json!(400)), "{path}");
    }
    let mut extra = query();
    extra["database"] = json!("dev");
    assert_eq!(caller.send("POST", "/queries", extra).await.0, 400);
    let broken =
        caller.request("POST", "/queries").header("content-type", "application/json").body("{");
    assert_eq!(read(broken.send().await.unwrap()).await.0, 400);
}

/// Queries that the runs of the demo data have sent.
const OF_RUNS: usize = 12;

#[tokio::test]
async fn the_demo_data_looks_alive() {
    let caller = Caller::new().await;
    let list = caller.get("/schedules").await;
    let states: Vec<_> = list["schedules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (text(&s["id"]), text(&s["state"])))
        .collect();
    let expected = [
        ("nightly-orders", "ENABLED"),
        ("hourly-traffic", "ENABLED"),
        ("retired-report", "DISABLED"),
    ];
    assert_eq!(states, expected.map(|(id, state)| (id.to_owned(), state.to_owned())));
    let runs = caller.get("/schedules/nightly-orders/runs").await;
    let runs = runs["runsSchedules"].as_array().unwrap();
    let states: Vec<_> = runs.iter().map(|run| text(&run["state"])).collect();
    assert_eq!(states, ["SUCCESS", "SUCCESS", "SUCCESS", "SUCCESS", "FAILED", "SUCCESS"]);
    let newest = time(runs[5]["created"].as_str().unwrap());
    assert!(newest < Utc::now() && newest > Utc::now() - TimeDelta::days(2));
    let queries = caller.get("/queries?property=state%3D%3DFAILED").await;
    assert_eq!(queries["queries"][0]["errors"][0]["code"], "42P01");
}

#[tokio::test]
async fn run_items_and_details_differ_as_the_services_do() {
    let caller = Caller::new().await;
    let created = time("2026-03-01T04:05:06.789Z");
    let id = caller.fake.add_run(
        "retired-report",
        NewRun::new("SUCCESS").created(created).message("All rows written"),
    );
    assert_eq!(id, FakeAdobe::run_id("scheduled__2026-03-01T04:05:06+00:00"));
    let list = caller
        .get("/schedules/retired-report/runs?property=created%3E2026-03-01,created%3C2026-03-02")
        .await;
    let item = &list["runsSchedules"][0];
    assert_eq!(
        (&item["state"], &item["externalTrigger"], &item["created"], item.get("scheduleId")),
        (&json!("SUCCESS"), &json!("false"), &json!("2026-03-01T04:05:06Z"), None)
    );
    assert_eq!(item["_links"]["cancel"]["body"], "{ \"op\": \"cancel\" }");
    assert!(text(&item["_links"]["self"]["href"]).starts_with(
        "https://platform-va7.adobe.io/data/foundation/query/schedules/retired-report/runs/"
    ));
    let detail =
        caller.get(&format!("/schedules/retired-report/runs/{}", id.replace('=', "%3D"))).await;
    assert_eq!(
        (&detail["state"], &detail["created"], &detail["scheduleId"]),
        (&json!("success"), &json!("2026-03-01T04:05:06"), &json!("retired-report"))
    );
    let task = &detail["taskStatusList"][0];
    assert_eq!(
        (&task["duration"], &task["state"], &task["message"]),
        (&json!(187), &json!("SUCCESS"), &json!("All rows written"))
    );
    assert_eq!(
        (&task["startDate"], &task["endDate"]),
        (&json!("2026-03-01T04:09:07.650000"), &json!("2026-03-01T04:12:14.925000"))
    );
}

#[tokio::test]
async fn a_trigger_names_no_run_and_the_run_is_seen_one_list_later() {
    let caller = Caller::new().await;
    let path = "/schedules/nightly-orders/runs";
    let (status, body) = caller.call("POST", path).await;
    assert_eq!(
        (status, &body["statusCode"], body.as_object().unwrap().len()),
        (202, &json!(202), 2)
    );
    let counts = [
        caller.ids(path, "runsSchedules").await.len(),
        caller.ids(path, "runsSchedules").await.len(),
    ];
    assert_eq!(counts, [6, 7]);
    caller.fake.show_runs_after_lists(0);
    caller.call("POST", path).await;
    let list = caller.get(path).await;
    assert_eq!(list["runsSchedules"][7]["externalTrigger"], "true");
    assert_eq!(caller.fake.triggers("nightly-orders"), 2);
}

#[tokio::test]
async fn a_trigger_is_refused_with_a_body_or_without_an_enabled_schedule() {
    let caller = Caller::new().await;
    assert_eq!(caller.send("POST", "/schedules/nightly-orders/runs", json!({})).await.0, 400);
    assert_eq!(caller.call("POST", "/schedules/retired-report/runs").await.0, 400);
    caller.fake.set_schedule_state("hourly-traffic", "REGISTERING");
    assert_eq!(caller.call("POST", "/schedules/hourly-traffic/runs").await.0, 400);
    assert_eq!(
        ["nightly-orders", "retired-report", "none"].map(|id| caller.fake.triggers(id)),
        [0, 0, 0]
    );
}

#[tokio::test]
async fn a_triggered_run_moves_on_as_its_details_are_asked_for() {
    let caller = Caller::new().await;
    let id = caller.trigger("nightly-orders").await;
    let path = format!("/schedules/nightly-orders/runs/{id}");
    let mut seen = Vec::new();
    for _ in 0..4 {
        let run = caller.get(&path).await;
        seen.push((text(&run["state"]), text(&run["taskStatusList"][0]["state"])));
    }
    let expected = [
        ("in_progress", "QUEUED"),
        ("in_progress", "IN_PROGRESS"),
        ("success", "SUCCESS"),
        ("success", "SUCCESS"),
    ];
    assert_eq!(seen, expected.map(|(run, task)| (run.to_owned(), task.to_owned())));
}

#[tokio::test]
async fn plans_are_used_in_order() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::fails("took too long").code("53400").takes(1));
    caller.fake.next_run(Plan::never_ends().takes(1));
    caller.fake.next_run(Plan::succeeds().takes(0));
    let mut ends = Vec::new();
    for _ in 0..3 {
        let id = caller.trigger("nightly-orders").await;
        ends.push(text(
            &caller.get(&format!("/schedules/nightly-orders/runs/{id}")).await["state"],
        ));
    }
    assert_eq!(ends, ["failed", "in_progress", "success"]);
}

#[tokio::test]
async fn a_failed_run_is_explained_by_a_query_found_by_the_decoded_id() {
    let caller = Caller::new().await;
    caller.fake.next_run(Plan::fails("took too long").code("53400").takes(1));
    let id = caller.trigger("nightly-orders").await;
    caller.get(&format!("/schedules/nightly-orders/runs/{id}")).await;

    let failed = caller.fake.add_run(
        "hourly-traffic",
        NewRun::new("FAILED")
            .created(time("2026-02-03T04:00:00Z"))
            .code("08P01")
            .reason("bad input"),
    );
    let decoded = "/queries?property=scheduleRunId%3D%3Dscheduled__2026-02-03T04%3A00%3A00%2B00%3A00,scheduleId%3D%3Dhourly-traffic";
    let encoded = format!("/queries?property=scheduleRunId%3D%3D{}", failed.replace('=', "%3D"));
    let found = caller.get(decoded).await;
    assert_eq!(found["queries"].as_array().unwrap().len(), 1);
    let query = &found["queries"][0];
    assert_eq!(
        query["errors"],
        json!([{ "code": "08P01", "message": "bad input", "errorType": "USER_ERROR" }])
    );
    assert_eq!(
        (
            &query["state"],
            &query["_links"]["schedule_run"]["id"],
            &query["_links"]["schedule"]["id"]
        ),
        (&json!("FAILED"), &json!(failed), &json!("hourly-traffic"))
    );
    assert!(query["_links"].get("cancel").is_none());
    assert!(caller.ids(&encoded, "queries").await.is_empty());
    caller.fake.filter_by_encoded_run_id(true);
    assert_eq!(
        (caller.ids(&encoded, "queries").await.len(), caller.ids(decoded, "queries").await.len()),
        (1, 0)
    );

    let all = caller.get("/queries?property=scheduleId%3D%3Dnightly-orders").await;
    assert_eq!(all["queries"][0]["errors"][0]["message"], "took too long");
}

#[tokio::test]
async fn a_cancel_takes_effect_with_the_next_look_and_leaves_finished_runs_alone() {
    let caller = Caller::new().await;
    let cancel = json!({ "op": "cancel" });
    for (state, shown) in [("FAILED", "failed"), ("KILLED", "killed")] {
        caller.fake.cancelled_state(state);
        caller.fake.next_run(Plan::never_ends());
        let path =
            format!("/schedules/nightly-orders/runs/{}", caller.trigger("nightly-orders").await);
        for wrong in
            [json!({ "op": "stop" }), json!({ "op": "cancel", "path": "/" }), json!([cancel])]
        {
            assert_eq!(caller.send("PATCH", &path, wrong).await.0, 400);
        }
        assert_eq!(caller.send("PATCH", &path, cancel.clone()).await.0, 202);
        let run = caller.get(&path).await;
        assert_eq!(run["state"], shown);
        assert!(text(&run["taskStatusList"][0]["message"]).starts_with("Cancelled"));
    }
    let path = "/queries?property=scheduleId%3D%3Dnightly-orders,state%21%3DSUCCESS";
    let queries = caller.get(path).await;
    let of_runs = queries["queries"].as_array().unwrap().iter();
    let killed = of_runs.map(|query| (query["state"].as_str(), query["errors"] == json!([])));
    assert_eq!(
        killed.collect::<Vec<_>>(),
        [(Some("KILLED"), true), (Some("KILLED"), true), (Some("FAILED"), false)],
        "the query of a cancelled run says so, and has no error to explain"
    );
    let done =
        caller.ids("/schedules/nightly-orders/runs?limit=1", "runsSchedules").await.remove(0);
    let path = format!("/schedules/nightly-orders/runs/{done}");
    assert_eq!(caller.send("PATCH", &path, cancel).await.0, 202);
    assert_eq!(caller.get(&path).await["state"], "success");
}

#[tokio::test]
async fn runs_can_be_held_released_finished_and_triggered_from_elsewhere() {
    let caller = Caller::new().await;
    let id = caller.fake.trigger_from_elsewhere("nightly-orders");
    assert_eq!(
        caller
            .ids("/schedules/nightly-orders/runs?orderby=-created&limit=1", "runsSchedules")
            .await,
        std::slice::from_ref(&id)
    );
    assert_eq!(caller.fake.triggers("nightly-orders"), 0);
    let path = format!("/schedules/nightly-orders/runs/{id}");
    caller.fake.hold();
    for _ in 0..5 {
        assert_eq!(caller.get(&path).await["state"], "in_progress");
    }
    caller.fake.release();
    for expected in ["in_progress", "in_progress", "success"] {
        assert_eq!(caller.get(&path).await["state"], expected);
    }
    let id = caller.fake.add_run("nightly-orders", NewRun::new("IN_PROGRESS").triggered(true));
    caller.fake.finish(&id, "QUARANTINED");
    let run = caller.get(&format!("/schedules/nightly-orders/runs/{id}")).await;
    assert_eq!((&run["state"], &run["externalTrigger"]), (&json!("quarantined"), &json!("true")));
}

#[tokio::test]
async fn lists_are_ordered_both_ways_and_a_bare_plus_is_read_as_one() {
    let caller = Caller::new().await;
    let path = "/schedules/nightly-orders/runs";
    let oldest_first = caller.ids(path, "runsSchedules").await;
    for orderby in ["created", "%2Bcreated", "+created"] {
        assert_eq!(
            caller.ids(&format!("{path}?orderby={orderby}"), "runsSchedules").await,
            oldest_first
        );
    }
    let mut newest_first = caller.ids(&format!("{path}?orderby=-created"), "runsSchedules").await;
    newest_first.reverse();
    assert_eq!(newest_first, oldest_first);
    for wrong in [
        "orderby=state",
        "orderby=",
        "limit=0",
        "limit=1001",
        "limit=x",
        "start=0",
        "start=20",
        "start=1767225600000",
    ] {
        assert_eq!(caller.status(&format!("{path}?{wrong}")).await, 400, "{wrong}");
    }
    assert_eq!(caller.status(&format!("{path}?limit=1000&orderby=-updated")).await, 200);
}

#[tokio::test]
async fn pages_are_found_by_key_and_links_drop_limit_and_property() {
    let caller = Caller::new().await;
    let path = "/schedules/paged/runs";
    caller.fake.add_schedule("paged");
    for hour in 1..=5 {
        caller.fake.add_run(
            "paged",
            NewRun::new("SUCCESS").created(time(&format!("2026-01-02T0{hour}:00:00Z"))),
        );
    }
    let page =
        caller.get(&format!("{path}?orderby=-created&limit=2&property=state%3D%3DSUCCESS")).await;
    let expected = json!({
        "orderby": "-created",
        "start": "2026-01-02T05:00:00Z",
        "next": "2026-01-02T03:00:00Z",
        "property": "state==SUCCESS",
        "count": 2,
    });
    assert_eq!(page["_page"], expected);
    let href = "https://platform-va7.adobe.io/data/foundation/query/schedules/paged/runs?orderby=-created&start=2026-01-02T03:00:00Z";
    assert_eq!(page["_links"], json!({ "next": { "href": href } }));
    let (_, parameters) = href.split_once('?').unwrap();
    let last = caller.get(&format!("{path}?{parameters}&limit=3")).await;
    assert_eq!((&last["_page"]["count"], &last["_links"]), (&json!(3), &json!({})));
    assert_eq!(last["runsSchedules"][0]["created"], "2026-01-02T03:00:00Z");
    for start in ["2026-01-02T03:00:00", "2026-01-02T05:00:00%2B02:00", "2026-01-02T03:00:00Z"] {
        assert_eq!(caller.ids(&format!("{path}?start={start}"), "runsSchedules").await.len(), 3);
    }
    assert_eq!(caller.ids(&format!("{path}?start=2026-01-03"), "runsSchedules").await.len(), 0);

    caller.fake.link_form(LinkForm::Text);
    let page = caller.get(&format!("{path}?limit=4")).await;
    assert!(
        text(&page["_links"]["next"]).ends_with("?orderby=+created&start=2026-01-02T05:00:00Z")
    );
    caller.fake.link_form(LinkForm::Absent);
    let page = caller.get(&format!("{path}?limit=4")).await;
    assert_eq!(
        (&page["_links"], &page["_page"]["next"]),
        (&json!({}), &json!("2026-01-02T05:00:00Z"))
    );
}

#[tokio::test]
async fn a_page_holds_twenty_items_and_many_runs_of_one_second_repeat_its_start() {
    let caller = Caller::new().await;
    caller.fake.add_schedule("busy");
    for _ in 0..25 {
        caller.fake.add_run("busy", NewRun::new("SUCCESS").created(time("2026-01-02T03:00:00Z")));
    }
    let page = caller.get("/schedules/busy/runs").await;
    assert_eq!(page["_page"]["count"], 20);
    assert_eq!(page["_page"]["next"], page["_page"]["start"]);
    let mut ids = caller.ids("/schedules/busy/runs?limit=1000", "runsSchedules").await;
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 25);
}

#[tokio::test]
async fn run_filters_are_applied_and_unknown_ones_refused() {
    let caller = Caller::new().await;
    let path = "/schedules/hourly-traffic/runs";
    caller
        .fake
        .add_run("hourly-traffic", NewRun::new("FAILED").created(time("2026-01-02T03:00:00Z")));
    for (filter, count) in [
        ("state%3D%3DFAILED", 1),
        ("state%21%3DFAILED", 5),
        ("state%3D%3Dfailed", 0),
        ("externalTrigger%3D%3Dtrue", 1),
        ("externalTrigger==false,state==SUCCESS", 4),
        ("created%3C2026-01-03", 1),
        ("created%3E2026-01-02T03:00:00Z", 5),
    ] {
        assert_eq!(
            caller.ids(&format!("{path}?property={filter}"), "runsSchedules").await.len(),
            count,
            "{filter}"
        );
    }
    for filter in [
        "",
        "state",
        "state%3DFAILED",
        "state%3EFAILED",
        "state~FAIL",
        "created==2026-01-02",
        "created%3E5",
        "externalTrigger==yes",
        "active==true",
        "state==",
        "state==FAILED,",
    ] {
        assert_eq!(caller.status(&format!("{path}?property={filter}")).await, 400, "{filter}");
    }
    assert_eq!(caller.status("/schedules?property=state==ENABLED").await, 400);
    assert_eq!(caller.ids("/schedules?property=created%3C2020-01-01", "schedules").await.len(), 0);
}

#[tokio::test]
async fn query_filters_take_alternatives_parts_and_ranges() {
    let caller = Caller::new().await;
    for sql in ["SELECT a FROM x", "SELECT b FROM y"] {
        caller.send("POST", "/queries", json!({ "dbName": "dev:all", "sql": sql })).await;
    }
    let template = caller.fake.add_template("one", "SELECT 1");
    let of = |template: &str| json!({ "dbName": "dev:all", "templateId": template });
    assert_eq!(caller.send("POST", "/queries", of("none")).await.0, 400);
    caller.send("POST", "/queries", of(&template)).await;
    let all = caller.get("/queries?orderby=created").await;
    let queries = all["queries"].as_array().unwrap();
    let at = queries.iter().position(|query| query["state"] == "FAILED").unwrap();
    let failed = &queries[at];
    let dataset = text(&failed["_links"]["referenced_datasets"][0]["id"]);
    for (filter, count) in [
        (format!("referenced_datasets=={dataset}%7C%7Cother"), 1),
        ("referenced_datasets==other".to_owned(), 0),
        ("sql~SELECT%20b".to_owned(), 1),
        (format!("templateId=={template},client==API"), 1),
        ("state%3E%3DSUBMITTED".to_owned(), queries.len() - 1),
        ("state~FAIL".to_owned(), 1),
        (format!("id!={}", text(&failed["id"])), queries.len() - 1),
        (format!("created%3C%3D{}", text(&failed["created"])), at + 1),
        (format!("updated=={}", text(&failed["updated"])), 1),
        ("templateName~a".to_owned(), 0),
    ] {
        assert_eq!(
            caller.ids(&format!("/queries?property={filter}"), "queries").await.len(),
            count,
            "{filter}"
        );
    }
    for filter in ["sql==SELECT", "client~A", "referenced_datasets==a%7C%7C", "errors==1"] {
        assert_eq!(caller.status(&format!("/queries?property={filter}")).await, 400, "{filter}");
    }
}

#[tokio::test]
async fn a_new_schedule_registers_first_and_is_enabled_when_looked_at() {
    let caller = Caller::new().await;
    let body = json!({ "query": query(), "schedule": { "schedule": "30 * * * *", "startDate": "2026-01-01T00:00:00.000Z" } });
    let (status, made) = caller.send("POST", "/schedules", body.clone()).await;
    assert_eq!((status, &made["state"], made.get("created")), (202, &json!("REGISTERING"), None));
    assert_eq!(made["schedule"]["maxActiveRuns"], 1);
    let path = format!("/schedules/{}", text(&made["id"]));
    let disable = json!({ "body": [{ "op": "replace", "path": "/state", "value": "disable" }] });
    assert_eq!(caller.send("PATCH", &path, disable.clone()).await.0, 400);
    let ready = caller.get(&path).await;
    assert_eq!(ready["state"], "ENABLED");
    assert!(text(&ready["created"]).parse::<i64>().unwrap() > 1_700_000_000_000);
    assert_eq!(caller.send("PATCH", &path, disable).await.0, 202);
    assert_eq!(caller.get(&path).await["state"], "DISABLED");

    for (pointer, value) in [
        ("/query", json!({ "dbName": "dev:all" })),
        ("/query/templateId", json!("t")),
        ("/query", json!({ "dbName": "dev:all", "templateId": "none" })),
        ("/query/queryParameters", json!({ "day": 1 })),
        ("/query/id", json!("q")),
        ("/schedule/cron", json!("0 1 * * *")),
        ("/schedule/schedule", json!("every day")),
        ("/schedule/startDate", json!(5)),
        ("/schedule/endDate", json!("soon")),
        ("/schedule/maxActiveRuns", json!(0)),
        ("/name", json!("x")),
    ] {
        let mut wrong = body.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[name] = value;
        assert_eq!(caller.send("POST", "/schedules", wrong).await.0, 400, "{pointer}");
    }
}

#[tokio::test]
async fn a_schedule_takes_only_the_two_documented_changes() {
    let caller = Caller::new().await;
    let change = |op: &str, path: &str, value: &str| json!({ "body": [{ "op": op, "path": path, "value": value }] });
    let path = "/schedules/nightly-orders";
    for wrong in [
        change("replace", "/state", "enable"),
        change("replace", "/state", "pause"),
        change("add", "/state", "disable"),
        change("replace", "/query/sql", "SELECT 2"),
        change("replace", "/schedule/schedule", "@sometimes"),
        json!({ "op": "disable" }),
        json!([{ "op": "replace", "path": "/state", "value": "disable" }]),
    ] {
        assert_eq!(caller.send("PATCH", path, wrong.clone()).await.0, 400, "{wrong}");
    }
    assert_eq!(
        caller.send("PATCH", path, change("replace", "/schedule/schedule", "15 3 * * *")).await.0,
        202
    );
    assert_eq!(caller.get(path).await["schedule"]["schedule"], "15 3 * * *");
}

#[tokio::test]
async fn a_schedule_is_deleted_only_when_disabled_and_idle() {
    let caller = Caller::new().await;
    let path = "/schedules/nightly-orders";
    assert_eq!(caller.call("DELETE", path).await.0, 400);
    caller.fake.set_schedule_state("nightly-orders", "DISABLED");
    let id = caller.fake.add_run("nightly-orders", NewRun::new("IN_PROGRESS"));
    assert_eq!(caller.call("DELETE", path).await.0, 400);
    caller.fake.finish(&id, "SUCCESS");
    assert_eq!(caller.call("DELETE", path).await.0, 202);
    assert_eq!(caller.status(path).await, 404);
}

#[tokio::test]
async fn a_query_moves_on_as_it_is_asked_for_and_is_cancelled_only_before_its_end() {
    let caller = Caller::new().await;
    let (cancel, hide) = (json!({ "op": "cancel" }), json!({ "op": "soft_delete" }));
    let (status, made) = caller.send("POST", "/queries", query()).await;
    assert_eq!(
        (status, &made["state"], &made["effectiveSQL"]),
        (202, &json!("SUBMITTED"), &json!("SELECT 1"))
    );
    assert!(made["_links"].get("cancel").is_some());
    let path = format!("/queries/{}", text(&made["id"]));
    for expected in ["IN_PROGRESS", "SUCCESS", "SUCCESS"] {
        assert_eq!(caller.get(&path).await["state"], expected);
    }
    assert_eq!(caller.send("PATCH", &path, cancel.clone()).await.0, 409);

    let (_, other) = caller.send("POST", "/queries", query()).await;
    let other = format!("/queries/{}", text(&other["id"]));
    assert_eq!(caller.send("PATCH", &other, cancel.clone()).await.0, 202);
    assert_eq!(caller.get(&other).await["state"], "KILLED");
    assert_eq!(caller.send("PATCH", &other, cancel).await.0, 409);
    assert_eq!(caller.send("PATCH", &other, json!({ "op": "delete" })).await.0, 400);

    assert_eq!(caller.ids("/queries", "queries").await.len(), OF_RUNS + 2);
    assert_eq!(caller.send("PATCH", &path, hide).await.0, 202);
    assert_eq!(caller.ids("/queries", "queries").await.len(), OF_RUNS + 1);
    assert_eq!(
        caller.ids("/queries?excludeSoftDeleted=false&isPrevLink=false", "queries").await.len(),
        OF_RUNS + 2
    );
}

#[tokio::test]
async fn a_template_needs_name_and_sql_and_is_overwritten_whole() {
    let caller = Caller::new().await;
    let body = json!({ "name": "one", "sql": "SELECT $x", "queryParameters": { "x": "1" } });
    let (status, made) = caller.send("POST", "/query-templates", body.clone()).await;
    assert_eq!((status, &made["queryParameters"]["x"]), (202, &json!("1")));
    assert_eq!((made.get("lastUpdatedBy"), &made["created"]), (None, &made["updated"]));
    let path = format!("/query-templates/{}", text(&made["id"]));
    assert_eq!(caller.get(&path).await, made);
    let other = json!({ "name": "two", "sql": "SELECT 2" });
    let (status, changed) = caller.send("PUT", &path, other.clone()).await;
    assert_eq!((status, &changed["name"]), (202, &json!("two")));
    assert!(changed.get("queryParameters").is_none() && changed.get("lastUpdatedBy").is_some());
    assert_ne!(changed["updated"], made["updated"]);

    for (name, value) in [
        ("name", Value::Null),
        ("sql", json!(" ")),
        ("queryParameters", json!({ "x": 1 })),
        ("queryParameters", json!(["x"])),
        ("description", json!("x")),
    ] {
        let mut wrong = body.clone();
        wrong[name] = value;
        for (method, path) in [("POST", "/query-templates"), ("PUT", path.as_str())] {
            assert_eq!(caller.send(method, path, wrong.clone()).await.0, 400, "{method} {name}");
        }
    }
    for path in ["/query-templates/none", "/query-templates/count/none"] {
        assert_eq!(caller.status(path).await, 404, "{path}");
    }
    assert_eq!(caller.send("PUT", "/query-templates/none", other).await.0, 404);
    assert_eq!(caller.send("DELETE", &path, json!({})).await.0, 400);
    assert_eq!(caller.call("DELETE", &path).await.0, 202);
    assert_eq!(caller.call("DELETE", &path).await.0, 404);
}

#[tokio::test]
async fn templates_are_listed_newest_first_in_pages_that_may_overlap_and_counted() {
    let caller = Caller::new().await;
    let mut ids: Vec<String> =
        ["a", "b", "c"].map(|name| caller.fake.add_template(name, "SELECT 1")).into();
    ids.reverse();
    let page = caller.get("/query-templates?limit=2").await;
    assert_eq!(page["templates"][1]["id"], ids[1]);
    let rest = format!("/query-templates?limit=2&start={}", text(&page["_page"]["next"]));
    let rest = caller.get(&rest).await;
    assert_eq!((&rest["templates"][0]["id"], &rest["_links"]), (&json!(ids[2]), &json!({})));

    caller.fake.next_link_past_end(true);
    let page = caller.get("/query-templates?limit=2").await;
    assert_eq!(page["_page"]["next"], page["templates"][1]["created"]);
    let next = text(&page["_page"]["next"]);
    let rest = caller.get(&format!("/query-templates?limit=2&start={next}")).await;
    let last = text(&rest["_page"]["next"]);
    let end = caller.get(&format!("/query-templates?limit=2&start={last}")).await;
    assert_eq!(end["_page"]["next"], end["_page"]["start"], "the last page links to itself");
    let shown = |page: &Value| {
        let items = page["templates"].as_array().unwrap().iter();
        items.map(|item| text(&item["id"])).collect::<Vec<_>>()
    };
    assert_eq!([shown(&page), shown(&rest), shown(&end)], [&ids[..2], &ids[1..], &ids[2..]]);
    let backwards = caller.ids("/query-templates?isPrevLink=true", "templates").await;
    assert!(backwards.iter().eq(ids.iter().rev()));

    for (filter, count) in [("name~b", 1), ("name==b", 1), ("name==x", 0), ("lastUpdatedBy==x", 0)]
    {
        let path = format!("/query-templates?property={filter}");
        assert_eq!(caller.ids(&path, "templates").await.len(), count, "{filter}");
    }
    for filter in ["name==", "name!=b", "userId~x", "sql~SELECT"] {
        let path = format!("/query-templates?property={filter}");
        assert_eq!(caller.status(&path).await, 400, "{filter}");
    }
    assert_eq!(
        caller.get("/query-templates/count").await,
        json!({ "totalCount": 3, "version": 1 })
    );
    let none = caller.get("/query-templates/count?property=userId%3D%3Dnobody").await;
    assert_eq!(none["totalCount"], 0);
    for wrong in ["property=name~b", "limit=1", "property=userId==a&property=userId==a"] {
        assert_eq!(caller.status(&format!("/query-templates/count?{wrong}")).await, 400, "{wrong}");
    }
}

fn alert(asset: &str, kind: &str) -> Value {
    json!({
        "assetId": asset,
        "alertType": kind,
        "subscriptions": {
            "emailIds": ["ann@example.com"],
            "inContextNotifications": true,
            "emailNotifications": false,
        },
    })
}

#[tokio::test]
async fn an_alert_shows_its_subscribers_in_three_forms() {
    let caller = Caller::new().await;
    let path = "/alert-subscriptions";
    let (status, made) = caller.send("POST", path, alert("nightly-orders", "failure")).await;
    assert_eq!((status, made.get("status")), (202, None));
    assert_eq!(made["subscriptions"], alert("", "")["subscriptions"]);
    let mut again = alert("nightly-orders", "failure");
    again["subscriptions"] = json!({
        "emailIds": ["bob@example.com", "ann@example.com"],
        "inContextNotifications": false,
        "emailNotifications": true,
    });
    assert_eq!(caller.send("POST", path, again).await.1["id"], made["id"]);

    let of_asset = caller.get("/alert-subscriptions/nightly-orders").await;
    let expected = json!({
        "emailNotifications": ["bob@example.com", "ann@example.com"],
        "inContextNotifications": [],
    });
    assert_eq!(of_asset["alerts"][0]["subscriptions"], expected);
    let of_type = caller.get("/alert-subscriptions/nightly-orders/failure").await;
    assert_eq!(of_type, of_asset);
    let all = caller.get(path).await;
    assert!(all["alerts"][0].get("subscriptions").is_none());
    let of_user = caller.get("/alert-subscriptions/user-subscriptions/ann%40example.com").await;
    let item = &of_user["items"][0];
    assert_eq!((&item["name"], item.get("id")), (&made["id"], None));
    let expected = json!({ "emailNotifications": true, "inContextNotification": false });
    assert_eq!(item["subscriptions"], expected);
    let nothing = caller.get("/alert-subscriptions/user-subscriptions/cleo%40example.com").await;
    assert_eq!(nothing["items"], json!([]));
}

#[tokio::test]
async fn alerts_are_checked_when_they_are_created_and_changed() {
    let caller = Caller::new().await;
    let path = "/alert-subscriptions";
    let emails = |emails: Value| {
        let mut body = alert("nightly-orders", "start");
        body["subscriptions"]["emailIds"] = emails;
        body
    };
    let mut no_switch = alert("nightly-orders", "start");
    no_switch["subscriptions"]["emailNotifications"] = json!(["ann@example.com"]);
    let mut extra = alert("nightly-orders", "start");
    extra["status"] = json!("enabled");
    let query = caller.ids("/queries", "queries").await.remove(0);
    for (body, status) in [
        (alert("nightly-orders", "failed"), 400),
        (alert("none", "start"), 404),
        (alert(&query, "quarantine"), 404),
        (emails(json!([])), 400),
        (emails(json!(["a@b", "a@b", "a@b", "a@b", "a@b", "a@b"])), 400),
        (emails(json!([1])), 400),
        (emails(json!(["ann"])), 400),
        (emails(json!([FakeAdobe::UNREGISTERED])), 400),
        (no_switch, 400),
        (extra, 400),
    ] {
        assert_eq!(caller.send("POST", path, body.clone()).await.0, status, "{body}");
    }
    assert_eq!(caller.get(path).await["alerts"], json!([]));
    assert_eq!(caller.send("POST", path, alert(&query, "start")).await.0, 202);

    let own = format!("{path}/{query}/start");
    let change = |value: &str| json!({ "op": "replace", "path": "/status", "value": value });
    for (body, status) in [
        (change("enabled"), 400),
        (json!({ "op": "replace", "path": "/alertType", "value": "enable" }), 400),
        (json!({ "op": "add", "path": "/status", "value": "enable" }), 400),
        (json!({ "body": [change("enable")] }), 400),
        (json!([change("enable")]), 400),
        (change("disable"), 200),
        (change("disable"), 200),
    ] {
        assert_eq!(caller.send("PATCH", &own, body.clone()).await.0, status, "{body}");
    }
    let (_, changed) = caller.send("PATCH", &own, change("disable")).await;
    assert_eq!((&changed["status"], changed.get("_links")), (&json!("disabled"), None));
    assert_eq!(caller.send("POST", path, alert(&query, "start")).await.0, 400, "it is disabled");

    for (path, status) in [
        ("/alert-subscriptions/none", 404),
        ("/alert-subscriptions/nightly-orders", 404),
        ("/alert-subscriptions/nightly-orders/start", 404),
        ("/alert-subscriptions/nightly-orders/delay", 400),
        ("/alert-subscriptions/user-subscriptions/nobody%40unregistered.example", 400),
        ("/alertSubscriptions", 404),
    ] {
        assert_eq!(caller.status(path).await, status, "{path}");
    }
    let (status, gone) = caller.call("DELETE", &own).await;
    assert_eq!((status, &gone["statusCode"]), (200, &json!(200)));
    assert_eq!(caller.call("DELETE", &own).await.0, 404);
}

#[tokio::test]
async fn pages_of_alerts_have_numbers_and_may_link_on_for_ever() {
    let caller = Caller::new().await;
    for kind in ["start", "success", "failure"] {
        caller.send("POST", "/alert-subscriptions", alert("nightly-orders", kind)).await;
    }
    let page = caller.get("/alert-subscriptions?pagesize=2").await;
    let expected = json!({ "orderby": "-created", "page": 0, "count": 2, "pageSize": 2 });
    assert_eq!(page["_page"], expected);
    assert_eq!(page["alerts"][0]["alertType"], "failure");
    let href = "https://platform-va7.adobe.io/data/foundation/query/queries/alert-subscriptions?orderby=-created&page=1";
    assert_eq!(page["_links"], json!({ "next": { "href": href } }));
    let last = caller.get("/alert-subscriptions?pagesize=2&page=1&orderby=%2Bupdated").await;
    assert_eq!(
        (&last["alerts"][0]["alertType"], &last["_page"]["count"]),
        (&json!("failure"), &json!(1))
    );
    assert!(last["_links"].get("next").is_none() && last["_links"].get("prev").is_some());
    let full = caller.get("/alert-subscriptions?pagesize=3").await;
    assert_eq!((&full["_page"]["count"], &full["_links"]), (&json!(3), &json!({})));
    caller.fake.next_link_past_end(true);
    let last = caller.get("/alert-subscriptions?pagesize=2&page=1").await;
    assert!(last["_links"].get("next").is_some());
    let past = caller.get("/alert-subscriptions?page=1").await;
    assert_eq!(past["alerts"], json!([]));
    let one =
        "/alert-subscriptions?property=status==enabled,alertType==start,assetId==nightly-orders";
    assert_eq!(caller.ids(one, "alerts").await.len(), 1);
    for wrong in [
        "pagesize=0",
        "pagesize=51",
        "page=-1",
        "limit=2",
        "start=0",
        "property=alertType~s",
        "page=0&page=1",
    ] {
        assert_eq!(caller.status(&format!("/alert-subscriptions?{wrong}")).await, 400, "{wrong}");
    }
}

#[tokio::test]
async fn an_accelerated_query_needs_one_source_and_the_stores_database() {
    let caller = Caller::new().await;
    let path = "/accelerated-queries";
    let template = caller.fake.add_template("one", "SELECT 1");
    let body =
        json!({ "dbName": "dev:store:facts", "sql": "SELECT 1", "name": "n", "description": "d" });
    let (status, result) = caller.send("POST", path, body.clone()).await;
    assert_eq!(
        (status, &result["results"], &result["request"]),
        (200, &json!([{ "one": 1 }]), &body)
    );
    let columns = &result["resultsMeta"]["_adhoc"]["properties"];
    assert_eq!(columns, &json!({ "one": { "type": "integer", "meta:xdmType": "long" } }));
    let by_template = |id: &str| json!({ "dbName": "dev:store.facts", "templateId": id });
    assert_eq!(caller.send("POST", path, by_template(&template)).await.0, 200);
    assert_eq!(caller.send("POST", path, by_template("none")).await.0, 404);
    for (name, value) in [
        ("dbName", json!("dev:all")),
        ("dbName", json!("prod:store:facts")),
        ("templateId", json!(template)),
        ("sql", json!("")),
        ("description", json!("x".repeat(1_001))),
        ("queryParameters", json!({})),
    ] {
        let mut wrong = body.clone();
        wrong[name] = value;
        assert_eq!(caller.send("POST", path, wrong).await.0, 400, "{name}");
    }
    caller.fake.accelerated_rows([]);
    assert_eq!(caller.send("POST", path, body).await.1["results"], json!([]));
    assert_eq!(caller.status(path).await, 404);
}

#[tokio::test]
async fn queued_faults_hit_one_request_each_and_carry_nothing_out() {
    let caller = Caller::new().await;
    let path = "/schedules/nightly-orders/runs";
    for status in [401, 403, 404, 429, 500] {
        caller.fake.fail_next(status);
    }
    caller.fake.respond_next_with(
        503,
        &[("retry-after", "7"), ("content-type", "text/plain")],
        "busy",
    );
    for (status, member, value) in [
        (401, "error_code", json!("401013")),
        (403, "error_code", json!("403025")),
        (404, "statusCode", json!(404)),
        (429, "error_code", json!("429050")),
        (500, "statusCode", json!(500)),
    ] {
        let (got, body) = caller.call("POST", path).await;
        assert_eq!((got, &body[member]), (status, &value));
    }
    let answer = caller.request("POST", path).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (503, &"7".parse().unwrap())
    );
    assert_eq!(answer.text().await.unwrap(), "busy");
    assert_eq!(caller.fake.triggers("nightly-orders"), 0);
    assert_eq!(caller.call("POST", path).await.0, 202);
    assert_eq!((caller.fake.requests().len(), caller.fake.triggers("nightly-orders")), (7, 1));
}

#[tokio::test]
async fn a_lost_answer_leaves_its_work_done() {
    let caller = Caller::new().await;
    caller.fake.lose_next_response();
    let lost = caller.request("POST", "/queries").json(&query()).send().await;
    assert!(lost.is_err_and(|error| error.is_request() && !error.is_timeout()));
    assert_eq!(caller.ids("/queries", "queries").await.len(), OF_RUNS + 1);

    caller.fake.lose_next_trigger_response();
    caller.get("/schedules/nightly-orders/runs").await;
    assert!(caller.request("POST", "/schedules/nightly-orders/runs").send().await.is_err());
    assert_eq!(caller.fake.triggers("nightly-orders"), 1);
    assert_eq!(caller.call("POST", "/schedules/nightly-orders/runs").await.0, 202);
    assert_eq!(caller.fake.triggers("nightly-orders"), 2);
}

#[tokio::test]
async fn a_refused_trigger_leaves_the_lost_answer_for_the_next_one() {
    let caller = Caller::new().await;
    caller.fake.lose_next_trigger_response();
    caller.fake.fail_next(503);
    let path = "/schedules/nightly-orders/runs";
    assert_eq!(caller.call("POST", path).await.0, 503);
    assert!(caller.request("POST", path).send().await.is_err());
    assert_eq!(caller.fake.triggers("nightly-orders"), 1);
}

#[tokio::test]
async fn expired_tokens_are_refused_and_new_ones_work() {
    let mut caller = Caller::new().await;
    caller.fake.expire_tokens();
    let (status, body) = caller.call("GET", "/schedules").await;
    assert_eq!((status, &body["error_code"]), (401, &json!("401013")));
    caller.token = caller.fake.access_token();
    caller.get("/schedules").await;
    assert_eq!(caller.fake.token_requests(), 0);
}

#[tokio::test]
async fn requests_are_kept_as_sent_and_without_credentials() {
    let caller = Caller::new().await;
    let id = caller.fake.add_run("nightly-orders", NewRun::new("SUCCESS").id("a+b/c="));
    caller.get("/schedules/nightly-orders/runs/a%2Bb%2Fc%3D").await;
    caller.send("POST", "/queries", json!({ "op": 1 })).await;
    caller.status("/schedules?property=created%3E2026-01-01").await;
    let seen = caller.fake.requests();
    assert_eq!(id, "a+b/c=");
    let flat: Vec<_> = seen
        .iter()
        .map(|seen| format!("{} {} {} {}", seen.method, seen.path, seen.query, seen.body))
        .collect();
    assert_eq!(
        flat,
        [
            "GET /schedules/nightly-orders/runs/a%2Bb%2Fc%3D  ",
            "POST /queries  {\"op\":1}",
            "GET /schedules property=created%3E2026-01-01 "
        ]
    );
    let printed = format!("{:?} {seen:?}", caller.fake);
    for secret in [caller.token.as_str(), FakeAdobe::CLIENT_SECRET] {
        assert!(!printed.contains(secret));
    }
}

#[tokio::test]
async fn ids_can_look_like_real_ones() {
    let caller = Caller::new().await;
    let id = caller.fake.add_schedule(&FakeAdobe::schedule_id("Daily Totals"));
    assert!(id.len() > 70 && id.ends_with("_daily_totals"));
    let run = caller.fake.add_run(
        &id,
        NewRun::new("SUCCESS").triggered(true).created(time("2026-01-02T03:04:05.000006Z")),
    );
    assert_eq!(run, FakeAdobe::run_id("manual__2026-01-02T03:04:05.000006"));
    assert_eq!(caller.ids(&format!("/schedules/{id}/runs"), "runsSchedules").await, [run]);
}

#[tokio::test]
#[should_panic(expected = "the fake has no schedule \"nightly\"")]
async fn a_schedule_that_is_not_there_is_a_mistake_in_the_test() {
    FakeAdobe::start().await.trigger_from_elsewhere("nightly");
}

#[tokio::test]
#[should_panic(expected = "FakeAdobe has no `Plan::skipped`")]
async fn a_plan_that_the_service_cannot_follow_is_a_mistake_in_the_test() {
    FakeAdobe::start().await.next_run(Plan::skipped());
}

#[tokio::test]
#[should_panic(expected = "FakeAdobe has no `NewRun::url`")]
async fn a_run_that_the_service_cannot_have_is_a_mistake_in_the_test() {
    let run = NewRun::new("SUCCESS").url("https://example.com");
    FakeAdobe::start().await.add_run("nightly-orders", run);
}
