//! Enums from the wire: an unknown value is kept and is never an error.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::drift;

/// A value that the vendor sent and this version of the crate does not know. Printed and sent back unchanged.
#[derive(Clone)]
pub struct Unrecognized(Box<str>);

impl Unrecognized {
    /// Keeps a value as the vendor writes it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The value as the vendor sent it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Unrecognized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl PartialEq for Unrecognized {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for Unrecognized {}

impl Hash for Unrecognized {
    fn hash<H: Hasher>(&self, state: &mut H) {
        folded(&self.0).for_each(|byte| byte.hash(state));
    }
}

/// Whether two strings are equal except for case and underscores: vendors spell one value `GOING_ON`, `goingOn` and `GOINGON`.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    one == other || folded(one).eq(folded(other))
}

fn folded(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase())
}

/// Declares a public enum for strings from the wire. Case and underscores are ignored in comparisons; unknown values become `Unknown`.
///
/// ```
/// scheduled_runs::wire::open_enum! {
///     /// State of a job.
///     JobState {
///         /// The job has finished.
///         Done = "DONE",
///     }
/// }
///
/// assert_eq!(JobState::from("done"), JobState::Done);
/// assert_eq!(JobState::from("PAUSED").to_string(), "PAUSED");
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __open_enum {
    (
        $(#[$meta:meta])*
        $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $text:literal ),+ $(,)? }
    ) => {
        $(#[$meta])*
        ///
        /// Comparisons ignore case and underscores. A value that this version does not know is kept as `Unknown` and sent back unchanged.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
            /// Any other value, as the vendor sent it.
            Unknown($crate::wire::Unrecognized),
        }

        impl $name {
            /// The value as the vendor spells it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )+
                    Self::Unknown(text) => text.as_str(),
                }
            }
        }

        impl ::std::convert::AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl ::std::convert::From<&str> for $name {
            fn from(text: &str) -> Self {
                $( if $crate::wire::open_enum_same(text, $text) { return Self::$variant; } )+
                Self::Unknown($crate::wire::Unrecognized::new(text))
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = ::std::convert::Infallible;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                Ok(text.into())
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::__private::serde::Serialize for $name {
            fn serialize<S: $crate::__private::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> $crate::__private::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::__private::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                $crate::wire::open_enum_read(deserializer, stringify!($name), |value| matches!(value, Self::Unknown(_)))
            }
        }
    };
}

pub use __open_enum as open_enum;

/// Reads an enum from a string, without copying it first.
#[allow(clippy::missing_errors_doc, reason = "not part of the interface")]
pub fn read<'de, D: serde::Deserializer<'de>, T: for<'a> From<&'a str>>(
    deserializer: D,
    type_name: &'static str,
    is_unknown: fn(&T) -> bool,
) -> Result<T, D::Error> {
    struct Text<T>(&'static str, fn(&T) -> bool);

    impl<T: for<'a> From<&'a str>> serde::de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E>(self, text: &str) -> Result<T, E> {
            let Self(type_name, is_unknown) = self;
            let value = T::from(text);
            if is_unknown(&value) {
                drift::unknown_value(type_name, text);
            }
            Ok(value)
        }
    }

    deserializer.deserialize_str(Text(type_name, is_unknown))
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro declares public enums")]
mod tests {
    use super::*;
    use crate::wire::open_enum;

    open_enum! {
        /// A state.
        State {
            /// It has finished.
            Done = "DONE",
            /// It is running.
            GoingOn = "GOING_ON",
        }
    }

    /// Hashes alike in each process.
    const FIXED: std::hash::BuildHasherDefault<std::hash::DefaultHasher> =
        std::hash::BuildHasherDefault::new();

    #[test]
    fn known_values_ignore_case_and_underscores_and_print_as_the_vendor_spells_them() {
        for text in ["GOING_ON", "going_on", "Going_On", "goingOn", "GOINGON"] {
            assert_eq!(State::from(text), State::GoingOn);
        }
        assert_eq!(State::Done.to_string(), "DONE");
        assert_eq!(format!("[{:<6}]", State::Done), "[DONE  ]");
    }

    #[test]
    fn unknown_values_survive_a_round_trip() {
        for text in ["Paused", "", "ZUSTAND ü", "\"quoted\""] {
            let json = serde_json::to_string(text).unwrap();
            let state: State = serde_json::from_str(&json).unwrap();
            assert!(matches!(&state, State::Unknown(kept) if kept.as_str() == text));
            assert_eq!(serde_json::to_string(&state).unwrap(), json);
            assert_eq!("x".parse::<State>().unwrap(), State::from("X"));
        }
    }

    #[test]
    fn equal_values_hash_alike() {
        let set: std::collections::HashSet<State> =
            ["paused", "PAUSED", "PAU_SED", "done"].map(State::from).into();
        assert_eq!(set.len(), 2);
    }

    #[test]
    fn different_values_are_different_and_print_as_they_came() {
        let [one, other] = ["paused", "stopped"].map(State::from);
        assert_ne!(one, other);
        let hash = |state: &State| std::hash::BuildHasher::hash_one(&FIXED, state);
        assert_ne!(hash(&one), hash(&other));
        assert_eq!(format!("{one:?}"), r#"Unknown("paused")"#);
        let error = serde_json::from_str::<State>("7").unwrap_err().to_string();
        assert!(error.contains("expected a string"), "{error}");
    }
}
