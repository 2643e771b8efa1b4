//! What all public types promise: they cross threads and can be kept anywhere, and traits that are meant to be objects are.

const fn crosses<T: Send + Sync + Unpin + 'static>() {}

/// For what holds the caller's closures, or an answer under way.
#[cfg(feature = "adobe")]
const fn moves<T: Send + Unpin + 'static>() {}

macro_rules! cross {
    ($($type:ty),+ $(,)?) => { $( crosses::<$type>(); )+ };
}

/// The types of the vendors: each must cross threads, and each that the vendor's module names must stand here.
macro_rules! vendors {
    ($( $vendor:ident $feature:literal { $($name:ident)* } )*) => {$(
        #[cfg(feature = $feature)]
        #[test]
        fn $vendor() {
            cross!($(scheduled_runs::$vendor::$name),*);
            let listed = [$(stringify!($name)),*];
            let source = include_str!(concat!("../../src/", $feature, "/mod.rs"));
            for name in exported(source) {
                assert!(listed.contains(&name), "{name} is public and not in this list");
            }
        }
    )*};
}

/// The types that a module exports from its parts, or declares itself.
fn exported(source: &str) -> impl Iterator<Item = &str> {
    let parts = source.split("\npub use self::").skip(1).filter_map(|rest| rest.split(';').next());
    let own = ["struct ", "enum ", "type "].into_iter().flat_map(move |kind| {
        let declared =
            source.split("\npub ").skip(1).filter_map(move |rest| rest.strip_prefix(kind));
        declared.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next())
    });
    let is_type = |name: &&str| {
        name.starts_with(|c: char| c.is_uppercase()) && name.contains(|c: char| c.is_lowercase())
    };
    parts.flat_map(|part| part.split(|c: char| !c.is_alphanumeric())).chain(own).filter(is_type)
}

vendors! {
    adobe "adobe" {
        AcceleratedResult Accepted AccessToken Account AccountFilter AccountId Adobe Alert
        AlertFilter AlertStatus AlertType AssetId CancelQuery CancelRun Channel Client Column ComputeMetrics
        ConnectionParameters CountTemplates CreateAccount CreateAlert CreateQuery CreateSchedule
        CreateTemplate DatasetRef DecodedRunId DeleteAccount DeleteAlert DeleteIpAccess
        DeleteSchedule DeleteTemplate DeletedAccount DeletedIpAccess DisableAlert DisableSchedule
        EnableAlert EnableSchedule ErrorType EventJournal GetAlert GetConnectionParameters GetIpAccess GetQuery
        GetRun GetSchedule GetTemplate ImsToken IpAccess IpRange IpValidation Journal
        JournalEntries JournalEntry JournalOptions ListAccounts ListAlerts ListAssetAlerts ListQueries ListRuns ListSchedules ListTemplates NewDataset
        Options Query QueryDef QueryError QueryField QueryFilter QueryId QueryState Row Run
        RunAcceleratedQuery RunFilter RunId RunKind RunState Schedule ScheduleFilter ScheduleId
        ScheduleState ServerToServer SetCron SetIpAccess SoftDeleteQuery Subscriptions TargetDataset
        TaskState TaskStatus Template TemplateCount TemplateDef TemplateFilter TemplateId TimeField
        Timetable TriggerRun UpdateAccount UpdateTemplate ValidateIpAccess Webhook WebhookBuilder
    }
    arcgis "arcgis" {
        AppLogin AppToken ArcGis AuthInfo BackupParameters CancelNotebookJob CancelNotebookJobByGet
        Changed Client CreateTask CreateUserTask CronSchedule DeleteNotebookJobs DeleteTask DeleteTaskRun DeleteUserTask DeleteUserTaskRun DeploymentType
        DisableTask DisableUserTask EnableTask EnableUserTask ExecuteNotebook GenerateToken GetInfo
        GetLimits GetNotebookJob GetPortal GetTask GetTaskRun GetUserTask GetUserTaskRun Info Limit LimitName
        ListNotebookJobs ListScheduledTasks ListTaskRuns ListTasks ListUserTaskRuns ListUserTasks
        NotebookAttributes NotebookId NotebookInputs NotebookJob NotebookJobId NotebookJobStatus
        NotebookJobType NotebookResults Options Parameters
        Portal ReadyToken RetentionUnit RunId RunStatus StartedNotebook Task TaskId TaskRun TaskState TaskType Time
        UpdateLimits UpdateTask UpdateTaskRun UpdateUserTask UpdateUserTaskRun UserLogin UserTask
        UserTaskType Username
    }
    foundry "foundry" {
        Action AffectedResources Build BuildRid BuildStatus BuildTarget BuildableRid CancelBuild
        Client ClientCredentials ClientToken CreateBuild CreateSchedule DatasetRid DeleteSchedule
        Direction EqualField Foundry GetAffectedResources GetBuild GetBuilds GetJob GetJobs
        GetSchedule GetScheduleOfVersion GetScheduleVersion GetSchedules Job JobOutput JobRid
        JobStatus ListBuildJobs ListDatasetSchedules ListScheduleRuns MediaSetRid Options
        PauseSchedule Preview ProjectRid ReplaceSchedule RetryBackoff RunSchedule Schedule
        ScheduleRid ScheduleRun ScheduleRunErrorName ScheduleRunResult ScheduleRunRid
        ScheduleVersion ScheduleVersionRid ScopeMode SearchBuilds SearchBuildsFilter TableRid
        TimeField TimeUnit TransactionRid Trigger UnpauseSchedule UserToken
    }
    mode "mode" {
        ApiToken ArchiveReport Client CloneReportRun Content CreateDatasetRun CreateQuery
        CreateReportRun CreateSchedule CreateSubscription Cron DataSource DataSourceToken DatasetRun DatasetRunToken
        DeleteQuery DeleteSchedule DeleteSubscription DownloadPdf DownloadQueryRun DownloadReport DownloadReportRun
        ExportPdf Filter FormField Format Frequency GetDataSource GetDataset GetDatasetRun GetQuery GetQueryRun
        GetQueryRunRows GetReport GetReportRun GetReportRunOptions GetReportRunRows GetSchedule
        GetSpace GetSubscription ListDataSourceReports ListDataSources ListDatasetReports ListDatasetRuns
        ListDatasetSchedules ListQueries ListQueryHistory ListQueryRuns ListReportRuns ListScheduleSubscriptions
        ListSchedules ListSpaceDatasets ListSpaceReports ListSpaces ListSubscriptions
        Mode Options PdfExport PdfState PythonState Query QueryRun QueryRunToken QueryToken
        RefreshReportDatasets Report ReportRun ReportRunToken ReportToken ReportType Row RunState
        Schedule ScheduleToken Space SpaceFilter SpaceToken SpaceType Subscription SubscriptionToken TimeField
        UnarchiveReport UpdateQuery UpdateSchedule UpdateSubscription Verification Verify
    }
    supermetrics "supermetrics" {
        Account Accounts ApiKey Batch BatchEntry BatchId BatchProgress BatchQuery BatchResult
        BatchState BatchStatus CancelBatch Cell Client Column CreateBatch DataSourceInfo Download
        DownloadQuery DownloadSavedQuery Field FieldSplit FieldType Fields File Format GetBatch
        GetBatchStatus GetMe GetQueryStatus GetResults GetSavedQuery HistoryEntry ListAccounts
        ListBatchQueries ListHistory ListResults ListRows Login Offsets Options Query QueryError
        QueryGroup QueryProgress QueryRun QueryState ResolvedQuery ResultInfo Row RunQuery
        RunSavedQuery SavedQuery SavedQueryId ScheduleId SplitInfo SplitPolicy StartQuery
        Supermetrics Texts Workflow
    }
}

