//! Versions of a schedule: each change creates a new one.

use chrono::{DateTime, Utc};

use super::Foundry;
use super::request::Preview;
use super::rid::{ScheduleRid, ScheduleVersionRid};
use super::schedules::Schedule;
use super::target::{Action, ScopeMode};
use super::trigger::Trigger;
use crate::client::{json, operation};
use crate::wire::{model, time};

operation! {
    /// Gets one version of a schedule.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Get Schedule Version"; in preview.
    GetScheduleVersion { version: ScheduleVersionRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.schedule_versions.get", Safe: GET "scheduleVersions" / {version} -> ScheduleVersion
}

operation! {
    /// Gets the schedule that a version belongs to; `None` if the response is empty.
    ///
    /// Source: Foundry API reference, Orchestration v2, `getScheduleOfScheduleVersion`; in preview.
    GetScheduleOfVersion { version: ScheduleVersionRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.schedules.get_of_version", Safe:
    GET "scheduleVersions" / {version} / "schedule" -> Option<Schedule>,
    decode json::decode_optional
}

model! {
    /// One version of a schedule.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct ScheduleVersion {
        /// RID.
        pub rid: ScheduleVersionRid,
        /// The schedule.
        pub schedule_rid: Option<ScheduleRid> as "scheduleRid",
        /// When it was created. UTC.
        pub created: Option<DateTime<Utc>> as "createdTime" with time::lenient_utc,
        /// The user who created it, a UUID.
        pub created_by: Option<Box<str>> as "createdBy",
        /// What started it. Also `None` if the caller may not see it.
        pub trigger: Option<Trigger>,
        /// What it did.
        pub action: Option<Action>,
        /// Whose permissions its builds ran with.
        pub scope_mode: Option<ScopeMode> as "scopeMode",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundry::tests::request_text;

    #[test]
    fn a_version_and_its_schedule_are_requested_by_the_version() {
        let version = "ri.scheduler.main.schedule-version.1";
        let path = format!("GET /v2/orchestration/scheduleVersions/{version}");
        assert_eq!(request_text(&GetScheduleVersion::new(version)), format!("{path}?preview=true"));
        assert_eq!(
            request_text(&GetScheduleOfVersion::new(version)),
            format!("{path}/schedule?preview=true")
        );
    }
}
