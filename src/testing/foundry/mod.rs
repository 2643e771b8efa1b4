//! A stateful fake of Palantir Foundry's orchestration API v2, on loopback.
//!
//! [`FakeFoundry::start`] serves schedules, their versions and runs, builds, jobs, the schedules of a dataset, and
//! the OAuth 2.0 token endpoint for client credentials. It keeps what callers change, and it is strict: a
//! parameter or body member the API does not define is refused, and so is a preview operation without
//! `preview=true`. Nothing moves by itself. A run gets its result as it is listed, and a build takes a step
//! whenever it is asked for, alone or in a batch, so tests need no sleep.
//!
//! Inferred, since nobody documents them: that stable operations take `preview` too, that answers carry
//! `X-B3-TraceId`, that paused schedules can be run, that a search without an order shows the latest build
//! first, which bodies come with OAuth 2.0 refusals, and that [`Plan::ignored`] and [`Plan::errors`] refuse a
//! build made without a schedule. Names of resources are not looked up: any dataset or project exists.

mod answers;
mod checks;
mod lists;
mod routes;
mod state;

use std::sync::MutexGuard;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::json;
use wiremock::http::{HeaderName, HeaderValue};
use wiremock::{Request, ResponseTemplate};

use crate::client::ClientBuilder;
use crate::foundry::{ClientCredentials, Foundry};

use super::server::{Desk, Fake, Server, common_knobs, request_id, token_knobs, trigger_knobs};

use self::answers::{Answer, TRACE_HEADER};
use self::routes::route;
use self::state::{SOMEBODY_ELSE, State};

const BASE_PATH: &str = "/api";
const TOKEN_PATH: &str = "/multipass/api/oauth2/token";

/// A running fake. It stops when it is dropped.
///
/// At the start it knows three schedules: [`NIGHTLY_ORDERS`](Self::NIGHTLY_ORDERS) (six daily runs with all kinds
/// of results), [`HOURLY_TRAFFIC`](Self::HOURLY_TRAFFIC) (no runs yet) and
/// [`RETIRED_REPORT`](Self::RETIRED_REPORT) (paused).
pub struct FakeFoundry {
    server: Server<State>,
}

impl FakeFoundry {
    /// What the token request's `client_id` must be.
    pub const CLIENT_ID: &'static str = "fake-client-id";
    /// What the token request's `client_secret` must be.
    pub const CLIENT_SECRET: &'static str = "fake+client/secret%1";
    /// Who callers of the API are: `createdBy` of what they make.
    pub const USER: &'static str = "2c9e51d7-06b8-4fa3-9d41-b58e7a60c312";
    /// A dataset all schedules of the fake build, besides one of their own. Callers' schedules need not.
    pub const DATASET: &'static str =
        "ri.foundry.main.dataset.6e1a94c3-5d20-4b7f-8c69-02f3d8b1a745";
    /// RID of `nightly-orders`: of its daily runs one was ignored, one ended in an error, one failed, three succeeded.
    pub const NIGHTLY_ORDERS: &'static str =
        "ri.scheduler.main.schedule.1b7c3e50-84d9-4f26-a0e1-93c5d7f2b648";
    /// RID of `hourly-traffic`, which has no runs.
    pub const HOURLY_TRAFFIC: &'static str =
        "ri.scheduler.main.schedule.4a08d6f1-2e97-4c3b-b56d-7f91e0c8a325";
    /// RID of `retired-report`, which is paused and has one old run.
    pub const RETIRED_REPORT: &'static str =
        "ri.scheduler.main.schedule.c85f2d09-613a-4e7b-92d4-0be4a1f67c53";

    /// Starts a fake with its demo data, on a random port of 127.0.0.1.
    pub async fn start() -> Self {
        let fake = Self { server: Server::start(|_| State::new()).await };
        fake.add_demo_data();
        fake
    }

