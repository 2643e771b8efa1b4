//! Was it done or not: rows 7 to 14.

use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use http::header::AUTHORIZATION;
use scheduled_runs::client::{
    ApiRequest, Credential, CredentialContext, Idempotency, Limits, RetryPolicy,
};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{Delivery, Error, ErrorKind, Result, TimeoutPhase};

use crate::server::{Answer, Server, Then};
use crate::{
    Answers, RUNS, TAKEN, answer, assert_both_fail, assert_no_canary, builder, client_of, read,
    trigger,
};

#[tokio::test]
async fn fault_07_a_request_that_was_read_and_not_answered_may_have_run() {
    let hangs_up = Answer::new("", Then::Close);
    let errors =
        assert_both_fail(hangs_up, Limits::default(), ErrorKind::Interrupted, 3, true).await;
    assert!(errors.iter().all(|error| error.delivery() == Delivery::Unknown));
}

#[tokio::test]
async fn fault_07_a_call_before_it_makes_no_difference() {
    let hangs_up = Answer::new("", Then::Close);
    let server = Server::start([Answer::json("200 OK", RUNS), hangs_up]).await;
    let client = client_of(&server);
    client.send(read()).await.unwrap();
    let error = client.send(trigger()).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Interrupted, true));
    assert_eq!((server.requests().len(), server.connections()), (2, 2));
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_08_a_reset_in_the_middle_of_the_request_may_have_run() {
    let body = "x".repeat(8 << 20);
    for (method, requests, may_have_run) in [(Method::GET, 3, false), (Method::POST, 1, true)] {
        let server = Server::start([Answer::new("", Then::ResetInRequest)]).await;
        let client = client_of(&server);
        let error = client.raw(method, &["queries"]).json(&body).send().await.unwrap_err();
        assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Interrupted, requests));
        assert!(server.requests()[0].body.len() < body.len(), "the body was still coming in");
        assert_eq!((error.delivery(), error.may_have_run()), (Delivery::Unknown, may_have_run));
        assert_no_canary(&error, &client);
    }
}

#[tokio::test(start_paused = true)]
async fn fault_09_an_answer_that_does_not_come_ends_at_the_attempt_limit() {
    let begun = tokio::time::Instant::now();
    let silent = Answer::new("", Then::Silence);
    let errors = assert_both_fail(silent, Limits::default(), ErrorKind::Timeout, 3, true).await;
    for error in errors {
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Attempt));
        assert_eq!(error.delivery(), Delivery::Unknown);
    }
    // Three attempts of the read and one of the trigger, 30 s each.
    assert_eq!(begun.elapsed().as_secs(), 120);
}

#[tokio::test]
async fn fault_10_a_server_that_failed_may_have_done_it() {
    for status in ["500 Oops", "502 Bad Gateway", "504 Gateway Timeout"] {
        let fails = Answer::json(status, r#"{"message":"oops"}"#);
        let errors = assert_both_fail(fails, Limits::default(), ErrorKind::Server, 3, true).await;
        assert!(errors.iter().all(|error| error.delivery() == Delivery::Answered));
    }
}

#[tokio::test]
async fn fault_11_a_busy_server_is_asked_again_only_for_what_may_be_repeated() {
    for (busy, least) in
        [("503 Busy", Duration::ZERO), ("503 Busy\r\nretry-after: 1", Duration::from_secs(1))]
    {
        let errors =
            assert_both_fail(Answer::json(busy, ""), Limits::default(), ErrorKind::Server, 3, true)
                .await;
        let pauses: Vec<_> = errors[0].attempts().iter().map(|attempt| attempt.pause).collect();
        assert!(pauses[..2].iter().all(|pause| pause.unwrap() >= least), "{pauses:?}");
        assert_eq!((pauses[2], errors[1].attempts()[0].pause), (None, None));

        for idempotency in [Idempotency::Safe, Idempotency::Idempotent] {
            let server = Server::start([Answer::json(busy, "")]).await;
            let client = client_of(&server);
            let call = client.raw(Method::POST, &["lookups"]).idempotency(idempotency);
            let error = call.send().await.unwrap_err();
            assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Server, 3));
            assert!(!error.may_have_run());
        }
    }
}

#[tokio::test]
async fn fault_12_a_page_that_broke_off_is_fetched_whole_and_its_items_come_once() {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", RUNS.len());
    let broken = Answer::new(format!("{head}{}", &RUNS[..RUNS.len() - 9]), Then::Reset);
    let server = Server::start([broken, Answer::json("200 OK", RUNS)]).await;
    let client = client_of(&server);
    let runs = client.items(read()).try_collect().await.unwrap();
    let ids: Vec<_> = runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!((ids, server.requests().len()), (vec!["a", "b"], 2));
}

#[tokio::test]
async fn fault_12_a_trigger_whose_answer_broke_off_keeps_its_status() {
    let broken = Answer::new(
        "HTTP/1.1 200 OK\r\nx-request-id: 4f1c\r\ncontent-length: 99\r\n\r\n{\"mess",
        Then::Reset,
    );
    let errors = assert_both_fail(broken, Limits::default(), ErrorKind::Interrupted, 3, true).await;
    for error in errors {
        assert_eq!(error.status().unwrap(), 200);
        assert_eq!(error.request_id(), Some("4f1c"));
        assert!(error.attempts().iter().all(|attempt| attempt.status.unwrap() == 200));
        assert_eq!(error.delivery(), Delivery::Unknown);
    }
}

