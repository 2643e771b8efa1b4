//! [`Lease`]: the time within which a start may be sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::clock::{self, Clock};
use crate::error::Error;

/// The time within which a request may be sent that starts a run. Two clocks limit it, because each of them can be wrong: the
/// monotonic clock stands still while a machine sleeps or a virtual machine is paused, and the wall clock can be set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    begun: DateTime<Utc>,
    ends: DateTime<Utc>,
    ends_at: Instant,
    arrival: Duration,
}

impl Lease {
    /// A lease of this length that begins now.
    #[must_use]
    pub fn new(clock: &dyn Clock, length: Duration) -> Self {
        let begun = clock.utc();
        let ends = chrono::Duration::from_std(length)
            .ok()
            .and_then(|length| begun.checked_add_signed(length));
        Self {
            begun,
            ends: ends.unwrap_or(DateTime::<Utc>::MAX_UTC),
            ends_at: clock::after(clock.now(), length),
            arrival: Duration::MAX,
        }
    }

    /// Limits how long an attempt to send the request may take: it arrives within this time, or never. Not limited by default.
    #[must_use]
    pub fn arriving_within(mut self, time: Duration) -> Self {
        self.arrival = time;
        self
    }

    /// The longest time that an attempt to send the request may take.
    #[must_use]
    pub fn arrival(&self) -> Duration {
        self.arrival
    }

    /// Whether nothing may be sent any more: one of the two clocks shows the end, or the wall clock shows a time before the beginning.
    #[must_use]
    pub fn is_over(&self, clock: &dyn Clock) -> bool {
        let utc = clock.utc();
        clock.now() >= self.ends_at || utc >= self.ends || utc < self.begun
    }

    /// Why nothing was sent.
    pub(crate) fn refusal() -> Error {
        let mut error = Error::config(
            "the lease of this start is over, so nothing was sent; recover its intent, then prepare a new start",
        );
        error.set().lease_is_over();
        error
    }
}

/// The lease of a request, with the clock that says when it is over. Requests carry it to the transport.
#[derive(Clone, Debug)]
pub(crate) struct Expiry {
    lease: Lease,
    clock: Arc<dyn Clock>,
}

impl Expiry {
    pub(super) fn new(lease: Lease, clock: Arc<dyn Clock>) -> Self {
        Self { lease, clock }
    }

    pub(super) fn is_over(&self) -> bool {
        self.lease.is_over(&*self.clock)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::clock::Hands;
    use super::*;

    #[test]
    fn whichever_clock_says_first_that_the_lease_is_over_is_believed() {
        let (start, utc) = (clock::SystemClock.now(), DateTime::UNIX_EPOCH);
        let lease = Lease::new(&Hands(start, utc), Duration::from_secs(60));
        let over = |monotonic: u64, wall: i64| {
            let now = start + Duration::from_secs(monotonic);
            lease.is_over(&Hands(now, utc + TimeDelta::seconds(wall)))
        };
        assert!(!over(0, 0) && !over(59, 59));
        assert!(over(60, 60), "both");
        assert!(over(0, 60), "the machine slept");
        assert!(over(60, 0), "the wall clock was set back");
        assert!(over(1, -1), "the wall clock was set back before the beginning");
        let endless = Lease::new(&Hands(start, utc), Duration::MAX);
        assert!(!endless.is_over(&Hands(start, utc + TimeDelta::days(10_000))));
    }
}
