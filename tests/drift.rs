//! What clients tell of answers that hold more than this version knows: nothing of what is documented, and all of what is
//! new, with its place.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests may panic")]

mod drifts;

use std::collections::BTreeSet;
use std::path::Path;

use scheduled_runs::client::{Api, ClientBuilder, Endpoint};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{adobe, arcgis, foundry, mode, supermetrics};

/// Fixtures that hold something new, or something of another operation, on purpose.
const NEWS: [(&str, &[&str]); 6] = [
    (
        "alerts_of_asset",
        &["adobe.alerts.list_of_asset: the value \"delay\" at /alerts/1/alertType is not known"],
    ),
    (
        "connection_parameters",
        &[
            "adobe.connection_parameters.get: the member /expires is not known",
            "adobe.connection_parameters.get: the member /region is not known",
        ],
    ),
    (
        "ip_access",
        &[
            "adobe.ip_access.get: the member /deletedIpRanges is not known",
            "adobe.ip_access.get: the member /isAllowed is not known",
        ],
    ),
    (
        "queries_list",
        &[
            "adobe.queries.list: the value \"LUNAR_ERROR\" at /queries/0/errors/1/errorType is not known",
        ],
    ),
    (
        "schedule",
        &[
            "foundry.schedules.get: the value \"tideTurned\" at /trigger/triggers/2/type is not known",
        ],
    ),
    (
        "spaces",
        &["mode.spaces.list: the value \"lunar\" at /_embedded/spaces/1/space_type is not known"],
    ),
];

/// Fixtures of one vendor, and those of them that were looked at.
struct Fixtures<A: Api> {
    client: fn() -> ClientBuilder<A>,
    vendor: String,
    seen: BTreeSet<String>,
}

impl<A: Api> Fixtures<A> {
    fn new(client: fn() -> ClientBuilder<A>) -> Self {
        Self { client, vendor: A::VENDOR.to_string(), seen: BTreeSet::new() }
    }

    /// As it is, nothing of it is told; a member more is told wherever a type is read; and these texts are enums, or the
    /// names of variants.
    async fn hold<E: Endpoint<Api = A> + Clone>(&mut self, name: &str, request: E, enums: &[&str]) {
        let body = std::fs::read_to_string(self.folder().join(format!("{name}.json"))).unwrap();
        let told = drifts::of(self.client, &request, &body).await;
        let news: Vec<_> = told.unchanged.iter().map(ToString::to_string).collect();
        let expected = NEWS.iter().find(|(known, _)| *known == name);
        assert_eq!(news, expected.map_or(&[][..], |(_, news)| news), "{name}");
        told.check(E::OPERATION);
        let enums: BTreeSet<_> = enums.iter().map(|place| (*place).to_owned()).collect();
        assert_eq!(told.enums, enums, "{name}");
        self.seen.insert(name.to_owned());
    }

    fn folder(&self) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(&self.vendor)
    }

    fn are_all_seen(&self) {
        let files = std::fs::read_dir(self.folder()).unwrap();
        let names = files.map(|file| file.unwrap().path().file_stem().unwrap().to_owned());
        let names: BTreeSet<_> = names.map(|name| name.into_string().unwrap()).collect();
        assert_eq!(self.seen, names);
    }
}

#[tokio::test]
async fn adobes_answers_tell_nothing_but_news() {
    use adobe::*;

    let mut all = Fixtures::new(|| Client::builder().org_id("1@AdobeOrg").sandbox("dev"));
    all.hold("runs_list", ListRuns::new("s"), &["/runsSchedules/*/state"]).await;
    all.hold("run_detail", GetRun::new("s", "r"), &["/state", "/taskStatusList/*/state"]).await;
    all.hold("schedules_list", ListSchedules::new(), &["/schedules/*/state"]).await;
    all.hold(
        "queries_list",
        ListQueries::new(),
        &["/queries/*/errors/*/errorType", "/queries/*/state"],
    )
    .await;
    all.hold("templates_list", ListTemplates::new(), &[]).await;
    all.hold(
        "alerts_of_asset",
        ListAssetAlerts::new("a"),
        &["/alerts/*/alertType", "/alerts/*/status"],
    )
    .await;
    all.hold(
        "alerts_of_user",
        ListAlerts::of_user("ann@example.com"),
        &["/items/*/alertType", "/items/*/status"],
    )
    .await;
    all.hold("accelerated_result", RunAcceleratedQuery::sql("d", "SELECT 1"), &[]).await;
    all.hold("connection_parameters", GetConnectionParameters::new(), &[]).await;
    all.hold("ip_access", GetIpAccess::new(), &[]).await;
    all.hold("accounts_list", ListAccounts::new(), &[]).await;
    all.are_all_seen();
}

