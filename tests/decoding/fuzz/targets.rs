//! What inputs are fed to: the requests of each vendor, its lists, and its runs.

use chrono::{DateTime, Utc};
use scheduled_runs::client::{LinkPolicy, PagedEndpoint};
use scheduled_runs::wire::hal::Link;
use scheduled_runs::{CallLimits, Client, Cursor, RunProvider, RunProviderExt, Target};
use scheduled_runs::{adobe, arcgis, foundry, mode, supermetrics, wire};

use super::mutate::{self, CANARY, pick};
use super::{Case, Feed, assert_quiet, fuzz};

/// Sends one of the requests, and prints what comes back, which parses what is kept as it came.
macro_rules! one_of {
    ($case:expr, $client:expr, $($request:expr),+ $(,)?) => {{
        let count = [$(stringify!($request)),+].len();
        let chosen = $case.rng.usize(..count);
        let mut number = 0;
        $(
            if number == chosen {
                if let Some(output) = $case.send($client, $request).await {
                    let _ = format!("{output:?}").len();
                }
            }
            number += 1;
        )+
        let _ = number;
    }};
}

/// Walks one of the lists.
macro_rules! walk_one_of {
    ($case:expr, $client:expr, $($request:expr),+ $(,)?) => {{
        let count = [$(stringify!($request)),+].len();
        let chosen = $case.rng.usize(..count);
        let mut number = 0;
        $(
            if number == chosen {
                walk($client, $request).await;
            }
            number += 1;
        )+
        let _ = number;
    }};
}

async fn walk<E: PagedEndpoint>(client: &Client<E::Api>, request: E) {
    let mut pages = client.pages(request);
    let mut count = 0;
    while let Some(page) = pages.next().await {
        count += 1;
        if let Err(error) = page {
            assert_quiet(&error);
        }
    }
    assert!(count <= 5, "{count} pages of four answers");
}

/// What a provider does with a run.
async fn run(case: &mut Case<'_>, provider: &impl RunProvider, target: &Target) {
    let run = target.run("ri.scheduler.main.run.1");
    let run = if case.rng.bool() { target.run("s-1") } else { run };
    let ended = match case.rng.u8(..7) {
        0 => provider.snapshot(&run).await.map(|run| format!("{run:?}")),
        1 => provider.cancel(&run).await.map(|outcome| format!("{outcome:?}")),
        2 => provider.trigger(target).await.map(|run| format!("{run:?}")),
        3 => provider.trigger(target).verify().await.map(|run| format!("{run:?}")),
        4 => provider.wait(&run).await.map(|run| format!("{run:?}")),
        5 => {
            let page = provider.fetch_page(target, None, &CallLimits::default()).await;
            page.map(|page| format!("{page:?}"))
        }
        _ => provider.trigger_and_wait(target).await.map(|run| format!("{run:?}")),
    };
    if let Err(error) = ended {
        // A run may have any id, and callers need it as it is.
        let last = error.last_snapshot().map(|last| &last.run);
        let mut runs = error.run().into_iter().chain(last).chain(error.candidates());
        if !runs.any(|run| run.id().to_ascii_lowercase().contains("canary")) {
            assert_quiet(&error);
        }
    }
}

fn time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_770_000_000, 0).unwrap()
}

const ADOBE: &[&str] = &[
    include_str!("../../fixtures/adobe/accelerated_result.json"),
    include_str!("../../fixtures/adobe/accounts_list.json"),
    include_str!("../../fixtures/adobe/alerts_of_asset.json"),
    include_str!("../../fixtures/adobe/alerts_of_user.json"),
    include_str!("../../fixtures/adobe/connection_parameters.json"),
    include_str!("../../fixtures/adobe/ip_access.json"),
    include_str!("../../fixtures/adobe/queries_list.json"),
    include_str!("../../fixtures/adobe/run_detail.json"),
    include_str!("../../fixtures/adobe/runs_list.json"),
    include_str!("../../fixtures/adobe/schedules_list.json"),
    include_str!("../../fixtures/adobe/templates_list.json"),
    r#"{"error_code":"401013","message":"Oauth token is not valid"}"#,
    r#"{"type":"/errors/x","status":400,"title":"BadRequest","detail":"no such column","report":{"additionalContext":{"a":[1]}}}"#,
    r#"{"errorMessage":"stale version","statusCode":409}"#,
    r#"{"error":"invalid_client","error_description":"bad secret"}"#,
    r#"{"access_token":"t","token_type":"bearer","expires_in":86399}"#,
    r#"{"message":"accepted","statusCode":202}"#,
    "upstream is away",
    "<html><body>502</body></html>",
    "",
];

