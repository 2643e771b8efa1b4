//! Runs of tasks, of both APIs: list, get, update, delete.

use serde::{Deserialize, Serialize};

use super::ArcGis;
use super::fields::{self, RunId, RunStatus, TaskId, Username};
use super::list::{Paging, list_setters};
use super::request::{Changed, dated};
use super::tasks::Task;
use super::time::{self, Dated, Time};
use super::user_tasks::UserTask;
use crate::client::{RequestBuilder, json, operation};
use crate::paging::Page;

operation! {
    /// Lists the runs of a task. In the vendor's sample they come newest first.
    ///
    /// The docs call them completed runs, and name statuses of runs that are not: do not assume that they have ended.
    ///
    /// Source: Enterprise Administrator API, "Runs", `GET /admin/system/tasks/{task}/runs`, since 10.9.
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
    ListTaskRuns { task: TaskId }
    pages counted { paging: Paging, item: TaskRun, key: run_id }
    for ArcGis, "arcgis.task_runs.list", Safe:
    GET "admin" / "system" / "tasks" / {task} / "runs" -> Page<TaskRun>
}

impl ListTaskRuns {
    list_setters!();
}

operation! {
    /// Lists the runs of a user's task. The server keeps a limited number: 30, according to the vendor's own client.
    ///
    /// Neither their order is documented, nor whether they come page by page.
    ///
    /// Source: ArcGIS REST API, "Runs", `GET /sharing/rest/community/users/{user}/tasks/{task}/runs`, since 10.8.1.
    ///
    /// ```
    /// use scheduled_runs::arcgis::ListUserTaskRuns;
    ///
    /// let request = ListUserTaskRuns::new("jsmith", "5f0cdc50cf36460990bb6edfe9b60e08");
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host/portal".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "GET");
    /// # assert_eq!(sent.url().path(), "/portal/sharing/rest/community/users/jsmith/tasks/5f0cdc50cf36460990bb6edfe9b60e08/runs");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    ListUserTaskRuns { user: Username, task: TaskId }
    pages counted { paging: Paging, item: TaskRun<UserTask>, key: run_id }
    for ArcGis, "arcgis.user_task_runs.list", Safe:
    GET "sharing" / "rest" / "community" / "users" / {user} / "tasks" / {task} / "runs" -> Page<TaskRun<UserTask>>
}

impl ListUserTaskRuns {
    list_setters!();
}

operation! {
    /// Gets one run of a task.
    ///
    /// Source: Enterprise Administrator API, "Run", `GET /admin/system/tasks/{task}/runs/{run}`, since 10.9.
    GetTaskRun { task: TaskId, run: RunId }
    for ArcGis, "arcgis.task_runs.get", Safe:
    GET "admin" / "system" / "tasks" / {task} / "runs" / {run} -> TaskRun,
    decode dated
}

operation! {
    /// Gets one run of a user's task.
    ///
    /// Source: the vendor's own client, `GET /sharing/rest/community/users/{user}/tasks/{task}/runs/{run}`; the docs have no
    /// page for it.
    GetUserTaskRun { user: Username, task: TaskId, run: RunId }
    for ArcGis, "arcgis.user_task_runs.get", Safe:
    GET "sharing" / "rest" / "community" / "users" / {user} / "tasks" / {task} / "runs" / {run} -> TaskRun<UserTask>,
    decode dated
}

macro_rules! result_setter {
    () => {
        /// Outcome in words.
        pub fn result(mut self, text: impl Into<String>) -> Self {
            self.result = Some(text.into());
            self
        }
    };
}

operation! {
    /// Changes the record of a run: its status, and its [`result`](Self::result). The work itself is not affected: nothing
    /// starts or ends.
    ///
    /// Source: Enterprise Administrator API, "Update (Run)", `POST /admin/system/tasks/{task}/runs/{run}/update`, since 10.9.
    UpdateTaskRun { task: TaskId, run: RunId, status: RunStatus }
    state { result: Option<String> }
    for ArcGis, "arcgis.task_runs.update", Idempotent:
    POST "admin" / "system" / "tasks" / {task} / "runs" / {run} / "update" -> Changed,
    with |this, request| record(request, &this.status, this.result.as_deref()),
    decode json::accepted
}

impl UpdateTaskRun {
    result_setter!();
}

