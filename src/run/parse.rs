//! What can go wrong with names of vendors, targets, runs and phases, and with a run's end.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use percent_encoding::percent_decode_str;

use super::model::{Failure, Phase, RunRef, RunSnapshot, Target, kept};
use super::provider::RunProvider;
use crate::error::{Error, ErrorKind, Result};
use crate::vendor::Vendor;

/// A vendor named at run time.
impl FromStr for Vendor {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::named(name).ok_or_else(|| {
            Error::config("a vendor's name is lower-case letters, digits, `-` and `_`")
        })
    }
}

impl FromStr for Phase {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|phase| phase.as_str() == text);
        named.ok_or_else(|| Error::config("this is not the name of a phase"))
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(line) = of_segment(text) {
            return line.parse();
        }
        let parts = text.trim().split_once(':').filter(|(_, id)| !id.contains('/'));
        let Some((vendor, id)) = parts else {
            return Err(Error::config(
                "a target is written `vendor:target`, with `%2F` for a slash inside an id",
            ));
        };
        let (vendor, scope) = match vendor.split_once('@') {
            Some((vendor, scope)) => (vendor, Some(decoded(scope)?)),
            None => (vendor, None),
        };
        Ok(Self { vendor: vendor.parse()?, scope, id: decoded(id)? })
    }
}

impl FromStr for RunRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(line) = of_segment(text) {
            return line.parse();
        }
        let parts = text.trim().split_once('/');
        let parts = parts.filter(|(target, id)| target.contains(':') && !id.contains('/'));
        let Some((target, id)) = parts else {
            return Err(Error::config(
                "a run is written `vendor:target/run`, with `%2F` for a slash inside an id",
            ));
        };
        Ok(target.parse::<Target>()?.run(decoded(id)?))
    }
}

macro_rules! path_segment {
    ($($name:ident)+) => {$(
        impl $name {
            /// The line that it prints as one segment of a URL's path: base64url, so that no router and no proxy can take it apart. It
            /// parses back like the line itself.
            ///
            /// ```
            /// use scheduled_runs::RunRef;
            ///
            /// let run: RunRef = "acme:a%2Fb/42".parse()?;
            /// let url = format!("https://example.com/runs/{}", run.path_segment());
            /// assert_eq!(url, "https://example.com/runs/YWNtZTphJTJGYi80Mg");
            /// assert_eq!("YWNtZTphJTJGYi80Mg".parse::<RunRef>()?, run);
            /// # Ok::<_, scheduled_runs::Error>(())
            /// ```
            #[must_use]
            pub fn path_segment(&self) -> String {
                BASE64URL.encode(self.to_string())
            }
        }
    )+};
}

path_segment!(Target RunRef);

/// The line that a path segment stands for. A line has a colon, which base64url has not.
fn of_segment(text: &str) -> Option<String> {
    let text = text.trim();
    if text.contains(':') {
        return None;
    }
    let line = String::from_utf8(BASE64URL.decode(text).ok()?).ok()?;
    line.contains(':').then_some(line)
}

fn decoded(text: &str) -> Result<Box<str>> {
    let decoded = percent_decode_str(text).decode_utf8();
    match decoded {
        Ok(id) if !id.is_empty() && is_encoded(text) => Ok(kept(id.into())),
        _ => Err(Error::config(
            "an id is empty or not percent-encoded UTF-8; a percent sign inside an id is written `%25`",
        )),
    }
}

