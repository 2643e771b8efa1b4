//! Adobe's samples.

use http::StatusCode;
use scheduled_runs::adobe::{
    AlertType, CancelQuery, CancelRun, CountTemplates, CreateAccount, CreateAlert, CreateQuery,
    CreateSchedule, CreateTemplate, DeleteAccount, DeleteAlert, DeleteIpAccess, DeleteSchedule,
    DeleteTemplate, DisableSchedule, EnableAlert, GetAlert, GetConnectionParameters, GetIpAccess,
    GetQuery, GetRun, GetSchedule, GetTemplate, IpRange, ListAccounts, ListAlerts, ListAssetAlerts,
    ListQueries, ListRuns, ListSchedules, ListTemplates, QueryDef, RunAcceleratedQuery, SetCron,
    SetIpAccess, TemplateDef, TriggerRun, UpdateAccount, UpdateTemplate,
};
use scheduled_runs::client::Endpoint;
use scheduled_runs::testing::ScriptedTransport;
use scheduled_runs::{ErrorKind, adobe};
use serde_json::Value;

use super::round_trip::Travels;
use super::{reports_only_what_is_new, samples, travels};

#[tokio::test]
async fn every_adobe_sample_decodes_into_its_model() {
    let Some(samples) = samples("adobe") else { return };
    let mut checked = 0;
    for (name, body) in samples {
        if !NOT_COVERED.iter().any(|(prefix, _)| name.starts_with(prefix)) {
            assert!(check(&name, &body).await > 0, "{name} decodes to nothing");
            checked += 1;
        }
    }
    assert!(checked >= 60, "only {checked} samples were checked");
}

/// Samples of what Adobe has switched off.
const NOT_COVERED: [(&str, &str); 1] = [("ims_token_jwt_legacy", "switched off by Adobe in 2025")];

/// How much of what the sample is about was found.
async fn check(name: &str, body: &str) -> usize {
    match name {
        "runs_list" => decodes(ListRuns::new("s"), body, |page| page.items.len()).await,
        "run_get" => decodes(GetRun::new("s", "r"), body, |run| run.tasks.len()).await,
        "run_trigger_202" => {
            decodes(TriggerRun::new("s"), body, |answer| answer.message.iter().len()).await
        }
        "run_cancel_202" => {
            decodes(CancelRun::new("s", "r"), body, |answer| answer.message.iter().len()).await
        }
        "schedules_list" => decodes(ListSchedules::new(), body, |page| page.items.len()).await,
        "schedule_get" => {
            decodes(GetSchedule::new("s"), body, |schedule| schedule.created.iter().len()).await
        }
        "schedule_create_202" => {
            decodes(create_schedule(), body, |schedule| schedule.state.iter().len()).await
        }
        "schedule_patch_202" => {
            decodes(DisableSchedule::new("s"), body, |answer| answer.message.iter().len()).await
        }
        "schedule_delete_202" => {
            decodes(DeleteSchedule::new("s"), body, |answer| answer.message.iter().len()).await
        }
        "queries_list" => decodes(ListQueries::new(), body, |page| page.items.len()).await,
        "query_create_202" => {
            decodes(CreateQuery::new(query()), body, |query| query.state.iter().len()).await
        }
        "query_get_with_errors_repaired" => {
            decodes(GetQuery::new("q"), body, |query| query.errors.len()).await
        }
        "query_cancel_202" => {
            decodes(CancelQuery::new("q"), body, |answer| answer.message.iter().len()).await
        }
        "request_run_cancel" => sends(&CancelRun::new("s", "r"), body),
        "request_schedule_create" => sends(&create_schedule(), body),
        "request_schedule_patch_cron" => sends(&SetCron::new("s", "45 * * * *"), body),
        "request_schedule_patch_state" => sends(&DisableSchedule::new("s"), body),
        "request_query_create" => sends(&CreateQuery::new(query()), body),
        "ims_token_oauth_s2s_200" => token(body).await,
        error if error.contains("error_") => fails(error, body).await,
        other => check_besides(other, body).await,
    }
}

