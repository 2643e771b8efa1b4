//! Runs a schedule of Palantir Foundry, follows it into its build, and lists the jobs of that build.
//!
//! `cargo run --example foundry_run_and_wait` uses a fake on this machine. With `FOUNDRY_HOSTNAME`, `FOUNDRY_TOKEN` and
//! `FOUNDRY_SCHEDULE_RID` set it runs that schedule.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]

use std::process::ExitCode;
use std::time::Duration;

use scheduled_runs::foundry::{
    self, GetSchedule, ListBuildJobs, ListScheduleRuns, ScheduleRunResult,
};
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::{Phase, Result, RunProviderExt};

const VARIABLES: [&str; 3] = ["FOUNDRY_HOSTNAME", "FOUNDRY_TOKEN", "FOUNDRY_SCHEDULE_RID"];

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(argument) = std::env::args().nth(1) {
        println!(
            "usage: foundry_run_and_wait\n\nRuns the schedule that these environment variables name: {}.",
            VARIABLES.join(", ")
        );
        let asked = matches!(&*argument, "-h" | "--help");
        return if asked { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match run_and_wait().await {
        Ok(Phase::Succeeded | Phase::Skipped) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn run_and_wait() -> Result<Phase> {
    // The fake lives as long as this variable.
    let (client, schedule, _fake) = connect().await?;
    let about = client.send(GetSchedule::new(schedule.as_str())).await?;
    println!("Running {}.", about.display_name.as_deref().unwrap_or(&schedule));

    let wait =
        client.trigger_and_wait(&foundry::target(schedule.as_str())).every(Duration::from_secs(2));
    let done = wait.on_update(|run| println!("  {}", run.phase)).await?;
    match done.clone().success() {
        Ok(run) => println!("It succeeded in {} s.", run.duration().unwrap_or_default().as_secs()),
        Err(_) if done.phase == Phase::Skipped => println!("There was nothing to build."),
        Err(error) => println!("{error}"),
    }

    // What a run has made is in another resource: the jobs of its build.
    let mut runs = client.items(ListScheduleRuns::new(schedule.as_str()));
    while let Some(run) = runs.next().await {
        let run = run?;
        if run.rid.as_str() != done.run.id() {
            continue;
        }
        if let Some(ScheduleRunResult::Submitted { build_rid, .. }) = &run.result {
            println!("Jobs of {build_rid}:");
            let mut jobs = client.items(ListBuildJobs::new(build_rid));
            while let Some(job) = jobs.next().await {
                let job = job?;
                println!(
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
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let [Some(host), Some(token), Some(schedule)] = VARIABLES.map(set) else {
        println!("This is a fake. To run your own schedule, set {}.", VARIABLES.join(", "));
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
