//! Runs of queries as runs of any vendor.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::history::{HistoryEntry, ListHistory};
use super::query::Query;
use super::runs::{GetQueryStatus, QueryRun, StartQuery};
use super::schedule_id::ScheduleId;
use super::state::{QueryError, QueryState};
use super::{Client, Supermetrics};
use crate::client::{Api, CallLimits, Clock, SharedDeadline, Vendor};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::run::{
    CancelOutcome, Capabilities, Phase, Progress, RecentRuns, RunProvider, RunRef, RunSnapshot,
    Target, Triggered,
};
use crate::wire::stable_hash;

/// The target is a query, and the id of a run is its `schedule_id`. If the query sets no id, each run gets a new one: a
/// prefix made from the query, the time, and a random part. The prefix identifies the target's runs in the history of
/// the licence: those of the last 89 days that this crate started, in this process or another one. Runs of the same
/// query that were started in other ways have other ids, and the history does not say what they asked for. If the query
/// sets an id, all its runs have that id. Then a lost trigger cannot be confirmed, because an earlier run has the same
/// id.
///
/// The status of a run is kept for an hour after its end. After that, the history of the licence says for 89 days how the run ended,
/// but not why. A run of a query that sets an id is [`NotFound`](ErrorKind::NotFound) then: it could be an earlier one.
///
/// The vendor has no operation that cancels one query; [`CancelBatch`](super::CancelBatch) cancels a batch.
#[async_trait]
impl RunProvider for Client {
    fn vendor(&self) -> Vendor {
        Supermetrics::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list().caller_names_run()
    }

    fn scope(&self) -> Option<&str> {
        Client::scope(self)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Client::clock(self)
    }

    #[inline]
    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
        run.target().id_at(self)?;
        // One row is enough: a snapshot has no rows.
        let request = GetQueryStatus::new(run.id()).offset_start(0).offset_end(0);
        let calls = self.share_deadline(limits);
        match calls.send(request).await {
            Ok(query_run) => Ok(query_run.meta().observe(snapshot(run, &query_run))),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                in_history(&calls, run).await?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    #[inline]
    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        let ids = Ids::of(target.id_at(self)?)?;
        let request = history(&ids).since(LONGEST_HISTORY);
        let page = self.share_deadline(limits).page(request, cursor.as_ref()).await?;
        let observed = page.meta().server_date();
        let page = page.into_inner();
        let runs = listed(target, &ids, page.items).into_iter();
        Ok(Page::new(runs.map(|run| run.observed(observed)).collect(), page.next))
    }

    /// One page of the last 24 hours: runs that somebody waits for are new, as a rule. The others are fetched alone.
    #[inline]
    async fn fetch_runs(
        &self,
        target: &Target,
        runs: &[RunRef],
        limits: &CallLimits,
    ) -> Result<Vec<RunSnapshot>> {
        let ids = Ids::of(target.id_at(self)?)?;
        let page = self.share_deadline(limits).send(history(&ids)).await?;
        let observed = page.meta().server_date();
        let listed = listed(target, &ids, page.into_inner().items).into_iter();
        let runs: HashSet<&RunRef> = runs.iter().collect();
        let awaited = listed.filter(|run| runs.contains(&run.run));
        Ok(awaited.map(|run| run.observed(observed)).collect())
    }

    /// A run says neither when it began nor when it ended; the history has the seconds that it took. Inferred: that it has them.
    #[inline]
    async fn fetch_durations(&self, target: &Target, limits: &CallLimits) -> Result<Vec<Duration>> {
        let ids = Ids::of(target.id_at(self)?)?;
        let request = history(&ids).states([QueryState::Success]).since(LONGEST_HISTORY);
        let mut entries = self.share_deadline(limits).send(request).await?.into_inner().items;
        entries.retain(|entry| entry.schedule_id.as_ref().is_some_and(|id| ids.has(id)));
        entries.sort_by_key(|entry| Reverse(entry.schedule_time));
        Ok(entries.iter().filter_map(|entry| entry.run_time).collect())
    }

    #[inline]
    fn name_run(&self, target: &Target) -> Result<Option<RunRef>> {
        let ids = Ids::of(target.id_at(self)?)?;
        // An id that the caller chose may belong to an earlier run.
        Ok(ids.chosen().is_none().then(|| target.run(ids.next().as_str())))
    }

