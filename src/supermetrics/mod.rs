//! Supermetrics: queries, their runs, and the rows that come of them.
//!
//! ```no_run
//! use scheduled_runs::supermetrics::{self, ListRows, Query};
//! use scheduled_runs::RunProviderExt;
//!
//! # async fn program() -> scheduled_runs::Result<()> {
//! #[derive(serde::Deserialize)]
//! struct Visits {
//!     date: String,
//!     sessions: u64,
//! }
//!
//! let client = supermetrics::Client::builder()
//!     .credential(supermetrics::ApiKey::new("api_..."))
//!     .build()?;
//! let query = Query::new("GAWA")
//!     .accounts(["123456"])
//!     .start_date("2026-02-01")
//!     .end_date("yesterday")
//!     .fields(["date", "sessions"])
//!     .max_rows(100_000);
//!
//! // Start the query, wait for its end, and learn why if it failed.
//! let wait = client.trigger_and_wait(&supermetrics::target(&query));
//! let done = wait.on_update(|run| println!("{} {:?}", run.phase, run.progress)).await?.success()?;
//!
//! // All its rows, as a type of yours.
//! let mut rows = client.items(ListRows::new(done.run.id()));
//! while let Some(row) = rows.next().await {
//!     let day: Visits = row?.deserialize()?;
//!     println!("{} {}", day.date, day.sessions);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A query that takes seconds is one call, `client.send(RunQuery::new(query)).await?.deserialize::<Visits>()?`.
//!
//! # Operations
//!
//! | call | request | repeated when its answer is lost |
//! |---|---|---|
//! | run a query, have its rows | [`RunQuery`] | never |
//! | start a query | [`StartQuery`] | never |
//! | run a query, have its result as a file | [`DownloadQuery`] | never |
//! | how a run stands, with its rows | [`GetQueryStatus`] | yes |
//! | all rows of a run, page by page | [`ListRows`], [`ListResults`] | yes |
//! | the result of a run as a file | [`GetResults`] | yes |
//! | what was run | [`ListHistory`] | yes |
//! | logins and their accounts | [`ListAccounts`] | yes |
//! | get a stored query | [`GetSavedQuery`] | yes |
//! | run a stored query | [`RunSavedQuery`], [`DownloadSavedQuery`] | never |
//! | create a batch | [`CreateBatch`] | never |
//! | get a batch, how far it is, its queries | [`GetBatch`], [`GetBatchStatus`], [`ListBatchQueries`] | yes |
//! | cancel a batch | [`CancelBatch`] | yes |
//! | ask whether the key works | [`GetMe`] | yes |
//!
//! Everything else, such as the fields and segments of a data source, is reached by
//! [`Client::raw`](crate::Client::raw), with the parameters in `json`:
//!
//! ```no_run
//! # async fn program(client: scheduled_runs::supermetrics::Client) -> scheduled_runs::Result<()> {
//! let fields = client.raw(http::Method::GET, &["query", "fields"]).query("json", Some(r#"{"ds_id":"GAWA"}"#));
//! let fields: scheduled_runs::Response<serde_json::Value> = fields.send_as().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A batch is over when its state is [`Stopped`](BatchState::Stopped), however its queries ended:
//!
//! ```no_run
//! use std::time::Duration;
//! use scheduled_runs::client::Clock;
//! use scheduled_runs::supermetrics::{BatchState, CreateBatch, GetBatchStatus, ListBatchQueries, Query};
//!
//! # async fn program(client: scheduled_runs::supermetrics::Client, queries: Vec<Query>) -> scheduled_runs::Result<()> {
//! let batch = client.send(CreateBatch::new(queries).split_dates()).await?;
//! while client.send(GetBatchStatus::new(&batch.batch_id)).await?.state != Some(BatchState::Stopped) {
//!     client.clock().sleep(Duration::from_secs(10)).await;
//! }
//! let mut queries = client.items(ListBatchQueries::new(&batch.batch_id));
//! while let Some(query) = queries.next().await {
//!     let query = query?;
//!     println!("{:?} {:?} {:?}", query.schedule_id, query.state, query.error_info);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Runs and their ids
//!
//! The id of a run, `schedule_id`, is the caller's choice. A [`target`] takes a new one for each run, so that a trigger
//! whose answer is lost is looked up by its id: see [`Trigger::verify`](crate::run::Trigger::verify). It is no promise
//! that a query runs once: the vendor merges calls of one id only as long as the run lasts, and starts another one
//! afterwards, unless its cache has the result. So calls that start queries are never repeated, whether they name an id
//! or not.
//!
//! Status and results are kept for an hour after the end. From then on a run is
//! [`NotFound`](crate::ErrorKind::NotFound). One query cannot be cancelled: that is
//! [`Unsupported`](crate::ErrorKind::Unsupported).
//!
//! # Credentials
//!
//! Make a key in the Supermetrics Hub under "API keys"; it is shown once. Give it to [`ApiKey`], then send [`GetMe`].
//! It needs the right to run queries, and the data source must be connected: [`ListAccounts`] shows the logins that
//! are. A key may be bound to addresses, and calls from others are [`Denied`](crate::ErrorKind::Denied).
//!
//! # What the docs get wrong
//!
//! The docs are the [API reference](https://docs.supermetrics.com/apidocs/query-data), and an
//! [older one](https://supermetrics.com/docs/product-api-get-data).
//!
//! | the docs say | what comes, and what is done here |
//! |---|---|
//! | the service is at `/enterprise/v2`, at `/v2`, or at no path | all three work for somebody: the first is the default, [`base_url`](crate::ClientBuilder::base_url) takes any |
//! | parameters go into `json=`, or stand by themselves | the vendor's tools send `json=`, and so do all requests here but those of batches |
//! | an unfinished call answers 202 | or 200, depending on when the team signed up: the state in the body decides |
//! | errors have an HTTP status | errors come with 200 as well: the body is read before the status |
//! | an error is `{"meta", "error": {"code", "message"}}` | or `{"error": "CODE"}`, an error inside `meta`, RFC 9457, or a gateway's page: all are read |
//! | a code without a status comes with 500 | so licence and lookup errors look like server errors: the code decides about repeating |
//! | `STATUS_NOT_FOUND` has a status | three are told: it is [`NotFound`](crate::ErrorKind::NotFound) whichever comes |
//! | `LICENSE_DAILY_QUERY_LIMIT_EXCEEDED` is a 429 | waiting for minutes does not help: it is not repeated |
//! | `QUERY_AUTH_UNAVAILABLE` is a 403 | it is about the login at the data source and not about the key: the error says so |
//! | the status of a failed query is an error | or the state `FAILURE` with no reason: [`GetQueryStatus`] answers alike for both |
//! | there are six states | a seventh, `PROCESS_EXITED`, counts as failed; what is unknown never counts as over |
//! | states are in capitals | in any case |
//! | `data` is a list of rows | empty, null, missing, a list of objects, or an object with `rows`: all are read |
//! | cells are texts | numbers as well: see [`Cell`] |
//! | the first row holds the headers | on every page again, and never where there are no rows: they are taken off, unless `no_headers` was set |
//! | fields say which column is theirs | older answers do not: headers and order tell then |
//! | fields name all columns | a field that is split makes columns whose names only the headers have |
//! | `paginate.next` is a link | it names hosts nobody asked for, may hold the key, comes as `{}`, null or not at all: only its offsets are used, and the count of rows where there is none |
//! | links come for GET only | for POST too |
//! | `meta.paginate` is one thing | links for rows, counters for lists: two types here |
//! | answers have a `schedule_id` | later pages do not |
//! | `limit` of results is none, or 100 | it is always sent |
//! | the vendor waits for a query for half an hour | no client does: 20 s here, unless [`Query::sync_timeout`] says otherwise |
//! | `settings` is a list | it is an object |
//! | `ds_ids` of the history is required, or not | it is optional |
//! | `queries_total` is how much there is to do | it grows: progress may go back |
//! | a batch ends in success or failure | it ends as `STOPPED`: its queries tell |
//!
//! Not confirmed by the vendor: the list of error codes (those that are missing are told by their names), what a reused
//! id does with other parameters, the time zone of times (UTC is taken), the order of the history and the name of its
//! run time, the answers to `DELETE` of a batch and to [`GetMe`], and whether `Retry-After` and the rate limit's
//! headers are sent at all.
//!
//! The vendor asks for fewer than 20 requests a second for each key. A client keeps to that: what is beyond it waits
//! before it is sent.

