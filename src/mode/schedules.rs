//! Schedules of a report: list, get, create, update, delete; schedules of a dataset: list.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc, Weekday};
use serde::Serialize;
use serde_json::Value;

use super::list::{ListQuery, page_setters};
use super::reports::ReportType;
use super::tokens::{ReportToken, ScheduleToken};
use super::{Mode, relations};
use crate::client::{RequestBuilder, json, operation};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::wire::hal::{Embedded, Forms, Links};
use crate::wire::{Only, RawJson, lenient, model, open_enum, time};

operation! {
    /// Lists the schedules of a report.
    ///
    /// Source: Mode API reference, "Report Schedules", `GET /{workspace}/reports/{report}/schedules`.
    ListSchedules { report: ReportToken }
    pages { list: ListQuery, item: Schedule, key: token }
    for Mode, "mode.schedules.list", Safe: GET "reports" / {report} / "schedules" -> Page<Schedule>
}

impl ListSchedules {
    page_setters!();
}

operation! {
    /// Lists the schedules of a dataset. The reference has no other operation on them.
    ///
    /// Source: Mode API reference, "Datasets", `GET /{workspace}/datasets/{dataset}/schedules`. The reference does not describe the
    /// response. Inferred: the schedules are those of reports. They are read under any name, if the response has only one list.
    ListDatasetSchedules { dataset: ReportToken }
    pages { list: ListQuery<true>, item: Schedule, key: token }
    for Mode, "mode.schedules.list_of_dataset", Safe: GET "datasets" / {dataset} / "schedules" -> Page<Schedule>
}

impl ListDatasetSchedules {
    page_setters!();
}

operation! {
    /// Gets one schedule.
    ///
    /// Source: Mode API reference, "Report Schedules", `GET /{workspace}/reports/{report}/schedules/{schedule}`.
    GetSchedule { report: ReportToken, schedule: ScheduleToken }
    for Mode, "mode.schedules.get", Safe: GET "reports" / {report} / "schedules" / {schedule} -> Schedule
}

operation! {
    /// Adds a schedule to a report.
    ///
    /// Source: Mode API reference, "Report Schedules", `POST /{workspace}/reports/{report}/schedules`. The reference shows a
    /// bare body; the vendor's own web forms, and known clients, wrap it in `report_schedule`, and so does this. Each call adds
    /// a schedule.
    ///
    /// ```
    /// use std::time::Duration;
    /// use chrono::Weekday;
    /// use scheduled_runs::mode::{CreateSchedule, Cron};
    ///
    /// let request = CreateSchedule::new("f2lkg3hwjj9a", Cron::weekly(Weekday::Mon, 6, 30))
    ///     .name("Monday numbers")
    ///     .timeout(Duration::from_secs(3600))
    ///     .parameter("country", "CH");
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/reports/f2lkg3hwjj9a/schedules");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    CreateSchedule { report: ReportToken, schedule: ScheduleBody } without new
    for Mode, "mode.schedules.create", NotIdempotent: POST "reports" / {report} / "schedules" -> Schedule,
    with |this, request| this.schedule.write(request)
}

operation! {
    /// Changes a schedule of a report. What is not set stays as it is.
    ///
    /// Source: Mode API reference, "Report Schedules", `PATCH /{workspace}/reports/{report}/schedules/{schedule}`. The
    /// response may be empty.
    ///
    /// ```
    /// use scheduled_runs::mode::{Cron, UpdateSchedule};
    ///
    /// // Only the times.
    /// let request =
    ///     UpdateSchedule::new("f2lkg3hwjj9a", "7c1d0e2f3a4b").cron(Cron::every_30_minutes());
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "PATCH");
    /// # assert_eq!(sent.url().path(), "/reports/f2lkg3hwjj9a/schedules/7c1d0e2f3a4b");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    UpdateSchedule { report: ReportToken, schedule: ScheduleToken }
    state { changes: ScheduleBody }
    for Mode, "mode.schedules.update", Idempotent:
    PATCH "reports" / {report} / "schedules" / {schedule} -> Option<Schedule>,
    with |this, request| this.changes.write(request), decode json::decode_optional
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct ScheduleBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<Cron>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<BTreeMap<String, Value>>,
}

