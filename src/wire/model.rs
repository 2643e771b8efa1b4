//! Models of JSON objects, and the compact reader that they share.
//!
//! serde's derive writes about 250 lines for each type that is read, and two more types for each member that is read by a
//! function. [`model!`] writes one `match` over the names and one over the members; all else is here, once.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

/// Declares an object from the wire: a struct that can be read, and written as well if it is `pub`.
///
/// | member | meaning |
/// |---|---|
/// | `id: RunId` | a member of this name; if it is missing, an `Option` is `None`, and anything else is an error |
/// | `run_at: Time as "runAt"` | the vendor's name, if it is another |
/// | `as "runAt" \| "run_at"` | further names that are read |
/// | `as "tags" default` | its `Default`, if it is missing |
/// | `as "size" with lenient::count` | read by this function, in the form of serde's `deserialize_with`; its `Default`, if it is missing |
/// | `as "id" required text_id` | read by this function; an error if it is missing |
///
/// `#[serde(…)]` at a member says how it is written. Unknown members are skipped; a member that is there twice is an error. A struct
/// that is not `pub` may have a type parameter, which only members without a function name. What does not fit derives `Deserialize`.
macro_rules! model {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(
                $(#[$member_meta:meta])*
                $vis:vis $member:ident: $type:ty
                $(as $wire:literal $(| $alias:literal)* $($how:ident $($with:path)?)?)?
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(serde::Serialize)]
        pub struct $name {
            $( $(#[$member_meta])* $(#[serde(rename = $wire)])? $vis $member: $type, )*
        }

        $crate::wire::model! {
            @read $name { $( $member: $type $(as $wire $(| $alias)* $($how $($with)?)?)?, )* }
        }
    };

    (
        $(#[$meta:meta])*
        $struct_vis:vis struct $name:ident $(<$parameter:ident>)? {
            $(
                $(#[$member_meta:meta])*
                $vis:vis $member:ident: $type:ty
                $(as $wire:literal $(| $alias:literal)* $($how:ident $($with:path)?)?)?
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        $struct_vis struct $name $(<$parameter>)? {
            $( $(#[$member_meta])* $vis $member: $type, )*
        }

        $crate::wire::model! {
            @read $name $(<$parameter>)? { $( $member: $type $(as $wire $(| $alias)* $($how $($with)?)?)?, )* }
        }
    };

    (
        @read $name:ident $(<$parameter:ident>)? {
            $( $member:ident: $type:ty $(as $wire:literal $(| $alias:literal)* $($how:ident $($with:path)?)?)?, )*
        }
    ) => {
        const _: () = {
            use $crate::wire::model as __model;

            #[allow(non_camel_case_types, reason = "named after the members")]
            enum __Member { $($member,)* }

            fn __member(name: &str) -> Option<__Member> {
                match name {
                    $( $crate::wire::model!(@name $member $($wire)?) $($(| $alias)*)? => Some(__Member::$member), )*
                    _ => None,
                }
            }

            impl<'de $(, $parameter: serde::Deserialize<'de>)?> __model::Model<'de> for $name $(<$parameter>)? {
                const NAME: &'static str = stringify!($name);

                fn read<M: serde::de::MapAccess<'de>>(mut map: M) -> Result<Self, M::Error> {
                    $(let mut $member: Option<$type> = None;)*
                    while let Some(name) = map.next_key_seed(__model::Name(__member))? {
                        match name {
                            $( Some(__Member::$member) => {
                                __model::once($member.is_some(), $crate::wire::model!(@name $member $($wire)?))?;
                                $member = Some($crate::wire::model!(@value map, $type $($(, $how $($with)?)?)?));
                            } )*
                            None => {
                                map.next_value::<serde::de::IgnoredAny>()?;
                            }
                        }
                    }
                    Ok(Self {
                        $(
                            $member: match $member {
                                Some(value) => value,
                                None => $crate::wire::model!(@missing M ($crate::wire::model!(@name $member $($wire)?)) $($($how)?)?),
                            },
                        )*
                    })
                }
            }

            impl<'de $(, $parameter: serde::Deserialize<'de>)?> serde::Deserialize<'de> for $name $(<$parameter>)? {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    __model::read(deserializer)
                }
            }
        };
    };

    (@name $member:ident $wire:literal) => { $wire };
    (@name $member:ident) => { stringify!($member) };

    (@value $map:ident, $type:ty $(, default)?) => { $map.next_value()? };
    (@value $map:ident, $type:ty, $how:ident $with:path) => {{
        struct __Value($type);

        impl<'de> serde::Deserialize<'de> for __Value {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $with(deserializer).map(Self)
            }
        }

        $map.next_value::<__Value>()?.0
    }};

    (@missing $map:ident $name:tt) => { __model::missing($name)? };
    (@missing $map:ident $name:tt required) => {
        return Err(<$map::Error as serde::de::Error>::missing_field($name))
    };
    (@missing $map:ident $name:tt with) => { Default::default() };
    (@missing $map:ident $name:tt default) => { Default::default() };
}

pub(crate) use model;

/// What [`model!`] writes for a type.
pub(crate) trait Model<'de>: Sized {
    const NAME: &'static str;

    fn read<M: MapAccess<'de>>(map: M) -> Result<Self, M::Error>;
}

