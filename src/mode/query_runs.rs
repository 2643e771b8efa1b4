//! Query runs: a report run consists of them, and they say why it failed.

use chrono::{DateTime, Utc};

use super::list::{End, ListQuery, page_setters};
use super::report_runs::RunState;
use super::tokens::{QueryRunToken, QueryToken, ReportRunToken, ReportToken};
use super::{Mode, relations};
use crate::client::operation;
use crate::paging::Page;
use crate::wire::hal::{Embedded, Forms, Links};
use crate::wire::{RawJson, lenient, model, time};

operation! {
    /// Lists the query runs of one run of a report. The response holds all of them.
    ///
    /// Source: Mode API reference, "Query Runs", `GET /{workspace}/reports/{report}/runs/{run}/query_runs`.
    ListQueryRuns { report: ReportToken, run: ReportRunToken }
    pages { list: ListQuery = ListQuery::ending(End::AtOnce), item: QueryRun, key: token }
    for Mode, "mode.query_runs.list", Safe: GET "reports" / {report} / "runs" / {run} / "query_runs" -> Page<QueryRun>
}

operation! {
    /// Lists the runs of one query, across all runs of its report.
    ///
    /// Inferred: the reference says this of [`ListQueryRuns`], which returns the runs of one report run only; the path is the
    /// one in the link `query_runs` of a query, `GET /{workspace}/reports/{report}/queries/{query}/runs`.
    ListQueryHistory { report: ReportToken, query: QueryToken }
    pages counted { list: ListQuery, item: QueryRun, key: token }
    for Mode, "mode.query_runs.list_of_query", Safe:
    GET "reports" / {report} / "queries" / {query} / "runs" -> Page<QueryRun>
}

impl ListQueryHistory {
    page_setters!();
}

operation! {
    /// Gets one query run, with the reason if it failed.
    ///
    /// The vendor does not check that the three tokens belong together: with a wrong report or run it responds with 200 and
    /// another report's data. Source: Mode API reference, "Query Runs",
    /// `GET /{workspace}/reports/{report}/runs/{run}/query_runs/{query_run}`.
    GetQueryRun { report: ReportToken, run: ReportRunToken, query_run: QueryRunToken }
    for Mode, "mode.query_runs.get", Safe:
    GET "reports" / {report} / "runs" / {run} / "query_runs" / {query_run} -> QueryRun
}

model! {
    /// One run of a query, as part of a run of its report.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct QueryRun {
        /// Token.
        pub token: QueryRunToken,
        /// The token again, or a number in older responses. Requests do not accept it.
        pub id: Option<Box<str>> as "id" with lenient::text,
        /// State. The vendor does not document the possible values.
        pub state: Option<RunState>,
        /// When it was created. UTC.
        pub created_at: Option<DateTime<Utc>> as "created_at" with time::lenient_utc,
        /// When it finished. UTC.
        pub completed_at: Option<DateTime<Utc>> as "completed_at" with time::lenient_utc,
        /// Number of the data source it used.
        pub data_source_id: Option<Box<str>> as "data_source_id" with lenient::text,
        /// Token of the data source it used.
        pub data_source_token: Option<Box<str>>,
        /// Whether its result was truncated, to 100 rows according to the docs. A boolean, though documented as a string.
        pub limit: Option<bool> as "limit" with lenient::boolean,
        /// Token of the query. If it is missing, [`query`](Self::query) finds it.
        pub query_token: Option<QueryToken>,
        /// Name of the query.
        pub query_name: Option<Box<str>>,
        /// When the query was created. UTC.
        pub query_created_at: Option<DateTime<Utc>> as "query_created_at" with time::lenient_utc,
        /// Number of the dbt metric behind it.
        pub dbt_metric_id: Option<Box<str>> as "dbt_metric_id" with lenient::text,
        /// Token of the dbt metric behind it.
        pub dbt_metric_token: Option<Box<str>>,
        /// The parameters it ran with, as raw JSON: an object, though documented as a string.
        pub parameters: Option<RawJson>,
        /// The SQL as it was written.
        pub raw_source: Option<Box<str>>,
        /// The SQL as it ran.
        pub rendered_source: Option<Box<str>>,
        /// The comment that was added to the SQL.
        pub statement_annotation: Option<Box<str>>,
        /// Maximum size of the result in bytes. It may exceed 32 bits.
        pub max_result_bytes: Option<u64> as "max_result_bytes" with lenient::count,
        /// A page of the vendor that explains more.
        pub help_url: Option<Box<str>>,
        /// Why it failed, as a code, for example `SqlUnknownColumn`. The most useful of the three.
        pub error_code: Option<Box<str>> as "error_code" with lenient::text,
        /// Type of the failure. Only `generic` has been seen.
        pub error_type: Option<Box<str>> as "error_type" with lenient::text,
        /// Why it failed, as the database words it.
        pub error_message: Option<Box<str>> as "error_message" with lenient::text,
        /// Links by relation; the documented ones have methods.
        pub links: Links as "_links" default,
        /// Its forms, by name. Not documented.
        pub forms: Forms as "_forms" default,
        /// Embedded resources.
        pub embedded: Embedded as "_embedded" default,
    }
}

impl QueryRun {
    /// Token of the query: the member, or the end of the link if the response lacks the member.
    #[must_use]
    #[inline]
    pub fn query(&self) -> Option<QueryToken> {
        let from_link = || {
            let link = self.query_link()?;
            let token = link.href.rsplit('/').next()?;
            (!token.is_empty()).then(|| QueryToken::from(token))
        };
        self.query_token.clone().or_else(from_link)
    }
}

relations! {
    QueryRun {
        self_link = "self" "The query run itself.",
        query_link = "query" "Its query, a [`Query`](super::Query).",
        result_link = "result" "Its results: links named `csv` and `json`.",
        result_web_link = "result_web" "Its results, for people.",
        query_web_link = "query_web" "Its query, for people.",
        report_run_link = "report_run" "The report run it is part of, a [`ReportRun`](super::ReportRun).",
        report_run_web_link = "report_run_web" "The report run it is part of, for people.",
        view_link = "view" "A view of it.",
        executed_by_link = "executed_by" "Who started it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::request_text;

    #[test]
    fn query_runs_are_listed_fetched_and_listed_per_query() {
        assert_eq!(
            request_text(&ListQueryRuns::new("r1", "n1")),
            "GET /acme/reports/r1/runs/n1/query_runs"
        );
        assert_eq!(
            request_text(&GetQueryRun::new("r1", "n1", "q r")),
            "GET /acme/reports/r1/runs/n1/query_runs/q%20r"
        );
        assert_eq!(
            request_text(&ListQueryHistory::new("r1", "q1").per_page(10)),
            "GET /acme/reports/r1/queries/q1/runs?per_page=10"
        );
    }

    #[test]
    fn the_query_is_found_in_the_member_or_in_the_link() {
        let query = |json: &str| serde_json::from_str::<QueryRun>(json).unwrap().query();
        let link = r#""_links":{"query":{"href":"/api/acme/reports/r1/queries/q9"}}"#;
        assert_eq!(query(&format!(r#"{{"token":"a",{link}}}"#)), Some("q9".into()));
        assert_eq!(
            query(&format!(r#"{{"token":"a","query_token":"q1",{link}}}"#)),
            Some("q1".into())
        );
        assert_eq!(query(r#"{"token":"a","_links":{"query":{"href":""}}}"#), None);
        assert_eq!(query(r#"{"token":"a"}"#), None);
    }
}
