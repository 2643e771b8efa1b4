//! A stateful fake of Adobe Experience Platform Query Service, on loopback.
//!
//! [`FakeAdobe`] serves schedules, their runs, queries, templates, alert subscriptions, accelerated queries, and the
//! token endpoint of IMS. For connection parameters, IP access and accounts, set the response with
//! [`respond_next_with`](super::FakeServer::respond_next_with). The fake keeps what callers change, and it is strict: it
//! refuses a header, parameter or body member that the service does not know.
//! Nothing moves by itself. A triggered run takes a step at every poll of its details, and at every fifth list that
//! contains it, so tests need no sleep.
//!
//! It sends [webhooks](FakeServer::webhook) when a run starts and ends, signed with keys of its own, and keeps the same events in a
//! [journal](FakeAdobe::journal_url), which is empty at the start. To sign needs the feature `rustls` or `rustls-no-provider`.
//!
//! The wording of messages is the fake's own. Inferred, since it is not documented: the bodies of the service's
//! refusals, that an ID filters runs' queries in decoded form, the states of a run and of its query after a cancel
//! (see [`FakeAdobe::cancelled_state`]), that pages of alerts count from 0, that enabling or subscribing twice
//! succeeds, the type of events and that of a cancelled run, and that a position nobody knows is a bad request.

mod accelerated_queries;
mod alerts;
mod events;
mod lists;
mod responses;
mod routes;
mod signing;
mod state;
mod templates;

use super::kit::{FakeServer, FakeVendor, HandsOutTokens, SendsWebhooks, StartsRuns};
use crate::adobe::{Adobe, Row, ServerToServer};
use crate::client::ClientBuilder;

pub use self::lists::LinkForm;
use self::state::State;

/// A running fake of Adobe. The methods that all fakes have are described with [`FakeServer`].
///
/// At the start it knows three schedules: `nightly-orders` (six daily runs, the last but one failed),
/// `hourly-traffic` (five runs) and `retired-report` (disabled).
///
/// If several runs have the ID that is [finished](Self::finish), one that still goes on is taken.
pub type FakeAdobe = FakeServer<Adobe>;

impl FakeVendor for Adobe {
    type State = State;

    fn set_up(fake: &FakeAdobe, builder: ClientBuilder<Self>) -> ClientBuilder<Self> {
        let source = ServerToServer::new(FakeAdobe::CLIENT_ID, FakeAdobe::CLIENT_SECRET);
        builder
            .credential(source.token_url(fake.token_url()))
            .org_id(FakeAdobe::ORG_ID)
            .sandbox(FakeAdobe::SANDBOX)
    }
}

impl StartsRuns for Adobe {}
impl HandsOutTokens for Adobe {}
impl SendsWebhooks for Adobe {}

/// What is there from the start.
impl FakeAdobe {
    /// What `x-api-key` and the token request's `client_id` must be.
    pub const CLIENT_ID: &'static str = "fake-client-id";
    /// What the token request's `client_secret` must be.
    pub const CLIENT_SECRET: &'static str = "fake-client-secret";
    /// What `x-gw-ims-org-id` must be.
    pub const ORG_ID: &'static str = "0F1E2D3C4B5A69788796A5B4@AdobeOrg";
    /// What `x-sandbox-name` must be.
    pub const SANDBOX: &'static str = "dev";
    /// An address that does not belong to an Adobe ID, and so cannot subscribe to alerts. All others can.
    pub const UNREGISTERED: &'static str = "nobody@unregistered.example";
}

/// IDs in the forms that the service uses.
impl FakeAdobe {
    /// The ID of a run: base64 of its kind and time, such as `scheduled__2026-02-03T04:00:00+00:00`.
    #[must_use]
    pub fn run_id(decoded: &str) -> String {
        state::encoded(decoded)
    }

    /// A schedule ID as long as real ones: organisation, sandbox and name in one.
    #[must_use]
    pub fn schedule_id(name: &str) -> String {
        let lower = name.to_lowercase();
        let slug = lower.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        format!("a41f09c2e7b35d8860f1c3d2_6b0c1d9e-52f7-4e1a-8d3c-0f9e8d7c6b5a_{slug}")
    }
}

/// What only Adobe has.
#[allow(clippy::must_use_candidate, reason = "the IDs returned are a convenience")]
impl FakeAdobe {
    /// Adds a schedule that is `ENABLED` and has no runs; returns its ID.
    pub fn add_schedule(&self, id: &str) -> String {
        self.lock().add_enabled_schedule(id);
        id.to_owned()
    }

    /// Sets the state of a schedule: `ENABLED`, `DISABLED`, `REGISTERING`, or one that nobody knows yet.
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

    /// Adds a query template; returns its ID.
    pub fn add_template(&self, name: &str, sql: &str) -> String {
        let template = self.lock().add_template(name, sql, None);
        state::text_of(&template, "id").unwrap_or_default()
    }

    /// Where the journal is that has the events of runs. It takes the token and the client ID, and the organization as `x-ims-org-id`.
    #[must_use]
    pub fn journal_url(&self) -> String {
        self.at(events::JOURNAL)
    }

    /// Lets all events in the journal expire: who has not read the last of them misses some, and gets 410.
    pub fn expire_journal(&self) {
        self.lock().journal.expire();
    }

    /// Where the public keys are that webhooks are signed with. The headers of a webhook have the paths.
    #[must_use]
    pub fn key_host(&self) -> String {
        self.at("")
    }

    /// Sets the rows that accelerated queries find, whatever they ask for. Default: one row, `{"one": 1}`.
    pub fn accelerated_rows(&self, rows: impl IntoIterator<Item = Row>) {
        self.lock().accelerated = rows.into_iter().collect();
    }

    /// How many lists leave a triggered run out before the first that contains it. Default 1; a plan may
    /// [say otherwise](super::Plan::after_lists).
    pub fn show_runs_after_lists(&self, lists: usize) {
        self.lock().unseen_lists = lists;
    }

    /// State of a cancelled run, which the next poll shows. Default `FAILED`, as the service is believed to do: only the query of
    /// the run says `KILLED`. So a run that is [added](Self::add_run), [planned](super::Plan::ends) or
    /// [finished](Self::finish) as `KILLED` counts as cancelled, too.
    pub fn cancelled_state(&self, state: &str) {
        state.clone_into(&mut self.lock().after_cancel);
    }

    /// How lists announce their next page. Default [`LinkForm::Object`].
    pub fn link_form(&self, form: LinkForm) {
        self.lock().links.form = form;
    }

    /// Whether templates and alerts link on from their last page, as in the vendor's samples: a page of templates to its own last
    /// item, so that pages overlap and the last one links to itself; a page of alerts to the next number, where there are none.
    /// Default `false`, since the vendor's own client never ends on such lists.
    pub fn next_link_past_end(&self, linked: bool) {
        self.lock().links.past_end = linked;
    }

    /// Whether the query filter `scheduleRunId` takes run IDs as they are. Default `false`: only decoded ones match.
    pub fn filter_by_encoded_run_id(&self, encoded: bool) {
        self.lock().filter_by_encoded_id = encoded;
    }
}
