//! Times: right or none.

use bytes::Bytes;
use chrono::{
    DateTime, Datelike as _, FixedOffset, LocalResult, NaiveDate, NaiveDateTime, Offset as _,
    SecondsFormat, SubsecRound as _, TimeDelta, TimeZone, Utc,
};
use proptest::prelude::*;
use scheduled_runs::client::Endpoint;
use scheduled_runs::testing::ScriptedTransport;
use scheduled_runs::wire::time::parse;
use scheduled_runs::{Client, adobe, arcgis, foundry, mode, supermetrics};
use serde_json::{Value, json};

use crate::now;

/// The years 1 to 9999, to the nanosecond.
fn time() -> impl Strategy<Value = DateTime<Utc>> {
    (-62_135_596_800_i64..253_402_300_800, 0_u32..1_000_000_000)
        .prop_map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).unwrap())
}

fn offset() -> impl Strategy<Value = FixedOffset> {
    (-14 * 60..14 * 60_i32).prop_map(|minutes| FixedOffset::east_opt(minutes * 60).unwrap())
}

/// Texts that are nearly times.
fn nearly() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-+]?[0-9]{0,22}",
        "[-+]?[0-9]{1,6}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}([.,][0-9]{0,12})?)?)?([zZ]|[-+][0-9]{2}:?[0-9]{2})?",
        "(Jan|Feb|Mai|Dec|Sept?)[. ]{1,2}[0-9]{1,3}[, ]{1,2}[0-9]{1,7}[, ]{1,2}[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,3}[ \u{202f}\u{a0}]{0,2}(AM|PM|am|Uhr)?",
    ]
}

async fn read<E: Endpoint>(
    request: E,
    builder: scheduled_runs::ClientBuilder<E::Api>,
    body: &Value,
) -> E::Output {
    let script = ScriptedTransport::default();
    script.respond(200, Bytes::from(body.to_string()));
    builder.transport(script).build().unwrap().send(request).await.unwrap().into_inner()
}

fn adobe(value: &Value) -> Option<DateTime<Utc>> {
    let builder = adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev");
    now(read(adobe::GetRun::new("s", "r"), builder, &json!({ "id": "r", "created": value })))
        .created
}

fn foundry(value: &Value) -> Option<DateTime<Utc>> {
    let builder = foundry::Client::builder().hostname("x.palantirfoundry.com");
    let body = json!({ "rid": "ri.foundry.main.build.1", "createdTime": value });
    now(read(foundry::GetBuild::new("ri.foundry.main.build.1"), builder, &body)).created
}

fn mode(value: &Value) -> Option<DateTime<Utc>> {
    let builder = mode::Client::builder().workspace("initech");
    let body = json!({ "token": "n", "created_at": value });
    now(read(mode::GetReportRun::new("r", "n"), builder, &body)).created_at
}

fn supermetrics(value: &Value) -> Option<DateTime<Utc>> {
    let builder = supermetrics::Client::builder();
    let body = json!({ "data": [{ "schedule_time": value }] });
    now(read(supermetrics::ListHistory::new(), builder, &body)).items[0].schedule_time
}

fn arcgis(value: &Value, zone: impl TimeZone + Send + Sync + 'static) -> Option<arcgis::Time> {
    let builder =
        Client::<arcgis::ArcGis>::builder().base_url("https://gis.example").server_time_zone(zone);
    let body = json!({ "runId": "r", "created": value });
    now(read(arcgis::GetTaskRun::new("t", "r"), builder, &body)).created
}

/// One hour east of UTC, two from the last Sunday of March to the last of October: each year, and worked out here.
#[derive(Clone)]
struct Central;

impl Central {
    fn hours(utc: &NaiveDateTime) -> i32 {
        let change = |month| {
            let last = NaiveDate::from_ymd_opt(utc.year(), month, 31).unwrap();
            let back = TimeDelta::days(last.weekday().num_days_from_sunday().into());
            (last - back).and_hms_opt(1, 0, 0).unwrap()
        };
        if (change(3)..change(10)).contains(utc) { 2 } else { 1 }
    }

    fn east(hours: i32) -> FixedOffset {
        FixedOffset::east_opt(hours * 3600).unwrap()
    }
}

impl TimeZone for Central {
    type Offset = FixedOffset;

    fn from_offset(_: &FixedOffset) -> Self {
        Self
    }

