//! A wait that is killed with its process goes on in another one.
#![cfg(feature = "adobe")]
#![allow(clippy::print_stdout, reason = "the helpers of tests may print")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use scheduled_runs::testing::ManualClock;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::{RunProviderExt as _, RunRef, adobe};

const RUN: &str = "RESUME_TEST_RUN";
const BASE_URL: &str = "RESUME_TEST_BASE_URL";
const TOKEN: &str = "RESUME_TEST_TOKEN";

#[tokio::test]
async fn a_wait_that_was_killed_is_resumed_in_a_new_process_from_its_printed_run() {
    let fake = FakeAdobe::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let run = client.trigger(&adobe::target("nightly-orders")).await.unwrap();

    fake.hold();
    let mut first = wait_in_new_process(&fake, &run);
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!(lines.find(|line| line.starts_with("looked")).as_deref(), Some("looked queued"));
    first.kill().unwrap();
    assert!(!first.wait().unwrap().success());

    fake.release();
    let second = wait_in_new_process(&fake, &run).wait_with_output().unwrap();
    let output = String::from_utf8(second.stdout).unwrap();
    assert!(second.status.success(), "{output}");
    assert!(output.contains(&format!("ended succeeded {run}\n")), "{output}");
    assert_eq!(fake.triggers("nightly-orders"), 1);
}

/// Starts this test program again, as the process that waits.
fn wait_in_new_process(fake: &FakeAdobe, run: &RunRef) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "resume::the_process_that_waits", "--ignored", "--nocapture"])
        .env(RUN, run.to_string())
        .env(BASE_URL, fake.base_url())
        .env(TOKEN, fake.access_token())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "it is the other process of the test above, and does nothing by itself"]
async fn the_process_that_waits() {
    let Ok(run) = std::env::var(RUN) else { return };
    let client = adobe::Client::builder()
        .credential(adobe::AccessToken::new(FakeAdobe::CLIENT_ID, std::env::var(TOKEN).unwrap()))
        .org_id(FakeAdobe::ORG_ID)
        .sandbox(FakeAdobe::SANDBOX)
        .base_url(std::env::var(BASE_URL).unwrap())
        .clock(ManualClock::new())
        .build()
        .unwrap();
    let run: RunRef = run.parse().unwrap();
    let forever = Duration::from_secs(u64::from(u32::MAX));
    let wait = client.wait(&run).timeout(forever).on_update(|run| println!("looked {}", run.phase));
    let done = wait.await.unwrap();
    println!("ended {} {}", done.phase, done.run);
}
