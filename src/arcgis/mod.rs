//! ArcGIS Enterprise: scheduled tasks of the deployment and of its users, the runs of these tasks, and executions of notebooks.
//!
//! ```no_run
//! use chrono::{Duration, Utc};
//! use scheduled_runs::Phase;
//! use scheduled_runs::arcgis::{Client, GenerateToken, ListTaskRuns, ListTasks};
//!
//! # async fn program() -> scheduled_runs::Result<()> {
//! let client = Client::builder()
//!     .base_url("https://gis.example.com/portal")
//!     .credential(GenerateToken::new("admin", "password"))
//!     .build()?;
//!
//! // Print which tasks failed this week, and why.
//! let week = Utc::now() - Duration::days(7);
//! let mut tasks = client.items(ListTasks::new());
//! while let Some(task) = tasks.next().await {
//!     let task = task?;
//!     for run in client.items(ListTaskRuns::new(&task.id)).try_collect().await? {
//!         let failed = run.status.is_some_and(|status| status.phase() == Phase::Failed);
//!         let created = run.created.and_then(|created| created.utc());
//!         if failed && created.is_none_or(|created| created > week) {
//!             println!("{:?} {}: {:?}", task.title, run.run_id, run.result);
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Two kinds of tasks
//!
//! - [`Task`] is a task of the *deployment*: it makes backups and cleans up. It belongs to the administrator API of ArcGIS
//!   Enterprise **on Kubernetes**, below `/admin`, since 10.9. The administrator API of Windows and Linux, below `/portaladmin`,
//!   does not document such tasks.
//! - [`UserTask`] is a task of a *user*: it runs notebooks, reports, geoprocessing. It belongs to the sharing API of every
//!   portal since 10.8.1, and of ArcGIS Online.
//!
//! They look alike, but their names, ids, dates and responses differ, so each kind has its own requests. A run is a [`TaskRun`]
//! in both APIs: `TaskRun` holds a [`Task`], `TaskRun<UserTask>` a [`UserTask`].
//!
//! # Operations
//!
//! | call | of the deployment | of a user | retried when its response is lost |
//! |---|---|---|---|
//! | list tasks | [`ListTasks`] | [`ListUserTasks`], of all users [`ListScheduledTasks`] | yes |
//! | get a task | [`GetTask`] | [`GetUserTask`] | yes |
//! | create a task | [`CreateTask`] | [`CreateUserTask`] | never |
//! | update a task | [`UpdateTask`] | [`UpdateUserTask`] | yes |
//! | enable, disable a task | [`EnableTask`], [`DisableTask`] | [`EnableUserTask`], [`DisableUserTask`] | yes |
//! | delete a task | [`DeleteTask`] | [`DeleteUserTask`] | never |
//! | list runs | [`ListTaskRuns`] | [`ListUserTaskRuns`] | yes |
//! | get a run | [`GetTaskRun`] | [`GetUserTaskRun`] | yes |
//! | update the record of a run | [`UpdateTaskRun`] | [`UpdateUserTaskRun`] | yes |
//! | delete the record of a run | [`DeleteTaskRun`] | [`DeleteUserTaskRun`] | never |
//! | get, set limits on tasks | [`GetLimits`], [`UpdateLimits`] | | yes |
//! | get the portal, and its token service | | [`GetPortal`], [`GetInfo`] | yes |
//!
//! | call | of a notebook | retried when its response is lost |
//! |---|---|---|
//! | execute | [`ExecuteNotebook`] | never |
//! | list, get jobs | [`ListNotebookJobs`], [`GetNotebookJob`] | yes |
//! | cancel a job | [`CancelNotebookJob`], [`CancelNotebookJobByGet`] | yes |
//! | delete jobs that have ended | [`DeleteNotebookJobs`] | yes |
//!
//! The vendor has no operation that runs a task now, and none that cancels a run of a task: triggering and cancelling them is
//! [`Unsupported`](crate::ErrorKind::Unsupported). A notebook can be executed outside of its task. For everything else in the portal use
//! [`Client::raw`](crate::Client::raw), whose paths begin at the base URL. The path of an [`Endpoint`](crate::client::Endpoint)
//! of your own begins at the portal's root, with `admin` or `sharing`.
//!
//! # Notebooks
//!
//! [`notebook_target`] names a notebook by its portal item. It can be triggered, exactly once if the start is
//! [prepared](crate::RunProviderExt::prepare), and its runs can be watched, listed and cancelled. A run is a [`NotebookJob`]. To set
//! parameters, send [`ExecuteNotebook`].
//!
//! ```no_run
//! use scheduled_runs::RunProviderExt;
//! use scheduled_runs::arcgis::{Client, GenerateToken};
//!
//! # async fn program() -> scheduled_runs::Result<()> {
//! let client = Client::builder()
//!     .base_url("https://gis.example.com/portal")
//!     // Not for Kubernetes, which has notebooks at the base URL.
//!     .notebook_server("https://notebooks.example.com:11443/arcgis")
//!     .credential(GenerateToken::new("jsmith", "password"))
//!     .build()?;
//! let notebook = client.notebook_target("9f1c3a5e7b0d4286a1c3e5f708192a3b");
//! client.trigger_and_wait(&notebook).await?.success()?;
//! # Ok(())
//! # }
//! ```
//!
//! | | Notebook Server | Kubernetes |
//! |---|---|---|
//! | jobs | 10.7, with details since 10.9 | 11.4, with details since 12.1 |
//! | execute | 10.8 | 11.4 |
//! | cancel | 10.8.1 | 11.5 |
//! | delete jobs that have ended | 10.9 | never |
//! | what is listed as the runs of a notebook | all of its jobs | the same; before 12.1 with one request more for each job of the site |
//! | a job that has ended | is kept until somebody [deletes](DeleteNotebookJobs) all, or until the server's own clean-up, of which no period is documented | may be gone at once |
//!
//! If a job is gone, a wait fails with [`NotFound`](crate::ErrorKind::NotFound), and whether it succeeded is not known. It may also not
//! be known whether a lost start has run.
//!
//! # Waiting for a run
//!
//! You can wait for a run that a schedule started. [`target`] or [`user_target`] names its task. Inferred from the statuses of
//! runs: a run is listed before it ends.
//!
//! ```no_run
//! use scheduled_runs::arcgis::{Client, target};
//! use scheduled_runs::{CallLimits, RunProvider, RunProviderExt};
//!
//! # async fn program(client: Client) -> scheduled_runs::Result<()> {
//! let task = target("2c85e1f7a0934d6eb1f2037c49d8a652");
//! let runs = client.fetch_page(&task, None, &CallLimits::default()).await?;
//! if let Some(active) = runs.items.iter().find(|run| !run.phase.is_terminal()) {
//!     client.wait(&active.run).await?.success()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Scheduled tasks have no event for the end of a run. Geoprocessing services have one, which wakes the waits for tasks that run
//! them: see [`receive`].
//!
//! # The base URL
//!
//! The base URL is the portal's root, `https://{host}/{context}`: the address before `/home` in a browser. The *context* is the
//! name of the web adaptor or, on Kubernetes, the name chosen at installation. An address that ends in `/home`,
//! `/home/index.html`, `/sharing`, `/sharing/rest` or `/admin` names the same portal. An address that ends in `/portaladmin` does
//! too, and says that the administrator API is there instead of at `/admin`; [`GetPortal`] finds out which of the two it is. If
//! the context itself is called `home`, write `/home/admin`. Redirects are refused with an error that names the base URL to set.
//!
//! # Credentials
//!
//! - [`GenerateToken`]: name and password of a user. Tasks of the deployment need an administrator; creating a notebook task
//!   needs the privilege "Schedule notebooks", and executing a notebook "Create and Edit Notebooks". Create a user for this program: people change their passwords.
//! - [`AppToken`]: client id and secret of an application registered with the portal. It has few privileges.
//! - [`ReadyToken`]: a token or API key that you have, with the referer it was made for.
//!
//! Tokens are sent in the header `X-Esri-Authorization` and, as the docs require, in the body of each POST to the administrator
//! API; never in a URL. If a token is refused with code 498 or 499, it is renewed and the call is sent once more; a client does
//! this at most once in 30 seconds.
//!
//! # Portals with a private certificate
//!
//! Many portals on premises have a certificate that no public authority has signed. Add the certificate of the authority that
//! signed it, or the portal's own if it is self-signed; this needs [reqwest](https://docs.rs/reqwest) 0.13 as a dependency.
//! Certificate checks cannot be switched off. With feature `rustls`, a self-signed certificate must not be marked as one of an
//! authority. `openssl req -x509` marks it so by default, and the call then fails with `CaUsedAsEndEntity` as its source: have
//! your own authority sign a certificate for the portal.
//!
//! ```no_run
//! # #[cfg(any(feature = "rustls", feature = "native-tls"))]
//! # fn program() -> Result<(), Box<dyn std::error::Error>> {
//! use scheduled_runs::{arcgis, client::ReqwestTransport};
//!
//! let authority = reqwest::Certificate::from_pem(&std::fs::read("portal-ca.pem")?)?;
//! let builder = || reqwest::Client::builder().tls_certs_merge([authority.clone()]);
//! let client = arcgis::Client::builder()
//!     .base_url("https://gis.example.com/portal")
//!     .transport(ReqwestTransport::from_builder(builder)?)
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # The server's time zone
//!
//! Dates come as epoch milliseconds, or as a text without a zone that shows the server's local time: see [`Time`]. If the
//! server's zone is not UTC, set it with [`server_time_zone`](crate::ClientBuilder::server_time_zone).
//!
//! # What the docs get wrong
//!
//! The docs are those of the [administrator API](https://developers.arcgis.com/rest/enterprise-administration/enterprise/create-task)
//! and the [sharing API](https://developers.arcgis.com/rest/users-groups-and-items/create-new-scheduled-task/).
//!
//! | the docs say | what the vendor sends, and what this crate does |
//! |---|---|
//! | tasks belong to the Portal Administrator API | they belong to that of Kubernetes, below `/admin`: the base URL says which one is called |
//! | an error has a status | most errors have status 200 and are in the body, in several shapes: the code in the body decides |
//! | `status: "failed"` is an error (the vendor's clients) | it may also be a good response about a run that failed: then it has a `runId` |
//! | dates are texts, or epoch milliseconds | both, for the same field: see [`Time`] |
//! | a list ends with `nextStart` 0 (administrator), or -1 (sharing) | both end a list, and so does a `nextStart` that leads back |
//! | `nextStart` is where the next page begins | in a task it is the time of the next run |
//! | `maxOccurences` | `maxOccurrences` in samples: both are read, the second is sent |
//! | `type` is the task's kind | in tasks of the deployment `taskType` is, and `type` is another constant |
//! | a task has an `id` | or a `taskId`, or both |
//! | `runIntervalSeconds` is the length of the last run | it is the time between two runs |
//! | `itemId` is a UUID | with dashes, without, `""`, or missing: read as a text, or `None` |
//! | `url` of a run | an empty text: read as `None` |
//! | runs are completed | runs have other statuses too: the status decides |
//! | creating a task has a task's id in its path (sample) | it does not |
//! | deleting a run lacks `/admin` (sample) | it has `/admin` |
//! | listing all tasks is a POST (newest page) | it is a GET, as in the page's sample and the vendor's own client |
//! | an update takes the parameters of a creation | whether the others are reset is not documented: [`UpdateTask::of`] sends everything |
//! | a passcode is a parameter | responses repeat it: [`Parameters`] are never printed |
//! | days of the week begin with 0 (the vendor's own client) | they begin with 1, Sunday: [`CronSchedule`] checks it |
//! | cancelling a job of a notebook is a GET (Notebook Server) | the vendor's own client sends a POST; the GET follows if that is refused with code 405 |
//! | a job is removed when it has ended (11.4) | the newest page lists jobs that have ended |
//! | `notebookParameters` is an object | in a job it is a JSON text: both are read |
//! | `endTime` of a job | 0 until it has ended: read as `None` |
//! | `expires` of a token is a number | or a text; it is in milliseconds, while `expiration` is in minutes and `expires_in` in seconds |
//!
//! The vendor does not confirm: the responses to creating and updating tasks of the deployment and to [`GetLimits`], whether runs
//! come page by page, the order of runs, all members of a user's [`TaskRun`], the zone of text dates, the state of a task that
//! failed, the task type of the health report, how to sort user tasks, and rate limits; of notebooks, the name of the parameter that
//! adds details to jobs of Kubernetes, where its jobs say why they failed, the status of a job that was cancelled, how long jobs are
//! kept, and how a missing job is reported. States that this crate does not know are
//! kept and do not count as ended.

