//! What the client does when the world misbehaves: one test for each numbered fault.
//!
//! Each asserts four things: the error's kind, how many requests the server saw, that nothing was triggered twice, and
//! that no secret is in any output. Every secret here has "canary" in it.
//!
//! No test waits for real: pauses are those of a `ManualClock`, and where a limit on the network shall run out, tokio's
//! time is paused, so that it runs out as soon as nothing else happens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests may panic"
)]
#![allow(clippy::disallowed_methods, reason = "the other side has a clock of its own")]

mod answers;
mod certificates;
mod child;
mod compressed;
mod done_or_not;
mod held;
mod http2;
mod load;
mod nothing_sent;
mod pages;
mod proxies;
mod reused;
mod secrets;
mod server;
mod spellings;
mod tls;
mod tokens;
mod unpolled;
mod vendors;
mod wait;
mod waits;
mod walks;
mod ways;

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use scheduled_runs::adobe::{AccessToken, Adobe, Client, ListRuns, TriggerRun};
use scheduled_runs::client::{ApiRequest, BodyLimits, Limits, Transport, TransportError};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{ClientBuilder, Error, ErrorKind};

use crate::server::{Answer, Server};

const TOKEN: &str = "canary-token-8f2c";
const KEY: &str = "canary-key-5d1a";
const ORG: &str = "canary-org-77@AdobeOrg";

/// A page of two runs, and the answer to a trigger.
const RUNS: &str = r#"{"runsSchedules":[{"id":"a"},{"id":"b"}]}"#;
const TAKEN: &str = r#"{"message":"taken","statusCode":202}"#;

#[test]
fn every_fault_has_a_test_of_its_number() {
    let sources = [
        include_str!("answers.rs"),
        include_str!("compressed.rs"),
        include_str!("done_or_not.rs"),
        include_str!("held.rs"),
        include_str!("http2.rs"),
        include_str!("load.rs"),
        include_str!("nothing_sent.rs"),
        include_str!("pages.rs"),
        include_str!("proxies.rs"),
        include_str!("reused.rs"),
        include_str!("secrets.rs"),
        include_str!("spellings.rs"),
        include_str!("tls.rs"),
        include_str!("tokens.rs"),
        include_str!("unpolled.rs"),
        include_str!("vendors.rs"),
        include_str!("wait.rs"),
        include_str!("waits.rs"),
        include_str!("walks.rs"),
    ];
    let tests = sources.iter().flat_map(|source| source.split("fn fault_").skip(1));
    let tested: BTreeSet<u8> = tests.filter_map(|name| name.get(..2)?.parse().ok()).collect();
    // 66 to 69 are those of the test `did_it_run`, and 71 those of `decoding` and its siblings.
    assert_eq!(tested, (1..=65).chain([70]).chain(72..=75).collect());
}

/// A client with secrets of every kind, whose pauses take no time.
fn builder() -> ClientBuilder<Adobe> {
    Client::builder()
        .org_id(ORG)
        .sandbox("dev")
        .credential(AccessToken::new(KEY, TOKEN))
        .clock(ManualClock::new())
}

fn client_of(server: &Server) -> Client {
    builder().base_url(server.url()).build().unwrap()
}

/// A client whose answers are written in the test.
fn scripted() -> (ScriptedTransport, ManualClock, Client) {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let client = builder().transport(script.clone()).clock(clock.clone()).build().unwrap();
    (script, clock, client)
}

fn read() -> ListRuns {
    ListRuns::new("nightly")
}

fn trigger() -> TriggerRun {
    TriggerRun::new("nightly")
}

/// Sends a read and a trigger, each to a server of its own that always answers like this. Both must fail with this kind,
/// the read after `reads` requests, the trigger after exactly one.
async fn assert_both_fail(
    answer: Answer,
    limits: Limits,
    kind: ErrorKind,
    reads: usize,
    trigger_may_have_run: bool,
) -> [Error; 2] {
    assert_both_fail_with(
        || builder().limits(limits.clone()),
        answer,
        kind,
        reads,
        trigger_may_have_run,
    )
    .await
}

/// As [`assert_both_fail`], with clients of the test's own.
async fn assert_both_fail_with(
    builder: impl Fn() -> ClientBuilder<Adobe>,
    answer: Answer,
    kind: ErrorKind,
    reads: usize,
    trigger_may_have_run: bool,
) -> [Error; 2] {
    let server = Server::start([answer.clone()]).await;
    let client = builder().base_url(server.url()).build().unwrap();
    let read = client.send(read()).await.unwrap_err();
    assert_eq!((read.kind(), server.requests().len()), (kind, reads), "{answer:.200?}: {read:?}");
    assert_eq!(read.attempts().len(), reads);
    assert!(!read.may_have_run(), "a read is never said to have run");
    assert_no_canary(&read, &client);

    let server = Server::start([answer.clone()]).await;
    let client = builder().base_url(server.url()).build().unwrap();
    let triggered = client.send(trigger()).await.unwrap_err();
    assert_eq!((triggered.kind(), server.requests().len()), (kind, 1), "{answer:.200?}");
    assert_eq!(triggered.may_have_run(), trigger_may_have_run, "{answer:.200?}: {triggered:?}");
    assert_no_canary(&triggered, &client);
    [read, triggered]
}

/// No secret is in anything that a program prints by accident or on purpose, [`Error::body`] and [`Error::headers`] aside.
#[track_caller]
fn assert_no_canary(error: &Error, client: &impl Debug) {
    let mut printed = vec![
        error.to_string(),
        format!("{error:?}"),
        format!("{error:#?}"),
        error.report(),
        format!("{:?}", error.vendor_error()),
        format!("{:?}", error.request_id()),
        format!("{:?}", error.decode_path()),
        format!("{:?}", error.attempts()),
        format!("{:?}", error.cursor()),
        format!("{client:?}"),
        format!("{client:#?}"),
    ];
    let mut cause = StdError::source(error);
    while let Some(source) = cause {
        printed.extend([source.to_string(), format!("{source:?}"), format!("{source:#?}")]);
        if let Some(inner) = source.downcast_ref::<Error>() {
            printed.extend([inner.report(), format!("{:?}", inner.vendor_error())]);
        }
        cause = source.source();
    }
    for text in printed {
        assert!(!text.to_lowercase().contains("canary"), "a secret is shown: {text}");
    }
}

type Answering = dyn Fn(usize, &ApiRequest) -> http::Response<Bytes> + Send + Sync;

/// A transport whose answers are a function of the request's number, from 0, and of the request.
#[derive(Clone)]
struct Answers {
    answer: Arc<Answering>,
    sent: Arc<Mutex<Vec<ApiRequest>>>,
}

impl Answers {
    fn new(
        answer: impl Fn(usize, &ApiRequest) -> http::Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Self { answer: Arc::new(answer), sent: Arc::default() }
    }

    fn sent(&self) -> Vec<ApiRequest> {
        self.sent.lock().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

impl Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers")
    }
}

#[async_trait]
impl Transport for Answers {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let number = {
            let mut sent = self.sent.lock().unwrap();
            sent.push(request.clone());
            sent.len() - 1
        };
        // Other calls come in before this one is answered.
        tokio::task::yield_now().await;
        Ok((self.answer)(number, &request))
    }
}

/// An answer with a length.
fn answer(status: u16, body: impl Into<Bytes>) -> http::Response<Bytes> {
    let body = body.into();
    let length = body.len();
    http::Response::builder().status(status).header("content-length", length).body(body).unwrap()
}
