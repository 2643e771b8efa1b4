//! The contract that waits and triggers rely on, kept by every provider.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]

use std::sync::Arc;
use std::time::Duration;

use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::{Deployment, FakeArcGis};
use scheduled_runs::testing::contract::{self, Subject};
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::{FakeSupermetrics, FakeTransfers};
use scheduled_runs::testing::{FakeProvider, ManualClock, NewRun, Plan};
use scheduled_runs::{
    Phase, RunProvider, RunProviderExt as _, Target, adobe, arcgis, foundry, mode, supermetrics,
};

struct Adobe {
    fake: FakeAdobe,
    client: adobe::Client,
}

impl Adobe {
    const SCHEDULE: &str = "nightly-orders";

    async fn new() -> Self {
        let fake = FakeAdobe::start().await;
        let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
        Self { fake, client }
    }
}

impl Subject for Adobe {
    fn provider(&self) -> Arc<dyn RunProvider> {
        Arc::new(self.client.clone())
    }

    fn target(&self) -> Target {
        adobe::target(Self::SCHEDULE)
    }

    fn next_run(&self, ending: Phase) {
        self.fake.next_run(match ending {
            Phase::Succeeded => Plan::succeeds(),
            Phase::Failed => Plan::fails("relation orders does not exist").code("42P01"),
            _ => Plan::never_ends(),
        });
    }

    fn lose_next_trigger_response(&self) {
        self.fake.lose_next_trigger_response();
    }

    fn trigger_from_elsewhere(&self) {
        self.fake.trigger_from_elsewhere(Self::SCHEDULE);
    }

    fn triggers(&self) -> usize {
        self.fake.triggers(Self::SCHEDULE)
    }
}

struct Foundry {
    fake: FakeFoundry,
    client: foundry::Client,
}

impl Foundry {
    async fn new() -> Self {
        let fake = FakeFoundry::start().await;
        let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
        Self { fake, client }
    }
}

impl Subject for Foundry {
    fn provider(&self) -> Arc<dyn RunProvider> {
        Arc::new(self.client.clone())
    }

    fn target(&self) -> Target {
        foundry::target(FakeFoundry::NIGHTLY_ORDERS)
    }

    fn next_run(&self, ending: Phase) {
        self.fake.next_run(match ending {
            Phase::Succeeded => Plan::succeeds(),
            Phase::Failed => Plan::fails("a job failed"),
            _ => Plan::never_ends(),
        });
    }

    fn lose_next_trigger_response(&self) {
        self.fake.lose_next_trigger_response();
    }

    fn trigger_from_elsewhere(&self) {
        self.fake.trigger_from_elsewhere(FakeFoundry::NIGHTLY_ORDERS);
    }

    fn triggers(&self) -> usize {
        self.fake.triggers(FakeFoundry::NIGHTLY_ORDERS)
    }
}

struct Mode {
    fake: FakeMode,
    client: mode::Client,
}

impl Mode {
    async fn new() -> Self {
        let fake = FakeMode::start().await;
        let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
        Self { fake, client }
    }
}

impl Subject for Mode {
    fn provider(&self) -> Arc<dyn RunProvider> {
        Arc::new(self.client.clone())
    }

    fn target(&self) -> Target {
        mode::target(FakeMode::REPORT)
    }

    fn next_run(&self, ending: Phase) {
        self.fake.next_run(match ending {
            Phase::Succeeded => Plan::ends("completed"),
            Phase::Failed => Plan::fails("no such column").code("syntax"),
            _ => Plan::never_ends(),
        });
    }

    fn lose_next_trigger_response(&self) {
        self.fake.lose_next_trigger_response();
    }

    fn trigger_from_elsewhere(&self) {
        self.fake.trigger_from_elsewhere(FakeMode::REPORT);
    }

    fn triggers(&self) -> usize {
        self.fake.triggers(FakeMode::REPORT)
    }
}

/// The executions of a notebook, on Kubernetes or on a Notebook Server.
struct Notebook {
    fake: FakeArcGis,
    client: arcgis::Client,
}

impl Notebook {
    const ITEM: &str = FakeArcGis::NOTEBOOK_ITEM;

    async fn new(set_up: impl Fn(&FakeArcGis)) -> Self {
        let fake = FakeArcGis::start().await;
        set_up(&fake);
        let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
        Self { fake, client }
    }
}

impl Subject for Notebook {
    fn provider(&self) -> Arc<dyn RunProvider> {
        Arc::new(self.client.clone())
    }

