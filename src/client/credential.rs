//! Who is calling: credentials, and tokens that are cached and renewed.

use std::fmt::{self, Debug};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine as _;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::header::{self, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use url::Url;

use super::clock;
use super::dialect::Dialect;
use super::exchange::{self, Session};
use super::limits::CallOptions;
use super::request::{ApiRequest, header_value};
use super::response::Meta;
use crate::error::{Error, Result};

/// What proves to the vendor who is calling.
///
/// It is asked anew for every attempt. A failure, a panic, or a token that does not come ends the call as
/// [`ErrorKind::Auth`](crate::ErrorKind::Auth), or as a timeout of phase [`Auth`](crate::TimeoutPhase::Auth); nothing
/// was sent then.
///
/// Implement it with `#[async_trait]`, of the crate [async-trait](https://docs.rs/async-trait); to name headers, add `http` 1. The guide has
/// [an example](crate::guide::credentials#your-own-credential).
#[async_trait]
pub trait Credential: Debug + Send + Sync {
    /// Checks what can be checked without a network. Called when the client is built.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), without the value.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Puts the credential on a request.
    ///
    /// # Errors
    /// Any; see above.
    async fn apply(&self, request: &mut ApiRequest, context: &CredentialContext<'_>) -> Result<()>;

    /// Called when the vendor refused `rejected` for its credential. True if a new credential is available, so that
    /// a retry makes sense.
    ///
    /// A hundred calls may come here with the same stale token at once: compare what `rejected` carries with what you
    /// hold, and renew only if they are equal.
    ///
    /// # Errors
    /// Any; see above.
    async fn refresh(
        &self,
        rejected: &ApiRequest,
        context: &CredentialContext<'_>,
    ) -> Result<bool> {
        let _ = (rejected, context);
        Ok(false)
    }

    /// Whether the credential can be renewed at all. If so, a wait for the end of a run tolerates that the vendor refuses it for
    /// some minutes, as it tolerates an outage. Default false.
    fn is_renewable(&self) -> bool {
        false
    }
}

/// What a [`Credential`] may use to get a token: the client's transport, limits, retry table and clock.
#[derive(Debug)]
pub struct CredentialContext<'a> {
    pub(super) session: Session<'a>,
}

impl CredentialContext<'_> {
    /// Sends a request without a credential, within the deadline of the call that needs the token.
    ///
    /// # Errors
    /// As [`Client::send`](super::Client::send).
    pub async fn send(
        &self,
        mut request: ApiRequest,
        dialect: &dyn Dialect,
    ) -> Result<(Box<Meta>, Bytes)> {
        request.insert_default(header::USER_AGENT, &self.session.core.user_agent);
        request.set_confidential();
        // Its limits are the client's: those of the call are meant for the call's own request.
        let options = CallOptions::default();
        let session = Session { dialect, credential: None, options: &options, ..self.session };
        exchange::run(session, &|| Ok(request.clone()), &mut |_, _| Ok(())).await
    }

    /// Where the client's requests go: some vendors give out tokens beside it.
    #[must_use]
    pub fn base_url(&self) -> &Url {
        &self.session.core.base_url
    }

    /// The monotonic time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.session.core.clock.now()
    }

    /// The wall clock.
    #[must_use]
    pub fn utc(&self) -> DateTime<Utc> {
        self.session.core.clock.utc()
    }
}

/// Refuses a secret that is empty, or was copied together with a space or line break: the vendor would refuse it, and does not
/// say why.
pub(crate) fn check_secret(what: &str, secret: &str) -> Result<()> {
    if secret.is_empty() {
        return Err(Error::config(format!("{what} is empty")));
    }
    if secret.trim() != secret {
        return Err(Error::config(format!("{what} begins or ends with white space; trim it")));
    }
    Ok(())
}

/// A secret and the header that it makes, which is checked and written once.
#[derive(Clone)]
pub(crate) struct SecretHeader {
    secret: SecretString,
    value: OnceLock<HeaderValue>,
}

impl SecretHeader {
    pub(crate) fn new(secret: impl Into<SecretString>) -> Self {
        Self { secret: secret.into(), value: OnceLock::new() }
    }

