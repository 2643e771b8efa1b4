//! A request before it is sent: a value that can be read without a network.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Extensions, Method};
use percent_encoding::{PercentEncode, utf8_percent_encode};
use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use super::lease::Expiry;
use crate::error::{Error, Result};
use crate::redact::{CurlLine, Secrets, ShownHeaders, ShownUrl};
use crate::wire::{UNRESERVED, is_unreserved};

const FORM: &str = "application/x-www-form-urlencoded";

/// Whether sending a request twice does harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Idempotency {
    /// Reads only.
    Safe,
    /// Changes something, but the second time changes nothing more.
    Idempotent,
    /// Starts, creates, changes or deletes something each time it arrives. Never sent again once it may have been carried out.
    NotIdempotent,
}

/// Method, URL, headers and body of one call.
///
/// A clone costs nothing until it is changed. `Debug` shows no body, no credential, and no query value outside an allow-list.
#[derive(Clone)]
pub struct ApiRequest(Arc<Content>);

#[derive(Clone)]
struct Content {
    operation: &'static str,
    idempotency: Idempotency,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    hidden: Vec<SecretString>,
    confidential: bool,
    attempt: u32,
    extensions: Extensions,
}

impl ApiRequest {
    /// Starts a request that no [`Endpoint`](super::Endpoint) stands for.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that writes a path, from encoded segments"
    )]
    pub fn builder(
        operation: &'static str,
        idempotency: Idempotency,
        method: Method,
        base: &Url,
        segments: &[&str],
    ) -> RequestBuilder {
        let mut are_plain = true;
        let checked = segments.iter().try_for_each(|segment| {
            let is_plain = PathSegment(segment).is_plain();
            are_plain &= is_plain;
            PathSegment(segment).checked(is_plain).map(drop)
        });
        let root = base.path().trim_end_matches('/');
        let mut url = base.clone();
        if url.query().is_some() || url.fragment().is_some() {
            url.set_query(None);
            url.set_fragment(None);
        }
        if are_plain && let Ok(mut path) = url.path_segments_mut() {
            // As below, but the path of the base is not parsed once more.
            (root.len()..base.path().len()).for_each(|_| _ = path.pop_if_empty());
            path.extend(segments);
        } else {
            let mut path = root.to_owned();
            for segment in segments {
                path.push('/');
                path.extend(PathSegment(segment).encoded());
            }
            url.set_path(&path);
        }
        let request = Self(Arc::new(Content {
            operation,
            idempotency,
            method,
            url,
            // What the client and its credential add, as a rule.
            headers: HeaderMap::with_capacity(6),
            body: Bytes::new(),
            hidden: Vec::new(),
            confidential: false,
            attempt: 1,
            extensions: Extensions::new(),
        }));
        RequestBuilder { request, query: String::new(), fault: checked.err() }
    }

    /// A GET of a whole URL that was already checked to be the vendor's own.
    pub(crate) fn get_url(operation: &'static str, url: Url) -> Self {
        let mut request =
            Self::builder(operation, Idempotency::Safe, Method::GET, &url, &[]).request;
        request.edit().url = url;
        request
    }

    fn edit(&mut self) -> &mut Content {
        Arc::make_mut(&mut self.0)
    }

    /// Name of the operation.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// Whether sending it twice does harm.
    #[must_use]
    pub fn idempotency(&self) -> Idempotency {
        self.0.idempotency
    }

    /// Which attempt of its call it is, from 1: what a [`Transport`](super::Transport) needs to tell a retry from a new call.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// Notes how many attempts came before.
    pub(super) fn set_attempt(&mut self, before: usize) {
        self.edit().attempt = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
    }

    /// HTTP method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The whole URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0.url
    }

    /// The headers set so far.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// The body; empty where there is none.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// What the endpoint hands to its vendor's [`Dialect`](super::Dialect); it is not sent.
    #[must_use]
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.extensions.get()
    }

    /// Whether it must not be sent any more: it starts a run, and the [`Lease`](super::Lease) of that start is over. A transport of
    /// your own asks as late as it can, and then refuses the request.
    #[must_use]
    pub fn lease_is_over(&self) -> bool {
        self.extension::<Expiry>().is_some_and(Expiry::is_over)
    }

    /// Notes something that is not sent; of one type the last counts. [`Meta::extension`](super::Meta::extension) has it when the
    /// response is decoded.
    pub fn set_extension<T: Clone + Send + Sync + 'static>(&mut self, value: T) {
        self.edit().extensions.insert(value);
    }

    pub(crate) fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// Sends it to another path or server instead, with the query that it has. For a [`Dialect`](super::Dialect) whose vendor has
    /// an [other server](super::Service::other_server).
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a segment that cannot be sent.
    pub fn move_to(&mut self, server: &Url, segments: &[&str]) -> Result<()> {
        let query = self.0.url.query().map(str::to_owned);
        let method = self.0.method.clone();
        let moved = Self::builder(self.0.operation, self.0.idempotency, method, server, segments);
        self.edit().url = moved.finish()?.0.url.clone();
        self.edit().url.set_query(query.as_deref());
        Ok(())
    }

    /// Adds a query member behind those that are there. For a [`Dialect`](super::Dialect) whose client sends it with
    /// every call, or with some.
    pub fn append_query(&mut self, name: &str, value: &str) {
        let mut query = self.0.url.query().unwrap_or_default().to_owned();
        push_pair(&mut query, name, value);
        self.edit().url.set_query(Some(&query));
    }

    /// Sets a query member: the first of this name, or a new one behind those that are there. For a credential that goes
    /// into what the endpoint wrote.
    pub fn set_query(&mut self, name: &str, value: &str) {
        let mut set = String::new();
        push_pair(&mut set, name, value);
        let (start, _) = set.split_once('=').unwrap_or_default();
        let query = self.0.url.query().unwrap_or_default();
        let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        let named = |pair: &&mut &str| pair.split_once('=').is_some_and(|(name, _)| name == start);
        match pairs.iter_mut().find(named) {
            Some(pair) => *pair = &set,
            None => pairs.push(&set),
        }
        let query = pairs.join("&");
        self.edit().url.set_query(Some(&query));
    }

    /// Sets the body; its content type stays. For a credential that goes into what the endpoint wrote.
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.edit().body = body.into();
    }

    /// Adds a field to a form body, and makes a form of a body that is empty. For a credential or a
    /// [`Dialect`](super::Dialect) whose vendor wants a field with every form.
    pub fn append_form(&mut self, name: &str, value: &str) {
        let mut body = String::from_utf8_lossy(&self.0.body).into_owned();
        url::form_urlencoded::Serializer::new(&mut body).append_pair(name, value);
        self.edit().body = body.into();
        self.edit().headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM));
    }

    /// Sets a header. `authorization`, `proxy-authorization`, `cookie` and `x-api-key` are secret by themselves.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the value holds anything but visible ASCII characters and spaces.
    pub fn set_header(&mut self, name: HeaderName, value: &str) -> Result<()> {
        if matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie" | "x-api-key")
        {
            return self.set_secret_header(name, value);
        }
        let value = header_value(name.as_str(), value)?;
        self.edit().headers.insert(name, value);
        Ok(())
    }

    /// Sets a header that no output may show. Its value is also cut out of whatever the server sends back in an error.
    ///
    /// # Errors
    /// As [`set_header`](Self::set_header); the value is not in the error.
    pub fn set_secret_header(&mut self, name: HeaderName, value: &str) -> Result<()> {
        self.insert_secret(name, header_value("the credential", value)?);
        Ok(())
    }

    pub(crate) fn insert_secret(&mut self, name: HeaderName, mut value: HeaderValue) {
        value.set_sensitive(true);
        self.edit().headers.insert(name, value);
    }

    pub(crate) fn insert_default(&mut self, name: HeaderName, value: &HeaderValue) {
        self.edit().headers.entry(name).or_insert_with(|| value.clone());
    }

    /// Names a secret that the request carries in its URL or body, so that no output shows it.
    pub fn hide(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.edit().hidden.push(secret.into());
        }
    }

    /// The text without the secrets that this request knows: its credential, and what was [hidden](Self::hide). They are
    /// found as they are, as a field of a form, percent-encoded once or twice, escaped as in JSON or HTML, and whole in base64 or
    /// hexadecimal; the word `REDACTED` takes their place. For a
    /// [`Transport`](super::Transport) that keeps what goes through it: URL, headers and bodies, also those of the response.
    ///
    /// A secret that only the response contains is not found: see [`is_confidential`](Self::is_confidential). Neither are
    /// secrets of fewer than four bytes, parts of what was put into base64, and other encodings.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.secrets().scrub(text)
    }

    /// The URL as logs and errors show it: without user, password and fragment, and with `REDACTED` for its secrets and
    /// for all values of the query outside a short list of harmless ones, such as `limit`.
    #[must_use]
    pub fn redacted_url(&self) -> String {
        self.redact(&ShownUrl(&self.0.url).to_string()).into_owned()
    }

    /// Whether the response may hold secrets that the request does not know, such as a new token: neither body may be kept.
    /// True for what a [`Credential`](super::Credential) sends, and where the endpoint [says so](RequestBuilder::confidential).
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.0.confidential
    }

    pub(crate) fn set_confidential(&mut self) {
        self.edit().confidential = true;
    }

    pub(crate) fn secrets(&self) -> Secrets<'_> {
        Secrets { hidden: &self.0.hidden, headers: &self.0.headers }
    }

    pub(crate) fn carries_secrets(&self) -> bool {
        !self.0.hidden.is_empty() || self.0.headers.values().any(HeaderValue::is_sensitive)
    }

    pub(crate) fn into_parts(self) -> (Method, Url, HeaderMap, Bytes) {
        let Content { method, url, headers, body, .. } = &*self.0;
        (method.clone(), url.clone(), headers.clone(), body.clone())
    }

    /// The request as unit tests compare it: method, the URL behind `base`, headers but for `hidden`, body.
    #[cfg(test)]
    pub(crate) fn text(&self, base: &str, hidden: &str) -> String {
        let mut text =
            format!("{} {}", self.0.method, self.0.url.as_str().strip_prefix(base).unwrap());
        for (name, value) in self.0.headers.iter().filter(|(name, _)| *name != hidden) {
            text = format!("{text}\n{name}: {}", value.to_str().unwrap());
        }
        if !self.0.body.is_empty() {
            text = format!("{text}\n\n{}", str::from_utf8(&self.0.body).unwrap());
        }
        text
    }

    /// What a report needs of a request that got its response: not its body.
    pub(crate) fn reported(mut self) -> Self {
        if !self.0.body.is_empty() {
            self.edit().body = Bytes::from_static(b"-");
        }
        self
    }

    /// As a shell command, without its secrets and without its body.
    pub(crate) fn curl(&self) -> CurlLine<'_> {
        let Content { method, url, headers, body, .. } = &*self.0;
        CurlLine { method, url, headers, has_body: !body.is_empty(), secrets: self.secrets() }
    }

    /// Method and URL as people may see them.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.0.method, self.redacted_url())
    }
}

