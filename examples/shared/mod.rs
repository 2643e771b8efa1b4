//! Shared by several examples: a provider for the vendor that the user names, a progress bar, arguments. This folder is not an
//! example itself, because it has no `main.rs`.
#![allow(dead_code, reason = "each example uses a part of it")]

use std::process::ExitCode;

pub(crate) mod progress;
pub(crate) mod vendors;

/// Shortens a text to one line of a terminal: the target of some vendors is a whole query.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text.to_owned(),
    }
}

/// Reads the arguments: the vendor or target, and whether `--fail` is among them. For `--help` and for wrong arguments it prints
/// a text and returns the exit code.
pub(crate) fn vendor_and_fail(default: &str, usage: &str) -> Result<(String, bool), ExitCode> {
    let (mut vendor, mut fail) = (default.to_owned(), false);
    for argument in std::env::args().skip(1) {
        match &*argument {
            "--fail" => fail = true,
            "--help" | "-h" => {
                println!("{usage}");
                return Err(ExitCode::SUCCESS);
            }
            option if option.starts_with('-') => {
                eprintln!("unknown option {option}\n\n{usage}");
                return Err(ExitCode::FAILURE);
            }
            _ => vendor = argument,
        }
    }
    Ok((vendor, fail))
}