#[test]
fn answers_of_adobe() {
    use adobe::*;
    fuzz("adobe", |mut rng| async move {
        let mut case = Case { rng: &mut rng, feed: Feed::default() };
        let builder = Client::builder().org_id("1@AdobeOrg").sandbox("dev");
        let builder = match case.rng.u8(..4) {
            0 => builder.credential(ServerToServer::new("client-id", CANARY)),
            _ => builder.credential(AccessToken::new("the-api-key", CANARY)),
        };
        let client = case.client(builder);
        case.answers(ADOBE);
        let query = || QueryDef::sql("prod", "select 1");
        match case.rng.u8(..5) {
            0 => run(&mut case, &client, &target("s")).await,
            1 => walk_one_of!(
                case,
                &client,
                ListRuns::new("s"),
                ListRuns::new("s").limit(2),
                ListQueries::new(),
                ListSchedules::new(),
                ListTemplates::new(),
                ListAccounts::new(),
                ListAlerts::new(),
            ),
            _ => one_of!(
                case,
                &client,
                ListRuns::new("s"),
                GetRun::new("s", "r"),
                TriggerRun::new("s"),
                CancelRun::new("s", "r"),
                ListQueries::new(),
                GetQuery::new("q"),
                CreateQuery::new(query()),
                CancelQuery::new("q"),
                SoftDeleteQuery::new("q"),
                ListSchedules::new(),
                GetSchedule::new("s"),
                CreateSchedule::new(query(), "30 * * * *", time()),
                EnableSchedule::new("s"),
                DisableSchedule::new("s"),
                SetCron::new("s", "30 * * * *"),
                DeleteSchedule::new("s"),
                ListTemplates::new(),
                CountTemplates::new(),
                GetTemplate::new("t"),
                CreateTemplate::new(TemplateDef::new("t", "select 1")),
                UpdateTemplate::new("t", TemplateDef::new("t", "select 1")),
                DeleteTemplate::new("t"),
                ListAlerts::new(),
                ListAssetAlerts::new("a"),
                GetAlert::new("a", AlertType::Failure),
                EnableAlert::new("a", AlertType::Start),
                DisableAlert::new("a", AlertType::Start),
                DeleteAlert::new("a", AlertType::Success),
                GetIpAccess::new(),
                DeleteIpAccess::new(),
                ValidateIpAccess::new("10.0.0.0/8"),
                ListAccounts::new(),
                CreateAccount::new("a", "a@example.com"),
                UpdateAccount::new("a"),
                DeleteAccount::new("a"),
                GetConnectionParameters::new(),
                RunAcceleratedQuery::sql("prod", "select 1"),
            ),
        }
    });
}

const ARCGIS: &[&str] = &[
    include_str!("../../fixtures/arcgis/info.json"),
    include_str!("../../fixtures/arcgis/notebook_job.json"),
    include_str!("../../fixtures/arcgis/notebook_job_of_run.json"),
    include_str!("../../fixtures/arcgis/notebook_job_rows.json"),
    include_str!("../../fixtures/arcgis/notebook_jobs.json"),
    include_str!("../../fixtures/arcgis/notebook_started.json"),
    include_str!("../../fixtures/arcgis/portal.json"),
    include_str!("../../fixtures/arcgis/task_run_failed.json"),
    include_str!("../../fixtures/arcgis/task_runs.json"),
    include_str!("../../fixtures/arcgis/tasks.json"),
    include_str!("../../fixtures/arcgis/user_task_runs.json"),
    include_str!("../../fixtures/arcgis/user_tasks.json"),
    r#"{"error":{"code":498,"message":"Invalid token.","details":[]}}"#,
    r#"{"error":{"code":403,"messageCode":"GWM_0003","message":"No.","details":["a","b"]}}"#,
    r#"{"error":"invalid_request","error_description":"no client"}"#,
    r#"{"status":"error","messages":["No token.","Get one."],"code":499}"#,
    r#"{"success":"false","error":{"code":500,"message":"no"}}"#,
    r#"{"token":"t","expires":1900000000000,"ssl":true}"#,
    r#"{"access_token":"t","expires_in":7200}"#,
    r#"{"status":"success"}"#,
    r#"{"success":true,"taskId":"t"}"#,
    r#"{"limits":[{"name":"ExecuteNotebooksUserLimit","value":15}]}"#,
    r#"{"runId":"r","startTime":"Apr 22, 2021, 3:00:00 AM","endTime":1634961600000,"result":{"a":"b"}}"#,
    "<html><body>502</body></html>",
    "",
];

