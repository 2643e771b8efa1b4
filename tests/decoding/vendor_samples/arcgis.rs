//! ArcGIS's samples.

use std::collections::BTreeMap;

use chrono::DateTime;
use http::Method;
use scheduled_runs::arcgis::{
    self, AppToken, ArcGis, CancelNotebookJob, CreateUserTask, CronSchedule, DeleteTaskRun,
    DeleteUserTask, DeleteUserTaskRun, EnableTask, ExecuteNotebook, GenerateToken, GetInfo,
    GetNotebookJob, GetTask, GetTaskRun, GetUserTask, ListNotebookJobs, ListTaskRuns, ListTasks,
    ListUserTasks, Parameters, RunStatus, UpdateLimits, UpdateTaskRun, UpdateUserTask,
    UpdateUserTaskRun, UserTaskType,
};
use scheduled_runs::client::{ApiRequest, Endpoint};
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{ClientBuilder, ErrorKind, Phase};
use serde_json::Value;

use super::round_trip::Travels;
use super::{reports_only_what_is_new, samples, travels};

#[tokio::test]
async fn every_arcgis_sample_decodes_into_its_model() {
    let Some(samples) = samples("arcgis") else { return };
    let mut checked = 0;
    for (name, body) in samples {
        if !NOT_COVERED.iter().any(|(not, _)| name == *not) {
            assert!(check(&name, &body).await > 0, "{name} decodes to nothing");
            checked += 1;
        }
    }
    eprintln!("{checked} samples of ArcGIS checked");
    assert!(checked >= 35, "only {checked} samples were checked");
}

/// Samples of operations that have no request type, and what is no answer.
const NOT_COVERED: [(&str, &str); 2] = [
    ("portaladmin_system", "the children of `system`; it shows that there is no `tasks`"),
    ("sharing_runs_syntax_truncated", "a template with placeholders, cut off: not JSON"),
];

#[tokio::test]
async fn every_sample_of_notebooks_decodes_into_its_model() {
    let Some(samples) = samples("arcgis_nb") else { return };
    let mut checked = 0;
    for (name, body) in samples {
        assert!(check_notebook(&name, &body).await > 0, "{name} decodes to nothing");
        checked += 1;
    }
    eprintln!("{checked} samples of notebooks checked");
    assert!(checked >= 17, "only {checked} samples were checked");
}

async fn check_notebook(name: &str, body: &str) -> usize {
    match name {
        "nbs_execute_form" => {
            let form = body.lines().rfind(|line| line.contains("itemId=")).unwrap();
            let mut told = fields(form.as_bytes());
            told.retain(|name, _| name != "f" && name != "token");
            let parameters: Value = serde_json::from_str(&told["notebookParameters"]).unwrap();
            let execute = ExecuteNotebook::new(&*told["itemId"])
                .update_portal_item(false)
                .save_injected_parameters(false)
                .parameters(parameters);
            let mut sent = fields(execute.to_request(&base()).unwrap().body());
            for form in [&mut sent, &mut told] {
                let text = form.get_mut("notebookParameters").unwrap();
                *text = serde_json::from_str::<Value>(text).unwrap().to_string();
            }
            assert_eq!(sent, told);
            sent.len()
        }
        name if name.ends_with("_execute_success") => {
            let execute = ExecuteNotebook::new("n");
            decodes(execute, body, |started| started.job_url.iter().len()).await
        }
        name if name.ends_with("_cancel_success") => {
            decodes(CancelNotebookJob::new("j"), body, |done| done.status.iter().len()).await
        }
        "nbs_jobs_short" | "nbs_jobs_detail" | "k8s_jobs" => {
            decodes(ListNotebookJobs::new(), body, |jobs| {
                let jobs = &jobs.items;
                let told = jobs.iter().all(|job| job.status.is_some());
                assert_eq!(told, name != "nbs_jobs_short");
                assert!(jobs.iter().all(|job| job.kind().is_some() && job.start_time.is_some()));
                jobs.len()
            })
            .await
        }
        "error_admin_style" | "error_sharing_style" => {
            let error = refused(GetNotebookJob::new("j"), body).await;
            let sharing = name == "error_sharing_style";
            assert_eq!(error.kind(), if sharing { ErrorKind::Denied } else { ErrorKind::NotFound });
            error.vendor_error().iter().len()
        }
        job => {
            decodes(GetNotebookJob::new("j"), body, |found| {
                let phase = match job {
                    "nbs_job_submitted" => Phase::Queued,
                    "nbs_job_completed" => Phase::Succeeded,
                    "nbs_job_failed" => Phase::Failed,
                    "nbs_job_cancelled_inferred" => Phase::Cancelled,
                    "nbs_job_processing" | "k8s_job_direct" | "k8s_job_of_scheduled_run" => {
                        Phase::Running
                    }
                    other => panic!("{other} has no model here: add one"),
                };
                assert_eq!(found.phase(), phase, "{job}");
                let inputs = found.inputs.as_ref().unwrap();
                assert_eq!(inputs.run_id.is_some(), job == "k8s_job_of_scheduled_run", "{job}");
                inputs.item_id.iter().len()
            })
            .await
        }
    }
}

