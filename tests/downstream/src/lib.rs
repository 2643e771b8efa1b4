//! Runs the nightly reports at Foundry, at Mode, or at Loom, the company's own job runner. If a report fails, it pages the person on
//! call.
//!
//! A line of configuration says at which vendor a report is: `mode:d4e81f02a7c6`. The code does not depend on the vendor.

mod error;
pub mod loom;
mod nightly;
mod vendors;

pub use self::error::{Error, Result};
pub use self::nightly::{Nightly, Pager};
pub use self::vendors::Vendors;
