//! Triggers, waits and failures, whichever the vendor.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests may panic"
)]

mod contract;
mod did_it_run;
mod failures;
mod own;
mod own_vendor;
mod polls;
mod resume;
mod timed;
mod triggers_and_waits;
mod waits;
mod wakes;
