//! What the fake remembers, and how it changes.

use chrono::{DateTime, FixedOffset, SubsecRound, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::checks::{Draft, Sent};
use super::cron::Cron;
use super::notebooks::{Job, JobSettings};
use super::responses::{Api, ParsedRequest, Refusal, Reply, Style};
use super::routes::{api_of, route};
use super::sign_in::{self, SIGN_IN};
use super::tokens::{DEFAULT_MINUTES, Token};
use super::{Deployment, FakeArcGis, TextDates};
use crate::testing::kit::{Course, End, FakeState, Kit, NewRun, Plan, Response};

/// The owner of a task; `None` for those of the administrator API.
pub(super) type Owner<'a> = Option<&'a str>;

#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct State {
    pub(super) kit: Kit<Self>,
    pub(super) origin: String,
    pub(super) style: Style,
    pub(super) deployment: Deployment,
    /// Whether it refuses what the vendor accepts but advises against.
    pub(super) strict: bool,
    pub(super) sign_ins: Vec<sign_in::Page>,
    pub(super) tokens: Vec<Token>,
    pub(super) expires_as_text: bool,
    pub(super) text_dates: Option<TextDates>,
    pub(super) text_zone: Option<FixedOffset>,
    pub(super) admin_lists_whole: bool,
    pub(super) runs_in_pages: bool,
    pub(super) created_id_told: bool,
    pub(super) page_limit: Option<usize>,
    pub(super) limits: Limits,
    /// In the order of their creation.
    pub(super) tasks: Vec<Task>,
    pub(super) jobs: Vec<Job>,
    pub(super) job_settings: JobSettings,
}

#[derive(Default)]
pub(super) struct Task {
    pub(super) id: String,
    /// `None` for the administrator API.
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
    /// In the order they were added, which may differ from the order of their times.
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
    /// How it goes on; `None` once somebody has set its status.
    course: Option<Course>,
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
    /// 32 digits.
    pub(super) fn new_id(&mut self) -> String {
        let (head, tail) = (self.kit.new_hex(), self.kit.new_hex());
        format!("{head}{tail}")
    }

    pub(super) fn task(&self, owner: Owner<'_>, id: &str) -> Result<&Task, Refusal> {
        let mut all = self.tasks.iter();
        let found = all.find(|task| task.id == id && task.owner.as_deref() == owner);
        found.ok_or_else(|| Refusal::not_found("task"))
    }

    pub(super) fn task_mut(&mut self, owner: Owner<'_>, id: &str) -> Result<&mut Task, Refusal> {
        let mut all = self.tasks.iter_mut();
        let found = all.find(|task| task.id == id && task.owner.as_deref() == owner);
        found.ok_or_else(|| Refusal::not_found("task"))
    }

