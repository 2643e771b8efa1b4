//! Webhooks that a fake sends, from a thread of their own: a fake reports the end of a run while its state is locked, with or
//! without a runtime.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use url::{Position, Url};

/// How long the receiver may take.
const LONGEST: Duration = Duration::from_secs(10);

/// A request that a fake sends to the program under test.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Webhook {
    /// Names and values; those of every HTTP request, such as `host`, are left out.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: String,
    /// The status of the response. `None` if it has not been sent, or if there was no response within 10 seconds.
    pub status: Option<u16>,
}

/// Where webhooks go, which of them are held, and what became of the others.
#[derive(Default)]
pub(super) struct Outbox {
    url: Option<Url>,
    pub(super) held: bool,
    kept: Vec<Webhook>,
    queue: Option<Queue>,
}

/// The thread ends when the sender is dropped, and with it the fake.
struct Queue {
    sender: mpsc::Sender<(Url, Webhook)>,
    sent: watch::Receiver<Vec<Webhook>>,
    /// How many were given to the thread.
    given: usize,
}

impl Outbox {
    /// Sends webhooks to this URL from now on. Fails the test if it is not one that can be sent to.
    #[track_caller]
    pub(super) fn open(&mut self, url: &str) {
        let parsed = Url::parse(url).ok().filter(|url| url.scheme() == "http" && url.has_host());
        assert!(parsed.is_some(), "{url:?} is not a URL that begins with http://");
        self.url = parsed;
        self.queue.get_or_insert_with(Queue::start);
    }

    /// Whether anybody wants the webhooks of what happens.
    pub(super) fn is_open(&self) -> bool {
        self.held || self.url.is_some()
    }

    /// Sends a webhook of the vendor's, or holds it.
    pub(super) fn post(&mut self, webhook: Webhook) {
        if self.held {
            self.kept.push(webhook);
        } else {
            self.send(webhook);
        }
    }

    /// Sends a webhook now. Fails the test if there is no URL to send it to.
    #[track_caller]
    pub(super) fn send(&mut self, webhook: Webhook) {
        let (Some(url), Some(queue)) = (&self.url, &mut self.queue) else {
            panic!("`webhook` has to say first where webhooks are sent to");
        };
        queue.given += usize::from(queue.sender.send((url.clone(), webhook)).is_ok());
    }

    /// Those that are held, in the order in which the vendor would have sent them. They are no longer held.
    pub(super) fn take(&mut self) -> Vec<Webhook> {
        std::mem::take(&mut self.kept)
    }

    /// Waits until all that were given to the thread up to now have been sent; returns them.
    pub(super) fn sent(&self) -> impl Future<Output = Vec<Webhook>> + Send + use<> {
        let queue = self.queue.as_ref().map(|queue| (queue.sent.clone(), queue.given));
        async move {
            let Some((mut sent, given)) = queue else { return Vec::new() };
            let sent = sent.wait_for(|sent| sent.len() >= given).await;
            sent.map(|sent| sent.clone()).unwrap_or_default()
        }
    }
}

impl Queue {
    fn start() -> Self {
        let (sender, queue) = mpsc::channel::<(Url, Webhook)>();
        let (done, sent) = watch::channel(Vec::new());
        thread::spawn(move || {
            // One after the other, so that they arrive in order.
            for (url, mut webhook) in queue {
                webhook.status = post(&url, &webhook).ok();
                done.send_modify(|sent| sent.push(webhook));
            }
        });
        Self { sender, sent, given: 0 }
    }
}

/// Sends one request by hand: a client would bring TLS and proxies, which loopback does not need. Returns the status.
fn post(url: &Url, webhook: &Webhook) -> io::Result<u16> {
    let mut stream = TcpStream::connect(&*url.socket_addrs(|| None)?)?;
    stream.set_read_timeout(Some(LONGEST))?;
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let mut request = format!("POST {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in &webhook.headers {
        let _ = write!(request, "{name}: {value}\r\n");
    }
    let Webhook { body, .. } = webhook;
    let _ = write!(request, "content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes())?;

    let mut response = BufReader::new(stream);
    let mut line = String::new();
    response.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    // To the end, so that the receiver can write its response. What breaks now does not change the status.
    let _ = io::copy(&mut response.take(64 * 1024), &mut io::sink());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
