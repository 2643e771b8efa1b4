//! A stateful fake of ArcGIS Enterprise's scheduled tasks, on loopback.
//!
//! [`FakeArcGis::start`] serves the tasks of the Enterprise Administrator API (`/admin/system/tasks`), those of users in the
//! Sharing API (`/sharing/rest/community/users/<user>/tasks`), their runs, the limits of scheduled tasks, and both
//! kinds of tokens. Like the vendor it says nearly everything with HTTP 200, errors too. It keeps what callers
//! change. Nothing moves by itself: no API starts a run, so [`FakeArcGis::start_run`] plays the schedule, and the run
//! takes a step whenever it is looked at, alone or in a list, so tests need no sleep.
//!
//! It is strict, stricter than the vendor: a parameter that an operation does not have is refused, and so is one that
//! is there twice, a token in a URL, parameters of a POST anywhere but in a form, and a schedule that Quartz does not
//! understand. A request without `f=json` or `f=pjson` gets a page for people and is not carried out. A POST to
//! `/admin` needs its token in the form.
//!
//! The wording of messages is the fake's own. Inferred, since nobody documents them: how errors of `/admin` look, what a
//! created task of an administrator is answered with, that lists of the administrator API come in pages, that runs
//! come latest first and look alike in both APIs, what the limits look like, code 404 for what is not there, that updates
//! leave alone what they do not name, what `taskState` says of a task that failed too often, and that an app has
//! the tasks of its owner but not the rights of an administrator. `runIntervalSeconds` and the `nextStart` of a task
//! are rough. Items are not looked up: any id will do.

mod answers;
mod calls;
mod cron;
mod routes;
mod shapes;
mod state;
mod tokens;

use std::time::Duration;

use chrono::{DateTime, FixedOffset, SubsecRound, TimeDelta, Utc};
use serde_json::json;
use wiremock::http::{HeaderName, HeaderValue};
use wiremock::{Request, ResponseTemplate};

use crate::arcgis::{ArcGis, GenerateToken};
use crate::client::ClientBuilder;

use super::SeenRequest;
use super::server::{Desk, Fake, Server, common_knobs, token_knobs};

use self::answers::{Answer, Api};
use self::calls::{Call, Draft};
use self::routes::route;
use self::state::State;

/// A running fake. It stops when it is dropped.
///
/// A failure it is told to answer is sent as the vendor would: its status is the code inside an answer with HTTP 200, see
/// [`true_statuses`](Self::true_statuses); only 502, 503 and 504 come from a proxy and are true. Tokens in forms and
/// URLs are not kept with [`requests`](Self::requests).
///
/// At the start the administrator API knows [`CLEANER`](Self::CLEANER), [`BACKUP`](Self::BACKUP) and
/// [`RETENTION`](Self::RETENTION). [`USERNAME`](Self::USERNAME) has [`NOTEBOOK`](Self::NOTEBOOK),
/// [`REPORT`](Self::REPORT) and [`INSIGHTS`](Self::INSIGHTS); [`COLLEAGUE`](Self::COLLEAGUE) has
/// [`SCENE`](Self::SCENE).
pub struct FakeArcGis {
    server: Server<State>,
}

common_knobs!(FakeArcGis);
token_knobs!(FakeArcGis);

impl FakeArcGis {
    /// An administrator, who may see and change everything.
    pub const USERNAME: &'static str = "hooli.admin";
    /// Password of both users.
    pub const PASSWORD: &'static str = "fake+pass&word%1";
    /// A publisher, who may see and change her own tasks only. In a path the name must be percent-encoded.
    pub const COLLEAGUE: &'static str = "mara lind@hooli";
    /// What the `client_id` of an app must be.
    pub const CLIENT_ID: &'static str = "fakeAppOfHooli01";
    /// What the `client_secret` of an app must be.
    pub const CLIENT_SECRET: &'static str = "fake+app/secret%1";
    /// The organization: `orgId` of administrators' tasks, and its name in paths besides `self`.
    pub const ORG_ID: &'static str = "8D21F07C5A9B3E46";
    /// Who has the administrators' tasks: their `ownerId`.
    pub const OWNER_ID: &'static str = "b3f97a1c04de4862a5709c8e1d6f2b30";
    /// A task of type `CleanGPJobs` that runs every hour: it succeeded four times, was skipped once and failed once.
    pub const CLEANER: &'static str = "1f6b0c9d27e84a53b8c4d5e60f719a21";
    /// A weekly task of type `CreateBackup` with one run. Answers show its passcode, [`PASSCODE`](Self::PASSCODE).
    pub const BACKUP: &'static str = "2c85e1f7a0934d6eb1f2037c49d8a652";
    /// A paused task of type `BackupRetentionCleaner` that never ran.
    pub const RETENTION: &'static str = "39d47a60be125c8f9e03f6b1d27c84a3";
    /// A task of type `ExecuteNotebook` with five runs, a day apart; the last but one failed.
    pub const NOTEBOOK: &'static str = "4e10b7d3c96f4258a71d8e05f3b2c964";
    /// A task of type `ExecuteReport` that never ran.
    pub const REPORT: &'static str = "5a72c8e4d01b4f3796e8f1a2b5d0c375";
    /// A completed task of type `UpdateInsightsWorkbook` with one old run.
    pub const INSIGHTS: &'static str = "6b83d9f5e12c4a08b7f902c3d4e1f586";
    /// A task of type `ExecuteSceneCook` with one run that could not be submitted.
    pub const SCENE: &'static str = "7c94eaa6f23d4b19a8010d4e5f203697";
    /// What [`BACKUP`](Self::BACKUP) is encrypted with.
    pub const PASSCODE: &'static str = "fake-passcode-71";
    /// What `taskState` says of a task that was turned off because it failed too often. Inferred: only the name that
    /// people see is documented.
    pub const TURNED_OFF: &'static str = "failed";

