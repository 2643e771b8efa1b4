//! Mode's client over a scripted transport: what is sent, how lists are walked, how runs are started and explained.
#![cfg(feature = "mode")]

use futures_util::StreamExt as _;
use http::Response;
use scheduled_runs::mode::{
    ArchiveReport, CreateReportRun, CreateSubscription, DeleteSubscription, DownloadQueryRun,
    GetDataset, GetReport, GetSubscription, ListDataSourceReports, ListDatasetReports,
    ListDatasetSchedules, ListQueryRuns, ListReportRuns, ListScheduleSubscriptions, ListSchedules,
    ListSpaces, ListSubscriptions, UpdateSubscription, Verify,
};
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::{ManualClock, Plan, ScriptedTransport};
use scheduled_runs::{
    CallLimits, CancelOutcome, ErrorKind, Phase, RunProvider, RunProviderExt, mode,
};
use serde_json::{Value, json};

fn scripted() -> (ScriptedTransport, ManualClock, mode::Client) {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let client = mode::Client::builder()
        .workspace("initech")
        .credential(mode::ApiToken::new("canary-token", "canary-secret"))
        .transport(script.clone())
        .clock(clock.clone())
        .build()
        .unwrap();
    (script, clock, client)
}

/// Method, path and query of everything sent, below the workspace.
fn sent(script: &ScriptedTransport) -> Vec<String> {
    let line = |request: &scheduled_runs::client::ApiRequest| {
        let path = request.url().as_str().strip_prefix(mode::BASE_URL).unwrap();
        format!("{} {}", request.method(), path.strip_prefix("/initech").unwrap_or(path))
    };
    script.sent().iter().map(line).collect()
}

fn runs(tokens: &[&str], more: &Value) -> String {
    let runs: Vec<_> = tokens.iter().map(|token| json!({ "token": token })).collect();
    let mut answer = json!({ "_embedded": { "report_runs": runs } });
    answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer.to_string()
}

fn counted(page: u64, pages: u64) -> Value {
    json!({ "pagination": { "page": page, "per_page": 2, "total_pages": pages } })
}

