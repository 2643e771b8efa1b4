//! Events of scheduled queries by webhook: verification, and the public keys that it needs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::join;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer as _, Error as _, SeqAccess, Visitor};
use url::{Url, form_urlencoded};

use super::VENDOR;
use super::events::Envelope;
use crate::client::credential::check_secret;
use crate::client::link::is_loopback;
use crate::client::{
    Api, ApiRequest, Client, ClientBuilder, Clock, Dialect, Endpoint, Idempotency, Limits, Meta,
    RawResponse, Refusal, RetryPolicy, Service, Transport, Vendor, Verdict, after, within,
};
use crate::error::{Error, ErrorKind, Result};
use crate::run::Event;
use crate::webhook::Received;
use crate::webhook::signature::RsaSha256;
use crate::wire::model;

/// Receives Adobe I/O Events by webhook: verifies them, and makes of them what waits wake on. Clones share the public keys.
///
/// In the Adobe Developer Console, add the events of *Platform notifications* that are about scheduled queries to your project,
/// and register the URL of your endpoint. Hand every request to that URL to [`receive`](Self::receive).
///
/// ```
/// use scheduled_runs::adobe;
/// use scheduled_runs::run::Events;
///
/// # async fn program(request: http::Request<bytes::Bytes>) -> scheduled_runs::Result<http::Response<String>> {
/// // Once, when the program starts.
/// let webhook = adobe::Webhook::builder("client id of the project").build()?;
/// let events = Events::new();
///
/// // In the handler of the endpoint.
/// let received = webhook.receive(&request).await;
/// if let Some(url) = received.confirm_url {
///     println!("open this to confirm the endpoint: {url}");
/// }
/// received.events.into_iter().for_each(|event| events.send(event));
/// Ok(received.response)
/// # }
/// ```
///
/// # What is verified
///
/// Adobe signs the body twice, each time with another key. An event is accepted if it is addressed to your client id and at least one
/// of the signatures fits the public key that the request names for it. The keys are fetched from `https://static.adobeioevents.com`
/// and from nowhere else, without a credential, and kept for at most 24 hours. A request may also hold several events in a list; then
/// all must be addressed to you.
///
/// Only the body is signed. Nothing in the headers is used but the signatures and the names of the keys. No time is signed either, so
/// that somebody who has recorded an event can send it again. That does no harm: an event only means "poll now".
///
/// Adobe waits ten seconds for a response, and sends an event again after 429 and 5xx, for a day. So the response is a 503 if
/// neither key can be fetched at the moment, and a 4xx, after which Adobe does not send the event again, if the verification fails.
///
/// # Registration
///
/// When you register the endpoint, Adobe sends a `GET` with a `challenge`, and the response repeats it. If your server responds with
/// anything else, Adobe sends a URL that somebody must open within five minutes: it is [`confirm_url`](Received::confirm_url). Whether that
/// request is signed is not documented, and it is not verified. Only a URL on `https://csm.adobe.io` is passed on.
///
/// # What an event names
///
/// The runs, by their ids, and the account, by organization and sandbox; the schedule is in no event. A client with a
/// [`scope`](crate::ClientBuilder::scope) of your own has another name for the account, so that no event concerns its runs. An event that
/// names nothing concerns all runs. The event of a run that has only begun wakes nobody.
///
/// Source: Adobe I/O Events, "Introduction to webhooks" and "Signature verification".
#[derive(Clone)]
pub struct Webhook {
    client_id: SecretString,
    rsa: RsaSha256,
    keys: Arc<Keys>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

/// Builds a [`Webhook`]. Made by [`Webhook::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct WebhookBuilder {
    client_id: SecretString,
    keys: ClientBuilder<KeyHost>,
}

impl Webhook {
    /// Starts to build a webhook for the events that are addressed to this client id, the API key of the project in the Console.
    pub fn builder(client_id: impl Into<SecretString>) -> WebhookBuilder {
        // Short, so that Adobe gets its response within ten seconds. A key has less than 1 KiB.
        let limits = Limits::default().connect(Keys::PATIENCE / 2).attempt(Keys::PATIENCE / 2);
        let keys = Client::builder()
            .limits(limits.max_body(16 * 1024))
            .retry(RetryPolicy::default().max_attempts(2));
        WebhookBuilder { client_id: client_id.into(), keys }
    }

