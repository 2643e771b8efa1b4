//! How many requests a vendor takes in a time, and when the next one may go.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::clock::{Clock, after, within};
use super::task::spawned;

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

/// The callers that wait for a rate limit, by kind of request.
#[derive(Debug, Default)]
pub(super) struct Pacer(Mutex<Vec<(&'static str, Arc<Queue>)>>);

/// First come, first served. The first caller waits for the rate, all others for the first, so that one that is dropped leaves
/// nothing behind. Each waits in a task of its own: a caller that is not polled must not hold up those behind it.
#[derive(Debug, Default)]
struct Queue {
    /// When the last requests were sent.
    sent: tokio::sync::Mutex<VecDeque<Instant>>,
    waiting: AtomicUsize,
}

impl Pacer {
    /// Waits until one more request may be sent, and counts it. False, without a wait, if that is after `latest`.
    pub(super) async fn permit(&self, rate: Rate, clock: &Arc<dyn Clock>, latest: Instant) -> bool {
        let queue = self.queue(rate.kind);
        let ahead = queue.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting { queue: Arc::clone(&queue), has_left: Arc::default() };
        // Those ahead take this long at least.
        let spans = u32::try_from(ahead / rate.requests).unwrap_or(u32::MAX);
        let left = latest.saturating_duration_since(clock.now());
        if rate.per.saturating_mul(spans) > left {
            return false;
        }
        let mut admitted = Box::pin(queue.admit(rate, Arc::clone(clock), latest, waiting.clone()));
        // Who is admitted at once needs no task.
        match poll_fn(|context| Poll::Ready(admitted.as_mut().poll(context))).await {
            Poll::Ready(admitted) => admitted,
            Poll::Pending => spawned(admitted).await.unwrap_or(false),
        }
    }

    fn queue(&self, kind: &'static str) -> Arc<Queue> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, queue)) = kinds.iter().find(|(known, _)| *known == kind) {
            return Arc::clone(queue);
        }
        let queue = Arc::<Queue>::default();
        kinds.push((kind, Arc::clone(&queue)));
        queue
    }
}

impl Queue {
    /// Waits until those ahead are gone and the rate admits one more request, and counts it. False if that is after `latest`.
    async fn admit(
        self: Arc<Self>,
        rate: Rate,
        clock: Arc<dyn Clock>,
        latest: Instant,
        _waiting: Waiting,
    ) -> bool {
        let left = || latest.saturating_duration_since(clock.now());
        let Some(mut sent) = within(left, self.sent.lock()).await else { return false };
        let now = clock.now();
        let oldest = sent.front().filter(|_| sent.len() >= rate.requests);
        let at = oldest.map_or(now, |oldest| after(*oldest, rate.per).max(now));
        if at > latest {
            return false;
        }
        if at > now {
            clock.sleep(at.saturating_duration_since(now)).await;
        }
        if sent.len() >= rate.requests {
            sent.pop_front();
        }
        sent.push_back(clock.now());
        true
    }
}

/// A caller in the queue, which has it and its task. It leaves when it is dropped, or is admitted although nobody polls it.
#[derive(Clone)]
struct Waiting {
    queue: Arc<Queue>,
    has_left: Arc<AtomicBool>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.has_left.swap(true, Ordering::Relaxed) {
            self.queue.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _, poll, stream::FuturesOrdered};

    use super::*;
    use crate::client::SystemClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn clock() -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// The time since `begun`.
    fn at(begun: Instant) -> Duration {
        SystemClock.now() - begun
    }

    #[tokio::test(start_paused = true)]
    async fn no_span_of_time_holds_more_requests_than_the_rate() {
        let (pacer, clock, begun) = (Pacer::default(), clock(), SystemClock.now());
        let (rate, end) = (Rate::new("reads", 4, SECOND), begun + 3600 * SECOND);
        // Bursts and pauses, as callers make them.
        let mut calls = FuturesOrdered::new();
        for number in 0..500_u64 {
            let pause = Duration::from_millis(number * 37 % 500);
            let (pacer, clock) = (&pacer, &clock);
            calls.push_back(async move {
                SystemClock.sleep(pause).await;
                assert!(pacer.permit(rate, clock, end).await);
                SystemClock.now()
            });
        }
        let mut times: Vec<_> = calls.collect().await;
        times.sort();
        assert!(times.windows(5).all(|five| five[4] - five[0] >= rate.per));
        let last = times[499] - begun;
        assert!(last < 126 * SECOND, "as fast as the rate allows: {last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_behind_others_waits_for_as_long_as_they_take() {
        let (pacer, clock, begun) = (Pacer::default(), clock(), SystemClock.now());
        let rate = Rate::new("reads", 2, 10 * SECOND);
        let permits = (0..7).map(|_| pacer.permit(rate, &clock, begun + 35 * SECOND));
        let admitted = futures_util::future::join_all(permits).await;
        assert_eq!((admitted, at(begun)), (vec![true; 7], 30 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn kinds_do_not_wait_for_each_other_and_nobody_waits_in_vain() {
        let (pacer, clock, begun) = (Pacer::default(), clock(), SystemClock.now());
        let (slow, fast) = (Rate::new("slow", 0, 9 * SECOND), Rate::new("fast", 2, SECOND));
        let permit = |rate, within| pacer.permit(rate, &clock, begun + within);
        assert!(permit(slow, Duration::ZERO).await);
        assert!(!permit(slow, SECOND).await, "it would be too late");
        assert_eq!(at(begun), Duration::ZERO, "and is refused at once");
        for second in [0, 0, 1] {
            assert!(permit(fast, SECOND).await);
            assert_eq!(at(begun), second * SECOND);
        }
        let mut first = Box::pin(permit(slow, 9 * SECOND));
        assert_eq!(poll!(&mut first), Poll::Pending);
        // The one ahead takes all the time that this one has.
        assert_eq!(permit(slow, 9 * SECOND).now_or_never(), Some(false));
        assert!(first.await);
        assert_eq!(at(begun), 9 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_are_dropped_while_they_wait_give_their_turns_back() {
        let (pacer, clock, begun) = (Pacer::default(), clock(), SystemClock.now());
        let rate = Rate::new("polls", 4, SECOND);
        let end = begun + 3600 * SECOND;
        let mut calls: Vec<_> =
            (0..400).map(|_| Box::pin(pacer.permit(rate, &clock, end))).collect();
        let mut sent = 0;
        for call in &mut calls {
            sent += usize::from(poll!(call).is_ready());
        }
        assert_eq!(sent, 4);
        // The last one stays, and a new one comes.
        let last = calls.pop().unwrap();
        drop(calls);
        assert!(last.await && pacer.permit(rate, &clock, begun + SECOND).await);
        assert_eq!(at(begun), SECOND);
    }
}