#[test]
fn answers_of_arcgis() {
    use arcgis::*;
    fuzz("arcgis", |mut rng| async move {
        let mut case = Case { rng: &mut rng, feed: Feed::default() };
        let builder =
            scheduled_runs::Client::<ArcGis>::builder().base_url("https://gis.example/maps");
        let builder = match case.rng.u8(..4) {
            0 => builder.credential(GenerateToken::new("m.bolton", CANARY)),
            1 => builder.credential(AppToken::new("client-id", CANARY)),
            _ => builder.credential(ReadyToken::new(CANARY)),
        };
        let client = case.client(builder);
        case.answers(ARCGIS);
        let nightly = || CronSchedule::daily(4, 0).unwrap();
        match case.rng.u8(..5) {
            0 => {
                let target = match case.rng.u8(..3) {
                    0 => target("t"),
                    1 => user_target("u", "t"),
                    _ => notebook_target("n"),
                };
                run(&mut case, &client, &target).await;
            }
            1 => walk_one_of!(
                case,
                &client,
                ListTasks::new(),
                ListTaskRuns::new("t"),
                ListUserTasks::new("u"),
                ListScheduledTasks::new(),
                ListUserTaskRuns::new("u", "t"),
            ),
            _ => one_of!(
                case,
                &client,
                ListTasks::new(),
                GetTask::new("t"),
                CreateTask::new("CreateBackup", nightly()),
                UpdateTask::new("t", "CreateBackup", nightly()),
                EnableTask::new("t"),
                DisableTask::new("t"),
                DeleteTask::new("t"),
                ListTaskRuns::new("t"),
                GetTaskRun::new("t", "r"),
                UpdateTaskRun::new("t", "r", RunStatus::Executing),
                DeleteTaskRun::new("t", "r"),
                ListUserTasks::new("u"),
                ListScheduledTasks::new(),
                ExecuteNotebook::new("n"),
                ListNotebookJobs::new(),
                GetNotebookJob::new("j"),
                CancelNotebookJob::new("j"),
                GetUserTask::new("u", "t"),
                CreateUserTask::new("u", "ExecuteReport", nightly()),
                EnableUserTask::new("u", "t"),
                DisableUserTask::new("u", "t"),
                DeleteUserTask::new("u", "t"),
                ListUserTaskRuns::new("u", "t"),
                GetUserTaskRun::new("u", "t", "r"),
                UpdateUserTaskRun::new("u", "t", "r", RunStatus::Executing),
                DeleteUserTaskRun::new("u", "t", "r"),
                GetLimits::new(),
                UpdateLimits::new("ExecuteNotebooksUserLimit", 15),
                GetInfo::new(),
                GetPortal::new(),
            ),
        }
    });
}

const FOUNDRY: &[&str] = &[
    include_str!("../../fixtures/foundry/builds_batch.json"),
    include_str!("../../fixtures/foundry/jobs_list.json"),
    include_str!("../../fixtures/foundry/schedule.json"),
    include_str!("../../fixtures/foundry/schedule_runs_list.json"),
    r#"{"errorCode":"INVALID_ARGUMENT","errorName":"ScheduleAlreadyRunning","errorInstanceId":"i","parameters":{"scheduleRid":"r"}}"#,
    r#"{"error":"invalid_client","error_description":"no such client"}"#,
    r#"{"access_token":"t","token_type":"bearer","expires_in":3600}"#,
    r#"{"rid":"ri.foundry.main.build.1","branchName":"master","createdTime":"2026-02-03T04:00:00Z","status":"RUNNING"}"#,
    r#"{"rid":"ri.scheduler.main.run.1","result":{"type":"submitted","buildRid":"ri.foundry.main.build.1"}}"#,
    r#"{"type":"and","triggers":[{"type":"time","cronExpression":"0 0 * * *","timeZone":"UTC"},{"or":{"triggers":[]}}]}"#,
    r#"{"datasets":["ri.foundry.main.dataset.1"]}"#,
    "<html><body>502</body></html>",
    "",
];

