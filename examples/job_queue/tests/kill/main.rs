//! Kills workers where it hurts, and counts the runs: `cargo test --manifest-path examples/job_queue/Cargo.toml`.
//!
//! The fakes of four vendors are in this process, behind proxies that delay what comes back. The workers are processes. They are
//! killed with SIGKILL, or frozen with SIGSTOP until their lease is over, at moments that the seed decides: right after a worker
//! has said that it saved an intent or started a run, or at any time. Meanwhile tasks are queued twice, and others get lost.
//! `KILLS=5000` kills more often, `SEED=1` repeats the decisions.
//!
//! In the end every job must have one run, and every run a job. Nothing may be left to a person.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "a test that kills processes lives in real time")]

mod postgres;
mod proxy;
#[path = "../../../shared/vendors.rs"]
#[allow(dead_code, reason = "the examples use the rest of it")]
mod vendors;

use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use job_queue::Timing;
use job_queue::queue::Queue;
use job_queue::steps::{Step, Work};
use job_queue::table::{Job, now};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::{
    RunProvider, RunProviderExt as _, Target, adobe, foundry, mode, supermetrics,
};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep, timeout_at};

use self::postgres::Postgres;
use self::proxy::Delays;
use self::vendors::Fake;

const WORKERS: usize = 6;
/// Targets of each vendor.
const TARGETS: usize = 3;
/// Jobs that are open while there is still somebody to kill.
const OPEN: usize = 16;
const LISTED_AFTER: Duration = Duration::from_millis(500);
/// Once nobody is killed any more.
const LONGEST_END: Duration = Duration::from_secs(90);

const VENDOR_DELAYS: Delays = Delays { request: 20, usual: 60, rare: 400 };
const DATABASE_DELAYS: Delays = Delays { request: 0, usual: 2, rare: 60 };

fn main() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let kills = usize::try_from(number("KILLS").unwrap_or(200)).unwrap();
    println!("{kills} kills, SEED={seed}");
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(all(kills, seed));
}

