//! One call: attempt, judge, retry, give up. Not generic: it is compiled once, whatever is sent.

use std::fmt::{self, Debug};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode, header};
use tokio::sync::Semaphore;
use url::Url;

use super::clock::{self, Clock};
use super::credential::{Credential, CredentialContext};
use super::dialect::{Advice, Dialect, RawResponse, Verdict};
use super::finished::OnCall;
use super::lease::{Expiry, Lease};
use super::limits::{CallLimits, CallOptions, Limits};
use super::link;
use super::rate::Pacer;
use super::request::{ApiRequest, Idempotency};
use super::response::Meta;
use super::retry::{self, Decision, Ending, RetryBudget, RetryPolicy};
use super::trace;
use super::transport::{BodyLimits, Transport};
use crate::error::{Attempt, CallFacts, Delivery, Error, ErrorKind, Result, TimeoutPhase};
use crate::redact::{Printable, ShownUrl};
use crate::vendor::Vendor;
use crate::wire::drift::DriftReporter;

/// What all calls of one client share.
pub(super) struct Core {
    pub(super) vendor: Vendor,
    pub(super) base_url: Url,
    /// Another server that the credential may go to.
    pub(super) other_server: Option<Url>,
    pub(super) scope: Option<Box<str>>,
    pub(super) dialect: Arc<dyn Dialect>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) credential: Option<Arc<dyn Credential>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) user_agent: header::HeaderValue,
    pub(super) limits: Limits,
    pub(super) retry: RetryPolicy,
    pub(super) budget: RetryBudget,
    pub(super) pacer: Pacer,
    pub(super) in_flight: Semaphore,
    pub(super) allow_plain_http: bool,
    pub(super) drift: Option<DriftReporter>,
    pub(super) on_call: Option<OnCall>,
}

impl Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("vendor", &self.vendor)
            .field("base_url", &ShownUrl(&self.base_url).to_string())
            .field("credential", &self.credential.as_ref().map(|_| "[redacted]"))
            .field("transport", &self.transport)
            .field("limits", &self.limits)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// Adds what every request of this client carries, whichever the vendor.
    pub(super) fn complete(&self, mut request: ApiRequest) -> ApiRequest {
        request.insert_default(header::USER_AGENT, &self.user_agent);
        if let Some(reporter) = &self.drift {
            request.set_extension(reporter.clone());
        }
        request
    }
}

/// What all attempts of one call share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'a> {
    pub(super) core: &'a Core,
    pub(super) dialect: &'a dyn Dialect,
    pub(super) credential: Option<&'a dyn Credential>,
    pub(super) options: &'a CallOptions,
    pub(super) lease: Option<Lease>,
    /// When the call must have ended. [`run`] adds the client's own limit to what the caller has set.
    pub(super) deadline: Option<Instant>,
}

/// Decodes a response, or says that it cannot be used. It runs inside the loop: a response that turns out to be cut short may
/// be asked for again.
pub(super) type Accept<'a> = &'a mut (dyn FnMut(&Meta, &Bytes) -> Result<()> + Send);

/// Writes the request of the call. It is the same each time: [`Endpoint::to_request`](super::Endpoint::to_request) is pure.
pub(super) type Write<'a> = &'a (dyn Fn() -> Result<ApiRequest> + Send + Sync);

/// An attempt that failed, and how.
struct FailedAttempt {
    ending: Ending,
    error: Error,
}

impl<'a> Session<'a> {
    /// A session whose only deadline is the caller's, if it has one.
    pub(super) fn new(core: &'a Core, limits: &'a CallLimits) -> Self {
        let options = &limits.options;
        let own = options.deadline.into_iter().chain(limits.time_left).min();
        Self {
            core,
            dialect: &*core.dialect,
            credential: core.credential.as_deref(),
            options,
            lease: limits.lease,
            deadline: own.map(|own| clock::after(core.clock.now(), own)),
        }
    }

    pub(super) fn left(&self) -> Duration {
        let left = |deadline: Instant| deadline.saturating_duration_since(self.core.clock.now());
        self.deadline.map_or(Duration::MAX, left)
    }

    /// The request of the next attempt, without its credential.
    fn written(&self, write: Write<'_>) -> Result<ApiRequest> {
        let mut request = write()?;
        let prepared = self.dialect.prepare(&mut request);
        prepared.map_err(|error| error.with_operation(request.operation()))?;
        Ok(request)
    }
}

