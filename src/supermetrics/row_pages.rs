//! The rows of a result, page by page.

use bytes::Bytes;
use serde_json::json;

use super::Supermetrics;
use super::list::{ListQuery, cursor_at};
use super::parameters::{LAST_OFFSET, Limited as _, Parameters, json_parameters};
use super::rows::Row;
use super::runs::{QueryRun, status_parameters};
use super::schedule_id::ScheduleId;
use crate::client::{CountedList, ListSettings, Meta, RequestBuilder, operation};
use crate::error::Result;
use crate::paging::{Cursor, Page};

operation! {
    /// Lists the rows of a run that has succeeded, in pages. The header row is not among them.
    ///
    /// A run that has not ended is [`NotFound`](crate::ErrorKind::NotFound), not an empty list, and so is one that is not known, or no
    /// longer; a run that failed is [`RunFailed`](crate::ErrorKind::RunFailed), with its
    /// [reason](crate::Error::failure). The vendor prepares the whole result before it sends the first
    /// page, so that small pages save memory but no time. Rows are kept for an hour after the end of the run.
    ///
    /// Source: Supermetrics API, "Pagination" and "Get status": `GET /query/status` with `offset_start` and
    /// `offset_end`.
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
    ListRows { run: ScheduleId }
    pages counted { list: RowPages, item: Row }
    for Supermetrics, "supermetrics.rows.list", Safe: GET "query" / "status" -> Page<Row>,
    with |this, request| {
        let ListQuery { limit, offset } = this.list.page;
        let last = offset.map(|first| first.saturating_add(limit.saturating_sub(1)).min(LAST_OFFSET));
        status_parameters(request.check(this.list.page.check(LAST_OFFSET)), &this.run, offset, last)
    }
}

impl ListRows {
    /// Rows per page, 1 to 1,000,000. Default 10,000.
    pub fn limit(mut self, rows: u32) -> Self {
        self.list.page.limit = rows;
        self
    }

    /// As [`GetQueryStatus::no_headers`](super::GetQueryStatus::no_headers).
    pub fn no_headers(mut self) -> Self {
        self.list.no_headers = Some(true);
        self
    }
}

operation! {
    /// Lists the rows of a run that has succeeded, from its results instead of its status, in pages of at most 100,000.
    ///
    /// As [`ListRows`], but only for runs in the formats `json` and `keyjson`: the vendor keeps results in the format
    /// that the run was started with. [`GetResults`](super::GetResults) reads any format. Results that do not exist
    /// yet, or no longer, are [`NotFound`](crate::ErrorKind::NotFound).
    ///
    /// Source: Supermetrics API, "Get results", `GET /query/results` with `offset` and `limit`.
    ListResults { run: ScheduleId }
    pages counted { list: RowPages = RowPages { uncounted: true, ..RowPages::default() }, item: Row }
    for Supermetrics, "supermetrics.results.list", Safe: GET "query" / "results" -> Page<Row>,
    with |this, request| {
        let ListQuery { limit, offset } = this.list.page;
        let request = request.check(this.list.page.check(LARGEST_RESULTS));
        results_parameters(request, &this.run, offset, limit)
    }
}

impl ListResults {
    /// Rows per page, 1 to 100,000. Default 10,000; it is always sent, because the vendor documents two different
    /// defaults.
    pub fn limit(mut self, rows: u32) -> Self {
        self.list.page.limit = rows;
        self
    }

    /// As [`GetQueryStatus::no_headers`](super::GetQueryStatus::no_headers).
    pub fn no_headers(mut self) -> Self {
        self.list.no_headers = Some(true);
        self
    }
}

/// The most rows that `/query/results` sends at once.
pub(super) const LARGEST_RESULTS: u32 = 100_000;

/// Adds the parameters of `/query/results`.
pub(super) fn results_parameters(
    request: RequestBuilder,
    run: &ScheduleId,
    offset: Option<u32>,
    limit: u32,
) -> RequestBuilder {
    let request = request
        .check(offset.check("offset", 0..=LAST_OFFSET))
        .check(limit.check("limit", 1..=LARGEST_RESULTS))
        .check(run.check_given());
    let parameters = Parameters([
        ("schedule_id", json!(run)),
        ("offset", json!(offset)),
        ("limit", json!(limit)),
    ]);
    json_parameters(request, &parameters)
}

