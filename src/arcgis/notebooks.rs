//! Notebooks, and the jobs that execute them: execute; list, get, cancel and delete jobs.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::ArcGis;
use super::fields::{self, RunId, TaskId, Username};
use super::parameters::{self, Parameters};
use super::request::{Changed, dated};
use super::time::{self, Dated, Time};
use crate::client::{Meta, RequestBuilder, json, operation};
use crate::error::{Error, Result};
use crate::paging::Page;
use crate::run::Phase;
use crate::wire::{id, lenient, model, open_enum};

operation! {
    /// Executes a notebook: starts a job.
    ///
    /// It needs the privilege "Create and Edit Notebooks", and a notebook of one's own. An execution makes no run in the history of a
    /// task that executes the same notebook (inferred).
    ///
    /// Source: ArcGIS Notebook Server administration, "Execute Notebook", `POST /admin/notebooks/executeNotebook`, since 10.8;
    /// Enterprise Administrator API, the same path, since 11.4 (Kubernetes).
    ///
    /// ```
    /// use scheduled_runs::arcgis::ExecuteNotebook;
    /// use serde_json::json;
    ///
    /// let request = ExecuteNotebook::new("9f1c3a5e7b0d4286a1c3e5f708192a3b")
    ///     .parameters(json!({ "region": "north", "days": 7 }))
    ///     .update_portal_item(false);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host/portal".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/portal/admin/notebooks/executeNotebook");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    ExecuteNotebook { notebook: NotebookId }
    state {
        update_portal_item: Option<bool>,
        save_injected_parameters: Option<bool>,
        parameters: Option<Parameters>,
    }
    for ArcGis, "arcgis.notebooks.execute", NotIdempotent:
    POST "admin" / "notebooks" / "executeNotebook" -> StartedNotebook,
    with |this, request| this.write(request)
}

impl ExecuteNotebook {
    /// Whether the executed notebook, with its outputs, replaces the item. If not set, it does.
    pub fn update_portal_item(mut self, update: bool) -> Self {
        self.update_portal_item = Some(update);
        self
    }

    /// Values for the notebook: a JSON object. The server adds a cell with them behind the cell that is tagged `parameters`, or at
    /// the beginning.
    pub fn parameters(mut self, parameters: impl Into<Parameters>) -> Self {
        self.parameters = Some(parameters.into());
        self
    }

    /// Whether the cell with the parameters stays in the notebook. If not set, it does not, according to the vendor's own client.
    pub fn save_injected_parameters(mut self, save: bool) -> Self {
        self.save_injected_parameters = Some(save);
        self
    }

    fn write(&self, request: RequestBuilder) -> RequestBuilder {
        let parameters = self.parameters.as_ref().map(Parameters::json);
        let is_object = |json| serde_json::from_str::<Map<String, Value>>(json).is_ok();
        if !parameters.is_none_or(is_object) {
            return request.fail(Error::config("the notebook's parameters must be a JSON object"));
        }
        let flag = |flag: Option<bool>| flag.map(|flag| if flag { "true" } else { "false" });
        let fields = [
            ("itemId", Some(self.notebook.as_str())),
            ("updatePortalItem", flag(self.update_portal_item)),
            ("notebookParameters", parameters),
            ("saveInjectedParameters", flag(self.save_injected_parameters)),
        ];
        request.form(fields.into_iter().filter_map(|(name, value)| Some((name, value?))))
    }
}

