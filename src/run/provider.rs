//! What a vendor must be able to say about runs.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::model::{RunRef, RunSnapshot, Target};
use crate::client::{CallLimits, Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::page::{Cursor, Page};
use crate::vendor::Vendor;

/// One vendor's runs. Object safe and open: write your own vendor, or a fake, and everything in [`RunProviderExt`](super::RunProviderExt) works.
///
/// For a [`Client`](crate::Client) of your own vendor, implement it for your own type that holds the client, and send with
/// [`client.share_deadline(limits)`](crate::Client::share_deadline), which keeps to the limits of the call.
///
/// Implement it with `#[async_trait]`, of the crate [async-trait](https://docs.rs/async-trait); to write times, add `chrono` 0.4. The guide
/// has [an example](crate::guide::own_provider#a-provider-on-top-of-your-client).
#[async_trait]
pub trait RunProvider: Debug + Send + Sync + 'static {
    /// The vendor's name, as it stands in [`Target`] and [`RunRef`].
    fn vendor(&self) -> Vendor;

    /// What this vendor can do with every target.
    fn capabilities(&self) -> Capabilities;

    /// What this vendor can do with this target. Override it where targets of one vendor differ, as at ArcGIS, whose notebooks can
    /// be run and whose tasks cannot. By default it is what the vendor can do with [every target](Self::capabilities).
    fn capabilities_of(&self, target: &Target) -> Capabilities {
        let _ = target;
        self.capabilities()
    }

    /// The account that this provider works in. A target of another [scope](Target::scoped) is refused. `None` refuses none.
    fn scope(&self) -> Option<&str> {
        None
    }

    /// What waits are measured with. Return your client's own [`clock`](crate::Client::clock): otherwise tests that set one wait
    /// in real time.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// Fetches a run: its phase, and for a failed run the vendor's reason, if there is one.
    ///
    /// Users call [`snapshot`](super::RunProviderExt::snapshot) or [`wait`](super::RunProviderExt::wait).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a run the vendor does not know; [`ErrorKind::Config`] for a run of another vendor; else as
    /// [`Client::send`](crate::Client::send).
    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot>;

    /// Fetches a run that was fetched before; used by waits from their second poll on. What `last` says of the run, such as its
    /// [`inner`](RunSnapshot::inner) id, may save requests. By default it does as [`fetch_run`](Self::fetch_run).
    ///
    /// # Errors
    /// As [`fetch_run`](Self::fetch_run).
    async fn fetch_run_again(
        &self,
        last: &RunSnapshot,
        limits: &CallLimits,
    ) -> Result<RunSnapshot> {
        self.fetch_run(&last.run, limits).await
    }

    /// Fetches one page of a target's runs, newest first. [`RunProviderExt::runs`](super::RunProviderExt::runs) walks them all.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the vendor has no list; else as [`fetch_run`](Self::fetch_run).
    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        let _ = (target, cursor, limits);
        Err(unsupported(&self.vendor(), "listing runs"))
    }

    /// How long the target's last successful runs took, newest first, with one request if possible. Users call
    /// [`history`](super::RunProviderExt::history).
    ///
    /// By default it reads them from the first page of the list. A provider whose list does not say when runs begin and end overrides it.
    ///
    /// # Errors
    /// As [`fetch_page`](Self::fetch_page).
    async fn fetch_durations(&self, target: &Target, limits: &CallLimits) -> Result<Vec<Duration>> {
        let page = self.fetch_page(target, None, limits).await?;
        Ok(page.items.iter().filter_map(RunSnapshot::took).collect())
    }

    /// Fetches several runs of one target together; used by [`RunProviderExt::wait_all`](super::RunProviderExt::wait_all). A run that is missing in the result is
    /// then fetched alone, and so is the reason of a failed one.
    ///
    /// By default it walks the list from the newest run, over at most as many pages as there are runs to find.
    ///
    /// # Errors
    /// As [`fetch_page`](Self::fetch_page).
    async fn fetch_runs(
        &self,
        target: &Target,
        runs: &[RunRef],
        limits: &CallLimits,
    ) -> Result<Vec<RunSnapshot>> {
        let mut wanted: HashSet<&RunRef> = runs.iter().collect();
        let mut found = Vec::with_capacity(runs.len());
        let (clock, mut cursor) = (self.clock(), None);
        let begun = clock.now();
        for _ in runs {
            let limits = limits.after(clock.now().saturating_duration_since(begun));
            let page = self.fetch_page(target, cursor, &limits).await?;
            found.extend(page.items.into_iter().filter(|run| wanted.remove(&run.run)));
            cursor = page.next;
            if wanted.is_empty() || cursor.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// As [`fetch_runs`](Self::fetch_runs), of runs that were fetched before.
    ///
    /// # Errors
    /// As [`fetch_page`](Self::fetch_page).
    async fn fetch_runs_again(
        &self,
        target: &Target,
        last: &[RunSnapshot],
        limits: &CallLimits,
    ) -> Result<Vec<RunSnapshot>> {
        let runs: Vec<_> = last.iter().map(|last| last.run.clone()).collect();
        self.fetch_runs(target, &runs, limits).await
    }

    /// Chooses the id of the next run, another one each time. For vendors with
    /// [`caller_names_run`](Capabilities::caller_names_run); `None` where all runs of this target have one id.
    ///
    /// It is also called before [`prepare`](super::RunProviderExt::prepare) refuses a target that cannot be triggered: its error then says
    /// what to do instead.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an id that names nothing that runs; [`ErrorKind::Unsupported`] for a target that cannot be triggered.
    fn name_run(&self, target: &Target) -> Result<Option<RunRef>> {
        let _ = target;
        Ok(None)
    }

    /// Sends one trigger, and never a second one; of the run that [`name_run`](Self::name_run) has named, if it has.
    /// [`RunProviderExt::trigger`](super::RunProviderExt::trigger) also finds the run's id.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where runs cannot be triggered; else as [`fetch_run`](Self::fetch_run).
    /// [`Error::may_have_run`] says whether a run may have started although it failed.
    async fn send_trigger(
        &self,
        target: &Target,
        run: Option<&RunRef>,
        limits: &CallLimits,
    ) -> Result<Triggered> {
        let _ = (target, run, limits);
        Err(unsupported(&self.vendor(), "triggering a run"))
    }

    /// Fetches one page of the runs that a trigger like ours may have started, newest first as far as the vendor sorts them, and
    /// the server's time when it listed them. Used to find out which run is ours, and whether there is one.
    ///
    /// # Errors
    /// As [`fetch_page`](Self::fetch_page).
    async fn recent_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<RecentRuns> {
        let page = self.fetch_page(target, cursor, limits).await?;
        Ok(RecentRuns::new(page, None))
    }

    /// Asks the vendor to cancel a run. It may keep running for a while; wait for it. Users call
    /// [`cancel`](super::RunProviderExt::cancel).
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where runs cannot be cancelled; else as [`fetch_run`](Self::fetch_run).
    async fn send_cancel(&self, run: &RunRef, limits: &CallLimits) -> Result<CancelOutcome> {
        let _ = (run, limits);
        Err(unsupported(&self.vendor(), "cancelling a run"))
    }
}

pub(super) fn unsupported(vendor: &Vendor, what: &str) -> Error {
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
    /// The response to a trigger names the run. If not, the run is found by listing.
    pub trigger_names_run: bool,
    /// The caller chooses the run's id, by [`RunProvider::name_run`]. Then the run is fetched by its id, instead of searched in
    /// lists.
    pub caller_names_run: bool,
    /// Every run that has not ended can be cancelled. If not, some may be all the same, where the provider says so; for others
    /// cancelling is [`Unsupported`](ErrorKind::Unsupported).
    pub cancel: bool,
    /// Shortest interval between two polls of one run, whatever a wait asks for. Default 1 s.
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
    /// A provider that can only fetch single runs.
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

    /// Runs can be triggered. The run is then found by listing.
    #[must_use]
    pub fn trigger(mut self) -> Self {
        self.trigger = true;
        self
    }

    /// Runs can be triggered, and the response names the run.
    #[must_use]
    pub fn trigger_names_run(self) -> Self {
        Self { trigger_names_run: true, ..self.trigger() }
    }

    /// Runs can be triggered, under an id that the caller chooses.
    #[must_use]
    pub fn caller_names_run(self) -> Self {
        Self { caller_names_run: true, ..self.trigger_names_run() }
    }

    /// Runs can be cancelled.
    #[must_use]
    pub fn cancel(mut self) -> Self {
        self.cancel = true;
        self
    }

    /// Sets the shortest interval between two polls of one run.
    #[must_use]
    pub fn poll_floor(mut self, interval: Duration) -> Self {
        self.poll_floor = interval;
        self
    }
}

/// The vendor's response to a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Triggered {
    /// The run that was started, if the vendor names it.
    pub run: Option<RunRef>,
}

