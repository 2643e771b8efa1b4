//! Targets that are slow or held, beside others: row 61.

use std::time::Duration;

use futures_util::StreamExt as _;
use scheduled_runs::client::ApiRequest;
use scheduled_runs::{RunProviderExt as _, arcgis, mode};

use crate::waits::{Slow, busy};
use crate::{Answers, answer};

const ENDED: &str = r#"{"token":"run","state":"succeeded"}"#;
const PENDING: &str = r#"{"token":"run","state":"pending"}"#;

fn mode_at(server: &Slow) -> mode::Client {
    let client = mode::Client::builder().workspace("initech").transport(server.clone());
    client.build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn fault_61_a_target_whose_server_asks_for_a_pause_gets_no_further_polls_of_the_round() {
    let of_one_run = |request: &ApiRequest| request.url().as_str().contains("/runs/r");
    let vendor = Answers::new(move |_, request| {
        if of_one_run(request) {
            return busy(429, "50");
        }
        // The list names none of them, so that they are fetched alone.
        answer(200, r#"{"result":[]}"#)
    });
    let server = Slow::new(vendor, move |request| {
        if of_one_run(request) { Duration::from_millis(20) } else { Duration::ZERO }
    });
    let builder = arcgis::Client::builder().base_url("https://gis.initech.example/portal");
    let client = builder.transport(server.clone()).build().unwrap();
    let target = arcgis::target("t1");
    let runs = (0..200).map(|run| target.run(format!("r{run}")));
    let mut ends = client.wait_all(runs).timeout(Duration::from_secs(40)).ends();
    while ends.next().await.is_some() {}
    let sent = server.vendor.sent();
    assert!(sent.len() < 30, "{} requests within a pause of 50 s, {:?}", sent.len(), &sent[..3]);
}

#[tokio::test(start_paused = true)]
async fn fault_61_a_slow_target_does_not_delay_the_end_of_another() {
    let of_slow = |request: &ApiRequest| request.url().path().contains("/slow/");
    let vendor =
        Answers::new(move |_, request| answer(200, if of_slow(request) { PENDING } else { ENDED }));
    let server =
        Slow::new(
            vendor,
            move |request| {
                if of_slow(request) { Duration::from_secs(25) } else { Duration::ZERO }
            },
        );
    let client = mode_at(&server);
    let runs = ["slow", "fast"].map(|report| mode::target(report).run("run"));
    let begun = tokio::time::Instant::now();
    let mut ends = client.wait_all(runs).every(Duration::from_secs(60)).ends();
    ends.next().await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn fault_61_an_end_that_is_returned_early_costs_no_further_polls() {
    // Ten reports end at the first poll, and ten never end.
    let vendor = Answers::new(|_, request| {
        let ends = request.url().path().contains("/ends");
        answer(200, if ends { ENDED } else { PENDING })
    });
    let server = Slow::new(vendor, |request| {
        let path = request.url().path();
        if path.contains("/slow/") {
            return Duration::from_secs(25);
        }
        let number = path.split("/ends").nth(1).and_then(|rest| rest.as_bytes().first());
        Duration::from_secs(2 * number.map_or(0, |digit| u64::from(digit - b'0')))
    });
    let client = mode_at(&server);
    let reports = (0..10).flat_map(|number| [format!("ends{number}"), format!("goes-on{number}")]);
    let runs = reports.chain(["slow".to_owned()]).map(|report| mode::target(report).run("run"));
    let begun = tokio::time::Instant::now();
    let mut ends = client.wait_all(runs).every(Duration::from_secs(60)).ends();
    for number in 0..10 {
        let end = ends.next().await.unwrap().unwrap();
        assert_eq!(end.run.target().id(), format!("ends{number}"));
        assert!(begun.elapsed() <= Duration::from_secs(2 * number + 2), "{number}");
    }
    assert_eq!(server.vendor.count(), 21, "each run was polled once");
}
