//! Runs of a schedule: start one, list them. The vendor has no operation that gets one.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::Deserialize;
use url::Url;

use super::request::{Mark, Paging, by_rid, page_of, page_size_setter, preview_setter, start_at};
use super::{BuildRid, Foundry, Preview, ScheduleRid, ScheduleRunRid, ScheduleVersionRid};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, PagedEndpoint};
use crate::error::Result;
use crate::paging::{Cursor, Page};
use crate::wire::{json, open_enum, open_union, time};

by_rid! {
    /// Starts a run of a schedule now, beside its trigger. The answer names the run.
    ///
    /// A schedule whose run is going on refuses it with
    /// [`SCHEDULE_ALREADY_RUNNING`](super::error_name::SCHEDULE_ALREADY_RUNNING). Source: Foundry API reference,
    /// Orchestration v2, "Run Schedule". Each call starts a run, so it is never
    /// sent again once it may have been carried out.
    ///
    /// ```
    /// use scheduled_runs::foundry::RunSchedule;
    ///
    /// let request = RunSchedule::new("ri.scheduler.main.schedule.1");
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/v2/orchestration/schedules/ri.scheduler.main.schedule.1/run");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    RunSchedule(schedule: ScheduleRid) -> ScheduleRun {
        POST "schedules" / rid / "run", stable, NotIdempotent, "foundry.schedules.run", json::decode,
    }
}

/// Lists the runs of one schedule. Inferred: newest first; the vendor says "most recent".
///
/// Source: Foundry API reference, Orchestration v2, "List Runs Of Schedule". Safe to repeat.
///
/// ```
/// use scheduled_runs::foundry::ListScheduleRuns;
///
/// let request = ListScheduleRuns::new("ri.scheduler.main.schedule.1").page_size(50);
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "GET");
/// # assert_eq!(sent.url().path(), "/v2/orchestration/schedules/ri.scheduler.main.schedule.1/runs");
/// # assert_eq!(sent.url().query(), Some("pageSize=50"));
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListScheduleRuns {
    schedule: ScheduleRid,
    paging: Paging,
    preview: Option<Preview>,
}

impl ListScheduleRuns {
    /// The runs of this schedule.
    pub fn new(schedule: impl Into<ScheduleRid>) -> Self {
        Self { schedule: schedule.into(), paging: Paging::default(), preview: None }
    }

    page_size_setter!();
    preview_setter!();
}

impl Endpoint for ListScheduleRuns {
    type Api = Foundry;
    type Output = Page<ScheduleRun>;
    const OPERATION: &'static str = "foundry.schedule_runs.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let rid = self.schedule.as_str();
        let path = ["v2", "orchestration", "schedules", rid, "runs"];
        let named = ("schedule", rid);
        let builder = start_at::<Self>(Method::GET, base, &path, Mark::stable(self.preview), named);
        self.paging.write(builder).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<ScheduleRun>> {
        page_of(meta, body)
    }
}

impl PagedEndpoint for ListScheduleRuns {
    type Item = ScheduleRun;

    fn at(&self, cursor: &Cursor) -> Self {
        let mut request = self.clone();
        request.paging.cursor = Some(cursor.clone());
        request
    }

    fn key(run: &ScheduleRun) -> Option<&str> {
        Some(run.rid.as_str())
    }
}

/// One run of a schedule. It has no state of its own: see [`result`](Self::result), and the build that it names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScheduleRun {
    /// RID.
    pub rid: ScheduleRunRid,
    /// The schedule.
    pub schedule_rid: Option<ScheduleRid>,
    /// The version of the schedule that ran.
    pub schedule_version_rid: Option<ScheduleVersionRid>,
    /// When it was created. UTC. Missing in answers of older versions.
    #[serde(rename = "createdTime", default, deserialize_with = "time::lenient_utc")]
    pub created: Option<DateTime<Utc>>,
    /// The user who started it, a UUID; `None` for one that the schedule's trigger started.
    pub created_by: Option<Box<str>>,
    /// What came of it; `None` while the vendor has not decided.
    pub result: Option<ScheduleRunResult>,
}

open_union! {
    /// What came of a run.
    ///
    /// Source: Foundry API reference, Orchestration v2, "List Runs Of Schedule". No page of the vendor shows one: that it
    /// has a `type` is known from the vendor's own libraries, and the other two shapes are read as well.
    ScheduleRunResult {
        /// Nothing: all targets were up to date.
        Ignored = "ignored" {},
        /// A build, which now decides how the run ends.
        Submitted = "submitted" {
            /// The build.
            build_rid: BuildRid,
        },
        /// The run could not be started.
        Error = "error" {
            /// What kind of error.
            error_name: Option<ScheduleRunErrorName>,
            /// A sentence for people.
            description: Option<Box<str>>,
        },
    }
}