impl Triggered {
    /// A trigger that the vendor accepted; with the run if the response names it.
    #[must_use]
    pub fn new(run: Option<RunRef>) -> Self {
        Self { run }
    }
}

/// One page of the runs that a trigger may have started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecentRuns {
    /// The runs, in the vendor's order, and where the list continues. Pass on the [`total`](Page::total) of the vendor's list, also if
    /// some of its runs are left out here: a list whose total falls while it is read is read again.
    pub page: Page<RunSnapshot>,
    /// The server's time when it listed them; `None` if it does not say.
    pub server_time: Option<DateTime<Utc>>,
    /// Those of the runs that somebody else seems to have started. None of them is taken for ours; but while one of them is new,
    /// the crate does not report that nothing has started.
    pub doubtful: HashSet<RunRef>,
    /// Runs that ended after this time are still listed; `None` if the vendor keeps them for long. A start that is older than that
    /// may have run and be gone: the crate does not report that it has started nothing.
    pub kept_since: Option<DateTime<Utc>>,
}

impl RecentRuns {
    /// These runs, listed at that time.
    #[must_use]
    pub fn new(page: Page<RunSnapshot>, server_time: Option<DateTime<Utc>>) -> Self {
        Self { page, server_time, doubtful: HashSet::new(), kept_since: None }
    }

