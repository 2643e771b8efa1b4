//! Credentials for Foundry: an application with a secret, or a ready token.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::dialect::OAuthDialect;
use crate::client::{
    ApiRequest, Basic, Bearer, CachedToken, Credential, CredentialContext, Idempotency, Token,
    TokenSource, header_value,
};
use crate::error::{Error, Result};
use crate::wire::{json, lenient};

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

/// Asks Foundry for tokens; wrapped by [`ClientCredentials`].
#[derive(Clone)]
pub struct ClientToken {
    client_id: SecretString,
    client_secret: SecretString,
    scopes: Vec<String>,
    basic_auth: bool,
    token_url: Option<String>,
}

impl ClientToken {
    /// How long a token counts as good if the answer does not say.
    const LIFE: Duration = Duration::from_secs(3600);

    fn own_url(&self) -> Result<Option<Url>> {
        let url = self.token_url.as_deref().map(Url::parse).transpose();
        url.map_err(|_| Error::config("the token URL is not a URL"))
    }
}

impl fmt::Debug for ClientToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientToken")
            .field("scopes", &self.scopes)
            .field("basic_auth", &self.basic_auth)
            .finish_non_exhaustive()
    }
}

impl ClientCredentials {
    /// Client id and client secret of a third-party application.
    #[must_use]
    pub fn new(client_id: impl Into<SecretString>, client_secret: impl Into<SecretString>) -> Self {
        ClientToken {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            scopes: Vec::new(),
            basic_auth: false,
            token_url: None,
        }
        .into()
    }

    /// What the token may be used for, such as `api:orchestration-read`. Left out, all that the application may.
    ///
    /// Sent as they are: the vendor's Python library adds `offline_access`, which a token without a user does not need.
    #[must_use]
    pub fn scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes = scopes.into_iter().map(Into::into).collect();
        self.with_source(|token| ClientToken { scopes, ..token })
    }

    /// Sends id and secret in an `Authorization: Basic` header, as the vendor's TypeScript library does. Default: in the
    /// form, as the Python library does.
    #[must_use]
    pub fn basic_auth(self) -> Self {
        self.with_source(|token| ClientToken { basic_auth: true, ..token })
    }

    /// Another place to get tokens from. Default: `/multipass/api/oauth2/token` on the client's host.
    #[must_use]
    pub fn token_url(self, url: impl Into<String>) -> Self {
        self.with_source(|token| ClientToken { token_url: Some(url.into()), ..token })
    }
}

#[async_trait]
impl TokenSource for ClientToken {
    fn check(&self) -> Result<()> {
        header_value("client id", self.client_id.expose_secret())?;
        if self.client_secret.expose_secret().is_empty() {
            return Err(Error::config("client secret is empty"));
        }
        if self.scopes.iter().any(|scope| scope.is_empty() || scope.contains(char::is_whitespace)) {
            return Err(Error::config("a scope is empty or holds a space; pass one text for each"));
        }
        self.own_url().map(drop)
    }

    async fn token(&self, context: &CredentialContext<'_>) -> Result<Token> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: SecretString,
            /// Seconds.
            #[serde(default, deserialize_with = "lenient::count")]
            expires_in: Option<u64>,
        }

        let (id, secret) = (self.client_id.expose_secret(), self.client_secret.expose_secret());
        let scope = self.scopes.join(" ");
        let mut form = vec![("grant_type", "client_credentials")];
        if !self.basic_auth {
            form.extend([("client_id", id), ("client_secret", secret)]);
        }
        if !scope.is_empty() {
            form.push(("scope", &scope));
        }
        let (base, path) = match self.own_url()? {
            Some(url) => (url, &[][..]),
            None => (beside_api(context.base_url()), &["multipass", "api", "oauth2", "token"][..]),
        };
        // Asking twice does no harm: each answer is a valid token.
        let mut request = ApiRequest::builder(
            "foundry.token",
            Idempotency::Idempotent,
            Method::POST,
            &base,
            path,
        )
        .form(form)
        .finish()?;
        request.hide(id);
        request.hide(secret);
        if self.basic_auth {
            // RFC 6749, section 2.3.1: each part is form-encoded before they are joined.
            let coded = |text: &str| {
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
            };
            Basic::new(coded(id), coded(secret)).apply(&mut request, context).await?;
        }
        let (meta, body) = context.send(request, &OAuthDialect).await?;
        let answer: Answer = json::decode(&meta, &body)?;
        let life = answer.expires_in.map_or(Self::LIFE, Duration::from_secs);
        Ok(Token::new(answer.access_token, life))
    }

    fn apply(&self, request: &mut ApiRequest, token: &str) -> Result<()> {
        request.hide(self.client_secret.expose_secret());
        request.set_bearer(token)
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
