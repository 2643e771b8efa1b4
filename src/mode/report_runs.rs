//! Runs of a report: list, create, get, clone.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::list::{End, counted, list, order_setters, page_setters};
use super::reports::{Report, ReportToken};
use super::{Mode, id, relations, request};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta};
use crate::error::Result;
use crate::run::Phase;
use crate::wire::hal::{Embedded, Links};
use crate::wire::open_enum;
use crate::wire::{RawJson, json, lenient, time};

list! {
    /// Lists the runs of a report. Ask for an order: the vendor's own is not documented.
    ///
    /// Source: Mode API reference, "Report Runs", `GET /{workspace}/reports/{report}/runs`. Safe to repeat. A
    /// [`filter`](Self::filter) is documented, and has been seen to fail with 500 each time.
    ///
    /// ```
    /// use scheduled_runs::mode::{TimeField, ListReportRuns};
    ///
    /// // The runs that changed last.
    /// let request = ListReportRuns::new("f2lkg3hwjj9a").newest_first().order_by(TimeField::Updated).per_page(4);
    /// ```
    ListReportRuns { report: ReportToken } "The runs of this report."
    GET ["reports", report, "runs"] -> ReportRun, "mode.report_runs.list", End::Empty
}

counted!(ListReportRuns);

impl ListReportRuns {
    page_setters!();
    order_setters!();
}

/// Runs a report now. The answer is the new run, usually in state [`Enqueued`](RunState::Enqueued).
///
/// To wait for its end, give [`RunProviderExt::wait`](crate::RunProviderExt::wait) the run
/// `mode::target(report).run(run.token.as_str())`. A report whose
/// [`manual_run_disabled`](Report::manual_run_disabled) is set refuses it.
///
/// Source: Mode API reference, "Report Runs", `POST /{workspace}/reports/{report}/runs`. Each call starts a run, so it is
/// never sent again once it may have arrived.
///
/// ```
/// use scheduled_runs::mode::CreateReportRun;
///
/// let request = CreateReportRun::new("f2lkg3hwjj9a").parameter("country", "CH").parameter("days", 7);
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "POST");
/// # assert_eq!(sent.url().path(), "/reports/f2lkg3hwjj9a/runs");
/// # assert_eq!(*sent.body(), r#"{"parameters":{"country":"CH","days":7}}"#);
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct CreateReportRun {
    report: ReportToken,
    parameters: BTreeMap<String, Value>,
}

impl CreateReportRun {
    /// A run of this report, with the default values of its parameters.
    pub fn new(report: impl Into<ReportToken>) -> Self {
        Self { report: report.into(), parameters: BTreeMap::new() }
    }

    /// Sets the value of a parameter.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }
}

impl Endpoint for CreateReportRun {
    type Api = Mode;
    type Output = ReportRun;
    const OPERATION: &'static str = "mode.report_runs.create";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        #[derive(Serialize)]
        struct Body<'a> {
            parameters: &'a BTreeMap<String, Value>,
        }
        ApiRequest::of::<Self>(Method::POST, base, &["reports", self.report.as_str(), "runs"])
            .json(&Body { parameters: &self.parameters })
            .finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<ReportRun> {
        json::decode(meta, body)
    }
}

/// Brings the newest runs of datasets into a report that uses them. The answer is a new run of the report.
///
/// Source: Mode API reference, "Report Runs": the same path as [`CreateReportRun`] with another body. Never sent again once
/// it may have arrived.
///
/// ```
/// use scheduled_runs::mode::RefreshReportDatasets;
///
/// let request = RefreshReportDatasets::new("f2lkg3hwjj9a", ["0b1f3c5d7e9a"]);
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "POST");
/// # assert_eq!(sent.url().path(), "/reports/f2lkg3hwjj9a/runs");
/// # assert_eq!(*sent.body(), r#"{"report":{"dataset_tokens":[{"token":"0b1f3c5d7e9a"}]}}"#);
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct RefreshReportDatasets {
    report: ReportToken,
    datasets: Vec<ReportToken>,
}

