//! What the fake remembers, how it changes, and its JSON.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use serde_json::{Value, json};

use super::FakeAdobe;
use super::alerts::Alert;
use super::events::{Happened, Journal};
use super::lists::{Links, Row};
use super::responses::{self, ParsedRequest, Refusal, Reply, not_found};
use super::routes::route;
use super::signing;
use super::templates::Template;
use crate::testing::kit::{
    Course, End, FakeState, Kit, NewRun, OAuthError, Plan, Response, TokenForm, segment,
};

/// Host of every link in a body. It is another host on purpose: no client may send its token there.
pub(super) const LINKS: &str = "https://platform-va7.adobe.io/data/foundation/query";
pub(super) const USER: &str = "0B1C2D3E4F5061728394A5B6@techacct.adobe.com";

/// The state of a cancelled run's query. That of the run itself is a setting.
const CANCELLED: &str = "KILLED";

#[derive(Default)]
pub struct State {
    pub(super) kit: Kit<Self>,
    pub(super) schedules: Vec<Schedule>,
    pub(super) queries: Vec<Query>,
    pub(super) templates: Vec<Template>,
    pub(super) alerts: Vec<Alert>,
    pub(super) journal: Journal,
    /// The rows that accelerated queries find.
    pub(super) accelerated: Vec<crate::adobe::Row>,
    pub(super) unseen_lists: usize,
    pub(super) links: Links,
    pub(super) filter_by_encoded_id: bool,
    pub(super) after_cancel: String,
}

pub(super) struct Schedule {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) query: Value,
    pub(super) timetable: Value,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    pub(super) runs: Vec<Run>,
}

pub(super) struct Run {
    pub(super) id: String,
    schedule: String,
    task: String,
    /// Upper case.
    pub(super) state: String,
    external: bool,
    /// Whole seconds, as in lists; so several runs may have the same.
    created: DateTime<Utc>,
    started: Option<DateTime<Utc>>,
    ended: Option<DateTime<Utc>>,
    message: Option<String>,
    course: Course,
    /// The ID of its query, which the fake shows once the run has ended.
    query: String,
    pub(super) cancelled: bool,
    /// How many more lists leave this run out.
    unseen_lists: usize,
}

pub(super) struct Query {
    id: String,
    request: Value,
    pub(super) state: String,
    errors: Vec<Value>,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
    /// Schedule and run that made this query.
    run: Option<(String, String)>,
    datasets: Vec<String>,
    pub(super) deleted: bool,
}

impl State {
    pub(super) fn schedule(&mut self, id: &str) -> Result<&mut Schedule, Refusal> {
        let found = self.schedules.iter_mut().find(|known| known.id == id);
        found.ok_or_else(|| not_found("schedule"))
    }

    pub(super) fn run(&mut self, schedule: &str, id: &str) -> Result<&mut Run, Refusal> {
        let found = self.schedule(schedule)?.runs.iter_mut();
        let found = found.rev().find(|known| known.id == id);
        found.ok_or_else(|| not_found("run"))
    }

    pub(super) fn query(&mut self, id: &str) -> Result<&mut Query, Refusal> {
        let found = self.queries.iter_mut().find(|known| known.id == id);
        found.ok_or_else(|| not_found("query"))
    }

    pub(super) fn add_schedule(&mut self, id: &str, state: &str, query: Value, timetable: Value) {
        let now = self.kit.now();
        self.schedules.push(Schedule {
            id: id.to_owned(),
            state: state.to_owned(),
            query,
            timetable,
            created: now,
            updated: now,
            runs: Vec::new(),
        });
    }

    /// Adds a run that somebody triggered, which moves on as it is polled.
    pub(super) fn trigger(
        &mut self,
        schedule: &str,
        plan: Plan,
        unseen_lists: usize,
    ) -> Result<String, Refusal> {
        let now = self.kit.now();
        let id = self.new_run(schedule, now, true, None)?;
        let run = self.run(schedule, &id)?;
        run.unseen_lists = plan.lists.unwrap_or(unseen_lists);
        run.course = Course::new::<Self>(plan);
        if let Some(state) = run.course.due() {
            self.end_run(schedule, &id, &state, now)?;
        }
        Ok(id)
    }

