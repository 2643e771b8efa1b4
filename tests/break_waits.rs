//! Waits and calls at which a server's pause, a slow target or a short token is not what is expected.
#![cfg(all(feature = "arcgis", feature = "foundry", feature = "mode"))]
#![allow(
    clippy::disallowed_methods,
    reason = "the servers here take time, and the tests measure it"
)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of tests may panic")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Response, StatusCode};
use scheduled_runs::client::{ApiRequest, BodyLimits, Transport, TransportError};
use scheduled_runs::foundry::{ClientCredentials, GetSchedule};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{RunProviderExt as _, arcgis, foundry, mode};

type Answer = fn(&str) -> (u16, Option<&'static str>, &'static str, Duration);

/// Answers by URL: status, `Retry-After`, body, and how long it takes.
#[derive(Clone, Debug)]
struct Server(Answer, Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Transport for Server {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let url = request.url().as_str();
        self.1.lock().unwrap().push(url.to_owned());
        let (status, after, body, pause) = (self.0)(url);
        tokio::time::sleep(pause).await;
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        if let Some(after) = after {
            response.headers_mut().insert("retry-after", after.parse().unwrap());
        }
        Ok(response)
    }
}

fn server(answer: Answer) -> Server {
    Server(answer, Arc::default())
}

#[tokio::test(start_paused = true)]
async fn a_target_whose_server_asks_for_a_pause_gets_no_further_polls_of_the_round() {
    let server = server(|url| {
        if url.contains("/runs/r") {
            (429, Some("50"), "{}", Duration::from_millis(20))
        } else {
            // The list names none of them, so that they are fetched alone.
            (200, None, r#"{"result":[]}"#, Duration::ZERO)
        }
    });
    let builder = arcgis::Client::builder().base_url("https://gis.initech.example/portal");
    let client = builder.transport(server.clone()).build().unwrap();
    let target = arcgis::target("t1");
    let runs = (0..200).map(|run| target.run(format!("r{run}")));
    let mut ends = client.wait_all(runs).timeout(Duration::from_secs(40)).ends();
    while ends.next().await.is_some() {}
    let sent = server.1.lock().unwrap();
    assert!(sent.len() < 30, "{} requests within a pause of 50 s, {:?}", sent.len(), &sent[..3]);
}

#[tokio::test(start_paused = true)]
#[ignore = "not mended: an end is returned only when the polls of its round have ended, or one interval later"]
async fn a_slow_target_does_not_delay_the_end_of_another() {
    let server = server(|url| {
        if url.contains("/slow/") {
            (200, None, r#"{"token":"run","state":"pending"}"#, Duration::from_secs(25))
        } else {
            (200, None, r#"{"token":"run","state":"succeeded"}"#, Duration::ZERO)
        }
    });
    let client = mode::Client::builder().workspace("initech").transport(server.clone());
    let client = client.build().unwrap();
    let runs = ["slow", "fast"].map(|report| mode::target(report).run("run"));
    let begun = tokio::time::Instant::now();
    let mut ends = client.wait_all(runs).every(Duration::from_secs(60)).ends();
    ends.next().await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// How many tokens are fetched for five calls.
async fn tokens(lifetime: &str) -> usize {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let credential = ClientCredentials::new("id", "secret");
    let builder = foundry::Client::builder().hostname("initech.palantirfoundry.com");
    let builder = builder.transport(script.clone()).clock(clock.clone());
    let client = builder.credential(credential).build().unwrap();
    let token = format!(r#"{{"access_token":"t","expires_in":{lifetime}}}"#);
    script.respond(200, token.clone());
    let mut tokens = 0;
    for _ in 0..5 {
        script.respond(200, r#"{"rid":"ri.scheduler.main.schedule.1"}"#);
        let before = script.sent().len();
        clock.advance(Duration::from_millis(1));
        client.send(GetSchedule::new("ri.scheduler.main.schedule.1")).await.unwrap();
        tokens += script.sent()[before..]
            .iter()
            .filter(|sent| sent.url().path().contains("oauth2"))
            .count();
        if tokens > 1 {
            break;
        }
    }
    tokens
}

#[tokio::test]
async fn a_lifetime_that_means_nothing_does_not_fetch_a_token_per_call() {
    for lifetime in [
        "0",
        "0.0",
        "\"0\"",
        "-0.0",
        "0.0004",
        "1e-9",
        "\"1e-5\"",
        "\"1e400\"",
        "18446744073709551615",
        "1e19",
        "\"9e99\"",
        "[]",
        "{\"s\":3600}",
        "true",
    ] {
        assert_eq!(tokens(lifetime).await, 1, "{lifetime}");
    }
}

#[tokio::test]
async fn a_lifetime_out_of_range_does_not_lose_the_token() {
    assert_eq!(tokens("1e400").await, 1);
}

#[tokio::test]
async fn pauses_in_further_spellings_are_read() {
    for (text, seconds) in
        [("7.01", 8), ("8s", 8), ("8 sec", 8), ("7001ms", 8), ("7,8", 8), ("8, 3", 8), (" 8 ", 8)]
    {
        let script = ScriptedTransport::default();
        let builder = foundry::Client::builder().hostname("initech.palantirfoundry.com");
        let builder = builder.transport(script.clone()).clock(ManualClock::new());
        let client = builder
            .retry(scheduled_runs::client::RetryPolicy::default().max_attempts(1))
            .build()
            .unwrap();
        let mut busy = Response::new(Bytes::new());
        *busy.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        busy.headers_mut().insert("retry-after", text.parse().unwrap());
        script.respond_with(busy);
        let error =
            client.send(GetSchedule::new("ri.scheduler.main.schedule.1")).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)), "{text}");
    }
}
