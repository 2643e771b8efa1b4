//! Time that only passes during sleeps.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::lock;
use crate::client::Clock;

/// A clock whose sleeps end at once and move it forward. Clones share one time.
///
/// Sleeps that begin together end together: afterwards the clock shows the latest of their ends.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Time>>);

#[derive(Debug)]
struct Time {
    start: Instant,
    passed: Duration,
    utc: DateTime<Utc>,
    sleeps: Vec<Duration>,
}

impl Time {
    /// The time after a sleep, within the range of the machine's clocks.
    fn later(&self, duration: Duration) -> Duration {
        const END: Duration = Duration::from_secs(200 * 365 * 24 * 3600);
        self.passed.saturating_add(duration).min(END)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ManualClock {
    /// A clock that starts at the current time of the machine.
    #[must_use]
    pub fn new() -> Self {
        let time = Time {
            start: Instant::now(),
            passed: Duration::ZERO,
            utc: Utc::now(),
            sleeps: Vec::new(),
        };
        Self(Arc::new(Mutex::new(time)))
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        let mut time = lock(&self.0);
        time.passed = time.later(duration);
    }

    /// Sets the wall clock, as if it jumped. The monotonic time is not touched.
    pub fn set_utc(&self, utc: DateTime<Utc>) {
        let mut time = lock(&self.0);
        time.utc = utc - time.passed;
    }

    /// Every sleep so far.
    #[must_use]
    pub fn sleeps(&self) -> Vec<Duration> {
        lock(&self.0).sleeps.clone()
    }

    /// How much time has passed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        lock(&self.0).passed
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Instant {
        let time = lock(&self.0);
        time.start + time.passed
    }

    fn utc(&self) -> DateTime<Utc> {
        let time = lock(&self.0);
        time.utc + time.passed
    }

    async fn sleep(&self, duration: Duration) {
        let end = {
            let mut time = lock(&self.0);
            time.sleeps.push(duration);
            time.later(duration)
        };
        // Lets other tasks that are ready begin their sleeps first, so that they sleep at the same time.
        tokio::task::yield_now().await;
        let mut time = lock(&self.0);
        time.passed = time.passed.max(end);
    }
}
