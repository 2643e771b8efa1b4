//! The main job in one go: list a target's runs, start one, find out which it is, wait for its end, learn why one failed,
//! cancel another.
//!
//! `cargo run --example quickstart` needs no account: it starts a fake of Adobe Query Service on this machine. Give it
//! the name of another vendor to see the same there: `arcgis`, `foundry`, `mode` or `supermetrics`. With the vendor's
//! variables set, which it names, it does the same against the real service, where it starts runs and cancels one if the
//! vendor can do so.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use scheduled_runs::run::Wait;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::FakeArcGis;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::{
    CallOptions, CancelOutcome, Error, ErrorKind, Phase, Result, RunProvider, RunProviderExt,
    RunRef, RunSnapshot, Target, adobe, arcgis, foundry, mode, supermetrics, testing,
};

#[tokio::main]
async fn main() -> ExitCode {
    let vendor = std::env::args().nth(1).unwrap_or_else(|| "adobe".to_owned());
    let demo = match vendor.as_str() {
        "adobe" => adobe().await,
        "foundry" => foundry().await,
        "arcgis" => arcgis().await,
        "mode" => mode().await,
        "supermetrics" => supermetrics().await,
        _ => {
            eprintln!("usage: quickstart [adobe|arcgis|foundry|mode|supermetrics]");
            return ExitCode::FAILURE;
        }
    };
    match show(demo).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{}", error.report());
            ExitCode::FAILURE
        }
    }
}

/// A provider, what it runs, and the fake behind it if there is one.
struct Demo {
    provider: Arc<dyn RunProvider>,
    target: Target,
    fake: Option<Box<dyn Fake>>,
}

/// What an example may do behind a fake's back. A fake lives as long as this value.
trait Fake {
    fn next_run_fails(&self) {}

    fn next_run_never_ends(&self) {}

    /// For vendors that cannot be asked to run anything: the time of the schedule has come.
    fn schedule_fires(&self) {}
}

impl Fake for FakeAdobe {
    fn next_run_never_ends(&self) {
        self.next_run(testing::adobe::Plan::never_ends());
    }
}

impl Fake for FakeArcGis {
    fn schedule_fires(&self) {
        self.start_run(Self::NOTEBOOK, testing::arcgis::Plan::succeeds());
    }
}

impl Fake for FakeFoundry {
    fn next_run_never_ends(&self) {
        self.next_run(testing::foundry::Plan::never_ends());
    }
}

impl Fake for FakeMode {}

impl Fake for FakeSupermetrics {
    fn next_run_fails(&self) {
        let plan = testing::supermetrics::Plan::fails("QUERY_ERROR", "The data source is down.");
        self.next_run(plan);
    }
}

async fn show(demo: Result<Demo>) -> Result<()> {
    let Demo { provider, target, fake } = demo?;
    let capabilities = provider.capabilities();

    heading(&format!("The last runs of {}", short(&target.to_string())));
    let page = provider.list_runs(&target, None, &CallOptions::default()).await?;
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
            fake.schedule_fires();
        }
        let newest = provider.list_runs(&target, None, &CallOptions::default()).await?;
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
            fake.next_run_fails();
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
            fake.next_run_never_ends();
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

/// What fits into one line of a terminal: the target of some vendors is a whole query.
fn short(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text.to_owned(),
    }
}

async fn adobe() -> Result<Demo> {
    let names = [
        "ADOBE_CLIENT_ID",
        "ADOBE_CLIENT_SECRET",
        "ADOBE_ORG_ID",
        "ADOBE_SANDBOX",
        "ADOBE_SCHEDULE_ID",
    ];
    let Some([id, secret, org, sandbox, schedule]) = variables(names)? else {
        let fake = FakeAdobe::start().await;
        announce("Adobe Query Service", &fake.base_url(), &names);
        let provider = Arc::new(fake.client_builder().build()?);
        return Ok(Demo {
            provider,
            target: adobe::target("nightly-orders"),
            fake: Some(Box::new(fake)),
        });
    };
    let client = adobe::Client::builder()
        .credential(adobe::ServerToServer::new(id, secret))
        .org_id(org)
        .sandbox(sandbox)
        .build()?;
    Ok(Demo { provider: Arc::new(client), target: adobe::target(schedule), fake: None })
}

