//! How the API of the transfers reports errors: by the HTTP status first, and a code in the body.

use http::{HeaderMap, StatusCode};

use super::super::head::{Head, ReportedError};
use crate::client::{Advice, Dialect, RawResponse, Refusal, Verdict};
use crate::error::ErrorKind;

#[derive(Debug)]
pub(super) struct TransfersDialect;

/// Members that are left out on purpose: the id of the request, which errors and headers have.
const UNREAD: [&str; 2] = ["/meta", "/meta/request_id"];

impl Dialect for TransfersDialect {
    fn unread(&self) -> &'static [&'static str] {
        &UNREAD
    }

    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        let head = Head::of(response.text());
        let success = response.status.is_success();
        let plain_text = || ReportedError::of_plain_text(response).filter(|_| !success);
        let error = head.error(response).or_else(plain_text).map(|reported| reported.error);
        if success && error.is_none() {
            return Verdict::Success;
        }
        let code = error.as_ref().and_then(|error| error.code.as_deref()).unwrap_or_default();
        let code = code.to_ascii_uppercase();
        let status = if success { status_of(&code) } else { response.status };
        let refusal = Refusal::by_status(status, error);
        let refusal = if is_about_credential(&code) {
            refusal.kind(ErrorKind::Auth).advice(Advice::Refresh)
        } else {
            refusal
        };
        Verdict::Refused(refusal.request_id(head.request_id))
    }

    fn request_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let header = headers.get("x-request-id").or_else(|| headers.get("x-span-id"));
        header?.to_str().ok()
    }
}

/// Codes that say that the credential is refused, with any status. Source: the vendor's Python client.
fn is_about_credential(code: &str) -> bool {
    matches!(
        code,
        "UNAUTHORIZED" | "401" | "ACCESS_TOKEN_INVALID" | "ACCESS_TOKEN_EXPIRED" | "INVALID_TOKEN"
    ) || code.starts_with("OAUTH_")
}

/// The status that a code stands for, where the response has another one. The vendor's query API sends errors with status 200;
/// this API was not seen to. Source of the codes: Management API reference, "Errors".
fn status_of(code: &str) -> StatusCode {
    match code {
        "FORBIDDEN" | "PERMISSION_ERROR" => StatusCode::FORBIDDEN,
        "CONFLICT_ERROR" => StatusCode::CONFLICT,
        "UNPROCESSABLE_ENTITY" | "UNPROCESSABLE_CONTENT" => StatusCode::UNPROCESSABLE_ENTITY,
        "TOO_MANY_REQUESTS" => StatusCode::TOO_MANY_REQUESTS,
        "INTERNAL_SERVER_ERROR" => StatusCode::INTERNAL_SERVER_ERROR,
        "SERVICE_UNAVAILABLE" => StatusCode::SERVICE_UNAVAILABLE,
        _ if code.ends_with("NOT_FOUND") => StatusCode::NOT_FOUND,
        _ if is_about_credential(code) => StatusCode::UNAUTHORIZED,
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn judge(status: u16, body: &str) -> Option<Refusal> {
        let (headers, body) = (HeaderMap::new(), Bytes::copy_from_slice(body.as_bytes()));
        let status = StatusCode::from_u16(status).unwrap();
        let response = RawResponse { operation: "test", status, headers: &headers, body: &body };
        match TransfersDialect.judge(&response) {
            Verdict::Refused(refusal) => Some(refusal),
            Verdict::Success => None,
        }
    }

    fn body(code: &str) -> String {
        format!(
            r#"{{"meta":{{"request_id":"R-1"}},"error":{{"code":"{code}","message":"No","description":"why"}}}}"#
        )
    }

    #[test]
    fn the_status_decides_unless_it_is_200_or_the_credential_is_refused() {
        use ErrorKind::{Auth, Denied, NotFound, RateLimited, Rejected, Server};

        for (status, code, kind) in [
            (400, "BAD_REQUEST", Rejected),
            (401, "UNAUTHORIZED", Auth),
            (403, "FORBIDDEN", Denied),
            (404, "NOT_FOUND", NotFound),
            (409, "CONFLICT_ERROR", Rejected),
            (422, "UNPROCESSABLE_ENTITY", Rejected),
            (429, "TOO_MANY_REQUESTS", RateLimited),
            (500, "INTERNAL_SERVER_ERROR", Server),
            (503, "SERVICE_UNAVAILABLE", Server),
            (400, "SOMETHING_NEW", Rejected),
            (404, "BAD_REQUEST", NotFound),
            (403, "OAUTH_TOKEN_REVOKED", Auth),
            (403, "ACCESS_TOKEN_EXPIRED", Auth),
            (200, "TRANSFER_NOT_FOUND", NotFound),
            (200, "PERMISSION_ERROR", Denied),
            (200, "401", Auth),
            (200, "CONFLICT_ERROR", Rejected),
            (200, "UNPROCESSABLE_CONTENT", Rejected),
            (200, "TOO_MANY_REQUESTS", RateLimited),
            (200, "SERVICE_UNAVAILABLE", Server),
            (200, "INTERNAL_SERVER_ERROR", Server),
            (200, "SOMETHING_NEW", Rejected),
        ] {
            let refusal = judge(status, &body(code)).unwrap();
            assert_eq!(refusal.kind, kind, "{status} {code}");
            assert_eq!(refusal.request_id.as_deref(), Some("R-1"));
            let error = refusal.error.unwrap();
            assert_eq!(error.code.as_deref(), Some(code));
            assert_eq!(error.message.as_deref(), Some("No: why"));
        }
    }

    #[test]
    fn a_success_is_not_taken_for_an_error_and_a_page_is_one() {
        for body in [
            "",
            "{}",
            r#"{"is_valid":false,"errors":[{"field_id":"a","error_code":"isEmpty"}]}"#,
            r#"{"result":true,"state":"PAUSED"}"#,
            r#"{"data":{"status":"FAILED","error_report":[{"error":"no"}]}}"#,
            r#"{"data":[{"message":"no"}]}"#,
        ] {
            assert!(judge(200, body).is_none(), "{body}");
        }
        assert_eq!(judge(502, "<html>").unwrap().kind, ErrorKind::Server);
        let text = judge(403, "blocked by the proxy").unwrap().error.unwrap();
        assert_eq!(text.message.as_deref(), Some("blocked by the proxy"));
    }
}
