#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

// So that a link in what a macro documents leads here from any crate.
#[allow(unused_extern_crates, reason = "only links use it")]
extern crate self as scheduled_runs;

pub mod client;
pub mod error;
pub mod guide;
pub mod paging;
mod redact;
pub mod run;
mod vendor;
pub mod webhook;
pub mod wire;

#[cfg(feature = "adobe")]
pub mod adobe;
#[cfg(feature = "arcgis")]
pub mod arcgis;
#[cfg(feature = "mode")]
pub mod mode;

#[cfg(feature = "foundry")]
pub mod foundry;

#[cfg(feature = "supermetrics")]
pub mod supermetrics;

#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
pub mod __private {
    pub use bytes::Bytes;
    pub use http::Method;
    pub use serde;
    pub use url::Url;
}

pub use self::client::{CallLimits, CallOptions, Client, ClientBuilder, Response, Vendor};
pub use self::error::{Delivery, Error, ErrorKind, Result, TimeoutPhase};
pub use self::paging::{Cursor, Items, Page, Pages};
pub use self::run::{
    CancelOutcome, Failure, Phase, Progress, RunProvider, RunProviderExt, RunRef, RunSnapshot,
    StartIntent, Target,
};
