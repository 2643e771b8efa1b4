//! Mode's report runs behind the vendor-neutral [`RunProvider`].

use std::sync::Arc;

use async_trait::async_trait;

use super::cancel::CancelReportRun;
use super::query_runs::{ListQueryRuns, QueryRun};
use super::report_runs::{
    CreateReportRun, GetReportRun, ListReportRuns, PythonState, ReportRun, RunState,
};
use super::{Client, Mode};
use crate::client::{Api, CallLimits, Clock, SharedDeadline, Vendor};
use crate::error::Result;
use crate::paging::{Cursor, Page};
use crate::run::{
    CancelOutcome, Capabilities, Failure, Phase, RecentRuns, RunProvider, RunRef, RunSnapshot,
    Target, Triggered,
};

/// The target is a report, which is run with the default values of its parameters. The response to a trigger names the run.
///
/// The vendor documents no operation that cancels a run. A run that carries a form `cancel` is cancelled with it, any other is
/// [`Unsupported`](crate::ErrorKind::Unsupported): so the [capabilities](Capabilities::cancel) do not promise it.
#[async_trait]
impl RunProvider for Client {
    fn vendor(&self) -> Vendor {
        Mode::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list().trigger_names_run()
    }

    fn scope(&self) -> Option<&str> {
        Client::scope(self)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Client::clock(self)
    }

    #[inline]
    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
        let report = run.target().id_at(self)?;
        let calls = self.share_deadline(limits);
        let found = calls.send(GetReportRun::new(report, run.id())).await?;
        let mut snapshot = snapshot(run.target(), &found);
        if snapshot.phase == Phase::Failed {
            snapshot.failure = why(&calls, report, &found).await;
        }
        Ok(found.meta().observe(snapshot))
    }

    #[inline]
    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        let request = ListReportRuns::new(target.id_at(self)?).newest_first();
        let page = self.share_deadline(limits).page(request, cursor.as_ref()).await?;
        let observed = page.meta().server_date();
        Ok(page.into_inner().map(|run| snapshot(target, &run).observed(observed)))
    }

    #[inline]
    async fn send_trigger(
        &self,
        target: &Target,
        _: Option<&RunRef>,
        limits: &CallLimits,
    ) -> Result<Triggered> {
        let request = CreateReportRun::new(target.id_at(self)?);
        let run = self.share_deadline(limits).send(request).await?;
        Ok(Triggered::new(Some(target.run(run.token.as_str()))))
    }

    /// Inferred: that the form cancels the run.
    #[inline]
    async fn send_cancel(&self, run: &RunRef, limits: &CallLimits) -> Result<CancelOutcome> {
        let report = run.target().id_at(self)?;
        let calls = self.share_deadline(limits);
        let fetch = || calls.send(GetReportRun::new(report, run.id()));
        let found = fetch().await?;
        if phase(found.state.as_ref()).is_terminal() {
            return Ok(CancelOutcome::AlreadyFinished);
        }
        let request = CancelReportRun::of(&found, report, run.id(), self.base_url())?;
        let Err(refused) = calls.send(request).await else { return Ok(CancelOutcome::Requested) };
        // It may have ended in between.
        match fetch().await {
            Ok(now) if phase(now.state.as_ref()).is_terminal() => {
                Ok(CancelOutcome::AlreadyFinished)
            }
            _ => Err(refused),
        }
    }

    /// Inferred: a run that links to a schedule was started by it.
    #[inline]
    async fn recent_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<RecentRuns> {
        let request = ListReportRuns::new(target.id_at(self)?).newest_first();
        let response = self.share_deadline(limits).page(request, cursor.as_ref()).await?;
        let server_time = response.meta().server_date();
        let page = response.into_inner();
        let scheduled = page.items.iter().filter(|run| run.report_schedule_link().is_some());
        let scheduled: Vec<_> = scheduled.map(|run| target.run(run.token.as_str())).collect();
        let page = page.map(|run| snapshot(target, &run));
        Ok(RecentRuns::new(page, server_time).doubtful(scheduled))
    }
}

fn phase(state: Option<&RunState>) -> Phase {
    state.map_or(Phase::Unknown, RunState::phase)
}

fn snapshot(target: &Target, run: &ReportRun) -> RunSnapshot {
    let phase = phase(run.state.as_ref());
    let mut snapshot = RunSnapshot::new(target.run(run.token.as_str()), phase);
    snapshot.state = run.state.as_ref().map(|state| state.as_str().into());
    snapshot.created = run.created_at;
    if phase.is_terminal() {
        snapshot.finished = run.completed_at;
    }
    snapshot
}

/// Why a run failed: not the run says so, but its query runs. If they cannot be fetched, this does not fail either: the run is
/// known to have failed.
async fn why(calls: &SharedDeadline<'_, Mode>, report: &str, run: &ReportRun) -> Option<Failure> {
    let response = calls.send(ListQueryRuns::new(report, &run.token)).await;
    // Inferred: a failed run whose queries all succeeded has failed in its notebook.
    let in_notebook = || {
        (run.python_state == Some(PythonState::Failed))
            .then(|| Failure::new("the report's notebook failed").part("notebook"))
    };
    let queries = match response {
        Ok(page) => page.into_inner().items,
        Err(error) => return in_notebook().or_else(|| Some(Failure::not_fetched(&error))),
    };
    let failure =
        queries.iter().find_map(failure_of).or_else(|| queries.iter().find_map(unsuccessful));
    failure.or_else(in_notebook)
}

fn failure_of(query: &QueryRun) -> Option<Failure> {
    if query.error_message.is_none() && query.error_code.is_none() {
        return None;
    }
    let mut failure = Failure::default();
    failure.code.clone_from(&query.error_code);
    failure.message.clone_from(&query.error_message);
    failure.part = Some(part(query));
    failure.log_url.clone_from(&query.help_url);
    Some(failure)
}

fn unsuccessful(query: &QueryRun) -> Option<Failure> {
    let state = query
        .state
        .as_ref()
        .filter(|state| state.is_terminal() && state.phase() != Phase::Succeeded)?;
    let mut failure = Failure::new(format!("the query ended as {state}"));
    failure.part = Some(part(query));
    Some(failure)
}

fn part(query: &QueryRun) -> Box<str> {
    match &query.query_name {
        Some(name) => format!("query {name}, query run {}", query.token).into(),
        None => format!("query run {}", query.token).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_phase_and_an_unknown_one_is_not_terminal() {
        for (state, expected) in [
            ("pending", Phase::Queued),
            ("enqueued", Phase::Queued),
            ("running", Phase::Running),
            ("running_notebook", Phase::Running),
            ("succeeded", Phase::Succeeded),
            ("Completed", Phase::Succeeded),
            ("failed", Phase::Failed),
            ("cancelled", Phase::Cancelled),
            ("postponed", Phase::Unknown),
        ] {
            assert_eq!(phase(Some(&RunState::from(state))), expected, "{state}");
        }
        assert_eq!(phase(None), Phase::Unknown);
    }
}
