//! The one thing this library is for.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use scheduled_runs::{RunProvider, RunProviderExt as _, RunSnapshot, Target};

use crate::error::{Error, Result};

/// Wakes somebody up.
pub trait Pager: Debug + Send + Sync {
    /// Tells the person on call.
    fn page(&self, what: &str);
}

/// Runs reports at one vendor, whichever it is.
#[derive(Clone, Debug)]
pub struct Nightly {
    provider: Arc<dyn RunProvider>,
    pager: Arc<dyn Pager>,
}

impl Nightly {
    /// Reports at this vendor; what goes wrong goes to that pager.
    pub fn new(provider: Arc<dyn RunProvider>, pager: Arc<dyn Pager>) -> Self {
        Self { provider, pager }
    }

    /// Runs a report to its end, within two hours. It is started once. If it does not come out, somebody is paged, once.
    ///
    /// # Errors
    /// Why it did not come out.
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
