//! Schedules: list, create, get, enable, disable, reschedule, delete.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::ids::{ScheduleId, TemplateId};
use super::list::{ListQuery, clause, list_setters, timestamp};
use super::queries::QueryDef;
use super::{Accepted, Adobe, Client};
use crate::client::{json, operation};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::Page;
use crate::wire::patch::{Operation, Patch};
use crate::wire::{lenient, model, open_enum, time};

operation! {
    /// Lists the schedules of the sandbox, by default oldest first.
    ///
    /// Source: Query Service API, "Scheduled queries", `GET /schedules`.
    ///
    /// ```
    /// use scheduled_runs::adobe::{ListSchedules, ScheduleFilter, TimeField};
    ///
    /// // Those of one template, last changed first.
    /// let request = ListSchedules::new()
    ///     .filter(ScheduleFilter::template("4fcf0f2e"))
    ///     .order_by(TimeField::Updated)
    ///     .newest_first();
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "GET");
    /// # assert_eq!(sent.url().path(), "/schedules");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    ListSchedules {}
    pages { list: ListQuery, item: Schedule, key: id }
    for Adobe, "adobe.schedules.list", Safe: GET "schedules" -> Page<Schedule>
}

impl ListSchedules {
    list_setters!(ScheduleFilter);
}

/// A condition on the schedules of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleFilter(pub(super) String);

impl ScheduleFilter {
    /// Created after this time.
    #[must_use]
    pub fn created_after(time: DateTime<Utc>) -> Self {
        Self(clause("created", ">", timestamp(time)))
    }

    /// Created before this time.
    #[must_use]
    pub fn created_before(time: DateTime<Utc>) -> Self {
        Self(clause("created", "<", timestamp(time)))
    }

    /// Created from this query template.
    #[must_use]
    pub fn template(template: impl Into<TemplateId>) -> Self {
        Self(clause("templateId", "==", template.into()))
    }

    /// Created by this user, such as `…@techacct.adobe.com`.
    #[must_use]
    pub fn user(id: &str) -> Self {
        Self(clause("userId", "==", id))
    }

    /// A condition in the vendor's syntax. It must not hold a comma.
    #[must_use]
    pub fn raw(condition: impl Into<String>) -> Self {
        Self(condition.into())
    }
}

