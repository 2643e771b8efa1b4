//! Lists that come page by page, counted by items: `start`, `num`, `nextStart`.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::fields::integer;
use super::request::dated;
use super::time::{Dated, Time};
use crate::client::{Meta, RequestBuilder};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::wire::lenient;

/// Size and place of a page.
///
/// The first page is asked for without either, unless the caller sets a size: the lists of the administrator API document
/// neither, and begin to count at 0, those of the sharing API at 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Paging {
    pub(super) num: Option<u32>,
    pub(super) cursor: Option<Cursor>,
}

impl Paging {
    pub(super) fn write(&self, builder: RequestBuilder) -> RequestBuilder {
        if self.num == Some(0) {
            return builder.fail(Error::config("a page of 0 items is refused; set at least 1"));
        }
        match self.position() {
            Ok(None) => builder.query("num", self.num),
            Ok(Some(position)) => {
                let num = self.num.map_or(position.size, u64::from);
                builder.query("start", Some(position.start)).query("num", (num > 0).then_some(num))
            }
            Err(error) => builder.fail(error),
        }
    }

    fn position(&self) -> Result<Option<Position>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        Position::of(cursor).map(Some).ok_or_else(|| {
            Error::config("the cursor does not come from a list of this vendor; start without one")
        })
    }

    /// The page in an answer. It is the last one if there is no `nextStart` beyond it (the end is 0 or -1, or anything that
    /// leads back), if it is empty, or if as many items as the `total` were read.
    pub(super) fn page<T: DeserializeOwned + Dated>(
        &self,
        meta: &Meta,
        body: &Bytes,
        key: fn(&T) -> Option<&str>,
    ) -> Result<Page<T>> {
        let Answer { items, total, start, next_start, .. } = dated(meta, body)?;
        let asked = self.position()?;
        let first = items.first().and_then(key);
        if let Some(asked) = &asked {
            // Inferred: the vendor documents no list that ignores `start`. One that does would be read for ever.
            let ignored = match start {
                Some(start) => start != asked.start,
                None => first.is_some() && first == asked.first.as_deref(),
            };
            if ignored && !items.is_empty() {
                return Err(Error::new(
                    ErrorKind::Pagination,
                    "the server sends another page than the one asked for: it takes no notice of `start`",
                )
                .with_operation(meta.operation));
            }
        }
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let here = asked.as_ref().map(|asked| asked.start).or(start);
        let read = asked.as_ref().map_or(0, |asked| asked.read).saturating_add(count);
        let all = count == 0 || total.is_some_and(|total| total > 0 && read >= total);
        let next = next_start.and_then(|next| u64::try_from(next).ok());
        let next = next.filter(|next| !all && *next > here.unwrap_or(0));
        let next = next.map(|next| {
            let size = here.map_or(count, |here| next - here);
            let first = asked.and_then(|asked| asked.first).or_else(|| first.map(Into::into));
            Position { start: next, read, size, first }.cursor()
        });
        let mut page = Page::new(items, next);
        page.total = total;
        Ok(page)
    }
}

/// Where a list goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Position {
    /// Of the next page, as the server counts.
    start: u64,
    /// Items before it.
    read: u64,
    /// Of the page before it.
    size: u64,
    /// Id of the list's first item.
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

/// How many pages there are from `first` on, as far as its counters tell.
pub(super) fn page_count<T>(first: &Page<T>) -> usize {
    let next = first.next.as_ref().and_then(Position::of);
    let further = next.zip(first.total).and_then(|(next, total)| {
        Some(total.saturating_sub(next.read).div_ceil(Some(next.size).filter(|size| *size > 0)?))
    });
    1_usize.saturating_add(usize::try_from(further.unwrap_or(0)).unwrap_or(usize::MAX))
}

/// The cursor of the page that comes `number` pages after `first`.
pub(super) fn nth<T>(first: &Page<T>, number: usize) -> Cursor {
    let next = first.next.as_ref().and_then(Position::of).unwrap_or_default();
    let moved = |from: u64| {
        let to = u64::try_from(number).unwrap_or(u64::MAX).saturating_mul(next.size);
        from.saturating_add(to).saturating_sub(next.size)
    };
    Position { start: moved(next.start), read: moved(next.read), ..next.clone() }.cursor()
}

