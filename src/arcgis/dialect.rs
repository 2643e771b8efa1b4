//! How ArcGIS reports errors: mostly with status 200, in half a dozen shapes.

use std::borrow::Cow;

use http::{Method, StatusCode, header};
use memchr::memmem;
use serde_json::Value;
use url::Url;

use super::notebooks::DeleteNotebookJobs;
use super::request::NotebookPath;
use super::tasks::ListTasks;
use super::time::ServerZone;
use crate::client::{Advice, ApiRequest, Dialect, Endpoint as _, RawResponse, Refusal, Verdict};
use crate::error::{Error, ErrorKind, Result, VendorError};
use crate::wire::{lenient, model, repair};

/// Whether form fields can be added to the body of a request.
pub(super) fn is_form(request: &ApiRequest) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    content_type.is_none_or(|value| value == "application/x-www-form-urlencoded")
}

/// Adds `f=json`; without it the response is an HTML page, with status 200. Source: all operations document `f`, in the form of a
/// POST and in the query of a GET.
fn request_json(request: &mut ApiRequest) {
    let has = |pairs: &[u8]| url::form_urlencoded::parse(pairs).any(|(name, _)| name == "f");
    if request.method() == Method::POST && is_form(request) {
        if !has(request.body()) {
            request.append_form("f", "json");
        }
    } else if !has(request.url().query().unwrap_or_default().as_bytes()) {
        request.append_query("f", "json");
    }
}

/// The dialect of both APIs.
#[derive(Debug, Default)]
pub(super) struct ArcGisDialect {
    pub(super) zone: Option<ServerZone>,
    /// The Notebook Server; without one, notebooks are those of Kubernetes.
    pub(super) notebook_server: Option<Url>,
}

impl ArcGisDialect {
    /// Sends a request about notebooks where the deployment has them: below `/admin/notebooks` of Kubernetes, as it is written, or
    /// to a Notebook Server, whose jobs have another path.
    fn direct(&self, request: &mut ApiRequest) -> Result<()> {
        let Some(NotebookPath { below, admin }) = request.extension() else { return Ok(()) };
        let (below, admin) = (below.clone(), *admin);
        let Some(server) = &self.notebook_server else {
            if admin == "admin" && request.operation() != DeleteNotebookJobs::OPERATION {
                return Ok(());
            }
            return Err(Error::config(
                "this request needs a Notebook Server; name it with `notebook_server`, or, for Kubernetes, end the base URL in /admin",
            ));
        };
        let resource = if below.first().is_some_and(|first| &**first == "jobs") {
            "system"
        } else {
            "notebooks"
        };
        let path: Vec<_> =
            ["admin", resource].into_iter().chain(below.iter().map(|part| &**part)).collect();
        request.move_to(server, &path)
    }
}

/// `fullVersion` says more; and a portal sends a hundred settings of its web application.
/// Of a job, what its host and its configuration store call it says nothing.
const UNREAD: [&str; 11] = [
    "/currentVersion",
    "arcgis.portal.get/*",
    "/customAttributes/openNotebook",
    "/customAttributes/openNotebookProgress",
    "/inputs/executeJobUpdated",
    "/results/webToolVersion",
    "/privateUrl",
    "arcgis.notebook_jobs.get/id",
    "arcgis.notebook_jobs.get/url",
    "/notebookJobs/*/id",
    "/notebookJobs/*/url",
];

impl Dialect for ArcGisDialect {
    fn prepare(&self, request: &mut ApiRequest) -> Result<()> {
        self.direct(request)?;
        request_json(request);
        if let Some(zone) = &self.zone {
            request.set_extension(zone.clone());
        }
        Ok(())
    }

