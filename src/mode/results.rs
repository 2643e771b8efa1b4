//! Results: rows as JSON, files as bytes.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use url::Url;

use super::query_runs::QueryRunToken;
use super::report_runs::ReportRunToken;
use super::reports::ReportToken;
use super::{Mode, request};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::json;

/// One row of a result: columns by name, in alphabetical order. The vendor says nothing about their types.
pub type Row = Map<String, Value>;

/// Gets the rows of one query run.
///
/// To have them as a type of yours, send it with [`Client::send_as`](crate::Client::send_as) and `Vec<YourRow>`.
///
/// Results that were purged are [`NotFound`](ErrorKind::NotFound). Results that the vendor keeps elsewhere are
/// [`CrossOrigin`](ErrorKind::CrossOrigin): the header `Location` of [`Error::headers`] has a link that needs no credential.
/// Large ones may need [`Call::max_body`](crate::client::Call::max_body) and longer limits.
///
/// Source: Mode API reference, "Query Runs",
/// `GET /{workspace}/reports/{report}/runs/{run}/query_runs/{query_run}/results/content.json`. Safe to repeat.
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
/// let request = GetQueryRunRows::new("f2lkg3hwjj9a", "1a2b3c4d5e6f", "6f5e4d3c2b1a").limit(1_000);
/// let rows: Response<Vec<Visits>> = client.send_as(request).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct GetQueryRunRows {
    report: ReportToken,
    run: ReportRunToken,
    query_run: QueryRunToken,
    limit: Option<u64>,
}

impl GetQueryRunRows {
    /// The rows of this query run of this run of this report.
    pub fn new(
        report: impl Into<ReportToken>,
        run: impl Into<ReportRunToken>,
        query_run: impl Into<QueryRunToken>,
    ) -> Self {
        Self { report: report.into(), run: run.into(), query_run: query_run.into(), limit: None }
    }

    /// Most rows. Left out, all of them. Not documented, but in use.
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }
}

impl Endpoint for GetQueryRunRows {
    type Api = Mode;
    type Output = Vec<Row>;
    const OPERATION: &'static str = "mode.query_runs.get_rows";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let Self { report, run, query_run, limit } = self;
        let path = [
            "reports",
            report.as_str(),
            "runs",
            run.as_str(),
            "query_runs",
            query_run.as_str(),
            "results",
            "content.json",
        ];
        ApiRequest::of::<Self>(Method::GET, base, &path)
            .header(header::ACCEPT, "application/json")
            .query("limit", *limit)
            .finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Vec<Row>> {
        json::decode(meta, body)
    }
}

request! {
    /// Gets the result of one query run as CSV.
    ///
    /// See [`GetQueryRunRows`] for what is not found, kept elsewhere, or large. Source: Mode API reference, "Query Runs",
    /// `GET /{workspace}/reports/{report}/runs/{run}/query_runs/{query_run}/results/content.csv`. Safe to repeat.
    DownloadQueryRun { report: ReportToken, run: ReportRunToken, query_run: QueryRunToken }
    "The result of this query run of this run of this report."
    GET ["reports", report, "runs", run, "query_runs", query_run, "results", "content.csv"]
    -> Content = csv_or_zip, "mode.query_runs.download", Safe, accept "text/csv"
}

request! {
    /// Gets the rows of a run of a report: those of its **first query** only, without a word about the others.
    ///
    /// See [`GetQueryRunRows`] for what is not found, kept elsewhere, or large, and for rows of a type of yours. Source: Mode
    /// API reference, "Export", `GET /{workspace}/reports/{report}/runs/{run}/results/content.json`. Safe to repeat.
    GetReportRunRows { report: ReportToken, run: ReportRunToken } "The rows of this run of this report."
    GET ["reports", report, "runs", run, "results", "content.json"] -> Vec<Row> = json::decode,
    "mode.report_runs.get_rows", Safe, accept "application/json"
}

request! {
    /// Gets the results of a run of a report: CSV, or a ZIP of several. The number of queries does not tell which; see
    /// [`Content::format`].
    ///
    /// See [`GetQueryRunRows`] for what is not found, kept elsewhere, or large. Source: Mode API reference, "Export",
    /// `GET /{workspace}/reports/{report}/runs/{run}/results/content.csv`. Safe to repeat.
    DownloadReportRun { report: ReportToken, run: ReportRunToken } "The results of this run of this report."
    GET ["reports", report, "runs", run, "results", "content.csv"] -> Content = csv_or_zip,
    "mode.report_runs.download", Safe, accept "text/csv"
}

request! {
    /// Gets the results of the newest run of a report, as [`DownloadReportRun`].
    ///
    /// Source: Mode API reference, link `csv_export` of a report, `GET /{workspace}/reports/{report}/results/content.csv`.
    /// Safe to repeat.
    DownloadReport { report: ReportToken } "The newest results of this report."
    GET ["reports", report, "results", "content.csv"] -> Content = csv_or_zip,
    "mode.reports.download", Safe, accept "text/csv"
}

/// A file.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Content {
    /// What it is, as its content type says.
    pub format: Format,
    /// The name the vendor gives it, without any folder.
    pub file_name: Option<Box<str>>,
    /// The file, as it came.
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

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Comma-separated values, perhaps with a byte order mark.
    Csv,
    /// Several files in one.
    Zip,
    /// A document.
    Pdf,
}

fn csv_or_zip(meta: &Meta, body: &Bytes) -> Result<Content> {
    content(meta, body, &[Format::Csv, Format::Zip])
}

/// A file of one of the formats that were asked for. The content type tells which; where it tells nothing, the first bytes.
pub(super) fn content(meta: &Meta, body: &Bytes, wanted: &[Format]) -> Result<Content> {
    let media = meta.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    // A login page may come under any media type.
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
    let Some(format) = format.filter(|format| wanted.contains(format)) else {
        let media = if media.is_empty() { "no content type" } else { media };
        let message = format!(
            "the answer is {} bytes of {media}, not the file: is this the API, or a login page or proxy?",
            body.len()
        );
        let error = Error::new(ErrorKind::UnexpectedContent, message);
        return Err(error.with_operation(meta.operation));
    };
    Ok(Content { format, file_name: file_name(&meta.headers), bytes: body.clone() })
}

/// The name in `Content-Disposition`, of which only what follows the last slash is trusted.
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
    fn rows_and_files_are_asked_for_in_their_own_format() {
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

    fn read(media: &str, body: &'static [u8], wanted: &[Format]) -> Result<Content> {
        let mut answer = http::Response::new(Bytes::from_static(body));
        if !media.is_empty() {
            answer.headers_mut().insert("content-type", media.parse().unwrap());
        }
        content(&Meta::of_test(&answer), answer.body(), wanted)
    }

    #[test]
    fn the_content_type_tells_csv_from_zip_and_from_pages() {
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
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(
            read("text/csv", b"\xef\xbb\xbfa,b", &[Format::Csv]).unwrap().text(),
            Some("a,b")
        );
        assert_eq!(read("text/csv", b"\xff", &[Format::Csv]).unwrap().text(), None);
    }

    #[test]
    fn a_file_name_names_no_folder() {
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
