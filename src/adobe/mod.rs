//! Adobe Experience Platform, Query Service: schedules, their runs, the queries behind them, and related resources.
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
//! | operation | request | retried after a lost response |
//! |---|---|---|
//! | list runs | [`ListRuns`] | yes |
//! | trigger a run | [`TriggerRun`] | never |
//! | get a run with its tasks | [`GetRun`] | yes |
//! | cancel a run | [`CancelRun`] | never |
//! | list, get schedules | [`ListSchedules`], [`GetSchedule`] | yes |
//! | create, delete a schedule | [`CreateSchedule`], [`DeleteSchedule`] | never |
//! | disable a schedule, wait, and delete it | [`Client::retire_schedule`] | only its polls |
//! | enable, disable, reschedule | [`EnableSchedule`], [`DisableSchedule`], [`SetCron`] | never |
//! | list, get queries | [`ListQueries`], [`GetQuery`] | yes |
//! | create, cancel, soft-delete a query | [`CreateQuery`], [`CancelQuery`], [`SoftDeleteQuery`] | never |
//! | list, count, get query templates | [`ListTemplates`], [`CountTemplates`], [`GetTemplate`] | yes |
//! | replace a template | [`UpdateTemplate`] | yes |
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
//! [`Client::raw`](crate::Client::raw) reaches everything else below the base URL, including two operations that have no
//! request type: `GET /statistics`, which only Adobe's own client has, and `GET /datagroups`, whose page is an unfinished
//! draft.
//!
//! # Base URL
//!
//! Requests go below [`BASE_URL`], or below the URL set by [`base_url`](ClientBuilder::base_url): the stage's host, a proxy, a
//! fake. Only accounts have another path, `/data/foundation/queryauth`. If the base URL ends in `/data/foundation/query`,
//! everything before that, such as the prefix of a proxy, is kept for accounts; otherwise their path begins at the root of
//! the host. No request goes to another host.
//!
//! # Credentials
//!
//! In the Adobe Developer Console open a project with the Experience Platform API. Take *client id* and *client secret* from
//! its "OAuth Server-to-Server" credential, and the *organization id* (`…@AdobeOrg`) from the same page. The *sandbox* is the
//! name, all lower case, of the sandbox that has the schedules. [`ServerToServer`] fetches and renews tokens; [`AccessToken`]
//! takes a ready one. The credential needs a product profile with the right to manage queries. IP access needs a user's
//! token, and therefore [`AccessToken`].
//!
//! # What the docs get wrong
//!
//! The docs are the [Query Service API reference](https://developer.adobe.com/experience-platform-apis/references/query-service/) and
//! the [guide](https://experienceleague.adobe.com/en/docs/experience-platform/query/api/runs-scheduled-queries) to it.
//!
//! | the docs say | what the service sends, and what this crate does |
//! |---|---|
//! | `externalTrigger` is a boolean | samples have a string: both are read |
//! | run states are upper case | a single run says `success`: compared without case |
//! | task `duration` is a string | samples have a number: both are read, in seconds |
//! | times are ISO 8601 with a zone | run details have no zone (read as UTC), schedules have epoch milliseconds in a string |
//! | `statusCode` is a number | some responses have a string: both are read |
//! | `start` is an offset (older docs) | it is the timestamp of the first item (keyset paging), so `orderby` and `limit` are always sent |
//! | default order | pages disagree; lists of this crate are oldest first by default |
//! | `_links.next` is an object, or a string | both are read, and `_page.next` where there is no link; the host of a link is never called |
//! | a link to the next page means there is one | a page that is not full and links to itself is the last one |
//! | the response to a trigger is the run | it does not name the run: [`RunProviderExt::trigger`](crate::RunProviderExt::trigger) finds it in the list |
//! | a schedule is changed by JSON Patch | the operations are wrapped in `{"body":[…]}`; a cancel is the object `{"op":"cancel"}` |
//! | a missing token is a 401 | the gateway sends 403 with code 403010: classified by code |
//! | filters are "HTML escaped" | they are percent-encoded |
//! | a run links to its cancellation | finished runs do too: the state decides; link bodies, hosts and paths are not used |
//! | a query is found by `scheduleRunId` | examples have the decoded and the encoded run id: both are tried |
//! | cron texts link to a syntax of six or seven fields | five fields or a preset are accepted; the vendor checks the fields |
//! | a schedule is deleted in one call | it must first be registered and then disabled: [`Client::retire_schedule`] waits for both |
//! | a page begins after the page before (templates, accounts) | in samples it begins with the last item of that page, which is left out |
//! | template names are compared by `==` (guide), by `~` (reference) | both are offered |
//! | pages of alerts have numbers | the first number is not documented: the first request names none; every page has a next link, so a page without alerts is the end (inferred) |
//! | an alert's `subscriptions` have one shape | addresses per channel, booleans per channel, or both; one sample has a misspelt name: all are read, see [`Channel`] |
//! | an alert has an `id` | the list of one person's alerts calls it `name`: [`Alert::id`] reads either |
//! | alerts are at `alertSubscriptions` (older pages), accelerated queries at a misspelt path (examples) | the paths of the reference are used |
//! | creating an alert returns 200 (reference), 202 (guide) | any success status is accepted |
//! | an alert has three types | newer pages add `quarantine`, prose says `failed`, the UI has `delay`: all are kept, and sent unchanged |
//! | accelerated `results` are a list | examples in the reference have one row that is not in a list: both are read |
//! | an accelerated database is `a:b.c` (prose), `a:b:c` (examples) | sent unchanged |
//! | accelerated SQL has 1,000,000 bytes (reference), characters (guide) | refused before it is sent if it is longer than both |
//! | `websoketHost` | samples have `websocketHost`: both are read |
//! | an account needs only a description (older page) | newer pages require name and user: so does [`CreateAccount::new`] |
//! | a success status means success | an error body of the gateway is reported as an error, whatever the status (inferred, as a precaution) |
//!
//! # Cancelled runs
//!
//! The vendor does not document the state of a run after a cancel. It is believed to be `FAILED`, while the query of the run says
//! `KILLED`. So a run that failed and has a cancelled query is [`Cancelled`](crate::Phase::Cancelled), in waits, alone and in lists;
//! its [`state`](crate::RunSnapshot::state) is still the vendor's word, `FAILED`.
//!
//! - A run that is fetched alone, and so each end of a wait, costs no more for it: the query also has the reason of a failed run.
//! - A page of runs costs one request more, but only if it has a failed run. If that request fails, the cancelled runs of the page
//!   are failed ones.
//! - [`ListRuns`] and [`GetRun`] return what the vendor sends. There, compare [`Query::state`] with [`QueryState::Killed`].
//!
//! # Events
//!
//! Adobe I/O Events says when a scheduled query starts and ends, so that a wait need not poll often. [`Webhook`] receives the events at an
//! endpoint of yours; [`Journal`] reads them without one. Both yield [`Event`](crate::run::Event)s, which only mean "poll now": what has
//! become of a run is what Query Service says. Whether runs that were triggered by a call have events is not documented.
//!
//! # What is not documented
//!
//! The state of a cancelled run and of its query, how long a new run takes to appear in lists, and the largest
//! `limit`; the first page number of alerts, and the response to subscribing or enabling twice; whether accounts take the
//! parameters of other lists, and whether an update without a credential keeps the old one. A state that has no name
//! here is kept and does not count as ended, but for `KILLED`, `CANCELLED` and `TIMEOUT`, which other resources have: they end a run.

