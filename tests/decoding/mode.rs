//! Mode's answers in the documented shapes, and what becomes of them when the vendor changes its mind.
//!
//! The fixtures under `tests/fixtures/mode` are written after the shapes of the vendor's API reference and of answers that
//! callers have published, with values of our own.
#![cfg(feature = "mode")]

use crate::mutations;

use std::time::Duration;

use chrono::{DateTime, Utc};
use scheduled_runs::client::Endpoint;
use scheduled_runs::mode::{
    CreateReportRun, DeleteQuery, DownloadReportRun, ExportPdf, Filter, Format, Frequency,
    GetQueryRun, GetReport, GetReportRun, GetReportRunOptions, GetReportRunRows, ListDataSources,
    ListDatasetReports, ListDatasetRuns, ListDatasetSchedules, ListQueries, ListReportRuns,
    ListScheduleSubscriptions, ListSchedules, ListSpaceReports, ListSpaces, ListSubscriptions,
    PdfState, PythonState, ReportRun, ReportType, RunState, SpaceType, Verify,
};
use scheduled_runs::testing::ScriptedTransport;
use scheduled_runs::{ErrorKind, Phase, Response, Result, mode};
use serde_json::Value;

use self::mutations::Rules;

const REPORT_RUNS: &str = include_str!("../fixtures/mode/report_runs.json");
const QUERY_RUN: &str = include_str!("../fixtures/mode/query_run.json");
const REPORTS: &str = include_str!("../fixtures/mode/reports.json");
const QUERIES: &str = include_str!("../fixtures/mode/queries.json");
const SCHEDULES: &str = include_str!("../fixtures/mode/schedules.json");
const SUBSCRIPTIONS: &str = include_str!("../fixtures/mode/subscriptions.json");
const DATA_SOURCES: &str = include_str!("../fixtures/mode/data_sources.json");
const SPACES: &str = include_str!("../fixtures/mode/spaces.json");
const DATASET_RUNS: &str = include_str!("../fixtures/mode/dataset_runs.json");
const PDF_EXPORT: &str = include_str!("../fixtures/mode/pdf_export.json");

async fn decode<E: Endpoint<Api = mode::Mode>>(
    request: E,
    body: &str,
) -> Result<Response<E::Output>> {
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    let client = mode::Client::builder().workspace("initech").transport(script).build().unwrap();
    client.send(request).await
}