operation! {
    /// Lists jobs: executions of notebooks, and notebooks that are open. Administrators see all jobs, others their own.
    ///
    /// The list is one page, without a next one. If its [`total`](Page::total) is greater than the number of jobs, jobs are left out:
    /// set [`num`](Self::num). Kubernetes sends no total.
    ///
    /// Source: ArcGIS Notebook Server administration, "Jobs", `GET /admin/system/jobs`, since 10.7, its parameters since 10.9;
    /// Enterprise Administrator API, `GET /admin/notebooks/jobs`, since 11.4 (Kubernetes).
    ListNotebookJobs {}
    options {
        /// Adds all that [`GetNotebookJob`] says. Without it, a Notebook Server lists jobs without their status, and Kubernetes
        /// without notebook and user.
        ///
        /// Kubernetes has details since 12.1. Inferred: the parameter has the same name there, and is ignored before.
        detail: bool as "detail",
        /// Number of jobs at most. If not set, a Notebook Server sends 100. Inferred: Kubernetes ignores it, and sends all.
        num: u32 as "num",
        /// Lists the jobs that started last first. Inferred: Kubernetes ignores it.
        sort_by_date: bool as "sortByDate",
    }
    for ArcGis, "arcgis.notebook_jobs.list", Safe: GET "admin" / "notebooks" / "jobs" -> Page<NotebookJob>,
    decode jobs
}

operation! {
    /// Gets one job.
    ///
    /// A job that has ended may be gone: some versions remove it then.
    ///
    /// Source: ArcGIS Notebook Server administration, "Job", `GET /admin/system/jobs/{job}`, since 10.7; Enterprise Administrator
    /// API, `GET /admin/notebooks/jobs/{job}`, since 11.4 (Kubernetes).
    GetNotebookJob { job: NotebookJobId }
    for ArcGis, "arcgis.notebook_jobs.get", Safe: GET "admin" / "notebooks" / "jobs" / {job} -> NotebookJob,
    decode dated
}

operation! {
    /// Cancels a job. It may go on for a while.
    ///
    /// Source: ArcGIS Notebook Server administration, "Cancel Job", `/admin/system/jobs/{job}/cancel`, since 10.8.1; Enterprise
    /// Administrator API, `POST /admin/notebooks/jobs/{job}/cancel`, since 11.5 (Kubernetes). The page of Notebook Server documents
    /// a GET, but the vendor's own client sends a POST, and so does this crate; see [`CancelNotebookJobByGet`].
    CancelNotebookJob { job: NotebookJobId }
    for ArcGis, "arcgis.notebook_jobs.cancel", Idempotent:
    POST "admin" / "notebooks" / "jobs" / {job} / "cancel" -> Changed,
    decode json::accepted
}

operation! {
    /// Cancels a job by a GET, as the page of Notebook Server documents it: for a server that refuses the POST of
    /// [`CancelNotebookJob`] with code 405 (inferred).
    ///
    /// Source: ArcGIS Notebook Server administration, "Cancel Job", `GET /admin/system/jobs/{job}/cancel`, since 10.8.1.
    CancelNotebookJobByGet { job: NotebookJobId }
    for ArcGis, "arcgis.notebook_jobs.cancel", Idempotent:
    GET "admin" / "notebooks" / "jobs" / {job} / "cancel" -> Changed,
    decode json::accepted
}

operation! {
    /// Deletes all jobs that have completed or failed; those of other users only if an administrator asks. Only a Notebook Server
    /// has it: see [`notebook_server`](crate::ClientBuilder::notebook_server).
    ///
    /// Source: ArcGIS Notebook Server administration, "Delete All Jobs", `POST /admin/system/jobs/deleteAll`, since 10.9.
    DeleteNotebookJobs {}
    for ArcGis, "arcgis.notebook_jobs.delete", Idempotent:
    POST "admin" / "notebooks" / "jobs" / "deleteAll" -> Changed,
    decode json::accepted
}

id! {
    /// Id of a notebook: that of its item in the portal.
    NotebookId
}

id! {
    /// Id of a job.
    NotebookJobId
}

open_enum! {
    /// Status of a job.
    NotebookJobStatus {
        /// Accepted, not started.
        Submitted = "SUBMITTED",
        /// Running, in the words of Notebook Server.
        Processing = "PROCESSING",
        /// Running, in the words of Kubernetes.
        Executing = "EXECUTING",
        /// Running. Known only from the vendor's own client.
        Partial = "PARTIAL",
        /// Ended; see [`NotebookJob::phase`].
        Completed = "COMPLETED",
        /// Failed.
        Failed = "FAILED",
        /// Cancelled. Known only from the vendor's own client.
        Cancelled = "CANCELLED",
        /// About to fail. Known only from the vendor's own client.
        Failing = "FAILING",
        /// About to be cancelled. Known only from the vendor's own client.
        Cancelling = "CANCELLING",
        /// Another spelling of it.
        Cancel = "CANCEL",
    }
}