#[test]
fn answers_of_foundry() {
    use foundry::*;
    const RID: &str = "ri.scheduler.main.schedule.1";
    fuzz("foundry", |mut rng| async move {
        let mut case = Case { rng: &mut rng, feed: Feed::default() };
        let builder = Client::builder().hostname("x.palantirfoundry.com").preview(Preview::Always);
        let builder = match case.rng.u8(..4) {
            0 => builder.credential(ClientCredentials::new("client-id", CANARY)),
            1 => builder.credential(ClientCredentials::new("client-id", CANARY).basic_auth()),
            _ => builder.credential(UserToken::new(CANARY)),
        };
        let client = case.client(builder);
        case.answers(FOUNDRY);
        let action = || Action::new(BuildTarget::manual(["ri.foundry.main.dataset.1"]));
        match case.rng.u8(..5) {
            0 => run(&mut case, &client, &target(RID)).await,
            1 => walk_one_of!(
                case,
                &client,
                ListScheduleRuns::new(RID),
                ListBuildJobs::new("ri.foundry.main.build.1"),
                ListDatasetSchedules::new("ri.foundry.main.dataset.1"),
            ),
            _ => one_of!(
                case,
                &client,
                RunSchedule::new(RID),
                ListScheduleRuns::new(RID),
                GetSchedule::new(RID),
                GetSchedules::new([RID]),
                CreateSchedule::new(action()),
                ReplaceSchedule::new(RID, action()),
                DeleteSchedule::new(RID),
                PauseSchedule::new(RID),
                UnpauseSchedule::new(RID),
                GetAffectedResources::new(RID),
                GetScheduleVersion::new(RID),
                GetScheduleOfVersion::new(RID),
                GetBuild::new(RID),
                GetBuilds::new([RID]),
                CreateBuild::new(action()),
                CancelBuild::new(RID),
                GetJob::new(RID),
                GetJobs::new([RID]),
                ListBuildJobs::new(RID),
                ListDatasetSchedules::new(RID),
            ),
        }
    });
}

const MODE: &[&str] = &[
    include_str!("../../fixtures/mode/data_sources.json"),
    include_str!("../../fixtures/mode/dataset_runs.json"),
    include_str!("../../fixtures/mode/pdf_export.json"),
    include_str!("../../fixtures/mode/queries.json"),
    include_str!("../../fixtures/mode/query_run.json"),
    include_str!("../../fixtures/mode/report_runs.json"),
    include_str!("../../fixtures/mode/reports.json"),
    include_str!("../../fixtures/mode/schedules.json"),
    include_str!("../../fixtures/mode/spaces.json"),
    r#"{"id":"x","message":"y","details":{"column":"id"}}"#,
    r#"{"message":{"name":["is too long"]}}"#,
    r#"{"workspace":"initech"}"#,
    r#"[{"region":"emea","orders":3},{}]"#,
    r#"{"_links":{"self":{"href":"/api/x"},"web":[{"href":"https://app.mode.com/x"}],"next":{"href":"/api/x{?page}","templated":true}},"state":"succeeded"}"#,
    "PK\u{3}\u{4}",
    "%PDF-1.7",
    "region,orders\nemea,3\n",
    "<html><body>502</body></html>",
    "",
];

