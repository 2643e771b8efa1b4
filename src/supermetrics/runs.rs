//! Runs of a query: start one, get its status, and read its rows.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use url::Url;

use super::Supermetrics;
use super::dialect::hint;
use super::format::Format;
use super::head::Head;
use super::parameters::{LAST_OFFSET, Limited as _, Parameters, check_offsets, json_parameters};
use super::query::{Query, QueryParameters};
use super::row_de::RowPlan;
use super::rows::{Column, Columns, Data, Field, Row, WithTitles};
use super::schedule_id::ScheduleId;
use super::state::{QueryError, QueryState};
use crate::client::{
    ApiRequest, Endpoint, Idempotency, LinkPolicy, Meta, RequestBuilder, json, operation,
};
use crate::error::{Error, ErrorKind, Result};
use crate::run::{Failure, Phase};
use crate::wire::{RawJson, lenient, model, time};

/// Runs a query and holds the call open until it ends, but no longer than its [`sync_timeout`](Query::sync_timeout).
///
/// The response has the rows, or says that the query is still running: then wait for it, see [`target`](super::target).
/// A run that failed is [`RunFailed`](ErrorKind::RunFailed). If there are many rows, read them with
/// [`ListRows`](super::ListRows).
///
/// Source: Supermetrics API, "Get data", `GET|POST /query/data/json`.
///
/// ```
/// use scheduled_runs::supermetrics::{Query, RunQuery, ScheduleId};
///
/// let query = Query::new("GAWA")
///     .fields(["date", "sessions"])
///     .start_date("yesterday")
///     .end_date("yesterday");
/// let request = RunQuery::new(query.schedule_id(ScheduleId::unique("report")));
/// ```
///
/// Operation `supermetrics.queries.run`. Send it with [`Client::send`](crate::Client::send). Never sent again once it may have arrived: each call may start a run that
/// counts against the licence. A [`schedule_id`](Query::schedule_id) does not change that, because the vendor merges
/// calls with equal ids only while the run lasts. If you chose the id, [`GetQueryStatus`] says what became of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct RunQuery {
    query: Query,
    post: bool,
}

impl RunQuery {
    /// The `sync_timeout` of a query that sets none, 20 s: it fits into a client's default limit of 30 s per attempt.
    ///
    /// The vendor's own default, half an hour, would exceed that limit. To wait longer, raise both: `sync_timeout` and
    /// the limits of the call, [`attempt_timeout`](crate::client::Call::attempt_timeout) and
    /// [`deadline`](crate::client::Call::deadline).
    pub const SYNC_TIMEOUT: Duration = QueryParameters::SYNC_TIMEOUT;

    /// Runs this query.
    pub fn new(query: Query) -> Self {
        Self { query, post: false }
    }

    /// Sends the query in the body of a POST instead of the URL of a GET: for long queries, whose URLs proxies refuse.
    pub fn post(mut self) -> Self {
        self.post = true;
        self
    }
}

// Not an `operation!`: the method is chosen for each request.
impl Endpoint for RunQuery {
    type Api = Supermetrics;
    type Output = QueryRun;
    const OPERATION: &'static str = "supermetrics.queries.run";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    #[inline]
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        data_request::<Self>(base, &Format::Json, &self.query, self.post)
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<QueryRun> {
        QueryRun::read(meta, body, Some(self.query.has_no_headers()))?.with_result()
    }
}

/// Starts a query and does not wait: the response has the state and the id of the run.
///
/// [`RunProviderExt::trigger`](crate::RunProviderExt::trigger) starts a run of a [target](super::target) this way, and
/// also chooses its id. [`RunProviderExt::prepare`](crate::RunProviderExt::prepare) starts it so that it is found even if the
/// process dies or the future is dropped.
///
/// Source: Supermetrics API, "Async queries": `GET|POST /query/data/{format}` with `sync_timeout=0`.
///
/// ```
/// use scheduled_runs::supermetrics::{Format, Query, StartQuery};
///
/// let query = Query::new("GAWA")
///     .accounts(["123456"])
///     .date_range_type("last_month")
///     .fields(["date", "sessions"]);
/// let request = StartQuery::new(query).format(Format::Csv).post();
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "POST");
/// # assert_eq!(sent.url().path(), "/query/data/csv");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
///
/// Operation `supermetrics.queries.start`. Send it with [`Client::send`](crate::Client::send). Never sent again once it may have arrived, as [`RunQuery`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct StartQuery {
    query: Query,
    format: Format,
    post: bool,
}

