//! What is accepted from a webhook: only what Adobe has signed, for this client.
#![cfg(feature = "rustls")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SigningKey;
use scheduled_runs::ErrorKind;
use scheduled_runs::adobe::Webhook;
use scheduled_runs::client::{
    ApiRequest, BodyLimits, Transport, TransportError, TransportErrorKind,
};
use scheduled_runs::run::Event;
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::webhook::Received;
use serde_json::json;

use super::{CLIENT_ID, RUN, addressed, begun, ended, run_in};

const PATHS: [&str; 2] = ["/prod/keys/pub-key-1.pem", "/prod/keys/pub-key-2.pem"];

/// One of the two keys of these tests, which were made for them.
fn signing_key(number: usize) -> std::sync::Arc<dyn SigningKey> {
    let pem = [
        include_bytes!("signing_key_1.pem").as_slice(),
        include_bytes!("signing_key_2.pem").as_slice(),
    ][number];
    let key = PrivateKeyDer::from_pem_slice(pem).unwrap();
    aws_lc_rs::default_provider().key_provider.load_private_key(key).unwrap()
}

fn public_key(number: usize) -> String {
    let key = STANDARD.encode(signing_key(number).public_key().unwrap());
    let lines: Vec<&str> =
        key.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

fn signature(number: usize, text: &str) -> String {
    let signer = signing_key(number).choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).unwrap();
    STANDARD.encode(signer.sign(text.as_bytes()).unwrap())
}

/// A delivery that is well signed.
fn signed(text: &impl ToString) -> Request<Bytes> {
    let text = text.to_string();
    Request::post("/adobe")
        .header("x-adobe-digital-signature-1", signature(0, &text))
        .header("X-Adobe-Digital-Signature-2", signature(1, &text))
        .header("x-adobe-public-key1-path", PATHS[0])
        .header("x-adobe-public-key2-path", PATHS[1])
        .header("x-adobe-event-id", "not signed")
        .body(text.into())
        .unwrap()
}

