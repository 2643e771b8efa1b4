//! The forms an answer takes, who may call, and the token endpoint.

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use url::form_urlencoded;
use wiremock::http::{HeaderName, HeaderValue};
use wiremock::{Request, ResponseTemplate};

use super::FakeFoundry;
use super::state::State;

/// The header that names a request in the vendor's traces.
pub(super) const TRACE_HEADER: &str = "x-b3-traceid";

/// What goes back, before it becomes bytes.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Body,
}

#[derive(Clone)]
pub(super) enum Body {
    Empty,
    Json(Value),
    /// The service's own form of an error; each gets an instance id of its own as it is sent.
    Error(Value),
    /// Sent as it is, with this content type, if any.
    Raw(String, &'static str),
}

/// Either way it is sent; `Err` only ends the work early.
pub(super) type Reply = Result<Answer, Answer>;

impl Answer {
    fn new(status: u16, body: Body) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    pub(super) fn json(body: Value) -> Self {
        Self::new(200, Body::Json(body))
    }

    /// Done, and nothing to say.
    pub(super) fn done() -> Self {
        Self::new(204, Body::Empty)
    }

    pub(super) fn raw(status: u16, headers: Vec<(HeaderName, HeaderValue)>, body: &str) -> Self {
        Self { status, headers, body: Body::Raw(body.to_owned(), "") }
    }

    /// The API is not there, which is not the same as [`not_found`](Self::not_found).
    pub(super) fn no_such_api() -> Self {
        Self::new(404, Body::Empty)
    }

    /// An error the service has a name for. Its code follows from the status.
    pub(super) fn error(status: u16, name: &str, parameters: &Value) -> Self {
        let code = match status {
            400 | 415 | 422 => "INVALID_ARGUMENT",
            401 => "UNAUTHORIZED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            409 => "CONFLICT",
            413 => "REQUEST_ENTITY_TOO_LARGE",
            500 => "INTERNAL",
            402..500 => "CUSTOM_CLIENT",
            _ => "CUSTOM_SERVER",
        };
        let body = json!({ "errorCode": code, "errorName": name, "parameters": parameters });
        Self::new(status, Body::Error(body))
    }

    pub(super) fn bad_request(name: &str, parameters: &Value) -> Self {
        Self::error(400, name, parameters)
    }

    /// A request the definition does not allow.
    pub(super) fn invalid(description: &str) -> Self {
        let body = json!({
            "errorCode": "INVALID_ARGUMENT",
            "errorName": "Conjure:InvalidArgument",
            "errorDescription": description,
            "parameters": {},
        });
        Self::new(400, Body::Error(body))
    }

    /// `what` is such as `Build`; the error is then `BuildNotFound`, its parameter `buildRid`.
    pub(super) fn not_found(what: &str, rid: &str) -> Self {
        let (first, rest) = what.split_at(1);
        let parameter = format!("{}{rest}Rid", first.to_lowercase());
        Self::error(404, &format!("{what}NotFound"), &json!({ (parameter): rid }))
    }

    /// The body that usually comes with a status: an error of no operation, a proxy's page, or none.
    pub(super) fn usual(status: u16) -> Self {
        let name = match status {
            400 => "Default:InvalidArgument",
            401 => return Self::error(401, "Default:Unauthorized", &json!({ "error": "EXPIRED" })),
            403 => "Default:PermissionDenied",
            404 | 414 | 429 | 431 | 503 => return Self::new(status, Body::Empty),
            409 => "Default:Conflict",
            413 => "Default:RequestEntityTooLarge",
            415 => "Conjure:UnsupportedMediaType",
            422 => "Conjure:UnprocessableEntity",
            500 => "Default:Internal",
            502 | 504 => {
                let page = format!("<html><body><h1>{status}</h1></body></html>");
                return Self::new(status, Body::Raw(page, "text/html"));
            }
            _ => "Default:MadeToFail",
        };
        Self::error(status, name, &json!({}))
    }

