//! A response: its decoded body, and what came around it.

use std::ops::Deref;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Extensions, HeaderMap, StatusCode, Version, header};

use super::request::ApiRequest;
use super::retry;
use crate::error::{Attempt, Error, Report};
use crate::redact::{Printable, ShownHeaders};
use crate::run::model::RunSnapshot;

/// What came around a response's body.
#[derive(Clone)]
#[non_exhaustive]
pub struct Meta {
    /// The operation that was called.
    pub operation: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// Headers, as they came.
    pub headers: HeaderMap,
    /// The vendor's id for this request: quote it to their support.
    pub request_id: Option<Box<str>>,
    /// Every attempt of the call; the last one succeeded.
    pub attempts: Vec<Attempt>,
    /// No length and no last chunk marked the end of the body: it may have been cut short.
    pub(crate) end_unmarked: bool,
    /// The response has no body by definition, or one whose end HTTP/2 marks.
    pub(crate) may_be_empty: bool,
    /// What the request's endpoint and dialect noted on it.
    extensions: Extensions,
    /// For the report.
    pub(super) sent: Option<ApiRequest>,
}

impl Meta {
    pub(crate) fn new(request: &ApiRequest, head: http::response::Parts) -> Self {
        let http::response::Parts { status, version, headers, .. } = head;
        Self {
            operation: request.operation(),
            status,
            request_id: None,
            attempts: Vec::new(),
            // HTTP/2 marks it, but hyper takes a stream that is reset with `NO_ERROR` for one that has ended.
            end_unmarked: !headers.contains_key(header::CONTENT_LENGTH)
                && !headers.contains_key(header::TRANSFER_ENCODING),
            may_be_empty: version > Version::HTTP_11 || status == StatusCode::NO_CONTENT,
            headers,
            extensions: request.extensions().clone(),
            sent: None,
        }
    }

    /// The meta of a response, for tests.
    #[cfg(test)]
    pub(crate) fn of_test(response: &http::Response<Bytes>) -> Self {
        let base = url::Url::parse("https://host").unwrap();
        Self::new(&ApiRequest::get_url("test", base), response.clone().into_parts().0)
    }

    /// What [`ApiRequest::set_extension`] noted on the request: how a client's settings reach
    /// [`Endpoint::decode`](super::Endpoint::decode).
    #[must_use]
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.extensions.get()
    }

    /// The error without the secrets of the request, for a response that is decoded after its call has ended.
    pub(crate) fn scrub(&self, mut error: Error) -> Error {
        if let Some(sent) = &self.sent {
            error.set().scrub(&sent.secrets());
        }
        error
    }

    /// The snapshot as this response showed it: with [`server_date`](Self::server_date), and with a reason in which the secrets of the
    /// request are replaced, in case the vendor has repeated them. For a [`RunProvider`](crate::RunProvider) of your own.
    #[must_use]
    pub fn observe(&self, mut snapshot: RunSnapshot) -> RunSnapshot {
        if let (Some(failure), Some(sent)) = (&mut snapshot.failure, &self.sent) {
            failure.scrub(&sent.secrets());
        }
        snapshot.observed(self.server_date())
    }

    /// The server's own time when it responded, from the `Date` header.
    #[must_use]
    pub fn server_date(&self) -> Option<DateTime<Utc>> {
        retry::server_date(&self.headers)
    }
}

impl std::fmt::Debug for Meta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meta")
            .field("operation", &self.operation)
            .field("status", &self.status)
            .field("headers", &ShownHeaders(&self.headers))
            .field("request_id", &self.request_id)
            .field("attempts", &self.attempts.len())
            .finish_non_exhaustive()
    }
}

/// A decoded response. It derefs to `T`.
///
/// The response's bytes are kept, so that a member for which `T` has no field is never lost: see [`body`](Self::body).
#[derive(Clone)]
pub struct Response<T> {
    value: T,
    // Boxed, because it is large and moved through each future of a call.
    meta: Box<Meta>,
    body: Bytes,
}

impl<T> Response<T> {
    pub(crate) fn new(value: T, meta: Box<Meta>, body: Bytes) -> Self {
        Self { value, meta, body }
    }

    /// The response that the error is about, with what it means although it is an error.
    pub(crate) fn of_error(value: T, error: &Error) -> Self {
        let meta = Meta {
            operation: error.operation().unwrap_or_default(),
            status: error.status().unwrap_or_default(),
            headers: error.headers().cloned().unwrap_or_default(),
            request_id: error.request_id().map(Into::into),
            attempts: error.attempts().to_vec(),
            end_unmarked: false,
            may_be_empty: true,
            extensions: Extensions::new(),
            sent: None,
        };
        Self::new(value, Box::new(meta), error.body().clone())
    }

    /// The decoded body alone.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Status, headers, request id and attempts.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Several lines about the call: the request, also as a `curl` command whose secrets are shell variables, and each
    /// attempt with its time, status, duration, pause and request id. It holds no secret and no body.
    #[must_use]
    pub fn report(&self) -> String {
        let Meta { operation, status, request_id, attempts, sent, .. } = &*self.meta;
        let mut text = format!("{operation}: HTTP {}", status.as_u16());
        if let Some(id) = request_id {
            text = format!("{text}, request id {}", Printable(id));
        }
        text.push('\n');
        let mut report = Report(&mut text);
        if let Some(sent) = sent {
            report.request(&sent.line(), &sent.curl());
        }
        report.attempts(attempts);
        text
    }

    /// The response's body as it came, but for a byte order mark before JSON.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

impl<T> Deref for Response<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// As the decoded body alone.
impl<T: serde::Serialize> serde::Serialize for Response<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Response<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("value", &self.value)
            .field("meta", &self.meta)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}
