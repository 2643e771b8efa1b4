//! Starting a run once, and finding out which run it is.

use std::collections::HashSet;
use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures_core::future::BoxFuture;

use super::model::{RunRef, Target};
use super::provider::RunProvider;
use super::start::Start;
use crate::client::{CallLimits, CallOptions};
use crate::error::Result;

/// A trigger that is about to be sent. Await it for the run it started.
///
/// Exactly one trigger is sent, whatever happens, unless you choose [`retry_if_not_started`](Self::retry_if_not_started).
/// If the vendor's response does not name the run, the runs are listed before and after, and the one that is new is taken for ours;
/// two new ones are [`ErrorKind::Ambiguous`](crate::ErrorKind::Ambiguous), never a guess.
///
/// What remains: somebody else triggers the target within the same two seconds, and the vendor lists their run more than the
/// [settle](Self::settle) time before ours. Then theirs is taken for ours. A list is all there is to compare.
///
/// The run is lost from sight if the process dies or this future is dropped before it has returned the run. `timeout(…,
/// provider.trigger(&target))` drops it, and so does a web framework whose caller hangs up: the run may have started, and nobody
/// knows it. [Prepare](super::RunProviderExt::prepare) the start instead, and store its intent first; the guide's page on
/// [web services](crate::guide::web_service) has a handler.
///
/// # Errors
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where the target cannot be triggered;
/// [`ErrorKind::Config`](crate::ErrorKind::Config) for a target of another vendor or account;
/// [`ErrorKind::Ambiguous`](crate::ErrorKind::Ambiguous) if it stays open which run was started, with the
/// [`candidates`](crate::Error::candidates), if there are any; else as [`Client::send`](crate::Client::send).
/// [`Error::may_have_run`](crate::Error::may_have_run) says whether a run may have started all the same.
///
/// ```
/// use scheduled_runs::testing::FakeProvider;
/// use scheduled_runs::{Phase, RunProviderExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> scheduled_runs::Result<()> {
/// let provider = FakeProvider::new();
/// let run = provider.trigger(&provider.target("nightly")).verify().await?;
/// println!("{run}"); // fake:nightly/run-1
///
/// let done = provider.trigger(&provider.target("weekly")).verify().wait().await?;
/// assert_eq!(done.phase, Phase::Succeeded);
/// # Ok(()) }
/// ```
#[must_use = "nothing is triggered until it is awaited"]
pub struct Trigger<'p, P: ?Sized> {
    provider: &'p P,
    target: Target,
    verify: bool,
    again: bool,
    grace: Duration,
    settle: Duration,
    others: HashSet<RunRef>,
    limits: CallLimits,
}

impl<P: ?Sized> fmt::Debug for Trigger<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trigger")
            .field("target", &self.target)
            .field("verify", &self.verify)
            .field("again", &self.again)
            .field("grace", &self.grace)
            .field("settle", &self.settle)
            .field("others", &self.others.len())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<'p, P: RunProvider + ?Sized> Trigger<'p, P> {
    pub(super) fn new(provider: &'p P, target: Target) -> Self {
        Self {
            provider,
            target,
            verify: false,
            again: false,
            grace: Duration::from_secs(60),
            settle: Duration::from_secs(3),
            others: HashSet::new(),
            limits: CallLimits::default(),
        }
    }

    /// If the response to the trigger is lost, searches for the run instead of failing at once.
    ///
    /// The result is the run, [`ErrorKind::Ambiguous`](crate::ErrorKind::Ambiguous) with
    /// [`Error::candidates`](crate::Error::candidates), or the first error with
    /// [`Error::verified_not_started`](crate::Error::verified_not_started) set. It does not trigger again. Runs that were started
    /// in another way according to the vendor, by their schedule for example, are not taken for it. If somebody else triggers a
    /// run at the moment when our request is lost on its way, that run cannot be told from ours, where the vendor chooses the ids.
    ///
    /// The search is part of this future: if it is dropped, nobody searches.
    pub fn verify(mut self) -> Self {
        self.verify = true;
        self
    }

    /// Sends the trigger once more, if its response was lost and [`verify`](Self::verify), which this implies, found within the
    /// [grace](Self::grace) time that nothing has started. Never a third time.
    ///
    /// Off by default: a run that the vendor starts later than the grace time would then run twice.
    pub fn retry_if_not_started(mut self) -> Self {
        (self.verify, self.again) = (true, true);
        self
    }

    /// How long to search for the run. Default 60 s: a vendor lists a new run with some delay.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = limit;
        self
    }

    /// How long to keep searching after a new run was found, in case somebody else's was listed first. Default 3 s. A run that was
    /// not created while the trigger was under way, by the vendor's clock, or of which the vendor does not say, is taken for ours
    /// at the end of the [grace](Self::grace) time only.
    pub fn settle(mut self, pause: Duration) -> Self {
        self.settle = pause;
        self
    }

    /// Leaves out runs that are known to belong to other starts of this target, when it searches for its run: a vendor may list the run
    /// of the trigger before only now.
    pub fn excluding(mut self, runs: impl IntoIterator<Item = RunRef>) -> Self {
        self.others.extend(runs);
        self
    }

    /// Limits for each call.
    pub fn options(mut self, options: CallOptions) -> Self {
        self.limits.options = options;
        self
    }

    pub(super) fn provider(&self) -> &'p P {
        self.provider
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) async fn send(self) -> Result<RunRef> {
        match self.send_once().await {
            Err(lost) if self.again && lost.verified_not_started() => {
                let again = self.send_once().await;
                // The first one may still start something.
                again.map_err(|error| error.after_trigger(lost.delivery()))
            }
            sent => sent,
        }
    }

    async fn send_once(&self) -> Result<RunRef> {
        let names_run = self.provider.capabilities_of(&self.target).trigger_names_run;
        let lists = self.verify || !names_run;
        let start = Start::begin(self.provider, self.target.clone(), self.limits.clone(), lists);
        let mut start = start.await?;
        (start.grace, start.settle) = (self.grace, self.settle);
        start.others.clone_from(&self.others);
        start.send(self.verify).await
    }
}

impl<'p, P: RunProvider + ?Sized> IntoFuture for Trigger<'p, P> {
    type Output = Result<RunRef>;
    type IntoFuture = BoxFuture<'p, Result<RunRef>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