/// How much of what the sample is about was found.
async fn check(name: &str, body: &str) -> usize {
    match name {
        "admin_operation_success" => {
            decodes(EnableTask::new("t"), body, |done| done.status.iter().len()).await
        }
        "admin_run" => {
            decodes(GetTaskRun::new("t", "r"), body, |run| {
                let task = run.task.as_ref().unwrap();
                assert!(run.url.is_none() && task.last_start.as_ref().unwrap().utc().is_some());
                run.created.as_ref().unwrap().utc().iter().len()
            })
            .await
        }
        "admin_runs_list" => {
            decodes(ListTaskRuns::new("t"), body, |page| {
                assert!(page.next.is_none() && page.total == Some(4));
                page.items.iter().filter(|run| run.created.is_some() && run.task.is_some()).count()
            })
            .await
        }
        // A comma is missing, or the end.
        "admin_runs_list_broken" => breaks(ListTaskRuns::new("t"), body).await,
        "admin_tasks_list_truncated" => breaks(ListTasks::new(), body).await,
        "admin_task_clean_gp_jobs" | "admin_task_create_backup" => {
            let list = format!(r#"{{"result":[{body}]}}"#);
            decodes(ListTasks::new(), &list, |page| page.items.len()).await;
            decodes(GetTask::new("t"), body, |task| {
                let schedule = task.cron_schedule.as_ref().unwrap();
                let expression = task.cron_expression.as_deref().unwrap();
                assert_eq!(&expression.parse::<CronSchedule>().unwrap(), schedule);
                assert!(!format!("{task:?}").contains("otherPassCode"));
                task.created.iter().chain(&task.last_start).filter_map(arcgis::Time::utc).count()
            })
            .await
        }
        "sharing_task" => {
            decodes(GetUserTask::new("u", "t"), body, |task| task.parameters.iter().len()).await
        }
        "sharing_user_tasks_list" => {
            decodes(ListUserTasks::new("u"), body, |page| {
                assert!(page.next.is_none() && page.items[0].last_start.is_some());
                page.items.len()
            })
            .await
        }
        "sharing_task_operation_success" => {
            decodes(DeleteUserTask::new("u", "t"), body, |done| done.task_id.iter().len()).await
        }
        "sharing_run_update_success" | "sharing_run_delete_success" => {
            decodes(DeleteUserTaskRun::new("u", "t", "r"), body, |done| done.run_id.iter().len())
                .await
        }
        "sharing_rest_info" => {
            decodes(GetInfo::new(), body, |info| info.auth_info.iter().len()).await
        }
        "server_rest_info_no_auth" => {
            decodes(GetInfo::new(), body, |info| usize::from(info.auth_info.is_none())).await
        }
        "sharing_rest_info_html_answer" => {
            let error = refused(GetInfo::new(), body).await;
            assert_eq!(error.kind(), ErrorKind::UnexpectedContent);
            assert!(error.to_string().contains("`f=json`"), "{error}");
            1
        }
        "system_limits_update_properties" => {
            let update = UpdateLimits::new("ExecuteNotebooksUserLimit", 15)
                .and("ExecuteNotebooksOrgLimit", 45);
            let sent = fields(update.to_request(&base()).unwrap().body());
            let sent: Value = serde_json::from_str(&sent["properties"]).unwrap();
            assert_eq!(sent, serde_json::from_str::<Value>(body).unwrap());
            1
        }
        "task_parameters_report" | "task_parameters_scene_cook" => {
            let written: Value = serde_json::from_str(body).unwrap();
            let create =
                CreateUserTask::new("u", "ExecuteReport", CronSchedule::hourly(0).unwrap())
                    .parameters(Parameters::from(written.clone()));
            let sent = fields(create.to_request(&base()).unwrap().body());
            assert_eq!(serde_json::from_str::<Value>(&sent["parameters"]).unwrap(), written);
            written.as_object().unwrap().len()
        }
        "request_forms" => forms(body),
        token if token.starts_with("token_oauth_") => {
            signs_in(client().credential(AppToken::new("id", "secret")), body, "access_token").await
        }
        token if token.starts_with("token_") => {
            signs_in(client().credential(GenerateToken::new("u", "secret")), body, "token").await
        }
        error if error.starts_with("error_") => fails(error, body).await,
        other => panic!("{other} has no model here: add one, or list it with a reason"),
    }
}

fn base() -> url::Url {
    "https://machine.domain.com/webadaptor".parse().unwrap()
}

fn client() -> ClientBuilder<ArcGis> {
    arcgis::Client::builder().base_url(base()).clock(ManualClock::new())
}

/// The sample decodes.
async fn decodes<E: Endpoint<Api = ArcGis> + Clone>(
    request: E,
    body: &str,
    found: impl Fn(&E::Output) -> usize,
) -> usize
where
    E::Output: Travels,
{
    reports_only_what_is_new(client, &request, body).await;
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    match client().transport(script).build().unwrap().send(request).await {
        Ok(answer) => {
            travels(E::OPERATION, &*answer, body);
            found(&answer)
        }
        Err(error) => panic!("{}", error.report()),
    }
}

/// The sample is no answer.
async fn breaks<E: Endpoint<Api = ArcGis>>(request: E, body: &str) -> usize {
    let error = refused(request, body).await;
    assert_eq!(error.kind(), ErrorKind::Decode);
    usize::from(error.to_string().contains("line"))
}

async fn refused<E: Endpoint<Api = ArcGis>>(request: E, body: &str) -> scheduled_runs::Error {
    let script = ScriptedTransport::default();
    for _ in 0..3 {
        script.respond(200, body.to_owned());
    }
    let client = client().transport(script).build().unwrap();
    client.send(request).await.map(drop).unwrap_err()
}

/// The sample is a token, and the next call carries it.
async fn signs_in(client: ClientBuilder<ArcGis>, body: &str, member: &str) -> usize {
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    script.respond(200, "{}");
    client.transport(script.clone()).build().unwrap().send(GetInfo::new()).await.unwrap();
    let token: Value = serde_json::from_str(body).unwrap();
    let sent = &script.sent()[1];
    let carried = sent.headers()["x-esri-authorization"].to_str().unwrap();
    assert_eq!(carried, format!("Bearer {}", token[member].as_str().unwrap()));
    script.sent().len()
}

/// The error is told, with the code and the words that the sample has.
async fn fails(name: &str, body: &str) -> usize {
    let error = if name == "error_400_generate_token" || name == "error_400_oauth_invalid_client" {
        let script = ScriptedTransport::default();
        script.respond(200, body.to_owned());
        let client = client().credential(GenerateToken::new("u", "secret")).transport(script);
        client.build().unwrap().send(GetTask::new("t")).await.map(drop).unwrap_err()
    } else {
        refused(GetTask::new("t"), body).await
    };
    let kind = match name {
        "error_400_generate_token" | "error_400_oauth_invalid_client" => ErrorKind::Auth,
        name if name.contains("498") || name.contains("499") => ErrorKind::Auth,
        name if name.contains("403") => ErrorKind::Denied,
        name if name.contains("500") => ErrorKind::Server,
        _ => ErrorKind::Rejected,
    };
    assert_eq!(error.kind(), kind, "{name}: {}", error.report());
    let said = error.vendor_error().cloned().unwrap_or_default();
    let code = said.code.as_deref().unwrap_or_default();
    let told = name.split('_').filter(|part| part.parse::<u16>().is_ok_and(|code| code >= 400));
    for number in told {
        assert_eq!(code, number, "{name}");
    }
    if name == "error_status_failed_json_in_string" {
        assert_eq!(code, "400", "{name}");
    }
    assert_eq!(
        said.name.is_some(),
        body.contains("messageCode") || body.contains("invalid_"),
        "{name}"
    );
    // One sample says nothing at all.
    assert_eq!(said.message.is_none(), name == "error_flat_200_status_failure", "{name}");
    1
}

fn fields(form: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(form).into_owned().collect()
}

/// The vendor's sample requests: path and form are ours as well, but for `f`, the token, and what the docs get wrong.
fn forms(text: &str) -> usize {
    let date = DateTime::from_timestamp_millis(1_589_428_800_000).unwrap();
    let minutely = || CronSchedule::every_minutes(1).unwrap();
    let scene: Value = serde_json::json!({
        "service_url": "https://machine.esri.com/webadaptor/rest/services/Hosted/ServiceName/SceneServer",
        "num_of_caching_service_instances": 2, "layer": "{}", "update_mode": "PARTIAL_UPDATE_NODES"
    });
    let task = "fdbbc58261544b2f82b61c8111a08f16";
    let run = "a277d60ee7864ab7bd2287c30590f9d1";
    let (user, item) = ("NBadmin", "029b61ca770e428d9468a2a55f40b9fb");
    let sample = |parts: &str| {
        let request = text.split("\n## ").find(|part| part.starts_with(parts)).unwrap();
        let line = request.lines().find(|line| line.starts_with("POST ")).unwrap();
        let path = line.split(' ').nth(1).unwrap().replacen("/context/", "/webadaptor/", 1);
        let form = request.lines().rfind(|line| line.contains("f=pjson")).unwrap();
        (path, fields(form.as_bytes()))
    };
    let mut checked = 0;
    let mut same =
        |name: &str, request: scheduled_runs::Result<ApiRequest>, mend: &dyn Fn(&mut String)| {
            let request = request.unwrap();
            let (mut path, mut form) = sample(name);
            mend(&mut path);
            form.retain(|name, value| name != "f" && name != "token" && !value.is_empty());
            let mut sent = fields(request.body());
            for sides in [&mut form, &mut sent] {
                if let Some(parameters) = sides.get_mut("parameters") {
                    *parameters = serde_json::from_str::<Value>(parameters).unwrap().to_string();
                }
            }
            assert_eq!((request.method(), request.url().path()), (&Method::POST, &*path), "{name}");
            assert_eq!(sent, form, "{name}");
            checked += 1;
        };
    let update =
        UpdateTaskRun::new(task, run, RunStatus::Executing).result("GP Jobs have been cleaned.");
    same("admin: update run", update.to_request(&base()), &|_| {});
    let delete = DeleteTaskRun::new(task, run).to_request(&base());
    same("admin: delete run", delete, &|path| *path = path.replace("/system/", "/admin/system/"));
    same("admin: enable task", EnableTask::new(task).to_request(&base()), &|_| {});
    let create = CreateUserTask::new(user, UserTaskType::ExecuteSceneCook, minutely())
        .title("OnceAnHour30Times")
        .parameters(scene)
        .item_id(item)
        .start_date(date)
        .end_date(date)
        .max_occurrences(30);
    same("sharing: create task", create.to_request(&base()), &|path| {
        *path = path.replace("/a7ce628005004e758f3387d735b3e1ca", "");
    });
    let update = UpdateUserTask::new(
        user,
        "a7ce628005004e758f3387d735b3e1ca",
        "ExecuteNotebook",
        minutely(),
    )
    .title("OnceAMinute30Times")
    .item_id(item)
    .start_date(date)
    .end_date(date)
    .max_occurrences(30);
    same("sharing: update task", update.to_request(&base()), &|_| {});
    let (task, run) = ("308a978eeea1487bb9a46a14c4545b44", "8b8c7778ec2d4d8886cd2aa0aaf77ed9");
    let update = UpdateUserTaskRun::new(user, task, run, RunStatus::Executing);
    same("sharing: update run", update.to_request(&base()), &|_| {});
    let delete = DeleteUserTask::new(user, "6ea7cdac8dec466aabaa1ec258e3e601");
    same("sharing: delete task", delete.to_request(&base()), &|_| {});
    // The token's own request is made by the credential: `tests/arcgis/client.rs` has it.
    let requests = text.matches("\n## ").count() - 1;
    assert_eq!(checked, requests, "a sample request has no counterpart here");
    checked
}

/// The test vector of a webhook's signature.
#[cfg(feature = "rustls")]
#[test]
fn the_sample_of_a_signature_is_accepted_in_base64_and_not_in_hexadecimal() {
    let Some(samples) = samples("events") else { return };
    let (_, vector) = samples.iter().find(|(name, _)| name == "arcgis_signature_vector").unwrap();
    let vector: Value = serde_json::from_str(vector).unwrap();
    let text = |name: &str| vector[name].as_str().unwrap();
    for (value, accepted) in [("value_base64", true), ("value_hex", false)] {
        let request = http::Request::post("/arcgis").header(text("header"), text(value));
        let request = request.body(text("body")).unwrap();
        let received = arcgis::receive(&request, Some(text("signature_key"))).unwrap();
        assert_eq!(received.response.status().is_success(), accepted, "{value}");
        assert_eq!(received.events.len(), usize::from(accepted), "{value}");
    }
}