impl CreateSchedule {
    /// Required: the report, and when to run it.
    pub fn new(report: impl Into<ReportToken>, cron: Cron) -> Self {
        let schedule = ScheduleBody { cron: Some(cron), ..ScheduleBody::default() };
        Self { report: report.into(), schedule }
    }
}

impl UpdateSchedule {
    /// Sets when it runs.
    pub fn cron(mut self, cron: Cron) -> Self {
        self.changes.cron = Some(cron);
        self
    }
}

macro_rules! schedule_setters {
    ($($name:ident.$body:ident)+) => {$(
        impl $name {
            /// Sets the name.
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.$body.name = Some(name.into());
                self
            }

            /// How long a run may take before the next one is started all the same. Rounded down to whole seconds.
            pub fn timeout(mut self, limit: Duration) -> Self {
                self.$body.timeout = Some(limit.as_secs());
                self
            }

            /// Sets the value of a parameter of the report.
            pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
                self.$body.params.get_or_insert_default().insert(name.into(), value.into());
                self
            }
        }
    )+};
}

schedule_setters!(CreateSchedule.schedule UpdateSchedule.changes);

impl ScheduleBody {
    #[inline]
    fn write(&self, request: RequestBuilder) -> RequestBuilder {
        let checked = self.cron.as_ref().map_or(Ok(()), Cron::check);
        request.json(&Only("report_schedule", self)).check(checked)
    }
}

operation! {
    /// Deletes a schedule of a report.
    ///
    /// Source: Mode API reference, "Report Schedules", `DELETE /{workspace}/reports/{report}/schedules/{schedule}`. A second
    /// delete would get 404 for a first that worked.
    DeleteSchedule { report: ReportToken, schedule: ScheduleToken }
    for Mode, "mode.schedules.delete", NotIdempotent: DELETE "reports" / {report} / "schedules" / {schedule} -> (),
    decode json::ignore
}

/// When a schedule runs its report.
///
/// ```
/// use chrono::Weekday;
/// use scheduled_runs::mode::Cron;
///
/// let mondays = Cron::weekly(Weekday::Mon, 6, 30).time_zone("Pacific Time (US & Canada)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use = "it does nothing until it is passed to a request"]
pub struct Cron {
    freq: Frequency,
    #[serde(skip_serializing_if = "Option::is_none")]
    day_of_month: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    day_of_week: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hour: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minute: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
}

impl Cron {
    fn new(freq: Frequency) -> Self {
        Self {
            freq,
            day_of_month: None,
            day_of_week: None,
            hour: None,
            minute: None,
            time_zone: None,
        }
    }

    /// Four times an hour.
    pub fn every_15_minutes() -> Self {
        Self::new(Frequency::Every15Minutes)
    }

    /// Twice an hour.
    pub fn every_30_minutes() -> Self {
        Self::new(Frequency::Every30Minutes)
    }

    /// Every hour at this minute, 0 to 59.
    pub fn hourly(minute: u8) -> Self {
        Self { minute: Some(minute), ..Self::new(Frequency::Hourly) }
    }

    /// Every day at this hour, 0 to 23, and minute, 0 to 59.
    pub fn daily(hour: u8, minute: u8) -> Self {
        Self { hour: Some(hour), minute: Some(minute), ..Self::new(Frequency::Daily) }
    }

    /// Every week on this day, at this hour and minute.
    pub fn weekly(day: Weekday, hour: u8, minute: u8) -> Self {
        let day_of_week = u8::try_from(day.num_days_from_sunday()).ok();
        Self { freq: Frequency::Weekly, day_of_week, ..Self::daily(hour, minute) }
    }

    /// Every month on this day, 1 to 31, at this hour and minute. What happens in months without that day is not
    /// documented.
    pub fn monthly(day: u8, hour: u8, minute: u8) -> Self {
        Self { freq: Frequency::Monthly, day_of_month: Some(day), ..Self::daily(hour, minute) }
    }

