//! ArcGIS Enterprise: scheduled tasks and their runs, of the deployment and of its users.
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
//! // Which tasks failed this week, and why.
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
//!   Enterprise **on Kubernetes** since 10.9, below `/admin`. The administrator API of Windows and Linux, below `/portaladmin`,
//!   documents no such tasks.
//! - [`UserTask`] is a task of a *user*: it runs notebooks, reports, geoprocessing. It belongs to the sharing API of every
//!   portal since 10.8.1, and of ArcGIS Online.
//!
//! They look alike and differ in names, ids, dates and answers: each has requests of its own.
//!
//! # Operations
//!
//! | call | of the deployment | of a user | repeated when its answer is lost |
//! |---|---|---|---|
//! | list tasks | [`ListTasks`] | [`ListUserTasks`], of all users [`ListScheduledTasks`] | yes |
//! | get a task | [`GetTask`] | [`GetUserTask`] | yes |
//! | create a task | [`CreateTask`] | [`CreateUserTask`] | never |
//! | update a task | [`UpdateTask`] | [`UpdateUserTask`] | yes |
//! | enable, disable a task | [`EnableTask`], [`DisableTask`] | [`EnableUserTask`], [`DisableUserTask`] | yes |
//! | delete a task | [`DeleteTask`] | [`DeleteUserTask`] | never |
//! | list runs | [`ListTaskRuns`] | [`ListUserTaskRuns`] | yes |
//! | get a run | [`GetTaskRun`] | [`GetUserTaskRun`] | yes |
//! | update what is on record about a run | [`UpdateTaskRun`] | [`UpdateUserTaskRun`] | yes |
//! | delete a run | [`DeleteTaskRun`] | [`DeleteUserTaskRun`] | never |
//! | get, set limits on tasks | [`GetLimits`], [`UpdateLimits`] | | yes |
//! | get the portal, and where tokens come from | | [`GetPortal`], [`GetInfo`] | yes |
//!
//! There is no operation that runs a task now, and none that ends a run: triggering and cancelling are
//! [`Unsupported`](crate::ErrorKind::Unsupported). Everything else of the portal is reached by
//! [`Client::raw`](crate::Client::raw), below the base URL.
//!
//! # Waiting for a run
//!
//! Wait for a run that a schedule started. Its task is named by [`target`], or [`user_target`]; that runs are listed before
//! they are over is inferred from their states.
//!
//! ```no_run
//! use scheduled_runs::arcgis::{Client, target};
//! use scheduled_runs::{CallLimits, RunProvider, RunProviderExt};
//!
//! # async fn program(client: Client) -> scheduled_runs::Result<()> {
//! let task = target("2c85e1f7a0934d6eb1f2037c49d8a652");
//! let runs = client.fetch_page(&task, None, &CallLimits::default()).await?;
//! if let Some(going) = runs.items.iter().find(|run| !run.phase.is_terminal()) {
//!     client.wait(&going.run).await?.success()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The base URL
//!
//! It is the portal's root, `https://{host}/{context}`: the address before `/home` in a browser, where the *context* is the
//! name of the web adaptor or, on Kubernetes, the one chosen at its installation. An address that ends in `/home`,
//! `/home/index.html`, `/sharing`, `/sharing/rest` or `/admin` names the same portal. One that ends in `/portaladmin` does
//! too, and says that the administrator API is there, not at `/admin`; [`GetPortal`] finds out which it is. For a context
//! that is itself called `home` write `/home/admin`. Redirects are refused with an error that names the base URL to set.
//!
//! # Credentials
//!
//! - [`GenerateToken`]: name and password of a user. For tasks of the deployment it must be an administrator; creating a
//!   notebook task needs the privilege "Schedule notebooks". Make a user for this program: people change passwords.
//! - [`AppToken`]: client id and secret of an application registered with the portal. Its rights are few.
//! - [`ReadyToken`]: a token or API key from elsewhere, with the referer it was made for.
//!
//! Tokens go into the header `X-Esri-Authorization` and, as the docs ask, into the body of each POST to the administrator API;
//! never into a URL. One that is refused with code 498 or 499 is renewed and the call sent again, once; a client does that at
//! most once in 30 seconds.
//!
//! # Portals with a certificate of their own
//!
//! Many portals on premises have a certificate that no public authority has signed. Add the one that signed it, or the
//! portal's own if it signed itself, with [reqwest](https://docs.rs/reqwest) 0.13 among your dependencies; nothing here
//! switches the check off. With feature `rustls` a certificate that signed itself must not be one of an authority, which it is
//! if `openssl req -x509` made it and was not told otherwise: the error's source says `CaUsedAsEndEntity`. Then let an
//! authority of yours sign one for the portal.
//!
//! ```no_run
//! # #[cfg(any(feature = "rustls", feature = "native-tls"))]
//! # fn program() -> Result<(), Box<dyn std::error::Error>> {
//! use scheduled_runs::{arcgis, client::ReqwestTransport};
//!
//! let authority = reqwest::Certificate::from_pem(&std::fs::read("portal-ca.pem")?)?;
//! let builder = reqwest::Client::builder().tls_certs_merge([authority]);
//! let client = arcgis::Client::builder()
//!     .base_url("https://gis.example.com/portal")
//!     .transport(ReqwestTransport::from_builder(builder)?)
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # The server's clock
//!
//! Dates come as epoch milliseconds, or as a text without a zone, which is the wall clock of the server: see [`Time`]. Say
//! which zone that is, unless it is UTC, with [`server_time_zone`](crate::ClientBuilder::server_time_zone).
//!
//! # What the docs get wrong
//!
//! The docs are those of the [administrator API](https://developers.arcgis.com/rest/enterprise-administration/enterprise/create-task)
//! and the [sharing API](https://developers.arcgis.com/rest/users-groups-and-items/create-new-scheduled-task/).
//!
//! | the docs say | what comes, and what is done here |
//! |---|---|
//! | tasks belong to the Portal Administrator API | to the one of Kubernetes, below `/admin`: the base URL says which is asked |
//! | an error has a status | 200, with the error in the body in one of several shapes: the code in the body counts |
//! | `status: "failed"` is an error (the vendor's clients) | or a healthy answer about a run that failed: `runId` tells |
//! | dates are texts, or epoch milliseconds | both, for the same field: [`Time`] |
//! | a list ends with `nextStart` 0 (administrator), or -1 (sharing) | both end it, and so does one that leads back |
//! | `nextStart` is where a list goes on | inside a task it is when it runs next |
//! | `maxOccurences` | `maxOccurrences` in samples: both are read, the second is sent |
//! | `type` is the task's kind | of deployment tasks `taskType` is, and `type` is another constant |
//! | a task has an `id` | or a `taskId`, or both |
//! | `runIntervalSeconds` is the length of the last run | it is the time between two runs |
//! | `itemId` is a UUID | with dashes, without, `""`, or missing: a text, or none |
//! | `url` of a run | an empty text: none |
//! | runs are completed | there are states of runs that are not: the state counts |
//! | creating a task has a task's id in its path (sample) | it has none |
//! | deleting a run lacks `/admin` (sample) | it has it |
//! | listing all tasks is a POST (newest page) | a GET, as the page's sample and the vendor's own client have it |
//! | an update takes the parameters of a creation | what becomes of those left out is not said: [`UpdateTask::of`] sends everything |
//! | a passcode is a parameter | it comes back in answers: [`Parameters`] are not printed |
//! | days of the week begin with 0 (the vendor's own client) | with 1, Sunday: [`CronSchedule`] checks it |
//! | `expires` of a token is a number | or a text; in milliseconds, after `expiration` in minutes; `expires_in` is in seconds |
//!
//! Not confirmed by the vendor: the answers to creating and updating deployment tasks and to [`GetLimits`], whether runs come
//! page by page, the order of runs, the whole of a [`UserTaskRun`], the zone of text dates, how a task that failed spells its
//! state, the name of the health report's task type, how to sort user tasks, and rate limits. States without a name here are
//! kept and never count as over.

