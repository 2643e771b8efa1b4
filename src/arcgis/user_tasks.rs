//! Tasks of the sharing API, which belong to a user: list, get, create, update, enable, disable, delete.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ArcGis;
use super::cron::CronSchedule;
use super::definition::{Definition, definition_setters, item_setter};
use super::fields::{NoId, TaskFields, TaskId, TaskState, UserTaskType, Username};
use super::list::{Paging, list_setters};
use super::parameters::Parameters;
use super::request::{Changed, dated};
use super::time::{Dated, Time};
use crate::client::{RequestBuilder, json, operation};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::wire::lenient;

/// Which tasks a list returns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    item_id: Option<String>,
    active: Option<bool>,
    types: Vec<UserTaskType>,
}

impl Filter {
    fn write(&self, request: RequestBuilder) -> RequestBuilder {
        let types: Vec<_> = self.types.iter().map(UserTaskType::as_str).collect();
        let one_each = if types.iter().any(|name| name.contains(',')) {
            Err(Error::config("a task type contains a comma; pass each type on its own"))
        } else {
            Ok(())
        };
        request
            .check(one_each)
            .query("itemId", self.item_id.as_ref())
            .query("active", self.active)
            .query("types", (!types.is_empty()).then(|| types.join(",")))
    }
}

macro_rules! filter_setters {
    () => {
        /// Only tasks that run on this item.
        pub fn item_id(mut self, item: impl Into<String>) -> Self {
            self.filter.item_id = Some(item.into());
            self
        }

        /// Only tasks that will run again, or only those that will not.
        pub fn active(mut self, active: bool) -> Self {
            self.filter.active = Some(active);
            self
        }

        /// Only tasks of these types. Inferred: sent with commas between them.
        pub fn types<T: Into<UserTaskType>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
            self.filter.types = types.into_iter().map(Into::into).collect();
            self
        }
    };
}

operation! {
    /// Lists the scheduled tasks of a user. Newer servers can sort the list; the names of those parameters are not confirmed.
    ///
    /// The response also has `activeTasksAvailable`, the number of further active tasks the user may have: read it from
    /// [`Response::body`](crate::Response::body).
    ///
    /// Source: ArcGIS REST API, "All User Scheduled Tasks", `GET /sharing/rest/community/users/{user}/tasks`, since 10.8.1; the
    /// vendor's own client for paging.
    ListUserTasks { user: Username }
    state { filter: Filter }
    pages counted { paging: Paging, item: UserTask, key: id }
    for ArcGis, "arcgis.user_tasks.list", Safe:
    GET "sharing" / "rest" / "community" / "users" / {user} / "tasks" -> Page<UserTask>,
    with |this, request| this.filter.write(request)
}

impl ListUserTasks {
    filter_setters!();
    list_setters!();
}

operation! {
    /// Lists the scheduled tasks of all users of an organisation, by default the caller's. For administrators.
    ///
    /// Source: ArcGIS REST API, "All Scheduled Tasks (Organization)", `GET /sharing/rest/portals/{portal}/allScheduledTasks`,
    /// since 10.8.1. The newest page lists it as POST; its sample and the vendor's own client send GET.
    ListScheduledTasks {}
    state { portal: String = "self".to_owned(), filter: Filter, user: Option<Username> }
    pages counted { paging: Paging, item: UserTask, key: id }
    for ArcGis, "arcgis.user_tasks.list_all", Safe:
    GET "sharing" / "rest" / "portals" / {portal} / "allScheduledTasks" -> Page<UserTask>,
    with |this, request| this.filter.write(request).query("userFilter", this.user.as_ref())
}

impl ListScheduledTasks {
    /// Only tasks of the organisation with this id.
    pub fn portal(mut self, id: impl Into<String>) -> Self {
        self.portal = id.into();
        self
    }

    /// Only tasks of this user.
    pub fn user(mut self, user: impl Into<Username>) -> Self {
        self.user = Some(user.into());
        self
    }

