//! Schedules as Quartz reads them.

use serde_json::{Value, json};

/// One schedule: five fields, each sent alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Cron {
    pub(super) minute: String,
    pub(super) hour: String,
    pub(super) day_of_month: String,
    pub(super) month: String,
    pub(super) day_of_week: String,
}

/// What one field may hold.
struct Field {
    low: u32,
    high: u32,
    /// Names of the numbers from `low` on.
    names: &'static [&'static str],
}

const MINUTE: Field = Field { low: 0, high: 59, names: &[] };
const HOUR: Field = Field { low: 0, high: 23, names: &[] };
const DAY_OF_MONTH: Field = Field { low: 1, high: 31, names: &[] };
const MONTH: Field = Field {
    low: 1,
    high: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
/// Sunday is 1; 0 is not allowed.
const DAY_OF_WEEK: Field =
    Field { low: 1, high: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] };

impl Cron {
    pub(super) fn new(text: &str) -> Self {
        let mut fields = text.split(' ').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        Self {
            minute: next(),
            hour: next(),
            day_of_month: next(),
            month: next(),
            day_of_week: next(),
        }
    }

    /// What is wrong with it, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        let plain = |field: &Field, text: &str| text.split(',').all(|part| field.has(part));
        let day = |text: &str| match text.strip_suffix('W').unwrap_or(text).strip_prefix("L-") {
            Some(before) => digits(before).is_some_and(|days| days <= 30),
            None => match text.strip_suffix('W') {
                Some("L") => true,
                Some(near) => DAY_OF_MONTH.number(near).is_some(),
                None => matches!(text, "?" | "L") || plain(&DAY_OF_MONTH, text),
            },
        };
        let weekday = |text: &str| match text {
            "?" | "L" => true,
            _ => match (text.strip_suffix('L'), text.split_once('#')) {
                (Some(last), _) => DAY_OF_WEEK.number(last).is_some(),
                (_, Some((name, nth))) => {
                    DAY_OF_WEEK.number(name).is_some()
                        && digits(nth).is_some_and(|nth| (1..=5).contains(&nth))
                }
                _ => plain(&DAY_OF_WEEK, text),
            },
        };
        // Quartz does not distinguish `l` from `L`.
        let upper = |text: &str| text.to_ascii_uppercase();
        let fits = [
            ("minute", &self.minute, plain(&MINUTE, &self.minute)),
            ("hour", &self.hour, plain(&HOUR, &self.hour)),
            ("dayOfMonth", &self.day_of_month, day(&upper(&self.day_of_month))),
            ("month", &self.month, plain(&MONTH, &self.month)),
            ("dayOfWeek", &self.day_of_week, weekday(&upper(&self.day_of_week))),
        ];
        if let Some((name, text, _)) = fits.into_iter().find(|(_, _, fits)| !fits) {
            return Some(format!("{name} cannot be '{text}'"));
        }
        if (self.day_of_month == "?") == (self.day_of_week == "?") {
            return Some("exactly one of dayOfMonth and dayOfWeek must be '?'".to_owned());
        }
        None
    }

    /// How far apart its runs are, about: by the finest field that repeats.
    pub(super) fn interval_seconds(&self) -> i64 {
        let every = |text: &str| match text.split_once('/') {
            Some((_, step)) => step.parse().ok(),
            None => (text == "*").then_some(1),
        };
        let fixed_weekday = !matches!(self.day_of_week.as_str(), "*" | "?");
        if let Some(minutes) = every(&self.minute) {
            60 * minutes
        } else if let Some(hours) = every(&self.hour) {
            3_600 * hours
        } else if fixed_weekday {
            604_800
        } else if let Some(days) = every(&self.day_of_month.replace('?', "*")) {
            86_400 * days
        } else {
            every(&self.month).map_or(31_536_000, |months: i64| 2_592_000 * months)
        }
    }

    pub(super) fn shown(&self) -> Value {
        json!({
            "minute": self.minute,
            "hour": self.hour,
            "dayOfMonth": self.day_of_month,
            "month": self.month,
            "dayOfWeek": self.day_of_week,
        })
    }

    /// In one line, seconds first.
    pub(super) fn expression(&self) -> String {
        let Self { minute, hour, day_of_month, month, day_of_week } = self;
        format!("0 {minute} {hour} {day_of_month} {month} {day_of_week}")
    }
}

impl Field {
    /// `*`, `7`, `1-5`, and each of them with a step such as `/15`.
    fn has(&self, part: &str) -> bool {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
        let fits = match range.split_once('-') {
            Some((from, to)) => {
                self.number(from).is_some() && self.number(to).is_some() && name(from) == name(to)
            }
            None => range == "*" || self.number(range).is_some(),
        };
        // Behind a name Quartz overlooks the step.
        let steps = |text: &str| {
            let step = digits(text).is_some_and(|step| (1..=self.high).contains(&step));
            step && !range.starts_with(|letter: char| letter.is_ascii_alphabetic())
        };
        fits && step.is_none_or(steps)
    }

    fn number(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().zip(self.low..);
        let mut named = named.filter(|(name, _)| name.eq_ignore_ascii_case(text));
        digits(text)
            .or_else(|| named.next().map(|(_, number)| number))
            .filter(|number| (self.low..=self.high).contains(number))
    }
}

/// A number without a sign.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
