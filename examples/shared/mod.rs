//! What several examples need: a provider for the vendor that the user names, and a progress bar. Cargo takes a folder
//! without `main.rs` for no example.
#![allow(dead_code, reason = "each example uses a part of it")]

pub(crate) mod progress;
pub(crate) mod vendors;

/// What fits into one line of a terminal: the target of some vendors is a whole query.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text.to_owned(),
    }
}
