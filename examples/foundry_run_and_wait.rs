//! Runs a schedule of Palantir Foundry, follows it into its build, and lists the jobs of that build.
//!
//! `cargo run --example foundry_run_and_wait` uses a fake on this machine. With `FOUNDRY_HOSTNAME`, `FOUNDRY_TOKEN` and
//! `FOUNDRY_SCHEDULE_RID` set it runs that schedule.

#[path = "shared/environment.rs"]
mod environment;
mod shared;

use std::process::ExitCode;
use std::time::Duration;

use scheduled_runs::foundry::{
    self, GetSchedule, ListBuildJobs, ListScheduleRuns, ScheduleRunResult,
};
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::{Phase, Result, RunProviderExt};

use environment::{account, list};
use shared::arguments::Arguments;
use shared::output::say;

const USAGE: &str = "\
usage: foundry_run_and_wait

Runs the schedule that these environment variables name, and
one of a fake if none of them is set:
  FOUNDRY_HOSTNAME, FOUNDRY_TOKEN, FOUNDRY_SCHEDULE_RID";

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = Arguments::new(USAGE);
    if let Some(argument) = arguments.take() {
        arguments.unknown(&argument);
    }
    match run_and_wait().await {
        Ok(Phase::Succeeded | Phase::Skipped) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => shared::failed(&error),
    }
}

async fn run_and_wait() -> Result<Phase> {
    // The fake lives as long as this variable.
    let (client, schedule, _fake) = connect().await?;
    let about = client.send(GetSchedule::new(schedule.as_str())).await?;
    say!("Running {}.", about.display_name.as_deref().unwrap_or(&schedule));

    let wait =
        client.trigger_and_wait(&foundry::target(schedule.as_str())).every(Duration::from_secs(2));
    let done = wait.on_update(|run| say!("  {}", run.phase)).await?;
    match done.clone().success() {
        Ok(run) => match run.duration() {
            Some(took) => say!("It succeeded in {} s.", took.as_secs()),
            None => say!("It succeeded; Foundry does not say how long it took."),
        },
        Err(_) if done.phase == Phase::Skipped => say!("There was nothing to build."),
        Err(error) => say!("{error}"),
    }

    // What a run has made is in another resource: the jobs of its build.
    let mut runs = client.items(ListScheduleRuns::new(schedule.as_str()));
    while let Some(run) = runs.next().await {
        let run = run?;
        if run.rid.as_str() != done.run.id() {
            continue;
        }
        if let Some(ScheduleRunResult::Submitted { build_rid, .. }) = &run.result {
            say!("Jobs of {build_rid}:");
            let mut jobs = client.items(ListBuildJobs::new(build_rid));
            while let Some(job) = jobs.next().await {
                let job = job?;
                say!(
                    "  {}  {}",
                    job.rid,
                    job.status.as_ref().map_or("unknown", |status| status.as_str())
                );
            }
        }
        break;
    }
    Ok(done.phase)
}

async fn connect() -> Result<(foundry::Client, String, Option<FakeFoundry>)> {
    let names = ["FOUNDRY_HOSTNAME", "FOUNDRY_TOKEN", "FOUNDRY_SCHEDULE_RID"];
    let Some([host, token, schedule]) = account(names, &[], &[])? else {
        say!("This is a fake. To run your own schedule, set {}.", list(&names));
        let fake = FakeFoundry::start().await;
        return Ok((
            fake.client_builder().build()?,
            FakeFoundry::NIGHTLY_ORDERS.to_owned(),
            Some(fake),
        ));
    };
    let client = foundry::Client::builder()
        .hostname(host)
        .credential(foundry::UserToken::new(token))
        .build()?;
    Ok((client, schedule, None))
}
