//! Notebooks: their executions, and the jobs of these, of both deployments.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::checks::{Sent, cannot_be, is_item};
use super::responses::{Refusal, Reply, data};
use super::state::State;
use super::tokens::Caller;
use super::{Deployment, FakeArcGis};
use crate::testing::kit::{Course, NewRun, Plan};

/// How many jobs a Notebook Server lists by default.
const USUAL_LIST: usize = 100;

/// One execution of a notebook.
pub(super) struct Job {
    pub(super) id: String,
    notebook: String,
    user: String,
    status: String,
    started: DateTime<Utc>,
    ended: Option<DateTime<Utc>>,
    messages: Vec<String>,
    is_cancelled: bool,
    inputs: Map<String, Value>,
    /// How it goes on; `None` once it has ended.
    course: Option<Course>,
}

/// What a version does and another does not.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(super) struct JobSettings {
    pub(super) without_details: bool,
    pub(super) without_cancel: bool,
    pub(super) cancel_by_get: bool,
    pub(super) removed_at_end: bool,
}

/// `/admin/notebooks` of Kubernetes; of a Notebook Server also `/admin/system`, whose jobs they are.
pub(super) fn route(state: &mut State, sent: &Sent<'_>, caller: &Caller, parts: &[&str]) -> Reply {
    match (sent.call.method.as_str(), parts) {
        ("POST", ["executeNotebook"]) => execute(state, sent, caller),
        ("GET", ["jobs"]) => list(state, sent, caller),
        ("POST", ["jobs", "deleteAll"]) if state.has_notebook_server() => {
            sent.only(&[])?;
            state.jobs.retain(|job| job.ended.is_none() || !job.is_shown_to(caller));
            Ok(data(json!({ "status": "success" })))
        }
        ("GET", ["jobs", id]) => {
            sent.only(&[])?;
            let place = state.job_of(caller, id)?;
            state.poll_job(place);
            let removed = state.job_settings.removed_at_end;
            if removed && state.jobs.get(place).is_some_and(|job| job.ended.is_some()) {
                state.jobs.remove(place);
            }
            let job = state.jobs.get(state.job_of(caller, id)?);
            job.map(|job| data(job.shown(state, false))).ok_or_else(|| Refusal::not_found("job"))
        }
        ("GET" | "POST", ["jobs", id, "cancel"]) if !state.job_settings.without_cancel => {
            cancel(state, sent, caller, id)
        }
        _ => Err(Refusal::not_found("path")),
    }
}

fn execute(state: &mut State, sent: &Sent<'_>, caller: &Caller) -> Reply {
    sent.only(&["itemId", "updatePortalItem", "notebookParameters", "saveInjectedParameters"])?;
    let notebook = sent.required("itemId")?;
    if !is_item(notebook) {
        return Err(cannot_be("itemId", notebook));
    }
    if !state.is_notebook(notebook) {
        return Err(Refusal::not_found("notebook"));
    }
    let mut inputs = Map::new();
    let update = sent.flag("updatePortalItem")?.unwrap_or(true);
    inputs.insert("updatePortalItem".to_owned(), update.into());
    let save = sent.flag("saveInjectedParameters")?.unwrap_or(false);
    inputs.insert("saveInjectedParameters".to_owned(), save.into());
    if let Some(text) = sent.field("notebookParameters") {
        if serde_json::from_str::<Map<String, Value>>(text).is_err() {
            return Err(Refusal::bad_request("'notebookParameters' is not a JSON object"));
        }
        inputs.insert("notebookParameters".to_owned(), text.into());
    }
    state.kit.count_trigger(notebook);
    let plan = state.kit.next_plan();
    let id = state.start_job(notebook, caller.user, inputs, plan);
    let url = format!("https://node-1.hooli.internal:11443/arcgis/admin/system/jobs/{id}");
    Ok(data(json!({ "status": "success", "jobId": id, "jobUrl": url })))
}