impl StartQuery {
    /// Starts this query. Its [`sync_timeout`](Query::sync_timeout) is ignored.
    pub fn new(query: Query) -> Self {
        Self { query: query.sync_timeout(Duration::ZERO), format: Format::Json, post: false }
    }

    /// Format of the result. If not set, JSON, whose rows [`ListRows`](super::ListRows) reads; read other formats with
    /// [`GetResults`](super::GetResults).
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// As [`RunQuery::post`].
    pub fn post(mut self) -> Self {
        self.post = true;
        self
    }
}

// Not an `operation!`: the method is chosen for each request.
impl Endpoint for StartQuery {
    type Api = Supermetrics;
    type Output = QueryRun;
    const OPERATION: &'static str = "supermetrics.queries.start";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    #[inline]
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        data_request::<Self>(base, &self.format, &self.query, self.post)
    }

    /// A result from the vendor's cache may come at once, and in its own format.
    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<QueryRun> {
        if self.format == Format::Json || QueryRun::unless_file(meta, body)?.is_some() {
            return QueryRun::read(meta, body, Some(self.query.has_no_headers()));
        }
        let mut run = QueryRun::default();
        run.schedule_id.clone_from(&self.query.parameters.schedule_id);
        run.state = Some(QueryState::Success);
        Ok(run)
    }
}

/// The request of `/query/data/{format}`.
pub(super) fn data_request<E: Endpoint>(
    base: &Url,
    format: &Format,
    query: &Query,
    post: bool,
) -> Result<ApiRequest> {
    let method = if post { Method::POST } else { Method::GET };
    let request = ApiRequest::of::<E>(method, base, &["query", "data", format.as_str()]);
    let request = request.check(query.check());
    let mut query = query.clone();
    query.parameters = query.parameters.with_timeout();
    if post { request.json(&query) } else { json_parameters(request, &query) }.finish()
}

operation! {
    /// Gets the state of a run, and its rows once it has succeeded.
    ///
    /// A failed run is a successful response here, whether the vendor reports it as a state or as an error;
    /// [`QueryRun::success`] turns it into an error. An id that the vendor does not know, or no longer knows, is
    /// [`NotFound`](ErrorKind::NotFound): status and results are kept for an hour after the end of the run.
    ///
    /// Source: Supermetrics API, "Get status", `GET /query/status`.
    ///
    /// ```
    /// use scheduled_runs::supermetrics::GetQueryStatus;
    ///
    /// // The state, and the first hundred rows once the run has succeeded.
    /// let request = GetQueryStatus::new("report-2026-02").offset_start(0).offset_end(99);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "GET");
    /// # assert_eq!(sent.url().path(), "/query/status");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    GetQueryStatus { run: ScheduleId }
    state { offset_start: Option<u32>, offset_end: Option<u32>, no_headers: Option<bool> }
    for Supermetrics, "supermetrics.queries.get_status", Safe: GET "query" / "status" -> QueryRun,
    with |this, request| status_parameters(request, &this.run, this.offset_start, this.offset_end),
    decode |this, meta, body| {
        let mut run = QueryRun::read(meta, body, this.no_headers)?;
        run.schedule_id.get_or_insert_with(|| this.run.clone());
        // A part of the result may be empty.
        if this.offset_start.is_none() && this.offset_end.is_none() { run.with_all_rows() } else { Ok(run) }
    }
}

impl GetQueryStatus {
    /// The first row to send, counted from 0, at most 1,000,000.
    pub fn offset_start(mut self, row: u32) -> Self {
        self.offset_start = Some(row);
        self
    }

