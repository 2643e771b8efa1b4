//! What a schedule or a build builds, and how.

use std::time::Duration;

use super::rid::{BuildableRid, ProjectRid};
use crate::wire::{lenient, model, open_enum, open_union};

open_union! {
    /// What a build builds.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Create Build".
    BuildTarget {
        /// These targets and nothing else.
        Manual = "manual" {
            /// What to build.
            #[serde(default, deserialize_with = "lenient::exact_list")]
            target_rids: Vec<BuildableRid>,
        },
        /// These targets, and everything upstream of them.
        Upstream = "upstream" {
            /// What to build.
            #[serde(default, deserialize_with = "lenient::exact_list")]
            target_rids: Vec<BuildableRid>,
            /// What not to build.
            #[serde(default, deserialize_with = "lenient::exact_list")]
            ignored_rids: Vec<BuildableRid>,
        },
        /// Everything between inputs and targets.
        Connecting = "connecting" {
            /// Where it begins. Inputs are not built.
            #[serde(default, deserialize_with = "lenient::exact_list")]
            input_rids: Vec<BuildableRid>,
            /// Where it ends. Targets are built as well.
            #[serde(default, deserialize_with = "lenient::exact_list")]
            target_rids: Vec<BuildableRid>,
            /// What not to build.
            #[serde(default, deserialize_with = "lenient::exact_list")]
            ignored_rids: Vec<BuildableRid>,
        },
    }
}

fn rids<R: Into<BuildableRid>>(rids: impl IntoIterator<Item = R>) -> Vec<BuildableRid> {
    rids.into_iter().map(Into::into).collect()
}

impl BuildTarget {
    /// These targets and nothing else.
    #[must_use]
    pub fn manual<R: Into<BuildableRid>>(targets: impl IntoIterator<Item = R>) -> Self {
        Self::Manual { target_rids: rids(targets) }
    }

    /// These targets, and everything upstream of them.
    #[must_use]
    pub fn upstream<R: Into<BuildableRid>>(targets: impl IntoIterator<Item = R>) -> Self {
        Self::Upstream { target_rids: rids(targets), ignored_rids: Vec::new() }
    }

    /// Everything between the inputs, which are not built, and the targets, which are.
    #[must_use]
    pub fn connecting<I: Into<BuildableRid>, R: Into<BuildableRid>>(
        inputs: impl IntoIterator<Item = I>,
        targets: impl IntoIterator<Item = R>,
    ) -> Self {
        Self::Connecting {
            input_rids: rids(inputs),
            target_rids: rids(targets),
            ignored_rids: Vec::new(),
        }
    }

    /// Does not build these. Without effect on [`Manual`](Self::Manual), which builds nothing else anyway.
    #[must_use]
    pub fn ignore<R: Into<BuildableRid>>(mut self, ignored: impl IntoIterator<Item = R>) -> Self {
        if let Self::Upstream { ignored_rids, .. } | Self::Connecting { ignored_rids, .. } =
            &mut self
        {
            *ignored_rids = rids(ignored);
        }
        self
    }
}

open_union! {
    /// Whose permissions a schedule's builds run with.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Create Schedule".
    ScopeMode {
        /// The user's: what the user may build is built, and a change of the user's permissions changes the result.
        User = "user" {},
        /// The schedule's own, in these projects only. Such a schedule sends no notifications.
        Project = "project" {
            /// The projects.
            #[serde(default, deserialize_with = "lenient::exact_list")]
            project_rids: Vec<ProjectRid>,
        },
    }
}

impl ScopeMode {
    /// With the user's permissions.
    #[must_use]
    pub fn user() -> Self {
        Self::User {}
    }

    /// With the schedule's own permissions, in these projects.
    #[must_use]
    pub fn project<R: Into<ProjectRid>>(projects: impl IntoIterator<Item = R>) -> Self {
        Self::Project { project_rids: projects.into_iter().map(Into::into).collect() }
    }
}