async fn foundry() -> Result<Demo> {
    let names = ["FOUNDRY_HOSTNAME", "FOUNDRY_TOKEN", "FOUNDRY_SCHEDULE_RID"];
    let Some([host, token, schedule]) = variables(names)? else {
        let fake = FakeFoundry::start().await;
        announce("Palantir Foundry", &fake.base_url(), &names);
        let provider = Arc::new(fake.client_builder().build()?);
        let target = foundry::target(FakeFoundry::NIGHTLY_ORDERS);
        return Ok(Demo { provider, target, fake: Some(Box::new(fake)) });
    };
    let client = foundry::Client::builder()
        .hostname(host)
        .credential(foundry::UserToken::new(token))
        .build()?;
    Ok(Demo { provider: Arc::new(client), target: foundry::target(schedule), fake: None })
}

async fn mode() -> Result<Demo> {
    let names = ["MODE_WORKSPACE", "MODE_API_TOKEN", "MODE_API_SECRET", "MODE_REPORT"];
    let Some([workspace, token, secret, report]) = variables(names)? else {
        let fake = FakeMode::start().await;
        announce("Mode", &fake.base_url(), &names);
        let provider = Arc::new(fake.client_builder().build()?);
        return Ok(Demo {
            provider,
            target: mode::target(FakeMode::REPORT),
            fake: Some(Box::new(fake)),
        });
    };
    let client = mode::Client::builder()
        .workspace(workspace)
        .credential(mode::ApiToken::new(token, secret))
        .build()?;
    Ok(Demo { provider: Arc::new(client), target: mode::target(report), fake: None })
}

async fn arcgis() -> Result<Demo> {
    let names = ["ARCGIS_PORTAL", "ARCGIS_USERNAME", "ARCGIS_PASSWORD", "ARCGIS_TASK"];
    let Some([portal, user, password, task]) = variables(names)? else {
        let fake = FakeArcGis::start().await;
        announce("ArcGIS Enterprise", &fake.base_url(), &names);
        let provider = Arc::new(fake.client_builder().build()?);
        let target = arcgis::user_target(FakeArcGis::USERNAME, FakeArcGis::NOTEBOOK);
        return Ok(Demo { provider, target, fake: Some(Box::new(fake)) });
    };
    let target = arcgis::user_target(&*user, task);
    let client = arcgis::Client::builder()
        .base_url(portal)
        .credential(arcgis::GenerateToken::new(user, password))
        .build()?;
    Ok(Demo { provider: Arc::new(client), target, fake: None })
}

async fn supermetrics() -> Result<Demo> {
    let names = ["SUPERMETRICS_API_KEY", "SUPERMETRICS_QUERY"];
    let Some([key, query]) = variables(names)? else {
        let fake = FakeSupermetrics::start().await;
        announce("Supermetrics", &fake.base_url(), &names);
        println!(
            "The second is a query as JSON: {{\"ds_id\": …, \"ds_accounts\": …, \"fields\": …}}."
        );
        let provider = Arc::new(fake.client_builder().build()?);
        let query = supermetrics::Query::new(FakeSupermetrics::DATA_SOURCE)
            .accounts([FakeSupermetrics::ACCOUNT])
            .start_date("2026-03-01")
            .end_date("yesterday")
            .fields(["date", "clicks"]);
        let target = supermetrics::target(&query);
        return Ok(Demo { provider, target, fake: Some(Box::new(fake)) });
    };
    let query: supermetrics::Query = serde_json::from_str(&query).map_err(|error| {
        Error::new(ErrorKind::Config, "SUPERMETRICS_QUERY is not a query as JSON")
            .with_source(error)
    })?;
    let client =
        supermetrics::Client::builder().credential(supermetrics::ApiKey::new(key)).build()?;
    Ok(Demo { provider: Arc::new(client), target: supermetrics::target(&query), fake: None })
}

/// The values of these variables; `None` if none is set.
fn variables<const N: usize>(names: [&str; N]) -> Result<Option<[String; N]>> {
    let values = names.map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    if values.iter().all(Option::is_none) {
        return Ok(None);
    }
    let missing: Vec<_> = names
        .iter()
        .zip(&values)
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(Some(values.map(Option::unwrap_or_default)));
    }
    let message = format!(
        "set {} too, or none of {} to use the fake",
        missing.join(" and "),
        names.join(", ")
    );
    Err(Error::new(ErrorKind::Config, message))
}

fn announce(what: &str, url: &str, names: &[&str]) {
    println!("A fake of {what} listens at {url}.");
    println!("To use your own account, set {}.", names.join(", "));
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
            Phase::Succeeded => "succeeded",
            Phase::Cancelled => "was cancelled",
            _ => "ended without success",
        }
    );
    Ok(run)
}

fn heading(text: &str) {
    println!("\n{text}\n{}", "─".repeat(text.chars().count()));
}
