//! Adobe's credentials: OAuth Server-to-Server, or a ready token.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderName;
use secrecy::SecretString;

use super::dialect::read_error;
use crate::client::credential::SecretHeader;
use crate::client::oauth::{self, OAuthDialect};
use crate::client::{
    ApiRequest, Bearer, CachedToken, Credential, CredentialContext, Token, TokenSource,
    header_value,
};
use crate::error::{Error, Result};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// OAuth Server-to-Server: fetches tokens from Adobe's Identity Management Service (IMS) with a client id and secret.
///
/// A token is valid for about 24 hours and renewed shortly before it expires. It is fetched once however many calls wait for
/// it: Adobe may throttle clients that fetch many. The secret is sent in the form body, never in a URL.
///
/// ```
/// use scheduled_runs::adobe::ServerToServer;
///
/// let stage = ServerToServer::new("client id", "client secret")
///     .token_url("https://ims-na1-stg1.adobelogin.com/ims/token/v3");
/// ```
///
/// Source: Adobe Developer Console docs, "Server to Server authentication".
pub type ServerToServer = CachedToken<ImsToken>;

/// Fetches tokens from IMS; wrapped by [`ServerToServer`].
#[derive(Clone, Debug)]
pub struct ImsToken(oauth::ClientCredentials);

impl ImsToken {
    /// Token URL of the production environment.
    pub const TOKEN_URL: &'static str = "https://ims-na1.adobelogin.com/ims/token/v3";

    /// The scopes that Experience Platform needs.
    pub const SCOPES: &'static str =
        "openid,session,AdobeID,read_organizations,additional_info.projectedProductContext";

    /// Adobe's own tokens are valid for 24 hours; a longer lifetime is a mistake in the response. (The JWT exchange, which
    /// Adobe ended in 2025, had milliseconds in `expires_in`.)
    const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
}

impl ServerToServer {
    /// Client id and client secret of an OAuth Server-to-Server credential.
    #[must_use]
    pub fn new(client_id: impl Into<SecretString>, client_secret: impl Into<SecretString>) -> Self {
        let source = oauth::ClientCredentials::new(
            "adobe.token",
            ImsToken::TOKEN_URL,
            client_id,
            client_secret,
        );
        ImsToken(
            source
                .scope(ImsToken::SCOPES)
                .max_lifetime(ImsToken::MAX_LIFETIME)
                .dialect(OAuthDialect::new(read_error)),
        )
        .into()
    }

    /// Other scopes, comma-separated. Default [`SCOPES`](ImsToken::SCOPES).
    #[must_use]
    pub fn scopes(self, scopes: impl Into<String>) -> Self {
        self.with_source(|token| ImsToken(token.0.scope(scopes)))
    }

    /// Fetches tokens from another URL. Default [`TOKEN_URL`](ImsToken::TOKEN_URL).
    #[must_use]
    pub fn token_url(self, url: impl Into<String>) -> Self {
        self.with_source(|token| ImsToken(token.0.token_url(url.into())))
    }
}

#[async_trait]
impl TokenSource for ImsToken {
    fn check(&self) -> Result<()> {
        self.0.check()
    }

    #[inline]
    async fn token(&self, context: &CredentialContext<'_>) -> Result<Token> {
        self.0.token(context).await
    }

    fn apply(&self, request: &mut ApiRequest, token: &str) -> Result<()> {
        request.set_secret_header(API_KEY, self.0.client_id())?;
        self.0.apply(request, token)
    }
}

/// A ready token with the API key (client id) that it was issued for. It is not renewed.
///
/// ```
/// use scheduled_runs::adobe::AccessToken;
///
/// let credential = AccessToken::new("client id", "token");
/// ```
#[derive(Clone)]
pub struct AccessToken {
    api_key: SecretHeader,
    token: Bearer,
}

impl AccessToken {
    /// API key and token. Pass the token without the word `Bearer`.
    #[must_use]
    pub fn new(api_key: impl Into<SecretString>, token: impl Into<SecretString>) -> Self {
        Self { api_key: SecretHeader::new(api_key), token: Bearer::new(token) }
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken([redacted])")
    }
}

#[async_trait]
impl Credential for AccessToken {
    fn check(&self) -> Result<()> {
        let api_key = self.api_key.secret();
        // Adobe's tokens are JSON Web Tokens, which all begin like this.
        if api_key.starts_with("eyJ") || api_key.starts_with("Bearer ") {
            return Err(Error::config(
                "the API key looks like a token; pass the API key first and then the token",
            ));
        }
        header_value("API key", api_key)?;
        self.token.check()
    }

    async fn apply(&self, request: &mut ApiRequest, _: &CredentialContext<'_>) -> Result<()> {
        self.api_key.apply(request, API_KEY, |key| header_value("API key", key))?;
        self.token.put(request)
    }
}
