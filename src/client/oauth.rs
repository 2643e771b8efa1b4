//! OAuth 2.0 client credentials, for vendors that issue tokens for a client id and a secret.
//!
//! Source: RFC 6749, section 4.4.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::credential::{Basic, Credential, CredentialContext, Token, TokenSource, check_secret};
use super::dialect::{Advice, Dialect, RawResponse, Refusal, Verdict};
use super::json;
use super::request::{ApiRequest, Idempotency, header_value};
use crate::error::{Error, ErrorKind, Result, VendorError};
use crate::wire::{lenient, model, repair};

/// Fetches tokens with a client id and a client secret.
///
/// Wrap it in [`CachedToken`](super::CachedToken), which keeps the token and renews it. Id and secret are sent in the form
/// body, never in a URL; with [`basic_auth`](Self::basic_auth) in a header. No output shows either of them.
///
/// ```
/// use std::time::Duration;
/// use scheduled_runs::client::{CachedToken, oauth};
///
/// let source = oauth::ClientCredentials::new(
///     "acme.token",
///     "https://login.acme.example/oauth2/token",
///     "client id",
///     "client secret",
/// );
/// let credential = CachedToken::from(
///     source.scopes(["runs:read"]).default_lifetime(Duration::from_secs(3600)),
/// );
/// ```
///
/// A vendor that needs more, such as the client id in a header of each request, holds one of these in its own
/// [`TokenSource`] and calls its methods.
#[derive(Clone)]
pub struct ClientCredentials {
    operation: &'static str,
    token_url: TokenUrl,
    client_id: SecretString,
    client_secret: SecretString,
    scope: Option<String>,
    /// Whether a scope of a list was not one scope.
    bad_scopes: bool,
    basic_auth: bool,
    default_lifetime: Option<Duration>,
    max_lifetime: Duration,
    dialect: OAuthDialect,
}

/// Where tokens are fetched from.
#[derive(Clone)]
#[non_exhaustive]
pub enum TokenUrl {
    /// This URL. Its query is not sent.
    Absolute(String),
    /// A URL on the client's host, for vendors whose customers have hosts of their own.
    Relative {
        /// Makes the parent of `path` from the client's [base URL](CredentialContext::base_url); [`Url::clone`] where that is
        /// the parent.
        parent: fn(&Url) -> Url,
        /// The segments of the path.
        path: &'static [&'static str],
    },
}

impl From<String> for TokenUrl {
    fn from(url: String) -> Self {
        Self::Absolute(url)
    }
}

impl From<&str> for TokenUrl {
    fn from(url: &str) -> Self {
        Self::Absolute(url.to_owned())
    }
}

impl fmt::Debug for TokenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        match self {
            Self::Absolute(_) => f.write_str("Absolute([redacted])"),
            Self::Relative { path, .. } => {
                f.debug_struct("Relative").field("path", path).finish_non_exhaustive()
            }
        }
    }
}

impl TokenUrl {
    fn parse(url: &str) -> Result<Url> {
        Url::parse(url).map_err(|_| Error::config("the token URL is not a URL"))
    }

    /// The URL and the segments of the path below it.
    fn resolve(&self, base_url: &Url) -> Result<(Url, &'static [&'static str])> {
        match self {
            Self::Absolute(url) => Ok((Self::parse(url)?, &[])),
            Self::Relative { parent, path } => Ok((parent(base_url), path)),
        }
    }

    fn check(&self) -> Result<()> {
        match self {
            Self::Absolute(url) => Self::parse(url).map(drop),
            Self::Relative { .. } => Ok(()),
        }
    }
}

impl ClientCredentials {
    /// `operation` is the name of the token request in errors and logs, such as `acme.token`.
    #[must_use]
    pub fn new(
        operation: &'static str,
        token_url: impl Into<TokenUrl>,
        client_id: impl Into<SecretString>,
        client_secret: impl Into<SecretString>,
    ) -> Self {
        Self {
            operation,
            token_url: token_url.into(),
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            scope: None,
            bad_scopes: false,
            basic_auth: false,
            default_lifetime: None,
            max_lifetime: Duration::MAX,
            dialect: OAuthDialect::default(),
        }
    }

    /// Fetches tokens from another URL.
    #[must_use]
    pub fn token_url(mut self, url: impl Into<TokenUrl>) -> Self {
        self.token_url = url.into();
        self
    }