    /// Takes a request to the endpoint apart: what to respond, and what to wake waits with.
    ///
    /// A request is refused with a 4xx if it is larger than 2 MiB, is not an event or a list of at most 1000, is addressed to another client, or is not signed by
    /// Adobe. It takes at most four seconds, if a public key has to be fetched.
    pub async fn receive(&self, request: &Request<impl AsRef<[u8]>>) -> Received {
        let received = match *request.method() {
            Method::GET => challenge(request.uri()),
            Method::POST => self.accept(request.headers(), request.body().as_ref()).await,
            _ => Ok(Received::wrong_method("GET, POST")),
        };
        received.unwrap_or_else(|Refused(status, why)| Received::refused(status, why))
    }

    async fn accept(&self, headers: &HeaderMap, body: &[u8]) -> Result<Received, Refused> {
        if body.len() > LARGEST_BODY {
            return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 2 MiB"));
        }
        let text = json_text(body);
        if let Some(url) = validation_url(&text)? {
            return Ok(Received::confirm(url));
        }
        let notification = Notification::read(headers, &text, self.client_id.expose_secret())?;
        let [one, two] = &notification.signatures;
        let keys = join(self.keys.get(one.path), self.keys.get(two.path)).await;
        notification.verify(&self.rsa, &keys.into()).map(Received::events)
    }
}

impl WebhookBuilder {
    /// What carries the requests for public keys. Default: [`ReqwestTransport`](crate::client::ReqwestTransport).
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.keys = self.keys.transport(transport);
        self
    }

    /// What the age of public keys is measured with. Default: [`SystemClock`](crate::client::SystemClock).
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.keys = self.keys.clock(clock);
        self
    }

    /// Fetches the public keys from a fake on this machine, for tests. Whoever has this host can sign events.
    pub fn key_host(mut self, url: impl Into<String>) -> Self {
        self.keys = self.keys.base_url(url);
        self
    }

    /// The webhook.
    ///
    /// # Errors
    /// [`ErrorKind::Config`]: the client id is empty; [`key_host`](Self::key_host) leads to another machine; or nothing can check
    /// signatures, because neither of the features `rustls` and `rustls-no-provider` is on, or the latter alone in a program that has installed no
    /// cryptography.
    pub fn build(self) -> Result<Webhook> {
        let Self { client_id, keys } = self;
        check_secret("the client id", client_id.expose_secret())?;
        Ok(Webhook { client_id, rsa: RsaSha256::new()?, keys: Arc::new(Keys::new(keys.build()?)) })
    }
}

/// Source: Adobe I/O Events, FAQ: a batch has at most 2 MB.
const LARGEST_BODY: usize = 2 * 1024 * 1024;

/// Events of one request at most. A stranger's list of so many bytes would take up thirty times as many in memory. Source: Adobe I/O
/// Events, FAQ: a batch has at most 20, in its older version 100.
const MOST_EVENTS: usize = 1000;

/// The response to a request that is not accepted, with a reason for the sender.
struct Refused(StatusCode, &'static str);

fn bad_request(why: &'static str) -> Refused {
    Refused(StatusCode::BAD_REQUEST, why)
}

fn challenge(uri: &Uri) -> Result<Received, Refused> {
    let query = uri.query().unwrap_or_default();
    let mut members = form_urlencoded::parse(query.as_bytes());
    let challenge = members.find(|(name, _)| name == "challenge");
    let (_, text) = challenge.ok_or_else(|| bad_request("there is no challenge"))?;
    Ok(Received::text(text.into_owned()))
}

/// The JSON that is signed. Adobe's verifier for Node.js also takes a body that is the base64 of it, as some gateways forward it.
fn json_text(body: &[u8]) -> Cow<'_, [u8]> {
    let decoded = STANDARD.decode(body).ok();
    // Only the spelling that the encoder has: nothing that is JSON is that.
    let decoded = decoded.filter(|decoded| STANDARD.encode(decoded).as_bytes() == body);
    decoded.map_or(Cow::Borrowed(body), Cow::Owned)
}