mod credential;
mod cron;
mod definition;
mod dialect;
mod fields;
mod limits;
mod list;
mod parameters;
mod portal;
mod provider;
mod request;
mod task_runs;
mod tasks;
mod time;
mod user_task_runs;
mod user_tasks;

use chrono::TimeZone;

pub use self::credential::{AppLogin, AppToken, GenerateToken, ReadyToken, UserLogin};
pub use self::cron::CronSchedule;
pub use self::fields::{RunId, RunStatus, TaskId, TaskState, Username};
pub use self::limits::{GetLimits, Limit, LimitName, UpdateLimits};
pub use self::parameters::{BackupParameters, Parameters, RetentionUnit};
pub use self::portal::{AuthInfo, DeploymentType, GetInfo, GetPortal, Info, Portal};
pub use self::provider::{target, user_target};
pub use self::request::Changed;
pub use self::task_runs::{DeleteTaskRun, GetTaskRun, ListTaskRuns, TaskRun, UpdateTaskRun};
pub use self::tasks::{
    CreateTask, DeleteTask, DisableTask, EnableTask, GetTask, ListTasks, Task, TaskType, UpdateTask,
};
pub use self::time::Time;
pub use self::user_task_runs::{
    DeleteUserTaskRun, GetUserTaskRun, ListUserTaskRuns, UpdateUserTaskRun, UserTaskRun,
};
pub use self::user_tasks::{
    CreateUserTask, DeleteUserTask, DisableUserTask, EnableUserTask, GetUserTask,
    ListScheduledTasks, ListUserTasks, UpdateUserTask, UserTask, UserTaskType,
};

