//! A transport of your own, by wrapping: `Recorder` writes every exchange to a file, without secrets, and `Replay` answers
//! from that file with no network at all. For tests without an account, and for a bug that only the vendor shows.
//!
//! `cargo run --example record_and_replay [FILE]` records against a fake, ends the fake, replays the same program, and looks
//! for the fake's secrets in the file. In a crate of your own, take it in four steps:
//!
//! 1. Implement [`Transport`] around another one. It sends exactly once: the client repeats, and comes here each time.
//! 2. Hand it to `ClientBuilder::transport`. Every request of the client comes through it, those for tokens too.
//! 3. Keep nothing secret. A request says what is: [`ApiRequest::redacted_url`] is its URL as logs show it,
//!    [`ApiRequest::redact`] takes its secrets out of any text, sensitive headers say so themselves, and where
//!    [`ApiRequest::is_confidential`] is true neither body may be kept.
//! 4. To replay, build the client with any credential and a clock whose pauses take no time.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use scheduled_runs::client::{
    ApiRequest, BodyLimits, ReqwestTransport, Transport, TransportError, TransportErrorKind,
};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::{
    CallLimits, Error, ErrorKind, Phase, Result, RunProvider, RunProviderExt, adobe,
};
use serde::{Deserialize, Serialize};

/// One line of the file.
#[derive(Deserialize, Serialize)]
struct Exchange {
    operation: String,
    method: String,
    /// Path and query: a replay matches by method and this.
    target: String,
    request_headers: Vec<(String, String)>,
    request_body: Option<String>,
    /// How the transport failed, if it did; then there is no answer.
    failed: Option<String>,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    /// Missing where it may hold secrets, and where it is no text.
    body: Option<String>,
}

/// Headers of an answer that are kept. Others may hold anything, such as a session.
const KEPT_HEADERS: [&str; 4] = ["content-type", "date", "retry-after", "x-request-id"];

/// Path and query as they may be kept, and as a replay finds them: the same on both sides.
fn target(request: &ApiRequest) -> String {
    let url = request.redacted_url();
    // Not the origin: a fake has another port each time.
    let origin = request.url().origin().ascii_serialization();
    url.strip_prefix(&origin).unwrap_or(&url).to_owned()
}

/// Writes down what goes through another transport.
#[derive(Debug)]
struct Recorder<T> {
    inner: T,
    file: Mutex<File>,
}

impl<T> Recorder<T> {
    fn new(inner: T, file: &Path) -> io::Result<Self> {
        Ok(Self { inner, file: Mutex::new(File::create(file)?) })
    }

    /// One write for each line, so that exchanges at the same time do not mix.
    fn write(&self, exchange: &Exchange) -> io::Result<()> {
        let line = serde_json::to_string(exchange)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(format!("{line}\n").as_bytes())
    }
}

#[async_trait]
impl<T: Transport> Transport for Recorder<T> {
    async fn send(
        &self,
        request: ApiRequest,
        limits: BodyLimits,
    ) -> std::result::Result<Response<Bytes>, TransportError> {
        // The inner transport takes the request; this one needs its secrets afterwards. Bodies are not copied.
        let sent = request.clone();
        let answered = self.inner.send(request, limits).await;

        let body = |body: &Bytes| {
            let text = str::from_utf8(body).ok().filter(|_| !sent.is_confidential())?;
            Some(sent.redact(text).into_owned())
        };
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            let shown = value.to_str().ok().filter(|_| !value.is_sensitive());
            (name.to_string(), sent.redact(shown.unwrap_or("REDACTED")).into_owned())
        };
        let mut exchange = Exchange {
            operation: sent.operation().to_owned(),
            method: sent.method().to_string(),
            target: target(&sent),
            request_headers: sent.headers().iter().map(header).collect(),
            request_body: body(sent.body()).filter(|body| !body.is_empty()),
            failed: None,
            status: None,
            headers: Vec::new(),
            body: None,
        };
        match &answered {
            Ok(answer) => {
                exchange.status = Some(answer.status().as_u16());
                let kept = answer.headers().iter();
                let kept = kept.filter(|(name, _)| KEPT_HEADERS.contains(&name.as_str()));
                exchange.headers = kept.map(header).collect();
                exchange.body = body(answer.body());
            }
            Err(error) => exchange.failed = Some(format!("{:?}", error.kind())),
        }
        // A disk that is full is no reason to lose the answer to a trigger.
        if let Err(error) = self.write(&exchange) {
            eprintln!("an exchange is missing in the recording: {error}");
        }
        answered
    }
}

/// Answers from a recording: requests of the same method, path and query in the order in which they were recorded.
///
/// A read beyond the recording gets its last answer again, for a replay may look at a run once more. Anything else is
/// refused as not sent: nothing is made up.
#[derive(Debug)]
struct Replay(Mutex<HashMap<(String, String), VecDeque<Recorded>>>);

type Recorded = std::result::Result<Response<Bytes>, TransportErrorKind>;

impl Replay {
    fn open(file: &Path) -> io::Result<Self> {
        let mut recorded: HashMap<_, VecDeque<_>> = HashMap::new();
        for line in fs::read_to_string(file)?.lines() {
            let exchange: Exchange = serde_json::from_str(line)?;
            let key = (exchange.method.clone(), exchange.target.clone());
            recorded.entry(key).or_default().push_back(exchange.replayed());
        }
        Ok(Self(Mutex::new(recorded)))
    }

