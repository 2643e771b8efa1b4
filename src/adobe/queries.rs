//! Queries: list, create, get, cancel, soft-delete. Each run of a schedule is a query too, and says why it failed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserializer, Serialize, Serializer};

use super::ids::{QueryId, RunId, ScheduleId, TemplateId};
use super::list::{ListQuery, clause, list_setters, timestamp};
use super::{Accepted, Adobe};
use crate::client::{json, operation};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::run::Phase;
use crate::wire::hal::Links;
use crate::wire::patch::{Operation, Patch};
use crate::wire::{lenient, model, open_enum, time};

operation! {
    /// Lists queries of the sandbox, by default oldest first.
    ///
    /// Source: Query Service API, "Queries", `GET /queries`.
    ///
    /// ```
    /// use chrono::{TimeDelta, Utc};
    /// use scheduled_runs::adobe::{ListQueries, QueryFilter, QueryState};
    ///
    /// // Queries of this schedule that failed since yesterday.
    /// let request = ListQueries::new()
    ///     .filter(QueryFilter::created_after(Utc::now() - TimeDelta::days(1)))
    ///     .filter(QueryFilter::state(QueryState::Failed))
    ///     .filter(QueryFilter::schedule("nightly"))
    ///     .limit(50);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "GET");
    /// # assert_eq!(sent.url().path(), "/queries");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    ListQueries {}
    pages { list: ListQuery, item: Query, key: id }
    for Adobe, "adobe.queries.list", Safe: GET "queries" -> Page<Query>
}

impl ListQueries {
    list_setters!(QueryFilter);

    /// Includes soft-deleted queries. (The API reference describes the parameter `excludeSoftDeleted` the wrong way round.)
    pub fn include_soft_deleted(mut self) -> Self {
        self.list.include_soft_deleted = true;
        self
    }

    /// Includes hidden queries, which the vendor's own tools create.
    pub fn include_hidden(mut self) -> Self {
        self.list.include_hidden = true;
        self
    }
}

/// A condition on the queries of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryFilter(pub(super) String);

/// A field that every operator can be used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryField {
    /// When it was created. Compare it with an ISO 8601 time.
    Created,
    /// When it was last changed. Compare it with an ISO 8601 time.
    Updated,
    /// State.
    State,
    /// Id.
    Id,
}

impl fmt::Display for QueryField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::State => "state",
            Self::Id => "id",
        })
    }
}

/// Conditions on one field or property.
impl QueryFilter {
    /// `field == value`.
    #[must_use]
    pub fn equals(field: QueryField, value: impl fmt::Display) -> Self {
        Self(format!("{field}=={value}"))
    }

    /// `field != value`.
    #[must_use]
    pub fn differs(field: QueryField, value: impl fmt::Display) -> Self {
        Self(format!("{field}!={value}"))
    }

    /// `field > value`.
    #[must_use]
    pub fn greater(field: QueryField, value: impl fmt::Display) -> Self {
        Self(format!("{field}>{value}"))
    }

    /// `field >= value`.
    #[must_use]
    pub fn at_least(field: QueryField, value: impl fmt::Display) -> Self {
        Self(format!("{field}>={value}"))
    }

    /// `field < value`.
    #[must_use]
    pub fn less(field: QueryField, value: impl fmt::Display) -> Self {
        Self(format!("{field}<{value}"))
    }

    /// `field <= value`.
    #[must_use]
    pub fn at_most(field: QueryField, value: impl fmt::Display) -> Self {
        Self(format!("{field}<={value}"))
    }

    /// `field` contains `value`.
    #[must_use]
    pub fn contains(field: QueryField, value: impl fmt::Display) -> Self {
        Self(format!("{field}~{value}"))
    }

    /// Created after this time.
    #[must_use]
    pub fn created_after(time: DateTime<Utc>) -> Self {
        Self::greater(QueryField::Created, timestamp(time))
    }

    /// Created before this time.
    #[must_use]
    pub fn created_before(time: DateTime<Utc>) -> Self {
        Self::less(QueryField::Created, timestamp(time))
    }

    /// In this state.
    #[must_use]
    pub fn state(state: QueryState) -> Self {
        Self::equals(QueryField::State, state)
    }

    /// Reads any of these datasets; at most ten.
    #[must_use]
    #[inline]
    pub fn referenced_datasets<I: AsRef<str>>(ids: impl IntoIterator<Item = I>) -> Self {
        let mut any = String::new();
        for id in ids {
            any.push_str(if any.is_empty() { "" } else { "||" });
            any.push_str(id.as_ref());
        }
        Self(clause("referenced_datasets", "==", any))
    }

