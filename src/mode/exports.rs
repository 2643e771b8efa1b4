//! A run as PDF: start, poll, download.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::results::{Content, Format, content};
use super::tokens::{ReportRunToken, ReportToken};
use super::{Mode, relations};
use crate::client::{Meta, operation};
use crate::error::Result;
use crate::wire::hal::Links;
use crate::wire::{lenient, model, open_enum, time};

operation! {
    /// Exports a run as PDF, and shows the state of the export: the first call starts it, later ones poll it.
    ///
    /// Send it every few seconds until the state is [`Completed`](PdfState::Completed), then send [`DownloadPdf`].
    ///
    /// Source: Mode API reference, link `pdf_export` of a run,
    /// `GET /{workspace}/reports/{report}/exports/runs/{run}/pdf.pdf`.
    ///
    /// ```no_run
    /// # async fn program(client: scheduled_runs::mode::Client) -> scheduled_runs::Result<()> {
    /// use std::time::Duration;
    /// use scheduled_runs::client::Clock;
    /// use scheduled_runs::mode::{DownloadPdf, ExportPdf, PdfState};
    ///
    /// // At most five minutes: the vendor does not document whether there are other states.
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
    ExportPdf { report: ReportToken, run: ReportRunToken }
    for Mode, "mode.pdf.export", Idempotent:
    GET "reports" / {report} / "exports" / "runs" / {run} / "pdf.pdf" -> PdfExport
}

operation! {
    /// Gets the PDF of a run. Before the export has completed, this fails with
    /// [`NotFound`](crate::ErrorKind::NotFound): see [`ExportPdf`].
    ///
    /// Source: link `download` of an export, `GET /{workspace}/reports/{report}/exports/runs/{run}/pdf/download.pdf` (the
    /// reference leaves the `.pdf` out).
    DownloadPdf { report: ReportToken, run: ReportRunToken }
    for Mode, "mode.pdf.download", Safe:
    GET "reports" / {report} / "exports" / "runs" / {run} / "pdf" / "download.pdf" -> Content,
    accept "application/pdf", decode pdf
}

#[inline]
fn pdf(meta: &Meta, body: &Bytes) -> Result<Content> {
    content(meta, body, &[Format::Pdf])
}

open_enum! {
    /// State of a PDF.
    PdfState {
        /// Not started.
        New = "new",
        /// In progress.
        Requested = "requested",
        /// Ready to be downloaded.
        Completed = "completed",
    }
}

model! {
    /// The export of a run as PDF.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct PdfExport {
        /// State.
        pub state: Option<PdfState>,
        /// When it was started. UTC.
        pub created_at: Option<DateTime<Utc>> as "created_at" with time::lenient_utc,
        /// Whether the run has changed since.
        pub stale: Option<bool> as "stale" with lenient::boolean,
        /// Name of the file, once it has completed.
        pub filename: Option<Box<str>>,
        /// Links by relation; the documented ones have methods.
        pub links: Links as "_links" default,
    }
}

relations! {
    PdfExport {
        self_link = "self" "The export itself.",
        download_link = "download" "The file, once it has completed; [`DownloadPdf`] gets it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::request_text;

    #[test]
    fn a_pdf_is_started_and_polled_at_one_path_and_downloaded_from_another() {
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