    /// The last row to send, counted from 0 and **included**: 0 to 99 is a hundred rows. At most 1,000,000. If not set,
    /// all rows are sent.
    pub fn offset_end(mut self, row: u32) -> Self {
        self.offset_end = Some(row);
        self
    }

    /// Says that the query was run with [`Query::no_headers`], so that there is no header row. If not set, the settings
    /// in the response decide.
    pub fn no_headers(mut self) -> Self {
        self.no_headers = Some(true);
        self
    }
}

/// Adds the parameters of `/query/status`.
pub(super) fn status_parameters(
    request: RequestBuilder,
    run: &ScheduleId,
    offset_start: Option<u32>,
    offset_end: Option<u32>,
) -> RequestBuilder {
    let request = request
        .check(offset_start.check("offset_start", 0..=LAST_OFFSET))
        .check(offset_end.check("offset_end", 0..=LAST_OFFSET))
        .check(check_offsets(offset_start, offset_end))
        .check(run.check_given());
    let parameters = Parameters([
        ("schedule_id", json!(run)),
        ("offset_start", json!(offset_start)),
        ("offset_end", json!(offset_end)),
    ]);
    json_parameters(request, &parameters)
}

/// One run of a query: its state, and its rows once it has succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryRun {
    /// The vendor's id for the request of this response, for questions to their support.
    pub request_id: Option<Box<str>>,
    /// Id of the run. The responses of later pages leave it out.
    pub schedule_id: Option<ScheduleId>,
    /// State of the run.
    pub state: Option<QueryState>,
    /// Progress, while the query is running.
    pub progress: Option<QueryProgress>,
    /// Load of the licence's queue, while the query is running.
    pub workflow: Option<Workflow>,
    /// The query as the vendor understood it.
    pub query: Option<ResolvedQuery>,
    /// Size and source of the result.
    pub result: Option<ResultInfo>,
    /// The next rows, if the vendor sent a link to them. The link itself is not kept, because it may contain the API
    /// key.
    pub next: Option<Offsets>,
    /// Why the run failed, if the vendor gives a reason.
    pub error: Option<QueryError>,
    /// Whether there is a link to more rows, readable or not.
    pub(super) linked: bool,
    columns: Arc<Columns>,
    rows: Vec<Row>,
}

impl QueryRun {
    /// The rows, without the header row. Empty until the run has succeeded.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows, taken out of the run.
    #[must_use]
    pub fn into_rows(self) -> Vec<Row> {
        self.rows
    }

