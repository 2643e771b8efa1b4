//! Supermetrics' answers in the documented shapes, and what becomes of them when the vendor changes its mind.
//!
//! The fixtures under `tests/fixtures/supermetrics` are written after the shapes of the vendor's documentation, its
//! `OpenAPI` file, and answers that callers have published, with values of our own.
#![cfg(feature = "supermetrics")]

use std::time::Duration;

use chrono::{DateTime, Utc};
use scheduled_runs::client::Endpoint;
use scheduled_runs::supermetrics::{
    BatchState, CancelBatch, Cell, Column, CreateBatch, FieldSplit, FieldType, GetBatch,
    GetBatchStatus, GetQueryStatus, GetSavedQuery, ListAccounts, ListBatchQueries, ListHistory,
    ListRows, Query, QueryRun, QueryState, RunQuery, SplitPolicy,
};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{ErrorKind, Response, Result, supermetrics};
use serde::Deserialize;

use crate::mutations;

use mutations::Rules;

const GOING_ON: &str = include_str!("../fixtures/supermetrics/run_going_on.json");
const SUCCESS: &str = include_str!("../fixtures/supermetrics/run_success.json");
const SPLIT: &str = include_str!("../fixtures/supermetrics/run_split.json");
const FAILED: &str = include_str!("../fixtures/supermetrics/run_failed.json");
const HISTORY: &str = include_str!("../fixtures/supermetrics/history.json");
const ACCOUNTS: &str = include_str!("../fixtures/supermetrics/accounts.json");
const BATCH: &str = include_str!("../fixtures/supermetrics/batch.json");
const BATCH_STATUS: &str = include_str!("../fixtures/supermetrics/batch_status.json");
const SAVED_QUERY: &str = include_str!("../fixtures/supermetrics/saved_query.json");

async fn decode<E: Endpoint<Api = supermetrics::Supermetrics>>(
    request: E,
    body: &str,
) -> Result<Response<E::Output>> {
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    let client = supermetrics::Client::builder().transport(script).build().unwrap();
    client.send(request).await
}

async fn status(body: &str) -> QueryRun {
    decode(GetQueryStatus::new("x"), body).await.unwrap().into_inner()
}

