//! One program over five vendors: it starts a run of whatever you name, shows how far it is, and says why it failed.
//!
//! `cargo run --example any_vendor -- adobe:nightly-orders` takes a printed `Target`; the name of a vendor alone is taken
//! for the target that the vendor's variables name. With none of these set there is a fake on this machine.
//! From its first line on the program knows no vendor: it holds an `Arc<dyn RunProvider>` and asks what it can do.
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
  --fail    on a fake: the run fails, so that its reason is seen

Without the vendor's variables, which are named then, a fake of it is started.
Ctrl-C asks whether to cancel the run. The exit code is 0 if it succeeded, 1 if not.";

#[tokio::main]
async fn main() -> ExitCode {
    let (vendor, fail) = match shared::vendor_and_fail("adobe", USAGE) {
        Ok(asked) => asked,
        Err(code) => return code,
    };
    match run(&vendor, fail).await {
        Ok(Some(run)) => tell(&run),
        Ok(None) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\n{}", error.report());
            ExitCode::FAILURE
        }
    }
}

/// The run as it ended, or nothing if the user went away before.
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
            // Should the answer be lost, it looks whether a run has started.
            return provider.trigger(&target).verify().await;
        }
        println!(
            "\n{vendor} cannot be asked to run anything. Waiting for the next run of the schedule."
        );
        let before = newest(&provider, &target).await?;
        if let Some(fake) = &fake {
            fake.next_run(if fail { Plan::Fails } else { Plan::Takes(5) });
        }
        next_run(&provider, &target, before).await
    };
    let run = tokio::select! {
        run = started => run?,
        () = interrupts.twice("Whether a run has started is not known yet; Ctrl-C again quits without knowing.") => {
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
        () = interrupts.answered(&provider, &run, &bar) => {
            bar.finish_and_clear();
            println!("The run goes on at {vendor}. To take up the wait, keep this line:\n  {run}");
            Ok(None)
        }
    }
}

/// How it ended, for a person and for a shell.
fn tell(run: &RunSnapshot) -> ExitCode {
    let took =
        run.duration().map_or_else(String::new, |took| format!(" after {} s", took.as_secs()));
    let state = run.state.as_deref().unwrap_or("no state");
    println!("It {}{took}; the vendor says {state}.", ended(run.phase));
    if run.phase == Phase::Succeeded {
        return ExitCode::SUCCESS;
    }
    match &run.failure {
        Some(why) => {
            println!("Why: {why}");
            if let Some(url) = &why.log_url {
                println!("More: {url}");
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

/// Ctrl-C, as often as it comes. From the first `listen` on it does not end the program by itself.
struct Interrupts(mpsc::UnboundedReceiver<()>);

impl Interrupts {
    fn listen() -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() && tell.send(()).is_ok() {}
        });
        Self(told)
    }

    async fn once(&mut self) {
        if self.0.recv().await.is_none() {
            // There are no such signals here.
            std::future::pending::<()>().await;
        }
    }

    async fn twice(&mut self, warning: &str) {
        self.once().await;
        println!("{warning}");
        self.once().await;
    }

    /// Asks what Ctrl-C is to mean, while the wait goes on. Ends when the user goes away and lets the run go on.
    async fn answered(&mut self, provider: &Arc<dyn RunProvider>, run: &RunRef, bar: &ProgressBar) {
        self.once().await;
        let vendor = provider.vendor();
        if !provider.capabilities().cancel {
            bar.suspend(|| {
                println!("{vendor} cannot cancel a run. Ctrl-C again quits and lets it go on.");
            });
        } else if std::io::stdin().is_terminal() {
            bar.suspend(|| {
                println!("Cancel the run at {vendor}? [y]es, or [n]o and go on waiting.");
                println!("Ctrl-C again quits and lets it go on.");
            });
            let yes = tokio::select! {
                yes = answer() => yes,
                () = self.once() => return,
            };
            if yes {
                let cancelled = match provider.cancel(run).await {
                    Ok(CancelOutcome::AlreadyFinished) => "It is over already.".to_owned(),
                    Ok(_) => format!("{vendor} took the request; the run ends soon."),
                    Err(error) => format!("It could not be cancelled: {error}"),
                };
                bar.suspend(|| println!("{cancelled}"));
            }
        } else {
            // There is nobody to ask.
            return;
        }
        self.once().await;
    }
}

/// Whether the next line that is typed says yes. It is read on a thread of its own: one that cannot be interrupted, and
/// that does not keep the program from ending.
async fn answer() -> bool {
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        tell.send(read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes"))
    });
    told.await.unwrap_or(false)
}
