//! Supermetrics' transfers through the client, with the fake: what is sent, what is refused, and how backfills go as runs.
#![cfg(feature = "supermetrics")]

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use futures_util::TryStreamExt as _;
use scheduled_runs::client::Clock as _;
use scheduled_runs::run::{CancelOutcome, Recovery};
use scheduled_runs::supermetrics::ApiKey;
use scheduled_runs::supermetrics::transfers::{
    BackfillStatus, CancelBackfill, Client, CreateBackfill, CreateTransfer, DeleteTransfer,
    GetBackfill, GetLatestBackfill, GetTransfer, GetTransferRun, ListIncompleteBackfills,
    ListTransferRuns, ListTransfers, NewTransfer, PauseTransfer, RunType, Schedule, TimeField,
    TransferAccount, TransferState, UnpauseTransfer, UpdateTransfer, ValidateTransfer,
    ValidateTransferUpdate, target_on,
};
use scheduled_runs::testing::supermetrics::FakeTransfers;
use scheduled_runs::testing::{ManualClock, NewRun, Plan};
use scheduled_runs::{ErrorKind, Phase, RunProviderExt as _, RunSnapshot};

const TRANSFER: &str = FakeTransfers::TRANSFER;

async fn start() -> (FakeTransfers, Client, ManualClock) {
    let (fake, clock) = (FakeTransfers::start().await, ManualClock::new());
    fake.use_clock(&clock);
    let client = fake.client_builder().clock(clock.clone()).build().unwrap();
    (fake, client, clock)
}

