//! What the fake remembers, and how it changes.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::super::server::{Desk, LISTS_A_STEP};
use super::answers::Answer;
use super::files::Rows;
use super::lists::Row;
use super::shapes::{Form, SOURCE, Source};
use super::{End, NewRun, Plan};

#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(super) struct State {
    pub(super) desk: Desk<Answer>,
    pub(super) form: Form,
    pub(super) reports: Vec<Report>,
    pub(super) plans: VecDeque<Plan>,
    pub(super) held: bool,
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
    /// As they were added, which need not be the order of their times.
    pub(super) runs: Vec<Run>,
    pub(super) schedules: Vec<Schedule>,
    pub(super) triggers: usize,
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
    /// When a PDF was first asked for, and how often since.
    pub(super) pdf: Option<(DateTime<Utc>, u32)>,
    plan: Plan,
    polls: u32,
    /// How many lists have shown it while it went on.
    lists: u32,
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

/// Whether a run in this state still goes on.
pub(super) fn is_active(state: &str) -> bool {
    matches!(state, "pending" | "enqueued" | "running" | "running_notebook")
}

/// Whether a run in this state ended well.
pub(super) fn is_good(state: &str) -> bool {
    matches!(state, "succeeded" | "completed")
}

impl State {
    pub(super) fn new(origin: String) -> Self {
        Self { form: Form { origin, ..Form::default() }, ..Self::default() }
    }

    /// Twelve characters; the first is a letter, so that it is never a number.
    fn new_token(&mut self) -> String {
        format!("b{:011x}", self.desk.mixed_serial() >> 20)
    }

    /// A report by its token. Below `datasets`, only datasets are found.
    pub(super) fn report(&self, kind: &str, token: &str) -> Result<&Report, Answer> {
        let mut all = self.reports.iter();
        let found = all.find(|known| known.token == token && (known.dataset || kind == "reports"));
        found.ok_or_else(|| Answer::not_found(kind.trim_end_matches('s')))
    }

    pub(super) fn report_mut(&mut self, kind: &str, token: &str) -> Result<&mut Report, Answer> {
        let mut all = self.reports.iter_mut();
        let found = all.find(|known| known.token == token && (known.dataset || kind == "reports"));
        found.ok_or_else(|| Answer::not_found(kind.trim_end_matches('s')))
    }

    pub(super) fn run_mut(
        &mut self,
        kind: &str,
        report: &str,
        run: &str,
    ) -> Result<&mut Run, Answer> {
        let mut runs = self.report_mut(kind, report)?.runs.iter_mut();
        runs.find(|known| known.token == run).ok_or_else(|| Answer::not_found("run"))
    }

    /// Query runs are found by their own token: nobody looks at the report and run before it.
    pub(super) fn query_run(&self, token: &str) -> Result<&QueryRun, Answer> {
        let runs = self.reports.iter().flat_map(|report| &report.runs);
        let found = runs.flat_map(|run| &run.queries).find(|known| known.token == token);
        found.ok_or_else(|| Answer::not_found("query run"))
    }

