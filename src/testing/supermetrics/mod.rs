//! Stateful fakes of the Supermetrics query API, and of its [transfers](FakeTransfers), on loopback.
//!
//! [`FakeSupermetrics`] serves data calls in all formats, status, results, history, accounts, fields, segments, a saved
//! query with its short URL, and batches. It keeps what callers start, and it is strict: it refuses a parameter that the
//! API does not define, and a value outside its limits. Nothing moves by itself. A run takes a step at every poll of its
//! status or its batch, at every data call that waits for it (`sync_timeout` above 0), and at every fifth history, so
//! tests need no sleep. A data call without `sync_timeout` waits for half an hour, that is to the end; one that does not wait
//! shows a run as it is.
//!
//! The API is below `/enterprise/v2`, below `/v2`, and at the root, where `/me` is, too.
//!
//! A run belongs to its schedule ID, given or derived from the query. While it is unfinished, every data call with that
//! ID joins it. Once it has succeeded, a data call with the same parameters gets its rows again, unless they are older
//! than `cache_minutes`; any other starts a new run. After an hour, or [`expire_results`], status and results are gone.
//!
//! The wording of messages is the fake's own, as is the code `BAD_REQUEST` for a data source that does not exist, and so are the codes `COMPARE_START_DATE_INVALID`,
//! `COMPARE_START_DATE_REQUIRED` and `QUERY_STOPPED`. Inferred, since it is not documented: that a run is returned
//! where `cache_minutes` is left out, that a derived ID depends on the format, that a run joined under its ID may have
//! other parameters, that refused parameters are 400 and not 422, that results come in parts in JSON only, the order of
//! history (latest first) and its `run_seconds`, the body of `/me`, that rows of a cancelled batch fail, that a text in
//! a batch names a saved query, that `settings` among plain parameters is JSON, and that a field object has an `id`.
//! The fake does not check that accounts and fields exist. `filter`, `order_rows`, `order_columns` and `date_range_type`
//! change nothing, and of relative dates the common words are known.
//!
//! [`expire_results`]: FakeSupermetrics::expire_results

mod batches;
mod checks;
mod dates;
mod lists;
mod responses;
mod routes;
mod rows;
mod shapes;
mod state;
mod transfers;

use super::kit::{FakeServer, FakeVendor, StartsRuns, check_failure};
use crate::client::ClientBuilder;
use crate::supermetrics::{ApiKey, Supermetrics};

use self::responses::Refusal;
pub use self::responses::{ErrorShape, LastPage, NextLinks, NoData, RowShape};
use self::state::State;
pub use self::transfers::FakeTransfers;

/// A running fake of Supermetrics. The methods that all fakes have are described with [`FakeServer`].
///
/// At the start its history has runs of [`DATA_SOURCE`](Self::DATA_SOURCE) and of `AW`:
/// [`RECENT_RUN`](Self::RECENT_RUN), a failure, one that was stopped, and one of three days ago.
///
/// What is run is a query; where the methods ask for a target they mean its data source. A plan given to
/// [`next_run`](Self::next_run) is also used up by a run of a batch, which [`triggers`](Self::triggers) does not count.
/// What somebody else [triggers](Self::trigger_from_elsewhere) comes from a spreadsheet. [`finish`](Self::finish) ends
/// the latest run with this schedule ID.
pub type FakeSupermetrics = FakeServer<Supermetrics>;

impl FakeVendor for Supermetrics {
    type State = State;

    fn set_up(_: &FakeSupermetrics, builder: ClientBuilder<Self>) -> ClientBuilder<Self> {
        builder.credential(ApiKey::new(FakeSupermetrics::API_KEY))
    }
}

impl StartsRuns for Supermetrics {}

/// What is there from the start.
impl FakeSupermetrics {
    /// The only API key.
    pub const API_KEY: &'static str = "api_fake-key_4Zr81vQm";
    /// The login of all data sources, for `ds_user` and `ds_users`. Any other is refused.
    pub const USER: &'static str = "reports@initech.example";
    /// The data source of the demo data. `AW` exists as well, and so do those that you [add](Self::add_data_source); any other is
    /// refused.
    pub const DATA_SOURCE: &'static str = "GAWA";
    /// A data source that exists, but the license does not include it.
    pub const UNLICENSED_DATA_SOURCE: &'static str = "TTD";
    /// The first of two accounts.
    pub const ACCOUNT: &'static str = "815204";
    /// Schedule ID of a run that succeeded ten minutes ago and can still be read.
    pub const RECENT_RUN: &'static str = "daily-clicks";
    /// ID of the saved query, whose slug is `weekly-clicks`.
    pub const SAVED_QUERY: &'static str = "q7RkP2xw";
}

