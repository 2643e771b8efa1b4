//! Stored queries: get their parameters, and run them by their short URLs.

use std::fmt::Display;
use std::time::Duration;

use super::Supermetrics;
use super::files::Download;
use super::format::Format;
use super::list::decode_data;
use super::parameters::json_parameters;
use super::query::{Query, QueryParameters};
use super::runs::QueryRun;
use crate::client::operation;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{RawJson, id, lenient, model};

operation! {
    /// Gets a stored query and its parameters.
    ///
    /// Source: Supermetrics API, "Get query", `GET /query/{query_id}`.
    GetSavedQuery { query: SavedQueryId }
    for Supermetrics, "supermetrics.saved_queries.get", Safe: GET "query" / {query} -> SavedQuery,
    decode decode_data
}

/// Setters for the parameters of a stored query that a run may replace.
macro_rules! change_setters {
    () => {
        /// Replaces the stored days; the last one is included. Fixed, `2026-02-01`, or relative, `yesterday`.
        pub fn dates(mut self, start: impl Display, end: impl Display) -> Self {
            self.changes.date_range_type = Some("custom".to_owned());
            self.changes.start_date = Some(start.to_string());
            self.changes.end_date = Some(end.to_string());
            self
        }

        /// Replaces the stored date range, in the vendor's words, for example `last_month`.
        pub fn date_range_type(mut self, kind: impl Into<String>) -> Self {
            self.changes.date_range_type = Some(kind.into());
            self
        }

        /// As [`Query::max_columns`].
        pub fn max_columns(mut self, columns: u32) -> Self {
            self.changes.max_columns = Some(columns);
            self
        }

        /// As [`Query::max_rows`].
        pub fn max_rows(mut self, rows: u32) -> Self {
            self.changes.max_rows = Some(rows);
            self
        }

        /// As [`Query::offset_start`].
        pub fn offset_start(mut self, row: u32) -> Self {
            self.changes.offset_start = Some(row);
            self
        }

        /// As [`Query::offset_end`].
        pub fn offset_end(mut self, row: u32) -> Self {
            self.changes.offset_end = Some(row);
            self
        }

        /// As [`Query::sync_timeout`].
        pub fn sync_timeout(mut self, limit: Duration) -> Self {
            self.changes.sync_timeout = Some(limit.as_secs().try_into().unwrap_or(u32::MAX));
            self
        }
    };
}

operation! {
    /// Runs a stored query and holds the call open until it ends, as [`RunQuery`](super::RunQuery) does. Each call may
    /// start a run.
    ///
    /// Source: Supermetrics API, "Short URLs", `GET /query/s/{query_id}/json`.
    ///
    /// ```
    /// use scheduled_runs::supermetrics::RunSavedQuery;
    ///
    /// // As stored, except for the days.
    /// let request = RunSavedQuery::new("a1B2c3").dates("2026-02-01", "yesterday");
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "GET");
    /// # assert_eq!(sent.url().path(), "/query/s/a1B2c3/json");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    RunSavedQuery { query: SavedQueryId }
    state { changes: QueryParameters }
    for Supermetrics, "supermetrics.saved_queries.run", NotIdempotent: GET "query" / "s" / {query} / "json" -> QueryRun,
    with |this, request| json_parameters(request.check(this.changes.check()), &this.changes.clone().with_timeout()),
    decode |_, meta, body| QueryRun::read(meta, body, None)?.with_result()
}

impl RunSavedQuery {
    change_setters!();
}

operation! {
    /// Runs a stored query and gets its result as a file, as [`DownloadQuery`](super::DownloadQuery) does. Each call
    /// may start a run.
    ///
    /// Source: Supermetrics API, "Short URLs", `GET /query/s/{query_id}/{format}`.
    DownloadSavedQuery { query: SavedQueryId, format: Format }
    state { changes: QueryParameters }
    for Supermetrics, "supermetrics.saved_queries.download", NotIdempotent: GET "query" / "s" / {query} / {format} -> Download,
    with |this, request| json_parameters(request.check(this.changes.check()), &this.changes.clone().with_timeout()),
    decode Download::read
}

impl DownloadSavedQuery {
    change_setters!();
}

id! {
    /// Id of a stored query.
    SavedQueryId
}

model! {
    /// A stored query.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct SavedQuery {
        /// Id of the query.
        pub query_id: Option<SavedQueryId>,
        /// Its name in its short URL.
        pub slug: Option<Box<str>>,
        /// Its name.
        pub name: Option<Box<str>>,
        /// Its data source.
        pub ds_info: Option<DataSourceInfo>,
        /// The group it belongs to.
        pub group_info: Option<QueryGroup>,
        /// Its parameters, unchanged. [`query`](Self::query) reads them as a [`Query`].
        pub query_params: Option<RawJson>,
    }
}

impl SavedQuery {
    /// Its parameters as a query, which can be changed and run.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if there are no stored parameters, or if they do not have the documented shape.
    #[inline]
    pub fn query(&self) -> Result<Query> {
        let text = self.query_params.as_ref().map_or("null", RawJson::json);
        serde_json::from_str(text).map_err(|_| {
            Error::new(ErrorKind::Decode, "the stored parameters do not have the documented shape")
        })
    }
}

model! {
    /// The data source of a stored query.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct DataSourceInfo {
        /// Id, as [`Query::new`] takes it.
        pub ds_id: Option<Box<str>>,
        /// Name.
        pub name: Option<Box<str>>,
    }
}

model! {
    /// A group of stored queries.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct QueryGroup {
        /// Id.
        pub group_id: Option<Box<str>> as "group_id" with lenient::text,
        /// Name.
        pub name: Option<Box<str>>,
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::client::Endpoint as _;
    use crate::supermetrics::tests::request_text;

    #[test]
    fn a_stored_query_is_fetched_and_run_by_its_id() {
        assert_eq!(request_text(&GetSavedQuery::new("q/1")), "GET /query/q%2F1");
        assert_eq!(
            request_text(&RunSavedQuery::new("q1")),
            r#"GET /query/s/q1/json?json={"sync_timeout":20}"#
        );
        let changed = RunSavedQuery::new("q1")
            .dates("2026-02-01", "yesterday")
            .max_columns(5)
            .max_rows(10)
            .offset_start(0)
            .offset_end(4)
            .sync_timeout(Duration::ZERO);
        assert_eq!(
            request_text(&changed),
            r#"GET /query/s/q1/json?json={"date_range_type":"custom","start_date":"2026-02-01","end_date":"yesterday","max_columns":5,"max_rows":10,"offset_start":0,"offset_end":4,"sync_timeout":0}"#
        );
        assert_eq!(
            request_text(&DownloadSavedQuery::new("q1", Format::Csv).date_range_type("last_month")),
            r#"GET /query/s/q1/csv?json={"date_range_type":"last_month","sync_timeout":20}"#
        );
        let base = Url::parse("https://host").unwrap();
        for refused in [
            RunSavedQuery::new("q").max_rows(0),
            RunSavedQuery::new("q").offset_start(2).offset_end(1),
            RunSavedQuery::new("q").sync_timeout(Duration::from_secs(3601)),
            RunSavedQuery::new(".."),
        ] {
            assert_eq!(refused.to_request(&base).unwrap_err().kind(), ErrorKind::Config);
        }
    }
}
