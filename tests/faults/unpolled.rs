//! Calls that nobody polls while they wait for a rate: row 65. The caller of a stream or of a `select!` is free to send something
//! else first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, poll};
use http::Response;
use scheduled_runs::RunProviderExt as _;
use scheduled_runs::client::{ApiRequest, BodyLimits, Transport, TransportError};
use scheduled_runs::mode::{self, ApiToken, ListReportRuns, Verify};

/// Responds with one body, after a time that depends on the URL.
#[derive(Clone, Debug)]
struct Server {
    body: fn(&str) -> String,
    pause: fn(&str) -> Duration,
    sent: Arc<AtomicUsize>,
}

impl Server {
    fn new(body: fn(&str) -> String, pause: fn(&str) -> Duration) -> Self {
        Self { body, pause, sent: Arc::default() }
    }
}

#[async_trait]
impl Transport for Server {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let url = request.url().as_str();
        tokio::time::sleep((self.pause)(url)).await;
        Ok(Response::new(Bytes::from((self.body)(url))))
    }
}

fn mode_at(server: &Server) -> mode::Client {
    let credential = ApiToken::new("token", "secret");
    let builder = mode::Client::builder().workspace("initech").credential(credential);
    builder.transport(server.clone()).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn fault_65_a_page_that_is_not_polled_while_it_waits_for_the_rate_holds_nobody_up() {
    let server = Server::new(|_| "{}".into(), |_| Duration::ZERO);
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
    assert_eq!(server.sent.load(Ordering::Relaxed), 42);
}

#[tokio::test(start_paused = true)]
async fn fault_65_polls_of_a_wait_for_many_hold_nobody_up_between_two_ends() {
    // The first report's run has ended, and responds at once; 60 others wait for the rate.
    let server = Server::new(
        |url| {
            let state = if url.contains("/r00/") { "succeeded" } else { "pending" };
            format!(r#"{{"token":"run","state":"{state}"}}"#)
        },
        |_| Duration::ZERO,
    );
    let client = mode_at(&server);
    let runs = (0..60).map(|report| mode::target(format!("r{report:02}")).run("run"));
    let mut ends = client.wait_all(runs).every(Duration::from_secs(3)).ends();
    ends.next().await.unwrap().unwrap();
    // What a caller does with a run that has ended.
    let call = tokio::time::timeout(Duration::from_secs(120), client.send(Verify::new())).await;
    call.expect("the call waits for the polls that nobody polls").unwrap();
}
