//! How Adobe reports errors: the gateway, the service, the platform and IMS each have their own error body.

use http::{HeaderName, HeaderValue, header};
use serde_json::Value;

use crate::client::{Advice, ApiRequest, Dialect, RawResponse, Refusal, Verdict};
use crate::error::{ErrorKind, Result, VendorError};
use crate::wire::{lenient, model, repair};

/// Codes of the gateway in front of every Adobe service. Source: Experience Platform troubleshooting guide, "Request header
/// errors".
pub mod gateway {
    /// A required header is missing, usually `x-gw-ims-org-id`.
    pub const MISSING_HEADER: &str = "400003";
    /// The token is invalid or has expired.
    pub const TOKEN_NOT_VALID: &str = "401013";
    /// The header `x-api-key` is missing.
    pub const API_KEY_REQUIRED: &str = "403000";
    /// The API key is unknown.
    pub const API_KEY_INVALID: &str = "403003";
    /// The header `Authorization` is missing. The status is 403, not 401.
    pub const TOKEN_MISSING: &str = "403010";
    /// The account has no rights in this organization.
    pub const PROFILE_NOT_VALID: &str = "403025";
    /// The organization id is wrong, or the account has no product profile.
    pub const USER_REGION_MISSING: &str = "403027";
    /// Too many requests.
    pub const TOO_MANY_REQUESTS: &str = "429050";
}

const ORG_ID: HeaderName = HeaderName::from_static("x-gw-ims-org-id");
const SANDBOX: HeaderName = HeaderName::from_static("x-sandbox-name");

/// Query Service behind the gateway.
#[derive(Debug)]
pub(super) struct AdobeDialect {
    pub(super) org_id: HeaderValue,
    pub(super) sandbox: HeaderValue,
}

/// Not decoded: URLs are built from ids, not links, and of `_page` only the starts are needed.
const UNREAD: [&str; 10] = [
    "/_links",
    "/version",
    "/_page",
    "/_page/orderby",
    "/_page/property",
    "/_adhoc/type",
    "/_adhoc/meta:xdmType",
    "/_adhoc/properties/*/default",
    "/_adhoc/properties/*/maximum",
    "/_adhoc/properties/*/minimum",
];

impl Dialect for AdobeDialect {
    fn prepare(&self, request: &mut ApiRequest) -> Result<()> {
        request.insert_secret(ORG_ID, self.org_id.clone());
        request.insert_default(SANDBOX, &self.sandbox);
        request.insert_default(header::ACCEPT, &HeaderValue::from_static("application/json"));
        Ok(())
    }

    fn unread(&self) -> &'static [&'static str] {
        &UNREAD
    }

    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        judge(response)
    }
}

/// What every service behind the gateway has in common.
pub(super) fn judge(response: &RawResponse<'_>) -> Verdict {
    // Inferred: no source shows an error of the gateway with a success status. It would be read as an empty list.
    if response.status.is_success() && !response.begins_with("{\"error_code\"") {
        return Verdict::Success;
    }
    let error = read_error(response);
    let code =
        error.as_ref().and_then(|error| error.code.as_deref()).unwrap_or_default().to_owned();
    let refusal = Refusal::by_status(response.status, error);
    // The code counts more than the status: the gateway sends 403 where others send 401.
    Verdict::Refused(match &*code {
        gateway::TOKEN_NOT_VALID => refusal.kind(ErrorKind::Auth).advice(Advice::Refresh),
        gateway::TOKEN_MISSING => refusal.kind(ErrorKind::Auth),
        gateway::API_KEY_REQUIRED | gateway::API_KEY_INVALID => refusal.kind(ErrorKind::Auth),
        gateway::TOO_MANY_REQUESTS => {
            refusal.kind(ErrorKind::RateLimited).advice(Advice::NotAccepted)
        }
        _ => refusal,
    })
}

model! {
    /// All of Adobe's error bodies at once; a body has the members of one of them.
    ///
    /// Gateway: `error_code`, `message`. Service: `message`, `statusCode`. Platform: `type`, `title`, `status`, `detail`,
    /// `report`, `error-chain`. Some services: `errorMessage`. IMS: `error`, `error_description`. Often the body is empty.
    struct Body {
        error_code: Option<Box<str>> as "error_code" with lenient::text,
        message: Option<Box<str>> as "message" with lenient::text,
        status_code: Option<Box<str>> as "statusCode" with lenient::text,
        kind: Option<Box<str>> as "type" with lenient::text,
        title: Option<Box<str>> as "title" with lenient::text,
        detail: Option<Box<str>> as "detail" with lenient::text,
        reason: Option<Box<str>> as "reason" with lenient::text,
        report: Value as "report" default,
        error_chain: Value as "error-chain" default,
        error_message: Option<Box<str>> as "errorMessage" with lenient::text,
        error: Option<Box<str>> as "error" with lenient::text,
        error_description: Option<Box<str>> as "error_description" with lenient::text,
    }
}

