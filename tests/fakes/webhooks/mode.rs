//! The webhooks of Mode's fake.

use scheduled_runs::mode;
use scheduled_runs::run::Event;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::{ManualClock, NewRun, Plan, Webhook};
use scheduled_runs::{RunProviderExt as _, RunRef};

use super::request;

const REPORT: &str = FakeMode::REPORT;

/// A fake that holds its webhooks, and a client of it.
async fn fake() -> (FakeMode, mode::Client) {
    let fake = FakeMode::start().await;
    fake.hold_webhooks();
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    (fake, client)
}

/// The event that a program receives.
fn received(webhook: &Webhook) -> Event {
    let received = mode::receive(&request(webhook));
    assert_eq!(received.response.status(), 200);
    received.events.into_iter().next().unwrap()
}

/// Checks that what is held are two events of this run: it has started, and it has ended.
#[track_caller]
fn are_start_and_end(held: &[Webhook], run: &RunRef) {
    let [started, ended] = held else { panic!("{held:?}") };
    assert!(started.body.contains("report_run_started"), "{started:?}");
    assert!(ended.body.contains("report_run_completed"), "{ended:?}");
    let other = run.target().run("b00000000000");
    for webhook in held {
        let event = received(webhook);
        assert!(event.concerns(run) && !event.concerns(&other), "{event:?}");
    }
}

#[tokio::test]
async fn a_run_has_one_event_when_it_starts_and_one_when_it_ends_however_it_ends() {
    let (fake, client) = fake().await;
    let report = client.target(REPORT);
    for plan in [
        Plan::succeeds(),
        Plan::succeeds().takes(0),
        Plan::fails("no such table"),
        Plan::cancelled(),
        Plan::ends("completed"),
    ] {
        fake.next_run(plan);
        let run = client.trigger_and_wait(&report).await.unwrap().run;
        are_start_and_end(&fake.take_webhooks(), &run);
    }

    for end in ["succeeded", "failed"] {
        let run = fake.trigger_from_elsewhere(REPORT);
        fake.finish(&run, end);
        fake.finish(&run, end);
        are_start_and_end(&fake.take_webhooks(), &report.run(run));
        let run = fake.add_run(REPORT, NewRun::new(end));
        are_start_and_end(&fake.take_webhooks(), &report.run(run));
    }

    fake.cancel_forms(true);
    let run = report.run(fake.trigger_from_elsewhere(REPORT));
    client.cancel(&run).await.unwrap();
    client.cancel(&run).await.unwrap();
    are_start_and_end(&fake.take_webhooks(), &run);
}

#[tokio::test]
async fn the_runs_of_a_dataset_have_no_events() {
    let (fake, client) = fake().await;
    client.send(mode::CreateDatasetRun::new(FakeMode::DATASET)).await.unwrap();
    fake.add_run(FakeMode::DATASET, NewRun::new("succeeded"));
    assert_eq!(fake.take_webhooks(), []);
}

#[tokio::test]
async fn a_webhook_of_ones_own_has_the_headers_of_the_vendor() {
    let (fake, client) = fake().await;
    let run = fake.add_run(REPORT, NewRun::new("running"));
    let webhook = fake.take_webhooks().remove(0);
    assert_eq!(fake.new_webhook(&webhook.body), webhook);
    let elsewhere = fake.new_webhook(&webhook.body.replace(FakeMode::WORKSPACE, "globex"));
    assert!(!received(&elsewhere).concerns(&client.target(REPORT).run(run)));
}
