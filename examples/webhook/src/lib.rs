//! Endpoints for the webhooks of Adobe and Mode, which wake the waits of a program.
//!
//! The vendor says that a run has ended, and the wait polls that run at once: it ends one request after its end, and not
//! at the next poll. An event decides nothing. Webhooks get lost, arrive twice and late, and anybody can send one to Mode's
//! endpoint; so a wait believes only what the vendor's API responds, and still polls now and then.
//!
//! | file | what is in it |
//! |---|---|
//! | `lib.rs` | the endpoints: copy them |
//! | `main.rs` | the demonstration |

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{self, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use scheduled_runs::run::Events;
use scheduled_runs::webhook::Received;
use scheduled_runs::{adobe, mode};

/// Longest body: as long as Adobe's longest.
const LONGEST: usize = 2 * 1024 * 1024;

/// What the endpoints need.
pub struct Endpoints {
    /// A part of the path of Mode's endpoint. Mode does not sign its webhooks, so this is all that shows who has sent one:
    /// take 32 random characters, and keep them out of logs.
    pub secret: String,
    pub adobe: adobe::Webhook,
    /// Where the waits have their events from.
    pub events: Events,
    /// Is called with every request that was read, for logs and metrics, and with the vendor's name.
    pub on_received: fn(&str, &Received),
}

impl Endpoints {
    /// The routes. They accept every method: `receive` says which one it wants.
    pub fn router(self) -> Router {
        Router::new()
            .route("/webhooks/{secret}/mode", any(from_mode))
            .route("/webhooks/adobe", any(from_adobe))
            .with_state(Arc::new(self))
    }

    fn respond(&self, vendor: &str, received: Received) -> Response {
        (self.on_received)(vendor, &received);
        received.events.into_iter().for_each(|event| self.events.send(event));
        received.response.map(Body::from)
    }
}

async fn from_mode(
    State(endpoints): State<Arc<Endpoints>>,
    Path(secret): Path<String>,
    request: Request,
) -> Response {
    if !is_same(&secret, &endpoints.secret) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match whole(request).await {
        Ok(request) => endpoints.respond("mode", mode::receive(&request)),
        Err(status) => status.into_response(),
    }
}

async fn from_adobe(
    State(endpoints): State<Arc<Endpoints>>,
    request: Request,
) -> Response {
    match whole(request).await {
        Ok(request) => {
            endpoints.respond("adobe", endpoints.adobe.receive(&request).await)
        }
        Err(status) => status.into_response(),
    }
}

/// The request with its body as it came: a signature is over the bytes.
async fn whole(request: Request) -> Result<http::Request<Bytes>, StatusCode> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LONGEST).await;
    let body = body.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    Ok(http::Request::from_parts(head, body))
}

/// Compares to the end, so that the time it takes does not say how much of a guess is right.
fn is_same(guess: &str, secret: &str) -> bool {
    let pairs = guess.bytes().zip(secret.bytes());
    let different = pairs.fold(0, |different, (one, other)| different | (one ^ other));
    guess.len() == secret.len() && different == 0
}
