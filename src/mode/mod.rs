//! Mode Analytics: reports, their runs, what came of them, and the schedules behind them.
//!
//! ```no_run
//! use scheduled_runs::{RunProviderExt, mode};
//!
//! # async fn program() -> scheduled_runs::Result<()> {
//! let client = mode::Client::builder()
//!     .credential(mode::ApiToken::new("token", "secret"))
//!     .workspace("acme")
//!     .build()?;
//!
//! // Run a report, wait for its end, and learn why if it failed.
//! let done = client.trigger_and_wait(&mode::target("f2lkg3hwjj9a")).await?.success()?;
//!
//! // The same with parameters, and the rows of its first query.
//! let run = client.send(mode::CreateReportRun::new("f2lkg3hwjj9a").parameter("region", "emea")).await?;
//! client.wait(&mode::target("f2lkg3hwjj9a").run(run.token.as_str())).await?.success()?;
//! let rows = client.send(mode::GetReportRunRows::new("f2lkg3hwjj9a", &run.token)).await?;
//! println!("{} and {} rows", done.run, rows.len());
//! # Ok(())
//! # }
//! ```
//!
//! # Operations
//!
//! | call | request | repeated when its answer is lost |
//! |---|---|---|
//! | list, get runs of a report | [`ListReportRuns`], [`GetReportRun`], [`GetReportRunOptions`] | yes |
//! | run a report | [`CreateReportRun`], [`RefreshReportDatasets`] | never |
//! | copy the report of a run | [`CloneReportRun`] | never |
//! | list, get query runs | [`ListQueryRuns`], [`GetQueryRun`], [`ListQueryHistory`] | yes |
//! | rows as JSON | [`GetQueryRunRows`], [`GetReportRunRows`] | yes |
//! | results as CSV or ZIP | [`DownloadQueryRun`], [`DownloadReportRun`], [`DownloadReport`] | yes |
//! | a run as PDF | [`ExportPdf`], [`DownloadPdf`] | yes |
//! | list, get reports | [`ListSpaceReports`], [`ListDataSourceReports`], [`GetReport`] | yes |
//! | archive reports | [`ArchiveReport`], [`UnarchiveReport`] | yes |
//! | list, get, change queries | [`ListQueries`], [`GetQuery`], [`UpdateQuery`] | yes |
//! | create, delete queries | [`CreateQuery`], [`DeleteQuery`] | never |
//! | list, get, change schedules | [`ListSchedules`], [`GetSchedule`], [`UpdateSchedule`] | yes |
//! | create, delete schedules | [`CreateSchedule`], [`DeleteSchedule`] | never |
//! | list datasets, list and get their runs | [`ListSpaceDatasets`], [`ListDatasetRuns`], [`GetDatasetRun`] | yes |
//! | run a dataset | [`CreateDatasetRun`] | never |
//! | list, get data sources and spaces | [`ListDataSources`], [`GetDataSource`], [`ListSpaces`], [`GetSpace`] | yes |
//! | ask whom the credential belongs to | [`Verify`] | yes |
//!
//! Everything else of the API is reached by [`Client::raw`](crate::Client::raw), and what a link leads to by
//! [`Client::follow`](crate::Client::follow). Mode has no operation that ends a run: cancelling is
//! [`Unsupported`](crate::ErrorKind::Unsupported).
//!
//! # Credentials
//!
//! The API belongs to paid workspaces. An admin makes a workspace token under "Workspace settings", "API keys"; where an
//! admin has allowed it, members make tokens of their own. Each is a token with a secret that is shown once: give both to
//! [`ApiToken`]. A workspace token may do what an admin may, except copy reports; a member's token may do what the member
//! may. The *workspace* is the username in its address, `app.mode.com/{workspace}`. Then send [`Verify`].
//!
//! # What the docs get wrong
//!
//! The docs are the [API reference](https://mode.com/developer/api-reference/authentication/).
//!
//! | the docs say | what comes, and what is done here |
//! |---|---|
//! | ids are texts | numbers in older answers, texts in newer ones: both are read, as text |
//! | ids name things | only tokens work in requests: they are types of their own |
//! | `limit`, flags and counts are texts | booleans and numbers: both are read |
//! | `max_result_bytes` is a text | a number beyond 32 bits: both are read |
//! | `parameters` is a text | an object: it is kept as it came |
//! | most members are required | many are null or missing: only a token is |
//! | states are the documented ones | others come, or none: they are kept, and never count as over |
//! | a run that is well has `succeeded` | or has `completed`: both do |
//! | times are ISO 8601 | samples hold a placeholder: what is no time is none |
//! | `order` names the column on some pages, the direction on others | it is the direction here; `raw_order` sends anything |
//! | lists of runs take a `filter` | it has been seen to fail with 500 each time: tried as often as other calls, then told |
//! | pages have `first_page` and `last_page` | `page`, `per_page`, `count`, `total_pages`, `total_count`, or nothing at all |
//! | `next_page` leads to the next page | past the end as well, where a 404 waits: counters come first, and without them it is the end |
//! | lists have pages | some come at once, whatever page is asked for: an equal page is the end |
//! | the path of runs takes one body | it takes two: [`CreateReportRun`] and [`RefreshReportDatasets`] |
//! | success is 200 | 201, 202 and 204 as well |
//! | cloning a run answers with a run | with a report |
//! | the body of a schedule is bare | it is wrapped in `report_schedule` |
//! | one list has all runs of a query | it has those of one report run: [`ListQueryHistory`] has them all |
//! | results are at `content(.csv, .json)` | at `content.csv` and `content.json` |
//! | the results of a run are CSV | or ZIP: the content type tells |
//! | a login is asked for with 401 | a gateway has sent its page with 200: [`UnexpectedContent`](crate::ErrorKind::UnexpectedContent) |
//! | an error is `{"id", "message"}` | `message` may be an object, `id` a number or missing, the body a list: all are read |
//!
//! Not confirmed by the vendor: the order of lists that are asked for none, the states of query runs, how long results are
//! kept, the 100 rows that `limit` stands for, and what a 429 holds beside `Retry-After`.

