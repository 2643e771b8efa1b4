//! What the fake remembers, and how it changes.

use std::cmp::Reverse;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use serde_json::{Value, json};

use super::checks::{self, Object, items, object_of, part, text};
use super::lists::Cursor;
use super::responses::{ParsedRequest, Refusal, Reply, complete, not_found};
use super::routes::route;
use super::{FakeFoundry, UnionForm, responses};
use crate::testing::kit::{
    Course, End, FakeState, Kit, ListedAt, NewRun, OAuthError, Plan, Response, TokenForm,
};

/// The user who does what callers of the API do not do.
pub(super) const SOMEBODY_ELSE: &str = "7d2f4b68-90ac-4e13-8b57-c6d1e0f2a394";

#[derive(Default)]
pub struct State {
    pub(super) kit: Kit<Self>,
    pub(super) schedules: Vec<Schedule>,
    /// As JSON; also those of schedules that were deleted.
    pub(super) versions: Vec<Object>,
    runs: Vec<Run>,
    pub(super) builds: Vec<Build>,
    pub(super) cursors: Vec<Cursor>,
    pub(super) result_after_lists: usize,
    pub(super) union_form: UnionForm,
    pub(super) preview_required: bool,
}

pub(super) struct Schedule {
    pub(super) shown: Object,
}

struct Run {
    /// Without its result.
    shown: Object,
    /// Its type, and the other members.
    result: Option<(&'static str, Object)>,
    /// How many more lists come before the first with the result.
    unseen_lists: usize,
    listed_at: ListedAt,
}

pub(super) struct Build {
    pub(super) shown: Object,
    /// As JSON.
    pub(super) jobs: Vec<Object>,
    course: Course,
    pub(super) cancelled: bool,
}

impl State {
    /// `kind` is the middle of the RID, such as `scheduler.main.run`.
    pub(super) fn new_rid(&mut self, kind: &str) -> String {
        format!("ri.{kind}.{}", self.kit.new_uuid())
    }

    pub(super) fn has_schedule(&self, rid: &str) -> bool {
        self.schedules.iter().any(|known| text(&known.shown, "rid") == rid)
    }

    pub(super) fn schedule(&mut self, rid: &str) -> Result<&mut Schedule, Refusal> {
        let found = self.schedules.iter_mut().find(|known| text(&known.shown, "rid") == rid);
        found.ok_or_else(|| not_found("Schedule", rid))
    }

    pub(super) fn version(&self, rid: &str) -> Result<&Object, Refusal> {
        let found = self.versions.iter().find(|known| text(known, "rid") == rid);
        found.ok_or_else(|| not_found("ScheduleVersion", rid))
    }

    pub(super) fn build(&mut self, rid: &str) -> Result<&mut Build, Refusal> {
        let found = self.builds.iter_mut().find(|known| text(&known.shown, "rid") == rid);
        found.ok_or_else(|| not_found("Build", rid))
    }

    pub(super) fn job(&self, rid: &str) -> Result<Value, Refusal> {
        let mut jobs = self.builds.iter().flat_map(|build| &build.jobs);
        let found = jobs.find(|known| text(known, "rid") == rid);
        found.map(|job| job.clone().into()).ok_or_else(|| not_found("Job", rid))
    }

    /// Adds a schedule, or gives one that is there a new version; shows it.
    pub(super) fn define(&mut self, rid: &str, definition: Object) -> Value {
        let (now, version) = (self.kit.now(), self.new_rid("scheduler.main.schedule-version"));
        let mut shown = definition.clone();
        shown.retain(|name, _| matches!(name.as_str(), "trigger" | "action" | "scopeMode"));
        shown.extend(object_of(json!({
            "rid": version,
            "scheduleRid": rid,
            "createdTime": time(now),
            "createdBy": FakeFoundry::USER,
        })));
        self.versions.push(shown);

        let before = self.schedule(rid).ok().map(|known| known.shown.clone());
        let kept = |name: &str| before.as_ref()?.get(name).cloned();
        let mut shown = definition;
        shown.extend(object_of(json!({
            "rid": rid,
            "currentVersionRid": version,
            "createdTime": kept("createdTime").unwrap_or_else(|| time(now)),
            "createdBy": FakeFoundry::USER,
            "updatedTime": time(now),
            "updatedBy": FakeFoundry::USER,
            "paused": kept("paused").unwrap_or(false.into()),
        })));
        let body = shown.clone().into();
        if let Ok(known) = self.schedule(rid) {
            known.shown = shown;
        } else {
            self.schedules.push(Schedule { shown });
        }
        body
    }

