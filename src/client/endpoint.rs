//! [`Api`] and [`Endpoint`]: a vendor's API, and what one of its operations sends and reads.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use url::Url;

use super::dialect::Dialect;
use super::request::{ApiRequest, Idempotency, RequestBuilder};
use super::response::Meta;
use crate::error::{Error, Result};
use crate::paging::page::{Cursor, Page};
use crate::vendor::Vendor;

/// A vendor's API: the type that ties requests to the client that may send them.
pub trait Api: Send + Sync + 'static {
    /// The vendor's name.
    const VENDOR: Vendor;

    /// The settings that only this vendor's clients have.
    type Options: Debug + Default + Send + Sync;

    /// Checks the options and makes of them what a client needs to talk to this vendor.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config); it names the setting that is missing or wrong.
    fn service(options: &Self::Options) -> Result<Service>;

    /// Names the account that a client with these settings works in, for [`Target::scoped`](crate::Target::scoped). It must
    /// hold no secret. Default: host, port and path of the base URL.
    fn scope(options: &Self::Options, base_url: &Url) -> String {
        let _ = options;
        account_at(base_url)
    }

    /// Reads a base URL that the caller set. Override it where people paste the address of a page from their browser: return the
    /// URL that it stands for, or refuse it and name the right one, also if it does not fit the other settings. The client drops query
    /// and fragment of what is returned.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config); the address is not in the error.
    fn read_base_url(options: &Self::Options, url: Url) -> Result<Url> {
        let _ = options;
        Ok(url)
    }

    /// Begins the request of one of this vendor's endpoints, below the base URL. Override it where all requests share more
    /// than that: a prefix of the path, or a check of the ids in it.
    fn begin(
        operation: &'static str,
        idempotency: Idempotency,
        method: Method,
        base: &Url,
        path: &[&str],
    ) -> RequestBuilder {
        ApiRequest::builder(operation, idempotency, method, base, path)
    }
}

/// Names an account that has a URL of its own by its host, port and path, as [`Api::scope`] does by default.
#[must_use]
pub fn account_at(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{host}{port}{}", url.path().trim_end_matches('/'))
}

/// Where a vendor's API is, and how it speaks.
#[derive(Debug)]
#[non_exhaustive]
pub struct Service {
    /// Where requests go unless [`ClientBuilder::base_url`](super::ClientBuilder::base_url) says otherwise; empty for vendors whose customers have hosts of
    /// their own.
    pub base_url: Cow<'static, str>,
    /// How it speaks.
    pub dialect: Arc<dyn Dialect>,
    /// Another server of the same account, to which the credential may go as well. `None` as a rule.
    pub other_server: Option<Url>,
    /// What to do if no base URL is set, for vendors that have no [`base_url`](Self::base_url) of their own.
    pub base_url_hint: &'static str,
}

impl Service {
    /// A service at this base URL.
    #[must_use]
    pub fn new(base_url: impl Into<Cow<'static, str>>, dialect: impl Dialect + 'static) -> Self {
        Self {
            base_url: base_url.into(),
            dialect: Arc::new(dialect),
            other_server: None,
            base_url_hint: "call `base_url`",
        }
    }

    /// Says in the error of a client without a base URL what to do, for example "call `hostname` with your host".
    #[must_use]
    pub fn base_url_hint(mut self, hint: &'static str) -> Self {
        self.base_url_hint = hint;
        self
    }

    /// Names another server of the same account, to which its dialect sends some of the requests. The credential goes to the
    /// origin of this URL and to that of the base URL, and to no other.
    #[must_use]
    pub fn other_server(mut self, url: Option<Url>) -> Self {
        self.other_server = url;
        self
    }
}

