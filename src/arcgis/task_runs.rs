//! Runs of the administrator API's tasks: list, get, update, delete.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use url::Url;

use super::ArcGis;
use super::fields::{self, RunId, RunStatus, TaskId};
use super::list::{Paging, paged};
use super::request::{Changed, Place, dated, request, start};
use super::tasks::Task;
use super::time::{self, Dated, Time};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, PagedEndpoint as _};
use crate::error::Result;
use crate::paging::Page;
use crate::wire::json;

/// Lists the runs of a task. In the vendor's sample they come newest first.
///
/// The docs call them completed runs, and name states of runs that are not: do not take it for granted that they are over.
///
/// Source: Enterprise Administrator API, "Runs", `GET /admin/system/tasks/{task}/runs`, since 10.9. Safe to repeat.
///
/// ```
/// use scheduled_runs::arcgis::ListTaskRuns;
///
/// let request = ListTaskRuns::new("5f0cdc50cf36460990bb6edfe9b60e08").num(10);
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host/portal".parse().unwrap())?;
/// # assert_eq!(sent.method(), "GET");
/// # assert_eq!(sent.url().path(), "/portal/admin/system/tasks/5f0cdc50cf36460990bb6edfe9b60e08/runs");
/// # assert_eq!(sent.url().query(), Some("num=10"));
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListTaskRuns {
    task: TaskId,
    paging: Paging,
}

impl ListTaskRuns {
    /// The runs of this task.
    pub fn new(task: impl Into<TaskId>) -> Self {
        Self { task: task.into(), paging: Paging::default() }
    }
}

impl Endpoint for ListTaskRuns {
    type Api = ArcGis;
    type Output = Page<TaskRun>;
    const OPERATION: &'static str = "arcgis.task_runs.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["system", "tasks", self.task.as_str(), "runs"];
        self.paging.write(start::<Self>(Method::GET, base, Place::Admin, &path)).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<TaskRun>> {
        self.paging.page(meta, body, Self::key)
    }
}

paged!(ListTaskRuns -> TaskRun, run_id);

request! {
    /// Gets one run of a task.
    ///
    /// Source: Enterprise Administrator API, "Run", `GET /admin/system/tasks/{task}/runs/{run}`, since 10.9. Safe to repeat.
    GetTaskRun { task: TaskId, run: RunId } "This run of this task."
    GET Admin ["system", "tasks", task, "runs", run] -> TaskRun = dated, "arcgis.task_runs.get", Safe
}

/// Changes what is on record about a run. It does not touch the work itself: nothing starts or ends.
///
/// Source: Enterprise Administrator API, "Update (Run)", `POST /admin/system/tasks/{task}/runs/{run}/update`, since 10.9. The
/// second time changes nothing, so it is safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct UpdateTaskRun {
    task: TaskId,
    run: RunId,
    status: RunStatus,
    result: Option<String>,
}

impl UpdateTaskRun {
    /// Gives this run of this task a status.
    pub fn new(
        task: impl Into<TaskId>,
        run: impl Into<RunId>,
        status: impl Into<RunStatus>,
    ) -> Self {
        Self { task: task.into(), run: run.into(), status: status.into(), result: None }
    }

    /// What came of it, in words.
    pub fn result(mut self, text: impl Into<String>) -> Self {
        self.result = Some(text.into());
        self
    }
}

impl Endpoint for UpdateTaskRun {
    type Api = ArcGis;
    type Output = Changed;
    const OPERATION: &'static str = "arcgis.task_runs.update";
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["system", "tasks", self.task.as_str(), "runs", self.run.as_str(), "update"];
        let fields = [("status", Some(self.status.as_str())), ("result", self.result.as_deref())];
        start::<Self>(Method::POST, base, Place::Admin, &path)
            .form(fields.into_iter().filter_map(|(name, value)| Some((name, value?))))
            .finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Changed> {
        json::decode(meta, body)
    }
}

request! {
    /// Deletes the record of a run.
    ///
    /// Source: Enterprise Administrator API, "Delete (Run)", `POST /admin/system/tasks/{task}/runs/{run}/delete`, since 10.9;
    /// the page's sample lacks `/admin`. Never sent again once it may have been carried out.
    DeleteTaskRun { task: TaskId, run: RunId } "This run of this task."
    POST Admin ["system", "tasks", task, "runs", run, "delete"] -> Changed = json::decode,
    "arcgis.task_runs.delete", NotIdempotent
}

/// One run of a task.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TaskRun {
    /// Id.
    #[serde(deserialize_with = "fields::run_id")]
    pub run_id: RunId,
    /// How it stands; where it is missing, the run does not count as over.
    pub status: Option<RunStatus>,
    /// What came of it, in words: of a failed run, why.
    #[serde(default, deserialize_with = "fields::filled")]
    pub result: Option<Box<str>>,
    /// Where there is more. Samples have an empty text, which is none.
    #[serde(default, deserialize_with = "fields::filled")]
    pub url: Option<Box<str>>,
    /// When it was created: in samples half a minute after its time.
    #[serde(default, deserialize_with = "time::lenient")]
    pub created: Option<Time>,
    /// When it last changed.
    #[serde(default, deserialize_with = "time::lenient")]
    pub modified: Option<Time>,
    /// Its task. Inferred: as it stands now, not as it stood then.
    pub task: Option<Task>,
}

impl Dated for TaskRun {
    fn dates(&mut self, each: &mut dyn FnMut(&mut Time)) {
        [&mut self.created, &mut self.modified].into_iter().flatten().for_each(&mut *each);
        if let Some(task) = &mut self.task {
            task.dates(each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arcgis::tests::request_text;
    use crate::run::Phase;

    #[test]
    fn runs_are_asked_for_below_their_task() {
        assert_eq!(
            request_text(&ListTaskRuns::new("t1")),
            "GET /admin/system/tasks/t1/runs?f=json"
        );
        assert_eq!(
            request_text(&GetTaskRun::new("t1", "r1")),
            "GET /admin/system/tasks/t1/runs/r1?f=json"
        );
    }

    #[test]
    fn a_run_is_updated_and_deleted_by_post() {
        let post = |verb, form| {
            format!(
                "POST /admin/system/tasks/t1/runs/r1/{verb}\ncontent-type: application/x-www-form-urlencoded\n\n{form}"
            )
        };
        assert_eq!(
            request_text(&UpdateTaskRun::new("t1", "r1", RunStatus::Executing).result("a&b c")),
            post("update", "status=executing&result=a%26b+c&f=json")
        );
        assert_eq!(
            request_text(&UpdateTaskRun::new("t1", "r1", RunStatus::SubmitFailed)),
            post("update", "status=submitfailed&f=json")
        );
        assert_eq!(request_text(&DeleteTaskRun::new("t1", "r1")), post("delete", "f=json"));
    }

    #[test]
    fn only_known_statuses_end_a_run() {
        for (status, terminal, failure) in [
            ("scheduled", false, false),
            ("executing", false, false),
            ("Succeeded", true, false),
            ("skipped", true, false),
            ("failed", true, true),
            ("submitFailed", true, true),
            ("cancelled", false, false),
        ] {
            let status = RunStatus::from(status);
            assert_eq!(
                (status.is_terminal(), status.phase() == Phase::Failed),
                (terminal, failure),
                "{status}"
            );
        }
    }
}
