//! Kills the service while it starts runs, again and again, and counts the runs at the fake, which is in this process.
//! `KILLS=500` kills more often, `SEED=1` repeats the decisions.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may panic, and prints what it did"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use scheduled_runs::RunProviderExt as _;
use scheduled_runs::testing::adobe::FakeAdobe;

use support::{Service, folder, pause, segment};

const TARGETS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_starts_no_run_twice_and_loses_none() {
    let number =
        |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let (kills, seed) = (
        number("KILLS").unwrap_or(20),
        number("SEED").unwrap_or_else(|| fastrand::u64(..1000)),
    );
    let mut random = fastrand::Rng::with_seed(seed);
    let (fake, folder) = (FakeAdobe::start().await, folder("kill"));
    let table = folder.join("runs.db");
    fake.show_runs_after_lists(0);
    fake.list_runs_after(std::time::Duration::from_millis(150));
    let schedules: Vec<_> = (0..TARGETS)
        .map(|number| fake.add_schedule(&format!("nightly-{number}")))
        .collect();
    let triggers =
        || schedules.iter().map(|schedule| fake.triggers(schedule)).sum::<usize>();

    // Every key that was ever sent, with its target, whether the service has answered or not.
    let mut keys = BTreeMap::new();
    for kill in 0..kills {
        let mut service = Service::start(&fake, &table).await;
        for number in 0..random.usize(1..=2) {
            keys.insert(
                format!("{kill}-{number}"),
                random.choice(&schedules).unwrap().clone(),
            );
        }
        // New ones and old ones, each twice.
        let again: Vec<_> = random.choose_multiple(keys.iter(), 2);
        let new = keys.iter().filter(|(key, _)| key.starts_with(&format!("{kill}-")));
        let sent = again.into_iter().chain(new).flat_map(|pair| [pair, pair]);
        let requests =
            sent.map(|(key, target)| service.post(key, &segment(&fake, target)).send());
        let before = triggers();
        let hit_a_start = random.bool();
        tokio::select! {
            _ = join_all(requests) => {
                let mut patience = random.u64(..600);
                while patience > 0 && !(hit_a_start && triggers() > before) {
                    pause(5).await;
                    patience = patience.saturating_sub(5);
                }
            }
            () = pause(random.u64(..200)) => {}
        }
        service.process.kill().await.unwrap();
    }

    let service = Service::start(&fake, &table).await;
    let mut found = BTreeSet::new();
    let requests = keys
        .iter()
        .map(|(key, target)| service.post(key, &segment(&fake, target)).send());
    for response in join_all(requests).await {
        assert!(response.unwrap().status().is_success(), "SEED={seed}");
    }
    for key in keys.keys() {
        let status = service.wait(key, &["preparing", "running"]).await;
        assert_eq!(status["snapshot"]["phase"], "succeeded", "SEED={seed}: {status:#}");
        found.insert(status["run"].as_str().unwrap().to_owned());
    }
    assert_eq!(found.len(), keys.len(), "SEED={seed}: each key has a run of its own");
    assert_eq!(triggers(), keys.len(), "SEED={seed}: each key has started one run");
    let client = fake.client_builder().build().unwrap();
    let mut listed = BTreeSet::new();
    for schedule in &schedules {
        let runs =
            client.runs(&client.target(schedule)).map_ok(|run| run.run.to_string());
        listed.extend(runs.try_collect::<Vec<_>>().await.unwrap());
    }
    assert_eq!(listed, found, "SEED={seed}: each run belongs to a key");
    println!("{kills} kills, SEED={seed}: {} keys, {} triggers", keys.len(), triggers());
    std::fs::remove_dir_all(&folder).unwrap();
}
