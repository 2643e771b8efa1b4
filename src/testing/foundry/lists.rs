//! Pages, and the filters and orders of the build search.

use std::cmp::Ordering;

use base64::prelude::{BASE64_STANDARD, Engine};
use chrono::{DateTime, FixedOffset};
use serde_json::{Value, json};

use super::checks::{Object, check, items, part, text, variant, whole};
use super::responses::{Refusal, Reply, bad_request, invalid, shown};
use super::state::State;

/// The rest of a list, by page token.
pub(super) struct Cursor {
    token: String,
    list: String,
    rest: Vec<String>,
}

impl State {
    /// The requested page. `size` and `token` are as sent, in a query or a body.
    ///
    /// The first page fixes the list: what is added or removed later does not change the other pages.
    pub(super) fn page(
        &mut self,
        list: &str,
        (size, token): (Option<Value>, Option<Value>),
        draw_up: impl FnOnce(&Self) -> Vec<String>,
        mut show: impl FnMut(&mut Self, &str) -> Option<Value>,
    ) -> Reply {
        let size = size.map_or(Some(100), |size| match size {
            Value::String(text) => text.parse().ok(),
            other => other.as_i64(),
        });
        let size: i64 = size.ok_or_else(|| invalid("pageSize is not an integer"))?;
        let most = usize::try_from(size)
            .ok()
            .filter(|most| *most > 0)
            .ok_or_else(|| bad_request("InvalidPageSize", &json!({ "pageSize": size })))?;
        let mut rids = match token {
            None => draw_up(self),
            Some(token) => {
                let is = |known: &&Cursor| known.list == list && token == known.token.as_str();
                let cursor = self.cursors.iter().find(is).ok_or_else(|| {
                    bad_request("InvalidPageToken", &json!({ "pageToken": token }))
                })?;
                cursor.rest.clone()
            }
        };
        let rest = rids.split_off(most.min(rids.len()));
        let data: Vec<Value> = rids.iter().filter_map(|rid| show(self, rid)).collect();
        let mut body = json!({ "data": data });
        if let (Some(body), false) = (body.as_object_mut(), rest.is_empty()) {
            // The base64 of the first characters must be escaped in a query.
            let token = BASE64_STANDARD.encode(format!(">>>???{}", self.kit.new_uuid()));
            let token = format!("v1.{token}");
            body.insert("nextPageToken".to_owned(), token.as_str().into());
            self.cursors.push(Cursor { token, list: list.to_owned(), rest });
        }
        Ok(shown(body))
    }
}

/// The member of a build for a field of a search.
fn member(operator: &str, field: &str) -> Result<&'static str, Refusal> {
    match (operator, field) {
        ("eq", "CREATED_BY") => Ok("createdBy"),
        ("eq", "BRANCH_NAME") => Ok("branchName"),
        ("eq", "STATUS") => Ok("status"),
        ("eq", "RID") => Ok("rid"),
        ("gte" | "lt" | "order", "STARTED_TIME") => Ok("createdTime"),
        ("gte" | "lt" | "order", "FINISHED_TIME") => Ok("finishedTime"),
        _ => Err(invalid(&format!("unknown field for {operator}"))),
    }
}

fn moment(value: Option<&Value>) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(value?.as_str()?).ok()
}

pub(super) fn check_filter(filter: &Object) -> Result<(), Refusal> {
    let variants = [
        ("eq", "field:text value:any"),
        ("gte", "field:text value:any"),
        ("lt", "field:text value:any"),
        ("and", "items:objects"),
        ("or", "items:objects"),
        ("not", "value:object"),
    ];
    let parts = items(filter, "items");
    match variant(filter, &variants)? {
        "and" if parts.is_empty() => Err(bad_request("InvalidAndFilter", &json!({}))),
        "or" if parts.is_empty() => Err(bad_request("InvalidOrFilter", &json!({}))),
        "and" | "or" => parts.iter().try_for_each(|part| check_filter(whole(part)?)),
        "not" => check_filter(part(filter, "value")?),
        operator => {
            let (field, value) = (text(filter, "field"), filter.get("value"));
            let statuses = ["RUNNING", "SUCCEEDED", "FAILED", "CANCELED"];
            let (sound, expected) = match member(operator, field)? {
                "status" => (statuses.contains(&text(filter, "value")), "ENUM"),
                _ if operator == "eq" => (value.is_some_and(Value::is_string), "STRING"),
                _ => (moment(value).is_some(), "DATETIME"),
            };
            if sound {
                return Ok(());
            }
            let parameters = json!({ "field": field, "value": value, "expectedType": expected });
            Err(bad_request("InvalidFilterValue", &parameters))
        }
    }
}

/// Whether a build matches a checked filter. A build without a time never matches a filter on that time.
pub(super) fn holds(filter: &Object, build: &Object) -> bool {
    let part = |part: &Value| part.as_object().is_some_and(|part| holds(part, build));
    let kind = text(filter, "type");
    let own = member(kind, text(filter, "field")).ok().and_then(|name| build.get(name));
    match kind {
        "and" => items(filter, "items").iter().all(part),
        "or" => items(filter, "items").iter().any(part),
        "not" => !filter.get("value").is_some_and(part),
        "eq" => own == filter.get("value"),
        _ => match (moment(own), moment(filter.get("value"))) {
            (Some(own), Some(limit)) => (own < limit) == (kind == "lt"),
            _ => false,
        },
    }
}

/// Members to sort by, the most important first, and whether the order is descending. Default: the latest start first.
pub(super) fn order(body: &Object) -> Result<Vec<(&'static str, bool)>, Refusal> {
    let mut order = Vec::new();
    if body.contains_key("orderBy") {
        let wanted = part(body, "orderBy")?;
        check(wanted, "fields:objects")?;
        for item in items(wanted, "fields") {
            let item = whole(item)?;
            check(item, "field:text direction:text")?;
            let direction = text(item, "direction");
            if !matches!(direction, "ASC" | "DESC") {
                return Err(invalid("unknown direction"));
            }
            order.push((member("order", text(item, "field"))?, direction == "DESC"));
        }
    }
    if order.is_empty() {
        order.push(("createdTime", true));
    }
    Ok(order)
}

/// All times have the same format, so text sorts like time. A build without a time counts as later than all others.
pub(super) fn compare(order: &[(&str, bool)], left: &Object, right: &Object) -> Ordering {
    let orders = order.iter().map(|(name, descending)| {
        let key = |build| (!Object::contains_key(build, *name), text(build, name));
        let order = key(left).cmp(&key(right));
        if *descending { order.reverse() } else { order }
    });
    orders.fold(Ordering::Equal, Ordering::then)
}
