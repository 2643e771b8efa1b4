//! Shared by the examples: reads arguments, prints lines and tables, shows the progress of a run. This folder is not an example
//! itself, because it has no `main.rs`.
//!
//! `vendors.rs` and `environment.rs` are no modules of this one: an example of one vendor needs only the second, and other
//! packages use them too.
#![allow(dead_code, reason = "each example uses a part of it")]

use std::error::Error as _;
use std::process::ExitCode;

use scheduled_runs::{Error, ErrorKind};

pub(crate) mod arguments;
pub(crate) mod output;
pub(crate) mod progress;

/// The exit code for a mistake that the user can correct: a wrong argument or environment variable, a file that cannot be used.
pub(crate) const MISTAKE: u8 = 2;

/// Prints why the program ends, and returns its exit code. A mistake of the user is one line; a call that failed has a report.
pub(crate) fn failed(error: &Error) -> ExitCode {
    if error.kind() != ErrorKind::Config {
        // Only the sentence may be wrapped: the command in the report is there to be copied.
        let report = error.report();
        let (sentence, rest) = report.split_once('\n').unwrap_or((&report, ""));
        output::complain!("\n{sentence}");
        output::print_raw(std::io::stderr(), rest.trim_end());
        return ExitCode::FAILURE;
    }
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    output::complain!("{line}");
    ExitCode::from(MISTAKE)
}

/// The error of a mistake that the user can correct.
pub(crate) fn mistake(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message.into())
}
