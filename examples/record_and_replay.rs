//! Your own transport that wraps another one: `Recorder` writes requests and responses to a file, without secrets, and `Replay`
//! replays that file without a network. For tests without an account, and for a bug that only happens at the vendor.
//!
//! `cargo run --example record_and_replay [FILE]` records a program against a fake, stops the fake, replays the program, and
//! searches the file for the fake's secrets. To do this in your own crate:
//!
//! 1. Implement [`Transport`] around another one. It sends each request exactly once; the client calls it again for each retry.
//! 2. Pass it to `ClientBuilder::transport`. All requests of the client go through it, including those for tokens.
//! 3. Store no secrets. The request knows them: [`ApiRequest::redacted_url`] is its URL without secrets,
//!    [`ApiRequest::redact`] removes its secrets from any text, headers with secrets are marked sensitive, and if
//!    [`ApiRequest::is_confidential`] is true, store neither body.
//! 4. To replay, build the client with any credential, and with a clock on which pauses take no time.

mod shared;

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
use scheduled_runs::{CallLimits, Error, Phase, Result, RunProvider, RunProviderExt, adobe};
use serde::{Deserialize, Serialize};

use shared::arguments::at_most_one;
use shared::output::{complain, say};
use shared::{failed, mistake};

const USAGE: &str = "\
usage: record_and_replay [FILE]

  FILE  the recording; by default recording.jsonl in the
        system's temporary folder

Uses a fake, whatever the environment variables say.";

/// One line of the file.
#[derive(Deserialize, Serialize)]
struct Exchange {
    operation: String,
    method: String,
    /// Path and query. A replay finds an exchange by its method and target.
    target: String,
    request_headers: Vec<(String, String)>,
    request_body: Option<String>,
    /// How the transport failed, if it did; then there is no response.
    failed: Option<String>,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    /// Missing if it may contain secrets, or if it is not text.
    body: Option<String>,
}

/// Response headers that are stored. Others may contain secrets, such as a session id.
const KEPT_HEADERS: [&str; 4] = ["content-type", "date", "retry-after", "x-request-id"];

/// Path and query without secrets. Recorder and replay compute them in the same way.
fn target(request: &ApiRequest) -> String {
    let url = request.redacted_url();
    // Without the origin, because a fake has a new port each time.
    let origin = request.url().origin().ascii_serialization();
    url.strip_prefix(&origin).unwrap_or(&url).to_owned()
}

/// Records what another transport sends and receives.
#[derive(Debug)]
struct Recorder<T> {
    inner: T,
    file: Mutex<File>,
}

impl<T> Recorder<T> {
    fn new(inner: T, file: &Path) -> io::Result<Self> {
        Ok(Self { inner, file: Mutex::new(File::create(file)?) })
    }

    /// Each line is one write, so that concurrent exchanges do not mix.
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
        // The inner transport takes the request, but its secrets are needed afterwards. A clone does not copy the body.
        let sent = request.clone();
        let result = self.inner.send(request, limits).await;

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
        match &result {
            Ok(response) => {
                exchange.status = Some(response.status().as_u16());
                let kept = response.headers().iter();
                let kept = kept.filter(|(name, _)| KEPT_HEADERS.contains(&name.as_str()));
                exchange.headers = kept.map(header).collect();
                exchange.body = body(response.body());
            }
            Err(error) => exchange.failed = Some(format!("{:?}", error.kind())),
        }
        // A full disk must not make the response to a trigger get lost.
        if let Err(error) = self.write(&exchange) {
            complain!("cannot record an exchange: {error}");
        }
        result
    }
}

/// Replays a recording: requests with the same method, path and query get their responses in the recorded order.
///
/// After the last recorded response, a read gets it again, because a replay may poll a run once more. All other requests fail as
/// not sent.
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
        let results = recorded.get_mut(&key)?;
        match results.front() {
            Some(last) if results.len() == 1 && request.method().is_safe() => Some(last.clone()),
            _ => results.pop_front(),
        }
    }
}

impl Exchange {
    fn replayed(self) -> Recorded {
        if let Some(failed) = &self.failed {
            return Err(match &**failed {
                "Connect" | "ConnectTimeout" | "NotProcessed" => TransportErrorKind::Connect,
                // In doubt, because after "not sent" the client may send a trigger again.
                _ => TransportErrorKind::Interrupted,
            });
        }
        let mut response = Response::new(self.body.unwrap_or_default().into());
        let status = self.status.and_then(|status| StatusCode::from_u16(status).ok());
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = self.headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        });
        *response.headers_mut() = headers.collect::<HeaderMap>();
        Ok(response)
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
            Some(Ok(response)) => Ok(response),
            Some(Err(kind)) => Err(TransportError::new(kind)),
            None => Err(TransportError::new(TransportErrorKind::Refused)
                .with_source("the recording has no such exchange")),
        }
    }
}

/// Stores the tokens of all requests, so that this program can search for them. Do not do this elsewhere.
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
    let argument = at_most_one(USAGE);
    let file = argument.map_or_else(|| std::env::temp_dir().join("recording.jsonl"), PathBuf::from);
    match show(&file).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

async fn show(file: &Path) -> Result<bool> {
    say!("Recording to {}\n", file.display());
    let fake = FakeAdobe::start().await;
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let network = ReqwestTransport::new(Duration::from_secs(5))?;
    let transport = Recorder::new(Tokens(network, tokens.clone()), file);
    let transport = transport.map_err(|error| at(file, error))?;
    let client = fake.client_builder().transport(transport).build()?;
    let recorded = program(&client).await?;
    say!("{recorded}");

    let base_url = fake.base_url();
    drop((client, fake));
    say!("\nReplaying the recording, with no server at {base_url}\n");
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
    say!("{replayed}");

    let text = fs::read_to_string(file).map_err(|error| at(file, error))?;
    let mut secrets = tokens.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let known = [FakeAdobe::CLIENT_ID, FakeAdobe::CLIENT_SECRET, FakeAdobe::ORG_ID];
    secrets.extend(known.map(str::to_owned));
    secrets.sort();
    secrets.dedup();
    let found = secrets.iter().filter(|secret| text.contains(secret.as_str())).count();
    say!(
        "\nThe file contains {} exchanges, and {found} of {} secrets, including tokens.",
        text.lines().count(),
        secrets.len()
    );
    say!(
        "Recording and replay have {} output.",
        if recorded == replayed { "the same" } else { "different" }
    );
    Ok(found == 0 && secrets.len() > 3 && recorded == replayed)
}

/// The program that is recorded and replayed. Returns its output.
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
    mistake(format!("cannot use {}", file.display())).with_source(error)
}
