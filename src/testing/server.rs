//! What the fakes of all vendors have in common: a server on loopback whose state tests can reach, faults that are used
//! up one per request, and a record of what was asked for.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use wiremock::http::{HeaderName, HeaderValue};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::SeenRequest;
pub(super) use super::kit::LISTS_PER_POLL as LISTS_A_STEP;

/// One vendor's behaviour.
pub(super) trait Fake: Send + 'static {
    /// What goes back, before it is sent.
    type Answer: Clone + Send;

    /// What [`SeenRequest::path`] leaves out.
    const BASE_PATH: &'static str;

    /// Where tokens are handed out. Requests to there are not among those [seen](SeenRequest).
    const TOKEN_PATHS: &'static [&'static str] = &[];

    fn desk(&mut self) -> &mut Desk<Self::Answer>;

    /// The answer usual for a failure of this status.
    fn usual(&self, status: u16) -> Self::Answer;

    /// An answer as a test wants it.
    fn raw(status: u16, headers: Vec<(HeaderName, HeaderValue)>, body: &str) -> Self::Answer;

    /// Whether a run is started by this.
    fn is_trigger(&mut self, request: &Request) -> bool {
        let _ = request;
        false
    }

    /// What [`SeenRequest`] keeps of a request.
    fn seen(request: &Request) -> SeenRequest {
        let path = request.url.path();
        let below = path.strip_prefix(Self::BASE_PATH).filter(|below| below.starts_with('/'));
        SeenRequest {
            method: request.method.to_string(),
            path: below.unwrap_or(path).to_owned(),
            query: request.url.query().unwrap_or_default().to_owned(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
        }
    }

    /// Answers a request to one of [`TOKEN_PATHS`](Self::TOKEN_PATHS).
    fn token(&mut self, request: &Request) -> Self::Answer {
        self.serve(request)
    }

    /// Carries an API request out.
    fn serve(&mut self, request: &Request) -> Self::Answer;

    /// The answer as it is sent. hyper adds `Date` where it is missing.
    fn response(&mut self, request: &Request, answer: Self::Answer) -> ResponseTemplate;
}

/// What happens to an API request that is not simply served.
enum Fault<A> {
    /// This is answered; nothing is carried out.
    Answer(A),
    /// The connection breaks.
    Lose(Lost),
}

/// What is lost when a connection breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// The request: nothing is carried out.
    Request,
    /// The answer to what was carried out.
    Answer,
}

/// The part of a fake's state that is the same for all vendors.
pub(super) struct Desk<A> {
    seen: Vec<SeenRequest>,
    faults: VecDeque<Fault<A>>,
    lost_triggers: VecDeque<Lost>,
    token_faults: VecDeque<A>,
    token_requests: usize,
    serial: u64,
    last: DateTime<Utc>,
}

impl<A> Default for Desk<A> {
    fn default() -> Self {
        Self {
            seen: Vec::new(),
            faults: VecDeque::new(),
            lost_triggers: VecDeque::new(),
            token_faults: VecDeque::new(),
            token_requests: 0,
            serial: 0,
            last: DateTime::UNIX_EPOCH,
        }
    }
}

impl<A> Desk<A> {
    /// The time, in milliseconds. Never the same twice, so that orders are certain.
    pub(super) fn now(&mut self) -> DateTime<Utc> {
        let next = self.last + TimeDelta::milliseconds(1);
        self.last = Utc::now().trunc_subsecs(3).max(next);
        self.last
    }