async fn all(kills: usize, seed: u64) {
    let server = Postgres::start().await.inspect_err(|why| println!("skipped: Postgres ({why})"));
    let folder = std::env::temp_dir().join(format!("job_queue_kill_{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let file = format!("sqlite://{}?mode=rwc", folder.join("queue.db").display());
    let mut cases = Vec::new();
    match &server {
        Err(_) => cases.push(Case::new("SQLite", &file, &file, &["runs"], kills, seed).await),
        Ok(server) => {
            let third = kills / 3;
            cases.push(Case::new("SQLite", &file, &file, &["runs"], third, seed).await);
            let delayed = proxy::start(server.address, DATABASE_DELAYS).await;
            for (name, database, queues, kills) in [
                ("Postgres", "one_queue", &["runs"][..], third),
                (
                    "Postgres, two queues",
                    "two_queues",
                    &["runs", "more runs"][..],
                    kills - 2 * third,
                ),
            ] {
                server.create_database(database).await;
                let urls =
                    [server.address, delayed].map(|address| postgres::url(address, database));
                cases.push(Case::new(name, &urls[0], &urls[1], queues, kills, seed + 1).await);
            }
        }
    }
    let reports = join_all(cases.iter().map(Case::run)).await;
    std::fs::remove_dir_all(&folder).unwrap();
    drop(server);
    let wrong: Vec<_> = reports.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The fakes of four vendors, and how workers reach them.
struct Vendors {
    adobe: FakeAdobe,
    foundry: FakeFoundry,
    mode: FakeMode,
    supermetrics: FakeSupermetrics,
    targets: Vec<Target>,
    variables: Vec<(&'static str, String)>,
}

impl Vendors {
    async fn start() -> Self {
        let mut vendors = Self {
            adobe: FakeAdobe::start().await,
            foundry: FakeFoundry::start().await,
            mode: FakeMode::start().await,
            supermetrics: FakeSupermetrics::start().await,
            targets: Vec::new(),
            variables: Vec::new(),
        };
        // They list a run late, but within the grace time, however often they are asked.
        vendors.adobe.show_runs_after_lists(0);
        vendors.adobe.list_runs_after(LISTED_AFTER);
        vendors.foundry.list_runs_after(LISTED_AFTER);
        vendors.mode.list_runs_after(LISTED_AFTER);
        vendors.supermetrics.list_runs_after(LISTED_AFTER);
        for number in 1..=TARGETS {
            let name = format!("nightly {number}");
            let query = supermetrics::Query::new(FakeSupermetrics::DATA_SOURCE)
                .accounts([FakeSupermetrics::ACCOUNT])
                .start_date(format!("2026-03-0{number}"))
                .end_date("2026-03-20")
                .fields(["date", "clicks"]);
            vendors.targets.extend([
                adobe::target(vendors.adobe.add_schedule(&format!("nightly-{number}"))),
                foundry::target(vendors.foundry.add_schedule(&name)),
                mode::target(vendors.mode.add_report(&name)),
                supermetrics::target(&query),
            ]);
        }
        let fakes: [&dyn Fake; 4] =
            [&vendors.adobe, &vendors.foundry, &vendors.mode, &vendors.supermetrics];
        for fake in fakes {
            let variables = fake.variables();
            let address = variables.iter().find_map(|(_, value)| address(value)).unwrap();
            let delayed = proxy::start(address, VENDOR_DELAYS).await.to_string();
            let replace = |value: String| value.replace(&address.to_string(), &delayed);
            vendors
                .variables
                .extend(variables.into_iter().map(|(name, value)| (name, replace(value))));
        }
        vendors
    }

    /// How many triggers were carried out.
    fn triggers(&self) -> usize {
        let of_target = |target: &Target| match target.vendor().as_str() {
            "adobe" => self.adobe.triggers(target.id()),
            "foundry" => self.foundry.triggers(target.id()),
            "mode" => self.mode.triggers(target.id()),
            _ => 0,
        };
        // Supermetrics counts by data source.
        let queries = self.supermetrics.triggers(FakeSupermetrics::DATA_SOURCE);
        self.targets.iter().map(of_target).sum::<usize>() + queries
    }

    fn provider(&self, target: &Target) -> Arc<dyn RunProvider> {
        match target.vendor().as_str() {
            "adobe" => Arc::new(self.adobe.client_builder().build().unwrap()),
            "foundry" => Arc::new(self.foundry.client_builder().build().unwrap()),
            "mode" => Arc::new(self.mode.client_builder().build().unwrap()),
            _ => Arc::new(self.supermetrics.client_builder().build().unwrap()),
        }
    }

    /// The ids of the runs that there are, as the vendor lists them.
    async fn runs(&self, target: &Target) -> BTreeSet<String> {
        let provider = self.provider(target);
        let runs = provider.runs(target).map_ok(|run| run.run.id().to_owned());
        runs.try_collect().await.unwrap()
    }
}

/// The address within a URL.
fn address(value: &str) -> Option<SocketAddr> {
    value.strip_prefix("http://")?.split('/').next()?.parse().ok()
}

/// One database, with workers of its own.
struct Case {
    name: &'static str,
    vendors: Vendors,
    /// The queues, as this process uses them, and as workers do.
    queues: Vec<(Work, Vec<(&'static str, String)>)>,
    seed: u64,
    begun: Instant,
    /// Kills that are left.
    kills: AtomicI64,
    counts: Counts,
    /// What the workers said last, for a failure.
    said: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Counts {
    kills: AtomicUsize,
    freezes: AtomicUsize,
    /// Tasks.
    queued_twice: AtomicUsize,
    lost: AtomicUsize,
}

/// What becomes of a worker next.
struct Fate {
    /// Or else it dies.
    freezes: bool,
    /// It happens when the worker has said this and the pause is over.
    word: &'static str,
    pause: Duration,
    /// A worker that has not said it by then dies all the same, but does not freeze: that could be the instant between the last
    /// check of the lease and the writing of the request.
    latest: Duration,
}

enum Heard {
    Word,
    Nothing,
    End,
}

impl Fate {
    fn choose(random: &mut fastrand::Rng) -> Self {
        let freezes = random.u8(..3) == 0;
        let word = match random.u8(..8) {
            0..4 => "the intent is saved",
            4..6 => " started ",
            6 => "recovered: not started",
            _ => "recovered: ",
        };
        let pause = if freezes || random.bool() { 0 } else { random.u64(..500) };
        let (pause, latest) = (Duration::from_millis(pause), random.u64(500..4000));
        Self { freezes, word, pause, latest: Duration::from_millis(latest) }
    }

    async fn wait(&self, said: &mut UnboundedReceiver<String>) -> Heard {
        let latest = Instant::now() + self.latest;
        loop {
            match timeout_at(latest, said.recv()).await {
                Err(_) => return Heard::Nothing,
                Ok(None) => return Heard::End,
                Ok(Some(line)) if line.contains(self.word) => {
                    sleep(self.pause).await;
                    return Heard::Word;
                }
                Ok(Some(_)) => {}
            }
        }
    }
}

impl Case {
    async fn new(
        name: &'static str,
        url: &str,
        delayed_url: &str,
        queues: &[&str],
        kills: usize,
        seed: u64,
    ) -> Self {
        let vendors = Vendors::start().await;
        let timing = Timing::short();
        let mut opened = Vec::new();
        for queue in queues {
            let work = Queue::open(url, queue, timing).await.unwrap();
            let mut variables = vendors.variables.clone();
            variables.push(("DATABASE_URL", delayed_url.to_owned()));
            variables.push(("QUEUE", (*queue).to_owned()));
            variables.push((Timing::SHORT, "1".to_owned()));
            opened.push((work, variables));
        }
        Self {
            name,
            vendors,
            queues: opened,
            seed,
            begun: Instant::now(),
            kills: AtomicI64::new(i64::try_from(kills).unwrap()),
            counts: Counts::default(),
            said: Mutex::default(),
        }
    }

    /// What is wrong in the end.
    async fn run(&self) -> Vec<String> {
        let workers = join_all((0..WORKERS).map(|number| self.keep_a_worker(number)));
        tokio::select! {
            ended = self.add_jobs() => self.report(ended).await,
            _ = workers => unreachable!("workers are replaced for ever"),
        }
    }

    fn work(&self, random: &mut fastrand::Rng) -> &Work {
        &self.queues[random.usize(..self.queues.len())].0
    }

    async fn jobs(&self) -> Vec<Job> {
        self.queues[0].0.table.all().await.unwrap()
    }

    /// Adds jobs as long as there is somebody to kill. Queues tasks twice, and loses some. Returns whether all jobs ended.
    async fn add_jobs(&self) -> bool {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let (mut end, mut lost) = (None, HashSet::new());
        loop {
            let jobs = self.jobs().await;
            let open: Vec<_> = jobs.iter().filter(|job| !job.has_ended()).collect();
            if self.kills.load(Ordering::SeqCst) > 0 {
                for _ in open.len()..OPEN {
                    let target = random.choice(&self.vendors.targets).unwrap();
                    // It fails while a frozen worker keeps the lock of SQLite.
                    let _ = self.work(&mut random).add(target).await;
                }
            } else if open.is_empty() {
                return true;
            } else if *end.get_or_insert_with(|| Instant::now() + LONGEST_END) < Instant::now() {
                return false;
            }
            for job in random.choose_multiple(open, 4) {
                let work = self.work(&mut random);
                if random.u8(..64) == 0 {
                    // As by a worker that dies between saving and queueing: only the sweep helps.
                    if let Ok(Some(step)) = work.table.reschedule(job, now()).await {
                        lost.insert((step.id, step.due));
                        self.counts.lost.fetch_add(1, Ordering::SeqCst);
                    }
                } else if !lost.contains(&(job.id.clone(), job.due)) {
                    let step = Step { id: job.id.clone(), due: job.due };
                    let queued = work.queue.push(step).await.is_ok();
                    self.counts.queued_twice.fetch_add(usize::from(queued), Ordering::SeqCst);
                }
            }
            sleep(Duration::from_millis(300)).await;
        }
    }

    /// One worker after another.
    async fn keep_a_worker(&self, number: usize) {
        let mut random = fastrand::Rng::with_seed(self.seed * 100 + number as u64);
        let (_, variables) = &self.queues[number % self.queues.len()];
        loop {
            let mut worker = Command::new(env!("CARGO_BIN_EXE_job_queue"))
                .arg("work")
                .envs(variables.iter().cloned())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            let (sender, mut said) = mpsc::unbounded_channel();
            let output = self.listen(number, worker.stdout.take().unwrap(), sender.clone());
            let errors = self.listen(number, worker.stderr.take().unwrap(), sender);
            tokio::join!(output, errors, self.decide(&worker, &mut random, &mut said));
            worker.wait().await.unwrap();
        }
    }

    async fn listen(
        &self,
        number: usize,
        output: impl AsyncRead + Unpin,
        said: UnboundedSender<String>,
    ) {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let time = self.begun.elapsed().as_secs_f64();
            self.said.lock().unwrap().push(format!("{time:7.3} worker {number}: {line}"));
            let _ = said.send(line);
        }
    }

    /// Freezes a worker now and then, and kills it, unless enough were killed.
    async fn decide(
        &self,
        worker: &Child,
        random: &mut fastrand::Rng,
        said: &mut UnboundedReceiver<String>,
    ) {
        let pid = Pid::from_raw(worker.id().unwrap().cast_signed());
        loop {
            let fate = Fate::choose(random);
            while said.try_recv().is_ok() {}
            let heard = fate.wait(said).await;
            if matches!(heard, Heard::End) {
                return;
            }
            if fate.freezes && self.kills.load(Ordering::SeqCst) > 0 {
                if matches!(heard, Heard::Nothing) {
                    continue;
                }
                self.counts.freezes.fetch_add(1, Ordering::SeqCst);
                kill(pid, Signal::SIGSTOP).unwrap();
                // As a rule long enough for another worker to recover the intent, and to start anew.
                sleep(Duration::from_millis(random.u64(5000..9000))).await;
                kill(pid, Signal::SIGCONT).unwrap();
            } else {
                if self.kills.fetch_sub(1, Ordering::SeqCst) > 0 {
                    self.counts.kills.fetch_add(1, Ordering::SeqCst);
                    kill(pid, Signal::SIGKILL).unwrap();
                }
                return;
            }
        }
    }

    /// Compares the table with what the fakes have.
    async fn report(&self, ended: bool) -> Vec<String> {
        let jobs = self.jobs().await;
        let (mut wrong, mut unknown) = (Vec::new(), 0);
        for target in &self.vendors.targets {
            let ours: Vec<_> = jobs.iter().filter(|job| job.target == *target).collect();
            let owned: BTreeSet<_> = ours
                .iter()
                .filter_map(|job| job.run.as_ref())
                .map(|run| run.id().to_owned())
                .collect();
            let runs = self.vendors.runs(target).await;
            unknown += runs.difference(&owned).count();
            if owned.len() != ours.len() || runs != owned {
                wrong.push(format!(
                    "{target}: {} jobs have {owned:?}, the fake has {runs:?}",
                    ours.len()
                ));
            }
        }
        let (triggers, wanted) = (self.vendors.triggers(), jobs.len());
        if triggers != wanted {
            wrong.push(format!("{wanted} jobs, but {triggers} triggers"));
        }
        let person: Vec<_> = jobs.iter().filter(|job| job.state != "succeeded").collect();
        wrong.extend(person.iter().map(|job| format!("{job:?}")));
        if !ended {
            wrong.push(format!("not all jobs have ended after {LONGEST_END:?}"));
        }
        let said = self.said.lock().unwrap();
        let lines = |what: &str| said.iter().filter(|line| line.contains(what)).count();
        let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        println!(
            "{}: {} kills, {} freezes, {wanted} jobs, {:.0} s
    recovered: {} started, {} not started, {} undecided; {} late starts refused
    {} tasks queued twice, {} lost; {} workers lost the database
    {} started twice, {unknown} running unknown, {} left to a person",
            self.name,
            count(&self.counts.kills),
            count(&self.counts.freezes),
            self.begun.elapsed().as_secs_f64(),
            lines("recovered: started"),
            lines("recovered: not started"),
            lines("recovered: undecided"),
            lines("the lease of"),
            count(&self.counts.queued_twice),
            count(&self.counts.lost),
            lines(": worker "),
            triggers.saturating_sub(wanted),
            person.len()
        );
        if !wrong.is_empty() {
            let file = std::env::temp_dir().join(format!("job_queue_kill_{}.log", self.name));
            std::fs::write(&file, said.join("\n")).unwrap();
            wrong.push(format!("what the workers said is in {}", file.display()));
        }
        wrong
    }
}
