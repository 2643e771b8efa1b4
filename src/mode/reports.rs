//! Reports: get, list, archive. A dataset is a type of report.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::list::{End, ListQuery, order_setters, page_setters};
use super::tokens::{DataSourceToken, ReportRunToken, ReportToken, SpaceToken};
use super::{Mode, relations};
use crate::client::{json, operation};
use crate::paging::Page;
use crate::wire::hal::{Embedded, Forms, Links};
use crate::wire::{RawJson, lenient, model, open_enum, time};

operation! {
    /// Gets one report.
    ///
    /// Source: Mode API reference, "Reports", `GET /{workspace}/reports/{report}`.
    GetReport { report: ReportToken }
    for Mode, "mode.reports.get", Safe: GET "reports" / {report} -> Report
}

operation! {
    /// Lists the reports of a space.
    ///
    /// There is no list of all reports of a workspace: list its spaces, and the reports of each.
    ///
    /// Source: Mode API reference, "Reports", `GET /{workspace}/spaces/{space}/reports`.
    ///
    /// ```
    /// use scheduled_runs::mode::{ListSpaceReports, TimeField};
    ///
    /// let request = ListSpaceReports::new("5a6b7c8d9e0f")
    ///     .order_by(TimeField::Updated)
    ///     .newest_first()
    ///     .per_page(30);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "GET");
    /// # assert_eq!(sent.url().path(), "/spaces/5a6b7c8d9e0f/reports");
    /// # assert_eq!(sent.url().query(), Some("order=desc&order_by=updated_at&per_page=30"));
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    ListSpaceReports { space: SpaceToken }
    pages { list: ListQuery, item: Report, key: token }
    for Mode, "mode.reports.list_of_space", Safe: GET "spaces" / {space} / "reports" -> Page<Report>
}

impl ListSpaceReports {
    page_setters!();
    order_setters!();
}

/// How many queries a report may have: the `max_query_count` in the responses seen.
const MOST_QUERIES: usize = 160;

operation! {
    /// Lists the reports that use a data source.
    ///
    /// The vendor sends one row for each query of a report. Adjacent rows of a report become one item here; the same report
    /// may still appear again later.
    ///
    /// Source: Mode API reference, "Reports", `GET /{workspace}/data_sources/{data_source}/reports`.
    ListDataSourceReports { data_source: DataSourceToken }
    pages { list: ListQuery = ListQuery::ending(End::EmptyAfterRows(MOST_QUERIES)), item: Report, key: token }
    for Mode, "mode.reports.list_of_data_source", Safe: GET "data_sources" / {data_source} / "reports" -> Page<Report>
}

impl ListDataSourceReports {
    page_setters!();
}

operation! {
    /// Archives a report.
    ///
    /// Source: Mode API reference, "Reports", `PATCH /{workspace}/reports/{report}/archive`. Inferred: archiving it twice
    /// changes nothing more. The response may be empty.
    ArchiveReport { report: ReportToken }
    for Mode, "mode.reports.archive", Idempotent: PATCH "reports" / {report} / "archive" -> Option<Report>,
    decode json::decode_optional
}

operation! {
    /// Restores a report from the archive.
    ///
    /// Source: Mode API reference, "Reports", `PATCH /{workspace}/reports/{report}/unarchive`. Inferred: restoring
    /// it twice changes nothing more. The response may be empty.
    UnarchiveReport { report: ReportToken }
    for Mode, "mode.reports.unarchive", Idempotent: PATCH "reports" / {report} / "unarchive" -> Option<Report>,
    decode json::decode_optional
}

open_enum! {
    /// Type of a report.
    ReportType {
        /// A report.
        Report = "Report",
        /// A dataset: a report that other reports import.
        Dataset = "DatasetReport",
    }
}

