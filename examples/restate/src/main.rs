//! A run on a durable engine: it is started once and awaited to its end, although the worker dies and the engine too.
//!
//! `cargo run --manifest-path examples/restate/Cargo.toml` needs no account: it uses a fake. It starts a Restate server, which it downloads
//! once from npm (80 MB), and a worker; it kills both when the run has started, and starts them again.
//!
//! If you set the vendor's environment variables, which it prints, and add `--features rustls`, it uses your account.
//!
//! `service.rs` is what your own program would contain; this file and `engine.rs` start processes.

#[macro_use]
#[path = "../../shared/lines.rs"]
mod lines;

mod engine;
mod service;
#[path = "../../shared/vendors.rs"]
#[allow(dead_code, reason = "other examples use more of it")]
mod vendors;

use std::collections::HashMap;
use std::pin::pin;
use std::process::{ExitCode, Stdio};

use restate_sdk::prelude::{Endpoint, HttpServer, Json};
use scheduled_runs::{Error, ErrorKind, Phase, Target};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};

use engine::{Engine, Result};
use service::{Runs, RunsIngressClient};
use vendors::{Connected, Plan, connect, name, parse};

const USAGE: &str = "\
usage: scheduled-runs-on-restate [--fail] [VENDOR | VENDOR:TARGET]
       scheduled-runs-on-restate worker ADDRESS accounts|fakes TARGET...

  VENDOR    adobe, foundry, mode (default) or supermetrics
  TARGET    what to run there, as a `Target` prints it
  --fail    on a fake: the run fails, to show its reason
  worker    executes the steps of runs of the vendors of these targets, until it is killed";

/// The exit code for a mistake that the user can correct.
const MISTAKE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *arguments {
        _ if arguments.iter().any(|argument| matches!(*argument, "--help" | "-h")) => {
            say!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        ["worker", address, vendors @ ("accounts" | "fakes"), ref targets @ ..] => {
            work(address, vendors, targets).await
        }
        [] => show("mode", false).await,
        ["--fail"] => show("mode", true).await,
        ["--fail", vendor] | [vendor, "--fail"] if is_vendor(vendor) => show(vendor, true).await,
        [vendor] if is_vendor(vendor) => show(vendor, false).await,
        _ => return refuse(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            complain!("{why}");
            let kind = why.downcast_ref().map(Error::kind);
            let is_mistake = kind == Some(ErrorKind::Config);
            if is_mistake { ExitCode::from(MISTAKE) } else { ExitCode::FAILURE }
        }
    }
}

/// Whether this may be a vendor: it is neither an option nor the worker.
fn is_vendor(argument: &str) -> bool {
    !argument.starts_with('-') && argument != "worker"
}

/// Says which argument is wrong.
fn refuse(arguments: &[&str]) -> ExitCode {
    let is_unknown = |argument: &&&str| argument.starts_with('-') && **argument != "--fail";
    match (arguments.iter().find(is_unknown), arguments) {
        (Some(option), _) => complain!("unknown option {option}\n\n{USAGE}"),
        (None, ["worker", ..]) => {
            complain!("worker needs an ADDRESS, and accounts or fakes\n\n{USAGE}");
        }
        (None, [.., last]) => complain!("unexpected argument {last:?}\n\n{USAGE}"),
        (None, []) => complain!("{USAGE}"),
    }
    ExitCode::from(MISTAKE)
}

/// A worker: serves the service to the engine.
async fn work(address: &str, vendors: &str, targets: &[&str]) -> Result<bool> {
    let mut providers = HashMap::new();
    for target in targets {
        let (vendor, target) = parse(target)?;
        let provider = connect(&vendor, target).await?.provider;
        providers.insert(provider.vendor(), provider);
    }
    let runs = Runs { providers, are_fakes: vendors == "fakes" };
    let listener = TcpListener::bind(address).await?;
    say!("listening on {}", listener.local_addr()?);
    HttpServer::new(Endpoint::builder().bind(runs).build()).serve(listener).await;
    Ok(true)
}

/// Shows one run, from its start to its end. Returns whether it succeeded.
async fn show(argument: &str, fail: bool) -> Result<bool> {
    let (vendor, target) = parse(argument)?;
    let Connected { provider, target, fake } = connect(&vendor, target).await?;
    if !provider.capabilities().trigger {
        let name = name(&vendor);
        let why = format!("{name} cannot trigger runs; use adobe, foundry, mode or supermetrics");
        return Err(Error::new(ErrorKind::Config, why).into());
    }
    let program = match engine::find() {
        Ok(program) => program,
        Err(why) => {
            say!("skipped: there is no Restate server: {why}");
            return Ok(true);
        }
    };
    let (mut vendors, mut variables) = ("accounts", Vec::new());
    if let Some(fake) = &fake {
        fake.next_run(if fail { Plan::Fails } else { Plan::Takes(3) });
        (vendors, variables) = ("fakes", fake.variables());
    }

    let folder =
        std::env::temp_dir().join(format!("scheduled_runs_on_restate_{}", std::process::id()));
    say!("\nStarting the engine. Its data and its log are in {}.", folder.display());
    let mut engine = Engine::start(program, folder.clone()).await?;
    let mut worker = Worker::start("127.0.0.1:0", vendors, &target, &variables).await?;
    engine.register(&format!("http://{}", worker.address)).await?;

    let runs = RunsIngressClient::from_client(engine.client()?, target.to_string());
    // A key for each run that is wanted. If a call is sent again with the same key, the engine still makes one invocation of it.
    let call = runs.run().idempotency_key(format!("run-{}", std::process::id())).send().await?;
    let invocation = call.invocation_handle();
    say!("The engine has accepted invocation {}.\n", invocation.invocation_id());

    // What the worker prints says what happens.
    while !worker.next_line().await?.contains(": started") {}
    say!("The worker is killed, and the engine too. Both are started again.");
    worker.process.kill().await?;
    engine.kill_and_restart().await?;
    let mut worker = Worker::start(&worker.address, vendors, &target, &variables).await?;
    let mut end = pin!(invocation.attach());
    let Json(run) = loop {
        tokio::select! {
            end = &mut end => break end?.into_body(),
            line = worker.next_line() => line?,
        };
    };
    say!("\nRun {} {}.", run.run.id(), run.phase);
    if let Some(why) = &run.failure {
        say!("  {why}");
    }
    drop((engine, worker));
    std::fs::remove_dir_all(&folder)?;
    Ok(run.phase == Phase::Succeeded)
}

/// A process of this program that is a worker.
struct Worker {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Worker {
    async fn start(
        address: &str,
        vendors: &str,
        target: &Target,
        variables: &[(&str, String)],
    ) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["worker", address, vendors, &target.to_string()])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().ok_or("the worker has no output")?;
        let mut lines = BufReader::new(output).lines();
        let line = lines.next_line().await?.ok_or("the worker has ended")?;
        let address =
            line.strip_prefix("listening on ").ok_or("the worker does not listen")?.to_owned();
        Ok(Self { process, lines, address })
    }

    /// The next line that the worker prints. It is printed here without the target.
    async fn next_line(&mut self) -> Result<String> {
        let line = self.lines.next_line().await?.ok_or("the worker has ended")?;
        let (_, step) = line.split_once(' ').unwrap_or_default();
        say!("  worker: {step}");
        Ok(line)
    }
}
