//! How Supermetrics reports errors: in the body, whatever the HTTP status.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::head::{Head, ReportedError};
use super::runs::GetQueryStatus;
use super::state::{QueryError, QueryState};
use crate::client::{Advice, Dialect, Endpoint, Rate, RawResponse, Refusal, Verdict};
use crate::error::ErrorKind;

#[derive(Debug)]
pub(super) struct SupermetricsDialect;

/// Each key may send fewer than 20 requests per second. Source: Supermetrics API, "Usage limits".
const RATE: Rate = Rate::new("requests", 19, Duration::from_secs(1));

/// Members that are left out on purpose: the type of an object, links to what an id leads to, and what the request or
/// the headers have already.
const UNREAD: [&str; 11] = [
    "/@type",
    "/links",
    "/results_url",
    "/meta",
    "/meta/request_id",
    "/meta/filter",
    "/paginate/limit",
    "/paginate/offset",
    "/paginate/prev",
    "supermetrics.batch_queries.list/meta/progress",
    "supermetrics.batch_queries.list/meta/status_code",
];

impl Dialect for SupermetricsDialect {
    fn unread(&self) -> &'static [&'static str] {
        &UNREAD
    }

    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        let head = Head::of(response.text());
        let success = response.status.is_success();
        let plain_text = || ReportedError::of_plain_text(response).filter(|_| !success);
        let Some(reported) = head.error(response).or_else(plain_text) else {
            if success {
                return Verdict::Success;
            }
            let refusal = Refusal::by_status(response.status, None);
            return Verdict::Refused(refusal.request_id(head.request_id));
        };
        let code = reported.error.code.as_deref().unwrap_or_default().to_ascii_uppercase();
        let meaning = Meaning::of(&code);
        // A request for the status of a failed run has succeeded: the failure is what it reports.
        let run_failed = head.state.as_ref().is_some_and(QueryState::is_failure)
            || meaning.is_some_and(|meaning| meaning.about_query) && head.names_error();
        if response.operation == GetQueryStatus::OPERATION
            && run_failed
            && code != "STATUS_NOT_FOUND"
        {
            return Verdict::Success;
        }
        let error = Some(reported.error);
        let refusal = match meaning {
            Some(meaning) => {
                let status = StatusCode::from_u16(meaning.status).unwrap_or(response.status);
                let refusal = Refusal::by_status(status, error).kind(meaning.kind);
                refusal.advice(meaning.advice).message(meaning.hint)
            }
            // A problem document names its status in the body as well.
            None => Refusal::by_status(reported.status.unwrap_or(response.status), error),
        };
        Verdict::Refused(refusal.request_id(head.request_id))
    }

    fn rate(&self, _: &'static str) -> Option<Rate> {
        Some(RATE)
    }

    fn request_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let header = headers.get("x-request-id").or_else(|| headers.get("x-span-id"));
        header?.to_str().ok()
    }
}

/// What a code means. The HTTP status that comes with the code is ignored: the documentation gives a status for some
/// codes only and says that all others come with 500, where a retry does not help; and any of them may come with 200.
#[derive(Clone, Copy)]
struct Meaning {
    /// The HTTP status that corresponds to the code.
    status: u16,
    kind: ErrorKind,
    advice: Advice,
    hint: &'static str,
    /// The code is about the query, not about the call that requests its status.
    about_query: bool,
}

const EXPIRED: &str = "not found or expired: status and results are kept for an hour after the end";
const NO_RESULTS: &str = "no results: the query has not succeeded yet, has failed, or its results have expired, an \
                          hour after the end";
const LOGIN: &str = "the login at the data source cannot be used (this is not about the API key): connect the source \
                     again, or check `ds_user`";
const DAILY: &str =
    "the licence's daily number of queries is used up; a retry within minutes does not help";

