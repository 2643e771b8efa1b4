//! Runs of a schedule: list, trigger, get, cancel.

use std::time::Duration;

use base64::Engine as _;
use chrono::{DateTime, Utc};

use super::ids::{RunId, ScheduleId};
use super::list::{ListQuery, clause, list_setters, timestamp};
use super::{Accepted, Adobe};
use crate::client::{json, operation};
use crate::paging::Page;
use crate::run::Phase;
use crate::wire::patch::{Operation, Patch};
use crate::wire::{lenient, model, open_enum, time};

operation! {
    /// Lists the runs of one schedule, by default oldest first.
    ///
    /// Source: Query Service API, "Scheduled query runs", `GET /schedules/{id}/runs`.
    ///
    /// ```
    /// use scheduled_runs::adobe::{ListRuns, RunFilter, RunState};
    ///
    /// // The last four triggered runs that failed.
    /// let request = ListRuns::new("nightly")
    ///     .newest_first()
    ///     .limit(4)
    ///     .filter(RunFilter::state(RunState::Failed))
    ///     .filter(RunFilter::external_trigger(true));
    /// ```
    ListRuns { schedule: ScheduleId }
    pages { list: ListQuery, item: Run, key: id }
    for Adobe, "adobe.runs.list", Safe: GET "schedules" / {schedule} / "runs" -> Page<Run>
}

impl ListRuns {
    list_setters!(RunFilter);
}

/// A condition on the runs of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFilter(pub(super) String);

impl RunFilter {
    /// Created after this time.
    #[must_use]
    pub fn created_after(time: DateTime<Utc>) -> Self {
        Self(clause("created", ">", timestamp(time)))
    }

    /// Created before this time.
    #[must_use]
    pub fn created_before(time: DateTime<Utc>) -> Self {
        Self(clause("created", "<", timestamp(time)))
    }

    /// In this state.
    #[must_use]
    pub fn state(state: RunState) -> Self {
        Self(clause("state", "==", state))
    }

    /// In any other state.
    #[must_use]
    pub fn state_not(state: RunState) -> Self {
        Self(clause("state", "!=", state))
    }

    /// Started by a call ([`TriggerRun`]) if true, by the schedule's timetable if false.
    #[must_use]
    pub fn external_trigger(triggered: bool) -> Self {
        Self(clause("externalTrigger", "==", triggered))
    }

    /// A condition in the vendor's syntax, such as `state==QUARANTINED`. It must not hold a comma.
    #[must_use]
    pub fn raw(condition: impl Into<String>) -> Self {
        Self(condition.into())
    }
}

operation! {
    /// Starts a run of a schedule now, in addition to its timetable. The response does not name the run:
    /// [`RunProviderExt::trigger`](crate::RunProviderExt::trigger) sends this request and finds the run.
    ///
    /// [`RunProviderExt::prepare`](crate::RunProviderExt::prepare) starts a run so that it is found even if the process dies or the
    /// future is dropped.
    ///
    /// Refused if the schedule is disabled. Source: Query Service API, "Scheduled query runs", `POST /schedules/{id}/runs`.
    ///
    /// ```
    /// use scheduled_runs::adobe::TriggerRun;
    ///
    /// let request = TriggerRun::new("nightly");
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/schedules/nightly/runs");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    TriggerRun { schedule: ScheduleId }
    for Adobe, "adobe.runs.trigger", NotIdempotent: POST "schedules" / {schedule} / "runs" -> Accepted,
    decode json::accepted
}

operation! {
    /// Gets one run with its tasks.
    ///
    /// Source: Query Service API, "Scheduled query runs", `GET /schedules/{id}/runs/{run}`.
    GetRun { schedule: ScheduleId, run: RunId }
    for Adobe, "adobe.runs.get", Safe: GET "schedules" / {schedule} / "runs" / {run} -> Run
}

operation! {
    /// Requests the cancellation of a run. For a run that has ended the vendor accepts it too, and nothing changes.
    ///
    /// The state of a run afterwards is not documented (see [cancelled runs](super#cancelled-runs)), nor is the response to a second attempt. Source: Query Service API,
    /// "Scheduled query runs", `PATCH /schedules/{id}/runs/{run}` with the object `{"op":"cancel"}`.
    ///
    /// ```
    /// use scheduled_runs::adobe::CancelRun;
    ///
    /// let request = CancelRun::new("nightly", "bWFudWFsX18yMDI2");
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "PATCH");
    /// # assert_eq!(sent.url().path(), "/schedules/nightly/runs/bWFudWFsX18yMDI2");
    /// # assert_eq!(*sent.body(), r#"{"op":"cancel"}"#);
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    CancelRun { schedule: ScheduleId, run: RunId }
    for Adobe, "adobe.runs.cancel", NotIdempotent: PATCH "schedules" / {schedule} / "runs" / {run} -> Accepted,
    with |_, request| request.json(&Patch::Bare(Operation::Cancel)),
    decode json::accepted
}

