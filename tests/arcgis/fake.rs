//! `FakeArcGis`, seen through plain HTTP calls.
#![cfg(feature = "arcgis")]
#![allow(clippy::disallowed_methods, reason = "the fake lives in real time")]

use chrono::{DateTime, FixedOffset, Utc};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use scheduled_runs::testing::arcgis::{AdminErrors, Deployment, FakeArcGis, TextDates};
use scheduled_runs::testing::{NewRun, Plan};
use serde_json::{Value, json};
use url::form_urlencoded;

const ADMIN: &str = FakeArcGis::USERNAME;
const COLLEAGUE: &str = "mara%20lind@hooli";
const CLEANER: &str = FakeArcGis::CLEANER;
const BACKUP: &str = FakeArcGis::BACKUP;
const NOTEBOOK: &str = FakeArcGis::NOTEBOOK;
const REPORT: &str = FakeArcGis::REPORT;
const HOURLY: [(&str, &str); 5] =
    [("minute", "0"), ("hour", "*"), ("dayOfMonth", "*"), ("month", "*"), ("dayOfWeek", "?")];
const ITEM: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";

type Fields<'a> = &'a [(&'a str, &'a str)];

struct Caller {
    fake: FakeArcGis,
    http: Client,
    token: String,
}

impl Caller {
    async fn new() -> Self {
        let fake = FakeArcGis::start().await;
        let token = fake.access_token();
        Self { fake, http: Client::builder().redirect(Policy::none()).build().unwrap(), token }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.fake.base_url())
    }

    /// A GET as the vendor advises: `f=json`, the token in its own header.
    fn ask(&self, path: &str) -> RequestBuilder {
        let sign = if path.contains('?') { '&' } else { '?' };
        let request = self.http.get(self.url(&format!("{path}{sign}f=json")));
        request.header("X-Esri-Authorization", format!("Bearer {}", self.token))
    }

    async fn get(&self, path: &str) -> Value {
        read(self.ask(path)).await
    }

    /// A POST as the vendor's samples have it: `f=json` and the token in the form.
    async fn post(&self, path: &str, fields: Fields<'_>) -> Value {
        let mut form = fields.to_vec();
        form.extend([("f", "json"), ("token", self.token.as_str())]);
        self.form(path, &form).await
    }

    /// A form with nothing added.
    async fn form(&self, path: &str, form: Fields<'_>) -> Value {
        read(self.http.post(self.url(path)).fields(form)).await
    }

    /// Asks for a user's token; the `Referer` it is bound to is `http://here`.
    async fn login(&self, username: &str, password: &str, more: Fields<'_>) -> Value {
        let mut form = vec![("username", username), ("password", password), ("f", "json")];
        form.extend([("client", "referer"), ("referer", "http://here")]);
        form.extend(more);
        self.form("/sharing/rest/generateToken", &form).await
    }

    /// Calls as the colleague from now on.
    async fn become_colleague(&mut self) {
        let form = [
            ("username", FakeArcGis::COLLEAGUE),
            ("password", FakeArcGis::PASSWORD),
            ("client", "requestip"),
            ("f", "json"),
        ];
        let answer = self.form("/sharing/rest/generateToken", &form).await;
        self.token = text(&answer["token"]);
    }

    async fn app_token(&self, more: Fields<'_>) -> Value {
        let mut form = vec![
            ("client_id", FakeArcGis::CLIENT_ID),
            ("client_secret", FakeArcGis::CLIENT_SECRET),
        ];
        form.extend([("f", "json")]);
        form.extend(more);
        self.form("/sharing/rest/oauth2/token", &form).await
    }

    async fn runs(&self, task: &str) -> Vec<Value> {
        let list = self.get(&format!("{}/runs", admin(task))).await;
        list["result"].as_array().unwrap().clone()
    }
}

/// A form as body.
trait Form {
    fn fields(self, fields: &[(&str, &str)]) -> Self;
}

impl Form for RequestBuilder {
    fn fields(self, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }
}

/// Every answer of the API is HTTP 200 with JSON.
async fn read(request: RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "content-type"), "application/json;charset=UTF-8");
    answer.json().await.unwrap()
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
}

fn admin(task: &str) -> String {
    format!("/admin/system/tasks/{task}")
}

fn tasks_of(user: &str) -> String {
    format!("/sharing/rest/community/users/{user}/tasks")
}

fn notebook() -> String {
    format!("{}/{NOTEBOOK}", tasks_of(ADMIN))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).to_owned()
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn column(list: &Value, key: &str, member: &str) -> Vec<String> {
    list[key].as_array().unwrap().iter().map(|item| text(&item[member])).collect()
}

/// The code of an error of the administrator API.
fn admin_code(body: &Value) -> u64 {
    assert_eq!(names(body), ["code", "messages", "status"], "{body}");
    assert_eq!(body["status"], "error");
    assert!(body["messages"][0].is_string());
    body["code"].as_u64().unwrap()
}

/// The code of an error of the Sharing API.
fn code(body: &Value) -> u64 {
    assert_eq!(names(body), ["error"], "{body}");
    let error = &body["error"];
    assert!(error["message"].is_string() && error["details"].is_array());
    assert_eq!(error.get("messageCode").is_some(), error["code"] == 403);
    error["code"].as_u64().unwrap()
}

/// Fields with others added or, as `-`, taken away.
fn with<'a>(fields: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all: Vec<_> = fields.to_vec();
    all.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    all.extend(more.iter().filter(|(_, value)| *value != "-"));
    all
}

#[tokio::test]
async fn a_token_is_needed_and_each_api_says_so_in_its_own_words() {
    for (path, code) in [(admin(CLEANER), admin_code as fn(&Value) -> u64), (notebook(), code)] {
        let caller = Caller::new().await;
        let url = caller.url(&format!("{path}?f=json"));
        assert_eq!(code(&read(caller.http.get(&url)).await), 499);
        let basic = caller.http.get(&url).basic_auth("hooli", Some("x"));
        assert_eq!(code(&read(basic).await), 499);
        for header in ["X-Esri-Authorization", "Authorization"] {
            let wrong = caller.http.get(&url).header(header, "Bearer nonsense");
            assert_eq!(code(&read(wrong).await), 498);
            let right = caller.http.get(&url).header(header, format!("Bearer {}", caller.token));
            assert!(read(right).await["taskState"].is_string());
        }
        let two = caller.ask(&path).bearer_auth("another");
        assert_eq!(code(&read(two).await), 498);
        let in_url = || caller.http.get(format!("{url}&token={}", caller.token));
        assert!(read(in_url()).await["taskState"].is_string());
        let seen = caller.fake.requests().pop().unwrap();
        assert!(seen.query.ends_with("&token=[removed]"), "{}", seen.query);
        caller.fake.strict(true);
        assert_eq!(code(&read(in_url()).await), 400);
        caller.fake.expire_tokens();
        assert_eq!(code(&caller.get(&path).await), 498);
    }
}

#[tokio::test]
async fn admin_may_talk_like_the_rest_of_the_portal_and_use_true_statuses() {
    let caller = Caller::new().await;
    let url = caller.url(&format!("{}?f=json", admin(CLEANER)));
    caller.fake.admin_errors(AdminErrors::Object);
    assert_eq!(code(&read(caller.http.get(&url)).await), 499);
    caller.fake.true_statuses(true);
    let answer = caller.http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 499);
    assert_eq!(code(&answer.json().await.unwrap()), 499);
}

#[tokio::test]
async fn a_post_to_admin_needs_its_token_in_the_form_if_the_fake_is_strict() {
    let caller = Caller::new().await;
    let path = format!("{}/disable", admin(CLEANER));
    let post = || {
        let request = caller.http.post(caller.url(&path)).fields(&[("f", "json")]);
        request.header("X-Esri-Authorization", format!("Bearer {}", caller.token))
    };
    assert_eq!(read(post()).await, json!({ "status": "success" }));
    assert_eq!(caller.get(&admin(CLEANER)).await["active"], false);
    caller.post(&format!("{}/enable", admin(CLEANER)), &[]).await;
    caller.fake.strict(true);
    assert_eq!(admin_code(&read(post()).await), 499);
    assert_eq!(caller.get(&admin(CLEANER)).await["active"], true);
    assert_eq!(caller.post(&path, &[]).await, json!({ "status": "success" }));
    let both = [("f", "json"), ("token", caller.token.as_str())];
    assert_eq!(read(post().fields(&both)).await, json!({ "status": "success" }));
    let other = [("f", "json"), ("token", "another")];
    assert_eq!(admin_code(&read(post().fields(&other)).await), 498);
    // Users' tasks take it in either place.
    let path = format!("{}/disable", notebook());
    let answer = caller.http.post(caller.url(&path)).fields(&[("f", "json")]);
    assert_eq!(read(answer.bearer_auth(&caller.token)).await["success"], true);
    assert_eq!(caller.post(&path, &[]).await["success"], true);
}

