//! Adobe's runs as runs of any vendor.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Adobe, CancelRun, Client, GetRun, ListQueries, ListRuns, Query, QueryFilter, QueryState, Run,
    RunFilter, RunState, TaskState, TriggerRun, VENDOR,
};
use crate::client::{Api, CallLimits, Clock, PagedEndpoint as _, SharedDeadline, Vendor};
use crate::error::{ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::run::{
    CancelOutcome, Capabilities, Failure, Phase, RecentRuns, RunProvider, RunRef, RunSnapshot,
    Target, Triggered,
};

/// Runs looked at to find the one that was just triggered.
const RECENT: u32 = 50;

/// Runs on a page of a list, for waits of many. The vendor documents no maximum; its own client asks for up to 1,000.
const PAGE: u32 = 100;

/// Queries looked at to find the one of a run: schedules due at the same time have runs of the same id.
const SAME_ID: u32 = 100;

/// A schedule is the target. The vendor does not name the run it starts: it is found by listing what calls have started.
#[async_trait]
impl RunProvider for Client {
    fn vendor(&self) -> Vendor {
        Adobe::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list().trigger().cancel()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Client::clock(self)
    }

    #[inline]
    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
        let schedule = run.target().id_at(&VENDOR)?;
        let calls = self.share_deadline(limits);
        let answer = calls.send(GetRun::new(schedule, run.id())).await?;
        let mut snapshot = snapshot(run.target(), &answer);
        if snapshot.phase == Phase::Failed {
            snapshot.failure = why(&calls, run.target(), &answer).await;
        }
        Ok(snapshot)
    }

    #[inline]
    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        let first = ListRuns::new(target.id_at(&VENDOR)?).newest_first().limit(PAGE);
        let request = cursor.map_or(first.clone(), |cursor| first.at(&cursor));
        let page = self.share_deadline(limits).send(request).await?.into_inner();
        Ok(page.map(|run| snapshot(target, &run)))
    }

    #[inline]
    async fn send_trigger(&self, target: &Target, limits: &CallLimits) -> Result<Triggered> {
        self.share_deadline(limits).send(TriggerRun::new(target.id_at(&VENDOR)?)).await?;
        Ok(Triggered::new(None))
    }

    #[inline]
    async fn recent_runs(&self, target: &Target, limits: &CallLimits) -> Result<RecentRuns> {
        let request = ListRuns::new(target.id_at(&VENDOR)?)
            .newest_first()
            .limit(RECENT)
            .filter(RunFilter::external_trigger(true));
        let answer = self.share_deadline(limits).send(request).await?;
        // Once more here: a filter that is not understood would make the schedule's own runs ours.
        let ours = answer.items.iter().filter(|run| run.external_trigger != Some(false));
        let runs = ours.map(|run| snapshot(target, run)).collect();
        Ok(RecentRuns::new(runs, answer.meta().server_date()))
    }

    #[inline]
    async fn send_cancel(&self, run: &RunRef, limits: &CallLimits) -> Result<CancelOutcome> {
        let schedule = run.target().id_at(&VENDOR)?;
        let calls = self.share_deadline(limits);
        let is_over = async || -> Result<bool> {
            Ok(phase(&*calls.send(GetRun::new(schedule, run.id())).await?).is_terminal())
        };
        // The vendor takes a cancel for a finished run without a word: only its state tells.
        if is_over().await? {
            return Ok(CancelOutcome::AlreadyFinished);
        }
        match calls.send(CancelRun::new(schedule, run.id())).await {
            Ok(_) => Ok(CancelOutcome::Requested),
            Err(error) if error.kind() == ErrorKind::Rejected && is_over().await? => {
                Ok(CancelOutcome::AlreadyFinished)
            }
            Err(error) => Err(error),
        }
    }
}

fn phase(run: &Run) -> Phase {
    let waiting =
        |state: &TaskState| matches!(state, TaskState::Queued | TaskState::QueuedForRetry);
    let all_wait = run.tasks.iter().all(|task| task.state.as_ref().is_some_and(waiting));
    match run.state.as_ref().map_or(Phase::Running, RunState::phase) {
        Phase::Running if all_wait && !run.tasks.is_empty() => Phase::Queued,
        phase => phase,
    }
}

fn snapshot(target: &Target, run: &Run) -> RunSnapshot {
    let phase = phase(run);
    let mut snapshot = RunSnapshot::new(target.run(run.id.as_str()), phase);
    snapshot.state = run.state.as_ref().map(|state| state.as_str().into());
    snapshot.created = run.created;
    snapshot.started = run.tasks.iter().filter_map(|task| task.started).min();
    if phase.is_terminal() {
        snapshot.finished = run.tasks.iter().filter_map(|task| task.ended).max();
    }
    snapshot
}

/// Why a run failed: its query says so; the run and its tasks hardly ever do. A reason that cannot be fetched is no reason
/// to fail: the run is known to have failed.
async fn why(calls: &SharedDeadline<'_, Adobe>, target: &Target, run: &Run) -> Option<Failure> {
    // The vendor's example filters by the decoded run id; another one shows the encoded form.
    let decoded = run.id.decode().map(|id| id.text);
    let mut unread = None;
    for id in decoded.as_deref().into_iter().chain([run.id.as_str()]) {
        let request = ListQueries::new()
            .newest_first()
            .limit(SAME_ID)
            .include_hidden()
            .include_soft_deleted()
            .filter(QueryFilter::schedule_run(id));
        let queries = match calls.send(request).await {
            Ok(queries) => queries,
            Err(error) => {
                unread = Some(Failure::not_fetched(&error));
                break;
            }
        };
        let ours = queries.items.iter().filter(|query| {
            let schedule = query.links.get("schedule").and_then(|link| link.id);
            schedule.is_none_or(|schedule| schedule == target.id())
        });
        if let Some(failure) =
            ours.clone().find_map(failure_of).or_else(|| ours.clone().find_map(ended_badly))
        {
            return Some(failure);
        }
    }
    let task = run.tasks.iter().find(|task| task.state == Some(TaskState::Failed));
    let said = task.and_then(|task| {
        let failure = Failure::new(task.message.clone()?);
        Some(match &task.task_id {
            Some(id) => failure.part(format!("task {id}")),
            None => failure,
        })
    });
    said.or(unread)
}

fn failure_of(query: &Query) -> Option<Failure> {
    let error = query.errors.first()?;
    let mut failure = Failure::default().part(format!("query {}", query.id));
    failure.code.clone_from(&error.code);
    failure.message.clone_from(&error.message);
    Some(failure)
}

fn ended_badly(query: &Query) -> Option<Failure> {
    let state = query.state.as_ref().filter(|state| {
        matches!(state, QueryState::Failed | QueryState::Killed | QueryState::Timeout)
    })?;
    Some(Failure::new(format!("the query ended as {state}")).part(format!("query {}", query.id)))
}