/// Sends the request until it succeeds, may not be retried, or time runs out.
///
/// Boxed, and without its type: it is compiled here, not in each program again, and that what is inside is `Send` is proved once.
pub(super) fn run<'a>(
    mut session: Session<'a>,
    write: Write<'a>,
    accept: Accept<'a>,
) -> BoxFuture<'a, Result<(Box<Meta>, Bytes)>> {
    Box::pin(async move {
        let request = session.written(write)?;
        let core = session.core;
        let span = trace::call_span(&core.vendor, &request);
        let observed =
            core.on_call.as_ref().map(|on_call| (on_call, request.clone(), core.clock.now()));
        let ended = {
            let work = pin!(attempts(&mut session, request, write, accept));
            trace::inside(&span, work).await
        };
        let (attempts, failure) = match &ended {
            Ok((meta, _)) => (&*meta.attempts, None),
            Err(error) => (error.attempts(), Some(error.kind())),
        };
        trace::call_ended(&span, attempts, failure);
        if let Some((on_call, request, begun)) = observed {
            let elapsed = core.clock.now().saturating_duration_since(begun);
            on_call.report(&core.vendor, &request, attempts, failure, elapsed);
        }
        ended
    })
}

async fn attempts(
    session: &mut Session<'_>,
    mut request: ApiRequest,
    write: Write<'_>,
    accept: Accept<'_>,
) -> Result<(Box<Meta>, Bytes)> {
    let core = session.core;
    let max_attempts = session.options.max_attempts.unwrap_or_else(|| core.retry.attempts()).max(1);
    let mut attempts: Vec<Attempt> = Vec::with_capacity(1);
    let mut refreshed = false;
    let mut last = None;
    loop {
        // The vendor's rate limit comes first, so that an attempt never waits with a credential that may expire meanwhile.
        if let Err(late) = permit(session, request.operation()).await {
            let late = match last {
                Some(last) => late.with_source(last),
                None => late,
            };
            return Err(finish(session, &request, late, attempts));
        }
        let begun = core.clock.now();
        if attempts.is_empty() {
            // The client's own limit counts from here: waiting for the rate limit is not the vendor being slow. A deadline that
            // the caller has set counts from the start, and is in `session.deadline` already.
            let limit = session.options.deadline.unwrap_or(core.limits.call);
            let own = clock::after(begun, limit);
            session.deadline = Some(session.deadline.map_or(own, |deadline| deadline.min(own)));
        }

        request.set_attempt(attempts.len());
        let mut record = Attempt::begin(core.clock.utc());
        let outcome = attempt(session, &mut request, &mut record, accept).await;
        record.elapsed = core.clock.now().saturating_duration_since(begun);
        let mut failed = match outcome {
            Ok((mut meta, body)) => {
                core.budget.success(!attempts.is_empty());
                attempts.push(record);
                meta.attempts = attempts;
                meta.sent = Some(request.reported());
                return Ok((meta, body));
            }
            Err(failed) => failed,
        };
        // Secrets are removed at once, whatever becomes of the error: it may end as the cause of another one.
        failed.error.set().scrub(&request.secrets());
        record.failure = Some(failed.error.kind());
        record.may_have_run = failed.ending.may_have_run();
        attempts.push(record);

        let more = attempts.len() < max_attempts as usize;
        let pause = match retry::decide(request.idempotency(), failed.ending) {
            Decision::RefreshAndRetry if !refreshed => {
                refreshed = true;
                // Even after the last attempt: the next call must not fail for the same stale token.
                match refresh(session, &request).await {
                    Ok(true) if more => Some(Duration::ZERO),
                    Ok(_) => None,
                    Err(error) => {
                        failed.error = failed.error.with_source(error);
                        None
                    }
                }
            }
            Decision::Retry if more => {
                if session.left().is_zero() {
                    return Err(finish(session, &request, too_late(failed.error), attempts));
                }
                pause(session, &failed, attempts.len())
            }
            Decision::Retry | Decision::RefreshAndRetry | Decision::GiveUp => None,
        };
        let Some(pause) = pause else {
            return Err(finish(session, &request, failed.error, attempts));
        };

        let number = attempts.len();
        if let Some(last) = attempts.last_mut() {
            last.pause = Some(pause);
            trace::retries(number, last, pause);
        }
        if !pause.is_zero() {
            core.clock.sleep(pause).await;
        }
        // The pause may have taken the rest of the time, and a refreshed token did so if it was slow.
        if session.left().is_zero() {
            return Err(finish(session, &request, too_late(failed.error), attempts));
        }
        last = Some(failed.error);
        // Written again, not sent again: the request carries the credential of the attempt that failed.
        request = match session.written(write) {
            Ok(request) => request,
            Err(error) => return Err(finish(session, &request, error, attempts)),
        };
    }
}