    /// The columns of the rows.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.columns.list()
    }

    /// The rows as your own type; [`Row::deserialize`] says which types fit.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] for a row that does not fit. Otherwise as [`success`](Self::success), so that a run whose
    /// result has no rows differs from a run that has no rows yet.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.check()?;
        let plan = RowPlan::default();
        let rows = self.rows.iter().enumerate();
        rows.map(|(number, row)| plan.read(row, Some(number))).collect()
    }

    /// Whether the run has succeeded. True as well for rows without a state, which older responses have.
    #[must_use]
    pub fn is_success(&self) -> bool {
        match &self.state {
            Some(state) => *state == QueryState::Success,
            None => self.result.is_some() || !self.rows.is_empty(),
        }
    }

    /// The run, if it has succeeded.
    ///
    /// # Errors
    /// [`ErrorKind::RunFailed`] with the vendor's reason if it ended in another way; [`ErrorKind::Config`] if it has
    /// not ended.
    pub fn success(self) -> Result<Self> {
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<()> {
        self.failed()?;
        if self.is_success() {
            return Ok(());
        }
        let state = self.state.as_ref().map_or("no state", QueryState::as_str);
        Err(Error::config(format!("the query has not ended ({state}); wait for it first")))
    }

    /// As [`check`](Self::check), for responses that should have been rows.
    pub(super) fn with_rows(self) -> Result<Self> {
        self.failed()?;
        if self.is_success() {
            return Ok(self);
        }
        let state = self.state.as_ref().map_or("no state", QueryState::as_str);
        let message = format!("there are no rows yet ({state}); wait until the query has ended");
        Err(Error::new(ErrorKind::NotFound, message))
    }

    /// The run, unless it has failed, or rows of its result were not found in the response.
    pub(super) fn with_result(self) -> Result<Self> {
        self.failed()?;
        self.with_all_rows()
    }

    /// The run, unless it has rows of which none was found in the response.
    fn with_all_rows(self) -> Result<Self> {
        if self.is_success() {
            json::found(&self.rows, self.result.as_ref().and_then(|result| result.total_rows))?;
        }
        Ok(self)
    }

    /// The run, unless it has failed.
    pub(super) fn unless_failed(self) -> Result<Self> {
        self.failed()?;
        Ok(self)
    }

    fn failed(&self) -> Result<()> {
        let Some(state) = self.state.as_ref().filter(|state| state.is_failure()) else {
            return Ok(());
        };
        let why = match &self.error {
            Some(error) => format!(": {error}"),
            // A query that somebody stopped needs no reason.
            None if state.phase() == Phase::Failed => ": the vendor gives no reason".to_owned(),
            None => String::new(),
        };
        let error = Error::new(ErrorKind::RunFailed, format!("the query ended as {state}{why}"));
        Err(match &self.error {
            Some(reason) => error.with_failure(reason.failure()),
            None => error,
        })
    }

    /// Reads the response to a request for a file. If the query is still running or has failed, the response is the run
    /// in JSON, whatever the format of the file. `None` for a file.
    #[inline]
    pub(super) fn unless_file(meta: &Meta, body: &Bytes) -> Result<Option<Self>> {
        match Head::of_file(meta, body)?.state {
            Some(state) if state != QueryState::Success => Self::read(meta, body, None).map(Some),
            _ => Ok(None),
        }
    }

    /// Reads a response. `no_headers` is the setting of the query, where it is known.
    #[inline]
    pub(super) fn read(meta: &Meta, body: &Bytes, no_headers: Option<bool>) -> Result<Self> {
        let response = if body.trim_ascii_start().starts_with(b"[") {
            // The format `keyjson`: a list of rows and nothing else.
            let state = Some(QueryState::Success);
            let head = RunMeta { status_code: state, ..RunMeta::default() };
            let data = json::decode(meta, body)?;
            RunResponse { meta: Some(head), data, error: None, message: None, no_headers: false }
        } else {
            json::decode(meta, body)?
        };
        Ok(Self::of(response, no_headers))
    }

    #[inline]
    fn of(response: RunResponse, no_headers: Option<bool>) -> Self {
        let head = response.meta.unwrap_or_default();
        let no_headers = no_headers
            .unwrap_or_else(|| head.query.as_ref().is_some_and(ResolvedQuery::has_no_headers));
        let fields = head.query.as_ref().map_or(&[][..], |query| &query.fields);
        let (columns, rows) = response.data.into_rows(fields, !no_headers);
        let error = [response.error, head.error].iter().flatten().find_map(QueryError::of);
        let error = error.map(|error| QueryError {
            // An error that is only a code may have its message beside it.
            message: error.message.or_else(|| response.message.filter(|text| !text.is_empty())),
            ..error
        });
        let link = head.paginate.and_then(|links| links.next).filter(|link| link.json() != "\"\"");
        // A failed run may have an error but no state, and a run with an error is neither running nor successful.
        let reported = head.status_code.as_ref().is_some_and(QueryState::is_failure);
        let failed = (error.is_some() && !reported).then_some(QueryState::Failure);
        Self {
            request_id: head.request_id,
            schedule_id: head.schedule_id.filter(|id| !id.as_str().is_empty()),
            state: failed.or(head.status_code),
            progress: head.progress,
            workflow: head.workflow,
            query: head.query,
            result: head.result,
            next: link.as_ref().and_then(|link| Offsets::of(&link.read::<String>().ok()?)),
            error,
            linked: link.is_some(),
            columns,
            rows,
        }
    }
}

