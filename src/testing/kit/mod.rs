//! What all fakes are made of: a server on loopback that tests can set up, faults that are used up one per request, and
//! a record of the requests. A vendor adds its routes, its state and its JSON.

mod parsed_request;
mod plan;
mod response;
mod state;
mod webhook;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, MockServerBuilder, Request, ResponseTemplate};

use super::{ManualClock, lock};
use crate::client::{Api, Client, ClientBuilder, Clock as _};

pub use self::parsed_request::SeenRequest;
pub(super) use self::parsed_request::{OAuthError, ParsedRequest, TokenForm, segment};
pub(super) use self::plan::{Course, End, LISTS_PER_POLL, ListedAt, Rows};
pub use self::plan::{NewRun, Plan};
pub(super) use self::response::{Body, Response};
pub(super) use self::state::{FakeState, Kit, Lost, Reply};
pub use self::webhook::Webhook;

/// A vendor of this crate, which has a fake. For your own vendor, write your own fake.
pub trait FakeVendor: Api + Sized {
    /// What the fake remembers, and how it behaves.
    #[doc(hidden)]
    type State: FakeState;

    /// Sets what a client needs besides the base URL.
    #[doc(hidden)]
    fn set_up(fake: &FakeServer<Self>, builder: ClientBuilder<Self>) -> ClientBuilder<Self>;
}

/// A vendor whose API starts runs: all of them.
pub trait StartsRuns: FakeVendor {}

/// A vendor whose fake hands out tokens: Adobe, ArcGIS and Foundry.
pub trait HandsOutTokens: FakeVendor {}

/// A vendor whose fake sends webhooks: Adobe and Mode.
pub trait SendsWebhooks: FakeVendor {}

/// A fake of one vendor's API, on a port of 127.0.0.1: a free one, or [one that you choose](Self::start_on). It stops when it is
/// dropped.
///
/// It is stateful, and strict about what the vendor is strict about. Nothing moves by itself: a run takes a step
/// whenever it is polled, and at every fifth list that contains it, so tests need no sleep. [`Plan`] says how a run
/// goes, [`NewRun`] adds one that exists already.
///
/// The methods here are the same for every vendor. What only one vendor has is described with its alias, such as
/// `adobe::FakeAdobe`.
pub struct FakeServer<V: FakeVendor> {
    server: MockServer,
    state: Arc<Mutex<V::State>>,
}

impl<V: FakeVendor> FakeServer<V> {
    /// Starts a fake with its demo data, on a free port.
    pub async fn start() -> Self {
        Self::serve(MockServer::builder()).await
    }

    /// Starts a fake with its demo data on this port, for clients in other processes; 0 is a free one.
    ///
    /// # Errors
    /// If the port cannot be used, as when another program has it. The message names the port.
    pub async fn start_on(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
            let message = format!("port {port} of 127.0.0.1 cannot be used: {error}");
            io::Error::new(error.kind(), message)
        })?;
        Ok(Self::serve(MockServer::builder().listener(listener)).await)
    }

    async fn serve(builder: MockServerBuilder) -> Self {
        let server = builder.disable_request_recording().start().await;
        let state = Arc::new(Mutex::new(V::State::new(server.uri())));

        let (asked, dropped, answered) = (state.clone(), state.clone(), state.clone());
        Mock::given(move |request: &Request| {
            lock(&asked).loses(&ParsedRequest::read(request)).is_some()
        })
        .respond_with_err(move |request: &Request| {
            drop_connection(&mut *lock(&dropped), &ParsedRequest::read(request))
        })
        .with_priority(1)
        .mount(&server)
        .await;
        Mock::given(any())
            .respond_with(move |request: &Request| {
                respond(&mut *lock(&answered), &ParsedRequest::read(request))
            })
            .mount(&server)
            .await;
        Self { server, state }
    }

    /// Where the API is, as [`ClientBuilder::base_url`] takes it. No slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.at(V::State::BASE_PATH)
    }

    /// The URL of a path that begins at the root.
    pub(in crate::testing) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.server.uri())
    }

    /// A client of this fake, with settings still to change. The base URL, a credential and what else the vendor
    /// requires are set.
    pub fn client_builder(&self) -> ClientBuilder<V> {
        V::set_up(self, Client::<V>::builder().base_url(self.base_url()))
    }

    /// The state, for the methods that only one vendor has.
    pub(in crate::testing) fn lock(&self) -> MutexGuard<'_, V::State> {
        lock(&self.state)
    }

    fn with_kit<T>(&self, act: impl FnOnce(&mut Kit<V::State>) -> T) -> T {
        act(self.lock().kit())
    }
}