    filter_setters!();
    list_setters!();
}

operation! {
    /// Gets one task of a user.
    ///
    /// Source: ArcGIS REST API, "Task", `GET /sharing/rest/community/users/{user}/tasks/{task}`, since 10.8.1.
    GetUserTask { user: Username, task: TaskId }
    for ArcGis, "arcgis.user_tasks.get", Safe:
    GET "sharing" / "rest" / "community" / "users" / {user} / "tasks" / {task} -> UserTask,
    decode dated
}

operation! {
    /// Creates a task of a user: of the caller, or, for administrators, of any user.
    ///
    /// ```
    /// use scheduled_runs::arcgis::{CreateUserTask, CronSchedule, UserTaskType};
    /// use serde_json::json;
    ///
    /// // The parameters of the notebook are a JSON text inside the JSON.
    /// let hourly = CronSchedule::hourly(5)?;
    /// let request = CreateUserTask::new("jsmith", UserTaskType::ExecuteNotebook, hourly)
    ///     .item_id("029b61ca770e428d9468a2a55f40b9fb")
    ///     .parameters(json!({ "updatePortalItem": true, "notebookParameters": "{}" }));
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    ///
    /// Source: ArcGIS REST API, "Create Task", `POST /sharing/rest/community/users/{user}/tasks/createTask`, since 10.8.1; the
    /// page's sample has a task's id in the path, the vendor's own client does not.
    CreateUserTask { user: Username } without new
    state { definition: Definition, task_url: Option<String> }
    for ArcGis, "arcgis.user_tasks.create", NotIdempotent:
    POST "sharing" / "rest" / "community" / "users" / {user} / "tasks" / "createTask" -> Changed,
    // The vendor's own client sends `taskURL` here, and `taskUrl` in an update.
    with |this, request| this.definition.write(request, this.task_url.clone().map(|url| ("taskURL", url))),
    decode json::accepted
}

impl CreateUserTask {
    /// A task of this user and this kind that runs on this schedule.
    pub fn new(
        user: impl Into<Username>,
        kind: impl Into<UserTaskType>,
        schedule: CronSchedule,
    ) -> Self {
        Self {
            user: user.into(),
            definition: Definition::new(kind.into().as_str(), schedule),
            task_url: None,
        }
    }

    /// URL of the geoprocessing task, for [`GpService`](UserTaskType::GpService).
    pub fn task_url(mut self, url: impl Into<String>) -> Self {
        self.task_url = Some(url.into());
        self
    }

    item_setter!();
    definition_setters!();
}

operation! {
    /// Updates a task as a whole: settings that are not sent may be reset, so send all of them, as [`of`](Self::of) does. Inferred:
    /// the docs do not say whether they are reset; the vendor's own client sends all of them, and 10 for `maxOccurrences` if its
    /// caller sets nothing.
    ///
    /// Source: ArcGIS REST API, "Update Task", `POST /sharing/rest/community/users/{user}/tasks/{task}/update`, since 10.8.1.
    UpdateUserTask { user: Username, task: TaskId } without new
    state { definition: Definition, active: Option<bool>, task_url: Option<String> }
    for ArcGis, "arcgis.user_tasks.update", Idempotent:
    POST "sharing" / "rest" / "community" / "users" / {user} / "tasks" / {task} / "update" -> Changed,
    with |this, request| {
        let active = this.active.map(|active| ("isActive", active.to_string()));
        let task_url = this.task_url.clone().map(|url| ("taskUrl", url));
        this.definition.write(request, active.into_iter().chain(task_url))
    },
    decode json::accepted
}

impl UpdateUserTask {
    /// Sets kind and schedule of the task and nothing else: see [`of`](Self::of).
    pub fn new(
        user: impl Into<Username>,
        task: impl Into<TaskId>,
        kind: impl Into<UserTaskType>,
        schedule: CronSchedule,
    ) -> Self {
        Self {
            user: user.into(),
            task: task.into(),
            definition: Definition::new(kind.into().as_str(), schedule),
            active: None,
            task_url: None,
        }
    }

