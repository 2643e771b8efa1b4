//! Runs of a query: start one, see how it stands, and have its rows.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::dialect::QueryError;
use super::query::{Query, check_offsets, check_range};
use super::row_de::Plan;
use super::rows::{Column, Columns, Data, Field, Row};
use super::schedule_id::ScheduleId;
use super::{Format, Supermetrics, json_parameters};
use crate::client::{ApiRequest, Endpoint, Idempotency, LinkPolicy, Meta};
use crate::error::{Error, ErrorKind, Result};
use crate::run::Phase;
use crate::wire::{RawJson, json, lenient, open_enum, time};

/// Runs a query and holds the call open until it ends, at most for its [`sync_timeout`](Query::sync_timeout).
///
/// The answer has the rows, or says that the query goes on: then wait for it, see [`target`](super::target). A run that
/// failed is [`RunFailed`](ErrorKind::RunFailed). Where the rows are many, take them from
/// [`ListRows`](super::ListRows).
///
/// Source: Supermetrics API, "Get data", `GET|POST /query/data/json`. Each call may start a run that counts against the
/// licence, and a [`schedule_id`](Query::schedule_id) does not change that: the vendor merges equal ids only as long as
/// the run lasts. So it is never sent again once it may have arrived; [`GetQueryStatus`] tells what became of a run whose id
/// was chosen.
///
/// ```
/// use scheduled_runs::supermetrics::{Query, RunQuery, ScheduleId};
///
/// let query = Query::new("GAWA").fields(["date", "sessions"]).start_date("yesterday").end_date("yesterday");
/// let request = RunQuery::new(query.schedule_id(ScheduleId::unique("report")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct RunQuery {
    query: Query,
    post: bool,
}

impl RunQuery {
    /// The `sync_timeout` of a query that sets none: it fits into a client's default limit of 30 s for an attempt.
    ///
    /// The vendor's own default of half an hour would outlast it. For more, raise both: `sync_timeout` and the limits
    /// of the call, [`attempt_timeout`](crate::client::Call::attempt_timeout) and
    /// [`deadline`](crate::client::Call::deadline).
    pub const SYNC_TIMEOUT: Duration = Duration::from_secs(20);

    /// This query.
    pub fn new(query: Query) -> Self {
        Self { query, post: false }
    }

    /// Sends the query in the body of a POST, not in the URL of a GET: for long queries, which proxies refuse in a URL.
    pub fn post(mut self) -> Self {
        self.post = true;
        self
    }
}

impl Endpoint for RunQuery {
    type Api = Supermetrics;
    type Output = QueryRun;
    const OPERATION: &'static str = "supermetrics.queries.run";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        data_call::<Self>(base, &Format::Json, &self.query, self.post)
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<QueryRun> {
        let run = QueryRun::read(meta, body, Some(self.query.has_no_headers()))?;
        run.unless_failed().map_err(|error| error.with_operation(Self::OPERATION))
    }
}

/// Starts a query and does not wait: the answer says how it stands, and under which id.
///
/// A run under a [target](super::target) is started this way by
/// [`RunProviderExt::trigger`](crate::RunProviderExt::trigger), which also chooses its id.
///
/// Source: Supermetrics API, "Async queries": `GET|POST /query/data/{format}` with `sync_timeout=0`. Never sent again
/// once it may have arrived, as [`RunQuery`].
///
/// ```
/// use scheduled_runs::supermetrics::{Format, Query, StartQuery};
///
/// let query = Query::new("GAWA").accounts(["123456"]).date_range_type("last_month").fields(["date", "sessions"]);
/// let request = StartQuery::new(query).format(Format::Csv).post();
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "POST");
/// # assert_eq!(sent.url().path(), "/query/data/csv");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct StartQuery {
    query: Query,
    format: Format,
    post: bool,
}

impl StartQuery {
    /// This query. Its [`sync_timeout`](Query::sync_timeout) does not count.
    pub fn new(query: Query) -> Self {
        Self { query: query.sync_timeout(Duration::ZERO), format: Format::Json, post: false }
    }

    /// Format of the result. Left out, JSON, whose rows [`ListRows`](super::ListRows) has; others are had with
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

impl Endpoint for StartQuery {
    type Api = Supermetrics;
    type Output = QueryRun;
    const OPERATION: &'static str = "supermetrics.queries.start";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        data_call::<Self>(base, &self.format, &self.query, self.post)
    }

