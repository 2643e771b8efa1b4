//! What the fake remembers, and how it changes.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::FakeMode;
use super::files::Rows;
use super::lists::Row;
use super::responses::{self, ParsedRequest, Refusal, Reply, not_found};
use super::routes::route;
use super::shapes::{BASE_PATH, Form, SOURCE, Source};
use crate::testing::kit::{Course, End, FakeState, Kit, NewRun, Plan, Response};

/// Where the URLs in events begin: not where the API is.
const EVENTS: &str = "https://modeanalytics.com/api";

#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct State {
    pub(super) kit: Kit<Self>,
    pub(super) form: Form,
    pub(super) reports: Vec<Report>,
    pub(super) documented_statuses: bool,
    pub(super) run_filter_fails: bool,
    pub(super) numeric_tokens_refused: bool,
    pub(super) zip_results: bool,
    pub(super) csv_with_bom: bool,
}

#[derive(Default)]
pub(super) struct Report {
    pub(super) token: String,
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) dataset: bool,
    pub(super) archived: bool,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    pub(super) queries: Vec<Query>,
    /// In the order they were added, which may differ from the order of their times.
    pub(super) runs: Vec<Run>,
    pub(super) schedules: Vec<Schedule>,
    pub(super) subscriptions: Vec<Subscription>,
    /// Tokens of the datasets it uses.
    pub(super) datasets: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Query {
    pub(super) token: String,
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) source: Source,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
}

#[derive(Default)]
pub(super) struct Run {
    pub(super) token: String,
    pub(super) state: String,
    pub(super) parameters: Value,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    pub(super) completed: Option<DateTime<Utc>>,
    pub(super) purged: Option<DateTime<Utc>>,
    pub(super) notebook: bool,
    pub(super) scheduled: bool,
    pub(super) queries: Vec<QueryRun>,
    /// When a PDF was first requested, and how often since.
    pub(super) pdf: Option<(DateTime<Utc>, u32)>,
    course: Course,
}

pub(super) struct QueryRun {
    pub(super) token: String,
    pub(super) id: u64,
    pub(super) report: String,
    pub(super) run: String,
    /// The query as it was when the run began.
    pub(super) query: Query,
    pub(super) parameters: Value,
    pub(super) state: String,
    pub(super) created: DateTime<Utc>,
    pub(super) completed: Option<DateTime<Utc>>,
    pub(super) error: Option<(String, String)>,
    pub(super) purged: bool,
}

pub(super) struct Schedule {
    pub(super) token: String,
    pub(super) name: String,
    pub(super) cron: Value,
    pub(super) timeout: Value,
    pub(super) params: Value,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
}

pub(super) struct Subscription {
    pub(super) token: String,
    /// Token of its schedule.
    pub(super) schedule: String,
    /// What it contains, under the names of requests.
    pub(super) contents: Map<String, Value>,
    pub(super) subscribers: u64,
}

/// Whether a run in this state is unfinished.
pub(super) fn is_active(state: &str) -> bool {
    matches!(state, "pending" | "enqueued" | "running" | "running_notebook")
}

/// Whether a run in this state succeeded.
pub(super) fn is_good(state: &str) -> bool {
    matches!(state, "succeeded" | "completed")
}

impl State {
    /// Twelve characters; the first is a letter, so that it is never a number.
    fn new_token(&mut self) -> String {
        format!("b{:011x}", self.kit.mixed_serial() >> 20)
    }

    /// A report by its token. Below `datasets`, only datasets are found.
    pub(super) fn report(&self, kind: &str, token: &str) -> Result<&Report, Refusal> {
        let mut all = self.reports.iter();
        let found = all.find(|known| known.token == token && (known.dataset || kind == "reports"));
        found.ok_or_else(|| not_found(kind.trim_end_matches('s')))
    }

    pub(super) fn report_mut(&mut self, kind: &str, token: &str) -> Result<&mut Report, Refusal> {
        let mut all = self.reports.iter_mut();
        let found = all.find(|known| known.token == token && (known.dataset || kind == "reports"));
        found.ok_or_else(|| not_found(kind.trim_end_matches('s')))
    }

