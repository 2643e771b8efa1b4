//! The history of a licence: which queries were run.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use super::Supermetrics;
use super::list::ListQuery;
use super::parameters::{Parameters, json_parameters};
use super::query::Texts;
use super::schedule_id::ScheduleId;
use super::state::QueryState;
use crate::client::operation;
use crate::paging::Page;
use crate::wire::{lenient, model, time};

operation! {
    /// Lists runs of queries: waiting, running and ended. Their order is not documented. If no time is set, it lists
    /// the runs of the last 24 hours.
    ///
    /// Source: Supermetrics API, "Get history", `GET /query/history`.
    ///
    /// ```
    /// use chrono::{TimeDelta, Utc};
    /// use scheduled_runs::supermetrics::{ListHistory, QueryState};
    ///
    /// let week = Utc::now() - TimeDelta::days(7);
    /// let failed =
    ///     ListHistory::new().ds_ids(["GAWA"]).states([QueryState::Failure]).since_time(week);
    /// ```
    ListHistory {}
    state { ds_ids: Option<Texts>, states: Option<Vec<QueryState>>, since: Option<String>, until: Option<String> }
    pages counted { list: ListQuery, item: HistoryEntry }
    for Supermetrics, "supermetrics.history.list", Safe: GET "query" / "history" -> Page<HistoryEntry>,
    with |this, request| json_parameters(
        request
            .check(this.list.check(1000))
            .check(this.ds_ids.as_ref().map_or(Ok(()), |ids| ids.check_ids("ds_ids"))),
        &Parameters([
            ("ds_ids", json!(this.ds_ids)),
            ("status_codes", json!(this.states)),
            ("since", json!(this.since)),
            ("until", json!(this.until)),
            ("offset", json!(this.list.offset)),
            ("limit", json!(this.list.limit)),
        ]),
    )
}

impl ListHistory {
    /// Data sources, in upper or lower case. The older documentation requires at least one, the newer one does not.
    pub fn ds_ids(mut self, ids: impl Into<Texts>) -> Self {
        self.ds_ids = Some(ids.into());
        self
    }

    /// States. If not set or empty, all.
    pub fn states(mut self, states: impl IntoIterator<Item = QueryState>) -> Self {
        self.states =
            Some(states.into_iter().collect()).filter(|states: &Vec<_>| !states.is_empty());
        self
    }

    /// Runs that were scheduled at or after this time: a date, a time, or a relative one, such as `10 minutes ago`. If
    /// not set, 24 hours ago; at most 90 days ago.
    pub fn since(mut self, time: impl Into<String>) -> Self {
        self.since = Some(time.into());
        self
    }

    /// As [`since`](Self::since), with a time, sent in whole seconds.
    pub fn since_time(self, time: DateTime<Utc>) -> Self {
        self.since(time.to_rfc3339_opts(SecondsFormat::Secs, true))
    }

    /// Runs that were scheduled up to this time, in the form of [`since`](Self::since). If not set, now.
    pub fn until(mut self, time: impl Into<String>) -> Self {
        self.until = Some(time.into());
        self
    }

    /// As [`until`](Self::until), with a time, sent in whole seconds.
    pub fn until_time(self, time: DateTime<Utc>) -> Self {
        self.until(time.to_rfc3339_opts(SecondsFormat::Secs, true))
    }

    /// Runs per page, 1 to 1000. Default 100.
    pub fn limit(mut self, runs: u32) -> Self {
        self.list.limit = runs;
        self
    }
}

model! {
    /// One run in the history.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct HistoryEntry {
        /// When the run was scheduled. Inferred: UTC.
        pub schedule_time: Option<DateTime<Utc>> as "schedule_time" with time::lenient_utc,
        /// Id of the run.
        pub schedule_id: Option<ScheduleId>,
        /// State of the run.
        pub state: Option<QueryState> as "status_code",
        /// The vendor's product that started the run.
        pub app_id: Option<Box<str>> as "app_id" with lenient::text,
        /// Data source.
        pub ds_id: Option<Box<str>>,
        /// Rows of the result. Only runs that have ended have it.
        pub rows: Option<u64> as "rows" with lenient::count,
        /// How long the run took. Only runs that have ended have it. Inferred: the name of this member is not documented.
        #[serde(serialize_with = "lenient::write_seconds")]
        pub run_time: Option<Duration> as "run_seconds" with lenient::seconds,
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::client::{Endpoint as _, PagedEndpoint as _};
    use crate::paging::Cursor;
    use crate::supermetrics::tests::request_text;

    #[test]
    fn the_history_is_requested_in_pages_and_with_filters() {
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
            r#"GET /query/history?json={"ds_ids":["GA","AW"],"status_codes":["FAILURE","lost"],"since":"10 minutes ago","until":"2026-02-03T04:05:06Z","offset":2000,"limit":1000}"#
        );
        assert_eq!(
            request_text(&ListHistory::new().ds_ids(["GA"]).since_time(time)),
            r#"GET /query/history?json={"ds_ids":["GA"],"since":"2026-02-03T04:05:06Z","offset":0,"limit":100}"#
        );
        let base = Url::parse("https://host").unwrap();
        for refused in [ListHistory::new().limit(1001), ListHistory::new().ds_ids(["GA,AW"])] {
            assert!(refused.to_request(&base).is_err());
        }
    }
}
