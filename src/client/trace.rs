//! The span of a call, with the attribute names that OpenTelemetry has for HTTP clients, and an event for each retry. No body, no
//! credential, and no query value outside a short list is in them.

use std::time::Duration;

use tracing::{Instrument as _, Span, field};

use super::request::ApiRequest;
use crate::error::{Attempt, ErrorKind};
use crate::redact::Printable;
use crate::vendor::Vendor;

/// The target of the span and its events.
const TARGET: &str = "scheduled_runs::call";

/// One call, with all its attempts.
pub(super) fn call_span(vendor: &Vendor, request: &ApiRequest) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "scheduled_runs.call",
        otel.name = request.operation(),
        otel.kind = "client",
        vendor = vendor.as_str(),
        http.request.method = request.method().as_str(),
        server.address = request.url().host_str(),
        server.port = request.url().port_or_known_default(),
        url.full = field::Empty,
        http.request.resend_count = field::Empty,
        http.response.status_code = field::Empty,
        request_id = field::Empty,
        error.r#type = field::Empty,
    );
    if !span.is_disabled() {
        span.record("url.full", request.redacted_url());
    }
    span
}

/// Does something inside the span.
pub(super) async fn inside<F: Future>(span: &Span, work: F) -> F::Output {
    // A disabled span is not entered and left at every poll.
    if span.is_disabled() { work.await } else { work.instrument(span.clone()).await }
}

/// How a call ended.
pub(super) fn call_ended(span: &Span, attempts: &[Attempt], error: Option<ErrorKind>) {
    if span.is_disabled() {
        return;
    }
    let retries = attempts.len().saturating_sub(1);
    if retries > 0 {
        span.record("http.request.resend_count", retries);
    }
    let last = attempts.last();
    if let Some(status) = last.and_then(|last| last.status) {
        span.record("http.response.status_code", status.as_u16());
    }
    if let Some(id) = last.and_then(|last| last.request_id.as_deref()) {
        span.record("request_id", field::display(Printable(id)));
    }
    if let Some(kind) = error {
        span.record("error.type", kind.as_str());
    }
}

/// An attempt failed, and another one follows after this pause.
pub(super) fn retries(number: usize, attempt: &Attempt, pause: Duration) {
    tracing::info!(
        target: TARGET,
        attempt = number,
        error.r#type = attempt.failure.map(ErrorKind::as_str),
        http.response.status_code = attempt.status.map(|status| status.as_u16()),
        pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
        "the call is retried"
    );
}