    pub(super) fn run_mut(
        &mut self,
        kind: &str,
        report: &str,
        run: &str,
    ) -> Result<&mut Run, Refusal> {
        let mut runs = self.report_mut(kind, report)?.runs.iter_mut();
        runs.find(|known| known.token == run).ok_or_else(|| not_found("run"))
    }

    /// Query runs are found by their token alone; the report and run before it in the path are ignored.
    pub(super) fn query_run(&self, token: &str) -> Result<&QueryRun, Refusal> {
        let runs = self.reports.iter().flat_map(|report| &report.runs);
        let found = runs.flat_map(|run| &run.queries).find(|known| known.token == token);
        found.ok_or_else(|| not_found("query run"))
    }

    pub(super) fn add_report(&mut self, token: Option<&str>, name: &str, dataset: bool) -> String {
        let token = token.map_or_else(|| self.new_token(), str::to_owned);
        let now = self.kit.now();
        self.reports.push(Report {
            token: token.clone(),
            id: 3_170_000 + self.kit.serial(),
            name: name.to_owned(),
            dataset,
            created: now,
            updated: now,
            ..Report::default()
        });
        let by_region = "SELECT day, region, total FROM orders WHERE region = '{{ region }}'";
        for (name, sql) in [("By day", by_region), ("Totals", "SELECT sum(total) FROM orders")] {
            let query = self.new_query(name, sql, SOURCE);
            if let Ok(report) = self.report_mut("reports", &token) {
                report.queries.push(query);
            }
        }
        token
    }

    pub(super) fn new_query(&mut self, name: &str, sql: &str, source: Source) -> Query {
        let now = self.kit.now();
        Query {
            token: self.new_token(),
            id: 21_400_000 + self.kit.serial(),
            name: name.to_owned(),
            sql: sql.to_owned(),
            source,
            created: now,
            updated: now,
        }
    }

    pub(super) fn add_schedule(&mut self, report: &str, name: &str, cron: &Value) {
        let schedule = self.new_schedule(name, cron.clone());
        if let Ok(report) = self.report_mut("reports", report) {
            report.schedules.push(schedule);
        }
    }

    /// Adds a subscription to the first schedule of a report.
    pub(super) fn add_subscription(
        &mut self,
        report: &str,
        contents: Map<String, Value>,
        subscribers: u64,
    ) -> Result<String, Refusal> {
        let token = self.new_token();
        let report = self.report_mut("reports", report)?;
        let first = report.schedules.first().ok_or_else(|| not_found("schedule"))?;
        let schedule = first.token.clone();
        let new = Subscription { token: token.clone(), schedule, contents, subscribers };
        report.subscriptions.push(new);
        Ok(token)
    }

    pub(super) fn new_schedule(&mut self, name: &str, cron: Value) -> Schedule {
        let now = self.kit.now();
        Schedule {
            token: self.new_token(),
            name: name.to_owned(),
            cron,
            timeout: Value::Null,
            params: json!({}),
            created: now,
            updated: now,
        }
    }

    /// Adds a run that moves on as it is polled; returns its token, and its JSON from before the first poll.
    pub(super) fn trigger(
        &mut self,
        kind: &str,
        report: &str,
        plan: Plan,
        parameters: Value,
    ) -> Result<(String, Value), Refusal> {
        let now = self.kit.now();
        let token = self.new_run(kind, report, now, plan, parameters, None)?;
        let shown = self.shown_run(kind, report, &token)?;
        if let Some(state) = self.run_mut(kind, report, &token)?.course.due() {
            self.end_run(report, &token, &state, now)?;
        }
        Ok((token, shown))
    }

