//! Results as files, for formats that are not read as rows.

use std::fmt;

use bytes::Bytes;
use url::Url;

use super::Supermetrics;
use super::format::Format;
use super::head::content_type;
use super::query::Query;
use super::row_pages::{LARGEST_RESULTS, results_parameters};
use super::runs::{QueryRun, data_request};
use super::schedule_id::ScheduleId;
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, operation};
use crate::error::{Error, ErrorKind, Result};

/// Runs a query and gets its result as a file, if the query ends within its [`sync_timeout`](Query::sync_timeout).
///
/// If it does not, the response has the state of the run: wait for the run, then send [`GetResults`]. A run that failed
/// is [`RunFailed`](ErrorKind::RunFailed). Large files need [`Call::max_body`](crate::client::Call::max_body).
///
/// Source: Supermetrics API, "Get data" and its formats, `GET|POST /query/data/{format}`.
///
/// ```no_run
/// use scheduled_runs::RunProviderExt;
/// use scheduled_runs::supermetrics::{
///     self, Download, DownloadQuery, File, Format, GetResults, Query, ScheduleId,
/// };
///
/// # async fn program(client: supermetrics::Client, query: Query) -> scheduled_runs::Result<File> {
/// let id = ScheduleId::unique("export");
/// let download = DownloadQuery::new(query.clone().schedule_id(&id), Format::Csv);
/// if let Download::File(file) = client.send(download).await?.into_inner() {
///     return Ok(file);
/// }
/// client.wait(&supermetrics::target(&query).run(id.as_str())).await?.success()?;
/// Ok(client.send(GetResults::new(id)).await?.into_inner())
/// # }
/// ```
///
/// Operation `supermetrics.queries.download`. Send it with [`Client::send`](crate::Client::send). Never sent again once it may have arrived, as
/// [`RunQuery`](super::RunQuery).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct DownloadQuery {
    query: Query,
    format: Format,
    post: bool,
}

impl DownloadQuery {
    /// Runs this query, with a result in this format.
    pub fn new(query: Query, format: Format) -> Self {
        Self { query, format, post: false }
    }

    /// As [`RunQuery::post`](super::RunQuery::post).
    pub fn post(mut self) -> Self {
        self.post = true;
        self
    }
}

// Not an `operation!`: the method is chosen for each request.
impl Endpoint for DownloadQuery {
    type Api = Supermetrics;
    type Output = Download;
    const OPERATION: &'static str = "supermetrics.queries.download";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    #[inline]
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        data_request::<Self>(base, &self.format, &self.query, self.post)
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Download> {
        Download::read(meta, body)
    }
}

operation! {
    /// Gets the result of a run that has succeeded, as a file in the format that the run was started with.
    ///
    /// Results that do not exist yet, or no longer, are [`NotFound`](ErrorKind::NotFound), also those of a run that is not known or
    /// that failed: poll the status, not the results. [`ListResults`](super::ListResults) reads the formats `json` and `keyjson` as rows.
    ///
    /// At most 100,000 rows come at once, and a file does not say that it was cut off. If the query's
    /// [`max_rows`](Query::max_rows) is larger, read the result in parts: raise [`offset`](Self::offset) until a part
    /// has fewer rows than requested. Whether each part has the header line, and whether Parquet is cut off at all, is
    /// not documented.
    ///
    /// Source: Supermetrics API, "Get results", `GET /query/results`.
    GetResults { run: ScheduleId }
    state { offset: u32, limit: u32 = LARGEST_RESULTS }
    for Supermetrics, "supermetrics.results.get", Safe: GET "query" / "results" -> File,
    with |this, request| results_parameters(request, &this.run, Some(this.offset), this.limit),
    decode decode_file
}

impl GetResults {
    /// How many rows to skip, at most 1,000,000. Default 0.
    pub fn offset(mut self, rows: u32) -> Self {
        self.offset = rows;
        self
    }

    /// The most rows to send, 1 to 100,000. Default 100,000; it is always sent, because the vendor documents two
    /// different defaults.
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = rows;
        self
    }
}

#[inline]
fn decode_file(meta: &Meta, body: &Bytes) -> Result<File> {
    match Download::read(meta, body)? {
        Download::File(file) => Ok(file),
        Download::Unfinished(run) => {
            let state = run.state.as_ref().map_or("no state", |state| state.as_str());
            let message =
                format!("there is no result yet ({state}); wait until the query has ended");
            Err(Error::new(ErrorKind::NotFound, message))
        }
    }
}

/// The response to a request for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Download {
    /// The file.
    File(File),
    /// The query is still running, so that there is no file yet.
    Unfinished(Box<QueryRun>),
}

