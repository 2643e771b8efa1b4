//! Answers in the documented shapes, and what becomes of them when the vendor changes its mind.
//!
//! The fixtures under `tests/fixtures/adobe` are written after the samples of the vendor's API pages, with values of our own.
#![cfg(feature = "adobe")]

use crate::mutations;

use std::time::Duration;

use chrono::{DateTime, Utc};
use scheduled_runs::adobe::{
    AlertStatus, AlertType, Channel, CountTemplates, CreateAccount, CreateQuery, DeleteAccount,
    DeleteIpAccess, ErrorType, GetAlert, GetConnectionParameters, GetIpAccess, GetQuery, GetRun,
    GetSchedule, IpRange, ListAccounts, ListAlerts, ListAssetAlerts, ListQueries, ListRuns,
    ListSchedules, ListTemplates, QueryDef, QueryState, RunAcceleratedQuery, RunState,
    ScheduleState, TaskState, TriggerRun, ValidateIpAccess,
};
use scheduled_runs::client::Endpoint;
use scheduled_runs::testing::ScriptedTransport;
use scheduled_runs::{ErrorKind, Response, Result, adobe};

use self::mutations::Rules;

const RUNS: &str = include_str!("../fixtures/adobe/runs_list.json");
const RUN: &str = include_str!("../fixtures/adobe/run_detail.json");
const SCHEDULES: &str = include_str!("../fixtures/adobe/schedules_list.json");
const QUERIES: &str = include_str!("../fixtures/adobe/queries_list.json");
const TEMPLATES: &str = include_str!("../fixtures/adobe/templates_list.json");
const ASSET_ALERTS: &str = include_str!("../fixtures/adobe/alerts_of_asset.json");
const USER_ALERTS: &str = include_str!("../fixtures/adobe/alerts_of_user.json");
const ACCELERATED: &str = include_str!("../fixtures/adobe/accelerated_result.json");
const CONNECTION: &str = include_str!("../fixtures/adobe/connection_parameters.json");
const IP_ACCESS: &str = include_str!("../fixtures/adobe/ip_access.json");
const ACCOUNT: &str = r#"{"technicalAccountId":"A0B1C2D3","credential":"canary-credential"}"#;
const ACCOUNTS: &str = include_str!("../fixtures/adobe/accounts_list.json");

async fn decode<E: Endpoint<Api = adobe::Adobe>>(
    request: E,
    body: &str,
) -> Result<Response<E::Output>> {
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    let client =
        adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev").transport(script).build();
    client.unwrap().send(request).await
}

