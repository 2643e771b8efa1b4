//! What holds for every input, not for examples only. `PROPTEST_CASES` sets how many are tried.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the helpers of tests may panic"
)]

mod intervals;
mod pages;
mod redaction;
mod refusals;
mod repeating;
mod requests;
mod times;
mod values;

use std::future::Future;

use proptest::test_runner::Config;

/// Few enough for every run of the tests. Failures are not stored: each find becomes a test of its own.
fn few() -> Config {
    let cases =
        if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { 128 };
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// Runs one input. No input needs real time.
fn now<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(work)
}