/// Runs.
impl<V: FakeVendor> FakeServer<V> {
    /// Adds a run that exists already; returns its ID. Lists contain it at once.
    ///
    /// The target is the ID of a schedule, report, task or transfer; for queries of Supermetrics that of a data source.
    ///
    /// # Panics
    /// If there is no such target, or the vendor lacks something that the run is to have.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "the ID is a convenience")]
    pub fn add_run(&self, target: &str, run: NewRun) -> String {
        run.check::<V::State>();
        let added = self.lock().add_run(target, run);
        found(added, V::State::TARGET, target)
    }

    /// Somebody else, or a schedule, starts a run of this target; returns its ID. Lists contain it at once.
    ///
    /// It succeeds as [`Plan::succeeds`] says. A plan given to [`next_run`](Self::next_run) stays for the next trigger.
    ///
    /// # Panics
    /// If there is no such target.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "the ID is a convenience")]
    pub fn trigger_from_elsewhere(&self, target: &str) -> String {
        let started = self.lock().trigger_from_elsewhere(target);
        found(started, V::State::TARGET, target)
    }

    /// Ends a run now, held or not. The state is the vendor's word, such as `SUCCESS` or `failed`.
    ///
    /// # Panics
    /// If there is no such run.
    #[track_caller]
    pub fn finish(&self, run: &str, state: &str) {
        let ended = self.lock().finish(run, state);
        found(ended, V::State::RUN, run);
    }

    /// Keeps runs and other work as they are, however often they are polled.
    pub fn hold(&self) {
        self.with_kit(|kit| kit.held = true);
    }

    /// Ends [`hold`](Self::hold).
    pub fn release(&self) {
        self.with_kit(|kit| kit.held = false);
    }
}

/// Fails the test that asks for something that is not there.
#[track_caller]
pub(super) fn found<T>(found: Option<T>, kind: &str, id: &str) -> T {
    let Some(found) = found else { panic!("the fake has no {kind} {id:?}") };
    found
}

/// Faults, used up one per request of the API, in the order given.
impl<V: FakeVendor> FakeServer<V> {
    /// Responds to the next request with this status and the body that the vendor usually sends with it. Nothing is
    /// carried out.
    ///
    /// # Panics
    /// If the status is not in 400..=599.
    #[track_caller]
    pub fn fail_next(&self, status: u16) {
        check_failure(status);
        self.with_kit(|kit| kit.respond_next(Err(V::State::usual(status))));
    }

    /// Responds to the next request with just this, whatever it asks for: a failure of your own, or the response of an
    /// operation that the fake does not have. Nothing is carried out.
    ///
    /// # Panics
    /// If the status is not in 200..=599, or a header cannot be sent.
    #[track_caller]
    pub fn respond_next_with(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        let response = Response::checked(status, headers, body);
        self.with_kit(|kit| kit.respond_next(Ok(response)));
    }

    /// Carries out the next request, then drops the connection without a response.
    pub fn lose_next_response(&self) {
        self.with_kit(|kit| kit.lose_next(Lost::Response));
    }

    /// Drops the connection of the next request without carrying it out.
    pub fn lose_next_request(&self) {
        self.with_kit(|kit| kit.lose_next(Lost::Request));
    }

    /// All requests so far, also those that were refused or met a fault; requests for tokens are not among them.
    #[must_use]
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.with_kit(|kit| kit.seen.clone())
    }
}

