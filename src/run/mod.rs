//! One run, whichever the vendor: what it is, how it stands, how it ended and why.
//!
//! A [`RunProvider`] speaks for one vendor; [`RunProviderExt`] adds what every provider can do with it: trigger a run
//! and learn its id, wait for its end, resume a wait in another process.

mod provider;
mod trigger;
mod wait;
mod wait_all;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

pub use self::provider::{
    CancelOutcome, Capabilities, RecentRuns, RunProvider, RunProviderExt, Triggered,
};
pub use self::trigger::Trigger;
pub use self::wait::Wait;
pub use self::wait_all::WaitAll;

use crate::client::{UNRESERVED, Vendor};
use crate::error::{Error, ErrorKind, Result};

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Accepted, not started.
    Queued,
    /// Going on.
    Running,
    /// Over, as wanted.
    Succeeded,
    /// Over, not as wanted.
    Failed,
    /// Over, because someone ended it.
    Cancelled,
    /// Over before it began: the vendor decided that there was nothing to do.
    Skipped,
    /// The vendor's state has no name here. It never counts as over.
    Unknown,
}

impl Phase {
    const ALL: [Self; 7] = [
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

    /// Whether the run is over.
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

impl FromStr for Phase {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|phase| phase.as_str() == text);
        named.ok_or_else(|| Error::config("this is not the name of a phase"))
    }
}

/// What can be run at a vendor: a schedule, a report, a query. Prints to one line, `acme:nightly`, and parses back.
///
/// ```
/// use scheduled_runs::{Target, Vendor};
///
/// let target = Target::new(Vendor::new("acme"), "a/b");
/// assert_eq!(target.to_string(), "acme:a%2Fb");
/// assert_eq!("acme:a%2Fb".parse::<Target>()?, target);
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Target {
    vendor: Vendor,
    id: Box<str>,
}

impl Target {
    /// The thing of this id at this vendor.
    #[must_use]
    pub fn new(vendor: Vendor, id: impl Into<Box<str>>) -> Self {
        Self { vendor, id: id.into() }
    }

    /// The vendor.
    #[must_use]
    pub fn vendor(&self) -> &Vendor {
        &self.vendor
    }

    /// The vendor's id, as it came.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The vendor's id, for a provider of this vendor.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the target is another vendor's.
    pub fn id_at(&self, vendor: &Vendor) -> Result<&str> {
        if self.vendor == *vendor {
            return Ok(&self.id);
        }
        let message =
            format!("{self} does not belong to {vendor}; ask the provider of its own vendor");
        Err(Error::config(message))
    }

    /// A run of it.
    #[must_use]
    pub fn run(&self, id: impl Into<Box<str>>) -> RunRef {
        RunRef { target: self.clone(), id: id.into() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.vendor, utf8_percent_encode(&self.id, UNRESERVED))
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.trim().split_once(':').filter(|(_, id)| !id.contains('/'));
        let Some((vendor, id)) = parts else {
            return Err(Error::config(
                "a target is written `vendor:target`, with `%2F` for a slash inside an id",
            ));
        };
        Ok(Self { vendor: vendor.parse()?, id: decoded(id)? })
    }
}

/// One run, so that another process can find it again. Prints to one line, `acme:nightly/c2NoZWR1…`, and parses back.
///
/// ```
/// use scheduled_runs::RunRef;
///
/// let run: RunRef = "acme:nightly/42".parse()?;
/// assert_eq!((run.vendor().as_str(), run.target().id(), run.id()), ("acme", "nightly", "42"));
/// assert_eq!(run.to_string(), "acme:nightly/42");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RunRef {
    target: Target,
    id: Box<str>,
}

impl RunRef {
    /// What it is a run of.
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

impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.target, utf8_percent_encode(&self.id, UNRESERVED))
    }
}

impl FromStr for RunRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.trim().split_once('/').filter(|(target, _)| target.contains(':'));
        let Some((target, id)) = parts else {
            return Err(Error::config(
                "a run is written `vendor:target/run`, with `%2F` for a slash inside an id",
            ));
        };
        Ok(Self { target: target.parse()?, id: decoded(id)? })
    }
}

fn decoded(text: &str) -> Result<Box<str>> {
    let decoded = percent_decode_str(text).decode_utf8();
    match decoded {
        Ok(id) if !id.is_empty() => Ok(id.into()),
        _ => Err(Error::config("an id is empty or not percent-encoded UTF-8")),
    }
}

/// A run, for a sentence: a target that is a whole query is cut, so that the sentence is still read to its end.
struct Shown<'a>(&'a RunRef);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 120;
        let line = self.0.to_string();
        match line.split_once('/') {
            // What is percent-encoded is cut between any two bytes.
            Some((target, run)) if target.len() > LONGEST => {
                write!(f, "{}…/{run}", target.get(..LONGEST).unwrap_or(target))
            }
            _ => f.write_str(&line),
        }
    }
}

macro_rules! text_form {
    ($($name:ident)+) => {$(
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }
    )+};
}

text_form!(Target RunRef);

/// What is known about a run at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunSnapshot {
    /// Which run.
    pub run: RunRef,
    /// How it stands.
    pub phase: Phase,
    /// How it stands, in the vendor's own word.
    pub state: Option<Box<str>>,
    /// When the vendor says it was created. For scheduled runs that may be the time it was due.
    pub created: Option<DateTime<Utc>>,
    /// When work began.
    pub started: Option<DateTime<Utc>>,
    /// When work ended.
    pub finished: Option<DateTime<Utc>>,
    /// How far it is, where the vendor counts.
    pub progress: Option<Progress>,
    /// Why it failed. Filled for a failed run that was asked for alone; lists leave it out.
    pub failure: Option<Failure>,
}

