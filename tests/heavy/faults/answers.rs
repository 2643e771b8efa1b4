//! Bad answers: rows 23 to 39.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use scheduled_runs::adobe::{self, GetRun, Run, RunState};
use scheduled_runs::client::{
    Advice, Api, Dialect, Limits, RawResponse as Judged, Refusal, Service, Vendor, Verdict,
};
use scheduled_runs::error::VendorError;
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{Error, ErrorKind, Phase, RunProviderExt as _, TimeoutPhase};
use serde::Deserialize;

use crate::server::{Answer, Server, Then};
use crate::{RUNS, assert_both_fail, assert_no_canary, client_of, read, scripted, trigger};

fn limits() -> Limits {
    Limits::default()
}

#[tokio::test]
async fn fault_23_a_body_shorter_than_announced_is_a_broken_connection() {
    for head in ["content-length: 500", "transfer-encoding: chunked"] {
        // 0x29 is the length of the page below: its chunk is whole, and the last chunk is missing.
        let size = if head.contains("chunked") { "29\r\n" } else { "" };
        assert_eq!(RUNS.len(), 0x29);
        let cut = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{size}{RUNS}");
        let cut = Answer::new(cut, Then::Close);
        let errors = assert_both_fail(cut, limits(), ErrorKind::Interrupted, 3, true).await;
        assert!(errors.iter().all(|error| error.status() == Some(StatusCode::OK)));
    }
}

/// The front of an answer whose end only the end of the connection marks.
fn until_closed(body: impl AsRef<[u8]>) -> Answer {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    Answer::new([head.as_bytes(), body.as_ref()].concat(), Then::Close)
}

#[tokio::test]
async fn fault_24_json_that_ends_with_the_connection_too_early_is_a_broken_connection() {
    let cut = until_closed(&RUNS[..RUNS.len() - 5]);
    let errors = assert_both_fail(cut, limits(), ErrorKind::Interrupted, 3, true).await;
    assert!(errors.iter().all(|error| error.status() == Some(StatusCode::OK)));

    // Whole, it is an answer like any other.
    let server = Server::start([until_closed(RUNS)]).await;
    assert_eq!(client_of(&server).send(read()).await.unwrap().items.len(), 2);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn fault_24_json_that_ends_too_early_in_a_whole_body_is_a_bad_answer() {
    let whole = Answer::json("200 OK", &RUNS[..RUNS.len() - 5]);
    assert_both_fail(whole, limits(), ErrorKind::Decode, 1, true).await;
}

/// What comes of a page that is cut here, in an answer without a length.
async fn cut_at(page: &str, end: usize) -> Error {
    let (script, _, client) = scripted();
    script.respond_with(Response::new(Bytes::copy_from_slice(&page.as_bytes()[..end])));
    let error = client.call(read()).max_attempts(1).send().await.unwrap_err();
    assert_eq!(script.sent().len(), 1);
    assert_no_canary(&error, &client);
    error
}

#[tokio::test]
async fn fault_24_wherever_the_json_is_cut() {
    let page = r#"{"runsSchedules":[{"id":"a\u0041","version":12,"externalTrigger":"true","x":[15,null]}],
        "_links":{"next":{"href":"/q?start=1"}}}"#;
    for end in 1..page.len() {
        let error = cut_at(page, end).await;
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{}", &page[..end]);
    }
}

#[tokio::test]
async fn fault_24_also_in_a_number_that_nobody_reads() {
    for page in [r#"{"unknown":1."#, r#"{"unknown":-1.5e"#, r#"{"_links":{"x":1."#] {
        assert_eq!(cut_at(page, page.len()).await.kind(), ErrorKind::Interrupted, "{page}");
    }
}

#[tokio::test]
async fn fault_24_also_in_the_middle_of_a_letter() {
    let page = r#"{"runsSchedules":[{"id":"ü"}]}"#;
    let middle = page.find('ü').unwrap() + 1;
    assert_eq!(cut_at(page, middle).await.kind(), ErrorKind::Interrupted);
}

#[tokio::test]
async fn fault_27_a_body_announced_too_large_is_not_read() {
    let huge =
        Answer::new("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n{", Then::Silence);
    assert_both_fail(huge, limits(), ErrorKind::TooLarge, 1, true).await;
}