    /// Another number each time, counted up.
    pub(super) fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Another number each time, in no order that a client could come to rely on.
    pub(super) fn mixed_serial(&mut self) -> u64 {
        self.serial().wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// Sixteen digits.
    pub(super) fn new_hex(&mut self) -> String {
        format!("{:016x}", self.mixed_serial())
    }

    pub(super) fn new_uuid(&mut self) -> String {
        let mixed = self.new_hex();
        let (head, tail) = mixed.split_at(8);
        format!("{head}-5a7c-4d1e-9b3f-{:04x}{tail}", self.serial & 0xFFFF)
    }

    pub(super) fn answer_next_token(&mut self, answer: A) {
        self.token_faults.push_back(answer);
    }

    pub(super) fn token_requests(&self) -> usize {
        self.token_requests
    }

    pub(super) fn seen(&self) -> &[SeenRequest] {
        &self.seen
    }

    pub(super) fn answer_next(&mut self, answer: A) {
        self.faults.push_back(Fault::Answer(answer));
    }

    pub(super) fn lose_next(&mut self, lost: Lost) {
        self.faults.push_back(Fault::Lose(lost));
    }

    pub(super) fn lose_next_trigger(&mut self, lost: Lost) {
        self.lost_triggers.push_back(lost);
    }

    /// What is lost of the request that is coming in, if its connection breaks.
    fn loses(&self, is_trigger: bool) -> Option<Lost> {
        match self.faults.front() {
            Some(Fault::Answer(_)) => None,
            Some(Fault::Lose(lost)) => Some(*lost),
            None => self.lost_triggers.front().copied().filter(|_| is_trigger),
        }
    }

    /// Uses up one fault of a request whose connection breaks. What is lost.
    fn break_off(&mut self) -> Option<Lost> {
        match self.faults.pop_front() {
            Some(Fault::Lose(lost)) => Some(lost),
            None => self.lost_triggers.pop_front(),
            // Set after this request came in: it is for the next one.
            Some(fault) => {
                self.faults.push_front(fault);
                None
            }
        }
    }

    /// Uses up one fault of a request that is answered. The answer that it is, if any.
    fn meet_fault(&mut self) -> Option<A> {
        match self.faults.pop_front() {
            Some(Fault::Answer(answer)) => Some(answer),
            // Set after this request came in: it is for the next one.
            Some(fault) => {
                self.faults.push_front(fault);
                None
            }
            None => None,
        }
    }
}

/// The id of a request: the one it brought in this header, or a new one.
pub(super) fn request_id(request: &Request, header: &str, new: String) -> HeaderValue {
    let given = request.headers.get(header).cloned();
    given.unwrap_or_else(|| HeaderValue::try_from(new).unwrap_or(HeaderValue::from_static("fake")))
}

/// Fails a test that asks for an answer that is none.
#[track_caller]
pub(super) fn checked_headers(
    status: u16,
    headers: &[(&str, &str)],
) -> Vec<(HeaderName, HeaderValue)> {
    assert!((200..=599).contains(&status), "no final status: {status}");
    let checked = headers.iter().map(|(name, value)| {
        match (HeaderName::try_from(*name), HeaderValue::try_from(*value)) {
            (Ok(name), Ok(value)) => (name, value),
            _ => panic!("{name:?} with {value:?} is no header"),
        }
    });
    checked.collect()
}

/// Fails a test that asks for a failure that is none.
#[track_caller]
pub(super) fn check_failure(status: u16) {
    assert!((400..=599).contains(&status), "no failure: {status}");
}

/// A server on a random port of 127.0.0.1, and the state it shares with the test. It stops when it is dropped.
pub(super) struct Server<F> {
    server: MockServer,
    state: Arc<Mutex<F>>,
}

impl<F: Fake> Server<F> {
    /// `state` is made from the server's origin.
    pub(super) async fn start(state: impl FnOnce(String) -> F) -> Self {
        let server = MockServer::builder().disable_request_recording().start().await;
        let state = Arc::new(Mutex::new(state(server.uri())));

        let (asked, dropped, answered) = (state.clone(), state.clone(), state.clone());
        Mock::given(move |request: &Request| {
            let to_api = !F::TOKEN_PATHS.contains(&request.url.path());
            let mut fake = super::lock(&asked);
            let is_trigger = to_api && fake.is_trigger(request);
            to_api && fake.desk().loses(is_trigger).is_some()
        })
        .respond_with_err(move |request: &Request| {
            let mut fake = super::lock(&dropped);
            let desk = fake.desk();
            desk.seen.push(F::seen(request));
            if desk.break_off() != Some(Lost::Request) {
                fake.serve(request);
            }
            io::Error::other("the fake breaks this connection")
        })
        .with_priority(1)
        .mount(&server)
        .await;
        Mock::given(any())
            .respond_with(move |request: &Request| serve(&mut *super::lock(&answered), request))
            .mount(&server)
            .await;
        Self { server, state }
    }

