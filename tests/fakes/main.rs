//! The fakes: what each takes, what they send, what clients of others send to them.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests may panic"
)]

mod vendor_clients;
mod verbs;
mod webhooks;