fn at(text: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

#[tokio::test]
async fn a_list_of_runs() {
    let page = decode(ListRuns::new("s").limit(2), RUNS).await.unwrap();
    let [scheduled, manual] = &page.items[..] else { panic!("two runs") };
    assert_eq!(
        (&scheduled.state, scheduled.external_trigger),
        (&Some(RunState::Success), Some(false))
    );
    assert_eq!((&manual.state, manual.external_trigger), (&Some(RunState::InProgress), Some(true)));
    assert_eq!(scheduled.created, at("2026-02-03T04:00:00Z"));
    assert_eq!(manual.id.decode().unwrap().time, at("2026-02-03T04:05:06.789012Z"));
    assert_eq!(
        page.next.as_ref().unwrap().as_str(),
        "orderby=%2Bcreated&start=2026-02-03T05%3A00%3A00Z",
        "only the link's query is kept, with its plus sign"
    );
}

#[tokio::test]
async fn a_run_with_its_tasks() {
    let run = decode(GetRun::new("s", "r"), RUN).await.unwrap();
    assert_eq!((&run.state, run.external_trigger), (&Some(RunState::Success), Some(true)));
    assert_eq!(run.created, at("2026-02-03T04:05:06Z"));
    let [done, retried] = &run.tasks[..] else { panic!("two tasks") };
    assert_eq!((done.duration.unwrap().as_secs(), retried.duration.unwrap().as_secs()), (72, 9));
    assert_eq!(
        (done.started, done.ended),
        (at("2026-02-03T04:06:00.25Z"), at("2026-02-03T04:07:12.75Z"))
    );
    assert_eq!((&retried.state, retried.started), (&Some(TaskState::QueuedForRetry), None));
}

#[tokio::test]
async fn secrets_are_not_serialised() {
    let account =
        decode(CreateAccount::new("bi", "ann@example.com").credential("c"), ACCOUNT).await;
    let connection = decode(GetConnectionParameters::new(), CONNECTION).await;
    let access = decode(GetIpAccess::new(), IP_ACCESS).await;
    let texts = [
        serde_json::to_string(&account.unwrap()).unwrap(),
        serde_json::to_string(&connection.unwrap()).unwrap(),
        serde_json::to_string(&access.unwrap()).unwrap(),
    ];
    assert!(texts[0].contains("A0B1C2D3") && texts[1].contains("canary-host"), "{texts:?}");
    for secret in ["canary-credential", "canary-token", "canary-compressed", "0123456789ABCDEF"] {
        assert!(texts.iter().all(|text| !text.contains(secret)), "{secret} is in {texts:?}");
    }
}

#[tokio::test]
async fn schedules_and_queries() {
    let schedules = decode(ListSchedules::new(), SCHEDULES).await.unwrap();
    let schedule = &schedules.items[0];
    assert_eq!(schedule.state, Some(ScheduleState::Enabled));
    assert_eq!(
        (schedule.created, schedule.updated),
        (at("2026-02-03T04:05:06Z"), at("2026-02-03T04:05:06.789Z"))
    );
    assert_eq!(schedule.query.as_ref().unwrap().query_parameters["kind"], "click");
    assert_eq!(schedule.timetable.as_ref().unwrap().max_active_runs, Some(1));
    assert!(schedules.next.is_none());

    let queries = decode(ListQueries::new(), QUERIES).await.unwrap();
    let query = &queries.items[0];
    assert_eq!(
        (&query.state, query.is_ctas, query.elapsed),
        (&Some(QueryState::Failed), Some(true), Some(Duration::from_millis(9800)))
    );
    assert_eq!(query.errors[0].error_type, Some(ErrorType::User));
    assert_eq!(
        query.errors[1].code.as_deref(),
        Some("58000"),
        "a code is text, whatever it comes as"
    );
    assert_eq!(
        (query.session_type.as_deref(), query.is_service, query.is_parent_level),
        (Some("HTTP_SESSION"), Some(false), Some(true))
    );
    let metrics = query.compute_metrics.as_ref().unwrap();
    assert_eq!(
        [metrics.executor_vm_time, metrics.driver_vm_time, metrics.cluster_vm_time],
        [90, 45, 135].map(|seconds| Some(Duration::from_secs(seconds)))
    );
    assert_eq!(
        [metrics.cluster_cpu_time, metrics.cluster_vm_hours],
        [540_500, 135_000].map(|millis| Some(Duration::from_millis(millis)))
    );
    assert_eq!(query.links.get("schedule_run").unwrap().id.as_deref(), Some("r1"));
    assert_eq!(
        query.referenced_datasets().iter().map(|set| set.id.as_str()).collect::<Vec<_>>(),
        ["5b2b", "6c3c"]
    );
}

#[tokio::test]
async fn a_list_of_templates() {
    let page = decode(ListTemplates::new().limit(2), TEMPLATES).await.unwrap();
    let [daily, all] = &page.items[..] else { panic!("two templates") };
    assert_eq!(
        (daily.name.as_deref(), daily.created, daily.updated),
        (Some("orders of one day"), at("2026-02-03T04:05:06.1Z"), at("2026-02-04T04:05:06.2Z"))
    );
    assert_eq!(daily.query_parameters["region"], "7", "a value is text, whatever it comes as");
    assert!(daily.last_updated_by.is_some() && all.last_updated_by.is_none());
    assert_eq!(
        page.next.as_ref().unwrap().as_str(),
        "orderby=-created&start=2026-02-01T04%3A05%3A06.300Z"
    );
}

#[tokio::test]
async fn alerts_and_whom_they_notify() {
    let alerts = decode(ListAssetAlerts::new("a"), ASSET_ALERTS).await.unwrap();
    let [failure, delay] = &alerts[..] else { panic!("two alerts") };
    assert_eq!(
        (&failure.alert_type, &failure.status, failure.asset_id.as_str()),
        (&Some(AlertType::Failure), &Some(AlertStatus::Enabled), "org_sandbox_totals")
    );
    let people = failure.subscriptions.as_ref().unwrap();
    let mail = ["ann@example.com", "bob@example.com"].map(Into::into).to_vec();
    assert_eq!(
        (&people.email_notifications, &people.in_context_notifications),
        (&Some(Channel::Users(mail)), &Some(Channel::Users(Vec::new())))
    );
    assert_eq!(delay.alert_type.as_ref().unwrap().as_str(), "delay");
    assert_eq!((&delay.status, &delay.subscriptions), (&Some(AlertStatus::Disabling), &None));
    let one = decode(GetAlert::new("a", AlertType::Failure), ASSET_ALERTS).await.unwrap();
    assert_eq!(one.len(), 2, "all that comes is given out");

    let page = decode(ListAlerts::of_user("ann@example.com"), USER_ALERTS).await.unwrap();
    let alert = &page.items[0];
    assert_eq!(alert.id(), Some("query_service_flow_run_start-88bb"), "the vendor says `name`");
    let people = alert.subscriptions.as_ref().unwrap();
    assert_eq!(
        (&people.email_notifications, &people.in_context_notifications),
        (&Some(Channel::Switch(false)), &Some(Channel::Switch(true)))
    );
    assert_eq!(page.next.as_ref().unwrap().as_str(), "4", "only the page's number is kept");
    let past = USER_ALERTS.replace("\"items\"", "\"none\"");
    let past = decode(ListAlerts::of_user("ann@example.com"), &past).await.unwrap();
    assert!(past.next.is_none(), "a page without alerts is the end, whatever it links to");
}

#[tokio::test]
async fn an_accelerated_result() {
    let run = RunAcceleratedQuery::template("dev:store:facts", "3f0c");
    let result = decode(run, ACCELERATED).await.unwrap();
    let columns: Vec<_> = result.columns.iter().map(|column| &*column.name).collect();
    assert_eq!(columns, ["shop", "orders", "open"], "in the order of the answer");
    assert_eq!(result.columns[1].xdm_type.as_deref(), Some("int"));
    assert_eq!((result.rows.len(), &result.rows[0]["orders"]), (2, &12.into()));
    let request = result.request.as_ref().unwrap();
    assert_eq!(request.template_id.as_ref().unwrap().as_str(), "3f0c");
}

/// One odd cell or column does not lose the others.
#[tokio::test]
async fn an_accelerated_result_with_odd_columns_and_numbers() {
    let body = r#"{"resultsMeta":{"_adhoc":{"properties":{"a":7,"b":{"type":"number"},"c":["x"],"d":null}}},
        "results":[{"a":1,"b":1e400},{"a":2,"b":-1e400}],"request":{"dbName":"d","queryParameters":{"x":1e400}}}"#;
    let result = decode(RunAcceleratedQuery::sql("d", "SELECT 1"), body).await.unwrap();
    let columns: Vec<_> =
        result.columns.iter().map(|column| (&*column.name, column.json_type.as_deref())).collect();
    assert_eq!(columns, [("a", None), ("b", Some("number")), ("c", None), ("d", None)]);
    assert_eq!((&result.rows[0]["b"], &result.rows[1]["b"]), (&"1e400".into(), &"-1e400".into()));
    assert_eq!((&result.rows[0]["a"], &result.rows[1]["a"]), (&1.into(), &2.into()));
    let request = result.request.as_ref().unwrap();
    assert_eq!(request.query_parameters["x"], "1e400");
}

