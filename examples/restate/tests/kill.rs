//! Kills workers and the engine at random moments, and freezes workers, while runs of four vendors are started, awaited and cancelled,
//! and while a person kills invocations. Every call must end, and every run that was started must be known.
//!
//! `cargo test --test kill`; with `KILLS=n` more workers are killed, with `SEED=n` the moments are those of an earlier test.
//!
//! This process has the fakes, and relays between engine and workers, and between workers and fakes. The latter are slow, so
//! that the moments between two steps are long enough to be hit, and so that requests arrive after their sender was killed.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test"
)]

#[macro_use]
#[path = "../../shared/lines.rs"]
#[allow(unused_macros, reason = "the service prints to stdout only")]
mod lines;
#[path = "../src/engine.rs"]
mod engine;
#[path = "../src/service.rs"]
#[allow(dead_code, reason = "the test only calls it")]
mod service;
#[path = "../../shared/vendors.rs"]
#[allow(dead_code, reason = "other examples use more of it")]
mod vendors;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use restate_sdk::ingress::ClientError;
use restate_sdk::prelude::Json;
use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::testing::Plan;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::{Phase, RunRef, RunSnapshot, Target, adobe, foundry, mode, supermetrics};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::{RwLock, watch};

use engine::{Engine, Http};
use service::{RunsIngressClient, SHORT_LEASE};
use vendors::Fake as _;

#[tokio::main]
async fn main() {
    match engine::find() {
        Ok(program) => test(program).await,
        Err(why) => println!("skipped: there is no Restate server: {why}"),
    }
}

async fn test(program: PathBuf) {
    let number = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().expect(name));
    let kills = number("KILLS").unwrap_or(40);
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("SEED={seed} KILLS={kills}");
    let begun = SystemClock::default().now();
    let folder = std::env::temp_dir().join(format!("scheduled_runs_kill_{}", std::process::id()));

    let fakes = Arc::new(Fakes::start().await);
    let engine = Engine::start(program, folder.clone()).await.unwrap();
    let crew = Crew::start(fakes.clone()).await;
    engine.register(&format!("http://{}", crew.gate.address)).await.unwrap();
    let engine = Arc::new(RwLock::new(engine));
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = Vec::new();
    for which in 0..fakes.targets.len() {
        let client = engine.read().await.client().unwrap();
        let runs = RunsIngressClient::from_client(client, fakes.targets[which].0.to_string());
        let caller = Caller { runs, engine: engine.clone(), fakes: fakes.clone(), which };
        callers.push(tokio::spawn(caller.call_until(stop.clone())));
    }

    let steps = crew.steps.clone();
    let summary = cause_trouble(crew, &engine, &fakes, kills, fastrand::Rng::with_seed(seed));
    let (summary, crew) = summary.await;
    stop.store(true, Ordering::Relaxed);
    let mut calls = Vec::new();
    tokio::select! {
        () = async { for caller in callers { calls.push(caller.await.unwrap()) } } => {}
        () = pause(90_000) => {
            let open = "SELECT target, status, retry_count, last_failure FROM sys_invocation WHERE status <> 'completed'";
            panic!("calls have not ended after 90 s: {:#?}", query(&engine, open).await);
        }
    }
    // A cancellation may still be under way whose caller no longer waits for it.
    let open = "SELECT id, target, status FROM sys_invocation WHERE status <> 'completed'";
    let mut left = query(&engine, open).await;
    for _ in 0..100 {
        if left.is_empty() {
            break;
        }
        pause(100).await;
        left = query(&engine, open).await;
    }
    assert!(left.is_empty(), "invocations have not ended: {left:#?}");
    drop((engine, crew));
    std::fs::remove_dir_all(folder).unwrap();

    let took = SystemClock::default().now() - begun;
    println!("{summary}; {} s", took.as_secs());
    judge(&fakes, &calls);
    let steps = steps.lock().unwrap();
    println!("steps of the workers: {steps:?}");
    // Otherwise nothing was met that had to be recovered.
    assert!(steps.contains_key("recovered: started") && steps.contains_key("recovered: not"));
}

