//! Batches: many queries that are created with one call.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::Supermetrics;
use super::format::Format;
use super::list::{Counters, ListQuery, ListResponse, decode_data};
use super::parameters::Limited as _;
use super::query::Query;
use super::schedule_id::ScheduleId;
use super::state::{QueryError, QueryState};
use crate::client::{Meta, json, operation};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::redact::without_credentials;
use crate::wire::{id, lenient, model, open_enum, time};

operation! {
    /// Creates a batch and runs its queries. Each call creates another batch. The vendor has no list of batches: if the
    /// response is lost, the batch runs but cannot be found.
    ///
    /// Source: Supermetrics API, "Create batched query", `POST /query/batch`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduled_runs::supermetrics::{CreateBatch, Query};
    ///
    /// // One query for each day, ten at a time.
    /// let query = Query::new("GAWA")
    ///     .start_date("2026-02-01")
    ///     .end_date("2026-02-28")
    ///     .fields(["date", "sessions"]);
    /// let request = CreateBatch::new([query])
    ///     .split_dates()
    ///     .query_concurrency(10)
    ///     .timeout(Duration::from_secs(3600));
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/query/batch");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    CreateBatch {} without new
    state { batch: NewBatch }
    for Supermetrics, "supermetrics.batches.create", NotIdempotent: POST "query" / "batch" -> Batch,
    json {batch},
    with |this, request| request.check(this.batch.check()),
    decode decode_data
}

impl CreateBatch {
    /// A batch of these queries: at least one, each a [`Query`] or a text.
    pub fn new<Q: Into<BatchEntry>>(queries: impl IntoIterator<Item = Q>) -> Self {
        let queries = queries.into_iter().map(Into::into).collect();
        Self { batch: NewBatch { queries, ..NewBatch::default() } }
    }

    /// A description of the batch.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.batch.description = Some(text.into());
        self
    }

    /// Splits each query into one query per account.
    pub fn split_accounts(mut self) -> Self {
        self.batch.split_accounts_policy = Some(SplitPolicy::All);
        self
    }

    /// Splits each query into one query per day.
    pub fn split_dates(mut self) -> Self {
        self.batch.split_dates_policy = Some(SplitPolicy::Day);
        self
    }

    /// How long the batch may take, 5 to 60 minutes. If not set, the vendor uses 30. Sent in whole minutes.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.batch.timeout_minutes = Some((limit.as_secs() / 60).try_into().unwrap_or(u32::MAX));
        self
    }

    /// How many queries run at the same time, 1 to 50. If not set, the vendor uses 5.
    pub fn query_concurrency(mut self, queries: u32) -> Self {
        self.batch.query_concurrency = Some(queries);
        self
    }

    /// Format of the results. If not set, JSON.
    pub fn format(mut self, format: Format) -> Self {
        self.batch.query_output_format = Some(format);
        self
    }

    /// Leaves out accounts that fail, so that the others succeed. Inferred from the name, `add_exclude_account_errors`.
    pub fn exclude_account_errors(mut self) -> Self {
        self.batch.add_exclude_account_errors = Some(true);
        self
    }

    /// Asks for cells with numbers instead of texts that spell numbers. Inferred from the name, `add_clean_data_types`.
    pub fn clean_data_types(mut self) -> Self {
        self.batch.add_clean_data_types = Some(true);
        self
    }
}

/// The body of [`CreateBatch`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct NewBatch {
    queries: Vec<BatchEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split_accounts_policy: Option<SplitPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split_dates_policy: Option<SplitPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_minutes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_output_format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    add_exclude_account_errors: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    add_clean_data_types: Option<bool>,
}

impl NewBatch {
    #[inline]
    fn check(&self) -> Result<()> {
        if self.queries.is_empty() {
            return Err(Error::config("a batch must have at least one query"));
        }
        self.timeout_minutes.check("timeout_minutes", 5..=60)?;
        self.query_concurrency.check("query_concurrency", 1..=50)?;
        self.queries.iter().try_for_each(|entry| match entry {
            BatchEntry::Query(query) => query.check(),
            BatchEntry::Text(_) => Ok(()),
        })
    }
}

