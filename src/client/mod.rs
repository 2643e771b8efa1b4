//! Talking HTTP, whichever the vendor: one call from the request to the decoded answer.
//!
//! | file | subject |
//! |---|---|
//! | `request` | [`Endpoint`] and [`ApiRequest`]: what to send, as a value |
//! | `exchange` | the one loop: attempt, judge, repeat, give up |
//! | `rate` | how many requests a vendor takes in a time; pure |
//! | `retry` | the decision table, pauses, `Retry-After`, the budget; pure |
//! | `dialect` | [`Dialect`]: how one vendor says "error" |
//! | `credential` | [`Credential`] and cached tokens |
//! | `transport` | [`Transport`], over reqwest |
//! | `response` | [`Response`] and [`Meta`] |
//! | `link`, `redact`, `clock` | where links may lead, what people may see, what time it is |

mod clock;
pub(crate) mod credential;
mod dialect;
mod exchange;
mod link;
mod operation;
mod rate;
mod redact;
mod request;
mod response;
mod retry;
mod transport;

use std::borrow::Cow;
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, header};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use url::Url;

pub use crate::wire::json;

pub use self::clock::{Clock, SystemClock};
pub use self::credential::{
    Basic, Bearer, CachedToken, Credential, CredentialContext, Token, TokenSource,
};
pub use self::dialect::{Advice, Answer, Dialect, Refusal, Verdict};
pub use self::link::LinkPolicy;
pub use self::operation::operation;
pub use self::rate::Rate;
pub use self::request::{
    ApiRequest, CountedList, Endpoint, Idempotency, ListSettings, OffsetPages, PagedEndpoint,
    PathSegment, RawCall, RequestBuilder,
};
pub use self::response::{Meta, Response};
pub use self::retry::RetryPolicy;
pub(crate) use self::retry::draw;
pub use self::transport::{
    BodyLimits, ReqwestTransport, Transport, TransportError, TransportErrorKind,
};

pub(crate) use self::clock::within;
pub(crate) use self::link::resolve as link_target;
pub(crate) use self::redact::{CurlLine, Printable, Secrets};
pub(crate) use self::request::{UNRESERVED, header_value};

use self::exchange::Session;
use self::retry::RetryBudget;
use crate::error::{Error, Result};
use crate::paging::{Items, Pages};
use crate::wire::Drift;
use crate::wire::drift::{Told, Watch};
use crate::wire::hal::Link;

/// Name of a vendor: lower-case letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vendor(Cow<'static, str>);

impl Vendor {
    /// A vendor known when the program is compiled.
    ///
    /// # Panics
    /// If the name is empty or has other characters: when the program is compiled, for a constant.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        assert!(
            Self::is_name(name.as_bytes()),
            "a vendor's name is lower-case letters, digits, `-` and `_`"
        );
        Self(Cow::Borrowed(name))
    }

    const fn is_name(name: &[u8]) -> bool {
        let mut rest = name;
        while let [byte, after @ ..] = rest {
            if !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') {
                return false;
            }
            rest = after;
        }
        !name.is_empty()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A vendor named at run time.
impl FromStr for Vendor {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        if !Self::is_name(name.as_bytes()) {
            return Err(Error::config(
                "a vendor's name is lower-case letters, digits, `-` and `_`",
            ));
        }
        Ok(Self(Cow::Owned(name.to_owned())))
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}

/// A vendor's API: the type that ties requests to the client that may send them.
pub trait Api: Send + Sync + 'static {
    /// The vendor's name.
    const VENDOR: Vendor;

    /// What this vendor's clients must be told beside the common settings.
    type Options: Debug + Default + Send + Sync;

    /// Checks the options and makes of them what a client needs to talk to this vendor.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config); it names the setting that is missing or wrong.
    fn service(options: &Self::Options) -> Result<Service>;

    /// Begins the request of one of this vendor's endpoints, below the base URL. Override it where all requests share more
    /// than that: a prefix of the path, or a check of the ids in it.
    fn begin(
        operation: &'static str,
        idempotency: Idempotency,
        method: Method,
        base: &Url,
        path: &[&str],
    ) -> RequestBuilder {
        ApiRequest::builder(operation, idempotency, method, base, path)
    }
}

/// Where a vendor's API is, and how it speaks.
#[derive(Debug)]
#[non_exhaustive]
pub struct Service {
    /// Where requests go unless [`ClientBuilder::base_url`] says otherwise; empty for vendors whose customers have hosts of
    /// their own.
    pub base_url: Cow<'static, str>,
    /// How it speaks.
    pub dialect: Arc<dyn Dialect>,
}

