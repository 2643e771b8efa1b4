//! Decodes a response although some of its values do not have the documented types.
//!
//! The models only say which members are optional. If a response does not decode because of the type of a value, the value
//! is replaced by `null` in its text, and the text is decoded again: an optional member becomes absent, an element is left
//! out of a [list](super::lenient::list), and for a required member the response stays an error. A response as documented
//! costs nothing.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::place::Path;

/// Most decoding attempts. Each one mends a member in all items of all lists, so that few are needed.
const MOST_ATTEMPTS: usize = 32;

/// What is mended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mend {
    /// Values of other types, and numbers that are too large.
    Everything,
    /// Only numbers that are too large for JSON numbers in Rust: each becomes a text with its digits.
    Numbers,
}

/// A response that cannot be decoded.
pub(crate) struct Failure<'t> {
    pub(crate) error: serde_json::Error,
    /// The text that the error is about.
    pub(crate) text: Cow<'t, str>,
    /// Where it has been mended.
    pub(crate) mended: Vec<Path>,
}

/// Decodes a text. Also returns where it had to be mended, with the first of several items.
pub(crate) fn decode<T>(
    text: &str,
    mend: Mend,
    mut read: impl FnMut(&str) -> serde_json::Result<T>,
) -> Result<(T, Vec<Path>), Failure<'_>> {
    let error = match read(text) {
        Ok(value) => return Ok((value, Vec::new())),
        Err(error) => error,
    };
    let (text, mended) = mend_text(text, error, mend, &mut |text| read(text).map(drop))?;
    match read(&text) {
        Ok(value) => Ok((value, mended)),
        Err(error) => Err(Failure { error, text, mended }),
    }
}

/// Decodes the body of an error, of which any part is better than none.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    decode(text, Mend::Everything, |text| serde_json::from_str(text)).ok().map(|(value, _)| value)
}

/// The text as it decodes, and where it was mended. It is decoded by `read`, so that this is compiled once for all types.
#[cold]
fn mend_text<'t>(
    text: &'t str,
    error: serde_json::Error,
    mend: Mend,
    read: &mut dyn FnMut(&str) -> serde_json::Result<()>,
) -> Result<(Cow<'t, str>, Vec<Path>), Failure<'t>> {
    let mut failure = Failure { error, text: Cow::Borrowed(text), mended: Vec::new() };
    // That a response ends too early matters more than what is wrong before its end.
    if let Err(error) = serde_json::from_str::<&RawValue>(text) {
        return Err(Failure { error, ..failure });
    }
    for _ in 0..MOST_ATTEMPTS {
        let Failure { error, text, mended } = &mut failure;
        let fault = Fault::of(error);
        let fault = fault.filter(|fault| mend == Mend::Everything || *fault == Fault::TooLarge);
        let Some(fault) = fault else { break };
        let mut path = Path::of(text, error);
        let mut next = fault.mend(text, &path);
        if let (None, Some(list)) = (&next, path.list()) {
            // The elements of lists may be `null`: here, serde reads a list as the members of an object.
            next = Fault::Type.mend(text, &list);
            path = list;
        }
        let Some(next) = next else { break };
        let result = read(&next);
        if let Err(error) = &result
            && fault != Fault::TooLarge
            && path.list().is_none()
            && Path::of(&next, error) == path
        {
            // `null` is refused as well. The error is about the value that it replaced.
            break;
        }
        mended.retain(|earlier: &Path| !earlier.is_within(&path));
        mended.push(path);
        match result {
            Ok(()) => return Ok((Cow::Owned(next), failure.mended)),
            Err(error) => (failure.error, failure.text) = (error, Cow::Owned(next)),
        }
    }
    Err(failure)
}

/// What can be mended of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// No value of this JSON type is accepted here.
    Type,
    /// This value is not accepted.
    Value,
    /// A number that `f64` cannot hold. It may be in a place that accepts any value, such as a row.
    TooLarge,
}

impl Fault {
    /// The error has no other way to say it than its text. A missing member is not mended: the object is of no use.
    fn of(error: &serde_json::Error) -> Option<Self> {
        let text = error.to_string();
        let is = |beginning: &str| text.starts_with(beginning);
        if is("number out of range") {
            Some(Self::TooLarge)
        } else if is("invalid type: ") {
            Some(Self::Type)
        } else if is("invalid value: ") || is("invalid length ") {
            Some(Self::Value)
        } else {
            None
        }
    }

