//! A vendor that only exists in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::kit::LISTS_PER_POLL;
use super::{ManualClock, lock};
use crate::client::{CallLimits, Clock, Vendor};
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::run::{
    CancelOutcome, Capabilities, Failure, Phase, RecentRuns, RunProvider, RunRef, RunSnapshot,
    Target, Triggered,
};

/// What polls of a run without a plan see.
const DEFAULT_PLAN: [Phase; 3] = [Phase::Queued, Phase::Running, Phase::Succeeded];

/// A [`RunProvider`] without HTTP, with a [`ManualClock`]: for tests of code that triggers and waits. Clones share one state.
///
/// ```
/// use scheduled_runs::testing::FakeProvider;
/// use scheduled_runs::{Phase, RunProviderExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> scheduled_runs::Result<()> {
/// let provider = FakeProvider::new();
/// provider.next_run([Phase::Queued, Phase::Running, Phase::Succeeded]);
/// let done = provider.trigger_and_wait(&provider.target("nightly")).await?;
/// assert_eq!((done.phase, provider.polls()), (Phase::Succeeded, 3));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct FakeProvider {
    state: Arc<Mutex<State>>,
    clock: ManualClock,
    scope: Option<Box<str>>,
}

#[derive(Debug, Default)]
struct State {
    runs: Vec<Run>,
    plans: VecDeque<Vec<Phase>>,
    faults: VecDeque<Error>,
    names_runs: bool,
    callers_name_runs: bool,
    loses_trigger: bool,
    named: usize,
    triggers: usize,
    polls: usize,
    lists: usize,
}

#[derive(Debug)]
struct Run {
    snapshot: RunSnapshot,
    /// Phases that the next polls see; the last one stays.
    plan: VecDeque<Phase>,
    lists: u32,
}

impl FakeProvider {
    /// The vendor's name.
    pub const VENDOR: Vendor = Vendor::new("fake");

    /// A vendor without runs, whose triggers do not name them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The account that it works in: it refuses targets of another one.
    #[must_use]
    pub fn scoped(mut self, scope: &str) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Something to run.
    #[must_use]
    pub fn target(&self, id: &str) -> Target {
        Target::new(Self::VENDOR, id).scoped(self.scope.as_deref().unwrap_or_default())
    }

    /// The phases that polls of the next triggered run see; the last one stays. Without a plan, a run succeeds at the third
    /// poll.
    pub fn next_run(&self, phases: impl IntoIterator<Item = Phase>) {
        lock(&self.state).plans.push_back(phases.into_iter().collect());
    }

    /// The next poll or list fails with this error.
    pub fn fail_next_poll(&self, error: Error) {
        lock(&self.state).faults.push_back(error);
    }

    /// The next trigger starts its run, and its response is lost.
    pub fn lose_next_trigger_response(&self) {
        lock(&self.state).loses_trigger = true;
    }

    /// Whether triggers name the run they started.
    pub fn name_runs(&self, named: bool) {
        lock(&self.state).names_runs = named;
    }

    /// Whether the caller chooses the ID of a run, so that an error of a trigger names the run.
    pub fn callers_name_runs(&self, named: bool) {
        let mut state = lock(&self.state);
        (state.names_runs, state.callers_name_runs) = (named, named);
    }

    /// Somebody else starts a run. The plans stay for triggers from here.
    #[allow(clippy::must_use_candidate, reason = "the run returned is a convenience")]
    pub fn trigger_from_elsewhere(&self, target: &Target) -> RunRef {
        self.add_run(target, DEFAULT_PLAN)
    }

    /// Triggers that were carried out.
    #[must_use]
    pub fn triggers(&self) -> usize {
        lock(&self.state).triggers
    }

    /// Polls of single runs, including those that failed.
    #[must_use]
    pub fn polls(&self) -> usize {
        lock(&self.state).polls
    }

    /// Lists of runs. Every fifth list counts as a poll of each run that it contains.
    #[must_use]
    pub fn lists(&self) -> usize {
        lock(&self.state).lists
    }

    /// The clock of all waits.
    #[must_use]
    pub fn manual_clock(&self) -> ManualClock {
        self.clock.clone()
    }

    /// Adds a run whose polls see these phases; the last one stays.
    #[allow(clippy::must_use_candidate, reason = "the run returned is a convenience")]
    pub fn add_run(&self, target: &Target, phases: impl IntoIterator<Item = Phase>) -> RunRef {
        let number = lock(&self.state).runs.len() + 1;
        self.add(target.run(format!("run-{number}")), phases)
    }

