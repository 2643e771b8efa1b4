//! Supermetrics, against its fakes.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests may panic"
)]

mod client;
mod end_to_end;
mod fake;
mod fake_transfers;