operation! {
    /// Creates a schedule. In the response its state is [`Registering`](ScheduleState::Registering) and its times are missing.
    ///
    /// The schedule runs with the rights of the account that created it and fails when that account loses access: use a
    /// technical account. Source: Query Service API, "Scheduled queries", `POST /schedules`.
    ///
    /// ```
    /// use chrono::{TimeDelta, Utc};
    /// use scheduled_runs::adobe::{CreateSchedule, QueryDef};
    ///
    /// // Every hour at half past, for a year.
    /// let query = QueryDef::sql("prod:all", "SELECT count(*) FROM visits").name("visits");
    /// let now = Utc::now();
    /// let request = CreateSchedule::new(query, "30 * * * *", now)
    ///     .end(now + TimeDelta::days(365))
    ///     .max_active_runs(1);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/schedules");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    CreateSchedule {} without new
    state { body: CreateBody }
    for Adobe, "adobe.schedules.create", NotIdempotent: POST "schedules" -> Schedule,
    json {body},
    with |this, request| {
        let cron = this.body.schedule.cron.as_deref().unwrap_or_default();
        request.check(this.body.query.check()).check(check_cron(cron))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct CreateBody {
    query: QueryDef,
    schedule: Timetable,
}

impl CreateSchedule {
    /// Runs this query at these times, from `start` on.
    ///
    /// `cron` has five fields (`30 * * * *`), in UTC, or is one of `@once`, `@hourly`, `@daily`, `@weekly`, `@monthly`,
    /// `@yearly`; with `@once` the start is the time of the run. Values inside the fields are checked by the vendor.
    pub fn new(query: QueryDef, cron: impl Into<String>, start: DateTime<Utc>) -> Self {
        let schedule = Timetable {
            cron: Some(cron.into()),
            start: Some(start),
            end: None,
            max_active_runs: None,
        };
        Self { body: CreateBody { query, schedule } }
    }

    /// When the schedule ends. Newer vendor pages call it mandatory, samples omit it: set it to be safe.
    pub fn end(mut self, time: DateTime<Utc>) -> Self {
        self.body.schedule.end = Some(time);
        self
    }

    /// Most runs at once. If not set, the vendor's default of 1.
    pub fn max_active_runs(mut self, runs: u32) -> Self {
        self.body.schedule.max_active_runs = Some(runs.into());
        self
    }
}

/// Checks that the text is a preset or has five fields. The vendor checks the fields themselves.
fn check_cron(cron: &str) -> Result<()> {
    if cron.starts_with('@') || cron.split_whitespace().count() == 5 {
        return Ok(());
    }
    Err(Error::config(
        "a cron text must have five fields, such as `30 * * * *`, or be a preset, such as `@daily`",
    ))
}

operation! {
    /// Gets one schedule.
    ///
    /// Source: Query Service API, "Scheduled queries", `GET /schedules/{id}`.
    GetSchedule { schedule: ScheduleId }
    for Adobe, "adobe.schedules.get", Safe: GET "schedules" / {schedule} -> Schedule
}

operation! {
    /// Lets a schedule run at its times. Refused with 400 if it is enabled already, or still registering: retry later.
    ///
    /// A second attempt would be refused with the same status as an invalid one. Source: Query Service API,
    /// "Scheduled queries", `PATCH /schedules/{id}`.
    EnableSchedule { schedule: ScheduleId }
    for Adobe, "adobe.schedules.enable", NotIdempotent: PATCH "schedules" / {schedule} -> Accepted,
    with |_, request| request.json(&replace("/state", "enable")),
    decode json::accepted
}

operation! {
    /// Stops a schedule from running. Refused with 400 if it is disabled already, or still registering: retry later.
    ///
    /// A second attempt would be refused with the same status as an invalid one. Source: Query Service API,
    /// "Scheduled queries", `PATCH /schedules/{id}`.
    DisableSchedule { schedule: ScheduleId }
    for Adobe, "adobe.schedules.disable", NotIdempotent: PATCH "schedules" / {schedule} -> Accepted,
    with |_, request| request.json(&replace("/state", "disable")),
    decode json::accepted
}

operation! {
    /// Changes when a schedule runs. The cron text has the forms that [`CreateSchedule::new`] takes.
    ///
    /// Source: Query Service API, "Scheduled queries", `PATCH /schedules/{id}`.
    SetCron { schedule: ScheduleId, cron: String }
    for Adobe, "adobe.schedules.set_cron", NotIdempotent: PATCH "schedules" / {schedule} -> Accepted,
    with |this, request| {
        request.check(check_cron(&this.cron)).json(&replace("/schedule/schedule", &this.cron))
    }
}

/// One operation inside the envelope `{"body":[…]}`, which only schedules have.
fn replace(path: &str, value: &str) -> Patch {
    Patch::Body(vec![Operation::replace(path, value)])
}

operation! {
    /// Deletes a schedule. Refused with 400 while it is enabled or has active runs: [`Client::retire_schedule`] disables it
    /// first and waits until that is done.
    ///
    /// A second delete would be refused with 404 although the first one worked. Source: Query Service API,
    /// "Scheduled queries", `DELETE /schedules/{id}`.
    DeleteSchedule { schedule: ScheduleId }
    for Adobe, "adobe.schedules.delete", NotIdempotent: DELETE "schedules" / {schedule} -> Accepted,
    decode json::accepted
}

impl Client {
    /// Disables a schedule, waits until that is done, and deletes it.
    ///
    /// A schedule can be disabled only after it has registered, and deleted only after it is disabled; both take a moment.
    /// Polls the state every two seconds, for at most two minutes before each step. A schedule with active runs is only
    /// disabled: cancel the runs or let them end, then call this again.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] if the schedule does not change its state in time,
    /// [`ErrorKind::Rejected`] while runs are active, else as [`send`](Self::send).
    pub async fn retire_schedule(&self, schedule: impl Into<ScheduleId>) -> Result<()> {
        let id = schedule.into();
        let registered = |state: &ScheduleState| *state != ScheduleState::Registering;
        if self.wait_for_state(&id, registered).await? != ScheduleState::Disabled {
            self.send(DisableSchedule::new(&id)).await?;
            self.wait_for_state(&id, |state| *state == ScheduleState::Disabled).await?;
        }
        self.send(DeleteSchedule::new(&id)).await.map(drop)
    }

    /// Polls until the state of the schedule is one of the wanted.
    async fn wait_for_state(
        &self,
        id: &ScheduleId,
        wanted: fn(&ScheduleState) -> bool,
    ) -> Result<ScheduleState> {
        for _ in 0..60 {
            let state = self.send(GetSchedule::new(id)).await?.into_inner().state;
            if let Some(state) = state.filter(wanted) {
                return Ok(state);
            }
            self.clock().sleep(Duration::from_secs(2)).await;
        }
        Err(Error::new(
            ErrorKind::Timeout,
            "the schedule did not change its state within two minutes",
        )
        .with_operation("adobe.schedules.retire"))
    }
}

model! {
    /// One schedule.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Schedule {
        /// Id.
        pub id: ScheduleId,
        /// State.
        pub state: Option<ScheduleState>,
        /// The query that it runs.
        pub query: Option<QueryDef>,
        /// When it runs.
        pub timetable: Option<Timetable> as "schedule" with lenient::object,
        /// When it was created. Missing in the response to [`CreateSchedule`]. Epoch milliseconds in a string, or ISO 8601.
        pub created: Option<DateTime<Utc>> as "created" with time::lenient_utc,
        /// When it was last changed. Written like `created`.
        pub updated: Option<DateTime<Utc>> as "updated" with time::lenient_utc,
        /// Who created it. It runs with the rights of this user.
        pub user_id: Option<Box<str>> as "userId",
        /// Who last changed it.
        pub updated_user_id: Option<Box<str>> as "updatedUserId",
        /// Version of the record.
        pub version: Option<u64> as "version" with lenient::count,
    }
}

open_enum! {
    /// State of a schedule.
    ScheduleState {
        /// Being set up. It cannot be changed or triggered yet.
        Registering = "REGISTERING",
        /// It runs at its times and can be triggered.
        Enabled = "ENABLED",
        /// It does not run and cannot be triggered.
        Disabled = "DISABLED",
    }
}

model! {
    /// When a schedule runs.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Timetable {
        /// Five fields, or a preset such as `@daily`. UTC.
        pub cron: Option<String> as "schedule",
        /// When it starts.
        #[serde(serialize_with = "write_time", skip_serializing_if = "Option::is_none")]
        pub start: Option<DateTime<Utc>> as "startDate" with time::lenient_utc,
        /// When it ends.
        #[serde(serialize_with = "write_time", skip_serializing_if = "Option::is_none")]
        pub end: Option<DateTime<Utc>> as "endDate" with time::lenient_utc,
        /// Most runs at once.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub max_active_runs: Option<u64> as "maxActiveRuns" with lenient::count,
    }
}