/// What only Supermetrics has.
impl FakeSupermetrics {
    /// Adds a data source, such as `FA`, with the login, accounts and fields of the others.
    pub fn add_data_source(&self, id: &str) {
        self.lock().sources.push(id.to_owned());
    }

    /// Makes status and results of all ended runs unreadable, as they are after an hour. History keeps them.
    pub fn expire_results(&self) {
        self.lock().expire();
    }

    /// Serves this many more requests. After them, all get 429 and `Retry-After: 3600`, until this is called again.
    pub fn rate_limit(&self, requests: u32) {
        self.lock().form.rate_left = Some(requests);
    }

    /// Responds to the next request with this error. Nothing is carried out. The HTTP status is that of the
    /// code; a code without a documented status gets 500.
    pub fn fail_next_with(&self, code: &str, message: &str) {
        self.lock().kit.respond_next(Err(Refusal::new(code, message)));
    }

    /// How many batches were created, also when the response was lost.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.lock().batches.len()
    }
}

/// The format of responses.
impl FakeSupermetrics {
    /// Whether a data call that joins an unfinished run gets 202 or, as teams enrolled before 2022-06-22 do, 200.
    /// Default 202.
    ///
    /// # Panics
    /// If it is another status.
    #[track_caller]
    pub fn unfinished_status(&self, status: u16) {
        assert!(matches!(status, 200 | 202), "an unfinished run is 200 or 202, not {status}");
        self.lock().form.unfinished_is_200 = status == 200;
    }

    /// HTTP status of `STATUS_NOT_FOUND`, the error of unknown and expired schedule IDs. Default 404; users also reported
    /// 400 and 500.
    ///
    /// # Panics
    /// If the status is not in 400..=599.
    #[track_caller]
    pub fn expired_status(&self, status: u16) {
        check_failure(status);
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

    /// Whether the error of a failed run names its schedule ID and state in `meta`. Default `false`.
    pub fn failures_name_state(&self, named: bool) {
        self.lock().form.failures_name_state = named;
    }

    /// The `data` of responses without rows. Default [`NoData::Empty`]. A run that [fails
    /// silently](super::Plan::fails_silently) always has `null`.
    pub fn no_data(&self, data: NoData) {
        self.lock().form.no_data = data;
    }

    /// The format of rows in JSON. Default [`RowShape::Arrays`].
    pub fn row_shape(&self, shape: RowShape) {
        self.lock().form.row_shape = shape;
    }

    /// Whether numbers among the cells of [made](super::Plan::rows) rows are numbers. Default `false`: all cells are text.
    pub fn numeric_cells(&self, numeric: bool) {
        self.lock().form.numeric_cells = numeric;
    }

    /// Whether states are in lower case. Default `false`.
    pub fn lower_case_states(&self, lower: bool) {
        self.lock().form.lower_case_states = lower;
    }

    /// Whether times have no zone. Default `false`: they end with `Z`. In both cases they are in UTC.
    pub fn times_without_zone(&self, without: bool) {
        self.lock().form.times_without_zone = without;
    }

    /// Which responses link to the next page. Default [`NextLinks::Get`].
    pub fn next_links(&self, links: NextLinks) {
        self.lock().form.next_links = links;
    }

    /// What `meta.paginate` is on the last page. Default [`LastPage::Null`].
    pub fn last_page(&self, form: LastPage) {
        self.lock().form.last_page = form;
    }

    /// Whether pages after the first lack `meta.schedule_id`. Default `false`.
    pub fn later_pages_without_schedule_id(&self, without: bool) {
        self.lock().form.later_pages_nameless = without;
    }

    /// Makes links to pages name this origin, such as `https://api.example`, instead of the fake's own.
    pub fn link_origin(&self, origin: &str) {
        self.lock().form.foreign_origin = Some(origin.to_owned());
    }

    /// Whether responses have `X-RateLimit-Limit`, `X-RateLimit-Remaining` and, with 429, `Retry-After`. Default `true`.
    pub fn rate_limit_headers(&self, sent: bool) {
        self.lock().form.no_rate_headers = !sent;
    }
}
