//! Runs the nightly reports, wherever they live: at Foundry, at Mode, or at Loom, the house's own job runner. If a report
//! does not come out, somebody is paged who can do something about it.
//!
//! Which vendor a report lives at is a line of configuration, `mode:d4e81f02a7c6`. Nothing here depends on it.

mod error;
pub mod loom;
mod nightly;
mod vendors;

pub use self::error::{Error, Result};
pub use self::nightly::{Nightly, Pager};
pub use self::vendors::Vendors;
