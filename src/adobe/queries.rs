//! Queries: list, create, get, cancel, soft-delete. Each run of a schedule is a query too, and says why it failed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use super::list::{ListQuery, clause, list_setters, timestamp};
use super::runs::RunId;
use super::schedules::ScheduleId;
use super::templates::TemplateId;
use super::{Accepted, Adobe, id};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, json, operation};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::run::Phase;
use crate::wire::hal::Links;
use crate::wire::open_enum;
use crate::wire::patch::{Operation, Patch};
use crate::wire::{lenient, time};

operation! {
    /// Lists queries of the sandbox, oldest first unless told otherwise.
    ///
    /// Source: Query Service API, "Queries", `GET /queries`.
    ///
    /// ```
    /// use chrono::{TimeDelta, Utc};
    /// use scheduled_runs::adobe::{ListQueries, QueryFilter, QueryState};
    ///
    /// // What failed since yesterday and was sent by this schedule.
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

    /// Soft-deleted queries too. (The reference words the parameter `excludeSoftDeleted` the wrong way round.)
    pub fn include_soft_deleted(mut self) -> Self {
        self.list.include_soft_deleted = true;
        self
    }

    /// Hidden queries too: those the vendor's own tools make.
    pub fn include_hidden(mut self) -> Self {
        self.list.include_hidden = true;
        self
    }
}

/// A condition on the queries of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryFilter(pub(super) String);

/// A field that can be compared with every operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryField {
    /// When it was created; compare with an ISO 8601 time.
    Created,
    /// When it was last changed; compare with an ISO 8601 time.
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

/// Conditions on one field, or on one property.
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

    /// Reads any of these datasets, at most ten.
    #[must_use]
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

    /// Sent by this client, for example `API`.
    #[must_use]
    pub fn client(name: &str) -> Self {
        Self(clause("client", "==", name))
    }

    /// Sent by this schedule.
    #[must_use]
    pub fn schedule(schedule: impl Into<ScheduleId>) -> Self {
        Self(clause("scheduleId", "==", schedule.into()))
    }

    /// Sent by this run of a schedule. The vendor's example has the *decoded* id, see
    /// [`RunId::decode`](super::RunId::decode).
    #[must_use]
    pub fn schedule_run(run: impl Into<RunId>) -> Self {
        Self(clause("scheduleRunId", "==", run.into()))
    }

    /// Made from this template.
    #[must_use]
    pub fn template(template: impl Into<TemplateId>) -> Self {
        Self(clause("templateId", "==", template.into()))
    }

    /// Made from a template whose name contains this.
    #[must_use]
    pub fn template_name_contains(text: &str) -> Self {
        Self(clause("templateName", "~", text))
    }

    /// Its SQL contains this text, which cannot hold a comma.
    #[must_use]
    pub fn sql_contains(text: &str) -> Self {
        Self(clause("sql", "~", text))
    }

    /// A condition in the vendor's own words. It cannot hold a comma.
    #[must_use]
    pub fn raw(condition: impl Into<String>) -> Self {
        Self(condition.into())
    }
}

/// Runs a query once.
///
/// Source: Query Service API, "Queries", `POST /queries`. Each call starts a query, so it is never sent again once it may
/// have arrived.
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct CreateQuery {
    query: QueryDef,
}

impl CreateQuery {
    /// This query.
    pub fn new(query: QueryDef) -> Self {
        Self { query }
    }
}

impl Endpoint for CreateQuery {
    type Api = Adobe;
    type Output = Query;
    const OPERATION: &'static str = "adobe.queries.create";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let builder = ApiRequest::of::<Self>(Method::POST, base, &["queries"]).json(&self.query);
        match self.query.check() {
            Ok(()) => builder.finish(),
            Err(error) => builder.fail(error).finish(),
        }
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Query> {
        json::decode(meta, body)
    }
}

/// Gets one query, with the reasons if it failed.
///
/// Source: Query Service API, "Queries", `GET /queries/{id}`. Safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct GetQuery {
    query: QueryId,
}