    /// The time zone, by one of Mode's own names, for example `UTC` or `Pacific Time (US & Canada)`. The default is not
    /// documented.
    pub fn time_zone(mut self, name: impl Into<String>) -> Self {
        self.time_zone = Some(name.into());
        self
    }

    fn check(&self) -> Result<()> {
        let within = |value: Option<u8>, from, to| value.is_none_or(|it| (from..=to).contains(&it));
        if within(self.hour, 0, 23)
            && within(self.minute, 0, 59)
            && within(self.day_of_month, 1, 31)
        {
            return Ok(());
        }
        Err(Error::config(
            "the hour of a schedule must be 0 to 23, its minute 0 to 59, its day of the month 1 to 31",
        ))
    }
}

open_enum! {
    /// How often a schedule runs.
    Frequency {
        /// Four times an hour.
        Every15Minutes = "every_15_minutes",
        /// Twice an hour.
        Every30Minutes = "every_30_minutes",
        /// Once an hour.
        Hourly = "hourly",
        /// Once a day.
        Daily = "daily",
        /// Once a week, or on several days of it.
        Weekly = "weekly",
        /// Once a month.
        Monthly = "monthly",
    }
}

model! {
    /// One schedule of a report or dataset.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Schedule {
        /// Token.
        pub token: ScheduleToken,
        /// Name.
        pub name: Option<Box<str>>,
        /// How often it runs.
        pub frequency: Option<Frequency>,
        /// The hour, 0 to 23.
        pub cron_hour: Option<u64> as "cron_hour" with lenient::count,
        /// The minute, 0 to 59.
        pub cron_minute: Option<u64> as "cron_minute" with lenient::count,
        /// The hour in words, for example `2:00 am`.
        pub hour: Option<Box<str>> as "hour" with lenient::text,
        /// The minute in words, for example `the top of the hour`.
        pub minute: Option<Box<str>> as "minute" with lenient::text,
        /// English names of days, separated by commas.
        pub day_of_week: Option<Box<str>> as "day_of_week" with lenient::text,
        /// Name of the time zone.
        pub time_zone: Option<Box<str>>,
        /// The parameters it runs the report with, as raw JSON: an object, though documented as a string.
        pub parameters: Option<RawJson>,
        /// How long a run may take before the next one is started all the same.
        #[serde(serialize_with = "lenient::write_seconds")]
        pub timeout: Option<Duration> as "timeout" with lenient::seconds,
        /// State of the retries of a failed run.
        pub retry_state: Option<Box<str>> as "retry_state" with lenient::text,
        /// How often a failed run is retried.
        pub retry_count: Option<u64> as "retry_count" with lenient::count,
        /// Delay before a failed run is retried. The unit is not documented.
        pub retry_delay: Option<u64> as "retry_delay" with lenient::count,
        /// When it last ran. UTC.
        pub last_run_at: Option<DateTime<Utc>> as "last_run_at" with time::lenient_utc,
        /// When it last ran successfully. UTC.
        pub last_succeeded_at: Option<DateTime<Utc>> as "last_succeeded_at" with time::lenient_utc,
        /// When it was last due. UTC.
        pub last_scheduled_run: Option<DateTime<Utc>> as "last_scheduled_run"
            with time::lenient_utc,
        /// When it is due next. UTC.
        pub next_scheduled_run: Option<DateTime<Utc>> as "next_scheduled_run"
            with time::lenient_utc,
        /// When it was created. UTC.
        pub created_at: Option<DateTime<Utc>> as "created_at" with time::lenient_utc,
        /// When it was last changed. UTC.
        pub updated_at: Option<DateTime<Utc>> as "updated_at" with time::lenient_utc,
        /// Its report.
        pub report_token: Option<ReportToken>,
        /// Name of its report.
        pub report_name: Option<Box<str>>,
        /// Type of its report: the schedule of a dataset has another one than that of a report. Inferred: the values are those of a report's own type.
        pub report_type: Option<ReportType>,
        /// How its results are delivered. The values are not documented.
        pub delivery: Option<Box<str>> as "delivery" with lenient::text,
        /// Whether the caller gets its results.
        pub subscribed: Option<bool> as "subscribed" with lenient::boolean,
        /// Number of people who get its results.
        pub subscriber_count: Option<u64> as "subscriber_count" with lenient::count,
        /// Links by relation; the documented ones have methods.
        pub links: Links as "_links" default,
        /// Its forms, by name. Not documented.
        pub forms: Forms as "_forms" default,
        /// Embedded resources.
        pub embedded: Embedded as "_embedded" default,
    }
}

