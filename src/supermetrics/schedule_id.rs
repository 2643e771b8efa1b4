//! Ids of runs: the vendor calls them schedule ids.

use std::hash::{BuildHasher as _, RandomState};

use crate::client::{Clock as _, SystemClock};
use crate::error::{Error, Result};
use crate::wire::id;

id! {
    /// Id of one run of a query: the vendor's `schedule_id`. Left out of a query, the vendor derives it from the
    /// parameters, so that equal queries share one.
    ///
    /// An id of your own is at most 50 letters, digits, `-` and `_`; that is checked when it is sent with a query. What
    /// a new run under an id in use does is not documented where the parameters differ, and where they are equal there
    /// is one run at a time: use [`unique`](Self::unique) ids.
    ScheduleId
}

impl ScheduleId {
    /// Longest id that a caller may choose, in letters.
    pub const LONGEST: usize = 50;

    /// Longest part of the prefix of [`unique`](Self::unique) that is kept.
    const PREFIX: usize = 28;

    /// An id that nobody has used: the prefix, `-`, the time, and something random, in this order.
    ///
    /// Of the prefix 28 letters are kept, and what an id cannot hold becomes `_`.
    #[must_use]
    pub fn unique(prefix: &str) -> Self {
        let now = SystemClock.utc();
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        let prefix: String = prefix
            .chars()
            .take(Self::PREFIX)
            .map(|letter| if plain(letter) { letter } else { '_' })
            .collect();
        // Keyed by the operating system, so that processes that start in the same nanosecond differ.
        let random = RandomState::new().hash_one(now);
        let time = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        Self::from(format!("{prefix}-{}{}", digits(time, 9), digits(random, 12)))
    }

    /// Whether a caller may choose this id.
    pub(super) fn check(&self) -> Result<()> {
        check_id("schedule_id", self.as_str())
    }
}

/// The last digits of a number to the base 36.
fn digits(mut number: u64, count: usize) -> String {
    let mut digits = Vec::with_capacity(count);
    for _ in 0..count {
        let digit = u32::try_from(number % 36).unwrap_or_default();
        digits.extend(char::from_digit(digit, 36));
        number /= 36;
    }
    digits.iter().rev().collect()
}

/// The vendor's rule for ids that callers choose, of runs and of data sources.
pub(super) fn check_id(name: &str, id: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=ScheduleId::LONGEST).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(());
    }
    let fault = if id.is_empty() { "is empty" } else { "is too long or holds other characters" };
    Err(Error::config(format!("`{name}` {fault}: it is 1 to 50 letters, digits, `-` and `_`")))
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
                assert!(id.check().is_ok(), "{id}");
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
            assert_eq!(ScheduleId::from(id).check().is_ok(), good, "{id}");
        }
    }
}
