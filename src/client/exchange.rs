//! One call: attempt, judge, repeat, give up. Not generic: it is compiled once, whatever is sent.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, StatusCode, header};

use super::clock;
use super::credential::{Credential, CredentialContext};
use super::dialect::{Answer, Dialect, Verdict};
use super::link;
use super::redact::Printable;
use super::request::{ApiRequest, Idempotency};
use super::response::Meta;
use super::retry::{self, Decision, Ending};
use super::transport::BodyLimits;
use super::{CallOptions, Core};
use crate::error::{Attempt, Delivery, Error, ErrorKind, Result, TimeoutPhase};
use crate::trace::{self, Span};

/// What all attempts of one call share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'a> {
    pub(super) core: &'a Core,
    pub(super) dialect: &'a dyn Dialect,
    pub(super) credential: Option<&'a dyn Credential>,
    pub(super) options: &'a CallOptions,
    /// When the call's limit runs out. A first turn that the vendor's rate makes it wait for is not counted.
    pub(super) deadline: Instant,
    /// When the caller's own limit runs out, which counts everything.
    pub(super) latest: Option<Instant>,
}

/// Decodes an answer, or says that it cannot be used. It runs inside the loop, for an answer that turns out to be cut
/// short may be asked for again.
pub(super) type Accept<'a> = &'a mut (dyn FnMut(&Meta, &Bytes) -> Result<()> + Send);

/// Writes the request of the call once more.
pub(super) type Write<'a> = &'a (dyn Fn() -> Result<ApiRequest> + Send + Sync);

/// An attempt that failed, and how.
struct Failure {
    ending: Ending,
    error: Error,
}

impl<'a> Session<'a> {
    pub(super) fn new(core: &'a Core, options: &'a CallOptions) -> Self {
        let now = core.clock.now();
        let own = options.deadline.into_iter().chain(options.left).min();
        let limit = options.deadline.unwrap_or(core.limits.call);
        let limit = own.map_or(limit, |own| limit.min(own));
        Self {
            core,
            dialect: &*core.dialect,
            credential: core.credential.as_deref(),
            options,
            deadline: clock::after(now, limit),
            latest: own.map(|own| clock::after(now, own)),
        }
    }

    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(self.core.clock.now())
    }
}

/// Sends the request until it succeeds, may not be repeated, or time runs out.
pub(super) async fn run(
    session: Session<'_>,
    request: ApiRequest,
    write: Write<'_>,
    accept: Accept<'_>,
) -> Result<(Meta, Bytes)> {
    let span = Span::call(&session.core.vendor, &request);
    // Boxed, for it is large, and would be copied by each future around it.
    let ended = span.around(Box::pin(attempts(session, request, write, accept))).await;
    match &ended {
        Ok((meta, _)) => span.ended(&meta.attempts, None),
        Err(error) => span.ended(error.attempts(), Some(error)),
    }
    ended
}