    /// Asks for these scopes; they are sent with a space between each two, as the standard says. If not set or empty, no
    /// scope is sent.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        self.bad_scopes =
            scopes.iter().any(|scope| scope.is_empty() || scope.contains(char::is_whitespace));
        self.scope = (!scopes.is_empty()).then(|| scopes.join(" "));
        self
    }

    /// Sends this `scope` unchanged, for vendors that separate scopes by something else than a space.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.bad_scopes = false;
        self.scope = Some(scope.into());
        self
    }

    /// Sends id and secret in an `Authorization: Basic` header. Default: in the form body.
    #[must_use]
    pub fn basic_auth(mut self) -> Self {
        self.basic_auth = true;
        self
    }

    /// How long a token is valid if the response does not say. If not set, such a token is used until the vendor refuses it.
    #[must_use]
    pub fn default_lifetime(mut self, lifetime: Duration) -> Self {
        self.default_lifetime = Some(lifetime);
        self
    }

    /// Longest time for which a token is used, whatever the response says. If not set, there is no limit.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// Reads the responses of the token endpoint with another dialect.
    #[must_use]
    pub fn dialect(mut self, dialect: OAuthDialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// The client id, for vendors that also want it in a header of each request.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.client_id.expose_secret()
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("operation", &self.operation)
            .field("scope", &self.scope)
            .field("basic_auth", &self.basic_auth)
            .field("default_lifetime", &self.default_lifetime)
            .field("max_lifetime", &self.max_lifetime)
            .finish_non_exhaustive()
    }
}

model! {
    /// The response of a token endpoint.
    pub(crate) struct Issued {
        access_token: SecretString,
        /// Seconds. Vendors also send text, fractions and exponents. What cannot be read, and less than one second, is unknown: by it
        /// each call would fetch a token.
        expires_in: Option<Duration> as "expires_in" with lenient::seconds,
    }
}

impl Issued {
    /// `None` if it is unknown.
    fn lifetime(&self) -> Option<Duration> {
        self.expires_in.filter(|lifetime| lifetime.as_secs() > 0)
    }

    /// The token, with this lifetime if the response does not say.
    pub(crate) fn token(self, default: Option<Duration>, most: Duration) -> Token {
        let lifetime = self.lifetime().or(default);
        // A token of unknown lifetime is used until it is refused.
        Token::new(self.access_token, lifetime.unwrap_or(Duration::MAX).min(most))
    }
}

#[async_trait]
impl TokenSource for ClientCredentials {
    fn check(&self) -> Result<()> {
        header_value("client id", self.client_id())?;
        check_secret("client secret", self.client_secret.expose_secret())?;
        if self.bad_scopes {
            return Err(Error::config("a scope is empty or holds a space; pass one text for each"));
        }
        self.token_url.check()
    }

    #[inline]
    async fn token(&self, context: &CredentialContext<'_>) -> Result<Token> {
        let (id, secret) = (self.client_id(), self.client_secret.expose_secret());
        let mut form = vec![("grant_type", "client_credentials")];
        if !self.basic_auth {
            form.extend([("client_id", id), ("client_secret", secret)]);
        }
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let (url, path) = self.token_url.resolve(context.base_url())?;
        // A second token does no harm to the first.
        let idempotency = Idempotency::Idempotent;
        let mut request =
            ApiRequest::builder(self.operation, idempotency, Method::POST, &url, path)
                .form(form)
                .finish()?;
        request.hide(id);
        request.hide(secret);
        if self.basic_auth {
            // Section 2.3.1: each part is form-encoded before they are joined.
            let encoded = |text: &str| {
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
            };
            Basic::new(encoded(id), encoded(secret)).apply(&mut request, context).await?;
        }
        let (meta, body) = context.send(request, &self.dialect).await?;
        let issued: Issued = json::decode(&meta, &body)?;
        Ok(issued.token(self.default_lifetime, self.max_lifetime))
    }

    fn apply(&self, request: &mut ApiRequest, token: &str) -> Result<()> {
        request.hide(self.client_secret.expose_secret());
        request.set_bearer(token)
    }
}

