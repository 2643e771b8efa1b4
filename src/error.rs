//! What can go wrong, and what the caller may do about it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::client::{ApiRequest, CurlLine, Idempotency, Printable, Vendor};
use crate::paging::Cursor;
use crate::run::{Failure, RunRef, RunSnapshot};

/// `std::result::Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Bytes of an answer that an error keeps for [`Error::body`].
const BODY_KEPT: usize = 64 * 1024;

/// Why a call, a page walk or a wait did not do what was asked.
///
/// Branch on [`kind`](Self::kind) and on the predicates, never on the text. One pointer wide.
///
/// The text names the operation, what happened, the HTTP status, the vendor's code, the request id and the number of
/// attempts: `acme.runs.list: token has expired (HTTP 401, code 401013, request id 4f1c) after 2 attempts`.
/// Neither the text, nor `Debug`, nor any [`source`](StdError::source) holds a credential, a whole URL or the answer's body:
/// those are had from [`headers`](Self::headers) and [`body`](Self::body) only.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    operation: Option<&'static str>,
    vendor: Option<Vendor>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    timeout: Option<TimeoutPhase>,
    request: Option<Box<str>>,
    curl: Option<Box<str>>,
    idempotency: Option<Idempotency>,
    status: Option<StatusCode>,
    headers: Option<Box<HeaderMap>>,
    body: Bytes,
    request_id: Option<Box<str>>,
    vendor_error: Option<Box<VendorError>>,
    retry_after: Option<Duration>,
    attempts: Vec<Attempt>,
    /// Of a trigger that came before this error, and that this error says nothing about by itself.
    triggered: Option<Delivery>,
    cut_short: bool,
    decode_path: Option<Box<str>>,
    cursor: Option<Cursor>,
    run: Option<RunRef>,
    last_snapshot: Option<Box<RunSnapshot>>,
    candidates: Vec<RunRef>,
    verified_not_started: bool,
}

/// What kind of failure it was; one failure has one kind for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Refused here, before anything was sent: a bad id, a missing setting, a value no header can carry.
    Config,
    /// No connection: the name does not resolve, the port is closed, the network is gone.
    Connect,
    /// The server could not prove who it is, or TLS failed otherwise. Nothing was sent.
    Tls,
    /// A limit ran out; [`Error::timeout_phase`] says which.
    Timeout,
    /// The connection broke after the request had been written, or the answer was cut short.
    Interrupted,
    /// There is no usable credential, or the vendor refused it.
    Auth,
    /// The credential is good, but may not do this.
    Denied,
    /// No such schedule, run, query or endpoint.
    NotFound,
    /// Too many calls; [`Error::retry_after`] holds the pause asked for.
    RateLimited,
    /// The vendor understood the request and refused it. Sending it again changes nothing.
    Rejected,
    /// The vendor failed (5xx).
    Server,
    /// A success with something else inside: a login page, a page of a proxy, not HTTP at all.
    UnexpectedContent,
    /// The answer does not have the documented shape.
    Decode,
    /// The answer is larger than the limit.
    TooLarge,
    /// A redirect or link leads to another origin and was not followed.
    CrossOrigin,
    /// A list does not end: its cursor repeats, or it goes on without items.
    Pagination,
    /// The vendor has no such operation.
    Unsupported,
    /// The run did not end within the wait's limit. It goes on at the vendor; [`Error::run`] says which one it is.
    WaitTimeout,
    /// The run ended without success; [`Error::failure`] says why, [`Error::last_snapshot`] how it ended.
    RunFailed,
    /// More than one run may be the one that was meant, or none can be told apart.
    Ambiguous,
}

