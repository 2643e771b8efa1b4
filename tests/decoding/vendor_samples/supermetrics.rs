//! Supermetrics' samples.

use http::{Response, StatusCode};
use scheduled_runs::client::{Endpoint, PagedEndpoint as _};
use scheduled_runs::supermetrics::{
    Cell, GetQueryStatus, ListAccounts, ListHistory, ListResults, ListRows, Query, QueryState, Row,
    RunQuery, StartQuery,
};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{Cursor, ErrorKind, Page, supermetrics};
use serde_json::Value;

use super::round_trip::Travels;
use super::{reports_only_what_is_new, samples, travels};

#[tokio::test]
async fn every_supermetrics_sample_decodes_into_its_model() {
    let Some(samples) = samples("supermetrics") else { return };
    let mut checked = 0;
    for (name, body) in samples {
        assert!(check(&name, &body).await > 0, "{name} decodes to nothing");
        checked += 1;
    }
    eprintln!("{checked} samples of Supermetrics checked");
    assert!(checked >= 39, "only {checked} samples were checked");
}

/// How much of what the sample is about was found.
async fn check(name: &str, body: &str) -> usize {
    match name {
        "cli_accounts_flat_200" => {
            let accounts = |logins: &Vec<supermetrics::Login>| {
                logins.iter().map(|login| login.accounts.len()).sum()
            };
            assert_eq!(decodes(ListAccounts::new("GA"), body, accounts).await, 2);
            2
        }
        "cli_accounts_nested_200" => {
            let accounts = |logins: &Vec<supermetrics::Login>| {
                assert!(logins[0].accounts.iter().all(|account| account.account_id.is_some()));
                logins[0].accounts.len()
            };
            assert_eq!(decodes(ListAccounts::new("GA"), body, accounts).await, 3);
            3
        }
        "cli_query_page_1" | "cli_query_page_2_last" => {
            let first = name.ends_with('1');
            let mut request = ListRows::new("s").limit(3);
            if !first {
                request = request.at(&Cursor::new("offset=3"));
            }
            let rows = |page: &Page<Row>| {
                assert_eq!(page.next.as_ref().map(Cursor::as_str), first.then_some("offset=3"));
                assert_eq!(page.total, Some(5));
                assert!(page.items.iter().all(|row| row.get("name").is_some()));
                page.items.len()
            };
            assert_eq!(decodes_rows(request, body, rows).await, if first { 3 } else { 2 });
            1
        }
        "cli_query_success_data_object" => {
            let numbers = |run: &supermetrics::QueryRun| run.rows()[0].cells().len();
            decodes(GetQueryStatus::new("s").no_headers(), body, numbers).await
        }
        "cli_query_success_table" => {
            let cell = |run: &supermetrics::QueryRun| {
                run.rows()[0].get("a").and_then(Cell::as_str).unwrap().len()
            };
            decodes(RunQuery::new(Query::new("GA")), body, cell).await
        }
        "cli_query_success_empty" | "pysdk_data_empty_lowercase" => {
            let empty = |run: &supermetrics::QueryRun| {
                usize::from(run.is_success() && run.rows().is_empty())
            };
            decodes(RunQuery::new(Query::new("GA")), body, empty).await
        }
        "pysdk_data_success_lowercase" => {
            decodes(GetQueryStatus::new("s").no_headers(), body, |run| run.rows().len()).await
        }
        "pysdk_results_request_id_as_schedule_id" => {
            decodes_rows(ListResults::new("s").no_headers(), body, |page| page.items.len()).await
        }
        "cli_query_failure_data_null" => is(GetQueryStatus::new("s"), body, "FAILURE").await,
        "cli_query_scheduled_data_null" => is(GetQueryStatus::new("s"), body, "SCHEDULED").await,
        "pysdk_pending_no_data_key" => is(GetQueryStatus::new("s"), body, "pending").await,
        "query_data_async_queued_202" => {
            is(StartQuery::new(Query::new("GA")), body, "QUEUED").await
        }
        "query_status_running_200" => is(GetQueryStatus::new("s"), body, "RUNNING").await,
        "viadot_data_pivoted_no_data" => {
            let described = |run: &supermetrics::QueryRun| {
                assert!(run.is_success() && run.rows().is_empty());
                run.query.as_ref().unwrap().fields.len()
            };
            decodes(RunQuery::new(Query::new("GA")), body, described).await
        }
        "viadot_data_pivoted_numbers" => {
            let row = |run: &supermetrics::QueryRun| {
                let row = &run.rows()[0];
                assert!(row.get("Date").is_some() && row.get("profile").is_some());
                let pivoted = row.columns().iter().filter(|column| column.field.is_none());
                pivoted.filter_map(|column| row.get(column.name())?.as_f64()).count()
            };
            assert_eq!(decodes(RunQuery::new(Query::new("GA")), body, row).await, 4);
            4
        }
        // A part of an answer, whose link the vendor wrote with dots in the place of a query: it says that there is more.
        "paginate_block_docs_repaired" => {
            let members = body.trim().strip_prefix('{').unwrap().strip_suffix('}').unwrap();
            let whole =
                format!(r#"{{"meta":{{"status_code":"SUCCESS",{members}}},"data":[["h"],["x"]]}}"#);
            decodes_rows(ListRows::new("s"), &whole, |page| page.next.iter().len()).await
        }
        request if request.starts_with("request_") => check_request(request, body),
        error if error.contains("error_") => fails(error, body).await,
        other => panic!("{other} has no model here: add one, or list it with a reason"),
    }
}

fn check_request(name: &str, body: &str) -> usize {
    match name {
        "request_query_data_async" => {
            // The vendor left the data source out, which a query cannot be without.
            let mut sample: Value = serde_json::from_str(body).unwrap();
            sample["ds_id"] = "GA".into();
            sends(&StartQuery::new(Query::new("GA")), &sample)
        }
        "request_query_data_example" => {
            let query = Query::new("GA")
                .accounts("567890")
                .start_date("2020-01-01")
                .end_date("today")
                .fields("date, impressions")
                .no_headers()
                .max_rows(1000);
            stored(&query, body)
        }
        "request_query_data_spec_example" => {
            let query = Query::new("GAWA").start_date("yesterday").end_date("yesterday");
            stored(&query.fields(["date", "sessions"]), body)
        }
        "request_query_history" => {
            let mut sample: Value = serde_json::from_str(body).unwrap();
            // What the vendor takes where nothing is sent.
            (sample["offset"], sample["limit"]) = (0.into(), 100.into());
            // A text with commas is sent as a list.
            sample["ds_ids"] = serde_json::json!(["GA", "AW"]);
            sends(&ListHistory::new().ds_ids("GA, AW").since("10 minutes ago"), &sample)
        }
        "request_query_status"
        | "request_query_status_async_page"
        | "request_query_status_spec_example" => {
            let sample: Value = serde_json::from_str(body).unwrap();
            sends(&GetQueryStatus::new(sample["schedule_id"].as_str().unwrap()), &sample)
        }
        other => panic!("{other} has no request here: add one, or list it with a reason"),
    }
}

/// The sample is the query in the vendor's own form, there and back.
fn stored(query: &Query, body: &str) -> usize {
    assert_eq!(&serde_json::from_str::<Query>(body).unwrap(), query);
    // A text with commas is sent as a list.
    let sent = serde_json::to_value(query).unwrap();
    assert_eq!(&serde_json::from_value::<Query>(sent).unwrap(), query);
    1
}

/// The request's parameters are the sample's, but for the key, which goes into a header.
fn sends<E: Endpoint>(request: &E, sample: &Value) -> usize {
    let mut sample = sample.clone();
    sample.as_object_mut().unwrap().remove("api_key");
    let request = request.to_request(&supermetrics::BASE_URL.parse().unwrap()).unwrap();
    let (_, json) = request.url().query_pairs().find(|(name, _)| name == "json").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), sample, "{}", E::OPERATION);
    1
}

