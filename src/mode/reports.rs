//! Reports: get, list, archive. A dataset is a report of another type.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::data_sources::DataSourceToken;
use super::list::{End, list, order_setters, page_setters};
use super::spaces::SpaceToken;
use super::{id, relations, request};
use crate::run::Target;
use crate::wire::hal::{Embedded, Links};
use crate::wire::open_enum;
use crate::wire::{RawJson, json, lenient, time};

request! {
    /// Gets one report.
    ///
    /// Source: Mode API reference, "Reports", `GET /{workspace}/reports/{report}`. Safe to repeat.
    GetReport { report: ReportToken } "This report."
    GET ["reports", report] -> Report = json::decode, "mode.reports.get", Safe
}

list! {
    /// Lists the reports of a space. (There is no list of all reports of a workspace: walk its spaces.)
    ///
    /// Source: Mode API reference, "Reports", `GET /{workspace}/spaces/{space}/reports`. Safe to repeat.
    ///
    /// ```
    /// use scheduled_runs::mode::{ListSpaceReports, TimeField};
    ///
    /// let request = ListSpaceReports::new("5a6b7c8d9e0f").order_by(TimeField::Updated).newest_first().per_page(30);
    /// # use scheduled_runs::client::Endpoint as _;
    /// # let sent = request.to_request(&"https://host".parse().unwrap())?;
    /// # assert_eq!(sent.method(), "GET");
    /// # assert_eq!(sent.url().path(), "/spaces/5a6b7c8d9e0f/reports");
    /// # assert_eq!(sent.url().query(), Some("order=desc&order_by=updated_at&per_page=30"));
    /// # Ok::<_, scheduled_runs::Error>(())
    /// ```
    ListSpaceReports { space: SpaceToken } "The reports of this space."
    GET ["spaces", space, "reports"] -> Report, "mode.reports.list_of_space", End::Empty
}

impl ListSpaceReports {
    page_setters!();
    order_setters!();
}

/// Most queries a report may have, as `max_query_count` says in the answers seen.
const MOST_QUERIES: usize = 160;

list! {
    /// Lists the reports that read a data source.
    ///
    /// The vendor sends one row for each of a report's queries. Rows of a report that follow each other are one item here;
    /// a report may still come again later.
    ///
    /// Source: Mode API reference, "Reports", `GET /{workspace}/data_sources/{data_source}/reports`. Safe to repeat.
    ListDataSourceReports { data_source: DataSourceToken } "The reports that read this data source."
    GET ["data_sources", data_source, "reports"] -> Report, "mode.reports.list_of_data_source",
    End::EmptyAfterRows(MOST_QUERIES)
}

impl ListDataSourceReports {
    page_setters!();
}

request! {
    /// Archives a report.
    ///
    /// Source: Mode API reference, "Reports", `PATCH /{workspace}/reports/{report}/archive`. Inferred: archiving it twice
    /// changes nothing more, so that it is repeated when its answer is lost. The answer may be empty.
    ArchiveReport { report: ReportToken } "This report."
    PATCH ["reports", report, "archive"] -> Option<Report> = super::changed, "mode.reports.archive", Idempotent
}

request! {
    /// Takes a report out of the archive.
    ///
    /// Source: Mode API reference, "Reports", `PATCH /{workspace}/reports/{report}/unarchive`. Repeated as
    /// [`ArchiveReport`].
    UnarchiveReport { report: ReportToken } "This report."
    PATCH ["reports", report, "unarchive"] -> Option<Report> = super::changed, "mode.reports.unarchive", Idempotent
}

id! {
    /// Token of a report or a dataset, 12 characters. The number that is called `id` does not work in requests.
    ReportToken
}

impl From<&ReportToken> for Target {
    fn from(token: &ReportToken) -> Self {
        super::target(token.clone())
    }
}

open_enum! {
    /// What a report is.
    ReportType {
        /// A report.
        Report = "Report",
        /// A dataset: a report that others import.
        Dataset = "DatasetReport",
    }
}

