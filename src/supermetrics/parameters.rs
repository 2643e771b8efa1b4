//! Parameters of a call: how they are sent, and their limits, which are checked before that.

use std::ops::RangeInclusive;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::client::RequestBuilder;
use crate::error::{Error, Result};

/// The largest offset of a row that the vendor accepts.
pub(super) const LAST_OFFSET: u32 = 1_000_000;

/// Sends parameters as one JSON object in the query of the URL.
pub(super) fn json_parameters(
    request: RequestBuilder,
    parameters: &impl Serialize,
) -> RequestBuilder {
    match serde_json::to_string(parameters) {
        Ok(object) => request.query("json", Some(object)),
        Err(error) => request
            .fail(Error::config("the parameters cannot be written as JSON").with_source(error)),
    }
}

/// Parameters, sent in this order. Those that are null are left out.
pub(super) struct Parameters<const N: usize>(pub(super) [(&'static str, Value); N]);

impl<const N: usize> Serialize for Parameters<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let set = self.0.iter().filter(|(_, value)| !value.is_null());
        serializer.collect_map(set.map(|(name, value)| (name, value)))
    }
}

/// A parameter that the vendor limits.
pub(super) trait Limited {
    /// Refuses what is outside these limits: the characters of a text, the entries of a list, or the number itself.
    fn check(&self, name: &str, limits: RangeInclusive<u32>) -> Result<()>;
}

impl<T: Limited> Limited for Option<T> {
    fn check(&self, name: &str, limits: RangeInclusive<u32>) -> Result<()> {
        self.as_ref().map_or(Ok(()), |value| value.check(name, limits))
    }
}

impl Limited for u32 {
    fn check(&self, name: &str, limits: RangeInclusive<u32>) -> Result<()> {
        if limits.contains(self) {
            return Ok(());
        }
        let (least, most) = limits.into_inner();
        Err(Error::config(format!("`{name}` is {self}; it must be {least} to {most}")))
    }
}

impl Limited for str {
    fn check(&self, name: &str, limits: RangeInclusive<u32>) -> Result<()> {
        check_count(name, self.chars().count(), "characters", limits)
    }
}

impl Limited for String {
    fn check(&self, name: &str, limits: RangeInclusive<u32>) -> Result<()> {
        self.as_str().check(name, limits)
    }
}

/// Refuses a number of things that is outside these limits.
pub(super) fn check_count(
    name: &str,
    count: usize,
    things: &str,
    limits: RangeInclusive<u32>,
) -> Result<()> {
    if u32::try_from(count).is_ok_and(|count| limits.contains(&count)) {
        return Ok(());
    }
    let (least, most) = limits.into_inner();
    let message = format!("`{name}` has {count} {things}; it must have {least} to {most}");
    Err(Error::config(message))
}

/// The vendor's rule for ids that callers choose: of runs and of data sources.
pub(super) fn check_id(name: &str, id: &str, limits: RangeInclusive<u32>) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if u32::try_from(id.len()).is_ok_and(|length| limits.contains(&length))
        && id.bytes().all(allowed)
    {
        return Ok(());
    }
    let fault = if id.is_empty() { "is empty" } else { "is too long or has other characters" };
    let (least, most) = limits.into_inner();
    let rule = format!("it must be {least} to {most} letters, digits, `-` or `_`");
    Err(Error::config(format!("`{name}` {fault}; {rule}")))
}

/// Refuses rows that end before they start. Both offsets name rows that are sent.
pub(super) fn check_offsets(start: Option<u32>, end: Option<u32>) -> Result<()> {
    match end {
        Some(end) if end < start.unwrap_or_default() => Err(Error::config(
            "`offset_end` is less than `offset_start`; both name rows that are sent",
        )),
        _ => Ok(()),
    }
}