#[test]
fn answers_of_mode() {
    use mode::*;
    fuzz("mode", |mut rng| async move {
        let mut case = Case { rng: &mut rng, feed: Feed::default() };
        let builder = Client::builder().workspace("initech");
        let client = case.client(builder.credential(ApiToken::new("the-token", CANARY)));
        case.answers(MODE);
        match case.rng.u8(..5) {
            0 => run(&mut case, &client, &target("r")).await,
            1 => walk_one_of!(
                case,
                &client,
                ListReportRuns::new("r"),
                ListQueryRuns::new("r", "n"),
                ListQueryHistory::new("r", "q"),
                ListQueries::new("r"),
                ListSchedules::new("r"),
                ListDatasetSchedules::new("d"),
                ListSubscriptions::new("r"),
                ListScheduleSubscriptions::new("r", "s"),
                ListDatasetReports::new("d"),
                ListSpaces::new(),
                ListSpaceReports::new("s"),
                ListSpaceDatasets::new("s"),
                ListDatasetRuns::new("d"),
                ListDataSources::new(),
                ListDataSourceReports::new("d"),
            ),
            2 => links(&mut case, &client).await,
            _ => one_of!(
                case,
                &client,
                Verify::new(),
                ListReportRuns::new("r"),
                GetReportRun::new("r", "n"),
                CreateReportRun::new("r"),
                CloneReportRun::new("r", "n"),
                GetReportRunOptions::new("r", "n"),
                RefreshReportDatasets::new("r", ["d"]),
                GetReport::new("r"),
                ArchiveReport::new("r"),
                UnarchiveReport::new("r"),
                ListQueryRuns::new("r", "n"),
                GetQueryRun::new("r", "n", "q"),
                ListQueries::new("r"),
                GetQuery::new("r", "q"),
                CreateQuery::new("r", 1, "select 1"),
                UpdateQuery::new("r", "q"),
                DeleteQuery::new("r", "q"),
                ListSchedules::new("r"),
                GetSchedule::new("r", "s"),
                CreateSchedule::new("r", Cron::daily(10, 0)),
                DeleteSchedule::new("r", "s"),
                GetSubscription::new("r", "s"),
                CreateSubscription::new("r"),
                UpdateSubscription::new("r", "s"),
                DeleteSubscription::new("r", "s"),
                GetDataset::new("d"),
                ListSpaces::new(),
                GetSpace::new("s"),
                CreateDatasetRun::new("d"),
                GetDatasetRun::new("d", "n"),
                ListDatasetRuns::new("d"),
                ListDataSources::new(),
                GetDataSource::new("d"),
                ExportPdf::new("r", "n"),
                DownloadPdf::new("r", "n"),
                GetQueryRunRows::new("r", "n", "q"),
                GetReportRunRows::new("r", "n"),
                DownloadQueryRun::new("r", "n", "q"),
                DownloadReportRun::new("r", "n"),
                DownloadReport::new("r"),
            ),
        }
    });
}

/// All links of an answer, and where they lead.
async fn links(case: &mut Case<'_>, client: &mode::Client) {
    let Some(run) = case.send(client, mode::GetReportRun::new("r", "n")).await else { return };
    for link in run.links.names().iter().flat_map(|name| run.links.all(name)) {
        if let Err(error) = client.follow::<serde_json::Value>(&link).await {
            assert_quiet(&error);
        }
    }
}

const SUPERMETRICS: &[&str] = &[
    include_str!("../../fixtures/supermetrics/accounts.json"),
    include_str!("../../fixtures/supermetrics/batch.json"),
    include_str!("../../fixtures/supermetrics/batch_status.json"),
    include_str!("../../fixtures/supermetrics/history.json"),
    include_str!("../../fixtures/supermetrics/run_failed.json"),
    include_str!("../../fixtures/supermetrics/run_going_on.json"),
    include_str!("../../fixtures/supermetrics/run_split.json"),
    include_str!("../../fixtures/supermetrics/run_success.json"),
    include_str!("../../fixtures/supermetrics/saved_query.json"),
    r#"{"meta":{"request_id":"r-1"},"error":{"code":"QUERY_ERROR","message":"no","description":"d"}}"#,
    r#"{"type":"https://x/unauthorized","title":"Unauthorized","status":401,"detail":"no","instance":"/1"}"#,
    r#"{"error":"LINK_GONE"}"#,
    r#"{"meta":{"status_code":"SUCCESS","paginate":{"next":"https://api.supermetrics.com/x?json=%7B%22offset_start%22%3A100%7D"}},"data":[["Date"],["a"]]}"#,
    r#"{"data":{"columns":["a"],"rows":[[1],["2"],[null]]},"meta":{"status_code":"SUCCESS"}}"#,
    r#"{"data":[{"a":1},{"a":"2"}],"meta":{"status_code":"SUCCESS"}}"#,
    "a,b\n1,2\n",
    "upstream is away\n",
    "<html><body>502</body></html>",
    "",
];

