//! A stateful fake of the Supermetrics query API, on loopback.
//!
//! [`FakeSupermetrics::start`] serves data calls in all formats, status, results, history, accounts, fields, segments,
//! a saved query with its short URL, and batches. It keeps what callers start, and it is strict: a parameter the API
//! does not define is refused, and so is a value outside its limits. Nothing moves by itself. A run takes a step
//! whenever somebody looks at its status, waits for it in a data call (`sync_timeout` above 0), or looks at its batch,
//! and at every fifth history, so tests need no sleep. A data call that does not wait shows a run as it is.
//!
//! The API is below `/enterprise/v2`, below `/v2`, and at the root, where `/me` is, too.
//!
//! A run belongs to its schedule id, given or derived from the query. While it goes on, every data call with that id
//! joins it. Once it has ended well, a data call with the same parameters gets its rows again, unless they are older
//! than `cache_minutes`; any other starts a new run. After an hour, or [`expire_results`], status and results are gone.
//!
//! The wording of messages is the fake's own, and so are the codes `COMPARE_START_DATE_INVALID`,
//! `COMPARE_START_DATE_REQUIRED` and `QUERY_STOPPED`. Inferred, since nobody documents them: that a run is returned
//! where `cache_minutes` is left out, that a derived id depends on the format, that a run joined under its id may have
//! other parameters, that refused parameters are 400 and not 422, that results come in parts in JSON only, the order of
//! history (latest first) and its `run_seconds`, the body of `/me`, that rows of a cancelled batch fail, that a text in
//! a batch names a saved query, that `settings` among plain parameters is JSON, and that a field object has an `id`.
//! Accounts and fields are not looked up: any exist. `filter`, `order_rows`, `order_columns` and `date_range_type`
//! change nothing, and of relative dates the common words are known.
//!
//! [`expire_results`]: FakeSupermetrics::expire_results

mod answers;
mod batches;
mod checks;
mod dates;
mod lists;
mod routes;
mod rows;
mod shapes;
mod state;

use std::sync::MutexGuard;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use wiremock::http::{HeaderName, HeaderValue};
use wiremock::{Request, ResponseTemplate};

use super::SeenRequest;
use super::server::{self, Desk, Fake, Server, common_knobs, trigger_knobs};

pub use self::answers::{ErrorShape, LastPage, NextLinks, NoData, RowShape};

use self::answers::{Answer, Object, Refusal, Reply};
use self::checks::scrubbed;
use self::rows::Rows;
use self::state::{APP, State};
use crate::client::ClientBuilder;
use crate::supermetrics::{ApiKey, Supermetrics};

const BASE_PATH: &str = "/enterprise/v2";

/// A running fake. It stops when it is dropped.
///
/// At the start its history has runs of [`DATA_SOURCE`](Self::DATA_SOURCE) and of `AW`:
/// [`RECENT_RUN`](Self::RECENT_RUN), a failure, one that was stopped, and one of three days ago.
pub struct FakeSupermetrics {
    server: Server<State>,
}

impl FakeSupermetrics {
    /// The only API key.
    pub const API_KEY: &'static str = "api_fake-key_4Zr81vQm";
    /// The login of all data sources, for `ds_user` and `ds_users`. With another, nothing is authorised.
    pub const USER: &'static str = "reports@initech.example";
    /// The data source of the demo data. Any other exists as well, but for
    /// [`UNLICENSED_DATA_SOURCE`](Self::UNLICENSED_DATA_SOURCE).
    pub const DATA_SOURCE: &'static str = "GAWA";
    /// A data source the license does not include.
    pub const UNLICENSED_DATA_SOURCE: &'static str = "TTD";
    /// The first of two accounts.
    pub const ACCOUNT: &'static str = "815204";
    /// Schedule id of a run that succeeded ten minutes ago and can still be read.
    pub const RECENT_RUN: &'static str = "daily-clicks";
    /// Id of the saved query, whose slug is `weekly-clicks`.
    pub const SAVED_QUERY: &'static str = "q7RkP2xw";

    /// Starts a fake with its demo data, on a random port of 127.0.0.1.
    pub async fn start() -> Self {
        let fake = Self { server: Server::start(State::new).await };
        fake.add_demo_data();
        fake
    }