/// Every list answers in this shape; only the name of the items differs: `result` in the administrator API, `tasks` or
/// `runs` in the sharing API.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: DeserializeOwned")]
struct Answer<T> {
    #[serde(
        default,
        alias = "tasks",
        alias = "runs",
        rename = "result",
        deserialize_with = "lenient::list"
    )]
    items: Vec<T>,
    #[serde(default, deserialize_with = "lenient::count")]
    total: Option<u64>,
    #[serde(default, deserialize_with = "lenient::count")]
    start: Option<u64>,
    #[serde(default, deserialize_with = "integer")]
    next_start: Option<i64>,
    /// How many items this page has.
    #[serde(rename = "num", default, deserialize_with = "lenient::count")]
    _num: Option<u64>,
    /// How many more active tasks the user may have.
    #[serde(rename = "activeTasksAvailable", default, deserialize_with = "lenient::count")]
    _active_tasks_available: Option<u64>,
}

impl<T: Dated> Dated for Answer<T> {
    fn dates(&mut self, each: &mut dyn FnMut(&mut Time)) {
        self.items.iter_mut().for_each(|item| item.dates(each));
    }
}

/// Declares that a request with a field `paging` is a list: `Name -> Item, its id`.
macro_rules! paged {
    ($($name:ident -> $item:ty, $id:ident);+ $(;)?) => {$(
        impl $name {
            /// Items per page, at least 1. Left out, the server decides. The largest is not documented; the vendor's own
            /// client asks for 100.
            pub fn num(mut self, items: u32) -> Self {
                self.paging.num = Some(items);
                self
            }
        }

        impl $crate::client::PagedEndpoint for $name {
            type Item = $item;

            fn at(&self, cursor: &$crate::paging::Cursor) -> Self {
                let mut request = self.clone();
                request.paging.cursor = Some(cursor.clone());
                request
            }

            fn key(item: &$item) -> Option<&str> {
                Some(item.$id.as_str())
            }
        }

        impl $crate::client::OffsetPages for $name {
            fn page_count(&self, first: &$crate::paging::Page<$item>) -> usize {
                $crate::arcgis::list::page_count(first)
            }

            fn nth(&self, first: &$crate::paging::Page<$item>, number: usize) -> $crate::paging::Cursor {
                $crate::arcgis::list::nth(first, number)
            }
        }
    )+};
}

pub(super) use paged;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arcgis::tests::base;
    use crate::arcgis::{ListTaskRuns, ListUserTasks, TaskRun, UserTask};
    use crate::client::{Endpoint as _, PagedEndpoint};
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
    fn a_list_also_ends_where_it_leads_back_is_empty_or_has_been_read() {
        let at = Some("start=2&read=2&size=2&first=a");
        for more in [
            "",
            r#","nextStart":null"#,
            r#","nextStart":2"#,
            r#","nextStart":1"#,
            r#","nextStart":-9223372036854775808"#,
            r#","nextStart":18446744073709551615"#,
            r#","nextStart":"later""#,
            r#","total":3,"nextStart":4"#,
            r#","total":1,"nextStart":4"#,
        ] {
            let last = runs(at, &["c"], more).unwrap();
            assert_eq!((last.items.len(), next(&last)), (1, None), "{more}");
        }
        assert_eq!(next(&runs(at, &[], r#","start":7,"nextStart":9"#).unwrap()), None);
        assert_eq!(next(&runs(None, &["a"], r#","nextStart":0"#).unwrap()), None);
        // No total, or none to believe.
        for more in
            [r#","nextStart":4"#, r#","total":0,"nextStart":4"#, r#","total":-1,"nextStart":4"#]
        {
            let more = runs(at, &["c"], more).unwrap();
            assert_eq!(next(&more), Some("start=4&read=3&size=2&first=a"));
        }
        for nothing in ["{}", r#"{"result":null}"#, r#"{"runs":[],"total":0}"#] {
            let page = page::<ListTaskRuns>(None, nothing).unwrap();
            assert!(page.items.is_empty() && page.next.is_none(), "{nothing}");
        }
    }

    #[test]
    fn a_server_that_takes_no_notice_of_where_it_is_asked_to_begin_is_found_out() {
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
        // A new run came in front of the list meanwhile.
        assert!(runs(at, &["a", "b"], r#","start":2,"nextStart":0"#).is_ok());
    }

    #[test]
    fn pages_after_the_first_are_named_from_its_counters_also_in_the_middle() {
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
        // Nothing that counts: the pages are walked one by one.
        let uncounted = tasks(None, &["a"], r#","start":1,"nextStart":2"#).unwrap();
        assert_eq!(page_count(&uncounted), 1);
        let endless =
            tasks(None, &["a"], r#","total":18446744073709551615,"start":1,"nextStart":2"#);
        assert_eq!(page_count(&endless.unwrap()), usize::MAX);
    }

    #[test]
    fn a_later_page_is_asked_for_in_the_size_of_the_one_before() {
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
