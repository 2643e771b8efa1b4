//! A response, changed in one place at a time: what becomes of it when the vendor changes its mind.

use crate::round_trip;

use std::sync::{Arc, Mutex};

use scheduled_runs::ErrorKind;
use scheduled_runs::client::{Api, ClientBuilder, Endpoint};
use scheduled_runs::testing::ScriptedTransport;
use scheduled_runs::wire::{Drift, DriftKind};
use serde_json::{Map, Value, json};

use self::round_trip::Travels;

/// A member beside the others that nobody knows.
const SIBLING: &str = "lunarPhase";

/// What a response cannot be without, as JSON Pointers with `*` for an index or an id.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// Members without which an object is useless, by the ends of their pointers: missing, null and of another type they are an error.
    pub(crate) required: &'static [&'static str],
    /// Lists that may be missing or null, unless a member beside them counts their items, but are an error if of another type:
    /// a list of nothing is not a list that cannot be read.
    pub(crate) typed: &'static [&'static str],
    /// Members that are kept as they came, whatever they are, with all that is in them, by parts of their pointers.
    pub(crate) kept: &'static [&'static str],
}

/// Decodes a response with every change of every member of every object, and of every element of every list.
///
/// What decodes travels on. Whatever happens to an optional member, the rest is as if the member were not there; and a client with a callback for drift
/// reports a type that is not known.
pub(crate) async fn check<A: Api, E: Endpoint<Api = A> + Clone>(
    client: impl Fn() -> ClientBuilder<A>,
    request: E,
    body: &str,
    rules: Rules,
) where
    E::Output: Travels,
{
    let whole: Value = serde_json::from_str(body).unwrap();
    let decode = async |body: &Value| decode(client(), &request, &body.to_string()).await;
    let unchanged = decode(&whole).await;
    assert!(unchanged.output.is_ok(), "{unchanged:?}");
    round_trip::check_names(E::OPERATION, &unchanged.json, body);
    let mut faults = Vec::new();
    let mut expect = |holds: bool, what: &dyn Fn() -> String| {
        if !holds {
            faults.push(what());
        }
    };
    let mut places = Vec::new();
    places_of(&whole, "", &mut places);
    assert!(!places.is_empty(), "a response without a member shows nothing");
    for at in places {
        let pattern = pattern_of(&at);
        let is_in = |patterns: &[&str]| patterns.iter().any(|end| pattern.ends_with(end));
        let kept = rules.kept.iter().any(|within| pattern.contains(within));
        let (required, typed) = (!kept && is_in(rules.required), rules.typed.contains(&&*pattern));
        let (parent, name) = at.rsplit_once('/').unwrap();
        let before = whole.pointer(&at).unwrap();
        let list = whole.pointer(parent).unwrap().as_array();
        let is_only_one = list.is_some_and(|list| list.len() == 1);
        let replaced = |value: Value| {
            let mut changed = whole.clone();
            *changed.pointer_mut(&at).unwrap() = value;
            changed
        };
        let null = decode(&replaced(Value::Null)).await;
        if whole.pointer(parent).unwrap().is_object() {
            let changed = |change: &dyn Fn(&mut Map<String, Value>)| {
                let mut changed = whole.clone();
                change(changed.pointer_mut(parent).unwrap().as_object_mut().unwrap());
                changed
            };
            let removed = decode(&changed(&|object| drop(object.remove(name)))).await;
            for (what, decoded) in [("null", &null), ("removed", &removed)] {
                // A union may be `null`, which is kept as it came.
                let is_kept = decoded.variants.len() > unchanged.variants.len();
                let refused = (required && !is_kept) || (typed && decoded.is_refused());
                let as_listed = if refused { decoded.is_refused() } else { decoded.output.is_ok() };
                expect(as_listed, &|| format!("{at} {what}: {decoded:?}"));
            }
            // An object with the items by their ids has no other members.
            if !name.contains('.') {
                let sibling = json!({"a": [1, null]});
                let add =
                    |object: &mut Map<_, _>| drop(object.insert(SIBLING.into(), sibling.clone()));
                let decoded = decode(&changed(&add)).await;
                expect(decoded.output.is_ok(), &|| format!("a sibling of {at}: {decoded:?}"));
            }
        }
        if before.is_string() {
            let new = decode(&replaced("Unheard Of".into())).await;
            expect(new.output.is_ok(), &|| format!("{at} as a new text: {new:?}"));
        }
        for other in of_each_type().filter(|other| kind_of(other) != kind_of(before)) {
            let decoded = decode(&replaced(other.clone())).await;
            let is_ok = decoded.output.is_ok();
            if is_only_one && decoded.is_refused() && null.is_refused() {
                continue;
            }
            if is_ok && before.is_number() && other.is_string() {
                let another = decode(&replaced("y".into())).await;
                if another.output.is_ok() && !another.is_same(&decoded) {
                    // A text, though here it is a number.
                    continue;
                }
            }
            if is_ok && decoded.variants.iter().any(|variant| !unchanged.variants.contains(variant))
            {
                // A union that is kept as it came.
            } else if kept || before.is_null() {
                // Of null, the documented type is not known.
                let is_listed = is_ok || (typed && decoded.is_refused());
                expect(is_listed, &|| format!("{at} as {other}: {decoded:?}"));
            } else if typed || (required && !is_ok) {
                expect(decoded.is_refused(), &|| format!("{at} as {other}: {decoded:?}"));
            } else if !decode(&replaced(other.to_string().into())).await.is_same(&decoded)
                || null.is_same(&decoded)
            {
                expect(is_ok && null.is_same(&decoded), &|| {
                    format!("{at} as {other}: {decoded:?}, but as null: {null:?}")
                });
                let is_read = !unchanged.is_same(&decoded);
                let is_nothing = other == json!([]) && before.is_object();
                // An object without its id is absent as a whole.
                let is_told =
                    |pointer: &String| at.ends_with(&**pointer) || at.starts_with(&**pointer);
                expect(!is_read || is_nothing || decoded.types.iter().any(is_told), &|| {
                    format!("{at} as {other} is not reported: {:?}", decoded.types)
                });
            } else {
                // Another spelling of the documented type.
                expect(decoded.types == unchanged.types, &|| {
                    format!("{at} as {other} is reported")
                });
            }
        }
    }
    assert!(faults.is_empty(), "{}:\n{}", E::OPERATION, faults.join("\n"));
}