    fn unread(&self) -> &'static [&'static str] {
        &UNREAD
    }

    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        let Some((status, error)) = failure(response) else { return Verdict::Success };
        if is_html(response) && response.status.is_success() {
            return Verdict::Refused(html_refusal(response));
        }
        let message = match status.as_u16() {
            498 => {
                "the token has expired, belongs to another portal, or was made for another referer"
            }
            499 if error.is_some() => {
                "the server requires a token; pass a credential to the client"
            }
            401 if response.headers.contains_key(header::WWW_AUTHENTICATE) => {
                "the web server in front of the portal requires its own sign-in"
            }
            404 if is_missing_api(response.operation, error.as_ref()) => {
                "only ArcGIS Enterprise on Kubernetes has tasks of the deployment; check the kind of portal and the base URL"
            }
            404 if error.is_none() && response.operation.starts_with("arcgis.notebook") => {
                "there are no notebooks at this URL; name the Notebook Server with `notebook_server`, and check the base URL"
            }
            _ => "",
        };
        let name = error.as_ref().and_then(|error| error.name.clone());
        let message = match (message, name) {
            ("", Some(name)) => Cow::Owned(name.into()),
            (message, Some(name)) => Cow::Owned(format!("{message}: {name}")),
            (message, None) => Cow::Borrowed(message),
        };
        let refusal = Refusal::by_status(status, error).message(message);
        Verdict::Refused(match status.as_u16() {
            498 => refusal.kind(ErrorKind::Auth).advice(Advice::Refresh),
            // Without the vendor's own words it is a proxy that has given up on its client.
            499 if refusal.error.is_some() => refusal.kind(ErrorKind::Auth).advice(Advice::Refresh),
            _ => refusal,
        })
    }
}

/// Whether "not found" means that this portal has no tasks of the deployment at all, and not that one task is missing: the list
/// cannot be missing, and for a missing task the response has an error message.
fn is_missing_api(operation: &str, error: Option<&VendorError>) -> bool {
    let of_deployment = operation.starts_with("arcgis.task");
    of_deployment && (error.is_none() || operation == ListTasks::OPERATION)
}

/// The dialect of token requests.
#[derive(Debug)]
pub(super) struct LoginDialect {
    /// What to check if there is no token.
    pub(super) advice: &'static str,
}

impl Dialect for LoginDialect {
    fn prepare(&self, request: &mut ApiRequest) -> Result<()> {
        request_json(request);
        Ok(())
    }

    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        let Some((status, error)) = failure(response) else { return Verdict::Success };
        if is_html(response) && response.status.is_success() {
            return Verdict::Refused(html_refusal(response));
        }
        let refusal = Refusal::by_status(status, error);
        Verdict::Refused(match refusal.kind {
            // A wrong password or client id is a 400, and a retry changes nothing.
            ErrorKind::Rejected | ErrorKind::Auth | ErrorKind::Denied => {
                refusal.kind(ErrorKind::Auth).advice(Advice::Permanent).message(self.advice)
            }
            ErrorKind::NotFound => {
                refusal.message("there is no token service at this URL; check the base URL")
            }
            _ => refusal,
        })
    }
}

/// Whether the body is an HTML page. JSON has been seen with content type `text/html`.
fn is_html(response: &RawResponse<'_>) -> bool {
    let content_type = response.headers.get(header::CONTENT_TYPE);
    let html = content_type.and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("text/html"))
    });
    response.begins_with("<") || (html && !response.begins_with("{") && !response.begins_with("["))
}

fn html_refusal(response: &RawResponse<'_>) -> Refusal {
    let message = format!(
        "the response is an HTML page of {} bytes, not JSON: is this a login page or a proxy, or was `f=json` ignored?",
        response.body.len()
    );
    Refusal::by_status(response.status, None).kind(ErrorKind::UnexpectedContent).message(message)
}

model! {
    /// The members that report a failure, of all shapes at once, at the top of a response and inside its `error`.
    struct Body {
        error: Value as "error" default,
        error_description: Option<Box<str>> as "error_description" with lenient::text,
        status: Option<Box<str>> as "status" with lenient::text,
        success: Option<bool> as "success" with lenient::boolean,
        code: Option<u64> as "code" with lenient::count,
        message: Option<Box<str>> as "message" with lenient::text,
        message_code: Option<Box<str>> as "messageCode" with lenient::text,
        details: Value as "details" default,
        messages: Value as "messages" default,
        status_message: Option<Box<str>> as "statusMessage" with lenient::text,
        run_id: Option<Box<str>> as "runId" with lenient::text,
        job_id: Option<Box<str>> as "jobId" with lenient::text,
    }
}

