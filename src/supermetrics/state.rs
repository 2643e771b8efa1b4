//! The status of a run, and why it failed.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::run::Phase;
use crate::wire::open_enum;

open_enum! {
    /// State of a run. A run whose state this crate does not know counts as running.
    QueryState {
        /// Accepted, not started.
        Scheduled = "SCHEDULED",
        /// Waiting in the queue of the licence.
        Queued = "QUEUED",
        /// Running.
        Running = "RUNNING",
        /// Finished successfully. The result may have no rows.
        Success = "SUCCESS",
        /// Failed.
        Failure = "FAILURE",
        /// Stopped by somebody. The vendor documents no way to stop a run.
        Stopped = "STOPPED",
        /// The process of the run exited. Not documented; the vendor's own tool counts it as a failure.
        ProcessExited = "PROCESS_EXITED",
    }
}

impl QueryState {
    /// The phase that corresponds to this state.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Scheduled | Self::Queued => Phase::Queued,
            Self::Running => Phase::Running,
            Self::Success => Phase::Succeeded,
            Self::Failure | Self::ProcessExited => Phase::Failed,
            Self::Stopped => Phase::Cancelled,
            Self::Unknown(_) => Phase::Unknown,
        }
    }

    /// Whether the run has ended. Always false for a state that this crate does not know.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.phase().is_terminal()
    }

    /// Whether the run has ended without success.
    pub(super) fn is_failure(&self) -> bool {
        self.is_terminal() && *self != Self::Success
    }
}

/// Why the vendor refused a call, or why a run failed: the vendor uses the same object for both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueryError {
    /// The error code, for example `QUERY_AUTH_UNAVAILABLE`.
    pub code: Option<Box<str>>,
    /// A short explanation.
    pub message: Option<Box<str>>,
    /// A longer explanation.
    pub description: Option<Box<str>>,
    /// The HTTP status that corresponds to the error. Only the queries of a batch have it.
    pub status: Option<u16>,
    /// URL of the vendor's page about the error; `links.docs.href` on the wire.
    #[serde(rename = "links", serialize_with = "links_to_docs")]
    pub docs_url: Option<Box<str>>,
}

impl QueryError {
    /// Reads a member that may hold an error: an object, or a text, which is either the code or a message. Empty
    /// values, which responses without an error have, are `None`.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let error = match value {
            Value::Object(members) => Self::of_members(members),
            Value::String(code) => Self {
                code: filled(Some(value)).filter(|_| is_code(code)),
                message: filled(Some(value)).filter(|_| !is_code(code)),
                ..Self::default()
            },
            _ => return None,
        };
        (error != Self::default()).then_some(error)
    }

    fn of_members(members: &Map<String, Value>) -> Self {
        let status = members.get("status").and_then(Value::as_u64);
        let docs = members.get("links").and_then(|links| links.pointer("/docs/href"));
        Self {
            code: filled(members.get("code")),
            message: filled(members.get("message")),
            description: filled(members.get("description")),
            status: status.and_then(|status| status.try_into().ok()),
            docs_url: filled(docs),
        }
    }

    /// Message and description as one sentence; if both are the same text, it comes once.
    pub(super) fn sentence(&self) -> Option<Cow<'_, str>> {
        match (&self.message, &self.description) {
            (Some(message), Some(more)) if message != more => {
                Some(format!("{}: {more}", message.trim_end_matches(['.', ':'])).into())
            }
            (Some(text), _) | (None, Some(text)) => Some(Cow::Borrowed(text)),
            (None, None) => None,
        }
    }
}

#[allow(clippy::ref_option, reason = "serde requires this signature")]
fn links_to_docs<S: Serializer>(
    docs_url: &Option<Box<str>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let links = docs_url.as_ref().map(|href| json!({ "docs": { "href": href } }));
    links.serialize(serializer)
}

/// The message, then the code.
impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = self.sentence().unwrap_or(Cow::Borrowed("the vendor gives no reason"));
        match &self.code {
            Some(code) => write!(f, "{} (code {code})", sentence.trim_end_matches('.')),
            None => f.write_str(sentence.trim_end_matches('.')),
        }
    }
}

/// A text that is not blank. Numbers count as texts.
pub(super) fn filled(value: Option<&Value>) -> Option<Box<str>> {
    match value? {
        Value::String(text) if !text.trim().is_empty() => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

pub(super) fn is_code(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    text.len() <= 100 && !text.is_empty() && text.bytes().all(letter)
}