/// Of what belongs to queries and schedules.
async fn check_besides(name: &str, body: &str) -> usize {
    match name {
        "query_templates_list" => {
            decodes(ListTemplates::new(), body, |page| {
                page.items.iter().filter(|template| template.created.is_some()).count()
            })
            .await
        }
        "query_template_create_202" => {
            decodes(CreateTemplate::new(template()), body, |made| made.sql.iter().len()).await
        }
        "query_template_get" => {
            decodes(GetTemplate::new("t"), body, |template| template.updated.iter().len()).await
        }
        "query_template_update_202" => {
            let update = UpdateTemplate::new("t", template());
            decodes(update, body, |template| template.last_updated_by.iter().len()).await
        }
        "query_template_delete_202" => {
            decodes(DeleteTemplate::new("t"), body, |answer| answer.message.iter().len()).await
        }
        "spec_query_templates_count_200" => {
            decodes(CountTemplates::new(), body, |count| count.total_count.iter().len()).await
        }
        "alert_subscriptions_list_repaired" => {
            decodes(ListAlerts::new(), body, |page| {
                page.items.iter().filter(|alert| alert.id().is_some()).count()
                    * page.next.iter().len()
            })
            .await
        }
        "alert_subscriptions_by_user" => {
            decodes(ListAlerts::of_user("a@example.com"), body, |page| {
                page.items.iter().filter(|alert| alert.id().is_some()).count()
                    * page.next.iter().len()
            })
            .await
        }
        "alert_subscriptions_by_asset" => {
            decodes(ListAssetAlerts::new("q"), body, |alerts| subscribed(alerts)).await
        }
        "alert_subscriptions_by_asset_and_type" => {
            decodes(GetAlert::new("q", AlertType::Success), body, |alerts| subscribed(alerts)).await
        }
        "alert_subscription_create" => {
            let create = create_alert("q", &["a@example.com"]);
            decodes(create, body, |alert| subscribed(std::slice::from_ref(alert))).await
        }
        "alert_subscription_patch_200" => {
            let enable = EnableAlert::new("q", AlertType::Start);
            decodes(enable, body, |alert| alert.status.iter().len()).await
        }
        "alert_subscription_delete_200" | "spec_alert_deleted_200" => {
            let delete = DeleteAlert::new("q", AlertType::Success);
            decodes(delete, body, |answer| answer.status_code.iter().len()).await
        }
        "accelerated_query_200_repaired" => {
            let run = RunAcceleratedQuery::sql("a:b:c", "SELECT 1");
            decodes(run, body, |result| result.rows.len() * result.columns.len()).await
        }
        "spec_accelerated_query_sql_200" | "spec_accelerated_query_template_200" => {
            let run = RunAcceleratedQuery::template("a:b:c", "t");
            decodes(run, body, |result| result.rows.len() * result.columns.len()).await
        }
        "connection_parameters" => {
            decodes(GetConnectionParameters::new(), body, |parameters| {
                parameters.token().iter().len() * parameters.websocket_host().iter().len()
            })
            .await
        }
        "ip_access_get_200" => {
            decodes(GetIpAccess::new(), body, |access| access.allowed_ip_ranges.len()).await
        }
        "ip_access_put_200" => {
            let set = SetIpAccess::new([IpRange::new("192.0.2.1")]);
            decodes(set, body, |access| access.allowed_ip_ranges.len()).await
        }
        "ip_access_delete_200" => {
            decodes(DeleteIpAccess::new(), body, |access| access.deleted_ip_ranges.len()).await
        }
        "accounts_list_200" => {
            decodes(ListAccounts::new(), body, |page| page.items.len() * page.next.iter().len())
                .await
        }
        "accounts_create_200" => {
            let create = CreateAccount::new("a", "a@example.com");
            decodes(create, body, |account| account.credential().iter().len()).await
        }
        "accounts_update_200" => {
            let update = UpdateAccount::new("a").name("b");
            decodes(update, body, |account| account.last_updated.iter().len()).await
        }
        "accounts_delete_200" => {
            decodes(DeleteAccount::new("a"), body, |answer| answer.result.iter().len()).await
        }
        "request_alert_subscription_create" => creates_alert(body),
        "request_alert_subscription_patch" => sends(&EnableAlert::new("q", AlertType::Start), body),
        other => panic!("{other} has no model here: add one, or list it with a reason"),
    }
}

fn query() -> QueryDef {
    QueryDef::sql("prod:all", "SELECT * FROM accounts;")
        .name("Sample Query")
        .description("Sample Description")
}

fn create_schedule() -> CreateSchedule {
    let query =
        query().name("Sample Scheduled Query").description("A sample of a scheduled query.");
    let start = chrono::DateTime::parse_from_rfc3339("2020-01-08T12:30:00Z").unwrap();
    CreateSchedule::new(query, "30 * * * *", start.to_utc())
}

fn template() -> TemplateDef {
    TemplateDef::new("daily", "SELECT 1")
}

fn create_alert(asset: &str, emails: &[&str]) -> CreateAlert {
    CreateAlert::new(asset, AlertType::Failure, emails.iter().copied())
}

