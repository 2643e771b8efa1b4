//! Values that vendors write in more than one way, for serde's `deserialize_with`. A value that cannot be read is `None`;
//! only invalid JSON is an error.
#![allow(clippy::missing_errors_doc, reason = "the module documents it once")]

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value that is not an object or a list.
pub(crate) enum Scalar<'a> {
    Text(&'a str),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
    Null,
}

/// Converts any JSON value. By default, an object or a list is skipped and counts as `null`.
pub(crate) trait FromAny<'de>: Sized {
    type Value;

    fn scalar(self, value: Scalar<'_>) -> Self::Value;

    fn list<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.scalar(Scalar::Null))
    }

    fn object<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.scalar(Scalar::Null))
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

        fn visit_str<E>(self, text: &str) -> Result<F::Value, E> {
            Ok(self.0.scalar(Scalar::Text(text)))
        }

        fn visit_i64<E>(self, number: i64) -> Result<F::Value, E> {
            Ok(self.0.scalar(Scalar::Signed(number)))
        }

        fn visit_u64<E>(self, number: u64) -> Result<F::Value, E> {
            Ok(self.0.scalar(Scalar::Unsigned(number)))
        }

        fn visit_f64<E>(self, number: f64) -> Result<F::Value, E> {
            Ok(self.0.scalar(Scalar::Float(number)))
        }

        fn visit_bool<E>(self, value: bool) -> Result<F::Value, E> {
            Ok(self.0.scalar(Scalar::Bool(value)))
        }

        fn visit_unit<E>(self) -> Result<F::Value, E> {
            Ok(self.0.scalar(Scalar::Null))
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

/// Converts a scalar with a function; an object or a list counts as `null`.
pub(crate) fn scalar<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    make: fn(Scalar<'_>) -> T,
) -> Result<T, D::Error> {
    struct FromScalar<T>(fn(Scalar<'_>) -> T);

    impl<T> FromAny<'_> for FromScalar<T> {
        type Value = T;

        fn scalar(self, value: Scalar<'_>) -> T {
            self.0(value)
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

/// A count: `9`, `"9"`. Exact or `None`: a negative number or a fraction is not a count.
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    scalar(deserializer, |value| match value {
        Scalar::Unsigned(number) => Some(number),
        Scalar::Text(text) => text.trim().parse().ok(),
        _ => None,
    })
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

/// A string, or an integer as its digits: for codes and ids that vendors send as both.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    scalar(deserializer, |value| match value {
        Scalar::Text(text) => Some(text.into()),
        Scalar::Unsigned(number) => Some(number.to_string().into()),
        Scalar::Signed(number) => Some(number.to_string().into()),
        _ => None,
    })
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

/// A list; `null` is an empty list.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An object; anything else is `None`.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> FromAny<'de> for Object<T> {
        type Value = Option<T>;

        fn scalar(self, _: Scalar<'_>) -> Self::Value {
            None
        }

        fn object<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
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
    fn both_spellings_mean_the_same() {
        for (json, value) in
            [("true", true), ("\"True\"", true), ("false", false), ("\"false\"", false)]
        {
            assert_eq!(read(&format!(r#"{{"boolean":{json}}}"#)).boolean, Some(value));
        }
        for json in ["9", "\"9\"", "\" 9 \""] {
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
        assert_eq!(read(r#"{"list":[1]}"#).list, [1]);
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
        for value in
            ["null", "{}", "[1]", "\"x\"", "-1", "1.5", "\"\"", "1e300", "\"-1\"", "\"NaN\""]
        {
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