    /// Where the API is, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}{BASE_PATH}", self.server.origin())
    }

    /// A client of this fake, with settings still to change: base URL and credential are set.
    pub fn client_builder(&self) -> ClientBuilder<Supermetrics> {
        crate::supermetrics::Client::builder()
            .credential(ApiKey::new(Self::API_KEY))
            .base_url(self.base_url())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.server.lock()
    }
}

/// Data.
#[allow(clippy::must_use_candidate, reason = "the ids given back are a convenience")]
impl FakeSupermetrics {
    /// Adds a run, seen at once; gives its schedule id back.
    pub fn add_run(&self, run: NewRun) -> String {
        self.lock().add_run(run)
    }

    /// Somebody else runs a query on [`DATA_SOURCE`](Self::DATA_SOURCE), from a spreadsheet; gives its schedule id back.
    ///
    /// It goes on until it is [finished](Self::finish).
    pub fn trigger_from_elsewhere(&self) -> String {
        self.add_run(NewRun::new(Self::DATA_SOURCE, "RUNNING").app_id("GS"))
    }

    /// Ends the latest run with this schedule id now, held or not.
    ///
    /// # Panics
    /// If there is no such run.
    #[track_caller]
    pub fn finish(&self, schedule_id: &str, state: &str) {
        let ended = self.lock().finish(schedule_id, state);
        assert!(ended.is_some(), "the fake has no run {schedule_id:?}");
    }

    /// Makes status and results of all ended runs unreadable, as they are after an hour. History keeps them.
    pub fn expire_results(&self) {
        self.lock().expire();
    }

    fn add_demo_data(&self) {
        let ago = |minutes| Utc::now() - TimeDelta::minutes(minutes);
        let run = |source, state, minutes| NewRun::new(source, state).asked(ago(minutes));
        self.add_run(run("AW", "SUCCESS", 3 * 24 * 60));
        self.add_run(run("AW", "STOPPED", 20 * 60).app_id("GS"));
        let failed = run(Self::DATA_SOURCE, "FAILURE", 3 * 60);
        self.add_run(failed.error("QUERY_ERROR", "The data source did not answer in time"));
        self.add_run(run(Self::DATA_SOURCE, "SUCCESS", 10).schedule_id(Self::RECENT_RUN));
    }
}

/// How runs behave.
impl FakeSupermetrics {
    /// Plans one run that is asked for, alone or in a batch. Plans are used in the order given; without one,
    /// `Plan::succeeds(3)` counts.
    pub fn next_run(&self, plan: Plan) {
        self.lock().plans.push_back(plan);
    }

    /// Keeps runs as they are, however often they are looked at.
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// Ends [`hold`](Self::hold).
    pub fn release(&self) {
        self.lock().held = false;
    }

    /// Lets so many more requests through. After them, all get 429 and `Retry-After: 3600`, until this is called again.
    pub fn rate_limit(&self, requests: u32) {
        self.lock().form.rate_left = Some(requests);
    }
}

/// How answers look.
impl FakeSupermetrics {
    /// Whether a data call that meets an unfinished run gets 202 or, as teams enrolled before 2022-06-22 do, 200.
    /// Default 202.
    ///
    /// # Panics
    /// If it is another status.
    #[track_caller]
    pub fn unfinished_status(&self, status: u16) {
        assert!(matches!(status, 200 | 202), "an unfinished run is 200 or 202, not {status}");
        self.lock().form.unfinished_is_200 = status == 200;
    }

    /// HTTP status of `STATUS_NOT_FOUND`, which is what unknown and expired schedule ids get. Default 404; 400 and 500
    /// have been told of, too.
    ///
    /// # Panics
    /// If the status is not in 400..=599.
    #[track_caller]
    pub fn expired_status(&self, status: u16) {
        server::check_failure(status);
        self.lock().form.not_found_status = status;
    }

    /// The body of refusals. Default [`ErrorShape::Envelope`].
    pub fn error_shape(&self, shape: ErrorShape) {
        self.lock().form.error_shape = shape;
    }

    /// Whether refusals come with HTTP status 200. Default `false`.
    pub fn errors_inside_200(&self, inside: bool) {
        self.lock().form.errors_inside_200 = inside;
    }

    /// Whether the error of a failed run names its schedule id and state in `meta`. Default `false`.
    pub fn failures_name_state(&self, named: bool) {
        self.lock().form.failures_name_state = named;
    }