pub(crate) fn read<'de, T: Model<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Model<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "struct {}", T::NAME)
        }

        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
            T::read(map)
        }
    }

    // No format that this crate reads needs the names.
    deserializer.deserialize_struct(T::NAME, &[], Object(PhantomData))
}

/// Reads the name of a member.
pub(crate) struct Name<T>(pub fn(&str) -> Option<T>);

impl<'de, T> DeserializeSeed<'de> for Name<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<T> Visitor<'_> for Name<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<T>, E> {
        Ok(self.0(name))
    }
}

/// Refuses a member that has been read: nobody can tell which of its values is meant.
pub(crate) fn once<E: Error>(was_read: bool, name: &'static str) -> Result<(), E> {
    if was_read { Err(E::duplicate_field(name)) } else { Ok(()) }
}

/// The value of a member that is missing: `None`, if it is an `Option`.
pub(crate) fn missing<'de, T: Deserialize<'de>, E: Error>(name: &'static str) -> Result<T, E> {
    struct Missing<E>(&'static str, PhantomData<E>);

    impl<'de, E: Error> Deserializer<'de> for Missing<E> {
        type Error = E;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, E> {
            Err(E::missing_field(self.0))
        }

        fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            visitor.visit_none()
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
            newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }

    T::deserialize(Missing(name, PhantomData))
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro declares public structs")]
mod tests {
    use crate::wire::lenient;

    model! {
        /// A job.
        #[derive(Debug, PartialEq)]
        pub struct Job {
            /// Its id.
            id: u8,
            /// Its name.
            name: Option<String>,
            /// Its type.
            r#type: Option<String> as "type",
            /// When it ran.
            run_at: Option<String> as "runAt" | "run_at",
            /// Its tags.
            tags: Vec<String> as "tags" default,
            /// Its size.
            #[serde(skip_serializing_if = "Option::is_none")]
            size: Option<u64> as "size" with lenient::count,
            /// Its owner.
            owner: Option<Box<str>> as "owner" required lenient::text,
        }
    }

    model! {
        struct List<T> {
            items: Vec<T>,
        }
    }

    fn read(json: &str) -> Result<Job, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn members_are_read_by_their_names_and_written_under_the_first() {
        let json = r#"{"new":[{}],"owner":7,"id":2,"name":"a","type":"b","run_at":"c","tags":["d"],"size":"9"}"#;
        let job = read(json).unwrap();
        let [name, r#type, run_at] = ["a", "b", "c"].map(|text| Some(text.to_owned()));
        let tags = vec!["d".to_owned()];
        let expected =
            Job { id: 2, name, r#type, run_at, tags, size: Some(9), owner: Some("7".into()) };
        assert_eq!(job, expected);
        let written = serde_json::to_string(&job).unwrap();
        let names =
            r#"{"id":2,"name":"a","type":"b","runAt":"c","tags":["d"],"size":9,"owner":"7"}"#;
        assert_eq!(written, names);
        let List::<Job> { items } =
            serde_json::from_str(&format!(r#"{{"items":[{names}]}}"#)).unwrap();
        assert_eq!(items, [expected]);
    }

    #[test]
    fn a_missing_member_is_empty_unless_the_object_is_useless_without_it() {
        let job = read(r#"{"id":1,"owner":null}"#).unwrap();
        assert_eq!((job.name, job.run_at, job.size, job.owner), (None, None, None, None));
        assert!(job.tags.is_empty());
        for (json, error) in [
            (r#"{"owner":"x"}"#, "missing field `id` at line 1 column 13"),
            (r#"{"id":1}"#, "missing field `owner` at line 1 column 8"),
            (
                r#"{"id":1,"tags":null}"#,
                "invalid type: null, expected a sequence at line 1 column 19",
            ),
            (
                r#"{"id":1,"runAt":"a","run_at":null}"#,
                "duplicate field `runAt` at line 1 column 28",
            ),
            ("[1]", "invalid type: sequence, expected struct Job at line 1 column 1"),
        ] {
            assert_eq!(read(json).unwrap_err(), error);
        }
    }
}