    /// Sent by this user.
    #[must_use]
    pub fn user(id: &str) -> Self {
        Self(clause("userId", "==", id))
    }

    /// Sent by this client, such as `API`.
    #[must_use]
    pub fn client(name: &str) -> Self {
        Self(clause("client", "==", name))
    }

    /// Sent by this schedule.
    #[must_use]
    pub fn schedule(schedule: impl Into<ScheduleId>) -> Self {
        Self(clause("scheduleId", "==", schedule.into()))
    }

    /// Sent by this run of a schedule. The vendor's example has the *decoded* id: see
    /// [`RunId::decode`](super::RunId::decode).
    #[must_use]
    pub fn schedule_run(run: impl Into<RunId>) -> Self {
        Self(clause("scheduleRunId", "==", run.into()))
    }

    /// Created from this template.
    #[must_use]
    pub fn template(template: impl Into<TemplateId>) -> Self {
        Self(clause("templateId", "==", template.into()))
    }

    /// Created from a template whose name contains this text.
    #[must_use]
    pub fn template_name_contains(text: &str) -> Self {
        Self(clause("templateName", "~", text))
    }

    /// Its SQL contains this text, which must not hold a comma.
    #[must_use]
    pub fn sql_contains(text: &str) -> Self {
        Self(clause("sql", "~", text))
    }

    /// A condition in the vendor's syntax. It must not hold a comma.
    #[must_use]
    pub fn raw(condition: impl Into<String>) -> Self {
        Self(condition.into())
    }
}

operation! {
    /// Runs a query once.
    ///
    /// Source: Query Service API, "Queries", `POST /queries`.
    ///
    /// ```
    /// use scheduled_runs::adobe::{CreateQuery, QueryDef};
    ///
    /// let query = QueryDef::sql("prod:all", "SELECT * FROM visits WHERE country = $country")
    ///     .parameter("country", "'CH'")
    ///     .insert_into("swiss_visits");
    /// let request = CreateQuery::new(query);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/queries");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    CreateQuery { query: QueryDef }
    for Adobe, "adobe.queries.create", NotIdempotent: POST "queries" -> Query,
    json {query},
    with |this, request| request.check(this.query.check())
}

operation! {
    /// Gets one query, with the reasons if it failed.
    ///
    /// Source: Query Service API, "Queries", `GET /queries/{id}`.
    GetQuery { query: QueryId }
    for Adobe, "adobe.queries.get", Safe: GET "queries" / {query} -> Query
}

operation! {
    /// Requests the cancellation of a query. A query that has ended is refused with 409.
    ///
    /// A second attempt would be refused with 409 although the first one worked. Source: Query Service API, "Queries",
    /// `PATCH /queries/{id}` with the object `{"op":"cancel"}`.
    CancelQuery { query: QueryId }
    for Adobe, "adobe.queries.cancel", NotIdempotent: PATCH "queries" / {query} -> Accepted,
    with |_, request| request.json(&Patch::Bare(Operation::Cancel)),
    decode json::accepted
}

operation! {
    /// Hides a query from all lists except those that
    /// [include soft-deleted queries](ListQueries::include_soft_deleted).
    ///
    /// Source: Query Service API, "Queries", `PATCH /queries/{id}` with the object `{"op":"soft_delete"}`.
    SoftDeleteQuery { query: QueryId }
    for Adobe, "adobe.queries.soft_delete", NotIdempotent: PATCH "queries" / {query} -> Accepted,
    with |_, request| request.json(&Patch::Bare(Operation::SoftDelete)),
    decode json::accepted
}

model! {
    /// What to run: SQL or a template, and what to do with the result.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct QueryDef {
        /// Database, `sandbox:catalog`, such as `prod:all`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub db_name: Option<String> as "dbName",
        /// The SQL, with `$name` for parameters.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub sql: Option<String>,
        /// A template instead of SQL.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub template_id: Option<TemplateId> as "templateId",
        /// Name.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
        /// Description.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub description: Option<String>,
        /// Values of the parameters. The vendor does not check their types.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        pub query_parameters: BTreeMap<String, String> as "queryParameters" with lenient::texts,
        /// Inserts the result into a dataset.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub insert_into_parameters: Option<TargetDataset> as "insertIntoParameters"
            with lenient::object,
        /// Creates a dataset from the result.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub ctas_parameters: Option<NewDataset> as "ctasParameters" with lenient::object,
    }
}

