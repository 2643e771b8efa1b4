//! Refusals of HTTP/2: row 15. The server writes its frames by hand, so that it can refuse in every way there is.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use futures_util::future::join;
use http::Method;
use scheduled_runs::client::ReqwestTransport;
use scheduled_runs::{Delivery, Error, ErrorKind, Page, Response, adobe};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::server::Wire;
use crate::{RUNS, TAKEN, assert_no_canary, builder, read, trigger};

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 0xb;
const HTTP_1_1_REQUIRED: u32 = 0xd;

/// What the server does once it has read a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Answers with 200 and this body.
    Answer(&'static str),
    /// Ends the request's stream with this code: `RST_STREAM`.
    Reset(u32),
    /// As `Reset`, after a head with status 200.
    ResetAfterHead(u32),
    /// As `Reset`, after the front of a body, whose length was announced or not.
    ResetInBody { announced: bool, code: u32 },
    /// Says that it closes down, and which stream is the last that it may have processed: `GOAWAY`. Then it closes.
    GoAway { last: Last, code: u32 },
    /// As `GoAway` that leaves this request out, but after a head with status 200.
    GoAwayAfterHead { code: u32 },
    /// As `GoAway`, and answers before it closes.
    GoAwayAndAnswer { last: Last, code: u32, body: &'static str },
    /// Nothing, for now.
    Wait,
    /// Closes the connection.
    Close,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Last {
    /// The stream of this request.
    This,
    /// The stream before it.
    Before,
}

pub(crate) struct Server {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    acts: Mutex<VecDeque<Act>>,
    /// The stream of each request that came in whole.
    requests: Mutex<Vec<u32>>,
    connections: Mutex<usize>,
}

impl Server {
    /// A server that does this, once for each request; the last again and again.
    pub(crate) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, state) = Self::state(&listener, acts);
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Frames go out at once.
                stream.set_nodelay(true).unwrap();
                tokio::spawn(Arc::clone(&accepting).serve(stream));
            }
        });
        Self { port, state }
    }

    async fn start_tls(
        tls: tokio_rustls::TlsAcceptor,
        acts: impl IntoIterator<Item = Act>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, state) = Self::state(&listener, acts);
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream = tls.accept(stream).await.unwrap();
                tokio::spawn(Arc::clone(&accepting).serve(stream));
            }
        });
        Self { port, state }
    }

    fn state(listener: &TcpListener, acts: impl IntoIterator<Item = Act>) -> (u16, Arc<State>) {
        let acts = Mutex::new(acts.into_iter().collect());
        let state = Arc::new(State { acts, ..State::default() });
        (listener.local_addr().unwrap().port(), state)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.requests.lock().unwrap().len()
    }

    fn connections(&self) -> usize {
        *self.state.connections.lock().unwrap()
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// RFC 9113, section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// Status 200 and nothing else: entry 8 of the table of RFC 7541.
fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &[0x88])
}

/// As [`head`], with a content length: a value of two digits beside entry 28 of the table.
fn head_of(stream: u32, length: usize) -> Vec<u8> {
    let digits = length.to_string();
    assert_eq!(digits.len(), 2);
    frame(HEADERS, END_HEADERS, stream, &[&[0x88, 0x0f, 13, 2], digits.as_bytes()].concat())
}

fn answer(stream: u32, body: &str) -> Vec<u8> {
    [head(stream), frame(DATA, END_STREAM, stream, body.as_bytes())].concat()
}

fn go_away(last: Last, stream: u32, code: u32) -> Vec<u8> {
    let last = match last {
        Last::This => stream,
        Last::Before => stream.saturating_sub(2),
    };
    // What a server may say beside it, even what it was told.
    let said = crate::TOKEN.as_bytes();
    frame(GOAWAY, 0, 0, &[&last.to_be_bytes(), &code.to_be_bytes(), said].concat())
}

