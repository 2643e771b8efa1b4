//! Walks over lists: page by page, item by item, several pages at once.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::future::BoxFuture;

use super::page::{Cursor, Endless, Page, Walk};
use crate::client::{
    Api, CallLimits, CallOptions, Client, OffsetPages, PagedEndpoint, Response, SharedDeadline,
    spawned,
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
    /// Fetches one page of a list: the first, or the one at the cursor. A page past the end, where the vendor refuses those, is an
    /// empty one and the last.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn page<E: PagedEndpoint<Api = A>>(
        &self,
        request: E,
        cursor: Option<&Cursor>,
    ) -> Result<Response<Page<E::Item>>> {
        let request = at(request, cursor);
        match self.send(request.clone()).await {
            Err(error) if request.is_past_end(&error) => {
                Ok(Response::of_error(Page::new(Vec::new(), None), &error))
            }
            response => response,
        }
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

/// A list, page by page: a [`Stream`](https://docs.rs/futures-core/latest/futures_core/stream/trait.Stream.html) with a `next` of its own. Made by [`Client::pages`].
///
/// An empty or short page is not the end. A cursor that repeats is [`ErrorKind::Pagination`], before its page is fetched again.
/// Where the vendor counts the items, a page is read once more if the list became shorter meanwhile: items may have moved into it.
/// An error ends the stream, and [`cursor`](Self::cursor) then says where to resume. Dropping the stream cancels the requests in
/// flight.
#[must_use = "a list sends nothing until it is polled"]
pub struct Pages<E: PagedEndpoint> {
    client: Client<E::Api>,
    request: E,
    limits: CallLimits,
    walk: Walk,
    /// The page at the walk's cursor.
    current: Option<FetchedPage<E>>,
    ahead: Ahead<E>,
    failed: bool,
}

type FetchedPage<E> = BoxFuture<'static, Result<Page<<E as PagedEndpoint>::Item>>>;

/// Pages that are requested before anybody polls for them. They are guesses: the page before says which page comes next.
struct Ahead<E: PagedEndpoint> {
    /// How many at once.
    most: usize,
    in_flight: VecDeque<(Cursor, FetchedPage<E>)>,
    /// How to name later pages, where the vendor counts them.
    numbers: Option<Numbers<E>>,
    /// The page that was taken in last, without its items.
    head: Option<Page<E::Item>>,
    /// The page that is counted from, without its items, and the number of the next one to request.
    from: Option<(Page<E::Item>, usize)>,
}

/// The functions of [`OffsetPages`].
struct Numbers<E: PagedEndpoint> {
    page_count: fn(&E, &Page<E::Item>) -> usize,
    nth: fn(&E, &Page<E::Item>, usize) -> Cursor,
}

impl<E: PagedEndpoint> fmt::Debug for Pages<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("operation", &E::OPERATION)
            .field("cursor", &self.cursor())
            .field("pages", &self.walk.guard.pages)
            .finish_non_exhaustive()
    }
}

impl<E: PagedEndpoint> Pages<E> {
    pub(crate) fn new(client: Client<E::Api>, request: E) -> Self {
        Self {
            client,
            request,
            limits: CallLimits::default(),
            walk: Walk::default(),
            current: None,
            ahead: Ahead {
                most: 0,
                in_flight: VecDeque::new(),
                numbers: None,
                head: None,
                from: None,
            },
            failed: false,
        }
    }

    /// Starts at a page that an earlier walk stopped at.
    pub fn resume_at(mut self, cursor: Cursor) -> Self {
        self.walk.start_at(cursor);
        self
    }

    /// Fetches the next page while the caller works on this one. At most one page is fetched ahead.
    pub fn prefetch(mut self) -> Self {
        self.ahead.most = 1;
        self
    }

    /// Most pages of one walk; more is [`ErrorKind::Pagination`]. Default 100,000.
    pub fn max_pages(mut self, pages: usize) -> Self {
        self.walk.guard.max_pages = pages;
        self
    }

    /// Most empty pages in a row; more is [`ErrorKind::Pagination`]. Default 1,000.
    pub fn max_empty_pages(mut self, pages: usize) -> Self {
        self.walk.guard.max_empty = pages;
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
        Items { page: Vec::new().into_iter(), at: self.cursor().cloned(), pages: self }
    }

