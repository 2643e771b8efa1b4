//! Supermetrics' client over a scripted transport: what is sent, how rows are walked, how queries are started, watched
//! and explained, and where the key never shows.
#![cfg(feature = "supermetrics")]

use std::time::Duration;

use futures_util::StreamExt as _;
use http::Response;
use scheduled_runs::client::{ApiRequest, Clock, TransportErrorKind};
use scheduled_runs::supermetrics::{
    ApiKey, CreateBatch, Download, DownloadQuery, Format, GetMe, GetQueryStatus, GetResults,
    GetSavedQuery, ListAccounts, ListBatchQueries, ListHistory, ListResults, ListRows, Query,
    QueryState, Row, RunQuery, RunSavedQuery, ScheduleId, StartQuery,
};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{
    CallLimits, Cursor, Delivery, Error, ErrorKind, Phase, RunProvider, RunProviderExt, RunRef,
    Target, supermetrics,
};
use serde_json::{Value, json};

const KEY: &str = "api_canary_0123456789";

fn scripted_with(key: ApiKey) -> (ScriptedTransport, ManualClock, supermetrics::Client) {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let builder = supermetrics::Client::builder().credential(key).transport(script.clone());
    let client = builder.clock(clock.clone()).build().unwrap();
    (script, clock, client)
}

fn scripted() -> (ScriptedTransport, ManualClock, supermetrics::Client) {
    scripted_with(ApiKey::new(KEY))
}

/// The parameters of a request, from its URL or its body.
fn parameters(request: &ApiRequest) -> Value {
    let json = request.url().query_pairs().find(|(name, _)| name == "json");
    let text = json.map_or_else(
        || String::from_utf8(request.body().to_vec()).unwrap(),
        |(_, json)| json.into_owned(),
    );
    serde_json::from_str(&text).unwrap_or_default()
}

/// Method and path of everything sent, below the API.
fn sent(script: &ScriptedTransport) -> Vec<String> {
    let base = url_path(supermetrics::BASE_URL);
    let line = |request: &ApiRequest| {
        let path = request.url().path();
        format!("{} {}", request.method(), path.strip_prefix(&base).unwrap_or(path))
    };
    script.sent().iter().map(line).collect()
}

fn url_path(url: &str) -> String {
    url::Url::parse(url).unwrap().path().to_owned()
}

fn query() -> Query {
    Query::new("GAWA").fields(["date", "sessions"]).start_date("yesterday").end_date("yesterday")
}

/// An answer with rows under a row of headers.
fn page(rows: &[&str], more: &Value) -> String {
    let mut meta = json!({ "status_code": "SUCCESS" });
    meta.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let rows: Vec<_> = rows.iter().map(|row| json!([row])).collect();
    let data: Vec<_> = [json!(["Date"])].into_iter().chain(rows).collect();
    json!({ "meta": meta, "data": data }).to_string()
}

fn texts(rows: &[Row]) -> String {
    rows.iter().map(|row| row.cells()[0].to_string()).collect()
}

fn failure(code: &str) -> String {
    json!({ "meta": { "request_id": "rq-9" }, "error": { "code": code, "message": "no" } })
        .to_string()
}

fn state(state: &str) -> String {
    json!({ "meta": { "schedule_id": "s-1", "status_code": state }, "data": null }).to_string()
}