    /// Name of the web adaptor.
    const CONTEXT: &'static str = "/enterprise";

    /// Starts a fake with its demo data, on a random port of 127.0.0.1.
    pub async fn start() -> Self {
        let fake = Self { server: Server::start(State::new).await };
        fake.add_demo_data();
        fake
    }

    /// Where the portal is: below it are `/admin` and `/sharing/rest`. No slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}{}", self.server.origin(), Self::CONTEXT)
    }

    /// A token of [`USERNAME`](Self::USERNAME) that is valid now and works with any `Referer`.
    /// [`token_requests`](Self::token_requests) does not count it.
    #[must_use]
    pub fn access_token(&self) -> String {
        let mut state = self.server.lock();
        state.mint(Self::USERNAME, false, None, tokens::DEFAULT_MINUTES).0
    }

    /// A client of this fake, with settings still to change: base URL, and name and password of
    /// [`USERNAME`](Self::USERNAME) are set.
    pub fn client_builder(&self) -> ClientBuilder<ArcGis> {
        crate::arcgis::Client::builder()
            .credential(GenerateToken::new(Self::USERNAME, Self::PASSWORD))
            .base_url(self.base_url())
    }
}

/// Data.
#[allow(clippy::must_use_candidate, reason = "the ids given back are a convenience")]
impl FakeArcGis {
    /// Adds an active task of type `ExecuteNotebook` that runs every hour; gives its id back.
    pub fn add_task(&self, user: &str, title: &str) -> String {
        let mut state = self.server.lock();
        let item = state.new_id();
        let draft =
            Draft { item: Some(item), ..Draft::demo(title, "ExecuteNotebook", "0 * * * ?") };
        state.add_task(Some(user), None, draft)
    }

    /// Adds an active task of type `CreateBackup` that runs every day to the administrator API; gives its id back.
    pub fn add_admin_task(&self, title: &str) -> String {
        self.server.lock().add_task(None, None, backup(title, "30 2 * * ?"))
    }

    /// Adds a run, as if it had come about long ago; gives its id back.
    ///
    /// # Panics
    /// If there is no such task.
    #[track_caller]
    pub fn add_run(&self, task: &str, run: NewRun) -> String {
        let added = self.server.lock().add_run(task, run);
        let Some(id) = added else { panic!("the fake has no task {task:?}") };
        id
    }

    /// The time of a task's schedule has come: a run is `scheduled`. Gives its id back.
    ///
    /// The last of `maxOccurrences` runs completes the task.
    ///
    /// # Panics
    /// If there is no such task, or it is not active.
    #[track_caller]
    pub fn start_run(&self, task: &str, plan: Plan) -> String {
        let started = self.server.lock().start_run(task, plan);
        let Some(id) = started else { panic!("the fake has no active task {task:?}") };
        id
    }

    /// Ends a run now, held or not.
    ///
    /// # Panics
    /// If there is no such run.
    #[track_caller]
    pub fn finish(&self, run: &str, status: &str, result: &str) {
        let ended = self.server.lock().finish(run, status, result);
        assert!(ended.is_some(), "the fake has no run {run:?}");
    }