relations! {
    Schedule {
        self_link = "self" "The schedule itself.",
        account_link = "account" "The workspace.",
        creator_link = "creator" "Who created it.",
        report_link = "report" "Its report, a [`Report`](super::Report).",
        report_web_link = "report_web" "Its report, for people.",
        report_runs_link = "report_runs" "The runs of its report. Whether only those that it started is not documented.",
        report_subscriptions_link = "report_subscriptions"
            "Who gets its results; [`ListScheduleSubscriptions`](super::ListScheduleSubscriptions) lists them.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint as _;
    use crate::error::ErrorKind;
    use crate::mode::tests::request_text;

    #[test]
    fn a_schedule_is_sent_inside_a_wrapper() {
        let text = |cron: Cron| {
            let text = request_text(&CreateSchedule::new("r1", cron));
            let head = "POST /acme/reports/r1/schedules\ncontent-type: application/json\n\n";
            text.strip_prefix(head).unwrap().to_owned()
        };
        for (cron, written) in [
            (Cron::every_15_minutes(), r#""freq":"every_15_minutes""#),
            (
                Cron::every_30_minutes().time_zone("UTC"),
                r#""freq":"every_30_minutes","time_zone":"UTC""#,
            ),
            (Cron::hourly(5), r#""freq":"hourly","minute":5"#),
            (Cron::daily(0, 59), r#""freq":"daily","hour":0,"minute":59"#),
            (
                Cron::weekly(Weekday::Sun, 6, 0),
                r#""freq":"weekly","day_of_week":0,"hour":6,"minute":0"#,
            ),
            (
                Cron::weekly(Weekday::Sat, 6, 0),
                r#""freq":"weekly","day_of_week":6,"hour":6,"minute":0"#,
            ),
            (Cron::monthly(31, 6, 0), r#""freq":"monthly","day_of_month":31,"hour":6,"minute":0"#),
        ] {
            assert_eq!(text(cron), format!(r#"{{"report_schedule":{{"cron":{{{written}}}}}}}"#));
        }
    }

    #[test]
    fn a_schedule_is_changed_in_part() {
        let update = UpdateSchedule::new("r1", "s1")
            .name("mornings")
            .cron(Cron::hourly(0))
            .timeout(Duration::from_millis(90_500))
            .parameter("region", "emea");
        assert_eq!(
            request_text(&update),
            concat!(
                "PATCH /acme/reports/r1/schedules/s1\ncontent-type: application/json\n\n",
                r#"{"report_schedule":{"name":"mornings","cron":{"freq":"hourly","minute":0},"#,
                r#""timeout":90,"params":{"region":"emea"}}}"#
            )
        );
        assert_eq!(request_text(&ListSchedules::new("r1")), "GET /acme/reports/r1/schedules");
        assert_eq!(
            request_text(&ListDatasetSchedules::new("d1").per_page(2)),
            "GET /acme/datasets/d1/schedules?per_page=2"
        );
        assert_eq!(
            request_text(&GetSchedule::new("r1", "s1")),
            "GET /acme/reports/r1/schedules/s1"
        );
        assert_eq!(
            request_text(&DeleteSchedule::new("r1", "s1")),
            "DELETE /acme/reports/r1/schedules/s1"
        );
    }

    #[test]
    fn times_that_do_not_exist_are_refused() {
        let base = url::Url::parse(crate::mode::BASE_URL).unwrap();
        for cron in [
            Cron::hourly(60),
            Cron::daily(24, 0),
            Cron::weekly(Weekday::Mon, 0, 60),
            Cron::monthly(0, 0, 0),
            Cron::monthly(32, 0, 0),
        ] {
            let error = CreateSchedule::new("r1", cron).to_request(&base).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
        }
    }
}
