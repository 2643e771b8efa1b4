//! JSON of a response: one UTF-8 check, then `from_str`.

use std::str::Utf8Error;

use bytes::Bytes;
use http::header;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use super::response::Meta;
use crate::error::{Error, ErrorKind, Result};
use crate::redact::Printable;
use crate::wire::RawJson;
use crate::wire::drift::DriftReporter;
use crate::wire::hal::Embedded;
use crate::wire::place::Path;
use crate::wire::repair::{self, Failure, Mend};

/// Reads a response as JSON of type `T`.
///
/// For the `decode` of your own [`Endpoint`](super::Endpoint). An `Option` whose value has another JSON type than its type
/// reads is `None`, and an element of a [`list`](crate::wire::lenient::list) is left out. A number that `f64` cannot hold, such
/// as `1e400`, is read as a text with its digits.
///
/// # Errors
/// [`ErrorKind::UnexpectedContent`] for a page instead of JSON, else [`ErrorKind::Decode`]. The error names category, place
/// and path, never a value: the parser's own text quotes the response.
pub fn decode<T: DeserializeOwned>(meta: &Meta, body: &Bytes) -> Result<T> {
    read(meta, body, Mend::Everything)
}

/// Reads a response as a type of the caller, in which a value of another type is an error.
///
/// # Errors
/// As [`decode`].
pub(super) fn decode_as<T: DeserializeOwned>(meta: &Meta, body: &Bytes) -> Result<T> {
    read(meta, body, Mend::Numbers)
}

fn read<T: DeserializeOwned>(meta: &Meta, body: &Bytes, mend: Mend) -> Result<T> {
    let text =
        str::from_utf8(body).map_err(|error| meta.scrub(explain_binary(meta, body, error)))?;
    let (value, _) = repair::decode(text, mend, |text| serde_json::from_str(text))
        .map_err(|Failure { error, text, .. }| meta.scrub(explain(meta, &text, &error)))?;
    if let Some(reporter) = meta.extension::<DriftReporter>() {
        reporter.inspect::<T>(meta.operation, text);
    }
    Ok(value)
}

/// Reads a response that may be empty or `null`, for operations of which any 2xx may come without a body.
///
/// # Errors
/// As [`decode`], if the body is not empty.
pub fn decode_optional<T: DeserializeOwned>(meta: &Meta, body: &Bytes) -> Result<Option<T>> {
    if body.trim_ascii().is_empty() { Ok(None) } else { decode(meta, body) }
}

/// The body, or an object without members in place of an empty body or `null`: for lists, and for changes of which the vendor may
/// only say that it accepts them.
///
/// ```
/// use bytes::Bytes;
/// use scheduled_runs::client::json;
///
/// assert_eq!(json::or_empty(&Bytes::from(" ")), "{}");
/// assert_eq!(json::or_empty(&Bytes::from("[1]")), "[1]");
/// ```
#[must_use]
pub fn or_empty(body: &Bytes) -> Bytes {
    match body.trim_ascii() {
        b"" | b"null" => Bytes::from_static(b"{}"),
        _ => body.clone(),
    }
}

/// Refuses a response that counts things of which none was read: a vendor that has moved or renamed them must not look like one
/// that has none.
///
/// # Errors
/// [`ErrorKind::Decode`] if nothing was read of more than nothing.
pub fn found<T>(read: &[T], counted: Option<u64>) -> Result<()> {
    match counted {
        Some(count @ 1..) if read.is_empty() => {
            let message =
                format!("the response counts {count}, but has none where this crate reads them");
            Err(Error::new(ErrorKind::Decode, message))
        }
        _ => Ok(()),
    }
}

/// Reads the response to a change that was accepted, with a body or without one.
///
/// # Errors
/// As [`decode`], if there is a body.
pub fn accepted<T: DeserializeOwned>(meta: &Meta, body: &Bytes) -> Result<T> {
    decode(meta, &or_empty(body))
}

/// Reads a response whose content does not matter: empty, or any JSON, but not the page of a proxy.
///
/// # Errors
/// As [`decode`], if the body is neither empty nor JSON.
pub fn ignore(meta: &Meta, body: &Bytes) -> Result<()> {
    decode_optional::<IgnoredAny>(meta, body).map(drop)
}

#[cold]
fn explain_binary(meta: &Meta, body: &Bytes, error: Utf8Error) -> Error {
    let message =
        format!("the response is not UTF-8 text ({} bytes of {})", body.len(), content_type(meta));
    let mut explained = Error::new(ErrorKind::Decode, message).with_operation(meta.operation);
    // No length: the text ends inside a letter.
    explained.set().decode_path(None, error.error_len().is_none());
    explained
}