    fn new_run(
        &mut self,
        schedule: &str,
        at: DateTime<Utc>,
        external: bool,
        id: Option<String>,
    ) -> Result<String, Refusal> {
        let task = format!("{:010x}", self.kit.mixed_serial() >> 24);
        let query = self.kit.new_uuid();
        let schedule = self.schedule(schedule)?;
        let mut time = at;
        let id = id.unwrap_or_else(|| {
            loop {
                let (text, step) = if external {
                    let time = time.format("%Y-%m-%dT%H:%M:%S%.6f");
                    (format!("manual__{time}"), TimeDelta::microseconds(1))
                } else {
                    let time = time.format("%Y-%m-%dT%H:%M:%S+00:00");
                    (format!("scheduled__{time}"), TimeDelta::seconds(1))
                };
                let id = encoded(&text);
                if schedule.runs.iter().all(|run| run.id != id) {
                    break id;
                }
                time += step;
            }
        });
        schedule.runs.push(Run {
            id: id.clone(),
            schedule: schedule.id.clone(),
            task,
            state: "IN_PROGRESS".to_owned(),
            external,
            created: at.trunc_subsecs(0),
            started: None,
            ended: None,
            message: None,
            course: Course::new::<Self>(Plan::never_ends()),
            query: query.clone(),
            cancelled: false,
            unseen_lists: 0,
        });
        let schedule = schedule.id.clone();
        let happened = Happened { run: &id, query: &query, created: at, end: None };
        self.announce(&schedule, &happened)?;
        Ok(id)
    }

    /// Polls a run, which makes it move on.
    pub(super) fn poll_run(&mut self, schedule: &str, id: &str) -> Result<Value, Refusal> {
        let (now, held) = (self.kit.now(), self.kit.held);
        let run = self.run(schedule, id)?;
        if !held && is_active(&run.state) {
            let due = run.course.poll();
            if run.course.polls > 1 {
                run.started.get_or_insert(now);
            }
            let cancelled = run.cancelled.then(|| CANCELLED.to_owned());
            if let Some(state) = cancelled.or(due) {
                self.end_run(schedule, id, &state, now)?;
            }
        }
        Ok(self.run(schedule, id)?.detail())
    }

    /// Ends a run, with the query that it sent.
    pub(super) fn end_run(
        &mut self,
        schedule: &str,
        id: &str,
        state: &str,
        at: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let after_cancel = self.after_cancel.clone();
        let run = self.run(schedule, id)?;
        run.state = state.to_uppercase();
        if state == CANCELLED {
            (run.state, run.cancelled) = (after_cancel.to_uppercase(), true);
            run.message = Some("Cancelled by a caller".to_owned());
        }
        let started = *run.started.get_or_insert(run.created);
        let ended = at.max(started);
        let before = run.ended.replace(ended);
        let (cancelled, query) = (run.cancelled, run.query.clone());
        if before.is_some() {
            return Ok(());
        }
        let end = Some((ended, run.state == "SUCCESS"));
        let happened = Happened { run: id, query: &query, created: run.created, end };
        self.announce(schedule, &happened)?;
        let run = self.run(schedule, id)?;
        let state = if cancelled { CANCELLED.to_owned() } else { run.state.clone() };
        let Plan { code, reason, .. } = &run.course.plan;
        let error = json!({
            "code": code.as_deref().unwrap_or("58000"),
            "message": reason.as_deref().unwrap_or("the run was made to fail"),
            "errorType": "USER_ERROR",
        });
        let errors = if state == "FAILED" { vec![error] } else { Vec::new() };
        let query = Query {
            id: query,
            request: self.schedule(schedule)?.query.clone(),
            state,
            errors,
            created: started.trunc_subsecs(3),
            updated: ended.trunc_subsecs(3),
            run: Some((schedule.to_owned(), id.to_owned())),
            datasets: vec![format!("{:024x}", self.kit.mixed_serial())],
            deleted: false,
        };
        self.queries.push(query);
        Ok(())
    }

