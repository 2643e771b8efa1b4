//! Schedules: create, get, replace, delete, pause. Running one is in `schedule_runs`.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::{Deserialize, Serialize};
use url::Url;

use super::request::{Mark, batch, by_rid, nothing, optional, preview_setter, start, start_at};
use super::{
    Action, DatasetRid, Foundry, Preview, ScheduleRid, ScheduleVersionRid, ScopeMode, Trigger,
};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta};
use crate::error::Result;
use crate::wire::{json, lenient, time};

by_rid! {
    /// Gets one schedule.
    ///
    /// One whose target the API cannot show is refused with
    /// [`TARGET_NOT_SUPPORTED`](super::error_name::TARGET_NOT_SUPPORTED). Source: Foundry API reference, Orchestration v2,
    /// "Get Schedule"; in preview. Safe to repeat.
    GetSchedule(schedule: ScheduleRid) -> Schedule {
        GET "schedules" / rid, in_preview, Safe, "foundry.schedules.get", json::decode,
    }
}

batch! {
    /// Gets up to 1,000 schedules. Those that do not exist, or are hidden from the caller, are left out of the answer.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Get Schedules Batch"; in preview. Safe to repeat.
    GetSchedules(schedules: "schedule" ScheduleRid, 1000) -> Schedule {
        "schedules", in_preview, "foundry.schedules.get_batch", "scheduleRid",
    }
}

/// What a schedule is made of, for [`CreateSchedule`] and [`ReplaceSchedule`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    action: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<Trigger>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope_mode: Option<ScopeMode>,
}

impl Definition {
    fn new(action: Action) -> Self {
        Self { display_name: None, description: None, action, trigger: None, scope_mode: None }
    }
}

macro_rules! definition_setters {
    () => {
        /// The name people see. Its greatest length is not documented.
        pub fn display_name(mut self, name: impl Into<String>) -> Self {
            self.definition.display_name = Some(name.into());
            self
        }

        /// A description for people. Its greatest length is not documented.
        pub fn description(mut self, text: impl Into<String>) -> Self {
            self.definition.description = Some(text.into());
            self
        }

        /// What starts it. The vendor's pages call it optional and have an error for its absence: for none give
        /// [`Trigger::manual`].
        pub fn trigger(mut self, trigger: Trigger) -> Self {
            self.definition.trigger = Some(trigger);
            self
        }

        /// Under whose rights its builds run. The vendor advises [`ScopeMode::project`]: in the user's scope the builds
        /// change, and fail, with the rights of one person. What is taken if it is left out is not documented.
        pub fn scope_mode(mut self, mode: ScopeMode) -> Self {
            self.definition.scope_mode = Some(mode);
            self
        }

        preview_setter!();
    };
}

/// Creates a schedule.
///
/// Source: Foundry API reference, Orchestration v2, "Create Schedule"; in preview. Each call creates a schedule, so it is
/// never sent again once it may have been carried out.
///
/// ```
/// use scheduled_runs::foundry::{BuildTarget, CreateSchedule, DatasetRid, ScopeMode, Trigger};
///
/// // Each night at four, with the rights of the project.
/// let dataset = DatasetRid::from("ri.foundry.main.dataset.1");
/// let request = CreateSchedule::new(BuildTarget::upstream([dataset]))
///     .display_name("nightly")
///     .trigger(Trigger::time("0 4 * * *", "Europe/Paris"))
///     .scope_mode(ScopeMode::project(["ri.compass.main.folder.1"]));
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "POST");
/// # assert_eq!(sent.url().path(), "/v2/orchestration/schedules");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct CreateSchedule {
    definition: Definition,
    preview: Option<Preview>,
}

impl CreateSchedule {
    /// A schedule that does this: an [`Action`], or a [`BuildTarget`](super::BuildTarget) with the vendor's own settings.
    pub fn new(action: impl Into<Action>) -> Self {
        Self { definition: Definition::new(action.into()), preview: None }
    }

    definition_setters!();
}

impl Endpoint for CreateSchedule {
    type Api = Foundry;
    type Output = Schedule;
    const OPERATION: &'static str = "foundry.schedules.create";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["v2", "orchestration", "schedules"];
        start::<Self>(Method::POST, base, &path, Mark::in_preview(self.preview))
            .json(&self.definition)
            .finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Schedule> {
        json::decode(meta, body)
    }
}

