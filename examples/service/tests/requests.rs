//! What a caller meets, and a person at the command line.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may panic, and prints what it did"
)]

mod support;

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use reqwest::Method;
use run_service::runs::{Observer, Runs, Timing};
use run_service::store::{Outcome, Store};
use scheduled_runs::run::FinishedWait;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::{FakeProvider, Plan};
use scheduled_runs::{Phase, RunProvider, RunProviderExt as _, RunSnapshot};
use serde_json::json;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use support::{Service, folder, pause, read, segment};

#[tokio::test]
async fn twenty_requests_with_one_key_start_one_run() {
    let (fake, folder) = (FakeAdobe::start().await, folder("twenty"));
    let service = Service::start(&fake, &folder.join("runs.db")).await;
    let target = segment(&fake, "nightly-orders");

    let responses =
        join_all((0..20).map(|_| service.post("monday", &target).send())).await;
    let responses: Vec<_> = responses.into_iter().map(Result::unwrap).collect();
    let mut statuses: Vec<_> =
        responses.iter().map(|response| response.status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 19], vec![202]].concat());
    let locations: BTreeSet<_> =
        responses.iter().map(|response| &response.headers()["location"]).collect();
    assert_eq!(locations.into_iter().collect::<Vec<_>>(), ["/runs/monday"]);

    let status = service.wait("monday", &["preparing", "running"]).await;
    assert_eq!(
        (&status["state"], &status["snapshot"]["phase"]),
        (&json!("ended"), &json!("succeeded"))
    );
    assert_eq!(status["run"], status["snapshot"]["run"]);
    assert_eq!(fake.triggers("nightly-orders"), 1);
    let (code, again) = read(service.post("monday", &target)).await;
    assert_eq!((code, again), (200, status));
    assert_eq!(fake.triggers("nightly-orders"), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn requests_that_are_wrong_say_why() {
    let (fake, folder) = (FakeAdobe::start().await, folder("wrong"));
    let service = Service::start(&fake, &folder.join("runs.db")).await;
    let [orders, traffic] =
        ["nightly-orders", "hourly-traffic"].map(|id| segment(&fake, id));
    read(service.post("\"monday\"", &orders)).await;

    let runs = format!("/targets/{orders}/runs");
    let without_key = read(service.request(Method::POST, &runs)).await;
    let cases = [
        (without_key, 400, "idempotency_key", "send an Idempotency-Key of 1 to 100"),
        (
            read(service.post("a/b", &orders)).await,
            400,
            "idempotency_key",
            "send an Idempotency-Key",
        ),
        (
            read(service.post("monday", &traffic)).await,
            422,
            "another_target",
            "belongs to a run of adobe@",
        ),
        (read(service.post("new", "nonsense")).await, 400, "config", ""),
        (
            read(service.post("new", "mode:f2lkg3hwjj9a")).await,
            400,
            "config",
            "does not belong to adobe",
        ),
        (
            service.get("/runs/nobody").await,
            404,
            "not_found",
            "no request has had the Idempotency-Key nobody",
        ),
        (
            service.get(&format!("/targets/{}/runs", segment(&fake, "nothing"))).await,
            404,
            "not_found",
            "adobe.runs.list",
        ),
    ];
    for ((status, body), expected, code, message) in cases {
        assert_eq!((status, &body["code"]), (expected, &json!(code)), "{body}");
        assert!(body["message"].as_str().unwrap().contains(message), "{body}");
    }

    // What the vendor refuses is known later.
    read(service.post("refused", &segment(&fake, "nothing"))).await;
    let status = service.wait("refused", &["preparing"]).await;
    assert_eq!(
        (&status["state"], &status["code"]),
        (&json!("failed"), &json!("not_found"))
    );
    assert_eq!((&status["may_have_run"], &status["run"]), (&json!(false), &json!(null)));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn runs_are_cancelled_and_listed_with_their_reasons() {
    let (fake, folder) = (FakeAdobe::start().await, folder("cancel"));
    let service = Service::start(&fake, &folder.join("runs.db")).await;
    let target = segment(&fake, "nightly-orders");
    fake.next_run(Plan::never_ends());
    read(service.post("monday", &target)).await;
    let status = service.wait("monday", &["preparing"]).await;
    assert_eq!(status["state"], "running");
    let (code, _) = read(service.request(Method::DELETE, "/runs/monday")).await;
    assert_eq!(code, 202);
    let status = service.wait("monday", &["running"]).await;
    assert_eq!(status["snapshot"]["phase"], "cancelled");
    let (code, again) = read(service.request(Method::DELETE, "/runs/monday")).await;
    assert_eq!((code, again), (200, status.clone()));

    let since = "since=2000-01-01T00:00:00Z";
    let (_, plain) = service.get(&format!("/targets/{target}/runs?{since}")).await;
    let (_, explained) =
        service.get(&format!("/targets/{target}/runs?{since}&reasons=true")).await;
    let runs = explained.as_array().unwrap();
    assert_eq!((runs.len(), plain.as_array().unwrap().len()), (7, 7));
    assert_eq!(runs[0]["run"], status["run"]);
    let failed: Vec<_> = runs.iter().filter(|run| run["phase"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0]["failure"]["message"].is_string(), "{}", failed[0]);
    let (_, none) =
        service.get(&format!("/targets/{target}/runs?since=2100-01-01T00:00:00Z")).await;
    assert_eq!(none, json!([]));

    assert_eq!(
        service.request(Method::GET, "/healthz").send().await.unwrap().status(),
        200
    );
    let metrics = service.request(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(
        metrics.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains(
        "scheduled_runs_wait_lag_seconds_bucket{vendor=\"adobe\",outcome=\"cancelled\",le=\""
    ));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_caller_that_closes_its_connection_stops_nothing() {
    let (fake, folder) = (FakeAdobe::start().await, folder("close"));
    let service = Service::start(&fake, &folder.join("runs.db")).await;
    let path = format!("/targets/{}/runs", segment(&fake, "nightly-orders"));
    let mut caller =
        TcpStream::connect(service.url.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nidempotency-key: monday\r\n\r\n"
    );
    caller.write_all(head.as_bytes()).await.unwrap();
    // The start has begun: its list has been asked for.
    while fake.requests().is_empty() {
        pause(1).await;
    }
    drop(caller);
    let status = service.wait("monday", &["preparing", "running"]).await;
    assert_eq!(status["snapshot"]["phase"], "succeeded");
    assert_eq!(fake.triggers("nightly-orders"), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}

struct Nobody;

impl Observer for Nobody {
    fn polled(&self, _: &RunSnapshot) {}
    fn ended(&self, _: &FinishedWait<'_>) {}
}

async fn runs(provider: &FakeProvider, store: &Store) -> Runs {
    let provider: Arc<dyn RunProvider> = Arc::new(provider.clone());
    Runs::resume(provider, store.clone(), Timing::short(), Nobody).await.unwrap()
}

/// Asks until the row has a run.
async fn run_of(runs: &Runs, key: &str) -> String {
    for _ in 0..1000 {
        if let Some(run) = runs.find(key).await.unwrap().and_then(|row| row.run) {
            return run.to_string();
        }
        pause(5).await;
    }
    panic!("{key} has no run")
}

#[tokio::test]
async fn a_caller_that_hangs_up_stops_nothing() {
    let (provider, store) = (FakeProvider::new(), Store::open(None).unwrap());
    let (runs, target) = (runs(&provider, &store).await, provider.target("nightly"));
    // The caller is gone when the request has just been taken.
    assert!(runs.request("monday", &target).now_or_never().is_none());
    assert_eq!(run_of(&runs, "monday").await, "fake:nightly/run-1");
    let (row, is_new) = runs.request("monday", &target).await.unwrap();
    assert_eq!((row.run, is_new), (Some(target.run("run-1")), false));
    assert_eq!(provider.triggers(), 1);
}

#[tokio::test]
async fn starts_of_one_target_wait_for_each_other() {
    let (provider, store) = (FakeProvider::new(), Store::open(None).unwrap());
    provider.name_runs(false);
    let (runs, target) = (runs(&provider, &store).await, provider.target("nightly"));
    for key in ["monday", "tuesday", "wednesday"] {
        runs.request(key, &target).await.unwrap();
    }
    for (key, run) in [("monday", 1), ("tuesday", 2), ("wednesday", 3)] {
        assert_eq!(run_of(&runs, key).await, format!("fake:nightly/run-{run}"));
    }
    assert_eq!(provider.triggers(), 3);
}

#[tokio::test]
async fn a_lost_response_is_not_a_second_start() {
    let (provider, store) = (FakeProvider::new(), Store::open(None).unwrap());
    let (runs, target) = (runs(&provider, &store).await, provider.target("nightly"));
    provider.lose_next_trigger_response();
    runs.request("monday", &target).await.unwrap();
    assert_eq!(run_of(&runs, "monday").await, "fake:nightly/run-1");
    assert_eq!(provider.triggers(), 1);
}

#[tokio::test]
async fn a_restart_continues_with_every_row_that_is_not_finished() {
    let (provider, store) = (FakeProvider::new(), Store::open(None).unwrap());
    let target = provider.target("nightly");
    let awaited = provider.add_run(&target, [Phase::Running, Phase::Succeeded]);
    // As processes that were killed have left them.
    for key in ["running", "gone", "prepared", "new"] {
        store.insert(key, &target).await.unwrap();
    }
    for (key, run) in [("running", &awaited), ("gone", &target.run("gone"))] {
        let row = store.find(key).await.unwrap().unwrap();
        assert!(store.replace_intent(&row, "an intent").await.unwrap());
        assert!(
            !store.replace_intent(&row, "another").await.unwrap(),
            "it has been replaced"
        );
        assert!(store.save_run(key, "an intent", run).await.unwrap());
        assert!(!store.save_run(key, "an intent", run).await.unwrap(), "it has a run");
    }
    let prepared = provider.prepare(&target).await.unwrap();
    let row = store.find("prepared").await.unwrap().unwrap();
    assert!(store.replace_intent(&row, &prepared.intent().to_string()).await.unwrap());
    assert!(prepared.start().now_or_never().is_none());
    assert_eq!(provider.triggers(), 1);

    let runs = runs(&provider, &store).await;
    let found = [
        run_of(&runs, "running").await,
        run_of(&runs, "prepared").await,
        run_of(&runs, "new").await,
    ];
    assert_eq!(found[0], awaited.to_string());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(provider.triggers(), 2, "one before the restart, one after it");
    for key in ["running", "gone", "prepared", "new"] {
        while runs.find(key).await.unwrap().unwrap().outcome.is_none() {
            pause(5).await;
        }
    }
    // Nothing more is known about a run that the vendor has forgotten, but that it was started.
    let outcome = runs.find("gone").await.unwrap().unwrap().outcome.unwrap();
    assert!(
        matches!(outcome, Outcome::Failed { code, may_have_run: true, .. } if code == "not_found")
    );
}

#[tokio::test]
async fn a_start_that_cannot_be_recovered_may_have_run() {
    let (sales, finance) =
        (FakeProvider::new().scoped("sales"), FakeProvider::new().scoped("finance"));
    let (store, target) = (Store::open(None).unwrap(), sales.target("nightly"));
    let prepared = sales.prepare(&target).await.unwrap();
    let (row, _) = store.insert("monday", &target).await.unwrap();
    assert!(store.replace_intent(&row, &prepared.intent().to_string()).await.unwrap());
    // The service is started anew, with another account.
    let runs = runs(&finance, &store).await;
    let outcome = loop {
        match runs.find("monday").await.unwrap().unwrap().outcome {
            Some(outcome) => break outcome,
            None => pause(5).await,
        }
    };
    let Outcome::Failed { code, may_have_run, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((&*code, may_have_run), ("config", true));
}

#[tokio::test]
async fn a_run_belongs_to_one_row() {
    let (store, target) =
        (Store::open(None).unwrap(), FakeProvider::new().target("nightly"));
    for (key, is_first) in [("monday", true), ("tuesday", false)] {
        let (row, _) = store.insert(key, &target).await.unwrap();
        assert!(store.replace_intent(&row, "an intent").await.unwrap());
        assert_eq!(
            store.save_run(key, "an intent", &target.run("42")).await.unwrap(),
            is_first
        );
    }
}

#[test]
fn one_process_owns_the_table() {
    let folder = folder("lock");
    let table = folder.join("runs.db");
    let first = Store::open(Some(&table)).unwrap();
    assert!(Store::open(Some(&table)).unwrap_err().to_string().contains("locked"));
    drop(first);
    Store::open(Some(&table)).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

fn command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_run_service")).args(arguments).output().unwrap()
}

#[test]
fn the_command_line_says_what_is_wrong() {
    let help = command(&["--serve", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(help.stdout.starts_with(b"usage: run_service"));
    for (arguments, message) in [
        (&["--port"][..], "unknown option --port"),
        (&["serve"], "unexpected argument \"serve\""),
        (&["--serve"], "--serve needs a value"),
        (&["--serve", "--otel-stdout"], "--serve needs a value"),
        (&["--table", "runs.db"], "this option needs --serve ADDRESS"),
        (&["--demo", "--serve", "127.0.0.1:0"], "--demo and --serve exclude each other"),
    ] {
        let output = command(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            text.starts_with(&format!("{message}\n\nusage: run_service")),
            "{arguments:?}: {text}"
        );
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(2), 0),
            "{arguments:?}"
        );
    }
    let half = Command::new(env!("CARGO_BIN_EXE_run_service"))
        .args(["--serve", "127.0.0.1:0"])
        .env("ADOBE_CLIENT_ID", "id")
        .output()
        .unwrap();
    let text = String::from_utf8(half.stderr).unwrap();
    assert!(
        text.starts_with("also set ADOBE_CLIENT_SECRET, ADOBE_ORG_ID and ADOBE_SANDBOX"),
        "{text}"
    );
    assert_eq!(half.status.code(), Some(2));
    let nowhere = command(&["--serve", "nowhere"]);
    assert_eq!(nowhere.status.code(), Some(1));
}
