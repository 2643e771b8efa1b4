//! When a task runs: Quartz cron, in five fields.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::Weekday;
use serde::Deserializer;

use crate::error::{Error, Result};
use crate::wire::lenient::{self, Scalar};
use crate::wire::model;

model! {
    /// When a task runs: five fields in the dialect of Quartz, read in UTC.
    ///
    /// Quartz is not Unix cron: days of the week go from 1, Sunday, to 7, Saturday, and exactly one of the two day fields must
    /// be `?`, which means "any". Schedules that callers write are checked; a schedule from a server is kept as it is.
    ///
    /// ```
    /// use scheduled_runs::arcgis::CronSchedule;
    ///
    /// let nightly = CronSchedule::daily(4, 0)?;
    /// assert_eq!(nightly.to_string(), "0 4 * * ?");
    /// // with Quartz's seconds in front
    /// assert_eq!("0 0 4 * * ?".parse::<CronSchedule>()?, nightly);
    ///
    /// let mistake = "0 4 * * 0".parse::<CronSchedule>().unwrap_err();
    /// assert!(mistake.to_string().contains("Sunday is 1"));
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    ///
    /// Source: Enterprise Administrator API, "Create Task", section "CRON expressions". Inferred: schedules are read in UTC, because
    /// expression, start time in GMT and last start agree in samples.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct CronSchedule {
        minute: Cow<'static, str> as "minute" with field,
        hour: Cow<'static, str> as "hour" with field,
        day_of_month: Cow<'static, str> as "dayOfMonth" with field,
        month: Cow<'static, str> as "month" with field,
        day_of_week: Cow<'static, str> as "dayOfWeek" with field,
    }
}

/// A field of a schedule from a server, which may be missing, or a number. Most are one of two signs.
fn field<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Cow<'static, str>, D::Error> {
    let field = lenient::scalar(deserializer, |value| match value {
        Scalar::Text("*") => Some(Cow::Borrowed("*")),
        Scalar::Text("?") => Some(Cow::Borrowed("?")),
        Scalar::Float(_) => None,
        value => Some(Cow::Owned(value.into_text()?.into())),
    })?;
    Ok(field.unwrap_or_default())
}

impl CronSchedule {
    /// A schedule of these five fields.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if Quartz does not accept a field; it names the field and says what to do.
    pub fn new(
        minute: impl Into<Box<str>>,
        hour: impl Into<Box<str>>,
        day_of_month: impl Into<Box<str>>,
        month: impl Into<Box<str>>,
        day_of_week: impl Into<Box<str>>,
    ) -> Result<Self> {
        let [minute, hour, day_of_month, month, day_of_week] =
            [minute.into(), hour.into(), day_of_month.into(), month.into(), day_of_week.into()]
                .map(|field: Box<str>| Cow::Owned(field.into()));
        let schedule = Self { minute, hour, day_of_month, month, day_of_week };
        schedule.check()?;
        Ok(schedule)
    }

    /// Every `minutes` minutes, 1 to 59. Counting starts again at the beginning of each hour.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if `minutes` is not 1 to 59.
    pub fn every_minutes(minutes: u8) -> Result<Self> {
        Self::new(format!("*/{minutes}"), "*", "*", "*", "?")
    }

    /// Each hour, at this minute.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if `minute` is not 0 to 59.
    pub fn hourly(minute: u8) -> Result<Self> {
        Self::new(minute.to_string(), "*", "*", "*", "?")
    }

    /// Each day, at this time in UTC.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no such time.
    pub fn daily(hour: u8, minute: u8) -> Result<Self> {
        Self::new(minute.to_string(), hour.to_string(), "*", "*", "?")
    }

    /// On these days of the week, at this time in UTC.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no such time, or if `days` is empty.
    pub fn weekly(days: impl IntoIterator<Item = Weekday>, hour: u8, minute: u8) -> Result<Self> {
        let days: Vec<_> =
            days.into_iter().map(|day| day.number_from_sunday().to_string()).collect();
        Self::new(minute.to_string(), hour.to_string(), "?", "*", days.join(","))
    }

    /// On this day of each month, at this time in UTC. Months without that day are skipped; for the last day of a month parse
    /// `"0 4 L * ?"`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no such day or time.
    pub fn monthly(day: u8, hour: u8, minute: u8) -> Result<Self> {
        Self::new(minute.to_string(), hour.to_string(), day.to_string(), "*", "?")
    }

    /// Minutes, 0 to 59. Like the other fields, empty if the server did not send it.
    #[must_use]
    pub fn minute(&self) -> &str {
        &self.minute
    }

    /// Hours, 0 to 23.
    #[must_use]
    pub fn hour(&self) -> &str {
        &self.hour
    }

