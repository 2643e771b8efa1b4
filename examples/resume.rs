//! Waits that survive their process: each run is written to a file before it is waited for, and a second start goes on
//! with those that have not ended.
//!
//! `cargo run --example resume` shows it without an account: it starts a fake, then itself as a process that crashes, then
//! itself again. With the vendor's variables set, which it names, it starts three runs of what you name, or goes on with
//! those in the file; `--crash` makes it end in the middle.
//!
//! What is written is a printed `RunRef`, one a line. A process that dies between the trigger and the write loses one run;
//! the vendor's list has it, and at a vendor where the caller chooses the run's id it could be written before.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]

mod shared;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use scheduled_runs::{Error, ErrorKind, Phase, Result, RunProviderExt, RunRef};

use shared::progress::ended;
use shared::vendors::{Connected, Fake, Plan, connect, parse};

/// Runs that one start triggers.
const RUNS: u32 = 3;

const USAGE: &str = "\
usage: resume [--file FILE] [--crash] [VENDOR | VENDOR:TARGET]

  --file FILE   where runs are kept; left out, a file in the system's temporary folder
  --crash       ends when the first run has ended, as a crash would
  VENDOR        adobe, foundry (default), mode or supermetrics
  TARGET        what to run there, as a `Target` prints it

Without the vendor's variables, which are named then, it shows both halves on a fake.";

#[tokio::main]
async fn main() -> ExitCode {
    let (mut vendor, mut crash) = ("foundry".to_owned(), false);
    let mut file = std::env::temp_dir().join("scheduled_runs_resume.txt");
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (&*argument, &mut arguments) {
            ("--crash", _) => crash = true,
            ("--file", rest) => file = rest.next().unwrap_or_default().into(),
            ("--help" | "-h", _) => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            (option, _) if option.starts_with('-') => {
                eprintln!("there is no option {option}\n\n{USAGE}");
                return ExitCode::FAILURE;
            }
            _ => vendor = argument,
        }
    }
    match start(&vendor, &file, crash).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\n{}", error.report());
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well.
async fn start(argument: &str, file: &Path, crash: bool) -> Result<bool> {
    let (vendor, target) = parse(argument)?;
    let mut store = Store::open(file)?;
    // Whoever only goes on need not name anything to run.
    let going = store.runs.iter().find(|run| run.vendor().as_str() == vendor);
    let target = target.or_else(|| going.map(|run| run.target().clone()));
    let connected = connect(&vendor, target).await?;
    if let Some(fake) = &connected.fake {
        return show(&connected, &**fake).await;
    }
    if store.runs.is_empty() {
        trigger(&connected, &mut store).await?;
    } else {
        println!("{} has {} that did not end; the wait goes on.", file.display(), store.runs.len());
    }
    wait(store, crash).await
}

async fn trigger(connected: &Connected, store: &mut Store) -> Result<()> {
    let Connected { provider, target, .. } = connected;
    for number in 1..=RUNS {
        let run = provider.trigger(target).verify().await?;
        store.add(&run)?;
        println!("Started, and written to {}: run {number}, {}", store.file.display(), run.id());
    }
    Ok(())
}

/// Waits for every run in the file, and strikes out what has ended. The runs may be of several vendors.
async fn wait(mut store: Store, crash: bool) -> Result<bool> {
    let mut vendors: BTreeMap<_, Vec<RunRef>> = BTreeMap::new();
    for run in &store.runs {
        vendors.entry(run.vendor().clone()).or_default().push(run.clone());
    }
    let mut providers = Vec::new();
    for (vendor, runs) in vendors {
        let target = runs.first().map(|run| run.target().clone());
        providers.push((connect(vendor.as_str(), target).await?.provider, runs));
    }
    let waits = providers.iter().map(|(provider, runs)| {
        provider.wait_all(runs.clone()).every(Duration::from_secs(1)).ends()
    });
    let mut ends = stream::select_all(waits);
    let mut well = true;
    while let Some(end) = ends.next().await {
        match end {
            Ok(run) => {
                println!("Run {} {}; struck out.", run.run.id(), ended(run.phase));
                if let Some(why) = &run.failure {
                    println!("  {why}");
                }
                well &= run.phase == Phase::Succeeded;
                store.strike_out(&run.run)?;
            }
            // The vendor does not know it any more: no later start will learn how it ended.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("{error}; struck out");
                well = false;
                if let Some(run) = error.run() {
                    store.strike_out(run)?;
                }
            }
            Err(error) => {
                eprintln!("{error}; it stays in the file");
                well = false;
            }
        }
        if crash {
            println!("Crash! {} left behind.", store.runs.len());
            std::process::exit(1);
        }
    }
    Ok(well)
}