impl fmt::Debug for ApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiRequest")
            .field("operation", &self.0.operation)
            .field("request", &self.line())
            .field("headers", &ShownHeaders(&self.0.headers))
            .field("body_bytes", &self.0.body.len())
            .finish()
    }
}

/// Builds an [`ApiRequest`]; the first fault is kept and returned by [`finish`](Self::finish).
#[must_use = "a request is made by `finish`"]
pub struct RequestBuilder {
    request: ApiRequest,
    query: String,
    fault: Option<Error>,
}

impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the query: it may hold a secret.
        f.debug_tuple("RequestBuilder").field(&self.request).finish()
    }
}

impl RequestBuilder {
    /// Adds a query member; `None` adds nothing. The whole value is percent-encoded, a space becomes `%20`.
    pub fn query(mut self, name: &str, value: Option<impl Display>) -> Self {
        if let Some(value) = value {
            push_pair(&mut self.query, name, value);
        }
        self
    }

    /// Adds several query members in order.
    pub fn queries<N: AsRef<str>, V: Display>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        pairs
            .into_iter()
            .fold(self, |builder, (name, value)| builder.query(name.as_ref(), Some(value)))
    }

    /// Sets a header.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Err(error) = self.request.set_header(name, value) {
            self.fault.get_or_insert(error);
        }
        self
    }

    /// Says whether sending the request twice does harm.
    pub(super) fn idempotency(mut self, idempotency: Idempotency) -> Self {
        self.request.edit().idempotency = idempotency;
        self
    }

    /// Hands something to the vendor's [`Dialect`](super::Dialect) that is not sent; of one type the last counts.
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.request.set_extension(value);
        self
    }

    /// As [`extension`](Self::extension), if there is a value.
    pub fn extension_if<T: Clone + Send + Sync + 'static>(self, value: Option<T>) -> Self {
        match value {
            Some(value) => self.extension(value),
            None => self,
        }
    }

    /// Sets the `Accept` header.
    pub fn accept(self, media_type: &str) -> Self {
        self.header(header::ACCEPT, media_type)
    }

    /// Refuses the request if its input was found to be wrong.
    pub fn check(self, checked: Result<()>) -> Self {
        match checked {
            Ok(()) => self,
            Err(error) => self.fail(error),
        }
    }

    /// Says that the response may hold secrets, see [`ApiRequest::is_confidential`].
    pub fn confidential(mut self) -> Self {
        self.request.set_confidential();
        self
    }

    /// Names a secret in the URL or body, see [`ApiRequest::hide`].
    pub fn hide(mut self, secret: &str) -> Self {
        self.request.hide(secret);
        self
    }

    /// Sets a JSON body and its content type.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => {
                self.request.edit().body = body.into();
                self.content_type("application/json")
            }
            Err(error) => {
                self.fault.get_or_insert_with(|| {
                    Error::config("the request's body cannot be written as JSON").with_source(error)
                });
                self
            }
        }
    }

    /// Sets a form body and its content type.
    pub fn form<V: AsRef<str>>(
        mut self,
        fields: impl IntoIterator<Item = (&'static str, V)>,
    ) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields {
            form.append_pair(name, value.as_ref());
        }
        self.request.edit().body = form.finish().into();
        self.content_type(FORM)
    }

    fn content_type(mut self, value: &'static str) -> Self {
        self.request.edit().headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
        self
    }

    /// Records that the input cannot be sent; `finish` returns the error.
    pub fn fail(mut self, error: Error) -> Self {
        self.fault.get_or_insert(error);
        self
    }

    /// The request.
    ///
    /// # Errors
    /// The first fault of the input, of kind [`ErrorKind::Config`](crate::ErrorKind::Config).
    pub fn finish(mut self) -> Result<ApiRequest> {
        if let Some(error) = self.fault {
            return Err(error.with_operation(self.request.operation()));
        }
        if !self.query.is_empty() {
            self.request.edit().url.set_query(Some(&self.query));
        }
        Ok(self.request)
    }
}

