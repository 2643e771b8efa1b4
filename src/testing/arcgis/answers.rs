//! The forms an answer takes.

use serde_json::{Map, Value, json};
use wiremock::ResponseTemplate;
use wiremock::http::{HeaderName, HeaderValue};

use super::AdminErrors;

const JSON: &str = "application/json;charset=UTF-8";
const HTML: &str = "text/html;charset=UTF-8";

/// Who is asked, which decides how errors look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Api {
    /// `/admin`
    Admin,
    /// `/portaladmin`
    PortalAdmin,
    /// `/sharing/rest`
    Sharing,
}

/// How answers are written.
#[derive(Clone, Default)]
pub(super) struct Style {
    pub(super) admin_errors: AdminErrors,
    pub(super) true_statuses: bool,
}

/// What goes back, before it becomes bytes.
#[derive(Clone)]
pub(super) enum Answer {
    Data(Value),
    Refused(Refusal),
    /// For people: a status and a heading.
    Page(u16, &'static str),
    Raw {
        status: u16,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: String,
    },
}

/// An error of the vendor's own. It travels in HTTP 200, whatever its code.
#[derive(Clone)]
pub(super) struct Refusal {
    code: u16,
    message: String,
    details: Vec<String>,
    /// Only the OAuth 2.0 endpoint names its errors.
    oauth: Option<&'static str>,
}

/// Either way it is sent; `Err` only ends the work early.
pub(super) type Reply = Result<Answer, Answer>;

impl Answer {
    pub(super) fn error(code: u16, message: &str) -> Self {
        Self::Refused(Refusal {
            code,
            message: message.to_owned(),
            details: Vec::new(),
            oauth: None,
        })
    }

    pub(super) fn bad_request(detail: &str) -> Self {
        Self::Refused(Refusal {
            code: 400,
            message: "The request cannot be carried out.".to_owned(),
            details: vec![detail.to_owned()],
            oauth: None,
        })
    }

    pub(super) fn oauth(name: &'static str, description: &str) -> Self {
        Self::Refused(Refusal {
            code: 400,
            message: description.to_owned(),
            details: Vec::new(),
            oauth: Some(name),
        })
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

    /// What usually comes with a code: 502 to 504 are a proxy's, all others the vendor's own.
    pub(super) fn usual(code: u16) -> Self {
        match code {
            403 => Self::denied(),
            498 => Self::invalid_token(),
            499 => Self::token_required(),
            502 => Self::Page(502, "Bad gateway"),
            503 => Self::Page(503, "Service unavailable"),
            504 => Self::Page(504, "Gateway time-out"),
            _ => Self::error(code, &format!("The fake was told to answer {code}.")),
        }
    }

    /// Where a web adaptor knows nothing.
    pub(super) fn nowhere() -> Self {
        Self::Page(404, "Nothing is here")
    }

    /// hyper adds `Date`.
    pub(super) fn into_response(self, api: Api, style: &Style, pretty: bool) -> ResponseTemplate {
        let json = |body: &Value| if pretty { format!("{body:#}") } else { body.to_string() };
        match self {
            Self::Data(body) => ResponseTemplate::new(200).set_body_raw(json(&body), JSON),
            Self::Refused(refusal) => {
                let status = if style.true_statuses { refusal.code } else { 200 };
                let body = refusal.body(api, style.admin_errors);
                ResponseTemplate::new(status).set_body_raw(json(&body), JSON)
            }
            Self::Page(status, heading) => {
                let page = format!(
                    "<!DOCTYPE html><html><head><title>{heading}</title></head>\
                     <body><h1>{heading}</h1></body></html>"
                );
                ResponseTemplate::new(status).set_body_raw(page, HTML)
            }
            Self::Raw { status, headers, body } => {
                ResponseTemplate::new(status).set_body_raw(body, "").append_headers(headers)
            }
        }
    }
}

impl Refusal {
    fn body(self, api: Api, admin_errors: AdminErrors) -> Value {
        let of_token = matches!(self.code, 498 | 499);
        let own_form = match api {
            Api::Sharing => false,
            // It complains about tokens like the rest of the portal.
            Api::PortalAdmin => !of_token,
            Api::Admin => true,
        };
        if own_form && admin_errors == AdminErrors::Messages {
            let mut messages = vec![self.message];
            messages.extend(self.details);
            return json!({ "status": "error", "messages": messages, "code": self.code });
        }
        let mut error = Map::new();
        let mut put = |name: &str, value: Value| error.insert(name.to_owned(), value);
        put("code", self.code.into());
        put("details", self.details.into());
        if self.code == 403 {
            put("messageCode", "GWM_0003".into());
        }
        if let Some(name) = self.oauth {
            put("error", name.into());
            put("error_description", self.message.as_str().into());
        }
        put("message", self.message.into());
        json!({ "error": error })
    }
}
