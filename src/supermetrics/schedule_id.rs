//! Ids of runs. The vendor calls them schedule ids.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};

use super::parameters::{Limited, check_id};
use crate::client::{Clock as _, SystemClock};
use crate::error::{Error, Result};
use crate::wire::id;

id! {
    /// Id of one run of a query: the vendor's `schedule_id`. If a query sets none, the vendor derives it from the other
    /// parameters, so that equal queries share one id.
    ///
    /// An id that you choose may have at most 50 letters, digits, `-` and `_`; this is checked before a query is sent.
    /// [`unique`](Self::unique) ids are best: while an id is in use, the vendor runs an equal query only once, and does
    /// not document what it does with a different query under the same id.
    ScheduleId
}

impl ScheduleId {
    /// The longest id that a caller may choose, in characters.
    pub const LONGEST: usize = 50;

    /// How many characters of the prefix [`unique`](Self::unique) keeps.
    const PREFIX: usize = 28;

    /// An id that nobody has used: the prefix, `-`, the time and a random part, in this order.
    ///
    /// Only the first 28 characters of the prefix are kept. Characters that an id cannot have become `_`.
    #[must_use]
    pub fn unique(prefix: &str) -> Self {
        let now = SystemClock.utc();
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        let prefix: String = prefix
            .chars()
            .take(Self::PREFIX)
            .map(|letter| if allowed(letter) { letter } else { '_' })
            .collect();
        // The operating system provides the key, so that two processes that start in the same nanosecond get different
        // ids.
        let random = RandomState::new().hash_one(now);
        let time = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        Self::from(format!("{prefix}-{}{}", digits(time, TIME), digits(random, 12)))
    }

    /// The time in what a [`unique`](Self::unique) id has after its prefix.
    pub(super) fn time_of(own: &str) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(i64::from_str_radix(own.get(..TIME)?, 36).ok()?)
    }

    /// Refuses an id that no run can have. Ids that the vendor made are sent back as they came, whatever they contain.
    pub(super) fn check_given(&self) -> Result<()> {
        if self.as_str().is_empty() {
            return Err(Error::config("`schedule_id` is empty; pass the id of a run"));
        }
        Ok(())
    }
}

/// An id that a caller chooses.
impl Limited for ScheduleId {
    fn check(&self, name: &str, limits: RangeInclusive<u32>) -> Result<()> {
        check_id(name, self.as_str(), limits)
    }
}

/// How many digits the time has in an id.
const TIME: usize = 9;

/// The last digits of a number in base 36.
fn digits(mut number: u64, count: usize) -> String {
    let mut digits = Vec::with_capacity(count);
    for _ in 0..count {
        let digit = u32::try_from(number % 36).unwrap_or_default();
        digits.extend(char::from_digit(digit, 36));
        number /= 36;
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn unique_ids_are_unique_and_may_be_sent() {
        for prefix in ["", "nightly", "a b/ü", &"x".repeat(200)] {
            let ids: HashSet<_> = (0..1000).map(|_| ScheduleId::unique(prefix)).collect();
            assert_eq!(ids.len(), 1000);
            for id in ids {
                assert!(id.check("schedule_id", 1..=50).is_ok(), "{id}");
            }
        }
        assert!(ScheduleId::unique("a b/ü").as_str().starts_with("a_b__-"));
    }

    #[test]
    fn digits_keep_their_order() {
        assert_eq!(
            (digits(0, 3), digits(35, 3), digits(36, 3)),
            ("000".into(), "00z".into(), "010".into())
        );
    }

    #[test]
    fn ids_that_the_vendor_would_refuse_are_refused_here() {
        for (id, good) in [
            ("a", true),
            ("A-z_9", true),
            (&*"x".repeat(50), true),
            (&*"x".repeat(51), false),
            ("", false),
            ("a b", false),
            ("a.b", false),
            ("ü", false),
        ] {
            assert_eq!(ScheduleId::from(id).check("schedule_id", 1..=50).is_ok(), good, "{id}");
        }
    }
}
