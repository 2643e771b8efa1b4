//! What a portal says about itself, its users and their roles. Clients ask for it before anything else, with parameters that
//! change nothing here.

use serde_json::{Map, Value, json};

use super::checks::Sent;
use super::responses::{Api, Refusal, Reply, data};
use super::shapes::Page;
use super::state::State;
use super::tokens::Caller;
use super::{Deployment, FakeArcGis};
use crate::testing::kit::{FakeState as _, Response};

pub(super) const USERS: [&str; 2] = [FakeArcGis::USERNAME, FakeArcGis::COLLEAGUE];
/// That of the Sharing API.
pub(super) const VERSION: &str = "2025.1";
/// When the portal was set up, in milliseconds since 1970.
const BEGIN: i64 = 1_767_225_600_000;

/// `/sharing/rest`.
pub(super) fn version() -> Response {
    data(json!({ "currentVersion": VERSION }))
}

/// `/sharing/rest/info`.
pub(super) fn info(state: &State) -> Response {
    let (root, auth) = sign_in_at(state);
    data(json!({ "owningSystemUrl": root, "authInfo": auth }))
}

/// `/rest/info`, that of the portal's services, which clients also try without `/rest`.
pub(super) fn services_info(state: &State, sent: &Sent<'_>) -> Reply {
    sent.check(Api::Sharing, state.strict)?;
    let (root, auth) = sign_in_at(state);
    Ok(data(json!({
        "currentVersion": 11.5,
        "fullVersion": "11.5.0",
        "owningSystemUrl": root,
        "authInfo": auth,
    })))
}

/// The root of the portal, and where its tokens come from.
fn sign_in_at(state: &State) -> (String, Value) {
    let root = format!("{}{}", state.origin, State::BASE_PATH);
    let auth = json!({
        "isTokenBasedSecurity": true,
        "tokenServicesUrl": format!("{root}/sharing/rest/generateToken"),
    });
    (root, auth)
}

/// Requests below `/portals/<id>`, but those for tasks.
pub(super) fn route(state: &State, sent: &Sent<'_>, parts: &[&str]) -> Reply {
    match (sent.call.method.as_str(), parts) {
        // The vendor's own client uses POST.
        ("GET" | "POST", []) => portal(state, sent),
        ("GET" | "POST", ["roles"]) => {
            state.caller(sent, Api::Sharing)?;
            // Only roles that somebody has made: those that are always there are known by their names.
            let (_, mut envelope) = Page::read(state, sent, Some(""))?.cut(Vec::new());
            envelope.insert("roles".to_owned(), json!([]));
            Ok(data(envelope))
        }
        _ => {
            state.caller(sent, Api::Sharing)?;
            Err(Refusal::not_found("path"))
        }
    }
}

/// Callers without a token get less of it.
fn portal(state: &State, sent: &Sent<'_>) -> Reply {
    let caller = match state.caller(sent, Api::Sharing) {
        Ok(caller) => Some(caller),
        Err(_) if sent.header_tokens.is_empty() && sent.form_token.is_none() => None,
        Err(refusal) => return Err(refusal),
    };
    let host = state.origin.trim_start_matches("http://");
    let mut portal = json!({
        "id": FakeArcGis::ORG_ID,
        "name": "Hooli Maps",
        "portalName": "ArcGIS Enterprise",
        "portalHostname": format!("{host}{}", State::BASE_PATH),
        "portalMode": "singletenant",
        "isPortal": true,
        "portalDeploymentType": match state.deployment {
            Deployment::Kubernetes => "ArcGISEnterpriseOnKubernetes",
            Deployment::WindowsOrLinux => "ArcGISEnterprise",
        },
        "access": "private",
        "allSSL": false,
        "canSharePublic": true,
        "canSearchPublic": true,
        "culture": "en",
        "currentVersion": VERSION,
        "helperServices": {},
        "portalProperties": {},
        "supportsHostedServices": true,
        "units": "metric",
    });
    if let (Some(Caller { user, .. }), Some(portal)) = (caller, portal.as_object_mut()) {
        portal.insert("user".to_owned(), shown_user(user).into());
    }
    Ok(data(portal))
}

/// A user, as `community/self` and `community/users/<name>` show it.
pub(super) fn user(name: &str) -> Response {
    data(shown_user(name))
}

/// The users whose names contain the first word of the search.
pub(super) fn users(state: &State, sent: &Sent<'_>) -> Reply {
    let word = sent.field("q").unwrap_or_default().split_whitespace().next().unwrap_or_default();
    let found = USERS.into_iter().filter(|name| name.contains(word)).map(str::to_owned);
    let (names, mut envelope) = Page::read(state, sent, Some(""))?.cut(found.collect());
    let users: Vec<Value> = names.iter().map(|name| shown_user(name).into()).collect();
    envelope.insert("results".to_owned(), users.into());
    Ok(data(envelope))
}

fn shown_user(name: &str) -> Map<String, Value> {
    let (full_name, role) = match name {
        FakeArcGis::USERNAME => ("Hooli Administrator", "org_admin"),
        _ => ("Mara Lind", "org_publisher"),
    };
    let privileges = match role {
        "org_admin" => json!(["portal:admin:viewUsers", "portal:user:createItem"]),
        _ => json!(["portal:user:createItem"]),
    };
    let user = json!({
        "username": name,
        "fullName": full_name,
        "email": format!("{}@hooli.example", role.trim_start_matches("org_")),
        "orgId": FakeArcGis::ORG_ID,
        "role": role,
        "roleId": role,
        "privileges": privileges,
        "level": "2",
        "userType": "arcgisonly",
        "userLicenseTypeId": "creatorUT",
        "provider": "arcgis",
        "access": "org",
        "culture": "en",
        "units": "metric",
        "disabled": false,
        "groups": [],
        "tags": [],
        "created": BEGIN,
        "modified": BEGIN,
        "lastLogin": BEGIN,
    });
    match user {
        Value::Object(user) => user,
        _ => Map::new(),
    }
}