/// As the vendor's own specification has it.
#[tokio::test]
async fn a_query_whose_target_is_a_text_is_not_lost() {
    let body = r#"{"queries":[{"id":"q1","request":{"sql":"SELECT 1","insertIntoParameters":"x","ctasParameters":[]}},{"id":"q2"}]}"#;
    let queries = decode(ListQueries::new(), body).await.unwrap();
    let request = queries.items[0].request.as_ref().unwrap();
    assert_eq!((request.sql.as_deref(), queries.items.len()), (Some("SELECT 1"), 2));
    assert!(request.insert_into_parameters.is_none() && request.ctas_parameters.is_none());
    let created = r#"{"id":"q1","request":{"insertIntoParameters":"x"}}"#;
    let created = decode(CreateQuery::new(QueryDef::sql("d", "SELECT 1")), created).await.unwrap();
    assert_eq!(created.id.as_str(), "q1");
}

#[tokio::test]
async fn addresses_that_may_come_in() {
    let access = decode(GetIpAccess::new(), IP_ACCESS).await.unwrap();
    let office = IpRange::new("192.0.2.0/24").description("office");
    assert_eq!(access.allowed_ip_ranges, [office, IpRange::new("198.51.100.7")]);
    let deleted = decode(DeleteIpAccess::new(), IP_ACCESS).await.unwrap();
    assert_eq!(deleted.deleted_ip_ranges[1], IpRange::new("2001:db8::7"));
    let validation = decode(ValidateIpAccess::new("192.0.2.9"), IP_ACCESS).await.unwrap();
    assert_eq!(validation.is_allowed, Some(true));
}