/// A query to put into a batch.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum BatchEntry {
    /// Its parameters.
    Query(Box<Query>),
    /// A text. It is documented as allowed, but not what it means.
    Text(String),
}

impl fmt::Debug for BatchEntry {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(query) => query.fmt(f),
            Self::Text(text) => f.debug_tuple("Text").field(&without_credentials(text)).finish(),
        }
    }
}

impl From<Query> for BatchEntry {
    fn from(query: Query) -> Self {
        Self::Query(Box::new(query))
    }
}

impl From<&str> for BatchEntry {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

operation! {
    /// Gets a batch: the options that it was created with, and its state.
    ///
    /// Source: Supermetrics API, "Get batch information", `GET /query/batch/{batch_id}`.
    GetBatch { batch: BatchId }
    for Supermetrics, "supermetrics.batches.get", Safe: GET "query" / "batch" / {batch} -> Batch,
    decode decode_data
}

operation! {
    /// Gets the progress of a batch, with the first of its queries. [`ListBatchQueries`] lists all of them.
    ///
    /// Source: Supermetrics API, "Get batch status", `GET /query/batch/{batch_id}/status`.
    GetBatchStatus { batch: BatchId }
    for Supermetrics, "supermetrics.batches.get_status", Safe: GET "query" / "batch" / {batch} / "status" -> BatchStatus
}

operation! {
    /// Cancels a batch. Results of queries that have finished are kept. Returns the batch, if the response has it.
    ///
    /// Source: Supermetrics API, `DELETE /query/batch/{batch_id}`. Inferred: a second cancellation changes nothing.
    CancelBatch { batch: BatchId }
    for Supermetrics, "supermetrics.batches.cancel", Idempotent: DELETE "query" / "batch" / {batch} -> Option<Batch>,
    decode cancelled
}

operation! {
    /// Lists the queries of a batch: their states, and why they failed. [`ListRows`](super::ListRows) reads the rows of
    /// a query by its [`schedule_id`](BatchQuery::schedule_id).
    ///
    /// Source: Supermetrics API, "Get batch status", `GET /query/batch/{batch_id}/status`.
    ListBatchQueries { batch: BatchId }
    pages counted { list: ListQuery, item: BatchQuery }
    for Supermetrics, "supermetrics.batch_queries.list", Safe:
    GET "query" / "batch" / {batch} / "status" -> Page<BatchQuery>,
    // The calls of batches are documented without `json`.
    with |this, request| request
        .check(this.list.check(1000))
        .query("offset", this.list.offset)
        .query("limit", Some(this.list.limit))
}

impl ListBatchQueries {
    /// Queries per page, 1 to 1000. Default 100.
    pub fn limit(mut self, queries: u32) -> Self {
        self.list.limit = queries;
        self
    }
}

id! {
    /// Id of a batch.
    BatchId
}

open_enum! {
    /// State of a batch. It does not say whether its queries succeeded: see [`BatchProgress`].
    BatchState {
        /// Accepted, not started.
        Queued = "QUEUED",
        /// Running.
        Running = "RUNNING",
        /// Ended: finished, timed out or cancelled.
        Stopped = "STOPPED",
    }
}

impl BatchState {
    /// Whether the batch has ended. Always false for a state that this crate does not know.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        *self == Self::Stopped
    }
}

open_enum! {
    /// What the queries of a batch are split by.
    SplitPolicy {
        /// One query per account.
        All = "all",
        /// One query per day.
        Day = "day",
        /// No splitting.
        None = "none",
    }
}