    /// A result that is in the vendor's cache may come at once, and in its own format.
    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<QueryRun> {
        if self.format == Format::Json || super::files::status_body(meta, body)?.is_some() {
            return QueryRun::read(meta, body, Some(self.query.has_no_headers()));
        }
        let mut run = QueryRun::default();
        run.schedule_id.clone_from(&self.query.schedule_id);
        run.state = Some(QueryState::Success);
        Ok(run)
    }
}

/// A call of `/query/data/{format}`.
pub(super) fn data_call<E: Endpoint>(
    base: &Url,
    format: &Format,
    query: &Query,
    post: bool,
) -> Result<ApiRequest> {
    query.check().map_err(|error| error.with_operation(E::OPERATION))?;
    let query = query.clone();
    let query = match query.sync_timeout {
        Some(_) => query,
        None => query.sync_timeout(RunQuery::SYNC_TIMEOUT),
    };
    let method = if post { Method::POST } else { Method::GET };
    let builder = ApiRequest::of::<E>(method, base, &["query", "data", format.as_str()]);
    if post { builder.json(&query) } else { json_parameters(builder, &query) }.finish()
}

/// Gets how a run stands, and its rows once it has succeeded.
///
/// A failed run is an answer here and no error, whichever way the vendor tells it; [`QueryRun::success`] makes one of
/// it. An id that the vendor does not know, or knows no longer, is [`NotFound`](ErrorKind::NotFound): status and
/// results are kept for an hour after the end.
///
/// Source: Supermetrics API, "Get status", `GET /query/status`. Safe to repeat.
///
/// ```
/// use scheduled_runs::supermetrics::GetQueryStatus;
///
/// // The state, and the first hundred rows once it has succeeded.
/// let request = GetQueryStatus::new("report-2026-02").offset_start(0).offset_end(99);
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "GET");
/// # assert_eq!(sent.url().path(), "/query/status");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct GetQueryStatus {
    schedule_id: ScheduleId,
    offset_start: Option<u32>,
    offset_end: Option<u32>,
    headers: Option<bool>,
}

impl GetQueryStatus {
    /// The run of this id.
    pub fn new(run: impl Into<ScheduleId>) -> Self {
        Self { schedule_id: run.into(), offset_start: None, offset_end: None, headers: None }
    }

    /// First row to send, counted from 0, at most 1,000,000.
    pub fn offset_start(mut self, row: u32) -> Self {
        self.offset_start = Some(row);
        self
    }

    /// Last row to send, counted from 0 and **sent too**: 0 to 99 is a hundred rows. At most 1,000,000. Left out, all
    /// rows are sent.
    pub fn offset_end(mut self, row: u32) -> Self {
        self.offset_end = Some(row);
        self
    }

    /// Says that the query was run with [`Query::no_headers`], so that its first row is one. Left out, the answer is
    /// asked.
    pub fn no_headers(mut self) -> Self {
        self.headers = Some(false);
        self
    }
}

impl Endpoint for GetQueryStatus {
    type Api = Supermetrics;
    type Output = QueryRun;
    const OPERATION: &'static str = "supermetrics.queries.get_status";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        status_call::<Self>(base, &self.schedule_id, self.offset_start, self.offset_end)
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<QueryRun> {
        let mut run = QueryRun::read(meta, body, self.headers.map(|headers| !headers))?;
        run.schedule_id.get_or_insert_with(|| self.schedule_id.clone());
        Ok(run)
    }
}

/// A call of `/query/status`.
pub(super) fn status_call<E: Endpoint>(
    base: &Url,
    run: &ScheduleId,
    offset_start: Option<u32>,
    offset_end: Option<u32>,
) -> Result<ApiRequest> {
    #[derive(Serialize)]
    struct Parameters<'a> {
        schedule_id: &'a ScheduleId,
        #[serde(skip_serializing_if = "Option::is_none")]
        offset_start: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        offset_end: Option<u32>,
    }
    let checked = check_range("offset_start", offset_start, 0..=1_000_000)
        .and_then(|()| check_range("offset_end", offset_end, 0..=1_000_000))
        .and_then(|()| check_offsets(offset_start, offset_end))
        .and_then(|()| not_empty(run));
    checked.map_err(|error| error.with_operation(E::OPERATION))?;
    let builder = ApiRequest::of::<E>(Method::GET, base, &["query", "status"]);
    json_parameters(builder, &Parameters { schedule_id: run, offset_start, offset_end }).finish()
}

