//! Responses of all vendors: as documented, with changes, with drift, at random.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests may panic"
)]

mod adobe;
mod arcgis;
mod drift;
mod drifts;
mod foundry;
mod fuzz;
mod mode;
mod mutations;
mod round_trip;
mod supermetrics;
mod transfers;
mod vendor_samples;
