//! Builds, which runs of schedules start: start, get, search, cancel.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::Method;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::Foundry;
use super::request::{Paging, Preview, batch, found, page_size_setter};
use super::rid::{BuildRid, JobRid, ScheduleRid};
use super::target::{Action, RetryBackoff};
use crate::client::{
    ApiRequest, Endpoint, Idempotency, ListSettings as _, Meta, PagedEndpoint, json, operation,
};
use crate::error::Result;
use crate::paging::{Cursor, Page};
use crate::run::Phase;
use crate::wire::{Only, lenient, model, open_enum, open_union, time};

operation! {
    /// Starts a build, without a schedule.
    ///
    /// `action` is an [`Action`], or a [`BuildTarget`](super::BuildTarget) with the vendor's default settings. If everything is
    /// up to date, this fails with [`BUILD_TARGETS_UP_TO_DATE`](super::error_name::BUILD_TARGETS_UP_TO_DATE), unless the build
    /// is [forced](Action::force_build). Source: Foundry API reference, Orchestration v2, "Create Build".
    ///
    /// ```
    /// use scheduled_runs::foundry::{Action, BuildTarget, CreateBuild};
    ///
    /// // Built even if it is up to date.
    /// let action =
    ///     Action::new(BuildTarget::manual(["ri.foundry.main.dataset.1"])).force_build(true);
    /// let request = CreateBuild::new(action);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/v2/orchestration/builds/create");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    CreateBuild { action: Action }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.builds.create", NotIdempotent: POST "builds" / "create" -> Build, json {action}
}

operation! {
    /// Gets one build.
    ///
    /// The vendor allows each user 4 of these a second, and 25 at once; for many builds use [`GetBuilds`]. Source: Foundry
    /// API reference, Orchestration v2, "Get Build".
    GetBuild { build: BuildRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.builds.get", Safe: GET "builds" / {build} -> Build
}

operation! {
    /// Gets up to 100 builds. Those that do not exist, or are hidden from the caller, are missing in the response.
    ///
    /// The vendor allows each user 4 of these a second, and 25 at once. Source: Foundry API reference, Orchestration v2,
    /// "Get Builds Batch".
    ///
    /// ```
    /// use scheduled_runs::foundry::GetBuilds;
    ///
    /// let request = GetBuilds::new(["ri.foundry.main.build.1", "ri.foundry.main.build.2"]);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/v2/orchestration/builds/getBatch");
    /// # assert_eq!(*sent.body(), r#"[{"buildRid":"ri.foundry.main.build.1"},{"buildRid":"ri.foundry.main.build.2"}]"#);
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    GetBuilds { builds: Vec<BuildRid> } without new
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.builds.get_batch", Safe: POST "builds" / "getBatch" -> BTreeMap<BuildRid, Build>,
    with |this, request| batch(request, "buildRid", Self::MOST, &this.builds), decode found
}

impl GetBuilds {
    /// Most builds in one request. More than that, or none, is refused before anything is sent.
    pub const MOST: usize = 100;

    /// Gets these builds.
    pub fn new<R: Into<BuildRid>>(builds: impl IntoIterator<Item = R>) -> Self {
        Self { builds: builds.into_iter().map(Into::into).collect(), preview: None }
    }
}

/// Searches builds.
///
/// Source: Foundry API reference, Orchestration v2, "Search Builds"; in preview, and available to some customers only.
///
/// ```
/// use scheduled_runs::foundry::{
///     BuildStatus, Direction, SearchBuilds, SearchBuildsFilter, TimeField,
/// };
///
/// let failed = SearchBuildsFilter::status(BuildStatus::Failed);
/// let master = SearchBuildsFilter::branch_name("master");
/// let request = SearchBuilds::new(SearchBuildsFilter::and([failed, master]))
///     .order_by(TimeField::Started, Direction::Descending);
/// ```
///
/// Operation `foundry.builds.search`. Read the list with [`Client::items`](crate::Client::items), or one page with
/// [`Client::send`](crate::Client::send). Safe to retry.
// By hand: the page is chosen in the body, not in the query.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct SearchBuilds {
    filter: SearchBuildsFilter,
    order: Vec<OrderBy>,
    paging: Paging,
    preview: Option<Preview>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct OrderBy {
    field: TimeField,
    direction: Direction,
}

impl SearchBuilds {
    /// Builds that meet this condition.
    pub fn new(filter: SearchBuildsFilter) -> Self {
        Self { filter, order: Vec::new(), paging: Paging::default(), preview: None }
    }

    /// Orders by this field; a second call adds a field that decides where the first is equal. The default order is not
    /// documented.
    pub fn order_by(mut self, field: TimeField, direction: Direction) -> Self {
        self.order.push(OrderBy { field, direction });
        self
    }

    page_size_setter!();

    /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
    pub fn preview(mut self, when: Preview) -> Self {
        self.preview = Some(when);
        self
    }
}

impl Endpoint for SearchBuilds {
    type Api = Foundry;
    type Output = Page<Build>;
    const OPERATION: &'static str = "foundry.builds.search";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    #[inline]
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            r#where: &'a SearchBuildsFilter,
            #[serde(skip_serializing_if = "Option::is_none")]
            order_by: Option<Only<'static, &'a [OrderBy]>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            page_size: Option<u32>,
            #[serde(skip_serializing_if = "Option::is_none")]
            page_token: Option<&'a str>,
        }

        let order_by = (!self.order.is_empty()).then_some(Only("fields", &*self.order));
        let body = Body {
            r#where: &self.filter,
            order_by,
            page_size: self.paging.page_size,
            page_token: self.paging.token(),
        };
        ApiRequest::of::<Self>(Method::POST, base, &["builds", "search"])
            .extension_if(self.preview)
            .json(&body)
            .check(self.paging.check())
            .finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<Build>> {
        self.paging.page(meta, body, Self::key)
    }
}

