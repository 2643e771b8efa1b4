//! Responses of token endpoints: row 72.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Response;
use scheduled_runs::client::{
    Api, ApiRequest, BodyLimits, Credential, Endpoint, Limits, Transport, TransportError,
};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{Client, ClientBuilder, ErrorKind, adobe, arcgis, foundry};

use crate::{ORG, assert_no_canary};

/// Makes two calls a day and a half apart, then one that is refused once. Returns the number of tokens that were fetched until
/// then, and in all.
async fn tokens<A: Api, E: Endpoint<Api = A>>(
    builder: ClientBuilder<A>,
    read: E,
    token: &str,
) -> [usize; 3] {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let client = builder.transport(script.clone()).clock(clock.clone()).build().unwrap();
    let fetched =
        || script.sent().iter().filter(|sent| sent.operation().ends_with("token")).count();
    script.respond(200, token.to_owned());
    (0..2).for_each(|_| script.respond(200, "{}"));
    for _ in 0..2 {
        let ended = client.send(read.clone()).await.err();
        assert!(ended.is_none_or(|error| error.kind() == ErrorKind::Decode), "{token}");
    }
    let at_once = fetched();
    clock.advance(Duration::from_secs(36 * 3600));
    // A new token if the first has expired, then the call.
    script.respond(200, token.to_owned());
    script.respond(200, token.to_owned());
    let _ = client.send(read.clone()).await;
    let later = fetched();
    assert!(script.sent().iter().filter(|sent| !sent.operation().ends_with("token")).count() >= 3);
    (0..4).for_each(|_| script.respond(401, ""));
    if let Err(error) = client.send(read.clone()).await {
        assert_no_canary(&error, &client);
    }
    [at_once, later, fetched()]
}

/// Keeps of each request its operation and the limits of its response.
#[derive(Clone, Debug, Default)]
struct Limited(Arc<Mutex<Vec<(&'static str, BodyLimits)>>>);

#[async_trait]
impl Transport for Limited {
    async fn send(
        &self,
        request: ApiRequest,
        limits: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        self.0.lock().unwrap().push((request.operation(), limits));
        let body = r#"{"access_token":"canary-t","expires_in":60,"rid":"ri.foundry.main.build.1"}"#;
        Ok(Response::new(Bytes::from_static(body.as_bytes())))
    }
}

#[tokio::test]
async fn a_call_that_allows_a_small_response_allows_a_larger_one_with_a_token() {
    let vendor = Limited::default();
    let client = foundry::Client::builder()
        .hostname("example.palantirfoundry.com")
        .credential(foundry::ClientCredentials::new("id", "canary-secret"))
        .limits(Limits::default().max_body(1 << 16))
        .transport(vendor.clone())
        .build()
        .unwrap();
    let call = client.call(foundry::GetBuild::new("ri.foundry.main.build.1")).max_body(1024);
    call.send().await.unwrap();
    let sent = vendor.0.lock().unwrap();
    let sizes: Vec<_> = sent.iter().map(|(name, limits)| (*name, limits.max_body)).collect();
    assert_eq!(sizes, [("foundry.token", 1 << 16), ("foundry.builds.get", 1024)]);
}

#[tokio::test]
async fn fault_72_a_token_is_used_whatever_is_said_of_its_lifetime() {
    for expires_in in [
        r#","expires_in":"3600""#,
        r#","expires_in":3600.0"#,
        r#","expires_in":3.6e3"#,
        r#","expires_in":null"#,
        "",
        r#","expires_in":-1"#,
        r#","expires_in":0"#,
        r#","expires_in":"soon""#,
        r#","expires_in":{}"#,
    ] {
        let token = format!(r#"{{"access_token":"canary-access"{expires_in}}}"#);
        let credential = adobe::ServerToServer::new("canary-id", "canary-secret");
        let builder = adobe::Client::builder().org_id(ORG).sandbox("dev").credential(credential);
        let adobe = tokens(builder, crate::read(), &token).await;
        let credential = foundry::ClientCredentials::new("canary-id", "canary-secret");
        let builder =
            foundry::Client::builder().base_url("http://localhost").credential(credential);
        let foundry =
            tokens(builder, foundry::ListScheduleRuns::new("ri.a.b.schedule.c"), &token).await;
        let credential = arcgis::AppToken::new("canary-id", "canary-secret");
        let builder = arcgis::Client::builder().base_url("http://localhost").credential(credential);
        let arcgis = tokens(builder, arcgis::ListTasks::new(), &token).await;
        for (vendor, [at_once, later, refused]) in
            [("adobe", adobe), ("foundry", foundry), ("arcgis", arcgis)]
        {
            assert_eq!((at_once, later), (1, 2), "{vendor} {expires_in}");
            assert!(refused > later, "{vendor} {expires_in}: renewed when it is refused");
        }
    }
}

#[tokio::test]
async fn fault_72_an_error_inside_a_success_of_a_token_endpoint_is_the_vendors() {
    async fn refused<A: Api>(
        builder: ClientBuilder<A>,
        credential: impl Credential + 'static,
        read: impl Endpoint<Api = A>,
    ) {
        let script = ScriptedTransport::default();
        let body = r#"{"error":"invalid_scope","error_description":"no such scope"}"#;
        script.respond(200, body);
        let client: Client<A> =
            builder.credential(credential).transport(script.clone()).build().unwrap();
        let error = client.send(read).await.err().unwrap();
        assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Auth, 1));
        assert!(!error.is_transient(), "nobody waits for this to pass");
        let report = error.report();
        assert!(report.contains("no such scope"), "{report}");
        let said = error.vendor_error().unwrap();
        assert!(
            [&said.code, &said.name].iter().any(|name| name.as_deref() == Some("invalid_scope"))
        );
        assert_no_canary(&error, &client);
    }
    let adobe = adobe::Client::builder().org_id(ORG).sandbox("dev");
    refused(adobe, adobe::ServerToServer::new("canary-id", "canary-secret"), crate::read()).await;
    let foundry = foundry::Client::builder().base_url("http://localhost");
    let credential = foundry::ClientCredentials::new("canary-id", "canary-secret");
    refused(foundry, credential, foundry::ListScheduleRuns::new("ri.a.b.schedule.c")).await;
    let arcgis = arcgis::Client::builder().base_url("http://localhost");
    let credential = arcgis::AppToken::new("canary-id", "canary-secret");
    refused(arcgis, credential, arcgis::ListTasks::new()).await;
}
