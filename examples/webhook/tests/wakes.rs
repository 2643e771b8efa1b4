//! What webhooks do to waits, counted in requests at the fakes.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod support;

use futures_util::future::join_all;
use scheduled_runs::client::Limits;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::{
    FakeServer, ManualClock, NewRun, Plan, SendsWebhooks, StartsRuns,
};
use scheduled_runs::{
    Client, Phase, RunProvider, RunProviderExt as _, Target, adobe, mode,
};

use support::{OnlyEvents, Program, SECRET, TEN_MINUTES, polls, statuses, until};

const REPORT: &str = FakeMode::REPORT;
const NIGHTLY: &str = "nightly-orders";

/// Waits for a run that the vendor ends, and expects two polls.
async fn ends_one_poll_after_its_event<V: SendsWebhooks + StartsRuns>(
    fake: &FakeServer<V>,
    target: impl Fn(&Client<V>) -> Target,
    state: &str,
    program: &Program,
) where
    Client<V>: RunProvider + Clone + 'static,
{
    let client = fake.client_builder().clock(OnlyEvents::default()).build().unwrap();
    fake.next_run(Plan::never_ends());
    let run = client.trigger(&target(&client)).await.unwrap();
    fake.sent_webhooks().await;
    let before = polls(fake);

    let wait = program.wait(&client, &run);
    until(|| polls(fake) == before + 1).await;
    fake.finish(run.id(), state);
    assert_eq!(wait.await.unwrap().unwrap().phase, Phase::Succeeded);
    assert_eq!(polls(fake), before + 2, "one when the wait begins, one after its event");
    assert_eq!(statuses(fake).await, [200, 200]);
}

#[tokio::test]
async fn a_wait_ends_one_poll_after_its_event() {
    let (by_adobe, by_mode) = (FakeAdobe::start().await, FakeMode::start().await);
    by_adobe.show_runs_after_lists(0);
    let program = Program::start(&by_adobe, &by_mode).await;
    let nightly = |client: &adobe::Client| client.target(NIGHTLY);
    ends_one_poll_after_its_event(&by_adobe, nightly, "SUCCESS", &program).await;
    let report = |client: &mode::Client| client.target(REPORT);
    ends_one_poll_after_its_event(&by_mode, report, "succeeded", &program).await;
}

#[tokio::test]
async fn an_event_that_is_late_doubled_or_forged_costs_one_poll_and_ends_no_wait() {
    let (by_adobe, fake) = (FakeAdobe::start().await, FakeMode::start().await);
    let program = Program::start(&by_adobe, &fake).await;
    let client = fake.client_builder().clock(OnlyEvents::default()).build().unwrap();
    fake.hold();
    fake.hold_webhooks();
    let run = client.target(REPORT).run(fake.trigger_from_elsewhere(REPORT));
    let wait = program.wait(&client, &run);
    until(|| polls(&fake) == 1).await;

    // Late, and twice.
    let started = fake.take_webhooks().remove(0);
    for poll in [2, 3] {
        fake.send_webhook(started.clone());
        until(|| polls(&fake) == poll).await;
    }
    // A stranger says that it has ended.
    let ended = started.body.replace("run_started", "run_completed");
    fake.send_webhook(fake.new_webhook(&ended));
    until(|| polls(&fake) == 4).await;
    // Many at once.
    for _ in 0..20 {
        fake.send_webhook(started.clone());
    }
    assert_eq!(statuses(&fake).await, [200; 23]);
    assert!(polls(&fake) <= 24 && !wait.is_finished());

    // Out of order, at last.
    fake.finish(run.id(), "succeeded");
    let before = polls(&fake);
    fake.release_webhooks();
    assert_eq!(wait.await.unwrap().unwrap().phase, Phase::Succeeded);
    let after = polls(&fake);
    assert!((before..=before + 21).contains(&after));
    fake.send_webhook(started);
    assert_eq!(statuses(&fake).await, [200; 25]);
    assert_eq!(polls(&fake), after, "nobody waits any more");
}

