//! How runs go: those that are started next, and those that exist already.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::FakeState;

/// How many lists move a run as far as one poll of the run itself, so that a client that only lists sees it end, too.
pub(in crate::testing) const LISTS_PER_POLL: u32 = 5;

/// How the next run goes.
///
/// ```
/// use scheduled_runs::testing::Plan;
///
/// let quick = Plan::succeeds().takes(1);
/// let broken = Plan::fails("relation \"orders\" does not exist").code("42P01");
/// # drop((quick, broken));
/// ```
///
/// Each fake has `succeeds`, `fails`, `ends`, `never_ends` and `takes`. What else there is depends on the vendor; a fake
/// that is given a plan it cannot follow fails the test, with a message that names the method.
///
/// | | Adobe | ArcGIS | Foundry | Mode | Supermetrics |
/// |---|---|---|---|---|---|
/// | [`cancelled`](Self::cancelled) | yes | yes | yes | yes | yes |
/// | [`skipped`](Self::skipped) | | yes | yes | | |
/// | [`submit_fails`](Self::submit_fails) | | yes | yes | | |
/// | [`fails_silently`](Self::fails_silently) | | | | | yes |
/// | [`code`](Self::code) | yes | | yes | yes | yes |
/// | [`reason`](Self::reason) | | yes | | | |
/// | [`after_lists`](Self::after_lists) | yes | | yes | | |
/// | [`listed_after`](Self::listed_after) | yes | yes | yes | yes | yes |
/// | [`rows`](Self::rows), [`table`](Self::table), [`split_by`](Self::split_by) | | | | | yes |
///
/// The fake of Supermetrics' transfers has `cancelled`, `fails_silently` and `listed_after`.
#[derive(Clone, Debug)]
#[must_use = "a plan does nothing until a fake has it"]
pub struct Plan {
    end: Planned,
    pub(in crate::testing) polls: u32,
    pub(in crate::testing) reason: Option<String>,
    pub(in crate::testing) code: Option<String>,
    pub(in crate::testing) lists: Option<usize>,
    pub(in crate::testing) late: Duration,
    pub(in crate::testing) rows: Rows,
    /// What the last dimension of the rows is split into.
    pub(in crate::testing) split: Vec<String>,
    /// The methods used that not every vendor has.
    verbs: Vec<&'static str>,
}

#[derive(Clone, Debug)]
enum Planned {
    Ends(End),
    /// In this state of the vendor's.
    EndsIn(String),
    Never,
}

/// How a run ends. Each vendor has a state of its own for it, or none.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Succeeds,
    Fails,
    FailsSilently,
    Cancelled,
    Skipped,
    SubmitFails,
}

impl End {
    fn verb(self) -> &'static str {
        match self {
            Self::Succeeds => "Plan::succeeds",
            Self::Fails => "Plan::fails",
            Self::FailsSilently => "Plan::fails_silently",
            Self::Cancelled => "Plan::cancelled",
            Self::Skipped => "Plan::skipped",
            Self::SubmitFails => "Plan::submit_fails",
        }
    }
}

/// The rows that a run finds.
#[derive(Clone, Debug)]
pub(in crate::testing) enum Rows {
    /// As many, made from the fields of the query.
    Made(usize),
    /// These, headers first.
    Given(Vec<Vec<Value>>),
}

impl Plan {
    fn new(end: Planned) -> Self {
        Self {
            end,
            polls: 3,
            reason: None,
            code: None,
            lists: None,
            late: Duration::ZERO,
            rows: Rows::Made(3),
            split: Vec::new(),
            verbs: Vec::new(),
        }
    }

    /// It succeeds.
    pub fn succeeds() -> Self {
        Self::new(Planned::Ends(End::Succeeds))
    }