/// Both halves, in processes that share nothing but the file and the vendor.
async fn show(connected: &Connected, fake: &dyn Fake) -> Result<bool> {
    if !connected.provider.capabilities().trigger {
        println!("{} cannot be asked to run anything.", connected.provider.vendor());
        return Ok(false);
    }
    for looks in 1..=RUNS {
        fake.next_run(Plan::Takes(looks));
    }
    let name = format!("scheduled_runs_resume_{}.txt", std::process::id());
    let file = std::env::temp_dir().join(name);
    heading("A process that crashes");
    let crashed = again(connected, fake, &file, &["--crash"]).await?;
    heading("What it left behind");
    let left = Store::open(&file)?.runs;
    for run in &left {
        println!("{}", shared::short(&run.to_string()));
    }
    heading("Another process");
    let resumed = again(connected, fake, &file, &[]).await?;
    let rest = Store::open(&file)?.runs.len();
    fs::remove_file(&file).map_err(|error| at(&file, error))?;
    heading("Summary");
    println!(
        "{RUNS} runs were started, {} were left by the crash, {rest} are left now.",
        left.len()
    );
    Ok(!crashed && resumed && rest == 0)
}

/// Starts this program again, for the fake as for any account: by the vendor's variables.
async fn again(
    connected: &Connected,
    fake: &dyn Fake,
    file: &PathBuf,
    options: &[&str],
) -> Result<bool> {
    let program = std::env::current_exe().map_err(|error| at(Path::new("this program"), error))?;
    let mut process = tokio::process::Command::new(&program);
    process.arg(connected.target.to_string()).arg("--file").arg(file).args(options);
    let status = process.envs(fake.variables()).status().await;
    Ok(status.map_err(|error| at(&program, error))?.success())
}

/// The runs that have not ended, as far as is known, in a file.
struct Store {
    file: PathBuf,
    runs: Vec<RunRef>,
}

impl Store {
    fn open(file: &Path) -> Result<Self> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(at(file, error)),
        };
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let runs = lines.map(str::parse).collect::<Result<_>>()?;
        Ok(Self { file: file.to_owned(), runs })
    }

    /// Writes the run down; when this returns, it is on the disk.
    fn add(&mut self, run: &RunRef) -> Result<()> {
        let append = || {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.file)?;
            writeln!(file, "{run}")?;
            file.sync_all()
        };
        append().map_err(|error| at(&self.file, error))?;
        self.runs.push(run.clone());
        Ok(())
    }

    /// Writes the others to a new file that takes the old one's place, so that a crash leaves one or the other.
    fn strike_out(&mut self, run: &RunRef) -> Result<()> {
        self.runs.retain(|known| known != run);
        let new = self.file.with_extension("new");
        let replace = || {
            let mut file = File::create(&new)?;
            self.runs.iter().try_for_each(|run| writeln!(file, "{run}"))?;
            file.sync_all()?;
            fs::rename(&new, &self.file)
        };
        replace().map_err(|error| at(&self.file, error))
    }
}

fn at(place: &Path, error: io::Error) -> Error {
    let message = format!("cannot use {}", place.display());
    Error::new(ErrorKind::Config, message).with_source(error)
}

fn heading(text: &str) {
    println!("\n{text}\n{}", "─".repeat(text.chars().count()));
}
