//! A stateful fake of the Mode Analytics API, on loopback.
//!
//! [`FakeMode::start`] serves one workspace: reports with their queries, runs, results, exports and schedules,
//! datasets, data sources and spaces. It keeps what callers change, and it is strict: a parameter or body member
//! the service does not know is refused. Nothing moves by itself. A run that was asked for takes a step whenever
//! it is read by its token, and at every fifth list that shows it, so tests need no sleep.
//!
//! The wording of messages is the fake's own. Inferred, since nobody documents them: the order of lists without
//! `order` (newest first), that archived reports are missing from lists and can still be run, that only runs that
//! ended well have results of their own, and what a query run is called while it goes on. Answers are not
//! compressed.

mod answers;
mod files;
mod lists;
mod routes;
mod shapes;
mod state;

use std::sync::MutexGuard;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use wiremock::http::{HeaderName, HeaderValue};
use wiremock::{Request, ResponseTemplate};

use crate::client::ClientBuilder;
use crate::mode::{ApiToken, Mode};

use super::server::{Desk, Fake, Server, common_knobs, request_id, trigger_knobs};

use self::answers::Answer;
use self::routes::route;
use self::shapes::{API, BASE_PATH};
use self::state::State;

/// A running fake. It stops when it is dropped.
///
/// At the start it knows four reports, each with two queries: [`REPORT`](Self::REPORT),
/// [`FRESH_REPORT`](Self::FRESH_REPORT), [`ARCHIVED_REPORT`](Self::ARCHIVED_REPORT) and
/// [`DATASET`](Self::DATASET). `REPORT` and `DATASET` have a schedule.
pub struct FakeMode {
    server: Server<State>,
}

impl FakeMode {
    /// User of HTTP Basic.
    pub const API_TOKEN: &'static str = "f00dcafe1234";
    /// Password of HTTP Basic.
    pub const API_SECRET: &'static str = "fake-api-secret-5d2e8c";
    /// The only workspace.
    pub const WORKSPACE: &'static str = "initech";
    /// A report with four runs, a day apart: succeeded, completed, failed, succeeded.
    pub const REPORT: &'static str = "d4e81f02a7c6";
    /// A report that never ran.
    pub const FRESH_REPORT: &'static str = "e90b5a3c17d2";
    /// An archived report with one old run.
    pub const ARCHIVED_REPORT: &'static str = "a6f7302d9b48";
    /// A dataset, which is a report of type `DatasetReport`, with one run.
    pub const DATASET: &'static str = "b83c6e5f1a09";
    /// The shared space all of them are in. Two more are empty and private: one's own and somebody else's.
    pub const SPACE: &'static str = "c27d94e6b0f1";
    /// What all queries read. Its number is [`DATA_SOURCE_ID`](Self::DATA_SOURCE_ID); a second source is unused.
    pub const DATA_SOURCE: &'static str = "f51a0d8e3c79";
    /// The number of [`DATA_SOURCE`](Self::DATA_SOURCE), which bodies need.
    pub const DATA_SOURCE_ID: u64 = 52_107;

    /// Starts a fake with its demo data, on a random port of 127.0.0.1.
    pub async fn start() -> Self {
        let fake = Self { server: Server::start(State::new).await };
        fake.add_demo_data();
        fake
    }

    /// Where the workspace is, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}{BASE_PATH}", self.server.origin())
    }

    /// A client of this fake, with settings still to change: base URL, workspace and credential are set.
    pub fn client_builder(&self) -> ClientBuilder<Mode> {
        crate::mode::Client::builder()
            .credential(ApiToken::new(Self::API_TOKEN, Self::API_SECRET))
            .workspace(Self::WORKSPACE)
            .base_url(self.base_url())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.server.lock()
    }
}

/// Data.
#[allow(clippy::must_use_candidate, reason = "the tokens given back are a convenience")]
impl FakeMode {
    /// Adds a report with two queries and no runs to [`SPACE`](Self::SPACE); gives its token back.
    ///
    /// Its first query takes the parameter `region`.
    pub fn add_report(&self, name: &str) -> String {
        self.lock().add_report(None, name, false)
    }

    /// Adds a run, seen at once; gives its token back. One that failed gets a query run that says why.
    ///
    /// # Panics
    /// If there is no such report.
    #[track_caller]
    pub fn add_run(&self, report: &str, run: NewRun) -> String {
        let added = self.lock().add_run(report, run);
        let Ok(token) = added else { panic!("the fake has no report {report:?}") };
        token
    }

    /// Somebody else runs a report or dataset; gives the run's token back.
    ///
    /// It succeeds like [`Plan::succeeds`] and uses up nothing given to [`next_run`](Self::next_run).
    ///
    /// # Panics
    /// If there is no such report.
    #[track_caller]
    pub fn trigger_from_elsewhere(&self, report: &str) -> String {
        let added = self.lock().trigger("reports", report, Plan::succeeds(), json!({}));
        let Ok((token, _)) = added else { panic!("the fake has no report {report:?}") };
        token
    }

