//! Runs a Mode report, waits for its end, and writes the result of each of its queries to a CSV file.
//!
//! `cargo run --example mode_refresh_report [FOLDER]` uses a fake on this machine. With `MODE_WORKSPACE`,
//! `MODE_API_TOKEN`, `MODE_API_SECRET` and `MODE_REPORT` set it runs that report. It creates the folder if it does not exist; by
//! default this is a folder in the system's temporary folder.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use scheduled_runs::mode::{self, DownloadQueryRun, ListQueryRuns};
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::{Result, RunProviderExt};

#[tokio::main]
async fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    if argument.as_deref().is_some_and(|argument| argument.starts_with('-')) {
        println!(
            "usage: mode_refresh_report [FOLDER]\n\n  FOLDER    where the CSV files go; by default one in the system's temporary folder"
        );
        return ExitCode::SUCCESS;
    }
    let folder =
        argument.map_or_else(|| std::env::temp_dir().join("mode_refresh_report"), PathBuf::from);
    match refresh(&folder).await {
        Ok(files) => {
            match files.into_iter().try_for_each(|(path, csv)| write(&folder, &path, &csv)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("cannot write to {}: {error}", folder.display());
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

/// Runs the report, and returns the name and the content of each file.
async fn refresh(folder: &std::path::Path) -> Result<Vec<(String, bytes::Bytes)>> {
    // The fake lives as long as this variable.
    let (client, report, _fake) = connect().await?;
    println!("Running report {report} and writing its results to {}.", folder.display());
    let wait =
        client.trigger_and_wait(&mode::target(report.as_str())).every(Duration::from_secs(2));
    let done = wait.on_update(|run| println!("  {}", run.phase)).await?.success()?;

    let run = done.run.id();
    let mut files = Vec::new();
    let mut queries = client.items(ListQueryRuns::new(report.as_str(), run));
    while let Some(query) = queries.next().await {
        let query = query?;
        let result = client
            .send(DownloadQueryRun::new(report.as_str(), run, &query.token))
            .await?
            .into_inner();
        let name = query.query_name.as_deref().unwrap_or(query.token.as_str());
        files.push((format!("{name}.csv"), result.bytes));
    }
    Ok(files)
}

fn write(folder: &std::path::Path, name: &str, csv: &[u8]) -> std::io::Result<()> {
    // People choose the names of queries, so other characters are replaced in the name of a file.
    let plain: String = name
        .chars()
        .map(
            |letter| if letter.is_alphanumeric() || ".-_ ".contains(letter) { letter } else { '_' },
        )
        .collect();
    std::fs::create_dir_all(folder)?;
    let path = folder.join(plain);
    std::fs::write(&path, csv)?;
    println!("  {} ({} bytes)", path.display(), csv.len());
    Ok(())
}

async fn connect() -> Result<(mode::Client, String, Option<FakeMode>)> {
    let names = ["MODE_WORKSPACE", "MODE_API_TOKEN", "MODE_API_SECRET", "MODE_REPORT"];
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let [Some(workspace), Some(token), Some(secret), Some(report)] = names.map(set) else {
        println!("This is a fake. To run your own report, set {}.", names.join(", "));
        let fake = FakeMode::start().await;
        return Ok((fake.client_builder().build()?, FakeMode::REPORT.to_owned(), Some(fake)));
    };
    let credential = mode::ApiToken::new(token, secret);
    let client = mode::Client::builder().workspace(workspace).credential(credential).build()?;
    Ok((client, report, None))
}
