//! Backfills: runs of a transfer for past days, made by callers.

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

use super::{
    BackfillId, TransferId, Transfers, check_days, date, decode_data, decode_list, objects,
    optional_id, required_id,
};
use crate::client::{Meta, operation};
use crate::error::Result;
use crate::run::Phase;
use crate::wire::{lenient, model, open_enum, time};

operation! {
    /// Creates a backfill: the vendor loads the data of each day from the first to the last once more, one run for each, the
    /// newest day first.
    ///
    /// A range that overlaps an active backfill of the transfer is refused. Inferred: with status 422. How many days a range may have
    /// depends on the licence and on the data source.
    ///
    /// Source: Management API reference, "Create a backfill", `POST /teams/{team}/transfers/{transfer}/backfills`.
    CreateBackfill { transfer: TransferId, first_day: NaiveDate, last_day: NaiveDate }
    for Transfers, "supermetrics.backfills.create", NotIdempotent:
    POST "transfers" / {transfer} / "backfills" -> Backfill,
    with |this, request| request
        .check(check_days(this.first_day, this.last_day))
        .json(&json!({ "range_start": this.first_day, "range_end": this.last_day })),
    decode decode_data
}

operation! {
    /// Gets one backfill, by its id, `70211`, or by that of a [run](super#runs), `backfill-70211`. It does not name its runs.
    ///
    /// Source: Management API reference, "Get backfill by ID", `GET /teams/{team}/backfills/{backfill}`.
    GetBackfill { backfill: BackfillId } without new
    for Transfers, "supermetrics.backfills.get", Safe: GET "backfills" / {backfill} -> Backfill,
    decode decode_data
}

impl GetBackfill {
    /// Gets this backfill.
    pub fn new(backfill: impl Into<BackfillId>) -> Self {
        Self { backfill: backfill.into().without_kind() }
    }
}

operation! {
    /// Gets the backfill of a transfer that was created last, whatever its status. A transfer that never had one is
    /// [`NotFound`](crate::ErrorKind::NotFound), and so is one that does not exist.
    ///
    /// Source: Management API reference, "Get latest backfill", `GET /teams/{team}/transfers/{transfer}/backfills/latest`.
    GetLatestBackfill { transfer: TransferId }
    for Transfers, "supermetrics.backfills.get_latest", Safe:
    GET "transfers" / {transfer} / "backfills" / "latest" -> Backfill,
    decode decode_data
}

operation! {
    /// Lists the backfills of all transfers of the team that are not complete, newest first; at most 100. Those that
    /// [failed](BackfillStatus::Failed) are among them. Of those that are complete or cancelled there is no list.
    ///
    /// Source: Management API reference, "List incomplete backfills for team", `GET /teams/{team}/backfills`.
    ListIncompleteBackfills {}
    for Transfers, "supermetrics.backfills.list_incomplete", Safe: GET "backfills" -> Vec<Backfill>,
    decode decode_list
}

operation! {
    /// Cancels a backfill, by its id, `70211`, or by that of a [run](super#runs), `backfill-70211`. Runs that are queued are
    /// cancelled, runs that have begun go on to their end. One that has ended is refused with status 422; one that
    /// [failed](BackfillStatus::Failed) is not.
    ///
    /// Source: Management API reference, "Update backfill status", `PATCH /teams/{team}/backfills/{backfill}`.
    CancelBackfill { backfill: BackfillId } without new
    for Transfers, "supermetrics.backfills.cancel", NotIdempotent: PATCH "backfills" / {backfill} -> Option<Backfill>,
    with |_, request| request.json(&json!({ "status": BackfillStatus::Cancelled })),
    decode decode_change
}

impl CancelBackfill {
    /// Cancels this backfill.
    pub fn new(backfill: impl Into<BackfillId>) -> Self {
        Self { backfill: backfill.into().without_kind() }
    }
}

/// Any 2xx accepts the change, also without the backfill.
#[inline]
fn decode_change(meta: &Meta, body: &Bytes) -> Result<Option<Backfill>> {
    if body.trim_ascii().is_empty() { Ok(None) } else { decode_data(meta, body).map(Some) }
}

open_enum! {
    /// Status of a backfill. One whose status this crate does not know counts as running.
    BackfillStatus {
        /// Accepted; its runs are not created yet.
        Created = "CREATED",
        /// Its runs are created.
        Scheduled = "SCHEDULED",
        /// Running.
        Running = "RUNNING",
        /// Ended. Whether runs may have failed is not documented: see [`Backfill::phase`].
        Completed = "COMPLETED",
        /// A run failed. The vendor still calls it incomplete, and lets callers cancel it. Inferred: it does not run again.
        Failed = "FAILED",
        /// Cancelled.
        Cancelled = "CANCELLED",
    }
}

