//! A stateful fake of ArcGIS Enterprise's scheduled tasks and notebooks, on loopback.
//!
//! [`FakeArcGis`] serves the tasks of the Enterprise Administrator API (`/admin/system/tasks`), those of users in the
//! Sharing API (`/sharing/rest/community/users/<user>/tasks`), their runs, the limits of scheduled tasks, both kinds of
//! tokens, and what clients ask for before: the portal, its users, and the page where people sign in. Like the vendor it sends nearly everything with HTTP 200, errors too. It keeps what callers
//! change. Nothing moves by itself: no API starts a run of a task, so [`FakeArcGis::start_run`] acts as the schedule, and the
//! run takes a step at every poll, alone or in a list, so tests need no sleep.
//!
//! Notebooks are executed, and their jobs served, where the [deployment](FakeArcGis::deployment) has them: below
//! `/admin/notebooks` on Kubernetes, otherwise on a Notebook Server, [`FakeArcGis::notebook_server_url`]. A notebook is the item
//! of a task of type `ExecuteNotebook`. Plans of [`next_run`](FakeArcGis::next_run) are for executions.
//!
//! It refuses a parameter that an operation does not have, a repeated parameter, and a schedule that Quartz does not
//! understand. A request without `f=json` or `f=pjson` gets a web page and is not carried out. What the vendor accepts but
//! advises against is refused if the fake is [`strict`](FakeArcGis::strict).
//!
//! The wording of messages is the fake's own. Inferred, since it is not documented: the errors of `/admin`, the response to
//! an administrator who creates a task, that lists of the administrator API come in pages, that runs come latest first and
//! are the same in both APIs, the format of the limits, code 404 for what does not exist, that updates do not change what
//! they leave out, the `taskState` of a task that failed too often, and that an app has the tasks of its owner but not the
//! rights of an administrator; of jobs, all responses to errors, that Kubernetes ignores `num` and `sortByDate`, calls its
//! details `detail`, and sends messages, and how a job looks that was cancelled. `runIntervalSeconds` and the `nextStart` of a task are estimates. The fake does not check
//! that other items exist.

mod checks;
mod cron;
mod notebooks;
mod portal;
mod responses;
mod routes;
mod shapes;
mod sign_in;
mod state;
mod tokens;

use chrono::FixedOffset;

use super::Plan;
use super::kit::{Course, FakeServer, FakeVendor, HandsOutTokens, StartsRuns, found};
use crate::arcgis::{ArcGis, GenerateToken};
use crate::client::ClientBuilder;

use self::checks::Draft;
use self::responses::Refusal;
use self::state::State;

/// A running fake of ArcGIS Enterprise. The methods that all fakes have are described with [`FakeServer`].
///
/// [`fail_next`](Self::fail_next) fails as the vendor does: the status is the code inside a response with HTTP 200 (see
/// [`true_statuses`](Self::true_statuses)); only 502, 503 and 504, which come from a proxy, are real HTTP statuses.
/// [`requests`](Self::requests) does not show the tokens in forms and URLs.
///
/// At the start the administrator API knows [`CLEANER`](Self::CLEANER), [`BACKUP`](Self::BACKUP) and
/// [`RETENTION`](Self::RETENTION). [`USERNAME`](Self::USERNAME) has [`NOTEBOOK`](Self::NOTEBOOK),
/// [`REPORT`](Self::REPORT) and [`INSIGHTS`](Self::INSIGHTS); [`COLLEAGUE`](Self::COLLEAGUE) has
/// [`SCENE`](Self::SCENE).
pub type FakeArcGis = FakeServer<ArcGis>;

impl FakeVendor for ArcGis {
    type State = State;

    fn set_up(fake: &FakeArcGis, builder: ClientBuilder<Self>) -> ClientBuilder<Self> {
        let user = GenerateToken::new(FakeArcGis::USERNAME, FakeArcGis::PASSWORD);
        let builder = builder.credential(user);
        if fake.lock().has_notebook_server() {
            return builder.notebook_server(fake.notebook_server_url());
        }
        builder
    }
}

/// Executions of notebooks.
impl StartsRuns for ArcGis {}

impl HandsOutTokens for ArcGis {}