mod credential;
mod cron;
mod definition;
mod dialect;
mod fields;
mod limits;
mod list;
mod notebook_runs;
mod notebooks;
mod parameters;
mod portal;
mod provider;
mod request;
mod task_runs;
mod tasks;
mod time;
mod user_tasks;
mod webhook;

use std::fmt;

use chrono::TimeZone;
use http::Method;
use url::Url;

pub use self::credential::{AppLogin, AppToken, GenerateToken, ReadyToken, UserLogin};
pub use self::cron::CronSchedule;
pub use self::fields::{RunId, RunStatus, TaskId, TaskState, TaskType, UserTaskType, Username};
pub use self::limits::{GetLimits, Limit, LimitName, UpdateLimits};
pub use self::notebooks::{
    CancelNotebookJob, CancelNotebookJobByGet, DeleteNotebookJobs, ExecuteNotebook, GetNotebookJob,
    ListNotebookJobs, NotebookAttributes, NotebookId, NotebookInputs, NotebookJob, NotebookJobId,
    NotebookJobStatus, NotebookJobType, NotebookResults, StartedNotebook,
};
pub use self::parameters::{BackupParameters, Parameters, RetentionUnit};
pub use self::portal::{AuthInfo, DeploymentType, GetInfo, GetPortal, Info, Portal};
pub use self::provider::{notebook_target, target, user_target};
pub use self::request::Changed;
pub use self::task_runs::{
    DeleteTaskRun, DeleteUserTaskRun, GetTaskRun, GetUserTaskRun, ListTaskRuns, ListUserTaskRuns,
    TaskRun, UpdateTaskRun, UpdateUserTaskRun,
};
pub use self::tasks::{
    CreateTask, DeleteTask, DisableTask, EnableTask, GetTask, ListTasks, Task, UpdateTask,
};
pub use self::time::Time;
pub use self::user_tasks::{
    CreateUserTask, DeleteUserTask, DisableUserTask, EnableUserTask, GetUserTask,
    ListScheduledTasks, ListUserTasks, UpdateUserTask, UserTask,
};
pub use self::webhook::receive;