fn utc(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn days_before(clock: &ManualClock, days: u64) -> NaiveDate {
    clock.utc().date_naive() - Days::new(days)
}

fn definition(name: &str) -> NewTransfer {
    NewTransfer::new("AW", 31, 8, name).schedule(Schedule::daily(4)).account(TransferAccount::new(
        "u@example.com",
        1,
        "a",
    ))
}

#[tokio::test]
async fn a_transfer_is_created_changed_paused_and_deleted() {
    let (fake, client, _) = start().await;
    let checked = client.send(ValidateTransfer::new(definition(""))).await.unwrap();
    assert_eq!((checked.is_valid, checked.errors.len()), (Some(false), 1));
    let checked = client.send(ValidateTransfer::new(definition("New"))).await.unwrap();
    assert_eq!((checked.is_valid, checked.errors.len()), (Some(true), 0));
    let id = client.send(CreateTransfer::new(definition("New"))).await.unwrap().id.clone();
    let none = NewTransfer::new("AW", 31, 8, "New").schedule(Schedule::hourly());
    let checked = client.send(ValidateTransferUpdate::new(&id, none.clone())).await.unwrap();
    assert_eq!(checked.errors[0].field_id.as_deref(), Some("accounts"));
    let refused = client.send(UpdateTransfer::new(&id, none)).await.unwrap_err();
    assert_eq!(refused.status().map(|status| status.as_u16()), Some(422));
    client.send(UpdateTransfer::new(&id, definition("Newer").notify("e@x.y"))).await.unwrap();
    let whole = client.send(GetTransfer::new(&id)).await.unwrap();
    assert_eq!(whole.display_name.as_deref(), Some("Newer"));
    assert_eq!(whole.notification_recipients[0].email.as_deref(), Some("e@x.y"));

    let state = async || {
        let list = client.send(ListTransfers::new()).await.unwrap().into_inner();
        list.into_iter().find(|transfer| transfer.id == id).and_then(|transfer| transfer.state)
    };
    assert_eq!(state().await, Some(TransferState::Active));
    let paused = client.send(PauseTransfer::new(&id)).await.unwrap();
    assert_eq!((paused.result, &paused.state), (Some(true), &Some(TransferState::Paused)));
    assert_eq!(state().await, Some(TransferState::Paused));
    let active = client.send(UnpauseTransfer::new(&id)).await.unwrap();
    assert_eq!(active.state, Some(TransferState::Active));
    client.send(DeleteTransfer::new(&id)).await.unwrap();
    assert_eq!(state().await, None);
    for error in [
        client.send(GetTransfer::new(&id)).await.unwrap_err(),
        client.send(DeleteTransfer::new(&id)).await.unwrap_err(),
        client.send(PauseTransfer::new(&id)).await.unwrap_err(),
        client.send(UpdateTransfer::new(&id, definition("x"))).await.unwrap_err(),
        client.send(GetBackfill::new("1")).await.unwrap_err(),
        client.send(CancelBackfill::new("1")).await.unwrap_err(),
        client.send(GetTransferRun::new("1")).await.unwrap_err(),
        client.send(GetLatestBackfill::new(TRANSFER)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.request_id().is_some_and(|id| id.len() >= 32), "{error}");
    }
    let other = fake.client_builder().credential(ApiKey::new("api_other")).build().unwrap();
    let error = other.send(ListTransfers::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    let url = fake.base_url().replace("7301", "7302");
    let other = fake.client_builder().team(7302).base_url(url).build().unwrap();
    assert_eq!(other.send(ListTransfers::new()).await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn a_trigger_loads_yesterday_or_the_day_of_its_target() {
    let (fake, client, clock) = start().await;
    clock.set_utc(utc("2026-03-03T00:10:00Z"));
    let done = client.trigger_and_wait(&client.target(TRANSFER)).await.unwrap().success().unwrap();
    assert!(done.run.id().starts_with("backfill-") && done.duration().is_some());
    let progress = done.progress.unwrap();
    assert_eq!((progress.done, progress.total), (1, 1));
    let dated = target_on(FakeTransfers::TEAM, TRANSFER, day("2026-01-31"));
    client.trigger(&dated).await.unwrap();
    let requests = fake.requests();
    let bodies: Vec<_> = requests.iter().filter(|sent| sent.method == "POST").collect();
    assert_eq!(bodies[0].path, format!("/transfers/{TRANSFER}/backfills"));
    assert_eq!(bodies[0].body, r#"{"range_end":"2026-03-02","range_start":"2026-03-02"}"#);
    assert_eq!(bodies[1].body, r#"{"range_end":"2026-01-31","range_start":"2026-01-31"}"#);
    assert_eq!(fake.triggers(TRANSFER), 2);
}

#[tokio::test]
async fn a_backfill_that_failed_names_the_day_and_the_reason() {
    let (fake, client, clock) = start().await;
    fake.next_run(Plan::fails("The login has expired."));
    let failed = client.trigger_and_wait(&client.target(TRANSFER)).await.unwrap();
    assert_eq!((failed.phase, failed.state.as_deref()), (Phase::Failed, Some("FAILED")));
    let yesterday = days_before(&clock, 1);
    let says = failed.failure.clone().unwrap().to_string();
    assert_eq!(says, format!("The login has expired (in {yesterday})"));
    // Its run says the same.
    let runs: Vec<_> = client.runs(&client.target(TRANSFER)).try_collect().await.unwrap();
    let run = runs.iter().find(|run| run.run.id().starts_with("run-")).unwrap();
    let detail = client.send(GetTransferRun::new(run.run.id())).await.unwrap();
    assert_eq!(format!("run-{}", detail.id), run.run.id());
    let run = client.snapshot(&run.run).await.unwrap();
    let says = run.failure.unwrap().to_string();
    assert_eq!(says, format!("1 of 1 queries failed: The login has expired (in {yesterday})"));
    // It is still incomplete, and can be cancelled.
    assert_eq!(client.send(ListIncompleteBackfills::new()).await.unwrap().len(), 1);
    assert_eq!(client.cancel(&failed.run).await.unwrap(), CancelOutcome::Requested);
    assert!(client.send(ListIncompleteBackfills::new()).await.unwrap().is_empty());

    fake.next_run(Plan::fails_silently());
    let silent = client.trigger_and_wait(&client.target(TRANSFER)).await.unwrap();
    let says = silent.failure.unwrap().to_string();
    assert_eq!(says, "the vendor does not say why 1 of its runs failed");
}

#[tokio::test]
async fn a_complete_backfill_with_a_failed_run_has_failed() {
    let (fake, client, _) = start().await;
    let run = client.target(TRANSFER).run("backfill-7");
    let body = r#"{"data":{"transfer_backfill_id":7,"status":"COMPLETED","transfer_runs_failed":1,
        "error_report":[{"transfer_run_date":"2026-03-01","error":"no"}]}}"#;
    fake.respond_next_with(200, &[], body);
    let failed = client.snapshot(&run).await.unwrap();
    assert_eq!(
        (failed.phase, failed.failure.unwrap().to_string()),
        (Phase::Failed, "no (in 2026-03-01)".to_owned())
    );
    for status in ["PENDING", "RESUMING"] {
        let body = format!(r#"{{"data":{{"transfer_backfill_id":7,"status":"{status}"}}}}"#);
        fake.respond_next_with(200, &[], &body);
        assert_eq!(client.snapshot(&run).await.unwrap().phase, Phase::Unknown);
    }
}

#[tokio::test]
async fn backfills_are_cancelled_and_runs_of_the_schedule_are_not() {
    let (fake, client, _) = start().await;
    fake.next_run(Plan::never_ends());
    let run = client.trigger(&client.target(TRANSFER)).await.unwrap();
    assert_eq!(client.cancel(&run).await.unwrap(), CancelOutcome::Requested);
    let ended = client.wait(&run).await.unwrap();
    assert_eq!(ended.phase, Phase::Cancelled);
    assert_eq!(client.cancel(&run).await.unwrap(), CancelOutcome::AlreadyFinished);
    let id = run.id().strip_prefix("backfill-").unwrap();
    let backfill = client.send(GetBackfill::new(run.id())).await.unwrap();
    assert_eq!(backfill.id.as_str(), id);
    assert_eq!(*backfill, *client.send(GetBackfill::new(id)).await.unwrap());
    assert_eq!(backfill.status, Some(BackfillStatus::Cancelled));
    assert!(backfill.removed_time.is_some() && backfill.removed_user_id.is_some());

    let scheduled = fake.add_run(TRANSFER, NewRun::new("RUNNING"));
    let scheduled = client.target(TRANSFER).run(scheduled);
    let sent = fake.requests().len();
    let error = client.cancel(&scheduled).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("backfills only"), "{error}");
    assert_eq!(fake.requests().len(), sent, "nothing is sent");
    fake.next_run(Plan::cancelled());
    let ended = client.trigger_and_wait(&client.target(TRANSFER)).await.unwrap();
    assert_eq!(ended.phase, Phase::Cancelled);
    // A cancellation whose response is lost is not sent again.
    fake.next_run(Plan::never_ends());
    let run = client.trigger(&client.target(TRANSFER)).await.unwrap();
    fake.lose_next_response();
    assert!(client.cancel(&run).await.is_err());
    assert_eq!(client.cancel(&run).await.unwrap(), CancelOutcome::AlreadyFinished);
}

#[tokio::test]
async fn a_range_that_overlaps_an_active_backfill_is_refused() {
    let (fake, client, clock) = start().await;
    fake.next_run(Plan::never_ends());
    let range = CreateBackfill::new(TRANSFER, days_before(&clock, 5), days_before(&clock, 1));
    let first = client.send(range).await.unwrap();
    assert_eq!((first.transfer_runs_total, first.transfer_runs_created), (Some(5), Some(0)));
    let error = client.trigger(&client.target(TRANSFER)).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Rejected, false));
    assert_eq!(fake.triggers(TRANSFER), 1, "the trigger was not carried out");
    let other = client.target_on(TRANSFER, days_before(&clock, 6));
    assert!(client.trigger(&other).await.is_ok());
    client.send(CancelBackfill::new(&first.id)).await.unwrap();
    assert!(client.trigger(&client.target(TRANSFER)).await.is_ok());
}

#[tokio::test]
async fn runs_are_listed_in_pages_and_by_their_days() {
    let (fake, client, clock) = start().await;
    for hour in 0..25 {
        let created = clock.utc() - TimeDelta::hours(hour) - TimeDelta::days(10);
        fake.add_run(TRANSFER, NewRun::new("COMPLETED").created(created));
    }
    let (first, last) = (days_before(&clock, 30), clock.utc().date_naive());
    let request = || ListTransferRuns::new(TRANSFER, first, last).limit(10);
    let mut runs = client.items(request().order_by(TimeField::Created).oldest_first());
    let mut created = Vec::new();
    while let Some(run) = runs.next().await {
        let run = run.unwrap();
        assert_eq!(run.run_type, Some(RunType::Recurring));
        created.push(run.created_time);
    }
    assert!(created.len() == 29 && created.is_sorted());
    let issues = client.send(request().issues_only()).await.unwrap();
    assert_eq!((issues.items.len(), issues.items[0].phase()), (1, Phase::Failed));

    // A target with a day lists the runs that loaded it.
    let ids =
        |runs: Vec<RunSnapshot>| runs.iter().map(|run| run.run.id().to_owned()).collect::<Vec<_>>();
    let all: Vec<_> = client.runs(&client.target(TRANSFER)).try_collect().await.unwrap();
    assert_eq!(all.len(), 29);
    let dated = client.target_on(TRANSFER, days_before(&clock, 4));
    assert_eq!(ids(client.runs(&dated).try_collect().await.unwrap()).len(), 1);
    let run = client.trigger(&dated).await.unwrap();
    client.wait(&run).await.unwrap();
    let listed = ids(client.runs(&dated).try_collect().await.unwrap());
    assert_eq!(listed.len(), 3, "the backfill, its run, and that of the schedule: {listed:?}");
    assert!(listed.contains(&run.id().to_owned()), "{listed:?}");
    let elsewhere = client.target_on(TRANSFER, days_before(&clock, 2));
    assert!(
        !ids(client.runs(&elsewhere).try_collect().await.unwrap()).contains(&run.id().to_owned())
    );
}

#[tokio::test]
async fn a_lost_trigger_that_ended_before_another_one_is_not_reported_as_not_started() {
    let (fake, client, _) = start().await;
    let target = client.target(TRANSFER);
    let prepared = client.prepare(&target).await.unwrap();
    let intent = prepared.intent().clone();
    fake.next_run(Plan::succeeds().takes(0));
    fake.lose_next_trigger_response();
    let started = prepared.start().await;
    // It is found while it is the last one.
    let Ok(run) = started else { unreachable!("the last backfill is found") };
    assert_eq!(client.recover(&intent).decide().await.unwrap(), Some(run.clone()));
    // Another one of another day follows: only a run shows that something was started.
    fake.next_run(Plan::succeeds().takes(0));
    let later = client.target_on(TRANSFER, day("2026-01-01"));
    client.trigger(&later).await.unwrap();
    let error = client.recover(&intent).decide().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error}");
    assert!(error.candidates()[0].id().starts_with("run-"), "{:?}", error.candidates());
}

#[tokio::test]
async fn what_others_did_is_not_taken_for_a_lost_trigger() {
    let (fake, client, clock) = start().await;
    let target = client.target(TRANSFER);
    let prepared = client.prepare(&target).await.unwrap();
    let intent = prepared.intent().clone();
    drop(prepared);
    // Scheduled runs, a backfill of more days, and one of another day.
    fake.add_run(TRANSFER, NewRun::new("RUNNING"));
    for (first, last) in [(9, 5), (3, 3), (2, 1)] {
        let (first, last) = (days_before(&clock, first), days_before(&clock, last));
        let theirs = client.send(CreateBackfill::new(TRANSFER, first, last)).await.unwrap();
        // Its runs exist, and one of them loads yesterday.
        client.send(GetBackfill::new(&theirs.id)).await.unwrap();
    }
    fake.add_transfer("Other");
    let recovered = client.recover(&intent).decide().await.unwrap();
    assert_eq!(recovered, None);
    let early = client.prepare(&target).await.unwrap().intent().clone();
    assert!(matches!(client.recover(&early).await.unwrap(), Recovery::Undecided { .. }));
}

#[tokio::test]
async fn a_backfill_that_does_not_say_what_it_loads_may_be_ours() {
    let (fake, client, _) = start().await;
    let prepared = client.prepare(&client.target(TRANSFER)).await.unwrap();
    let intent = prepared.intent().clone();
    drop(prepared);
    for backfill in [
        format!(r#"{{"transfer_backfill_id":9,"transfer_id":{TRANSFER}}}"#),
        r#"{"transfer_backfill_id":9,"range_start_date":"2026-01-01","range_end_date":"2026-01-01"}"#
            .to_owned(),
    ] {
        let recovering = client.recover(&intent);
        client.clock().sleep(std::time::Duration::from_secs(300)).await;
        fake.respond_next_with(200, &[], &format!(r#"{{"data":[{backfill}]}}"#));
        let error = recovering.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error}");
        assert_eq!(error.candidates()[0].id(), "backfill-9");
    }
}

#[tokio::test]
async fn a_target_or_run_that_is_none_is_refused_before_anything_is_sent() {
    let (fake, client, _) = start().await;
    let none = scheduled_runs::Target::new(scheduled_runs::supermetrics::transfers::VENDOR, "5.x");
    assert_eq!(client.trigger(&none).await.unwrap_err().kind(), ErrorKind::Config);
    let other = target_on(FakeTransfers::TEAM + 1, TRANSFER, day("2026-01-01"));
    assert_eq!(client.trigger(&other).await.unwrap_err().kind(), ErrorKind::Config);
    let run = client.target(TRANSFER).run("7");
    assert_eq!(client.snapshot(&run).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(client.cancel(&run).await.unwrap_err().kind(), ErrorKind::NotFound);
    let swapped = CreateBackfill::new(TRANSFER, day("2026-01-02"), day("2026-01-01"));
    assert_eq!(client.send(swapped).await.unwrap_err().kind(), ErrorKind::Config);
    assert!(fake.requests().is_empty());
}