#[tokio::test]
async fn fault_28_a_body_without_end_is_cut_off_at_the_cap() {
    let spaces = Bytes::from(vec![b' '; 1 << 16]);
    let chunk = [b"10000\r\n", &spaces[..], b"\r\n"].concat();
    for (length, flood) in
        [("connection: close", spaces), ("transfer-encoding: chunked", chunk.into())]
    {
        let head = format!("HTTP/1.1 200 OK\r\n{length}\r\n\r\n");
        let endless = Answer::new(head, Then::Flood(flood));
        let small = limits().max_body(1 << 20);
        assert_both_fail(endless.clone(), small, ErrorKind::TooLarge, 1, true).await;

        let server = Server::start([endless]).await;
        let client = client_of(&server);
        let error = client.call(read()).max_body(1 << 20).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        // The connection is dropped: nobody goes on reading.
        server.closed(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn fault_29_one_byte_a_second_ends_at_the_attempt_limit() {
    let begun = tokio::time::Instant::now();
    let drips =
        Answer::new("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n", Then::Drip(" ".into()));
    let errors = assert_both_fail(drips, limits(), ErrorKind::Timeout, 3, true).await;
    for error in errors {
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Attempt));
    }
    assert_eq!(begun.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn fault_30_silence_within_a_body_ends_at_the_idle_limit() {
    let begun = tokio::time::Instant::now();
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"runs";
    let errors =
        assert_both_fail(Answer::new(half, Then::Silence), limits(), ErrorKind::Timeout, 3, true)
            .await;
    for error in errors {
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Idle));
        assert_eq!(error.status(), Some(StatusCode::OK));
    }
    // Three attempts of the read and one of the trigger, 20 s each.
    assert_eq!(begun.elapsed().as_secs(), 80);
}

#[tokio::test]
async fn fault_31_a_head_too_large_to_read_is_an_error_after_one_attempt() {
    let many = "x-many: 1\r\n".repeat(150);
    let long = format!("x-long: {}\r\n", "a".repeat(1 << 20));
    for headers in [many, long] {
        let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: 41\r\n\r\n{RUNS}");
        let answer = Answer::new(head, Then::Close);
        assert_both_fail(answer, limits(), ErrorKind::UnexpectedContent, 1, true).await;
    }
}

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";

#[tokio::test]
async fn fault_31_interim_answers_are_passed_over() {
    let whole =
        format!("{}HTTP/1.1 200 OK\r\ncontent-length: 41\r\n\r\n{RUNS}", HINT.repeat(20_000));
    let server = Server::start([Answer::new(whole, Then::Keep)]).await;
    assert_eq!(client_of(&server).send(read()).await.unwrap().items.len(), 2);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn fault_31_interim_answers_count_against_the_attempt_limit() {
    let begun = tokio::time::Instant::now();
    let hints = Answer::new("", Then::Drip(HINT.into()));
    let errors = assert_both_fail(hints, limits(), ErrorKind::Timeout, 3, true).await;
    assert!(errors.iter().all(|error| error.timeout_phase() == Some(TimeoutPhase::Attempt)));
    assert_eq!(begun.elapsed().as_secs(), 120);
}

#[tokio::test]
async fn fault_31_interim_answers_without_end_or_pause_do_not_hold_up_the_limit() {
    let server = Server::start([Answer::new("", Then::Flood(HINT.repeat(100).into()))]).await;
    let client = client_of(&server);
    let call = client.call(trigger()).attempt_timeout(Duration::from_millis(100));
    let error = call.send().await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Attempt));
    // On a busy machine the limit may run out before the server has read the request.
    assert!(server.requests().len() <= 1 && error.may_have_run());
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_32_what_is_not_http_is_an_error_and_no_more() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
        b"220 mail.example ESMTP\r\n",
        &[0; 4096],
        // A TLS alert: handshake failure.
        &[0x15, 3, 3, 0, 2, 2, 40],
        b"HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n{}",
        b"HTTP/1.1 999999 What\r\n\r\n",
    ] {
        let answer = Answer::new(Bytes::copy_from_slice(bytes), Then::Close);
        assert_both_fail(answer, limits(), ErrorKind::UnexpectedContent, 1, true).await;
    }
}

