//! Sending one request and reading one whole response.

use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode, Version};

use super::clock;
use super::connect;
use super::lease::Expiry;
use super::request::{ApiRequest, Idempotency};
use super::retry::Ending;
use crate::error::{Error, ErrorKind, Result, TimeoutPhase};

/// What carries requests. Wrap the built-in [`ReqwestTransport`] to record, replay or count; replace it to test.
///
/// A transport sends exactly once: no retries, no redirects. The client drops the future when a limit runs out, and the
/// transport must then not continue in the background.
///
/// A request says which [operation](ApiRequest::operation) it is for and which [attempt](ApiRequest::attempt) of its call it is.
/// For numbers about whole calls, [`on_call`](super::ClientBuilder::on_call) is simpler.
///
/// A transport that logs or keeps what goes through it takes the secrets out: [`ApiRequest::redacted_url`] and
/// [`ApiRequest::redact`] do so, and of a request that [is confidential](ApiRequest::is_confidential) it keeps no body. The
/// crate's example `record_and_replay` writes every exchange to a file and replays it.
///
/// Implement it with `#[async_trait]`, of the crate [async-trait](https://docs.rs/async-trait); add `http` 1 and `bytes` 1 for the response.
/// The guide has [examples and the rules](crate::guide::transport).
///
/// ```
/// use scheduled_runs::client::{ApiRequest, BodyLimits, Transport, TransportError};
///
/// #[derive(Debug)]
/// struct Logged<T>(T);
///
/// #[async_trait::async_trait]
/// impl<T: Transport> Transport for Logged<T> {
///     async fn send(
///         &self,
///         request: ApiRequest,
///         limits: BodyLimits,
///     ) -> Result<http::Response<bytes::Bytes>, TransportError> {
///         let (operation, attempt) = (request.operation(), request.attempt());
///         let line = format!("{operation}, attempt {attempt}: {}", request.redacted_url());
///         let result = self.0.send(request, limits).await;
///         match &result {
///             Ok(response) => println!("{line}: {}", response.status()),
///             Err(error) => println!("{line}: {error}"),
///         }
///         result
///     }
/// }
/// ```
#[async_trait]
pub trait Transport: Debug + Send + Sync {
    /// Sends the request and reads the whole body.
    ///
    /// # Errors
    /// [`TransportError`], whose kind says how far the request got. When in doubt say
    /// [`Interrupted`](TransportErrorKind::Interrupted): "not sent" lets the client start a run again.
    async fn send(
        &self,
        request: ApiRequest,
        limits: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError>;
}

/// Limits on the response that a [`Transport`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BodyLimits {
    /// Longest silence while the body comes in.
    pub idle: Duration,
    /// Most bytes of the decoded body.
    pub max_body: usize,
}

/// How far a request got that did not get a complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No connection; not a byte was sent.
    Connect,
    /// No connection within the connect limit; not a byte was sent.
    ConnectTimeout,
    /// TLS failed; not a byte of the request was sent.
    Tls,
    /// The server proved that it did not process the request (HTTP/2 `REFUSED_STREAM`, or a `GOAWAY` that leaves it out).
    NotProcessed,
    /// The connection broke after the request was written at least in part.
    Interrupted,
    /// Silence within the body for longer than the idle limit.
    Idle,
    /// The response is larger than the limit.
    TooLarge,
    /// What came back is not HTTP, or has a head too large to read.
    NotHttp,
    /// The transport itself refused the request before sending it.
    Refused,
}

/// Why there is no complete response.
///
/// It must not hold the request's URL or headers: they carry credentials.
#[derive(thiserror::Error)]
#[error("{}", self.text())]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
    head: Option<Box<(StatusCode, HeaderMap)>>,
}

impl Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the head: a server may echo a credential in it.
        let status = self.head.as_ref().map(|head| head.0);
        let source = self.source.as_ref().map(ToString::to_string);
        f.debug_struct("TransportError")
            .field("kind", &self.kind)
            .field("status", &status)
            .field("source", &source)
            .finish()
    }
}

