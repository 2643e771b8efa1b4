//! Lists whose counters are numbers of another spelling, and pages without items before the end.
#![cfg(all(feature = "arcgis", feature = "supermetrics"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of tests may panic")]

use scheduled_runs::arcgis::{self, ListTaskRuns};
use scheduled_runs::supermetrics::{self, ApiKey, ListRows};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};

/// All pages of a list at ArcGIS: the ids that came, or the error.
async fn arcgis_ids(pages: &[&str]) -> Result<String, scheduled_runs::Error> {
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
async fn counters_with_a_fraction_of_zero_are_read() {
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
async fn an_empty_page_before_the_counted_end_is_an_error() {
    let first = r#"{"result":[{"runId":"a"},{"runId":"b"}],"total":5,"start":0,"nextStart":2}"#;
    let read = arcgis_ids(&[first, r#"{"result":[],"total":5,"start":2}"#]).await;
    let error = read.expect_err("2 of 5 runs");
    assert_eq!(error.kind(), scheduled_runs::ErrorKind::Pagination);
}

#[tokio::test]
async fn rows_are_read_to_a_total_with_a_fraction_of_zero() {
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
