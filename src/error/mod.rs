//! What can go wrong, and what the caller may do about it.

mod attempt;
mod kind;
mod report;
mod vendor;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

pub use self::attempt::{Attempt, Delivery};
pub use self::kind::{ErrorKind, TimeoutPhase};
pub(crate) use self::report::Report;
pub use self::vendor::VendorError;

use crate::paging::page::Cursor;
use crate::redact::{Printable, Secrets};
use crate::run::model::{Failure, RunRef, RunSnapshot};
use crate::vendor::Vendor;

/// `std::result::Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Bytes of a response that an error keeps for [`Error::body`].
const BODY_KEPT: usize = 64 * 1024;

/// The longest pause that a server may ask for, unless a client's policy says otherwise.
pub(crate) const LONGEST_SERVER_PAUSE: Duration = Duration::from_secs(60);

/// Why a call, a page walk or a wait did not do what was asked.
///
/// Branch on [`kind`](Self::kind) and on the predicates, never on the text. One pointer wide.
///
/// The text names the operation, what happened, the HTTP status, the vendor's code, the request id and the number of
/// attempts: `acme.runs.list: token has expired (HTTP 401, code 401013, request id 4f1c) after 2 attempts`.
/// Neither the text, nor `Debug`, nor any [`source`](StdError::source) holds a credential, a whole URL or the response's body:
/// these are in [`headers`](Self::headers) and [`body`](Self::body) only.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    operation: Option<&'static str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    timeout: Option<TimeoutPhase>,
    vendor_error: Option<Box<VendorError>>,
    retry_after: Option<Duration>,
    /// The longest pause that the client's policy lets a server ask for.
    longest_pause: Duration,
    /// The vendor refused a credential that can be renewed.
    renewable: bool,
    decode_path: Option<Box<str>>,
    cut_short: bool,
    cursor: Option<Cursor>,
    call: Option<CallFacts>,
    response: ResponseFacts,
    about: RunFacts,
}

/// What is known about the call that failed, as text that holds no secret.
#[derive(Clone)]
pub(crate) struct CallFacts {
    pub(crate) vendor: Vendor,
    /// Method and URL.
    pub(crate) request: Box<str>,
    /// The same as a shell command.
    pub(crate) curl: Box<str>,
    pub(crate) not_idempotent: bool,
    pub(crate) attempts: Vec<Attempt>,
}

/// What is known about the last response.
#[derive(Clone, Default)]
struct ResponseFacts {
    status: Option<StatusCode>,
    headers: Option<Box<HeaderMap>>,
    body: Bytes,
    request_id: Option<Box<str>>,
}

/// What is known about the run that the error is about.
#[derive(Clone, Default)]
struct RunFacts {
    /// Of a trigger that came before this error, and that this error says nothing about by itself.
    triggered: Option<Delivery>,
    run: Option<RunRef>,
    last_snapshot: Option<Box<RunSnapshot>>,
    /// The reason of a run that was not awaited.
    failure: Option<Box<Failure>>,
    candidates: Vec<RunRef>,
    verified_not_started: bool,
    lease_is_over: bool,
}

