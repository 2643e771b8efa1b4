//! Many calls to a vendor that fails one time in ten, in random ways: nothing is started twice, every call is accounted
//! for, and neither memory nor descriptors grow.
//!
//! A normal run is short. All of it: `cargo test --release --test client soak -- --ignored --nocapture`; `SOAK_SEED` draws anew.
#![cfg(feature = "adobe")]
#![allow(clippy::print_stdout, reason = "the test prints what it counted")]

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use fastrand::Rng;
use futures_util::{StreamExt as _, stream};
use http::{Method, Response, StatusCode};
use scheduled_runs::adobe::{AccessToken, Adobe, Client, GetRun, ListRuns, TriggerRun};
use scheduled_runs::client::{
    ApiRequest, BodyLimits, Transport, TransportError, TransportErrorKind,
};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{ClientBuilder, Error, ErrorKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const RUN: &str = r#"{"id":"r","state":"IN_PROGRESS","created":"2026-02-03T04:05:06Z"}"#;
const RUNS: &str =
    r#"{"runsSchedules":[{"id":"r","state":"SUCCESS"},{"id":"q","state":"FAILED"}]}"#;
const TAKEN: &str = r#"{"message":"Request to execute the schedule is accepted","statusCode":202}"#;

fn seed() -> u64 {
    std::env::var("SOAK_SEED").map_or(1, |seed| seed.parse().unwrap())
}

/// What the vendor did: how often it started a run of each schedule, and how many requests came.
#[derive(Debug, Default)]
struct Ledger {
    started: Mutex<HashMap<Box<str>, u32>>,
    requests: AtomicU64,
    faults: AtomicU64,
}

impl Ledger {
    /// Carries a request out.
    fn act(&self, method: &str, path: &str) -> &'static str {
        if method == "POST" {
            let schedule = path.split('/').rev().nth(1).unwrap();
            *self.started.lock().unwrap().entry(schedule.into()).or_default() += 1;
            TAKEN
        } else if path.ends_with("/runs") {
            RUNS
        } else {
            RUN
        }
    }

    /// How often a schedule was started; it is struck off.
    fn strike(&self, schedule: &str) -> u32 {
        self.started.lock().unwrap().remove(schedule).unwrap_or(0)
    }
}

/// How calls ended.
#[derive(Debug, Default)]
struct Tally {
    good: u64,
    failed: BTreeMap<String, u64>,
    /// Triggers that failed and had started a run; each said that it might have.
    started_unseen: u64,
}

impl Tally {
    fn calls(&self) -> u64 {
        self.good + self.failed.values().sum::<u64>()
    }

    fn count(&mut self, ended: Result<(), Error>, is_trigger: bool, started: u32) {
        assert!(started <= 1, "started {started} times");
        match ended {
            Ok(()) => {
                assert_eq!(started, u32::from(is_trigger));
                self.good += 1;
            }
            Err(error) => {
                assert!(started == 0 || error.may_have_run(), "{}", error.report());
                assert!((1..=3).contains(&error.attempts().len()), "{}", error.report());
                assert_ne!(error.kind(), ErrorKind::Config, "{}", error.report());
                self.started_unseen += u64::from(started);
                *self.failed.entry(format!("{:?}", error.kind())).or_default() += 1;
            }
        }
    }
}

/// Makes calls, 32 at once, and holds each against what the vendor did.
async fn calls(client: &Client, ledger: &Ledger, numbers: Range<u64>, tally: &Mutex<Tally>) {
    let call = |number: u64| async move {
        let schedule = format!("s-{number}");
        let is_trigger = number % 2 == 1;
        let ended = match number % 4 {
            0 => client.send(ListRuns::new(schedule.as_str())).await.map(drop),
            2 => client.send(GetRun::new(schedule.as_str(), "r")).await.map(drop),
            _ => client.send(TriggerRun::new(schedule.as_str())).await.map(drop),
        };
        tally.lock().unwrap().count(ended, is_trigger, ledger.strike(&schedule));
    };
    stream::iter(numbers).for_each_concurrent(32, call).await;
}

/// Bytes of memory that this process holds. `None` where nobody says.
fn memory() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

fn descriptors() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}

/// Makes so many calls; after the first quarter nothing may grow.
async fn soak(total: u64, builder: ClientBuilder<Adobe>, ledger: &Ledger) {
    let builder = builder.org_id("1@AdobeOrg").sandbox("dev").clock(ManualClock::new());
    let client = builder.credential(AccessToken::new("key", "token")).build().unwrap();
    let tally = Mutex::new(Tally::default());
    calls(&client, ledger, 0..total / 4, &tally).await;
    let before = (memory(), descriptors());
    calls(&client, ledger, total / 4..total, &tally).await;
    let after = (memory(), descriptors());

    let tally = tally.into_inner().unwrap();
    let (requests, faults) = (&ledger.requests, &ledger.faults);
    println!("{total} calls, {requests:?} requests, {faults:?} of them went wrong: {tally:?}");
    println!("memory and descriptors after a quarter {before:?}, after all {after:?}");
    assert_eq!(tally.calls(), total);
    assert!(ledger.started.lock().unwrap().is_empty(), "every run belongs to a call");
    assert!(tally.good > total * 85 / 100 && tally.started_unseen > 0, "{tally:?}");
    if let ((Some(held), Some(open)), (Some(holds), Some(opens))) = (before, after) {
        assert!(holds < held + 24 * 1024 * 1024, "memory grows from {held} to {holds} bytes");
        // At most 32 connections at once, with both ends in this process.
        assert!(opens <= open + 64, "descriptors grow from {open} to {opens}");
    }
}