impl QueryError {
    /// The reason of a run that failed, with a hint where the vendor's words alone are misleading.
    pub(super) fn failure(&self) -> Failure {
        let message = match (self.sentence(), hint(self)) {
            (Some(sentence), Some(hint)) => {
                Some(format!("{}; {hint}", sentence.trim_end_matches('.')).into())
            }
            (Some(sentence), None) => Some(sentence.into()),
            (None, hint) => hint.map(Into::into),
        };
        Failure {
            message,
            code: self.code.clone(),
            log_url: self.docs_url.clone(),
            ..Failure::default()
        }
    }
}

/// Reads a run as the responses have it.
impl<'de> Deserialize<'de> for QueryRun {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let response = RunResponse::deserialize(deserializer)?;
        let no_headers = response.no_headers.then_some(true);
        Ok(Self::of(response, no_headers))
    }
}

/// Writes a run as the responses have it, with two differences: a link to more rows has only their offsets, and rows without a row
/// of titles are marked by the member `no_headers`.
impl Serialize for QueryRun {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Response<'r> {
            meta: Meta<'r>,
            data: WithTitles<'r>,
            error: &'r Option<QueryError>,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            no_headers: bool,
        }
        #[derive(Serialize)]
        struct Meta<'r> {
            request_id: &'r Option<Box<str>>,
            schedule_id: &'r Option<ScheduleId>,
            status_code: &'r Option<QueryState>,
            progress: &'r Option<QueryProgress>,
            workflow: &'r Option<Workflow>,
            query: &'r Option<ResolvedQuery>,
            result: &'r Option<ResultInfo>,
            paginate: Option<Links>,
        }
        #[derive(Serialize)]
        struct Links {
            next: String,
        }
        let data = WithTitles(&self.columns, &self.rows);
        let next = || self.next.map_or_else(|| "?".to_owned(), Offsets::link);
        let meta = Meta {
            request_id: &self.request_id,
            schedule_id: &self.schedule_id,
            status_code: &self.state,
            progress: &self.progress,
            workflow: &self.workflow,
            query: &self.query,
            result: &self.result,
            paginate: self.linked.then(|| Links { next: next() }),
        };
        let no_headers = self.columns.lack_titles();
        Response { meta, data, error: &self.error, no_headers }.serialize(serializer)
    }
}

model! {
    struct RunResponse {
        meta: Option<RunMeta>,
        data: Data as "data" default,
        error: Option<Value>,
        message: Option<Box<str>> as "message" with lenient::text,
        /// Not the vendor's: marks a stored run whose rows have no titles.
        no_headers: bool as "no_headers" default,
    }
}

model! {
    #[derive(Default)]
    struct RunMeta {
        request_id: Option<Box<str>> as "request_id" with lenient::text,
        schedule_id: Option<ScheduleId>,
        status_code: Option<QueryState>,
        progress: Option<QueryProgress> as "progress" with lenient::object,
        workflow: Option<Workflow> as "workflow" with lenient::object,
        query: Option<ResolvedQuery> as "query" with lenient::object,
        result: Option<ResultInfo> as "result" with lenient::object,
        paginate: Option<PageLinks> as "paginate" with lenient::object,
        error: Option<Value>,
    }
}

model! {
    struct PageLinks {
        next: Option<RawJson>,
    }
}

model! {
    /// Progress of a run.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct QueryProgress {
        /// Parts that are finished.
        pub queries_ready: Option<u64> as "queries_ready" with lenient::count,
        /// All parts. The number may grow while the query is running.
        pub queries_total: Option<u64> as "queries_total" with lenient::count,
    }
}

model! {
    /// Load of the queue, which the whole licence shares.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Workflow {
        /// Tasks that are waiting.
        pub tasks_scheduled: Option<u64> as "tasks_scheduled" with lenient::count,
        /// Tasks that are running.
        pub tasks_running: Option<u64> as "tasks_running" with lenient::count,
    }
}

