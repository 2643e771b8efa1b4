//! A web service that starts each run exactly once: the command line.
//!
//! `cargo run --manifest-path examples/service/Cargo.toml` shows what it does, and needs no account: it uses a fake of Adobe Query
//! Service. With the environment variables of your account, which it prints, `--serve` uses that. For a vendor's own service build
//! it with `--features rustls`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to a person"
)]

#[path = "../../shared/environment.rs"]
mod environment;

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_sdk::metrics::SdkMeterProvider;
use run_service::lineage::Lineage;
use run_service::opentelemetry::Instruments;
use run_service::runs::{Observer, Runs, Timing};
use run_service::service::router;
use run_service::store::Store;
use run_service::{BoxError, SHORT_TIMES, demo, prometheus};
use scheduled_runs::adobe::{self, Adobe, ServerToServer};
use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::run::FinishedWait;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::{ClientBuilder, ErrorKind, RunSnapshot};
use tokio::net::TcpListener;

use environment::{account, variable};

const USAGE: &str = "\
usage: run_service [--demo]
       run_service --serve ADDRESS [--table FILE] [--lineage FILE] [--otel-stdout]

  --demo           shows in some seconds what the service does, and ends
  --serve ADDRESS  serves HTTP there, such as 127.0.0.1:8080; port 0 is a free one
  --table FILE     the SQLite file of the table; default run_service.db, and with a
                   fake a table in memory
  --lineage FILE   appends the events of OpenLineage to this file, one a line
  --otel-stdout    prints the metrics of OpenTelemetry once a minute

It uses your account at Adobe if ADOBE_CLIENT_ID, ADOBE_CLIENT_SECRET, ADOBE_ORG_ID
and ADOBE_SANDBOX are set, and a fake on this machine otherwise.";

/// The exit code for a mistake that the user can correct.
const MISTAKE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|text| text.to_string_lossy().into_owned())
        .collect();
    if arguments.iter().any(|argument| matches!(&**argument, "--help" | "-h")) {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let done = match Command::read(arguments) {
        Ok(Command::Demo) => demo::run().await,
        Ok(Command::Serve(options)) => serve(options).await,
        Err(mistake) => {
            eprintln!("{mistake}\n\n{USAGE}");
            return ExitCode::from(MISTAKE);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let error = error.downcast_ref::<scheduled_runs::Error>();
            let is_mistake = error.is_some_and(|error| error.kind() == ErrorKind::Config);
            if is_mistake { ExitCode::from(MISTAKE) } else { ExitCode::FAILURE }
        }
    }
}

enum Command {
    Demo,
    Serve(Options),
}

#[derive(Default)]
struct Options {
    address: String,
    table: Option<PathBuf>,
    lineage: Option<PathBuf>,
    otel_stdout: bool,
}

impl Command {
    fn read(arguments: Vec<String>) -> Result<Self, String> {
        let (mut demo, mut address, mut options) = (false, None, Options::default());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next().filter(|value| !value.starts_with('-'));
                value.ok_or_else(|| format!("{argument} needs a value"))
            };
            match &*argument {
                "--demo" => demo = true,
                "--serve" => address = Some(value()?),
                "--table" => options.table = Some(value()?.into()),
                "--lineage" => options.lineage = Some(value()?.into()),
                "--otel-stdout" => options.otel_stdout = true,
                option if option.starts_with('-') => {
                    return Err(format!("unknown option {option}"));
                }
                other => return Err(format!("unexpected argument {other:?}")),
            }
        }
        let has_options =
            options.table.is_some() || options.lineage.is_some() || options.otel_stdout;
        match address {
            Some(_) if demo => Err("--demo and --serve exclude each other".to_owned()),
            Some(address) => Ok(Self::Serve(Options { address, ..options })),
            None if has_options => Err("this option needs --serve ADDRESS".to_owned()),
            None => Ok(Self::Demo),
        }
    }
}