mod accelerated_queries;
mod accounts;
mod alerts;
mod connection_parameters;
mod credential;
mod dialect;
mod events;
mod ids;
mod ip_access;
mod journal;
mod list;
mod provider;
mod queries;
mod runs;
mod schedules;
mod templates;
mod webhook;

use std::borrow::Cow;

use http::{HeaderValue, Method};
use secrecy::SecretString;
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
pub use self::ids::{QueryId, RunId, ScheduleId, TemplateId};
pub use self::ip_access::{
    DeleteIpAccess, DeletedIpAccess, GetIpAccess, IpAccess, IpRange, IpValidation, SetIpAccess,
    ValidateIpAccess,
};
pub use self::journal::{EventJournal, Journal, JournalEntries, JournalEntry, JournalOptions};
pub use self::list::TimeField;
pub use self::queries::{
    CancelQuery, ComputeMetrics, CreateQuery, DatasetRef, ErrorType, GetQuery, ListQueries,
    NewDataset, Query, QueryDef, QueryError, QueryField, QueryFilter, QueryState, SoftDeleteQuery,
    TargetDataset,
};
pub use self::runs::{
    CancelRun, DecodedRunId, GetRun, ListRuns, Run, RunFilter, RunKind, RunState, TaskState,
    TaskStatus, TriggerRun,
};
pub use self::schedules::{
    CreateSchedule, DeleteSchedule, DisableSchedule, EnableSchedule, GetSchedule, ListSchedules,
    Schedule, ScheduleFilter, ScheduleState, SetCron, Timetable,
};
pub use self::templates::{
    CountTemplates, CreateTemplate, DeleteTemplate, GetTemplate, ListTemplates, Template,
    TemplateCount, TemplateDef, TemplateFilter, UpdateTemplate,
};
pub use self::webhook::{Webhook, WebhookBuilder};

