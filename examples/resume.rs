//! Starts and waits that survive their process: each start is written to a file before it is sent, and its run as soon as it is
//! known. A second process finds out what became of the starts, and resumes the waits for the runs that have not ended.
//!
//! `cargo run --example resume` needs no account: it starts a fake, then itself as a process that crashes, then itself again. If
//! you set the vendor's environment variables, which it prints, it triggers three runs of the target that you name, or resumes the
//! waits for those in the file; `--crash` makes it end before all runs have ended.
//!
//! Each line of the file is a printed `StartIntent` or `RunRef`. One process at a time uses the file.

mod shared;
#[path = "shared/vendors.rs"]
#[allow(dead_code, reason = "other examples use the rest of it")]
mod vendors;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use scheduled_runs::{
    Error, ErrorKind, Phase, Result, RunProviderExt, RunRef, StartIntent, Target,
};

use shared::arguments::Arguments;
use shared::output::{complain, heading, say, short};
use shared::progress::ended;
use shared::{failed, mistake};
use vendors::{Connected, Fake, Plan, connect, name, parse};

/// Runs that one start triggers.
const RUNS: u32 = 3;

const USAGE: &str = "\
usage: resume [--file FILE] [--crash]
              [VENDOR | VENDOR:TARGET]

  --file FILE  stores the runs; by default a file in the
               system's temporary folder
  --crash      ends abruptly when the first run has ended
  VENDOR       adobe, foundry (default), mode or
               supermetrics
  TARGET       what to run there, as a `Target` prints it

Uses your account if the vendor's environment variables are
set, whose names it prints. Otherwise it shows a crash and
the resumed waits on a fake.";

#[tokio::main]
async fn main() -> ExitCode {
    let (mut vendor, mut crash) = (None, false);
    let mut file = std::env::temp_dir().join("scheduled_runs_resume.txt");
    let mut arguments = Arguments::new(USAGE);
    while let Some(argument) = arguments.take() {
        match &*argument {
            "--crash" => crash = true,
            "--file" => file = arguments.value("--file", "a file").into(),
            _ => arguments.only(&mut vendor, argument),
        }
    }
    match start(vendor.as_deref().unwrap_or("foundry"), &file, crash).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

/// Returns whether everything succeeded.
async fn start(argument: &str, file: &Path, crash: bool) -> Result<bool> {
    let (vendor, target) = parse(argument)?;
    let mut store = Store::open(file)?;
    // To resume, a user need not name a target.
    let mut stored = store.entries.iter().map(Entry::target);
    let target = target.or_else(|| stored.find(|it| it.vendor().as_str() == vendor).cloned());
    let connected = connect(&vendor, target).await?;
    if !connected.provider.capabilities_of(&connected.target).trigger {
        let name = name(&vendor);
        let why = format!("{name} cannot trigger runs; use adobe, foundry, mode or supermetrics");
        return Err(mistake(why));
    }
    if let Some(fake) = &connected.fake {
        return show(&connected, &**fake).await;
    }
    if store.entries.is_empty() {
        trigger(&connected, &mut store).await?;
    } else {
        let (file, left) = (file.display(), store.entries.len());
        say!("{file} has {left} unfinished starts and runs; waiting for them.");
        recover(&mut store).await?;
    }
    wait(store, crash).await
}

async fn trigger(connected: &Connected, store: &mut Store) -> Result<()> {
    let Connected { provider, target, .. } = connected;
    for number in 1..=RUNS {
        let prepared = provider.prepare(target).await?;
        let intent = Entry::Start(prepared.intent().clone());
        store.add(intent.clone())?;
        let run = prepared.start().await?;
        say!("Started run {number} and wrote it to {}: {}", store.file.display(), run.id());
        store.replace(&intent, Some(Entry::Run(run)))?;
    }
    Ok(())
}

/// Finds out what became of the starts whose run is not known, which takes some minutes if the vendor's list decides.
async fn recover(store: &mut Store) -> Result<()> {
    for entry in store.entries.clone() {
        let Entry::Start(intent) = &entry else { continue };
        let target = intent.target();
        let connected = connect(target.vendor().as_str(), Some(target.clone())).await?;
        say!(
            "A start of {} at {} was cut short; looking for its run.",
            target.id(),
            intent.prepared()
        );
        let others = store.runs();
        let run = connected.provider.recover(intent).excluding(others).decide().await?;
        match &run {
            Some(run) => say!("It started run {}.", run.id()),
            None => say!("It started nothing; removed from the file."),
        }
        store.replace(&entry, run.map(Entry::Run))?;
    }
    Ok(())
}

/// Waits for every run in the file, and removes those that have ended. The runs may be of several vendors.
async fn wait(mut store: Store, crash: bool) -> Result<bool> {
    let mut vendors: BTreeMap<_, Vec<RunRef>> = BTreeMap::new();
    for run in store.runs() {
        vendors.entry(run.vendor().clone()).or_default().push(run);
    }
    let mut providers = Vec::new();
    for (vendor, runs) in vendors {
        let target = runs.first().map(|run| run.target().clone());
        providers.push((connect(vendor.as_str(), target).await?.provider, runs));
    }
    let waits = providers.iter().map(|(provider, runs)| {
        let wait = provider.wait_all(runs.clone()).every(Duration::from_secs(1));
        // A process may have died so soon that the vendor does not show its run yet.
        wait.appears_within(Duration::from_secs(60)).ends()
    });
    let mut ends = stream::select_all(waits);
    let mut succeeded = true;
    while let Some(end) = ends.next().await {
        match end {
            Ok(run) => {
                say!("Run {} {}; removed from the file.", run.run.id(), ended(run.phase));
                if let Some(why) = &run.failure {
                    say!("  {why}");
                }
                succeeded &= run.phase == Phase::Succeeded;
                store.replace(&Entry::Run(run.run), None)?;
            }
            // The vendor no longer knows the run: no later process can learn how it ended.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                complain!("{error}; removed from the file");
                succeeded = false;
                if let Some(run) = error.run() {
                    store.replace(&Entry::Run(run.clone()), None)?;
                }
            }
            Err(error) => {
                complain!("{error}; kept in the file");
                succeeded = false;
            }
        }
        if crash {
            say!("Crash! {} runs are left in the file.", store.entries.len());
            std::process::exit(1);
        }
    }
    Ok(succeeded)
}

