//! Results as files, in formats other than rows.

use std::fmt;

use bytes::Bytes;
use http::header;
use url::Url;

use super::Supermetrics;
use super::dialect::Head;
use super::query::Query;
use super::row_pages::results_call;
use super::runs::{QueryRun, data_call};
use super::schedule_id::ScheduleId;
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::open_enum;

open_enum! {
    /// Format of a result.
    Format {
        /// One object with rows and what they mean: what this crate reads as [`QueryRun`](super::QueryRun).
        Json = "json",
        /// A list of objects, one for each row. Numbers often come as texts.
        KeyJson = "keyjson",
        /// An object on each line.
        Ndjson = "ndjson",
        /// Values with commas between, under a line of headers.
        Csv = "csv",
        /// Values with tabs between, under a line of headers.
        Tsv = "tsv",
        /// Apache Parquet.
        Parquet = "parquet",
        /// JSON as Power BI takes it.
        PowerBi = "powerbi",
        /// JSON as Qlik takes it.
        Qlik = "qlik",
        /// JSON as Tableau takes it.
        Tableau = "tableau",
    }
}

/// Runs a query and gets its result as a file, if it ends within its [`sync_timeout`](Query::sync_timeout).
///
/// If not, the answer says how the run stands: wait for it, then send [`GetResults`]. A run that failed is
/// [`RunFailed`](ErrorKind::RunFailed). Large files need [`Call::max_body`](crate::client::Call::max_body).
///
/// Source: Supermetrics API, "Get data" and its formats, `GET|POST /query/data/{format}`. Never sent again once it may
/// have arrived, as [`RunQuery`](super::RunQuery).
///
/// ```no_run
/// use scheduled_runs::RunProviderExt;
/// use scheduled_runs::supermetrics::{self, Download, DownloadQuery, File, Format, GetResults, Query, ScheduleId};
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct DownloadQuery {
    query: Query,
    format: Format,
    post: bool,
}

impl DownloadQuery {
    /// This query, in this format.
    pub fn new(query: Query, format: Format) -> Self {
        Self { query, format, post: false }
    }

    /// As [`RunQuery::post`](super::RunQuery::post).
    pub fn post(mut self) -> Self {
        self.post = true;
        self
    }
}

impl Endpoint for DownloadQuery {
    type Api = Supermetrics;
    type Output = Download;
    const OPERATION: &'static str = "supermetrics.queries.download";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        data_call::<Self>(base, &self.format, &self.query, self.post)
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Download> {
        Download::read(meta, body)
    }
}

/// Gets the result of a run that has succeeded, as a file in the format that the run was asked for.
///
/// Results that are not there yet, or no longer, are [`NotFound`](ErrorKind::NotFound): poll the status, not the
/// results. Rows of the formats `json` and `keyjson` come typed from [`ListResults`](super::ListResults).
///
/// At most 100,000 rows come at once, and a file does not say that it was cut. A query whose
/// [`max_rows`](Query::max_rows) is larger is read in parts: by [`offset`](Self::offset), until one has fewer rows than
/// asked for. Whether the line of headers comes with each part, and whether Parquet is cut at all, is not documented.
///
/// Source: Supermetrics API, "Get results", `GET /query/results`. Safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct GetResults {
    run: ScheduleId,
    offset: u32,
    limit: u32,
}

impl GetResults {
    /// The result of this run.
    pub fn new(run: impl Into<ScheduleId>) -> Self {
        Self { run: run.into(), offset: 0, limit: 100_000 }
    }

    /// Rows to leave out at the beginning, at most 1,000,000. Default 0.
    pub fn offset(mut self, rows: u32) -> Self {
        self.offset = rows;
        self
    }

    /// Most rows, 1 to 100,000. Default 100,000; it is always sent, for the vendor documents two defaults of its own.
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = rows;
        self
    }
}

impl Endpoint for GetResults {
    type Api = Supermetrics;
    type Output = File;
    const OPERATION: &'static str = "supermetrics.results.get";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        results_call::<Self>(base, &self.run, self.offset, self.limit)
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<File> {
        match Download::read(meta, body)? {
            Download::File(file) => Ok(file),
            Download::Unfinished(run) => {
                let state = run.state.as_ref().map_or("no state", |state| state.as_str());
                let message =
                    format!("there is no result yet ({state}); wait for the end of the query");
                Err(Error::new(ErrorKind::UnexpectedContent, message))
            }
        }
    }
}

/// What came of asking for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Download {
    /// The file.
    File(File),
    /// The query goes on: there is no file yet.
    Unfinished(Box<QueryRun>),
}

impl Download {
    /// The file, if there is one.
    #[must_use]
    pub fn file(self) -> Option<File> {
        if let Self::File(file) = self { Some(file) } else { None }
    }

    pub(super) fn read(meta: &Meta, body: &Bytes) -> Result<Self> {
        match status_body(meta, body)? {
            Some(run) => Ok(Self::Unfinished(Box::new(run.unless_failed()?))),
            None => Ok(Self::File(File { content_type: content_type(meta), bytes: body.clone() })),
        }
    }
}

/// A file, as it came.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// What the server calls it: a media type without parameters, in small letters.
    pub content_type: Option<Box<str>>,
    /// The file.
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

fn content_type(meta: &Meta) -> Option<Box<str>> {
    let value = meta.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!media.is_empty()).then(|| media.into())
}

/// The run that an answer speaks of where a file was asked for: whatever the format, the vendor says in JSON that the
/// query goes on, or has failed. `None` for a file.
///
/// The media type decides, and where it may be JSON the body: an object with a state that is not success.
pub(super) fn status_body(meta: &Meta, body: &Bytes) -> Result<Option<QueryRun>> {
    let media = content_type(meta);
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    let begins =
        |tag: &[u8]| text.get(..tag.len()).is_some_and(|text| text.eq_ignore_ascii_case(tag));
    if media.as_deref() == Some("text/html") || begins(b"<!doctype html") || begins(b"<html") {
        let media = media.as_deref().unwrap_or("no content type");
        let message = format!(
            "the answer is {} bytes of {media}, not the file: is this the API, or a login page or proxy?",
            body.len()
        );
        return Err(Error::new(ErrorKind::UnexpectedContent, message));
    }
    let json = media.as_deref().is_none_or(|media| {
        media.contains("json") || matches!(media, "text/plain" | "application/octet-stream")
    });
    let head = str::from_utf8(text).ok().filter(|_| json).map(Head::of);
    match head.and_then(|head| head.state) {
        Some(state) if state != super::QueryState::Success => {
            QueryRun::read(meta, body, None).map(Some)
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supermetrics::tests::request_text;

    #[test]
    fn files_are_asked_for_by_their_format() {
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
        let mut answer = http::Response::new(Bytes::from_static(body));
        if !media.is_empty() {
            answer.headers_mut().insert("content-type", media.parse().unwrap());
        }
        Download::read(&Meta::of_test(&answer), answer.body())
    }

    #[test]
    fn a_file_is_told_from_the_news_that_there_is_none_yet() {
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
    fn a_byte_order_mark_is_no_part_of_the_text() {
        let file = read("Text/CSV ; charset=utf-8", b"\xef\xbb\xbfa,b").unwrap().file().unwrap();
        assert_eq!((file.text(), file.content_type.as_deref()), (Some("a,b"), Some("text/csv")));
        assert_eq!(read("", b"\xff").unwrap().file().unwrap().text(), None);
        assert!(!format!("{file:?}").contains("a,b"));
    }
}
