//! Events of scheduled queries from the journal, for programs that have no public address.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Url, form_urlencoded};

use super::VENDOR;
use super::dialect;
use super::events::Envelope;
use crate::client::{
    Api, ApiRequest, ClientBuilder, Dialect, Endpoint, Idempotency, LinkPolicy, Meta, RawResponse,
    Response, Service, Vendor, Verdict, after, header_value, json,
};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::Cursor;
use crate::paging::page::LoopGuard;
use crate::paging::walk::endless;
use crate::run::Event;
use crate::wire::{lenient, model};

/// A client of the journal of one registration in Adobe I/O Events. The journal has the events that a [`Webhook`](super::Webhook)
/// receives, and keeps them for seven days.
///
/// In the Adobe Developer Console, add the events of *Platform notifications* that are about scheduled queries to your project, and the I/O
/// Management API, so that its credential may read the journal. The registration's page has the URL of the journal.
///
/// ```no_run
/// use scheduled_runs::{adobe, run::Events};
///
/// # async fn program(stored: Option<scheduled_runs::Cursor>) -> scheduled_runs::Result<()> {
/// let journal = adobe::Journal::builder()
///     .base_url("https://events-va6.adobe.io/events/organizations/1/integrations/2/3")
///     .client_id("client id")
///     .org_id("0123456789ABCDEF@AdobeOrg")
///     .credential(
///         adobe::ServerToServer::new("client id", "client secret")
///             .scopes("openid,AdobeID,read_organizations,adobeio_api"),
///     )
///     .build()?;
///
/// let events = Events::new();
/// let mut entries = journal.events().since(stored);
/// while let Some(entry) = entries.next().await {
///     match entry {
///         // Store `entry.position`, and go on there when the program starts again.
///         Ok(entry) => entry.events.into_iter().for_each(|event| events.send(event)),
///         Err(error) => eprintln!("{error}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// Inferred: a token needs the scope `adobeio_api`, as for the I/O Management API. The Console shows the scopes of a credential.
///
/// The entries have no signatures: that they come from Adobe is proved by TLS.
///
/// Source: Adobe I/O Events, "Journaling API".
pub type Journal = crate::Client<EventJournal>;

/// The journal as a type, which ties its requests to their client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventJournal {}

/// The settings that only clients of a journal have.
#[derive(Debug, Default)]
pub struct JournalOptions {
    client_id: Option<SecretString>,
    org_id: Option<SecretString>,
}

impl ClientBuilder<EventJournal> {
    /// The client id (API key) of the project, to which the events are addressed. Required.
    pub fn client_id(mut self, id: impl Into<SecretString>) -> Self {
        self.options.client_id = Some(id.into());
        self
    }

    /// The organization, `…@AdobeOrg`, sent as `x-ims-org-id`. Required.
    pub fn org_id(mut self, id: impl Into<SecretString>) -> Self {
        self.options.org_id = Some(id.into());
        self
    }
}

impl Api for EventJournal {
    const VENDOR: Vendor = VENDOR;
    type Options = JournalOptions;

    fn service(options: &JournalOptions) -> Result<Service> {
        let setting = |value: &Option<SecretString>, what, missing| match value {
            Some(value) => header_value(what, value.expose_secret()),
            None => Err(Error::config(missing)),
        };
        let client_id = setting(
            &options.client_id,
            "client id",
            "the client id is missing; call `client_id` with the API key of the project",
        )?;
        let org_id = setting(
            &options.org_id,
            "organization id",
            "the organization id is missing; call `org_id` with …@AdobeOrg",
        )?;
        // Each registration has a journal of its own, and regions have hosts of their own.
        Ok(Service::new("", JournalDialect { client_id, org_id }))
    }

    /// None: a journal has events, not targets, and its URL is not to be printed.
    fn scope(_: &JournalOptions, _: &Url) -> String {
        String::new()
    }
}

const ORG_ID: HeaderName = HeaderName::from_static("x-ims-org-id");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The journal behind the gateway. It names the organization by another header than Query Service.
#[derive(Debug)]
struct JournalDialect {
    client_id: HeaderValue,
    org_id: HeaderValue,
}

/// To whom the entries of a response must be addressed.
#[derive(Clone)]
struct Recipient(HeaderValue);