impl PagedEndpoint for SearchBuilds {
    type Item = Build;

    fn at(&self, cursor: &Cursor) -> Self {
        let mut request = self.clone();
        request.paging.cursor = Some(cursor.clone());
        request
    }

    fn key(build: &Build) -> Option<&str> {
        Some(build.rid.as_str())
    }
}

open_union! {
    /// A condition on builds.
    ///
    /// Source: Foundry API reference, Orchestration v2, "Search Builds".
    SearchBuildsFilter {
        /// A field has this value.
        Equal = "eq" {
            /// The field.
            field: EqualField,
            /// The value.
            value: Value,
        },
        /// A time is at or after this one.
        NotBefore = "gte" {
            /// The time.
            field: TimeField,
            /// The value.
            value: Value,
        },
        /// A time is before this one.
        Before = "lt" {
            /// The time.
            field: TimeField,
            /// The value.
            value: Value,
        },
        /// All conditions hold.
        And = "and" {
            /// The conditions.
            #[serde(default, deserialize_with = "lenient::exact_list")]
            items: Vec<SearchBuildsFilter>,
        },
        /// At least one condition holds.
        Or = "or" {
            /// The conditions.
            #[serde(default, deserialize_with = "lenient::exact_list")]
            items: Vec<SearchBuildsFilter>,
        },
        /// The condition does not hold.
        Not = "not" {
            /// The condition.
            value: Box<SearchBuildsFilter>,
        },
    }
}

impl SearchBuildsFilter {
    fn equal(field: EqualField, value: &str) -> Self {
        Self::Equal { field, value: value.into() }
    }

    /// Created by this user, a UUID.
    #[must_use]
    pub fn created_by(user: &str) -> Self {
        Self::equal(EqualField::CreatedBy, user)
    }

    /// On this branch.
    #[must_use]
    pub fn branch_name(branch: &str) -> Self {
        Self::equal(EqualField::BranchName, branch)
    }

    /// With this status.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "callers pass a new value")]
    pub fn status(status: BuildStatus) -> Self {
        Self::equal(EqualField::Status, status.as_str())
    }

    /// Only this build.
    #[must_use]
    pub fn rid(build: impl Into<BuildRid>) -> Self {
        Self::equal(EqualField::Rid, build.into().as_str())
    }

    /// Started, or finished, at or after this time.
    #[must_use]
    pub fn not_before(field: TimeField, time: DateTime<Utc>) -> Self {
        Self::NotBefore { field, value: timestamp(time) }
    }

