//! Samples of Adobe I/O Events: requests to a webhook that are to be accepted or refused, and responses of the journal.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use scheduled_runs::adobe::{self, Journal, Webhook};
use scheduled_runs::client::{
    ApiRequest, BodyLimits, Transport, TransportError, TransportErrorKind,
};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use serde::Deserialize;
use serde_json::{Value, json};

use super::samples;

#[derive(Deserialize)]
struct Case {
    name: String,
    expect: String,
    why: String,
    client_id: String,
    keys: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body_base64: String,
}

/// Serves the keys of a case.
#[derive(Debug)]
struct KeyFiles(BTreeMap<String, Bytes>);

#[async_trait::async_trait]
impl Transport for KeyFiles {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        assert_eq!(request.url().host_str(), Some("static.adobeioevents.com"));
        let key = self.0.get(request.url().path()).cloned();
        key.map(Response::new).ok_or_else(|| TransportError::new(TransportErrorKind::Connect))
    }
}

#[tokio::test]
async fn every_sample_of_a_delivery_is_accepted_or_refused_as_it_should_be() {
    let Some(samples) = samples("events") else { return };
    let folder =
        std::path::PathBuf::from(std::env::var_os("VENDOR_SAMPLES").unwrap()).join("events");
    let (_, cases) = samples.iter().find(|(name, _)| name == "adobe_vectors").unwrap();
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    assert!(cases.len() >= 32, "only {} cases", cases.len());
    for case in cases {
        let keys = case
            .keys
            .iter()
            .map(|(path, file)| (path.clone(), std::fs::read(folder.join(file)).unwrap().into()));
        let webhook =
            Webhook::builder(case.client_id).transport(KeyFiles(keys.collect())).build().unwrap();
        let mut request = Request::post("/adobe");
        for (name, value) in &case.headers {
            request = request.header(name, value);
        }
        let request = request.body(STANDARD.decode(case.body_base64).unwrap()).unwrap();
        let received = webhook.receive(&request).await;
        let accepted = received.response.status().is_success();
        let what = format!("{}: {} ({:?})", case.name, case.why, received.response);
        assert_eq!(accepted, case.expect == "accept", "{what}");
        assert_eq!(received.events.is_empty(), !accepted, "{what}");
        assert!(accepted || received.response.status().is_client_error(), "{what}");
    }
}

/// A sample of a response of the journal.
#[derive(Deserialize)]
struct JournalSample {
    request: String,
    status: u16,
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    body: Value,
    body_text: Option<String>,
}

impl JournalSample {
    fn base(&self) -> &str {
        let url = self.request.strip_prefix("GET ").unwrap();
        url.split('?').next().unwrap()
    }

    fn response(&self) -> Response<Bytes> {
        let mut response = Response::builder().status(self.status);
        for (name, values) in &self.headers {
            let one = std::slice::from_ref(values);
            for value in values.as_array().map_or(one, Vec::as_slice) {
                response = response.header(name, value.as_str().unwrap());
            }
        }
        let body = if self.body.is_null() { String::new() } else { self.body.to_string() };
        response.body(self.body_text.clone().unwrap_or(body).into()).unwrap()
    }
}

fn journal(base: &str, script: &ScriptedTransport, client_id: &str) -> Journal {
    let builder = Journal::builder().base_url(base).client_id(client_id).org_id("1@AdobeOrg");
    builder.transport(script.clone()).clock(ManualClock::new()).build().unwrap()
}

#[tokio::test]
async fn the_samples_of_the_journal_are_read_one_after_the_other() {
    let Some(samples) = samples("events") else { return };
    let sample = |name: &str| {
        let (_, text) = samples.iter().find(|(known, _)| known == name).unwrap();
        serde_json::from_str::<JournalSample>(text).unwrap()
    };
    let full = sample("adobe_journal_200");
    let client_id = full.body["events"][0]["event"]["recipientclientid"].as_str().unwrap();
    let script = ScriptedTransport::default();
    let others = ["adobe_journal_204_empty_journal", "adobe_journal_204", "adobe_journal_410"];
    for sample in others.map(sample).iter().chain([&full]) {
        script.respond_with(sample.response());
    }
    let mut entries = journal(full.base(), &script, client_id).events();
    let lost = entries.next().await.unwrap().unwrap();
    assert_eq!((lost.position, lost.events.len()), (None, 1));
    for item in full.body["events"].as_array().unwrap() {
        let entry = entries.next().await.unwrap().unwrap();
        assert_eq!(entry.position.unwrap().as_str(), item["position"]);
        assert_eq!(entry.events.len(), 1);
    }
    let sent = script.sent();
    assert!(sent.iter().all(|request| request.url().as_str().starts_with(full.base())));
    let since = full.body["_page"]["last"].as_str().unwrap();
    let has_since =
        |request: &ApiRequest| request.url().query_pairs().any(|(_, value)| value == since);
    assert_eq!(sent.iter().map(has_since).collect::<Vec<_>>(), [false, true, true, false]);
}

#[tokio::test]
async fn the_samples_of_what_query_service_sends_name_their_runs_and_a_start_names_none() {
    let Some(samples) = samples("events") else { return };
    let is_payload = |name: &str| name.starts_with("adobe_query_");
    let payloads: Vec<_> = samples.iter().filter(|(name, _)| is_payload(name)).collect();
    assert!(payloads.len() >= 3, "only {} samples", payloads.len());
    for (name, payload) in payloads {
        let payload: Value = serde_json::from_str(payload).unwrap();
        let run = &payload["activities"][0]["statusSummary"]["extensions"]["scheduleRunId"];
        for member in ["data", "event"] {
            let event = json!({ "recipientclientid": "c", member: payload });
            let page = json!({ "events": [{ "position": "1", "event": event }] });
            let script = ScriptedTransport::default();
            script.respond(200, page.to_string());
            let mut entries = journal("https://host/j", &script, "c").events();
            let events = entries.next().await.unwrap().unwrap().events;
            assert_eq!(events.len(), usize::from(run.is_string()), "{name}");
            for event in events {
                let client = adobe::Client::builder();
                let client = client.org_id(payload["imsOrgId"].as_str().unwrap());
                let client =
                    client.sandbox(payload["sandboxName"].as_str().unwrap()).build().unwrap();
                let target = client.target("any");
                assert!(event.concerns(&target.run(run.as_str().unwrap())), "{name}");
                assert!(!event.concerns(&target.run("another")), "{name}");
            }
        }
    }
}
