//! Queries of a report: list, get, create, update, delete.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::list::{End, ListQuery};
use super::tokens::{QueryToken, ReportToken};
use super::{Mode, relations};
use crate::client::{RequestBuilder, json, operation};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::wire::hal::{Embedded, Forms, Links};
use crate::wire::{Only, lenient, model, time};

operation! {
    /// Lists the queries of a report. The response holds all of them.
    ///
    /// Source: Mode API reference, "Queries", `GET /{workspace}/reports/{report}/queries`.
    ListQueries { report: ReportToken }
    pages { list: ListQuery = ListQuery::ending(End::AtOnce), item: Query, key: token }
    for Mode, "mode.queries.list", Safe: GET "reports" / {report} / "queries" -> Page<Query>
}

operation! {
    /// Gets one query.
    ///
    /// Source: Mode API reference, "Queries", `GET /{workspace}/reports/{report}/queries/{query}`.
    GetQuery { report: ReportToken, query: QueryToken }
    for Mode, "mode.queries.get", Safe: GET "reports" / {report} / "queries" / {query} -> Query
}

operation! {
    /// Adds a query to a report. It does not run it.
    ///
    /// Source: Mode API reference, "Queries", `POST /{workspace}/reports/{report}/queries`. Each call adds a query.
    CreateQuery { report: ReportToken, query: QueryBody } without new
    for Mode, "mode.queries.create", NotIdempotent: POST "reports" / {report} / "queries" -> Query,
    with |this, request| this.query.write(request)
}

operation! {
    /// Changes a query of a report. What is not set stays as it is.
    ///
    /// Source: Mode API reference, "Queries", `PATCH /{workspace}/reports/{report}/queries/{query}`. The response may be
    /// empty.
    UpdateQuery { report: ReportToken, query: QueryToken }
    state { changes: QueryBody }
    for Mode, "mode.queries.update", Idempotent: PATCH "reports" / {report} / "queries" / {query} -> Option<Query>,
    with |this, request| this.changes.write(request), decode json::decode_optional
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

/// As a number, which is the documented form, if it is one.
#[allow(clippy::ref_option, reason = "serde requires this signature")]
fn write_number<S: Serializer>(id: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match id.as_deref().map(|id| id.parse::<u64>().map_err(|_| id)) {
        Some(Ok(number)) => serializer.serialize_u64(number),
        Some(Err(text)) => serializer.serialize_str(text),
        None => serializer.serialize_none(),
    }
}

impl QueryBody {
    #[inline]
    fn write(&self, request: RequestBuilder) -> RequestBuilder {
        request.json(&Only("query", self)).check(self.check())
    }

    fn check(&self) -> Result<()> {
        if self.raw_query.as_deref().is_some_and(|sql| sql.trim().is_empty()) {
            return Err(Error::config("the SQL of the query is empty"));
        }
        if self.data_source_id.as_deref() == Some("") {
            return Err(Error::config("the id of the data source is empty"));
        }
        Ok(())
    }
}

impl CreateQuery {
    /// Required: the report, the data source and the SQL. The data source is named by its number, its
    /// [`id`](super::DataSource::id), not by its token.
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

    /// Sets the name. If not set, the vendor numbers the query.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.query.name = Some(name.into());
        self
    }
}

impl UpdateQuery {
    /// Sets the SQL.
    pub fn raw_query(mut self, sql: impl Into<String>) -> Self {
        self.changes.raw_query = Some(sql.into());
        self
    }

    /// Sets the data source, by its number.
    pub fn data_source_id(mut self, id: impl std::fmt::Display) -> Self {
        self.changes.data_source_id = Some(id.to_string());
        self
    }

    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.changes.name = Some(name.into());
        self
    }
}

operation! {
    /// Deletes a query of a report.
    ///
    /// Source: Mode API reference, "Queries", `DELETE /{workspace}/reports/{report}/queries/{query}`. A second delete would
    /// get 404 for a first that worked.
    DeleteQuery { report: ReportToken, query: QueryToken }
    for Mode, "mode.queries.delete", NotIdempotent: DELETE "reports" / {report} / "queries" / {query} -> (),
    decode json::ignore
}

model! {
    /// One query of a report.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Query {
        /// Token.
        pub token: QueryToken,
        /// A number, as text. Requests do not accept it.
        pub id: Option<Box<str>> as "id" with lenient::text,
        /// Name.
        pub name: Option<Box<str>>,
        /// The SQL.
        pub raw_query: Option<Box<str>>,
        /// Number of the data source it uses, as text.
        pub data_source_id: Option<Box<str>> as "data_source_id" with lenient::text,
        /// Number of its last run, as text. It exceeds 32 bits, and requests do not accept it.
        pub last_run_id: Option<Box<str>> as "last_run_id" with lenient::text,
        /// Number of its explorations.
        pub explorations_count: Option<u64> as "explorations_count" with lenient::count,
        /// Number of reports that import it.
        pub report_imports_count: Option<u64> as "report_imports_count" with lenient::count,
        /// Number of the dbt metric behind it, as text.
        pub dbt_metric_id: Option<Box<str>> as "dbt_metric_id" with lenient::text,
        /// Token of the dbt metric behind it.
        pub dbt_metric_token: Option<Box<str>>,
        /// When it was created. UTC.
        pub created_at: Option<DateTime<Utc>> as "created_at" with time::lenient_utc,
        /// When it was last changed. UTC.
        pub updated_at: Option<DateTime<Utc>> as "updated_at" with time::lenient_utc,
        /// Links by relation; the documented ones have methods.
        pub links: Links as "_links" default,
        /// Its forms, by name. Not documented.
        pub forms: Forms as "_forms" default,
        /// Embedded resources.
        pub embedded: Embedded as "_embedded" default,
    }
}

relations! {
    Query {
        self_link = "self" "The query itself.",
        report_link = "report" "Its report, a [`Report`](super::Report).",
        report_runs_link = "report_runs" "The runs of its report.",
        query_runs_link = "query_runs" "Its runs; [`ListQueryHistory`](super::ListQueryHistory) lists them.",
        charts_link = "charts" "Its charts.",
        new_chart_link = "new_chart" "Where a chart is added.",
        new_query_table_link = "new_query_table" "Where a table is added.",
        query_tables_link = "query_tables" "Its tables.",
        creator_link = "creator" "Who created it.",
        metric_link = "metric" "The metric behind it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint as _;
    use crate::error::ErrorKind;
    use crate::mode::tests::request_text;

    #[test]
    fn a_query_is_sent_inside_a_wrapper_with_its_data_source_as_a_number() {
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
        let base = url::Url::parse(crate::mode::BASE_URL).unwrap();
        for error in [
            CreateQuery::new("r1", 1, " ").to_request(&base).unwrap_err(),
            CreateQuery::new("r1", "", "select 1").to_request(&base).unwrap_err(),
            UpdateQuery::new("r1", "q1").raw_query("").to_request(&base).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Config);
        }
    }
}