/// One operation of a vendor's API: what to send, and how to read the response.
///
/// A request type is a plain value: what the call cannot do without goes into its `new`, the rest are setters.
pub trait Endpoint: Clone + Send + Sync + 'static {
    /// The vendor that understands it. A request for another vendor does not compile.
    type Api: Api;
    /// What a successful response holds.
    type Output: Send + 'static;
    /// Name in errors and logs: vendor, resource, verb.
    const OPERATION: &'static str;
    /// Whether sending it twice does harm. Declared for each operation, never guessed from the HTTP method.
    const IDEMPOTENCY: Idempotency;

    /// The request as it would be sent, without credentials. Pure: no clock, no network, no random value. It is called again for
    /// each retry.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for input that cannot be sent: it names the input and says what to do.
    fn to_request(&self, base: &Url) -> Result<ApiRequest>;

    /// Reads the response to a call that the vendor's [`Dialect`](super::Dialect) judged a success.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) or
    /// [`ErrorKind::UnexpectedContent`](crate::ErrorKind::UnexpectedContent).
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Self::Output>;
}

/// An operation whose response is one page of a list.
pub trait PagedEndpoint: Endpoint<Output = Page<Self::Item>> {
    /// What the list holds.
    type Item: Send + 'static;

    /// The same request for the page at `cursor`.
    #[must_use]
    fn at(&self, cursor: &Cursor) -> Self;

    /// What tells items apart, for vendors whose pages overlap: an item whose key was on the page before is dropped.
    fn key(item: &Self::Item) -> Option<&str> {
        let _ = item;
        None
    }

    /// Whether this error of a page only means that the list has ended, for vendors that refuse pages past the end.
    fn is_past_end(&self, error: &Error) -> bool {
        let _ = error;
        false
    }
}

/// A paged operation whose later pages can be named from an earlier one, because the vendor counts.
///
/// What it says is a guess: a walk believes the cursor of each page, and drops pages that were named wrongly.
pub trait OffsetPages: PagedEndpoint {
    /// How many pages there are from `first` on, according to it. `first` is any page of the list, without its items.
    fn page_count(&self, first: &Page<Self::Item>) -> usize;

    /// The cursor of a page; `first` has number 0, and the page after it number 1.
    fn nth(&self, first: &Page<Self::Item>, number: usize) -> Cursor;
}

/// The part of a list request that knows about pages: which one is asked for, how large it is, how a response is read. A vendor
/// has one such type for all its lists, and [`operation!`](macro@super::operation) makes a [`PagedEndpoint`] of each request that
/// holds one.
pub trait ListSettings<T> {
    /// Adds the members of the query that choose and size the page.
    fn write(&self, request: RequestBuilder) -> RequestBuilder;

    /// Reads the response. `key` is the list's own [`PagedEndpoint::key`].
    ///
    /// # Errors
    /// As [`Endpoint::decode`].
    fn page(&self, meta: &Meta, body: &Bytes, key: fn(&T) -> Option<&str>) -> Result<Page<T>>;

    /// Chooses the page at `cursor`.
    fn move_to(&mut self, cursor: &Cursor);

    /// As [`PagedEndpoint::is_past_end`].
    fn is_past_end(&self, error: &Error) -> bool {
        let _ = error;
        false
    }
}

/// [`ListSettings`] of a vendor that counts its pages, so that later ones can be named from the first.
pub trait CountedList<T>: ListSettings<T> {
    /// As [`OffsetPages::page_count`].
    fn page_count(&self, first: &Page<T>) -> usize;

    /// As [`OffsetPages::nth`].
    fn nth(&self, first: &Page<T>, number: usize) -> Cursor;
}

impl ApiRequest {
    /// Starts the request of an [`Endpoint`], as its vendor [begins](Api::begin) all of them. Each segment is percent-encoded and
    /// becomes exactly one part of the path.
    pub fn of<E: Endpoint>(method: Method, base: &Url, segments: &[&str]) -> RequestBuilder {
        E::Api::begin(E::OPERATION, E::IDEMPOTENCY, method, base, segments)
    }
}
