//! What the vendors' own clients send, as they sent it to the fakes: signing in, and listing, starting, awaiting and cancelling
//! runs. A fake that refuses one of these requests, or leaves out what a client reads, is of no use to them.
//!
//! The clients: Esri's `arcgis` 2.4.4, Adobe's `aepp` 0.6.0, Palantir's `foundry-platform-sdk` 1.111.0, `mode-sdk` 0.1.0 and `pymode`
//! 1.3.0 for Mode, and `supermetrics` 0.5.1, all for Python.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]

use chrono::TimeDelta;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use scheduled_runs::client::{Clock as _, SystemClock};
use scheduled_runs::testing::Plan;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::{Deployment, FakeArcGis};
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::{FakeSupermetrics, FakeTransfers};
use serde_json::{Value, json};
use url::form_urlencoded::{Serializer, parse};

fn http() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// Status and JSON; no JSON is null.
async fn read(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

async fn page(request: RequestBuilder) -> String {
    request.send().await.unwrap().text().await.unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text"))
}

fn items<'v>(list: &'v Value, key: &str) -> &'v Vec<Value> {
    list[key].as_array().unwrap_or_else(|| panic!("{list} has no {key}"))
}

/// Esri's client: it sends its token in a header of its own, also with a POST, and always a `Referer`.
struct Gis {
    fake: FakeArcGis,
    http: Client,
    token: String,
}

impl Gis {
    fn request(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.header("Referer", "http");
        request.header("X-Esri-Authorization", format!("Bearer {}", self.token))
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.fake.base_url());
        self.accepted(path, self.request(self.http.get(url))).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        let url = format!("{}{path}", self.fake.base_url());
        let fields = [&[("f", "json")], fields].concat();
        self.accepted(path, form(self.request(self.http.post(url)), &fields)).await
    }

    async fn accepted(&self, path: &str, request: RequestBuilder) -> Value {
        let (status, body) = read(request).await;
        assert!(status == 200 && body.get("error").is_none(), "{path}: {status} {body}");
        assert_ne!(body["status"], "error", "{path}: {body}");
        body
    }

    /// With `use_gen_token=True`.
    async fn signed_in() -> Self {
        let mut gis = Self { fake: FakeArcGis::start().await, http: http(), token: String::new() };
        for path in ["/info?f=json", "/rest/info?f=json", "/sharing/rest/info?f=json"] {
            let url = format!("{}{path}", gis.fake.base_url());
            let (_, info) = read(gis.http.get(url)).await;
            let place = text(&info["authInfo"]["tokenServicesUrl"]);
            assert_eq!(place, gis.fake.token_url(), "{path}");
        }
        let fields = [
            ("username", FakeArcGis::USERNAME),
            ("password", FakeArcGis::PASSWORD),
            ("referer", "http"),
            ("client", "referer"),
            ("expiration", "60"),
            ("f", "json"),
        ];
        let request = gis.http.post(gis.fake.token_url()).header("Referer", "http");
        let (_, token) = read(form(request, &fields)).await;
        text(&token["token"]).clone_into(&mut gis.token);
        gis
    }

    /// What it does before it is of use, however it signed in.
    async fn connects(&self) {
        let portal = self.post("/sharing/rest/portals/self", &[]).await;
        assert_eq!(portal, self.get("/sharing/rest/portals/self?f=json").await);
        let user = self.get("/sharing/rest/community/users/hooli.admin?f=json").await;
        let me = "/sharing/rest/community/self?f=json&returnUserLicensedItems=true";
        assert_eq!((&portal["user"], &self.get(me).await), (&user, &user));
        for member in ["id", "name", "portalName", "portalMode", "helperServices"] {
            assert!(portal.get(member).is_some(), "{member} of {portal}");
        }
        for member in ["username", "fullName", "role", "roleId", "privileges", "orgId", "groups"] {
            assert!(user.get(member).is_some(), "{member} of {user}");
        }
        let version = self.get("/sharing/rest/?f=json").await;
        assert_eq!(version["currentVersion"], portal["currentVersion"]);
        let roles = self.get("/sharing/rest/portals/self/roles?f=json&start=1&num=100").await;
        assert_eq!((&roles["roles"], &roles["nextStart"]), (&json!([]), &json!(-1)));
    }
}

