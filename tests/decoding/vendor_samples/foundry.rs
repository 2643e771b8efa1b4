//! Foundry's samples.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use scheduled_runs::client::Endpoint;
use scheduled_runs::foundry::{
    self, Action, BuildTarget, CreateBuild, CreateSchedule, Direction, Foundry, GetBuild,
    GetBuilds, GetJob, GetJobs, GetSchedule, GetScheduleOfVersion, GetScheduleVersion,
    GetSchedules, JobOutput, ListBuildJobs, ListDatasetSchedules, ListScheduleRuns,
    ReplaceSchedule, RetryBackoff, RunSchedule, ScheduleRunResult, ScopeMode, SearchBuilds,
    SearchBuildsFilter, TimeField, Trigger,
};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{Cursor, ErrorKind};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::round_trip::Travels;
use super::{reports_only_what_is_new, samples, travels};

#[tokio::test]
async fn every_foundry_sample_decodes_into_its_model() {
    let Some(samples) = samples("foundry") else { return };
    let mut checked = 0;
    for (name, body) in samples {
        if name == "component_examples" {
            checked += components(&body).await;
        } else {
            assert!(check(&name, &body).await > 0, "{name} decodes to nothing");
            checked += 1;
        }
    }
    assert!(checked >= 60, "only {checked} samples were checked");
}

const RID: &str = "ri.scheduler.main.schedule.1";

/// How much of what the sample is about was found.
async fn check(name: &str, body: &str) -> usize {
    match name {
        "run_schedule_response" => {
            decodes(RunSchedule::new(RID), body, |run| run.created.iter().len()).await
        }
        "run_schedule_response_preview_docs" => {
            decodes(RunSchedule::new(RID), body, |run| run.created_by.iter().len()).await
        }
        "list_runs_of_schedule_response" => {
            decodes(ListScheduleRuns::new(RID), body, |page| page.items.len()).await
        }
        "get_schedule_response" => {
            decodes(GetSchedule::new(RID), body, |schedule| schedule.created.iter().len()).await
        }
        "create_schedule_response" => {
            decodes(create_schedule(body), body, |schedule| schedule.action.iter().len()).await
        }
        "replace_schedule_response" => {
            let target = BuildTarget::manual([""; 0]);
            let request = ReplaceSchedule::new(RID, target);
            decodes(request, body, |schedule| schedule.trigger.iter().len()).await
        }
        "get_schedules_batch_response" => {
            decodes(GetSchedules::new([RID]), body, BTreeMap::len).await
        }
        "get_schedule_version_response" => {
            decodes(GetScheduleVersion::new(RID), body, |version| version.action.iter().len()).await
        }
        "get_schedule_of_schedule_version_response" => {
            decodes(GetScheduleOfVersion::new(RID), body, |schedule| schedule.iter().len()).await
        }
        "create_build_response" => {
            let request = CreateBuild::new(BuildTarget::manual([""; 0]));
            decodes(request, body, |build| build.job_rids.len()).await
        }
        "get_build_response" => {
            decodes(GetBuild::new(RID), body, |build| build.finished.iter().len()).await
        }
        "get_build_response_older_docs" => {
            decodes(GetBuild::new(RID), body, |build| {
                assert_eq!(build.finished, None);
                build.status.iter().len()
            })
            .await
        }
        "get_builds_batch_response" => decodes(GetBuilds::new([RID]), body, BTreeMap::len).await,
        "search_builds_response" => {
            let request = SearchBuilds::new(SearchBuildsFilter::branch_name("b"));
            decodes(request, body, |page| page.items.len()).await
        }
        "get_job_response" => {
            decodes(GetJob::new(RID), body, |job| job.latest_attempt_started.iter().len()).await
        }
        "get_jobs_batch_response" => decodes(GetJobs::new([RID]), body, BTreeMap::len).await,
        "list_jobs_of_build_response" => {
            decodes(ListBuildJobs::new(RID), body, |page| page.items.len()).await
        }
        "get_dataset_schedules_response" => {
            decodes(ListDatasetSchedules::new(RID), body, |page| {
                assert!(page.next.is_some());
                page.items.len()
            })
            .await
        }
        "create_schedule_request" => sends(&create_schedule(body), &value(body)),
        "replace_schedule_request" => sends(&replace_schedule(body), &value(body)),
        "create_build_request" => sends(&CreateBuild::new(action(&value(body))), &value(body)),
        "get_schedules_batch_request" => sends(&GetSchedules::new(rids(body)), &value(body)),
        "get_builds_batch_request" => sends(&GetBuilds::new(rids(body)), &value(body)),
        "get_jobs_batch_request" => sends(&GetJobs::new(rids(body)), &value(body)),
        "search_builds_request" => sends(&search(body), &with_condition(body)),
        error if error.starts_with("error_") => fails(error, body).await,
        other => panic!("{other} has no model here: add one, or list it with a reason"),
    }
}