fn at(text: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

#[tokio::test]
async fn a_list_of_report_runs() {
    let page = decode(ListReportRuns::new("r"), REPORT_RUNS).await.unwrap();
    let [going_on, done] = &page.items[..] else { panic!("two runs") };
    assert_eq!(page.total, Some(5));
    assert_eq!(page.next.as_ref().unwrap().as_str(), "page=2&pages=3&size=2");

    assert_eq!(going_on.state, Some(RunState::RunningNotebook));
    assert_eq!(going_on.python_state, Some(PythonState::Submitted));
    assert_eq!(
        (going_on.created_at, going_on.updated_at, going_on.completed_at),
        (at("2026-02-03T04:05:06.789Z"), at("2026-02-03T04:05:09Z"), None)
    );
    assert_eq!(
        (going_on.is_latest_report_run, going_on.is_latest_successful_report_run),
        (Some(true), Some(false))
    );
    let parameters: Value =
        serde_json::from_str(going_on.parameters.as_ref().unwrap().json()).unwrap();
    assert_eq!(parameters["days"], 7);
    assert_eq!(
        going_on.query_runs_link().unwrap().href,
        "/api/initech/reports/0c1d2e3f4a5b/runs/a0b1c2d3e4f5/query_runs"
    );
    assert!(going_on.links.get("moon_phase").unwrap().templated, "unknown links are had by name");
    assert!(going_on.pdf_export_link().is_none());
    let embedded: Vec<Value> = going_on.embedded.get("query_runs").unwrap().unwrap();
    assert_eq!(embedded[0]["token"], "b1c2d3e4f5a6");

    assert_eq!(done.state.as_ref().unwrap().phase(), Phase::Succeeded);
    assert_eq!((&done.python_state, done.purge_completed_at), (&Some(PythonState::None), None));
}

#[tokio::test]
async fn a_query_run_that_failed() {
    let run = decode(GetQueryRun::new("r", "n", "q"), QUERY_RUN).await.unwrap();
    assert_eq!(run.state, Some(RunState::Failed));
    assert_eq!(run.id.as_deref(), Some("9007199254740993"), "not rounded");
    assert_eq!(run.data_source_id.as_deref(), Some("70001"));
    assert_eq!((run.limit, run.max_result_bytes), (Some(true), Some(6_000_000_000)));
    assert_eq!(run.error_code.as_deref(), Some("SqlUnknownTable"));
    assert_eq!(run.error_message.as_deref(), Some("there is no table orders"));
    assert_eq!(run.query().unwrap().as_str(), "d3e4f5a6b7c8");
    assert!(run.result_link().unwrap().href.ends_with("/results"));
    assert_eq!(run.parameters.as_ref().unwrap().json(), r#"{ "region": "emea" }"#);
}

#[tokio::test]
async fn reports_and_datasets() {
    let page = decode(ListSpaceReports::new("s"), REPORTS).await.unwrap();
    let [report, dataset] = &page.items[..] else { panic!("two reports") };
    assert_eq!(
        (&report.kind, &dataset.kind),
        (&Some(ReportType::Report), &Some(ReportType::Dataset))
    );
    assert_eq!(
        (report.id.as_deref(), dataset.id.as_deref()),
        (Some("4100200300"), Some("4100200301"))
    );
    assert_eq!((report.archived, report.manual_run_disabled), (Some(true), Some(true)));
    assert_eq!((report.query_count, report.max_query_count), (Some(2), Some(160)));
    assert_eq!(report.expected_runtime, Some(Duration::from_millis(2250)));
    assert_eq!(report.last_run_at, at("2026-02-03T04:05:06.789Z"));
    assert!(report.report_run_link().unwrap().templated);
    assert_eq!(dataset.collection_name.as_deref(), Some("Sales"));
}

#[tokio::test]
async fn a_number_that_no_float_holds_is_a_text() {
    let body = r#"[{"n":1e400,"m":7},{"n":2.5,"m":-1e999}]"#;
    let rows = decode(GetReportRunRows::new("r", "n"), body).await.unwrap();
    assert_eq!((&rows[0]["n"], &rows[0]["m"]), (&"1e400".into(), &7.into()));
    assert_eq!((&rows[1]["n"], &rows[1]["m"]), (&2.5.into(), &"-1e999".into()));
    // A row that is not a row is not left out.
    let error = decode(GetReportRunRows::new("r", "n"), r#"[{"n":1},7]"#).await.unwrap_err();
    assert_eq!(error.decode_path(), Some("[1]"));
}

#[tokio::test]
async fn queries_schedules_data_sources_and_spaces() {
    let queries = decode(ListQueries::new("r"), QUERIES).await.unwrap();
    let query = &queries.items[0];
    assert_eq!(query.last_run_id.as_deref(), Some("4100200300"));
    assert_eq!(
        (query.report_imports_count, query.data_source_id.as_deref()),
        (Some(1), Some("70001"))
    );
    assert!(queries.next.is_none(), "queries come at once");

    let schedules = decode(ListSchedules::new("r"), SCHEDULES).await.unwrap();
    let schedule = &schedules.items[0];
    assert_eq!(schedule.report_type, Some(ReportType::Report));
    assert_eq!(schedule.frequency, Some(Frequency::Weekly));
    assert_eq!((schedule.cron_hour, schedule.cron_minute), (Some(6), Some(30)));
    assert_eq!((schedule.timeout, schedule.retry_count), (Some(Duration::from_secs(900)), Some(2)));
    assert_eq!(schedule.next_scheduled_run, at("2026-02-06T06:30:00Z"));
    assert_eq!(schedule.delivery.as_deref(), Some("email"));

    let sources = decode(ListDataSources::new(), DATA_SOURCES).await.unwrap();
    assert_eq!((sources.items[0].port, sources.items[0].queryable), (Some(5433), Some(true)));

    let spaces = decode(ListSpaces::new(), SPACES).await.unwrap();
    let [sales, lunar] = &spaces.items[..] else { panic!("two spaces") };
    assert_eq!(
        (sales.viewable, sales.viewed, sales.free_default),
        (Some(true), Some(false), Some(true))
    );
    assert_eq!(sales.kind, Some(SpaceType::Custom));
    assert_eq!(lunar.kind.as_ref().unwrap().as_str(), "lunar");
}

#[tokio::test]
async fn subscriptions_of_a_report_and_of_its_schedule() {
    let page = decode(ListSubscriptions::new("r"), SUBSCRIPTIONS).await.unwrap();
    let [full, bare] = &page.items[..] else { panic!("two subscriptions") };
    assert_eq!(
        (&full.token, &bare.token),
        (&Some("b7c8d9e0f1a2".into()), &Some("b8c9d0e1f2a3".into()))
    );
    assert_eq!(
        (full.csv_attachments_enabled, full.pdf_attachments_enabled, full.data_tables_enabled),
        (Some(true), Some(false), Some(false))
    );
    assert_eq!(
        (full.data_previews_enabled, full.report_links_enabled, bare.report_links_enabled),
        (Some(true), Some(true), None)
    );
    assert_eq!((full.email_subscriber_count, bare.email_subscriber_count), (Some(4), Some(0)));
    assert!(full.report_schedule_link().unwrap().href.ends_with("/schedules/a6b7c8d9e0f1"));
    assert_eq!(page.total, Some(3));
    assert_eq!(page.next.as_ref().unwrap().as_str(), "page=2&pages=2&size=2");
    let of_schedule =
        decode(ListScheduleSubscriptions::new("r", "s"), SUBSCRIPTIONS).await.unwrap();
    assert_eq!(of_schedule.items, page.items);
}

/// The vendor does not document what the list is called.
#[tokio::test]
async fn the_schedules_of_a_dataset_are_found_under_any_name() {
    for name in ["report_schedules", "dataset_schedules", "schedules"] {
        let body = SCHEDULES.replace("report_schedules", name);
        let page = decode(ListDatasetSchedules::new("d"), &body).await.unwrap();
        assert_eq!(page.items[0].token.as_str(), "a6b7c8d9e0f1", "{name}");
    }
    let list = r#""schedules":[{"token":"a"}]"#;
    for (embedded, found) in [
        (format!(r#"{list},"forms":[],"more":{{"token":"b"}},"count":1,"name":"x""#), Some("a")),
        (format!(r#""other":[7],{list},"report_schedules":[{{"token":"c"}}]"#), Some("c")),
        (format!(r#"{list},"others":[{{"token":"b"}}]"#), None),
        (String::new(), None),
    ] {
        let body = format!(r#"{{"_embedded":{{{embedded}}}}}"#);
        let page = decode(ListDatasetSchedules::new("d"), &body).await.unwrap();
        let tokens = page.items.iter().map(|schedule| schedule.token.as_str());
        assert_eq!(tokens.collect::<Vec<_>>(), found.into_iter().collect::<Vec<_>>(), "{body}");
        let counted = body.replacen('{', r#"{"pagination":{"total_count":1},"#, 1);
        let page = decode(ListDatasetSchedules::new("d"), &counted).await;
        assert_eq!(page.is_ok(), found.is_some(), "{counted}");
    }
}

#[tokio::test]
async fn dataset_runs_under_either_name() {
    for body in [DATASET_RUNS.to_owned(), DATASET_RUNS.replace("dataset_runs", "report_runs")] {
        let page = decode(ListDatasetRuns::new("d"), &body).await.unwrap();
        assert_eq!(
            (page.items[0].is_latest(), page.items[0].is_latest_successful()),
            (Some(true), Some(true))
        );
        assert!(page.next.is_none());
    }
}

#[tokio::test]
async fn a_pdf_and_whom_the_credential_belongs_to() {
    let export = decode(ExportPdf::new("r", "n"), PDF_EXPORT).await.unwrap();
    assert_eq!((&export.state, export.stale), (&Some(PdfState::Completed), Some(false)));
    assert!(export.download_link().unwrap().href.ends_with("/pdf/download.pdf"));
    let verified = decode(Verify::new(), r#"{"workspace":"initech"}"#).await.unwrap();
    assert_eq!(
        (verified.workspace.as_deref(), verified.api_key_scope.as_deref()),
        (Some("initech"), None)
    );
}

/// Only what tells a thing apart may be missed.
#[tokio::test]
async fn members_may_be_missing_null_new_or_of_another_type() {
    let client = || mode::Client::builder().workspace("acme");
    let rules = Rules {
        required: &["/token"],
        typed: &[],
        kept: &[
            "/_links",
            "*/_embedded",
            "/_forms",
            "/imported_datasets",
            "/color_mappings",
            "/custom_attributes",
            "/parameters",
            "/form_fields",
        ],
    };
    let of = |typed| Rules { typed, ..rules };
    let one = Rules { kept: &["/_links", "/_embedded", "/_forms", "/parameters"], ..rules };
    mutations::check(
        client,
        ListReportRuns::new("r"),
        REPORT_RUNS,
        of(&["/_embedded", "/_embedded/report_runs"]),
    )
    .await;
    mutations::check(client, GetQueryRun::new("r", "n", "q"), QUERY_RUN, one).await;
    mutations::check(
        client,
        ListSpaceReports::new("s"),
        REPORTS,
        of(&["/_embedded", "/_embedded/reports"]),
    )
    .await;
    mutations::check(
        client,
        ListQueries::new("r"),
        QUERIES,
        of(&["/_embedded", "/_embedded/queries"]),
    )
    .await;
    mutations::check(
        client,
        ListSchedules::new("r"),
        SCHEDULES,
        of(&["/_embedded", "/_embedded/report_schedules"]),
    )
    .await;
    mutations::check(
        client,
        ListDatasetSchedules::new("d"),
        SCHEDULES,
        of(&["/_embedded", "/_embedded/report_schedules"]),
    )
    .await;
    let subscriptions = Rules {
        required: &[],
        typed: &["/_embedded", "/_embedded/report_subscriptions"],
        kept: &["*/_embedded", "/_links"],
    };
    mutations::check(client, ListSubscriptions::new("r"), SUBSCRIPTIONS, subscriptions).await;
    mutations::check(
        client,
        ListDatasetReports::new("d"),
        REPORTS,
        of(&["/_embedded", "/_embedded/reports"]),
    )
    .await;
    mutations::check(
        client,
        ListDataSources::new(),
        DATA_SOURCES,
        of(&["/_embedded", "/_embedded/data_sources"]),
    )
    .await;
    mutations::check(client, ListSpaces::new(), SPACES, of(&["/_embedded", "/_embedded/spaces"]))
        .await;
    mutations::check(
        client,
        ListDatasetRuns::new("d"),
        DATASET_RUNS,
        of(&["/_embedded", "/_embedded/dataset_runs"]),
    )
    .await;
    mutations::check(client, ExportPdf::new("r", "n"), PDF_EXPORT, one).await;
    let verified =
        r#"{"workspace":"acme","workspace_token":"w","api_key_scope":"member","_links":{}}"#;
    let all = Rules { kept: &["/_links", "/options"], ..Rules::default() };
    mutations::check(client, Verify::new(), verified, all).await;
    let field = r#"{"name":"region","options":["emea"],"options_error":"none","source_size":2}"#;
    mutations::check(client, GetReportRunOptions::new("r", "n"), field, all).await;
}

#[tokio::test]
async fn states_the_vendor_invents_are_kept() {
    let run = decode(
        GetReportRun::new("r", "n"),
        r#"{"token":"n","state":"Postponed","python_state":"lost"}"#,
    )
    .await
    .unwrap();
    assert_eq!(run.state.as_ref().unwrap().as_str(), "Postponed");
    assert!(!run.state.as_ref().unwrap().is_terminal());
    assert_eq!(run.python_state.as_ref().unwrap().as_str(), "lost");
    let report = decode(GetReport::new("r"), r#"{"token":"r","type":"Notebook"}"#).await.unwrap();
    assert_eq!(report.kind.as_ref().unwrap().as_str(), "Notebook");
}

#[tokio::test]
async fn an_answer_nobody_can_read_leaves_a_run_in_doubt_and_a_read_not() {
    for (body, kind) in [
        ("", ErrorKind::Decode),
        ("null", ErrorKind::Decode),
        ("[]", ErrorKind::Decode),
        ("<html>please log in</html>", ErrorKind::UnexpectedContent),
    ] {
        let error = decode(CreateReportRun::new("r"), body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, true), "{body:?}");
        assert!(!error.to_string().contains("log in"));
        let error = decode(GetReportRun::new("r", "n"), body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, false), "{body:?}");
    }
}

#[tokio::test]
async fn a_login_page_is_no_file_no_row_and_no_delete() {
    let page = "<!doctype html><title>Sign in</title>";
    for kind in [
        decode(DownloadReportRun::new("r", "n"), page).await.map(drop).unwrap_err().kind(),
        decode(GetReportRunRows::new("r", "n"), page).await.map(drop).unwrap_err().kind(),
        decode(DeleteQuery::new("r", "q"), page).await.map(drop).unwrap_err().kind(),
    ] {
        assert_eq!(kind, ErrorKind::UnexpectedContent);
    }
    let file = decode(DownloadReportRun::new("r", "n"), "PK\u{3}\u{4}").await.unwrap();
    assert_eq!((file.format, file.bytes.len()), (Format::Zip, 4));
    let rows =
        decode(GetReportRunRows::new("r", "n"), r#"[{"region":"emea","orders":3},{}]"#).await;
    assert_eq!(rows.unwrap()[0]["orders"], 3);
    assert!(decode(GetReportRunRows::new("r", "n"), "[]").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_link_of_an_answer_is_followed_within_the_vendor_and_templates_are_not() {
    let script = ScriptedTransport::default();
    script.respond(200, REPORT_RUNS);
    script.respond(200, r#"{"token":"a0b1c2d3e4f5","state":"succeeded"}"#);
    let client =
        mode::Client::builder().workspace("initech").transport(script.clone()).build().unwrap();
    let page = client.send(ListReportRuns::new("0c1d2e3f4a5b")).await.unwrap();
    let run: Response<ReportRun> =
        client.follow(&page.items[0].self_link().unwrap()).await.unwrap();
    assert_eq!(run.state.as_ref().unwrap().phase(), Phase::Succeeded);
    let sent = script.sent();
    assert_eq!(
        sent[1].url().as_str(),
        "https://app.mode.com/api/initech/reports/0c1d2e3f4a5b/runs/a0b1c2d3e4f5"
    );
    assert_eq!(sent[1].headers()["accept"], "application/hal+json");
    let template = page.items[0].links.get("moon_phase").unwrap();
    assert_eq!(client.follow::<Value>(&template).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

/// A vendor that renames the list must not look like one without runs.
#[tokio::test]
async fn items_that_are_counted_and_not_found_are_an_error() {
    for list in [r#""runs":[{"token":"n"}]"#, r#""report_runs":null"#] {
        let body = format!(r#"{{"_embedded":{{{list}}},"pagination":{{"total_count":1}}}}"#);
        let error = decode(ListReportRuns::new("r"), &body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        // The count may include what a filter leaves out.
        let filtered = ListReportRuns::new("r").filter(Filter::raw("state.eq.failed"));
        assert!(decode(filtered, &body).await.unwrap().items.is_empty(), "{body}");
    }
}

/// A list that cannot be continued by its link is continued by its page.
#[tokio::test]
async fn a_link_to_the_next_page_that_cannot_be_read_is_not_the_end() {
    let body = |next: &str| {
        format!(
            r#"{{"_embedded":{{"report_runs":[{{"token":"n"}}]}},"_links":{{"next_page":{next}}}}}"#
        )
    };
    for next in ["7", "true", "{}", r#"{"href":7}"#] {
        let page = decode(ListReportRuns::new("r"), &body(next)).await.unwrap();
        assert_eq!(page.next.as_ref().unwrap().as_str(), "page=2&linked=1&first=n", "{next}");
    }
}