#[test]
fn answers_of_supermetrics() {
    use supermetrics::*;
    fuzz("supermetrics", |mut rng| async move {
        let mut case = Case { rng: &mut rng, feed: Feed::default() };
        let client = case.client(Client::builder().credential(ApiKey::new(CANARY)));
        case.answers(SUPERMETRICS);
        let query = || Query::new("GA").fields(["date", "sessions"]);
        match case.rng.u8(..6) {
            0 => run(&mut case, &client, &target(&query())).await,
            1 => walk_one_of!(
                case,
                &client,
                ListRows::new("s"),
                ListResults::new("s"),
                ListHistory::new(),
                ListBatchQueries::new("b"),
            ),
            2 => {
                let run = case.send(&client, GetQueryStatus::new("s")).await;
                for row in run.iter().flat_map(QueryRun::rows) {
                    for cell in row.cells() {
                        let _ = (format!("{cell} {cell:?}"), cell.as_f64());
                    }
                    let _ = row.deserialize::<(String, u8, f64)>();
                    let _ = row.deserialize::<Vec<Option<i64>>>();
                    let _ = row.deserialize::<serde_json::Value>();
                }
            }
            _ => one_of!(
                case,
                &client,
                RunQuery::new(query()),
                RunQuery::new(query()).post(),
                StartQuery::new(query()),
                GetQueryStatus::new("s"),
                GetQueryStatus::new("s").no_headers(),
                GetResults::new("s"),
                DownloadQuery::new(query(), Format::Csv),
                ListHistory::new(),
                ListAccounts::new("GA"),
                GetMe::new(),
                GetSavedQuery::new("q"),
                RunSavedQuery::new("q"),
                DownloadSavedQuery::new("q", Format::Csv),
                CreateBatch::new([query()]),
                GetBatch::new("b"),
                GetBatchStatus::new("b"),
                CancelBatch::new("b"),
                ListBatchQueries::new("b"),
            ),
        }
    });
}

#[test]
fn texts_that_stand_for_times_links_and_cursors() {
    let seeds: Vec<&str> = [ADOBE, ARCGIS, FOUNDRY, MODE, SUPERMETRICS].concat();
    let base = url::Url::parse("https://api.example.com/data/query").unwrap();
    fuzz("texts", |mut rng| {
        let answer = mutate::answer(&mut rng, &seeds);
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        for text in text.split('"').chain([text.as_str()]) {
            let _ = wire::time::parse(text);
            let _ = LinkPolicy::query_of(text);
            if let Ok(url) = Link::new(text).resolve(&base) {
                assert_eq!(url.origin(), base.origin(), "{text}");
            }
        }
        std::future::ready(())
    });
}

/// A cursor may come from anywhere: callers store it.
#[test]
fn cursors_that_are_none() {
    fn send<E: PagedEndpoint>(request: &E, cursor: &Cursor) {
        let base = url::Url::parse("https://api.example.com/").unwrap();
        let _ = request.at(cursor).to_request(&base);
    }

    fuzz("cursors", |mut rng| {
        const PARTS: [&str; 20] = [
            "page=",
            "2",
            "&pages=",
            "18446744073709551616",
            "&linked=1",
            "&first=",
            "start=",
            "orderby=",
            "%2Bcreated",
            "%",
            "%zz",
            "&",
            "=",
            "{}",
            "0,100",
            "offset_start",
            ":",
            "-1",
            "ü",
            "\0",
        ];
        let text: String = (0..rng.usize(..8)).map(|_| pick(&mut rng, &PARTS)).collect();
        let cursor = Cursor::new(text);
        send(&adobe::ListRuns::new("s"), &cursor);
        send(&adobe::ListAlerts::new(), &cursor);
        send(&arcgis::ListTasks::new(), &cursor);
        send(&foundry::ListScheduleRuns::new("r"), &cursor);
        send(&mode::ListReportRuns::new("r"), &cursor);
        send(&supermetrics::ListRows::new("s"), &cursor);
        send(&supermetrics::ListResults::new("s"), &cursor);
        send(&supermetrics::ListHistory::new(), &cursor);
        send(&supermetrics::ListBatchQueries::new("b"), &cursor);
        std::future::ready(())
    });
}