fn push_pair(query: &mut String, name: &str, value: impl Display) {
    /// Encodes what is written, piece by piece.
    struct Encoded<'q>(&'q mut String);

    impl fmt::Write for Encoded<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend(utf8_percent_encode(text, UNRESERVED));
            Ok(())
        }
    }

    if query.is_empty() {
        query.reserve(64);
    } else {
        query.push('&');
    }
    query.extend(utf8_percent_encode(name, UNRESERVED));
    query.push('=');
    // Writing to a `String` cannot fail.
    let _ = write!(Encoded(query), "{value}");
}

/// One part of a URL's path: any id, percent-encoded.
///
/// Refused are the empty text, `.` and `..` (URL libraries drop them silently, and the call would reach another
/// resource), control characters, and texts over 1,024 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathSegment<'a>(&'a str);

impl<'a> PathSegment<'a> {
    /// Longest id, in bytes before encoding.
    pub const LONGEST: usize = 1024;

    /// Checks the text.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config); it says what is wrong and does not repeat the text.
    pub fn new(text: &'a str) -> Result<Self> {
        Self(text).checked(Self(text).is_plain())
    }

    fn checked(self, is_plain: bool) -> Result<Self> {
        let text = self.0;
        let fault = if text.is_empty() {
            "is empty"
        } else if text == "." || text == ".." {
            "is `.` or `..`, which a URL cannot hold"
        } else if text.len() > Self::LONGEST {
            "is longer than 1,024 bytes"
        } else if !is_plain && text.chars().any(char::is_control) {
            "holds control characters, such as a line break; trim it"
        } else {
            return Ok(self);
        };
        Err(Error::config(format!("an id in the path {fault}")))
    }