impl Service {
    /// A service at this base URL.
    #[must_use]
    pub fn new(base_url: impl Into<Cow<'static, str>>, dialect: impl Dialect + 'static) -> Self {
        Self { base_url: base_url.into(), dialect: Arc::new(dialect) }
    }
}

/// Time and size limits of one client; [`Call`] can tighten or widen most of them for one call.
///
/// ```
/// use std::time::Duration;
/// use scheduled_runs::client::Limits;
///
/// // For answers that are large and come slowly.
/// let limits = Limits::default()
///     .attempt(Duration::from_secs(300))
///     .call(Duration::from_secs(600))
///     .max_body(512 * 1024 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    connect: Duration,
    attempt: Duration,
    idle: Duration,
    call: Duration,
    max_body: usize,
    in_flight: usize,
    paced: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: ReqwestTransport::CONNECT_TIMEOUT,
            attempt: Duration::from_secs(30),
            idle: Duration::from_secs(20),
            call: Duration::from_secs(120),
            max_body: 64 * 1024 * 1024,
            in_flight: 64,
            paced: true,
        }
    }
}

impl Limits {
    /// For making a connection, TLS included. Default 5 s. A transport of your own sets its own.
    #[must_use]
    pub fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// For one attempt, from sending to the last byte of the answer. Default 30 s.
    #[must_use]
    pub fn attempt(mut self, limit: Duration) -> Self {
        self.attempt = limit;
        self
    }

    /// For the silence between two pieces of an answer's body. Default 20 s.
    #[must_use]
    pub fn idle(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// For a whole call: credential, attempts, pauses. Default 120 s. Where the vendor publishes a
    /// [rate](Self::paced), it counts from the call's turn.
    #[must_use]
    pub fn call(mut self, limit: Duration) -> Self {
        self.call = limit;
        self
    }

    /// For the bytes of an answer's body. Default 64 MiB.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// For the requests in flight at once on one client; more wait their turn. Default 64; 0 counts as 1.
    #[must_use]
    pub fn in_flight(mut self, requests: usize) -> Self {
        self.in_flight = requests.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Whether the client keeps to the rate its vendor publishes, where it publishes one: requests beyond it wait before
    /// they are sent, instead of being refused. Default true. Turn it off where another part of your program paces calls.
    #[must_use]
    pub fn paced(mut self, paced: bool) -> Self {
        self.paced = paced;
        self
    }
}

/// What one call does differently from its client's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallOptions {
    /// Limit for the whole call.
    pub deadline: Option<Duration>,
    /// Limit for one attempt.
    pub attempt_timeout: Option<Duration>,
    /// Tries, the first included.
    pub max_attempts: Option<u32>,
    /// Most bytes of the answer's body.
    pub max_body: Option<usize>,
    /// What is left to whoever makes this call: it shortens the deadline and never lengthens it.
    pub(crate) left: Option<Duration>,
}

impl CallOptions {
    /// The options of a further call, after so much of the time was spent: for providers that answer one question with
    /// several calls.
    #[must_use]
    pub fn after(&self, spent: Duration) -> Self {
        let rest = |limit: Option<Duration>| limit.map(|limit| limit.saturating_sub(spent));
        Self { deadline: rest(self.deadline), left: rest(self.left), ..self.clone() }
    }

    /// Limit for the whole call: credential, attempts, pauses.
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// Limit for one attempt.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// Tries, the first included; 1 means no retry.
    #[must_use]
    pub fn max_attempts(mut self, tries: u32) -> Self {
        self.max_attempts = Some(tries);
        self
    }

    /// Most bytes of the answer's body.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = Some(bytes);
        self
    }
}

/// A client of one vendor. Clones share connections, token, limits and retry budget.
pub struct Client<A> {
    core: Arc<Core>,
    api: PhantomData<fn() -> A>,
}

pub(crate) struct Core {
    vendor: Vendor,
    base_url: Url,
    dialect: Arc<dyn Dialect>,
    transport: Arc<dyn Transport>,
    credential: Option<Arc<dyn Credential>>,
    clock: Arc<dyn Clock>,
    user_agent: header::HeaderValue,
    limits: Limits,
    retry: RetryPolicy,
    budget: RetryBudget,
    pacer: rate::Pacer,
    in_flight: Semaphore,
    allow_plain_http: bool,
    drift: Option<Watch>,
}

