//! Values that vendors write in more than one way, for serde's `deserialize_with`. A value that cannot be read is `None`;
//! only invalid JSON is an error.
//!
//! A member needs none of these to be optional, whatever its type: [`json::decode`](crate::client::json::decode) reads an
//! `Option` or a [`list`] whose JSON type is not the documented one as absent.
#![allow(clippy::missing_errors_doc, reason = "the module documents it once")]

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Serializer};

use super::drift;

/// A value that is not an object or a list, or which of these it is.
#[derive(Clone, Copy)]
pub(crate) enum Scalar<'a> {
    Text(&'a str),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
    Null,
    List,
    Object,
}

/// Converts any JSON value. By default, an object or a list is skipped.
pub(crate) trait FromAny<'de>: Sized {
    type Value;

    fn scalar<E: Error>(self, value: Scalar<'_>) -> Result<Self::Value, E>;

    fn list<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.scalar(Scalar::List)
    }

    fn object<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.scalar(Scalar::Object)
    }
}

/// Reads any JSON value, without copying strings.
pub(crate) fn any<'de, D: Deserializer<'de>, F: FromAny<'de>>(
    deserializer: D,
    make: F,
) -> Result<F::Value, D::Error> {
    struct Any<F>(F);

    impl<'de, F: FromAny<'de>> Visitor<'de> for Any<F> {
        type Value = F::Value;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<F::Value, E> {
            self.0.scalar(Scalar::Text(text))
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<F::Value, E> {
            self.0.scalar(Scalar::Signed(number))
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<F::Value, E> {
            self.0.scalar(Scalar::Unsigned(number))
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<F::Value, E> {
            self.0.scalar(Scalar::Float(number))
        }

        fn visit_bool<E: Error>(self, value: bool) -> Result<F::Value, E> {
            self.0.scalar(Scalar::Bool(value))
        }

        fn visit_unit<E: Error>(self) -> Result<F::Value, E> {
            self.0.scalar(Scalar::Null)
        }

        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<F::Value, M::Error> {
            self.0.object(map)
        }

        fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<F::Value, S::Error> {
            self.0.list(seq)
        }
    }

    deserializer.deserialize_any(Any(make))
}

impl Scalar<'_> {
    /// A string, or an integer as its digits, also if it is written as `7.0`.
    pub(crate) fn into_text(self) -> Option<Box<str>> {
        match self {
            Scalar::Text(text) => Some(text.into()),
            Scalar::Signed(number) => Some(number.to_string().into()),
            Scalar::Unsigned(number) => Some(number.to_string().into()),
            Scalar::Float(number) => Some(whole(number)?.to_string().into()),
            Scalar::Bool(_) | Scalar::Null | Scalar::List | Scalar::Object => None,
        }
    }

    /// A value that is not accepted: `None`, or, while a response is inspected for drift, an error.
    pub(crate) fn refuse<T, E: Error>(self) -> Result<Option<T>, E> {
        let expected = &"another type";
        match self {
            // Nothing, in the spellings that vendors use for it.
            Scalar::Null | Scalar::Text("") => Ok(None),
            _ if !drift::is_collecting() => Ok(None),
            Scalar::Text(_) => Err(E::invalid_value(Unexpected::Other("text"), expected)),
            Scalar::Signed(number) => Err(E::invalid_value(Unexpected::Signed(number), expected)),
            Scalar::Unsigned(number) => {
                Err(E::invalid_value(Unexpected::Unsigned(number), expected))
            }
            Scalar::Float(number) => Err(E::invalid_value(Unexpected::Float(number), expected)),
            Scalar::Bool(value) => Err(E::invalid_type(Unexpected::Bool(value), expected)),
            Scalar::List => Err(E::invalid_type(Unexpected::Seq, expected)),
            Scalar::Object => Err(E::invalid_type(Unexpected::Map, expected)),
        }
    }
}

/// Converts a scalar with a function.
pub(crate) fn scalar<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    make: fn(Scalar<'_>) -> Option<T>,
) -> Result<Option<T>, D::Error> {
    struct FromScalar<T>(fn(Scalar<'_>) -> Option<T>);

    impl<T> FromAny<'_> for FromScalar<T> {
        type Value = Option<T>;

        fn scalar<E: Error>(self, value: Scalar<'_>) -> Result<Option<T>, E> {
            match self.0(value) {
                Some(value) => Ok(Some(value)),
                None => value.refuse(),
            }
        }
    }

    any(deserializer, FromScalar(make))
}

/// `true`, `"true"`, `"TRUE"`.
pub fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    scalar(deserializer, |value| match value {
        Scalar::Bool(value) => Some(value),
        Scalar::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Scalar::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    })
}

/// A count: `9`, `"9"`, `9.0`. Exact or `None`: a negative number or a fraction is not a count.
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(integer(deserializer)?.and_then(|number| number.try_into().ok()))
}