/// Kills and freezes until so many workers were killed.
async fn cause_trouble(
    mut crew: Crew,
    engine: &RwLock<Engine>,
    fakes: &Fakes,
    kills: u64,
    mut random: fastrand::Rng,
) -> (String, Crew) {
    let (mut killed, mut engines, mut frozen, mut replaced, mut mute) = (0, 0, 0, 0, 0);
    while killed < kills {
        fakes.lose_a_trigger(&mut random);
        if random.u8(..8) == 0 {
            // Requests arrive, and nobody learns what became of them, until starts give up.
            fakes.relays[random.usize(..4)].lose_replies(5_000).await;
            mute += 1;
        } else {
            pause(random.u64(100..1_500)).await;
        }
        if killed >= (engines + 1) * 7 {
            engine.write().await.kill_and_restart().await.unwrap();
            engines += 1;
        }
        let asleep = u64::try_from(SHORT_LEASE.as_millis()).unwrap() + random.u64(..1_000);
        match random.u8(..12) {
            // The engine notices nothing but the time that it takes.
            0 => {
                crew.worker.signal("STOP");
                pause(asleep).await;
                crew.worker.signal("CONT");
                frozen += 1;
            }
            // While the worker is frozen, another one replaces it. For two seconds there are two of them.
            1 => {
                crew.worker.signal("STOP");
                let old = crew.replace_worker().await;
                tokio::spawn(async move {
                    pause(asleep).await;
                    old.signal("CONT");
                    pause(2_000).await;
                });
                replaced += 1;
            }
            _ => {
                crew.worker.process.kill().await.unwrap();
                crew.replace_worker().await;
                killed += 1;
            }
        }
    }
    let summary = format!(
        "killed {killed} workers and the engine {engines} times, froze {frozen} workers, and {replaced} while another replaced them; a vendor was mute {mute} times"
    );
    (summary, crew)
}

/// What the calls of one target have returned.
#[derive(Default)]
struct Calls {
    ended: Vec<RunSnapshot>,
    failed: Vec<String>,
    /// Invocations that a person killed.
    killed: usize,
    /// Runs of those, where the object had the run and not only an intent.
    killed_later: Vec<RunRef>,
}

fn judge(fakes: &Fakes, targets: &[Calls]) {
    let (mut twice, mut unknown, mut failed) = (0, 0, Vec::new());
    let (mut killed, mut phases) = (0, BTreeMap::<_, usize>::new());
    for (which, calls) in targets.iter().enumerate() {
        let mut known = BTreeSet::new();
        for run in calls.ended.iter().map(|end| &end.run).chain(&calls.killed_later) {
            assert!(known.insert(run), "two calls have the run {run}");
        }
        for end in &calls.ended {
            *phases.entry(end.phase.as_str()).or_default() += 1;
            assert!(end.failure.is_some() || end.phase != Phase::Failed, "{end:?}");
        }
        let started = fakes.triggers(which);
        // The call after a killed invocation adopts its run.
        twice += started
            .saturating_sub(calls.ended.len() + calls.killed_later.len() + calls.failed.len());
        unknown += started - known.len();
        failed.extend(&calls.failed);
        killed += calls.killed;
    }
    println!("calls of {} targets: {phases:?}, and {killed} were killed", targets.len());
    println!(
        "started twice: {twice}, running unknown: {unknown}, left to a person: {}",
        failed.len()
    );
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!((twice, unknown), (0, 0));
    assert!(
        killed > 0
            && ["succeeded", "failed", "cancelled"].iter().all(|phase| phases.contains_key(phase))
    );
}

async fn pause(ms: u64) {
    SystemClock::default().sleep(Duration::from_millis(ms)).await;
}

/// The rows of an SQL query of the engine's state. After a restart it takes the engine a while until it can answer.
async fn query(engine: &RwLock<Engine>, sql: &str) -> Vec<Value> {
    let sql = json!({ "query": sql });
    let mut attempts = 0;
    loop {
        attempts += 1;
        match engine.read().await.admin(Method::POST, "query", &sql).await {
            Ok(answer) => return answer["rows"].as_array().unwrap().clone(),
            Err(error) if attempts == 100 => panic!("{error}"),
            Err(_) => pause(100).await,
        }
    }
}

/// Calls one target's object.
struct Caller {
    runs: RunsIngressClient<Http>,
    engine: Arc<RwLock<Engine>>,
    fakes: Arc<Fakes>,
    which: usize,
}

