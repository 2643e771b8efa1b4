//! Runs of a report: list, create, get, clone.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::list::{ListQuery, order_setters, page_setters};
use super::reports::Report;
use super::tokens::{ReportRunToken, ReportToken};
use super::{Mode, relations};
use crate::client::{Meta, json, operation};
use crate::error::Result;
use crate::paging::Page;
use crate::run::Phase;
use crate::wire::hal::{Embedded, Forms, Links};
use crate::wire::{Only, RawJson, lenient, model, open_enum, time};

operation! {
    /// Lists the runs of a report. Set an order: the default is not documented.
    ///
    /// Source: Mode API reference, "Report Runs", `GET /{workspace}/reports/{report}/runs`. A
    /// [`filter`](Self::filter) is documented, and has been seen to fail with 500 each time.
    ///
    /// ```
    /// use scheduled_runs::mode::{TimeField, ListReportRuns};
    ///
    /// // The runs that changed last.
    /// let request = ListReportRuns::new("f2lkg3hwjj9a")
    ///     .newest_first()
    ///     .order_by(TimeField::Updated)
    ///     .per_page(4);
    /// ```
    ListReportRuns { report: ReportToken }
    pages counted { list: ListQuery, item: ReportRun, key: token }
    for Mode, "mode.report_runs.list", Safe: GET "reports" / {report} / "runs" -> Page<ReportRun>
}

impl ListReportRuns {
    page_setters!();
    order_setters!();
}

operation! {
    /// Runs a report now, with the default values of the parameters that are not set. The response is the new run, usually in
    /// state [`Enqueued`](RunState::Enqueued).
    ///
    /// [`RunProviderExt::prepare`](crate::RunProviderExt::prepare) starts a run so that it is found even if the process dies or the
    /// future is dropped.
    ///
    /// To wait until it has ended, pass `mode::target(report).run(run.token.as_str())` to
    /// [`RunProviderExt::wait`](crate::RunProviderExt::wait). The vendor refuses it for a report with
    /// [`manual_run_disabled`](Report::manual_run_disabled).
    ///
    /// Source: Mode API reference, "Report Runs", `POST /{workspace}/reports/{report}/runs`.
    ///
    /// ```
    /// use scheduled_runs::mode::CreateReportRun;
    ///
    /// let request =
    ///     CreateReportRun::new("f2lkg3hwjj9a").parameter("country", "CH").parameter("days", 7);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/reports/f2lkg3hwjj9a/runs");
    /// # assert_eq!(*sent.body(), r#"{"parameters":{"country":"CH","days":7}}"#);
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    CreateReportRun { report: ReportToken }
    state { parameters: BTreeMap<String, Value> }
    for Mode, "mode.report_runs.create", NotIdempotent: POST "reports" / {report} / "runs" -> ReportRun,
    with |this, request| request.json(&Only("parameters", &this.parameters))
}

impl CreateReportRun {
    /// Sets the value of a parameter.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }
}

operation! {
    /// Updates the datasets in a report to their newest runs. The response is a new run of the report.
    ///
    /// Source: Mode API reference, "Report Runs": the same path as [`CreateReportRun`] with another body.
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
    RefreshReportDatasets { report: ReportToken, datasets: Vec<ReportToken> } without new
    for Mode, "mode.report_runs.refresh_datasets", NotIdempotent: POST "reports" / {report} / "runs" -> ReportRun,
    with |this, request| {
        let tokens: Vec<_> = this.datasets.iter().map(|token| Only("token", token)).collect();
        request.json(&Only("report", Only("dataset_tokens", tokens)))
    }
}

impl RefreshReportDatasets {
    /// Required: the report, and which of its datasets to update.
    pub fn new<D: Into<ReportToken>>(
        report: impl Into<ReportToken>,
        datasets: impl IntoIterator<Item = D>,
    ) -> Self {
        let datasets = datasets.into_iter().map(Into::into).collect();
        Self { report: report.into(), datasets }
    }
}

