//! Dates as ArcGIS writes them: epoch milliseconds, or an English text without a zone.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use serde::{Deserializer, Serialize, Serializer, de};

use crate::wire::lenient::{self, FromAny, Scalar};
use crate::wire::time::parse;

/// A date in a response. The same field comes in two forms, even on one page of the vendor's docs: epoch milliseconds, as a
/// number or as text, and a text such as `Apr 22, 2021, 3:00:00 AM`.
///
/// The text has no zone: it is the local time of the server's Java machine. [`utc`](Self::utc) reads it in the client's
/// [`server_time_zone`](crate::ClientBuilder::server_time_zone), which is UTC unless set. It does so at each call: a list of runs has
/// many dates that nobody reads.
///
/// Source: samples of the Enterprise Administrator API. Inferred: the text is what Java's Gson library writes by default, in
/// English whatever the server's language. All its variants are read: with and without the second comma, with any kind of space
/// before `AM`.
#[derive(Clone, Debug)]
pub struct Time {
    raw: Raw,
    /// The zone of a text; UTC if there is none.
    zone: Option<ServerZone>,
}

/// The text of a date, without an allocation for each.
#[derive(Clone)]
enum Raw {
    /// The bytes, and how many there are.
    Short([u8; 30], u8),
    Long(Box<str>),
}

impl Raw {
    fn of(text: &str) -> Self {
        let mut bytes = [0; 30];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(text.as_bytes());
                Self::Short(bytes, length)
            }
            _ => Self::Long(text.into()),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Short(bytes, length) => {
                let text = bytes.get(..usize::from(*length)).unwrap_or_default();
                str::from_utf8(text).unwrap_or_default()
            }
            Self::Long(text) => text,
        }
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

impl Time {
    /// The date as the server sent it.
    #[must_use]
    pub fn raw(&self) -> &str {
        self.raw.text()
    }

    /// The date in UTC. `None` if it cannot be read.
    #[must_use]
    pub fn utc(&self) -> Option<DateTime<Utc>> {
        let time = parse(self.raw())?;
        match &self.zone {
            Some(zone) if self.is_english() => zone.utc(time.naive_utc()),
            _ => Some(time),
        }
    }

    /// The server's local time. Only for text dates; `None` for epoch milliseconds.
    #[must_use]
    pub fn naive(&self) -> Option<NaiveDateTime> {
        let time = parse(self.raw()).filter(|_| self.is_english())?;
        Some(time.naive_utc())
    }

    fn is_english(&self) -> bool {
        self.raw().trim_start().starts_with(|first: char| first.is_ascii_alphabetic())
    }

    /// A date from its text; `None` for the texts that mean "no date". Inferred: 0 and -1 mean it too, as they do in other numbers
    /// of these responses.
    fn of_text(text: &str) -> Option<Self> {
        let time = Self { raw: Raw::of(text), zone: None };
        let is_none = text.trim().is_empty()
            || !time.is_english() && matches!(lenient::whole_of(text), Some(0 | -1));
        (!is_none).then_some(time)
    }

    pub(super) fn read_in(&mut self, zone: &ServerZone) {
        self.zone = Some(zone.clone());
    }
}

/// Equal if text and time are.
impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.raw() == other.raw() && self.utc() == other.utc()
    }
}

impl Eq for Time {}

impl Hash for Time {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw().hash(state);
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.raw())
    }
}

/// As the server sent it. The zone of a text is a setting of the client, and is not part of it: read again outside of a client, it is
/// UTC.
impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.raw().parse::<i64>() {
            Ok(millis) => serializer.serialize_i64(millis),
            Err(_) => serializer.serialize_str(self.raw()),
        }
    }
}

/// Reads a date in any form. `null`, 0, -1 and the empty string are `None`; a date that cannot be read is not an error.
pub(super) fn lenient<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Time>, D::Error> {
    struct Date;

    impl FromAny<'_> for Date {
        type Value = Option<Time>;

        fn scalar<E: de::Error>(self, value: Scalar<'_>) -> Result<Option<Time>, E> {
            // A text that means "no date" is not of another type.
            match value {
                Scalar::Text(text) => Ok(Time::of_text(text)),
                _ => value
                    .into_text()
                    .map_or_else(|| value.refuse(), |digits| Ok(Time::of_text(&digits))),
            }
        }
    }

    lenient::any(deserializer, Date)
}

