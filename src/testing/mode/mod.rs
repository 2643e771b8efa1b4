//! A stateful fake of the Mode Analytics API, on loopback.
//!
//! [`FakeMode`] serves one workspace: reports with their queries, runs, results, exports, schedules and subscriptions, datasets, data
//! sources and spaces. It keeps what callers change, and it is strict: it refuses a parameter or body member that the
//! service does not know. Nothing moves by itself. A triggered run takes a step at every poll by its token, and at every
//! fifth list that contains it, so tests need no sleep.
//!
//! It sends [webhooks](FakeServer::webhook) when a run of a report starts and ends, and none for the runs of datasets, as Mode does.
//!
//! The wording of messages is the fake's own. Inferred, since it is not documented: the order of lists without `order`
//! (newest first), that archived reports are missing from lists and can still be run, that only runs that succeeded have
//! results of their own, the state of an unfinished query run, that a new subscription belongs to the first schedule of its report
//! (without a schedule there is a 404), and that runs which failed or were cancelled have webhooks, too. Responses are not compressed.

mod files;
mod lists;
mod responses;
mod routes;
mod shapes;
mod state;

use super::kit::{FakeServer, FakeVendor, SendsWebhooks, StartsRuns};
use crate::client::ClientBuilder;
use crate::mode::{ApiToken, Mode};

use self::responses::login_page;
use self::state::State;

/// A running fake of Mode. The methods that all fakes have are described with [`FakeServer`].
///
/// At the start it knows four reports, each with two queries: [`REPORT`](Self::REPORT),
/// [`FRESH_REPORT`](Self::FRESH_REPORT), [`ARCHIVED_REPORT`](Self::ARCHIVED_REPORT) and
/// [`DATASET`](Self::DATASET). `REPORT` and `DATASET` have a schedule, that of `REPORT` has a
/// subscription, and `REPORT` uses `DATASET`.
///
/// A dataset counts as a report wherever the methods ask for one. A run that [ends](super::Plan::ends) in `completed`
/// has a notebook.
pub type FakeMode = FakeServer<Mode>;

impl FakeVendor for Mode {
    type State = State;

    fn set_up(_: &FakeMode, builder: ClientBuilder<Self>) -> ClientBuilder<Self> {
        let credential = ApiToken::new(FakeMode::API_TOKEN, FakeMode::API_SECRET);
        builder.credential(credential).workspace(FakeMode::WORKSPACE)
    }
}

impl StartsRuns for Mode {}
impl SendsWebhooks for Mode {}

/// What is there from the start.
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
    /// The shared space of all of them. Two more are empty and private: the caller's and somebody else's.
    pub const SPACE: &'static str = "c27d94e6b0f1";
    /// The data source of all queries. Its number is [`DATA_SOURCE_ID`](Self::DATA_SOURCE_ID); a second source is unused.
    pub const DATA_SOURCE: &'static str = "f51a0d8e3c79";
    /// The number of [`DATA_SOURCE`](Self::DATA_SOURCE), for request bodies.
    pub const DATA_SOURCE_ID: u64 = 52_107;
}

/// What only Mode has.
impl FakeMode {
    /// Adds a report with two queries and no runs to [`SPACE`](Self::SPACE); returns its token.
    ///
    /// Its first query takes the parameter `region`.
    #[allow(clippy::must_use_candidate, reason = "the token is a convenience")]
    pub fn add_report(&self, name: &str) -> String {
        self.lock().add_report(None, name, false)
    }

    /// Responds to the next request with 200 and the HTML of a login page. Nothing is carried out.
    pub fn login_page_next(&self) {
        self.lock().kit.respond_next(Ok(login_page()));
    }

    /// Whether links are paths that start with `/api`. Default `true`; otherwise they name the fake's own host.
    ///
    /// Links to files of a query run name the host in both cases; `web` names another one.
    pub fn relative_hrefs(&self, relative: bool) {
        self.lock().form.absolute = !relative;
    }

    /// Whether IDs in responses are numbers, as they were until 2024. Default `false`: text.
    pub fn numeric_ids(&self, numeric: bool) {
        self.lock().form.numeric_ids = numeric;
    }

    /// Whether the response to a clone or a deletion has the documented status 200. Default `false`: 202 and 204.
    pub fn documented_statuses(&self, documented: bool) {
        self.lock().documented_statuses = documented;
    }

    /// Whether the last page of a list links to one more, which is a 404. Default `false`.
    pub fn next_link_past_end(&self, linked: bool) {
        self.lock().form.next_past_end = linked;
    }

    /// Whether unfinished runs of reports carry the form `cancel`, which is then honoured. Default `false`: it is not documented.
    pub fn cancel_forms(&self, carried: bool) {
        self.lock().form.cancel_forms = carried;
    }

    /// Whether `filter` on runs gets 500. Default `false`: it filters, as documented.
    pub fn run_filter_fails(&self, fails: bool) {
        self.lock().run_filter_fails = fails;
    }

    /// Whether a number instead of a token in the path gets 400 and a body whose `id` is that number.
    /// Default `false`: 404, like any unknown token.
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