    /// Where the API is, without version and without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}{BASE_PATH}", self.server.origin())
    }

    /// Where tokens are handed out.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}{TOKEN_PATH}", self.server.origin())
    }

    /// A token that is valid now. [`token_requests`](Self::token_requests) does not count it.
    #[must_use]
    pub fn access_token(&self) -> String {
        self.lock().mint_token()
    }

    /// A client of this fake, with settings still to change: base URL, and client credentials against the fake's own
    /// token endpoint are set.
    pub fn client_builder(&self) -> ClientBuilder<Foundry> {
        crate::foundry::Client::builder()
            .credential(ClientCredentials::new(Self::CLIENT_ID, Self::CLIENT_SECRET))
            .base_url(self.base_url())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.server.lock()
    }
}

/// Data.
#[allow(clippy::must_use_candidate, reason = "the RIDs given back are a convenience")]
impl FakeFoundry {
    /// Adds a schedule that is not paused and has no runs; gives its RID back. Its builds have two jobs.
    pub fn add_schedule(&self, name: &str) -> String {
        let rid = self.lock().new_rid("scheduler.main.schedule");
        self.define(&rid, name);
        rid
    }

    fn define(&self, rid: &str, name: &str) {
        let mut state = self.lock();
        let own = state.new_rid("foundry.main.dataset");
        let request = json!({
            "displayName": name,
            "action": {
                "target": { "type": "manual", "targetRids": [Self::DATASET, own] },
                "branchName": "master",
                "retryCount": 2,
                "retryBackoffDuration": { "value": 15, "unit": "SECONDS" },
            },
            "trigger": { "type": "time", "cronExpression": "0 2 * * *", "timeZone": "UTC" },
        });
        let definition = checks::schedule(&state, &request);
        state.define(rid, definition.unwrap_or_default());
    }

    /// Adds a run, its result seen in lists at once; gives its RID back.
    ///
    /// # Panics
    /// If there is no such schedule.
    #[track_caller]
    pub fn add_run(&self, schedule: &str, run: NewRun) -> String {
        let added = self.lock().add_run(schedule, run);
        let Ok(rid) = added else { panic!("the fake has no schedule {schedule:?}") };
        rid
    }

    /// Somebody else triggers a run, seen in lists at once; gives its RID back.
    ///
    /// It succeeds like [`Plan::succeeds`] and uses up nothing given to [`next_run`](Self::next_run).
    ///
    /// # Panics
    /// If there is no such schedule.
    #[track_caller]
    pub fn trigger_from_elsewhere(&self, schedule: &str) -> String {
        let added = self.lock().trigger(schedule, SOMEBODY_ELSE, Plan::succeeds());
        let Ok(run) = added else { panic!("the fake has no schedule {schedule:?}") };
        checks::text(&run, "rid").to_owned()
    }

    /// Ends a build now, held or not: the one with this RID, or the one submitted by the run with this RID.
    ///
    /// A run that has no result yet submits its build first, and lists show it at once.
    ///
    /// # Panics
    /// If there is no such build or run, or the run was ignored or ended in an error.
    #[track_caller]
    pub fn finish(&self, rid: &str, status: &str) {
        let ended = self.lock().finish(rid, status);
        assert!(ended.is_ok(), "the fake has no build for {rid:?}");
    }

    fn add_demo_data(&self) {
        let now = Utc::now().trunc_subsecs(0);
        let midnight = now - TimeDelta::seconds(now.timestamp().rem_euclid(86_400));
        let night = |days| midnight - TimeDelta::hours(22) - TimeDelta::days(days);

        self.define(Self::NIGHTLY_ORDERS, "nightly-orders");
        let runs = [
            NewRun::submitted("SUCCEEDED"),
            NewRun::ignored(),
            NewRun::error("JOBSPECNOTFOUND", "No logic is known for one of the targets"),
            NewRun::submitted("SUCCEEDED").external(true),
            NewRun::submitted("FAILED"),
            NewRun::submitted("SUCCEEDED"),
        ];
        for (run, days) in runs.into_iter().zip((0..6).rev()) {
            self.add_run(Self::NIGHTLY_ORDERS, run.created(night(days)));
        }
        self.define(Self::HOURLY_TRAFFIC, "hourly-traffic");
        self.define(Self::RETIRED_REPORT, "retired-report");
        self.add_run(Self::RETIRED_REPORT, NewRun::submitted("SUCCEEDED").created(night(40)));
        let paused = self.lock().pause(Self::RETIRED_REPORT, true);
        debug_assert!(paused.is_ok(), "the schedule was just made");
    }
}