impl Body {
    fn of(json: &str) -> Option<Self> {
        // A list would be read by position.
        json.starts_with('{').then(|| repair::read(json)).flatten()
    }

    /// Whether this body reports a failure although its HTTP status is a success.
    ///
    /// A run has a `status` of its own, which may be "failed": `runId` distinguishes it from the body of a job that failed. A job of
    /// a notebook has one, too, which may hold any text, and a `jobId`. An `error` that is an object is not a member of a run or
    /// job, so it counts even if there is such an id.
    fn is_failure(&self) -> bool {
        let status = |texts: &[&str]| {
            let status = self.status.as_deref().unwrap_or_default();
            texts.iter().any(|text| status.eq_ignore_ascii_case(text))
        };
        let says_error = status(&["error"]) && self.job_id.is_none();
        let refused = self.success == Some(false) || says_error || self.error.is_object();
        let is_run = self.run_id.is_some() || self.job_id.is_some();
        let named = self.error.as_str().is_some_and(|text| !text.is_empty());
        let has_code = self.code.is_some_and(|code| code >= 400)
            && (self.message.is_some() || !self.messages.is_null());
        refused || (!is_run && (named || has_code || status(&["failed", "failure"])))
    }

    /// Reads what it says, from the innermost outwards: shapes are nested in one another.
    fn read(self, error: &mut VendorError) {
        match self.error {
            Value::Object(inner) => {
                let inner = Value::Object(inner).to_string();
                if let Some(inner) = Self::of(&inner) {
                    inner.read(error);
                }
            }
            // OAuth 2: `{"error":"invalid_request","error_description":"…"}`, at the top or inside `error`.
            Value::String(name) if !name.is_empty() => {
                error.name.get_or_insert(name.into());
            }
            _ => {}
        }
        // The message of a failed job may be a whole error as JSON text.
        let nested = self.status_message.as_deref().and_then(Self::of);
        let plain = self.status_message.filter(|_| nested.is_none());
        if let Some(nested) = nested {
            nested.read(error);
        }
        let code = self.code.filter(|code| *code >= 400);
        error.code = error.code.take().or_else(|| code.map(|code| code.to_string().into()));
        error.name = self.message_code.or(error.name.take());
        let own = [self.message, self.error_description, plain].into_iter().flatten().next();
        let message =
            own.into_iter().chain(sentences(self.messages)).chain(sentences(self.details));
        for sentence in message {
            add(&mut error.message, &sentence);
        }
    }
}

/// Details and messages are lists of texts, one text, or null.
fn sentences(value: Value) -> Vec<Box<str>> {
    match value {
        Value::String(text) => vec![text.into()],
        Value::Array(items) => items.into_iter().flat_map(sentences).collect(),
        _ => Vec::new(),
    }
}

/// Adds a sentence, unless the message has it already.
fn add(message: &mut Option<Box<str>>, sentence: &str) {
    let sentence = sentence.trim();
    match message {
        _ if sentence.is_empty() => {}
        Some(text) if text.contains(sentence) => {}
        Some(text) => *text = format!("{text} {sentence}").into(),
        None => *message = Some(sentence.into()),
    }
}

