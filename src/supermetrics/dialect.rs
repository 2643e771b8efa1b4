//! How Supermetrics says "error": in the body, whatever the HTTP status.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

use super::runs::{GetQueryStatus, QueryState};
use crate::client::{Advice, Answer, Dialect, Endpoint, Rate, Refusal, Verdict};
use crate::error::{ErrorKind, VendorError};
use crate::wire::union::Text;

#[derive(Debug)]
pub(super) struct SupermetricsDialect;

/// "Under 20 requests a second" for each key. Source: Supermetrics API, "Usage limits".
const RATE: Rate = Rate::new("requests", 19, Duration::from_secs(1));

/// The kind of an object, links to what ids lead to, what was asked for, and what beside the data repeats the headers.
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

    fn judge(&self, answer: &Answer<'_>) -> Verdict {
        let head = Head::of(answer.text());
        let success = answer.status.is_success();
        let said = head.error(answer).or_else(|| (!success).then(|| plain_text(answer)).flatten());
        let Some(said) = said else {
            if success {
                return Verdict::Success;
            }
            let refusal = Refusal::by_status(answer.status, None);
            return Verdict::Failure(refusal.request_id(head.request_id));
        };
        let code = said.code.as_deref().unwrap_or_default().to_ascii_uppercase();
        let sense = Sense::of(&code);
        // A failed run is what was asked about: the answer, not a failure of the call.
        let run_failed = head.state.as_ref().is_some_and(QueryState::is_failure)
            || sense.as_ref().is_some_and(|sense| sense.about_query) && head.names_error();
        if answer.operation == GetQueryStatus::OPERATION && run_failed && code != "STATUS_NOT_FOUND"
        {
            return Verdict::Success;
        }
        let meant = said.status.and_then(|status| StatusCode::from_u16(status).ok());
        let error = Some(said.into_vendor_error());
        let refusal = match sense {
            Some(sense) => {
                let meant = StatusCode::from_u16(sense.status).unwrap_or(answer.status);
                let refusal = Refusal::by_status(meant, error).kind(sense.kind);
                refusal.advice(sense.advice).message(sense.hint)
            }
            // A problem says its status in the body, too.
            None => Refusal::by_status(meant.unwrap_or(answer.status), error),
        };
        Verdict::Failure(refusal.request_id(head.request_id))
    }

    fn rate(&self, _: &'static str) -> Option<Rate> {
        Some(RATE)
    }

    fn request_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let header = headers.get("x-request-id").or_else(|| headers.get("x-span-id"));
        header?.to_str().ok()
    }
}

/// What a code means. The HTTP status that comes with it does not count: the documentation gives a status for some codes
/// only, and says that all others come with 500, where repeating is of no use; and any of them may come with 200.
#[derive(Clone, Copy)]
struct Sense {
    /// The status it stands for.
    status: u16,
    kind: ErrorKind,
    advice: Advice,
    hint: &'static str,
    /// It is said of the query, and not of the call that asks how the query stands.
    about_query: bool,
}

const EXPIRED: &str = "not found or expired: status and results are kept for an hour after the end";
const NO_RESULTS: &str = "no results: the query has not succeeded yet, has failed, or its results have expired, an \
                          hour after the end";
const LOGIN: &str = "the login at the data source cannot be used, which is not about the API key: connect the source \
                     again, or check `ds_user`";
const DAILY: &str =
    "the licence's queries for this day are used up; waiting for minutes does not help";