/// Time.
impl<V: FakeVendor> FakeServer<V> {
    /// Takes the time from this clock: for the `Date` of responses and for what is created from now on. Give it the clock of
    /// the client, so that both agree after a pause.
    pub fn use_clock(&self, clock: &ManualClock) {
        self.with_kit(|kit| kit.clock = Some(clock.clone()));
    }
}

/// How runs go that are triggered through the API.
impl<V: StartsRuns> FakeServer<V> {
    /// Plans one triggered run. Plans are used in the order given; without one, [`Plan::succeeds`] applies.
    ///
    /// # Panics
    /// If the vendor lacks something that is planned.
    #[track_caller]
    pub fn next_run(&self, plan: Plan) {
        plan.check::<V::State>();
        self.with_kit(|kit| kit.plans.push_back(plan));
    }

    /// For how long after their start lists leave out the runs that are triggered from now on, in real time. Default 0; a
    /// plan may [say more](Plan::listed_after).
    pub fn list_runs_after(&self, delay: Duration) {
        self.with_kit(|kit| kit.late = delay);
    }

    /// How many triggers of this target were carried out, also when their response was lost.
    #[must_use]
    pub fn triggers(&self, target: &str) -> usize {
        self.with_kit(|kit| kit.triggers(target))
    }

    /// Carries out the next trigger, then drops the connection without a response.
    ///
    /// Other faults come first: a trigger they hit leaves this one for the next trigger.
    pub fn lose_next_trigger_response(&self) {
        self.with_kit(|kit| kit.lose_next_trigger(Lost::Response));
    }

    /// Drops the connection of the next trigger without carrying it out.
    ///
    /// Other faults come first, as for [`lose_next_trigger_response`](Self::lose_next_trigger_response).
    pub fn lose_next_trigger(&self) {
        self.with_kit(|kit| kit.lose_next_trigger(Lost::Request));
    }
}

/// Tokens.
impl<V: HandsOutTokens> FakeServer<V> {
    /// Where tokens are handed out; at ArcGIS those of users.
    #[must_use]
    pub fn token_url(&self) -> String {
        self.at(V::State::TOKEN_PATHS.first().copied().unwrap_or_default())
    }

    /// A token that is valid now. [`token_requests`](Self::token_requests) does not count it.
    #[must_use]
    pub fn access_token(&self) -> String {
        self.lock().new_token()
    }

    /// Refuses all tokens handed out so far.
    pub fn expire_tokens(&self) {
        self.lock().expire_tokens();
    }

    /// Responds to the next request for a token with this status and the body that the vendor usually sends with it.
    ///
    /// # Panics
    /// If the status is not in 400..=599.
    #[track_caller]
    pub fn fail_next_token(&self, status: u16) {
        check_failure(status);
        self.with_kit(|kit| kit.token_faults.push_back(V::State::usual(status)));
    }

    /// How often a token was asked for, with success or not.
    #[must_use]
    pub fn token_requests(&self) -> usize {
        self.with_kit(|kit| kit.token_requests)
    }
}

/// Webhooks.
impl<V: SendsWebhooks> FakeServer<V> {
    /// Sends the vendor's webhooks to this URL from now on: one when a run starts, and one when it ends, however it ends. A second
    /// call sends them to another URL instead.
    ///
    /// They are sent in order, one at a time and once, whatever the response is. To have one arrive twice, late, in another order,
    /// changed or never, [hold](Self::hold_webhooks) them.
    ///
    /// ```
    /// # #[cfg(feature = "mode")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use scheduled_runs::testing::mode::FakeMode;
    /// # let receiver = FakeMode::start().await;
    /// # let url = format!("{}/mode?a=b", receiver.base_url());
    ///
    /// let fake = FakeMode::start().await;
    /// fake.webhook(&url);
    ///
    /// fake.hold_webhooks();
    /// fake.trigger_from_elsewhere(FakeMode::REPORT);
    /// let started = fake.take_webhooks().remove(0);
    /// fake.send_webhook(started.clone());
    /// fake.send_webhook(started); // and once more
    ///
    /// let sent = fake.sent_webhooks().await;
    /// assert_eq!(sent.len(), 2);
    /// assert!(sent[1].body.contains("report_run_started"));
    /// # assert_eq!(sent[1].status, Some(401));
    /// # }
    /// # #[cfg(not(feature = "mode"))] fn main() {}
    /// ```
    ///
    /// # Panics
    /// If the URL does not begin with `http://`, or the fake cannot sign its webhooks as the vendor does.
    #[track_caller]
    pub fn webhook(&self, url: &str) {
        // If it cannot sign, say so now, and not when a run ends.
        V::State::webhook_headers("");
        self.with_kit(|kit| kit.outbox.open(url));
    }

