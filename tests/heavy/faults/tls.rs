//! Bad certificates: row 4.

use scheduled_runs::client::ReqwestTransport;
use scheduled_runs::{Delivery, ErrorKind};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::certificates::{Authority, self_signed};
use crate::server::{Answer, Server, Then};
use crate::{RUNS, TAKEN, assert_no_canary, builder, read, trigger};

/// A transport that trusts this authority and no other.
pub(crate) fn trusting(authority: &Authority) -> ReqwestTransport {
    let certificate = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let http = || reqwest::Client::builder().no_proxy().tls_certs_only([certificate.clone()]);
    ReqwestTransport::from_builder(http).unwrap()
}

fn url(server: &Server) -> String {
    format!("https://127.0.0.1:{}", server.port())
}

/// A read and a trigger of a server with this certificate: both fail at once, and nothing is asked.
async fn assert_not_trusted(tls: TlsAcceptor, transport: Option<ReqwestTransport>) {
    let server = Server::start_tls(tls, [Answer::json("200 OK", RUNS)]).await;
    let base = builder().base_url(url(&server));
    let client = match transport {
        Some(transport) => base.transport(transport),
        None => base,
    };
    let client = client.build().unwrap();
    for error in [client.send(read()).await.unwrap_err(), client.send(trigger()).await.unwrap_err()]
    {
        assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Tls, 1), "{error:?}");
        assert_eq!((error.delivery(), error.may_have_run()), (Delivery::NotSent, false));
        assert_no_canary(&error, &client);
    }
    // Inside TLS the server was asked nothing; that nothing is sent outside of it is seen below.
    assert_eq!((server.connections(), server.requests().len()), (2, 0));
}

#[tokio::test]
async fn fault_04_a_certificate_that_nobody_vouches_for_ends_the_call() {
    assert_not_trusted(self_signed(), None).await;
    assert_not_trusted(self_signed(), Some(trusting(&Authority::new()))).await;
    // Signed, by somebody whom the platform does not know.
    assert_not_trusted(Authority::new().server(&["127.0.0.1"], 2100), None).await;
}

#[tokio::test]
async fn fault_04_a_certificate_that_has_expired_ends_the_call() {
    let authority = Authority::new();
    let expired = authority.server(&["127.0.0.1"], 2020);
    assert_not_trusted(expired, Some(trusting(&authority))).await;
}

#[tokio::test]
async fn fault_04_a_certificate_of_another_name_ends_the_call() {
    let authority = Authority::new();
    for names in [&["vendor.example"][..], &["127.0.0.2", "localhost"]] {
        let other = authority.server(names, 2100);
        assert_not_trusted(other, Some(trusting(&authority))).await;
    }
}

#[tokio::test]
async fn fault_04_a_server_that_does_not_speak_tls_learns_nothing() {
    let refuses = Answer::json("400 Bad", "plain HTTP only");
    for is_trigger in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap());
        let heard = tokio::spawn(hear(listener, refuses.clone()));
        let client = builder().base_url(base).build().unwrap();
        let error = if is_trigger {
            client.send(trigger()).await.unwrap_err()
        } else {
            client.send(read()).await.unwrap_err()
        };
        assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Tls, 1), "{error:?}");
        assert!(!error.may_have_run());
        assert_no_canary(&error, &client);
        let heard = heard.await.unwrap();
        // A TLS handshake, and no more.
        assert_eq!(heard[0], 0x16);
        for secret in [crate::TOKEN, crate::KEY, crate::ORG, "canary", "schedules"] {
            let secret = secret.as_bytes();
            assert!(!heard.windows(secret.len()).any(|part| part == secret), "{secret:?}");
        }
    }
}

/// Everything that the first connection brings, which is answered with these bytes.
async fn hear(listener: TcpListener, answer: Answer) -> Vec<u8> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let (mut stream, _) = listener.accept().await.unwrap();
    let mut heard = Vec::new();
    stream.read_buf(&mut heard).await.unwrap();
    stream.write_all(answer.bytes()).await.unwrap();
    while matches!(stream.read_buf(&mut heard).await, Ok(1..)) {}
    heard
}

#[tokio::test]
async fn fault_04_a_handshake_that_breaks_off_is_tried_again_and_nothing_has_run() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    let accepting = tokio::spawn(async move {
        for _ in 0..3 {
            let (stream, _) = listener.accept().await.unwrap();
            drop(stream);
        }
        // Closed with requests unread it would be a reset; now a fourth connection is refused.
        drop(listener);
    });
    let client = builder().base_url(base).build().unwrap();
    let error = client.send(trigger()).await.unwrap_err();
    accepting.await.unwrap();
    assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Connect, 3), "{error:?}");
    assert_eq!((error.delivery(), error.may_have_run()), (Delivery::NotSent, false));
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_04_with_an_authority_of_ones_own_everything_works_and_fails_as_elsewhere() {
    let authority = Authority::new();
    let tls = || authority.server(&["127.0.0.1"], 2100);
    let client_of = |server: &Server| {
        builder().base_url(url(server)).transport(trusting(&authority)).build().unwrap()
    };
    let taken = Answer::json("202 Accepted", TAKEN);
    let server = Server::start_tls(tls(), [Answer::json("200 OK", RUNS), taken]).await;
    let client = client_of(&server);
    assert_eq!(client.send(read()).await.unwrap().items.len(), 2);
    client.send(trigger()).await.unwrap();
    assert_eq!((server.requests().len(), server.connections()), (2, 2));
    assert!(server.requests().iter().all(|seen| seen.has_header("authorization")));

    // Inside TLS, too, a request that was read may have run.
    for (then, reads) in [(Then::Close, 3), (Then::Reset, 3)] {
        let broken = || Answer::new("", then.clone());
        let server = Server::start_tls(tls(), [broken()]).await;
        let error = client_of(&server).send(trigger()).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Interrupted, true));
        assert_eq!(server.requests().len(), 1);
        assert_no_canary(&error, &client);

        let server = Server::start_tls(tls(), [broken()]).await;
        let error = client_of(&server).send(read()).await.unwrap_err();
        assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Interrupted, reads));
    }
}

#[tokio::test]
async fn fault_04_no_vendors_credential_goes_to_a_server_that_is_not_trusted() {
    use crate::ways::{Setup, WAYS};

    for way in WAYS {
        for trigger in [false, true] {
            let server = Server::start_tls(self_signed(), [Answer::json("200 OK", "{}")]).await;
            let setup = Setup { base_url: url(&server), trigger, ..Setup::default() };
            let called = way.call(setup).await;
            let error = called.failed.as_ref().unwrap();
            assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Tls, false));
            assert_eq!((error.attempts().len(), server.connections()), (1, 1), "{}", way.name);
            assert_eq!(server.requests().len(), 0);
            called.assert_no_secret();
        }
    }
}
