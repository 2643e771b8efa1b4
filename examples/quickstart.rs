//! The main job in one go: list a schedule's runs, trigger one, find out which it is, wait for its end, learn why an
//! earlier one failed, cancel another.
//!
//! `cargo run --example quickstart` needs no account: it starts a fake of Adobe Query Service on this machine. With
//! `ADOBE_CLIENT_ID`, `ADOBE_CLIENT_SECRET`, `ADOBE_ORG_ID`, `ADOBE_SANDBOX` and `ADOBE_SCHEDULE_ID` set it does the same
//! against the real service, where it starts two runs of that schedule and cancels the second.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]

use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use scheduled_runs::adobe::{ListRuns, RunState};
use scheduled_runs::run::Wait;
use scheduled_runs::testing::adobe::{FakeAdobe, Plan};
use scheduled_runs::{
    CancelOutcome, Error, ErrorKind, Result, RunProvider, RunProviderExt, RunSnapshot, adobe,
};

#[tokio::main]
async fn main() -> ExitCode {
    match quickstart().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn quickstart() -> Result<()> {
    // The fake lives as long as this variable.
    let (client, schedule, fake) = connect().await?;
    let target = adobe::target(schedule.as_str());

    heading(&format!("The last runs of {schedule}"));
    let page = client.send(ListRuns::new(schedule.as_str()).newest_first().limit(6)).await?;
    for run in &page.items {
        let created = run.created.map(|time| time.format("%Y-%m-%d %H:%M").to_string());
        let state = run.state.as_ref().map_or("still going", RunState::as_str);
        let by = if run.external_trigger == Some(true) { "a call" } else { "its own clock" };
        println!("  {:<16}  {state:<11}  started by {by}", created.unwrap_or_default());
    }

    heading("Trigger a run and wait for its end");
    println!("  The vendor's answer names no run: the one that is new in the list is ours.");
    let run = client.trigger(&target).verify().settle(Duration::from_secs(1)).await?;
    println!("  {run}");
    println!("  (another process can take up the wait from that line)");
    let done = watch(client.wait(&run).every(Duration::from_secs(1))).await?;

    heading("Why did a run fail?");
    let failed = page.items.iter().find(|run| run.state == Some(RunState::Failed));
    let failed = match failed {
        Some(run) => Some(client.snapshot(&target.run(run.id.as_str())).await?),
        None => None,
    };
    match failed.clone().map(RunSnapshot::success) {
        Some(Err(error)) => println!("  {error}"),
        _ => println!("  None of the last runs failed."),
    }

    heading("Cancel a run");
    if let Some(fake) = &fake {
        fake.next_run(Plan::never_ends());
    }
    let run = client.trigger(&target).verify().settle(Duration::from_secs(1)).await?;
    println!("  {run}");
    match client.cancel(&run).await? {
        CancelOutcome::AlreadyFinished => println!("  It was over already."),
        _ => println!("  The vendor took the request; the run ends soon."),
    }
    let cancelled =
        watch(client.wait(&run).every(Duration::from_secs(1)).timeout(Duration::from_secs(600)))
            .await?;

    heading("Summary");
    println!("  {:<24}  {:<10}  {:>7}  why", "run", "ended", "took");
    for (what, run) in [
        ("triggered and awaited", Some(done)),
        ("failed earlier", failed),
        ("cancelled", Some(cancelled)),
    ] {
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

/// A client of the real service if its variables are set, else of a fake.
async fn connect() -> Result<(adobe::Client, String, Option<FakeAdobe>)> {
    let names = [
        "ADOBE_CLIENT_ID",
        "ADOBE_CLIENT_SECRET",
        "ADOBE_ORG_ID",
        "ADOBE_SANDBOX",
        "ADOBE_SCHEDULE_ID",
    ];
    let values = names.map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    if values.iter().all(Option::is_none) {
        let fake = FakeAdobe::start().await;
        println!("A fake of Adobe Query Service listens at {}.", fake.base_url());
        println!("To use your own account, set {}.", names.join(", "));
        let client = fake.client_builder().build()?;
        return Ok((client, "nightly-orders".to_owned(), Some(fake)));
    }
    let missing: Vec<_> = names
        .iter()
        .zip(&values)
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| *name)
        .collect();
    let [Some(id), Some(secret), Some(org), Some(sandbox), Some(schedule)] = values else {
        let message = format!(
            "set {} too, or none of the ADOBE_… variables to use the fake",
            missing.join(" and ")
        );
        return Err(Error::new(ErrorKind::Config, message));
    };
    println!("Using schedule {schedule} of sandbox {sandbox} at {}.", adobe::BASE_URL);
    let client = adobe::Client::builder()
        .credential(adobe::ServerToServer::new(id, secret))
        .org_id(org)
        .sandbox(sandbox)
        .build()?;
    Ok((client, schedule, None))
}

/// Waits with a progress bar; without a terminal, with a line for each change.
async fn watch<P: RunProvider + ?Sized>(wait: Wait<'_, P>) -> Result<RunSnapshot> {
    let style = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut shown = None;
    let waited = wait
        .on_update(|run| {
            bar.set_message(run.phase.to_string());
            if bar.is_hidden() && shown.replace(run.phase) != Some(run.phase) {
                println!("  {}", run.phase);
            }
        })
        .await;
    let elapsed = bar.elapsed().as_secs();
    bar.finish_and_clear();
    let run = waited?;
    println!(
        "  It {} after {elapsed} s of waiting.",
        match run.phase {
            scheduled_runs::Phase::Succeeded => "succeeded",
            scheduled_runs::Phase::Cancelled => "was cancelled",
            _ => "ended without success",
        }
    );
    Ok(run)
}

fn heading(text: &str) {
    println!("\n{text}\n{}", "─".repeat(text.chars().count()));
}