#[tokio::test]
async fn every_request_carries_the_token_and_asks_for_hal() {
    let (script, _, client) = scripted();
    script.respond(200, r#"{"workspace":"initech"}"#);
    client.send(Verify::new()).await.unwrap();
    let request = &script.sent()[0];
    assert_eq!(request.url().as_str(), "https://app.mode.com/api/verify");
    // The text behind it is `canary-token:canary-secret`.
    assert_eq!(request.headers()["authorization"], "Basic Y2FuYXJ5LXRva2VuOmNhbmFyeS1zZWNyZXQ=");
    assert_eq!(request.headers()["accept"], "application/hal+json");
    assert!(!format!("{request:?}").contains("Y2FuYXJ5"));
}

#[tokio::test]
async fn a_counted_list_is_walked_to_its_last_page_and_no_further() {
    let (script, _, client) = scripted();
    let past_the_end = json!({
        "pagination": { "page": 3, "total_pages": 3 },
        "_links": { "next_page": { "href": "/api/initech/reports/r/runs?page=4" } },
    });
    script.respond(200, runs(&["a", "b"], &counted(1, 3)));
    script.respond(200, runs(&["c"], &counted(2, 3)));
    script.respond(200, runs(&["d"], &past_the_end));
    let all = client.items(ListReportRuns::new("r").per_page(50)).try_collect().await.unwrap();
    let tokens: Vec<_> = all.iter().map(|run| run.token.as_str()).collect();
    assert_eq!(tokens, ["a", "b", "c", "d"]);
    assert_eq!(
        sent(&script),
        [
            "GET /reports/r/runs?per_page=50",
            "GET /reports/r/runs?page=2&per_page=50",
            "GET /reports/r/runs?page=3&per_page=50"
        ]
    );
}

/// Links are known to lead past the end.
#[tokio::test]
async fn a_link_past_the_end_ends_the_list_of_a_provider_too() {
    let (script, _, client) = scripted();
    let run = json!({"token": "r1", "state": "succeeded", "created_at": "2026-02-03T04:05:06Z"});
    let link = json!({"href": "/api/initech/reports/report/runs?page=2"});
    let first = json!({"_embedded": {"report_runs": [run]}, "_links": {"next_page": link}});
    for _ in 0..2 {
        script.respond(200, first.to_string());
        script.respond(404, r#"{"id":"not_found","message":"no such page"}"#);
    }
    let target = mode::target("report");
    let runs: Vec<_> = client.runs(&target).collect().await;
    assert!(matches!(&runs[..], [Ok(run)] if run.run == target.run("r1")), "{runs:?}");
    drop(client.prepare(&target).await.unwrap());
    assert_eq!(script.sent().len(), 4);

    // A first page that is not found is an error.
    script.respond(404, r#"{"id":"not_found","message":"no such report"}"#);
    let error = client.prepare(&target).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_list_that_takes_no_notice_of_pages_ends_and_repeats_nothing() {
    let (script, _, client) = scripted();
    let schedules = r#"{"_embedded":{"report_schedules":[{"token":"s1"},{"token":"s2"}]}}"#;
    (0..3).for_each(|_| script.respond(200, schedules));
    let all = client.items(ListSchedules::new("r")).try_collect().await.unwrap();
    assert_eq!((all.len(), script.sent().len()), (2, 3));

    script.respond(200, r#"{"_embedded":{"query_runs":[{"token":"q1"}]}}"#);
    let all = client.items(ListQueryRuns::new("r", "n")).try_collect().await.unwrap();
    assert_eq!((all.len(), script.sent().len()), (1, 4), "these are known to come at once");
}

#[tokio::test]
async fn subscriptions_are_walked_page_by_page_and_told_apart_by_their_links() {
    let (script, _, client) = scripted();
    let page = |tokens: &[&str], more: Value| {
        let own = |token| json!({ "_links": { "self": { "href": format!("/api/initech/reports/r/subscriptions/{token}") } } });
        let items: Vec<_> = tokens.iter().map(own).collect();
        let mut page = json!({ "_embedded": { "report_subscriptions": items } });
        page.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        page.to_string()
    };
    script.respond(200, page(&["a", "b"], counted(1, 2)));
    script.respond(200, page(&["b", "c"], counted(2, 2)));
    let all = client.items(ListSubscriptions::new("r")).try_collect().await.unwrap();
    let tokens: Vec<_> = all.iter().map(|one| one.token.as_ref().unwrap().as_str()).collect();
    assert_eq!(tokens, ["a", "b", "c"]);
    // The vendor may ignore the page.
    (0..3).for_each(|_| script.respond(200, page(&["a", "b"], json!({}))));
    let all = client.items(ListScheduleSubscriptions::new("r", "s")).try_collect().await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(
        sent(&script),
        [
            "GET /reports/r/subscriptions",
            "GET /reports/r/subscriptions?page=2",
            "GET /reports/r/schedules/s/subscriptions",
            "GET /reports/r/schedules/s/subscriptions?page=2",
            "GET /reports/r/schedules/s/subscriptions?page=3",
        ]
    );
}

#[tokio::test]
async fn a_subscription_is_created_changed_and_deleted() {
    let fake = FakeMode::start().await;
    let client = fake.client_builder().build().unwrap();
    let (report, create) = (FakeMode::REPORT, CreateSubscription::new(FakeMode::REPORT));
    let made = client.send(create.csv_attachments(true)).await.unwrap();
    let token = made.token.as_ref().unwrap();
    let update = UpdateSubscription::new(report, token).data_previews(true);
    let changed = client.send(update).await.unwrap();
    let read = client.send(GetSubscription::new(report, token)).await.unwrap();
    assert_eq!(*changed, Some((*read).clone()));
    assert_eq!(
        (read.csv_attachments_enabled, read.data_previews_enabled, read.data_tables_enabled),
        (Some(true), Some(true), Some(false))
    );
    let link = read.report_schedule_link().unwrap();
    let schedule = client.follow::<mode::Schedule>(&link).await.unwrap();
    for page in 1..=2 {
        let list = ListScheduleSubscriptions::new(report, &schedule.token).per_page(page);
        let all = client.items(list).try_collect().await.unwrap();
        assert_eq!((all.len(), all.contains(&read)), (2, true));
    }
    client.send(DeleteSubscription::new(report, token)).await.unwrap();
    let left = client.items(ListSubscriptions::new(report)).try_collect().await.unwrap();
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn a_dataset_has_schedules_and_the_reports_that_use_it() {
    let fake = FakeMode::start().await;
    let client = fake.client_builder().build().unwrap();
    let dataset = client.send(GetDataset::new(FakeMode::DATASET)).await.unwrap();
    assert_eq!(dataset.kind, Some(mode::ReportType::Dataset));
    let list = ListDatasetSchedules::new(&dataset.token);
    let schedules = client.items(list).try_collect().await.unwrap();
    assert_eq!(schedules[0].report_type, Some(mode::ReportType::Dataset));
    let list = ListDatasetReports::new(&dataset.token).per_page(1);
    let using = client.items(list).try_collect().await.unwrap();
    assert_eq!(using.iter().map(|it| it.token.as_str()).collect::<Vec<_>>(), [FakeMode::REPORT]);
}

#[tokio::test]
async fn a_page_that_is_not_there_ends_a_list_unless_it_was_counted() {
    let missing = r#"{"id":"not_found","message":"there is no such page"}"#;
    let link =
        json!({ "_links": { "next_page": { "href": "/api/initech/reports/r/runs?page=2" } } });
    let (script, _, client) = scripted();
    script.respond(200, runs(&["a"], &link));
    script.respond(404, missing);
    let all = client.items(ListReportRuns::new("r")).try_collect().await.unwrap();
    assert_eq!((all.len(), script.sent().len()), (1, 2));

    script.respond(404, missing);
    let error = client.items(ListReportRuns::new("r")).try_collect().await.unwrap_err();
    assert_eq!((error.kind(), error.cursor()), (ErrorKind::NotFound, None));

    script.respond(200, runs(&["a"], &counted(1, 3)));
    script.respond(404, missing);
    let error = client.items(ListReportRuns::new("r")).try_collect().await.unwrap_err();
    assert_eq!((error.kind(), error.cursor().is_some()), (ErrorKind::NotFound, true));
}

#[tokio::test]
async fn reports_of_a_data_source_come_once_each_though_their_rows_fill_pages() {
    let (script, _, client) = scripted();
    let rows = |tokens: &[&str]| {
        let rows: Vec<_> = tokens.iter().map(|token| json!({ "token": token })).collect();
        json!({ "_embedded": { "reports": rows } }).to_string()
    };
    for tokens in [&["a", "a", "a"][..], &["a", "a", "a"], &["a", "b", "b"], &["c"], &[]] {
        script.respond(200, rows(tokens));
    }
    let all = client.items(ListDataSourceReports::new("d")).try_collect().await.unwrap();
    let tokens: Vec<_> = all.iter().map(|report| report.token.as_str()).collect();
    assert_eq!((tokens, script.sent().len()), (vec!["a", "b", "c"], 5));
}

#[tokio::test]
async fn pages_are_fetched_side_by_side_where_they_are_counted_and_one_by_one_where_not() {
    let tokens = async |client: &mode::Client, at: Option<&str>| {
        let mut pages = client.pages(ListReportRuns::new("r"));
        if let Some(cursor) = at {
            pages = pages.resume_at(scheduled_runs::Cursor::new(cursor));
        }
        let pages: Vec<_> = pages.concurrent(3).collect().await;
        let runs = pages.into_iter().flat_map(|page| page.unwrap().items);
        runs.map(|run| run.token.as_str().to_owned()).collect::<Vec<_>>().concat()
    };
    let (script, _, client) = scripted();
    for (page, token) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        script.respond(200, runs(&[token], &counted(page, 4)));
    }
    assert_eq!(tokens(&client, None).await, "abcd");
    assert_eq!(sent(&script)[3], "GET /reports/r/runs?page=4");

    // From the middle on.
    let (script, _, client) = scripted();
    script.respond(200, runs(&["c"], &counted(3, 4)));
    script.respond(200, runs(&["d"], &counted(4, 4)));
    assert_eq!(tokens(&client, Some("page=3&pages=4")).await, "cd");

    // The list grew while it was walked.
    let (script, _, client) = scripted();
    script.respond(200, runs(&["a"], &counted(1, 2)));
    script.respond(200, runs(&["b"], &counted(2, 3)));
    script.respond(200, runs(&["c"], &counted(3, 3)));
    assert_eq!(tokens(&client, None).await, "abc");

    // Links, and no counters.
    let (script, _, client) = scripted();
    let link =
        |page: u64| json!({ "_links": { "next_page": { "href": format!("/x?page={page}") } } });
    script.respond(200, runs(&["a"], &link(2)));
    script.respond(200, runs(&["b"], &link(3)));
    script.respond(200, runs(&["c"], &json!({})));
    assert_eq!(tokens(&client, None).await, "abc");
    assert_eq!(script.sent().len(), 3);
}

#[tokio::test]
async fn a_run_is_started_watched_and_explained() {
    let (script, clock, client) = scripted();
    script.respond(202, r#"{"token":"n1","state":"enqueued"}"#);
    script.respond(200, r#"{"token":"n1","state":"pending"}"#);
    script.respond(200, r#"{"token":"n1","state":"running_notebook"}"#);
    script.respond(
        200,
        r#"{"token":"n1","state":"failed","completed_at":"2026-02-03T04:05:06.789Z"}"#,
    );
    script.respond(
        200,
        r#"{"_embedded":{"query_runs":[
            {"token":"q1","state":"succeeded"},
            {"token":"q2","state":"failed","query_name":"Orders","error_code":"SqlUnknownTable",
             "error_message":"there is no table orders","help_url":"https://docs.example.com/x"}]}}"#,
    );
    let mut phases = Vec::new();
    let done = client
        .trigger_and_wait(&mode::target("r1"))
        .on_update(|run| phases.push(run.phase))
        .await
        .unwrap();
    assert_eq!(phases, [Phase::Queued, Phase::Running, Phase::Failed]);
    assert_eq!(clock.sleeps().len(), 2);
    assert_eq!(done.state.as_deref(), Some("failed"));
    assert_eq!(done.finished.unwrap().timestamp_subsec_millis(), 789);
    assert_eq!(
        done.failure.as_ref().unwrap().log_url.as_deref(),
        Some("https://docs.example.com/x")
    );
    assert_eq!(
        done.success().unwrap_err().to_string(),
        "run mode:r1/n1 failed: there is no table orders (code SqlUnknownTable, in query Orders, query run q2); \
         see https://docs.example.com/x"
    );
    assert_eq!(
        sent(&script),
        [
            "POST /reports/r1/runs",
            "GET /reports/r1/runs/n1",
            "GET /reports/r1/runs/n1",
            "GET /reports/r1/runs/n1",
            "GET /reports/r1/runs/n1/query_runs"
        ]
    );
}

#[tokio::test]
async fn a_failed_query_with_a_code_alone_is_a_reason() {
    let (script, _, client) = scripted();
    script.respond(200, r#"{"token":"n1","state":"failed"}"#);
    script.respond(
        200,
        r#"{"_embedded":{"query_runs":[{"token":"q1","state":"failed","error_code":"SqlTimeout"}]}}"#,
    );
    let failed = client.snapshot(&mode::target("r1").run("n1")).await.unwrap();
    assert_eq!(failed.failure.unwrap().code.as_deref(), Some("SqlTimeout"));
}

#[tokio::test]
async fn a_failure_is_told_though_its_reason_cannot_be_had() {
    let (script, _, client) = scripted();
    let run = mode::target("r1").run("n1");
    script.respond(200, r#"{"token":"n1","state":"failed"}"#);
    script.respond(404, r#"{"id":"not_found","message":"gone"}"#);
    let snapshot = client.snapshot(&run).await.unwrap();
    assert_eq!(snapshot.phase, Phase::Failed);
    assert_eq!(
        snapshot.success().unwrap_err().to_string(),
        "run mode:r1/n1 failed: the reason could not be fetched: mode.query_runs.list: gone (HTTP 404, code not_found)"
    );

    script.respond(200, r#"{"token":"n1","state":"failed","python_state":"failed"}"#);
    script.respond(200, r#"{"_embedded":{"query_runs":[{"token":"q1","state":"succeeded"}]}}"#);
    let failure = client.snapshot(&run).await.unwrap().failure.unwrap();
    assert_eq!(failure.to_string(), "the report's notebook failed (in notebook)");

    script.respond(200, r#"{"token":"n1","state":"failed"}"#);
    script.respond(200, r#"{"_embedded":{"query_runs":[{"token":"q1","state":"cancelled"}]}}"#);
    let failure = client.snapshot(&run).await.unwrap().failure.unwrap();
    assert_eq!(failure.to_string(), "the query ended as cancelled (in query run q1)");
}

#[tokio::test]
async fn a_run_without_a_form_for_it_cannot_be_cancelled_and_the_client_says_so() {
    let (script, _, client) = scripted();
    assert!(!client.capabilities().cancel && client.capabilities().trigger_names_run);
    let run = mode::target("r1").run("n1");
    let own = "/api/initech/reports/r1/runs/n1";
    for (form, kind) in [
        (json!(null), ErrorKind::Unsupported),
        (json!({ "clone": { "method": "post", "action": own } }), ErrorKind::Unsupported),
        (json!({ "cancel": { "method": "get", "action": own } }), ErrorKind::Unsupported),
        (
            json!({ "cancel": { "method": "patch", "action": "/api/initech" } }),
            ErrorKind::Unsupported,
        ),
        (
            json!({ "cancel": { "method": "patch", "action": format!("https://evil.example{own}") } }),
            ErrorKind::CrossOrigin,
        ),
    ] {
        let before = script.sent().len();
        let shown = json!({ "token": "n1", "state": "running", "_forms": form });
        script.respond(200, shown.to_string());
        assert_eq!(client.cancel(&run).await.unwrap_err().kind(), kind, "{form}");
        assert_eq!(sent(&script)[before..], ["GET /reports/r1/runs/n1"]);
    }
}

#[tokio::test]
async fn a_run_is_cancelled_by_the_form_that_it_carries() {
    let (script, _, client) = scripted();
    let run = mode::target("r1").run("n1");
    let action = "/api/initech/reports/r1/runs/n1";
    let running = json!({ "token": "n1", "state": "running",
        "_forms": { "cancel": { "method": "patch", "action": action } } })
    .to_string();
    let ended = r#"{"token":"n1","state":"succeeded"}"#;
    let (get, patch) = ("GET /reports/r1/runs/n1", "PATCH /reports/r1/runs/n1");

    script.respond(200, running.clone());
    script.respond(202, "");
    assert_eq!(client.cancel(&run).await.unwrap(), CancelOutcome::Requested);
    assert_eq!(sent(&script), [get, patch]);
    assert!(script.sent()[1].body().is_empty());
    assert!(script.sent()[1].headers().contains_key("authorization"));

    script.respond(200, ended);
    assert_eq!(client.cancel(&run).await.unwrap(), CancelOutcome::AlreadyFinished);

    // It ends before the form arrives, or the vendor refuses the form.
    for (now, outcome) in
        [(ended, Ok(CancelOutcome::AlreadyFinished)), (running.as_str(), Err(ErrorKind::Rejected))]
    {
        script.respond(200, running.clone());
        script.respond(422, "{}");
        script.respond(200, now.to_owned());
        assert_eq!(client.cancel(&run).await.map_err(|error| error.kind()), outcome);
    }
    assert_eq!(sent(&script)[3..], [get, patch, get, get, patch, get]);
}

#[tokio::test]
async fn the_fake_of_mode_honours_the_form_that_its_runs_carry() {
    let fake = FakeMode::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let target = mode::target(FakeMode::REPORT);
    for carried in [false, true] {
        fake.cancel_forms(carried);
        fake.next_run(Plan::never_ends());
        let run = client.trigger(&target).await.unwrap();
        if !carried {
            let error = client.cancel(&run).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            continue;
        }
        assert_eq!(client.cancel(&run).await.unwrap(), CancelOutcome::Requested);
        assert_eq!(client.wait(&run).await.unwrap().phase, Phase::Cancelled);
        assert_eq!(client.cancel(&run).await.unwrap(), CancelOutcome::AlreadyFinished);
    }
    let cancelled = fake.requests().into_iter().filter(|seen| seen.path.ends_with("/cancel"));
    assert_eq!(cancelled.map(|seen| seen.method).collect::<Vec<_>>(), ["POST"]);
}

#[tokio::test]
async fn recent_runs_come_newest_first_with_the_servers_time() {
    let (script, _, client) = scripted();
    let body = runs(&["n2", "n1"], &counted(1, 1));
    let answer =
        Response::builder().header("date", "Tue, 03 Feb 2026 04:05:06 GMT").body(body.into());
    script.respond_with(answer.unwrap());
    let recent =
        client.recent_runs(&mode::target("r1"), None, &CallLimits::default()).await.unwrap();
    assert_eq!(recent.server_time.unwrap().to_rfc3339(), "2026-02-03T04:05:06+00:00");
    assert_eq!(recent.page.items[0].run.to_string(), "mode:r1/n2");
    assert_eq!(sent(&script), ["GET /reports/r1/runs?order=desc&order_by=created_at"]);

    script.respond(200, runs(&["n2"], &counted(1, 2)));
    script.respond(200, runs(&["n1"], &counted(2, 2)));
    let options = CallLimits::default();
    let first = client.fetch_page(&mode::target("r1"), None, &options).await.unwrap();
    let second = client.fetch_page(&mode::target("r1"), first.next, &options).await.unwrap();
    assert_eq!((second.items[0].run.id(), second.next.is_none()), ("n1", true));
    assert_eq!(sent(&script)[2], "GET /reports/r1/runs?order=desc&order_by=created_at&page=2");
}

#[tokio::test]
async fn a_run_is_not_started_again_when_its_answer_is_lost_and_changes_are_repeated() {
    for status in [408, 500, 502, 504] {
        let (script, _, client) = scripted();
        script.respond(status, "<html>gateway</html>");
        let error = client.send(CreateReportRun::new("r")).await.unwrap_err();
        assert_eq!((script.sent().len(), error.may_have_run()), (1, true), "{status}");
    }
    let (script, clock, client) = scripted();
    let limited = |body: &'static str| {
        Response::builder().status(429).header("retry-after", "7").body(body.into()).unwrap()
    };
    script.respond_with(limited(r#"{"message":"too many requests"}"#));
    script.respond(202, r#"{"token":"n1","state":"enqueued"}"#);
    client.send(CreateReportRun::new("r")).await.unwrap();
    assert_eq!((script.sent().len(), clock.elapsed().as_secs() >= 7), (2, true));

    let (script, _, client) = scripted();
    script.respond(504, "");
    script.respond(202, r#"{"token":"r","archived":true}"#);
    let archived = client.send(ArchiveReport::new("r")).await.unwrap().into_inner();
    assert_eq!(archived.unwrap().archived, Some(true));
}

#[tokio::test]
async fn what_the_vendor_says_stands_in_the_error() {
    for (status, body, kind, text) in [
        (
            404,
            r#"{"id":"not_found","message":"there is no such report"}"#,
            ErrorKind::NotFound,
            "mode.reports.get: there is no such report (HTTP 404, code not_found)",
        ),
        (
            422,
            r#"{"message":{"name":["is too long"]}}"#,
            ErrorKind::Rejected,
            "mode.reports.get: name is too long (HTTP 422)",
        ),
        (
            400,
            r#"["no","canary-secret"]"#,
            ErrorKind::Rejected,
            "mode.reports.get: no; REDACTED (HTTP 400)",
        ),
        (
            401,
            r#"{"id":"unauthorized"}"#,
            ErrorKind::Auth,
            "mode.reports.get: the credential was refused (HTTP 401, code unauthorized)",
        ),
        (
            403,
            "<html>no</html>",
            ErrorKind::Denied,
            "mode.reports.get: the credential may not do this (HTTP 403)",
        ),
    ] {
        let (script, _, client) = scripted();
        script.respond(status, body);
        let error = client.send(GetReport::new("r")).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        assert_eq!(error.attempts().len(), 1);
    }
}

#[tokio::test]
async fn a_page_number_from_the_server_moves_the_walk_forwards_or_not_at_all() {
    for page in ["18446744073709551615", "0", "1", "-1", "x"] {
        let (script, _, client) = scripted();
        let link = format!("/api/acme/spaces?page={page}");
        let answer = |items: &str, next: &str| {
            format!(r#"{{"_embedded":{{"spaces":[{items}],"reports":[]}},"_links":{{{next}}}}}"#)
        };
        script.respond(
            200,
            answer(r#"{"token":"a"}"#, &format!(r#""next_page":{{"href":"{link}"}}"#)),
        );
        script.respond(200, answer(r#"{"token":"b"}"#, ""));
        let spaces = client.items(ListSpaces::new()).try_collect().await.unwrap();
        assert_eq!(
            spaces.iter().map(|space| space.token.as_str()).collect::<Vec<_>>(),
            ["a", "b"],
            "{page}"
        );
    }
}

#[tokio::test]
async fn a_list_of_rows_that_ignores_its_page_ends_without_loss() {
    let (script, _, client) = scripted();
    for _ in 0..5 {
        script.respond(
            200,
            r#"{"_embedded":{"reports":[{"token":"a"},{"token":"a"},{"token":"b"}]}}"#,
        );
    }
    let reports = client.items(ListDataSourceReports::new("d")).try_collect().await.unwrap();
    assert_eq!(reports.len(), 2);
    assert_eq!(script.sent().len(), 2);
}

#[tokio::test]
async fn a_change_may_be_answered_with_nothing_and_a_page_is_no_file() {
    let (script, _, client) = scripted();
    for status in [200, 202, 204] {
        script.respond(status, "");
        assert!(client.send(ArchiveReport::new("r")).await.unwrap().is_none());
    }
    for (media, page) in [
        ("text/csv", "<!doctype html><p>log in"),
        ("application/pdf", "\u{feff} <html></html>"),
        ("application/octet-stream", "\u{feff}<HTML>"),
        ("text/plain", "<!DOCTYPE html>"),
    ] {
        let mut answer = Response::new(bytes::Bytes::from(page));
        answer.headers_mut().insert("content-type", media.parse().unwrap());
        script.respond_with(answer);
        let error = client.send(DownloadQueryRun::new("r", "n", "q")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedContent, "{media}");
    }
}
