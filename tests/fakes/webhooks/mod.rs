//! The webhooks that fakes send.
#![cfg(all(feature = "adobe", feature = "mode"))]

#[cfg(feature = "rustls")] // to sign them
mod adobe;
mod mode;
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
