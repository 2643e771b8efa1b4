//! Supermetrics: queries, their runs, and the rows of their results. [`transfers`] has the data warehouse transfers, which have a
//! client of their own.
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
//! // Start the query and wait until it has ended; an error says why it failed.
//! let wait = client.trigger_and_wait(&supermetrics::target(&query));
//! let done = wait
//!     .on_update(|run| println!("{} {:?}", run.phase, run.progress))
//!     .await?
//!     .success()?;
//!
//! // All its rows, as your own type.
//! let mut rows = client.items(ListRows::new(done.run.id()));
//! while let Some(row) = rows.next().await {
//!     let day: Visits = row?.deserialize()?;
//!     println!("{} {}", day.date, day.sessions);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A query that takes only seconds needs one call: `client.send(RunQuery::new(query)).await?.deserialize::<Visits>()?`.
//!
//! # Operations
//!
//! | call | request | retried if its response is lost |
//! |---|---|---|
//! | run a query and get its rows | [`RunQuery`] | never |
//! | start a query | [`StartQuery`] | never |
//! | run a query and get its result as a file | [`DownloadQuery`] | never |
//! | get the state of a run, with its rows | [`GetQueryStatus`] | yes |
//! | list all rows of a run | [`ListRows`], [`ListResults`] | yes |
//! | get the result of a run as a file | [`GetResults`] | yes |
//! | list the history of runs | [`ListHistory`] | yes |
//! | list logins and their accounts | [`ListAccounts`] | yes |
//! | get a stored query | [`GetSavedQuery`] | yes |
//! | run a stored query | [`RunSavedQuery`], [`DownloadSavedQuery`] | never |
//! | create a batch | [`CreateBatch`] | never |
//! | get a batch, its progress, its queries | [`GetBatch`], [`GetBatchStatus`], [`ListBatchQueries`] | yes |
//! | cancel a batch | [`CancelBatch`] | yes |
//! | check that the key works | [`GetMe`] | yes |
//!
//! For everything else, such as the fields and segments of a data source, use [`Client::raw`](crate::Client::raw) with
//! the parameters in `json`:
//!
//! ```no_run
//! # async fn program(client: scheduled_runs::supermetrics::Client) -> scheduled_runs::Result<()> {
//! let fields = client
//!     .raw(http::Method::GET, &["query", "fields"])
//!     .query("json", Some(r#"{"ds_id":"GAWA"}"#));
//! let fields: scheduled_runs::Response<serde_json::Value> = fields.send_as().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A batch has ended when its state is [`Stopped`](BatchState::Stopped), whether its queries succeeded or failed:
//!
//! ```no_run
//! use std::time::Duration;
//! use scheduled_runs::client::Clock;
//! use scheduled_runs::supermetrics::{
//!     BatchState, CreateBatch, GetBatchStatus, ListBatchQueries, Query,
//! };
//!
//! # async fn program(client: scheduled_runs::supermetrics::Client, queries: Vec<Query>) -> scheduled_runs::Result<()> {
//! let batch = client.send(CreateBatch::new(queries).split_dates()).await?;
//! while client.send(GetBatchStatus::new(&batch.batch_id)).await?.state
//!     != Some(BatchState::Stopped)
//! {
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
//! The caller chooses the id of a run, its `schedule_id`. A [`target`] takes a new id for each run, so that a trigger
//! whose response is lost can be looked up by its id: see [`Trigger::verify`](crate::run::Trigger::verify). The id does
//! not ensure that a query runs only once. The vendor merges calls with the same id only while the run lasts; after
//! that, it starts another run unless the result is in its cache. So calls that start queries are never retried once
//! they may have arrived, with or without an id.
//!
//! Status and results are kept for an hour after the end of a run. After that, both are
//! [`NotFound`](crate::ErrorKind::NotFound), and a wait, a snapshot or a list says from the history how the run ended, without a
//! reason. A single query cannot be cancelled: that is
//! [`Unsupported`](crate::ErrorKind::Unsupported).
//!
//! # Credentials
//!
//! Create a key in the Supermetrics Hub under "API keys"; it is shown once. Pass it to [`ApiKey`], then send [`GetMe`].
//! The key needs the right to run queries, and the data source must be connected: [`ListAccounts`] lists the connected
//! logins. A key may be restricted to IP addresses; calls from others are [`Denied`](crate::ErrorKind::Denied).
//!
//! # What the docs get wrong
//!
//! The docs are the [API reference](https://docs.supermetrics.com/apidocs/query-data), and an
//! [older one](https://supermetrics.com/docs/product-api-get-data).
//!
//! | the docs say | what the service does, and what this crate does |
//! |---|---|
//! | the service is at `/enterprise/v2`, at `/v2`, or at no path | all three are in use; the first is the default, and [`base_url`](crate::ClientBuilder::base_url) accepts any |
//! | parameters go into `json=`, or are query members of their own | the vendor's tools send `json=`, and so do all requests here except those of batches |
//! | an unfinished call has status 202 | or 200, depending on when the team signed up: the state in the body decides |
//! | errors have an HTTP status | errors come with 200 as well: the body is read before the status |
//! | an error is `{"meta", "error": {"code", "message"}}` | or `{"error": "CODE"}`, an error inside `meta`, RFC 9457, or a gateway's page: all are read |
//! | a code without a status comes with 500 | so licence and lookup errors look like server errors: the code decides whether to retry |
//! | `STATUS_NOT_FOUND` has a status | the sources name three: it is [`NotFound`](crate::ErrorKind::NotFound) with any of them |
//! | `LICENSE_DAILY_QUERY_LIMIT_EXCEEDED` is a 429 | a retry within minutes does not help: it is not retried |
//! | `QUERY_AUTH_UNAVAILABLE` is a 403 | it is about the login at the data source, not about the API key: the error says so |
//! | the status of a failed query is an error | or the state `FAILURE` without a reason: [`GetQueryStatus`] returns the same for both |
//! | there are six states | a seventh, `PROCESS_EXITED`, counts as failed; an unknown state never counts as ended |
//! | states are in upper case | they are compared without case |
//! | `data` is a list of rows | it may also be empty, null, missing, a list of objects, or an object with `rows`: all are read |
//! | cells are texts | they are numbers as well: see [`Cell`] |
//! | the first row has the headers | it does on every page, and if there are no rows, it is missing: headers are removed unless `no_headers` was set |
//! | fields have the position of their column | older responses lack it: headers and order are used instead |
//! | fields name all columns | a field that is split makes columns whose names only the header row has |
//! | `paginate.next` is a link | it points to other hosts, may contain the key, and may be `{}`, null or missing: only its offsets are used, or the count of rows if there is none |
//! | links come for GET only | they come for POST too |
//! | `meta.paginate` has one shape | it has links for rows and counters for lists: two types here |
//! | responses have a `schedule_id` | later pages do not |
//! | `limit` of results has no default, or 100 | it is always sent |
//! | the vendor waits half an hour for a query | clients do not wait that long: 20 s here, unless [`Query::sync_timeout`] is set |
//! | `settings` is a list | it is an object |
//! | `ds_ids` of the history is required, or optional | it is optional |
//! | `queries_total` is the number of parts | it grows, so that progress may go back |
//! | a batch ends in success or failure | it ends as `STOPPED`; the states of its queries say which |
//!
//! Not confirmed by the vendor: the full list of error codes (codes that are missing here are classified by parts of
//! their names), what a reused id does with other parameters, the time zone of times (UTC is assumed), the order of the
//! history and the name of its run time, the responses to `DELETE` of a batch and to [`GetMe`], and whether
//! `Retry-After` and the rate limit's headers are sent at all.
//!
//! The vendor asks for fewer than 20 requests per second for each key. A client keeps to that limit: further requests
//! wait before they are sent.

