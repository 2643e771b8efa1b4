//! What is known about runs, as run events of OpenLineage.
//!
//! OpenLineage wants one START and one COMPLETE, FAIL or ABORT for each run:
//!
//! | phase | event |
//! |---|---|
//! | queued, unknown | none |
//! | running | START, when it is first seen |
//! | succeeded | COMPLETE |
//! | failed | FAIL, with the vendor's reason in the facet `errorMessage` |
//! | cancelled | ABORT |
//! | skipped | COMPLETE: nothing is wrong. The facet `scheduledRuns_run` says that it was skipped |
//!
//! A run that has ended before it was seen running gets both events at once. After a restart an event may be sent again, with the
//! same run id, and at the same time where the vendor says when it was.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, Utc};
use scheduled_runs::{Phase, RunRef, RunSnapshot};
use serde::Serialize;
use uuid::Uuid;

/// The program that sends the events.
pub const PRODUCER: &str = "https://crates.io/crates/scheduled-runs";
const RUN_EVENT: &str =
    "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const RUN_FACET: &str =
    "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet";
const ERROR_MESSAGE: &str = "https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet";

/// The id of a run at OpenLineage. It follows from the run, so that every process finds the same.
pub fn run_id(run: &RunRef) -> Uuid {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, PRODUCER.as_bytes());
    Uuid::new_v5(&namespace, run.to_string().as_bytes())
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEvent {
    pub event_type: EventType,
    pub event_time: String,
    pub run: Run,
    pub job: Job,
    pub producer: &'static str,
    #[serde(rename = "schemaURL")]
    pub schema_url: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventType {
    Start,
    Complete,
    Fail,
    Abort,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub run_id: Uuid,
    pub facets: Facets,
}

/// The vendor with the account, and what is run there.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    pub namespace: String,
    pub name: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facets {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<Facet<ErrorMessage>>,
    #[serde(rename = "scheduledRuns_run")]
    pub origin: Facet<Origin>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Facet<T> {
    #[serde(rename = "_producer")]
    producer: &'static str,
    #[serde(rename = "_schemaURL")]
    schema_url: &'static str,
    #[serde(flatten)]
    pub value: T,
}

impl<T> Facet<T> {
    fn new(schema_url: &'static str, value: T) -> Self {
        Self { producer: PRODUCER, schema_url, value }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    pub message: String,
    /// Required: the language that the failed run is written in, as far as the vendor implies it.
    pub programming_language: &'static str,
}

/// A facet of our own, which has no schema but that of all facets: where the run is found at the vendor, and its status there.
#[derive(Clone, Debug, Serialize)]
pub struct Origin {
    pub run: RunRef,
    pub phase: Phase,
    pub state: Option<Box<str>>,
}

/// Turns snapshots into events.
#[derive(Debug, Default)]
pub struct Lineage {
    started: HashSet<RunRef>,
}

impl Lineage {
    /// The events that this snapshot brings; `now` is the time of those for which the vendor says none.
    pub fn events(&mut self, run: &RunSnapshot, now: DateTime<Utc>) -> Vec<RunEvent> {
        let end = match run.phase {
            Phase::Succeeded | Phase::Skipped => Some(EventType::Complete),
            Phase::Failed => Some(EventType::Fail),
            Phase::Cancelled => Some(EventType::Abort),
            Phase::Running => None,
            _ => return Vec::new(),
        };
        let ended = run.finished.or(run.observed).unwrap_or(now);
        let is_new = self.started.insert(run.run.clone());
        let began = run.started.or(run.created).unwrap_or(ended.min(now));
        let start = is_new.then(|| event(run, EventType::Start, began));
        let end = end.map(|kind| event(run, kind, ended));
        if end.is_some() {
            self.started.remove(&run.run);
        }
        start.into_iter().chain(end).collect()
    }
}

fn event(run: &RunSnapshot, event_type: EventType, time: DateTime<Utc>) -> RunEvent {
    let target = run.run.target();
    let failure = run.failure.as_ref().filter(|_| event_type == EventType::Fail);
    let origin =
        Origin { run: run.run.clone(), phase: run.phase, state: run.state.clone() };
    RunEvent {
        event_type,
        event_time: time.to_rfc3339_opts(SecondsFormat::Millis, true),
        run: Run {
            run_id: run_id(&run.run),
            facets: Facets {
                error_message: failure.map(|failure| {
                    let programming_language = language(target.vendor().as_str());
                    let message = failure.to_string();
                    Facet::new(
                        ERROR_MESSAGE,
                        ErrorMessage { message, programming_language },
                    )
                }),
                origin: Facet::new(RUN_FACET, origin),
            },
        },
        job: Job {
            namespace: match target.scope() {
                Some(scope) => format!("{}://{scope}", target.vendor()),
                None => format!("{}://", target.vendor()),
            },
            name: target.id().to_owned(),
        },
        producer: PRODUCER,
        schema_url: RUN_EVENT,
    }
}

fn language(vendor: &str) -> &'static str {
    match vendor {
        "adobe" | "mode" => "SQL",
        "arcgis" => "PYTHON",
        _ => "unknown",
    }
}