    pub(super) fn origin(&self) -> String {
        self.server.uri()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, F> {
        super::lock(&self.state)
    }
}

fn serve<F: Fake>(fake: &mut F, request: &Request) -> ResponseTemplate {
    let desk = fake.desk();
    let to_api = !F::TOKEN_PATHS.contains(&request.url.path());
    let fault = if to_api {
        desk.seen.push(F::seen(request));
        desk.meet_fault()
    } else {
        desk.token_requests += 1;
        desk.token_faults.pop_front()
    };
    let answer = match fault {
        Some(answer) => answer,
        None if to_api => fake.serve(request),
        None => fake.token(request),
    };
    fake.response(request, answer)
}

/// The methods that all fakes have for faults, and for what was seen. The fake has a field `server`.
macro_rules! common_knobs {
    ($fake:ident) => {
        /// Faults, used up one per request of the API, in the order given.
        impl $fake {
            /// Answers the next request with this status and the body usual for it. Nothing is carried out.
            ///
            /// # Panics
            /// If the status is not in 400..=599.
            #[track_caller]
            pub fn fail_next(&self, status: u16) {
                $crate::testing::server::check_failure(status);
                let mut state = self.server.lock();
                let answer = state.usual(status);
                state.desk().answer_next(answer);
            }

            /// Answers the next request with just this, whatever it asks for: a failure of your own, or the answer of an
            /// operation that the fake does not have. Nothing is carried out.
            ///
            /// # Panics
            /// If the status is not in 200..=599, or a header cannot be sent.
            #[track_caller]
            pub fn answer_next_with(&self, status: u16, headers: &[(&str, &str)], body: &str) {
                let headers = $crate::testing::server::checked_headers(status, headers);
                self.server.lock().desk().answer_next(State::raw(status, headers, body));
            }

            /// Carries out the next request, then drops the connection without an answer.
            pub fn lose_next_answer(&self) {
                self.server.lock().desk().lose_next($crate::testing::server::Lost::Answer);
            }

            /// Drops the connection of the next request without carrying it out.
            pub fn lose_next_request(&self) {
                self.server.lock().desk().lose_next($crate::testing::server::Lost::Request);
            }

            /// All requests so far, also those refused or hit by a fault; requests for tokens are not among them.
            #[must_use]
            pub fn requests(&self) -> Vec<$crate::testing::SeenRequest> {
                self.server.lock().desk().seen().to_vec()
            }
        }

        impl ::std::fmt::Debug for $fake {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($fake))
                    .field("base_url", &self.base_url())
                    .field("requests", &self.server.lock().desk().seen().len())
                    .finish_non_exhaustive()
            }
        }
    };
}

/// The methods of fakes whose API starts runs.
macro_rules! trigger_knobs {
    ($fake:ident) => {
        impl $fake {
            /// Carries out the next trigger, then drops the connection without an answer.
            ///
            /// Other faults come first: a trigger they hit leaves this one for the next trigger.
            pub fn lose_next_trigger_answer(&self) {
                self.server.lock().desk().lose_next_trigger($crate::testing::server::Lost::Answer);
            }

            /// Drops the connection of the next trigger without carrying it out.
            ///
            /// Other faults come first, as for [`lose_next_trigger_answer`](Self::lose_next_trigger_answer).
            pub fn lose_next_trigger(&self) {
                self.server.lock().desk().lose_next_trigger($crate::testing::server::Lost::Request);
            }
        }
    };
}

/// The methods of fakes that hand out tokens.
macro_rules! token_knobs {
    ($fake:ident) => {
        impl $fake {
            /// Answers the next request for a token with this status and the body usual for it.
            ///
            /// # Panics
            /// If the status is not in 400..=599.
            #[track_caller]
            pub fn fail_next_token(&self, status: u16) {
                $crate::testing::server::check_failure(status);
                let mut state = self.server.lock();
                let answer = state.usual(status);
                state.desk().answer_next_token(answer);
            }

            /// How often a token was asked for, with success or not.
            #[must_use]
            pub fn token_requests(&self) -> usize {
                self.server.lock().desk().token_requests()
            }
        }
    };
}

pub(super) use {common_knobs, token_knobs, trigger_knobs};
