//! What bodies may contain, and their defaults.

use serde_json::{Map, Value, json};

use super::responses::{Refusal, bad_request, error, invalid};
use super::state::State;

pub(super) type Object = Map<String, Value>;

pub(super) fn object_of(value: Value) -> Object {
    if let Value::Object(object) = value { object } else { Object::new() }
}

/// The text of a member; empty if there is none.
pub(super) fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a member; empty if there are none.
pub(super) fn items<'a>(object: &'a Object, name: &str) -> &'a [Value] {
    object.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn part<'a>(object: &'a Object, name: &str) -> Result<&'a Object, Refusal> {
    object.get(name).map_or_else(|| Err(not_valid(name)), whole)
}

pub(super) fn whole(value: &Value) -> Result<&Object, Refusal> {
    value.as_object().ok_or_else(|| invalid("not a JSON object"))
}

fn not_valid(member: &str) -> Refusal {
    invalid(&format!("{member} is missing or not valid"))
}

fn named(name: &str) -> Result<(), Refusal> {
    Err(bad_request(name, &json!({})))
}

/// Members are written `name:kind`, or `name?:kind` where they may be left out. All others are refused.
pub(super) fn check(object: &Object, members: &str) -> Result<(), Refusal> {
    let mut unknown: Vec<&String> = object.keys().collect();
    for (name, kind) in members.split_whitespace().filter_map(|member| member.split_once(':')) {
        let bare = name.trim_end_matches('?');
        match object.get(bare) {
            None if name == bare => return Err(not_valid(bare)),
            Some(value) if !is(value, kind) => return Err(not_valid(bare)),
            _ => unknown.retain(|name| *name != bare),
        }
    }
    let first = unknown.first();
    first.map_or(Ok(()), |name| Err(invalid(&format!("unknown member {name}"))))
}

fn is(value: &Value, kind: &str) -> bool {
    let each = |fits: fn(&Value) -> bool| value.as_array().is_some_and(|all| all.iter().all(fits));
    match kind {
        "text" => value.is_string(),
        "texts" => each(Value::is_string),
        "rid" => is_rid(value),
        "rids" => each(is_rid),
        "object" => value.is_object(),
        "objects" => each(Value::is_object),
        "flag" => value.is_boolean(),
        "count" => value.is_u64(),
        "integer" => value.is_i64(),
        _ => true,
    }
}

/// `ri.<service>.<instance>.<type>.<locator>`; the instance may be empty, the locator may have dots.
fn is_rid(value: &Value) -> bool {
    let parts: Vec<&str> = value.as_str().unwrap_or_default().splitn(5, '.').collect();
    let [head, service, instance, kind, locator] = parts.as_slice() else { return false };
    let word = |text: &str| {
        let sign = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        text.chars().all(sign) && !text.starts_with('-')
    };
    let name = |text: &str| word(text) && text.starts_with(|c: char| c.is_ascii_lowercase());
    let sign = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let tail = !locator.is_empty() && locator.chars().all(sign);
    *head == "ri" && name(service) && word(instance) && name(kind) && tail
}

/// Checks one object of a union; returns its `type`. `variants` pairs each `type` with its members.
pub(super) fn variant<'a>(
    object: &'a Object,
    variants: &[(&str, &str)],
) -> Result<&'a str, Refusal> {
    let kind = text(object, "type");
    let (_, members) = variants.iter().find(|(name, _)| *name == kind).ok_or_else(|| {
        let known: Vec<&str> = variants.iter().map(|(name, _)| *name).collect();
        invalid(&format!("type must be one of {}", known.join(", ")))
    })?;
    check(object, &format!("type:text {members}"))?;
    Ok(kind)
}

/// A new schedule, or one that replaces another; returned as responses show it.
pub(super) fn schedule(state: &State, body: &Value) -> Result<Object, Refusal> {
    let mut shown = whole(body)?.clone();
    check(
        &shown,
        "displayName?:text description?:text action:object trigger?:object scopeMode?:object",
    )?;
    if shown.contains_key("trigger") {
        trigger(state, part(&shown, "trigger")?)?;
    }
    shown.entry("scopeMode").or_insert_with(|| json!({ "type": "user" }));
    variant(part(&shown, "scopeMode")?, &[("user", ""), ("project", "projectRids:rids")])?;
    let action = action(part(&shown, "action")?, "fallbackBranches?:texts")?;
    shown.insert("action".to_owned(), action.into());
    Ok(shown)
}

/// A new build; returned as an action.
pub(super) fn build(body: &Value) -> Result<Object, Refusal> {
    action(whole(body)?, "fallbackBranches:texts")
}

