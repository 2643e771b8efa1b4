//! Mode's samples.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use scheduled_runs::client::{Endpoint, PagedEndpoint};
use scheduled_runs::mode::{
    CloneReportRun, CreateQuery, CreateReportRun, CreateSchedule, Cron, ExportPdf, GetQueryRun,
    GetReport, GetReportRun, GetReportRunRows, GetSchedule, GetSpace, ListDataSourceReports,
    ListDataSources, ListQueries, ListQueryRuns, ListReportRuns, ListSpaceDatasets,
    ListSpaceReports, ListSpaces, RefreshReportDatasets, Verify,
};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{ErrorKind, mode};
use serde_json::Value;

use super::round_trip::Travels;
use super::{reports_only_what_is_new, samples, travels};

#[tokio::test]
async fn every_mode_sample_decodes_into_its_model() {
    let Some(samples) = samples("mode") else { return };
    let mut checked = 0;
    for (name, body) in samples {
        if !NOT_COVERED.iter().any(|(prefix, _)| name.starts_with(prefix)) {
            assert!(check(&name, &body).await > 0, "{name} decodes to nothing");
            checked += 1;
        }
    }
    eprintln!("{checked} samples of Mode checked");
    assert!(checked >= 50, "only {checked} samples were checked");
}

#[test]
fn every_sample_of_a_webhook_is_received() {
    let Some(samples) = samples("events") else { return };
    let mut checked = 0;
    for (name, body) in samples.iter().filter(|(name, _)| name.starts_with("mode_")) {
        let received = mode::receive(&Request::post("/").body(body).unwrap());
        let events = usize::from(name.starts_with("mode_report_run_"));
        assert_eq!((received.response.status(), received.events.len()), (StatusCode::OK, events));
        checked += 1;
    }
    assert!(checked >= 3, "only {checked} samples were checked");
}

/// Samples of operations that have no request type.
const NOT_COVERED: [(&str, &str); 7] = [
    ("audit_logs", "audit logs"),
    ("datahub2021_definitions", "definitions"),
    ("datahub2021_user", "users"),
    ("discovery_", "the Discovery API, which has other credentials and another base URL"),
    ("live2026_audit_log", "audit logs"),
    ("page_next_link_past_end", "groups; the rule it shows is tested with runs"),
    ("request_report_update", "changing a report beyond archiving it"),
];

