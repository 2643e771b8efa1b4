//! Each attempt of a call, and whether it reached the server.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::StatusCode;

use super::kind::ErrorKind;

/// Whether a request reached the server, across all attempts of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Delivery {
    /// Nothing reached the server, or the server proved that it did not process the request.
    NotSent,
    /// Every attempt that was sent got a complete response.
    Answered,
    /// At least one attempt was sent, in part or whole, and no complete response came back.
    Unknown,
}

/// One attempt of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// When the attempt began, by this machine's clock.
    pub started: DateTime<Utc>,
    /// How long it took.
    pub elapsed: Duration,
    /// HTTP status, if the head of a response arrived.
    pub status: Option<StatusCode>,
    /// The vendor's id for this request: quote it to their support.
    pub request_id: Option<Box<str>>,
    /// Whether the request reached the server.
    pub delivery: Delivery,
    /// Why it failed; `None` for the attempt that succeeded.
    pub failure: Option<ErrorKind>,
    /// The pause that followed, if another attempt did.
    pub pause: Option<Duration>,
    /// Whether the server may have carried the request out although the attempt failed.
    pub(crate) may_have_run: bool,
}

impl Attempt {
    pub(crate) fn begin(started: DateTime<Utc>) -> Self {
        Self {
            started,
            elapsed: Duration::ZERO,
            status: None,
            request_id: None,
            delivery: Delivery::NotSent,
            failure: None,
            pause: None,
            may_have_run: false,
        }
    }
}