fn action(action: &Object, fallbacks: &str) -> Result<Object, Refusal> {
    const MEMBERS: &str = "target:object branchName?:text retryCount?:count \
        retryBackoffDuration?:object forceBuild?:flag abortOnFailure?:flag \
        notificationsEnabled?:flag";
    const UNITS: &str = "MILLISECONDS SECONDS MINUTES HOURS DAYS WEEKS MONTHS YEARS";
    check(action, &format!("{MEMBERS} {fallbacks}"))?;
    let mut shown = action.clone();
    shown.insert("target".to_owned(), target(part(action, "target")?)?.into());
    shown.entry("branchName").or_insert_with(|| "master".into());
    shown.entry("fallbackBranches").or_insert_with(|| json!([]));
    for name in ["forceBuild", "abortOnFailure", "notificationsEnabled"] {
        shown.entry(name).or_insert(false.into());
    }
    let (mut once, mut twice) = (vec![text(&shown, "branchName")], Vec::new());
    for name in items(&shown, "fallbackBranches").iter().filter_map(Value::as_str) {
        if once.contains(&name) { &mut twice } else { &mut once }.push(name);
    }
    if !twice.is_empty() {
        let parameters = json!({ "duplicateBranchNames": twice });
        return Err(bad_request("DuplicateBuildBranches", &parameters));
    }
    if action.contains_key("retryBackoffDuration") {
        let pause = part(action, "retryBackoffDuration")?;
        check(pause, "value:count unit:text")?;
        if !UNITS.split(' ').any(|unit| unit == text(pause, "unit")) {
            return Err(not_valid("unit"));
        }
    }
    Ok(shown)
}

fn target(target: &Object) -> Result<Object, Refusal> {
    let variants = [
        ("manual", "targetRids:rids"),
        ("upstream", "targetRids:rids ignoredRids?:rids"),
        ("connecting", "inputRids:rids targetRids:rids ignoredRids?:rids"),
    ];
    let kind = variant(target, &variants)?;
    if items(target, "targetRids").is_empty() {
        named("MissingBuildTargets")?;
    }
    if kind == "connecting" && items(target, "inputRids").is_empty() {
        named("MissingConnectingBuildInputs")?;
    }
    let mut shown = target.clone();
    if kind != "manual" {
        shown.entry("ignoredRids").or_insert_with(|| json!([]));
    }
    Ok(shown)
}

const TRIGGERS: [(&str, &str); 11] = [
    ("time", "cronExpression:text timeZone:text"),
    ("manual", ""),
    ("datasetUpdated", "datasetRid:rid branchName:text"),
    ("newLogic", "datasetRid:rid branchName:text"),
    ("jobSucceeded", "datasetRid:rid branchName:text"),
    ("mediaSetUpdated", "mediaSetRid:rid branchName:text"),
    ("tableUpdated", "tableRid:rid branchName:text"),
    ("scheduleSucceeded", "scheduleRid:rid"),
    ("scheduleFailed", "scheduleRid:rid"),
    ("and", "triggers:objects"),
    ("or", "triggers:objects"),
];

fn trigger(state: &State, wanted: &Object) -> Result<(), Refusal> {
    let parts = items(wanted, "triggers");
    let (cron, zone) = (text(wanted, "cronExpression"), text(wanted, "timeZone"));
    let (media_set, schedule) = (text(wanted, "mediaSetRid"), text(wanted, "scheduleRid"));
    match variant(wanted, &TRIGGERS)? {
        "time" if !is_cron(cron) => {
            Err(bad_request("InvalidTimeTrigger", &json!({ "cronExpression": cron })))
        }
        "time" if !is_zone(zone) => {
            Err(bad_request("InvalidTimeZone", &json!({ "timeZone": zone })))
        }
        "mediaSetUpdated" if media_set.split('.').nth(3) != Some("media-set") => {
            let parameters = json!({ "mediaSetRid": media_set });
            Err(bad_request("InvalidMediaSetTrigger", &parameters))
        }
        "scheduleSucceeded" | "scheduleFailed" if !state.has_schedule(schedule) => {
            let parameters = json!({ "resourceRids": [schedule] });
            Err(error(404, "ScheduleTriggerResourcesNotFound", &parameters))
        }
        "and" if parts.is_empty() => named("InvalidAndTrigger"),
        "or" if parts.is_empty() => named("InvalidOrTrigger"),
        _ => parts.iter().try_for_each(|part| trigger(state, whole(part)?)),
    }
}

/// Five fields.
fn is_cron(cron: &str) -> bool {
    let sign = |c: char| c.is_ascii_alphanumeric() || " */,-?#".contains(c);
    cron.split_whitespace().count() == 5 && cron.chars().all(sign)
}

/// Whether it has the format of a zone ID; the fake has no list of zones.
fn is_zone(zone: &str) -> bool {
    let sign = |c: char| c.is_ascii_alphanumeric() || "/_+-:".contains(c);
    !zone.is_empty() && zone.chars().all(sign)
}
