//! How many requests a vendor takes in a time, and when the next one may go. Pure: no clock.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::clock;

/// A rate limit: so many requests of one kind in any span of time. A [`Dialect`](super::Dialect) declares it; one client keeps to it, and
/// requests beyond it wait before they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// What kind of requests share it.
    pub kind: &'static str,
    /// Most requests, at least 1.
    pub requests: usize,
    /// The span of time.
    pub per: Duration,
}

impl Rate {
    /// At most `requests` requests of this kind in any time of this length; 0 counts as 1.
    #[must_use]
    pub const fn new(kind: &'static str, requests: usize, per: Duration) -> Self {
        Self { kind, requests: if requests == 0 { 1 } else { requests }, per }
    }
}

/// When the last requests of each kind were sent, or will be.
#[derive(Debug, Default)]
pub(super) struct Pacer(Mutex<Vec<(&'static str, VecDeque<Instant>)>>);

impl Pacer {
    /// The time at which one more request may go, which is then taken; `None` if that is later than `latest`.
    pub(super) fn take(&self, rate: Rate, now: Instant, latest: Instant) -> Option<Instant> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kinds.iter().position(|(kind, _)| *kind == rate.kind);
        let place = known.unwrap_or_else(|| {
            kinds.push((rate.kind, VecDeque::with_capacity(rate.requests)));
            kinds.len() - 1
        });
        let (_, times) = kinds.get_mut(place)?;
        let full = times.len() >= rate.requests;
        let oldest = times.front().filter(|_| full);
        let at = oldest.map_or(now, |oldest| clock::after(*oldest, rate.per).max(now));
        if at > latest {
            return None;
        }
        if full {
            times.pop_front();
        }
        times.push_back(at);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Clock as _, SystemClock};

    #[test]
    fn no_span_of_time_holds_more_requests_than_the_rate() {
        let rate = Rate::new("reads", 4, Duration::from_secs(1));
        let (pacer, start) = (Pacer::default(), SystemClock.now());
        let end = start + Duration::from_secs(3600);
        // Bursts and pauses, as callers make them.
        let mut now = start;
        let mut times = Vec::new();
        for number in 0..500_u64 {
            now += Duration::from_millis(number * 37 % 500);
            times.push(pacer.take(rate, now, end).unwrap());
        }
        assert!(times.is_sorted());
        assert!(times.windows(5).all(|five| five[4] - five[0] >= rate.per));
    }

    #[test]
    fn kinds_do_not_wait_for_each_other_and_nobody_waits_in_vain() {
        let (pacer, now) = (Pacer::default(), SystemClock.now());
        let (one, other) = (Duration::from_secs(1), Duration::from_secs(9));
        let (slow, fast) = (Rate::new("slow", 0, other), Rate::new("fast", 2, one));
        assert_eq!(pacer.take(slow, now, now), Some(now));
        assert_eq!(pacer.take(slow, now, now + one), None, "it would be too late");
        assert_eq!(pacer.take(fast, now, now), Some(now));
        assert_eq!(pacer.take(fast, now, now), Some(now));
        assert_eq!(pacer.take(fast, now, now + one), Some(now + one));
        assert_eq!(pacer.take(slow, now, now + other), Some(now + other), "nothing was taken");
    }
}