/// The same with one header changed, or taken away.
fn with(name: &'static str, value: &str) -> Request<Bytes> {
    let mut request = signed(&ended(RUN));
    request.headers_mut().remove(name);
    if !value.is_empty() {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

#[derive(Default)]
struct Setup {
    script: ScriptedTransport,
    clock: ManualClock,
}

impl Setup {
    fn webhook(&self) -> Webhook {
        let builder = Webhook::builder(CLIENT_ID).transport(self.script.clone());
        builder.clock(self.clock.clone()).build().unwrap()
    }

    /// With the responses to the requests for both keys.
    fn with_keys() -> Self {
        let setup = Self::default();
        setup.serve_keys();
        setup
    }

    fn serve_keys(&self) {
        self.script.respond(200, public_key(0));
        self.script.respond(200, public_key(1));
    }

    fn fetched(&self) -> Vec<String> {
        self.script.sent().iter().map(|request| request.url().to_string()).collect()
    }
}

async fn receive(request: Request<Bytes>) -> (Received, usize) {
    let setup = Setup::with_keys();
    let received = setup.webhook().receive(&request).await;
    (received, setup.fetched().len())
}

#[tokio::test]
async fn a_signed_event_wakes_the_waits_for_its_run() {
    let setup = Setup::with_keys();
    let webhook = setup.webhook();
    let received = webhook.receive(&signed(&ended(RUN))).await;
    assert_eq!(received.response.status(), StatusCode::OK);
    let [event] = &*received.events else { panic!("{:?}", received.events) };
    assert!(event.concerns(&run_in("prod", RUN)));
    assert!(!event.concerns(&run_in("prod", "another")));
    assert!(!event.concerns(&run_in("dev", RUN)));

    // The keys come from Adobe's host, and nothing of this program goes there.
    let host = "https://static.adobeioevents.com";
    assert_eq!(setup.fetched(), PATHS.map(|path| format!("{host}{path}")));
    for request in setup.script.sent() {
        let names: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
        assert_eq!((request.method(), names), (&Method::GET, vec!["user-agent"]));
    }
    assert!(!format!("{webhook:?}").contains("canary"), "{webhook:?}");
}

#[tokio::test]
async fn an_event_names_what_it_can() {
    let names = |data| async move {
        let (received, _) = receive(signed(&addressed(&data))).await;
        assert_eq!(received.response.status(), StatusCode::OK);
        received.events
    };
    let (here, there) = (run_in("prod", RUN), run_in("dev", RUN));
    let account = json!({ "imsOrgId": super::ORG_ID, "sandboxName": "prod", "activities": null });
    let [event] = &*names(account).await else { panic!() };
    assert!(event.concerns(&here) && !event.concerns(&there), "only the account is known");

    let decoded = json!({ "activities": [
        7,
        { "statusSummary": { "extensions": { "scheduleRunId": "scheduled__2026-02-03T04:00:00+00:00" } } },
    ] });
    let [event] = &*names(decoded).await else { panic!() };
    assert!(event.concerns(&here) && event.concerns(&there), "only the run is known");
    assert!(!event.concerns(&run_in("prod", "another")));

    for unknown in
        [json!({}), json!(null), json!("text"), json!({ "activities": {}, "metrics": 7 })]
    {
        let [event] = &*names(unknown).await else { panic!() };
        assert_eq!(*event, Event::of(scheduled_runs::adobe::VENDOR), "it may be any run");
    }
    let (received, _) = receive(signed(&begun())).await;
    assert_eq!(
        (received.response.status(), received.events),
        (StatusCode::OK, vec![]),
        "no run has ended"
    );
    let mut older = ended(RUN);
    older["event"] = older["data"].take();
    let (received, _) = receive(signed(&older)).await;
    assert!(received.events[0].concerns(&here), "the payload of events that are not CloudEvents");
}

#[tokio::test]
async fn a_batch_and_either_name_of_the_recipient_are_accepted() {
    let mut new_name = ended("b");
    new_name.as_object_mut().unwrap().remove("recipient_client_id");
    let mut old_name = ended("c");
    old_name.as_object_mut().unwrap().remove("recipientclientid");
    let (received, _) =
        receive(signed(&json!([ended("a"), new_name, old_name, begun(), ended("a")]))).await;
    assert_eq!(received.response.status(), StatusCode::OK);
    let runs = ["a", "b", "c"].map(|run| run_in("prod", run));
    assert_eq!(received.events.len(), 3, "each run once");
    assert!(received.events.iter().zip(&runs).all(|(event, run)| event.concerns(run)));
}

#[tokio::test]
async fn the_base64_of_an_event_is_the_event() {
    let mut request = signed(&ended(RUN));
    *request.body_mut() = STANDARD.encode(request.body()).into();
    assert_eq!(receive(request).await.0.events.len(), 1);
    let mut request = signed(&ended(RUN));
    *request.body_mut() = format!("{}\n", STANDARD.encode(request.body())).into();
    assert_eq!(receive(request).await.0.response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn one_signature_that_fits_its_own_key_is_enough() {
    let wrong = signature(0, "something else");
    for (name, also_is) in
        [("x-adobe-digital-signature-1", &*wrong), ("x-adobe-digital-signature-2", "not base64!")]
    {
        assert_eq!(receive(with(name, also_is)).await.0.events.len(), 1, "{name}");
    }
    let (received, fetched) =
        receive(with("x-adobe-public-key1-path", "@example.invalid/k.pem")).await;
    assert_eq!(
        (received.response.status(), fetched),
        (StatusCode::FORBIDDEN, 1),
        "key 1 for signature 2"
    );

    let setup = Setup::default();
    setup.script.respond(404, "");
    setup.script.respond(200, public_key(1).replace('\n', "\r\n").trim().to_owned());
    assert_eq!(setup.webhook().receive(&signed(&ended(RUN))).await.events.len(), 1);
}

#[tokio::test]
async fn what_adobe_has_not_signed_is_refused() {
    let mut changed = signed(&ended(RUN));
    *changed.body_mut() = ended("another").to_string().into();
    let mut formatted = signed(&ended(RUN));
    *formatted.body_mut() = serde_json::to_vec_pretty(&ended(RUN)).unwrap().into();
    let mut crosswise = signed(&ended(RUN));
    let one = crosswise.headers()["x-adobe-digital-signature-1"].clone();
    let two = crosswise.headers_mut().insert("x-adobe-digital-signature-2", one).unwrap();
    crosswise.headers_mut().insert("x-adobe-digital-signature-1", two);
    for request in [changed, formatted, crosswise] {
        let (received, fetched) = receive(request).await;
        assert_eq!((received.response.status(), fetched), (StatusCode::FORBIDDEN, 2));
        assert!(received.events.is_empty());
    }
}

#[tokio::test]
async fn what_is_not_for_this_client_makes_it_fetch_nothing() {
    let mut other = ended(RUN);
    other["recipientclientid"] = "somebody".into();
    let mut contradictory = ended(RUN);
    contradictory["recipient_client_id"] = "somebody".into();
    let mut nobody = ended(RUN);
    nobody.as_object_mut().unwrap().retain(|name, _| !name.starts_with("recipient"));
    for (text, status) in [
        (other.to_string(), StatusCode::FORBIDDEN),
        (contradictory.to_string(), StatusCode::FORBIDDEN),
        (nobody.to_string(), StatusCode::FORBIDDEN),
        (json!([ended(RUN), other]).to_string(), StatusCode::FORBIDDEN),
        (json!([]).to_string(), StatusCode::BAD_REQUEST),
        (json!("text").to_string(), StatusCode::BAD_REQUEST),
        (json!([7]).to_string(), StatusCode::BAD_REQUEST),
        ("hello".to_owned(), StatusCode::BAD_REQUEST),
        (String::new(), StatusCode::BAD_REQUEST),
        ("[".repeat(1_000_000), StatusCode::BAD_REQUEST),
        (format!("[{}{{}}]", "{},".repeat(500_000)), StatusCode::BAD_REQUEST),
        (json!(vec![ended(RUN); 1001]).to_string(), StatusCode::BAD_REQUEST),
        (format!("[{}]", " ".repeat(2 * 1024 * 1024)), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let shown: String = text.chars().take(80).collect();
        let (received, fetched) = receive(signed(&text)).await;
        assert_eq!((received.response.status(), fetched), (status, 0), "{shown}");
        assert!(received.events.is_empty());
    }
    for name in [
        "x-adobe-digital-signature-1",
        "x-adobe-digital-signature-2",
        "x-adobe-public-key1-path",
        "x-adobe-public-key2-path",
    ] {
        let (received, fetched) = receive(with(name, "")).await;
        assert_eq!((received.response.status(), fetched), (StatusCode::BAD_REQUEST, 0), "{name}");
    }
}

#[tokio::test]
async fn no_path_leads_to_another_host() {
    for path in [
        ".example.invalid/k.pem",
        "@example.invalid/k.pem",
        ":8443@example.invalid/k.pem",
        "//example.invalid/k.pem",
        "https://example.invalid/k.pem",
        "/\\example.invalid/k.pem",
        "/prod/../k.pem",
        "/prod/./k.pem",
        "/prod//k.pem",
        "/prod/%2e%2e/k.pem",
        "/prod/k.pem?x=1",
        "/prod/k.pem#x.pem",
        "/prod/k .pem",
        "/prod/k.txt",
        "/",
        &format!("/{}.pem", "k".repeat(200)),
    ] {
        let mut request = with("x-adobe-public-key1-path", path);
        request.headers_mut().insert("x-adobe-public-key2-path", path.parse().unwrap());
        let (received, fetched) = receive(request).await;
        assert_eq!((received.response.status(), fetched), (StatusCode::FORBIDDEN, 0), "{path}");
    }
}

#[tokio::test]
async fn an_event_whose_keys_cannot_be_fetched_is_asked_for_again() {
    let setup = Setup::default();
    let webhook = setup.webhook();
    for status in [503, 503, 404] {
        setup.script.respond(status, "");
    }
    let received = webhook.receive(&signed(&ended(RUN))).await;
    assert_eq!(received.response.status(), StatusCode::SERVICE_UNAVAILABLE, "one is not known yet");
    // The other one is asked for again only after a minute.
    setup.script.fail(TransportErrorKind::Tls);
    let received = webhook.receive(&signed(&ended(RUN))).await;
    assert_eq!(received.response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(setup.fetched().len(), 4);
    setup.clock.advance(Duration::from_secs(60));
    setup.serve_keys();
    assert_eq!(webhook.receive(&signed(&ended(RUN))).await.events.len(), 1);

    // A redirect is not followed, and a page is not a key.
    let setup = Setup::default();
    let moved =
        http::Response::builder().status(302).header("location", "https://example.invalid/k.pem");
    setup.script.respond_with(moved.body(Bytes::new()).unwrap());
    setup.script.respond(200, "<html>");
    let received = setup.webhook().receive(&signed(&ended(RUN))).await;
    assert_eq!(
        (received.response.status(), setup.fetched().len()),
        (StatusCode::SERVICE_UNAVAILABLE, 2)
    );
}

/// Lets others go on before it responds, as a network does.
#[derive(Debug)]
struct Slow(ScriptedTransport);

#[async_trait::async_trait]
impl Transport for Slow {
    async fn send(
        &self,
        request: ApiRequest,
        limits: BodyLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        tokio::task::yield_now().await;
        self.0.send(request, limits).await
    }
}

#[tokio::test]
async fn a_key_is_fetched_once_for_all_and_kept_for_a_day() {
    let setup = Setup::with_keys();
    let builder = Webhook::builder(CLIENT_ID).transport(Slow(setup.script.clone()));
    let webhook = builder.clock(setup.clock.clone()).build().unwrap();
    let received = ["a", "b", "c"].map(|run| {
        let (webhook, request) = (webhook.clone(), signed(&ended(run)));
        // As a web server does.
        tokio::spawn(async move { webhook.receive(&request).await.events.len() })
    });
    for events in received {
        assert_eq!(events.await.unwrap(), 1);
    }
    setup.clock.advance(Duration::from_secs(24 * 3600 - 1));
    let request = signed(&ended(RUN));
    assert_eq!(webhook.receive(&request).await.events.len(), 1);
    assert_eq!(setup.fetched().len(), 2, "all four need the same two keys");
    setup.clock.advance(Duration::from_secs(1));
    setup.serve_keys();
    assert_eq!(webhook.receive(&request).await.events.len(), 1);
    assert_eq!(setup.fetched().len(), 4);
}

#[tokio::test]
async fn a_stranger_with_the_client_id_neither_drives_keys_out_nor_makes_it_fetch_without_end() {
    let setup = Setup::with_keys();
    let webhook = setup.webhook();
    let good = signed(&ended(RUN));
    assert_eq!(webhook.receive(&good).await.events.len(), 1);
    for hour in 0..3 {
        for number in 0..100 {
            setup.script.respond(404, "");
            let path = format!("/prod/keys/{hour}-{number}.pem");
            let _ = webhook.receive(&with("x-adobe-public-key1-path", &path)).await;
        }
        setup.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(setup.fetched().len(), 3 * 16);
    assert_eq!(webhook.receive(&good).await.events.len(), 1);
    assert_eq!(setup.fetched().len(), 3 * 16, "both keys are still there");

    // Nor does it keep keys from being renewed when their day is over.
    let setup = Setup { script: ScriptedTransport::default(), clock: setup.clock };
    let builder = Webhook::builder(CLIENT_ID).transport(setup.script.clone());
    let webhook = builder.clock(setup.clock.clone()).build().unwrap();
    setup.serve_keys();
    assert_eq!(webhook.receive(&good).await.events.len(), 1);
    setup.clock.advance(Duration::from_secs(24 * 3600));
    for number in 0..20 {
        let mut request = with("x-adobe-public-key1-path", &format!("/prod/keys/{number}.pem"));
        let path = format!("/prod/keys/more-{number}.pem").parse().unwrap();
        request.headers_mut().insert("x-adobe-public-key2-path", path);
        (0..2).filter(|_| number < 8).for_each(|_| setup.script.respond(404, ""));
        let _ = webhook.receive(&request).await;
    }
    assert_eq!(setup.fetched().len(), 2 + 16);
    setup.serve_keys();
    assert_eq!(webhook.receive(&good).await.events.len(), 1);
}

#[tokio::test]
async fn a_registration_is_confirmed_by_its_text_or_by_a_person() {
    let setup = Setup::default();
    let webhook = setup.webhook();
    let get = |uri: &str| Request::get(uri).body("").unwrap();
    let received = webhook.receive(&get("/adobe?x=1&challenge=%3Cb%3E+a%26b%2Bc")).await;
    assert_eq!(
        (received.response.status(), &**received.response.body()),
        (StatusCode::OK, "<b> a&b+c")
    );
    let headers = received.response.headers();
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(webhook.receive(&get("/adobe")).await.response.status(), StatusCode::BAD_REQUEST);
    let put = Request::put("/adobe?challenge=x").body("").unwrap();
    let refused = webhook.receive(&put).await.response;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.headers()["allow"], "GET, POST");

    let post = |url: &str| {
        let body = json!({ "validationUrl": url }).to_string();
        Request::post("/adobe").body(body).unwrap()
    };
    let url = "https://csm.adobe.io/csm/registrations/validate?id=1&challenge=2";
    let received = webhook.receive(&post(url)).await;
    assert_eq!((received.response.status(), received.events.len()), (StatusCode::OK, 0));
    assert_eq!(received.confirm_url.unwrap().as_str(), url);
    for url in [
        "http://csm.adobe.io/csm",
        "https://csm.adobe.io.example.invalid/csm",
        "https://csm.adobe.io@example.invalid/csm",
        "https://user@csm.adobe.io/csm",
        "https://csm.adobe.io:8443/csm",
        "csm.adobe.io",
    ] {
        let received = webhook.receive(&post(url)).await;
        assert_eq!(received.response.status(), StatusCode::BAD_REQUEST, "{url}");
        assert_eq!(received.confirm_url, None);
    }
    assert_eq!(setup.fetched(), [""; 0], "nobody opens it");
}

#[tokio::test]
async fn keys_come_from_adobe_or_from_a_fake_on_this_machine() {
    let setup = Setup::with_keys();
    let builder = || Webhook::builder(CLIENT_ID).transport(setup.script.clone());
    let fake = builder().key_host("http://127.0.0.1:7/").build().unwrap();
    assert_eq!(fake.receive(&signed(&ended(RUN))).await.events.len(), 1);
    assert_eq!(setup.fetched(), PATHS.map(|path| format!("http://127.0.0.1:7{path}")));

    for (builder, says) in [
        (builder().key_host("https://example.invalid"), "not this machine"),
        (
            builder().key_host("https://static.adobeioevents.com.example.invalid"),
            "not this machine",
        ),
        (builder().key_host("127.0.0.1"), "is not an http or https URL"),
        (Webhook::builder(""), "the client id is empty"),
        (Webhook::builder(" id"), "the client id begins or ends with white space"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(says), "{error}");
    }
}