#[cfg(feature = "supermetrics")]
#[test]
fn transfers() {
    use scheduled_runs::supermetrics::transfers::*;

    macro_rules! all {
        ($($name:ident)*) => {
            cross!($($name),*);
            let listed = [$(stringify!($name)),*];
            for name in exported(include_str!("../../src/supermetrics/transfers/mod.rs")) {
                assert!(listed.contains(&name), "{name} is public and not in this list");
            }
        };
    }
    all! {
        Backfill BackfillId BackfillStatus CancelBackfill ChangedTransfer Client CreateBackfill
        CreateTransfer DataSource DeleteTransfer FailedDay GetBackfill GetLatestBackfill GetTransfer
        GetTransferRun InvalidField License ListIncompleteBackfills ListTransferRuns ListTransfers
        NewTransfer Options PauseTransfer QueryDetails Recipient RunId RunInterval RunStatus RunType
        Schedule Segment Setting StateChange TimeField Transfer TransferAccount TransferId
        TransferInfo TransferRun TransferRunDetail TransferState Transfers UnpauseTransfer
        UpdateTransfer ValidateTransfer ValidateTransferUpdate Validation
    }
}

/// What a client reads, a service may write: every public type that can be deserialised can be serialised.
#[test]
fn what_can_be_read_can_be_written() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders = [
        "adobe",
        "arcgis",
        "error",
        "foundry",
        "mode",
        "paging",
        "run",
        "supermetrics",
        "supermetrics/transfers",
        "wire",
    ];
    let is_public = |model: &str| model.split("struct ").next().unwrap().ends_with("pub ");
    let mut checked = 0;
    for file in folders.iter().flat_map(|folder| std::fs::read_dir(source.join(folder)).unwrap()) {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let code = std::fs::read_to_string(&path).unwrap();
        let code = code.split("\n#[cfg(test)]").next().unwrap();
        // `model!` writes both for a public type.
        checked += code.split("\nmodel! {").skip(1).filter(|declared| is_public(declared)).count();
        for declared in code.split("\n#[derive(").skip(1) {
            let (derived, rest) = declared.split_once(")]").unwrap();
            let is_type = |line: &&str| line.contains("struct ") || line.contains("enum ");
            let is_prose = |line: &str| line.starts_with(['/', '#', ' ']);
            let mut types = rest.lines().filter(|line| !is_prose(line)).filter(is_type);
            let Some(public) = types.next().and_then(|line| line.strip_prefix("pub ")) else {
                continue;
            };
            let name = public.split(|c: char| !c.is_alphanumeric()).nth(1).unwrap();
            let derived: Vec<_> = derived.split(", ").collect();
            if derived.contains(&"Deserialize") {
                let by_hand = code.contains(&format!("impl Serialize for {name}"));
                assert!(derived.contains(&"Serialize") || by_hand, "{name} in {}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 70, "{checked}");
}

#[test]
fn core_types() {
    use scheduled_runs::client::*;
    use scheduled_runs::error::{Attempt, VendorError};
    use scheduled_runs::run::{
        Capabilities, Failure, FinishedWait, Progress, RecentRuns, Triggered,
    };
    use scheduled_runs::wire::{Drift, DriftKind, RawJson, Unrecognized, hal, patch};
    use scheduled_runs::{
        CancelOutcome, Cursor, Delivery, Error, ErrorKind, Page, Phase, RunRef, RunSnapshot,
        Target, TimeoutPhase,
    };

    cross!(
        Advice,
        RawResponse<'static>,
        ApiRequest,
        Basic,
        Bearer,
        BodyLimits,
        CallLimits,
        CallOptions,
        CredentialContext<'static>,
        FinishedCall<'static>,
        Idempotency,
        Limits,
        LinkPolicy,
        Meta,
        oauth::ClientCredentials,
        oauth::OAuthDialect,
        oauth::TokenUrl,
        PathSegment<'static>,
        Rate,
        Refusal,
        RequestBuilder,
        ReqwestTransport,
        Response<()>,
        RetryPolicy,
        Service,
        SystemClock,
        Token,
        TokenFile,
        TransportError,
        TransportErrorKind,
        Vendor,
        Verdict,
    );
    cross!(Attempt, Delivery, Error, ErrorKind, TimeoutPhase, VendorError);
    cross!(
        CancelOutcome,
        Capabilities,
        Failure,
        FinishedWait<'static>,
        Phase,
        Progress,
        RecentRuns,
        RunRef,
        RunSnapshot,
        Target,
        Triggered,
    );
    cross!(Cursor, Page<()>, Drift, DriftKind, RawJson, Unrecognized);
    cross!(hal::Embedded, hal::Link, hal::Links, patch::Operation, patch::Patch);
    // Made for objects.
    cross!(
        Box<dyn scheduled_runs::RunProvider>,
        Box<dyn Clock>,
        Box<dyn Credential>,
        Box<dyn Dialect>,
        Box<dyn TokenSource>,
        Box<dyn Transport>,
    );
}

#[cfg(feature = "adobe")]
#[test]
fn what_a_client_makes() {
    use scheduled_runs::adobe::{Adobe, Client, ImsToken, ListRuns};
    use scheduled_runs::client::{CachedToken, Call, RawCall, SharedDeadline};
    use scheduled_runs::{ClientBuilder, Items, Pages};

    cross!(
        Client,
        ClientBuilder<Adobe>,
        CachedToken<ImsToken>,
        Call<'static, ListRuns>,
        SharedDeadline<'static, Adobe>,
        RawCall<'static, Adobe>,
    );
    moves::<Pages<ListRuns>>();
    moves::<Items<ListRuns>>();
    moves::<scheduled_runs::run::Trigger<'static, Client>>();
    moves::<scheduled_runs::run::Wait<'static, Client>>();
    moves::<scheduled_runs::run::WaitAll<'static, Client>>();
    moves::<scheduled_runs::run::Runs<'static, Client>>();
}

#[cfg(feature = "testing")]
#[test]
fn fakes() {
    use scheduled_runs::testing::{
        FakeProvider, ManualClock, NewRun, Plan, ScriptedTransport, SeenRequest,
    };
    cross!(FakeProvider, ManualClock, NewRun, Plan, ScriptedTransport, SeenRequest);
    #[cfg(feature = "adobe")]
    {
        use scheduled_runs::testing::adobe::*;
        cross!(FakeAdobe, LinkForm);
    }
    #[cfg(feature = "arcgis")]
    {
        use scheduled_runs::testing::arcgis::*;
        cross!(AdminErrors, Deployment, FakeArcGis, TextDates);
    }
    #[cfg(feature = "foundry")]
    {
        use scheduled_runs::testing::foundry::*;
        cross!(FakeFoundry, UnionForm);
    }
    #[cfg(feature = "mode")]
    {
        use scheduled_runs::testing::mode::*;
        cross!(FakeMode);
    }
    #[cfg(feature = "supermetrics")]
    {
        use scheduled_runs::testing::supermetrics::*;
        cross!(ErrorShape, FakeSupermetrics, FakeTransfers, LastPage, NextLinks, NoData, RowShape);
    }
}
