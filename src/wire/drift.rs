//! Detects and reports what a vendor sends that this crate does not know.
//!
//! With an [`on_drift`](crate::ClientBuilder::on_drift) callback, each response is decoded a second time while a thread-local
//! collector is set. `serde_ignored` adds the members that no type reads; the types made by
//! [`open_enum!`](super::open_enum) and [`open_union!`](super::open_union) add the values and variants that they do not know;
//! values of other types, which [`lenient`](super::lenient) otherwise accepts silently, are errors, and are [mended](repair).

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use super::place::is_id;
use super::raw;
use super::repair::{self, Mend};

/// Something in a response that this version of the crate does not know: the vendor's API has changed.
///
/// Reported to [`ClientBuilder::on_drift`](crate::ClientBuilder::on_drift). It holds values of enums, but never the value of an
/// unknown member, which may be confidential.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Drift {
    /// The operation that received the response, for example `mode.report_runs.get`.
    pub operation: &'static str,
    /// What is not known.
    pub kind: DriftKind,
}

/// What is not known in a response. Part of a [`Drift`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DriftKind {
    /// A member of an object that no type of this crate reads.
    #[non_exhaustive]
    Member {
        /// The union that holds the member, for example `Trigger`; `None` for a member outside of unions.
        type_name: Option<&'static str>,
        /// JSON Pointer (RFC 6901) of the first such member, for example `/runs/3/priority`. It starts at the root of
        /// the response or, inside of a union, at the object that holds the variant's members.
        pointer: Box<str>,
    },
    /// A known member whose value does not have a known type. The member is read as absent, and an element of a list is left
    /// out. `null` and other spellings of a type, such as `"7"` for a number, are not reported.
    #[non_exhaustive]
    Type {
        /// As in [`Member`](Self::Member).
        type_name: Option<&'static str>,
        /// JSON Pointer (RFC 6901) of the first such value. It starts where that of a [`Member`](Self::Member) does.
        pointer: Box<str>,
    },
    /// A value of an enum.
    #[non_exhaustive]
    Value {
        /// The enum, for example `RunState`.
        type_name: &'static str,
        /// The value as the vendor sent it.
        value: Box<str>,
    },
    /// A variant of a union: its name is not known, or its members do not have the known types.
    #[non_exhaustive]
    Variant {
        /// The union, for example `Trigger`.
        type_name: &'static str,
        /// The name of the variant as the vendor sent it; empty if it has none.
        tag: Box<str>,
    },
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.kind)
    }
}

impl fmt::Display for DriftKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member { type_name: None, pointer } => write!(f, "unknown member {pointer}"),
            Self::Member { type_name: Some(union), pointer } => {
                write!(f, "unknown member {pointer} of {union}")
            }
            Self::Type { type_name: None, pointer } => {
                write!(f, "unknown type of member {pointer}")
            }
            Self::Type { type_name: Some(union), pointer } => {
                write!(f, "unknown type of member {pointer} of {union}")
            }
            Self::Value { type_name, value } => write!(f, "unknown value {value:?} of {type_name}"),
            Self::Variant { type_name, tag } => {
                write!(f, "unknown or unreadable variant {tag:?} of {type_name}")
            }
        }
    }
}

/// The callback of [`ClientBuilder::on_drift`](crate::ClientBuilder::on_drift).
pub(crate) type OnDrift = dyn Fn(&Drift) + Send + Sync;

/// Reports each drift once. A client's requests carry it to where their responses are decoded.
#[derive(Clone)]
pub(crate) struct DriftReporter(Arc<Inner>);

struct Inner {
    on_drift: Box<OnDrift>,
    /// How the pointers of members end that are documented but read by no type.
    unread: &'static [&'static str],
    /// What has been reported, with a pattern in place of each pointer; see [`Found`].
    reported: Mutex<HashSet<Drift>>,
}

/// Limits the memory that a server can fill by sending ever new names.
const MOST_REPORTED: usize = 1000;

