//! Starts a fake of every vendor, for tests in other languages or by hand: prints where each one is, with which credentials, and
//! what it knows. It runs until Ctrl-C or SIGTERM.
//!
//! `cargo run --example fakes -- --adobe 4001 --arcgis 4002 --foundry 4003 --mode 4004 --supermetrics 4005`; a vendor without a port
//! gets a free one. `--json` prints one line with one JSON object instead of the table.
//!
//! What is printed are environment variables: with those of a vendor, the other examples use its fake as if it were an account.

mod shared;
#[path = "shared/vendors.rs"]
#[allow(dead_code, reason = "other examples use the rest of it")]
mod vendors;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::FakeArcGis;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::{FakeSupermetrics, FakeTransfers};
use serde_json::{Map, Value, json};

use shared::arguments::Arguments;
use shared::output::{complain, print_raw, say};
use vendors::{Fake, Plan, VENDORS};

const USAGE: &str = "\
usage: fakes [--json] [--VENDOR PORT]...

  --VENDOR PORT  starts the fake of adobe, arcgis, foundry,
                 mode, supermetrics or
                 supermetrics-transfers on this port of
                 127.0.0.1; by default each one is on a free
                 port
  --json         prints one line of JSON instead of a table

Runs until Ctrl-C or SIGTERM.";

/// A fake that runs as long as this value lives.
struct Started {
    vendor: &'static str,
    base_url: String,
    /// What a client needs.
    variables: Vec<(&'static str, String)>,
    /// What can be run, in the vendor's word, and the ids of what is there.
    what: &'static str,
    targets: Vec<&'static str>,
    _fake: Box<dyn Fake>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let (mut json, mut ports) = (false, [0; VENDORS.len()]);
    let mut arguments = Arguments::new(USAGE);
    while let Some(argument) = arguments.take() {
        let vendor = VENDORS.iter().position(|&vendor| argument.strip_prefix("--") == Some(vendor));
        match (&*argument, vendor.and_then(|vendor| ports.get_mut(vendor))) {
            (_, Some(port)) => {
                let needed = "a port, 0 to 65535";
                match arguments.value(&argument, needed).parse() {
                    Ok(given) => *port = given,
                    Err(_) => arguments.refuse(&format!("option {argument} needs {needed}")),
                }
            }
            ("--json", _) => json = true,
            _ => arguments.unknown(&argument),
        }
    }
    // From here on a signal ends the program without an error.
    let (stopped, fakes) = match (stop_signals(), start(ports).await) {
        (Ok(stopped), Ok(fakes)) => (stopped, fakes),
        (Err(error), _) | (_, Err(error)) => {
            complain!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if json {
        print_raw(io::stdout(), &as_json(&fakes).to_string());
    } else {
        show(&fakes);
        // Who wants only the first lines has closed the pipe by then, and this line ends the program.
        SystemClock::default().sleep(Duration::from_millis(200)).await;
        say!("Stop the fakes with Ctrl-C.");
    }
    stopped.await;
    ExitCode::SUCCESS
}

async fn start(ports: [u16; 6]) -> io::Result<Vec<Started>> {
    let [adobe, arcgis, foundry, mode, supermetrics, transfers] = ports;
    let adobe = FakeAdobe::start_on(adobe).await?;
    let arcgis = FakeArcGis::start_on(arcgis).await?;
    let foundry = FakeFoundry::start_on(foundry).await?;
    let mode = FakeMode::start_on(mode).await?;
    let supermetrics = FakeSupermetrics::start_on(supermetrics).await?;
    let transfers = FakeTransfers::start_on(transfers).await?;
    // No API of this vendor starts a run of a task, so one is under way: it succeeds as it is polled.
    Fake::next_run(&arcgis, Plan::Succeeds);
    let tasks = vec![FakeArcGis::NOTEBOOK, FakeArcGis::REPORT, FakeArcGis::INSIGHTS];
    let oauth = [
        ("FOUNDRY_CLIENT_ID", FakeFoundry::CLIENT_ID.to_owned()),
        ("FOUNDRY_CLIENT_SECRET", FakeFoundry::CLIENT_SECRET.to_owned()),
        ("FOUNDRY_TOKEN_URL", foundry.token_url()),
    ];
    let schedules = vec!["nightly-orders", "hourly-traffic", "retired-report"];
    let rids =
        vec![FakeFoundry::NIGHTLY_ORDERS, FakeFoundry::HOURLY_TRAFFIC, FakeFoundry::RETIRED_REPORT];
    let reports = vec![FakeMode::REPORT, FakeMode::FRESH_REPORT, FakeMode::DATASET];
    let sources = vec![FakeSupermetrics::DATA_SOURCE];
    let mut fakes = vec![
        Started::new("adobe", adobe.base_url(), "schedules", schedules, adobe),
        Started::new("arcgis", arcgis.base_url(), "tasks", tasks, arcgis),
        Started::new("foundry", foundry.base_url(), "schedules", rids, foundry),
        Started::new("mode", mode.base_url(), "reports", reports, mode),
        Started::new(
            "supermetrics",
            supermetrics.base_url(),
            "data sources",
            sources,
            supermetrics,
        ),
        Started::new(
            "supermetrics-transfers",
            transfers.base_url(),
            "transfers",
            vec![FakeTransfers::TRANSFER, FakeTransfers::PAUSED_TRANSFER],
            transfers,
        ),
    ];
    for foundry in fakes.iter_mut().filter(|fake| fake.vendor == "foundry") {
        foundry.variables.extend(oauth.clone());
    }
    Ok(fakes)
}

impl Started {
    fn new(
        vendor: &'static str,
        base_url: String,
        what: &'static str,
        targets: Vec<&'static str>,
        fake: impl Fake + 'static,
    ) -> Self {
        let variables = fake.variables();
        Self { vendor, base_url, variables, what, targets, _fake: Box::new(fake) }
    }
}

fn show(fakes: &[Started]) {
    for fake in fakes {
        say!("{:<24}{}", fake.vendor, fake.base_url);
        for (name, value) in &fake.variables {
            say!("  {name:<22}{value}");
        }
        for (number, target) in fake.targets.iter().enumerate() {
            say!("  {:<22}{target}", if number == 0 { fake.what } else { "" });
        }
        say!("");
    }
    say!("Nothing moves by itself: a run takes a step whenever it is polled.");
}

fn as_json(fakes: &[Started]) -> Value {
    let all = fakes.iter().map(|fake| {
        let variables = fake.variables.iter();
        let variables: Map<_, _> =
            variables.map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let shown = json!({
            "base_url": fake.base_url,
            "environment": variables,
            "targets": fake.targets,
        });
        (fake.vendor.to_owned(), shown)
    });
    Value::Object(all.collect())
}

#[cfg(unix)]
fn stop_signals() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupted, mut terminated) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "the other one can fail")]
fn stop_signals() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
