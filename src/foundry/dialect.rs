//! How Foundry reports errors and preview features, and which calls may be retried.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::error_name;
use super::request::Preview;
use crate::client::{Advice, ApiRequest, Dialect, Rate, RawResponse, Refusal, Verdict};
use crate::error::{Result, VendorError};
use crate::wire::{lenient, model, repair};

/// The operations that are in preview today.
///
/// Source: Foundry API reference, Orchestration v2, the page of each operation.
const IN_PREVIEW: [&str; 10] = [
    "foundry.builds.search",
    "foundry.jobs.get",
    "foundry.jobs.get_batch",
    "foundry.schedule_versions.get",
    "foundry.schedules.create",
    "foundry.schedules.get",
    "foundry.schedules.get_affected_resources",
    "foundry.schedules.get_batch",
    "foundry.schedules.get_of_version",
    "foundry.schedules.replace",
];

/// The operations that share the rate of 4 requests a second for each user.
///
/// Source: Foundry API reference, Orchestration v2, the page of each operation, "Rate limits". The general limit of 5,000
/// requests a minute is left to the server's 429.
const RATE_LIMITED: [&str; 4] = [
    "foundry.builds.get",
    "foundry.builds.get_batch",
    "foundry.jobs.get",
    "foundry.jobs.get_batch",
];

/// How the API behaves.
#[derive(Debug)]
pub(super) struct FoundryDialect {
    pub(super) preview: Preview,
}

impl Dialect for FoundryDialect {
    fn prepare(&self, request: &mut ApiRequest) -> Result<()> {
        request.insert_default(header::ACCEPT, &HeaderValue::from_static("application/json"));
        let wanted = match request.extension().copied().unwrap_or(self.preview) {
            Preview::Auto => IN_PREVIEW.contains(&request.operation()),
            Preview::Always => true,
            Preview::Never => false,
        };
        // A raw call may have set it.
        let has_own = || request.url().query_pairs().any(|(name, _)| name == "preview");
        if wanted && !has_own() {
            request.append_query("preview", "true");
        }
        Ok(())
    }

    fn rate(&self, operation: &'static str) -> Option<Rate> {
        let rate = || Rate::new("builds and jobs", 4, Duration::from_secs(1));
        RATE_LIMITED.contains(&operation).then(rate)
    }

    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        if response.status.is_success() {
            return Verdict::Success;
        }
        let error = read_error(response);
        let message = message(response.status, error.as_ref());
        let refusal = Refusal::by_status(response.status, error).message(message);
        let hint = response.headers.get("qos-retry-hint").and_then(|hint| hint.to_str().ok());
        Verdict::Refused(match response.status.as_u16() {
            // Source: the vendor's own clients, all of which retry even a trigger after these two: the server rejects the
            // request before it does any work. They obey the hint for these two only.
            429 | 503 if hint == Some("do-not-retry") => refusal.advice(Advice::Permanent),
            429 | 503 => refusal.advice(Advice::NotAccepted),
            _ => refusal,
        })
    }

    /// Inferred: responses name the trace that requests of the vendor's own clients may set.
    fn request_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let id = headers.get("x-b3-traceid").or_else(|| headers.get("x-request-id"))?;
        id.to_str().ok()
    }
}

/// What the other fields of the error do not say: its name, and what to do about it.
fn message(status: StatusCode, error: Option<&VendorError>) -> Cow<'static, str> {
    let Some(name) = error.and_then(|error| error.name.as_deref()) else {
        return match (status, error) {
            // For a missing resource the error has a name: `ScheduleNotFound`.
            (StatusCode::NOT_FOUND, None) => Cow::Borrowed(
                "no such API here: check the host and the path; an older Foundry may lack the operation",
            ),
            _ => Cow::Borrowed(""),
        };
    };
    match error_name::plain(name) {
        error_name::API_FEATURE_PREVIEW_USAGE_ONLY => format!(
            "{name}: the operation is in preview; allow it with `preview(Preview::Always)` on the client or the request"
        ),
        error_name::API_USAGE_DENIED => {
            let parameters = error.map(|error| &error.parameters);
            match parameters.and_then(|all| all.get("missingScope")).and_then(Value::as_str) {
                Some(scope) => format!("{name}: the token lacks the scope {scope}"),
                None => format!("{name}: the token may lack a scope"),
            }
        }
        _ => name.to_owned(),
    }
    .into()
}