impl ErrorKind {
    fn text(self) -> &'static str {
        match self {
            Self::Config => "refused before sending",
            Self::Connect => "could not connect",
            Self::Tls => "the server's identity could not be verified",
            Self::Timeout => "timed out",
            Self::Interrupted => "the connection broke before the answer was complete",
            Self::Auth => "the credential was refused",
            Self::Denied => "the credential may not do this",
            Self::NotFound => "not found",
            Self::RateLimited => "too many requests",
            Self::Rejected => "the vendor refused the request",
            Self::Server => "the vendor failed",
            Self::UnexpectedContent => "the answer is not what the vendor documents",
            Self::Decode => "the answer does not have the documented shape",
            Self::TooLarge => "the answer is too large",
            Self::CrossOrigin => "the answer points to another origin",
            Self::Pagination => "the list does not end",
            Self::Unsupported => "the vendor has no such operation",
            Self::WaitTimeout => "the run did not end in time",
            Self::RunFailed => "the run failed",
            Self::Ambiguous => "it cannot be told which run was meant",
        }
    }

    /// Whether a later, equal call may fare better: the cause is the network, load, or time.
    ///
    /// It says nothing about whether repeating is *safe*: for that ask [`Error::may_have_run`].
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Connect | Self::Timeout | Self::Interrupted | Self::RateLimited | Self::Server
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Which limit ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutPhase {
    /// The connection was not made within the connect limit.
    Connect,
    /// One attempt took longer than the attempt limit.
    Attempt,
    /// The server sent nothing for the length of the idle limit.
    Idle,
    /// The whole call, all attempts and pauses included, reached its deadline.
    Call,
    /// The credential did not produce a token before the call's deadline.
    Auth,
}

impl TimeoutPhase {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Connect => "no connection within the connect limit",
            Self::Attempt => "no complete answer within the attempt limit",
            Self::Idle => "the server stopped sending within the idle limit",
            Self::Call => "the call's deadline passed",
            Self::Auth => "the credential gave no token before the call's deadline",
        }
    }
}

/// What is known about a request's way to the server, over all attempts of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Delivery {
    /// Nothing reached the server, or the server proved that it did not process the request.
    NotSent,
    /// Every attempt that was sent was answered.
    Answered,
    /// At least one attempt was sent, in part or whole, and no complete answer came back.
    Unknown,
}

/// One try of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// When the attempt began, by this machine's clock.
    pub started: DateTime<Utc>,
    /// How long it took.
    pub elapsed: Duration,
    /// HTTP status, where the head of an answer arrived.
    pub status: Option<StatusCode>,
    /// The vendor's id for this request: quote it to their support.
    pub request_id: Option<Box<str>>,
    /// Whether the request reached the server.
    pub delivery: Delivery,
    /// Why it failed; `None` for the attempt that succeeded.
    pub failure: Option<ErrorKind>,
    /// The pause that followed, if another attempt did.
    pub pause: Option<Duration>,
    /// Whether the server may have carried the request out although the attempt failed.
    pub(crate) may_have_run: bool,
}

impl Attempt {
    pub(crate) fn begin(started: DateTime<Utc>) -> Self {
        Self {
            started,
            elapsed: Duration::ZERO,
            status: None,
            request_id: None,
            delivery: Delivery::NotSent,
            failure: None,
            pause: None,
            may_have_run: false,
        }
    }
}

/// What the vendor itself said about a failure, with the known secrets of the call removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VendorError {
    /// The vendor's code, as text even where the wire has a number.
    pub code: Option<Box<str>>,
    /// The vendor's name or type for this class of failure.
    pub name: Option<Box<str>>,
    /// The vendor's sentence for people.
    pub message: Option<Box<str>>,
    /// The vendor's id for this one failure.
    pub instance_id: Option<Box<str>>,
    /// What the vendor attached for programs, as it came; `Null` where there is nothing. The rest is in [`Error::body`].
    pub parameters: Value,
}

impl VendorError {
    /// What the vendor said in words.
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

