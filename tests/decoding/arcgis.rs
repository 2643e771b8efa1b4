//! ArcGIS answers in the documented shapes, and what becomes of them when the vendor changes its mind.
//!
//! The fixtures under `tests/fixtures/arcgis` are written after the shapes of the vendor's REST reference, with values of our
//! own.
#![cfg(feature = "arcgis")]

use crate::mutations;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, Utc};
use scheduled_runs::arcgis::{
    self, ArcGis, CreateTask, CronSchedule, DeleteUserTaskRun, DeploymentType, ExecuteNotebook,
    GetInfo, GetNotebookJob, GetPortal, GetTask, GetTaskRun, GetUserTask, ListNotebookJobs,
    ListTaskRuns, ListTasks, ListUserTaskRuns, ListUserTasks, NotebookJobStatus, NotebookJobType,
    RunStatus, TaskState, TaskType, Time, UserTaskType,
};
use scheduled_runs::client::Endpoint;
use scheduled_runs::testing::ScriptedTransport;
use scheduled_runs::wire::Drift;
use scheduled_runs::{ErrorKind, Phase, Response, Result};
use serde_json::Value;

use self::mutations::Rules;

const TASKS: &str = include_str!("../fixtures/arcgis/tasks.json");
const TASK_RUNS: &str = include_str!("../fixtures/arcgis/task_runs.json");
const TASK_RUN_FAILED: &str = include_str!("../fixtures/arcgis/task_run_failed.json");
const USER_TASKS: &str = include_str!("../fixtures/arcgis/user_tasks.json");
const USER_TASK_RUNS: &str = include_str!("../fixtures/arcgis/user_task_runs.json");
const NOTEBOOK_STARTED: &str = include_str!("../fixtures/arcgis/notebook_started.json");
const NOTEBOOK_JOB: &str = include_str!("../fixtures/arcgis/notebook_job.json");
const NOTEBOOK_JOB_OF_RUN: &str = include_str!("../fixtures/arcgis/notebook_job_of_run.json");
const NOTEBOOK_JOBS: &str = include_str!("../fixtures/arcgis/notebook_jobs.json");
const NOTEBOOK_JOB_ROWS: &str = include_str!("../fixtures/arcgis/notebook_job_rows.json");
const PORTAL: &str = include_str!("../fixtures/arcgis/portal.json");
const INFO: &str = include_str!("../fixtures/arcgis/info.json");

fn client(script: &ScriptedTransport) -> scheduled_runs::ClientBuilder<ArcGis> {
    let builder = arcgis::Client::builder().base_url("https://gis.initech.example/maps");
    builder.transport(script.clone())
}

async fn decode<E: Endpoint<Api = ArcGis>>(request: E, body: &str) -> Result<Response<E::Output>> {
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    client(&script).build().unwrap().send(request).await
}

