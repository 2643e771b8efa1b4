//! Whether to retry, and after what pause. Pure: no clock, no network.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use http::{HeaderMap, StatusCode, header};

use super::dialect::Advice;
use super::request::Idempotency;
use crate::error::LONGEST_SERVER_PAUSE;

/// How often and how patiently one client retries calls.
///
/// Whether a call may be retried at all is not a setting: a call that starts, changes or deletes something is never
/// sent again once it may have been carried out.
///
/// ```
/// use std::time::Duration;
/// use scheduled_runs::client::RetryPolicy;
///
/// // Patient, for a job at night.
/// let patient = RetryPolicy::default()
///     .max_attempts(6)
///     .cap(Duration::from_secs(60))
///     .longest_server_pause(Duration::from_secs(300));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    max_attempts: u32,
    base: Duration,
    rate_limited_base: Duration,
    cap: Duration,
    longest_server_pause: Duration,
    budget: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base: Duration::from_millis(100),
            rate_limited_base: Duration::from_secs(1),
            cap: Duration::from_secs(20),
            longest_server_pause: LONGEST_SERVER_PAUSE,
            budget: 500,
        }
    }
}

impl RetryPolicy {
    /// Attempts of one call, the first included. Default 3; 1 means no retry; 0 counts as 1.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// Upper bound of the first pause, doubled for each further one. Default 100 ms. The pause itself is drawn evenly
    /// between zero and the bound, so that many clients do not come back at once.
    #[must_use]
    pub fn base(mut self, pause: Duration) -> Self {
        self.base = pause;
        self
    }

    /// As [`base`](Self::base), after a response of 429. Default 1 s.
    #[must_use]
    pub fn rate_limited_base(mut self, pause: Duration) -> Self {
        self.rate_limited_base = pause;
        self
    }

    /// Largest bound of a pause, however many came before. Default 20 s.
    #[must_use]
    pub fn cap(mut self, pause: Duration) -> Self {
        self.cap = pause;
        self
    }

    /// Longest pause the client takes because a server asked for it. Default 60 s; zero means "never wait for a server".
    ///
    /// A longer `Retry-After` is not slept: the call fails at once and [`Error::retry_after`](crate::Error::retry_after)
    /// holds the pause asked for. A wait for the end of a run sleeps this long instead, then it polls again.
    #[must_use]
    pub fn longest_server_pause(mut self, pause: Duration) -> Self {
        self.longest_server_pause = pause;
        self
    }

    /// Tokens all calls of one client share; a retry takes 5, a success gives back 1, a success after a retry 5.
    /// Default 500. When they run out, calls fail with their first error: a server that is down is not hammered.
    #[must_use]
    pub fn budget(mut self, tokens: u32) -> Self {
        self.budget = tokens;
        self
    }

    pub(super) fn server_pause(&self) -> Duration {
        self.longest_server_pause
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.max_attempts
    }

    pub(crate) fn new_budget(&self) -> RetryBudget {
        RetryBudget { tokens: AtomicU32::new(self.budget), most: self.budget }
    }

    /// The pause before the next attempt; `None` if the server asks for a longer one than this policy or the call allows.
    ///
    /// `attempts` counts those so far, `draw` is random in 0..1.
    pub(crate) fn pause(
        &self,
        attempts: u32,
        rate_limited: bool,
        asked: Option<Duration>,
        draw: f64,
        left: Duration,
    ) -> Option<Duration> {
        let base = if rate_limited { self.rate_limited_base } else { self.base };
        let doublings = attempts.saturating_sub(1).min(16);
        let backoff = base.saturating_mul(1 << doublings).min(self.cap).mul_f64(draw);
        match asked {
            // The jitter comes on top: the server asked for at least this much.
            Some(asked) if asked <= self.longest_server_pause && asked <= left => {
                Some(asked.saturating_add(backoff).min(left))
            }
            Some(_) => None,
            None => Some(backoff.min(left)),
        }
    }
}

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Not a byte of the request left, or the server proved that it did not process it.
    NotSent,
    /// Nothing was sent, and a retry will not help: the server cannot be trusted, or there is no credential.
    Refused,
    /// Sent, at least in part, and no complete response came back. "Connection closed before message completed" is this.
    Lost,
    /// A complete response that nobody can use: not HTTP, too large, an undocumented shape.
    Unreadable(Option<StatusCode>),
    /// A response that says that the call failed.
    Answered(StatusCode, Advice),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    GiveUp,
    Retry,
    /// Get a new credential, then retry once.
    RefreshAndRetry,
}