impl Download {
    /// The file, if there is one.
    #[must_use]
    pub fn file(self) -> Option<File> {
        if let Self::File(file) = self { Some(file) } else { None }
    }

    #[inline]
    pub(super) fn read(meta: &Meta, body: &Bytes) -> Result<Self> {
        match QueryRun::unless_file(meta, body)? {
            Some(run) => Ok(Self::Unfinished(Box::new(run.unless_failed()?))),
            None => Ok(Self::File(File { content_type: content_type(meta), bytes: body.clone() })),
        }
    }
}

/// A file, unchanged.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// Media type of the response, without parameters, in lower case.
    pub content_type: Option<Box<str>>,
    /// Content of the file.
    pub bytes: Bytes,
}

impl File {
    /// The file as text, without a byte order mark. `None` if it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let text = str::from_utf8(&self.bytes).ok()?;
        Some(text.strip_prefix('\u{feff}').unwrap_or(text))
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("content_type", &self.content_type)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supermetrics::tests::request_text;

    #[test]
    fn files_are_requested_by_their_format() {
        let query = || Query::new("GA");
        for (format, name) in [
            (Format::Csv, "csv"),
            (Format::KeyJson, "keyjson"),
            (Format::PowerBi, "powerbi"),
            (Format::from("pbijson"), "pbijson"),
        ] {
            assert_eq!(
                request_text(&DownloadQuery::new(query(), format)),
                format!(r#"GET /query/data/{name}?json={{"ds_id":"GA","sync_timeout":20}}"#)
            );
        }
        assert_eq!(
            request_text(&DownloadQuery::new(query(), Format::Parquet).post()),
            "POST /query/data/parquet\ncontent-type: application/json\n\n{\"ds_id\":\"GA\",\"sync_timeout\":20}"
        );
        assert_eq!(
            request_text(&GetResults::new("s-1")),
            r#"GET /query/results?json={"schedule_id":"s-1","offset":0,"limit":100000}"#
        );
        assert_eq!(
            request_text(&GetResults::new("s-1").offset(5).limit(10)),
            r#"GET /query/results?json={"schedule_id":"s-1","offset":5,"limit":10}"#
        );
    }

    fn read(media: &str, body: &'static [u8]) -> Result<Download> {
        let mut response = http::Response::new(Bytes::from_static(body));
        if !media.is_empty() {
            response.headers_mut().insert("content-type", media.parse().unwrap());
        }
        Download::read(&Meta::of_test(&response), response.body())
    }

    #[test]
    fn a_file_is_not_confused_with_a_status() {
        let running: &[u8] = br#"{"meta":{"schedule_id":"s","status_code":"RUNNING"},"data":[]}"#;
        for media in [
            "application/json",
            "application/json; charset=utf-8",
            "",
            "text/plain",
            "application/x-ndjson",
        ] {
            match read(media, running).unwrap() {
                Download::Unfinished(run) => assert_eq!(run.schedule_id.unwrap().as_str(), "s"),
                Download::File(_) => panic!("{media}"),
            }
        }
        for (media, body) in [
            ("text/csv", running),
            ("text/csv; charset=utf-8", b"a,b\n1,2\n"),
            ("application/json", br#"{"meta":{"status_code":"SUCCESS"},"data":[["a"]]}"#),
            ("application/json", br#"[{"status_code":"RUNNING"}]"#),
            ("application/x-ndjson", b"{\"a\":1}\n{\"a\":2}\n"),
            ("application/octet-stream", b"PAR1\xff\xfe"),
            ("", b""),
        ] {
            let file = read(media, body).unwrap().file().unwrap();
            assert_eq!(file.bytes, body);
        }
        let failed: &[u8] = br#"{"meta":{"status_code":"FAILURE"},"data":null}"#;
        assert_eq!(read("application/json", failed).unwrap_err().kind(), ErrorKind::RunFailed);
        for (media, page) in
            [("text/html", &b"a,b"[..]), ("text/csv", b" <!DOCTYPE html>"), ("", b"<HTML>")]
        {
            assert_eq!(read(media, page).unwrap_err().kind(), ErrorKind::UnexpectedContent);
        }
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_text() {
        let file = read("Text/CSV ; charset=utf-8", b"\xef\xbb\xbfa,b").unwrap().file().unwrap();
        assert_eq!((file.text(), file.content_type.as_deref()), (Some("a,b"), Some("text/csv")));
        assert_eq!(read("", b"\xff").unwrap().file().unwrap().text(), None);
        assert!(!format!("{file:?}").contains("a,b"));
    }
}
