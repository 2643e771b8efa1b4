//! Responses about Supermetrics' transfers in the documented shapes, and what becomes of them when the vendor changes its mind.
//!
//! The fixtures under `tests/fixtures/supermetrics-transfers` are written after the shapes of the vendor's `OpenAPI` file, with values
//! of our own.
#![cfg(feature = "supermetrics")]

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use scheduled_runs::client::{Endpoint, PagedEndpoint as _};
use scheduled_runs::supermetrics::transfers::{
    BackfillStatus, CancelBackfill, Client, CreateBackfill, CreateTransfer, DeleteTransfer,
    GetBackfill, GetLatestBackfill, GetTransfer, GetTransferRun, ListIncompleteBackfills,
    ListTransferRuns, ListTransfers, NewTransfer, PauseTransfer, RunInterval, RunStatus, RunType,
    TransferState, Transfers, UnpauseTransfer, UpdateTransfer, ValidateTransfer,
    ValidateTransferUpdate,
};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{Cursor, ErrorKind, Phase, Response, Result};

use crate::mutations;

use mutations::Rules;

const BACKFILL: &str = include_str!("../fixtures/supermetrics-transfers/backfill.json");
const BACKFILLS: &str = include_str!("../fixtures/supermetrics-transfers/backfills.json");
const RUNS: &str = include_str!("../fixtures/supermetrics-transfers/runs.json");
const RUN: &str = include_str!("../fixtures/supermetrics-transfers/run.json");
const TRANSFERS: &str = include_str!("../fixtures/supermetrics-transfers/transfers.json");
const TRANSFER: &str = include_str!("../fixtures/supermetrics-transfers/transfer.json");
const CHANGED: &str = include_str!("../fixtures/supermetrics-transfers/changed.json");
const STATE: &str = include_str!("../fixtures/supermetrics-transfers/state.json");
const VALIDATION: &str = include_str!("../fixtures/supermetrics-transfers/validation.json");

async fn decode<E: Endpoint<Api = Transfers>>(
    request: E,
    body: &str,
) -> Result<Response<E::Output>> {
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    Client::builder().team(7).transport(script).build().unwrap().send(request).await
}

