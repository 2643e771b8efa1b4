//! The span of a wait, with an event for each change of the run and for each poll that failed.

use tracing::{Span, field};

use super::model::{RunRef, RunSnapshot};
use crate::error::Error;
use crate::redact::Printable;
use crate::vendor::Vendor;

/// A wait for one run.
pub(super) fn wait_span(run: &RunRef) -> Span {
    tracing::info_span!(
        "scheduled_runs.wait",
        vendor = run.vendor().as_str(),
        run = %Printable(&run.to_string()),
        error.r#type = field::Empty,
    )
}

/// A wait for many runs.
pub(super) fn wait_all_span(vendor: &Vendor, runs: usize) -> Span {
    tracing::info_span!("scheduled_runs.wait_all", vendor = vendor.as_str(), runs)
}

/// A wait ended with an error.
pub(super) fn wait_failed(span: &Span, error: &Error) {
    span.record("error.type", field::debug(error.kind()));
}

/// A poll; an event if the run's phase is another one than before.
pub(super) fn polled(before: Option<&RunSnapshot>, now: &RunSnapshot) {
    if before.is_none_or(|before| before.phase != now.phase) {
        tracing::info!(
            run = %Printable(&now.run.to_string()),
            phase = %now.phase,
            before = before.map(|before| field::display(before.phase)),
            state = now.state.as_deref().map(|state| field::display(Printable(state))),
            "run phase changed"
        );
    }
}

/// A poll failed and is tolerated.
pub(super) fn poll_failed(error: &Error, failed: u32) {
    tracing::warn!(error.r#type = ?error.kind(), in_a_row = failed, "a poll of the run failed");
}
