//! Alert subscriptions: what the fake remembers of them, and their requests.

use chrono::{DateTime, SubsecRound, Utc};
use serde_json::{Value, json};

use super::FakeAdobe;
use super::lists::{ALERTS, Row, USER_ALERTS, Wanted};
use super::responses::{ParsedRequest, Refusal, Reply, bad_request, invalid, not_found, service};
use super::routes::{object, only, text};
use super::state::{LINKS, State, add, link};

pub(super) struct Alert {
    id: String,
    asset: String,
    kind: String,
    enabled: bool,
    people: Vec<Person>,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
}

struct Person {
    email: String,
    by_mail: bool,
    in_context: bool,
}
use crate::testing::kit::{Response, segment};

/// Requests below `/alert-subscriptions`.
pub(super) fn route(
    state: &mut State,
    call: &ParsedRequest,
    method: &str,
    below: &[&str],
) -> Reply {
    match (method, below) {
        ("GET", []) => {
            call.no_body()?;
            let wanted = Wanted::read(&ALERTS, call)?;
            Ok(wanted.numbered_page(state.alert_rows(|alert| Some(alert.core())), state.links))
        }
        ("POST", []) => create(state, call),
        ("GET", ["user-subscriptions", email]) => {
            call.no_body()?;
            let wanted = Wanted::read(&USER_ALERTS, call)?;
            check_registered(email)?;
            Ok(wanted.numbered_page(state.alert_rows(|alert| alert.shown_to(email)), state.links))
        }
        ("GET", [asset]) => {
            call.bare()?;
            let alerts = state.alerts.iter().filter(|alert| alert.asset == *asset);
            let alerts: Vec<Value> = alerts.map(Alert::with_people).collect();
            if alerts.is_empty() {
                return Err(not_found("alert"));
            }
            Ok(Response::json(200, json!({ "alerts": alerts })))
        }
        ("GET", [asset, kind]) => {
            call.bare()?;
            let alert = state.alert(asset, kind)?;
            Ok(Response::json(200, json!({ "alerts": [alert.with_people()] })))
        }
        ("PATCH", [asset, kind]) => patch(state, call, asset, kind),
        ("DELETE", [asset, kind]) => {
            call.bare()?;
            state.alert(asset, kind)?;
            state.alerts.retain(|alert| alert.asset != *asset || alert.kind != *kind);
            Ok(service(200, "Alert removed"))
        }
        _ => Err(not_found("path")),
    }
}

fn create(state: &mut State, call: &ParsedRequest) -> Reply {
    let body = call.object()?;
    only(&body, &["assetId", "alertType", "subscriptions"])?;
    let (asset, kind) = (text(&body, "assetId")?, text(&body, "alertType")?);
    check_kind(kind)?;
    let subscriptions = object(&body, "subscriptions")?;
    only(subscriptions, &["emailIds", "inContextNotifications", "emailNotifications"])?;
    let switch = |name| {
        subscriptions.get(name).and_then(Value::as_bool).ok_or_else(|| invalid("subscriptions"))
    };
    let (by_mail, in_context) = (switch("emailNotifications")?, switch("inContextNotifications")?);
    let emails = subscriptions.get("emailIds").and_then(Value::as_array);
    let emails = emails.filter(|emails| (1..=5).contains(&emails.len()));
    let emails = emails.and_then(|emails| emails.iter().map(Value::as_str).collect());
    let emails: Vec<&str> = emails.ok_or_else(|| invalid("emailIds"))?;

    if state.schedule(asset).is_err() && (kind == "quarantine" || state.query(asset).is_err()) {
        return Err(not_found("asset"));
    }
    emails.iter().try_for_each(|email| check_registered(email))?;
    let now = state.kit.now().trunc_subsecs(3);
    if state.alert(asset, kind).is_err() {
        state.alerts.push(Alert {
            id: format!("query_service_flow_run_{kind}-{}", state.kit.new_uuid()),
            asset: asset.to_owned(),
            kind: kind.to_owned(),
            enabled: true,
            people: Vec::new(),
            created: now,
            updated: now,
        });
    }
    let alert = state.alert(asset, kind)?;
    if !alert.enabled {
        return Err(bad_request("the alert is disabled"));
    }
    alert.updated = now;
    for email in &emails {
        alert.people.retain(|person| person.email != *email);
        alert.people.push(Person { email: (*email).to_owned(), by_mail, in_context });
    }
    let mut shown = alert.core();
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("status");
    }
    add(&mut shown, [("subscriptions", Value::Object(subscriptions.clone()))]);
    Ok(Response::json(202, shown))
}

