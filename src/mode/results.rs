//! Results: rows as JSON, files as bytes.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::Mode;
use super::tokens::{QueryRunToken, ReportRunToken, ReportToken};
use crate::client::{Meta, operation};
use crate::error::{Error, ErrorKind, Result};

/// One row of a result: columns by name, in alphabetical order. The vendor does not document their types.
pub type Row = Map<String, Value>;

operation! {
    /// Gets the rows of one query run.
    ///
    /// To decode them into your own type, send it with [`Client::send_as`](crate::Client::send_as) and `Vec<YourRow>`.
    ///
    /// For purged results this fails with [`NotFound`](ErrorKind::NotFound), and for results that the vendor stores elsewhere
    /// with [`CrossOrigin`](ErrorKind::CrossOrigin): the header `Location` in [`Error::headers`] is a link that needs no
    /// credential. Large results may need [`Call::max_body`](crate::client::Call::max_body) and longer limits.
    ///
    /// Source: Mode API reference, "Query Runs",
    /// `GET /{workspace}/reports/{report}/runs/{run}/query_runs/{query_run}/results/content.json`.
    ///
    /// ```no_run
    /// # async fn program(client: scheduled_runs::mode::Client) -> scheduled_runs::Result<()> {
    /// use scheduled_runs::Response;
    /// use scheduled_runs::mode::GetQueryRunRows;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Visits {
    ///     country: String,
    ///     visits: u64,
    /// }
    ///
    /// let request =
    ///     GetQueryRunRows::new("f2lkg3hwjj9a", "1a2b3c4d5e6f", "6f5e4d3c2b1a").limit(1_000);
    /// let rows: Response<Vec<Visits>> = client.send_as(request).await?;
    /// # Ok(())
    /// # }
    /// ```
    GetQueryRunRows { report: ReportToken, run: ReportRunToken, query_run: QueryRunToken }
    options {
        /// Maximum number of rows. If not set, all of them. Not documented, but in use.
        limit: u64 as "limit",
    }
    for Mode, "mode.query_runs.get_rows", Safe:
    GET "reports" / {report} / "runs" / {run} / "query_runs" / {query_run} / "results" / "content.json" -> Vec<Row>,
    accept "application/json"
}

operation! {
    /// Gets the result of one query run as CSV.
    ///
    /// See [`GetQueryRunRows`] for results that are purged, stored elsewhere, or large. Source: Mode API reference, "Query Runs",
    /// `GET /{workspace}/reports/{report}/runs/{run}/query_runs/{query_run}/results/content.csv`.
    DownloadQueryRun { report: ReportToken, run: ReportRunToken, query_run: QueryRunToken }
    for Mode, "mode.query_runs.download", Safe:
    GET "reports" / {report} / "runs" / {run} / "query_runs" / {query_run} / "results" / "content.csv" -> Content,
    accept "text/csv", decode csv_or_zip
}

operation! {
    /// Gets the rows of a run of a report: only those of its **first query**, without a hint at the others.
    ///
    /// See [`GetQueryRunRows`] for results that are purged, stored elsewhere, or large, and for your own row type. Source: Mode
    /// API reference, "Export", `GET /{workspace}/reports/{report}/runs/{run}/results/content.json`.
    GetReportRunRows { report: ReportToken, run: ReportRunToken }
    for Mode, "mode.report_runs.get_rows", Safe:
    GET "reports" / {report} / "runs" / {run} / "results" / "content.json" -> Vec<Row>,
    accept "application/json"
}

operation! {
    /// Gets the results of a run of a report: CSV, or a ZIP of several files. The number of queries does not decide which; see
    /// [`Content::format`].
    ///
    /// See [`GetQueryRunRows`] for results that are purged, stored elsewhere, or large. Source: Mode API reference, "Export",
    /// `GET /{workspace}/reports/{report}/runs/{run}/results/content.csv`.
    DownloadReportRun { report: ReportToken, run: ReportRunToken }
    for Mode, "mode.report_runs.download", Safe:
    GET "reports" / {report} / "runs" / {run} / "results" / "content.csv" -> Content,
    accept "text/csv", decode csv_or_zip
}

