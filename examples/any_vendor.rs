//! One program for five vendors: it triggers a run of the target that you name, shows its progress, and prints the reason if it
//! fails.
//!
//! `cargo run --example any_vendor -- adobe:nightly-orders` takes a printed `Target`. If you name only a vendor, the target comes
//! from the vendor's environment variables; if these are not set, the program uses a fake on this machine. The program itself
//! knows no vendor: it has an `Arc<dyn RunProvider>` and reads its capabilities.
//!
//! The exit code is 0 if the run succeeded, and 1 otherwise. Ctrl-C asks whether to cancel the run at the vendor.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]

mod shared;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use scheduled_runs::{
    CallLimits, CancelOutcome, Phase, Result, RunProvider, RunProviderExt, RunRef, RunSnapshot,
    Target,
};
use tokio::sync::mpsc;

use shared::progress::{Progress, ended};
use shared::vendors::{Connected, Plan, connect, parse};

const USAGE: &str = "\
usage: any_vendor [--fail] [VENDOR | VENDOR:TARGET]

  VENDOR    adobe (default), arcgis, foundry, mode or supermetrics
  TARGET    what to run there, as a `Target` prints it: percent-encoded, so that
            a user's task of ArcGIS is arcgis:USER%2FTASK
  --fail    on a fake: the run fails, to show its reason

Uses your account if the vendor's environment variables are set, and a fake of the
vendor otherwise. It prints the names of the variables.
Ctrl-C asks whether to cancel the run. The exit code is 0 if it succeeded, 1 if not.";

#[tokio::main]
async fn main() -> ExitCode {
    let (vendor, fail) = match shared::vendor_and_fail("adobe", USAGE) {
        Ok(asked) => asked,
        Err(code) => return code,
    };
    match run(&vendor, fail).await {
        Ok(Some(run)) => show_end(&run),
        Ok(None) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\n{}", error.report());
            ExitCode::FAILURE
        }
    }
}

/// The finished run; `None` if the user quit before.
async fn run(argument: &str, fail: bool) -> Result<Option<RunSnapshot>> {
    let (vendor, target) = parse(argument)?;
    let Connected { provider, target, fake } = connect(&vendor, target).await?;
    if let Some(fake) = fake.as_ref().filter(|_| provider.capabilities().trigger) {
        fake.next_run(if fail { Plan::Fails } else { Plan::Takes(5) });
    }
    let mut interrupts = Interrupts::listen();

    let started = async {
        if provider.capabilities().trigger {
            println!("\nTriggering a run of {}.", shared::short(&target.to_string()));
            // If the response is lost, `verify` finds out whether a run has started.
            return provider.trigger(&target).verify().await;
        }
        println!("\n{vendor} cannot trigger runs. Waiting for the next run of the schedule.");
        let before = newest(&provider, &target).await?;
        if let Some(fake) = &fake {
            fake.next_run(if fail { Plan::Fails } else { Plan::Takes(5) });
        }
        next_run(&provider, &target, before).await
    };
    let run = tokio::select! {
        run = started => run?,
        () = interrupts.twice("It is not known yet whether a run has started. Press Ctrl-C again to quit anyway.") => {
            return Ok(None);
        }
    };
    println!("  {run}");

    let mut progress = Progress::new();
    let bar = progress.bar();
    let wait = provider.wait(&run).every(Duration::from_secs(1));
    let wait = wait.on_update(move |run| progress.show(run));
    tokio::select! {
        run = wait => run.map(Some),
        () = interrupts.quit(&provider, &run, &bar) => {
            bar.finish_and_clear();
            println!("The run continues at {vendor}. To resume the wait, keep this line:\n  {run}");
            Ok(None)
        }
    }
}

/// Prints how the run ended; the exit code says it to a shell.
fn show_end(run: &RunSnapshot) -> ExitCode {
    let took =
        run.duration().map_or_else(String::new, |took| format!(" after {} s", took.as_secs()));
    let state = run.state.as_deref().unwrap_or("not known");
    println!("It {}{took}; the vendor's state is {state}.", ended(run.phase));
    if run.phase == Phase::Succeeded {
        return ExitCode::SUCCESS;
    }
    match &run.failure {
        Some(why) => {
            println!("Reason: {why}");
            if let Some(url) = &why.log_url {
                println!("Details: {url}");
            }
        }
        None => println!("The vendor gives no reason."),
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

/// Receives Ctrl-C. After `listen`, Ctrl-C no longer ends the program on its own.
struct Interrupts(mpsc::UnboundedReceiver<()>);

impl Interrupts {
    fn listen() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() && sender.send(()).is_ok() {}
        });
        Self(receiver)
    }

    async fn once(&mut self) {
        if self.0.recv().await.is_none() {
            // This platform has no such signals.
            std::future::pending::<()>().await;
        }
    }

    async fn twice(&mut self, warning: &str) {
        self.once().await;
        println!("{warning}");
        self.once().await;
    }

    /// Asks after Ctrl-C whether to cancel the run, while the wait continues. Returns when the user quits and lets the run continue.
    async fn quit(&mut self, provider: &Arc<dyn RunProvider>, run: &RunRef, bar: &ProgressBar) {
        self.once().await;
        let vendor = provider.vendor();
        if !provider.capabilities().cancel {
            bar.suspend(|| {
                println!(
                    "{vendor} cannot cancel a run. Press Ctrl-C again to quit and let it continue."
                );
            });
        } else if std::io::stdin().is_terminal() {
            bar.suspend(|| {
                println!("Cancel the run at {vendor}? [y]es, or [n]o to keep waiting.");
                println!("Press Ctrl-C again to quit and let it continue.");
            });
            let yes = tokio::select! {
                yes = confirmed() => yes,
                () = self.once() => return,
            };
            if yes {
                let cancelled = match provider.cancel(run).await {
                    Ok(CancelOutcome::AlreadyFinished) => "The run has already ended.".to_owned(),
                    Ok(_) => format!("{vendor} accepted the request; the run will end soon."),
                    Err(error) => format!("It could not be cancelled: {error}"),
                };
                bar.suspend(|| println!("{cancelled}"));
            }
        } else {
            // There is no terminal on which to ask.
            return;
        }
        self.once().await;
    }
}

/// Whether the user types yes. A separate thread reads the line, because a blocking read cannot be interrupted and must not keep
/// the program from ending.
async fn confirmed() -> bool {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        sender.send(read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes"))
    });
    receiver.await.unwrap_or(false)
}