    /// Ends a run now, held or not.
    ///
    /// # Panics
    /// If there is no such run.
    #[track_caller]
    pub fn finish(&self, run: &str, state: &str) {
        let ended = self.lock().finish(run, state);
        assert!(ended.is_some(), "the fake has no run {run:?}");
    }

    fn add_demo_data(&self) {
        let now = Utc::now().trunc_subsecs(3);
        let days_ago = |days| now - TimeDelta::days(days);
        let mut state = self.lock();
        for (token, name) in [
            (Self::REPORT, "Weekly Revenue"),
            (Self::FRESH_REPORT, "Churn by Cohort"),
            (Self::ARCHIVED_REPORT, "Old Funnel"),
        ] {
            state.add_report(Some(token), name, false);
        }
        state.add_report(Some(Self::DATASET), "Orders", true);
        if let Ok(archived) = state.report_mut("reports", Self::ARCHIVED_REPORT) {
            archived.archived = true;
        }
        let cron = json!({ "freq": "weekly", "day_of_week": 1, "hour": 6, "minute": 0, "time_zone": "UTC" });
        state.add_schedule(Self::REPORT, "Monday morning", &cron);
        let cron = json!({ "freq": "daily", "hour": 3, "minute": 30, "time_zone": "UTC" });
        state.add_schedule(Self::DATASET, "Every night", &cron);
        drop(state);

        self.add_run(Self::REPORT, NewRun::new("succeeded").created(days_ago(4)));
        self.add_run(Self::REPORT, NewRun::new("completed").created(days_ago(3)));
        let failed = NewRun::new("failed")
            .created(days_ago(2))
            .error("SqlUnknownColumn", "ERROR: column \"churned\" does not exist");
        self.add_run(Self::REPORT, failed);
        self.add_run(Self::REPORT, NewRun::new("succeeded").created(days_ago(1)));
        self.add_run(Self::ARCHIVED_REPORT, NewRun::new("succeeded").created(days_ago(90)));
        self.add_run(Self::DATASET, NewRun::new("succeeded").created(days_ago(1)));
    }
}

/// How runs and answers behave.
impl FakeMode {
    /// Plans one run asked for through the API. Plans are used in the order given; without one,
    /// [`Plan::succeeds`] counts.
    pub fn next_run(&self, plan: Plan) {
        self.lock().plans.push_back(plan);
    }

    /// Keeps runs and PDF exports as they are, however often they are asked for.
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// Ends [`hold`](Self::hold).
    pub fn release(&self) {
        self.lock().held = false;
    }

    /// Whether links are paths that start with `/api`. Default `true`; otherwise they name the fake's own host.
    ///
    /// Links to files of a query run name the host either way; `web` names another one.
    pub fn relative_hrefs(&self, relative: bool) {
        self.lock().form.absolute = !relative;
    }

    /// Whether ids in answers are numbers, as they were until 2024. Default `false`: text.
    pub fn numeric_ids(&self, numeric: bool) {
        self.lock().form.numeric_ids = numeric;
    }

    /// Whether a clone and anything deleted are answered with the documented 200. Default `false`: 202 and 204.
    pub fn documented_statuses(&self, documented: bool) {
        self.lock().documented_statuses = documented;
    }

    /// Whether the last page of a list links to one more, which is a 404. Default `false`.
    pub fn next_link_past_end(&self, linked: bool) {
        self.lock().form.next_past_end = linked;
    }

    /// Whether `filter` on runs is answered with 500. Default `false`: it filters, as documented.
    pub fn run_filter_fails(&self, fails: bool) {
        self.lock().run_filter_fails = fails;
    }

    /// Whether a number in the path where a token belongs gets 400 and a body whose `id` is that number.
    /// Default `false`: 404, as any unknown token.
    pub fn numeric_tokens_are_bad_requests(&self, refused: bool) {
        self.lock().numeric_tokens_refused = refused;
    }

    /// Whether the CSV of a report run comes as ZIP with one file per query. Default `false`: CSV of the first one.
    pub fn zip_results(&self, zipped: bool) {
        self.lock().zip_results = zipped;
    }

    /// Whether the CSV of a query run starts with a byte order mark. Default `false`.
    pub fn csv_with_bom(&self, bom: bool) {
        self.lock().csv_with_bom = bom;
    }
}

/// One more fault.
impl FakeMode {
    /// Answers the next request with 200 and the HTML of a login page. Nothing is carried out.
    pub fn login_page_next(&self) {
        self.lock().desk.answer_next(Answer::login_page());
    }
}

