//! Loom, the house's own job runner: a vendor that `scheduled-runs` has never heard of.
//!
//! | operation | request | answer |
//! |---|---|---|
//! | start | `POST /jobs/{job}/runs` | 201, the run |
//! | look | `GET /jobs/{job}/runs/{run}` | 200, the run |
//! | list | `GET /jobs/{job}/runs?before={run}` | 200, newest first |
//! | stop | `POST /jobs/{job}/runs/{run}/stop` | 202; 409 if it is over |

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use scheduled_runs::client::{
    Answer, Api, ApiRequest, CallOptions, Clock, Dialect, Endpoint, Idempotency, Meta,
    PagedEndpoint, Refusal, Service, Vendor, Verdict,
};
use scheduled_runs::error::VendorError;
use scheduled_runs::run::{Capabilities, Failure, RecentRuns, Triggered};
use scheduled_runs::wire::{json, open_enum};
use scheduled_runs::{
    CancelOutcome, Client, ClientBuilder, Cursor, Page, Phase, Result, RunProvider, RunRef,
    RunSnapshot, Target,
};
use serde::Deserialize;
use url::Url;

/// Something to run: a job of this name.
#[must_use]
pub fn target(job: &str) -> Target {
    Target::new(Loom::VENDOR, job)
}

/// Loom's API.
#[derive(Debug)]
pub enum Loom {}

impl Api for Loom {
    const VENDOR: Vendor = Vendor::new("loom");
    type Options = ();

    fn service((): &()) -> Result<Service> {
        Ok(Service::new("https://loom.corp.example/v1", LoomDialect))
    }
}

/// Loom says what went wrong as `{"fault":"no_such_job","text":"…"}`.
#[derive(Debug)]
struct LoomDialect;

impl Dialect for LoomDialect {
    fn judge(&self, answer: &Answer<'_>) -> Verdict {
        if answer.status.is_success() {
            return Verdict::Success;
        }
        Verdict::Failure(Refusal::by_status(answer.status, fault(answer)))
    }
}

#[derive(Deserialize)]
struct Fault {
    fault: Box<str>,
    text: Option<Box<str>>,
}

fn fault(answer: &Answer<'_>) -> Option<VendorError> {
    let said: Fault = serde_json::from_str(answer.text()).ok()?;
    let mut error = VendorError::default();
    (error.code, error.message) = (Some(said.fault), said.text);
    Some(error)
}

open_enum! {
    /// How a run of Loom stands.
    RunState {
        /// Not begun.
        Waiting = "waiting",
        /// Going on.
        Weaving = "weaving",
        /// Done.
        Woven = "woven",
        /// Failed.
        Torn = "torn",
        /// Somebody stopped it.
        Stopped = "stopped",
    }
}

/// A run of a job.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// Counts up.
    pub id: Box<str>,
    /// How it stands.
    pub state: RunState,
    /// When it was started.
    pub begun: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// Why it is torn.
    pub tear: Option<Box<str>>,
}

/// Starts a job.
#[derive(Clone, Debug)]
pub struct StartJob(pub Box<str>);

impl Endpoint for StartJob {
    type Api = Loom;
    type Output = Run;
    const OPERATION: &'static str = "loom.jobs.start";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        ApiRequest::of::<Self>(Method::POST, base, &["jobs", &self.0, "runs"]).finish()
    }

    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Run> {
        json::decode(meta, body)
    }
}

/// Looks at one run of a job.
#[derive(Clone, Debug)]
pub struct GetRun(pub Box<str>, pub Box<str>);

impl Endpoint for GetRun {
    type Api = Loom;
    type Output = Run;
    const OPERATION: &'static str = "loom.runs.get";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        ApiRequest::of::<Self>(Method::GET, base, &["jobs", &self.0, "runs", &self.1]).finish()
    }

    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Run> {
        json::decode(meta, body)
    }
}

/// Stops a run.
#[derive(Clone, Debug)]
pub struct StopRun(pub Box<str>, pub Box<str>);

impl Endpoint for StopRun {
    type Api = Loom;
    type Output = ();
    const OPERATION: &'static str = "loom.runs.stop";
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["jobs", &self.0, "runs", &self.1, "stop"];
        ApiRequest::of::<Self>(Method::POST, base, &path).finish()
    }

    fn decode(&self, _: &Meta, _: &Bytes) -> Result<()> {
        Ok(())
    }
}

/// Lists the runs of a job, newest first.
#[derive(Clone, Debug)]
pub struct ListRuns {
    job: Box<str>,
    before: Option<Box<str>>,
}

