//! What tasks and runs of both APIs have in common: ids, types, states, and the names of their members.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess};

use super::cron::CronSchedule;
use super::parameters::{self, Parameters};
use super::time::{self, Time};
use crate::run::Phase;
use crate::wire::lenient::{self, FromAny, Scalar};
use crate::wire::{id, model, open_enum};

id! {
    /// Id of a scheduled task, of either API.
    TaskId
}

id! {
    /// Id of a run of a task, of either API.
    RunId
}

id! {
    /// Name of a user of the portal. Case-sensitive.
    Username
}

open_enum! {
    /// Status of a run. Source: both APIs.
    RunStatus {
        /// Waiting for its scheduled time.
        Scheduled = "scheduled",
        /// Running.
        Executing = "executing",
        /// Finished successfully.
        Succeeded = "succeeded",
        /// Ended before it started.
        Skipped = "skipped",
        /// Failed.
        Failed = "failed",
        /// Failed: it could not be started.
        SubmitFailed = "submitfailed",
    }
}

impl RunStatus {
    /// The phase of a run with this status. Inferred from the names.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Scheduled => Phase::Queued,
            Self::Executing => Phase::Running,
            Self::Succeeded => Phase::Succeeded,
            Self::Skipped => Phase::Skipped,
            Self::Failed | Self::SubmitFailed => Phase::Failed,
            Self::Unknown(_) => Phase::Unknown,
        }
    }

    /// Whether the run has ended. False for an unknown status.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.phase().is_terminal()
    }
}

open_enum! {
    /// What a task of the administrator API does. The name of the type that reports health, since 11.4, is not documented.
    TaskType {
        /// Deletes the files that finished geoprocessing jobs left behind.
        CleanGpJobs = "CleanGPJobs",
        /// Deletes backups whose retention period has ended.
        BackupRetentionCleaner = "BackupRetentionCleaner",
        /// Makes a backup; see [`BackupParameters`](super::BackupParameters).
        CreateBackup = "CreateBackup",
    }
}

open_enum! {
    /// What a user's task does.
    UserTaskType {
        /// Runs a notebook.
        ExecuteNotebook = "ExecuteNotebook",
        /// Updates the data of an Insights workbook.
        UpdateInsightsWorkbook = "UpdateInsightsWorkbook",
        /// Builds the cache of a scene layer. Needs parameters.
        ExecuteSceneCook = "ExecuteSceneCook",
        /// Creates a Workflow Manager job.
        ExecuteWorkflowManager = "ExecuteWorkflowManager",
        /// Creates a report about the organisation. Needs parameters, but no item.
        ExecuteReport = "ExecuteReport",
        /// Runs a geoprocessing service.
        GpService = "GPService",
        /// Runs a data pipeline. Known only from the vendor's own client.
        RunDataPipeline = "RunDataPipeline",
    }
}

open_enum! {
    /// State of a task. The states of a task that failed or was disabled are not documented.
    TaskState {
        /// The task runs on its schedule.
        Active = "active",
        /// The task was disabled.
        Paused = "paused",
        /// The last run of the task has ended.
        Completed = "completed",
    }
}

