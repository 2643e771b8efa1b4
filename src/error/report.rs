//! The report of a call: several lines for a support ticket.

use std::error::Error as _;
use std::fmt::{self, Write as _};

use chrono::SecondsFormat;

use super::{Attempt, Delivery, Error, ErrorKind};
use crate::redact::Printable;

impl Error {
    /// Several lines for a support ticket: the request, also as a `curl` command whose secrets are shell variables, each
    /// attempt with its time, status, duration, request id and pause, and what is known about delivery. Redacted like
    /// [`Display`](fmt::Display).
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = format!("{self}\n");
        let mut report = Report(&mut text);
        report.line("kind", &format_args!("{:?}", self.kind()));
        if let Some(vendor) = self.vendor() {
            report.line("vendor", vendor);
        }
        if let Some(call) = &self.0.call {
            report.request(&call.request, &call.curl);
        }
        if let Some(run) = self.run() {
            report.line("run", run);
        }
        if let Some(seen) = self.last_snapshot() {
            report.line("last seen", &seen.phase);
        }
        // How a run ended was learned from a response: this error is not about a request that was left unsent.
        let about_a_run = matches!(self.kind(), ErrorKind::RunFailed | ErrorKind::WaitTimeout);
        if !(about_a_run && self.delivery() == Delivery::NotSent) {
            report.line("delivery", &format_args!("{:?}", self.delivery()));
        }
        if self.is_not_idempotent() || self.may_have_run() {
            let answer = match (self.may_have_run(), self.verified_not_started()) {
                (true, true) => "probably not: no run that it could have started was found",
                (true, false) => "yes",
                (false, _) => "no",
            };
            report.line("may have run", &answer);
        }
        for candidate in self.candidates() {
            report.line("candidate", candidate);
        }
        if let Some(id) = self.vendor_error().and_then(|error| error.instance_id.as_deref()) {
            report.line("error id", &Printable(id));
        }
        if let Some(pause) = self.retry_after() {
            report.line("retry after", &format_args!("{} s", pause.as_secs_f64()));
        }
        report.attempts(self.attempts());
        let mut cause = self.source();
        while let Some(error) = cause {
            report.line("caused by", &error);
            cause = error.source();
        }
        text
    }
}

/// The lines of a report.
pub(crate) struct Report<'t>(pub(crate) &'t mut String);

impl Report<'_> {
    fn line(&mut self, name: &str, value: &dyn fmt::Display) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.0, "  {name:<13}{value}");
    }

    pub(crate) fn request(&mut self, line: &str, curl: &dyn fmt::Display) {
        self.line("request", &line);
        self.line("as a command", curl);
    }

    pub(crate) fn attempts(&mut self, attempts: &[Attempt]) {
        for (number, attempt) in (1..).zip(attempts) {
            self.line(&format!("attempt {number}"), &AttemptLine(attempt));
        }
    }
}

struct AttemptLine<'a>(&'a Attempt);

impl fmt::Display for AttemptLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(attempt) = self;
        write!(
            f,
            "{}  {:.3} s  ",
            attempt.started.to_rfc3339_opts(SecondsFormat::Millis, true),
            attempt.elapsed.as_secs_f64()
        )?;
        match (attempt.status, attempt.failure) {
            (Some(status), _) => write!(f, "HTTP {}", status.as_u16())?,
            (None, Some(kind)) => write!(f, "{}", kind.text())?,
            (None, None) => write!(f, "answered")?,
        }
        if let Some(id) = &attempt.request_id {
            write!(f, "  request id {}", Printable(id))?;
        }
        if let Some(pause) = attempt.pause {
            write!(f, "  then paused {:.3} s", pause.as_secs_f64())?;
        }
        Ok(())
    }
}
