//! The head of a response: everything but its rows, and the error that it reports.

use std::fmt;

use bytes::Bytes;
use http::{StatusCode, header};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

use super::state::{QueryError, QueryState, filled, is_code};
use crate::client::{Meta, RawResponse};
use crate::error::{Error, ErrorKind, Result, VendorError};
use crate::wire::model;
use crate::wire::raw::Text;
use crate::wire::repair::{self, Mend};

/// Everything but the rows of a response. The rows are read once, when the response is decoded: they may be many.
#[derive(Default)]
pub(super) struct Head {
    pub(super) request_id: Option<Box<str>>,
    pub(super) state: Option<QueryState>,
    meta_error: Option<Value>,
    error: Option<Value>,
    /// Short members at the top level, of error bodies without an envelope.
    top: Map<String, Value>,
    /// There are members at the top level that no error body has.
    others: bool,
    /// There are rows, and what comes after the first one was not read.
    has_rows: bool,
    /// The text is this object and nothing else, as far as it was read.
    alone: bool,
}

impl Head {
    /// The head of a JSON object. Of anything else the head is empty.
    pub(super) fn of(text: &str) -> Self {
        let mut head = Self::default();
        let read = |text: &str| {
            head = Self::default();
            let mut reader = serde_json::Deserializer::from_str(text);
            match reader.deserialize_map(HeadVisitor(&mut head)) {
                Ok(()) => head.alone = reader.end().is_ok(),
                Err(_) if head.has_rows => head.alone = true,
                Err(error) => return Err(error),
            }
            Ok(())
        };
        if text.starts_with('{') {
            // Of a text that is cut short, the members before the end are enough.
            drop(repair::decode(text, Mend::Everything, read));
        }
        head
    }

    /// The head of a response to a request for a file; empty for a file. The media type decides, and if that may be
    /// JSON, the body.
    pub(super) fn of_file(meta: &Meta, body: &Bytes) -> Result<Self> {
        let media = content_type(meta);
        let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
        let begins =
            |tag: &[u8]| text.get(..tag.len()).is_some_and(|text| text.eq_ignore_ascii_case(tag));
        if media.as_deref() == Some("text/html") || begins(b"<!doctype html") || begins(b"<html") {
            let media = media.as_deref().unwrap_or("no content type");
            let message = format!(
                "the response is {} bytes of {media}, not the file: is this the API, or a login page or proxy?",
                body.len()
            );
            return Err(Error::new(ErrorKind::UnexpectedContent, message));
        }
        let json = media.as_deref().is_none_or(|media| {
            media.contains("json") || matches!(media, "text/plain" | "application/octet-stream")
        });
        let text = str::from_utf8(text).ok().filter(|_| json);
        Ok(text.map(Self::of).unwrap_or_default())
    }

    /// Whether the model of a run reads the error, so that the run says why it failed.
    pub(super) fn names_error(&self) -> bool {
        let mut errors = [&self.error, &self.meta_error].into_iter().flatten();
        errors.any(|error| QueryError::of(error).is_some())
    }

    /// The error that a response reports. In a 2xx response only what cannot be anything else counts as an error: in a
    /// file with one JSON object per row, a column may be named "title".
    pub(super) fn error(&self, response: &RawResponse<'_>) -> Option<ReportedError> {
        let success = response.status.is_success();
        if success && !self.alone {
            return None;
        }
        // The places where errors have been seen, the usual ones first.
        let member = self.error.as_ref().filter(|error| error.is_object());
        if let Some(reported) = member.and_then(ReportedError::of) {
            return Some(reported);
        }
        if let Some(code) = &self.error
            && (!success || code.as_str().is_some_and(is_code))
            && let Some(mut reported) = ReportedError::of(code)
        {
            let message = self.top.get("message").or_else(|| self.top.get("description"));
            reported.error.message = filled(message).or(reported.error.message);
            return Some(reported);
        }
        if let Some(reported) = self.meta_error.as_ref().and_then(ReportedError::of) {
            return Some(reported);
        }
        // RFC 9457, and bodies that are the error object itself.
        let text = |name: &str| filled(self.top.get(name));
        let status = self.top.get("status").and_then(Value::as_u64);
        let status = status.filter(|status| (400..600).contains(status));
        let media =
            response.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let problem = media.is_some_and(|media| media.starts_with("application/problem+json"))
            || (status.is_some()
                && text("title").is_some()
                && text("type").is_some()
                && !self.others);
        if success && !problem {
            return None;
        }
        let mut more = self.top.clone();
        more.retain(|name, _| matches!(name.as_str(), "type" | "status"));
        let error = VendorError {
            code: text("code"),
            name: text("title"),
            message: text("detail").or_else(|| text("message")).or_else(|| text("title")),
            instance_id: text("instance"),
            parameters: parameters(more),
        };
        let status = status.and_then(|status| StatusCode::from_u16(status.try_into().ok()?).ok());
        (error.code.is_some() || error.message.is_some()).then_some(ReportedError { error, status })
    }
}

