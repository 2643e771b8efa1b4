//! Mode Analytics: reports, their runs, the results, and the schedules and subscriptions of reports.
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
//! // Run a report, wait until it has ended, and get the reason if it failed.
//! let done = client.trigger_and_wait(&mode::target("f2lkg3hwjj9a")).await?.success()?;
//!
//! // The same with parameters, and the rows of its first query.
//! let run = client
//!     .send(mode::CreateReportRun::new("f2lkg3hwjj9a").parameter("region", "emea"))
//!     .await?;
//! client.wait(&mode::target("f2lkg3hwjj9a").run(run.token.as_str())).await?.success()?;
//! let rows = client.send(mode::GetReportRunRows::new("f2lkg3hwjj9a", &run.token)).await?;
//! println!("{} and {} rows", done.run, rows.len());
//! # Ok(())
//! # }
//! ```
//!
//! # Operations
//!
//! | call | request | retried when its response is lost |
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
//! | list subscriptions of a report or of one schedule | [`ListSubscriptions`], [`ListScheduleSubscriptions`] | yes |
//! | get, change subscriptions | [`GetSubscription`], [`UpdateSubscription`] | yes |
//! | create, delete subscriptions | [`CreateSubscription`], [`DeleteSubscription`] | never |
//! | list, get datasets | [`ListSpaceDatasets`], [`GetDataset`] | yes |
//! | list the runs of a dataset, get one | [`ListDatasetRuns`], [`GetDatasetRun`] | yes |
//! | list the reports that use a dataset, and its schedules | [`ListDatasetReports`], [`ListDatasetSchedules`] | yes |
//! | run a dataset | [`CreateDatasetRun`] | never |
//! | list, get data sources and spaces | [`ListDataSources`], [`GetDataSource`], [`ListSpaces`], [`GetSpace`] | yes |
//! | show who the credential belongs to | [`Verify`] | yes |
//!
//! For the rest of the API use [`Client::raw`](crate::Client::raw), and to follow a link
//! [`Client::follow`](crate::Client::follow). The rest is what is not about scheduled runs (filters, definitions, members, groups),
//! and what the reference leaves open: deleting several schedules at once, duplicates of runs, updates of a schema, and the audit
//! log. Purging results cannot be undone or polled, so it has no request type either. Mode documents no operation that cancels a run. Some runs
//! carry a form `cancel`: [`cancel`](crate::RunProviderExt::cancel) sends it, and fails with
//! [`Unsupported`](crate::ErrorKind::Unsupported) for a run that has none. (Inferred: an integration with live access has seen such
//! forms; what is sent has not been confirmed.)
//!
//! # Webhooks
//!
//! Mode can send a request to your program when a run of a report has started or ended: [`receive`] reads it, and
//! [`wake_on`](crate::run::Wait::wake_on) polls the run at once instead of after a pause. The requests are not signed: [`receive`]
//! says what to do about it.
//!
//! # Credentials
//!
//! The API is part of paid plans. An admin creates a workspace token under "Workspace settings", "API keys"; if an admin
//! allows it, members create tokens of their own. Each token has a secret that is shown once: pass both to [`ApiToken`]. A
//! workspace token may do what an admin may, except copy reports; a member's token may do what the member may. The
//! *workspace* is the username in its address, `app.mode.com/{workspace}`. To check the settings, send [`Verify`].
//!
//! # What the docs get wrong
//!
//! The docs are the [API reference](https://mode.com/developer/api-reference/authentication/).
//!
//! | the docs say | what the vendor sends, and what this module does |
//! |---|---|
//! | ids are strings | numbers in older responses, strings in newer ones: both are decoded, as text |
//! | ids identify resources | only tokens work in requests: they have types of their own |
//! | `limit`, flags and counts are strings | booleans and numbers: both are decoded |
//! | `max_result_bytes` is a string | a number beyond 32 bits: both are decoded |
//! | `parameters` is a string | an object: it is kept as raw JSON |
//! | most members are required | many are null or missing: only a token is required here |
//! | states are the documented ones | there are others, or none: they are kept, and never count as finished |
//! | a successful run has the state `succeeded` | or `completed`: both count as success |
//! | times are ISO 8601 | samples contain a placeholder: what is not a time becomes `None` |
//! | `order` is the column on some pages, the direction on others | it is the direction here; `raw_order` sends anything |
//! | lists of runs take a `filter` | it has been seen to fail with 500 each time: retried like other calls, then reported |
//! | pages have `first_page` and `last_page` | `page`, `per_page`, `count`, `total_pages`, `total_count`, or nothing at all |
//! | `next_page` leads to the next page | also past the end, to a 404: counters take precedence, and without them the 404 ends the list |
//! | lists have pages | some are sent whole, whichever page is requested: a page that repeats is the end |
//! | the path of runs takes one kind of body | it takes two: [`CreateReportRun`] and [`RefreshReportDatasets`] |
//! | success is 200 | 201, 202 and 204 as well |
//! | cloning a run returns a run | it returns a report |
//! | the body of a schedule is bare | it is wrapped in `report_schedule` |
//! | requests name a subscription by its token | no member has it: it is the end of the link to the subscription, [`Subscription::token`] |
//! | the list of a dataset's schedules has a model | the docs do not contain it: the items are read as [`Schedule`], whatever the list is called |
//! | one list has all runs of a query | it has those of one report run: [`ListQueryHistory`] has all |
//! | results are at `content(.csv, .json)` | at `content.csv` and `content.json` |
//! | the results of a run are CSV | or ZIP: the content type decides |
//! | a missing login gets 401 | a gateway has sent its login page with 200: [`UnexpectedContent`](crate::ErrorKind::UnexpectedContent) |
//! | an error is `{"id", "message"}` | `message` may be an object, `id` a number or missing, the body a list: all are decoded |
//!
//! Not confirmed by the vendor: the default order of lists, the states of query runs, how long results are kept, the 100
//! rows that `limit` stands for, and what a 429 contains in addition to `Retry-After`.

