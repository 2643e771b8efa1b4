//! What a run is: data only.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Serialize};

use crate::redact::{Secrets, without_credentials};
use crate::vendor::Vendor;
use crate::wire::{UNRESERVED, model};

/// The phase of a run, the same for every vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Accepted, not started.
    Queued,
    /// Running.
    Running,
    /// Finished successfully.
    Succeeded,
    /// Finished without success.
    Failed,
    /// Ended because someone cancelled it.
    Cancelled,
    /// Ended before it began: the vendor decided that there was nothing to do. [`RunSnapshot::success`] returns an error for it: if
    /// nothing to do is fine, check the phase first.
    Skipped,
    /// The vendor's state has no name here. It never counts as ended.
    Unknown,
}

impl Phase {
    pub(super) const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Skipped,
        Self::Unknown,
    ];

    /// Its name, as it is printed and serialised: `queued`, `running`, `succeeded`, `failed`, `cancelled`, `skipped`,
    /// `unknown`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the run has ended.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Skipped)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What can be run at a vendor: a schedule, a report, a query. Prints to one line, `acme:nightly`, and parses back.
///
/// A target may name the account that it belongs to, its scope: a sandbox, a workspace, a host. It is printed as
/// `acme@sales:nightly`. Ids are unique within an account only, so a client of another account refuses such a target and its
/// runs. The method `target` of each client fills in the scope.
///
/// ```
/// use scheduled_runs::{Target, Vendor};
///
/// let target = Target::new(Vendor::new("acme"), "a/b");
/// assert_eq!(target.to_string(), "acme:a%2Fb");
/// assert_eq!("acme:a%2Fb".parse::<Target>()?, target);
/// assert_eq!(target.scoped("sales").to_string(), "acme@sales:a%2Fb");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Target {
    pub(super) vendor: Vendor,
    pub(super) scope: Option<Box<str>>,
    pub(super) id: Box<str>,
}

impl Target {
    /// The thing of this id at this vendor, in an account that is not named.
    ///
    /// Targets and runs are printed, logged and stored, so that an id keeps no credential: in an id that is JSON, at any depth and
    /// in its texts, the members `api_key`, `access_token`, `refresh_token`, `client_secret`, `password` and `authorization` become
    /// null, however they are spelt, and `api_key=…` in a text loses its value. A secret under another name is not found.
    #[must_use]
    pub fn new(vendor: Vendor, id: impl Into<Box<str>>) -> Self {
        Self { vendor, scope: None, id: kept(id.into()) }
    }

    /// Names the account that it belongs to. An empty name is none.
    #[must_use]
    pub fn scoped(mut self, scope: impl Into<Box<str>>) -> Self {
        self.scope = Some(scope.into()).filter(|scope| !scope.is_empty());
        self
    }

    /// The vendor.
    #[must_use]
    pub fn vendor(&self) -> &Vendor {
        &self.vendor
    }

    /// The account that it belongs to, if it is named.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Whether it is the same thing at the vendor; it may be scoped or not.
    pub(super) fn is(&self, other: &Self) -> bool {
        let scopes = self.scope.as_ref().zip(other.scope.as_ref());
        self.vendor == other.vendor && self.id == other.id && scopes.is_none_or(|(a, b)| a == b)
    }

    /// The vendor's id, as it came, but [without credentials](Self::new).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A run of this target.
    #[must_use]
    pub fn run(&self, id: impl Into<Box<str>>) -> RunRef {
        RunRef { target: self.clone(), id: kept(id.into()), triggered: TriggeredAt(None) }
    }
}

/// The id without the credentials that it names.
pub(super) fn kept(id: Box<str>) -> Box<str> {
    match without_credentials(&id) {
        Cow::Owned(kept) => kept.into(),
        Cow::Borrowed(_) => id,
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.vendor)?;
        if let Some(scope) = &self.scope {
            write!(f, "@{}", utf8_percent_encode(scope, UNRESERVED))?;
        }
        write!(f, ":{}", utf8_percent_encode(&self.id, UNRESERVED))
    }
}

/// One run, so that another process can find it again. Prints to one line, `acme:nightly/c2NoZWR1…`, and parses back.
///
/// ```
/// use scheduled_runs::RunRef;
///
/// let run: RunRef = "acme:nightly/42".parse()?;
/// assert_eq!(
///     (run.vendor().as_str(), run.target().id(), run.id()),
///     ("acme", "nightly", "42")
/// );
/// assert_eq!(run.to_string(), "acme:nightly/42");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
///
/// Within the process that has triggered the run, it also knows when that was: a [wait](super::Wait) then tolerates that the vendor
/// does not know the run yet. It is neither compared nor stored.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RunRef {
    pub(super) target: Target,
    pub(super) id: Box<str>,
    triggered: TriggeredAt,
}

/// When this process triggered a run. All are equal: it does not belong to what the run is.
#[derive(Clone, Copy)]
struct TriggeredAt(Option<Instant>);

impl PartialEq for TriggeredAt {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for TriggeredAt {}

impl PartialOrd for TriggeredAt {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TriggeredAt {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

impl Hash for TriggeredAt {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl RunRef {
    /// Notes that this process has just triggered it, by the provider's clock.
    pub(super) fn triggered_at(mut self, now: Instant) -> Self {
        self.triggered = TriggeredAt(Some(now));
        self
    }