/// Which rows of a run are requested, and how they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RowPages {
    page: ListQuery,
    no_headers: Option<bool>,
    /// Whether responses may lack the count of all rows. Then another page follows each full one.
    uncounted: bool,
}

impl Default for RowPages {
    fn default() -> Self {
        Self { page: ListQuery::of(10_000), no_headers: None, uncounted: false }
    }
}

impl RowPages {
    /// The rows of a run as a page. Another page follows if a link says so, or if fewer rows were read than there are.
    fn page_of(&self, run: QueryRun) -> Result<Page<Row>> {
        let run = run.with_rows()?;
        let total = run.result.as_ref().and_then(|result| result.total_rows);
        let (linked, link) = (run.linked, run.next);
        let rows = run.into_rows();
        let (start, read) = (self.page.start(), self.page.end(&rows));
        let more = match total {
            Some(total) => read < total,
            None => self.uncounted && self.page.is_full(&rows),
        };
        // Only forwards: a link backwards leads to rows that the caller has already. A link that cannot be read says
        // that there are more rows, unless the count says otherwise.
        let forwards = link.map(|link| link.start).filter(|next| *next > start);
        let linked = forwards.is_some() || (linked && link.is_none() && total.is_none());
        let next = match forwards {
            _ if !linked && !more => None,
            // Not the offset of the link, which may skip rows that did not fit on this page.
            _ if !rows.is_empty() => Some(read),
            Some(next) => Some(next),
            None if more => return Err(self.page.none_came(total.unwrap_or_default(), "rows")),
            None => None,
        };
        let mut page = Page::new(rows, next.map(cursor_at));
        page.total = total;
        Ok(page)
    }
}

impl ListSettings<Row> for RowPages {
    /// Adds nothing: the rows are chosen by parameters that each list sends itself.
    fn write(&self, request: RequestBuilder) -> RequestBuilder {
        request
    }

    #[inline]
    fn page(&self, meta: &Meta, body: &Bytes, _: fn(&Row) -> Option<&str>) -> Result<Page<Row>> {
        self.page_of(QueryRun::read(meta, body, self.no_headers)?)
    }

    fn move_to(&mut self, cursor: &Cursor) {
        self.page.seek(cursor);
    }
}

impl CountedList<Row> for RowPages {
    fn page_count(&self, first: &Page<Row>) -> usize {
        self.page.pages(first)
    }

    fn nth(&self, first: &Page<Row>, number: usize) -> Cursor {
        self.page.later(first, number)
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::client::{Endpoint as _, PagedEndpoint as _};
    use crate::error::ErrorKind;
    use crate::supermetrics::tests::request_text;

    #[test]
    fn pages_are_requested_by_the_first_and_the_last_row() {
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
    fn a_page_that_cannot_exist_is_not_requested() {
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
        let response = http::Response::new(Bytes::copy_from_slice(body.as_bytes()));
        let run = QueryRun::read(&Meta::of_test(&response), response.body(), Some(true))?;
        let mut list = RowPages { uncounted: full.is_some(), ..RowPages::default() };
        list.page.limit = full.unwrap_or(list.page.limit);
        if let Some(cursor) = cursor {
            list.page.seek(&Cursor::new(cursor));
        }
        let page = list.page_of(run)?;
        Ok(page.next.map(|next| next.as_str().to_owned()))
    }

    #[test]
    fn a_list_continues_while_a_link_or_the_count_of_rows_says_so() {
        let link = |start: u64| {
            format!(r#"{{"next":"https://else.example/x?json={{\"offset_start\":{start}}}"}}"#)
        };
        for (paginate, total, rows, at, full, expected) in [
            // By the link, but not at its offset: rows that did not fit on the page would be lost.
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
    fn rows_that_are_promised_and_do_not_come_are_an_error() {
        let body = r#"{"meta":{"status_code":"SUCCESS","result":{"total_rows":9}},"data":[]}"#;
        let error = next(body, Some("offset=4"), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pagination);
        assert!(error.to_string().contains("9 rows, but none came after the first 4"), "{error}");
        for (body, kind) in [
            (r#"{"meta":{"status_code":"RUNNING"},"data":[]}"#, ErrorKind::NotFound),
            (r#"{"meta":{"status_code":"FAILURE"},"data":[]}"#, ErrorKind::RunFailed),
        ] {
            assert_eq!(next(body, None, None).unwrap_err().kind(), kind);
        }
    }
}