/// Ids from the vendor are sent back as they came, whatever they hold.
pub(super) fn not_empty(run: &ScheduleId) -> Result<()> {
    if run.as_str().is_empty() {
        return Err(Error::config("`schedule_id` is empty; pass the id of a run"));
    }
    Ok(())
}

open_enum! {
    /// State of a run. One that is unknown here counts as going on.
    QueryState {
        /// Accepted, not started.
        Scheduled = "SCHEDULED",
        /// Waiting for a place in the licence's queue.
        Queued = "QUEUED",
        /// Going on.
        Running = "RUNNING",
        /// Over, as wanted: there are rows, perhaps none.
        Success = "SUCCESS",
        /// Over, not as wanted.
        Failure = "FAILURE",
        /// Over, because someone ended it. There is no documented way to do so.
        Stopped = "STOPPED",
        /// Over, because its process ended. Not documented; the vendor's own tool counts it as a failure.
        ProcessExited = "PROCESS_EXITED",
    }
}

impl QueryState {
    /// The phase it stands for.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Scheduled | Self::Queued => Phase::Queued,
            Self::Running => Phase::Running,
            Self::Success => Phase::Succeeded,
            Self::Failure | Self::ProcessExited => Phase::Failed,
            Self::Stopped => Phase::Cancelled,
            Self::Unknown(_) => Phase::Unknown,
        }
    }

    /// Whether the run is over; never true for a state that is unknown here.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.phase().is_terminal()
    }

    /// Whether the run is over, and not as wanted.
    pub(super) fn is_failure(&self) -> bool {
        self.is_terminal() && *self != Self::Success
    }
}

/// What the vendor says about one run of a query: how it stands, and its rows once it has succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryRun {
    /// The vendor's id for this answer's request: quote it to their support.
    pub request_id: Option<Box<str>>,
    /// Id of the run. Answers to further pages leave it out.
    pub schedule_id: Option<ScheduleId>,
    /// How it stands.
    pub state: Option<QueryState>,
    /// How far it is, while it goes on.
    pub progress: Option<QueryProgress>,
    /// How busy the licence's queue is, while the run goes on.
    pub workflow: Option<Workflow>,
    /// What was asked for, as the vendor understood it.
    pub query: Option<ResolvedQuery>,
    /// What came of it.
    pub result: Option<ResultInfo>,
    /// The rows that come next, where the vendor sent a link to them. The link itself is not kept: it may hold the key.
    pub next: Option<Offsets>,
    /// Why it failed, where the vendor says so.
    pub error: Option<QueryError>,
    /// There is a link to further rows, readable or not.
    pub(super) linked: bool,
    columns: Arc<Columns>,
    rows: Vec<Row>,
}

impl QueryRun {
    /// The rows, without the row of headers. Empty until the run has succeeded.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows, taken out.
    #[must_use]
    pub fn into_rows(self) -> Vec<Row> {
        self.rows
    }

