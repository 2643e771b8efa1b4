//! The server says wait: rows 16 to 22.

use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::future::join_all;
use http::Response;
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{Error, ErrorKind};

use crate::{Answers, RUNS, TAKEN, answer, assert_no_canary, builder, read, scripted, trigger};

/// 429 with these headers.
fn limited(headers: &[(&str, &str)]) -> Response<Bytes> {
    let mut builder = Response::builder().status(429).header("content-length", 0);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Bytes::new()).unwrap()
}

/// The pauses a read makes after this 429, and its error if it gives up.
async fn after(refusal: Response<Bytes>) -> (Vec<Duration>, Option<Error>) {
    let (script, clock, client) = scripted();
    script.respond_with(refusal);
    script.respond(200, RUNS);
    let error = client.send(read()).await.err();
    if let Some(error) = &error {
        assert_no_canary(error, &client);
    }
    assert_eq!(script.sent().len(), if error.is_some() { 1 } else { 2 });
    (clock.sleeps(), error)
}

#[tokio::test]
async fn fault_16_a_429_is_waited_out_for_triggers_too() {
    let (two, three) = (Duration::from_secs(2), Duration::from_secs(3));
    for is_trigger in [false, true] {
        let (script, clock, client) = scripted();
        script.respond_with(limited(&[("retry-after", "2")]));
        script.respond(200, if is_trigger { TAKEN } else { RUNS });
        if is_trigger {
            client.send(trigger()).await.unwrap();
        } else {
            client.send(read()).await.unwrap();
        }
        assert_eq!((script.sent().len(), clock.sleeps().len()), (2, 1));
        assert!((two..=three).contains(&clock.elapsed()), "{:?}", clock.elapsed());
    }
}

#[tokio::test]
async fn fault_17_a_date_counts_from_the_servers_own_date() {
    // Both years away from our clock, nine seconds from each other.
    let refusal = limited(&[
        ("date", "Sun, 01 Mar 2020 13:00:00 GMT"),
        ("retry-after", "Sun, 01 Mar 2020 13:00:09 GMT"),
    ]);
    let (sleeps, error) = after(refusal).await;
    assert!(error.is_none());
    assert!((9.0..=10.0).contains(&sleeps[0].as_secs_f64()), "{sleeps:?}");
}

