//! The only place that reads time, sleeps, or sets a limit.
#![allow(
    clippy::disallowed_methods,
    reason = "this file is what the other files must call instead"
)]

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// Time, as the client and the waits see it. Replace it to test pauses without waiting for them.
///
/// Limits on a running request (attempt, idle, connect) belong to the network and use the runtime's timer.
///
/// Implement it with `#[async_trait]`, of the crate [async-trait](https://docs.rs/async-trait); `utc` needs `chrono` 0.4. For tests there is
/// `ManualClock`; the guide has [an example](crate::guide::testing).
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// The monotonic time that pauses and deadlines are measured with.
    fn now(&self) -> Instant;

    /// The wall clock. It labels reports, and together with the monotonic time it says when the [lease](super::Lease) of a start is over
    /// and what [`recover`](crate::RunProviderExt::recover) may decide.
    fn utc(&self) -> DateTime<Utc>;

    /// Ends `duration` later.
    async fn sleep(&self, duration: Duration);
}

/// The machine's own clock, with tokio's timer. The default.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Instant {
        // Tokio's clock, so that a test with paused time pauses this one too.
        tokio::time::Instant::now().into_std()
    }

    fn utc(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The future's output, or `None` if it takes longer than `limit`, which is asked for only if there is something to wait for.
pub(crate) async fn within<F: Future>(
    limit: impl FnOnce() -> Duration,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    // What is there at once needs no timer.
    if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    {
        return Some(output);
    }
    tokio::time::timeout(limit(), future).await.ok()
}

/// The moment `duration` after `now`. A duration beyond what the clock can count is thirty years.
pub(crate) fn after(now: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    now.checked_add(duration).or_else(|| now.checked_add(FAR)).unwrap_or(now)
}

/// For tests: a clock whose two times are set one by one.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Hands(pub(crate) Instant, pub(crate) DateTime<Utc>);

#[cfg(test)]
#[async_trait]
impl Clock for Hands {
    fn now(&self) -> Instant {
        self.0
    }

    fn utc(&self) -> DateTime<Utc> {
        self.1
    }

    async fn sleep(&self, _: Duration) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_that_no_clock_can_count_ends_in_thirty_years() {
        let (now, hour) = (SystemClock.now(), Duration::from_secs(3600));
        assert_eq!(after(now, hour).duration_since(now), hour);
        assert_eq!(after(now, Duration::MAX).duration_since(now), hour * 24 * 365 * 30);
    }
}
