//! Runs a Supermetrics query, waits for its end, and writes its rows to a CSV file, page by page.
//!
//! `cargo run --example supermetrics_to_csv [FILE]` uses a fake on this machine. With `SUPERMETRICS_API_KEY` and
//! `SUPERMETRICS_QUERY` set, the second one to a query as JSON, it runs that query. By default the file is in the system's temporary
//! folder.

#[path = "shared/environment.rs"]
mod environment;
mod shared;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use scheduled_runs::supermetrics::{self, ApiKey, Client, Column, ListRows, Query};
use scheduled_runs::testing::Plan;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::{Result, RunProviderExt, RunSnapshot};

use environment::{account, list, variable};
use shared::arguments::at_most_one;
use shared::output::say;
use shared::{failed, mistake};

const USAGE: &str = "\
usage: supermetrics_to_csv [FILE]

  FILE  where the rows go; by default supermetrics.csv in
        the system's temporary folder

Runs your own query if the environment variables that name
it are set, and a query of a fake otherwise. It prints the
names of the variables.";

#[tokio::main]
async fn main() -> ExitCode {
    let argument = at_most_one(USAGE);
    let file =
        argument.map_or_else(|| std::env::temp_dir().join("supermetrics.csv"), PathBuf::from);
    match export(&file).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn export(file: &Path) -> Result<()> {
    // The fake lives as long as this variable.
    let (client, query, limit, _fake) = connect().await?;
    let cannot_write =
        |error: csv::Error| mistake(format!("cannot write {}", file.display())).with_source(error);
    // The file has another name until it is complete. It is created before the run: a file that cannot be written must not cost
    // one.
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let mut csv = csv::Writer::from_path(&part).map_err(cannot_write)?;

    say!("Running the query and writing its rows to {}.", file.display());
    let wait = client.trigger_and_wait(&supermetrics::target(&query)).every(Duration::from_secs(2));
    let done = wait.on_update(show).await?.success()?;

    let mut written = 0;
    // One page is in memory at a time, however many rows there are.
    let mut pages = client.pages(ListRows::new(done.run.id()).limit(limit));
    while let Some(page) = pages.next().await {
        let page = page?;
        if let Some(first) = page.items.first().filter(|_| written == 0) {
            csv.write_record(first.columns().iter().map(Column::name)).map_err(cannot_write)?;
        }
        for row in &page.items {
            csv.write_record(row.cells().iter().map(ToString::to_string)).map_err(cannot_write)?;
        }
        written += page.items.len();
        match page.total {
            Some(total) => say!("  {written} of {total} rows"),
            None => say!("  {written} rows"),
        }
    }
    csv.flush().map_err(|error| cannot_write(error.into()))?;
    drop(csv);
    std::fs::rename(&part, file).map_err(|error| cannot_write(error.into()))?;
    say!("{} has {written} rows.", file.display());
    Ok(())
}

fn show(run: &RunSnapshot) {
    match &run.progress {
        Some(parts) => say!("  {}, {} of {} parts", run.phase, parts.done, parts.total),
        None => say!("  {}", run.phase),
    }
}

async fn connect() -> Result<(Client, Query, u32, Option<FakeSupermetrics>)> {
    let names = ["SUPERMETRICS_API_KEY", "SUPERMETRICS_QUERY"];
    let Some([key, query]) = account(names, &[], &["SUPERMETRICS_BASE_URL"])? else {
        say!("This is a fake. To run your own query, set {}.", list(&names));
        let fake = FakeSupermetrics::start().await;
        fake.next_run(Plan::succeeds().rows(250));
        let query = Query::new(FakeSupermetrics::DATA_SOURCE)
            .accounts([FakeSupermetrics::ACCOUNT])
            .start_date("2026-02-01")
            .end_date("yesterday")
            .fields(["date", "sessions"]);
        return Ok((fake.client_builder().build()?, query, 100, Some(fake)));
    };
    let query = serde_json::from_str(&query)
        .map_err(|error| mistake("SUPERMETRICS_QUERY is not a query as JSON").with_source(error))?;
    let base_url = variable("SUPERMETRICS_BASE_URL");
    let base_url = base_url.unwrap_or_else(|| supermetrics::BASE_URL.to_owned());
    let client = Client::builder().credential(ApiKey::new(key)).base_url(base_url).build()?;
    Ok((client, query, 10_000, None))
}