fn list(state: &mut State, sent: &Sent<'_>, caller: &Caller) -> Reply {
    sent.only(&["detail", "num", "sortByDate"])?;
    let detail = sent.flag("detail")?.unwrap_or(false);
    let by_date = sent.flag("sortByDate")?.unwrap_or(false);
    let num = sent.number("num")?;
    let num = num.map(|num| usize::try_from(num).map_err(|_| cannot_be("num", &num.to_string())));
    let num = num.transpose()?;
    let is_listed = |job: &Job| {
        let is_late = job.course.as_ref().is_some_and(|course| !course.listed_at.has_come());
        !is_late && job.is_shown_to(caller)
    };
    for place in 0..state.jobs.len() {
        let course = state.jobs.get_mut(place).filter(|job| is_listed(job));
        let course = course.and_then(|job| job.course.as_mut());
        if course.is_some_and(Course::list) {
            state.poll_job(place);
        }
    }
    if state.job_settings.removed_at_end {
        state.jobs.retain(|job| job.ended.is_none());
    }
    let mut jobs: Vec<&Job> = state.jobs.iter().filter(|job| is_listed(job)).collect();
    let total = jobs.len();
    if state.has_notebook_server() {
        if by_date {
            jobs.sort_by_key(|job| std::cmp::Reverse(job.started));
        }
        jobs.truncate(num.unwrap_or(USUAL_LIST));
        let detail = detail && !state.job_settings.without_details;
        let shown =
            jobs.iter().map(|job| if detail { job.shown(state, true) } else { job.row(state) });
        let shown: Vec<Value> = shown.collect();
        return Ok(data(json!({ "asyncJobs": shown, "total": total })));
    }
    if detail && !state.job_settings.without_details {
        let shown: Vec<Value> = jobs.iter().map(|job| job.shown(state, true)).collect();
        return Ok(data(json!({ "notebookJobs": shown })));
    }
    let rows: Vec<Value> = jobs.iter().map(|job| job.row(state)).collect();
    Ok(data(json!({ "asyncNotebookJobs": rows })))
}

fn cancel(state: &mut State, sent: &Sent<'_>, caller: &Caller, id: &str) -> Reply {
    sent.only(&[])?;
    let by_get = state.has_notebook_server() && state.job_settings.cancel_by_get;
    if by_get != (sent.call.method == "GET") {
        return Err(Refusal::error(405, "This method is not allowed here."));
    }
    let place = state.job_of(caller, id)?;
    let job = state.jobs.get_mut(place).filter(|job| job.ended.is_none());
    let job = job.ok_or_else(|| Refusal::bad_request("the job has ended"))?;
    job.is_cancelled = true;
    job.course = Some(Course::new::<State>(Plan::cancelled().takes(1)));
    Ok(data(json!({ "status": "success" })))
}

impl State {
    pub(super) fn has_notebook_server(&self) -> bool {
        self.deployment == Deployment::WindowsOrLinux
    }

    /// Notebooks are the items that tasks execute.
    pub(super) fn is_notebook(&self, item: &str) -> bool {
        let mut tasks = self.tasks.iter();
        tasks.any(|task| task.kind == "ExecuteNotebook" && task.item.as_deref() == Some(item))
    }

    /// The place of a job that the caller may see.
    fn job_of(&self, caller: &Caller, id: &str) -> Result<usize, Refusal> {
        let place = self.jobs.iter().position(|job| job.id == id && job.is_shown_to(caller));
        place.ok_or_else(|| Refusal::not_found("job"))
    }

    pub(super) fn start_job(
        &mut self,
        notebook: &str,
        user: &str,
        inputs: Map<String, Value>,
        plan: Plan,
    ) -> String {
        let started = self.kit.now();
        let at_once = plan.polls == 0;
        let id = format!("j{}", self.kit.new_uuid());
        self.jobs.push(Job {
            id: id.clone(),
            notebook: notebook.to_owned(),
            user: user.to_owned(),
            status: "SUBMITTED".to_owned(),
            started,
            ended: None,
            messages: vec!["The container has started.".to_owned()],
            is_cancelled: false,
            inputs,
            course: Some(Course::new::<Self>(plan)),
        });
        if at_once {
            self.poll_job(self.jobs.len() - 1);
        }
        id
    }

    /// A job that exists already. It does not move by itself.
    pub(super) fn add_job(&mut self, notebook: &str, new: NewRun) -> String {
        let id = self.start_job(notebook, FakeArcGis::USERNAME, Map::new(), Plan::never_ends());
        if let Some(job) = self.jobs.last_mut() {
            job.id = new.id.unwrap_or(id);
            job.started = new.created.unwrap_or(job.started);
            let ended = job.started + new.took.unwrap_or_default();
            job.settle(&new.state, new.plan.reason, ended);
            return job.id.clone();
        }
        id
    }