mod accounts;
mod batches;
mod credential;
mod dialect;
mod files;
mod format;
mod head;
mod history;
mod list;
mod parameters;
mod provider;
mod query;
mod row_de;
mod row_pages;
mod rows;
mod runs;
mod saved_queries;
mod schedule_id;
mod state;
pub mod transfers;

pub use self::accounts::{Account, ListAccounts, Login};
pub use self::batches::{
    Batch, BatchEntry, BatchId, BatchProgress, BatchQuery, BatchResult, BatchState, BatchStatus,
    CancelBatch, CreateBatch, GetBatch, GetBatchStatus, ListBatchQueries, SplitInfo, SplitPolicy,
};
pub use self::credential::{ApiKey, GetMe};
pub use self::files::{Download, DownloadQuery, File, GetResults};
pub use self::format::Format;
pub use self::history::{HistoryEntry, ListHistory};
pub use self::query::{Accounts, Fields, Query, Texts};
pub use self::row_pages::{ListResults, ListRows};
pub use self::rows::{Cell, Column, Field, FieldSplit, FieldType, Row};
pub use self::runs::{
    GetQueryStatus, Offsets, QueryProgress, QueryRun, ResolvedQuery, ResultInfo, RunQuery,
    StartQuery, Workflow,
};
pub use self::saved_queries::{
    DataSourceInfo, DownloadSavedQuery, GetSavedQuery, QueryGroup, RunSavedQuery, SavedQuery,
    SavedQueryId,
};
pub use self::schedule_id::ScheduleId;
pub use self::state::{QueryError, QueryState};