impl QueryDef {
    /// This SQL on this database, such as `prod:all`.
    #[must_use]
    pub fn sql(db_name: impl Into<String>, sql: impl Into<String>) -> Self {
        Self { db_name: Some(db_name.into()), sql: Some(sql.into()), ..Self::default() }
    }

    /// This template on this database.
    #[must_use]
    pub fn template(db_name: impl Into<String>, template_id: impl Into<TemplateId>) -> Self {
        Self {
            db_name: Some(db_name.into()),
            template_id: Some(template_id.into()),
            ..Self::default()
        }
    }

    /// Sets the name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the description.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Sets the value of the parameter `$name`.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query_parameters.insert(name.into(), value.into());
        self
    }

    /// Inserts the result into this dataset.
    #[must_use]
    pub fn insert_into(mut self, dataset: impl Into<String>) -> Self {
        self.insert_into_parameters = Some(TargetDataset { dataset_name: dataset.into() });
        self
    }

    /// Creates a dataset from the result (CTAS). Adobe's own client requires a description.
    #[must_use]
    pub fn create_dataset(
        mut self,
        dataset: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        let (dataset_name, description) = (dataset.into(), Some(description.into()));
        self.ctas_parameters =
            Some(NewDataset { dataset_name, description, target_schema_title: None });
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        match (self.sql.as_deref(), self.template_id.as_ref().map(TemplateId::as_str)) {
            (Some(_), Some(_)) => {
                Err(Error::config("a query must have SQL or a template, not both"))
            }
            (None, None) => Err(Error::config("a query must have SQL or a template")),
            (Some(text), None) | (None, Some(text)) if text.trim().is_empty() => {
                Err(Error::config("the SQL or template id of a query must not be empty"))
            }
            _ => Ok(()),
        }
    }
}

model! {
    /// A dataset to insert into.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct TargetDataset {
        /// Name. Empty if a response does not have it.
        pub dataset_name: String as "datasetName" with name,
    }
}

model! {
    /// A dataset to create.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct NewDataset {
        /// Name. Empty if a response does not have it.
        pub dataset_name: String as "datasetName" with name,
        /// Description.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub description: Option<String>,
        /// Title of its schema.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub target_schema_title: Option<String> as "targetSchemaTitle",
    }
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    Ok(lenient::text(deserializer)?.unwrap_or_default().into())
}

model! {
    /// One query.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Query {
        /// Id.
        pub id: QueryId,
        /// The query that was sent.
        pub request: Option<QueryDef>,
        /// The SQL that ran, if it differs from that of the request.
        pub effective_sql: Option<String> as "effectiveSQL",
        /// Whether it created a dataset.
        pub is_ctas: Option<bool> as "isCTAS" with lenient::boolean,
        /// Whether it inserted into a dataset.
        pub is_insert_into: Option<bool> as "isInsertInto" with lenient::boolean,
        /// State. A query in state `SUCCESS` may have errors nevertheless: check both.
        pub state: Option<QueryState>,
        /// Errors.
        pub errors: Vec<QueryError> as "errors" with lenient::list,
        /// When it was created.
        pub created: Option<DateTime<Utc>> as "created" with time::lenient_utc,
        /// When it was last changed.
        pub updated: Option<DateTime<Utc>> as "updated" with time::lenient_utc,
        /// Time it took, in milliseconds on the wire.
        #[serde(serialize_with = "milliseconds::serialize")]
        pub elapsed: Option<Duration> as "elapsedTime" with milliseconds::deserialize,
        /// Number of rows in the result.
        pub row_count: Option<u64> as "rowCount" with lenient::count,
        /// Name of the template it was created from.
        pub template_name: Option<Box<str>> as "templateName",
        /// Who sent it.
        pub user_id: Option<Box<str>> as "userId",
        /// The client that sent it, such as `API` or `Adobe Query Service UI`.
        pub client: Option<Box<str>>,
        /// Id of the client that sent it.
        pub client_id: Option<Box<str>> as "clientId",
        /// Where its result was copied to.
        pub copy_uri: Option<Box<str>> as "copyURI",
        /// Version of the record.
        pub version: Option<u64> as "version" with lenient::count,
        /// How it was sent, such as `HTTP_SESSION`. Source: responses seen.
        pub session_type: Option<Box<str>> as "sessionType",
        /// The computing time that it used. Source: responses seen.
        pub compute_metrics: Option<ComputeMetrics> as "computeMetrics" with lenient::object,
        /// Whether the service sent it for its own purposes. Inferred from the name; source: responses seen.
        pub is_service: Option<bool> as "isService" with lenient::boolean,
        /// Whether it is a query of its own, and not a part of another. Inferred from the name; source: responses seen.
        pub is_parent_level: Option<bool> as "isParentLevel" with lenient::boolean,
        /// Related resources: `schedule`, `schedule_run`, `created_dataset`, `referenced_datasets` and others.
        pub links: Links as "_links" default,
    }
}