model! {
    /// A batch.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Batch {
        /// Id of the batch.
        pub batch_id: BatchId,
        /// State of the batch.
        pub state: Option<BatchState> as "status_code",
        /// When the batch was created. Inferred, as for all its times: UTC.
        pub schedule_time: Option<DateTime<Utc>> as "schedule_time" with time::lenient_utc,
        /// When it started to run.
        pub start_time: Option<DateTime<Utc>> as "start_time" with time::lenient_utc,
        /// When it ended.
        pub end_time: Option<DateTime<Utc>> as "end_time" with time::lenient_utc,
        /// When it was cancelled.
        pub cancel_time: Option<DateTime<Utc>> as "cancel_time" with time::lenient_utc,
        /// The description that it was created with.
        pub description: Option<Box<str>>,
        /// Whether its queries were split by account.
        pub split_accounts_policy: Option<SplitPolicy>,
        /// Whether its queries were split by day.
        pub split_dates_policy: Option<SplitPolicy>,
        /// How long it may take, in minutes.
        pub timeout_minutes: Option<u64> as "timeout_minutes" with lenient::count,
        /// How many queries it has, after splitting.
        pub query_amount: Option<u64> as "query_amount" with lenient::count,
        /// How many queries run at the same time.
        pub query_concurrency: Option<u64> as "query_concurrency" with lenient::count,
        /// Format of the results.
        pub query_output_format: Option<Format>,
        /// As [`CreateBatch::exclude_account_errors`].
        pub add_exclude_account_errors: Option<bool> as "add_exclude_account_errors"
            with lenient::boolean,
        /// As [`CreateBatch::clean_data_types`].
        pub add_clean_data_types: Option<bool> as "add_clean_data_types" with lenient::boolean,
    }
}

/// Progress of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "ListResponse<BatchQuery, BatchMeta>")]
#[non_exhaustive]
pub struct BatchStatus {
    /// State of the batch.
    pub state: Option<BatchState>,
    /// How many of its queries are in which state.
    pub progress: Option<BatchProgress>,
    /// How many queries it has.
    pub total: Option<u64>,
    /// The first of its queries.
    pub queries: Vec<BatchQuery>,
}

/// As the vendor sends it.
impl Serialize for BatchStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (status_code, progress) = (self.state.clone(), self.progress.clone());
        let paginate = Some(Counters { total: self.total });
        let meta = BatchMeta { status_code, progress, paginate };
        ListResponse { meta: Some(meta), data: self.queries.clone() }.serialize(serializer)
    }
}

#[derive(Deserialize, Serialize)]
struct BatchMeta {
    status_code: Option<BatchState>,
    #[serde(default, deserialize_with = "lenient::object")]
    progress: Option<BatchProgress>,
    #[serde(default, deserialize_with = "lenient::object")]
    paginate: Option<Counters>,
}

impl From<ListResponse<BatchQuery, BatchMeta>> for BatchStatus {
    fn from(response: ListResponse<BatchQuery, BatchMeta>) -> Self {
        let queries = response.data;
        let Some(meta) = response.meta else { return Self { queries, ..Self::default() } };
        let total = meta.paginate.and_then(|counters| counters.total);
        Self { state: meta.status_code, progress: meta.progress, total, queries }
    }
}

model! {
    /// How many queries of a batch are in which state.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct BatchProgress {
        /// Not started.
        pub queued: Option<u64> as "queued" with lenient::count,
        /// Going on.
        pub running: Option<u64> as "running" with lenient::count,
        /// Succeeded.
        pub success: Option<u64> as "success" with lenient::count,
        /// Failed.
        pub failure: Option<u64> as "failure" with lenient::count,
    }
}

model! {
    /// One query of a batch. Read its result by the id of its run, with [`ListRows`](super::ListRows) or
    /// [`GetResults`](super::GetResults); the vendor's link to it is left out.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct BatchQuery {
        /// Id of the run.
        pub schedule_id: Option<ScheduleId>,
        /// State of the run.
        pub state: Option<QueryState> as "status_code",
        /// When it started to run. Inferred: UTC.
        pub query_start_time: Option<DateTime<Utc>> as "query_start_time" with time::lenient_utc,
        /// When it ended.
        pub query_end_time: Option<DateTime<Utc>> as "query_end_time" with time::lenient_utc,
        /// Which part of a split query this is.
        pub split_info: Option<SplitInfo>,
        /// Why it failed.
        pub error_info: Option<QueryError> as "error_info" with query_error,
        /// Size of the result.
        pub result_info: Option<BatchResult> as "result_info" with lenient::object,
    }
}