/// # What happened
impl Error {
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
        self.0.call.as_ref().map(|call| &call.vendor)
    }

    /// Which limit ran out; set for [`ErrorKind::Timeout`] only.
    #[must_use]
    pub fn timeout_phase(&self) -> Option<TimeoutPhase> {
        self.0.timeout
    }

    /// HTTP status of the last response, even if its body was cut short or unreadable.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.response.status
    }

    /// Headers of the last response, as they came: **not** redacted.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.0.response.headers.as_deref()
    }

    /// Body of the last response, as it came, at most its first 64 KiB: **not** redacted.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.response.body
    }

    /// The vendor's id for the request: quote it to their support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.response.request_id.as_deref()
    }

    /// What the vendor itself said, if the response could be read.
    #[must_use]
    pub fn vendor_error(&self) -> Option<&VendorError> {
        self.0.vendor_error.as_deref()
    }

    /// The pause that the server asked for. It has no upper bound: it may be a day.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The pause that the server asked for, or the client's
    /// [`longest_server_pause`](crate::client::RetryPolicy::longest_server_pause) if that is shorter. Loops that poll should sleep
    /// this long, so that a wrong header does not stop them for a day.
    #[must_use]
    pub fn server_pause(&self) -> Option<Duration> {
        self.0.retry_after.map(|asked| asked.min(self.0.longest_pause))
    }

    /// Every attempt of the call, first to last. Empty if there was none.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        self.0.call.as_ref().map_or(&[], |call| &call.attempts)
    }

    /// Where in the response the unexpected value is, for example `runsSchedules[3].id`; [`ErrorKind::Decode`] only.
    #[must_use]
    pub fn decode_path(&self) -> Option<&str> {
        self.0.decode_path.as_deref()
    }

    /// Where to resume the list that failed: give it to [`Pages::resume_at`](crate::Pages::resume_at).
    ///
    /// `None` means that the first page failed, or that it was not a list.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        self.0.cursor.as_ref()
    }

    /// The run it is about.
    #[must_use]
    pub fn run(&self) -> Option<&RunRef> {
        self.0.about.run.as_ref()
    }

    /// What was last known about the run that was awaited.
    #[must_use]
    pub fn last_snapshot(&self) -> Option<&RunSnapshot> {
        self.0.about.last_snapshot.as_deref()
    }

    /// Why the run failed, in the vendor's words; [`ErrorKind::RunFailed`] only. `None` where the vendor gives no reason.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        let own = self.0.about.failure.as_deref();
        own.or_else(|| self.last_snapshot()?.failure.as_ref())
    }

    /// The runs that may be the one that was meant; [`ErrorKind::Ambiguous`] only.
    #[must_use]
    pub fn candidates(&self) -> &[RunRef] {
        &self.0.about.candidates
    }

    /// Whether [`Trigger::verify`](crate::run::Trigger::verify) searched and found no run that the trigger could have started. The
    /// text of the error says so as well.
    ///
    /// It adds to [`may_have_run`](Self::may_have_run), which stays true: that the request may have arrived, and that within the
    /// [grace](crate::run::Trigger::grace) time no run appeared, are both true. It is an observation within a limited time, not a
    /// proof: a vendor may start the run later. Only [`NotStarted`](crate::run::Recovery::NotStarted) of an intent is one.
    #[must_use]
    pub fn verified_not_started(&self) -> bool {
        self.0.about.verified_not_started
    }

    /// Whether a start was refused because its [lease](crate::run::Prepare::lease) was over: nothing was sent. Recover its intent, then
    /// prepare anew. Its kind is [`ErrorKind::Config`].
    #[must_use]
    pub fn lease_is_over(&self) -> bool {
        self.0.about.lease_is_over
    }

    /// Whether the request reached the server, across all attempts: one lost response makes it [`Delivery::Unknown`], even if
    /// the last attempt never connected.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        let attempts = self.attempts().iter().map(|attempt| attempt.delivery);
        attempts.chain(self.0.about.triggered).max().unwrap_or(Delivery::NotSent)
    }

    /// Whether the call may have started, changed or deleted something at the vendor although it failed.
    ///
    /// After a trigger that was [verified](crate::run::Trigger::verify), [`verified_not_started`](Self::verified_not_started) says
    /// what was found; this stays true. Always false for calls that are safe to retry, but
    /// for errors about a start that came before, such as those of [`recover`](crate::RunProviderExt::recover). It errs on the side of `true`: a lost or unreadable response, every 408, every
    /// 4xx that a gateway may send after it has passed the request on (444, 460, 499, and those that no standard has), and every 5xx
    /// but 501, 505 and 511 that does not say "not accepted" count as "may have".
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        self.0.about.triggered.is_some_and(|delivery| delivery > Delivery::NotSent)
            || (self.is_not_idempotent()
                && self.attempts().iter().any(|attempt| attempt.may_have_run))
    }

    /// Whether a later, equal call may fare better: as [`ErrorKind::is_transient`], and also if a credential could not be
    /// obtained for such a reason.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let cause = || self.source().and_then(|cause| cause.downcast_ref::<Self>());
        self.kind().is_transient()
            || (self.kind() == ErrorKind::Auth && cause().is_some_and(Self::is_transient))
    }
}