    fn new_run(
        &mut self,
        kind: &str,
        report: &str,
        at: DateTime<Utc>,
        plan: Plan,
        parameters: Value,
        token: Option<String>,
    ) -> Result<String, Refusal> {
        let token = token.unwrap_or_else(|| self.new_token());
        let course = Course::new::<Self>(plan);
        let dataset = self.report(kind, report)?.dataset;
        let mut queries = Vec::new();
        for query in self.report(kind, report)?.queries.clone() {
            queries.push(QueryRun {
                token: self.new_token(),
                id: 3_540_000_000 + self.kit.serial(),
                report: report.to_owned(),
                run: token.clone(),
                query,
                parameters: parameters.clone(),
                state: "pending".to_owned(),
                created: at,
                completed: None,
                error: None,
                purged: false,
            });
        }
        self.report_mut(kind, report)?.runs.push(Run {
            token: token.clone(),
            state: "enqueued".to_owned(),
            parameters,
            created: at,
            updated: at,
            notebook: !dataset && course.end() == Some("completed"),
            queries,
            course,
            ..Run::default()
        });
        self.notify("report_run_started", report, &token)?;
        Ok(token)
    }

    /// Ends a run.
    fn end_run(
        &mut self,
        report: &str,
        run: &str,
        state: &str,
        at: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let found = self.run_mut("reports", report, run)?;
        let is_news = found.completed.is_none();
        found.end(state, at);
        if is_news {
            self.notify("report_run_completed", report, run)?;
        }
        Ok(())
    }

    /// Sends the event of a run. The runs of datasets have none.
    fn notify(&mut self, event: &str, report: &str, run: &str) -> Result<(), Refusal> {
        if !self.report("reports", report)?.dataset {
            let workspace = FakeMode::WORKSPACE;
            let url = format!("{EVENTS}/{workspace}/reports/{report}/runs/{run}");
            self.kit.notify(&json!({ "event": event, "report_run_url": url }).to_string());
        }
        Ok(())
    }

    /// Polls a run, which makes it move on.
    pub(super) fn poll(&mut self, kind: &str, report: &str, run: &str) -> Result<Value, Refusal> {
        let (now, held) = (self.kit.now(), self.kit.held);
        let found = self.run_mut(kind, report, run)?;
        if !held && found.completed.is_none() {
            if let Some(state) = found.course.poll() {
                self.end_run(report, run, &state, now)?;
            } else {
                found.go_on(now);
            }
        }
        self.shown_run(kind, report, run)
    }

    pub(super) fn cancel(
        &mut self,
        report: &str,
        run: &str,
        at: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        self.end_run(report, run, "cancelled", at)
    }

    /// Counts as one list of these runs; returns the unfinished ones that now take a step.
    pub(super) fn listed(&mut self, kind: &str, report: &str) -> Result<Vec<String>, Refusal> {
        let runs = &mut self.report_mut(kind, report)?.runs;
        let going = runs.iter_mut().filter(|run| run.completed.is_none());
        let due = going.filter_map(|run| run.course.list().then(|| run.token.clone()));
        Ok(due.collect())
    }

    pub(super) fn shown_run(&self, kind: &str, report: &str, run: &str) -> Result<Value, Refusal> {
        let report = self.report(kind, report)?;
        Ok(self.form.run(report, report.run(run)?, kind == "datasets"))
    }

    /// A copy of a report, without its runs and schedules.
    pub(super) fn clone_report(&mut self, report: &str) -> Result<String, Refusal> {
        let source = self.report("reports", report)?;
        let (name, dataset) = (format!("Copy of {}", source.name), source.dataset);
        let queries = source.queries.clone();
        let token = self.add_report(None, &name, dataset);
        let mut copies = Vec::new();
        for query in queries {
            copies.push(self.new_query(&query.name, &query.sql, query.source));
        }
        self.report_mut("reports", &token)?.queries = copies;
        Ok(token)
    }
}

impl FakeState for State {
    type Refusal = Refusal;

