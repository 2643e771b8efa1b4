//! Foundry's schedule runs behind the vendor-neutral [`RunProvider`].

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::builds::{Build, BuildStatus, CancelBuild, GetBuild, GetBuilds};
use super::jobs::{Job, JobStatus, ListBuildJobs};
use super::rid::BuildRid;
use super::schedule_runs::{ListScheduleRuns, RunSchedule, ScheduleRun, ScheduleRunResult};
use super::{Client, Foundry, error_name};
use crate::client::{Api, CallLimits, Clock, SharedDeadline, Vendor};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::run::{
    CancelOutcome, Capabilities, Failure, Phase, RecentRuns, RunProvider, RunRef, RunSnapshot,
    Target, Triggered,
};

/// How often a run that is to be cancelled is polled for its build, one second apart.
const POLLS: u32 = 5;

/// The target is a schedule. Its run names a build, and the build's status decides how the run ends.
///
/// The vendor has no operation that gets a single run: it is searched in the schedule's list, usually on the first page. Once its
/// build is known, a poll is one call for that; the vendor allows each user 4 requests for builds a second, across all waits.
#[async_trait]
impl RunProvider for Client {
    fn vendor(&self) -> Vendor {
        Foundry::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list().trigger_names_run().cancel().poll_floor(Duration::from_secs(1))
    }

    fn scope(&self) -> Option<&str> {
        Client::scope(self)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Client::clock(self)
    }

    #[inline]
    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
        let calls = self.share_deadline(limits);
        let found = find(&calls, run).await?;
        let found = snapshot(run.target(), &found);
        if found.inner.is_some() { with_build(&calls, found).await } else { Ok(found) }
    }

    /// One call once the build is known: a run has no other build later.
    #[inline]
    async fn fetch_run_again(
        &self,
        last: &RunSnapshot,
        limits: &CallLimits,
    ) -> Result<RunSnapshot> {
        last.run.target().id_at(self)?;
        if last.inner.is_none() {
            return self.fetch_run(&last.run, limits).await;
        }
        with_build(&self.share_deadline(limits), last.clone()).await
    }

    /// The schedule's list, and one call for each 100 builds. A run whose build is gone, or hidden from the caller, is left out:
    /// the list does not say how it ends, and fetched alone it is an error.
    #[inline]
    async fn fetch_runs(
        &self,
        target: &Target,
        runs: &[RunRef],
        limits: &CallLimits,
    ) -> Result<Vec<RunSnapshot>> {
        let request = ListScheduleRuns::new(target.id_at(self)?);
        let calls = self.share_deadline(limits);
        let mut wanted: HashSet<&str> = runs.iter().map(RunRef::id).collect();
        let (mut found, mut cursor) = (Vec::new(), None);
        for _ in runs {
            let page = calls.page(request.clone(), cursor.as_ref()).await?;
            let observed = page.meta().server_date();
            let page = page.into_inner();
            let ours = page.items.iter().filter(|run| wanted.remove(run.rid.as_str()));
            found.extend(ours.map(|run| snapshot(target, run).observed(observed)));
            cursor = page.next;
            if wanted.is_empty() || cursor.is_none() {
                break;
            }
        }
        Ok(Builds::of(&calls, &found).await?.shown(&found))
    }

    /// One call for each 100 builds, and a list for runs that had no build yet.
    #[inline]
    async fn fetch_runs_again(
        &self,
        target: &Target,
        last: &[RunSnapshot],
        limits: &CallLimits,
    ) -> Result<Vec<RunSnapshot>> {
        target.id_at(self)?;
        let (known, others): (Vec<_>, Vec<_>) =
            last.iter().cloned().partition(|last| last.inner.is_some());
        let calls = self.share_deadline(limits);
        let mut runs = Builds::of(&calls, &known).await?.shown(&known);
        if !others.is_empty() {
            let others: Vec<_> = others.into_iter().map(|last| last.run).collect();
            runs.extend(self.fetch_runs(target, &others, limits).await?);
        }
        Ok(runs)
    }

    /// Inferred: newest first. One call for the runs, and one for each 100 builds. A run whose build is gone or hidden is in an
    /// unknown phase.
    #[inline]
    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        let calls = self.share_deadline(limits);
        let request = ListScheduleRuns::new(target.id_at(self)?);
        let page = calls.page(request, cursor.as_ref()).await?;
        let observed = page.meta().server_date();
        let page = page.into_inner().map(|run| snapshot(target, &run).observed(observed));
        let builds = Builds::of(&calls, &page.items).await?;
        Ok(page.map(|run| builds.show(&run).unwrap_or(run)))
    }

    #[inline]
    async fn send_trigger(
        &self,
        target: &Target,
        _: Option<&RunRef>,
        limits: &CallLimits,
    ) -> Result<Triggered> {
        let request = RunSchedule::new(target.id_at(self)?);
        let run = self.share_deadline(limits).send(request).await?;
        Ok(Triggered::new(Some(target.run(run.rid.as_str()))))
    }

    /// Runs that the schedule's own trigger started have no author and are left out. If two people start runs at the same
    /// time, their runs cannot be told apart.
    #[inline]
    async fn recent_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<RecentRuns> {
        let request = ListScheduleRuns::new(target.id_at(self)?);
        let response = self.share_deadline(limits).page(request, cursor.as_ref()).await?;
        let server_time = response.meta().server_date();
        let mut page = response.into_inner();
        page.items.retain(|run| run.created_by.is_some());
        Ok(RecentRuns::new(page.map(|run| snapshot(target, &run)), server_time))
    }

    /// Only builds can be cancelled. A run that has no build yet is polled for a few seconds. If it still has none, it is
    /// not cancelled, and the error says so.
    #[inline]
    async fn send_cancel(&self, run: &RunRef, limits: &CallLimits) -> Result<CancelOutcome> {
        let calls = self.share_deadline(limits);
        for poll in 1..=POLLS {
            let found = find(&calls, run).await?;
            match &found.result {
                Some(ScheduleRunResult::Submitted { build_rid, .. }) => {
                    return cancel(&calls, build_rid).await;
                }
                Some(ScheduleRunResult::Ignored { .. } | ScheduleRunResult::Error { .. }) => {
                    return Ok(CancelOutcome::AlreadyFinished);
                }
                Some(ScheduleRunResult::Unknown(_)) => break,
                None if poll < POLLS => self.clock().sleep(Duration::from_secs(1)).await,
                None => {}
            }
        }
        let message =
            "the run has no build yet, and only a build can be cancelled; try again later";
        Err(Error::new(ErrorKind::Unsupported, message)
            .with_operation("foundry.builds.cancel")
            .with_run(run.clone()))
    }
}