/// Codes whose meaning is known. Sources: Supermetrics API, "Errors"; the vendor's `OpenAPI` file.
const CODES: [(&str, Meaning); 25] = [
    // The credential.
    ("UNAUTHORIZED", Meaning::new(401, ErrorKind::Auth, Advice::Refresh)),
    ("ACCESS_TOKEN_INVALID", Meaning::new(401, ErrorKind::Auth, Advice::Refresh)),
    ("API_KEY_INVALID", Meaning::new(401, ErrorKind::Auth, Advice::Refresh)),
    ("API_KEY_REQUIRED", Meaning::new(401, ErrorKind::Auth, Advice::Refresh)),
    ("API_KEY_DISABLED", Meaning::new(403, ErrorKind::Auth, Advice::Permanent)),
    // Its permissions.
    ("FORBIDDEN", Meaning::denied()),
    ("PERMISSION_ERROR", Meaning::denied()),
    ("ACCESS_DENIED_IP", Meaning::denied()),
    ("ACCESS_DENIED_PERMISSIONS", Meaning::denied()),
    // What the licence allows a query to ask. Other licence codes are about the licence as a whole.
    (
        "LICENSE_DAILY_QUERY_LIMIT_EXCEEDED",
        Meaning::new(429, ErrorKind::RateLimited, Advice::Permanent).hint(DAILY).about_query(),
    ),
    ("LICENSE_ACCESS_DATA_SOURCE", Meaning::denied().about_query()),
    ("LICENSE_ACCOUNT_LIMIT_EXCEEDED", Meaning::denied().about_query()),
    ("LICENSE_HISTORICAL_RANGE_EXCEEDED", Meaning::denied().about_query()),
    ("LICENSE_ROW_LIMIT_EXCEEDED", Meaning::denied().about_query()),
    // The query and its run.
    ("QUERY_AUTH_UNAVAILABLE", Meaning::denied().hint(LOGIN).about_query()),
    ("QUERY_RESULTS_UNAVAILABLE", Meaning::not_found().hint(NO_RESULTS)),
    ("STATUS_NOT_FOUND", Meaning::not_found().hint(EXPIRED)),
    // The request.
    ("BAD_REQUEST", Meaning::rejected(400)),
    ("CONFLICT_ERROR", Meaning::rejected(409)),
    ("UNPROCESSABLE_ENTITY", Meaning::rejected(422)),
    ("UNPROCESSABLE_CONTENT", Meaning::rejected(422)),
    // The moment.
    ("TOO_MANY_REQUESTS", Meaning::new(429, ErrorKind::RateLimited, Advice::None)),
    ("RATE_LIMIT_EXCEEDED", Meaning::new(429, ErrorKind::RateLimited, Advice::None)),
    ("INTERNAL_SERVER_ERROR", Meaning::new(500, ErrorKind::Server, Advice::None)),
    ("SERVICE_UNAVAILABLE", Meaning::new(503, ErrorKind::Server, Advice::None)),
];

impl Meaning {
    const fn new(status: u16, kind: ErrorKind, advice: Advice) -> Self {
        Self { status, kind, advice, hint: "", about_query: false }
    }

    const fn denied() -> Self {
        Self::new(403, ErrorKind::Denied, Advice::Permanent)
    }

    const fn not_found() -> Self {
        Self::new(404, ErrorKind::NotFound, Advice::Permanent)
    }

    const fn rejected(status: u16) -> Self {
        Self::new(status, ErrorKind::Rejected, Advice::Permanent)
    }

    const fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    const fn about_query(self) -> Self {
        Self { about_query: true, ..self }
    }

    /// The meaning of a code in upper case. The whole list of codes is not public: those that are not in the table are
    /// classified by parts of their names. `None`, where the HTTP status decides.
    fn of(code: &str) -> Option<Self> {
        if let Some((_, meaning)) = CODES.iter().find(|(known, _)| *known == code) {
            return Some(*meaning);
        }
        if code.starts_with("LICENSE_") {
            Some(Self::denied())
        } else if code.ends_with("NOT_FOUND") {
            Some(Self::not_found())
        } else if code.starts_with("QUERY_") {
            // The query ran and failed at the data source. It counts against the licence, and a retry would run another
            // one.
            Some(Self::new(200, ErrorKind::RunFailed, Advice::None).about_query())
        } else if code.starts_with("ACCOUNT") || code.starts_with("COMPARE_") {
            Some(Self::rejected(400).about_query())
        } else if code.starts_with("INVALID")
            || code.ends_with("_INVALID")
            || code.ends_with("_REQUIRED")
        {
            Some(Self::rejected(400))
        } else {
            None
        }
    }
}

