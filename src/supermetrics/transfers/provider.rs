//! Backfills and runs of transfers as runs of any vendor.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use super::backfills::{
    Backfill, CancelBackfill, CreateBackfill, FailedDay, GetBackfill, GetLatestBackfill,
    ListIncompleteBackfills,
};
use super::runs::{
    GetTransferRun, ListTransferRuns, QueryDetails, RunStatus, RunType, TimeField, TransferRun,
    TransferRunDetail,
};
use super::{BackfillId, Client, RunId, Transfers, VENDOR};
use crate::client::{CallLimits, Clock, SharedDeadline, Vendor};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::run::{
    CancelOutcome, Capabilities, Failure, Phase, Progress, RecentRuns, RunProvider, RunRef,
    RunSnapshot, Target, Triggered,
};

/// The target is a transfer, or a transfer on one day. A trigger creates a backfill of one day, whose id is `backfill-` and the
/// vendor's; runs that are listed have `run-` and the vendor's id. See [the module](super).
#[async_trait]
impl RunProvider for Client {
    fn vendor(&self) -> Vendor {
        VENDOR
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
        run.target().id_at(self)?;
        let calls = self.share_deadline(limits);
        match Id::of(run)? {
            Id::Backfill(id) => {
                let found = calls.send(GetBackfill::new(id)).await?;
                Ok(found.meta().observe(of_backfill(run.clone(), &found)))
            }
            Id::Run(id) => {
                let found = calls.send(GetTransferRun::new(id)).await?;
                Ok(found.meta().observe(of_detail(run.clone(), &found)))
            }
        }
    }

