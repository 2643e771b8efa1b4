//! Tasks of the administrator API: list, get, create, update, enable, disable, delete.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ArcGis;
use super::cron::CronSchedule;
use super::definition::{Definition, definition_setters, item_setter};
use super::fields::{NoId, TaskFields, TaskId, TaskState, TaskType};
use super::list::{Paging, list_setters};
use super::parameters::Parameters;
use super::request::{Changed, dated};
use super::time::{Dated, Time};
use crate::client::{json, operation};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::wire::lenient;

operation! {
    /// Lists the scheduled tasks of a deployment.
    ///
    /// Source: Enterprise Administrator API, "Tasks", `GET /admin/system/tasks`, since 10.9.
    ///
    /// ```
    /// use scheduled_runs::arcgis::ListTasks;
    ///
    /// let request = ListTasks::new().num(100);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host/portal".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "GET");
    /// # assert_eq!(sent.url().path(), "/portal/admin/system/tasks");
    /// # assert_eq!(sent.url().query(), Some("num=100"));
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    ListTasks {}
    pages counted { paging: Paging, item: Task, key: id }
    for ArcGis, "arcgis.tasks.list", Safe: GET "admin" / "system" / "tasks" -> Page<Task>
}

impl ListTasks {
    list_setters!();
}

operation! {
    /// Gets one task.
    ///
    /// Source: Enterprise Administrator API, "Task", `GET /admin/system/tasks/{task}`, since 10.9.
    GetTask { task: TaskId }
    for ArcGis, "arcgis.tasks.get", Safe: GET "admin" / "system" / "tasks" / {task} -> Task,
    decode dated
}

operation! {
    /// Creates a task. The vendor accepts [`CreateBackup`](TaskType::CreateBackup), and since 11.4 also a type that creates a health
    /// report.
    ///
    /// The response is not documented: if it does not name the task, find the task with [`ListTasks`].
    ///
    /// Source: Enterprise Administrator API, "Create Task", `POST /admin/system/tasks/createTask`, since 10.9.1.
    ///
    /// ```
    /// use scheduled_runs::arcgis::{CreateTask, CronSchedule, TaskType};
    ///
    /// // Deletes the files that old jobs left behind, each night at four (UTC).
    /// let request = CreateTask::new(TaskType::CleanGpJobs, CronSchedule::daily(4, 0)?)
    ///     .title("nightly clean-up");
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host/portal".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/portal/admin/system/tasks/createTask");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    CreateTask {} without new
    state { definition: Definition }
    for ArcGis, "arcgis.tasks.create", NotIdempotent: POST "admin" / "system" / "tasks" / "createTask" -> Changed,
    with |this, request| this.definition.write(request, []),
    decode json::accepted
}

impl CreateTask {
    /// A task of this kind that runs on this schedule.
    pub fn new(kind: impl Into<TaskType>, schedule: CronSchedule) -> Self {
        Self { definition: Definition::new(kind.into().as_str(), schedule) }
    }

    definition_setters!();
}

operation! {
    /// Updates a task as a whole: settings that are not sent may be reset, so send all of them, as [`of`](Self::of) does. The update
    /// takes effect with the next run.
    ///
    /// Source: Enterprise Administrator API, "Update (Task)", `POST /admin/system/tasks/{task}/update`, since 10.9. Inferred:
    /// settings that are not sent may be reset, because the vendor's own client sends all of them.
    UpdateTask { task: TaskId } without new
    state { definition: Definition }
    for ArcGis, "arcgis.tasks.update", Idempotent: POST "admin" / "system" / "tasks" / {task} / "update" -> Changed,
    with |this, request| this.definition.write(request, []),
    decode json::accepted
}

impl UpdateTask {
    /// Sets kind and schedule of the task and nothing else: see [`of`](Self::of).
    pub fn new(task: impl Into<TaskId>, kind: impl Into<TaskType>, schedule: CronSchedule) -> Self {
        Self { task: task.into(), definition: Definition::new(kind.into().as_str(), schedule) }
    }

