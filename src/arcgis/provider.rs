//! [`RunProvider`] for ArcGIS: the runs of tasks, and the executions of notebooks.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use async_trait::async_trait;
use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::fields::{RunStatus, TaskId, Username};
use super::notebook_runs;
use super::notebooks::NotebookId;
use super::task_runs::{GetTaskRun, GetUserTaskRun, ListTaskRuns, ListUserTaskRuns, TaskRun};
use super::time::Time;
use super::{ArcGis, Client, VENDOR};
use crate::client::{Api, CallLimits, Clock, Endpoint, PagedEndpoint, Vendor};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::run::{
    CancelOutcome, Capabilities, Failure, Phase, RecentRuns, RunProvider, RunRef, RunSnapshot,
    Target, Triggered,
};
use crate::wire::UNRESERVED;

/// Names a task of the administrator API as a [`Target`].
///
/// It names no account: a client of any account accepts it and its runs. For what you store, use [`Client::target`].
#[must_use]
pub fn target(task: impl Into<TaskId>) -> Target {
    Target::new(VENDOR, encoded(task.into().as_str()))
}

/// Names a task of a user as a [`Target`].
///
/// It names no account: a client of any account accepts it and its runs. For what you store, use [`Client::user_target`].
#[must_use]
pub fn user_target(user: impl Into<Username>, task: impl Into<TaskId>) -> Target {
    let (user, task) = (user.into(), task.into());
    Target::new(VENDOR, format!("{}/{}", encoded(user.as_str()), encoded(task.as_str())))
}

/// Names a notebook as a [`Target`], by the id of its item in the portal. A run is one execution.
///
/// It names no account: a client of any account accepts it and its runs. For what you store, use [`Client::notebook_target`].
#[must_use]
pub fn notebook_target(notebook: impl Into<NotebookId>) -> Target {
    Target::new(VENDOR, format!("{NOTEBOOK}{}", encoded(notebook.into().as_str())))
}

/// Begins the id of a target that is a notebook. Ids of tasks are encoded, and have no colon.
const NOTEBOOK: &str = "notebook:";

impl Client {
    /// A task of the administrator API, as a target in this client's portal: a client of another one refuses it and its runs.
    #[must_use]
    pub fn target(&self, task: impl Into<TaskId>) -> Target {
        self.scoped(target(task))
    }

    /// A task of a user, as a target in this client's portal.
    #[must_use]
    pub fn user_target(&self, user: impl Into<Username>, task: impl Into<TaskId>) -> Target {
        self.scoped(user_target(user, task))
    }

    /// A notebook, as a target in this client's portal.
    #[must_use]
    pub fn notebook_target(&self, notebook: impl Into<NotebookId>) -> Target {
        self.scoped(notebook_target(notebook))
    }
}

fn encoded(id: &str) -> String {
    utf8_percent_encode(id, UNRESERVED).to_string()
}

/// The target is a task, of the administrator API or of a user, or a notebook.
///
/// A task runs only on its schedule: the vendor documents no operation that starts or cancels a run. A notebook is executed with
/// default settings: without parameters, and the executed notebook replaces the item. Its runs are the jobs of all its executions,
/// also those of its tasks and web tools; an administrator sees all, others their own. So the [capabilities](Self::capabilities) are
/// those of tasks, and [`capabilities_of`](Self::capabilities_of) says what can be done with a notebook.
///
/// A list is one page of the server's, sorted newest first, because the vendor documents no order. Kubernetes before 12.1 and
/// Notebook Server before 10.9 list jobs without saying which notebook they execute: then each job in the list costs a request more.
///
/// A job may be removed when it has ended: by Kubernetes, or on a Notebook Server by
/// [`DeleteNotebookJobs`](super::DeleteNotebookJobs) and the server's own clean-up. A start whose response is lost is said to have
/// started nothing only if the list holds a job that ended before it: then jobs are kept for longer. Otherwise, and if a list counts
/// more jobs than it has, that is [`Ambiguous`](ErrorKind::Ambiguous).
///
/// If a job was active at the last poll and is gone, the wait fails with [`NotFound`](ErrorKind::NotFound) and holds the last
/// snapshot: whether the job succeeded is not known. Within the first minute after its trigger, the wait still polls on, because a new
/// job may be unknown for a while.
#[async_trait]
impl RunProvider for Client {
    fn vendor(&self) -> Vendor {
        ArcGis::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list()
    }