impl RefreshReportDatasets {
    /// These datasets in this report.
    pub fn new<D: Into<ReportToken>>(
        report: impl Into<ReportToken>,
        datasets: impl IntoIterator<Item = D>,
    ) -> Self {
        let datasets = datasets.into_iter().map(Into::into).collect();
        Self { report: report.into(), datasets }
    }
}

impl Endpoint for RefreshReportDatasets {
    type Api = Mode;
    type Output = ReportRun;
    const OPERATION: &'static str = "mode.report_runs.refresh_datasets";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        #[derive(Serialize)]
        struct Body<'a> {
            report: Datasets<'a>,
        }
        #[derive(Serialize)]
        struct Datasets<'a> {
            dataset_tokens: Vec<Dataset<'a>>,
        }
        #[derive(Serialize)]
        struct Dataset<'a> {
            token: &'a ReportToken,
        }
        let dataset_tokens = self.datasets.iter().map(|token| Dataset { token }).collect();
        ApiRequest::of::<Self>(Method::POST, base, &["reports", self.report.as_str(), "runs"])
            .json(&Body { report: Datasets { dataset_tokens } })
            .finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<ReportRun> {
        json::decode(meta, body)
    }
}

request! {
    /// Gets one run of a report. Why it failed is in its query runs: see [`ListQueryRuns`](super::ListQueryRuns).
    ///
    /// Source: Mode API reference, "Report Runs", `GET /{workspace}/reports/{report}/runs/{run}`. Safe to repeat.
    GetReportRun { report: ReportToken, run: ReportRunToken } "This run of this report."
    GET ["reports", report, "runs", run] -> ReportRun = json::decode, "mode.report_runs.get", Safe
}

request! {
    /// Gets the form fields of a run: the parameters of its report, with the values they may take.
    ///
    /// Source: Mode API reference, "Form Fields", `GET /{workspace}/reports/{report}/runs/{run}/options`. Safe to repeat.
    GetReportRunOptions { report: ReportToken, run: ReportRunToken } "The fields of this run of this report."
    GET ["reports", report, "runs", run, "options"] -> Vec<FormField> = form_fields,
    "mode.report_runs.get_options", Safe
}

request! {
    /// Copies the report of a run. The answer is the new report, not a run.
    ///
    /// Workspace tokens may not do this. The copy may be made although the answer does not come in time.
    ///
    /// Source: Mode API reference, "Report Runs", `POST /{workspace}/reports/{report}/runs/{run}/clone`. Each call makes a
    /// copy, so it is never sent again once it may have arrived.
    CloneReportRun { report: ReportToken, run: ReportRunToken } "The report as it was in this run."
    POST ["reports", report, "runs", run, "clone"] -> Report = json::decode,
    "mode.report_runs.clone", NotIdempotent
}

id! {
    /// Token of a run of a report. (Runs of reports have no other id.)
    ReportRunToken
}

open_enum! {
    /// State of a run of a report, of a dataset or of a query. The vendor documents it for the first two.
    RunState {
        /// Waiting.
        Pending = "pending",
        /// Waiting; the state of a run that was just created.
        Enqueued = "enqueued",
        /// Going on. Inferred: not documented.
        Running = "running",
        /// Its queries are done, its notebook goes on.
        RunningNotebook = "running_notebook",
        /// Over, as wanted.
        Succeeded = "succeeded",
        /// Over, as wanted: the other word for it.
        Completed = "completed",
        /// Over, not as wanted.
        Failed = "failed",
        /// Over, because someone ended it.
        Cancelled = "cancelled",
    }
}

impl RunState {
    /// The phase it stands for.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Pending | Self::Enqueued => Phase::Queued,
            Self::Running | Self::RunningNotebook => Phase::Running,
            Self::Succeeded | Self::Completed => Phase::Succeeded,
            Self::Failed => Phase::Failed,
            Self::Cancelled => Phase::Cancelled,
            Self::Unknown(_) => Phase::Unknown,
        }
    }

    /// Whether the run is over; never true for a state that is unknown here.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.phase().is_terminal()
    }
}

open_enum! {
    /// State of a run's notebook.
    PythonState {
        /// There is no notebook.
        None = "none",
        /// Waiting.
        Pending = "pending",
        /// Going on.
        Submitted = "submitted",
        /// Over, as wanted.
        Succeeded = "succeeded",
        /// Over, not as wanted.
        Failed = "failed",
        /// Over before it began. Not documented.
        Skipped = "skipped",
    }
}

