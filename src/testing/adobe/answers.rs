//! The forms an answer takes, what every request must carry, and the token endpoint.

use serde_json::{Value, json};
use url::form_urlencoded;
use wiremock::http::{HeaderName, HeaderValue};
use wiremock::{Request, ResponseTemplate};

use super::FakeAdobe;
use super::state::State;

/// What goes back, before it becomes bytes.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: String,
    pub(super) mime: &'static str,
}

/// Either way it is sent; `Err` only ends the work early.
pub(super) type Reply = Result<Answer, Answer>;

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string(), mime: "application/json" }
    }

    /// The service's own form: acknowledgements and its refusals.
    pub(super) fn service(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "message": message, "statusCode": status }))
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::service(400, message)
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::service(404, &format!("{what} not found"))
    }

    /// The gateway's form. The code is text and its first three digits are the status.
    fn gateway(status: u16, reason: &str, message: &str) -> Self {
        let code = format!("{status}{reason}");
        Self::json(status, &json!({ "error_code": code, "message": message }))
    }

    /// The platform's problem form.
    fn problem(detail: &str) -> Self {
        let body = json!({
            "type": "http://ns.adobe.com/aep/errors/FAKE-0001-400",
            "title": "Bad Request",
            "status": 400,
            "detail": detail,
            "report": { "tenantInfo": {
                "imsOrgId": FakeAdobe::ORG_ID,
                "sandboxName": FakeAdobe::SANDBOX,
            } },
        });
        Self::json(400, &body)
    }

    /// The body that usually comes with a status: gateway, service, or a proxy's page.
    pub(super) fn usual(status: u16) -> Self {
        match status {
            401 => Self::gateway(401, "013", "Oauth token is not valid"),
            403 => Self::gateway(403, "025", "Profile is not valid"),
            429 => Self::gateway(429, "050", "Too many requests"),
            502..=504 => Self {
                status,
                headers: Vec::new(),
                body: format!("<html><body><h1>{status}</h1></body></html>"),
                mime: "text/html",
            },
            _ => Self::service(status, &format!("the fake was told to answer {status}")),
        }
    }

    /// hyper adds `Date` where it is missing.
    pub(super) fn into_response(self, request_id: HeaderValue) -> ResponseTemplate {
        ResponseTemplate::new(self.status)
            .insert_header("x-request-id", request_id)
            .set_body_raw(self.body, self.mime)
            .append_headers(self.headers)
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let value = request.headers.get(name)?.to_str().ok()?;
    (!value.is_empty()).then_some(value)
}

/// Looks at the headers every API request needs; first the gateway's, then the platform's.
pub(super) fn check_headers(request: &Request, tokens: &[String]) -> Result<(), Answer> {
    let Some(org) = header(request, "x-gw-ims-org-id") else {
        return Err(Answer::gateway(400, "003", "Missing header"));
    };
    let Some(authorization) = header(request, "authorization") else {
        return Err(Answer::gateway(403, "010", "Oauth token is missing."));
    };
    let token = authorization.strip_prefix("Bearer ");
    if !token.is_some_and(|token| tokens.iter().any(|known| known == token)) {
        return Err(Answer::gateway(401, "013", "Oauth token is not valid"));
    }
    match header(request, "x-api-key") {
        None => return Err(Answer::gateway(403, "000", "Api Key is required")),
        Some(FakeAdobe::CLIENT_ID) => {}
        Some(_) => return Err(Answer::gateway(403, "003", "Api Key is invalid")),
    }
    if org != FakeAdobe::ORG_ID {
        return Err(Answer::gateway(403, "027", "User region is missing"));
    }
    if header(request, "x-sandbox-name") != Some(FakeAdobe::SANDBOX) {
        return Err(Answer::problem("x-sandbox-name does not name a sandbox of this organisation"));
    }
    if !request.body.is_empty() && !has_type(request, "application/json") {
        return Err(Answer::problem("A valid content-type must be specified"));
    }
    Ok(())
}

/// Parameters such as `charset` do not matter.
fn has_type(request: &Request, wanted: &str) -> bool {
    header(request, "content-type")
        .and_then(|value| value.split(';').next())
        .is_some_and(|mime| mime.trim().eq_ignore_ascii_case(wanted))
}

/// Scopes a credential for Experience Platform has.
const SCOPES: [&str; 5] = [
    "openid",
    "session",
    "AdobeID",
    "read_organizations",
    "additional_info.projectedProductContext",
];

/// `POST /ims/token/v3`.
pub(super) fn token(state: &mut State, request: &Request) -> Answer {
    match check_token_request(request) {
        Ok(()) => {
            let body = json!({
                "access_token": state.mint_token(),
                "token_type": "bearer",
                "expires_in": 86399,
            });
            Answer::json(200, &body)
        }
        Err((error, description)) => {
            let body = json!({ "error": error, "error_description": description });
            Answer::json(400, &body)
        }
    }
}

fn check_token_request(request: &Request) -> Result<(), (&'static str, &'static str)> {
    if request.method.as_str() != "POST" {
        return Err(("invalid_request", "method must be POST"));
    }
    if request.url.query().is_some() {
        // Real IMS takes them, and writes them to its logs.
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
        if field.replace(value).is_some() {
            return Err(("invalid_request", "parameter is there twice"));
        }
    }
    if grant.as_deref() != Some("client_credentials") {
        return Err(("unsupported_grant_type", "invalid grant_type parameter"));
    }
    if id.as_deref() != Some(FakeAdobe::CLIENT_ID) {
        return Err(("invalid_client", "invalid client_id parameter"));
    }
    if secret.as_deref() != Some(FakeAdobe::CLIENT_SECRET) {
        return Err(("invalid_client", "invalid client_secret parameter"));
    }
    if !scope.is_some_and(|scope| scope.split(',').all(|one| SCOPES.contains(&one))) {
        return Err(("invalid_scope", "invalid scope parameter"));
    }
    Ok(())
}