fn at(text: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

#[tokio::test]
async fn a_run_that_goes_on() {
    let run = status(GOING_ON).await;
    assert_eq!(run.state, Some(QueryState::Running));
    assert_eq!(run.schedule_id.as_ref().unwrap().as_str(), "nightly-0001");
    assert_eq!(run.request_id.as_deref(), Some("rq_7fa0c2d1e9"));
    let progress = run.progress.as_ref().unwrap();
    assert_eq!((progress.queries_ready, progress.queries_total), (Some(3), Some(8)));
    let workflow = run.workflow.as_ref().unwrap();
    assert_eq!((workflow.tasks_scheduled, workflow.tasks_running), (Some(2), Some(5)));
    assert!(run.rows().is_empty() && run.success().is_err());
    let kept = status(r#"{"meta":{"status_code":"QUEUED"}}"#).await;
    assert_eq!(kept.schedule_id.unwrap().as_str(), "x", "the id that was asked for");
}

#[derive(Debug, Deserialize, PartialEq)]
struct Totals {
    day: chrono::NaiveDate,
    visits: u64,
    bounce_rate: Option<f64>,
}

#[tokio::test]
async fn a_run_that_succeeded() {
    let run = status(SUCCESS).await;
    let query = run.query.as_ref().unwrap();
    assert_eq!((query.start_date.as_deref(), query.cache_minutes), (Some("2026-02-01"), Some(30)));
    assert_eq!((query.ds_accounts.len(), query.ds_segments.len()), (2, 1));
    assert_eq!(
        (query.compare_type.as_deref(), query.compare_end_date.as_deref()),
        (Some("none"), None)
    );
    assert_eq!(query.settings.as_ref().unwrap().json(), r#"{ "no_headers": false }"#);
    let field = &query.fields[2];
    assert_eq!(
        (field.id.as_deref(), field.field_id.as_deref()),
        (Some("bounce_rate"), Some("bounceRate"))
    );
    assert_eq!(
        (&field.field_type, &field.field_split),
        (&Some(FieldType::Metric), &Some(FieldSplit::Row))
    );
    assert_eq!(
        (field.data_type.as_deref(), field.data_column),
        (Some("float.number.percentage"), Some(2))
    );
    assert_eq!(field.visible, Some(true));
    let result = run.result.as_ref().unwrap();
    assert_eq!((result.total_columns, result.total_rows), (Some(3), Some(5)));
    assert_eq!(result.run_time, Some(Duration::from_millis(4250)));
    assert_eq!((result.data_sampled, result.cache_used), (Some(false), Some(true)));
    assert_eq!(result.cache_time, at("2026-02-04T05:06:07Z"));
    let next = run.next.unwrap();
    assert_eq!((next.start, next.end), (3, Some(5)));
    assert!(!format!("{run:?}").contains("canary"), "the link holds the key: it is not kept");

    assert_eq!(run.rows().len(), 3);
    let row = &run.rows()[0];
    assert_eq!(row.get("visits"), row.get("Sessions"));
    assert_eq!(row.get("sessions").and_then(Cell::as_f64), Some(1204.0));
    assert!(run.rows()[2].get("bounceRate").unwrap().is_null());
    let names: Vec<_> = run.columns().iter().map(Column::name).collect();
    assert_eq!(names, ["day", "visits", "bounce_rate"]);
    let days: Vec<Totals> = run.deserialize().unwrap();
    let day = |day| chrono::NaiveDate::from_ymd_opt(2026, 2, day).unwrap();
    assert_eq!(
        days,
        [
            Totals { day: day(1), visits: 1204, bounce_rate: Some(0.4375) },
            Totals { day: day(2), visits: 998, bounce_rate: Some(0.5) },
            Totals { day: day(3), visits: 0, bounce_rate: None },
        ]
    );
}

/// Clients of others meet rows under other names than the documented ones.
#[tokio::test]
async fn rows_are_found_wherever_they_are() {
    let objects = r#"[{"Date":"2026-04-16","Cost":1.5},{"Date":"2026-04-17","Cost":1e400}]"#;
    let cells = r#"[["Date","Cost"],["2026-04-16",1.5],["2026-04-17",1e400]]"#;
    for rows in [objects, cells] {
        for data in [
            rows.to_owned(),
            format!(r#"{{"rows":{rows}}}"#),
            format!(r#"{{"result":{rows},"rows":null}}"#),
            format!(r#"{{"data":{rows},"result":{{"total_rows":2}}}}"#),
            format!(r#"{{"result":{{"data":{rows}}}}}"#),
        ] {
            let body = format!(
                r#"{{"meta":{{"status_code":"SUCCESS","result":{{"total_rows":2}}}},"data":{data}}}"#
            );
            let run = status(&body).await;
            let costs: Vec<_> =
                run.rows().iter().map(|row| row.get("Cost").unwrap().to_string()).collect();
            // No float holds the second number: it stays a text.
            assert_eq!(costs, ["1.5", "1e400"], "{body}");
            let page = decode(ListRows::new("x"), &body).await.unwrap();
            assert_eq!((page.items.len(), page.total), (2, Some(2)), "{body}");
        }
    }
}

#[tokio::test]
async fn rows_that_are_counted_and_not_found_are_an_error() {
    for data in ["[]", "null", "{}", r#"{"table":[["x"],["y"]]}"#, r#"[["header"]]"#] {
        let body = format!(
            r#"{{"meta":{{"status_code":"SUCCESS","result":{{"total_rows":2}}}},"data":{data}}}"#
        );
        let error = decode(RunQuery::new(Query::new("GA")), &body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        assert!(error.to_string().contains("counts 2, but has none"), "{error}");
        assert!(decode(GetQueryStatus::new("x"), &body).await.is_err(), "{body}");
        assert!(decode(ListRows::new("x"), &body).await.is_err(), "{body}");
        // The page may be beyond the end.
        let beyond = GetQueryStatus::new("x").offset_start(2).offset_end(3);
        assert!(decode(beyond, &body).await.unwrap().rows().is_empty(), "{body}");
        let none = body.replace(":2}", ":0}");
        assert!(decode(GetQueryStatus::new("x"), &none).await.is_ok(), "{none}");
    }
    for data in ["7", r#""x""#, "true", "[7]", r#"[["x"],"y"]"#, r#"{"rows":7}"#] {
        let body = format!(r#"{{"meta":{{"status_code":"SUCCESS"}},"data":{data}}}"#);
        let error = decode(GetQueryStatus::new("x"), &body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
    }
}

#[tokio::test]
async fn a_field_that_is_split_into_columns() {
    #[derive(Debug, Deserialize)]
    struct Orders {
        #[serde(rename = "Shop")]
        shop: String,
        phone: u32,
        desk: Option<f32>,
    }
    let run = status(SPLIT).await;
    assert!(run.is_success(), "an old answer says no state");
    let orders: Vec<Orders> = run.deserialize().unwrap();
    assert_eq!(
        (orders[0].shop.as_str(), orders[0].phone, orders[0].desk),
        ("Turku", 12, Some(3.5))
    );
    assert_eq!((orders[1].phone, orders[1].desk), (7, None));
    assert!(run.columns()[2].field.is_none());
}

#[tokio::test]
async fn a_run_that_failed() {
    let run = status(FAILED).await;
    let error = run.error.as_ref().unwrap();
    assert_eq!(error.code.as_deref(), Some("QUERY_AUTH_UNAVAILABLE"));
    assert_eq!(error.docs_url.as_deref(), Some("https://docs.example.com/errors"));
    let error = run.success().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RunFailed);
    assert_eq!(
        error.to_string(),
        "the query ended as FAILURE: Login is not usable: The login shop@example.com has to be connected again \
         (code QUERY_AUTH_UNAVAILABLE)"
    );
}

#[tokio::test]
async fn the_history_and_the_accounts() {
    let page = decode(ListHistory::new(), HISTORY).await.unwrap();
    assert_eq!((page.total, page.next.as_ref().unwrap().as_str()), (Some(3), "offset=2"));
    let [done, waits] = &page.items[..] else { panic!("two runs") };
    assert_eq!(done.schedule_time, at("2026-02-03T02:05:06Z"));
    assert_eq!((done.rows, done.run_time), (Some(5), Some(Duration::from_millis(4250))));
    assert_eq!((done.app_id.as_deref(), done.ds_id.as_deref()), (Some("API"), Some("GAWA")));
    assert_eq!((&waits.state, waits.app_id.as_deref()), (&Some(QueryState::Queued), Some("7")));
    assert_eq!(waits.schedule_time, at("2026-02-03T04:15:06Z"));

    let logins = decode(ListAccounts::new("GAWA"), ACCOUNTS).await.unwrap();
    assert_eq!(logins.len(), 2);
    assert_eq!(logins[0].ds_user.as_deref(), Some("shop@example.com"));
    assert_eq!(logins[0].cache_time, at("2026-02-03T04:05:06Z"));
    let account = &logins[0].accounts[1];
    assert_eq!(
        (account.account_id.as_deref(), account.group_name.as_deref()),
        (Some("881101"), Some("North"))
    );
    assert!(logins[1].accounts.is_empty());
}

#[tokio::test]
async fn batches_and_their_queries() {
    let batch = decode(GetBatch::new("bt-0042"), BATCH).await.unwrap();
    assert_eq!((batch.batch_id.as_str(), &batch.state), ("bt-0042", &Some(BatchState::Running)));
    assert_eq!((batch.start_time, batch.end_time), (at("2026-02-03T04:00:01Z"), None));
    assert_eq!(batch.split_dates_policy, Some(SplitPolicy::Day));
    assert_eq!((batch.timeout_minutes, batch.query_amount), (Some(45), Some(3)));
    assert_eq!(batch.add_clean_data_types, Some(true));

    let status = decode(GetBatchStatus::new("bt-0042"), BATCH_STATUS).await.unwrap();
    assert!(status.state.as_ref().unwrap().is_terminal());
    let progress = status.progress.as_ref().unwrap();
    assert_eq!((progress.success, progress.failure, status.total), (Some(1), Some(1), Some(3)));
    let page = decode(ListBatchQueries::new("bt-0042"), BATCH_STATUS).await.unwrap();
    assert_eq!((page.total, page.next.as_ref().unwrap().as_str()), (Some(3), "offset=2"));
    let [good, bad] = &page.items[..] else { panic!("two queries") };
    assert_eq!(good.result_info.as_ref().unwrap().total_rows, Some(17));
    assert_eq!(good.split_info.as_ref().unwrap().start_date.as_deref(), Some("2026-02-01"));
    assert!(good.error_info.is_none() && bad.result_info.is_none());
    let error = bad.error_info.as_ref().unwrap();
    assert_eq!(
        (error.status, error.code.as_deref()),
        (Some(403), Some("LICENSE_ROW_LIMIT_EXCEEDED"))
    );
    assert_eq!(
        error.to_string(),
        "Too many rows: The licence allows 1000 (code LICENSE_ROW_LIMIT_EXCEEDED)"
    );
    assert!(!format!("{page:?}").contains("canary"));

    for (body, found) in
        [(BATCH, true), ("", false), (r#"{"meta":{}}"#, false), (r#"{"data":null}"#, false)]
    {
        let cancelled = decode(CancelBatch::new("bt-0042"), body).await.unwrap();
        assert_eq!(cancelled.is_some(), found, "{body}");
    }
    let page = decode(CancelBatch::new("bt-0042"), "<html>").await.unwrap_err();
    assert_eq!(page.kind(), ErrorKind::UnexpectedContent);
}

#[tokio::test]
async fn a_stored_query_becomes_one_that_can_be_changed_and_run() {
    let saved = decode(GetSavedQuery::new("sq-31"), SAVED_QUERY).await.unwrap();
    assert_eq!(
        (saved.slug.as_deref(), saved.name.as_deref()),
        (Some("shops-daily"), Some("Shops, daily"))
    );
    assert_eq!(saved.ds_info.as_ref().unwrap().ds_id.as_deref(), Some("GAWA"));
    assert_eq!(saved.group_info.as_ref().unwrap().group_id.as_deref(), Some("gr-2"));
    let query = Query::new("GAWA")
        .accounts(["881100"])
        .start_date("yesterday")
        .end_date("yesterday")
        .fields("date,sessions")
        .parameter("ds_login", "dsl_9");
    assert_eq!(saved.query().unwrap(), query);
    let none = decode(GetSavedQuery::new("q"), r#"{"data":{"query_params":{}}}"#).await.unwrap();
    assert_eq!(none.query().unwrap_err().kind(), ErrorKind::Decode);
}

/// Only what a batch and a stored query cannot be without may be missed.
#[tokio::test]
async fn members_may_be_missing_null_new_or_of_another_type() {
    let client = || supermetrics::Client::builder().clock(ManualClock::new());
    let rules = Rules { required: &[], typed: &["/data"], kept: &["/settings", "/error"] };
    // Rows may be in an object, and cells may be anything.
    let rows = Rules {
        typed: &["/data", "/data/*"],
        kept: &["/settings", "/error", "/data", "/paginate/next"],
        ..rules
    };
    for fixture in [GOING_ON, SUCCESS, SPLIT, FAILED] {
        mutations::check(client, GetQueryStatus::new("x").offset_start(0), fixture, rows).await;
    }
    mutations::check(client, ListHistory::new(), HISTORY, rules).await;
    mutations::check(client, ListAccounts::new("GA"), ACCOUNTS, rules).await;
    let batch = Rules { required: &["/batch_id", "/data"], typed: &[], ..rules };
    mutations::check(client, GetBatch::new("b"), BATCH, batch).await;
    mutations::check(client, ListBatchQueries::new("b"), BATCH_STATUS, rules).await;
    mutations::check(client, GetBatchStatus::new("b"), BATCH_STATUS, rules).await;
    let saved = Rules { required: &["/data"], typed: &[], kept: &["/query_params"] };
    mutations::check(client, GetSavedQuery::new("q"), SAVED_QUERY, saved).await;
}

#[tokio::test]
async fn states_the_vendor_invents_are_kept_and_never_over() {
    let run = status(r#"{"meta":{"status_code":"Postponed"},"data":[]}"#).await;
    assert_eq!(run.state.as_ref().unwrap().as_str(), "Postponed");
    assert!(!run.state.as_ref().unwrap().is_terminal() && !run.is_success());
    let batch =
        decode(GetBatchStatus::new("b"), r#"{"meta":{"status_code":"DONE"}}"#).await.unwrap();
    assert!(!batch.state.as_ref().unwrap().is_terminal());
}

#[tokio::test]
async fn an_answer_nobody_can_read_leaves_a_run_in_doubt_and_a_read_not() {
    for (body, kind) in [
        ("", ErrorKind::Decode),
        ("null", ErrorKind::Decode),
        ("7", ErrorKind::Decode),
        (r#"{"data":7}"#, ErrorKind::Decode),
        ("<html>please log in</html>", ErrorKind::UnexpectedContent),
    ] {
        let error = decode(RunQuery::new(Query::new("GA")), body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, true), "{body:?}");
        assert!(!error.to_string().contains("log in"));
        let error = decode(GetQueryStatus::new("x"), body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, false), "{body:?}");
        let error = decode(ListRows::new("x"), body).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{body:?}");
        let error = decode(CreateBatch::new([Query::new("GA")]), body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, true), "{body:?}");
    }
}

/// Rows that cannot be continued by a link are continued by their number.
#[tokio::test]
async fn a_link_to_the_next_page_that_cannot_be_read_is_not_the_end() {
    for (next, is_last) in
        [("true", false), ("{}", false), (r#"["x"]"#, false), ("null", true), (r#""""#, true)]
    {
        let body = format!(
            r#"{{"meta":{{"status_code":"SUCCESS","paginate":{{"next":{next}}}}},"data":[["x"],["y"]]}}"#
        );
        let page = decode(ListRows::new("x"), &body).await.unwrap();
        assert_eq!((page.items.len(), page.next.is_none()), (1, is_last), "{body}");
    }
}
