//! The forms an answer takes, and what every request must carry.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Map, Value, json};
use wiremock::http::{HeaderName, HeaderValue};
use wiremock::{Request, ResponseTemplate};

use super::FakeMode;

const JSON: &str = "application/json";
const HAL: &str = "application/hal+json";
const HTML: &str = "text/html; charset=utf-8";

/// What goes back, before it is sent.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
    pub(super) mime: &'static str,
}

/// Either way it is sent; `Err` only ends the work early.
pub(super) type Reply = Result<Answer, Answer>;

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>, mime: &'static str) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), mime }
    }

    pub(super) fn hal(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string(), HAL)
    }

    /// A list: counters, links, items, in this order.
    pub(super) fn list(pagination: Option<&Value>, links: &Value, embedded: &Value) -> Self {
        let counters = pagination.map(|counters| format!("\"pagination\":{counters},"));
        let counters = counters.unwrap_or_default();
        let body = format!("{{{counters}\"_links\":{links},\"_embedded\":{embedded}}}");
        Self::new(200, body, HAL)
    }

    pub(super) fn rows(rows: &[Map<String, Value>]) -> Self {
        Self::new(200, json!(rows).to_string(), JSON)
    }

    pub(super) fn file(body: Vec<u8>, mime: &'static str, name: &str) -> Self {
        let mut answer = Self::new(200, body, mime);
        let value = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
        answer.headers.extend(
            value.ok().map(|value| (HeaderName::from_static("content-disposition"), value)),
        );
        answer
    }

    pub(super) fn empty(status: u16) -> Self {
        Self::new(status, "", "")
    }

    pub(super) fn error(status: u16, id: &str, message: &str) -> Self {
        Self::new(status, json!({ "id": id, "message": message }).to_string(), JSON)
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::error(400, "bad_request", message)
    }

    pub(super) fn missing(member: &str) -> Self {
        Self::error(400, "param_missing", &format!("{member} is required"))
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::error(404, "not_found", &format!("There is no such {what}"))
    }

    /// A body member nobody knows: `message` is an object.
    pub(super) fn unknown_member(name: &str) -> Self {
        let body = json!({ "id": "bad_request", "message": { name: ["is not known"] } });
        Self::new(400, body.to_string(), JSON)
    }

    /// A body member with a value that is not allowed: `message` is an object, `id` is missing.
    pub(super) fn invalid(name: &str, why: &str) -> Self {
        Self::new(422, json!({ "message": { name: [why] } }).to_string(), JSON)
    }

    /// A number where a token belongs.
    pub(super) fn numeric_token(number: u64) -> Self {
        let body = json!({ "id": number, "message": "A token is needed here" });
        Self::new(400, body.to_string(), JSON)
    }

    pub(super) fn login_page() -> Self {
        let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>\
                    <form method=\"post\" action=\"/login\"></form></body></html>";
        Self::new(200, page, HTML)
    }

    /// The body that usually comes with a status.
    pub(super) fn usual(status: u16) -> Self {
        let id = match status {
            401 => "unauthorized",
            403 => "forbidden",
            404 => "not_found",
            409 => "conflict",
            413 => "payload_too_large",
            422 => return Self::invalid("name", "is not allowed"),
            429 => {
                let body = json!({ "message": "Too many requests to the API, slow down" });
                return Self::new(429, body.to_string(), JSON);
            }
            502 | 504 => {
                let page = format!("<html><body><h1>{status}</h1></body></html>");
                return Self::new(status, page, HTML);
            }
            503 => "service_unavailable",
            400..=499 => "bad_request",
            _ => "internal_server_error",
        };
        Self::error(status, id, &format!("The fake was told to answer {status}"))
    }

    /// hyper adds `Date` where it is missing.
    pub(super) fn into_response(self, request_id: HeaderValue) -> ResponseTemplate {
        ResponseTemplate::new(self.status)
            .insert_header("x-request-id", request_id)
            .set_body_raw(self.body, self.mime)
            .append_headers(self.headers)
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.get(name)?.to_str().ok()
}

/// HTTP Basic with the fake's token and secret.
pub(super) fn check_login(request: &Request) -> Result<(), Answer> {
    let known = format!("{}:{}", FakeMode::API_TOKEN, FakeMode::API_SECRET);
    let given = header(request, "authorization").and_then(|value| value.split_once(' '));
    let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    if given.is_some_and(|(_, text)| text.trim() == BASE64_STANDARD.encode(known)) {
        return Ok(());
    }
    Err(Answer::error(401, "unauthorized", "API token and secret are missing or wrong"))
}

/// A body must be declared as JSON. Parameters such as `charset` do not matter.
pub(super) fn check_content_type(request: &Request) -> Result<(), Answer> {
    let mime = header(request, "content-type").and_then(|value| value.split(';').next());
    if request.body.is_empty() || mime.is_some_and(|mime| mime.trim().eq_ignore_ascii_case(JSON)) {
        return Ok(());
    }
    Err(Answer::bad_request("A body must be application/json"))
}