mod accounts;
mod batches;
mod credential;
mod dialect;
mod files;
mod history;
mod provider;
mod query;
mod row_de;
mod row_pages;
mod rows;
mod runs;
mod saved_queries;
mod schedule_id;

use serde::Serialize;

pub use self::accounts::{Account, ListAccounts, Login};
pub use self::batches::{
    Batch, BatchEntry, BatchId, BatchProgress, BatchQuery, BatchResult, BatchState, BatchStatus,
    CancelBatch, CreateBatch, GetBatch, GetBatchStatus, ListBatchQueries, SplitInfo, SplitPolicy,
};
pub use self::credential::{ApiKey, GetMe};
pub use self::dialect::QueryError;
pub use self::files::{Download, DownloadQuery, File, Format, GetResults};
pub use self::history::{HistoryEntry, ListHistory};
pub use self::query::{Accounts, Fields, Query, Texts};
pub use self::row_pages::{ListResults, ListRows};
pub use self::rows::{Cell, Column, Field, FieldSplit, FieldType, Row};
pub use self::runs::{
    GetQueryStatus, Offsets, QueryProgress, QueryRun, QueryState, ResolvedQuery, ResultInfo,
    RunQuery, StartQuery, Workflow,
};
pub use self::saved_queries::{
    DataSourceInfo, DownloadSavedQuery, GetSavedQuery, QueryGroup, RunSavedQuery, SavedQuery,
    SavedQueryId,
};
pub use self::schedule_id::ScheduleId;

