//! Wire formats that several vendors share.

pub(crate) mod drift;
pub mod hal;
mod id;
pub mod lenient;
pub(crate) mod model;
mod open_enum;
pub mod patch;
pub(crate) mod place;
pub(crate) mod raw;
pub(crate) mod repair;
pub mod time;
pub(crate) mod union;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde::{Serialize, Serializer};

pub use self::drift::{Drift, DriftKind};
pub use self::id::id;
pub(crate) use self::model::model;
pub use self::open_enum::{Unrecognized, open_enum};
#[doc(hidden)]
pub use self::open_enum::{read as open_enum_read, same as open_enum_same};
pub use self::raw::RawJson;
pub use self::union::open_union;
#[doc(hidden)]
pub use self::union::read as open_union_read;

/// Everything but letters, digits, `-`, `.`, `_` and `~` is percent-encoded: the unreserved set of RFC 3986.
pub(crate) const UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether [`UNRESERVED`] leaves this byte as it is.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// An object with one member: its name and its value.
#[allow(dead_code, reason = "not every vendor reads such objects, and a vendor is a feature")]
pub(crate) struct Only<'a, T>(pub(crate) &'a str, pub(crate) T);

impl<T: Serialize> Serialize for Only<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, &self.1)])
    }
}

/// FNV-1a, 64 bits: the same in every process and every version.
pub(crate) fn stable_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn hashes_are_those_that_are_published() {
        assert_eq!(super::stable_hash("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