/// # For your own providers, credentials and transports
impl Error {
    /// An error of this kind; `message` is lower case, without a full stop, and holds no secret.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            source: None,
            timeout: None,
            vendor_error: None,
            retry_after: None,
            longest_pause: LONGEST_SERVER_PAUSE,
            renewable: false,
            decode_path: None,
            cut_short: false,
            cursor: None,
            call: None,
            response: ResponseFacts::default(),
            about: RunFacts::default(),
        }))
    }

    /// An error of kind [`ErrorKind::Config`]: says what is wrong with the input, then what to do.
    #[must_use]
    pub fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, message)
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
        self.0.source = Some(source.into().into());
        self
    }

    /// Says that a trigger came before this error: [`Delivery::Answered`] if the vendor accepted it,
    /// [`Delivery::Unknown`] if its response was lost. [`may_have_run`](Self::may_have_run) is true from then on.
    ///
    /// For your own providers; the clients of this crate do it by themselves.
    #[must_use]
    pub fn after_trigger(mut self, delivery: Delivery) -> Self {
        self.0.about.triggered = self.0.about.triggered.max(Some(delivery));
        self
    }

    /// Names the run it is about.
    #[must_use]
    pub fn with_run(mut self, run: RunRef) -> Self {
        self.0.about.run = Some(run);
        self
    }

    /// Attaches what was last known about the run.
    #[must_use]
    pub fn with_snapshot(mut self, snapshot: RunSnapshot) -> Self {
        self.0.about.run = Some(snapshot.run.clone());
        self.0.about.last_snapshot = Some(Box::new(snapshot));
        self
    }

    /// Attaches why the run failed, for an error that has no snapshot of it.
    #[must_use]
    pub fn with_failure(mut self, failure: Failure) -> Self {
        self.0.about.failure = Some(Box::new(failure));
        self
    }

    /// Attaches the runs that may be the one that was meant.
    #[must_use]
    pub fn with_candidates(mut self, candidates: Vec<RunRef>) -> Self {
        self.0.about.candidates = candidates;
        self
    }
}

impl Error {
    pub(crate) fn timeout(phase: TimeoutPhase) -> Self {
        let mut error = Self::new(ErrorKind::Timeout, phase.text());
        error.0.timeout = Some(phase);
        error
    }

    /// Whether the vendor refused a credential that can be renewed, so that a later call may carry a good one.
    pub(crate) fn is_renewable(&self) -> bool {
        self.0.renewable
    }

    fn is_not_idempotent(&self) -> bool {
        self.0.call.as_ref().is_some_and(|call| call.not_idempotent)
    }

    /// What is known about a run that was to be started, as the end of a sentence.
    fn found(&self) -> &'static str {
        match self.0.about.triggered {
            _ if self.0.about.verified_not_started => {
                "; no run that it could have started was found"
            }
            // The run itself is known, or which runs it may be.
            _ if self.0.about.run.is_some() || !self.candidates().is_empty() => "",
            Some(Delivery::Answered) => "; the vendor accepted the trigger",
            Some(Delivery::Unknown) => "; a run may have started",
            _ => "",
        }
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
    pub(crate) fn call(self, call: CallFacts) -> Self {
        self.0.call = Some(call);
        self
    }

    pub(crate) fn response(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        request_id: Option<&str>,
        body: &Bytes,
    ) -> Self {
        self.0.response = ResponseFacts {
            status: Some(status),
            headers: Some(Box::new(headers.clone())),
            request_id: request_id.map(Into::into),
            // A copy of the front: a slice would keep the whole response alive.
            body: Bytes::copy_from_slice(body.get(..BODY_KEPT).unwrap_or(body)),
        };
        self
    }

    pub(crate) fn scrub(self, secrets: &Secrets<'_>) -> Self {
        self.0.message = secrets.scrub(&self.0.message).into_owned().into();
        if let Some(error) = &mut self.0.vendor_error {
            error.scrub(secrets);
        }
        if let Some(path) = &mut self.0.decode_path {
            *path = secrets.scrub(path).into();
        }
        if let Some(failure) = &mut self.0.about.failure {
            failure.scrub(secrets);
        }
        self
    }

