//! Adobe I/O Events: what is accepted from a webhook and read from a journal, and what waits learn from it.
#![cfg(feature = "adobe")]

mod journal;
mod webhook;

use scheduled_runs::RunRef;
use scheduled_runs::adobe::Client;
use serde_json::{Value, json};

const CLIENT_ID: &str = "canary-client-id";
const ORG_ID: &str = "0123456789ABCDEF@AdobeOrg";
/// `scheduled__2026-02-03T04:00:00+00:00`.
const RUN: &str = "c2NoZWR1bGVkX18yMDI2LTAyLTAzVDA0OjAwOjAwKzAwOjAw";

/// The event of a run that has ended, in the sandbox `prod`.
fn ended(run: &str) -> Value {
    addressed(&json!({
        "imsOrgId": ORG_ID,
        "sandboxName": "prod",
        "providerRefId": "a query",
        "metrics": { "statusSummary": { "status": "success" } },
        "activities": [
            { "statusSummary": { "status": "success", "extensions": { "scheduleRunId": run } } },
            { "statusSummary": { "status": "success", "extensions": { "scheduleRunId": run } } },
        ],
    }))
}

/// The event of a run that has begun.
fn begun() -> Value {
    addressed(&json!({
        "imsOrgId": ORG_ID,
        "sandboxName": "prod",
        "metrics": { "statusSummary": { "status": "inProgress" } },
        "activities": [],
    }))
}

fn addressed(data: &Value) -> Value {
    json!({
        "specversion": "1.0",
        "eventid": "an event",
        "recipientclientid": CLIENT_ID,
        "recipient_client_id": CLIENT_ID,
        "data": data,
    })
}

/// A run of the schedule `nightly` in a sandbox.
fn run_in(sandbox: &str, run: &str) -> RunRef {
    let client = Client::builder().org_id(ORG_ID).sandbox(sandbox).build().unwrap();
    client.target("nightly").run(run)
}