/// With milliseconds, as in the vendor's samples.
#[allow(clippy::ref_option, reason = "the signature that serde calls")]
fn write_time<S: serde::Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = time.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
    text.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::tests::{request_text, utc};
    use crate::client::Endpoint as _;
    use url::Url;

    #[test]
    fn schedules_are_listed_with_their_own_filters() {
        assert_eq!(
            request_text(&ListSchedules::new()),
            "GET /schedules?orderby=%2Bcreated&limit=20"
        );
        let filtered = ListSchedules::new()
            .filter(ScheduleFilter::user("A1@techacct.adobe.com"))
            .filter(ScheduleFilter::template("t1"))
            .filter(ScheduleFilter::created_after(utc("2020-01-01T00:00:00Z")))
            .filter(ScheduleFilter::created_before(utc("2021-01-01T00:00:00Z")))
            .filter(ScheduleFilter::raw("state==ENABLED"));
        assert_eq!(
            request_text(&filtered),
            "GET /schedules?orderby=%2Bcreated&limit=20&property=userId%3D%3DA1%40techacct.adobe.com\
             %2CtemplateId%3D%3Dt1%2Ccreated%3E2020-01-01T00%3A00%3A00Z%2Ccreated%3C2021-01-01T00%3A00%3A00Z\
             %2Cstate%3D%3DENABLED"
        );
    }

    #[test]
    fn creating_sends_query_and_timetable() {
        let query = QueryDef::sql("dev:all", "SELECT 1").name("one").description("the number one");
        let create = CreateSchedule::new(query, "30 * * * *", utc("2026-01-08T12:30:00Z"));
        assert_eq!(
            request_text(&create),
            concat!(
                "POST /schedules\ncontent-type: application/json\n\n",
                r#"{"query":{"dbName":"dev:all","sql":"SELECT 1","name":"one","description":"the number one"},"#,
                r#""schedule":{"schedule":"30 * * * *","startDate":"2026-01-08T12:30:00.000Z"}}"#
            )
        );
        let full = create.end(utc("2027-01-01T00:00:00Z")).max_active_runs(2);
        assert!(
            request_text(&full)
                .ends_with(r#""endDate":"2027-01-01T00:00:00.000Z","maxActiveRuns":2}}"#)
        );
    }

    #[test]
    fn a_cron_text_with_the_wrong_number_of_fields_is_refused_before_it_is_sent() {
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        for cron in ["", "30 * * *", "0 30 * * * ?", "daily"] {
            let error = SetCron::new("a", cron).to_request(&base).expect_err(cron);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("five fields"));
        }
    }

    #[test]
    fn a_schedule_is_patched_inside_its_own_envelope() {
        let text = |operation: &str| {
            format!(
                "PATCH /schedules/a\ncontent-type: application/json\n\n{{\"body\":[{operation}]}}"
            )
        };
        for (request, operation) in [
            (
                request_text(&EnableSchedule::new("a")),
                r#"{"op":"replace","path":"/state","value":"enable"}"#,
            ),
            (
                request_text(&DisableSchedule::new("a")),
                r#"{"op":"replace","path":"/state","value":"disable"}"#,
            ),
            (
                request_text(&SetCron::new("a", "45 * * * *")),
                r#"{"op":"replace","path":"/schedule/schedule","value":"45 * * * *"}"#,
            ),
        ] {
            assert_eq!(request, text(operation));
        }
        assert_eq!(request_text(&GetSchedule::new("a")), "GET /schedules/a");
        assert_eq!(request_text(&DeleteSchedule::new("a")), "DELETE /schedules/a");
    }
}