#[tokio::test]
async fn arcgis_signs_in_with_a_token_of_its_own_and_connects() {
    let gis = Gis::signed_in().await;
    gis.connects().await;
    gis.fake.deployment(Deployment::WindowsOrLinux);
    gis.connects().await;
    assert_eq!(gis.get("/portaladmin?f=json").await["resources"], json!(["system"]));
    let word = [("q", "mara accountid:8D21F07C5A9B3E46"), ("start", "1"), ("num", "100")];
    let word = [&word[..], &[("sortField", "username"), ("sortOrder", "asc")]].concat();
    let found = gis.post("/sharing/rest/community/users", &word).await;
    assert_eq!(items(&found, "results")[0]["username"], FakeArcGis::COLLEAGUE);
    let stranger = format!("{}/sharing/rest/community/users/nobody?f=json", gis.fake.base_url());
    let (_, refused) = read(gis.request(gis.http.get(stranger))).await;
    assert_eq!(refused["error"]["code"], 404);
}

#[tokio::test]
async fn arcgis_signs_in_on_the_page_for_people() {
    let mut gis = Gis { fake: FakeArcGis::start().await, http: http(), token: String::new() };
    let base = gis.fake.base_url();
    let query = "response_type=token&client_id=pythonapi&redirect_uri=https%3A%2F%2F127.0.0.1%3A4102\
                 &state=s7&expiration=600&allow_verification=false&style=dark&locale=en-US";
    let authorize = format!("{base}/sharing/rest/oauth2/authorize?{query}");
    let shown = page(gis.http.get(&authorize)).await;
    // The client reads the page by these two marks.
    let (_, rest) = shown.split_once("var oAuthInfo = ").unwrap();
    let info: Value = serde_json::from_str(rest.split_once(';').unwrap().0).unwrap();
    let fields = |password| {
        [
            ("expiration", "600"),
            ("oauth_state", text(&info["oauth_state"])),
            ("username", FakeArcGis::USERNAME),
            ("password", password),
        ]
    };
    let sign_in = || gis.http.post(format!("{base}/sharing/oauth2/signin"));
    let wrong = page(form(sign_in(), &fields("wrong"))).await;
    assert!(wrong.contains("Invalid username or password"), "{wrong}");
    let signed_in = form(sign_in(), &fields(FakeArcGis::PASSWORD)).send().await.unwrap();
    assert_eq!(signed_in.status(), 302);
    let location = signed_in.headers()["location"].to_str().unwrap();
    let (redirect, fragment) = location.split_once('#').unwrap();
    let member = |name: &str| {
        let found = parse(fragment.as_bytes()).find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned())
    };
    assert_eq!(redirect, "https://127.0.0.1:4102");
    assert_eq!(
        (member("state").as_deref(), member("expires_in").as_deref()),
        (Some("s7"), Some("36000"))
    );
    gis.token = member("access_token").unwrap();
    gis.connects().await;
    // A page serves once, and the password is not kept.
    let again = page(form(
        gis.http.post(format!("{base}/sharing/oauth2/signin")),
        &fields(FakeArcGis::PASSWORD),
    ));
    assert!(again.await.contains("Invalid oauth_state"));
    let seen = format!("{:?}", gis.fake.requests());
    assert!(!seen.contains("password"), "{seen}");
    for (broken, why) in [
        (query.replace("token", "code"), "response_type"),
        (query.replace("pythonapi", ""), "Invalid client_id"),
        (query.replace("redirect_uri", "redirect"), "Invalid redirect_uri"),
    ] {
        let shown =
            page(gis.http.get(format!("{base}/sharing/rest/oauth2/authorize?{broken}"))).await;
        assert!(shown.contains(why) && !shown.contains("oAuthInfo"), "{shown}");
    }
}