/// Replaces a schedule as a whole. Inferred: what is left out is gone afterwards.
///
/// A schedule's trigger is hidden from callers who may not see it: a replacement made from such an answer has none. Members
/// that this version has no name for are not sent back either; triggers and targets of unknown kinds are, as they came.
///
/// Source: Foundry API reference, Orchestration v2, "Replace Schedule"; in preview. Each call makes a new version of the
/// schedule, so it is never sent again once it may have been carried out.
///
/// ```
/// use scheduled_runs::foundry::{Action, BuildTarget, ReplaceSchedule, Trigger};
///
/// // All of it is said again, also what stays as it was.
/// let action = Action::new(BuildTarget::manual(["ri.foundry.main.dataset.1"])).branch_name("master").retry_count(2);
/// let request = ReplaceSchedule::new("ri.scheduler.main.schedule.1", action)
///     .display_name("nightly")
///     .trigger(Trigger::time("30 5 * * *", "Europe/Paris"));
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "PUT");
/// # assert_eq!(sent.url().path(), "/v2/orchestration/schedules/ri.scheduler.main.schedule.1");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ReplaceSchedule {
    schedule: ScheduleRid,
    definition: Definition,
    preview: Option<Preview>,
}

impl ReplaceSchedule {
    /// This schedule, which shall do this: an [`Action`], or a [`BuildTarget`](super::BuildTarget) with the vendor's own
    /// settings.
    pub fn new(schedule: impl Into<ScheduleRid>, action: impl Into<Action>) -> Self {
        let definition = Definition::new(action.into());
        Self { schedule: schedule.into(), definition, preview: None }
    }

    definition_setters!();
}

impl Endpoint for ReplaceSchedule {
    type Api = Foundry;
    type Output = Schedule;
    const OPERATION: &'static str = "foundry.schedules.replace";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let rid = self.schedule.as_str();
        let path = ["v2", "orchestration", "schedules", rid];
        let named = ("schedule", rid);
        start_at::<Self>(Method::PUT, base, &path, Mark::in_preview(self.preview), named)
            .json(&self.definition)
            .finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Schedule> {
        json::decode(meta, body)
    }
}

by_rid! {
    /// Deletes a schedule.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Delete Schedule". Not repeated once it may have been carried
    /// out: a second delete would be refused for a first one that worked.
    DeleteSchedule(schedule: ScheduleRid) -> () {
        DELETE "schedules" / rid, stable, NotIdempotent, "foundry.schedules.delete", nothing,
    }
}

by_rid! {
    /// Keeps a schedule's trigger from starting runs.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Pause Schedule". Repeated like a read: the second time changes
    /// nothing more (inferred).
    PauseSchedule(schedule: ScheduleRid) -> () {
        POST "schedules" / rid / "pause", stable, Idempotent, "foundry.schedules.pause", nothing,
    }
}

by_rid! {
    /// Lets a schedule's trigger start runs again.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Unpause Schedule". Repetition as for [`PauseSchedule`].
    UnpauseSchedule(schedule: ScheduleRid) -> () {
        POST "schedules" / rid / "unpause", stable, Idempotent, "foundry.schedules.unpause", nothing,
    }
}

by_rid! {
    /// Gets what a run of a schedule may change.
    ///
    /// Source: Foundry API reference, Orchestration v2, `getAffectedResourcesSchedule`; in preview. Safe to repeat.
    GetAffectedResources(schedule: ScheduleRid) -> AffectedResources {
        POST "schedules" / rid / "getAffectedResources",
        in_preview, Safe, "foundry.schedules.get_affected_resources", affected_resources,
    }
}

fn affected_resources(meta: &Meta, body: &Bytes) -> Result<AffectedResources> {
    Ok(optional(meta, body)?.unwrap_or_default())
}

/// One schedule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Schedule {
    /// RID.
    pub rid: ScheduleRid,
    /// The name people see.
    pub display_name: Option<Box<str>>,
    /// A description for people.
    pub description: Option<Box<str>>,
    /// The version that runs.
    pub current_version_rid: Option<ScheduleVersionRid>,
    /// When it was created. UTC.
    #[serde(rename = "createdTime", default, deserialize_with = "time::lenient_utc")]
    pub created: Option<DateTime<Utc>>,
    /// The user who created it, a UUID.
    pub created_by: Option<Box<str>>,
    /// When it was last changed. UTC.
    #[serde(rename = "updatedTime", default, deserialize_with = "time::lenient_utc")]
    pub updated: Option<DateTime<Utc>>,
    /// The user who changed it last, a UUID.
    pub updated_by: Option<Box<str>>,
    /// Whether its trigger is kept from starting runs.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub paused: Option<bool>,
    /// What starts it; `None` also if the caller may not see it.
    pub trigger: Option<Trigger>,
    /// What it does.
    pub action: Option<Action>,
    /// Under whose rights its builds run.
    pub scope_mode: Option<ScopeMode>,
}