#[tokio::test]
async fn every_request_carries_the_key_in_its_header_and_nowhere_else() {
    let (script, _, client) = scripted();
    script.respond(200, "{}");
    client.send(GetMe::new()).await.unwrap();
    script.respond(200, state("RUNNING"));
    client.send(RunQuery::new(query()).post()).await.unwrap();
    let requests = script.sent();
    assert_eq!(requests[0].url().as_str(), "https://api.supermetrics.com/me");
    assert_eq!(
        requests[1].url().as_str(),
        "https://api.supermetrics.com/enterprise/v2/query/data/json"
    );
    for request in requests {
        assert_eq!(request.headers()["authorization"], format!("Bearer {KEY}"));
        assert!(!request.url().as_str().contains("canary"));
        assert!(!String::from_utf8_lossy(request.body()).contains("canary"));
        assert!(!format!("{request:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a_key_in_the_parameters_goes_where_the_parameters_are() {
    let (script, _, client) = scripted_with(ApiKey::new(KEY).in_parameters());
    (0..5).for_each(|_| script.respond(200, state("RUNNING")));
    client.send(GetQueryStatus::new("s-1")).await.unwrap();
    client.send(RunQuery::new(query())).await.unwrap();
    client.send(RunQuery::new(query()).post()).await.unwrap();
    let batch = CreateBatch::new([query()]);
    client.send(batch).await.unwrap_err();
    client.send(ListBatchQueries::new("b").limit(5)).await.unwrap();
    let requests = script.sent();
    assert_eq!(parameters(&requests[0]), json!({ "api_key": KEY, "schedule_id": "s-1" }));
    for request in &requests[1..3] {
        let parameters = parameters(request);
        assert_eq!((&parameters["api_key"], &parameters["ds_id"]), (&json!(KEY), &json!("GAWA")));
    }
    assert_eq!(requests[2].url().query(), None);
    assert_eq!(parameters(&requests[3])["api_key"], KEY);
    assert_eq!(requests[4].url().query(), Some(&*format!("offset=0&limit=5&api_key={KEY}")));
    for request in requests {
        assert!(!request.headers().contains_key("authorization"));
        assert!(!format!("{request:?}").contains("canary"), "{request:?}");
    }
}

/// Everything about an error that people see, and its causes.
fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {}", error.report());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text} {error} {error:?}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn no_output_shows_the_key_wherever_it_goes_and_whatever_comes_back() {
    let in_parameters = ApiKey::new(KEY).in_parameters();
    assert!(!format!("{in_parameters:?}").contains("canary"));
    let object = format!(r#"{{"api_key":"{KEY}","schedule_id":"s"}}"#);
    let encoded: String = url::form_urlencoded::byte_serialize(object.as_bytes()).collect();
    let bodies = [
        format!(
            r#"{{"meta":{{"request_id":"{KEY}"}},"error":{{"code":"{KEY}","message":"key {KEY}","description":"json={encoded}"}}}}"#
        ),
        format!(r#"{{"error":"BAD_KEY","message":"{KEY}"}}"#),
        format!(
            r#"{{"title":"{KEY}","detail":"json={encoded}","instance":"/{KEY}","type":"{KEY}"}}"#
        ),
        format!("no such key {KEY}"),
        format!("<html>{KEY}</html>"),
        format!(
            r#"{{"meta":{{"status_code":"FAILURE"}},"error":{{"code":"QUERY_ERROR","message":"{KEY}"}}}}"#
        ),
        format!(
            r#"{{"meta":{{"status_code":"FAILURE","error":{{"message":"{KEY}"}}}},"data":null}}"#
        ),
        format!(r#"{{"meta":{{"status_code":"{KEY}"}},"data":[]}}"#),
        format!(r#"{{"meta":{{"schedule_id":7,"x":"{KEY}"}}}}"#),
    ];
    for key in [ApiKey::new(KEY), in_parameters] {
        for body in &bodies {
            for status in [200, 400, 401, 500] {
                let (script, _, client) = scripted_with(key.clone());
                assert!(!format!("{client:?}").contains("canary"));
                (0..20).for_each(|_| script.respond(status, body.clone()));
                let target = supermetrics::target(&query());
                let mut errors = Vec::new();
                errors.extend(client.send(RunQuery::new(query())).await.err());
                errors.extend(client.send(GetQueryStatus::new("s")).await.err());
                errors.extend(client.items(ListRows::new("s")).try_collect().await.err());
                errors.extend(client.send(GetResults::new("s")).await.err());
                errors.extend(client.send(ListAccounts::new("GA")).await.err());
                errors.extend(client.trigger(&target).await.err());
                assert!(!errors.is_empty(), "{status} {body}");
                for error in errors {
                    assert!(!shown(&error).contains("canary"), "{}", error.report());
                }
            }
        }
    }
}

#[tokio::test]
async fn a_link_that_holds_the_key_is_neither_followed_nor_kept() {
    let (script, _, client) = scripted_with(ApiKey::new(KEY).in_parameters());
    let link =
        format!(r#"https://elsewhere.example/x?json={{"api_key":"{KEY}","offset_start":2}}"#);
    script.respond(200, page(&["a", "b"], &json!({ "paginate": { "next": link } })));
    script.respond(200, page(&["c"], &json!({ "paginate": {} })));
    let mut pages = client.pages(ListRows::new("s-1").limit(2));
    let first = pages.next().await.unwrap().unwrap();
    let cursor = pages.cursor().unwrap();
    assert_eq!(serde_json::to_string(cursor).unwrap(), r#""offset=2""#);
    assert!(!format!("{pages:?} {cursor:?} {first:?}").contains("canary"));
    assert_eq!(texts(&pages.next().await.unwrap().unwrap().items), "c");
    assert!(pages.next().await.is_none());
    assert!(
        script
            .sent()
            .iter()
            .all(|request| request.url().host_str() == Some("api.supermetrics.com"))
    );
}

#[tokio::test]
async fn a_query_is_run_and_its_rows_become_types() {
    #[derive(Debug, serde::Deserialize)]
    struct Visits {
        date: String,
        sessions: u64,
    }
    // 200 and 202 say nothing: the state does.
    for status in [200, 202] {
        let (script, _, client) = scripted();
        let fields = json!([
            { "id": "date", "field_name": "Date", "data_column": 0 },
            { "id": "sessions", "field_name": "Sessions", "data_column": 1 },
        ]);
        script.respond(
            status,
            json!({
                "meta": { "schedule_id": "s-1", "status_code": "SUCCESS", "query": { "fields": fields } },
                "data": [["Date", "Sessions"], ["2026-02-01", "7"], ["2026-02-02", 8]],
            })
            .to_string(),
        );
        let run = client.send(RunQuery::new(query())).await.unwrap();
        let visits: Vec<Visits> = run.deserialize().unwrap();
        assert_eq!((visits[0].date.as_str(), visits[1].sessions), ("2026-02-01", 8));

        script.respond(status, state("RUNNING"));
        let run = client.send(RunQuery::new(query())).await.unwrap();
        assert_eq!(run.state, Some(QueryState::Running));
        assert_eq!(run.deserialize::<Visits>().unwrap_err().kind(), ErrorKind::Config);

        script.respond(status, state("FAILURE"));
        let error = client.send(RunQuery::new(query())).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::RunFailed, Some("supermetrics.queries.run"))
        );
        script.respond(status, failure("QUERY_ERROR"));
        let error = client.send(RunQuery::new(query())).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::RunFailed, true));
        assert_eq!(script.sent().len(), 4, "a failed run is not run again");
    }
}

#[tokio::test]
async fn rows_without_headers_are_read_from_the_first_on() {
    let (script, _, client) = scripted();
    let body = r#"{"meta":{"status_code":"SUCCESS"},"data":[["a"],["b"]]}"#;
    (0..4).for_each(|_| script.respond(200, body));
    assert_eq!(texts(client.send(RunQuery::new(query().no_headers())).await.unwrap().rows()), "ab");
    assert_eq!(texts(client.send(RunQuery::new(query())).await.unwrap().rows()), "b");
    assert_eq!(
        texts(client.send(GetQueryStatus::new("s").no_headers()).await.unwrap().rows()),
        "ab"
    );
    let rows = client.items(ListRows::new("s").no_headers()).try_collect().await.unwrap();
    assert_eq!(texts(&rows), "ab");
}

#[tokio::test]
async fn rows_come_page_by_page_without_the_headers_that_each_page_repeats() {
    let (script, _, client) = scripted();
    let total = json!({ "result": { "total_rows": 5 } });
    script.respond(200, page(&["a", "b"], &total));
    script.respond(200, page(&["c", "d"], &total));
    script.respond(200, page(&["e"], &total));
    let rows = client.items(ListRows::new("s-1").limit(2)).try_collect().await.unwrap();
    assert_eq!(texts(&rows), "abcde");
    let offsets: Vec<_> = script.sent().iter().map(parameters).collect();
    assert_eq!(
        offsets,
        [
            json!({ "schedule_id": "s-1", "offset_start": 0, "offset_end": 1 }),
            json!({ "schedule_id": "s-1", "offset_start": 2, "offset_end": 3 }),
            json!({ "schedule_id": "s-1", "offset_start": 4, "offset_end": 5 }),
        ]
    );

    // Resumed in another process.
    script.respond(200, page(&["e"], &total));
    let rest = client.items(ListRows::new("s-1").limit(2)).resume_at(Cursor::new("offset=4"));
    assert_eq!(texts(&rest.try_collect().await.unwrap()), "e");
}

#[tokio::test]
async fn counted_rows_are_fetched_side_by_side() {
    let (script, _, client) = scripted();
    let total = json!({ "result": { "total_rows": 5 } });
    script.respond(200, page(&["a", "b"], &total));
    script.respond(200, page(&["c", "d"], &total));
    script.respond(200, page(&["e"], &total));
    let pages = client.pages(ListResults::new("s-1").limit(2)).concurrent(2);
    let rows: Vec<_> = pages.map(|page| texts(&page.unwrap().items)).collect().await;
    assert_eq!(rows, ["ab", "cd", "e"]);
    let offsets: Vec<_> =
        script.sent().iter().map(|request| parameters(request)["offset"].clone()).collect();
    assert_eq!(offsets, [json!(0), json!(2), json!(4)]);

    // The vendor sends less on a page than was asked for: then no page can be named beforehand.
    let (script, _, client) = scripted();
    script.respond(200, page(&["a", "b"], &json!({ "result": { "total_rows": 3 } })));
    script.respond(200, page(&["c"], &json!({ "result": { "total_rows": 3 } })));
    let pages = client.pages(ListRows::new("s-1").limit(100)).concurrent(4);
    let rows: Vec<_> = pages.map(|page| texts(&page.unwrap().items)).collect().await;
    assert_eq!(rows, ["ab", "c"]);
    assert_eq!(parameters(&script.sent()[1])["offset_start"], 2);
}

#[tokio::test]
async fn a_list_of_rows_is_not_empty_while_the_query_is_running() {
    let (script, _, client) = scripted();
    script.respond(200, state("RUNNING"));
    let error = client.items(ListRows::new("s-1")).try_collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "supermetrics.rows.list: there are no rows yet (RUNNING); wait until the query has ended (HTTP 200)"
    );
}

#[tokio::test]
async fn results_that_are_not_ready_are_not_found_whichever_way_they_are_asked_for() {
    let (script, _, client) = scripted();
    let unavailable = failure("QUERY_RESULTS_UNAVAILABLE");
    for body in [state("RUNNING"), unavailable] {
        (0..3).for_each(|_| script.respond(200, body.clone()));
        let rows = client.send(ListRows::new("s-1")).await.map(drop);
        let results = client.send(ListResults::new("s-1")).await.map(drop);
        let file = client.send(GetResults::new("s-1")).await.map(drop);
        for read in [rows, results, file] {
            assert_eq!(read.unwrap_err().kind(), ErrorKind::NotFound, "{body}");
        }
    }
}

#[tokio::test]
async fn an_error_for_a_failed_run_has_its_reason() {
    let (script, _, client) = scripted();
    let reason = json!({ "code": "QUERY_ERROR", "message": "no such account" });
    let failed = json!({ "meta": { "status_code": "FAILURE" }, "error": reason });
    let bare = json!({ "error": reason });
    for (status, body) in [(200, &failed), (500, &failed), (200, &bare), (500, &bare)] {
        (0..4).for_each(|_| script.respond(status, body.to_string()));
        let run = client.send(RunQuery::new(query())).await.map(drop);
        let rows = client.send(ListRows::new("s-1")).await.map(drop);
        let file = client.send(GetResults::new("s-1")).await.map(drop);
        let run_of_status = client.send(GetQueryStatus::new("s-1")).await.unwrap().into_inner();
        for read in [run, rows, file, run_of_status.success().map(drop)] {
            let error = read.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::RunFailed, "{error}");
            let failure = error.failure().expect("a reason");
            assert_eq!(failure.code.as_deref(), Some("QUERY_ERROR"));
            assert_eq!(failure.message.as_deref(), Some("no such account"));
        }
    }
    script.respond(200, state("FAILURE"));
    let error = client.send(ListRows::new("s-1")).await.map(drop).unwrap_err();
    assert_eq!((error.kind(), error.failure()), (ErrorKind::RunFailed, None));
}

#[tokio::test]
async fn results_in_objects_are_rows_too() {
    let (script, _, client) = scripted();
    script.respond(200, r#"[{"date":"2026-02-01","sessions":"7"}]"#);
    let rows = client.items(ListResults::new("s-1")).try_collect().await.unwrap();
    let day: (String, u64) = rows[0].deserialize().unwrap();
    assert_eq!(day, ("2026-02-01".to_owned(), 7));
}

#[tokio::test]
async fn a_file_comes_at_once_or_later_by_the_id_of_its_run() {
    let (script, _, client) = scripted();
    script.respond(202, state("RUNNING"));
    let answer = client.send(DownloadQuery::new(query(), Format::Csv)).await.unwrap().into_inner();
    let Download::Unfinished(run) = answer else { panic!("it goes on") };
    let csv = Response::builder().header("content-type", "text/csv; charset=utf-8");
    script.respond_with(csv.body("date,sessions\n2026-02-01,7\n".into()).unwrap());
    let file = client.send(GetResults::new(run.schedule_id.unwrap())).await.unwrap();
    assert_eq!(
        (file.text(), file.content_type.as_deref()),
        (Some("date,sessions\n2026-02-01,7\n"), Some("text/csv"))
    );
    assert_eq!(sent(&script), ["GET /query/data/csv", "GET /query/results"]);

    script.respond(404, failure("QUERY_RESULTS_UNAVAILABLE"));
    let error = client.send(GetResults::new("s")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::NotFound, 1));
    assert!(
        error
            .to_string()
            .contains("has not succeeded yet, has failed, or its results have expired"),
        "{error}"
    );

    // A result from the cache may come at once, in its own format.
    script.respond(200, "date,sessions\n2026-02-01,7\n");
    let started =
        client.send(StartQuery::new(query().schedule_id("s-2")).format(Format::Csv)).await.unwrap();
    assert_eq!(started.schedule_id.as_ref().unwrap().as_str(), "s-2");
    assert!(started.is_success());
}

#[tokio::test]
async fn a_query_is_started_watched_and_read() {
    let (script, clock, client) = scripted();
    let news = |state: &str, ready: u64, total: u64| {
        let progress = json!({ "queries_ready": ready, "queries_total": total });
        json!({ "meta": { "status_code": state, "progress": progress }, "data": [] }).to_string()
    };
    script.respond(202, news("SCHEDULED", 0, 1));
    script.respond(200, news("QUEUED", 0, 1));
    script.respond(200, news("RUNNING", 1, 2));
    script.respond(200, news("RUNNING", 1, 4));
    script.respond(200, page(&["a"], &json!({ "result": { "total_rows": 1 } })));
    let mut seen = Vec::new();
    let done = client
        .trigger_and_wait(&supermetrics::target(&query()))
        .on_update(|run| {
            let progress = run.progress.map(|progress| (progress.done, progress.total));
            seen.push((run.phase, progress));
        })
        .await
        .unwrap();
    assert_eq!(
        seen,
        [
            (Phase::Queued, Some((0, 1))),
            (Phase::Running, Some((1, 2))),
            (Phase::Running, Some((1, 4))),
            (Phase::Succeeded, None),
        ]
    );
    assert_eq!((done.state.as_deref(), clock.sleeps().len()), (Some("SUCCESS"), 3));

    let requests = script.sent();
    let started = parameters(&requests[0]);
    assert_eq!((&started["sync_timeout"], &started["ds_id"]), (&json!(0), &json!("GAWA")));
    let id = started["schedule_id"].as_str().unwrap();
    assert_eq!(done.run.id(), id);
    assert!(id.len() <= 50 && id.starts_with("sr-"), "{id}");
    assert_eq!(
        parameters(&requests[1]),
        json!({ "schedule_id": id, "offset_start": 0, "offset_end": 0 })
    );
    assert_eq!(sent(&script)[..2], ["GET /query/data/json", "GET /query/status"]);

    script.respond(200, page(&["a"], &json!({})));
    let rows = client.items(ListRows::new(done.run.id())).try_collect().await.unwrap();
    assert_eq!(texts(&rows), "a");
}

#[tokio::test]
async fn a_long_query_is_started_in_a_body() {
    let (script, _, client) = scripted();
    script.respond(200, state("QUEUED"));
    let long = query().filter("x".repeat(2000));
    let run = client.trigger(&supermetrics::target(&long)).await.unwrap();
    let request = &script.sent()[0];
    assert_eq!((request.method().as_str(), request.url().query()), ("POST", None));
    assert_eq!(parameters(request)["sync_timeout"], 0);
    assert_eq!(run.id(), "s-1");

    let padded = |length| supermetrics::target(&query().filter("x".repeat(length)));
    let shortest = padded(1).id().len();
    for (length, method) in [(1500, "GET"), (1501, "POST")] {
        let target = padded(1 + length - shortest);
        assert_eq!(target.id().len(), length);
        script.respond(200, state("QUEUED"));
        client.trigger(&target).await.unwrap();
        assert_eq!(script.sent().last().unwrap().method(), method, "{length}");
    }
}

#[tokio::test]
async fn a_run_survives_its_process_as_one_line() {
    let (script, _, client) = scripted();
    let target = supermetrics::target(&query().filter("a == \"b/c\""));
    script.respond(200, state("QUEUED"));
    let run = client.trigger(&target).await.unwrap();
    let line = run.to_string();
    assert!(line.starts_with("supermetrics:") && line.lines().count() == 1);
    let run: RunRef = line.parse().unwrap();
    assert_eq!(run.target(), &target);
    script.respond(200, state("SUCCESS"));
    assert_eq!(client.snapshot(&run).await.unwrap().phase, Phase::Succeeded);
}

#[tokio::test]
async fn a_failed_run_says_why_however_the_vendor_reports_it() {
    let (script, _, client) = scripted();
    let run = supermetrics::target(&query()).run("s-1");
    let login = "no; the login at the data source cannot be used (this is not about the API key): connect the source again, \
                 or check `ds_user` (code QUERY_AUTH_UNAVAILABLE)";
    for (status, body, phase, says) in [
        (200, state("FAILURE"), Phase::Failed, None),
        (200, state("PROCESS_EXITED"), Phase::Failed, None),
        (200, state("STOPPED"), Phase::Cancelled, None),
        (500, failure("QUERY_ERROR"), Phase::Failed, Some("no (code QUERY_ERROR)")),
        (200, failure("QUERY_ERROR"), Phase::Failed, Some("no (code QUERY_ERROR)")),
        (403, failure("QUERY_AUTH_UNAVAILABLE"), Phase::Failed, Some(login)),
        (
            200,
            r#"{"meta":{"status_code":"FAILURE"},"error":{"message":"odd."}}"#.to_owned(),
            Phase::Failed,
            Some("odd"),
        ),
    ] {
        script.respond(status, body.clone());
        let snapshot = client.snapshot(&run).await.unwrap();
        assert_eq!(snapshot.phase, phase, "{body}");
        assert_eq!(snapshot.failure.as_ref().map(ToString::to_string).as_deref(), says);
        assert!(snapshot.success().is_err());
    }
}

#[tokio::test]
async fn a_run_with_rows_and_no_state_has_succeeded_and_a_reason_has_its_page() {
    let (script, _, client) = scripted();
    let run = supermetrics::target(&query()).run("s-1");
    for (body, phase) in [
        (json!({ "meta": {}, "data": [["Date"], ["2026-01-01"]] }), Phase::Succeeded),
        (json!({ "meta": {}, "data": null }), Phase::Unknown),
        (json!({ "meta": { "status_code": "PAUSED" }, "data": [["Date"]] }), Phase::Unknown),
    ] {
        script.respond(200, body.to_string());
        assert_eq!(client.snapshot(&run).await.unwrap().phase, phase, "{body}");
    }
    let links = json!({ "docs": { "href": "https://docs.example.com/x" } });
    let error = json!({ "code": "QUERY_ERROR", "message": "no", "links": links });
    script.respond(200, json!({ "meta": {}, "error": error }).to_string());
    let failure = client.snapshot(&run).await.unwrap().failure.unwrap();
    assert_eq!(failure.log_url.as_deref(), Some("https://docs.example.com/x"));
}

#[tokio::test]
async fn a_look_that_fails_is_no_run_that_failed() {
    for (status, code, kind, looks) in [
        (401, "API_KEY_INVALID", ErrorKind::Auth, 1),
        (403, "LICENSE_EXPIRED", ErrorKind::Denied, 1),
        (500, "STATUS_NOT_FOUND", ErrorKind::NotFound, 1),
        (200, "STATUS_NOT_FOUND", ErrorKind::NotFound, 1),
        (500, "INTERNAL_SERVER_ERROR", ErrorKind::Server, 3),
        (200, "INTERNAL_SERVER_ERROR", ErrorKind::Server, 3),
        (200, "TOO_MANY_REQUESTS", ErrorKind::RateLimited, 3),
    ] {
        let (script, _, client) = scripted();
        (0..3).for_each(|_| script.respond(status, failure(code)));
        let run = supermetrics::target(&query()).run("s-1");
        let error = client.snapshot(&run).await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (kind, looks), "{code}");
        assert_eq!(error.request_id(), Some("rq-9"));
    }
}

#[tokio::test]
async fn the_request_id_is_that_of_the_body_and_else_that_of_a_header() {
    let (script, _, client) = scripted();
    for (body, id) in [
        (failure("STATUS_NOT_FOUND"), "rq-9"),
        (r#"{"error":{"code":"STATUS_NOT_FOUND"}}"#.to_owned(), "proxy-1"),
    ] {
        let answer = Response::builder().status(404).header("x-request-id", "proxy-1");
        script.respond_with(answer.body(body.into()).unwrap());
        let error = client.send(GetQueryStatus::new("s-1")).await.unwrap_err();
        assert_eq!(error.request_id(), Some(id));
        assert_eq!(error.attempts()[0].request_id.as_deref(), Some(id));
    }
}

#[tokio::test]
async fn a_run_that_has_expired_says_so() {
    let (script, _, client) = scripted();
    script.respond(400, failure("STATUS_NOT_FOUND"));
    let error = client.wait(&supermetrics::target(&query()).run("s-1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "supermetrics.queries.get_status: not found or expired: status and results are kept for an hour after the end: no \
         (HTTP 400, code STATUS_NOT_FOUND, request id rq-9)"
    );
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_is_not_sent_again_and_is_looked_up_by_its_id() {
    for status in [0, 500, 502, 503, 504] {
        let (script, _, client) = scripted();
        if status == 0 {
            script.fail(TransportErrorKind::Interrupted);
        } else {
            script.respond(status, "<html>gateway</html>");
        }
        let error = client.trigger(&supermetrics::target(&query())).await.unwrap_err();
        assert_eq!((script.sent().len(), error.may_have_run()), (1, true), "{status}");
        let id = parameters(&script.sent()[0])["schedule_id"].as_str().unwrap().to_owned();
        assert_eq!(error.run().unwrap().id(), id);
    }

    let (script, _, client) = scripted();
    script.fail(TransportErrorKind::Interrupted);
    script.respond(404, failure("STATUS_NOT_FOUND"));
    script.respond(200, state("RUNNING"));
    let run = client.trigger(&supermetrics::target(&query())).verify().await.unwrap();
    assert_eq!(parameters(&script.sent()[0])["schedule_id"], run.id());
    assert_eq!(sent(&script), ["GET /query/data/json", "GET /query/status", "GET /query/status"]);

    let (script, _, client) = scripted();
    script.fail(TransportErrorKind::Interrupted);
    (0..100).for_each(|_| script.respond(404, failure("STATUS_NOT_FOUND")));
    let error = client.trigger(&supermetrics::target(&query())).verify().await.unwrap_err();
    assert!(error.verified_not_started(), "{}", error.report());
    assert_eq!(sent(&script).iter().filter(|line| line.contains("/data/")).count(), 1);
}

#[tokio::test]
async fn what_the_vendor_turned_away_is_started_again_and_what_the_licence_forbids_is_not() {
    let (script, clock, client) = scripted();
    let busy = Response::builder().status(429).header("retry-after", "7");
    script.respond_with(busy.body(failure("TOO_MANY_REQUESTS").into()).unwrap());
    script.respond(200, failure("RATE_LIMIT_EXCEEDED"));
    script.respond(200, state("QUEUED"));
    client.trigger(&supermetrics::target(&query())).await.unwrap();
    assert_eq!((script.sent().len(), clock.elapsed().as_secs() >= 7), (3, true));
    let ids: Vec<_> =
        script.sent().iter().map(|request| parameters(request)["schedule_id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "one trigger, one id");

    for (status, code, kind) in [
        (429, "LICENSE_DAILY_QUERY_LIMIT_EXCEEDED", ErrorKind::RateLimited),
        (500, "LICENSE_ACCESS_DATA_SOURCE", ErrorKind::Denied),
        (500, "LICENSE_NOT_FOUND", ErrorKind::Denied),
        (403, "QUERY_AUTH_UNAVAILABLE", ErrorKind::Denied),
        (400, "ACCOUNT_REQUIRED", ErrorKind::Rejected),
    ] {
        let (script, _, client) = scripted();
        (0..3).for_each(|_| script.respond(status, failure(code)));
        let error = client.trigger(&supermetrics::target(&query())).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, false), "{code}");
        let rows = client.items(ListRows::new("s")).try_collect().await.unwrap_err();
        assert_eq!((rows.kind(), script.sent().len()), (kind, 2), "{code}");
    }
}

#[tokio::test]
async fn the_runs_of_a_target_are_found_in_the_history() {
    let (script, _, client) = scripted();
    script.respond(200, r#"{"meta":{"status_code":"QUEUED"}}"#);
    let target = supermetrics::target(&query());
    let ours = client.trigger(&target).await.unwrap();
    let entry = |id: &str, minute: u8, state: &str| json!({ "schedule_id": id, "status_code": state, "schedule_time": format!("2026-02-03T04:{minute:02}:00Z") });
    let other = supermetrics::target(&query().max_rows(5));
    script.respond(200, r#"{"meta":{"status_code":"QUEUED"}}"#);
    let foreign = client.trigger(&other).await.unwrap();
    let older = format!("{}-x", ours.id().rsplit_once('-').unwrap().0);
    let history = json!({
        "meta": { "paginate": { "offset": 0, "limit": 1000, "total": 9 } },
        "data": [
            entry(&older, 1, "FAILURE"),
            entry("4c0ffee", 2, "SUCCESS"),
            entry(foreign.id(), 3, "SUCCESS"),
            entry(ours.id(), 4, "RUNNING"),
            { "status_code": "RUNNING" },
        ],
    });
    let dated = Response::builder().header("date", "Tue, 03 Feb 2026 04:05:06 GMT");
    script.respond_with(dated.body(history.to_string().into()).unwrap());
    let recent = client.recent_runs(&target, None, &CallLimits::default()).await.unwrap();
    let runs: Vec<_> = recent.page.items.iter().map(|run| (run.run.id(), run.phase)).collect();
    assert_eq!(runs, [(ours.id(), Phase::Running), (older.as_str(), Phase::Failed)]);
    assert_eq!(recent.server_time.unwrap().to_rfc3339(), "2026-02-03T04:05:06+00:00");
    assert_eq!(
        parameters(script.sent().last().unwrap()),
        json!({ "ds_ids": ["GAWA"], "since": "89 days ago", "offset": 0, "limit": 1000 })
    );

    script.respond(200, history.to_string());
    let limits = CallLimits::default();
    let wanted = [ours.clone(), foreign.clone()];
    let listed = client.fetch_runs(&target, &wanted, &limits).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|run| (run.run.id(), run.phase)).collect();
    assert_eq!(listed, [(ours.id(), Phase::Running)], "by one request, of this target only");

    script.respond(200, history.to_string());
    script.respond(200, history.to_string());
    let options = CallLimits::default();
    let first = client.fetch_page(&target, None, &options).await.unwrap();
    assert_eq!(first.items.len(), 2);
    client.fetch_page(&target, first.next, &options).await.unwrap();
    assert_eq!(parameters(script.sent().last().unwrap())["offset"], 5);

    // A query with an id of its own is found by it.
    script.respond(
        200,
        json!({ "data": [entry("mine", 1, "SUCCESS"), entry("other", 2, "SUCCESS")] }).to_string(),
    );
    let named = supermetrics::target(&query().schedule_id("mine"));
    let page = client.fetch_page(&named, None, &options).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].run.id(), page.next), (1, "mine", None));
}

#[tokio::test]
async fn the_history_is_walked_to_its_end() {
    let (script, _, client) = scripted();
    let answer = |ids: &[&str], total: u64| {
        let data: Vec<_> = ids.iter().map(|id| json!({ "schedule_id": id })).collect();
        json!({ "meta": { "paginate": { "total": total } }, "data": data }).to_string()
    };
    script.respond(200, answer(&["a", "b"], 5));
    script.respond(200, answer(&["c", "d"], 5));
    script.respond(200, answer(&["e"], 5));
    let all = client.items(ListHistory::new().limit(2)).try_collect().await.unwrap();
    assert_eq!((all.len(), script.sent().len()), (5, 3));
    script.respond(200, answer(&["a", "b"], 5));
    script.respond(200, answer(&[], 5));
    let error = client.items(ListHistory::new().limit(2)).try_collect().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.cursor().unwrap().as_str()),
        (ErrorKind::Pagination, "offset=2")
    );
    // No total at all.
    script.respond(200, json!({ "data": [{ "schedule_id": "a" }] }).to_string());
    let all = client.items(ListHistory::new().limit(2)).try_collect().await.unwrap();
    assert_eq!((all.len(), script.sent().len()), (1, 6));
}