/// What the fake has seen.
impl FakeMode {
    /// How many runs of a report or dataset were started through the API, also when the answer was lost.
    #[must_use]
    pub fn triggers(&self, report: &str) -> usize {
        self.lock().report("reports", report).map_or(0, |known| known.triggers)
    }
}

common_knobs!(FakeMode);
trigger_knobs!(FakeMode);

/// A run to add with [`FakeMode::add_run`].
#[derive(Clone, Debug)]
#[must_use = "hand it to `FakeMode::add_run`"]
pub struct NewRun {
    state: String,
    token: Option<String>,
    created: Option<DateTime<Utc>>,
    took: Duration,
    parameters: Map<String, Value>,
    purged: bool,
    scheduled: bool,
    plan: Plan,
}

impl NewRun {
    /// A run in this state, such as `succeeded`. One that is `pending`, `enqueued`, `running` or
    /// `running_notebook` goes on until [`FakeMode::finish`].
    pub fn new(state: &str) -> Self {
        Self {
            state: state.to_owned(),
            token: None,
            created: None,
            took: Duration::from_millis(14_730),
            parameters: Map::new(),
            purged: false,
            scheduled: false,
            plan: if state == "completed" { Plan::completes() } else { Plan::never_ends() },
        }
    }

    /// When it was asked for. Left out, it is now.
    pub fn created(mut self, at: DateTime<Utc>) -> Self {
        self.created = Some(at);
        self
    }

    /// How long it took, should it be over. Default about 15 seconds.
    pub fn took(mut self, time: Duration) -> Self {
        self.took = time;
        self
    }

    /// What it was given. Left out, nothing.
    pub fn parameters(mut self, parameters: Map<String, Value>) -> Self {
        self.parameters = parameters;
        self
    }

    /// Error of its last query run, should it fail.
    pub fn error(mut self, code: &str, message: &str) -> Self {
        self.plan = Plan::fails(code, message);
        self
    }

    /// Its results were deleted a day after its end.
    pub fn purged(mut self) -> Self {
        self.purged = true;
        self
    }

    /// A schedule started it: it links to one.
    pub fn scheduled(mut self) -> Self {
        self.scheduled = true;
        self
    }

    /// Any text as token. Left out, one is made.
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }
}

/// What becomes of a run that is asked for.
#[derive(Clone, Debug)]
#[must_use = "hand it to `FakeMode::next_run`"]
pub struct Plan {
    end: End,
    polls: u32,
}

#[derive(Clone, Debug)]
enum End {
    Succeeded,
    Completed,
    Failed { code: String, message: String },
    Cancelled,
    Never,
}

impl Plan {
    fn new(end: End) -> Self {
        Self { end, polls: 3 }
    }

    /// It ends with `succeeded`.
    pub fn succeeds() -> Self {
        Self::new(End::Succeeded)
    }

    /// It has a notebook and ends with `completed`, which is as good.
    pub fn completes() -> Self {
        Self::new(End::Completed)
    }

    /// It ends with `failed`, and its last query run has this error.
    pub fn fails(code: &str, message: &str) -> Self {
        Self::new(End::Failed { code: code.to_owned(), message: message.to_owned() })
    }

    /// Somebody cancels it: it ends with `cancelled`.
    pub fn cancelled() -> Self {
        Self::new(End::Cancelled)
    }

    /// It goes on until it is [finished](FakeMode::finish).
    pub fn never_ends() -> Self {
        Self::new(End::Never)
    }

    /// Which read of the run shows the end. Default 3; with 0 it has ended when the trigger is answered,
    /// though that answer still says `enqueued`.
    pub fn after_polls(mut self, polls: u32) -> Self {
        self.polls = polls;
        self
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::succeeds()
    }
}

impl Fake for State {
    type Answer = Answer;

    const BASE_PATH: &'static str = BASE_PATH;

    fn desk(&mut self) -> &mut Desk<Answer> {
        &mut self.desk
    }

    fn usual(&self, status: u16) -> Answer {
        Answer::usual(status)
    }

    fn raw(status: u16, headers: Vec<(HeaderName, HeaderValue)>, body: &str) -> Answer {
        Answer { status, headers, body: body.into(), mime: "" }
    }

    fn is_trigger(&mut self, request: &Request) -> bool {
        request.method.as_str() == "POST" && request.url.path().ends_with("/runs")
    }

    fn serve(&mut self, request: &Request) -> Answer {
        let Some(path) = request.url.path().strip_prefix(API) else {
            return Answer::not_found("path");
        };
        route(self, request, path).unwrap_or_else(|refusal| refusal)
    }

    fn response(&mut self, request: &Request, answer: Answer) -> ResponseTemplate {
        answer.into_response(request_id(request, "x-request-id", self.desk.new_uuid()))
    }
}