    pub(super) fn add_report(&mut self, token: Option<&str>, name: &str, dataset: bool) -> String {
        let token = token.map_or_else(|| self.new_token(), str::to_owned);
        let now = self.desk.now();
        self.reports.push(Report {
            token: token.clone(),
            id: 3_170_000 + self.desk.serial(),
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
        let now = self.desk.now();
        Query {
            token: self.new_token(),
            id: 21_400_000 + self.desk.serial(),
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

    pub(super) fn new_schedule(&mut self, name: &str, cron: Value) -> Schedule {
        let now = self.desk.now();
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

    /// Adds a run that is over, or one that goes on for good.
    pub(super) fn add_run(&mut self, report: &str, new: NewRun) -> Result<String, Answer> {
        let at = new.created.unwrap_or_else(|| self.desk.now());
        // Only `finish` may end one that goes on, so no number of reads does.
        let plan = new.plan.after_polls(u32::MAX);
        let token = self.new_run("reports", report, at, plan, new.parameters.into(), new.token)?;
        let run = self.run_mut("reports", report, &token)?;
        run.scheduled = new.scheduled;
        if is_active(&new.state) {
            run.set_state(&new.state);
            return Ok(token);
        }
        run.end(&new.state, at + new.took);
        if new.purged {
            run.purged = Some(at + TimeDelta::days(1));
            run.queries.iter_mut().for_each(|query| query.purged = true);
        }
        Ok(token)
    }

    /// Adds a run that moves on as it is read. Its look is that of the moment before.
    pub(super) fn trigger(
        &mut self,
        kind: &str,
        report: &str,
        plan: Plan,
        parameters: Value,
    ) -> Result<(String, Value), Answer> {
        let now = self.desk.now();
        let token = self.new_run(kind, report, now, plan, parameters, None)?;
        let shown = self.shown_run(kind, report, &token)?;
        let run = self.run_mut(kind, report, &token)?;
        if run.plan.polls == 0 {
            run.end_as_planned(now);
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
    ) -> Result<String, Answer> {
        let token = token.unwrap_or_else(|| self.new_token());
        let dataset = self.report(kind, report)?.dataset;
        let mut queries = Vec::new();
        for query in self.report(kind, report)?.queries.clone() {
            queries.push(QueryRun {
                token: self.new_token(),
                id: 3_540_000_000 + self.desk.serial(),
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
            notebook: !dataset && matches!(plan.end, End::Completed),
            queries,
            plan,
            ..Run::default()
        });
        Ok(token)
    }

    /// One read of a run, which is what makes it move on.
    pub(super) fn poll(&mut self, kind: &str, report: &str, run: &str) -> Result<Value, Answer> {
        let (now, held) = (self.desk.now(), self.held);
        let found = self.run_mut(kind, report, run)?;
        if !held && found.completed.is_none() {
            found.polls = found.polls.saturating_add(1);
            if found.polls >= found.plan.polls {
                found.end_as_planned(now);
            } else if found.polls == 2 && found.notebook {
                found.updated = now;
                found.set_state("running_notebook");
            }
            let going = found.queries.iter_mut().filter(|query| query.completed.is_none());
            going.for_each(|query| "running".clone_into(&mut query.state));
        }
        self.shown_run(kind, report, run)
    }

    /// Counts as one list of these runs. Those that go on and have been listed often enough for a step.
    pub(super) fn listed(&mut self, kind: &str, report: &str) -> Result<Vec<String>, Answer> {
        let runs = &mut self.report_mut(kind, report)?.runs;
        let going = runs.iter_mut().filter(|run| run.completed.is_none());
        let due = going.filter_map(|run| {
            run.lists += 1;
            run.lists.is_multiple_of(LISTS_A_STEP).then(|| run.token.clone())
        });
        Ok(due.collect())
    }

    pub(super) fn shown_run(&self, kind: &str, report: &str, run: &str) -> Result<Value, Answer> {
        let report = self.report(kind, report)?;
        Ok(self.form.run(report, report.run(run)?, kind == "datasets"))
    }

    /// Ends the run with this token, wherever it is.
    pub(super) fn finish(&mut self, run: &str, state: &str) -> Option<()> {
        let now = self.desk.now();
        let mut runs = self.reports.iter_mut().flat_map(|report| &mut report.runs);
        runs.find(|known| known.token == run)?.end(state, now);
        Some(())
    }

    /// A copy of a report, without its runs and schedules.
    pub(super) fn clone_report(&mut self, report: &str) -> Result<String, Answer> {
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

    pub(super) fn run(&self, token: &str) -> Result<&Run, Answer> {
        let found = self.runs.iter().find(|known| known.token == token);
        found.ok_or_else(|| Answer::not_found("run"))
    }

    pub(super) fn query(&self, token: &str) -> Result<&Query, Answer> {
        let found = self.queries.iter().find(|known| known.token == token);
        found.ok_or_else(|| Answer::not_found("query"))
    }

    pub(super) fn schedule(&self, token: &str) -> Result<&Schedule, Answer> {
        let found = self.schedules.iter().find(|known| known.token == token);
        found.ok_or_else(|| Answer::not_found("schedule"))
    }
}

impl Run {
    fn set_state(&mut self, state: &str) {
        state.clone_into(&mut self.state);
    }

    fn end_as_planned(&mut self, at: DateTime<Utc>) {
        let state = match self.plan.end {
            End::Succeeded => "succeeded",
            End::Completed => "completed",
            End::Failed { .. } => "failed",
            End::Cancelled => "cancelled",
            End::Never => return,
        };
        self.end(state, at);
    }

    /// Ends the run and its query runs. If it failed, so did the last of them.
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
            last.error = Some(match &self.plan.end {
                End::Failed { code, message } => (code.clone(), message.clone()),
                _ => ("ResourceFailure".to_owned(), "the run was made to fail".to_owned()),
            });
        }
    }
}

impl QueryRun {
    /// Rows are there once it ended well, until they are purged.
    pub(super) fn rows(&self) -> Result<Rows, Answer> {
        if self.purged || !is_good(&self.state) {
            return Err(Answer::not_found("result of this run"));
        }
        let row = |day, total| {
            let query = Value::from(self.query.name.as_str());
            let members = [("day", json!(day)), ("query", query), ("total", json!(total))];
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        Ok(vec![row("2026-03-01", 1250.5), row("2026-03-02", 990.0)])
    }
}
