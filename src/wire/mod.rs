//! How values look on the wire, whichever the vendor.

pub mod hal;
pub mod json;
pub mod lenient;
mod open_enum;
pub mod patch;
pub mod time;

#[doc(hidden)]
pub use self::open_enum::text as open_enum_text;
pub use self::open_enum::{Unrecognized, open_enum};