model! {
    /// A backfill.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Backfill {
        /// Id.
        pub id: BackfillId as "transfer_backfill_id" required required_id,
        /// Id of its transfer.
        pub transfer_id: Option<TransferId> as "transfer_id" with optional_id,
        /// The first day.
        pub range_start_date: Option<NaiveDate> as "range_start_date" with date,
        /// The last day, which belongs to the range.
        pub range_end_date: Option<NaiveDate> as "range_end_date" with date,
        /// When it was created. UTC.
        pub created_time: Option<DateTime<Utc>> as "created_time" with time::lenient_utc,
        /// Who created it.
        pub created_user_id: Option<Box<str>> as "created_user_id" with lenient::text,
        /// When it was cancelled. UTC.
        pub removed_time: Option<DateTime<Utc>> as "removed_time" with time::lenient_utc,
        /// Who cancelled it.
        pub removed_user_id: Option<Box<str>> as "removed_user_id" with lenient::text,
        /// When work began. UTC.
        pub start_time: Option<DateTime<Utc>> as "start_time" with time::lenient_utc,
        /// When it ended. UTC.
        pub end_time: Option<DateTime<Utc>> as "end_time" with time::lenient_utc,
        /// Status.
        pub status: Option<BackfillStatus>,
        /// Its runs: one for each day.
        pub transfer_runs_total: Option<u64> as "transfer_runs_total" with lenient::count,
        /// Runs that were created so far.
        pub transfer_runs_created: Option<u64> as "transfer_runs_created" with lenient::count,
        /// Runs that succeeded.
        pub transfer_runs_completed: Option<u64> as "transfer_runs_completed" with lenient::count,
        /// Runs that failed.
        pub transfer_runs_failed: Option<u64> as "transfer_runs_failed" with lenient::count,
        /// Why runs failed.
        pub error_report: Vec<FailedDay> as "error_report" with objects,
    }
}

impl Backfill {
    /// The phase that corresponds to its status. A complete backfill with a failed run has failed.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let no_run_failed =
            self.transfer_runs_failed.unwrap_or_default() == 0 && self.error_report.is_empty();
        match self.status {
            Some(BackfillStatus::Created | BackfillStatus::Scheduled) => Phase::Queued,
            Some(BackfillStatus::Running) => Phase::Running,
            Some(BackfillStatus::Completed) if no_run_failed => Phase::Succeeded,
            Some(BackfillStatus::Completed | BackfillStatus::Failed) => Phase::Failed,
            Some(BackfillStatus::Cancelled) => Phase::Cancelled,
            Some(BackfillStatus::Unknown(_)) | None => Phase::Unknown,
        }
    }

    /// The day, if the range has only one.
    pub(super) fn only_day(&self) -> Option<NaiveDate> {
        self.range_start_date.filter(|day| self.range_end_date == Some(*day))
    }
}

model! {
    /// A day that could not be loaded.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct FailedDay {
        /// The day.
        pub transfer_run_date: Option<NaiveDate> as "transfer_run_date" with date,
        /// Why, in the vendor's words.
        pub error: Option<Box<str>>,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{day, refused, request_text};
    use super::*;

    #[test]
    fn backfills_are_requested_as_the_vendors_client_does() {
        assert_eq!(
            request_text(&CreateBackfill::new("5017", day("2026-03-01"), day("2026-03-02"))),
            "POST /transfers/5017/backfills\ncontent-type: application/json\n\n{\"range_end\":\"2026-03-02\",\"range_start\":\"2026-03-01\"}"
        );
        assert_eq!(request_text(&GetBackfill::new("702")), "GET /backfills/702");
        assert_eq!(
            request_text(&GetLatestBackfill::new("5017")),
            "GET /transfers/5017/backfills/latest"
        );
        assert_eq!(request_text(&ListIncompleteBackfills::new()), "GET /backfills");
        assert_eq!(
            request_text(&CancelBackfill::new("702")),
            "PATCH /backfills/702\ncontent-type: application/json\n\n{\"status\":\"CANCELLED\"}"
        );
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_refused() {
        let error = refused(&CreateBackfill::new("5017", day("2026-03-02"), day("2026-03-01")));
        assert!(error.contains("2026-03-02, is after 2026-03-01"), "{error}");
        refused(&GetBackfill::new(""));
    }

    #[test]
    fn every_status_has_a_phase() {
        let backfill = |members: &str| {
            let json = format!(r#"{{"transfer_backfill_id":1{members}}}"#);
            serde_json::from_str::<Backfill>(&json).unwrap().phase()
        };
        for (members, phase) in [
            ("", Phase::Unknown),
            (r#","status":"CREATED""#, Phase::Queued),
            (r#","status":"scheduled""#, Phase::Queued),
            (r#","status":"RUNNING""#, Phase::Running),
            (r#","status":"COMPLETED""#, Phase::Succeeded),
            (r#","status":"COMPLETED","transfer_runs_failed":1"#, Phase::Failed),
            (r#","status":"COMPLETED","error_report":[{"error":"no"}]"#, Phase::Failed),
            (r#","status":"FAILED""#, Phase::Failed),
            (r#","status":"CANCELLED""#, Phase::Cancelled),
            (r#","status":"PENDING""#, Phase::Unknown),
        ] {
            assert_eq!(backfill(members), phase, "{members}");
        }
    }
}
