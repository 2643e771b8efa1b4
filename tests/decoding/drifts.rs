//! What a client reports of a response: as it is, with an unknown member, and with unknown values.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use scheduled_runs::client::{Api, ClientBuilder, Endpoint};
use scheduled_runs::testing::ScriptedTransport;
use scheduled_runs::wire::{Drift, DriftKind};
use serde_json::Value;

/// The member that is added everywhere, one place at a time.
const ADDED: &str = "lunarPhase";

/// The text that replaces each text, one place at a time.
const REPLACED: &str = "Unheard Of";

/// What is reported of a response and of its changes.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    /// What is reported of the response as it is.
    pub(crate) unchanged: Vec<Drift>,
    /// Objects in which an unknown member is not reported: no type reads them.
    pub(crate) unseen: BTreeSet<String>,
    /// Texts whose unknown value is reported, because they are enums or the names of variants, with the type:
    /// `/runs/*/state: RunState`. `*` stands for an index or a key.
    pub(crate) types: BTreeSet<String>,
}

/// Objects that no type reads: they are kept as they came, are skipped, or are maps by names that are not the vendor's.
/// A place that ends with `$` is untyped itself, and what is in it is not.
const UNTYPED: &[(&str, &str)] = &[
    ("adobe.", "/_links"),
    ("adobe.", "/queryParameters"),
    ("adobe.accelerated_queries.run", "/results"),
    ("adobe.accelerated_queries.run", "/resultsMeta/_adhoc/properties$"),
    ("adobe.alerts.list", "/_page"),
    ("adobe.ip_access.get", "/deletedIpRanges"),
    ("arcgis.", "/parameters"),
    ("arcgis.notebook_jobs.", "/notebookParameters"),
    ("arcgis.notebook_jobs.", "/openNotebookProgress"),
    ("arcgis.portal.get", "/portalProperties"),
    ("arcgis.portal.get", "/user"),
    ("arcgis.portal.get", "$"),
    ("foundry.", "/data$"),
    // An unknown variant.
    ("foundry.schedules.get", "/trigger/triggers/2"),
    ("mode.query_runs.get", "/_embedded"),
    ("mode.report_runs.", "/_embedded$"),
    ("mode.report_runs.list", "/0/_embedded"),
    ("mode.subscriptions.list", "/0/_embedded"),
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
    ("supermetrics.transfers.list", "/backfill"),
    ("supermetrics.transfers.list", "/data_source"),
    ("supermetrics.transfers.list", "/destination"),
    ("supermetrics.transfers.get", "/license/features"),
];

impl Reported {
    /// An unknown member is reported wherever a type is read.
    pub(crate) fn check(&self, operation: &str) {
        for place in &self.unseen {
            let is_untyped = |(of, within): &(&str, &str)| {
                let is_in = match within.strip_suffix('$') {
                    Some(map) => place == map,
                    None => place.contains(within),
                };
                operation.starts_with(of) && is_in
            };
            assert!(UNTYPED.iter().any(is_untyped), "{operation}: no type reads {place:?}");
        }
    }
}

/// Puts a response and all its changes through a client.
pub(crate) async fn of<A: Api, E: Endpoint<Api = A> + Clone>(
    client: impl Fn() -> ClientBuilder<A>,
    request: &E,
    body: &str,
) -> Reported {
    let whole: Value = serde_json::from_str(body).unwrap();
    let unchanged = drifts(client(), request, body).await;
    let mut reported = Reported { unchanged, ..Reported::default() };
    // Members of unions are checked when all unions are known.
    let mut in_unions = Vec::new();
    let mut places = Vec::new();
    places_of(&whole, "", &mut places);
    for (place, pattern) in places {
        let mut changed = whole.clone();
        let value = changed.pointer_mut(&place).unwrap();
        let is_object = value.is_object();
        if let Some(object) = value.as_object_mut() {
            object.insert(ADDED.into(), "canary".into());
        } else {
            *value = REPLACED.into();
        }
        let mut news = drifts(client(), request, &changed.to_string()).await;
        news.retain(|drift| !reported.unchanged.contains(drift));
        let Some(drift) = news.pop() else {
            if is_object {
                reported.unseen.insert(place);
            }
            continue;
        };
        assert!(news.is_empty(), "reported once: {drift}, {news:?}");
        assert_eq!(drift.operation, E::OPERATION);
        match drift.kind {
            DriftKind::Member { type_name, pointer, .. } if is_object => {
                let whole = format!("{place}/{ADDED}");
                let Some(union) = type_name else {
                    assert_eq!(*pointer, whole, "{}", E::OPERATION);
                    continue;
                };
                let union_place = whole.strip_suffix(&*pointer).unwrap_or_else(|| {
                    panic!("{}: {pointer} of {union} is not at {whole}", E::OPERATION)
                });
                in_unions.push(format!("{}/type: {union}", pattern_of(union_place)));
            }
            DriftKind::Value { type_name, value: text, .. }
            | DriftKind::Variant { type_name, tag: text, .. }
                if !is_object =>
            {
                assert_eq!(*text, *REPLACED, "{}", E::OPERATION);
                reported.types.insert(format!("{pattern}: {type_name}"));
            }
            // A number or a boolean in quotes, or an object of items by id.
            DriftKind::Type { pointer, .. } => {
                let added = if is_object { format!("{place}/{ADDED}") } else { place };
                assert!(added.ends_with(&*pointer), "{}: {pointer} at {added}", E::OPERATION);
            }
            other => panic!("{}: {other} at {place}", E::OPERATION),
        }
    }
    for union in in_unions {
        assert!(reported.types.contains(&union), "{}: {union} is not a union", E::OPERATION);
    }
    reported
}

/// What is reported of one response. It may be one that does not decode.
async fn drifts<A: Api, E: Endpoint<Api = A> + Clone>(
    client: ClientBuilder<A>,
    request: &E,
    body: &str,
) -> Vec<Drift> {
    let (script, reports) = (ScriptedTransport::default(), Arc::new(Mutex::new(Vec::new())));
    script.respond(200, body.to_owned());
    let sink = Arc::clone(&reports);
    let client =
        client.transport(script).on_drift(move |drift| sink.lock().unwrap().push(drift.clone()));
    drop(client.build().unwrap().send(request.clone()).await);
    reports.lock().unwrap().drain(..).collect()
}

/// A pointer with `*` for indices and keys.
fn pattern_of(place: &str) -> String {
    let is_key = |part: &str| part.contains('.') || part.parse::<usize>().is_ok();
    let parts = place.split('/').map(|part| if is_key(part) { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// All objects and texts: their pointers, and their patterns.
fn places_of(value: &Value, place: &str, places: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            for (name, child) in object {
                let name = name.replace('~', "~0").replace('/', "~1");
                places_of(child, &format!("{place}/{name}"), places);
            }
            places.push((place.to_owned(), pattern_of(place)));
        }
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                places_of(item, &format!("{place}/{index}"), places);
            }
        }
        Value::String(_) => places.push((place.to_owned(), pattern_of(place))),
        _ => {}
    }
}
