//! The forms of responses, what every request must carry, and the token endpoint.

use serde_json::json;

use super::FakeAdobe;
use super::state::State;
use crate::testing::kit::{self, OAuthError, Response, TokenForm};

pub(super) type ParsedRequest = kit::ParsedRequest<State>;
pub(super) type Refusal = Response;
pub(super) type Reply = kit::Reply<State>;

/// The form of the service itself: acknowledgements and refusals.
pub(super) fn service(status: u16, message: &str) -> Response {
    Response::json(status, json!({ "message": message, "statusCode": status }))
}

pub(super) fn bad_request(message: &str) -> Refusal {
    service(400, message)
}

/// A member that is not there, or not valid.
pub(super) fn invalid(member: &str) -> Refusal {
    bad_request(&format!("{member} is missing or not valid"))
}

pub(super) fn not_found(what: &str) -> Refusal {
    service(404, &format!("{what} not found"))
}

/// The form of the gateway. The code is text and its first three digits are the status.
fn gateway(status: u16, reason: &str, message: &str) -> Refusal {
    let code = format!("{status}{reason}");
    Response::json(status, json!({ "error_code": code, "message": message }))
}

/// The problem form of the platform.
fn problem(detail: &str) -> Refusal {
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
    Response::json(400, body)
}

/// The body that usually comes with a status: of the gateway, of the service, or a proxy's page.
pub(super) fn usual(status: u16) -> Refusal {
    match status {
        401 => gateway(401, "013", "Oauth token is not valid"),
        403 => gateway(403, "025", "Profile is not valid"),
        429 => gateway(429, "050", "Too many requests"),
        502..=504 => Response::page(status, status),
        _ => service(status, &format!("the fake was told to respond with {status}")),
    }
}

/// Checks the headers that every API request needs: first those of the gateway, then those of the platform.
pub(super) fn check_headers(call: &ParsedRequest, tokens: &[String]) -> Result<(), Refusal> {
    check_gateway(call, "x-gw-ims-org-id", tokens)?;
    if call.header("x-sandbox-name") != Some(FakeAdobe::SANDBOX) {
        return Err(problem("x-sandbox-name does not name a sandbox of this organisation"));
    }
    if !call.body.is_empty() && call.media_type() != "application/json" {
        return Err(problem("A valid content-type must be specified"));
    }
    Ok(())
}

/// Checks the headers that the gateway needs. That of the organization has another name at I/O Events.
pub(super) fn check_gateway(
    call: &ParsedRequest,
    org_header: &str,
    tokens: &[String],
) -> Result<(), Refusal> {
    let Some(org) = call.header(org_header) else {
        return Err(gateway(400, "003", "Missing header"));
    };
    let Some(authorization) = call.header("authorization") else {
        return Err(gateway(403, "010", "Oauth token is missing."));
    };
    let token = authorization.strip_prefix("Bearer ");
    if !token.is_some_and(|token| tokens.iter().any(|known| known == token)) {
        return Err(gateway(401, "013", "Oauth token is not valid"));
    }
    match call.header("x-api-key") {
        None => return Err(gateway(403, "000", "Api Key is required")),
        Some(FakeAdobe::CLIENT_ID) => {}
        Some(_) => return Err(gateway(403, "003", "Api Key is invalid")),
    }
    if org != FakeAdobe::ORG_ID {
        return Err(gateway(403, "027", "User region is missing"));
    }
    Ok(())
}

/// Scopes a credential for Experience Platform has.
const SCOPES: [&str; 5] = [
    "openid",
    "session",
    "AdobeID",
    "read_organizations",
    "additional_info.projectedProductContext",
];

pub(super) fn check_client(form: &TokenForm) -> Result<(), OAuthError> {
    if form.id.as_deref() != Some(FakeAdobe::CLIENT_ID) {
        return Err(("invalid_client", "invalid client_id parameter"));
    }
    if form.secret.as_deref() != Some(FakeAdobe::CLIENT_SECRET) {
        return Err(("invalid_client", "invalid client_secret parameter"));
    }
    if !form.scope.as_ref().is_some_and(|scope| scope.split(',').all(|one| SCOPES.contains(&one))) {
        return Err(("invalid_scope", "invalid scope parameter"));
    }
    Ok(())
}