impl TransportError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: TransportErrorKind) -> Self {
        Self { kind, source: None, head: None }
    }

    /// Attaches the cause, which must hold no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Attaches the head of the response whose body did not arrive.
    #[must_use]
    pub fn with_head(mut self, status: StatusCode, headers: HeaderMap) -> Self {
        self.head = Some(Box::new((status, headers)));
        self
    }

    /// How far the request got.
    #[must_use]
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    fn text(&self) -> &'static str {
        match self.kind {
            TransportErrorKind::Connect => "could not connect",
            TransportErrorKind::ConnectTimeout => TimeoutPhase::Connect.text(),
            TransportErrorKind::Tls => "the server's identity could not be verified, or TLS failed",
            TransportErrorKind::NotProcessed => "the server closed down before it took the request",
            TransportErrorKind::Interrupted => {
                "the connection broke before the response was complete"
            }
            TransportErrorKind::Idle => TimeoutPhase::Idle.text(),
            TransportErrorKind::TooLarge => "the response is larger than the limit",
            TransportErrorKind::NotHttp => "the response does not begin with a readable HTTP head",
            TransportErrorKind::Refused => "the transport refused the request",
        }
    }

    pub(crate) fn ending(&self) -> Ending {
        match self.kind {
            TransportErrorKind::Connect
            | TransportErrorKind::ConnectTimeout
            | TransportErrorKind::NotProcessed => Ending::NotSent,
            TransportErrorKind::Tls | TransportErrorKind::Refused => Ending::Refused,
            TransportErrorKind::Interrupted | TransportErrorKind::Idle => Ending::Lost,
            TransportErrorKind::TooLarge | TransportErrorKind::NotHttp => Ending::Unreadable(None),
        }
    }

    pub(crate) fn take_head(&mut self) -> Option<(StatusCode, HeaderMap)> {
        self.head.take().map(|head| *head)
    }

    pub(crate) fn into_error(self) -> Error {
        let text = self.text();
        let error = match self.kind {
            TransportErrorKind::Connect => Error::new(ErrorKind::Connect, text),
            TransportErrorKind::ConnectTimeout => Error::timeout(TimeoutPhase::Connect),
            TransportErrorKind::Tls => Error::new(ErrorKind::Tls, text),
            TransportErrorKind::NotProcessed | TransportErrorKind::Interrupted => {
                Error::new(ErrorKind::Interrupted, text)
            }
            TransportErrorKind::Idle => Error::timeout(TimeoutPhase::Idle),
            TransportErrorKind::TooLarge => Error::new(ErrorKind::TooLarge, text),
            TransportErrorKind::NotHttp => Error::new(ErrorKind::UnexpectedContent, text),
            TransportErrorKind::Refused => Error::config(text),
        };
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

/// The built-in transport, over [reqwest](https://docs.rs/reqwest).
///
/// Requests that are safe to send twice share a pool of connections. Any other request gets a connection of its own: it cannot
/// meet one that the server is about to close, which would leave open whether it was carried out. The [lease](super::Lease) of
/// a start is checked once more between connecting and sending.
#[derive(Clone)]
pub struct ReqwestTransport {
    pooled: reqwest::Client,
    /// For requests that are not idempotent.
    single: reqwest::Client,
}

impl ReqwestTransport {
    /// Default limit for making a connection, TLS included: 5 s.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

    /// A transport with the platform's trust store, the environment's proxies, and this connect limit. It asks for responses
    /// that are not compressed, and unpacks none.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if TLS cannot be set up; with the feature `rustls-no-provider` alone, if the program has
    /// installed no cryptography.
    pub fn new(connect_timeout: Duration) -> Result<Self> {
        Self::from_builder(|| plain(connect_timeout))
    }

    /// The transport of a client for this base URL: what goes to this machine does not go through a proxy first.
    pub(super) fn for_base(base_url: &url::Url, connect_timeout: Duration) -> Result<Self> {
        let own = super::link::is_loopback(base_url);
        let builder = || plain(connect_timeout);
        Self::from_builder(|| if own { builder().no_proxy() } else { builder() })
    }

    /// A transport from your own builder: a proxy, a certificate authority, a client certificate, compressed responses. The function
    /// is called twice, for the pooled connections and for the others.
    ///
    /// The environment's proxies are used for every host unless the builder says [`no_proxy`](reqwest::ClientBuilder::no_proxy):
    /// for `http://` on this machine say it, or the proxy sees the credential.
    ///
    /// Redirects, the `Referer` header and reqwest's own retries are switched off last: they would send credentials to
    /// other origins and requests twice.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the builder cannot build, or panics: with the feature `rustls-no-provider` alone it does
    /// so in a program that has installed no cryptography.
    pub fn from_builder(builder: impl Fn() -> reqwest::ClientBuilder) -> Result<Self> {
        let single = builder().pool_max_idle_per_host(0).connector_layer(connect::RefuseLate);
        Ok(Self { pooled: built(builder())?, single: built(single)? })
    }
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    let builder = builder
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never());
    let failed = "the HTTP client could not be set up";
    match catch_unwind(AssertUnwindSafe(|| builder.build())) {
        Ok(Ok(http)) => Ok(http),
        Ok(Err(error)) => Err(Error::config(failed).with_source(error.without_url())),
        Err(panic) => {
            let why = panic.downcast_ref::<&str>().copied().unwrap_or("reqwest panicked");
            Err(Error::config(format!("{failed}: {why}")))
        }
    }
}

