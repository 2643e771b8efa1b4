//! All rows of a result, page by page.

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use url::Url;

use super::query::check_range;
use super::rows::Row;
use super::runs::{QueryRun, not_empty, status_call};
use super::schedule_id::ScheduleId;
use super::{Supermetrics, json_parameters};
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta, OffsetPages, PagedEndpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::{Cursor, Page};

/// Greatest offset of a row that the vendor takes.
const LAST_OFFSET: u32 = 1_000_000;

/// Lists the rows of a run that has succeeded, in pages. The row of headers is not among them.
///
/// A run that goes on is [`UnexpectedContent`](ErrorKind::UnexpectedContent), for its rows are not none; one that
/// failed is [`RunFailed`](ErrorKind::RunFailed). The vendor makes the whole result before it sends the first page, so
/// that small pages save memory and no time.
///
/// Source: Supermetrics API, "Pagination" and "Get status": `GET /query/status` with `offset_start` and `offset_end`.
/// Safe to repeat, for an hour after the end of the run.
///
/// ```no_run
/// use scheduled_runs::supermetrics::{self, ListRows};
///
/// # async fn program(client: supermetrics::Client) -> scheduled_runs::Result<()> {
/// let mut rows = client.items(ListRows::new("nightly-1"));
/// while let Some(row) = rows.next().await {
///     let (day, sessions): (String, u64) = row?.deserialize()?;
///     println!("{day} {sessions}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListRows {
    run: ScheduleId,
    limit: u32,
    no_headers: Option<bool>,
    cursor: Option<Cursor>,
}

impl ListRows {
    /// The rows of this run.
    pub fn new(run: impl Into<ScheduleId>) -> Self {
        Self { run: run.into(), limit: 10_000, no_headers: None, cursor: None }
    }

    /// Rows of a page, 1 to 1,000,000. Default 10,000.
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = rows;
        self
    }

    /// As [`GetQueryStatus::no_headers`](super::GetQueryStatus::no_headers).
    pub fn no_headers(mut self) -> Self {
        self.no_headers = Some(true);
        self
    }
}

impl Endpoint for ListRows {
    type Api = Supermetrics;
    type Output = Page<Row>;
    const OPERATION: &'static str = "supermetrics.rows.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let page = check_range("limit", Some(self.limit), 1..=LAST_OFFSET);
        let start = page.and_then(|()| offset_of(self.cursor.as_ref()));
        let start = start.map_err(|error| error.with_operation(Self::OPERATION))?;
        let end = start.saturating_add(self.limit - 1).min(LAST_OFFSET);
        status_call::<Self>(base, &self.run, Some(start), Some(end))
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<Row>> {
        let run = QueryRun::read(meta, body, self.no_headers)?;
        page(run, self.cursor.as_ref(), None)
    }
}

impl PagedEndpoint for ListRows {
    type Item = Row;

    fn at(&self, cursor: &Cursor) -> Self {
        Self { cursor: Some(cursor.clone()), ..self.clone() }
    }
}

impl OffsetPages for ListRows {
    fn page_count(&self, first: &Page<Row>) -> usize {
        page_count(first, self.limit)
    }

    fn nth(&self, _: &Page<Row>, number: usize) -> Cursor {
        nth(number, self.limit)
    }
}

/// Lists the rows of a run that has succeeded, from the results and not from the status, in pages of at most 100,000.
///
/// As [`ListRows`], and for runs in the formats `json` and `keyjson` only: what the vendor has here is in the format
/// that the run was asked for. [`GetResults`](super::GetResults) has any format. Results that are not there, or no
/// longer, are [`NotFound`](ErrorKind::NotFound).
///
/// Source: Supermetrics API, "Get results", `GET /query/results` with `offset` and `limit`. Safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListResults {
    run: ScheduleId,
    limit: u32,
    no_headers: Option<bool>,
    cursor: Option<Cursor>,
}

impl ListResults {
    /// The rows of this run.
    pub fn new(run: impl Into<ScheduleId>) -> Self {
        Self { run: run.into(), limit: 10_000, no_headers: None, cursor: None }
    }

    /// Rows of a page, 1 to 100,000. Default 10,000; it is always sent, for the vendor documents two defaults of its own.
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = rows;
        self
    }

    /// As [`GetQueryStatus::no_headers`](super::GetQueryStatus::no_headers).
    pub fn no_headers(mut self) -> Self {
        self.no_headers = Some(true);
        self
    }
}

impl Endpoint for ListResults {
    type Api = Supermetrics;
    type Output = Page<Row>;
    const OPERATION: &'static str = "supermetrics.results.list";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let offset = offset_of(self.cursor.as_ref())
            .map_err(|error| error.with_operation(Self::OPERATION))?;
        results_call::<Self>(base, &self.run, offset, self.limit)
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Page<Row>> {
        let run = QueryRun::read(meta, body, self.no_headers)?;
        page(run, self.cursor.as_ref(), Some(self.limit))
    }
}

impl PagedEndpoint for ListResults {
    type Item = Row;

    fn at(&self, cursor: &Cursor) -> Self {
        Self { cursor: Some(cursor.clone()), ..self.clone() }
    }
}