async fn attempts(
    mut session: Session<'_>,
    request: ApiRequest,
    write: Write<'_>,
    accept: Accept<'_>,
) -> Result<(Meta, Bytes)> {
    let core = session.core;
    let operation = request.operation();
    let idempotency = request.idempotency();
    let mut outgoing = dressed(session, request)?;
    // What is sent again is the same to the letter, unless it only reads: that is written anew, which spares the usual
    // call a copy.
    let copy = (idempotency != Idempotency::Safe).then(|| outgoing.clone());
    let tries = session.options.max_attempts.unwrap_or_else(|| core.retry.tries()).max(1);
    let mut attempts: Vec<Attempt> = Vec::with_capacity(1);
    let mut refreshed = false;
    loop {
        let first = attempts.is_empty();
        let latest = if first { session.latest } else { Some(session.deadline) };
        match turn(session, operation, latest).await {
            Ok(waited) if first => {
                let deadline = clock::after(session.deadline, waited);
                session.deadline = latest.map_or(deadline, |latest| deadline.min(latest));
            }
            Ok(_) => {}
            Err(late) => return Err(finish(session, &outgoing, late, attempts)),
        }
        let begun = core.clock.now();
        let mut attempt = Attempt::begin(core.clock.utc());
        let outcome = self::attempt(session, &mut outgoing, &mut attempt, accept).await;
        attempt.elapsed = core.clock.now().saturating_duration_since(begun);
        let mut failure = match outcome {
            Ok((mut meta, body)) => {
                core.budget.success(!attempts.is_empty());
                attempts.push(attempt);
                meta.attempts = attempts;
                meta.sent = Some(Box::new(outgoing.reported()));
                return Ok((meta, body));
            }
            Err(failure) => failure,
        };
        // Now, whatever becomes of the error: it may end as the cause of another one.
        failure.error.set().scrub(&outgoing.secrets());
        attempt.failure = Some(failure.error.kind());
        attempt.may_have_run = failure.ending.may_have_run();
        attempts.push(attempt);

        let decision = retry::decide(idempotency, failure.ending);
        let more = attempts.len() < tries as usize;
        let next = match decision {
            Decision::GiveUp => Next::GiveUp,
            Decision::RefreshAndRepeat if refreshed => Next::GiveUp,
            Decision::RefreshAndRepeat => {
                refreshed = true;
                // Even after the last try: the next call shall not fail for the same stale token.
                match refresh(session, &outgoing).await {
                    Ok(true) if more => Next::Repeat(Duration::ZERO),
                    Ok(_) => Next::GiveUp,
                    Err(error) => {
                        failure.error = failure.error.with_source(error);
                        Next::GiveUp
                    }
                }
            }
            Decision::Repeat if more => pause(session, &failure, attempts.len()),
            Decision::Repeat => Next::GiveUp,
        };
        match next {
            Next::Repeat(pause) => {
                let number = attempts.len();
                if let Some(last) = attempts.last_mut() {
                    last.pause = Some(pause);
                    trace::repeats(number, last, pause);
                }
                if !pause.is_zero() {
                    core.clock.sleep(pause).await;
                }
                if session.left().is_zero() {
                    let late = Error::timeout(TimeoutPhase::Call).with_source(failure.error);
                    return Err(finish(session, &outgoing, late, attempts));
                }
                let again = match &copy {
                    Some(copy) => Ok(copy.clone()),
                    None => write().and_then(|request| dressed(session, request)),
                };
                match again {
                    Ok(again) => outgoing = again,
                    Err(error) => return Err(finish(session, &outgoing, error, attempts)),
                }
            }
            Next::TooLate => {
                let late = Error::timeout(TimeoutPhase::Call).with_source(failure.error);
                return Err(finish(session, &outgoing, late, attempts));
            }
            Next::GiveUp => return Err(finish(session, &outgoing, failure.error, attempts)),
        }
    }
}

fn dressed(session: Session<'_>, mut request: ApiRequest) -> Result<ApiRequest> {
    let dressed = session.dialect.dress(&mut request);
    dressed.map_err(|error| error.with_operation(request.operation()))?;
    Ok(request)
}

/// Waits until the vendor's rate leaves room for one more request. How long that took.
async fn turn(
    session: Session<'_>,
    operation: &'static str,
    latest: Option<Instant>,
) -> Result<Duration> {
    let core = session.core;
    let rate = session.dialect.rate(operation).filter(|_| core.limits.paced);
    let Some(rate) = rate else { return Ok(Duration::ZERO) };
    let now = core.clock.now();
    let latest = latest.unwrap_or_else(|| clock::after(now, Duration::MAX));
    let Some(at) = core.pacer.take(rate, now, latest) else {
        let mut late = Error::timeout(TimeoutPhase::Call);
        let message = "the vendor's rate of requests leaves none before the call's deadline";
        late.set().kind(ErrorKind::Timeout, message);
        return Err(late);
    };
    let pause = at.saturating_duration_since(now);
    if !pause.is_zero() {
        core.clock.sleep(pause).await;
    }
    Ok(pause)
}

enum Next {
    Repeat(Duration),
    TooLate,
    GiveUp,
}

