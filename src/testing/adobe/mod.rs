//! A stateful fake of Adobe Experience Platform Query Service, on loopback.
//!
//! [`FakeAdobe::start`] serves schedules, their runs, queries, templates, alert subscriptions, accelerated queries, and
//! the token endpoint of IMS; for connection parameters, IP access and accounts give it the answer
//! ([`FakeAdobe::answer_next_with`]). It keeps what callers change, and it is strict: a header, parameter or body member
//! the service does not know is refused.
//! Nothing moves by itself. A triggered run takes a step whenever its details are asked for, and at
//! every fifth list that shows it, so tests need no sleep.
//!
//! The wording of messages is the fake's own. Inferred, since nobody documents them: the bodies of the service's
//! refusals, that an id filters runs' queries in decoded form, the state of a run after a cancel
//! (see [`FakeAdobe::cancelled_state`]), that pages of alerts count from 0, and that enabling or subscribing twice is a
//! success.

mod accelerated_queries;
mod alerts;
mod answers;
mod lists;
mod routes;
mod state;
mod templates;

use std::sync::MutexGuard;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::json;
use wiremock::http::{HeaderName, HeaderValue};
use wiremock::{Request, ResponseTemplate};

use crate::adobe::{Adobe, Row, ServerToServer};
use crate::client::ClientBuilder;

use super::server::{Desk, Fake, Server, common_knobs, request_id, token_knobs, trigger_knobs};

use self::answers::Answer;
pub use self::lists::LinkForm;
use self::routes::{Call, route};
use self::state::State;

const BASE_PATH: &str = "/data/foundation/query";
const TOKEN_PATH: &str = "/ims/token/v3";

/// A running fake. It stops when it is dropped.
///
/// At the start it knows three schedules: `nightly-orders` (six daily runs, the last but one failed),
/// `hourly-traffic` (five runs) and `retired-report` (disabled).
pub struct FakeAdobe {
    server: Server<State>,
}

impl FakeAdobe {
    /// What `x-api-key` and the token request's `client_id` must be.
    pub const CLIENT_ID: &'static str = "fake-client-id";
    /// What the token request's `client_secret` must be.
    pub const CLIENT_SECRET: &'static str = "fake-client-secret";
    /// What `x-gw-ims-org-id` must be.
    pub const ORG_ID: &'static str = "0F1E2D3C4B5A69788796A5B4@AdobeOrg";
    /// What `x-sandbox-name` must be.
    pub const SANDBOX: &'static str = "dev";
    /// An address that belongs to no Adobe id, and so cannot subscribe to alerts. All others can.
    pub const UNREGISTERED: &'static str = "nobody@unregistered.example";

    /// Starts a fake with its demo data, on a random port of 127.0.0.1.
    pub async fn start() -> Self {
        let fake = Self { server: Server::start(|_| State::new()).await };
        fake.add_demo_data();
        fake
    }

    /// Where the API is, without a slash at the end.
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

    /// A client of this fake, with settings still to change: base URL, organization, sandbox, and OAuth
    /// server-to-server against the fake's own token endpoint are set.
    pub fn client_builder(&self) -> ClientBuilder<Adobe> {
        let source =
            ServerToServer::new(Self::CLIENT_ID, Self::CLIENT_SECRET).token_url(self.token_url());
        crate::adobe::Client::builder()
            .credential(source)
            .org_id(Self::ORG_ID)
            .sandbox(Self::SANDBOX)
            .base_url(self.base_url())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.server.lock()
    }
}

/// Ids in the forms the service uses.
impl FakeAdobe {
    /// The id of a run: base64 of its kind and time, such as `scheduled__2026-02-03T04:00:00+00:00`.
    #[must_use]
    pub fn run_id(decoded: &str) -> String {
        state::encoded(decoded)
    }

    /// A schedule id as long as real ones: organisation, sandbox and name in one.
    #[must_use]
    pub fn schedule_id(name: &str) -> String {
        let lower = name.to_lowercase();
        let slug = lower.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        format!("a41f09c2e7b35d8860f1c3d2_6b0c1d9e-52f7-4e1a-8d3c-0f9e8d7c6b5a_{slug}")
    }
}

/// Data.
#[allow(clippy::must_use_candidate, reason = "the ids given back are a convenience")]
impl FakeAdobe {
    /// Adds a schedule that is `ENABLED` and has no runs; gives its id back.
    pub fn add_schedule(&self, id: &str) -> String {
        let query = json!({
            "dbName": format!("{}:all", Self::SANDBOX),
            "sql": "INSERT INTO daily_totals SELECT day, count(1) FROM events GROUP BY day",
            "name": id,
        });
        let timetable = json!({
            "schedule": "0 2 * * *",
            "startDate": "2026-01-01T02:00:00.000Z",
            "maxActiveRuns": 1,
        });
        self.lock().add_schedule(id, "ENABLED", query, timetable);
        id.to_owned()
    }