model! {
    /// What a schedule does when it is started, and the settings of a build.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Create Schedule" and "Create Build", which have the same fields.
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduled_runs::foundry::{Action, BuildTarget};
    ///
    /// let action = Action::new(BuildTarget::upstream(["ri.foundry.main.dataset.1"]))
    ///     .branch_name("develop")
    ///     .fallback_branches(["master"])
    ///     .retry_count(3)
    ///     .retry_backoff(Duration::from_secs(60));
    /// ```
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Action {
        /// What to build.
        pub target: BuildTarget,
        /// The branch that it is built on. If not set in a request, the vendor decides.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub branch_name: Option<String> as "branchName",
        /// Branches whose logic is used where the branch has none, in this order. They must differ from each other and from the
        /// branch.
        pub fallback_branches: Vec<String> as "fallbackBranches" with lenient::list,
        /// Builds even what is up to date.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub force_build: Option<bool> as "forceBuild" with lenient::boolean,
        /// How often a failed job is retried. Not every failure can be.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub retry_count: Option<u64> as "retryCount" with lenient::count,
        /// Delay before a job is retried.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub retry_backoff: Option<RetryBackoff> as "retryBackoffDuration",
        /// Ends the whole build, and cancels its other jobs, as soon as one job does not succeed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub abort_on_failure: Option<bool> as "abortOnFailure" with lenient::boolean,
        /// Notifies the user who last edited the schedule when the build has ended. Without effect with
        /// [`ScopeMode::Project`].
        #[serde(skip_serializing_if = "Option::is_none")]
        pub notifications_enabled: Option<bool> as "notificationsEnabled" with lenient::boolean,
    }
}

impl Action {
    /// Builds this target, with the vendor's default settings.
    #[must_use]
    pub fn new(target: BuildTarget) -> Self {
        Self {
            target,
            branch_name: None,
            fallback_branches: Vec::new(),
            force_build: None,
            retry_count: None,
            retry_backoff: None,
            abort_on_failure: None,
            notifications_enabled: None,
        }
    }

    /// The branch to build it on.
    #[must_use]
    pub fn branch_name(mut self, branch: impl Into<String>) -> Self {
        self.branch_name = Some(branch.into());
        self
    }

    /// Branches whose logic is used where the branch has none, in this order. They must differ from each other and from the
    /// branch.
    #[must_use]
    pub fn fallback_branches<B: Into<String>>(
        mut self,
        branches: impl IntoIterator<Item = B>,
    ) -> Self {
        self.fallback_branches = branches.into_iter().map(Into::into).collect();
        self
    }

    /// Whether to build even what is up to date. Without it, a build whose targets are all up to date fails with
    /// [`BUILD_TARGETS_UP_TO_DATE`](super::error_name::BUILD_TARGETS_UP_TO_DATE).
    #[must_use]
    pub fn force_build(mut self, force: bool) -> Self {
        self.force_build = Some(force);
        self
    }

    /// How often a failed job is retried. If not set, the vendor decides; its default is not documented.
    #[must_use]
    pub fn retry_count(mut self, retries: u64) -> Self {
        self.retry_count = Some(retries);
        self
    }

    /// Delay before a job is retried, rounded down to whole milliseconds. If not set, the vendor decides; its default is not documented.
    #[must_use]
    pub fn retry_backoff(mut self, delay: Duration) -> Self {
        self.retry_backoff = Some(delay.into());
        self
    }

    /// Whether to end the whole build as soon as one job does not succeed. If not set, the vendor decides; its default is not documented.
    #[must_use]
    pub fn abort_on_failure(mut self, abort: bool) -> Self {
        self.abort_on_failure = Some(abort);
        self
    }

    /// Whether to notify the user who last edited the schedule when the build has ended. It has no effect on a schedule in project
    /// scope. If not set, the vendor decides; its default is not documented.
    #[must_use]
    pub fn notifications_enabled(mut self, enabled: bool) -> Self {
        self.notifications_enabled = Some(enabled);
        self
    }
}

impl From<BuildTarget> for Action {
    fn from(target: BuildTarget) -> Self {
        Self::new(target)
    }
}

model! {
    /// The delay before a job is retried, as the vendor writes it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct RetryBackoff {
        /// Number of units.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub value: Option<u64> as "value" with lenient::count,
        /// The unit.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub unit: Option<TimeUnit>,
    }
}

impl RetryBackoff {
    /// The delay. `None` for months and years, whose length depends on the calendar, and for unknown units.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let millis = match self.unit.as_ref()? {
            TimeUnit::Milliseconds => 1,
            TimeUnit::Seconds => 1_000,
            TimeUnit::Minutes => 60_000,
            TimeUnit::Hours => 3_600_000,
            TimeUnit::Days => 86_400_000,
            TimeUnit::Weeks => 604_800_000,
            TimeUnit::Months | TimeUnit::Years | TimeUnit::Unknown(_) => return None,
        };
        Some(Duration::from_millis(self.value?.checked_mul(millis)?))
    }
}

