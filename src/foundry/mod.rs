//! Palantir Foundry, orchestration: schedules, their runs, and the builds and jobs that these start.
//!
//! ```no_run
//! use scheduled_runs::{RunProviderExt, foundry};
//!
//! # async fn program() -> scheduled_runs::Result<()> {
//! let client = foundry::Client::builder()
//!     .hostname("example.palantirfoundry.com")
//!     .credential(foundry::ClientCredentials::new("client id", "client secret"))
//!     .build()?;
//!
//! let nightly = foundry::ScheduleRid::from(
//!     "ri.scheduler.main.schedule.0b5d2c1e-1111-4222-8333-444455556666",
//! );
//! let page = client.send(foundry::ListScheduleRuns::new(&nightly).page_size(4)).await?;
//! for run in &page.items {
//!     println!("{} {:?}", run.rid, run.result);
//! }
//!
//! let done = client.trigger_and_wait(&foundry::target(&nightly)).await?;
//! println!("{}", done.success()?.phase);
//! # Ok(())
//! # }
//! ```
//!
//! # Operations
//!
//! | call | request | retried when its response is lost |
//! |---|---|---|
//! | run a schedule | [`RunSchedule`] | never |
//! | list its runs | [`ListScheduleRuns`] | yes |
//! | get schedules | [`GetSchedule`], [`GetSchedules`] *preview* | yes |
//! | create, replace a schedule | [`CreateSchedule`], [`ReplaceSchedule`] *preview* | never |
//! | delete a schedule | [`DeleteSchedule`] | never |
//! | pause, unpause a schedule | [`PauseSchedule`], [`UnpauseSchedule`] | yes |
//! | list what a run may change | [`GetAffectedResources`] *preview* | yes |
//! | get versions of a schedule | [`GetScheduleVersion`], [`GetScheduleOfVersion`] *preview* | yes |
//! | list the schedules that build a dataset | [`ListDatasetSchedules`] | yes |
//! | start a build without a schedule | [`CreateBuild`] | never |
//! | get builds | [`GetBuild`], [`GetBuilds`] | yes |
//! | search builds | [`SearchBuilds`] *preview* | yes |
//! | cancel a build | [`CancelBuild`] | yes |
//! | list a build's jobs | [`ListBuildJobs`] | yes |
//! | get jobs | [`GetJob`], [`GetJobs`] *preview* | yes |
//!
//! A call marked *preview* asks for preview features by itself; see [`Preview`]. All calls are retried after 429 and 503, as
//! the vendor's own clients do: the server rejects them before it does any work. For the rest of the API use
//! [`Client::raw`](crate::Client::raw), with `v2` as the first part of the path.
//!
//! # Credentials
//!
//! [`ClientCredentials`] is for programs: in Foundry's Developer Console create an application with a *backend service*,
//! copy its *client id* and *client secret*, give it the scopes `api:orchestration-read` and `api:orchestration-write`,
//! and give its service user a role on the projects. [`UserToken`] takes a token generated in the account settings, which
//! acts as that user and expires. The *host* is the one in the browser's address bar.
//!
//! # What the docs get wrong
//!
//! The docs are the [Foundry API reference](https://www.palantir.com/docs/foundry/api/), "Orchestration".
//!
//! | the docs say | what the vendor sends, and what this module does |
//! |---|---|
//! | a run has `createdTime` | the page "Run Schedule" showed runs without it for years: optional here |
//! | running needs `preview=true` (older docs) | no longer, but an old Foundry still requires it: [`Preview`] |
//! | a run's error is `TargetResolutionFailure` (older docs) | now upper case: compared ignoring case and underscores |
//! | a result has children named `ignored`, `submitted`, `error` | it has a `type`; all three shapes are decoded |
//! | lists are always present | empty ones are left out, or the response is 204: decoded as empty |
//! | unions and enums have these values | others were added without notice: kept, and sent back unchanged |
//! | an error's `description` and a job's `outputs` are required | samples lack them: optional here |
//! | a running build has no `finishedTime` | a sample has one: only the status decides |
//! | a schedule's `trigger` is optional | there is an error `MissingTrigger`: use [`Trigger::manual`] |
//! | nothing about running a schedule twice at once | 409 `ScheduleAlreadyRunning`: see [`error_name`] |
//! | 404 is "not found" | with an empty body it is "no such API here": the message says which |
//! | the version of a schedule has a schedule | the response may be empty: `Option` |
//! | clients retry after 401 (the vendor's library) | it does not: here the token is renewed, once |
//! | RIDs name these services | third parties use others: only the form is checked |
//! | errors are JSON | 429, 503 and 502 have a body of text, HTML or nothing: the status decides |
//!
//! Not confirmed by the vendor: the order of a schedule's runs (assumed to be newest first), how long a new run takes to
//! appear in that list, the largest page size, what a replaced schedule keeps of the old one, and why a job failed. A
//! status without a name here is kept and never counts as finished.

