//! What was run: the history of a licence.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::Method;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use url::Url;

use super::query::{Texts, check_range};
use super::row_pages::{counted_page, nth, offset_of, page_count};
use super::runs::QueryState;
use super::schedule_id::ScheduleId;
use super::{Supermetrics, json_parameters};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, OffsetPages, PagedEndpoint};
use crate::error::Result;
use crate::paging::{Cursor, Page};
use crate::wire::{json, lenient, time};

/// Lists runs of queries: those to come, those that go on, and those that are over. Their order is not documented.
///
/// Source: Supermetrics API, "Get history", `GET /query/history`. Safe to repeat.
///
/// ```
/// use chrono::{TimeDelta, Utc};
/// use scheduled_runs::supermetrics::{ListHistory, QueryState};
///
/// let week = Utc::now() - TimeDelta::days(7);
/// let failed = ListHistory::new().ds_ids(["GAWA"]).states([QueryState::Failure]).since_time(week);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListHistory {
    ds_ids: Option<Texts>,
    states: Vec<QueryState>,
    since: Option<String>,
    until: Option<String>,
    limit: u32,
    cursor: Option<Cursor>,
}

impl Default for ListHistory {
    fn default() -> Self {
        Self {
            ds_ids: None,
            states: Vec::new(),
            since: None,
            until: None,
            limit: 100,
            cursor: None,
        }
    }
}

impl ListHistory {
    /// The runs of the last 24 hours.
    pub fn new() -> Self {
        Self::default()
    }

    /// Data sources, without regard to case. Old documentation wants at least one, newer does not.
    pub fn ds_ids(mut self, ids: impl Into<Texts>) -> Self {
        self.ds_ids = Some(ids.into());
        self
    }

    /// States. Left out, all.
    pub fn states(mut self, states: impl IntoIterator<Item = QueryState>) -> Self {
        self.states = states.into_iter().collect();
        self
    }

    /// Runs that were asked for since then: a date, a time, or relative, `10 minutes ago`. Left out, 24 hours; at most
    /// 90 days.
    pub fn since(mut self, time: impl Into<String>) -> Self {
        self.since = Some(time.into());
        self
    }

    /// As [`since`](Self::since), with a time in whole seconds.
    pub fn since_time(self, time: DateTime<Utc>) -> Self {
        self.since(time.to_rfc3339_opts(SecondsFormat::Secs, true))
    }

    /// Runs that were asked for until then, as [`since`](Self::since). Left out, until now.
    pub fn until(mut self, time: impl Into<String>) -> Self {
        self.until = Some(time.into());
        self
    }

    /// As [`until`](Self::until), with a time in whole seconds.
    pub fn until_time(self, time: DateTime<Utc>) -> Self {
        self.until(time.to_rfc3339_opts(SecondsFormat::Secs, true))
    }

    /// Runs of a page, 1 to 1000. Default 100.
    pub fn limit(mut self, runs: u32) -> Self {
        self.limit = runs;
        self
    }
}

impl Endpoint for ListHistory {
    type Api = Supermetrics;
    type Output = Page<HistoryEntry>;
    const OPERATION: &'static str = "supermetrics.history.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        #[derive(Serialize)]
        struct Parameters<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            ds_ids: Option<&'a Texts>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            status_codes: &'a [QueryState],
            #[serde(skip_serializing_if = "Option::is_none")]
            since: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            until: Option<&'a str>,
            offset: u32,
            limit: u32,
        }
        let offset = check_range("limit", Some(self.limit), 1..=1000)
            .and_then(|()| offset_of(self.cursor.as_ref()))
            .map_err(|error| error.with_operation(Self::OPERATION))?;
        let parameters = Parameters {
            ds_ids: self.ds_ids.as_ref(),
            status_codes: &self.states,
            since: self.since.as_deref(),
            until: self.until.as_deref(),
            offset,
            limit: self.limit,
        };
        let builder = ApiRequest::of::<Self>(Method::GET, base, &["query", "history"]);
        json_parameters(builder, &parameters).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<HistoryEntry>> {
        let answer: ListAnswer<HistoryEntry> = json::decode(meta, body)?;
        let total = answer.total();
        counted_page(answer.data, self.cursor.as_ref(), total, self.limit)
    }
}