#[tokio::test]
async fn one_query_cannot_be_cancelled_and_the_client_says_so() {
    let (script, _, client) = scripted();
    let capabilities = client.capabilities();
    assert!(!capabilities.cancel && capabilities.caller_names_run && capabilities.list);
    let error = client.cancel(&supermetrics::target(&query()).run("s-1")).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Unsupported, 0));
    assert!(error.to_string().contains("batch"), "{error}");
}

#[tokio::test]
async fn a_target_that_is_no_query_is_refused_before_anything_is_sent() {
    let (script, _, client) = scripted();
    for target in [
        Target::new(supermetrics::VENDOR, "GAWA"),
        Target::new(supermetrics::VENDOR, r#"{"fields":"date"}"#),
        Target::new(supermetrics::VENDOR, r#"{"ds_id":"GA","max_rows":"many"}"#),
        supermetrics::target(&query().max_rows(0)),
        supermetrics::target(&query().parameter("ds_id", "GA")),
    ] {
        let error = client.trigger(&target).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
    assert!(script.sent().is_empty());
}

#[tokio::test]
async fn stored_queries_are_run_and_never_twice() {
    let (script, _, client) = scripted();
    script.respond(502, "");
    let error = client.send(RunSavedQuery::new("q-1")).await.unwrap_err();
    assert_eq!(
        (error.may_have_run(), error.delivery(), script.sent().len()),
        (true, Delivery::Answered, 1)
    );
    script.respond(503, "");
    script.respond(200, r#"{"data":{"query_id":"q-1"}}"#);
    let saved = client.send(GetSavedQuery::new("q-1")).await.unwrap();
    assert_eq!(saved.query_id.as_ref().unwrap().as_str(), "q-1");
}

#[tokio::test]
async fn many_looks_keep_to_the_vendors_rate() {
    let (script, clock, client) = scripted();
    (0..100).for_each(|_| script.respond(200, state("RUNNING")));
    let begun = clock.now();
    for _ in 0..100 {
        client.send(GetQueryStatus::new("s")).await.unwrap();
    }
    assert!(clock.now() - begun >= Duration::from_secs(5));
}

#[test]
fn a_client_that_could_not_work_is_not_built() {
    for (key, says) in [
        (ApiKey::new(""), "the API key is empty"),
        (ApiKey::new("Bearer canary"), "without the word Bearer"),
        (ApiKey::new("can\nary"), "cannot carry"),
        (ApiKey::new("can ary").in_parameters(), "letters, digits"),
        (ApiKey::new("").in_parameters(), "the API key is empty"),
        (ApiKey::new("c".repeat(256)).in_parameters(), "1 to 255"),
    ] {
        let error = supermetrics::Client::builder().credential(key).build().expect_err(says);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(says), "{error}");
        assert!(!format!("{error:?}").contains("ary"), "{error:?}");
    }
    let plain = supermetrics::Client::builder()
        .base_url("http://host/v2")
        .credential(ApiKey::new(KEY).in_parameters());
    assert!(plain.build().unwrap_err().to_string().contains("clear text"));
    for base in
        ["https://api.supermetrics.com/v2", "https://api.supermetrics.com", "http://127.0.0.1:1/x"]
    {
        let client = supermetrics::Client::builder().base_url(base).credential(ApiKey::new(KEY));
        let client = client.transport(ScriptedTransport::default()).build().unwrap();
        assert_eq!(client.base_url().host_str(), url::Url::parse(base).unwrap().host_str());
    }
    assert_ne!(ScheduleId::unique("a"), ScheduleId::unique("a"));
}