impl RunId {
    /// Decodes what the id says about the run. `None` if it cannot be decoded.
    ///
    /// Inferred from samples: the id is base64 of kind and time, `scheduled__2020-01-08T12:30:00+00:00`. Do not sort or
    /// filter by it: in one sample the time differs by hours from the run's own `created`.
    ///
    /// ```
    /// use scheduled_runs::adobe::{RunId, RunKind};
    ///
    /// let id =
    ///     RunId::from("c2NoZWR1bGVkX18yMDIwLTAxLTA4VDEyOjMwOjAwKzAwOjAw").decode().unwrap();
    /// assert_eq!(id.kind, RunKind::Scheduled);
    /// assert_eq!(id.time.unwrap().to_rfc3339(), "2020-01-08T12:30:00+00:00");
    /// ```
    #[must_use]
    pub fn decode(&self) -> Option<DecodedRunId> {
        let bytes = base64::engine::general_purpose::STANDARD.decode(self.as_str()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (kind, time) = text.split_once("__")?;
        Some(DecodedRunId { kind: kind.into(), time: time::parse(time), text: text.into() })
    }
}

/// A decoded [`RunId`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodedRunId {
    /// What started the run.
    pub kind: RunKind,
    /// The time in the id; UTC if it has no zone.
    pub time: Option<DateTime<Utc>>,
    /// The whole decoded id, such as `manual__2018-10-12T04:36:19.937267`.
    pub text: Box<str>,
}

open_enum! {
    /// What started a run, according to its id.
    RunKind {
        /// The schedule's timetable.
        Scheduled = "scheduled",
        /// A call.
        Manual = "manual",
    }
}

model! {
    /// One run of a schedule.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Run {
        /// Id.
        pub id: RunId,
        /// State. Missing in some responses; the run then counts as running.
        pub state: Option<RunState>,
        /// Whether a call started it and not the schedule's timetable. Samples have a string, the API reference a boolean.
        pub external_trigger: Option<bool> as "externalTrigger" with lenient::boolean,
        /// The scheduled time, in UTC. Work may begin hours later, see [`TaskStatus::started`].
        pub created: Option<DateTime<Utc>> as "created" with time::lenient_utc,
        /// Version of the record.
        pub version: Option<u64> as "version" with lenient::count,
        /// The schedule. Only in the response to [`GetRun`].
        pub schedule_id: Option<ScheduleId> as "scheduleId",
        /// The tasks of the run. Only in the response to [`GetRun`]; empty in lists.
        pub tasks: Vec<TaskStatus> as "taskStatusList" with lenient::list,
    }
}

open_enum! {
    /// State of a run. Upper case in lists, lower case in the response to [`GetRun`].
    RunState {
        /// Finished successfully.
        Success = "SUCCESS",
        /// Running.
        InProgress = "IN_PROGRESS",
        /// Failed.
        Failed = "FAILED",
    }
}

impl RunState {
    /// The phase that this state means. [`RunProvider::fetch_run`](crate::RunProvider::fetch_run) also distinguishes queued runs
    /// from running ones, by their tasks, and cancelled runs from failed ones, by their queries.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Success => Phase::Succeeded,
            Self::InProgress => Phase::Running,
            Self::Failed => Phase::Failed,
            // Inferred: the state after a cancel is not documented. Cancelled queries are KILLED, and queries that took too
            // long are TIMEOUT.
            Self::Unknown(state) => match state.as_str().to_ascii_uppercase().as_str() {
                "KILLED" | "CANCELLED" | "CANCELED" => Phase::Cancelled,
                "TIMEOUT" => Phase::Failed,
                _ => Phase::Unknown,
            },
        }
    }

    /// Whether the run has ended. Also true for `KILLED`, `CANCELLED` and `TIMEOUT`, which the vendor does not document as states of
    /// runs; false for any other state that has no name here.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.phase().is_terminal()
    }
}

model! {
    /// The status of one task of a run.
    ///
    /// It does not say why a task failed: the query of the run does, see [`Query::errors`](super::Query::errors).
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct TaskStatus {
        /// Id.
        pub task_id: Option<Box<str>> as "taskId",
        /// State.
        pub state: Option<TaskState>,
        /// How long the work took, in whole seconds, rounded down. A number in samples, a string in the API reference.
        #[serde(serialize_with = "lenient::write_seconds")]
        pub duration: Option<Duration> as "duration" with lenient::seconds,
        /// When the work began. UTC; some responses have no zone.
        pub started: Option<DateTime<Utc>> as "startDate" with time::lenient_utc,
        /// When the work ended. UTC; some responses have no zone.
        pub ended: Option<DateTime<Utc>> as "endDate" with time::lenient_utc,
        /// Text for people, without details.
        pub message: Option<Box<str>>,
    }
}