/// How runs behave that are triggered through the API.
impl FakeFoundry {
    /// Plans one triggered run or created build. Plans are used in the order given; without one,
    /// [`Plan::succeeds`] counts.
    pub fn next_run(&self, plan: Plan) {
        self.lock().plans.push_back(plan);
    }

    /// How many lists show a triggered run without its result. Default 1; a plan may say otherwise.
    pub fn result_after_lists(&self, lists: usize) {
        self.lock().result_after_lists = lists;
    }

    /// Keeps runs and builds as they are, however often they are asked for.
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// Ends [`hold`](Self::hold).
    pub fn release(&self) {
        self.lock().held = false;
    }
}

/// What the service may do otherwise.
impl FakeFoundry {
    /// Refuses all tokens handed out so far.
    pub fn expire_tokens(&self) {
        let mut state = self.lock();
        let tokens = std::mem::take(&mut state.tokens);
        state.expired_tokens.extend(tokens);
    }

    /// Whether preview operations are refused without `preview=true`. Default `true`.
    pub fn require_preview(&self, required: bool) {
        self.lock().preview_required = required;
    }

    /// How results of runs are written. Default [`UnionForm::Tagged`].
    pub fn union_form(&self, form: UnionForm) {
        self.lock().union_form = form;
    }
}

/// What the fake has seen.
impl FakeFoundry {
    /// How many triggers were carried out for a schedule, also when their answer was lost.
    #[must_use]
    pub fn triggers(&self, schedule: &str) -> usize {
        let mut state = self.lock();
        state.schedule(schedule).map_or(0, |known| known.triggers)
    }
}

/// How the result of a run is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum UnionForm {
    /// `{"type": "submitted", "buildRid": "…"}`, as the API is defined.
    #[default]
    Tagged,
    /// `{"type": "submitted", "submitted": {"buildRid": "…"}}`.
    Wrapped,
    /// `{"submitted": {"buildRid": "…"}}`.
    Bare,
}

common_knobs!(FakeFoundry);
trigger_knobs!(FakeFoundry);
token_knobs!(FakeFoundry);

/// A run to add with [`FakeFoundry::add_run`].
#[derive(Clone, Debug)]
#[must_use = "hand it to `FakeFoundry::add_run`"]
pub struct NewRun {
    /// Without one, nothing is decided.
    plan: Option<Plan>,
    /// Of its build, if it has one.
    status: String,
    rid: Option<String>,
    created: Option<DateTime<Utc>>,
    took: Duration,
    external: bool,
}

impl NewRun {
    fn new(plan: Option<Plan>, status: &str) -> Self {
        let status = status.to_uppercase();
        let took = Duration::from_millis(185_085);
        Self { plan, status, rid: None, created: None, took, external: false }
    }

    /// A run whose build has this status, such as `SUCCEEDED`. One `RUNNING` goes on until it is cancelled or
    /// [finished](FakeFoundry::finish).
    pub fn submitted(status: &str) -> Self {
        Self::new(Some(Plan::never_ends()), status)
    }

    /// A run that had nothing to do.
    pub fn ignored() -> Self {
        Self::new(Some(Plan::ignored()), "")
    }

    /// A run that made no build. The name is sent as it is, such as `PERMISSIONDENIED`.
    pub fn error(name: &str, description: &str) -> Self {
        Self::new(Some(Plan::errors(name, description)), "")
    }