use self::dialect::ArcGisDialect;
use self::time::ServerZone;
use crate::client::{Api, ClientBuilder, Service, Vendor};
use crate::error::Result;

/// The vendor's name in [`Target`](crate::Target) and [`RunRef`](crate::RunRef).
pub const VENDOR: Vendor = Vendor::new("arcgis");

/// A client of one portal.
pub type Client = crate::Client<ArcGis>;

/// ArcGIS Enterprise, as a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArcGis {}

/// What only this vendor's clients must be told.
#[derive(Debug, Default)]
pub struct Options {
    zone: Option<ServerZone>,
}

impl ClientBuilder<ArcGis> {
    /// The zone of the server's clock, for dates that come as texts without one. Default: UTC, which is what containers
    /// usually run in.
    ///
    /// Any zone of chrono and of its companions will do, such as `chrono_tz::Europe::Berlin`. An hour that comes twice when
    /// the clock is set back counts as the earlier one.
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
}

impl Api for ArcGis {
    const VENDOR: Vendor = VENDOR;
    type Options = Options;

    fn service(options: &Options) -> Result<Service> {
        // Every customer has a host of their own.
        Ok(Service::new("", ArcGisDialect { zone: options.zone.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Dialect as _, Endpoint};
    use crate::error::ErrorKind;

    const ROOT: &str = "https://gis.example.com/portal";

    pub(super) fn base() -> url::Url {
        ROOT.parse().unwrap()
    }

    /// A request as text, as a client without settings sends it: method, path and query below the portal's root, headers, body.
    pub(super) fn request_text<E: Endpoint>(request: &E) -> String {
        let mut request = request.to_request(&base()).unwrap();
        ArcGisDialect::default().dress(&mut request).unwrap();
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
            (Client::builder(), "no base URL is set"),
            (Client::builder().base_url("gis.example.com/portal"), "not an http or https URL"),
            (portal().credential(GenerateToken::new("", "canary")), "the user name is empty"),
            (portal().credential(GenerateToken::new("jsmith", "")), "the password is empty"),
            (portal().credential(user().referer("")), "the referer is empty"),
            (portal().credential(user().referer("a\nb")), "the referer holds characters"),
            (portal().credential(user().expiration(std::time::Duration::ZERO)), "live for no time"),
            (portal().credential(user().token_url("canary")), "the token URL is not a URL"),
            (portal().credential(AppToken::new("", "canary")), "client id is empty"),
            (portal().credential(AppToken::new("id", "")), "client secret is empty"),
            (portal().credential(AppToken::new("id", "x").token_url("canary")), "not a URL"),
            (portal().credential(ReadyToken::new("")), "token is empty"),
            (portal().credential(ReadyToken::new("Bearer canary")), "without the word Bearer"),
            (portal().credential(ReadyToken::new("canary").referer(" x")), "the referer begins"),
            (Client::builder().base_url("http://gis.example.com").credential(user()), "clear text"),
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
            .transport(crate::testing::ScriptedTransport::default())
            .credential(user());
        let printed = [
            format!("{builder:?}"),
            format!("{:?}", builder.build().unwrap()),
            format!("{:?} {app:?} {ready:?}", user()),
        ];
        assert!(printed.iter().all(|text| !text.contains("canary")), "{printed:?}");
    }
}