#[tokio::test]
async fn an_event_of_somebody_else_wakes_nobody() {
    let (by_adobe, fake) = (FakeAdobe::start().await, FakeMode::start().await);
    let program = Program::start(&by_adobe, &fake).await;
    let client = fake.client_builder().clock(OnlyEvents::default()).build().unwrap();
    fake.hold();
    fake.hold_webhooks();
    let run = client.target(REPORT).run(fake.trigger_from_elsewhere(REPORT));
    let started = fake.take_webhooks().remove(0).body;
    let wait = program.wait(&client, &run);
    until(|| polls(&fake) == 1).await;

    let mut events = program.listen();
    for body in [
        started.replace(FakeMode::WORKSPACE, "globex"),
        started.replace(REPORT, FakeMode::FRESH_REPORT),
        started.replace(run.id(), "b00000000000"),
    ] {
        fake.send_webhook(fake.new_webhook(&body));
    }
    // To a path without the secret, and with a wrong one.
    for secret in ["", "x", &SECRET[1..], &format!("{SECRET}x")] {
        fake.webhook(&program.url(&format!("/webhooks/{secret}/mode")));
        fake.send_webhook(fake.new_webhook(&started));
    }
    fake.webhook(&program.url(&format!("/webhooks/{SECRET}/mode")));
    fake.send_webhook(fake.new_webhook("no event"));
    assert_eq!(statuses(&fake).await, [200, 200, 200, 404, 404, 404, 404, 400]);
    let received = events.so_far();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|event| !event.concerns(&run)), "{received:?}");

    fake.finish(run.id(), "succeeded");
    fake.release_webhooks();
    wait.await.unwrap().unwrap();
    assert_eq!(polls(&fake), 2);
}

#[tokio::test]
async fn an_event_that_adobe_has_not_signed_is_refused() {
    let (fake, by_mode) = (FakeAdobe::start().await, FakeMode::start().await);
    let program = Program::start(&fake, &by_mode).await;
    let client = fake.client_builder().clock(OnlyEvents::default()).build().unwrap();
    fake.hold_webhooks();
    let run = fake.add_run(NIGHTLY, NewRun::new("SUCCESS"));
    let ended = fake.take_webhooks().remove(1);
    let awaited = fake.add_run(NIGHTLY, NewRun::new("IN_PROGRESS"));
    drop(fake.take_webhooks());
    let run_of_this = client.target(NIGHTLY).run(&*awaited);
    let wait = program.wait(&client, &run_of_this);
    until(|| polls(&fake) == 1).await;

    let mut events = program.listen();
    let mut forged = ended.clone();
    forged.body = ended.body.replace(&run, &awaited);
    fake.send_webhook(forged.clone());
    forged.headers.clear();
    fake.send_webhook(forged.clone());
    // Adobe has signed it, and it is of another sandbox.
    let elsewhere =
        forged.body.replace(r#""sandboxName":"dev""#, r#""sandboxName":"prod""#);
    fake.send_webhook(fake.new_webhook(&elsewhere));
    // It is of another run.
    fake.send_webhook(ended);
    assert_eq!(statuses(&fake).await, [403, 400, 200, 200]);
    let received = events.so_far();
    assert_eq!(received.len(), 2);
    assert!(received.iter().all(|event| !event.concerns(&run_of_this)), "{received:?}");

    fake.finish(&awaited, "SUCCESS");
    fake.release_webhooks();
    wait.await.unwrap().unwrap();
    assert_eq!(polls(&fake), 2);
}

#[tokio::test]
async fn a_wait_whose_event_is_lost_ends_by_its_polls() {
    let (by_adobe, fake) = (FakeAdobe::start().await, FakeMode::start().await);
    let program = Program::start(&by_adobe, &fake).await;
    let clock = ManualClock::new();
    let client = fake.client_builder().clock(clock.clone()).build().unwrap();
    fake.hold_webhooks();
    let run = client.target(REPORT).run(fake.trigger_from_elsewhere(REPORT));
    assert_eq!(
        program.wait(&client, &run).await.unwrap().unwrap().phase,
        Phase::Succeeded
    );
    assert_eq!((polls(&fake), clock.elapsed()), (3, TEN_MINUTES));
}

#[tokio::test]
async fn a_thousand_waits_share_one_endpoint() {
    let (by_adobe, fake) = (FakeAdobe::start().await, FakeMode::start().await);
    let program = Program::start(&by_adobe, &fake).await;
    let builder = fake.client_builder().clock(OnlyEvents::default());
    let limits = Limits::default().in_flight(32).paced(false);
    let client = builder.limits(limits).build().unwrap();
    fake.hold();
    let report = client.target(REPORT);
    let runs: Vec<_> =
        (0..1000).map(|_| report.run(fake.trigger_from_elsewhere(REPORT))).collect();
    fake.sent_webhooks().await;

    let waits: Vec<_> = runs.iter().map(|run| program.wait(&client, run)).collect();
    until(|| polls(&fake) == 1000).await;
    for run in &runs {
        fake.finish(run.id(), "succeeded");
    }
    for end in join_all(waits).await {
        assert_eq!(end.unwrap().unwrap().phase, Phase::Succeeded);
    }
    assert_eq!(polls(&fake), 2000, "two for each run");
}
