//! Schedules: list, create, get, enable, disable, reschedule, delete.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::{Deserialize, Serialize};
use url::Url;

use super::list::{ListQuery, clause, list_setters, timestamp};
use super::queries::QueryDef;
use super::templates::TemplateId;
use super::{Accepted, Adobe, Client, id};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, RequestBuilder, json, operation};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::Page;
use crate::run::Target;
use crate::wire::open_enum;
use crate::wire::patch::{Operation, Patch};
use crate::wire::{lenient, time};

operation! {
    /// Lists the schedules of the sandbox, oldest first unless told otherwise.
    ///
    /// Source: Query Service API, "Scheduled queries", `GET /schedules`.
    ///
    /// ```
    /// use scheduled_runs::adobe::{ListSchedules, ScheduleFilter, TimeField};
    ///
    /// // Those of one template, the last changed first.
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

    /// Made from this query template.
    #[must_use]
    pub fn template(template: impl Into<TemplateId>) -> Self {
        Self(clause("templateId", "==", template.into()))
    }

    /// Made by this user, for example `…@techacct.adobe.com`.
    #[must_use]
    pub fn user(id: &str) -> Self {
        Self(clause("userId", "==", id))
    }

    /// A condition in the vendor's own words. It cannot hold a comma.
    #[must_use]
    pub fn raw(condition: impl Into<String>) -> Self {
        Self(condition.into())
    }
}

/// Creates a schedule. The answer is in state [`Registering`](ScheduleState::Registering) and has no times yet.
///
/// The schedule runs under the account that created it and fails when that account loses access: use a technical
/// account. Source: Query Service API, "Scheduled queries", `POST /schedules`. Each call creates a schedule, so it is
/// never sent again once it may have arrived.
///
/// ```
/// use chrono::{TimeDelta, Utc};
/// use scheduled_runs::adobe::{CreateSchedule, QueryDef};
///
/// // Every hour at half past, for a year.
/// let query = QueryDef::sql("prod:all", "SELECT count(*) FROM visits").name("visits");
/// let now = Utc::now();
/// let request = CreateSchedule::new(query, "30 * * * *", now).end(now + TimeDelta::days(365)).max_active_runs(1);
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "POST");
/// # assert_eq!(sent.url().path(), "/schedules");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct CreateSchedule {
    body: CreateBody,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct CreateBody {
    query: QueryDef,
    schedule: Timetable,
}

impl CreateSchedule {
    /// This query, at these times, from `start` on.
    ///
    /// `cron` has five fields (`30 * * * *`), in UTC, or is one of `@once`, `@hourly`, `@daily`, `@weekly`, `@monthly`,
    /// `@yearly`; with `@once` the start is the time of the run. It is checked by the vendor.
    pub fn new(query: QueryDef, cron: impl Into<String>, start: DateTime<Utc>) -> Self {
        let schedule = Timetable {
            cron: Some(cron.into()),
            start: Some(start),
            end: None,
            max_active_runs: None,
        };
        Self { body: CreateBody { query, schedule } }
    }

    /// When the schedule ends. Newer vendor pages call it mandatory, samples leave it out: better give one.
    pub fn end(mut self, time: DateTime<Utc>) -> Self {
        self.body.schedule.end = Some(time);
        self
    }

    /// Most runs at once. Left out, the vendor takes 1.
    pub fn max_active_runs(mut self, runs: u32) -> Self {
        self.body.schedule.max_active_runs = Some(runs.into());
        self
    }
}

impl Endpoint for CreateSchedule {
    type Api = Adobe;
    type Output = Schedule;
    const OPERATION: &'static str = "adobe.schedules.create";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let mut builder =
            ApiRequest::of::<Self>(Method::POST, base, &["schedules"]).json(&self.body);
        if let Err(error) =
            self.body.query.check().and_then(|()| check_cron(self.body.schedule.cron.as_deref()))
        {
            builder = builder.fail(error);
        }
        builder.finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Schedule> {
        json::decode(meta, body)
    }
}

/// Checks that the text is a preset or has five fields; what stands in them is the vendor's to judge.
fn check_cron(cron: Option<&str>) -> Result<()> {
    let cron = cron.unwrap_or_default();
    if cron.starts_with('@') || cron.split_whitespace().count() == 5 {
        return Ok(());
    }
    Err(Error::config(
        "a cron text has five fields, such as `30 * * * *`, or is a preset, such as `@daily`",
    ))
}

