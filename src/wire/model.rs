//! Models of JSON objects, and the compact reader that they share.
//!
//! serde's derive writes about 250 lines for each type that is read, and two more types for each member that is read by a
//! function. [`model!`] writes one `match` over the names; all else is here, once.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

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

            impl<'de $(, $parameter: serde::Deserialize<'de>)?> __model::Model<'de> for $name $(<$parameter>)? {
                const NAME: &'static str = stringify!($name);

                fn read<M: serde::de::MapAccess<'de>>(mut map: M) -> Result<Self, M::Error> {
                    struct __Read $(<$parameter>)? { $($member: Option<$type>,)* }

                    let mut read = __Read { $($member: None,)* };
                    while let Some(name) = map.next_key::<__model::Text<'de>>()? {
                        match &*name.0 {
                            $( $crate::wire::model!(@name $member $($wire)?) $($(| $alias)*)? => {
                                let name = $crate::wire::model!(@name $member $($wire)?);
                                $crate::wire::model!(@read_value (&mut read.$member, name, &mut map), $type $($(, $how $($with)?)?)?)
                            } )*
                            _ => map.next_value::<serde::de::IgnoredAny>().map(drop),
                        }?;
                    }
                    $( $crate::wire::model!(@fill (&mut read.$member, $crate::wire::model!(@name $member $($wire)?)) $($($how)?)?); )*
                    match read {
                        __Read { $($member: Some($member),)* } => Ok(Self { $($member,)* }),
                        // Each has been filled.
                        _ => Err(serde::de::Error::custom("a member is missing")),
                    }
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

    (@read_value $place:tt, $type:ty $(, default)?) => { __model::next $place };
    (@read_value $place:tt, $type:ty, $how:ident $with:path) => {{
        enum __Function {}

        impl __model::Function<$type> for __Function {
            fn call<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                $with(deserializer)
            }
        }

        __model::next_by::<__Function, _, _> $place
    }};

    (@fill $place:tt) => { __model::fill $place? };
    (@fill $place:tt required) => { __model::require $place? };
    (@fill $place:tt with) => { __model::fill_by_default $place };
    (@fill $place:tt default) => { __model::fill_by_default $place };
}

pub(crate) use super::raw::Text;
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

/// A function in the form of serde's `deserialize_with`.
pub(crate) trait Function<T> {
    fn call<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>;
}

/// Reads the value of a member. One that has been read is an error: nobody can tell which of its values is meant.
pub(crate) fn next<'de, T: Deserialize<'de>, M: MapAccess<'de>>(
    value: &mut Option<T>,
    name: &'static str,
    map: &mut M,
) -> Result<(), M::Error> {
    if value.is_some() {
        return Err(M::Error::duplicate_field(name));
    }
    *value = Some(map.next_value()?);
    Ok(())
}

/// As [`next`], by a function.
pub(crate) fn next_by<'de, F: Function<T>, T, M: MapAccess<'de>>(
    value: &mut Option<T>,
    name: &'static str,
    map: &mut M,
) -> Result<(), M::Error> {
    struct Called<T, F>(T, PhantomData<F>);

    impl<'de, T, F: Function<T>> Deserialize<'de> for Called<T, F> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Ok(Self(F::call(deserializer)?, PhantomData))
        }
    }

    if value.is_some() {
        return Err(M::Error::duplicate_field(name));
    }
    *value = Some(map.next_value::<Called<T, F>>()?.0);
    Ok(())
}

/// Fills in a member that is missing and may be.
pub(crate) fn fill_by_default<T: Default>(value: &mut Option<T>, _: &str) {
    value.get_or_insert_default();
}

/// Refuses an object without a member that it needs.
#[allow(dead_code, reason = "not every vendor has such members, and a vendor is a feature")]
pub(crate) fn require<T, E: Error>(value: &mut Option<T>, name: &'static str) -> Result<(), E> {
    if value.is_some() { Ok(()) } else { Err(E::missing_field(name)) }
}

/// Fills in `None` for a member that is missing, if it is an `Option`, and refuses an object without any other.
pub(crate) fn fill<'de, T: Deserialize<'de>, E: Error>(
    value: &mut Option<T>,
    name: &'static str,
) -> Result<(), E> {
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

    if value.is_none() {
        *value = Some(T::deserialize(Missing(name, PhantomData))?);
    }
    Ok(())
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