mod credential;
mod data_sources;
mod datasets;
mod dialect;
mod exports;
mod list;
mod provider;
mod queries;
mod query_runs;
mod report_runs;
mod reports;
mod results;
mod schedules;
mod spaces;

use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};

pub use self::credential::{ApiToken, Verification, Verify};
pub use self::data_sources::{DataSource, DataSourceToken, GetDataSource, ListDataSources};
pub use self::datasets::{
    CreateDatasetRun, DatasetRun, DatasetRunToken, GetDatasetRun, ListDatasetRuns,
    ListSpaceDatasets,
};
pub use self::exports::{DownloadPdf, ExportPdf, PdfExport, PdfState};
pub use self::list::{Filter, TimeField};
pub use self::queries::{
    CreateQuery, DeleteQuery, GetQuery, ListQueries, Query, QueryToken, UpdateQuery,
};
pub use self::query_runs::{GetQueryRun, ListQueryHistory, ListQueryRuns, QueryRun, QueryRunToken};
pub use self::report_runs::{
    CloneReportRun, CreateReportRun, FormField, GetReportRun, GetReportRunOptions, ListReportRuns,
    PythonState, RefreshReportDatasets, ReportRun, ReportRunToken, RunState,
};
pub use self::reports::{
    ArchiveReport, GetReport, ListDataSourceReports, ListSpaceReports, Report, ReportToken,
    ReportType, UnarchiveReport,
};
pub use self::results::{
    Content, DownloadQueryRun, DownloadReport, DownloadReportRun, Format, GetQueryRunRows,
    GetReportRunRows, Row,
};
pub use self::schedules::{
    CreateSchedule, Cron, DeleteSchedule, Frequency, GetSchedule, ListSchedules, Schedule,
    ScheduleToken, UpdateSchedule,
};
pub use self::spaces::{GetSpace, ListSpaces, Space, SpaceFilter, SpaceToken, SpaceType};