model! {
    /// A query as the vendor understood it, with relative dates resolved.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct ResolvedQuery {
        /// First day, `2026-02-01`.
        pub start_date: Option<Box<str>>,
        /// Last day.
        pub end_date: Option<Box<str>>,
        /// Accounts of the query.
        pub ds_accounts: Vec<Box<str>> as "ds_accounts" with lenient::list,
        /// Segments of the query.
        pub ds_segments: Vec<Box<str>> as "ds_segments" with lenient::list,
        /// Fields of the query.
        pub fields: Vec<Field> as "fields" with lenient::list,
        /// What the result is compared with.
        pub compare_type: Option<Box<str>>,
        /// How the comparison is shown.
        pub compare_show: Option<Box<str>>,
        /// First day of the comparison.
        pub compare_start_date: Option<Box<str>>,
        /// Last day of the comparison.
        pub compare_end_date: Option<Box<str>>,
        /// Settings, as they came.
        pub settings: Option<RawJson>,
        /// The greatest age in minutes that was allowed for a cached result.
        pub cache_minutes: Option<u64> as "cache_minutes" with lenient::count,
    }
}

impl ResolvedQuery {
    #[inline]
    fn has_no_headers(&self) -> bool {
        model! {
            struct Settings {
                no_headers: Option<bool> as "no_headers" with lenient::boolean,
            }
        }
        let settings = self.settings.as_ref().and_then(|settings| settings.read::<Settings>().ok());
        settings.and_then(|settings| settings.no_headers).unwrap_or(false)
    }
}

model! {
    /// Size and source of a result.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct ResultInfo {
        /// Columns of a row; 0 if there is no data.
        pub total_columns: Option<u64> as "total_columns" with lenient::count,
        /// Rows of the whole result, without the header row.
        pub total_rows: Option<u64> as "total_rows" with lenient::count,
        /// How long the run took.
        #[serde(serialize_with = "lenient::write_seconds")]
        pub run_time: Option<Duration> as "run_seconds" with lenient::seconds,
        /// Whether the data source used only a sample of its data.
        pub data_sampled: Option<bool> as "data_sampled" with lenient::boolean,
        /// Whether the vendor's cache was used.
        pub cache_used: Option<bool> as "cache_used" with lenient::boolean,
        /// When the newest data of the cache was fetched. UTC.
        pub cache_time: Option<DateTime<Utc>> as "cache_time" with time::lenient_utc,
    }
}

/// The rows of a page, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offsets {
    /// The first row.
    pub start: u64,
    /// The last row, included. `None` means up to the end.
    pub end: Option<u64>,
}

impl Offsets {
    /// A link with nothing but the offsets.
    fn link(self) -> String {
        let end = self.end.map_or_else(String::new, |end| format!("&offset_end={end}"));
        format!("?offset_start={}{end}", self.start)
    }