    fn capabilities_of(&self, target: &Target) -> Capabilities {
        match TargetKind::of(target.id()) {
            Ok(TargetKind::Notebook(_)) => self.capabilities().trigger_names_run().cancel(),
            _ => self.capabilities(),
        }
    }

    fn scope(&self) -> Option<&str> {
        Client::scope(self)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Client::clock(self)
    }

    #[inline]
    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
        let (id, target) = (run.id(), run.target());
        match TargetKind::of(target.id_at(self)?)? {
            TargetKind::Admin(task) => get(self, GetTaskRun::new(task, id), target, limits).await,
            TargetKind::User(user, task) => {
                get(self, GetUserTaskRun::new(user, task, id), target, limits).await
            }
            TargetKind::Notebook(_) => notebook_runs::get(self, run, limits).await,
        }
    }

    #[inline]
    async fn fetch_run_again(
        &self,
        last: &RunSnapshot,
        limits: &CallLimits,
    ) -> Result<RunSnapshot> {
        match TargetKind::of(last.run.target().id_at(self)?)? {
            TargetKind::Notebook(_) => notebook_runs::get_again(self, last, limits).await,
            _ => self.fetch_run(&last.run, limits).await,
        }
    }

    #[inline]
    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        match TargetKind::of(target.id_at(self)?)? {
            TargetKind::Admin(task) => {
                list(self, ListTaskRuns::new(task), target, cursor, limits).await
            }
            TargetKind::User(user, task) => {
                list(self, ListUserTaskRuns::new(user, task), target, cursor, limits).await
            }
            TargetKind::Notebook(notebook) => {
                notebook_runs::list(self, &notebook, target, cursor, limits).await
            }
        }
    }

    /// The portal chooses the ids. Of a task, the error says what can be run instead.
    fn name_run(&self, target: &Target) -> Result<Option<RunRef>> {
        notebook_of(target.id_at(self)?, "starts a run of a task").map(|_| None)
    }

    #[inline]
    async fn send_trigger(
        &self,
        target: &Target,
        _: Option<&RunRef>,
        limits: &CallLimits,
    ) -> Result<Triggered> {
        let notebook = notebook_of(target.id_at(self)?, "starts a run of a task")?;
        notebook_runs::trigger(self, notebook, target, limits).await
    }

    #[inline]
    async fn recent_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<RecentRuns> {
        match TargetKind::of(target.id_at(self)?)? {
            TargetKind::Notebook(notebook) => {
                notebook_runs::recent(self, &notebook, target, cursor, limits).await
            }
            _ => Ok(RecentRuns::new(self.fetch_page(target, cursor, limits).await?, None)),
        }
    }

    #[inline]
    async fn send_cancel(&self, run: &RunRef, limits: &CallLimits) -> Result<CancelOutcome> {
        notebook_of(run.target().id_at(self)?, "cancels a run of a task")?;
        notebook_runs::cancel(self, run, limits).await
    }
}

/// The notebook that a target names. Of tasks, the vendor's schedules do all that is done with runs.
fn notebook_of(target: &str, what: &str) -> Result<NotebookId> {
    if let TargetKind::Notebook(notebook) = TargetKind::of(target)? {
        return Ok(notebook);
    }
    let message = format!(
        "arcgis has no operation that {what}; a notebook can be run as the target `arcgis::notebook_target`"
    );
    Err(Error::new(ErrorKind::Unsupported, message))
}

async fn get<T: Send + 'static>(
    client: &Client,
    request: impl Endpoint<Api = ArcGis, Output = TaskRun<T>>,
    target: &Target,
    limits: &CallLimits,
) -> Result<RunSnapshot> {
    let run = client.share_deadline(limits).send(request).await?;
    let snapshot = RunSnapshot { failure: run.failure(), ..run.snapshot(target) };
    Ok(run.meta().observe(snapshot))
}

async fn list<T: Send + 'static>(
    client: &Client,
    request: impl PagedEndpoint<Api = ArcGis, Item = TaskRun<T>>,
    target: &Target,
    cursor: Option<Cursor>,
    limits: &CallLimits,
) -> Result<Page<RunSnapshot>> {
    let page = client.share_deadline(limits).page(request, cursor.as_ref()).await?;
    let observed = page.meta().server_date();
    let mut page = page.into_inner().map(|run| run.snapshot(target).observed(observed));
    page.items.sort_by_key(|run| Reverse(run.created));
    Ok(page)
}