/// Whether there are time and budget for another try, and what pause comes before it.
fn pause(session: Session<'_>, failure: &Failure, tried: usize) -> Next {
    let left = session.left();
    if left.is_zero() {
        return Next::TooLate;
    }
    let limited = matches!(failure.ending, Ending::Answered(StatusCode::TOO_MANY_REQUESTS, _));
    let tried = u32::try_from(tried).unwrap_or(u32::MAX);
    let asked = failure.error.retry_after();
    match session.core.retry.pause(tried, limited, asked, retry::draw(), left) {
        Some(pause) if session.core.budget.take() => Next::Repeat(pause),
        _ => Next::GiveUp,
    }
}

/// Completes the error with what is known about the whole call.
fn finish(
    session: Session<'_>,
    request: &ApiRequest,
    error: Error,
    attempts: Vec<Attempt>,
) -> Error {
    let mut error = error.with_operation(request.operation());
    error.set().call(&session.core.vendor, request, attempts);
    error
}

/// One try: credential, a place in flight, transport, judgement.
async fn attempt(
    session: Session<'_>,
    request: &mut ApiRequest,
    attempt: &mut Attempt,
    accept: Accept<'_>,
) -> Result<(Meta, Bytes), Failure> {
    let Session { core, options, .. } = session;
    let unsent = |error| Failure { ending: Ending::Withheld, error };
    let secret = session.credential.is_some() || request.carries_secrets();
    if secret && !core.allow_plain_http && !link::is_private(request.url()) {
        return Err(unsent(plain_http()));
    }
    if session.credential.is_some() && !link::same_origin(request.url(), &core.base_url) {
        let message = "the request leads to another origin than the base URL; the credential does not go there";
        return Err(unsent(Error::new(ErrorKind::CrossOrigin, message)));
    }
    authenticate(session, request).await.map_err(unsent)?;

    let place = match core.in_flight.try_acquire() {
        Ok(place) => Some(Ok(place)),
        Err(_) => clock::within(session.left(), core.in_flight.acquire()).await,
    };
    let Some(place) = place else {
        return Err(unsent(Error::timeout(TimeoutPhase::Call)));
    };
    let limit = options.attempt_timeout.unwrap_or(core.limits.attempt);
    let left = session.left();
    if left.is_zero() {
        return Err(unsent(Error::timeout(TimeoutPhase::Call)));
    }
    let body = BodyLimits {
        idle: core.limits.idle,
        max_body: options.max_body.unwrap_or(core.limits.max_body),
    };
    let sent = core.transport.send(request.clone(), body);
    let sent = clock::within(limit.min(left), sent).await;
    drop(place);

    let answer = match sent {
        None => {
            attempt.delivery = Delivery::Unknown;
            let phase = if left <= limit { TimeoutPhase::Call } else { TimeoutPhase::Attempt };
            return Err(Failure { ending: Ending::Lost, error: Error::timeout(phase) });
        }
        Some(Err(mut error)) => {
            let ending = error.ending();
            if ending.may_have_run() {
                attempt.delivery = Delivery::Unknown;
            }
            let head = error.take_head();
            let mut error = error.into_error();
            if let Some((status, headers)) = head {
                attempt.status = Some(status);
                attempt.request_id = request_id(session, request, &headers);
                error.set().answer(status, &headers, attempt.request_id.as_deref(), &Bytes::new());
            }
            return Err(Failure { ending, error });
        }
        Some(Ok(answer)) => answer,
    };

    let (head, body) = answer.into_parts();
    let mut meta = Meta::new(request, head);
    meta.request_id = request_id(session, request, &meta.headers);
    attempt.delivery = Delivery::Answered;
    attempt.status = Some(meta.status);
    let judged = judge(session, request, &mut meta, &body, accept);
    attempt.request_id.clone_from(&meta.request_id);
    match judged {
        Ok(()) => Ok((meta, body)),
        Err(mut failure) => {
            if failure.ending == Ending::Lost {
                attempt.delivery = Delivery::Unknown;
            }
            failure.error.set().answer(
                meta.status,
                &meta.headers,
                meta.request_id.as_deref(),
                &body,
            );
            Err(failure)
        }
    }
}

