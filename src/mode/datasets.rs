//! Datasets, the reports that use them, and their runs. A dataset is a [`Report`] of type [`Dataset`](super::ReportType::Dataset) and has a report's token.

use chrono::{DateTime, Utc};

use super::list::{ListQuery, order_setters, page_setters};
use super::report_runs::RunState;
use super::reports::Report;
use super::tokens::{DatasetRunToken, ReportToken, SpaceToken};
use super::{Mode, relations};
use crate::client::operation;
use crate::paging::Page;
use crate::wire::hal::{Embedded, Forms, Links};
use crate::wire::{lenient, model, time};

operation! {
    /// Lists the datasets of a space.
    ///
    /// Source: Mode API reference, "Datasets", `GET /{workspace}/spaces/{space}/datasets`.
    ListSpaceDatasets { space: SpaceToken }
    pages { list: ListQuery, item: Report, key: token }
    for Mode, "mode.datasets.list_of_space", Safe: GET "spaces" / {space} / "datasets" -> Page<Report>
}

impl ListSpaceDatasets {
    page_setters!();
    order_setters!();
}

operation! {
    /// Gets one dataset.
    ///
    /// Source: Mode API reference, "Datasets", `GET /{workspace}/datasets/{dataset}`.
    GetDataset { dataset: ReportToken }
    for Mode, "mode.datasets.get", Safe: GET "datasets" / {dataset} -> Report
}

operation! {
    /// Lists the reports that use a dataset.
    ///
    /// Source: Mode API reference, "Datasets", `GET /{workspace}/datasets/{dataset}/reports`.
    ListDatasetReports { dataset: ReportToken }
    pages { list: ListQuery, item: Report, key: token }
    for Mode, "mode.reports.list_of_dataset", Safe: GET "datasets" / {dataset} / "reports" -> Page<Report>
}

impl ListDatasetReports {
    page_setters!();
}

operation! {
    /// Runs a dataset now. The response is the new run.
    ///
    /// Source: Mode API reference, "Dataset Runs", `POST /{workspace}/datasets/{dataset}/runs`.
    ///
    /// ```
    /// use scheduled_runs::mode::CreateDatasetRun;
    ///
    /// let request = CreateDatasetRun::new("0b1f3c5d7e9a");
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "POST");
    /// # assert_eq!(sent.url().path(), "/datasets/0b1f3c5d7e9a/runs");
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    CreateDatasetRun { dataset: ReportToken }
    for Mode, "mode.dataset_runs.create", NotIdempotent: POST "datasets" / {dataset} / "runs" -> DatasetRun
}

operation! {
    /// Lists the runs of a dataset. Set an order: the default is not documented.
    ///
    /// Source: Mode API reference, "Dataset Runs", `GET /{workspace}/datasets/{dataset}/runs`.
    ListDatasetRuns { dataset: ReportToken }
    pages counted { list: ListQuery, item: DatasetRun, key: token }
    for Mode, "mode.dataset_runs.list", Safe: GET "datasets" / {dataset} / "runs" -> Page<DatasetRun>
}

impl ListDatasetRuns {
    page_setters!();
    order_setters!();
}

operation! {
    /// Gets one run of a dataset.
    ///
    /// Source: Mode API reference, "Dataset Runs", `GET /{workspace}/datasets/{dataset}/runs/{run}`.
    GetDatasetRun { dataset: ReportToken, run: DatasetRunToken }
    for Mode, "mode.dataset_runs.get", Safe: GET "datasets" / {dataset} / "runs" / {run} -> DatasetRun
}