/// Crashes and resumes, in two processes that share only the file and the vendor.
async fn show(connected: &Connected, fake: &dyn Fake) -> Result<bool> {
    for polls in 1..=RUNS {
        fake.next_run(Plan::Takes(polls));
    }
    let name = format!("scheduled_runs_resume_{}.txt", std::process::id());
    let file = std::env::temp_dir().join(name);
    heading("A process that crashes");
    let crashed = run_again(connected, fake, &file, &["--crash"]).await?;
    heading("What is left in the file");
    let left = Store::open(&file)?.entries;
    for entry in &left {
        say!("{}", short(&entry.to_string()));
    }
    heading("Another process");
    let resumed = run_again(connected, fake, &file, &[]).await?;
    let rest = Store::open(&file)?.entries.len();
    fs::remove_file(&file).map_err(|error| at(&file, error))?;
    heading("Summary");
    say!(
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

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// A start whose run is not known.
    Start(StartIntent),
    /// A run that is not known to have ended.
    Run(RunRef),
}

impl Entry {
    fn target(&self) -> &Target {
        match self {
            Self::Start(intent) => intent.target(),
            Self::Run(run) => run.target(),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(intent) => intent.fmt(f),
            Self::Run(run) => run.fmt(f),
        }
    }
}

impl FromStr for Entry {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        if line.starts_with('{') {
            line.parse().map(Self::Start)
        } else {
            line.parse().map(Self::Run)
        }
    }
}

struct Store {
    file: PathBuf,
    entries: Vec<Entry>,
}

impl Store {
    fn open(file: &Path) -> Result<Self> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(at(file, error)),
        };
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let entries = lines.map(str::parse).collect::<Result<_>>()?;
        Ok(Self { file: file.to_owned(), entries })
    }

    fn runs(&self) -> Vec<RunRef> {
        let run =
            |entry: &Entry| if let Entry::Run(run) = entry { Some(run.clone()) } else { None };
        self.entries.iter().filter_map(run).collect()
    }

    /// Adds a line. When this returns, it is on the disk, except on Windows, which cannot promise it of a new name.
    fn add(&mut self, entry: Entry) -> Result<()> {
        self.entries.push(entry);
        self.write()
    }

    /// Replaces a line by what it became.
    fn replace(&mut self, old: &Entry, new: Option<Entry>) -> Result<()> {
        self.entries.retain(|known| known != old);
        self.entries.extend(new);
        self.write()
    }

    /// Writes a new file and replaces the old one with it, so that a crash leaves one of the two complete.
    fn write(&self) -> Result<()> {
        // Not `with_extension`: of a file `x.new` that is the file itself.
        let mut new = self.file.clone().into_os_string();
        new.push(".new");
        let replace = || {
            let mut file = File::create(&new)?;
            self.entries.iter().try_for_each(|entry| writeln!(file, "{entry}"))?;
            file.sync_all()?;
            fs::rename(&new, &self.file)?;
            sync_folder_of(&self.file)
        };
        replace().map_err(|error| at(&self.file, error))
    }
}

/// Until this returns, the new name of a file may not be on the disk. Windows cannot do it.
fn sync_folder_of(file: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn at(place: &Path, error: io::Error) -> Error {
    mistake(format!("cannot use {}", place.display())).with_source(error)
}
