//! Credentials: a user of the portal, an application, or a ready token.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::{HeaderName, Method, header};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::dialect::{LoginDialect, is_form};
use super::fields::integer;
use super::request::{PortalUrl, is_admin};
use crate::client::credential::check_secret;
use crate::client::oauth::Issued;
use crate::client::{
    ApiRequest, Bearer, CachedToken, Credential, CredentialContext, Idempotency, Token,
    TokenSource, header_value, json,
};
use crate::error::{Error, Result};
use crate::wire::model;

/// The header of tokens. Source: ArcGIS developer guide, "HTTP authorization headers": unlike `Authorization`, it works together
/// with a web server's own sign-in.
const TOKEN: HeaderName = HeaderName::from_static("x-esri-authorization");

/// Assumed lifetime of a token whose response does not say it.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Adds a token to a request, and the referer it was made for.
///
/// Source: the Enterprise Administrator API requires the token in the body of every POST; the vendor's own client sends only the
/// header. The administrator API gets both. No token is sent in a URL.
fn apply(request: &mut ApiRequest, token: &str, referer: Option<&str>) -> Result<()> {
    request.set_secret_header(TOKEN, &format!("Bearer {token}"))?;
    if let Some(referer) = referer {
        request.set_header(header::REFERER, referer)?;
    }
    if request.method() == Method::POST && is_form(request) && is_admin(request.url()) {
        request.append_form("token", token);
    }
    Ok(())
}

/// Name and password of a user of the portal: fetches tokens with `generateToken` and renews them.
///
/// A token is made for one *referer*, a text that every later call sends in its `Referer` header:
/// [`REFERER`](UserLogin::REFERER) unless set with [`referer`](Self::referer). The vendor can also make tokens for an IP address;
/// these fail behind proxies and are not offered.
///
/// It does not work for users who sign in through SAML or OpenID Connect, who have no password at the portal. Source: ArcGIS REST
/// API, "Generate Token".
///
/// ```
/// use std::time::Duration;
/// use scheduled_runs::arcgis::GenerateToken;
///
/// let credential =
///     GenerateToken::new("jsmith", "password").expiration(Duration::from_secs(2 * 3600));
/// ```
pub type GenerateToken = CachedToken<UserLogin>;

/// Fetches tokens of a user; wrapped by [`GenerateToken`].
#[derive(Clone)]
pub struct UserLogin {
    username: SecretString,
    password: SecretString,
    referer: String,
    expiration: Option<Duration>,
    token_url: Option<String>,
}

impl UserLogin {
    /// The referer of tokens, unless another one is set.
    pub const REFERER: &'static str = "scheduled-runs";
}

impl fmt::Debug for UserLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserLogin")
            .field("referer", &self.referer)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

impl GenerateToken {
    /// Name and password of a user. Both are case-sensitive.
    #[must_use]
    pub fn new(username: impl Into<SecretString>, password: impl Into<SecretString>) -> Self {
        UserLogin {
            username: username.into(),
            password: password.into(),
            referer: UserLogin::REFERER.to_owned(),
            expiration: None,
            token_url: None,
        }
        .into()
    }

    /// The referer that tokens are made for; every call sends it in its `Referer` header.
    #[must_use]
    pub fn referer(self, referer: impl Into<String>) -> Self {
        self.with_source(|login| UserLogin { referer: referer.into(), ..login })
    }

    /// Requested lifetime of tokens, sent in whole minutes, rounded up. If not set, the portal decides: 60 minutes, according to
    /// the docs.
    #[must_use]
    pub fn expiration(self, lifetime: Duration) -> Self {
        self.with_source(|login| UserLogin { expiration: Some(lifetime), ..login })
    }

    /// URL to fetch tokens from. Default: `/sharing/rest/generateToken` below the portal's root.
    #[must_use]
    pub fn token_url(self, url: impl Into<String>) -> Self {
        self.with_source(|login| UserLogin { token_url: Some(url.into()), ..login })
    }
}

#[async_trait]
impl TokenSource for UserLogin {
    fn check(&self) -> Result<()> {
        check_secret("the user name", self.username.expose_secret())?;
        check_secret("the password", self.password.expose_secret())?;
        header_value("the referer", &self.referer)?;
        minutes(self.expiration)?;
        checked_url(self.token_url.as_deref()).map(drop)
    }