mod cancel;
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
mod subscriptions;
mod tokens;
mod webhook;

pub use self::credential::{ApiToken, Verification, Verify};
pub use self::data_sources::{DataSource, GetDataSource, ListDataSources};
pub use self::datasets::{
    CreateDatasetRun, DatasetRun, GetDataset, GetDatasetRun, ListDatasetReports, ListDatasetRuns,
    ListSpaceDatasets,
};
pub use self::exports::{DownloadPdf, ExportPdf, PdfExport, PdfState};
pub use self::list::{Filter, TimeField};
pub use self::queries::{CreateQuery, DeleteQuery, GetQuery, ListQueries, Query, UpdateQuery};
pub use self::query_runs::{GetQueryRun, ListQueryHistory, ListQueryRuns, QueryRun};
pub use self::report_runs::{
    CloneReportRun, CreateReportRun, FormField, GetReportRun, GetReportRunOptions, ListReportRuns,
    PythonState, RefreshReportDatasets, ReportRun, RunState,
};
pub use self::reports::{
    ArchiveReport, GetReport, ListDataSourceReports, ListSpaceReports, Report, ReportType,
    UnarchiveReport,
};
pub use self::results::{
    Content, DownloadQueryRun, DownloadReport, DownloadReportRun, Format, GetQueryRunRows,
    GetReportRunRows, Row,
};
pub use self::schedules::{
    CreateSchedule, Cron, DeleteSchedule, Frequency, GetSchedule, ListDatasetSchedules,
    ListSchedules, Schedule, UpdateSchedule,
};
pub use self::spaces::{GetSpace, ListSpaces, Space, SpaceFilter, SpaceType};
pub use self::subscriptions::{
    CreateSubscription, DeleteSubscription, GetSubscription, ListScheduleSubscriptions,
    ListSubscriptions, Subscription, UpdateSubscription,
};
pub use self::tokens::{
    DataSourceToken, DatasetRunToken, QueryRunToken, QueryToken, ReportRunToken, ReportToken,
    ScheduleToken, SpaceToken, SubscriptionToken,
};
pub use self::webhook::receive;