/// Gets one schedule.
///
/// Source: Query Service API, "Scheduled queries", `GET /schedules/{id}`. Safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct GetSchedule {
    schedule: ScheduleId,
}

impl GetSchedule {
    /// This schedule.
    pub fn new(schedule: impl Into<ScheduleId>) -> Self {
        Self { schedule: schedule.into() }
    }
}

impl Endpoint for GetSchedule {
    type Api = Adobe;
    type Output = Schedule;
    const OPERATION: &'static str = "adobe.schedules.get";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        ApiRequest::of::<Self>(Method::GET, base, &["schedules", self.schedule.as_str()]).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Schedule> {
        json::decode(meta, body)
    }
}

/// Lets a schedule run at its times. Refused with 400 if it is enabled already, or still registering: try later.
///
/// Source: Query Service API, "Scheduled queries", `PATCH /schedules/{id}`. Not repeated once it may have arrived: the
/// vendor answers "already in that state" with the same status as other refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct EnableSchedule {
    schedule: ScheduleId,
}

/// Keeps a schedule from running. Refused with 400 if it is disabled already, or still registering: try later.
///
/// Source and repetition as for [`EnableSchedule`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct DisableSchedule {
    schedule: ScheduleId,
}

/// Changes when a schedule runs.
///
/// Source and repetition as for [`EnableSchedule`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct SetCron {
    schedule: ScheduleId,
    cron: String,
}

impl EnableSchedule {
    /// This schedule.
    pub fn new(schedule: impl Into<ScheduleId>) -> Self {
        Self { schedule: schedule.into() }
    }
}

impl DisableSchedule {
    /// This schedule.
    pub fn new(schedule: impl Into<ScheduleId>) -> Self {
        Self { schedule: schedule.into() }
    }
}

impl SetCron {
    /// This schedule, at these times; the forms are those of [`CreateSchedule::new`].
    pub fn new(schedule: impl Into<ScheduleId>, cron: impl Into<String>) -> Self {
        Self { schedule: schedule.into(), cron: cron.into() }
    }
}

/// A patch of a schedule: one operation in the envelope `{"body":[…]}`, which no other resource has.
fn patch<E: Endpoint>(
    base: &Url,
    schedule: &ScheduleId,
    path: &str,
    value: &str,
) -> RequestBuilder {
    ApiRequest::of::<E>(Method::PATCH, base, &["schedules", schedule.as_str()])
        .json(&Patch::Body(vec![Operation::replace(path, value)]))
}

impl Endpoint for EnableSchedule {
    type Api = Adobe;
    type Output = Accepted;
    const OPERATION: &'static str = "adobe.schedules.enable";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        patch::<Self>(base, &self.schedule, "/state", "enable").finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Accepted> {
        json::decode(meta, body)
    }
}

impl Endpoint for DisableSchedule {
    type Api = Adobe;
    type Output = Accepted;
    const OPERATION: &'static str = "adobe.schedules.disable";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        patch::<Self>(base, &self.schedule, "/state", "disable").finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Accepted> {
        json::decode(meta, body)
    }
}

impl Endpoint for SetCron {
    type Api = Adobe;
    type Output = Accepted;
    const OPERATION: &'static str = "adobe.schedules.set_cron";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let builder = patch::<Self>(base, &self.schedule, "/schedule/schedule", &self.cron);
        match check_cron(Some(&self.cron)) {
            Ok(()) => builder.finish(),
            Err(error) => builder.fail(error).finish(),
        }
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Accepted> {
        json::decode(meta, body)
    }
}

/// Deletes a schedule. Refused with 400 while it is enabled or has active runs: [`Client::retire_schedule`] disables it
/// and waits first.
///
/// Source: Query Service API, "Scheduled queries", `DELETE /schedules/{id}`. Not repeated once it may have arrived: a
/// second delete would answer 404 for a first one that worked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct DeleteSchedule {
    schedule: ScheduleId,
}

impl DeleteSchedule {
    /// This schedule.
    pub fn new(schedule: impl Into<ScheduleId>) -> Self {
        Self { schedule: schedule.into() }
    }
}

impl Endpoint for DeleteSchedule {
    type Api = Adobe;
    type Output = Accepted;
    const OPERATION: &'static str = "adobe.schedules.delete";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        ApiRequest::of::<Self>(Method::DELETE, base, &["schedules", self.schedule.as_str()])
            .finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Accepted> {
        json::decode(meta, body)
    }
}

