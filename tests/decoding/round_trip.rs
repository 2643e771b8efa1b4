//! A decoded response serialises under the vendor's own names, and decodes again to an equal value.

use std::collections::BTreeSet;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Names in what is serialised that some samples lack, by operation.
const OTHER_NAMES: &[(&str, &str)] = &[
    // An account that the vendor sends without a login gets one.
    ("supermetrics.accounts.list", "accounts"),
    // The request has it.
    ("supermetrics.queries.get_status", "schedule_id"),
    // The vendor spells these in two ways.
    ("arcgis.", "id"),
    ("adobe.alerts.", "inContextNotifications"),
    ("supermetrics.accounts.list", "account_id"),
    // Rows without a row of titles are marked.
    ("supermetrics.queries.", "no_headers"),
];

/// What can be serialised and read again.
pub(crate) trait Travels: Serialize + DeserializeOwned + Debug {}

impl<T: Serialize + DeserializeOwned + Debug> Travels for T {}

/// Serialises the response and reads it again. They are equal if both `Debug` and the serialised texts are: types with a secret have
/// no `PartialEq`.
pub(crate) fn check_value<T: Travels>(operation: &str, value: &T) -> String {
    let json = serde_json::to_string(value).unwrap();
    let again: T = serde_json::from_str(&json)
        .map_err(|error| format!("{operation}: {error} in {json}"))
        .unwrap();
    // Secrets do not travel.
    let shown = format!("{value:?}").replace("Some(SecretBox<str>([REDACTED]))", "None");
    assert_eq!(format!("{again:?}"), shown, "{operation}: {json}");
    assert_eq!(serde_json::to_string(&again).unwrap(), json, "{operation}");
    json
}

/// The names of what was serialised are those of the sample that it was decoded from.
pub(crate) fn check_names(operation: &str, json: &str, sample: &str) {
    let written = names(&serde_json::from_str(json).unwrap());
    let sent = serde_json::from_str(sample).map(|sample| names(&sample)).unwrap_or_default();
    for name in written.difference(&sent) {
        // The members of a page are those of this crate.
        let own = ["items", "next", "total"].contains(&&**name);
        let is_listed =
            OTHER_NAMES.iter().any(|(of, other)| operation.starts_with(of) && name == other);
        assert!(own || is_listed, "{operation}: {name} is not a name of the vendor's: {json}");
    }
}

/// The names of all members that hold something.
fn names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(members) => {
            let held = members.iter().filter(|(_, member)| holds_something(member));
            held.flat_map(|(name, member)| names(member).into_iter().chain([name.clone()]))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(names).collect(),
        // Some members are JSON in a text.
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(text).map(|value| names(&value)).unwrap_or_default()
        }
        _ => BTreeSet::new(),
    }
}

fn holds_something(member: &Value) -> bool {
    match member {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => members.values().any(holds_something),
        _ => true,
    }
}