model! {
    /// A task as either API sends it. Their names for a member differ, and one response may use both, so each name has its own field.
    /// `T` is the type of `type`: the kind of a user's task, another constant of a task of the deployment.
    pub(super) struct TaskFields<T> {
        id: Option<Box<str>> as "id" with lenient::text,
        task_id: Option<Box<str>> as "taskId" with lenient::text,
        title: Option<Box<str>> as "title" with lenient::text,
        task_title: Option<Box<str>> as "taskTitle" with lenient::text,
        pub(super) r#type: Option<T> as "type",
        pub(super) task_type: Option<TaskType> as "taskType",
        pub(super) owner_id: Option<Box<str>> as "ownerId" with lenient::text,
        pub(super) user_id: Option<Box<str>> as "userId" with lenient::text,
        pub(super) org_id: Option<Box<str>> as "orgId" with lenient::text,
        pub(super) task_state: Option<TaskState> as "taskState",
        pub(super) active: Option<bool> as "active" with lenient::boolean,
        pub(super) cron_schedule: Option<CronSchedule> as "cronSchedule" with lenient::object,
        pub(super) cron_expression: Option<Box<str>> as "cronExpression" with lenient::text,
        pub(super) run_interval_seconds: Option<std::time::Duration> as "runIntervalSeconds"
            with lenient::seconds,
        max_occurrences: Option<i64> as "maxOccurrences" with integer,
        /// The spelling of some pages.
        max_occurrences_misspelt: Option<i64> as "maxOccurences" with integer,
        pub(super) item_id: Option<Box<str>> as "itemId" with filled,
        pub(super) generation: Option<u64> as "generation" with lenient::count,
        pub(super) created: Option<Time> as "created" with time::lenient,
        pub(super) updated: Option<Time> as "updated" with time::lenient,
        pub(super) last_start: Option<Time> as "lastStart" with time::lenient,
        pub(super) next_start: Option<Time> as "nextStart" with time::lenient,
        pub(super) start_date: Option<Time> as "startDate" with time::lenient,
        pub(super) end_date: Option<Time> as "endDate" with time::lenient,
        pub(super) parameters: Option<Parameters> as "parameters" with parameters::lenient,
        task_url: Option<Box<str>> as "taskUrl" with filled,
        /// The spelling of the vendor's own client when it creates a task.
        task_url_upper: Option<Box<str>> as "taskURL" with filled,
    }
}

/// A task without an id.
pub(super) struct NoId;

impl NoId {
    const TEXT: &str = "missing field `id`";
}

impl fmt::Display for NoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::TEXT)
    }
}

/// The task of a run. Without an id it is of no use, but the run is.
pub(super) fn task<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    struct WithId<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> FromAny<'de> for WithId<T> {
        type Value = Option<T>;

        fn scalar<E: Error>(self, value: Scalar<'_>) -> Result<Option<T>, E> {
            value.refuse()
        }

        fn object<M: MapAccess<'de>>(self, map: M) -> Result<Option<T>, M::Error> {
            match T::deserialize(MapAccessDeserializer::new(map)) {
                Err(error) if error.to_string() == NoId::TEXT => Scalar::Object.refuse(),
                task => task.map(Some),
            }
        }
    }

    lenient::any(deserializer, WithId(PhantomData))
}

impl<T> TaskFields<T> {
    pub(super) fn take_id(&mut self) -> Result<TaskId, NoId> {
        let id = self.id.take().or_else(|| self.task_id.take());
        id.map(|id| TaskId::from(String::from(id))).ok_or(NoId)
    }

    pub(super) fn take_title(&mut self) -> Option<Box<str>> {
        self.task_title.take().or_else(|| self.title.take())
    }

    pub(super) fn take_task_url(&mut self) -> Option<Box<str>> {
        self.task_url.take().or_else(|| self.task_url_upper.take())
    }

    pub(super) fn max_occurrences(&self) -> Option<i64> {
        self.max_occurrences.or(self.max_occurrences_misspelt)
    }
}

/// The id of a run or a job, a text or a number. Required: without its id neither can be used.
pub(super) fn required_id<'de, D: Deserializer<'de>, T: From<String>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let id = lenient::text(deserializer)?;
    id.map(|id| T::from(id.into())).ok_or_else(|| D::Error::custom("not an id"))
}

/// An id, a text or a number; an empty text is read as `None`.
pub(super) fn filled_id<'de, D: Deserializer<'de>, T: From<String>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(filled(deserializer)?.map(|id| T::from(id.into())))
}

/// A text; an empty text is read as `None`.
pub(super) fn filled<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<str>>, D::Error> {
    Ok(lenient::text(deserializer)?.filter(|text| !text.is_empty()))
}

/// An integer, as a number or as text; it may be negative.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(lenient::integer(deserializer)?.and_then(|number| number.try_into().ok()))
}
