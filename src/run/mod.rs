//! One run, whichever the vendor: what it is, its phase, how it ended and why.
//!
//! A [`RunProvider`] speaks for one vendor; [`RunProviderExt`] adds what every provider can do with it: trigger a run and learn
//! its id, wait for its end, resume a wait in another process.

mod due;
mod events;
mod ext;
mod finished;
mod history;
mod intent;
#[cfg(test)]
mod interleavings;
pub(crate) mod model;
mod parse;
mod polls;
mod provider;
mod recover;
mod runs;
mod search;
mod start;
mod trace;
mod trigger;
mod wait;
mod wait_all;

pub use self::events::{Event, Events};
pub use self::ext::RunProviderExt;
pub use self::finished::FinishedWait;
pub use self::history::History;
pub use self::intent::StartIntent;
pub use self::model::{Failure, Phase, Progress, RunRef, RunSnapshot, Target};
pub use self::provider::{CancelOutcome, Capabilities, RecentRuns, RunProvider, Triggered};
pub use self::recover::{Recover, Recovery};
pub use self::runs::Runs;
pub use self::start::{Prepare, Prepared};
pub use self::trigger::Trigger;
pub use self::wait::Wait;
pub use self::wait_all::WaitAll;
