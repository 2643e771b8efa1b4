//! Waits that survive their process: each run is written to a file before the program waits for it, and a second process resumes
//! the waits for the runs that have not ended.
//!
//! `cargo run --example resume` needs no account: it starts a fake, then itself as a process that crashes, then itself again. If
//! you set the vendor's environment variables, which it prints, it triggers three runs of the target that you name, or resumes the
//! waits for those in the file; `--crash` makes it end before all runs have ended.
//!
//! Each line of the file is a printed `RunRef`. A process that dies between the trigger and the write loses one run. The vendor's
//! list still has that run, and at a vendor where the caller chooses the run's id, the id could be written before the trigger.
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

  --file FILE   stores the runs; by default a file in the system's temporary folder
  --crash       ends abruptly when the first run has ended
  VENDOR        adobe, foundry (default), mode or supermetrics
  TARGET        what to run there, as a `Target` prints it

Uses your account if the vendor's environment variables are set, whose names it
prints. Otherwise it shows a crash and the resumed waits on a fake.";

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
                eprintln!("unknown option {option}\n\n{USAGE}");
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

/// Returns whether everything succeeded.
async fn start(argument: &str, file: &Path, crash: bool) -> Result<bool> {
    let (vendor, target) = parse(argument)?;
    let mut store = Store::open(file)?;
    // To resume, a user need not name a target.
    let stored = store.runs.iter().find(|run| run.vendor().as_str() == vendor);
    let target = target.or_else(|| stored.map(|run| run.target().clone()));
    let connected = connect(&vendor, target).await?;
    if let Some(fake) = &connected.fake {
        return show(&connected, &**fake).await;
    }
    if store.runs.is_empty() {
        trigger(&connected, &mut store).await?;
    } else {
        println!("{} has {} unfinished runs; waiting for them.", file.display(), store.runs.len());
    }
    wait(store, crash).await
}

async fn trigger(connected: &Connected, store: &mut Store) -> Result<()> {
    let Connected { provider, target, .. } = connected;
    for number in 1..=RUNS {
        let run = provider.trigger(target).verify().await?;
        store.add(&run)?;
        println!("Started run {number} and wrote it to {}: {}", store.file.display(), run.id());
    }
    Ok(())
}

/// Waits for every run in the file, and removes those that have ended. The runs may be of several vendors.
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
    let mut succeeded = true;
    while let Some(end) = ends.next().await {
        match end {
            Ok(run) => {
                println!("Run {} {}; removed from the file.", run.run.id(), ended(run.phase));
                if let Some(why) = &run.failure {
                    println!("  {why}");
                }
                succeeded &= run.phase == Phase::Succeeded;
                store.remove(&run.run)?;
            }
            // The vendor no longer knows the run: no later process can learn how it ended.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("{error}; removed from the file");
                succeeded = false;
                if let Some(run) = error.run() {
                    store.remove(run)?;
                }
            }
            Err(error) => {
                eprintln!("{error}; kept in the file");
                succeeded = false;
            }
        }
        if crash {
            println!("Crash! {} runs are left in the file.", store.runs.len());
            std::process::exit(1);
        }
    }
    Ok(succeeded)
}

/// Crashes and resumes, in two processes that share only the file and the vendor.
async fn show(connected: &Connected, fake: &dyn Fake) -> Result<bool> {
    if !connected.provider.capabilities().trigger {
        println!("{} cannot trigger runs.", connected.provider.vendor());
        return Ok(false);
    }
    for polls in 1..=RUNS {
        fake.next_run(Plan::Takes(polls));
    }
    let name = format!("scheduled_runs_resume_{}.txt", std::process::id());
    let file = std::env::temp_dir().join(name);
    heading("A process that crashes");
    let crashed = run_again(connected, fake, &file, &["--crash"]).await?;
    heading("What is left in the file");
    let left = Store::open(&file)?.runs;
    for run in &left {
        println!("{}", shared::short(&run.to_string()));
    }
    heading("Another process");
    let resumed = run_again(connected, fake, &file, &[]).await?;
    let rest = Store::open(&file)?.runs.len();
    fs::remove_file(&file).map_err(|error| at(&file, error))?;
    heading("Summary");
    println!(
        "{RUNS} runs were started. After the crash {} were left in the file, now {rest}.",
        left.len()
    );
    Ok(!crashed && resumed && rest == 0)
}

/// Runs this program again. It uses the fake as it would use an account: through the vendor's environment variables.
async fn run_again(
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

/// A file of the runs that are not known to have ended.
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

    /// Appends the run. When this returns, the run is on the disk.
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

    /// Writes the other runs to a new file and replaces the old one with it, so that a crash leaves one of the two complete.
    fn remove(&mut self, run: &RunRef) -> Result<()> {
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
