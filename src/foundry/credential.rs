//! Credentials for Foundry: an application with a secret, or a ready token.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use super::dialect::read_error;
use crate::client::oauth::{self, OAuthDialect, TokenUrl};
use crate::client::{ApiRequest, Bearer, CachedToken, CredentialContext, Token, TokenSource};
use crate::error::Result;

/// A ready token, generated in Foundry's settings or obtained elsewhere. It is not renewed.
///
/// ```
/// use scheduled_runs::foundry::UserToken;
///
/// let credential = UserToken::new("token");
/// ```
pub type UserToken = Bearer;

/// OAuth 2 client credentials: fetches tokens for the service user of a third-party application.
///
/// A token is valid for about one hour. It is cached until shortly before it expires, and fetched once however many calls
/// wait for it, from `https://<host>/multipass/api/oauth2/token`, which is beside the client's base URL.
///
/// ```
/// use scheduled_runs::foundry::ClientCredentials;
///
/// let credential = ClientCredentials::new("client id", "client secret")
///     .scopes(["api:orchestration-read", "api:orchestration-write"]);
/// ```
///
/// Source: Foundry API reference, "Authentication"; the vendor's own libraries for what is sent.
pub type ClientCredentials = CachedToken<ClientToken>;

/// Fetches tokens from Foundry; wrapped by [`ClientCredentials`].
#[derive(Clone, Debug)]
pub struct ClientToken(oauth::ClientCredentials);

impl ClientToken {
    /// How long a token is valid if the response does not say.
    const LIFETIME: Duration = Duration::from_secs(3600);

    const TOKEN_URL: TokenUrl =
        TokenUrl::Relative { parent: beside_api, path: &["multipass", "api", "oauth2", "token"] };
}

impl ClientCredentials {
    /// Client id and client secret of a third-party application.
    #[must_use]
    pub fn new(client_id: impl Into<SecretString>, client_secret: impl Into<SecretString>) -> Self {
        let source = oauth::ClientCredentials::new(
            "foundry.token",
            ClientToken::TOKEN_URL,
            client_id,
            client_secret,
        );
        ClientToken(
            source.default_lifetime(ClientToken::LIFETIME).dialect(OAuthDialect::new(read_error)),
        )
        .into()
    }

    /// What the token may be used for, such as `api:orchestration-read`. If not set, all that the application may.
    ///
    /// Sent as they are: the vendor's Python library adds `offline_access`, which a token without a user does not need.
    #[must_use]
    pub fn scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.with_source(|token| ClientToken(token.0.scopes(scopes)))
    }

    /// Sends id and secret in an `Authorization: Basic` header, as the vendor's TypeScript library does. Default: in the
    /// form, as the Python library does.
    #[must_use]
    pub fn basic_auth(self) -> Self {
        self.with_source(|token| ClientToken(token.0.basic_auth()))
    }

    /// Fetches tokens from another URL. Default: `/multipass/api/oauth2/token` on the client's host.
    #[must_use]
    pub fn token_url(self, url: impl Into<String>) -> Self {
        self.with_source(|token| ClientToken(token.0.token_url(url.into())))
    }
}

#[async_trait]
impl TokenSource for ClientToken {
    fn check(&self) -> Result<()> {
        self.0.check()
    }

    #[inline]
    async fn token(&self, context: &CredentialContext<'_>) -> Result<Token> {
        self.0.token(context).await
    }

    fn apply(&self, request: &mut ApiRequest, token: &str) -> Result<()> {
        self.0.apply(request, token)
    }
}

/// The base URL of the host's other services: the client's without its last segment, `api`.
fn beside_api(base: &Url) -> Url {
    let mut url = base.clone();
    let ends_in_api = base.path().trim_end_matches('/').ends_with("/api");
    if let (true, Ok(mut path)) = (ends_in_api, url.path_segments_mut()) {
        path.pop_if_empty().pop();
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_fetched_beside_the_api() {
        for (base, beside) in [
            ("https://host/api", "https://host/"),
            ("https://host/api/", "https://host/"),
            ("https://host/gateway/api", "https://host/gateway"),
            ("http://127.0.0.1:9", "http://127.0.0.1:9/"),
            ("https://host/myapi", "https://host/myapi"),
        ] {
            assert_eq!(beside_api(&base.parse().unwrap()).as_str(), beside);
        }
    }
}
