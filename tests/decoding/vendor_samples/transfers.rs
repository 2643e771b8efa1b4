//! Samples of Supermetrics' transfers.

use chrono::NaiveDate;
use http::{Response, StatusCode};
use scheduled_runs::client::Endpoint;
use scheduled_runs::supermetrics::transfers::{
    Backfill, BackfillStatus, CancelBackfill, Client, CreateBackfill, CreateTransfer, GetBackfill,
    GetTransfer, GetTransferRun, ListIncompleteBackfills, ListTransferRuns, ListTransfers,
    NewTransfer, PauseTransfer, Schedule, TransferAccount, TransferRunDetail, TransferState,
    Transfers, UpdateTransfer, ValidateTransfer,
};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{ErrorKind, Phase};
use serde_json::Value;

use super::round_trip::Travels;
use super::{reports_only_what_is_new, samples, travels};

#[tokio::test]
async fn every_sample_of_the_transfers_decodes_into_its_model() {
    let Some(samples) = samples("supermetrics_dts") else { return };
    let mut checked = 0;
    for (name, body) in samples {
        check(&name, &body).await;
        checked += 1;
    }
    assert!(checked >= 30, "only {checked} samples were checked");
}

async fn check(name: &str, body: &str) {
    let day: NaiveDate = "2026-03-02".parse().unwrap();
    let runs = || ListTransferRuns::new("501733", day, day).limit(2);
    match name {
        "backfill_created" => backfill(body, &BackfillStatus::Created, Phase::Queued).await,
        "backfill_running" => backfill(body, &BackfillStatus::Running, Phase::Running).await,
        "backfill_failed" => backfill(body, &BackfillStatus::Failed, Phase::Failed).await,
        "backfill_completed" => backfill(body, &BackfillStatus::Completed, Phase::Succeeded).await,
        "backfill_cancelled" => backfill(body, &BackfillStatus::Cancelled, Phase::Cancelled).await,
        "backfill_cancel_request" => sends(&CancelBackfill::new("70212"), body),
        "backfill_create_request" => sends(&CreateBackfill::new("501733", day, day), body),
        "backfills_incomplete" => {
            let backfills = decodes(ListIncompleteBackfills::new(), body).await;
            assert_eq!(backfills.len(), 3);
        }
        "backfills_incomplete_empty" => {
            assert!(decodes(ListIncompleteBackfills::new(), body).await.is_empty());
        }
        "run_completed" => run(body, Phase::Succeeded).await,
        "run_failed" => run(body, Phase::Failed).await,
        "run_started_unknown_status" => run(body, Phase::Unknown).await,
        "runs_empty" => assert!(decodes(runs(), body).await.items.is_empty()),
        "runs_page_1_of_2" => assert!(decodes(runs(), body).await.next.is_some()),
        "runs_page_2_of_2" => assert!(decodes(runs(), body).await.next.is_none()),
        "transfer_create_request" => {
            let account = TransferAccount::new("ads@example.invalid", 77, "1002003004");
            let definition = NewTransfer::new("AW", 31, 8, "Ads to warehouse")
                .schedule(Schedule::daily(4).refresh_window(3))
                .account(account)
                .notify("ops@example.invalid");
            sends(&CreateTransfer::new(definition), body);
        }
        "transfer_created_201" | "transfer_updated" => {
            let definition = || NewTransfer::new("AW", 31, 8, "Ads");
            let created = decodes(CreateTransfer::new(definition()), body).await;
            let updated = decodes(UpdateTransfer::new("501733", definition()), body).await;
            assert_eq!((created.id.as_str(), &created), ("501733", &updated));
        }
        "transfer_get" => {
            let transfer = decodes(GetTransfer::new("501733"), body).await;
            assert_eq!((transfer.accounts.len(), transfer.schedule.len()), (1, 1));
        }
        "transfer_state_paused" => {
            let change = decodes(PauseTransfer::new("501733"), body).await;
            assert_eq!(change.state, Some(TransferState::Paused));
        }
        "transfer_state_request" => sends(&PauseTransfer::new("501733"), body),
        "transfer_validation_failed" => {
            let definition = NewTransfer::new("AW", 31, 8, "Ads");
            let validation = decodes(ValidateTransfer::new(definition), body).await;
            assert_eq!((validation.is_valid, validation.errors.len()), (Some(false), 1));
        }
        "transfers_list" => assert_eq!(decodes(ListTransfers::new(), body).await.len(), 2),
        _ if name.starts_with("error_") => fails(name, body).await,
        other => panic!("{other} has no model here: add one"),
    }
}

async fn backfill(body: &str, status: &BackfillStatus, phase: Phase) {
    let backfill: Backfill = decodes(GetBackfill::new("70211"), body).await;
    assert_eq!((backfill.status.as_ref(), backfill.phase()), (Some(status), phase));
}

async fn run(body: &str, phase: Phase) {
    let run: TransferRunDetail = decodes(GetTransferRun::new("880103"), body).await;
    assert_eq!(run.phase(), phase);
}

fn client(script: &ScriptedTransport) -> Client {
    let builder = Client::builder().team(7).transport(script.clone());
    builder.clock(ManualClock::new()).build().unwrap()
}

/// The sample decodes, and what it decodes to travels on.
async fn decodes<E: Endpoint<Api = Transfers> + Clone>(request: E, body: &str) -> E::Output
where
    E::Output: Travels,
{
    reports_only_what_is_new(|| Client::builder().team(7), &request, body).await;
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    let output = client(&script).send(request).await;
    let output = output.unwrap_or_else(|error| panic!("{}", error.report())).into_inner();
    travels(E::OPERATION, &output, body);
    output
}

/// The body of the request is the sample.
fn sends<E: Endpoint<Api = Transfers>>(request: &E, body: &str) {
    let request = request.to_request(&"https://host/teams/7".parse().unwrap()).unwrap();
    let sent: Value = serde_json::from_str(str::from_utf8(request.body()).unwrap()).unwrap();
    assert_eq!(sent, serde_json::from_str::<Value>(body).unwrap(), "{}", E::OPERATION);
}

async fn fails(name: &str, body: &str) {
    let status: u16 = name.split('_').nth(1).unwrap().parse().unwrap();
    let script = ScriptedTransport::default();
    for _ in 0..3 {
        let response = Response::builder().status(status).header("retry-after", "1");
        script.respond_with(response.body(body.to_owned().into()).unwrap());
    }
    let error = client(&script).send(ListTransfers::new()).await.unwrap_err();
    assert_eq!(error.status(), StatusCode::from_u16(status).ok());
    let said = error.vendor_error().unwrap();
    assert!(said.code.is_some() && said.message.is_some() && error.request_id().is_some());
    let kind = match status {
        401 => ErrorKind::Auth,
        403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        429 => ErrorKind::RateLimited,
        500 => ErrorKind::Server,
        _ => ErrorKind::Rejected,
    };
    assert_eq!(error.kind(), kind, "{name}");
}
