//! What a client reports of its calls, a token that changes, and many calls.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "the helpers of tests may panic")]

mod observing;
mod soak;
mod token_file;
