//! Names of errors, as [`VendorError::name`](crate::error::VendorError::name) holds them.
//!
//! Some names come with a namespace, `Default:PermissionDenied`: compare what [`of`] says.
//!
//! ```
//! use scheduled_runs::foundry::error_name;
//!
//! fn runs_already(error: &scheduled_runs::Error) -> bool {
//!     error_name::of(error) == Some(error_name::SCHEDULE_ALREADY_RUNNING)
//! }
//! ```
//!
//! Source: Foundry API reference, "Errors", and the errors of Orchestration v2. Any name may come with any operation.

use crate::error::Error;

/// The vendor's name of an error, without its namespace.
#[must_use]
pub fn of(error: &Error) -> Option<&str> {
    Some(plain(error.vendor_error()?.name.as_deref()?))
}

pub(super) fn plain(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

macro_rules! names {
    ($($(#[$meta:meta])* $name:ident = $text:literal;)+) => {
        $($(#[$meta])* pub const $name: &str = $text;)+
    };
}

names! {
    /// The operation is in preview and was not asked for as such; see [`Preview`](super::Preview).
    API_FEATURE_PREVIEW_USAGE_ONLY = "ApiFeaturePreviewUsageOnly";
    /// The token may not use the API, usually for want of a scope (parameter `missingScope`).
    API_USAGE_DENIED = "ApiUsageDenied";
    /// The request has no token.
    MISSING_CREDENTIALS = "MissingCredentials";
    /// The token is bad or expired (parameter `error`).
    UNAUTHORIZED = "Unauthorized";
    /// The user may not do this.
    PERMISSION_DENIED = "PermissionDenied";
    /// The vendor failed.
    INTERNAL = "Internal";
    /// An argument is bad.
    INVALID_ARGUMENT = "InvalidArgument";
    /// The body has a member too many, or one of the wrong kind.
    UNPROCESSABLE_ENTITY = "UnprocessableEntity";
    /// The page size is bad (parameter `pageSize`).
    INVALID_PAGE_SIZE = "InvalidPageSize";
    /// The page token is bad (parameter `pageToken`).
    INVALID_PAGE_TOKEN = "InvalidPageToken";
    /// Parameters do not go together (`validCombinations`, `providedParameters`).
    INVALID_PARAMETER_COMBINATION = "InvalidParameterCombination";
    /// The batch is too large (parameters `maximumBatchSize`, `providedBatchSize`).
    BATCH_REQUEST_SIZE_EXCEEDED_LIMIT = "BatchRequestSizeExceededLimit";
    /// The batch is empty.
    MISSING_BATCH_REQUEST = "MissingBatchRequest";
    /// The request has no body.
    MISSING_POST_BODY = "MissingPostBody";
    /// A filter's value does not fit its field (parameters `field`, `value`, `expectedType`).
    INVALID_FILTER_VALUE = "InvalidFilterValue";
    /// An "and" filter is empty.
    INVALID_AND_FILTER = "InvalidAndFilter";
    /// An "or" filter is empty.
    INVALID_OR_FILTER = "InvalidOrFilter";
    /// The time zone is unknown (parameter `timeZone`).
    INVALID_TIME_ZONE = "InvalidTimeZone";
    /// The attribution header cannot be read (parameter `header`).
    INVALID_ATTRIBUTION_HEADER = "InvalidAttributionHeader";

    /// No such schedule.
    SCHEDULE_NOT_FOUND = "ScheduleNotFound";
    /// No such version of a schedule.
    SCHEDULE_VERSION_NOT_FOUND = "ScheduleVersionNotFound";
    /// No such build.
    BUILD_NOT_FOUND = "BuildNotFound";
    /// No such job.
    JOB_NOT_FOUND = "JobNotFound";
    /// A run of the schedule is going on. Status 409; the pages of the operations do not name it.
    SCHEDULE_ALREADY_RUNNING = "ScheduleAlreadyRunning";
    /// The build is over and cannot be cancelled.
    BUILD_NOT_RUNNING = "BuildNotRunning";
    /// Nothing is stale; see [`force_build`](super::Action::force_build).
    BUILD_TARGETS_UP_TO_DATE = "BuildTargetsUpToDate";
    /// Targets have no logic (parameter `resourceRids`).
    BUILD_TARGETS_MISSING_JOB_SPECS = "BuildTargetsMissingJobSpecs";
    /// What to build could not be found out.
    BUILD_TARGETS_RESOLUTION_ERROR = "BuildTargetsResolutionError";
    /// There are no targets.
    MISSING_BUILD_TARGETS = "MissingBuildTargets";
    /// A connecting target has no inputs.
    MISSING_CONNECTING_BUILD_INPUTS = "MissingConnectingBuildInputs";
    /// No such targets (parameter `resourceRids`).
    BUILD_TARGETS_NOT_FOUND = "BuildTargetsNotFound";
    /// No such inputs (parameter `resourceRids`).
    BUILD_INPUTS_NOT_FOUND = "BuildInputsNotFound";
    /// The caller may not build the targets (parameter `resourceRids`).
    BUILD_TARGETS_PERMISSION_DENIED = "BuildTargetsPermissionDenied";
    /// The caller may not use the inputs (parameter `resourceRids`).
    BUILD_INPUTS_PERMISSION_DENIED = "BuildInputsPermissionDenied";
    /// A branch is named twice (parameter `duplicateBranchNames`).
    DUPLICATE_BUILD_BRANCHES = "DuplicateBuildBranches";
    /// The schedule has no trigger; see [`Trigger::manual`](super::Trigger::manual).
    MISSING_TRIGGER = "MissingTrigger";
    /// An "and" trigger is bad.
    INVALID_AND_TRIGGER = "InvalidAndTrigger";
    /// An "or" trigger is bad.
    INVALID_OR_TRIGGER = "InvalidOrTrigger";
    /// A time trigger is bad (parameter `cronExpression`).
    INVALID_TIME_TRIGGER = "InvalidTimeTrigger";
    /// A media set trigger is bad (parameter `mediaSetRid`).
    INVALID_MEDIA_SET_TRIGGER = "InvalidMediaSetTrigger";
    /// The schedule's name is bad, for example too long.
    INVALID_SCHEDULE_NAME = "InvalidScheduleName";
    /// The schedule's description is bad, for example too long.
    INVALID_SCHEDULE_DESCRIPTION = "InvalidScheduleDescription";
    /// No such resources in the trigger (parameter `resourceRids`).
    SCHEDULE_TRIGGER_RESOURCES_NOT_FOUND = "ScheduleTriggerResourcesNotFound";
    /// The caller may not use resources of the trigger (parameter `resourceRids`).
    SCHEDULE_TRIGGER_RESOURCES_PERMISSION_DENIED = "ScheduleTriggerResourcesPermissionDenied";
    /// The API cannot show the schedule's target.
    TARGET_NOT_SUPPORTED = "TargetNotSupported";
    /// The caller may not run the schedule.
    RUN_SCHEDULE_PERMISSION_DENIED = "RunSchedulePermissionDenied";
    /// The caller may not pause the schedule.
    PAUSE_SCHEDULE_PERMISSION_DENIED = "PauseSchedulePermissionDenied";
    /// The caller may not unpause the schedule.
    UNPAUSE_SCHEDULE_PERMISSION_DENIED = "UnpauseSchedulePermissionDenied";
    /// The caller may not delete the schedule.
    DELETE_SCHEDULE_PERMISSION_DENIED = "DeleteSchedulePermissionDenied";
    /// The caller may not replace the schedule.
    REPLACE_SCHEDULE_PERMISSION_DENIED = "ReplaceSchedulePermissionDenied";
    /// The caller may not create schedules.
    CREATE_SCHEDULE_PERMISSION_DENIED = "CreateSchedulePermissionDenied";
    /// The caller may not see what the schedule affects.
    GET_AFFECTED_RESOURCES_SCHEDULE_PERMISSION_DENIED =
        "GetAffectedResourcesSchedulePermissionDenied";
    /// The caller may not start builds.
    CREATE_BUILD_PERMISSION_DENIED = "CreateBuildPermissionDenied";
    /// The caller may not cancel the build.
    CANCEL_BUILD_PERMISSION_DENIED = "CancelBuildPermissionDenied";
    /// The caller may not search builds.
    SEARCH_BUILDS_PERMISSION_DENIED = "SearchBuildsPermissionDenied";
    /// No such branch (of a dataset).
    BRANCH_NOT_FOUND = "BranchNotFound";
    /// The caller may not list the dataset's schedules.
    GET_DATASET_SCHEDULES_PERMISSION_DENIED = "GetDatasetSchedulesPermissionDenied";
}
