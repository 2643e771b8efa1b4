//! Why a run failed: in the vendor's own words, in one sentence, fetched only where a run has failed.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]

use scheduled_runs::run::Failure;
use scheduled_runs::supermetrics::transfers;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::FakeArcGis;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::{FakeSupermetrics, FakeTransfers};
use scheduled_runs::testing::{ManualClock, NewRun, Plan, ScriptedTransport, SeenRequest};
use scheduled_runs::{
    ErrorKind, RunProvider, RunProviderExt as _, RunRef, adobe, arcgis, foundry, mode, supermetrics,
};
use serde_json::json;

/// A run that ended, by what it is called here: requests that one look takes, and what `success` says. In the sentence `ID`
/// stands for the ids that differ each time.
type Case<'a> = (RunRef, usize, &'a str);

async fn check(
    provider: &impl RunProvider,
    requests: impl Fn() -> Vec<SeenRequest>,
    cases: impl IntoIterator<Item = Case<'_>>,
) -> Vec<Option<Failure>> {
    let mut failures = Vec::new();
    for (run, looks, sentence) in cases {
        let before = requests().len();
        let snapshot = provider.snapshot(&run).await.unwrap();
        assert_eq!(requests().len() - before, looks, "{sentence}");
        failures.push(snapshot.failure.clone());
        match snapshot.success() {
            Ok(_) => assert_eq!(sentence, "succeeded"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::RunFailed);
                assert_eq!(without_ids(&error.to_string(), &run), sentence);
            }
        }
    }
    failures
}