impl ListRuns {
    /// All of them.
    pub fn new(job: impl Into<Box<str>>) -> Self {
        Self { job: job.into(), before: None }
    }
}

#[derive(Deserialize)]
struct RunList {
    runs: Vec<Run>,
    more: bool,
}

impl Endpoint for ListRuns {
    type Api = Loom;
    type Output = Page<Run>;
    const OPERATION: &'static str = "loom.runs.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        ApiRequest::of::<Self>(Method::GET, base, &["jobs", &self.job, "runs"])
            .query("before", self.before.as_deref())
            .finish()
    }

    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<Run>> {
        let list: RunList = json::decode(meta, body)?;
        let oldest = list.runs.last().filter(|_| list.more);
        let next = oldest.map(|run| Cursor::new(run.id.clone()));
        Ok(Page::new(list.runs, next))
    }
}

impl PagedEndpoint for ListRuns {
    type Item = Run;

    fn at(&self, cursor: &Cursor) -> Self {
        Self { before: Some(cursor.as_str().into()), ..self.clone() }
    }
}

/// Loom's runs as runs of any vendor. A type of this crate's own around the client: neither the client nor the trait are.
#[derive(Clone, Debug)]
pub struct Provider(Client<Loom>);

impl Provider {
    /// Around a client with its credential and settings.
    #[must_use]
    pub fn new(client: Client<Loom>) -> Self {
        Self(client)
    }

    /// Settings of the client that a provider is made of.
    pub fn builder() -> ClientBuilder<Loom> {
        Client::builder()
    }
}

#[async_trait]
impl RunProvider for Provider {
    fn vendor(&self) -> Vendor {
        Loom::VENDOR
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().list().trigger(true).cancel().poll_floor(Duration::from_secs(2))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock()
    }

    async fn get_run(&self, run: &RunRef, options: &CallOptions) -> Result<RunSnapshot> {
        let job = run.target().id_at(&Loom::VENDOR)?;
        let request = GetRun(job.into(), run.id().into());
        let found = self.0.call(request).options(options.clone()).send().await?;
        Ok(snapshot(run.target(), &found))
    }

    async fn list_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        options: &CallOptions,
    ) -> Result<Page<RunSnapshot>> {
        let first = ListRuns::new(target.id_at(&Loom::VENDOR)?);
        let request = cursor.map_or(first.clone(), |cursor| first.at(&cursor));
        let page = self.0.call(request).options(options.clone()).send().await?.into_inner();
        Ok(page.map(|run| snapshot(target, &run)))
    }

    async fn trigger_run(&self, target: &Target, options: &CallOptions) -> Result<Triggered> {
        let request = StartJob(target.id_at(&Loom::VENDOR)?.into());
        let run = self.0.call(request).options(options.clone()).send().await?;
        Ok(Triggered::new(Some(target.run(run.id.clone()))))
    }

    async fn recent_runs(&self, target: &Target, options: &CallOptions) -> Result<RecentRuns> {
        let request = ListRuns::new(target.id_at(&Loom::VENDOR)?);
        let answer = self.0.call(request).options(options.clone()).send().await?;
        let runs = answer.items.iter().map(|run| snapshot(target, run)).collect();
        Ok(RecentRuns::new(runs, answer.meta().server_date()))
    }

    async fn cancel_run(&self, run: &RunRef, options: &CallOptions) -> Result<CancelOutcome> {
        let request = StopRun(run.target().id_at(&Loom::VENDOR)?.into(), run.id().into());
        match self.0.call(request).options(options.clone()).send().await {
            Ok(_) => Ok(CancelOutcome::Requested),
            Err(error) if error.status() == Some(StatusCode::CONFLICT) => {
                Ok(CancelOutcome::AlreadyFinished)
            }
            Err(error) => Err(error),
        }
    }
}

fn snapshot(target: &Target, run: &Run) -> RunSnapshot {
    let phase = match run.state {
        RunState::Waiting => Phase::Queued,
        RunState::Weaving => Phase::Running,
        RunState::Woven => Phase::Succeeded,
        RunState::Torn => Phase::Failed,
        RunState::Stopped => Phase::Cancelled,
        RunState::Unknown(_) => Phase::Unknown,
    };
    let mut snapshot = RunSnapshot::new(target.run(run.id.clone()), phase);
    snapshot.state = Some(run.state.as_str().into());
    (snapshot.created, snapshot.started, snapshot.finished) = (run.begun, run.begun, run.ended);
    snapshot.failure = run.tear.clone().map(Failure::new);
    snapshot
}
