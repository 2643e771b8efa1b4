//! What kind of failure it was, and which limit ran out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of failure it was; one failure has one kind for good.
///
/// It is serialised as its [code](Self::as_str), which spans, metrics and databases can rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Refused here, before anything was sent: a bad id, a missing setting, a value no header can carry.
    Config,
    /// No connection: the name does not resolve, the port is closed, the network is gone.
    Connect,
    /// The server could not prove who it is, or TLS failed otherwise. Nothing was sent.
    Tls,
    /// A limit ran out; [`Error::timeout_phase`](crate::Error::timeout_phase) says which.
    Timeout,
    /// The connection broke after the request had been written, or the response was cut short.
    Interrupted,
    /// There is no usable credential, or the vendor refused it.
    Auth,
    /// The credential is good, but may not do this.
    Denied,
    /// No such schedule, run, query or endpoint.
    NotFound,
    /// Too many calls; [`Error::retry_after`](crate::Error::retry_after) holds the pause that the vendor asks for.
    RateLimited,
    /// The vendor understood the request and refused it. Sending it again changes nothing.
    Rejected,
    /// The vendor failed (5xx).
    Server,
    /// A success with something else inside: a login page, a page of a proxy, not HTTP at all.
    UnexpectedContent,
    /// The response does not have the documented shape.
    Decode,
    /// The response is larger than the limit.
    TooLarge,
    /// A redirect or link leads to another origin and was not followed.
    CrossOrigin,
    /// A list cannot be read completely: its cursor repeats, page after page is empty, or it changed too much meanwhile.
    Pagination,
    /// The vendor has no such operation.
    Unsupported,
    /// The run was not seen to end within the wait's limit; [`Error::run`](crate::Error::run) says which one it is. The wait does not stop
    /// it, unless [`cancel_on_timeout`](crate::run::Wait::cancel_on_timeout) is set.
    WaitTimeout,
    /// The run failed, was cancelled or was skipped; [`Error::failure`](crate::Error::failure) says why and, of a run that was awaited,
    /// the phase of [`Error::last_snapshot`](crate::Error::last_snapshot) which of them.
    RunFailed,
    /// More than one run may be the one that was meant, and they cannot be distinguished.
    Ambiguous,
}

impl ErrorKind {
    /// Its code, such as `rate_limited`: the name of the variant in snake case. Stable: a later version may add codes, but changes
    /// none.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::Auth => "auth",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::Rejected => "rejected",
            Self::Server => "server",
            Self::UnexpectedContent => "unexpected_content",
            Self::Decode => "decode",
            Self::TooLarge => "too_large",
            Self::CrossOrigin => "cross_origin",
            Self::Pagination => "pagination",
            Self::Unsupported => "unsupported",
            Self::WaitTimeout => "wait_timeout",
            Self::RunFailed => "run_failed",
            Self::Ambiguous => "ambiguous",
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Config => "refused before sending",
            Self::Connect => "could not connect",
            Self::Tls => "the server's identity could not be verified",
            Self::Timeout => "timed out",
            Self::Interrupted => "the connection broke before the response was complete",
            Self::Auth => "the credential was refused",
            Self::Denied => "the credential may not do this",
            Self::NotFound => "not found",
            Self::RateLimited => "too many requests",
            Self::Rejected => "the vendor refused the request",
            Self::Server => "the vendor failed",
            Self::UnexpectedContent => "the response is not what the vendor documents",
            Self::Decode => "the response does not have the documented shape",
            Self::TooLarge => "the response is too large",
            Self::CrossOrigin => "the response points to another origin",
            Self::Pagination => "the list cannot be read completely",
            Self::Unsupported => "the vendor has no such operation",
            Self::WaitTimeout => "the run did not end in time",
            Self::RunFailed => "the run failed",
            Self::Ambiguous => "more than one run may be the one that was meant",
        }
    }

    /// Whether a later, equal call may fare better: the cause is the network, load, or time.
    ///
    /// It says nothing about whether a retry is *safe*: see [`Error::may_have_run`](crate::Error::may_have_run).
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Connect | Self::Timeout | Self::Interrupted | Self::RateLimited | Self::Server
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Which limit ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutPhase {
    /// The connection was not made within the connect limit.
    Connect,
    /// One attempt took longer than the attempt limit.
    Attempt,
    /// The server sent nothing for the length of the idle limit.
    Idle,
    /// The whole call, all attempts and pauses included, reached its deadline.
    Call,
    /// The credential did not produce a token before the call's deadline.
    Auth,
}

impl TimeoutPhase {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Connect => "no connection within the connect limit",
            Self::Attempt => "no complete response within the attempt limit",
            Self::Idle => "the server stopped sending within the idle limit",
            Self::Call => "the call's deadline passed",
            Self::Auth => "the credential gave no token before the call's deadline",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_serialised_as_its_code() {
        let codes = [
            (ErrorKind::Config, "config"),
            (ErrorKind::Connect, "connect"),
            (ErrorKind::Tls, "tls"),
            (ErrorKind::Timeout, "timeout"),
            (ErrorKind::Interrupted, "interrupted"),
            (ErrorKind::Auth, "auth"),
            (ErrorKind::Denied, "denied"),
            (ErrorKind::NotFound, "not_found"),
            (ErrorKind::RateLimited, "rate_limited"),
            (ErrorKind::Rejected, "rejected"),
            (ErrorKind::Server, "server"),
            (ErrorKind::UnexpectedContent, "unexpected_content"),
            (ErrorKind::Decode, "decode"),
            (ErrorKind::TooLarge, "too_large"),
            (ErrorKind::CrossOrigin, "cross_origin"),
            (ErrorKind::Pagination, "pagination"),
            (ErrorKind::Unsupported, "unsupported"),
            (ErrorKind::WaitTimeout, "wait_timeout"),
            (ErrorKind::RunFailed, "run_failed"),
            (ErrorKind::Ambiguous, "ambiguous"),
        ];
        for (kind, code) in codes {
            assert_eq!(kind.as_str(), code);
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<ErrorKind>(&json).unwrap(), kind);
        }
    }
}