impl Dialect for JournalDialect {
    fn prepare(&self, request: &mut ApiRequest) -> Result<()> {
        request.insert_secret(ORG_ID, self.org_id.clone());
        request.insert_secret(API_KEY, self.client_id.clone());
        let accept = HeaderValue::from_static("application/vnd.adobecloud.events+json");
        request.insert_default(header::ACCEPT, &accept);
        request.set_extension(Recipient(self.client_id.clone()));
        Ok(())
    }

    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        dialect::judge(response)
    }

    fn unread(&self) -> &'static [&'static str] {
        // Of an event, only who it is for and its payload are needed.
        &[
            "/specversion",
            "/type",
            "/source",
            "/id",
            "/time",
            "/datacontenttype",
            "/eventid",
            "/event_id",
        ]
    }
}

impl Journal {
    /// Reads the journal, entry by entry, and waits for new ones. It starts at the oldest entry, unless you set another start.
    pub fn events(&self) -> JournalEntries {
        let mut guard = LoopGuard::default();
        // A journal has no end.
        guard.max_pages = usize::MAX;
        JournalEntries {
            journal: self.clone(),
            start: StartAt::Oldest,
            limit: None,
            link: None,
            position: None,
            ready: VecDeque::new(),
            guard,
            has_moved: true,
            not_before: self.clock().now(),
            failures: 0,
            has_ended: false,
        }
    }
}

/// One entry of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalEntry {
    /// Where it is. To go on behind it, pass it to [`since`](JournalEntries::since). `None` stands for the beginning of the journal.
    /// An entry that lacks it has that of the entry before.
    pub position: Option<Cursor>,
    /// What to wake waits with. Empty if the entry is addressed to another client, or if it says that a run has begun.
    ///
    /// If the journal has lost what came next, because it is older than seven days, there is an entry whose only event concerns
    /// all runs.
    pub events: Vec<Event>,
}

/// A journal, entry by entry. Made by [`Journal::events`](crate::Client::events).
///
/// It does not end: where there is no new entry, it waits as long as Adobe says, or ten seconds. After an error that
/// [is transient](Error::is_transient) it goes on, after a pause that doubles from ten seconds to ten minutes. After any other
/// error it ends. If the future of [`next`](Self::next) is dropped, no entry is lost.
#[must_use = "a journal is not read until it is polled"]
pub struct JournalEntries {
    journal: Journal,
    start: StartAt,
    limit: Option<u32>,
    /// The query of the link that was followed last.
    link: Option<Pairs>,
    /// Of the last entry that was handed out.
    position: Option<Cursor>,
    ready: VecDeque<JournalEntry>,
    guard: LoopGuard,
    /// The next request is for a page that was not read before.
    has_moved: bool,
    /// When the next request may be sent.
    not_before: Instant,
    /// In a row.
    failures: u32,
    has_ended: bool,
}

#[derive(Debug)]
enum StartAt {
    Oldest,
    After(Cursor),
    Latest,
    Ago(Duration),
}

type Pairs = Vec<(String, String)>;