    /// The task with this ID, whoever its owner is.
    pub(super) fn any_task(&mut self, id: &str) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.id == id)
    }

    /// Adds an active task; returns its ID.
    pub(super) fn add_task(&mut self, owner: Owner<'_>, id: Option<&str>, draft: Draft) -> String {
        let id = id.map_or_else(|| self.new_id(), str::to_owned);
        let now = self.kit.now();
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

    /// The schedule of a task starts a run; returns its ID if the task is active.
    pub(super) fn start_run(&mut self, task: &str, plan: Plan) -> Option<String> {
        let now = self.kit.now();
        let id = self.new_id();
        let (most, failures) = (self.limits.get(HISTORY), self.limits.get(FAILURES));
        let task = self.any_task(task).filter(|task| task.active)?;
        let at_once = plan.polls == 0;
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
                course: Some(Course::new::<Self>(plan)),
            },
        );
        task.occurrences += 1;
        if task.most == task.occurrences {
            task.set_active(false, "completed", now);
        }
        if at_once {
            task.poll(&id, now, failures);
        }
        Some(id)
    }

    /// Polls a run, which makes it move on.
    pub(super) fn poll(&mut self, owner: Owner<'_>, task: &str, run: &str) -> Result<(), Refusal> {
        let (now, failures, held) = (self.kit.now(), self.limits.get(FAILURES), self.kit.held);
        let task = self.task_mut(owner, task)?;
        task.run(run)?;
        if !held {
            task.poll(run, now, failures);
        }
        Ok(())
    }

    /// Somebody sets the status of a run; it does not move by itself any more.
    pub(super) fn settle(
        &mut self,
        owner: Owner<'_>,
        task: &str,
        run: &str,
        status: &str,
        result: Option<String>,
    ) -> Result<(), Refusal> {
        let (now, failures) = (self.kit.now(), self.limits.get(FAILURES));
        let task = self.task_mut(owner, task)?;
        task.run(run)?;
        task.settle(run, status, result, now, failures);
        Ok(())
    }

    /// Ends the run with this ID, wherever it is.
    pub(super) fn finish_with(
        &mut self,
        run: &str,
        status: &str,
        result: Option<&str>,
    ) -> Option<()> {
        let (now, failures) = (self.kit.now(), self.limits.get(FAILURES));
        let task = self.tasks.iter_mut().find(|task| task.run(run).is_ok())?;
        task.settle(run, status, result.map(str::to_owned), now, failures);
        Some(())
    }

    /// Sets the time of a run, and of the last start of its task.
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

    /// Applies the fields of a draft; the others stay.
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

    /// Turns it on, which also resets its failures, or off.
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

    pub(super) fn run(&self, id: &str) -> Result<&Run, Refusal> {
        self.runs.iter().find(|run| run.id == id).ok_or_else(|| Refusal::not_found("run"))
    }

    /// Adds a run; of a user's task, only the latest `most` are kept.
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

    fn poll(&mut self, id: &str, now: DateTime<Utc>, failures: i64) {
        let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else { return };
        let Some(course) = &mut run.course else { return };
        if let Some(status) = course.poll() {
            let usual = match status.as_str() {
                "succeeded" => "All done.",
                "skipped" => "The run before it has not ended.",
                _ => "",
            };
            let result = course.plan.reason.clone().unwrap_or_else(|| usual.to_owned());
            self.settle(id, &status, Some(result), now, failures);
        } else if course.polls >= 2 && run.status == "scheduled" {
            "executing".clone_into(&mut run.status);
            run.modified = now;
        }
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
        run.course = None;
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

impl FakeState for State {
    type Refusal = Refusal;

    const NAME: &'static str = "FakeArcGis";
    /// The name of the web adaptor.
    const BASE_PATH: &'static str = "/enterprise";
    const TOKEN_PATHS: &'static [&'static str] = &[
        "/enterprise/sharing/rest/generateToken",
        "/enterprise/sharing/rest/oauth2/token",
        SIGN_IN,
    ];
    const TARGET: &'static str = "task or notebook";
    const VERBS: &'static [&'static str] =
        &["Plan::reason", "Plan::listed_after", "NewRun::took", "NewRun::reason", "NewRun::url"];

    fn new(origin: String) -> Self {
        let mut state = Self { origin, created_id_told: true, ..Self::default() };
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
            End::Skipped => Some("skipped"),
            End::SubmitFails => Some("submitfailed"),
            End::Cancelled => Some("cancelled"),
            End::FailsSilently => None,
        }
    }

    /// It does not move by itself, whatever its status.
    fn add_run(&mut self, task: &str, new: NewRun) -> Option<String> {
        if self.is_notebook(task) {
            return Some(self.add_job(task, new));
        }
        let now = self.kit.now();
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
                course: None,
            },
        );
        let changed = at + new.took.unwrap_or_default();
        task.settle(&id, &new.state, new.plan.reason, changed, failures);
        Some(id)
    }

    fn trigger_from_elsewhere(&mut self, task: &str) -> Option<String> {
        if self.is_notebook(task) {
            let user = FakeArcGis::USERNAME;
            return Some(self.start_job(task, user, Map::new(), Plan::succeeds()));
        }
        self.start_run(task, Plan::succeeds())
    }

    fn is_trigger(&mut self, call: &ParsedRequest) -> bool {
        call.method == "POST" && call.path.ends_with("/notebooks/executeNotebook")
    }

    fn finish(&mut self, run: &str, status: &str) -> Option<()> {
        self.finish_job(run, status).or_else(|| self.finish_with(run, status, None))
    }

    fn new_token(&mut self) -> String {
        self.mint(FakeArcGis::USERNAME, false, None, DEFAULT_MINUTES).0
    }

    fn expire_tokens(&mut self) {
        self.tokens.clear();
    }

    fn without_secrets(sent: &str) -> String {
        let hidden = |pair| match str::strip_prefix(pair, "token=") {
            Some(token) if !token.is_empty() => "token=[removed]",
            _ => pair,
        };
        sent.split('&').map(hidden).collect::<Vec<_>>().join("&")
    }

    fn token(&mut self, call: &ParsedRequest) -> Reply {
        if call.path == SIGN_IN {
            return Ok(self.sign_in(call));
        }
        let (_, root) = api_of(&call.path).ok_or_else(Refusal::nowhere)?;
        self.token_request(&Sent::new(call, root))
    }

    fn serve(&mut self, call: &ParsedRequest) -> Reply {
        route(self, call)
    }

    fn usual(status: u16) -> Refusal {
        Refusal::usual(status)
    }

    fn bad_request(message: &str) -> Refusal {
        Refusal::bad_request(message)
    }

    fn complete(&mut self, call: &ParsedRequest, reply: Reply) -> Response {
        let (api, root) = api_of(&call.path).unwrap_or((Api::Sharing, ""));
        let response = reply.unwrap_or_else(|refusal| refusal.into_response(api, &self.style));
        if Sent::new(call, root).pretty() { response.pretty() } else { response }
    }
}

