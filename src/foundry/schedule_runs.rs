//! Runs of a schedule: start one, list them. The vendor has no operation that gets a single run.

use chrono::{DateTime, Utc};

use super::Foundry;
use super::request::{Paging, Preview, page_size_setter};
use super::rid::{BuildRid, ScheduleRid, ScheduleRunRid, ScheduleVersionRid};
use crate::client::operation;
use crate::paging::Page;
use crate::wire::{model, open_enum, open_union, time};

operation! {
    /// Starts a run of a schedule now, in addition to its trigger. The response names the run.
    ///
    /// [`RunProviderExt::prepare`](crate::RunProviderExt::prepare) starts a run so that it is found even if the process dies or the
    /// future is dropped.
    ///
    /// If a run of the schedule is in progress, this fails with
    /// [`SCHEDULE_ALREADY_RUNNING`](super::error_name::SCHEDULE_ALREADY_RUNNING). Source: Foundry API reference,
    /// Orchestration v2, "Run Schedule".
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
    RunSchedule { schedule: ScheduleRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.schedules.run", NotIdempotent: POST "schedules" / {schedule} / "run" -> ScheduleRun
}

operation! {
    /// Lists the runs of one schedule. Inferred: newest first; the vendor says "most recent".
    ///
    /// Source: Foundry API reference, Orchestration v2, "List Runs Of Schedule".
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
    ListScheduleRuns { schedule: ScheduleRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    pages { paging: Paging, item: ScheduleRun, key: rid }
    for Foundry, "foundry.schedule_runs.list", Safe: GET "schedules" / {schedule} / "runs" -> Page<ScheduleRun>
}

impl ListScheduleRuns {
    page_size_setter!();
}

model! {
    /// One run of a schedule. It has no status of its own: see [`result`](Self::result), and the build that it names.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct ScheduleRun {
        /// RID.
        pub rid: ScheduleRunRid,
        /// The schedule.
        pub schedule_rid: Option<ScheduleRid> as "scheduleRid",
        /// The version of the schedule that ran.
        pub schedule_version_rid: Option<ScheduleVersionRid> as "scheduleVersionRid",
        /// When it was created. UTC. Missing in responses of older versions.
        pub created: Option<DateTime<Utc>> as "createdTime" with time::lenient_utc,
        /// The user who started it, a UUID; `None` if the schedule's trigger started it.
        pub created_by: Option<Box<str>> as "createdBy",
        /// What the run resulted in; `None` while the vendor has not decided.
        pub result: Option<ScheduleRunResult>,
    }
}

open_union! {
    /// What a run resulted in.
    ///
    /// Source: Foundry API reference, Orchestration v2, "List Runs Of Schedule". The vendor's docs have no example: that it
    /// has a `type` is known from the vendor's own libraries, and the other two shapes are decoded as well.
    ScheduleRunResult {
        /// No build: all targets were up to date.
        Ignored = "ignored" {},
        /// A build, whose status decides how the run ends.
        Submitted = "submitted" {
            /// The build.
            build_rid: BuildRid,
        },
        /// The run could not be started.
        Error = "error" {
            /// The type of error.
            error_name: Option<ScheduleRunErrorName>,
            /// A sentence for people.
            description: Option<Box<str>>,
        },
    }
}

open_enum! {
    /// Why a run could not be started. Older versions write the same names as in `TargetResolutionFailure`.
    ScheduleRunErrorName {
        /// What to build could not be determined.
        TargetResolutionFailure = "TARGETRESOLUTIONFAILURE",
        /// A target depends on itself.
        CyclicDependency = "CYCLICDEPENDENCY",
        /// The targets cannot be built together.
        IncompatibleTargets = "INCOMPATIBLETARGETS",
        /// The schedule may not build this.
        PermissionDenied = "PERMISSIONDENIED",
        /// A target has no logic to build it.
        JobSpecNotFound = "JOBSPECNOTFOUND",
        /// The user whose permissions it runs with no longer exists.
        ScheduleOwnerNotFound = "SCHEDULEOWNERNOTFOUND",
        /// An internal error of the vendor.
        Internal = "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Endpoint as _, PagedEndpoint as _};
    use crate::error::ErrorKind;
    use crate::foundry::tests::{SCHEDULE, base, request_text};
    use crate::paging::Cursor;

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
    fn a_result_is_decoded_in_all_shapes() {
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
