//! What clients report of responses that hold more than this version knows: nothing of what is documented, and all of what
//! is new.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]

use crate::drifts;

use std::collections::BTreeSet;
use std::path::Path;

use scheduled_runs::client::{Api, ClientBuilder, Endpoint};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{adobe, arcgis, foundry, mode, supermetrics};

/// Fixtures that hold something new, or something of another operation, on purpose.
const NEW: [(&str, &[&str]); 6] = [
    ("alerts_of_asset", &["adobe.alerts.list_of_asset: unknown value \"delay\" of AlertType"]),
    (
        "connection_parameters",
        &[
            "adobe.connection_parameters.get: unknown member /expires",
            "adobe.connection_parameters.get: unknown member /region",
        ],
    ),
    (
        "ip_access",
        &[
            "adobe.ip_access.get: unknown member /deletedIpRanges",
            "adobe.ip_access.get: unknown member /isAllowed",
        ],
    ),
    ("queries_list", &["adobe.queries.list: unknown value \"LUNAR_ERROR\" of ErrorType"]),
    (
        "schedule",
        &["foundry.schedules.get: unknown or unreadable variant \"tideTurned\" of Trigger"],
    ),
    ("spaces", &["mode.spaces.list: unknown value \"lunar\" of SpaceType"]),
];

/// Fixtures of one vendor, and those of them that were used.
struct Fixtures<A: Api> {
    client: fn() -> ClientBuilder<A>,
    vendor: String,
    seen: BTreeSet<String>,
}

impl<A: Api> Fixtures<A> {
    fn new(client: fn() -> ClientBuilder<A>) -> Self {
        Self { client, vendor: A::VENDOR.to_string(), seen: BTreeSet::new() }
    }