async fn serve(options: Options) -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
    let listener = TcpListener::bind(&options.address).await?;
    let metrics = prometheus::install()?;
    let exporter =
        options.otel_stdout.then(opentelemetry_stdout::MetricExporter::default);
    let otel = exporter.map(|exporter| {
        let meters = SdkMeterProvider::builder().with_periodic_exporter(exporter).build();
        let meter =
            opentelemetry::metrics::MeterProvider::meter(&meters, "scheduled-runs");
        (Instruments::new(&meter), meters)
    });

    let (builder, fake) = client().await?;
    let instruments = otel.as_ref().map(|(instruments, _)| instruments.clone());
    let counted = instruments.clone();
    let client = builder.on_call(move |call| {
        prometheus::on_call(call);
        if let Some(instruments) = &counted {
            instruments.on_call(call);
        }
    });
    let client = client.build()?;
    let file = options.table.or_else(|| fake.is_none().then(|| "run_service.db".into()));
    let has_short_times = fake.is_some() || variable(SHORT_TIMES).is_some();
    let observer =
        Reports { instruments, lineage: Mutex::default(), file: open(options.lineage)? };
    let target = client.target("nightly-orders").path_segment();
    let store = Store::open(file.as_deref())?;
    let timing = if has_short_times { Timing::short() } else { Timing::default() };
    let runs = Runs::resume(Arc::new(client), store, timing, observer).await?;

    let address = listener.local_addr()?;
    println!("serving at http://{address}");
    if fake.is_some() {
        println!("{}", to_try(&format!("http://{address}"), &target));
    }
    let upkeep = metrics.clone();
    tokio::spawn(async move {
        loop {
            SystemClock::default().sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, router(runs, move || metrics.render()))
        .with_graceful_shutdown(stop)
        .await?;
    if let Some((_, meters)) = otel {
        meters.shutdown()?;
    }
    Ok(())
}

/// The client of your account, or of a fake. Nothing but this names a vendor: to use another one, build its client here.
async fn client() -> Result<(ClientBuilder<Adobe>, Option<FakeAdobe>), BoxError> {
    let names =
        ["ADOBE_CLIENT_ID", "ADOBE_CLIENT_SECRET", "ADOBE_ORG_ID", "ADOBE_SANDBOX"];
    let urls = ["ADOBE_BASE_URL", "ADOBE_TOKEN_URL"];
    let Some([id, secret, organisation, sandbox]) = account(names, &[], &urls)? else {
        let fake = FakeAdobe::start().await;
        return Ok((fake.client_builder(), Some(fake)));
    };
    let mut credential = ServerToServer::new(id, secret);
    if let Some(url) = variable("ADOBE_TOKEN_URL") {
        credential = credential.token_url(url);
    }
    let builder = adobe::Client::builder().credential(credential).org_id(organisation);
    let base_url =
        variable("ADOBE_BASE_URL").unwrap_or_else(|| adobe::BASE_URL.to_owned());
    Ok((builder.sandbox(sandbox).base_url(base_url), None))
}

fn to_try(service: &str, target: &str) -> String {
    format!(
        "a fake of Adobe Query Service is behind it, and its table is in memory; try\n\
         \n  curl -i -X POST -H 'Idempotency-Key: monday' {service}/targets/{target}/runs\
         \n  curl {service}/runs/monday\
         \n  curl -X DELETE {service}/runs/monday\
         \n  curl '{service}/targets/{target}/runs?since=2026-01-01T00:00:00Z&reasons=true'\
         \n  curl {service}/metrics\n"
    )
}

/// Where the events of OpenLineage go. A service would send them to `/api/v1/lineage` of its server.
fn open(file: Option<PathBuf>) -> std::io::Result<Option<File>> {
    file.map(|file| File::options().create(true).append(true).open(file)).transpose()
}

/// Reports what happens to runs.
struct Reports {
    instruments: Option<Instruments>,
    lineage: Mutex<Lineage>,
    file: Option<File>,
}

impl Observer for Reports {
    fn polled(&self, run: &RunSnapshot) {
        let Some(mut file) = self.file.as_ref() else { return };
        let mut lineage = self.lineage.lock().unwrap_or_else(PoisonError::into_inner);
        for event in lineage.events(run, SystemClock::default().utc()) {
            let written = serde_json::to_string(&event).map_err(std::io::Error::other);
            // In one piece, so that a process that is killed leaves no half line.
            if let Err(error) =
                written.and_then(|line| file.write_all(format!("{line}\n").as_bytes()))
            {
                tracing::error!(run = %run.run, %error, "an event of OpenLineage was not written");
            }
        }
    }

    fn ended(&self, wait: &FinishedWait<'_>) {
        prometheus::on_end(wait);
        if let Some(instruments) = &self.instruments {
            instruments.on_end(wait);
        }
    }
}