#[tokio::test]
async fn fault_18_no_retry_after_makes_the_client_panic_or_wait_too_long() {
    let second = Duration::from_secs(1);
    // Not a pause, or none at all: the client's own pause of at most a second.
    for value in ["-1", "soon", "", "1.5.1", "0", "Sun, 01 Mar 2020 13:00:09 GMT", "\u{e4}", "9 9"]
    {
        let (sleeps, error) = after(limited(&[("retry-after", value)])).await;
        assert!(error.is_none(), "{value:?}: {error:?}");
        assert!(sleeps.len() <= 1 && sleeps.iter().all(|pause| *pause <= second), "{value:?}");
    }
    // More than the client waits: it fails at once and says how long.
    for (value, least) in [
        ("86400", 86_400),
        ("121", 121),
        ("18446744073709551615", 1 << 32),
        ("99999999999999999999", 86_400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
    ] {
        let (sleeps, error) = after(limited(&[("retry-after", value)])).await;
        let error = error.unwrap_or_else(|| panic!("{value} was waited for"));
        assert_eq!((error.kind(), sleeps.len()), (ErrorKind::RateLimited, 0), "{value}");
        assert!(error.retry_after().unwrap() >= Duration::from_secs(least), "{value}");
    }
    // Of two headers the longer pause counts.
    let (sleeps, error) = after(limited(&[("retry-after", "2"), ("retry-after", "5")])).await;
    assert!(error.is_none() && sleeps[0] >= 5 * second, "{sleeps:?}");
    let (sleeps, error) = after(limited(&[("retry-after", "2"), ("retry-after", "86400")])).await;
    assert_eq!((error.unwrap().kind(), sleeps.len()), (ErrorKind::RateLimited, 0));
}

#[tokio::test]
async fn fault_18_a_pause_longer_than_the_calls_deadline_is_not_slept() {
    let (script, clock, client) = scripted();
    script.respond_with(limited(&[("retry-after", "30")]));
    let call = client.call(trigger()).deadline(Duration::from_secs(20));
    let error = call.send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
    assert_eq!((script.sent().len(), clock.sleeps().len()), (1, 0));
    assert!(!error.may_have_run(), "a 429 was not carried out");
    assert_no_canary(&error, &client);
}

#[tokio::test]
async fn fault_19_a_429_for_ever_ends_after_three_attempts() {
    for is_trigger in [false, true] {
        let vendor = Answers::new(|_, _| limited(&[]));
        let clock = ManualClock::new();
        let client = builder().transport(vendor.clone()).clock(clock.clone()).build().unwrap();
        let error = if is_trigger {
            client.send(trigger()).await.unwrap_err()
        } else {
            client.send(read()).await.unwrap_err()
        };
        assert_eq!((error.kind(), vendor.count()), (ErrorKind::RateLimited, 3));
        assert_eq!(error.attempts().len(), 3);
        assert!(!error.may_have_run());
        // At most one second and then two.
        assert!(clock.elapsed() <= Duration::from_secs(3), "{:?}", clock.elapsed());
        assert_no_canary(&error, &client);
    }
}

#[tokio::test]
async fn fault_20_a_thousand_calls_do_not_hammer_a_server_that_is_down() {
    // Down for the first thousand calls; then every sixth answer is a failure.
    let vendor = Answers::new(|_, request| {
        let well = request.url().path().contains("well");
        answer(if well { 200 } else { 503 }, if well { RUNS } else { "" })
    });
    let client = builder().transport(vendor.clone()).build().unwrap();
    let calls = (0..1000).map(|_| client.send(read()));
    let errors: Vec<_> = join_all(calls).await.into_iter().map(|call| call.unwrap_err()).collect();
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Server));
    for error in &errors {
        assert_no_canary(error, &client);
    }
    // A budget of 500 tokens and 5 a retry make a hundred retries.
    assert_eq!(vendor.count(), 1100);

    let attempts = async || client.send(read()).await.unwrap_err().attempts().len();
    assert_eq!(attempts().await, 1, "the budget is spent");
    for _ in 0..5 {
        client.send(scheduled_runs::adobe::ListRuns::new("well")).await.unwrap();
    }
    assert_eq!(attempts().await, 2, "five successes pay for one retry");
}

#[tokio::test]
async fn fault_21_clients_that_fail_together_do_not_come_back_together() {
    const CLIENTS: usize = 200;
    let mut tenths = [0; 10];
    for _ in 0..CLIENTS {
        let (script, clock, client) = scripted();
        script.respond(503, "");
        script.respond(200, RUNS);
        client.send(read()).await.unwrap();
        assert_eq!(script.sent().len(), 2);
        // The first pause lies between 0 and 100 ms. A pause of nothing is not slept.
        let pause = clock.sleeps().first().map_or(0, Duration::as_millis);
        tenths[usize::try_from(pause / 10).unwrap()] += 1;
    }
    assert!(tenths.iter().all(|share| (1..=CLIENTS / 4).contains(share)), "{tenths:?}");
}

#[tokio::test]
async fn fault_22_a_jump_of_the_wall_clock_changes_no_limit_and_no_pause() {
    for days in [1, -1] {
        let clock = ManualClock::new();
        let jumping = clock.clone();
        let vendor = Answers::new(move |number, _| {
            use scheduled_runs::client::Clock as _;

            jumping.set_utc(jumping.utc() + TimeDelta::days(days));
            match number {
                0 => limited(&[("retry-after", "2")]),
                1 => answer(503, ""),
                _ => answer(200, RUNS),
            }
        });
        let client = builder().transport(vendor.clone()).clock(clock.clone()).build().unwrap();
        let found = client.send(read()).await.unwrap();
        assert_eq!((vendor.count(), found.meta().attempts.len()), (3, 3));
        let elapsed = clock.elapsed().as_secs_f64();
        assert!((2.0..=3.2).contains(&elapsed), "{elapsed}");
        assert!(
            found.meta().attempts.iter().all(|attempt| attempt.elapsed < Duration::from_secs(1))
        );
    }
}