impl RunSnapshot {
    /// A run in this phase, with nothing else known.
    #[must_use]
    pub fn new(run: RunRef, phase: Phase) -> Self {
        Self {
            run,
            phase,
            state: None,
            created: None,
            started: None,
            finished: None,
            progress: None,
            failure: None,
        }
    }

    /// How long the work took; `None` until it has ended.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        (self.finished? - self.started?).to_std().ok()
    }

    /// The run, if it succeeded.
    ///
    /// # Errors
    /// [`ErrorKind::RunFailed`] with the vendor's reason for a run that ended otherwise; [`ErrorKind::Config`] for one that
    /// has not ended.
    pub fn success(self) -> Result<Self> {
        if self.phase == Phase::Succeeded {
            return Ok(self);
        }
        if !self.phase.is_terminal() {
            let (run, phase) = (Shown(&self.run), self.phase);
            let message = format!("run {run} has not ended ({phase}); wait for it first");
            return Err(Error::config(message).with_snapshot(self));
        }
        let mut message = format!(
            "run {} {}",
            Shown(&self.run),
            match self.phase {
                Phase::Cancelled => "was cancelled",
                Phase::Skipped => "was skipped",
                _ => "failed",
            }
        );
        match &self.failure {
            Some(failure) => message = format!("{message}: {failure}"),
            None => message.push_str("; the vendor gives no reason"),
        }
        Err(Error::new(ErrorKind::RunFailed, message).with_snapshot(self))
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// Parts that are done.
    pub done: u64,
    /// Parts there are; it may grow while the run goes on.
    pub total: u64,
}

impl Progress {
    /// This many parts of that many.
    #[must_use]
    pub fn new(done: u64, total: u64) -> Self {
        Self { done, total }
    }
}

/// The vendor's own reason why a run failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

impl Failure {
    /// A reason in words.
    #[must_use]
    pub fn new(message: impl Into<Box<str>>) -> Self {
        Self { message: Some(message.into()), ..Self::default() }
    }

    /// There may be a reason, but asking for it has failed: for providers, as a run is known to have failed all the same.
    #[must_use]
    pub fn not_fetched(error: &Error) -> Self {
        Self::new(format!("why could not be asked: {error}"))
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

    #[test]
    fn targets_and_runs_print_to_one_line_and_parse_back() {
        let awkward = ["nightly", "a/b:c", "x y%2F", "c2No+/==", "Zürich\n"];
        for id in awkward {
            let target = Target::new(Vendor::new("acme"), id);
            assert_eq!(target.to_string().parse::<Target>().unwrap(), target);
            for run in awkward {
                let run = target.run(run);
                let line = run.to_string();
                assert_eq!(line.lines().count(), 1);
                assert_eq!(line.parse::<RunRef>().unwrap(), run);
                assert_eq!(format!("{line}\n").parse::<RunRef>().unwrap(), run);
                let json = serde_json::to_string(&run).unwrap();
                assert_eq!(serde_json::from_str::<RunRef>(&json).unwrap(), run);
            }
        }
        let run = Target::new(Vendor::new("acme"), "nightly").run("c2No==");
        assert_eq!(run.to_string(), "acme:nightly/c2No%3D%3D");
    }

    #[test]
    fn phases_print_as_they_are_serialised_and_parse_back() {
        for phase in Phase::ALL {
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
            assert_eq!(phase.to_string().parse::<Phase>().unwrap(), phase);
        }
        assert_eq!("done".parse::<Phase>().unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn what_is_no_run_is_refused() {
        for text in
            ["", "acme", "acme:", "acme:a", "acme:a/", "acme:/b", ":a/b", "Acme:a/b", "acme:a/b%ff"]
        {
            let error = text.parse::<RunRef>().expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        }
        assert!("acme:a/b".parse::<Target>().unwrap_err().to_string().contains("`%2F`"));
        assert!("a/b".parse::<RunRef>().unwrap_err().to_string().starts_with("a run is written"));
    }

    #[test]
    fn a_failed_run_says_why_in_one_sentence() {
        let mut run =
            RunSnapshot::new(Target::new(Vendor::new("acme"), "nightly").run("7"), Phase::Failed);
        let text = |run: &RunSnapshot| run.clone().success().unwrap_err().to_string();
        assert_eq!(text(&run), "run acme:nightly/7 failed; the vendor gives no reason");
        let report = run.clone().success().unwrap_err().report();
        assert!(report.contains("last seen    failed") && !report.contains("delivery"), "{report}");
        run.failure =
            Some(Failure::new("table orders does not exist").code("58000").part("query 4711"));
        assert_eq!(
            text(&run),
            "run acme:nightly/7 failed: table orders does not exist (code 58000, in query 4711)"
        );
        let json = serde_json::to_string(&run).unwrap();
        assert_eq!(serde_json::from_str::<RunSnapshot>(&json).unwrap(), run);
        run.failure = Some(Failure::new("Disk full.\n").log_url("https://acme.example/log/7"));
        let expected = "run acme:nightly/7 failed: Disk full; see https://acme.example/log/7";
        assert_eq!(text(&run), expected);
        run.failure = Some(Failure::default().code("7"));
        assert_eq!(text(&run), "run acme:nightly/7 failed: the vendor gives no reason (code 7)");
        run.run = Target::new(Vendor::new("acme"), "{\"q\":1}".repeat(500)).run("7");
        let said = text(&run);
        assert!(
            said.len() < 200 && said.ends_with("…/7 failed: the vendor gives no reason (code 7)")
        );
        run.phase = Phase::Succeeded;
        assert!(run.clone().success().is_ok());
        run.phase = Phase::Unknown;
        assert_eq!(run.success().unwrap_err().kind(), ErrorKind::Config);
    }
}
