//! What a vendor adds to a fake server, and the part of its state that is the same for all vendors.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::json;

use crate::client::Clock;
use crate::testing::ManualClock;

use super::webhook::{Outbox, Webhook};
use super::{End, NewRun, OAuthError, ParsedRequest, Plan, Response, SeenRequest, TokenForm};

/// What comes of a request: a response, or why there is none yet.
pub(in crate::testing) type Reply<S> = Result<Response, <S as FakeState>::Refusal>;

/// What one vendor's fake remembers, and how it behaves.
pub trait FakeState: Sized + Send + 'static {
    /// Why a request is refused. What it looks like is decided as it is sent.
    type Refusal: Clone + Send + 'static;

    /// The name of the fake.
    const NAME: &'static str;
    /// What [`SeenRequest::path`] leaves out.
    const BASE_PATH: &'static str;
    /// Where tokens are handed out. Requests to there are not among those [seen](SeenRequest).
    const TOKEN_PATHS: &'static [&'static str] = &[];
    /// How long they last.
    const TOKEN_SECONDS: u32 = 3600;
    /// What is run, in the words of the vendor.
    const TARGET: &'static str;
    /// What [`FakeServer::finish`](super::FakeServer::finish) ends.
    const RUN: &'static str = "run";
    /// What plans and new runs may ask for that not every vendor has.
    const VERBS: &'static [&'static str];

    /// A fake with its demo data. The origin is that of the server.
    fn new(origin: String) -> Self;

    fn kit(&mut self) -> &mut Kit<Self>;

    /// The state of a run that ended like this; `None` if the vendor has no such end.
    fn end_state(end: End) -> Option<&'static str>;

    /// Adds a run; `None` if there is no such target.
    fn add_run(&mut self, target: &str, run: NewRun) -> Option<String>;

    /// Starts a run that nobody triggered through this API; `None` if there is no such target.
    fn trigger_from_elsewhere(&mut self, target: &str) -> Option<String>;

    /// Ends a run; `None` if there is no such run.
    fn finish(&mut self, run: &str, state: &str) -> Option<()>;

    /// Hands out a token.
    fn new_token(&mut self) -> String {
        self.kit().new_token()
    }

    /// Refuses all tokens handed out so far.
    fn expire_tokens(&mut self) {
        let kit = self.kit();
        kit.expired_tokens.append(&mut kit.tokens);
    }

    /// Whether the request starts a run.
    fn is_trigger(&mut self, call: &ParsedRequest<Self>) -> bool {
        let _ = call;
        false
    }

    /// A query or a body as [`SeenRequest`] shows it: without secrets.
    fn without_secrets(sent: &str) -> String {
        sent.to_owned()
    }

    /// Checks who asks for a token by client credentials, and for what.
    fn check_client(call: &ParsedRequest<Self>, form: TokenForm) -> Result<(), OAuthError> {
        let _ = (call, form);
        Err(("invalid_client", "no client is known"))
    }

    /// Serves a request to one of [`TOKEN_PATHS`](Self::TOKEN_PATHS): that of OAuth 2.0 for client credentials, unless
    /// the vendor has another.
    fn token(&mut self, call: &ParsedRequest<Self>) -> Reply<Self> {
        let checked = call.token_form().and_then(|form| Self::check_client(call, form));
        Ok(match checked {
            Ok(()) => {
                let token = self.new_token();
                let lifetime = Self::TOKEN_SECONDS;
                let body = json!({ "access_token": token, "token_type": "bearer", "expires_in": lifetime });
                Response::json(200, body)
            }
            Err((error, description)) => {
                Response::json(400, json!({ "error": error, "error_description": description }))
            }
        })
    }

    /// Carries out a request to the API.
    fn serve(&mut self, call: &ParsedRequest<Self>) -> Reply<Self>;

    /// The refusal that usually comes with this status.
    fn usual(status: u16) -> Self::Refusal;

    /// The refusal of a request that is not as the API defines it.
    fn bad_request(message: &str) -> Self::Refusal;

    /// The response as it is sent, with the headers that all responses have.
    fn complete(&mut self, call: &ParsedRequest<Self>, reply: Reply<Self>) -> Response;

    /// The headers of a webhook with this body. Fails the test if it cannot be signed.
    #[track_caller]
    fn webhook_headers(body: &str) -> Vec<(String, String)> {
        let _ = body;
        Vec::new()
    }

    #[track_caller]
    fn new_webhook(body: &str) -> Webhook {
        let headers = Self::webhook_headers(body);
        Webhook { headers, body: body.to_owned(), status: None }
    }

    /// What is lost of the request that is coming in, if its connection breaks.
    fn loses(&mut self, call: &ParsedRequest<Self>) -> Option<Lost> {
        if call.is_for_token() {
            return None;
        }
        let is_trigger = self.is_trigger(call);
        self.kit().loses(is_trigger)
    }
}

/// What happens to a request of the API that is not simply served.
enum Fault<S: FakeState> {
    /// This is the response; nothing is carried out.
    Respond(Reply<S>),
    /// The connection breaks.
    Lose(Lost),
}

