//! Adobe's runs behind the interface of all vendors.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;

use super::queries::{ListQueries, Query, QueryFilter, QueryState};
use super::runs::{CancelRun, GetRun, ListRuns, Run, RunFilter, RunState, TaskState, TriggerRun};
use super::{Adobe, Client};
use crate::client::{Api, CallLimits, Clock, SharedDeadline, Vendor};
use crate::error::{ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::run::{
    CancelOutcome, Capabilities, Failure, Phase, RecentRuns, RunProvider, RunRef, RunSnapshot,
    Target, Triggered,
};

/// Runs searched for the one that was just triggered, and queries read for how long runs take.
const RECENT: u32 = 50;

/// Runs per page of a list, for waits for many runs. The vendor documents no maximum; its own client requests up to 1,000.
const PAGE: u32 = 100;

/// Cancelled queries searched for those of a page of runs. The vendor's own client requests as many.
const KILLED: u32 = 1_000;

/// Queries searched for the one of a run: runs of different schedules have the same id if they are due at the same time.
const SAME_ID: u32 = 100;

/// The target is a schedule. The response to a trigger does not name the run: it is found in the list of triggered runs.
#[async_trait]
impl RunProvider for Client {
    fn vendor(&self) -> Vendor {
        Adobe::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list().trigger().cancel()
    }

    fn scope(&self) -> Option<&str> {
        Client::scope(self)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Client::clock(self)
    }

    #[inline]
    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
        let schedule = run.target().id_at(self)?;
        let calls = self.share_deadline(limits);
        let found = calls.send(GetRun::new(schedule, run.id())).await?;
        let mut snapshot = snapshot(run.target(), &found);
        if snapshot.phase == Phase::Failed {
            (snapshot.phase, snapshot.failure) = bad_end_of_run(&calls, run.target(), &found).await;
        }
        Ok(found.meta().observe(snapshot))
    }

    /// One call for the runs, and if any of them failed, one more that finds the cancelled ones among them. If that one fails, the
    /// cancelled ones are failed runs, too.
    #[inline]
    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        let calls = self.share_deadline(limits);
        let request = ListRuns::new(target.id_at(self)?).newest_first().limit(PAGE);
        let page = calls.page(request, cursor.as_ref()).await?;
        let observed = page.meta().server_date();
        let page = page.into_inner();
        let killed = killed_since_failed(&calls, target, &page.items).await;
        Ok(page.map(|run| {
            let mut snapshot = snapshot(target, &run).observed(observed);
            if snapshot.phase == Phase::Failed && killed.iter().any(|query| is_of(query, &run)) {
                snapshot.phase = Phase::Cancelled;
            }
            snapshot
        }))
    }

    /// The list of runs does not say when they ended. Each run sends one query, as a rule, and queries say how long they took.
    #[inline]
    async fn fetch_durations(&self, target: &Target, limits: &CallLimits) -> Result<Vec<Duration>> {
        let request = ListQueries::new()
            .newest_first()
            .limit(RECENT)
            .filter(QueryFilter::schedule(target.id_at(self)?))
            .filter(QueryFilter::state(QueryState::Success));
        let queries = self.share_deadline(limits).send(request).await?;
        let own = queries.items.iter().filter(|query| is_of_schedule(query, target));
        Ok(own.filter_map(|query| query.elapsed).collect())
    }

    #[inline]
    async fn send_trigger(
        &self,
        target: &Target,
        _: Option<&RunRef>,
        limits: &CallLimits,
    ) -> Result<Triggered> {
        self.share_deadline(limits).send(TriggerRun::new(target.id_at(self)?)).await?;
        Ok(Triggered::new(None))
    }

    #[inline]
    async fn recent_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<RecentRuns> {
        let request = ListRuns::new(target.id_at(self)?)
            .newest_first()
            .limit(RECENT)
            .filter(RunFilter::external_trigger(true));
        let response = self.share_deadline(limits).page(request, cursor.as_ref()).await?;
        let server_time = response.meta().server_date();
        let mut page = response.into_inner();
        // Filtered here too: if the vendor ignored the filter, scheduled runs would be mistaken for triggered ones.
        page.items.retain(|run| run.external_trigger != Some(false));
        Ok(RecentRuns::new(page.map(|run| snapshot(target, &run)), server_time))
    }

    #[inline]
    async fn send_cancel(&self, run: &RunRef, limits: &CallLimits) -> Result<CancelOutcome> {
        let schedule = run.target().id_at(self)?;
        let calls = self.share_deadline(limits);
        let has_ended = async || -> Result<bool> {
            Ok(phase(&*calls.send(GetRun::new(schedule, run.id())).await?).is_terminal())
        };
        // The vendor accepts a cancel of a run that has ended, so the state is checked first.
        if has_ended().await? {
            return Ok(CancelOutcome::AlreadyFinished);
        }
        match calls.send(CancelRun::new(schedule, run.id())).await {
            Ok(_) => Ok(CancelOutcome::Requested),
            Err(error) if error.kind() == ErrorKind::Rejected && has_ended().await? => {
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

/// Queries of this schedule that were cancelled since the oldest failed run of these was created. None if no run failed, or if they
/// cannot be fetched.
async fn killed_since_failed(
    calls: &SharedDeadline<'_, Adobe>,
    target: &Target,
    runs: &[Run],
) -> Vec<Query> {
    let failed = runs.iter().filter(|run| phase(run) == Phase::Failed);
    // Runs are listed to the second. A query is never created before its run: in samples hours later.
    let Some(oldest) = failed.filter_map(|run| run.created).min() else { return Vec::new() };
    let Some(before) = oldest.checked_sub_signed(TimeDelta::seconds(1)) else { return Vec::new() };
    let request = ListQueries::new()
        .limit(KILLED)
        .include_hidden()
        .include_soft_deleted()
        .filter(QueryFilter::schedule(target.id()))
        .filter(QueryFilter::state(QueryState::Killed))
        .filter(QueryFilter::created_after(before));
    calls.send(request).await.map_or_else(|_| Vec::new(), |page| page.into_inner().items)
}

/// Whether a query is one of this schedule, as far as it says.
#[inline]
fn is_of_schedule(query: &Query, target: &Target) -> bool {
    let schedule = query.links.get("schedule").and_then(|link| link.id);
    schedule.is_none_or(|schedule| schedule == target.id())
}

/// Whether a query of a schedule is that of this run of it.
#[inline]
fn is_of(query: &Query, run: &Run) -> bool {
    let id = query.links.get("schedule_run").and_then(|link| link.id);
    id.is_some_and(|id| {
        id == run.id.as_str() || run.id.decode().is_some_and(|decoded| id == *decoded.text)
    })
}

/// Whether a run that failed was cancelled, and otherwise why it failed. The query of the run has both: the state of the run is the
/// same, and the run and its tasks rarely have a reason. If the query cannot be fetched, the call succeeds nevertheless: it is
/// known that the run ended without success.
async fn bad_end_of_run(
    calls: &SharedDeadline<'_, Adobe>,
    target: &Target,
    run: &Run,
) -> (Phase, Option<Failure>) {
    // One example of the vendor filters by the decoded run id, another one by the encoded id.
    let decoded = run.id.decode().map(|id| id.text);
    let mut not_fetched = None;
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
                not_fetched = Some(Failure::not_fetched(&error));
                break;
            }
        };
        let of_run = queries.items.iter().filter(|query| is_of_schedule(query, target));
        // Whatever the others say, as in a list: an attempt may fail before the run is cancelled.
        if of_run.clone().any(|query| query.state == Some(QueryState::Killed)) {
            return (Phase::Cancelled, None);
        }
        if let Some(failure) =
            of_run.clone().find_map(error_of).or_else(|| of_run.clone().find_map(bad_end_of))
        {
            return (Phase::Failed, Some(failure));
        }
    }
    let task = run.tasks.iter().find(|task| task.state == Some(TaskState::Failed));
    let of_task = task.and_then(|task| {
        let failure = Failure::new(task.message.clone()?);
        Some(match &task.task_id {
            Some(id) => failure.part(format!("task {id}")),
            None => failure,
        })
    });
    (Phase::Failed, of_task.or(not_fetched))
}

/// The first error of a query.
fn error_of(query: &Query) -> Option<Failure> {
    let error = query.errors.first()?;
    let mut failure = Failure::default().part(format!("query {}", query.id));
    failure.code.clone_from(&error.code);
    failure.message.clone_from(&error.message);
    Some(failure)
}

/// The state of a query that has not succeeded.
fn bad_end_of(query: &Query) -> Option<Failure> {
    let state = query
        .state
        .as_ref()
        .filter(|state| matches!(state, QueryState::Failed | QueryState::Timeout))?;
    Some(Failure::new(format!("the query ended as {state}")).part(format!("query {}", query.id)))
}
