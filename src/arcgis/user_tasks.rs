//! Tasks of the sharing API, which belong to a user: list, get, create, update, enable, disable, delete.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use url::Url;

use super::ArcGis;
use super::cron::CronSchedule;
use super::definition::{Definition, definition_setters, item_setter};
use super::fields::{NoId, TaskFields, TaskId, TaskState, Username};
use super::list::{Paging, paged};
use super::parameters::Parameters;
use super::request::{Changed, Place, dated, request, start};
use super::time::{Dated, Time};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, PagedEndpoint as _, RequestBuilder};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::wire::{json, open_enum};

/// Which tasks of a list are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    item_id: Option<String>,
    active: Option<bool>,
    types: Vec<UserTaskType>,
}

impl Filter {
    fn write(&self, builder: RequestBuilder) -> RequestBuilder {
        let types: Vec<_> = self.types.iter().map(UserTaskType::as_str).collect();
        builder
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

        /// Only tasks that will go on to run, or only those that will not.
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

/// Lists the scheduled tasks of a user. Newer servers can sort the list; the names of those parameters are not confirmed.
///
/// How many more active tasks the user may have stands in the answer's `activeTasksAvailable`, which
/// [`Response::body`](crate::Response::body) has.
///
/// Source: ArcGIS REST API, "All User Scheduled Tasks", `GET /sharing/rest/community/users/{user}/tasks`, since 10.8.1; the
/// vendor's own client for paging. Safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListUserTasks {
    user: Username,
    filter: Filter,
    paging: Paging,
}

impl ListUserTasks {
    /// The tasks of this user.
    pub fn new(user: impl Into<Username>) -> Self {
        Self { user: user.into(), filter: Filter::default(), paging: Paging::default() }
    }

    filter_setters!();
}

impl Endpoint for ListUserTasks {
    type Api = ArcGis;
    type Output = Page<UserTask>;
    const OPERATION: &'static str = "arcgis.user_tasks.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["community", "users", self.user.as_str(), "tasks"];
        let builder = start::<Self>(Method::GET, base, Place::Sharing, &path);
        self.paging.write(self.filter.write(builder)).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<UserTask>> {
        self.paging.page(meta, body, Self::key)
    }
}

/// Lists the scheduled tasks of all users of an organisation. For administrators.
///
/// Source: ArcGIS REST API, "All Scheduled Tasks (Organization)", `GET /sharing/rest/portals/{portal}/allScheduledTasks`,
/// since 10.8.1. The newest page lists it as POST; its sample and the vendor's own client send GET. Safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListScheduledTasks {
    portal: String,
    user: Option<Username>,
    filter: Filter,
    paging: Paging,
}

impl Default for ListScheduledTasks {
    fn default() -> Self {
        Self::new()
    }
}

impl ListScheduledTasks {
    /// The tasks of the caller's organisation.
    pub fn new() -> Self {
        Self {
            portal: "self".to_owned(),
            user: None,
            filter: Filter::default(),
            paging: Paging::default(),
        }
    }

    /// Those of the organisation with this id instead.
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
}

impl Endpoint for ListScheduledTasks {
    type Api = ArcGis;
    type Output = Page<UserTask>;
    const OPERATION: &'static str = "arcgis.user_tasks.list_all";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["portals", &self.portal, "allScheduledTasks"];
        let builder = start::<Self>(Method::GET, base, Place::Sharing, &path);
        let builder = self.filter.write(builder).query("userFilter", self.user.as_ref());
        self.paging.write(builder).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<UserTask>> {
        self.paging.page(meta, body, Self::key)
    }
}

paged! {
    ListUserTasks -> UserTask, id;
    ListScheduledTasks -> UserTask, id;
}

request! {
    /// Gets one task of a user.
    ///
    /// Source: ArcGIS REST API, "Task", `GET /sharing/rest/community/users/{user}/tasks/{task}`, since 10.8.1. Safe to
    /// repeat.
    GetUserTask { user: Username, task: TaskId } "This task of this user."
    GET Sharing ["community", "users", user, "tasks", task] -> UserTask = dated, "arcgis.user_tasks.get", Safe
}