fn at(text: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn runs() -> ListTransferRuns {
    ListTransferRuns::new("90310", day("2026-04-01"), day("2026-04-30"))
}

fn definition() -> NewTransfer {
    NewTransfer::new("SHP", 12, 4, "Shop to lake")
}

#[tokio::test]
async fn backfills() {
    let backfill = decode(GetBackfill::new("41207"), BACKFILL).await.unwrap();
    assert_eq!(
        (backfill.id.as_str(), backfill.transfer_id.as_ref().unwrap().as_str()),
        ("41207", "90310")
    );
    assert_eq!(backfill.range_start_date, Some(day("2026-04-01")));
    assert_eq!(backfill.range_end_date, Some(day("2026-04-03")));
    assert_eq!(backfill.created_user_id.as_deref(), Some("88"));
    assert_eq!(backfill.removed_time, at("2026-04-05T09:58:00.25Z"));
    assert_eq!(backfill.end_time, at("2026-04-05T09:58:00Z"));
    assert_eq!(
        (&backfill.status, backfill.phase()),
        (&Some(BackfillStatus::Failed), Phase::Failed)
    );
    assert_eq!((backfill.transfer_runs_total, backfill.transfer_runs_failed), (Some(3), Some(1)));
    assert_eq!(backfill.error_report[0].transfer_run_date, Some(day("2026-04-02")));

    let latest = decode(GetLatestBackfill::new("90310"), BACKFILL).await.unwrap();
    assert_eq!(*latest, *backfill);
    let range = CreateBackfill::new("90310", day("2026-04-01"), day("2026-04-03"));
    assert_eq!(*decode(range, BACKFILL).await.unwrap(), *backfill);
    let cancelled = decode(CancelBackfill::new("41207"), BACKFILL).await.unwrap();
    assert_eq!(cancelled.as_ref(), Some(&*backfill));
    assert_eq!(*decode(CancelBackfill::new("41207"), " ").await.unwrap(), None);

    let open = decode(ListIncompleteBackfills::new(), BACKFILLS).await.unwrap();
    assert_eq!(open.len(), 2);
    assert!(open[1].range_start_date.is_none() && open[1].error_report.is_empty());
    for none in [r#"{"meta":{},"data":[]}"#, r#"{"data":null}"#, "{}", ""] {
        assert!(decode(ListIncompleteBackfills::new(), none).await.unwrap().is_empty(), "{none}");
    }
}

#[tokio::test]
async fn runs_come_in_pages_that_end_with_one_that_is_not_full() {
    let page = decode(runs().limit(2), RUNS).await.unwrap();
    assert_eq!(page.next.as_ref().map(Cursor::as_str), Some("offset=2"));
    assert_eq!(decode(runs().limit(3), RUNS).await.unwrap().next, None);
    let next = runs().limit(2).at(page.next.as_ref().unwrap());
    assert_eq!(decode(next, r#"{"data":[]}"#).await.unwrap().next, None);
    let [scheduled, failed] = &page.items[..] else { panic!("two runs") };
    assert_eq!((scheduled.id.as_str(), &scheduled.run_type), ("650021", &Some(RunType::Recurring)));
    assert_eq!(scheduled.total_duration, Some(Duration::from_millis(140_500)));
    assert_eq!((scheduled.total_rows, scheduled.data_date), (Some(512), Some(day("2026-04-03"))));
    assert_eq!(scheduled.ended_time, at("2026-04-04T03:02:31Z"));
    assert_eq!((&failed.status, failed.phase()), (&Some(RunStatus::Failed), Phase::Failed));
    assert_eq!(failed.run_type, Some(RunType::Backfill));

    let run = decode(GetTransferRun::new("650020"), RUN).await.unwrap();
    assert_eq!((run.failed_query_amount, run.query_amount), (Some(1), Some(2)));
    assert_eq!(run.queued_time, at("2026-04-03T03:00:02Z"));
    assert_eq!(run.external_id.as_deref(), Some("x-650020"));
    let query = &run.query_details[1];
    assert_eq!(query.duration, Some(Duration::from_millis(1500)));
    assert_eq!(query.error_description.as_deref(), Some("The shop has no such account."));
}

#[tokio::test]
async fn a_run_that_is_on_two_pages_comes_once() {
    let script = ScriptedTransport::default();
    let page = |ids: &[u32]| {
        let runs: Vec<_> = ids.iter().map(|id| format!(r#"{{"id":{id}}}"#)).collect();
        format!(r#"{{"data":[{}]}}"#, runs.join(","))
    };
    for ids in [&[9, 8][..], &[8, 7], &[6]] {
        script.respond(200, page(ids));
    }
    let client = Client::builder().team(7).transport(script).build().unwrap();
    let mut items = client.items(runs().limit(2));
    let mut ids = Vec::new();
    while let Some(run) = items.next().await {
        ids.push(run.unwrap().id.to_string());
    }
    assert_eq!(ids, ["9", "8", "7", "6"]);
}

#[tokio::test]
async fn transfers_and_their_configurations() {
    let list = decode(ListTransfers::new(), TRANSFERS).await.unwrap();
    let [shop, bare] = &list[..] else { panic!("two transfers") };
    assert_eq!((shop.id.as_str(), &shop.state), ("90310", &Some(TransferState::Paused)));
    assert_eq!(
        (shop.schedule.as_deref(), shop.run_date),
        (Some("weekly"), Some(day("2026-04-03")))
    );
    assert_eq!(shop.accounts.len(), 2);
    assert_eq!(shop.backfill.as_ref().unwrap().json(), r#"{ "total": 2 }"#);
    assert!(bare.display_name.is_none() && bare.accounts.is_empty());

    let transfer = decode(GetTransfer::new("90310"), TRANSFER).await.unwrap();
    assert_eq!((transfer.schema_id, transfer.destination_id), (Some(12), Some(4)));
    assert_eq!(transfer.accounts[0].login_id, Some(9));
    assert_eq!(transfer.segments[0].segment_name.as_deref(), Some("New"));
    let license = transfer.license.as_ref().unwrap();
    assert_eq!((license.id.as_deref(), license.is_trial), (Some("3"), Some(true)));
    assert_eq!(license.features["backfill"], "30");
    let weekly = &transfer.schedule[0];
    assert_eq!((&weekly.run_interval, weekly.run_weekday), (&Some(RunInterval::Weekly), Some(1)));
    let settings = &transfer.data_source.as_ref().unwrap().settings;
    assert_eq!((&settings[0].value, &settings[1].value), (&"EUR".into(), &true.into()));
    assert_eq!(transfer.notification_recipients[0].email.as_deref(), Some("ops@example.com"));
}

#[tokio::test]
async fn an_object_is_read_with_and_without_an_envelope() {
    for body in [CHANGED.to_owned(), format!(r#"{{"meta":{{}},"data":{CHANGED}}}"#)] {
        let created = decode(CreateTransfer::new(definition()), &body).await.unwrap();
        assert_eq!(
            (created.id.as_str(), created.transfer_name.as_deref()),
            ("90310", Some("Shop to lake"))
        );
        let updated = decode(UpdateTransfer::new("90310", definition()), &body).await.unwrap();
        assert_eq!(*updated, *created);
    }
    for body in [STATE.to_owned(), format!(r#"{{"data":{STATE}}}"#)] {
        for change in [
            decode(PauseTransfer::new("90310"), &body).await.unwrap(),
            decode(UnpauseTransfer::new("90310"), &body).await.unwrap(),
        ] {
            assert_eq!((change.result, &change.state), (Some(true), &Some(TransferState::Paused)));
        }
    }
    let change = decode(PauseTransfer::new("90310"), "").await.unwrap();
    assert_eq!((change.result, &change.state), (None, &None));
    for body in [VALIDATION.to_owned(), format!(r#"{{"data":{VALIDATION}}}"#)] {
        let checked = decode(ValidateTransfer::new(definition()), &body).await.unwrap();
        assert_eq!((checked.is_valid, checked.errors.len()), (Some(false), 1));
        assert_eq!(checked.errors[0].error_code.as_deref(), Some("isEmpty"));
        let update = ValidateTransferUpdate::new("90310", definition());
        assert_eq!(*decode(update, &body).await.unwrap(), *checked);
    }
    let bare = BACKFILL.split_once(r#""data":"#).unwrap().1.trim_end().strip_suffix('}').unwrap();
    let backfill = decode(GetBackfill::new("41207"), bare).await.unwrap();
    assert_eq!(*backfill, *decode(GetBackfill::new("41207"), BACKFILL).await.unwrap());
    for body in ["", r#"{"ok":true}"#] {
        decode(DeleteTransfer::new("90310"), body).await.unwrap();
    }
    let page = decode(DeleteTransfer::new("90310"), "<html>").await.unwrap_err();
    assert_eq!(page.kind(), ErrorKind::UnexpectedContent);
}

#[tokio::test]
async fn members_may_be_missing_null_new_or_of_another_type() {
    let client = || Client::builder().team(7).clock(ManualClock::new());
    let none = Rules { required: &[], typed: &[], kept: &[] };
    let backfill = Rules { required: &["/transfer_backfill_id", "/data"], ..none };
    mutations::check(client, GetBackfill::new("1"), BACKFILL, backfill).await;
    let list = Rules { typed: &["/data"], ..none };
    let backfills = Rules { required: &["/transfer_backfill_id"], ..list };
    mutations::check(client, ListIncompleteBackfills::new(), BACKFILLS, backfills).await;
    mutations::check(client, runs(), RUNS, Rules { required: &["/data/*/id"], ..list }).await;
    let run = Rules { required: &["/data/id", "/data"], ..none };
    mutations::check(client, GetTransferRun::new("1"), RUN, run).await;
    let transfers = Rules {
        required: &["/dwh_transfer_id"],
        kept: &["/data_source", "/destination", "/backfill"],
        ..list
    };
    mutations::check(client, ListTransfers::new(), TRANSFERS, transfers).await;
    let transfer = Rules { required: &["/transfer_id"], kept: &["/value"], ..none };
    mutations::check(client, GetTransfer::new("1"), TRANSFER, transfer).await;
    let changed = Rules { required: &["/transfer_id"], ..none };
    mutations::check(client, CreateTransfer::new(definition()), CHANGED, changed).await;
    mutations::check(client, PauseTransfer::new("1"), STATE, none).await;
    mutations::check(client, ValidateTransfer::new(definition()), VALIDATION, none).await;
}
