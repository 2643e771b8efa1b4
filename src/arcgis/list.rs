//! What all lists of this vendor share: pages that are counted by items, with `start`, `num` and `nextStart`.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::request::dated;
use super::time::{Dated, Time};
use crate::client::{CountedList, ListSettings, Meta, RequestBuilder, json};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::wire::lenient;

/// Which page is requested, and how large it is.
///
/// The first page is requested without `start`, and with `num` only if the caller sets it: the administrator API documents
/// neither for its lists. It counts from 0, the sharing API from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Paging {
    pub(super) num: Option<u32>,
    pub(super) cursor: Option<Cursor>,
}

impl Paging {
    fn position(&self) -> Result<Option<Position>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        Position::of(cursor).map(Some).ok_or_else(|| {
            Error::config("the cursor is not from a list of this vendor; start without a cursor")
        })
    }
}

impl<T: DeserializeOwned + Dated> ListSettings<T> for Paging {
    fn write(&self, request: RequestBuilder) -> RequestBuilder {
        if self.num == Some(0) {
            return request.fail(Error::config("num must be at least 1"));
        }
        match self.position() {
            Ok(None) => request.query("num", self.num),
            Ok(Some(position)) => {
                let num = self.num.map_or(position.size, u64::from);
                request.query("start", Some(position.start)).query("num", (num > 0).then_some(num))
            }
            Err(error) => request.fail(error),
        }
    }

    /// The page in a response. It is the last one if as many items as the `total` were read, or if `nextStart` is not beyond it: 0
    /// and -1 end a list, and so does a `nextStart` that leads back. A total that is smaller than what was read is wrong.
    fn page(&self, meta: &Meta, body: &Bytes, key: fn(&T) -> Option<&str>) -> Result<Page<T>> {
        let ItemList { items, total, start, next_start, .. } = dated(meta, &json::or_empty(body))?;
        let asked = self.position()?;
        if asked.is_none() {
            json::found(&items, total)?;
        }
        let first = items.first().and_then(key);
        if let Some(asked) = &asked {
            // Inferred: the vendor documents no list that ignores `start`. One that does would never end.
            let ignored = match start {
                Some(start) => start != asked.start,
                None => first.is_some() && first == asked.first.as_deref(),
            };
            if ignored && !items.is_empty() {
                return Err(Error::new(
                    ErrorKind::Pagination,
                    "the server ignores `start`: it sent another page than the one requested",
                )
                .with_operation(meta.operation));
            }
        }
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let here = asked.as_ref().map(|asked| asked.start).or(start);
        let read = asked.as_ref().map_or(0, |asked| asked.read).saturating_add(count);
        let position = |next: Box<str>| {
            let message = "`nextStart` is not a number";
            let error = || Error::new(ErrorKind::Pagination, message);
            lenient::whole_of(&next).ok_or_else(|| error().with_operation(meta.operation))
        };
        let next_start = next_start.map(position).transpose()?;
        let total = total.filter(|total| *total >= read);
        if items.is_empty()
            && next_start.is_none()
            && let Some(asked) = &asked
            && let Some(total) = total.filter(|total| *total > read)
        {
            let message =
                format!("there are {total} items, but none came after the first {}", asked.read);
            return Err(Error::new(ErrorKind::Pagination, message));
        }
        let next = match next_start {
            // 0, -1, and what is no position mean that there is no next page.
            Some(next) => i64::try_from(next).ok().and_then(|next| next.try_into().ok()),
            // Only the total says that there are more.
            None => here.filter(|_| count > 0 && total.is_some()).map(|here| here + count),
        };
        let next = next.filter(|next| total != Some(read) && *next > here.unwrap_or(0));
        let next = next.map(|next| {
            let size = here.map_or(count, |here| next - here);
            let first = asked.and_then(|asked| asked.first).or_else(|| first.map(Into::into));
            Position { start: next, read, size, first }.cursor()
        });
        let mut page = Page::new(items, next);
        page.total = total;
        Ok(page)
    }