    fn target(&self) -> Target {
        arcgis::notebook_target(Self::ITEM)
    }

    fn next_run(&self, ending: Phase) {
        self.fake.next_run(match ending {
            Phase::Succeeded => Plan::succeeds(),
            Phase::Failed => Plan::fails("KeyError: 'roads'"),
            _ => Plan::never_ends(),
        });
    }

    fn lose_next_trigger_response(&self) {
        self.fake.lose_next_trigger_response();
    }

    fn trigger_from_elsewhere(&self) {
        self.fake.trigger_from_elsewhere(Self::ITEM);
    }

    fn triggers(&self) -> usize {
        self.fake.triggers(Self::ITEM)
    }
}

/// Nothing can be triggered: its schedules start runs.
struct ArcGis {
    fake: FakeArcGis,
    client: arcgis::Client,
    of_user: bool,
}

impl ArcGis {
    async fn new(of_user: bool) -> Self {
        let fake = FakeArcGis::start().await;
        let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
        Self { fake, client, of_user }
    }

    fn task(&self) -> &'static str {
        if self.of_user { FakeArcGis::NOTEBOOK } else { FakeArcGis::CLEANER }
    }
}

impl Subject for ArcGis {
    fn provider(&self) -> Arc<dyn RunProvider> {
        Arc::new(self.client.clone())
    }

    fn target(&self) -> Target {
        if self.of_user {
            arcgis::user_target(FakeArcGis::USERNAME, self.task())
        } else {
            arcgis::target(self.task())
        }
    }

    fn next_run(&self, _: Phase) {}

    fn lose_next_trigger_response(&self) {}

    fn trigger_from_elsewhere(&self) {
        self.fake.start_run(self.task(), Plan::succeeds());
    }

    fn triggers(&self) -> usize {
        0
    }
}

struct Supermetrics {
    fake: FakeSupermetrics,
    client: supermetrics::Client,
}

impl Supermetrics {
    async fn new() -> Self {
        let fake = FakeSupermetrics::start().await;
        let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
        Self { fake, client }
    }
}

impl Subject for Supermetrics {
    fn provider(&self) -> Arc<dyn RunProvider> {
        Arc::new(self.client.clone())
    }

    fn target(&self) -> Target {
        let query = supermetrics::Query::new(FakeSupermetrics::DATA_SOURCE);
        let query = query.accounts([FakeSupermetrics::ACCOUNT]).fields(["date", "clicks"]);
        supermetrics::target(&query.start_date("2026-03-01").end_date("yesterday"))
    }

    fn next_run(&self, ending: Phase) {
        self.fake.next_run(match ending {
            Phase::Succeeded => Plan::succeeds(),
            Phase::Failed => Plan::fails("the source is down").code("QUERY_ERROR"),
            _ => Plan::never_ends(),
        });
    }

    fn lose_next_trigger_response(&self) {
        self.fake.lose_next_trigger_response();
    }

    fn trigger_from_elsewhere(&self) {
        self.fake.trigger_from_elsewhere(FakeSupermetrics::DATA_SOURCE);
    }

    fn triggers(&self) -> usize {
        self.fake.triggers(FakeSupermetrics::DATA_SOURCE)
    }
}

struct Transfers {
    fake: FakeTransfers,
    client: supermetrics::transfers::Client,
}

impl Transfers {
    async fn new() -> Self {
        let fake = FakeTransfers::start().await;
        // The contract triggers one target several times at once, and each trigger loads the same day.
        fake.refuse_overlaps(false);
        let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
        Self { fake, client }
    }
}

impl Subject for Transfers {
    fn provider(&self) -> Arc<dyn RunProvider> {
        Arc::new(self.client.clone())
    }

    fn target(&self) -> Target {
        self.client.target(FakeTransfers::TRANSFER)
    }

    fn next_run(&self, ending: Phase) {
        self.fake.next_run(match ending {
            Phase::Succeeded => Plan::succeeds(),
            Phase::Failed => Plan::fails("the login has expired"),
            _ => Plan::never_ends(),
        });
    }

    fn lose_next_trigger_response(&self) {
        self.fake.lose_next_trigger_response();
    }

    fn trigger_from_elsewhere(&self) {
        self.fake.trigger_from_elsewhere(FakeTransfers::TRANSFER);
    }

    fn triggers(&self) -> usize {
        self.fake.triggers(FakeTransfers::TRANSFER)
    }
}