/// Whether [`Body::is_failure`] can be true of this body. Most bodies have none of its members, and need not be parsed for it.
fn may_be_failure(body: &[u8]) -> bool {
    // An escape may stand for any letter of a name.
    let signs = [r#""error""#, r#""success""#, r#""code""#, r"\u"];
    signs.iter().any(|sign| memmem::find(body, sign.as_bytes()).is_some())
        || memmem::find_iter(body, STATUS).any(|at| body.get(at..).is_some_and(status_may_fail))
}

const STATUS: &[u8] = br#""status""#;

/// Whether the text begins with a status of a failure. A run has a status, too.
fn status_may_fail(text: &[u8]) -> bool {
    let value = || {
        let after = text.strip_prefix(STATUS)?.trim_ascii_start().strip_prefix(b":")?;
        after.trim_ascii_start().strip_prefix(b"\"")
    };
    let begins = |value: &[u8], word: &str| {
        value.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
    };
    value().is_some_and(|value| begins(value, "error") || begins(value, "fail"))
}

/// Status and message of a failed response; `None` for a success.
///
/// A code in the body overrides the HTTP status: most failures come with HTTP 200, some with a status of their own.
fn failure(response: &RawResponse<'_>) -> Option<(StatusCode, Option<VendorError>)> {
    let may_be_success = response.status.is_success() && !is_html(response);
    if may_be_success && !may_be_failure(response.body) {
        return None;
    }
    let body = Body::of(response.text());
    if may_be_success && !body.as_ref().is_some_and(Body::is_failure) {
        return None;
    }
    let refused = body.as_ref().is_some_and(|body| body.success == Some(false));
    let mut error = VendorError::default();
    if let Some(body) = body {
        body.read(&mut error);
    }
    let code = error.code.as_deref().and_then(|code| StatusCode::from_bytes(code.as_bytes()).ok());
    let status = match code {
        Some(code) => code,
        // `success: false` without a code means that nothing was done.
        None if refused && response.status.is_success() => StatusCode::BAD_REQUEST,
        None => response.status,
    };
    Some((status, (error != VendorError::default()).then_some(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;

    fn verdict(dialect: &dyn Dialect, status: u16, content_type: &str, body: &str) -> Verdict {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        let body = Bytes::copy_from_slice(body.as_bytes());
        let status = StatusCode::from_u16(status).unwrap();
        dialect.judge(&RawResponse { operation: "test", status, headers: &headers, body: &body })
    }

    fn refused(status: u16, body: &str) -> Refusal {
        match verdict(&ArcGisDialect::default(), status, "", body) {
            Verdict::Refused(refusal) => refusal,
            Verdict::Success => panic!("{status} {body:?} was judged a success"),
        }
    }

    #[test]
    fn every_shape_of_error_with_status_200_is_a_failure() {
        // Status and kind, code, name, message.
        let judged = |body: &str| {
            let refusal = refused(200, body);
            let error = refusal.error.unwrap_or_default();
            let [code, name, message] = [error.code, error.name, error.message]
                .map(|text| text.map_or_else(|| "-".to_owned(), String::from));
            format!("{} {:?} {code} {name} {message}", refusal.status.as_u16(), refusal.kind)
        };
        for (body, means) in [
            (
                r#"{"error":{"code":403,"messageCode":"GWM_0003","message":"No.","details":[]}}"#,
                "403 Denied 403 GWM_0003 No.",
            ),
            (
                r#"{"error":{"code":"400","message":"No.","details":["No type.","No title."]}}"#,
                "400 Rejected 400 - No. No type. No title.",
            ),
            (
                r#"{"error":{"code":404,"message":"Gone.","details":"Gone."}}"#,
                "404 NotFound 404 - Gone.",
            ),
            (
                r#"{"error":{"code":500,"message":"code expired","details":null}}"#,
                "500 Server 500 - code expired",
            ),
            (r#"{"error":{"code":503}}"#, "503 Server 503 - -"),
            (r#"{"error":{"message":"No."}}"#, "200 Rejected - - No."),
            (r#"{"error":{}}"#, "200 Rejected - - -"),
            (
                r#"{"error":{"code":400,"error":"invalid_client_id","error_description":"No.","message":"No."}}"#,
                "400 Rejected 400 invalid_client_id No.",
            ),
            (
                r#"{"error":"invalid_request","error_description":"no client"}"#,
                "200 Rejected - invalid_request no client",
            ),
            (
                r#"{"status":"error","messages":["No token.","Get one."],"code":499}"#,
                "499 Auth 499 - No token. Get one.",
            ),
            (r#"{"status":"error","messages":"No."}"#, "200 Rejected - - No."),
            (
                r#"{"code":500,"message":"Error","status":"failure","details":null}"#,
                "500 Server 500 - Error",
            ),
            (r#"{"code":500,"message":"Error"}"#, "500 Server 500 - Error"),
            (r#"{"code":200,"message":null,"status":"failure"}"#, "200 Rejected - - -"),
            (r#"{"status":"failed","statusMessage":"no"}"#, "200 Rejected - - no"),
            (
                r#"{"status":"failed","statusMessage":"{\"code\":404,\"message\":\"gone\"}"}"#,
                "404 NotFound 404 - gone",
            ),
            (r#"{"success":false,"taskId":"t1"}"#, "400 Rejected - - -"),
            (r#"{"success":"false","error":{"code":500,"message":"no"}}"#, "500 Server 500 - no"),
            (r#"{"error":{"code":403,"message":"no"},"messages":["m"]}"#, "403 Denied 403 - no m"),
        ] {
            assert_eq!(judged(body), means, "{body}");
        }
    }

    #[test]
    fn a_body_is_parsed_only_if_it_may_report_a_failure() {
        for (body, parsed) in [
            (r#"{"result":[{"runId":"r1","status":"succeeded"}],"total":1}"#, false),
            (r#"{"title":"status","runs":["failed"]}"#, false),
            (r#"{"status":"in progress"}"#, false),
            (r#"{"result":[{"runId":"r1","status" : "FAILED"}],"total":1}"#, true),
            (r#"{"runs":[{"error":1}]}"#, true),
            (r#"{"a":"\u0041"}"#, true),
        ] {
            assert_eq!(may_be_failure(body.as_bytes()), parsed, "{body}");
        }
    }

    #[test]
    fn advice_is_given_only_where_it_is_certain() {
        let message = |operation, status, body: &str| {
            let (headers, body) = (HeaderMap::new(), Bytes::copy_from_slice(body.as_bytes()));
            let status = StatusCode::from_u16(status).unwrap();
            let response = RawResponse { operation, status, headers: &headers, body: &body };
            match ArcGisDialect::default().judge(&response) {
                Verdict::Refused(refusal) => refusal.message,
                Verdict::Success => panic!("{status} {body:?} was judged a success"),
            }
        };
        assert_eq!(message("test", 499, "<html>"), "", "of a proxy");
        assert_eq!(message("test", 401, "<html>"), "", "without the scheme of a web server");
        assert_eq!(message("test", 404, "<html>"), "", "not of notebooks");
        let gone = r#"{"error":{"code":404,"message":"Gone."}}"#;
        assert_eq!(message("arcgis.notebooks.get", 404, gone), "", "the portal says it itself");
        let missing = message("arcgis.notebooks.get", 404, "<html>");
        assert!(missing.contains("`notebook_server`"), "{missing}");
    }

    #[test]
    fn a_code_alone_is_no_failure_and_empty_words_say_nothing() {
        for body in [r#"{"id":"t1","code":500}"#, r#"{"code":404}"#] {
            let judged = verdict(&ArcGisDialect::default(), 200, "", body);
            assert!(matches!(judged, Verdict::Success), "{body}");
        }
        assert_eq!(refused(200, r#"{"code":500,"messages":["No."]}"#).status, 500);
        let body = r#"{"error":"","code":500,"message":" ","details":[""]}"#;
        let error = refused(200, body).error.unwrap();
        assert_eq!((error.name, error.message), (None, None));
    }

    #[test]
    fn a_refused_token_is_renewed_at_any_status() {
        for (status, body) in [
            (200, r#"{"error":{"code":498,"message":"Invalid token.","details":[]}}"#),
            (200, r#"{"error":{"code":499,"message":"Token Required","messageCode":"GWM_0003"}}"#),
            (200, r#"{"status":"error","messages":["Unauthorized"],"code":"498"}"#),
            (403, r#"{"error":{"code":499,"message":"Token Required"}}"#),
            (498, ""),
            (401, "<html>"),
        ] {
            let refusal = refused(status, body);
            let judged = (refusal.kind, refusal.advice);
            assert_eq!(judged, (ErrorKind::Auth, Advice::Refresh), "{status} {body}");
        }
        // A proxy that has given up on its client.
        for body in ["", "<html>"] {
            let refusal = refused(499, body);
            assert_eq!((refusal.kind, refusal.advice), (ErrorKind::Server, Advice::None), "{body}");
        }
        let message = refused(200, r#"{"error":{"code":498,"messageCode":"X_1"}}"#).message;
        assert!(message.contains("another referer") && message.ends_with(": X_1"), "{message}");
        assert_eq!(refused(200, r#"{"error":{"code":403,"messageCode":"X_1"}}"#).message, "X_1");
    }

    #[test]
    fn the_http_status_counts_if_the_body_has_no_code() {
        for (status, body, means) in [
            (400, "", 400),
            (401, "<html>", 401),
            (403, r#"{"error":{"message":"SSL Required"}}"#, 403),
            (404, "<html>", 404),
            (429, "", 429),
            (500, r#"{"code":200,"status":"failure"}"#, 500),
            (502, "<html>", 502),
            (503, r#"{"error":{"code":9999,"message":"x"}}"#, 503),
            (400, r#"{"error":{"code":404,"message":"x"}}"#, 404),
            (404, r#"{"success":false}"#, 404),
        ] {
            assert_eq!(refused(status, body).status.as_u16(), means, "{status} {body}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::WWW_AUTHENTICATE, "Negotiate".parse().unwrap());
        let (status, body) = (StatusCode::UNAUTHORIZED, Bytes::new());
        let response = RawResponse { operation: "test", status, headers: &headers, body: &body };
        let Verdict::Refused(refusal) = ArcGisDialect::default().judge(&response) else {
            panic!("a success");
        };
        assert!(refusal.message.contains("the web server in front"), "{}", refusal.message);
    }

    #[test]
    fn a_failed_run_and_every_success_are_good_responses() {
        for body in [
            r#"{"runId":"r1","status":"failed","result":"no space left"}"#,
            r#"{"status":"FAILED","runId":7}"#,
            r#"{"runId":"r1","status":"failure","error":"x","code":500,"message":"x"}"#,
            r#"{"result":[{"runId":"r1","status":"failed"}]}"#,
            r#"{"runs":[{"status":"error","error":{"code":500}}],"nextStart":-1}"#,
            r#"{"status":"success"}"#,
            r#"{"status":"success with warnings"}"#,
            r#"{"status":"in progress"}"#,
            r#"{"success":true,"taskId":"t1","runId":"r1"}"#,
            r#"{"id":"t1","message":"hello","code":200}"#,
            r#"{"error":null,"id":"t1"}"#,
            r#"{"error":"","id":"t1"}"#,
            "[]",
            "[1,2,3]",
            "",
            "null",
            "{",
        ] {
            let verdict = verdict(&ArcGisDialect::default(), 200, "application/json", body);
            assert!(matches!(verdict, Verdict::Success), "{body}");
        }
        // These say that the call failed, even with a `runId`.
        for body in [
            r#"{"runId":"r1","status":"error"}"#,
            r#"{"runId":"r1","success":false}"#,
            r#"{"runId":"r1","error":{"code":400,"message":"x"}}"#,
        ] {
            assert_eq!(refused(200, body).kind, ErrorKind::Rejected, "{body}");
        }
    }

    #[test]
    fn an_html_page_is_refused_and_json_with_an_html_type_is_not() {
        let dialect = ArcGisDialect::default();
        for (content_type, body) in [
            ("", "<!DOCTYPE html>"),
            ("text/html", " "),
            ("text/html;charset=utf-8", "Please sign in"),
            ("TEXT/HTML", ""),
            ("application/json", "\n<html>canary</html>"),
        ] {
            let Verdict::Refused(refusal) = verdict(&dialect, 200, content_type, body) else {
                panic!("{body:?} was judged a success");
            };
            assert_eq!(
                (refusal.kind, refusal.status),
                (ErrorKind::UnexpectedContent, StatusCode::OK)
            );
            assert!(refusal.message.contains("`f=json`") && refusal.message.contains("login page"));
            assert!(!refusal.message.contains("canary"));
        }
        assert!(matches!(verdict(&dialect, 200, "text/html", r#"{"id":"t1"}"#), Verdict::Success));
    }

    #[test]
    fn a_refused_login_is_final_and_says_what_to_check() {
        let dialect = LoginDialect { advice: "check the password" };
        for (status, body) in [
            (
                200,
                r#"{"error":{"code":400,"message":"Unable to generate token.","details":["Invalid username or password."]}}"#,
            ),
            (
                200,
                r#"{"error":{"code":400,"error":"invalid_client_id","error_description":"Invalid client_id"}}"#,
            ),
            (200, r#"{"error":{"code":498,"message":"refresh_token expired"}}"#),
            (400, r#"{"error":"invalid_client"}"#),
            (403, ""),
        ] {
            let Verdict::Refused(refusal) = verdict(&dialect, status, "", body) else {
                panic!("{body} was judged a success");
            };
            let judged = (refusal.kind, refusal.advice, &*refusal.message);
            assert_eq!(
                judged,
                (ErrorKind::Auth, Advice::Permanent, "check the password"),
                "{body}"
            );
        }
        for (status, body, kind) in [
            (200, r#"{"error":{"code":500,"message":"x"}}"#, ErrorKind::Server),
            (503, "", ErrorKind::Server),
            (200, "<html>", ErrorKind::UnexpectedContent),
        ] {
            let Verdict::Refused(refusal) = verdict(&dialect, status, "", body) else {
                panic!("{body} was judged a success");
            };
            assert_eq!(refusal.kind, kind, "{body}");
        }
        let token = verdict(&dialect, 200, "", r#"{"token":"t","expires":7,"ssl":true}"#);
        assert!(matches!(token, Verdict::Success));
    }

    #[test]
    fn a_deeply_nested_error_is_read_in_bounded_time() {
        let mut message = r#"{"code":404,"message":"gone"}"#.to_owned();
        for _ in 0..12 {
            message = serde_json::json!({"status": "failed", "statusMessage": message}).to_string();
        }
        assert_eq!(refused(200, &message).kind, ErrorKind::NotFound);
        let deep = format!("{}{}", r#"{"error":"#.repeat(100), "}".repeat(100))
            .replace("\"error\":}", "\"error\":{}}");
        assert_eq!(refused(200, &deep).kind, ErrorKind::Rejected);
        let too_deep = r#"{"error":"#.repeat(100_000);
        assert!(matches!(verdict(&ArcGisDialect::default(), 200, "", &too_deep), Verdict::Success));
    }

    #[test]
    fn json_is_requested_once_in_the_form_of_a_post_and_in_the_query_of_others() {
        let base = "https://h/portal".parse().unwrap();
        let prepared =
            |method: Method, query: Option<&str>, form: Option<&[(&'static str, &str)]>| {
                let safe = crate::client::Idempotency::Safe;
                let mut builder =
                    ApiRequest::builder("test", safe, method, &base, &["x"]).query("f", query);
                if let Some(form) = form {
                    builder = builder.form(form.iter().copied());
                }
                let mut request = builder.finish().unwrap();
                ArcGisDialect::default().prepare(&mut request).unwrap();
                request.text("https://h/portal", "content-type")
            };
        assert_eq!(prepared(Method::GET, None, None), "GET /x?f=json");
        assert_eq!(prepared(Method::GET, Some("pjson"), None), "GET /x?f=pjson");
        assert_eq!(prepared(Method::DELETE, None, None), "DELETE /x?f=json");
        assert_eq!(prepared(Method::POST, None, None), "POST /x\n\nf=json");
        assert_eq!(prepared(Method::POST, None, Some(&[("a", "1")])), "POST /x\n\na=1&f=json");
        assert_eq!(prepared(Method::POST, None, Some(&[("f", "pjson")])), "POST /x\n\nf=pjson");
        let mut json = ApiRequest::builder(
            "test",
            crate::client::Idempotency::Safe,
            Method::POST,
            &base,
            &["x"],
        )
        .json(&7)
        .finish()
        .unwrap();
        ArcGisDialect::default().prepare(&mut json).unwrap();
        assert_eq!(json.text("https://h/portal", "content-type"), "POST /x?f=json\n\n7");
    }
}
