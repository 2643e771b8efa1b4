//! What a vendor must be able to say about runs.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use super::{RunRef, RunSnapshot, Target, Trigger, Vendor, Wait, WaitAll};
use crate::client::{CallOptions, Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::{Cursor, Edge, Guard, Page};

/// One vendor's runs. Object safe and open: write your own vendor, or a fake, and everything in [`RunProviderExt`] works.
///
/// Over a [`Client`](crate::Client) of your own vendor, implement it for a type of yours that holds the client, and send
/// with [`client.calls(options)`](crate::Client::calls), which keeps to the limits of the call.
#[async_trait]
pub trait RunProvider: Debug + Send + Sync + 'static {
    /// The vendor's name, as it stands in [`Target`] and [`RunRef`].
    fn vendor(&self) -> Vendor;

    /// What this vendor can do.
    fn capabilities(&self) -> Capabilities;

    /// What waits are measured with. Give out your client's own [`clock`](crate::Client::clock), or tests that set one wait
    /// real time.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// How a run stands now. For a failed run the snapshot holds the vendor's reason, where there is one.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a run the vendor does not know; [`ErrorKind::Config`] for a run of another vendor; else as
    /// [`Client::send`](crate::Client::send).
    async fn get_run(&self, run: &RunRef, options: &CallOptions) -> Result<RunSnapshot>;

    /// One page of a target's runs, newest first.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the vendor has no list; else as [`get_run`](Self::get_run).
    async fn list_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        options: &CallOptions,
    ) -> Result<Page<RunSnapshot>> {
        let _ = (target, cursor, options);
        Err(unsupported(&self.vendor(), "listing runs"))
    }

    /// How several runs of one target stand, asked for together; used by [`RunProviderExt::wait_all`]. A run that is
    /// missing in the answer is asked for alone then, and so is the reason of a failed one.
    ///
    /// Left out, it walks the list from its newest run, over no more pages than there are runs to be found.
    ///
    /// # Errors
    /// As [`list_runs`](Self::list_runs).
    async fn get_runs(
        &self,
        target: &Target,
        runs: &[RunRef],
        options: &CallOptions,
    ) -> Result<Vec<RunSnapshot>> {
        let mut wanted: HashSet<&RunRef> = runs.iter().collect();
        let mut found = Vec::with_capacity(runs.len());
        let (clock, mut cursor) = (self.clock(), None);
        let begun = clock.now();
        for _ in runs {
            let options = options.after(clock.now().saturating_duration_since(begun));
            let page = self.list_runs(target, cursor, &options).await?;
            found.extend(page.items.into_iter().filter(|run| wanted.remove(&run.run)));
            cursor = page.next;
            if wanted.is_empty() || cursor.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Sends one trigger, and never a second one. [`RunProviderExt::trigger`] also finds the run's id.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where runs cannot be triggered; else as [`get_run`](Self::get_run).
    /// [`Error::may_have_run`] says whether a run may have started all the same; where
    /// [`caller_names_run`](Capabilities::caller_names_run) holds, [`Error::run`] says which one.
    async fn trigger_run(&self, target: &Target, options: &CallOptions) -> Result<Triggered> {
        let _ = (target, options);
        Err(unsupported(&self.vendor(), "triggering a run"))
    }

    /// The newest runs that a trigger like ours may have started, and the server's time when it said so. The first page
    /// of the list is enough. Used to find the id of a run whose trigger did not give one.
    ///
    /// # Errors
    /// As [`list_runs`](Self::list_runs).
    async fn recent_runs(&self, target: &Target, options: &CallOptions) -> Result<RecentRuns> {
        let page = self.list_runs(target, None, options).await?;
        Ok(RecentRuns::new(page.items, None))
    }

    /// Asks the vendor to end a run. It may go on for a while; wait for it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where runs cannot be cancelled; else as [`get_run`](Self::get_run).
    async fn cancel_run(&self, run: &RunRef, options: &CallOptions) -> Result<CancelOutcome> {
        let _ = (run, options);
        Err(unsupported(&self.vendor(), "cancelling a run"))
    }
}

fn unsupported(vendor: &Vendor, what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{vendor} has no operation for {what}"))
}

/// What a vendor can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "each is a yes or no of its own")]
pub struct Capabilities {
    /// Its runs can be listed.
    pub list: bool,
    /// Runs can be triggered.
    pub trigger: bool,
    /// The answer to a trigger names the run. If not, the run is found by listing.
    pub trigger_names_run: bool,
    /// The caller chooses the run's id. Then an error of [`RunProvider::trigger_run`] that [may have
    /// run](Error::may_have_run) names the run, and looking for it is one look instead of lists.
    pub caller_names_run: bool,
    /// Runs can be cancelled.
    pub cancel: bool,
    /// Shortest pause between two looks at one run, whatever a wait asks for. Default 1 s.
    pub poll_floor: Duration,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            list: false,
            trigger: false,
            trigger_names_run: false,
            caller_names_run: false,
            cancel: false,
            poll_floor: Duration::from_secs(1),
        }
    }
}