    const NAME: &'static str = "FakeMode";
    const BASE_PATH: &'static str = BASE_PATH;
    const TARGET: &'static str = "report";
    const VERBS: &'static [&'static str] = &[
        "Plan::code",
        "Plan::listed_after",
        "NewRun::took",
        "NewRun::triggered",
        "NewRun::reason",
        "NewRun::code",
        "NewRun::parameters",
        "NewRun::purged",
    ];

    fn new(origin: String) -> Self {
        let mut state = Self { form: Form { origin, ..Form::default() }, ..Self::default() };
        state.add_demo_data();
        state
    }

    fn kit(&mut self) -> &mut Kit<Self> {
        &mut self.kit
    }

    fn end_state(end: End) -> Option<&'static str> {
        match end {
            End::Succeeds => Some("succeeded"),
            End::Fails => Some("failed"),
            End::Cancelled => Some("cancelled"),
            End::FailsSilently | End::Skipped | End::SubmitFails => None,
        }
    }

    /// Adds a run. One that failed gets a query run that says why.
    fn add_run(&mut self, report: &str, new: NewRun) -> Option<String> {
        let at = new.created.unwrap_or_else(|| self.kit.now());
        // A run that is `completed` had a notebook.
        let completed = new.state == "completed";
        let plan = if completed { new.plan.ending("completed") } else { new.plan };
        let parameters = new.parameters.into();
        let token = self.new_run("reports", report, at, plan, parameters, new.id).ok()?;
        let run = self.run_mut("reports", report, &token).ok()?;
        run.scheduled = new.triggered == Some(false);
        if is_active(&new.state) {
            run.set_state(&new.state);
            return Some(token);
        }
        if new.purged {
            run.purged = Some(at + TimeDelta::days(1));
            run.queries.iter_mut().for_each(|query| query.purged = true);
        }
        let took = new.took.unwrap_or(Duration::from_millis(14_730));
        self.end_run(report, &token, &new.state, at + took).ok()?;
        Some(token)
    }

    fn trigger_from_elsewhere(&mut self, report: &str) -> Option<String> {
        let (token, _) = self.trigger("reports", report, Plan::succeeds(), json!({})).ok()?;
        Some(token)
    }

    fn finish(&mut self, run: &str, state: &str) -> Option<()> {
        let now = self.kit.now();
        let report = self.reports.iter().find(|report| report.run(run).is_ok())?.token.clone();
        self.end_run(&report, run, state, now).ok()
    }

    fn is_trigger(&mut self, call: &ParsedRequest) -> bool {
        call.method == "POST" && call.path.ends_with("/runs")
    }

    fn serve(&mut self, call: &ParsedRequest) -> Reply {
        route(self, call)
    }

    fn usual(status: u16) -> Refusal {
        responses::usual(status)
    }

    fn webhook_headers(_: &str) -> Vec<(String, String)> {
        vec![("content-type".to_owned(), "application/json".to_owned())]
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
    fn add_demo_data(&mut self) {
        let now = Utc::now().trunc_subsecs(3);
        for (token, name) in [
            (FakeMode::REPORT, "Weekly Revenue"),
            (FakeMode::FRESH_REPORT, "Churn by Cohort"),
            (FakeMode::ARCHIVED_REPORT, "Old Funnel"),
        ] {
            self.add_report(Some(token), name, false);
        }
        self.add_report(Some(FakeMode::DATASET), "Orders", true);
        if let Ok(archived) = self.report_mut("reports", FakeMode::ARCHIVED_REPORT) {
            archived.archived = true;
        }
        let cron = json!({ "freq": "weekly", "day_of_week": 1, "hour": 6, "minute": 0, "time_zone": "UTC" });
        self.add_schedule(FakeMode::REPORT, "Monday morning", &cron);
        let cron = json!({ "freq": "daily", "hour": 3, "minute": 30, "time_zone": "UTC" });
        self.add_schedule(FakeMode::DATASET, "Every night", &cron);
        let contents = [("pdf_attachments".to_owned(), Value::Bool(true))].into_iter().collect();
        drop(self.add_subscription(FakeMode::REPORT, contents, 2));
        if let Ok(report) = self.report_mut("reports", FakeMode::REPORT) {
            report.datasets.push(FakeMode::DATASET.to_owned());
        }

        let run = |state, days| NewRun::new(state).created(now - TimeDelta::days(days));
        let failed = run("failed", 2)
            .code("SqlUnknownColumn")
            .reason("ERROR: column \"churned\" does not exist");
        for (report, run) in [
            (FakeMode::REPORT, run("succeeded", 4)),
            (FakeMode::REPORT, run("completed", 3)),
            (FakeMode::REPORT, failed),
            (FakeMode::REPORT, run("succeeded", 1)),
            (FakeMode::ARCHIVED_REPORT, run("succeeded", 90)),
            (FakeMode::DATASET, run("succeeded", 1)),
        ] {
            self.add_run(report, run);
        }
    }
}

