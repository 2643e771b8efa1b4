//! The demonstration: a request that is sent twice, by a caller that hangs up, to a service that is killed.
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Client;
use scheduled_runs::RunSnapshot;
use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::testing::Plan;
use scheduled_runs::testing::adobe::FakeAdobe;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::{BoxError, SHORT_TIMES};

const TARGET: &str = "nightly-orders";
const KEY: &str = "orders-of-monday";

pub async fn run() -> Result<(), BoxError> {
    let folder = std::env::temp_dir().join(format!("run_service_{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let done = show(&folder).await;
    std::fs::remove_dir_all(&folder)?;
    done
}

async fn show(folder: &Path) -> Result<(), BoxError> {
    let fake = FakeAdobe::start().await;
    fake.next_run(Plan::succeeds().takes(2));
    let target = fake.client_builder().build()?.target(TARGET).path_segment();
    let runs = format!("/targets/{target}/runs");

    println!(
        "A caller asks for a run of {TARGET}, and hangs up without reading the response."
    );
    println!("  POST /targets/…/runs, Idempotency-Key: {KEY}");
    let mut service = Service::start(&fake, folder).await?;
    let mut caller = TcpStream::connect(service.address()).await?;
    let head = format!(
        "POST {runs} HTTP/1.1\r\nhost: localhost\r\nidempotency-key: {KEY}\r\n\r\n"
    );
    caller.write_all(head.as_bytes()).await?;
    until(async || Ok(fake.triggers(TARGET) > 0)).await?;
    service.process.kill().await?;
    drop(caller);
    println!(
        "The vendor starts the run. The service is killed before it knows which run that is."
    );

    let service = Service::start(&fake, folder).await?;
    let client = Client::new();
    let request = client.post(service.url(&runs)).header("idempotency-key", KEY);
    let response = request.send().await?;
    let status = response.status();
    let run: Status = response.json().await?;
    println!("Another process serves. The caller sends the same request again.");
    println!("  {status}, location /runs/{KEY}, {}", run.state);
    let path = service.url(&format!("/runs/{KEY}"));
    let show =
        async || Ok::<Status, BoxError>(client.get(&path).send().await?.json().await?);
    until(async || Ok(show().await?.state == "ended")).await?;
    let run = show().await?.snapshot.ok_or("a run that has ended has a snapshot")?;
    println!("The service finds the run, and waits for its end.");
    println!("  GET /runs/{KEY}: ended, {}, run {}", run.phase, run.run.id());
    println!("The vendor was asked to start {} run.", fake.triggers(TARGET));

    println!("Some lines of /metrics:");
    let metrics = client.get(service.url("/metrics")).send().await?.text().await?;
    let wanted = ["_count{", "_total{"];
    for line in
        metrics.lines().filter(|line| wanted.iter().any(|part| line.contains(part)))
    {
        println!("  {line}");
    }
    println!("The last event of OpenLineage:");
    let events = std::fs::read_to_string(folder.join("lineage.jsonl"))?;
    let last: Value = serde_json::from_str(events.lines().last().unwrap_or_default())?;
    println!("{last:#}");
    Ok(())
}

/// Asks again and again, as a caller would.
async fn until(
    is_done: impl AsyncFn() -> Result<bool, BoxError>,
) -> Result<(), BoxError> {
    for _ in 0..600 {
        if is_done().await? {
            return Ok(());
        }
        SystemClock::default().sleep(Duration::from_millis(50)).await;
    }
    Err("this takes too long".into())
}

/// What the demonstration reads of a response.
#[derive(Deserialize)]
struct Status {
    state: String,
    snapshot: Option<RunSnapshot>,
}

/// The service, in a process of its own.
struct Service {
    process: Child,
    url: String,
}

impl Service {
    async fn start(fake: &FakeAdobe, folder: &Path) -> Result<Self, BoxError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--serve", "127.0.0.1:0", "--table"]).arg(folder.join("runs.db"));
        command.arg("--lineage").arg(folder.join("lineage.jsonl")).envs(variables(fake));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let output = process.stdout.take().ok_or("the service has no output")?;
        let line = BufReader::new(output).lines().next_line().await?;
        let line = line.ok_or("the service has ended")?;
        let url = line.strip_prefix("serving at ").ok_or("the service has no address")?;
        Ok(Self { process, url: url.to_owned() })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

/// The environment with which a service uses this fake.
pub fn variables(fake: &FakeAdobe) -> [(&'static str, String); 7] {
    [
        ("ADOBE_CLIENT_ID", FakeAdobe::CLIENT_ID.to_owned()),
        ("ADOBE_CLIENT_SECRET", FakeAdobe::CLIENT_SECRET.to_owned()),
        ("ADOBE_ORG_ID", FakeAdobe::ORG_ID.to_owned()),
        ("ADOBE_SANDBOX", FakeAdobe::SANDBOX.to_owned()),
        ("ADOBE_BASE_URL", fake.base_url()),
        ("ADOBE_TOKEN_URL", fake.token_url()),
        (SHORT_TIMES, "1".to_owned()),
    ]
}