    /// Days of the month, 1 to 31, or `?`.
    #[must_use]
    pub fn day_of_month(&self) -> &str {
        &self.day_of_month
    }

    /// Months, 1 to 12 or `JAN` to `DEC`.
    #[must_use]
    pub fn month(&self) -> &str {
        &self.month
    }

    /// Days of the week, 1 (Sunday) to 7 (Saturday) or `SUN` to `SAT`, or `?`.
    #[must_use]
    pub fn day_of_week(&self) -> &str {
        &self.day_of_week
    }

    /// The fields of a form.
    ///
    /// # Errors
    /// `Config` for a server's schedule that lacks a field: it cannot be sent back.
    pub(super) fn fields(&self) -> Result<[(&'static str, &str); 5]> {
        let fields = [
            ("minute", self.minute()),
            ("hour", self.hour()),
            ("dayOfMonth", self.day_of_month()),
            ("month", self.month()),
            ("dayOfWeek", self.day_of_week()),
        ];
        match fields.iter().find(|(_, text)| text.is_empty()) {
            Some((name, _)) => Err(Error::config(format!(
                "the schedule has no {name}; set all fields of the schedule"
            ))),
            None => Ok(fields),
        }
    }

    fn check(&self) -> Result<()> {
        MINUTE.check(&self.minute)?;
        HOUR.check(&self.hour)?;
        MONTH.check(&self.month)?;
        let advice = match (self.day_of_month(), self.day_of_week()) {
            ("?", "?") => {
                "both day fields are `?`; for every day, write `*` for the day of the month"
            }
            ("?", day) => return DAY_OF_WEEK.check(day),
            (day, "?") => return DAY_OF_MONTH.check(day),
            (_, "*") => {
                "the day of the week must be `?` if the day of the month is given, not `*` as in Unix"
            }
            ("*", day) => {
                DAY_OF_WEEK.check(day)?;
                "the day of the month must be `?` if the day of the week is given, not `*` as in Unix; note that Sunday is 1"
            }
            _ => {
                "Quartz cannot combine a day of the month with a day of the week; make one of them `?`, and create two tasks for both"
            }
        };
        Err(Error::config(format!("the schedule `{self}` is not valid: {advice}")))
    }
}

/// Five fields, as [`FromStr`] reads them.
impl fmt::Display for CronSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { minute, hour, day_of_month, month, day_of_week } = self;
        write!(f, "{minute} {hour} {day_of_month} {month} {day_of_week}")
    }
}

/// Five fields, or six with Quartz's seconds in front, which must be 0: tasks have no seconds.
impl FromStr for CronSchedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fields: Vec<_> = text.split_whitespace().collect();
        let [minute, hour, day_of_month, month, day_of_week] = match fields[..] {
            [minute, hour, day, month, weekday] => [minute, hour, day, month, weekday],
            ["0" | "00", minute, hour, day, month, weekday] => [minute, hour, day, month, weekday],
            [_, _, _, _, _, _] => {
                return Err(Error::config("the first of six fields, the seconds, must be 0"));
            }
            _ => {
                return Err(Error::config(
                    "a schedule must have five fields: minute, hour, day of month, month, day of week",
                ));
            }
        };
        Self::new(minute, hour, day_of_month, month, day_of_week)
    }
}

/// The values that one field accepts.
struct Field {
    name: &'static str,
    range: RangeInclusive<u8>,
    /// Names of the numbers, in ascending order.
    names: &'static [&'static str],
    /// The kind of days in it, which decides about the signs `L`, `W` and `#`.
    days: Option<Days>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Days {
    OfMonth,
    OfWeek,
}

const MINUTE: Field = Field { name: "minute", range: 0..=59, names: &[], days: None };
const HOUR: Field = Field { name: "hour", range: 0..=23, names: &[], days: None };
const DAY_OF_MONTH: Field =
    Field { name: "day of month", range: 1..=31, names: &[], days: Some(Days::OfMonth) };
const MONTH: Field = Field {
    name: "month",
    range: 1..=12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    days: None,
};
const DAY_OF_WEEK: Field = Field {
    name: "day of week",
    range: 1..=7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    days: Some(Days::OfWeek),
};

impl Field {
    fn check(&self, text: &str) -> Result<()> {
        if self.is_single_day(text)? {
            return Ok(());
        }
        text.split(',').try_for_each(|part| self.check_part(part))
    }