/// What is there from the start.
impl FakeArcGis {
    /// An administrator, who may see and change everything.
    pub const USERNAME: &'static str = "hooli.admin";
    /// Password of both users.
    pub const PASSWORD: &'static str = "fake+pass&word%1";
    /// A publisher, who may only see and change her own tasks. In a path the name must be percent-encoded.
    pub const COLLEAGUE: &'static str = "mara lind@hooli";
    /// What the `client_id` of an app must be.
    pub const CLIENT_ID: &'static str = "fakeAppOfHooli01";
    /// What the `client_secret` of an app must be.
    pub const CLIENT_SECRET: &'static str = "fake+app/secret%1";
    /// The organization: `orgId` of administrators' tasks, and its name in paths besides `self`.
    pub const ORG_ID: &'static str = "8D21F07C5A9B3E46";
    /// The `ownerId` of administrators' tasks.
    pub const OWNER_ID: &'static str = "b3f97a1c04de4862a5709c8e1d6f2b30";
    /// A task of type `CleanGPJobs` that runs every hour: it succeeded four times, was skipped once and failed once.
    pub const CLEANER: &'static str = "1f6b0c9d27e84a53b8c4d5e60f719a21";
    /// A weekly task of type `CreateBackup` with one run. Responses show its passcode, [`PASSCODE`](Self::PASSCODE).
    pub const BACKUP: &'static str = "2c85e1f7a0934d6eb1f2037c49d8a652";
    /// A paused task of type `BackupRetentionCleaner` that never ran.
    pub const RETENTION: &'static str = "39d47a60be125c8f9e03f6b1d27c84a3";
    /// A task of type `ExecuteNotebook` with five runs, a day apart; the last but one failed.
    pub const NOTEBOOK: &'static str = "4e10b7d3c96f4258a71d8e05f3b2c964";
    /// The notebook that [`NOTEBOOK`](Self::NOTEBOOK) executes: its item. It has no jobs; one of another notebook ended long ago.
    pub const NOTEBOOK_ITEM: &'static str = "d2e18f63ab4c4079b1328f0a5e6d7c9b";
    /// A task of type `ExecuteReport` that never ran.
    pub const REPORT: &'static str = "5a72c8e4d01b4f3796e8f1a2b5d0c375";
    /// A completed task of type `UpdateInsightsWorkbook` with one old run.
    pub const INSIGHTS: &'static str = "6b83d9f5e12c4a08b7f902c3d4e1f586";
    /// A task of type `ExecuteSceneCook` with one run that could not be submitted.
    pub const SCENE: &'static str = "7c94eaa6f23d4b19a8010d4e5f203697";
    /// The passcode of [`BACKUP`](Self::BACKUP).
    pub const PASSCODE: &'static str = "fake-passcode-71";
    /// The `taskState` of a task that was turned off because it failed too often. Inferred: only the label in the user
    /// interface is documented.
    pub const TURNED_OFF: &'static str = "failed";
}

/// What only ArcGIS has.
#[allow(clippy::must_use_candidate, reason = "the IDs returned are a convenience")]
impl FakeArcGis {
    /// Adds an active task of type `ExecuteNotebook` that runs every hour; returns its ID.
    pub fn add_task(&self, user: &str, title: &str) -> String {
        let mut state = self.lock();
        let item = Some(state.new_id());
        let draft = Draft { item, ..Draft::demo(title, "ExecuteNotebook", "0 * * * ?") };
        state.add_task(Some(user), None, draft)
    }

    /// Adds an active task of type `CreateBackup` that runs every day to the administrator API; returns its ID.
    pub fn add_admin_task(&self, title: &str) -> String {
        self.lock().add_task(None, None, Draft::backup(title, "30 2 * * ?"))
    }

    /// The schedule of a task starts a run, which is `scheduled`; returns its ID.
    ///
    /// The last of `maxOccurrences` runs completes the task. Five failed runs in a row turn it off.
    ///
    /// # Panics
    /// If there is no such task, if it is not active, or if ArcGIS lacks something that is planned.
    #[track_caller]
    pub fn start_run(&self, task: &str, plan: Plan) -> String {
        plan.check::<State>();
        let is_cancelled = Course::new::<State>(plan.clone()).end() == Some("cancelled");
        assert!(!is_cancelled, "a run of a task cannot be cancelled");
        let started = self.lock().start_run(task, plan);
        found(started, "active task", task)
    }

    /// Ends a run as [`finish`](Self::finish) does, with this `result`.
    ///
    /// # Panics
    /// If there is no such run.
    #[track_caller]
    pub fn finish_with(&self, run: &str, status: &str, result: &str) {
        let ended = self.lock().finish_with(run, status, Some(result));
        found(ended, "run", run);
    }

    /// The run of a task of type `ExecuteNotebook` gets a job, which names the run on Kubernetes; returns its ID.
    ///
    /// # Panics
    /// If there is no such run, or its task has no item.
    #[track_caller]
    pub fn start_job_of_run(&self, run: &str) -> String {
        let started = self.lock().start_job_of_run(run);
        found(started, "run of a notebook's task", run)
    }

    /// The Notebook Server, as [`notebook_server`](ClientBuilder::notebook_server) takes it. It is there if the deployment is
    /// [`Deployment::WindowsOrLinux`]; a [`client_builder`](Self::client_builder) made after that has it set.
    #[must_use]
    pub fn notebook_server_url(&self) -> String {
        self.at("/notebooks")
    }