#[tokio::test]
async fn arcgis_signs_in_as_an_app() {
    let mut gis = Gis { fake: FakeArcGis::start().await, http: http(), token: String::new() };
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", FakeArcGis::CLIENT_ID),
        ("client_secret", FakeArcGis::CLIENT_SECRET),
        ("redirect_uri", "urn:ietf:wg:oauth:2.0:oob"),
    ];
    let url = format!("{}/sharing/rest/oauth2/token", gis.fake.base_url());
    let (_, token) = read(form(gis.http.post(url), &fields)).await;
    text(&token["access_token"]).clone_into(&mut gis.token);
    gis.connects().await;
}

#[tokio::test]
async fn arcgis_works_with_tasks_and_runs_of_both_apis() {
    let gis = Gis::signed_in().await;
    let tasks = "/sharing/rest/community/users/hooli.admin/tasks";
    let list = gis.get(&format!("{tasks}?f=json&num=100&start=1")).await;
    assert_eq!((items(&list, "tasks").len(), &list["nextStart"]), (3, &json!(-1)));
    let create = format!("{tasks}/createTask");
    let created = gis.post(
        &create,
        &[
            ("title", "From Python"),
            ("type", "ExecuteNotebook"),
            ("itemId", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"),
            ("minute", "0"),
            ("hour", "12"),
            ("dayOfMonth", "*"),
            ("month", "*"),
            ("dayOfWeek", "?"),
            ("maxOccurrences", "10"),
        ],
    );
    let created = created.await;
    let own = format!("{tasks}/{}", text(&created["taskId"]));
    let run = gis.fake.start_run(text(&created["taskId"]), Plan::succeeds().takes(2));
    let runs = gis.get(&format!("{own}/runs?f=json")).await;
    assert_eq!(items(&runs, "runs")[0]["runId"], json!(run));
    assert_eq!(gis.get(&format!("{own}/runs/{run}?f=json")).await["status"], "succeeded");
    let done = [("status", "failed"), ("result", "by hand")];
    assert_eq!(gis.post(&format!("{own}/runs/{run}/update"), &done).await["success"], true);
    for act in [&*format!("runs/{run}/delete"), "disable", "enable", "delete"] {
        assert_eq!(gis.post(&format!("{own}/{act}"), &[]).await["success"], true, "{act}");
    }

    assert_eq!(gis.get("/admin/?f=json").await["resources"], json!(["system"]));
    let tasks = "/admin/system/tasks";
    assert_eq!(items(&gis.get(&format!("{tasks}?f=json")).await, "result").len(), 3);
    let own = format!("{tasks}/{}", FakeArcGis::CLEANER);
    let runs = gis.get(&format!("{own}/runs?f=json")).await;
    let run = format!("{own}/runs/{}", text(&items(&runs, "result")[0]["runId"]));
    let before = gis.get(&format!("{run}?f=json")).await["result"].clone();
    // It sends the result by a name that has no effect.
    gis.post(&format!("{run}/update"), &[("status", "failed"), ("results", "by hand")]).await;
    let after = gis.get(&format!("{run}?f=json")).await;
    assert_eq!((&after["status"], &after["result"]), (&json!("failed"), &before));
    for path in [format!("{run}/delete"), format!("{own}/disable"), format!("{own}/enable")] {
        assert_eq!(gis.post(&path, &[]).await["status"], "success", "{path}");
    }
}

#[tokio::test]
async fn aepp_signs_in_and_ends_its_lists() {
    let (fake, http) = (FakeAdobe::start().await, http());
    let scopes =
        "openid,session,AdobeID,read_organizations,additional_info.projectedProductContext";
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", FakeAdobe::CLIENT_ID),
        ("client_secret", FakeAdobe::CLIENT_SECRET),
        ("scope", scopes),
    ];
    let (_, token) = read(form(http.post(fake.token_url()), &fields)).await;
    let send = async |method: &str, path: &str, body: Option<Value>| {
        let method = method.parse().unwrap();
        // It names a content type with every request.
        let request = http.request(method, format!("{}{path}", fake.base_url()));
        let request = request
            .header("Content-Type", "application/json")
            .header("Accept", "application/json")
            .header("x-api-key", FakeAdobe::CLIENT_ID)
            .header("x-gw-ims-org-id", FakeAdobe::ORG_ID)
            .header("x-sandbox-name", FakeAdobe::SANDBOX)
            .bearer_auth(text(&token["access_token"]));
        let request = match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        };
        let (status, body) = read(request).await;
        assert!(status < 300, "{method} {path}: {status} {body}", method = "");
        body
    };
    let get = async |path: &str| send("GET", path, None).await;

    assert_eq!(items(&get("/schedules").await, "schedules").len(), 3);
    assert_eq!(get("/schedules/nightly-orders").await["id"], "nightly-orders");
    let runs = get("/schedules/nightly-orders/runs").await;
    let run = text(&items(&runs, "runsSchedules")[0]["id"]).to_owned();
    assert_eq!(get(&format!("/schedules/nightly-orders/runs/{run}")).await["id"], json!(run));
    let query = json!({ "name": "x", "dbName": "dev:all", "sql": "SELECT 1", "description": "d" });
    let query = send("POST", "/queries", Some(query)).await;
    let own = format!("/queries/{}", text(&query["id"]));
    send("PATCH", &own, Some(json!({ "op": "cancel" }))).await;
    assert_eq!(get(&own).await["state"], "KILLED");
    let filter = "/queries?limit=1000&orderby=-created&property=state%3D%3DKILLED";
    assert_eq!(items(&get(filter).await, "queries").len(), 1);
    for verb in ["disable", "enable"] {
        let change = json!({ "body": [{ "op": "replace", "path": "/state", "value": verb }] });
        send("PATCH", "/schedules/nightly-orders", Some(change)).await;
    }

    // It follows the links of these lists for as long as there are any.
    for number in 0..4 {
        let template = json!({ "name": format!("n{number}"), "sql": "SELECT 1" });
        send("POST", "/query-templates", Some(template)).await;
    }
    let templates = get("/query-templates?limit=50").await;
    assert_eq!((items(&templates, "templates").len(), &templates["_links"]), (4, &json!({})));
    let alert = json!({
        "assetId": "nightly-orders",
        "alertType": "failure",
        "subscriptions": {
            "emailIds": ["ann@example.com"],
            "inContextNotifications": true,
            "emailNotifications": true,
        },
    });
    send("POST", "/alert-subscriptions", Some(alert)).await;
    let alerts = get("/alert-subscriptions?page=0").await;
    assert_eq!((items(&alerts, "alerts").len(), &alerts["_links"]), (1, &json!({})));
}

