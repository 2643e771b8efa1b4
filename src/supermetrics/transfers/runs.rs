//! Runs of a transfer: each loads the data of one day.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use super::super::list::ListQuery;
use super::{RunId, TransferId, Transfers, check_days, date, decode_data, objects, required_id};
use crate::client::operation;
use crate::paging::Page;
use crate::run::Phase;
use crate::wire::{lenient, model, open_enum, time};

/// The largest page of runs. Source: Management API reference, "List transfer runs", in the prose.
const LARGEST_PAGE: u32 = 10_000;

operation! {
    /// Lists the runs of a transfer within days, the first and the last of them included.
    ///
    /// Whether these days are those on which runs were created, or those whose data they loaded, is not documented: request more days
    /// than you need, and filter by the members of the runs. The vendor documents no order either, unless you set one. It counts no
    /// runs and sends no links, so that the list ends with a page that is not full; if runs are created while you read, pages
    /// overlap, and a run that was on the page before is left out.
    ///
    /// Source: Management API reference, "List transfer runs", `GET /teams/{team}/transfers/{transfer}/runs`.
    ListTransferRuns { transfer: TransferId, first_day: NaiveDate, last_day: NaiveDate }
    state { issues_only: bool, time_field: Option<TimeField>, direction: Option<&'static str> }
    pages { list: ListQuery, item: TransferRun, key: id }
    for Transfers, "supermetrics.transfer_runs.list", Safe:
    GET "transfers" / {transfer} / "runs" -> Page<TransferRun>,
    with |this, request| request
        .check(check_days(this.first_day, this.last_day))
        .check(this.list.check(LARGEST_PAGE))
        .query("start_date", Some(format_args!("{}T00:00:00+00:00", this.first_day)))
        .query("end_date", Some(format_args!("{}T23:59:59+00:00", this.last_day)))
        .query("filter_issues_only", this.issues_only.then_some(true))
        .query("sort_field", this.time_field.as_ref())
        .query("sort_direction", this.direction)
        .query("limit", Some(this.list.limit))
        .query("offset", this.list.offset)
}

impl ListTransferRuns {
    /// Lists only runs with issues. What an issue is, the vendor does not document.
    pub fn issues_only(mut self) -> Self {
        self.issues_only = true;
        self
    }

    /// The time or date by which the runs are sorted.
    pub fn order_by(mut self, field: TimeField) -> Self {
        self.time_field = Some(field);
        self
    }

    /// Newest first.
    pub fn newest_first(mut self) -> Self {
        self.direction = Some("DESC");
        self
    }

    /// Oldest first.
    pub fn oldest_first(mut self) -> Self {
        self.direction = Some("ASC");
        self
    }

    /// Runs per page, 1 to 10000. Default 100, as at the vendor.
    pub fn limit(mut self, runs: u32) -> Self {
        self.list.limit = runs;
        self
    }
}

operation! {
    /// Gets one run, with what its queries did, by its id, `880102`, or by that which [a provider](super#runs) gives it, `run-880102`.
    /// The response names neither the transfer nor what has started the run.
    ///
    /// Source: Management API reference, "Get transfer run details", `GET /teams/{team}/transfer_runs/{run}`.
    GetTransferRun { run: RunId } without new
    for Transfers, "supermetrics.transfer_runs.get", Safe: GET "transfer_runs" / {run} -> TransferRunDetail,
    decode decode_data
}

impl GetTransferRun {
    /// Gets this run.
    pub fn new(run: impl Into<RunId>) -> Self {
        Self { run: run.into().without_kind() }
    }
}

open_enum! {
    /// By which time runs are sorted.
    TimeField {
        /// When the run was created.
        Created = "created_time",
        /// When it ended.
        Ended = "ended_time",
        /// The day whose data it loads.
        DataDate = "data_date",
    }
}

open_enum! {
    /// Status of a run, and of each of its queries. The vendor documents no list of them.
    RunStatus {
        /// Succeeded.
        Completed = "COMPLETED",
        /// Failed.
        Failed = "FAILED",
        /// Cancelled. Inferred: it is spelt as that of a [backfill](super::BackfillStatus).
        Cancelled = "CANCELLED",
    }
}

open_enum! {
    /// What has started a run.
    RunType {
        /// The schedule of the transfer.
        Recurring = "Recurring",
        /// A [backfill](super::Backfill).
        Backfill = "Backfill",
    }
}

model! {
    /// A run, as it is listed.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct TransferRun {
        /// Id.
        pub id: RunId as "id" required required_id,
        /// Status.
        pub status: Option<RunStatus>,
        /// When it was created. UTC.
        pub created_time: Option<DateTime<Utc>> as "created_time" with time::lenient_utc,
        /// When it ended. UTC.
        pub ended_time: Option<DateTime<Utc>> as "ended_time" with time::lenient_utc,
        /// What has started it.
        pub run_type: Option<RunType> as "type",
        /// How long its queries took, added up.
        #[serde(serialize_with = "lenient::write_seconds")]
        pub total_duration: Option<Duration> as "total_duration" with lenient::seconds,
        /// Rows that it loaded.
        pub total_rows: Option<u64> as "total_rows" with lenient::count,
        /// The day whose data it loads.
        pub data_date: Option<NaiveDate> as "data_date" with date,
        /// Why it failed; empty if it did not.
        pub message: Option<Box<str>>,
    }
}

