//! How one vendor says "error", "request id" and "wait".

use std::borrow::Cow;
use std::fmt::{self, Debug};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};

use super::rate::Rate;
use super::request::ApiRequest;
use crate::error::{ErrorKind, Result, VendorError};
use crate::redact::ShownHeaders;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One complete response, before it is judged.
#[non_exhaustive]
pub struct RawResponse<'a> {
    /// The operation that was called: some responses mean failure for one operation and not for another.
    pub operation: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Body, whole, without the byte order mark that some gateways put before JSON and HTML.
    pub body: &'a Bytes,
}

impl<'a> RawResponse<'a> {
    /// Whether the body begins with this text, after white space.
    #[must_use]
    pub fn begins_with(&self, text: &str) -> bool {
        self.body.trim_ascii_start().starts_with(text.as_bytes())
    }

    /// The body as text, without white space before it; empty if it is not text.
    #[must_use]
    pub fn text(&self) -> &'a str {
        str::from_utf8(self.body).unwrap_or_default().trim_start()
    }
}

impl Debug for RawResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawResponse")
            .field("operation", &self.operation)
            .field("status", &self.status)
            .field("headers", &ShownHeaders(self.headers))
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// What a vendor's response means.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// What was asked for.
    Success,
    /// A failure, whatever the HTTP status says.
    Refused(Refusal),
}

/// A failure as the vendor words it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// The HTTP status that the failure stands for: the response's own, or for vendors that say "error" inside a 200 the one they
    /// mean. It decides about retries; [`Error::status`](crate::Error::status) is the response's own.
    pub status: StatusCode,
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// An explanation for people, for example what to do about it; lower case, no full stop. Usually empty.
    pub message: Cow<'static, str>,
    /// What the vendor said.
    pub error: Option<VendorError>,
    /// What the vendor says about retries.
    pub advice: Advice,
    /// A pause that the vendor asks for by other means than `Retry-After`.
    pub pause: Option<Duration>,
    /// The vendor's id for the request, where the body says it. It counts more than one in a header, which a gateway may
    /// have set.
    pub request_id: Option<Box<str>>,
}

impl Refusal {
    /// A failure of the kind that the status stands for.
    #[must_use]
    pub fn by_status(status: StatusCode, error: Option<VendorError>) -> Self {
        let (kind, advice) = match status.as_u16() {
            401 => (ErrorKind::Auth, Advice::Refresh),
            403 => (ErrorKind::Denied, Advice::None),
            404 | 410 => (ErrorKind::NotFound, Advice::None),
            429 => (ErrorKind::RateLimited, Advice::None),
            // Without the vendor's words, 444, 460 and 499 are those of a proxy that has given up on its client.
            444 | 460 | 499 if error.is_none() => (ErrorKind::Server, Advice::None),
            408 | 425 | 500..=599 => (ErrorKind::Server, Advice::None),
            _ => (ErrorKind::Rejected, Advice::None),
        };
        Self {
            status,
            kind,
            message: Cow::Borrowed(""),
            error,
            advice,
            pause: None,
            request_id: None,
        }
    }

    /// Sets the kind.
    #[must_use]
    pub fn kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the explanation for people.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Sets the advice.
    #[must_use]
    pub fn advice(mut self, advice: Advice) -> Self {
        self.advice = advice;
        self
    }

    /// Sets the vendor's id for the request.
    #[must_use]
    pub fn request_id(mut self, id: Option<Box<str>>) -> Self {
        self.request_id = id;
        self
    }
}

/// What a vendor says about retrying a call that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Nothing: the HTTP status decides.
    #[default]
    None,
    /// The call was not accepted, so that even a trigger may be sent again.
    NotAccepted,
    /// The same call will fail again.
    Permanent,
    /// The credential is stale: get a new one and retry once.
    Refresh,
}

/// How one vendor's requests are prepared and its responses judged. Every response is judged, 2xx too.
pub trait Dialect: Debug + Send + Sync {
    /// Adds what every request of this vendor carries, for example an organisation's header.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the request cannot be sent to this vendor.
    fn prepare(&self, request: &mut ApiRequest) -> Result<()> {
        let _ = request;
        Ok(())
    }

    /// Judges a response. Redirects never come here: they are refused before.
    fn judge(&self, response: &RawResponse<'_>) -> Verdict;

    /// The rate limit that requests of this operation share, if the vendor publishes one. By default none.
    fn rate(&self, operation: &'static str) -> Option<Rate> {
        let _ = operation;
        None
    }

    /// Documented members of responses that no type here reads, which [`on_drift`](crate::ClientBuilder::on_drift) does not
    /// report. Each is the end of a JSON Pointer, with `*` for an index or any name: `/_links`, `/runs/*/owner`. The
    /// operation counts as the first name: `acme.info.get/*`. In a union, the type does: `Trigger/owner`.
    fn unread(&self) -> &'static [&'static str] {
        &[]
    }

    /// The vendor's id for the request.
    fn request_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        headers.get(REQUEST_ID)?.to_str().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_print_of_a_response_shows_what_came_but_not_its_body_or_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, "text/html".parse().unwrap());
        headers.insert(http::header::SET_COOKIE, "session=canary".parse().unwrap());
        let response = RawResponse {
            operation: "test.runs.list",
            status: StatusCode::BAD_GATEWAY,
            headers: &headers,
            body: &Bytes::from_static(b"canary"),
        };
        let printed = format!("{response:?}");
        for shown in ["test.runs.list", "502", "text/html", "body_bytes: 6"] {
            assert!(printed.contains(shown), "{shown} is missing: {printed}");
        }
        assert!(!printed.contains("canary"), "{printed}");
    }

    #[test]
    fn a_status_has_one_kind() {
        for (status, kind) in [
            (400, ErrorKind::Rejected),
            (401, ErrorKind::Auth),
            (403, ErrorKind::Denied),
            (404, ErrorKind::NotFound),
            (408, ErrorKind::Server),
            (425, ErrorKind::Server),
            (444, ErrorKind::Server),
            (499, ErrorKind::Server),
            (409, ErrorKind::Rejected),
            (410, ErrorKind::NotFound),
            (429, ErrorKind::RateLimited),
            (500, ErrorKind::Server),
            (503, ErrorKind::Server),
        ] {
            assert_eq!(
                Refusal::by_status(StatusCode::from_u16(status).unwrap(), None).kind,
                kind,
                "{status}"
            );
        }
    }
}
