//! A response, before it becomes bytes.

use serde_json::Value;
use wiremock::ResponseTemplate;
use wiremock::http::{HeaderName, HeaderValue};

use super::{FakeState, ParsedRequest};

/// What is sent back. hyper adds `Date` where it is missing.
#[derive(Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Body,
    /// The content type; empty where there is none.
    pub media_type: &'static str,
}

#[derive(Clone)]
pub enum Body {
    /// A vendor may still add to it.
    Json(Value),
    Bytes(Vec<u8>),
}

impl Response {
    pub fn new(status: u16, media_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: Body::Bytes(body.into()), media_type }
    }

    pub fn json(status: u16, body: impl Into<Value>) -> Self {
        let body = Body::Json(body.into());
        Self { status, headers: Vec::new(), body, media_type: "application/json" }
    }

    pub fn empty(status: u16) -> Self {
        Self::new(status, "", "")
    }

    /// A web page with a heading, as proxies send it.
    pub fn page(status: u16, heading: impl std::fmt::Display) -> Self {
        let page = format!("<html><body><h1>{heading}</h1></body></html>");
        Self::new(status, "text/html; charset=utf-8", page)
    }

    /// A response of a test's own. Fails the test if it cannot be sent.
    #[track_caller]
    pub(super) fn checked(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        assert!((200..=599).contains(&status), "{status} is not the status of a final response");
        let mut response = Self::new(status, "", body);
        for (name, value) in headers {
            match (HeaderName::try_from(*name), HeaderValue::try_from(*value)) {
                (Ok(name), Ok(value)) => response.headers.push((name, value)),
                _ => panic!("{name:?} with {value:?} is not a header"),
            }
        }
        response
    }

    pub fn with_media_type(self, media_type: &'static str) -> Self {
        Self { media_type, ..self }
    }

    pub fn header(&mut self, name: &'static str, value: &str) {
        let value = HeaderValue::try_from(value).ok();
        self.headers.extend(value.map(|value| (HeaderName::from_static(name), value)));
    }

    /// Names the request in this header: as the request does itself, or by a new ID.
    pub fn name_request<S: FakeState>(
        mut self,
        call: &ParsedRequest<S>,
        header: &'static str,
        id: &str,
    ) -> Self {
        let given = call.headers.get(header).cloned();
        let id = given.or_else(|| HeaderValue::try_from(id).ok());
        self.headers.splice(0..0, id.map(|id| (HeaderName::from_static(header), id)));
        self
    }

    /// JSON spread over several lines.
    pub fn pretty(self) -> Self {
        match self.body {
            Body::Json(body) => {
                Self { body: Body::Bytes(format!("{body:#}").into_bytes()), ..self }
            }
            Body::Bytes(_) => self,
        }
    }

    pub(super) fn into_template(self) -> ResponseTemplate {
        let body = match self.body {
            Body::Json(body) => body.to_string().into_bytes(),
            Body::Bytes(body) => body,
        };
        ResponseTemplate::new(self.status)
            .set_body_raw(body, self.media_type)
            .append_headers(self.headers)
    }
}