/// What the caller can do about an error, if its code is known to be misleading.
pub(super) fn hint(error: &QueryError) -> Option<&'static str> {
    let meaning = Meaning::of(&error.code.as_deref()?.to_ascii_uppercase())?;
    Some(meaning.hint).filter(|hint| !hint.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn judge_as(operation: &'static str, status: u16, body: &str) -> Option<Refusal> {
        let (headers, body) = (HeaderMap::new(), Bytes::copy_from_slice(body.as_bytes()));
        let status = StatusCode::from_u16(status).unwrap();
        let response = RawResponse { operation, status, headers: &headers, body: &body };
        match SupermetricsDialect.judge(&response) {
            Verdict::Refused(refusal) => Some(refusal),
            Verdict::Success => None,
        }
    }

    fn judge(status: u16, body: &str) -> Option<Refusal> {
        judge_as("test", status, body)
    }

    fn body(code: &str) -> String {
        format!(r#"{{"meta":{{"request_id":"r-1"}},"error":{{"code":"{code}","message":"no"}}}}"#)
    }

    #[test]
    fn the_code_decides_whatever_the_status() {
        use Advice::{None, Permanent, Refresh};
        for (code, kind, meant, advice) in [
            ("UNAUTHORIZED", ErrorKind::Auth, 401, Refresh),
            ("ACCESS_TOKEN_INVALID", ErrorKind::Auth, 401, Refresh),
            ("API_KEY_INVALID", ErrorKind::Auth, 401, Refresh),
            ("API_KEY_REQUIRED", ErrorKind::Auth, 401, Refresh),
            ("API_KEY_DISABLED", ErrorKind::Auth, 403, Permanent),
            ("FORBIDDEN", ErrorKind::Denied, 403, Permanent),
            ("PERMISSION_ERROR", ErrorKind::Denied, 403, Permanent),
            ("ACCESS_DENIED_IP", ErrorKind::Denied, 403, Permanent),
            ("ACCESS_DENIED_PERMISSIONS", ErrorKind::Denied, 403, Permanent),
            ("LICENSE_EXPIRED", ErrorKind::Denied, 403, Permanent),
            ("LICENSE_NOT_FOUND", ErrorKind::Denied, 403, Permanent),
            ("LICENSE_ACCESS_DATA_SOURCE", ErrorKind::Denied, 403, Permanent),
            ("LICENSE_SOMETHING_NEW", ErrorKind::Denied, 403, Permanent),
            ("LICENSE_DAILY_QUERY_LIMIT_EXCEEDED", ErrorKind::RateLimited, 429, Permanent),
            ("QUERY_AUTH_UNAVAILABLE", ErrorKind::Denied, 403, Permanent),
            ("QUERY_RESULTS_UNAVAILABLE", ErrorKind::NotFound, 404, Permanent),
            ("QUERY_ERROR", ErrorKind::RunFailed, 200, None),
            ("QUERY_TIMEOUT", ErrorKind::RunFailed, 200, None),
            ("STATUS_NOT_FOUND", ErrorKind::NotFound, 404, Permanent),
            ("NOT_FOUND", ErrorKind::NotFound, 404, Permanent),
            ("LINK_NOT_FOUND", ErrorKind::NotFound, 404, Permanent),
            ("BAD_REQUEST", ErrorKind::Rejected, 400, Permanent),
            ("ACCOUNT_REQUIRED", ErrorKind::Rejected, 400, Permanent),
            ("ACCOUNTS_INVALID", ErrorKind::Rejected, 400, Permanent),
            ("COMPARE_END_DATE_INVALID", ErrorKind::Rejected, 400, Permanent),
            ("FILTER_INVALID", ErrorKind::Rejected, 400, Permanent),
            ("FIELDS_REQUIRED", ErrorKind::Rejected, 400, Permanent),
            ("INVALID", ErrorKind::Rejected, 400, Permanent),
            ("invalid_param", ErrorKind::Rejected, 400, Permanent),
            ("CONFLICT_ERROR", ErrorKind::Rejected, 409, Permanent),
            ("UNPROCESSABLE_ENTITY", ErrorKind::Rejected, 422, Permanent),
            ("UNPROCESSABLE_CONTENT", ErrorKind::Rejected, 422, Permanent),
            ("TOO_MANY_REQUESTS", ErrorKind::RateLimited, 429, None),
            ("RATE_LIMIT_EXCEEDED", ErrorKind::RateLimited, 429, None),
            ("INTERNAL_SERVER_ERROR", ErrorKind::Server, 500, None),
            ("SERVICE_UNAVAILABLE", ErrorKind::Server, 503, None),
        ] {
            for status in [200, 202, 400, 403, 404, 429, 500, 503] {
                let refusal = judge(status, &body(code)).unwrap();
                assert_eq!(
                    (refusal.kind, refusal.status.as_u16(), refusal.advice),
                    (kind, meant, advice),
                    "{code} with {status}"
                );
                assert_eq!(refusal.request_id.as_deref(), Some("r-1"));
                assert_eq!(refusal.error.unwrap().code.as_deref(), Some(code));
            }
        }
        for code in CODES.map(|(code, _)| code) {
            assert!(code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{code}");
        }
    }

    #[test]
    fn the_status_decides_about_a_code_without_meaning() {
        for (status, kind) in [
            (200, ErrorKind::Rejected),
            (400, ErrorKind::Rejected),
            (401, ErrorKind::Auth),
            (403, ErrorKind::Denied),
            (404, ErrorKind::NotFound),
            (429, ErrorKind::RateLimited),
            (500, ErrorKind::Server),
        ] {
            let refusal = judge(status, &body("DUPLICATION_FAILED")).unwrap();
            assert_eq!((refusal.kind, refusal.status.as_u16()), (kind, status));
        }
    }

    #[test]
    fn every_shape_of_error_body_is_read() {
        for (body, code, message) in [
            (
                r#"{"error":{"code":"X","message":"No.","description":"Not at all."}}"#,
                "X",
                "No: Not at all.",
            ),
            (r#"{"error":{"code":"X","message":"no","description":"no"}}"#, "X", "no"),
            (r#"{"error":{"code":7,"message":"no"}}"#, "7", "no"),
            (r#"{"error":{"message":"no"}}"#, "", "no"),
            (r#"{"error":{"code":"X"}}"#, "X", ""),
            (r#"{"error":"LINK_GONE","message":"no"}"#, "LINK_GONE", "no"),
            (r#"{"message":"no","error":"LINK_GONE"}"#, "LINK_GONE", "no"),
            (r#"{"meta":{"error":{"code":"X","message":"no"}}}"#, "X", "no"),
            (r#"{"error":null,"meta":{"error":{"code":"X"}},"data":null}"#, "X", ""),
            (
                r#"{"type":"https://x/unauthorized","title":"Unauthorized","status":401,"detail":"no","instance":"/1"}"#,
                "",
                "no",
            ),
            (r#"{"title":"Unauthorized"}"#, "", "Unauthorized"),
            (r#"{"code":"X","message":"no"}"#, "X", "no"),
            ("upstream is away\n", "", "upstream is away"),
            (r#"{"error":{"code":"X","message":"no"},"data":[["#, "X", "no"),
        ] {
            let error = judge(418, body).unwrap().error.expect(body);
            assert_eq!(error.code.as_deref().unwrap_or_default(), code, "{body}");
            assert_eq!(error.message.as_deref().unwrap_or_default(), message, "{body}");
        }
        for nothing in [
            "",
            "{}",
            "[]",
            "null",
            "<html>no</html>",
            r#"{"error":{}}"#,
            r#"{"error":[]}"#,
            r#"{"error":"#,
            "\"x\"",
        ] {
            assert_eq!(judge(418, nothing).unwrap().error, None, "{nothing}");
        }
        let problem =
            judge(418, r#"{"type":"https://x/y","title":"T","status":401,"instance":"/1"}"#);
        let error = problem.unwrap().error.unwrap();
        assert_eq!((error.name.as_deref(), error.instance_id.as_deref()), (Some("T"), Some("/1")));
        assert_eq!(error.parameters["status"], 401);
    }

    #[test]
    fn a_problem_document_is_an_error_whatever_its_status() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/problem+json; charset=utf-8".parse().unwrap());
        let body =
            Bytes::from_static(br#"{"title":"Unauthorized","status":401,"detail":"no key"}"#);
        for status in [StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::BAD_GATEWAY] {
            let response =
                RawResponse { operation: "test", status, headers: &headers, body: &body };
            let Verdict::Refused(refusal) = SupermetricsDialect.judge(&response) else {
                panic!("{status}")
            };
            assert_eq!((refusal.kind, refusal.status.as_u16()), (ErrorKind::Auth, 401), "{status}");
        }
    }

    #[test]
    fn an_error_is_found_in_a_2xx_response_and_rows_are_not_mistaken_for_one() {
        for error in [
            r#"{"meta":{},"error":{"code":"X"},"data":null}"#,
            r#"{"data":[],"error":{"message":"no"}}"#,
            r#"{"data":{"rows":[[1]]},"error":{"message":"no"}}"#,
            r#"{"error":{"code":"X"},"data":[["a"]]}"#,
            r#"{"error":"LINK_GONE"}"#,
            r#"{"meta":{"error":{"message":"no"}}}"#,
            " {\"error\":{\"code\":\"X\"}}",
            r#"{"type":"https://x/y","title":"T","status":403,"detail":"no"}"#,
        ] {
            assert!(judge(200, error).is_some(), "{error}");
            assert!(judge(202, error).is_some(), "{error}");
        }
        for rows in [
            r#"{"meta":{"status_code":"SUCCESS"},"data":[["error"],["x"]]}"#,
            r#"{"meta":{"status_code":"RUNNING"},"data":[],"error":null}"#,
            "{\"error\":{\"code\":\"X\"}}\n{\"error\":{\"code\":\"Y\"}}",
            r#"{"error":"a word","title":"x","status":404}"#,
            r#"{"title":"x","detail":"y","status":404}"#,
            r#"{"type":"x","title":"x","status":404,"clicks":7}"#,
            r#"{"type":"x","title":"x","status":200}"#,
            r#"{"error":{}}"#,
            r#"[{"error":{"code":"X"}}]"#,
            "error,code\nX,1\n",
            "<html>",
            "",
        ] {
            assert!(judge(200, rows).is_none(), "{rows}");
        }
    }

    #[test]
    fn a_failed_run_is_a_successful_status_request_and_a_refused_poll_is_not() {
        let status = |status, body: &str| judge_as(GetQueryStatus::OPERATION, status, body);
        for code in [
            "QUERY_ERROR",
            "QUERY_AUTH_UNAVAILABLE",
            "ACCOUNT_REQUIRED",
            "COMPARE_END_DATE_INVALID",
            "LICENSE_ROW_LIMIT_EXCEEDED",
            "LICENSE_DAILY_QUERY_LIMIT_EXCEEDED",
        ] {
            assert!(status(500, &body(code)).is_none(), "{code}");
        }
        for code in [
            "STATUS_NOT_FOUND",
            "QUERY_RESULTS_UNAVAILABLE",
            "API_KEY_INVALID",
            "FORBIDDEN",
            "LICENSE_EXPIRED",
            "TOO_MANY_REQUESTS",
            "INTERNAL_SERVER_ERROR",
            "SCHEDULE_ID_INVALID",
            "BAD_REQUEST",
            "SOMETHING_NEW",
        ] {
            assert!(status(500, &body(code)).is_some(), "{code}");
            assert!(status(200, &body(code)).is_some(), "{code}");
        }
        // The model of a run does not read the error of these bodies: the run would seem to be running.
        for unread in [
            r#"{"code":"QUERY_ERROR","message":"no"}"#,
            r#"{"type":"x","title":"x","status":500,"code":"QUERY_ERROR"}"#,
        ] {
            assert!(status(500, unread).is_some(), "{unread}");
        }
        let failed = r#"{"meta":{"status_code":"FAILURE"},"error":{"code":"SOMETHING_NEW"}}"#;
        assert!(status(500, failed).is_none());
        assert!(status(500, &failed.replace("FAILURE", "SUCCESS")).is_some());
        assert!(judge(500, failed).is_some(), "a request for rows fails");
    }

    #[test]
    fn request_ids_come_from_either_header() {
        let id = |name: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, "r-1".parse().unwrap());
            SupermetricsDialect.request_id(&headers).map(str::to_owned)
        };
        assert_eq!((id("x-request-id"), id("x-span-id")), (Some("r-1".into()), Some("r-1".into())));
        assert_eq!(id("x-other"), None);
    }
}