/// Reads the members of a response into its head, up to the first row.
struct HeadVisitor<'h>(&'h mut Head);

impl<'de> Visitor<'de> for HeadVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        model! {
            struct Meta {
                request_id: Option<Value>,
                status_code: Option<Value>,
                error: Option<Value>,
            }
        }
        while let Some(Text(name)) = map.next_key()? {
            match &*name {
                "meta" => {
                    if let Some(meta) = map.next_value::<Option<Meta>>()? {
                        self.0.request_id = filled(meta.request_id.as_ref());
                        let state = meta.status_code.as_ref().and_then(Value::as_str);
                        self.0.state = state.map(QueryState::from);
                        self.0.meta_error = meta.error;
                    }
                }
                "error" => self.0.error = map.next_value()?,
                "data" => map.next_value_seed(FirstRow(&mut self.0.has_rows))?,
                "type" | "title" | "status" | "detail" | "instance" | "message" | "description"
                | "code" => drop(self.0.top.insert(name.into_owned(), map.next_value()?)),
                _ => {
                    self.0.others = true;
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Notes whether a value is a list with anything in it. Reading such a list stops at its first element, with an error.
struct FirstRow<'h>(&'h mut bool);

impl<'de> DeserializeSeed<'de> for FirstRow<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FirstRow<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        *self.0 = seq.next_element::<IgnoredAny>()?.is_some();
        if *self.0 { Err(S::Error::custom("there are rows")) } else { Ok(()) }
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// An error that a body reports.
pub(super) struct ReportedError {
    pub(super) error: VendorError,
    /// The HTTP status that the body names.
    pub(super) status: Option<StatusCode>,
}

impl ReportedError {
    fn of(value: &Value) -> Option<Self> {
        let error = QueryError::of(value)?;
        let message = error.sentence().map(Into::into);
        let mut more = value.as_object().cloned().unwrap_or_default();
        more.retain(|name, _| !matches!(name.as_str(), "code" | "message"));
        let parameters = parameters(more);
        let error = VendorError { code: error.code, message, parameters, ..VendorError::default() };
        Some(Self { error, status: None })
    }

    /// A sentence without any envelope, as gateways send it.
    pub(super) fn of_plain_text(response: &RawResponse<'_>) -> Option<Self> {
        let text = response.text().trim_end();
        let is_sentence = !matches!(text, "" | "null")
            && text.len() <= 300
            && !text.starts_with(['<', '{', '[', '"']);
        is_sentence.then(|| Self { error: VendorError::new(text), status: None })
    }
}

/// The media type of a response, without parameters, in lower case.
pub(super) fn content_type(meta: &Meta) -> Option<Box<str>> {
    let value = meta.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!media.is_empty()).then(|| media.into())
}

fn parameters(members: Map<String, Value>) -> Value {
    if members.is_empty() { Value::Null } else { Value::Object(members) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_large_response_are_not_read_to_judge_it() {
        // What comes after the first row is not even JSON.
        let head =
            Head::of(r#"{"meta":{"request_id":"r","status_code":"SUCCESS"},"data":[["a"], oops"#);
        assert!(head.has_rows && head.alone);
        assert_eq!(
            (head.state, head.request_id.as_deref()),
            (Some(QueryState::Success), Some("r"))
        );
    }
}