pub(super) fn read_error(response: &RawResponse<'_>) -> Option<VendorError> {
    // serde would read an array by position.
    let text = Some(response.text()).filter(|text| text.starts_with('{'))?;
    let body: Body = repair::read(text)?;
    // A code that repeats the HTTP status says nothing.
    let status_code = body.status_code.filter(|code| **code != *response.status.as_str());
    let chained =
        body.error_chain.get(0).and_then(|link| link.get("errorCode")).and_then(Value::as_str);
    let mut error = VendorError::default();
    error.code = body.error_code.or(chained.map(Into::into)).or(body.error.clone()).or(status_code);
    error.name = body.kind.or(body.error);
    error.message = (body.message)
        .or(body.detail)
        .or(body.title)
        .or(body.reason)
        .or(body.error_message)
        .or(body.error_description);
    if !body.report.is_null() {
        error.parameters = serde_json::json!({ "report": body.report });
    }
    (error != VendorError::default()).then_some(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use crate::client::oauth::OAuthDialect;

    fn judge(dialect: &dyn Dialect, status: u16, body: &str) -> Refusal {
        let (headers, body) = (HeaderMap::new(), Bytes::copy_from_slice(body.as_bytes()));
        let status = StatusCode::from_u16(status).unwrap();
        match dialect.judge(&RawResponse {
            operation: "test",
            status,
            headers: &headers,
            body: &body,
        }) {
            Verdict::Refused(refusal) => refusal,
            Verdict::Success => panic!("{status} {body:?} was judged a success"),
        }
    }

    fn adobe() -> AdobeDialect {
        AdobeDialect {
            org_id: HeaderValue::from_static("o"),
            sandbox: HeaderValue::from_static("s"),
        }
    }

    #[test]
    fn the_gateway_is_classified_by_its_code() {
        for (status, code, kind, advice) in [
            (400, gateway::MISSING_HEADER, ErrorKind::Rejected, Advice::None),
            (401, gateway::TOKEN_NOT_VALID, ErrorKind::Auth, Advice::Refresh),
            (403, gateway::TOKEN_NOT_VALID, ErrorKind::Auth, Advice::Refresh),
            (403, gateway::API_KEY_REQUIRED, ErrorKind::Auth, Advice::None),
            (403, gateway::API_KEY_INVALID, ErrorKind::Auth, Advice::None),
            (403, gateway::TOKEN_MISSING, ErrorKind::Auth, Advice::None),
            (403, gateway::PROFILE_NOT_VALID, ErrorKind::Denied, Advice::None),
            (403, gateway::USER_REGION_MISSING, ErrorKind::Denied, Advice::None),
            (429, gateway::TOO_MANY_REQUESTS, ErrorKind::RateLimited, Advice::NotAccepted),
        ] {
            let refusal =
                judge(&adobe(), status, &format!(r#"{{"error_code":"{code}","message":"no"}}"#));
            assert_eq!((refusal.kind, refusal.advice), (kind, advice), "{code}");
            let error = refusal.error.unwrap();
            assert_eq!((error.code.as_deref(), error.message.as_deref()), (Some(code), Some("no")));
        }
    }

    #[test]
    fn every_shape_of_error_body_is_read() {
        let read = |body| judge(&adobe(), 400, body).error;
        let texts = |body| {
            let error = read(body).unwrap();
            (
                error.code.map(String::from),
                error.name.map(String::from),
                error.message.map(String::from),
            )
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            texts(r#"{"message":"bad cron","statusCode":409}"#),
            (some("409"), None, some("bad cron"))
        );
        assert_eq!(
            texts(r#"{"message":"bad cron","statusCode":"400"}"#),
            (None, None, some("bad cron")),
            "a code that repeats the HTTP status is not kept"
        );
        assert_eq!(texts(" {\"message\":\"bad cron\"}"), (None, None, some("bad cron")));
        assert_eq!(
            texts(
                r#"{"type":"/errors/x","status":400,"title":"BadRequest","detail":"no such column"}"#
            ),
            (None, some("/errors/x"), some("no such column"))
        );
        assert_eq!(
            texts(r#"{"errorMessage":"stale version"}"#),
            (None, None, some("stale version"))
        );
        assert_eq!(
            texts(r#"{"error":"invalid_client","error_description":"bad secret"}"#),
            (some("invalid_client"), some("invalid_client"), some("bad secret"))
        );
        let problem = read(
            r#"{"type":"t","title":"start after end","report":{"tenantInfo":{"sandboxName":"dev"}},
                "error-chain":[{"serviceId":"QS","errorCode":"QS-1-400","unixTimeStampMs":1}]}"#,
        )
        .unwrap();
        assert_eq!(problem.code.as_deref(), Some("QS-1-400"));
        assert_eq!(problem.parameters["report"]["tenantInfo"]["sandboxName"], "dev");
        for nothing in ["", "null", "[]", "{}", "<html>", r#"{"unknown":1}"#] {
            assert_eq!(read(nothing), None, "{nothing:?}");
        }
        // Strange types inside do not hide the rest.
        assert_eq!(
            texts(r#"{"message":{"a":1},"title":"t","error-chain":7}"#),
            (None, None, some("t"))
        );
    }

    #[test]
    fn an_error_of_the_gateway_inside_a_success_is_a_failure() {
        let refusal = judge(&adobe(), 200, r#"{"error_code":"401013","message":"no"}"#);
        assert_eq!((refusal.kind, refusal.advice), (ErrorKind::Auth, Advice::Refresh));
    }

    #[test]
    fn ims_refuses_credentials_with_a_400() {
        let ims = OAuthDialect::new(read_error);
        let refusal = judge(&ims, 400, r#"{"error":"invalid_client","error_description":"x"}"#);
        assert_eq!((refusal.kind, refusal.advice), (ErrorKind::Auth, Advice::Permanent));
        assert_eq!(judge(&ims, 503, "").kind, ErrorKind::Server);
    }
}