use self::dialect::ModeDialect;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::client::{Api, ClientBuilder, PathSegment, Service, Vendor};
use crate::error::{Error, Result};
use crate::run::Target;

/// The vendor's name in [`Target`] and [`RunRef`](crate::RunRef).
pub const VENDOR: Vendor = Vendor::new("mode");

/// Base URL of the service, without the workspace. Source: Mode API reference, "Getting started".
pub const BASE_URL: &str = "https://app.mode.com/api";

/// A client of Mode.
pub type Client = crate::Client<Mode>;

/// The report with this token, as a target for triggers and waits.
///
/// It names no account: a client of any account accepts it and its runs. For what you store, use [`Client::target`].
#[must_use]
pub fn target(report: impl Into<ReportToken>) -> Target {
    Target::new(VENDOR, report.into().as_str())
}

impl Client {
    /// The report with this token, as a target in this client's workspace: a client of another one refuses it and its runs.
    #[must_use]
    pub fn target(&self, report: impl Into<ReportToken>) -> Target {
        self.scoped(target(report))
    }
}

impl From<&ReportToken> for Target {
    fn from(report: &ReportToken) -> Self {
        target(report)
    }
}

/// Mode, as a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {}

/// Settings that only this vendor's clients have.
#[derive(Debug, Default)]
pub struct Options {
    workspace: Option<String>,
}

impl ClientBuilder<Mode> {
    /// The workspace: the username in its address, `app.mode.com/{workspace}`. Required, also with a base URL.
    ///
    /// It becomes the last segment of the base URL. If you set a [`base_url`](Self::base_url), requests go to that one: it must
    /// end with the workspace, as in `https://proxy.example/api/acme`.
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
                "no workspace is set; call `workspace` with its username, as in app.mode.com/{workspace}",
            ));
        };
        // A pasted address or title: a username has neither slashes nor spaces.
        let is_username = !workspace
            .contains(|letter: char| "/:?#".contains(letter) || letter.is_whitespace())
            && !is_site(workspace);
        let workspace = PathSegment::new(workspace).ok().filter(|_| is_username).ok_or_else(|| {
            Error::config(
                "the workspace is not a username; copy it from its address, app.mode.com/{workspace}",
            )
        })?;
        Ok(Service::new(format!("{BASE_URL}/{workspace}"), ModeDialect))
    }

    fn read_base_url(options: &Options, url: Url) -> Result<Url> {
        let path: Vec<_> = url.path().split('/').filter(|part| !part.is_empty()).collect();
        if url.host_str().is_some_and(is_site) && !matches!(path[..], ["api", _]) {
            return Err(Error::config(
                "the base URL is not the API but a page or a path below it; leave it out, or pass https://app.mode.com/api/{workspace}",
            ));
        }
        let last = path.last().map(|part| percent_decode_str(part).decode_utf8_lossy());
        if last.as_deref() != options.workspace.as_deref() {
            return Err(Error::config(
                "the base URL must end with the workspace, as in https://proxy.example/api/{workspace}",
            ));
        }
        Ok(url)
    }
}

/// Whether this is the vendor's own host, which has its pages, too.
fn is_site(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    ["mode.com", "modeanalytics.com"].iter().any(|site| {
        host.strip_suffix(site).is_some_and(|name| name.is_empty() || name.ends_with('.'))
    })
}

/// Declares a method for each documented link of a model whose links are in `links`.
macro_rules! relations {
    ($model:ident { $($name:ident = $relation:literal $doc:literal),+ $(,)? }) => {
        /// Its links. Responses leave some out: each may be `None`.
        impl $model {
            $(
                #[doc = $doc]
                #[must_use]
                #[inline]
                pub fn $name(&self) -> Option<$crate::wire::hal::Link> {
                    self.links.get($relation)
                }
            )+
        }
    };
}

