//! Support for tests of this crate and of yours. Nothing here talks to a vendor.
//!
//! | what | for |
//! |---|---|
//! | [`ScriptedTransport`] | a client whose responses you write, and whose requests you read |
//! | [`ManualClock`] | sleeps that take no time |
//! | [`FakeProvider`] | code that triggers and waits, without HTTP |
//! | [`contract`] | checks that your own [`RunProvider`](crate::RunProvider) does what waits and triggers rely on |
#![cfg_attr(
    feature = "adobe",
    doc = "| [`adobe::FakeAdobe`] | Adobe, on loopback: strict and stateful |"
)]
#![cfg_attr(
    feature = "arcgis",
    doc = "| [`arcgis::FakeArcGis`] | ArcGIS, on loopback: strict and stateful |"
)]
#![cfg_attr(
    feature = "foundry",
    doc = "| [`foundry::FakeFoundry`] | Foundry, on loopback: strict and stateful |"
)]
#![cfg_attr(
    feature = "mode",
    doc = "| [`mode::FakeMode`] | Mode, on loopback: strict and stateful |"
)]
#![cfg_attr(
    feature = "supermetrics",
    doc = "| [`supermetrics::FakeSupermetrics`] | Supermetrics, on loopback: strict and stateful |\n| [`supermetrics::FakeTransfers`] | its data warehouse transfers, on loopback: strict and stateful |"
)]
//!
//! The fake servers are one type, [`FakeServer`], with the same methods at every vendor; [`Plan`] says how their next run
//! goes, and [`NewRun`] adds a run that exists already. Where the vendor has webhooks, the fake [sends
//! them](FakeServer::webhook). The guide says [which tool is for which
//! test](crate::guide::testing).
//!
//! ```
//! use scheduled_runs::testing::{ManualClock, ScriptedTransport};
//! use scheduled_runs::{ErrorKind, adobe};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> scheduled_runs::Result<()> {
//! let (script, clock) = (ScriptedTransport::default(), ManualClock::default());
//! let client = adobe::Client::builder()
//!     .org_id("0123456789ABCDEF@AdobeOrg")
//!     .sandbox("dev")
//!     .transport(script.clone())
//!     .clock(clock.clone())
//!     .build()?;
//!
//! script.respond(503, "");
//! script.respond(200, r#"{"runsSchedules":[]}"#);
//! let page = client.send(adobe::ListRuns::new("nightly")).await?;
//! assert!(page.items.is_empty());
//! assert_eq!((script.sent().len(), clock.sleeps().len()), (2, 1));
//! # Ok(()) }
//! ```

#![allow(clippy::panic, reason = "a misused fake or a broken contract fails the test")]
#![allow(clippy::disallowed_methods, reason = "a fake server has its own clock and parser")]
#![allow(
    unnameable_types,
    missing_debug_implementations,
    reason = "the state of a fake is reachable through a sealed trait, but nobody uses it"
)]

#[cfg(feature = "adobe")]
pub mod adobe;
#[cfg(feature = "arcgis")]
pub mod arcgis;
pub mod contract;
#[cfg(feature = "foundry")]
pub mod foundry;
#[cfg(feature = "mode")]
pub mod mode;
#[cfg(feature = "supermetrics")]
pub mod supermetrics;

mod clock;
#[allow(
    dead_code,
    unused_imports,
    reason = "each fake uses what its vendor has, and there may be no fake at all"
)]
mod kit;
mod provider;
mod transport;

pub use self::clock::ManualClock;
pub use self::kit::{
    FakeServer, FakeVendor, HandsOutTokens, NewRun, Plan, SeenRequest, SendsWebhooks, StartsRuns,
    Webhook,
};
pub use self::provider::FakeProvider;
pub use self::transport::ScriptedTransport;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks even if another test panicked while it held the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
