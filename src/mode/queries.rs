//! Queries of a report: list, get, create, update, delete.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use super::list::{End, list};
use super::reports::ReportToken;
use super::{Mode, deleted, id, relations, request};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta};
use crate::error::{Error, Result};
use crate::wire::hal::{Embedded, Links};
use crate::wire::{json, lenient, time};

list! {
    /// Lists the queries of a report. They all come at once.
    ///
    /// Source: Mode API reference, "Queries", `GET /{workspace}/reports/{report}/queries`. Safe to repeat.
    ListQueries { report: ReportToken } "The queries of this report."
    GET ["reports", report, "queries"] -> Query, "mode.queries.list", End::AtOnce
}

request! {
    /// Gets one query.
    ///
    /// Source: Mode API reference, "Queries", `GET /{workspace}/reports/{report}/queries/{query}`. Safe to repeat.
    GetQuery { report: ReportToken, query: QueryToken } "This query of this report."
    GET ["reports", report, "queries", query] -> Query = json::decode, "mode.queries.get", Safe
}

/// Adds a query to a report. It does not run it.
///
/// Source: Mode API reference, "Queries", `POST /{workspace}/reports/{report}/queries`. Each call adds a query, so it is
/// never sent again once it may have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct CreateQuery {
    report: ReportToken,
    query: QueryBody,
}

/// Changes a query of a report: what is not set stays as it is.
///
/// Source: Mode API reference, "Queries", `PATCH /{workspace}/reports/{report}/queries/{query}`. The second time changes
/// nothing more, so that it is repeated when its answer is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct UpdateQuery {
    report: ReportToken,
    token: QueryToken,
    query: QueryBody,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct QueryBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_number")]
    data_source_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
struct Wrapped<'a> {
    query: &'a QueryBody,
}

/// As a number, which is the documented form, where it is one.
#[allow(clippy::ref_option, reason = "the signature that serde calls")]
fn write_number<S: Serializer>(id: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match id.as_deref().map(|id| id.parse::<u64>().map_err(|_| id)) {
        Some(Ok(number)) => serializer.serialize_u64(number),
        Some(Err(text)) => serializer.serialize_str(text),
        None => serializer.serialize_none(),
    }
}

impl QueryBody {
    fn check(&self) -> Result<()> {
        if self.raw_query.as_deref().is_some_and(|sql| sql.trim().is_empty()) {
            return Err(Error::config("the query's SQL is empty"));
        }
        if self.data_source_id.as_deref() == Some("") {
            return Err(Error::config("the data source's id is empty"));
        }
        Ok(())
    }
}

impl CreateQuery {
    /// This SQL on the data source of this number, the [`id`](super::DataSource::id) of a data source, not its token.
    pub fn new(
        report: impl Into<ReportToken>,
        data_source_id: impl std::fmt::Display,
        raw_query: impl Into<String>,
    ) -> Self {
        let query = QueryBody {
            raw_query: Some(raw_query.into()),
            data_source_id: Some(data_source_id.to_string()),
            name: None,
        };
        Self { report: report.into(), query }
    }

    /// Sets the name. Left out, the vendor numbers it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.query.name = Some(name.into());
        self
    }
}

impl UpdateQuery {
    /// This query of this report.
    pub fn new(report: impl Into<ReportToken>, query: impl Into<QueryToken>) -> Self {
        Self { report: report.into(), token: query.into(), query: QueryBody::default() }
    }

    /// Other SQL.
    pub fn raw_query(mut self, sql: impl Into<String>) -> Self {
        self.query.raw_query = Some(sql.into());
        self
    }

    /// Another data source, by its number.
    pub fn data_source_id(mut self, id: impl std::fmt::Display) -> Self {
        self.query.data_source_id = Some(id.to_string());
        self
    }

    /// Another name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.query.name = Some(name.into());
        self
    }
}