    /// Sets the vendor's name or type for this class of failure.
    #[must_use]
    pub fn name(mut self, name: impl Into<Box<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    pub(crate) fn scrub(&mut self, secrets: &crate::client::Secrets<'_>) {
        let texts = [&mut self.code, &mut self.name, &mut self.message, &mut self.instance_id];
        for text in texts.into_iter().flatten() {
            *text = secrets.scrub(text).into();
        }
        secrets.scrub_value(&mut self.parameters);
    }
}

impl Error {
    /// An error of this kind; `message` is lower case, without a full stop, and holds no secret.
    ///
    /// For providers, credentials and transports of your own.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            vendor: None,
            source: None,
            timeout: None,
            request: None,
            curl: None,
            idempotency: None,
            status: None,
            headers: None,
            body: Bytes::new(),
            request_id: None,
            vendor_error: None,
            retry_after: None,
            attempts: Vec::new(),
            triggered: None,
            cut_short: false,
            decode_path: None,
            cursor: None,
            run: None,
            last_snapshot: None,
            candidates: Vec::new(),
            verified_not_started: false,
        }))
    }

    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    pub(crate) fn timeout(phase: TimeoutPhase) -> Self {
        let mut error = Self::new(ErrorKind::Timeout, phase.text());
        error.0.timeout = Some(phase);
        error
    }

    /// Names the operation, unless one is named already.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Attaches the cause. It is printed by error reporters: it must hold no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says that a trigger came before this error: [`Delivery::Answered`] if the vendor accepted it,
    /// [`Delivery::Unknown`] if its answer was lost. [`may_have_run`](Self::may_have_run) is true from then on.
    ///
    /// For providers of your own; calls of this crate's clients know it by themselves.
    #[must_use]
    pub fn after_trigger(mut self, delivery: Delivery) -> Self {
        self.0.triggered = self.0.triggered.max(Some(delivery));
        self
    }

    /// Names the run it is about.
    #[must_use]
    pub fn with_run(mut self, run: RunRef) -> Self {
        self.0.run = Some(run);
        self
    }

    /// Attaches what was last known about the run.
    #[must_use]
    pub fn with_snapshot(mut self, snapshot: RunSnapshot) -> Self {
        self.0.run = Some(snapshot.run.clone());
        self.0.last_snapshot = Some(Box::new(snapshot));
        self
    }

    /// Attaches the runs that may be the one that was meant.
    #[must_use]
    pub fn with_candidates(mut self, candidates: Vec<RunRef>) -> Self {
        self.0.candidates = candidates;
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed, for example `acme.runs.list`.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The vendor that was called.
    #[must_use]
    pub fn vendor(&self) -> Option<&Vendor> {
        self.0.vendor.as_ref()
    }

    /// Which limit ran out; set for [`ErrorKind::Timeout`] only.
    #[must_use]
    pub fn timeout_phase(&self) -> Option<TimeoutPhase> {
        self.0.timeout
    }

    /// HTTP status of the last answer, even where its body was cut short or unreadable.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// Headers of the last answer, as they came: **not** redacted.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.0.headers.as_deref()
    }

    /// Body of the last answer, as it came, at most its first 64 KiB: **not** redacted.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// The vendor's id for the request: quote it to their support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// What the vendor itself said, where the answer could be read.
    #[must_use]
    pub fn vendor_error(&self) -> Option<&VendorError> {
        self.0.vendor_error.as_deref()
    }

    /// The pause the server asked for, bounded by nothing: it may be a day.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Every try of the call, first to last. Empty where nothing was tried.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// Where in the answer the unexpected value stands, for example `runsSchedules[3].id`; [`ErrorKind::Decode`] only.
    #[must_use]
    pub fn decode_path(&self) -> Option<&str> {
        self.0.decode_path.as_deref()
    }

    /// Where to resume the list that failed: give it to [`Pages::resume_at`](crate::Pages::resume_at).
    ///
    /// `None` means the walk failed on its first page, or was no walk.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        self.0.cursor.as_ref()
    }

    /// The run it is about.
    #[must_use]
    pub fn run(&self) -> Option<&RunRef> {
        self.0.run.as_ref()
    }

    /// What was last known about the run that was waited for.
    #[must_use]
    pub fn last_snapshot(&self) -> Option<&RunSnapshot> {
        self.0.last_snapshot.as_deref()
    }

    /// Why the run failed, in the vendor's words; [`ErrorKind::RunFailed`] only. `None` where the vendor gives no reason.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.last_snapshot()?.failure.as_ref()
    }

    /// The runs that may be the one that was meant; [`ErrorKind::Ambiguous`] only.
    #[must_use]
    pub fn candidates(&self) -> &[RunRef] {
        &self.0.candidates
    }

    /// Whether [`Trigger::verify`](crate::run::Trigger::verify) looked and found no run that the lost trigger could have started.
    ///
    /// It is an observation within a time, not a proof: a vendor may start the run later.
    #[must_use]
    pub fn verified_not_started(&self) -> bool {
        self.0.verified_not_started
    }

    /// What is known about the request's way to the server, folded over all attempts: one lost answer makes it
    /// [`Delivery::Unknown`], even if the last attempt never connected.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        let attempts = self.0.attempts.iter().map(|attempt| attempt.delivery);
        attempts.chain(self.0.triggered).max().unwrap_or(Delivery::NotSent)
    }

    /// Whether the call may have started, changed or deleted something at the vendor although it failed.
    ///
    /// Always false for calls that are safe to repeat. Never false by mistake: a lost or unreadable answer, every 408, and
    /// every 5xx but 501, 505 and 511 that does not say "not accepted" count as "may have".
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        let not_idempotent = self.0.idempotency == Some(Idempotency::NotIdempotent);
        self.0.triggered.is_some_and(|delivery| delivery > Delivery::NotSent)
            || (not_idempotent && self.0.attempts.iter().any(|attempt| attempt.may_have_run))
    }

    /// Whether a later, equal call may fare better: as [`ErrorKind::is_transient`], and also where a credential could not
    /// be had for such a reason.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let cause = || self.source().and_then(|cause| cause.downcast_ref::<Self>());
        self.kind().is_transient()
            || (self.kind() == ErrorKind::Auth && cause().is_some_and(Self::is_transient))
    }

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
        if let (Some(request), Some(curl)) = (&self.0.request, &self.0.curl) {
            report.request(request, curl);
        }
        if let Some(run) = self.run() {
            report.line("run", run);
        }
        if let Some(seen) = self.last_snapshot() {
            report.line("last seen", &seen.phase);
        }
        // How a run ended was learned from an answer: no request of this error was left unsent.
        let about_a_run = matches!(self.kind(), ErrorKind::RunFailed | ErrorKind::WaitTimeout);
        if !(about_a_run && self.delivery() == Delivery::NotSent) {
            report.line("delivery", &format_args!("{:?}", self.delivery()));
        }
        if self.0.idempotency == Some(Idempotency::NotIdempotent) || self.may_have_run() {
            report.line("may have run", &if self.may_have_run() { "yes" } else { "no" });
        }
        if self.verified_not_started() {
            report.line("verified", &"no run that it could have started was listed");
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

    pub(crate) fn set(&mut self) -> Set<'_> {
        Set(&mut self.0)
    }

    pub(crate) fn was_cut_short(&self) -> bool {
        self.0.cut_short
    }
}