/// The URL that confirms the endpoint, if the request is about that.
#[inline]
fn validation_url(text: &[u8]) -> Result<Option<Url>, Refused> {
    model! {
        struct Validation {
            validation_url: Box<str> as "validationUrl",
        }
    }

    let read: Option<Vec<Validation>> = one_or_many(text);
    let Some([Validation { validation_url }]) = read.as_deref() else { return Ok(None) };
    let url = Url::parse(validation_url).ok().filter(|url| {
        let is_adobe = url.scheme() == "https" && url.host_str() == Some("csm.adobe.io");
        is_adobe && url.port().is_none() && url.username().is_empty() && url.password().is_none()
    });
    url.map(Some).ok_or_else(|| bad_request("the validation URL is not one of Adobe's"))
}

/// Reads an object, or a list of objects, of [`MOST_EVENTS`] at most.
fn one_or_many<T: DeserializeOwned>(text: &[u8]) -> Option<Vec<T>> {
    struct Many<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Many<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MOST_EVENTS}")
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Vec<T>, S::Error> {
            let mut many = Vec::new();
            while let Some(one) = seq.next_element()? {
                if many.len() == MOST_EVENTS {
                    return Err(S::Error::invalid_length(MOST_EVENTS, &self));
                }
                many.push(one);
            }
            Ok(many)
        }
    }

    let text = str::from_utf8(text).ok()?;
    match text.trim_start().as_bytes().first()? {
        b'[' => {
            let mut json = serde_json::Deserializer::from_str(text);
            let many = json.deserialize_seq(Many(PhantomData)).ok()?;
            json.end().ok().map(|()| many)
        }
        b'{' => serde_json::from_str(text).ok().map(|one| vec![one]),
        // serde would read other values, too.
        _ => None,
    }
}

/// Events that are addressed to this client. Whether Adobe has sent them is what [`verify`](Self::verify) finds out.
struct Notification<'r> {
    text: &'r [u8],
    events: Vec<Envelope>,
    signatures: [Signature<'r>; 2],
}

/// One of the two signatures.
struct Signature<'r> {
    /// Of the key, on Adobe's host.
    path: Option<KeyPath<'r>>,
    /// Without its base64; `None` if it is none.
    bytes: Option<Vec<u8>>,
}

impl<'r> Notification<'r> {
    /// Everything that can be checked without a key comes first, so that a stranger does not make this program fetch any.
    #[inline]
    fn read(headers: &'r HeaderMap, text: &'r [u8], client_id: &str) -> Result<Self, Refused> {
        let header = |name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.filter(|value| !value.is_empty())
        };
        // Source: Adobe I/O Events, "Signature verification". One table there lacks the last hyphen of the first two.
        let signature = |signature, path| {
            let (signature, path) = (header(signature)?, header(path)?);
            let bytes = STANDARD.decode(signature).ok();
            Some(Signature { path: KeyPath::new(path), bytes })
        };
        let one = signature("x-adobe-digital-signature-1", "x-adobe-public-key1-path");
        let two = signature("x-adobe-digital-signature-2", "x-adobe-public-key2-path");
        let (Some(one), Some(two)) = (one, two) else {
            return Err(bad_request("a signature, or the path of its key, is missing"));
        };
        let events: Vec<Envelope> =
            one_or_many(text).ok_or_else(|| bad_request("the body is not a JSON event"))?;
        if events.is_empty() {
            return Err(bad_request("the body holds no event"));
        }
        if !events.iter().all(|event| event.is_for(client_id)) {
            let why = "the event is not addressed to this client";
            return Err(Refused(StatusCode::FORBIDDEN, why));
        }
        Ok(Self { text, events, signatures: [one, two] })
    }

    /// What waits wake on, if one of the signatures fits its own key.
    #[inline]
    fn verify(&self, rsa: &RsaSha256, keys: &[Key; 2]) -> Result<Vec<Event>, Refused> {
        let fits = |(signature, key): (&Signature<'_>, &Key)| match (&signature.bytes, key) {
            (Some(bytes), Key::Known(pem)) => rsa.fits(pem, self.text, bytes),
            _ => false,
        };
        if self.signatures.iter().zip(keys).any(fits) {
            let mut events = Vec::new();
            self.events.iter().for_each(|event| event.add_to(&mut events));
            return Ok(events);
        }
        // With a 5xx, Adobe sends the event again.
        let none_known = !keys.iter().any(|key| matches!(key, Key::Known(_)));
        if none_known && keys.contains(&Key::NotFetched) {
            let why = "the public keys cannot be fetched at the moment";
            return Err(Refused(StatusCode::SERVICE_UNAVAILABLE, why));
        }
        Err(Refused(StatusCode::FORBIDDEN, "no signature fits its key"))
    }
}