use self::dialect::SupermetricsDialect;
use crate::client::{Api, RequestBuilder, Service, Vendor};
use crate::error::{Error, Result};
use crate::run::Target;

/// The vendor's name in [`Target`] and [`RunRef`](crate::RunRef).
pub const VENDOR: Vendor = Vendor::new("supermetrics");

/// Where the service is. Source: Supermetrics API, "Get status".
pub const BASE_URL: &str = "https://api.supermetrics.com/enterprise/v2";

/// A client of Supermetrics.
pub type Client = crate::Client<Supermetrics>;

/// This query, as a target for triggers and waits. The target's id is the query as JSON.
///
/// A run of it is read by its id, `run.id()`: with [`ListRows`] and [`GetQueryStatus`]. Its
/// [`sync_timeout`](Query::sync_timeout) does not count. What the vendor would refuse is told by the trigger.
#[must_use]
pub fn target(query: &Query) -> Target {
    // Names are texts and numbers finite, so that there is nothing JSON could not hold.
    Target::new(VENDOR, serde_json::to_string(query).unwrap_or_default())
}

/// Supermetrics, as a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Supermetrics {}

/// What only this vendor's clients must be told: nothing.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Options {}

impl Api for Supermetrics {
    const VENDOR: Vendor = VENDOR;
    type Options = Options;

    fn service(_: &Options) -> Result<Service> {
        Ok(Service::new(BASE_URL, SupermetricsDialect))
    }
}

/// Puts the parameters of a call into its URL, as one JSON object.
fn json_parameters(builder: RequestBuilder, parameters: &impl Serialize) -> RequestBuilder {
    match serde_json::to_string(parameters) {
        Ok(object) => builder.query("json", Some(object)),
        Err(error) => builder
            .fail(Error::config("the parameters cannot be written as JSON").with_source(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;

    /// A request as text: method, path and query below the API, headers, body. Parameters in JSON are shown decoded.
    pub(super) fn request_text<E: Endpoint>(request: &E) -> String {
        let base = url::Url::parse(BASE_URL).unwrap();
        let request = request.to_request(&base).unwrap();
        let text = request.text(BASE_URL, "");
        let json = request.url().query_pairs().find(|(name, _)| name == "json");
        match (json, text.split_once("?json=")) {
            (Some((_, json)), Some((line, rest))) => {
                assert!(!rest.contains(['{', '"', ' ', '&']), "encoded whole: {rest}");
                format!("{line}?json={json}")
            }
            _ => text,
        }
    }
}