    /// Started, or finished, before this time.
    #[must_use]
    pub fn before(field: TimeField, time: DateTime<Utc>) -> Self {
        Self::Before { field, value: timestamp(time) }
    }

    /// All of these hold.
    #[must_use]
    pub fn and(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::And { items: filters.into_iter().collect() }
    }

    /// At least one of these holds.
    #[must_use]
    pub fn or(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::Or { items: filters.into_iter().collect() }
    }

    /// This does not hold.
    #[must_use]
    #[allow(clippy::should_implement_trait, reason = "the vendor's name, as with `and` and `or`")]
    pub fn not(filter: Self) -> Self {
        Self::Not { value: Box::new(filter) }
    }
}

/// A time as conditions take it. Inferred: the format of times in responses.
fn timestamp(time: DateTime<Utc>) -> Value {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
}

open_enum! {
    /// Fields that a condition can compare for equality.
    EqualField {
        /// The user who created the build.
        CreatedBy = "CREATED_BY",
        /// The branch.
        BranchName = "BRANCH_NAME",
        /// The status.
        Status = "STATUS",
        /// The RID.
        Rid = "RID",
    }
}

open_enum! {
    /// Times that builds can be searched and ordered by.
    TimeField {
        /// When the build was started.
        Started = "STARTED_TIME",
        /// When the build finished.
        Finished = "FINISHED_TIME",
    }
}

open_enum! {
    /// Sort direction.
    Direction {
        /// Oldest first.
        Ascending = "ASC",
        /// Newest first.
        Descending = "DESC",
    }
}

operation! {
    /// Asks the vendor to cancel the unfinished jobs of a build. The build's status changes later. For a finished build this
    /// changes nothing, or fails with [`BUILD_NOT_RUNNING`](super::error_name::BUILD_NOT_RUNNING).
    ///
    /// Source: Foundry API reference, Orchestration v2, "Cancel Build".
    CancelBuild { build: BuildRid }
    options {
        /// When to ask for preview features. If not set, the client's [setting](crate::ClientBuilder::preview) decides.
        preview: Preview as extension,
    }
    for Foundry, "foundry.builds.cancel", Idempotent: POST "builds" / {build} / "cancel" -> (), decode json::ignore
}

model! {
    /// One build.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Build {
        /// RID.
        pub rid: BuildRid,
        /// Status.
        pub status: Option<BuildStatus>,
        /// The branch that it is built on.
        pub branch_name: Option<Box<str>> as "branchName",
        /// Branches whose logic is used where the branch has none.
        pub fallback_branches: Vec<Box<str>> as "fallbackBranches" with lenient::list,
        /// When it was created. UTC.
        pub created: Option<DateTime<Utc>> as "createdTime" with time::lenient_utc,
        /// The user who created it, a UUID.
        pub created_by: Option<Box<str>> as "createdBy",
        /// When it finished. UTC. It does not prove that the build has finished: a sample of a running build has it.
        pub finished: Option<DateTime<Utc>> as "finishedTime" with time::lenient_utc,
        /// The schedule that started it; `None` if a user did.
        pub schedule_rid: Option<ScheduleRid> as "scheduleRid",
        /// Its jobs.
        pub job_rids: Vec<JobRid> as "jobRids" with lenient::list,
        /// How often a failed job is retried.
        pub retry_count: Option<u64> as "retryCount" with lenient::count,
        /// Delay before a job is retried.
        pub retry_backoff: Option<RetryBackoff> as "retryBackoffDuration",
        /// Whether it ends as soon as one job does not succeed.
        pub abort_on_failure: Option<bool> as "abortOnFailure" with lenient::boolean,
    }
}

open_enum! {
    /// Status of a build.
    BuildStatus {
        /// Running.
        Running = "RUNNING",
        /// Finished successfully.
        Succeeded = "SUCCEEDED",
        /// Failed.
        Failed = "FAILED",
        /// Cancelled.
        Canceled = "CANCELED",
    }
}