    pub(super) fn pause(&mut self, rid: &str, paused: bool) -> Result<(), Refusal> {
        self.schedule(rid)?.shown.insert("paused".to_owned(), paused.into());
        Ok(())
    }

    /// Adds a schedule that builds [`FakeFoundry::DATASET`] and a dataset of its own.
    pub(super) fn add_schedule(&mut self, rid: &str, name: &str) {
        let own = self.new_rid("foundry.main.dataset");
        let request = json!({
            "displayName": name,
            "action": {
                "target": { "type": "manual", "targetRids": [FakeFoundry::DATASET, own] },
                "branchName": "master",
                "retryCount": 2,
                "retryBackoffDuration": { "value": 15, "unit": "SECONDS" },
            },
            "trigger": { "type": "time", "cronExpression": "0 2 * * *", "timeZone": "UTC" },
        });
        let definition = checks::schedule(self, &request);
        self.define(rid, definition.unwrap_or_default());
    }

    /// Adds a run that somebody triggered; shows it as the response to that does, which is without a result.
    pub(super) fn trigger(
        &mut self,
        schedule: &str,
        by: &'static str,
        plan: Plan,
    ) -> Result<Object, Refusal> {
        let now = self.kit.now();
        let mut run = self.new_run(schedule, Some(by), now)?;
        run.unseen_lists = plan.lists.unwrap_or(self.result_after_lists);
        run.listed_at = ListedAt::of(&plan);
        run.result = Some(self.carry_out(&run, plan, now)?);
        let shown = run.shown.clone();
        self.runs.push(run);
        Ok(shown)
    }

    fn new_run(
        &mut self,
        schedule: &str,
        by: Option<&str>,
        created: DateTime<Utc>,
    ) -> Result<Run, Refusal> {
        let version = self.schedule(schedule)?.shown.get("currentVersionRid").cloned();
        let mut shown = object_of(json!({
            "rid": self.new_rid("scheduler.main.run"),
            "scheduleRid": schedule,
            "scheduleVersionRid": version,
            "createdTime": time(created),
        }));
        shown.extend(by.map(|by| ("createdBy".to_owned(), by.into())));
        Ok(Run { shown, result: None, unseen_lists: 0, listed_at: ListedAt::default() })
    }

    /// The result of a run. Its build exists at once, even if lists do not show it yet.
    fn carry_out(
        &mut self,
        run: &Run,
        plan: Plan,
        at: DateTime<Utc>,
    ) -> Result<(&'static str, Object), Refusal> {
        let course = Course::new::<Self>(plan);
        let (kind, members) = match course.end() {
            Some("ignored") => ("ignored", json!({})),
            Some("error") => {
                let name = course.plan.code.unwrap_or_else(|| "INTERNAL".to_owned());
                (
                    "error",
                    json!({ "errorName": name, "description": course.plan.reason.unwrap_or_default() }),
                )
            }
            _ => {
                let (schedule, by) =
                    (text(&run.shown, "scheduleRid"), text(&run.shown, "createdBy"));
                let by = if by.is_empty() { FakeFoundry::USER } else { by };
                let action = part(&self.schedule(schedule)?.shown, "action")?.clone();
                let mut build = self.new_build(&action, by, course, at);
                build.shown.insert("scheduleRid".to_owned(), schedule.into());
                let rid = text(&build.shown, "rid").to_owned();
                self.builds.push(build);
                ("submitted", json!({ "buildRid": rid }))
            }
        };
        Ok((kind, object_of(members)))
    }

