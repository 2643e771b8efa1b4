//! The vendors' own samples, where they can be had: `VENDOR_SAMPLES` names a folder with one folder for each vendor.
//! They are not part of this repository. A file without a model here fails the test, unless it is listed with a reason.
#![cfg(any(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]
#![allow(clippy::print_stderr, reason = "the helpers of tests may print")]

use crate::drifts;
use crate::round_trip;

use std::path::Path;

use scheduled_runs::client::{Api, ClientBuilder, Endpoint};
use scheduled_runs::wire::DriftKind;

#[cfg(feature = "adobe")]
mod adobe;
#[cfg(all(feature = "adobe", feature = "rustls"))]
mod adobe_events;
#[cfg(feature = "arcgis")]
mod arcgis;
#[cfg(feature = "foundry")]
mod foundry;
#[cfg(feature = "mode")]
mod mode;
#[cfg(feature = "supermetrics")]
mod supermetrics;
#[cfg(feature = "supermetrics")]
mod transfers;

/// The samples of one vendor: names without `.json`, and texts.
fn samples(vendor: &str) -> Option<Vec<(String, String)>> {
    let Some(samples) = std::env::var_os("VENDOR_SAMPLES") else {
        eprintln!("skipped: VENDOR_SAMPLES is not set");
        return None;
    };
    let folder = Path::new(&samples).join(vendor);
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut samples: Vec<_> = files
        .map(|file| {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&file).unwrap())
        })
        .collect();
    samples.sort();
    assert!(!samples.is_empty(), "{} holds no samples", folder.display());
    eprintln!("{} samples of {vendor}", samples.len());
    Some(samples)
}

/// What a sample decodes to serialises under the sample's names, and decodes again to an equal value.
fn travels<T: round_trip::Travels>(operation: &str, value: &T, sample: &str) {
    let json = round_trip::check_value(operation, value);
    round_trip::check_names(operation, &json, sample);
}

/// Values in samples that no vendor sends, by enum or member: somebody's test or documentation made them up.
const MADE_UP: [(&str, &str); 4] = [
    ("mode.query_runs.get", "RunState"),
    ("mode.query_runs.get", "/limit"),
    ("supermetrics.queries.get_status", "QueryState"),
    ("supermetrics.transfer_runs.get", "RunStatus"),
];

/// Nothing of the sample is reported as drift, and an added member is reported with its place.
async fn reports_only_what_is_new<A: Api, E: Endpoint<Api = A> + Clone>(
    client: impl Fn() -> ClientBuilder<A>,
    request: &E,
    body: &str,
) {
    let reported = drifts::of(client, request, body).await;
    for drift in &reported.unchanged {
        let is_made_up = match &drift.kind {
            DriftKind::Value { type_name, .. } => MADE_UP.contains(&(drift.operation, type_name)),
            DriftKind::Type { pointer, .. } => MADE_UP.contains(&(drift.operation, pointer)),
            _ => false,
        };
        assert!(is_made_up, "{drift}");
    }
    reported.check(E::OPERATION);
}
