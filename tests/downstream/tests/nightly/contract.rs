//! Loom passes the contract suite that triggers and waits rely on.

use std::sync::Arc;

use nightly_reports::loom;
use scheduled_runs::testing::contract::{self, Subject};
use scheduled_runs::{Phase, RunProvider, Target};

use crate::fake_loom::FakeLoom;

impl Subject for FakeLoom {
    fn provider(&self) -> Arc<dyn RunProvider> {
        Arc::new(self.provider())
    }

    fn target(&self) -> Target {
        loom::target(Self::JOB)
    }

    fn next_run(&self, ending: Phase) {
        self.next_run(match ending {
            Phase::Succeeded => "woven",
            Phase::Failed => "torn",
            _ => "weaving",
        });
    }

    fn lose_next_trigger_response(&self) {
        self.lose_next_response();
    }

    fn trigger_from_elsewhere(&self) {
        self.start_from_elsewhere();
    }

    fn triggers(&self) -> usize {
        self.starts()
    }
}

#[tokio::test]
async fn loom_keeps_the_contract() {
    contract::check(async || FakeLoom::default()).await;
}
