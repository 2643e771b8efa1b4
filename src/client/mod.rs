//! HTTP, whichever the vendor: one call from the request to the decoded response.
//!
//! | subject | items |
//! |---|---|
//! | a client and one call | [`Client`], [`ClientBuilder`], [`Call`], [`RawCall`], [`CallOptions`], [`SharedDeadline`] |
//! | what to send, as a value | [`Endpoint`], [`PagedEndpoint`], [`ApiRequest`], [`RequestBuilder`], [`operation!`](macro@operation) |
//! | what came back | [`Response`], [`Meta`], [`json::decode`] |
//! | attempts and limits | [`RetryPolicy`], [`Idempotency`], [`Limits`], [`Rate`], [`Lease`] |
//! | who is calling | [`Credential`], [`CachedToken`], [`TokenFile`], [`oauth`] |
//! | how a vendor says "error", and where its links may lead | [`Api`], [`Dialect`], [`Verdict`], [`LinkPolicy`] |
//! | what carries requests, and what time it is | [`Transport`], [`ReqwestTransport`], [`Clock`] |
//! | metrics | [`FinishedCall`] |

mod builder;
mod call;
mod clock;
mod connect;
pub(crate) mod credential;
mod dialect;
mod endpoint;
mod exchange;
mod finished;
pub mod json;
mod lease;
mod limits;
pub(crate) mod link;
pub mod oauth;
mod operation;
mod rate;
mod request;
mod response;
mod retry;
mod task;
mod token_file;
mod trace;
mod transport;

use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use url::Url;

pub use self::builder::ClientBuilder;
pub use self::call::{Call, RawCall, SharedDeadline};
pub use self::clock::{Clock, SystemClock};
pub use self::credential::{
    Basic, Bearer, CachedToken, Credential, CredentialContext, Token, TokenSource,
};
pub use self::dialect::{Advice, Dialect, RawResponse, Refusal, Verdict};
pub use self::endpoint::{
    Api, CountedList, Endpoint, ListSettings, OffsetPages, PagedEndpoint, Service, account_at,
};
pub use self::finished::FinishedCall;
pub use self::lease::Lease;
pub use self::limits::{CallLimits, CallOptions, Limits};
pub use self::link::LinkPolicy;
pub use self::operation::operation;
pub use self::rate::Rate;
pub use self::request::{ApiRequest, Idempotency, PathSegment, RequestBuilder};
pub use self::response::{Meta, Response};
pub use self::retry::RetryPolicy;
pub use self::token_file::TokenFile;
pub use self::transport::{
    BodyLimits, ReqwestTransport, Transport, TransportError, TransportErrorKind,
};
pub use crate::vendor::Vendor;

#[cfg(test)]
pub(crate) use self::clock::Hands;
pub(crate) use self::clock::{after, within};
pub(crate) use self::request::header_value;
pub(crate) use self::retry::draw;
pub(crate) use self::task::spawned;

use self::exchange::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::run::model::Target;
use crate::wire::hal::Link;

/// A client of one vendor. Clones share connections, token, limits and retry budget.
pub struct Client<A> {
    core: Arc<Core>,
    api: PhantomData<fn() -> A>,
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

impl<A: Api> Client<A> {
    /// Fetches what a link in a response leads to.
    ///
    /// # Errors
    /// [`ErrorKind::CrossOrigin`], before anything is sent, if the link leaves the base
    /// URL's origin; [`ErrorKind::Unsupported`] for a templated link. Else as
    /// [`send`](Self::send).
    pub async fn follow<T: DeserializeOwned + Send>(&self, link: &Link) -> Result<Response<T>> {
        let url =
            link.resolve(&self.core.base_url).map_err(|error| error.with_operation("follow"))?;
        let write = || Ok(ApiRequest::get_url("follow", url.clone()));
        self.exchange(write, &CallLimits::default(), json::decode).await
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

    /// The account that the client works in, as [`Target::scoped`](crate::Target::scoped) names it.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.core.scope.as_deref()
    }

    /// The target, in the account that this client works in.
    #[must_use]
    pub fn scoped(&self, target: Target) -> Target {
        match self.scope() {
            Some(scope) => target.scoped(scope),
            None => target,
        }
    }

    /// The clock that pauses and waits are measured with.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.core.clock)
    }

    fn now(&self) -> Instant {
        self.core.clock.now()
    }

    /// The pause that a response asks for, as far as the client's policy lets a server ask.
    #[allow(dead_code, reason = "not every vendor asks for pauses, and a vendor is a feature")]
    pub(crate) fn pause_asked(&self, headers: &HeaderMap) -> Option<Duration> {
        let asked = retry::retry_after(headers, self.core.clock.utc())?;
        Some(asked.min(self.core.retry.server_pause()))
    }

    /// The thin generic shell around [`exchange::run`].
    async fn exchange<T: Send>(
        &self,
        write: impl Fn() -> Result<ApiRequest> + Send + Sync,
        limits: &CallLimits,
        decode: impl Fn(&Meta, &Bytes) -> Result<T> + Send + Sync,
    ) -> Result<Response<T>> {
        let write = || write().map(|request| self.core.complete(request));
        let mut value = None;
        let session = exchange::Session::new(&self.core, limits);
        let (meta, body) = exchange::run(session, &write, &mut |meta, body| {
            value = Some(decode(meta, body)?);
            Ok(())
        })
        .await?;
        match value {
            Some(value) => Ok(Response::new(value, meta, body)),
            // The loop accepts no response without decoding it.
            None => Err(Error::new(ErrorKind::Decode, "").with_operation(meta.operation)),
        }
    }
}
