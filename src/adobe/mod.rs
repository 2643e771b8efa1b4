//! Adobe Experience Platform, Query Service: schedules, their runs, the queries behind them, and what belongs to those.
//!
//! ```no_run
//! use scheduled_runs::{RunProviderExt, adobe};
//!
//! # async fn program() -> scheduled_runs::Result<()> {
//! let client = adobe::Client::builder()
//!     .credential(adobe::ServerToServer::new("client id", "client secret"))
//!     .org_id("0123456789ABCDEF@AdobeOrg")
//!     .sandbox("prod")
//!     .build()?;
//!
//! let page = client.send(adobe::ListRuns::new("nightly").newest_first().limit(4)).await?;
//! for run in &page.items {
//!     println!("{} {:?}", run.id, run.state);
//! }
//!
//! let done = client.trigger_and_wait(&adobe::target("nightly")).await?;
//! println!("{}", done.success()?.phase);
//! # Ok(())
//! # }
//! ```
//!
//! # Operations
//!
//! | call | request | repeated when its answer is lost |
//! |---|---|---|
//! | list runs | [`ListRuns`] | yes |
//! | trigger a run | [`TriggerRun`] | never |
//! | get a run with its tasks | [`GetRun`] | yes |
//! | cancel a run | [`CancelRun`] | never |
//! | list, get schedules | [`ListSchedules`], [`GetSchedule`] | yes |
//! | create, delete a schedule | [`CreateSchedule`], [`DeleteSchedule`] | never |
//! | disable a schedule, wait, and delete it | [`Client::retire_schedule`] | no step twice |
//! | enable, disable, reschedule | [`EnableSchedule`], [`DisableSchedule`], [`SetCron`] | never |
//! | list, get queries | [`ListQueries`], [`GetQuery`] | yes |
//! | create, cancel, soft-delete a query | [`CreateQuery`], [`CancelQuery`], [`SoftDeleteQuery`] | never |
//! | list, count, get query templates | [`ListTemplates`], [`CountTemplates`], [`GetTemplate`] | yes |
//! | overwrite a template | [`UpdateTemplate`] | yes |
//! | create, delete a template | [`CreateTemplate`], [`DeleteTemplate`] | never |
//! | list alerts: all, of one person, of one query or schedule | [`ListAlerts::new`], [`ListAlerts::of_user`], [`ListAssetAlerts`] | yes |
//! | get an alert | [`GetAlert`] | yes |
//! | create an alert, subscribe to it | [`CreateAlert`] | never |
//! | enable, disable, delete an alert | [`EnableAlert`], [`DisableAlert`], [`DeleteAlert`] | never |
//! | query the accelerated store | [`RunAcceleratedQuery`] | never |
//! | get connection parameters | [`GetConnectionParameters`] | yes |
//! | get, set, validate IP access | [`GetIpAccess`], [`SetIpAccess`], [`ValidateIpAccess`] | yes |
//! | delete IP access | [`DeleteIpAccess`] | never |
//! | list, update accounts for SQL clients | [`ListAccounts`], [`UpdateAccount`] | yes |
//! | create, delete an account | [`CreateAccount`], [`DeleteAccount`] | never |
//!
//! Everything else below the base URL is reached by [`Client::raw`](crate::Client::raw). So are two that no request stands
//! for: `GET /statistics`, which only Adobe's own client has, and `GET /datagroups`, whose page is an unfinished draft.
//!
//! # Base URL
//!
//! Requests go below [`BASE_URL`], or below what [`base_url`](ClientBuilder::base_url) says: the stage's host, a proxy, a
//! fake. Accounts alone are elsewhere, at `/data/foundation/queryauth`. Where the base URL ends in `/data/foundation/query`,
//! what stands before that is kept for accounts, too, such as a proxy's prefix; where it ends otherwise, they are asked for
//! at `/data/foundation/queryauth` of its host. Nothing ever goes to another host.
//!
//! # Credentials
//!
//! In the Adobe Developer Console open a project with the Experience Platform API and take *client id* and *client
//! secret* from its "OAuth Server-to-Server" credential, and the *organization id* (`…@AdobeOrg`) from the same page.
//! The *sandbox* is the name, all lower case, of the sandbox the schedules live in. [`ServerToServer`] fetches and renews
//! tokens; [`AccessToken`] takes a ready one. The credential needs a product profile with the right to manage queries.
//! IP access wants a user's token, and so [`AccessToken`].
//!
//! # What the docs get wrong
//!
//! The docs are the [Query Service API reference](https://developer.adobe.com/experience-platform-apis/references/query-service/) and
//! the [guide](https://experienceleague.adobe.com/en/docs/experience-platform/query/api/runs-scheduled-queries) to it.
//!
//! | the docs say | what comes, and what is done here |
//! |---|---|
//! | `externalTrigger` is a boolean | samples have a text: both are read |
//! | run states are upper case | a run asked for alone says `success`: compared without case |
//! | task `duration` is a text | samples have a number: both are read, in seconds |
//! | times are ISO 8601 with a zone | run details have none (read as UTC), schedules have epoch milliseconds as text |
//! | `statusCode` is a number | some answers have a text: both are read |
//! | `start` is an offset (older docs) | it is the time stamp of the first item: a key-set cursor, so `orderby` and `limit` are always sent |
//! | default order | pages disagree; lists here are oldest first unless told otherwise |
//! | `_links.next` is an object, or a text | both, and none at all with `_page.next` instead, are read; its host is never called |
//! | a link to the next page means there is one | a page that is not full and links to itself is the last |
//! | triggering answers with the run | it names none: [`RunProviderExt::trigger`](crate::RunProviderExt::trigger) finds it in the list |
//! | a schedule is changed by JSON Patch | the operations are wrapped in `{"body":[…]}`; cancelling takes a bare `{"op":"cancel"}` |
//! | a missing token is a 401 | the gateway answers 403 with code 403010: classified by code |
//! | filters go "HTML escaped" | they are percent-encoded |
//! | a run links to its cancellation | finished runs do too: its state decides; link bodies, hosts and paths are not used |
//! | a query is found by `scheduleRunId` | examples have the decoded and the encoded run id: both are tried |
//! | cron texts link to a syntax of six or seven fields | five fields or a preset; what stands in them is the vendor's to judge |
//! | a schedule is deleted in one call | it must be registered, then disabled: [`Client::retire_schedule`] does it in order |
//! | a page begins after the one before (templates, accounts) | samples begin with its last item: an item that was there is left out |
//! | template names are compared with `==` (guide), with `~` (reference) | both are offered |
//! | pages of alerts have numbers | from which on is not said: the first request names none; links lead both ways from every page, so that one without alerts is taken for the end (inferred) |
//! | an alert's `subscriptions` are one shape | addresses by channel, switches by channel, or both, with a letter missing in one sample: all are read, see [`Channel`] |
//! | an alert has an `id` | the list of one person calls it `name`: [`Alert::id`] is either |
//! | alerts are at `alertSubscriptions` (older pages), accelerated queries at a misspelt path (examples) | the paths of the reference are used |
//! | creating an alert answers 200 (reference), 202 (guide) | any success is taken |
//! | an alert has three types | newer pages add `quarantine`, prose says `failed`, the UI has `delay`: all are kept, and sent as given |
//! | accelerated `results` are a list | examples of the reference have one row without it: both are read |
//! | an accelerated database is `a:b.c` (prose), `a:b:c` (examples) | sent as given |
//! | accelerated SQL has 1,000,000 bytes (reference), characters (guide) | what is more of both is refused before it is sent |
//! | `websoketHost` | samples have `websocketHost`: both are read |
//! | an account needs nothing but a description (older page) | newer ones require name and user: [`CreateAccount::new`] does |
//! | a success is a success | the gateway's error inside one is told as the error it is (inferred, in case) |
//!
//! Not confirmed by the vendor: the state a run has after it was cancelled, how long a new run takes to appear in lists,
//! and the largest `limit`; from which number pages of alerts count, and what subscribing or enabling twice answers; whether
//! accounts take the parameters of other lists, and whether an update without a credential keeps the old one. States
//! without a name here are kept and never count as over.