mod builds;
mod credential;
mod datasets;
mod dialect;
pub mod error_name;
mod jobs;
mod provider;
mod request;
mod rid;
mod schedule_runs;
mod schedule_versions;
mod schedules;
mod target;
mod trigger;

use http::Method;
use url::Url;

pub use self::builds::{
    Build, BuildStatus, CancelBuild, CreateBuild, Direction, EqualField, GetBuild, GetBuilds,
    SearchBuilds, SearchBuildsFilter, TimeField,
};
pub use self::credential::{ClientCredentials, ClientToken, UserToken};
pub use self::datasets::ListDatasetSchedules;
pub use self::jobs::{GetJob, GetJobs, Job, JobOutput, JobStatus, ListBuildJobs};
pub use self::request::Preview;
pub use self::rid::{
    BuildRid, BuildableRid, DatasetRid, JobRid, MediaSetRid, ProjectRid, ScheduleRid,
    ScheduleRunRid, ScheduleVersionRid, TableRid, TransactionRid,
};
pub use self::schedule_runs::{
    ListScheduleRuns, RunSchedule, ScheduleRun, ScheduleRunErrorName, ScheduleRunResult,
};
pub use self::schedule_versions::{GetScheduleOfVersion, GetScheduleVersion, ScheduleVersion};
pub use self::schedules::{
    AffectedResources, CreateSchedule, DeleteSchedule, GetAffectedResources, GetSchedule,
    GetSchedules, PauseSchedule, ReplaceSchedule, Schedule, UnpauseSchedule,
};
pub use self::target::{Action, BuildTarget, RetryBackoff, ScopeMode, TimeUnit};
pub use self::trigger::Trigger;

use self::dialect::FoundryDialect;
use crate::client::{Api, ApiRequest, ClientBuilder, Idempotency, RequestBuilder, Service, Vendor};
use crate::error::{Error, Result};
use crate::run::Target;

/// The vendor's name in [`Target`] and [`RunRef`](crate::RunRef).
pub const VENDOR: Vendor = Vendor::new("foundry");

/// A client of one Foundry.
pub type Client = crate::Client<Foundry>;

/// The schedule with this RID, as a target for triggers and waits.
///
/// It names no account: a client of any account accepts it and its runs. For what you store, use [`Client::target`].
#[must_use]
pub fn target(schedule: impl Into<ScheduleRid>) -> Target {
    Target::new(VENDOR, schedule.into().as_str())
}

impl Client {
    /// The schedule with this RID, as a target at this client's host: a client of another host refuses it and its runs.
    #[must_use]
    pub fn target(&self, schedule: impl Into<ScheduleRid>) -> Target {
        self.scoped(target(schedule))
    }
}

impl From<&ScheduleRid> for Target {
    fn from(schedule: &ScheduleRid) -> Self {
        target(schedule)
    }
}

/// Foundry, as a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foundry {}

/// Settings that only this vendor's clients have.
#[derive(Debug, Default)]
pub struct Options {
    hostname: Option<String>,
    preview: Preview,
}

impl ClientBuilder<Foundry> {
    /// The host, `example.palantirfoundry.com`. Required, unless [`base_url`](Self::base_url) is set.
    ///
    /// A scheme, and a path before the API, are accepted as well: `https://gateway.example/foundry/`. So is the address of a page
    /// in the browser, `https://example.palantirfoundry.com/workspace/home`.
    pub fn hostname(mut self, host: impl Into<String>) -> Self {
        self.options.hostname = Some(host.into());
        self
    }