    /// Puts a schedule in any state: `ENABLED`, `DISABLED`, `REGISTERING` or what else may come.
    ///
    /// # Panics
    /// If there is no such schedule.
    #[track_caller]
    pub fn set_schedule_state(&self, id: &str, state: &str) {
        let changed = self.lock().schedule(id).map(|schedule| {
            state.clone_into(&mut schedule.state);
        });
        assert!(changed.is_ok(), "the fake has no schedule {id:?}");
    }

    /// Adds a run, seen in lists at once; gives its id back. One that failed gets the query that explains it.
    ///
    /// # Panics
    /// If there is no such schedule.
    #[track_caller]
    pub fn add_run(&self, schedule: &str, run: NewRun) -> String {
        let added = self.lock().add_run(schedule, run);
        let Ok(id) = added else { panic!("the fake has no schedule {schedule:?}") };
        id
    }

    /// Somebody else triggers a run, seen in lists at once; gives its id back.
    ///
    /// It succeeds like [`Plan::succeeds`] and uses up nothing given to [`next_run`](Self::next_run).
    ///
    /// # Panics
    /// If there is no such schedule.
    #[track_caller]
    pub fn trigger_from_elsewhere(&self, schedule: &str) -> String {
        let added = self.lock().trigger(schedule, Plan::succeeds(), 0);
        let Ok(id) = added else { panic!("the fake has no schedule {schedule:?}") };
        id
    }

    /// Ends a run now, held or not. If several have the id, one that goes on is taken.
    ///
    /// # Panics
    /// If there is no such run.
    #[track_caller]
    pub fn finish(&self, run_id: &str, state: &str) {
        let ended = self.lock().finish(run_id, state);
        assert!(ended.is_ok(), "the fake has no run {run_id:?}");
    }

    /// Adds a query template; gives its id back.
    pub fn add_template(&self, name: &str, sql: &str) -> String {
        let template = self.lock().add_template(name, sql, None);
        state::text_of(&template, "id").unwrap_or_default()
    }

    /// Sets the rows that accelerated queries find, whatever they ask for. Left alone, it is one row, `{"one": 1}`.
    pub fn accelerated_rows(&self, rows: impl IntoIterator<Item = Row>) {
        self.lock().accelerated = rows.into_iter().collect();
    }

    fn add_demo_data(&self) {
        let now = Utc::now().trunc_subsecs(0);
        let hour = now - TimeDelta::seconds(now.timestamp().rem_euclid(3600));
        let midnight = now - TimeDelta::seconds(now.timestamp().rem_euclid(86_400));
        let night = midnight - TimeDelta::hours(22);

        let nightly = self.add_schedule("nightly-orders");
        for days in (2..=5).rev() {
            let run = NewRun::new("SUCCESS").created(night - TimeDelta::days(days));
            self.add_run(&nightly, run);
        }
        let failed = NewRun::new("FAILED")
            .created(night - TimeDelta::days(1))
            .error("42P01", "relation \"orders_raw\" does not exist");
        self.add_run(&nightly, failed);
        self.add_run(&nightly, NewRun::new("SUCCESS").created(night));

        let hourly = self.add_schedule("hourly-traffic");
        for hours in (2..=5).rev() {
            let run = NewRun::new("SUCCESS").created(hour - TimeDelta::hours(hours));
            self.add_run(&hourly, run);
        }
        let by_hand = NewRun::new("SUCCESS").created(hour - TimeDelta::minutes(47));
        self.add_run(&hourly, by_hand.external(true));

        let retired = self.add_schedule("retired-report");
        self.add_run(&retired, NewRun::new("SUCCESS").created(night - TimeDelta::days(40)));
        self.set_schedule_state(&retired, "DISABLED");
    }
}

/// How runs behave that are triggered through the API.
impl FakeAdobe {
    /// Plans one triggered run. Plans are used in the order given; without one, [`Plan::succeeds`] counts.
    pub fn next_run(&self, plan: Plan) {
        self.lock().plans.push_back(plan);
    }

    /// How many lists of its runs leave a triggered run out before it is seen. Default 1.
    pub fn show_runs_after_lists(&self, lists: usize) {
        self.lock().unseen_lists = lists;
    }

    /// Keeps runs and queries as they are, however often they are asked for.
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// Ends [`hold`](Self::hold).
    pub fn release(&self) {
        self.lock().held = false;
    }

    /// State of a cancelled run, seen the next time its details are asked for. Default `FAILED`.
    pub fn cancelled_state(&self, state: &str) {
        state.clone_into(&mut self.lock().after_cancel);
    }
}

/// What the service may do otherwise.
impl FakeAdobe {
    /// Refuses all tokens handed out so far.
    pub fn expire_tokens(&self) {
        self.lock().tokens.clear();
    }

