//! Runs a Mode report, waits for its end, and writes the result of each of its queries to a CSV file.
//!
//! `cargo run --example mode_refresh_report [FOLDER]` uses a fake on this machine. With `MODE_WORKSPACE`,
//! `MODE_API_TOKEN`, `MODE_API_SECRET` and `MODE_REPORT` set it runs that report. It creates the folder if it does not exist; by
//! default this is a folder in the system's temporary folder.

#[path = "shared/environment.rs"]
mod environment;
mod shared;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use scheduled_runs::mode::{self, DownloadQueryRun, ListQueryRuns};
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::{Error, Result, RunProviderExt};

use environment::{account, list, variable};
use shared::arguments::at_most_one;
use shared::output::say;
use shared::{failed, mistake};

const USAGE: &str = "\
usage: mode_refresh_report [FOLDER]

  FOLDER  where the CSV files go; by default a folder in the
          system's temporary folder

Runs your own report if the environment variables that name
it are set, and a report of a fake otherwise. It prints the
names of the variables.";

#[tokio::main]
async fn main() -> ExitCode {
    let argument = at_most_one(USAGE);
    let folder =
        argument.map_or_else(|| std::env::temp_dir().join("mode_refresh_report"), PathBuf::from);
    match refresh(&folder).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn refresh(folder: &Path) -> Result<()> {
    // The fake lives as long as this variable.
    let (client, report, _fake) = connect().await?;
    // Before the run: a folder that cannot be used must not cost one.
    std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, error))?;
    say!("Running report {report} and writing its results to {}.", folder.display());
    let wait =
        client.trigger_and_wait(&mode::target(report.as_str())).every(Duration::from_secs(2));
    let done = wait.on_update(|run| say!("  {}", run.phase)).await?.success()?;

    let run = done.run.id();
    let mut queries = client.items(ListQueryRuns::new(report.as_str(), run));
    while let Some(query) = queries.next().await {
        let query = query?;
        let result = client
            .send(DownloadQueryRun::new(report.as_str(), run, &query.token))
            .await?
            .into_inner();
        let name = query.query_name.as_deref().unwrap_or(query.token.as_str());
        write(folder, &format!("{name}.csv"), &result.bytes)
            .map_err(|error| cannot_write(folder, error))?;
    }
    Ok(())
}

fn cannot_write(folder: &Path, error: std::io::Error) -> Error {
    mistake(format!("cannot write to {}", folder.display())).with_source(error)
}

fn write(folder: &Path, name: &str, csv: &[u8]) -> std::io::Result<()> {
    // People choose the names of queries, so other characters are replaced in the name of a file.
    let plain: String = name
        .chars()
        .map(
            |letter| if letter.is_alphanumeric() || ".-_ ".contains(letter) { letter } else { '_' },
        )
        .collect();
    let path = folder.join(plain);
    std::fs::write(&path, csv)?;
    say!("  {} ({} bytes)", path.display(), csv.len());
    Ok(())
}

async fn connect() -> Result<(mode::Client, String, Option<FakeMode>)> {
    let names = ["MODE_WORKSPACE", "MODE_API_TOKEN", "MODE_API_SECRET", "MODE_REPORT"];
    let Some([workspace, token, secret, report]) = account(names, &[], &["MODE_BASE_URL"])? else {
        say!("This is a fake. To run your own report, set {}.", list(&names));
        let fake = FakeMode::start().await;
        return Ok((fake.client_builder().build()?, FakeMode::REPORT.to_owned(), Some(fake)));
    };
    let credential = mode::ApiToken::new(token, secret);
    let mut client = mode::Client::builder().workspace(workspace).credential(credential);
    if let Some(url) = variable("MODE_BASE_URL") {
        client = client.base_url(url);
    }
    Ok((client.build()?, report, None))
}