fn client(script: &ScriptedTransport) -> supermetrics::Client {
    let builder = supermetrics::Client::builder().transport(script.clone());
    builder.clock(ManualClock::new()).build().unwrap()
}

/// The sample decodes, and what it decodes to travels on.
async fn decodes<E: Endpoint<Api = supermetrics::Supermetrics> + Clone>(
    request: E,
    body: &str,
    found: impl Fn(&E::Output) -> usize,
) -> usize
where
    E::Output: Travels,
{
    let found = |output: &E::Output| {
        travels(E::OPERATION, output, body);
        found(output)
    };
    reads(request, body, found).await
}

/// The sample is a page of rows. They serialise as they came; without their run they are not read again.
async fn decodes_rows<E>(request: E, body: &str, found: impl Fn(&Page<Row>) -> usize) -> usize
where
    E: Endpoint<Api = supermetrics::Supermetrics, Output = Page<Row>> + Clone,
{
    let found = |page: &Page<Row>| {
        let sample: Value = serde_json::from_str(body).unwrap();
        let data = sample["data"].as_array().or_else(|| sample.as_array()).unwrap();
        for row in &page.items {
            assert!(data.contains(&serde_json::to_value(row).unwrap()), "{row:?}");
        }
        found(page)
    };
    reads(request, body, found).await
}

async fn reads<E: Endpoint<Api = supermetrics::Supermetrics> + Clone>(
    request: E,
    body: &str,
    found: impl Fn(&E::Output) -> usize,
) -> usize {
    reports_only_what_is_new(
        || supermetrics::Client::builder().clock(ManualClock::new()),
        &request,
        body,
    )
    .await;
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    match client(&script).send(request).await {
        Ok(answer) => found(&answer),
        Err(error) => panic!("{}", error.report()),
    }
}

/// The sample is a run in this state, without rows.
async fn is<E>(request: E, body: &str, state: &str) -> usize
where
    E: Endpoint<Api = supermetrics::Supermetrics, Output = supermetrics::QueryRun> + Clone,
{
    let found = |run: &supermetrics::QueryRun| {
        assert!(run.rows().is_empty() && !run.is_success());
        assert!(run.request_id.is_some());
        usize::from(run.state == Some(QueryState::from(state)))
    };
    decodes(request, body, found).await
}

/// The error body is read, whatever its shape and status.
async fn fails(name: &str, body: &str) -> usize {
    let named = name.split('_').find_map(|part| part.parse::<u16>().ok());
    let status = named.filter(|status| *status > 200).unwrap_or(200);
    let script = ScriptedTransport::default();
    for _ in 0..3 {
        let answer = Response::builder().status(status).header("retry-after", "1");
        script.respond_with(answer.body(body.to_owned().into()).unwrap());
    }
    let error = client(&script).send(ListAccounts::new("GA")).await.unwrap_err();
    assert_eq!(error.status(), StatusCode::from_u16(status).ok());
    let said = error.vendor_error().unwrap_or_else(|| panic!("{name}: nothing was read"));
    assert!(said.message.is_some(), "{name}: {said:?}");
    let kind = match status {
        401 => ErrorKind::Auth,
        403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        429 => ErrorKind::RateLimited,
        500 => ErrorKind::Server,
        _ => ErrorKind::Rejected,
    };
    assert_eq!(error.kind(), kind, "{name}");
    if !name.contains("problem") {
        assert!(said.code.is_some() && error.request_id().is_some(), "{name}");
    }
    1
}