impl Report {
    pub(super) fn row(&self, shown: Value) -> Row {
        Row { created: self.created, updated: self.updated, shown }
    }

    pub(super) fn latest_run(&self) -> Option<&Run> {
        self.runs.iter().max_by_key(|run| run.created)
    }

    pub(super) fn latest_good_run(&self) -> Option<&Run> {
        self.runs.iter().filter(|run| is_good(&run.state)).max_by_key(|run| run.created)
    }

    pub(super) fn run(&self, token: &str) -> Result<&Run, Refusal> {
        let found = self.runs.iter().find(|known| known.token == token);
        found.ok_or_else(|| not_found("run"))
    }

    pub(super) fn query(&self, token: &str) -> Result<&Query, Refusal> {
        let found = self.queries.iter().find(|known| known.token == token);
        found.ok_or_else(|| not_found("query"))
    }

    pub(super) fn schedule(&self, token: &str) -> Result<&Schedule, Refusal> {
        let found = self.schedules.iter().find(|known| known.token == token);
        found.ok_or_else(|| not_found("schedule"))
    }

    pub(super) fn subscription(&self, token: &str) -> Result<&Subscription, Refusal> {
        let found = self.subscriptions.iter().find(|known| known.token == token);
        found.ok_or_else(|| not_found("subscription"))
    }
}

impl Run {
    pub(super) fn is_listed(&self) -> bool {
        self.course.listed_at.has_come()
    }

    fn set_state(&mut self, state: &str) {
        state.clone_into(&mut self.state);
    }

    /// Takes a step that is not the last one.
    fn go_on(&mut self, at: DateTime<Utc>) {
        if self.course.polls == 2 && self.notebook {
            self.updated = at;
            self.set_state("running_notebook");
        }
        let going = self.queries.iter_mut().filter(|query| query.completed.is_none());
        going.for_each(|query| "running".clone_into(&mut query.state));
    }

    /// Ends the run and its query runs. If it failed, so did the last of its query runs.
    fn end(&mut self, state: &str, at: DateTime<Utc>) {
        self.set_state(state);
        (self.updated, self.completed) = (at, Some(at));
        let failed = state == "failed";
        for query in &mut self.queries {
            let own = if failed { "succeeded" } else { state };
            own.clone_into(&mut query.state);
            (query.completed, query.error) = (Some(at), None);
        }
        if let Some(last) = self.queries.last_mut().filter(|_| failed) {
            state.clone_into(&mut last.state);
            let Plan { code, reason, .. } = &self.course.plan;
            last.error = Some((
                code.clone().unwrap_or_else(|| "ResourceFailure".to_owned()),
                reason.clone().unwrap_or_else(|| "the run was made to fail".to_owned()),
            ));
        }
    }
}

impl QueryRun {
    /// There are rows once it succeeded, until they are purged.
    pub(super) fn rows(&self) -> Result<Rows, Refusal> {
        if self.purged || !is_good(&self.state) {
            return Err(not_found("result of this run"));
        }
        let row = |day, total| {
            let query = Value::from(self.query.name.as_str());
            let members = [("day", json!(day)), ("query", query), ("total", json!(total))];
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        Ok(vec![row("2026-03-01", 1250.5), row("2026-03-02", 990.0)])
    }
}
