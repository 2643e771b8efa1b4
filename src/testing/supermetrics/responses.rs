//! The forms of responses: the bodies of refusals, and the headers of all responses.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::state::State;
use crate::testing::kit::{self, Body, Response};

pub(super) type ParsedRequest = kit::ParsedRequest<State>;
pub(super) type Reply = kit::Reply<State>;
pub(super) type Object = Map<String, Value>;

/// As documented, an hour's worth.
const RATE_LIMIT: u32 = 5000;

/// The body of a refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorShape {
    /// `{"meta":{"request_id"},"error":{"code","message","description"}}`, the documented one.
    #[default]
    Envelope,
    /// The same, with `links` to the documentation inside `error`.
    EnvelopeWithLinks,
    /// RFC 9457: `{"type","title","status","detail","instance"}`, as `application/problem+json`.
    Problem,
    /// `{"error":"CODE","message"}`: `error` is text.
    Flat,
    /// `{"error":{"message"}}`: no code.
    MessageOnly,
    /// `{"meta":{"request_id","error":{"code","message"}}}`.
    UnderMeta,
    /// A web page with the HTTP status and nothing else.
    Html,
}

/// What a response without rows has instead of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoData {
    /// `"data":[]`.
    #[default]
    Empty,
    /// `"data":null`.
    Null,
    /// No `data`.
    Absent,
}

/// The format of rows in `data`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowShape {
    /// `[["Date","Clicks"],["2026-03-01","7"]]`.
    #[default]
    Arrays,
    /// `[{"Date":"2026-03-01","Clicks":"7"}]`, without a row of headers.
    Objects,
    /// `{"rows":[["Date","Clicks"],["2026-03-01","7"]]}`.
    Wrapped,
}

/// What `meta.paginate` is on the last page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LastPage {
    /// `{"prev":…,"next":null}`.
    #[default]
    Null,
    /// `{}`.
    Empty,
    /// There is none.
    Absent,
    /// Its `next` links to the same page.
    Repeats,
}

/// Which responses link to the next page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextLinks {
    /// Those to GET, as documented.
    #[default]
    Get,
    /// Those to POST, too.
    Always,
    /// None.
    Never,
}

/// Settings of the format of responses.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(super) struct Form {
    /// The fake's own.
    pub(super) origin: String,
    /// The origin of links to pages, if it is another one.
    pub(super) foreign_origin: Option<String>,
    pub(super) error_shape: ErrorShape,
    pub(super) errors_inside_200: bool,
    pub(super) failures_name_state: bool,
    /// Whether an unfinished data call gets 200 instead of 202.
    pub(super) unfinished_is_200: bool,
    /// HTTP status of `STATUS_NOT_FOUND`; 0 means 404.
    pub(super) not_found_status: u16,
    pub(super) no_data: NoData,
    pub(super) row_shape: RowShape,
    pub(super) last_page: LastPage,
    pub(super) next_links: NextLinks,
    pub(super) lower_case_states: bool,
    pub(super) numeric_cells: bool,
    pub(super) later_pages_nameless: bool,
    pub(super) times_without_zone: bool,
    pub(super) no_rate_headers: bool,
    /// Requests left before 429.
    pub(super) rate_left: Option<u32>,
    /// Requests served so far.
    pub(super) answered: u32,
}

