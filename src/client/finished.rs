//! [`FinishedCall`]: what a client reports of each call that has ended, for metrics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use http::{Method, StatusCode};

use super::request::ApiRequest;
use crate::error::{Attempt, ErrorKind};
use crate::vendor::Vendor;

/// A call that has ended, with all its attempts: what [`ClientBuilder::on_call`](super::ClientBuilder::on_call) reports.
///
/// Every field but [`elapsed`](Self::elapsed) and [`attempts`](Self::attempts) can be a label of a metric: it has few values, and none
/// is secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FinishedCall<'c> {
    /// The vendor.
    pub vendor: &'c Vendor,
    /// The operation, such as `adobe.runs.list`. A call that fetches a token is one of its own, such as `adobe.token`.
    pub operation: &'static str,
    /// The HTTP method: OpenTelemetry's `http.request.method`.
    pub method: &'c Method,
    /// The host: OpenTelemetry's `server.address`.
    pub server_address: &'c str,
    /// The port: OpenTelemetry's `server.port`.
    pub server_port: Option<u16>,
    /// Why the call failed; `None` if it succeeded. Its [`as_str`](ErrorKind::as_str) is OpenTelemetry's `error.type`.
    pub failure: Option<ErrorKind>,
    /// The status of the last attempt, if it got a response: OpenTelemetry's `http.response.status_code`.
    pub status: Option<StatusCode>,
    /// How long the call took, with its retries, its pauses, its credential, and its wait for the vendor's rate limit.
    pub elapsed: Duration,
    /// Every attempt with its status, its time and why it failed. Empty if nothing was sent.
    pub attempts: &'c [Attempt],
}

impl FinishedCall<'_> {
    /// `success`, or the code of the failure, such as `rate_limited`: for a label that is never missing.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        self.failure.map_or("success", ErrorKind::as_str)
    }

    /// How often the request was sent again: OpenTelemetry's `http.request.resend_count`.
    #[must_use]
    pub fn retries(&self) -> usize {
        self.attempts.len().saturating_sub(1)
    }
}

/// The caller's callback.
pub(super) struct OnCall(Box<dyn Fn(&FinishedCall<'_>) + Send + Sync>);

impl OnCall {
    pub(super) fn new(callback: impl Fn(&FinishedCall<'_>) + Send + Sync + 'static) -> Self {
        Self(Box::new(callback))
    }

    /// Reports a call. A panic of the callback does not become one of the call.
    pub(super) fn report(
        &self,
        vendor: &Vendor,
        request: &ApiRequest,
        attempts: &[Attempt],
        failure: Option<ErrorKind>,
        elapsed: Duration,
    ) {
        let call = FinishedCall {
            vendor,
            operation: request.operation(),
            method: request.method(),
            server_address: request.url().host_str().unwrap_or_default(),
            server_port: request.url().port_or_known_default(),
            failure,
            status: attempts.last().and_then(|last| last.status),
            elapsed,
            attempts,
        };
        drop(catch_unwind(AssertUnwindSafe(|| (self.0)(&call))));
    }
}