    /// hyper adds `Date` where it is missing.
    pub(super) fn into_response(self, trace: HeaderValue, instance: String) -> ResponseTemplate {
        let template = ResponseTemplate::new(self.status).insert_header(TRACE_HEADER, trace);
        let template = match self.body {
            Body::Empty => template,
            Body::Json(body) => template.set_body_raw(body.to_string(), "application/json"),
            Body::Error(mut body) => {
                if let Some(body) = body.as_object_mut() {
                    body.insert("errorInstanceId".to_owned(), instance.into());
                }
                template.set_body_raw(body.to_string(), "application/json")
            }
            Body::Raw(body, mime) => template.set_body_raw(body, mime),
        };
        template.append_headers(self.headers)
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let value = request.headers.get(name)?.to_str().ok()?;
    (!value.is_empty()).then_some(value)
}

/// Parameters such as `charset` do not matter.
pub(super) fn has_type(request: &Request, wanted: &str) -> bool {
    header(request, "content-type")
        .and_then(|value| value.split(';').next())
        .is_some_and(|mime| mime.trim().eq_ignore_ascii_case(wanted))
}

/// Whether the request has a token that is valid now.
pub(super) fn check_token(state: &State, request: &Request) -> Result<(), Answer> {
    let value = header(request, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = value.filter(|token| !token.is_empty()) else {
        return Err(Answer::error(401, "MissingCredentials", &json!({})));
    };
    let is = |known: &String| known == token;
    if state.tokens.iter().any(is) {
        return Ok(());
    }
    if state.expired_tokens.iter().any(is) {
        return Err(Answer::usual(401));
    }
    Err(Answer::error(401, "Default:Unauthorized", &json!({})))
}

/// Scopes an application of this fake may ask for.
const SCOPES: [&str; 4] =
    ["api:orchestration-read", "api:orchestration-write", "api:datasets-read", "offline_access"];

/// `POST /multipass/api/oauth2/token`.
pub(super) fn token(state: &mut State, request: &Request) -> Answer {
    match check_token_request(request) {
        Ok(()) => Answer::json(json!({
            "access_token": state.mint_token(),
            "token_type": "bearer",
            "expires_in": 3600,
        })),
        Err((error, description)) => {
            let body = json!({ "error": error, "error_description": description });
            let mut answer = Answer::new(400, Body::Json(body));
            if error == "invalid_client" {
                answer.status = 401;
                let name = HeaderName::from_static("www-authenticate");
                answer.headers.push((name, HeaderValue::from_static("Basic realm=\"fake\"")));
            }
            answer
        }
    }
}

fn check_token_request(request: &Request) -> Result<(), (&'static str, &'static str)> {
    if request.method.as_str() != "POST" {
        return Err(("invalid_request", "method must be POST"));
    }
    if request.url.query().is_some() {
        return Err(("invalid_request", "parameters belong in the body"));
    }
    if !has_type(request, "application/x-www-form-urlencoded") {
        return Err(("invalid_request", "content-type must be a form"));
    }
    let (mut grant, mut id, mut secret, mut scope) = (None, None, None, None);
    for (name, value) in form_urlencoded::parse(&request.body) {
        let field = match name.as_ref() {
            "grant_type" => &mut grant,
            "client_id" => &mut id,
            "client_secret" => &mut secret,
            "scope" => &mut scope,
            _ => return Err(("invalid_request", "unknown parameter")),
        };
        if field.replace(value.into_owned()).is_some() {
            return Err(("invalid_request", "parameter is there twice"));
        }
    }
    if grant.as_deref() != Some("client_credentials") {
        return Err(("unsupported_grant_type", "grant_type must be client_credentials"));
    }
    if let Some(value) = header(request, "authorization") {
        let Some((user, password)) = basic(value) else {
            return Err(("invalid_client", "authorization is not HTTP Basic"));
        };
        if secret.replace(password).is_some() {
            return Err(("invalid_request", "the secret is there twice"));
        }
        if id.get_or_insert_with(|| user.clone()) != &user {
            return Err(("invalid_request", "two clients are named"));
        }
    }
    if id.as_deref() != Some(FakeFoundry::CLIENT_ID) {
        return Err(("invalid_client", "unknown client_id"));
    }
    if secret.as_deref() != Some(FakeFoundry::CLIENT_SECRET) {
        return Err(("invalid_client", "wrong client_secret"));
    }
    if scope.is_some_and(|scope| !scope.split(' ').all(|one| SCOPES.contains(&one))) {
        return Err(("invalid_scope", "unknown scope"));
    }
    Ok(())
}

/// User and password, each form-encoded before they were joined, as OAuth 2.0 has it.
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    let plain = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    Some((plain(user)?, plain(password)?))
}
