//! Calls of a [`Client`]: one request, several under one deadline, one without a request type.

use std::fmt::Display;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http::header::HeaderName;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Client;
use super::endpoint::{Api, Endpoint};
use super::json;
use super::limits::{CallLimits, CallOptions};
use super::request::{ApiRequest, Idempotency, RequestBuilder};
use super::response::{Meta, Response};
use crate::error::Result;

impl<A: Api> Client<A> {
    /// Sends a request and decodes the response.
    ///
    /// # Errors
    /// Any [`ErrorKind`](crate::ErrorKind) that names a failed call; [`Error::may_have_run`](crate::Error::may_have_run) says whether a trigger may
    /// have been carried out although it failed.
    pub async fn send<E: Endpoint<Api = A>>(&self, request: E) -> Result<Response<E::Output>> {
        self.call(request).send().await
    }

    /// Sends a request and decodes the response into your own type.
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
    /// let response =
    ///     client.call(request).deadline(Duration::from_secs(10)).max_attempts(1).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<E: Endpoint<Api = A>>(&self, request: E) -> Call<'_, E> {
        Call { client: self, request, limits: CallLimits::default() }
    }

    /// Starts several calls that together answer one question and share one deadline: for providers.
    #[must_use]
    pub fn share_deadline<'c>(&'c self, limits: &'c CallLimits) -> SharedDeadline<'c, A> {
        SharedDeadline { client: self, limits, begun: self.now() }
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
}

/// One call with its own limits. Made by [`Client::call`].
#[derive(Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call<'c, E: Endpoint> {
    client: &'c Client<E::Api>,
    request: E,
    limits: CallLimits,
}

impl<E: Endpoint> Call<'_, E> {
    /// Limit for the whole call: credential, attempts, pauses. If not set, the client's [`Limits::call`](super::Limits::call).
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.limits.options = self.limits.options.deadline(limit);
        self
    }

    /// Limit for one attempt. If not set, the client's [`Limits::attempt`](super::Limits::attempt).
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.limits.options = self.limits.options.attempt_timeout(limit);
        self
    }

    /// Attempts, the first included; 1 means no retry. If not set, the client's
    /// [`RetryPolicy::max_attempts`](super::RetryPolicy::max_attempts).
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.limits.options = self.limits.options.max_attempts(attempts);
        self
    }

    /// Most bytes of the response's body. If not set, the client's [`Limits::max_body`](super::Limits::max_body).
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.limits.options = self.limits.options.max_body(bytes);
        self
    }

    /// Sets all of them at once; what is not set in `options` is the client's.
    pub fn options(mut self, options: CallOptions) -> Self {
        self.limits.options = options;
        self
    }

    /// The same, and the time that is left to whoever waits for this call.
    pub(crate) fn limits(mut self, limits: CallLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sends it.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send(self) -> Result<Response<E::Output>> {
        let write = || self.request.to_request(self.client.base_url());
        let decode = |meta: &Meta, body: &Bytes| self.request.decode(meta, body);
        self.client.exchange(write, &self.limits, decode).await
    }

    /// Sends it and decodes the response into your own type. Unlike in the types of this crate, a value of another JSON type is
    /// an error also in an `Option`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_as<T: DeserializeOwned + Send>(self) -> Result<Response<T>> {
        let write = || self.request.to_request(self.client.base_url());
        self.client.exchange(write, &self.limits, json::decode_as).await
    }
}

/// Several calls that share one deadline, if there is one. Made by [`Client::share_deadline`].
#[derive(Debug)]
pub struct SharedDeadline<'c, A> {
    client: &'c Client<A>,
    limits: &'c CallLimits,
    begun: Instant,
}

impl<A: Api> SharedDeadline<'_, A> {
    /// The client.
    pub(crate) fn client(&self) -> &Client<A> {
        self.client
    }

    /// The limits of the next call: what the calls before it have left.
    #[must_use]
    pub fn limits(&self) -> CallLimits {
        self.limits.after(self.client.now().saturating_duration_since(self.begun))
    }

    /// Sends a request and decodes the response.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send<E: Endpoint<Api = A>>(&self, request: E) -> Result<Response<E::Output>> {
        self.client.call(request).limits(self.limits()).send().await
    }
}

/// A call that has no request type: any method, any path below the base URL, with the client's credential, limits,
/// retry table and errors. Made by [`Client::raw`].
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct RawCall<'c, A: Api> {
    client: &'c Client<A>,
    builder: RequestBuilder,
    limits: CallLimits,
}

impl<'c, A: Api> RawCall<'c, A> {
    fn new(client: &'c Client<A>, method: Method, segments: &[&str]) -> Self {
        let idempotency = match method {
            Method::GET | Method::HEAD => Idempotency::Safe,
            _ => Idempotency::NotIdempotent,
        };
        let builder = ApiRequest::builder("raw", idempotency, method, client.base_url(), segments);
        Self { client, builder, limits: CallLimits::default() }
    }

    /// Adds a query member; `None` adds nothing.
    pub fn query(mut self, name: &str, value: Option<impl Display>) -> Self {
        self.builder = self.builder.query(name, value);
        self
    }

    /// Sets a header.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// Sets a JSON body.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.builder = self.builder.json(body);
        self
    }

    /// Sets a form body.
    pub fn form<V: AsRef<str>>(
        mut self,
        fields: impl IntoIterator<Item = (&'static str, V)>,
    ) -> Self {
        self.builder = self.builder.form(fields);
        self
    }

    /// Its own limits.
    pub fn options(mut self, options: CallOptions) -> Self {
        self.limits.options = options;
        self
    }

    /// Declares whether sending it twice does harm. By default GET and HEAD are safe, and everything else is not idempotent.
    pub fn idempotency(mut self, idempotency: Idempotency) -> Self {
        self.builder = self.builder.idempotency(idempotency);
        self
    }

    /// Sends it and reads the response as JSON of type `T`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_as<T: DeserializeOwned + Send>(self) -> Result<Response<T>> {
        let request = self.builder.finish()?;
        self.client.exchange(|| Ok(request.clone()), &self.limits, json::decode_as).await
    }

    /// Sends it without decoding the response: its bytes are in [`Response::body`].
    ///
    /// # Errors
    /// As [`Client::send`], but for those about the response's shape.
    pub async fn send(self) -> Result<Response<()>> {
        let request = self.builder.finish()?;
        self.client.exchange(|| Ok(request.clone()), &self.limits, |_, _| Ok(())).await
    }
}
