//! The main tasks in one program: list the runs of a target, trigger a run and learn its id, wait for its end, learn why a run
//! failed, cancel a run.
//!
//! `cargo run --example quickstart` needs no account: it starts a fake of Adobe Query Service on this machine. For another vendor,
//! add its name: `arcgis`, `foundry`, `mode` or `supermetrics`. If you set the vendor's environment variables, which it prints, it
//! does the same with your account: it triggers runs and cancels one, if the vendor can do that.
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
        "usage: quickstart [VENDOR]\n\n  VENDOR    one of {}; by default the first\n\n\
         Uses your account if the vendor's environment variables are set, and a fake of the\n\
         vendor otherwise. It prints the names of the variables.",
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
                "  The vendor's response does not name the run: it is the one that is new in the list."
            );
        }
        let run = trigger(&provider, &target).await?;
        done = Some(watch(provider.wait(&run).every(Duration::from_secs(1))).await?);
    } else {
        heading("Wait for the end of a run");
        println!("  {} cannot trigger runs, only its schedules start them.", provider.vendor());
        if let Some(fake) = &fake {
            fake.next_run(Plan::Succeeds);
        }
        let newest = provider.fetch_page(&target, None, &CallLimits::default()).await?;
        let running = newest.items.into_iter().find(|run| !run.phase.is_terminal());
        done = if let Some(run) = running {
            println!("  {}", run.run);
            Some(watch(provider.wait(&run.run).every(Duration::from_secs(1))).await?)
        } else {
            println!("  No run is running now.");
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
            CancelOutcome::AlreadyFinished => println!("  The run has already ended."),
            _ => println!("  The vendor accepted the request; the run will end soon."),
        }
        let wait =
            provider.wait(&run).every(Duration::from_secs(1)).timeout(Duration::from_secs(600));
        cancelled = Some(watch(wait).await?);
    } else {
        println!("  {} cannot cancel a run.", provider.vendor());
        cancelled = None;
    }

    heading("Summary");
    println!("  {:<24}  {:<10}  {:>7}  reason", "run", "ended", "took");
    let awaited = if capabilities.trigger { "triggered and awaited" } else { "awaited" };
    for (what, run) in [(awaited, done), ("failed", failed), ("cancelled", cancelled)] {
        let Some(run) = run else { continue };
        let took = run.duration().map_or_else(String::new, |took| format!("{} s", took.as_secs()));
        let why = run.failure.and_then(|failure| failure.message).unwrap_or_default();
        println!("  {what:<24}  {:<10}  {took:>7}  {why}", run.phase);
    }
    if fake.is_some() {
        println!("\nThis used a fake. To use your own account, set the variables named above.");
    }
    Ok(())
}

async fn trigger(provider: &Arc<dyn RunProvider>, target: &Target) -> Result<RunRef> {
    let run = provider.trigger(target).verify().settle(Duration::from_secs(1)).await?;
    let line = run.to_string();
    if short(&line) == line {
        println!("  {line}");
        println!("  (another process can resume the wait from this line)");
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