    /// The text without this fault, also in the other items of all lists that the path leads through.
    fn mend(self, text: &str, path: &Path) -> Option<String> {
        // Not the whole response.
        if path.is_empty() {
            return None;
        }
        let [faulty] = path.values(text, false)[..] else { return None };
        let kind = Kind::of(faulty);
        let values = match self {
            Self::Value => vec![faulty],
            Self::Type | Self::TooLarge => path.values(text, true),
        };
        let wrong = |value: &&str| match self {
            Self::TooLarge => is_too_large(value),
            Self::Type | Self::Value => Kind::of(value) == kind,
        };
        let ranges = values.into_iter().filter(wrong).map(|value| range(text, value));
        let (mut mended, mut at) = (String::with_capacity(text.len()), 0);
        for Range { start, end } in ranges {
            mended.push_str(text.get(at..start)?);
            match self {
                Self::TooLarge => mended.extend(["\"", text.get(start..end)?, "\""]),
                Self::Type | Self::Value => mended.push_str("null"),
            }
            at = end;
        }
        // `null` was refused, too.
        if at == 0 || kind == Kind::Null {
            return None;
        }
        mended.push_str(text.get(at..)?);
        Some(mended)
    }
}

/// Where a part of a text is in it.
fn range(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}

/// JSON types, as far as models accept one and refuse another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Bool,
    Natural,
    Negative,
    Fraction,
    Text,
    List,
    Object,
}

impl Kind {
    fn of(value: &str) -> Self {
        match value.as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::List,
            Some(b'"') => Self::Text,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') | None => Self::Null,
            Some(_) if value.contains(['.', 'e', 'E']) => Self::Fraction,
            Some(b'-') => Self::Negative,
            Some(_) => Self::Natural,
        }
    }
}