impl State {
    async fn serve(self: Arc<Self>, mut stream: impl Wire) -> io::Result<()> {
        *self.connections.lock().unwrap() += 1;
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await?;
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let (kind, flags) = (head[3], head[4]);
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; length.try_into().unwrap()];
            stream.read_exact(&mut payload).await?;
            match kind {
                SETTINGS if flags & ACK == 0 => {
                    stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await?;
                }
                PING if flags & ACK == 0 => {
                    stream.write_all(&frame(PING, ACK, 0, &payload)).await?;
                }
                HEADERS | DATA if flags & END_STREAM != 0 => {
                    self.requests.lock().unwrap().push(id);
                    let (frames, close) = self.next(id);
                    stream.write_all(&frames).await?;
                    stream.flush().await?;
                    if close {
                        stream.shutdown().await?;
                        // Closed with bytes unread it would be a reset, which may overtake what was sent.
                        let mut sink = [0; 4096];
                        while stream.read(&mut sink).await? > 0 {}
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }

    /// What to send next, and whether the connection ends then.
    fn next(&self, id: u32) -> (Vec<u8>, bool) {
        let mut acts = self.acts.lock().unwrap();
        let next = if acts.len() > 1 { acts.pop_front() } else { acts.front().copied() };
        let reset = |code: u32| frame(RST_STREAM, 0, id, &code.to_be_bytes());
        match next.unwrap() {
            Act::Answer(body) => (answer(id, body), false),
            Act::Reset(code) => (reset(code), false),
            Act::ResetAfterHead(code) => ([head(id), reset(code)].concat(), false),
            Act::ResetInBody { announced, code } => {
                let head = if announced { head_of(id, RUNS.len()) } else { head(id) };
                let front = frame(DATA, 0, id, &RUNS.as_bytes()[..20]);
                ([head, front, reset(code)].concat(), false)
            }
            Act::GoAway { last, code } => (go_away(last, id, code), true),
            Act::GoAwayAfterHead { code } => {
                ([head(id), go_away(Last::Before, id, code)].concat(), true)
            }
            Act::GoAwayAndAnswer { last, code, body } => {
                ([go_away(last, id, code), answer(id, body)].concat(), true)
            }
            Act::Wait => (Vec::new(), false),
            Act::Close => (Vec::new(), true),
        }
    }
}

/// A client that speaks HTTP/2 from the first byte, which takes a transport with a builder of one's own.
fn client_of(server: &Server) -> adobe::Client {
    let http = || reqwest::Client::builder().no_proxy().http2_prior_knowledge();
    builder()
        .base_url(server.url())
        .transport(ReqwestTransport::from_builder(http).unwrap())
        .build()
        .unwrap()
}

async fn send(client: &adobe::Client, is_trigger: bool) -> Option<Error> {
    if is_trigger { client.send(trigger()).await.err() } else { client.send(read()).await.err() }
}

/// What a server says that did not process the request.
const NOT_PROCESSED: [Act; 5] = [
    Act::Reset(REFUSED_STREAM),
    Act::GoAway { last: Last::Before, code: NO_ERROR },
    Act::GoAway { last: Last::Before, code: ENHANCE_YOUR_CALM },
    Act::GoAway { last: Last::Before, code: INTERNAL_ERROR },
    Act::GoAway { last: Last::Before, code: HTTP_1_1_REQUIRED },
];

#[tokio::test]
async fn fault_15_what_the_server_proved_not_to_have_processed_is_sent_again_and_handled_once() {
    for act in NOT_PROCESSED {
        for is_trigger in [false, true] {
            let done = Act::Answer(if is_trigger { TAKEN } else { RUNS });
            let server = Server::start([act, done]).await;
            let failed = send(&client_of(&server), is_trigger).await;
            assert!(failed.is_none(), "{act:?}: {failed:?}");
            assert_eq!(server.requests(), 2, "{act:?}");
        }
    }
}

#[tokio::test]
async fn fault_15_a_server_that_never_takes_the_request_has_not_run_it() {
    for act in NOT_PROCESSED {
        for is_trigger in [false, true] {
            let server = Server::start([act]).await;
            let client = client_of(&server);
            let error = send(&client, is_trigger).await.unwrap();
            assert_eq!((error.kind(), server.requests()), (ErrorKind::Interrupted, 3), "{act:?}");
            assert_eq!((error.delivery(), error.may_have_run()), (Delivery::NotSent, false));
            assert_no_canary(&error, &client);
        }
    }
}

#[tokio::test]
async fn fault_15_what_the_server_may_have_processed_is_not_sent_again() {
    for act in [
        Act::Reset(NO_ERROR),
        Act::Reset(INTERNAL_ERROR),
        Act::Reset(CANCEL),
        Act::Reset(ENHANCE_YOUR_CALM),
        Act::Reset(HTTP_1_1_REQUIRED),
        Act::ResetAfterHead(REFUSED_STREAM),
        Act::ResetAfterHead(CANCEL),
        Act::ResetInBody { announced: true, code: NO_ERROR },
        Act::ResetInBody { announced: false, code: NO_ERROR },
        Act::ResetInBody { announced: true, code: REFUSED_STREAM },
        Act::ResetInBody { announced: false, code: INTERNAL_ERROR },
        Act::GoAwayAfterHead { code: INTERNAL_ERROR },
        Act::GoAway { last: Last::This, code: NO_ERROR },
        Act::GoAway { last: Last::This, code: ENHANCE_YOUR_CALM },
        Act::GoAway { last: Last::This, code: INTERNAL_ERROR },
        Act::Close,
    ] {
        for (is_trigger, requests) in [(false, 3), (true, 1)] {
            let server = Server::start([act]).await;
            let client = client_of(&server);
            let error = send(&client, is_trigger).await.unwrap();
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{act:?}");
            assert_eq!(server.requests(), requests, "{act:?}");
            assert_eq!((error.delivery(), error.may_have_run()), (Delivery::Unknown, is_trigger));
            let head = matches!(
                act,
                Act::ResetAfterHead(_) | Act::ResetInBody { .. } | Act::GoAwayAfterHead { .. }
            );
            assert_eq!(error.status().is_some(), head, "{act:?}");
            assert_no_canary(&error, &client);
        }
    }
}

#[tokio::test]
async fn fault_15_a_head_without_a_body_says_that_the_trigger_was_accepted() {
    for act in [Act::ResetAfterHead(NO_ERROR), Act::GoAwayAfterHead { code: NO_ERROR }] {
        let server = Server::start([act]).await;
        let client = client_of(&server);
        let error = send(&client, true).await;
        assert!(error.is_none(), "{act:?}: {error:?}");
        assert_eq!(server.requests(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn fault_23_a_page_that_broke_off_over_http_2_is_fetched_whole() {
    for announced in [false, true] {
        let broken = Act::ResetInBody { announced, code: NO_ERROR };
        let server = Server::start([broken, Act::Answer(RUNS)]).await;
        let runs = client_of(&server).items(read()).try_collect().await.unwrap();
        assert_eq!((runs.len(), server.requests()), (2, 2));
    }
}

#[tokio::test]
async fn fault_15_a_refusal_also_holds_for_a_request_with_a_body() {
    for (act, requests) in [
        (Act::Reset(REFUSED_STREAM), 2),
        (Act::GoAway { last: Last::Before, code: NO_ERROR }, 2),
        (Act::Reset(ENHANCE_YOUR_CALM), 1),
        (Act::GoAway { last: Last::This, code: NO_ERROR }, 1),
    ] {
        let server = Server::start([act, Act::Answer(TAKEN)]).await;
        let client = client_of(&server);
        let call = client.raw(Method::POST, &["schedules"]).json(&"x".repeat(10_000));
        let failed = call.send().await.err();
        assert_eq!((server.requests(), failed.is_some()), (requests, requests == 1), "{act:?}");
        assert!(failed.is_none_or(|error| error.may_have_run()));
    }
}

#[tokio::test]
async fn fault_15_a_server_that_closes_down_ends_what_it_began() {
    for code in [NO_ERROR, ENHANCE_YOUR_CALM] {
        let closing = Act::GoAwayAndAnswer { last: Last::This, code, body: TAKEN };
        let server = Server::start([closing, Act::Answer(RUNS)]).await;
        let client = client_of(&server);
        assert!(send(&client, true).await.is_none());
        assert!(send(&client, false).await.is_none());
        // The next call does not go where nobody listens any more.
        assert_eq!((server.requests(), server.connections()), (2, 2));
    }
}

#[tokio::test]
async fn fault_15_of_two_requests_on_one_connection_only_the_one_left_out_was_certainly_not_sent() {
    for code in [NO_ERROR, ENHANCE_YOUR_CALM] {
        let left_out = Act::GoAway { last: Last::Before, code };
        let server =
            Server::start([Act::Answer(RUNS), Act::Wait, left_out, Act::Answer(RUNS)]).await;
        let client = client_of(&server);
        // The connection is there before both want it. Triggers have one each.
        assert!(send(&client, false).await.is_none());
        let two = || client.call(read()).max_attempts(2).send();
        let (first, second) = join(two(), two()).await;
        let attempts = |read: Result<Response<Page<adobe::Run>>, Error>| {
            let read = read.unwrap();
            (read.meta().attempts.len(), read.meta().attempts[0].delivery)
        };
        // One was taken, nobody knows how far it came; the other one was not.
        let mut attempts = [attempts(first), attempts(second)];
        attempts.sort();
        assert_eq!(attempts, [(2, Delivery::NotSent), (2, Delivery::Unknown)]);
        assert_eq!((server.requests(), server.connections()), (5, 2));
    }
}

#[tokio::test]
async fn fault_15_inside_tls_both_sides_agree_on_http_2_by_themselves() {
    use crate::certificates::Authority;
    use crate::tls::trusting;

    let authority = Authority::new();
    for (act, requests) in [
        (Act::Reset(REFUSED_STREAM), 2),
        (Act::GoAway { last: Last::Before, code: NO_ERROR }, 2),
        (Act::GoAway { last: Last::This, code: NO_ERROR }, 1),
        (Act::Reset(ENHANCE_YOUR_CALM), 1),
    ] {
        let tls = authority.server_of(&[b"h2", b"http/1.1"]);
        let server = Server::start_tls(tls, [act, Act::Answer(TAKEN)]).await;
        let client = builder()
            .base_url(format!("https://127.0.0.1:{}", server.port))
            .transport(trusting(&authority))
            .build()
            .unwrap();
        let failed = send(&client, true).await;
        assert_eq!((server.requests(), failed.is_some()), (requests, requests == 1), "{act:?}");
        assert!(failed.is_none_or(|error| error.may_have_run()));
    }
}
