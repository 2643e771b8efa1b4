//! The main job in one go: list a target's runs, start one, find out which it is, wait for its end, learn why one failed,
//! cancel another.
//!
//! `cargo run --example quickstart` needs no account: it starts a fake of Adobe Query Service on this machine. Give it
//! the name of another vendor to see the same there: `arcgis`, `foundry`, `mode` or `supermetrics`. With the vendor's
//! variables set, which it names, it does the same against the real service, where it starts runs and cancels one if the
//! vendor can do so.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]

mod shared;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use scheduled_runs::run::Wait;
use scheduled_runs::{
    CallLimits, CancelOutcome, Phase, Result, RunProvider, RunProviderExt, RunRef, RunSnapshot,
    Target,
};

use shared::progress::{Progress, ended};
use shared::short;
use shared::vendors::{Connected, Plan, VENDORS, connect};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let vendor = match &*arguments {
        [] => "adobe",
        [vendor] if VENDORS.contains(&&**vendor) => vendor,
        [help] if matches!(&**help, "-h" | "--help") => {
            println!("{}", usage());
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{}", usage());
            return ExitCode::FAILURE;
        }
    };
    match show(connect(vendor, None).await).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{}", error.report());
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    format!(
        "usage: quickstart [VENDOR]\n\n  VENDOR    one of {}; left out, the first\n\n\
         Without the vendor's variables, which are named then, a fake of it is started.",
        VENDORS.join(", ")
    )
}

async fn show(connected: Result<Connected>) -> Result<()> {
    let Connected { provider, target, fake } = connected?;
    let capabilities = provider.capabilities();

    heading(&format!("The last runs of {}", short(&target.to_string())));
    let page = provider.fetch_page(&target, None, &CallLimits::default()).await?;
    for run in page.items.iter().take(6) {
        let created = run.created.map(|time| time.format("%Y-%m-%d %H:%M").to_string());
        let state = run.state.as_deref().unwrap_or_default();
        println!("  {:<16}  {:<10}  {state}", created.unwrap_or_default(), run.phase);
    }
    if page.items.is_empty() {
        println!("  There are none yet.");
    }

    let (done, cancelled);
    if capabilities.trigger {
        heading("Trigger a run and wait for its end");
        if !capabilities.trigger_names_run {
            println!(
                "  The vendor's answer names no run: the one that is new in the list is ours."
            );
        }
        let run = trigger(&provider, &target).await?;
        done = Some(watch(provider.wait(&run).every(Duration::from_secs(1))).await?);
    } else {
        heading("Wait for the end of a run");
        println!("  {} runs things on their schedules only.", provider.vendor());
        if let Some(fake) = &fake {
            fake.next_run(Plan::Succeeds);
        }
        let newest = provider.fetch_page(&target, None, &CallLimits::default()).await?;
        let going = newest.items.into_iter().find(|run| !run.phase.is_terminal());
        done = if let Some(run) = going {
            println!("  {}", run.run);
            Some(watch(provider.wait(&run.run).every(Duration::from_secs(1))).await?)
        } else {
            println!("  None goes on right now.");
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
        Some(RunSnapshot { failure: Some(why), .. }) => println!("  {why}"),
        Some(_) => println!("  The vendor gives no reason."),
        None => println!("  None of the last runs failed."),
    }

    heading("Cancel a run");
    if capabilities.cancel {
        if let Some(fake) = &fake {
            fake.next_run(Plan::NeverEnds);
        }
        let run = trigger(&provider, &target).await?;
        match provider.cancel(&run).await? {
            CancelOutcome::AlreadyFinished => println!("  It was over already."),
            _ => println!("  The vendor took the request; the run ends soon."),
        }
        let wait =
            provider.wait(&run).every(Duration::from_secs(1)).timeout(Duration::from_secs(600));
        cancelled = Some(watch(wait).await?);
    } else {
        println!("  {} has no operation that ends a run.", provider.vendor());
        cancelled = None;
    }

    heading("Summary");
    println!("  {:<24}  {:<10}  {:>7}  why", "run", "ended", "took");
    let awaited = if capabilities.trigger { "triggered and awaited" } else { "awaited" };
    for (what, run) in [(awaited, done), ("failed", failed), ("cancelled", cancelled)] {
        let Some(run) = run else { continue };
        let took = run.duration().map_or_else(String::new, |took| format!("{} s", took.as_secs()));
        let why = run.failure.and_then(|failure| failure.message).unwrap_or_default();
        println!("  {what:<24}  {:<10}  {took:>7}  {why}", run.phase);
    }
    if fake.is_some() {
        println!(
            "\nAll of it happened on this machine. Set the variables named above to use your own account."
        );
    }
    Ok(())
}

async fn trigger(provider: &Arc<dyn RunProvider>, target: &Target) -> Result<RunRef> {
    let run = provider.trigger(target).verify().settle(Duration::from_secs(1)).await?;
    let line = run.to_string();
    if short(&line) == line {
        println!("  {line}");
        println!("  (another process can take up the wait from that line)");
    } else {
        println!("  {}", run.id());
    }
    Ok(run)
}

async fn watch<P: RunProvider + ?Sized>(wait: Wait<'_, P>) -> Result<RunSnapshot> {
    let mut progress = Progress::new();
    let bar = progress.bar();
    let run = wait.on_update(move |run| progress.show(run)).await?;
    println!("  It {} after {} s of waiting.", ended(run.phase), bar.elapsed().as_secs());
    Ok(run)
}

fn heading(text: &str) {
    println!("\n{text}\n{}", "─".repeat(text.chars().count()));
}