/// Judges the responses of a token endpoint.
///
/// The statuses 400, 401 and 403 mean that client id, secret or scope are wrong: an [`ErrorKind::Auth`] that is not retried. An
/// error inside a success, without a token, means the same.
#[derive(Clone, Debug)]
pub struct OAuthDialect {
    read_error: fn(&RawResponse<'_>) -> Option<VendorError>,
}

impl OAuthDialect {
    /// Reads error bodies with this function, for vendors whose token endpoint may also send bodies of another shape. The
    /// [default](Self::default) reads [`read_error`].
    #[must_use]
    pub fn new(read_error: fn(&RawResponse<'_>) -> Option<VendorError>) -> Self {
        Self { read_error }
    }
}

impl Default for OAuthDialect {
    #[inline]
    fn default() -> Self {
        Self::new(read_error)
    }
}

impl Dialect for OAuthDialect {
    #[inline]
    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        let error = (self.read_error)(response);
        let status = match response.status.is_success() {
            true if error.is_none() || has_token(response) => return Verdict::Success,
            true => StatusCode::BAD_REQUEST,
            false => response.status,
        };
        let refusal = Refusal::by_status(status, error);
        // Section 5.2: a wrong client id or secret is a 400 or 401, and the next attempt would fail like this one.
        Verdict::Refused(match status.as_u16() {
            400 | 401 | 403 => refusal.kind(ErrorKind::Auth).advice(Advice::Permanent),
            _ => refusal,
        })
    }
}

#[inline]
fn has_token(response: &RawResponse<'_>) -> bool {
    serde_json::from_str::<Issued>(response.text()).is_ok()
}

/// Reads the error body that the standard defines: `error` becomes the code, `error_description` the message.
#[must_use]
#[inline]
pub fn read_error(response: &RawResponse<'_>) -> Option<VendorError> {
    model! {
        struct Body {
            error: Option<Box<str>> as "error" with lenient::text,
            error_description: Option<Box<str>> as "error_description" with lenient::text,
        }
    }

    // A list would be read by position.
    let text = Some(response.text()).filter(|text| text.starts_with('{'))?;
    let body: Body = repair::read(text)?;
    let mut error = VendorError::default();
    error.code = body.error;
    error.message = body.error_description;
    (error != VendorError::default()).then_some(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;

    fn judge(status: u16, body: &str) -> Refusal {
        let (headers, body) = (HeaderMap::new(), Bytes::copy_from_slice(body.as_bytes()));
        let status = StatusCode::from_u16(status).unwrap();
        let response = RawResponse { operation: "test", status, headers: &headers, body: &body };
        match OAuthDialect::default().judge(&response) {
            Verdict::Refused(refusal) => refusal,
            Verdict::Success => panic!("{status} {body:?} was judged a success"),
        }
    }

    #[test]
    fn a_refused_client_is_not_asked_about_again() {
        let body = r#"{"error":"invalid_client","error_description":"no such client"}"#;
        for status in [400, 401, 403] {
            let refusal = judge(status, body);
            assert_eq!((refusal.kind, refusal.advice), (ErrorKind::Auth, Advice::Permanent));
            let error = refusal.error.unwrap();
            assert_eq!(
                (error.code.as_deref(), error.message.as_deref()),
                (Some("invalid_client"), Some("no such client"))
            );
        }
        for body in ["", "[]", "null", "{}", "<html>", r#"["invalid_client"]"#] {
            assert_eq!(judge(400, body).error, None, "{body:?}");
        }
        assert_eq!(judge(503, "").kind, ErrorKind::Server);
    }

    #[test]
    fn an_error_inside_a_success_is_the_vendors_error_unless_there_is_a_token() {
        let refusal =
            judge(200, r#"{"error":"invalid_scope","error_description":"no such scope"}"#);
        assert_eq!((refusal.kind, refusal.advice), (ErrorKind::Auth, Advice::Permanent));
        assert_eq!(refusal.error.unwrap().code.as_deref(), Some("invalid_scope"));
        let (headers, status) = (HeaderMap::new(), StatusCode::OK);
        for body in [r#"{"access_token":"t","error":"none"}"#, r#"{"access_token":"t"}"#, "{}"] {
            let body = Bytes::from_static(body.as_bytes());
            let response =
                RawResponse { operation: "test", status, headers: &headers, body: &body };
            assert!(
                matches!(OAuthDialect::default().judge(&response), Verdict::Success),
                "{body:?}"
            );
        }
    }

    #[test]
    fn a_lifetime_is_read_in_any_spelling_and_unknown_otherwise() {
        let lifetime = |expires_in: &str| {
            let json = format!(r#"{{"access_token":"t"{expires_in}}}"#);
            let issued: Issued = serde_json::from_str(&json).unwrap();
            issued.lifetime().map(|lifetime| lifetime.as_secs())
        };
        for (value, seconds) in [
            ("3600", 3600),
            ("\"3600\"", 3600),
            ("3600.0", 3600),
            ("8.64e4", 86_400),
            ("\"3.6e3\"", 3600),
        ] {
            assert_eq!(lifetime(&format!(r#","expires_in":{value}"#)), Some(seconds), "{value}");
        }
        for value in ["null", "0", "-1", "\"\"", "\"soon\"", "true", "[3600]", "{}", "\"NaN\""] {
            assert_eq!(lifetime(&format!(r#","expires_in":{value}"#)), None, "{value}");
        }
        assert_eq!(lifetime(""), None);
    }

    #[test]
    fn input_that_could_not_work_is_refused() {
        let good = || ClientCredentials::new("test", "https://host/token", "id", "canary");
        good().scopes(["a", "b"]).check().unwrap();
        good().scopes(["a b"]).scope("a, b").check().unwrap();
        for (source, says) in [
            (ClientCredentials::new("test", "https://host", "", "canary"), "client id is empty"),
            (ClientCredentials::new("test", "https://host", "id", ""), "client secret is empty"),
            (good().scopes(["a", ""]), "a scope is empty"),
            (good().scopes(["a b"]), "holds a space"),
            (good().token_url("host/token"), "the token URL is not a URL"),
        ] {
            let error = source.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn no_debug_print_shows_a_secret() {
        let url = "https://user:canary@host/token";
        let source = ClientCredentials::new("test", url, "canary-id", "canary-secret");
        let source = source.scope("runs.read");
        let relative = TokenUrl::Relative { parent: Url::clone, path: &["oauth2", "token"] };
        let printed = format!("{source:?} {:?} {relative:?}", TokenUrl::from(url));
        assert!(!printed.contains("canary"), "{printed}");
        for shown in ["\"test\"", "runs.read", "Absolute([redacted])", "\"oauth2\""] {
            assert!(printed.contains(shown), "{shown} is missing: {printed}");
        }
    }
}