    pub(crate) fn secret(&self) -> &str {
        self.secret.expose_secret()
    }

    /// Sets the header. What `write` makes of the secret is kept.
    pub(crate) fn apply(
        &self,
        request: &mut ApiRequest,
        name: HeaderName,
        write: impl FnOnce(&str) -> Result<HeaderValue>,
    ) -> Result<()> {
        let value = if let Some(value) = self.value.get() {
            value
        } else {
            let written = write(self.secret())?;
            self.value.get_or_init(|| written)
        };
        request.insert_secret(name, value.clone());
        Ok(())
    }
}

/// A ready token, sent as `Authorization: Bearer …`.
#[derive(Clone)]
pub struct Bearer(SecretHeader);

impl Bearer {
    /// A token that does not expire, or whose renewal is someone else's work. Without the word `Bearer`.
    #[must_use]
    pub fn new(token: impl Into<SecretString>) -> Self {
        Self(SecretHeader::new(token))
    }

    pub(crate) fn value(&self) -> &str {
        self.0.secret()
    }

    /// Sets the header.
    pub(crate) fn put(&self, request: &mut ApiRequest) -> Result<()> {
        self.0.apply(request, header::AUTHORIZATION, bearer)
    }
}

impl Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer([redacted])")
    }
}

/// Checks a token for the two usual mistakes: none at all, and one pasted with its scheme.
pub(crate) fn check_token(token: &str) -> Result<()> {
    bearer(token).map(drop)
}

fn bearer(token: &str) -> Result<HeaderValue> {
    if token.is_empty() || token.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("bearer ")) {
        let fault = if token.is_empty() { "is empty" } else { "begins with its scheme" };
        return Err(Error::config(format!(
            "token {fault}; pass the value without the word Bearer"
        )));
    }
    if token.starts_with(char::is_whitespace) {
        // Its scheme would hide it.
        return header_value("token", token);
    }
    header_value("token", ["Bearer ", token].concat())
}

impl ApiRequest {
    /// Sets `Authorization: Bearer …`, which no output shows.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a token that is empty, begins with its scheme, or cannot be sent
    /// in a header; it is not in the error.
    pub fn set_bearer(&mut self, token: &str) -> Result<()> {
        self.insert_secret(header::AUTHORIZATION, bearer(token)?);
        Ok(())
    }
}

#[async_trait]
impl Credential for Bearer {
    fn check(&self) -> Result<()> {
        check_token(self.value())
    }

    async fn apply(&self, request: &mut ApiRequest, _: &CredentialContext<'_>) -> Result<()> {
        self.put(request)
    }
}

/// User and password, sent as `Authorization: Basic …`.
#[derive(Clone)]
pub struct Basic {
    user: SecretString,
    password: SecretHeader,
}

impl Basic {
    /// User and password, for many vendors a token and its secret.
    #[must_use]
    pub fn new(user: impl Into<SecretString>, password: impl Into<SecretString>) -> Self {
        Self { user: user.into(), password: SecretHeader::new(password) }
    }

    pub(crate) fn user(&self) -> &str {
        self.user.expose_secret()
    }

    pub(crate) fn password(&self) -> &str {
        self.password.secret()
    }
}

impl Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Basic([redacted])")
    }
}

#[async_trait]
impl Credential for Basic {
    fn check(&self) -> Result<()> {
        let user = self.user();
        if user.is_empty() || user.contains(':') {
            return Err(Error::config("the user of a basic credential is empty or holds a colon"));
        }
        check_secret("the user of a basic credential", user)?;
        match self.password() {
            "" => Ok(()),
            password => check_secret("the password of a basic credential", password),
        }
    }

    async fn apply(&self, request: &mut ApiRequest, _: &CredentialContext<'_>) -> Result<()> {
        let user = self.user();
        request.hide(user);
        request.hide(self.password());
        self.password.apply(request, header::AUTHORIZATION, |password| {
            let pair =
                base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            header_value("the credential", format!("Basic {pair}"))
        })
    }
}