    pub(super) fn add_query(&mut self, request: Value) -> Value {
        let now = self.kit.now().trunc_subsecs(3);
        let query = Query {
            id: self.kit.new_uuid(),
            request,
            state: "SUBMITTED".to_owned(),
            errors: Vec::new(),
            created: now,
            updated: now,
            run: None,
            datasets: Vec::new(),
            deleted: false,
        };
        let shown = query.shown();
        self.queries.push(query);
        shown
    }

    /// Polls a query, which makes it move on.
    pub(super) fn poll_query(&mut self, id: &str) -> Result<Value, Refusal> {
        let now = self.kit.now();
        let held = self.kit.held;
        let query = self.query(id)?;
        match query.state.as_str() {
            "SUBMITTED" if !held => query.change("IN_PROGRESS", now),
            "IN_PROGRESS" if !held => query.change("SUCCESS", now),
            _ => {}
        }
        Ok(query.shown())
    }

    pub(super) fn schedule_rows(&mut self) -> Vec<Row> {
        let rows = self.schedules.iter_mut().map(|schedule| {
            schedule.register();
            let mut facts = vec![("userId", USER.to_owned())];
            facts.extend(text_of(&schedule.query, "templateId").map(|id| ("templateId", id)));
            Row {
                created: schedule.created.trunc_subsecs(3),
                updated: schedule.updated.trunc_subsecs(3),
                facts,
                deleted: false,
                shown: schedule.shown(),
            }
        });
        rows.collect()
    }

    /// Counts as one list: unfinished runs come closer to their next step, new runs closer to being listed.
    pub(super) fn run_rows(&mut self, schedule: &str) -> Result<Vec<Row>, Refusal> {
        let mut due = Vec::new();
        for run in self.schedule(schedule)?.runs.iter_mut().filter(|run| run.is_listed()) {
            if run.course.list() && is_active(&run.state) {
                due.push(run.id.clone());
            }
        }
        for run in due {
            self.poll_run(schedule, &run)?;
        }
        let runs = &mut self.schedule(schedule)?.runs;
        let rows = runs.iter().filter(|run| run.is_listed()).map(|run| Row {
            created: run.created,
            updated: run.ended.unwrap_or(run.created).trunc_subsecs(0),
            facts: vec![
                ("state", run.state.clone()),
                ("externalTrigger", run.external.to_string()),
            ],
            deleted: false,
            shown: run.item(),
        });
        let rows = rows.collect();
        for run in runs {
            run.unseen_lists = run.unseen_lists.saturating_sub(1);
        }
        Ok(rows)
    }

    pub(super) fn query_rows(&self) -> Vec<Row> {
        let rows = self.queries.iter().map(|query| {
            let mut facts = vec![
                ("state", query.state.clone()),
                ("id", query.id.clone()),
                ("userId", USER.to_owned()),
                ("client", "API".to_owned()),
            ];
            facts.extend(text_of(&query.request, "templateId").map(|id| ("templateId", id)));
            facts.extend(text_of(&query.request, "sql").map(|sql| ("sql", sql)));
            let datasets = query.datasets.iter().cloned();
            facts.extend(datasets.map(|id| ("referenced_datasets", id)));
            if let Some((schedule, run)) = &query.run {
                let run = match decoded(run) {
                    Some(text) if !self.filter_by_encoded_id => text,
                    _ => run.clone(),
                };
                facts.push(("scheduleId", schedule.clone()));
                facts.push(("scheduleRunId", run));
            }
            Row {
                created: query.created,
                updated: query.updated,
                facts,
                deleted: query.deleted,
                shown: query.shown(),
            }
        });
        rows.collect()
    }
}

impl FakeState for State {
    type Refusal = Refusal;