#[tokio::test]
async fn foundry_platform_sdk_signs_in_and_runs_a_schedule_to_its_end() {
    let (fake, http) = (FakeFoundry::start().await, http());
    // It asks for no scope.
    let fields = [
        ("client_id", FakeFoundry::CLIENT_ID),
        ("client_secret", FakeFoundry::CLIENT_SECRET),
        ("grant_type", "client_credentials"),
    ];
    let (_, token) = read(form(http.post(fake.token_url()), &fields)).await;
    let send = async |method: &str, path: &str, body: Value| {
        let url = format!("{}/v2/orchestration/{path}", fake.base_url());
        let request = http.request(method.parse().unwrap(), url);
        let request = request.bearer_auth(text(&token["access_token"]));
        let request = if body.is_null() { request } else { request.json(&body) };
        let (status, body) = read(request).await;
        assert!(status < 300, "{path}: {status} {body}");
        body
    };
    let own = format!("schedules/{}", FakeFoundry::NIGHTLY_ORDERS);
    let schedule = send("GET", &format!("{own}?preview=true"), Value::Null).await;
    assert_eq!(schedule["displayName"], "nightly-orders");
    let run = send("POST", &format!("{own}/run"), Value::Null).await;
    send("GET", &format!("{own}/runs"), Value::Null).await;
    let runs = send("GET", &format!("{own}/runs?pageSize=2"), Value::Null).await;
    let listed = &items(&runs, "data")[0];
    assert_eq!((&listed["rid"], &listed["result"]["type"]), (&run["rid"], &json!("submitted")));
    let build = text(&listed["result"]["buildRid"]);
    let asked = json!([{ "buildRid": build }]);
    let builds = send("POST", "builds/getBatch", asked).await;
    assert_eq!(builds["data"][build]["status"], "RUNNING");
    send("POST", &format!("builds/{build}/cancel"), Value::Null).await;
    assert_eq!(send("GET", &format!("builds/{build}"), Value::Null).await["status"], "CANCELED");
    assert!(
        !items(&send("GET", &format!("builds/{build}/jobs"), Value::Null).await, "data").is_empty()
    );
    let build = json!({
        "target": { "type": "manual", "targetRids": [FakeFoundry::DATASET] },
        "fallbackBranches": [],
    });
    let build = send("POST", "builds/create", build).await;
    assert_eq!(build["status"], "RUNNING");
}