impl GetQuery {
    /// This query.
    pub fn new(query: impl Into<QueryId>) -> Self {
        Self { query: query.into() }
    }
}

impl Endpoint for GetQuery {
    type Api = Adobe;
    type Output = Query;
    const OPERATION: &'static str = "adobe.queries.get";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        ApiRequest::of::<Self>(Method::GET, base, &["queries", self.query.as_str()]).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Query> {
        json::decode(meta, body)
    }
}

/// Asks the vendor to end a query. One that has ended is refused with 409.
///
/// Source: Query Service API, "Queries", `PATCH /queries/{id}` with the bare object `{"op":"cancel"}`. Not repeated once
/// it may have arrived: the second time would be a 409 for a first one that worked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct CancelQuery {
    query: QueryId,
}

impl CancelQuery {
    /// This query.
    pub fn new(query: impl Into<QueryId>) -> Self {
        Self { query: query.into() }
    }
}

/// Hides a query from lists, but for those that [include soft-deleted ones](ListQueries::include_soft_deleted).
///
/// Source: Query Service API, "Queries", `PATCH /queries/{id}` with the bare object `{"op":"soft_delete"}`. Not repeated
/// once it may have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct SoftDeleteQuery {
    query: QueryId,
}

impl SoftDeleteQuery {
    /// This query.
    pub fn new(query: impl Into<QueryId>) -> Self {
        Self { query: query.into() }
    }
}

macro_rules! patch {
    ($name:ident, $operation:literal, $change:expr) => {
        impl Endpoint for $name {
            type Api = Adobe;
            type Output = Accepted;
            const OPERATION: &'static str = $operation;
            const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

            fn to_request(&self, base: &Url) -> Result<ApiRequest> {
                ApiRequest::of::<Self>(Method::PATCH, base, &["queries", self.query.as_str()])
                    .json(&Patch::Bare($change))
                    .finish()
            }

            #[inline]
            fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Accepted> {
                json::decode(meta, body)
            }
        }
    };
}

patch!(CancelQuery, "adobe.queries.cancel", Operation::Cancel);
patch!(SoftDeleteQuery, "adobe.queries.soft_delete", Operation::SoftDelete);

id! {
    /// Id of a query, a UUID.
    QueryId
}

/// What to run: SQL or a template, and what becomes of the result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct QueryDef {
    /// Database, `sandbox:catalog`, for example `prod:all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_name: Option<String>,
    /// The SQL, with `$name` for parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// A template instead of SQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_id: Option<TemplateId>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Values of the parameters; the vendor does not check their types.
    #[serde(
        default,
        deserialize_with = "lenient::texts",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub query_parameters: BTreeMap<String, String>,
    /// Inserts the result into a dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insert_into_parameters: Option<TargetDataset>,
    /// Creates a dataset of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctas_parameters: Option<NewDataset>,
}

impl QueryDef {
    /// This SQL on this database, for example `prod:all`.
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

    /// Creates a dataset of the result (CTAS). Adobe's own client insists on a description.
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
            (Some(_), Some(_)) => Err(Error::config("a query is SQL or a template, not both")),
            (None, None) => Err(Error::config("a query needs SQL or a template")),
            (Some(text), None) | (None, Some(text)) if text.trim().is_empty() => {
                Err(Error::config("a query's SQL or template id is empty"))
            }
            _ => Ok(()),
        }
    }
}

/// A dataset to insert into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TargetDataset {
    /// Its name.
    #[serde(default)]
    pub dataset_name: String,
}

/// A dataset to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NewDataset {
    /// Its name.
    #[serde(default)]
    pub dataset_name: String,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Title of the schema it gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_schema_title: Option<String>,
}