/// One run of a report.
///
/// It does not say why it failed: that is in its query runs, see [`QueryRun`](super::QueryRun).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ReportRun {
    /// Token.
    pub token: ReportRunToken,
    /// How it stands; where it is missing, the run does not count as over.
    pub state: Option<RunState>,
    /// How its notebook stands.
    pub python_state: Option<PythonState>,
    /// The parameters it ran with, as they came.
    pub parameters: Option<RawJson>,
    /// Its form fields, as they came; [`GetReportRunOptions`] has them as a type.
    pub form_fields: Option<RawJson>,
    /// When it was created. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it last changed. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub updated_at: Option<DateTime<Utc>>,
    /// When it was over. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub completed_at: Option<DateTime<Utc>>,
    /// When the vendor began to delete its results. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub purge_started_at: Option<DateTime<Utc>>,
    /// When its results were deleted; from then on asking for them is [`NotFound`](crate::ErrorKind::NotFound). UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub purge_completed_at: Option<DateTime<Utc>>,
    /// Whether it is the report's newest run.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub is_latest_report_run: Option<bool>,
    /// Whether it is the report's newest run that succeeded.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub is_latest_successful_report_run: Option<bool>,
    /// Whether the report has failed since it last succeeded.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub report_has_failures_since_last_success: Option<bool>,
    /// Whether a newer run has succeeded. Not documented.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub has_more_recent_successful_run_available: Option<bool>,
    /// Links by name; the documented ones have methods.
    #[serde(rename = "_links", default)]
    pub links: Links,
    /// Resources that came with it.
    #[serde(rename = "_embedded", default)]
    pub embedded: Embedded,
}

relations! {
    ReportRun {
        self_link = "self" "The run itself.",
        account_link = "account" "The workspace.",
        report_link = "report" "Its report, a [`Report`].",
        query_runs_link = "query_runs" "Its query runs.",
        content_link = "content" "Its results as CSV or ZIP. It ends in `content.csv`: nothing is to be appended.",
        preview_link = "preview" "A picture of it.",
        report_schedule_link = "report_schedule" "The schedule that started it, a [`Schedule`](super::Schedule).",
        executed_by_link = "executed_by" "Who started it.",
        share_link = "share" "Its page for people.",
        embed_link = "embed" "Its page to be embedded.",
        clone_link = "clone" "Where it is copied.",
        python_cell_runs_link = "python_cell_runs" "The runs of its notebook's cells.",
        pdf_export_link = "pdf_export" "Its PDF, a [`PdfExport`](super::PdfExport).",
        web_edit_dataset_link = "web_edit_dataset" "The editor of its dataset, for people.",
        web_clone_link = "web_clone" "Where people copy it.",
        web_external_url_link = "web_external_url" "Its page elsewhere.",
        latest_successful_report_run_link = "latest_successful_report_run_api_url"
            "The report's newest run that succeeded.",
    }
}

/// One form field of a run: a parameter of its report.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FormField {
    /// The parameter's name.
    pub name: Option<Box<str>>,
    /// The values it may take, as they came.
    pub options: Option<RawJson>,
    /// Why the values could not be had.
    #[serde(default, deserialize_with = "lenient::text")]
    pub options_error: Option<Box<str>>,
    /// Size of what the values come from.
    #[serde(default, deserialize_with = "lenient::text")]
    pub source_size: Option<Box<str>>,
}

