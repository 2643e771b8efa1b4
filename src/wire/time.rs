//! Times as vendors write them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::Deserializer;

use super::lenient::{self, Scalar};

/// Parses a time in any of the forms that vendors use. Without a zone, it is in UTC.
///
/// Read are ISO 8601 and RFC 3339, with or without a zone and with 0 to 9 fraction digits, a date alone, epoch milliseconds, and
/// English dates such as `Apr 22, 2021, 3:00:00 AM`, with or without the second comma and with any kind of space before `AM`.
#[must_use]
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    if text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        let usual = NaiveDateTime::parse_from_str(text, "%b %d, %Y, %I:%M:%S %p");
        let time = usual.or_else(|_| {
            let letters = text.chars().filter(|letter| *letter != ',');
            let plain: String =
                letters.map(|letter| if letter.is_whitespace() { ' ' } else { letter }).collect();
            NaiveDateTime::parse_from_str(&plain, "%b %d %Y %I:%M:%S %p")
        });
        return time.ok().map(|time| time.and_utc());
    }
    // Looked at first: most texts that come this far are times without a zone.
    let is_number = !matches!(text.as_bytes(), [_, _, _, _, b'-', _, _, b'-', ..]);
    if is_number && let Some(millis) = lenient::whole_of(text) {
        return at_millis(millis);
    }
    let (date, time) = text.split_at_checked(10)?;
    if time.is_empty() {
        let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc());
    }
    let time = time.strip_prefix(['T', 't', ' '])?;
    let zone = time.find(['Z', 'z', '+', '-', ' ']).unwrap_or(time.len());
    let (time, zone) = time.split_at_checked(zone)?;
    let zone = zone.trim_start();
    let text = match (zone, zone.split_at_checked(3)) {
        ("" | "Z" | "z" | "UTC", _) => [date, "T", time, "Z"].concat(),
        (_, Some((hours, ""))) => [date, "T", time, hours, ":00"].concat(),
        (_, Some((hours, minutes))) => {
            [date, "T", time, hours, ":", minutes.trim_start_matches(':')].concat()
        }
        (_, None) => return None,
    };
    DateTime::parse_from_rfc3339(&text).ok().map(|time| time.to_utc())
}

fn at_millis(millis: i128) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis.try_into().ok()?)
}

/// Reads a time in any form, as a string or as a number of epoch milliseconds, for serde's `deserialize_with`. A time that
/// cannot be read is `None`, so that it does not make the whole response unreadable.
///
/// # Errors
/// Only for invalid JSON.
pub fn lenient_utc<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let time = lenient::scalar(deserializer, |value| match value {
        Scalar::Text(text) => Some(parse(text)),
        Scalar::Signed(millis) => Some(at_millis(millis.into())),
        Scalar::Unsigned(millis) => Some(at_millis(millis.into())),
        Scalar::Float(millis) => Some(at_millis(lenient::whole(millis)?)),
        _ => None,
    });
    Ok(time?.flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::SecondsFormat;

    #[test]
    fn every_form_that_vendors_send_is_parsed() {
        for (text, time) in [
            ("2020-01-08T12:30:00Z", "2020-01-08T12:30:00Z"),
            ("2020-01-08T20:45:00", "2020-01-08T20:45:00Z"),
            ("2020-01-08T23:43:58.936269", "2020-01-08T23:43:58.936269Z"),
            ("2022-06-03T11:03:54.095191Z", "2022-06-03T11:03:54.095191Z"),
            ("2019-12-06T22:00:17.362Z", "2019-12-06T22:00:17.362Z"),
            ("2022-11-05T08:15:30-05:00", "2022-11-05T13:15:30Z"),
            ("2024-09-25T17:29:35.123456789+02:00", "2024-09-25T15:29:35.123456789Z"),
            ("2020-09-07", "2020-09-07T00:00:00Z"),
            ("2020-09-07 01:02:03", "2020-09-07T01:02:03Z"),
            ("1578523458919", "2020-01-08T22:44:18.919Z"),
            ("-1000", "1969-12-31T23:59:59Z"),
            ("2020-09-07T01:02:03.5+0000", "2020-09-07T01:02:03.500Z"),
            ("2020-09-07T01:02:03-0530", "2020-09-07T06:32:03Z"),
            ("2020-09-07T01:02:03+02", "2020-09-06T23:02:03Z"),
            ("2020-09-07t01:02:03z", "2020-09-07T01:02:03Z"),
            ("2020-09-07 01:02:03Z", "2020-09-07T01:02:03Z"),
            ("2020-09-07 01:02:03 UTC", "2020-09-07T01:02:03Z"),
            ("2020-09-07 01:02:03.25 +01:00", "2020-09-07T00:02:03.250Z"),
            ("1578523458919.0", "2020-01-08T22:44:18.919Z"),
            ("1.578523458919E12", "2020-01-08T22:44:18.919Z"),
            ("Apr 22, 2021, 3:00:00 AM", "2021-04-22T03:00:00Z"),
            ("Apr 22, 2021 3:00:00 PM", "2021-04-22T15:00:00Z"),
            ("Apr 22, 2021, 12:00:00\u{202f}AM", "2021-04-22T00:00:00Z"),
        ] {
            let read = parse(text).unwrap_or_else(|| panic!("{text} is not read"));
            assert_eq!(read.to_rfc3339_opts(SecondsFormat::AutoSi, true), time, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_none_and_not_an_error() {
        #[derive(serde::Deserialize)]
        struct Holder {
            #[serde(default, deserialize_with = "lenient_utc")]
            time: Option<DateTime<Utc>>,
            after: u8,
        }
        for value in [
            r#""""#,
            r#""none""#,
            r#""2020-13-45T00:00:00Z""#,
            r#""9223372036854775808""#,
            "9223372036854775807",
            "-9223372036854775808",
            "1e300",
            "true",
            "null",
            "{\"a\":[1]}",
            "[[2]]",
            r#""-""#,
            r#""ü""#,
        ] {
            let holder: Holder =
                serde_json::from_str(&format!(r#"{{"time":{value},"after":1}}"#)).unwrap();
            assert_eq!((holder.time, holder.after), (None, 1), "{value}");
        }
        for number in ["1578523458919", "1578523458919.0", "1.578523458919e12"] {
            let json = format!(r#"{{"time":{number},"after":1}}"#);
            let holder: Holder = serde_json::from_str(&json).unwrap();
            assert_eq!(holder.time, parse("2020-01-08T22:44:18.919Z"), "{number}");
        }
    }
}