    /// Whether it is written as it is.
    fn is_plain(&self) -> bool {
        self.0.bytes().all(is_unreserved)
    }

    fn encoded(&self) -> PercentEncode<'_> {
        utf8_percent_encode(self.0, UNRESERVED)
    }
}

impl Display for PathSegment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.encoded().fmt(f)
    }
}

/// A value that a header can carry: visible ASCII characters and inner spaces.
pub(crate) fn header_value<V: AsRef<str>>(what: &str, value: V) -> Result<HeaderValue>
where
    HeaderValue: TryFrom<V>,
{
    let text = value.as_ref();
    let fault = if text.is_empty() {
        "is empty"
    } else if text.trim() != text {
        "begins or ends with white space; trim it"
    } else if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        "holds characters that an HTTP header cannot carry, such as a line break"
    } else {
        return HeaderValue::try_from(value)
            .map_err(|_| Error::config(format!("{what} cannot be sent in a header")));
    };
    Err(Error::config(format!("{what} {fault}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use chrono::{DateTime, Utc};

    use super::super::clock::{Clock as _, Hands, SystemClock};
    use super::super::lease::Lease;
    use super::*;
    use crate::error::ErrorKind;

    fn get(segments: &[&str]) -> RequestBuilder {
        let base = Url::parse("https://host/base/").unwrap();
        ApiRequest::builder("test", Idempotency::Safe, Method::GET, &base, segments)
    }

    #[test]
    fn every_segment_arrives_as_exactly_one_part_of_the_path() {
        for (id, path) in [
            ("plain-1_2.3~", "/base/a/plain-1_2.3~/z"),
            ("a/b", "/base/a/a%2Fb/z"),
            ("../x", "/base/a/..%2Fx/z"),
            ("%2e%2e", "/base/a/%252e%252e/z"),
            ("x?y", "/base/a/x%3Fy/z"),
            ("x#f", "/base/a/x%23f/z"),
            ("c2No+/w==", "/base/a/c2No%2B%2Fw%3D%3D/z"),
            ("ü ...", "/base/a/%C3%BC%20.../z"),
        ] {
            let request = get(&["a", id, "z"]).finish().unwrap();
            assert_eq!(request.url().path(), path);
            assert_eq!(request.url().path_segments().unwrap().count(), 4);
            let is_plain = matches!(PathSegment(id).encoded().into(), Cow::Borrowed(_));
            assert_eq!(PathSegment(id).is_plain(), is_plain, "{id}");
        }
    }

    #[test]
    fn ids_that_would_reach_another_resource_are_refused_before_anything_is_sent() {
        let long = "x".repeat(10 * 1024);
        for id in ["", ".", "..", "a\r\nb", "a\0b", "a\tb", "a\u{7f}b", "a\u{85}b", &long] {
            let error = get(&["a", id, "z"]).finish().expect_err(id);
            assert_eq!(
                (error.kind(), error.operation()),
                (ErrorKind::Config, Some("test")),
                "{id:?}"
            );
            assert!(!error.to_string().contains("a\tb"));
        }
        let longest = "x".repeat(PathSegment::LONGEST);
        assert!(get(&["a", &longest, "z"]).finish().is_ok());
    }

    #[test]
    fn query_values_are_encoded_whole() {
        let request = get(&["a"])
            .query("property", Some("created>2020-01-01T00:00:00Z,state==A B+C"))
            .query("limit", Some(5))
            .query("none", None::<&str>)
            .finish()
            .unwrap();
        assert_eq!(
            request.url().query(),
            Some("property=created%3E2020-01-01T00%3A00%3A00Z%2Cstate%3D%3DA%20B%2BC&limit=5")
        );
    }

    #[test]
    fn a_dialect_may_add_to_the_query_and_read_what_it_is_told() {
        let mut request = get(&["a"]).extension(7_u8).finish().unwrap();
        request.append_query("x y", "1&2");
        request.append_query("z", "3");
        assert_eq!(request.url().query(), Some("x%20y=1%262&z=3"));
        assert_eq!((request.extension::<u8>(), request.extension::<u16>()), (Some(&7), None));
    }

    #[test]
    fn a_body_comes_with_its_content_type() {
        let form = get(&["a"]).form([("x y", "1&2")]).finish().unwrap();
        assert_eq!(
            form.text("https://host/base", "accept"),
            "GET /a\ncontent-type: application/x-www-form-urlencoded\n\nx+y=1%262"
        );
    }

    #[test]
    fn what_an_endpoint_wrote_can_be_rewritten() {
        let mut request = get(&["a"]).query("x y", Some(1)).query("z", Some(2)).finish().unwrap();
        request.set_query("x y", "a=b&c");
        request.set_query("new", "3");
        assert_eq!(request.url().query(), Some("x%20y=a%3Db%26c&z=2&new=3"));
        request.set_body("{}");
        assert_eq!(request.body(), "{}");
        let mut bare = get(&["a"]).finish().unwrap();
        bare.set_query("x", "1");
        assert_eq!(bare.url().query(), Some("x=1"));
    }

    #[test]
    fn a_form_can_be_added_to() {
        let mut form = get(&["a"]).form([("x", "1")]).finish().unwrap();
        form.append_form("y z", "1&2");
        assert_eq!(form.body(), "x=1&y+z=1%262");
        let mut empty = get(&["a"]).finish().unwrap();
        empty.append_form("x", "1");
        assert_eq!((empty.body().as_ref(), empty.headers().len()), (b"x=1".as_slice(), 1));
    }

    #[test]
    fn a_request_says_when_it_must_not_be_sent_any_more() {
        let (begun, minute) = (SystemClock.now(), Duration::from_secs(60));
        let lease = Lease::new(&Hands(begun, DateTime::<Utc>::UNIX_EPOCH), minute);
        let mut request = get(&["a"]).finish().unwrap();
        assert!(!request.lease_is_over(), "it has none");
        for (now, is_over) in [(begun, false), (begun + minute, true)] {
            let clock = Arc::new(Hands(now, DateTime::UNIX_EPOCH));
            request.set_extension(Expiry::new(lease, clock));
            assert_eq!(request.lease_is_over(), is_over);
        }
    }

    #[test]
    fn a_debug_print_of_a_request_shows_no_secret() {
        let mut request =
            get(&["a"]).query("token", Some("canary-1")).json(&"canary-2").finish().unwrap();
        request.set_secret_header(header::AUTHORIZATION, "Bearer canary-3").unwrap();
        request.hide("canary-4");
        let text = format!("{request:?}");
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(request.secrets().scrub("canary-3 canary-4"), "REDACTED REDACTED");
    }

    #[test]
    fn a_request_as_a_command_has_variables_for_what_may_not_be_seen() {
        use http::header::{ACCEPT, AUTHORIZATION};

        let base = Url::parse("https://host/base").unwrap();
        let path = ["runs", "a$(b)"];
        let mut request =
            ApiRequest::builder("test", Idempotency::Safe, Method::POST, &base, &path)
                .query("limit", Some(5))
                .query("json", Some("{\"api_key\":\"canary\"}"))
                .query("the token", Some("canary"))
                .query("x-opensesame", Some(1))
                .header(ACCEPT, "text/`x` \"q\"")
                .header(HeaderName::from_static("x-org"), "canary")
                .json(&"canary")
                .finish()
                .unwrap();
        request.set_secret_header(AUTHORIZATION, "Bearer canary").unwrap();
        request.hide("opensesame");
        let text = request.curl().to_string();
        assert_eq!(
            text,
            concat!(
                r#"curl --request POST --header "accept: text/\`x\` \"q\"" --header "x-org: $X_ORG" "#,
                r#"--header "content-type: application/json" --header "authorization: $AUTHORIZATION" "#,
                r#"--data-binary "$BODY" "#,
                r#""https://host/base/runs/a%24%28b%29?limit=5&json=$JSON&the%20token=$THE_20TOKEN"#,
                r#"&x-REDACTED=$X_REDACTED""#,
            )
        );
        assert_eq!(request.reported().curl().to_string(), text, "nothing is lost on the way");
    }

    #[test]
    fn whoever_keeps_requests_can_take_their_secrets_out() {
        let mut request = get(&["runs", "canary-1"])
            .query("limit", Some(5))
            .query("start", Some("canary-1"))
            .query("sql", Some("SELECT 1"))
            .finish()
            .unwrap();
        request.hide("canary-1");
        request.set_secret_header(header::AUTHORIZATION, "Bearer canary/2").unwrap();
        let kept = request.redact("canary-1 Bearer canary/2 token=canary%2F2 other");
        assert_eq!(kept, "REDACTED REDACTED token=REDACTED other");
        assert!(matches!(request.redact("nothing secret"), Cow::Borrowed(_)));
        let url = "https://host/base/runs/REDACTED?limit=5&start=REDACTED&sql=REDACTED";
        assert_eq!(request.redacted_url(), url);
        assert!(!request.is_confidential());
        assert!(get(&["tokens"]).confidential().finish().unwrap().is_confidential());
    }

    #[test]
    fn a_secret_header_of_several_words_is_hidden_whole() {
        let mut request = get(&["a"]).query("an opensesame", Some(1)).finish().unwrap();
        request.set_secret_header(HeaderName::from_static("x-key"), "opensesame now").unwrap();
        request.set_secret_header(header::AUTHORIZATION, "Digest one two").unwrap();
        assert_eq!(request.secrets().scrub("opensesame now, one two"), "REDACTED, REDACTED");
        assert!(request.secrets().contain("one two"), "a token with a space is recognised");
    }

    #[test]
    fn header_values_that_could_split_a_request_are_refused_and_not_repeated() {
        for value in ["", "zzz\r\nx: y", "zzz\n", " zzz", "zzzä", "zzz\0", "zzz\tz"] {
            let error = get(&[]).header(header::USER_AGENT, value).finish().expect_err(value);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(!format!("{error} {error:?}").contains("zzz"), "{error}");
        }
    }
}
