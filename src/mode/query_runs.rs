//! Runs of queries: a run of a report is made of them, and they say why it failed.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::list::{End, counted, list, page_setters};
use super::queries::QueryToken;
use super::report_runs::{ReportRunToken, RunState};
use super::reports::ReportToken;
use super::{id, relations, request};
use crate::wire::hal::{Embedded, Links};
use crate::wire::{RawJson, json, lenient, time};

list! {
    /// Lists the query runs of one run of a report. They all come at once.
    ///
    /// Source: Mode API reference, "Query Runs", `GET /{workspace}/reports/{report}/runs/{run}/query_runs`. Safe to repeat.
    ListQueryRuns { report: ReportToken, run: ReportRunToken } "The query runs of this run of this report."
    GET ["reports", report, "runs", run, "query_runs"] -> QueryRun, "mode.query_runs.list", End::AtOnce
}

list! {
    /// Lists the runs of one query, over all runs of its report.
    ///
    /// Inferred: the reference promises this of [`ListQueryRuns`], which has the runs of one report run only; the path is
    /// the one that the link `query_runs` of a query has, `GET /{workspace}/reports/{report}/queries/{query}/runs`. Safe to
    /// repeat.
    ListQueryHistory { report: ReportToken, query: QueryToken } "The runs of this query of this report."
    GET ["reports", report, "queries", query, "runs"] -> QueryRun, "mode.query_runs.list_of_query", End::Empty
}

counted!(ListQueryHistory);

impl ListQueryHistory {
    page_setters!();
}

request! {
    /// Gets one query run, with the reason if it failed.
    ///
    /// The vendor does not check that the three tokens belong together: with a wrong one in front it answers 200 with
    /// another report's data. Source: Mode API reference, "Query Runs",
    /// `GET /{workspace}/reports/{report}/runs/{run}/query_runs/{query_run}`. Safe to repeat.
    GetQueryRun { report: ReportToken, run: ReportRunToken, query_run: QueryRunToken }
    "This query run of this run of this report."
    GET ["reports", report, "runs", run, "query_runs", query_run] -> QueryRun = json::decode,
    "mode.query_runs.get", Safe
}

id! {
    /// Token of a run of a query.
    QueryRunToken
}

/// One run of a query, as part of a run of its report.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct QueryRun {
    /// Token.
    pub token: QueryRunToken,
    /// The token once more, or a number in older answers. It is of no use in requests.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id: Option<Box<str>>,
    /// How it stands. The vendor documents no list of states.
    pub state: Option<RunState>,
    /// When it was created. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was over. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub completed_at: Option<DateTime<Utc>>,
    /// Number of the data source it read.
    #[serde(default, deserialize_with = "lenient::text")]
    pub data_source_id: Option<Box<str>>,
    /// Token of the data source it read.
    pub data_source_token: Option<Box<str>>,
    /// Whether its result was cut short, to 100 rows as the docs say. A boolean, though documented as a text.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub limit: Option<bool>,
    /// Token of the query; [`query`](Self::query) finds it where this is missing.
    pub query_token: Option<QueryToken>,
    /// Name of the query.
    pub query_name: Option<Box<str>>,
    /// When the query was created. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub query_created_at: Option<DateTime<Utc>>,
    /// Number of the dbt metric behind it.
    #[serde(default, deserialize_with = "lenient::text")]
    pub dbt_metric_id: Option<Box<str>>,
    /// Token of the dbt metric behind it.
    pub dbt_metric_token: Option<Box<str>>,
    /// The parameters it ran with, as they came: an object, though documented as a text.
    pub parameters: Option<RawJson>,
    /// The SQL as it was written.
    pub raw_source: Option<Box<str>>,
    /// The SQL as it ran.
    pub rendered_source: Option<Box<str>>,
    /// The comment that was put into the SQL.
    pub statement_annotation: Option<Box<str>>,
    /// Largest result in bytes; more than 32 bits can hold.
    #[serde(default, deserialize_with = "lenient::count")]
    pub max_result_bytes: Option<u64>,
    /// Where the vendor explains more.
    pub help_url: Option<Box<str>>,
    /// Why it failed, in one word, for example `SqlUnknownColumn`. The useful one.
    #[serde(default, deserialize_with = "lenient::text")]
    pub error_code: Option<Box<str>>,
    /// Class of the failure; nothing but `generic` has been seen.
    #[serde(default, deserialize_with = "lenient::text")]
    pub error_type: Option<Box<str>>,
    /// Why it failed, in the database's own words.
    #[serde(default, deserialize_with = "lenient::text")]
    pub error_message: Option<Box<str>>,
    /// Links by name; the documented ones have methods.
    #[serde(rename = "_links", default)]
    pub links: Links,
    /// Resources that came with it.
    #[serde(rename = "_embedded", default)]
    pub embedded: Embedded,
}

impl QueryRun {
    /// Token of the query: the member, or the end of the link where an answer leaves the member out.
    #[must_use]
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
        result_link = "result" "Where its results are: links named `csv` and `json`.",
        result_web_link = "result_web" "Its results, for people.",
        query_web_link = "query_web" "Its query, for people.",
        report_run_link = "report_run" "The run of the report it is part of, a [`ReportRun`](super::ReportRun).",
        report_run_web_link = "report_run_web" "The run of the report it is part of, for people.",
        view_link = "view" "A view of it.",
        executed_by_link = "executed_by" "Who started it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::request_text;

    #[test]
    fn query_runs_are_listed_got_and_followed_over_time() {
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
    fn the_query_is_named_by_the_member_or_by_the_link() {
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
