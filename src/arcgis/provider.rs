//! Runs of ArcGIS tasks as runs of any vendor.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use async_trait::async_trait;
use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::fields::{RunId, RunStatus, TaskId, Username};
use super::{
    ArcGis, Client, GetTaskRun, GetUserTaskRun, ListTaskRuns, ListUserTaskRuns, TaskRun, Time,
    UserTaskRun, VENDOR,
};
use crate::client::{Api, CallLimits, Clock, PagedEndpoint, UNRESERVED, Vendor};
use crate::error::{Error, Result};
use crate::paging::{Cursor, Page};
use crate::run::{Capabilities, Failure, Phase, RunProvider, RunRef, RunSnapshot, Target};

/// A task of the administrator API, as a target for waits.
#[must_use]
pub fn target(task: impl Into<TaskId>) -> Target {
    Target::new(VENDOR, encoded(task.into().as_str()))
}

/// A task of a user, as a target for waits.
#[must_use]
pub fn user_target(user: impl Into<Username>, task: impl Into<TaskId>) -> Target {
    let (user, task) = (user.into(), task.into());
    Target::new(VENDOR, format!("{}/{}", encoded(user.as_str()), encoded(task.as_str())))
}

fn encoded(id: &str) -> String {
    utf8_percent_encode(id, UNRESERVED).to_string()
}

/// A task is the target: one of the administrator API, or one of a user. It runs on its schedule only: the vendor documents no
/// operation that starts a run, and none that ends one.
///
/// Lists are one page as the server sends it, put newest first: the vendor documents no order.
#[async_trait]
impl RunProvider for Client {
    fn vendor(&self) -> Vendor {
        ArcGis::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Client::clock(self)
    }

    #[inline]
    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
        let (id, target) = (run.id(), run.target());
        let run: Run = match Task::of(target)? {
            Task::Admin(task) => {
                let calls = self.share_deadline(limits);
                calls.send(GetTaskRun::new(task, id)).await?.into_inner().into()
            }
            Task::User(user, task) => {
                let calls = self.share_deadline(limits);
                calls.send(GetUserTaskRun::new(user, task, id)).await?.into_inner().into()
            }
        };
        let failure = run.failure();
        Ok(RunSnapshot { failure, ..run.snapshot(target) })
    }

    #[inline]
    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        match Task::of(target)? {
            Task::Admin(task) => list(self, ListTaskRuns::new(task), target, cursor, limits).await,
            Task::User(user, task) => {
                list(self, ListUserTaskRuns::new(user, task), target, cursor, limits).await
            }
        }
    }
}

async fn list<E: PagedEndpoint<Api = ArcGis, Item: Into<Run>>>(
    client: &Client,
    request: E,
    target: &Target,
    cursor: Option<Cursor>,
    limits: &CallLimits,
) -> Result<Page<RunSnapshot>> {
    let request = cursor.map_or(request.clone(), |cursor| request.at(&cursor));
    let page = client.share_deadline(limits).send(request).await?.into_inner();
    let mut page = page.map(|run| run.into().snapshot(target));
    page.items.sort_by_key(|run| Reverse(run.created));
    Ok(page)
}

/// What a target names.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Admin(TaskId),
    User(Username, TaskId),
}

impl Task {
    fn of(target: &Target) -> Result<Self> {
        let id = target.id_at(&VENDOR)?;
        let decoded = |id: &str| match percent_decode_str(id).decode_utf8() {
            Ok(id) => Ok(Cow::into_owned(id)),
            Err(_) => Err(Error::config(
                "the target names no task; make it with `arcgis::target` or `arcgis::user_target`",
            )),
        };
        Ok(match id.split_once('/') {
            Some((user, task)) => Self::User(decoded(user)?.into(), decoded(task)?.into()),
            None => Self::Admin(decoded(id)?.into()),
        })
    }
}

/// What runs of both APIs have in common.
struct Run {
    id: RunId,
    status: Option<RunStatus>,
    result: Option<Box<str>>,
    created: Option<Time>,
    modified: Option<Time>,
}

macro_rules! from_runs {
    ($($run:ident)+) => {$(
        impl From<$run> for Run {
            fn from(run: $run) -> Self {
                let $run { run_id: id, status, result, created, modified, .. } = run;
                Self { id, status, result, created, modified }
            }
        }
    )+};
}

from_runs!(TaskRun UserTaskRun);

impl Run {
    fn phase(&self) -> Phase {
        self.status.as_ref().map_or(Phase::Unknown, RunStatus::phase)
    }

    fn snapshot(&self, target: &Target) -> RunSnapshot {
        let phase = self.phase();
        let mut snapshot = RunSnapshot::new(target.run(self.id.as_str()), phase);
        snapshot.state = self.status.as_ref().map(|status| status.as_str().into());
        snapshot.created = self.created.as_ref().and_then(Time::utc);
        if phase.is_terminal() {
            // Inferred: the last change of a run that is over is its end.
            snapshot.finished = self.modified.as_ref().and_then(Time::utc);
        }
        snapshot
    }

    /// Why it failed: what the task left as its result.
    fn failure(&self) -> Option<Failure> {
        let failed = self.phase() == Phase::Failed;
        self.result.as_deref().filter(|_| failed).map(Failure::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_phase_and_what_is_unknown_is_not_over() {
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
            assert_eq!(Run::from(run).phase(), expected, "{status}");
        }
        let run: UserTaskRun = serde_json::from_str(r#"{"runId":"r","result":"x"}"#).unwrap();
        let run = Run::from(run);
        assert_eq!((run.phase(), run.failure()), (Phase::Unknown, None));
    }

    #[test]
    fn a_target_names_a_task_of_either_api_and_survives_as_text() {
        for (target, line, task) in [
            (target("2a1b"), "arcgis:2a1b", Task::Admin("2a1b".into())),
            (target("a/b%"), "arcgis:a%252Fb%2525", Task::Admin("a/b%".into())),
            (
                user_target("jsmith", "5837"),
                "arcgis:jsmith%2F5837",
                Task::User("jsmith".into(), "5837".into()),
            ),
            (
                user_target(r"ACME\j/s @x", "5837"),
                "arcgis:ACME%255Cj%252Fs%2520%2540x%2F5837",
                Task::User(r"ACME\j/s @x".into(), "5837".into()),
            ),
        ] {
            assert_eq!(target.to_string(), line);
            assert_eq!(Task::of(&line.parse().unwrap()).unwrap(), task);
        }
        let other: Target = "acme:x".parse().unwrap();
        assert!(Task::of(&other).is_err());
        assert!(Task::of(&Target::new(VENDOR, "%ff")).is_err());
    }
}
