//! Calls that nobody polls while they wait for a rate: row 65. The caller of a stream or of a `select!` is free to send something
//! else first.

use std::time::Duration;

use futures_util::{StreamExt as _, poll};
use scheduled_runs::RunProviderExt as _;
use scheduled_runs::mode::{self, ApiToken, ListReportRuns, Verify};

use crate::{Answers, answer};

fn mode_at(server: &Answers) -> mode::Client {
    let credential = ApiToken::new("token", "secret");
    let builder = mode::Client::builder().workspace("initech").credential(credential);
    builder.transport(server.clone()).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn fault_65_a_page_that_is_not_polled_while_it_waits_for_the_rate_holds_nobody_up() {
    let server = Answers::new(|_, _| answer(200, "{}"));
    let client = mode_at(&server);
    for _ in 0..40 {
        client.send(Verify::new()).await.unwrap();
    }
    let mut pages = client.pages(ListReportRuns::new("r"));
    assert!(poll!(Box::pin(pages.next())).is_pending());
    // As a `select!` does whose other branch was first.
    let call = tokio::time::timeout(Duration::from_secs(120), client.send(Verify::new())).await;
    call.expect("the call waits for the page that nobody polls").unwrap();
    pages.next().await.unwrap().unwrap();
    assert_eq!(server.count(), 42);
}

#[tokio::test(start_paused = true)]
async fn fault_65_polls_of_a_wait_for_many_hold_nobody_up_between_two_ends() {
    // The first report's run has ended, and responds at once; 60 others wait for the rate.
    let server = Answers::new(|_, request| {
        let state = if request.url().path().contains("/r00/") { "succeeded" } else { "pending" };
        answer(200, format!(r#"{{"token":"run","state":"{state}"}}"#))
    });
    let client = mode_at(&server);
    let runs = (0..60).map(|report| mode::target(format!("r{report:02}")).run("run"));
    let mut ends = client.wait_all(runs).every(Duration::from_secs(3)).ends();
    ends.next().await.unwrap().unwrap();
    // What a caller does with a run that has ended.
    let call = tokio::time::timeout(Duration::from_secs(120), client.send(Verify::new())).await;
    call.expect("the call waits for the polls that nobody polls").unwrap();
}
