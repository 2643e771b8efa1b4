//! Nothing was sent: rows 1 to 6.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::dns::{Name, Resolve, Resolving};
use scheduled_runs::adobe::{Client, ServerToServer};
use scheduled_runs::client::{Clock, Limits, ReqwestTransport};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{Delivery, ErrorKind, TimeoutPhase};
use tokio::net::{TcpSocket, TcpStream};

use crate::server::{Answer, Server, Then};
use crate::{ORG, RUNS, TAKEN, assert_no_canary, builder, client_of, read, scripted, trigger};

/// A resolver that knows no name, and counts who asks.
#[derive(Clone, Default)]
struct NoSuchName(Arc<AtomicUsize>);

impl Resolve for NoSuchName {
    fn resolve(&self, _: Name) -> Resolving {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Err("no such name".into()) })
    }
}

#[tokio::test]
async fn fault_01_a_name_that_does_not_resolve_is_asked_for_again_and_nothing_has_run() {
    for is_trigger in [false, true] {
        let names = NoSuchName::default();
        let http = || reqwest::Client::builder().no_proxy().dns_resolver(names.clone());
        let client = builder()
            .base_url("http://vendor.invalid")
            .allow_plain_http()
            .transport(ReqwestTransport::from_builder(http).unwrap())
            .build()
            .unwrap();
        let error = if is_trigger {
            client.send(trigger()).await.unwrap_err()
        } else {
            client.send(read()).await.unwrap_err()
        };
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert_eq!((error.attempts().len(), names.0.load(Ordering::Relaxed)), (3, 3));
        assert_eq!((error.delivery(), error.may_have_run()), (Delivery::NotSent, false));
        assert_no_canary(&error, &client);
    }
}

/// A clock at whose first sleep a server begins to listen: the vendor comes back during the client's pause.
#[derive(Clone, Debug)]
struct ComesBack {
    time: ManualClock,
    socket: Arc<Mutex<Option<TcpSocket>>>,
    listener: Arc<Mutex<Option<tokio::net::TcpListener>>>,
}

#[async_trait]
impl Clock for ComesBack {
    fn now(&self) -> Instant {
        self.time.now()
    }

    fn utc(&self) -> DateTime<Utc> {
        self.time.utc()
    }

    async fn sleep(&self, duration: Duration) {
        if let Some(socket) = self.socket.lock().unwrap().take() {
            *self.listener.lock().unwrap() = Some(socket.listen(8).unwrap());
        }
        self.time.sleep(duration).await;
    }
}

#[tokio::test]
async fn fault_02_a_trigger_that_was_refused_a_connection_arrives_once_when_the_server_is_back() {
    // Bound and not listening: the port is ours, and connections to it are refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let base = format!("http://{}", socket.local_addr().unwrap());
    let clock = ComesBack {
        time: ManualClock::new(),
        socket: Arc::new(Mutex::new(Some(socket))),
        listener: Arc::default(),
    };
    let client = builder().base_url(base).clock(clock.clone()).build().unwrap();
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.send(trigger()).await }
    });
    let listener = loop {
        if let Some(listener) = clock.listener.lock().unwrap().take() {
            break listener;
        }
        tokio::task::yield_now().await;
    };
    let server = Server::listen(listener, [Answer::json("202 Accepted", TAKEN)]);
    let answer = call.await.unwrap().unwrap();
    assert_eq!(server.requests().len(), 1);
    let attempts = &answer.meta().attempts;
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0].failure, Some(ErrorKind::Connect));
    assert_eq!(attempts[0].delivery, Delivery::NotSent);
}

#[tokio::test(start_paused = true)]
async fn fault_03_a_connect_that_hangs_ends_at_the_connect_limit() {
    // A listener that accepts nobody, with its backlog full: more connections wait for ever.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let _listener = socket.listen(1).unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) =
        tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(address)).await
    {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 100, "the backlog has no end");
    }

    let limits = Limits::default().connect(Duration::from_secs(2));
    let client = builder().base_url(format!("http://{address}")).limits(limits).build().unwrap();
    let begun = tokio::time::Instant::now();
    let error = client.send(trigger()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Connect));
    assert_eq!(error.attempts().len(), 3);
    assert_eq!((error.delivery(), error.may_have_run()), (Delivery::NotSent, false));
    // Three times the connect limit of 2 s; one attempt limit alone would be 30 s.
    let took = begun.elapsed().as_secs();
    assert!((6..8).contains(&took), "{took} s");
    assert_no_canary(&error, &client);
}

#[test]
fn fault_05_a_credential_is_not_sent_in_clear_text() {
    let built = |url: &str| builder().base_url(url).build();
    for url in ["http://vendor.example", "http://10.0.0.1", "http://localhost.vendor.example"] {
        let error = built(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert_no_canary(&error, &builder().base_url(url));
    }
    for url in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"] {
        assert!(built(url).is_ok(), "{url}");
    }
    assert!(builder().base_url("http://vendor.example").allow_plain_http().build().is_ok());
}

#[tokio::test]
async fn fault_05_a_client_secret_is_not_sent_in_clear_text_either() {
    let (script, _, _) = scripted();
    let token =
        ServerToServer::new("canary-id-1", "canary-secret-2").token_url("http://ims.example/");
    let client = Client::builder()
        .org_id(ORG)
        .sandbox("dev")
        .credential(token)
        .transport(script.clone())
        .build()
        .unwrap();
    let error = client.send(trigger()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Config, 0));
    assert!(!error.may_have_run());
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_06_a_pooled_connection_that_died_while_idle_is_replaced_without_a_word() {
    let whole = Answer::json("200 OK", RUNS).then(Then::Close);
    let server = Server::start([whole, Answer::json("202 Accepted", TAKEN)]).await;
    let client = client_of(&server);
    client.send(read()).await.unwrap();
    server.closed(1).await;
    let answer = client.send(trigger()).await.unwrap();
    assert_eq!(answer.meta().attempts.len(), 1);
    let methods: Vec<_> = server.requests().iter().map(|seen| seen.method().to_owned()).collect();
    assert_eq!((methods, server.connections()), (vec!["GET".into(), "POST".into()], 2));
}

#[tokio::test]
async fn fault_73_a_trigger_has_a_connection_of_its_own_and_meets_none_that_was_idle() {
    let (runs, taken) = (Answer::json("200 OK", RUNS), Answer::json("202 Accepted", TAKEN));
    let server = Server::start([runs.clone(), taken.clone(), taken, runs]).await;
    let client = client_of(&server);
    let mut connections = Vec::new();
    for is_trigger in [false, true, true, false] {
        if is_trigger {
            client.send(trigger()).await.unwrap();
        } else {
            client.send(read()).await.unwrap();
        }
        connections.push(server.connections());
    }
    assert_eq!(connections, [1, 2, 3, 3], "reads share one");
}
