//! Samples of Adobe I/O Events: requests to a webhook that are to be accepted or refused.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use scheduled_runs::adobe::Webhook;
use scheduled_runs::client::{
    ApiRequest, BodyLimits, Transport, TransportError, TransportErrorKind,
};
use serde::Deserialize;

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