    /// What stands for rows while there are none. Default [`NoData::Empty`]. A run that [fails
    /// silently](Plan::fails_silently) always has `null`.
    pub fn no_data(&self, data: NoData) {
        self.lock().form.no_data = data;
    }

    /// How rows stand in JSON. Default [`RowShape::Arrays`].
    pub fn row_shape(&self, shape: RowShape) {
        self.lock().form.row_shape = shape;
    }

    /// Whether numbers among the cells of [made](Plan::succeeds) rows are numbers. Default `false`: all cells are text.
    pub fn numeric_cells(&self, numeric: bool) {
        self.lock().form.numeric_cells = numeric;
    }

    /// Whether states are in lower case. Default `false`.
    pub fn lower_case_states(&self, lower: bool) {
        self.lock().form.lower_case_states = lower;
    }

    /// Whether times have no zone. Default `false`: they end with `Z`. Either way they are in UTC.
    pub fn times_without_zone(&self, without: bool) {
        self.lock().form.times_without_zone = without;
    }

    /// Which answers link to the page that follows. Default [`NextLinks::Get`].
    pub fn next_links(&self, links: NextLinks) {
        self.lock().form.next_links = links;
    }

    /// What `meta.paginate` is where nothing follows. Default [`LastPage::Null`].
    pub fn last_page(&self, form: LastPage) {
        self.lock().form.last_page = form;
    }

    /// Whether pages after the first lack `meta.schedule_id`. Default `false`.
    pub fn later_pages_without_schedule_id(&self, without: bool) {
        self.lock().form.later_pages_nameless = without;
    }

    /// Makes links to pages name this origin, such as `https://api.example`, and not the fake's own.
    pub fn link_origin(&self, origin: &str) {
        self.lock().form.foreign_origin = Some(origin.to_owned());
    }

    /// Whether answers carry `X-RateLimit-Limit`, `X-RateLimit-Remaining` and, with 429, `Retry-After`. Default `true`.
    pub fn rate_limit_headers(&self, sent: bool) {
        self.lock().form.no_rate_headers = !sent;
    }
}

common_knobs!(FakeSupermetrics);
trigger_knobs!(FakeSupermetrics);

/// One more fault.
impl FakeSupermetrics {
    /// Answers the next request with this error. Nothing is carried out. Its HTTP status is that of the code; one with
    /// none that is documented gets 500.
    pub fn fail_next_with(&self, code: &str, message: &str) {
        self.lock().desk.answer_next(Err(Refusal::new(code, message)));
    }
}

/// What the fake has seen.
impl FakeSupermetrics {
    /// How many runs were started by data calls and short URLs, also when the answer was lost. Batches do not count.
    #[must_use]
    pub fn triggers(&self) -> usize {
        self.lock().triggers
    }

    /// How many batches were created, also when the answer was lost.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.lock().batches.len()
    }
}

/// A run to add with [`FakeSupermetrics::add_run`].
#[derive(Clone, Debug)]
#[must_use = "hand it to `FakeSupermetrics::add_run`"]
pub struct NewRun {
    state: String,
    query: Object,
    schedule_id: Option<String>,
    asked: Option<DateTime<Utc>>,
    app: String,
    plan: Plan,
}

impl NewRun {
    /// A run of this data source in this state, such as `SUCCESS`. One that is `SCHEDULED`, `QUEUED` or `RUNNING` goes
    /// on until [`FakeSupermetrics::finish`]; one that succeeded has three rows.
    pub fn new(ds_id: &str, state: &str) -> Self {
        Self {
            state: state.to_owned(),
            query: [("ds_id".to_owned(), ds_id.into())].into_iter().collect(),
            schedule_id: None,
            asked: None,
            app: APP.to_owned(),
            plan: if state == "SUCCESS" { Plan::default() } else { Plan::never_ends() },
        }
    }

    /// When it was asked for. Left out, it is now.
    pub fn asked(mut self, at: DateTime<Utc>) -> Self {
        self.asked = Some(at);
        self
    }

    /// Any text as schedule id. Left out, one is made.
    pub fn schedule_id(mut self, id: &str) -> Self {
        self.schedule_id = Some(id.to_owned());
        self
    }

    /// From which product it was asked for. Left out, `API`.
    pub fn app_id(mut self, app: &str) -> Self {
        app.clone_into(&mut self.app);
        self
    }

    /// How many rows it has, should it succeed.
    pub fn rows(mut self, rows: usize) -> Self {
        self.plan = Plan::succeeds(rows);
        self
    }