impl NotebookJobStatus {
    /// The phase of a job with this status. Source: the docs, and the vendor's own client, which takes any status with the word
    /// "error" for a failure.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Submitted => Phase::Queued,
            // Inferred: of the last three, the end is still to come.
            Self::Processing
            | Self::Executing
            | Self::Partial
            | Self::Failing
            | Self::Cancelling
            | Self::Cancel => Phase::Running,
            Self::Completed => Phase::Succeeded,
            Self::Failed => Phase::Failed,
            Self::Cancelled => Phase::Cancelled,
            Self::Unknown(text) if text.as_str().to_ascii_lowercase().contains("error") => {
                Phase::Failed
            }
            Self::Unknown(_) => Phase::Unknown,
        }
    }

    /// Whether the job has ended. False for an unknown status.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.phase().is_terminal()
    }
}

open_enum! {
    /// What a job does.
    NotebookJobType {
        /// Executes a notebook.
        ExecuteNotebook = "executeNotebook",
        /// Executes a notebook that is published as a web tool.
        ExecuteNotebookAsWebTool = "executeNotebookAsWebTool",
        /// Holds a notebook open that somebody edits.
        OpenNotebook = "openNotebook",
    }
}

model! {
    /// The response to [`ExecuteNotebook`].
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct StartedNotebook {
        /// `success`.
        pub status: Option<Box<str>> as "status" with lenient::text,
        /// The job.
        pub job_id: NotebookJobId as "jobId" required fields::required_id,
        /// The job's URL as the server knows itself: the host may be one that only the deployment can reach (inferred). It is not
        /// called.
        pub job_url: Option<Box<str>> as "jobUrl" with fields::filled,
    }
}

model! {
    /// A job: one execution of a notebook, or a notebook that is open.
    ///
    /// The two deployments send different members, and fewer in a list without [details](ListNotebookJobs::detail).
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct NotebookJob {
        /// Id.
        pub job_id: NotebookJobId as "jobId" required fields::required_id,
        /// What it does; see [`kind`](Self::kind).
        pub r#type: Option<NotebookJobType> as "type",
        /// What it does, in lists of Kubernetes.
        pub name: Option<NotebookJobType>,
        /// Status. A job without one does not count as ended.
        pub status: Option<NotebookJobStatus>,
        /// Whose job it is.
        pub username: Option<Username> as "username" with fields::filled_id,
        /// When it started.
        pub start_time: Option<Time> as "startTime" with time::lenient,
        /// When it ended. A job that has not ended has 0 here, which is read as `None`.
        pub end_time: Option<Time> as "endTime" with time::lenient,
        /// When it was created, in single jobs of Kubernetes.
        pub date_created: Option<Time> as "dateCreated" with time::lenient,
        /// A time in single jobs of Kubernetes. Inferred: that of the last change.
        pub revision: Option<Time> as "revision" with time::lenient,
        /// What it was started with.
        pub inputs: Option<NotebookInputs> as "inputs" with lenient::object,
        /// What happened; of a failed job, the reason.
        pub messages: Vec<Box<str>> as "messages" with lenient::list,
        /// What it made, once it has completed or failed.
        pub results: Option<NotebookResults> as "results" with lenient::object,
        /// More about its state, on Notebook Server.
        pub custom_attributes: Option<NotebookAttributes> as "customAttributes"
            with lenient::object,
        /// Id of the runtime, on Kubernetes.
        pub notebook_runtime_id: Option<Box<str>> as "notebookRuntimeId" with fields::filled,
        /// Name of the runtime.
        pub notebook_runtime_name: Option<Box<str>> as "notebookRuntimeName" with fields::filled,
        /// Version of the runtime.
        pub notebook_runtime_version: Option<Box<str>> as "notebookRuntimeVersion"
            with fields::filled,
    }
}

