//! The forms of responses, who may call, and the token endpoint.

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::FakeFoundry;
use super::state::State;
use crate::testing::kit::{self, Body, OAuthError, Response, TokenForm};

/// The header that names a request in the vendor's traces.
pub(super) const TRACE_HEADER: &str = "x-b3-traceid";

pub(super) type ParsedRequest = kit::ParsedRequest<State>;
pub(super) type Refusal = Response;
pub(super) type Reply = kit::Reply<State>;

pub(super) fn shown(body: impl Into<Value>) -> Response {
    Response::json(200, body)
}

/// Carried out, and there is nothing to say.
pub(super) fn done() -> Response {
    Response::empty(204)
}

/// The API is not there, which is not the same as [`not_found`].
pub(super) fn no_such_api() -> Refusal {
    Response::empty(404)
}

/// An error that the service has a name for. Its code follows from the status.
pub(super) fn error(status: u16, name: &str, parameters: &Value) -> Refusal {
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
    Response::json(status, body)
}

pub(super) fn bad_request(name: &str, parameters: &Value) -> Refusal {
    error(400, name, parameters)
}

/// A request that the definition does not allow.
pub(super) fn invalid(description: &str) -> Refusal {
    let body = json!({
        "errorCode": "INVALID_ARGUMENT",
        "errorName": "Conjure:InvalidArgument",
        "errorDescription": description,
        "parameters": {},
    });
    Response::json(400, body)
}

/// `what` is such as `Build`; the error is then `BuildNotFound`, its parameter `buildRid`.
pub(super) fn not_found(what: &str, rid: &str) -> Refusal {
    let (first, rest) = what.split_at(1);
    let parameter = format!("{}{rest}Rid", first.to_lowercase());
    error(404, &format!("{what}NotFound"), &json!({ (parameter): rid }))
}

/// The body that usually comes with a status: an error of no operation, a proxy's page, or none.
pub(super) fn usual(status: u16) -> Refusal {
    let name = match status {
        400 => "Default:InvalidArgument",
        401 => return error(401, "Default:Unauthorized", &json!({ "error": "EXPIRED" })),
        403 => "Default:PermissionDenied",
        404 | 414 | 429 | 431 | 503 => return Response::empty(status),
        409 => "Default:Conflict",
        413 => "Default:RequestEntityTooLarge",
        415 => "Conjure:UnsupportedMediaType",
        422 => "Conjure:UnprocessableEntity",
        500 => "Default:Internal",
        502 | 504 => return Response::page(status, status),
        _ => "Default:MadeToFail",
    };
    error(status, name, &json!({}))
}

/// The response as it is sent: each error has an instance ID of its own.
pub(super) fn complete(
    mut response: Response,
    call: &ParsedRequest,
    trace: &str,
    instance: String,
) -> Response {
    if let Body::Json(Value::Object(body)) = &mut response.body
        && body.contains_key("errorCode")
    {
        body.insert("errorInstanceId".to_owned(), instance.into());
    }
    if let Body::Json(body) = &response.body
        && body["error"] == "invalid_client"
    {
        response.status = 401;
        response.header("www-authenticate", "Basic realm=\"fake\"");
    }
    response.name_request(call, TRACE_HEADER, trace)
}

/// Whether the request has a token that is valid now.
pub(super) fn check_token(state: &State, call: &ParsedRequest) -> Result<(), Refusal> {
    let value = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = value.filter(|token| !token.is_empty()) else {
        return Err(error(401, "MissingCredentials", &json!({})));
    };
    let is = |known: &String| known == token;
    if state.kit.tokens.iter().any(is) {
        return Ok(());
    }
    if state.kit.expired_tokens.iter().any(is) {
        return Err(usual(401));
    }
    Err(error(401, "Default:Unauthorized", &json!({})))
}

/// Scopes an application of this fake may ask for.
const SCOPES: [&str; 4] =
    ["api:orchestration-read", "api:orchestration-write", "api:datasets-read", "offline_access"];

pub(super) fn check_client(call: &ParsedRequest, mut form: TokenForm) -> Result<(), OAuthError> {
    if let Some(value) = call.header("authorization") {
        let Some((user, password)) = basic(value) else {
            return Err(("invalid_client", "authorization is not HTTP Basic"));
        };
        if form.secret.replace(password).is_some() {
            return Err(("invalid_request", "the secret is repeated"));
        }
        if form.id.get_or_insert_with(|| user.clone()) != &user {
            return Err(("invalid_request", "two clients are named"));
        }
    }
    if form.id.as_deref() != Some(FakeFoundry::CLIENT_ID) {
        return Err(("invalid_client", "unknown client_id"));
    }
    if form.secret.as_deref() != Some(FakeFoundry::CLIENT_SECRET) {
        return Err(("invalid_client", "wrong client_secret"));
    }
    if form.scope.is_some_and(|scope| !scope.split(' ').all(|one| SCOPES.contains(&one))) {
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