impl PagedEndpoint for ListHistory {
    type Item = HistoryEntry;

    fn at(&self, cursor: &Cursor) -> Self {
        Self { cursor: Some(cursor.clone()), ..self.clone() }
    }
}

impl OffsetPages for ListHistory {
    fn page_count(&self, first: &Page<HistoryEntry>) -> usize {
        page_count(first, self.limit)
    }

    fn nth(&self, _: &Page<HistoryEntry>, number: usize) -> Cursor {
        nth(number, self.limit)
    }
}

/// A list that is counted in `meta.paginate`.
#[derive(Deserialize)]
#[serde(bound = "T: serde::de::DeserializeOwned")]
pub(super) struct ListAnswer<T> {
    #[serde(default, deserialize_with = "lenient::object")]
    meta: Option<ListMeta>,
    #[serde(default, deserialize_with = "lenient::list")]
    pub(super) data: Vec<T>,
}

#[derive(Deserialize)]
struct ListMeta {
    #[serde(default, deserialize_with = "lenient::object")]
    paginate: Option<Counters>,
}

#[derive(Deserialize)]
struct Counters {
    #[serde(default, deserialize_with = "lenient::count")]
    total: Option<u64>,
}

impl<T> ListAnswer<T> {
    /// Items of the whole list.
    pub(super) fn total(&self) -> Option<u64> {
        self.meta.as_ref()?.paginate.as_ref()?.total
    }
}

/// One run in the history.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// When it was asked for. Inferred: UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub schedule_time: Option<DateTime<Utc>>,
    /// Id of the run.
    pub schedule_id: Option<ScheduleId>,
    /// How it stands.
    #[serde(rename = "status_code")]
    pub state: Option<QueryState>,
    /// The vendor's product that asked for it.
    #[serde(default, deserialize_with = "lenient::text")]
    pub app_id: Option<Box<str>>,
    /// Data source.
    pub ds_id: Option<Box<str>>,
    /// Rows of the result; of runs that have ended only.
    #[serde(default, deserialize_with = "lenient::count")]
    pub rows: Option<u64>,
    /// How long the run took; of runs that have ended only. Inferred: the member's name is not documented.
    #[serde(rename = "run_seconds", default, deserialize_with = "lenient::seconds")]
    pub run_time: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supermetrics::tests::request_text;

    #[test]
    fn the_history_is_asked_for_in_pages_and_filtered_when_asked() {
        assert_eq!(
            request_text(&ListHistory::new()),
            r#"GET /query/history?json={"offset":0,"limit":100}"#
        );
        let time = DateTime::parse_from_rfc3339("2026-02-03T04:05:06.789Z").unwrap().to_utc();
        let all = ListHistory::new()
            .ds_ids("GA, AW")
            .states([QueryState::Failure, QueryState::from("lost")])
            .since("10 minutes ago")
            .until_time(time)
            .limit(1000);
        assert_eq!(
            request_text(&all.at(&Cursor::new("offset=2000"))),
            r#"GET /query/history?json={"ds_ids":"GA, AW","status_codes":["FAILURE","lost"],"since":"10 minutes ago","until":"2026-02-03T04:05:06Z","offset":2000,"limit":1000}"#
        );
        assert_eq!(
            request_text(&ListHistory::new().ds_ids(["GA"]).since_time(time)),
            r#"GET /query/history?json={"ds_ids":["GA"],"since":"2026-02-03T04:05:06Z","offset":0,"limit":100}"#
        );
        let base = Url::parse("https://host").unwrap();
        assert!(ListHistory::new().limit(1001).to_request(&base).is_err());
    }
}
