//! Names of errors, as [`VendorError::name`](crate::error::VendorError::name) holds them.
//!
//! Some names have a namespace, `Default:PermissionDenied`: compare with what [`of`] returns.
//!
//! ```
//! use scheduled_runs::foundry::error_name;
//!
//! fn runs_already(error: &scheduled_runs::Error) -> bool {
//!     error_name::of(error) == Some(error_name::SCHEDULE_ALREADY_RUNNING)
//! }
//! ```
//!
//! Source: Foundry API reference, "Errors", and the errors of Orchestration v2. Any operation may fail with any of them.

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
    /// The operation is in preview and the request did not set `preview=true`; see [`Preview`](super::Preview).
    API_FEATURE_PREVIEW_USAGE_ONLY = "ApiFeaturePreviewUsageOnly";
    /// The token may not use the API, usually because it lacks a scope (parameter `missingScope`).
    API_USAGE_DENIED = "ApiUsageDenied";
    /// The request has no token.
    MISSING_CREDENTIALS = "MissingCredentials";
    /// The token is invalid or expired (parameter `error`).
    UNAUTHORIZED = "Unauthorized";
    /// The user may not do this.
    PERMISSION_DENIED = "PermissionDenied";
    /// An internal error of the vendor.
    INTERNAL = "Internal";
    /// An argument is invalid.
    INVALID_ARGUMENT = "InvalidArgument";
    /// The body has an unknown member, or one of the wrong type.
    UNPROCESSABLE_ENTITY = "UnprocessableEntity";
    /// The page size is invalid (parameter `pageSize`).
    INVALID_PAGE_SIZE = "InvalidPageSize";
    /// The page token is invalid (parameter `pageToken`).
    INVALID_PAGE_TOKEN = "InvalidPageToken";
    /// Parameters cannot be combined (parameters `validCombinations`, `providedParameters`).
    INVALID_PARAMETER_COMBINATION = "InvalidParameterCombination";
    /// The batch is too large (parameters `maximumBatchSize`, `providedBatchSize`).
    BATCH_REQUEST_SIZE_EXCEEDED_LIMIT = "BatchRequestSizeExceededLimit";
    /// The batch is empty.
    MISSING_BATCH_REQUEST = "MissingBatchRequest";
    /// The request has no body.
    MISSING_POST_BODY = "MissingPostBody";
    /// A filter's value has the wrong type for its field (parameters `field`, `value`, `expectedType`).
    INVALID_FILTER_VALUE = "InvalidFilterValue";
    /// An "and" filter is empty.
    INVALID_AND_FILTER = "InvalidAndFilter";
    /// An "or" filter is empty.
    INVALID_OR_FILTER = "InvalidOrFilter";
    /// The time zone is unknown (parameter `timeZone`).
    INVALID_TIME_ZONE = "InvalidTimeZone";
    /// The attribution header cannot be parsed (parameter `header`).
    INVALID_ATTRIBUTION_HEADER = "InvalidAttributionHeader";

    /// No such schedule.
    SCHEDULE_NOT_FOUND = "ScheduleNotFound";
    /// No such version of a schedule.
    SCHEDULE_VERSION_NOT_FOUND = "ScheduleVersionNotFound";
    /// No such build.
    BUILD_NOT_FOUND = "BuildNotFound";
    /// No such job.
    JOB_NOT_FOUND = "JobNotFound";
    /// A run of the schedule is in progress. HTTP status 409; not documented with the operations.
    SCHEDULE_ALREADY_RUNNING = "ScheduleAlreadyRunning";
    /// The build has ended and cannot be cancelled.
    BUILD_NOT_RUNNING = "BuildNotRunning";
    /// Everything is up to date; see [`force_build`](super::Action::force_build).
    BUILD_TARGETS_UP_TO_DATE = "BuildTargetsUpToDate";
    /// Targets have no logic to build them (parameter `resourceRids`).
    BUILD_TARGETS_MISSING_JOB_SPECS = "BuildTargetsMissingJobSpecs";
    /// What to build could not be determined.
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
    /// A branch is named more than once (parameter `duplicateBranchNames`).
    DUPLICATE_BUILD_BRANCHES = "DuplicateBuildBranches";
    /// The schedule has no trigger; see [`Trigger::manual`](super::Trigger::manual).
    MISSING_TRIGGER = "MissingTrigger";
    /// An "and" trigger is invalid.
    INVALID_AND_TRIGGER = "InvalidAndTrigger";
    /// An "or" trigger is invalid.
    INVALID_OR_TRIGGER = "InvalidOrTrigger";
    /// A time trigger is invalid (parameter `cronExpression`).
    INVALID_TIME_TRIGGER = "InvalidTimeTrigger";
    /// A media set trigger is invalid (parameter `mediaSetRid`).
    INVALID_MEDIA_SET_TRIGGER = "InvalidMediaSetTrigger";
    /// The schedule's name is invalid, for example too long.
    INVALID_SCHEDULE_NAME = "InvalidScheduleName";
    /// The schedule's description is invalid, for example too long.
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
    /// The caller may not see which resources the schedule affects.
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