/// Where [`CachedToken`] gets its tokens from.
///
/// Implement it with `#[async_trait]`, of the crate [async-trait](https://docs.rs/async-trait), as in
/// [the guide's example of a credential](crate::guide::credentials#your-own-credential).
#[async_trait]
pub trait TokenSource: Debug + Send + Sync {
    /// Checks what can be checked without a network. Called when the client is built.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), without the value.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Asks for a new token.
    ///
    /// # Errors
    /// Any; it becomes the cause of [`ErrorKind::Auth`](crate::ErrorKind::Auth).
    async fn token(&self, context: &CredentialContext<'_>) -> Result<Token>;

    /// Puts a token on a request, and whatever else belongs to it. By default `Authorization: Bearer …`.
    ///
    /// A token in a header must be [secret](ApiRequest::set_secret_header), one in a URL or body
    /// [hidden](ApiRequest::hide): by that a refused token is recognised, too. [Hide](ApiRequest::hide) also what tokens
    /// are asked for with: the server that gave the token knows it, and may send it back.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), without the value.
    fn apply(&self, request: &mut ApiRequest, token: &str) -> Result<()> {
        request.set_bearer(token)
    }
}

/// A token and how long it lives.
#[derive(Clone)]
pub struct Token {
    value: SecretString,
    life: Duration,
}

impl Token {
    /// A token that expires after `life`, counted from now.
    #[must_use]
    pub fn new(value: impl Into<SecretString>, life: Duration) -> Self {
        Self { value: value.into(), life }
    }
}

impl Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("value", &"[redacted]").field("life", &self.life).finish()
    }
}

/// Turns a [`TokenSource`] into a [`Credential`]: keeps the token, renews it early, and asks once however many calls wait. If a token
/// takes longer than 5 s to come, one of the waiting calls asks as well: nobody may be polling the one that asked first.
///
/// Renewal starts when a tenth of the token's life is left, at most [`EARLY`](Self::EARLY). If it fails then, the old
/// token is used as long as it lives. Life is measured with the monotonic clock from the moment the token came, so that
/// a wrong wall clock does no harm.
#[derive(Debug)]
pub struct CachedToken<S> {
    source: S,
    state: Mutex<State>,
    /// Calls that wait for another one's token.
    fetch_ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    /// When a refused token was last replaced.
    replaced: Option<Instant>,
    /// How many calls have begun to fetch a token, which of them the others wait for, and whose token was held last.
    fetches: u64,
    fetching: Option<u64>,
    fetched: u64,
}

#[derive(Debug)]
struct Held {
    value: SecretString,
    renew: Instant,
    expires: Instant,
}

impl Held {
    fn is(&self, value: &SecretString) -> bool {
        self.value.expose_secret() == value.expose_secret()
    }
}

impl<S: TokenSource> CachedToken<S> {
    /// The same with other settings. A token that was fetched with the old ones is forgotten.
    #[must_use]
    pub fn with_source(self, change: impl FnOnce(S) -> S) -> Self {
        change(self.source).into()
    }

    /// Longest time before a token's end at which it is renewed: 5 minutes.
    pub const EARLY: Duration = Duration::from_secs(300);

    /// After a refused token was replaced, pause before another is replaced: whoever refuses every token shall not make
    /// this client ask for one with each call.
    const REPLACE_AGAIN: Duration = Duration::from_secs(30);

    /// Longest time an early renewal may take from the call that makes it.
    const EARLY_LIMIT: Duration = Duration::from_secs(5);

    /// How long calls wait for another one to fetch the token, before the first of them fetches one itself.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// After a renewal that failed, pause before the next one while the old token still lives.
    const RENEW_AGAIN: Duration = Duration::from_secs(10);

    async fn fetch(&self, context: &CredentialContext<'_>) -> Result<Held> {
        let token = self.source.token(context).await?;
        check_token(token.value.expose_secret())?;
        let now = context.now();
        let early = (token.life / 10).min(Self::EARLY);
        Ok(Held {
            value: token.value,
            renew: clock::after(now, token.life.saturating_sub(early)),
            expires: clock::after(now, token.life),
        })
    }