fn at(text: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

fn utc(time: Option<&Time>) -> Option<DateTime<Utc>> {
    time.unwrap().utc()
}

#[tokio::test]
async fn tasks_of_the_deployment() {
    let page = decode(ListTasks::new(), TASKS).await.unwrap();
    let [cleaner, backup] = &page.items[..] else { panic!("two tasks") };
    assert_eq!((page.total, page.next.is_none()), (Some(2), true));

    assert_eq!(cleaner.id.as_str(), "a0a1a2a3a4a5a6a7a8a9b0b1b2b3b4b5");
    assert_eq!(cleaner.title.as_deref(), Some("old backups"));
    assert_eq!(cleaner.kind, Some(TaskType::BackupRetentionCleaner));
    assert_eq!(cleaner.type_constant.as_deref(), Some("BACKUP_RETENTION_CLEANER_TASK_TYPE"));
    assert_eq!((&cleaner.state, cleaner.active), (&Some(TaskState::Active), Some(true)));
    assert_eq!(cleaner.cron_schedule.as_ref().unwrap().to_string(), "30 1 * * ?");
    let expression = cleaner.cron_expression.as_deref().unwrap();
    assert_eq!(
        &expression.parse::<CronSchedule>().unwrap(),
        cleaner.cron_schedule.as_ref().unwrap()
    );
    assert_eq!(
        (cleaner.run_interval, cleaner.generation),
        (Some(Duration::from_secs(86_400)), Some(12))
    );
    assert_eq!(cleaner.max_occurrences, Some(-1));
    assert_eq!(cleaner.item_id.as_deref(), Some("11112222-3333-4444-8555-666677778888"));
    assert_eq!(utc(cleaner.created.as_ref()), at("2026-02-03T16:05:06Z"));
    assert_eq!(utc(cleaner.updated.as_ref()), at("2026-02-03T16:05:07Z"));
    assert_eq!(cleaner.last_start.as_ref().unwrap().raw(), "Feb 4, 2026, 1:30:00 AM");
    assert!(cleaner.parameters.is_none() && cleaner.end_date.is_none());

    assert_eq!(backup.kind, Some(TaskType::CreateBackup));
    assert_eq!((&backup.state, backup.active), (&Some(TaskState::Paused), Some(false)));
    assert_eq!(utc(backup.created.as_ref()), at("2026-02-03T04:05:06.789Z"));
    assert_eq!(backup.created.as_ref().unwrap().naive(), None);
    assert!(backup.item_id.is_none() && backup.end_date.is_some());
    let parameters: Value = backup.parameters.as_ref().unwrap().read().unwrap();
    assert_eq!(parameters["metaData"]["retention"]["type"], "week");
}

#[tokio::test]
async fn dates_are_read_on_the_servers_clock() {
    let script = ScriptedTransport::default();
    let zone = FixedOffset::west_opt(5 * 3600).unwrap();
    let client = client(&script).server_time_zone(zone).build().unwrap();
    script.respond(200, TASK_RUNS);
    let runs = client.send(ListTaskRuns::new("t")).await.unwrap();
    let [done, failed] = &runs.items[..] else { panic!("two runs") };
    assert_eq!(utc(done.created.as_ref()), at("2026-02-05T06:30:29Z"));
    assert_eq!(done.created.as_ref().unwrap().naive().unwrap().to_string(), "2026-02-05 01:30:29");
    assert_eq!(utc(failed.modified.as_ref()), at("2026-02-04T01:31:40Z"), "an instant has no zone");
    let task = done.task.as_ref().unwrap();
    assert_eq!(utc(task.last_start.as_ref()), at("2026-02-05T06:30:00Z"));

    script.respond(200, TASK_RUN_FAILED);
    let run = client.send(GetTaskRun::new("t", "r")).await.unwrap();
    assert_eq!(utc(run.modified.as_ref()), at("2026-02-04T06:30:40Z"));
}

#[tokio::test]
async fn runs_of_the_deployments_tasks() {
    let page = decode(ListTaskRuns::new("t"), TASK_RUNS).await.unwrap();
    let [done, failed] = &page.items[..] else { panic!("two runs") };
    assert_eq!(page.total, Some(9));
    assert_eq!(
        page.next.as_ref().unwrap().as_str(),
        "start=2&read=2&size=2&first=e0e1e2e3e4e5e6e7e8e9f0f1f2f3f4f5"
    );
    assert_eq!(done.status, Some(RunStatus::Succeeded));
    assert_eq!(
        (done.result.as_deref(), done.url.as_deref()),
        (Some("2 backups were deleted."), None)
    );
    assert_eq!(failed.status, Some(RunStatus::Failed));
    assert_eq!(failed.task.as_ref().unwrap().id.as_str(), "a0a1a2a3a4a5a6a7a8a9b0b1b2b3b4b5");

    let run = decode(GetTaskRun::new("t", "r"), TASK_RUN_FAILED).await.unwrap();
    assert!(
        run.status.as_ref().unwrap().phase() == Phase::Failed,
        "a run that failed is a healthy answer"
    );
    assert_eq!(run.result.as_deref(), Some("The store vault cannot be reached."));
}

#[tokio::test]
async fn tasks_and_runs_of_users() {
    let page = decode(ListUserTasks::new("m.bolton"), USER_TASKS).await.unwrap();
    let [notebook, service] = &page.items[..] else { panic!("two tasks") };
    assert!(page.next.is_some() && page.total == Some(41));
    let whole: Value = serde_json::from_str(str::from_utf8(page.body()).unwrap()).unwrap();
    assert_eq!(whole["activeTasksAvailable"], 17);
    assert_eq!(notebook.kind, Some(UserTaskType::ExecuteNotebook));
    assert_eq!(notebook.user.as_ref().unwrap().as_str(), "m.bolton");
    assert_eq!(utc(notebook.next_start.as_ref()), at("2026-02-05T02:05:00Z"));
    assert_eq!(notebook.max_occurrences, Some(30));
    assert_eq!(service.kind, Some(UserTaskType::GpService));
    assert!(service.task_url.as_ref().unwrap().ends_with("/Buffer"));
    assert_eq!(service.cron_schedule.as_ref().unwrap().day_of_week(), "MON-FRI");
    assert!(service.last_start.is_none() && service.item_id.is_none());

    let page = decode(ListUserTaskRuns::new("m.bolton", "t"), USER_TASK_RUNS).await.unwrap();
    let [failed, going_on] = &page.items[..] else { panic!("two runs") };
    assert_eq!((page.total, page.next.is_none()), (None, true));
    assert_eq!(failed.status, Some(RunStatus::SubmitFailed));
    assert_eq!(failed.task.as_ref().unwrap().title.as_deref(), Some("hourly counts"));
    assert_eq!(going_on.status, Some(RunStatus::Executing));
    assert!(going_on.created.is_none() && going_on.result.is_none());
}

#[tokio::test]
async fn the_portal_and_where_its_tokens_come_from() {
    let portal = decode(GetPortal::new(), PORTAL).await.unwrap();
    assert_eq!(portal.deployment_type, Some(DeploymentType::Kubernetes));
    assert_eq!((portal.admin_path(), portal.name.as_deref()), ("admin", Some("Initech maps")));
    let info = decode(GetInfo::new(), INFO).await.unwrap();
    let auth = info.auth_info.as_ref().unwrap();
    assert!(auth.token_services_url.as_ref().unwrap().ends_with("/generateToken"));
    assert_eq!(auth.is_token_based_security, Some(true));
    let open = decode(GetInfo::new(), r#"{"currentVersion":10.51}"#).await.unwrap();
    assert!(open.auth_info.is_none());
}

#[tokio::test]
async fn jobs_of_a_notebook_server() {
    let started = decode(ExecuteNotebook::new("n"), NOTEBOOK_STARTED).await.unwrap();
    assert_eq!(started.job_id.as_str(), "jc0ffee00-1357-4bdf-8ace-024681357900");
    assert!(started.job_url.as_ref().unwrap().contains("initech.internal"));

    let job = decode(GetNotebookJob::new("j"), NOTEBOOK_JOB).await.unwrap();
    assert_eq!((job.phase(), &job.status), (Phase::Failed, &Some(NotebookJobStatus::Failed)));
    assert_eq!(job.messages.last().unwrap().as_ref(), "ZeroDivisionError: division by zero");
    assert_eq!(utc(job.end_time.as_ref()), at("2026-02-03T06:36:06.500Z"));
    let inputs = job.inputs.as_ref().unwrap();
    let parameters: Value = inputs.notebook_parameters.as_ref().unwrap().read().unwrap();
    assert_eq!((&parameters["city"], inputs.update_portal_item), (&"Austin".into(), Some(false)));
    assert!(!format!("{job:?}").contains("Austin"), "parameters may be secret");

    let jobs = decode(ListNotebookJobs::new(), NOTEBOOK_JOBS).await.unwrap();
    let [execution, editor] = &jobs.items[..] else { panic!("two jobs") };
    assert_eq!((execution.phase(), &execution.end_time), (Phase::Running, &None));
    assert_eq!(editor.kind(), Some(&NotebookJobType::OpenNotebook));
    assert_eq!(editor.phase(), Phase::Cancelled);
    assert!(editor.results.as_ref().unwrap().notebook_url.is_some());
}

#[tokio::test]
async fn notebook_jobs_of_kubernetes() {
    let job = decode(GetNotebookJob::new("j"), NOTEBOOK_JOB_OF_RUN).await.unwrap();
    assert!(job.is_of_run(&"E0E1E2E3E4E5E6E7E8E9F0F1F2F3F4F5".into()));
    assert_eq!(job.phase(), Phase::Running);
    assert_eq!(utc(job.date_created.as_ref()), at("2026-02-03T06:35:06Z"));
    assert_eq!(job.inputs.as_ref().unwrap().execution_timeout_in_minutes, Some(90));
    assert_eq!(job.notebook_runtime_version.as_deref(), Some("12.1"));
    let jobs = decode(ListNotebookJobs::new(), NOTEBOOK_JOB_ROWS).await.unwrap();
    let [submitted, tool] = &jobs.items[..] else { panic!("two jobs") };
    assert_eq!((submitted.phase(), &submitted.inputs), (Phase::Queued, &None));
    assert_eq!(tool.kind(), Some(&NotebookJobType::ExecuteNotebookAsWebTool));
}

/// A list that is not there must not look like one without jobs: a lost execution would be said to have started nothing.
#[tokio::test]
async fn a_response_without_a_list_of_jobs_is_an_error() {
    for (body, is_list) in [
        ("{}", false),
        (r#"{"jobs":[]}"#, false),
        (r#"{"asyncJobs":[],"total":1}"#, false),
        (r#"{"asyncJobs":[],"total":0}"#, true),
        (r#"{"asyncNotebookJobs":[]}"#, true),
        (r#"{"notebookJobs":[]}"#, true),
    ] {
        assert_eq!(decode(ListNotebookJobs::new(), body).await.is_ok(), is_list, "{body}");
    }
}

#[tokio::test]
async fn a_job_may_have_any_status_and_is_no_error() {
    for status in ["FAILED", "failure", "error", "Kernel error"] {
        let body = format!(r#"{{"jobId":"j","status":"{status}","messages":["no"]}}"#);
        let job = decode(GetNotebookJob::new("j"), &body).await.unwrap();
        assert_eq!(job.status.as_ref().unwrap().as_str(), status);
        // Without a job it is one.
        let body = body.replace("jobId", "x");
        let is_error = status != "Kernel error";
        let error = decode(GetNotebookJob::new("j"), &body).await.unwrap_err();
        assert_eq!(error.kind() == ErrorKind::Rejected, is_error, "{body}");
    }
    let refused = r#"{"status":"error","messages":["no such notebook"],"code":404}"#;
    let error = decode(ExecuteNotebook::new("n"), refused).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::NotFound, false));
    let error = decode(ExecuteNotebook::new("n"), r#"{"status":"success"}"#).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (ErrorKind::Decode, true));
}

/// Only what tells a thing apart may be missed.
#[tokio::test]
async fn members_may_be_missing_null_new_or_of_another_type() {
    let client = || arcgis::Client::builder().base_url("https://gis.example.com/portal");
    let rules = Rules {
        required: &["/runId", "/id", "/taskId"],
        typed: &["/result", "/tasks", "/runs", "/nextStart"],
        kept: &["/parameters", "/nextStart"],
    };
    // A run is of use without its task.
    let runs = Rules { required: &["/runId"], ..rules };
    let one = Rules { typed: &[], ..runs };
    // Two names of the id.
    mutations::check(client, ListTasks::new(), TASKS, Rules { required: &[], ..rules }).await;
    mutations::check(client, ListTaskRuns::new("t"), TASK_RUNS, runs).await;
    mutations::check(client, GetTaskRun::new("t", "r"), TASK_RUN_FAILED, one).await;
    mutations::check(client, ListUserTasks::new("u"), USER_TASKS, rules).await;
    mutations::check(client, ListUserTaskRuns::new("u", "t"), USER_TASK_RUNS, runs).await;
    let job = Rules {
        required: &["/jobId"],
        typed: &["/asyncJobs", "/asyncNotebookJobs"],
        kept: &["/notebookParameters"],
    };
    mutations::check(client, ExecuteNotebook::new("n"), NOTEBOOK_STARTED, job).await;
    mutations::check(client, GetNotebookJob::new("j"), NOTEBOOK_JOB, job).await;
    mutations::check(client, GetNotebookJob::new("j"), NOTEBOOK_JOB_OF_RUN, job).await;
    mutations::check(client, ListNotebookJobs::new(), NOTEBOOK_JOBS, job).await;
    mutations::check(client, ListNotebookJobs::new(), NOTEBOOK_JOB_ROWS, job).await;
    let all = Rules::default();
    mutations::check(client, GetPortal::new(), PORTAL, all).await;
    mutations::check(client, GetInfo::new(), INFO, all).await;
    let changed = r#"{"status":"success","taskId":"t","runId":"r","success":true}"#;
    mutations::check(client, DeleteUserTaskRun::new("u", "t", "r"), changed, all).await;
}

#[tokio::test]
async fn what_is_documented_is_not_drift_and_what_is_new_is_reported() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let script = ScriptedTransport::default();
    let sink = Arc::clone(&reports);
    let on_drift = move |drift: &Drift| sink.lock().unwrap().push(drift.to_string());
    let client = client(&script).on_drift(on_drift).build().unwrap();
    let changed = r#"{"success":true,"taskId":"t","runId":"r"}"#;
    for body in [TASKS, TASK_RUNS, USER_TASKS, USER_TASK_RUNS, changed] {
        script.respond(200, body);
    }
    client.send(ListTasks::new()).await.unwrap();
    client.send(ListTaskRuns::new("t")).await.unwrap();
    client.send(ListUserTasks::new("u")).await.unwrap();
    client.send(ListUserTaskRuns::new("u", "t")).await.unwrap();
    client.send(DeleteUserTaskRun::new("u", "t", "r")).await.unwrap();
    assert!(reports.lock().unwrap().is_empty(), "{reports:?}");

    script.respond(200, r#"{"id":"t","taskType":"CreateHealth","lunarPhase":7,"taskState":"Off"}"#);
    script.respond(200, r#"{"tasks":[{"id":"t","type":"ExecuteLunar"}]}"#);
    client.send(GetTask::new("t")).await.unwrap();
    client.send(ListUserTasks::new("u")).await.unwrap();
    let reports = reports.lock().unwrap();
    for new in [
        "arcgis.tasks.get: unknown member /lunarPhase",
        "arcgis.tasks.get: unknown value \"CreateHealth\" of TaskType",
        "arcgis.tasks.get: unknown value \"Off\" of TaskState",
        "arcgis.user_tasks.list: unknown value \"ExecuteLunar\" of UserTaskType",
    ] {
        assert!(reports.iter().any(|drift| drift == new), "{new} in {reports:?}");
    }
    assert_eq!(reports.len(), 4, "{reports:?}");
}

#[tokio::test]
async fn names_and_types_may_be_others_than_documented() {
    for (body, title, most) in [
        (r#"{"id":7,"title":"x","maxOccurrences":"5"}"#, Some("x"), Some(5)),
        (r#"{"taskId":"7","taskTitle":"x","title":"y","maxOccurences":5}"#, Some("x"), Some(5)),
        (
            r#"{"id":"7","taskId":"8","itemId":"","maxOccurrences":-1,"maxOccurences":3}"#,
            None,
            Some(-1),
        ),
        (
            r#"{"id":"7","created":"","lastStart":0,"updated":-1,"startDate":[],"active":"false"}"#,
            None,
            None,
        ),
        (
            r#"{"id":"7","taskState":"OFF","taskType":"CreateHealth","parameters":"","generation":"x"}"#,
            None,
            None,
        ),
    ] {
        let task = decode(GetTask::new("7"), body).await.unwrap();
        assert_eq!((task.id.as_str(), task.title.as_deref()), ("7", title), "{body}");
        assert_eq!((task.max_occurrences, task.item_id.as_deref()), (most, None), "{body}");
        assert!(task.created.is_none() && task.last_start.is_none() && task.parameters.is_none());
    }
    let odd = decode(GetTask::new("7"), r#"{"id":"7","taskState":"OFF","taskType":"CreateX"}"#)
        .await
        .unwrap();
    assert_eq!(
        (odd.state.as_ref().unwrap().as_str(), odd.kind.as_ref().unwrap().as_str()),
        ("OFF", "CreateX")
    );
    let user =
        decode(GetUserTask::new("u", "7"), r#"{"id":7,"taskURL":"https://h/x","type":"Lunar"}"#)
            .await
            .unwrap();
    assert_eq!(user.task_url.as_deref(), Some("https://h/x"));
    let run = decode(GetTaskRun::new("7", "8"), r#"{"runId":8,"status":"Postponed","url":7}"#)
        .await
        .unwrap();
    assert_eq!((run.run_id.as_str(), run.status.as_ref().unwrap().as_str()), ("8", "Postponed"));
    assert!(!run.status.as_ref().unwrap().is_terminal());
}

#[tokio::test]
async fn an_answer_nobody_can_read_leaves_a_change_in_doubt_and_a_read_not() {
    for (body, kind) in [
        ("[]", ErrorKind::Decode),
        ("7", ErrorKind::Decode),
        ("<html>please log in</html>", ErrorKind::UnexpectedContent),
    ] {
        let create = CreateTask::new("CreateBackup", CronSchedule::daily(4, 0).unwrap());
        let error = decode(create, body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, true), "{body:?}");
        let error = decode(GetTask::new("t"), body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, false), "{body:?}");
        assert!(!error.to_string().contains("log in"));
    }
}

#[tokio::test]
async fn a_passcode_in_an_answer_is_printed_by_nothing_that_holds_it() {
    let tasks = decode(ListTasks::new(), TASKS).await.unwrap();
    let run = decode(GetTaskRun::new("t", "r"), TASK_RUN_FAILED).await.unwrap();
    let item = &tasks.items[1];
    let printed = format!("{tasks:?} {run:?} {item:?} {:?}", item.parameters);
    assert!(printed.contains("[redacted]") && !printed.contains("canary"), "{printed}");
    assert!(item.parameters.as_ref().unwrap().json().contains("canary-passcode"));
    let broken = TASK_RUN_FAILED.replace(r#""runId""#, r#""canary""#).replace("failed", "done");
    let error = decode(GetTaskRun::new("t", "r"), &broken).await.unwrap_err();
    assert!(!format!("{error} {error:?} {}", error.report()).contains("canary-passcode"));
}

#[tokio::test]
async fn times_are_read_in_every_spelling() {
    for created in [
        "1634961600000",
        "1634961600000.0",
        "1.6349616e12",
        r#""1634961600000.0""#,
        r#""2021-10-23T04:00:00+0000""#,
        r#""2021-10-23T06:00:00.000+02""#,
        r#""2021-10-23t04:00:00z""#,
        r#""2021-10-23 04:00:00Z""#,
    ] {
        let body = format!(r#"{{"runId":"r","created":{created}}}"#);
        let run = decode(GetTaskRun::new("t", "r"), &body).await.unwrap();
        assert_eq!(utc(run.created.as_ref()), at("2021-10-23T04:00:00Z"), "{created}");
    }
    let body = r#"{"id":"t","maxOccurrences":-1.0,"generation":3.0,"parameters":{"x":1e400},"title":1e400}"#;
    let task = decode(GetTask::new("t"), body).await.unwrap();
    assert_eq!((task.max_occurrences, task.generation), (Some(-1), Some(3)));
    assert_eq!(task.parameters.as_ref().unwrap().json(), r#"{"x":1e400}"#);
}

/// A vendor that renames the list must not look like one without runs.
#[tokio::test]
async fn items_that_are_counted_and_not_found_are_an_error() {
    for list in [r#""jobs":[{"runId":"r"}]"#, r#""result":null"#] {
        let body = format!(r#"{{{list},"total":1}}"#);
        let error = decode(ListTaskRuns::new("t"), &body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        let empty = body.replace(":1}", ":0}");
        assert!(decode(ListTaskRuns::new("t"), &empty).await.unwrap().items.is_empty(), "{empty}");
    }
}

/// A list that cannot be continued is not at its end.
#[tokio::test]
async fn a_next_page_that_cannot_be_read_is_an_error() {
    for next in ["true", "{}", "[5]", "1.5", r#""soon""#] {
        let body = format!(r#"{{"result":[{{"runId":"r"}}],"nextStart":{next}}}"#);
        let error = decode(ListTaskRuns::new("t"), &body).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Decode | ErrorKind::Pagination), "{body}");
    }
    for (next, is_last) in
        [("-1", true), ("0.0", true), (r#""""#, true), ("11.0", false), (r#"" 11 ""#, false)]
    {
        let body = format!(r#"{{"result":[{{"runId":"r"}}],"nextStart":{next}}}"#);
        let page = decode(ListTaskRuns::new("t"), &body).await.unwrap();
        assert_eq!(page.next.is_none(), is_last, "{body}");
    }
}