mod milliseconds {
    use super::{Deserializer, Duration, Serialize, Serializer, lenient};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(lenient::count(deserializer)?.map(Duration::from_millis))
    }

    #[allow(clippy::ref_option, reason = "serde requires this signature")]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.as_millis()).serialize(serializer)
    }
}

impl Query {
    /// The datasets it read.
    #[must_use]
    #[inline]
    pub fn referenced_datasets(&self) -> Vec<DatasetRef> {
        let links = self.links.all("referenced_datasets").into_iter();
        links.filter_map(|link| Some(DatasetRef { id: link.id?, href: link.href })).collect()
    }
}

model! {
    /// The computing time of a query. Not documented: the names are the vendor's, and the parts overlap.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct ComputeMetrics {
        /// Time of the executors' machines.
        #[serde(serialize_with = "lenient::write_seconds")]
        pub executor_vm_time: Option<Duration> as "executorVMSeconds" with lenient::seconds,
        /// Time of the driver's machine.
        #[serde(serialize_with = "lenient::write_seconds")]
        pub driver_vm_time: Option<Duration> as "driverVMSeconds" with lenient::seconds,
        /// Time of all machines of the cluster.
        #[serde(serialize_with = "lenient::write_seconds")]
        pub cluster_vm_time: Option<Duration> as "clusterVMSeconds" with lenient::seconds,
        /// Time of all processors of the cluster.
        #[serde(serialize_with = "lenient::write_seconds")]
        pub cluster_cpu_time: Option<Duration> as "clusterCpuSeconds" with lenient::seconds,
        /// Time of all machines of the cluster, in hours on the wire.
        #[serde(serialize_with = "hours::serialize")]
        pub cluster_vm_hours: Option<Duration> as "clusterVMHours" with hours::deserialize,
    }
}

/// Read and written as a duration of as many seconds.
mod hours {
    use super::{Deserializer, Duration, Serializer, lenient};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(lenient::seconds(deserializer)?.and_then(|hours| hours.checked_mul(3600)))
    }

    #[allow(clippy::ref_option, reason = "serde requires this signature")]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        lenient::write_seconds(&time.map(|time| time / 3600), serializer)
    }
}

model! {
    /// A dataset that a query refers to.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct DatasetRef {
        /// Id.
        pub id: String,
        /// Its URL in the catalog. It may name a host that clients of this crate do not call.
        pub href: String,
    }
}

open_enum! {
    /// State of a query.
    QueryState {
        /// Accepted, not started.
        Submitted = "SUBMITTED",
        /// Running.
        InProgress = "IN_PROGRESS",
        /// Finished successfully.
        Success = "SUCCESS",
        /// Failed.
        Failed = "FAILED",
        /// Cancelled.
        Killed = "KILLED",
        /// Failed because it took too long.
        Timeout = "TIMEOUT",
    }
}

impl QueryState {
    /// The phase that this state means.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Submitted => Phase::Queued,
            Self::InProgress => Phase::Running,
            Self::Success => Phase::Succeeded,
            Self::Failed | Self::Timeout => Phase::Failed,
            Self::Killed => Phase::Cancelled,
            Self::Unknown(_) => Phase::Unknown,
        }
    }

    /// Whether the query has ended. False for a state that this crate does not know.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.phase().is_terminal()
    }
}

model! {
    /// An error of a query.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct QueryError {
        /// A code like an SQLSTATE, such as `58000` or `42P01`. A string, though one example has a number.
        pub code: Option<Box<str>> as "code" with lenient::text,
        /// Text for people.
        pub message: Option<Box<str>>,
        /// Whether the query or the service caused it.
        pub error_type: Option<ErrorType> as "errorType",
    }
}