/// One report or dataset.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// Token.
    pub token: ReportToken,
    /// A number, as text. It is of no use in requests.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id: Option<Box<str>>,
    /// Name; a new report has none.
    pub name: Option<Box<str>>,
    /// Description.
    pub description: Option<Box<str>>,
    /// Whether it is a report or a dataset.
    #[serde(rename = "type")]
    pub kind: Option<ReportType>,
    /// The space it is in.
    pub space_token: Option<SpaceToken>,
    /// Number of the workspace, as text.
    #[serde(default, deserialize_with = "lenient::text")]
    pub account_id: Option<Box<str>>,
    /// Username of the workspace.
    pub account_username: Option<Box<str>>,
    /// Whether anybody may see it.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub public: Option<bool>,
    /// Whether it is archived. Missing in lists of datasets.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub archived: Option<bool>,
    /// Whether running it by hand or by call is switched off: then [`CreateReportRun`](super::CreateReportRun) is refused.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub manual_run_disabled: Option<bool>,
    /// Whether its runs are seen only by who started them.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub run_privately: Option<bool>,
    /// How many queries it has.
    #[serde(default, deserialize_with = "lenient::count")]
    pub query_count: Option<u64>,
    /// How many queries it may have.
    #[serde(default, deserialize_with = "lenient::count")]
    pub max_query_count: Option<u64>,
    /// How many charts it has.
    #[serde(default, deserialize_with = "lenient::count")]
    pub chart_count: Option<u64>,
    /// How often it ran.
    #[serde(default, deserialize_with = "lenient::count")]
    pub runs_count: Option<u64>,
    /// How many schedules it has.
    #[serde(default, deserialize_with = "lenient::count")]
    pub schedules_count: Option<u64>,
    /// How often it was seen.
    #[serde(default, deserialize_with = "lenient::count")]
    pub view_count: Option<u64>,
    /// How long a run is likely to take.
    #[serde(default, deserialize_with = "lenient::seconds")]
    pub expected_runtime: Option<Duration>,
    /// When its last run **began**. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub last_run_at: Option<DateTime<Utc>>,
    /// When its last run that succeeded was **over**. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub last_successfully_run_at: Option<DateTime<Utc>>,
    /// Its last run that succeeded.
    pub last_successful_run_token: Option<super::ReportRunToken>,
    /// When it was created. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub updated_at: Option<DateTime<Utc>>,
    /// When it was last edited. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub edited_at: Option<DateTime<Utc>>,
    /// When it was last saved. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub last_saved_at: Option<DateTime<Utc>>,
    /// When it was published. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub published_at: Option<DateTime<Utc>>,
    /// When it was last brought to GitHub. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub last_successful_sync_at: Option<DateTime<Utc>>,
    /// Where it is at GitHub.
    pub github_link: Option<Box<str>>,
    /// The beginning of its SQL.
    pub query_preview: Option<Box<str>>,
    /// The datasets it imports, as they came: a list, though documented as a text.
    pub imported_datasets: Option<RawJson>,
    /// Name of the space it is in. In lists only.
    pub collection_name: Option<Box<str>>,
    /// Token of the space it is in. In lists only.
    pub collection_token: Option<SpaceToken>,
    /// Links by name; the documented ones have methods.
    #[serde(rename = "_links", default)]
    pub links: Links,
    /// Resources that came with it.
    #[serde(rename = "_embedded", default)]
    pub embedded: Embedded,
}

relations! {
    Report {
        self_link = "self" "The report itself.",
        web_link = "web" "Its page for people.",
        web_edit_link = "web_edit" "Its editor for people.",
        web_external_url_link = "web_external_url" "Its page elsewhere.",
        csv_export_link = "csv_export" "The results of its newest run; [`DownloadReport`](super::DownloadReport) gets them.",
        share_link = "share" "Its page to be shared.",
        web_report_runs_link = "web_report_runs" "Its runs, for people.",
        account_link = "account" "The workspace.",
        report_run_link = "report_run" "A template for its runs; [`GetReportRun`](super::GetReportRun) gets them.",
        star_link = "star" "Its star.",
        space_link = "space" "The space it is in, a [`Space`](super::Space).",
        space_links_link = "space_links" "Its links to spaces.",
        queries_link = "queries" "Its queries.",
        report_runs_link = "report_runs" "Its runs.",
        report_pins_link = "report_pins" "Its pins.",
        report_filters_link = "report_filters" "Its filters.",
        report_schedules_link = "report_schedules" "Its schedules.",
        report_subscriptions_link = "report_subscriptions" "Its subscriptions.",
        dataset_dependencies_link = "dataset_dependencies" "The reports that import this dataset.",
        python_visualizations_link = "python_visualizations" "Its notebook's pictures.",
        embed_key_link = "embed_key" "The key to embed it.",
        last_run_link = "last_run" "Its newest run, a [`ReportRun`](super::ReportRun).",
        last_successful_run_link = "last_successful_run" "Its newest run that succeeded, a [`ReportRun`](super::ReportRun).",
        python_notebook_link = "python_notebook" "Its notebook.",
        perspective_email_subscription_memberships_link = "perspective_email_subscription_memberships"
            "Who gets it by mail.",
        validate_email_subscriber_link = "validate_email_subscriber" "A template to check a mail address.",
        creator_link = "creator" "Who made it.",
        report_theme_link = "report_theme" "Its theme.",
        last_successful_github_sync_link = "last_successful_github_sync" "When it was last brought to GitHub.",
        report_index_web_link = "report_index_web" "Its place in the space, for people.",
        dbt_metadata_link = "dbt_metadata" "What dbt says about it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::{request_text, utc};
    use crate::mode::{Filter, TimeField};

    #[test]
    fn reports_are_got_listed_and_archived() {
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