/// How much of what the sample is about was found.
async fn check(name: &str, body: &str) -> usize {
    match name {
        "clone_run_202_is_a_report" => {
            decodes(CloneReportRun::new("r", "n"), body, |report| report.name.iter().len()).await
        }
        "report_created_201_unnamed" => {
            decodes(GetReport::new("r"), body, |report| usize::from(report.name.is_none())).await
        }
        "datahub2024_dataset_report" => {
            decodes(GetReport::new("r"), body, |report| report.query_count.iter().len()).await
        }
        "live2026_report" => {
            decodes(GetReport::new("r"), body, |report| report.expected_runtime.iter().len()).await
        }
        "datahub2021_reports" => walks(ListSpaceReports::new("s"), body, 1).await,
        "datahub2021_reports_empty" | "datahub_final_page" => {
            walks(ListSpaceReports::new("s"), body, 0).await
        }
        "datahub2024_datasets_in_space" => walks(ListSpaceDatasets::new("s"), body, 1).await,
        "odd2023_reports_of_data_source" => walks(ListDataSourceReports::new("d"), body, 1).await,
        "datahub2021_data_sources" | "odd2023_data_sources" => {
            walks(ListDataSources::new(), body, 1).await
        }
        "page_data_sources_unpaginated" => walks(ListDataSources::new(), body, 4).await,
        "datahub2021_queries" | "datahub2024_dataset_queries" | "odd2023_queries" => {
            walks(ListQueries::new("r"), body, 1).await
        }
        "datahub2021_spaces" => walks(ListSpaces::new(), body, 2).await,
        "odd2023_collections" => walks(ListSpaces::new(), body, 3).await,
        "datahub_spaces_empty" => walks(ListSpaces::new(), body, 0).await,
        "page_spaces_1_of_2_shape" => {
            goes_on(ListSpaces::new(), body, "page=2&pages=2&size=30").await
        }
        "page_spaces_last" => walks(ListSpaces::new(), body, 3).await,
        "live2026_space" => {
            decodes(GetSpace::new("s"), body, |space| space.viewable.iter().len()).await
        }
        "page_report_runs_1_of_43" => {
            goes_on(ListReportRuns::new("r"), body, "page=2&pages=43&size=20").await
        }
        "page_report_runs_link_only" => {
            goes_on(ListReportRuns::new("r"), body, "page=2&linked=1&first=run1").await
        }
        "report_runs_list_empty" => walks(ListReportRuns::new("r"), body, 0).await,
        "query_runs_list_failed" => walks(ListQueryRuns::new("r", "n"), body, 1).await,
        "docs_report_run_repaired"
        | "live2026_report_run_enqueued"
        | "report_run_completed_minimal" => {
            decodes(GetReportRun::new("r", "n"), body, |run| run.state.iter().len()).await
        }
        "live2026_report_run_purged" => {
            decodes(GetReportRun::new("r", "n"), body, |run| run.purge_completed_at.iter().len())
                .await
        }
        // A part of a run: it lacks the token that every run has.
        "live2026_report_run_failed_latest_flags" => {
            let whole = body.replacen('{', r#"{"token":"n","#, 1);
            let found = |run: &mode::ReportRun| run.is_latest_report_run.iter().len();
            decodes(GetReportRun::new("r", "n"), &whole, found).await
        }
        "docs_query_run" => {
            let found = |run: &mode::QueryRun| run.data_source_id.iter().len();
            decodes(GetQueryRun::new("r", "n", "q"), body, found).await
        }
        "live2026_query_run_failed" => {
            let found = |run: &mode::QueryRun| run.error_code.iter().len();
            decodes(GetQueryRun::new("r", "n", "q"), body, found).await
        }
        "live2026_query_run_token_from_link" => {
            let found = |run: &mode::QueryRun| run.query().iter().len();
            decodes(GetQueryRun::new("r", "n", "q"), body, found).await
        }
        "live2026_report_schedule" => {
            decodes(GetSchedule::new("r", "s"), body, |schedule| schedule.cron_hour.iter().len())
                .await
        }
        "pdf_export_new" | "pdf_export_requested" | "pdf_export_completed" => {
            let found = |export: &mode::PdfExport| {
                usize::from(name.ends_with(export.state.as_ref().unwrap().as_str()))
            };
            decodes(ExportPdf::new("r", "n"), body, found).await
        }
        "results_content_json_rows" => {
            decodes(GetReportRunRows::new("r", "n"), body, Vec::len).await
        }
        "verify_200" | "datahub_verify_200" => {
            decodes(Verify::new(), body, |verified| verified.workspace_token.iter().len()).await
        }
        request if request.starts_with("request_") => check_request(request, body),
        error if error.starts_with("error_") => fails(error, body).await,
        other => panic!("{other} has no model here: add one, or list it with a reason"),
    }
}

fn check_request(name: &str, body: &str) -> usize {
    match name {
        "request_run_report" => sends(
            &CreateReportRun::new("r")
                .parameter("user_id", 123)
                .parameter("location", "San Francisco"),
            body,
        ),
        "request_run_report_live" => {
            sends(&CreateReportRun::new("r").parameter("region", "apac"), body)
        }
        "request_refresh_datasets_repaired" => {
            sends(&RefreshReportDatasets::new("r", ["5a4177a2902c"]), body)
        }
        "request_query_create" => {
            sends(&CreateQuery::new("r", 1234, "select 1").name("Query 1"), body)
        }
        "request_query_create_docs" => {
            sends(&CreateQuery::new("r", 1, "SELECT * from the_way_down").name("Turtles"), body)
        }
        "request_report_schedule_create" => sends(
            &CreateSchedule::new("r", Cron::daily(10, 0).time_zone("UTC"))
                .name("Daily")
                .timeout(Duration::from_secs(3600)),
            body,
        ),
        other => panic!("{other} has no request here: add one, or list it with a reason"),
    }
}

fn client(script: &ScriptedTransport) -> mode::Client {
    let builder = mode::Client::builder().workspace("acme").transport(script.clone());
    builder.clock(ManualClock::new()).build().unwrap()
}

/// The sample decodes.
async fn decodes<E: Endpoint<Api = mode::Mode> + Clone>(
    request: E,
    body: &str,
    found: impl Fn(&E::Output) -> usize,
) -> usize
where
    E::Output: Travels,
{
    reports_only_what_is_new(
        || mode::Client::builder().workspace("acme").clock(ManualClock::new()),
        &request,
        body,
    )
    .await;
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    match client(&script).send(request).await {
        Ok(answer) => {
            travels(E::OPERATION, &*answer, body);
            found(&answer)
        }
        Err(error) => panic!("{}", error.report()),
    }
}

/// The sample is a whole list of so many items, though every page be the same.
async fn walks<E: PagedEndpoint<Api = mode::Mode>>(request: E, body: &str, items: usize) -> usize
where
    E::Item: Travels,
{
    reports_only_what_is_new(
        || mode::Client::builder().workspace("acme").clock(ManualClock::new()),
        &request,
        body,
    )
    .await;
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    if E::OPERATION == "mode.reports.list_of_data_source" {
        script.respond(200, r#"{"_links":{"self":{"href":""}},"_embedded":{}}"#);
    } else {
        (0..2).for_each(|_| script.respond(200, body.to_owned()));
    }
    match client(&script).items(request).try_collect().await {
        Ok(all) => {
            assert_eq!(all.len(), items, "{}", E::OPERATION);
            travels(E::OPERATION, &all, body);
        }
        Err(error) => panic!("{}", error.report()),
    }
    script.sent().len()
}

/// The sample is a page, and this is where the list goes on.
async fn goes_on<E: PagedEndpoint<Api = mode::Mode> + Clone>(
    request: E,
    body: &str,
    next: &str,
) -> usize
where
    E::Item: Travels,
{
    let page = |page: &E::Output| {
        assert_eq!(page.next.as_ref().map(scheduled_runs::Cursor::as_str), Some(next));
        page.items.len()
    };
    decodes(request, body, page).await
}

/// The request's body is the sample.
fn sends<E: Endpoint>(request: &E, body: &str) -> usize {
    let request = request.to_request(&"https://app.mode.com/api/acme".parse().unwrap()).unwrap();
    let sent: Value = serde_json::from_str(str::from_utf8(request.body()).unwrap()).unwrap();
    assert_eq!(sent, serde_json::from_str::<Value>(body).unwrap(), "{}", E::OPERATION);
    1
}

/// The error body is read, whatever its shape.
async fn fails(name: &str, body: &str) -> usize {
    let status = name.split('_').find_map(|part| part.parse::<u16>().ok()).unwrap();
    let script = ScriptedTransport::default();
    for _ in 0..3 {
        let answer = Response::builder().status(status).header("retry-after", "1");
        script.respond_with(answer.body(body.to_owned().into()).unwrap());
    }
    let error = client(&script).send(GetReport::new("r")).await.unwrap_err();
    assert_eq!(error.status(), StatusCode::from_u16(status).ok());
    let said = error.vendor_error().unwrap_or_else(|| panic!("{name}: nothing was read"));
    assert!(said.message.is_some(), "{name}: {said:?}");
    let kind = match name {
        "error_400_with_not_found_id" | "error_404_not_found" => ErrorKind::NotFound,
        "error_429_message_only" => ErrorKind::RateLimited,
        _ => ErrorKind::Rejected,
    };
    assert_eq!(error.kind(), kind, "{name}");
    1
}