open_enum! {
    /// What caused an error.
    ErrorType {
        /// The query.
        User = "USER_ERROR",
        /// The service.
        System = "SYSTEM_ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::tests::{request_text, utc};
    use crate::client::Endpoint as _;
    use crate::error::ErrorKind;
    use url::Url;

    #[test]
    fn queries_are_listed_with_every_filter_of_the_reference() {
        assert_eq!(request_text(&ListQueries::new()), "GET /queries?orderby=%2Bcreated&limit=20");
        let hidden = ListQueries::new().newest_first().include_hidden().include_soft_deleted();
        assert_eq!(
            request_text(&hidden),
            "GET /queries?orderby=-created&limit=20&excludeSoftDeleted=false&excludeHidden=false"
        );
        let filter = |filter| {
            let text = request_text(&ListQueries::new().filter(filter));
            text.split_once("property=").unwrap().1.to_owned()
        };
        let when = utc("2020-01-01T00:00:00Z");
        for (one, text) in [
            (QueryFilter::created_after(when), "created%3E2020-01-01T00%3A00%3A00Z"),
            (QueryFilter::created_before(when), "created%3C2020-01-01T00%3A00%3A00Z"),
            (QueryFilter::at_least(QueryField::Updated, "2020-01-01"), "updated%3E%3D2020-01-01"),
            (QueryFilter::at_most(QueryField::Updated, "2020-01-01"), "updated%3C%3D2020-01-01"),
            (QueryFilter::state(QueryState::Failed), "state%3D%3DFAILED"),
            (QueryFilter::differs(QueryField::State, QueryState::Success), "state%21%3DSUCCESS"),
            (QueryFilter::contains(QueryField::Id, "6ebd"), "id~6ebd"),
            (QueryFilter::referenced_datasets(["aa", "bb"]), "referenced_datasets%3D%3Daa%7C%7Cbb"),
            (QueryFilter::user("1@AdobeID"), "userId%3D%3D1%40AdobeID"),
            (QueryFilter::client("API"), "client%3D%3DAPI"),
            (QueryFilter::schedule("s"), "scheduleId%3D%3Ds"),
            (QueryFilter::schedule_run("manual__x"), "scheduleRunId%3D%3Dmanual__x"),
            (QueryFilter::template("t"), "templateId%3D%3Dt"),
            (QueryFilter::template_name_contains("day total"), "templateName~day%20total"),
            (QueryFilter::sql_contains("SELECT c1"), "sql~SELECT%20c1"),
            (QueryFilter::raw("x==y"), "x%3D%3Dy"),
        ] {
            assert_eq!(filter(one), text);
        }
    }

    #[test]
    fn creating_a_query_sends_what_is_set_and_nothing_else() {
        let json =
            |query| request_text(&CreateQuery::new(query)).split_once("\n\n").unwrap().1.to_owned();
        assert_eq!(
            json(QueryDef::sql("dev:all", "SELECT $x").parameter("x", "1").insert_into("totals")),
            concat!(
                r#"{"dbName":"dev:all","sql":"SELECT $x","queryParameters":{"x":"1"},"#,
                r#""insertIntoParameters":{"datasetName":"totals"}}"#
            )
        );
        assert_eq!(
            json(QueryDef::template("dev:all", "t1").create_dataset("totals", "day by day")),
            concat!(
                r#"{"dbName":"dev:all","templateId":"t1","#,
                r#""ctasParameters":{"datasetName":"totals","description":"day by day"}}"#
            )
        );
    }

    #[test]
    fn a_query_without_sql_or_with_two_sources_is_refused() {
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        let both = QueryDef { template_id: Some("t".into()), ..QueryDef::sql("d", "SELECT 1") };
        for query in [both, QueryDef::default(), QueryDef::sql("d", " ")] {
            let error = CreateQuery::new(query).to_request(&base).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
        }
    }

    #[test]
    fn a_query_is_fetched_cancelled_and_soft_deleted_by_id() {
        assert_eq!(request_text(&GetQuery::new("q-1")), "GET /queries/q-1");
        let patch = "PATCH /queries/q-1\ncontent-type: application/json\n\n";
        assert_eq!(request_text(&CancelQuery::new("q-1")), format!("{patch}{{\"op\":\"cancel\"}}"));
        assert_eq!(
            request_text(&SoftDeleteQuery::new("q-1")),
            format!("{patch}{{\"op\":\"soft_delete\"}}")
        );
    }
}