    /// It fails, and the vendor gives this reason. Foundry gives none: there the first job of the build failed and the
    /// others did not run.
    pub fn fails(reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..Self::new(Planned::Ends(End::Fails)) }
    }

    /// It fails, and the vendor gives no reason: at Supermetrics HTTP status 200 with `"data":null`.
    pub fn fails_silently() -> Self {
        Self::new(Planned::Ends(End::FailsSilently))
    }

    /// Somebody cancels it.
    pub fn cancelled() -> Self {
        Self::new(Planned::Ends(End::Cancelled))
    }

    /// It has nothing to do, or its turn is skipped. At Foundry the run is ignored: it makes no build.
    pub fn skipped() -> Self {
        Self::new(Planned::Ends(End::Skipped))
    }

    /// It cannot be submitted. At Foundry the result of the run is an error, whose name is the [`code`](Self::code), and
    /// there is no build.
    pub fn submit_fails(reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..Self::new(Planned::Ends(End::SubmitFails)) }
    }

    /// It ends in this state, in the vendor's spelling: a state that has no method here, or one that nobody knows yet.
    pub fn ends(state: &str) -> Self {
        Self::succeeds().ending(state)
    }

    pub(in crate::testing) fn ending(self, state: &str) -> Self {
        Self { end: Planned::EndsIn(state.to_owned()), ..self }
    }

    /// It runs until it is [finished](super::FakeServer::finish), or cancelled where the vendor can do that.
    pub fn never_ends() -> Self {
        Self::new(Planned::Never)
    }

    /// Which poll of the run shows the end. Default 3; with 0 it has ended before the first one.
    pub fn takes(mut self, polls: u32) -> Self {
        self.polls = polls;
        self
    }

    /// The vendor's code of the failure, such as `42P01`. If not set, it is a usual one.
    pub fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self.with("Plan::code")
    }

    /// Why it ends as it does, where it does not fail: at ArcGIS its `result`. If not set, it is a usual one.
    pub fn reason(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self.with("Plan::reason")
    }

    /// How many lists come before the first that shows it: at Adobe the run, at Foundry the result of the run. If not set,
    /// the setting of the fake applies.
    pub fn after_lists(mut self, lists: usize) -> Self {
        self.lists = Some(lists);
        self.with("Plan::after_lists")
    }

    /// For how long after its start lists leave it out, in real time. If not set, the [setting of the
    /// fake](super::FakeServer::list_runs_after) applies.
    pub fn listed_after(mut self, delay: Duration) -> Self {
        self.late = delay;
        self.with("Plan::listed_after")
    }

    /// How many rows it finds, made from the fields of the query. Default 3; with 0 there are no headers either.
    pub fn rows(mut self, rows: usize) -> Self {
        self.rows = Rows::Made(rows);
        self.with("Plan::rows")
    }

    /// The rows it finds, headers first. Cells are sent as they are.
    pub fn table(mut self, rows: Vec<Vec<Value>>) -> Self {
        self.rows = Rows::Given(rows);
        self.with("Plan::table")
    }

    /// Splits the last dimension of made rows into these columns, once for each metric.
    pub fn split_by(mut self, columns: &[&str]) -> Self {
        self.split = columns.iter().map(|&column| column.to_owned()).collect();
        self.with("Plan::split_by")
    }

    fn with(mut self, verb: &'static str) -> Self {
        self.verbs.push(verb);
        self
    }

    /// Fails the test if the vendor cannot do this.
    #[track_caller]
    pub(in crate::testing) fn check<S: FakeState>(&self) {
        if let Planned::Ends(end) = self.end {
            assert!(S::end_state(end).is_some(), "{} has no `{}`", S::NAME, end.verb());
        }
        check_verbs::<S>(&self.verbs);
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::succeeds()
    }
}

#[track_caller]
fn check_verbs<S: FakeState>(verbs: &[&str]) {
    for verb in verbs {
        assert!(S::VERBS.contains(verb), "{} has no `{verb}`", S::NAME);
    }
}

/// How far a run has come on its plan.
#[derive(Default)]
pub(in crate::testing) struct Course {
    pub(in crate::testing) plan: Plan,
    /// The state it ends in; `None` if it never does.
    end: Option<String>,
    pub(in crate::testing) polls: u32,
    /// How many lists contained it while it went on.
    lists: u32,
    /// From when on lists contain it.
    pub(in crate::testing) listed_at: ListedAt,
}

/// From when on lists contain a run.
#[derive(Clone, Copy, Default)]
pub(in crate::testing) struct ListedAt(DateTime<Utc>);

impl ListedAt {
    pub(in crate::testing) fn of(plan: &Plan) -> Self {
        Self(if plan.late.is_zero() { DateTime::UNIX_EPOCH } else { Utc::now() + plan.late })
    }

    pub(in crate::testing) fn has_come(self) -> bool {
        Utc::now() >= self.0
    }
}

impl Course {
    pub(in crate::testing) fn new<S: FakeState>(plan: Plan) -> Self {
        let end = match &plan.end {
            Planned::Ends(end) => S::end_state(*end).map(str::to_owned),
            Planned::EndsIn(state) => Some(state.clone()),
            Planned::Never => None,
        };
        Self { listed_at: ListedAt::of(&plan), plan, end, polls: 0, lists: 0 }
    }

    /// The state in which it ends some day.
    pub(in crate::testing) fn end(&self) -> Option<&str> {
        self.end.as_deref()
    }

    /// Counts one poll. The state in which the run ends with it, if it does.
    pub(in crate::testing) fn poll(&mut self) -> Option<String> {
        self.polls = self.polls.saturating_add(1);
        self.due()
    }

    /// The state in which the run has ended, if the polls so far are enough.
    pub(in crate::testing) fn due(&self) -> Option<String> {
        self.end.clone().filter(|_| self.polls >= self.plan.polls)
    }

    /// Counts one list that contains the run. Whether it is as good as a poll.
    pub(in crate::testing) fn list(&mut self) -> bool {
        self.lists += 1;
        self.lists.is_multiple_of(LISTS_PER_POLL)
    }
}

