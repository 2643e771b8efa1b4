//! Each attempt of a call, and whether it reached the server.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize, Serializer};

use super::kind::ErrorKind;
use crate::wire::lenient;

/// Whether a request reached the server, across all attempts of a call.
///
/// It is serialised as its [code](Self::as_str).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Delivery {
    /// Nothing reached the server, or the server proved that it did not process the request.
    NotSent,
    /// Every attempt that was sent got a complete response.
    Answered,
    /// At least one attempt was sent, in part or whole, and no complete response came back.
    Unknown,
}

impl Delivery {
    /// Its code: `not_sent`, `answered` or `unknown`. Stable.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Answered => "answered",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One attempt of a call.
///
/// It is serialised with its durations as `elapsed_seconds` and `pause_seconds`, and with the status as a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Attempt {
    /// When the attempt began, by this machine's clock.
    pub started: DateTime<Utc>,
    /// How long it took.
    #[serde(rename = "elapsed_seconds", serialize_with = "lenient::write_seconds")]
    pub elapsed: Duration,
    /// HTTP status, if the head of a response arrived.
    #[serde(serialize_with = "number")]
    pub status: Option<StatusCode>,
    /// The vendor's id for this request: quote it to their support.
    pub request_id: Option<Box<str>>,
    /// Whether the request reached the server.
    pub delivery: Delivery,
    /// Why it failed; `None` for the attempt that succeeded.
    pub failure: Option<ErrorKind>,
    /// The pause that followed, if another attempt did.
    #[serde(rename = "pause_seconds", serialize_with = "lenient::write_seconds")]
    pub pause: Option<Duration>,
    /// Whether the server may have carried the request out although the attempt failed.
    pub(crate) may_have_run: bool,
}

#[allow(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde requires this signature"
)]
fn number<S: Serializer>(status: &Option<StatusCode>, serializer: S) -> Result<S::Ok, S::Error> {
    status.map(|status| status.as_u16()).serialize(serializer)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_serialised_with_codes_numbers_and_seconds() {
        let attempt = Attempt {
            elapsed: Duration::from_millis(1500),
            status: Some(StatusCode::BAD_GATEWAY),
            request_id: Some("4f1c".into()),
            delivery: Delivery::Answered,
            failure: Some(ErrorKind::Server),
            pause: Some(Duration::from_secs(2)),
            may_have_run: true,
            ..Attempt::begin(DateTime::UNIX_EPOCH)
        };
        assert_eq!(
            serde_json::to_string(&attempt).unwrap(),
            concat!(
                r#"{"started":"1970-01-01T00:00:00Z","elapsed_seconds":1.5,"status":502,"request_id":"4f1c","#,
                r#""delivery":"answered","failure":"server","pause_seconds":2,"may_have_run":true}"#
            )
        );
        for delivery in [Delivery::NotSent, Delivery::Answered, Delivery::Unknown] {
            let json = serde_json::to_string(&delivery).unwrap();
            assert_eq!(json, format!("\"{delivery}\""));
            assert_eq!(serde_json::from_str::<Delivery>(&json).unwrap(), delivery);
        }
    }
}