fn patch(state: &mut State, call: &ParsedRequest, asset: &str, kind: &str) -> Reply {
    let change = call.object()?;
    only(&change, &["op", "path", "value"])?;
    let now = state.kit.now().trunc_subsecs(3);
    let alert = state.alert(asset, kind)?;
    match (text(&change, "op")?, text(&change, "path")?, text(&change, "value")?) {
        ("replace", "/status", "enable") => alert.enabled = true,
        ("replace", "/status", "disable") => alert.enabled = false,
        ("replace", "/status", _) => return Err(invalid("value")),
        ("replace", ..) => return Err(invalid("path")),
        _ => return Err(invalid("op")),
    }
    alert.updated = now;
    let mut shown = alert.core();
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("_links");
    }
    Ok(Response::json(200, shown))
}

fn check_kind(kind: &str) -> Result<(), Refusal> {
    if ["start", "success", "failure", "quarantine"].contains(&kind) {
        return Ok(());
    }
    Err(bad_request("this alertType is not known"))
}

fn check_registered(email: &str) -> Result<(), Refusal> {
    if email.contains('@') && email != FakeAdobe::UNREGISTERED {
        return Ok(());
    }
    Err(bad_request(&format!("{email} does not belong to an Adobe ID")))
}

impl State {
    fn alert(&mut self, asset: &str, kind: &str) -> Result<&mut Alert, Refusal> {
        check_kind(kind)?;
        let mut alerts = self.alerts.iter_mut();
        let found = alerts.find(|alert| alert.asset == asset && alert.kind == kind);
        found.ok_or_else(|| not_found("alert"))
    }

    fn alert_rows(&self, shown: impl Fn(&Alert) -> Option<Value>) -> Vec<Row> {
        let rows = self.alerts.iter().filter_map(|alert| {
            Some(Row {
                created: alert.created,
                updated: alert.updated,
                facts: vec![
                    ("id", alert.id.clone()),
                    ("assetId", alert.asset.clone()),
                    ("status", alert.status().to_owned()),
                    ("alertType", alert.kind.clone()),
                ],
                deleted: false,
                shown: shown(alert)?,
            })
        });
        rows.collect()
    }
}

impl Alert {
    fn status(&self) -> &'static str {
        if self.enabled { "enabled" } else { "disabled" }
    }

    /// The members of all responses.
    fn core(&self) -> Value {
        let asset = format!("/alert-subscriptions/{}", segment(&self.asset));
        let own = format!("{asset}/{}", self.kind);
        json!({
            "id": self.id,
            "assetId": self.asset,
            "alertType": self.kind,
            "status": self.status(),
            "_links": {
                "self": link("GET", &asset),
                "subscribe": link("POST", "/alert-subscriptions"),
                "patch_status": {
                    "href": format!("{LINKS}{own}"),
                    "method": "PATCH",
                    "body": "{ \"op\": \"replace\", \"path\": \"/status\", \"value\": \"enable/disable\" }",
                },
                "get_list_of_subscribers_by_alert_type": link("GET", &own),
                "delete": link("DELETE", &own),
            },
        })
    }

    /// With the addresses of each channel.
    fn with_people(&self) -> Value {
        let emails = |wanted: fn(&Person) -> bool| -> Vec<&str> {
            let people = self.people.iter().filter(|person| wanted(person));
            people.map(|person| &*person.email).collect()
        };
        let subscriptions = json!({
            "emailNotifications": emails(|person| person.by_mail),
            "inContextNotifications": emails(|person| person.in_context),
        });
        let mut shown = self.core();
        add(&mut shown, [("subscriptions", subscriptions)]);
        shown
    }

    /// As one subscriber sees it: the ID has another name, and so has a channel.
    fn shown_to(&self, email: &str) -> Option<Value> {
        let person = self.people.iter().find(|person| person.email == email)?;
        let subscriptions = json!({
            "emailNotifications": person.by_mail,
            "inContextNotification": person.in_context,
        });
        let mut shown = self.core();
        let id = shown.as_object_mut()?.remove("id")?;
        add(&mut shown, [("name", id), ("subscriptions", subscriptions)]);
        Some(shown)
    }
}