/// Waits until the vendor's rate limit admits one more request, or says that it does not before the deadline.
async fn permit(session: &Session<'_>, operation: &'static str) -> Result<()> {
    let core = session.core;
    let rate = session.dialect.rate(operation).filter(|_| core.limits.paced);
    let Some(rate) = rate else { return Ok(()) };
    let far = || clock::after(core.clock.now(), Duration::MAX);
    let latest = session.deadline.unwrap_or_else(far);
    if core.pacer.permit(rate, &core.clock, latest).await {
        return Ok(());
    }
    let mut late = Error::timeout(TimeoutPhase::Call);
    let message = "the vendor's rate limit admits no request before the call's deadline";
    late.set().kind(ErrorKind::Timeout, message);
    Err(late)
}

fn too_late(error: Error) -> Error {
    Error::timeout(TimeoutPhase::Call).with_source(error)
}

/// The pause before the next attempt; `None` if time or budget do not allow one.
fn pause(session: &Session<'_>, failed: &FailedAttempt, attempts: usize) -> Option<Duration> {
    let limited = matches!(failed.ending, Ending::Answered(StatusCode::TOO_MANY_REQUESTS, _));
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    let asked = failed.error.retry_after();
    let policy = &session.core.retry;
    let pause = policy.pause(attempts, limited, asked, retry::draw(), session.left())?;
    session.core.budget.take().then_some(pause)
}

/// Completes the error with what is known about the whole call.
fn finish(
    session: &Session<'_>,
    request: &ApiRequest,
    error: Error,
    attempts: Vec<Attempt>,
) -> Error {
    let mut error = error.with_operation(request.operation());
    error.set().longest_pause(session.core.retry.server_pause()).call(CallFacts {
        vendor: session.core.vendor.clone(),
        request: request.line().into(),
        curl: request.curl().to_string().into(),
        not_idempotent: request.idempotency() == Idempotency::NotIdempotent,
        attempts,
    });
    error
}

