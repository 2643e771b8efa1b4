//! What a client tells of an answer: as it is, with a member that nobody knows, and with values that nobody knows.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use scheduled_runs::client::{Api, ClientBuilder, Endpoint};
use scheduled_runs::testing::ScriptedTransport;
use scheduled_runs::wire::Drift;
use serde_json::Value;

/// The member that is added everywhere, one place at a time.
const ADDED: &str = "lunarPhase";

/// What became of an answer's places.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What is told of the answer as it is.
    pub(crate) unchanged: Vec<Drift>,
    /// Objects in which a member that nobody knows is not told: nobody looks into them.
    pub(crate) unseen: BTreeSet<String>,
    /// Texts whose unheard-of value is told: enums, and names of variants. `*` stands for an index or a key.
    pub(crate) enums: BTreeSet<String>,
}

/// What is kept as it came, is read by nobody, or is a map by names that are not the vendor's: nobody looks into it.
/// A place that ends with `$` is untyped itself, and what is in it is not.
const UNTYPED: &[(&str, &str)] = &[
    ("adobe.", "/_links"),
    ("adobe.", "/queryParameters"),
    ("adobe.accelerated_queries.run", "/results"),
    ("adobe.accelerated_queries.run", "/resultsMeta/_adhoc/properties$"),
    ("adobe.alerts.list", "/_page"),
    ("adobe.ip_access.get", "/deletedIpRanges"),
    ("arcgis.", "/parameters"),
    ("arcgis.portal.get", "/portalProperties"),
    ("arcgis.portal.get", "/user"),
    ("arcgis.portal.get", "$"),
    ("foundry.", "/data$"),
    // A variant that nobody knows.
    ("foundry.schedules.get", "/trigger/triggers/2"),
    ("mode.query_runs.get", "/_embedded"),
    ("mode.report_runs.", "/_embedded$"),
    ("mode.report_runs.list", "/0/_embedded"),
    ("mode.", "/_forms"),
    ("mode.", "/_links"),
    ("mode.", "/color_mappings"),
    ("mode.", "/custom_attributes"),
    ("mode.", "/form_fields"),
    ("mode.", "/imported_datasets"),
    ("mode.", "/parameters"),
    ("mode.report_runs.get_rows", ""),
    ("supermetrics.", "/error"),
    ("supermetrics.", "/settings"),
    ("supermetrics.saved_queries.get", "/query_params"),
    ("supermetrics.", "/meta$"),
    ("supermetrics.", "/links"),
    ("supermetrics.accounts.list", "/meta"),
    ("supermetrics.batch_queries.list", "/meta/progress"),
    ("supermetrics.history.list", "/meta/filter"),
];

impl Told {
    /// A member that nobody knows is told wherever a type is read.
    pub(crate) fn check(&self, operation: &str) {
        for place in &self.unseen {
            let is_untyped = |(of, within): &(&str, &str)| {
                let is_in = match within.strip_suffix('$') {
                    Some(map) => place == map,
                    None => place.contains(within),
                };
                operation.starts_with(of) && is_in
            };
            assert!(UNTYPED.iter().any(is_untyped), "{operation}: nobody looks into {place:?}");
        }
    }
}

/// Puts an answer and all its changes through a client.
pub(crate) async fn of<A: Api, E: Endpoint<Api = A> + Clone>(
    client: impl Fn() -> ClientBuilder<A>,
    request: &E,
    body: &str,
) -> Told {
    let whole: Value = serde_json::from_str(body).unwrap();
    let unchanged = drifts(client(), request, body).await;
    let mut told = Told { unchanged, ..Told::default() };
    let mut places = Vec::new();
    places_of(&whole, "", &mut places);
    for (place, pattern) in places {
        let mut changed = whole.clone();
        let value = changed.pointer_mut(&place).unwrap();
        let is_object = value.is_object();
        if let Some(object) = value.as_object_mut() {
            object.insert(ADDED.into(), "canary".into());
        } else {
            *value = "Unheard Of".into();
        }
        let mut news = drifts(client(), request, &changed.to_string()).await;
        news.retain(|drift| !told.unchanged.contains(drift));
        if is_object {
            match &news[..] {
                [] => drop(told.unseen.insert(place)),
                [one] => {
                    assert_eq!(*one.pointer, format!("{place}/{ADDED}"), "{}", E::OPERATION);
                    assert_eq!((one.operation, &one.value), (E::OPERATION, &None));
                }
                several => panic!("told once: {several:?}"),
            }
        } else {
            match &news[..] {
                [] => {}
                [one] => {
                    assert_eq!((&*one.pointer, one.operation), (&*place, E::OPERATION));
                    assert_eq!(one.value.as_deref(), Some("Unheard Of"));
                    told.enums.insert(pattern);
                }
                several => panic!("told once: {several:?}"),
            }
        }
    }
    told
}

/// What is told of one answer. It may be one that does not decode.
async fn drifts<A: Api, E: Endpoint<Api = A> + Clone>(
    client: ClientBuilder<A>,
    request: &E,
    body: &str,
) -> Vec<Drift> {
    let (script, told) = (ScriptedTransport::default(), Arc::new(Mutex::new(Vec::new())));
    script.answer(200, body.to_owned());
    let heard = Arc::clone(&told);
    let client =
        client.transport(script).on_drift(move |drift| heard.lock().unwrap().push(drift.clone()));
    drop(client.build().unwrap().send(request.clone()).await);
    told.lock().unwrap().drain(..).collect()
}

/// All objects and texts: their pointers, and the same with `*` for indices.
fn places_of(value: &Value, place: &str, places: &mut Vec<(String, String)>) {
    let pattern = |place: &str| {
        let is_key = |part: &str| part.contains('.') || part.parse::<usize>().is_ok();
        let parts = place.split('/').map(|part| if is_key(part) { "*" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    match value {
        Value::Object(object) => {
            for (name, child) in object {
                let name = name.replace('~', "~0").replace('/', "~1");
                places_of(child, &format!("{place}/{name}"), places);
            }
            places.push((place.to_owned(), pattern(place)));
        }
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                places_of(item, &format!("{place}/{index}"), places);
            }
        }
        Value::String(_) => places.push((place.to_owned(), pattern(place))),
        _ => {}
    }
}
