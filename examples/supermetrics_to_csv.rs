//! Runs a Supermetrics query, waits for its end, and writes its rows to a CSV file, page by page.
//!
//! `cargo run --example supermetrics_to_csv [FILE]` uses a fake on this machine. With `SUPERMETRICS_API_KEY` and
//! `SUPERMETRICS_QUERY` set, the second one to a query as JSON, it runs that query. By default the file is in the system's temporary
//! folder.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use scheduled_runs::supermetrics::{self, ApiKey, Client, Column, ListRows, Query};
use scheduled_runs::testing::Plan;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::{RunProviderExt, RunSnapshot};

#[tokio::main]
async fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    if argument.as_deref().is_some_and(|argument| argument.starts_with('-')) {
        println!(
            "usage: supermetrics_to_csv [FILE]\n\n  FILE    where the rows go; by default one in the system's temporary folder"
        );
        return ExitCode::SUCCESS;
    }
    let file =
        argument.map_or_else(|| std::env::temp_dir().join("supermetrics.csv"), PathBuf::from);
    let Err(error) = export(&file).await else { return ExitCode::SUCCESS };
    match error.downcast_ref::<scheduled_runs::Error>() {
        Some(error) => eprintln!("{}", error.report()),
        None => eprintln!("cannot export to {}: {error}", file.display()),
    }
    ExitCode::FAILURE
}

async fn export(file: &Path) -> Result<(), Box<dyn Error>> {
    // The fake lives as long as this variable.
    let (client, query, limit, _fake) = connect().await?;
    println!("Running the query and writing its rows to {}.", file.display());
    let wait = client.trigger_and_wait(&supermetrics::target(&query)).every(Duration::from_secs(2));
    let done = wait.on_update(show).await?.success()?;

    // The file has another name until it is complete.
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let mut csv = csv::Writer::from_path(&part)?;
    let mut written = 0;
    // One page is in memory at a time, however many rows there are.
    let mut pages = client.pages(ListRows::new(done.run.id()).limit(limit));
    while let Some(page) = pages.next().await {
        let page = page?;
        if let Some(first) = page.items.first().filter(|_| written == 0) {
            csv.write_record(first.columns().iter().map(Column::name))?;
        }
        for row in &page.items {
            csv.write_record(row.cells().iter().map(ToString::to_string))?;
        }
        written += page.items.len();
        match page.total {
            Some(total) => println!("  {written} of {total} rows"),
            None => println!("  {written} rows"),
        }
    }
    csv.flush()?;
    drop(csv);
    std::fs::rename(&part, file)?;
    println!("{} has {written} rows.", file.display());
    Ok(())
}

fn show(run: &RunSnapshot) {
    match &run.progress {
        Some(parts) => println!("  {}, {} of {} parts", run.phase, parts.done, parts.total),
        None => println!("  {}", run.phase),
    }
}

async fn connect() -> Result<(Client, Query, u32, Option<FakeSupermetrics>), Box<dyn Error>> {
    let names = ["SUPERMETRICS_API_KEY", "SUPERMETRICS_QUERY"];
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let [Some(key), Some(query)] = names.map(set) else {
        println!("This is a fake. To run your own query, set {}.", names.join(" and "));
        let fake = FakeSupermetrics::start().await;
        fake.next_run(Plan::succeeds().rows(250));
        let query = Query::new(FakeSupermetrics::DATA_SOURCE)
            .accounts([FakeSupermetrics::ACCOUNT])
            .start_date("2026-02-01")
            .end_date("yesterday")
            .fields(["date", "sessions"]);
        return Ok((fake.client_builder().build()?, query, 100, Some(fake)));
    };
    let query =
        serde_json::from_str(&query).map_err(|error| format!("SUPERMETRICS_QUERY: {error}"))?;
    let client = Client::builder().credential(ApiKey::new(key)).build()?;
    Ok((client, query, 10_000, None))
}
