//! Credentials, waiting, load: rows 55 to 60.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use http::Response;
use scheduled_runs::adobe::{Client, target};
use scheduled_runs::client::{
    ApiRequest, BodyLimits, CachedToken, Clock as _, CredentialContext, Limits, SystemClock, Token,
    TokenSource, Transport, TransportError, TransportErrorKind,
};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{Error, ErrorKind, Phase, Result, RunProviderExt as _, RunRef, TimeoutPhase};
use tokio::sync::Barrier;

use crate::server::{Answer, Server};
use crate::{
    Answers, RUNS, TAKEN, answer, assert_no_canary, builder, client_of, read, scripted, trigger,
};

/// Hands out `canary-token-1`, `canary-token-2` and so on.
#[derive(Clone, Debug)]
struct Counting {
    asked: Arc<AtomicUsize>,
    life: Duration,
}

impl Counting {
    fn new(seconds: u64) -> Self {
        Self { asked: Arc::default(), life: Duration::from_secs(seconds) }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl TokenSource for Counting {
    async fn token(&self, _: &CredentialContext<'_>) -> Result<Token> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::task::yield_now().await;
        Ok(Token::new(format!("canary-token-{number}"), self.life))
    }
}

/// Hands out `canary-token-1`, `canary-token-2` and so on: how long each takes to come, and how long it lives.
#[derive(Debug)]
pub(crate) struct Slow {
    tokens: Vec<[Duration; 2]>,
    asked: AtomicUsize,
}

impl Slow {
    /// A client with such tokens, in milliseconds.
    pub(crate) fn client(vendor: &Answers, tokens: impl IntoIterator<Item = [u64; 2]>) -> Client {
        let tokens = tokens.into_iter().map(|times| times.map(Duration::from_millis));
        let source = Self { tokens: tokens.collect(), asked: AtomicUsize::new(0) };
        let builder = builder().clock(SystemClock::default()).transport(vendor.clone());
        builder.credential(CachedToken::from(source)).build().unwrap()
    }
}

#[async_trait]
impl TokenSource for Slow {
    async fn token(&self, _: &CredentialContext<'_>) -> Result<Token> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let [takes, life] = self.tokens[number];
        SystemClock::default().sleep(takes).await;
        Ok(Token::new(format!("canary-token-{}", number + 1), life))
    }
}

/// The number of the token that a request carries.
pub(crate) fn token(request: &ApiRequest) -> usize {
    let value = request.headers()["authorization"].to_str().unwrap();
    value.strip_prefix("Bearer canary-token-").unwrap().parse().unwrap()
}

const CALLS: usize = 100;

/// A vendor that refuses the first token, once all calls have come with it.
#[derive(Clone, Debug)]
struct Expired {
    all: Arc<Barrier>,
    tokens: Arc<Mutex<Vec<usize>>>,
}

#[async_trait]
impl Transport for Expired {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let token = token(&request);
        self.tokens.lock().unwrap().push(token);
        if token > 1 {
            return Ok(answer(200, RUNS));
        }
        self.all.wait().await;
        Ok(answer(401, r#"{"error_code":"401013","message":"Oauth token is not valid"}"#))
    }
}

#[tokio::test]
async fn fault_55_a_hundred_calls_with_a_stale_token_renew_it_once() {
    let source = Counting::new(86_400);
    let vendor = Expired { all: Arc::new(Barrier::new(CALLS)), tokens: Arc::default() };
    let client = builder()
        .transport(vendor.clone())
        .credential(CachedToken::from(source.clone()))
        .limits(Limits::default().in_flight(CALLS))
        .build()
        .unwrap();
    let calls = join_all((0..CALLS).map(|_| client.send(read())));
    let answers = tokio::time::timeout(Duration::from_secs(10), calls).await.unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().meta().attempts.len() == 2));
    assert_eq!(source.asked(), 2, "the first token, and one for all");
    let tokens = vendor.tokens.lock().unwrap();
    let with = |token| tokens.iter().filter(|sent| **sent == token).count();
    assert_eq!((with(1), with(2)), (CALLS, CALLS));
}

#[tokio::test]
async fn fault_55_a_new_token_that_is_refused_too_ends_the_call() {
    for is_trigger in [false, true] {
        let source = Counting::new(86_400);
        let vendor = Answers::new(|_, _| answer(401, r#"{"error_code":"401013","message":"no"}"#));
        let client = builder()
            .transport(vendor.clone())
            .credential(CachedToken::from(source.clone()))
            .build()
            .unwrap();
        let error = if is_trigger {
            client.send(trigger()).await.unwrap_err()
        } else {
            client.send(read()).await.unwrap_err()
        };
        assert_eq!((error.kind(), vendor.count()), (ErrorKind::Auth, 2));
        assert_eq!((source.asked(), error.may_have_run()), (2, false));
        assert_eq!(vendor.sent().iter().map(token).collect::<Vec<_>>(), [1, 2]);
        assert_no_canary(&error, &client);
    }
}

#[derive(Clone, Copy, Debug)]
enum Mood {
    Fails,
    Hangs,
    Panics,
}

/// A source that misbehaves as often as it is told, and then works.
#[derive(Debug)]
struct Moody(Mutex<VecDeque<Mood>>);

#[async_trait]
impl TokenSource for Moody {
    async fn token(&self, _: &CredentialContext<'_>) -> Result<Token> {
        let mood = self.0.lock().unwrap().pop_front();
        match mood {
            Some(Mood::Fails) => Err(Error::new(ErrorKind::Server, "no tokens today")),
            Some(Mood::Hangs) => std::future::pending().await,
            Some(Mood::Panics) => panic!("this test makes a token source panic"),
            None => Ok(Token::new("canary-token-1", Duration::from_secs(60))),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fault_56_a_credential_that_misbehaves_ends_one_call_and_not_the_next() {
    for (mood, kind, phase) in [
        (Mood::Fails, ErrorKind::Auth, None),
        (Mood::Hangs, ErrorKind::Timeout, Some(TimeoutPhase::Auth)),
        (Mood::Panics, ErrorKind::Auth, None),
    ] {
        let server = Server::start([Answer::json("202 Accepted", TAKEN)]).await;
        let source = Moody(Mutex::new([mood, mood].into()));
        let client =
            builder().base_url(server.url()).credential(CachedToken::from(source)).build().unwrap();
        let begun = tokio::time::Instant::now();
        for _ in 0..2 {
            let error = client.send(trigger()).await.unwrap_err();
            assert_eq!((error.kind(), error.timeout_phase()), (kind, phase), "{mood:?}");
            assert!(!error.may_have_run());
            assert_no_canary(&error, &client);
        }
        assert!(begun.elapsed() <= Duration::from_secs(241), "two calls of 120 s each at most");
        assert_eq!(server.connections(), 0);
        client.send(trigger()).await.unwrap();
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn fault_57_every_attempt_asks_for_the_token_anew() {
    let source = Counting::new(1);
    let clock = ManualClock::new();
    let vendor = Answers::new(|number, _| match number {
        0 => {
            let busy = Response::builder().status(503).header("retry-after", "2");
            busy.body(Bytes::new()).unwrap()
        }
        _ => answer(200, RUNS),
    });
    let client = builder()
        .transport(vendor.clone())
        .credential(CachedToken::from(source.clone()))
        .clock(clock)
        .build()
        .unwrap();
    client.send(read()).await.unwrap();
    assert_eq!(vendor.sent().iter().map(token).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(source.asked(), 2);
}

#[tokio::test]
async fn fault_57_a_token_is_renewed_before_its_end_whatever_the_wall_clock_says() {
    let source = Counting::new(100);
    let clock = ManualClock::new();
    let vendor = Answers::new(|_, _| answer(200, RUNS));
    let client = builder()
        .transport(vendor.clone())
        .credential(CachedToken::from(source.clone()))
        .clock(clock.clone())
        .build()
        .unwrap();
    for (pass, days) in [(0, 0), (80, 0), (0, 400), (0, -400), (15, 0), (0, 0)] {
        clock.advance(Duration::from_secs(pass));
        clock.set_utc(Utc::now() + TimeDelta::days(days));
        client.send(read()).await.unwrap();
    }
    // At 95 of 100 seconds the token is renewed, and not before.
    assert_eq!(vendor.sent().iter().map(token).collect::<Vec<_>>(), [1, 1, 1, 1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn fault_55_a_token_that_takes_long_is_the_one_that_all_calls_wait_for() {
    let vendor = Answers::new(|_, _| answer(200, RUNS));
    let client = Slow::client(&vendor, [[12_000, 3_600_000]; 3]);
    let began = SystemClock::default().now();
    let calls = (0..20).map(|_| async {
        client.send(read()).await.unwrap();
        (SystemClock::default().now() - began).as_secs()
    });
    let mut took = join_all(calls).await;
    took.sort_unstable();
    // The two that did not want to wait any longer, after 5 s and 10 s, have tokens of their own.
    assert_eq!(took, [[12; 18].as_slice(), &[17, 22]].concat());
    client.send(read()).await.unwrap();
    assert_eq!(token(vendor.sent().last().unwrap()), 3);
}

#[tokio::test(start_paused = true)]
async fn fault_57_a_token_that_ends_while_its_early_renewal_takes_too_long_is_not_used() {
    let vendor = Answers::new(|_, _| answer(200, RUNS));
    let client = Slow::client(&vendor, [[0, 20_000], [6_000, 3_600_000], [0, 3_600_000]]);
    client.send(read()).await.unwrap();
    SystemClock::default().sleep(Duration::from_secs(19)).await;
    client.send(read()).await.unwrap();
    assert_eq!(vendor.sent().iter().map(token).collect::<Vec<_>>(), [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn fault_57_a_token_that_was_asked_for_earlier_does_not_replace_a_newer_one() {
    let clock = SystemClock::default();
    let begun = clock.now();
    // At 951 s all tokens are revoked that were asked for until then: the first two.
    let vendor = Answers::new(move |_, request| {
        let late = SystemClock::default().now() - begun >= Duration::from_secs(951);
        if late && token(request) < 3 { answer(401, "") } else { answer(200, RUNS) }
    });
    let client = Slow::client(&vendor, [[0, 1_000_000], [4_000, 1_000_000], [0, 1_000_000]]);
    client.send(read()).await.unwrap();
    clock.sleep(Duration::from_millis(950_500)).await;
    // It asks for the second token at 950.5 s and gets it at 954.5 s. The other one is refused at 952 s.
    let early = client.send(read());
    let refused = async {
        clock.sleep(Duration::from_millis(1_500)).await;
        client.send(read()).await
    };
    let (early, refused) = tokio::join!(early, refused);
    assert!(early.is_ok() && refused.is_ok(), "{early:?} {refused:?}");
    client.send(read()).await.unwrap();
    assert_eq!(vendor.sent().iter().map(token).collect::<Vec<_>>(), [1, 1, 3, 3, 3]);
}

fn run() -> RunRef {
    target("nightly").run("r1")
}

fn state(state: &str) -> Bytes {
    format!(r#"{{"id":"r1","state":"{state}"}}"#).into()
}

#[tokio::test]
async fn fault_58_a_run_that_never_ends_is_left_alone_at_the_limit() {
    let clock = ManualClock::new();
    // Whoever looks a hundred times looks too often; the run is then gone, so that the test ends.
    let vendor = Answers::new(|number, _| match number {
        0..100 => answer(200, state("IN_PROGRESS")),
        _ => answer(404, ""),
    });
    let client = builder().transport(vendor.clone()).clock(clock.clone()).build().unwrap();
    let wait = client.wait(&run()).every(Duration::ZERO).timeout(Duration::from_secs(10));
    let error = wait.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    let last = error.last_snapshot().unwrap();
    assert_eq!((last.phase, &last.run), (Phase::Running, &run()));
    assert_eq!(clock.elapsed(), Duration::from_secs(10));
    // One look a second, although none were asked for in between, and no cancel.
    assert_eq!(vendor.count(), 10);
    assert!(vendor.sent().iter().all(|request| request.method() == http::Method::GET));
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_59_a_look_that_failed_is_not_a_run_that_failed() {
    let (script, _, client) = scripted();
    // Each look is tried three times before it counts as failed.
    for _ in 0..3 {
        script.respond(503, "");
    }
    for _ in 0..3 {
        script.fail(TransportErrorKind::Interrupted);
    }
    for word in ["BRAND_NEW", "IN_PROGRESS", "SUCCESS", "IN_PROGRESS"] {
        script.respond(200, state(word));
    }
    let seen: Vec<_> =
        client.wait(&run()).updates().map(|look| look.unwrap().phase).collect().await;
    assert_eq!(seen, [Phase::Unknown, Phase::Running, Phase::Succeeded]);
    assert_eq!(script.sent().len(), 9, "after the first end nobody looks again");
}

#[tokio::test]
async fn fault_59_a_run_that_is_not_there_or_not_ours_ends_the_wait() {
    for (status, kind) in [(404, ErrorKind::NotFound), (403, ErrorKind::Denied)] {
        let (script, _, client) = scripted();
        script.respond(200, state("IN_PROGRESS"));
        script.respond(status, r#"{"message":"no"}"#);
        let error = client.wait(&run()).await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (kind, 2));
        assert_eq!(error.last_snapshot().unwrap().phase, Phase::Running);
        assert_no_canary(&error, &client);
    }
}

#[tokio::test]
async fn fault_60_five_thousand_calls_at_once_share_a_few_connections() {
    let server = Server::start([Answer::json("200 OK", RUNS)]).await;
    let client: Client = client_of(&server);
    let answers = join_all((0..5000).map(|_| client.send(read()))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().items.len() == 2));
    assert_eq!(server.requests().len(), 5000);
    // The pool may open a connection for a call that then gets another one.
    let (peak, connections) = (server.peak(), server.connections());
    assert!((2..=64).contains(&peak), "{peak} requests at one time");
    assert!(connections <= 128, "{connections} connections");
}