operation! {
    /// Changes the record of a run of a user's task: its status, and its [`result`](Self::result). The work itself is not
    /// affected: nothing starts or ends.
    ///
    /// Source: ArcGIS REST API, "Update Run", `POST …/users/{user}/tasks/{task}/runs/{run}/update`, since 10.8.1.
    UpdateUserTaskRun { user: Username, task: TaskId, run: RunId, status: RunStatus }
    state { result: Option<String> }
    for ArcGis, "arcgis.user_task_runs.update", Idempotent:
    POST "sharing" / "rest" / "community" / "users" / {user} / "tasks" / {task} / "runs" / {run} / "update" -> Changed,
    with |this, request| record(request, &this.status, this.result.as_deref()),
    decode json::accepted
}

impl UpdateUserTaskRun {
    result_setter!();
}

operation! {
    /// Deletes the record of a run.
    ///
    /// Source: Enterprise Administrator API, "Delete (Run)", `POST /admin/system/tasks/{task}/runs/{run}/delete`, since 10.9;
    /// the page's sample lacks `/admin`.
    DeleteTaskRun { task: TaskId, run: RunId }
    for ArcGis, "arcgis.task_runs.delete", NotIdempotent:
    POST "admin" / "system" / "tasks" / {task} / "runs" / {run} / "delete" -> Changed,
    decode json::accepted
}

operation! {
    /// Deletes the record of a run of a user's task.
    ///
    /// Source: ArcGIS REST API, "Delete Run", `POST …/users/{user}/tasks/{task}/runs/{run}/delete`, since 10.8.1.
    DeleteUserTaskRun { user: Username, task: TaskId, run: RunId }
    for ArcGis, "arcgis.user_task_runs.delete", NotIdempotent:
    POST "sharing" / "rest" / "community" / "users" / {user} / "tasks" / {task} / "runs" / {run} / "delete" -> Changed,
    decode json::accepted
}

/// The form of both updates.
fn record(request: RequestBuilder, status: &RunStatus, result: Option<&str>) -> RequestBuilder {
    let result = result.map(|text| ("result", text));
    request.form([("status", status.as_str())].into_iter().chain(result))
}

/// One run of a task: [`TaskRun`] of a task of the deployment, `TaskRun<UserTask>` of a user's task.
///
/// The sharing API documents only id, status, result and task of its runs; the other members are read if it sends them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TaskRun<T = Task> {
    /// Id.
    #[serde(deserialize_with = "fields::required_id")]
    pub run_id: RunId,
    /// Status. A run without one does not count as ended.
    pub status: Option<RunStatus>,
    /// Outcome in words; of a failed run, the reason.
    #[serde(default, deserialize_with = "fields::filled")]
    pub result: Option<Box<str>>,
    /// Where to find more. Samples of the administrator API have an empty text, which is read as `None`.
    #[serde(default, deserialize_with = "fields::filled")]
    pub url: Option<Box<str>>,
    /// When the run was created: in samples of the administrator API half a minute after the scheduled time.
    #[serde(default, deserialize_with = "time::lenient")]
    pub created: Option<Time>,
    /// When the run last changed.
    #[serde(default, deserialize_with = "time::lenient")]
    pub modified: Option<Time>,
    /// Its task. Inferred: in its present state, not as it was when the run started.
    #[serde(
        default = "Option::default",
        deserialize_with = "fields::task",
        bound(deserialize = "T: Deserialize<'de>")
    )]
    pub task: Option<T>,
}

impl<T: Dated> Dated for TaskRun<T> {
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
    fn runs_of_a_deployment_are_requested_below_their_task() {
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

    #[test]
    fn runs_of_a_user_are_requested_below_user_and_task() {
        let path = "/sharing/rest/community/users/u/tasks/t1/runs";
        let form = "\ncontent-type: application/x-www-form-urlencoded\n\n";
        for (text, expected) in [
            (request_text(&ListUserTaskRuns::new("u", "t1")), format!("GET {path}?f=json")),
            (
                request_text(&ListUserTaskRuns::new("u", "t1").num(5)),
                format!("GET {path}?num=5&f=json"),
            ),
            (request_text(&GetUserTaskRun::new("u", "t1", "r1")), format!("GET {path}/r1?f=json")),
            (
                request_text(&UpdateUserTaskRun::new("u", "t1", "r1", "executing")),
                format!("POST {path}/r1/update{form}status=executing&f=json"),
            ),
            (
                request_text(
                    &UpdateUserTaskRun::new("u", "t1", "r1", RunStatus::Failed).result("no"),
                ),
                format!("POST {path}/r1/update{form}status=failed&result=no&f=json"),
            ),
            (
                request_text(&DeleteUserTaskRun::new("u", "t1", "r1")),
                format!("POST {path}/r1/delete{form}f=json"),
            ),
        ] {
            assert_eq!(text, expected);
        }
    }
}
