//! Ids from the wire: one type for each kind of resource, so that they cannot be mixed up.

/// Declares a public id type: opaque, printed and sent back unchanged.
///
/// ```
/// scheduled_runs::wire::id! {
///     /// Id of a job.
///     JobId
/// }
///
/// assert_eq!(JobId::from("a/7").to_string(), "a/7");
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        ///
        /// Opaque: it is printed and sent back unchanged.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The id as the vendor sent it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::convert::AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl ::std::convert::From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl ::std::convert::From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }

        impl ::std::convert::From<&String> for $name {
            fn from(id: &String) -> Self {
                Self(id.as_str().into())
            }
        }

        impl ::std::convert::From<&Self> for $name {
            fn from(id: &Self) -> Self {
                id.clone()
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = ::std::convert::Infallible;

            fn from_str(id: &str) -> ::std::result::Result<Self, Self::Err> {
                Ok(id.into())
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl $crate::__private::serde::Serialize for $name {
            fn serialize<S: $crate::__private::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> $crate::__private::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::__private::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                <Box<str> as $crate::__private::serde::Deserialize>::deserialize(deserializer).map(Self)
            }
        }
    };
}

pub use __id as id;

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro declares public types")]
mod tests {
    use crate::wire::id;

    id! {
        /// Id of a thing.
        ThingId
    }

    #[test]
    fn an_id_is_printed_and_sent_back_unchanged() {
        for text in ["a", "", " a/b ", "\u{fc}"] {
            let json = serde_json::to_string(text).unwrap();
            let id: ThingId = serde_json::from_str(&json).unwrap();
            assert_eq!((id.as_str(), serde_json::to_string(&id).unwrap()), (text, json));
            assert_eq!(ThingId::from(&id), id);
            assert_eq!(text.parse::<ThingId>().unwrap(), id);
        }
        assert_eq!(format!("[{:<3}]", ThingId::from("a".to_owned())), "[a  ]");
        assert!(serde_json::from_str::<ThingId>("7").is_err());
    }
}