/// What the core fills in once it knows more about a failure.
pub(crate) struct Set<'e>(&'e mut Inner);

impl Set<'_> {
    pub(crate) fn call(
        self,
        vendor: &Vendor,
        request: &ApiRequest,
        attempts: Vec<Attempt>,
    ) -> Self {
        self.0.vendor = Some(vendor.clone());
        self.0.idempotency = Some(request.idempotency());
        self.0.request = Some(request.line().into());
        self.0.curl = Some(CurlLine(request).to_string().into());
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn answer(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        request_id: Option<&str>,
        body: &Bytes,
    ) -> Self {
        self.0.status = Some(status);
        self.0.headers = Some(Box::new(headers.clone()));
        self.0.request_id = request_id.map(Into::into);
        // A copy of the front: a slice would keep the whole answer alive.
        self.0.body = Bytes::copy_from_slice(body.get(..BODY_KEPT).unwrap_or(body));
        self
    }

    pub(crate) fn scrub(self, secrets: &crate::client::Secrets<'_>) -> Self {
        self.0.message = secrets.scrub(&self.0.message).into_owned().into();
        if let Some(error) = &mut self.0.vendor_error {
            error.scrub(secrets);
        }
        if let Some(path) = &mut self.0.decode_path {
            *path = secrets.scrub(path).into();
        }
        self
    }

    pub(crate) fn kind(self, kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.kind = kind;
        self.0.message = message.into();
        self
    }

    pub(crate) fn vendor_error(self, error: Option<VendorError>) -> Self {
        self.0.vendor_error = error.map(Box::new);
        self
    }

    pub(crate) fn retry_after(self, pause: Option<Duration>) -> Self {
        self.0.retry_after = pause;
        self
    }

    pub(crate) fn decode_path(self, path: Option<Box<str>>, cut_short: bool) -> Self {
        self.0.decode_path = path;
        self.0.cut_short = cut_short;
        self
    }

    pub(crate) fn cursor(self, cursor: Option<Cursor>) -> Self {
        self.0.cursor = cursor;
        self
    }

    pub(crate) fn verified_not_started(self) -> Self {
        self.0.verified_not_started = true;
        self
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(operation) = inner.operation {
            write!(f, "{operation}: ")?;
        }
        let said = inner.vendor_error.as_ref().and_then(|error| error.message.as_deref());
        match (&*inner.message, said) {
            ("", Some(said)) => write!(f, "{}", Printable(said))?,
            ("", None) => f.write_str(inner.kind.text())?,
            (message, Some(said)) if message != said => {
                write!(f, "{}: {}", Printable(message), Printable(said))?;
            }
            (message, _) => write!(f, "{}", Printable(message))?,
        }
        let code = inner.vendor_error.as_ref().and_then(|error| error.code.as_deref());
        let mut separator = " (";
        let mut fact = |f: &mut fmt::Formatter<'_>, name: &str, value: &str| -> fmt::Result {
            write!(f, "{separator}{name} {}", Printable(value))?;
            separator = ", ";
            Ok(())
        };
        if let Some(status) = inner.status {
            fact(f, "HTTP", status.as_str())?;
        }
        if let Some(code) = code {
            fact(f, "code", code)?;
        }
        if let Some(id) = &inner.request_id {
            fact(f, "request id", id)?;
        }
        if separator == ", " {
            f.write_str(")")?;
        }
        if inner.attempts.len() > 1 {
            write!(f, " after {} attempts", inner.attempts.len())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.kind()).field("text", &self.to_string());
        if !self.0.attempts.is_empty() {
            debug
                .field("attempts", &self.0.attempts.len())
                .field("delivery", &self.delivery())
                .field("may_have_run", &self.may_have_run());
        }
        if let Some(source) = &self.0.source {
            debug.field("source", &source.to_string());
        }
        debug.finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read() -> ApiRequest {
        ApiRequest::get_url("acme.runs.list", url::Url::parse("https://host/runs").unwrap())
    }

    #[test]
    fn an_error_is_one_pointer_wide_and_crosses_threads() {
        fn crosses<T: Send + Sync + Unpin + 'static>() {}
        crosses::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn the_text_names_operation_status_code_request_id_and_attempts() {
        let mut error = Error::new(ErrorKind::Auth, "").with_operation("acme.runs.list");
        let attempt = Attempt::begin(DateTime::UNIX_EPOCH);
        error
            .set()
            .call(&Vendor::new("acme"), &read(), vec![attempt.clone(), attempt])
            .answer(StatusCode::UNAUTHORIZED, &HeaderMap::new(), Some("4f1c"), &Bytes::new())
            .vendor_error(Some(VendorError::new("token has expired").code("401013")));
        assert_eq!(
            error.to_string(),
            "acme.runs.list: token has expired (HTTP 401, code 401013, request id 4f1c) after 2 attempts"
        );
    }

    #[test]
    fn one_lost_answer_makes_the_delivery_unknown_whatever_came_after() {
        let lost = Attempt { delivery: Delivery::Unknown, ..Attempt::begin(DateTime::UNIX_EPOCH) };
        let unsent = Attempt::begin(DateTime::UNIX_EPOCH);
        let mut error = Error::new(ErrorKind::Connect, "");
        assert_eq!(error.delivery(), Delivery::NotSent);
        error.set().call(&Vendor::new("acme"), &read(), vec![lost, unsent]);
        assert_eq!(error.delivery(), Delivery::Unknown);
        assert!(!error.may_have_run(), "a read is never said to have run");
    }

    #[test]
    fn an_error_keeps_only_the_front_of_a_large_body() {
        let mut error = Error::new(ErrorKind::Server, "");
        let body = Bytes::from(vec![b'x'; BODY_KEPT + 1]);
        error.set().answer(StatusCode::BAD_GATEWAY, &HeaderMap::new(), None, &body);
        assert_eq!(error.body().len(), BODY_KEPT);
    }
}