use self::dialect::ModeDialect;
use crate::client::{Api, ClientBuilder, Meta, PathSegment, Service, Vendor};
use crate::error::{Error, Result};
use crate::run::Target;
use crate::wire::{id, json};

/// The vendor's name in [`Target`] and [`RunRef`](crate::RunRef).
pub const VENDOR: Vendor = Vendor::new("mode");

/// Where the service is; the workspace comes after it. Source: Mode API reference, "Getting started".
pub const BASE_URL: &str = "https://app.mode.com/api";

/// A client of Mode.
pub type Client = crate::Client<Mode>;

/// The report of this token, as a target for triggers and waits.
#[must_use]
pub fn target(report: impl Into<ReportToken>) -> Target {
    Target::new(VENDOR, report.into().as_str())
}

/// Mode, as a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {}

/// What only this vendor's clients must be told.
#[derive(Debug, Default)]
pub struct Options {
    workspace: Option<String>,
}

impl ClientBuilder<Mode> {
    /// The workspace: the username in its address, `app.mode.com/{workspace}`. Required.
    ///
    /// It becomes the last part of the base URL. Where you set a [`base_url`](Self::base_url), that one alone counts: it
    /// must end with the workspace, as in `https://proxy.example/api/acme`.
    pub fn workspace(mut self, username: impl Into<String>) -> Self {
        self.options.workspace = Some(username.into());
        self
    }
}

impl Api for Mode {
    const VENDOR: Vendor = VENDOR;
    type Options = Options;

    fn service(options: &Options) -> Result<Service> {
        let Some(workspace) = &options.workspace else {
            return Err(Error::config(
                "the workspace is missing; call `workspace` with its username, as in app.mode.com/{workspace}",
            ));
        };
        // An address or a title, pasted: a username has neither slashes nor spaces.
        let is_username =
            !workspace.contains(|letter: char| letter == '/' || letter.is_whitespace());
        let workspace = PathSegment::new(workspace).ok().filter(|_| is_username).ok_or_else(|| {
            Error::config(
                "the workspace is no username; take it from its address, app.mode.com/{workspace}",
            )
        })?;
        Ok(Service::new(format!("{BASE_URL}/{workspace}"), ModeDialect))
    }
}

/// Reads the answer to a delete: nothing, or what was deleted, but no page of a gateway.
fn deleted(meta: &Meta, body: &Bytes) -> Result<()> {
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    json::decode::<IgnoredAny>(meta, body).map(drop)
}

/// Reads the answer to a change: what was changed, or nothing: any 2xx may come empty.
fn changed<T: DeserializeOwned>(meta: &Meta, body: &Bytes) -> Result<Option<T>> {
    if body.trim_ascii().is_empty() { Ok(None) } else { json::decode(meta, body).map(Some) }
}

