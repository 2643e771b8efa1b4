//! Limits of a client and of a call.

use std::time::Duration;

use tokio::sync::Semaphore;

use super::lease::Lease;
use super::transport::ReqwestTransport;

/// Time and size limits of one client; a [`Call`](super::Call) can change most of them for one call.
///
/// ```
/// use std::time::Duration;
/// use scheduled_runs::client::Limits;
///
/// // For large responses that come slowly.
/// let limits = Limits::default()
///     .attempt(Duration::from_secs(300))
///     .call(Duration::from_secs(600))
///     .max_body(512 * 1024 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    pub(super) connect: Duration,
    pub(super) attempt: Duration,
    pub(super) idle: Duration,
    pub(super) call: Duration,
    pub(super) max_body: usize,
    pub(super) in_flight: usize,
    pub(super) paced: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: ReqwestTransport::CONNECT_TIMEOUT,
            attempt: Duration::from_secs(30),
            idle: Duration::from_secs(20),
            call: Duration::from_secs(120),
            max_body: 64 * 1024 * 1024,
            in_flight: 64,
            paced: true,
        }
    }
}

impl Limits {
    /// For making a connection, TLS included. Default 5 s. Your own transport sets its own.
    #[must_use]
    pub fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// For one attempt, from sending to the last byte of the response. Default 30 s.
    #[must_use]
    pub fn attempt(mut self, limit: Duration) -> Self {
        self.attempt = limit;
        self
    }

    /// For the silence between two pieces of a response's body. Default 20 s.
    #[must_use]
    pub fn idle(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// For a whole call: credential, attempts, pauses. Default 120 s. Where the vendor publishes a
    /// [rate limit](Self::paced), it counts from the moment that limit lets the call begin.
    #[must_use]
    pub fn call(mut self, limit: Duration) -> Self {
        self.call = limit;
        self
    }

    /// For the bytes of a response's body. Default 64 MiB.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// For the requests in flight at once on one client; further ones wait. Default 64; 0 counts as 1.
    #[must_use]
    pub fn in_flight(mut self, requests: usize) -> Self {
        self.in_flight = requests.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Whether the client keeps to the rate limit that its vendor publishes, where there is one: requests beyond it wait before they
    /// are sent, instead of being refused. Default true. Turn it off if another part of your program limits the rate.
    #[must_use]
    pub fn paced(mut self, paced: bool) -> Self {
        self.paced = paced;
        self
    }
}

/// What one call does differently from its client's settings. What is `None` is as the client has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallOptions {
    /// Limit for the whole call.
    pub deadline: Option<Duration>,
    /// Limit for one attempt.
    pub attempt_timeout: Option<Duration>,
    /// Attempts, the first included.
    pub max_attempts: Option<u32>,
    /// Most bytes of the response's body.
    pub max_body: Option<usize>,
}

impl CallOptions {
    /// Limit for the whole call: credential, attempts, pauses. If not set, the client's [`Limits::call`].
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// Limit for one attempt. If not set, the client's [`Limits::attempt`].
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// Attempts, the first included; 1 means no retry. If not set, the client's [`RetryPolicy::max_attempts`](super::RetryPolicy::max_attempts).
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Most bytes of the response's body. If not set, the client's [`Limits::max_body`].
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = Some(bytes);
        self
    }
}

/// The limits of one call of a [`RunProvider`](crate::RunProvider): what its caller has set, the time that is left to a wait which
/// makes the call, and the lease of a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallLimits {
    /// What the caller has set.
    pub options: CallOptions,
    /// The time left to the caller, where it has a limit of its own: it shortens the call's deadline and never extends it.
    pub time_left: Option<Duration>,
    /// The time within which a request may be sent that starts something. Requests that only read are not concerned.
    pub lease: Option<Lease>,
}

impl CallLimits {
    /// Sets the time that is left to the caller.
    #[must_use]
    pub fn time_left(mut self, left: Duration) -> Self {
        self.time_left = Some(left);
        self
    }

    /// Sets the time within which a request may be sent that starts something.
    #[must_use]
    pub fn lease(mut self, lease: Lease) -> Self {
        self.lease = Some(lease);
        self
    }

    /// The limits of a further call, after so much of the time was spent: for providers that need several calls for one
    /// response. With a [`Client`](crate::Client), [`share_deadline`](crate::Client::share_deadline) does it.
    #[must_use]
    pub fn after(&self, spent: Duration) -> Self {
        let rest = |limit: Option<Duration>| limit.map(|limit| limit.saturating_sub(spent));
        let options = CallOptions { deadline: rest(self.options.deadline), ..self.options.clone() };
        Self { options, time_left: rest(self.time_left), lease: self.lease }
    }
}

impl From<CallOptions> for CallLimits {
    fn from(options: CallOptions) -> Self {
        Self { options, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_call_has_the_time_that_is_left_and_all_other_limits() {
        let seconds = Duration::from_secs;
        let (spent, left, deadline) = (seconds(10), seconds(30), seconds(50));
        let options = CallOptions::default().deadline(deadline).max_attempts(7).max_body(8);
        let limits = CallLimits::from(options.clone()).time_left(left);
        assert_eq!((&limits.options, limits.time_left), (&options, Some(left)));
        let after = limits.after(spent);
        assert_eq!(after.options, options.deadline(seconds(40)));
        assert_eq!(after.time_left, Some(seconds(20)));
        let nothing = limits.after(deadline * 2);
        assert_eq!(nothing.options.deadline, Some(Duration::ZERO));
        assert_eq!(nothing.time_left, Some(Duration::ZERO));
        let unlimited = CallLimits::default().after(spent);
        assert_eq!(unlimited, CallLimits::default());
    }
}