    /// Of the fixture as it is, nothing is reported; an added member is reported wherever a type is read; and the texts at
    /// these places are enums of these types, or the names of variants of these unions.
    async fn hold<E: Endpoint<Api = A> + Clone>(&mut self, name: &str, request: E, types: &[&str]) {
        let body = std::fs::read_to_string(self.folder().join(format!("{name}.json"))).unwrap();
        let reported = drifts::of(self.client, &request, &body).await;
        let new: Vec<_> = reported.unchanged.iter().map(ToString::to_string).collect();
        let expected = NEW.iter().find(|(known, _)| *known == name);
        assert_eq!(new, expected.map_or(&[][..], |(_, new)| new), "{name}");
        reported.check(E::OPERATION);
        let types: BTreeSet<_> = types.iter().map(|place| (*place).to_owned()).collect();
        assert_eq!(reported.types, types, "{name}");
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
async fn adobes_responses_report_only_what_is_new() {
    use adobe::*;

    let mut all = Fixtures::new(|| Client::builder().org_id("1@AdobeOrg").sandbox("dev"));
    all.hold("runs_list", ListRuns::new("s"), &["/runsSchedules/*/state: RunState"]).await;
    all.hold(
        "run_detail",
        GetRun::new("s", "r"),
        &["/state: RunState", "/taskStatusList/*/state: TaskState"],
    )
    .await;
    all.hold("schedules_list", ListSchedules::new(), &["/schedules/*/state: ScheduleState"]).await;
    all.hold(
        "queries_list",
        ListQueries::new(),
        &["/queries/*/errors/*/errorType: ErrorType", "/queries/*/state: QueryState"],
    )
    .await;
    all.hold("templates_list", ListTemplates::new(), &[]).await;
    all.hold(
        "alerts_of_asset",
        ListAssetAlerts::new("a"),
        &["/alerts/*/alertType: AlertType", "/alerts/*/status: AlertStatus"],
    )
    .await;
    all.hold(
        "alerts_of_user",
        ListAlerts::of_user("ann@example.com"),
        &["/items/*/alertType: AlertType", "/items/*/status: AlertStatus"],
    )
    .await;
    all.hold("accelerated_result", RunAcceleratedQuery::sql("d", "SELECT 1"), &[]).await;
    all.hold("connection_parameters", GetConnectionParameters::new(), &[]).await;
    all.hold("ip_access", GetIpAccess::new(), &[]).await;
    all.hold("accounts_list", ListAccounts::new(), &[]).await;
    all.are_all_seen();
}

#[tokio::test]
async fn arcgis_responses_report_only_what_is_new() {
    use arcgis::*;

    let mut all = Fixtures::new(|| Client::builder().base_url("https://gis.example.com/portal"));
    all.hold(
        "tasks",
        ListTasks::new(),
        &["/result/*/taskState: TaskState", "/result/*/taskType: TaskType"],
    )
    .await;
    all.hold(
        "task_runs",
        ListTaskRuns::new("t"),
        &[
            "/result/*/status: RunStatus",
            "/result/*/task/taskState: TaskState",
            "/result/*/task/taskType: TaskType",
        ],
    )
    .await;
    all.hold(
        "task_run_failed",
        GetTaskRun::new("t", "r"),
        &["/status: RunStatus", "/task/taskType: TaskType"],
    )
    .await;
    all.hold(
        "user_tasks",
        ListUserTasks::new("u"),
        &["/tasks/*/taskState: TaskState", "/tasks/*/type: UserTaskType"],
    )
    .await;
    all.hold(
        "user_task_runs",
        ListUserTaskRuns::new("u", "t"),
        &["/runs/*/status: RunStatus", "/runs/*/task/type: UserTaskType"],
    )
    .await;
    let job = ["/status: NotebookJobStatus", "/type: NotebookJobType"];
    all.hold("notebook_job", GetNotebookJob::new("j"), &job).await;
    all.hold("notebook_job_of_run", GetNotebookJob::new("j"), &job).await;
    all.hold(
        "notebook_jobs",
        ListNotebookJobs::new(),
        &["/asyncJobs/*/status: NotebookJobStatus", "/asyncJobs/*/type: NotebookJobType"],
    )
    .await;
    all.hold(
        "notebook_job_rows",
        ListNotebookJobs::new(),
        &[
            "/asyncNotebookJobs/*/name: NotebookJobType",
            "/asyncNotebookJobs/*/status: NotebookJobStatus",
        ],
    )
    .await;
    all.hold("notebook_started", ExecuteNotebook::new("n"), &[]).await;
    all.hold("portal", GetPortal::new(), &["/portalDeploymentType: DeploymentType"]).await;
    all.hold("info", GetInfo::new(), &[]).await;
    all.are_all_seen();
}

#[tokio::test]
async fn foundrys_responses_report_only_what_is_new() {
    use foundry::*;

    const RID: &str = "ri.scheduler.main.schedule.1";
    let mut all = Fixtures::new(|| Client::builder().hostname("example.palantirfoundry.com"));
    all.hold(
        "schedule_runs_list",
        ListScheduleRuns::new(RID),
        &[
            "/data/*/result/errorName: ScheduleRunErrorName",
            "/data/*/result/type: ScheduleRunResult",
        ],
    )
    .await;
    all.hold(
        "schedule",
        GetSchedule::new(RID),
        &[
            "/action/retryBackoffDuration/unit: TimeUnit",
            "/action/target/type: BuildTarget",
            "/scopeMode/type: ScopeMode",
            "/trigger/triggers/*/triggers/*/type: Trigger",
            "/trigger/triggers/*/type: Trigger",
            "/trigger/type: Trigger",
        ],
    )
    .await;
    all.hold(
        "builds_batch",
        GetBuilds::new([RID]),
        &["/data/*/retryBackoffDuration/unit: TimeUnit", "/data/*/status: BuildStatus"],
    )
    .await;
    all.hold(
        "jobs_list",
        ListBuildJobs::new(RID),
        &["/data/*/jobStatus: JobStatus", "/data/*/outputs/*/type: JobOutput"],
    )
    .await;
    all.are_all_seen();
}

#[tokio::test]
async fn modes_responses_report_only_what_is_new() {
    use mode::*;

    let mut all = Fixtures::new(|| Client::builder().workspace("acme"));
    all.hold(
        "report_runs",
        ListReportRuns::new("r"),
        &[
            "/_embedded/report_runs/*/python_state: PythonState",
            "/_embedded/report_runs/*/state: RunState",
        ],
    )
    .await;
    all.hold("query_run", GetQueryRun::new("r", "n", "q"), &["/state: RunState"]).await;
    all.hold("reports", ListSpaceReports::new("s"), &["/_embedded/reports/*/type: ReportType"])
        .await;
    all.hold("queries", ListQueries::new("r"), &[]).await;
    all.hold(
        "schedules",
        ListSchedules::new("r"),
        &[
            "/_embedded/report_schedules/*/frequency: Frequency",
            "/_embedded/report_schedules/*/report_type: ReportType",
        ],
    )
    .await;
    all.hold("subscriptions", ListSubscriptions::new("r"), &[]).await;
    all.hold(
        "schedules",
        ListDatasetSchedules::new("d"),
        &[
            "/_embedded/report_schedules/*/frequency: Frequency",
            "/_embedded/report_schedules/*/report_type: ReportType",
        ],
    )
    .await;
    all.hold("data_sources", ListDataSources::new(), &[]).await;
    all.hold("spaces", ListSpaces::new(), &["/_embedded/spaces/*/space_type: SpaceType"]).await;
    all.hold(
        "dataset_runs",
        ListDatasetRuns::new("d"),
        &["/_embedded/dataset_runs/*/state: RunState"],
    )
    .await;
    all.hold("pdf_export", ExportPdf::new("r", "n"), &["/state: PdfState"]).await;
    all.are_all_seen();
}

#[tokio::test]
async fn supermetrics_responses_report_only_what_is_new() {
    use supermetrics::*;

    let mut all = Fixtures::new(|| Client::builder().clock(ManualClock::new()));
    all.hold("run_going_on", GetQueryStatus::new("x"), &["/meta/status_code: QueryState"]).await;
    all.hold(
        "run_success",
        GetQueryStatus::new("x"),
        &[
            "/meta/query/fields/*/field_split: FieldSplit",
            "/meta/query/fields/*/field_type: FieldType",
            "/meta/status_code: QueryState",
        ],
    )
    .await;
    all.hold(
        "run_split",
        GetQueryStatus::new("x"),
        &[
            "/meta/query/fields/*/field_split: FieldSplit",
            "/meta/query/fields/*/field_type: FieldType",
        ],
    )
    .await;
    all.hold("run_failed", GetQueryStatus::new("x"), &["/meta/status_code: QueryState"]).await;
    all.hold("history", ListHistory::new(), &["/data/*/status_code: QueryState"]).await;
    all.hold("accounts", ListAccounts::new("GA"), &[]).await;
    all.hold(
        "batch",
        GetBatch::new("b"),
        &[
            "/data/query_output_format: Format",
            "/data/split_accounts_policy: SplitPolicy",
            "/data/split_dates_policy: SplitPolicy",
            "/data/status_code: BatchState",
        ],
    )
    .await;
    all.hold(
        "batch_status",
        GetBatchStatus::new("b"),
        &["/data/*/status_code: QueryState", "/meta/status_code: BatchState"],
    )
    .await;
    all.hold("batch_status", ListBatchQueries::new("b"), &["/data/*/status_code: QueryState"])
        .await;
    all.hold("saved_query", GetSavedQuery::new("q"), &[]).await;
    all.are_all_seen();
}

#[tokio::test]
async fn responses_about_transfers_report_only_what_is_new() {
    use supermetrics::transfers::*;

    let definition = || NewTransfer::new("SHP", 12, 4, "Shop to lake");
    let mut all = Fixtures::new(|| Client::builder().team(7));
    all.hold("backfill", GetBackfill::new("b"), &["/data/status: BackfillStatus"]).await;
    all.hold("backfills", ListIncompleteBackfills::new(), &["/data/*/status: BackfillStatus"])
        .await;
    let day = chrono::NaiveDate::default();
    all.hold(
        "runs",
        ListTransferRuns::new("t", day, day),
        &["/data/*/status: RunStatus", "/data/*/type: RunType"],
    )
    .await;
    all.hold(
        "run",
        GetTransferRun::new("r"),
        &["/data/query_details/*/status: RunStatus", "/data/status: RunStatus"],
    )
    .await;
    all.hold("transfers", ListTransfers::new(), &["/data/*/state: TransferState"]).await;
    all.hold("transfer", GetTransfer::new("t"), &["/schedule/*/run_interval: RunInterval"]).await;
    all.hold("changed", CreateTransfer::new(definition()), &[]).await;
    all.hold("state", PauseTransfer::new("t"), &["/state: TransferState"]).await;
    all.hold("validation", ValidateTransfer::new(definition()), &[]).await;
    all.are_all_seen();
}