    /// A run without a result, and none comes until it is [finished](FakeFoundry::finish).
    pub fn undecided() -> Self {
        Self::new(None, "")
    }

    /// When it was made; answers show milliseconds. Left out, it is now.
    pub fn created(mut self, at: DateTime<Utc>) -> Self {
        self.created = Some(at);
        self
    }

    /// How long its build took, should it be over. Default about three minutes.
    pub fn took(mut self, time: Duration) -> Self {
        self.took = time;
        self
    }

    /// Whether somebody triggered it. Left out, its schedule did, and it has no `createdBy`.
    pub fn external(mut self, external: bool) -> Self {
        self.external = external;
        self
    }

    /// Any text as RID. Left out, one is made.
    pub fn rid(mut self, rid: &str) -> Self {
        self.rid = Some(rid.to_owned());
        self
    }
}

/// What becomes of a triggered run.
#[derive(Clone, Debug)]
#[must_use = "hand it to `FakeFoundry::next_run`"]
pub struct Plan {
    end: End,
    polls: u32,
    lists: Option<usize>,
}

#[derive(Clone, Debug)]
enum End {
    Success,
    Failure,
    Never,
    Ignored,
    Error { name: String, description: String },
}

impl Plan {
    fn new(end: End) -> Self {
        Self { end, polls: 3, lists: None }
    }

    /// Its build ends with `SUCCEEDED`.
    pub fn succeeds() -> Self {
        Self::new(End::Success)
    }

    /// Its build ends with `FAILED`: the first job failed, the others did not run. The API tells no more than that.
    pub fn fails() -> Self {
        Self::new(End::Failure)
    }

    /// Its build stays `RUNNING` until it is cancelled or [finished](FakeFoundry::finish).
    pub fn never_ends() -> Self {
        Self::new(End::Never)
    }

    /// It finds everything up to date and makes no build.
    pub fn ignored() -> Self {
        Self::new(End::Ignored)
    }

    /// It makes no build. The name is sent as it is, such as `PERMISSIONDENIED`.
    pub fn errors(name: &str, description: &str) -> Self {
        let (name, description) = (name.to_owned(), description.to_owned());
        Self::new(End::Error { name, description })
    }

    /// Which look at its build shows the end. Default 3; with 0 it ends as it is triggered.
    pub fn after_polls(mut self, polls: u32) -> Self {
        self.polls = polls;
        self
    }

    /// How many lists show it without its result. Left out, [`FakeFoundry::result_after_lists`] counts.
    pub fn result_after_lists(mut self, lists: usize) -> Self {
        self.lists = Some(lists);
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
    const TOKEN_PATHS: &'static [&'static str] = &[TOKEN_PATH];

    fn desk(&mut self) -> &mut Desk<Answer> {
        &mut self.desk
    }

    fn usual(&self, status: u16) -> Answer {
        Answer::usual(status)
    }

    fn raw(status: u16, headers: Vec<(HeaderName, HeaderValue)>, body: &str) -> Answer {
        Answer::raw(status, headers, body)
    }

    /// A new build is one, too.
    fn is_trigger(&mut self, request: &Request) -> bool {
        let path = request.url.path();
        let trigger = path.ends_with("/run") || path.ends_with("/builds/create");
        trigger && request.method.as_str() == "POST"
    }

    fn token(&mut self, request: &Request) -> Answer {
        answers::token(self, request)
    }

    fn serve(&mut self, request: &Request) -> Answer {
        let path = request.url.path().strip_prefix(BASE_PATH);
        let Some(below) = path.and_then(|below| below.strip_prefix("/v2/")) else {
            return Answer::no_such_api();
        };
        route(self, request, below).unwrap_or_else(|refusal| refusal)
    }

    fn response(&mut self, request: &Request, answer: Answer) -> ResponseTemplate {
        let trace = request_id(request, TRACE_HEADER, self.desk.new_hex());
        answer.into_response(trace, self.desk.new_uuid())
    }
}
