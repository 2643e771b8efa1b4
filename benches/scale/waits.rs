//! The CPU time of a thousand waits, compared to that of the same requests without waits.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use scheduled_runs::client::{CallLimits, Vendor as Name};
use scheduled_runs::run::Capabilities;
use scheduled_runs::{
    ErrorKind, Phase, Result, RunProvider, RunProviderExt as _, RunRef, RunSnapshot, Target, adobe,
};

use crate::server::{List, Vendor};
use crate::{client, median, numbers_of, word};

const RUNS: usize = 1000;
const EVERY: Duration = Duration::from_secs(2);
/// Polls of each run in real time, and on a simulated clock.
const POLLS: u32 = 4;
const MANY_POLLS: u32 = 200;
const ROUNDS: usize = 3;

pub(crate) fn table(server: &str) -> bool {
    let list = List { vendor: Vendor::Adobe, total: RUNS, size: RUNS, delay: 0 };
    let url = list.url(server);
    if numbers_of(["waits", "idle", &url]).is_empty() {
        println!("\nskipped: the CPU time of waits (no /proc/self/schedstat here)");
        return true;
    }
    println!("\nCPU time of {RUNS} concurrent waits that poll every 2 s, in percent of a core");
    println!(
        "{:<10} {:>16} {:>16} {:>9} {:>24}",
        "waits", "requests only", "with waits", "more", "more, without network"
    );
    let mut met = true;
    for what in ["wait", "wait_all"] {
        let of = |what: &str| numbers_of(["waits", what, &url])[0];
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            without.push(of(&format!("{what}-without")));
            with.push(of(&format!("{what}-with")));
        }
        let (without, with) = (median(without), median(with));
        let alone = of(&format!("{what}-alone"));
        println!(
            "{what:<10} {without:>15.2}% {with:>15.2}% {:>8.2}% {alone:>15.3}% <= 1 % {}",
            with - without,
            word(alone <= 1.0)
        );
        met &= alone <= 1.0;
    }
    println!(
        "More, without network: a provider that responds at once, over {MANY_POLLS} polls, responses included."
    );
    met
}

/// Prints percent of a core; nothing if that cannot be measured.
pub(crate) fn work(what: &str, url: &str) {
    if busy().is_none() {
        return;
    }
    let alone = what.ends_with("alone");
    let polls = if alone { MANY_POLLS } else { POLLS };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(alone).build().unwrap();
    let percent = runtime.block_on(async {
        let client = client(adobe::Client::builder().org_id("o@AdobeOrg").sandbox("prod"), url);
        let begun = busy().unwrap();
        match what {
            "wait-without" => ask(&client, polls).await,
            "wait-with" => wait(&client, polls).await,
            "wait-alone" => wait(&AtOnce, polls).await,
            "wait_all-without" => ask_together(&client, polls).await,
            "wait_all-with" => wait_all(&client, polls).await,
            "wait_all-alone" => wait_all(&AtOnce, polls).await,
            _ => {}
        }
        let spent = busy().unwrap().saturating_sub(begun);
        100.0 * spent.as_secs_f64() / (EVERY * polls).as_secs_f64()
    });
    println!("{percent}");
}

/// The CPU time of this process, which has one thread.
fn busy() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?))
}

fn runs() -> Vec<RunRef> {
    let target = adobe::target("nightly");
    (0..RUNS).map(|number| target.run(format!("run-{number}"))).collect()
}

async fn ask(provider: &impl RunProvider, polls: u32) {
    let runs = runs();
    let loops = runs.iter().map(|run| async move {
        for _ in 0..polls {
            provider.fetch_run(run, &CallLimits::default()).await.unwrap();
            tokio::time::sleep(EVERY).await;
        }
    });
    join_all(loops).await;
}

async fn ask_together(provider: &impl RunProvider, polls: u32) {
    let (target, runs) = (adobe::target("nightly"), runs());
    for _ in 0..polls {
        let fetched = provider.fetch_runs(&target, &runs, &CallLimits::default()).await.unwrap();
        assert_eq!(fetched.len(), RUNS);
        tokio::time::sleep(EVERY).await;
    }
}

/// A time limit between the last poll and the one after it.
fn until(polls: u32) -> Duration {
    EVERY * (polls - 1) + Duration::from_millis(1500)
}

async fn wait(provider: &impl RunProvider, polls: u32) {
    let runs = runs();
    let waits = runs.iter().map(|run| async move {
        let end = provider.wait(run).every(EVERY).timeout(until(polls)).await;
        assert_eq!(end.unwrap_err().kind(), ErrorKind::WaitTimeout);
    });
    join_all(waits).await;
}

async fn wait_all(provider: &impl RunProvider, polls: u32) {
    let ends = provider.wait_all(runs()).every(EVERY).timeout(until(polls)).ends();
    let ended = ends.map(|end| assert_eq!(end.unwrap_err().kind(), ErrorKind::WaitTimeout));
    assert_eq!(ended.count().await, RUNS);
}

/// A provider without a network, whose runs are running.
#[derive(Debug)]
struct AtOnce;

#[async_trait]
impl RunProvider for AtOnce {
    fn vendor(&self) -> Name {
        adobe::target("nightly").vendor().clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list()
    }

    async fn fetch_run(&self, run: &RunRef, _: &CallLimits) -> Result<RunSnapshot> {
        Ok(RunSnapshot::new(run.clone(), Phase::Running))
    }

    async fn fetch_runs(
        &self,
        _: &Target,
        runs: &[RunRef],
        _: &CallLimits,
    ) -> Result<Vec<RunSnapshot>> {
        Ok(runs.iter().map(|run| RunSnapshot::new(run.clone(), Phase::Running)).collect())
    }
}
