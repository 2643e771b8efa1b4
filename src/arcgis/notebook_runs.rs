//! Executions of a notebook as runs.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::notebooks::{
    CancelNotebookJob, CancelNotebookJobByGet, ExecuteNotebook, GetNotebookJob, ListNotebookJobs,
    NotebookId, NotebookJob, NotebookJobType,
};
use super::time::Time;
use super::{ArcGis, Client};
use crate::client::{CallLimits, Response, SharedDeadline};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::run::{
    CancelOutcome, Failure, Phase, RecentRuns, RunRef, RunSnapshot, Target, Triggered,
};

/// Jobs that are requested for one page, whatever notebook they execute.
const PAGE: u32 = 1000;

/// Jobs that are fetched at the same time because a list does not say which notebook they execute.
const CONCURRENT_JOBS: usize = 8;

pub(super) async fn get(client: &Client, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
    let job = client.share_deadline(limits).send(GetNotebookJob::new(run.id())).await?;
    let snapshot = RunSnapshot { failure: job.failure(), ..job.snapshot(run.target()) };
    Ok(job.meta().observe(snapshot))
}

/// A job that was active and is gone has ended, and nobody knows how. Source: Enterprise Administrator API 11.4, "Jobs": a job is
/// removed after it has completed or failed.
pub(super) async fn get_again(
    client: &Client,
    last: &RunSnapshot,
    limits: &CallLimits,
) -> Result<RunSnapshot> {
    let fetched = get(client, &last.run, limits).await;
    fetched.map_err(|mut error| {
        if error.kind() != ErrorKind::NotFound || last.phase.is_terminal() {
            return error;
        }
        let message =
            "the job was there and is gone; it has ended, and whether it succeeded is not known";
        error.set().kind(ErrorKind::NotFound, message);
        error.with_snapshot(last.clone())
    })
}

pub(super) async fn list(
    client: &Client,
    notebook: &NotebookId,
    target: &Target,
    cursor: Option<Cursor>,
    limits: &CallLimits,
) -> Result<Page<RunSnapshot>> {
    let executions = Executions::fetch(client, notebook, cursor, limits).await?;
    let named = |job: &NotebookJob| job.is_of(notebook).is_some();
    Ok(executions.page(target, named))
}

/// A job that names a run of a task was started by that task. Inferred: one that executes a web tool was started by a user of the
/// tool.
pub(super) async fn recent(
    client: &Client,
    notebook: &NotebookId,
    target: &Target,
    cursor: Option<Cursor>,
    limits: &CallLimits,
) -> Result<RecentRuns> {
    let mut executions = Executions::fetch(client, notebook, cursor, limits).await?;
    let of_task =
        |job: &NotebookJob| job.inputs.as_ref().is_some_and(|inputs| inputs.run_id.is_some());
    executions.jobs.retain(|job| !of_task(job));
    let is_doubtful = |job: &&NotebookJob| {
        let of_tool = job.kind() == Some(&NotebookJobType::ExecuteNotebookAsWebTool);
        of_tool || job.is_of(notebook).is_none()
    };
    let doubtful = executions.jobs.iter().filter(is_doubtful);
    let doubtful: Vec<_> = doubtful.map(|job| target.run(job.job_id.as_str())).collect();
    let (observed, kept_since) = (executions.observed, executions.kept_since);
    let recent = RecentRuns::new(executions.page(target, |_| true), observed);
    Ok(recent.doubtful(doubtful).kept_since(Some(kept_since)))
}

pub(super) async fn trigger(
    client: &Client,
    notebook: NotebookId,
    target: &Target,
    limits: &CallLimits,
) -> Result<Triggered> {
    let started = client.share_deadline(limits).send(ExecuteNotebook::new(notebook)).await?;
    Ok(Triggered::new(Some(target.run(started.job_id.as_str()))))
}

pub(super) async fn cancel(
    client: &Client,
    run: &RunRef,
    limits: &CallLimits,
) -> Result<CancelOutcome> {
    let calls = client.share_deadline(limits);
    let has_ended = async || -> Result<bool> {
        Ok(calls.send(GetNotebookJob::new(run.id())).await?.phase().is_terminal())
    };
    if has_ended().await? {
        return Ok(CancelOutcome::AlreadyFinished);
    }
    let mut cancelled = calls.send(CancelNotebookJob::new(run.id())).await;
    if cancelled.as_ref().is_err_and(|error| has_code(error, "405")) {
        cancelled = calls.send(CancelNotebookJobByGet::new(run.id())).await;
    }
    let Err(refused) = cancelled else { return Ok(CancelOutcome::Requested) };
    // It may have ended in between.
    match has_ended().await {
        Ok(true) => Ok(CancelOutcome::AlreadyFinished),
        Ok(false) if refused.kind() == ErrorKind::NotFound => {
            let message = "this server cannot cancel jobs; Kubernetes can since 11.5, and Notebook Server since 10.8.1";
            Err(Error::new(ErrorKind::Unsupported, message).with_source(refused))
        }
        _ => Err(refused),
    }
}

