//! A server on loopback that answers with bytes, whole or broken, and keeps what it was asked.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What the server does once it has read a request: it sends these bytes, and then this.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    bytes: Bytes,
    then: Then,
}

#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// Reads the next request of the connection.
    Keep,
    /// Ends the connection in order.
    Close,
    /// Resets the connection.
    Reset,
    /// Sends nothing more until the client goes away.
    Silence,
    /// Sends these bytes once each second.
    Drip(Bytes),
    /// Sends these bytes over and over.
    Flood(Bytes),
    /// Resets the connection while the request's body is still coming in; nothing is sent.
    ResetInRequest,
}

impl Answer {
    pub(crate) fn new(bytes: impl Into<Bytes>, then: Then) -> Self {
        Self { bytes: bytes.into(), then }
    }

    /// A whole JSON answer; `head` is a status and more header lines, for example `503 Busy\r\nretry-after: 1`.
    pub(crate) fn json(head: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {head}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        Self::new(text, Then::Keep)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Request line and header lines.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        let names = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        names.map(|(name, _)| name).any(|line| line.eq_ignore_ascii_case(name))
    }
}

pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    answers: Mutex<VecDeque<Answer>>,
    log: watch::Sender<Log>,
}

#[derive(Default)]
struct Log {
    requests: Vec<Seen>,
    opened: usize,
    closed: usize,
    /// Requests read and not yet answered, and the most of them at one time.
    open_requests: usize,
    peak: usize,
}

impl Server {
    /// A server that gives these answers, one for each request; the last one again and again.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").await.unwrap(), answers)
    }

    pub(crate) fn listen(listener: TcpListener, answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::accept(listener, None, answers)
    }

    /// As [`start`](Self::start), inside TLS.
    pub(crate) async fn start_tls(
        tls: TlsAcceptor,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Self {
        Self::accept(TcpListener::bind("127.0.0.1:0").await.unwrap(), Some(tls), answers)
    }

    fn accept(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let answers = Mutex::new(answers.into_iter().collect());
        let state = Arc::new(State { answers, log: watch::Sender::default() });
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepting.log.send_modify(|log| log.opened += 1);
                let (state, tls) = (Arc::clone(&accepting), tls.clone());
                tokio::spawn(async move {
                    // A client that goes away is no failure of the server.
                    let _ = match tls {
                        None => state.serve(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => state.serve(stream).await,
                            Err(error) => Err(error),
                        },
                    };
                    state.log.send_modify(|log| log.closed += 1);
                });
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every request so far whose head was read.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state.log.borrow().requests.clone()
    }

    /// Connections opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.state.log.borrow().opened
    }

    /// Most requests that were open at one time.
    pub(crate) fn peak(&self) -> usize {
        self.state.log.borrow().peak
    }

    /// Ends when this many requests were read.
    pub(crate) async fn saw(&self, requests: usize) {
        self.wait(|log| log.requests.len() >= requests).await;
    }

    /// Ends when this many connections were closed by both sides.
    pub(crate) async fn closed(&self, connections: usize) {
        self.wait(|log| log.closed >= connections).await;
    }

    async fn wait(&self, done: impl FnMut(&Log) -> bool) {
        let mut log = self.state.log.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(10), log.wait_for(done)).await;
        waited.expect("what the test waits for does not happen").unwrap();
    }
}

/// A connection, inside TLS or not.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl State {
    async fn serve(&self, mut stream: impl Wire) -> io::Result<()> {
        while let Some((head, mut body)) = read_head(&mut stream).await? {
            let answer = self.next_answer();
            let cut = matches!(answer.then, Then::ResetInRequest);
            if !cut {
                let missing = content_length(&head).saturating_sub(body.len());
                let start = body.len();
                body.resize(start + missing, 0);
                stream.read_exact(&mut body[start..]).await?;
            }
            self.log.send_modify(|log| {
                log.requests.push(Seen { head, body });
                log.open_requests += 1;
                log.peak = log.peak.max(log.open_requests);
            });
            // Other requests that are under way come in first.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            let sent = stream.write_all(&answer.bytes).await;
            self.log.send_modify(|log| log.open_requests -= 1);
            sent?;
            match answer.then {
                Then::Keep => {}
                Then::Close => {
                    stream.shutdown().await?;
                    return drain(&mut stream).await;
                }
                Then::Reset | Then::ResetInRequest => return stream.tcp().set_zero_linger(),
                Then::Silence => return drain(&mut stream).await,
                Then::Drip(bytes) => loop {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    stream.write_all(&bytes).await?;
                },
                Then::Flood(bytes) => loop {
                    stream.write_all(&bytes).await?;
                },
            }
        }
        Ok(())
    }

    fn next_answer(&self) -> Answer {
        let mut answers = self.answers.lock().unwrap();
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        next.expect("the server has no answer")
    }
}

/// Reads to the end of the head; what is left over is the front of the body. `None` if the client goes away before.
pub(crate) async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return Ok(Some((String::from_utf8(bytes).unwrap(), body)));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

fn content_length(head: &str) -> usize {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.map(|(_, value)| value.parse().unwrap()).next().unwrap_or(0)
}

/// Reads until the client goes away.
async fn drain(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut sink = [0; 4096];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}