use self::dialect::ArcGisDialect;
use self::request::{NotebookPath, PortalUrl};
use self::time::ServerZone;
use crate::client::{
    Api, ApiRequest, ClientBuilder, Idempotency, RequestBuilder, Service, Vendor, account_at,
};
use crate::error::{Error, Result};

/// The vendor's name in [`Target`](crate::Target) and [`RunRef`](crate::RunRef).
pub const VENDOR: Vendor = Vendor::new("arcgis");

/// A client of one portal.
pub type Client = crate::Client<ArcGis>;

/// The API of ArcGIS Enterprise, as a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArcGis {}

/// Settings that only clients of this vendor have.
#[derive(Default)]
pub struct Options {
    zone: Option<ServerZone>,
    notebook_server: Option<String>,
}

/// Not the URL: people put a password into one, which is refused only when the client is built.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("zone", &self.zone)
            .field("notebook_server", &self.notebook_server.is_some())
            .finish()
    }
}

impl ClientBuilder<ArcGis> {
    /// The server's time zone, for dates that come as texts without a zone. Default: UTC, in which containers usually run.
    ///
    /// Any zone of chrono and of its companion crates works, such as `chrono_tz::Europe::Berlin`. Of an hour that occurs twice,
    /// because the clock is set back, the earlier one is meant.
    ///
    /// ```
    /// use chrono::FixedOffset;
    /// use scheduled_runs::arcgis::Client;
    ///
    /// # fn main() -> scheduled_runs::Result<()> {
    /// let builder = Client::builder().base_url("https://gis.example.com/portal");
    /// let client = match FixedOffset::east_opt(2 * 3600) {
    ///     Some(zone) => builder.server_time_zone(zone),
    ///     None => builder,
    /// };
    /// # Ok(())
    /// # }
    /// ```
    pub fn server_time_zone(mut self, zone: impl TimeZone + Send + Sync + 'static) -> Self {
        self.options.zone = Some(ServerZone::new(zone));
        self
    }

