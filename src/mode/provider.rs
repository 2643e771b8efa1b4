//! Mode's report runs as runs of any vendor.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Client, CreateReportRun, GetReportRun, ListQueryRuns, ListReportRuns, Mode, PythonState,
    QueryRun, ReportRun, RunState, VENDOR,
};
use crate::client::{Api, CallLimits, Clock, PagedEndpoint as _, Vendor};
use crate::error::Result;
use crate::paging::{Cursor, Page};
use crate::run::{
    Capabilities, Failure, Phase, RecentRuns, RunProvider, RunRef, RunSnapshot, Target, Triggered,
};

/// A report is the target, and is run with the default values of its parameters. The vendor names the run it starts, and
/// has no operation that ends one.
#[async_trait]
impl RunProvider for Client {
    fn vendor(&self) -> Vendor {
        Mode::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            list: true,
            trigger: true,
            trigger_names_run: true,
            ..Capabilities::default()
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Client::clock(self)
    }

    #[inline]
    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
        let report = run.target().id_at(&VENDOR)?;
        let answer = self.share_deadline(limits).send(GetReportRun::new(report, run.id())).await?;
        let mut snapshot = snapshot(run.target(), &answer);
        if snapshot.phase == Phase::Failed {
            snapshot.failure = why(self, report, &answer, limits).await;
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
        let first = ListReportRuns::new(target.id_at(&VENDOR)?).newest_first();
        let request = cursor.map_or(first.clone(), |cursor| first.at(&cursor));
        let page = self.share_deadline(limits).send(request).await?.into_inner();
        Ok(page.map(|run| snapshot(target, &run)))
    }

    #[inline]
    async fn send_trigger(&self, target: &Target, limits: &CallLimits) -> Result<Triggered> {
        let request = CreateReportRun::new(target.id_at(&VENDOR)?);
        let run = self.share_deadline(limits).send(request).await?;
        Ok(Triggered::new(Some(target.run(run.token.as_str()))))
    }

    /// Inferred: a run that links to a schedule was started by it.
    #[inline]
    async fn recent_runs(&self, target: &Target, limits: &CallLimits) -> Result<RecentRuns> {
        let request = ListReportRuns::new(target.id_at(&VENDOR)?).newest_first();
        let answer = self.share_deadline(limits).send(request).await?;
        let (scheduled, others): (Vec<_>, Vec<_>) =
            answer.items.iter().partition(|run| run.report_schedule_link().is_some());
        let snapshots = |runs: Vec<&ReportRun>| {
            runs.into_iter().map(|run| snapshot(target, run)).collect::<Vec<_>>()
        };
        let recent = RecentRuns::new(snapshots(others), answer.meta().server_date());
        Ok(recent.doubtful(snapshots(scheduled)))
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

/// Why a run failed: its query runs say so, the run does not. A reason that cannot be fetched is no reason to fail: the
/// run is known to have failed.
async fn why(
    client: &Client,
    report: &str,
    run: &ReportRun,
    limits: &CallLimits,
) -> Option<Failure> {
    let request = ListQueryRuns::new(report, &run.token);
    let answer = client.share_deadline(limits).send(request).await;
    // Inferred: a run whose queries are all well has failed in its notebook.
    let in_notebook = || {
        (run.python_state == Some(PythonState::Failed))
            .then(|| Failure::new("the report's notebook failed").part("notebook"))
    };
    let queries = match answer {
        Ok(answer) => answer.into_inner().items,
        Err(error) => return in_notebook().or_else(|| Some(Failure::not_fetched(&error))),
    };
    let failure =
        queries.iter().find_map(failure_of).or_else(|| queries.iter().find_map(ended_badly));
    failure.or_else(in_notebook)
}

fn failure_of(query: &QueryRun) -> Option<Failure> {
    if query.error_message.is_none() && query.error_code.is_none() {
        return None;
    }
    let mut failure = Failure::default();
    failure.code.clone_from(&query.error_code);
    failure.message.clone_from(&query.error_message);
    failure.part = Some(place(query));
    failure.log_url.clone_from(&query.help_url);
    Some(failure)
}

fn ended_badly(query: &QueryRun) -> Option<Failure> {
    let state = query
        .state
        .as_ref()
        .filter(|state| state.is_terminal() && state.phase() != Phase::Succeeded)?;
    let mut failure = Failure::new(format!("the query ended as {state}"));
    failure.part = Some(place(query));
    Some(failure)
}

fn place(query: &QueryRun) -> Box<str> {
    match &query.query_name {
        Some(name) => format!("query {name}, query run {}", query.token).into(),
        None => format!("query run {}", query.token).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_phase_and_what_is_unknown_is_not_over() {
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