/// An integer, which may be negative: `-9`, `"-9"`, `-9.0`. Exact or `None`: a fraction is not an integer.
pub(crate) fn integer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i128>, D::Error> {
    scalar(deserializer, |value| match value {
        Scalar::Signed(number) => Some(number.into()),
        Scalar::Unsigned(number) => Some(number.into()),
        Scalar::Float(number) => whole(number),
        Scalar::Text(text) => whole_of(text),
        _ => None,
    })
}

/// A number without a fraction. `None` from 2^53 on, where `f64` has not all integers.
pub(crate) fn whole(number: f64) -> Option<i128> {
    #[allow(clippy::cast_possible_truncation, reason = "it is within the bounds, and whole")]
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i128)
}

/// As [`whole`], of a text: `9`, ` 9.0 `, `9e3`.
pub(crate) fn whole_of(text: &str) -> Option<i128> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')) {
        return None;
    }
    text.parse().ok().or_else(|| whole(text.parse().ok()?))
}

/// Seconds: `303`, `303.41`, `"303"`.
pub fn seconds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<std::time::Duration>, D::Error> {
    scalar(deserializer, |value| match value {
        Scalar::Unsigned(number) => Some(std::time::Duration::from_secs(number)),
        Scalar::Float(number) => std::time::Duration::try_from_secs_f64(number).ok(),
        Scalar::Text(text) => {
            std::time::Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
        }
        _ => None,
    })
}

/// Writes [`seconds`], of a `Duration` or an `Option` of one: an integer if they are whole.
pub fn write_seconds<S: Serializer>(
    time: &(impl Into<Option<std::time::Duration>> + Copy),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match (*time).into() {
        None => serializer.serialize_none(),
        Some(time) if time.subsec_nanos() == 0 => serializer.serialize_u64(time.as_secs()),
        Some(time) => serializer.serialize_f64(time.as_secs_f64()),
    }
}

/// A string, or an integer as its digits: for codes and ids that vendors send as both.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    scalar(deserializer, |value| match value {
        Scalar::Float(_) => None,
        value => value.into_text(),
    })
}

/// What leads to the next page: a string, or an integer as its digits. `null` and the empty string are `None`; anything else is
/// an error, because a list that cannot be continued is not at its end.
pub fn next_page<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    struct NextPage;

    impl FromAny<'_> for NextPage {
        type Value = Option<Box<str>>;

        fn scalar<E: Error>(self, value: Scalar<'_>) -> Result<Self::Value, E> {
            match value.into_text() {
                Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
                None => required(value, "a page").map(|()| None),
            }
        }
    }

    any(deserializer, NextPage)
}

/// Strings by name. Integers are read as their digits, other values are left out; a value that is not an object is an empty map.
pub fn texts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Value(#[serde(deserialize_with = "text")] Option<Box<str>>);

    let values: Option<BTreeMap<String, Value>> = object(deserializer)?;
    let texts = values.into_iter().flatten();
    Ok(texts.filter_map(|(name, Value(text))| Some((name, text?.into()))).collect())
}

/// A list; `null` is an empty list. An element that is `null` is left out, and [`json::decode`](crate::client::json::decode)
/// also leaves out elements of other types.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct List<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<Vec<T>, S::Error> {
            read_elements(seq).map(|(list, _)| list)
        }
    }

    deserializer.deserialize_any(List(PhantomData))
}

/// A [`list`] that the response is about. A value of another type is not an empty list, but an error, and so is a list of which
/// no element can be read.
pub fn items<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct Items<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> FromAny<'de> for Items<T> {
        type Value = Vec<T>;

        fn scalar<E: Error>(self, value: Scalar<'_>) -> Result<Vec<T>, E> {
            required(value, "a list").map(|()| Vec::new())
        }

        fn list<S: SeqAccess<'de>>(self, seq: S) -> Result<Vec<T>, S::Error> {
            let (list, left_out) = read_elements(seq)?;
            if list.is_empty() && left_out {
                return Err(S::Error::custom("nothing but null"));
            }
            Ok(list)
        }
    }

    any(deserializer, Items(PhantomData))
}

