//! What the fake remembers, and how it changes.

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use serde_json::Value;

use crate::testing::server::Desk;

use super::answers::{Answer, Style};
use super::calls::Draft;
use super::cron::Cron;
use super::tokens::Token;
use super::{Deployment, End, FakeArcGis, NewRun, Plan, TextDates};

/// Whose task it is: an administrator's if nobody's in particular.
pub(super) type Owner<'a> = Option<&'a str>;

#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(super) struct State {
    pub(super) desk: Desk<Answer>,
    pub(super) origin: String,
    pub(super) style: Style,
    pub(super) deployment: Deployment,
    pub(super) tokens: Vec<Token>,
    pub(super) expires_as_text: bool,
    pub(super) text_dates: Option<TextDates>,
    pub(super) text_zone: Option<FixedOffset>,
    pub(super) admin_lists_whole: bool,
    pub(super) runs_in_pages: bool,
    pub(super) created_id_told: bool,
    pub(super) page_limit: Option<usize>,
    pub(super) held: bool,
    pub(super) limits: Limits,
    /// In the order of their creation.
    pub(super) tasks: Vec<Task>,
}

#[derive(Default)]
pub(super) struct Task {
    pub(super) id: String,
    /// None: it is of the administrator API.
    pub(super) owner: Option<String>,
    pub(super) title: Option<String>,
    pub(super) kind: String,
    pub(super) item: Option<String>,
    pub(super) url: Option<String>,
    pub(super) parameters: Option<Value>,
    pub(super) cron: Cron,
    pub(super) most: i64,
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    pub(super) last_start: Option<DateTime<Utc>>,
    pub(super) generation: u64,
    pub(super) active: bool,
    pub(super) state: &'static str,
    /// As they were added, which need not be the order of their times.
    pub(super) runs: Vec<Run>,
    occurrences: i64,
    failures: i64,
}

pub(super) struct Run {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) result: String,
    pub(super) url: String,
    pub(super) created: DateTime<Utc>,
    pub(super) modified: DateTime<Utc>,
    /// What becomes of it by itself; nothing once somebody else says so.
    plan: Option<Plan>,
    looks: u32,
}

