//! Versions of a schedule: each change makes a new one.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::request::{by_rid, optional};
use super::{Action, Schedule, ScheduleRid, ScheduleVersionRid, ScopeMode, Trigger};
use crate::wire::{json, time};

by_rid! {
    /// Gets one version of a schedule.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Get Schedule Version"; in preview. Safe to repeat.
    GetScheduleVersion(version: ScheduleVersionRid) -> ScheduleVersion {
        GET "scheduleVersions" / rid, in_preview, Safe, "foundry.schedule_versions.get", json::decode,
    }
}

by_rid! {
    /// Gets the schedule that a version belongs to; `None` where the vendor answers with nothing.
    ///
    /// Source: Foundry API reference, Orchestration v2, `getScheduleOfScheduleVersion`; in preview. Safe to repeat.
    GetScheduleOfVersion(version: ScheduleVersionRid) -> Option<Schedule> {
        GET "scheduleVersions" / rid / "schedule",
        in_preview, Safe, "foundry.schedules.get_of_version", optional,
    }
}

/// One version of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScheduleVersion {
    /// RID.
    pub rid: ScheduleVersionRid,
    /// The schedule.
    pub schedule_rid: Option<ScheduleRid>,
    /// When it was created. UTC.
    #[serde(rename = "createdTime", default, deserialize_with = "time::lenient_utc")]
    pub created: Option<DateTime<Utc>>,
    /// The user who created it, a UUID.
    pub created_by: Option<Box<str>>,
    /// What started it; `None` also if the caller may not see it.
    pub trigger: Option<Trigger>,
    /// What it did.
    pub action: Option<Action>,
    /// Under whose rights its builds ran.
    pub scope_mode: Option<ScopeMode>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundry::tests::request_text;

    #[test]
    fn a_version_and_its_schedule_are_asked_for_by_the_version() {
        let version = "ri.scheduler.main.schedule-version.1";
        let path = format!("GET /v2/orchestration/scheduleVersions/{version}");
        assert_eq!(request_text(&GetScheduleVersion::new(version)), format!("{path}?preview=true"));
        assert_eq!(
            request_text(&GetScheduleOfVersion::new(version)),
            format!("{path}/schedule?preview=true")
        );
    }
}
