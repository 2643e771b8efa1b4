//! A stateful fake of Palantir Foundry's orchestration API v2, on loopback.
//!
//! [`FakeFoundry`] serves schedules, their versions and runs, builds, jobs, the schedules of a dataset, and the OAuth 2.0
//! token endpoint for client credentials. It keeps what callers change, and it is strict: it refuses a parameter or body
//! member that the API does not define, and a preview operation without `preview=true`. Nothing moves by itself. A run
//! gets its result as it is listed, and a build takes a step at every poll, alone or in a batch, so tests need no sleep.
//!
//! Inferred, since it is not documented: that stable operations take `preview` too, that responses have the header
//! `X-B3-TraceId`, that paused schedules can be run, that a search without an order has the latest build first, the bodies
//! of OAuth 2.0 refusals, and that [`Plan::skipped`](super::Plan::skipped) and
//! [`Plan::submit_fails`](super::Plan::submit_fails) refuse a build that is created without a schedule. The fake does not
//! check that datasets and projects exist.

mod checks;
mod lists;
mod responses;
mod routes;
mod state;

use super::kit::{FakeServer, FakeVendor, HandsOutTokens, StartsRuns};
use crate::client::ClientBuilder;
use crate::foundry::{ClientCredentials, Foundry};

use self::state::State;

/// A running fake of Foundry. The methods that all fakes have are described with [`FakeServer`].
///
/// At the start it knows three schedules: [`NIGHTLY_ORDERS`](Self::NIGHTLY_ORDERS) (six daily runs with all kinds
/// of results), [`HOURLY_TRAFFIC`](Self::HOURLY_TRAFFIC) (no runs yet) and
/// [`RETIRED_REPORT`](Self::RETIRED_REPORT) (paused).
///
/// A plan given to [`next_run`](Self::next_run) is also used up by a build that is created without a schedule.
/// [`finish`](Self::finish) ends the build with this RID, or the one submitted by the run with this RID; a run that has
/// no result yet submits its build first, and lists show it at once.
pub type FakeFoundry = FakeServer<Foundry>;

impl FakeVendor for Foundry {
    type State = State;

    fn set_up(_: &FakeFoundry, builder: ClientBuilder<Self>) -> ClientBuilder<Self> {
        let (id, secret) = (FakeFoundry::CLIENT_ID, FakeFoundry::CLIENT_SECRET);
        builder.credential(ClientCredentials::new(id, secret))
    }
}

impl StartsRuns for Foundry {}
impl HandsOutTokens for Foundry {}

/// What is there from the start.
impl FakeFoundry {
    /// What the token request's `client_id` must be.
    pub const CLIENT_ID: &'static str = "fake-client-id";
    /// What the token request's `client_secret` must be.
    pub const CLIENT_SECRET: &'static str = "fake+client/secret%1";
    /// The user of all callers: `createdBy` of what they make.
    pub const USER: &'static str = "2c9e51d7-06b8-4fa3-9d41-b58e7a60c312";
    /// A dataset that all schedules of the fake build, besides one of their own. Schedules that callers create need not.
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

    const VERSION_2: &'static str = "/api/v2";
}

/// What only Foundry has.
impl FakeFoundry {
    /// Adds a schedule that is not paused and has no runs; returns its RID. Its builds have two jobs.
    #[allow(clippy::must_use_candidate, reason = "the RID is a convenience")]
    pub fn add_schedule(&self, name: &str) -> String {
        let mut state = self.lock();
        let rid = state.new_rid("scheduler.main.schedule");
        state.add_schedule(&rid, name);
        rid
    }

    /// How many lists show a triggered run without its result. Default 1; a plan may
    /// [say otherwise](super::Plan::after_lists).
    pub fn result_after_lists(&self, lists: usize) {
        self.lock().result_after_lists = lists;
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