/// In memory: one request in ten goes wrong, before or after it was carried out.
#[derive(Clone, Debug)]
struct Flaky {
    ledger: Arc<Ledger>,
    rng: Arc<Mutex<Rng>>,
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

fn answer_with(status: u16, name: &'static str, value: &'static str) -> Response<Bytes> {
    let mut answer = answer(status, "");
    answer.headers_mut().insert(name, value.parse().unwrap());
    answer
}

#[async_trait]
impl Transport for Flaky {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        use TransportErrorKind as Kind;

        tokio::task::yield_now().await;
        self.ledger.requests.fetch_add(1, Ordering::Relaxed);
        let (fault, way) = {
            let mut rng = self.rng.lock().unwrap();
            (rng.u8(..10) == 0, rng.usize(..22))
        };
        let act = || self.ledger.act(request.method().as_str(), request.url().path());
        let status = if request.method() == Method::POST { 202 } else { 200 };
        if !fault {
            return Ok(answer(status, act()));
        }
        self.ledger.faults.fetch_add(1, Ordering::Relaxed);
        let fails = |kind| Err(TransportError::new(kind).with_source("as drawn"));
        match way {
            0 => return fails(Kind::Connect),
            1 => return fails(Kind::ConnectTimeout),
            2 => return fails(Kind::Tls),
            3 => return fails(Kind::NotProcessed),
            4 => return fails(Kind::Interrupted),
            5 => return Ok(answer(401, r#"{"error_code":"401013","message":"not valid"}"#)),
            6 => return Ok(answer(404, "")),
            7 => return Ok(answer(429, "slow down")),
            8 => return Ok(answer_with(503, "retry-after", "7")),
            9 => return Ok(answer_with(302, "location", "https://evil.example/")),
            _ => {}
        }
        let body = act();
        match way {
            10 => fails(Kind::Interrupted),
            11 => fails(Kind::Idle),
            12 => fails(Kind::TooLarge),
            13 => fails(Kind::NotHttp),
            14..=17 => Ok(answer([500, 502, 504, 524][way - 14], "<html>")),
            18 => Ok(answer(status, "<html>please sign in</html>")),
            19 => Ok(answer(status, &body.as_bytes()[..body.len() / 2])),
            20 => Ok(answer(status, vec![0xff; 100_000])),
            _ => std::future::pending().await,
        }
    }
}

async fn soak_in_memory(total: u64) {
    let ledger = Arc::new(Ledger::default());
    let rng = Arc::new(Mutex::new(Rng::with_seed(seed())));
    let transport = Flaky { ledger: ledger.clone(), rng };
    soak(total, Client::builder().transport(transport), &ledger).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_twice_and_every_call_is_accounted_for() {
    soak_in_memory(8_000).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "200,000 calls"]
async fn nothing_is_started_twice_in_200_000_calls() {
    soak_in_memory(200_000).await;
}

/// On loopback: one request in ten is cut off, reset, or answered with something else.
async fn serve(listener: TcpListener, ledger: Arc<Ledger>) {
    let mut rng = Rng::with_seed(seed());
    while let Ok((stream, _)) = listener.accept().await {
        let (ledger, rng) = (ledger.clone(), rng.fork());
        tokio::spawn(async move { drop(connection(stream, &ledger, rng).await) });
    }
}

/// Reads one request; its first line, in lower case. `None` at the end of the connection.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<String>> {
    let is_end = |window: &[u8]| window == b"\r\n\r\n";
    loop {
        if let Some(end) = buffer.windows(4).position(is_end) {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let mut lines = head.lines();
            let line = lines.next().unwrap().to_owned();
            let length = lines.find_map(|line| line.strip_prefix("content-length: "));
            let whole = end + 4 + length.map_or(0, |length| length.parse().unwrap());
            if buffer.len() >= whole {
                buffer.drain(..whole);
                return Ok(Some(line));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

async fn connection(mut stream: TcpStream, ledger: &Ledger, mut rng: Rng) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(line) = request(&mut stream, &mut buffer).await? {
        ledger.requests.fetch_add(1, Ordering::Relaxed);
        let way = if rng.u8(..10) == 0 { rng.u8(..8) } else { u8::MAX };
        ledger.faults.fetch_add((way < u8::MAX).into(), Ordering::Relaxed);
        if way == 0 {
            return Ok(());
        }
        let mut words = line.split(' ');
        let method = words.next().unwrap().to_ascii_uppercase();
        let body = ledger.act(&method, words.next().unwrap().split('?').next().unwrap());
        let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let sent = match way {
            1 => "",
            2 => {
                stream.set_zero_linger()?;
                ""
            }
            3 => &whole[..whole.len() - 9],
            4 => "not http\r\n\r\n",
            5 => "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n",
            6 => "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>",
            7 => "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            _ => &whole,
        };
        stream.write_all(sent.as_bytes()).await?;
        if matches!(way, 1..=4 | 7) {
            return Ok(());
        }
    }
    Ok(())
}

async fn soak_connections(total: u64) {
    let ledger = Arc::new(Ledger::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(serve(listener, ledger.clone()));
    soak(total, Client::builder().base_url(base), &ledger).await;
    server.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_leave_no_descriptors() {
    soak_connections(1_200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "200,000 calls over connections"]
async fn broken_connections_leave_no_descriptors_in_200_000_calls() {
    soak_connections(200_000).await;
}