    /// Whether it is a form that must be the whole of a day field: `L`, `LW`, `L-3`, `15W`, `6L`, `6#3`.
    fn is_single_day(&self, text: &str) -> Result<bool> {
        let upper = text.to_ascii_uppercase();
        match self.days {
            Some(Days::OfMonth) => {
                let day = upper.strip_suffix('W').unwrap_or(&upper);
                if let Some(before) = day.strip_prefix("L-") {
                    let before: Option<u8> = plain(before);
                    return before.filter(|days| *days <= 30).map(|_| true).ok_or_else(|| {
                        self.invalid(text, "in `L-n`, the days before the last, n must be 0 to 30")
                    });
                }
                if day == "L" {
                    return Ok(true);
                }
                if upper.ends_with('W') {
                    return self.number(text, day).map(|()| true);
                }
                Ok(false)
            }
            Some(Days::OfWeek) => {
                if let Some((day, nth)) = upper.split_once('#') {
                    self.number(text, day)?;
                    return match plain(nth) {
                        Some(1..=5) => Ok(true),
                        _ => Err(self.invalid(
                            text,
                            "`#` must be followed by 1 to 5, with nothing else in the field",
                        )),
                    };
                }
                match upper.strip_suffix('L') {
                    Some("") => Ok(true),
                    Some(day) => self.number(text, day).map(|()| true),
                    None => Ok(false),
                }
            }
            None => Ok(false),
        }
    }

    /// `*`, `5`, `5-9`, each with or without a step `/2`.
    fn check_part(&self, part: &str) -> Result<()> {
        let (values, step) = match part.split_once('/') {
            Some((values, step)) => (values, Some(step)),
            None => (part, None),
        };
        if let Some(step) = step {
            let most = *self.range.end();
            if !plain(step).is_some_and(|step: u8| (1..=most).contains(&step)) {
                return Err(self.invalid(part, &format!("a step must be 1 to {most}")));
            }
        }
        let (from, to) = match values.split_once('-') {
            Some((from, to)) => (from, Some(to)),
            None => (values, None),
        };
        match values {
            "*" => return Ok(()),
            "?" => {
                return Err(
                    self.invalid(part, "`?` must be the whole of one of the two day fields")
                );
            }
            _ => [Some(from), to]
                .into_iter()
                .flatten()
                .try_for_each(|text| self.number(part, text))?,
        }
        // Quartz ignores a step behind a name, and reads a range either by names or by numbers.
        let by_name = |text: &str| text.starts_with(|letter: char| letter.is_ascii_alphabetic());
        let mixed = to.is_some_and(|to| by_name(from) != by_name(to));
        if mixed || (step.is_some() && by_name(from)) {
            let advice = "Quartz does not accept a step behind a name or a range from name to number; write the numbers";
            return Err(self.invalid(part, advice));
        }
        Ok(())
    }

    /// Checks a number or name of this field. A range may wrap around: `FRI-MON`.
    fn number(&self, whole: &str, text: &str) -> Result<()> {
        let by_name = self.names.iter().any(|name| name.eq_ignore_ascii_case(text));
        if by_name || plain(text).is_some_and(|number| self.range.contains(&number)) {
            return Ok(());
        }
        if self.days == Some(Days::OfWeek) && text == "0" {
            let advice = "there is no day 0 as in Unix: Sunday is 1, Saturday is 7";
            return Err(self.invalid(whole, advice));
        }
        let (first, last) = (self.range.start(), self.range.end());
        let names = match self.names {
            [from, .., to] => format!(" or {from} to {to}"),
            _ => String::new(),
        };
        Err(self.invalid(whole, &format!("it must be {first} to {last}{names}")))
    }

    fn invalid(&self, text: &str, advice: &str) -> Error {
        Error::config(format!("the {} `{text}` is not valid: {advice}", self.name))
    }
}