impl Caller {
    /// Calls again and again, each time until the run has ended.
    async fn call_until(self, stop: Arc<AtomicBool>) -> Calls {
        let mut calls = Calls::default();
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            self.fakes.plan(self.which);
            let key = format!("{}-{number}", self.which);
            if number % 6 == 5 {
                calls.killed += 1;
                calls.killed_later.extend(self.call_and_kill(&format!("{key}-killed")).await);
            }
            match self.call(&key).await {
                Ok(end) => calls.ended.push(end),
                Err(error) => {
                    let body = error.response().map(|response| response.body().clone());
                    calls.failed.push(format!("{key}: {error}: {body:?}"));
                }
            }
        }
        calls
    }

    /// Calls until it ends. Sooner or later it cancels the run.
    async fn call(&self, key: &str) -> Result<RunSnapshot, ClientError> {
        let cancel = async {
            loop {
                pause(8_000).await;
                // The run may not have started yet, or the vendor cannot cancel.
                let _ = self.runs.cancel().call().await;
            }
        };
        tokio::select! {
            end = async {
                let call = || async { self.runs.run().idempotency_key(key).call().await?.into_body() };
                retry(call).await.map(|Json(run)| run)
            } => end,
            () = cancel => unreachable!(),
        }
    }

    /// A person kills the invocation, most often while it starts a run. Returns the run if the object knows it. If not, the next
    /// call adopts it.
    async fn call_and_kill(&self, key: &str) -> Option<RunRef> {
        let before = self.newest_run().await;
        let call = || async { self.runs.run().idempotency_key(key).send().await };
        let id = retry(call).await.unwrap().invocation_handle().invocation_id().to_owned();
        pause(fastrand::u64(..1_000)).await;
        let kill = format!("invocations/{id}/kill");
        let ended =
            format!("SELECT id FROM sys_invocation WHERE id = '{id}' AND status = 'completed'");
        while query(&self.engine, &ended).await.is_empty() {
            // Fails if the invocation has just ended, or the engine is not ready.
            let _ = self.engine.read().await.admin(Method::PATCH, &kill, &Value::Null).await;
            pause(100).await;
        }
        self.newest_run().await.filter(|run| Some(run) != before.as_ref())
    }

    async fn newest_run(&self) -> Option<RunRef> {
        let target = &self.fakes.targets[self.which].0;
        let state = format!("SELECT value_utf8 FROM state WHERE service_key = '{target}'");
        let rows = query(&self.engine, &state).await;
        let memory: Value = serde_json::from_str(rows.first()?["value_utf8"].as_str()?).unwrap();
        Some(serde_json::from_value(memory["runs"].as_array()?.last()?.clone()).unwrap())
    }
}

/// Asks again while the engine is dead or not ready. If the invocation has failed, each response says so.
async fn retry<T, F: Future<Output = Result<T, ClientError>>>(
    ask: impl Fn() -> F,
) -> Result<T, ClientError> {
    let mut responses = 0;
    loop {
        match ask().await {
            Err(error) if responses < 20 => responses += u8::from(error.response().is_some()),
            done => return done,
        }
        pause(200).await;
    }
}

/// The vendors.
struct Fakes {
    adobe: FakeAdobe,
    foundry: FakeFoundry,
    mode: FakeMode,
    supermetrics: FakeSupermetrics,
    /// Each with the name under which the fake counts its triggers.
    targets: Vec<(Target, String)>,
    /// What a worker needs to reach the fakes, over slow relays.
    variables: Vec<(&'static str, String)>,
    relays: Vec<Relay>,
}

impl Fakes {
    async fn start() -> Self {
        let (adobe, foundry) = (FakeAdobe::start().await, FakeFoundry::start().await);
        let (mode, supermetrics) = (FakeMode::start().await, FakeSupermetrics::start().await);
        supermetrics.add_data_source("FA");
        // The fake counts lists, and the crate counts time: a list that has come late would show a run too late.
        adobe.show_runs_after_lists(0);
        adobe.cancelled_state("KILLED");
        let mut targets = Vec::new();
        for number in 0..3 {
            let id = adobe.add_schedule(&format!("adobe-{number}"));
            targets.push((adobe::target(&*id), id));
            let rid = foundry.add_schedule(&format!("foundry-{number}"));
            targets.push((foundry::target(&*rid), rid));
            let report = mode.add_report(&format!("mode-{number}"));
            targets.push((mode::target(&*report), report));
            let source = ["GAWA", "AW", "FA"][number].to_owned();
            let query = supermetrics::Query::new(&*source)
                .accounts([FakeSupermetrics::ACCOUNT])
                .start_date("2026-03-01")
                .end_date("yesterday")
                .fields(["date", "clicks"]);
            targets.push((supermetrics::target(&query), source));
        }
        let (mut variables, mut relays) = (Vec::new(), Vec::new());
        for (url, own) in [
            (adobe.base_url(), adobe.variables()),
            (foundry.base_url(), foundry.variables()),
            (mode.base_url(), mode.variables()),
            (supermetrics.base_url(), supermetrics.variables()),
        ] {
            let address = url.split('/').nth(2).unwrap();
            let relay = Relay::start(address, 150).await;
            variables.extend(
                own.into_iter().map(|(name, value)| (name, value.replace(address, &relay.address))),
            );
            relays.push(relay);
        }
        Self { adobe, foundry, mode, supermetrics, targets, variables, relays }
    }

    /// Says how one of the next runs of this vendor goes.
    fn plan(&self, which: usize) {
        let can_cancel = which % 4 < 2;
        let plan = match fastrand::u8(..8) {
            0 if can_cancel => Plan::never_ends(),
            0..4 => Plan::succeeds().takes(0),
            4 | 5 => Plan::succeeds().takes(1),
            _ => Plan::fails("it broke").takes(1),
        };
        let plan = plan.listed_after(Duration::from_millis(fastrand::u64(..1_000)));
        match which % 4 {
            0 => self.adobe.next_run(plan),
            1 => self.foundry.next_run(plan),
            2 => self.mode.next_run(plan),
            _ => self.supermetrics.next_run(plan),
        }
    }