fn value(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The action of a sample, made by hand: reading it and sending it back would prove little.
fn action(sample: &Value) -> Action {
    let targets = sample["target"]["targetRids"].as_array().unwrap();
    assert_eq!((&sample["target"]["type"], targets.len()), (&json!("manual"), 2));
    let pause = sample["retryBackoffDuration"]["value"].as_u64().unwrap();
    let mut action = Action::new(BuildTarget::manual(targets.iter().map(text)))
        .branch_name(text(&sample["branchName"]))
        .retry_count(sample["retryCount"].as_u64().unwrap())
        .retry_backoff(Duration::from_secs(pause))
        .abort_on_failure(sample["abortOnFailure"].as_bool().unwrap());
    if let Some(force) = sample["forceBuild"].as_bool() {
        action = action.force_build(force);
    }
    if let Some(enabled) = sample["notificationsEnabled"].as_bool() {
        action = action.notifications_enabled(enabled);
    }
    action
}

macro_rules! defined_by {
    ($request:expr, $sample:expr) => {
        $request
            .display_name(text(&$sample["displayName"]))
            .description(text(&$sample["description"]))
            .trigger(Trigger::time(
                text(&$sample["trigger"]["cronExpression"]),
                text(&$sample["trigger"]["timeZone"]),
            ))
            .scope_mode(ScopeMode::user())
    };
}

fn create_schedule(body: &str) -> CreateSchedule {
    let sample = value(body);
    defined_by!(CreateSchedule::new(action(&sample["action"])), sample)
}

fn replace_schedule(body: &str) -> ReplaceSchedule {
    let sample = value(body);
    defined_by!(ReplaceSchedule::new(RID, action(&sample["action"])), sample)
}

fn rids(body: &str) -> Vec<String> {
    let elements = value(body);
    let elements = elements.as_array().unwrap().iter();
    elements
        .map(|element| text(element.as_object().unwrap().values().next().unwrap()).to_owned())
        .collect()
}

/// The sample lacks the condition that the vendor requires.
fn with_condition(body: &str) -> Value {
    let mut sample = value(body);
    assert!(sample.get("where").is_none());
    sample["where"] = json!({"type": "eq", "field": "BRANCH_NAME", "value": "b"});
    sample
}

fn search(body: &str) -> SearchBuilds {
    use scheduled_runs::client::PagedEndpoint as _;

    let sample = value(body);
    let size = u32::try_from(sample["pageSize"].as_u64().unwrap()).unwrap();
    let request = SearchBuilds::new(SearchBuildsFilter::branch_name("b"))
        .order_by(TimeField::Started, Direction::Ascending)
        .page_size(size);
    request.at(&Cursor::new(text(&sample["pageToken"])))
}

fn client(script: &ScriptedTransport) -> foundry::Client {
    let builder = foundry::Client::builder().hostname("example.palantirfoundry.com");
    builder.transport(script.clone()).clock(ManualClock::new()).build().unwrap()
}

/// The sample decodes.
async fn decodes<E: Endpoint<Api = Foundry> + Clone>(
    request: E,
    body: &str,
    found: impl Fn(&E::Output) -> usize,
) -> usize
where
    E::Output: Travels,
{
    reports_only_what_is_new(
        || {
            foundry::Client::builder()
                .hostname("example.palantirfoundry.com")
                .clock(ManualClock::new())
        },
        &request,
        body,
    )
    .await;
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    match client(&script).send(request).await {
        Ok(answer) => {
            travels(E::OPERATION, &*answer, body);
            found(&answer)
        }
        Err(error) => panic!("{}", error.report()),
    }
}

/// The request's body is the sample.
fn sends<E: Endpoint>(request: &E, sample: &Value) -> usize {
    let base = "https://example.palantirfoundry.com/api".parse().unwrap();
    let request = request.to_request(&base).unwrap();
    assert_eq!(&value(str::from_utf8(request.body()).unwrap()), sample, "{}", E::OPERATION);
    1
}

/// The error body is read.
async fn fails(name: &str, body: &str) -> usize {
    let status = name.split('_').find_map(|part| part.parse::<u16>().ok()).unwrap_or(404);
    let script = ScriptedTransport::default();
    script.respond(status, body.to_owned());
    let error = client(&script).send(GetSchedule::new(RID)).await.unwrap_err();
    assert_eq!(error.status(), StatusCode::from_u16(status).ok());
    let (said, sample) = (error.vendor_error().unwrap(), value(body));
    assert_eq!(said.code.as_deref(), sample["errorCode"].as_str());
    assert_eq!(said.name.as_deref(), sample["errorName"].as_str());
    assert_eq!(said.instance_id.as_deref(), sample["errorInstanceId"].as_str());
    assert_eq!(said.parameters, sample["parameters"]);
    let kind = match status {
        401 => ErrorKind::Auth,
        404 => ErrorKind::NotFound,
        _ => ErrorKind::Rejected,
    };
    assert_eq!(error.kind(), kind);
    assert!(error.to_string().contains(text(&sample["errorName"])), "{error}");
    1
}

/// Examples of single components. Members of unions come without the `type` that their union adds.
async fn components(body: &str) -> usize {
    let examples = value(body);
    let mut checked = 0;
    for (name, examples) in examples.as_object().unwrap() {
        for example in examples.as_array().unwrap() {
            let plain = name.trim_start_matches("CreateScheduleRequest");
            let plain = plain.trim_start_matches("ReplaceScheduleRequest");
            component(if plain.is_empty() { name } else { plain }, example).await;
            checked += 1;
        }
    }
    checked
}

async fn component(name: &str, example: &Value) {
    let body = example.to_string();
    match name {
        "Action" => drop(action(example)),
        "Build" => drop(check("get_build_response", &body).await),
        "Job" => drop(check("get_job_response", &body).await),
        "Schedule" => drop(check("get_schedule_response", &body).await),
        "ScheduleVersion" => drop(check("get_schedule_version_response", &body).await),
        "ScheduleRun" => drop(check("run_schedule_response", &body).await),
        "GetBuildsBatchResponse" => drop(check("get_builds_batch_response", &body).await),
        "GetJobsBatchResponse" => drop(check("get_jobs_batch_response", &body).await),
        "GetSchedulesBatchResponse" => drop(check("get_schedules_batch_response", &body).await),
        "ListJobsOfBuildResponse" => drop(check("list_jobs_of_build_response", &body).await),
        "ListRunsOfScheduleResponse" => drop(check("list_runs_of_schedule_response", &body).await),
        "SearchBuildsResponse" => drop(check("search_builds_response", &body).await),
        "CreateBuildRequest" => drop(check("create_build_request", &body).await),
        "CreateScheduleRequest" => drop(check("create_schedule_request", &body).await),
        "ReplaceScheduleRequest" => drop(check("replace_schedule_request", &body).await),
        "SearchBuildsRequest" => drop(check("search_builds_request", &body).await),
        "BuildTarget" => round_trip::<BuildTarget>(example),
        "Duration" | "RetryBackoffDuration" => round_trip::<RetryBackoff>(example),
        "ProjectScope" => round_trip::<ScopeMode>(&tagged(example, "project")),
        "DatasetJobOutput" => round_trip::<JobOutput>(&tagged(example, "datasetJobOutput")),
        "TransactionalMediaSetJobOutput" => {
            round_trip::<JobOutput>(&tagged(example, "transactionalMediaSetJobOutput"));
        }
        "ScheduleRunSubmitted" => round_trip::<ScheduleRunResult>(&tagged(example, "submitted")),
        "ScheduleRunError" => {
            let error: ScheduleRunResult =
                serde_json::from_value(tagged(example, "error")).unwrap();
            assert!(matches!(error, ScheduleRunResult::Error { error_name: Some(_), .. }));
        }
        trigger if trigger.ends_with("Trigger") => {
            let kind = trigger.trim_end_matches("Trigger");
            let (first, rest) = kind.split_at(1);
            let kind = format!("{}{rest}", first.to_ascii_lowercase());
            round_trip::<Trigger>(&tagged(example, &kind));
        }
        // Plain values, elements of batches that `rids` reads, and conditions without their values.
        other => {
            let covered = !example.is_object()
                || other.ends_with("BatchRequestElement")
                || other.starts_with("SearchBuilds");
            assert!(covered, "{other} has no model here: add one, or list it with a reason");
        }
    }
}

fn tagged(example: &Value, tag: &str) -> Value {
    let mut tagged = example.clone();
    tagged["type"] = tag.into();
    tagged
}

/// The example is known, and what is read of it is written back.
fn round_trip<T: DeserializeOwned + serde::Serialize + std::fmt::Debug>(example: &Value) {
    let read: T = serde_json::from_value(example.clone()).unwrap();
    assert!(!format!("{read:?}").starts_with("Unknown"), "{read:?}");
    let mut written = serde_json::to_value(&read).unwrap();
    if let Some(object) = written.as_object_mut() {
        object.retain(|name, _| example.get(name).is_some());
    }
    assert_eq!(&written, example);
}