/// One attempt: credential, a place among the requests in flight, transport, judgement.
async fn attempt(
    session: &Session<'_>,
    request: &mut ApiRequest,
    record: &mut Attempt,
    accept: Accept<'_>,
) -> Result<(Box<Meta>, Bytes), FailedAttempt> {
    let Session { core, options, .. } = *session;
    let unsent = |error| FailedAttempt { ending: Ending::Refused, error };

    // No secret leaves for another host, or in clear text: checked before the credential is even asked for.
    let secret = session.credential.is_some() || request.carries_secrets();
    if secret && !core.allow_plain_http && !link::is_private(request.url()) {
        return Err(unsent(plain_http()));
    }
    let mut servers = core.other_server.iter().chain([&core.base_url]);
    let is_own = servers.any(|server| link::same_origin(request.url(), server));
    if session.credential.is_some() && !is_own {
        let message = "the request leads to another origin than the base URL; the credential does not go there";
        return Err(unsent(Error::new(ErrorKind::CrossOrigin, message)));
    }
    authenticate(session, request).await.map_err(unsent)?;

    // The credential may have sent requests of its own, so it must not hold a place in flight while it does.
    let in_flight = match core.in_flight.try_acquire() {
        Ok(permit) => Some(Ok(permit)),
        Err(_) => clock::within(|| session.left(), core.in_flight.acquire()).await,
    };
    let left = session.left();
    let Some(in_flight) = in_flight.filter(|_| !left.is_zero()) else {
        return Err(unsent(Error::timeout(TimeoutPhase::Call)));
    };
    let mut limit = options.attempt_timeout.unwrap_or(core.limits.attempt);
    let body = BodyLimits {
        idle: core.limits.idle,
        max_body: options.max_body.unwrap_or(core.limits.max_body),
    };
    let lease = session.lease.filter(|_| request.idempotency() == Idempotency::NotIdempotent);
    if let Some(lease) = lease {
        if lease.is_over(&*core.clock) {
            return Err(unsent(Lease::refusal()));
        }
        limit = limit.min(lease.arrival());
        // The transport checks once more, after it has connected.
        request.set_extension(Expiry::new(lease, Arc::clone(&core.clock)));
    }
    let sent = core.transport.send(request.clone(), body);
    let sent = clock::within(|| limit.min(left), sent).await;
    drop(in_flight);

    let received = match sent {
        // The limit ran out while the request was under way: nobody knows what became of it.
        None => {
            record.delivery = Delivery::Unknown;
            let phase = if left <= limit { TimeoutPhase::Call } else { TimeoutPhase::Attempt };
            return Err(FailedAttempt { ending: Ending::Lost, error: Error::timeout(phase) });
        }
        // No complete response; its head may have come.
        Some(Err(mut error)) => {
            let ending = error.ending();
            if ending.may_have_run() {
                record.delivery = Delivery::Unknown;
            } else if lease.is_some_and(|lease| lease.is_over(&*core.clock)) {
                return Err(unsent(Lease::refusal().with_source(error.into_error())));
            }
            let head = error.take_head();
            let mut error = error.into_error();
            if let Some((status, headers)) = head {
                record.status = Some(status);
                record.request_id = request_id(session, request, &headers);
                error.set().response(status, &headers, record.request_id.as_deref(), &Bytes::new());
            }
            return Err(FailedAttempt { ending, error });
        }
        Some(Ok(received)) => received,
    };

    let (head, body) = received.into_parts();
    let body = without_mark(body);
    let mut meta = Box::new(Meta::new(request, head));
    meta.request_id = request_id(session, request, &meta.headers);
    record.delivery = Delivery::Answered;
    record.status = Some(meta.status);
    let judged = judge(session, request, &mut meta, &body, accept);
    record.request_id.clone_from(&meta.request_id);
    match judged {
        Ok(()) => Ok((meta, body)),
        Err(mut failed) => {
            // A body that was cut short without a mark: the response did not come whole after all.
            if failed.ending == Ending::Lost {
                record.delivery = Delivery::Unknown;
            }
            let id = meta.request_id.as_deref();
            failed.error.set().response(meta.status, &meta.headers, id, &body);
            Err(failed)
        }
    }
}

/// The vendor's id for the request, without the secrets that a server may echo in it.
fn request_id(
    session: &Session<'_>,
    request: &ApiRequest,
    headers: &HeaderMap,
) -> Option<Box<str>> {
    let id = session.dialect.request_id(headers)?;
    Some(request.secrets().scrub(id).into())
}

/// Judges a complete response: redirects first, then the vendor's dialect, then whether it can be decoded.
fn judge(
    session: &Session<'_>,
    request: &ApiRequest,
    meta: &mut Meta,
    body: &Bytes,
    accept: Accept<'_>,
) -> Result<(), FailedAttempt> {
    let status = meta.status;
    let unreadable = Ending::Unreadable(Some(status));
    if matches!(status.as_u16(), 100..=199 | 206) {
        let message =
            "the response is a part of a file or of another protocol, which nobody requested";
        let error = Error::new(ErrorKind::UnexpectedContent, message);
        return Err(FailedAttempt { ending: unreadable, error });
    }
    if status.is_success() && body.is_empty() && meta.end_unmarked && !meta.may_be_empty {
        let message = "the connection ended after the head of the response";
        let error = Error::new(ErrorKind::Interrupted, message);
        return Err(FailedAttempt { ending: Ending::Lost, error });
    }
    if status.is_redirection() {
        let ending = Ending::Answered(status, Advice::None);
        return Err(FailedAttempt { ending, error: redirected(session, request, meta) });
    }
    let answer = RawResponse { operation: meta.operation, status, headers: &meta.headers, body };
    if let Verdict::Refused(refusal) = session.dialect.judge(&answer) {
        let asked = retry::retry_after(&meta.headers, session.core.clock.utc());
        if let Some(id) = refusal.request_id {
            meta.request_id = Some(request.secrets().scrub(&id).into());
        }
        let mut message = refusal.message;
        let is_bare = session.credential.is_none() && !request.is_confidential();
        if is_bare && refusal.kind == ErrorKind::Auth {
            let bare = "the client has no credential; pass one to `ClientBuilder::credential`";
            let and = if message.is_empty() { "" } else { ": " };
            message = format!("{bare}{and}{message}").into();
        }
        let mut error = Error::new(refusal.kind, message);
        let is_renewable = refusal.advice == Advice::Refresh
            && session.credential.is_some_and(Credential::is_renewable);
        error
            .set()
            .vendor_error(refusal.error)
            .retry_after(asked.max(refusal.pause))
            .renewable(is_renewable);
        return Err(FailedAttempt {
            ending: Ending::Answered(refusal.status, refusal.advice),
            error,
        });
    }
    if let Some(coding) = content_coding(&meta.headers).filter(|_| !body.is_empty()) {
        let message = format!(
            "the response is compressed ({coding}) although that was not asked for; a transport made from your own builder can unpack it"
        );
        let error = Error::new(ErrorKind::UnexpectedContent, message);
        return Err(FailedAttempt { ending: unreadable, error });
    }
    accept(meta, body).map_err(|mut error| {
        // JSON that ends too early, in a body whose end nothing marked, is a broken connection.
        if error.was_cut_short() && meta.end_unmarked && !body.is_empty() {
            error.set().kind(ErrorKind::Interrupted, "");
            return FailedAttempt { ending: Ending::Lost, error };
        }
        FailedAttempt { ending: unreadable, error }
    })
}