/// Codes that mean one thing each. Sources: Supermetrics API, "Errors"; the vendor's `OpenAPI` file.
const CODES: [(&str, Sense); 25] = [
    // The credential.
    ("UNAUTHORIZED", Sense::new(401, ErrorKind::Auth, Advice::Refresh)),
    ("ACCESS_TOKEN_INVALID", Sense::new(401, ErrorKind::Auth, Advice::Refresh)),
    ("API_KEY_INVALID", Sense::new(401, ErrorKind::Auth, Advice::Refresh)),
    ("API_KEY_REQUIRED", Sense::new(401, ErrorKind::Auth, Advice::Refresh)),
    ("API_KEY_DISABLED", Sense::new(403, ErrorKind::Auth, Advice::Permanent)),
    // What it may do.
    ("FORBIDDEN", Sense::denied()),
    ("PERMISSION_ERROR", Sense::denied()),
    ("ACCESS_DENIED_IP", Sense::denied()),
    ("ACCESS_DENIED_PERMISSIONS", Sense::denied()),
    // What the licence lets it ask. Other licence codes are about the licence as a whole.
    (
        "LICENSE_DAILY_QUERY_LIMIT_EXCEEDED",
        Sense::new(429, ErrorKind::RateLimited, Advice::Permanent).hint(DAILY).about_query(),
    ),
    ("LICENSE_ACCESS_DATA_SOURCE", Sense::denied().about_query()),
    ("LICENSE_ACCOUNT_LIMIT_EXCEEDED", Sense::denied().about_query()),
    ("LICENSE_HISTORICAL_RANGE_EXCEEDED", Sense::denied().about_query()),
    ("LICENSE_ROW_LIMIT_EXCEEDED", Sense::denied().about_query()),
    // The query and its run.
    ("QUERY_AUTH_UNAVAILABLE", Sense::denied().hint(LOGIN).about_query()),
    ("QUERY_RESULTS_UNAVAILABLE", Sense::not_found().hint(NO_RESULTS)),
    ("STATUS_NOT_FOUND", Sense::not_found().hint(EXPIRED)),
    // The request.
    ("BAD_REQUEST", Sense::rejected(400)),
    ("CONFLICT_ERROR", Sense::rejected(409)),
    ("UNPROCESSABLE_ENTITY", Sense::rejected(422)),
    ("UNPROCESSABLE_CONTENT", Sense::rejected(422)),
    // The moment.
    ("TOO_MANY_REQUESTS", Sense::new(429, ErrorKind::RateLimited, Advice::None)),
    ("RATE_LIMIT_EXCEEDED", Sense::new(429, ErrorKind::RateLimited, Advice::None)),
    ("INTERNAL_SERVER_ERROR", Sense::new(500, ErrorKind::Server, Advice::None)),
    ("SERVICE_UNAVAILABLE", Sense::new(503, ErrorKind::Server, Advice::None)),
];

impl Sense {
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

    /// The sense of a code in capitals. The list of codes is long and not public as a whole: those beside the table are
    /// told by their names, and what has none of these names by the HTTP status.
    fn of(code: &str) -> Option<Self> {
        if let Some((_, sense)) = CODES.iter().find(|(known, _)| *known == code) {
            return Some(*sense);
        }
        if code.starts_with("LICENSE_") {
            Some(Self::denied())
        } else if code.ends_with("NOT_FOUND") {
            Some(Self::not_found())
        } else if code.starts_with("QUERY_") {
            // The run took place and failed at the data source: it counts, and repeating makes another one.
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

/// Why the vendor refused a call, or why a run failed: the same object in both places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryError {
    /// For programs: `QUERY_AUTH_UNAVAILABLE`.
    pub code: Option<Box<str>>,
    /// For people, short.
    pub message: Option<Box<str>>,
    /// For people, longer.
    pub description: Option<Box<str>>,
    /// The HTTP status it stands for, in the rows of a batch.
    pub status: Option<u16>,
    /// Where the vendor explains it.
    pub docs_url: Option<Box<str>>,
}

impl QueryError {
    /// The error in a member of an answer. Seen: an object, a text that is the code, and empty values that are none.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let error = match value {
            Value::Object(members) => Self::of_members(members),
            Value::String(code) => Self {
                code: filled(Some(value)).filter(|_| is_code(code)),
                message: filled(Some(value)).filter(|_| !is_code(code)),
                ..Self::default()
            },
            _ => return None,
        };
        (error != Self::default()).then_some(error)
    }

    fn of_members(members: &Map<String, Value>) -> Self {
        let status = members.get("status").and_then(Value::as_u64);
        let docs = members.get("links").and_then(|links| links.pointer("/docs/href"));
        Self {
            code: filled(members.get("code")),
            message: filled(members.get("message")),
            description: filled(members.get("description")),
            status: status.and_then(|status| status.try_into().ok()),
            docs_url: filled(docs),
        }
    }

    /// Both sentences as one, without repeating what they have in common.
    pub(super) fn sentence(&self) -> Option<Cow<'_, str>> {
        match (&self.message, &self.description) {
            (Some(message), Some(more)) if message != more => {
                Some(format!("{}: {more}", message.trim_end_matches(['.', ':'])).into())
            }
            (Some(text), _) | (None, Some(text)) => Some(Cow::Borrowed(text)),
            (None, None) => None,
        }
    }

    /// What may be done about it, where the code says so.
    pub(super) fn hint(&self) -> Option<&'static str> {
        let sense = Sense::of(&self.code.as_deref()?.to_ascii_uppercase())?;
        Some(sense.hint).filter(|hint| !hint.is_empty())
    }
}

/// Sentence and code.
impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = self.sentence().unwrap_or(Cow::Borrowed("the vendor gives no reason"));
        match &self.code {
            Some(code) => write!(f, "{} (code {code})", sentence.trim_end_matches('.')),
            None => f.write_str(sentence.trim_end_matches('.')),
        }
    }
}

