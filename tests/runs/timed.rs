//! A vendor whose runs end by tokio's clock, which a test pauses, and which counts its requests.
#![allow(clippy::disallowed_methods, reason = "a vendor has its own clock")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use scheduled_runs::client::Vendor;
use scheduled_runs::run::{Capabilities, Triggered};
use scheduled_runs::{
    CallLimits, Cursor, Error, ErrorKind, Page, Phase, Result, RunProvider, RunRef, RunSnapshot,
    Target,
};
use tokio::time::Instant;

/// Clones are the same vendor.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    began: Instant,
    runs: Arc<Mutex<BTreeMap<RunRef, Times>>>,
    requests: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    started: Instant,
    took: Duration,
    end: Phase,
}

impl Timed {
    pub(crate) const VENDOR: Vendor = Vendor::new("timed");

    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), runs: Arc::default(), requests: Arc::default() }
    }

    /// A run that starts now.
    pub(crate) fn run(&self, target: &str, took: Duration, end: Phase) -> RunRef {
        let mut runs = self.runs.lock().unwrap();
        let run = Target::new(Self::VENDOR, target).run(format!("run-{}", runs.len()));
        runs.insert(run.clone(), Times { started: Instant::now(), took, end });
        run
    }

    /// All requests so far: a list is one.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// By the clock of a vendor that is half an hour ahead.
    fn utc(&self, time: Instant) -> DateTime<Utc> {
        let since = TimeDelta::from_std(time - self.began).unwrap();
        DateTime::UNIX_EPOCH + since + TimeDelta::minutes(30)
    }

    fn snapshot(&self, run: &RunRef, times: &Times) -> RunSnapshot {
        let (now, ended) = (Instant::now(), times.started + times.took);
        let phase = if now >= ended { times.end } else { Phase::Running };
        let mut snapshot = RunSnapshot::new(run.clone(), phase).observed(Some(self.utc(now)));
        snapshot.created = Some(self.utc(times.started));
        snapshot.finished = (now >= ended).then(|| self.utc(ended));
        snapshot
    }

    async fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl RunProvider for Timed {
    fn vendor(&self) -> Vendor {
        Self::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list().trigger_names_run()
    }

    async fn fetch_run(&self, run: &RunRef, _: &CallLimits) -> Result<RunSnapshot> {
        self.request().await;
        let times = self.runs.lock().unwrap().get(run).copied();
        let times = times.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such run"))?;
        Ok(self.snapshot(run, &times))
    }

    async fn fetch_page(
        &self,
        target: &Target,
        _: Option<Cursor>,
        _: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        self.request().await;
        let runs = self.runs.lock().unwrap();
        let own = runs.iter().filter(|(run, _)| run.target() == target);
        let mut listed: Vec<_> = own.map(|(run, times)| self.snapshot(run, times)).collect();
        listed.sort_by_key(|run| std::cmp::Reverse(run.created));
        Ok(Page::new(listed, None))
    }

    async fn send_trigger(
        &self,
        target: &Target,
        _: Option<&RunRef>,
        _: &CallLimits,
    ) -> Result<Triggered> {
        self.request().await;
        let took = Duration::from_secs(600);
        Ok(Triggered::new(Some(self.run(target.id(), took, Phase::Succeeded))))
    }
}