#[tokio::test]
async fn fault_33_a_login_page_is_told_from_an_answer_and_not_shown() {
    let page = "<!DOCTYPE html><html>canary-page: sign in as canary-user</html>";
    for content_type in ["text/html; charset=utf-8", "application/json"] {
        let length = page.len();
        let answer = Answer::new(
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{page}"
            ),
            Then::Keep,
        );
        let kind = ErrorKind::UnexpectedContent;
        for error in assert_both_fail(answer, limits(), kind, 1, true).await {
            let text = error.to_string();
            assert!(text.contains(&format!("{length} bytes")), "{text}");
            assert!(text.contains(content_type.split(';').next().unwrap()), "{text}");
            assert_eq!(error.body(), page, "whoever wants the page can have it");
        }
    }
}

#[tokio::test]
async fn fault_34_the_gateways_code_counts_before_its_status() {
    let expired = r#"{"error_code":"401013","message":"Oauth token is not valid"}"#;
    let answer = Answer::json("403 Forbidden", expired);
    for error in assert_both_fail(answer, limits(), ErrorKind::Auth, 1, false).await {
        assert_eq!(error.vendor_error().unwrap().code.as_deref(), Some("401013"));
        assert_eq!(error.status(), Some(StatusCode::FORBIDDEN));
    }
}

/// A vendor whose failures are a 200 with a code inside.
#[derive(Clone, Copy, Debug)]
enum Inside {}

impl Api for Inside {
    const VENDOR: Vendor = Vendor::new("inside");
    type Options = ();

    fn service((): &()) -> Result<Service, Error> {
        Ok(Service::new("http://127.0.0.1:1", CodeInside))
    }
}

#[derive(Debug)]
struct CodeInside;

impl Dialect for CodeInside {
    fn judge(&self, answer: &Judged<'_>) -> Verdict {
        let body: serde_json::Value = serde_json::from_slice(answer.body).unwrap_or_default();
        let code = &body["error"]["code"];
        if code.is_null() {
            return Verdict::Success;
        }
        let error = VendorError::default().code(code.to_string());
        let meant = code.as_u64().and_then(|code| StatusCode::from_u16(code.try_into().ok()?).ok());
        let refusal = Refusal::by_status(meant.unwrap_or(answer.status), Some(error));
        Verdict::Refused(match code.as_u64() {
            Some(498) => refusal.kind(ErrorKind::Auth).advice(Advice::Refresh),
            _ => refusal,
        })
    }
}

fn inside() -> (ScriptedTransport, ManualClock, scheduled_runs::Client<Inside>) {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let client = scheduled_runs::Client::builder()
        .transport(script.clone())
        .clock(clock.clone())
        .build()
        .unwrap();
    (script, clock, client)
}

