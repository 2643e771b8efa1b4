//! Both recipes for metrics, fed by the same calls and waits: exactly what they report.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may panic, and prints what it did"
)]

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ScopeMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use run_service::opentelemetry::Instruments;
use run_service::prometheus;
use scheduled_runs::testing::ManualClock;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::{CallOptions, ErrorKind, RunProviderExt as _, adobe};

#[tokio::test]
async fn both_recipes_report_the_same_numbers_and_nothing_secret() {
    let reader = InMemoryMetricExporter::default();
    let meters =
        SdkMeterProvider::builder().with_periodic_exporter(reader.clone()).build();
    let instruments = Instruments::new(&meters.meter("scheduled-runs"));
    let handle = prometheus::install().unwrap();

    let (fake, clock) = (FakeAdobe::start().await, ManualClock::new());
    fake.use_clock(&clock);
    let on_call = instruments.clone();
    let client = fake.client_builder().clock(clock).on_call(move |call| {
        prometheus::on_call(call);
        on_call.on_call(call);
    });
    let client = client.build().unwrap();

    // A call that is retried, and one that fails.
    fake.fail_next(503);
    client.send(adobe::ListSchedules::new()).await.unwrap();
    let missing =
        client.send(adobe::ListRuns::new("no-such-schedule")).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    // A wait with a failed poll for a run that fails, and a wait for a run that does not exist.
    let target = client.target("nightly-orders");
    let run = target.run(fake.trigger_from_elsewhere("nightly-orders"));
    fake.fail_next(500);
    let nowhere = target.run(FakeAdobe::run_id("manual__2020-01-01T00:00:00+00:00"));
    for (run, succeeds) in [(&run, true), (&nowhere, false)] {
        let wait = client.wait(run).options(CallOptions::default().max_attempts(1));
        let wait = wait.on_end(|wait| {
            prometheus::on_end(wait);
            instruments.on_end(wait);
        });
        assert_eq!(wait.await.is_ok(), succeeds);
    }

    let text = handle.render();
    check_text(&text);
    let port = fake.base_url().split([':', '/']).nth(4).unwrap().to_owned();
    let counts: BTreeSet<_> = text
        .lines()
        .filter(|line| line.contains("_count{") || line.contains("_total{"))
        .collect();
    let counts = counts.into_iter().collect::<Vec<_>>().join("\n").replace(&port, "PORT");
    assert_eq!(counts, PROMETHEUS.trim(), "{counts}");

    meters.force_flush().unwrap();
    let exported = lines_of(&reader).replace(&port, "PORT");
    assert_eq!(exported, OPENTELEMETRY.trim(), "{exported}");

    let token = fake.access_token();
    for private in [
        &*token,
        FakeAdobe::CLIENT_ID,
        FakeAdobe::CLIENT_SECRET,
        FakeAdobe::ORG_ID,
        run.id(),
        nowhere.id(),
        target.id(),
    ] {
        assert!(!text.contains(private) && !exported.contains(private), "{private}");
    }
}

const PROMETHEUS: &str = include_str!("expected/prometheus.txt");

const OPENTELEMETRY: &str = include_str!("expected/opentelemetry.txt");

/// Checks the text as Prometheus reads it: names, labels, values, and that each histogram adds up.
fn check_text(text: &str) {
    let mut types = BTreeMap::new();
    let mut buckets: BTreeMap<String, Vec<(f64, u64)>> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for line in
        text.lines().filter(|line| !line.is_empty() && !line.starts_with("# HELP "))
    {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            assert!(types.insert(name, kind).is_none(), "{name} is declared twice");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.strip_suffix('}').unwrap().split_once('{').unwrap();
        assert!(
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            "{line}"
        );
        let labels: Vec<_> =
            labels.split(',').map(|label| label.split_once('=').unwrap()).collect();
        for (label, value) in &labels {
            assert!(
                label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{line}"
            );
            assert!(
                value.len() >= 2 && value.starts_with('"') && value.ends_with('"'),
                "{line}"
            );
        }
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let count = || value.parse::<u64>().unwrap();
        let parts = [
            ("_bucket", "histogram"),
            ("_sum", "histogram"),
            ("_count", "histogram"),
            ("", "counter"),
        ];
        let (part, base) = parts
            .iter()
            .find_map(|(part, kind)| {
                let base = name.strip_suffix(part)?;
                (types.get(base) == Some(kind)).then_some((*part, base))
            })
            .unwrap_or_else(|| panic!("no type is declared before {line}"));
        let others = labels.iter().filter(|(label, _)| *label != "le");
        let series = format!("{base} {others:?}", others = others.collect::<Vec<_>>());
        match part {
            "_bucket" => {
                let (_, bound) = labels.iter().find(|(label, _)| *label == "le").unwrap();
                let bound = bound.trim_matches('"').parse().unwrap();
                buckets.entry(series).or_default().push((bound, count()));
            }
            "_count" => drop(counts.insert(series, count())),
            _ => {}
        }
    }
    assert_eq!(buckets.keys().collect::<Vec<_>>(), counts.keys().collect::<Vec<_>>());
    for (series, buckets) in buckets {
        assert!(
            buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
            "{series}: {buckets:?}"
        );
        assert_eq!(
            buckets.last().unwrap(),
            &(f64::INFINITY, counts[&series]),
            "{series}"
        );
    }
}

/// A line for each series: its name, unit, attributes and count.
fn lines_of(reader: &InMemoryMetricExporter) -> String {
    let mut lines = BTreeSet::new();
    let exports = reader.get_finished_metrics().unwrap();
    let scopes = exports.last().unwrap().scope_metrics();
    for metric in scopes.flat_map(ScopeMetrics::metrics) {
        let series: Vec<(Vec<_>, u64)> = match metric.data() {
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                let points = histogram.data_points();
                points
                    .map(|point| (point.attributes().collect(), point.count()))
                    .collect()
            }
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                assert!(sum.is_monotonic());
                let points = sum.data_points();
                points
                    .map(|point| (point.attributes().collect(), point.value()))
                    .collect()
            }
            other => panic!("{other:?}"),
        };
        for (attributes, count) in series {
            let mut attributes: Vec<_> = attributes
                .iter()
                .map(|pair| format!("{}={}", pair.key, pair.value))
                .collect();
            attributes.sort();
            lines.insert(format!(
                "{} {} {} {count}",
                metric.name(),
                metric.unit(),
                attributes.join(" ")
            ));
        }
    }
    lines.into_iter().collect::<Vec<_>>().join("\n")
}
