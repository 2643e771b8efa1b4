//! Calls that nobody polls while they wait for a rate, or for a token: row 65. The caller of a stream or of a `select!` is free to send something
//! else first.

use std::error::Error as _;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt as _, poll};
use scheduled_runs::adobe::{self, GetRun};
use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::mode::{self, ApiToken, ListReportRuns, Verify};
use scheduled_runs::{Error, ErrorKind, RunProviderExt as _};

use crate::load::{Slow, token};
use crate::{Answers, RUNS, answer, read};

fn mode_at(server: &Answers) -> mode::Client {
    let credential = ApiToken::new("token", "secret");
    let builder = mode::Client::builder().workspace("initech").credential(credential);
    builder.transport(server.clone()).build().unwrap()
}

/// A client that has sent so many of the 40 requests that the rate admits at once.
async fn mode_after(calls: usize, server: &Answers) -> mode::Client {
    let client = mode_at(server);
    for _ in 0..calls {
        client.send(Verify::new()).await.unwrap();
    }
    client
}

#[tokio::test(start_paused = true)]
async fn fault_65_a_page_that_is_not_polled_while_it_waits_for_the_rate_holds_nobody_up() {
    let server = Answers::new(|_, _| answer(200, "{}"));
    let client = mode_after(40, &server).await;
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

#[tokio::test(start_paused = true)]
async fn fault_65_calls_whose_turns_came_while_nobody_polled_them_count_no_more() {
    let server = Answers::new(|_, _| answer(200, "{}"));
    let client = mode_after(40, &server).await;
    let mut unpolled: Vec<_> = (0..80).map(|_| Box::pin(client.send(Verify::new()))).collect();
    for call in &mut unpolled {
        assert!(poll!(call).is_pending());
    }
    SystemClock::default().sleep(Duration::from_secs(60)).await;
    client.call(Verify::new()).deadline(Duration::from_secs(15)).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn fault_14_a_call_that_the_rate_admits_too_late_says_what_failed_before() {
    let server =
        Answers::new(|number, _| if number < 39 { answer(200, "{}") } else { answer(503, "") });
    let client = mode_after(39, &server).await;
    let call = client.call(Verify::new()).deadline(Duration::from_secs(5)).send().await;
    let error = call.unwrap_err();
    assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Timeout, 1));
    let cause = error.source().and_then(|cause| cause.downcast_ref::<Error>());
    assert_eq!(cause.map(Error::kind), Some(ErrorKind::Server), "{}", error.report());
}

#[tokio::test(start_paused = true)]
async fn fault_65_a_call_that_is_not_polled_while_it_fetches_a_token_holds_nobody_up_for_long() {
    let server = Answers::new(|_, _| answer(200, RUNS));
    let client = Slow::client(&server, [[500, 3_600_000], [500, 3_600_000]]);
    let mut unpolled = Box::pin(client.send(read()));
    assert!(poll!(&mut unpolled).is_pending());
    let others = join_all((0..9).map(|_| client.send(read())));
    let began = SystemClock::default().now();
    assert!(others.await.iter().all(Result::is_ok));
    assert!(SystemClock::default().now() - began < Duration::from_secs(6));
    // Its own token, which was asked for before theirs, is used for nothing but its call.
    unpolled.await.unwrap();
    client.send(read()).await.unwrap();
    let tokens: Vec<_> = server.sent().iter().map(token).collect();
    assert_eq!(tokens, [[2; 9].as_slice(), &[1, 2]].concat());
}

#[tokio::test(start_paused = true)]
async fn fault_65_polls_that_stand_still_between_two_ends_do_not_keep_the_token_from_others() {
    // The first token is refused for all schedules but `one`.
    let server = Answers::new(|_, request| {
        let is_refused = !request.url().path().contains("/one/") && token(request) == 1;
        let run = r#"{"id":"r","state":"SUCCESS"}"#;
        if is_refused { answer(401, "") } else { answer(200, run) }
    });
    let client = Slow::client(&server, [[0, 3_600_000], [60_000, 3_600_000], [0, 3_600_000]]);
    let runs = ["one", "other"].map(|target| adobe::target(target).run("r"));
    let mut ends = client.wait_all(runs).ends();
    assert_eq!(ends.next().await.unwrap().unwrap().run.target().id(), "one");
    client.send(GetRun::new("third", "r")).await.unwrap();
    ends.next().await.unwrap().unwrap();
}