/// The server's time zone.
#[derive(Clone)]
pub(super) struct ServerZone(Arc<dyn Fn(NaiveDateTime) -> Option<DateTime<Utc>> + Send + Sync>);

impl ServerZone {
    pub(super) fn new(zone: impl TimeZone + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |naive| {
            // If a time occurs twice in autumn, the earlier one counts; a time that is skipped in spring counts as one hour later.
            let later = naive.checked_add_signed(TimeDelta::hours(1));
            let mut candidates = [Some(naive), later].into_iter().flatten();
            let time = candidates.find_map(|naive| zone.from_local_datetime(&naive).earliest());
            time.map(|time| time.with_timezone(&Utc))
        }))
    }

    fn utc(&self, naive: NaiveDateTime) -> Option<DateTime<Utc>> {
        self.0(naive)
    }
}

impl Default for ServerZone {
    fn default() -> Self {
        Self::new(Utc)
    }
}

impl fmt::Debug for ServerZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerZone")
    }
}

/// A response with dates. Once it is decoded, they are read in the server's zone.
pub(super) trait Dated {
    /// Calls `each` for its dates, including those of its parts.
    fn dates(&mut self, each: &mut dyn FnMut(&mut Time));
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{FixedOffset, LocalResult, NaiveDate, Offset};
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Holder {
        #[serde(default, deserialize_with = "lenient")]
        time: Option<Time>,
        after: u8,
    }