    /// Begins with the present settings of a task: all of them are sent back, except those that you change with the setters, and
    /// except whether it is active.
    ///
    /// ```no_run
    /// # async fn program(client: scheduled_runs::arcgis::Client) -> scheduled_runs::Result<()> {
    /// use scheduled_runs::arcgis::{CronSchedule, GetUserTask, UpdateUserTask};
    ///
    /// let task =
    ///     client.send(GetUserTask::new("jsmith", "5f0cdc50cf36460990bb6edfe9b60e08")).await?;
    /// client.send(UpdateUserTask::of(&task)?.schedule(CronSchedule::hourly(15)?)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the task has no user, no kind or no schedule.
    pub fn of(task: &UserTask) -> Result<Self> {
        let (Some(user), Some(kind), Some(schedule)) =
            (&task.user, &task.kind, &task.cron_schedule)
        else {
            return Err(Error::config(
                "the task has no user, kind or schedule; use `UpdateUserTask::new`",
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
        Ok(Self {
            user: user.clone(),
            task: task.id.clone(),
            definition,
            active: None,
            task_url: task.task_url.as_deref().map(Into::into),
        })
    }

    /// Schedule.
    pub fn schedule(mut self, schedule: CronSchedule) -> Self {
        self.definition.schedule = schedule;
        self
    }

    /// Whether the task will run again. Not documented: the vendor's own client sends it as `isActive`.
    pub fn active(mut self, active: bool) -> Self {
        self.active = Some(active);
        self
    }

    /// URL of the geoprocessing task, for [`GpService`](UserTaskType::GpService).
    pub fn task_url(mut self, url: impl Into<String>) -> Self {
        self.task_url = Some(url.into());
        self
    }

    item_setter!();
    definition_setters!();
}

operation! {
    /// Lets a task run on its schedule again.
    ///
    /// Source: ArcGIS REST API, "Enable Task", `POST /sharing/rest/community/users/{user}/tasks/{task}/enable`, since 10.8.1.
    EnableUserTask { user: Username, task: TaskId }
    for ArcGis, "arcgis.user_tasks.enable", Idempotent:
    POST "sharing" / "rest" / "community" / "users" / {user} / "tasks" / {task} / "enable" -> Changed,
    decode json::accepted
}

operation! {
    /// Keeps a task from running until it is enabled.
    ///
    /// Source: ArcGIS REST API, "Disable Task", `POST /sharing/rest/community/users/{user}/tasks/{task}/disable`, since 10.8.1.
    DisableUserTask { user: Username, task: TaskId }
    for ArcGis, "arcgis.user_tasks.disable", Idempotent:
    POST "sharing" / "rest" / "community" / "users" / {user} / "tasks" / {task} / "disable" -> Changed,
    decode json::accepted
}

operation! {
    /// Deletes a task. A second delete would fail, because the task no longer exists.
    ///
    /// Source: ArcGIS REST API, "Delete Task", `POST /sharing/rest/community/users/{user}/tasks/{task}/delete`, since 10.8.1.
    DeleteUserTask { user: Username, task: TaskId }
    for ArcGis, "arcgis.user_tasks.delete", NotIdempotent:
    POST "sharing" / "rest" / "community" / "users" / {user} / "tasks" / {task} / "delete" -> Changed,
    decode json::accepted
}

/// A scheduled task of a user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "TaskFields<UserTaskType>", rename_all = "camelCase")]
#[non_exhaustive]
pub struct UserTask {
    /// Id.
    pub id: TaskId,
    /// Title.
    pub title: Option<Box<str>>,
    /// What the task does; `type` in responses.
    #[serde(rename = "type")]
    pub kind: Option<UserTaskType>,
    /// Its owner; `userId` in responses, although it is a name.
    #[serde(rename = "userId")]
    pub user: Option<Username>,
    /// State. The server disables a task after several consecutive failed runs (5, unless a limit sets another number), and when
    /// its notebook gets another owner.
    #[serde(rename = "taskState")]
    pub state: Option<TaskState>,
    /// Whether the task will run again.
    pub active: Option<bool>,
    /// Schedule.
    pub cron_schedule: Option<CronSchedule>,
    /// Time between two runs. The docs call it the length of the last run; the samples show otherwise.
    #[serde(rename = "runIntervalSeconds", serialize_with = "lenient::write_seconds")]
    pub run_interval: Option<Duration>,
    /// Number of runs after which the task ends; -1 means never.
    pub max_occurrences: Option<i64>,
    /// The item the task runs on: 32 hexadecimal digits.
    pub item_id: Option<Box<str>>,
    /// URL of the geoprocessing task.
    pub task_url: Option<Box<str>>,
    /// When the task was created.
    pub created: Option<Time>,
    /// When the task last changed.
    pub updated: Option<Time>,
    /// When the task last ran; `None` before its first run.
    pub last_start: Option<Time>,
    /// When the task will run next. (In a list, the member of this name is where the next page begins.)
    pub next_start: Option<Time>,
    /// The task runs from this time on.
    pub start_date: Option<Time>,
    /// The task runs until this time.
    pub end_date: Option<Time>,
    /// Parameters.
    pub parameters: Option<Parameters>,
}

impl TryFrom<TaskFields<UserTaskType>> for UserTask {
    type Error = NoId;

    #[inline]
    fn try_from(mut fields: TaskFields<UserTaskType>) -> Result<Self, NoId> {
        Ok(Self {
            id: fields.take_id()?,
            title: fields.take_title(),
            max_occurrences: fields.max_occurrences(),
            task_url: fields.take_task_url(),
            kind: fields.r#type,
            user: fields.user_id.as_deref().map(Into::into),
            state: fields.task_state,
            active: fields.active,
            cron_schedule: fields.cron_schedule,
            run_interval: fields.run_interval_seconds,
            item_id: fields.item_id,
            created: fields.created,
            updated: fields.updated,
            last_start: fields.last_start,
            next_start: fields.next_start,
            start_date: fields.start_date,
            end_date: fields.end_date,
            parameters: fields.parameters,
        })
    }
}

impl Dated for UserTask {
    fn dates(&mut self, each: &mut dyn FnMut(&mut Time)) {
        let dates = [
            &mut self.created,
            &mut self.updated,
            &mut self.last_start,
            &mut self.next_start,
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
    use crate::client::Endpoint as _;
    use crate::error::ErrorKind;

    const FORM: &str = "\ncontent-type: application/x-www-form-urlencoded\n\n";

    #[test]
    fn tasks_are_listed_below_their_user_or_for_the_whole_organisation() {
        assert_eq!(
            request_text(&ListUserTasks::new("jsmith@acme")),
            "GET /sharing/rest/community/users/jsmith%40acme/tasks?f=json"
        );
        assert_eq!(
            request_text(
                &ListUserTasks::new(r"ACME\j smith")
                    .item_id("i1")
                    .active(true)
                    .types([UserTaskType::ExecuteNotebook, "Other".into()])
                    .num(100)
            ),
            "GET /sharing/rest/community/users/ACME%5Cj%20smith/tasks?itemId=i1&active=true&types=ExecuteNotebook%2COther&num=100&f=json"
        );
        assert_eq!(
            request_text(&ListScheduledTasks::new()),
            "GET /sharing/rest/portals/self/allScheduledTasks?f=json"
        );
        assert_eq!(
            request_text(&ListScheduledTasks::new().portal("p1").user("jsmith").active(false)),
            "GET /sharing/rest/portals/p1/allScheduledTasks?active=false&userFilter=jsmith&f=json"
        );
    }

    #[test]
    fn a_type_that_would_be_read_as_two_is_refused() {
        let list = ListUserTasks::new("jsmith").types(["ExecuteNotebook,Other"]);
        assert_eq!(list.to_request(&base()).unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn a_task_is_created_by_a_form() {
        let create = CreateUserTask::new(
            "jsmith",
            "ExecuteNotebook",
            CronSchedule::every_minutes(1).unwrap(),
        )
        .title("each minute")
        .item_id("i1")
        .parameters(serde_json::json!({"notebookParameters": "{}"}))
        .start_date(utc("2020-05-14T04:00:00Z"))
        .max_occurrences(30);
        assert_eq!(
            request_text(&create),
            format!(
                "POST /sharing/rest/community/users/jsmith/tasks/createTask{FORM}{}{}",
                "title=each+minute&type=ExecuteNotebook&parameters=%7B%22notebookParameters%22%3A%22%7B%7D%22%7D",
                "&itemId=i1&startDate=1589428800000&minute=*%2F1&hour=*&dayOfMonth=*&month=*&dayOfWeek=%3F&maxOccurrences=30&f=json"
            )
        );
        let service = CreateUserTask::new(
            "jsmith",
            UserTaskType::GpService,
            CronSchedule::hourly(0).unwrap(),
        )
        .task_url("https://h/x");
        assert_eq!(
            request_text(&service),
            format!(
                "POST /sharing/rest/community/users/jsmith/tasks/createTask{FORM}{}",
                "type=GPService&minute=0&hour=*&dayOfMonth=*&month=*&dayOfWeek=%3F&taskURL=https%3A%2F%2Fh%2Fx&f=json"
            )
        );
    }

    #[test]
    fn an_update_sends_back_what_the_response_held() {
        let task: UserTask = serde_json::from_str(
            r#"{"id":"t1","userId":"jsmith","type":"GPService","title":"x","taskUrl":"https://h/x","itemId":"i1",
                "cronSchedule":{"minute":"0","hour":"*","dayOfMonth":"*","month":"*","dayOfWeek":"?"},
                "maxOccurrences":12,"endDate":1589428800000,"nextStart":7,"active":true}"#,
        )
        .unwrap();
        assert_eq!(
            request_text(&UpdateUserTask::of(&task).unwrap()),
            format!(
                "POST /sharing/rest/community/users/jsmith/tasks/t1/update{FORM}{}",
                "title=x&type=GPService&itemId=i1&endDate=1589428800000&minute=0&hour=*&dayOfMonth=*&month=*&dayOfWeek=%3F&maxOccurrences=12&taskUrl=https%3A%2F%2Fh%2Fx&f=json"
            )
        );
        let new =
            UpdateUserTask::new("jsmith", "t1", "ExecuteReport", CronSchedule::hourly(0).unwrap())
                .schedule(CronSchedule::hourly(7).unwrap())
                .active(false)
                .task_url("u");
        assert_eq!(
            request_text(&new),
            format!(
                "POST /sharing/rest/community/users/jsmith/tasks/t1/update{FORM}{}",
                "type=ExecuteReport&minute=7&hour=*&dayOfMonth=*&month=*&dayOfWeek=%3F&isActive=false&taskUrl=u&f=json"
            )
        );
        let bare: UserTask = serde_json::from_str(r#"{"id":"t1"}"#).unwrap();
        assert_eq!(UpdateUserTask::of(&bare).unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn one_task_is_requested_enabled_disabled_and_deleted() {
        let path = "/sharing/rest/community/users/admin/tasks/t1";
        assert_eq!(request_text(&GetUserTask::new("admin", "t1")), format!("GET {path}?f=json"));
        for (text, verb) in [
            (request_text(&EnableUserTask::new("admin", "t1")), "enable"),
            (request_text(&DisableUserTask::new("admin", "t1")), "disable"),
            (request_text(&DeleteUserTask::new("admin", "t1")), "delete"),
        ] {
            assert_eq!(text, format!("POST {path}/{verb}{FORM}f=json"));
        }
        let error = GetUserTask::new("", "t1").to_request(&base()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