/// One query.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Query {
    /// Id.
    pub id: QueryId,
    /// What was asked.
    pub request: Option<QueryDef>,
    /// The SQL that ran, where it differs from the request's.
    #[serde(rename = "effectiveSQL")]
    pub effective_sql: Option<String>,
    /// Whether it created a dataset.
    #[serde(rename = "isCTAS", default, deserialize_with = "lenient::boolean")]
    pub is_ctas: Option<bool>,
    /// Whether it inserted into a dataset.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub is_insert_into: Option<bool>,
    /// State. A query in state `SUCCESS` may have errors all the same: look at both.
    pub state: Option<QueryState>,
    /// What went wrong.
    #[serde(default, deserialize_with = "lenient::list")]
    pub errors: Vec<QueryError>,
    /// When it was created.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub created: Option<DateTime<Utc>>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub updated: Option<DateTime<Utc>>,
    /// How long it took.
    #[serde(rename = "elapsedTime", default, deserialize_with = "milliseconds")]
    pub elapsed: Option<Duration>,
    /// Rows of the result.
    #[serde(default, deserialize_with = "lenient::count")]
    pub row_count: Option<u64>,
    /// Name of the template it was made from.
    pub template_name: Option<Box<str>>,
    /// Who sent it.
    pub user_id: Option<Box<str>>,
    /// What sent it, for example `API` or `Adobe Query Service UI`.
    pub client: Option<Box<str>>,
    /// Id of what sent it.
    pub client_id: Option<Box<str>>,
    /// Where its result was copied to.
    #[serde(rename = "copyURI")]
    pub copy_uri: Option<Box<str>>,
    /// Version of the record.
    #[serde(default, deserialize_with = "lenient::count")]
    pub version: Option<u64>,
    /// Related resources: `schedule`, `schedule_run`, `created_dataset`, `referenced_datasets` and others.
    #[serde(rename = "_links", default)]
    pub links: Links,
}

fn milliseconds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Duration>, D::Error> {
    Ok(lenient::count(deserializer)?.map(Duration::from_millis))
}

impl Query {
    /// The datasets it read.
    #[must_use]
    pub fn referenced_datasets(&self) -> Vec<DatasetRef> {
        let links = self.links.all("referenced_datasets").into_iter();
        links.filter_map(|link| Some(DatasetRef { id: link.id?, href: link.href })).collect()
    }
}

/// A dataset that a query refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatasetRef {
    /// Its id.
    pub id: String,
    /// Where the catalog has it; it may name a host that clients do not call.
    pub href: String,
}

open_enum! {
    /// State of a query.
    QueryState {
        /// Taken, not started.
        Submitted = "SUBMITTED",
        /// Going on.
        InProgress = "IN_PROGRESS",
        /// Over, as wanted.
        Success = "SUCCESS",
        /// Over, not as wanted.
        Failed = "FAILED",
        /// Over, because someone ended it.
        Killed = "KILLED",
        /// Over, because it took too long.
        Timeout = "TIMEOUT",
    }
}

impl QueryState {
    /// The phase it stands for.
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

    /// Whether the query is over; never true for a state that is unknown here.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.phase().is_terminal()
    }
}

/// What went wrong in a query.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct QueryError {
    /// An SQLSTATE-like code, such as `58000` or `42P01`; text, though one example has a number.
    #[serde(default, deserialize_with = "lenient::text")]
    pub code: Option<Box<str>>,
    /// A sentence for people.
    pub message: Option<Box<str>>,
    /// Whose fault it is.
    pub error_type: Option<ErrorType>,
}

open_enum! {
    /// Whose fault an error is.
    ErrorType {
        /// The query's.
        User = "USER_ERROR",
        /// The service's.
        System = "SYSTEM_ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::tests::{request_text, utc};
    use crate::error::ErrorKind;

    #[test]
    fn queries_are_listed_with_every_filter_of_the_reference() {
        assert_eq!(request_text(&ListQueries::new()), "GET /queries?orderby=created&limit=20");
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
    fn a_query_is_got_cancelled_and_soft_deleted_by_id() {
        assert_eq!(request_text(&GetQuery::new("q-1")), "GET /queries/q-1");
        let patch = "PATCH /queries/q-1\ncontent-type: application/json\n\n";
        assert_eq!(request_text(&CancelQuery::new("q-1")), format!("{patch}{{\"op\":\"cancel\"}}"));
        assert_eq!(
            request_text(&SoftDeleteQuery::new("q-1")),
            format!("{patch}{{\"op\":\"soft_delete\"}}")
        );
    }
}