    /// The URL of the Notebook Server that executes notebooks: `https://{host}:11443/arcgis`, or `https://{host}/{web adaptor}`. Set
    /// it for ArcGIS Enterprise on Windows and Linux. If not set, notebooks are those of ArcGIS Enterprise on Kubernetes.
    ///
    /// Requests about notebooks go there, with the client's credential, and all others to the base URL. The server must be
    /// federated with the portal, which makes the token.
    ///
    /// ```
    /// use scheduled_runs::arcgis::{Client, GenerateToken};
    ///
    /// let client = Client::builder()
    ///     .base_url("https://gis.example.com/portal")
    ///     .notebook_server("https://notebooks.example.com:11443/arcgis")
    ///     .credential(GenerateToken::new("jsmith", "password"))
    ///     .build()?;
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    pub fn notebook_server(mut self, url: impl Into<String>) -> Self {
        self.options.notebook_server = Some(url.into());
        self
    }
}

impl Api for ArcGis {
    const VENDOR: Vendor = VENDOR;
    type Options = Options;

    fn service(options: &Options) -> Result<Service> {
        let server = options.notebook_server.as_deref().map(notebook_server).transpose()?;
        let dialect = ArcGisDialect { zone: options.zone.clone(), notebook_server: server.clone() };
        // Every customer has their own host.
        Ok(Service::new("", dialect).other_server(server).base_url_hint(
            "call `base_url` with the portal's root, such as https://gis.example.com/portal",
        ))
    }