model! {
    /// Both shapes of error bodies at once: the API's own, and the one of OAuth 2 (`error`, `error_description`).
    struct Body {
        error_code: Option<Box<str>> as "errorCode" with lenient::text,
        error_name: Option<Box<str>> as "errorName" with lenient::text,
        error_instance_id: Option<Box<str>> as "errorInstanceId" with lenient::text,
        error_description: Option<Box<str>> as "errorDescription" with lenient::text,
        message: Option<Box<str>> as "message" with lenient::text,
        parameters: Value as "parameters" default,
        error: Option<Box<str>> as "error" with lenient::text,
        oauth_description: Option<Box<str>> as "error_description" with lenient::text,
    }
}

pub(super) fn read_error(response: &RawResponse<'_>) -> Option<VendorError> {
    // A list would be read by position.
    let text = Some(response.text()).filter(|text| text.trim_start().starts_with('{'))?;
    let body: Body = repair::read(text)?;
    let mut error = VendorError::default();
    error.code = body.error_code.or(body.error);
    error.name = body.error_name;
    error.instance_id = body.error_instance_id;
    error.message = body.error_description.or(body.message).or(body.oauth_description);
    error.parameters = body.parameters;
    (error != VendorError::default()).then_some(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint as _;
    use crate::foundry::{
        CreateSchedule, GetAffectedResources, GetBuild, GetBuilds, GetJob, GetJobs, GetSchedule,
        GetScheduleOfVersion, GetScheduleVersion, GetSchedules, ReplaceSchedule, SearchBuilds,
    };
    use bytes::Bytes;
    use serde_json::json;

    use crate::client::oauth::OAuthDialect;
    use crate::error::ErrorKind;

    fn judge_with(dialect: &dyn Dialect, status: u16, hint: &str, body: &str) -> Refusal {
        let mut headers = HeaderMap::new();
        if !hint.is_empty() {
            headers.insert("QoS-Retry-Hint", hint.parse().unwrap());
        }
        let body = Bytes::copy_from_slice(body.as_bytes());
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

    fn judge(status: u16, body: &str) -> Refusal {
        judge_with(&FoundryDialect { preview: Preview::Auto }, status, "", body)
    }

    fn named(code: &str, name: &str) -> String {
        json!({"errorCode": code, "errorName": name, "errorInstanceId": "i-1", "parameters": {}})
            .to_string()
    }

    #[test]
    fn errors_are_classified_by_status_and_keep_code_name_and_instance() {
        for (status, code, name, kind, advice) in [
            (
                400,
                "INVALID_ARGUMENT",
                error_name::INVALID_TIME_TRIGGER,
                ErrorKind::Rejected,
                Advice::None,
            ),
            (
                400,
                "INVALID_ARGUMENT",
                error_name::BUILD_TARGETS_UP_TO_DATE,
                ErrorKind::Rejected,
                Advice::None,
            ),
            (401, "UNAUTHORIZED", "Default:Unauthorized", ErrorKind::Auth, Advice::Refresh),
            (
                401,
                "UNAUTHORIZED",
                error_name::MISSING_CREDENTIALS,
                ErrorKind::Auth,
                Advice::Refresh,
            ),
            (
                403,
                "PERMISSION_DENIED",
                error_name::RUN_SCHEDULE_PERMISSION_DENIED,
                ErrorKind::Denied,
                Advice::None,
            ),
            (404, "NOT_FOUND", error_name::SCHEDULE_NOT_FOUND, ErrorKind::NotFound, Advice::None),
            (
                409,
                "CONFLICT",
                error_name::SCHEDULE_ALREADY_RUNNING,
                ErrorKind::Rejected,
                Advice::None,
            ),
            // Some services combine a code with another status: the status decides.
            (400, "NOT_FOUND", "Elsewhere:ThingNotFound", ErrorKind::Rejected, Advice::None),
            (
                413,
                "REQUEST_ENTITY_TOO_LARGE",
                "Default:TooLarge",
                ErrorKind::Rejected,
                Advice::None,
            ),
            (
                422,
                "INVALID_ARGUMENT",
                "Conjure:UnprocessableEntity",
                ErrorKind::Rejected,
                Advice::None,
            ),
            (500, "INTERNAL", "Default:Internal", ErrorKind::Server, Advice::None),
            (500, "TIMEOUT", "Default:Timeout", ErrorKind::Server, Advice::None),
        ] {
            let refusal = judge(status, &named(code, name));
            assert_eq!((refusal.kind, refusal.advice), (kind, advice), "{name}");
            assert_eq!(refusal.message, name);
            let error = refusal.error.unwrap();
            assert_eq!(
                (error.code.as_deref(), error.name.as_deref(), error.instance_id.as_deref()),
                (Some(code), Some(name), Some("i-1"))
            );
        }
    }

    #[test]
    fn bodies_need_not_be_json() {
        for (status, kind, advice) in [
            (404, ErrorKind::NotFound, Advice::None),
            (414, ErrorKind::Rejected, Advice::None),
            (429, ErrorKind::RateLimited, Advice::NotAccepted),
            (431, ErrorKind::Rejected, Advice::None),
            (502, ErrorKind::Server, Advice::None),
            (503, ErrorKind::Server, Advice::NotAccepted),
        ] {
            for body in ["", "busy", "<html>", "[]", "null"] {
                let refusal = judge(status, body);
                assert_eq!((refusal.kind, refusal.advice), (kind, advice), "{status} {body:?}");
                assert_eq!(refusal.error, None);
            }
        }
    }

    #[test]
    fn the_hint_not_to_retry_is_obeyed() {
        let dialect = FoundryDialect { preview: Preview::Auto };
        for status in [429, 503] {
            let refusal = judge_with(&dialect, status, "do-not-retry", "");
            assert_eq!(refusal.advice, Advice::Permanent);
            let refusal = judge_with(&dialect, status, "propagate", "");
            assert_eq!(refusal.advice, Advice::NotAccepted);
        }
        // On a 500 it must not make a trigger look as if it had not run.
        assert_eq!(judge_with(&dialect, 500, "do-not-retry", "").advice, Advice::None);
    }

    #[test]
    fn an_error_says_what_to_do_where_that_is_known() {
        let preview = judge(400, &named("INVALID_ARGUMENT", "ApiFeaturePreviewUsageOnly"));
        assert!(preview.message.contains("`preview(Preview::Always)`"), "{}", preview.message);
        let scope = json!({"errorName": "ApiUsageDenied", "parameters": {"missingScope": "api:x"}});
        assert_eq!(
            judge(403, &scope.to_string()).message,
            "ApiUsageDenied: the token lacks the scope api:x"
        );
        assert_eq!(
            judge(403, r#"{"errorName":"ApiUsageDenied"}"#).message,
            "ApiUsageDenied: the token may lack a scope"
        );
        // A missing resource, a missing API, and a proxy's message.
        assert_eq!(judge(404, &named("NOT_FOUND", "BuildNotFound")).message, "BuildNotFound");
        assert!(judge(404, "").message.starts_with("no such API here"));
        assert_eq!(judge(404, r#"{"message":"gone"}"#).message, "");
        assert_eq!(judge(400, r#"{"errorCode":"X"}"#).message, "");
    }

    #[test]
    fn strange_types_inside_an_error_do_not_hide_the_rest() {
        let error = judge(
            400,
            r#"{"errorCode":{"a":1},"errorName":7,"errorDescription":"bad cron","message":"m","parameters":[1]}"#,
        )
        .error
        .unwrap();
        assert_eq!((error.code, error.name.as_deref()), (None, Some("7")));
        assert_eq!((error.message.as_deref(), error.parameters), (Some("bad cron"), json!([1])));
    }

    #[test]
    fn a_refused_client_is_not_asked_about_again() {
        let body = r#"{"error":"invalid_client","error_description":"no such client"}"#;
        for status in [400, 401, 403] {
            let refusal = judge_with(&OAuthDialect::new(read_error), status, "", body);
            assert_eq!((refusal.kind, refusal.advice), (ErrorKind::Auth, Advice::Permanent));
            let error = refusal.error.unwrap();
            assert_eq!(
                (error.code.as_deref(), error.message.as_deref()),
                (Some("invalid_client"), Some("no such client"))
            );
        }
        assert_eq!(judge_with(&OAuthDialect::new(read_error), 503, "", "").kind, ErrorKind::Server);
    }

    #[test]
    fn a_requests_preview_setting_comes_before_the_clients_and_the_operations() {
        use Preview::{Always, Auto, Never};

        let (stable, preview) = (GetBuild::OPERATION, GetJob::OPERATION);
        let prepared = |client: Preview, operation, own: Option<Preview>, query: Option<&str>| {
            let base = "https://host/api".parse().unwrap();
            let (get, safe) = (http::Method::GET, crate::client::Idempotency::Safe);
            let builder = ApiRequest::builder(operation, safe, get, &base, &["x"])
                .query("preview", query)
                .extension_if(own);
            let mut request = builder.finish().unwrap();
            FoundryDialect { preview: client }.prepare(&mut request).unwrap();
            assert_eq!(request.headers()["accept"], "application/json");
            request.url().query().map(str::to_owned)
        };
        for (client, operation, own, asks) in [
            (Auto, "raw", None, false),
            (Always, "raw", None, true),
            (Never, "raw", None, false),
            (Auto, stable, None, false),
            (Auto, preview, None, true),
            (Always, stable, None, true),
            (Never, preview, None, false),
            (Never, stable, Some(Always), true),
            (Always, preview, Some(Never), false),
            (Always, stable, Some(Auto), false),
            (Never, preview, Some(Auto), true),
        ] {
            let query = prepared(client, operation, own, None);
            let asked = asks.then_some("preview=true");
            assert_eq!(query.as_deref(), asked, "{client:?} {operation} {own:?}");
        }
        // What a raw call has set is kept.
        assert_eq!(prepared(Always, "raw", None, Some("false")).as_deref(), Some("preview=false"));
    }

    #[test]
    fn the_tables_name_operations_that_exist() {
        let in_preview = [
            SearchBuilds::OPERATION,
            GetJob::OPERATION,
            GetJobs::OPERATION,
            GetScheduleVersion::OPERATION,
            CreateSchedule::OPERATION,
            GetSchedule::OPERATION,
            GetAffectedResources::OPERATION,
            GetSchedules::OPERATION,
            GetScheduleOfVersion::OPERATION,
            ReplaceSchedule::OPERATION,
        ];
        assert_eq!(IN_PREVIEW, in_preview);
        let rate_limited =
            [GetBuild::OPERATION, GetBuilds::OPERATION, GetJob::OPERATION, GetJobs::OPERATION];
        assert_eq!(RATE_LIMITED, rate_limited);
    }

    #[test]
    fn the_trace_is_the_request_id() {
        let dialect = FoundryDialect { preview: Preview::Auto };
        let mut headers = HeaderMap::new();
        assert_eq!(dialect.request_id(&headers), None);
        headers.insert("x-request-id", "r".parse().unwrap());
        assert_eq!(dialect.request_id(&headers), Some("r"));
        headers.insert("X-B3-TraceId", "t".parse().unwrap());
        assert_eq!(dialect.request_id(&headers), Some("t"));
    }
}
