//! What a client reports of its calls, and how a transport knows which attempt it carries.
#![cfg(feature = "adobe")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};
use scheduled_runs::client::{
    ApiRequest, BodyLimits, FinishedCall, RetryPolicy, Transport, TransportError,
    TransportErrorKind,
};
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::{ManualClock, Plan, ScriptedTransport};
use scheduled_runs::{ErrorKind, RunProviderExt as _, adobe};

/// The calls that were reported, in words.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn sink(&self) -> impl Fn(&FinishedCall<'_>) + Send + Sync + 'static {
        let Self(calls) = self.clone();
        move |call| {
            let causes: Vec<_> = call.attempts.iter().map(|attempt| attempt.failure).collect();
            let causes = causes.iter().map(|cause| cause.map_or("none", ErrorKind::as_str));
            calls.lock().unwrap().push(format!(
                "{} {} {} {} {} {} [{}] {} ms",
                call.vendor,
                call.operation,
                call.method,
                call.outcome(),
                call.status.map_or(0, |status| status.as_u16()),
                call.retries(),
                causes.collect::<Vec<_>>().join(" "),
                call.elapsed.as_millis(),
            ));
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn builder(script: &ScriptedTransport) -> scheduled_runs::ClientBuilder<adobe::Adobe> {
    let builder = adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev");
    builder.transport(script.clone()).clock(ManualClock::new())
}

#[tokio::test]
async fn a_call_is_reported_once_with_its_outcome_and_the_causes_of_its_retries() {
    let (script, calls) = (ScriptedTransport::default(), Calls::default());
    let client = builder(&script).on_call(calls.sink()).build().unwrap();

    script.fail(TransportErrorKind::Connect);
    let busy = Response::builder().status(429).header("retry-after", "7").body(Bytes::new());
    script.respond_with(busy.unwrap());
    script.respond(200, r#"{"id":"nightly"}"#);
    client.send(adobe::GetSchedule::new("nightly")).await.unwrap();
    let [reported] = &*calls.take() else { panic!("one call") };
    let (what, elapsed) = reported.rsplit_once("] ").unwrap();
    assert_eq!(what, "adobe adobe.schedules.get GET success 200 2 [connect rate_limited none");
    let elapsed: u64 = elapsed.strip_suffix(" ms").unwrap().parse().unwrap();
    assert!((7000..28_000).contains(&elapsed), "with its pauses: {elapsed}");

    script.respond(404, r#"{"message":"gone"}"#);
    client.send(adobe::GetSchedule::new("nightly")).await.unwrap_err();
    script.fail(TransportErrorKind::Interrupted);
    client.send(adobe::TriggerRun::new("nightly")).await.unwrap_err();
    client.send(adobe::GetSchedule::new("..")).await.unwrap_err();
    assert_eq!(
        calls.take(),
        [
            "adobe adobe.schedules.get GET not_found 404 0 [not_found] 0 ms",
            "adobe adobe.runs.trigger POST interrupted 0 0 [interrupted] 0 ms",
        ],
        "what cannot be written is no call"
    );
}

#[tokio::test]
async fn calls_of_waits_and_for_tokens_are_reported_and_nothing_secret_is() {
    let (fake, calls) = (FakeAdobe::start().await, Calls::default());
    let shown = Arc::new(Mutex::new(Vec::new()));
    let (all, sink) = (Arc::clone(&shown), calls.sink());
    let client = fake
        .client_builder()
        .clock(ManualClock::new())
        .on_call(move |call| {
            all.lock().unwrap().push(format!("{call:?}"));
            sink(call);
        })
        .build()
        .unwrap();
    fake.next_run(Plan::fails("no such table"));
    client.trigger_and_wait(&client.target("nightly-orders")).await.unwrap();

    let operations: Vec<_> = calls.take();
    let count = |operation: &str| {
        operations.iter().filter(|call| call.starts_with(&format!("adobe {operation} "))).count()
    };
    assert_eq!(count("adobe.token"), 1, "{operations:?}");
    assert_eq!((count("adobe.runs.trigger"), count("adobe.runs.get")), (1, 3), "{operations:?}");
    let shown = shown.lock().unwrap().join("\n");
    let token = fake.access_token();
    for secret in [&*token, FakeAdobe::CLIENT_SECRET, FakeAdobe::ORG_ID, "no such table"] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}

#[tokio::test]
async fn a_callback_that_panics_does_not_fail_the_call() {
    let script = ScriptedTransport::default();
    let client = builder(&script).on_call(|_| panic!("the test says so")).build().unwrap();
    script.respond(200, r#"{"id":"nightly"}"#);
    assert!(client.send(adobe::GetSchedule::new("nightly")).await.is_ok());
}

/// Notes what a transport can know of each request.
#[derive(Clone, Debug)]
struct Noted(ScriptedTransport, Arc<Mutex<Vec<(&'static str, u32)>>>);

#[async_trait]
impl Transport for Noted {
    async fn send(
        &self,
        request: ApiRequest,
        limits: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        self.1.lock().unwrap().push((request.operation(), request.attempt()));
        self.0.send(request, limits).await
    }
}

#[tokio::test]
async fn a_transport_sees_the_operation_and_which_attempt_it_is() {
    let noted = Noted(ScriptedTransport::default(), Arc::default());
    let client = builder(&noted.0)
        .transport(noted.clone())
        .retry(RetryPolicy::default().max_attempts(3))
        .build()
        .unwrap();
    (0..2).for_each(|_| noted.0.respond(503, ""));
    noted.0.respond(200, r#"{"id":"nightly"}"#);
    noted.0.respond(200, r#"{"id":"nightly"}"#);
    let schedule = client.send(adobe::GetSchedule::new("nightly")).await.unwrap();
    assert_eq!(schedule.meta().status, StatusCode::OK);
    client.send(adobe::GetSchedule::new("nightly")).await.unwrap();
    let numbers: Vec<_> = noted.1.lock().unwrap().iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [1, 2, 3, 1]);
    assert!(noted.1.lock().unwrap().iter().all(|(name, _)| *name == "adobe.schedules.get"));
}

#[tokio::test]
async fn the_lag_of_a_wait_is_measured_by_the_vendors_clock() {
    let script = ScriptedTransport::default();
    let client = builder(&script).build().unwrap();
    let ended = r#"{"id":"r","state":"SUCCESS","taskStatusList":[{"taskId":"t","endDate":"2026-02-03T04:00:03Z","state":"SUCCESS"}]}"#;
    for (date, lag) in [
        ("Tue, 03 Feb 2026 04:00:10 GMT", Some(7)),
        ("Tue, 03 Feb 2026 04:00:01 GMT", Some(0)),
        ("someday", None),
    ] {
        let response = Response::builder().status(200).header("date", date);
        script.respond_with(response.body(ended.into()).unwrap());
        let mut seen = None;
        let wait = client.wait(&adobe::target("nightly").run("r"));
        let done = wait.on_end(|wait| seen = Some(wait.lag())).await.unwrap();
        assert_eq!(seen, Some(lag.map(Duration::from_secs)), "{done:?}");
    }
}