struct Memory(FakeProvider);

impl Subject for Memory {
    fn provider(&self) -> Arc<dyn RunProvider> {
        Arc::new(self.0.clone())
    }

    fn target(&self) -> Target {
        self.0.target("nightly")
    }

    fn next_run(&self, ending: Phase) {
        self.0.next_run([Phase::Queued, Phase::Running, ending]);
    }

    fn lose_next_trigger_response(&self) {
        self.0.lose_next_trigger_response();
    }

    fn trigger_from_elsewhere(&self) {
        self.0.trigger_from_elsewhere(&self.target());
    }

    fn triggers(&self) -> usize {
        self.0.triggers()
    }
}

#[tokio::test]
async fn adobe_keeps_the_contract() {
    contract::check(Adobe::new).await;
}

#[tokio::test]
async fn arcgis_keeps_the_contract_for_tasks_of_the_deployment_and_of_users() {
    for of_user in [false, true] {
        contract::check(async || ArcGis::new(of_user).await).await;
    }
}

#[tokio::test]
async fn arcgis_keeps_the_contract_for_notebooks_of_both_deployments() {
    contract::check(async || Notebook::new(|_| ()).await).await;
    contract::check(async || Notebook::new(|fake| fake.job_details(false)).await).await;
    let server = |fake: &FakeArcGis| fake.deployment(Deployment::WindowsOrLinux);
    contract::check(async || Notebook::new(server).await).await;
    let by_get = |fake: &FakeArcGis| {
        server(fake);
        fake.cancels_by_get(true);
    };
    contract::check(async || Notebook::new(by_get).await).await;
}

#[tokio::test]
async fn supermetrics_keeps_the_contract() {
    contract::check(Supermetrics::new).await;
}

#[tokio::test]
async fn transfers_keep_the_contract() {
    contract::check(Transfers::new).await;
}

#[tokio::test]
async fn foundry_keeps_the_contract() {
    contract::check(Foundry::new).await;
}

#[tokio::test]
async fn mode_keeps_the_contract() {
    contract::check(Mode::new).await;
    contract::check(async || {
        let mode = Mode::new().await;
        mode.fake.cancel_forms(true);
        mode
    })
    .await;
}

#[tokio::test]
async fn the_provider_in_memory_keeps_the_contract() {
    contract::check(async || Memory(FakeProvider::new())).await;
    contract::check(async || {
        let named = FakeProvider::new();
        named.name_runs(true);
        Memory(named)
    })
    .await;
    contract::check(async || {
        let chosen = FakeProvider::new();
        chosen.callers_name_runs(true);
        Memory(chosen)
    })
    .await;
}

#[tokio::test]
async fn a_fake_says_how_long_a_run_took_that_a_test_added() {
    let took = Duration::from_secs(321);
    let adobe = FakeAdobe::start().await;
    let schedule = adobe.add_schedule("timed");
    let run = adobe.add_run(&schedule, NewRun::new("SUCCESS").took(took));
    let run = adobe::target(schedule).run(run);
    let client = adobe.client_builder().build().unwrap();
    assert_eq!(client.snapshot(&run).await.unwrap().duration(), Some(took));

    let foundry = FakeFoundry::start().await;
    let schedule = foundry.add_schedule("timed");
    let run = foundry.add_run(&schedule, NewRun::new("SUCCEEDED").took(took));
    let run = foundry::target(schedule).run(run);
    let client = foundry.client_builder().build().unwrap();
    assert_eq!(client.snapshot(&run).await.unwrap().duration(), Some(took));

    // These two tell when a run was asked for, and when it ended.
    let mode = FakeMode::start().await;
    let report = mode.add_report("timed");
    let run = mode.add_run(&report, NewRun::new("succeeded").took(took));
    let run = mode::target(report).run(run);
    let run = mode.client_builder().build().unwrap().snapshot(&run).await.unwrap();
    assert_eq!((run.finished.unwrap() - run.created.unwrap()).to_std(), Ok(took));

    let arcgis = FakeArcGis::start().await;
    let task = arcgis.add_task(FakeArcGis::USERNAME, "timed");
    let run = arcgis.add_run(&task, NewRun::new("succeeded").took(took));
    let run = arcgis::user_target(FakeArcGis::USERNAME, task).run(run);
    let run = arcgis.client_builder().build().unwrap().snapshot(&run).await.unwrap();
    assert_eq!((run.finished.unwrap() - run.created.unwrap()).to_std(), Ok(took));
}