/// Whether each percent sign begins two hexadecimal digits, as all do that are printed.
fn is_encoded(text: &str) -> bool {
    let is_digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
    text.split('%').skip(1).all(|rest| {
        let mut bytes = rest.bytes();
        is_digit(bytes.next()) && is_digit(bytes.next())
    })
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

impl Target {
    /// The target; in the provider's account, if it names none.
    pub(super) fn in_account_of<P: RunProvider + ?Sized>(mut self, provider: &P) -> Self {
        if self.scope.is_none() && self.vendor == provider.vendor() {
            self.scope = provider.scope().map(Into::into);
        }
        self
    }

    /// The vendor's id, for a provider of this vendor and, where both name one, of the same account.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the target is another vendor's or another account's.
    pub fn id_at<P: RunProvider + ?Sized>(&self, provider: &P) -> Result<&str> {
        let vendor = provider.vendor();
        if self.vendor != vendor {
            let message =
                format!("{self} does not belong to {vendor}; ask the provider of its own vendor");
            return Err(Error::config(message));
        }
        match (self.scope(), provider.scope()) {
            (Some(scope), Some(own)) if scope != own => {
                let message = format!(
                    "{self} belongs to another account than this client, whose scope is {own}; use a client of that account"
                );
                Err(Error::config(message))
            }
            _ => Ok(&self.id),
        }
    }
}

impl RunSnapshot {
    /// The run, if it succeeded.
    ///
    /// A run that was skipped or cancelled did not succeed: nothing was computed, or not all of it. If nothing to do is fine, check
    /// [`phase`](Self::phase) first:
    ///
    /// ```
    /// use scheduled_runs::{Phase, Result, RunSnapshot};
    ///
    /// fn checked(run: RunSnapshot) -> Result<RunSnapshot> {
    ///     if run.phase == Phase::Skipped { Ok(run) } else { run.success() }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::RunFailed`] for a run that failed, with the vendor's reason, and for one that was cancelled or skipped;
    /// [`ErrorKind::Config`] for one that has not ended.
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
            None if self.phase == Phase::Failed => message.push_str("; the vendor gives no reason"),
            // Nothing went wrong that needs one.
            None => {}
        }
        Err(Error::new(ErrorKind::RunFailed, message).with_snapshot(self))
    }
}

/// A run inside a sentence: a target that is a whole query is cut, so that the sentence stays readable.
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

impl Failure {
    /// The reason could not be fetched: for providers, as it is known all the same that the run has failed.
    #[must_use]
    pub fn not_fetched(error: &Error) -> Self {
        Self::new(format!("the reason could not be fetched: {error}"))
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
                let segment = run.path_segment();
                assert!(
                    segment
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                );
                assert_eq!(segment.parse::<RunRef>().unwrap(), run);
                assert_eq!(run.target().path_segment().parse::<Target>().unwrap(), *run.target());
                let json = serde_json::to_string(&run).unwrap();
                assert_eq!(serde_json::from_str::<RunRef>(&json).unwrap(), run);
            }
        }
        let scoped = Target::new(Vendor::new("acme"), "a/b").scoped("1@org/dev:x").run("7");
        assert_eq!(scoped.to_string(), "acme@1%40org%2Fdev%3Ax:a%2Fb/7");
        assert_eq!(scoped.to_string().parse::<RunRef>().unwrap(), scoped);
        assert_eq!(scoped.target().scope(), Some("1@org/dev:x"));
        let run = Target::new(Vendor::new("acme"), "nightly").run("c2No==");
        assert_eq!(run.to_string(), "acme:nightly/c2No%3D%3D");
    }

    #[test]
    fn a_target_of_more_than_120_bytes_is_cut_in_a_sentence() {
        for (length, cut) in [(120, false), (121, true)] {
            let id = "x".repeat(length - "acme:".len());
            let shown = Shown(&Target::new(Vendor::new("acme"), id).run("7")).to_string();
            assert_eq!((shown.contains('…'), shown.ends_with("/7")), (cut, true), "{shown}");
        }
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
        for text in [
            "",
            "acme",
            "acme:",
            "acme:a",
            "acme:a/",
            "acme:/b",
            ":a/b",
            "Acme:a/b",
            "acme:a/b%ff",
            "acme:a/b/c",
            "acme:a/b/",
            "acme:a%zz/b",
            "acme:a/b%2",
            "acme:a/%",
            "acme:a/%%20",
            "acme@s%zz:a/b",
            "acme@:a/b",
            "YWNtZTph",
        ] {
            let error = text.parse::<RunRef>().expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        }
        assert!("acme:a/b".parse::<Target>().unwrap_err().to_string().contains("`%2F`"));
        assert!("acme:a/b/c".parse::<RunRef>().unwrap_err().to_string().contains("`%2F`"));
        assert!("acme:a%/b".parse::<RunRef>().unwrap_err().to_string().contains("`%25`"));
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
        run.failure = None;
        for (phase, end) in
            [(Phase::Cancelled, "/7 was cancelled"), (Phase::Skipped, "/7 was skipped")]
        {
            run.phase = phase;
            assert!(text(&run).ends_with(end), "{}", text(&run));
        }
        run.phase = Phase::Succeeded;
        assert!(run.clone().success().is_ok());
        run.phase = Phase::Unknown;
        assert_eq!(run.success().unwrap_err().kind(), ErrorKind::Config);
    }
}
