//! [`FinishedWait`]: what is reported of each wait that has ended, for metrics.

use std::time::Duration;

use super::model::{RunRef, RunSnapshot};
use crate::error::ErrorKind;

/// The end of the wait for one run: what `on_end` of a [`Wait`](super::Wait) and a [`WaitAll`](super::WaitAll) reports.
///
/// A wait that is dropped before it has ended is not reported.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FinishedWait<'w> {
    /// The run.
    pub run: &'w RunRef,
    /// What was last known about it; `None` if no poll succeeded.
    pub snapshot: Option<&'w RunSnapshot>,
    /// Why the wait failed; `None` if it did not. A run that failed does not make its wait fail.
    pub failure: Option<ErrorKind>,
    /// How often the run was polled, alone or in a list.
    pub polls: u32,
    /// How many of the polls failed.
    pub failed_polls: u32,
    /// From the beginning of the wait, or from when the run joined it, to its end.
    pub elapsed: Duration,
}

impl FinishedWait<'_> {
    /// How the wait ended: the phase of the run, such as `succeeded`, or the code of the failure, such as `wait_timeout`.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match (self.failure, self.snapshot) {
            (Some(failure), _) => failure.as_str(),
            (None, snapshot) => snapshot.map_or("unknown", |run| run.phase.as_str()),
        }
    }

    /// How long after the run's end this wait knew it, by the vendor's clock: see [`RunSnapshot::lag`]. Half of the polling
    /// interval on average.
    #[must_use]
    pub fn lag(&self) -> Option<Duration> {
        self.snapshot.and_then(RunSnapshot::lag)
    }
}