impl Capabilities {
    /// Nothing but looking at single runs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs can be listed.
    #[must_use]
    pub fn list(mut self) -> Self {
        self.list = true;
        self
    }

    /// Runs can be triggered; `named` says whether the answer names the run.
    #[must_use]
    pub fn trigger(mut self, named: bool) -> Self {
        (self.trigger, self.trigger_names_run) = (true, named);
        self
    }

    /// Runs can be triggered, under an id that the caller chooses.
    #[must_use]
    pub fn trigger_with_id(self) -> Self {
        Self { caller_names_run: true, ..self.trigger(true) }
    }

    /// Runs can be cancelled.
    #[must_use]
    pub fn cancel(mut self) -> Self {
        self.cancel = true;
        self
    }

    /// Shortest pause between two looks at one run.
    #[must_use]
    pub fn poll_floor(mut self, pause: Duration) -> Self {
        self.poll_floor = pause;
        self
    }
}

/// What the vendor answered to a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Triggered {
    /// The run that was started, where the vendor names it.
    pub run: Option<RunRef>,
}

impl Triggered {
    /// The vendor named the run, or did not.
    #[must_use]
    pub fn new(run: Option<RunRef>) -> Self {
        Self { run }
    }
}

/// The newest runs of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecentRuns {
    /// The runs, newest first.
    pub runs: Vec<RunSnapshot>,
    /// The server's time when it listed them; `None` where it does not say.
    pub server_time: Option<DateTime<Utc>>,
    /// Runs that seem to have been started by others. None of them is taken for ours; but while one of them is new, it is
    /// not said that nothing has started.
    pub doubtful: Vec<RunSnapshot>,
}

impl RecentRuns {
    /// These runs, listed at that time.
    #[must_use]
    pub fn new(runs: Vec<RunSnapshot>, server_time: Option<DateTime<Utc>>) -> Self {
        Self { runs, server_time, doubtful: Vec::new() }
    }

    /// Sets aside the runs that seem to have been started by others, where the vendor does not document how to tell.
    #[must_use]
    pub fn doubtful(mut self, doubtful: Vec<RunSnapshot>) -> Self {
        self.doubtful = doubtful;
        self
    }
}

/// What came of asking for a run's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CancelOutcome {
    /// The vendor took the request; the run ends soon.
    Requested,
    /// The run was over already. Nothing was sent, or the vendor refused for that reason.
    AlreadyFinished,
}

/// What every [`RunProvider`] can do. Implemented for all of them.
pub trait RunProviderExt: RunProvider {
    /// How a run stands now, with the client's own limits.
    fn snapshot(&self, run: &RunRef) -> impl Future<Output = Result<RunSnapshot>> + Send {
        async move { self.get_run(run, &CallOptions::default()).await }
    }