/// The features of reqwest are those that any crate of the program asks for: unpacking of responses is switched off, and which
/// TLS it is said, so that a client does the same in every program. A request that is silent about encodings allows all of
/// them.
fn plain(connect_timeout: Duration) -> reqwest::ClientBuilder {
    let identity = http::HeaderValue::from_static("identity");
    let headers = HeaderMap::from_iter([(http::header::ACCEPT_ENCODING, identity)]);
    let builder = reqwest::Client::builder().connect_timeout(connect_timeout);
    #[cfg(feature = "rustls")]
    let builder = builder.tls_backend_rustls();
    builder.default_headers(headers).no_gzip().no_brotli().no_zstd().no_deflate()
}

impl Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // reqwest prints its default headers, which may be credentials.
        f.debug_struct("ReqwestTransport").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(
        &self,
        request: ApiRequest,
        limits: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let expiry = request.extension::<Expiry>().cloned();
        let http = if request.idempotency() == Idempotency::NotIdempotent {
            &self.single
        } else {
            &self.pooled
        };
        let (method, url, headers, body) = request.into_parts();
        let mut outgoing = reqwest::Request::new(method, url);
        *outgoing.headers_mut() = headers;
        if !body.is_empty() {
            *outgoing.body_mut() = Some(body.into());
        } else if !outgoing.method().is_safe() {
            // Otherwise it would be missing, and some gateways respond with 411 to a POST that does not say that it is empty.
            outgoing.headers_mut().insert(http::header::CONTENT_LENGTH, 0.into());
        }
        let is_head = outgoing.method() == http::Method::HEAD;
        let mut answer = connect::before(expiry, http.execute(outgoing)).await.map_err(classify)?;
        let body = read_body(&mut answer, limits).await;
        let mut whole = Response::new(Bytes::new());
        *whole.status_mut() = answer.status();
        *whole.version_mut() = answer.version();
        *whole.headers_mut() = std::mem::take(answer.headers_mut());
        match body.and_then(|body| if is_head { Ok(body) } else { unless_cut(&whole, body) }) {
            Ok(body) => {
                *whole.body_mut() = body;
                Ok(whole)
            }
            Err(error) => {
                let (head, _) = whole.into_parts();
                Err(error.with_head(head.status, head.headers))
            }
        }
    }
}