/// What is lost when a connection breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The request: nothing is carried out.
    Request,
    /// The response to what was carried out.
    Response,
}

/// The part of a fake's state that is the same for all vendors.
pub struct Kit<S: FakeState> {
    pub(super) seen: Vec<SeenRequest>,
    faults: VecDeque<Fault<S>>,
    lost_triggers: VecDeque<Lost>,
    pub(super) token_faults: VecDeque<S::Refusal>,
    pub(super) token_requests: usize,
    /// Tokens that are valid now, where they are plain text.
    pub tokens: Vec<String>,
    pub expired_tokens: Vec<String>,
    pub(super) plans: VecDeque<Plan>,
    /// For how long lists leave out a run that was triggered.
    pub(super) late: Duration,
    triggers: BTreeMap<String, usize>,
    /// Whether runs stay as they are.
    pub held: bool,
    /// Shows the time, if it is not that of the machine.
    pub(super) clock: Option<ManualClock>,
    pub(super) outbox: Outbox,
    serial: u64,
    last: DateTime<Utc>,
}

impl<S: FakeState> Default for Kit<S> {
    fn default() -> Self {
        Self {
            seen: Vec::new(),
            faults: VecDeque::new(),
            lost_triggers: VecDeque::new(),
            token_faults: VecDeque::new(),
            token_requests: 0,
            tokens: Vec::new(),
            expired_tokens: Vec::new(),
            plans: VecDeque::new(),
            late: Duration::ZERO,
            triggers: BTreeMap::new(),
            held: false,
            clock: None,
            outbox: Outbox::default(),
            serial: 0,
            last: DateTime::UNIX_EPOCH,
        }
    }
}

impl<S: FakeState> Kit<S> {
    /// The time, in milliseconds. Never the same twice, so that the order of things is certain.
    pub fn now(&mut self) -> DateTime<Utc> {
        let next = self.last + TimeDelta::milliseconds(1);
        let now = self.clock.as_ref().map_or_else(Utc::now, Clock::utc);
        self.last = now.trunc_subsecs(3).max(next);
        self.last
    }

    /// Another number each time, counted up.
    pub fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Another number each time, in an order that no client can rely on.
    pub fn mixed_serial(&mut self) -> u64 {
        self.serial().wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// Sixteen digits.
    pub fn new_hex(&mut self) -> String {
        format!("{:016x}", self.mixed_serial())
    }

    pub fn new_uuid(&mut self) -> String {
        let mixed = self.new_hex();
        let (head, tail) = mixed.split_at(8);
        format!("{head}-5a7c-4d1e-9b3f-{:04x}{tail}", self.serial & 0xFFFF)
    }

    /// Hands out a token.
    pub fn new_token(&mut self) -> String {
        let token = format!("fake-access-token-{}", self.new_hex());
        self.tokens.push(token.clone());
        token
    }

    /// The plan of a run that is starting.
    pub fn next_plan(&mut self) -> Plan {
        let mut plan = self.plans.pop_front().unwrap_or_default();
        plan.late = plan.late.max(self.late);
        plan
    }

    /// Counts a trigger of this target.
    pub fn count_trigger(&mut self, target: &str) {
        *self.triggers.entry(target.to_owned()).or_default() += 1;
    }

    pub(super) fn triggers(&self, target: &str) -> usize {
        self.triggers.get(target).copied().unwrap_or_default()
    }

    /// Sends or holds a webhook with this body, if anybody wants it.
    pub fn notify(&mut self, body: &str) {
        if self.outbox.is_open() {
            self.outbox.post(S::new_webhook(body));
        }
    }

    /// Responds to the next request with this.
    pub fn respond_next(&mut self, reply: Reply<S>) {
        self.faults.push_back(Fault::Respond(reply));
    }

    pub(super) fn lose_next(&mut self, lost: Lost) {
        self.faults.push_back(Fault::Lose(lost));
    }

    pub(super) fn lose_next_trigger(&mut self, lost: Lost) {
        self.lost_triggers.push_back(lost);
    }

    fn loses(&self, is_trigger: bool) -> Option<Lost> {
        match self.faults.front() {
            Some(Fault::Respond(_)) => None,
            Some(Fault::Lose(lost)) => Some(*lost),
            None => self.lost_triggers.front().copied().filter(|_| is_trigger),
        }
    }

    /// Uses up one fault of a request whose connection breaks; returns what is lost.
    pub(super) fn use_up_loss(&mut self) -> Option<Lost> {
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

    /// Uses up one fault of a request that gets a response; returns that response, if there is a fault.
    pub(super) fn use_up_response(&mut self) -> Option<Reply<S>> {
        match self.faults.pop_front() {
            Some(Fault::Respond(reply)) => Some(reply),
            // Set after this request came in: it is for the next one.
            Some(fault) => {
                self.faults.push_front(fault);
                None
            }
            None => None,
        }
    }
}
