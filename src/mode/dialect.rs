//! How Mode reports errors.

use std::time::Duration;

use http::{HeaderValue, header};
use serde_json::Value;

use crate::client::{Advice, ApiRequest, Dialect, Rate, RawResponse, Refusal, Verdict};
use crate::error::{ErrorKind, Result, VendorError};
use crate::wire::repair;

#[derive(Debug)]
pub(super) struct ModeDialect;

/// Members that only the web application needs, or that only accounts with a special contract have.
const UNREAD: [&str; 22] = [
    "/pagination/page",
    "/pagination/count",
    "/data_sources/*/default",
    "/default_for_organization_id",
    "/has_expensive_schema_updates",
    "/ldap",
    "/organization_plan_code",
    "/organization_token",
    "/drilldowns_enabled",
    "/drill_anywhere_enabled",
    "/is_sample",
    "/switch_view_token",
    "/thoughtspot_published_at",
    "/color_mappings",
    "/full_width",
    "/is_embedded",
    "/is_signed",
    "/layout",
    "/shared",
    "/theme_id",
    "/web_preview_image",
    "/flamingo_signature",
];

impl Dialect for ModeDialect {
    fn prepare(&self, request: &mut ApiRequest) -> Result<()> {
        let hal = HeaderValue::from_static("application/hal+json");
        request.insert_default(header::ACCEPT, &hal);
        Ok(())
    }

    /// About 40 requests in 10 seconds for each user. (Source: Mode help, "API rate limits".)
    fn rate(&self, _: &'static str) -> Option<Rate> {
        Some(Rate::new("requests", 40, Duration::from_secs(10)))
    }

    fn unread(&self) -> &'static [&'static str] {
        &UNREAD
    }

    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        if response.status.is_success() {
            return Verdict::Success;
        }
        let error = read_error(response);
        let id = error.as_ref().and_then(|error| error.code.as_deref()).unwrap_or_default();
        // The id and the status disagree at times. The status decides, except for two ids that are more specific.
        let (missing, limited) = (id == "not_found", id == "rate_limited");
        let refusal = Refusal::by_status(response.status, error);
        Verdict::Refused(match refusal.kind {
            ErrorKind::Rejected if missing => refusal.kind(ErrorKind::NotFound),
            ErrorKind::Rejected | ErrorKind::RateLimited if limited => {
                refusal.kind(ErrorKind::RateLimited).advice(Advice::NotAccepted)
            }
            _ => refusal,
        })
    }
}

/// The documented body is `{"id":…,"message":…}`. Also seen: no `id`, a number as `id`, an object as `message`, an
/// additional `details`, and a bare list of sentences.
fn read_error(response: &RawResponse<'_>) -> Option<VendorError> {
    let text = str::from_utf8(response.body).ok()?;
    let mut error = VendorError::default();
    match repair::read(text)? {
        Value::Object(mut body) => {
            error.code = body.get("id").and_then(|id| match id {
                Value::String(id) => Some(id.as_str().into()),
                Value::Number(id) => Some(id.to_string().into()),
                _ => None,
            });
            error.message = body.get("message").and_then(words).map(Into::into);
            body.retain(|name, value| name == "details" || name == "message" && value.is_object());
            if !body.is_empty() {
                error.parameters = Value::Object(body);
            }
        }
        other => error.message = words(&other).map(Into::into),
    }
    (error != VendorError::default()).then_some(error)
}