impl fmt::Debug for JournalEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalEntries")
            .field("start", &self.start)
            .field("limit", &self.limit)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl JournalEntries {
    /// Starts behind this position, which an earlier entry had. `None` is the oldest entry.
    pub fn since(mut self, position: impl Into<Option<Cursor>>) -> Self {
        self.position = position.into();
        self.start = self.position.clone().map_or(StartAt::Oldest, StartAt::After);
        self
    }

    /// Starts with what comes from now on.
    pub fn latest(mut self) -> Self {
        self.position = None;
        self.start = StartAt::Latest;
        self
    }

    /// Starts so long ago, to the second. If none of `seek`, [`since`](Self::since) and [`latest`](Self::latest) is called, the journal
    /// starts with the oldest entry that Adobe still has.
    pub fn seek(mut self, ago: Duration) -> Self {
        self.position = None;
        self.start = StartAt::Ago(ago);
        self
    }

    /// Entries per request. Left out, Adobe decides.
    pub fn limit(mut self, entries: u32) -> Self {
        self.limit = Some(entries);
        self
    }

    /// The next entry; `None` only after an error that is not transient.
    ///
    /// # Errors
    /// As [`Client::send`](crate::Client::send). [`Error::cursor`] is the position of the last entry: to go on there, pass it to
    /// [`since`](Self::since). [`ErrorKind::CrossOrigin`] if the journal leads to another host, [`ErrorKind::Pagination`] if it leads
    /// back to a page that was read before.
    #[inline]
    pub async fn next(&mut self) -> Option<Result<JournalEntry>> {
        loop {
            if let Some(mut entry) = self.ready.pop_front() {
                entry.position = entry.position.or(self.position.take());
                self.position.clone_from(&entry.position);
                return Some(Ok(entry));
            }
            if self.has_ended {
                return None;
            }
            let clock = self.journal.clock();
            // What is left of the pause: whoever gives up this future and comes again does not wait anew.
            let pause = self.not_before.saturating_duration_since(clock.now());
            if !pause.is_zero() {
                clock.sleep(pause).await;
            }
            match self.read_page().await {
                Ok(()) => self.failures = 0,
                Err(error) if self.has_lost_its_place(&error) => {
                    return Some(Ok(self.begin_again()));
                }
                Err(error) => return Some(Err(self.fail(error))),
            }
        }
    }

    /// The entries as a stream.
    #[must_use]
    #[inline]
    pub fn stream(self) -> BoxStream<'static, Result<JournalEntry>> {
        let entries = stream::unfold(self, |mut entries| async move {
            entries.next().await.map(|entry| (entry, entries))
        });
        entries.boxed()
    }

    fn request(&self) -> ReadJournal {
        let pair = |name: &str, value: String| (name.to_owned(), value);
        let mut query = match (&self.link, &self.start) {
            (Some(link), _) => link.clone(),
            (None, StartAt::Oldest) => Pairs::new(),
            (None, StartAt::After(position)) => vec![pair("since", position.as_str().to_owned())],
            (None, StartAt::Latest) => vec![pair("latest", true.to_string())],
            (None, StartAt::Ago(ago)) => vec![pair("seek", format!("-PT{}S", ago.as_secs()))],
        };
        let limit = self.limit.filter(|_| !query.iter().any(|(name, _)| name == "limit"));
        query.extend(limit.map(|limit| pair("limit", limit.to_string())));
        ReadJournal { query }
    }

    #[inline]
    async fn read_page(&mut self) -> Result<()> {
        let request = self.request();
        if std::mem::take(&mut self.has_moved) {
            // The same page is polled until it has entries, but never read again after it had some.
            let cursor = (!request.query.is_empty()).then(|| {
                let mut query = form_urlencoded::Serializer::new(String::new());
                Cursor::new(query.extend_pairs(&request.query).finish())
            });
            let admitted = self.guard.admit(cursor.as_ref());
            admitted.map_err(|why| endless(ReadJournal::OPERATION, why))?;
        }
        let page = self.journal.send(request).await?;
        self.take_in(page)
    }

    #[inline]
    fn take_in(&mut self, page: Response<JournalPage>) -> Result<()> {
        let asked = self.journal.pause_asked(&page.meta().headers);
        let JournalPage { entries, link, last } = page.into_inner();
        // Of a link only the query is used: whatever it says, requests go to the URL of the registration.
        let base = self.journal.base_url();
        let link = link.map(|link| LinkPolicy::SameOrigin.query(base, &link)).transpose();
        let link = link.map_err(|error| error.with_operation(ReadJournal::OPERATION))?;
        // A link without a query would lead to the oldest entry.
        let link = link.filter(|query| !query.is_empty());
        let next = link.or_else(|| Some(vec![("since".to_owned(), last?.into())]));
        if entries.is_empty() {
            // A link from an empty page says where an empty journal, or what comes from now on, begins.
            let since = next.iter().flatten().find(|(name, _)| name == "since");
            self.position = since.map(|(_, since)| Cursor::new(&**since)).or(self.position.take());
            self.link = next.or(self.link.take());
            self.wait_for(asked.unwrap_or(USUAL_PAUSE).max(Duration::from_secs(1)));
            return Ok(());
        }
        if next.is_none() {
            let message = "the journal does not say where it continues";
            let error = Error::new(ErrorKind::Pagination, message);
            return Err(error.with_operation(ReadJournal::OPERATION));
        }
        self.link = next;
        self.has_moved = true;
        self.ready.extend(entries);
        Ok(())
    }

    /// Sends the next request only after this pause.
    fn wait_for(&mut self, pause: Duration) {
        self.not_before = after(self.journal.clock().now(), pause);
    }

    /// Source: Adobe I/O Events, "Journaling API": a 410 says that the events at a position have expired.
    fn has_lost_its_place(&self, error: &Error) -> bool {
        let has_place =
            self.link.is_some() || matches!(self.start, StartAt::After(_) | StartAt::Ago(_));
        has_place && error.status() == Some(StatusCode::GONE)
    }

    /// Starts again at the oldest entry. Those in between are lost, so that any run may have ended.
    fn begin_again(&mut self) -> JournalEntry {
        let journal = self.journal.events();
        // With a pause, for a journal that loses its place each time.
        *self = JournalEntries { limit: self.limit, ..journal };
        self.wait_for(USUAL_PAUSE);
        JournalEntry { position: None, events: vec![Event::of(VENDOR)] }
    }

    fn fail(&mut self, mut error: Error) -> Error {
        error.set().cursor(self.position.clone());
        if error.is_transient() {
            let doubled = USUAL_PAUSE.saturating_mul(1 << self.failures.min(10));
            self.wait_for(doubled.min(LONGEST_PAUSE).max(error.server_pause().unwrap_or_default()));
            self.failures = self.failures.saturating_add(1);
        } else {
            self.has_ended = true;
        }
        error
    }
}

