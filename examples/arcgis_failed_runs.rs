//! Lists which scheduled tasks of an ArcGIS Enterprise portal failed in the last days, and why: tasks of the deployment and of
//! users.
//!
//! `cargo run --example arcgis_failed_runs [DAYS]` uses a fake on this machine. With `ARCGIS_PORTAL`, `ARCGIS_USERNAME` and
//! `ARCGIS_PASSWORD` set it uses that portal: an administrator sees all tasks, other users see their own. By default it shows 7
//! days. It changes nothing.

#[path = "shared/environment.rs"]
mod environment;
mod shared;

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

use environment::{account, list};
use shared::arguments::Arguments;
use shared::output::{say, shortened, width};

const USAGE: &str = "\
usage: arcgis_failed_runs [DAYS]

  DAYS  how many days back, at most 65535; by default 7

Uses your portal if its environment variables are set, and
a fake otherwise. It prints the names of the variables.";

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
    let mut arguments = Arguments::new(USAGE);
    let mut days = None;
    while let Some(argument) = arguments.take() {
        arguments.only(&mut days, argument);
    }
    let days = days.map(|text| match text.parse::<u16>() {
        Ok(days) => days,
        Err(_) => arguments.refuse(&format!("{text:?} is not a number of days, 0 to 65535")),
    });
    match report(days.unwrap_or(7)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => shared::failed(&error),
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
        say!("No run failed in the last {days} days.");
        return Ok(());
    }
    say!("Runs that failed in the last {days} days, newest first:");
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
            say!("Tasks of the deployment are not included: {error}.");
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
            say!("Tasks of other users are not included: {error}.");
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
    shortened(&line, SHOWN)
}

/// Prints a table with aligned columns. If the terminal is narrow, owners are shortened first, then tasks, and reasons are below
/// their rows.
fn print(lines: &[[String; 5]]) {
    let widest = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let [created, owner, task, status] = [0, 1, 2, 3].map(widest);
    let room = width().saturating_sub(8 + created + status);
    let task = task.min(room.saturating_sub(owner.min(10))).max(1);
    let owner = owner.min(room.saturating_sub(task)).max(1);
    for [when, whose, which, how, why] in lines {
        let (whose, which) = (shortened(whose, owner), shortened(which, task));
        say!("  {when:created$}  {whose:owner$}  {which:task$}  {how:status$}  {why}");
    }
}

async fn connect() -> Result<(arcgis::Client, String, Option<FakeArcGis>)> {
    let names = ["ARCGIS_PORTAL", "ARCGIS_USERNAME", "ARCGIS_PASSWORD"];
    let Some([portal, user, password]) = account(names, &[], &["ARCGIS_TASK"])? else {
        say!("This is a fake. To use your own portal, set {}.", list(&names));
        let fake = FakeArcGis::start().await;
        return Ok((fake.client_builder().build()?, FakeArcGis::USERNAME.to_owned(), Some(fake)));
    };
    let client = arcgis::Client::builder()
        .base_url(portal)
        .credential(arcgis::GenerateToken::new(&*user, password))
        .build()?;
    Ok((client, user, None))
}
