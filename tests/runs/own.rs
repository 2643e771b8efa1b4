//! A vendor of a test's own: what it can do, and a function for each call that the test is about.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::future::{BoxFuture, ready};
use scheduled_runs::client::Clock;
use scheduled_runs::run::{Capabilities, RecentRuns, Triggered};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{
    CallLimits, CancelOutcome, Cursor, Delivery, Error, ErrorKind, Page, Result, RunProvider,
    RunRef, RunSnapshot, Target, Vendor,
};

/// Its runs are not found, its triggers are lost, its list, if it has one, is empty, and it cancels what it is asked to, unless a test
/// says otherwise.
pub(crate) struct Own {
    pub(crate) clock: ManualClock,
    capabilities: Capabilities,
    capabilities_of_targets: Option<Capabilities>,
    named: Option<&'static str>,
    looks: Calls<RunRef, RunSnapshot>,
    triggers: Calls<Option<RunRef>, Triggered>,
    lists: Calls<usize, RecentRuns>,
    cancels: Calls<RunRef, CancelOutcome>,
}

/// Calls of one kind: how many there were, and the answer to the next one, from its number (the first is 1) and what it is
/// about.
struct Calls<A, T> {
    number: AtomicUsize,
    answer: Box<dyn Fn(usize, A) -> BoxFuture<'static, Result<T>> + Send + Sync>,
}

impl<A, T> Calls<A, T> {
    fn answered<F: Future<Output = Result<T>> + Send + 'static>(
        answer: impl Fn(usize, A) -> F + Send + Sync + 'static,
    ) -> Self {
        let answer =
            move |number, about| -> BoxFuture<'static, _> { Box::pin(answer(number, about)) };
        Self { number: AtomicUsize::new(0), answer: Box::new(answer) }
    }

    fn call(&self, about: A) -> BoxFuture<'static, Result<T>> {
        (self.answer)(self.number.fetch_add(1, Ordering::SeqCst) + 1, about)
    }

    fn count(&self) -> usize {
        self.number.load(Ordering::SeqCst)
    }
}

impl Own {
    pub(crate) const VENDOR: Vendor = Vendor::new("own");

    pub(crate) fn new(capabilities: Capabilities) -> Self {
        let listed = capabilities.list;
        Self {
            clock: ManualClock::new(),
            capabilities,
            capabilities_of_targets: None,
            named: None,
            looks: Calls::answered(|_, _| ready(Err(said(ErrorKind::NotFound)))),
            triggers: Calls::answered(|_, _| ready(Err(lost()))),
            lists: Calls::answered(move |_, _| {
                let empty = RecentRuns::new(Page::new(Vec::new(), None), None);
                ready(if listed { Ok(empty) } else { Err(said(ErrorKind::Unsupported)) })
            }),
            cancels: Calls::answered(|_, _| ready(Ok(CancelOutcome::Requested))),
        }
    }

    /// What it can do with its targets is something else than what it says of all targets.
    pub(crate) fn of_targets(self, capabilities: Capabilities) -> Self {
        Self { capabilities_of_targets: Some(capabilities), ..self }
    }

    /// Its callers choose the ids of runs, and this is the next one.
    pub(crate) fn named(self, run: &'static str) -> Self {
        Self { named: Some(run), ..self }
    }

    pub(crate) fn on_look<F: Future<Output = Result<RunSnapshot>> + Send + 'static>(
        self,
        answer: impl Fn(usize, RunRef) -> F + Send + Sync + 'static,
    ) -> Self {
        Self { looks: Calls::answered(answer), ..self }
    }

    pub(crate) fn on_trigger<F: Future<Output = Result<Triggered>> + Send + 'static>(
        self,
        answer: impl Fn(usize, Option<RunRef>) -> F + Send + Sync + 'static,
    ) -> Self {
        Self { triggers: Calls::answered(answer), ..self }
    }

    /// Of a request for a page, which are numbered from 0.
    pub(crate) fn on_list(
        self,
        answer: impl Fn(usize, usize) -> Result<RecentRuns> + Send + Sync + 'static,
    ) -> Self {
        Self { lists: Calls::answered(move |number, page| ready(answer(number, page))), ..self }
    }

    pub(crate) fn on_cancel(
        self,
        answer: impl Fn(usize, RunRef) -> Result<CancelOutcome> + Send + Sync + 'static,
    ) -> Self {
        Self { cancels: Calls::answered(move |number, run| ready(answer(number, run))), ..self }
    }

    pub(crate) fn target() -> Target {
        Target::new(Self::VENDOR, "t")
    }

    pub(crate) fn looks(&self) -> usize {
        self.looks.count()
    }

    pub(crate) fn triggers(&self) -> usize {
        self.triggers.count()
    }

    pub(crate) fn lists(&self) -> usize {
        self.lists.count()
    }

    pub(crate) fn cancels(&self) -> usize {
        self.cancels.count()
    }
}

/// The response to a trigger that names its run.
pub(crate) fn started() -> Triggered {
    Triggered::new(Some(Own::target().run("7")))
}

/// An error that only the test knows the reason of.
pub(crate) fn said(kind: ErrorKind) -> Error {
    Error::new(kind, "the test says so")
}

/// A trigger whose response never came.
pub(crate) fn lost() -> Error {
    Error::new(ErrorKind::Interrupted, "cut off").after_trigger(Delivery::Unknown)
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Own")
    }
}

#[async_trait]
impl RunProvider for Own {
    fn vendor(&self) -> Vendor {
        Self::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn capabilities_of(&self, _: &Target) -> Capabilities {
        self.capabilities_of_targets.clone().unwrap_or_else(|| self.capabilities())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn name_run(&self, target: &Target) -> Result<Option<RunRef>> {
        Ok(self.named.map(|id| target.run(id)))
    }

    async fn fetch_run(&self, run: &RunRef, _: &CallLimits) -> Result<RunSnapshot> {
        self.looks.call(run.clone()).await
    }

    async fn send_trigger(
        &self,
        _: &Target,
        run: Option<&RunRef>,
        _: &CallLimits,
    ) -> Result<Triggered> {
        self.triggers.call(run.cloned()).await
    }

    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        self.recent_runs(target, cursor, limits).await.map(|recent| recent.page)
    }

    async fn recent_runs(
        &self,
        _: &Target,
        cursor: Option<Cursor>,
        _: &CallLimits,
    ) -> Result<RecentRuns> {
        let page = cursor.map_or(0, |cursor| cursor.as_str().parse().unwrap());
        self.lists.call(page).await
    }

    async fn send_cancel(&self, run: &RunRef, _: &CallLimits) -> Result<CancelOutcome> {
        self.cancels.call(run.clone()).await
    }
}
