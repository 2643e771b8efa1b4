//! Lists that come page by page.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::client::{CallOptions, Client, OffsetPages, PagedEndpoint, Response};
use crate::error::{Error, ErrorKind, Result};

/// Where a list goes on. Opaque: store it, and resume in another process with [`Pages::resume_at`].
///
/// It holds no credential. It belongs to the request it came from, with the same filters and order.
///
/// ```
/// use scheduled_runs::Cursor;
///
/// let cursor = Cursor::new("page=2");
/// let stored = serde_json::to_string(&cursor).unwrap();
/// assert_eq!(serde_json::from_str::<Cursor>(&stored).unwrap(), cursor);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(Box<str>);

impl Cursor {
    /// A cursor from a vendor's token.
    #[must_use]
    pub fn new(token: impl Into<Box<str>>) -> Self {
        Self(token.into())
    }

    /// The vendor's token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens of some vendors carry filter values.
        write!(f, "Cursor({} bytes)", self.0.len())
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items, in the vendor's order.
    pub items: Vec<T>,
    /// Where the list goes on; `None` on the last page.
    pub next: Option<Cursor>,
    /// How many items the whole list has, where the vendor says so.
    pub total: Option<u64>,
}

impl<T> Page<T> {
    /// A page.
    #[must_use]
    pub fn new(items: Vec<T>, next: Option<Cursor>) -> Self {
        Self { items, next, total: None }
    }

    /// The same page with other items.
    #[must_use]
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        let Self { items, next, total } = self;
        Page { items: items.into_iter().map(change).collect(), next, total }
    }
}

/// A list, page by page: a [`Stream`] with a `next` of its own. Made by [`Client::pages`].
///
/// An empty or short page is not the end. A cursor that repeats is [`ErrorKind::Pagination`], told before the page is
/// fetched again. After an error the stream is over, and [`cursor`](Self::cursor) still says where to resume. Dropping it
/// cancels the request in flight.
#[must_use = "a list asks nothing until it is polled"]
pub struct Pages<E: PagedEndpoint> {
    client: Client<E::Api>,
    request: E,
    options: CallOptions,
    prefetch: bool,
    state: State<E::Item>,
    guard: Guard,
    edge: Edge,
    /// Of the page to be given out next.
    cursor: Option<Cursor>,
}

enum State<T> {
    /// The page at `Pages::cursor` is not asked for yet.
    Idle,
    Fetching(BoxFuture<'static, Result<Page<T>>>),
    /// The guard has seen enough.
    Refused(Error),
    Done,
}

impl<E: PagedEndpoint> fmt::Debug for Pages<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("operation", &E::OPERATION)
            .field("cursor", &self.cursor)
            .field("pages", &self.guard.pages)
            .finish_non_exhaustive()
    }
}

impl<E: PagedEndpoint> Pages<E> {
    pub(crate) fn new(client: Client<E::Api>, request: E) -> Self {
        Self {
            client,
            request,
            options: CallOptions::default(),
            prefetch: false,
            state: State::Idle,
            guard: Guard::new(),
            edge: Edge::default(),
            cursor: None,
        }
    }

    /// Starts at a page that an earlier walk stopped at.
    pub fn resume_at(mut self, cursor: Cursor) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// Asks for the next page while the caller works on this one. At most one page is ahead.
    pub fn prefetch(mut self) -> Self {
        self.prefetch = true;
        self
    }

    /// Most pages of one walk; more is [`ErrorKind::Pagination`]. Default 100,000.
    pub fn max_pages(mut self, pages: usize) -> Self {
        self.guard.max_pages = pages;
        self
    }

    /// Most empty pages in a row; more is [`ErrorKind::Pagination`]. Default 1,000.
    pub fn max_empty_pages(mut self, pages: usize) -> Self {
        self.guard.max_empty = pages;
        self
    }

    /// Limits for each page's call.
    pub fn options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// The same walk, item by item.
    pub fn items(self) -> Items<E> {
        Items { page: Vec::new().into_iter(), at: self.cursor.clone(), pages: self }
    }

    /// Where to resume: the first page that was not given out. `None` means the list's beginning, or its end.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// The next page; `None` at the end and after an error.
    ///
    /// # Errors
    /// As [`Client::send`]; [`ErrorKind::Pagination`] if the list does not end. [`Error::cursor`] says where to resume.
    pub async fn next(&mut self) -> Option<Result<Page<E::Item>>> {
        poll_fn(|context| self.poll_page(context)).await
    }

    fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Page<E::Item>>>> {
        if matches!(self.state, State::Idle) {
            self.state = self.fetch();
        }
        let page = match std::mem::replace(&mut self.state, State::Done) {
            State::Fetching(mut page) => match page.as_mut().poll(context) {
                Poll::Ready(page) => page,
                Poll::Pending => {
                    self.state = State::Fetching(page);
                    return Poll::Pending;
                }
            },
            State::Refused(error) => Err(error),
            State::Idle | State::Done => return Poll::Ready(None),
        };
        Poll::Ready(Some(match page {
            Ok(page) => Ok(self.turn(page)),
            Err(mut error) => {
                error.set().cursor(self.cursor.clone());
                Err(error)
            }
        }))
    }

    /// Starts to fetch the page at the cursor, unless the guard has seen enough.
    fn fetch(&mut self) -> State<E::Item> {
        if let Err(error) = self.guard.admit(E::OPERATION, self.cursor.as_ref()) {
            return State::Refused(error);
        }
        let request = match &self.cursor {
            Some(cursor) => self.request.at(cursor),
            None => self.request.clone(),
        };
        let (client, options) = (self.client.clone(), self.options.clone());
        State::Fetching(Box::pin(async move {
            match client.call(request.clone()).options(options).send().await {
                Err(error) if request.is_past_end(&error) => Ok(Page::new(Vec::new(), None)),
                answer => Ok(answer?.into_inner()),
            }
        }))
    }

    /// Takes a page in: drops what the page before had, and moves on.
    fn turn(&mut self, mut page: Page<E::Item>) -> Page<E::Item> {
        self.edge.cut(&mut page, E::key);
        self.guard.count(page.items.is_empty());
        self.cursor.clone_from(&page.next);
        if page.next.is_some() {
            self.state = State::Idle;
            if self.prefetch {
                self.state = match self.fetch() {
                    State::Fetching(next) => State::Fetching(spawned(next)),
                    refused => refused,
                };
            }
        }
        page
    }
}

/// Lets a call go on while nobody polls it: a call that stands still would keep its place in flight from others.
/// Dropping it cancels the call.
fn spawned<T: Send + 'static>(
    call: impl Future<Output = Result<T>> + Send + 'static,
) -> BoxFuture<'static, Result<T>> {
    let mut task = JoinSet::new();
    task.spawn(call);
    Box::pin(async move {
        let gone =
            || Error::new(ErrorKind::Interrupted, "the call for the page ended with its runtime");
        task.join_next().await.and_then(Result::ok).unwrap_or_else(|| Err(gone()))
    })
}

impl<E: OffsetPages> Pages<E> {
    /// Fetches up to `requests` pages at once after the first, for vendors that count their pages. Order is kept, and no
    /// more than `requests` pages are held.
    ///
    /// Pages are not compared with their neighbours: a list that changes meanwhile may repeat or miss an item. Where the
    /// last page counted says that the list goes on, the walk goes on one page at a time. The limit on pages holds; after
    /// an error the stream is over.
    pub fn concurrent(
        self,
        requests: usize,
    ) -> impl Stream<Item = Result<Page<E::Item>>> + Send + 'static {
        let Self { client, request, options, cursor, guard, .. } = self;
        let rest = {
            let (client, request, options) = (client.clone(), request.clone(), options.clone());
            let max_pages = guard.max_pages;
            move |cursor: Cursor, pages: usize| Self {
                options: options.clone(),
                guard: Guard { pages, max_pages, ..Guard::new() },
                ..Self::new(client.clone(), request.clone()).resume_at(cursor)
            }
        };
        let fetch = move |request: E, cursor: Option<Cursor>| {
            let (client, options) = (client.clone(), options.clone());
            async move {
                let page = client.call(request).options(options).send().await;
                page.map(Response::into_inner).map_err(|mut error| {
                    error.set().cursor(cursor);
                    error
                })
            }
        };
        let first = cursor.as_ref().map_or_else(|| request.clone(), |cursor| request.at(cursor));
        let begin = cursor.clone();
        let walk = stream::once(fetch(first, cursor)).flat_map(move |first| {
            let mut numbers = 0..0;
            let mut counters = Page::new(Vec::new(), None);
            let mut endless = None;
            if let Ok(first) = &first {
                let count = request.page_count(first);
                counters = Page { items: Vec::new(), next: first.next.clone(), total: first.total };
                let mut pages = 0..count.min(guard.max_pages);
                // The walk goes on after the page it began with: the first, or the one it resumed at.
                numbers = match &begin {
                    None => 1..pages.end,
                    Some(begin) => {
                        pages.find(|page| request.nth(&counters, *page) == *begin);
                        pages
                    }
                };
                endless = (count > guard.max_pages).then(|| Err(guard.too_many(E::OPERATION)));
            }
            let (request, fetch, rest) = (request.clone(), fetch.clone(), rest.clone());
            let counted = numbers.len() + 1;
            let later = stream::iter(numbers)
                .map(move |number| {
                    let cursor = request.nth(&counters, number);
                    spawned(fetch(request.at(&cursor), Some(cursor)))
                })
                .buffered(requests.max(1));
            let pages = stream::iter([first]).chain(later).zip(stream::iter(1..));
            let pages = pages.flat_map(move |(page, number)| {
                let last = page.as_ref().ok().filter(|_| number == counted);
                let more = last.and_then(|page| page.next.clone());
                let more = more.map(|cursor| rest(cursor, counted));
                stream::iter([page]).chain(stream::iter(more).flatten())
            });
            pages.chain(stream::iter(endless))
        });
        walk.scan(false, |failed, page| {
            let over = std::mem::replace(failed, page.is_err());
            std::future::ready((!over).then_some(page))
        })
    }
}

