//! What long lists, slow servers and many waits cost: `cargo bench --bench scale`, or one of them with
//! `-- memory`, `-- latency`, `-- waits`.
//!
//! What is measured runs in processes of its own against a server in this one, so that what the server does is not
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
    reason = "a program for people, whose faults end it"
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
        // Cargo says `--bench`; without it this is a test run, which checks no more than that it compiles.
        _ if !words.contains(&"--bench") => {}
        _ => {
            let server = server::start();
            let all = !words.iter().any(|word| ["memory", "latency", "waits"].contains(word));
            let asked = |name| all || words.contains(&name);
            // Each prints its table and says whether its goals are met.
            let met = [
                !asked("memory") || memory::table(&server),
                !asked("latency") || latency::table(&server),
                !asked("waits") || waits::table(&server),
            ];
            return if met == [true; 3] { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    }
    ExitCode::SUCCESS
}

/// The numbers that a process prints that does this work and nothing else.
fn numbers_of<const N: usize>(work: [&str; N]) -> Vec<f64> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.arg("work").args(work).stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{work:?}: {error}");
    let told = String::from_utf8(output.stdout).unwrap();
    told.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

/// A client for the server, which a vendor's published rate does not hold up.
fn client<A: Api>(builder: ClientBuilder<A>, url: &str) -> Client<A> {
    let limits = Limits::default().paced(false);
    builder.credential(Bearer::new("token")).base_url(url).limits(limits).build().unwrap()
}