/// The path of a public key: what a stranger sends, and this program will fetch.
///
/// Source: Adobe I/O Events, "Signature verification", asks to validate the URL. Adobe's own verifiers append the path to the host
/// as it is, so that one like `@host/key.pem` leads elsewhere.
#[derive(Clone, Copy)]
struct KeyPath<'r>(&'r str);

impl<'r> KeyPath<'r> {
    fn new(path: &'r str) -> Option<Self> {
        let segments = path.strip_prefix('/')?;
        let is_plain = |segment: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed)
        };
        let is_key = path.len() <= 200 && path.strip_suffix(".pem").is_some();
        (is_key && segments.split('/').all(is_plain)).then_some(Self(path))
    }
}

/// What is known about a public key.
#[derive(Clone, PartialEq, Eq)]
enum Key {
    /// Its PEM.
    Known(Bytes),
    /// There is no such key.
    Unknown,
    /// It may be there.
    NotFetched,
}

/// The public keys, which are fetched when they are first needed.
struct Keys {
    client: Client<KeyHost>,
    cache: Mutex<KeyCache>,
    /// Held while a key is fetched, so that a hundred events fetch it once.
    fetching: tokio::sync::Mutex<()>,
}

/// The keys by their paths. It is bounded, and so is what it lets this program fetch: the paths are a sender's.
#[derive(Default)]
struct KeyCache {
    kept: HashMap<Box<str>, Kept>,
    /// When the minute of the last fetch began, and how many there were in it.
    minute: Option<(Instant, u32)>,
}

struct Kept {
    key: Key,
    until: Instant,
}

impl Kept {
    fn is_known(&self) -> bool {
        matches!(self.key, Key::Known(_))
    }
}

impl Keys {
    /// For one key, in all.
    const PATIENCE: Duration = Duration::from_secs(4);

    fn new(client: Client<KeyHost>) -> Self {
        Self { client, cache: Mutex::default(), fetching: tokio::sync::Mutex::new(()) }
    }

    fn cache(&self) -> MutexGuard<'_, KeyCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        self.client.clock().now()
    }

    async fn get(&self, path: Option<KeyPath<'_>>) -> Key {
        let Some(path) = path else { return Key::Unknown };
        if let Some(key) = self.cache().find(path, self.now()) {
            return key;
        }
        within(|| Self::PATIENCE, self.fetch(path)).await.unwrap_or(Key::NotFetched)
    }

    async fn fetch(&self, path: KeyPath<'_>) -> Key {
        let _fetching = self.fetching.lock().await;
        {
            // Another event may have fetched it meanwhile.
            let mut cache = self.cache();
            if let Some(key) = cache.find(path, self.now()) {
                return key;
            }
            if !cache.admits_fetch(path, self.now()) {
                return Key::NotFetched;
            }
        }
        let key = match self.client.send(GetKey(path.0.into())).await {
            Ok(pem) if RsaSha256::is_key(&pem) => Key::Known(pem.into_inner()),
            Ok(_) => Key::Unknown,
            Err(error) => match error.kind() {
                // Storage services say 403 of what they do not have.
                ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Rejected => Key::Unknown,
                _ => return Key::NotFetched,
            },
        };
        self.cache().keep(path, key.clone(), self.now());
        key
    }
}