    /// The first page also has the backfills that the vendor still tells of, as far as they are not older than the page.
    #[inline]
    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        let job = Job::of(target.id_at(self)?)?;
        let calls = self.share_deadline(limits);
        let backfills = match &cursor {
            Some(_) => Vec::new(),
            None => backfills_of(&calls, job).await?.0,
        };
        let page = calls.page(job.list(self.clock().utc()), cursor.as_ref()).await?;
        let items = page.items.iter().filter(|run| job.day.is_none() || run.data_date == job.day);
        let mut runs: Vec<_> = items.map(|run| of_run(target, run)).collect();
        let oldest = runs.last().and_then(|run| run.created).filter(|_| page.next.is_some());
        let backfills = backfills.iter().filter(|backfill| {
            (job.day.is_none() || backfill.only_day() == job.day) && backfill.created_time >= oldest
        });
        runs.extend(backfills.map(|backfill| of_backfill(reference(target, backfill), backfill)));
        newest_first(&mut runs);
        let runs = runs.into_iter().map(|run| page.meta().observe(run)).collect();
        Ok(Page::new(runs, page.next.clone()))
    }

    /// The durations of runs, scheduled ones and those of backfills: a backfill of one day takes as long as its run.
    #[inline]
    async fn fetch_durations(&self, target: &Target, limits: &CallLimits) -> Result<Vec<Duration>> {
        let job = Job { day: None, ..Job::of(target.id_at(self)?)? };
        let page =
            self.share_deadline(limits).send(job.list(self.clock().utc()).limit(100)).await?;
        let succeeded = page.items.iter().filter(|run| run.phase() == Phase::Succeeded);
        let took = |run: &TransferRun| {
            let lasted = run.ended_time.zip(run.created_time);
            let lasted = lasted.and_then(|(ended, created)| (ended - created).to_std().ok());
            lasted.or(run.total_duration)
        };
        Ok(succeeded.filter_map(took).collect())
    }

    /// Backfills from the list of those that are not complete, runs from the first page of the list. The others are fetched alone.
    #[inline]
    async fn fetch_runs(
        &self,
        target: &Target,
        runs: &[RunRef],
        limits: &CallLimits,
    ) -> Result<Vec<RunSnapshot>> {
        let job = Job::of(target.id_at(self)?)?;
        let calls = self.share_deadline(limits);
        let wanted: HashSet<&RunRef> = runs.iter().collect();
        let mut found = Vec::new();
        if runs.iter().any(|run| matches!(Id::of(run), Ok(Id::Backfill(_)))) {
            let backfills = calls.send(ListIncompleteBackfills::new()).await?;
            found.extend(backfills.iter().map(|backfill| {
                backfills.meta().observe(of_backfill(reference(target, backfill), backfill))
            }));
        }
        if runs.iter().any(|run| matches!(Id::of(run), Ok(Id::Run(_)))) {
            let page = calls.send(job.list(self.clock().utc())).await?;
            let observed = page.meta().server_date();
            found.extend(page.items.iter().map(|run| of_run(target, run).observed(observed)));
        }
        found.retain(|run| wanted.contains(&run.run));
        Ok(found)
    }

    #[inline]
    async fn send_trigger(
        &self,
        target: &Target,
        _: Option<&RunRef>,
        limits: &CallLimits,
    ) -> Result<Triggered> {
        let job = Job::of(target.id_at(self)?)?;
        let day = job.day.unwrap_or_else(|| day_before(self.clock().utc()));
        let request = CreateBackfill::new(job.transfer, day, day);
        let backfill = self.share_deadline(limits).send(request).await?;
        Ok(Triggered::new(Some(reference(target, &backfill))))
    }

    /// The backfills of one day that a trigger of ours may have created: those that are not complete, and the last one. Others may have
    /// ended and been followed by one more. The runs that they left are listed as doubtful, so that nobody says that nothing started.
    #[inline]
    async fn recent_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<RecentRuns> {
        let job = Job::of(target.id_at(self)?)?;
        let calls = self.share_deadline(limits);
        let (backfills, server_time) = match &cursor {
            Some(_) => (Vec::new(), None),
            None => backfills_of(&calls, job).await?,
        };
        // After the backfills: one that ends meanwhile has left its run.
        let page = calls.page(job.list(self.clock().utc()), cursor.as_ref()).await?;
        let server_time = server_time.or_else(|| page.meta().server_date());
        let Page { items, next, .. } = page.into_inner();

        let (mut runs, mut doubtful) = (Vec::new(), Vec::new());
        for backfill in &backfills {
            let run = reference(target, backfill);
            let is_unclear = backfill.transfer_id.is_none()
                || backfill.range_start_date.is_none()
                || backfill.range_end_date.is_none();
            if is_unclear {
                doubtful.push(run.clone());
            }
            if is_unclear
                || backfill.only_day().is_some_and(|day| job.loads(day, backfill.created_time))
            {
                runs.push(of_backfill(run, backfill));
            }
        }
        // Oldest first: each backfill accounts for one run of each day.
        let mut accounted = HashSet::new();
        let others = items.iter().rev().filter(|run| run.run_type != Some(RunType::Recurring));
        for run in others {
            if run.data_date.is_some_and(|day| !job.loads(day, run.created_time)) {
                continue;
            }
            let mut known = backfills.iter().enumerate();
            if known.any(|(index, backfill)| {
                may_have_made(backfill, run) && accounted.insert((index, run.data_date))
            }) {
                continue;
            }
            let listed = of_run(target, run);
            doubtful.push(listed.run.clone());
            runs.push(listed);
        }
        newest_first(&mut runs);
        Ok(RecentRuns::new(Page::new(runs, next), server_time).doubtful(doubtful))
    }

    #[inline]
    async fn send_cancel(&self, run: &RunRef, limits: &CallLimits) -> Result<CancelOutcome> {
        run.target().id_at(self)?;
        let Id::Backfill(id) = Id::of(run)? else {
            let message =
                "the vendor cancels backfills only; pause the transfer to stop further runs";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        match self.share_deadline(limits).send(CancelBackfill::new(id)).await {
            Ok(_) => Ok(CancelOutcome::Requested),
            Err(error) if error.status() == Some(http::StatusCode::UNPROCESSABLE_ENTITY) => {
                Ok(CancelOutcome::AlreadyFinished)
            }
            Err(error) => Err(error),
        }
    }
}

/// How far back runs are listed, where the target names no day.
const LISTED_DAYS: Days = Days::new(90);

/// How much the vendor's clock and ours may differ around midnight, with the time that a trigger takes to arrive.
const AROUND_MIDNIGHT: TimeDelta = TimeDelta::minutes(10);

/// A target, taken apart.
#[derive(Clone, Copy)]
struct Job<'t> {
    transfer: &'t str,
    /// The day that is loaded; `None` for the last full day.
    day: Option<NaiveDate>,
}

impl<'t> Job<'t> {
    fn of(id: &'t str) -> Result<Self> {
        let Some((transfer, day)) = id.split_once('.') else {
            return Ok(Self { transfer: id, day: None });
        };
        let day = day.parse().map_err(|_| {
            Error::config(
                "the target names no day after the transfer; make it with `transfers::target_on`",
            )
        })?;
        Ok(Self { transfer, day: Some(day) })
    }

    /// The runs, newest first. The range holds both the time of their creation and their days, since either may be meant.
    fn list(self, now: DateTime<Utc>) -> ListTransferRuns {
        let today = now.date_naive();
        let first = self.day.or_else(|| today.checked_sub_days(LISTED_DAYS)).unwrap_or(today);
        let last = today.succ_opt().unwrap_or(today).max(first);
        ListTransferRuns::new(self.transfer, first, last)
            .order_by(TimeField::Created)
            .newest_first()
            .limit(1000)
    }