impl Endpoint for CreateQuery {
    type Api = Mode;
    type Output = Query;
    const OPERATION: &'static str = "mode.queries.create";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["reports", self.report.as_str(), "queries"];
        let builder =
            ApiRequest::of::<Self>(Method::POST, base, &path).json(&Wrapped { query: &self.query });
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

impl Endpoint for UpdateQuery {
    type Api = Mode;
    type Output = Option<Query>;
    const OPERATION: &'static str = "mode.queries.update";
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["reports", self.report.as_str(), "queries", self.token.as_str()];
        let builder = ApiRequest::of::<Self>(Method::PATCH, base, &path)
            .json(&Wrapped { query: &self.query });
        match self.query.check() {
            Ok(()) => builder.finish(),
            Err(error) => builder.fail(error).finish(),
        }
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Option<Query>> {
        super::changed(meta, body)
    }
}

request! {
    /// Deletes a query of a report.
    ///
    /// Source: Mode API reference, "Queries", `DELETE /{workspace}/reports/{report}/queries/{query}`. Not repeated once it
    /// may have arrived: a second delete would answer 404 for a first one that worked.
    DeleteQuery { report: ReportToken, query: QueryToken } "This query of this report."
    DELETE ["reports", report, "queries", query] -> () = deleted, "mode.queries.delete", NotIdempotent
}

id! {
    /// Token of a query.
    QueryToken
}

/// One query of a report.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Query {
    /// Token.
    pub token: QueryToken,
    /// A number, as text. It is of no use in requests.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id: Option<Box<str>>,
    /// Name.
    pub name: Option<Box<str>>,
    /// The SQL.
    pub raw_query: Option<Box<str>>,
    /// Number of the data source it reads, as text.
    #[serde(default, deserialize_with = "lenient::text")]
    pub data_source_id: Option<Box<str>>,
    /// Number of its last run, as text; more than 32 bits can hold, and of no use in requests.
    #[serde(default, deserialize_with = "lenient::text")]
    pub last_run_id: Option<Box<str>>,
    /// How many explorations it has.
    #[serde(default, deserialize_with = "lenient::count")]
    pub explorations_count: Option<u64>,
    /// How many reports import it.
    #[serde(default, deserialize_with = "lenient::count")]
    pub report_imports_count: Option<u64>,
    /// Number of the dbt metric behind it, as text.
    #[serde(default, deserialize_with = "lenient::text")]
    pub dbt_metric_id: Option<Box<str>>,
    /// Token of the dbt metric behind it.
    pub dbt_metric_token: Option<Box<str>>,
    /// When it was created. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Links by name; the documented ones have methods.
    #[serde(rename = "_links", default)]
    pub links: Links,
    /// Resources that came with it.
    #[serde(rename = "_embedded", default)]
    pub embedded: Embedded,
}

relations! {
    Query {
        self_link = "self" "The query itself.",
        report_link = "report" "Its report, a [`Report`](super::Report).",
        report_runs_link = "report_runs" "The runs of its report.",
        query_runs_link = "query_runs" "Its runs; [`ListQueryHistory`](super::ListQueryHistory) lists them.",
        charts_link = "charts" "Its charts.",
        new_chart_link = "new_chart" "A new chart.",
        new_query_table_link = "new_query_table" "A new table.",
        query_tables_link = "query_tables" "Its tables.",
        creator_link = "creator" "Who made it.",
        metric_link = "metric" "The metric behind it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::mode::tests::request_text;

    #[test]
    fn a_query_is_written_inside_a_wrapper_with_its_data_source_as_a_number() {
        assert_eq!(request_text(&ListQueries::new("r1")), "GET /acme/reports/r1/queries");
        assert_eq!(request_text(&GetQuery::new("r1", "q1")), "GET /acme/reports/r1/queries/q1");
        assert_eq!(
            request_text(&DeleteQuery::new("r1", "q1")),
            "DELETE /acme/reports/r1/queries/q1"
        );
        let head = "POST /acme/reports/r1/queries\ncontent-type: application/json\n\n";
        for (id, written) in [("42", "42"), ("src-1", "\"src-1\"")] {
            assert_eq!(
                request_text(&CreateQuery::new("r1", id, "select 2").name("two")),
                format!(
                    "{head}{{\"query\":{{\"raw_query\":\"select 2\",\"data_source_id\":{written},\"name\":\"two\"}}}}"
                )
            );
        }
        assert_eq!(
            request_text(
                &UpdateQuery::new("r1", "q1").raw_query("select 3").data_source_id(7).name("three")
            ),
            "PATCH /acme/reports/r1/queries/q1\ncontent-type: application/json\n\n\
             {\"query\":{\"raw_query\":\"select 3\",\"data_source_id\":7,\"name\":\"three\"}}"
        );
    }

    #[test]
    fn an_empty_query_is_refused() {
        let base = Url::parse(crate::mode::BASE_URL).unwrap();
        for error in [
            CreateQuery::new("r1", 1, " ").to_request(&base).unwrap_err(),
            CreateQuery::new("r1", "", "select 1").to_request(&base).unwrap_err(),
            UpdateQuery::new("r1", "q1").raw_query("").to_request(&base).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Config);
        }
    }
}
