//! Batches: many queries in one call, which the vendor runs one after the other.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::dialect::QueryError;
use super::history::ListAnswer;
use super::query::{Query, check_range};
use super::row_pages::{counted_page, nth, offset_of, page_count};
use super::runs::QueryState;
use super::schedule_id::ScheduleId;
use super::{Format, Supermetrics};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, OffsetPages, PagedEndpoint};
use crate::error::{Error, Result};
use crate::paging::{Cursor, Page};
use crate::wire::{id, json, lenient, open_enum, time};

/// Runs many queries as one batch.
///
/// Source: Supermetrics API, "Create batched query", `POST /query/batch`. Each call makes a batch, so it is never sent
/// again once it may have arrived. The vendor lists no batches: an answer that is lost leaves a batch that runs and is
/// not found.
///
/// ```
/// use std::time::Duration;
/// use scheduled_runs::supermetrics::{CreateBatch, Query};
///
/// // One query for each day, ten at a time.
/// let query = Query::new("GAWA").start_date("2026-02-01").end_date("2026-02-28").fields(["date", "sessions"]);
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use = "a request does nothing until it is sent"]
pub struct CreateBatch {
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

impl CreateBatch {
    /// These queries: at least one, each a [`Query`] or a text.
    pub fn new<Q: Into<BatchEntry>>(queries: impl IntoIterator<Item = Q>) -> Self {
        Self {
            queries: queries.into_iter().map(Into::into).collect(),
            description: None,
            split_accounts_policy: None,
            split_dates_policy: None,
            timeout_minutes: None,
            query_concurrency: None,
            query_output_format: None,
            add_exclude_account_errors: None,
            add_clean_data_types: None,
        }
    }

    /// Words about the batch.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Makes of each query one for each of its accounts.
    pub fn split_accounts(mut self) -> Self {
        self.split_accounts_policy = Some(SplitPolicy::All);
        self
    }

    /// Makes of each query one for each of its days.
    pub fn split_dates(mut self) -> Self {
        self.split_dates_policy = Some(SplitPolicy::Day);
        self
    }

    /// How long the batch may take, 5 to 60 minutes. Left out, the vendor takes 30. Sent in whole minutes.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout_minutes = Some((limit.as_secs() / 60).try_into().unwrap_or(u32::MAX));
        self
    }

    /// Queries that run at the same time, 1 to 50. Left out, the vendor takes 5.
    pub fn query_concurrency(mut self, queries: u32) -> Self {
        self.query_concurrency = Some(queries);
        self
    }

    /// Format of the results. Left out, JSON.
    pub fn format(mut self, format: Format) -> Self {
        self.query_output_format = Some(format);
        self
    }

    /// Leaves accounts out that fail, so that the others succeed. Inferred from the name: `add_exclude_account_errors`.
    pub fn exclude_account_errors(mut self) -> Self {
        self.add_exclude_account_errors = Some(true);
        self
    }

    /// Asks for cells that are numbers where they mean numbers. Inferred from the name: `add_clean_data_types`.
    pub fn clean_data_types(mut self) -> Self {
        self.add_clean_data_types = Some(true);
        self
    }

    fn check(&self) -> Result<()> {
        if self.queries.is_empty() {
            return Err(Error::config("a batch needs at least one query"));
        }
        check_range("timeout_minutes", self.timeout_minutes, 5..=60)?;
        check_range("query_concurrency", self.query_concurrency, 1..=50)?;
        self.queries.iter().try_for_each(|entry| match entry {
            BatchEntry::Query(query) => query.check(),
            BatchEntry::Text(_) => Ok(()),
        })
    }
}

impl Endpoint for CreateBatch {
    type Api = Supermetrics;
    type Output = Batch;
    const OPERATION: &'static str = "supermetrics.batches.create";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        self.check().map_err(|error| error.with_operation(Self::OPERATION))?;
        ApiRequest::of::<Self>(Method::POST, base, &["query", "batch"]).json(self).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Batch> {
        batch(meta, body)
    }
}

/// One query of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum BatchEntry {
    /// Its parameters.
    Query(Box<Query>),
    /// A text. The documentation takes one and does not say what it holds.
    Text(String),
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