/// The asset and the addresses of the request's sample.
fn creates_alert(body: &str) -> usize {
    let sample: Value = serde_json::from_str(body).unwrap();
    let emails = sample["subscriptions"]["emailIds"].as_array().unwrap().iter();
    let emails: Vec<&str> = emails.map(|email| email.as_str().unwrap()).collect();
    sends(&create_alert(sample["assetId"].as_str().unwrap(), &emails), body)
}

/// Alerts that say in both ways whom they notify.
fn subscribed(alerts: &[adobe::Alert]) -> usize {
    let both = alerts.iter().filter_map(|alert| alert.subscriptions.as_ref()).filter(|people| {
        people.email_notifications.is_some() && people.in_context_notifications.is_some()
    });
    both.count()
}

fn client(script: &ScriptedTransport) -> adobe::Client {
    let builder =
        adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev").transport(script.clone());
    builder.build().unwrap()
}

/// The sample decodes.
async fn decodes<E: Endpoint<Api = adobe::Adobe> + Clone>(
    request: E,
    body: &str,
    found: impl Fn(&E::Output) -> usize,
) -> usize
where
    E::Output: Travels,
{
    reports_only_what_is_new(
        || adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev"),
        &request,
        body,
    )
    .await;
    let script = ScriptedTransport::default();
    script.respond(200, body.to_owned());
    match client(&script).send(request).await {
        Ok(answer) => {
            travels(E::OPERATION, &*answer, body);
            found(&answer)
        }
        Err(error) => panic!("{}", error.report()),
    }
}

/// The request's body is the sample.
fn sends<E: Endpoint>(request: &E, body: &str) -> usize {
    let request = request.to_request(&adobe::BASE_URL.parse().unwrap()).unwrap();
    let sent: Value = serde_json::from_str(str::from_utf8(request.body()).unwrap()).unwrap();
    assert_eq!(sent, serde_json::from_str::<Value>(body).unwrap(), "{}", E::OPERATION);
    1
}

/// The error body is read, whatever its shape.
async fn fails(name: &str, body: &str) -> usize {
    let status = name.split('_').find_map(|part| part.parse::<u16>().ok()).unwrap_or(400);
    let script = ScriptedTransport::default();
    for _ in 0..3 {
        script.respond(status, body.to_owned());
    }
    let clock = scheduled_runs::testing::ManualClock::new();
    let builder =
        adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev").transport(script.clone());
    let client = builder.clock(clock).build().unwrap();
    let error = client.send(GetSchedule::new("s")).await.unwrap_err();
    assert_eq!(error.status(), StatusCode::from_u16(status).ok());
    let said = error.vendor_error().unwrap_or_else(|| panic!("{name}: nothing was read"));
    assert!(said.message.is_some(), "{name}: {said:?}");
    if let Some(code) = serde_json::from_str::<Value>(body).unwrap().get("error_code") {
        assert_eq!(said.code.as_deref(), code.as_str(), "{name}");
    }
    if status == 401 {
        assert_eq!(error.kind(), ErrorKind::Auth);
    }
    1
}

/// The token endpoint's answer makes a credential that is sent.
async fn token(body: &str) -> usize {
    let script = ScriptedTransport::default();
    // The sample's placeholder is no token a header could not carry.
    script.respond(200, body.to_owned());
    script.respond(200, r#"{"id":"s"}"#);
    let credential = adobe::ServerToServer::new("client-id", "client-secret");
    let builder =
        adobe::Client::builder().org_id("1@AdobeOrg").sandbox("dev").transport(script.clone());
    builder.credential(credential).build().unwrap().send(GetSchedule::new("s")).await.unwrap();
    let sent = script.sent();
    let form = str::from_utf8(sent.first().unwrap().body()).unwrap().to_owned();
    assert_eq!(
        form,
        "grant_type=client_credentials&client_id=client-id&client_secret=client-secret\
         &scope=openid%2Csession%2CAdobeID%2Cread_organizations%2Cadditional_info.projectedProductContext"
    );
    assert_eq!(sent.first().unwrap().url().as_str(), adobe::ImsToken::TOKEN_URL);
    let token =
        serde_json::from_str::<Value>(body).unwrap()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(sent.last().unwrap().headers()["authorization"], format!("Bearer {token}"));
    assert_eq!(sent.last().unwrap().headers()["x-api-key"], "client-id");
    assert_eq!(sent.last().unwrap().headers()["x-gw-ims-org-id"], "1@AdobeOrg");
    assert_eq!(sent.last().unwrap().headers()["x-sandbox-name"], "dev");
    sent.len()
}