    /// The runs of a target, newest first, page after page, with the client's own limits. A page is asked for when its
    /// first run is.
    ///
    /// A list that does not end is [`ErrorKind::Pagination`]. An error is the stream's last item; where its
    /// [`cursor`](Error::cursor) is set, [`list_runs`](RunProvider::list_runs) goes on from there.
    ///
    /// ```
    /// use futures_util::TryStreamExt;
    /// use scheduled_runs::{Phase, Result, RunProvider, RunProviderExt, Target};
    ///
    /// /// How many of the last hundred runs failed.
    /// async fn failures(provider: &dyn RunProvider, target: &Target) -> Result<usize> {
    ///     let mut runs = provider.runs(target);
    ///     let (mut seen, mut failed) = (0, 0);
    ///     while let Some(run) = runs.try_next().await? {
    ///         failed += usize::from(run.phase == Phase::Failed);
    ///         seen += 1;
    ///         if seen == 100 {
    ///             break;
    ///         }
    ///     }
    ///     Ok(failed)
    /// }
    /// ```
    fn runs(&self, target: &Target) -> BoxStream<'_, Result<RunSnapshot>> {
        walk(self, target.clone())
    }

    /// Asks the vendor to end a run, with the client's own limits.
    fn cancel(&self, run: &RunRef) -> impl Future<Output = Result<CancelOutcome>> + Send {
        async move { self.cancel_run(run, &CallOptions::default()).await }
    }

    /// Starts a run, once, and learns which one it is.
    fn trigger(&self, target: &Target) -> Trigger<'_, Self> {
        Trigger::new(self, target.clone())
    }

    /// Waits for the end of a run, also one that another process started.
    fn wait(&self, run: &RunRef) -> Wait<'_, Self> {
        Wait::for_run(self, run.clone())
    }

    /// Waits for the ends of many runs, with one question a round for all runs of one target where the vendor has a list.
    fn wait_all(&self, runs: impl IntoIterator<Item = RunRef>) -> WaitAll<'_, Self> {
        WaitAll::new(self, runs.into_iter().collect())
    }

    /// Starts a run and waits for its end.
    fn trigger_and_wait(&self, target: &Target) -> Wait<'_, Self> {
        self.trigger(target).wait()
    }
}

impl<P: RunProvider + ?Sized> RunProviderExt for P {}

/// The list of runs, with the guards of every other walk.
fn walk<P: RunProvider + ?Sized>(
    provider: &P,
    target: Target,
) -> BoxStream<'_, Result<RunSnapshot>> {
    /// Where the walk is.
    struct Walk {
        target: Target,
        /// Of the next page.
        cursor: Option<Cursor>,
        over: bool,
        guard: Guard,
        edge: Edge,
    }
    let begin =
        Walk { target, cursor: None, over: false, guard: Guard::new(), edge: Edge::default() };
    let pages = stream::try_unfold(begin, move |mut walk| async move {
        if walk.over {
            return Ok(None);
        }
        let cursor = walk.cursor.take();
        walk.guard.admit("runs.list", cursor.as_ref())?;
        let options = CallOptions::default();
        let page = provider.list_runs(&walk.target, cursor.clone(), &options).await;
        let mut page = page.map_err(|mut error| {
            error.set().cursor(cursor);
            error
        })?;
        walk.edge.cut(&mut page, |run| Some(run.run.id()));
        walk.guard.count(page.items.is_empty());
        (walk.over, walk.cursor) = (page.next.is_none(), page.next);
        Ok(Some((stream::iter(page.items).map(Ok), walk)))
    });
    pages.try_flatten().boxed()
}

#[async_trait]
impl<P: RunProvider + ?Sized> RunProvider for Arc<P> {
    fn vendor(&self) -> Vendor {
        (**self).vendor()
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        (**self).clock()
    }

    async fn get_run(&self, run: &RunRef, options: &CallOptions) -> Result<RunSnapshot> {
        (**self).get_run(run, options).await
    }

    async fn list_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        options: &CallOptions,
    ) -> Result<Page<RunSnapshot>> {
        (**self).list_runs(target, cursor, options).await
    }

    async fn get_runs(
        &self,
        target: &Target,
        runs: &[RunRef],
        options: &CallOptions,
    ) -> Result<Vec<RunSnapshot>> {
        (**self).get_runs(target, runs, options).await
    }

    async fn trigger_run(&self, target: &Target, options: &CallOptions) -> Result<Triggered> {
        (**self).trigger_run(target, options).await
    }

    async fn recent_runs(&self, target: &Target, options: &CallOptions) -> Result<RecentRuns> {
        (**self).recent_runs(target, options).await
    }

    async fn cancel_run(&self, run: &RunRef, options: &CallOptions) -> Result<CancelOutcome> {
        (**self).cancel_run(run, options).await
    }
}
