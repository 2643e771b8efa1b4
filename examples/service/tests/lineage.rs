//! The events of OpenLineage, for every end of a run, compared with those of OpenLineage's own client for Python.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may panic, and prints what it did"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use run_service::lineage::{EventType, Lineage, RunEvent, run_id};
use scheduled_runs::run::Failure;
use scheduled_runs::{Phase, RunSnapshot, Target, Vendor};
use serde_json::{Value, json};

const CLIENT: &str = "openlineage-python==1.54.0";

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn snapshot(id: &str, phase: Phase) -> RunSnapshot {
    let target = Target::new(Vendor::new("adobe"), "nightly").scoped("sales/prod");
    RunSnapshot::new(target.run(id), phase)
}

fn kinds(events: &[RunEvent]) -> Vec<EventType> {
    events.iter().map(|event| event.event_type).collect()
}

/// What a run that ends in this way brings, polled as queued, running, running, ended.
fn course(id: &str, end: Phase) -> Vec<RunEvent> {
    let mut lineage = Lineage::default();
    let mut events = Vec::new();
    for (second, phase) in
        [(1, Phase::Queued), (2, Phase::Running), (3, Phase::Running), (4, end)]
    {
        let mut run = snapshot(id, phase);
        if phase.is_terminal() {
            run.finished = Some(at(40));
            let reason = Failure::new("relation \"orders\" does not exist").code("42P01");
            run.failure = (phase == Phase::Failed).then_some(reason);
            run.state = Some("DONE".into());
        }
        events.extend(lineage.events(&run, at(second)));
    }
    events
}

#[test]
fn each_end_of_a_run_is_one_start_and_one_end() {
    for (end, kind) in [
        (Phase::Succeeded, EventType::Complete),
        (Phase::Skipped, EventType::Complete),
        (Phase::Failed, EventType::Fail),
        (Phase::Cancelled, EventType::Abort),
    ] {
        let events = course("42", end);
        assert_eq!(kinds(&events), [EventType::Start, kind], "{end}");
        let times: Vec<_> = events.iter().map(|event| &*event.event_time).collect();
        assert_eq!(
            times,
            ["1970-01-01T00:00:02.000Z", "1970-01-01T00:00:40.000Z"],
            "{end}"
        );
    }
}

#[test]
fn an_event_has_what_the_specification_asks_for() {
    let failed = course("42", Phase::Failed).pop().unwrap();
    let schema = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs";
    let facet = "https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet";
    let producer = "https://crates.io/crates/scheduled-runs";
    assert_eq!(
        serde_json::to_value(&failed).unwrap(),
        json!({
            "eventType": "FAIL",
            "eventTime": "1970-01-01T00:00:40.000Z",
            "run": {
                "runId": run_id(&snapshot("42", Phase::Failed).run).to_string(),
                "facets": {
                    "errorMessage": {
                        "_producer": producer,
                        "_schemaURL": facet,
                        "message": "relation \"orders\" does not exist (code 42P01)",
                        "programmingLanguage": "SQL",
                    },
                    "scheduledRuns_run": {
                        "_producer": producer,
                        "_schemaURL": format!("{schema}/RunFacet"),
                        "run": "adobe@sales%2Fprod:nightly/42",
                        "phase": "failed",
                        "state": "DONE",
                    },
                },
            },
            "job": {"namespace": "adobe://sales/prod", "name": "nightly"},
            "producer": producer,
            "schemaURL": format!("{schema}/RunEvent"),
        })
    );
}

#[test]
fn a_run_that_has_ended_before_it_was_seen_gets_both_events_with_the_vendors_times() {
    let run = snapshot("42", Phase::Succeeded);
    let mut timed = run.clone();
    (timed.created, timed.started, timed.finished) =
        (Some(at(10)), Some(at(20)), Some(at(30)));
    let events = Lineage::default().events(&timed, at(99));
    assert_eq!(kinds(&events), [EventType::Start, EventType::Complete]);
    assert_eq!(events[0].event_time, "1970-01-01T00:00:20.000Z");
    assert_eq!(events[1].event_time, "1970-01-01T00:00:30.000Z");
    // Another process sends the same ones again.
    let again = Lineage::default().events(&timed, at(100));
    assert_eq!(json!(events), json!(again));
    // Without the vendor's times, those of the poll.
    let events = Lineage::default().events(&run, at(99));
    assert!(events.iter().all(|event| event.event_time == "1970-01-01T00:01:39.000Z"));
}

#[test]
fn the_id_of_a_run_is_the_same_in_every_process_and_its_own() {
    let [one, other] = ["42", "43"].map(|id| run_id(&snapshot(id, Phase::Running).run));
    assert_eq!(one.to_string(), "3556d5db-b809-5ca7-b6ca-dda02edca999");
    assert_ne!(one, other);
    assert_eq!(one.get_version_num(), 5);
}

#[test]
fn the_official_client_would_send_the_same_events() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(CLIENT);
    if let Err(why) = install(&folder) {
        // Not by a macro, whose output a test that passes hides.
        writeln!(std::io::stdout(), "\nskipped: OpenLineage's own client ({why})")
            .unwrap();
        return;
    }
    let ends = [Phase::Succeeded, Phase::Skipped, Phase::Failed, Phase::Cancelled];
    let events: Vec<_> = ends.iter().flat_map(|end| course(end.as_str(), *end)).collect();
    let lines: Vec<_> = events.iter().map(|event| json!(event).to_string()).collect();
    let file = folder.with_extension(format!("{}.jsonl", std::process::id()));
    std::fs::write(&file, lines.join("\n")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rebuild_events.py");
    let output =
        Command::new("python3").arg(script).arg(&folder).arg(&file).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = String::from_utf8(output.stdout).unwrap();
    let sent: Vec<Value> = events.iter().map(|event| json!(event.event_type)).collect();
    assert_eq!(read.lines().collect::<Vec<_>>(), sent);
}

/// Installs the client, unless an earlier test has.
fn install(folder: &Path) -> Result<(), String> {
    if folder.join("openlineage").exists() {
        return Ok(());
    }
    // Into place in one step, so that a folder that is there is complete.
    let unfinished = folder.with_extension(format!("{}.unfinished", std::process::id()));
    let pip = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-warn-conflicts", "--target"])
        .arg(&unfinished)
        .arg(CLIENT)
        .output()
        .map_err(|error| format!("no python3: {error}"))?;
    if !pip.status.success() {
        let text = String::from_utf8_lossy(&pip.stderr);
        return Err(text.lines().last().unwrap_or("pip has failed").to_owned());
    }
    std::fs::rename(&unfinished, folder).map_err(|error| error.to_string())
}