    /// Whether a trigger loads this day, if what it created is of this time.
    fn loads(self, day: NaiveDate, created: Option<DateTime<Utc>>) -> bool {
        match (self.day, created) {
            (Some(own), _) => own == day,
            (None, None) => true,
            (None, Some(created)) => {
                let at = |skew| created.checked_add_signed(skew).map(day_before);
                [-AROUND_MIDNIGHT, AROUND_MIDNIGHT].into_iter().any(|skew| at(skew) == Some(day))
            }
        }
    }
}

/// Sorts runs. One that does not say when it was created may be new.
#[inline]
fn newest_first(runs: &mut [RunSnapshot]) {
    runs.sort_by_key(|run| Reverse(run.created.unwrap_or(DateTime::<Utc>::MAX_UTC)));
}

fn day_before(time: DateTime<Utc>) -> NaiveDate {
    let today = time.date_naive();
    today.pred_opt().unwrap_or(today)
}

/// The id of a run, taken apart: backfills and runs have numbers of their own.
enum Id<'r> {
    Backfill(&'r str),
    Run(&'r str),
}

const BACKFILL: &str = "backfill-";
const RUN: &str = "run-";

impl BackfillId {
    /// The vendor's id, also from that of a run that is a backfill.
    pub(super) fn without_kind(self) -> Self {
        self.as_str().strip_prefix(BACKFILL).map_or_else(|| self.clone(), Self::from)
    }
}

impl RunId {
    /// The vendor's id, also from that of a run that is listed.
    pub(super) fn without_kind(self) -> Self {
        self.as_str().strip_prefix(RUN).map_or_else(|| self.clone(), Self::from)
    }
}

impl<'r> Id<'r> {
    fn of(run: &'r RunRef) -> Result<Self> {
        let id = run.id();
        let backfill = id.strip_prefix(BACKFILL).map(Self::Backfill);
        backfill.or_else(|| id.strip_prefix(RUN).map(Self::Run)).ok_or_else(|| {
            let message = "no run has this id; it begins with `backfill-` or `run-`";
            Error::new(ErrorKind::NotFound, message)
        })
    }
}

fn reference(target: &Target, backfill: &Backfill) -> RunRef {
    target.run(format!("{BACKFILL}{}", backfill.id))
}

/// The backfills of the transfer that the vendor still tells of: those that are not complete, and the last one; and the
/// vendor's time when it began to tell.
async fn backfills_of(
    calls: &SharedDeadline<'_, Transfers>,
    job: Job<'_>,
) -> Result<(Vec<Backfill>, Option<DateTime<Utc>>)> {
    let incomplete = calls.send(ListIncompleteBackfills::new()).await?;
    let server_time = incomplete.meta().server_date();
    let mut backfills = incomplete.into_inner();
    let of_another = |backfill: &Backfill| {
        backfill.transfer_id.as_ref().is_some_and(|id| id.as_str() != job.transfer)
    };
    backfills.retain(|backfill| !of_another(backfill));
    // After the list: one that is completed meanwhile is the last one, unless another one was created.
    match calls.send(GetLatestBackfill::new(job.transfer)).await {
        Ok(latest) => {
            let mut latest = latest.into_inner();
            latest.transfer_id.get_or_insert_with(|| job.transfer.into());
            backfills.retain(|backfill| backfill.id != latest.id);
            backfills.push(latest);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok((backfills, server_time))
}

/// Whether a run is one of this backfill, by its day and the time of its creation: nothing else says so. Source: Management API
/// reference, "Create a backfill": no other active backfill of the transfer has the same day.
fn may_have_made(backfill: &Backfill, run: &TransferRun) -> bool {
    let (Some(day), Some(created)) = (run.data_date, run.created_time) else { return false };
    let began = backfill.created_time.is_some_and(|time| time <= created);
    let has_day = backfill.range_start_date.is_some_and(|first| first <= day)
        && backfill.range_end_date.is_some_and(|last| day <= last);
    let has_ended = backfill.phase().is_terminal();
    began && has_day && (!has_ended || backfill.end_time.is_some_and(|end| created <= end))
}

fn of_backfill(run: RunRef, backfill: &Backfill) -> RunSnapshot {
    let mut snapshot = RunSnapshot::new(run, backfill.phase());
    snapshot.state = backfill.status.as_ref().map(|status| status.as_str().into());
    snapshot.created = backfill.created_time;
    snapshot.started = backfill.start_time;
    if snapshot.phase.is_terminal() {
        snapshot.finished = backfill.end_time;
    }
    let done = backfill.transfer_runs_completed.zip(backfill.transfer_runs_failed);
    let done = done.map(|(completed, failed)| completed.saturating_add(failed));
    snapshot.progress =
        done.zip(backfill.transfer_runs_total).map(|(done, total)| Progress::new(done, total));
    if snapshot.phase == Phase::Failed {
        snapshot.failure = backfill.error_report.first().map(of_day).or_else(|| {
            let failed = backfill.transfer_runs_failed.filter(|failed| *failed > 0)?;
            Some(Failure::new(format!("the vendor does not say why {failed} of its runs failed")))
        });
    }
    snapshot
}

fn of_day(failed: &FailedDay) -> Failure {
    let mut failure = Failure::default();
    failure.message.clone_from(&failed.error);
    failure.part = failed.transfer_run_date.map(|day| day.to_string().into());
    failure
}

fn of_run(target: &Target, run: &TransferRun) -> RunSnapshot {
    let reference = target.run(format!("{RUN}{}", run.id));
    let mut snapshot = RunSnapshot::new(reference, run.phase());
    snapshot.state = run.status.as_ref().map(|status| status.as_str().into());
    snapshot.created = run.created_time;
    if snapshot.phase.is_terminal() {
        snapshot.finished = run.ended_time;
    }
    snapshot
}

#[inline]
fn of_detail(run: RunRef, detail: &TransferRunDetail) -> RunSnapshot {
    let mut snapshot = RunSnapshot::new(run, detail.phase());
    snapshot.state = detail.status.as_ref().map(|status| status.as_str().into());
    snapshot.created = detail.created_time;
    snapshot.started = detail.started_time;
    if snapshot.phase.is_terminal() {
        snapshot.finished = detail.ended_time;
    }
    if snapshot.phase == Phase::Failed {
        snapshot.failure = why(detail);
    }
    snapshot
}

/// Why a run failed: the error of the query that failed, and the message of the run.
#[inline]
fn why(detail: &TransferRunDetail) -> Option<Failure> {
    let filled = |text: &Option<Box<str>>| text.clone().filter(|text| !text.trim().is_empty());
    let query = |query: &QueryDetails| filled(&query.error_description);
    let message = filled(&detail.message);
    let query = detail.query_details.iter().find_map(query);
    let message = match (message, query) {
        (Some(message), Some(query)) if message != query => {
            Some(format!("{}: {query}", message.trim_end_matches(['.', ':'])).into())
        }
        (message, query) => message.or(query),
    };
    let unknown = || match &detail.status {
        Some(RunStatus::Unknown(status)) => {
            Some(format!("it ended as {}, which this crate does not know", status.as_str()).into())
        }
        _ => None,
    };
    let mut failure = Failure::new(message.or_else(unknown)?);
    failure.part = detail.data_date.map(|day| day.to_string().into());
    Some(failure)
}

#[cfg(test)]
mod tests {
    use super::super::tests::day;
    use super::*;

    fn at(time: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(time).unwrap().to_utc()
    }

    #[test]
    fn a_trigger_loads_the_day_of_its_target_or_the_day_before_it_was_created() {
        let dated = Job::of("5.2026-03-02").unwrap();
        assert_eq!((dated.transfer, dated.day), ("5", Some(day("2026-03-02"))));
        assert!(dated.loads(day("2026-03-02"), Some(at("2026-07-01T00:00:00Z"))));
        assert!(!dated.loads(day("2026-03-01"), None));
        let undated = Job::of("5").unwrap();
        for (created, loads) in [
            ("2026-03-03T12:00:00Z", true),
            ("2026-03-02T23:49:59Z", false),
            ("2026-03-02T23:51:00Z", true),
            ("2026-03-04T00:09:00Z", true),
            ("2026-03-04T00:10:01Z", false),
        ] {
            assert_eq!(undated.loads(day("2026-03-02"), Some(at(created))), loads, "{created}");
        }
        assert!(undated.loads(day("2026-03-02"), None));
        assert!(Job::of("5.yesterday").is_err());
    }

    #[test]
    fn the_reason_of_a_run_is_that_of_its_query() {
        let why = |members: &str| {
            let detail: TransferRunDetail = serde_json::from_str(&format!(
                r#"{{"id":1,"ended_time":"2026-03-02T00:00:00Z","data_date":"2026-03-01"{members}}}"#
            ))
            .unwrap();
            why(&detail).map(|failure| failure.to_string())
        };
        for (members, reason) in [
            ("", None),
            (r#","message":"""#, None),
            (r#","message":"no.""#, Some("no (in 2026-03-01)")),
            (
                r#","message":"1 failed.","query_details":[{},{"error_description":"login"}]"#,
                Some("1 failed: login (in 2026-03-01)"),
            ),
            (
                r#","message":"no","query_details":[{"error_description":"no"}]"#,
                Some("no (in 2026-03-01)"),
            ),
            (
                r#","status":"GONE""#,
                Some("it ended as GONE, which this crate does not know (in 2026-03-01)"),
            ),
        ] {
            assert_eq!(why(members).as_deref(), reason, "{members}");
        }
    }
}