    fn triggers(&self, which: usize) -> usize {
        let name = &self.targets[which].1;
        match which % 4 {
            0 => self.adobe.triggers(name),
            1 => self.foundry.triggers(name),
            2 => self.mode.triggers(name),
            _ => self.supermetrics.triggers(name),
        }
    }

    /// Loses the next trigger of a vendor, or only the response to it.
    fn lose_a_trigger(&self, random: &mut fastrand::Rng) {
        match random.u8(..20) {
            0 => self.adobe.lose_next_trigger_response(),
            1 => self.foundry.lose_next_trigger_response(),
            2 => self.mode.lose_next_trigger_response(),
            3 => self.supermetrics.lose_next_trigger_response(),
            4 => self.adobe.lose_next_trigger(),
            5 => self.foundry.lose_next_trigger(),
            6 => self.mode.lose_next_trigger(),
            7 => self.supermetrics.lose_next_trigger(),
            _ => {}
        }
    }
}

/// How often workers reported a step.
type Steps = Arc<Mutex<BTreeMap<String, usize>>>;

/// The worker, and what is needed to replace it. The engine reaches it through the gate.
struct Crew {
    fakes: Arc<Fakes>,
    worker: Worker,
    gate: Relay,
    steps: Steps,
}

impl Crew {
    async fn start(fakes: Arc<Fakes>) -> Self {
        let steps = Steps::default();
        let worker = Worker::start(&fakes, &steps).await;
        let gate = Relay::start(&worker.address, 0).await;
        Self { fakes, worker, gate, steps }
    }

    /// Starts another worker; returns the old one.
    async fn replace_worker(&mut self) -> Worker {
        let worker = Worker::start(&self.fakes, &self.steps).await;
        self.gate.to.send(worker.address.clone()).unwrap();
        std::mem::replace(&mut self.worker, worker)
    }
}

struct Worker {
    process: Child,
    address: String,
}

impl Worker {
    async fn start(fakes: &Fakes, steps: &Steps) -> Self {
        let one_of_each_vendor = fakes.targets.iter().take(4).map(|(target, _)| target.to_string());
        let mut process = Command::new(env!("CARGO_BIN_EXE_scheduled-runs-on-restate"))
            .args(["worker", "127.0.0.1:0", "fakes"])
            .args(one_of_each_vendor)
            .envs(fakes.variables.iter().cloned())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("the worker has ended");
        let address = line.strip_prefix("listening on ").expect(&line).to_owned();
        let steps = steps.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                // Without the target and the run.
                let step = line.split(' ').skip(1).take(2).collect::<Vec<_>>().join(" ");
                *steps.lock().unwrap().entry(step).or_default() += 1;
            }
        });
        Self { process, address }
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().expect("a worker that is running");
        let kill = format!("kill -{name} {id}");
        let status = std::process::Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success(), "{kill}");
    }
}

/// Relays connections to an address that can change. Then the connections to the old one are cut.
struct Relay {
    address: String,
    to: watch::Sender<String>,
    mute: Arc<AtomicBool>,
}

impl Relay {
    async fn start(to: &str, slowest_ms: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (to, receiver) = watch::channel(to.to_owned());
        let mute = Arc::<AtomicBool>::default();
        let muted = mute.clone();
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                let (mut to, muted) = (receiver.clone(), muted.clone());
                tokio::spawn(async move {
                    let address = to.borrow_and_update().clone();
                    let Ok(called) = TcpStream::connect(address).await else { return };
                    let (request, reply_to) = caller.into_split();
                    let (reply, request_to) = called.into_split();
                    tokio::select! {
                        () = pump(request, request_to, slowest_ms, None) => {}
                        () = pump(reply, reply_to, slowest_ms, Some(&muted)) => {}
                        _ = to.changed() => {}
                    }
                });
            }
        });
        Self { address, to, mute }
    }

    /// Loses all replies for a while, and then the connections.
    async fn lose_replies(&self, ms: u64) {
        self.mute.store(true, Ordering::Relaxed);
        pause(ms).await;
        self.mute.store(false, Ordering::Relaxed);
        self.to.send_modify(|_| {});
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    slowest_ms: u64,
    mute: Option<&AtomicBool>,
) {
    let mut part = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut part).await {
        if slowest_ms > 0 {
            pause(fastrand::u64(..slowest_ms)).await;
        }
        let is_lost = mute.is_some_and(|mute| mute.load(Ordering::Relaxed));
        if !is_lost && to.write_all(&part[..length]).await.is_err() {
            return;
        }
    }
}