model! {
    /// One run of a dataset.
    ///
    /// The reference names its members after datasets; responses have been seen that name them after reports. Both are decoded.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct DatasetRun {
        /// Token.
        pub token: DatasetRunToken,
        /// State. If it is missing, the run does not count as finished.
        pub state: Option<RunState>,
        /// When it was created. UTC.
        pub created_at: Option<DateTime<Utc>> as "created_at" with time::lenient_utc,
        /// When it last changed. UTC.
        pub updated_at: Option<DateTime<Utc>> as "updated_at" with time::lenient_utc,
        /// When it finished. UTC.
        pub completed_at: Option<DateTime<Utc>> as "completed_at" with time::lenient_utc,
        /// When the vendor began to delete its results. UTC.
        pub purge_started_at: Option<DateTime<Utc>> as "purge_started_at" with time::lenient_utc,
        /// When its results were deleted. UTC.
        pub purge_completed_at: Option<DateTime<Utc>> as "purge_completed_at"
            with time::lenient_utc,
        latest_of_dataset: Option<bool> as "is_latest_dataset_run" with lenient::boolean,
        latest_of_report: Option<bool> as "is_latest_report_run" with lenient::boolean,
        latest_successful_of_dataset: Option<bool> as "is_latest_successful_dataset_run"
            with lenient::boolean,
        latest_successful_of_report: Option<bool> as "is_latest_successful_report_run"
            with lenient::boolean,
        dataset_has_failures_since_last_success: Option<bool> as "dataset_has_failures_since_last_success"
            with lenient::boolean,
        report_has_failures_since_last_success: Option<bool> as "report_has_failures_since_last_success"
            with lenient::boolean,
        /// Links by relation; the documented ones have methods.
        pub links: Links as "_links" default,
        /// Its forms, by name. Not documented.
        pub forms: Forms as "_forms" default,
        /// Embedded resources.
        pub embedded: Embedded as "_embedded" default,
    }
}

impl DatasetRun {
    /// Whether it is the dataset's newest run.
    #[must_use]
    pub fn is_latest(&self) -> Option<bool> {
        self.latest_of_dataset.or(self.latest_of_report)
    }

    /// Whether it is the dataset's newest successful run.
    #[must_use]
    pub fn is_latest_successful(&self) -> Option<bool> {
        self.latest_successful_of_dataset.or(self.latest_successful_of_report)
    }

    /// Whether the dataset has failed since it last succeeded.
    #[must_use]
    pub fn has_failures_since_last_success(&self) -> Option<bool> {
        self.dataset_has_failures_since_last_success.or(self.report_has_failures_since_last_success)
    }
}

relations! {
    DatasetRun {
        self_link = "self" "The run itself.",
        account_link = "account" "The workspace.",
        dataset_link = "dataset" "Its dataset, a [`Report`].",
        query_runs_link = "query_runs" "Its query runs.",
        executed_by_link = "executed_by" "Who started it.",
        share_link = "share" "Its page for people.",
        latest_successful_dataset_run_link = "latest_successful_dataset_run_api_url"
            "The dataset's newest successful run.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::request_text;

    #[test]
    fn dataset_runs_are_created_without_a_body_listed_and_fetched() {
        assert_eq!(request_text(&CreateDatasetRun::new("d1")), "POST /acme/datasets/d1/runs");
        assert_eq!(
            request_text(&ListDatasetRuns::new("d1").newest_first()),
            "GET /acme/datasets/d1/runs?order=desc&order_by=created_at"
        );
        assert_eq!(request_text(&GetDatasetRun::new("d1", "n1")), "GET /acme/datasets/d1/runs/n1");
        assert_eq!(
            request_text(&ListSpaceDatasets::new("s1").per_page(2)),
            "GET /acme/spaces/s1/datasets?per_page=2"
        );
        assert_eq!(request_text(&GetDataset::new("d1")), "GET /acme/datasets/d1");
        assert_eq!(
            request_text(&ListDatasetReports::new("d1").per_page(2)),
            "GET /acme/datasets/d1/reports?per_page=2"
        );
    }

    #[test]
    fn flags_have_two_names() {
        for of in ["dataset", "report"] {
            let run: DatasetRun = serde_json::from_str(&format!(
                r#"{{"token":"n1","is_latest_{of}_run":true,"is_latest_successful_{of}_run":"false",
                    "{of}_has_failures_since_last_success":"true"}}"#
            ))
            .unwrap();
            assert_eq!(
                (
                    run.is_latest(),
                    run.is_latest_successful(),
                    run.has_failures_since_last_success()
                ),
                (Some(true), Some(false), Some(true))
            );
        }
    }
}