model! {
    /// The part of a split query that a query of a batch is.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct SplitInfo {
        /// Its accounts.
        pub ds_accounts: Vec<Box<str>> as "ds_accounts" with lenient::list,
        /// Its first day, `2026-02-01`.
        pub start_date: Option<Box<str>>,
        /// Its last day.
        pub end_date: Option<Box<str>>,
    }
}

model! {
    /// The result of a query of a batch.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct BatchResult {
        /// Rows of the result.
        pub total_rows: Option<u64> as "total_rows" with lenient::count,
    }
}

fn query_error<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<QueryError>, D::Error> {
    // Errors are rare and come in more than one shape, so that an intermediate value is affordable.
    let value: Option<Value> = Option::deserialize(deserializer)?;
    Ok(value.as_ref().and_then(QueryError::of))
}

/// The response to a cancellation is not documented: it may be a batch, another object, or empty.
#[inline]
fn cancelled(meta: &Meta, body: &Bytes) -> Result<Option<Batch>> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    json::decode::<IgnoredAny>(meta, body)?;
    Ok(decode_data(meta, body).ok())
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::client::{Endpoint as _, PagedEndpoint as _};
    use crate::error::ErrorKind;
    use crate::paging::Cursor;
    use crate::supermetrics::tests::request_text;

    #[test]
    fn a_batch_is_created_with_what_was_set_and_nothing_else() {
        assert_eq!(
            request_text(&CreateBatch::new([Query::new("GA").fields("date")])),
            "POST /query/batch\ncontent-type: application/json\n\n{\"queries\":[{\"ds_id\":\"GA\",\"fields\":\"date\"}]}"
        );
        let batch = CreateBatch::new([BatchEntry::from(Query::new("GA")), "q1".into()])
            .description("nightly")
            .split_accounts()
            .split_dates()
            .timeout(Duration::from_secs(3600))
            .query_concurrency(50)
            .format(Format::Csv)
            .exclude_account_errors()
            .clean_data_types();
        assert_eq!(
            request_text(&batch),
            "POST /query/batch\ncontent-type: application/json\n\n\
             {\"queries\":[{\"ds_id\":\"GA\"},\"q1\"],\"description\":\"nightly\",\"split_accounts_policy\":\"all\",\
             \"split_dates_policy\":\"day\",\"timeout_minutes\":60,\"query_concurrency\":50,\"query_output_format\":\"csv\",\
             \"add_exclude_account_errors\":true,\"add_clean_data_types\":true}"
        );
    }

    #[test]
    fn a_batch_is_fetched_polled_and_cancelled_by_its_id() {
        assert_eq!(request_text(&GetBatch::new("b/1")), "GET /query/batch/b%2F1");
        assert_eq!(request_text(&GetBatchStatus::new("b1")), "GET /query/batch/b1/status");
        assert_eq!(request_text(&CancelBatch::new("b1")), "DELETE /query/batch/b1");
        let queries = ListBatchQueries::new("b1").limit(1000);
        assert_eq!(
            request_text(&queries.at(&Cursor::new("offset=1000"))),
            "GET /query/batch/b1/status?offset=1000&limit=1000"
        );
        assert_eq!(
            request_text(&ListBatchQueries::new("b1")),
            "GET /query/batch/b1/status?offset=0&limit=100"
        );
    }

    #[test]
    fn a_batch_that_the_vendor_would_refuse_is_not_sent() {
        let base = Url::parse("https://host").unwrap();
        let batch = || CreateBatch::new([Query::new("GA")]);
        for (request, says) in [
            (CreateBatch::new(Vec::<Query>::new()), "at least one query"),
            (CreateBatch::new([Query::new("GA").max_rows(0)]), "`max_rows`"),
            (
                batch().timeout(Duration::from_secs(299)),
                "`timeout_minutes` is 4; it must be 5 to 60",
            ),
            (batch().timeout(Duration::MAX), "`timeout_minutes`"),
            (batch().query_concurrency(0), "`query_concurrency`"),
            (batch().query_concurrency(51), "1 to 50"),
        ] {
            let error = request.to_request(&base).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
        }
        assert!(ListBatchQueries::new("b").limit(0).to_request(&base).is_err());
    }
}
