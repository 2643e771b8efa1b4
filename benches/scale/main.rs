//! What long lists, slow servers and many waits cost: `cargo bench --bench scale`, or one of them with
//! `-- memory`, `-- latency`, `-- waits`.
//!
//! The measured code runs in separate processes against a server in this process, so that the work of the server is not
//! counted. Fails if a goal is missed.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::large_futures,
    clippy::disallowed_methods,
    reason = "a program for developers, which may panic"
)]

mod latency;
mod memory;
mod server;
mod waits;

use std::process::{Command, ExitCode, Stdio};

use scheduled_runs::client::{Api, Bearer, Limits};
use scheduled_runs::{Client, ClientBuilder};

#[global_allocator]
static HEAP: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["work", "memory", what, how, url] => memory::work(what, how, url),
        ["work", "latency", what, url] => latency::work(what, url),
        ["work", "waits", what, url] => waits::work(what, url),
        // Cargo passes `--bench`; without it this is a test run, which only checks that it compiles.
        _ if !words.contains(&"--bench") => {}
        _ => {
            let server = server::start();
            let all = !words.iter().any(|word| ["memory", "latency", "waits"].contains(word));
            let selected = |name| all || words.contains(&name);
            // Each prints its table and returns whether its goals are met.
            let met = [
                !selected("memory") || memory::table(&server),
                !selected("latency") || latency::table(&server),
                !selected("waits") || waits::table(&server),
            ];
            return if met == [true; 3] { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    }
    ExitCode::SUCCESS
}

/// Runs this work in a separate process, and returns the numbers that it prints.
fn numbers_of<const N: usize>(work: [&str; N]) -> Vec<f64> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.arg("work").args(work).stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{work:?}: {error}");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

/// A client for the server, without the rate limit that a vendor publishes.
fn client<A: Api>(builder: ClientBuilder<A>, url: &str) -> Client<A> {
    let limits = Limits::default().paced(false);
    builder.credential(Bearer::new("token")).base_url(url).limits(limits).build().unwrap()
}