    /// The offsets in a link to a page, from the object in `json` or from query members of their own. The rest of the
    /// link is ignored: links point to other hosts, and contain the API key if it is sent in the parameters.
    #[inline]
    fn of(link: &str) -> Option<Self> {
        model! {
            struct Members {
                offset_start: Option<u64> as "offset_start" with lenient::count,
                offset_end: Option<u64> as "offset_end" with lenient::count,
            }
        }
        let members = LinkPolicy::query_of(link);
        let member = |wanted: &str| {
            members.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
        };
        let object = member("json").filter(|json| json.trim_start().starts_with('{'));
        let object = object.and_then(|json| serde_json::from_str::<Members>(json).ok());
        let plain = |name| member(name).and_then(|value| value.parse().ok());
        let (start, end) = match object {
            Some(members) => (members.offset_start, members.offset_end),
            None => (plain("offset_start"), plain("offset_end")),
        };
        Some(Self { start: start?, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supermetrics::tests::request_text;

    fn query() -> Query {
        Query::new("GAWA").schedule_id("s-1").fields(["date", "sessions"])
    }

    #[test]
    fn a_query_is_run_in_the_url_or_in_the_body() {
        assert_eq!(
            request_text(&RunQuery::new(query())),
            r#"GET /query/data/json?json={"ds_id":"GAWA","schedule_id":"s-1","fields":["date","sessions"],"sync_timeout":20}"#
        );
        assert_eq!(
            request_text(&RunQuery::new(query().sync_timeout(Duration::from_secs(600))).post()),
            "POST /query/data/json\ncontent-type: application/json\n\n\
             {\"ds_id\":\"GAWA\",\"schedule_id\":\"s-1\",\"fields\":[\"date\",\"sessions\"],\"sync_timeout\":600}"
        );
        let base = Url::parse("https://host/v2").unwrap();
        let request =
            RunQuery::new(Query::new("GA").filter("a > 1 & b")).to_request(&base).unwrap();
        assert_eq!(
            request.text("https://host", ""),
            "GET /v2/query/data/json?json=%7B%22ds_id%22%3A%22GA%22%2C%22filter%22%3A%22a%20%3E%201%20%26%20b%22%2C%22sync_timeout%22%3A20%7D"
        );
    }

    #[test]
    fn a_query_is_started_without_waiting_whatever_it_says() {
        let waits = query().sync_timeout(Duration::from_secs(600));
        assert_eq!(
            request_text(&StartQuery::new(waits.clone())),
            r#"GET /query/data/json?json={"ds_id":"GAWA","schedule_id":"s-1","fields":["date","sessions"],"sync_timeout":0}"#
        );
        assert_eq!(
            request_text(&StartQuery::new(Query::new("GA")).format(Format::Csv).post()),
            "POST /query/data/csv\ncontent-type: application/json\n\n{\"ds_id\":\"GA\",\"sync_timeout\":0}"
        );
    }

    #[test]
    fn a_status_is_requested_by_id_and_rows_by_their_offsets() {
        assert_eq!(
            request_text(&GetQueryStatus::new("s-1")),
            r#"GET /query/status?json={"schedule_id":"s-1"}"#
        );
        assert_eq!(
            request_text(&GetQueryStatus::new("s-1").offset_start(100).offset_end(199)),
            r#"GET /query/status?json={"schedule_id":"s-1","offset_start":100,"offset_end":199}"#
        );
        // An id from the vendor is sent back unchanged, whatever it contains.
        assert_eq!(
            request_text(&GetQueryStatus::new("4226...51c0/ü")),
            r#"GET /query/status?json={"schedule_id":"4226...51c0/ü"}"#
        );
    }

    #[test]
    fn invalid_input_is_not_sent() {
        let base = Url::parse("https://host").unwrap();
        for (error, says) in [
            (
                RunQuery::new(Query::new("")).to_request(&base),
                "supermetrics.queries.run: `ds_id` is empty",
            ),
            (
                StartQuery::new(Query::new("GA").max_rows(0)).to_request(&base),
                "supermetrics.queries.start: `max_rows` is 0",
            ),
            (
                GetQueryStatus::new("").to_request(&base),
                "supermetrics.queries.get_status: `schedule_id` is empty",
            ),
            (
                GetQueryStatus::new("s").offset_start(2).offset_end(1).to_request(&base),
                "`offset_end` is less than",
            ),
            (
                GetQueryStatus::new("s").offset_end(1_000_001).to_request(&base),
                "`offset_end` is 1000001",
            ),
        ] {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn only_the_offsets_of_a_link_are_used() {
        let read = |link: &str| Offsets::of(link).map(|offsets| (offsets.start, offsets.end));
        for (link, offsets) in [
            (
                r#"https://else.example/x?json={"api_key":"k","offset_start":100,"offset_end":199}"#,
                Some((100, Some(199))),
            ),
            ("/x?json=%7B%22offset_start%22%3A%22100%22%7D", Some((100, None))),
            ("?offset_start=7&offset_end=8#offset_start=9", Some((7, Some(8)))),
            ("?json={\"offset_end\":1}", None),
            ("?json=page2", None),
            ("?json=[]&offset_start=5", Some((5, None))),
            ("https://else.example/next", None),
            ("", None),
        ] {
            assert_eq!(read(link), offsets, "{link}");
        }
    }

    fn read(body: &str) -> Result<QueryRun> {
        let response = http::Response::new(Bytes::copy_from_slice(body.as_bytes()));
        QueryRun::read(&Meta::of_test(&response), response.body(), None)
    }

    #[test]
    fn headers_are_removed_unless_the_response_has_none() {
        let settings = |settings: &str| {
            let body = format!(
                r#"{{"meta":{{"status_code":"SUCCESS","query":{{"settings":{settings}}}}},"data":[["a"],["b"]]}}"#
            );
            read(&body).unwrap().rows().len()
        };
        for (given, rows) in [
            ("null", 1),
            ("[]", 1),
            (r#""x""#, 1),
            ("{}", 1),
            (r#"{"no_headers":false}"#, 1),
            (r#"{"no_headers":true}"#, 2),
            (r#"{"no_headers":"true"}"#, 2),
        ] {
            assert_eq!(settings(given), rows, "{given}");
        }
    }

    #[test]
    fn a_result_may_have_no_rows_and_an_unfinished_run_has_none_to_read() {
        for body in [
            r#"{"meta":{"status_code":"SUCCESS"},"data":[]}"#,
            r#"{"meta":{"status_code":"success"},"data":null}"#,
            r#"{"meta":{"status_code":"SUCCESS","paginate":[]}}"#,
            r#"{"meta":{"result":{"total_rows":0}},"data":[]}"#,
            "[]",
        ] {
            let run = read(body).unwrap();
            assert!(run.deserialize::<Vec<String>>().unwrap().is_empty(), "{body}");
            assert!(run.is_success() && run.success().is_ok());
        }
        for (body, kind, says) in [
            (
                r#"{"meta":{"status_code":"RUNNING"},"data":[]}"#,
                ErrorKind::Config,
                "has not ended (RUNNING)",
            ),
            (r#"{"meta":{"status_code":"pending"}}"#, ErrorKind::Config, "has not ended (pending)"),
            ("{}", ErrorKind::Config, "has not ended (no state)"),
            (
                r#"{"meta":{"status_code":"FAILURE"},"data":null}"#,
                ErrorKind::RunFailed,
                "ended as FAILURE: the vendor gives no reason",
            ),
            (
                r#"{"meta":{"status_code":"PROCESS_EXITED"}}"#,
                ErrorKind::RunFailed,
                "ended as PROCESS_EXITED: the vendor gives no reason",
            ),
            (r#"{"meta":{"status_code":"STOPPED"}}"#, ErrorKind::RunFailed, "ended as STOPPED"),
            (
                r#"{"meta":{"status_code":"FAILURE"},"error":{"code":"QUERY_ERROR","message":"No such account."}}"#,
                ErrorKind::RunFailed,
                "ended as FAILURE: No such account (code QUERY_ERROR)",
            ),
            (
                r#"{"meta":{"status_code":"RUNNING"},"error":{"code":"QUERY_ERROR","message":"no"}}"#,
                ErrorKind::RunFailed,
                "ended as FAILURE: no (code QUERY_ERROR)",
            ),
            (
                r#"{"meta":{"status_code":"SUCCESS"},"error":{"code":"QUERY_ERROR","message":"no"},"data":[]}"#,
                ErrorKind::RunFailed,
                "ended as FAILURE: no (code QUERY_ERROR)",
            ),
            (
                r#"{"meta":{"error":{"code":"QUERY_ERROR","message":"no"}},"error":{}}"#,
                ErrorKind::RunFailed,
                "ended as FAILURE: no (code QUERY_ERROR)",
            ),
            (
                r#"{"error":"QUERY_ERROR","message":"no"}"#,
                ErrorKind::RunFailed,
                "ended as FAILURE: no (code QUERY_ERROR)",
            ),
            (
                r#"{"error":{"code":"QUERY_ERROR"}}"#,
                ErrorKind::RunFailed,
                "the vendor gives no reason (code QUERY_ERROR)",
            ),
        ] {
            let run = read(body).unwrap();
            let error = run.deserialize::<Vec<String>>().unwrap_err();
            assert_eq!(error.kind(), kind, "{body}");
            let said = error.to_string();
            let is_whole = kind == ErrorKind::Config || said.ends_with(says);
            assert!(said.contains(says) && is_whole, "{said}");
            assert!(run.with_rows().is_err());
        }
    }
}
