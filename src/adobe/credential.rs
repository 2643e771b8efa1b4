//! Who calls Adobe: OAuth server-to-server, or a ready token.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderName, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::dialect::ImsDialect;
use crate::client::credential::SecretHeader;
use crate::client::{
    ApiRequest, Bearer, CachedToken, Credential, CredentialContext, Idempotency, Token,
    TokenSource, header_value,
};
use crate::error::{Error, Result};
use crate::wire::json;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// OAuth Server-to-Server: fetches tokens from Adobe's Identity Management Service (IMS) with a client id and secret.
///
/// The token is kept until shortly before its end, about 24 hours, and asked for once however many calls wait: Adobe may
/// throttle whoever asks for many. The secret travels in the form body, never in a URL.
///
/// ```
/// use scheduled_runs::adobe::ServerToServer;
///
/// let stage = ServerToServer::new("client id", "client secret").token_url("https://ims-na1-stg1.adobelogin.com/ims/token/v3");
/// ```
///
/// Source: Adobe Developer Console docs, "Server to Server authentication".
pub type ServerToServer = CachedToken<ImsToken>;

/// Asks IMS for tokens; wrapped by [`ServerToServer`].
#[derive(Clone)]
pub struct ImsToken {
    client_id: SecretString,
    client_secret: SecretString,
    scopes: String,
    token_url: String,
}

impl ImsToken {
    /// Where production tokens come from.
    pub const TOKEN_URL: &'static str = "https://ims-na1.adobelogin.com/ims/token/v3";

    /// The scopes Experience Platform needs.
    pub const SCOPES: &'static str =
        "openid,session,AdobeID,read_organizations,additional_info.projectedProductContext";

    /// Adobe's own tokens live 24 hours; a longer life is a mistake in the answer.
    const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

    fn url(&self) -> Result<Url> {
        Url::parse(&self.token_url).map_err(|_| Error::config("the token URL is not a URL"))
    }
}

impl fmt::Debug for ImsToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImsToken").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

impl ServerToServer {
    /// Client id and client secret of an OAuth Server-to-Server credential.
    #[must_use]
    pub fn new(client_id: impl Into<SecretString>, client_secret: impl Into<SecretString>) -> Self {
        ImsToken {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            scopes: ImsToken::SCOPES.to_owned(),
            token_url: ImsToken::TOKEN_URL.to_owned(),
        }
        .into()
    }

    /// Other scopes, comma-separated. Default [`SCOPES`](ImsToken::SCOPES).
    #[must_use]
    pub fn scopes(self, scopes: impl Into<String>) -> Self {
        self.with_source(|token| ImsToken { scopes: scopes.into(), ..token })
    }

    /// Another place to get tokens from. Default [`TOKEN_URL`](ImsToken::TOKEN_URL).
    #[must_use]
    pub fn token_url(self, url: impl Into<String>) -> Self {
        self.with_source(|token| ImsToken { token_url: url.into(), ..token })
    }
}

#[async_trait]
impl TokenSource for ImsToken {
    fn check(&self) -> Result<()> {
        header_value("client id", self.client_id.expose_secret())?;
        if self.client_secret.expose_secret().is_empty() {
            return Err(Error::config("client secret is empty"));
        }
        self.url().map(drop)
    }

    async fn token(&self, context: &CredentialContext<'_>) -> Result<Token> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: SecretString,
            /// Seconds. (The JWT exchange, which Adobe ended in 2025, had milliseconds here.)
            expires_in: u64,
        }

        let (id, secret) = (self.client_id.expose_secret(), self.client_secret.expose_secret());
        // Asking twice does no harm: each answer is a valid token.
        let mut request = ApiRequest::builder(
            "adobe.token",
            Idempotency::Idempotent,
            Method::POST,
            &self.url()?,
            &[],
        )
        .form([
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret),
            ("scope", &self.scopes),
        ])
        .finish()?;
        request.hide(id);
        request.hide(secret);
        let (meta, body) = context.send(request, &ImsDialect).await?;
        let answer: Answer = json::decode(&meta, &body)?;
        let life = Duration::from_secs(answer.expires_in).min(Self::LONGEST_LIFE);
        Ok(Token::new(answer.access_token, life))
    }

    fn apply(&self, request: &mut ApiRequest, token: &str) -> Result<()> {
        request.hide(self.client_secret.expose_secret());
        request.set_secret_header(API_KEY, self.client_id.expose_secret())?;
        request.set_bearer(token)
    }
}

/// A ready token with the API key (client id) it was made for. It is not renewed.
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
    /// API key and token; the token without the word `Bearer`.
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
        // Adobe's tokens are JSON web tokens, and all of those begin like this.
        if api_key.starts_with("eyJ") || api_key.starts_with("Bearer ") {
            return Err(Error::config("the API key looks like a token; it comes before the token"));
        }
        header_value("API key", api_key)?;
        self.token.check()
    }

    async fn apply(&self, request: &mut ApiRequest, _: &CredentialContext<'_>) -> Result<()> {
        self.api_key.apply(request, API_KEY, |key| header_value("API key", key))?;
        self.token.put(request)
    }
}