#[tokio::test]
async fn arcgis_answers_tell_nothing_but_news() {
    use arcgis::*;

    let mut all = Fixtures::new(|| Client::builder().base_url("https://gis.example.com/portal"));
    all.hold("tasks", ListTasks::new(), &["/result/*/taskState", "/result/*/taskType"]).await;
    all.hold(
        "task_runs",
        ListTaskRuns::new("t"),
        &["/result/*/status", "/result/*/task/taskState", "/result/*/task/taskType"],
    )
    .await;
    all.hold("task_run_failed", GetTaskRun::new("t", "r"), &["/status", "/task/taskType"]).await;
    all.hold("user_tasks", ListUserTasks::new("u"), &["/tasks/*/taskState", "/tasks/*/type"]).await;
    all.hold(
        "user_task_runs",
        ListUserTaskRuns::new("u", "t"),
        &["/runs/*/status", "/runs/*/task/type"],
    )
    .await;
    all.hold("portal", GetPortal::new(), &["/portalDeploymentType"]).await;
    all.hold("info", GetInfo::new(), &[]).await;
    all.are_all_seen();
}

#[tokio::test]
async fn foundrys_answers_tell_nothing_but_news() {
    use foundry::*;

    const RID: &str = "ri.scheduler.main.schedule.1";
    let mut all = Fixtures::new(|| Client::builder().hostname("example.palantirfoundry.com"));
    all.hold(
        "schedule_runs_list",
        ListScheduleRuns::new(RID),
        &["/data/*/result/errorName", "/data/*/result/type"],
    )
    .await;
    all.hold(
        "schedule",
        GetSchedule::new(RID),
        &[
            "/action/retryBackoffDuration/unit",
            "/action/target/type",
            "/scopeMode/type",
            "/trigger/triggers/*/triggers/*/type",
            "/trigger/triggers/*/type",
            "/trigger/type",
        ],
    )
    .await;
    all.hold(
        "builds_batch",
        GetBuilds::new([RID]),
        &["/data/*/retryBackoffDuration/unit", "/data/*/status"],
    )
    .await;
    all.hold(
        "jobs_list",
        ListBuildJobs::new(RID),
        &["/data/*/jobStatus", "/data/*/outputs/*/type"],
    )
    .await;
    all.are_all_seen();
}

#[tokio::test]
async fn modes_answers_tell_nothing_but_news() {
    use mode::*;

    let mut all = Fixtures::new(|| Client::builder().workspace("acme"));
    all.hold(
        "report_runs",
        ListReportRuns::new("r"),
        &["/_embedded/report_runs/*/python_state", "/_embedded/report_runs/*/state"],
    )
    .await;
    all.hold("query_run", GetQueryRun::new("r", "n", "q"), &["/state"]).await;
    all.hold("reports", ListSpaceReports::new("s"), &["/_embedded/reports/*/type"]).await;
    all.hold("queries", ListQueries::new("r"), &[]).await;
    all.hold("schedules", ListSchedules::new("r"), &["/_embedded/report_schedules/*/frequency"])
        .await;
    all.hold("data_sources", ListDataSources::new(), &[]).await;
    all.hold("spaces", ListSpaces::new(), &["/_embedded/spaces/*/space_type"]).await;
    all.hold("dataset_runs", ListDatasetRuns::new("d"), &["/_embedded/dataset_runs/*/state"]).await;
    all.hold("pdf_export", ExportPdf::new("r", "n"), &["/state"]).await;
    all.are_all_seen();
}

#[tokio::test]
async fn supermetrics_answers_tell_nothing_but_news() {
    use supermetrics::*;

    let mut all = Fixtures::new(|| Client::builder().clock(ManualClock::new()));
    all.hold("run_going_on", GetQueryStatus::new("x"), &["/meta/status_code"]).await;
    all.hold(
        "run_success",
        GetQueryStatus::new("x"),
        &[
            "/meta/query/fields/*/field_split",
            "/meta/query/fields/*/field_type",
            "/meta/status_code",
        ],
    )
    .await;
    all.hold(
        "run_split",
        GetQueryStatus::new("x"),
        &["/meta/query/fields/*/field_split", "/meta/query/fields/*/field_type"],
    )
    .await;
    all.hold("run_failed", GetQueryStatus::new("x"), &["/meta/status_code"]).await;
    all.hold("history", ListHistory::new(), &["/data/*/status_code"]).await;
    all.hold("accounts", ListAccounts::new("GA"), &[]).await;
    all.hold(
        "batch",
        GetBatch::new("b"),
        &[
            "/data/query_output_format",
            "/data/split_accounts_policy",
            "/data/split_dates_policy",
            "/data/status_code",
        ],
    )
    .await;
    all.hold(
        "batch_status",
        GetBatchStatus::new("b"),
        &["/data/*/status_code", "/meta/status_code"],
    )
    .await;
    all.hold("batch_status", ListBatchQueries::new("b"), &["/data/*/status_code"]).await;
    all.hold("saved_query", GetSavedQuery::new("q"), &[]).await;
    all.are_all_seen();
}