/// Limits of scheduled tasks, by name.
pub(super) struct Limits(pub(super) Vec<(&'static str, i64)>);

/// Consecutive failures after which a task is turned off.
const FAILURES: &str = "FailedRunsToDisableTask";
/// Runs of a user's task that are kept.
const HISTORY: &str = "TaskRunHistoryCount";
/// Active tasks one user may have.
pub(super) const TASKS_OF_USER: &str = "ExecuteNotebooksUserLimit";

impl Default for Limits {
    fn default() -> Self {
        Self(vec![
            (TASKS_OF_USER, 20),
            ("ExecuteNotebooksOrgLimit", 200),
            ("UpdateInsightsUserLimit", 20),
            ("UpdateInsightsOrgLimit", 200),
            ("ExecuteWorkflowManagerUserLimit", 20),
            ("ExecuteWorkflowManagerOrgLimit", 200),
            ("GPServiceUserLimit", 20),
            ("GPServiceOrgLimit", 200),
            (FAILURES, 5),
            (HISTORY, 30),
        ])
    }
}

impl Limits {
    pub(super) fn get(&self, name: &str) -> i64 {
        let mut all = self.0.iter();
        all.find(|(known, _)| *known == name).map_or(i64::MAX, |(_, number)| *number)
    }
}

impl State {
    pub(super) fn new(origin: String) -> Self {
        Self { origin, created_id_told: true, ..Self::default() }
    }

    /// 32 digits.
    pub(super) fn new_id(&mut self) -> String {
        let (head, tail) = (self.desk.new_hex(), self.desk.new_hex());
        format!("{head}{tail}")
    }

    pub(super) fn task(&self, owner: Owner<'_>, id: &str) -> Result<&Task, Answer> {
        let mut all = self.tasks.iter();
        let found = all.find(|task| task.id == id && task.owner.as_deref() == owner);
        found.ok_or_else(|| Answer::not_found("task"))
    }

    pub(super) fn task_mut(&mut self, owner: Owner<'_>, id: &str) -> Result<&mut Task, Answer> {
        let mut all = self.tasks.iter_mut();
        let found = all.find(|task| task.id == id && task.owner.as_deref() == owner);
        found.ok_or_else(|| Answer::not_found("task"))
    }

    /// The task with this id, whoever has it.
    pub(super) fn any_task(&mut self, id: &str) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.id == id)
    }

    /// Adds an active task; gives its id back.
    pub(super) fn add_task(&mut self, owner: Owner<'_>, id: Option<&str>, draft: Draft) -> String {
        let id = id.map_or_else(|| self.new_id(), str::to_owned);
        let now = self.desk.now();
        let mut task = Task {
            id: id.clone(),
            owner: owner.map(str::to_owned),
            most: -1,
            created: now,
            active: true,
            state: "active",
            ..Task::default()
        };
        task.change(draft, now);
        self.tasks.push(task);
        id
    }

    /// Adds a run, as if it had come about long ago; gives its id back.
    pub(super) fn add_run(&mut self, task: &str, new: NewRun) -> Option<String> {
        let now = self.desk.now();
        let at = new.created.unwrap_or(now);
        let id = new.id.unwrap_or_else(|| self.new_id());
        let (most, failures) = (self.limits.get(HISTORY), self.limits.get(FAILURES));
        let task = self.any_task(task)?;
        task.push(
            at,
            most,
            Run {
                id: id.clone(),
                status: String::new(),
                result: String::new(),
                url: new.url,
                created: at,
                modified: at,
                plan: None,
                looks: 0,
            },
        );
        task.settle(&id, &new.status, Some(new.result), at + new.took, failures);
        Some(id)
    }

    /// The time of a task's schedule has come; gives the run's id back if the task is active.
    pub(super) fn start_run(&mut self, task: &str, plan: Plan) -> Option<String> {
        let now = self.desk.now();
        let id = self.new_id();
        let (most, failures) = (self.limits.get(HISTORY), self.limits.get(FAILURES));
        let task = self.any_task(task).filter(|task| task.active)?;
        let ended = plan.polls == 0;
        task.push(
            now,
            most,
            Run {
                id: id.clone(),
                status: "scheduled".to_owned(),
                result: String::new(),
                url: String::new(),
                created: now,
                modified: now,
                plan: Some(plan),
                looks: 0,
            },
        );
        task.occurrences += 1;
        if task.most == task.occurrences {
            task.set_active(false, "completed", now);
        }
        if ended {
            task.look(&id, now, failures);
        }
        Some(id)
    }

    /// One look at a run, which is what makes it move on.
    pub(super) fn look(&mut self, owner: Owner<'_>, task: &str, run: &str) -> Result<(), Answer> {
        let (now, failures, held) = (self.desk.now(), self.limits.get(FAILURES), self.held);
        let task = self.task_mut(owner, task)?;
        task.run(run)?;
        if !held {
            task.look(run, now, failures);
        }
        Ok(())
    }

    /// Somebody says how a run is; it does not move by itself any more.
    pub(super) fn settle(
        &mut self,
        owner: Owner<'_>,
        task: &str,
        run: &str,
        status: &str,
        result: Option<String>,
    ) -> Result<(), Answer> {
        let (now, failures) = (self.desk.now(), self.limits.get(FAILURES));
        let task = self.task_mut(owner, task)?;
        task.run(run)?;
        task.settle(run, status, result, now, failures);
        Ok(())
    }

    /// Ends the run with this id, wherever it is.
    pub(super) fn finish(&mut self, run: &str, status: &str, result: &str) -> Option<()> {
        let (now, failures) = (self.desk.now(), self.limits.get(FAILURES));
        let task = self.tasks.iter_mut().find(|task| task.run(run).is_ok())?;
        task.settle(run, status, Some(result.to_owned()), now, failures);
        Some(())
    }

    /// Puts a run, and the last start of its task, where they belong in time.
    pub(super) fn date_back(&mut self, run: &str, at: DateTime<Utc>) {
        for task in self.tasks.iter_mut().filter(|task| task.run(run).is_ok()) {
            task.last_start = Some(at);
            for run in task.runs.iter_mut().filter(|known| known.id == run) {
                (run.created, run.modified) = (at, at);
            }
        }
    }

    /// How many more active tasks a user may have.
    pub(super) fn tasks_left(&self, user: &str) -> i64 {
        let own =
            self.tasks.iter().filter(|task| task.active && task.owner.as_deref() == Some(user));
        let own = i64::try_from(own.count()).unwrap_or(i64::MAX);
        self.limits.get(TASKS_OF_USER).saturating_sub(own).max(0)
    }
}