#[tokio::test]
async fn a_list_of_accounts() {
    let page = decode(ListAccounts::new(), ACCOUNTS).await.unwrap();
    let [first, second] = &page.items[..] else { panic!("two accounts") };
    assert_eq!(
        (first.technical_account_id.as_str(), first.active, first.last_updated),
        ("A0B1C2D3", Some(true), at("2026-02-04T04:05:06.2Z"))
    );
    assert_eq!(first.credential(), Some("canary-credential"));
    assert!(second.credential().is_none());
    assert!(page.next.is_some());
}

#[tokio::test]
async fn what_lets_people_in_is_given_out_and_not_printed() {
    let answer = decode(GetConnectionParameters::new(), CONNECTION).await.unwrap();
    assert_eq!(
        (answer.host.as_deref(), answer.port, answer.db_name.as_deref()),
        (Some("canary-host.example.com"), Some(54327), Some("canary-sandbox:all"))
    );
    assert_eq!(answer.username.as_deref(), Some("canary-user@AdobeOrg"));
    assert_eq!(answer.websocket_host(), Some("canary-websocket.example.com"));
    assert_eq!(answer.token(), Some("canary-token"));
    assert!(answer.compressed_token().is_some());
    let broken = CONNECTION.replace("\"canary-token\"", "\"canary-token");
    let error = decode(GetConnectionParameters::new(), &broken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);

    let create = CreateAccount::new("bi", "ann@example.com").credential("canary-credential");
    let account = decode(create.clone(), ACCOUNT).await.unwrap();
    let accounts = decode(ListAccounts::new(), ACCOUNTS).await.unwrap();
    let access = decode(GetIpAccess::new(), IP_ACCESS).await.unwrap();
    assert_eq!(access.ims_org(), Some("0123456789ABCDEF@AdobeOrg"));
    let echo = r#"{"message":"canary-credential is too short","statusCode":400}"#;
    let script = ScriptedTransport::default();
    script.respond(400, echo);
    let client =
        adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev").transport(script).build();
    let refused = client.unwrap().send(create.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("REDACTED is too short"), "{refused}");
    let request = create.to_request(&adobe::BASE_URL.parse().unwrap()).unwrap();
    for printed in [
        format!("{answer:?} {:#?}", *answer),
        format!("{error:?} {error} {}", error.report()),
        format!("{refused:?} {refused} {}", refused.report()),
        format!("{create:?} {request:?} {account:?} {accounts:?}"),
        format!("{access:?}").replace("0123456789ABCDEF@AdobeOrg", "canary-org"),
    ] {
        assert!(!printed.contains("canary") && !printed.contains("54327"), "{printed}");
    }
}

