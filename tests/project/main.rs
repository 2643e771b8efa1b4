//! The repository itself: layers, documentation, examples, every public type and setter.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests may panic"
)]

mod docs;
mod examples;
mod inline;
mod layers;
mod public_types;
mod setters;