    fn offset_from_local_date(&self, _: &NaiveDate) -> LocalResult<FixedOffset> {
        LocalResult::None
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> LocalResult<FixedOffset> {
        // Whatever offset leads to an instant that has this offset.
        let fits =
            |hours: &i32| Self::hours(&(*local - TimeDelta::hours((*hours).into()))) == *hours;
        match (fits(&2), fits(&1)) {
            (true, true) => LocalResult::Ambiguous(Self::east(2), Self::east(1)),
            (true, false) => LocalResult::Single(Self::east(2)),
            (false, true) => LocalResult::Single(Self::east(1)),
            (false, false) => LocalResult::None,
        }
    }

    fn offset_from_utc_date(&self, _: &NaiveDate) -> FixedOffset {
        Utc.fix()
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
        Self::east(Self::hours(utc))
    }
}

fn gson(time: NaiveDateTime, comma: bool, space: char) -> String {
    let comma = if comma { "," } else { "" };
    format!(
        "{}{comma} {}{space}{}",
        time.format("%b %-d, %Y"),
        time.format("%-I:%M:%S"),
        time.format("%p")
    )
}

proptest! {
    #![proptest_config(crate::few())]

    #[test]
    fn every_way_to_write_a_time_is_read_as_that_time(time in time(), offset in offset(), digits in 0..4_usize) {
        let format = [SecondsFormat::Secs, SecondsFormat::Millis, SecondsFormat::Micros, SecondsFormat::Nanos][digits];
        let seen = time.trunc_subsecs([0, 3, 6, 9][digits]);
        let zoned = time.with_timezone(&offset);
        if (0..=9999).contains(&zoned.year()) {
            let text = zoned.to_rfc3339_opts(format, false);
            prop_assert_eq!(parse(&text), Some(seen), "{}", text);
            let body = Value::from(text);
            for read in [adobe(&body), foundry(&body), mode(&body), supermetrics(&body)] {
                prop_assert_eq!(read, Some(seen));
            }
            prop_assert_eq!(arcgis(&body, Utc).unwrap().utc(), Some(seen));
        }
        let text = time.to_rfc3339_opts(format, true);
        prop_assert_eq!(parse(&text), Some(seen));
        let zoneless = text.trim_end_matches('Z');
        prop_assert_eq!(parse(zoneless), Some(seen));
        prop_assert_eq!(parse(&zoneless.replace('T', " ")), Some(seen));
        let millis = time.timestamp_millis();
        let whole = Some(time.trunc_subsecs(3));
        prop_assert_eq!(parse(&millis.to_string()), whole);
        for body in [Value::from(millis), Value::from(millis.to_string())] {
            for read in [adobe(&body), foundry(&body), mode(&body), supermetrics(&body)] {
                prop_assert_eq!(read, whole);
            }
            if !matches!(millis, 0 | -1) {
                prop_assert_eq!(arcgis(&body, Central).unwrap().utc(), whole);
            }
        }
    }

    #[test]
    fn what_is_nearly_a_time_is_one_or_none(text in nearly(), number in any::<i64>(), float in any::<f64>()) {
        let parsed = parse(&text);
        for body in [json!(text), json!(number), json!(float), json!([text]), json!({ "x": text })] {
            let all = [adobe(&body), foundry(&body), mode(&body), supermetrics(&body)];
            prop_assert!(all.iter().all(|read| *read == all[0]), "{body}: {all:?}");
            if body.is_string() {
                prop_assert_eq!(all[0], parsed);
            }
            let Some(read) = arcgis(&body, Central) else { continue };
            match &body {
                Value::String(text) => prop_assert_eq!(read.raw(), text),
                // `serde_json` reads the last digit of a float as it can.
                Value::Number(sent) if sent.is_f64() => {
                    prop_assert!((read.raw().parse::<f64>().unwrap() - float).abs() <= 1.0);
                }
                _ => prop_assert_eq!(read.raw(), number.to_string()),
            }
        }
    }

    #[test]
    fn a_text_without_a_zone_is_read_on_the_servers_clock(time in time(), comma: bool, space in prop::sample::select(vec![' ', '\u{202f}', '\u{a0}'])) {
        let time = time.trunc_subsecs(0);
        prop_assume!((2..9999).contains(&time.year()));
        let local = time.with_timezone(&Central).naive_local();
        let read = arcgis(&gson(local, comma, space).into(), Central).unwrap();
        prop_assert_eq!(read.naive(), Some(local));
        // The hour that comes twice counts as the first one.
        let twice = matches!(Central.offset_from_local_datetime(&local), LocalResult::Ambiguous(..));
        let later = time - read.utc().unwrap();
        prop_assert!(later.is_zero() || (twice && later == TimeDelta::hours(1)), "{time} is read as {:?}", read.utc());
        let utc = arcgis(&gson(time.naive_utc(), comma, space).into(), Utc).unwrap();
        prop_assert_eq!(utc.utc(), Some(time));
    }

    /// Also the hour that spring leaves out, and zones of any offset.
    #[test]
    fn no_text_and_no_zone_makes_a_date_unreadable(year in 1_i32..262_000, day in 1_u32..=366, second in 0_u32..86_400, offset in -86_399..86_400_i32) {
        let date = NaiveDate::from_yo_opt(year, day).or_else(|| NaiveDate::from_yo_opt(year, 365)).unwrap();
        let local = date.and_hms_opt(second / 3600, second / 60 % 60, second % 60).unwrap();
        let zone = FixedOffset::east_opt(offset).unwrap();
        let text = Value::from(gson(local, true, ' '));
        for read in [arcgis(&text, zone), arcgis(&text, Utc), arcgis(&text, Central)] {
            let read = read.unwrap();
            prop_assert!(year > 9999 || read.utc().is_some(), "{read:?}");
        }
    }
}