    /// Where to resume: the first page that was not returned yet. `None` means the list's beginning, or its end.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        self.walk.cursor()
    }

    /// The next page; `None` at the end and after an error.
    ///
    /// # Errors
    /// As [`Client::send`]; [`ErrorKind::Pagination`] if the list does not end, or cannot be read completely. [`Error::cursor`]
    /// says where to resume.
    pub async fn next(&mut self) -> Option<Result<Page<E::Item>>> {
        poll_fn(|context| self.poll_page(context)).await
    }

    fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Page<E::Item>>>> {
        if self.failed || self.walk.is_done() {
            return Poll::Ready(None);
        }
        let page = match self.walk.admit() {
            Ok(()) => {
                if self.current.is_none() {
                    // Only now: pages that are not polled for are held in memory.
                    if self.ahead.numbers.is_some() {
                        self.look_ahead();
                    }
                    self.current = Some(self.fetch_next());
                }
                let Some(current) = &mut self.current else { return Poll::Ready(None) };
                let page = ready!(current.as_mut().poll(context));
                self.current = None;
                page.and_then(|page| self.take_in(page))
            }
            Err(why) => Err(endless(E::OPERATION, why)),
        };
        Poll::Ready(Some(page.map_err(|mut error| {
            self.failed = true;
            self.ahead.in_flight.clear();
            error.set().cursor(self.cursor().cloned());
            error
        })))
    }

    /// The page at the cursor: the one in flight, if it is the right one.
    fn fetch_next(&mut self) -> FetchedPage<E> {
        if let (Some(cursor), false) = (self.walk.cursor(), self.walk.reads_again())
            && let Some((in_flight, page)) = self.ahead.in_flight.pop_front()
            && in_flight == *cursor
        {
            return page;
        }
        self.fetch(self.walk.cursor())
    }

    fn fetch(&self, cursor: Option<&Cursor>) -> FetchedPage<E> {
        let request = at(self.request.clone(), cursor);
        let (client, limits) = (self.client.clone(), self.limits.clone());
        Box::pin(async move {
            match client.call(request.clone()).limits(limits).send().await {
                Err(error) if request.is_past_end(&error) => Ok(Page::new(Vec::new(), None)),
                response => Ok(response?.into_inner()),
            }
        })
    }

    /// Takes a page in: moves on to the next cursor, and requests pages ahead.
    fn take_in(&mut self, mut page: Page<E::Item>) -> Result<Page<E::Item>> {
        let (next, total) = (page.next.clone(), page.total);
        let taken = self.walk.take_in(&mut page, E::key);
        taken.map_err(|why| endless(E::OPERATION, why))?;
        self.ahead.head = Some(Page { items: Vec::new(), next, total });
        if self.walk.is_done() {
            self.ahead.in_flight.clear();
        } else if self.ahead.most > 0 && self.ahead.numbers.is_none() && self.walk.admit().is_ok() {
            self.look_ahead();
        }
        Ok(page)
    }

    /// Requests the page at the cursor and, where they can be named, those after it.
    fn look_ahead(&mut self) {
        let head = self.ahead.head.take().filter(|_| !self.walk.reads_again());
        let (Some(head), Some(next)) = (head, self.walk.cursor().cloned()) else { return };
        if !self.ahead.in_flight.front().is_some_and(|(cursor, _)| *cursor == next) {
            self.ahead.in_flight.clear();
            let first = self.ahead.numbers.as_ref().map(|by| (by.nth)(&self.request, &head, 1));
            self.ahead.from = (first.as_ref() == Some(&next)).then_some((head, 1));
        }
        let guard = &self.walk.guard;
        let most = self.ahead.most.min(guard.max_pages.saturating_sub(guard.pages) + 1);
        while self.ahead.in_flight.len() < most {
            let numbered = self.ahead.from.as_mut().zip(self.ahead.numbers.as_ref());
            let numbered = numbered
                .filter(|((from, number), by)| *number < (by.page_count)(&self.request, from));
            let cursor = if let Some(((from, number), by)) = numbered {
                let cursor = (by.nth)(&self.request, from, *number);
                *number += 1;
                cursor
            } else if self.ahead.in_flight.is_empty() {
                next.clone()
            } else {
                return;
            };
            let page = continued(self.fetch(Some(&cursor)));
            self.ahead.in_flight.push_back((cursor, page));
        }
    }
}

/// Lets a call continue while nobody polls it: a call that is not polled would keep its place in flight from others. Dropping it
/// cancels the call.
fn continued<T: Send + 'static>(
    call: impl Future<Output = Result<T>> + Send + 'static,
) -> BoxFuture<'static, Result<T>> {
    let task = spawned(call);
    Box::pin(async move {
        let gone =
            || Error::new(ErrorKind::Interrupted, "the call for the page ended with its runtime");
        task.await.unwrap_or_else(|| Err(gone()))
    })
}

impl<E: OffsetPages> Pages<E> {
    /// Fetches up to `requests` pages at once after the first, for vendors that count their pages. Order is kept, and at most
    /// `requests` pages are held.
    ///
    /// The pages and errors are those of the same walk one page at a time: a page that was requested because of a wrong count is
    /// not used.
    pub fn concurrent(mut self, requests: usize) -> Self {
        self.ahead.most = requests.max(1);
        self.ahead.numbers = Some(Numbers { page_count: E::page_count, nth: E::nth });
        self
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

/// A list, item by item: a [`Stream`](https://docs.rs/futures-core/latest/futures_core/stream/trait.Stream.html) with a `next` of its own. Made by [`Client::items`].
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
            let at = self.pages.cursor().cloned();
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

impl<E: OffsetPages> Items<E> {
    /// As [`Pages::concurrent`].
    pub fn concurrent(mut self, requests: usize) -> Self {
        self.pages = self.pages.concurrent(requests);
        self
    }
}

impl<E: PagedEndpoint> Stream for Items<E> {
    type Item = Result<E::Item>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_item(context)
    }
}
