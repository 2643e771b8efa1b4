//! [`RunProvider`] for ArcGIS: the runs of tasks.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use async_trait::async_trait;
use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::fields::{RunStatus, TaskId, Username};
use super::task_runs::{GetTaskRun, GetUserTaskRun, ListTaskRuns, ListUserTaskRuns, TaskRun};
use super::time::Time;
use super::{ArcGis, Client, VENDOR};
use crate::client::{Api, CallLimits, Clock, Endpoint, PagedEndpoint, Vendor};
use crate::error::{Error, Result};
use crate::paging::{Cursor, Page};
use crate::run::{Capabilities, Failure, Phase, RunProvider, RunRef, RunSnapshot, Target};
use crate::wire::UNRESERVED;

/// Names a task of the administrator API as a [`Target`].
#[must_use]
pub fn target(task: impl Into<TaskId>) -> Target {
    Target::new(VENDOR, encoded(task.into().as_str()))
}

/// Names a task of a user as a [`Target`].
#[must_use]
pub fn user_target(user: impl Into<Username>, task: impl Into<TaskId>) -> Target {
    let (user, task) = (user.into(), task.into());
    Target::new(VENDOR, format!("{}/{}", encoded(user.as_str()), encoded(task.as_str())))
}

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
}

fn encoded(id: &str) -> String {
    utf8_percent_encode(id, UNRESERVED).to_string()
}

/// The target is a task: one of the administrator API, or one of a user. A task runs only on its schedule: the vendor documents no
/// operation that starts or cancels a run.
///
/// A list is one page of the server's, sorted newest first, because the vendor documents no order.
#[async_trait]
impl RunProvider for Client {
    fn vendor(&self) -> Vendor {
        ArcGis::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list()
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
        match TargetTask::of(target.id_at(self)?)? {
            TargetTask::Admin(task) => get(self, GetTaskRun::new(task, id), target, limits).await,
            TargetTask::User(user, task) => {
                get(self, GetUserTaskRun::new(user, task, id), target, limits).await
            }
        }
    }

    #[inline]
    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        match TargetTask::of(target.id_at(self)?)? {
            TargetTask::Admin(task) => {
                list(self, ListTaskRuns::new(task), target, cursor, limits).await
            }
            TargetTask::User(user, task) => {
                list(self, ListUserTaskRuns::new(user, task), target, cursor, limits).await
            }
        }
    }
}

async fn get<T: Send + 'static>(
    client: &Client,
    request: impl Endpoint<Api = ArcGis, Output = TaskRun<T>>,
    target: &Target,
    limits: &CallLimits,
) -> Result<RunSnapshot> {
    let run = client.share_deadline(limits).send(request).await?;
    let snapshot = run.snapshot(target).observed(run.meta().server_date());
    Ok(RunSnapshot { failure: run.failure(), ..snapshot })
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

/// The task that a target names.
#[derive(Debug, PartialEq, Eq)]
enum TargetTask {
    Admin(TaskId),
    User(Username, TaskId),
}

impl TargetTask {
    /// Reads the id of a target.
    fn of(id: &str) -> Result<Self> {
        let decoded = |id: &str| match percent_decode_str(id).decode_utf8() {
            Ok(id) => Ok(Cow::into_owned(id)),
            Err(_) => Err(Error::config(
                "the target is not an ArcGIS task; create it with `arcgis::target` or `arcgis::user_target`",
            )),
        };
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
            (target("2a1b"), "arcgis:2a1b", TargetTask::Admin("2a1b".into())),
            (target("a/b%"), "arcgis:a%252Fb%2525", TargetTask::Admin("a/b%".into())),
            (
                user_target("jsmith", "5837"),
                "arcgis:jsmith%2F5837",
                TargetTask::User("jsmith".into(), "5837".into()),
            ),
            (
                user_target(r"ACME\j/s @x", "5837"),
                "arcgis:ACME%255Cj%252Fs%2520%2540x%2F5837",
                TargetTask::User(r"ACME\j/s @x".into(), "5837".into()),
            ),
        ] {
            assert_eq!(target.to_string(), line);
            assert_eq!(TargetTask::of(line.parse::<Target>().unwrap().id()).unwrap(), task);
        }
        assert!(TargetTask::of("%ff").is_err());
    }
}