impl State {
    fn add_demo_data(&mut self) {
        let now = Utc::now().trunc_subsecs(0);
        let hours_ago = |hours| now - TimeDelta::hours(hours);

        let cleaner = Draft {
            item: Some("c1d07e52-9a3b-4f68-8b20-6e5f4d3c2b1a".to_owned()),
            ..Draft::demo("Clean up jobs", "CleanGPJobs", "0 * * * ?")
        };
        self.add_task(None, Some(FakeArcGis::CLEANER), cleaner);
        self.add_task(None, Some(FakeArcGis::BACKUP), Draft::backup("Sunday backup", "15 5 ? * 1"));
        let retention = Draft {
            active: Some(false),
            ..Draft::demo("Drop old backups", "BackupRetentionCleaner", "45 3 * * ?")
        };
        self.add_task(None, Some(FakeArcGis::RETENTION), retention);

        let notebook = Draft {
            item: Some(FakeArcGis::NOTEBOOK_ITEM.to_owned()),
            parameters: Some(json!({
                "notebookParameters": "{\"region\":\"north\"}",
                "saveInjectedParameters": true,
                "updatePortalItem": false,
            })),
            ..Draft::demo("Traffic counts", "ExecuteNotebook", "30 6 * * ?")
        };
        self.add_task(Some(FakeArcGis::USERNAME), Some(FakeArcGis::NOTEBOOK), notebook);
        let report = Draft {
            parameters: Some(json!({
                "reportType": "org",
                "reportSubType": "credits",
                "timeDuration": "weekly",
                "title": "Credits",
            })),
            ..Draft::demo("Credits, weekly", "ExecuteReport", "0 8 ? * MON")
        };
        self.add_task(Some(FakeArcGis::USERNAME), Some(FakeArcGis::REPORT), report);
        let insights = Draft {
            item: Some("e3f290741c5d418ac2439f1b6f7e8dac".to_owned()),
            most: Some(1),
            ..Draft::demo("Sales, once", "UpdateInsightsWorkbook", "0 12 1 1 ?")
        };
        self.add_task(Some(FakeArcGis::USERNAME), Some(FakeArcGis::INSIGHTS), insights);
        let scene = Draft {
            item: Some("f403a1852d6e429bd354a02c708f9ebd".to_owned()),
            parameters: Some(json!({
                "service_url": "https://maps.hooli.example/server/rest/services/Hosted/City/SceneServer",
                "num_of_caching_service_instances": 2,
                "layer": "{}",
                "update_mode": "PARTIAL_UPDATE_NODES",
            })),
            ..Draft::demo("City in 3D", "ExecuteSceneCook", "0 0 L * ?")
        };
        self.add_task(Some(FakeArcGis::COLLEAGUE), Some(FakeArcGis::SCENE), scene);

        let emptied = || NewRun::new("succeeded").reason("12 jobs are gone.");
        let cleaner = [
            emptied(),
            emptied(),
            NewRun::new("failed").reason("The job store did not answer."),
            NewRun::new("skipped").reason("The run before it has not ended."),
            emptied(),
            emptied(),
        ];
        for (run, hours) in cleaner.into_iter().zip((1..=6).rev()) {
            self.add_run(FakeArcGis::CLEANER, run.created(hours_ago(hours)));
        }
        let saved = NewRun::new("succeeded").reason("The backup is in the store.");
        self.add_run(FakeArcGis::BACKUP, saved.created(hours_ago(80)));
        let notebook = [
            NewRun::new("succeeded"),
            NewRun::new("succeeded"),
            NewRun::new("succeeded"),
            NewRun::new("failed").reason("KeyError: 'counts'"),
            NewRun::new("succeeded"),
        ];
        for (run, days) in notebook.into_iter().zip((1..=5).rev()) {
            self.add_run(FakeArcGis::NOTEBOOK, run.created(hours_ago(days * 24)));
        }
        if let Some(once) = self.start_run(FakeArcGis::INSIGHTS, Plan::succeeds().takes(0)) {
            self.date_back(&once, hours_ago(24 * 100));
        }
        // Of a notebook that is gone. That it is listed shows that jobs are kept.
        let job = NewRun::new("COMPLETED").created(hours_ago(300));
        self.add_job("0b1c2d3e4f5061728394a5b6c7d8e9fa", job);
        let stuck = NewRun::new("submitfailed").reason("No machine is free.");
        self.add_run(FakeArcGis::SCENE, stuck.created(hours_ago(200)));
    }
}

impl Draft {
    /// A task of the demo data, without the fields that differ.
    pub(super) fn demo(title: &str, kind: &str, cron: &str) -> Self {
        Self {
            title: Some(title.to_owned()),
            kind: Some(kind.to_owned()),
            cron: Some(Cron::new(cron)),
            ..Self::default()
        }
    }

    /// A backup that an administrator made.
    pub(super) fn backup(title: &str, cron: &str) -> Self {
        let parameters = json!({
            "name": title,
            "storeName": "nightly-store",
            "passcode": FakeArcGis::PASSCODE,
            "itemId": "",
            "metaData": {
                "recurring": true,
                "startTime": "05:15",
                "retention": { "type": "week", "value": 3 },
            },
            "retentionOffset": 1_814_400_000,
        });
        Self { parameters: Some(parameters), ..Self::demo(title, "CreateBackup", cron) }
    }
}

/// About when a task runs next, counted from its last start.
pub(super) fn next_start(task: &Task) -> Option<DateTime<Utc>> {
    let last = task.last_start.unwrap_or(task.created);
    task.active.then(|| last + TimeDelta::seconds(task.cron.interval_seconds()))
}