/// A [`list`] of which nothing can be left out: other types, and elements of other types, are errors. For what is sent back
/// to the vendor.
pub fn exact_list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct Exact<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> FromAny<'de> for Exact<T> {
        type Value = Vec<T>;

        fn scalar<E: Error>(self, value: Scalar<'_>) -> Result<Vec<T>, E> {
            required(value, "a list").map(|()| Vec::new())
        }

        fn list<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Vec<T>, S::Error> {
            let mut list = Vec::new();
            while let Some(element) = seq.next_element::<Option<T>>()? {
                list.push(element.ok_or_else(|| S::Error::custom("null in a list"))?);
            }
            Ok(list)
        }
    }

    any(deserializer, Exact(PhantomData))
}

/// As [`items`], of an object with the items by their ids.
pub fn items_by_id<'de, D, K, T>(deserializer: D) -> Result<BTreeMap<K, T>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    T: Deserialize<'de>,
{
    struct ById<K, T>(PhantomData<(K, T)>);

    impl<'de, K: Deserialize<'de> + Ord, T: Deserialize<'de>> FromAny<'de> for ById<K, T> {
        type Value = BTreeMap<K, T>;

        fn scalar<E: Error>(self, value: Scalar<'_>) -> Result<BTreeMap<K, T>, E> {
            required(value, "an object").map(|()| BTreeMap::new())
        }

        fn object<M: MapAccess<'de>>(self, mut map: M) -> Result<BTreeMap<K, T>, M::Error> {
            let (mut items, mut left_out) = (BTreeMap::new(), false);
            while let Some((id, item)) = map.next_entry::<K, Option<T>>()? {
                left_out |= item.is_none();
                items.extend(item.map(|item| (id, item)));
            }
            if items.is_empty() && left_out {
                return Err(M::Error::custom("nothing but null"));
            }
            Ok(items)
        }
    }

    any(deserializer, ById(PhantomData))
}

/// Refuses everything but `null`, so that [`repair`](super::repair) does not make it `null` either.
pub(crate) fn required<E: Error>(value: Scalar<'_>, expected: &str) -> Result<(), E> {
    if let Scalar::Null = value { Ok(()) } else { Err(E::custom(format_args!("not {expected}"))) }
}

/// The elements of a list that are not `null`, and whether there were others.
fn read_elements<'de, S: SeqAccess<'de>, T: Deserialize<'de>>(
    mut seq: S,
) -> Result<(Vec<T>, bool), S::Error> {
    let (mut list, mut left_out) = (Vec::new(), false);
    while let Some(element) = seq.next_element::<Option<T>>()? {
        match element {
            Some(element) => list.push(element),
            None => left_out = true,
        }
    }
    Ok((list, left_out))
}