#[tokio::test]
async fn a_token_works_with_the_referer_it_was_made_with_only() {
    let caller = Caller::new().await;
    let before = Utc::now().timestamp_millis();
    let answer = caller.login(ADMIN, FakeArcGis::PASSWORD, &[("expiration", "30")]).await;
    assert_eq!(names(&answer), ["expires", "ssl", "token"]);
    let lasts = answer["expires"].as_i64().unwrap() - before;
    assert!((1_800_000..1_860_000).contains(&lasts), "{lasts}");
    let token = text(&answer["token"]);
    let ask = |referer: Option<&str>| {
        let request = caller.http.get(caller.url(&format!("{}?f=json", notebook())));
        let request = request.bearer_auth(&token);
        referer.into_iter().fold(request, |request, referer| request.header("Referer", referer))
    };
    assert_eq!(code(&read(ask(None)).await), 498);
    assert_eq!(code(&read(ask(Some("http://there"))).await), 498);
    assert_eq!(read(ask(Some("http://here"))).await["id"], NOTEBOOK);
    caller.fake.expires_as_text(true);
    let answer = caller.login(ADMIN, FakeArcGis::PASSWORD, &[]).await;
    assert!(text(&answer["expires"]).parse::<i64>().is_ok());
    assert_eq!(caller.fake.token_requests(), 2);
    assert_eq!(caller.fake.requests().len(), 3, "requests for tokens are not among them");
}

#[tokio::test]
async fn wrong_logins_are_refused_inside_http_200() {
    let caller = Caller::new().await;
    let right = FakeArcGis::PASSWORD;
    for (user, password, more) in [
        (ADMIN, "wrong", &[][..]),
        ("HOOLI.ADMIN", right, &[]),
        (ADMIN, right, &[("expiration", "0")]),
        (ADMIN, right, &[("expiration", "1h")]),
        (ADMIN, right, &[("colour", "blue")]),
        (ADMIN, right, &[("client", "ip")]),
    ] {
        assert_eq!(code(&caller.login(user, password, more).await), 400, "{user} {more:?}");
    }
    let base = [("username", ADMIN), ("password", right), ("f", "json")];
    for (more, works) in [
        (&[][..], false),
        (&[("client", "referer")], false),
        (&[("client", "referrer"), ("referer", "x")], false),
        (&[("client", "ip")], false),
        (&[("client", "ip"), ("ip", "127.0.0.1")], true),
        (&[("client", "requestip")], true),
        (&[("client", "referer"), ("referer", "x"), ("ip", "")], true),
    ] {
        let answer = caller.form("/sharing/rest/generateToken", &with(&base, more)).await;
        assert_eq!(answer["token"].is_string(), works, "{more:?}: {answer}");
    }
    let url = caller.url("/sharing/rest/generateToken");
    let get = caller.http.get(format!("{url}?f=json&username={ADMIN}"));
    assert_eq!(code(&read(get).await), 405);
    let json = caller.http.post(&url).json(&json!({ "f": "json" }));
    assert_eq!(code(&read(json).await), 400);
    let form = caller.http.post(format!("{url}?f=json")).fields(&[("username", ADMIN)]);
    assert_eq!(code(&read(form).await), 400);
}

#[tokio::test]
async fn a_token_bound_to_another_address_never_works() {
    let mut caller = Caller::new().await;
    let form = [
        ("username", ADMIN),
        ("password", FakeArcGis::PASSWORD),
        ("client", "ip"),
        ("ip", "192.0.2.7"),
        ("f", "json"),
    ];
    let answer = caller.form("/sharing/rest/generateToken", &form).await;
    caller.token = text(&answer["token"]);
    assert_eq!(code(&caller.get(&notebook()).await), 498);
}

#[tokio::test]
async fn an_app_has_its_owners_tasks_but_is_no_administrator() {
    let mut caller = Caller::new().await;
    let grant = ("grant_type", "client_credentials");
    let answer = caller.app_token(&[grant, ("expiration", "99999999")]).await;
    assert_eq!(names(&answer), ["access_token", "expires_in", "ssl"]);
    assert_eq!(answer["expires_in"], 20_160 * 60, "more is cut");
    caller.token = text(&answer["access_token"]);
    assert_eq!(caller.get(&notebook()).await["userId"], ADMIN);
    assert_eq!(admin_code(&caller.get(&admin(CLEANER)).await), 403);
    assert_eq!(code(&caller.get(&tasks_of(COLLEAGUE)).await), 403);
    assert_eq!(code(&caller.get("/sharing/rest/portals/self/allScheduledTasks").await), 403);
    caller.fake.admin_errors(AdminErrors::Object);
    let refused = caller.get(&admin(CLEANER)).await;
    assert_eq!(refused["error"]["messageCode"], "GWM_0003");

    for (more, name) in [
        (&[][..], "unsupported_grant_type"),
        (&[("grant_type", "password")], "unsupported_grant_type"),
    ] {
        let error = caller.app_token(more).await;
        let expected = ["code", "details", "error", "error_description", "message"];
        assert_eq!(names(&error["error"]), expected);
        assert_eq!(
            (&error["error"]["code"], &error["error"]["error"]),
            (&json!(400), &json!(name))
        );
    }
    for (id, secret, name) in [
        ("x", FakeArcGis::CLIENT_SECRET, "invalid_client_id"),
        (FakeArcGis::CLIENT_ID, "x", "invalid_client_secret"),
    ] {
        let form = [("client_id", id), ("client_secret", secret), grant, ("f", "json")];
        let error = caller.form("/sharing/rest/oauth2/token", &form).await;
        assert_eq!(error["error"]["error"], name);
    }
    assert_eq!(caller.fake.token_requests(), 5);
}

#[tokio::test]
async fn a_user_has_only_tasks_of_her_own() {
    let mut caller = Caller::new().await;
    assert_eq!(caller.get(&tasks_of(COLLEAGUE)).await["total"], 1, "administrators see all");
    assert_eq!(code(&caller.get(&tasks_of("nobody")).await), 404);
    caller.become_colleague().await;
    let list = caller.get(&tasks_of(COLLEAGUE)).await;
    assert_eq!(column(&list, "tasks", "id"), [FakeArcGis::SCENE]);
    assert_eq!(code(&caller.get(&tasks_of(ADMIN)).await), 403);
    assert_eq!(admin_code(&caller.get("/admin/system/tasks").await), 403);
    assert_eq!(code(&caller.get("/sharing/rest/portals/self/allScheduledTasks").await), 403);
    let path = format!("{}/{NOTEBOOK}", tasks_of(COLLEAGUE));
    assert_eq!(code(&caller.get(&path).await), 404);
    assert_eq!(code(&caller.post(&format!("{path}/delete"), &[]).await), 404);
}

