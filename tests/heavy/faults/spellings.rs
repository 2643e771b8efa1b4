//! Numbers in other spellings: pauses, lifetimes of tokens, counters of lists. Rows 18, 70 and 72.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use scheduled_runs::arcgis::{self, ListTaskRuns};
use scheduled_runs::client::RetryPolicy;
use scheduled_runs::foundry::{self, ClientCredentials, GetSchedule};
use scheduled_runs::supermetrics::{self, ApiKey, ListRows};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{Error, ErrorKind};

/// All pages of a list at ArcGIS: the ids that came, or the error.
async fn arcgis_ids(pages: &[&str]) -> Result<String, Error> {
    let script = ScriptedTransport::default();
    let builder = arcgis::Client::builder().base_url("https://gis.initech.example/portal");
    let client = builder.transport(script.clone()).clock(ManualClock::new()).build().unwrap();
    for page in pages {
        script.respond(200, page.to_string());
    }
    let runs = client.items(ListTaskRuns::new("t1")).try_collect().await?;
    assert_eq!(script.sent().len(), pages.len());
    Ok(runs.iter().map(|run| run.run_id.as_str()).collect())
}

#[tokio::test]
async fn fault_70_counters_with_a_fraction_of_zero_are_read() {
    for total in ["4", "4.0", "4e0", "\"4\"", "\"4.0\""] {
        let page = |ids: [&str; 2], start: u8| {
            format!(
                r#"{{"result":[{{"runId":"{}"}},{{"runId":"{}"}}],"total":{total},"start":{start}.0}}"#,
                ids[0], ids[1]
            )
        };
        let read = arcgis_ids(&[&page(["a", "b"], 0), &page(["c", "d"], 2)]).await;
        assert_eq!(read.as_deref().unwrap(), "abcd", "total {total}");
    }
    for next in ["2.0", "\"2\"", "2e0", "\"2.0\""] {
        let first = format!(
            r#"{{"result":[{{"runId":"a"}},{{"runId":"b"}}],"start":0,"nextStart":{next}}}"#
        );
        let read =
            arcgis_ids(&[&first, r#"{"result":[{"runId":"c"}],"start":2,"nextStart":0}"#]).await;
        assert_eq!(read.as_deref().unwrap(), "abc", "nextStart {next}");
    }
}

#[tokio::test]
async fn fault_70_an_empty_page_before_the_counted_end_is_an_error() {
    let first = r#"{"result":[{"runId":"a"},{"runId":"b"}],"total":5,"start":0,"nextStart":2}"#;
    let read = arcgis_ids(&[first, r#"{"result":[],"total":5,"start":2}"#]).await;
    let error = read.expect_err("2 of 5 runs");
    assert_eq!(error.kind(), ErrorKind::Pagination);
}

#[tokio::test]
async fn fault_70_rows_are_read_to_a_total_with_a_fraction_of_zero() {
    let script = ScriptedTransport::default();
    let builder = supermetrics::Client::builder().credential(ApiKey::new("api_0123456789"));
    let client = builder.transport(script.clone()).clock(ManualClock::new()).build().unwrap();
    // The vendor sends fewer rows than were asked for.
    for rows in [r#"[["h"],["a"],["b"]]"#, r#"[["h"],["c"]]"#] {
        script.respond(
            200,
            format!(r#"{{"meta":{{"status_code":"SUCCESS","result":{{"total_rows":3.0}}}},"data":{rows}}}"#),
        );
    }
    let rows = client.items(ListRows::new("s").limit(10)).try_collect().await.unwrap();
    assert_eq!((rows.len(), script.sent().len()), (3, 2));
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
async fn fault_72_a_lifetime_that_means_nothing_does_not_fetch_a_token_per_call() {
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
async fn fault_72_a_lifetime_out_of_range_does_not_lose_the_token() {
    assert_eq!(tokens("1e400").await, 1);
}

#[tokio::test]
async fn fault_18_pauses_in_further_spellings_are_read() {
    for (text, seconds) in
        [("7.01", 8), ("8s", 8), ("8 sec", 8), ("7001ms", 8), ("7,8", 8), ("8, 3", 8), (" 8 ", 8)]
    {
        let script = ScriptedTransport::default();
        let builder = foundry::Client::builder().hostname("initech.palantirfoundry.com");
        let builder = builder.transport(script.clone()).clock(ManualClock::new());
        let client = builder.retry(RetryPolicy::default().max_attempts(1)).build().unwrap();
        let mut busy = Response::new(Bytes::new());
        *busy.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        busy.headers_mut().insert("retry-after", text.parse().unwrap());
        script.respond_with(busy);
        let error =
            client.send(GetSchedule::new("ri.scheduler.main.schedule.1")).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)), "{text}");
    }
}