    const NAME: &'static str = "FakeAdobe";
    const BASE_PATH: &'static str = "/data/foundation/query";
    const TOKEN_PATHS: &'static [&'static str] = &["/ims/token/v3"];
    const TOKEN_SECONDS: u32 = 86_399;
    const TARGET: &'static str = "schedule";
    const VERBS: &'static [&'static str] = &[
        "Plan::code",
        "Plan::after_lists",
        "Plan::listed_after",
        "NewRun::took",
        "NewRun::triggered",
        "NewRun::reason",
        "NewRun::code",
        "NewRun::message",
    ];

    fn new(_: String) -> Self {
        let row = [("one".to_owned(), 1.into())].into_iter().collect();
        let mut state = Self {
            unseen_lists: 1,
            after_cancel: "FAILED".to_owned(),
            accelerated: vec![row],
            ..Self::default()
        };
        state.add_demo_data();
        state
    }

    fn kit(&mut self) -> &mut Kit<Self> {
        &mut self.kit
    }

    fn end_state(end: End) -> Option<&'static str> {
        match end {
            End::Succeeds => Some("SUCCESS"),
            End::Fails => Some("FAILED"),
            End::Cancelled => Some(CANCELLED),
            End::FailsSilently | End::Skipped | End::SubmitFails => None,
        }
    }

    /// Adds a run. One that failed or was cancelled gets the query that says so.
    fn add_run(&mut self, schedule: &str, new: NewRun) -> Option<String> {
        let at = new.created.unwrap_or_else(|| self.kit.now());
        let id = self.new_run(schedule, at, new.triggered.unwrap_or(false), new.id).ok()?;
        let run = self.run(schedule, &id).ok()?;
        let started = run.created + TimeDelta::milliseconds(241_650);
        run.started = Some(started);
        run.message = new.message;
        run.course = Course::new::<Self>(new.plan);
        if !is_active(&new.state) {
            let took = new.took.unwrap_or(Duration::from_millis(187_275));
            self.end_run(schedule, &id, &new.state, started + took).ok()?;
        }
        Some(id)
    }

    fn trigger_from_elsewhere(&mut self, schedule: &str) -> Option<String> {
        self.trigger(schedule, Plan::succeeds(), 0).ok()
    }

    /// Ends the run with this ID, wherever it is; one that still goes on if there is a choice.
    fn finish(&mut self, id: &str, state: &str) -> Option<()> {
        let now = self.kit.now();
        let runs = self.schedules.iter().flat_map(|schedule| &schedule.runs);
        let found = runs.filter(|run| run.id == id).max_by_key(|run| is_active(&run.state));
        let schedule = found.map(|run| run.schedule.clone())?;
        self.end_run(&schedule, id, state, now).ok()
    }

    fn webhook_headers(body: &str) -> Vec<(String, String)> {
        signing::headers(body)
    }

    fn is_trigger(&mut self, call: &ParsedRequest) -> bool {
        call.method == "POST" && call.path.ends_with("/runs")
    }

    fn check_client(_: &ParsedRequest, form: TokenForm) -> Result<(), OAuthError> {
        responses::check_client(&form)
    }

    fn serve(&mut self, call: &ParsedRequest) -> Reply {
        route(self, call)
    }

    fn usual(status: u16) -> Refusal {
        responses::usual(status)
    }

    fn bad_request(message: &str) -> Refusal {
        responses::bad_request(message)
    }

    fn complete(&mut self, call: &ParsedRequest, reply: Reply) -> Response {
        let response = reply.unwrap_or_else(|refusal| refusal);
        response.name_request(call, "x-request-id", &self.kit.new_uuid())
    }
}

impl State {
    /// Adds a schedule that is `ENABLED` and has no runs.
    pub(super) fn add_enabled_schedule(&mut self, id: &str) {
        let query = json!({
            "dbName": format!("{}:all", FakeAdobe::SANDBOX),
            "sql": "INSERT INTO daily_totals SELECT day, count(1) FROM events GROUP BY day",
            "name": id,
        });
        let timetable = json!({
            "schedule": "0 2 * * *",
            "startDate": "2026-01-01T02:00:00.000Z",
            "maxActiveRuns": 1,
        });
        self.add_schedule(id, "ENABLED", query, timetable);
    }

