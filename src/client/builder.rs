//! [`ClientBuilder`]: the settings of a client.

use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::sync::Arc;

use tokio::sync::Semaphore;
use url::Url;

use super::Client;
use super::clock::{Clock, SystemClock};
use super::credential::Credential;
use super::endpoint::Api;
use super::exchange::{self, Core};
use super::finished::{FinishedCall, OnCall};
use super::header_value;
use super::limits::Limits;
use super::link;
use super::rate::Pacer;
use super::retry::RetryPolicy;
use super::transport::{ReqwestTransport, Transport};
use crate::error::{Error, Result};
use crate::wire::Drift;
use crate::wire::drift::{DriftReporter, OnDrift};

impl<A: Api> Client<A> {
    /// Starts to build a client.
    pub fn builder() -> ClientBuilder<A> {
        ClientBuilder::new()
    }
}

/// Builds a [`Client`]: the settings all vendors share, and in each vendor's module the settings of that vendor.
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder<A: Api> {
    pub(crate) options: A::Options,
    base_url: Option<String>,
    scope: Option<Box<str>>,
    credential: Option<Arc<dyn Credential>>,
    transport: Option<Arc<dyn Transport>>,
    clock: Arc<dyn Clock>,
    user_agent: Option<String>,
    limits: Limits,
    retry: RetryPolicy,
    allow_plain_http: bool,
    drift: Option<Box<OnDrift>>,
    on_call: Option<OnCall>,
}

impl<A: Api> Debug for ClientBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("vendor", &A::VENDOR)
            .field("options", &self.options)
            .field("scope", &self.scope)
            .field("user_agent", &self.user_agent)
            .field("allow_plain_http", &self.allow_plain_http)
            .field("credential", &self.credential.as_ref().map(|_| "[redacted]"))
            .field("limits", &self.limits)
            .field("retry", &self.retry)
            .field("on_drift", &self.drift.is_some())
            .field("on_call", &self.on_call.is_some())
            .finish_non_exhaustive()
    }
}

impl<A: Api> ClientBuilder<A> {
    fn new() -> Self {
        Self {
            options: A::Options::default(),
            base_url: None,
            scope: None,
            credential: None,
            transport: None,
            clock: Arc::new(SystemClock),
            user_agent: None,
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            allow_plain_http: false,
            drift: None,
            on_call: None,
        }
    }

    /// The credential. If not set, requests are sent without one.
    pub fn credential(mut self, credential: impl Credential + 'static) -> Self {
        self.credential = Some(Arc::new(credential));
        self
    }

    /// Where requests go. Default: the vendor's own service. A query and a fragment are dropped.
    ///
    /// The address of one of the vendor's pages in a browser is read as the service behind it where that is certain, and refused
    /// otherwise.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Names the account that the client works in: [`Target::scoped`](crate::Target::scoped) says what that is for. It must hold no
    /// secret. Default: what the vendor's own settings say, such as host, workspace or sandbox. Set it where these are the same for
    /// two of your accounts, and only the credential differs.
    pub fn scope(mut self, account: impl Into<Box<str>>) -> Self {
        self.scope = Some(account.into());
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

    /// How often and how patiently calls are retried.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Lets credentials travel over plain `http://` to hosts other than this machine. Anyone who sees the traffic can read them.
    pub fn allow_plain_http(mut self) -> Self {
        self.allow_plain_http = true;
        self
    }

    /// Calls back when a response holds a member, a value of an enum or a variant of a union that this version of the
    /// crate does not know, so that you learn early that the vendor's API changes.
    ///
    /// The callback runs inside the call that received the response; a panic in it is caught. Off by default, which
    /// costs nothing. While it is on, each response is decoded twice.
    ///
    /// A client reports each drift once: a member by operation and JSON Pointer, whatever the indices in it, a value or
    /// a variant by operation, type and name. It reports at most 1,000 drifts. Documented members that no type here
    /// reads are not reported.
    ///
    /// ```
    /// # #[cfg(feature = "mode")] {
    /// let builder =
    ///     scheduled_runs::mode::Client::builder().on_drift(|drift| eprintln!("{drift}"));
    /// # }
    /// ```
    pub fn on_drift(mut self, callback: impl Fn(&Drift) + Send + Sync + 'static) -> Self {
        self.drift = Some(Box::new(callback));
        self
    }

    /// Calls back when a call has ended, for metrics. Unlike a [`Transport`], which sees attempts, it sees the whole call: its
    /// outcome, how long it took, and each attempt with its cause. Off by default, which costs nothing.
    ///
    /// Calls that fetch a token are reported as well. A call whose future is dropped before it has ended is not reported, and
    /// neither is a request that cannot be written, such as one with an empty id. A page is reported when it has arrived, not when
    /// its list ends. The callback runs inside the call; a panic in it is caught.
    ///
    /// The guide's page on [observing](crate::guide::observing) has recipes for Prometheus and OpenTelemetry.
    ///
    /// ```
    /// # #[cfg(feature = "mode")] {
    /// let builder = scheduled_runs::mode::Client::builder().on_call(|call| {
    ///     println!("{} {} {:?}", call.operation, call.outcome(), call.elapsed);
    /// });
    /// # }
    /// ```
    pub fn on_call(mut self, callback: impl Fn(&FinishedCall<'_>) + Send + Sync + 'static) -> Self {
        self.on_call = Some(OnCall::new(callback));
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
            let hint = service.base_url_hint;
            return Err(Error::config(format!("no base URL is set; {hint}")));
        }
        // A URL with one of these schemes has a host.
        let base_url = Url::parse(text).ok();
        let Some(base_url) = base_url.filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return Err(Error::config(
                "the base URL is not an http or https URL; begin it with https://",
            ));
        };
        let mut base_url = A::read_base_url(&self.options, base_url)?;
        base_url.set_query(None);
        base_url.set_fragment(None);
        if !base_url.username().is_empty() || base_url.password().is_some() {
            return Err(Error::config(
                "the base URL holds a user name or password; pass a credential instead",
            ));
        }
        if let Some(credential) = &self.credential {
            let mut servers = service.other_server.iter().chain([&base_url]);
            if !self.allow_plain_http && !servers.all(link::is_private) {
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
                scope: Some(
                    self.scope.unwrap_or_else(|| A::scope(&self.options, &base_url).into()),
                )
                .filter(|scope| !scope.is_empty()),
                base_url,
                other_server: service.other_server,
                dialect: service.dialect,
                transport,
                credential: self.credential,
                clock: self.clock,
                user_agent,
                budget: self.retry.new_budget(),
                pacer: Pacer::default(),
                in_flight: Semaphore::new(self.limits.in_flight),
                limits: self.limits,
                retry: self.retry,
                allow_plain_http: self.allow_plain_http,
                drift: self.drift.map(|on_drift| DriftReporter::new(on_drift, unread)),
                on_call: self.on_call,
            }),
            api: PhantomData,
        })
    }
}