    fn read(json: &str) -> Option<Time> {
        let holder: Holder =
            serde_json::from_str(&format!(r#"{{"time":{json},"after":1}}"#)).unwrap();
        assert_eq!(holder.after, 1);
        holder.time
    }

    fn utc(time: &Time) -> String {
        time.utc().unwrap().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
    }

    #[test]
    fn dates_are_read_from_text_and_from_milliseconds() {
        for (json, time) in [
            (r#""Apr 22, 2021, 3:00:00 AM""#, "2021-04-22T03:00:00Z"),
            (r#""Apr 22, 2021 3:00:00 AM""#, "2021-04-22T03:00:00Z"),
            (r#""Apr 2, 2021, 03:00:00 pm""#, "2021-04-02T15:00:00Z"),
            ("\"Apr 22, 2021, 3:00:00\u{202f}AM\"", "2021-04-22T03:00:00Z"),
            ("\"Apr 22, 2021, 3:00:00\u{a0} \u{202f}AM\"", "2021-04-22T03:00:00Z"),
            (r#""Apr 22, 2021, 12:00:00 AM""#, "2021-04-22T00:00:00Z"),
            (r#""Apr 22, 2021, 12:30:00 PM""#, "2021-04-22T12:30:00Z"),
            ("1634961600000", "2021-10-23T04:00:00Z"),
            (r#""1634961600000.0""#, "2021-10-23T04:00:00Z"),
            (r#""2021-10-23T04:00:00.000+0000""#, "2021-10-23T04:00:00Z"),
            (r#""1634961600000""#, "2021-10-23T04:00:00Z"),
            (r#"" 1634961600123 ""#, "2021-10-23T04:00:00.123Z"),
            (r#""2021-10-23T04:00:00+02:00""#, "2021-10-23T02:00:00Z"),
        ] {
            let read = read(json).unwrap();
            assert_eq!(utc(&read), time, "{json}");
            assert_eq!(read.naive().is_some(), json.contains("Apr"), "{json}");
            assert_eq!(read.raw(), json.trim_matches('"'));
        }
    }

    #[test]
    fn no_date_is_none_and_unreadable_dates_are_kept() {
        for none in [
            "null",
            "0",
            "-1",
            r#""""#,
            r#"" ""#,
            r#""0""#,
            r#""-1""#,
            "0.0",
            r#""-1.0""#,
            "1.5",
            "true",
            "{\"a\":[1]}",
            "[[2]]",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        for odd in [
            r#""gestern""#,
            r#""Avr 22, 2021, 3:00:00 AM""#,
            r#""Apr 31, 2021, 3:00:00 AM""#,
            r#""Apr 22, 2021, 13:00:00 AM""#,
            r#""ü""#,
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
        ] {
            let time = read(odd).unwrap();
            assert_eq!((time.utc(), time.naive()), (None, None), "{odd}");
            assert_eq!(time.to_string(), odd.trim_matches('"'));
        }
        for float in ["1634961600000.0", "1.6349616e12"] {
            let time = read(float).unwrap();
            assert_eq!((&*utc(&time), time.raw()), ("2021-10-23T04:00:00Z", "1634961600000"));
        }
        assert_eq!(read("-1000").unwrap().utc().unwrap().timestamp(), -1);
    }

    /// Two hours east of UTC in summer, one in winter; the clock changes at 3:00 and at 2:00.
    #[derive(Clone)]
    struct Central;

    impl TimeZone for Central {
        type Offset = FixedOffset;

        fn from_offset(_: &FixedOffset) -> Self {
            Self
        }

        fn offset_from_local_date(&self, _: &NaiveDate) -> LocalResult<FixedOffset> {
            LocalResult::None
        }

        fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> LocalResult<FixedOffset> {
            let offset = |hours| FixedOffset::east_opt(hours * 3600).unwrap();
            let text = local.to_string();
            if ("2021-03-28 02:00:00".."2021-03-28 03:00:00").contains(&&*text) {
                LocalResult::None
            } else if ("2021-10-31 02:00:00".."2021-10-31 03:00:00").contains(&&*text) {
                LocalResult::Ambiguous(offset(2), offset(1))
            } else if ("2021-03-28 03:00:00".."2021-10-31 02:00:00").contains(&&*text) {
                LocalResult::Single(offset(2))
            } else {
                LocalResult::Single(offset(1))
            }
        }

        fn offset_from_utc_date(&self, _: &NaiveDate) -> FixedOffset {
            Utc.fix()
        }

        fn offset_from_utc_datetime(&self, _: &NaiveDateTime) -> FixedOffset {
            Utc.fix()
        }
    }

    #[test]
    fn texts_are_read_in_the_servers_zone_even_when_the_clock_changes() {
        let zone = ServerZone::new(Central);
        for (text, time) in [
            ("Jan 5, 2021, 3:00:00 AM", "2021-01-05T02:00:00Z"),
            ("Jul 5, 2021, 3:00:00 AM", "2021-07-05T01:00:00Z"),
            ("Oct 31, 2021, 2:30:00 AM", "2021-10-31T00:30:00Z"),
            ("Mar 28, 2021, 2:30:00 AM", "2021-03-28T01:30:00Z"),
        ] {
            let mut read = Time::of_text(text).unwrap();
            read.read_in(&zone);
            assert_eq!(utc(&read), time, "{text}");
        }
        let mut instant = Time::of_text("1634961600000").unwrap();
        instant.read_in(&zone);
        assert_eq!(utc(&instant), "2021-10-23T04:00:00Z");
    }

    #[test]
    fn no_date_and_no_zone_causes_a_panic() {
        let zones = [
            ServerZone::default(),
            ServerZone::new(FixedOffset::east_opt(86_399).unwrap()),
            ServerZone::new(FixedOffset::west_opt(86_399).unwrap()),
        ];
        for zone in zones {
            for naive in [NaiveDateTime::MIN, NaiveDateTime::MAX, NaiveDateTime::default()] {
                let _ = zone.utc(naive);
            }
            for year in ["0", "1", "9999", "99999", "262143", "999999999"] {
                if let Some(mut time) = Time::of_text(&format!("Apr 22, {year}, 3:00:00 AM")) {
                    time.read_in(&zone);
                }
            }
        }
    }
}