/// The text of a message of any shape: `{"name":["is too long"]}` is "name is too long".
fn words(message: &Value) -> Option<String> {
    let all: Vec<String> = match message {
        Value::String(text) => return (!text.is_empty()).then(|| text.clone()),
        Value::Null => return None,
        Value::Array(list) => list.iter().filter_map(words).collect(),
        Value::Object(members) => members
            .iter()
            .filter_map(|(name, member)| Some(format!("{name} {}", words(member)?)))
            .collect(),
        other => return Some(other.to_string()),
    };
    (!all.is_empty()).then(|| all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    fn judge(status: u16, body: &str) -> Refusal {
        let (headers, body) = (HeaderMap::new(), Bytes::copy_from_slice(body.as_bytes()));
        let status = StatusCode::from_u16(status).unwrap();
        let response = RawResponse { operation: "test", status, headers: &headers, body: &body };
        match ModeDialect.judge(&response) {
            Verdict::Refused(refusal) => refusal,
            Verdict::Success => panic!("{status} {body:?} was judged a success"),
        }
    }

    #[test]
    fn the_status_decides_except_for_two_ids() {
        for (status, id, kind, advice) in [
            (400, "bad_request", ErrorKind::Rejected, Advice::None),
            (400, "param_missing", ErrorKind::Rejected, Advice::None),
            (400, "not_found", ErrorKind::NotFound, Advice::None),
            (401, "unauthorized", ErrorKind::Auth, Advice::Refresh),
            (401, "not_found", ErrorKind::Auth, Advice::Refresh),
            (403, "forbidden", ErrorKind::Denied, Advice::None),
            (404, "not_found", ErrorKind::NotFound, Advice::None),
            (404, "bad_request", ErrorKind::NotFound, Advice::None),
            (409, "conflict", ErrorKind::Rejected, Advice::None),
            (413, "payload_too_large", ErrorKind::Rejected, Advice::None),
            (422, "invalid", ErrorKind::Rejected, Advice::None),
            (429, "rate_limited", ErrorKind::RateLimited, Advice::NotAccepted),
            (429, "", ErrorKind::RateLimited, Advice::None),
            (400, "rate_limited", ErrorKind::RateLimited, Advice::NotAccepted),
            (500, "internal_server_error", ErrorKind::Server, Advice::None),
            (500, "not_found", ErrorKind::Server, Advice::None),
            (503, "service_unavailable", ErrorKind::Server, Advice::None),
        ] {
            let refusal = judge(status, &format!(r#"{{"id":"{id}","message":"no"}}"#));
            assert_eq!((refusal.kind, refusal.advice), (kind, advice), "{status} {id}");
            let error = refusal.error.unwrap();
            assert_eq!((error.code.as_deref(), error.message.as_deref()), (Some(id), Some("no")));
        }
    }

    #[test]
    fn every_2xx_is_a_success() {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        for status in [200, 201, 202, 204].map(|status| StatusCode::from_u16(status).unwrap()) {
            let response =
                RawResponse { operation: "test", status, headers: &headers, body: &body };
            assert!(matches!(ModeDialect.judge(&response), Verdict::Success));
        }
    }

    #[test]
    fn every_shape_of_error_body_is_decoded() {
        let read = |body| {
            let error: VendorError = judge(422, body).error?;
            Some((error.code.map(String::from), error.message.map(String::from)))
        };
        let some = |text: &str| Some(text.to_owned());
        for (body, code, message) in [
            (
                r#"{"id":"bad_request","message":"no such column"}"#,
                some("bad_request"),
                some("no such column"),
            ),
            (r#"{"id":7,"message":"no"}"#, some("7"), some("no")),
            (r#"{"id":null,"message":"no"}"#, None, some("no")),
            (r#"{"id":{"a":1},"message":"no"}"#, None, some("no")),
            (r#"{"message":"slow down"}"#, None, some("slow down")),
            (r#"{"id":"forbidden"}"#, some("forbidden"), None),
            (
                r#"{"message":{"name":["is too long","is odd"],"cron":{"hour":"is 24"}}}"#,
                None,
                some("cron hour is 24; name is too long; is odd"),
            ),
            (r#"{"id":"x","message":["a","b"]}"#, some("x"), some("a; b")),
            (r#"{"message":7}"#, None, some("7")),
            (r#"["a","b"]"#, None, some("a; b")),
            (r#""closed""#, None, some("closed")),
        ] {
            assert_eq!(read(body), Some((code, message)), "{body}");
        }
        let body = r#"{"id":"x","message":{"name":"odd"},"details":[1],"other":{"a":1}}"#;
        let parameters = judge(422, body).error.unwrap().parameters;
        assert_eq!(parameters, serde_json::json!({"message": {"name": "odd"}, "details": [1]}));
        for nothing in ["", "null", "[]", "{}", "[{}]", "<html>", "Too many", r#"{"x":1}"#] {
            assert_eq!(read(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn additional_details_of_an_error_are_kept() {
        let error =
            judge(400, r#"{"id":"x","message":"y","details":{"column":"id"}}"#).error.unwrap();
        assert_eq!(error.parameters["details"]["column"], "id");
        let error = judge(422, r#"{"message":{"name":["is too long"]}}"#).error.unwrap();
        assert_eq!(error.parameters["message"]["name"][0], "is too long");
    }
}