operation! {
    /// Gets one run of a report. Why it failed is in its query runs: see [`ListQueryRuns`](super::ListQueryRuns).
    ///
    /// Source: Mode API reference, "Report Runs", `GET /{workspace}/reports/{report}/runs/{run}`.
    GetReportRun { report: ReportToken, run: ReportRunToken }
    for Mode, "mode.report_runs.get", Safe: GET "reports" / {report} / "runs" / {run} -> ReportRun
}

operation! {
    /// Gets the form fields of a run: the parameters of its report, with the values that they accept.
    ///
    /// Source: Mode API reference, "Form Fields", `GET /{workspace}/reports/{report}/runs/{run}/options`.
    GetReportRunOptions { report: ReportToken, run: ReportRunToken }
    for Mode, "mode.report_runs.get_options", Safe:
    GET "reports" / {report} / "runs" / {run} / "options" -> Vec<FormField>, decode form_fields
}

operation! {
    /// Copies the report of a run, as it was in that run. The response is the new report, not a run.
    ///
    /// Workspace tokens may not do this. If the call times out, the copy may have been created all the same.
    ///
    /// Source: Mode API reference, "Report Runs", `POST /{workspace}/reports/{report}/runs/{run}/clone`. Each call creates
    /// a copy.
    CloneReportRun { report: ReportToken, run: ReportRunToken }
    for Mode, "mode.report_runs.clone", NotIdempotent: POST "reports" / {report} / "runs" / {run} / "clone" -> Report
}

open_enum! {
    /// State of a report run, a dataset run or a query run. The vendor documents it for the first two.
    RunState {
        /// Waiting.
        Pending = "pending",
        /// Waiting. The state of a new run.
        Enqueued = "enqueued",
        /// Running. Inferred: not documented.
        Running = "running",
        /// Its queries have ended, its notebook is running.
        RunningNotebook = "running_notebook",
        /// Finished successfully.
        Succeeded = "succeeded",
        /// Finished successfully: another name for the same.
        Completed = "completed",
        /// Failed.
        Failed = "failed",
        /// Cancelled.
        Cancelled = "cancelled",
    }
}

impl RunState {
    /// The phase that it corresponds to.
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

    /// Whether the run has ended. Never true for [`Unknown`](Self::Unknown).
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
        /// Running.
        Submitted = "submitted",
        /// Finished successfully.
        Succeeded = "succeeded",
        /// Failed.
        Failed = "failed",
        /// Ended before it started. Not documented.
        Skipped = "skipped",
    }
}

model! {
    /// One run of a report.
    ///
    /// It does not say why it failed: that is in its query runs, see [`QueryRun`](super::QueryRun).
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct ReportRun {
        /// Token.
        pub token: ReportRunToken,
        /// State. If it is missing, the run does not count as finished.
        pub state: Option<RunState>,
        /// State of its notebook.
        pub python_state: Option<PythonState>,
        /// The parameters it ran with, as raw JSON.
        pub parameters: Option<RawJson>,
        /// Its form fields, as raw JSON; [`GetReportRunOptions`] decodes them.
        pub form_fields: Option<RawJson>,
        /// When it was created. UTC.
        pub created_at: Option<DateTime<Utc>> as "created_at" with time::lenient_utc,
        /// When it last changed. UTC.
        pub updated_at: Option<DateTime<Utc>> as "updated_at" with time::lenient_utc,
        /// When it finished. UTC.
        pub completed_at: Option<DateTime<Utc>> as "completed_at" with time::lenient_utc,
        /// When the vendor began to delete its results. UTC.
        pub purge_started_at: Option<DateTime<Utc>> as "purge_started_at" with time::lenient_utc,
        /// When its results were deleted. From then on, getting them fails with [`NotFound`](crate::ErrorKind::NotFound). UTC.
        pub purge_completed_at: Option<DateTime<Utc>> as "purge_completed_at"
            with time::lenient_utc,
        /// Whether it is the report's newest run.
        pub is_latest_report_run: Option<bool> as "is_latest_report_run" with lenient::boolean,
        /// Whether it is the report's newest successful run.
        pub is_latest_successful_report_run: Option<bool> as "is_latest_successful_report_run"
            with lenient::boolean,
        /// Whether the report has failed since it last succeeded.
        pub report_has_failures_since_last_success: Option<bool> as "report_has_failures_since_last_success"
            with lenient::boolean,
        /// Whether a newer run has succeeded. Not documented.
        pub has_more_recent_successful_run_available: Option<bool> as "has_more_recent_successful_run_available"
            with lenient::boolean,
        /// Links by relation; the documented ones have methods.
        pub links: Links as "_links" default,
        /// Its forms, by name. Not documented.
        pub forms: Forms as "_forms" default,
        /// Embedded resources.
        pub embedded: Embedded as "_embedded" default,
    }
}

