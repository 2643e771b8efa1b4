//! Metrics for Prometheus, through the facade `metrics`: what to give to `on_call` of a client and to `on_end` of a wait.
//!
//! Attempts are named as OpenTelemetry's semantic conventions name them, in Prometheus' spelling. A label is never a run or a
//! target, of which there is no end.

use metrics::{Label, counter, histogram};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle,
};
use scheduled_runs::client::FinishedCall;
use scheduled_runs::run::FinishedWait;

const SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const MINUTES_TO_A_DAY: [f64; 10] =
    [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 10800.0, 28800.0, 86400.0];

/// Installs the recorder of the process. Its handle renders the text. Call its
/// `run_upkeep` every few seconds, so that observations do not pile up meanwhile.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let waits = Matcher::Prefix("scheduled_runs_wait".to_owned());
    let builder = PrometheusBuilder::new().set_buckets(&SECONDS)?;
    builder.set_buckets_for_metric(waits, &MINUTES_TO_A_DAY)?.install_recorder()
}

/// For `ClientBuilder::on_call`.
pub fn on_call(call: &FinishedCall<'_>) {
    let label = |name: &'static str, value: &str| Label::new(name, value.to_owned());
    let labels =
        vec![label("vendor", call.vendor.as_str()), label("operation", call.operation)];
    for attempt in call.attempts {
        let mut labels = labels.clone();
        labels.push(label("http_request_method", call.method.as_str()));
        labels.push(label("server_address", call.server_address));
        labels
            .extend(call.server_port.map(|port| label("server_port", &port.to_string())));
        let status = attempt.status.map(|status| status.as_str().to_owned());
        labels.extend(status.map(|status| label("http_response_status_code", &status)));
        labels
            .extend(attempt.failure.map(|failure| label("error_type", failure.as_str())));
        histogram!("http_client_request_duration_seconds", labels)
            .record(attempt.elapsed);
    }
    counter!("scheduled_runs_call_retries_total", labels.clone())
        .increment(call.retries() as u64);
    let labels = [labels, vec![label("outcome", call.outcome())]].concat();
    histogram!("scheduled_runs_call_duration_seconds", labels).record(call.elapsed);
}

/// For `Wait::on_end` and `WaitAll::on_end`.
pub fn on_end(wait: &FinishedWait<'_>) {
    let vendor = wait.run.vendor().to_string();
    let labels = [Label::new("vendor", vendor), Label::new("outcome", wait.outcome())];
    let labels = labels.to_vec();
    counter!("scheduled_runs_wait_polls_total", labels.clone())
        .increment(wait.polls.into());
    let failed = u64::from(wait.failed_polls);
    counter!("scheduled_runs_wait_failed_polls_total", labels.clone()).increment(failed);
    histogram!("scheduled_runs_wait_duration_seconds", labels.clone())
        .record(wait.elapsed);
    if let Some(lag) = wait.lag() {
        histogram!("scheduled_runs_wait_lag_seconds", labels).record(lag);
    }
}
