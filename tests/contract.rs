//! The contract that waits and triggers rely on, kept by every provider.
#![cfg(all(feature = "adobe", feature = "foundry", feature = "mode"))]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic")]

use std::sync::Arc;

use scheduled_runs::testing::adobe::{FakeAdobe, Plan};
use scheduled_runs::testing::contract::{self, Subject};
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::{FakeProvider, ManualClock};
use scheduled_runs::{Phase, RunProvider, Target, adobe, foundry, mode};

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
            Phase::Failed => Plan::fails("42P01", "relation orders does not exist"),
            _ => Plan::never_ends(),
        });
    }

    fn lose_next_trigger_answer(&self) {
        self.fake.lose_next_trigger_answer();
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
        use scheduled_runs::testing::foundry::Plan;

        self.fake.next_run(match ending {
            Phase::Succeeded => Plan::succeeds(),
            Phase::Failed => Plan::fails(),
            _ => Plan::never_ends(),
        });
    }

    fn lose_next_trigger_answer(&self) {
        self.fake.lose_next_trigger_answer();
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
        use scheduled_runs::testing::mode::Plan;

        self.fake.next_run(match ending {
            Phase::Succeeded => Plan::completes(),
            Phase::Failed => Plan::fails("syntax", "no such column"),
            _ => Plan::never_ends(),
        });
    }

    fn lose_next_trigger_answer(&self) {
        self.fake.lose_next_trigger_answer();
    }

    fn trigger_from_elsewhere(&self) {
        self.fake.trigger_from_elsewhere(FakeMode::REPORT);
    }

    fn triggers(&self) -> usize {
        self.fake.triggers(FakeMode::REPORT)
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

    fn lose_next_trigger_answer(&self) {
        self.0.lose_next_trigger_answer();
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
async fn foundry_keeps_the_contract() {
    contract::check(Foundry::new).await;
}

#[tokio::test]
async fn mode_keeps_the_contract() {
    contract::check(Mode::new).await;
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