operation! {
    /// Gets the results of the newest run of a report, like [`DownloadReportRun`].
    ///
    /// Source: Mode API reference, link `csv_export` of a report, `GET /{workspace}/reports/{report}/results/content.csv`.
    DownloadReport { report: ReportToken }
    for Mode, "mode.reports.download", Safe: GET "reports" / {report} / "results" / "content.csv" -> Content,
    accept "text/csv", decode csv_or_zip
}

/// A file.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Content {
    /// Its format, from the content type.
    pub format: Format,
    /// The file name that the vendor suggests, without any folder.
    pub file_name: Option<Box<str>>,
    /// The file, unchanged.
    pub bytes: Bytes,
}

impl Content {
    /// The file as text, without a byte order mark. `None` if it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let text = str::from_utf8(&self.bytes).ok()?;
        Some(text.strip_prefix('\u{feff}').unwrap_or(text))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("format", &self.format)
            .field("file_name", &self.file_name)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// Format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Comma-separated values, perhaps with a byte order mark.
    Csv,
    /// A ZIP archive.
    Zip,
    /// A PDF document.
    Pdf,
}

#[inline]
fn csv_or_zip(meta: &Meta, body: &Bytes) -> Result<Content> {
    content(meta, body, &[Format::Csv, Format::Zip])
}

/// A file in one of the expected formats. The content type decides which; if it is generic, the first bytes do.
pub(super) fn content(meta: &Meta, body: &Bytes, expected: &[Format]) -> Result<Content> {
    let media = meta.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    // A login page may have any media type.
    let begins =
        |tag: &[u8]| text.get(..tag.len()).is_some_and(|text| text.eq_ignore_ascii_case(tag));
    let page = begins(b"<!doctype html") || begins(b"<html");
    let format = match &*media.to_ascii_lowercase() {
        _ if page => None,
        "text/csv" | "application/csv" => Some(Format::Csv),
        "application/zip" | "application/x-zip-compressed" => Some(Format::Zip),
        "application/pdf" => Some(Format::Pdf),
        "" | "text/plain" | "application/octet-stream" | "binary/octet-stream" => match text {
            [b'P', b'K', 3, 4, ..] => Some(Format::Zip),
            [b'%', b'P', b'D', b'F', ..] => Some(Format::Pdf),
            [b'<', ..] => None,
            _ => Some(Format::Csv),
        },
        _ => None,
    };
    let Some(format) = format.filter(|format| expected.contains(format)) else {
        let media = if media.is_empty() { "no content type" } else { media };
        let message = format!(
            "the response is {} bytes of {media}, not the file; check that the base URL leads to the API, not to a login page or proxy",
            body.len()
        );
        let error = Error::new(ErrorKind::UnexpectedContent, message);
        return Err(error.with_operation(meta.operation));
    };
    Ok(Content { format, file_name: file_name(&meta.headers), bytes: body.clone() })
}