/// A number without a sign.
fn plain(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn read(text: &str) -> Result<CronSchedule> {
        text.parse()
    }

    #[test]
    fn valid_schedules_are_accepted_and_printed_as_they_were() {
        for text in [
            "0 * * * ?",
            "*/1 * * * ?",
            "0/15 8-17 ? * MON-FRI",
            "0 4 ? * 7",
            "0 4 ? * fri-mon",
            "5,35 22-2 1,15 * ?",
            "0 4 L * ?",
            "0 4 L-3 * ?",
            "0 4 LW * ?",
            "0 4 L-3W * ?",
            "0 4 15W * ?",
            "0 4 ? * 6L",
            "0 4 ? * L",
            "0 4 ? * FRIL",
            "0 4 ? * 6#3",
            "0 4 ? * sun#1",
            "0 4 */2 JAN,jul ?",
            "0 4 1-31/2 1-12/3 ?",
        ] {
            assert_eq!(read(text).unwrap().to_string(), text);
            assert_eq!(read(&format!(" 0  {text}\n")).unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_constructors_write_quartz() {
        let weekdays = [Weekday::Sun, Weekday::Mon, Weekday::Sat];
        for (schedule, text) in [
            (CronSchedule::every_minutes(15), "*/15 * * * ?"),
            (CronSchedule::hourly(5), "5 * * * ?"),
            (CronSchedule::daily(4, 0), "0 4 * * ?"),
            (CronSchedule::weekly([Weekday::Sat], 4, 0), "0 4 ? * 7"),
            (CronSchedule::weekly(weekdays, 23, 59), "59 23 ? * 1,2,7"),
            (CronSchedule::monthly(31, 6, 30), "30 6 31 * ?"),
        ] {
            assert_eq!(schedule.unwrap().to_string(), text);
        }
        for schedule in [
            CronSchedule::every_minutes(0),
            CronSchedule::every_minutes(60),
            CronSchedule::hourly(60),
            CronSchedule::daily(24, 0),
            CronSchedule::weekly([], 4, 0),
            CronSchedule::monthly(0, 4, 0),
            CronSchedule::monthly(32, 4, 0),
        ] {
            assert_eq!(schedule.unwrap_err().kind(), ErrorKind::Config);
        }
    }

    #[test]
    fn invalid_schedules_are_refused_with_what_to_do() {
        for (text, says) in [
            ("0 4 * * 0", "there is no day 0 as in Unix: Sunday is 1"),
            ("0 4 ? * 0", "Sunday is 1, Saturday is 7"),
            ("0 4 ? * 0-4", "Sunday is 1"),
            ("0 4 ? * 8", "the day of week `8` is not valid: it must be 1 to 7 or SUN to SAT"),
            ("0 4 * * *", "the day of the week must be `?`"),
            ("0 4 1 * *", "the day of the week must be `?`"),
            ("0 4 * * 1", "the day of the month must be `?`"),
            ("0 4 1 * 1", "make one of them `?`"),
            ("0 4 ? * ?", "both day fields are `?`"),
            ("0 ? * * ?", "`?` must be the whole of one of the two day fields"),
            ("? 4 * * ?", "`?` must be the whole"),
            ("0 4 ?/2 * ?", "`?` must be the whole"),
            ("60 4 * * ?", "the minute `60` is not valid: it must be 0 to 59"),
            ("-5 4 * * ?", "the minute `-5`"),
            ("+5 4 * * ?", "the minute `+5`"),
            ("5- 4 * * ?", "the minute `5-`"),
            ("1-2-3 4 * * ?", "the minute `1-2-3`"),
            ("1,,2 4 * * ?", "the minute ``"),
            ("*/0 4 * * ?", "a step must be 1 to 59"),
            ("*/x 4 * * ?", "a step must be 1 to 59"),
            ("0 */24 * * ?", "a step must be 1 to 23"),
            ("0 24 * * ?", "the hour `24`"),
            ("0 4 0 * ?", "the day of month `0`"),
            ("0 4 32W * ?", "the day of month `32W`"),
            ("0 4 1,15W * ?", "the day of month `1,15W`"),
            ("0 4 L-31 * ?", "n must be 0 to 30"),
            ("0 4 1,L * ?", "the day of month `L`"),
            ("0 4 * 13 ?", "it must be 1 to 12 or JAN to DEC"),
            ("0 4 * L ?", "the month `L`"),
            ("0 4 ? * 6#6", "`#` must be followed by 1 to 5"),
            ("0 4 ? * 6#1,3#2", "with nothing else in the field"),
            ("0 4 ? * 0#1", "Sunday is 1"),
            ("0 4 ? * 15W", "the day of week `15W`"),
            ("0 4 6#3 * ?", "the day of month `6#3`"),
            ("5 0 4 * * ?", "the seconds, must be 0"),
            ("0 0 4 * * ? 2030", "five fields"),
            ("0 4 ? * MON-FRI/2", "write the numbers"),
            ("0 4 * JAN/3 ?", "write the numbers"),
            ("0 4 ? * MON-6", "write the numbers"),
            ("0 4 * 1-MAR ?", "write the numbers"),
            ("@daily", "five fields"),
            ("", "five fields"),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_servers_schedule_is_kept_and_sent_back_unless_a_field_is_missing() {
        let schedule: CronSchedule = serde_json::from_str(
            r#"{"minute":0,"hour":"4","dayOfMonth":"1C","month":"*","dayOfWeek":"*","lunar":1}"#,
        )
        .unwrap();
        assert_eq!(schedule.to_string(), "0 4 1C * *");
        assert_eq!(schedule.fields().unwrap()[2], ("dayOfMonth", "1C"));
        let partial: CronSchedule =
            serde_json::from_str(r#"{"minute":"0","hour":null,"month":[1]}"#).unwrap();
        assert_eq!(partial.hour(), "");
        assert!(partial.fields().unwrap_err().to_string().contains("no hour"));
    }
}
