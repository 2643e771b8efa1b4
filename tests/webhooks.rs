//! The webhooks that fakes send.
#![cfg(all(feature = "adobe", feature = "mode"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the helpers of tests may panic"
)]

#[cfg(feature = "rustls")] // to sign them
#[path = "webhooks/adobe.rs"]
mod adobe;
#[path = "webhooks/mode.rs"]
mod mode;
#[path = "webhooks/sending.rs"]
mod sending;

use http::Request;
use scheduled_runs::testing::Webhook;

/// A webhook as the request that a program receives.
fn request(webhook: &Webhook) -> Request<String> {
    let mut request = Request::post("/");
    for (name, value) in &webhook.headers {
        request = request.header(name, value);
    }
    request.body(webhook.body.clone()).unwrap()
}