    /// How lists announce their next page. Default [`LinkForm::Object`].
    pub fn link_form(&self, form: LinkForm) {
        self.lock().link_form = form;
    }

    /// Whether the query filter `scheduleRunId` takes run ids as they are. Default `false`: only decoded ones match.
    pub fn filter_by_encoded_run_id(&self, encoded: bool) {
        self.lock().filter_by_encoded_id = encoded;
    }
}

/// What the fake has seen.
impl FakeAdobe {
    /// How many triggers were carried out for a schedule, also when their answer was lost.
    #[must_use]
    pub fn triggers(&self, schedule: &str) -> usize {
        let mut state = self.lock();
        state.schedule(schedule).map_or(0, |known| known.triggers)
    }
}

common_knobs!(FakeAdobe);
trigger_knobs!(FakeAdobe);
token_knobs!(FakeAdobe);

/// A run to add with [`FakeAdobe::add_run`].
#[derive(Clone, Debug)]
#[must_use = "hand it to `FakeAdobe::add_run`"]
pub struct NewRun {
    state: String,
    id: Option<String>,
    created: Option<DateTime<Utc>>,
    took: Duration,
    external: bool,
    message: Option<String>,
    plan: Plan,
}

impl NewRun {
    /// A run in this state, such as `SUCCESS`. One `IN_PROGRESS` goes on until [`FakeAdobe::finish`].
    pub fn new(state: &str) -> Self {
        Self {
            state: state.to_uppercase(),
            id: None,
            created: None,
            took: Duration::from_millis(187_275),
            external: false,
            message: None,
            plan: Plan::never_ends(),
        }
    }

    /// When it was due; lists show whole seconds. Left out, it is now.
    pub fn created(mut self, at: DateTime<Utc>) -> Self {
        self.created = Some(at);
        self
    }

    /// How long its task took, should it be over. Default about three minutes; it begins four after the run.
    pub fn took(mut self, time: Duration) -> Self {
        self.took = time;
        self
    }

    /// Whether somebody triggered it. Left out, its schedule did.
    pub fn external(mut self, external: bool) -> Self {
        self.external = external;
        self
    }

    /// Message of its task.
    pub fn message(mut self, message: &str) -> Self {
        self.message = Some(message.to_owned());
        self
    }

    /// Error of the query behind it, should it fail.
    pub fn error(mut self, code: &str, message: &str) -> Self {
        // Only `finish` may end it, so no number of looks does.
        self.plan = Plan::fails(code, message).after_polls(u32::MAX);
        self
    }

    /// Any text as id. Left out, one is made from kind and time.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }
}

/// What becomes of a triggered run.
#[derive(Clone, Debug)]
#[must_use = "hand it to `FakeAdobe::next_run`"]
pub struct Plan {
    end: End,
    polls: u32,
}

#[derive(Clone, Debug)]
enum End {
    Success,
    Failure { code: String, message: String },
    Never,
}

impl Plan {
    /// It ends with `SUCCESS`.
    pub fn succeeds() -> Self {
        let end = End::Success;
        Self { end, polls: 3 }
    }

    /// It ends with `FAILED`, and its query has this error.
    pub fn fails(code: &str, message: &str) -> Self {
        let end = End::Failure { code: code.to_owned(), message: message.to_owned() };
        Self { end, polls: 3 }
    }

    /// It stays `IN_PROGRESS` until it is cancelled or [finished](FakeAdobe::finish).
    pub fn never_ends() -> Self {
        let end = End::Never;
        Self { end, polls: 3 }
    }

    /// Which look at its details shows the end. Default 3; with 0 it ends as it is triggered.
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
    const TOKEN_PATHS: &'static [&'static str] = &[TOKEN_PATH];

    fn desk(&mut self) -> &mut Desk<Answer> {
        &mut self.desk
    }

    fn usual(&self, status: u16) -> Answer {
        Answer::usual(status)
    }

    fn raw(status: u16, headers: Vec<(HeaderName, HeaderValue)>, body: &str) -> Answer {
        Answer { status, headers, body: body.to_owned(), mime: "" }
    }

    fn is_trigger(&mut self, request: &Request) -> bool {
        request.method.as_str() == "POST" && request.url.path().ends_with("/runs")
    }

    fn token(&mut self, request: &Request) -> Answer {
        answers::token(self, request)
    }

    fn serve(&mut self, request: &Request) -> Answer {
        let path = request.url.path().strip_prefix(BASE_PATH);
        let Some(below) = path.and_then(|below| below.strip_prefix('/')) else {
            return Answer::not_found("path");
        };
        answers::check_headers(request, &self.tokens)
            .and_then(|()| route(self, &Call::new(request, below)))
            .unwrap_or_else(|refusal| refusal)
    }

    fn response(&mut self, request: &Request, answer: Answer) -> ResponseTemplate {
        answer.into_response(request_id(request, "x-request-id", self.desk.new_uuid()))
    }
}
