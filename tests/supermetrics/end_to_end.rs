//! Supermetrics' client against `FakeSupermetrics`: every request is one the vendor takes, and every form of its answers is
//! read.
#![cfg(feature = "supermetrics")]

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use scheduled_runs::supermetrics::{
    ApiKey, BatchState, CancelBatch, Cell, CreateBatch, Download, DownloadQuery,
    DownloadSavedQuery, Format, GetBatch, GetBatchStatus, GetMe, GetQueryStatus, GetResults,
    GetSavedQuery, ListAccounts, ListBatchQueries, ListHistory, ListResults, ListRows, Query,
    QueryState, RunQuery, RunSavedQuery, StartQuery,
};
use scheduled_runs::testing::supermetrics::{
    ErrorShape, FakeSupermetrics, LastPage, NextLinks, NoData, RowShape,
};
use scheduled_runs::testing::{ManualClock, Plan};
use scheduled_runs::{Error, ErrorKind, Phase, Response, RunProviderExt as _, supermetrics};

async fn started() -> (FakeSupermetrics, supermetrics::Client) {
    let fake = FakeSupermetrics::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    (fake, client)
}

fn query() -> Query {
    Query::new(FakeSupermetrics::DATA_SOURCE)
        .accounts([FakeSupermetrics::ACCOUNT])
        .fields(["date", "clicks"])
        .start_date("2026-02-01")
        .end_date("2026-02-10")
}

/// A row of such a query.
type Row = (chrono::NaiveDate, u64);

#[tokio::test]
async fn every_parameter_is_one_the_vendor_takes() {
    let (fake, client) = started().await;
    fake.next_run(Plan::succeeds().rows(2).takes(0));
    let query = query()
        .schedule_id("every-1")
        .segments(["s1"])
        .user(FakeSupermetrics::USER)
        .date_range_type("custom")
        .compare_type("custom")
        .compare_show("perc_change")
        .compare_start_date("2025-02-01")
        .compare_end_date("2025-02-10")
        .no_headers()
        .filter("clicks > 1")
        .order_rows(["date asc"])
        .order_columns("alphabetic")
        .max_columns(5)
        .max_rows(50)
        .offset_start(0)
        .offset_end(9)
        .cache_minutes(0)
        .sync_timeout(Duration::from_secs(5));
    let run = client.send(RunQuery::new(query)).await.unwrap();
    assert_eq!(
        (run.deserialize::<Row>().unwrap().len(), run.schedule_id.as_ref().unwrap().as_str()),
        (2, "every-1")
    );
}

#[tokio::test]
async fn a_query_is_started_watched_and_read_in_every_form_of_answer() {
    let (fake, client) = started().await;
    for (number, (shape, none, links, last)) in [
        (RowShape::Arrays, NoData::Empty, NextLinks::Get, LastPage::Null),
        (RowShape::Wrapped, NoData::Null, NextLinks::Always, LastPage::Empty),
        (RowShape::Objects, NoData::Absent, NextLinks::Never, LastPage::Absent),
        (RowShape::Arrays, NoData::Null, NextLinks::Get, LastPage::Repeats),
    ]
    .into_iter()
    .enumerate()
    {
        fake.row_shape(shape);
        fake.no_data(none);
        fake.next_links(links);
        fake.last_page(last);
        fake.lower_case_states(number % 2 == 1);
        fake.numeric_cells(number % 2 == 0);
        fake.later_pages_without_schedule_id(number > 1);
        fake.link_origin("https://elsewhere.example");
        fake.unfinished_status(if number > 1 { 200 } else { 202 });
        fake.next_run(Plan::succeeds().rows(25));
        let target = supermetrics::target(&query().max_rows(1000));
        let done = client.trigger_and_wait(&target).await.unwrap().success().unwrap();
        let id = done.run.id();
        // Objects name their columns for people alone.
        let day = |row: &supermetrics::Row| -> Row { row.deserialize().unwrap() };
        let rows = client.items(ListRows::new(id).limit(10)).try_collect().await.unwrap();
        let days: Vec<Row> = rows.iter().map(day).collect();
        assert_eq!(days.len(), 25, "{shape:?} {links:?} {last:?}");
        assert!(
            rows[0].get("date").is_some() && rows[0].get("Clicks").and_then(Cell::as_f64).is_some()
        );
        let pages = client.pages(ListRows::new(id).limit(10)).concurrent(3);
        let again: Vec<_> = pages
            .map(|page| page.unwrap().items.iter().map(day).collect::<Vec<_>>())
            .collect()
            .await;
        assert_eq!(again.concat(), days);
        let results = client.items(ListResults::new(id).limit(10)).try_collect().await.unwrap();
        assert_eq!(results.iter().map(day).collect::<Vec<_>>(), days);
        assert_eq!(client.send(GetQueryStatus::new(id)).await.unwrap().rows().len(), 25);
    }
}