    /// A build with one job for each target.
    fn new_build(&mut self, action: &Object, by: &str, course: Course, at: DateTime<Utc>) -> Build {
        let rid = self.new_rid("foundry.main.build");
        let jobs = targets(action).into_iter().map(|dataset| {
            object_of(json!({
                "rid": self.new_rid("foundry.main.job"),
                "buildRid": rid,
                "startedTime": time(at),
                "jobStatus": "WAITING",
                "outputs": [{ "type": "datasetJobOutput", "datasetRid": dataset }],
            }))
        });
        let jobs: Vec<Object> = jobs.collect();
        let mut shown = action.clone();
        for name in ["target", "forceBuild", "notificationsEnabled"] {
            shown.remove(name);
        }
        shown.entry("retryCount").or_insert(0.into());
        let no_pause = || json!({ "value": 0, "unit": "SECONDS" });
        shown.entry("retryBackoffDuration").or_insert_with(no_pause);
        shown.extend(object_of(json!({
            "rid": rid,
            "createdTime": time(at),
            "createdBy": by,
            "jobRids": jobs.iter().map(|job| text(job, "rid")).collect::<Vec<_>>(),
            "status": "RUNNING",
        })));
        let mut build = Build { shown, jobs, course, cancelled: false };
        if let Some(status) = build.course.due() {
            build.end(&status, at);
        }
        build
    }

    /// A build that no schedule made; shows it.
    pub(super) fn create_build(&mut self, action: &Object, course: Course) -> Value {
        let now = self.kit.now();
        let build = self.new_build(action, FakeFoundry::USER, course, now);
        let shown = build.shown.clone();
        self.builds.push(build);
        shown.into()
    }

    /// Polls a build, which makes it move on.
    pub(super) fn poll_build(&mut self, rid: &str) -> Result<Value, Refusal> {
        let (now, held) = (self.kit.now(), self.kit.held);
        let build = self.build(rid)?;
        if !held && build.is_running() {
            let due = build.course.poll();
            if build.cancelled {
                build.end("CANCELED", now);
            } else {
                build.start_jobs(now);
                if let Some(status) = due {
                    build.end(&status, now);
                }
            }
        }
        Ok(build.shown.clone().into())
    }

    /// The RIDs of a schedule's runs, the newest first.
    pub(super) fn run_rids(&self, schedule: &str) -> Vec<String> {
        let runs = self.runs.iter().rev().filter(|run| run.listed_at.has_come());
        let runs = runs.map(|run| &run.shown);
        let mut runs: Vec<_> = runs.filter(|run| text(run, "scheduleRid") == schedule).collect();
        runs.sort_by_key(|run| Reverse(text(run, "createdTime")));
        runs.into_iter().map(|run| text(run, "rid").to_owned()).collect()
    }

    /// A run in a list. Each list brings its result closer.
    pub(super) fn list_run(&mut self, rid: &str) -> Option<Value> {
        let run = self.runs.iter_mut().find(|run| text(&run.shown, "rid") == rid)?;
        let mut shown = run.shown.clone();
        if run.unseen_lists > 0 {
            run.unseen_lists -= usize::from(!self.kit.held);
        } else if let Some((kind, members)) = &run.result {
            let (kind, mut members) = (*kind, members.clone());
            let result = match self.union_form {
                UnionForm::Tagged => {
                    members.insert("type".to_owned(), kind.into());
                    members.into()
                }
                UnionForm::Wrapped => json!({ "type": kind, (kind): members }),
                UnionForm::Bare => json!({ (kind): members }),
            };
            shown.insert("result".to_owned(), result);
        }
        Some(shown.into())
    }
}

impl FakeState for State {
    type Refusal = Refusal;