    /// When calls ask for preview features. Default: when the operation is in preview today. A request's own setting takes
    /// precedence.
    pub fn preview(mut self, when: Preview) -> Self {
        self.options.preview = when;
        self
    }
}

impl Api for Foundry {
    const VENDOR: Vendor = VENDOR;
    type Options = Options;

    fn service(options: &Options) -> Result<Service> {
        let base_url = options.hostname.as_deref().map(base_url).transpose()?;
        let dialect = FoundryDialect { preview: options.preview };
        Ok(Service::new(base_url.unwrap_or_default(), dialect).base_url_hint(
            "call `hostname` with the host of your stack, such as example.palantirfoundry.com",
        ))
    }

    fn read_base_url(_: &Options, url: Url) -> Result<Url> {
        let address = url.as_str();
        let Some(root) = root_of(address) else { return Ok(url) };
        let read = base_url(address.get(..root).unwrap_or_default())?;
        Url::parse(&read).map_err(|_| Error::config("the base URL is not a URL"))
    }

    /// Adds the version and the service to the path, and refuses what is not a RID.
    fn begin(
        operation: &'static str,
        idempotency: Idempotency,
        method: Method,
        base: &Url,
        path: &[&str],
    ) -> RequestBuilder {
        let checked = rid::check_path(&method, path);
        let service: &[&str] =
            if path.first() == Some(&"datasets") { &["v2"] } else { &["v2", "orchestration"] };
        let path = [service, path].concat();
        ApiRequest::builder(operation, idempotency, method, base, &path).check(checked)
    }
}

/// The base URL of a host's API. Source: the vendor's own libraries, which accept the same forms.
fn base_url(hostname: &str) -> Result<String> {
    let hostname = root_of(hostname).and_then(|end| hostname.get(..end)).unwrap_or(hostname);
    let (scheme, rest) = hostname.split_once("://").unwrap_or(("https", hostname));
    let host = rest.trim_matches('/');
    let host = match host.rsplit_once('/') {
        Some((before, last)) if last.eq_ignore_ascii_case("api") => before,
        _ => host,
    };
    if host.is_empty()
        || host.contains(|letter: char| letter.is_whitespace() || "?#".contains(letter))
    {
        return Err(Error::config(
            "the hostname is empty, or contains spaces or a query; pass it like example.palantirfoundry.com",
        ));
    }
    Ok(format!("{scheme}://{host}/api"))
}

