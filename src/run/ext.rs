//! What every provider can do.

use super::history::History;
use super::intent::StartIntent;
use super::model::{RunRef, RunSnapshot, Target};
use super::provider::{CancelOutcome, RunProvider};
use super::recover::Recover;
use super::runs::Runs;
use super::start::Prepare;
use super::trigger::Trigger;
use super::wait::Wait;
use super::wait_all::WaitAll;
use crate::client::CallLimits;
use crate::error::Result;

/// What every [`RunProvider`] can do. Implemented for all of them.
pub trait RunProviderExt: RunProvider {
    /// Fetches a run once, with the client's own limits. For other limits, call [`fetch_run`](RunProvider::fetch_run):
    /// `provider.fetch_run(&run, &CallOptions::default().deadline(limit).into())`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) for a run that the vendor does not know;
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a run of another vendor or account; else as
    /// [`Client::send`](crate::Client::send).
    fn snapshot(&self, run: &RunRef) -> impl Future<Output = Result<RunSnapshot>> + Send {
        async move { self.fetch_run(run, &CallLimits::default()).await }
    }

    /// The runs of a target, newest first, page after page, with the client's own limits. A page is fetched when its first run is
    /// polled.
    ///
    /// A list that does not end is [`ErrorKind::Pagination`](crate::ErrorKind::Pagination). An error is the stream's last item; if its [`cursor`](crate::Error::cursor)
    /// is set, [`fetch_page`](RunProvider::fetch_page) continues from there.
    ///
    /// ```
    /// use chrono::{TimeDelta, Utc};
    /// use futures_util::TryStreamExt;
    /// use scheduled_runs::{Result, RunProvider, RunProviderExt, Target};
    ///
    /// /// Why runs of the last week failed.
    /// async fn failures(provider: &dyn RunProvider, target: &Target) -> Result<Vec<String>> {
    ///     let mut runs =
    ///         provider.runs(target).since(Utc::now() - TimeDelta::days(7)).with_reasons();
    ///     let mut failures = Vec::new();
    ///     while let Some(run) = runs.try_next().await? {
    ///         failures.extend(run.failure.map(|why| format!("{}: {why}", run.run)));
    ///     }
    ///     Ok(failures)
    /// }
    /// ```
    fn runs(&self, target: &Target) -> Runs<'_, Self> {
        Runs::new(self, target.clone())
    }

    /// How long the last successful runs of a target took, to [pace](super::Wait::paced_by) waits by it; one request, with the client's
    /// own limits. Adobe's and Supermetrics' lists of runs do not say it: there it is read from the queries of the schedule, and from the
    /// query history of the licence.
    ///
    /// # Errors
    /// As [`RunProvider::fetch_durations`].
    ///
    /// ```
    /// use scheduled_runs::{Result, RunProvider, RunProviderExt, RunSnapshot, Target};
    ///
    /// async fn run(provider: &dyn RunProvider, target: &Target) -> Result<RunSnapshot> {
    ///     let history = provider.history(target).await?;
    ///     provider.trigger_and_wait(target).paced_by(history).await
    /// }
    /// ```
    fn history(&self, target: &Target) -> impl Future<Output = Result<History>> + Send {
        async move {
            let durations = self.fetch_durations(target, &CallLimits::default()).await?;
            Ok(History::new(target.clone(), durations))
        }
    }

    /// Asks the vendor to cancel a run, with the client's own limits. It may keep running for a while; wait for it. For other limits, call
    /// [`send_cancel`](RunProvider::send_cancel), as for [`snapshot`](Self::snapshot).
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where the vendor cannot; see
    /// [`Capabilities::cancel`](super::Capabilities::cancel). Else as [`snapshot`](Self::snapshot).
    fn cancel(&self, run: &RunRef) -> impl Future<Output = Result<CancelOutcome>> + Send {
        async move { self.send_cancel(run, &CallLimits::default()).await }
    }

    /// Prepares a start that is written down before it is sent, so that it happens once even if the process dies.
    ///
    /// ```
    /// use scheduled_runs::run::Recovery;
    /// use scheduled_runs::{Result, RunProvider, RunProviderExt, RunRef, StartIntent, Target};
    ///
    /// /// Where your program keeps the one start of this job, for example a row of a table.
    /// trait Store {
    ///     /// The intent that was stored last.
    ///     fn load(&self) -> Option<StartIntent>;
    ///     /// Replaces the intent, if it is still the old one; otherwise fails.
    ///     fn replace(&self, old: Option<&StartIntent>, new: &StartIntent) -> Result<()>;
    /// }
    ///
    /// async fn start(
    ///     provider: &dyn RunProvider,
    ///     target: &Target,
    ///     store: &dyn Store,
    /// ) -> Result<Option<RunRef>> {
    ///     let old = store.load();
    ///     if let Some(intent) = &old {
    ///         match provider.recover(intent).await? {
    ///             Recovery::Started(run) => return Ok(Some(run)),
    ///             Recovery::NotStarted => {}
    ///             // Too early to tell: the job is run again then.
    ///             _ => return Ok(None),
    ///         }
    ///     }
    ///     let prepared = provider.prepare(target).await?;
    ///     store.replace(old.as_ref(), prepared.intent())?;
    ///     prepared.start().await.map(Some)
    /// }
    /// ```
    fn prepare(&self, target: &Target) -> Prepare<'_, Self> {
        Prepare::new(self, target.clone())
    }

    /// Finds out what became of a start whose process died, or whose response was lost. It starts nothing.
    fn recover(&self, intent: &StartIntent) -> Recover<'_, Self> {
        Recover::new(self, intent.clone())
    }

    /// Starts a run, once, and finds out which one it is. If it must happen once even if the process dies,
    /// [prepare](Self::prepare) it.
    fn trigger(&self, target: &Target) -> Trigger<'_, Self> {
        Trigger::new(self, target.clone())
    }

    /// Waits for the end of a run, also one that another process started. If that was a moment ago, set
    /// [`appears_within`](Wait::appears_within).
    fn wait(&self, run: &RunRef) -> Wait<'_, Self> {
        Wait::for_run(self, run.clone())
    }

    /// Waits for the ends of many runs, with one request a round for all runs of one target if the vendor has a list.
    fn wait_all(&self, runs: impl IntoIterator<Item = RunRef>) -> WaitAll<'_, Self> {
        WaitAll::new(self, runs.into_iter().collect())
    }

    /// Starts a run and waits for its end.
    ///
    /// If the process dies, or this future is dropped, by a time limit or by a caller who hangs up, before the run is known, the run
    /// is lost from sight: it is found only if the start was [prepared](Self::prepare).
    fn trigger_and_wait(&self, target: &Target) -> Wait<'_, Self> {
        self.trigger(target).wait()
    }
}

impl<P: RunProvider + ?Sized> RunProviderExt for P {}
