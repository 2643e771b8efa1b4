//! Runs of the sharing API's tasks: list, get, update, delete.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use url::Url;

use super::ArcGis;
use super::fields::{self, RunId, RunStatus, TaskId, Username};
use super::list::{Paging, paged};
use super::request::{Changed, Place, dated, request, start};
use super::time::{self, Dated, Time};
use super::user_tasks::UserTask;
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, PagedEndpoint as _};
use crate::error::Result;
use crate::paging::Page;
use crate::wire::json;

/// Lists the runs of a user's task. The server keeps only so many: 30 by what the vendor's own client says.
///
/// Their order is not documented, and neither is whether they come page by page.
///
/// Source: ArcGIS REST API, "Runs", `GET /sharing/rest/community/users/{user}/tasks/{task}/runs`, since 10.8.1. Safe to
/// repeat.
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListUserTaskRuns {
    user: Username,
    task: TaskId,
    paging: Paging,
}

impl ListUserTaskRuns {
    /// The runs of this task of this user.
    pub fn new(user: impl Into<Username>, task: impl Into<TaskId>) -> Self {
        Self { user: user.into(), task: task.into(), paging: Paging::default() }
    }
}

impl Endpoint for ListUserTaskRuns {
    type Api = ArcGis;
    type Output = Page<UserTaskRun>;
    const OPERATION: &'static str = "arcgis.user_task_runs.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["community", "users", self.user.as_str(), "tasks", self.task.as_str(), "runs"];
        self.paging.write(start::<Self>(Method::GET, base, Place::Sharing, &path)).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<UserTaskRun>> {
        self.paging.page(meta, body, Self::key)
    }
}

paged!(ListUserTaskRuns -> UserTaskRun, run_id);

request! {
    /// Gets one run of a user's task.
    ///
    /// Source: the vendor's own client, `GET /sharing/rest/community/users/{user}/tasks/{task}/runs/{run}`; the docs have no
    /// page for it. Safe to repeat.
    GetUserTaskRun { user: Username, task: TaskId, run: RunId } "This run of this task of this user."
    GET Sharing ["community", "users", user, "tasks", task, "runs", run] -> UserTaskRun = dated,
    "arcgis.user_task_runs.get", Safe
}

/// Changes what is on record about a run. It does not touch the work itself: nothing starts or ends.
///
/// Source: ArcGIS REST API, "Update Run", `POST …/users/{user}/tasks/{task}/runs/{run}/update`, since 10.8.1. The second time
/// changes nothing, so it is safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct UpdateUserTaskRun {
    user: Username,
    task: TaskId,
    run: RunId,
    status: RunStatus,
    result: Option<String>,
}

impl UpdateUserTaskRun {
    /// Gives this run of this task of this user a status.
    pub fn new(
        user: impl Into<Username>,
        task: impl Into<TaskId>,
        run: impl Into<RunId>,
        status: impl Into<RunStatus>,
    ) -> Self {
        Self {
            user: user.into(),
            task: task.into(),
            run: run.into(),
            status: status.into(),
            result: None,
        }
    }

    /// What came of it, in words.
    pub fn result(mut self, text: impl Into<String>) -> Self {
        self.result = Some(text.into());
        self
    }
}

impl Endpoint for UpdateUserTaskRun {
    type Api = ArcGis;
    type Output = Changed;
    const OPERATION: &'static str = "arcgis.user_task_runs.update";
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let Self { user, task, run, .. } = self;
        let (user, task, run) = (user.as_str(), task.as_str(), run.as_str());
        let path = ["community", "users", user, "tasks", task, "runs", run, "update"];
        let fields = [("status", Some(self.status.as_str())), ("result", self.result.as_deref())];
        start::<Self>(Method::POST, base, Place::Sharing, &path)
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
    /// Source: ArcGIS REST API, "Delete Run", `POST …/users/{user}/tasks/{task}/runs/{run}/delete`, since 10.8.1. Never sent
    /// again once it may have been carried out.
    DeleteUserTaskRun { user: Username, task: TaskId, run: RunId } "This run of this task of this user."
    POST Sharing ["community", "users", user, "tasks", task, "runs", run, "delete"] -> Changed = json::decode,
    "arcgis.user_task_runs.delete", NotIdempotent
}

/// One run of a user's task.
///
/// Only the id, the status, the result and the task are documented; the rest is read where it comes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UserTaskRun {
    /// Id.
    #[serde(deserialize_with = "fields::run_id")]
    pub run_id: RunId,
    /// How it stands; where it is missing, the run does not count as over.
    pub status: Option<RunStatus>,
    /// What came of it, in words: of a failed run, why.
    #[serde(default, deserialize_with = "fields::filled")]
    pub result: Option<Box<str>>,
    /// Where there is more.
    #[serde(default, deserialize_with = "fields::filled")]
    pub url: Option<Box<str>>,
    /// When it was created.
    #[serde(default, deserialize_with = "time::lenient")]
    pub created: Option<Time>,
    /// When it last changed.
    #[serde(default, deserialize_with = "time::lenient")]
    pub modified: Option<Time>,
    /// Its task. Inferred: as it stands now, not as it stood then.
    pub task: Option<UserTask>,
}

impl Dated for UserTaskRun {
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

    #[test]
    fn every_request_goes_below_its_user_and_task() {
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