/// Reads the body chunk by chunk, so that neither a false length nor an endless body takes memory.
async fn read_body(
    answer: &mut reqwest::Response,
    limits: BodyLimits,
) -> Result<Bytes, TransportError> {
    let too_large = || TransportError::new(TransportErrorKind::TooLarge);
    if answer.content_length().is_some_and(|length| length > limits.max_body as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    let mut first = None;
    loop {
        let chunk = match clock::within(|| limits.idle, answer.chunk()).await {
            None => return Err(TransportError::new(TransportErrorKind::Idle)),
            Some(Err(error)) => {
                return Err(TransportError::new(TransportErrorKind::Interrupted)
                    .with_source(printable(error.without_url())));
            }
            Some(Ok(chunk)) => chunk,
        };
        let Some(chunk) = chunk else { break };
        let so_far = first.as_ref().map_or(body.len(), Bytes::len);
        if so_far + chunk.len() > limits.max_body {
            return Err(too_large());
        }
        // Most responses come in one chunk, which needs no copy.
        match first.take() {
            None if body.is_empty() => first = Some(chunk),
            None => body.extend_from_slice(&chunk),
            Some(front) => {
                body.extend_from_slice(&front);
                body.extend_from_slice(&chunk);
            }
        }
    }
    Ok(first.unwrap_or_else(|| body.freeze()))
}

/// The body, unless it is shorter than announced. Over HTTP/2 nobody else checks: hyper takes a stream that is reset with
/// `NO_ERROR` for one that has ended.
fn unless_cut(head: &Response<Bytes>, body: Bytes) -> Result<Bytes, TransportError> {
    let bodiless = matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let looked_at = head.version() < Version::HTTP_2 || bodiless;
    if !looked_at && announced(head.headers()).is_some_and(|length| length > body.len() as u64) {
        return Err(TransportError::new(TransportErrorKind::Interrupted));
    }
    Ok(body)
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// How far a request got that reqwest could not finish. Asks the errors of the layers below by type, not by text, where
/// they have a type to ask.
fn classify(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    let causes = || std::iter::successors(error.source(), |cause| (*cause).source());
    let kind = if error.is_builder() {
        TransportErrorKind::Refused
    } else if error.is_connect() {
        if error.is_timeout() {
            TransportErrorKind::ConnectTimeout
        } else if causes().any(is_tls) {
            TransportErrorKind::Tls
        } else {
            TransportErrorKind::Connect
        }
    } else {
        causes().find_map(kind_of_cause).unwrap_or(TransportErrorKind::Interrupted)
    };
    TransportError::new(kind).with_source(printable(error))
}

/// The error without the debug data of a GOAWAY: it may repeat the request.
fn printable(error: reqwest::Error) -> Box<dyn StdError + Send + Sync> {
    let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let reason = causes.find_map(|cause| {
        let error = cause.downcast_ref::<h2::Error>().filter(|error| error.is_go_away());
        error.and_then(h2::Error::reason)
    });
    match reason {
        Some(reason) => h2::Error::from(reason).into(),
        None => error.into(),
    }
}

fn kind_of_cause(cause: &(dyn StdError + 'static)) -> Option<TransportErrorKind> {
    if let Some(error) = cause.downcast_ref::<h2::Error>() {
        // RFC 9113, section 8.7: these two mean that the request was not processed. Only a request beyond the last one that
        // a GOAWAY names ends with it, whatever its code; those before it go on, and end with the connection.
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        return (error.is_remote() && (refused || error.is_go_away()))
            .then_some(TransportErrorKind::NotProcessed);
    }
    let error = cause.downcast_ref::<hyper::Error>()?;
    error.is_parse().then_some(TransportErrorKind::NotHttp)
}

/// Whether a failure to connect is one of TLS. The TLS libraries hand their errors on as I/O errors of this kind; their
/// own types differ from one to the next.
fn is_tls(cause: &(dyn StdError + 'static)) -> bool {
    // The source of an I/O error is the source of what it wraps: what it wraps is asked for by `get_ref`.
    let mut broken = cause.downcast_ref::<io::Error>();
    while let Some(error) = broken {
        if error.kind() == io::ErrorKind::InvalidData {
            return true;
        }
        broken = error.get_ref().and_then(|wrapped| wrapped.downcast_ref());
    }
    // The second is OpenSSL's, of a server that does not speak TLS.
    let text = cause.to_string();
    text.contains("certificate") || text.contains("wrong version number")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a response with this body, if at most so many bytes are allowed.
    async fn read(body: &'static str, most: usize) -> Option<Bytes> {
        let mut answer = reqwest::Response::from(Response::new(body));
        let limits = BodyLimits { max_body: most, idle: Duration::from_secs(5) };
        match read_body(&mut answer, limits).await {
            Ok(body) => Some(body),
            Err(error) => {
                assert_eq!(error.kind(), TransportErrorKind::TooLarge);
                None
            }
        }
    }

    #[tokio::test]
    async fn a_body_may_be_as_large_as_the_limit_and_not_larger() {
        assert_eq!(read("body", 5).await.unwrap(), "body");
        assert_eq!(read("body", 4).await.unwrap(), "body");
        assert_eq!(read("body", 3).await, None);
        assert_eq!(read("", 0).await.unwrap(), "");
    }

    #[test]
    fn a_body_that_is_shorter_than_announced_is_cut_unless_http_1_has_looked_or_there_is_none() {
        for (version, status, announced, is_cut) in [
            (Version::HTTP_2, 200, Some("5"), true),
            (Version::HTTP_3, 200, Some("5"), true),
            (Version::HTTP_2, 200, Some("4"), false),
            (Version::HTTP_2, 200, Some("3"), false),
            (Version::HTTP_2, 200, Some("many"), false),
            (Version::HTTP_2, 200, None, false),
            (Version::HTTP_2, 204, Some("5"), false),
            (Version::HTTP_2, 304, Some("5"), false),
            (Version::HTTP_11, 200, Some("5"), false),
            (Version::HTTP_10, 200, Some("5"), false),
        ] {
            let mut head = Response::new(Bytes::new());
            *head.version_mut() = version;
            *head.status_mut() = StatusCode::from_u16(status).unwrap();
            let length = announced.map(|length| length.parse().unwrap());
            head.headers_mut().extend(length.map(|length| (http::header::CONTENT_LENGTH, length)));
            let body = unless_cut(&head, Bytes::from_static(b"body"));
            assert_eq!(body.is_err(), is_cut, "{version:?} {status} {announced:?}");
        }
    }

    #[test]
    fn failures_of_tls_are_told_by_their_kind_or_their_words() {
        let data = |error: io::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        for (error, is_of_tls) in [
            (data(io::Error::other("anything")), true),
            (io::Error::other(data(io::Error::other("anything"))), true),
            (io::Error::other("certificate verify failed"), true),
            (io::Error::other("wrong version number"), true),
            (io::Error::other("anything else"), false),
            (io::ErrorKind::ConnectionRefused.into(), false),
        ] {
            assert_eq!(is_tls(&error), is_of_tls, "{error:?}");
        }
    }

    #[test]
    fn every_failure_of_a_transport_has_words_of_its_own() {
        use TransportErrorKind::{
            Connect, ConnectTimeout, Idle, Interrupted, NotHttp, NotProcessed, Refused, Tls,
            TooLarge,
        };
        let kinds = [
            Connect,
            ConnectTimeout,
            Tls,
            NotProcessed,
            Interrupted,
            Idle,
            TooLarge,
            NotHttp,
            Refused,
        ];
        let words: std::collections::BTreeSet<_> =
            kinds.map(|kind| TransportError::new(kind).to_string()).into();
        assert_eq!(words.len(), kinds.len());
        assert!(words.iter().all(|words| words.len() > 10), "{words:?}");
    }
}