    /// Begins with the present settings of a task: all of them are sent back, except those that you change with the setters.
    ///
    /// ```no_run
    /// # async fn program(client: scheduled_runs::arcgis::Client) -> scheduled_runs::Result<()> {
    /// use scheduled_runs::arcgis::{CronSchedule, GetTask, UpdateTask};
    ///
    /// let task = client.send(GetTask::new("5f0cdc50cf36460990bb6edfe9b60e08")).await?;
    /// client.send(UpdateTask::of(&task)?.schedule(CronSchedule::daily(5, 30)?)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the task has no kind or no schedule.
    pub fn of(task: &Task) -> Result<Self> {
        let (Some(kind), Some(schedule)) = (&task.kind, &task.cron_schedule) else {
            return Err(Error::config(
                "the task has no kind or no schedule; use `UpdateTask::new`",
            ));
        };
        let definition = Definition {
            title: task.title.as_deref().map(Into::into),
            parameters: task.parameters.clone(),
            item_id: task.item_id.as_deref().map(Into::into),
            start_date: task.start_date.as_ref().and_then(Time::utc),
            end_date: task.end_date.as_ref().and_then(Time::utc),
            max_occurrences: task.max_occurrences,
            ..Definition::new(kind.as_str(), schedule.clone())
        };
        Ok(Self { task: task.id.clone(), definition })
    }

    /// Schedule.
    pub fn schedule(mut self, schedule: CronSchedule) -> Self {
        self.definition.schedule = schedule;
        self
    }

    item_setter!();
    definition_setters!();
}

operation! {
    /// Lets a task run on its schedule again.
    ///
    /// Source: Enterprise Administrator API, "Enable Task", `POST /admin/system/tasks/{task}/enable`, since 10.9.
    EnableTask { task: TaskId }
    for ArcGis, "arcgis.tasks.enable", Idempotent: POST "admin" / "system" / "tasks" / {task} / "enable" -> Changed,
    decode json::accepted
}

operation! {
    /// Keeps a task from running until it is enabled.
    ///
    /// Source: Enterprise Administrator API, "Disable Task", `POST /admin/system/tasks/{task}/disable`, since 10.9.
    DisableTask { task: TaskId }
    for ArcGis, "arcgis.tasks.disable", Idempotent: POST "admin" / "system" / "tasks" / {task} / "disable" -> Changed,
    decode json::accepted
}

operation! {
    /// Deletes a task. A second delete would fail, because the task no longer exists.
    ///
    /// Source: Enterprise Administrator API, "Delete Task", `POST /admin/system/tasks/{task}/delete`, since 10.9.
    DeleteTask { task: TaskId }
    for ArcGis, "arcgis.tasks.delete", NotIdempotent: POST "admin" / "system" / "tasks" / {task} / "delete" -> Changed,
    decode json::accepted
}

/// A scheduled task of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "TaskFields<Box<str>>", rename_all = "camelCase")]
#[non_exhaustive]
pub struct Task {
    /// Id. Responses have it as `id`, `taskId`, or both.
    pub id: TaskId,
    /// Title; `taskTitle` in responses.
    #[serde(rename = "taskTitle")]
    pub title: Option<Box<str>>,
    /// What the task does; `taskType` in responses. [`CreateTask`] accepts this name.
    #[serde(rename = "taskType")]
    pub kind: Option<TaskType>,
    /// Another name of the kind, such as `CREATE_BACKUP_TASK_TYPE`; `type` in responses. No request accepts it.
    #[serde(rename = "type")]
    pub type_constant: Option<Box<str>>,
    /// Id of its owner.
    pub owner_id: Option<Box<str>>,
    /// Id of the organisation.
    pub org_id: Option<Box<str>>,
    /// State. The server disables a task after several consecutive failed runs: 5, unless a limit sets another number.
    #[serde(rename = "taskState")]
    pub state: Option<TaskState>,
    /// Whether the task will run again.
    pub active: Option<bool>,
    /// Schedule.
    pub cron_schedule: Option<CronSchedule>,
    /// The schedule as one text, with seconds in front.
    pub cron_expression: Option<Box<str>>,
    /// Time between two runs. The docs call it the length of the last run; the samples show otherwise.
    #[serde(rename = "runIntervalSeconds", serialize_with = "lenient::write_seconds")]
    pub run_interval: Option<Duration>,
    /// Number of runs after which the task ends; -1 means never.
    pub max_occurrences: Option<i64>,
    /// The item the task runs on: a UUID with dashes.
    pub item_id: Option<Box<str>>,
    /// Increases with each change.
    pub generation: Option<u64>,
    /// When the task was created.
    pub created: Option<Time>,
    /// When the task last changed.
    pub updated: Option<Time>,
    /// When the task last ran; `None` before its first run.
    pub last_start: Option<Time>,
    /// The task runs from this time on.
    pub start_date: Option<Time>,
    /// The task runs until this time.
    pub end_date: Option<Time>,
    /// Parameters. Those of a backup contain its passcode in clear text.
    pub parameters: Option<Parameters>,
}

