//! The list of a target's runs, as a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use chrono::{DateTime, Utc};
use futures_core::stream::{BoxStream, Stream};
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};

use super::model::{Failure, Phase, RunSnapshot, Target};
use super::provider::RunProvider;
use super::search::Order;
use crate::client::CallLimits;
use crate::error::Result;
use crate::paging::page::Walk;
use crate::paging::walk::endless;

/// Reasons that are fetched at the same time.
const CONCURRENT_REASONS: usize = 8;

/// The runs of a target, made by [`RunProviderExt::runs`](super::RunProviderExt::runs): a stream of snapshots, newest first, page
/// after page. Call its setters before you poll it.
///
/// # Errors
/// Items are errors as [`RunProvider::fetch_page`] has them, and [`ErrorKind::Pagination`](crate::ErrorKind::Pagination) if the list does
/// not end. An error is the last item.
#[must_use = "a list is fetched when it is polled"]
pub struct Runs<'p, P: ?Sized> {
    provider: &'p P,
    target: Target,
    since: Option<DateTime<Utc>>,
    with_reasons: bool,
    /// From the first poll.
    stream: Option<BoxStream<'p, Result<RunSnapshot>>>,
}

impl<P: ?Sized> fmt::Debug for Runs<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runs")
            .field("target", &self.target)
            .field("since", &self.since)
            .field("with_reasons", &self.with_reasons)
            .finish_non_exhaustive()
    }
}

impl<'p, P: RunProvider + ?Sized> Runs<'p, P> {
    pub(super) fn new(provider: &'p P, target: Target) -> Self {
        Self { provider, target, since: None, with_reasons: false, stream: None }
    }

    /// Only runs that were created at this time or later, by [`RunSnapshot::created`]: for scheduled runs some vendors say there when
    /// they were due. A run of which the vendor does not say when it was created is in the list.
    ///
    /// The list is read until its runs are older: where two pages show that it comes newest first, no further page is fetched;
    /// otherwise it is read to its end.
    pub fn since(mut self, time: DateTime<Utc>) -> Self {
        self.since = Some(time);
        self
    }

    /// Fetches why a run failed, which lists leave out: one call or two more for each failed run, some at the same time. If that call
    /// fails, the [failure](RunSnapshot::failure) says that the reason could not be fetched.
    pub fn with_reasons(mut self) -> Self {
        self.with_reasons = true;
        self
    }

    /// The list, guarded as every other walk.
    fn begin(&self) -> BoxStream<'p, Result<RunSnapshot>> {
        let (provider, since) = (self.provider, self.since);
        let begin = (self.target.clone(), Walk::default(), Order::default());
        let pages = stream::try_unfold(begin, move |(target, mut walk, mut order)| async move {
            if walk.is_done() || since.is_some_and(|since| order.is_past(since)) {
                return Ok(None);
            }
            walk.admit().map_err(|why| endless("runs.list", why))?;
            let cursor = walk.cursor().cloned();
            let page = provider.fetch_page(&target, cursor.clone(), &CallLimits::default()).await;
            let mut page = page.map_err(|mut error| {
                error.set().cursor(cursor);
                error
            })?;
            let taken = walk.take_in(&mut page, |run| Some(run.run.id()));
            taken.map_err(|why| endless("runs.list", why))?;
            order.add_page(page.items.iter().map(|run| run.created));
            Ok(Some((stream::iter(page.items).map(Ok), (target, walk, order))))
        });
        let is_new = move |run: &RunSnapshot| {
            run.created.zip(since).is_none_or(|(created, since)| created >= since)
        };
        let runs = pages.try_flatten().try_filter(move |run| future::ready(is_new(run)));
        if !self.with_reasons {
            return runs.boxed();
        }
        // Not `try_buffered`: at an error of a later page, that drops the runs before it.
        let explained = runs.map(move |run| async move {
            match run {
                Ok(run) => Ok(with_its_reason(provider, run).await),
                Err(error) => Err(error),
            }
        });
        explained.buffered(CONCURRENT_REASONS).boxed()
    }
}

async fn with_its_reason<P: RunProvider + ?Sized>(provider: &P, run: RunSnapshot) -> RunSnapshot {
    if !run.lacks_its_reason() {
        return run;
    }
    let fetched = provider.fetch_run_again(&run, &CallLimits::default()).await;
    fetched
        .unwrap_or_else(|error| RunSnapshot { failure: Some(Failure::not_fetched(&error)), ..run })
}

impl RunSnapshot {
    /// Lists leave the reason of a failed run out.
    pub(super) fn lacks_its_reason(&self) -> bool {
        self.phase == Phase::Failed && self.failure.is_none()
    }
}

impl<P: RunProvider + ?Sized> Stream for Runs<'_, P> {
    type Item = Result<RunSnapshot>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.begin(),
        };
        self.stream.insert(stream).as_mut().poll_next(context)
    }
}