/// The run, from the list of its schedule's runs: there is no operation that gets a single run.
async fn find(calls: &SharedDeadline<'_, Foundry>, run: &RunRef) -> Result<ScheduleRun> {
    let request = ListScheduleRuns::new(run.target().id_at(calls.client())?);
    let found =
        calls.find(request, |found| (found.rid.as_str() == run.id()).then_some(found)).await?;
    found.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the schedule's list of runs does not contain this run")
            .with_operation("foundry.schedule_runs.list")
            .with_run(run.clone())
    })
}

async fn cancel(calls: &SharedDeadline<'_, Foundry>, build: &BuildRid) -> Result<CancelOutcome> {
    // The vendor may accept a cancel for a finished build without an error: only the status shows that it has ended.
    if phase_of_build(&*calls.send(GetBuild::new(build)).await?).is_terminal() {
        return Ok(CancelOutcome::AlreadyFinished);
    }
    match calls.send(CancelBuild::new(build)).await {
        Ok(_) => Ok(CancelOutcome::Requested),
        Err(error) if error_name::of(&error) == Some(error_name::BUILD_NOT_RUNNING) => {
            Ok(CancelOutcome::AlreadyFinished)
        }
        Err(error) => Err(error),
    }
}

fn phase_of_build(build: &Build) -> Phase {
    build.status.as_ref().map_or(Phase::Unknown, BuildStatus::phase)
}