impl Client {
    /// Disables a schedule, waits until that is done, and deletes it.
    ///
    /// A schedule can be disabled only after it has registered and deleted only after it is disabled; both take a moment.
    /// Looks every two seconds, for two minutes at most each time. Nothing is done for a schedule that has active runs but
    /// to disable it: cancel them or let them end, then call this again.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] if the schedule does not change its state in time,
    /// [`ErrorKind::Rejected`] while runs are active, else as [`send`](Self::send).
    pub async fn retire_schedule(&self, schedule: impl Into<ScheduleId>) -> Result<()> {
        let id = schedule.into();
        if self.settled(&id, |state| *state != ScheduleState::Registering).await?
            != ScheduleState::Disabled
        {
            self.send(DisableSchedule::new(&id)).await?;
            self.settled(&id, |state| *state == ScheduleState::Disabled).await?;
        }
        self.send(DeleteSchedule::new(&id)).await.map(drop)
    }

    /// The schedule's state, once it is as wanted.
    async fn settled(
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

id! {
    /// Id of a schedule: about 110 characters of organization, sandbox and name.
    ScheduleId
}

impl From<&ScheduleId> for Target {
    fn from(id: &ScheduleId) -> Self {
        super::target(id.clone())
    }
}

/// One schedule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Schedule {
    /// Id.
    pub id: ScheduleId,
    /// Whether it runs.
    pub state: Option<ScheduleState>,
    /// What it runs.
    pub query: Option<QueryDef>,
    /// When it runs.
    #[serde(rename = "schedule")]
    pub timetable: Option<Timetable>,
    /// When it was created. Missing in the answer to [`CreateSchedule`]. Epoch milliseconds in a text, or ISO 8601.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub created: Option<DateTime<Utc>>,
    /// When it was last changed. As `created`.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub updated: Option<DateTime<Utc>>,
    /// Who created it, and under whose rights it runs.
    pub user_id: Option<Box<str>>,
    /// Who changed it last.
    pub updated_user_id: Option<Box<str>>,
    /// Version of the record.
    #[serde(default, deserialize_with = "lenient::count")]
    pub version: Option<u64>,
}

open_enum! {
    /// State of a schedule.
    ScheduleState {
        /// Being set up; it can be neither changed nor triggered yet.
        Registering = "REGISTERING",
        /// It runs at its times and can be triggered.
        Enabled = "ENABLED",
        /// It does not run and cannot be triggered.
        Disabled = "DISABLED",
    }
}

/// When a schedule runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Timetable {
    /// Five fields, or a preset such as `@daily`. UTC.
    #[serde(rename = "schedule")]
    pub cron: Option<String>,
    /// From when on.
    #[serde(
        rename = "startDate",
        default,
        deserialize_with = "time::lenient_utc",
        serialize_with = "write_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub start: Option<DateTime<Utc>>,
    /// Until when.
    #[serde(
        rename = "endDate",
        default,
        deserialize_with = "time::lenient_utc",
        serialize_with = "write_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub end: Option<DateTime<Utc>>,
    /// Most runs at once.
    #[serde(default, deserialize_with = "lenient::count", skip_serializing_if = "Option::is_none")]
    pub max_active_runs: Option<u64>,
}

/// With milliseconds, as the vendor's own samples have it.
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

    #[test]
    fn schedules_are_listed_with_their_own_filters() {
        assert_eq!(request_text(&ListSchedules::new()), "GET /schedules?orderby=created&limit=20");
        let filtered = ListSchedules::new()
            .filter(ScheduleFilter::user("A1@techacct.adobe.com"))
            .filter(ScheduleFilter::template("t1"))
            .filter(ScheduleFilter::created_after(utc("2020-01-01T00:00:00Z")))
            .filter(ScheduleFilter::created_before(utc("2021-01-01T00:00:00Z")))
            .filter(ScheduleFilter::raw("state==ENABLED"));
        assert_eq!(
            request_text(&filtered),
            "GET /schedules?orderby=created&limit=20&property=userId%3D%3DA1%40techacct.adobe.com\
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
    fn a_cron_text_of_the_wrong_size_is_refused_before_it_is_sent() {
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        for cron in ["", "30 * * *", "0 30 * * * ?", "daily"] {
            let error = SetCron::new("a", cron).to_request(&base).expect_err(cron);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("five fields"));
        }
    }

    #[test]
    fn a_schedule_is_patched_inside_an_envelope_of_its_own() {
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
