//! Runs reports.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use scheduled_runs::{RunProvider, RunProviderExt as _, RunSnapshot, Target};

use crate::error::{Error, Result};

/// Alerts the person on call.
pub trait Pager: Debug + Send + Sync {
    /// Sends this text.
    fn page(&self, what: &str);
}

/// Runs reports at one vendor.
#[derive(Clone, Debug)]
pub struct Nightly {
    provider: Arc<dyn RunProvider>,
    pager: Arc<dyn Pager>,
}

impl Nightly {
    /// Runs reports at this vendor, and sends failures to this pager.
    pub fn new(provider: Arc<dyn RunProvider>, pager: Arc<dyn Pager>) -> Self {
        Self { provider, pager }
    }

    /// Runs a report and waits for its end, at most two hours. The report is started once. If it does not succeed, the pager is
    /// called once.
    ///
    /// # Errors
    /// The reason why it did not succeed.
    pub async fn run(&self, report: &Target) -> Result<RunSnapshot> {
        self.run_to_its_end(report).await.inspect_err(|error| {
            self.pager.page(&format!("{report}: {}", error.for_the_pager()));
        })
    }

    async fn run_to_its_end(&self, report: &Target) -> Result<RunSnapshot> {
        let trigger = self.provider.trigger(report).verify();
        let wait = trigger.wait().every(Duration::from_secs(30)).timeout(Duration::from_secs(7200));
        wait.await?.success().map_err(Error::from)
    }
}