/// A run that exists already, to add with [`FakeServer::add_run`](super::FakeServer::add_run).
///
/// ```
/// use scheduled_runs::testing::NewRun;
/// use std::time::Duration;
///
/// let run = NewRun::new("FAILED")
///     .took(Duration::from_secs(90))
///     .reason("no such table")
///     .code("42P01");
/// # drop(run);
/// ```
///
/// Each fake has `new`, `id` and `created`. What else there is depends on the vendor; a fake that is given a run it
/// cannot have fails the test, with a message that names the method.
///
/// | | Adobe | ArcGIS | Foundry | Mode | Supermetrics |
/// |---|---|---|---|---|---|
/// | [`took`](Self::took) | yes | yes | yes | yes | |
/// | [`triggered`](Self::triggered) | yes | | yes | yes | |
/// | [`reason`](Self::reason) | yes | yes | yes | yes | yes |
/// | [`code`](Self::code) | yes | | yes | yes | yes |
/// | [`message`](Self::message) | yes | | | | |
/// | [`parameters`](Self::parameters), [`purged`](Self::purged) | | | | yes | |
/// | [`rows`](Self::rows), [`app_id`](Self::app_id) | | | | | yes |
/// | [`url`](Self::url) | | yes | | | |
///
/// The fake of Supermetrics' transfers has `took` and `reason`.
#[derive(Clone, Debug)]
#[must_use = "a run does nothing until a fake has it"]
pub struct NewRun {
    pub(in crate::testing) state: String,
    pub(in crate::testing) id: Option<String>,
    pub(in crate::testing) created: Option<DateTime<Utc>>,
    pub(in crate::testing) took: Option<Duration>,
    pub(in crate::testing) triggered: Option<bool>,
    pub(in crate::testing) message: Option<String>,
    pub(in crate::testing) parameters: Map<String, Value>,
    pub(in crate::testing) purged: bool,
    pub(in crate::testing) app_id: Option<String>,
    pub(in crate::testing) url: String,
    /// It only ends when a test finishes it; reason, code and rows are those of its end.
    pub(in crate::testing) plan: Plan,
}

impl NewRun {
    /// A run in this state, in the vendor's spelling, such as `SUCCESS` or `failed`.
    ///
    /// In a state that is not an end, it runs until it is [finished](super::FakeServer::finish). At Foundry the state
    /// is that of its build, or `ignored`, `error`, or `pending` for a run that has no result yet.
    pub fn new(state: &str) -> Self {
        Self {
            state: state.to_owned(),
            id: None,
            created: None,
            took: None,
            triggered: None,
            message: None,
            parameters: Map::new(),
            purged: false,
            app_id: None,
            url: String::new(),
            plan: Plan::never_ends(),
        }
    }

    /// Any text as ID: the vendor's ID, token, RID or schedule ID. If not set, one is made.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// When it was created. If not set, it is now.
    pub fn created(mut self, at: DateTime<Utc>) -> Self {
        self.created = Some(at);
        self
    }

    /// How long it took, if it has ended. If not set, seconds or minutes, as is usual at the vendor.
    pub fn took(mut self, time: Duration) -> Self {
        self.took = Some(time);
        self.with("NewRun::took")
    }

    /// Whether somebody triggered it or its schedule started it. If not set, the schedule did; at Mode somebody did.
    pub fn triggered(mut self, triggered: bool) -> Self {
        self.triggered = Some(triggered);
        self.with("NewRun::triggered")
    }

    /// Why it failed. At Foundry only a run in state `error` says so; at ArcGIS it is the `result` of any run.
    pub fn reason(mut self, reason: &str) -> Self {
        self.plan.reason = Some(reason.to_owned());
        self.with("NewRun::reason")
    }

    /// The vendor's code of the failure. If not set, it is a usual one.
    pub fn code(mut self, code: &str) -> Self {
        self.plan.code = Some(code.to_owned());
        self.with("NewRun::code")
    }

    /// The message of its task.
    pub fn message(mut self, message: &str) -> Self {
        self.message = Some(message.to_owned());
        self.with("NewRun::message")
    }

    /// The parameters it was started with. If not set, none.
    pub fn parameters(mut self, parameters: Map<String, Value>) -> Self {
        self.parameters = parameters;
        self.with("NewRun::parameters")
    }

    /// Its results were deleted a day after its end.
    pub fn purged(mut self) -> Self {
        self.purged = true;
        self.with("NewRun::purged")
    }

    /// How many rows it found, if it succeeded. Default 3.
    pub fn rows(mut self, rows: usize) -> Self {
        self.plan.rows = Rows::Made(rows);
        self.with("NewRun::rows")
    }

    /// The product that started it. Default `API`.
    pub fn app_id(mut self, app: &str) -> Self {
        self.app_id = Some(app.to_owned());
        self.with("NewRun::app_id")
    }

    /// Where its outcome is. If not set, it is empty.
    pub fn url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self.with("NewRun::url")
    }

    fn with(mut self, verb: &'static str) -> Self {
        self.plan.verbs.push(verb);
        self
    }

    /// Fails the test if the vendor cannot have this.
    #[track_caller]
    pub(in crate::testing) fn check<S: FakeState>(&self) {
        check_verbs::<S>(&self.plan.verbs);
    }
}