#[tokio::test]
async fn every_end_of_a_run_is_told() {
    let (fake, client) = started().await;
    for (plan, phase, why) in [
        (Plan::succeeds().rows(0), Phase::Succeeded, None),
        (
            Plan::fails("the source is away").code("QUERY_ERROR"),
            Phase::Failed,
            Some("the source is away"),
        ),
        (Plan::fails_silently(), Phase::Failed, None),
        (Plan::ends("PROCESS_EXITED"), Phase::Failed, None),
        (Plan::cancelled(), Phase::Cancelled, None),
    ] {
        for named in [false, true] {
            fake.failures_name_state(named);
            fake.next_run(plan.clone());
            let done = client.trigger_and_wait(&supermetrics::target(&query())).await.unwrap();
            let failure = done.failure.as_ref().and_then(|failure| failure.message.as_deref());
            assert_eq!((done.phase, failure), (phase, why), "{plan:?}");
        }
    }
    fake.next_run(Plan::succeeds().rows(2).split_by(&["phone", "desk"]));
    let done = client.trigger_and_wait(&supermetrics::target(&query())).await.unwrap();
    let rows = client.items(ListRows::new(done.run.id())).try_collect().await.unwrap();
    assert!(rows.len() == 2 && rows[0].get("phone").is_some() && rows[0].get("desk").is_some());
}

#[tokio::test]
async fn files_come_in_every_format() {
    let (fake, client) = started().await;
    for name in ["json", "keyjson", "ndjson", "csv", "tsv", "parquet", "powerbi", "qlik", "tableau"]
    {
        let format = || Format::from(name);
        let query = |id: &str| query().schedule_id(id).sync_timeout(Duration::ZERO);
        fake.next_run(Plan::succeeds().rows(2));
        let request = DownloadQuery::new(query(&format!("later-{name}")), format()).post();
        let Download::Unfinished(run) = client.send(request).await.unwrap().into_inner() else {
            panic!("{name} goes on")
        };
        let id = run.schedule_id.unwrap();
        while client.send(GetQueryStatus::new(&id)).await.unwrap().state
            != Some(QueryState::Success)
        {}
        let later = client.send(GetResults::new(&id)).await.unwrap().into_inner();

        fake.next_run(Plan::succeeds().rows(2).takes(0));
        let request = DownloadQuery::new(query(&format!("now-{name}")), format());
        let now = client.send(request).await.unwrap().into_inner().file().unwrap();
        assert_eq!(now.content_type, later.content_type, "{name}");
        fake.next_run(Plan::succeeds().rows(2).takes(0));
        let request = StartQuery::new(query(&format!("start-{name}"))).format(format());
        assert!(client.send(request).await.unwrap().is_success(), "{name}");
        fake.next_run(Plan::succeeds().rows(2).takes(0));
        let request = DownloadSavedQuery::new(FakeSupermetrics::SAVED_QUERY, format());
        let saved = client.send(request).await.unwrap().into_inner().file();
        assert!(saved.is_some_and(|file| !file.bytes.is_empty()), "{name}");
    }
    let keyed = client.items(ListResults::new("later-keyjson")).try_collect().await.unwrap();
    assert_eq!(keyed[1].deserialize::<Row>().unwrap().0.to_string(), "2026-02-02");
}

