//! Queries that are stored at the vendor: what they ask, and running them by their short URL.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use url::Url;

use super::files::Download;
use super::query::{Query, check_offsets, check_range};
use super::runs::{QueryRun, RunQuery};
use super::{Format, Supermetrics, json_parameters};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{RawJson, id, json, lenient};

/// Gets what a stored query asks.
///
/// Source: Supermetrics API, "Get query", `GET /query/{query_id}`. Safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct GetSavedQuery {
    query: SavedQueryId,
}

impl GetSavedQuery {
    /// The query of this id.
    pub fn new(query: impl Into<SavedQueryId>) -> Self {
        Self { query: query.into() }
    }
}

impl Endpoint for GetSavedQuery {
    type Api = Supermetrics;
    type Output = SavedQuery;
    const OPERATION: &'static str = "supermetrics.saved_queries.get";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        ApiRequest::of::<Self>(Method::GET, base, &["query", self.query.as_str()]).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<SavedQuery> {
        #[derive(Deserialize)]
        struct Answer {
            data: SavedQuery,
        }
        json::decode::<Answer>(meta, body).map(|answer| answer.data)
    }
}

/// What a stored query may be asked differently. All else is as it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Changes {
    #[serde(skip_serializing_if = "Option::is_none")]
    date_range_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_columns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_rows: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset_start: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset_end: Option<u32>,
    sync_timeout: u32,
}

impl Changes {
    fn none() -> Self {
        let seconds = RunQuery::SYNC_TIMEOUT.as_secs();
        Self {
            date_range_type: None,
            start_date: None,
            end_date: None,
            max_columns: None,
            max_rows: None,
            offset_start: None,
            offset_end: None,
            sync_timeout: seconds.try_into().unwrap_or_default(),
        }
    }

    fn request<E: Endpoint>(
        &self,
        base: &Url,
        query: &SavedQueryId,
        format: &Format,
    ) -> Result<ApiRequest> {
        let checked = [
            ("max_columns", self.max_columns, 1..=1000),
            ("max_rows", self.max_rows, 1..=1_000_000),
            ("offset_start", self.offset_start, 0..=1_000_000),
            ("offset_end", self.offset_end, 0..=1_000_000),
            ("sync_timeout", Some(self.sync_timeout), 0..=3600),
        ]
        .into_iter()
        .try_for_each(|(name, number, range)| check_range(name, number, range))
        .and_then(|()| check_offsets(self.offset_start, self.offset_end));
        checked.map_err(|error| error.with_operation(E::OPERATION))?;
        let path = ["query", "s", query.as_str(), format.as_str()];
        json_parameters(ApiRequest::of::<E>(Method::GET, base, &path), self).finish()
    }
}

macro_rules! change_setters {
    () => {
        /// Other days than those that were stored, the last one included: fixed, `2026-02-01`, or relative, `yesterday`.
        pub fn dates(mut self, start: impl Display, end: impl Display) -> Self {
            self.changes.date_range_type = Some("custom".to_owned());
            self.changes.start_date = Some(start.to_string());
            self.changes.end_date = Some(end.to_string());
            self
        }

        /// Another range of days, in the vendor's words, for example `last_month`.
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
            self.changes.sync_timeout = limit.as_secs().try_into().unwrap_or(u32::MAX);
            self
        }
    };
}

/// Runs a stored query and holds the call open until it ends, as [`RunQuery`] does.
///
/// Source: Supermetrics API, "Short URLs", `GET /query/s/{query_id}/json`. Each call may start a run, so it is never
/// sent again once it may have arrived.
///
/// ```
/// use scheduled_runs::supermetrics::RunSavedQuery;
///
/// // As it was stored, but for the days.
/// let request = RunSavedQuery::new("a1B2c3").dates("2026-02-01", "yesterday");
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "GET");
/// # assert_eq!(sent.url().path(), "/query/s/a1B2c3/json");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct RunSavedQuery {
    query: SavedQueryId,
    changes: Changes,
}

impl RunSavedQuery {
    /// The query of this id.
    pub fn new(query: impl Into<SavedQueryId>) -> Self {
        Self { query: query.into(), changes: Changes::none() }
    }

    change_setters!();
}

impl Endpoint for RunSavedQuery {
    type Api = Supermetrics;
    type Output = QueryRun;
    const OPERATION: &'static str = "supermetrics.saved_queries.run";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        self.changes.request::<Self>(base, &self.query, &Format::Json)
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<QueryRun> {
        QueryRun::read(meta, body, None)?.unless_failed()
    }
}

/// Runs a stored query and gets its result as a file, as [`DownloadQuery`](super::DownloadQuery) does.
///
/// Source: Supermetrics API, "Short URLs", `GET /query/s/{query_id}/{format}`. Never sent again once it may have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct DownloadSavedQuery {
    query: SavedQueryId,
    format: Format,
    changes: Changes,
}

impl DownloadSavedQuery {
    /// The query of this id, in this format.
    pub fn new(query: impl Into<SavedQueryId>, format: Format) -> Self {
        Self { query: query.into(), format, changes: Changes::none() }
    }

    change_setters!();
}

impl Endpoint for DownloadSavedQuery {
    type Api = Supermetrics;
    type Output = Download;
    const OPERATION: &'static str = "supermetrics.saved_queries.download";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        self.changes.request::<Self>(base, &self.query, &self.format)
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Download> {
        Download::read(meta, body)
    }
}

id! {
    /// Id of a stored query.
    SavedQueryId
}

/// A stored query.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SavedQuery {
    /// Id.
    pub query_id: Option<SavedQueryId>,
    /// What its short URL names it.
    pub slug: Option<Box<str>>,
    /// Its name.
    pub name: Option<Box<str>>,
    /// Its data source.
    pub ds_info: Option<DataSourceInfo>,
    /// The group it belongs to.
    pub group_info: Option<QueryGroup>,
    /// What it asks, as it came. [`query`](Self::query) has it as a type.
    pub query_params: Option<RawJson>,
}

impl SavedQuery {
    /// What it asks, to be changed and run.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the stored parameters are none, or not in their documented shape.
    pub fn query(&self) -> Result<Query> {
        let text = self.query_params.as_ref().map_or("null", RawJson::json);
        serde_json::from_str(text).map_err(|_| {
            Error::new(ErrorKind::Decode, "the stored parameters do not have the documented shape")
        })
    }
}

/// The data source of a stored query.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct DataSourceInfo {
    /// Id, as [`Query::new`] takes it.
    pub ds_id: Option<Box<str>>,
    /// Name.
    pub name: Option<Box<str>>,
}

/// A group of stored queries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct QueryGroup {
    /// Id.
    #[serde(default, deserialize_with = "lenient::text")]
    pub group_id: Option<Box<str>>,
    /// Name.
    pub name: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supermetrics::tests::request_text;

    #[test]
    fn a_stored_query_is_got_and_run_by_its_id() {
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