#[tokio::test]
async fn fault_34_an_error_inside_a_success_is_an_error() {
    // code inside, kind, requests of a read and of a write, whether the write may have run
    for (code, kind, reads, writes, may_have_run) in [
        ("498", ErrorKind::Auth, 1, 1, false),
        ("400", ErrorKind::Rejected, 1, 1, false),
        ("500", ErrorKind::Server, 3, 1, true),
        ("\"odd\"", ErrorKind::Rejected, 1, 1, true),
    ] {
        for (method, requests) in [(Method::GET, reads), (Method::POST, writes)] {
            let (script, _, client) = inside();
            for _ in 0..3 {
                script.respond(200, format!(r#"{{"error":{{"code":{code}}}}}"#));
            }
            let error = client.raw(method.clone(), &["jobs"]).send().await.unwrap_err();
            assert_eq!((error.kind(), script.sent().len()), (kind, requests), "{code}");
            assert_eq!(error.vendor_error().unwrap().code.as_deref(), Some(code));
            assert_eq!(error.status(), Some(StatusCode::OK));
            assert_eq!(error.may_have_run(), may_have_run && method == Method::POST, "{code}");
            assert_no_canary(&error, &client);
        }
    }
}

#[tokio::test]
async fn fault_34_a_busy_vendor_that_says_so_inside_a_success_is_waited_for() {
    for method in [Method::GET, Method::POST] {
        let (script, clock, client) = inside();
        let busy = Response::builder().header("retry-after", "2");
        script.respond_with(busy.body(Bytes::from(r#"{"error":{"code":429}}"#)).unwrap());
        script.respond(200, "{}");
        client.raw(method, &["jobs"]).send().await.unwrap();
        assert_eq!((script.sent().len(), clock.sleeps().len()), (2, 1));
        assert!(clock.elapsed() >= Duration::from_secs(2));
    }
}

#[tokio::test]
async fn fault_35_nothing_is_an_empty_list_an_accepted_change_and_no_object() {
    for (status, body) in [(200, ""), (200, "null"), (204, ""), (200, " \r\n"), (202, "")] {
        let (script, _, client) = scripted();
        (0..3).for_each(|_| script.respond(status, body));
        let page = client.send(read()).await.unwrap();
        assert!(page.items.is_empty() && page.next.is_none(), "{body:?}");
        let accepted = client.send(trigger()).await.unwrap();
        assert_eq!(accepted.message, None, "{body:?}");
        let error = client.send(GetRun::new("nightly", "r")).await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Decode, 3), "{body:?}");
        assert_no_canary(&error, &client);
    }
}

#[tokio::test]
async fn fault_35_the_run_of_a_trigger_that_was_accepted_without_a_word_is_looked_for() {
    for status in [200, 202, 204] {
        let (script, _, client) = scripted();
        script.respond(200, r#"{"runsSchedules":[]}"#);
        script.respond(status, "");
        for _ in 0..100 {
            script.respond(200, r#"{"runsSchedules":[{"id":"new","externalTrigger":true}]}"#);
        }
        let run = client.trigger(&adobe::target("nightly")).await.unwrap();
        assert_eq!(run.id(), "new");
        let sent = script.sent();
        assert_eq!(sent.iter().filter(|sent| sent.method() == Method::POST).count(), 1);
    }
}

#[tokio::test]
async fn fault_35_what_is_not_json_is_no_answer() {
    let (script, _, client) = scripted();
    (0..2).for_each(|_| script.respond(200, "[]x"));
    let error = client.send(read()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Decode, 1));
    assert_no_canary(&error, &client);
    // The vendor took the trigger: it has run, whatever its answer looks like.
    let error = client.send(trigger()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Decode, 2));
    assert!(error.may_have_run());
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_35_an_answer_that_may_be_empty_is_a_success() {
    for status in [200, 202, 204] {
        let (script, _, client) = scripted();
        script.respond(status, "");
        let answer = client.raw(Method::DELETE, &["schedules", "nightly"]).send().await.unwrap();
        assert_eq!((answer.meta().status.as_u16(), script.sent().len()), (status, 1));
    }
}

#[tokio::test]
async fn fault_36_a_byte_order_mark_is_passed_over_and_other_encodings_are_refused() {
    let (script, _, client) = scripted();
    script.respond(200, format!("\u{feff}{RUNS}"));
    assert_eq!(client.send(read()).await.unwrap().items.len(), 2);

    let latin = "application/json; charset=iso-8859-1";
    for (content_type, body) in [
        ("application/json", &b"{\"runsSchedules\":[{\"id\":\"\xff\xfe\"}]}"[..]),
        (latin, b"{\"runsSchedules\":[{\"id\":\"Z\xfcrich\"}]}"),
        ("application/json", b"\xff\xfe{\0}\0"),
    ] {
        let (script, _, client) = scripted();
        let answer = Response::builder()
            .header("content-type", content_type)
            .header("content-length", body.len());
        script.respond_with(answer.body(Bytes::copy_from_slice(body)).unwrap());
        let error = client.send(read()).await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Decode, 1));
        assert_no_canary(&error, &client);
    }
}

#[tokio::test]
async fn fault_37_no_depth_overflows_the_stack() {
    for (depth, opening, end) in
        [(10_000, "[", "]"), (1_000_000, "[", "]"), (10_000, r#"{"a":"#, "}")]
    {
        let deep = format!("{}1{}", opening.repeat(depth), end.repeat(depth));
        // In a place that nobody reads, or that may hold anything, it is skipped.
        for answer in [
            format!(r#"{{"unknown":{deep},"runsSchedules":[{{"id":"a"}}]}}"#),
            format!(r#"{{"runsSchedules":[{{"id":"a","version":{deep}}}]}}"#),
            format!(r#"{{"runsSchedules":[{{"id":"a","created":{deep}}}]}}"#),
            format!(r#"{{"runsSchedules":[{{"id":"a","externalTrigger":{deep}}}]}}"#),
            format!(r#"{{"runsSchedules":[{{"id":"a","taskStatusList":{deep}}}]}}"#),
            format!(r#"{{"runsSchedules":[{{"id":"a"}}],"_links":{{"prev":{deep}}}}}"#),
            format!(r#"{{"runsSchedules":[{{"id":"a"}}],"_page":{{"start":{deep}}}}}"#),
        ] {
            let (script, _, client) = scripted();
            script.respond(200, answer);
            assert_eq!(client.send(read()).await.unwrap().items.len(), 1);
        }
        // In a place that has a shape it is an error, also for the second parse that looks for the place.
        for answer in [
            format!(r#"{{"runsSchedules":{deep}}}"#),
            format!(r#"{{"runsSchedules":[{{"id":{deep}}}]}}"#),
            format!(r#"{{"unknown":{deep},"runsSchedules":7}}"#),
            "[".repeat(depth),
        ] {
            let (script, _, client) = scripted();
            script.respond(200, answer);
            let error = client.send(read()).await.unwrap_err();
            assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Decode, 1));
            assert_no_canary(&error, &client);
        }
        // The list does not end where its next page cannot be read.
        let (script, _, client) = scripted();
        script.respond(
            200,
            format!(r#"{{"runsSchedules":[{{"id":"a"}}],"_links":{{"next":{deep}}}}}"#),
        );
        assert_eq!(client.send(read()).await.unwrap_err().kind(), ErrorKind::Pagination);
        // An error's body may be as deep.
        for answer in [
            format!(r#"{{"message":"no","report":{deep}}}"#),
            format!(r#"{{"message":"no","error-chain":{deep}}}"#),
            deep,
        ] {
            let (script, _, client) = scripted();
            script.respond(400, answer);
            let error = client.send(trigger()).await.unwrap_err();
            assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Rejected, 1));
            assert_no_canary(&error, &client);
        }
    }
}

/// The run that a single run's answer is read as.
async fn run_of(answer: &str) -> Run {
    let (script, _, client) = scripted();
    script.respond(200, answer.to_owned());
    client.send(GetRun::new("nightly", "r1")).await.unwrap().into_inner()
}

#[tokio::test]
async fn fault_38_a_state_without_a_name_is_kept_and_is_not_the_end() {
    let answer = r#"{"id":"r1","state":"PAUSED_FOR_LUNCH","new":{"deep":[1]}}"#;
    let run = run_of(answer).await;
    assert_eq!(run.state.unwrap().to_string(), "PAUSED_FOR_LUNCH");

    let (script, _, client) = scripted();
    script.respond(200, answer);
    let run = client.snapshot(&adobe::target("nightly").run("r1")).await.unwrap();
    assert_eq!((run.phase, run.phase.is_terminal()), (Phase::Unknown, false));
    assert_eq!((run.state.as_deref(), script.sent().len()), (Some("PAUSED_FOR_LUNCH"), 1));
}

#[tokio::test]
async fn fault_38_what_is_missing_null_or_of_another_type_does_not_spoil_the_rest() {
    let bare = run_of(r#"{"id":"r1"}"#).await;
    assert_eq!((bare.state, bare.external_trigger, bare.created), (None, None, None));
    assert!(bare.tasks.is_empty());

    let nulls = run_of(
        r#"{"id":"r1","state":null,"externalTrigger":null,"created":null,"version":null,"scheduleId":null,
            "taskStatusList":null}"#,
    )
    .await;
    assert!(nulls.state.is_none() && nulls.tasks.is_empty());

    let texts = run_of(
        r#"{"id":"r1","state":"success","externalTrigger":"false","version":"7","created":"soon",
            "taskStatusList":[{"duration":"303","more":1}]}"#,
    )
    .await;
    assert_eq!(texts.state, Some(RunState::Success));
    assert_eq!((texts.external_trigger, texts.version), (Some(false), Some(7)));
    assert_eq!(texts.created, None);
    assert_eq!(texts.tasks[0].duration, Some(Duration::from_secs(303)));

    let (script, _, client) = scripted();
    script.respond(200, r#"{"runsSchedules":null,"_page":null,"_links":null}"#);
    let page = client.send(read()).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_none());
}

#[tokio::test]
async fn fault_39_no_number_is_rounded_without_a_word() {
    #[derive(Debug, Deserialize)]
    struct Job {
        id: u64,
    }
    let job = async |body: &str| {
        let (script, _, client) = scripted();
        script.respond(200, body.to_owned());
        let job = client.raw(Method::GET, &["jobs", "1"]).send_as::<Job>().await;
        assert_eq!(script.sent().len(), 1);
        job.map(|job| job.id).map_err(|error| {
            assert_no_canary(&error, &client);
            error.kind()
        })
    };
    assert_eq!(job(r#"{"id":9007199254740993}"#).await, Ok(9_007_199_254_740_993));
    assert_eq!(job(r#"{"id":18446744073709551615}"#).await, Ok(u64::MAX));
    for body in [
        r#"{"id":18446744073709551616}"#,
        r#"{"id":1e400}"#,
        r#"{"id":-1}"#,
        r#"{"id":1.0}"#,
        r#"{"id":1,"id":2}"#,
        r#"{"id":NaN}"#,
    ] {
        assert_eq!(job(body).await, Err(ErrorKind::Decode), "{body}");
    }

    for (version, read) in [
        ("9007199254740993", Some(9_007_199_254_740_993)),
        ("-1", None),
        ("1e300", None),
        ("1e400", None),
        ("18446744073709551616", None),
    ] {
        let run = run_of(&format!(r#"{{"id":"r1","version":{version}}}"#)).await;
        assert_eq!(run.version, read, "{version}");
    }
    for body in [r#"{"id":"r1","id":"r2"}"#, r#"{"id":7}"#] {
        let (script, _, client) = scripted();
        script.respond(200, body);
        let error = client.send(GetRun::new("nightly", "r1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        assert_no_canary(&error, &client);
    }
}

#[tokio::test]
async fn fault_74_what_a_gateway_says_after_passing_a_trigger_on_leaves_it_in_doubt() {
    for status in [499, 444, 460, 432, 599] {
        let answer =
            Answer::new(format!("HTTP/1.1 {status} Gone\r\ncontent-length: 0\r\n\r\n"), Then::Keep);
        let transient = matches!(status, 444 | 460 | 499 | 599);
        let kind = if transient { ErrorKind::Server } else { ErrorKind::Rejected };
        let reads = if matches!(status, 444 | 460 | 499) { 3 } else { 1 };
        let errors = assert_both_fail(answer, limits(), kind, reads, true).await;
        assert!(errors.iter().all(|error| error.is_transient() == transient), "{status}");
    }
}

#[tokio::test]
async fn fault_74_too_early_is_tried_again_by_all() {
    let (script, _, client) = scripted();
    for _ in 0..2 {
        script.respond(425, "");
    }
    script.respond(202, crate::TAKEN);
    client.send(trigger()).await.unwrap();
    assert_eq!(script.sent().len(), 3);
    (0..3).for_each(|_| script.respond(425, ""));
    let error = client.send(trigger()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Server, 6));
    assert!(error.is_transient() && !error.may_have_run());
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_74_a_part_and_another_protocol_are_not_what_was_requested() {
    let part = format!(
        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-40/99\r\ncontent-length: {}\r\n\r\n{RUNS}",
        RUNS.len()
    );
    let other = "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n";
    for head in [part, other.to_owned()] {
        let answer = Answer::new(head, Then::Keep);
        assert_both_fail(answer, limits(), ErrorKind::UnexpectedContent, 1, true).await;
    }
}

#[tokio::test]
async fn fault_74_a_response_that_ends_after_its_head_is_a_broken_connection() {
    for head in ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 202 Accepted\r\nconnection: close\r\n\r\n"] {
        let answer = Answer::new(head, Then::Close);
        let errors = assert_both_fail(answer, limits(), ErrorKind::Interrupted, 3, true).await;
        assert!(errors.iter().all(|error| error.status().is_some()));
    }
}