impl<A> Clone for Client<A> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), api: PhantomData }
    }
}

impl<A> Debug for Client<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.core).finish()
    }
}

impl Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("vendor", &self.vendor)
            .field("base_url", &redact::ShownUrl(&self.base_url).to_string())
            .field("credential", &self.credential.as_ref().map(|_| "[redacted]"))
            .field("transport", &self.transport)
            .field("limits", &self.limits)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl<A: Api> Client<A> {
    /// Starts a client.
    pub fn builder() -> ClientBuilder<A> {
        ClientBuilder::new()
    }

    /// Sends a request and decodes the answer.
    ///
    /// # Errors
    /// Any [`ErrorKind`](crate::ErrorKind) that names a failed call; [`Error::may_have_run`] says whether a trigger may
    /// have been carried out all the same.
    pub async fn send<E: Endpoint<Api = A>>(&self, request: E) -> Result<Response<E::Output>> {
        self.call(request).send().await
    }

    /// Sends a request and decodes the answer into a type of yours.
    ///
    /// ```no_run
    /// # use scheduled_runs::client::{Api, Endpoint};
    /// # use scheduled_runs::{Client, Result};
    /// # async fn program<A: Api>(client: Client<A>, request: impl Endpoint<Api = A>) -> Result<()> {
    /// use scheduled_runs::Response;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Mine {
    ///     id: String,
    /// }
    ///
    /// let mine: Response<Mine> = client.send_as(request).await?;
    /// println!("{}", mine.id);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_as<E: Endpoint<Api = A>, T: DeserializeOwned + Send>(
        &self,
        request: E,
    ) -> Result<Response<T>> {
        self.call(request).send_as().await
    }

    /// Starts a call whose limits differ from the client's.
    ///
    /// ```no_run
    /// # use scheduled_runs::client::{Api, Endpoint};
    /// # use scheduled_runs::{Client, Result};
    /// # async fn program<A: Api>(client: Client<A>, request: impl Endpoint<Api = A>) -> Result<()> {
    /// use std::time::Duration;
    ///
    /// let answer = client.call(request).deadline(Duration::from_secs(10)).max_attempts(1).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<E: Endpoint<Api = A>>(&self, request: E) -> Call<'_, E> {
        Call { client: self, request, options: CallOptions::default() }
    }

    /// Starts several calls that answer one question and share the deadline of these options.
    #[must_use]
    pub fn calls<'c>(&'c self, options: &'c CallOptions) -> Calls<'c, A> {
        Calls { client: self, options, begun: self.core.clock.now() }
    }

    /// Walks a list page by page.
    pub fn pages<E: PagedEndpoint<Api = A>>(&self, request: E) -> Pages<E> {
        Pages::new(self.clone(), request)
    }

    /// Walks a list item by item.
    pub fn items<E: PagedEndpoint<Api = A>>(&self, request: E) -> Items<E> {
        self.pages(request).items()
    }

    /// Starts a call that has no request type.
    ///
    /// ```no_run
    /// # use scheduled_runs::{Client, Result};
    /// # async fn program<A: scheduled_runs::client::Api>(client: Client<A>) -> Result<()> {
    /// use http::Method;
    /// use scheduled_runs::Response;
    /// use serde_json::Value;
    ///
    /// // `GET …/things/a%2Fb?limit=10`, below the client's base URL.
    /// let call = client.raw(Method::GET, &["things", "a/b"]).query("limit", Some(10));
    /// let things: Response<Value> = call.send_as().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn raw(&self, method: Method, segments: &[&str]) -> RawCall<'_, A> {
        RawCall::new(self, method, segments)
    }

    /// Fetches what a link of an answer leads to.
    ///
    /// # Errors
    /// [`ErrorKind::CrossOrigin`](crate::ErrorKind::CrossOrigin), before anything is sent, if the link leaves the base
    /// URL's origin; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for a templated link. Else as
    /// [`send`](Self::send).
    pub async fn follow<T: DeserializeOwned + Send>(&self, link: &Link) -> Result<Response<T>> {
        let url =
            link.resolve(&self.core.base_url).map_err(|error| error.with_operation("follow"))?;
        let write = || Ok(ApiRequest::get_url("follow", url.clone()));
        self.exchange(write, &CallOptions::default(), json::decode).await
    }

    /// The vendor.
    #[must_use]
    pub fn vendor(&self) -> &Vendor {
        &self.core.vendor
    }

    /// Where requests go.
    #[must_use]
    pub fn base_url(&self) -> &Url {
        &self.core.base_url
    }

    /// The clock that pauses and waits are measured with.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.core.clock)
    }

    /// The thin generic shell around [`exchange::run`].
    pub(crate) async fn exchange<T: Send>(
        &self,
        write: impl Fn() -> Result<ApiRequest> + Send + Sync,
        options: &CallOptions,
        decode: impl Fn(&Meta, &Bytes) -> Result<T> + Send + Sync,
    ) -> Result<Response<T>> {
        let core = &*self.core;
        let write = || write().map(|request| core.complete(request));
        let request = write()?;
        let operation = request.operation();
        let session = Session::new(core, options);
        let mut value = None;
        let (meta, body) = exchange::run(session, request, &write, &mut |meta, body| {
            value = Some(decode(meta, body)?);
            Ok(())
        })
        .await?;
        match value {
            Some(value) => Ok(Response::new(value, meta, body)),
            // The loop accepts no answer without decoding it.
            None => Err(Error::new(crate::ErrorKind::Decode, "").with_operation(operation)),
        }
    }
}

