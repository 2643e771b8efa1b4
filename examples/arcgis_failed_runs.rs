//! Lists which scheduled tasks of an ArcGIS Enterprise portal failed in the last days, and why: tasks of the deployment and of
//! users.
//!
//! `cargo run --example arcgis_failed_runs [DAYS]` uses a fake on this machine. With `ARCGIS_PORTAL`, `ARCGIS_USERNAME` and
//! `ARCGIS_PASSWORD` set it uses that portal: an administrator sees all tasks, other users see their own. By default it shows 7
//! days. It changes nothing.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]

use std::process::ExitCode;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use scheduled_runs::arcgis::{
    self, ListScheduledTasks, ListTaskRuns, ListTasks, ListUserTaskRuns, ListUserTasks, RunStatus,
    Time,
};
use scheduled_runs::client::PagedEndpoint;
use scheduled_runs::testing::arcgis::FakeArcGis;
use scheduled_runs::{ErrorKind, Phase, Result};

/// For how many tasks the runs are listed at the same time.
const AT_ONCE: usize = 4;
/// How many characters of a reason are shown.
const SHOWN: usize = 100;

/// A failed run, as a row of the table.
struct Row {
    created: Option<DateTime<Utc>>,
    owner: String,
    task: String,
    status: String,
    why: String,
}

/// A task: the request that lists its runs, and what the table shows of it.
struct Task<R> {
    runs: R,
    owner: String,
    title: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    let days = argument.as_deref().map_or(Ok(7), str::parse::<u16>);
    let Ok(days) = days else {
        println!(
            "usage: arcgis_failed_runs [DAYS]\n\n  DAYS    how many days back, at most 65535; by default 7"
        );
        let asked = argument.is_some_and(|argument| matches!(&*argument, "-h" | "--help"));
        return if asked { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    match report(days).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn report(days: u16) -> Result<()> {
    // The fake lives as long as this variable.
    let (client, user, _fake) = connect().await?;
    let since = client.clock().utc() - TimeDelta::days(days.into());
    let mut rows = of_the_deployment(&client, since).await?;
    rows.extend(of_users(&client, &user, since).await?);
    rows.sort_by_key(|row| std::cmp::Reverse(row.created));

    if rows.is_empty() {
        println!("No run failed in the last {days} days.");
        return Ok(());
    }
    println!("Runs that failed in the last {days} days, newest first:");
    let head = ["created (UTC)", "owner", "task", "status", "reason"].map(str::to_owned);
    let lines = rows.into_iter().map(|row| {
        let created = row.created.map(|time| time.format("%Y-%m-%d %H:%M").to_string());
        [created.unwrap_or_else(|| "unknown".to_owned()), row.owner, row.task, row.status, row.why]
    });
    print(&[head].into_iter().chain(lines).collect::<Vec<_>>());
    Ok(())
}

/// Failed runs of tasks that make backups and clean up.
async fn of_the_deployment(client: &arcgis::Client, since: DateTime<Utc>) -> Result<Vec<Row>> {
    let tasks = match client.items(ListTasks::new()).try_collect().await {
        // Only ArcGIS Enterprise on Kubernetes has these tasks, and only administrators see them.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied) => {
            println!("Tasks of the deployment are not included: {error}.");
            return Ok(Vec::new());
        }
        tasks => tasks?,
    };
    let tasks = tasks.into_iter().map(|task| Task {
        runs: ListTaskRuns::new(&task.id),
        owner: "the deployment".to_owned(),
        title: task.title.map_or_else(|| task.id.to_string(), String::from),
    });
    failed(client, tasks, since, |run| (run.created, run.status, run.result)).await
}

/// Failed runs of tasks that run notebooks, reports and geoprocessing.
async fn of_users(client: &arcgis::Client, user: &str, since: DateTime<Utc>) -> Result<Vec<Row>> {
    let tasks = match client.items(ListScheduledTasks::new()).try_collect().await {
        Err(error) if error.kind() == ErrorKind::Denied => {
            println!("Tasks of other users are not included: {error}.");
            client.items(ListUserTasks::new(user)).try_collect().await?
        }
        tasks => tasks?,
    };
    let tasks = tasks.into_iter().map(|task| {
        let owner = task.user.map_or_else(|| user.to_owned(), |owner| owner.to_string());
        Task {
            runs: ListUserTaskRuns::new(&*owner, &task.id),
            owner,
            title: task.title.map_or_else(|| task.id.to_string(), String::from),
        }
    });
    failed(client, tasks, since, |run| (run.created, run.status, run.result)).await
}

/// When a run was created, its status, and its result.
type Outcome = (Option<Time>, Option<RunStatus>, Option<Box<str>>);

/// The runs of these tasks that failed since then. A different request lists the runs of each kind of task.
async fn failed<R: PagedEndpoint<Api = arcgis::ArcGis>>(
    client: &arcgis::Client,
    tasks: impl Iterator<Item = Task<R>>,
    since: DateTime<Utc>,
    outcome: fn(R::Item) -> Outcome,
) -> Result<Vec<Row>> {
    let rows = stream::iter(tasks).map(|task| async move {
        let mut rows = Vec::new();
        for run in client.items(task.runs).try_collect().await? {
            let (created, status, result) = outcome(run);
            let created = created.and_then(|time| time.utc());
            let Some(status) = status.filter(|status| status.phase() == Phase::Failed) else {
                continue;
            };
            // A run without a date may be recent.
            if created.is_none_or(|created| created >= since) {
                rows.push(Row {
                    created,
                    owner: plain(&task.owner),
                    task: plain(&task.title),
                    status: status.to_string(),
                    why: plain(result.as_deref().unwrap_or("no reason given")),
                });
            }
        }
        Ok::<_, scheduled_runs::Error>(rows)
    });
    let rows: Vec<_> = rows.buffered(AT_ONCE).try_collect().await?;
    Ok(rows.into_iter().flatten().collect())
}

/// Shortens a text from the server to one line: a reason may be a long traceback.
fn plain(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Prints a table with aligned columns.
fn print(lines: &[[String; 5]]) {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths = [0, 1, 2, 3].map(width);
    for line in lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
        let why = line.last().map_or("", String::as_str);
        println!("  {}{why}", cells.collect::<String>());
    }
}

async fn connect() -> Result<(arcgis::Client, String, Option<FakeArcGis>)> {
    let names = ["ARCGIS_PORTAL", "ARCGIS_USERNAME", "ARCGIS_PASSWORD"];
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let [Some(portal), Some(user), Some(password)] = names.map(set) else {
        println!("This is a fake. To use your own portal, set {}.", names.join(", "));
        let fake = FakeArcGis::start().await;
        return Ok((fake.client_builder().build()?, FakeArcGis::USERNAME.to_owned(), Some(fake)));
    };
    let client = arcgis::Client::builder()
        .base_url(portal)
        .credential(arcgis::GenerateToken::new(&*user, password))
        .build()?;
    Ok((client, user, None))
}