impl TryFrom<TaskFields<Box<str>>> for Task {
    type Error = NoId;

    #[inline]
    fn try_from(mut fields: TaskFields<Box<str>>) -> Result<Self, NoId> {
        Ok(Self {
            id: fields.take_id()?,
            title: fields.take_title(),
            max_occurrences: fields.max_occurrences(),
            kind: fields.task_type,
            type_constant: fields.r#type,
            owner_id: fields.owner_id,
            org_id: fields.org_id,
            state: fields.task_state,
            active: fields.active,
            cron_schedule: fields.cron_schedule,
            cron_expression: fields.cron_expression,
            run_interval: fields.run_interval_seconds,
            item_id: fields.item_id,
            generation: fields.generation,
            created: fields.created,
            updated: fields.updated,
            last_start: fields.last_start,
            start_date: fields.start_date,
            end_date: fields.end_date,
            parameters: fields.parameters,
        })
    }
}

impl Dated for Task {
    fn dates(&mut self, each: &mut dyn FnMut(&mut Time)) {
        let dates = [
            &mut self.created,
            &mut self.updated,
            &mut self.last_start,
            &mut self.start_date,
            &mut self.end_date,
        ];
        dates.into_iter().flatten().for_each(each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arcgis::tests::{base, request_text, utc};
    use crate::arcgis::{BackupParameters, RetentionUnit};
    use crate::client::{ApiRequest, Endpoint as _, Idempotency};
    use crate::error::ErrorKind;

    fn nightly() -> CronSchedule {
        CronSchedule::daily(4, 0).unwrap()
    }

    #[test]
    fn tasks_are_requested_below_the_administrator_api() {
        assert_eq!(request_text(&ListTasks::new()), "GET /admin/system/tasks?f=json");
        assert_eq!(
            request_text(&ListTasks::new().num(50)),
            "GET /admin/system/tasks?num=50&f=json"
        );
        assert_eq!(request_text(&GetTask::new("t/1")), "GET /admin/system/tasks/t%2F1?f=json");
        let error = ListTasks::new().num(0).to_request(&base()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }

    #[test]
    fn a_base_url_that_ends_in_portaladmin_names_the_administrator_api() {
        let base = "https://gis.example.com/portal/portaladmin/".parse().unwrap();
        let request = GetTask::new("t1").to_request(&base).unwrap();
        assert_eq!(
            request.url().as_str(),
            "https://gis.example.com/portal/portaladmin/system/tasks/t1"
        );
    }

    #[test]
    fn a_task_is_created_by_a_form() {
        let backup = BackupParameters::new("nightly", "default", "long passcode");
        let create = CreateTask::new(TaskType::CreateBackup, nightly())
            .title("every night")
            .parameters(backup)
            .start_date(utc("2026-02-03T04:05:06.789Z"))
            .end_date(utc("2027-02-03T04:05:06Z"))
            .max_occurrences(30);
        assert_eq!(
            request_text(&create),
            concat!(
                "POST /admin/system/tasks/createTask\n",
                "content-type: application/x-www-form-urlencoded\n\n",
                "title=every+night&type=CreateBackup&parameters=%7B%22name%22%3A%22nightly%22%2C%22passcode%22",
                "%3A%22long+passcode%22%2C%22storeName%22%3A%22default%22%7D",
                "&startDate=1770091506789&endDate=1801627506000",
                "&minute=0&hour=4&dayOfMonth=*&month=*&dayOfWeek=%3F&maxOccurrences=30&f=json"
            )
        );
        assert_eq!(
            request_text(&CreateTask::new("CreateSomething", nightly())),
            concat!(
                "POST /admin/system/tasks/createTask\n",
                "content-type: application/x-www-form-urlencoded\n\n",
                "type=CreateSomething&minute=0&hour=4&dayOfMonth=*&month=*&dayOfWeek=%3F&f=json"
            )
        );
    }

    #[test]
    fn a_short_passcode_is_refused_and_no_passcode_is_printed() {
        let task = |passcode: &str| {
            let backup = BackupParameters::new("n", "s", passcode).retention(RetentionUnit::Day, 1);
            CreateTask::new(TaskType::CreateBackup, nightly()).parameters(backup)
        };
        let error = task("canary!").to_request(&base()).unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::Config, Some("arcgis.tasks.create"))
        );
        assert!(error.to_string().contains("at least 8"), "{error}");
        assert!(!format!("{error:?}").contains("canary"));
        let (request, create) =
            (task("canary-passcode").to_request(&base()).unwrap(), task("canary-passcode"));
        assert!(!format!("{create:?} {request:?}").contains("canary"));
        assert_eq!(request.redact("no canary-passcode"), "no REDACTED");
        assert!(request.is_confidential(), "its response may hold the passcode");
        assert!(ListTasks::new().to_request(&base()).unwrap().is_confidential());
        assert!(GetTask::new("7").to_request(&base()).unwrap().is_confidential());
    }

    #[test]
    fn an_update_sends_back_what_the_response_held() {
        let task: Task = serde_json::from_str(
            r#"{"taskId":"t1","taskType":"CreateBackup","type":"CREATE_BACKUP_TASK_TYPE","taskTitle":"x",
                "cronSchedule":{"minute":"0","hour":"4","dayOfMonth":"?","month":"*","dayOfWeek":"7"},
                "maxOccurences":-1,"itemId":"","parameters":{ "name": "n", "passcode": "canary-passcode" },
                "startDate":"Apr 22, 2021, 3:00:00 AM"}"#,
        )
        .unwrap();
        assert!(!format!("{task:?}").contains("canary"));
        let update = UpdateTask::of(&task).unwrap().item_id("i1");
        assert!(!format!("{update:?}").contains("canary"));
        assert_eq!(
            request_text(&update),
            concat!(
                "POST /admin/system/tasks/t1/update\n",
                "content-type: application/x-www-form-urlencoded\n\n",
                "title=x&type=CreateBackup&parameters=%7B+%22name%22%3A+%22n%22%2C+%22passcode%22%3A+%22canary-passcode%22+%7D",
                "&itemId=i1&startDate=1619060400000",
                "&minute=0&hour=4&dayOfMonth=%3F&month=*&dayOfWeek=7&maxOccurrences=-1&f=json"
            )
        );
        assert_eq!(
            request_text(
                &UpdateTask::new("t1", "CleanGPJobs", nightly())
                    .schedule(CronSchedule::hourly(7).unwrap())
                    .unlimited()
            ),
            concat!(
                "POST /admin/system/tasks/t1/update\n",
                "content-type: application/x-www-form-urlencoded\n\n",
                "type=CleanGPJobs&minute=7&hour=*&dayOfMonth=*&month=*&dayOfWeek=%3F&maxOccurrences=-1&f=json"
            )
        );
        let bare: Task = serde_json::from_str(r#"{"id":"t1"}"#).unwrap();
        assert_eq!(UpdateTask::of(&bare).unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn tasks_are_enabled_disabled_and_deleted_by_post() {
        let form = "\ncontent-type: application/x-www-form-urlencoded\n\nf=json";
        for (text, verb) in [
            (request_text(&EnableTask::new("t1")), "enable"),
            (request_text(&DisableTask::new("t1")), "disable"),
            (request_text(&DeleteTask::new("t1")), "delete"),
        ] {
            assert_eq!(text, format!("POST /admin/system/tasks/t1/{verb}{form}"));
        }
        let idempotency = |request: ApiRequest| request.idempotency();
        assert_eq!(
            idempotency(EnableTask::new("t").to_request(&base()).unwrap()),
            Idempotency::Idempotent
        );
        assert_eq!(
            idempotency(DeleteTask::new("t").to_request(&base()).unwrap()),
            Idempotency::NotIdempotent
        );
    }
}