#[tokio::test]
async fn clients_of_mode_run_a_report_to_its_end() {
    let (fake, http) = (FakeMode::start().await, http());
    let send = async |method: &str, path: &str, body: Value| {
        let url = format!("{}{path}", fake.base_url());
        let request = http.request(method.parse().unwrap(), url);
        // One of the clients sends a content type and asks for HAL with every request.
        let request = request
            .header("Content-Type", "application/json")
            .header("Accept", "application/hal+json")
            .basic_auth(FakeMode::API_TOKEN, Some(FakeMode::API_SECRET));
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let (status, body) = read(request).await;
        assert!(status < 300, "{path}: {status} {body}");
        body
    };
    let get = async |path: &str| send("GET", path, Value::Null).await;
    assert_eq!(items(&get("/spaces").await["_embedded"], "spaces").len(), 2);
    let reports = get(&format!("/spaces/{}/reports", FakeMode::SPACE)).await;
    assert!(!items(&reports["_embedded"], "reports").is_empty());
    let own = format!("/reports/{}", FakeMode::REPORT);
    let run = send("POST", &format!("{own}/runs"), json!({ "parameters": {} })).await;
    let run = format!("{own}/runs/{}", text(&run["token"]));
    for state in ["enqueued", "enqueued", "succeeded"] {
        let run = get(&run).await;
        assert!(["pending", "running_notebook", state].contains(&text(&run["state"])), "{run}");
    }
    let query_runs = get(&format!("{run}/query_runs")).await;
    assert_eq!(items(&query_runs["_embedded"], "query_runs").len(), 2);
    for act in ["archive", "unarchive"] {
        send("PATCH", &format!("{own}/{act}"), Value::Null).await;
    }
}