impl Core {
    /// Adds what every request of this client carries, whichever the vendor.
    fn complete(&self, mut request: ApiRequest) -> ApiRequest {
        request.insert_default(header::USER_AGENT, &self.user_agent);
        if let Some(watch) = &self.drift {
            request.set_extension(watch.clone());
        }
        request
    }
}

/// One call with its own limits. Made by [`Client::call`].
#[derive(Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call<'c, E: Endpoint> {
    client: &'c Client<E::Api>,
    request: E,
    options: CallOptions,
}

impl<E: Endpoint> Call<'_, E> {
    /// Limit for the whole call: credential, attempts, pauses.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.options = self.options.deadline(limit);
        self
    }

    /// Limit for one attempt.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.options = self.options.attempt_timeout(limit);
        self
    }

    /// Tries, the first included; 1 means no retry.
    pub fn max_attempts(mut self, tries: u32) -> Self {
        self.options = self.options.max_attempts(tries);
        self
    }

    /// Most bytes of the answer's body.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.options = self.options.max_body(bytes);
        self
    }

    /// Sets all of them at once.
    pub fn options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Sends it.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send(self) -> Result<Response<E::Output>> {
        let write = || self.request.to_request(&self.client.core.base_url);
        let decode = |meta: &Meta, body: &Bytes| self.request.decode(meta, body);
        self.client.exchange(write, &self.options, decode).await
    }

    /// Sends it and decodes the answer into a type of yours.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_as<T: DeserializeOwned + Send>(self) -> Result<Response<T>> {
        let write = || self.request.to_request(&self.client.core.base_url);
        self.client.exchange(write, &self.options, json::decode).await
    }
}

/// Several calls that answer one question and share one deadline, where there is one. Made by [`Client::calls`].
#[derive(Debug)]
pub struct Calls<'c, A> {
    client: &'c Client<A>,
    options: &'c CallOptions,
    begun: Instant,
}

impl<A: Api> Calls<'_, A> {
    /// Limits for the next call: what the calls before it have left.
    #[must_use]
    pub fn options(&self) -> CallOptions {
        self.options.after(self.client.core.clock.now().saturating_duration_since(self.begun))
    }

    /// Sends a request and decodes the answer.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send<E: Endpoint<Api = A>>(&self, request: E) -> Result<Response<E::Output>> {
        self.client.call(request).options(self.options()).send().await
    }

    /// Sends the request of a list for each page, until `found` finds what is looked for.
    ///
    /// # Errors
    /// As [`Pages::next`].
    pub async fn find<E: PagedEndpoint<Api = A>, T>(
        &self,
        request: E,
        found: impl Fn(E::Item) -> Option<T>,
    ) -> Result<Option<T>> {
        let mut pages = self.client.pages(request).options(self.options());
        while let Some(page) = pages.next().await {
            if let Some(item) = page?.items.into_iter().find_map(&found) {
                return Ok(Some(item));
            }
            pages = pages.options(self.options());
        }
        Ok(None)
    }
}

/// Builds a [`Client`]: the settings all vendors share, and in each vendor's module the settings of that vendor.
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder<A: Api> {
    pub(crate) options: A::Options,
    base_url: Option<String>,
    credential: Option<Arc<dyn Credential>>,
    transport: Option<Arc<dyn Transport>>,
    clock: Arc<dyn Clock>,
    user_agent: Option<String>,
    limits: Limits,
    retry: RetryPolicy,
    allow_plain_http: bool,
    drift: Option<Box<Told>>,
}