    /// Its error, should it fail. Left out, nothing tells why.
    pub fn error(mut self, code: &str, message: &str) -> Self {
        self.plan = Plan::fails(code, message);
        self
    }
}

/// What becomes of a run that is asked for.
#[derive(Clone, Debug)]
#[must_use = "hand it to `FakeSupermetrics::next_run`"]
pub struct Plan {
    end: End,
    polls: u32,
    /// What the last dimension is split into.
    split: Vec<String>,
}

#[derive(Clone, Debug)]
enum End {
    Rows(Rows),
    Fails { code: String, message: String },
    FailsSilently,
    Stops,
    Exits,
    Never,
}

impl Plan {
    fn new(end: End) -> Self {
        Self { end, polls: 3, split: Vec::new() }
    }

    /// It ends with `SUCCESS` and so many rows, made from the fields asked for. With none there are no headers, too.
    pub fn succeeds(rows: usize) -> Self {
        Self::new(End::Rows(Rows::Made(rows)))
    }

    /// It ends with `SUCCESS` and these rows, headers first. Cells are sent as they are.
    pub fn returns(rows: Vec<Vec<Value>>) -> Self {
        Self::new(End::Rows(Rows::Given(rows)))
    }

    /// It ends with `FAILURE`. Whoever looks at it gets this error, with the HTTP status of its code.
    pub fn fails(code: &str, message: &str) -> Self {
        Self::new(End::Fails { code: code.to_owned(), message: message.to_owned() })
    }

    /// It ends with `FAILURE`, and nothing tells why: HTTP status 200 and `"data":null`.
    pub fn fails_silently() -> Self {
        Self::new(End::FailsSilently)
    }

    /// Somebody stops it: it ends with `STOPPED`.
    pub fn stops() -> Self {
        Self::new(End::Stops)
    }

    /// It ends with `PROCESS_EXITED`, which is not documented.
    pub fn exits() -> Self {
        Self::new(End::Exits)
    }

    /// It goes on until it is [finished](FakeSupermetrics::finish).
    pub fn never_ends() -> Self {
        Self::new(End::Never)
    }

    /// Which look shows the end. Default 3; with 0 it has ended when the data call is answered, waiting or not.
    pub fn after_polls(mut self, polls: u32) -> Self {
        self.polls = polls;
        self
    }

    /// The last dimension of made rows is split into these columns, once for each metric.
    pub fn split_by(mut self, columns: &[&str]) -> Self {
        self.split = columns.iter().map(|&column| column.to_owned()).collect();
        self
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::succeeds(3)
    }
}

impl Fake for State {
    type Answer = Reply;

    const BASE_PATH: &'static str = BASE_PATH;

    fn desk(&mut self) -> &mut Desk<Reply> {
        &mut self.desk
    }

    fn usual(&self, status: u16) -> Reply {
        Err(Refusal::usual(status))
    }

    fn raw(status: u16, headers: Vec<(HeaderName, HeaderValue)>, body: &str) -> Reply {
        Ok(Answer::file(status, body, "").with_headers(headers))
    }

    fn is_trigger(&mut self, request: &Request) -> bool {
        routes::starts(self, request)
    }

    fn seen(request: &Request) -> SeenRequest {
        let path = request.url.path();
        let below = path.strip_prefix(BASE_PATH).filter(|below| below.starts_with('/'));
        let body = String::from_utf8_lossy(&request.body);
        SeenRequest {
            method: request.method.to_string(),
            path: below.unwrap_or(path).to_owned(),
            query: scrubbed(request.url.query().unwrap_or_default()),
            body: scrubbed(&body),
        }
    }

    fn serve(&mut self, request: &Request) -> Reply {
        self.form.answered = self.form.answered.saturating_add(1);
        match &mut self.form.rate_left {
            Some(0) => return Err(Refusal::too_many()),
            Some(left) => *left -= 1,
            None => {}
        }
        routes::route(self, request)
    }

    fn response(&mut self, request: &Request, answer: Reply) -> ResponseTemplate {
        let id = self.new_id();
        let answer = answer.unwrap_or_else(|refusal| self.form.refuse(&refusal, &id));
        let pretty = request.url.query_pairs().any(|(name, _)| name == "pretty");
        self.form.completed(answer, &id).into_response(pretty)
    }
}