    fn add_demo_data(&self) {
        let now = Utc::now().trunc_subsecs(0);
        let hours_ago = |hours| now - TimeDelta::hours(hours);
        let mut state = self.server.lock();

        let cleaner = Draft {
            item: Some("c1d07e52-9a3b-4f68-8b20-6e5f4d3c2b1a".to_owned()),
            ..Draft::demo("Clean up jobs", "CleanGPJobs", "0 * * * ?")
        };
        state.add_task(None, Some(Self::CLEANER), cleaner);
        state.add_task(None, Some(Self::BACKUP), backup("Sunday backup", "15 5 ? * 1"));
        let retention = Draft {
            active: Some(false),
            ..Draft::demo("Drop old backups", "BackupRetentionCleaner", "45 3 * * ?")
        };
        state.add_task(None, Some(Self::RETENTION), retention);

        let notebook = Draft {
            item: Some("d2e18f63ab4c4079b1328f0a5e6d7c9b".to_owned()),
            parameters: Some(json!({
                "notebookParameters": "{\"region\":\"north\"}",
                "saveInjectedParameters": true,
                "updatePortalItem": false,
            })),
            ..Draft::demo("Traffic counts", "ExecuteNotebook", "30 6 * * ?")
        };
        state.add_task(Some(Self::USERNAME), Some(Self::NOTEBOOK), notebook);
        let report = Draft {
            parameters: Some(json!({
                "reportType": "org",
                "reportSubType": "credits",
                "timeDuration": "weekly",
                "title": "Credits",
            })),
            ..Draft::demo("Credits, weekly", "ExecuteReport", "0 8 ? * MON")
        };
        state.add_task(Some(Self::USERNAME), Some(Self::REPORT), report);
        let insights = Draft {
            item: Some("e3f290741c5d418ac2439f1b6f7e8dac".to_owned()),
            most: Some(1),
            ..Draft::demo("Sales, once", "UpdateInsightsWorkbook", "0 12 1 1 ?")
        };
        state.add_task(Some(Self::USERNAME), Some(Self::INSIGHTS), insights);
        let scene = Draft {
            item: Some("f403a1852d6e429bd354a02c708f9ebd".to_owned()),
            parameters: Some(json!({
                "service_url": "https://maps.hooli.example/server/rest/services/Hosted/City/SceneServer",
                "num_of_caching_service_instances": 2,
                "layer": "{}",
                "update_mode": "PARTIAL_UPDATE_NODES",
            })),
            ..Draft::demo("City in 3D", "ExecuteSceneCook", "0 0 L * ?")
        };
        state.add_task(Some(Self::COLLEAGUE), Some(Self::SCENE), scene);
        drop(state);

        let emptied = || NewRun::new("succeeded").result("12 jobs are gone.");
        let cleaner = [
            emptied(),
            emptied(),
            NewRun::new("failed").result("The job store did not answer."),
            NewRun::new("skipped").result("The run before it was not over."),
            emptied(),
            emptied(),
        ];
        for (run, hours) in cleaner.into_iter().zip((1..=6).rev()) {
            self.add_run(Self::CLEANER, run.created(hours_ago(hours)));
        }
        let saved = NewRun::new("succeeded").result("The backup is in the store.");
        self.add_run(Self::BACKUP, saved.created(hours_ago(80)));
        let notebook = [
            NewRun::new("succeeded"),
            NewRun::new("succeeded"),
            NewRun::new("succeeded"),
            NewRun::new("failed").result("KeyError: 'counts'"),
            NewRun::new("succeeded"),
        ];
        for (run, days) in notebook.into_iter().zip((1..=5).rev()) {
            self.add_run(Self::NOTEBOOK, run.created(hours_ago(days * 24)));
        }
        let once = self.start_run(Self::INSIGHTS, Plan::succeeds().after_polls(0));
        self.server.lock().date_back(&once, hours_ago(24 * 100));
        let stuck = NewRun::new("submitfailed").result("No machine is free.");
        self.add_run(Self::SCENE, stuck.created(hours_ago(200)));
    }
}

fn backup(title: &str, cron: &str) -> Draft {
    let parameters = json!({
        "name": title,
        "storeName": "nightly-store",
        "passcode": FakeArcGis::PASSCODE,
        "itemId": "",
        "metaData": {
            "recurring": true,
            "startTime": "05:15",
            "retention": { "type": "week", "value": 3 },
        },
        "retentionOffset": 1_814_400_000,
    });
    Draft { parameters: Some(parameters), ..Draft::demo(title, "CreateBackup", cron) }
}

/// How runs and answers behave.
impl FakeArcGis {
    /// Keeps runs as they are, however often they are looked at.
    pub fn hold(&self) {
        self.server.lock().held = true;
    }

    /// Ends [`hold`](Self::hold).
    pub fn release(&self) {
        self.server.lock().held = false;
    }