/// The name in `Content-Disposition`. Only what follows the last slash is trusted.
fn file_name(headers: &HeaderMap) -> Option<Box<str>> {
    let value = headers.get(header::CONTENT_DISPOSITION)?.to_str().ok()?;
    let parameter = |name: &str| {
        let (_, value) = value.split_once(&format!("{name}="))?;
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => value.split(';').next(),
        };
        value.map(str::trim)
    };
    let extended = || {
        let (_, encoded) = parameter("filename*")?.split_once("''")?;
        Some(percent_decode_str(encoded).decode_utf8().ok()?.into_owned())
    };
    let name = extended().or_else(|| parameter("filename").map(str::to_owned))?;
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    (!matches!(name, "" | "." | "..") && !name.contains(char::is_control)).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::request_text;

    #[test]
    fn rows_and_files_are_requested_in_their_own_format() {
        assert_eq!(
            request_text(&GetQueryRunRows::new("r1", "n1", "q1").limit(5)),
            "GET /acme/reports/r1/runs/n1/query_runs/q1/results/content.json?limit=5\naccept: application/json"
        );
        assert_eq!(
            request_text(&DownloadQueryRun::new("r1", "n1", "q1")),
            "GET /acme/reports/r1/runs/n1/query_runs/q1/results/content.csv\naccept: text/csv"
        );
        assert_eq!(
            request_text(&GetReportRunRows::new("r1", "n1")),
            "GET /acme/reports/r1/runs/n1/results/content.json\naccept: application/json"
        );
        assert_eq!(
            request_text(&DownloadReportRun::new("r1", "n1")),
            "GET /acme/reports/r1/runs/n1/results/content.csv\naccept: text/csv"
        );
        assert_eq!(
            request_text(&DownloadReport::new("r1")),
            "GET /acme/reports/r1/results/content.csv\naccept: text/csv"
        );
    }

    fn read(media: &str, body: &'static [u8], expected: &[Format]) -> Result<Content> {
        let mut response = http::Response::new(Bytes::from_static(body));
        if !media.is_empty() {
            response.headers_mut().insert("content-type", media.parse().unwrap());
        }
        content(&Meta::of_test(&response), response.body(), expected)
    }

    #[test]
    fn the_content_type_distinguishes_csv_zip_and_pages() {
        let either = &[Format::Csv, Format::Zip];
        for (media, body, format) in [
            ("text/csv; charset=utf-8", &b"a,b\n1,2\n"[..], Some(Format::Csv)),
            ("text/csv", b"PK\x03\x04", Some(Format::Csv)),
            ("TEXT/CSV", b"<a>,b", Some(Format::Csv)),
            ("application/zip", b"PK\x03\x04", Some(Format::Zip)),
            ("application/octet-stream", b"PK\x03\x04", Some(Format::Zip)),
            ("application/octet-stream", b"a,b", Some(Format::Csv)),
            ("", b"", Some(Format::Csv)),
            ("", b" <html>", None),
            ("text/html; charset=utf-8", b"a,b", None),
            ("application/hal+json", b"{}", None),
            ("application/pdf", b"%PDF", None),
        ] {
            let read = read(media, body, either);
            assert_eq!(read.as_ref().ok().map(|content| content.format), format, "{media}");
            if let Err(error) = read {
                assert_eq!(error.kind(), ErrorKind::UnexpectedContent);
                assert!(!error.to_string().contains("a,b"));
            }
        }
        assert!(read("application/pdf", b"%PDF", &[Format::Pdf]).is_ok());
        assert!(read("", b"%PDF-1.4", &[Format::Pdf]).is_ok());
        assert!(read("", b"a,b", &[Format::Pdf]).is_err());
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_text() {
        assert_eq!(
            read("text/csv", b"\xef\xbb\xbfa,b", &[Format::Csv]).unwrap().text(),
            Some("a,b")
        );
        assert_eq!(read("text/csv", b"\xff", &[Format::Csv]).unwrap().text(), None);
    }

    #[test]
    fn a_file_name_contains_no_folder() {
        let name = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-disposition", value.parse().unwrap());
            file_name(&headers).map(String::from)
        };
        for (value, file) in [
            ("attachment; filename=\"sales; 2026.zip\"", Some("sales; 2026.zip")),
            ("attachment; filename=sales.csv; size=3", Some("sales.csv")),
            ("attachment; filename*=UTF-8''%C3%BCber.csv; filename=\"uber.csv\"", Some("über.csv")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename=\"C:\\x\\y.csv\"", Some("y.csv")),
            ("attachment; filename*=UTF-8''..%2F..", None),
            ("attachment; filename*=UTF-8''a%0Ab", None),
            ("attachment; filename=\"\"", None),
            ("attachment", None),
        ] {
            assert_eq!(name(value).as_deref(), file, "{value}");
        }
    }
}