/// Declares a request that is no more than a method and the path of a batch.
macro_rules! of_batch {
    ($(#[$meta:meta])* $name:ident $method:ident [$($segment:literal)?] -> $output:ty = $decode:path,
     $operation:literal, $idempotency:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[must_use = "a request does nothing until it is sent"]
        pub struct $name {
            batch: BatchId,
        }

        impl $name {
            /// The batch of this id.
            pub fn new(batch: impl Into<BatchId>) -> Self {
                Self { batch: batch.into() }
            }
        }

        impl Endpoint for $name {
            type Api = Supermetrics;
            type Output = $output;
            const OPERATION: &'static str = $operation;
            const IDEMPOTENCY: Idempotency = Idempotency::$idempotency;

            fn to_request(&self, base: &Url) -> Result<ApiRequest> {
                let path = ["query", "batch", self.batch.as_str() $(, $segment)?];
                ApiRequest::of::<Self>(Method::$method, base, &path).finish()
            }

            #[inline]
            fn decode(&self, meta: &Meta, body: &Bytes) -> Result<$output> {
                $decode(meta, body)
            }
        }
    };
}

of_batch! {
    /// Gets a batch: what it was created with, and whether it is over.
    ///
    /// Source: Supermetrics API, "Get batch information", `GET /query/batch/{batch_id}`. Safe to repeat.
    GetBatch GET [] -> Batch = batch, "supermetrics.batches.get", Safe
}

of_batch! {
    /// Gets how far a batch is, with the first of its queries. [`ListBatchQueries`] has them all.
    ///
    /// Source: Supermetrics API, "Get batch status", `GET /query/batch/{batch_id}/status`. Safe to repeat.
    GetBatchStatus GET ["status"] -> BatchStatus = json::decode, "supermetrics.batches.get_status", Safe
}

of_batch! {
    /// Cancels a batch. What its queries have found by then stays. The batch, where the answer holds it.
    ///
    /// Source: Supermetrics API, `DELETE /query/batch/{batch_id}`. Inferred: a second time does nothing more, so it is
    /// repeated when its answer is lost.
    CancelBatch DELETE [] -> Option<Batch> = cancelled, "supermetrics.batches.cancel", Idempotent
}

/// Lists the queries of a batch: how each stands, and why it failed. Its rows are under its
/// [`schedule_id`](BatchQuery::schedule_id).
///
/// Source: Supermetrics API, "Get batch status", `GET /query/batch/{batch_id}/status`. Safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListBatchQueries {
    batch: BatchId,
    limit: u32,
    cursor: Option<Cursor>,
}

impl ListBatchQueries {
    /// The queries of this batch.
    pub fn new(batch: impl Into<BatchId>) -> Self {
        Self { batch: batch.into(), limit: 100, cursor: None }
    }

    /// Queries of a page, 1 to 1000. Default 100.
    pub fn limit(mut self, queries: u32) -> Self {
        self.limit = queries;
        self
    }
}

impl Endpoint for ListBatchQueries {
    type Api = Supermetrics;
    type Output = Page<BatchQuery>;
    const OPERATION: &'static str = "supermetrics.batch_queries.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    /// The batch calls are documented with plain parameters alone.
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let offset = check_range("limit", Some(self.limit), 1..=1000)
            .and_then(|()| offset_of(self.cursor.as_ref()))
            .map_err(|error| error.with_operation(Self::OPERATION))?;
        let path = ["query", "batch", self.batch.as_str(), "status"];
        ApiRequest::of::<Self>(Method::GET, base, &path)
            .query("offset", Some(offset))
            .query("limit", Some(self.limit))
            .finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<BatchQuery>> {
        let answer: ListAnswer<BatchQuery> = json::decode(meta, body)?;
        let total = answer.total();
        counted_page(answer.data, self.cursor.as_ref(), total, self.limit)
    }
}

impl PagedEndpoint for ListBatchQueries {
    type Item = BatchQuery;

    fn at(&self, cursor: &Cursor) -> Self {
        Self { cursor: Some(cursor.clone()), ..self.clone() }
    }
}

impl OffsetPages for ListBatchQueries {
    fn page_count(&self, first: &Page<BatchQuery>) -> usize {
        page_count(first, self.limit)
    }

    fn nth(&self, _: &Page<BatchQuery>, number: usize) -> Cursor {
        nth(number, self.limit)
    }
}

id! {
    /// Id of a batch.
    BatchId
}

open_enum! {
    /// State of a batch. It does not say how its queries ended: see [`BatchProgress`].
    BatchState {
        /// Accepted, not started.
        Queued = "QUEUED",
        /// Going on.
        Running = "RUNNING",
        /// Over: done, out of time, or cancelled.
        Stopped = "STOPPED",
    }
}

impl BatchState {
    /// Whether the batch is over. Never true for a state that is unknown here.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        *self == Self::Stopped
    }
}

open_enum! {
    /// What the queries of a batch are split by.
    SplitPolicy {
        /// One query for each account.
        All = "all",
        /// One query for each day.
        Day = "day",
        /// No splitting.
        None = "none",
    }
}

/// A batch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Batch {
    /// Id.
    pub batch_id: BatchId,
    /// How it stands.
    #[serde(rename = "status_code")]
    pub state: Option<BatchState>,
    /// When it was asked for. Inferred, as all its times: UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub schedule_time: Option<DateTime<Utc>>,
    /// When work began.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub start_time: Option<DateTime<Utc>>,
    /// When work ended.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub end_time: Option<DateTime<Utc>>,
    /// When it was cancelled.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub cancel_time: Option<DateTime<Utc>>,
    /// Words about it.
    pub description: Option<Box<str>>,
    /// Whether its queries were split by account.
    pub split_accounts_policy: Option<SplitPolicy>,
    /// Whether its queries were split by day.
    pub split_dates_policy: Option<SplitPolicy>,
    /// How many minutes it may take.
    #[serde(default, deserialize_with = "lenient::count")]
    pub timeout_minutes: Option<u64>,
    /// How many queries it has, after splitting.
    #[serde(default, deserialize_with = "lenient::count")]
    pub query_amount: Option<u64>,
    /// How many queries run at the same time.
    #[serde(default, deserialize_with = "lenient::count")]
    pub query_concurrency: Option<u64>,
    /// Format of the results.
    pub query_output_format: Option<Format>,
    /// As [`CreateBatch::exclude_account_errors`].
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub add_exclude_account_errors: Option<bool>,
    /// As [`CreateBatch::clean_data_types`].
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub add_clean_data_types: Option<bool>,
}

