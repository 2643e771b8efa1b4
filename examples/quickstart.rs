//! The main tasks in one program: list the runs of a target, trigger a run and learn its id, wait for its end, learn why a run
//! failed, cancel a run.
//!
//! `cargo run --example quickstart` needs no account: it starts a fake of Adobe Query Service on this machine. For another vendor,
//! add its name: `arcgis`, `foundry`, `mode` or `supermetrics`. If you set the vendor's environment variables, which it prints, it
//! does the same with your account: it triggers runs and cancels one, if the vendor can do that.

mod shared;
#[path = "shared/vendors.rs"]
#[allow(dead_code, reason = "other examples use the rest of it")]
mod vendors;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use scheduled_runs::run::Wait;
use scheduled_runs::{
    CallLimits, CancelOutcome, Phase, Result, RunProvider, RunProviderExt, RunRef, RunSnapshot,
    Target,
};

use shared::arguments::at_most_one;
use shared::failed;
use shared::output::{heading, say, short};
use shared::progress::{Progress, UNKNOWN, ended, took};
use vendors::{Connected, Plan, connect, name, parse};

const USAGE: &str = "\
usage: quickstart [VENDOR | VENDOR:TARGET]

  VENDOR  adobe (default), arcgis, foundry, mode,
          supermetrics or supermetrics-transfers
  TARGET  what to run there, as a `Target` prints it

Uses your account if the vendor's environment variables are
set, and a fake of the vendor otherwise. It prints the names
of the variables.";

#[tokio::main]
async fn main() -> ExitCode {
    let argument = at_most_one(USAGE);
    match show(argument.as_deref().unwrap_or("adobe")).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn show(argument: &str) -> Result<()> {
    let (vendor, target) = parse(argument)?;
    let Connected { provider, target, fake } = connect(&vendor, target).await?;
    let name = name(&vendor);
    let capabilities = provider.capabilities_of(&target);

    heading(&format!("The last runs of {}", short(&target.to_string())));
    let page = provider.fetch_page(&target, None, &CallLimits::default()).await?;
    for run in page.items.iter().take(6) {
        let created = run.created.map(|time| time.format("%Y-%m-%d %H:%M").to_string());
        let created = created.as_deref().unwrap_or(UNKNOWN);
        let state = run.state.as_deref().unwrap_or_default();
        say!("  {created:<16}  {:<10}  {state}", run.phase);
    }
    if page.items.is_empty() {
        say!("  There are none yet.");
    }

    let (done, cancelled);
    if capabilities.trigger {
        heading("Trigger a run and wait for its end");
        if !capabilities.trigger_names_run {
            say!(
                "  The response of {name} does not name the run: it is the one that is new in the list."
            );
        }
        let run = trigger(&provider, &target).await?;
        done = Some(watch(provider.wait(&run).every(Duration::from_secs(1))).await?);
    } else {
        heading("Wait for the end of a run");
        say!("  {name} cannot trigger runs of this target, only its schedule starts them.");
        if let Some(fake) = &fake {
            fake.next_run(Plan::Succeeds);
        }
        let newest = provider.fetch_page(&target, None, &CallLimits::default()).await?;
        let running = newest.items.into_iter().find(|run| !run.phase.is_terminal());
        done = if let Some(run) = running {
            say!("  {}", run.run);
            Some(watch(provider.wait(&run.run).every(Duration::from_secs(1))).await?)
        } else {
            say!("  No run is running now.");
            None
        };
    }

    heading("Why did a run fail?");
    let failed = match (page.items.iter().find(|run| run.phase == Phase::Failed), &fake) {
        (Some(run), _) => Some(provider.snapshot(&run.run).await?),
        (None, Some(fake)) => {
            fake.next_run(Plan::Fails);
            let run = trigger(&provider, &target).await?;
            Some(watch(provider.wait(&run).every(Duration::from_secs(1))).await?)
        }
        (None, None) => None,
    };
    match &failed {
        Some(RunSnapshot { failure: Some(why), .. }) => say!("  {why}"),
        Some(_) => say!("  {name} gives no reason."),
        None => say!("  None of the last runs failed."),
    }

    heading("Cancel a run");
    if capabilities.cancel {
        if let Some(fake) = &fake {
            fake.next_run(Plan::NeverEnds);
        }
        let run = trigger(&provider, &target).await?;
        match provider.cancel(&run).await? {
            CancelOutcome::AlreadyFinished => say!("  The run has already ended."),
            _ => say!("  {name} accepted the request; the run will end soon."),
        }
        let wait =
            provider.wait(&run).every(Duration::from_secs(1)).timeout(Duration::from_secs(600));
        cancelled = Some(watch(wait).await?);
    } else {
        say!("  {name} cannot cancel a run of this target.");
        cancelled = None;
    }

    heading("Summary");
    say!("  {:<24}  {:<10}  {:>7}  reason", "run", "ended", "took");
    let awaited = if capabilities.trigger { "triggered and awaited" } else { "awaited" };
    let mut untimed = false;
    for (what, run) in [(awaited, done), ("failed", failed), ("cancelled", cancelled)] {
        let Some(run) = run else { continue };
        untimed |= run.duration().is_none();
        let took = took(run.duration());
        let why = run.failure.and_then(|failure| failure.message).unwrap_or_default();
        say!("  {what:<24}  {:<10}  {took:>7}  {why}", run.phase);
    }
    if untimed {
        say!("  {UNKNOWN} instead of a duration: {name} does not report it.");
    }
    if fake.is_some() {
        say!("\nThis used a fake. To use your own account, set the variables named above.");
    }
    Ok(())
}

async fn trigger(provider: &Arc<dyn RunProvider>, target: &Target) -> Result<RunRef> {
    let run = provider.trigger(target).verify().settle(Duration::from_secs(1)).await?;
    let line = run.to_string();
    if short(&line) == line {
        say!("  {line}");
        say!("  (another process can resume the wait from this line)");
    } else {
        say!("  {}", run.id());
    }
    Ok(run)
}

async fn watch<P: RunProvider + ?Sized>(wait: Wait<'_, P>) -> Result<RunSnapshot> {
    let mut progress = Progress::new();
    let bar = progress.bar();
    let run = wait.on_update(move |run| progress.show(run)).await?;
    say!("  It {} after {} s of waiting.", ended(run.phase), bar.elapsed().as_secs());
    Ok(run)
}