#[tokio::test]
async fn fault_13_a_trigger_that_is_dropped_is_not_sent_again_behind_the_callers_back() {
    let server =
        Server::start([Answer::new("", Then::Silence), Answer::json("200 OK", RUNS)]).await;
    let client = client_of(&server);
    tokio::select! {
        answer = client.send(trigger()) => panic!("answered: {answer:?}"),
        () = server.saw(1) => {}
    }
    // The connection goes away with the call, and the client works on with a new one.
    server.closed(1).await;
    assert_eq!(client.send(read()).await.unwrap().items.len(), 2);
    let methods: Vec<_> = server.requests().iter().map(|seen| seen.method().to_owned()).collect();
    assert_eq!((methods, server.connections()), (vec!["POST".into(), "GET".into()], 2));
}

/// A client of a server that is busy for this long each time, and then says so.
fn slow(
    takes: Duration,
    retry: RetryPolicy,
) -> (Answers, ManualClock, scheduled_runs::adobe::Client) {
    let clock = ManualClock::new();
    let passing = clock.clone();
    let busy = Answers::new(move |_, _| {
        passing.advance(takes);
        answer(503, r#"{"message":"busy"}"#)
    });
    let client =
        builder().transport(busy.clone()).clock(clock.clone()).retry(retry).build().unwrap();
    (busy, clock, client)
}

#[tokio::test]
async fn fault_14_no_attempt_starts_after_the_calls_deadline() {
    let (busy, clock, client) =
        slow(Duration::from_secs(50), RetryPolicy::default().max_attempts(10));
    let error = client.send(read()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Call));
    // They begin at 0, 50 and 100 s; the deadline is at 120 s.
    assert_eq!((busy.count(), error.attempts().len(), clock.sleeps().len()), (3, 3, 2));
    let cause = std::error::Error::source(&error).unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(cause.kind(), ErrorKind::Server);
    assert!(error.report().contains("busy"), "{}", error.report());
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_14_a_pause_is_cut_to_what_is_left() {
    let hour = Duration::from_secs(3600);
    let (busy, clock, client) =
        slow(Duration::from_millis(119_999), RetryPolicy::default().base(hour).cap(hour));
    let error = client.send(read()).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Call));
    assert_eq!(busy.count(), 1);
    assert_eq!(
        (clock.sleeps(), clock.elapsed()),
        (vec![Duration::from_millis(1)], Duration::from_secs(120))
    );
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_14_a_trigger_is_not_tried_again_whatever_time_is_left() {
    let (busy, clock, client) = slow(Duration::from_secs(1), RetryPolicy::default());
    let error = client.send(trigger()).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Server, true));
    assert_eq!((busy.count(), clock.sleeps().len()), (1, 0));
    assert_no_canary(&error, &client);
}

#[tokio::test(start_paused = true)]
async fn fault_14_the_calls_deadline_ends_a_running_attempt() {
    let server = Server::start([Answer::new("", Then::Silence)]).await;
    let client = client_of(&server);
    let begun = tokio::time::Instant::now();
    let call = client.call(trigger()).deadline(Duration::from_secs(10));
    let error = call.send().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.timeout_phase()),
        (ErrorKind::Timeout, Some(TimeoutPhase::Call))
    );
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!((server.requests().len(), error.may_have_run()), (1, true));
    assert_no_canary(&error, &client);
}

/// A credential that takes its time.
#[derive(Debug)]
struct Slow(ManualClock, Duration);

#[async_trait]
impl Credential for Slow {
    async fn apply(&self, request: &mut ApiRequest, _: &CredentialContext<'_>) -> Result<()> {
        self.0.advance(self.1);
        request.set_secret_header(AUTHORIZATION, crate::TOKEN)
    }
}

#[tokio::test]
async fn fault_14_a_trigger_whose_time_is_up_before_it_is_sent_is_not_sent() {
    for (takes, deadline) in [(121, 120), (120, 120), (0, 0)] {
        let clock = ManualClock::new();
        let vendor = Answers::new(|_, _| answer(202, TAKEN));
        let client = builder()
            .transport(vendor.clone())
            .clock(clock.clone())
            .credential(Slow(clock, Duration::from_secs(takes)))
            .build()
            .unwrap();
        let call = client.call(trigger()).deadline(Duration::from_secs(deadline));
        let error = call.send().await.unwrap_err();
        assert_eq!((error.kind(), vendor.count()), (ErrorKind::Timeout, 0), "{takes} s: {error:?}");
        assert_eq!((error.delivery(), error.may_have_run()), (Delivery::NotSent, false));
        assert_no_canary(&error, &client);
    }
}

#[tokio::test]
async fn a_trigger_says_that_its_body_is_empty() {
    let server = Server::start([Answer::json("202 Accepted", TAKEN)]).await;
    client_of(&server).send(trigger()).await.unwrap();
    let seen = server.requests();
    assert!(seen[0].head.to_lowercase().contains("\r\ncontent-length: 0\r\n"), "{}", seen[0].head);
    assert!(!seen[0].has_header("content-type"));
}