impl TransferRun {
    /// The phase that corresponds to its status and its end.
    #[must_use]
    pub fn phase(&self) -> Phase {
        phase(self.status.as_ref(), self.ended_time)
    }
}

model! {
    /// A run, with what its queries did.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct TransferRunDetail {
        /// Id.
        pub id: RunId as "id" required required_id,
        /// Status.
        pub status: Option<RunStatus>,
        /// When it was created. UTC.
        pub created_time: Option<DateTime<Utc>> as "created_time" with time::lenient_utc,
        /// When it was queued. UTC.
        pub queued_time: Option<DateTime<Utc>> as "queued_time" with time::lenient_utc,
        /// When work began. UTC.
        pub started_time: Option<DateTime<Utc>> as "started_time" with time::lenient_utc,
        /// When it ended. UTC.
        pub ended_time: Option<DateTime<Utc>> as "ended_time" with time::lenient_utc,
        /// What its queries did.
        pub query_details: Vec<QueryDetails> as "query_details" with objects,
        /// Another id of the run. Which one, the vendor does not document.
        pub external_id: Option<Box<str>> as "external_id" with lenient::text,
        /// Queries that failed.
        pub failed_query_amount: Option<u64> as "failed_query_amount" with lenient::count,
        /// Queries in all.
        pub query_amount: Option<u64> as "query_amount" with lenient::count,
        /// How long its queries took, added up.
        #[serde(serialize_with = "lenient::write_seconds")]
        pub total_duration: Option<Duration> as "total_duration" with lenient::seconds,
        /// Rows that it loaded.
        pub total_rows: Option<u64> as "total_rows" with lenient::count,
        /// The day whose data it loads.
        pub data_date: Option<NaiveDate> as "data_date" with date,
        /// Why it failed; empty if it did not.
        pub message: Option<Box<str>>,
    }
}

impl TransferRunDetail {
    /// The phase that corresponds to its status and its end.
    #[must_use]
    pub fn phase(&self) -> Phase {
        phase(self.status.as_ref(), self.ended_time)
    }
}

model! {
    /// A query of a run at the data source.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct QueryDetails {
        /// How long it took.
        #[serde(serialize_with = "lenient::write_seconds")]
        pub duration: Option<Duration> as "duration" with lenient::seconds,
        /// Status.
        pub status: Option<RunStatus>,
        /// Rows that it found.
        pub rows: Option<u64> as "rows" with lenient::count,
        /// Why it failed.
        pub error_description: Option<Box<str>>,
    }
}

/// A status without a name here is that of a run that goes on, unless the vendor says when the run ended. Then nothing says that
/// it succeeded.
fn phase(status: Option<&RunStatus>, ended: Option<DateTime<Utc>>) -> Phase {
    match status {
        Some(RunStatus::Completed) => Phase::Succeeded,
        Some(RunStatus::Failed) => Phase::Failed,
        Some(RunStatus::Cancelled) => Phase::Cancelled,
        Some(RunStatus::Unknown(_)) | None if ended.is_some() => Phase::Failed,
        Some(RunStatus::Unknown(_)) | None => Phase::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{day, refused, request_text};
    use super::*;
    use crate::client::PagedEndpoint as _;
    use crate::paging::Cursor;

    fn list() -> ListTransferRuns {
        ListTransferRuns::new("5017", day("2026-03-01"), day("2026-03-31"))
    }

    #[test]
    fn runs_are_requested_as_the_vendors_client_does() {
        let days = "start_date=2026-03-01T00%3A00%3A00%2B00%3A00&end_date=2026-03-31T23%3A59%3A59%2B00%3A00";
        assert_eq!(
            request_text(&list()),
            format!("GET /transfers/5017/runs?{days}&limit=100&offset=0")
        );
        let sorted = list().issues_only().order_by(TimeField::Created).newest_first().limit(10_000);
        assert_eq!(
            request_text(&sorted.at(&Cursor::new("offset=20000"))),
            format!(
                "GET /transfers/5017/runs?{days}&filter_issues_only=true&sort_field=created_time&sort_direction=DESC&limit=10000&offset=20000"
            )
        );
        assert!(request_text(&list().oldest_first()).contains("sort_direction=ASC"));
        assert_eq!(request_text(&GetTransferRun::new("880")), "GET /transfer_runs/880");
    }

    #[test]
    fn a_list_that_cannot_be_is_refused() {
        refused(&list().limit(0));
        refused(&list().limit(10_001));
        refused(&list().at(&Cursor::new("page=2")));
        refused(&ListTransferRuns::new("5017", day("2026-03-02"), day("2026-03-01")));
        refused(&ListTransferRuns::new("", day("2026-03-01"), day("2026-03-01")));
    }

    #[test]
    fn the_end_of_a_run_counts_where_its_status_has_no_name() {
        let end = Some(DateTime::UNIX_EPOCH);
        for (status, ended, expected) in [
            (Some("completed"), None, Phase::Succeeded),
            (Some("FAILED"), end, Phase::Failed),
            (Some("CANCELLED"), None, Phase::Cancelled),
            (Some("QUEUED"), None, Phase::Unknown),
            (Some("DONE"), end, Phase::Failed),
            (None, None, Phase::Unknown),
            (None, end, Phase::Failed),
        ] {
            let status = status.map(RunStatus::from);
            assert_eq!(phase(status.as_ref(), ended), expected, "{status:?} {ended:?}");
        }
    }
}
