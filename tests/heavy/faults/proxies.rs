//! The environment's proxies: row 54. Each call is made in a process of its own, whose environment is the test's.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use scheduled_runs::client::ReqwestTransport;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::certificates::Authority;
use crate::server::{Answer, Server, read_head};
use crate::{KEY, ORG, TAKEN, TOKEN, assert_no_canary, builder, child, trigger};

/// A proxy that leads every tunnel to the same place, and keeps all that it could read.
struct Proxy {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    /// What it was asked, with the header lines.
    head: String,
    /// What the client sent through the tunnel.
    tunnelled: Vec<u8>,
}

impl Proxy {
    /// A proxy that answers CONNECT with this status line, and if it is a success, leads on.
    async fn start(status: &'static str, to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let keeping = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Self::serve(client, status, to, Arc::clone(&keeping)));
            }
        });
        Self { address, seen }
    }

    async fn serve(
        mut client: TcpStream,
        status: &'static str,
        to: SocketAddr,
        seen: Arc<Mutex<Vec<Seen>>>,
    ) {
        let Ok(Some((head, rest))) = read_head(&mut client).await else { return };
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(Seen { head, tunnelled: rest });
            seen.len() - 1
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if !status.starts_with("200") {
            let _ = client.write_all(answer.as_bytes()).await;
            return;
        }
        let _ = client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await;
        let mut origin = TcpStream::connect(to).await.unwrap();
        let (mut from_client, mut to_client) = client.split();
        let (mut from_origin, mut to_origin) = origin.split();
        let forth = async {
            let mut bytes = vec![0; 4096];
            while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
                seen.lock().unwrap()[number].tunnelled.extend_from_slice(&bytes[..length]);
                if to_origin.write_all(&bytes[..length]).await.is_err() {
                    break;
                }
            }
        };
        let back = tokio::io::copy(&mut from_origin, &mut to_client);
        tokio::select! { () = forth => {}, _ = back => {} }
    }

    fn url(&self) -> String {
        format!("http://canary-proxy-user:canary-proxy-password@{}", self.address)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// The names of a vendor that nobody resolves, and of this machine.
async fn vendor(authority: &Authority) -> Server {
    let tls = authority.server(&["vendor.invalid", "127.0.0.1", "localhost"], 2100);
    Server::start_tls(tls, [Answer::json("202 Accepted", TAKEN)]).await
}

/// A file with the authority's certificate, which makes the platform trust it.
struct Trusted(std::path::PathBuf);

impl Trusted {
    fn new(authority: &Authority) -> Self {
        let name = format!("scheduled-runs-{}-{:x}.pem", std::process::id(), fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, authority.pem()).unwrap();
        Self(path)
    }

    fn variable(&self) -> (&'static str, String) {
        ("SSL_CERT_FILE", self.0.to_str().unwrap().to_owned())
    }
}

impl Drop for Trusted {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What a child with these variables says of its call.
async fn call(url: &str, variables: &[(&'static str, String)]) -> String {
    let url = ("FAULTS_URL", url.to_owned());
    let variables: Vec<_> = variables.iter().cloned().chain([url]).collect();
    let said = child::run("proxies::a_trigger_with_the_environments_proxies", &variables).await;
    assert!(!said.contains("canary"), "{said}");
    said
}

#[tokio::test]
#[ignore = "needs an environment of its own: run by fault_54"]
async fn a_trigger_with_the_environments_proxies() {
    if !child::is_one() {
        return;
    }
    let variable = |name| std::env::var(name).ok();
    let mut base = builder().base_url(variable("FAULTS_URL").unwrap());
    if let Some(address) = variable("FAULTS_RESOLVE") {
        // The trust store, too, is that of the environment.
        let address = address.parse().unwrap();
        let direct = variable("FAULTS_NO_PROXY").is_some();
        let http = || {
            let http = reqwest::Client::builder().resolve("vendor.invalid", address);
            if direct { http.no_proxy() } else { http }
        };
        base = base.transport(ReqwestTransport::from_builder(http).unwrap());
    }
    let client = base.build().unwrap();
    match client.send(trigger()).await {
        Ok(answer) => println!("ended: taken {:?}", answer.meta()),
        Err(error) => {
            assert_no_canary(&error, &client);
            let (kind, tries) = (error.kind(), error.attempts().len());
            println!("ended: {kind:?} {tries} {} {error:?}", error.may_have_run());
        }
    }
}

#[tokio::test]
async fn fault_54_a_credential_goes_to_a_proxy_inside_the_tunnel_only() {
    let authority = Authority::new();
    let trusted = Trusted::new(&authority);
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let vendor = vendor(&authority).await;
        let proxy = Proxy::start("200 Connected", vendor.address()).await;
        let variables = [(name, proxy.url()), trusted.variable()];
        let said = call("https://vendor.invalid", &variables).await;
        assert!(said.contains("ended: taken"), "{said}");

        let seen = proxy.seen();
        assert_eq!(seen.len(), 1);
        assert!(seen[0].head.starts_with("CONNECT vendor.invalid:443 HTTP/1.1\r\n"));
        let head = seen[0].head.to_lowercase();
        assert!(head.contains("\r\nproxy-authorization: basic "), "{head}");
        assert!(!head.contains("\r\nauthorization") && !head.contains("x-api-key"), "{head}");
        for secret in [TOKEN, KEY, ORG, "canary", "schedules"] {
            assert!(!head.contains(&secret.to_lowercase()), "{secret} is in {head}");
            let tunnelled = &seen[0].tunnelled;
            let found = tunnelled.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found && !tunnelled.is_empty(), "{secret} can be read in the tunnel");
        }

        let requests = vendor.requests();
        assert_eq!((requests.len(), requests[0].method()), (1, "POST"));
        assert!(requests[0].has_header("authorization"));
        assert!(!requests[0].has_header("proxy-authorization"));
    }
}

#[tokio::test]
async fn fault_54_who_is_to_be_reached_directly_is() {
    let authority = Authority::new();
    let trusted = Trusted::new(&authority);
    for (name, value) in [
        ("NO_PROXY", "vendor.invalid"),
        ("no_proxy", "other.example,.invalid"),
        ("NO_PROXY", "*"),
        ("FAULTS_NO_PROXY", "the builder's own"),
    ] {
        let vendor = vendor(&authority).await;
        let proxy = Proxy::start("200 Connected", vendor.address()).await;
        let variables = [
            ("HTTPS_PROXY", proxy.url()),
            (name, value.to_owned()),
            ("FAULTS_RESOLVE", vendor.address().to_string()),
            trusted.variable(),
        ];
        let url = format!("https://vendor.invalid:{}", vendor.port());
        let said = call(&url, &variables).await;
        assert!(said.contains("ended: taken"), "{name}={value}: {said}");
        assert_eq!((vendor.requests().len(), proxy.seen().len()), (1, 0), "{name}={value}");
    }
}

#[tokio::test]
async fn fault_54_what_goes_to_this_machine_goes_through_no_proxy() {
    let authority = Authority::new();
    let trusted = Trusted::new(&authority);
    let plain = Server::start([Answer::json("202 Accepted", TAKEN)]).await;
    let secure = vendor(&authority).await;
    let proxy = Proxy::start("200 Connected", secure.address()).await;
    let variables = [
        ("HTTP_PROXY", proxy.url()),
        ("http_proxy", proxy.url()),
        ("HTTPS_PROXY", proxy.url()),
        ("ALL_PROXY", proxy.url()),
        trusted.variable(),
    ];
    for url in [
        plain.url(),
        format!("http://localhost:{}", plain.port()),
        format!("https://127.0.0.1:{}", secure.port()),
        format!("https://localhost:{}", secure.port()),
    ] {
        let said = call(&url, &variables).await;
        assert!(said.contains("ended: taken"), "{url}: {said}");
    }
    assert_eq!((plain.requests().len(), secure.requests().len()), (2, 2));
    assert_eq!(proxy.seen().len(), 0);
}

#[tokio::test]
async fn fault_54_a_proxy_that_does_not_lead_on_keeps_the_request_from_being_sent() {
    let authority = Authority::new();
    let trusted = Trusted::new(&authority);
    let vendor = vendor(&authority).await;
    for status in ["407 Proxy Authentication Required", "502 Bad Gateway", "403 Forbidden"] {
        let proxy = Proxy::start(status, vendor.address()).await;
        let variables = [("HTTPS_PROXY", proxy.url()), trusted.variable()];
        let said = call("https://vendor.invalid", &variables).await;
        assert!(said.contains("ended: Connect 3 false"), "{status}: {said}");
        assert_eq!(proxy.seen().len(), 3);
    }
    // Nobody listens there.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = format!("http://canary-user:canary-word@{}", socket.local_addr().unwrap());
    let variables = [("HTTPS_PROXY", nobody), trusted.variable()];
    let said = call("https://vendor.invalid", &variables).await;
    assert!(said.contains("ended: Connect 3 false"), "{said}");
    assert_eq!(vendor.connections(), 0);

    // A proxy that looks into the tunnel, with a certificate that nobody trusts.
    let between = crate::certificates::self_signed();
    let between = Server::start_tls(between, [Answer::json("202 Accepted", TAKEN)]).await;
    let proxy = Proxy::start("200 Connected", between.address()).await;
    let variables = [("HTTPS_PROXY", proxy.url()), trusted.variable()];
    let said = call("https://vendor.invalid", &variables).await;
    assert!(said.contains("ended: Tls 1 false"), "{said}");
    assert_eq!((proxy.seen().len(), between.requests().len()), (1, 0));
}