/// The reference calls the answer a collection and shows one field: both are read.
fn form_fields(meta: &Meta, body: &Bytes) -> Result<Vec<FormField>> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "_embedded", default)]
        embedded: Embedded,
        name: Option<Box<str>>,
    }
    let answer: Answer = json::decode(meta, body)?;
    if answer.name.is_some() {
        return Ok(vec![json::decode(meta, body)?]);
    }
    let fields: Option<Option<Vec<FormField>>> = answer.embedded.get("form_fields")?;
    Ok(fields.flatten().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::{request_text, utc};
    use crate::mode::{Filter, TimeField};

    #[test]
    fn runs_are_listed_with_order_and_filter_when_asked() {
        assert_eq!(request_text(&ListReportRuns::new("r1")), "GET /acme/reports/r1/runs");
        let newest = ListReportRuns::new("r1").newest_first().per_page(5);
        assert_eq!(
            request_text(&newest),
            "GET /acme/reports/r1/runs?order=desc&order_by=created_at&per_page=5"
        );
        let changed = ListReportRuns::new("r1")
            .order_by(TimeField::Updated)
            .filter(Filter::before(TimeField::Created, utc("2026-01-01T00:00:00Z")))
            .filter(Filter::after(TimeField::Updated, utc("2026-02-03T04:05:06.789Z")));
        assert_eq!(
            request_text(&changed),
            "GET /acme/reports/r1/runs?filter=updated_at.gt.2026-02-03T04%3A05%3A06Z&order=desc&order_by=updated_at"
        );
        let raw = ListReportRuns::new("r1")
            .oldest_first()
            .raw_order("created_at", "asc")
            .filter(Filter::raw("state.eq.failed"));
        assert_eq!(
            request_text(&raw),
            "GET /acme/reports/r1/runs?filter=state.eq.failed&order=created_at&order_by=asc"
        );
    }

    #[test]
    fn one_path_takes_two_bodies() {
        assert_eq!(
            request_text(&CreateReportRun::new("r1")),
            "POST /acme/reports/r1/runs\ncontent-type: application/json\n\n{\"parameters\":{}}"
        );
        let run = CreateReportRun::new("r1").parameter("region", "emea").parameter("days", 7);
        assert_eq!(
            request_text(&run),
            "POST /acme/reports/r1/runs\ncontent-type: application/json\n\n\
             {\"parameters\":{\"days\":7,\"region\":\"emea\"}}"
        );
        assert_eq!(
            request_text(&RefreshReportDatasets::new("r1", ["d1", "d2"])),
            "POST /acme/reports/r1/runs\ncontent-type: application/json\n\n\
             {\"report\":{\"dataset_tokens\":[{\"token\":\"d1\"},{\"token\":\"d2\"}]}}"
        );
    }

    #[test]
    fn a_run_is_got_cloned_and_asked_for_its_options() {
        let token = ReportRunToken::from("a/b");
        assert_eq!(
            request_text(&GetReportRun::new("r1", &token)),
            "GET /acme/reports/r1/runs/a%2Fb"
        );
        assert_eq!(
            request_text(&GetReportRunOptions::new("r1", "n1")),
            "GET /acme/reports/r1/runs/n1/options"
        );
        assert_eq!(
            request_text(&CloneReportRun::new("r1", "n1")),
            "POST /acme/reports/r1/runs/n1/clone"
        );
    }

    #[test]
    fn two_states_mean_success_and_what_is_unknown_is_not_over() {
        for (state, over, phase) in [
            ("pending", false, Phase::Queued),
            ("enqueued", false, Phase::Queued),
            ("running", false, Phase::Running),
            ("running_notebook", false, Phase::Running),
            ("succeeded", true, Phase::Succeeded),
            ("Completed", true, Phase::Succeeded),
            ("failed", true, Phase::Failed),
            ("cancelled", true, Phase::Cancelled),
            ("postponed", false, Phase::Unknown),
        ] {
            let state = RunState::from(state);
            assert_eq!((state.is_terminal(), state.phase()), (over, phase), "{state}");
        }
    }

    #[test]
    fn form_fields_are_read_as_a_list_as_one_and_as_none() {
        let read = |body: &'static str| {
            let answer = http::Response::new(Bytes::from_static(body.as_bytes()));
            form_fields(&Meta::of_test(&answer), answer.body()).unwrap()
        };
        let list = read(
            r#"{"_embedded":{"form_fields":[{"name":"region","options":["emea"],"source_size":2}]}}"#,
        );
        assert_eq!(list.first().unwrap().source_size.as_deref(), Some("2"));
        assert_eq!(list.first().unwrap().options.as_ref().unwrap().json(), r#"["emea"]"#);
        assert_eq!(read(r#"{"name":"region","options":"x"}"#).len(), 1);
        assert!(read("{}").is_empty());
        assert!(read(r#"{"_embedded":{"form_fields":null}}"#).is_empty());
    }
}