    fn add_demo_data(&mut self) {
        let now = Utc::now().trunc_subsecs(0);
        let hour = now - TimeDelta::seconds(now.timestamp().rem_euclid(3600));
        let midnight = now - TimeDelta::seconds(now.timestamp().rem_euclid(86_400));
        let night = midnight - TimeDelta::hours(22);
        let succeeded = |at| NewRun::new("SUCCESS").created(at);

        self.add_enabled_schedule("nightly-orders");
        for days in (2..=5).rev() {
            self.add_run("nightly-orders", succeeded(night - TimeDelta::days(days)));
        }
        let failed = NewRun::new("FAILED").created(night - TimeDelta::days(1));
        let failed = failed.code("42P01").reason("relation \"orders_raw\" does not exist");
        self.add_run("nightly-orders", failed);
        self.add_run("nightly-orders", succeeded(night));

        self.add_enabled_schedule("hourly-traffic");
        for hours in (2..=5).rev() {
            self.add_run("hourly-traffic", succeeded(hour - TimeDelta::hours(hours)));
        }
        let by_hand = succeeded(hour - TimeDelta::minutes(47)).triggered(true);
        self.add_run("hourly-traffic", by_hand);

        self.add_enabled_schedule("retired-report");
        self.add_run("retired-report", succeeded(night - TimeDelta::days(40)));
        for retired in self.schedules.iter_mut().filter(|known| known.id == "retired-report") {
            "DISABLED".clone_into(&mut retired.state);
        }
        self.journal.clear();
    }
}

/// Whether work in this state is unfinished. Work in an unknown state has ended.
pub(super) fn is_active(state: &str) -> bool {
    ["IN_PROGRESS", "QUEUED", "SUBMITTED"].iter().any(|known| known.eq_ignore_ascii_case(state))
}

pub(super) fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

fn decoded(id: &str) -> Option<String> {
    String::from_utf8(BASE64_STANDARD.decode(id).ok()?).ok()
}

pub(super) fn text_of(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_owned)
}

pub(super) fn link(method: &str, path: &str) -> Value {
    json!({ "href": format!("{LINKS}{path}"), "method": method })
}

/// The body of such a link is JSON inside text.
fn patch_link(path: &str, op: &str) -> Value {
    let href = format!("{LINKS}{path}");
    json!({ "href": href, "method": "PATCH", "body": format!("{{ \"op\": \"{op}\" }}") })
}