    #[inline]
    async fn send_trigger(
        &self,
        target: &Target,
        run: Option<&RunRef>,
        limits: &CallLimits,
    ) -> Result<Triggered> {
        let ids = Ids::of(target.id_at(self)?)?;
        let id = run.map_or_else(|| ids.next(), |run| ScheduleId::from(run.id()));
        let request = StartQuery::new(ids.query.schedule_id(&id));
        let request = if target.id().len() > LONGEST_IN_URL { request.post() } else { request };
        let started = self.share_deadline(limits).send(request).await?;
        let id = started.schedule_id.as_ref().unwrap_or(&id);
        Ok(Triggered::new(Some(target.run(id.as_str()))))
    }

    #[inline]
    async fn recent_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<RecentRuns> {
        let ids = Ids::of(target.id_at(self)?)?;
        let request = history(&ids).since(LONGEST_HISTORY);
        let response = self.share_deadline(limits).page(request, cursor.as_ref()).await?;
        let server_time = response.meta().server_date();
        let page = response.into_inner();
        let items = listed(target, &ids, page.items);
        let page = Page { items, next: page.next, total: page.total };
        Ok(RecentRuns::new(page, server_time))
    }

    #[inline]
    async fn send_cancel(&self, run: &RunRef, _: &CallLimits) -> Result<CancelOutcome> {
        run.target().id_at(self)?;
        let message = "the vendor cannot cancel a single query; cancel a batch with `CancelBatch`";
        Err(Error::new(ErrorKind::Unsupported, message))
    }
}

/// The run, from the history, for one whose status may have been forgotten.
async fn in_history(
    calls: &SharedDeadline<'_, Supermetrics>,
    run: &RunRef,
) -> Result<Option<RunSnapshot>> {
    let ids = Ids::of(run.target().id())?;
    let Some(named) = ids.named_at(run.id()) else { return Ok(None) };
    if calls.client().clock().utc() - named < LEAST_KEPT {
        return Ok(None);
    }
    // The clock that the id was made by may be wrong.
    let request = history(&ids).since_time(named - TimeDelta::days(1));
    let ours =
        |entry| listed(run.target(), &ids, vec![entry]).pop().filter(|ours| ours.run == *run);
    calls.find(request, ours).await
}

/// A status is kept for this time at least: for an hour after the end of the run, unless the licence says otherwise. So a younger run
/// that is not found is not known yet, and is looked for again and again.
const LEAST_KEPT: TimeDelta = TimeDelta::minutes(10);

/// How far back the vendor's history reaches.
const LONGEST_HISTORY: &str = "89 days ago";

/// The longest query, in bytes of JSON, that is sent in a URL. Percent-encoded it may be three times as long, and
/// proxies refuse long URLs.
const LONGEST_IN_URL: usize = 1500;

/// The query of a target, and the ids of its runs.
struct Ids {
    query: Query,
    prefix: String,
}

impl Ids {
    /// Reads the id of a target.
    #[inline]
    fn of(id: &str) -> Result<Self> {
        let query: Query = serde_json::from_str(id).map_err(|_| {
            Error::config("the target is not a query; make it with `supermetrics::target`")
        })?;
        let prefix = format!("sr-{:016x}", stable_hash(id));
        Ok(Self { query, prefix })
    }

    /// The id that the caller chose for all runs.
    fn chosen(&self) -> Option<&ScheduleId> {
        self.query.parameters.schedule_id.as_ref()
    }

    /// Id of the next run.
    fn next(&self) -> ScheduleId {
        self.chosen().cloned().unwrap_or_else(|| ScheduleId::unique(&self.prefix))
    }

    fn has(&self, run: &ScheduleId) -> bool {
        if let Some(id) = self.chosen() {
            return id == run;
        }
        self.own_part(run.as_str()).is_some()
    }