impl KeyCache {
    /// Adobe has two keys at a time, and some more while it replaces them.
    const MOST: usize = 16;
    const FETCHES_PER_MINUTE: u32 = 16;
    const MINUTE: Duration = Duration::from_secs(60);
    /// Source: Adobe I/O Events, "Signature verification": at most 24 hours.
    const KEY_LIFE: Duration = Duration::from_secs(24 * 3600);
    /// Short, for a key that is new.
    const REFUSAL_LIFE: Duration = Self::MINUTE;

    fn find(&self, KeyPath(path): KeyPath<'_>, now: Instant) -> Option<Key> {
        self.kept.get(path).filter(|kept| now < kept.until).map(|kept| kept.key.clone())
    }

    fn admits_fetch(&mut self, KeyPath(path): KeyPath<'_>, now: Instant) -> bool {
        // A key that was good is renewed, however many fetches strangers have caused.
        if self.kept.get(path).is_some_and(Kept::is_known) {
            return true;
        }
        let minute = self.minute.filter(|(begun, _)| now < after(*begun, Self::MINUTE));
        let (begun, fetches) = minute.unwrap_or((now, 0));
        self.minute = Some((begun, fetches.saturating_add(1)));
        fetches < Self::FETCHES_PER_MINUTE
    }

    #[inline]
    fn keep(&mut self, KeyPath(path): KeyPath<'_>, key: Key, now: Instant) {
        let is_known = matches!(key, Key::Known(_));
        let life = if is_known { Self::KEY_LIFE } else { Self::REFUSAL_LIFE };
        self.kept.retain(|_, kept| now < kept.until || kept.is_known());
        self.kept.insert(path.into(), Kept { key, until: after(now, life) });
        // Refusals go first, then what is forgotten soonest: no number of refusals drives a key out.
        let first = self.kept.iter().min_by_key(|(_, kept)| (kept.is_known(), kept.until));
        let first = first.map(|(path, _)| path.clone());
        if let Some(first) = first.filter(|_| self.kept.len() > Self::MOST) {
            self.kept.remove(&first);
        }
    }
}

/// Source: Adobe I/O Events, "Signature verification".
const KEY_HOST: &str = "https://static.adobeioevents.com";

/// The host of the public keys.
#[derive(Debug)]
enum KeyHost {}

impl Api for KeyHost {
    const VENDOR: Vendor = VENDOR;
    type Options = ();

    fn service((): &()) -> Result<Service> {
        Ok(Service::new(KEY_HOST, PlainDialect))
    }

    fn read_base_url((): &(), url: Url) -> Result<Url> {
        if url.as_str().trim_end_matches('/') != KEY_HOST && !is_loopback(&url) {
            return Err(Error::config(
                "the host of the public keys is not this machine; leave `key_host` out, or pass the URL of a fake",
            ));
        }
        Ok(url)
    }
}

#[derive(Debug)]
struct PlainDialect;

impl Dialect for PlainDialect {
    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        if response.status.is_success() {
            return Verdict::Success;
        }
        Verdict::Refused(Refusal::by_status(response.status, None))
    }
}

/// Gets the PEM of a public key.
#[derive(Clone)]
struct GetKey(Box<str>);

impl Endpoint for GetKey {
    type Api = KeyHost;
    type Output = Bytes;
    const OPERATION: &'static str = "adobe.event_key";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    #[inline]
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let segments: Vec<&str> = self.0.split('/').skip(1).collect();
        ApiRequest::of::<Self>(Method::GET, base, &segments).finish()
    }

    #[inline]
    fn decode(&self, _: &Meta, body: &Bytes) -> Result<Bytes> {
        Ok(body.clone())
    }
}

#[cfg(all(test, not(any(feature = "rustls", feature = "rustls-no-provider"))))]
mod tests {
    use super::{ErrorKind, Webhook};

    #[test]
    fn a_webhook_without_cryptography_is_not_built_and_says_what_to_switch_on() {
        let error = Webhook::builder("client id").build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("`rustls`"), "{error}");
    }
}