    /// Keeps webhooks from now on, until they are [taken](Self::take_webhooks) or [released](Self::release_webhooks). To take them, no
    /// URL is needed.
    ///
    /// # Panics
    /// If the fake cannot sign its webhooks as the vendor does.
    #[track_caller]
    pub fn hold_webhooks(&self) {
        V::State::webhook_headers("");
        self.with_kit(|kit| kit.outbox.held = true);
    }

    /// Sends what is held, and ends [`hold_webhooks`](Self::hold_webhooks).
    ///
    /// # Panics
    /// If something is held, and there is no URL to send it to.
    #[track_caller]
    pub fn release_webhooks(&self) {
        let outbox = |kit: &mut Kit<V::State>| {
            kit.outbox.held = false;
            kit.outbox.take()
        };
        for webhook in self.with_kit(outbox) {
            self.send_webhook(webhook);
        }
    }

    /// Takes what is held, in the order in which the vendor would have sent it. What is not
    /// [sent](Self::send_webhook) is lost.
    #[must_use]
    pub fn take_webhooks(&self) -> Vec<Webhook> {
        self.with_kit(|kit| kit.outbox.take())
    }

    /// A webhook with this body and the vendor's own headers, signed where the vendor signs.
    ///
    /// # Panics
    /// If the fake cannot sign its webhooks as the vendor does.
    #[must_use]
    #[track_caller]
    pub fn new_webhook(&self, body: &str) -> Webhook {
        V::State::new_webhook(body)
    }

    /// Sends a webhook, also while others are held. Change one to forge it.
    ///
    /// # Panics
    /// If there is no URL to send it to.
    #[track_caller]
    pub fn send_webhook(&self, webhook: Webhook) {
        self.lock().kit().outbox.send(webhook);
    }

    /// Waits until all webhooks so far have been sent, except those that are held; returns them with the status of each response.
    pub async fn sent_webhooks(&self) -> Vec<Webhook> {
        let sent = self.with_kit(|kit| kit.outbox.sent());
        sent.await
    }
}

impl<V: FakeVendor> fmt::Debug for FakeServer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(V::State::NAME)
            .field("base_url", &self.base_url())
            .field("requests", &self.with_kit(|kit| kit.seen.len()))
            .finish_non_exhaustive()
    }
}

/// Fails a test that asks for a failure with a status that is not one.
#[track_caller]
pub(super) fn check_failure(status: u16) {
    assert!((400..=599).contains(&status), "{status} is not the status of a failure");
}

fn drop_connection<S: FakeState>(state: &mut S, call: &ParsedRequest<S>) -> io::Error {
    let kit = state.kit();
    kit.seen.push(call.seen());
    if kit.use_up_loss() != Some(Lost::Request) {
        // The response is lost: only what was carried out stays.
        let _ = state.serve(call);
    }
    io::Error::other("the fake breaks this connection")
}

fn respond<S: FakeState>(state: &mut S, call: &ParsedRequest<S>) -> ResponseTemplate {
    let kit = state.kit();
    let reply = if call.is_for_token() {
        kit.token_requests += 1;
        let fault = kit.token_faults.pop_front();
        fault.map_or_else(|| state.token(call), Err)
    } else {
        kit.seen.push(call.seen());
        let fault = kit.use_up_response();
        fault.unwrap_or_else(|| state.serve(call))
    };
    let response = state.complete(call, reply).into_template();
    match &state.kit().clock {
        Some(clock) => {
            let date = clock.utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            response.insert_header("date", date)
        }
        None => response,
    }
}
