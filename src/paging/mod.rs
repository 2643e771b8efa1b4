//! Lists that come page by page.

pub(crate) mod page;
pub(crate) mod walk;

pub use self::page::{Cursor, Page};
pub use self::walk::{Items, Pages};