/// Ids are made up by the fakes; those of resources that do not change are kept.
fn without_ids(sentence: &str, run: &RunRef) -> String {
    let encoded = run.to_string();
    let own = encoded.rsplit('/').next().unwrap_or_default();
    let sentence = sentence.replace(own, "ID");
    let words = sentence.split(' ').map(|word| {
        let (id, after) = word.split_at(word.trim_end_matches([')', ',', ';']).len());
        let is_hex = |part: &str| part.chars().all(|letter| letter.is_ascii_hexdigit());
        let of_job = id.starts_with("ri.foundry.main.job.");
        let is_id = id.len() >= 12 && id.split('-').all(is_hex);
        if of_job || is_id { format!("ID{after}") } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn adobe_says_it_in_the_query_of_the_run() {
    const SCHEDULE: &str = "nightly-orders";
    let fake = FakeAdobe::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let run = |new| adobe::target(SCHEDULE).run(fake.add_run(SCHEDULE, new));
    let new = NewRun::new;
    let broken = || new("FAILED").code("42P01").reason("Relation orders does not exist.");
    let failures = check(
        &client,
        || fake.requests(),
        [
            (run(new("SUCCESS")), 1, "succeeded"),
            (
                run(broken()),
                2,
                "run adobe:nightly-orders/ID failed: Relation orders does not exist (code 42P01, in query ID)",
            ),
        ],
    )
    .await;
    let failure = failures.last().unwrap().as_ref().unwrap();
    assert_eq!(failure.code.as_deref(), Some("42P01"));
    assert_eq!(failure.message.as_deref(), Some("Relation orders does not exist."));

    // No query is found, and then none can be asked for.
    let run = run(broken());
    let known = format!(r#"{{"id":"{}","state":"FAILED"}}"#, run.id());
    fake.respond_next_with(200, &[], &known);
    (0..2).for_each(|_| fake.respond_next_with(200, &[], r#"{"queries":[]}"#));
    let nothing = "run adobe:nightly-orders/ID failed; the vendor gives no reason";
    check(&client, || fake.requests(), [(run.clone(), 3, nothing)]).await;
    fake.respond_next_with(200, &[], &known);
    fake.respond_next_with(403, &[], r#"{"title":"Forbidden","detail":"Ask your administrator."}"#);
    let unread =
        "run adobe:nightly-orders/ID failed: the reason could not be fetched: adobe.queries.list: ";
    let snapshot = client.snapshot(&run).await.unwrap();
    let said = without_ids(&snapshot.success().unwrap_err().to_string(), &run);
    assert!(said.starts_with(unread) && said.contains("Ask your administrator"), "{said}");
}

#[tokio::test]
async fn arcgis_says_it_in_the_result_of_the_run() {
    let fake = FakeArcGis::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let task = fake.add_admin_task("mondays");
    let run = |status: &str, result: &str| {
        let run = NewRun::new(status).reason(result);
        arcgis::target(task.as_str()).run(fake.add_run(&task, run))
    };
    // The task has an id of the fake's making.
    let because = "run arcgis:TASK/ID failed: The store vault cannot be reached";
    let silent = "run arcgis:TASK/ID failed; the vendor gives no reason";
    let [because, silent] = [because, silent].map(|sentence| sentence.replace("TASK", &task));
    let cases = [
        (run("succeeded", "All is well."), 1, "succeeded"),
        (run("failed", "The store vault cannot be reached."), 1, &*because),
        (run("submitfailed", "The store vault cannot be reached."), 1, &*because),
        (run("failed", ""), 1, &*silent),
    ];
    check(&client, || fake.requests(), cases).await;
}

#[tokio::test]
async fn foundry_says_which_job_failed_and_why_none_was_made() {
    const SCHEDULE: &str = FakeFoundry::NIGHTLY_ORDERS;
    let fake = FakeFoundry::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let run = |new| foundry::target(SCHEDULE).run(fake.add_run(SCHEDULE, new));
    let none = "No logic is known for one of the targets.";
    let at = format!("run foundry:{SCHEDULE}/ID failed");
    let job = format!(
        "{at}: the job that builds {} failed; the vendor does not say why (in job ID)",
        FakeFoundry::DATASET
    );
    let no_job = format!("{at}: No logic is known for one of the targets (code JOBSPECNOTFOUND)");
    let cases = [
        // The run, found in a list, and its build.
        (run(NewRun::new("SUCCEEDED")), 2, "succeeded"),
        (run(NewRun::new("FAILED")), 3, &*job),
        (run(NewRun::new("error").code("JOBSPECNOTFOUND").reason(none)), 1, &*no_job),
    ];
    check(&client, || fake.requests(), cases).await;
}

#[tokio::test]
async fn mode_says_it_in_the_query_runs_of_the_run() {
    const REPORT: &str = FakeMode::REPORT;
    let fake = FakeMode::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let run = |new| mode::target(REPORT).run(fake.add_run(REPORT, new));
    let broken = || NewRun::new("failed").code("42P01").reason("Relation orders does not exist.");
    let at = "run mode:d4e81f02a7c6/ID failed";
    let because = format!(
        "{at}: Relation orders does not exist (code 42P01, in query Totals, query run ID); \
         see https://mode.com/help"
    );
    let cases = [(run(NewRun::new("succeeded")), 1, "succeeded"), (run(broken()), 2, &*because)];
    check(&client, || fake.requests(), cases).await;

    // No query run is found, and then none can be asked for.
    let run = run(broken());
    let known = client.send(mode::GetReportRun::new(REPORT, run.id())).await.unwrap();
    let known = str::from_utf8(known.body()).unwrap();
    fake.respond_next_with(200, &[], known);
    fake.respond_next_with(200, &[], r#"{"_embedded":{"query_runs":[]}}"#);
    let nothing = format!("{at}; the vendor gives no reason");
    check(&client, || fake.requests(), [(run.clone(), 2, &*nothing)]).await;
    fake.respond_next_with(200, &[], known);
    fake.fail_next(403);
    let snapshot = client.snapshot(&run).await.unwrap();
    let said = without_ids(&snapshot.success().unwrap_err().to_string(), &run);
    let unread = format!("{at}: the reason could not be fetched: mode.query_runs.list: ");
    assert!(said.starts_with(&unread), "{said}");
}

#[tokio::test]
async fn supermetrics_says_it_in_the_status_of_the_run() {
    let fake = FakeSupermetrics::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let query = |fields: &str| {
        let query = supermetrics::Query::new(FakeSupermetrics::DATA_SOURCE).fields(fields);
        supermetrics::target(&query)
    };
    let ended = async |plan, fields: &str| {
        fake.next_run(plan);
        let run = client.trigger(&query(fields)).await.unwrap();
        client.wait(&run).await.unwrap().run
    };
    let slow = || Plan::fails("The source took too long.").code("QUERY_TIMEOUT");
    let at = format!("run {}/ID failed", query("date"));
    let because = format!("{at}: The source took too long (code QUERY_TIMEOUT)");
    let silent = format!("{at}; the vendor gives no reason");
    // A query is a long target; what is said stays short enough for a log.
    let long = vec!["date"; 90].join(",");
    let cut = format!("{}…", query(&long).to_string().get(..120).unwrap());
    let of_long = format!("run {cut}/ID failed: The source took too long (code QUERY_TIMEOUT)");
    let cases = [
        (ended(Plan::succeeds().rows(1), "date").await, 1, "succeeded"),
        (ended(slow(), "date").await, 1, &*because),
        (ended(Plan::fails_silently(), "date").await, 1, &*silent),
        (ended(slow(), &long).await, 1, &*of_long),
    ];
    check(&client, || fake.requests(), cases).await;
}

#[tokio::test]
async fn transfers_of_supermetrics_name_the_day_that_failed() {
    const TRANSFER: &str = FakeTransfers::TRANSFER;
    let fake = FakeTransfers::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let target = client.target_on(TRANSFER, "2026-03-02".parse().unwrap());
    let ended = async |plan: Plan| {
        fake.next_run(plan.takes(0));
        client.trigger(&target).await.unwrap()
    };
    let created = "2026-03-03T04:00:00Z".parse().unwrap();
    let of_schedule = NewRun::new("FAILED").reason("The login expired.").created(created);
    let of_schedule = client.target(TRANSFER).run(fake.add_run(TRANSFER, of_schedule));
    let backfill = "run supermetrics-transfers@7301:501733.2026-03-02/ID failed: The warehouse is full (in 2026-03-02)";
    let of_run = "run supermetrics-transfers@7301:501733/ID failed: 1 of 1 queries failed: The login expired (in 2026-03-02)";
    let cases = [
        (ended(Plan::succeeds()).await, 1, "succeeded"),
        (ended(Plan::fails("The warehouse is full.")).await, 1, backfill),
        (of_schedule, 1, of_run),
    ];
    check(&client, || fake.requests(), cases).await;
}

#[tokio::test]
async fn arcgis_says_it_in_the_messages_of_a_notebook_job() {
    let fake = FakeArcGis::start().await;
    let client = fake.client_builder().clock(ManualClock::new()).build().unwrap();
    let target = arcgis::notebook_target(FakeArcGis::NOTEBOOK_ITEM);
    let ended = async |plan: Plan| {
        fake.next_run(plan.takes(0));
        client.trigger(&target).await.unwrap()
    };
    let failed = format!("run {target}/ID failed: The container has started. KeyError: 'counts'");
    let cancelled = format!("run {target}/ID was cancelled");
    let cases = [
        (ended(Plan::succeeds()).await, 1, "succeeded"),
        (ended(Plan::fails("KeyError: 'counts'")).await, 1, &*failed),
        (ended(Plan::cancelled()).await, 1, &*cancelled),
    ];
    check(&client, || fake.requests(), cases).await;
}

/// Fetches a failed run whose reason the script responds with, and looks for the credential in what is shown of it.
async fn is_redacted(
    provider: &impl RunProvider,
    run: &RunRef,
    script: &ScriptedTransport,
    responses: &[(u16, serde_json::Value)],
) {
    for (status, body) in responses {
        script.respond(*status, body.to_string());
    }
    let failed = provider.snapshot(run).await.unwrap();
    assert!(failed.failure.is_some() && failed.observed.is_none(), "{failed:?}");
    let error = failed.success().unwrap_err();
    let printed = format!("{error} {error:?} {:?} {}", error.failure(), error.report());
    assert!(printed.contains("no access for REDACTED"), "{printed}");
    assert!(!printed.contains("canary"), "{printed}");
}

/// A vendor that repeats the credential of the request in the reason.
#[tokio::test]
async fn no_reason_shows_the_credential() {
    const KEY: &str = "api_canary_0123456789";
    let script = ScriptedTransport::default();
    macro_rules! client {
        ($vendor:ident, $credential:expr $(, $setting:ident($value:expr))*) => {{
            let builder = $vendor::Client::builder().credential($credential)$(.$setting($value))*;
            builder.transport(script.clone()).clock(ManualClock::new()).build().unwrap()
        }};
    }
    let why = format!("no access for {KEY}");

    let credential = adobe::AccessToken::new("client", KEY);
    let client = client!(adobe, credential, org_id("org"), sandbox("prod"));
    let run = client.target("nightly").run("r1");
    let query =
        json!({"id": "q1", "state": "FAILED", "errors": [{"code": "42P01", "message": why}]});
    let found = json!({"id": "r1", "state": "FAILED"});
    is_redacted(&client, &run, &script, &[(200, found), (200, json!({"queries": [query]}))]).await;

    let client =
        client!(arcgis, arcgis::ReadyToken::new(KEY), base_url("https://gis.initech.example/maps"));
    let found = json!({"runId": "r1", "status": "failed", "result": why});
    is_redacted(&client, &client.target("t1").run("r1"), &script, &[(200, found)]).await;
    let found = json!({"jobId": "j1", "status": "FAILED", "messages": [why]});
    is_redacted(&client, &client.notebook_target("n1").run("j1"), &script, &[(200, found)]).await;

    let client = client!(mode, mode::ApiToken::new("token", KEY), workspace("initech"));
    let query = json!({"token": "q1", "state": "failed", "error_message": why});
    let queries = json!({"_embedded": {"query_runs": [query]}});
    let found = json!({"token": "r1", "state": "failed"});
    is_redacted(
        &client,
        &client.target("report").run("r1"),
        &script,
        &[(200, found), (200, queries)],
    )
    .await;

    let client = client!(supermetrics, supermetrics::ApiKey::new(KEY));
    let query = supermetrics::Query::new("GAWA").fields("date");
    let run = client.target(&query).run("s1");
    let error = json!({"code": "QUERY_ERROR", "message": why});
    let found = json!({"meta": {"status_code": "FAILURE"}, "error": error});
    for status in [200, 500] {
        is_redacted(&client, &run, &script, &[(status, found.clone())]).await;
    }

    let client = client!(transfers, supermetrics::ApiKey::new(KEY), team(7301));
    let found = json!({"data": {"transfer_backfill_id": 1, "status": "FAILED", "error_report": [{"error": why}]}});
    is_redacted(&client, &client.target("5").run("backfill-1"), &script, &[(200, found)]).await;
    let found = json!({"data": {"id": 1, "status": "FAILED", "message": why}});
    is_redacted(&client, &client.target("5").run("run-1"), &script, &[(200, found)]).await;
}