impl BuildStatus {
    /// The phase that it corresponds to.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Running => Phase::Running,
            Self::Succeeded => Phase::Succeeded,
            Self::Failed => Phase::Failed,
            Self::Canceled => Phase::Cancelled,
            Self::Unknown(_) => Phase::Unknown,
        }
    }

    /// Whether the build has ended. Never true for [`Unknown`](Self::Unknown).
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.phase().is_terminal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::foundry::BuildTarget;
    use crate::foundry::tests::{base, request_text, utc};

    #[test]
    fn builds_are_got_and_cancelled_by_rid() {
        let build = "ri.foundry.main.build.1";
        let path = "/v2/orchestration/builds/ri.foundry.main.build.1";
        assert_eq!(request_text(&GetBuild::new(build)), format!("GET {path}"));
        assert_eq!(request_text(&CancelBuild::new(build)), format!("POST {path}/cancel"));
        assert_eq!(
            request_text(&GetBuilds::new([build])),
            "POST /v2/orchestration/builds/getBatch\ncontent-type: application/json\n\n\
             [{\"buildRid\":\"ri.foundry.main.build.1\"}]"
        );
        let error = GetBuilds::new(vec![build; 101]).to_request(&base()).unwrap_err();
        assert!(error.to_string().contains("1 to 100"), "{error}");
    }

    #[test]
    fn a_new_build_always_names_its_fallback_branches() {
        let upstream = BuildTarget::upstream(["ri.foundry.main.dataset.1"]);
        assert_eq!(
            request_text(&CreateBuild::new(Action::new(upstream).branch_name("dev"))),
            "POST /v2/orchestration/builds/create\ncontent-type: application/json\n\n\
             {\"target\":{\"type\":\"upstream\",\"targetRids\":[\"ri.foundry.main.dataset.1\"],\"ignoredRids\":[]},\
             \"branchName\":\"dev\",\"fallbackBranches\":[]}"
        );
    }

    #[test]
    fn a_search_sends_its_page_in_the_body() {
        let since = utc("2026-02-03T04:00:00.5Z");
        let filter = SearchBuildsFilter::and([
            SearchBuildsFilter::or([
                SearchBuildsFilter::status(BuildStatus::Failed),
                SearchBuildsFilter::created_by("u1"),
                SearchBuildsFilter::rid("ri.foundry.main.build.1"),
            ]),
            SearchBuildsFilter::not(SearchBuildsFilter::branch_name("dev")),
            SearchBuildsFilter::not_before(TimeField::Started, since),
            SearchBuildsFilter::before(TimeField::Finished, since),
        ]);
        let first = SearchBuilds::new(filter.clone());
        let condition = "{\"type\":\"and\",\"items\":[{\"type\":\"or\",\"items\":[\
             {\"type\":\"eq\",\"field\":\"STATUS\",\"value\":\"FAILED\"},\
             {\"type\":\"eq\",\"field\":\"CREATED_BY\",\"value\":\"u1\"},\
             {\"type\":\"eq\",\"field\":\"RID\",\"value\":\"ri.foundry.main.build.1\"}]},\
             {\"type\":\"not\",\"value\":{\"type\":\"eq\",\"field\":\"BRANCH_NAME\",\"value\":\"dev\"}},\
             {\"type\":\"gte\",\"field\":\"STARTED_TIME\",\"value\":\"2026-02-03T04:00:00.500Z\"},\
             {\"type\":\"lt\",\"field\":\"FINISHED_TIME\",\"value\":\"2026-02-03T04:00:00.500Z\"}]}";
        let head =
            "POST /v2/orchestration/builds/search?preview=true\ncontent-type: application/json\n\n";
        assert_eq!(request_text(&first), format!("{head}{{\"where\":{condition}}}"));
        assert_eq!(serde_json::from_str::<SearchBuildsFilter>(condition).unwrap(), filter);
        let next = first
            .order_by(TimeField::Started, Direction::Descending)
            .page_size(5)
            .at(&Cursor::new("v1.x"));
        assert_eq!(
            request_text(&next),
            format!(
                "{head}{{\"where\":{condition},\"orderBy\":{{\"fields\":[{{\"field\":\"STARTED_TIME\",\
                 \"direction\":\"DESC\"}}]}},\"pageSize\":5,\"pageToken\":\"v1.x\"}}"
            )
        );
        let error = next.page_size(0).to_request(&base()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