/// Creates a task that belongs to a user: the caller, or for administrators any other.
///
/// ```
/// use scheduled_runs::arcgis::{CreateUserTask, CronSchedule, UserTaskType};
/// use serde_json::json;
///
/// // The notebook's own parameters are a JSON text inside the JSON.
/// let request = CreateUserTask::new("jsmith", UserTaskType::ExecuteNotebook, CronSchedule::hourly(5)?)
///     .item_id("029b61ca770e428d9468a2a55f40b9fb")
///     .parameters(json!({ "updatePortalItem": true, "notebookParameters": "{}" }));
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
///
/// Source: ArcGIS REST API, "Create Task", `POST /sharing/rest/community/users/{user}/tasks/createTask`, since 10.8.1; the
/// page's sample has a task's id in the path, the vendor's own client has none. Each call creates a task, so it is never
/// sent again once it may have been carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct CreateUserTask {
    user: Username,
    definition: Definition,
    task_url: Option<String>,
}

impl CreateUserTask {
    /// A task of this user and this kind, at these times.
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

    /// The URL of the geoprocessing task, for [`GPService`](UserTaskType::GpService).
    pub fn task_url(mut self, url: impl Into<String>) -> Self {
        self.task_url = Some(url.into());
        self
    }

    item_setter!();
    definition_setters!();
}

impl Endpoint for CreateUserTask {
    type Api = ArcGis;
    type Output = Changed;
    const OPERATION: &'static str = "arcgis.user_tasks.create";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path = ["community", "users", self.user.as_str(), "tasks", "createTask"];
        let builder = start::<Self>(Method::POST, base, Place::Sharing, &path);
        // The vendor's own client spells it so here, and `taskUrl` in an update.
        self.definition.write(builder, self.task_url.clone().map(|url| ("taskURL", url)))
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Changed> {
        json::decode(meta, body)
    }
}

/// Updates a task as a whole: what is left out may be reset, so send everything, as [`of`](Self::of) does. Inferred: the
/// docs do not say what becomes of it; the vendor's own client sends everything, and 10 for `maxOccurrences` if it is told
/// nothing.
///
/// Source: ArcGIS REST API, "Update Task", `POST /sharing/rest/community/users/{user}/tasks/{task}/update`, since 10.8.1. The
/// second time changes nothing more, so it is safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct UpdateUserTask {
    user: Username,
    task: TaskId,
    definition: Definition,
    active: Option<bool>,
    task_url: Option<String>,
}

impl UpdateUserTask {
    /// Makes this task of this user one of this kind, at these times, and nothing else: see [`of`](Self::of).
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