impl Task {
    pub(super) fn is_admin(&self) -> bool {
        self.owner.is_none()
    }

    /// Takes over what the draft says; the rest stays.
    pub(super) fn change(&mut self, draft: Draft, now: DateTime<Utc>) {
        let Draft { title, kind, parameters, item, url, start, end, cron, most, active } = draft;
        self.title = title.or(self.title.take());
        self.kind = kind.unwrap_or_else(|| self.kind.clone());
        self.parameters = parameters.or(self.parameters.take());
        self.item = item.or(self.item.take());
        self.url = url.or(self.url.take());
        self.start = start.or(self.start);
        self.end = end.or(self.end);
        self.cron = cron.unwrap_or_else(|| self.cron.clone());
        self.most = most.unwrap_or(self.most);
        match active {
            Some(active) => self.switch(active, now),
            None => self.touch(now),
        }
    }

    /// Turns it on, which also forgets its failures, or off.
    pub(super) fn switch(&mut self, active: bool, now: DateTime<Utc>) {
        if active {
            self.failures = 0;
        }
        self.set_active(active, if active { "active" } else { "paused" }, now);
    }

    fn set_active(&mut self, active: bool, state: &'static str, now: DateTime<Utc>) {
        (self.active, self.state) = (active, state);
        self.touch(now);
    }

    fn touch(&mut self, now: DateTime<Utc>) {
        self.generation += 1;
        self.updated = now;
    }

    pub(super) fn run(&self, id: &str) -> Result<&Run, Answer> {
        self.runs.iter().find(|run| run.id == id).ok_or_else(|| Answer::not_found("run"))
    }

    /// Adds a run; of a user's task, only so many are kept.
    fn push(&mut self, at: DateTime<Utc>, most: i64, run: Run) {
        self.last_start = self.last_start.max(Some(at));
        self.runs.push(run);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if !self.is_admin() && self.runs.len() > most {
            let oldest = self.runs.iter().enumerate().min_by_key(|(_, run)| run.created);
            if let Some((oldest, _)) = oldest {
                self.runs.remove(oldest);
            }
        }
    }

    fn look(&mut self, id: &str, now: DateTime<Utc>, failures: i64) {
        let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else { return };
        let Some(plan) = run.plan.clone() else { return };
        run.looks = run.looks.saturating_add(1);
        let (status, result) = match plan.end {
            End::Ended { status, result } if run.looks >= plan.polls => (status, result),
            _ => {
                if run.looks >= 2 && run.status == "scheduled" {
                    "executing".clone_into(&mut run.status);
                    run.modified = now;
                }
                return;
            }
        };
        self.settle(id, status, Some(result), now, failures);
    }

    /// Too many failures in a row turn the task off.
    fn settle(
        &mut self,
        id: &str,
        status: &str,
        result: Option<String>,
        now: DateTime<Utc>,
        failures: i64,
    ) {
        let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else { return };
        let old = std::mem::replace(&mut run.status, status.to_owned());
        run.result = result.unwrap_or_else(|| std::mem::take(&mut run.result));
        run.modified = now;
        run.plan = None;
        match status {
            "failed" if old != status => self.failures += 1,
            "succeeded" => self.failures = 0,
            _ => return,
        }
        if self.active && self.failures >= failures {
            self.set_active(false, FakeArcGis::TURNED_OFF, now);
        }
    }
}

impl Draft {
    /// What a task of the demo data starts from.
    pub(super) fn demo(title: &str, kind: &str, cron: &str) -> Self {
        Self {
            title: Some(title.to_owned()),
            kind: Some(kind.to_owned()),
            cron: Some(Cron::new(cron)),
            ..Self::default()
        }
    }
}

/// When a task runs next, about: its schedule counts from its last start.
pub(super) fn next_start(task: &Task) -> Option<DateTime<Utc>> {
    let last = task.last_start.unwrap_or(task.created);
    task.active.then(|| last + TimeDelta::seconds(task.cron.interval_seconds()))
}