    /// Whether lists of jobs have details: on Kubernetes since 12.1, on a Notebook Server since 10.9. Default `true`.
    pub fn job_details(&self, listed: bool) {
        self.lock().job_settings.without_details = !listed;
    }

    /// Whether jobs can be cancelled. Default `true`; Kubernetes 11.4 cannot.
    pub fn job_cancels(&self, possible: bool) {
        self.lock().job_settings.without_cancel = !possible;
    }

    /// Whether a Notebook Server cancels a job by GET only, as its page says. Default `false`: by POST only.
    pub fn cancels_by_get(&self, by_get: bool) {
        self.lock().job_settings.cancel_by_get = by_get;
    }

    /// Whether a job is gone as soon as it has ended, as on Kubernetes 11.4. Default `false`.
    pub fn removes_ended_jobs(&self, removed: bool) {
        self.lock().job_settings.removed_at_end = removed;
    }

    /// Which edition this is. Default [`Deployment::Kubernetes`].
    pub fn deployment(&self, deployment: Deployment) {
        self.lock().deployment = deployment;
    }

    /// Whether requests are refused that the vendor accepts although its documentation advises against them: a token in a URL, which
    /// ends up in logs; a POST to `/admin` or `/portaladmin` whose token is only in a header; parameters of a POST in its
    /// URL. Default `false`, since Esri's own clients send such requests. Turn it on to check a client of your own.
    pub fn strict(&self, strict: bool) {
        self.lock().strict = strict;
    }

    /// The format of errors of the administrator APIs. Default [`AdminErrors::Messages`].
    ///
    /// Errors of `/portaladmin` about tokens always have the format of the Sharing API.
    pub fn admin_errors(&self, form: AdminErrors) {
        self.lock().style.admin_errors = form;
    }

    /// Whether the code of an error is the HTTP status, too. Default `false`: the status is 200.
    pub fn true_statuses(&self, sent: bool) {
        self.lock().style.true_statuses = sent;
    }

    /// Writes dates of the administrator API as text from now on. By default they are milliseconds since 1970, as
    /// those of the Sharing API always are.
    pub fn text_dates(&self, form: TextDates) {
        self.lock().text_dates = Some(form);
    }

    /// The time zone of dates that are written as text, which do not name it. Default UTC.
    pub fn text_zone(&self, zone: FixedOffset) {
        self.lock().text_zone = Some(zone);
    }

    /// Whether lists of the administrator API come in pages, by `start` and `num`. Default `true`; otherwise they are
    /// always complete.
    pub fn admin_pages(&self, pages: bool) {
        self.lock().admin_lists_whole = !pages;
    }

    /// Whether runs of users' tasks come in pages, as tasks do. Default `false`: all at once and without counters,
    /// whatever `start` and `num` say.
    pub fn user_runs_in_pages(&self, pages: bool) {
        self.lock().runs_in_pages = pages;
    }

    /// The largest page, whatever the request says. Default 100. Without `num`, the Sharing API
    /// sends 10 at most.
    pub fn page_limit(&self, items: usize) {
        self.lock().page_limit = Some(items.max(1));
    }

    /// Whether the response to an administrator who creates a task names it, as `taskId`. Default `true`.
    pub fn created_id_told(&self, told: bool) {
        self.lock().created_id_told = told;
    }

    /// Whether `expires` of a token is text. Default `false`: a number.
    pub fn expires_as_text(&self, text: bool) {
        self.lock().expires_as_text = text;
    }

    /// Responds to the next request of the API with 200 and the HTML of a login page. Nothing is carried out.
    pub fn login_page_next(&self) {
        self.lock().kit.respond_next(Err(Refusal::Page(200, "Sign in")));
    }

    /// Responds to the next request of the API with 302 to this location. Nothing is carried out.
    ///
    /// # Panics
    /// If the location cannot be sent.
    #[track_caller]
    pub fn redirect_next(&self, location: &str) {
        self.respond_next_with(302, &[("location", location)], "");
    }
}

/// An edition of ArcGIS Enterprise.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Deployment {
    /// It has `/admin`, with tasks and notebooks.
    #[default]
    Kubernetes,
    /// It has `/portaladmin`, where there are no tasks, no `/admin`, and a Notebook Server.
    WindowsOrLinux,
}

/// The format of errors of the administrator APIs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum AdminErrors {
    /// `{"status":"error","messages":[…],"code":…}`
    #[default]
    Messages,
    /// `{"error":{"code":…,"message":…,"details":[…]}}`, as in the Sharing API.
    Object,
}

/// Dates as Gson writes them, which depends on the Java it runs on. All are in English and without a time zone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TextDates {
    /// `Feb 3, 2026 4:05:06 PM`
    Java8,
    /// `Feb 3, 2026, 4:05:06 PM`
    Java9,
    /// Like [`Java9`](Self::Java9), with U+202F before `PM`.
    Java20,
}
