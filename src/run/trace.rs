//! The span of a wait, with an event for each change of the run and for each poll that failed.

use std::time::Duration;

use tracing::{Span, field};

use super::finished::FinishedWait;
use super::model::{RunRef, RunSnapshot};
use super::provider::CancelOutcome;
use crate::error::{Error, Result};
use crate::redact::Printable;
use crate::vendor::Vendor;

/// The target of the spans and their events.
const TARGET: &str = "scheduled_runs::wait";

/// A wait for one run.
pub(super) fn wait_span(run: &RunRef) -> Span {
    tracing::info_span!(
        target: TARGET,
        "scheduled_runs.wait",
        vendor = run.vendor().as_str(),
        run = %Printable(&run.to_string()),
        error.r#type = field::Empty,
    )
}

/// A wait for many runs.
pub(super) fn wait_all_span(vendor: &Vendor, runs: usize) -> Span {
    tracing::info_span!(target: TARGET, "scheduled_runs.wait_all", vendor = vendor.as_str(), runs)
}

/// A wait ended with an error.
pub(super) fn wait_failed(span: &Span, error: &Error) {
    span.record("error.type", error.kind().as_str());
}

/// The wait for a run ended.
pub(super) fn wait_ended(wait: &FinishedWait<'_>) {
    tracing::info!(
        target: TARGET,
        run = %Printable(&wait.run.to_string()),
        outcome = wait.outcome(),
        polls = wait.polls,
        failed_polls = wait.failed_polls,
        elapsed_ms = millis(wait.elapsed),
        lag_ms = wait.lag().map(millis),
        "wait ended"
    );
}

/// A run was to be cancelled, because its wait was dropped.
pub(super) fn cancelled_on_drop(run: &RunRef, outcome: Result<CancelOutcome>) {
    let outcome = match outcome {
        Ok(CancelOutcome::Requested) => "requested",
        Ok(CancelOutcome::AlreadyFinished) => "already_finished",
        Err(error) => error.kind().as_str(),
    };
    tracing::warn!(
        target: TARGET,
        run = %Printable(&run.to_string()),
        outcome,
        "a run is cancelled because its wait was dropped"
    );
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A poll; an event if the run's phase is another one than before.
pub(super) fn polled(before: Option<&RunSnapshot>, now: &RunSnapshot) {
    if before.is_none_or(|before| before.phase != now.phase) {
        tracing::info!(
            target: TARGET,
            run = %Printable(&now.run.to_string()),
            phase = %now.phase,
            before = before.map(|before| field::display(before.phase)),
            state = now.state.as_deref().map(|state| field::display(Printable(state))),
            "run phase changed"
        );
    }
}

/// The history that a wait was to learn from could not be fetched.
pub(super) fn history_failed(run: &RunRef, error: &Error) {
    tracing::warn!(
        target: TARGET,
        run = %Printable(&run.to_string()),
        error.r#type = error.kind().as_str(),
        "a wait could not fetch the history"
    );
}

/// A poll failed and is tolerated.
pub(super) fn poll_failed(error: &Error, failed: u32) {
    let kind = error.kind().as_str();
    tracing::warn!(target: TARGET, in_a_row = failed, error.r#type = kind, "a poll of the run failed");
}