mod accelerated_queries;
mod accounts;
mod alerts;
mod connection_parameters;
mod credential;
mod dialect;
mod ip_access;
mod list;
mod provider;
mod queries;
mod runs;
mod schedules;
mod templates;

use std::borrow::Cow;

use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

pub use self::accelerated_queries::{AcceleratedResult, Column, Row, RunAcceleratedQuery};
pub use self::accounts::{
    Account, AccountFilter, AccountId, CreateAccount, DeleteAccount, DeletedAccount, ListAccounts,
    UpdateAccount,
};
pub use self::alerts::{
    Alert, AlertFilter, AlertStatus, AlertType, AssetId, Channel, CreateAlert, DeleteAlert,
    DisableAlert, EnableAlert, GetAlert, ListAlerts, ListAssetAlerts, Subscriptions,
};
pub use self::connection_parameters::{ConnectionParameters, GetConnectionParameters};
pub use self::credential::{AccessToken, ImsToken, ServerToServer};
pub use self::dialect::gateway;
pub use self::ip_access::{
    DeleteIpAccess, DeletedIpAccess, GetIpAccess, IpAccess, IpRange, IpValidation, SetIpAccess,
    ValidateIpAccess,
};
pub use self::list::TimeField;
pub use self::queries::{
    CancelQuery, CreateQuery, DatasetRef, ErrorType, GetQuery, ListQueries, NewDataset, Query,
    QueryDef, QueryError, QueryField, QueryFilter, QueryId, QueryState, SoftDeleteQuery,
    TargetDataset,
};
pub use self::runs::{
    CancelRun, DecodedRunId, GetRun, ListRuns, Run, RunFilter, RunId, RunKind, RunState, TaskState,
    TaskStatus, TriggerRun,
};
pub use self::schedules::{
    CreateSchedule, DeleteSchedule, DisableSchedule, EnableSchedule, GetSchedule, ListSchedules,
    Schedule, ScheduleFilter, ScheduleId, ScheduleState, SetCron, Timetable,
};
pub use self::templates::{
    CountTemplates, CreateTemplate, DeleteTemplate, GetTemplate, ListTemplates, Template,
    TemplateCount, TemplateDef, TemplateFilter, TemplateId, UpdateTemplate,
};