    /// What the cells of the rows stand for.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.columns.list()
    }

    /// The rows as types of yours; see [`Row::deserialize`] for what fits what.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] for a row that does not fit; else as [`success`](Self::success), so that a run without
    /// rows is told from one that has none yet.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.check()?;
        let plan = Plan::default();
        let rows = self.rows.iter().enumerate();
        rows.map(|(number, row)| plan.read(row, Some(number))).collect()
    }

    /// Whether it has succeeded. Old answers with rows say no state: they have.
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
    /// [`ErrorKind::RunFailed`] with the vendor's reason for one that ended otherwise; [`ErrorKind::Config`] for one
    /// that has not ended.
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

    /// As [`check`](Self::check), for answers that are rows or nothing.
    pub(super) fn with_rows(self) -> Result<Self> {
        self.failed()?;
        if self.is_success() {
            return Ok(self);
        }
        let state = self.state.as_ref().map_or("no state", QueryState::as_str);
        let message = format!("there are no rows yet ({state}); wait for the end of the query");
        Err(Error::new(ErrorKind::UnexpectedContent, message))
    }

    /// The run, unless it is over without success.
    pub(super) fn unless_failed(self) -> Result<Self> {
        self.failed()?;
        Ok(self)
    }

    fn failed(&self) -> Result<()> {
        let Some(state) = self.state.as_ref().filter(|state| state.is_failure()) else {
            return Ok(());
        };
        let why = match &self.error {
            Some(error) => error.to_string(),
            None => "the vendor gives no reason".to_owned(),
        };
        Err(Error::new(ErrorKind::RunFailed, format!("the query ended as {state}: {why}")))
    }

    /// Reads an answer. `no_headers` says what the query said, where that is known.
    pub(super) fn read(meta: &Meta, body: &Bytes, no_headers: Option<bool>) -> Result<Self> {
        let answer = if body.trim_ascii_start().starts_with(b"[") {
            // The format that is nothing but rows, which are objects.
            let state = Some(QueryState::Success);
            let head = RunMeta { status_code: state, ..RunMeta::default() };
            let data = json::decode(meta, body)?;
            RunAnswer { meta: Some(head), data, error: None, message: None }
        } else {
            json::decode(meta, body)?
        };
        let head = answer.meta.unwrap_or_default();
        let no_headers = no_headers
            .unwrap_or_else(|| head.query.as_ref().is_some_and(ResolvedQuery::has_no_headers));
        let fields = head.query.as_ref().map_or(&[][..], |query| &query.fields);
        let (columns, rows) = answer.data.into_rows(fields, !no_headers);
        let error = [answer.error, head.error].iter().flatten().find_map(QueryError::of);
        let error = error.map(|error| QueryError {
            // Beside an error that is nothing but a code.
            message: error.message.or_else(|| answer.message.filter(|text| !text.is_empty())),
            ..error
        });
        let link = head.paginate.and_then(|links| links.next).filter(|link| !link.is_empty());
        // A failed run may come as an error and nothing else, and one with an error neither goes on nor has succeeded.
        let told = head.status_code.as_ref().is_some_and(QueryState::is_failure);
        let failed = (error.is_some() && !told).then_some(QueryState::Failure);
        Ok(Self {
            request_id: head.request_id,
            schedule_id: head.schedule_id.filter(|id| !id.as_str().is_empty()),
            state: failed.or(head.status_code),
            progress: head.progress,
            workflow: head.workflow,
            query: head.query,
            result: head.result,
            next: link.as_deref().and_then(Offsets::of),
            error,
            linked: link.is_some(),
            columns,
            rows,
        })
    }
}

#[derive(Deserialize)]
struct RunAnswer {
    #[serde(default)]
    meta: Option<RunMeta>,
    #[serde(default)]
    data: Data,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default, deserialize_with = "lenient::text")]
    message: Option<Box<str>>,
}

#[derive(Default, Deserialize)]
struct RunMeta {
    #[serde(default, deserialize_with = "lenient::text")]
    request_id: Option<Box<str>>,
    schedule_id: Option<ScheduleId>,
    status_code: Option<QueryState>,
    #[serde(default, deserialize_with = "lenient::object")]
    progress: Option<QueryProgress>,
    #[serde(default, deserialize_with = "lenient::object")]
    workflow: Option<Workflow>,
    #[serde(default, deserialize_with = "lenient::object")]
    query: Option<ResolvedQuery>,
    #[serde(default, deserialize_with = "lenient::object")]
    result: Option<ResultInfo>,
    #[serde(default, deserialize_with = "lenient::object")]
    paginate: Option<PageLinks>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct PageLinks {
    next: Option<Box<str>>,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct QueryProgress {
    /// Parts that are done.
    #[serde(default, deserialize_with = "lenient::count")]
    pub queries_ready: Option<u64>,
    /// Parts there are. It may grow while the run goes on.
    #[serde(default, deserialize_with = "lenient::count")]
    pub queries_total: Option<u64>,
}

/// How busy the queue of the whole licence is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Workflow {
    /// Tasks that wait.
    #[serde(default, deserialize_with = "lenient::count")]
    pub tasks_scheduled: Option<u64>,
    /// Tasks that go on.
    #[serde(default, deserialize_with = "lenient::count")]
    pub tasks_running: Option<u64>,
}

/// A query as the vendor understood it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ResolvedQuery {
    /// First day, `2026-02-01`.
    pub start_date: Option<Box<str>>,
    /// Last day.
    pub end_date: Option<Box<str>>,
    /// Accounts that were asked about.
    #[serde(default, deserialize_with = "lenient::list")]
    pub ds_accounts: Vec<Box<str>>,
    /// Segments that were asked about.
    #[serde(default, deserialize_with = "lenient::list")]
    pub ds_segments: Vec<Box<str>>,
    /// Fields of the rows.
    #[serde(default, deserialize_with = "lenient::list")]
    pub fields: Vec<Field>,
    /// What it was compared with.
    pub compare_type: Option<Box<str>>,
    /// How the comparison is shown.
    pub compare_show: Option<Box<str>>,
    /// First day that was compared with.
    pub compare_start_date: Option<Box<str>>,
    /// Last day that was compared with.
    pub compare_end_date: Option<Box<str>>,
    /// Settings, as they came.
    pub settings: Option<RawJson>,
    /// Greatest age in minutes of cached results that was allowed.
    #[serde(default, deserialize_with = "lenient::count")]
    pub cache_minutes: Option<u64>,
}

