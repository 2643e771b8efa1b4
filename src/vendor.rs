//! The name of a vendor.

use std::borrow::Cow;
use std::fmt::{self, Debug};

/// Name of a vendor: lower-case letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vendor(Cow<'static, str>);

impl Vendor {
    /// A vendor known when the program is compiled.
    ///
    /// # Panics
    /// If the name is empty or has other characters: when the program is compiled, for a constant.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        assert!(
            Self::is_name(name.as_bytes()),
            "a vendor's name is lower-case letters, digits, `-` and `_`"
        );
        Self(Cow::Borrowed(name))
    }

    const fn is_name(name: &[u8]) -> bool {
        let mut rest = name;
        while let [byte, after @ ..] = rest {
            if !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') {
                return false;
            }
            rest = after;
        }
        !name.is_empty()
    }

    /// A vendor named at run time; `None` if this is not a vendor's name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::is_name(name.as_bytes()).then(|| Self(Cow::Owned(name.to_owned())))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}