open_enum! {
    /// State of a task.
    TaskState {
        /// Finished successfully.
        Success = "SUCCESS",
        /// Running.
        InProgress = "IN_PROGRESS",
        /// Failed.
        Failed = "FAILED",
        /// Failed, and waiting for a retry.
        QueuedForRetry = "QUEUED_FOR_RETRY",
        /// Waiting.
        Queued = "QUEUED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::tests::{request_text, utc};
    use crate::client::{Endpoint as _, PagedEndpoint as _};
    use crate::error::ErrorKind;
    use crate::paging::Cursor;
    use url::Url;

    #[test]
    fn listing_runs_always_sends_order_and_limit() {
        assert_eq!(
            request_text(&ListRuns::new("nightly")),
            "GET /schedules/nightly/runs?orderby=%2Bcreated&limit=20"
        );
        let all = ListRuns::new("nightly")
            .newest_first()
            .order_by(super::super::TimeField::Updated)
            .limit(4)
            .start(utc("2020-01-08T12:30:00Z"))
            .filter(RunFilter::created_after(utc("2020-01-01T00:00:00.5Z")))
            .filter(RunFilter::created_before(utc("2020-02-01T00:00:00Z")))
            .filter(RunFilter::state_not(RunState::Success))
            .filter(RunFilter::raw("externalTrigger==true"));
        assert_eq!(
            request_text(&all),
            "GET /schedules/nightly/runs?orderby=-updated&limit=4&start=2020-01-08T12%3A30%3A00Z\
             &property=created%3E2020-01-01T00%3A00%3A00.500Z%2Ccreated%3C2020-02-01T00%3A00%3A00Z\
             %2Cstate%21%3DSUCCESS%2CexternalTrigger%3D%3Dtrue"
        );
        let two = ListRuns::new("a")
            .filter(RunFilter::external_trigger(true))
            .filter(RunFilter::state(RunState::Success))
            .oldest_first();
        assert_eq!(
            request_text(&two),
            "GET /schedules/a/runs?orderby=%2Bcreated&limit=20&property=externalTrigger%3D%3Dtrue%2Cstate%3D%3DSUCCESS"
        );
    }

    #[test]
    fn a_cursor_replaces_order_and_start_of_the_first_request() {
        let first = ListRuns::new("a").limit(2).filter(RunFilter::external_trigger(true));
        let cursor = Cursor::new(
            "orderby=%2Bcreated&start=2020-01-08T13%3A30%3A00Z&isPrevLink=true&property=x&limit=9",
        );
        assert_eq!(
            request_text(&first.at(&cursor)),
            "GET /schedules/a/runs?orderby=%2Bcreated&limit=2&property=externalTrigger%3D%3Dtrue\
             &start=2020-01-08T13%3A30%3A00Z&isPrevLink=true"
        );
    }

    #[test]
    fn a_filter_the_vendor_cannot_express_is_refused() {
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        for request in
            [ListRuns::new("a").filter(RunFilter::raw("state==A,B")), ListRuns::new("a").limit(0)]
        {
            assert_eq!(request.to_request(&base).unwrap_err().kind(), ErrorKind::Config);
        }
    }

    #[test]
    fn triggering_sends_no_body_and_cancelling_a_bare_operation() {
        assert_eq!(request_text(&TriggerRun::new("nightly")), "POST /schedules/nightly/runs");
        assert_eq!(
            request_text(&GetRun::new("nightly", "c2No+/==")),
            "GET /schedules/nightly/runs/c2No%2B%2F%3D%3D"
        );
        assert_eq!(
            request_text(&CancelRun::new("nightly", "c2No")),
            "PATCH /schedules/nightly/runs/c2No\ncontent-type: application/json\n\n{\"op\":\"cancel\"}"
        );
    }

    #[test]
    fn run_ids_are_decoded_where_they_can_be() {
        let decode = |text: &str| {
            let id = base64::engine::general_purpose::STANDARD.encode(text);
            RunId::from(id).decode()
        };
        let scheduled = decode("scheduled__2026-02-03T04:00:00+00:00").unwrap();
        assert_eq!(
            (scheduled.kind, scheduled.time),
            (RunKind::Scheduled, Some(utc("2026-02-03T04:00:00Z")))
        );
        let manual = decode("manual__2026-02-03T04:05:06.789012").unwrap();
        assert_eq!(
            (manual.kind, manual.time),
            (RunKind::Manual, Some(utc("2026-02-03T04:05:06.789012Z")))
        );
        let odd = decode("backfill__soon").unwrap();
        assert_eq!((odd.kind.as_str(), odd.time, &*odd.text), ("backfill", None, "backfill__soon"));
        for id in ["", "plain", "####", "/w=="] {
            assert_eq!(RunId::from(id).decode(), None, "{id}");
        }
    }
}