    fn move_to(&mut self, cursor: &Cursor) {
        self.cursor = Some(cursor.clone());
    }
}

impl<T: DeserializeOwned + Dated> CountedList<T> for Paging {
    fn page_count(&self, first: &Page<T>) -> usize {
        let next = first.next.as_ref().and_then(Position::of);
        let further = next.zip(first.total).and_then(|(next, total)| {
            let size = Some(next.size).filter(|size| *size > 0)?;
            Some(total.saturating_sub(next.read).div_ceil(size))
        });
        1_usize.saturating_add(usize::try_from(further.unwrap_or(0)).unwrap_or(usize::MAX))
    }

    fn nth(&self, first: &Page<T>, number: usize) -> Cursor {
        let next = first.next.as_ref().and_then(Position::of).unwrap_or_default();
        let moved = |from: u64| {
            let to = u64::try_from(number).unwrap_or(u64::MAX).saturating_mul(next.size);
            from.saturating_add(to).saturating_sub(next.size)
        };
        Position { start: moved(next.start), read: moved(next.read), ..next.clone() }.cursor()
    }
}

/// Where the next page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Position {
    /// `start` of that page, as the server counts.
    start: u64,
    /// Number of items before it.
    read: u64,
    /// Size of the page before it.
    size: u64,
    /// Id of the first item of the list.
    first: Option<Box<str>>,
}

impl Position {
    fn of(cursor: &Cursor) -> Option<Self> {
        let mut position = Self::default();
        for (name, value) in form_urlencoded::parse(cursor.as_str().as_bytes()) {
            match &*name {
                "start" => position.start = value.parse().ok()?,
                "read" => position.read = value.parse().ok()?,
                "size" => position.size = value.parse().ok()?,
                "first" => position.first = Some(value.into()),
                _ => return None,
            }
        }
        (position.start > 0).then_some(position)
    }

    fn cursor(&self) -> Cursor {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.append_pair("start", &self.start.to_string());
        text.append_pair("read", &self.read.to_string());
        text.append_pair("size", &self.size.to_string());
        if let Some(first) = &self.first {
            text.append_pair("first", first);
        }
        Cursor::new(text.finish())
    }
}

/// The shape of every list. Only the name of the items differs: `result` in the administrator API, `tasks` or `runs` in the
/// sharing API.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: DeserializeOwned")]
struct ItemList<T> {
    #[serde(
        default,
        alias = "tasks",
        alias = "runs",
        rename = "result",
        deserialize_with = "lenient::items"
    )]
    items: Vec<T>,
    #[serde(default, deserialize_with = "lenient::count")]
    total: Option<u64>,
    #[serde(default, deserialize_with = "lenient::count")]
    start: Option<u64>,
    #[serde(default, deserialize_with = "lenient::next_page")]
    next_start: Option<Box<str>>,
    /// Number of items on this page.
    #[serde(rename = "num", default, deserialize_with = "lenient::count")]
    _num: Option<u64>,
    /// Number of further active tasks the user may have.
    #[serde(rename = "activeTasksAvailable", default, deserialize_with = "lenient::count")]
    _active_tasks_available: Option<u64>,
}

impl<T: Dated> Dated for ItemList<T> {
    fn dates(&mut self, each: &mut dyn FnMut(&mut Time)) {
        self.items.iter_mut().for_each(|item| item.dates(each));
    }
}

/// The setter of every list request.
macro_rules! list_setters {
    () => {
        /// Items per page, at least 1. If not set, the server decides. The maximum is not documented; the vendor's own client
        /// requests 100.
        pub fn num(mut self, items: u32) -> Self {
            self.paging.num = Some(items);
            self
        }
    };
}

