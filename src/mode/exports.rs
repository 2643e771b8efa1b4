//! A run as PDF: start, look, download.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::report_runs::ReportRunToken;
use super::reports::ReportToken;
use super::results::{Content, Format, content};
use super::{relations, request};
use crate::client::Meta;
use crate::error::Result;
use crate::wire::hal::Links;
use crate::wire::open_enum;
use crate::wire::{json, lenient, time};

request! {
    /// Has a run made into a PDF, and says how far that is: the first call starts it, later ones look.
    ///
    /// Send it every few seconds until the state is [`Completed`](PdfState::Completed), then send [`DownloadPdf`].
    ///
    /// Source: Mode API reference, link `pdf_export` of a run,
    /// `GET /{workspace}/reports/{report}/exports/runs/{run}/pdf.pdf`. Repeating it starts nothing more.
    ///
    /// ```no_run
    /// # async fn program(client: scheduled_runs::mode::Client) -> scheduled_runs::Result<()> {
    /// use std::time::Duration;
    /// use scheduled_runs::client::Clock;
    /// use scheduled_runs::mode::{DownloadPdf, ExportPdf, PdfState};
    ///
    /// // Five minutes: what a state that is not documented means, and whether one comes, nobody says.
    /// for _ in 0..60 {
    ///     let export = client.send(ExportPdf::new("f2lkg3hwjj9a", "1a2b3c4d5e6f")).await?;
    ///     if export.state == Some(PdfState::Completed) {
    ///         break;
    ///     }
    ///     client.clock().sleep(Duration::from_secs(5)).await;
    /// }
    /// let pdf = client.send(DownloadPdf::new("f2lkg3hwjj9a", "1a2b3c4d5e6f")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ExportPdf { report: ReportToken, run: ReportRunToken } "This run of this report."
    GET ["reports", report, "exports", "runs", run, "pdf.pdf"] -> PdfExport = json::decode,
    "mode.pdf.export", Idempotent
}

request! {
    /// Gets the PDF of a run. Before it is made, this is [`NotFound`](crate::ErrorKind::NotFound): see [`ExportPdf`].
    ///
    /// Source: link `download` of an export, `GET /{workspace}/reports/{report}/exports/runs/{run}/pdf/download.pdf` (the
    /// reference leaves the `.pdf` out). Safe to repeat.
    DownloadPdf { report: ReportToken, run: ReportRunToken } "The PDF of this run of this report."
    GET ["reports", report, "exports", "runs", run, "pdf", "download.pdf"] -> Content = pdf,
    "mode.pdf.download", Safe, accept "application/pdf"
}

fn pdf(meta: &Meta, body: &Bytes) -> Result<Content> {
    content(meta, body, &[Format::Pdf])
}

open_enum! {
    /// State of a PDF.
    PdfState {
        /// Not begun.
        New = "new",
        /// Being made.
        Requested = "requested",
        /// Ready to be downloaded.
        Completed = "completed",
    }
}

/// How far a run's PDF is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PdfExport {
    /// State.
    pub state: Option<PdfState>,
    /// When it was begun. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub created_at: Option<DateTime<Utc>>,
    /// Whether the run has changed since.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub stale: Option<bool>,
    /// Name of the file, once it is made.
    pub filename: Option<Box<str>>,
    /// Links by name; the documented ones have methods.
    #[serde(rename = "_links", default)]
    pub links: Links,
}

relations! {
    PdfExport {
        self_link = "self" "The export itself.",
        download_link = "download" "The file, once it is made; [`DownloadPdf`] gets it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::request_text;

    #[test]
    fn a_pdf_is_started_and_looked_at_by_one_path_and_downloaded_from_another() {
        assert_eq!(
            request_text(&ExportPdf::new("r1", "n1")),
            "GET /acme/reports/r1/exports/runs/n1/pdf.pdf"
        );
        assert_eq!(
            request_text(&DownloadPdf::new("r1", "n1")),
            "GET /acme/reports/r1/exports/runs/n1/pdf/download.pdf\naccept: application/pdf"
        );
    }
}