    /// The job of a run of a task, which names both.
    pub(super) fn start_job_of_run(&mut self, run: &str) -> Option<String> {
        let task = self.tasks.iter().find(|task| task.run(run).is_ok())?;
        let notebook = task.item.clone()?;
        let named = [("taskId", task.id.as_str()), ("runId", run)];
        let inputs = named.map(|(name, id)| (name.to_owned(), id.into()));
        let plan = Plan::succeeds();
        Some(self.start_job(&notebook, FakeArcGis::USERNAME, inputs.into_iter().collect(), plan))
    }

    fn poll_job(&mut self, place: usize) {
        let (now, server) = (self.kit.now(), self.has_notebook_server());
        let job = self.jobs.get_mut(place).filter(|_| !self.kit.held);
        let Some(job) = job else { return };
        let Some(course) = &mut job.course else { return };
        if let Some(end) = course.poll() {
            let reason = course.plan.reason.take();
            job.settle(&end, reason, now);
        } else if course.polls >= 2 && job.status == "SUBMITTED" {
            let status = if server { "PROCESSING" } else { "EXECUTING" };
            status.clone_into(&mut job.status);
        }
    }

    /// Ends the job with this ID.
    pub(super) fn finish_job(&mut self, id: &str, status: &str) -> Option<()> {
        let now = self.kit.now();
        self.jobs.iter_mut().find(|job| job.id == id)?.settle(status, None, now);
        Some(())
    }
}

impl Job {
    fn is_shown_to(&self, caller: &Caller) -> bool {
        caller.administrator || self.user == caller.user
    }

    /// Sets the status, in the words of plans or of the vendor. It does not move by itself any more.
    fn settle(&mut self, status: &str, reason: Option<String>, at: DateTime<Utc>) {
        let (status, has_ended) = match status {
            "succeeded" | "COMPLETED" => ("COMPLETED", true),
            "failed" | "FAILED" => ("FAILED", true),
            "cancelled" | "CANCELLED" => ("CANCELLED", true),
            other => (other, false),
        };
        status.clone_into(&mut self.status);
        self.is_cancelled |= status == "CANCELLED";
        self.ended = has_ended.then_some(at);
        self.messages.extend(reason);
        self.course = None;
    }

    fn shown_inputs(&self, server: bool) -> Value {
        let mut inputs = self.inputs.clone();
        inputs.insert("itemId".to_owned(), self.notebook.as_str().into());
        for name in ["taskId", "runId"].into_iter().filter(|_| !server) {
            inputs.entry(name).or_insert_with(|| "".into());
        }
        inputs.into()
    }

    fn ended_ms(&self) -> i64 {
        self.ended.map_or(0, |at| at.timestamp_millis())
    }

    /// A job in a list without details.
    fn row(&self, state: &State) -> Value {
        let started = self.started.timestamp_millis();
        if state.has_notebook_server() {
            return json!({
                "jobId": self.id,
                "startTime": started,
                "type": "executeNotebook",
                "username": self.user,
            });
        }
        json!({
            "jobId": self.id,
            "name": "executeNotebook",
            "startTime": started,
            "endTime": self.ended_ms(),
            "status": self.status,
        })
    }

    /// The whole job. Only in lists does Kubernetes say when it started and ended.
    fn shown(&self, state: &State, listed: bool) -> Value {
        let started = self.started.timestamp_millis();
        if state.has_notebook_server() {
            // It has no such status, but says so elsewhere.
            let status = if self.status == "CANCELLED" { "COMPLETED" } else { &self.status };
            return json!({
                "jobId": self.id,
                "inputs": self.shown_inputs(true),
                "startTime": started,
                "endTime": self.ended_ms(),
                "messages": self.messages,
                "type": "executeNotebook",
                "status": status,
                "username": self.user,
                "customAttributes": { "isCancelled": self.is_cancelled },
            });
        }
        let mut job = json!({
            "jobId": self.id,
            "inputs": self.shown_inputs(false),
            "messages": self.messages,
            "type": "executeNotebook",
            "status": self.status,
            "username": self.user,
            "dateCreated": started,
            "revision": self.ended.unwrap_or(self.started).timestamp_millis(),
        });
        if let Some(job) = job.as_object_mut().filter(|_| listed) {
            job.insert("startTime".to_owned(), started.into());
            job.insert("endTime".to_owned(), self.ended_ms().into());
        }
        job
    }
}
