//! The intervals of a wait that is paced by a history.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use scheduled_runs::run::History;
use scheduled_runs::{Target, Vendor};

use super::few;

/// Up to this many milliseconds, of any magnitude.
fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![0..5_000_u64, 0..5_000_000_u64, 0..10_000_000_000_u64, Just(u64::MAX)]
        .prop_map(Duration::from_millis)
}

fn history(durations: Vec<Duration>) -> History {
    History::new(Target::new(Vendor::new("acme"), "nightly"), durations)
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn an_interval_lies_between_floor_and_ceiling(
        durations in vec(time(), 0..30), elapsed in time(), every in time(), floor in time(), ceiling in time(),
    ) {
        let interval = history(durations).interval_after(elapsed, every, floor, ceiling);
        prop_assert!(interval >= floor && interval <= ceiling.max(floor), "{interval:?}");
    }

    #[test]
    fn who_accepts_more_lag_polls_less(
        durations in vec(time(), 0..30), elapsed in time(), every in time(), more in time(), ceiling in time(),
    ) {
        let history = history(durations);
        let interval = |every| history.interval_after(elapsed, every, Duration::ZERO, ceiling);
        let (little, much) = (interval(every), interval(every.saturating_add(more)));
        prop_assert!(little <= much, "{little:?} {much:?}");
    }

    #[test]
    fn too_little_or_absurd_history_is_a_fixed_poll(
        durations in vec(time(), 0..5), elapsed in time(), every in 1..100_u64,
    ) {
        let absurd = [Duration::ZERO, Duration::MAX, Duration::from_secs(31 * 24 * 3600)];
        let history = history(durations.into_iter().chain(absurd.repeat(5)).collect());
        let (every, floor) = (Duration::from_secs(every), Duration::from_secs(1));
        let ceiling = Duration::from_secs(3600);
        prop_assert_eq!(history.interval_after(elapsed, every, floor, ceiling), every);
    }
}
