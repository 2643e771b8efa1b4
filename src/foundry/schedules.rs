//! Schedules: create, get, replace, delete, pause. Running one is in `schedule_runs`.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Foundry;
use super::request::{Preview, batch, found};
use super::rid::{DatasetRid, ScheduleRid, ScheduleVersionRid};
use super::target::{Action, ScopeMode};
use super::trigger::Trigger;
use crate::client::{Meta, json, operation};
use crate::error::Result;
use crate::wire::{lenient, model, time};

operation! {
    /// Gets one schedule.
    ///
    /// If the API cannot show the schedule's target, this fails with
    /// [`TARGET_NOT_SUPPORTED`](super::error_name::TARGET_NOT_SUPPORTED). Source: Foundry API reference, Orchestration v2,
    /// "Get Schedule"; in preview.
    GetSchedule { schedule: ScheduleRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.schedules.get", Safe: GET "schedules" / {schedule} -> Schedule
}

operation! {
    /// Gets up to 1,000 schedules. Those that do not exist, or are hidden from the caller, are missing in the response.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Get Schedules Batch"; in preview.
    GetSchedules { schedules: Vec<ScheduleRid> } without new
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.schedules.get_batch", Safe: POST "schedules" / "getBatch" -> BTreeMap<ScheduleRid, Schedule>,
    with |this, request| batch(request, "scheduleRid", Self::MOST, &this.schedules), decode found
}

impl GetSchedules {
    /// Most schedules in one request. More than that, or none, is refused before anything is sent.
    pub const MOST: usize = 1000;

    /// Gets these schedules.
    pub fn new<R: Into<ScheduleRid>>(schedules: impl IntoIterator<Item = R>) -> Self {
        Self { schedules: schedules.into_iter().map(Into::into).collect(), preview: None }
    }
}

/// The settings of a schedule, for [`CreateSchedule`] and [`ReplaceSchedule`].
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
        /// The name that people see. The maximum length is not documented.
        pub fn display_name(mut self, name: impl Into<String>) -> Self {
            self.definition.display_name = Some(name.into());
            self
        }

        /// A description for people. The maximum length is not documented.
        pub fn description(mut self, text: impl Into<String>) -> Self {
            self.definition.description = Some(text.into());
            self
        }

        /// What starts it. The vendor's docs call it optional and have an error for its absence: for none, use
        /// [`Trigger::manual`].
        pub fn trigger(mut self, trigger: Trigger) -> Self {
            self.definition.trigger = Some(trigger);
            self
        }

        /// Whose permissions its builds run with. The vendor recommends [`ScopeMode::project`]: in the user's scope the builds
        /// change, and fail, with the permissions of one person. The default is not documented.
        pub fn scope_mode(mut self, mode: ScopeMode) -> Self {
            self.definition.scope_mode = Some(mode);
            self
        }
    };
}

operation! {
    /// Creates a schedule.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Create Schedule"; in preview.
    ///
    /// ```
    /// use scheduled_runs::foundry::{
    ///     BuildTarget, CreateSchedule, DatasetRid, ScopeMode, Trigger,
    /// };
    ///
    /// // Each night at four, with the permissions of the project.
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
    CreateSchedule { definition: Definition } without new
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.schedules.create", NotIdempotent: POST "schedules" -> Schedule, json {definition}
}

impl CreateSchedule {
    /// What the schedule does: an [`Action`], or a [`BuildTarget`](super::BuildTarget) with the vendor's default settings.
    pub fn new(action: impl Into<Action>) -> Self {
        Self { definition: Definition::new(action.into()), preview: None }
    }

    definition_setters!();
}

operation! {
    /// Replaces a schedule as a whole. Inferred: what is not set is removed.
    ///
    /// A schedule's trigger is hidden from callers who may not see it: a replacement made from such a response has none.
    /// Members that this crate does not know are lost as well; triggers and targets of unknown types are sent back unchanged.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Replace Schedule"; in preview. Each call makes a new version of the
    /// schedule.
    ///
    /// ```
    /// use scheduled_runs::foundry::{Action, BuildTarget, ReplaceSchedule, Trigger};
    ///
    /// // All settings are sent again, also those that stay as they are.
    /// let action = Action::new(BuildTarget::manual(["ri.foundry.main.dataset.1"]))
    ///     .branch_name("master")
    ///     .retry_count(2);
    /// let request = ReplaceSchedule::new("ri.scheduler.main.schedule.1", action)
    ///     .display_name("nightly")
    ///     .trigger(Trigger::time("30 5 * * *", "Europe/Paris"));
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "PUT");
    /// # assert_eq!(sent.url().path(), "/v2/orchestration/schedules/ri.scheduler.main.schedule.1");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    ReplaceSchedule { schedule: ScheduleRid, definition: Definition } without new
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.schedules.replace", NotIdempotent: PUT "schedules" / {schedule} -> Schedule, json {definition}
}