impl OffsetPages for ListResults {
    fn page_count(&self, first: &Page<Row>) -> usize {
        page_count(first, self.limit)
    }

    fn nth(&self, _: &Page<Row>, number: usize) -> Cursor {
        nth(number, self.limit)
    }
}

/// A call of `/query/results`.
pub(super) fn results_call<E: Endpoint>(
    base: &Url,
    run: &ScheduleId,
    offset: u32,
    limit: u32,
) -> Result<ApiRequest> {
    #[derive(Serialize)]
    struct Parameters<'a> {
        schedule_id: &'a ScheduleId,
        offset: u32,
        limit: u32,
    }
    let checked = check_range("offset", Some(offset), 0..=LAST_OFFSET)
        .and_then(|()| check_range("limit", Some(limit), 1..=100_000))
        .and_then(|()| not_empty(run));
    checked.map_err(|error| error.with_operation(E::OPERATION))?;
    let builder = ApiRequest::of::<E>(Method::GET, base, &["query", "results"]);
    json_parameters(builder, &Parameters { schedule_id: run, offset, limit }).finish()
}

/// The page of an answer, and where the list goes on: where a link says so, or where fewer rows were read than there are.
///
/// `full` is the size of a full page, after which a list that is not counted goes on.
fn page(run: QueryRun, cursor: Option<&Cursor>, full: Option<u32>) -> Result<Page<Row>> {
    let run = run.with_rows()?;
    let start = u64::from(offset_of(cursor)?);
    let total = run.result.as_ref().and_then(|result| result.total_rows);
    let (linked, link) = (run.linked, run.next);
    let rows = run.into_rows();
    let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let read = start.saturating_add(count);
    let more = match total {
        Some(total) => read < total,
        None => full.is_some_and(|full| count >= u64::from(full)),
    };
    // Forwards only: a link back would bring what was already given out. One that cannot be read says that there is more,
    // unless the count knows better.
    let forwards = link.map(|link| link.start).filter(|next| *next > start);
    let linked = forwards.is_some() || (linked && link.is_none() && total.is_none());
    let next = match forwards {
        _ if !linked && !more => None,
        // Counted here, for a link may leave rows out that did not fit on this page.
        _ if count > 0 => Some(read),
        Some(next) => Some(next),
        None if more => {
            let total = total.unwrap_or_default();
            let message = format!("there are {total} rows, but none came after the first {start}");
            return Err(Error::new(ErrorKind::Pagination, message));
        }
        None => None,
    };
    let mut page = Page::new(rows, next.map(cursor_at));
    page.total = total;
    Ok(page)
}

fn cursor_at(offset: impl std::fmt::Display) -> Cursor {
    Cursor::new(format!("offset={offset}"))
}

/// The offset in a cursor; 0 where there is none. Lists of this vendor share it.
pub(super) fn offset_of(cursor: Option<&Cursor>) -> Result<u32> {
    let Some(cursor) = cursor else { return Ok(0) };
    let offset = cursor.as_str().strip_prefix("offset=").and_then(|offset| offset.parse().ok());
    offset.ok_or_else(|| Error::config("the cursor comes from another vendor's list"))
}

/// The pages of a list that is counted and whose first page is as long as asked for: then all offsets are known.
pub(super) fn page_count<T>(first: &Page<T>, size: u32) -> usize {
    let size = usize::try_from(size.max(1)).unwrap_or(usize::MAX);
    let total = first.total.and_then(|total| usize::try_from(total).ok()).unwrap_or(0);
    if first.items.len() < size { 1 } else { total.div_ceil(size).max(1) }
}

pub(super) fn nth(number: usize, size: u32) -> Cursor {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    cursor_at(number.saturating_mul(u64::from(size)))
}