/// Values of each JSON type.
fn of_each_type() -> impl Iterator<Item = Value> {
    [
        json!(true),
        json!(7),
        json!(1.5),
        json!("x"),
        json!([]),
        json!([7]),
        json!({}),
        json!({"a": 1}),
    ]
    .into_iter()
}

/// What became of a response: the decoded value, or the kind and the text of the error.
#[derive(Debug)]
struct Decoded {
    output: Result<String, (ErrorKind, String)>,
    /// The value, serialised.
    json: String,
    /// Pointers of the members whose types are reported.
    types: Vec<String>,
    /// Names of the unknown variants that are reported.
    variants: Vec<String>,
}

impl Decoded {
    fn is_refused(&self) -> bool {
        // A failed run without its id looks like a failed call, and a list may not be continued.
        let is_unread = |kind: &ErrorKind| {
            matches!(kind, ErrorKind::Decode | ErrorKind::Rejected | ErrorKind::Pagination)
        };
        self.output.as_ref().is_err_and(|(kind, _)| is_unread(kind))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.output.is_ok() && self.output == other.output
    }
}

async fn decode<A: Api, E: Endpoint<Api = A> + Clone>(
    client: ClientBuilder<A>,
    request: &E,
    body: &str,
) -> Decoded
where
    E::Output: Travels,
{
    let (script, reports) = (ScriptedTransport::default(), Arc::new(Mutex::new(Vec::new())));
    script.respond(200, body.to_owned());
    let sink = Arc::clone(&reports);
    let on_drift = move |drift: &Drift| sink.lock().unwrap().push(drift.kind.clone());
    let client = client.transport(script).on_drift(on_drift).build().unwrap();
    let response = client.send(request.clone()).await;
    let json = response.as_ref().map(|response| round_trip::check_value(E::OPERATION, &**response));
    let mut decoded = Decoded {
        json: json.unwrap_or_default(),
        output: match response {
            Ok(response) => Ok(format!("{:?}", *response)),
            Err(error) => Err((error.kind(), error.report())),
        },
        types: Vec::new(),
        variants: Vec::new(),
    };
    for drift in reports.lock().unwrap().drain(..) {
        match drift {
            DriftKind::Type { pointer, .. } => decoded.types.push(pointer.into()),
            DriftKind::Variant { tag, .. } => decoded.variants.push(tag.into()),
            _ => {}
        }
    }
    decoded
}

fn kind_of(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

fn pattern_of(place: &str) -> String {
    let is_key = |part: &str| part.contains('.') || part.parse::<usize>().is_ok();
    let parts = place.split('/').map(|part| if is_key(part) { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// The pointers of all members and elements.
fn places_of(value: &Value, at: &str, places: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => object
            .iter()
            .map(|(name, child)| (name.replace('~', "~0").replace('/', "~1"), child))
            .collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(index, child)| (index.to_string(), child)).collect()
        }
        _ => Vec::new(),
    };
    if !at.is_empty() {
        places.push(at.to_owned());
    }
    for (name, child) in children {
        places_of(child, &format!("{at}/{name}"), places);
    }
}