    /// When this process triggered it.
    pub(super) fn triggered(&self) -> Option<Instant> {
        self.triggered.0
    }

    /// The target that it is a run of.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The vendor.
    #[must_use]
    pub fn vendor(&self) -> &Vendor {
        &self.target.vendor
    }

    /// The vendor's id of the run, as it came.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunRef").field("target", &self.target).field("id", &self.id).finish()
    }
}

impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.target, utf8_percent_encode(&self.id, UNRESERVED))
    }
}

model! {
    /// What is known about a run at one moment.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct RunSnapshot {
        /// Which run.
        pub run: RunRef,
        /// Its phase.
        pub phase: Phase,
        /// Its status, in the vendor's own word.
        pub state: Option<Box<str>>,
        /// The vendor's id of what does the work, where that is another thing than the run, and known: the build of a run of Foundry.
        /// People find the vendor's page with it, and a wait polls it alone.
        pub inner: Option<Box<str>>,
        /// When the vendor says it was created. For scheduled runs that may be the time it was due.
        pub created: Option<DateTime<Utc>>,
        /// When work began.
        pub started: Option<DateTime<Utc>>,
        /// When work ended.
        pub finished: Option<DateTime<Utc>>,
        /// When the vendor said this, by its own clock, to the second.
        pub observed: Option<DateTime<Utc>>,
        /// How far it is, if the vendor counts.
        pub progress: Option<Progress>,
        /// Why it failed. Lists leave it out; a run that is fetched alone, waits, and [`with_reasons`](super::Runs::with_reasons) have it.
        pub failure: Option<Failure>,
    }
}

impl RunSnapshot {
    /// A run in this phase, with nothing else known.
    #[must_use]
    pub fn new(run: RunRef, phase: Phase) -> Self {
        Self {
            run,
            phase,
            state: None,
            inner: None,
            created: None,
            started: None,
            finished: None,
            observed: None,
            progress: None,
            failure: None,
        }
    }

    /// The same snapshot, with when the vendor said so: the `Date` of its response.
    #[must_use]
    pub fn observed(mut self, time: Option<DateTime<Utc>>) -> Self {
        self.observed = time;
        self
    }

    /// How long after its end the run was known to have ended: both times are the vendor's, so that this machine's clock does not
    /// matter. To the second. `None` until it has ended, and where the vendor does not say when (Supermetrics).
    #[must_use]
    pub fn lag(&self) -> Option<Duration> {
        let finished = self.finished.filter(|_| self.phase.is_terminal())?;
        Some((self.observed? - finished).to_std().unwrap_or_default())
    }

    /// How long the work took; `None` until it has ended.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        (self.finished? - self.started?).to_std().ok()
    }
}

model! {
    /// How far a run is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Progress {
        /// Parts that are done.
        pub done: u64,
        /// Parts in all; it may grow during the run.
        pub total: u64,
    }
}

impl Progress {
    /// This many parts of that many.
    #[must_use]
    pub fn new(done: u64, total: u64) -> Self {
        Self { done, total }
    }
}

model! {
    /// The vendor's own reason why a run failed.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Failure {
        /// The vendor's code, as text.
        pub code: Option<Box<str>>,
        /// The vendor's sentence.
        pub message: Option<Box<str>>,
        /// The part of the run that failed: a task, a query, a job.
        pub part: Option<Box<str>>,
        /// Where the vendor shows more.
        pub log_url: Option<Box<str>>,
    }
}

impl Failure {
    /// A reason in words.
    #[must_use]
    pub fn new(message: impl Into<Box<str>>) -> Self {
        Self { message: Some(message.into()), ..Self::default() }
    }

    /// Sets the vendor's code.
    #[must_use]
    pub fn code(mut self, code: impl Into<Box<str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets the part of the run that failed.
    #[must_use]
    pub fn part(mut self, part: impl Into<Box<str>>) -> Self {
        self.part = Some(part.into());
        self
    }

    /// Sets where the vendor shows more.
    #[must_use]
    pub fn log_url(mut self, url: impl Into<Box<str>>) -> Self {
        self.log_url = Some(url.into());
        self
    }

    pub(crate) fn scrub(&mut self, secrets: &Secrets<'_>) {
        let Self { code, message, part, log_url } = self;
        for text in [code, message, part, log_url].into_iter().flatten() {
            *text = secrets.scrub(text).into();
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.as_deref().map(str::trim).filter(|text| !text.is_empty());
        f.write_str(message.unwrap_or("the vendor gives no reason").trim_end_matches('.'))?;
        match (&self.code, &self.part) {
            (Some(code), Some(place)) => write!(f, " (code {code}, in {place})")?,
            (Some(code), None) => write!(f, " (code {code})")?,
            (None, Some(place)) => write!(f, " (in {place})")?,
            (None, None) => {}
        }
        match &self.log_url {
            Some(url) => write!(f, "; see {url}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Clock as _, SystemClock};

    #[test]
    fn references_are_ordered_by_target_and_id_whoever_triggered_the_run() {
        let run = |text: &str| text.parse::<RunRef>().unwrap();
        let triggered = run("acme:nightly/1").triggered_at(SystemClock.now());
        assert_eq!(triggered.partial_cmp(&run("acme:nightly/1")), Some(Ordering::Equal));
        assert!(triggered < run("acme:nightly/2"));
        assert!(triggered < run("acme:weekly/0"));
    }
}