/// What a run says by itself. If it has a build, that decides how it ends.
fn snapshot(target: &Target, run: &ScheduleRun) -> RunSnapshot {
    let (phase, state) = match &run.result {
        None => (Phase::Queued, None),
        Some(ScheduleRunResult::Ignored { .. }) => (Phase::Skipped, Some("ignored")),
        Some(ScheduleRunResult::Error { .. }) => (Phase::Failed, Some("error")),
        // Its build was not requested, or is hidden from the caller.
        Some(ScheduleRunResult::Submitted { .. }) => (Phase::Unknown, Some("submitted")),
        Some(ScheduleRunResult::Unknown(_)) => (Phase::Unknown, None),
    };
    let mut snapshot = RunSnapshot::new(target.run(run.rid.as_str()), phase);
    snapshot.state = state.map(Into::into);
    snapshot.created = run.created;
    match &run.result {
        Some(ScheduleRunResult::Submitted { build_rid, .. }) => {
            snapshot.inner = Some(build_rid.as_str().into());
        }
        Some(ScheduleRunResult::Error { error_name, description, .. }) => {
            let said = description.as_deref().unwrap_or("the schedule could not be run");
            let failure = Failure::new(said);
            snapshot.failure = Some(match error_name {
                Some(name) => failure.code(name.as_str()),
                None => failure,
            });
        }
        _ => {}
    }
    snapshot
}

/// The run, with what its build says now.
async fn with_build(calls: &SharedDeadline<'_, Foundry>, run: RunSnapshot) -> Result<RunSnapshot> {
    let build = calls.send(GetBuild::new(run.inner.as_deref().unwrap_or_default())).await?;
    let mut run = of_build(run, &build).observed(build.meta().server_date());
    run.failure = if run.phase == Phase::Failed { Some(why(calls, &build).await) } else { None };
    Ok(run)
}

/// The builds of some runs, without those that are gone, or hidden from the caller.
struct Builds {
    builds: BTreeMap<BuildRid, Build>,
    observed: Option<DateTime<Utc>>,
}

impl Builds {
    async fn of(calls: &SharedDeadline<'_, Foundry>, runs: &[RunSnapshot]) -> Result<Self> {
        let rids: Vec<BuildRid> =
            runs.iter().filter_map(|run| Some((**run.inner.as_ref()?).into())).collect();
        let mut known = Self { builds: BTreeMap::new(), observed: None };
        for rids in rids.chunks(GetBuilds::MOST) {
            let batch = calls.send(GetBuilds::new(rids)).await?;
            known.observed = batch.meta().server_date();
            known.builds.extend(batch.into_inner());
        }
        Ok(known)
    }

    /// The run, with what its build says now; `None` if that is missing. A run without a build is as it was.
    fn show(&self, run: &RunSnapshot) -> Option<RunSnapshot> {
        let Some(rid) = run.inner.as_deref() else { return Some(run.clone()) };
        let build = self.builds.get(&BuildRid::from(rid))?;
        Some(of_build(run.clone(), build).observed(self.observed))
    }

    /// The runs whose builds are not missing.
    fn shown(&self, runs: &[RunSnapshot]) -> Vec<RunSnapshot> {
        runs.iter().filter_map(|run| self.show(run)).collect()
    }
}

fn of_build(mut run: RunSnapshot, build: &Build) -> RunSnapshot {
    run.phase = phase_of_build(build);
    run.state = build.status.as_ref().map(|status| status.as_str().into());
    run.created = run.created.or(build.created);
    run.started = build.created;
    run.finished = build.finished.filter(|_| run.phase.is_terminal());
    run
}

/// Why a build failed. The vendor does not say: the best there is: which job failed, and what it builds. If that
/// cannot be fetched, this does not fail either: the build is known to have failed.
async fn why(calls: &SharedDeadline<'_, Foundry>, build: &Build) -> Failure {
    let failed = |job: Job| (job.status == Some(JobStatus::Failed)).then_some(job);
    match calls.find(ListBuildJobs::new(&build.rid), failed).await {
        Ok(Some(job)) => failure_of(&job),
        Ok(None) => Failure::default().part(format!("build {}", build.rid)),
        Err(error) => Failure::not_fetched(&error).part(format!("build {}", build.rid)),
    }
}

fn failure_of(job: &Job) -> Failure {
    let failure = match job.outputs.iter().find_map(|output| output.rid()) {
        Some(output) => Failure::new(format!(
            "the job that builds {output} failed; the vendor does not say why"
        )),
        None => Failure::new("a job of the build failed; the vendor does not say why"),
    };
    failure.part(format!("job {}", job.rid))
}