impl Form {
    pub(super) fn time(&self, at: DateTime<Utc>) -> Value {
        let form = if self.times_without_zone { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%SZ" };
        at.format(form).to_string().into()
    }

    pub(super) fn state(&self, state: &str) -> String {
        if self.lower_case_states { state.to_lowercase() } else { state.to_owned() }
    }

    /// HTTP status of an error. A code without a documented status gets 500.
    pub(super) fn status_of(&self, code: &str) -> u16 {
        match code {
            "STATUS_NOT_FOUND" if self.not_found_status > 0 => self.not_found_status,
            "BAD_REQUEST" => 400,
            "UNAUTHORIZED" | "ACCESS_TOKEN_INVALID" | "API_KEY_INVALID" | "API_KEY_REQUIRED" => 401,
            "FORBIDDEN"
            | "PERMISSION_ERROR"
            | "ACCESS_DENIED_IP"
            | "ACCESS_DENIED_PERMISSIONS"
            | "API_KEY_DISABLED"
            | "QUERY_AUTH_UNAVAILABLE" => 403,
            "LICENSE_ACCOUNT_LIMIT_EXCEEDED"
            | "LICENSE_EXPIRED"
            | "LICENSE_HISTORICAL_RANGE_EXCEEDED"
            | "LICENSE_QUERIES_SUSPENDED"
            | "LICENSE_ROW_LIMIT_EXCEEDED" => 403,
            "NOT_FOUND" | "STATUS_NOT_FOUND" | "QUERY_RESULTS_UNAVAILABLE" => 404,
            "CONFLICT_ERROR" => 409,
            "UNPROCESSABLE_ENTITY" | "UNPROCESSABLE_CONTENT" => 422,
            "TOO_MANY_REQUESTS" | "LICENSE_DAILY_QUERY_LIMIT_EXCEEDED" | "RATE_LIMIT_EXCEEDED" => {
                429
            }
            "SERVICE_UNAVAILABLE" => 503,
            _ if code.starts_with("ACCOUNT") || code.starts_with("COMPARE_") => 400,
            _ => 500,
        }
    }

    /// A refusal as it is sent.
    pub(super) fn refuse(&self, refusal: &Refusal, request_id: &str) -> Response {
        let status = refusal.status.unwrap_or_else(|| self.status_of(&refusal.code));
        let (code, message) = (refusal.code.as_str(), refusal.message.as_str());
        let mut meta = refusal.meta.clone();
        let mut error = json!({ "code": code, "message": message });
        let mut add = |name: &str, value: Value| {
            if let Some(error) = error.as_object_mut() {
                error.insert(name.to_owned(), value);
            }
        };
        if let Some(text) = &refusal.description {
            add("description", text.as_str().into());
        }
        if self.error_shape == ErrorShape::EnvelopeWithLinks {
            let link = |page| json!({ "href": format!("https://docs.example/{page}") });
            add("links", json!({ "docs": link("errors"), "help": link("help") }));
        }
        let sent = if self.errors_inside_200 { 200 } else { status };
        let mut response = match self.error_shape {
            _ if refusal.html => Response::page(sent, status),
            ErrorShape::Html => Response::page(sent, status),
            ErrorShape::Envelope | ErrorShape::EnvelopeWithLinks => {
                Response::json(sent, json!({ "meta": meta, "error": error }))
            }
            ErrorShape::Problem => {
                let problem = json!({
                    "type": format!("https://docs.example/problems/{}", code.to_lowercase()),
                    "title": message, "status": status,
                    "detail": refusal.description.as_deref().unwrap_or(message),
                    "instance": format!("{}/requests/{request_id}", self.origin),
                });
                Response::new(sent, "application/problem+json", problem.to_string())
            }
            ErrorShape::Flat => Response::json(sent, json!({ "error": code, "message": message })),
            ErrorShape::MessageOnly => {
                Response::json(sent, json!({ "error": { "message": message } }))
            }
            ErrorShape::UnderMeta => {
                meta.insert("error".to_owned(), error);
                Response::json(sent, json!({ "meta": meta }))
            }
        };
        if status == 401 {
            response.header("www-authenticate", "Bearer realm=\"supermetrics\"");
        }
        if status == 429 && !self.no_rate_headers {
            response.header("retry-after", if refusal.exhausted { "3600" } else { "1" });
        }
        response
    }

    /// Adds what every response has.
    pub(super) fn completed(&self, mut response: Response, request_id: &str) -> Response {
        if let Body::Json(body) = &mut response.body
            && let Some(meta) = body.get_mut("meta").and_then(Value::as_object_mut)
        {
            meta.insert("request_id".to_owned(), request_id.into());
        }
        response.header("x-request-id", request_id);
        response.header("access-control-allow-origin", "*");
        if !self.no_rate_headers {
            let left = self.rate_left.unwrap_or(RATE_LIMIT.saturating_sub(self.answered));
            response.header("x-ratelimit-limit", &RATE_LIMIT.to_string());
            response.header("x-ratelimit-remaining", &left.to_string());
        }
        response
    }
}

/// Why something is refused, before it has a body.
#[derive(Clone, Debug, Default)]
pub struct Refusal {
    /// If not set, the code decides.
    status: Option<u16>,
    code: String,
    message: String,
    description: Option<String>,
    /// Members of `meta` besides `request_id`.
    pub(super) meta: Object,
    /// This one is a web page, whatever the setting for errors.
    html: bool,
    /// Too many requests for this hour, not for this second.
    exhausted: bool,
}

impl Refusal {
    pub(super) fn new(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned(), ..Self::default() }
    }

    pub(super) fn bad_request(description: &str) -> Self {
        Self::invalid("BAD_REQUEST", description)
    }

    /// A parameter that is not as it must be.
    pub(super) fn invalid(code: &str, description: &str) -> Self {
        let description = Some(description.to_owned());
        Self { description, ..Self::new(code, "The request cannot be carried out as it is") }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new("NOT_FOUND", &format!("There is no such {what}"))
    }

    /// The schedule ID is unknown, or has expired.
    pub(super) fn status_not_found() -> Self {
        Self::new("STATUS_NOT_FOUND", "There is no query with this schedule ID, or it is too old")
    }

    /// It has not succeeded, or is too old, or there was none.
    pub(super) fn results_unavailable() -> Self {
        Self::new("QUERY_RESULTS_UNAVAILABLE", "There are no results of this query")
    }

    pub(super) fn too_many() -> Self {
        Self { exhausted: true, ..Self::new("TOO_MANY_REQUESTS", "No requests are left this hour") }
    }

    /// With the status given, whatever the code.
    pub(super) fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// What usually comes with a status.
    pub(super) fn usual(status: u16) -> Self {
        let code = match status {
            401 => "UNAUTHORIZED",
            403 => "FORBIDDEN",
            404 => "NOT_FOUND",
            409 => "CONFLICT_ERROR",
            422 => "UNPROCESSABLE_ENTITY",
            429 => "TOO_MANY_REQUESTS",
            503 => "SERVICE_UNAVAILABLE",
            400..=499 => "BAD_REQUEST",
            _ => "INTERNAL_SERVER_ERROR",
        };
        let html = matches!(status, 502 | 504);
        let refusal = Self::new(code, &format!("The fake was told to respond with {status}"));
        Self { html, ..refusal.with_status(status) }
    }
}