impl ResolvedQuery {
    fn has_no_headers(&self) -> bool {
        #[derive(Deserialize)]
        struct Settings {
            #[serde(default, deserialize_with = "lenient::boolean")]
            no_headers: Option<bool>,
        }
        let settings = self.settings.as_ref().and_then(|settings| settings.read::<Settings>().ok());
        settings.and_then(|settings| settings.no_headers).unwrap_or(false)
    }
}

/// What came of a query.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ResultInfo {
    /// Columns of a row; 0 where there is no data.
    #[serde(default, deserialize_with = "lenient::count")]
    pub total_columns: Option<u64>,
    /// Rows of the whole result, without the row of headers.
    #[serde(default, deserialize_with = "lenient::count")]
    pub total_rows: Option<u64>,
    /// How long the run took.
    #[serde(rename = "run_seconds", default, deserialize_with = "lenient::seconds")]
    pub run_time: Option<Duration>,
    /// Whether the data source counted a sample only.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub data_sampled: Option<bool>,
    /// Whether the vendor's cache was used.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub cache_used: Option<bool>,
    /// When the newest data of the cache was fetched. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub cache_time: Option<DateTime<Utc>>,
}

/// Which rows a page has, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offsets {
    /// The first.
    pub start: u64,
    /// The last, which is on the page too. `None` goes on to the end.
    pub end: Option<u64>,
}

impl Offsets {
    /// The offsets in a link to a page, from its `json` member or its own members. Nothing else is looked at: links
    /// name hosts that nobody asked for, and hold the key where it goes into the parameters.
    fn of(link: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Members {
            #[serde(default, deserialize_with = "lenient::count")]
            offset_start: Option<u64>,
            #[serde(default, deserialize_with = "lenient::count")]
            offset_end: Option<u64>,
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
    fn a_status_is_asked_for_by_the_id_and_for_rows_by_their_offsets() {
        assert_eq!(
            request_text(&GetQueryStatus::new("s-1")),
            r#"GET /query/status?json={"schedule_id":"s-1"}"#
        );
        assert_eq!(
            request_text(&GetQueryStatus::new("s-1").offset_start(100).offset_end(199)),
            r#"GET /query/status?json={"schedule_id":"s-1","offset_start":100,"offset_end":199}"#
        );
        // An id of the vendor's is sent back whatever it looks like.
        assert_eq!(
            request_text(&GetQueryStatus::new("4226...51c0/ü")),
            r#"GET /query/status?json={"schedule_id":"4226...51c0/ü"}"#
        );
    }

    #[test]
    fn what_cannot_be_asked_is_not_sent() {
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
                "`offset_end` comes before",
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
        let answer = http::Response::new(Bytes::copy_from_slice(body.as_bytes()));
        QueryRun::read(&Meta::of_test(&answer), answer.body(), None)
    }

    #[test]
    fn headers_are_taken_off_unless_the_answer_says_that_there_are_none() {
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
    fn a_success_without_rows_is_one_and_what_has_not_ended_has_no_rows_to_read() {
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
                "ended as PROCESS_EXITED",
            ),
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
            assert!(error.to_string().contains(says), "{error}");
            assert!(run.with_rows().is_err());
        }
    }
}