use relations;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::client::Endpoint;
    use crate::client::{Meta, json};
    use crate::error::ErrorKind;

    /// A request as text: method, path and query below the API, headers, body.
    pub(super) fn request_text<E: Endpoint>(request: &E) -> String {
        let base = Url::parse(&format!("{BASE_URL}/acme")).unwrap();
        request.to_request(&base).unwrap().text(BASE_URL, "")
    }

    pub(super) fn utc(text: &str) -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn the_workspace_is_the_last_segment_of_the_base_url() {
        for (workspace, url) in [
            ("acme", "https://app.mode.com/api/acme"),
            ("acmé", "https://app.mode.com/api/acm%C3%A9"),
        ] {
            let options = Client::builder().workspace(workspace).options;
            assert_eq!(Mode::service(&options).unwrap().base_url, url);
        }
        let own = Client::builder().workspace("acme").base_url("http://localhost:1/api/acme");
        assert_eq!(own.build().unwrap().base_url().as_str(), "http://localhost:1/api/acme");
        let encoded = Client::builder().workspace("acm\u{e9}").base_url("http://host/acm%C3%A9/");
        assert_eq!(encoded.build().unwrap().base_url().path(), "/acm%C3%A9/");
        let transport = crate::testing::ScriptedTransport::default();
        let usual =
            Client::builder().workspace("acme").base_url("https://app.mode.com/api/acme/?a=b");
        assert_eq!(
            usual.transport(transport).build().unwrap().base_url().as_str(),
            "https://app.mode.com/api/acme/"
        );
    }

    #[test]
    fn a_client_that_cannot_work_is_not_built() {
        let complete = || Client::builder().workspace("acme");
        for (builder, says) in [
            (Client::builder(), "no workspace is set"),
            (Client::builder().workspace(""), "workspace is not a username"),
            (Client::builder().workspace(".."), "workspace is not a username"),
            (Client::builder().workspace("Acme Inc"), "workspace is not a username"),
            (
                Client::builder().workspace("https://app.mode.com/acme"),
                "workspace is not a username",
            ),
            (Client::builder().workspace("App.Mode.com"), "workspace is not a username"),
            (Client::builder().workspace("acme?canary"), "workspace is not a username"),
            (
                Client::builder().workspace("app.mode.com/acme/reports/canary"),
                "app.mode.com/{workspace}",
            ),
            (
                complete().base_url("HTTPS://App.Mode.com/acme/reports/canary?a=b#c"),
                "https://app.mode.com/api/{workspace}",
            ),
            (complete().base_url("https://app.mode.com/api/acme/reports/canary"), "is not the API"),
            (complete().base_url("https://modeanalytics.com/acme/"), "is not the API"),
            (complete().base_url("https://app.mode.com/api"), "is not the API"),
            (complete().base_url("https://app.mode.com/api/initech"), "end with the workspace"),
            (complete().base_url("https://proxy.example/api"), "end with the workspace"),
            (
                complete().base_url("https://proxy.example/api/acme/canary"),
                "end with the workspace",
            ),
            (complete().base_url("https://proxy.example"), "end with the workspace"),
            (
                complete().credential(ApiToken::new("", "canary")),
                "token is empty or contains a colon",
            ),
            (
                complete().credential(ApiToken::new("a:canary", "b")),
                "token is empty or contains a colon",
            ),
            (complete().credential(ApiToken::new("canary", "")), "secret is empty"),
            (complete().credential(ApiToken::new("a", "canary\n")), "secret begins or ends with"),
            (complete().credential(ApiToken::new(" canary", "b")), "token begins or ends with"),
            (
                complete().credential(crate::client::Basic::new("a", "canary ")),
                "password of a basic credential begins or ends",
            ),
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
    fn the_response_to_a_delete_is_empty_or_what_was_deleted() {
        let read = |body: &'static str| {
            let response = http::Response::new(Bytes::from_static(body.as_bytes()));
            json::ignore(&Meta::of_test(&response), response.body())
        };
        assert!(read("").is_ok() && read("\n").is_ok() && read(r#"{"token":"q1"}"#).is_ok());
        let error = read("<html>log in</html>").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedContent);
    }
}