impl<E: PagedEndpoint> Stream for Pages<E> {
    type Item = Result<Page<E::Item>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_page(context)
    }
}

// Nothing in a walk refers to itself.
impl<E: PagedEndpoint> Unpin for Pages<E> {}

/// A list, item by item: a [`Stream`] with a `next` of its own. Made by [`Client::items`].
#[must_use = "a list asks nothing until it is polled"]
pub struct Items<E: PagedEndpoint> {
    pages: Pages<E>,
    page: std::vec::IntoIter<E::Item>,
    /// Of the page that `page` came from.
    at: Option<Cursor>,
}

impl<E: PagedEndpoint> Unpin for Items<E> {}

impl<E: PagedEndpoint> fmt::Debug for Items<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("pages", &self.pages).finish_non_exhaustive()
    }
}

impl<E: PagedEndpoint> Items<E> {
    /// As [`Pages::resume_at`].
    pub fn resume_at(self, cursor: Cursor) -> Self {
        self.pages.resume_at(cursor).items()
    }

    /// As [`Pages::prefetch`].
    pub fn prefetch(mut self) -> Self {
        self.pages = self.pages.prefetch();
        self
    }

    /// Where to resume: the page of the next item, whose earlier items come again. `None` means the list's beginning, or
    /// its end.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        if self.page.len() > 0 { self.at.as_ref() } else { self.pages.cursor() }
    }

    /// The next item; `None` at the end and after an error.
    ///
    /// # Errors
    /// As [`Pages::next`].
    pub async fn next(&mut self) -> Option<Result<E::Item>> {
        poll_fn(|context| self.poll_item(context)).await
    }

    /// All items that are left.
    ///
    /// # Errors
    /// As [`Pages::next`]; what came before the error is dropped.
    pub async fn try_collect(mut self) -> Result<Vec<E::Item>> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await {
            all.push(item?);
        }
        Ok(all)
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<E::Item>>> {
        loop {
            if let Some(item) = self.page.next() {
                return Poll::Ready(Some(Ok(item)));
            }
            let at = self.pages.cursor.clone();
            match ready!(self.pages.poll_page(context)) {
                Some(Ok(page)) => {
                    self.page = page.items.into_iter();
                    self.at = at;
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<E: PagedEndpoint> Stream for Items<E> {
    type Item = Result<E::Item>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_item(context)
    }
}

/// Keys of the last page that had any, for vendors whose pages overlap.
#[derive(Default)]
pub(crate) struct Edge(HashSet<Box<str>>);

impl Edge {
    /// Drops the items that the page before had. With the last page nothing overlaps.
    pub(crate) fn cut<T>(&mut self, page: &mut Page<T>, key: impl Fn(&T) -> Option<&str>) {
        let followed = if page.next.is_some() { &*page.items } else { &[] };
        let keys: HashSet<Box<str>> = followed.iter().filter_map(&key).map(Into::into).collect();
        if !self.0.is_empty() {
            page.items.retain(|item| key(item).is_none_or(|key| !self.0.contains(key)));
        }
        // An empty page has no edge of its own: the next one overlaps with what came before it.
        if !keys.is_empty() {
            self.0 = keys;
        }
    }
}

/// Ends walks that would not end. It remembers a bounded number of cursors, however long the list.
pub(crate) struct Guard {
    pages: usize,
    max_pages: usize,
    empty: usize,
    max_empty: usize,
    /// The last few cursors: finds short circles at once.
    recent: VecDeque<u64>,
    /// One older cursor, moved at every power of two (Brent): finds circles of any length.
    anchor: Option<u64>,
}

impl Guard {
    const RECENT: usize = 32;

    pub(crate) fn new() -> Self {
        Self {
            pages: 0,
            max_pages: 100_000,
            empty: 0,
            max_empty: 1_000,
            recent: VecDeque::new(),
            anchor: None,
        }
    }

    /// Whether the page at this cursor may be fetched.
    pub(crate) fn admit(&mut self, operation: &'static str, cursor: Option<&Cursor>) -> Result<()> {
        let endless =
            |message| Err(Error::new(ErrorKind::Pagination, message).with_operation(operation));
        if self.pages >= self.max_pages {
            return Err(self.too_many(operation));
        }
        if self.empty > self.max_empty {
            return endless(format!("the list goes on after {} empty pages", self.empty));
        }
        self.pages += 1;
        let Some(cursor) = cursor else { return Ok(()) };
        let mut hasher = DefaultHasher::new();
        cursor.hash(&mut hasher);
        let seen = hasher.finish();
        if self.anchor == Some(seen) || self.recent.contains(&seen) {
            return endless(format!("the cursor of page {} was used before", self.pages));
        }
        if self.pages.is_power_of_two() {
            self.anchor = Some(seen);
        }
        if self.recent.len() == Self::RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(seen);
        Ok(())
    }

    fn too_many(&self, operation: &'static str) -> Error {
        let message = format!("the list goes on after {} pages; raise `max_pages`", self.max_pages);
        Error::new(ErrorKind::Pagination, message).with_operation(operation)
    }

    pub(crate) fn count(&mut self, empty: bool) {
        self.empty = if empty { self.empty + 1 } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(tokens: impl IntoIterator<Item = String>) -> (usize, Option<ErrorKind>) {
        let mut guard = Guard::new();
        guard.admit("test", None).unwrap();
        for (admitted, token) in tokens.into_iter().enumerate() {
            if let Err(error) = guard.admit("test", Some(&Cursor::new(token))) {
                return (admitted, Some(error.kind()));
            }
            guard.count(false);
        }
        (0, None)
    }

    #[test]
    fn a_cursor_that_repeats_is_found_before_its_page_is_fetched_again() {
        let circle = |length: usize| {
            std::iter::repeat_with(move || 0..length).flatten().map(|n| n.to_string())
        };
        assert_eq!(walk(circle(1)), (1, Some(ErrorKind::Pagination)));
        assert_eq!(walk(circle(2)), (2, Some(ErrorKind::Pagination)));
        assert_eq!(walk(circle(32)), (32, Some(ErrorKind::Pagination)));
        // A long circle is found within two and a half rounds.
        let (admitted, kind) = walk(circle(1000));
        assert_eq!(kind, Some(ErrorKind::Pagination));
        assert!((1000..=2500).contains(&admitted), "{admitted}");
    }

    #[test]
    fn an_honest_list_is_walked_to_its_end_in_bounded_memory() {
        let mut guard = Guard::new();
        for page in 0..100_000 {
            guard.admit("test", Some(&Cursor::new(page.to_string()))).unwrap();
        }
        assert!(guard.recent.len() <= Guard::RECENT);
        let error = guard.admit("test", Some(&Cursor::new("x"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pagination);
    }

    #[test]
    fn empty_pages_in_a_row_are_bounded_and_items_reset_the_count() {
        let mut guard = Guard::new();
        guard.max_empty = 2;
        for page in 0..10 {
            guard.admit("test", Some(&Cursor::new(page.to_string()))).unwrap();
            guard.count(page % 2 == 0);
        }
        guard.count(true);
        guard.count(true);
        assert!(guard.admit("test", Some(&Cursor::new("a"))).is_ok());
        guard.count(true);
        assert_eq!(
            guard.admit("test", Some(&Cursor::new("b"))).unwrap_err().kind(),
            ErrorKind::Pagination
        );
    }

    #[test]
    fn a_cursor_is_a_plain_serde_value_and_its_debug_print_shows_nothing() {
        let cursor = Cursor::new("start=2020&x=canary");
        let json = serde_json::to_string(&cursor).unwrap();
        assert_eq!(json, r#""start=2020&x=canary""#);
        assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
        assert!(!format!("{cursor:?}").contains("canary"));
    }
}