    fn add(&self, run: RunRef, phases: impl IntoIterator<Item = Phase>) -> RunRef {
        let plan = phases.into_iter().collect();
        let mut state = lock(&self.state);
        let mut snapshot = RunSnapshot::new(run.clone(), Phase::Queued);
        snapshot.created = Some(self.clock.utc());
        state.runs.push(Run { snapshot, plan, lists: 0 });
        run
    }
}

impl Run {
    fn poll(&mut self, clock: &ManualClock) -> RunSnapshot {
        let next =
            if self.plan.len() > 1 { self.plan.pop_front() } else { self.plan.front().copied() };
        self.enter(next.unwrap_or(self.snapshot.phase), clock);
        self.snapshot.clone().observed(Some(clock.utc()))
    }

    fn list(&mut self, clock: &ManualClock) -> RunSnapshot {
        self.lists += 1;
        if self.lists.is_multiple_of(LISTS_PER_POLL) {
            self.poll(clock)
        } else {
            self.snapshot.clone().observed(Some(clock.utc()))
        }
    }

    fn enter(&mut self, phase: Phase, clock: &ManualClock) {
        let snapshot = &mut self.snapshot;
        snapshot.phase = phase;
        if phase == Phase::Running {
            snapshot.started.get_or_insert_with(|| clock.utc());
        }
        if phase.is_terminal() {
            snapshot.finished.get_or_insert_with(|| clock.utc());
        }
        if phase == Phase::Failed {
            let reason = Failure::new("the test made the run fail").code("FAKE");
            snapshot.failure.get_or_insert(reason);
        }
    }
}

#[async_trait]
impl RunProvider for FakeProvider {
    fn vendor(&self) -> Vendor {
        Self::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        let state = lock(&self.state);
        let capabilities = Capabilities::new().list().cancel();
        let capabilities = if state.names_runs {
            capabilities.trigger_names_run()
        } else {
            capabilities.trigger()
        };
        if state.callers_name_runs { capabilities.caller_names_run() } else { capabilities }
    }

    fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    async fn fetch_run(&self, run: &RunRef, _: &CallLimits) -> Result<RunSnapshot> {
        run.target().id_at(self)?;
        let mut state = lock(&self.state);
        state.polls += 1;
        if let Some(error) = state.faults.pop_front() {
            return Err(error);
        }
        let known = state.runs.iter_mut().find(|known| &known.snapshot.run == run);
        known
            .map(|run| run.poll(&self.clock))
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "no such run"))
    }

    async fn fetch_page(
        &self,
        target: &Target,
        _: Option<Cursor>,
        _: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        target.id_at(self)?;
        let mut state = lock(&self.state);
        state.lists += 1;
        if let Some(error) = state.faults.pop_front() {
            return Err(error);
        }
        let runs = state.runs.iter_mut().rev();
        let of_target = runs.filter(|run| run.snapshot.run.target() == target);
        let seen = of_target.map(|run| RunSnapshot { failure: None, ..run.list(&self.clock) });
        Ok(Page::new(seen.collect(), None))
    }

    fn name_run(&self, target: &Target) -> Result<Option<RunRef>> {
        target.id_at(self)?;
        let mut state = lock(&self.state);
        state.named += 1;
        Ok(state.callers_name_runs.then(|| target.run(format!("named-{}", state.named))))
    }

    async fn send_trigger(
        &self,
        target: &Target,
        run: Option<&RunRef>,
        _: &CallLimits,
    ) -> Result<Triggered> {
        target.id_at(self)?;
        let planned = lock(&self.state).plans.pop_front();
        let plan = planned.unwrap_or_else(|| DEFAULT_PLAN.to_vec());
        let run = match run {
            Some(run) => self.add(run.clone(), plan),
            None => self.add_run(target, plan),
        };
        let mut state = lock(&self.state);
        state.triggers += 1;
        if std::mem::take(&mut state.loses_trigger) {
            let error = Error::new(ErrorKind::Interrupted, "the response was lost")
                .with_operation("fake.trigger");
            return Err(error.after_trigger(Delivery::Unknown));
        }
        Ok(Triggered::new(state.names_runs.then_some(run)))
    }

    async fn recent_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<RecentRuns> {
        let page = self.fetch_page(target, cursor, limits).await?;
        Ok(RecentRuns::new(page, Some(self.clock.utc())))
    }

    async fn send_cancel(&self, run: &RunRef, _: &CallLimits) -> Result<CancelOutcome> {
        run.target().id_at(self)?;
        let mut state = lock(&self.state);
        let Some(known) = state.runs.iter_mut().find(|known| &known.snapshot.run == run) else {
            return Err(Error::new(ErrorKind::NotFound, "no such run"));
        };
        if known.snapshot.phase.is_terminal() {
            return Ok(CancelOutcome::AlreadyFinished);
        }
        known.plan = [Phase::Cancelled].into();
        Ok(CancelOutcome::Requested)
    }
}
