//! What the fake remembers.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use super::FakeTransfers;
use super::responses::{ParsedRequest, Refusal, Reply, completed};
use super::routes::{route, starts};
use crate::testing::kit::{Course, End, FakeState, Kit, ListedAt, NewRun, Plan, Response};

#[derive(Default)]
pub struct State {
    pub(super) kit: Kit<Self>,
    pub(super) accepts_overlaps: bool,
    transfers: Vec<Transfer>,
    /// The latest last.
    backfills: Vec<Backfill>,
    /// The latest last.
    pub(super) runs: Vec<Run>,
}

pub(super) struct Transfer {
    pub(super) id: String,
    /// As it was created or updated.
    pub(super) definition: Value,
    pub(super) paused: bool,
    pub(super) deleted: bool,
}

pub(super) struct Backfill {
    pub(super) id: String,
    pub(super) transfer: String,
    pub(super) first_day: NaiveDate,
    pub(super) last_day: NaiveDate,
    pub(super) created: DateTime<Utc>,
    pub(super) started: Option<DateTime<Utc>>,
    pub(super) ended: Option<DateTime<Utc>>,
    pub(super) removed: Option<DateTime<Utc>>,
    pub(super) status: String,
    /// Why its newest day could not be loaded.
    pub(super) reason: Option<String>,
    course: Course,
    /// Polls that found it running.
    running: u64,
}

pub(super) struct Run {
    pub(super) id: String,
    pub(super) transfer: String,
    /// The backfill that it belongs to; `None` if the schedule started it.
    backfill: Option<String>,
    pub(super) day: NaiveDate,
    pub(super) created: DateTime<Utc>,
    pub(super) ended: Option<DateTime<Utc>>,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) listed_at: ListedAt,
}

impl Run {
    pub(super) fn kind(&self) -> &'static str {
        if self.backfill.is_some() { "Backfill" } else { "Recurring" }
    }

    fn end(&mut self, status: &str, reason: Option<&String>, now: DateTime<Utc>) {
        status.clone_into(&mut self.status);
        self.ended = Some(now);
        self.reason = reason.cloned();
    }
}

impl Backfill {
    pub(super) fn days(&self) -> u64 {
        u64::try_from((self.last_day - self.first_day).num_days()).unwrap_or_default() + 1
    }

    /// Runs that were created, that succeeded, that failed.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let total = self.days();
        match self.status.as_str() {
            "CREATED" => (0, 0, 0),
            "COMPLETED" => (total, total, 0),
            "FAILED" => (total, total - 1, 1),
            _ => (total, self.running.min(total - 1), 0),
        }
    }
}

/// Whether a backfill of this status goes on.
pub(super) fn is_active(status: &str) -> bool {
    !matches!(status, "COMPLETED" | "FAILED" | "CANCELLED")
}

impl State {
    pub(super) fn transfer(&mut self, id: &str) -> Result<&mut Transfer, Refusal> {
        let mut known = self.transfers.iter_mut().filter(|transfer| !transfer.deleted);
        known.find(|transfer| transfer.id == id).ok_or_else(|| Refusal::not_found("transfer"))
    }

    pub(super) fn listed_transfers(&self) -> Vec<Value> {
        let known = self.transfers.iter().filter(|transfer| !transfer.deleted);
        let last = |transfer: &Transfer| {
            let runs = self.runs.iter().filter(|run| run.transfer == transfer.id);
            runs.map(|run| run.created).max()
        };
        known.map(|transfer| transfer.listed(last(transfer))).collect()
    }

    pub(super) fn create_transfer(&mut self, definition: Value) -> String {
        let id = (502_000 + self.kit.serial()).to_string();
        self.transfers.push(Transfer { id: id.clone(), definition, paused: false, deleted: false });
        id
    }

    pub(super) fn add_transfer(&mut self, name: &str) -> String {
        let account = json!({ "data_source_username": "ads@initech.example", "login_id": 77, "account_id": "815204" });
        let schedule = json!({ "run_interval": "daily", "run_hour": 4, "refresh_window": 3 });
        self.create_transfer(json!({
            "data_source_id": "AW", "schema_id": 31, "destination_id": 8, "display_name": name,
            "schedule": [schedule], "accounts": [account],
        }))
    }

    pub(super) fn backfill(&mut self, id: &str) -> Result<&mut Backfill, Refusal> {
        let found = self.backfills.iter_mut().find(|backfill| backfill.id == id);
        found.ok_or_else(|| Refusal::not_found("backfill"))
    }