#[tokio::test]
async fn history_accounts_and_stored_queries() {
    let (fake, client) = started().await;
    assert!(client.send(GetMe::new()).await.unwrap().is_object());
    let all = client.items(ListHistory::new().limit(1)).try_collect().await.unwrap();
    assert!(all.iter().any(|run| {
        run.schedule_id.as_ref().is_some_and(|id| id.as_str() == FakeSupermetrics::RECENT_RUN)
    }));
    let week = ListHistory::new().ds_ids(["AW"]).states([QueryState::Success]).since("7 days ago");
    assert_eq!(client.send(week).await.unwrap().items.len(), 1);
    let accounts = ListAccounts::new(FakeSupermetrics::DATA_SOURCE).users([FakeSupermetrics::USER]);
    let logins = client.send(accounts.cache_minutes(60)).await.unwrap();
    assert_eq!(logins[0].accounts[0].account_id.as_deref(), Some(FakeSupermetrics::ACCOUNT));

    let saved = client.send(GetSavedQuery::new(FakeSupermetrics::SAVED_QUERY)).await.unwrap();
    fake.next_run(Plan::succeeds().rows(4));
    let own = saved.query().unwrap().max_rows(5);
    let done = client.trigger_and_wait(&supermetrics::target(&own)).await.unwrap();
    assert_eq!(done.phase, Phase::Succeeded);
    fake.next_run(Plan::succeeds().rows(4).takes(0));
    let changed = RunSavedQuery::new(FakeSupermetrics::SAVED_QUERY)
        .dates("2026-01-01", "yesterday")
        .max_columns(5)
        .max_rows(5)
        .offset_start(0)
        .offset_end(2)
        .sync_timeout(Duration::from_secs(1));
    assert_eq!(client.send(changed).await.unwrap().rows().len(), 3);
    let fields = client.raw(http::Method::GET, &["query", "fields"]);
    let fields = fields.query("json", Some(r#"{"ds_id":"GAWA"}"#));
    let fields: Response<serde_json::Value> = fields.send_as().await.unwrap();
    assert!(fields["data"].is_array());
}

#[tokio::test]
async fn a_batch_is_created_watched_listed_and_cancelled() {
    let (fake, client) = started().await;
    let batch = CreateBatch::new([query(), query().max_rows(5)])
        .description("nightly")
        .split_dates()
        .split_accounts()
        .timeout(Duration::from_secs(600))
        .query_concurrency(3)
        .format(Format::Json)
        .exclude_account_errors()
        .clean_data_types();
    let batch = client.send(batch).await.unwrap();
    assert_eq!((batch.meta().status.as_u16(), batch.query_amount), (201, Some(20)));
    let mut looks = 0;
    let status = loop {
        let status = client.send(GetBatchStatus::new(&batch.batch_id)).await.unwrap();
        looks += 1;
        assert!(looks < 200, "{status:?}");
        if status.state == Some(BatchState::Stopped) {
            break status;
        }
    };
    assert_eq!(status.progress.as_ref().unwrap().success, Some(20));
    let all =
        client.items(ListBatchQueries::new(&batch.batch_id).limit(7)).try_collect().await.unwrap();
    assert_eq!(all.len(), 20);
    let rows = ListRows::new(all[0].schedule_id.as_ref().unwrap());
    assert!(!client.items(rows).try_collect().await.unwrap().is_empty());

    fake.hold();
    let batch = client.send(CreateBatch::new([query()])).await.unwrap();
    client.send(CancelBatch::new(&batch.batch_id)).await.unwrap();
    let batch = client.send(GetBatch::new(&batch.batch_id)).await.unwrap();
    assert!(batch.state.as_ref().unwrap().is_terminal() && batch.cancel_time.is_some());
}

#[tokio::test]
async fn errors_mean_the_same_in_every_shape_and_with_every_status() {
    for (shape, codes) in [
        (ErrorShape::Envelope, true),
        (ErrorShape::EnvelopeWithLinks, true),
        (ErrorShape::UnderMeta, true),
        (ErrorShape::Flat, true),
        (ErrorShape::Problem, false),
        (ErrorShape::MessageOnly, false),
    ] {
        for inside in [false, true] {
            if inside && shape == ErrorShape::MessageOnly {
                continue; // a sentence is all there is
            }
            let (fake, client) = started().await;
            fake.error_shape(shape);
            fake.errors_inside_200(inside);
            let kind = |error: Error| error.kind();
            let unknown = client.send(GetQueryStatus::new("nobody")).await.map(drop);
            assert_eq!(unknown.map_err(kind), Err(ErrorKind::NotFound), "{shape:?} {inside}");
            let refused =
                fake.client_builder().credential(ApiKey::new("api_wrong")).build().unwrap();
            let refused = refused.send(ListAccounts::new("GAWA")).await.map(drop);
            assert_eq!(refused.map_err(kind), Err(ErrorKind::Auth), "{shape:?} {inside}");
            let source = FakeSupermetrics::UNLICENSED_DATA_SOURCE;
            let licence =
                client.send(RunQuery::new(Query::new(source).fields("date"))).await.unwrap_err();
            if codes {
                assert_eq!(licence.kind(), ErrorKind::Denied, "{shape:?} {inside}: {licence}");
                assert!(!licence.may_have_run());
            }
            assert_eq!(licence.attempts().len(), 1);
            assert!(licence.request_id().is_some());
            if codes {
                fake.next_run(Plan::fails("no login").code("QUERY_AUTH_UNAVAILABLE"));
                let done = client.trigger_and_wait(&supermetrics::target(&query())).await.unwrap();
                let why = done.failure.unwrap().to_string();
                assert!(why.contains("not about the API key"), "{shape:?} {inside}: {why}");
            }
        }
    }
}

#[tokio::test]
async fn what_has_expired_is_not_found_whatever_its_status() {
    let (fake, client) = started().await;
    let target = supermetrics::target(&query());
    let done = client.trigger_and_wait(&target).await.unwrap();
    fake.expire_results();
    for status in [400, 404, 500] {
        fake.expired_status(status);
        let error = client.snapshot(&done.run).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::NotFound, 1), "{status}");
        assert!(error.to_string().contains("kept for an hour"), "{error}");
    }
    let error = client.send(GetResults::new(done.run.id())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_run_whose_status_has_expired_is_found_in_the_history() {
    let fake = FakeSupermetrics::start().await;
    let clock = ManualClock::new();
    let client = fake.client_builder().clock(clock.clone()).build().unwrap();
    let target = supermetrics::target(&query());
    let run = client.trigger_and_wait(&target).await.unwrap().run;
    fake.next_run(Plan::fails("no"));
    let failed = client.trigger_and_wait(&target).await.unwrap().run;
    let chosen = supermetrics::target(&query().schedule_id("mine"));
    let chosen = client.trigger_and_wait(&chosen).await.unwrap().run;
    fake.expire_results();
    clock.advance(Duration::from_secs(7200));
    fake.use_clock(&clock);
    for (run, phase) in [(&run, Phase::Succeeded), (&failed, Phase::Failed)] {
        let ended = client.wait(run).await.unwrap();
        assert_eq!((ended.phase, ended.failure), (phase, None));
    }
    let ends: Vec<_> = client.wait_all([run, failed]).ends().try_collect().await.unwrap();
    assert_eq!(ends.len(), 2);

    // It could be an earlier one, and one that this crate did not start is not looked for.
    for run in [chosen, target.run("another")] {
        let sent = fake.requests().len();
        let error = client.wait(&run).await.unwrap_err();
        assert_eq!((error.kind(), fake.requests().len() - sent), (ErrorKind::NotFound, 1));
    }
}

#[tokio::test]
async fn a_key_in_the_parameters_opens_every_door() {
    let fake = FakeSupermetrics::start().await;
    let key = ApiKey::new(FakeSupermetrics::API_KEY).in_parameters();
    let builder = fake.client_builder().credential(key).clock(ManualClock::new());
    let client = builder.build().unwrap();
    client.send(GetMe::new()).await.unwrap();
    client.send(RunQuery::new(query())).await.unwrap();
    client.send(RunQuery::new(query().schedule_id("posted")).post()).await.unwrap();
    client.send(ListAccounts::new("GAWA")).await.unwrap();
    client.send(GetSavedQuery::new(FakeSupermetrics::SAVED_QUERY)).await.unwrap();
    client.send(RunSavedQuery::new(FakeSupermetrics::SAVED_QUERY)).await.unwrap();
    let batch = client.send(CreateBatch::new([query()])).await.unwrap();
    client.send(ListBatchQueries::new(&batch.batch_id)).await.unwrap();
    client.send(CancelBatch::new(&batch.batch_id)).await.unwrap();
    fake.next_run(Plan::succeeds().rows(25));
    let done = client.trigger_and_wait(&supermetrics::target(&query())).await.unwrap();
    let rows = client.send(ListRows::new(done.run.id()).limit(10)).await.unwrap();
    assert!(!format!("{rows:?} {}", rows.report()).contains(FakeSupermetrics::API_KEY));
    assert_eq!(
        client.items(ListRows::new(done.run.id()).limit(10)).try_collect().await.unwrap().len(),
        25
    );
}

#[tokio::test]
async fn many_runs_are_waited_for_at_once() {
    let (fake, client) = started().await;
    let target = supermetrics::target(&query());
    let mut runs = Vec::new();
    for number in 0..5 {
        fake.next_run(if number == 3 {
            Plan::fails("no").code("QUERY_ERROR")
        } else {
            Plan::succeeds().rows(1)
        });
        runs.push(client.trigger(&target).await.unwrap());
    }
    let ends: Vec<_> = client.wait_all(runs.clone()).ends().map(Result::unwrap).collect().await;
    assert_eq!(ends.len(), 5);
    let failed: Vec<_> = ends.iter().filter(|end| end.phase == Phase::Failed).collect();
    assert_eq!((failed.len(), &failed[0].run), (1, &runs[3]));
    assert!(failed[0].failure.is_some());
}