/// An object; anything else is `None`, an empty list as well: PHP writes an empty object as one.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> FromAny<'de> for Object<T> {
        type Value = Option<T>;

        fn scalar<E: Error>(self, value: Scalar<'_>) -> Result<Option<T>, E> {
            value.refuse()
        }

        fn list<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Option<T>, S::Error> {
            let is_empty = seq.next_element::<IgnoredAny>()?.is_none();
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            if is_empty { Ok(None) } else { Scalar::List.refuse() }
        }

        fn object<M: MapAccess<'de>>(self, map: M) -> Result<Option<T>, M::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }

    any(deserializer, Object(PhantomData))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Values {
        #[serde(deserialize_with = "super::boolean")]
        boolean: Option<bool>,
        #[serde(deserialize_with = "super::count")]
        count: Option<u64>,
        #[serde(deserialize_with = "super::seconds")]
        seconds: Option<Duration>,
        #[serde(deserialize_with = "super::text")]
        text: Option<Box<str>>,
        #[serde(deserialize_with = "super::list")]
        list: Vec<u8>,
        #[serde(deserialize_with = "super::texts")]
        texts: std::collections::BTreeMap<String, String>,
        #[serde(deserialize_with = "super::object")]
        object: Option<Box<Values>>,
    }

    fn read(json: &str) -> Values {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    #[test]
    fn an_error_says_what_was_expected() {
        let error = serde_json::from_str::<Values>(r#"{"list":7}"#).unwrap_err().to_string();
        assert!(error.contains("expected a list"), "{error}");
    }

    #[test]
    fn numbers_are_whole_as_long_as_they_are_exact() {
        for (number, whole) in [
            (9_007_199_254_740_991.0, Some(9_007_199_254_740_991)),
            (-9_007_199_254_740_991.0, Some(-9_007_199_254_740_991)),
            (9_007_199_254_740_992.0, None),
            (1.5, None),
        ] {
            assert_eq!(super::whole(number), whole, "{number}");
        }
    }

    #[test]
    fn an_object_of_items_with_nothing_but_null_is_refused_and_an_empty_one_is_not() {
        #[derive(Debug, Deserialize)]
        struct Items {
            #[serde(deserialize_with = "super::items_by_id")]
            by_id: std::collections::BTreeMap<String, u8>,
        }

        let read = |json: &str| serde_json::from_str::<Items>(json).map(|items| items.by_id.len());
        assert_eq!(read(r#"{"by_id":{}}"#).unwrap(), 0);
        assert_eq!(read(r#"{"by_id":{"a":null,"b":1}}"#).unwrap(), 1);
        assert!(read(r#"{"by_id":{"a":null}}"#).is_err());
    }

    #[test]
    fn both_spellings_mean_the_same() {
        for (json, value) in
            [("true", true), ("\"True\"", true), ("false", false), ("\"false\"", false)]
        {
            assert_eq!(read(&format!(r#"{{"boolean":{json}}}"#)).boolean, Some(value));
        }
        for json in ["9", "\"9\"", "\" 9 \"", "9.0", "\"9.0\"", "0.9e1"] {
            assert_eq!(read(&format!(r#"{{"count":{json}}}"#)).count, Some(9));
        }
        for (json, seconds) in
            [("303", 303.0), ("303.5", 303.5), ("\"303\"", 303.0), ("\"0.25\"", 0.25)]
        {
            let read = read(&format!(r#"{{"seconds":{json}}}"#)).seconds;
            assert_eq!(read, Some(Duration::from_secs_f64(seconds)));
        }
        for (json, text) in [
            ("\"a\"", "a"),
            ("58000", "58000"),
            ("-1", "-1"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(read(&format!(r#"{{"text":{json}}}"#)).text.as_deref(), Some(text));
        }
        assert_eq!(read(r#"{"list":null}"#).list, read("{}").list);
        assert_eq!(read(r#"{"list":[1,null,2]}"#).list, [1, 2]);
        let texts = read(r#"{"texts":{"a":"x","b":7,"c":null,"d":[1]}}"#).texts;
        assert_eq!(
            texts,
            [("a", "x"), ("b", "7")].map(|(name, text)| (name.into(), text.into())).into()
        );
        for nothing in ["[]", "[1]", "null", "\"\"", "true", "7", "-7", "1.5"] {
            assert!(read(&format!(r#"{{"texts":{nothing}}}"#)).texts.is_empty());
        }
        assert_eq!(read(r#"{"object":{"count":7}}"#).object.unwrap().count, Some(7));
        for nothing in ["[]", "[{}]", "null", "\"\"", "true", "7", "-7", "1.5"] {
            assert!(read(&format!(r#"{{"object":{nothing},"count":1}}"#)).object.is_none());
        }
    }

    #[test]
    fn what_cannot_be_read_exactly_is_none() {
        for value in [
            "null",
            "{}",
            "[1]",
            "\"x\"",
            "-1",
            "1.5",
            "9007199254740993.0",
            "\"9.5\"",
            "\"\"",
            "1e300",
            "\"-1\"",
            "\"NaN\"",
        ] {
            assert_eq!(read(&format!(r#"{{"count":{value}}}"#)).count, None, "{value}");
        }
        for value in ["null", "{}", "1", "\"yes\""] {
            assert_eq!(read(&format!(r#"{{"boolean":{value}}}"#)).boolean, None, "{value}");
        }
        for value in ["-1", "\"NaN\"", "1e300", "\"inf\"", "{}", "null"] {
            assert_eq!(read(&format!(r#"{{"seconds":{value}}}"#)).seconds, None, "{value}");
        }
        // Beyond 64 bits a number would be rounded.
        assert_eq!(read(r#"{"text":18446744073709551616}"#).text, None);
    }
}