/// The page of a list whose answers count in `offset`, `limit` and `total`.
pub(super) fn counted_page<T>(
    items: Vec<T>,
    cursor: Option<&Cursor>,
    total: Option<u64>,
    limit: u32,
) -> Result<Page<T>> {
    let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let read = u64::from(offset_of(cursor)?).saturating_add(count);
    let more = match total {
        Some(total) => count > 0 && read < total,
        None => count >= u64::from(limit),
    };
    let mut page = Page::new(items, more.then(|| cursor_at(read)));
    page.total = total;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supermetrics::tests::request_text;

    #[test]
    fn pages_are_asked_for_by_the_first_and_the_last_row() {
        assert_eq!(
            request_text(&ListRows::new("s-1")),
            r#"GET /query/status?json={"schedule_id":"s-1","offset_start":0,"offset_end":9999}"#
        );
        let rows = ListRows::new("s-1").limit(100);
        assert_eq!(
            request_text(&rows.at(&Cursor::new("offset=100"))),
            r#"GET /query/status?json={"schedule_id":"s-1","offset_start":100,"offset_end":199}"#
        );
        assert_eq!(
            request_text(&rows.at(&Cursor::new("offset=999950"))),
            r#"GET /query/status?json={"schedule_id":"s-1","offset_start":999950,"offset_end":1000000}"#
        );
        let results = ListResults::new("s-1").limit(5);
        assert_eq!(
            request_text(&results.at(&Cursor::new("offset=10"))),
            r#"GET /query/results?json={"schedule_id":"s-1","offset":10,"limit":5}"#
        );
        assert_eq!(
            request_text(&ListResults::new("s-1")),
            r#"GET /query/results?json={"schedule_id":"s-1","offset":0,"limit":10000}"#
        );
    }

    #[test]
    fn what_no_page_can_be_is_not_sent() {
        let base = Url::parse("https://host").unwrap();
        let foreign = Cursor::new("page=2");
        for (error, says) in [
            (ListRows::new("s").limit(0).to_request(&base), "`limit` is 0"),
            (ListRows::new("").to_request(&base), "`schedule_id` is empty"),
            (ListRows::new("s").at(&foreign).to_request(&base), "another vendor's list"),
            (ListResults::new("s").limit(100_001).to_request(&base), "`limit` is 100001"),
            (
                ListResults::new("s").at(&Cursor::new("offset=1000001")).to_request(&base),
                "`offset` is",
            ),
        ] {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    fn next(body: &str, cursor: Option<&str>, full: Option<u32>) -> Result<Option<String>> {
        let answer = http::Response::new(Bytes::copy_from_slice(body.as_bytes()));
        let run = QueryRun::read(&Meta::of_test(&answer), answer.body(), Some(true))?;
        let cursor = cursor.map(Cursor::new);
        let page = page(run, cursor.as_ref(), full)?;
        Ok(page.next.map(|next| next.as_str().to_owned()))
    }

    #[test]
    fn a_list_goes_on_while_a_link_or_the_count_of_rows_says_so() {
        let link = |start: u64| {
            format!(r#"{{"next":"https://else.example/x?json={{\"offset_start\":{start}}}"}}"#)
        };
        for (paginate, total, rows, at, full, expected) in [
            // By the link, though not where it leads: rows that did not fit would be lost.
            (link(3), "null", 2, None, None, Some("offset=2")),
            (
                r#"{"next":"https://else.example/opaque"}"#.to_owned(),
                "null",
                2,
                None,
                None,
                Some("offset=2"),
            ),
            (link(9), "null", 0, Some("offset=5"), None, Some("offset=9")),
            (link(5), "null", 0, Some("offset=5"), None, None),
            (link(5), "7", 2, Some("offset=5"), None, None),
            (link(7), "7", 2, Some("offset=5"), None, Some("offset=7")),
            (r#"{"next":"https://else.example/opaque"}"#.to_owned(), "2", 2, None, None, None),
            // By the count.
            ("null".to_owned(), "5", 2, None, None, Some("offset=2")),
            ("{}".to_owned(), "5", 2, Some("offset=3"), None, None),
            ("[]".to_owned(), "\"5\"", 2, Some("offset=2"), None, Some("offset=4")),
            (r#"{"next":null}"#.to_owned(), "2", 2, None, None, None),
            (r#"{"next":""}"#.to_owned(), "null", 2, None, None, None),
            // By the length of the page, for results.
            ("null".to_owned(), "null", 2, None, Some(2), Some("offset=2")),
            ("null".to_owned(), "null", 1, Some("offset=2"), Some(2), None),
            ("null".to_owned(), "2", 2, None, Some(2), None),
        ] {
            let data = vec![r#"["x"]"#; rows].join(",");
            let body = format!(
                r#"{{"meta":{{"status_code":"SUCCESS","result":{{"total_rows":{total}}},"paginate":{paginate}}},"data":[{data}]}}"#
            );
            assert_eq!(next(&body, at, full).unwrap().as_deref(), expected, "{body} at {at:?}");
        }
    }

    #[test]
    fn rows_that_are_promised_and_do_not_come_are_told() {
        let body = r#"{"meta":{"status_code":"SUCCESS","result":{"total_rows":9}},"data":[]}"#;
        let error = next(body, Some("offset=4"), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pagination);
        assert!(error.to_string().contains("9 rows, but none came after the first 4"), "{error}");
        for (body, kind) in [
            (r#"{"meta":{"status_code":"RUNNING"},"data":[]}"#, ErrorKind::UnexpectedContent),
            (r#"{"meta":{"status_code":"FAILURE"},"data":[]}"#, ErrorKind::RunFailed),
        ] {
            assert_eq!(next(body, None, None).unwrap_err().kind(), kind);
        }
    }

    #[test]
    fn pages_side_by_side_need_a_count_and_a_full_first_page() {
        let page = |items: usize, total: Option<u64>| {
            let mut page = Page::new(vec![(); items], None);
            page.total = total;
            page
        };
        assert_eq!(page_count(&page(10, Some(25)), 10), 3);
        assert_eq!(page_count(&page(10, Some(10)), 10), 1);
        assert_eq!(page_count(&page(10, None), 10), 1);
        assert_eq!(
            page_count(&page(5, Some(25)), 10),
            1,
            "the vendor sends less than is asked for"
        );
        assert_eq!(nth(3, 10).as_str(), "offset=30");
    }
}
