//! Decodes a response although some of its values do not have the documented types.
//!
//! The models only say which members are optional. If a response does not decode because of the type of a value, the value
//! is replaced by `null` in its text, and the text is decoded again: an optional member becomes absent, an element is left
//! out of a [list](super::lenient::list), and for a required member the response stays an error. A response as documented
//! costs nothing.

use std::borrow::Cow;
use std::ops::Range;

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
}

/// Decodes a text. Also returns where it had to be mended, with the first of several items.
pub(crate) fn decode<'t, T>(
    text: &'t str,
    mend: Mend,
    mut read: impl FnMut(&str) -> serde_json::Result<T>,
) -> Result<(T, Vec<Path>), Failure<'t>> {
    let read: &mut dyn FnMut(&str) -> serde_json::Result<T> = &mut read;
    match read(text) {
        Ok(value) => Ok((value, Vec::new())),
        Err(error) => decode_mended(text, error, mend, read),
    }
}

#[cold]
fn decode_mended<'t, T>(
    text: &'t str,
    error: serde_json::Error,
    mend: Mend,
    read: &mut dyn FnMut(&str) -> serde_json::Result<T>,
) -> Result<(T, Vec<Path>), Failure<'t>> {
    let (mut failure, mut mended) = (Failure { error, text: Cow::Borrowed(text) }, Vec::new());
    for _ in 0..MOST_ATTEMPTS {
        let Failure { error, text } = &failure;
        let fault =
            Fault::of(error).filter(|fault| mend == Mend::Everything || *fault == Fault::TooLarge);
        let Some(fault) = fault else { break };
        let mut path = Path::of(text, error);
        let mut next = fault.mend(text, &path);
        if let (None, Some(list)) = (&next, path.list()) {
            // The elements of lists may be `null`: here, serde reads a list as the members of an object.
            next = Fault::Type.mend(text, &list);
            mended.retain(|path: &Path| !path.is_within(&list));
            path = list;
        }
        let Some(next) = next else { break };
        match read(&next) {
            Ok(value) => {
                mended.push(path);
                return Ok((value, mended));
            }
            // `null` is refused as well. The error is about the value that it replaced.
            Err(error) if path.list().is_none() && Path::of(&next, &error) == path => break,
            Err(error) => failure = Failure { error, text: Cow::Owned(next) },
        }
        mended.push(path);
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