relations! {
    ReportRun {
        self_link = "self" "The run itself.",
        account_link = "account" "The workspace.",
        report_link = "report" "Its report, a [`Report`].",
        query_runs_link = "query_runs" "Its query runs.",
        content_link = "content" "Its results as CSV or ZIP. It ends in `content.csv`: append nothing.",
        preview_link = "preview" "A picture of it.",
        report_schedule_link = "report_schedule" "The schedule that started it, a [`Schedule`](super::Schedule).",
        executed_by_link = "executed_by" "Who started it.",
        share_link = "share" "Its page for people.",
        embed_link = "embed" "Its page for embedding.",
        clone_link = "clone" "Where it is copied.",
        python_cell_runs_link = "python_cell_runs" "The runs of its notebook's cells.",
        pdf_export_link = "pdf_export" "Its PDF, a [`PdfExport`](super::PdfExport).",
        web_edit_dataset_link = "web_edit_dataset" "The editor of its dataset, for people.",
        web_clone_link = "web_clone" "Where people copy it.",
        web_external_url_link = "web_external_url" "Its external page.",
        latest_successful_report_run_link = "latest_successful_report_run_api_url"
            "The report's newest successful run.",
    }
}

model! {
    /// One form field of a run: a parameter of its report.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct FormField {
        /// The parameter's name.
        pub name: Option<Box<str>>,
        /// The values that it accepts, as raw JSON.
        pub options: Option<RawJson>,
        /// Why the values could not be determined.
        pub options_error: Option<Box<str>> as "options_error" with lenient::text,
        /// Size of the source of the values.
        pub source_size: Option<Box<str>> as "source_size" with lenient::text,
    }
}

/// The reference calls the response a collection and shows a single field: both are decoded.
#[inline]
fn form_fields(meta: &Meta, body: &Bytes) -> Result<Vec<FormField>> {
    model! {
        struct Fields {
            embedded: Embedded as "_embedded" default,
            name: Option<Box<str>>,
        }
    }
    let fields: Fields = json::decode(meta, body)?;
    if fields.name.is_some() {
        return Ok(vec![json::decode(meta, body)?]);
    }
    let list: Option<Option<Vec<FormField>>> = fields.embedded.get("form_fields")?;
    Ok(list.flatten().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::{request_text, utc};
    use crate::mode::{Filter, TimeField};

    #[test]
    fn runs_are_listed_with_order_and_filter_if_set() {
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
    fn one_path_takes_two_kinds_of_body() {
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
    fn a_run_and_its_options_are_fetched_and_the_run_is_cloned() {
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
    fn two_states_mean_success_and_an_unknown_one_is_not_terminal() {
        for (state, terminal, phase) in [
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
            assert_eq!((state.is_terminal(), state.phase()), (terminal, phase), "{state}");
        }
    }

    #[test]
    fn form_fields_are_decoded_as_a_list_as_one_and_as_none() {
        let read = |body: &'static str| {
            let response = http::Response::new(Bytes::from_static(body.as_bytes()));
            form_fields(&Meta::of_test(&response), response.body()).unwrap()
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
