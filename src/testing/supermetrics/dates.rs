//! Dates and times as parameters have them: fixed, as a Unix time, or in English words.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Utc, Weekday};

/// `2026-03-01`, `2026-03-01T06:00:00Z`, `@1772323200`, or words such as `yesterday`, `-2 weeks next Monday`,
/// `10 minutes ago`, `first day of last month`.
pub(super) fn moment(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return DateTime::from_timestamp(seconds.parse().ok()?, 0);
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc());
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return Some(time.and_utc());
        }
    }
    Words::read(&text.to_ascii_lowercase().replace('_', " "))?.from(now)
}

/// What words say, in the order in which it is carried out.
#[derive(Default)]
struct Words {
    midnight: bool,
    shifts: Vec<(i32, Unit)>,
    /// The day after, before, or on and after.
    weekday: Option<(i32, Weekday)>,
    /// The first day of the month, or its last.
    edge: Option<bool>,
}

#[derive(Clone, Copy)]
enum Unit {
    Seconds(i64),
    Days(u64),
    Months(u32),
}

const UNITS: [(&str, Unit); 8] = [
    ("second", Unit::Seconds(1)),
    ("minute", Unit::Seconds(60)),
    ("hour", Unit::Seconds(3600)),
    ("day", Unit::Days(1)),
    ("fortnight", Unit::Days(14)),
    ("week", Unit::Days(7)),
    ("month", Unit::Months(1)),
    ("year", Unit::Months(12)),
];
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Mon),
    ("tuesday", Weekday::Tue),
    ("wednesday", Weekday::Wed),
    ("thursday", Weekday::Thu),
    ("friday", Weekday::Fri),
    ("saturday", Weekday::Sat),
    ("sunday", Weekday::Sun),
];

/// One of these words, and what follows it.
fn word<'a, T: Copy>(text: &'a str, words: &[(&str, T)]) -> Option<(T, &'a str)> {
    words.iter().find_map(|(word, meaning)| Some((*meaning, text.strip_prefix(word)?)))
}

impl Words {
    /// In lower case. Words need no spaces between them.
    fn read(text: &str) -> Option<Self> {
        let mut words = Self::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            rest = words.take(rest)?.trim_start();
        }
        (!text.is_empty()).then_some(words)
    }

    /// Reads what comes first; gives the rest back.
    fn take<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let days = [("today", 0), ("midnight", 0), ("yesterday", -1), ("tomorrow", 1)];
        if let Some((days, rest)) = word(text, &days) {
            self.midnight = true;
            self.shifts.push((days, Unit::Days(1)));
            return Some(rest);
        }
        if let Some(((), rest)) = word(text, &[("now", ())]) {
            return Some(rest);
        }
        if let (Some(((), rest)), false) = (word(text, &[("ago", ())]), self.shifts.is_empty()) {
            self.shifts.iter_mut().for_each(|(count, _)| *count = count.saturating_neg());
            return Some(rest);
        }
        if let Some((first, rest)) = word(text, &[("first day of", true), ("last day of", false)]) {
            (self.midnight, self.edge) = (true, Some(first));
            return Some(rest);
        }
        let counts = [("next", 1), ("last", -1), ("previous", -1), ("this", 0)];
        let (count, rest) = match word(text, &counts) {
            Some(found) => found,
            None => Self::count(text),
        };
        let rest = rest.trim_start();
        if let Some((weekday, rest)) = word(rest, &WEEKDAYS) {
            (self.midnight, self.weekday) = (true, Some((count, weekday)));
            return Some(rest);
        }
        let (unit, rest) = word(rest, &UNITS)?;
        self.shifts.push((count, unit));
        Some(rest.strip_prefix('s').unwrap_or(rest))
    }

    /// A number, or 0 where there is none.
    fn count(text: &str) -> (i32, &str) {
        let end = text.find(|c: char| !c.is_ascii_digit() && !"+-".contains(c));
        let (number, rest) = text.split_at(end.unwrap_or(text.len()));
        number.parse().map_or((0, text), |number| (number, rest))
    }

    fn from(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut at = now;
        if self.midnight {
            at = at.date_naive().and_hms_opt(0, 0, 0)?.and_utc();
        }
        for (count, unit) in self.shifts {
            let (many, back) = (count.unsigned_abs(), count < 0);
            at = match unit {
                Unit::Seconds(seconds) => {
                    at.checked_add_signed(TimeDelta::try_seconds(seconds * i64::from(count))?)?
                }
                Unit::Days(days) if back => {
                    at.checked_sub_days(Days::new(days * u64::from(many)))?
                }
                Unit::Days(days) => at.checked_add_days(Days::new(days * u64::from(many)))?,
                Unit::Months(months) => {
                    let months = Months::new(months.checked_mul(many)?);
                    if back {
                        at.checked_sub_months(months)?
                    } else {
                        at.checked_add_months(months)?
                    }
                }
            };
        }
        if let Some((count, weekday)) = self.weekday {
            let ahead = u64::from(weekday.days_since(at.weekday()));
            at = match (count, ahead) {
                (0, ahead) => at.checked_add_days(Days::new(ahead))?,
                (1.., 0) => at.checked_add_days(Days::new(7))?,
                (1.., ahead) => at.checked_add_days(Days::new(ahead))?,
                (_, ahead) => at.checked_sub_days(Days::new(7 - ahead))?,
            };
        }
        match self.edge {
            None => Some(at),
            Some(true) => at.with_day(1),
            Some(false) => {
                let next = at.with_day(1)?.checked_add_months(Months::new(1))?;
                next.checked_sub_days(Days::new(1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_fixed_or_told_in_words() {
        // A Wednesday.
        let now = "2026-03-18T10:30:00Z".parse().unwrap();
        for (text, expected) in [
            ("2020-04-01", "2020-04-01T00:00:00Z"),
            ("2020-04-01T05:06:07", "2020-04-01T05:06:07Z"),
            ("2020-04-01T05:06:07+02:00", "2020-04-01T03:06:07Z"),
            ("@1585755000", "2020-04-01T15:30:00Z"),
            ("now", "2026-03-18T10:30:00Z"),
            ("Today", "2026-03-18T00:00:00Z"),
            ("yesterday", "2026-03-17T00:00:00Z"),
            ("10 minutes ago", "2026-03-18T10:20:00Z"),
            ("7daysAgo", "2026-03-11T10:30:00Z"),
            ("-2 weeks", "2026-03-04T10:30:00Z"),
            ("+1 day", "2026-03-19T10:30:00Z"),
            ("last_month", "2026-02-18T10:30:00Z"),
            ("previous Monday", "2026-03-16T00:00:00Z"),
            ("next wednesday", "2026-03-25T00:00:00Z"),
            ("last wednesday", "2026-03-11T00:00:00Z"),
            ("wednesday", "2026-03-18T00:00:00Z"),
            ("-2 weeks next Monday", "2026-03-09T00:00:00Z"),
            ("first day of last month", "2026-02-01T00:00:00Z"),
            ("last day of previous month", "2026-02-28T00:00:00Z"),
        ] {
            let expected: DateTime<Utc> = expected.parse().unwrap();
            assert_eq!(moment(text, now), Some(expected), "{text}");
        }
        for text in
            ["", "soon", "the other day", "2026-02-30", "@", "3 parsecs", "days of yore", "ago"]
        {
            assert_eq!(moment(text, now), None, "{text}");
        }
    }
}