/// Whether an error has this code, as its HTTP status or in its body.
fn has_code(error: &Error, code: &str) -> bool {
    let in_body = error.vendor_error().and_then(|error| error.code.as_deref());
    in_body == Some(code) || error.status().is_some_and(|status| status.as_str() == code)
}

/// Jobs that execute a notebook, or may do so.
struct Executions {
    jobs: Vec<NotebookJob>,
    next: Option<Cursor>,
    observed: Option<DateTime<Utc>>,
    /// Jobs that ended after this time are still listed.
    kept_since: DateTime<Utc>,
}

impl Executions {
    /// The list has no pages, but a size: the page after so many jobs is the end of a list of more. Jobs are listed for all
    /// notebooks together.
    async fn fetch(
        client: &Client,
        notebook: &NotebookId,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Self> {
        let read = cursor.map_or(Ok(0), |cursor| {
            let foreign = "the cursor is not from a list of notebook jobs; start without a cursor";
            cursor.as_str().parse::<u32>().map_err(|_| Error::config(foreign))
        })?;
        let size = read.saturating_add(PAGE);
        let calls = client.share_deadline(limits);
        let request = ListNotebookJobs::new().detail(true).num(size).sort_by_date(true);
        let listed = calls.send(request).await?;
        let observed = listed.meta().server_date();
        let Page { items: listed, total, .. } = listed.into_inner();
        let count = u32::try_from(listed.len()).unwrap_or(u32::MAX);
        let next = (count >= size).then(|| Cursor::new(count.to_string()));
        // A server that does not know `num` sends fewer than it counts: Notebook Server before 10.9.
        let is_cut = next.is_none() && total.is_some_and(|total| total > u64::from(count));
        let is_execution = |job: &NotebookJob| job.kind() != Some(&NotebookJobType::OpenNotebook);
        // Some versions of Kubernetes remove a job when it has ended. A Notebook Server keeps it until somebody deletes all, or until
        // its own clean-up, of which no period is documented. So jobs are kept for as long as the oldest one that has ended, whatever
        // its notebook; and a list that is cut may lack any.
        let ended = listed.iter().filter(|job| is_execution(job) && job.phase().is_terminal());
        let oldest = ended.filter_map(|job| job.end_time.as_ref()?.utc()).min();
        let kept_since = oldest.filter(|_| !is_cut).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let rest = listed.into_iter().skip(usize::try_from(read).unwrap_or(usize::MAX));
        let executions: Vec<_> = rest.filter(is_execution).collect();
        let detailed = stream::iter(executions).map(|job| with_inputs(&calls, job));
        let mut jobs: Vec<_> = detailed.buffered(CONCURRENT_JOBS).try_collect().await?;
        jobs.retain(|job| job.is_of(notebook) != Some(false));
        jobs.sort_by_key(|job| Reverse(job.created()));
        Ok(Self { jobs, next, observed, kept_since })
    }

    fn page(self, target: &Target, keep: impl Fn(&NotebookJob) -> bool) -> Page<RunSnapshot> {
        let jobs = self.jobs.iter().filter(|job| keep(job));
        let runs = jobs.map(|job| job.snapshot(target).observed(self.observed));
        Page::new(runs.collect(), self.next)
    }
}

/// The job with what it was started with, and with its status. Kubernetes before 12.1 leaves the first out of lists, and a Notebook
/// Server before 10.9 both. A job that is gone stays as listed.
async fn with_inputs(calls: &SharedDeadline<'_, ArcGis>, job: NotebookJob) -> Result<NotebookJob> {
    if job.inputs.is_some() && job.status.is_some() {
        return Ok(job);
    }
    match calls.send(GetNotebookJob::new(&job.job_id)).await.map(Response::into_inner) {
        Ok(found) if job.status.is_none() => Ok(found),
        Ok(NotebookJob { inputs, .. }) => Ok(NotebookJob { inputs, ..job }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(job),
        Err(error) => Err(error),
    }
}

impl NotebookJob {
    fn created(&self) -> Option<DateTime<Utc>> {
        self.start_time.as_ref().or(self.date_created.as_ref()).and_then(Time::utc)
    }

    fn snapshot(&self, target: &Target) -> RunSnapshot {
        let phase = self.phase();
        let mut snapshot = RunSnapshot::new(target.run(self.job_id.as_str()), phase);
        snapshot.state = self.status.as_ref().map(|status| status.as_str().into());
        snapshot.created = self.created();
        if phase != Phase::Queued {
            snapshot.started = self.start_time.as_ref().and_then(Time::utc);
        }
        if phase.is_terminal() {
            snapshot.finished = self.end_time.as_ref().and_then(Time::utc);
        }
        snapshot
    }

    /// Why the job failed: its messages.
    fn failure(&self) -> Option<Failure> {
        let failed = self.phase() == Phase::Failed && !self.messages.is_empty();
        failed.then(|| Failure::new(self.messages.join(" ")))
    }
}