/// Some gateways put a byte order mark before JSON and HTML. A file that is not one of these keeps it.
fn without_mark(mut body: Bytes) -> Bytes {
    let marked = body.strip_prefix("\u{feff}".as_bytes()).map(<[u8]>::trim_ascii_start);
    if marked.is_some_and(|text| matches!(text.first(), Some(b'{' | b'[' | b'<'))) {
        body.advance(3);
    }
    body
}

/// How a body is still packed. A transport that unpacks takes the header away.
fn content_coding(headers: &HeaderMap) -> Option<Printable<'_>> {
    let coding = headers.get(header::CONTENT_ENCODING)?.to_str().unwrap_or("unknown").trim();
    (!coding.is_empty() && !coding.eq_ignore_ascii_case("identity")).then_some(Printable(coding))
}

/// A redirect is never followed: it would carry the credential away, or turn a trigger into something else.
fn redirected(session: &Session<'_>, request: &ApiRequest, meta: &Meta) -> Error {
    let target = meta.headers.get(header::LOCATION).and_then(|target| target.to_str().ok());
    match target.map(|target| link::resolve(request.url(), target)) {
        Some(Err(error)) => error,
        Some(Ok(url)) => {
            let advice = match link::moved_base(&session.core.base_url, request.url(), &url) {
                Some(base) => format!("set the base URL to {base}"),
                None => "set the base URL accordingly".to_owned(),
            };
            let message = format!("redirected to the path {}; {advice}", url.path());
            Error::new(ErrorKind::Rejected, message)
        }
        None => Error::new(ErrorKind::Rejected, "redirect without a `Location` header"),
    }
}

pub(super) fn plain_http() -> Error {
    Error::config(
        "a credential would travel in clear text over plain http; use https, or call `allow_plain_http` if the network is yours",
    )
}

/// Puts the credential on the request, whatever the credential does: fail, hang, or panic.
async fn authenticate(session: &Session<'_>, request: &mut ApiRequest) -> Result<()> {
    let Some(credential) = session.credential else { return Ok(()) };
    let context = CredentialContext { session: *session };
    guarded(session, credential.apply(request, &context)).await
}

async fn refresh(session: &Session<'_>, rejected: &ApiRequest) -> Result<bool> {
    let Some(credential) = session.credential else { return Ok(false) };
    let context = CredentialContext { session: *session };
    guarded(session, credential.refresh(rejected, &context)).await
}

async fn guarded<T>(session: &Session<'_>, work: impl Future<Output = Result<T>>) -> Result<T> {
    match clock::within(|| session.left(), AssertUnwindSafe(work).catch_unwind()).await {
        None => Err(Error::timeout(TimeoutPhase::Auth)),
        Some(Err(_)) => Err(Error::new(ErrorKind::Auth, "the credential panicked")),
        Some(Ok(Err(error))) if matches!(error.kind(), ErrorKind::Auth | ErrorKind::Config) => {
            Err(error)
        }
        Some(Ok(Err(error))) => {
            let message = format!("the credential gave no token: {error}");
            let mut no_token = Error::new(ErrorKind::Auth, message);
            no_token.set().retry_after(error.retry_after());
            Err(no_token.with_source(error))
        }
        Some(Ok(Ok(done))) => Ok(done),
    }
}