    /// Which edition this is. Default [`Deployment::Kubernetes`].
    pub fn deployment(&self, deployment: Deployment) {
        self.server.lock().deployment = deployment;
    }

    /// How errors of the administrator APIs look. Default [`AdminErrors::Messages`].
    ///
    /// `/portaladmin` complains about tokens in the form of the Sharing API either way.
    pub fn admin_errors(&self, form: AdminErrors) {
        self.server.lock().style.admin_errors = form;
    }

    /// Whether an error's code is the HTTP status, too. Default `false`: the status is 200.
    pub fn true_statuses(&self, sent: bool) {
        self.server.lock().style.true_statuses = sent;
    }

    /// Writes dates of the administrator API as text from now on. Until then they are milliseconds since 1970, as
    /// those of the Sharing API always are.
    pub fn text_dates(&self, form: TextDates) {
        self.server.lock().text_dates = Some(form);
    }

    /// The zone of the machine that writes dates as text, which they do not tell. Default UTC.
    pub fn text_zone(&self, zone: FixedOffset) {
        self.server.lock().text_zone = Some(zone);
    }

    /// Whether lists of the administrator API heed `start` and `num`. Default `true`; otherwise they are
    /// always whole.
    pub fn admin_pages(&self, pages: bool) {
        self.server.lock().admin_lists_whole = !pages;
    }

    /// Whether runs of users' tasks come in pages, as tasks do. Default `false`: all at once and without counters,
    /// whatever `start` and `num` say.
    pub fn user_runs_in_pages(&self, pages: bool) {
        self.server.lock().runs_in_pages = pages;
    }

    /// The most items on a page, whatever is asked for. Default 100. Without `num`, the Sharing API
    /// sends 10 at most.
    pub fn page_limit(&self, items: usize) {
        self.server.lock().page_limit = Some(items.max(1));
    }

    /// Whether the answer to a task created by an administrator names it, as `taskId`. Default `true`.
    pub fn created_id_told(&self, told: bool) {
        self.server.lock().created_id_told = told;
    }

    /// Whether `expires` of a token is text. Default `false`: a number.
    pub fn expires_as_text(&self, text: bool) {
        self.server.lock().expires_as_text = text;
    }

    /// Refuses all tokens handed out so far.
    pub fn expire_tokens(&self) {
        self.server.lock().tokens.clear();
    }

    /// Answers the next request of the API with 200 and the HTML of a login page. Nothing is carried out.
    pub fn login_page_next(&self) {
        self.server.lock().desk.answer_next(Answer::Page(200, "Sign in"));
    }

    /// Answers the next request of the API with 302 to this location. Nothing is carried out.
    ///
    /// # Panics
    /// If the location cannot be sent.
    #[track_caller]
    pub fn redirect_next(&self, location: &str) {
        self.answer_next_with(302, &[("location", location)], "");
    }
}

/// An edition of ArcGIS Enterprise.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Deployment {
    /// It has `/admin`, with tasks.
    #[default]
    Kubernetes,
    /// It has `/portaladmin`, where there are no tasks, and no `/admin`.
    WindowsOrLinux,
}

/// How errors of the administrator APIs look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum AdminErrors {
    /// `{"status":"error","messages":[…],"code":…}`
    #[default]
    Messages,
    /// `{"error":{"code":…,"message":…,"details":[…]}}`, as in the Sharing API.
    Object,
}

/// Dates as Gson writes them, which depends on the Java it runs on. All are English and tell no zone.
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

/// A run to add with [`FakeArcGis::add_run`].
#[derive(Clone, Debug)]
#[must_use = "hand it to `FakeArcGis::add_run`"]
pub struct NewRun {
    status: String,
    result: String,
    url: String,
    id: Option<String>,
    created: Option<DateTime<Utc>>,
    took: Duration,
}

impl NewRun {
    /// A run in this status, such as `succeeded`. It does not move by itself, whatever its status.
    pub fn new(status: &str) -> Self {
        Self {
            status: status.to_owned(),
            result: String::new(),
            url: String::new(),
            id: None,
            created: None,
            took: Duration::ZERO,
        }
    }

    /// When it began. Left out, it is now.
    pub fn created(mut self, at: DateTime<Utc>) -> Self {
        self.created = Some(at);
        self
    }

    /// How long after that it was last changed. Default zero.
    pub fn took(mut self, time: Duration) -> Self {
        self.took = time;
        self
    }

    /// What it says of itself, such as why it failed. Left out, it is empty.
    pub fn result(mut self, result: &str) -> Self {
        result.clone_into(&mut self.result);
        self
    }

