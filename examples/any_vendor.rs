//! One program for five vendors: it triggers a run of the target that you name, shows its progress, and prints the reason if it
//! fails.
//!
//! `cargo run --example any_vendor -- adobe:nightly-orders` takes a printed `Target`. If you name only a vendor, the target comes
//! from the vendor's environment variables; if these are not set, the program uses a fake on this machine. The program itself
//! knows no vendor: it has an `Arc<dyn RunProvider>` and reads its capabilities.
//!
//! The exit code is 0 if the run succeeded, and 1 otherwise. Ctrl-C asks whether to cancel the run at the vendor, also while the
//! trigger is under way and the run is not known yet.

mod shared;
#[path = "shared/vendors.rs"]
#[allow(dead_code, reason = "other examples use the rest of it")]
mod vendors;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use scheduled_runs::{
    CallLimits, CancelOutcome, Phase, Result, RunProvider, RunProviderExt, RunRef, RunSnapshot,
    Target,
};
use tokio::sync::watch;

use shared::arguments::Arguments;
use shared::output::{say, short};
use shared::progress::{Progress, ended};
use shared::{failed, mistake};
use vendors::{Connected, Fake, Plan, connect, name, parse};

const USAGE: &str = "\
usage: any_vendor [--fail] [VENDOR | VENDOR:TARGET]

  VENDOR  adobe (default), arcgis, foundry, mode,
          supermetrics or supermetrics-transfers
  TARGET  what to run there, as a `Target` prints it:
          percent-encoded, so that a user's task of ArcGIS
          is arcgis:USER%2FTASK, and a notebook is
          arcgis:notebook%3AITEM
  --fail  on a fake: the run fails, to show its reason

Uses your account if the vendor's environment variables are
set, and a fake of the vendor otherwise. It prints the names
of the variables.
Ctrl-C asks whether to cancel the run. The exit code is 0 if
it succeeded, 1 if not.";

#[tokio::main]
async fn main() -> ExitCode {
    let (mut vendor, mut fail) = (None, false);
    let mut arguments = Arguments::new(USAGE);
    while let Some(argument) = arguments.take() {
        match &*argument {
            "--fail" => fail = true,
            _ => arguments.only(&mut vendor, argument),
        }
    }
    match run(vendor.as_deref().unwrap_or("adobe"), fail).await {
        Ok(Some(run)) => show_end(&run),
        Ok(None) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

/// The finished run; `None` if the user quit before.
async fn run(argument: &str, fail: bool) -> Result<Option<RunSnapshot>> {
    let (vendor, target) = parse(argument)?;
    let Connected { provider, target, fake } = connect(&vendor, target).await?;
    // From here on, Ctrl-C no longer ends the program on its own.
    let interrupts = Interrupts::listen()
        .map_err(|error| mistake("cannot receive Ctrl-C").with_source(error))?;

    let plan = if fail { Plan::Fails } else { Plan::Takes(5) };
    let mut progress = Progress::new();
    let bar = progress.bar();
    let (sender, known) = watch::channel(None);
    let awaited = async {
        let run = start(&provider, &target, fake.as_deref(), plan, &bar).await?;
        bar.suspend(|| say!("  {run}"));
        sender.send_replace(Some(run.clone()));
        let wait = provider.wait(&run).every(Duration::from_secs(1));
        wait.on_update(move |run| progress.show(run)).await
    };
    let person = Person { provider: &provider, target: &target, known: known.clone(), bar: &bar };
    tokio::select! {
        run = awaited => run.map(Some),
        () = person.quits(interrupts) => {
            bar.finish_and_clear();
            let name = name(&vendor);
            match &*known.borrow() {
                Some(run) => say!(
                    "The run may still be running at {name}. To resume the wait, keep this line:\n  {run}"
                ),
                None if provider.capabilities_of(&target).trigger => say!(
                    "It is not known whether a run has started at {name}. Look there before you start another one."
                ),
                None => say!("No run was started."),
            }
            Ok(None)
        }
    }
}

/// Triggers a run; if the vendor cannot do this, waits for the next run of the schedule.
async fn start(
    provider: &Arc<dyn RunProvider>,
    target: &Target,
    fake: Option<&dyn Fake>,
    plan: Plan,
    bar: &ProgressBar,
) -> Result<RunRef> {
    let next_is = |plan| fake.into_iter().for_each(|fake| fake.next_run(plan));
    if provider.capabilities_of(target).trigger {
        next_is(plan);
        bar.set_message("starting");
        bar.suspend(|| say!("\nTriggering a run of {}.", short(&target.to_string())));
        // If the response is lost, `verify` finds out whether a run has started.
        return provider.trigger(target).verify().await;
    }
    let name = name(target.vendor().as_str());
    bar.set_message("waiting");
    bar.suspend(|| {
        say!(
            "\n{name} cannot trigger runs of this target. Waiting for the next run of the schedule."
        );
    });
    let before = newest(provider, target).await?;
    next_is(plan);
    next_run(provider, target, before).await
}

/// Prints how the run ended; the exit code says it to a shell.
fn show_end(run: &RunSnapshot) -> ExitCode {
    let took =
        run.duration().map_or_else(String::new, |took| format!(" after {} s", took.as_secs()));
    let state = run.state.as_deref().unwrap_or("not known");
    say!("It {}{took}; the vendor's state is {state}.", ended(run.phase));
    if run.phase == Phase::Succeeded {
        return ExitCode::SUCCESS;
    }
    match &run.failure {
        Some(why) => {
            say!("Reason: {why}");
            if let Some(url) = &why.log_url {
                say!("Details: {url}");
            }
        }
        None if run.phase == Phase::Failed => {
            say!("{} gives no reason.", name(run.run.vendor().as_str()));
        }
        None => {}
    }
    ExitCode::FAILURE
}

async fn newest(provider: &Arc<dyn RunProvider>, target: &Target) -> Result<Vec<RunRef>> {
    let page = provider.fetch_page(target, None, &CallLimits::default()).await?;
    Ok(page.items.into_iter().map(|run| run.run).collect())
}

/// The first run that was not there before.
async fn next_run(
    provider: &Arc<dyn RunProvider>,
    target: &Target,
    before: Vec<RunRef>,
) -> Result<RunRef> {
    loop {
        let runs = newest(provider, target).await?;
        if let Some(new) = runs.into_iter().find(|run| !before.contains(run)) {
            return Ok(new);
        }
        provider.clock().sleep(Duration::from_secs(5)).await;
    }
}

/// Receives Ctrl-C.
#[cfg(unix)]
struct Interrupts(tokio::signal::unix::Signal);
#[cfg(windows)]
struct Interrupts(tokio::signal::windows::CtrlC);

impl Interrupts {
    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::interrupt()).map(Self)
    }

    #[cfg(windows)]
    fn listen() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// Who may press Ctrl-C, while the run is triggered and awaited.
struct Person<'a> {
    provider: &'a Arc<dyn RunProvider>,
    target: &'a Target,
    /// The run, as soon as it is known.
    known: watch::Receiver<Option<RunRef>>,
    bar: &'a ProgressBar,
}

