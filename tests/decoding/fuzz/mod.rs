//! Answers that nobody would write by hand, through the clients of all vendors: nothing panics, hangs, grows, starts twice,
//! or tells a secret.
//!
//! Inputs are the fixtures and error bodies of each vendor, with changes: broken bytes, cuts, splices, deep nesting, huge
//! numbers, names twice, odd dates and links, the client's own secret. Input number `n` of a target is always the same.
//! A normal run is short. `FUZZ_SECONDS=600 cargo test --release --test decoding fuzz -- --nocapture` runs each target that long;
//! `FUZZ_FROM=n` begins with input `n`.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]
#![allow(clippy::print_stdout, reason = "the test prints what it counted")]

mod mutate;
mod targets;

use std::error::Error as _;
use std::fmt::Write as _;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use fastrand::Rng;
use http::Response;
use scheduled_runs::client::{
    Api, ApiRequest, BodyLimits, Endpoint, RetryPolicy, Transport, TransportError,
    TransportErrorKind,
};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{Client, ClientBuilder, Error};

/// Gives the same few answers for each input, and counts the requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed(Arc<Mutex<Vec<Response<Bytes>>>>, Arc<Mutex<usize>>);

#[async_trait]
impl Transport for Feed {
    async fn send(&self, _: ApiRequest, _: BodyLimits) -> Result<Response<Bytes>, TransportError> {
        *self.1.lock().unwrap() += 1;
        let answer = self.0.lock().unwrap().pop();
        answer.ok_or_else(|| TransportError::new(TransportErrorKind::Refused))
    }
}

/// One input: where its answers come from, and the client that reads them.
pub(crate) struct Case<'r> {
    pub(crate) rng: &'r mut Rng,
    pub(crate) feed: Feed,
}

impl Case<'_> {
    /// A client that answers come to.
    pub(crate) fn client<A: Api>(&self, builder: ClientBuilder<A>) -> Client<A> {
        let policy = RetryPolicy::default().budget(u32::MAX);
        let builder = builder.transport(self.feed.clone()).clock(ManualClock::new()).retry(policy);
        builder.build().unwrap()
    }

    /// Prepares one to four answers.
    pub(crate) fn answers(&mut self, seeds: &[&str]) {
        let count = self.rng.usize(1..=4);
        let answers = (0..count).map(|_| mutate::answer(self.rng, seeds)).collect();
        *self.feed.0.lock().unwrap() = answers;
        *self.feed.1.lock().unwrap() = 0;
    }

    /// Sends one request, and looks at what comes back.
    pub(crate) async fn send<E: Endpoint>(
        &self,
        client: &Client<E::Api>,
        request: E,
    ) -> Option<E::Output> {
        match client.send(request).await {
            Ok(answer) => {
                assert_no_secret(&format!("{:?} {}", answer.meta(), answer.report()));
                Some(answer.into_inner())
            }
            Err(error) => {
                // A token may have been asked for beside it.
                assert!(error.attempts().len() <= *self.feed.1.lock().unwrap(), "{error:?}");
                assert_quiet(&error);
                None
            }
        }
    }
}

/// The client's secret as servers send it back, in lower case.
const SECRET_FORMS: [&str; 3] =
    ["canary-zq7/x+9%2", "canary-zq7%2fx%2b9%252", r"canary-zq7\/x+9%2"];

/// No output of an error tells the client's secret.
pub(crate) fn assert_quiet(error: &Error) {
    let mut text = format!("{error} {error:?} {error:#?} {}", error.report());
    let mut cause = error.source();
    while let Some(source) = cause {
        let _ = write!(text, " {source} {source:?}");
        cause = source.source();
    }
    let _ = write!(text, " {:?} {:?}", error.vendor_error(), error.request_id());
    let _ = write!(text, " {:?} {:?}", error.attempts(), error.decode_path());
    assert_no_secret(&text);
    assert!(text.len() < 1_000_000, "an error of {} bytes", text.len());
}

fn assert_no_secret(text: &str) {
    let text = text.to_ascii_lowercase();
    for form in SECRET_FORMS {
        assert!(!text.contains(form), "{form} in {text}");
    }
}

/// Runs one target for as long as is asked for.
#[allow(clippy::disallowed_methods, reason = "a test that is to end in time looks at the time")]
fn fuzz<F: Future<Output = ()>>(target: &str, input: impl Fn(Rng) -> F) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seconds = number("FUZZ_SECONDS");
    let first = number("FUZZ_FROM").unwrap_or(0);
    let most = if seconds.is_some() { u64::MAX } else { 1_000 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let start = Instant::now();
    let (mut tried, mut slowest) = (0, Duration::ZERO);
    while tried < most && seconds.is_none_or(|seconds| start.elapsed().as_secs() < seconds) {
        let number = first + tried;
        let begun = Instant::now();
        let rng = Rng::with_seed(number);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            runtime
                .block_on(async { tokio::time::timeout(Duration::from_secs(20), input(rng)).await })
        }));
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(_)) => panic!("input {number} of {target} hangs"),
            Err(panic) => {
                println!("input {number} of {target}: repeat it with FUZZ_FROM={number}");
                resume_unwind(panic);
            }
        }
        slowest = slowest.max(begun.elapsed());
        tried += 1;
    }
    println!("{target}: {tried} inputs in {:?}, the slowest {slowest:?}", start.elapsed());
}