/// The vendor's id for the request, without the secrets that a server may echo in it.
fn request_id(session: Session<'_>, request: &ApiRequest, headers: &HeaderMap) -> Option<Box<str>> {
    let id = session.dialect.request_id(headers)?;
    Some(request.secrets().scrub(id).into())
}

/// Judges a complete answer: redirects first, then the vendor's dialect, then whether it can be decoded.
fn judge(
    session: Session<'_>,
    request: &ApiRequest,
    meta: &mut Meta,
    body: &Bytes,
    accept: Accept<'_>,
) -> Result<(), Failure> {
    let status = meta.status;
    if status.is_redirection() {
        let ending = Ending::Answered(status, super::Advice::None);
        return Err(Failure { ending, error: redirected(session, request, meta) });
    }
    let answer = Answer { operation: meta.operation, status, headers: &meta.headers, body };
    if let Verdict::Failure(refusal) = session.dialect.judge(&answer) {
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
        error.set().vendor_error(refusal.error).retry_after(asked.max(refusal.pause));
        return Err(Failure { ending: Ending::Answered(refusal.status, refusal.advice), error });
    }
    if let Some(coding) = content_coding(&meta.headers).filter(|_| !body.is_empty()) {
        let message = format!(
            "the answer is compressed ({coding}) although that was not asked for; a transport with a builder of your own can unpack it"
        );
        let error = Error::new(ErrorKind::UnexpectedContent, message);
        return Err(Failure { ending: Ending::Unreadable(Some(status)), error });
    }
    accept(meta, body).map_err(|mut error| {
        // JSON that ends too early, in a body whose end nothing marked, is a broken connection.
        if error.was_cut_short() && meta.end_unmarked && !body.is_empty() {
            error.set().kind(ErrorKind::Interrupted, "");
            return Failure { ending: Ending::Lost, error };
        }
        Failure { ending: Ending::Unreadable(Some(status)), error }
    })
}

/// How a body is still packed. A transport that unpacks takes the header away.
fn content_coding(headers: &HeaderMap) -> Option<Printable<'_>> {
    let coding = headers.get(header::CONTENT_ENCODING)?.to_str().unwrap_or("unknown").trim();
    (!coding.is_empty() && !coding.eq_ignore_ascii_case("identity")).then_some(Printable(coding))
}

/// A redirect is never followed: it would carry the credential away, or turn a trigger into something else.
fn redirected(session: Session<'_>, request: &ApiRequest, meta: &Meta) -> Error {
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
        None => {
            Error::new(ErrorKind::Rejected, "redirected to nowhere: the answer has no location")
        }
    }
}

pub(super) fn plain_http() -> Error {
    Error::config(
        "a credential would travel in clear text over plain http; use https, or call `allow_plain_http` if the network is yours",
    )
}

/// Puts the credential on the request, whatever the credential does: fail, hang, or panic.
async fn authenticate(session: Session<'_>, request: &mut ApiRequest) -> Result<()> {
    let Some(credential) = session.credential else { return Ok(()) };
    let context = CredentialContext { session };
    guarded(session, credential.apply(request, &context)).await
}

async fn refresh(session: Session<'_>, rejected: &ApiRequest) -> Result<bool> {
    let Some(credential) = session.credential else { return Ok(false) };
    let context = CredentialContext { session };
    guarded(session, credential.refresh(rejected, &context)).await
}

async fn guarded<T>(session: Session<'_>, work: impl Future<Output = Result<T>>) -> Result<T> {
    match clock::within(session.left(), AssertUnwindSafe(work).catch_unwind()).await {
        None => Err(Error::timeout(TimeoutPhase::Auth)),
        Some(Err(_)) => Err(Error::new(ErrorKind::Auth, "the credential panicked")),
        Some(Ok(Err(error))) if matches!(error.kind(), ErrorKind::Auth | ErrorKind::Config) => {
            Err(error)
        }
        Some(Ok(Err(error))) => {
            let message = format!("the credential gave no token: {error}");
            Err(Error::new(ErrorKind::Auth, message).with_source(error))
        }
        Some(Ok(Ok(done))) => Ok(done),
    }
}