use self::dialect::SupermetricsDialect;
use url::Url;

use crate::client::{Api, Service, Vendor, account_at};
use crate::error::{Error, Result};
use crate::run::Target;

/// The vendor's name in [`Target`] and [`RunRef`](crate::RunRef).
pub const VENDOR: Vendor = Vendor::new("supermetrics");

/// Base URL of the service. Source: Supermetrics API, "Get status".
pub const BASE_URL: &str = "https://api.supermetrics.com/enterprise/v2";

/// A client of Supermetrics.
pub type Client = crate::Client<Supermetrics>;

/// This query as a target for triggers and waits. The id of the target is the query as JSON.
///
/// Read a run of the target by its id, `run.id()`, with [`ListRows`] or [`GetQueryStatus`]. The query's
/// [`sync_timeout`](Query::sync_timeout) is ignored. A query that the vendor would refuse is an error of the trigger.
///
/// It names no account: a client of any account accepts it and its runs. For what you store, use [`Client::target`].
#[must_use]
#[inline]
pub fn target(query: &Query) -> Target {
    // All names are texts and all numbers are finite, so that a query can always be written as JSON.
    Target::new(VENDOR, serde_json::to_string(query).unwrap_or_default())
}

impl Client {
    /// A query as a target in this client's account: a client of another one refuses it and its runs.
    ///
    /// Nothing in a client's settings says which licence its key belongs to. If you use several, name each with
    /// [`scope`](crate::ClientBuilder::scope).
    #[must_use]
    #[inline]
    pub fn target(&self, query: &Query) -> Target {
        self.scoped(target(query))
    }
}

/// Supermetrics, as a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Supermetrics {}

/// Settings that only this vendor has: none.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Options {}

impl Api for Supermetrics {
    const VENDOR: Vendor = VENDOR;
    type Options = Options;

    fn service(_: &Options) -> Result<Service> {
        Ok(Service::new(BASE_URL, SupermetricsDialect))
    }

    fn read_base_url(_: &Options, url: Url) -> Result<Url> {
        let host = url.host_str().unwrap_or_default();
        let site = host == "supermetrics.com" || host.ends_with(".supermetrics.com");
        let is_api = host.split('.').next().is_some_and(|name| name.ends_with("api"));
        let below = url.path_segments().is_some_and(|mut path| path.any(|part| part == "query"));
        if site && (!is_api || below) {
            return Err(Error::config(
                "the base URL is not the API but a page or a path below it; leave it out, or pass https://api.supermetrics.com/enterprise/v2",
            ));
        }
        Ok(url)
    }

    /// The host: each account has the service at several paths.
    fn scope(_: &Options, base_url: &Url) -> String {
        let url = account_at(base_url);
        url.split_once('/').map_or(&*url, |(host, _)| host).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;

    /// A request as text: method, path and query below the base URL, headers, body. Parameters in JSON are shown
    /// decoded.
    pub(super) fn request_text<E: Endpoint>(request: &E) -> String {
        let base = Url::parse(BASE_URL).unwrap();
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

    #[test]
    fn a_page_is_not_taken_for_the_api() {
        let transport = crate::testing::ScriptedTransport::default();
        let build = |url| Client::builder().transport(transport.clone()).base_url(url).build();
        for page in [
            "https://hub.supermetrics.com/teams/1/query-manager",
            "HTTPS://Team.Supermetrics.com/?team=canary#/",
            "https://supermetrics.com/docs/product-api-get-data",
            "https://docs.supermetrics.com/apidocs/",
            "https://api.supermetrics.com/enterprise/v2/query/data/json?json=canary",
        ] {
            let error = build(page).map(drop).expect_err(page).to_string();
            assert!(error.contains(BASE_URL) && !error.contains("canary"), "{error}");
        }
        for api in
            [BASE_URL, "https://api.supermetrics.com/v2/", "https://dts-api.supermetrics.com/v1"]
        {
            assert_eq!(build(api).unwrap().base_url().as_str(), api);
        }
        let copied = build("https://proxy.example/v2?api_key=canary#x").unwrap();
        assert_eq!(copied.base_url().as_str(), "https://proxy.example/v2");
    }
}
