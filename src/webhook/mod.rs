//! Webhooks: requests that a vendor sends to your program when something happens there.
//!
//! Your program has the endpoint; a vendor's `receive` takes the request apart. It says what to respond, and which
//! [`Event`]s to hand to the waits.

#[allow(dead_code, unused_imports, reason = "not every vendor signs, and a vendor is a feature")]
pub(crate) mod signature;

use http::{HeaderValue, Response, StatusCode, header};
use url::Url;

use crate::run::Event;

/// What came in by a webhook. Send the response soon, and the events to the waits.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received {
    /// What to respond to the vendor. It is 200 for every request that is well formed, also for one that concerns nobody, so that
    /// the vendor does not send it again.
    pub response: Response<String>,
    /// What to wake waits with. Empty if the request was refused, or is about something else than runs.
    pub events: Vec<Event>,
    /// Where somebody must confirm that the endpoint is yours before the vendor sends events to it. This crate never opens it, and
    /// anybody can send such a request: have a person open it, and only if you are registering the endpoint at the moment.
    pub confirm_url: Option<Url>,
}

#[allow(dead_code, reason = "not every vendor needs each of them, and a vendor is a feature")]
impl Received {
    /// A request that is accepted.
    pub(crate) fn events(events: Vec<Event>) -> Self {
        Self { response: Response::new(String::new()), events, confirm_url: None }
    }

    /// A request that is refused, and why, in a word for the sender.
    pub(crate) fn refused(status: StatusCode, why: &str) -> Self {
        Self::respond(status, why.to_owned())
    }

    /// A request with another method than these.
    pub(crate) fn wrong_method(allowed: &'static str) -> Self {
        let mut refused =
            Self::refused(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allowed} is understood"));
        let allowed = HeaderValue::from_static(allowed);
        refused.response.headers_mut().insert(header::ALLOW, allowed);
        refused
    }

    /// A request to confirm the endpoint.
    pub(crate) fn confirm(url: Url) -> Self {
        Self { confirm_url: Some(url), ..Self::events(Vec::new()) }
    }

    /// A request that wants this text.
    pub(crate) fn text(text: String) -> Self {
        Self::respond(StatusCode::OK, text)
    }

    fn respond(status: StatusCode, text: String) -> Self {
        let mut response = Response::new(text);
        *response.status_mut() = status;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        // The text may be the sender's own: a browser must not take it for a page.
        let no_sniff = HeaderValue::from_static("nosniff");
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, no_sniff);
        Self { response, ..Self::events(Vec::new()) }
    }
}