impl ReplaceSchedule {
    /// The schedule, and what it does from now on: an [`Action`], or a [`BuildTarget`](super::BuildTarget) with the vendor's
    /// default settings.
    pub fn new(schedule: impl Into<ScheduleRid>, action: impl Into<Action>) -> Self {
        let definition = Definition::new(action.into());
        Self { schedule: schedule.into(), definition, preview: None }
    }

    definition_setters!();
}

operation! {
    /// Deletes a schedule.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Delete Schedule". A second delete would be refused for a
    /// first that worked.
    DeleteSchedule { schedule: ScheduleRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.schedules.delete", NotIdempotent: DELETE "schedules" / {schedule} -> (), decode json::ignore
}

operation! {
    /// Pauses a schedule: its trigger no longer starts runs.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Pause Schedule". Inferred: pausing it twice changes nothing
    /// more.
    PauseSchedule { schedule: ScheduleRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.schedules.pause", Idempotent: POST "schedules" / {schedule} / "pause" -> (), decode json::ignore
}

operation! {
    /// Resumes a schedule: its trigger starts runs again.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Unpause Schedule". Inferred: unpausing it twice changes
    /// nothing more.
    UnpauseSchedule { schedule: ScheduleRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.schedules.unpause", Idempotent: POST "schedules" / {schedule} / "unpause" -> (),
    decode json::ignore
}

operation! {
    /// Gets the resources that a run of a schedule may change.
    ///
    /// Source: Foundry API reference, Orchestration v2, `getAffectedResourcesSchedule`; in preview.
    GetAffectedResources { schedule: ScheduleRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.schedules.get_affected_resources", Safe:
    POST "schedules" / {schedule} / "getAffectedResources" -> AffectedResources,
    decode affected_resources
}

#[inline]
fn affected_resources(meta: &Meta, body: &Bytes) -> Result<AffectedResources> {
    Ok(json::decode_optional(meta, body)?.unwrap_or_default())
}

model! {
    /// One schedule.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Schedule {
        /// RID.
        pub rid: ScheduleRid,
        /// The name that people see.
        pub display_name: Option<Box<str>> as "displayName",
        /// A description for people.
        pub description: Option<Box<str>>,
        /// The version that is in use.
        pub current_version_rid: Option<ScheduleVersionRid> as "currentVersionRid",
        /// When it was created. UTC.
        pub created: Option<DateTime<Utc>> as "createdTime" with time::lenient_utc,
        /// The user who created it, a UUID.
        pub created_by: Option<Box<str>> as "createdBy",
        /// When it was last changed. UTC.
        pub updated: Option<DateTime<Utc>> as "updatedTime" with time::lenient_utc,
        /// The user who changed it last, a UUID.
        pub updated_by: Option<Box<str>> as "updatedBy",
        /// Whether it is paused, so that its trigger does not start runs.
        pub paused: Option<bool> as "paused" with lenient::boolean,
        /// What starts it. Also `None` if the caller may not see it.
        pub trigger: Option<Trigger>,
        /// What it does.
        pub action: Option<Action>,
        /// Whose permissions its builds run with.
        pub scope_mode: Option<ScopeMode> as "scopeMode",
    }
}

model! {
    /// The resources that a run of a schedule may change.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct AffectedResources {
        /// Datasets.
        pub datasets: Vec<DatasetRid> as "datasets" with lenient::items,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::Endpoint as _;
    use crate::error::ErrorKind;
    use crate::foundry::BuildTarget;
    use crate::foundry::tests::{SCHEDULE, base, request_text};

    #[test]
    fn operations_in_preview_ask_for_it_by_default() {
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