    /// Where its outcome is. Left out, it is empty.
    pub fn url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    /// Any text as id. Left out, one is made.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }
}

/// What becomes of a run that starts.
#[derive(Clone, Debug)]
#[must_use = "hand it to `FakeArcGis::start_run`"]
pub struct Plan {
    end: End,
    polls: u32,
}

#[derive(Clone, Debug)]
enum End {
    Ended { status: &'static str, result: String },
    Never,
}

impl Plan {
    fn ends(status: &'static str, result: &str) -> Self {
        Self { end: End::Ended { status, result: result.to_owned() }, polls: 3 }
    }

    /// It ends with `succeeded`.
    pub fn succeeds() -> Self {
        Self::ends("succeeded", "All done.")
    }

    /// It ends with `failed`, and its result says why. Five such runs in a row turn the task off.
    pub fn fails(reason: &str) -> Self {
        Self::ends("failed", reason)
    }

    /// It ends with `skipped`.
    pub fn skipped(reason: &str) -> Self {
        Self::ends("skipped", reason)
    }

    /// It ends with `submitfailed`.
    pub fn submit_fails(reason: &str) -> Self {
        Self::ends("submitfailed", reason)
    }

    /// It goes on until it is [finished](FakeArcGis::finish), or updated by somebody.
    pub fn never_ends() -> Self {
        Self { end: End::Never, polls: 3 }
    }

    /// Which look at the run shows the end. Default 3: the first shows `scheduled`, the second `executing`. With 0 it
    /// has ended before it is looked at.
    pub fn after_polls(mut self, polls: u32) -> Self {
        self.polls = polls;
        self
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::succeeds()
    }
}

/// The API that a path belongs to, and what follows its root.
fn api_of(path: &str) -> Option<(Api, &str)> {
    let below = path.strip_prefix(FakeArcGis::CONTEXT)?;
    let roots = [
        ("/sharing/rest", Api::Sharing),
        ("/admin", Api::Admin),
        ("/portaladmin", Api::PortalAdmin),
    ];
    roots.into_iter().find_map(|(root, api)| {
        let rest = below.strip_prefix(root)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((api, rest))
    })
}

/// Parameters as sent, but for the token itself.
fn without_token(parameters: &str) -> String {
    let hidden = |pair| match str::strip_prefix(pair, "token=") {
        Some(token) if !token.is_empty() => "token=[removed]",
        _ => pair,
    };
    parameters.split('&').map(hidden).collect::<Vec<_>>().join("&")
}

impl Fake for State {
    type Answer = Answer;

    const BASE_PATH: &'static str = FakeArcGis::CONTEXT;
    const TOKEN_PATHS: &'static [&'static str] =
        &["/enterprise/sharing/rest/generateToken", "/enterprise/sharing/rest/oauth2/token"];

    fn desk(&mut self) -> &mut Desk<Answer> {
        &mut self.desk
    }

    fn usual(&self, status: u16) -> Answer {
        Answer::usual(status)
    }

    fn raw(status: u16, headers: Vec<(HeaderName, HeaderValue)>, body: &str) -> Answer {
        Answer::Raw { status, headers, body: body.to_owned() }
    }

    fn seen(request: &Request) -> SeenRequest {
        let path = request.url.path();
        let below = path.strip_prefix(Self::BASE_PATH).filter(|below| below.starts_with('/'));
        SeenRequest {
            method: request.method.to_string(),
            path: below.unwrap_or(path).to_owned(),
            query: without_token(request.url.query().unwrap_or_default()),
            body: without_token(&String::from_utf8_lossy(&request.body)),
        }
    }

    fn token(&mut self, request: &Request) -> Answer {
        let (_, rest) = api_of(request.url.path()).unwrap_or((Api::Sharing, ""));
        let call = Call::read(request, rest);
        self.token_request(&call).unwrap_or_else(|refusal| refusal)
    }

    fn serve(&mut self, request: &Request) -> Answer {
        let missing = match self.deployment {
            Deployment::Kubernetes => Api::PortalAdmin,
            Deployment::WindowsOrLinux => Api::Admin,
        };
        let found = api_of(request.url.path()).filter(|(api, _)| *api != missing);
        let Some((api, rest)) = found else { return Answer::nowhere() };
        let call = Call::read(request, rest);
        route(self, &call, api).unwrap_or_else(|refusal| refusal)
    }

    fn response(&mut self, request: &Request, answer: Answer) -> ResponseTemplate {
        let (api, rest) = api_of(request.url.path()).unwrap_or((Api::Sharing, ""));
        answer.into_response(api, &self.style, Call::read(request, rest).pretty())
    }
}