pub(super) fn add(object: &mut Value, members: impl IntoIterator<Item = (&'static str, Value)>) {
    if let Some(object) = object.as_object_mut() {
        let members = members.into_iter();
        object.extend(members.map(|(name, value)| (name.to_owned(), value)));
    }
}

impl Schedule {
    /// A schedule is ready once it is read for the first time.
    pub(super) fn register(&mut self) {
        if self.state == "REGISTERING" {
            "ENABLED".clone_into(&mut self.state);
        }
    }

    pub(super) fn shown(&self) -> Value {
        let own = format!("/schedules/{}", segment(&self.id));
        let runs = format!("{own}/runs");
        let mut shown = json!({
            "id": self.id,
            "state": self.state,
            "query": self.query,
            "schedule": self.timetable,
            "userId": USER,
            "updatedUserId": USER,
            "version": 2,
            "_links": {
                "self": link("GET", &own),
                "runs": link("GET", &runs),
                "trigger": link("POST", &runs),
                "enable": patch_link(&own, "enable"),
                "disable": patch_link(&own, "disable"),
                "delete": link("DELETE", &own),
            },
        });
        if self.state != "REGISTERING" {
            let text = |time: DateTime<Utc>| Value::from(time.timestamp_millis().to_string());
            let times = [("created", self.created), ("updated", self.updated)];
            add(&mut shown, times.map(|(name, time)| (name, text(time))));
        }
        shown
    }
}

impl Run {
    fn is_listed(&self) -> bool {
        self.unseen_lists == 0 && self.course.listed_at.has_come()
    }

    fn path(&self) -> String {
        let (schedule, run) = (segment(&self.schedule), segment(&self.id));
        format!("/schedules/{schedule}/runs/{run}")
    }

    /// What list items and details have in common. A finished run keeps its `cancel` link.
    fn common(&self, state: &str, created: &str) -> Value {
        let own = self.path();
        json!({
            "id": self.id,
            "state": state,
            "externalTrigger": self.external.to_string(),
            "created": created,
            "version": 1,
            "_links": { "self": link("GET", &own), "cancel": patch_link(&own, "cancel") },
        })
    }

    fn item(&self) -> Value {
        let created = self.created.to_rfc3339_opts(SecondsFormat::Secs, true);
        self.common(&self.state, &created)
    }

    fn detail(&self) -> Value {
        let created = self.created.format("%Y-%m-%dT%H:%M:%S").to_string();
        let mut shown = self.common(&self.state.to_lowercase(), &created);
        let members = [
            ("scheduleId", Value::from(self.schedule.as_str())),
            ("taskStatusList", json!([self.task()])),
        ];
        add(&mut shown, members);
        shown
    }

    fn task(&self) -> Value {
        let (state, message) = match (self.ended, self.started) {
            (None, None) => ("QUEUED", "Waiting for a free slot"),
            (None, Some(_)) => ("IN_PROGRESS", "Working"),
            _ if self.state == "SUCCESS" => ("SUCCESS", "Done"),
            _ => ("FAILED", "Stopped before the end"),
        };
        let mut shown = json!({
            "taskId": self.task,
            "state": state,
            "duration": 0,
            "message": self.message.as_deref().unwrap_or(message),
        });
        let text = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string().into();
        add(&mut shown, self.started.map(|time| ("startDate", text(time))));
        add(&mut shown, self.ended.map(|time| ("endDate", text(time))));
        if let (Some(start), Some(end)) = (self.started, self.ended) {
            add(&mut shown, [("duration", (end - start).num_seconds().into())]);
        }
        shown
    }
}

impl Query {
    pub(super) fn change(&mut self, state: &str, at: DateTime<Utc>) {
        state.clone_into(&mut self.state);
        self.updated = at.trunc_subsecs(3);
    }

    fn shown(&self) -> Value {
        let own = format!("/queries/{}", self.id);
        let mut links = json!({
            "self": link("GET", &own),
            "soft_delete": patch_link(&own, "soft_delete"),
        });
        if is_active(&self.state) {
            add(&mut links, [("cancel", patch_link(&own, "cancel"))]);
        }
        if !self.datasets.is_empty() {
            let host = LINKS.trim_end_matches("/query");
            let dataset = |id| json!({ "id": id, "href": format!("{host}/catalog/dataSets/{id}") });
            let datasets: Vec<Value> = self.datasets.iter().map(dataset).collect();
            add(&mut links, [("referenced_datasets", datasets.into())]);
        }
        if let Some((schedule, run)) = &self.run {
            let path = format!("/schedules/{}", segment(schedule));
            let run_path = format!("{path}/runs/{}", segment(run));
            let with_id = |id: &str, path: &str| {
                let mut link = link("GET", path);
                add(&mut link, [("id", id.into())]);
                link
            };
            let members =
                [("schedule", with_id(schedule, &path)), ("schedule_run", with_id(run, &run_path))];
            add(&mut links, members);
        }
        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut shown = json!({
            "id": self.id,
            "request": self.request,
            "state": self.state,
            "errors": self.errors,
            "isCTAS": self.request.get("ctasParameters").is_some(),
            "isInsertInto": self.request.get("insertIntoParameters").is_some(),
            "rowCount": if self.state == "SUCCESS" { 12 } else { 0 },
            "elapsedTime": (self.updated - self.created).num_milliseconds(),
            "created": text(self.created),
            "updated": text(self.updated),
            "client": "API",
            "userId": USER,
            "version": 1,
            "_links": links,
        });
        let sql = text_of(&self.request, "sql");
        add(&mut shown, sql.map(|sql| ("effectiveSQL", sql.into())));
        shown
    }
}