use self::dialect::AdobeDialect;
use crate::client::{
    Api, ApiRequest, ClientBuilder, Idempotency, RequestBuilder, Service, Vendor, account_at,
    header_value,
};
use crate::error::{Error, Result};
use crate::run::Target;
use crate::wire::model;
use crate::wire::{lenient, stable_hash};

/// The vendor's name in [`Target`] and [`RunRef`](crate::RunRef).
pub const VENDOR: Vendor = Vendor::new("adobe");

/// URL of the service. Source: Query Service API reference, "servers".
pub const BASE_URL: &str = "https://platform.adobe.io/data/foundation/query";

/// A client of Query Service.
pub type Client = crate::Client<Adobe>;

/// The schedule with this id, as a target for triggers and waits.
///
/// It names no account: a client of any account accepts it and its runs. For what you store, use [`Client::target`].
#[must_use]
pub fn target(schedule: impl Into<ScheduleId>) -> Target {
    Target::new(VENDOR, schedule.into().as_str())
}

impl Client {
    /// The schedule with this id, as a target in this client's organization and sandbox: a client of another one refuses it and
    /// its runs. Ids of scheduled runs are times, and so the same in every sandbox.
    #[must_use]
    pub fn target(&self, schedule: impl Into<ScheduleId>) -> Target {
        self.scoped(target(schedule))
    }
}

impl From<&ScheduleId> for Target {
    fn from(id: &ScheduleId) -> Self {
        target(id)
    }
}

/// Query Service as a type, which ties requests to their client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Adobe {}

/// The settings that only this vendor's clients have.
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
                "the sandbox name must be all lower case; its title in the UI may differ",
            ));
        }
        let mut org_id = header_value("organization id", org_id.expose_secret())?;
        org_id.set_sensitive(true);
        let sandbox = header_value("sandbox", sandbox)?;
        let is_address =
            |value: &HeaderValue| value.as_bytes().iter().any(|byte| b"/:?#".contains(byte));
        if is_address(&sandbox) || is_address(&org_id) {
            return Err(Error::config(
                "the sandbox or the organization id is an address; pass the sandbox's name, which is behind `sname:` in the browser's, and the id …@AdobeOrg",
            ));
        }
        let dialect = AdobeDialect { org_id, sandbox };
        Ok(Service::new(BASE_URL, dialect))
    }

    fn read_base_url(_: &Options, url: Url) -> Result<Url> {
        let host = url.host_str().unwrap_or_default();
        if host == "adobe.com" || host.ends_with(".adobe.com") {
            return Err(Error::config(
                "the base URL is the address of a page; leave it out, or pass https://platform.adobe.io/data/foundation/query",
            ));
        }
        Ok(url)
    }

    /// The sandbox, with a mark of the organization: every organization has a sandbox `prod`.
    fn scope(options: &Options, base_url: &Url) -> String {
        use secrecy::ExposeSecret as _;

        let org_id = options.org_id.as_ref().map_or("", |id| id.expose_secret());
        let sandbox = options.sandbox.as_deref().unwrap_or_default();
        let account = account(org_id, sandbox);
        match account_at(base_url) {
            own if BASE_URL.ends_with(&own) => account,
            other => format!("{other}/{account}"),
        }
    }

    /// Accounts are at `/data/foundation/queryauth`, all others at `/data/foundation/query`. Everything before that in the base
    /// URL, such as the prefix of a proxy, is kept. A base URL with another path is taken to lead only to Query Service, and
    /// the path of accounts begins at the root of its host.
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
            // Fails only for URLs without a host, which clients refuse.
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

/// Names an account by its sandbox and a mark of its organization.
fn account(org_id: &str, sandbox: &str) -> String {
    format!("{:016x}/{sandbox}", stable_hash(org_id))
}

model! {
    /// The response to a request that was accepted; the work itself follows later.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Accepted {
        /// Text for people. Its wording varies: do not match it.
        pub message: Option<Box<str>>,
        /// The HTTP status, repeated in the body.
        pub status_code: Option<u64> as "statusCode" with lenient::count,
    }
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
            (
                complete().credential(ServerToServer::new("id", "canary\n")),
                "client secret begins or ends with white space",
            ),
            (complete().user_agent("a\r\nb"), "user agent holds characters"),
            (complete().sandbox("https://experience.adobe.com/#/@acme/sname:dev"), "sname:"),
            (complete().sandbox("@acme/sname:dev/platform"), "sname:"),
            (complete().org_id("https://experience.adobe.com/#/@canary"), "@AdobeOrg"),
            (
                complete().base_url("HTTPS://Experience.Adobe.com/#/@canary/sname:dev/platform"),
                "or pass https://platform.adobe.io/data/foundation/query",
            ),
            (complete().base_url("https://experience.adobe.com"), "is the address of a page"),
            (complete().base_url("experience.adobe.com/#/@canary"), "begin it with https://"),
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