    /// Sets since when runs that have ended are still listed, for vendors that remove them soon.
    #[must_use]
    pub fn kept_since(mut self, time: Option<DateTime<Utc>>) -> Self {
        self.kept_since = time;
        self
    }

    /// Sets those of the runs that somebody else seems to have started, for vendors that do not document how to tell.
    #[must_use]
    pub fn doubtful(mut self, runs: impl IntoIterator<Item = RunRef>) -> Self {
        self.doubtful = runs.into_iter().collect();
        self
    }
}

/// The outcome of a request to cancel a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CancelOutcome {
    /// The vendor accepted the request; the run ends soon.
    Requested,
    /// The run had already ended. Nothing was sent, or the vendor refused for that reason.
    AlreadyFinished,
}

#[async_trait]
impl<P: RunProvider + ?Sized> RunProvider for Arc<P> {
    fn vendor(&self) -> Vendor {
        (**self).vendor()
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    fn capabilities_of(&self, target: &Target) -> Capabilities {
        (**self).capabilities_of(target)
    }

    fn scope(&self) -> Option<&str> {
        (**self).scope()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        (**self).clock()
    }

    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
        (**self).fetch_run(run, limits).await
    }

    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        (**self).fetch_page(target, cursor, limits).await
    }

    async fn fetch_durations(&self, target: &Target, limits: &CallLimits) -> Result<Vec<Duration>> {
        (**self).fetch_durations(target, limits).await
    }

    async fn fetch_runs(
        &self,
        target: &Target,
        runs: &[RunRef],
        limits: &CallLimits,
    ) -> Result<Vec<RunSnapshot>> {
        (**self).fetch_runs(target, runs, limits).await
    }

    async fn fetch_run_again(
        &self,
        last: &RunSnapshot,
        limits: &CallLimits,
    ) -> Result<RunSnapshot> {
        (**self).fetch_run_again(last, limits).await
    }

    async fn fetch_runs_again(
        &self,
        target: &Target,
        last: &[RunSnapshot],
        limits: &CallLimits,
    ) -> Result<Vec<RunSnapshot>> {
        (**self).fetch_runs_again(target, last, limits).await
    }

    fn name_run(&self, target: &Target) -> Result<Option<RunRef>> {
        (**self).name_run(target)
    }

    async fn send_trigger(
        &self,
        target: &Target,
        run: Option<&RunRef>,
        limits: &CallLimits,
    ) -> Result<Triggered> {
        (**self).send_trigger(target, run, limits).await
    }

    async fn recent_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<RecentRuns> {
        (**self).recent_runs(target, cursor, limits).await
    }

    async fn send_cancel(&self, run: &RunRef, limits: &CallLimits) -> Result<CancelOutcome> {
        (**self).send_cancel(run, limits).await
    }
}