impl Ending {
    /// Whether the server may have carried the request out.
    pub(crate) fn may_have_run(self) -> bool {
        match self {
            Self::NotSent | Self::Refused => false,
            Self::Lost | Self::Unreadable(None) => true,
            Self::Unreadable(Some(status)) => status.is_success() || status.is_informational(),
            Self::Answered(status, Advice::None) => {
                // 302 and 303 may be the vendor's way to say "done, look there". A failure that stands for a success is
                // one that nobody understands; so is a status that no standard has, such as a gateway's own for "the
                // server behind me did not respond in time" (520 to 530, 598, 599) or for "the client in front of me has gone"
                // (444, 460, 499).
                let clear = matches!(
                    status.as_u16(),
                    300 | 301 | 304..=407 | 409..=431 | 451 | 494..=498 | 501 | 505 | 511
                );
                !clear
            }
            Self::Answered(_, Advice::NotAccepted | Advice::Permanent | Advice::Refresh) => false,
        }
    }

    fn worth_retrying(self) -> bool {
        match self {
            Self::NotSent | Self::Lost => true,
            Self::Refused | Self::Unreadable(_) => false,
            Self::Answered(status, Advice::None) => {
                matches!(status.as_u16(), 408 | 425 | 429 | 444 | 460 | 499 | 500 | 502..=504)
            }
            Self::Answered(_, Advice::NotAccepted) => true,
            Self::Answered(_, Advice::Permanent | Advice::Refresh) => false,
        }
    }
}

/// The one place that decides about retries.
pub(crate) fn decide(idempotency: Idempotency, ending: Ending) -> Decision {
    if let Ending::Answered(_, Advice::Refresh) = ending {
        return Decision::RefreshAndRetry;
    }
    let safe = idempotency != Idempotency::NotIdempotent || !ending.may_have_run();
    if safe && ending.worth_retrying() { Decision::Retry } else { Decision::GiveUp }
}

/// Random in 0..1, from the keys that the standard library draws for its hash maps.
pub(crate) fn draw() -> f64 {
    let random = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default();
    f64::from(random) / (f64::from(u32::MAX) + 1.0)
}

/// The pause a server asks for: seconds, or a date measured against the response's own `Date`.
///
/// Of several headers the longest pause counts, also where a proxy has joined them by commas. A value that cannot be read is
/// ignored; a date in the past is zero.
pub(crate) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let date = server_date(headers).unwrap_or(now);
    let pause = |text: &str| {
        let until = || Some((http_date(text)? - date).to_std().unwrap_or_default());
        let joined = || text.split(',').map(seconds).max().flatten();
        seconds(text).or_else(until).or_else(joined)
    };
    let values = headers.get_all(header::RETRY_AFTER);
    values.iter().filter_map(|value| pause(value.to_str().ok()?)).max()
}

/// Whole seconds, rounded up: of `120`, and of `299.997`, `30s` and `1500ms`, which no standard has.
fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let per_second = match unit.to_ascii_lowercase().as_str() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "ms" | "millis" | "milliseconds" => 1000,
        _ => return None,
    };
    let (whole, fraction) = number.trim().split_once('.').unwrap_or((number.trim(), "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    // Too many digits is a long time, not an unreadable one.
    let whole = whole.parse().unwrap_or(u64::from(u32::MAX));
    let more = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    Some(Duration::from_secs(whole.saturating_add(more).div_ceil(per_second)))
}

/// The server's own time, from the `Date` header.
pub(crate) fn server_date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    http_date(headers.get(header::DATE)?.to_str().ok()?)
}

/// A date in any of the three forms that recipients must read (RFC 9110, section 5.6.7).
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    const OBSOLETE: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    if let Ok(date) = DateTime::parse_from_rfc2822(text) {
        return Some(date.to_utc());
    }
    let date = |form: &&str| NaiveDateTime::parse_from_str(text.trim(), form).ok();
    OBSOLETE.iter().find_map(date).map(|date| date.and_utc())
}