/// Where the root of the host ends in the address of a page, or of one of the API's operations. `None` if it is neither.
fn root_of(address: &str) -> Option<usize> {
    let path = address.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let starts = ["/workspace", "/multipass", "/api/v1", "/api/v2"].into_iter().flat_map(|page| {
        let places = path.match_indices(page).map(|(start, _)| start);
        let whole =
            |start: &usize| matches!(path.as_bytes().get(start + page.len()), None | Some(b'/'));
        // Not the host itself.
        let below =
            |start: &usize| path.get(..*start).is_some_and(|root| !root.ends_with(['/', ':']));
        places.filter(whole).filter(below).collect::<Vec<_>>()
    });
    starts.min().filter(|root| *root > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Dialect as _, Endpoint};
    use crate::error::ErrorKind;

    const BASE_URL: &str = "https://example.palantirfoundry.com/api";

    pub(super) const SCHEDULE: &str = "ri.scheduler.main.schedule.1";

    pub(super) fn base() -> Url {
        BASE_URL.parse().unwrap()
    }

    /// A request as text, as a client without settings sends it: method, path and query below the base URL, headers except
    /// the one that all have, body.
    pub(super) fn request_text<E: Endpoint>(request: &E) -> String {
        let mut request = request.to_request(&base()).unwrap();
        FoundryDialect { preview: Preview::Auto }.prepare(&mut request).unwrap();
        request.text(BASE_URL, "accept")
    }

    pub(super) fn utc(text: &str) -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn a_hostname_is_accepted_in_every_form_people_paste() {
        for (host, url) in [
            ("example.palantirfoundry.com", "https://example.palantirfoundry.com/api"),
            ("https://example.palantirfoundry.com/", "https://example.palantirfoundry.com/api"),
            ("//example.palantirfoundry.com", "https://example.palantirfoundry.com/api"),
            ("https://example.palantirfoundry.com/api", "https://example.palantirfoundry.com/api"),
            ("gateway.example:8443/some/path/", "https://gateway.example:8443/some/path/api"),
            ("http://127.0.0.1:9", "http://127.0.0.1:9/api"),
            ("example.palantirfoundry.com/workspace", "https://example.palantirfoundry.com/api"),
            ("host/workspace/home", "https://host/api"),
            ("host/Workspace/Home/?a=b#/c", "https://host/api"),
            ("host/multipass/login?redirect=/workspace/home", "https://host/api"),
            ("gateway/foundry/workspace/compass/ri.x", "https://gateway/foundry/api"),
            ("https://workspace/workspace/home", "https://workspace/api"),
            ("host/workspaces/acme", "https://host/workspaces/acme/api"),
            ("host/api/v2/orchestration", "https://host/api"),
            ("host/API/", "https://host/api"),
        ] {
            assert_eq!(base_url(host).unwrap(), url, "{host}");
        }
        let transport = crate::testing::ScriptedTransport::default();
        let client =
            |builder: ClientBuilder<Foundry>| builder.transport(transport.clone()).build().unwrap();
        let local = client(Client::builder().hostname("http://127.0.0.1:9"));
        assert_eq!(local.base_url().as_str(), "http://127.0.0.1:9/api");
        let other = client(Client::builder().hostname("h").base_url("http://127.0.0.1:9/x"));
        assert_eq!(other.base_url().as_str(), "http://127.0.0.1:9/x");
        for address in ["HTTPS://Host/workspace/home?a=b#c", "https://host/api/v2/orchestration"] {
            let pasted = client(Client::builder().base_url(address));
            assert_eq!(pasted.base_url().as_str(), "https://host/api", "{address}");
        }
    }

    #[test]
    fn a_client_that_cannot_work_is_not_built() {
        let host = || Client::builder().hostname("example.palantirfoundry.com");
        let application = || ClientCredentials::new("id", "canary-secret");
        for (builder, says) in [
            (Client::builder(), "no base URL is set; call `hostname` with "),
            (Client::builder().hostname(""), "the hostname is empty"),
            (Client::builder().hostname("https://"), "the hostname is empty"),
            (Client::builder().hostname("a b"), "contains spaces"),
            (Client::builder().hostname("a?x=canary"), "a query"),
            (Client::builder().hostname("canary@host"), "user name or password"),
            (Client::builder().hostname("ftp://host"), "not an http or https URL"),
            (host().credential(UserToken::new("Bearer canary")), "without the word Bearer"),
            (host().credential(UserToken::new("")), "token is empty"),
            (host().credential(ClientCredentials::new("", "canary")), "client id is empty"),
            (host().credential(ClientCredentials::new("id", "")), "client secret is empty"),
            (host().credential(ClientCredentials::new("id", "canary\r\n")), "white space"),
            (host().credential(ClientCredentials::new("id\n", "canary")), "white space"),
            (host().credential(UserToken::new("canary\n")), "white space"),
            (host().credential(application().scopes(["a b"])), "a scope is empty or holds a space"),
            (host().credential(application().token_url("canary")), "the token URL is not a URL"),
            (
                Client::builder().hostname("http://host").credential(UserToken::new("canary")),
                "clear text",
            ),
        ] {
            let error = builder.build().map(drop).expect_err(says);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn no_debug_print_shows_a_secret() {
        let token = || ClientCredentials::new("canary-id", "canary-secret");
        let builder = Client::builder()
            .hostname("http://localhost")
            .credential(token().basic_auth().scopes(["s"]));
        let printed = [
            format!("{builder:?}"),
            format!("{:?}", builder.build().unwrap()),
            format!("{:?}", token()),
            format!("{:?}", token()),
            format!("{:?}", UserToken::new("canary-token")),
        ];
        assert!(printed.iter().all(|text| !text.contains("canary")), "{printed:?}");
    }
}