/// How far a batch is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchStatus {
    /// How it stands.
    pub state: Option<BatchState>,
    /// How its queries stand.
    pub progress: Option<BatchProgress>,
    /// How many queries there are.
    pub total: Option<u64>,
    /// The first of them.
    pub queries: Vec<BatchQuery>,
}

impl<'de> Deserialize<'de> for BatchStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        struct Head {
            status_code: Option<BatchState>,
            #[serde(default, deserialize_with = "lenient::object")]
            progress: Option<BatchProgress>,
            #[serde(default, deserialize_with = "lenient::object")]
            paginate: Option<Counters>,
        }
        #[derive(Deserialize)]
        struct Counters {
            #[serde(default, deserialize_with = "lenient::count")]
            total: Option<u64>,
        }
        #[derive(Deserialize)]
        struct Answer {
            meta: Option<Head>,
            #[serde(default, deserialize_with = "lenient::list")]
            data: Vec<BatchQuery>,
        }
        let Answer { meta, data } = Answer::deserialize(deserializer)?;
        let head = meta.unwrap_or_default();
        Ok(Self {
            state: head.status_code,
            progress: head.progress,
            total: head.paginate.and_then(|counters| counters.total),
            queries: data,
        })
    }
}

/// How many queries of a batch stand how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct BatchProgress {
    /// Not started.
    #[serde(default, deserialize_with = "lenient::count")]
    pub queued: Option<u64>,
    /// Going on.
    #[serde(default, deserialize_with = "lenient::count")]
    pub running: Option<u64>,
    /// Over, as wanted.
    #[serde(default, deserialize_with = "lenient::count")]
    pub success: Option<u64>,
    /// Over, not as wanted.
    #[serde(default, deserialize_with = "lenient::count")]
    pub failure: Option<u64>,
}

/// One query of a batch. The link to its results is left out: [`ListRows`](super::ListRows) and
/// [`GetResults`](super::GetResults) have them by the id of the run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct BatchQuery {
    /// Id of the run.
    pub schedule_id: Option<ScheduleId>,
    /// How it stands.
    #[serde(rename = "status_code")]
    pub state: Option<QueryState>,
    /// When work began. Inferred: UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub query_start_time: Option<DateTime<Utc>>,
    /// When work ended.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub query_end_time: Option<DateTime<Utc>>,
    /// Which part of a split query it is.
    pub split_info: Option<SplitInfo>,
    /// Why it failed.
    #[serde(default, deserialize_with = "query_error")]
    pub error_info: Option<QueryError>,
    /// What came of it.
    pub result_info: Option<BatchResult>,
}

/// Which part of a split query a query of a batch is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SplitInfo {
    /// Its accounts.
    #[serde(default, deserialize_with = "lenient::list")]
    pub ds_accounts: Vec<Box<str>>,
    /// Its first day, `2026-02-01`.
    pub start_date: Option<Box<str>>,
    /// Its last day.
    pub end_date: Option<Box<str>>,
}

/// What came of a query of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct BatchResult {
    /// Rows of the result.
    #[serde(default, deserialize_with = "lenient::count")]
    pub total_rows: Option<u64>,
}

fn query_error<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<QueryError>, D::Error> {
    // Errors are few, and come in more than one shape.
    let value: Option<Value> = Option::deserialize(deserializer)?;
    Ok(value.as_ref().and_then(QueryError::of))
}

#[derive(Deserialize)]
struct BatchAnswer {
    data: Batch,
}

fn batch(meta: &Meta, body: &Bytes) -> Result<Batch> {
    json::decode::<BatchAnswer>(meta, body).map(|answer| answer.data)
}

/// The answer to a cancellation is not documented: a batch, another object, or nothing.
fn cancelled(meta: &Meta, body: &Bytes) -> Result<Option<Batch>> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    json::decode::<IgnoredAny>(meta, body)?;
    Ok(batch(meta, body).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::supermetrics::tests::request_text;

    #[test]
    fn a_batch_is_created_with_what_was_asked_for_and_nothing_else() {
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
    fn a_batch_is_got_watched_and_cancelled_by_its_id() {
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
    fn what_no_batch_can_be_is_not_sent() {
        let base = Url::parse("https://host").unwrap();
        let batch = || CreateBatch::new([Query::new("GA")]);
        for (request, says) in [
            (CreateBatch::new(Vec::<Query>::new()), "at least one query"),
            (CreateBatch::new([Query::new("GA").max_rows(0)]), "`max_rows`"),
            (
                batch().timeout(Duration::from_secs(299)),
                "`timeout_minutes` is 4; it may be 5 to 60",
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