use self::dialect::AdobeDialect;
use crate::client::{
    Api, ApiRequest, ClientBuilder, Idempotency, RequestBuilder, Service, Vendor, header_value,
};
use crate::error::{Error, Result};
use crate::run::Target;
use crate::wire::{id, lenient};

/// The vendor's name in [`Target`] and [`RunRef`](crate::RunRef).
pub const VENDOR: Vendor = Vendor::new("adobe");

/// Where the service is. Source: Query Service API reference, "servers".
pub const BASE_URL: &str = "https://platform.adobe.io/data/foundation/query";

/// A client of Query Service.
pub type Client = crate::Client<Adobe>;

/// The schedule of this id, as a target for triggers and waits.
#[must_use]
pub fn target(schedule: impl Into<ScheduleId>) -> Target {
    Target::new(VENDOR, schedule.into().as_str())
}

/// Query Service, as a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Adobe {}

/// What only this vendor's clients must be told.
#[derive(Debug, Default)]
pub struct Options {
    org_id: Option<SecretString>,
    sandbox: Option<String>,
}

impl ClientBuilder<Adobe> {
    /// The organization, `…@AdobeOrg`, sent as `x-gw-ims-org-id`. Required.
    pub fn org_id(mut self, id: impl Into<SecretString>) -> Self {
        self.options.org_id = Some(id.into());
        self
    }

    /// The sandbox's name, all lower case, sent as `x-sandbox-name`. Required.
    pub fn sandbox(mut self, name: impl Into<String>) -> Self {
        self.options.sandbox = Some(name.into());
        self
    }
}

impl Api for Adobe {
    const VENDOR: Vendor = VENDOR;
    type Options = Options;