impl NotebookJob {
    /// What it does.
    #[must_use]
    pub fn kind(&self) -> Option<&NotebookJobType> {
        self.r#type.as_ref().or(self.name.as_ref())
    }

    /// The phase of the job. Inferred: a job that has ended and is marked as cancelled did not succeed, whatever its status.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let phase = self.status.as_ref().map_or(Phase::Unknown, NotebookJobStatus::phase);
        let attributes = self.custom_attributes.as_ref();
        let cancelled = attributes.and_then(|attributes| attributes.is_cancelled) == Some(true);
        if cancelled && phase.is_terminal() { Phase::Cancelled } else { phase }
    }

    /// Whether this is the job of a run of a scheduled task. On Kubernetes, jobs [with details](ListNotebookJobs::detail) name the
    /// run. Inferred: with or without dashes, so these do not count.
    ///
    /// ```no_run
    /// # async fn program(client: scheduled_runs::arcgis::Client) -> scheduled_runs::Result<()> {
    /// use scheduled_runs::arcgis::{ListNotebookJobs, RunId};
    ///
    /// let run = RunId::from("5837e1f7a0934d6eb1f2037c49d8a652");
    /// let jobs = client.send(ListNotebookJobs::new().detail(true)).await?;
    /// if let Some(job) = jobs.items.iter().find(|job| job.is_of_run(&run)) {
    ///     println!("{} {:?}", job.job_id, job.messages);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_of_run(&self, run: &RunId) -> bool {
        let named = self.inputs.as_ref().and_then(|inputs| inputs.run_id.as_ref());
        named.is_some_and(|named| is_same_id(named.as_str(), run.as_str()))
    }

    /// Whether this is a job of a notebook; `None` if the response does not name its notebook.
    pub(super) fn is_of(&self, notebook: &NotebookId) -> Option<bool> {
        let item = self.inputs.as_ref()?.item_id.as_ref()?;
        Some(is_same_id(item.as_str(), notebook.as_str()))
    }
}

/// Ids come with and without dashes.
fn is_same_id(one: &str, other: &str) -> bool {
    fn folded(id: &str) -> impl Iterator<Item = u8> {
        id.bytes().filter(|byte| *byte != b'-').map(|byte| byte.to_ascii_lowercase())
    }
    folded(one).eq(folded(other))
}

model! {
    /// What a job was started with.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct NotebookInputs {
        /// The notebook.
        pub item_id: Option<NotebookId> as "itemId" with fields::filled_id,
        /// Whether the executed notebook replaces the item.
        pub update_portal_item: Option<bool> as "updatePortalItem" with lenient::boolean,
        /// Whether the cell with the parameters stays in the notebook.
        pub save_injected_parameters: Option<bool> as "saveInjectedParameters"
            with lenient::boolean,
        /// Values for the notebook. The server sends them as a text.
        pub notebook_parameters: Option<Parameters> as "notebookParameters"
            with parameters::lenient,
        /// Limit for the execution, on Kubernetes.
        pub execution_timeout_in_minutes: Option<u64> as "executionTimeoutInMinutes"
            with lenient::count,
        /// The scheduled task that started the job, on Kubernetes; `None` for other jobs.
        pub task_id: Option<TaskId> as "taskId" with fields::filled_id,
        /// The run of that task; see [`NotebookJob::is_of_run`].
        pub run_id: Option<RunId> as "runId" with fields::filled_id,
    }
}

model! {
    /// What a job made.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct NotebookResults {
        /// Of an execution: id of its container's record in the configuration store.
        pub container_config_store_id: Option<Box<str>> as "containerConfigStoreId"
            with fields::filled,
        /// Of a notebook that is open: its URL.
        pub notebook_url: Option<Box<str>> as "notebookUrl" with fields::filled,
        /// Of a notebook that is open: its id.
        pub notebook_id: Option<Box<str>> as "notebookId" with fields::filled,
    }
}

