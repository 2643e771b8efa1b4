//! The forms of responses, and what every request must carry.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Map, Value, json};

use super::FakeMode;
use super::state::State;
use crate::testing::kit::{self, Response};

pub(super) type ParsedRequest = kit::ParsedRequest<State>;
pub(super) type Refusal = Response;
pub(super) type Reply = kit::Reply<State>;

const HAL: &str = "application/hal+json";
const HTML: &str = "text/html; charset=utf-8";

pub(super) fn hal(status: u16, body: &Value) -> Response {
    Response::new(status, HAL, body.to_string())
}

/// A list: counters, links, items, in this order.
pub(super) fn list(pagination: Option<&Value>, links: &Value, embedded: &Value) -> Response {
    let counters = pagination.map(|counters| format!("\"pagination\":{counters},"));
    let counters = counters.unwrap_or_default();
    let body = format!("{{{counters}\"_links\":{links},\"_embedded\":{embedded}}}");
    Response::new(200, HAL, body)
}

pub(super) fn json_rows(rows: &[Map<String, Value>]) -> Response {
    Response::json(200, json!(rows))
}

pub(super) fn file(body: Vec<u8>, mime: &'static str, name: &str) -> Response {
    let mut response = Response::new(200, mime, body);
    response.header("content-disposition", &format!("attachment; filename=\"{name}\""));
    response
}

pub(super) fn error(status: u16, id: &str, message: &str) -> Response {
    Response::json(status, json!({ "id": id, "message": message }))
}

pub(super) fn bad_request(message: &str) -> Response {
    error(400, "bad_request", message)
}

pub(super) fn missing(member: &str) -> Response {
    error(400, "param_missing", &format!("{member} is required"))
}

pub(super) fn not_found(what: &str) -> Response {
    error(404, "not_found", &format!("There is no such {what}"))
}

/// A body member nobody knows: `message` is an object.
pub(super) fn unknown_member(name: &str) -> Response {
    Response::json(400, json!({ "id": "bad_request", "message": { name: ["is not known"] } }))
}

/// A body member with a value that is not allowed: `message` is an object, `id` is missing.
pub(super) fn invalid(name: &str, why: &str) -> Response {
    Response::json(422, json!({ "message": { name: [why] } }))
}

/// A number where a token belongs.
pub(super) fn numeric_token(number: u64) -> Response {
    Response::json(400, json!({ "id": number, "message": "A token is needed here" }))
}

pub(super) fn login_page() -> Response {
    let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>\
                <form method=\"post\" action=\"/login\"></form></body></html>";
    Response::new(200, HTML, page)
}

/// The body that usually comes with a status.
pub(super) fn usual(status: u16) -> Response {
    let id = match status {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        409 => "conflict",
        413 => "payload_too_large",
        422 => return invalid("name", "is not allowed"),
        429 => {
            let body = json!({ "message": "Too many requests to the API, slow down" });
            return Response::json(429, body);
        }
        502 | 504 => return Response::page(status, status),
        503 => "service_unavailable",
        400..=499 => "bad_request",
        _ => "internal_server_error",
    };
    error(status, id, &format!("The fake was told to respond with {status}"))
}

/// HTTP Basic with the fake's token and secret.
pub(super) fn check_login(call: &ParsedRequest) -> Result<(), Refusal> {
    let known = format!("{}:{}", FakeMode::API_TOKEN, FakeMode::API_SECRET);
    if call.credential("authorization", "basic") == Some(&BASE64_STANDARD.encode(known)) {
        return Ok(());
    }
    Err(error(401, "unauthorized", "API token and secret are missing or wrong"))
}

/// A body must be declared as JSON.
pub(super) fn check_content_type(call: &ParsedRequest) -> Result<(), Refusal> {
    if call.body.is_empty() || call.media_type() == "application/json" {
        return Ok(());
    }
    Err(bad_request("A body must be application/json"))
}