pub(super) use list_setters;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arcgis::tests::base;
    use crate::arcgis::{ListTaskRuns, ListUserTasks, TaskRun, UserTask};
    use crate::client::{Endpoint as _, OffsetPages as _, PagedEndpoint};
    use crate::error::ErrorKind;

    fn page<E: PagedEndpoint<Item: DeserializeOwned + Dated>>(
        cursor: Option<&str>,
        body: &str,
    ) -> Result<Page<E::Item>> {
        let answer = http::Response::new(Bytes::copy_from_slice(body.as_bytes()));
        let paging = Paging { cursor: cursor.map(Cursor::new), num: None };
        paging.page(&Meta::of_test(&answer), answer.body(), E::key)
    }

    fn runs(cursor: Option<&str>, ids: &[&str], more: &str) -> Result<Page<TaskRun>> {
        let runs: Vec<_> = ids.iter().map(|id| format!(r#"{{"runId":"{id}"}}"#)).collect();
        page::<ListTaskRuns>(cursor, &format!(r#"{{"result":[{}]{more}}}"#, runs.join(",")))
    }

    fn tasks(cursor: Option<&str>, ids: &[&str], more: &str) -> Result<Page<UserTask>> {
        let tasks: Vec<_> = ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
        page::<ListUserTasks>(cursor, &format!(r#"{{"tasks":[{}]{more}}}"#, tasks.join(",")))
    }

    fn page_count(first: &Page<UserTask>) -> usize {
        ListUserTasks::new("u").page_count(first)
    }

    fn nth(first: &Page<UserTask>, number: usize) -> Cursor {
        ListUserTasks::new("u").nth(first, number)
    }

    fn next<T>(page: &Page<T>) -> Option<&str> {
        page.next.as_ref().map(Cursor::as_str)
    }

    #[test]
    fn the_end_is_zero_in_one_api_and_minus_one_in_the_other() {
        let end = runs(None, &["a", "b"], r#","total":2,"num":2,"start":0,"nextStart":0"#).unwrap();
        assert_eq!((end.items.len(), end.total, next(&end)), (2, Some(2), None));
        let end = tasks(None, &["a"], r#","total":1,"num":1,"start":1,"nextStart":-1"#).unwrap();
        assert_eq!((end.items.len(), next(&end)), (1, None));

        let first = runs(None, &["a", "b"], r#","total":5,"start":0,"nextStart":2"#).unwrap();
        assert_eq!(next(&first), Some("start=2&read=2&size=2&first=a"));
        let second =
            runs(next(&first), &["c", "d"], r#","total":5,"start":2,"nextStart":4"#).unwrap();
        assert_eq!(next(&second), Some("start=4&read=4&size=2&first=a"));
        let last = runs(next(&second), &["e"], r#","total":5,"start":4,"nextStart":0"#).unwrap();
        assert_eq!(next(&last), None);

        let first =
            tasks(None, &["a", "b"], r#","total":"3","start":"1","nextStart":"3""#).unwrap();
        assert_eq!(next(&first), Some("start=3&read=2&size=2&first=a"));
        assert_eq!(
            next(&tasks(next(&first), &["c"], r#","start":3,"nextStart":-1"#).unwrap()),
            None
        );
    }

    #[test]
    fn a_list_also_ends_if_it_leads_back_is_empty_or_was_read_completely() {
        let at = Some("start=2&read=2&size=2&first=a");
        for more in [
            "",
            r#","nextStart":null"#,
            r#","nextStart":2"#,
            r#","nextStart":1"#,
            r#","nextStart":-9223372036854775808"#,
            r#","nextStart":18446744073709551615"#,
            r#","total":3,"nextStart":4"#,
            r#","total":3"#,
        ] {
            let last = runs(at, &["c"], more).unwrap();
            assert_eq!((last.items.len(), next(&last)), (1, None), "{more}");
        }
        assert_eq!(next(&runs(at, &[], r#","start":2,"nextStart":0"#).unwrap()), None);
        assert_eq!(next(&runs(None, &["a"], r#","nextStart":0"#).unwrap()), None);
        // No total, or one that cannot be right.
        for more in [
            r#","nextStart":4"#,
            r#","total":0,"nextStart":4"#,
            r#","total":-1,"nextStart":4"#,
            r#","total":1,"nextStart":4"#,
        ] {
            let more = runs(at, &["c"], more).unwrap();
            assert_eq!(next(&more), Some("start=4&read=3&size=2&first=a"));
        }
        // Nothing on this page, and more on the next; and a total without `nextStart`.
        let empty = runs(at, &[], r#","start":2,"nextStart":4"#).unwrap();
        assert_eq!(next(&empty), Some("start=4&read=2&size=2&first=a"));
        let counted = runs(at, &["c"], r#","total":5"#).unwrap();
        assert_eq!(next(&counted), Some("start=3&read=3&size=1&first=a"));
        for nothing in ["{}", r#"{"result":null}"#, r#"{"runs":[],"total":0}"#] {
            let page = page::<ListTaskRuns>(None, nothing).unwrap();
            assert!(page.items.is_empty() && page.next.is_none(), "{nothing}");
        }
    }

    #[test]
    fn a_server_that_ignores_start_is_an_error() {
        let at = Some("start=2&read=2&size=2&first=a");
        for (ids, more) in [
            (&["a", "b"], r#","start":0,"nextStart":2"#),
            (&["x", "a"], r#","start":0,"nextStart":2"#),
            (&["a", "b"], r#","nextStart":2"#),
            (&["a", "b"], r#","nextStart":0"#),
        ] {
            let error = runs(at, ids, more).unwrap_err();
            assert_eq!((error.kind(), error.operation()), (ErrorKind::Pagination, Some("test")));
            assert!(error.to_string().contains("`start`"), "{error}");
        }
        // A new run was added at the front of the list meanwhile.
        assert!(runs(at, &["a", "b"], r#","start":2,"nextStart":0"#).is_ok());
    }

    #[test]
    fn later_pages_are_computed_from_the_counters_of_any_page() {
        let first = tasks(None, &["a", "b"], r#","total":7,"start":1,"nextStart":3"#).unwrap();
        assert_eq!(page_count(&first), 4);
        let cursors: Vec<_> = (1..4).map(|page| nth(&first, page)).collect();
        assert_eq!(
            cursors.iter().map(Cursor::as_str).collect::<Vec<_>>(),
            [
                "start=3&read=2&size=2&first=a",
                "start=5&read=4&size=2&first=a",
                "start=7&read=6&size=2&first=a"
            ]
        );
        let middle = Some("start=3&read=2&size=2&first=a");
        let middle = tasks(middle, &["c", "d"], r#","total":7,"start":3,"nextStart":5"#).unwrap();
        assert_eq!((page_count(&middle), nth(&middle, 0)), (3, nth(&first, 1)));
        // Without a total, pages are fetched one by one.
        let uncounted = tasks(None, &["a"], r#","start":1,"nextStart":2"#).unwrap();
        assert_eq!(page_count(&uncounted), 1);
        let endless =
            tasks(None, &["a"], r#","total":18446744073709551615,"start":1,"nextStart":2"#);
        assert_eq!(page_count(&endless.unwrap()), usize::MAX);
    }

    #[test]
    fn a_later_page_is_requested_in_the_size_of_the_one_before() {
        let list = ListTaskRuns::new("t1");
        let query = |list: &ListTaskRuns, cursor: &str| {
            let request = list.at(&Cursor::new(cursor)).to_request(&base());
            request.map(|request| request.url().query().unwrap_or_default().to_owned())
        };
        assert_eq!(query(&list, "start=3&read=2&size=2&first=a%26b").unwrap(), "start=3&num=2");
        assert_eq!(query(&list.clone().num(9), "start=3&read=2&size=2").unwrap(), "start=3&num=9");
        assert_eq!(query(&list, "start=3").unwrap(), "start=3");
        for cursor in ["", "7", "start=0", "start=x", "start=3&page=2", "page=2&pages=3"] {
            assert_eq!(query(&list, cursor).expect_err(cursor).kind(), ErrorKind::Config);
        }
    }
}