    /// A token that is good now.
    async fn token(&self, context: &CredentialContext<'_>) -> Result<SecretString> {
        let current = {
            let (mut state, now) = (self.state(), context.now());
            match &mut state.held {
                Some(token) if now < token.renew => return Ok(token.value.clone()),
                Some(token) if now < token.expires => {
                    token.renew = clock::after(now, Self::RENEW_AGAIN);
                    Some(token.value.clone())
                }
                _ => None,
            }
        };
        if let Some(current) = current {
            // Early: other calls use the current token meanwhile, and so does this one if there is no new one soon.
            let limit = || (context.session.left() / 2).min(Self::EARLY_LIMIT);
            let new = clock::within(limit, self.fetch(context)).await;
            let mut state = self.state();
            // Where it has been replaced meanwhile, that token was asked for later than this one.
            let held = state.held.as_mut().filter(|held| held.is(&current));
            if let (Some(held), Some(Ok(new))) = (held, new) {
                *held = new;
            }
        }
        self.living(context).await
    }

    /// The token that is held, or a new one. Calls without a token wait for the one that fetches it; but not for long, because that
    /// one may not be polled any more.
    async fn living(&self, context: &CredentialContext<'_>) -> Result<SecretString> {
        let mut given_up = None;
        let fetching = loop {
            let ended = self.fetch_ended.notified();
            let awaited = {
                let mut state = self.state();
                if let Some(token) = &state.held
                    && context.now() < token.expires
                {
                    return Ok(token.value.clone());
                }
                match state.fetching {
                    Some(number) if given_up != Some(number) => number,
                    _ => break Fetching::begin(self, &mut state),
                }
            };
            if clock::within(|| Self::PATIENCE, ended).await.is_none() {
                given_up = Some(awaited);
            }
        };
        let new = self.fetch(context).await?;
        let value = new.value.clone();
        {
            let mut state = self.state();
            // Otherwise another call has taken over and has one that was asked for later.
            if fetching.number > state.fetched {
                (state.held, state.fetched) = (Some(new), fetching.number);
            }
        }
        drop(fetching);
        Ok(value)
    }
}

impl<S> CachedToken<S> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that fetches a token. The others are notified when it ends, or is dropped.
struct Fetching<'c, S> {
    token: &'c CachedToken<S>,
    number: u64,
}

impl<'c, S> Fetching<'c, S> {
    fn begin(token: &'c CachedToken<S>, state: &mut State) -> Self {
        state.fetches += 1;
        state.fetching = Some(state.fetches);
        Self { token, number: state.fetches }
    }
}

impl<S> Drop for Fetching<'_, S> {
    fn drop(&mut self) {
        let mut state = self.token.state();
        if state.fetching == Some(self.number) {
            state.fetching = None;
        }
        self.token.fetch_ended.notify_waiters();
    }
}

/// Nothing is asked for before the first call.
impl<S: TokenSource> From<S> for CachedToken<S> {
    fn from(source: S) -> Self {
        Self { source, state: Mutex::default(), fetch_ended: Notify::new() }
    }
}

#[async_trait]
impl<S: TokenSource> Credential for CachedToken<S> {
    fn check(&self) -> Result<()> {
        self.source.check()
    }

    async fn apply(&self, request: &mut ApiRequest, context: &CredentialContext<'_>) -> Result<()> {
        let token = self.token(context).await?;
        self.source.apply(request, token.expose_secret())
    }

    async fn refresh(
        &self,
        rejected: &ApiRequest,
        context: &CredentialContext<'_>,
    ) -> Result<bool> {
        let now = context.now();
        {
            let mut state = self.state();
            let carried = |token: &Held| rejected.secrets().contain(token.value.expose_secret());
            if state.held.as_ref().is_some_and(|token| !carried(token)) {
                // Another call has replaced it meanwhile.
                return Ok(true);
            }
            if state.replaced.is_some_and(|last| now < clock::after(last, Self::REPLACE_AGAIN)) {
                return Ok(false);
            }
            // Dropped even if there is no new one: it would be refused again.
            state.held = None;
        }
        self.living(context).await?;
        self.state().replaced = Some(now);
        Ok(true)
    }

    fn is_renewable(&self) -> bool {
        true
    }
}