    pub(super) fn overlaps(&self, transfer: &str, first: NaiveDate, last: NaiveDate) -> bool {
        self.backfills.iter().any(|other| {
            let common = other.first_day <= last && first <= other.last_day;
            other.transfer == transfer && is_active(&other.status) && common
        })
    }

    /// Creates a backfill; returns its id.
    pub(super) fn start(
        &mut self,
        transfer: &str,
        first_day: NaiveDate,
        last_day: NaiveDate,
        plan: Plan,
    ) -> String {
        let id = (70_000 + self.kit.serial()).to_string();
        let course = Course::new::<Self>(plan);
        let due = course.due();
        self.backfills.push(Backfill {
            id: id.clone(),
            transfer: transfer.to_owned(),
            first_day,
            last_day,
            created: self.kit.now(),
            started: None,
            ended: None,
            removed: None,
            status: "CREATED".to_owned(),
            reason: None,
            course,
            running: 0,
        });
        if let Some(status) = due {
            self.create_runs(&id);
            self.end(&id, &status);
        }
        id
    }

    /// One run for each day, the newest day first.
    fn create_runs(&mut self, backfill: &str) {
        let Ok(found) = self.backfill(backfill) else { return };
        let (transfer, first, last) = (found.transfer.clone(), found.first_day, found.last_day);
        let listed_at = found.course.listed_at;
        if self.runs.iter().any(|run| run.backfill.as_deref() == Some(backfill)) {
            return;
        }
        let days: Vec<_> = first.iter_days().take_while(|day| *day <= last).collect();
        for day in days.into_iter().rev() {
            let (id, created) = ((880_000 + self.kit.serial()).to_string(), self.kit.now());
            let (transfer, backfill) = (transfer.clone(), Some(backfill.to_owned()));
            let (status, reason) = ("RUNNING".to_owned(), None);
            let ended = None;
            self.runs.push(Run {
                id,
                transfer,
                backfill,
                day,
                created,
                ended,
                status,
                reason,
                listed_at,
            });
        }
    }

    /// Polls a backfill, which makes it move on.
    pub(super) fn poll(&mut self, id: &str) {
        let (now, held) = (self.kit.now(), self.kit.held);
        let Ok(backfill) = self.backfill(id) else { return };
        if held || !is_active(&backfill.status) {
            return;
        }
        let due = backfill.course.poll();
        if due.is_none() {
            if backfill.course.polls == 1 && backfill.course.plan.polls > 2 {
                "SCHEDULED".clone_into(&mut backfill.status);
            } else {
                "RUNNING".clone_into(&mut backfill.status);
                backfill.started.get_or_insert(now);
                backfill.running += 1;
            }
        }
        self.create_runs(id);
        if let Some(status) = due {
            self.end(id, &status);
        }
    }

    /// Ends a backfill and its runs.
    pub(super) fn end(&mut self, id: &str, status: &str) {
        let now = self.kit.now();
        let Ok(backfill) = self.backfill(id) else { return };
        status.clone_into(&mut backfill.status);
        if is_active(status) {
            return;
        }
        backfill.ended = Some(now);
        backfill.removed = (status == "CANCELLED").then_some(now);
        if status != "CANCELLED" {
            backfill.started.get_or_insert(now);
        }
        backfill.reason = backfill.course.plan.reason.clone().filter(|_| status == "FAILED");
        let reason = backfill.reason.clone();
        // The newest day is the first one, and the one that fails.
        let mut fails = status == "FAILED";
        for run in self.runs.iter_mut().filter(|run| run.backfill.as_deref() == Some(id)) {
            let failed = std::mem::take(&mut fails);
            match status {
                "FAILED" if failed => run.end("FAILED", reason.as_ref(), now),
                "FAILED" => run.end("COMPLETED", None, now),
                _ => run.end(status, None, now),
            }
        }
    }

    /// Lists backfills, newest first. Each that has not ended comes closer to its next step.
    pub(super) fn listed(&mut self, wanted: impl Fn(&Backfill) -> bool) -> Vec<Value> {
        let found = self.backfills.iter_mut().rev();
        let found =
            found.filter(|backfill| backfill.course.listed_at.has_come() && wanted(backfill));
        let mut ids = Vec::new();
        for backfill in found {
            let moves = is_active(&backfill.status) && backfill.course.list();
            ids.push((backfill.id.clone(), moves));
        }
        let mut shown = Vec::new();
        for (id, moves) in ids {
            if moves {
                self.poll(&id);
            }
            shown.extend(self.backfill(&id).ok().map(|backfill| backfill.shown()));
        }
        shown
    }