/// A text that says something; numbers count as texts.
fn filled(value: Option<&Value>) -> Option<Box<str>> {
    match value? {
        Value::String(text) if !text.trim().is_empty() => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

fn is_code(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    text.len() <= 100 && !text.is_empty() && text.bytes().all(letter)
}

/// What an error body says.
struct Said {
    code: Option<Box<str>>,
    name: Option<Box<str>>,
    message: Option<Box<str>>,
    instance: Option<Box<str>>,
    /// The HTTP status it stands for, where it says so.
    status: Option<u16>,
    more: Map<String, Value>,
}

impl Said {
    fn into_vendor_error(self) -> VendorError {
        let Self { code, name, message, instance: instance_id, more, .. } = self;
        let parameters = if more.is_empty() { Value::Null } else { Value::Object(more) };
        VendorError { code, name, message, instance_id, parameters }
    }

    fn of(value: &Value) -> Option<Self> {
        let error = QueryError::of(value)?;
        let message = error.sentence().map(Into::into);
        let mut more = value.as_object().cloned().unwrap_or_default();
        more.retain(|name, _| !matches!(name.as_str(), "code" | "message"));
        Some(Self { code: error.code, name: None, message, instance: None, status: None, more })
    }
}

/// A sentence without any envelope, as gateways send it.
fn plain_text(answer: &Answer<'_>) -> Option<Said> {
    let text = answer.text().trim_end();
    let sentence = !matches!(text, "" | "null")
        && text.len() <= 300
        && !text.starts_with(['<', '{', '[', '"']);
    sentence.then(|| Said {
        code: None,
        name: None,
        message: Some(text.into()),
        instance: None,
        status: None,
        more: Map::new(),
    })
}

/// What stands around the rows of an answer. They are not read: the rows of a large answer are read once, when it is
/// decoded.
#[derive(Default)]
pub(super) struct Head {
    request_id: Option<Box<str>>,
    pub(super) state: Option<QueryState>,
    meta_error: Option<Value>,
    error: Option<Value>,
    /// Short members at the top, of error bodies without an envelope.
    flat: Map<String, Value>,
    /// There are members at the top that no error body has.
    others: bool,
    /// There are rows, and what comes after them was not read.
    has_rows: bool,
    /// The text is this object and nothing else, as far as it was read.
    alone: bool,
}

impl Head {
    /// The head of a JSON object; of anything else an empty one.
    pub(super) fn of(text: &str) -> Self {
        let mut head = Self::default();
        if !text.starts_with('{') {
            return head;
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        head.alone = match reader.deserialize_map(Top(&mut head)) {
            Ok(()) => reader.end().is_ok(),
            Err(_) => head.has_rows,
        };
        head
    }

    /// Whether the error stands where the model of a run has it, so that the run can say why it failed.
    fn names_error(&self) -> bool {
        let mut errors = [&self.error, &self.meta_error].into_iter().flatten();
        errors.any(|error| QueryError::of(error).is_some())
    }

    /// The error in an answer, in the order of the places where it has been seen. In a success only what cannot be
    /// anything else counts: a file of one JSON object for each row may have a column named "title".
    fn error(&self, answer: &Answer<'_>) -> Option<Said> {
        let success = answer.status.is_success();
        if success && !self.alone {
            return None;
        }
        let member = self.error.as_ref().filter(|error| error.is_object());
        if let Some(said) = member.and_then(Said::of) {
            return Some(said);
        }
        if let Some(code) = &self.error
            && (!success || code.as_str().is_some_and(is_code))
            && let Some(mut said) = Said::of(code)
        {
            let message = self.flat.get("message").or_else(|| self.flat.get("description"));
            said.message = filled(message).or(said.message);
            return Some(said);
        }
        if let Some(said) = self.meta_error.as_ref().and_then(Said::of) {
            return Some(said);
        }
        // RFC 9457, and beside it bodies that are the error object itself.
        let text = |name: &str| filled(self.flat.get(name));
        let status = self.flat.get("status").and_then(Value::as_u64);
        let status = status.filter(|status| (400..600).contains(status));
        let media = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let problem = media.is_some_and(|media| media.starts_with("application/problem+json"))
            || (status.is_some()
                && text("title").is_some()
                && text("type").is_some()
                && !self.others);
        if success && !problem {
            return None;
        }
        let mut more = self.flat.clone();
        more.retain(|name, _| matches!(name.as_str(), "type" | "status"));
        let said = Said {
            code: text("code"),
            name: text("title"),
            message: text("detail").or_else(|| text("message")).or_else(|| text("title")),
            instance: text("instance"),
            status: status.and_then(|status| status.try_into().ok()),
            more,
        };
        (said.code.is_some() || said.message.is_some()).then_some(said)
    }
}

/// Reads the members of an answer into its head, up to the first row.
struct Top<'h>(&'h mut Head);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        #[derive(Deserialize)]
        struct Meta {
            #[serde(default)]
            request_id: Option<Value>,
            #[serde(default)]
            status_code: Option<Value>,
            #[serde(default)]
            error: Option<Value>,
        }
        while let Some(Text(name)) = map.next_key()? {
            match &*name {
                "meta" => {
                    if let Some(meta) = map.next_value::<Option<Meta>>()? {
                        self.0.request_id = filled(meta.request_id.as_ref());
                        let state = meta.status_code.as_ref().and_then(Value::as_str);
                        self.0.state = state.map(QueryState::from);
                        self.0.meta_error = meta.error;
                    }
                }
                "error" => self.0.error = map.next_value()?,
                "data" => map.next_value_seed(FirstRow(&mut self.0.has_rows))?,
                "type" | "title" | "status" | "detail" | "instance" | "message" | "description"
                | "code" => drop(self.0.flat.insert(name.into_owned(), map.next_value()?)),
                _ => {
                    self.0.others = true;
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Notes whether a value is a list with anything in it. Of such a list only the beginning is read: the reading ends
/// with an error there.
struct FirstRow<'h>(&'h mut bool);

impl<'de> DeserializeSeed<'de> for FirstRow<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FirstRow<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        *self.0 = seq.next_element::<IgnoredAny>()?.is_some();
        if *self.0 { Err(S::Error::custom("there are rows")) } else { Ok(()) }
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn judge_as(operation: &'static str, status: u16, body: &str) -> Option<Refusal> {
        let (headers, body) = (HeaderMap::new(), Bytes::copy_from_slice(body.as_bytes()));
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer { operation, status, headers: &headers, body: &body };
        match SupermetricsDialect.judge(&answer) {
            Verdict::Failure(refusal) => Some(refusal),
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
    fn a_code_that_says_nothing_leaves_the_status_to_decide() {
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
    fn a_problem_is_one_whatever_the_status_it_comes_with() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/problem+json; charset=utf-8".parse().unwrap());
        let body =
            Bytes::from_static(br#"{"title":"Unauthorized","status":401,"detail":"no key"}"#);
        for status in [StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::BAD_GATEWAY] {
            let answer = Answer { operation: "test", status, headers: &headers, body: &body };
            let Verdict::Failure(refusal) = SupermetricsDialect.judge(&answer) else {
                panic!("{status}")
            };
            assert_eq!((refusal.kind, refusal.status.as_u16()), (ErrorKind::Auth, 401), "{status}");
        }
    }

    #[test]
    fn an_error_is_found_in_a_success_and_rows_are_not_taken_for_one() {
        for error in [
            r#"{"meta":{},"error":{"code":"X"},"data":null}"#,
            r#"{"data":[],"error":{"message":"no"}}"#,
            r#"{"data":{"rows":[[1]]},"error":{"message":"no"}}"#,
            r#"{"error":{"code":"X"},"data":[["a"]]}"#,
            r#"{"error":"LINK_GONE"}"#,
            r#"{"meta":{"error":{"message":"no"}}}"#,
            "\u{feff} {\"error\":{\"code\":\"X\"}}",
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
    fn a_failed_run_is_an_answer_to_who_asks_how_it_stands_and_a_refused_look_is_none() {
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
        // A body that has the error where the model of a run does not look: its run would seem to go on.
        for unread in [
            r#"{"code":"QUERY_ERROR","message":"no"}"#,
            r#"{"type":"x","title":"x","status":500,"code":"QUERY_ERROR"}"#,
        ] {
            assert!(status(500, unread).is_some(), "{unread}");
        }
        let failed = r#"{"meta":{"status_code":"FAILURE"},"error":{"code":"SOMETHING_NEW"}}"#;
        assert!(status(500, failed).is_none());
        assert!(status(500, &failed.replace("FAILURE", "SUCCESS")).is_some());
        assert!(judge(500, failed).is_some(), "who asks for rows is told that there are none");
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

    #[test]
    fn the_rows_of_a_large_answer_are_not_read_to_judge_it() {
        // What stands behind the first row is not even JSON.
        let head =
            Head::of(r#"{"meta":{"request_id":"r","status_code":"SUCCESS"},"data":[["a"], oops"#);
        assert!(head.has_rows && head.alone);
        assert_eq!(
            (head.state, head.request_id.as_deref()),
            (Some(QueryState::Success), Some("r"))
        );
    }
}