    fn next(&self, request: &ApiRequest) -> Option<Recorded> {
        let key = (request.method().to_string(), target(request));
        let mut recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = recorded.get_mut(&key)?;
        match answers.front() {
            Some(last) if answers.len() == 1 && request.method().is_safe() => Some(last.clone()),
            _ => answers.pop_front(),
        }
    }
}

impl Exchange {
    fn replayed(self) -> Recorded {
        if let Some(failed) = &self.failed {
            return Err(match &**failed {
                "Connect" | "ConnectTimeout" | "NotProcessed" => TransportErrorKind::Connect,
                // When in doubt: "not sent" would let the client start a run again.
                _ => TransportErrorKind::Interrupted,
            });
        }
        let mut answer = Response::new(self.body.unwrap_or_default().into());
        let status = self.status.and_then(|status| StatusCode::from_u16(status).ok());
        *answer.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = self.headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        });
        *answer.headers_mut() = headers.collect::<HeaderMap>();
        Ok(answer)
    }
}

#[async_trait]
impl Transport for Replay {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> std::result::Result<Response<Bytes>, TransportError> {
        match self.next(&request) {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(kind)) => Err(TransportError::new(kind)),
            None => Err(TransportError::new(TransportErrorKind::Refused)
                .with_source("the recording has no such exchange")),
        }
    }
}

/// Keeps the tokens that go through it, so that this program can look for them. Nothing else should do so.
#[derive(Clone, Debug)]
struct Tokens<T>(T, Arc<Mutex<Vec<String>>>);

#[async_trait]
impl<T: Transport + Clone> Transport for Tokens<T> {
    async fn send(
        &self,
        request: ApiRequest,
        limits: BodyLimits,
    ) -> std::result::Result<Response<Bytes>, TransportError> {
        let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        if let Some(token) = token.and_then(|value| value.strip_prefix("Bearer ")) {
            self.1.lock().unwrap_or_else(PoisonError::into_inner).push(token.to_owned());
        }
        self.0.send(request, limits).await
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    if argument.as_deref().is_some_and(|argument| argument.starts_with('-')) {
        println!(
            "usage: record_and_replay [FILE]\n\n  FILE    the recording; left out, recording.jsonl in the system's temporary folder"
        );
        return ExitCode::SUCCESS;
    }
    let file = argument.map_or_else(|| std::env::temp_dir().join("recording.jsonl"), PathBuf::from);
    match show(&file).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\n{}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn show(file: &Path) -> Result<bool> {
    println!("Recording to {}\n", file.display());
    let fake = FakeAdobe::start().await;
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let network = ReqwestTransport::new(Duration::from_secs(5))?;
    let transport = Recorder::new(Tokens(network, tokens.clone()), file);
    let transport = transport.map_err(|error| at(file, error))?;
    let client = fake.client_builder().transport(transport).build()?;
    let recorded = program(&client).await?;
    println!("{recorded}");

    let base_url = fake.base_url();
    drop((client, fake));
    println!("\nThe same from the recording, with nobody at {base_url}\n");
    let replay = Replay::open(file).map_err(|error| at(file, error))?;
    let client = adobe::Client::builder()
        .credential(adobe::AccessToken::new("any", "any"))
        .org_id("any")
        .sandbox("any")
        .base_url(base_url)
        .transport(replay)
        .clock(ManualClock::new())
        .build()?;
    let replayed = program(&client).await?;
    println!("{replayed}");

    let text = fs::read_to_string(file).map_err(|error| at(file, error))?;
    let mut secrets = tokens.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let known = [FakeAdobe::CLIENT_ID, FakeAdobe::CLIENT_SECRET, FakeAdobe::ORG_ID];
    secrets.extend(known.map(str::to_owned));
    secrets.sort();
    secrets.dedup();
    let found = secrets.iter().filter(|secret| text.contains(secret.as_str())).count();
    println!(
        "\n{} exchanges are in the file, and {found} of {} secrets, tokens among them.",
        text.lines().count(),
        secrets.len()
    );
    println!(
        "Both programs say {}.",
        if recorded == replayed { "the same" } else { "different things" }
    );
    Ok(found == 0 && secrets.len() > 3 && recorded == replayed)
}

/// What is recorded and replayed; what it has to say.
async fn program(provider: &impl RunProvider) -> Result<String> {
    let target = adobe::target("nightly-orders");
    let mut lines = Vec::new();
    let page = provider.fetch_page(&target, None, &CallLimits::default()).await?;
    lines.push(format!("  {} runs are listed.", page.items.len()));
    for run in page.items.iter().filter(|run| run.phase == Phase::Failed) {
        let failed = provider.snapshot(&run.run).await?;
        let why = failed.failure.map_or_else(|| "no reason".to_owned(), |why| why.to_string());
        lines.push(format!("  One failed: {why}."));
    }
    let run = provider.trigger(&target).verify().settle(Duration::from_secs(1)).await?;
    lines.push(format!("  Triggered {run}."));
    let done = provider.wait(&run).every(Duration::from_secs(1)).await?;
    lines.push(format!("  It {}.", done.phase));
    Ok(lines.join("\n"))
}

fn at(file: &Path, error: io::Error) -> Error {
    let message = format!("cannot use {}", file.display());
    Error::new(ErrorKind::Config, message).with_source(error)
}
