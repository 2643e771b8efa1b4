//! How many requests a wait makes: one for each poll, and what finding and explaining the run need.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use scheduled_runs::client::FinishedCall;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::FakeArcGis;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::{FakeSupermetrics, FakeTransfers};
use scheduled_runs::testing::{ManualClock, NewRun, Plan};
use scheduled_runs::{
    Phase, RunProvider, RunProviderExt as _, RunRef, Target, arcgis, foundry, supermetrics,
};

/// How often each operation was called.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<BTreeMap<&'static str, usize>>>);

impl Calls {
    fn count(&self) -> impl Fn(&FinishedCall<'_>) + Send + Sync + 'static {
        let Self(calls) = self.clone();
        move |call| *calls.lock().unwrap().entry(call.operation).or_default() += call.attempts.len()
    }

    fn take(&self) -> Vec<(&'static str, usize)> {
        let calls = std::mem::take(&mut *self.0.lock().unwrap());
        calls
            .into_iter()
            .filter(|(operation, _)| *operation != "adobe.token" && !operation.contains("token"))
            .collect()
    }
}

macro_rules! client {
    ($fake:ident, $calls:ident) => {
        $fake.client_builder().clock(ManualClock::new()).on_call($calls.count()).build().unwrap()
    };
}

/// Waits for the end of a run of a hundred polls, and says which calls that took.
async fn calls_of(
    provider: &impl RunProvider,
    run: &RunRef,
    calls: &Calls,
) -> Vec<(&'static str, usize)> {
    calls.take();
    let mut polls = 0;
    let done = provider.wait(run).on_end(|wait| polls = wait.polls).await.unwrap();
    assert_eq!(done.phase, Phase::Succeeded, "{}", provider.vendor());
    assert!((100..=101).contains(&polls), "{polls} at {}", provider.vendor());
    calls.take()
}

#[tokio::test]
async fn a_poll_is_one_request_at_each_vendor() {
    let (calls, plan) = (Calls::default(), || Plan::succeeds().takes(100));

    let fake = FakeAdobe::start().await;
    let client = client!(fake, calls);
    fake.next_run(plan());
    let run = client.trigger(&client.target("nightly-orders")).await.unwrap();
    assert_eq!(calls_of(&client, &run, &calls).await, [("adobe.runs.get", 100)]);

    let fake = FakeArcGis::start().await;
    let client = client!(fake, calls);
    let run = fake.start_run(FakeArcGis::NOTEBOOK, plan());
    let run = arcgis::user_target(FakeArcGis::USERNAME, FakeArcGis::NOTEBOOK).run(run);
    assert_eq!(calls_of(&client, &run, &calls).await, [("arcgis.user_task_runs.get", 100)]);

    fake.next_run(plan());
    let target = client.notebook_target(FakeArcGis::NOTEBOOK_ITEM);
    let run = client.trigger(&target).await.unwrap();
    assert_eq!(calls_of(&client, &run, &calls).await, [("arcgis.notebook_jobs.get", 100)]);

    let fake = FakeMode::start().await;
    let client = client!(fake, calls);
    fake.next_run(plan());
    let run = client.trigger(&client.target(FakeMode::REPORT)).await.unwrap();
    assert_eq!(calls_of(&client, &run, &calls).await, [("mode.report_runs.get", 100)]);

    let fake = FakeSupermetrics::start().await;
    let client = client!(fake, calls);
    fake.next_run(plan());
    let query = supermetrics::Query::new(FakeSupermetrics::DATA_SOURCE).fields("date, cost");
    let run = client.trigger(&supermetrics::target(&query)).await.unwrap();
    assert_eq!(calls_of(&client, &run, &calls).await, [("supermetrics.queries.get_status", 100)]);

    let fake = FakeTransfers::start().await;
    let client = client!(fake, calls);
    fake.next_run(plan());
    let run = client.trigger(&client.target(FakeTransfers::TRANSFER)).await.unwrap();
    assert_eq!(calls_of(&client, &run, &calls).await, [("supermetrics.backfills.get", 100)]);

    // The first poll finds a run without a build, the second one its build; all others ask for the build alone.
    let fake = FakeFoundry::start().await;
    let client = client!(fake, calls);
    fake.next_run(plan());
    let run = client.trigger(&foundry::target(FakeFoundry::NIGHTLY_ORDERS)).await.unwrap();
    let asked = calls_of(&client, &run, &calls).await;
    assert_eq!(asked, [("foundry.builds.get", 100), ("foundry.schedule_runs.list", 2)]);
}

#[tokio::test]
async fn a_run_of_foundry_that_has_slid_off_the_first_page_still_costs_one_request_a_poll() {
    let (fake, calls) = (FakeFoundry::start().await, Calls::default());
    let client = client!(fake, calls);
    fake.next_run(Plan::fails("no such table").takes(20));
    let run = client.trigger(&foundry::target(FakeFoundry::NIGHTLY_ORDERS)).await.unwrap();
    calls.take();
    let mut updates = client.wait(&run).updates();
    assert_eq!(updates.next().await.unwrap().unwrap().inner, None, "it has no build yet");
    let first = updates.next().await.unwrap().unwrap();
    assert!(
        first.inner.as_ref().unwrap().starts_with("ri.foundry.main.build."),
        "people find the build's page with it"
    );
    for _ in 0..300 {
        fake.add_run(FakeFoundry::NIGHTLY_ORDERS, NewRun::new("SUCCEEDED"));
    }
    let rest: Vec<_> = updates.try_collect().await.unwrap();
    let end = rest.last().unwrap();
    assert_eq!((rest.len(), end.phase), (19, Phase::Failed));
    assert!(end.failure.is_some() && end.created == first.created && end.finished.is_some());
    assert_eq!(
        calls.take(),
        [("foundry.builds.get", 20), ("foundry.jobs.list", 1), ("foundry.schedule_runs.list", 2)],
        "and one for the reason"
    );
}

#[tokio::test]
async fn many_runs_of_foundry_cost_one_batch_of_builds_a_round() {
    let (fake, calls) = (FakeFoundry::start().await, Calls::default());
    let client = client!(fake, calls);
    let target = foundry::target(FakeFoundry::NIGHTLY_ORDERS);
    let mut runs = Vec::new();
    for _ in 0..50 {
        fake.next_run(Plan::succeeds().takes(10));
        runs.push(client.trigger(&target).await.unwrap());
    }
    calls.take();
    let mut rounds = 0;
    let wait = client.wait_all(runs).on_end(|wait| rounds = rounds.max(wait.polls as usize));
    let ends: Vec<_> = wait.ends().try_collect().await.unwrap();
    assert!(ends.len() == 50 && ends.iter().all(|end| end.phase == Phase::Succeeded));
    let asked: BTreeMap<_, _> = calls.take().into_iter().collect();
    // The first round reads a list of runs without builds, the second one their builds as well. Builds of other runs are not read.
    assert_eq!(asked["foundry.schedule_runs.list"], 2, "{asked:?}");
    assert_eq!((rounds, asked["foundry.builds.get_batch"]), (11, 10), "{asked:?}");
    assert_eq!(asked.len(), 2, "{asked:?}");
}

async fn durations(provider: &impl RunProvider, target: &Target) -> Vec<u64> {
    let history = provider.history(target).await.unwrap();
    history.durations().map(|took| took.as_secs()).collect()
}

#[tokio::test]
async fn the_history_of_a_target_is_one_request_at_each_vendor() {
    let calls = Calls::default();
    let took = |seconds| NewRun::new("SUCCESS").took(Duration::from_secs(seconds));
    let fake = FakeAdobe::start().await;
    let client = client!(fake, calls);
    fake.add_run("nightly-orders", took(301));
    fake.add_run("nightly-orders", NewRun::new("FAILED").took(Duration::from_secs(7)));
    let durations_there = durations(&client, &client.target("nightly-orders")).await;
    assert_eq!(durations_there.first(), Some(&301), "the newest, and none of a failed run");
    assert!(!durations_there.contains(&7));
    assert_eq!(calls.take(), [("adobe.queries.list", 1)]);

    let fake = FakeArcGis::start().await;
    let client = client!(fake, calls);
    fake.add_run(FakeArcGis::NOTEBOOK, NewRun::new("succeeded").took(Duration::from_secs(302)));
    let target = arcgis::user_target(FakeArcGis::USERNAME, FakeArcGis::NOTEBOOK);
    assert!(durations(&client, &target).await.contains(&302));
    assert_eq!(calls.take(), [("arcgis.user_task_runs.list", 1)]);
    let item = FakeArcGis::NOTEBOOK_ITEM;
    fake.add_run(item, NewRun::new("COMPLETED").took(Duration::from_secs(305)));
    fake.add_run(item, NewRun::new("FAILED").took(Duration::from_secs(7)));
    let notebook = client.notebook_target(item);
    assert_eq!(durations(&client, &notebook).await, [305]);
    assert_eq!(calls.take(), [("arcgis.notebook_jobs.list", 1)]);

    let fake = FakeMode::start().await;
    let client = client!(fake, calls);
    fake.add_run(FakeMode::REPORT, NewRun::new("succeeded").took(Duration::from_secs(303)));
    let target = client.target(FakeMode::REPORT);
    assert_eq!(durations(&client, &target).await.first(), Some(&303));
    assert_eq!(calls.take(), [("mode.report_runs.list", 1)]);

    // The list, and the builds of its runs together.
    let fake = FakeFoundry::start().await;
    let client = client!(fake, calls);
    fake.add_run(
        FakeFoundry::NIGHTLY_ORDERS,
        NewRun::new("SUCCEEDED").took(Duration::from_secs(304)),
    );
    let target = foundry::target(FakeFoundry::NIGHTLY_ORDERS);
    assert_eq!(durations(&client, &target).await.first(), Some(&304));
    let asked = calls.take();
    assert_eq!(asked, [("foundry.builds.get_batch", 1), ("foundry.schedule_runs.list", 1)]);

    // Only runs of this target count in the history of the licence.
    let fake = FakeSupermetrics::start().await;
    let client = client!(fake, calls);
    let query = supermetrics::Query::new(FakeSupermetrics::DATA_SOURCE).fields("date, cost");
    let target = supermetrics::target(&query);
    fake.next_run(Plan::succeeds());
    client.trigger_and_wait(&target).await.unwrap();
    fake.add_run(FakeSupermetrics::DATA_SOURCE, NewRun::new("SUCCESS"));
    calls.take();
    assert_eq!(durations(&client, &target).await.len(), 1);
    assert_eq!(calls.take(), [("supermetrics.history.list", 1)]);

    let fake = FakeTransfers::start().await;
    let client = client!(fake, calls);
    fake.add_run(FakeTransfers::TRANSFER, NewRun::new("COMPLETED").took(Duration::from_secs(305)));
    let target = client.target(FakeTransfers::TRANSFER);
    assert_eq!(durations(&client, &target).await, [305, 218, 218, 218]);
    assert_eq!(calls.take(), [("supermetrics.transfer_runs.list", 1)]);
}
