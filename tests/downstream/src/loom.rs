//! Loom, an in-house job runner: a vendor that `scheduled-runs` does not know.
//!
//! | operation | request | response |
//! |---|---|---|
//! | start | `POST /jobs/{job}/runs` | 201, the run |
//! | get | `GET /jobs/{job}/runs/{run}` | 200, the run |
//! | list | `GET /jobs/{job}/runs?before={run}` | 200, newest first |
//! | stop | `POST /jobs/{job}/runs/{run}/stop` | 202; 409 if it has ended |

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::StatusCode;
use scheduled_runs::client::{
    Api, CallLimits, Clock, Dialect, ListSettings, Meta, RawResponse, Refusal, RequestBuilder,
    Service, Vendor, Verdict, json, operation,
};
use scheduled_runs::error::VendorError;
use scheduled_runs::run::{Capabilities, Failure, RecentRuns, Triggered};
use scheduled_runs::wire::open_enum;
use scheduled_runs::{
    CancelOutcome, Client, ClientBuilder, Cursor, Page, Phase, Result, RunProvider, RunRef,
    RunSnapshot, Target,
};
use serde::Deserialize;

/// The job of this name, as a target.
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

/// Loom reports errors as `{"fault":"no_such_job","text":"…"}`.
#[derive(Debug)]
struct LoomDialect;

impl Dialect for LoomDialect {
    fn judge(&self, response: &RawResponse<'_>) -> Verdict {
        if response.status.is_success() {
            return Verdict::Success;
        }
        Verdict::Refused(Refusal::by_status(response.status, fault(response)))
    }
}

#[derive(Deserialize)]
struct Fault {
    fault: Box<str>,
    text: Option<Box<str>>,
}

fn fault(response: &RawResponse<'_>) -> Option<VendorError> {
    let body: Fault = serde_json::from_str(response.text()).ok()?;
    let mut error = VendorError::default();
    (error.code, error.message) = (Some(body.fault), body.text);
    Some(error)
}

open_enum! {
    /// The state of a run.
    RunState {
        /// Not started.
        Waiting = "waiting",
        /// Running.
        Weaving = "weaving",
        /// Succeeded.
        Woven = "woven",
        /// Failed.
        Torn = "torn",
        /// Stopped by somebody.
        Stopped = "stopped",
    }
}

/// A run of a job.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// The number of the run.
    pub id: Box<str>,
    /// Its state.
    pub state: RunState,
    /// When it was started.
    pub begun: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// The reason, if it failed.
    pub tear: Option<Box<str>>,
}

operation! {
    /// Starts a job.
    StartJob { job: Box<str> }
    for Loom, "loom.jobs.start", NotIdempotent: POST "jobs" / {job} / "runs" -> Run
}

operation! {
    /// Gets one run of a job.
    GetRun { job: Box<str>, run: Box<str> }
    for Loom, "loom.runs.get", Safe: GET "jobs" / {job} / "runs" / {run} -> Run
}

operation! {
    /// Stops a run.
    StopRun { job: Box<str>, run: Box<str> }
    for Loom, "loom.runs.stop", Idempotent: POST "jobs" / {job} / "runs" / {run} / "stop" -> (),
    decode |_, _, _| Ok(())
}

operation! {
    /// Lists the runs of a job, newest first.
    ListRuns { job: Box<str> }
    pages { list: Older, item: Run, key: id }
    for Loom, "loom.runs.list", Safe: GET "jobs" / {job} / "runs" -> Page<Run>
}

/// Lists the runs older than this one; `None` lists all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Older {
    than: Option<Cursor>,
}

#[derive(Deserialize)]
struct RunList {
    runs: Vec<Run>,
    more: bool,
}

impl ListSettings<Run> for Older {
    fn write(&self, request: RequestBuilder) -> RequestBuilder {
        request.query("before", self.than.as_ref().map(Cursor::as_str))
    }

    fn page(&self, meta: &Meta, body: &Bytes, _: fn(&Run) -> Option<&str>) -> Result<Page<Run>> {
        let list: RunList = json::decode(meta, body)?;
        let oldest = list.runs.last().filter(|_| list.more);
        let next = oldest.map(|run| Cursor::new(run.id.clone()));
        Ok(Page::new(list.runs, next))
    }

    fn move_to(&mut self, cursor: &Cursor) {
        self.than = Some(cursor.clone());
    }
}

/// The provider of Loom's runs. Neither the client nor the trait belongs to this crate, so the trait is implemented for its own
/// type.
#[derive(Clone, Debug)]
pub struct Provider(Client<Loom>);

impl Provider {
    /// A provider that uses this client.
    #[must_use]
    pub fn new(client: Client<Loom>) -> Self {
        Self(client)
    }

    /// Starts to build the client of a provider.
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
        Capabilities::new().list().trigger_names_run().cancel().poll_floor(Duration::from_secs(2))
    }

    fn scope(&self) -> Option<&str> {
        self.0.scope()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock()
    }

    async fn fetch_run(&self, run: &RunRef, limits: &CallLimits) -> Result<RunSnapshot> {
        let job = run.target().id_at(self)?;
        let found = self.0.share_deadline(limits).send(GetRun::new(job, run.id())).await?;
        Ok(snapshot(run.target(), &found))
    }

    async fn fetch_page(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<Page<RunSnapshot>> {
        let request = ListRuns::new(target.id_at(self)?);
        let page = self.0.share_deadline(limits).page(request, cursor.as_ref()).await?;
        Ok(page.into_inner().map(|run| snapshot(target, &run)))
    }

    async fn send_trigger(
        &self,
        target: &Target,
        _: Option<&RunRef>,
        limits: &CallLimits,
    ) -> Result<Triggered> {
        let request = StartJob::new(target.id_at(self)?);
        let run = self.0.share_deadline(limits).send(request).await?;
        Ok(Triggered::new(Some(target.run(run.id.clone()))))
    }

    async fn recent_runs(
        &self,
        target: &Target,
        cursor: Option<Cursor>,
        limits: &CallLimits,
    ) -> Result<RecentRuns> {
        let request = ListRuns::new(target.id_at(self)?);
        let response = self.0.share_deadline(limits).page(request, cursor.as_ref()).await?;
        let server_time = response.meta().server_date();
        let page = response.into_inner().map(|run| snapshot(target, &run));
        Ok(RecentRuns::new(page, server_time))
    }

    async fn send_cancel(&self, run: &RunRef, limits: &CallLimits) -> Result<CancelOutcome> {
        let request = StopRun::new(run.target().id_at(self)?, run.id());
        match self.0.share_deadline(limits).send(request).await {
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