model! {
    /// One report or dataset.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Report {
        /// Token.
        pub token: ReportToken,
        /// A number, as text. Requests do not accept it.
        pub id: Option<Box<str>> as "id" with lenient::text,
        /// Name; a new report has none.
        pub name: Option<Box<str>>,
        /// Description.
        pub description: Option<Box<str>>,
        /// Whether it is a report or a dataset.
        pub kind: Option<ReportType> as "type",
        /// The space it is in.
        pub space_token: Option<SpaceToken>,
        /// Number of the workspace, as text.
        pub account_id: Option<Box<str>> as "account_id" with lenient::text,
        /// Username of the workspace.
        pub account_username: Option<Box<str>>,
        /// Whether it is visible to everybody.
        pub public: Option<bool> as "public" with lenient::boolean,
        /// Whether it is archived. Missing in lists of datasets.
        pub archived: Option<bool> as "archived" with lenient::boolean,
        /// Whether people and API calls may not run it: then the vendor refuses [`CreateReportRun`](super::CreateReportRun).
        pub manual_run_disabled: Option<bool> as "manual_run_disabled" with lenient::boolean,
        /// Whether its runs are visible only to whoever started them.
        pub run_privately: Option<bool> as "run_privately" with lenient::boolean,
        /// Number of its queries.
        pub query_count: Option<u64> as "query_count" with lenient::count,
        /// Maximum number of queries.
        pub max_query_count: Option<u64> as "max_query_count" with lenient::count,
        /// Number of its charts.
        pub chart_count: Option<u64> as "chart_count" with lenient::count,
        /// Number of its runs.
        pub runs_count: Option<u64> as "runs_count" with lenient::count,
        /// Number of its schedules.
        pub schedules_count: Option<u64> as "schedules_count" with lenient::count,
        /// Number of views.
        pub view_count: Option<u64> as "view_count" with lenient::count,
        /// Expected duration of a run.
        #[serde(serialize_with = "lenient::write_seconds")]
        pub expected_runtime: Option<Duration> as "expected_runtime" with lenient::seconds,
        /// When its last run **started**. UTC.
        pub last_run_at: Option<DateTime<Utc>> as "last_run_at" with time::lenient_utc,
        /// When its last successful run **finished**. UTC.
        pub last_successfully_run_at: Option<DateTime<Utc>> as "last_successfully_run_at"
            with time::lenient_utc,
        /// Its last successful run.
        pub last_successful_run_token: Option<ReportRunToken>,
        /// When it was created. UTC.
        pub created_at: Option<DateTime<Utc>> as "created_at" with time::lenient_utc,
        /// When it was last changed. UTC.
        pub updated_at: Option<DateTime<Utc>> as "updated_at" with time::lenient_utc,
        /// When it was last edited. UTC.
        pub edited_at: Option<DateTime<Utc>> as "edited_at" with time::lenient_utc,
        /// When it was last saved. UTC.
        pub last_saved_at: Option<DateTime<Utc>> as "last_saved_at" with time::lenient_utc,
        /// When it was published. UTC.
        pub published_at: Option<DateTime<Utc>> as "published_at" with time::lenient_utc,
        /// When it was last synchronised with GitHub. UTC.
        pub last_successful_sync_at: Option<DateTime<Utc>> as "last_successful_sync_at"
            with time::lenient_utc,
        /// Its page on GitHub.
        pub github_link: Option<Box<str>>,
        /// The beginning of its SQL.
        pub query_preview: Option<Box<str>>,
        /// The datasets it imports, as raw JSON: a list, though documented as a string.
        pub imported_datasets: Option<RawJson>,
        /// Name of the space it is in. In lists only.
        pub collection_name: Option<Box<str>>,
        /// Token of the space it is in. In lists only.
        pub collection_token: Option<SpaceToken>,
        /// Links by relation; the documented ones have methods.
        pub links: Links as "_links" default,
        /// Its forms, by name. Not documented.
        pub forms: Forms as "_forms" default,
        /// Embedded resources.
        pub embedded: Embedded as "_embedded" default,
    }
}

relations! {
    Report {
        self_link = "self" "The report itself.",
        web_link = "web" "Its page for people.",
        web_edit_link = "web_edit" "Its editor for people.",
        web_external_url_link = "web_external_url" "Its external page.",
        csv_export_link = "csv_export" "The results of its newest run; [`DownloadReport`](super::DownloadReport) gets them.",
        share_link = "share" "Its page for sharing.",
        web_report_runs_link = "web_report_runs" "Its runs, for people.",
        account_link = "account" "The workspace.",
        report_run_link = "report_run" "A URL template for its runs; [`GetReportRun`](super::GetReportRun) gets them.",
        star_link = "star" "Its star.",
        space_link = "space" "The space it is in, a [`Space`](super::Space).",
        space_links_link = "space_links" "Its links to spaces.",
        queries_link = "queries" "Its queries.",
        report_runs_link = "report_runs" "Its runs.",
        report_pins_link = "report_pins" "Its pins.",
        report_filters_link = "report_filters" "Its filters.",
        report_schedules_link = "report_schedules" "Its schedules.",
        report_subscriptions_link = "report_subscriptions" "Its subscriptions; [`ListSubscriptions`](super::ListSubscriptions) lists them.",
        dataset_dependencies_link = "dataset_dependencies" "The reports that import this dataset.",
        python_visualizations_link = "python_visualizations" "The charts of its notebook.",
        embed_key_link = "embed_key" "The key for embedding it.",
        last_run_link = "last_run" "Its newest run, a [`ReportRun`](super::ReportRun).",
        last_successful_run_link = "last_successful_run" "Its newest successful run, a [`ReportRun`](super::ReportRun).",
        python_notebook_link = "python_notebook" "Its notebook.",
        perspective_email_subscription_memberships_link = "perspective_email_subscription_memberships"
            "Who gets it by email.",
        validate_email_subscriber_link = "validate_email_subscriber" "A URL template that checks an email address.",
        creator_link = "creator" "Who created it.",
        report_theme_link = "report_theme" "Its theme.",
        last_successful_github_sync_link = "last_successful_github_sync" "Its last synchronisation with GitHub.",
        report_index_web_link = "report_index_web" "The list of reports it is in, for people.",
        dbt_metadata_link = "dbt_metadata" "Its dbt metadata.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::{request_text, utc};
    use crate::mode::{Filter, TimeField};

    #[test]
    fn reports_are_fetched_listed_and_archived() {
        assert_eq!(request_text(&GetReport::new("r1")), "GET /acme/reports/r1");
        assert_eq!(request_text(&ArchiveReport::new("r1")), "PATCH /acme/reports/r1/archive");
        assert_eq!(request_text(&UnarchiveReport::new("r1")), "PATCH /acme/reports/r1/unarchive");
        let recent = ListSpaceReports::new("s1")
            .oldest_first()
            .filter(Filter::after(TimeField::Updated, utc("2026-01-02T03:04:05Z")));
        assert_eq!(
            request_text(&recent),
            "GET /acme/spaces/s1/reports?filter=updated_at.gt.2026-01-02T03%3A04%3A05Z&order=asc&order_by=created_at"
        );
        assert_eq!(
            request_text(&ListDataSourceReports::new("d1").per_page(30)),
            "GET /acme/data_sources/d1/reports?per_page=30"
        );
    }
}
