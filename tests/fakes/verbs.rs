//! What the fake servers of all vendors have in common.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use chrono::DateTime;
use scheduled_runs::client::Client;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::FakeArcGis;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::testing::{FakeServer, ManualClock, NewRun, Plan, StartsRuns};
use scheduled_runs::{
    Phase, RunProvider, RunProviderExt as _, Target, adobe, arcgis, foundry, mode, supermetrics,
};

const TASK: &str = FakeArcGis::NOTEBOOK;

/// The phase in which each run ends, if runs are planned like this.
async fn ends<V: StartsRuns>(
    fake: FakeServer<V>,
    target: impl Fn(usize) -> Target,
    plans: &[Plan],
) -> Vec<Phase>
where
    Client<V>: RunProvider,
{
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let mut phases = Vec::new();
    for (number, plan) in plans.iter().enumerate() {
        fake.next_run(plan.clone());
        phases.push(client.trigger_and_wait(&target(number)).await.unwrap().phase);
    }
    phases
}

#[tokio::test]
async fn a_plan_means_the_same_at_every_vendor() {
    let plans = [
        Plan::succeeds(),
        Plan::succeeds().takes(0),
        Plan::fails("no such table").takes(1),
        Plan::cancelled(),
    ];
    let expected = [Phase::Succeeded, Phase::Succeeded, Phase::Failed, Phase::Cancelled];

    let orders = |_| foundry::target(FakeFoundry::NIGHTLY_ORDERS);
    assert_eq!(ends(FakeFoundry::start().await, orders, &plans).await, expected);
    let report = |_| mode::target(FakeMode::REPORT);
    assert_eq!(ends(FakeMode::start().await, report, &plans).await, expected);
    let query = |number: usize| {
        let query = supermetrics::Query::new(FakeSupermetrics::DATA_SOURCE);
        supermetrics::target(&query.schedule_id(format!("query-{number}")))
    };
    assert_eq!(ends(FakeSupermetrics::start().await, query, &plans).await, expected);

    let nightly = |_| adobe::target("nightly-orders");
    assert_eq!(ends(FakeAdobe::start().await, nightly, &plans).await, expected);

    let notebook = |_| arcgis::notebook_target(FakeArcGis::NOTEBOOK_ITEM);
    assert_eq!(ends(FakeArcGis::start().await, notebook, &plans).await, expected);

    // A task of ArcGIS can neither be triggered nor cancelled.
    let fake = FakeArcGis::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    for (plan, phase) in plans.into_iter().zip(expected).take(3) {
        let run = arcgis::user_target(FakeArcGis::USERNAME, TASK).run(fake.start_run(TASK, plan));
        assert_eq!(client.wait(&run).await.unwrap().phase, phase);
    }
}

#[tokio::test]
async fn a_plan_may_name_any_state_of_the_vendor() {
    let mode = FakeMode::start().await;
    let report = |_| mode::target(FakeMode::REPORT);
    assert_eq!(ends(mode, report, &[Plan::ends("completed")]).await, [Phase::Succeeded]);
    let foundry = FakeFoundry::start().await;
    let orders = |_| foundry::target(FakeFoundry::NIGHTLY_ORDERS);
    let plans = [Plan::ends("ignored"), Plan::skipped(), Plan::submit_fails("no rights")];
    assert_eq!(
        ends(foundry, orders, &plans).await,
        [Phase::Skipped, Phase::Skipped, Phase::Failed]
    );
}

