//! The forms of responses.

use serde_json::{Map, Value, json};

use super::AdminErrors;
use super::state::State;
use crate::testing::kit::{self, Response};

pub(super) type ParsedRequest = kit::ParsedRequest<State>;
pub(super) type Reply = kit::Reply<State>;

const JSON: &str = "application/json;charset=UTF-8";

/// The API of a request, which decides the format of errors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Api {
    /// `/admin`
    Admin,
    /// `/portaladmin`
    PortalAdmin,
    /// `/sharing/rest`
    Sharing,
    /// `/admin` of a Notebook Server
    NotebookServer,
}

/// How responses are written.
#[derive(Clone, Default)]
pub(super) struct Style {
    pub(super) admin_errors: AdminErrors,
    pub(super) true_statuses: bool,
}

/// Why there is no data.
#[derive(Clone)]
pub enum Refusal {
    /// An error of the vendor's own. Its HTTP status is 200, whatever its code.
    Error {
        code: u16,
        message: String,
        details: Vec<String>,
        /// Only the OAuth 2.0 endpoint names its errors.
        oauth: Option<&'static str>,
    },
    /// A web page: status and heading.
    Page(u16, &'static str),
}

pub(super) fn data(body: impl Into<Value>) -> Response {
    Response::json(200, body).with_media_type(JSON)
}

impl Refusal {
    pub(super) fn error(code: u16, message: &str) -> Self {
        Self::Error { code, message: message.to_owned(), details: Vec::new(), oauth: None }
    }

    pub(super) fn bad_request(detail: &str) -> Self {
        Self::Error {
            code: 400,
            message: "The request cannot be carried out.".to_owned(),
            details: vec![detail.to_owned()],
            oauth: None,
        }
    }

    pub(super) fn oauth(name: &'static str, description: &str) -> Self {
        Self::Error {
            code: 400,
            message: description.to_owned(),
            details: Vec::new(),
            oauth: Some(name),
        }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::error(404, &format!("There is no such {what} here."))
    }

    pub(super) fn invalid_token() -> Self {
        Self::error(498, "The token is not valid.")
    }

    pub(super) fn token_required() -> Self {
        Self::error(499, "A token is needed.")
    }

    pub(super) fn denied() -> Self {
        Self::error(403, "This account may not do that.")
    }

    /// The usual refusal with a code: 502 to 504 come from a proxy, all others from the vendor.
    pub(super) fn usual(code: u16) -> Self {
        match code {
            403 => Self::denied(),
            498 => Self::invalid_token(),
            499 => Self::token_required(),
            502 => Self::Page(502, "Bad gateway"),
            503 => Self::Page(503, "Service unavailable"),
            504 => Self::Page(504, "Gateway time-out"),
            _ => Self::error(code, &format!("The fake was told to respond with {code}.")),
        }
    }

    /// A path that the web adaptor does not know.
    pub(super) fn nowhere() -> Self {
        Self::Page(404, "Nothing is here")
    }

    pub(super) fn into_response(self, api: Api, style: &Style) -> Response {
        let (code, message, mut details, oauth) = match self {
            Self::Error { code, message, details, oauth } => (code, message, details, oauth),
            Self::Page(status, heading) => {
                let page = format!("<!DOCTYPE html><html><body><h1>{heading}</h1></body></html>");
                return Response::new(status, "text/html;charset=UTF-8", page);
            }
        };
        let status = if style.true_statuses { code } else { 200 };
        let own_form = match api {
            Api::Sharing => false,
            // Its errors about tokens are those of the rest of the portal.
            Api::PortalAdmin => !matches!(code, 498 | 499),
            Api::Admin | Api::NotebookServer => true,
        };
        if own_form && style.admin_errors == AdminErrors::Messages {
            details.insert(0, message);
            let body = json!({ "status": "error", "messages": details, "code": code });
            return Response::json(status, body).with_media_type(JSON);
        }
        let mut error = Map::new();
        let mut put = |name: &str, value: Value| error.insert(name.to_owned(), value);
        put("code", code.into());
        put("details", details.into());
        if code == 403 {
            put("messageCode", "GWM_0003".into());
        }
        if let Some(name) = oauth {
            put("error", name.into());
            put("error_description", message.as_str().into());
        }
        put("message", message.into());
        Response::json(status, json!({ "error": error })).with_media_type(JSON)
    }
}