/// In seconds if it is a whole number of them, otherwise in milliseconds.
impl From<Duration> for RetryBackoff {
    fn from(delay: Duration) -> Self {
        if delay.subsec_millis() == 0 {
            return Self { value: Some(delay.as_secs()), unit: Some(TimeUnit::Seconds) };
        }
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        Self { value: Some(millis), unit: Some(TimeUnit::Milliseconds) }
    }
}

open_enum! {
    /// Unit of a [`RetryBackoff`].
    TimeUnit {
        /// Milliseconds.
        Milliseconds = "MILLISECONDS",
        /// Seconds.
        Seconds = "SECONDS",
        /// Minutes.
        Minutes = "MINUTES",
        /// Hours.
        Hours = "HOURS",
        /// Days of 24 hours.
        Days = "DAYS",
        /// Weeks.
        Weeks = "WEEKS",
        /// Calendar months.
        Months = "MONTHS",
        /// Calendar years.
        Years = "YEARS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_and_scope_is_encoded_as_documented_and_decoded_in_all_shapes() {
        let json = |target: &BuildTarget| serde_json::to_string(target).unwrap();
        let manual = BuildTarget::manual(["ri.a.b.c.1"]).ignore(["ri.a.b.c.9"]);
        assert_eq!(json(&manual), r#"{"type":"manual","targetRids":["ri.a.b.c.1"]}"#);
        let upstream = BuildTarget::upstream(["ri.a.b.c.1"]).ignore(["ri.a.b.c.9"]);
        assert_eq!(
            json(&upstream),
            r#"{"type":"upstream","targetRids":["ri.a.b.c.1"],"ignoredRids":["ri.a.b.c.9"]}"#
        );
        let connecting = BuildTarget::connecting(["ri.a.b.c.0"], ["ri.a.b.c.1"]);
        assert_eq!(
            json(&connecting),
            r#"{"type":"connecting","inputRids":["ri.a.b.c.0"],"targetRids":["ri.a.b.c.1"],"ignoredRids":[]}"#
        );
        for (text, target) in [
            (r#"{"type":"manual","manual":{"targetRids":["ri.a.b.c.1"]}}"#, &manual),
            (
                r#"{"connecting":{"inputRids":["ri.a.b.c.0"],"targetRids":["ri.a.b.c.1"]}}"#,
                &connecting,
            ),
        ] {
            assert_eq!(&serde_json::from_str::<BuildTarget>(text).unwrap(), target);
        }
        let json = |scope: &ScopeMode| serde_json::to_string(scope).unwrap();
        assert_eq!(json(&ScopeMode::user()), r#"{"type":"user"}"#);
        let project = ScopeMode::project(["ri.compass.main.folder.1"]);
        assert_eq!(
            json(&project),
            r#"{"type":"project","projectRids":["ri.compass.main.folder.1"]}"#
        );
    }

    #[test]
    fn a_delay_is_encoded_in_the_largest_exact_unit_and_decoded_in_any() {
        for (delay, value, unit) in [
            (Duration::from_secs(30), 30, TimeUnit::Seconds),
            (Duration::ZERO, 0, TimeUnit::Seconds),
            (Duration::from_millis(1500), 1500, TimeUnit::Milliseconds),
        ] {
            let backoff = RetryBackoff::from(delay);
            assert_eq!((backoff.value, backoff.unit.as_ref()), (Some(value), Some(&unit)));
            assert_eq!(backoff.duration(), Some(delay));
        }
        let read = |json: &str| serde_json::from_str::<RetryBackoff>(json).unwrap().duration();
        assert_eq!(read(r#"{"value":2,"unit":"WEEKS"}"#), Some(Duration::from_secs(14 * 86_400)));
        for unknown in [
            r#"{"value":2,"unit":"MONTHS"}"#,
            r#"{"value":2,"unit":"MOONS"}"#,
            r#"{"value":18446744073709551615,"unit":"WEEKS"}"#,
            r#"{"value":-1,"unit":"DAYS"}"#,
            "{}",
        ] {
            assert_eq!(read(unknown), None, "{unknown}");
        }
    }
}
