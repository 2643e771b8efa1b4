//! The API of the transfers: transfers, their runs, and backfills.

mod responses;
mod routes;
mod state;

use super::super::kit::{FakeServer, FakeVendor, StartsRuns};
use crate::client::ClientBuilder;
use crate::supermetrics::ApiKey;
use crate::supermetrics::transfers::Transfers;

use self::state::State;

/// A running fake of Supermetrics' transfers. The methods that all fakes have are described with [`FakeServer`].
///
/// It keeps the transfers of one team, their runs and backfills, and it is strict: it refuses a parameter or a member of a body that
/// the API does not define. A backfill takes a step whenever it is polled, and at every fifth list that contains it; its runs, one for
/// each day, are created with the first step and end with it.
///
/// What is run is a transfer, and what a trigger starts is a backfill. Ids of runs are those that the
/// [client](crate::supermetrics::transfers::Client) uses: `backfill-7` and `run-7`. A run that is [added](Self::add_run) was started by
/// the schedule. What somebody else [triggers](Self::trigger_from_elsewhere) is a backfill of yesterday, which is never refused.
///
/// At the start there are [`TRANSFER`](Self::TRANSFER) with four runs of its schedule, one of which failed, and
/// [`PAUSED_TRANSFER`](Self::PAUSED_TRANSFER), which never ran.
///
/// The wording of messages is the fake's own. Inferred, since it is not documented: the status and code of a range that overlaps, that the
/// range of a list of runs is about their creation, their order if none is asked for (newest first), the statuses of runs that have
/// not ended, and that issues are runs that failed.
pub type FakeTransfers = FakeServer<Transfers>;

impl FakeVendor for Transfers {
    type State = State;

    fn set_up(_: &FakeTransfers, builder: ClientBuilder<Self>) -> ClientBuilder<Self> {
        builder.credential(ApiKey::new(FakeTransfers::API_KEY)).team(FakeTransfers::TEAM)
    }
}

impl StartsRuns for Transfers {}

/// What is there from the start.
impl FakeTransfers {
    /// The only API key.
    pub const API_KEY: &'static str = "api_fake-key_9Tq30wLd";
    /// The only team.
    pub const TEAM: u64 = 7301;
    /// A transfer with four runs.
    pub const TRANSFER: &'static str = "501733";
    /// A transfer that is paused, and never ran.
    pub const PAUSED_TRANSFER: &'static str = "501001";
}

/// What only the transfers have.
impl FakeTransfers {
    /// Adds an active transfer without runs; returns its id.
    #[allow(clippy::must_use_candidate, reason = "the id is a convenience")]
    pub fn add_transfer(&self, name: &str) -> String {
        self.lock().add_transfer(name)
    }

    /// Whether a backfill that overlaps an active one of the same transfer is refused. Default `true`.
    pub fn refuse_overlaps(&self, refused: bool) {
        self.lock().accepts_overlaps = !refused;
    }
}
