//! Walks over lists: page by page, item by item, several pages at once.

use std::fmt;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_util::stream::{self, FuturesOrdered, StreamExt as _};
use tokio::task::JoinSet;

use super::page::{Cursor, Endless, LoopGuard, OverlapFilter, Page};
use crate::client::{
    Api, CallLimits, CallOptions, Client, OffsetPages, PagedEndpoint, Response, SharedDeadline,
};
use crate::error::{Error, ErrorKind, Result};

impl<A: Api> Client<A> {
    /// Walks a list page by page.
    pub fn pages<E: PagedEndpoint<Api = A>>(&self, request: E) -> Pages<E> {
        Pages::new(self.clone(), request)
    }

    /// Walks a list item by item.
    pub fn items<E: PagedEndpoint<Api = A>>(&self, request: E) -> Items<E> {
        self.pages(request).items()
    }
}

impl<A: Api> SharedDeadline<'_, A> {
    /// Fetches one page of a list: the first, or the one at the cursor.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn page<E: PagedEndpoint<Api = A>>(
        &self,
        request: E,
        cursor: Option<&Cursor>,
    ) -> Result<Response<Page<E::Item>>> {
        self.send(at(request, cursor)).await
    }

    /// Fetches the list page by page, until `found` finds what is looked for.
    ///
    /// # Errors
    /// As [`Pages::next`].
    pub async fn find<E: PagedEndpoint<Api = A>, T>(
        &self,
        request: E,
        found: impl Fn(E::Item) -> Option<T>,
    ) -> Result<Option<T>> {
        let mut pages = self.client().pages(request).limits(self.limits());
        while let Some(page) = pages.next().await {
            if let Some(item) = page?.items.into_iter().find_map(&found) {
                return Ok(Some(item));
            }
            pages = pages.limits(self.limits());
        }
        Ok(None)
    }
}

/// The request for the page at the cursor.
fn at<E: PagedEndpoint>(request: E, cursor: Option<&Cursor>) -> E {
    match cursor {
        Some(cursor) => request.at(cursor),
        None => request,
    }
}

/// Why a walk ends before its list does.
pub(crate) fn endless(operation: &'static str, Endless(why): Endless) -> Error {
    Error::new(ErrorKind::Pagination, why).with_operation(operation)
}

/// A list, page by page: a [`Stream`] with a `next` of its own. Made by [`Client::pages`].
///
/// An empty or short page is not the end. A cursor that repeats is [`ErrorKind::Pagination`], before its page is fetched again.
/// An error ends the stream, and [`cursor`](Self::cursor) then says where to resume. Dropping the stream cancels the request in
/// flight.
#[must_use = "a list sends nothing until it is polled"]
pub struct Pages<E: PagedEndpoint> {
    client: Client<E::Api>,
    request: E,
    limits: CallLimits,
    prefetch: bool,
    state: State<E::Item>,
    guard: LoopGuard,
    overlap: OverlapFilter,
    /// Of the page that is returned next.
    cursor: Option<Cursor>,
}

enum State<T> {
    /// The page at `Pages::cursor` is not requested yet.
    Idle,
    Fetching(BoxFuture<'static, Result<Page<T>>>),
    /// The guard refused the page.
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
            limits: CallLimits::default(),
            prefetch: false,
            state: State::Idle,
            guard: LoopGuard::new(),
            overlap: OverlapFilter::default(),
            cursor: None,
        }
    }

    /// Starts at a page that an earlier walk stopped at.
    pub fn resume_at(mut self, cursor: Cursor) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// Fetches the next page while the caller works on this one. At most one page is fetched ahead.
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
        self.limits.options = options;
        self
    }

    fn limits(mut self, limits: CallLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same walk, item by item.
    pub fn items(self) -> Items<E> {
        Items { page: Vec::new().into_iter(), at: self.cursor.clone(), pages: self }
    }

    /// Where to resume: the first page that was not returned yet. `None` means the list's beginning, or its end.
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
            Ok(page) => Ok(self.take_in(page)),
            Err(mut error) => {
                error.set().cursor(self.cursor.clone());
                Err(error)
            }
        }))
    }

    /// Starts to fetch the page at the cursor, unless the guard refuses it.
    fn fetch(&mut self) -> State<E::Item> {
        if let Err(why) = self.guard.admit(self.cursor.as_ref()) {
            return State::Refused(endless(E::OPERATION, why));
        }
        let request = at(self.request.clone(), self.cursor.as_ref());
        let (client, limits) = (self.client.clone(), self.limits.clone());
        State::Fetching(Box::pin(async move {
            match client.call(request.clone()).limits(limits).send().await {
                Err(error) if request.is_past_end(&error) => Ok(Page::new(Vec::new(), None)),
                response => Ok(response?.into_inner()),
            }
        }))
    }

    /// Takes a page in: drops the items that the page before had, and moves on to the next cursor.
    fn take_in(&mut self, mut page: Page<E::Item>) -> Page<E::Item> {
        self.overlap.apply(&mut page, E::key);
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

/// Lets a call continue while nobody polls it: a call that is not polled would keep its place in flight from others. Dropping it
/// cancels the call.
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
    /// Fetches up to `requests` pages at once after the first, for vendors that count their pages. Order is kept, and at most
    /// `requests` pages are held.
    ///
    /// Pages are not compared with their neighbours: a list that changes meanwhile may repeat or miss an item. If the last page
    /// counted says that the list continues, the walk continues one page at a time. The limit on pages holds; an error ends the
    /// stream.
    pub fn concurrent(
        self,
        requests: usize,
    ) -> impl Stream<Item = Result<Page<E::Item>>> + Send + 'static {
        let pages = Self { prefetch: false, ..self };
        let state = Concurrent::First;
        let walk = ConcurrentWalk { pages, requests: requests.max(1), cut_off: false, state };
        stream::unfold(walk, |mut walk| async move {
            let page = walk.next().await?;
            if page.is_err() {
                walk.state = Concurrent::Ended;
            }
            Some((page, walk))
        })
    }
}