/// What a run of a schedule may change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AffectedResources {
    /// Datasets.
    #[serde(default, deserialize_with = "lenient::list")]
    pub datasets: Vec<DatasetRid>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorKind;
    use crate::foundry::BuildTarget;
    use crate::foundry::tests::{SCHEDULE, base, request_text};

    #[test]
    fn operations_in_preview_ask_for_it_unless_told_otherwise() {
        let path = "/v2/orchestration/schedules/ri.scheduler.main.schedule.1";
        assert_eq!(request_text(&GetSchedule::new(SCHEDULE)), format!("GET {path}?preview=true"));
        assert_eq!(
            request_text(&GetSchedule::new(SCHEDULE).preview(Preview::Never)),
            format!("GET {path}")
        );
        assert_eq!(
            request_text(&GetAffectedResources::new(SCHEDULE)),
            format!("POST {path}/getAffectedResources?preview=true")
        );
        assert_eq!(request_text(&DeleteSchedule::new(SCHEDULE)), format!("DELETE {path}"));
        assert_eq!(request_text(&PauseSchedule::new(SCHEDULE)), format!("POST {path}/pause"));
        assert_eq!(request_text(&UnpauseSchedule::new(SCHEDULE)), format!("POST {path}/unpause"));
    }

    #[test]
    fn a_batch_names_each_schedule_and_its_size_is_checked() {
        let two = ["ri.scheduler.main.schedule.1", "ri.scheduler.main.schedule.2"];
        assert_eq!(
            request_text(&GetSchedules::new(two)),
            "POST /v2/orchestration/schedules/getBatch?preview=true\ncontent-type: application/json\n\n\
             [{\"scheduleRid\":\"ri.scheduler.main.schedule.1\"},{\"scheduleRid\":\"ri.scheduler.main.schedule.2\"}]"
        );
        let many = |count| GetSchedules::new(vec![SCHEDULE; count]).to_request(&base());
        assert!(many(GetSchedules::MOST).is_ok());
        for (request, says) in [
            (many(0), "1 to 1000 elements, this one has 0"),
            (many(1001), "this one has 1001"),
            (GetSchedules::new(["nightly"]).to_request(&base()), "the RID of the schedule"),
        ] {
            let error = request.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn creating_sends_what_is_set_and_nothing_else() {
        let target = BuildTarget::manual(["ri.foundry.main.dataset.1"]);
        assert_eq!(
            request_text(&CreateSchedule::new(target.clone())),
            "POST /v2/orchestration/schedules?preview=true\ncontent-type: application/json\n\n\
             {\"action\":{\"target\":{\"type\":\"manual\",\"targetRids\":[\"ri.foundry.main.dataset.1\"]},\
             \"fallbackBranches\":[]}}"
        );
        let action = Action::new(target)
            .branch_name("master")
            .fallback_branches(["dev", "old"])
            .force_build(false)
            .retry_count(2)
            .retry_backoff(Duration::from_secs(90))
            .abort_on_failure(true)
            .notifications_enabled(false);
        let all = ReplaceSchedule::new(SCHEDULE, action)
            .display_name("Orders")
            .description("every night")
            .trigger(Trigger::time("0 4 * * *", "Europe/Paris"))
            .scope_mode(ScopeMode::user());
        assert_eq!(
            request_text(&all),
            "PUT /v2/orchestration/schedules/ri.scheduler.main.schedule.1?preview=true\n\
             content-type: application/json\n\n\
             {\"displayName\":\"Orders\",\"description\":\"every night\",\"action\":{\
             \"target\":{\"type\":\"manual\",\"targetRids\":[\"ri.foundry.main.dataset.1\"]},\
             \"branchName\":\"master\",\"fallbackBranches\":[\"dev\",\"old\"],\"forceBuild\":false,\
             \"retryCount\":2,\"retryBackoffDuration\":{\"value\":90,\"unit\":\"SECONDS\"},\
             \"abortOnFailure\":true,\"notificationsEnabled\":false},\
             \"trigger\":{\"type\":\"time\",\"cronExpression\":\"0 4 * * *\",\"timeZone\":\"Europe/Paris\"},\
             \"scopeMode\":{\"type\":\"user\"}}"
        );
    }
}