    /// Leaves a task as it is, to be changed by the setters: everything that an answer holds is sent back, but for whether it
    /// is active.
    ///
    /// ```no_run
    /// # async fn program(client: scheduled_runs::arcgis::Client) -> scheduled_runs::Result<()> {
    /// use scheduled_runs::arcgis::{CronSchedule, GetUserTask, UpdateUserTask};
    ///
    /// let task = client.send(GetUserTask::new("jsmith", "5f0cdc50cf36460990bb6edfe9b60e08")).await?;
    /// client.send(UpdateUserTask::of(&task)?.schedule(CronSchedule::hourly(15)?)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a task without a user, a kind or a schedule.
    pub fn of(task: &UserTask) -> Result<Self> {
        let (Some(user), Some(kind), Some(schedule)) =
            (&task.user, &task.kind, &task.cron_schedule)
        else {
            return Err(Error::config("the task has no user, kind or schedule; use `new`"));
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

    /// When it runs.
    pub fn schedule(mut self, schedule: CronSchedule) -> Self {
        self.definition.schedule = schedule;
        self
    }

    /// Whether it will go on to run. Not documented: the vendor's own client sends it as `isActive`.
    pub fn active(mut self, active: bool) -> Self {
        self.active = Some(active);
        self
    }

    /// The URL of the geoprocessing task, for [`GPService`](UserTaskType::GpService).
    pub fn task_url(mut self, url: impl Into<String>) -> Self {
        self.task_url = Some(url.into());
        self
    }

    item_setter!();
    definition_setters!();
}

impl Endpoint for UpdateUserTask {
    type Api = ArcGis;
    type Output = Changed;
    const OPERATION: &'static str = "arcgis.user_tasks.update";
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let path =
            ["community", "users", self.user.as_str(), "tasks", self.task.as_str(), "update"];
        let builder = start::<Self>(Method::POST, base, Place::Sharing, &path);
        let active = self.active.map(|active| ("isActive", active.to_string()));
        let task_url = self.task_url.clone().map(|url| ("taskUrl", url));
        self.definition.write(builder, active.into_iter().chain(task_url))
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Changed> {
        json::decode(meta, body)
    }
}

request! {
    /// Lets a task run on its schedule again.
    ///
    /// Source: ArcGIS REST API, "Enable Task", `POST /sharing/rest/community/users/{user}/tasks/{task}/enable`, since 10.8.1.
    /// The second time changes nothing, so it is safe to repeat.
    EnableUserTask { user: Username, task: TaskId } "This task of this user."
    POST Sharing ["community", "users", user, "tasks", task, "enable"] -> Changed = json::decode,
    "arcgis.user_tasks.enable", Idempotent
}

request! {
    /// Keeps a task from running, until it is enabled.
    ///
    /// Source: ArcGIS REST API, "Disable Task", `POST /sharing/rest/community/users/{user}/tasks/{task}/disable`, since
    /// 10.8.1. The second time changes nothing, so it is safe to repeat.
    DisableUserTask { user: Username, task: TaskId } "This task of this user."
    POST Sharing ["community", "users", user, "tasks", task, "disable"] -> Changed = json::decode,
    "arcgis.user_tasks.disable", Idempotent
}

request! {
    /// Deletes a task.
    ///
    /// Source: ArcGIS REST API, "Delete Task", `POST /sharing/rest/community/users/{user}/tasks/{task}/delete`, since 10.8.1.
    /// Never sent again once it may have been carried out: the second time would say that there is no such task.
    DeleteUserTask { user: Username, task: TaskId } "This task of this user."
    POST Sharing ["community", "users", user, "tasks", task, "delete"] -> Changed = json::decode,
    "arcgis.user_tasks.delete", NotIdempotent
}

open_enum! {
    /// What a user's task does.
    UserTaskType {
        /// Runs a notebook.
        ExecuteNotebook = "ExecuteNotebook",
        /// Updates the data of an Insights workbook.
        UpdateInsightsWorkbook = "UpdateInsightsWorkbook",
        /// Builds the cache of a scene layer. It needs parameters.
        ExecuteSceneCook = "ExecuteSceneCook",
        /// Makes a Workflow Manager job.
        ExecuteWorkflowManager = "ExecuteWorkflowManager",
        /// Writes a report about the organisation. It needs parameters, and no item.
        ExecuteReport = "ExecuteReport",
        /// Runs a geoprocessing service.
        GpService = "GPService",
        /// Runs a data pipeline. Only the vendor's own client names it.
        RunDataPipeline = "RunDataPipeline",
    }
}

/// A scheduled task of a user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "TaskFields<UserTaskType>")]
#[non_exhaustive]
pub struct UserTask {
    /// Id.
    pub id: TaskId,
    /// Title.
    pub title: Option<Box<str>>,
    /// What it does, in answers `type`.
    pub kind: Option<UserTaskType>,
    /// Whom it belongs to: in answers `userId`, and a name all the same.
    pub user: Option<Username>,
    /// How it stands. A task turns itself off after several failed runs in a row, 5 unless a limit says otherwise, and when its
    /// notebook changes hands.
    pub state: Option<TaskState>,
    /// Whether it will go on to run.
    pub active: Option<bool>,
    /// When it runs.
    pub cron_schedule: Option<CronSchedule>,
    /// Time between two runs. The docs call it the length of the last run; the samples show otherwise.
    pub run_interval: Option<Duration>,
    /// After how many runs it is over; -1 means never.
    pub max_occurrences: Option<i64>,
    /// The item it runs on: 32 hexadecimal digits.
    pub item_id: Option<Box<str>>,
    /// The geoprocessing task it runs.
    pub task_url: Option<Box<str>>,
    /// When it was created.
    pub created: Option<Time>,
    /// When it last changed.
    pub updated: Option<Time>,
    /// When it last ran; none before its first run.
    pub last_start: Option<Time>,
    /// When it will run next. (In lists, the member of that name is where the list goes on.)
    pub next_start: Option<Time>,
    /// From when on it runs.
    pub start_date: Option<Time>,
    /// Until when it runs.
    pub end_date: Option<Time>,
    /// What it is run with.
    pub parameters: Option<Parameters>,
}

impl TryFrom<TaskFields<UserTaskType>> for UserTask {
    type Error = NoId;

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
    fn an_update_sends_back_what_the_answer_held() {
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
    fn one_task_is_asked_for_enabled_disabled_and_deleted() {
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