    const NAME: &'static str = "FakeFoundry";
    const BASE_PATH: &'static str = "/api";
    const TOKEN_PATHS: &'static [&'static str] = &["/multipass/api/oauth2/token"];
    const TARGET: &'static str = "schedule";
    const RUN: &'static str = "build for";
    const VERBS: &'static [&'static str] = &[
        "Plan::code",
        "Plan::after_lists",
        "Plan::listed_after",
        "NewRun::took",
        "NewRun::triggered",
        "NewRun::reason",
        "NewRun::code",
    ];

    fn new(_: String) -> Self {
        let mut state = Self { result_after_lists: 1, preview_required: true, ..Self::default() };
        state.add_demo_data();
        state
    }

    fn kit(&mut self) -> &mut Kit<Self> {
        &mut self.kit
    }

    fn end_state(end: End) -> Option<&'static str> {
        match end {
            End::Succeeds => Some("SUCCEEDED"),
            End::Fails => Some("FAILED"),
            End::Cancelled => Some("CANCELED"),
            End::Skipped => Some("ignored"),
            End::SubmitFails => Some("error"),
            End::FailsSilently => None,
        }
    }

    fn add_run(&mut self, schedule: &str, new: NewRun) -> Option<String> {
        let at = new.created.unwrap_or_else(|| self.kit.now()).trunc_subsecs(3);
        let by = new.triggered.unwrap_or(false).then_some(SOMEBODY_ELSE);
        let mut run = self.new_run(schedule, by, at).ok()?;
        let rid = new.id.unwrap_or_else(|| text(&run.shown, "rid").to_owned());
        run.shown.insert("rid".to_owned(), rid.as_str().into());
        let submitted = at + TimeDelta::milliseconds(1_840);
        let plan = match new.state.as_str() {
            "pending" => None,
            result @ ("ignored" | "error") => Some(new.plan.ending(result)),
            _ => Some(new.plan),
        };
        if let Some(plan) = plan {
            run.result = Some(self.carry_out(&run, plan, submitted).ok()?);
        }
        let build = run.result.as_ref().map(|(_, result)| text(result, "buildRid"));
        if let Ok(build) = self.build(build.unwrap_or_default()) {
            build.start_jobs(at + TimeDelta::milliseconds(6_150));
            if !new.state.eq_ignore_ascii_case("RUNNING") {
                let took = new.took.unwrap_or(Duration::from_millis(185_085));
                build.end(&new.state, submitted + took);
            }
        }
        self.runs.push(run);
        Some(rid)
    }

    fn trigger_from_elsewhere(&mut self, schedule: &str) -> Option<String> {
        let run = self.trigger(schedule, SOMEBODY_ELSE, Plan::succeeds()).ok()?;
        Some(text(&run, "rid").to_owned())
    }

    /// Ends the build that has this RID or was submitted by the run that has it.
    fn finish(&mut self, rid: &str, status: &str) -> Option<()> {
        let now = self.kit.now();
        let Some(index) = self.runs.iter().position(|run| text(&run.shown, "rid") == rid) else {
            self.build(rid).ok()?.end(status, now);
            return Some(());
        };
        let mut run = self.runs.remove(index);
        if run.result.is_none() {
            run.result = self.carry_out(&run, Plan::never_ends(), now).ok();
        }
        run.unseen_lists = 0;
        let build = run.result.as_ref().map(|(_, result)| text(result, "buildRid").to_owned());
        self.runs.insert(index, run);
        self.build(&build.unwrap_or_default()).ok()?.end(status, now);
        Some(())
    }

    /// A new build counts as one, too.
    fn is_trigger(&mut self, call: &ParsedRequest) -> bool {
        call.method == "POST"
            && (call.path.ends_with("/run") || call.path.ends_with("/builds/create"))
    }

    fn check_client(call: &ParsedRequest, form: TokenForm) -> Result<(), OAuthError> {
        responses::check_client(call, form)
    }

    fn serve(&mut self, call: &ParsedRequest) -> Reply {
        route(self, call)
    }

    fn usual(status: u16) -> Refusal {
        responses::usual(status)
    }

    fn bad_request(message: &str) -> Refusal {
        responses::invalid(message)
    }

    fn complete(&mut self, call: &ParsedRequest, reply: Reply) -> Response {
        let response = reply.unwrap_or_else(|refusal| refusal);
        let (trace, instance) = (self.kit.new_hex(), self.kit.new_uuid());
        complete(response, call, &trace, instance)
    }
}

