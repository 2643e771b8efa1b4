//! TLS with cryptography that the program installs: `cargo test -p no-provider`.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic")]

#[path = "../heavy/faults/certificates.rs"]
#[allow(dead_code, reason = "other tests need more kinds of certificates")]
mod certificates;

use rustls::crypto::aws_lc_rs;
use scheduled_runs::ErrorKind;
use scheduled_runs::adobe::{AccessToken, Client, ListRuns, Webhook};
use scheduled_runs::client::ReqwestTransport;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use self::certificates::Authority;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-length: 35\r\n\r\n{\"runsSchedules\":[{\"id\":\"by aws\"}]}";

// One test, for what a program has installed cannot be taken out again.
#[tokio::test]
async fn without_cryptography_a_client_is_an_error_and_with_that_of_the_program_it_works() {
    let builder = || {
        Client::builder()
            .credential(AccessToken::new("canary", "key"))
            .org_id("o@AdobeOrg")
            .sandbox("prod")
    };
    let http = || reqwest::Client::builder().no_proxy();
    let built = builder().build().unwrap_err();
    let webhook = || Webhook::builder("client id").build();
    let errors = [built, ReqwestTransport::from_builder(http).unwrap_err(), webhook().unwrap_err()];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("install a crypto provider"), "{error}");
    }

    aws_lc_rs::default_provider().install_default().unwrap();
    builder().build().unwrap();
    webhook().unwrap();
    let authority = Authority::new();
    let (tls, listener) =
        (authority.server(&["127.0.0.1"], 2100), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let base = format!("https://{}", listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let mut stream = tls.accept(listener.accept().await.unwrap().0).await.unwrap();
        let mut heard = Vec::new();
        stream.read_buf(&mut heard).await.unwrap();
        stream.write_all(ANSWER).await.unwrap();
        heard
    });
    let certificate = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let trusting = || http().tls_certs_only([certificate.clone()]);
    let transport = ReqwestTransport::from_builder(trusting).unwrap();
    let client = builder().base_url(base).transport(transport).build().unwrap();
    let runs = client.send(ListRuns::new("nightly")).await.unwrap();
    assert_eq!(runs.items[0].id.as_str(), "by aws");
    assert!(heard.await.unwrap().starts_with(b"GET /schedules/nightly/runs"));
}