/// Keeps a thousand failing calls from becoming three thousand requests.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    tokens: AtomicU32,
    most: u32,
}

impl RetryBudget {
    const RETRY: u32 = 5;

    pub(crate) fn take(&self) -> bool {
        let spent = |tokens: u32| tokens.checked_sub(Self::RETRY);
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent).is_ok()
    }

    pub(crate) fn success(&self, retried: bool) {
        let earned = if retried { Self::RETRY } else { 1 };
        let paid = |tokens: u32| {
            // A full budget, the usual case, costs one load and no store.
            (tokens < self.most).then(|| tokens.saturating_add(earned).min(self.most))
        };
        let _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_over_the_whole_interval() {
        let mut tenths = [0_u32; 10];
        for _ in 0..10_000 {
            let draw = draw();
            let tenth = (1..10).rposition(|tenth| draw >= f64::from(tenth) / 10.0);
            tenths[tenth.map_or(0, |tenth| tenth + 1)] += 1;
        }
        assert!(tenths.iter().all(|tenth| (800..1200).contains(tenth)), "{tenths:?}");
    }

    use Decision::{GiveUp, RefreshAndRetry, Retry};
    use Idempotency::{Idempotent, NotIdempotent, Safe};

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).unwrap()
    }

    #[test]
    fn the_decision_table() {
        // ending, safe or idempotent, not idempotent
        let mut table = vec![
            (Ending::NotSent, Retry, Retry),
            (Ending::Refused, GiveUp, GiveUp),
            (Ending::Lost, Retry, GiveUp),
            (Ending::Unreadable(None), GiveUp, GiveUp),
            (Ending::Unreadable(Some(status(200))), GiveUp, GiveUp),
            (Ending::Answered(status(425), Advice::None), Retry, Retry),
            (Ending::Answered(status(429), Advice::None), Retry, Retry),
        ];
        for code in [408, 444, 460, 499, 500, 502, 503, 504] {
            table.push((Ending::Answered(status(code), Advice::None), Retry, GiveUp));
        }
        for code in [
            200, 202, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 409, 410, 413, 422,
            451, 501, 505,
        ] {
            table.push((Ending::Answered(status(code), Advice::None), GiveUp, GiveUp));
        }
        for code in 200..600 {
            let code = status(code);
            table.push((Ending::Answered(code, Advice::Permanent), GiveUp, GiveUp));
            table.push((Ending::Answered(code, Advice::NotAccepted), Retry, Retry));
            table.push((Ending::Answered(code, Advice::Refresh), RefreshAndRetry, RefreshAndRetry));
        }
        for (ending, repeatable, trigger) in table {
            assert_eq!(decide(Safe, ending), repeatable, "{ending:?}");
            assert_eq!(decide(Idempotent, ending), repeatable, "{ending:?}");
            assert_eq!(decide(NotIdempotent, ending), trigger, "{ending:?}");
            if trigger == Retry {
                assert!(!ending.may_have_run(), "{ending:?}");
            }
        }
    }

    #[test]
    fn what_may_have_run() {
        for ending in [101, 202]
            .map(|code| Ending::Unreadable(Some(status(code))))
            .into_iter()
            .chain([Ending::Lost, Ending::Unreadable(None)])
        {
            assert!(ending.may_have_run(), "{ending:?}");
        }
        for code in
            [200, 202, 408, 432, 444, 460, 499, 500, 502, 503, 504, 507, 520, 524, 529, 599, 999]
        {
            assert!(Ending::Answered(status(code), Advice::None).may_have_run(), "{code}");
            assert!(!Ending::Answered(status(code), Advice::NotAccepted).may_have_run(), "{code}");
        }
        for code in [307, 400, 401, 403, 404, 409, 422, 425, 429, 431, 451, 498, 501, 505, 511] {
            assert!(!Ending::Answered(status(code), Advice::None).may_have_run(), "{code}");
        }
        assert!(!Ending::NotSent.may_have_run());
        assert!(!Ending::Refused.may_have_run());
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let now = DateTime::parse_from_rfc3339("2026-03-01T12:00:00Z").unwrap().to_utc();
        let read = |values: &[&str], date: Option<&str>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::RETRY_AFTER, value.parse().unwrap());
            }
            if let Some(date) = date {
                headers.insert(header::DATE, date.parse().unwrap());
            }
            retry_after(&headers, now).map(|pause| pause.as_secs())
        };
        assert_eq!(read(&["2"], None), Some(2));
        assert_eq!(read(&[" 7 "], None), Some(7));
        assert_eq!(read(&["86400"], None), Some(86_400));
        assert_eq!(read(&["99999999999999999999"], None), Some(u64::from(u32::MAX)));
        for (text, pause) in [
            ("299.997", 300),
            ("2.0", 2),
            ("30s", 30),
            ("30 seconds", 30),
            ("0.2 s", 1),
            ("1500ms", 2),
        ] {
            assert_eq!(read(&[text], None), Some(pause), "{text:?}");
        }
        for unreadable in ["-1", "soon", "", "1.", ".5", "1e3", "s", "3 weeks", "0x2", "1.5.2"] {
            assert_eq!(read(&[unreadable], None), None, "{unreadable:?}");
        }
        // A date counts against the response's own date, not against our clock.
        let hour_off = Some("Sun, 01 Mar 2026 13:00:00 GMT");
        assert_eq!(read(&["Sun, 01 Mar 2026 13:00:09 GMT"], hour_off), Some(9));
        assert_eq!(read(&["Sun, 01 Mar 2026 12:00:09 GMT"], None), Some(9));
        assert_eq!(read(&["Sun, 01 Mar 2020 12:00:09 GMT"], None), Some(0));
        // The two obsolete forms, in either header.
        for (at, date) in [
            ("Sunday, 01-Mar-26 13:00:09 GMT", "Sun Mar  1 13:00:00 2026"),
            ("Sun Mar  1 13:00:09 2026", "Sunday, 01-Mar-26 13:00:00 GMT"),
        ] {
            assert_eq!(read(&[at], hour_off), Some(9), "{at}");
            assert_eq!(read(&[at], Some(date)), Some(9), "{date}");
        }
        assert_eq!(read(&["2", "5", "x"], None), Some(5));
        assert_eq!(read(&[], None), None);
    }

    #[test]
    fn a_pause_grows_to_its_cap_and_respects_what_the_server_asks() {
        let policy = RetryPolicy::default();
        let long = Duration::from_secs(120);
        let pause = |tried, limited, asked, left| policy.pause(tried, limited, asked, 1.0, left);
        assert_eq!(pause(1, false, None, long), Some(Duration::from_millis(100)));
        assert_eq!(pause(3, false, None, long), Some(Duration::from_millis(400)));
        assert_eq!(pause(1, true, None, long), Some(Duration::from_secs(1)));
        assert_eq!(pause(u32::MAX, true, None, long), Some(Duration::from_secs(20)));
        assert_eq!(
            pause(1, false, None, Duration::from_millis(30)),
            Some(Duration::from_millis(30))
        );
        let two = Some(Duration::from_secs(2));
        assert_eq!(pause(1, false, two, long), Some(Duration::from_millis(2100)));
        assert_eq!(
            pause(1, false, two, Duration::from_millis(2050)),
            Some(Duration::from_millis(2050))
        );
        assert_eq!(pause(1, false, two, Duration::from_secs(1)), None);
        assert_eq!(pause(1, false, Some(Duration::from_secs(61)), long), None);
        assert_eq!(policy.pause(1, false, None, 0.0, long), Some(Duration::ZERO));
        let never = RetryPolicy::default().longest_server_pause(Duration::ZERO);
        assert_eq!(never.pause(1, true, two, 1.0, long), None);
    }

    #[test]
    fn the_budget_allows_a_hundred_retries_and_successes_pay_back() {
        let budget = RetryPolicy::default().new_budget();
        assert_eq!((0..1000).filter(|_| budget.take()).count(), 100);
        budget.success(true);
        assert!(budget.take());
        assert!(!budget.take());
        for _ in 0..10_000 {
            budget.success(false);
        }
        assert_eq!((0..1000).filter(|_| budget.take()).count(), 100);
    }
}