    /// The portal.
    fn scope(_: &Options, base_url: &Url) -> String {
        account_at(&PortalUrl::of(base_url).root)
    }

    /// Paths begin at the portal's root. A leading `admin` is replaced by `portaladmin` if the base URL says so; paths of the
    /// sharing API begin with `sharing` and `rest`.
    fn begin(
        operation: &'static str,
        idempotency: Idempotency,
        method: Method,
        base: &Url,
        path: &[&str],
    ) -> RequestBuilder {
        let portal = PortalUrl::of(base);
        let mut segments = path.to_vec();
        if let Some(api @ &mut "admin") = segments.first_mut() {
            *api = portal.admin;
        }
        let request = ApiRequest::builder(operation, idempotency, method, &portal.root, &segments);
        match path {
            // The parameters of a task hold the passcode of a backup, and responses repeat it.
            ["admin", "system", "tasks"]
            | ["admin", "system", "tasks", _]
            | ["admin", "system", "tasks", _, "update"] => request.confidential(),
            ["admin", "notebooks", below @ ..] => {
                let below = below.iter().map(|&part| part.into()).collect();
                request.extension(NotebookPath { below, admin: portal.admin })
            }
            _ => request,
        }
    }
}

/// The root of a Notebook Server, also from the address of its administrator API.
fn notebook_server(url: &str) -> Result<Url> {
    let parsed = Url::parse(url).ok().filter(|url| {
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        is_web && url.username().is_empty() && url.password().is_none()
    });
    let Some(url) = parsed else {
        return Err(Error::config(
            "the Notebook Server's URL must begin with https:// or http://, and hold no password",
        ));
    };
    Ok(PortalUrl::of(&url).root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Dialect as _, Endpoint};
    use crate::error::ErrorKind;

    const ROOT: &str = "https://gis.example.com/portal";

    pub(super) fn base() -> Url {
        ROOT.parse().unwrap()
    }

    /// A request as text, as a client without settings sends it: method, path and query below the portal's root, headers, body.
    pub(super) fn request_text<E: Endpoint>(request: &E) -> String {
        let mut request = request.to_request(&base()).unwrap();
        ArcGisDialect::default().prepare(&mut request).unwrap();
        request.text(ROOT, "")
    }

    pub(super) fn utc(text: &str) -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn a_client_that_could_not_work_is_not_built() {
        let portal = || Client::builder().base_url(ROOT);
        let user = || GenerateToken::new("jsmith", "canary-password");
        for (builder, says) in [
            (Client::builder(), "no base URL is set; call `base_url` with the portal's root"),
            (Client::builder().base_url("gis.example.com/portal"), "not an http or https URL"),
            (portal().credential(GenerateToken::new("", "canary")), "the user name is empty"),
            (portal().credential(GenerateToken::new("jsmith", "")), "the password is empty"),
            (portal().credential(GenerateToken::new("jsmith\r\n", "x")), "white space"),
            (portal().credential(GenerateToken::new("jsmith", "canary\n")), "white space"),
            (portal().credential(AppToken::new("id", "canary ")), "white space"),
            (portal().credential(ReadyToken::new("canary\t")), "white space"),
            (portal().credential(user().referer("")), "the referer is empty"),
            (portal().credential(user().referer("a\nb")), "the referer holds characters"),
            (
                portal().credential(user().expiration(std::time::Duration::ZERO)),
                "must be greater than zero",
            ),
            (portal().credential(user().token_url("canary")), "the token URL is not a URL"),
            (portal().credential(AppToken::new("", "canary")), "client id is empty"),
            (portal().credential(AppToken::new("id", "")), "client secret is empty"),
            (portal().credential(AppToken::new("id", "x").token_url("canary")), "not a URL"),
            (portal().credential(ReadyToken::new("")), "token is empty"),
            (portal().credential(ReadyToken::new("Bearer canary")), "without the word Bearer"),
            (portal().credential(ReadyToken::new("canary").referer(" x")), "the referer begins"),
            (Client::builder().base_url("http://gis.example.com").credential(user()), "clear text"),
            (portal().notebook_server("nb.example.com"), "the Notebook Server's URL must begin"),
            (portal().notebook_server("https://u:canary@nb.example.com"), "hold no password"),
            (portal().notebook_server("http://nb.example.com/nb").credential(user()), "clear text"),
        ] {
            let error = builder.build().map(drop).expect_err(says);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn no_debug_print_shows_a_secret() {
        let user = || GenerateToken::new("canary-user", "canary-password").referer("r");
        let app = AppToken::new("canary-id", "canary-secret");
        let ready = ReadyToken::new("canary-token").referer("r");
        let builder = Client::builder()
            .base_url(ROOT)
            .server_time_zone(chrono::Utc)
            .notebook_server("https://canary:canary@nb.example.com")
            .transport(crate::testing::ScriptedTransport::default())
            .credential(user());
        let printed = [
            format!("{builder:?}"),
            format!("{:?}", builder.notebook_server("https://nb.example.com").build().unwrap()),
            format!("{:?} {app:?} {ready:?}", user()),
        ];
        assert!(printed.iter().all(|text| !text.contains("canary")), "{printed:?}");
    }

    #[test]
    fn a_client_built_with_the_address_of_a_page_calls_the_portal() {
        let address = "HTTPS://GIS.example.com/portal/home/notebook/notebook.html?rtu=canary#x/";
        let transport = crate::testing::ScriptedTransport::default();
        let client = Client::builder().base_url(address).transport(transport).build().unwrap();
        assert!(!format!("{client:?} {}", client.base_url()).contains("canary"));
        assert_eq!(client.scope(), Some("gis.example.com/portal"));
        let request = GetPortal::new().to_request(client.base_url()).unwrap();
        assert_eq!(request.text(ROOT, ""), "GET /sharing/rest/portals/self");
    }
}