/// Declares a request that is no more than a method and a path:
/// `Name { part: Token } "What new() takes." METHOD [segments] -> Output = decode, "operation", Idempotency, accept "type"`.
macro_rules! request {
    (
        $(#[$meta:meta])*
        $name:ident { $($part:ident: $token:ty),+ } $new:literal
        $method:ident [$($segment:expr),+] -> $output:ty = $decode:path, $operation:literal, $idempotency:ident
        $(, accept $accept:literal)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[must_use = "a request does nothing until it is sent"]
        pub struct $name {
            $($part: $token),+
        }

        impl $name {
            #[doc = $new]
            pub fn new($($part: impl Into<$token>),+) -> Self {
                Self { $($part: $part.into()),+ }
            }
        }

        impl $crate::client::Endpoint for $name {
            type Api = $crate::mode::Mode;
            type Output = $output;
            const OPERATION: &'static str = $operation;
            const IDEMPOTENCY: $crate::client::Idempotency = $crate::client::Idempotency::$idempotency;

            fn to_request(&self, base: &url::Url) -> $crate::error::Result<$crate::client::ApiRequest> {
                let Self { $($part),+ } = self;
                let path: &[&str] = &[$(AsRef::<str>::as_ref($segment)),+];
                $crate::client::ApiRequest::of::<Self>(http::Method::$method, base, path)
                    $(.header(http::header::ACCEPT, $accept))?
                    .finish()
            }

            #[inline]
            fn decode(
                &self,
                meta: &$crate::client::Meta,
                body: &bytes::Bytes,
            ) -> $crate::error::Result<$output> {
                $decode(meta, body)
            }
        }
    };
}

/// Declares a method for each documented link of a model, which has them in `links`.
macro_rules! relations {
    ($model:ident { $($name:ident = $relation:literal $doc:literal),+ $(,)? }) => {
        /// Where its links lead. Answers leave links out: each may be `None`.
        impl $model {
            $(
                #[doc = $doc]
                #[must_use]
                pub fn $name(&self) -> Option<$crate::wire::hal::Link> {
                    self.links.get($relation)
                }
            )+
        }
    };
}

use {relations, request};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;
    use crate::error::ErrorKind;

    /// A request as text: method, path and query below the API, headers, body.
    pub(super) fn request_text<E: Endpoint>(request: &E) -> String {
        let base = url::Url::parse(&format!("{BASE_URL}/acme")).unwrap();
        request.to_request(&base).unwrap().text(BASE_URL, "")
    }

    pub(super) fn utc(text: &str) -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn the_workspace_is_the_last_part_of_the_base_url() {
        for (workspace, url) in [
            ("acme", "https://app.mode.com/api/acme"),
            ("acmé", "https://app.mode.com/api/acm%C3%A9"),
        ] {
            let options = Client::builder().workspace(workspace).options;
            assert_eq!(Mode::service(&options).unwrap().base_url, url);
        }
        let own = Client::builder().workspace("acme").base_url("http://localhost:1/api/acme");
        assert_eq!(own.build().unwrap().base_url().as_str(), "http://localhost:1/api/acme");
    }

    #[test]
    fn a_client_that_could_not_work_is_not_built() {
        let complete = || Client::builder().workspace("acme");
        for (builder, says) in [
            (Client::builder(), "workspace is missing"),
            (Client::builder().workspace(""), "workspace is no username"),
            (Client::builder().workspace(".."), "workspace is no username"),
            (Client::builder().workspace("Acme Inc"), "workspace is no username"),
            (Client::builder().workspace("https://app.mode.com/acme"), "workspace is no username"),
            (complete().credential(ApiToken::new("", "canary")), "token is empty or holds a colon"),
            (
                complete().credential(ApiToken::new("a:canary", "b")),
                "token is empty or holds a colon",
            ),
            (complete().credential(ApiToken::new("canary", "")), "secret is empty"),
            (
                complete()
                    .base_url("http://host/api/acme")
                    .credential(ApiToken::new("a", "canary")),
                "clear text",
            ),
        ] {
            let error = builder.build().expect_err(says);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn no_debug_print_shows_a_secret() {
        let credential = ApiToken::new("canary-token", "canary-secret");
        let builder = Client::builder()
            .workspace("acme")
            .base_url("http://localhost:1/api/acme")
            .credential(credential.clone());
        let printed = [
            format!("{builder:?}"),
            format!("{:?}", builder.build().unwrap()),
            format!("{credential:?}"),
        ];
        assert!(printed.iter().all(|text| !text.contains("canary")), "{printed:?}");
    }

    #[test]
    fn a_delete_answers_with_nothing_or_with_what_was_deleted() {
        let read = |body: &'static str| {
            let answer = http::Response::new(Bytes::from_static(body.as_bytes()));
            deleted(&Meta::of_test(&answer), answer.body())
        };
        assert!(read("").is_ok() && read("\n").is_ok() && read(r#"{"token":"q1"}"#).is_ok());
        let error = read("<html>log in</html>").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedContent);
    }
}