/// Where Adobe does not say: a sample of an empty journal has no `Retry-After`, and others have ten seconds.
const USUAL_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Reads some entries of the journal.
#[derive(Clone)]
struct ReadJournal {
    query: Pairs,
}

struct JournalPage {
    entries: Vec<JournalEntry>,
    /// To the next page.
    link: Option<String>,
    /// Position of the last entry.
    last: Option<Box<str>>,
}

impl Endpoint for ReadJournal {
    type Api = EventJournal;
    type Output = JournalPage;
    const OPERATION: &'static str = "adobe.journal";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    #[inline]
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let no_limit = self.query.iter().any(|(name, value)| name == "limit" && value == "0");
        let checked =
            if no_limit { Err(Error::config("limit must be at least 1")) } else { Ok(()) };
        let request = ApiRequest::of::<Self>(Method::GET, base, &[]).check(checked);
        request.queries(self.query.iter().map(|(name, value)| (name, value))).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<JournalPage> {
        // Without entries it is a 204, which has no body.
        let read: EntryList = json::decode(meta, &json::or_empty(body))?;
        let info = read.page.unwrap_or_default();
        json::found(&read.events, info.count)?;
        let last = info.last.or_else(|| read.events.last()?.position.clone());
        let recipient = meta.extension().and_then(|Recipient(client_id)| client_id.to_str().ok());
        let entries = read.events.into_iter().map(|Item { position, event }| {
            let mut events = Vec::new();
            let event = event.filter(|event| recipient.is_some_and(|client| event.is_for(client)));
            if let Some(event) = event {
                event.add_to(&mut events);
            }
            JournalEntry { position: position.map(Cursor::new), events }
        });
        Ok(JournalPage { entries: entries.collect(), link: next_link(&meta.headers), last })
    }
}

model! {
    struct EntryList {
        events: Vec<Item> as "events" with lenient::items,
        page: Option<JournalInfo> as "_page" with lenient::object,
    }
}

model! {
    struct Item {
        position: Option<Box<str>> as "position" with lenient::text,
        event: Option<Envelope> as "event" with lenient::object,
    }
}

model! {
    #[derive(Default)]
    struct JournalInfo {
        last: Option<Box<str>> as "last" with lenient::text,
        count: Option<u64> as "count" with lenient::count,
    }
}

/// The target of the link to the next page: `<target>; rel="next"`, of several in one header or in several. Adobe quotes the
/// relation, others do not.
fn next_link(headers: &HeaderMap) -> Option<String> {
    let is_next = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        let mut relations = value.trim().trim_matches('"').split_whitespace();
        name.trim().eq_ignore_ascii_case("rel")
            && relations.any(|one| one.eq_ignore_ascii_case("next"))
    };
    let values = headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    // A comma may also be part of a target, but what stands before `<` is not.
    let mut links = values.flat_map(|value| value.split('<').skip(1));
    links.find_map(|link| {
        let (target, parameters) = link.split_once('>')?;
        parameters.split([';', ',']).any(is_next).then(|| target.to_owned())
    })
}