    #[inline]
    async fn token(&self, context: &CredentialContext<'_>) -> Result<Token> {
        model! {
            struct TokenResponse {
                token: SecretString,
                /// When the token expires, in epoch milliseconds; some servers send them as text.
                expires: Option<i64> as "expires" with integer,
            }
        }

        let expiration = minutes(self.expiration)?;
        let password = self.password.expose_secret();
        let form = [
            ("username", Some(self.username.expose_secret())),
            ("password", Some(password)),
            ("client", Some("referer")),
            ("referer", Some(self.referer.as_str())),
            ("expiration", expiration.as_deref()),
        ];
        let request = login(
            context,
            "arcgis.token",
            self.token_url.as_deref(),
            &["sharing", "rest", "generateToken"],
            &form,
            password,
        )?;
        let advice = "the portal issued no token; check user name and password (both are case-sensitive), that the user does not sign in through SAML or OpenID Connect, and the base URL";
        let (meta, body) = context.send(request, &LoginDialect { advice }).await?;
        let response: TokenResponse = json::decode(&meta, &body)?;
        // By the server's clock: the local one may be wrong.
        let now = meta.server_date().unwrap_or_else(|| context.utc());
        let lifetime = response.expires.and_then(|expires| remaining(expires, now));
        Ok(Token::new(response.token, lifetime.or(self.expiration).unwrap_or(LIFETIME)))
    }

    fn apply(&self, request: &mut ApiRequest, token: &str) -> Result<()> {
        request.hide(self.password.expose_secret());
        apply(request, token, Some(&self.referer))
    }
}

/// Time from now until a time in epoch milliseconds; `None` if that is not in the future.
fn remaining(expires: i64, now: DateTime<Utc>) -> Option<Duration> {
    let left =
        DateTime::from_timestamp_millis(expires)?.signed_duration_since(now).to_std().ok()?;
    (!left.is_zero()).then_some(left)
}

/// Client id and secret of an application: fetches tokens with OAuth 2 and renews them.
///
/// Such tokens have few privileges. Inferred: the administrator API needs a user who is an administrator. Source: ArcGIS REST API,
/// "Token"; the page lists the call as GET, but the vendor's own clients send POST, and so does this crate.
///
/// ```
/// use scheduled_runs::arcgis::AppToken;
///
/// let credential = AppToken::new("client id", "client secret");
/// ```
pub type AppToken = CachedToken<AppLogin>;

/// Fetches tokens of an application; wrapped by [`AppToken`].
#[derive(Clone)]
pub struct AppLogin {
    client_id: SecretString,
    client_secret: SecretString,
    expiration: Option<Duration>,
    token_url: Option<String>,
}

impl fmt::Debug for AppLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppLogin").field("expiration", &self.expiration).finish_non_exhaustive()
    }
}

impl AppToken {
    /// Client id and client secret of an application registered with the portal.
    #[must_use]
    pub fn new(client_id: impl Into<SecretString>, client_secret: impl Into<SecretString>) -> Self {
        AppLogin {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            expiration: None,
            token_url: None,
        }
        .into()
    }

    /// Requested lifetime of tokens, sent in whole minutes, rounded up. If not set, the portal decides: 2 hours, according to the
    /// docs. The maximum is 2 weeks.
    #[must_use]
    pub fn expiration(self, lifetime: Duration) -> Self {
        self.with_source(|login| AppLogin { expiration: Some(lifetime), ..login })
    }

    /// URL to fetch tokens from. Default: `/sharing/rest/oauth2/token` below the portal's root.
    #[must_use]
    pub fn token_url(self, url: impl Into<String>) -> Self {
        self.with_source(|login| AppLogin { token_url: Some(url.into()), ..login })
    }
}

#[async_trait]
impl TokenSource for AppLogin {
    fn check(&self) -> Result<()> {
        header_value("client id", self.client_id.expose_secret())?;
        check_secret("client secret", self.client_secret.expose_secret())?;
        minutes(self.expiration)?;
        checked_url(self.token_url.as_deref()).map(drop)
    }

