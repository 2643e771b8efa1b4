//! The nightly reports, without a network.

mod contract;
mod fake_loom;
mod reports;