impl<A: Api> Debug for ClientBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("vendor", &A::VENDOR)
            .field("options", &self.options)
            .field("credential", &self.credential.as_ref().map(|_| "[redacted]"))
            .field("limits", &self.limits)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl<A: Api> ClientBuilder<A> {
    fn new() -> Self {
        Self {
            options: A::Options::default(),
            base_url: None,
            credential: None,
            transport: None,
            clock: Arc::new(SystemClock),
            user_agent: None,
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            allow_plain_http: false,
            drift: None,
        }
    }

    /// Who is calling. Left out, requests go without a credential.
    pub fn credential(mut self, credential: impl Credential + 'static) -> Self {
        self.credential = Some(Arc::new(credential));
        self
    }

    /// Where requests go. Default: the vendor's own service.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// What carries requests. Default: [`ReqwestTransport`].
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// What pauses and waits are measured with. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The `User-Agent` header. Default: this crate's name and version.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = Some(name.into());
        self
    }

    /// Time and size limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How often and how patiently calls are repeated.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Lets credentials travel over plain `http://` to hosts other than this machine. Whoever sees the traffic has them.
    pub fn allow_plain_http(mut self) -> Self {
        self.allow_plain_http = true;
        self
    }

    /// Called when an answer holds a member or the value of an enum that this version of the crate has no name for, once
    /// for each place: a way to learn that the vendor's API moves before it matters.
    ///
    /// It runs inside the call that met it, which goes on if it panics. Off by default, which costs nothing; on, each
    /// answer is read twice. A value is told once for each operation, wherever it stands, and so is what is inside a
    /// union; of one client a thousand are told, and no more. Documented members that no type here has are not told.
    ///
    /// ```
    /// # #[cfg(feature = "mode")] {
    /// let builder = scheduled_runs::mode::Client::builder().on_drift(|drift| eprintln!("{drift}"));
    /// # }
    /// ```
    pub fn on_drift(mut self, told: impl Fn(&Drift) + Send + Sync + 'static) -> Self {
        self.drift = Some(Box::new(told));
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): a setting is missing, cannot be sent, or would send a credential
    /// in clear text.
    pub fn build(self) -> Result<Client<A>> {
        let service = A::service(&self.options)?;
        let text = self.base_url.as_deref().unwrap_or(&service.base_url);
        if text.is_empty() {
            return Err(Error::config(
                "where to send requests is not known; call `base_url`, or the vendor's own setting for its host",
            ));
        }
        let base_url =
            Url::parse(text).ok().filter(|url| url.has_host() && !url.cannot_be_a_base());
        let Some(base_url) = base_url.filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return Err(Error::config(
                "the base URL is not an http or https URL; begin it with https://",
            ));
        };
        if !base_url.username().is_empty() || base_url.password().is_some() {
            return Err(Error::config(
                "the base URL holds a user name or password; pass a credential instead",
            ));
        }
        if let Some(credential) = &self.credential {
            if !self.allow_plain_http && !link::is_private(&base_url) {
                return Err(exchange::plain_http());
            }
            credential.check()?;
        }
        let default_agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        let user_agent =
            header_value("user agent", self.user_agent.as_deref().unwrap_or(default_agent))?;
        let tls =
            cfg!(any(feature = "rustls", feature = "rustls-no-provider", feature = "native-tls"));
        let transport = if let Some(transport) = self.transport {
            transport
        } else if base_url.scheme() == "http" || tls {
            Arc::new(ReqwestTransport::for_base(&base_url, self.limits.connect)?)
        } else {
            return Err(Error::config(
                "https needs TLS: switch on one of the features `rustls`, `rustls-no-provider` and `native-tls` of scheduled-runs",
            ));
        };
        let unread = service.dialect.unread();
        Ok(Client {
            core: Arc::new(Core {
                vendor: A::VENDOR,
                base_url,
                dialect: service.dialect,
                transport,
                credential: self.credential,
                clock: self.clock,
                user_agent,
                budget: self.retry.new_budget(),
                pacer: rate::Pacer::default(),
                in_flight: Semaphore::new(self.limits.in_flight),
                limits: self.limits,
                retry: self.retry,
                allow_plain_http: self.allow_plain_http,
                drift: self.drift.map(|told| Watch::new(told, unread)),
            }),
            api: PhantomData,
        })
    }
}