    #[inline]
    async fn token(&self, context: &CredentialContext<'_>) -> Result<Token> {
        let expiration = minutes(self.expiration)?;
        let secret = self.client_secret.expose_secret();
        let form = [
            ("client_id", Some(self.client_id.expose_secret())),
            ("client_secret", Some(secret)),
            ("grant_type", Some("client_credentials")),
            ("expiration", expiration.as_deref()),
        ];
        let request = login(
            context,
            "arcgis.app_token",
            self.token_url.as_deref(),
            &["sharing", "rest", "oauth2", "token"],
            &form,
            secret,
        )?;
        let advice = "the portal issued no token; check client id and client secret, that the application is registered with this portal, and the base URL";
        let (meta, body) = context.send(request, &LoginDialect { advice }).await?;
        // In seconds, although it is requested in minutes.
        let issued: Issued = json::decode(&meta, &body)?;
        Ok(issued.token(self.expiration.or(Some(LIFETIME)), Duration::MAX))
    }

    fn apply(&self, request: &mut ApiRequest, token: &str) -> Result<()> {
        request.hide(self.client_secret.expose_secret());
        apply(request, token, None)
    }
}

/// A token that you have, for example an API key. It is not renewed.
///
/// ```
/// use scheduled_runs::arcgis::ReadyToken;
///
/// // A token that was made for a referer works only with that referer.
/// let credential = ReadyToken::new("token").referer("https://app.example.com");
/// ```
#[derive(Clone)]
pub struct ReadyToken {
    token: Bearer,
    referer: Option<String>,
}

impl ReadyToken {
    /// A token, without the word `Bearer`.
    #[must_use]
    pub fn new(token: impl Into<SecretString>) -> Self {
        Self { token: Bearer::new(token), referer: None }
    }

    /// The referer that the token was made for; every call sends it in its `Referer` header.
    #[must_use]
    pub fn referer(mut self, referer: impl Into<String>) -> Self {
        self.referer = Some(referer.into());
        self
    }
}

impl fmt::Debug for ReadyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyToken").field("referer", &self.referer).finish_non_exhaustive()
    }
}

#[async_trait]
impl Credential for ReadyToken {
    fn check(&self) -> Result<()> {
        self.token.check()?;
        self.referer.as_deref().map_or(Ok(()), |text| header_value("the referer", text).map(drop))
    }

    async fn apply(&self, request: &mut ApiRequest, _: &CredentialContext<'_>) -> Result<()> {
        apply(request, self.token.value(), self.referer.as_deref())
    }
}

/// A lifetime in minutes, as requests send it.
fn minutes(lifetime: Option<Duration>) -> Result<Option<String>> {
    match lifetime {
        Some(Duration::ZERO) => Err(Error::config("expiration must be greater than zero")),
        lifetime => Ok(lifetime.map(|lifetime| {
            let seconds = lifetime.as_secs().saturating_add((lifetime.subsec_nanos() > 0).into());
            seconds.div_ceil(60).to_string()
        })),
    }
}

fn checked_url(url: Option<&str>) -> Result<Option<Url>> {
    url.map(Url::parse).transpose().map_err(|_| Error::config("the token URL is not a URL"))
}

/// The request for a token. It is safe to retry: each response has a valid token.
fn login(
    context: &CredentialContext<'_>,
    operation: &'static str,
    url: Option<&str>,
    path: &[&str],
    form: &[(&'static str, Option<&str>)],
    secret: &str,
) -> Result<ApiRequest> {
    let (base, path) = match checked_url(url)? {
        Some(url) => (url, &[][..]),
        None => (PortalUrl::of(context.base_url()).root, path),
    };
    let form = form.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
    let mut request =
        ApiRequest::builder(operation, Idempotency::Idempotent, Method::POST, &base, path)
            .form(form)
            .finish()?;
    request.hide(secret);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_lifetime_is_requested_in_whole_minutes() {
        for (lifetime, text) in [
            (Duration::from_millis(1), "1"),
            (Duration::from_secs(60), "1"),
            (Duration::from_millis(60_001), "2"),
            (Duration::from_secs(3600), "60"),
            (Duration::MAX, "307445734561825861"),
        ] {
            assert_eq!(minutes(Some(lifetime)).unwrap().as_deref(), Some(text));
        }
        assert_eq!(minutes(None).unwrap(), None);
        assert!(minutes(Some(Duration::ZERO)).is_err());
    }

    #[test]
    fn an_expiry_in_the_past_says_nothing_about_the_lifetime() {
        let now = DateTime::from_timestamp_millis(1_494_541_135_122).unwrap();
        assert_eq!(remaining(1_494_541_195_122, now), Some(Duration::from_secs(60)));
        for expires in [1_494_541_135_122, 1_494_541_135_121, 0, -1, i64::MIN, i64::MAX] {
            assert_eq!(remaining(expires, now), None, "{expires}");
        }
    }
}