impl DriftReporter {
    pub(crate) fn new(on_drift: Box<OnDrift>, unread: &'static [&'static str]) -> Self {
        Self(Arc::new(Inner { on_drift, unread, reported: Mutex::default() }))
    }

    /// Decodes a response again and reports what is not known in it. The caller already has the decoded response, so a
    /// panic in the callback or in a caller's own type is caught here.
    #[cold]
    pub(crate) fn inspect<T: DeserializeOwned>(&self, operation: &'static str, text: &str) {
        if self.reported(|reported| reported.len()) >= MOST_REPORTED {
            return;
        }
        let ((), found) = collect(|| {
            let read = |text: &str| {
                collect_members::<T, _>(&mut serde_json::Deserializer::from_str(text), None)
            };
            drop(catch_unwind(AssertUnwindSafe(|| mended(text, None, read))));
        });
        for (key, kind) in found {
            if self.is_new(Drift { operation, kind: key }) {
                let report = || (self.0.on_drift)(&Drift { operation, kind });
                drop(catch_unwind(AssertUnwindSafe(report)));
            }
        }
    }

    fn is_new(&self, key: Drift) -> bool {
        if let DriftKind::Member { type_name, pointer: pattern } = &key.kind {
            let whole = [type_name.unwrap_or(key.operation), pattern].concat();
            if self.0.unread.iter().any(|end| ends_like(&whole, end)) {
                return false;
            }
        }
        self.reported(|reported| reported.len() < MOST_REPORTED && reported.insert(key))
    }

    fn reported<T>(&self, access: impl FnOnce(&mut HashSet<Drift>) -> T) -> T {
        access(&mut self.0.reported.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether a pattern ends with these names; `*` stands for any name.
fn ends_like(pattern: &str, end: &str) -> bool {
    let mut names = pattern.rsplit('/');
    let mut wanted = end.trim_start_matches('/').rsplit('/');
    wanted.all(|wanted| names.next().is_some_and(|name| wanted == "*" || wanted == name))
}

/// What was found, by deduplication key. Key and value differ where there is a pointer: the key has a pattern in place of it,
/// with `*` for indices and for ids, which are keys of a map.
type Found = BTreeMap<DriftKind, DriftKind>;

thread_local! {
    /// The collector: `Some` while a response is inspected on this thread.
    static FOUND: RefCell<Option<Found>> = const { RefCell::new(None) };
}

/// Runs a function with an empty collector and returns what was added to it.
fn collect<T>(read: impl FnOnce() -> T) -> (T, Found) {
    let outer = FOUND.replace(Some(Found::new()));
    let value = read();
    (value, FOUND.replace(outer).unwrap_or_default())
}

/// Whether a response is being inspected on this thread.
pub(super) fn is_collecting() -> bool {
    FOUND.with_borrow(Option::is_some)
}

fn add(key: DriftKind, kind: DriftKind) {
    FOUND.with_borrow_mut(|found| match found {
        Some(found) if found.len() < MOST_REPORTED => drop(found.entry(key).or_insert(kind)),
        _ => {}
    });
}

/// Called by an enum for a value that it does not know.
#[cold]
pub(super) fn unknown_value(type_name: &'static str, value: &str) {
    if is_collecting() {
        let kind = DriftKind::Value { type_name, value: value.into() };
        add(kind.clone(), kind);
    }
}

/// Called by a union for a variant that it does not know.
#[cold]
pub(super) fn unknown_variant(type_name: &'static str, tag: &str) {
    if is_collecting() {
        let kind = DriftKind::Variant { type_name, tag: tag.into() };
        add(kind.clone(), kind);
    }
}

/// Called by a union to read its variant while a response is inspected.
#[cold]
pub(super) fn read_variant<T: DeserializeOwned>(
    type_name: &'static str,
    tag: &str,
    fields: &str,
) -> Option<T> {
    let read = |fields: &str| {
        collect_members(raw::named(tag, serde_json::from_str(fields)?), Some(type_name))
    };
    let (read, mut found) = collect(|| mended(fields, Some(type_name), read));
    if read.is_none() {
        // The union becomes `Unknown` as a whole, so what was found inside of it does not matter.
        found.clear();
        unknown_variant(type_name, tag);
    }
    // The tag may be among the variant's members. It was read before.
    found.remove(&DriftKind::Member { type_name: Some(type_name), pointer: "/type".into() });
    for (key, kind) in found {
        add(key, kind);
    }
    read
}

/// Decodes a text, and adds the members whose values do not have the known types. `None` if it does not decode.
fn mended<T>(
    text: &str,
    type_name: Option<&'static str>,
    read: impl FnMut(&str) -> serde_json::Result<T>,
) -> Option<T> {
    let (value, places) = match repair::decode(text, Mend::Everything, read) {
        Ok((value, places)) => (Some(value), places),
        Err(failure) => (None, failure.mended),
    };
    for place in places {
        let (pointer, pattern) = place.pointer_and_pattern();
        let kind = |pointer: String| DriftKind::Type { type_name, pointer: pointer.into() };
        add(kind(pattern), kind(pointer));
    }
    value
}

/// Deserializes a value and adds the members that no type reads.
fn collect_members<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    type_name: Option<&'static str>,
) -> Result<T, D::Error> {
    let mut ignored = |path: serde_ignored::Path<'_>| {
        let (pointer, pattern) = pointer_and_pattern(&path);
        let member = |pointer: String| DriftKind::Member { type_name, pointer: pointer.into() };
        add(member(pattern), member(pointer));
    };
    // One type for all callers: without `dyn`, each level of `T` would be compiled for each of them.
    let ignored: &mut dyn FnMut(serde_ignored::Path<'_>) = &mut ignored;
    serde_ignored::deserialize(deserializer, ignored)
}

/// The JSON Pointer of a member, and its pattern.
fn pointer_and_pattern(path: &serde_ignored::Path<'_>) -> (String, String) {
    use serde_ignored::Path;

    let (parent, name, pattern) = match path {
        Path::Root => return Default::default(),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => return pointer_and_pattern(parent),
        Path::Seq { parent, index } => (parent, index.to_string(), "*".to_owned()),
        Path::Map { parent, key } => {
            let name = key.replace('~', "~0").replace('/', "~1");
            let pattern = if is_id(key) { "*".to_owned() } else { name.clone() };
            (parent, name, pattern)
        }
    };
    let (pointer, parent_pattern) = pointer_and_pattern(parent);
    (format!("{pointer}/{name}"), format!("{parent_pattern}/{pattern}"))
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro declares public enums")]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::wire::{lenient, open_enum, open_union};

    open_enum! {
        /// A state.
        State {
            /// It has ended.
            Done = "DONE",
        }
    }

    open_union! {
        /// A result.
        Outcome {
            /// Something was made.
            Made = "made" {
                /// Its id.
                id: Box<str>,
                /// Its state.
                state: Option<State>,
                /// The results of its parts.
                #[serde(default, deserialize_with = "lenient::exact_list")]
                parts: Vec<Outcome>,
            },
        }
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only what it ignores matters")]
    struct List {
        #[serde(default, deserialize_with = "lenient::list")]
        runs: Vec<Run>,
        other: Option<State>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only what it ignores matters")]
    struct Run {
        state: Option<State>,
        outcome: Option<Outcome>,
        raw: Option<Box<serde_json::value::RawValue>>,
        #[serde(default, deserialize_with = "lenient::count")]
        count: Option<u64>,
        #[serde(default, deserialize_with = "crate::wire::time::lenient_utc")]
        ended: Option<chrono::DateTime<chrono::Utc>>,
    }

    /// A reporter, and where its reports are kept.
    fn reporter() -> (DriftReporter, Arc<Mutex<Vec<Drift>>>) {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&reports);
        let on_drift = move |drift: &Drift| sink.lock().unwrap().push(drift.clone());
        let unread = &["/documented", "/runs/*/unread", "Outcome/unread"];
        (DriftReporter::new(Box::new(on_drift), unread), reports)
    }

    /// What is reported of a response, as text.
    fn inspect(
        (reporter, reports): &(DriftReporter, Arc<Mutex<Vec<Drift>>>),
        response: &Value,
    ) -> Vec<String> {
        let text = response.to_string();
        assert!(repair::read::<List>(&text).is_some());
        reporter.inspect::<List>("test", &text);
        reports.lock().unwrap().drain(..).map(|drift| drift.to_string()).collect()
    }

    fn made(more: &Value) -> Value {
        let mut made = json!({ "type": "made", "id": "1" });
        made.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        made
    }

    #[test]
    fn unknown_members_and_values_are_reported_once_without_the_values_of_members() {
        let reporter = reporter();
        let run = json!({
            "state": "PAUSED",
            "outcome": { "type": "made", "id": "1" },
            "raw": { "anything": 1 },
            "a/b": "canary",
        });
        let response =
            json!({ "runs": [{ "state": "done" }, run, run], "other": "LATE", "more": {} });
        assert_eq!(
            inspect(&reporter, &response),
            [
                "test: unknown member /more",
                "test: unknown member /runs/1/a~1b",
                "test: unknown value \"LATE\" of State",
                "test: unknown value \"PAUSED\" of State",
            ]
        );
        assert_eq!(inspect(&reporter, &response), [""; 0], "each is reported once");
        let later = json!({ "runs": [run], "other": "SOON" });
        assert_eq!(inspect(&reporter, &later), ["test: unknown value \"SOON\" of State"]);
        reporter.0.inspect::<List>("another", r#"{"other":"SOON","more":1}"#);
        let others: Vec<_> = reporter.1.lock().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(
            others,
            ["another: unknown member /more", "another: unknown value \"SOON\" of State"]
        );
    }

    #[test]
    fn what_is_unknown_inside_of_unions_is_reported_in_each_of_their_shapes() {
        for (outcome, expected) in [
            (made(&json!({})), None),
            (made(&json!({ "colour": 1 })), Some("member /colour of Outcome")),
            (made(&json!({ "a.b": { "c": 1 } })), Some("member /a.b of Outcome")),
            (made(&json!({ "state": "LATE" })), Some("value \"LATE\" of State")),
            (
                json!({ "type": "made", "made": { "id": "1", "size": 1 } }),
                Some("member /size of Outcome"),
            ),
            (json!({ "made": { "id": "1", "state": "SOON" } }), Some("value \"SOON\" of State")),
            (json!({ "made": { "id": "1", "size": 1 } }), Some("member /size of Outcome")),
            (
                json!({ "type": "moved", "to": 1 }),
                Some("or unreadable variant \"moved\" of Outcome"),
            ),
            (json!({ "lost": { "at": 1 } }), Some("or unreadable variant \"lost\" of Outcome")),
            (
                json!({ "type": "made", "state": "LATE", "size": 1 }),
                Some("or unreadable variant \"made\" of Outcome"),
            ),
            (
                made(&json!({ "parts": [made(&json!({})), made(&json!({ "depth": 1 }))] })),
                Some("member /depth of Outcome"),
            ),
            (
                made(&json!({ "parts": [{ "type": "sunk" }] })),
                Some("or unreadable variant \"sunk\" of Outcome"),
            ),
        ] {
            let reporter = reporter();
            let known = json!({ "outcome": made(&json!({})) });
            let response = json!({ "runs": [{}, known, { "outcome": outcome }] });
            let expected: Vec<_> =
                expected.iter().map(|what| format!("test: unknown {what}")).collect();
            assert_eq!(inspect(&reporter, &response), expected, "{response}");
            assert_eq!(inspect(&reporter, &response), [""; 0], "reported once: {response}");
        }
    }

    #[test]
    fn what_is_unknown_at_several_depths_of_a_union_is_all_reported() {
        let reporter = reporter();
        let inner = made(&json!({ "depth": 1, "state": "LATE" }));
        let outcome = made(&json!({ "colour": 1, "parts": [inner, { "type": "sunk" }] }));
        let response = json!({ "runs": [{ "outcome": outcome, "more": 1 }] });
        assert_eq!(
            inspect(&reporter, &response),
            [
                "test: unknown member /runs/0/more",
                "test: unknown member /colour of Outcome",
                "test: unknown member /depth of Outcome",
                "test: unknown value \"LATE\" of State",
                "test: unknown or unreadable variant \"sunk\" of Outcome",
            ]
        );
    }

    #[test]
    fn values_of_other_types_are_reported_with_their_place_and_without_the_value() {
        let reporter = reporter();
        let outcome = made(&json!({ "state": 7, "parts": [] }));
        let run =
            json!({ "state": ["canary"], "outcome": outcome, "ended": true, "count": "soon" });
        let other = json!({ "state": {}, "count": {}, "ended": "gestern" });
        let response = json!({ "runs": [{}, run, 7, run, other], "other": 1.5 });
        assert_eq!(
            inspect(&reporter, &response),
            [
                "test: unknown type of member /other",
                "test: unknown type of member /runs/2",
                "test: unknown type of member /runs/1/count",
                "test: unknown type of member /runs/1/ended",
                "test: unknown type of member /runs/1/state",
                "test: unknown type of member /state of Outcome",
            ]
        );
        assert_eq!(inspect(&reporter, &response), [""; 0], "each is reported once");
        let many = json!({ "runs": vec![json!({ "count": "soon" }); 100] });
        assert_eq!(
            inspect(&self::reporter(), &many),
            ["test: unknown type of member /runs/0/count"]
        );
        let spelt = json!({ "count": "9", "ended": null, "state": null });
        assert_eq!(inspect(&reporter, &json!({ "runs": [spelt, null], "other": null })), [""; 0]);
    }

    #[test]
    fn documented_members_that_nobody_reads_are_not_reported() {
        let reporter = reporter();
        let outcome = made(&json!({ "unread": 1 }));
        let run = json!({ "unread": 1, "outcome": outcome });
        let response = json!({ "documented": 1, "unread": 1, "runs": [run] });
        assert_eq!(inspect(&reporter, &response), ["test: unknown member /unread"]);
        assert!(ends_like("acme.info.get/a", "acme.info.get/*"));
        assert!(!ends_like("acme.info.get/a/b", "acme.info.get/*"));
        assert!(!ends_like("acme.info.get", "/acme.info.get/*"));
    }

    #[test]
    fn a_member_is_the_same_under_each_key_of_a_map() {
        let (reporter, reports) = reporter();
        let text = r#"{"ri.a.1":{"new":1},"ri.a.2":{"new":1}}"#;
        reporter.inspect::<BTreeMap<String, Run>>("test", text);
        let reports: Vec<_> = reports.lock().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(reports, ["test: unknown member /ri.a.1/new"]);
    }

    #[test]
    fn a_callback_that_panics_loses_no_response_and_no_report() {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&reports);
        let on_drift = move |drift: &Drift| {
            sink.lock().unwrap().push(drift.kind.to_string());
            assert!(!drift.to_string().contains("/first"), "a test of panics");
        };
        let reporter = DriftReporter::new(Box::new(on_drift), &[]);
        reporter.inspect::<List>("test", r#"{"first":1,"runs":[{"state":"LATE"}]}"#);
        reporter.inspect::<List>("test", r#"{"second":1}"#);
        assert_eq!(
            *reports.lock().unwrap(),
            ["unknown member /first", "unknown value \"LATE\" of State", "unknown member /second"]
        );
        assert!(!is_collecting());
    }

    #[test]
    fn a_type_that_panics_loses_no_response_and_ends_the_collection() {
        struct Panics;

        impl<'de> Deserialize<'de> for Panics {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                State::deserialize(deserializer)?;
                panic!("a test of panics");
            }
        }

        let (reporter, reports) = reporter();
        reporter.inspect::<Vec<Panics>>("test", r#"["LATE"]"#);
        assert!(!is_collecting());
        let reports: Vec<_> = reports.lock().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(reports, ["test: unknown value \"LATE\" of State"]);
    }

    #[test]
    fn a_response_full_of_new_names_is_reported_up_to_the_bound() {
        let reporter = reporter();
        let runs = (0..20_000).map(|number| {
            let outcome = json!({ "type": format!("o{number}"), (format!("m{number}")): 1 });
            json!({ "state": format!("S{number}"), "outcome": outcome, (format!("m{number}")): 1 })
        });
        let response = json!({ "runs": runs.collect::<Vec<_>>() });
        assert_eq!(inspect(&reporter, &response).len(), MOST_REPORTED);
        assert_eq!(inspect(&reporter, &json!({ "more": 1 })), [""; 0]);
    }

    #[test]
    fn what_one_response_is_found_to_hold_is_bounded_too() {
        let ((), found) = collect(|| {
            (0..=MOST_REPORTED).for_each(|number| unknown_value("State", &number.to_string()));
        });
        assert_eq!(found.len(), MOST_REPORTED);
    }

    #[test]
    fn a_response_that_reaches_the_bound_is_reported_up_to_it() {
        let reporter = reporter();
        let run = |number: usize| json!({ "state": format!("S{number}") });
        let runs: Vec<_> = (1..MOST_REPORTED).map(run).collect();
        assert_eq!(inspect(&reporter, &json!({ "runs": runs })).len(), MOST_REPORTED - 1);
        let runs: Vec<_> = (MOST_REPORTED..MOST_REPORTED + 3).map(run).collect();
        assert_eq!(inspect(&reporter, &json!({ "runs": runs })).len(), 1);
    }

    #[test]
    fn all_responses_of_a_client_share_the_bound() {
        let (reporter, reports) = reporter();
        for number in 0..MOST_REPORTED + 500 {
            reporter.inspect::<List>("test", &json!({ (format!("m{number}")): 1 }).to_string());
        }
        assert_eq!(reports.lock().unwrap().len(), MOST_REPORTED);
        let state: State = serde_json::from_str("\"PAUSED\"").unwrap();
        assert_eq!(state.as_str(), "PAUSED");
    }
}
