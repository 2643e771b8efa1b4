//! Metrics for OpenTelemetry: what to give to `on_call` of a client and to `on_end` of a wait.
//!
//! Attempts are `http.client.request.duration`, with the attributes of the semantic conventions. These have
//! `http.request.resend_count` for spans only, which the crate writes with `tracing`; here the retries are counted.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};
use scheduled_runs::ErrorKind;
use scheduled_runs::client::FinishedCall;
use scheduled_runs::run::FinishedWait;

const SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const MINUTES_TO_A_DAY: [f64; 10] =
    [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 10800.0, 28800.0, 86400.0];

/// The instruments. Clones share them.
#[derive(Clone, Debug)]
pub struct Instruments {
    request_duration: Histogram<f64>,
    call_duration: Histogram<f64>,
    call_retries: Counter<u64>,
    wait_polls: Counter<u64>,
    wait_failed_polls: Counter<u64>,
    wait_duration: Histogram<f64>,
    wait_lag: Histogram<f64>,
}

impl Instruments {
    pub fn new(meter: &Meter) -> Self {
        let seconds = |name: &'static str, bounds: &[f64]| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_boundaries(bounds.to_vec())
                .build()
        };
        let count = |name, unit| meter.u64_counter(name).with_unit(unit).build();
        Self {
            request_duration: seconds("http.client.request.duration", &SECONDS),
            call_duration: seconds("scheduled_runs.call.duration", &SECONDS),
            call_retries: count("scheduled_runs.call.retries", "{retry}"),
            wait_polls: count("scheduled_runs.wait.polls", "{poll}"),
            wait_failed_polls: count("scheduled_runs.wait.failed_polls", "{poll}"),
            wait_duration: seconds("scheduled_runs.wait.duration", &MINUTES_TO_A_DAY),
            wait_lag: seconds("scheduled_runs.wait.lag", &MINUTES_TO_A_DAY),
        }
    }

    /// For `ClientBuilder::on_call`.
    pub fn on_call(&self, call: &FinishedCall<'_>) {
        let vendor = KeyValue::new("vendor", call.vendor.to_string());
        let labels = vec![vendor, KeyValue::new("operation", call.operation)];
        for attempt in call.attempts {
            let mut labels = labels.clone();
            labels.push(KeyValue::new("http.request.method", call.method.to_string()));
            labels.push(KeyValue::new("server.address", call.server_address.to_owned()));
            let port = call.server_port.map(i64::from);
            labels.extend(port.map(|port| KeyValue::new("server.port", port)));
            let status = attempt.status.map(|status| i64::from(status.as_u16()));
            labels.extend(
                status.map(|code| KeyValue::new("http.response.status_code", code)),
            );
            let failure = attempt.failure.map(ErrorKind::as_str);
            labels.extend(failure.map(|code| KeyValue::new("error.type", code)));
            self.request_duration.record(attempt.elapsed.as_secs_f64(), &labels);
        }
        self.call_retries.add(call.retries() as u64, &labels);
        let labels = [labels, vec![KeyValue::new("outcome", call.outcome())]].concat();
        self.call_duration.record(call.elapsed.as_secs_f64(), &labels);
    }

    /// For `Wait::on_end` and `WaitAll::on_end`.
    pub fn on_end(&self, wait: &FinishedWait<'_>) {
        let vendor = KeyValue::new("vendor", wait.run.vendor().to_string());
        let labels = [vendor, KeyValue::new("outcome", wait.outcome())];
        self.wait_polls.add(wait.polls.into(), &labels);
        self.wait_failed_polls.add(wait.failed_polls.into(), &labels);
        self.wait_duration.record(wait.elapsed.as_secs_f64(), &labels);
        if let Some(lag) = wait.lag() {
            self.wait_lag.record(lag.as_secs_f64(), &labels);
        }
    }
}