#[cold]
fn explain(meta: &Meta, text: &str, error: &serde_json::Error) -> Error {
    let operation = meta.operation;
    if text.trim_start().starts_with('<') {
        let message = format!(
            "the response is a page of {} bytes ({}), not JSON: is this the API, or a login page or proxy?",
            text.len(),
            content_type(meta)
        );
        return Error::new(ErrorKind::UnexpectedContent, message).with_operation(operation);
    }
    if text.trim().is_empty() {
        return Error::new(ErrorKind::Decode, "the response is empty").with_operation(operation);
    }
    let (what, cut_short) = match error.classify() {
        Category::Eof => ("ends too early", true),
        // A number that ends with the text is called a broken one where nobody reads it.
        Category::Syntax => ("is not JSON", is_at_end(text, error)),
        Category::Data | Category::Io => ("does not have the documented shape", false),
    };
    let path = Path::of(text, error);
    let path = (!path.is_empty()).then(|| Printable(&path.to_string()).to_string());
    let at = path.as_ref().map(|path| format!(" at `{path}`")).unwrap_or_default();
    let message =
        format!("the response {what}{at} (line {}, column {})", error.line(), error.column());
    let mut error = Error::new(ErrorKind::Decode, message).with_operation(operation);
    error.set().decode_path(path.map(Into::into), cut_short);
    error
}

fn is_at_end(text: &str, error: &serde_json::Error) -> bool {
    let lines = text.split('\n').count();
    let last = text.rsplit('\n').next().unwrap_or_default();
    error.line() == lines && error.column() >= last.len()
}

fn content_type(meta: &Meta) -> &str {
    let value = meta.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.map_or("no content type", |value| value.split(';').next().unwrap_or(value))
}

impl RawJson {
    /// Keeps a JSON text, for example of a variant that the vendor knows and this crate does not.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if it is not JSON.
    pub fn parse(json: impl Into<String>) -> Result<Self> {
        Self::of(json.into()).map_err(|_| Error::config("the text is not JSON"))
    }

    /// Reads it as your own type.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if it has another shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.json()).map_err(|_| {
            Error::new(ErrorKind::Decode, "the JSON does not have the shape asked for")
        })
    }
}

impl Embedded {
    /// The resource of this name.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if it is there and is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        self.text(name).map(serde_json::from_str).transpose().map_err(|_| {
            Error::new(ErrorKind::Decode, "an embedded resource does not have the documented shape")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only whether it decodes matters")]
    struct Runs {
        runs: Vec<Run>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only whether it decodes matters")]
    struct Run {
        id: u64,
    }

    fn read(body: impl Into<Bytes>) -> Result<Runs> {
        let mut response = http::Response::new(Bytes::new());
        response.headers_mut().insert("content-type", "text/html; charset=utf-8".parse().unwrap());
        decode(&Meta::of_test(&response), &body.into())
    }

    #[test]
    fn an_error_names_the_place_and_not_the_value() {
        let error = read(r#"{"runs":[{"id":1},{"id":"canary"}]}"#).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(error.decode_path(), Some("runs[1].id"));
        assert_eq!(
            error.to_string(),
            "test: the response does not have the documented shape at `runs[1].id` (line 1, column 32)"
        );
        assert!(!format!("{error:?}{:?}", std::error::Error::source(&error)).contains("canary"));
    }

    #[test]
    fn a_page_is_told_from_json_without_showing_it() {
        let error = read(" <html>canary</html>").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedContent);
        assert!(error.to_string().contains("20 bytes (text/html)"), "{error}");
        assert!(!error.to_string().contains("canary"));
    }

    #[test]
    fn nothing_and_null_and_binary_and_depth_are_decode_errors() {
        let deep = format!(r#"{{"runs":{}"#, "[".repeat(1_000_000));
        for body in [
            "",
            " ",
            "null",
            "[]",
            "{}",
            r#"{"runs":[{"id":1e400}]}"#,
            r#"{"runs":[{"id":-1}]}"#,
            &deep,
        ] {
            assert_eq!(read(body.to_owned()).unwrap_err().kind(), ErrorKind::Decode);
        }
        assert_eq!(read(&b"{\"runs\":\"\xff\xe4\"}"[..]).unwrap_err().kind(), ErrorKind::Decode);
        // Depth in a member nobody asked for is skipped, not followed.
        let unknown =
            format!(r#"{{"x":{}{},"runs":[]}}"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(read(unknown).unwrap().runs.is_empty());
    }

    #[test]
    fn only_json_that_ends_too_early_counts_as_cut_short() {
        assert!(read(r#"{"runs":[{"id":1}"#).unwrap_err().was_cut_short());
        assert!(read(r#"{"unknown":1."#).unwrap_err().was_cut_short());
        assert!(read(&b"{\"runs\":[],\"x\":\"\xc3"[..]).unwrap_err().was_cut_short());
        assert!(!read(r#"{"runs":[{"id":}]}"#).unwrap_err().was_cut_short());
        assert!(!read(&b"{\"x\":\"\xc3 \"}"[..]).unwrap_err().was_cut_short());
        assert!(!read("").unwrap_err().was_cut_short());
    }

    #[test]
    fn embedded_resources_are_read_on_demand() {
        let embedded: Embedded = serde_json::from_str(r#"{"runs":[1,2],"x":"y"}"#).unwrap();
        assert_eq!(embedded.get::<Vec<u8>>("runs").unwrap(), Some(vec![1, 2]));
        assert_eq!(embedded.get::<u8>("none").unwrap(), None);
        assert_eq!(embedded.get::<u8>("x").unwrap_err().kind(), ErrorKind::Decode);
    }
}