fn is_too_large(value: &str) -> bool {
    matches!(Kind::of(value), Kind::Natural | Kind::Negative | Kind::Fraction)
        && value.parse::<f64>().is_ok_and(f64::is_infinite)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;
    use crate::wire::lenient;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "`Debug` shows what was read")]
    struct List {
        #[serde(default, deserialize_with = "lenient::items")]
        runs: Vec<Run>,
        next: Option<Box<str>>,
        by_id: Option<BTreeMap<String, Run>>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "`Debug` shows what was read")]
    struct Run {
        id: Box<str>,
        size: Option<u8>,
        raw: Option<Box<RawValue>>,
        row: Option<Value>,
        inner: Option<Box<Run>>,
        #[serde(default, deserialize_with = "lenient::list")]
        tags: Vec<Box<str>>,
        #[serde(default, deserialize_with = "lenient::exact_list")]
        sent: Vec<Box<str>>,
    }

    fn read_as<T: DeserializeOwned>(text: &str, mend: Mend) -> Result<(T, Vec<String>), String> {
        let read = |text: &str| serde_json::from_str(text);
        match decode(text, mend, read) {
            Ok((value, places)) => {
                Ok((value, places.iter().map(|place| place.pointer_and_pattern().0).collect()))
            }
            Err(Failure { error, text, .. }) => Err(Path::of(&text, &error).to_string()),
        }
    }

    fn read(text: &str) -> Result<(List, Vec<String>), String> {
        read_as(text, Mend::Everything)
    }

    /// Decodes as if the wrong values were `null`; where they are is reported.
    fn same(text: &str, without: &str, places: &[&str]) {
        let (list, mended) = read(text).unwrap_or_else(|path| panic!("{text}: {path}"));
        let expected: List = serde_json::from_str(without).unwrap();
        assert_eq!(format!("{list:?}"), format!("{expected:?}"), "{text}");
        assert_eq!(mended, places, "{text}");
    }

    #[test]
    fn optional_values_of_other_types_are_absent_and_nothing_else_is_lost() {
        for other in ["7", "-7", "1.5", "true", "[]", "[7]", "{}", r#"{"a":"]}"}"#] {
            same(
                &format!(r#"{{"next" : {other} , "runs":[{{"id":"a","size":3}}]}}"#),
                r#"{"runs":[{"id":"a","size":3}]}"#,
                &["/next"],
            );
        }
        same(
            r#"{"runs":[{"id":"a","raw":{ "kept" : 1.0 },"inner":{"id":"b","size":-1,"tags":["x"]}}]}"#,
            r#"{"runs":[{"id":"a","raw":{ "kept" : 1.0 },"inner":{"id":"b","tags":["x"]}}]}"#,
            &["/runs/0/inner/size"],
        );
        // A fraction is refused where a whole number is not.
        same(
            r#"{"runs":[{"id":"a","size":1.5},{"id":"b","size":3},{"id":"c","size":2e1}]}"#,
            r#"{"runs":[{"id":"a"},{"id":"b","size":3},{"id":"c"}]}"#,
            &["/runs/0/size"],
        );
        same(
            r#"{"by_id":{"r.1":{"id":"a"},"r.2":{"id":"b","size":"x"},"r.3":{"id":"c","size":"y"}}}"#,
            r#"{"by_id":{"r.1":{"id":"a"},"r.2":{"id":"b"},"r.3":{"id":"c"}}}"#,
            &["/by_id/r.2/size"],
        );
    }

    #[test]
    fn elements_of_other_types_are_left_out() {
        same(
            r#"{"runs":["x",{"id":"a","tags":["x",7,{},"y"]},7,null]}"#,
            r#"{"runs":[{"id":"a","tags":["x","y"]}]}"#,
            &["/runs/0", "/runs/1/tags/1", "/runs/1/tags/2", "/runs/2"],
        );
        // serde would read it as the members of a run.
        same(r#"{"runs":[[7],[7],{"id":"a"}]}"#, r#"{"runs":[{"id":"a"}]}"#, &["/runs/0"]);
    }

    #[test]
    fn one_attempt_mends_all_items() {
        let runs = |size: &str| {
            let run = format!(r#"{{"id":"a","size":{size},"tags":[{size}]}}"#);
            format!(r#"{{"runs":[{}]}}"#, vec![run; 1000].join(","))
        };
        same(&runs("{}"), &runs("null"), &["/runs/0/size", "/runs/0/tags/0"]);
    }

    #[test]
    fn values_of_the_same_type_that_are_accepted_stay() {
        same(
            r#"{"runs":[{"id":"a","size":3},{"id":"b","size":300},{"id":"c","size":4}]}"#,
            r#"{"runs":[{"id":"a","size":3},{"id":"b"},{"id":"c","size":4}]}"#,
            &["/runs/1/size"],
        );
        let run = |id: usize| format!(r#"{{"id":"{id}","size":300}}"#);
        let all = (0..100).map(run).collect::<Vec<_>>().join(",");
        assert_eq!(read(&format!(r#"{{"runs":[{all}]}}"#)).unwrap_err(), "runs[32].size");
    }

    #[test]
    fn what_is_required_stays_an_error_where_it_is_wrong() {
        for (text, path) in [
            ("7", ""),
            ("[]", ""),
            (r#"{"runs":7}"#, "runs"),
            (r#"{"runs":[{"id":7}]}"#, "runs[0].id"),
            (r#"{"runs":[{"id":"a"},{}]}"#, "runs[1]"),
            (r#"{"runs":[{"id":"a","size":"x"},{"id":"b","inner":{}}]}"#, "runs[1].inner"),
            (r#"{"runs":[{"id":"a","sent":7}]}"#, "runs[0].sent"),
            (r#"{"runs":[{"id":"a","sent":["x",7]}]}"#, "runs[0].sent"),
            (r#"{"next":7,"runs":[{"id":"a"},{"#, "runs[1]"),
        ] {
            assert_eq!(read(text).unwrap_err(), path, "{text}");
        }
        assert!(read_as::<Vec<Run>>("[7]", Mend::Everything).is_err());
    }

    #[test]
    fn a_number_that_is_too_large_is_a_text_where_any_value_is_accepted() {
        let text = r#"{"id":"a","raw":1e400,"row":{"a":[1,-1e400,"1e400",{"b":1e999}],"c":18446744073709551616},"size":1e400}"#;
        let (run, places) = read_as::<Run>(text, Mend::Everything).unwrap();
        assert_eq!(run.raw.unwrap().get(), "1e400");
        assert_eq!(
            run.row.unwrap().to_string(),
            r#"{"a":[1,"-1e400","1e400",{"b":"1e999"}],"c":1.8446744073709552e+19}"#
        );
        assert_eq!(
            (run.size, places),
            (None, ["/row/a/1", "/row/a/3/b", "/size"].map(Into::into).into())
        );
        let rows = format!("[{}]", vec!["[1e400,7]"; 1000].join(","));
        let (rows, _) = read_as::<Vec<Vec<Value>>>(&rows, Mend::Numbers).unwrap();
        assert!(rows.iter().all(|row| row[0] == "1e400" && row[1] == 7));
        let (digits, _) = read_as::<Value>(&"9".repeat(400), Mend::Numbers).unwrap_or_default();
        assert!(digits.is_null(), "the whole response is a number: an error");
    }

    #[test]
    fn a_type_of_the_caller_loses_nothing_silently() {
        let text = r#"{"id":"a","size":"x"}"#;
        assert_eq!(read_as::<Run>(text, Mend::Numbers).unwrap_err(), "size");
    }
}