/// Only what tells a thing apart may be missed.
#[tokio::test]
async fn members_may_be_missing_null_new_or_of_another_type() {
    let client = || adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev");
    let rules = Rules { required: &["/id"], typed: &[], kept: &["/_links"] };
    let lists = |typed| Rules { typed, kept: &["/_links", "/_page/next"], ..rules };
    mutations::check(client, ListRuns::new("s"), RUNS, lists(&["/runsSchedules"])).await;
    mutations::check(client, GetRun::new("s", "r"), RUN, rules).await;
    mutations::check(client, ListSchedules::new(), SCHEDULES, lists(&["/schedules"])).await;
    mutations::check(client, ListQueries::new(), QUERIES, lists(&["/queries"])).await;
    mutations::check(client, ListTemplates::new(), TEMPLATES, lists(&["/templates"])).await;
    // A switch or a list of people.
    let kept = &["/_links", "/emailNotifications", "/inContextNotification"];
    let alerts = Rules { required: &["/assetId"], kept, ..lists(&["/alerts", "/items"]) };
    mutations::check(client, ListAssetAlerts::new("a"), ASSET_ALERTS, alerts).await;
    mutations::check(client, ListAlerts::of_user("a@example.com"), USER_ALERTS, alerts).await;
    let accelerated = RunAcceleratedQuery::sql("d", "SELECT 1");
    // A row may come without a list, and cells may be anything.
    let rows = Rules { kept: &["/results"], ..lists(&["/results", "/results/*"]) };
    mutations::check(client, accelerated, ACCELERATED, rows).await;
    mutations::check(client, GetConnectionParameters::new(), CONNECTION, rules).await;
    let allowed = Rules {
        required: &["/ipRange"],
        typed: &["/allowedIpRanges", "/allowedIpRanges/*"],
        kept: &["/deletedIpRanges"],
    };
    mutations::check(client, GetIpAccess::new(), IP_ACCESS, allowed).await;
    let deleted = Rules {
        typed: &["/deletedIpRanges", "/deletedIpRanges/*"],
        kept: &["/allowedIpRanges"],
        ..allowed
    };
    mutations::check(client, DeleteIpAccess::new(), IP_ACCESS, deleted).await;
    let accounts = Rules { required: &["/technicalAccountId"], ..lists(&["/accounts"]) };
    mutations::check(client, ListAccounts::new(), ACCOUNTS, accounts).await;
    let all = Rules::default();
    let accepted = r#"{"message":"accepted","statusCode":202}"#;
    mutations::check(client, TriggerRun::new("s"), accepted, all).await;
    let count = r#"{"totalCount":7,"version":1}"#;
    mutations::check(client, CountTemplates::new(), count, all).await;
    let allowed = r#"{"isAllowed":true}"#;
    mutations::check(client, ValidateIpAccess::new("192.0.2.9"), allowed, all).await;
    mutations::check(client, DeleteAccount::new("a"), r#"{"result":"Success"}"#, all).await;
}

#[tokio::test]
async fn states_the_vendor_invents_are_kept() {
    let run =
        decode(GetRun::new("s", "r"), r#"{"id":"x","state":"Quarantined","taskStatusList":null}"#)
            .await
            .unwrap();
    assert_eq!(run.state.as_ref().unwrap().as_str(), "Quarantined");
    assert!(run.tasks.is_empty());
    let schedule = decode(GetSchedule::new("s"), r#"{"id":"x","state":"DELETED"}"#).await.unwrap();
    assert_eq!(schedule.state.as_ref().unwrap().as_str(), "DELETED");
    let query =
        decode(GetQuery::new("q"), r#"{"id":"x","state":"PAUSED","errors":[]}"#).await.unwrap();
    assert!(!query.state.as_ref().unwrap().is_terminal());
}

#[tokio::test]
async fn an_answer_nobody_can_read_leaves_a_trigger_in_doubt_and_a_read_not() {
    for (body, kind) in [
        ("[]", ErrorKind::Decode),
        ("7", ErrorKind::Decode),
        ("<html>please log in</html>", ErrorKind::UnexpectedContent),
    ] {
        let error = decode(TriggerRun::new("s"), body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, true), "{body:?}");
        assert_eq!(error.status().unwrap().as_u16(), 200);
        assert!(!error.to_string().contains("log in"));
        let error = decode(GetRun::new("s", "r"), body).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_run()), (kind, false), "{body:?}");
    }
}

#[tokio::test]
async fn an_acknowledgement_is_read_with_its_status_in_either_form() {
    for body in [r#"{"message":"ok","statusCode":202}"#, r#"{"message":"ok","statusCode":"202"}"#] {
        assert_eq!(decode(TriggerRun::new("s"), body).await.unwrap().status_code, Some(202));
    }
}

/// A vendor that renames the list must not look like one without runs.
#[tokio::test]
async fn items_that_are_counted_and_not_found_are_an_error() {
    for list in [r#""jobs":[{"id":"r"}]"#, r#""runsSchedules":null"#] {
        let body = format!(r#"{{{list},"_page":{{"count":1}}}}"#);
        let error = decode(ListRuns::new("s"), &body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        assert!(error.to_string().contains("counts 1, but has none"), "{error}");
        let empty = body.replace(":1}", ":0}");
        assert!(decode(ListRuns::new("s"), &empty).await.unwrap().items.is_empty(), "{empty}");
    }
    let none = decode(ListRuns::new("s"), r#"{"runsSchedules":["r","s"]}"#).await.unwrap_err();
    assert_eq!((none.kind(), none.decode_path()), (ErrorKind::Decode, Some("runsSchedules")));
    let one = decode(ListRuns::new("s"), r#"{"runsSchedules":["r",{"id":"s"}]}"#).await.unwrap();
    assert_eq!(one.items.len(), 1);
}

/// A list that cannot be continued is not at its end.
#[tokio::test]
async fn a_next_page_that_cannot_be_read_is_an_error() {
    for (more, kind) in [
        (r#""_links":{"next":7}"#, ErrorKind::Pagination),
        (r#""_links":{"next":{"url":"x"}}"#, ErrorKind::Pagination),
        (r#""_page":{"next":{}}"#, ErrorKind::Decode),
    ] {
        let body = format!(r#"{{"runsSchedules":[{{"id":"r"}}],{more}}}"#);
        assert_eq!(decode(ListRuns::new("s"), &body).await.unwrap_err().kind(), kind, "{body}");
    }
    let last = r#"{"runsSchedules":[{"id":"r"}],"_links":{"next":null},"_page":{"next":""}}"#;
    assert!(decode(ListRuns::new("s"), last).await.unwrap().next.is_none());
    let body = r#"{"runsSchedules":[{"id":"r"}],"_page":{"next":1578523458919.0}}"#;
    let next = decode(ListRuns::new("s"), body).await.unwrap().next.clone();
    assert_eq!(next.as_ref().unwrap().as_str(), "start=1578523458919");
}