model! {
    /// More about the state of a job.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct NotebookAttributes {
        /// Whether somebody has cancelled it.
        pub is_cancelled: Option<bool> as "isCancelled" with lenient::boolean,
    }
}

impl Dated for NotebookJob {
    fn dates(&mut self, each: &mut dyn FnMut(&mut Time)) {
        let Self { start_time, end_time, date_created, revision, .. } = self;
        [start_time, end_time, date_created, revision].into_iter().flatten().for_each(each);
    }
}

model! {
    /// A list of jobs, which each deployment names in its own way, and Kubernetes in another way with details. Required: without it,
    /// it is not known whether there are jobs.
    struct JobList {
        jobs: Vec<NotebookJob> as "asyncJobs" | "asyncNotebookJobs" | "notebookJobs"
            required lenient::items,
        total: Option<u64> as "total" with lenient::count,
    }
}

impl Dated for JobList {
    fn dates(&mut self, each: &mut dyn FnMut(&mut Time)) {
        self.jobs.iter_mut().for_each(|job| job.dates(each));
    }
}

#[inline]
fn jobs(meta: &Meta, body: &Bytes) -> Result<Page<NotebookJob>> {
    let JobList { jobs, total } = dated(meta, body)?;
    json::found(&jobs, total)?;
    let mut page = Page::new(jobs, None);
    page.total = total;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arcgis::dialect::ArcGisDialect;
    use crate::arcgis::tests::{base, request_text};
    use crate::client::{Dialect as _, Endpoint};
    use crate::error::ErrorKind;

    const FORM: &str = "\ncontent-type: application/x-www-form-urlencoded\n\n";

    #[test]
    fn a_notebook_is_executed_with_what_was_set_and_nothing_else() {
        let execute = || ExecuteNotebook::new("n1");
        let path = format!("POST /admin/notebooks/executeNotebook{FORM}");
        assert_eq!(request_text(&execute()), format!("{path}itemId=n1&f=json"));
        let all = execute()
            .parameters(serde_json::json!({ "days": 7 }))
            .update_portal_item(false)
            .save_injected_parameters(true);
        let form = "itemId=n1&updatePortalItem=false&notebookParameters=%7B%22days%22%3A7%7D&saveInjectedParameters=true&f=json";
        assert_eq!(request_text(&all), format!("{path}{form}"));
        let list = execute().parameters(serde_json::json!([7]));
        let error = list.to_request(&base()).unwrap_err();
        assert!(error.to_string().contains("must be a JSON object"), "{error}");
    }

    #[test]
    fn jobs_are_listed_got_and_cancelled() {
        let jobs = "/admin/notebooks/jobs";
        for (text, expected) in [
            (request_text(&ListNotebookJobs::new()), format!("GET {jobs}?f=json")),
            (
                request_text(&ListNotebookJobs::new().detail(true).num(5).sort_by_date(false)),
                format!("GET {jobs}?detail=true&num=5&sortByDate=false&f=json"),
            ),
            (request_text(&GetNotebookJob::new("j/1")), format!("GET {jobs}/j%2F1?f=json")),
            (
                request_text(&CancelNotebookJob::new("j1")),
                format!("POST {jobs}/j1/cancel{FORM}f=json"),
            ),
            (
                request_text(&CancelNotebookJobByGet::new("j1")),
                format!("GET {jobs}/j1/cancel?f=json"),
            ),
        ] {
            assert_eq!(text, expected);
        }
    }

    /// A request as a client of a Notebook Server sends it.
    fn to_server<E: Endpoint>(request: &E) -> String {
        let server = "https://nb.example.com:11443/arcgis";
        let dialect =
            ArcGisDialect { notebook_server: server.parse().ok(), ..ArcGisDialect::default() };
        let mut request = request.to_request(&base()).unwrap();
        dialect.prepare(&mut request).unwrap();
        request.text(server, "")
    }

    #[test]
    fn a_notebook_server_has_the_same_requests_at_other_paths() {
        let jobs = "/admin/system/jobs";
        for (text, expected) in [
            (
                to_server(&ExecuteNotebook::new("n1")),
                format!("POST /admin/notebooks/executeNotebook{FORM}itemId=n1&f=json"),
            ),
            (to_server(&ListNotebookJobs::new().num(5)), format!("GET {jobs}?num=5&f=json")),
            (to_server(&GetNotebookJob::new("j/1")), format!("GET {jobs}/j%2F1?f=json")),
            (
                to_server(&CancelNotebookJob::new("j1")),
                format!("POST {jobs}/j1/cancel{FORM}f=json"),
            ),
            (to_server(&DeleteNotebookJobs::new()), format!("POST {jobs}/deleteAll{FORM}f=json")),
        ] {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn what_only_a_notebook_server_has_is_not_sent_without_one() {
        let portal = base().as_str().to_owned() + "/portaladmin";
        let portal = portal.parse().unwrap();
        for (request, is_sent) in [
            (GetNotebookJob::new("j").to_request(&base()), true),
            (GetNotebookJob::new("j").to_request(&portal), false),
            (DeleteNotebookJobs::new().to_request(&base()), false),
        ] {
            let prepared = ArcGisDialect::default().prepare(&mut request.unwrap());
            let kind = prepared.map_err(|error| error.kind());
            assert_eq!(kind, if is_sent { Ok(()) } else { Err(ErrorKind::Config) });
        }
    }

    #[test]
    fn every_status_has_a_phase_and_a_cancelled_job_did_not_succeed() {
        let job = |status: &str, more: &str| {
            let json = format!(r#"{{"jobId":"j","status":"{status}"{more}}}"#);
            serde_json::from_str::<NotebookJob>(&json).unwrap().phase()
        };
        let cancelled = r#","customAttributes":{"isCancelled":true}"#;
        for (status, phase, if_cancelled) in [
            ("SUBMITTED", Phase::Queued, Phase::Queued),
            ("PROCESSING", Phase::Running, Phase::Running),
            ("executing", Phase::Running, Phase::Running),
            ("PARTIAL", Phase::Running, Phase::Running),
            ("FAILING", Phase::Running, Phase::Running),
            ("CANCELLING", Phase::Running, Phase::Running),
            ("CANCEL", Phase::Running, Phase::Running),
            ("COMPLETED", Phase::Succeeded, Phase::Cancelled),
            ("FAILED", Phase::Failed, Phase::Cancelled),
            ("CANCELLED", Phase::Cancelled, Phase::Cancelled),
            ("Container_Error", Phase::Failed, Phase::Cancelled),
            ("PAUSED", Phase::Unknown, Phase::Unknown),
        ] {
            assert_eq!(job(status, ""), phase, "{status}");
            assert_eq!(job(status, cancelled), if_cancelled, "{status}, cancelled");
        }
        let bare: NotebookJob = serde_json::from_str(r#"{"jobId":7}"#).unwrap();
        assert_eq!((bare.phase(), bare.is_of(&"n".into())), (Phase::Unknown, None));
    }

    #[test]
    fn ids_are_the_same_with_and_without_dashes() {
        let job: NotebookJob =
            serde_json::from_str(r#"{"jobId":"j","inputs":{"itemId":"AB-1","runId":"7-f"}}"#)
                .unwrap();
        assert!(job.is_of_run(&"7F".into()) && !job.is_of_run(&"7".into()));
        assert_eq!([Some(true), Some(false)], ["ab1", "ab2"].map(|id| job.is_of(&id.into())));
        let direct: NotebookJob =
            serde_json::from_str(r#"{"jobId":"j","inputs":{"runId":"","taskId":""}}"#).unwrap();
        assert!(!direct.is_of_run(&"".into()), "an empty id is none");
    }
}