impl State {
    fn add_demo_data(&mut self) {
        let now = Utc::now().trunc_subsecs(0);
        let midnight = now - TimeDelta::seconds(now.timestamp().rem_euclid(86_400));
        let night = |days| midnight - TimeDelta::hours(22) - TimeDelta::days(days);

        self.add_schedule(FakeFoundry::NIGHTLY_ORDERS, "nightly-orders");
        let no_logic = "No logic is known for one of the targets";
        let runs = [
            NewRun::new("SUCCEEDED"),
            NewRun::new("ignored"),
            NewRun::new("error").code("JOBSPECNOTFOUND").reason(no_logic),
            NewRun::new("SUCCEEDED").triggered(true),
            NewRun::new("FAILED"),
            NewRun::new("SUCCEEDED"),
        ];
        for (run, days) in runs.into_iter().zip((0..6).rev()) {
            self.add_run(FakeFoundry::NIGHTLY_ORDERS, run.created(night(days)));
        }
        self.add_schedule(FakeFoundry::HOURLY_TRAFFIC, "hourly-traffic");
        self.add_schedule(FakeFoundry::RETIRED_REPORT, "retired-report");
        self.add_run(FakeFoundry::RETIRED_REPORT, NewRun::new("SUCCEEDED").created(night(40)));
        let paused = self.pause(FakeFoundry::RETIRED_REPORT, true);
        debug_assert!(paused.is_ok(), "the schedule was just made");
    }
}

fn time(time: DateTime<Utc>) -> Value {
    time.to_rfc3339_opts(SecondsFormat::Millis, true).into()
}

/// What an action builds.
fn targets(action: &Object) -> Vec<Value> {
    let Ok(target) = part(action, "target") else { return Vec::new() };
    let ignored = items(target, "ignoredRids");
    items(target, "targetRids").iter().filter(|rid| !ignored.contains(rid)).cloned().collect()
}

impl Schedule {
    pub(super) fn targets(&self) -> Vec<Value> {
        part(&self.shown, "action").map(targets).unwrap_or_default()
    }

    /// The branch it builds, then its fallback branches.
    pub(super) fn branches(&self) -> Vec<&str> {
        let Ok(action) = part(&self.shown, "action") else { return Vec::new() };
        let fallbacks = items(action, "fallbackBranches").iter().filter_map(Value::as_str);
        [text(action, "branchName")].into_iter().chain(fallbacks).collect()
    }
}

impl Build {
    pub(super) fn is_running(&self) -> bool {
        text(&self.shown, "status") == "RUNNING"
    }

    fn start_jobs(&mut self, at: DateTime<Utc>) {
        for job in self.jobs.iter_mut().filter(|job| text(job, "jobStatus") == "WAITING") {
            job.insert("jobStatus".to_owned(), "RUNNING".into());
            job.insert("latestAttemptStartTime".to_owned(), time(at));
        }
    }

    /// If it failed, its first job failed, and the others did not run.
    fn end(&mut self, status: &str, at: DateTime<Utc>) {
        let status = status.to_uppercase();
        if status != "CANCELED" {
            self.start_jobs(at);
        }
        for (index, job) in self.jobs.iter_mut().enumerate() {
            let idle = status == "FAILED" && index > 0;
            let own = if idle { "DID_NOT_RUN" } else { status.as_str() };
            job.insert("jobStatus".to_owned(), own.into());
            job.insert("finishedTime".to_owned(), time(at));
            if idle {
                job.remove("latestAttemptStartTime");
            }
            let transaction = text(job, "rid").replace(".job.", ".transaction.");
            let output = job.get_mut("outputs").and_then(|outputs| outputs.get_mut(0));
            if let (Some(Value::Object(output)), "SUCCEEDED") = (output, own) {
                output.insert("outputTransactionRid".to_owned(), transaction.into());
            }
        }
        self.shown.insert("status".to_owned(), status.into());
        self.shown.insert("finishedTime".to_owned(), time(at));
    }
}
