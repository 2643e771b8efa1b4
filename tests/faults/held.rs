//! Targets that are slow or held, beside others: row 61.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Response, StatusCode};
use scheduled_runs::client::{ApiRequest, BodyLimits, Transport, TransportError};
use scheduled_runs::{RunProviderExt as _, arcgis, mode};

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
async fn fault_61_a_target_whose_server_asks_for_a_pause_gets_no_further_polls_of_the_round() {
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
async fn fault_61_a_slow_target_does_not_delay_the_end_of_another() {
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

#[tokio::test(start_paused = true)]
async fn fault_61_an_end_that_is_returned_early_costs_no_further_polls() {
    let server = server(|url| {
        if url.contains("/slow/") {
            return (200, None, r#"{"token":"run","state":"pending"}"#, Duration::from_secs(25));
        }
        // Ten reports end at the first poll, and ten never end.
        if url.contains("/ends") {
            let number = url.split("/ends").nth(1).and_then(|rest| rest.as_bytes().first());
            let seconds = u64::from(number.map_or(0, |digit| digit - b'0'));
            let pause = Duration::from_secs(2 * seconds);
            return (200, None, r#"{"token":"run","state":"succeeded"}"#, pause);
        }
        (200, None, r#"{"token":"run","state":"pending"}"#, Duration::ZERO)
    });
    let client = mode::Client::builder().workspace("initech").transport(server.clone());
    let client = client.build().unwrap();
    let reports = (0..10).flat_map(|number| [format!("ends{number}"), format!("goes-on{number}")]);
    let runs = reports.chain(["slow".to_owned()]).map(|report| mode::target(report).run("run"));
    let begun = tokio::time::Instant::now();
    let mut ends = client.wait_all(runs).every(Duration::from_secs(60)).ends();
    for number in 0..10 {
        let end = ends.next().await.unwrap().unwrap();
        assert_eq!(end.run.target().id(), format!("ends{number}"));
        assert!(begun.elapsed() <= Duration::from_secs(2 * number + 2), "{number}");
    }
    assert_eq!(server.1.lock().unwrap().len(), 21, "each run was polled once");
}
