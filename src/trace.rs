//! Spans and events for the feature `tracing`; nothing without it.
//!
//! One span per operation, with the attribute names that OpenTelemetry has for HTTP clients; one event per repetition; one
//! span per wait, with an event for each change. No body, no credential, and no query value outside a short list is in them.

#![cfg_attr(
    not(feature = "tracing"),
    allow(
        unused_variables,
        clippy::unused_self,
        reason = "without the feature there is nothing to tell"
    )
)]

use std::time::Duration;

use crate::client::{ApiRequest, Vendor};
use crate::error::{Attempt, Error};
use crate::run::{RunRef, RunSnapshot};

/// A span, where spans are wanted.
#[derive(Clone)]
pub(crate) struct Span {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Span {
    /// One call, with all its attempts.
    pub(crate) fn call(vendor: &Vendor, request: &ApiRequest) -> Self {
        let this = Self {
            #[cfg(feature = "tracing")]
            span: tracing::info_span!(
                "scheduled_runs.call",
                otel.name = request.operation(),
                otel.kind = "client",
                vendor = vendor.as_str(),
                http.request.method = request.method().as_str(),
                server.address = request.url().host_str(),
                server.port = request.url().port_or_known_default(),
                url.full = tracing::field::Empty,
                http.request.resend_count = tracing::field::Empty,
                http.response.status_code = tracing::field::Empty,
                request_id = tracing::field::Empty,
                error.r#type = tracing::field::Empty,
            ),
        };
        #[cfg(feature = "tracing")]
        if !this.span.is_disabled() {
            this.span.record("url.full", request.redacted_url());
        }
        this
    }

    /// A wait for one run.
    pub(crate) fn wait(run: &RunRef) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: tracing::info_span!(
                "scheduled_runs.wait",
                vendor = run.vendor().as_str(),
                run = %crate::client::Printable(&run.to_string()),
                error.r#type = tracing::field::Empty,
            ),
        }
    }

    /// A wait for many runs.
    pub(crate) fn wait_all(vendor: &Vendor, runs: usize) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: tracing::info_span!("scheduled_runs.wait_all", vendor = vendor.as_str(), runs),
        }
    }

    /// Does something inside the span.
    pub(crate) async fn around<F: Future>(&self, work: F) -> F::Output {
        #[cfg(feature = "tracing")]
        let work = tracing::Instrument::instrument(work, self.span.clone());
        work.await
    }

    /// How a call ended.
    pub(crate) fn ended(&self, attempts: &[Attempt], error: Option<&Error>) {
        #[cfg(feature = "tracing")]
        {
            let repeats = attempts.len().saturating_sub(1);
            if repeats > 0 {
                self.span.record("http.request.resend_count", repeats);
            }
            let last = attempts.last();
            if let Some(status) = last.and_then(|last| last.status) {
                self.span.record("http.response.status_code", status.as_u16());
            }
            if let Some(id) = last.and_then(|last| last.request_id.as_deref()) {
                self.span
                    .record("request_id", tracing::field::display(crate::client::Printable(id)));
            }
            self.failed(error);
        }
    }

    /// That it ended in an error, if it did.
    pub(crate) fn failed(&self, error: Option<&Error>) {
        #[cfg(feature = "tracing")]
        if let Some(error) = error {
            self.span.record("error.type", tracing::field::debug(error.kind()));
        }
    }
}

/// An attempt failed, and another one follows after this pause.
pub(crate) fn repeats(number: usize, attempt: &Attempt, pause: Duration) {
    #[cfg(feature = "tracing")]
    tracing::info!(
        attempt = number,
        error.r#type = attempt.failure.map(tracing::field::debug),
        http.response.status_code = attempt.status.map(|status| status.as_u16()),
        pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
        "the call is repeated"
    );
}

/// A look at a run; told where it stands differently than before.
pub(crate) fn looked(before: Option<&RunSnapshot>, now: &RunSnapshot) {
    #[cfg(feature = "tracing")]
    if before.is_none_or(|before| before.phase != now.phase) {
        tracing::info!(
            run = %crate::client::Printable(&now.run.to_string()),
            phase = %now.phase,
            before = before.map(|before| tracing::field::display(before.phase)),
            state = now.state.as_deref().map(|state| tracing::field::display(crate::client::Printable(state))),
            "the run stands differently"
        );
    }
}

/// A look at a run that failed and is tolerated.
pub(crate) fn look_failed(error: &Error, failed: u32) {
    #[cfg(feature = "tracing")]
    tracing::warn!(error.r#type = ?error.kind(), in_a_row = failed, "a look at the run failed");
}