/// A walk that fetches several pages at once.
struct ConcurrentWalk<E: OffsetPages> {
    pages: Pages<E>,
    requests: usize,
    /// The list has more pages than the walk may fetch.
    cut_off: bool,
    state: Concurrent<E>,
}

enum Concurrent<E: OffsetPages> {
    /// Nothing is fetched yet.
    First,
    /// The first page has said how many there are.
    Counted {
        /// The first page without its items: the others are named from it.
        first: Page<E::Item>,
        /// The pages that are not requested yet.
        numbers: Range<usize>,
        in_flight: FuturesOrdered<BoxFuture<'static, Result<Page<E::Item>>>>,
        /// Where the page that was returned last says that the list continues.
        next: Option<Cursor>,
    },
    /// The list continues after the last page counted.
    OneByOne,
    Ended,
}

impl<E: OffsetPages> ConcurrentWalk<E> {
    async fn next(&mut self) -> Option<Result<Page<E::Item>>> {
        if let Concurrent::First = self.state {
            let begin = self.pages.cursor.clone();
            let page = fetch(&self.pages, begin.clone()).await;
            if let Ok(first) = &page {
                self.count(first, begin.as_ref());
            }
            return Some(page);
        }
        if let Concurrent::Counted { first, numbers, in_flight, next } = &mut self.state {
            while in_flight.len() < self.requests
                && let Some(number) = numbers.next()
            {
                let cursor = self.pages.request.nth(first, number);
                in_flight.push_back(spawned(fetch(&self.pages, Some(cursor))));
            }
            if let Some(page) = in_flight.next().await {
                *next = page.as_ref().ok().and_then(|page| page.next.clone());
                return Some(page);
            }
            // All pages counted are returned.
            self.pages.cursor = next.take();
            self.state = Concurrent::OneByOne;
            if self.pages.cursor.is_none() {
                self.pages.state = State::Done;
            }
        }
        if let Concurrent::OneByOne = self.state {
            if let Some(page) = self.pages.next().await {
                return Some(page);
            }
            self.state = Concurrent::Ended;
            if self.cut_off {
                return Some(Err(endless(E::OPERATION, self.pages.guard.too_many())));
            }
        }
        None
    }

    /// Plans the pages after the first, or after the one that the walk resumed at.
    fn count(&mut self, page: &Page<E::Item>, begin: Option<&Cursor>) {
        let request = &self.pages.request;
        let guard = &mut self.pages.guard;
        let count = request.page_count(page);
        let first = Page { items: Vec::new(), next: page.next.clone(), total: page.total };
        let mut numbers = 0..count.min(guard.max_pages);
        match begin {
            None => _ = numbers.next(),
            Some(begin) => _ = numbers.find(|number| request.nth(&first, *number) == *begin),
        }
        self.cut_off = count > guard.max_pages;
        guard.pages = 1 + numbers.len();
        let (in_flight, next) = (FuturesOrdered::new(), first.next.clone());
        self.state = Concurrent::Counted { first, numbers, in_flight, next };
    }
}

/// Fetches one page outside of the order of the walk.
fn fetch<E: PagedEndpoint>(
    pages: &Pages<E>,
    cursor: Option<Cursor>,
) -> impl Future<Output = Result<Page<E::Item>>> + Send + 'static {
    let request = at(pages.request.clone(), cursor.as_ref());
    let (client, limits) = (pages.client.clone(), pages.limits.clone());
    async move {
        match client.call(request).limits(limits).send().await {
            Ok(page) => Ok(page.into_inner()),
            Err(mut error) => {
                error.set().cursor(cursor);
                Err(error)
            }
        }
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