#[tokio::test]
async fn without_f_there_is_a_page_for_people_and_nothing_is_done() {
    let caller = Caller::new().await;
    let token = [("token", caller.token.as_str())];
    for query in ["", "?f=html", "?f=xml"] {
        let url = caller.url(&format!("{}{query}", admin(CLEANER)));
        let answer = caller.http.get(url).bearer_auth(&caller.token).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(header(&answer, "content-type").starts_with("text/html"));
        assert!(answer.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    }
    for path in [format!("{}/delete", admin(CLEANER)), "/sharing/rest/generateToken".to_owned()] {
        let answer = caller.http.post(caller.url(&path)).fields(&token).send().await.unwrap();
        assert!(header(&answer, "content-type").starts_with("text/html"), "{path}");
    }
    assert_eq!(caller.get(&admin(CLEANER)).await["taskId"], CLEANER);
    let url = caller.url(&format!("{}?f=pjson", admin(CLEANER)));
    let answer = caller.http.get(url).bearer_auth(&caller.token).send().await.unwrap();
    assert!(answer.text().await.unwrap().contains("\n  \"active\": true"));
}

#[tokio::test]
async fn parameters_have_one_place_and_no_strangers() {
    let caller = Caller::new().await;
    let task = admin(CLEANER);
    for path in [
        format!("{task}?colour=blue"),
        format!("{task}/runs?num=1&num=2"),
        format!("{task}/runs?num=0"),
        format!("{task}/runs?start=-1"),
        format!("{task}/runs?start=first"),
        "/admin/system/tasks?active=true".to_owned(),
        "/admin/system?num=1".to_owned(),
    ] {
        assert_eq!(admin_code(&caller.get(&path).await), 400, "{path}");
    }
    for path in [
        format!("{}?start=0", tasks_of(ADMIN)),
        format!("{}?active=yes", tasks_of(ADMIN)),
        format!("{}?userFilter=x", tasks_of(ADMIN)),
        format!("{}/runs?start=0", notebook()),
    ] {
        assert_eq!(code(&caller.get(&path).await), 400, "{path}");
    }
    let url = caller.url(&format!("{task}/disable"));
    let token = caller.token.as_str();
    let form = [("f", "json"), ("token", token)];
    let query = caller.http.post(format!("{url}?f=json")).fields(&form);
    assert_eq!(admin_code(&read(query).await), 400);
    let json = caller.http.post(&url).json(&json!({ "f": "json", "token": token }));
    assert_eq!(admin_code(&read(json).await), 400);
    let extra = [("f", "json"), ("token", token), ("why", "tired")];
    assert_eq!(admin_code(&read(caller.http.post(&url).fields(&extra)).await), 400);
    let twice = [("f", "json"), ("token", token), ("token", token)];
    assert_eq!(admin_code(&read(caller.http.post(&url).fields(&twice)).await), 400);
    assert_eq!(admin_code(&read(caller.ask(&task).body("f=json")).await), 400);
    assert_eq!(caller.get(&task).await["active"], true);
    let charset = caller.http.post(&url).body(format!("f=json&token={token}"));
    let charset =
        charset.header("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
    assert_eq!(read(charset).await["status"], "success");
}

#[tokio::test]
async fn what_is_not_there_is_404_inside_200_below_the_apis_and_a_real_one_elsewhere() {
    let caller = Caller::new().await;
    for path in [
        "/admin/security",
        "/admin/system/none",
        "/admin/system/tasks/none",
        "/admin/system/tasks/none/runs",
    ] {
        assert_eq!(admin_code(&caller.get(path).await), 404, "{path}");
    }
    assert_eq!(admin_code(&caller.get(&format!("{}/runs/none", admin(CLEANER))).await), 404);
    assert_eq!(admin_code(&caller.get(&admin(NOTEBOOK)).await), 404, "of the other API");
    assert_eq!(admin_code(&caller.get(&format!("{}/enable", admin(CLEANER))).await), 404);
    assert_eq!(code(&caller.get("/sharing/rest/community").await), 404);
    assert_eq!(code(&caller.get(&format!("{}/none", tasks_of(ADMIN))).await), 404);
    for path in ["", "/portaladmin/system", "/adminx", "/sharing/restx", "/home"] {
        let answer = caller.ask(path).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert!(header(&answer, "content-type").starts_with("text/html"));
    }
}

#[tokio::test]
async fn portals_on_windows_or_linux_have_no_tasks_of_administrators() {
    let caller = Caller::new().await;
    let portal = caller.get("/sharing/rest/portals/self").await;
    assert_eq!(portal["portalDeploymentType"], "ArcGISEnterpriseOnKubernetes");
    caller.fake.deployment(Deployment::WindowsOrLinux);
    let portal = caller.get("/sharing/rest/portals/self").await;
    assert_eq!(portal["portalDeploymentType"], "ArcGISEnterprise");
    assert_eq!((&portal["isPortal"], &portal["user"]["role"]), (&json!(true), &json!("org_admin")));
    assert_eq!(caller.ask("/admin/system/tasks").send().await.unwrap().status(), 404);
    let system = caller.get("/portaladmin/system").await;
    assert_eq!(system, json!({ "resources": ["limits", "properties"] }));
    assert_eq!(admin_code(&caller.get("/portaladmin/system/tasks").await), 404);
    // About tokens it talks like the rest of the portal.
    let url = caller.url("/portaladmin/system?f=json");
    assert_eq!(code(&read(caller.http.get(&url)).await), 499);
    assert_eq!(code(&read(caller.http.get(&url).bearer_auth("wrong")).await), 498);
    assert_eq!(caller.get(&notebook()).await["id"], NOTEBOOK);
}

#[tokio::test]
async fn what_a_portal_is_may_be_asked_without_a_token() {
    let caller = Caller::new().await;
    let url = caller.url("/sharing/rest/info?f=json");
    let info = read(caller.http.get(url)).await;
    assert_eq!(names(&info), ["authInfo", "owningSystemUrl"]);
    assert_eq!(info["owningSystemUrl"], caller.fake.base_url());
    assert_eq!(info["authInfo"]["isTokenBasedSecurity"], true);
    let place = text(&info["authInfo"]["tokenServicesUrl"]);
    assert_eq!(place, caller.url("/sharing/rest/generateToken"));
    let url = caller.url(&format!("/sharing/rest/portals/{}?f=json", FakeArcGis::ORG_ID));
    let portal = read(caller.http.get(&url)).await;
    assert!(portal.get("user").is_none());
    assert_eq!(code(&read(caller.http.get(&url).bearer_auth("wrong")).await), 498);
    let path = "/sharing/rest/portals/self";
    assert_eq!(caller.form(path, &[("f", "json")]).await, portal);
    assert_eq!(code(&caller.form(path, &[("f", "json"), ("token", "wrong")]).await), 498);
    assert_eq!(caller.post(path, &[]).await["user"]["username"], ADMIN);
}

#[tokio::test]
async fn administrators_tasks_have_the_documented_members() {
    let caller = Caller::new().await;
    let list = caller.get("/admin/system/tasks").await;
    assert_eq!(names(&list), ["nextStart", "num", "result", "start", "total"]);
    let expected = [CLEANER, BACKUP, FakeArcGis::RETENTION];
    assert_eq!(column(&list, "result", "id"), expected);
    let kinds = ["CleanGPJobs", "CreateBackup", "BackupRetentionCleaner"];
    assert_eq!(column(&list, "result", "taskType"), kinds);
    let task = caller.get(&admin(CLEANER)).await;
    assert_eq!(task, list["result"][0]);
    assert_eq!(
        names(&task),
        [
            "active",
            "created",
            "cronExpression",
            "cronSchedule",
            "generation",
            "id",
            "itemId",
            "lastStart",
            "maxOccurrences",
            "orgId",
            "ownerId",
            "runIntervalSeconds",
            "taskId",
            "taskState",
            "taskTitle",
            "taskType",
            "type",
            "updated",
        ]
    );
    assert_eq!(
        (&task["type"], &task["taskId"]),
        (&json!("GP_JOBS_CLEANER_TASK_TYPE"), &task["id"])
    );
    assert_eq!(
        (&task["cronExpression"], &task["maxOccurrences"]),
        (&json!("0 0 * * * ?"), &json!(-1))
    );
    assert_eq!(task["runIntervalSeconds"], 3600);
    let schedule =
        json!({ "minute": "0", "hour": "*", "dayOfMonth": "*", "month": "*", "dayOfWeek": "?" });
    assert_eq!(task["cronSchedule"], schedule);
    let backup = &list["result"][1];
    assert!(backup.get("itemId").is_none());
    assert_eq!(backup["parameters"]["passcode"], FakeArcGis::PASSCODE);
    assert_eq!(backup["parameters"]["itemId"], "");
    assert_eq!(backup["runIntervalSeconds"], 604_800);
    let retention = &list["result"][2];
    assert_eq!((&retention["active"], &retention["taskState"]), (&json!(false), &json!("paused")));
    assert!(retention.get("lastStart").is_none());
    assert_eq!(retention["runIntervalSeconds"], 86_400);
}

#[tokio::test]
async fn users_tasks_have_other_names_for_the_same() {
    let caller = Caller::new().await;
    let list = caller.get(&tasks_of(ADMIN)).await;
    let counters = ["activeTasksAvailable", "nextStart", "num", "start", "tasks", "total"];
    assert_eq!(names(&list), counters);
    assert_eq!(list["activeTasksAvailable"], 18);
    let task = caller.get(&notebook()).await;
    assert_eq!(task, list["tasks"][0]);
    assert_eq!(
        names(&task),
        [
            "active",
            "created",
            "cronSchedule",
            "id",
            "itemId",
            "lastStart",
            "maxOccurrences",
            "nextStart",
            "parameters",
            "runIntervalSeconds",
            "taskState",
            "title",
            "type",
            "updated",
            "userId",
        ]
    );
    assert_eq!((&task["type"], &task["userId"]), (&json!("ExecuteNotebook"), &json!(ADMIN)));
    assert!(task["parameters"]["notebookParameters"].is_string());
    let next = task["nextStart"].as_i64().unwrap();
    assert_eq!(next - task["lastStart"].as_i64().unwrap(), 86_400_000);
    let done = &list["tasks"][2];
    assert_eq!((&done["taskState"], &done["active"]), (&json!("completed"), &json!(false)));
    assert_eq!(done["maxOccurrences"], 1);
    assert!(done.get("nextStart").is_none());
}

#[tokio::test]
async fn runs_have_no_id_but_a_task_and_a_status_that_looks_like_an_error() {
    let caller = Caller::new().await;
    let list = caller.get(&format!("{}/runs", admin(CLEANER))).await;
    assert_eq!(names(&list), ["nextStart", "num", "result", "start", "total"]);
    let statuses = ["succeeded", "succeeded", "skipped", "failed", "succeeded", "succeeded"];
    assert_eq!(column(&list, "result", "status"), statuses, "the latest is first");
    let failed = &list["result"][3];
    let members = ["created", "modified", "result", "runId", "status", "task", "url"];
    assert_eq!(names(failed), members);
    assert_eq!((&failed["url"], &failed["task"]["taskId"]), (&json!(""), &json!(CLEANER)));
    assert_eq!(failed["result"], "The job store did not answer.");
    let path = format!("{}/runs/{}", admin(CLEANER), text(&failed["runId"]));
    assert_eq!(&caller.get(&path).await, failed);

    let list = caller.get(&format!("{}/runs", notebook())).await;
    assert_eq!(names(&list), ["runs"]);
    let statuses = ["succeeded", "failed", "succeeded", "succeeded", "succeeded"];
    assert_eq!(column(&list, "runs", "status"), statuses);
    let failed = &list["runs"][1];
    assert_eq!((names(failed), &failed["task"]["id"]), (members.to_vec(), &json!(NOTEBOOK)));
    let path = format!("{}/runs/{}", notebook(), text(&failed["runId"]));
    assert_eq!(&caller.get(&path).await, failed);
    let run = caller.fake.add_run(NOTEBOOK, NewRun::new("succeeded").url("https://x/y").id("a b"));
    assert_eq!(run, "a b");
    assert_eq!(caller.get(&format!("{}/runs/a%20b", notebook())).await["url"], "https://x/y");
}

#[tokio::test]
async fn lists_of_users_tasks_start_with_1_and_end_with_minus_1() {
    let caller = Caller::new().await;
    for index in 0..9 {
        caller.fake.add_task(ADMIN, &format!("Extra {index}"));
    }
    let path = tasks_of(ADMIN);
    let counters = |list: &Value| {
        ["total", "start", "num", "nextStart"].map(|name| list[name].as_i64().unwrap())
    };
    let first = caller.get(&path).await;
    assert_eq!(counters(&first), [12, 1, 10, 11], "ten, if nobody asks for more");
    let second = caller.get(&format!("{path}?start=11")).await;
    assert_eq!(counters(&second), [12, 11, 2, -1]);
    assert_eq!(column(&second, "tasks", "title"), ["Extra 7", "Extra 8"]);
    assert_eq!(counters(&caller.get(&format!("{path}?num=5")).await), [12, 1, 5, 6]);
    assert_eq!(counters(&caller.get(&format!("{path}?num=100")).await), [12, 1, 12, -1]);
    assert_eq!(counters(&caller.get(&format!("{path}?start=99")).await), [12, 99, 0, -1]);
    caller.fake.page_limit(4);
    assert_eq!(counters(&caller.get(&format!("{path}?num=100")).await), [12, 1, 4, 5]);
    let all = caller.get("/sharing/rest/portals/self/allScheduledTasks?start=13").await;
    assert_eq!(counters(&all), [13, 13, 1, -1]);
    assert_eq!(names(&all), ["nextStart", "num", "start", "tasks", "total"]);
}

#[tokio::test]
async fn lists_of_the_administrator_api_start_and_end_with_0() {
    let caller = Caller::new().await;
    let path = format!("{}/runs", admin(CLEANER));
    let counters = |list: &Value| {
        ["total", "start", "num", "nextStart"].map(|name| list[name].as_i64().unwrap())
    };
    assert_eq!(counters(&caller.get(&path).await), [6, 0, 6, 0]);
    assert_eq!(counters(&caller.get(&format!("{path}?num=4")).await), [6, 0, 4, 4]);
    let rest = caller.get(&format!("{path}?start=4&num=4")).await;
    assert_eq!(counters(&rest), [6, 4, 2, 0]);
    assert_eq!(column(&rest, "result", "status"), ["succeeded", "succeeded"]);
    assert_eq!(counters(&caller.get(&format!("{path}?start=6")).await), [6, 6, 0, 0]);
    caller.fake.page_limit(2);
    assert_eq!(counters(&caller.get("/admin/system/tasks").await), [3, 0, 2, 2]);
    caller.fake.admin_pages(false);
    assert_eq!(counters(&caller.get(&format!("{path}?start=4&num=1")).await), [6, 0, 6, 0]);
    assert_eq!(admin_code(&caller.get(&format!("{path}?num=x")).await), 400);
}

#[tokio::test]
async fn runs_of_users_tasks_come_in_pages_if_told_so() {
    let caller = Caller::new().await;
    let path = format!("{}/runs", notebook());
    let whole = caller.get(&path).await;
    assert_eq!(caller.get(&format!("{path}?start=3&num=1")).await, whole);
    caller.fake.user_runs_in_pages(true);
    let list = caller.get(&format!("{path}?num=3")).await;
    assert_eq!(names(&list), ["nextStart", "num", "runs", "start", "total"]);
    assert_eq!((&list["nextStart"], &list["start"]), (&json!(4), &json!(1)));
    let list = caller.get(&format!("{path}?num=3&start=4")).await;
    assert_eq!((&list["nextStart"], &list["num"]), (&json!(-1), &json!(2)));
}

#[tokio::test]
async fn users_tasks_are_filtered_by_item_state_kind_and_owner() {
    let caller = Caller::new().await;
    let item = text(&caller.get(&notebook()).await["itemId"]);
    let all = "/sharing/rest/portals/self/allScheduledTasks";
    for (path, query, expected) in [
        (tasks_of(ADMIN), "active=true", vec![NOTEBOOK, REPORT]),
        (tasks_of(ADMIN), "active=false", vec![FakeArcGis::INSIGHTS]),
        (tasks_of(ADMIN), "types=ExecuteReport", vec![REPORT]),
        (tasks_of(ADMIN), "types=ExecuteReport,ExecuteNotebook", vec![NOTEBOOK, REPORT]),
        (tasks_of(ADMIN), &format!("itemId={item}"), vec![NOTEBOOK]),
        (tasks_of(ADMIN), &format!("itemId={item}&active=false"), vec![]),
        (all.to_owned(), "userFilter=mara+lind@hooli", vec![FakeArcGis::SCENE]),
        (all.to_owned(), "active=true", vec![NOTEBOOK, REPORT, FakeArcGis::SCENE]),
    ] {
        let list = caller.get(&format!("{path}?{query}")).await;
        assert_eq!(column(&list, "tasks", "id"), expected, "{query}");
    }
    let path = format!("/sharing/rest/portals/{}/allScheduledTasks", FakeArcGis::ORG_ID);
    let list = caller.post(&path, &[("types", "ExecuteSceneCook"), ("num", "5")]).await;
    assert_eq!(column(&list, "tasks", "userId"), [FakeArcGis::COLLEAGUE]);
}

#[tokio::test]
async fn a_run_moves_on_as_it_is_looked_at() {
    let caller = Caller::new().await;
    for (task, path) in [(CLEANER, admin(CLEANER)), (NOTEBOOK, notebook())] {
        let run = caller.fake.start_run(task, Plan::succeeds());
        let own = format!("{path}/runs/{run}");
        assert_eq!(caller.get(&own).await["status"], "scheduled");
        caller.fake.hold();
        assert_eq!(caller.get(&own).await["status"], "scheduled");
        caller.fake.release();
        let key = if task == CLEANER { "result" } else { "runs" };
        let list = caller.get(&format!("{path}/runs")).await;
        assert_eq!(list[key][0]["status"], "executing", "a list is a look");
        let ended = caller.get(&own).await;
        assert_eq!(
            (&ended["status"], &ended["result"]),
            (&json!("succeeded"), &json!("All done."))
        );
        assert!(ended["modified"].as_i64() > ended["created"].as_i64());
        assert_eq!(ended["task"]["lastStart"], ended["created"]);
        assert_eq!(caller.get(&own).await, ended);
    }
    for (plan, status, result) in [
        (Plan::fails("no licence"), "failed", "no licence"),
        (Plan::skipped().reason("busy"), "skipped", "busy"),
        (Plan::submit_fails("no machine"), "submitfailed", "no machine"),
    ] {
        let run = caller.fake.start_run(CLEANER, plan.takes(0));
        let run = caller.get(&format!("{}/runs/{run}", admin(CLEANER))).await;
        assert_eq!((&run["status"], &run["result"]), (&json!(status), &json!(result)));
    }
    let run = caller.fake.start_run(CLEANER, Plan::never_ends());
    let path = format!("{}/runs/{run}", admin(CLEANER));
    for status in ["scheduled", "executing", "executing", "executing", "executing"] {
        assert_eq!(caller.get(&path).await["status"], status);
    }
    caller.fake.finish_with(&run, "failed", "stopped");
    assert_eq!(caller.get(&path).await["result"], "stopped");
}

#[tokio::test]
async fn five_failures_in_a_row_turn_a_task_off() {
    let caller = Caller::new().await;
    let fail = || caller.fake.start_run(NOTEBOOK, Plan::fails("no data").takes(0));
    for _ in 0..4 {
        fail();
    }
    caller.fake.start_run(NOTEBOOK, Plan::succeeds().takes(0));
    for _ in 0..4 {
        fail();
    }
    caller.fake.start_run(NOTEBOOK, Plan::skipped().reason("busy").takes(0));
    assert_eq!(caller.get(&notebook()).await["active"], true);
    fail();
    let task = caller.get(&notebook()).await;
    assert_eq!((&task["active"], &task["taskState"]), (&json!(false), &json!("failed")));
    assert_eq!(task["taskState"], FakeArcGis::TURNED_OFF);
    assert_eq!(caller.post(&format!("{}/enable", notebook()), &[]).await["success"], true);
    fail();
    assert_eq!(caller.get(&notebook()).await["taskState"], "active", "it counts anew");
    let limit = [("properties", r#"[{"limitName":"FailedRunsToDisableTask","numLimit":2}]"#)];
    let fields = with(&limit, &[("category", "ScheduleTask")]);
    assert_eq!(caller.post("/admin/system/limits/update", &fields).await["status"], "success");
    fail();
    assert_eq!(caller.get(&notebook()).await["active"], false);
}

#[tokio::test]
async fn the_last_occurrence_completes_a_task() {
    let caller = Caller::new().await;
    let fields = [("type", "ExecuteNotebook"), ("maxOccurrences", "2")];
    assert_eq!(caller.post(&format!("{}/update", notebook()), &fields).await["success"], true);
    caller.fake.start_run(NOTEBOOK, Plan::succeeds());
    assert_eq!(caller.get(&notebook()).await["taskState"], "active");
    let run = caller.fake.start_run(NOTEBOOK, Plan::succeeds().takes(1));
    let task = caller.get(&notebook()).await;
    assert_eq!((&task["active"], &task["taskState"]), (&json!(false), &json!("completed")));
    let run = caller.get(&format!("{}/runs/{run}", notebook())).await;
    assert_eq!(run["status"], "succeeded", "its runs go on");
}

#[tokio::test]
async fn of_a_users_task_the_latest_30_runs_are_kept() {
    let caller = Caller::new().await;
    for task in [NOTEBOOK, CLEANER] {
        for _ in 0..40 {
            caller.fake.start_run(task, Plan::succeeds().takes(0));
        }
    }
    let list = caller.get(&format!("{}/runs", notebook())).await;
    assert_eq!(list["runs"].as_array().unwrap().len(), 30);
    assert!(!column(&list, "runs", "status").contains(&"failed".to_owned()));
    assert_eq!(caller.runs(CLEANER).await.len(), 46);
}

#[tokio::test]
async fn tasks_are_turned_off_and_on_and_deleted_with_their_runs() {
    let caller = Caller::new().await;
    let generation = caller.get(&admin(CLEANER)).await["generation"].as_u64().unwrap();
    for (step, (verb, active, state)) in
        (1..).zip([("disable", false, "paused"), ("enable", true, "active")])
    {
        let path = format!("{}/{verb}", admin(CLEANER));
        assert_eq!(caller.post(&path, &[]).await, json!({ "status": "success" }));
        let task = caller.get(&admin(CLEANER)).await;
        assert_eq!((&task["active"], &task["taskState"]), (&json!(active), &json!(state)));
        assert_eq!(task["generation"], generation + step);
        let path = format!("{}/{verb}", notebook());
        let done = json!({ "success": true, "taskId": NOTEBOOK });
        assert_eq!(caller.post(&path, &[]).await, done);
        assert_eq!(caller.get(&notebook()).await["taskState"], state);
    }
    let done = json!({ "status": "success" });
    assert_eq!(caller.post(&format!("{}/delete", admin(CLEANER)), &[]).await, done);
    assert_eq!(admin_code(&caller.get(&admin(CLEANER)).await), 404);
    assert_eq!(admin_code(&caller.get(&format!("{}/runs", admin(CLEANER))).await), 404);
    assert_eq!(admin_code(&caller.post(&format!("{}/delete", admin(CLEANER)), &[]).await), 404);
    let done = json!({ "success": true, "taskId": NOTEBOOK });
    assert_eq!(caller.post(&format!("{}/delete", notebook()), &[]).await, done);
    assert_eq!(caller.get(&tasks_of(ADMIN)).await["total"], 2);
}

#[tokio::test]
async fn runs_are_updated_and_deleted() {
    let caller = Caller::new().await;
    let run = caller.fake.start_run(CLEANER, Plan::succeeds().takes(2));
    let path = format!("{}/runs/{run}", admin(CLEANER));
    let fields = [("status", "executing"), ("result", "half way")];
    let done = json!({ "status": "success" });
    assert_eq!(caller.post(&format!("{path}/update"), &fields).await, done);
    for _ in 0..3 {
        let run = caller.get(&path).await;
        assert_eq!((&run["status"], &run["result"]), (&json!("executing"), &json!("half way")));
    }
    assert_eq!(caller.post(&format!("{path}/update"), &[("status", "failed")]).await, done);
    assert_eq!(caller.get(&path).await["result"], "half way", "left alone if not named");
    for fields in [
        &[("result", "x")][..],
        &[("status", "cancelled")],
        &[("status", "failed"), ("message", "x")],
    ] {
        assert_eq!(admin_code(&caller.post(&format!("{path}/update"), fields).await), 400);
    }
    assert_eq!(caller.post(&format!("{path}/delete"), &[]).await, done);
    assert_eq!(admin_code(&caller.post(&format!("{path}/delete"), &[]).await), 404);
    assert_eq!(caller.runs(CLEANER).await.len(), 6);

    let run = caller.fake.start_run(NOTEBOOK, Plan::succeeds());
    let path = format!("{}/runs/{run}", notebook());
    let done = json!({ "success": true, "taskId": NOTEBOOK, "runId": run });
    let fields = [("status", "skipped"), ("result", "")];
    assert_eq!(caller.post(&format!("{path}/update"), &fields).await, done);
    assert_eq!(caller.get(&path).await["status"], "skipped");
    assert_eq!(caller.post(&format!("{path}/delete"), &[]).await, done);
    assert_eq!(code(&caller.get(&path).await), 404);
}

#[tokio::test]
async fn only_backups_are_created_by_administrators() {
    let caller = Caller::new().await;
    let path = "/admin/system/tasks/createTask";
    let parameters = r#"{"name":"n","storeName":"s","passcode":"12345678","description":"d"}"#;
    let good = with(&HOURLY, &[("type", "CreateBackup"), ("parameters", parameters)]);
    let made = caller.post(path, &good).await;
    assert_eq!(names(&made), ["status", "taskId"]);
    let task = caller.get(&admin(&text(&made["taskId"]))).await;
    assert_eq!((&task["taskState"], &task["generation"]), (&json!("active"), &json!(1)));
    assert_eq!(task["parameters"], serde_json::from_str::<Value>(parameters).unwrap());
    assert!(task.get("taskTitle").is_none() && task.get("lastStart").is_none());
    assert_eq!(task["type"], "CREATE_BACKUP_TASK_TYPE");

    let full = r#"{"name":"n","storeName":"s","passcode":"12345678","itemId":"","retentionOffset":86400000,
        "metaData":{"recurring":true,"startTime":"04:00","retention":{"type":"day","value":1}}}"#;
    let more = [
        ("parameters", full),
        ("title", "Full"),
        ("startDate", "1790000000000"),
        ("endDate", "1795000000000"),
        ("maxOccurrences", "3"),
    ];
    caller.fake.created_id_told(false);
    assert_eq!(caller.post(path, &with(&good, &more)).await, json!({ "status": "success" }));
    let list = caller.get("/admin/system/tasks").await;
    let task = &list["result"][4];
    assert_eq!((&task["taskTitle"], &task["maxOccurrences"]), (&json!("Full"), &json!(3)));
    let dates = (&task["startDate"], &task["endDate"]);
    assert_eq!(dates, (&json!(1_790_000_000_000_u64), &json!(1_795_000_000_000_u64)));

    let short = r#"{"name":"n","storeName":"s","passcode":"1234567"}"#;
    let nameless = r#"{"storeName":"s","passcode":"12345678"}"#;
    let strange = r#"{"name":"n","storeName":"s","passcode":"12345678","colour":1}"#;
    let listed = r#"{"name":"n","storeName":"s","passcode":"12345678","metaData":[]}"#;
    let endless = r#"{"name":"n","storeName":"s","passcode":"12345678","metaData":{"retention":{"type":"year","value":1}}}"#;
    for wrong in [
        ("type", "CleanGPJobs"),
        ("type", "BackupRetentionCleaner"),
        ("type", "CREATE_BACKUP_TASK_TYPE"),
        ("type", "-"),
        ("parameters", "-"),
        ("parameters", "name"),
        ("parameters", "[]"),
        ("parameters", short),
        ("parameters", nameless),
        ("parameters", strange),
        ("parameters", listed),
        ("parameters", endless),
        ("startDate", "2026-01-01"),
        ("endDate", "99999999999999999"),
        ("maxOccurrences", "0"),
        ("maxOccurences", "3"),
        ("itemId", ITEM),
        ("hour", "-"),
        ("cronExpression", "0 0 * * * ?"),
    ] {
        assert_eq!(admin_code(&caller.post(path, &with(&good, &[wrong])).await), 400, "{wrong:?}");
    }
    assert_eq!(caller.get("/admin/system/tasks").await["total"], 5);
}

#[tokio::test]
async fn users_create_tasks_of_the_documented_kinds() {
    let caller = Caller::new().await;
    let path = format!("{}/createTask", tasks_of(ADMIN));
    let good = with(&HOURLY, &[("type", "ExecuteNotebook"), ("itemId", ITEM), ("title", "T")]);
    let made = caller.post(&path, &good).await;
    assert_eq!((names(&made), &made["success"]), (vec!["success", "taskId"], &json!(true)));
    let task = caller.get(&format!("{}/{}", tasks_of(ADMIN), text(&made["taskId"]))).await;
    assert_eq!((&task["title"], &task["itemId"]), (&json!("T"), &json!(ITEM)));
    assert_eq!((&task["maxOccurrences"], &task["userId"]), (&json!(-1), &json!(ADMIN)));
    assert!(task.get("parameters").is_none());
    let url = "https://maps.hooli.example/gp/GPServer/Run";
    for more in [
        &[("type", "RunDataPipeline")][..],
        &[("type", "ExecuteWorkflowManager"), ("parameters", "")],
        &[("type", "ExecuteReport"), ("itemId", "-"), ("parameters", "{}")],
        &[("type", "ExecuteSceneCook"), ("parameters", r#"{"layer":"{}"}"#)],
        &[("type", "GPService"), ("itemId", "-"), ("taskURL", url)],
        &[("title", "-"), ("startDate", "1790000000000"), ("maxOccurrences", "-1")],
    ] {
        assert_eq!(caller.post(&path, &with(&good, more)).await["success"], true, "{more:?}");
    }
    let list = caller.get(&format!("{}?types=GPService", tasks_of(ADMIN))).await;
    assert_eq!(list["tasks"][0]["taskUrl"], url);
    for more in [
        &[("type", "CreateBackup")][..],
        &[("type", "-")],
        &[("itemId", "-")],
        &[("itemId", "0a78247d-0d0d-4b69-a658-03104e15bd66")],
        &[("type", "ExecuteSceneCook")],
        &[("type", "ExecuteReport"), ("parameters", "")],
        &[("type", "GPService")],
        &[("type", "GPService"), ("taskUrl", url)],
        &[("isActive", "true")],
    ] {
        assert_eq!(code(&caller.post(&path, &with(&good, more)).await), 400, "{more:?}");
    }
    let path = format!("{}/createTask", notebook());
    assert_eq!(code(&caller.post(&path, &good).await), 404, "there is no task ID in it");
}

#[tokio::test]
async fn a_user_has_20_active_tasks_at_most() {
    let caller = Caller::new().await;
    for index in 0..18 {
        caller.fake.add_task(ADMIN, &format!("Extra {index}"));
    }
    let path = format!("{}/createTask", tasks_of(ADMIN));
    let good = with(&HOURLY, &[("type", "ExecuteNotebook"), ("itemId", ITEM)]);
    assert_eq!(caller.get(&tasks_of(ADMIN)).await["activeTasksAvailable"], 0);
    assert_eq!(code(&caller.post(&path, &good).await), 400);
    caller.post(&format!("{}/disable", notebook()), &[]).await;
    assert_eq!(caller.post(&path, &good).await["success"], true);
}

#[tokio::test]
async fn schedules_are_quartz_with_one_question_mark() {
    let caller = Caller::new().await;
    let path = format!("{}/update", notebook());
    let names = ["minute", "hour", "dayOfMonth", "month", "dayOfWeek"];
    for (cron, works) in [
        ("0 4 ? * 7", true),
        ("*/1 * * * ?", true),
        ("0,15,30-45 0/2 1-10/3 JAN,3-12 ?", true),
        ("0 0 L-3W * ?", true),
        ("0 0 lw * ?", true),
        ("0 0 ? * sun#1", true),
        ("0 0 ? * MON-FRI/2", false),
        ("0 0 ? * MON-6", false),
        ("0 0 ? * 2#+1", false),
        ("*/+1 0 ? * 1", false),
        ("59 23 LW * ?", true),
        ("0 0 L-3 * ?", true),
        ("0 0 15W 12 ?", true),
        ("0 0 ? * 6#3", true),
        ("0 0 ? * friL", true),
        ("0 0 ? * MON-FRI", true),
        ("0 0 ? * L", true),
        ("0 0 * * *", false),
        ("0 0 ? * ?", false),
        ("0 0 * * 0", false),
        ("0 0 ? * 0", false),
        ("0 0 ? * 8", false),
        ("60 0 ? * 1", false),
        ("0 24 ? * 1", false),
        ("0 0 32 * ?", false),
        ("0 0 0 * ?", false),
        ("0 0 ? 13 1", false),
        ("0 0 ? * 2#6", false),
        ("0 0 32W * ?", false),
        ("*/0 0 ? * 1", false),
        ("? 0 ? * 1", false),
        ("1- 0 ? * 1", false),
        ("+1 0 ? * 1", false),
        ("0 0 ? * XYZ", false),
        ("0 0 1,? * ?", false),
    ] {
        let fields: Vec<_> = names.into_iter().zip(cron.split(' ')).collect();
        let fields = with(&fields, &[("type", "ExecuteNotebook")]);
        let answer = caller.post(&path, &fields).await;
        assert_eq!(answer["success"] == true, works, "{cron}: {answer}");
        if works {
            let schedule = &caller.get(&notebook()).await["cronSchedule"];
            let read: Vec<String> = names.iter().map(|name| text(&schedule[name])).collect();
            assert_eq!(read.join(" "), cron);
        }
    }
    for name in names {
        let fields = with(&HOURLY, &[("type", "ExecuteNotebook"), (name, "-")]);
        assert_eq!(code(&caller.post(&path, &fields).await), 400, "all five, or none");
    }
}

#[tokio::test]
async fn updates_change_what_they_name() {
    let caller = Caller::new().await;
    let path = format!("{}/update", notebook());
    let before = caller.get(&notebook()).await;
    let kind = ("type", "ExecuteNotebook");
    let fields = [kind, ("title", "New"), ("parameters", ""), ("isActive", "false")];
    let done = json!({ "success": true, "taskId": NOTEBOOK });
    assert_eq!(caller.post(&path, &fields).await, done);
    let after = caller.get(&notebook()).await;
    assert_eq!((&after["title"], &after["taskState"]), (&json!("New"), &json!("paused")));
    for name in ["cronSchedule", "parameters", "itemId", "maxOccurrences", "created", "lastStart"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert!(after["updated"].as_i64() > before["updated"].as_i64());
    let fields = [kind, ("parameters", r#"{"notebookParameters":"{}"}"#), ("itemId", ITEM)];
    assert_eq!(caller.post(&path, &fields).await, done);
    let after = caller.get(&notebook()).await;
    assert_eq!(after["parameters"], json!({ "notebookParameters": "{}" }));
    assert_eq!((&after["itemId"], &after["active"]), (&json!(ITEM), &json!(false)));
    for fields in [
        &[("title", "x")][..],
        &[("type", "ExecuteReport")],
        &[kind, ("isActive", "yes")],
        &[kind, ("taskURL", "https://x")],
        &[kind, ("active", "true")],
    ] {
        assert_eq!(code(&caller.post(&path, fields).await), 400, "{fields:?}");
    }

    let path = format!("{}/update", admin(BACKUP));
    assert_eq!(caller.post(&path, &HOURLY).await, json!({ "status": "success" }));
    let task = caller.get(&admin(BACKUP)).await;
    assert_eq!(
        (&task["cronExpression"], &task["taskTitle"]),
        (&json!("0 0 * * * ?"), &json!("Sunday backup"))
    );
    assert_eq!(task["parameters"]["passcode"], FakeArcGis::PASSCODE);
    for fields in [
        &[("type", "CleanGPJobs")][..],
        &[("isActive", "true")],
        &[("parameters", r#"{"name":"n"}"#)],
    ] {
        assert_eq!(admin_code(&caller.post(&path, fields).await), 400, "{fields:?}");
    }
    let item = [("itemId", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"), ("type", "CleanGPJobs")];
    let path = format!("{}/update", admin(CLEANER));
    assert_eq!(caller.post(&path, &item).await, json!({ "status": "success" }));
    assert_eq!(caller.get(&admin(CLEANER)).await["itemId"], item[0].1);
}

#[tokio::test]
async fn limits_are_read_and_set_by_name() {
    let caller = Caller::new().await;
    let path = "/admin/system/limits";
    let limits = caller.get(path).await;
    assert_eq!((&limits["ExecuteNotebooksUserLimit"], names(&limits).len()), (&json!(20), 10));
    let good = r#"[{"limitName":"ExecuteNotebooksUserLimit","numLimit":7},{"limitName":"TaskRunHistoryCount","numLimit":3}]"#;
    let category = ("category", "ScheduleTask");
    let update = format!("{path}/update");
    let answer = caller.post(&update, &[("properties", good), category]).await;
    assert_eq!(answer, json!({ "status": "success" }));
    let limits = caller.get(path).await;
    assert_eq!(
        (&limits["ExecuteNotebooksUserLimit"], &limits["ExecuteNotebooksOrgLimit"]),
        (&json!(7), &json!(200))
    );
    caller.fake.start_run(NOTEBOOK, Plan::succeeds());
    let half =
        r#"[{"limitName":"GPServiceOrgLimit","numLimit":9},{"limitName":"Colours","numLimit":3}]"#;
    for (properties, category) in [
        (half, category),
        (good, ("category", "Colours")),
        ("{}", category),
        ("", category),
        (r#"[{"limitName":"GPServiceOrgLimit"}]"#, category),
        (r#"[{"limitName":"GPServiceOrgLimit","numLimit":"9"}]"#, category),
    ] {
        let answer = caller.post(&update, &[("properties", properties), category]).await;
        assert_eq!(admin_code(&answer), 400, "{properties}");
    }
    assert_eq!(caller.get(path).await["GPServiceOrgLimit"], 200);
    caller.fake.deployment(Deployment::WindowsOrLinux);
    assert_eq!(caller.get("/portaladmin/system/limits").await["TaskRunHistoryCount"], 3);
}

#[tokio::test]
async fn dates_of_the_administrator_api_are_text_if_told_so() {
    let caller = Caller::new().await;
    let at: DateTime<Utc> = "2026-02-03T00:05:06Z".parse().unwrap();
    let run = caller.fake.add_run(CLEANER, NewRun::new("succeeded").created(at).id("r"));
    let user = caller.fake.add_run(NOTEBOOK, NewRun::new("succeeded").created(at));
    let (run, user) =
        (format!("{}/runs/{run}", admin(CLEANER)), format!("{}/runs/{user}", notebook()));
    assert_eq!(caller.get(&run).await["created"], at.timestamp_millis());
    for (form, expected) in [
        (TextDates::Java8, "Feb 3, 2026 12:05:06 AM"),
        (TextDates::Java9, "Feb 3, 2026, 12:05:06 AM"),
        (TextDates::Java20, "Feb 3, 2026, 12:05:06\u{202f}AM"),
    ] {
        caller.fake.text_dates(form);
        let shown = caller.get(&run).await;
        assert_eq!((&shown["created"], &shown["modified"]), (&json!(expected), &json!(expected)));
        assert!(shown["task"]["lastStart"].is_string() && shown["task"]["updated"].is_string());
        assert_eq!(caller.get(&user).await["created"], at.timestamp_millis());
    }
    caller.fake.text_dates(TextDates::Java9);
    caller.fake.text_zone(FixedOffset::west_opt(8 * 3600).unwrap());
    assert_eq!(caller.get(&run).await["created"], "Feb 2, 2026, 4:05:06 PM");
}

#[tokio::test]
async fn queued_faults_hit_one_request_each_and_carry_nothing_out() {
    let caller = Caller::new().await;
    let path = format!("{}/delete", admin(CLEANER));
    for status in [400, 403, 404, 429, 498, 499, 500] {
        caller.fake.fail_next(status);
        assert_eq!(admin_code(&caller.post(&path, &[]).await), u64::from(status));
        caller.fake.fail_next(status);
        assert_eq!(code(&caller.get(&notebook()).await), u64::from(status));
    }
    caller.fake.true_statuses(true);
    caller.fake.fail_next(500);
    let answer = caller.ask(&notebook()).send().await.unwrap();
    assert_eq!(answer.status(), 500);
    assert_eq!(code(&answer.json().await.unwrap()), 500);
    caller.fake.true_statuses(false);
    caller.fake.fail_next(503);
    let answer = caller.ask(&notebook()).send().await.unwrap();
    assert_eq!(answer.status(), 503, "a proxy's own");
    assert!(header(&answer, "content-type").starts_with("text/html"));
    caller.fake.respond_next_with(429, &[("retry-after", "7")], "busy");
    let answer = caller.ask(&notebook()).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (429, "7".to_owned()));
    assert_eq!(answer.text().await.unwrap(), "busy");
    caller.fake.login_page_next();
    let answer = caller.ask(&notebook()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(header(&answer, "content-type").starts_with("text/html"));
    assert!(answer.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    caller.fake.redirect_next("https://elsewhere.example/portal");
    let answer = caller.ask(&notebook()).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(header(&answer, "location"), "https://elsewhere.example/portal");
    assert_eq!(caller.get(&admin(CLEANER)).await["id"], CLEANER);
    assert_eq!(caller.fake.requests().len(), 20);
}

#[tokio::test]
async fn faults_of_token_requests_are_their_own() {
    let caller = Caller::new().await;
    caller.fake.fail_next(500);
    caller.fake.fail_next_token(400);
    assert_eq!(code(&caller.login(ADMIN, FakeArcGis::PASSWORD, &[]).await), 400);
    assert!(caller.login(ADMIN, FakeArcGis::PASSWORD, &[]).await["token"].is_string());
    assert_eq!(code(&caller.get(&notebook()).await), 500);
    caller.fake.fail_next_token(503);
    let url = caller.url("/sharing/rest/oauth2/token");
    assert_eq!(caller.http.post(url).fields(&[("f", "json")]).send().await.unwrap().status(), 503);
    assert_eq!(caller.fake.token_requests(), 3);
}

#[tokio::test]
async fn a_lost_answer_leaves_its_work_done() {
    let caller = Caller::new().await;
    caller.fake.lose_next_response();
    let form = [("f", "json"), ("token", caller.token.as_str())];
    let lost = caller.http.post(caller.url(&format!("{}/delete", admin(CLEANER)))).fields(&form);
    assert!(lost.send().await.is_err_and(|error| error.is_request() && !error.is_timeout()));
    assert_eq!(admin_code(&caller.get(&admin(CLEANER)).await), 404);
}

#[tokio::test]
async fn requests_are_kept_as_sent_and_without_tokens() {
    let caller = Caller::new().await;
    let path = format!("{}/x%2Fy", tasks_of(COLLEAGUE));
    assert_eq!(code(&caller.get(&path).await), 404);
    caller.post(&format!("{}/disable", admin(CLEANER)), &[]).await;
    let url = caller.url(&format!("/home?token={}&f=json", caller.token));
    caller.http.get(url).send().await.unwrap();
    let elsewhere = caller.fake.base_url().replace("/enterprise", "/other");
    caller.http.get(elsewhere).send().await.unwrap();
    let seen = caller.fake.requests();
    let flat: Vec<_> = seen
        .iter()
        .map(|seen| format!("{} {} {} {}", seen.method, seen.path, seen.query, seen.body))
        .collect();
    let expected = [
        format!("GET {path} f=json "),
        format!("POST {}/disable  f=json&token=[removed]", admin(CLEANER)),
        "GET /home token=[removed]&f=json ".to_owned(),
        "GET /other  ".to_owned(),
    ];
    assert_eq!(flat, expected);
    let shown = format!("{:?} {seen:?}", caller.fake);
    assert!(!shown.contains(&caller.token) && !shown.contains(FakeArcGis::PASSWORD));
}

#[tokio::test]
async fn nothing_a_client_sends_makes_it_panic() {
    let caller = Caller::new().await;
    let huge = "9".repeat(40);
    for path in [
        format!("{}?start={huge}", tasks_of(ADMIN)),
        format!("{}?start={}&num={}", tasks_of(ADMIN), i64::MAX, i64::MAX),
        format!("{}/runs?start={}&num={}", admin(CLEANER), i64::MAX, i64::MAX),
        format!("{}/runs?start={}", admin(CLEANER), i64::MIN),
        "/admin//////".to_owned(),
        "/sharing/rest/community/users/%FF%00/tasks".to_owned(),
        format!("{}?types=%FF,,", tasks_of(ADMIN)),
    ] {
        assert_eq!(caller.ask(&path).send().await.unwrap().status(), 200, "{path}");
    }
    let path = "/admin/system/tasks/createTask";
    for body in ["", "&&&", "=", "f", "token", "%", "parameters=[[[", "minute=\u{0}&startDate=-9"] {
        let request = caller
            .http
            .post(caller.url(path))
            .body(format!("{body}&f=json&token={}", caller.token));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(request.send().await.unwrap().status(), 200, "{body}");
    }
    let body = caller.http.post(caller.url(path)).body(vec![0xff, 0xfe]);
    let body = body.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(body.send().await.unwrap().status(), 200);
    let put = caller.http.put(caller.url(path)).fields(&[("f", "json"), ("token", &caller.token)]);
    assert_eq!(admin_code(&read(put).await), 404);
}

#[tokio::test]
#[should_panic(expected = "the fake has no active task")]
async fn a_paused_task_starts_no_run() {
    FakeArcGis::start().await.start_run(FakeArcGis::RETENTION, Plan::succeeds());
}

#[tokio::test]
#[should_panic(expected = "the fake has no task or notebook \"weekly\"")]
async fn a_task_that_is_not_there_is_a_mistake_in_the_test() {
    FakeArcGis::start().await.add_run("weekly", NewRun::new("succeeded"));
}

#[tokio::test]
async fn notebooks_are_executed_where_the_deployment_has_them() {
    let caller = Caller::new().await;
    let item = FakeArcGis::NOTEBOOK_ITEM;
    let execute = "/admin/notebooks/executeNotebook";
    let parameters = ("notebookParameters", r#"{"days":7}"#);
    let started = caller.post(execute, &[("itemId", item), parameters]).await;
    assert_eq!(names(&started), ["jobId", "jobUrl", "status"]);
    let jobs = "/admin/notebooks/jobs";
    let job = format!("{jobs}/{}", text(&started["jobId"]));
    let shown = caller.get(&job).await;
    assert_eq!(
        names(&shown),
        ["dateCreated", "inputs", "jobId", "messages", "revision", "status", "type", "username"]
    );
    assert_eq!(shown["inputs"]["notebookParameters"], r#"{"days":7}"#);
    assert_eq!((&shown["inputs"]["runId"], &shown["status"]), (&json!(""), &json!("SUBMITTED")));
    let row = &caller.get(jobs).await["asyncNotebookJobs"][1];
    assert_eq!(names(row), ["endTime", "jobId", "name", "startTime", "status"]);
    assert_eq!(row["endTime"], 0);
    let detailed = caller.get(&format!("{jobs}?detail=true")).await;
    assert_eq!(detailed["notebookJobs"][1]["inputs"]["itemId"], item);
    for (fields, expected) in [
        (&[("itemId", item), ("x", "y")][..], 400),
        (&[], 400),
        (&[("itemId", "no item")], 400),
        (&[("itemId", ITEM)], 404),
        (&[("itemId", item), ("updatePortalItem", "yes")], 400),
        (&[("itemId", item), ("notebookParameters", "[7]")], 400),
    ] {
        assert_eq!(admin_code(&caller.post(execute, fields).await), expected, "{fields:?}");
    }
    assert_eq!(admin_code(&caller.post(&format!("{jobs}/deleteAll"), &[]).await), 404);
    assert_eq!(caller.post(&format!("{job}/cancel"), &[]).await["status"], "success");
    assert_eq!(caller.get(&job).await["status"], "CANCELLED");
    assert_eq!(admin_code(&caller.post(&format!("{job}/cancel"), &[]).await), 400);
    assert_eq!(caller.fake.triggers(item), 1);

    caller.fake.deployment(Deployment::WindowsOrLinux);
    let server = |path: &str| {
        let request = caller.http.get(format!("{}/admin{path}", caller.fake.notebook_server_url()));
        request.header("X-Esri-Authorization", format!("Bearer {}", caller.token))
    };
    assert_eq!(caller.ask(jobs).send().await.unwrap().status(), 404);
    let list = read(server("/system/jobs?f=json")).await;
    assert_eq!(list["total"], 2);
    assert_eq!(names(&list["asyncJobs"][0]), ["jobId", "startTime", "type", "username"]);
    let job = read(server(&format!("/system/jobs/{}?f=json", text(&started["jobId"])))).await;
    assert_eq!(
        (&job["status"], &job["customAttributes"]["isCancelled"]),
        (&json!("COMPLETED"), &json!(true))
    );
    let nothing = read(server("/system/tasks?f=json")).await;
    assert_eq!(admin_code(&nothing), 404);
}

#[tokio::test]
async fn a_user_sees_only_jobs_of_her_own() {
    let mut caller = Caller::new().await;
    caller.fake.trigger_from_elsewhere(FakeArcGis::NOTEBOOK_ITEM);
    let jobs = "/admin/notebooks/jobs";
    let id = text(&caller.get(jobs).await["asyncNotebookJobs"][1]["jobId"]);
    caller.become_colleague().await;
    assert_eq!(caller.get(jobs).await, json!({ "asyncNotebookJobs": [] }));
    assert_eq!(admin_code(&caller.get(&format!("{jobs}/{id}")).await), 404);
}