#[tokio::test]
async fn supermetrics_repeats_parameters_and_reads_a_run_without_a_path_of_versions() {
    let (fake, http) = (FakeSupermetrics::start().await, http());
    let origin = fake.base_url().replace("/enterprise/v2", "");
    let get = async |path: &str| {
        read(http.get(format!("{origin}{path}")).bearer_auth(FakeSupermetrics::API_KEY)).await
    };
    let (status, accounts) =
        get("/query/accounts?ds_id=GAWA&ds_users=reports%40initech.example").await;
    assert_eq!((status, items(&accounts["data"][0], "accounts").len()), (200, 2));
    // A list is one parameter several times.
    let query = "ds_id=GAWA&ds_accounts=815204&start_date=2026-03-01&end_date=yesterday\
                 &fields=date&fields=clicks&filter=clicks+%3E+0&max_rows=2&cache_minutes=0";
    let data = format!("/query/data/json?{query}");
    let (status, rows) = get(&data).await;
    assert_eq!((status, items(&rows, "data").len()), (200, 3), "two rows and their headers");
    // With a limit of the wait, this client takes 202 for an error.
    let limited = format!("{data}&schedule_id=py1&sync_timeout=0");
    assert_eq!(get(&limited).await.0, 202);
    fake.unfinished_status(200);
    let (status, started) = get(&limited).await;
    assert_eq!((status, &started["meta"]["schedule_id"]), (200, &json!("py1")));
    let (status, refused) = get(&data.replace("GAWA", "google_ads")).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("BAD_REQUEST")));
}

/// It adds the version to the host of the transfers, writes times with an offset, and raises at a status or a member that it does not
/// know.
#[tokio::test]
async fn the_client_of_supermetrics_loads_a_day_and_cancels_it() {
    let (fake, http) = (FakeTransfers::start().await, http());
    let base = fake.base_url();
    let call = async |method: &str, path: &str, body: Option<Value>| {
        let request = http.request(method.parse().unwrap(), format!("{base}{path}"));
        let request = request.bearer_auth(FakeTransfers::API_KEY).header("accept", "*/*");
        read(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    };
    let (status, transfers) = call("GET", "/transfers", None).await;
    assert_eq!((status, items(&transfers, "data").len()), (200, 2));
    let transfer = format!("/transfers/{}", FakeTransfers::TRANSFER);
    let (status, one) = call("GET", &transfer, None).await;
    assert_eq!((status, &one["transfer_id"]), (200, &json!(501_733)), "without a wrapper");
    let now = SystemClock::default().utc();
    let (start, end) = (now - TimeDelta::days(30), now + TimeDelta::days(1));
    let range = Serializer::new(String::new())
        .append_pair("start_date", &start.to_rfc3339())
        .append_pair("end_date", &end.to_rfc3339())
        .finish();
    let (status, runs) = call("GET", &format!("{transfer}/runs?{range}"), None).await;
    assert_eq!((status, items(&runs, "data").len()), (200, 4));
    for (state, answer) in [("pause", "PAUSED"), ("unpause", "ACTIVE")] {
        let body = json!({ "transfer_state": state });
        let (status, changed) = call("PUT", &format!("{transfer}/state"), Some(body)).await;
        assert_eq!((status, changed), (200, json!({ "result": true, "state": answer })));
    }

    let day = (now - TimeDelta::days(1)).date_naive();
    let range = json!({ "range_start": day, "range_end": day });
    let create = || call("POST", "/transfers/501733/backfills", Some(range.clone()));
    let (status, backfill) = create().await;
    let backfill = &backfill["data"];
    assert_eq!((status, &backfill["status"]), (200, &json!("CREATED")));
    for counter in ["total", "created", "completed", "failed"] {
        assert!(backfill[format!("transfer_runs_{counter}")].is_u64(), "{backfill}");
    }
    assert_eq!(create().await.0, 422, "the ranges overlap");
    let (status, incomplete) = call("GET", "/backfills", None).await;
    assert_eq!((status, items(&incomplete, "data").len()), (200, 1));
    let (status, latest) = call("GET", "/transfers/501733/backfills/latest", None).await;
    let id = "transfer_backfill_id";
    assert_eq!((status, &latest["data"][id]), (200, &backfill[id]));
    let path = format!("/backfills/{}", backfill[id]);
    let cancel = || call("PATCH", &path, Some(json!({ "status": "CANCELLED" })));
    let (status, cancelled) = cancel().await;
    assert_eq!((status, &cancelled["data"]["status"]), (200, &json!("CANCELLED")));
    assert_eq!(cancel().await.0, 422, "it has ended");
}
