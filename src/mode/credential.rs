//! The credential for Mode: an API token with its secret.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use secrecy::SecretString;
use url::Url;

use super::Mode;
use crate::client::credential::check_secret;
use crate::client::{
    ApiRequest, Basic, Credential, CredentialContext, Endpoint, Idempotency, Meta, json,
};
use crate::error::{Error, Result};
use crate::wire::hal::Links;
use crate::wire::model;

/// An API token and its secret, sent as user and password of HTTP Basic.
///
/// Workspace tokens are created by admins and may do what an admin may, except clone reports; member tokens may do what
/// their member may. Personal tokens can no longer be created. Source: Mode API reference, "Authentication".
///
/// ```
/// use scheduled_runs::mode::{ApiToken, Client};
///
/// let client =
///     Client::builder().workspace("acme").credential(ApiToken::new("token", "secret"));
/// ```
#[derive(Clone)]
pub struct ApiToken(Basic);

impl ApiToken {
    /// Token and secret, as Mode showed them when the token was created.
    #[must_use]
    pub fn new(token: impl Into<SecretString>, secret: impl Into<SecretString>) -> Self {
        Self(Basic::new(token, secret))
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken([redacted])")
    }
}

#[async_trait]
impl Credential for ApiToken {
    fn check(&self) -> Result<()> {
        let token = self.0.user();
        if token.is_empty() || token.contains(':') {
            return Err(Error::config("the API token is empty or contains a colon"));
        }
        check_secret("the API token", token)?;
        check_secret("the API secret", self.0.password())
    }

    async fn apply(&self, request: &mut ApiRequest, context: &CredentialContext<'_>) -> Result<()> {
        self.0.apply(request, context).await
    }
}

/// Shows who the credential belongs to: the way to check that it works.
///
/// It is sent to `verify` beside the workspace, not below it: the last segment of the base URL's path is left out. (Getting
/// the account or the workspace is not a check: the former responds with 400 to API tokens, the latter with 200 to anybody.)
///
/// Source: Mode API reference, `GET /api/verify`.
///
/// Operation `mode.credentials.verify`. Send it with [`Client::send`](crate::Client::send). Safe to retry.
// By hand: it is sent beside the workspace, not below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct Verify {}

impl Verify {
    /// For the credential of the client that sends it.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Endpoint for Verify {
    type Api = Mode;
    type Output = Verification;
    const OPERATION: &'static str = "mode.credentials.verify";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    #[inline]
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let mut api = base.clone();
        if let Ok(mut path) = api.path_segments_mut() {
            path.pop_if_empty().pop();
        }
        ApiRequest::of::<Self>(Method::GET, &api, &["verify"]).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Verification> {
        json::decode(meta, body)
    }
}

model! {
    /// Who a credential belongs to.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Verification {
        /// The workspace's username, as [`workspace`](crate::ClientBuilder::workspace) takes it.
        pub workspace: Option<Box<str>>,
        /// The workspace's token.
        pub workspace_token: Option<Box<str>>,
        /// Scope of the token, for example `member`. Missing in older responses.
        pub api_key_scope: Option<Box<str>>,
        /// Links.
        pub links: Links as "_links" default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::request_text;

    #[test]
    fn verify_is_sent_beside_the_workspace() {
        assert_eq!(request_text(&Verify::new()), "GET /verify");
        for base in
            ["http://127.0.0.1:8080/proxy/api/acme", "http://127.0.0.1:8080/proxy/api/acme/"]
        {
            let request = Verify::new().to_request(&Url::parse(base).unwrap()).unwrap();
            assert_eq!(request.url().as_str(), "http://127.0.0.1:8080/proxy/api/verify");
        }
    }
}