    fn add_demo_data(&mut self) {
        for (id, paused) in
            [(FakeTransfers::TRANSFER, false), (FakeTransfers::PAUSED_TRANSFER, true)]
        {
            let made = self.add_transfer(if paused { "Old ads" } else { "Ads to warehouse" });
            if let Ok(transfer) = self.transfer(&made) {
                id.clone_into(&mut transfer.id);
                transfer.paused = paused;
            }
        }
        for (days, status) in [(4, "COMPLETED"), (3, "FAILED"), (2, "COMPLETED"), (1, "COMPLETED")]
        {
            let run = NewRun::new(status).created(Utc::now() - TimeDelta::days(days));
            let run = if status == "FAILED" { run.reason("The login expired.") } else { run };
            self.add_run(FakeTransfers::TRANSFER, run);
        }
    }
}

impl FakeState for State {
    type Refusal = Refusal;

    const NAME: &'static str = "FakeTransfers";
    const BASE_PATH: &'static str = "/v1/teams/7301";
    const TARGET: &'static str = "transfer";
    const VERBS: &'static [&'static str] =
        &["Plan::listed_after", "NewRun::took", "NewRun::reason"];

    fn new(_: String) -> Self {
        let mut state = Self::default();
        state.add_demo_data();
        state
    }

    fn kit(&mut self) -> &mut Kit<Self> {
        &mut self.kit
    }

    fn end_state(end: End) -> Option<&'static str> {
        match end {
            End::Succeeds => Some("COMPLETED"),
            End::Fails | End::FailsSilently => Some("FAILED"),
            End::Cancelled => Some("CANCELLED"),
            End::Skipped | End::SubmitFails => None,
        }
    }

    /// A run of the schedule.
    fn add_run(&mut self, transfer: &str, new: NewRun) -> Option<String> {
        self.transfer(transfer).ok()?;
        let created = new.created.unwrap_or_else(|| self.kit.now());
        let id = new.id.unwrap_or_else(|| (880_000 + self.kit.serial()).to_string());
        let has_ended = matches!(new.state.as_str(), "COMPLETED" | "FAILED" | "CANCELLED");
        let took = new.took.and_then(|took| TimeDelta::from_std(took).ok());
        let ended = created + took.unwrap_or(TimeDelta::seconds(218));
        self.runs.push(Run {
            id: id.clone(),
            transfer: transfer.to_owned(),
            backfill: None,
            day: day_before(created),
            created,
            ended: has_ended.then_some(ended),
            status: new.state,
            reason: new.plan.reason,
            listed_at: ListedAt::default(),
        });
        Some(format!("run-{id}"))
    }

    fn trigger_from_elsewhere(&mut self, transfer: &str) -> Option<String> {
        self.transfer(transfer).ok()?;
        let day = day_before(self.kit.now());
        Some(format!("backfill-{}", self.start(transfer, day, day, Plan::succeeds())))
    }

    fn finish(&mut self, run: &str, state: &str) -> Option<()> {
        if let Some(id) = run.strip_prefix("backfill-") {
            self.backfill(id).ok()?;
            self.create_runs(id);
            self.end(id, state);
            return Some(());
        }
        let now = self.kit.now();
        let id = run.strip_prefix("run-")?;
        self.runs.iter_mut().find(|run| run.id == id)?.end(state, None, now);
        Some(())
    }

    fn is_trigger(&mut self, call: &ParsedRequest) -> bool {
        starts(self, call)
    }

    fn serve(&mut self, call: &ParsedRequest) -> Reply {
        route(self, call)
    }

    fn usual(status: u16) -> Refusal {
        Refusal::new(status, "the fake was told to refuse this")
    }

    fn bad_request(message: &str) -> Refusal {
        Refusal::new(400, message)
    }

    fn complete(&mut self, _: &ParsedRequest, reply: Reply) -> Response {
        let id = self.kit.new_uuid().to_ascii_uppercase();
        completed(reply, &id)
    }
}

fn day_before(time: DateTime<Utc>) -> NaiveDate {
    let today = time.date_naive();
    today.checked_sub_days(Days::new(1)).unwrap_or(today)
}