open_enum! {
    /// Why a run could not be started. Older versions write the same names as `TargetResolutionFailure`.
    ScheduleRunErrorName {
        /// What to build could not be found out.
        TargetResolutionFailure = "TARGETRESOLUTIONFAILURE",
        /// Something is made of itself.
        CyclicDependency = "CYCLICDEPENDENCY",
        /// The targets cannot be built together.
        IncompatibleTargets = "INCOMPATIBLETARGETS",
        /// The schedule may not build this.
        PermissionDenied = "PERMISSIONDENIED",
        /// A target has no logic.
        JobSpecNotFound = "JOBSPECNOTFOUND",
        /// The user under whose rights it runs is gone.
        ScheduleOwnerNotFound = "SCHEDULEOWNERNOTFOUND",
        /// The vendor failed.
        Internal = "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::foundry::tests::{SCHEDULE, base, request_text};

    #[test]
    fn running_sends_no_body_and_no_preview() {
        assert_eq!(
            request_text(&RunSchedule::new(SCHEDULE)),
            "POST /v2/orchestration/schedules/ri.scheduler.main.schedule.1/run"
        );
        assert_eq!(
            request_text(&RunSchedule::new(SCHEDULE).preview(Preview::Always)),
            "POST /v2/orchestration/schedules/ri.scheduler.main.schedule.1/run?preview=true"
        );
        let error = RunSchedule::new("nightly").to_request(&base()).unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::Config, Some("foundry.schedules.run"))
        );
    }

    #[test]
    fn runs_are_listed_page_by_page() {
        let list = ListScheduleRuns::new(SCHEDULE);
        assert_eq!(
            request_text(&list),
            "GET /v2/orchestration/schedules/ri.scheduler.main.schedule.1/runs"
        );
        assert_eq!(
            request_text(&list.clone().page_size(20).at(&Cursor::new("v1.a+b/c="))),
            "GET /v2/orchestration/schedules/ri.scheduler.main.schedule.1/runs\
             ?pageSize=20&pageToken=v1.a%2Bb%2Fc%3D"
        );
        let error = list.page_size(0).to_request(&base()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }

    #[test]
    fn a_result_is_read_in_all_shapes() {
        let read = |json: &str| serde_json::from_str::<ScheduleRunResult>(json).unwrap();
        let submitted =
            ScheduleRunResult::Submitted { build_rid: "ri.foundry.main.build.1".into() };
        for json in [
            r#"{"type":"submitted","buildRid":"ri.foundry.main.build.1"}"#,
            r#"{"type":"submitted","submitted":{"buildRid":"ri.foundry.main.build.1"}}"#,
            r#"{"submitted":{"buildRid":"ri.foundry.main.build.1"}}"#,
        ] {
            assert_eq!(read(json), submitted);
        }
        for json in
            [r#"{"type":"ignored"}"#, r#"{"type":"ignored","ignored":{}}"#, r#"{"ignored":{}}"#]
        {
            assert_eq!(read(json), ScheduleRunResult::Ignored {});
        }
        for name in ["JOBSPECNOTFOUND", "JobSpecNotFound", "JOB_SPEC_NOT_FOUND"] {
            let json =
                format!(r#"{{"type":"error","errorName":"{name}","description":"no logic"}}"#);
            let error = ScheduleRunResult::Error {
                error_name: Some(ScheduleRunErrorName::JobSpecNotFound),
                description: Some("no logic".into()),
            };
            assert_eq!(read(&json), error);
        }
        assert!(matches!(
            read(r#"{"type":"error","errorName":"SolarFlare"}"#),
            ScheduleRunResult::Error { error_name: Some(name), description: None }
                if name.as_str() == "SolarFlare"
        ));
        assert!(matches!(read(r#"{"type":"postponed","until":1}"#), ScheduleRunResult::Unknown(_)));
    }

    #[test]
    fn both_historic_sets_of_error_names_are_the_same() {
        for (now, before) in [
            ("TARGETRESOLUTIONFAILURE", "TargetResolutionFailure"),
            ("CYCLICDEPENDENCY", "CyclicDependency"),
            ("INCOMPATIBLETARGETS", "IncompatibleTargets"),
            ("PERMISSIONDENIED", "PermissionDenied"),
            ("JOBSPECNOTFOUND", "JobSpecNotFound"),
            ("SCHEDULEOWNERNOTFOUND", "ScheduleOwnerNotFound"),
            ("INTERNAL", "Internal"),
        ] {
            let name = ScheduleRunErrorName::from(now);
            assert!(!matches!(name, ScheduleRunErrorName::Unknown(_)), "{now}");
            assert_eq!(ScheduleRunErrorName::from(before), name);
        }
    }
}