    pub(crate) fn kind(self, kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.kind = kind;
        self.0.message = message.into();
        self
    }

    /// Adds to the text.
    pub(crate) fn note(self, note: &str) -> Self {
        let inner = &mut *self.0;
        let said = inner.vendor_error.as_ref().is_some_and(|error| error.message.is_some());
        inner.message = match &*inner.message {
            "" if said => note.to_owned(),
            "" => format!("{}; {note}", inner.kind.text()),
            message => format!("{message}; {note}"),
        }
        .into();
        self
    }

    /// What the vendor said. If it is that a run failed, it is the reason.
    pub(crate) fn vendor_error(self, error: Option<VendorError>) -> Self {
        if let (ErrorKind::RunFailed, Some(VendorError { code, message, .. })) =
            (self.0.kind, &error)
        {
            let (code, message) = (code.clone(), message.clone());
            let failure = Failure { code, message, ..Failure::default() };
            self.0.about.failure = Some(Box::new(failure));
        }
        self.0.vendor_error = error.map(Box::new);
        self
    }

    pub(crate) fn retry_after(self, pause: Option<Duration>) -> Self {
        self.0.retry_after = pause;
        self
    }

    pub(crate) fn longest_pause(self, pause: Duration) -> Self {
        self.0.longest_pause = pause;
        self
    }

    pub(crate) fn renewable(self, renewable: bool) -> Self {
        self.0.renewable = renewable;
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

    pub(crate) fn lease_is_over(self) -> Self {
        self.0.about.lease_is_over = true;
        self
    }

    pub(crate) fn verified_not_started(self) -> Self {
        self.0.about.verified_not_started = true;
        self
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
        if let Some(status) = inner.response.status {
            fact(f, "HTTP", status.as_str())?;
        }
        if let Some(code) = code {
            fact(f, "code", code)?;
        }
        if let Some(id) = &inner.response.request_id {
            fact(f, "request id", id)?;
        }
        if separator == ", " {
            f.write_str(")")?;
        }
        if self.attempts().len() > 1 {
            write!(f, " after {} attempts", self.attempts().len())?;
        }
        f.write_str(self.found())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.kind()).field("text", &self.to_string());
        if !self.attempts().is_empty() {
            debug
                .field("attempts", &self.attempts().len())
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
    use chrono::DateTime;

    fn call(attempts: Vec<Attempt>) -> CallFacts {
        let (request, curl) = ("GET https://host/runs".into(), "curl https://host/runs".into());
        CallFacts { vendor: Vendor::new("acme"), request, curl, not_idempotent: false, attempts }
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
            .call(call(vec![attempt.clone(), attempt]))
            .response(StatusCode::UNAUTHORIZED, &HeaderMap::new(), Some("4f1c"), &Bytes::new())
            .vendor_error(Some(VendorError::new("token has expired").code("401013")));
        assert_eq!(
            error.to_string(),
            "acme.runs.list: token has expired (HTTP 401, code 401013, request id 4f1c) after 2 attempts"
        );
    }

    #[test]
    fn one_lost_response_makes_the_delivery_unknown_whatever_came_after() {
        let lost = Attempt { delivery: Delivery::Unknown, ..Attempt::begin(DateTime::UNIX_EPOCH) };
        let unsent = Attempt::begin(DateTime::UNIX_EPOCH);
        let mut error = Error::new(ErrorKind::Connect, "");
        assert_eq!(error.delivery(), Delivery::NotSent);
        error.set().call(call(vec![lost, unsent]));
        assert_eq!(error.delivery(), Delivery::Unknown);
        assert!(!error.may_have_run(), "a read is never said to have run");
    }

    #[test]
    fn an_error_keeps_only_the_front_of_a_large_body() {
        let mut error = Error::new(ErrorKind::Server, "");
        let body = Bytes::from(vec![b'x'; BODY_KEPT + 1]);
        error.set().response(StatusCode::BAD_GATEWAY, &HeaderMap::new(), None, &body);
        assert_eq!(error.body().len(), BODY_KEPT);
    }
}