    fn service(options: &Options) -> Result<Service> {
        use secrecy::ExposeSecret as _;

        let Some(org_id) = &options.org_id else {
            return Err(Error::config(
                "the organization id is missing; call `org_id` with …@AdobeOrg",
            ));
        };
        let Some(sandbox) = &options.sandbox else {
            return Err(Error::config(
                "the sandbox is missing; call `sandbox` with its name, for example prod",
            ));
        };
        if sandbox.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(Error::config(
                "a sandbox's name is all lower case; its title in the UI may differ",
            ));
        }
        let mut org_id = header_value("organization id", org_id.expose_secret())?;
        org_id.set_sensitive(true);
        let dialect = AdobeDialect { org_id, sandbox: header_value("sandbox", sandbox)? };
        Ok(Service::new(BASE_URL, dialect))
    }

    /// Accounts are at `/data/foundation/queryauth` where queries are at `/data/foundation/query`: what stands before that in
    /// the base URL, such as a proxy's prefix, is kept. A base URL with another path is taken to lead to Query Service alone,
    /// and accounts are asked for at the top of its origin.
    fn begin(
        operation: &'static str,
        idempotency: Idempotency,
        method: Method,
        base: &Url,
        path: &[&str],
    ) -> RequestBuilder {
        let mut base = Cow::Borrowed(base);
        if path.first() == Some(&"accounts") {
            let usual = base.path().strip_suffix('/').unwrap_or(base.path());
            let usual = usual.ends_with("/data/foundation/query");
            // Only URLs without a host have no segments, and clients refuse those.
            if let Ok(mut segments) = base.to_mut().path_segments_mut() {
                if usual {
                    segments.pop_if_empty().pop().push("queryauth");
                } else {
                    segments.clear().extend(["data", "foundation", "queryauth"]);
                }
            }
        }
        ApiRequest::builder(operation, idempotency, method, &base, path)
    }
}

/// What the service answers when it took a request: the work itself comes later.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Accepted {
    /// A sentence for people. Its wording varies: do not match it.
    pub message: Option<Box<str>>,
    /// The HTTP status once more.
    #[serde(default, deserialize_with = "lenient::count")]
    pub status_code: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;
    use crate::error::ErrorKind;

    /// A request as text: method, path and query below the base URL, headers, body.
    pub(super) fn request_text<E: Endpoint>(request: &E) -> String {
        let base = Url::parse(BASE_URL).unwrap();
        request.to_request(&base).unwrap().text(BASE_URL, "")
    }

    pub(super) fn utc(text: &str) -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn a_client_that_could_not_work_is_not_built() {
        let built = |builder: ClientBuilder<Adobe>| builder.build().map(drop);
        let complete = || Client::builder().org_id("1@AdobeOrg").sandbox("dev");
        let secret = || ServerToServer::new("id", "canary-secret");
        for (builder, says) in [
            (Client::builder().sandbox("dev"), "organization id is missing"),
            (Client::builder().org_id("1@AdobeOrg"), "sandbox is missing"),
            (complete().sandbox("Dev"), "all lower case"),
            (complete().sandbox("dev\r\nx: y"), "sandbox holds characters"),
            (complete().org_id("canary\n"), "organization id begins or ends with white space"),
            (
                complete().credential(AccessToken::new("key", "Bearer canary")),
                "without the word Bearer",
            ),
            (complete().credential(AccessToken::new("key", "")), "token is empty"),
            (complete().credential(AccessToken::new("eyJhbG.canary", "key")), "looks like a token"),
            (complete().credential(AccessToken::new("k\u{e4}y", "t")), "API key holds characters"),
            (complete().credential(ServerToServer::new("", "canary")), "client id is empty"),
            (complete().credential(ServerToServer::new("id", "")), "client secret is empty"),
            (complete().user_agent("a\r\nb"), "user agent holds characters"),
            (complete().base_url("platform.adobe.io"), "begin it with https://"),
            (complete().base_url("ftp://host"), "not an http or https URL"),
            (complete().base_url("https://canary@host"), "user name or password"),
            (complete().base_url("http://host").credential(secret()), "clear text"),
        ] {
            let error = built(builder).expect_err(says);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        assert!(built(complete().base_url("http://127.0.0.1:1").credential(secret())).is_ok());
        assert!(
            built(complete().base_url("http://host").credential(secret()).allow_plain_http())
                .is_ok()
        );
    }

    #[test]
    fn no_debug_print_shows_a_secret() {
        let builder = Client::builder()
            .org_id("canary-org")
            .sandbox("dev")
            .base_url("http://localhost:1")
            .credential(ServerToServer::new("canary-id", "canary-secret"));
        let printed = [
            format!("{builder:?}"),
            format!("{:?}", Adobe::service(&builder.options).unwrap()),
            format!("{:?}", builder.build().unwrap()),
            format!("{:?}", AccessToken::new("canary-key", "canary-token")),
            format!("{:?}", ServerToServer::new("canary-id", "canary-secret")),
            format!("{:?}", ServerToServer::new("canary-id", "canary-secret")),
        ];
        assert!(printed.iter().all(|text| !text.contains("canary")), "{printed:?}");
    }
}