enum Answer {
    Yes,
    No,
    /// There is nobody to ask.
    Nobody,
}

impl Person<'_> {
    /// Asks after Ctrl-C whether to cancel the run, while the trigger or the wait continues. Returns when the user quits and lets
    /// the run continue.
    async fn quits(self, mut interrupts: Interrupts) {
        interrupts.next().await;
        let capabilities = self.provider.capabilities_of(self.target);
        let vendor = self.provider.vendor();
        let (name, is_known) = (name(vendor.as_str()), self.known.borrow().is_some());
        if !is_known && !capabilities.trigger {
            return;
        }
        if !is_known {
            self.say(&format!("A run may have started at {name}. It is not known yet."));
        }
        if !capabilities.cancel {
            self.say(&format!(
                "{name} cannot cancel this run. Press Ctrl-C again to quit and let it continue."
            ));
            return interrupts.next().await;
        }
        let what = if is_known { "the run" } else { "it as soon as it is known" };
        self.say(&format!(
            "Cancel {what}? [y]es, or [n]o to keep waiting.\nPress Ctrl-C again to quit and let it continue."
        ));
        tokio::select! {
            () = self.does_as_answered(name) => {}
            () = interrupts.next() => {}
        }
    }

    /// Returns only if there is nobody to ask.
    async fn does_as_answered(&self, name: &str) {
        match answer().await {
            Answer::Yes => self.cancel(name).await,
            Answer::No => {}
            // Before the program ends, it prints the run.
            Answer::Nobody => return drop(self.run().await),
        }
        std::future::pending::<()>().await;
    }

    async fn run(&self) -> Option<RunRef> {
        let mut known = self.known.clone();
        known.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// Cancels the run when it is known.
    async fn cancel(&self, name: &str) {
        let Some(run) = self.run().await else { return };
        let outcome = match self.provider.cancel(&run).await {
            Ok(CancelOutcome::AlreadyFinished) => "The run has already ended.".to_owned(),
            Ok(_) => format!("{name} accepted the request; the run will end soon."),
            Err(error) => format!("It could not be cancelled: {error}"),
        };
        self.say(&outcome);
    }

    fn say(&self, text: &str) {
        self.bar.suspend(|| say!("{text}"));
    }
}

/// What the user types. A separate thread reads the line, because a blocking read cannot be interrupted and must not keep the
/// program from ending.
async fn answer() -> Answer {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        sender.send(match (read, line.trim()) {
            (Ok(0) | Err(_), _) => Answer::Nobody,
            (Ok(_), "y" | "Y" | "yes") => Answer::Yes,
            (Ok(_), _) => Answer::No,
        })
    });
    receiver.await.unwrap_or(Answer::Nobody)
}