    /// What comes after the prefix in the id of a run that this crate named.
    fn own_part<'r>(&self, run: &'r str) -> Option<&'r str> {
        run.strip_prefix(&self.prefix)?.strip_prefix('-')
    }

    /// When this crate named the run; `None` for runs that have another id, and where the caller chose one for all: the history may
    /// tell of an earlier run then.
    fn named_at(&self, run: &str) -> Option<DateTime<Utc>> {
        let own = self.own_part(run).filter(|_| self.chosen().is_none())?;
        ScheduleId::time_of(own)
    }
}

/// The largest pages, because the history is that of the whole licence, and few of its runs may be the target's.
fn history(ids: &Ids) -> ListHistory {
    ListHistory::new().ds_ids([ids.query.ds_id.as_str()]).limit(1000)
}

/// The target's runs among these, newest first. Only one page is sorted: the vendor's own order is not documented.
#[inline]
fn listed(target: &Target, ids: &Ids, entries: Vec<HistoryEntry>) -> Vec<RunSnapshot> {
    let ours = |entry: HistoryEntry| {
        let run = entry.schedule_id.filter(|run| ids.has(run))?;
        let mut snapshot = RunSnapshot::new(target.run(run.as_str()), phase(entry.state.as_ref()));
        snapshot.state = entry.state.as_ref().map(|state| state.as_str().into());
        snapshot.created = entry.schedule_time;
        Some(snapshot)
    };
    let mut runs: Vec<_> = entries.into_iter().filter_map(ours).collect();
    runs.sort_by_key(|run| Reverse(run.created));
    runs
}

fn phase(state: Option<&QueryState>) -> Phase {
    state.map_or(Phase::Unknown, QueryState::phase)
}

#[inline]
fn snapshot(run: &RunRef, query_run: &QueryRun) -> RunSnapshot {
    let phase = match phase(query_run.state.as_ref()) {
        Phase::Unknown if query_run.is_success() => Phase::Succeeded,
        phase => phase,
    };
    let mut snapshot = RunSnapshot::new(run.clone(), phase);
    snapshot.state = query_run.state.as_ref().map(|state| state.as_str().into());
    let progress = query_run.progress.as_ref();
    let counts = progress.and_then(|progress| progress.queries_ready.zip(progress.queries_total));
    snapshot.progress = counts.map(|(ready, total)| Progress::new(ready, total));
    if phase == Phase::Failed {
        snapshot.failure = query_run.error.as_ref().map(QueryError::failure);
    }
    snapshot
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::SystemClock;

    #[test]
    fn every_state_has_a_phase_and_an_unknown_state_is_not_terminal() {
        for (state, expected) in [
            ("SCHEDULED", Phase::Queued),
            ("queued", Phase::Queued),
            ("RUNNING", Phase::Running),
            ("success", Phase::Succeeded),
            ("FAILURE", Phase::Failed),
            ("PROCESS_EXITED", Phase::Failed),
            ("STOPPED", Phase::Cancelled),
            ("pending", Phase::Unknown),
            ("completed", Phase::Unknown),
        ] {
            assert_eq!(phase(Some(&QueryState::from(state))), expected, "{state}");
            assert_eq!(QueryState::from(state).is_terminal(), expected.is_terminal(), "{state}");
        }
        assert_eq!(phase(None), Phase::Unknown);
    }

    #[test]
    fn the_runs_of_a_target_are_recognized_by_their_ids() {
        let ids = |query: &Query| Ids::of(super::super::target(query).id()).unwrap();
        let (one, other) = (Query::new("GA").fields("date"), Query::new("GA").fields("date,users"));
        let run = ids(&one).next();
        assert!(ids(&one).has(&run) && !ids(&other).has(&run));
        assert_ne!(ids(&one).next(), run);
        let named = one.clone().schedule_id("mine");
        assert_eq!(ids(&named).next().as_str(), "mine");
        assert!(ids(&named).has(&"mine".into()) && !ids(&named).has(&run));

        let now = SystemClock.utc();
        let at = ids(&one).named_at(run.as_str()).unwrap();
        assert!(at <= now && now - at < TimeDelta::minutes(1), "{at}");
        let short = format!("{}-1", ids(&one).prefix);
        for (query, id) in [(&other, run.as_str()), (&named, "mine"), (&one, &short), (&one, "")] {
            assert_eq!(ids(query).named_at(id), None, "{id}");
        }
    }
}