#[tokio::test]
async fn a_fake_starts_on_the_port_that_is_chosen_and_says_if_it_is_taken() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let error = FakeMode::start_on(port).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    let message = format!("port {port} of 127.0.0.1 cannot be used: ");
    assert!(error.to_string().starts_with(&message), "{error}");
    drop(free);
    let chosen = FakeAdobe::start_on(port).await.unwrap();
    assert_eq!(chosen.base_url(), format!("http://127.0.0.1:{port}/data/foundation/query"));
    let client = chosen.client_builder().build().unwrap();
    assert_eq!(client.send(adobe::ListSchedules::new()).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn lists_before_a_run_is_shown_can_be_planned_for_one_run() {
    let fake = FakeAdobe::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let length = async || {
        let runs = client.send(adobe::ListRuns::new("nightly-orders").limit(100)).await.unwrap();
        runs.items.len()
    };
    fake.next_run(Plan::succeeds().after_lists(2));
    client.send(adobe::TriggerRun::new("nightly-orders")).await.unwrap();
    assert_eq!([length().await, length().await, length().await], [6, 6, 7]);
}

/// Whether the fake can do what it is asked for; if not, it must say who cannot do what.
fn accepts(name: &str, verb: &str, act: impl FnOnce()) -> bool {
    let Err(panic) = catch_unwind(AssertUnwindSafe(act)) else { return true };
    let message = panic.downcast::<String>().unwrap();
    assert_eq!(*message, format!("{name} has no `{verb}`"));
    false
}

/// The rows of the table in the docs of `Plan` or `NewRun`, which say for each method which vendors have it.
fn documented(of: &str) -> Vec<(String, Vec<bool>)> {
    let source = include_str!("../../src/testing/kit/plan.rs");
    let docs = source.split(&format!("pub struct {of} {{")).next().unwrap();
    let docs = docs.rsplit("/// | | Adobe | ArcGIS |").next().unwrap();
    let mut rows = Vec::new();
    for line in docs.lines().filter(|line| line.starts_with("/// | [")) {
        let mut cells = line.trim_start_matches("/// |").trim_end_matches('|').split('|');
        let names: Vec<_> = cells.next().unwrap().split('`').skip(1).step_by(2).collect();
        let yes: Vec<_> = cells.map(|cell| cell.trim() == "yes").collect();
        rows.extend(names.into_iter().map(|name| (format!("{of}::{name}"), yes.clone())));
    }
    rows
}

#[tokio::test]
async fn a_fake_refuses_what_the_docs_say_its_vendor_lacks() {
    let (adobe, arcgis) = (FakeAdobe::start().await, FakeArcGis::start().await);
    let (foundry, mode) = (FakeFoundry::start().await, FakeMode::start().await);
    let supermetrics = FakeSupermetrics::start().await;

    let plans = [
        ("cancelled", Plan::cancelled()),
        ("skipped", Plan::skipped()),
        ("submit_fails", Plan::submit_fails("no rights")),
        ("fails_silently", Plan::fails_silently()),
        ("code", Plan::fails("no rights").code("403")),
        ("reason", Plan::succeeds().reason("nothing to do")),
        ("after_lists", Plan::succeeds().after_lists(1)),
        ("listed_after", Plan::succeeds().listed_after(Duration::from_secs(1))),
        ("rows", Plan::succeeds().rows(1)),
        ("table", Plan::succeeds().table(Vec::new())),
        ("split_by", Plan::succeeds().split_by(&["phone"])),
    ];
    let plans = plans.map(|(name, plan)| {
        let verb = format!("Plan::{name}");
        let accepted = vec![
            accepts("FakeAdobe", &verb, || adobe.next_run(plan.clone())),
            accepts("FakeArcGis", &verb, || arcgis.next_run(plan.clone())),
            accepts("FakeFoundry", &verb, || foundry.next_run(plan.clone())),
            accepts("FakeMode", &verb, || mode.next_run(plan.clone())),
            accepts("FakeSupermetrics", &verb, || supermetrics.next_run(plan.clone())),
        ];
        (verb, accepted)
    });
    assert_eq!(plans.to_vec(), documented("Plan"));

    let run = || NewRun::new("failed").created(DateTime::UNIX_EPOCH);
    let runs = [
        ("took", run().took(Duration::from_secs(1))),
        ("triggered", run().triggered(true)),
        ("reason", run().reason("no rights")),
        ("code", run().code("403")),
        ("message", run().message("done")),
        ("parameters", run().parameters(serde_json::Map::new())),
        ("purged", run().purged()),
        ("rows", run().rows(1)),
        ("app_id", run().app_id("GS")),
        ("url", run().url("https://example.com")),
    ];
    let runs = runs.map(|(name, run)| {
        let verb = format!("NewRun::{name}");
        let add = || run.clone();
        let accepted = vec![
            accepts("FakeAdobe", &verb, || drop(adobe.add_run("nightly-orders", add()))),
            accepts("FakeArcGis", &verb, || drop(arcgis.add_run(TASK, add()))),
            accepts("FakeFoundry", &verb, || {
                drop(foundry.add_run(FakeFoundry::NIGHTLY_ORDERS, add()));
            }),
            accepts("FakeMode", &verb, || drop(mode.add_run(FakeMode::REPORT, add()))),
            accepts("FakeSupermetrics", &verb, || drop(supermetrics.add_run("AW", add()))),
        ];
        (verb, accepted)
    });
    assert_eq!(runs.to_vec(), documented("NewRun"));
}