/// What a target names.
#[derive(Debug, PartialEq, Eq)]
enum TargetKind {
    Admin(TaskId),
    User(Username, TaskId),
    Notebook(NotebookId),
}

impl TargetKind {
    /// Reads the id of a target.
    fn of(id: &str) -> Result<Self> {
        let decoded = |id: &str| match percent_decode_str(id).decode_utf8() {
            Ok(id) => Ok(Cow::into_owned(id)),
            Err(_) => Err(Error::config(
                "the target is not an ArcGIS task or notebook; create it with `arcgis::target`, `arcgis::user_target` or `arcgis::notebook_target`",
            )),
        };
        if let Some(notebook) = id.strip_prefix(NOTEBOOK) {
            return Ok(Self::Notebook(decoded(notebook)?.into()));
        }
        Ok(match id.split_once('/') {
            Some((user, task)) => Self::User(decoded(user)?.into(), decoded(task)?.into()),
            None => Self::Admin(decoded(id)?.into()),
        })
    }
}

impl<T> TaskRun<T> {
    fn phase(&self) -> Phase {
        self.status.as_ref().map_or(Phase::Unknown, RunStatus::phase)
    }

    fn snapshot(&self, target: &Target) -> RunSnapshot {
        let phase = self.phase();
        let mut snapshot = RunSnapshot::new(target.run(self.run_id.as_str()), phase);
        snapshot.state = self.status.as_ref().map(|status| status.as_str().into());
        snapshot.created = self.created.as_ref().and_then(Time::utc);
        if phase.is_terminal() {
            // Inferred: the last change of a run that has ended is its end.
            snapshot.finished = self.modified.as_ref().and_then(Time::utc);
        }
        snapshot
    }

    /// Why the run failed: its result.
    fn failure(&self) -> Option<Failure> {
        let failed = self.phase() == Phase::Failed;
        self.result.as_deref().filter(|_| failed).map(Failure::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arcgis::UserTask;

    #[test]
    fn every_status_has_a_phase_and_an_unknown_status_is_not_terminal() {
        for (status, expected) in [
            ("scheduled", Phase::Queued),
            ("executing", Phase::Running),
            ("succeeded", Phase::Succeeded),
            ("skipped", Phase::Skipped),
            ("failed", Phase::Failed),
            ("submitfailed", Phase::Failed),
            ("postponed", Phase::Unknown),
        ] {
            let run: TaskRun =
                serde_json::from_str(&format!(r#"{{"runId":"r","status":"{status}"}}"#)).unwrap();
            assert_eq!(run.phase(), expected, "{status}");
        }
        let run: TaskRun<UserTask> = serde_json::from_str(r#"{"runId":"r","result":"x"}"#).unwrap();
        assert_eq!((run.phase(), run.failure()), (Phase::Unknown, None));
    }

    #[test]
    fn a_target_names_a_task_of_either_api_and_can_be_parsed_from_its_text() {
        for (target, line, task) in [
            (target("2a1b"), "arcgis:2a1b", TargetKind::Admin("2a1b".into())),
            (target("a/b%"), "arcgis:a%252Fb%2525", TargetKind::Admin("a/b%".into())),
            (
                user_target("jsmith", "5837"),
                "arcgis:jsmith%2F5837",
                TargetKind::User("jsmith".into(), "5837".into()),
            ),
            (
                user_target(r"ACME\j/s @x", "5837"),
                "arcgis:ACME%255Cj%252Fs%2520%2540x%2F5837",
                TargetKind::User(r"ACME\j/s @x".into(), "5837".into()),
            ),
            (target("notebook:x"), "arcgis:notebook%253Ax", TargetKind::Admin("notebook:x".into())),
            (
                notebook_target("9f1c"),
                "arcgis:notebook%3A9f1c",
                TargetKind::Notebook("9f1c".into()),
            ),
        ] {
            assert_eq!(target.to_string(), line);
            assert_eq!(TargetKind::of(line.parse::<Target>().unwrap().id()).unwrap(), task);
        }
        assert!(TargetKind::of("%ff").is_err() && TargetKind::of("notebook:%ff").is_err());
    }
}
