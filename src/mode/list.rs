//! What all lists of this vendor share: order, filter, and pages.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Display;
use std::marker::PhantomData;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess};
use url::form_urlencoded;

use crate::client::{CountedList, LinkPolicy, ListSettings, Meta, RequestBuilder, json};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::wire::hal::Links;
use crate::wire::lenient::{self, FromAny, Scalar};
use crate::wire::model;

/// What a list is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeField {
    /// When it was created.
    #[default]
    Created,
    /// When it was last changed.
    Updated,
}

impl TimeField {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created_at",
            Self::Updated => "updated_at",
        }
    }
}

/// The condition that a list accepts, for example `updated_at.lt.2026-01-01T00:00:00Z`.
///
/// Source: Mode API reference, parameter `filter` of lists. Times are sent without fractions of a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(pub(super) String);

impl Filter {
    /// Created or changed after this time.
    #[must_use]
    pub fn after(field: TimeField, time: DateTime<Utc>) -> Self {
        Self::compare(field, "gt", time)
    }

    /// Created or changed before this time.
    #[must_use]
    pub fn before(field: TimeField, time: DateTime<Utc>) -> Self {
        Self::compare(field, "lt", time)
    }

    /// A condition in the vendor's own syntax.
    #[must_use]
    pub fn raw(condition: impl Into<String>) -> Self {
        Self(condition.into())
    }

    fn compare(field: TimeField, operator: &str, time: DateTime<Utc>) -> Self {
        let time = time.to_rfc3339_opts(SecondsFormat::Secs, true);
        Self(format!("{}.{operator}.{time}", field.as_str()))
    }
}

/// How a list without counters ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// The vendor ignores `page`: the first response is the whole list.
    AtOnce,
    /// With an empty page, or with one that repeats the two pages before: then the vendor ignores `page` after all. A page that
    /// repeats one page was moved there by new items.
    #[default]
    Empty,
    /// With an empty page. Each item takes up to this many rows, so that several pages in a row may be equal.
    EmptyAfterRows(usize),
}

/// Order, filter and page size of one list request, which page it gets, and how the list ends.
///
/// `ANY_NAME`: the name of the items in the response is not documented. If none of the usual names is there, the only array is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListQuery<const ANY_NAME: bool = false> {
    pub(super) per_page: Option<u32>,
    pub(super) filter: Option<String>,
    pub(super) order: Option<String>,
    pub(super) order_by: Option<String>,
    cursor: Option<Cursor>,
    end: End,
}

impl ListQuery {
    pub(super) fn ending(end: End) -> Self {
        Self { end, ..Self::default() }
    }

    pub(super) fn set_filter(&mut self, filter: impl Display) {
        self.filter = Some(filter.to_string());
    }
}

impl<const ANY_NAME: bool> ListQuery<ANY_NAME> {
    /// Makes the page of the decoded response, with the cursor of the next page.
    ///
    /// Counters take precedence over links: links are known to lead past the end, where the vendor responds with 404. A short
    /// page is not the end, because the vendor silently reduces `per_page` to 30. Counters that deny the items of this page are
    /// wrong, and counters of an earlier page hold if this one has none.
    fn page_of<T>(
        &self,
        mut items: Vec<T>,
        counters: &Counters,
        links: &Links,
        key: fn(&T) -> Option<&str>,
    ) -> Result<Page<T>> {
        let at = Position::of(self.cursor.as_ref()).unwrap_or_default();
        let first = items.first().and_then(key).map(str::to_owned);
        let repeated = first.is_some() && first == at.first;
        let repeats = if repeated { at.repeats.saturating_add(1) } else { 0 };
        let mixed = matches!(self.end, End::EmptyAfterRows(_))
            && items.last().and_then(key) != first.as_deref();
        let size = counters.per_page.filter(|size| *size > 0).or(at.size);
        if let Some(jump) = at.in_pages_of(size) {
            return Ok(Page::new(Vec::new(), Some(jump.cursor())));
        }
        let pages = counters.pages().or(at.pages);
        let pages = pages.filter(|pages| items.is_empty() || *pages >= at.page);
        let next = Position { page: at.page.saturating_add(1), size, ..Position::default() };
        // Forwards only: a link back would repeat items.
        let link = links.get("next_page").map(|link| page_in(&link.href));
        let forwards = link.flatten().filter(|page| *page > at.page);
        let next = if let Some(pages) = pages {
            (at.page < pages).then_some(Position { pages: Some(pages), ..next })
        } else if let Some(page) = forwards {
            Some(Position { page, linked: true, first, repeats, mixed, ..next })
        } else if items.is_empty() {
            None
        } else if repeated && at.mixed {
            // Rows of one item are adjacent. The page before had moved on from its first item, so this is the same page again.
            return Ok(Page::new(Vec::new(), None));
        } else if repeats > self.end.legal_repeats(items.len()) {
            return match self.end {
                End::EmptyAfterRows(_) => {
                    let message = format!("page {} repeats the pages before it", at.page);
                    Err(Error::new(ErrorKind::Pagination, message))
                }
                End::AtOnce | End::Empty => Ok(Page::new(Vec::new(), None)),
            };
        } else if links.has("next_page") {
            Some(Position { linked: true, first, repeats, mixed, ..next })
        } else if at.linked || matches!(self.end, End::AtOnce) {
            None
        } else {
            Some(Position { first, repeats, mixed, ..next })
        };
        if let End::EmptyAfterRows(_) = self.end {
            let mut seen = HashSet::new();
            items.retain(|item| key(item).is_none_or(|key| seen.insert(key.to_owned())));
        }
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let mut page = Page::new(items, next.map(|next| next.cursor()));
        page.total = counters.total_count.filter(|total| *total >= count);
        Ok(page)
    }
}

impl<T: DeserializeOwned, const ANY_NAME: bool> ListSettings<T> for ListQuery<ANY_NAME> {
    fn write(&self, request: RequestBuilder) -> RequestBuilder {
        if self.per_page == Some(0) {
            return request.fail(Error::config("per_page must be at least 1"));
        }
        let Some(at) = Position::of(self.cursor.as_ref()) else {
            return request.fail(Error::config("the cursor is not one of this vendor's lists"));
        };
        request
            .query("filter", self.filter.as_deref())
            .query("order", self.order.as_deref())
            .query("order_by", self.order_by.as_deref())
            .query("page", (at.page > 1).then_some(at.page))
            .query("per_page", self.per_page)
    }

    fn page(&self, meta: &Meta, body: &Bytes, key: fn(&T) -> Option<&str>) -> Result<Page<T>> {
        let list: ListBody<T, ANY_NAME> = json::decode(meta, &json::or_empty(body))?;
        let counters = list.pagination.unwrap_or_default();
        // Whether the vendor counts what a filter leaves out is not documented.
        if self.cursor.is_none() && self.filter.is_none() {
            json::found(&list.items, counters.total_count)?;
        }
        self.page_of(list.items, &counters, &list.links, key)
    }

    fn move_to(&mut self, cursor: &Cursor) {
        self.cursor = Some(cursor.clone());
    }

    /// A list without counters may end with a page that does not exist: links are known to lead past the end.
    fn is_past_end(&self, error: &Error) -> bool {
        let at = Position::of(self.cursor.as_ref()).unwrap_or_default();
        error.kind() == ErrorKind::NotFound && at.page > 1 && at.pages.is_none()
    }
}

impl<T: DeserializeOwned> CountedList<T> for ListQuery {
    fn page_count(&self, first: &Page<T>) -> usize {
        let next = first.next.as_ref().and_then(|next| Position::of(Some(next)));
        let after =
            next.and_then(|next| Some(next.pages?.saturating_sub(next.page).saturating_add(1)));
        1_usize.saturating_add(usize::try_from(after.unwrap_or(0)).unwrap_or(usize::MAX))
    }

    fn nth(&self, first: &Page<T>, number: usize) -> Cursor {
        let next =
            first.next.as_ref().and_then(|next| Position::of(Some(next))).unwrap_or_default();
        let further = u64::try_from(number).unwrap_or(u64::MAX).saturating_sub(1);
        Position { page: next.page.saturating_add(further), ..next }.cursor()
    }
}

impl End {
    /// How many pages in a row may begin with the same item as the page before them.
    fn legal_repeats(self, items: usize) -> usize {
        match self {
            Self::AtOnce => 0,
            Self::Empty => 1,
            Self::EmptyAfterRows(rows) => rows.saturating_sub(1) / items.max(1),
        }
    }
}

/// The content of a cursor: the page, and what is known from the pages before it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Position {
    /// Counted from 1.
    page: u64,
    /// Number of pages of the whole list, if the vendor counts them.
    pages: Option<u64>,
    /// Items per page, if the vendor says so.
    size: Option<u64>,
    /// A link led here: this list has links, so the page without one is the last.
    linked: bool,
    /// Key of the first item of the page before, if there are no counters.
    first: Option<String>,
    /// How many further pages have begun with the same item.
    repeats: usize,
    /// The page before had rows of more than one item.
    mixed: bool,
}

impl Default for Position {
    fn default() -> Self {
        Self {
            page: 1,
            pages: None,
            size: None,
            linked: false,
            first: None,
            repeats: 0,
            mixed: false,
        }
    }
}

impl Position {
    /// The same item, or one shortly before it, if the vendor now has pages of another size. `None` if it has not, or if the same
    /// page begins with the item.
    fn in_pages_of(&self, size: Option<u64>) -> Option<Self> {
        let (old, new) = self.size.zip(size).filter(|(old, new)| old != new)?;
        let page = (self.page.saturating_sub(1).saturating_mul(old) / new).saturating_add(1);
        let pages = self.pages.map(|pages| pages.saturating_mul(old).div_ceil(new));
        (page != self.page).then(|| Self { page, pages, size: Some(new), ..self.clone() })
    }

    /// `None` if the cursor is not one of this vendor's lists.
    fn of(cursor: Option<&Cursor>) -> Option<Self> {
        let mut position = Self::default();
        let Some(cursor) = cursor else { return Some(position) };
        position.page = 0;
        for (name, value) in form_urlencoded::parse(cursor.as_str().as_bytes()) {
            match &*name {
                "page" => position.page = value.parse().ok()?,
                "pages" => position.pages = Some(value.parse().ok()?),
                "size" => position.size = Some(value.parse().ok()?),
                "linked" => position.linked = true,
                "first" => position.first = Some(value.into_owned()),
                "mixed" => position.mixed = true,
                "repeats" => position.repeats = value.parse().ok()?,
                _ => return None,
            }
        }
        (position.page > 0).then_some(position)
    }

    fn cursor(&self) -> Cursor {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.append_pair("page", &self.page.to_string());
        if let Some(pages) = self.pages {
            text.append_pair("pages", &pages.to_string());
        }
        if let Some(size) = self.size {
            text.append_pair("size", &size.to_string());
        }
        if self.linked {
            text.append_pair("linked", "1");
        }
        if let Some(first) = &self.first {
            text.append_pair("first", first);
        }
        if self.mixed {
            text.append_pair("mixed", "1");
        }
        if self.repeats > 0 {
            text.append_pair("repeats", &self.repeats.to_string());
        }
        Cursor::new(text.finish())
    }
}

fn page_in(href: &str) -> Option<u64> {
    let (_, page) = LinkPolicy::query_of(href).into_iter().find(|(name, _)| name == "page")?;
    page.parse().ok()
}

/// The JSON of every list; only the name of the items differs.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct ListBody<T, const ANY_NAME: bool> {
    #[serde(
        rename = "_embedded",
        default = "Vec::new",
        deserialize_with = "items::<_, _, ANY_NAME>"
    )]
    items: Vec<T>,
    #[serde(default, deserialize_with = "lenient::object")]
    pagination: Option<Counters>,
    #[serde(rename = "_links", default)]
    links: Links,
}

/// The names that lists use for their items.
const NAMES: [&str; 9] = [
    "data_sources",
    "dataset_runs",
    "queries",
    "query_runs",
    "report_runs",
    "report_schedules",
    "report_subscriptions",
    "reports",
    "spaces",
];

/// The items, under any of their names: lists of dataset runs may have two names at once, one of them empty. With `ANY_NAME`, under
/// an unknown name too, if only one has a list.
fn items<'de, D: Deserializer<'de>, T: Deserialize<'de>, const ANY_NAME: bool>(
    deserializer: D,
) -> std::result::Result<Vec<T>, D::Error> {
    struct Named<T, const ANY_NAME: bool>(PhantomData<T>);

    #[derive(Deserialize)]
    #[serde(transparent, bound = "T: Deserialize<'de>")]
    struct Items<T>(#[serde(deserialize_with = "lenient::items")] Vec<T>);

    #[derive(Deserialize)]
    #[serde(transparent, bound = "T: Deserialize<'de>")]
    struct Others<T>(#[serde(deserialize_with = "lenient::list")] Vec<T>);

    impl<'de, T: Deserialize<'de>, const ANY_NAME: bool> FromAny<'de> for Named<T, ANY_NAME> {
        type Value = Vec<T>;

        fn scalar<E: serde::de::Error>(self, value: Scalar<'_>) -> Result<Vec<T>, E> {
            lenient::required(value, "an object").map(|()| Vec::new())
        }

        fn object<M: MapAccess<'de>>(self, mut map: M) -> Result<Vec<T>, M::Error> {
            let (mut items, mut others) = (Vec::new(), Vec::new());
            while let Some(name) = map.next_key::<Cow<'_, str>>()? {
                if items.is_empty() && NAMES.contains(&&*name) {
                    Items(items) = map.next_value()?;
                } else if ANY_NAME {
                    let Others(list) = map.next_value()?;
                    others.extend((!list.is_empty()).then_some(list));
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            if items.is_empty() && others.len() <= 1 {
                items = others.pop().unwrap_or_default();
            }
            Ok(items)
        }
    }

    lenient::any(deserializer, Named::<T, ANY_NAME>(PhantomData))
}

model! {
    /// Source: responses seen. The reference documents `first_page` and `last_page`, which are not sent.
    #[derive(Default)]
    struct Counters {
        total_pages: Option<u64> as "total_pages" with lenient::count,
        total_count: Option<u64> as "total_count" with lenient::count,
        per_page: Option<u64> as "per_page" with lenient::count,
    }
}

impl Counters {
    fn pages(&self) -> Option<u64> {
        let size = self.per_page.filter(|size| *size > 0);
        self.total_pages.or_else(|| Some(self.total_count?.div_ceil(size?)))
    }
}

/// Setters of lists that have pages.
macro_rules! page_setters {
    () => {
        /// Items per page, at least 1. If not set, the vendor uses 20 or 30; it silently reduces larger numbers to 30.
        pub fn per_page(mut self, items: u32) -> Self {
            self.list.per_page = Some(items);
            self
        }
    };
}

/// Setters of lists that can be ordered and filtered.
macro_rules! order_setters {
    () => {
        /// Newest first.
        pub fn newest_first(self) -> Self {
            self.in_order("desc")
        }

        /// Oldest first.
        pub fn oldest_first(self) -> Self {
            self.in_order("asc")
        }

        fn in_order(mut self, order: &str) -> Self {
            self.list.order = Some(order.to_owned());
            self.list
                .order_by
                .get_or_insert_with(|| crate::mode::TimeField::Created.as_str().to_owned());
            self
        }

        /// The time to order by, newest first unless [`oldest_first`](Self::oldest_first) is set. An order without it is by
        /// [`Created`](crate::mode::TimeField::Created); without both, the order is the vendor's.
        pub fn order_by(mut self, field: crate::mode::TimeField) -> Self {
            self.list.order.get_or_insert_with(|| "desc".to_owned());
            self.list.order_by = Some(field.as_str().to_owned());
            self
        }

        /// Sends the parameters `order` and `order_by` as given: the vendor's docs disagree on which of the two takes `asc` or
        /// `desc`.
        pub fn raw_order(mut self, order: impl Into<String>, order_by: impl Into<String>) -> Self {
            self.list.order = Some(order.into());
            self.list.order_by = Some(order_by.into());
            self
        }

        /// Only items that meet this condition. A second call replaces the first.
        pub fn filter(mut self, filter: crate::mode::Filter) -> Self {
            self.list.set_filter(filter.0);
            self
        }
    };
}

pub(super) use {order_setters, page_setters};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Endpoint as _, PagedEndpoint};
    use crate::mode::tests::request_text;
    use crate::mode::{ListDataSourceReports, ListQueryRuns, ListReportRuns, ListSchedules};

    fn page<E: PagedEndpoint<Item: DeserializeOwned>>(
        cursor: Option<&Cursor>,
        end: End,
        body: &str,
    ) -> Result<Page<E::Item>> {
        let response = http::Response::new(Bytes::copy_from_slice(body.as_bytes()));
        let list = ListQuery { cursor: cursor.cloned(), ..ListQuery::ending(end) };
        list.page(&Meta::of_test(&response), response.body(), E::key)
    }

    fn rows(tokens: &[&str]) -> String {
        let rows: Vec<_> = tokens.iter().map(|token| format!(r#"{{"token":"{token}"}}"#)).collect();
        format!(r#""_embedded":{{"reports":[{}]}}"#, rows.join(","))
    }

    fn next<T>(page: &Page<T>) -> Option<&str> {
        page.next.as_ref().map(Cursor::as_str)
    }

    #[test]
    fn counters_take_precedence_over_links_and_a_short_page_is_not_the_end() {
        let link = r#""_links":{"next_page":{"href":"/api/acme/spaces?page=9"}}"#;
        let at = |cursor: Option<&Cursor>, counters: &str| {
            let body = format!(r#"{{{},"pagination":{counters},{link}}}"#, rows(&["a"]));
            page::<ListReportRuns>(cursor, End::Empty, &body).unwrap()
        };
        let first =
            at(None, r#"{"page":1,"per_page":30,"count":1,"total_pages":3,"total_count":61}"#);
        assert_eq!((next(&first), first.total), (Some("page=2&pages=3&size=30"), Some(61)));
        let second = at(first.next.as_ref(), r#"{"total_pages":"3"}"#);
        assert_eq!(next(&second), Some("page=3&pages=3&size=30"));
        assert_eq!(next(&at(second.next.as_ref(), r#"{"total_pages":3}"#)), None);
        // Pages are counted here, whatever page number the response contains.
        assert_eq!(next(&at(second.next.as_ref(), r#"{"page":1,"total_pages":3}"#)), None);
        assert_eq!(
            next(&at(None, r#"{"total_count":61,"per_page":30}"#)),
            Some("page=2&pages=3&size=30")
        );
    }

    #[test]
    fn counters_that_deny_what_is_there_end_no_list() {
        let at = |cursor: &str, tokens: &[&str], counters: &str| {
            let body = format!(r#"{{{},"pagination":{counters}}}"#, rows(tokens));
            let cursor = (!cursor.is_empty()).then(|| Cursor::new(cursor));
            page::<ListReportRuns>(cursor.as_ref(), End::Empty, &body).unwrap()
        };
        for counters in [
            r#"{"total_pages":0}"#,
            r#"{"total_pages":-1}"#,
            r#"{"total_pages":"many"}"#,
            r#"{"total_count":0,"per_page":30}"#,
            "null",
        ] {
            let first = at("", &["a"], counters);
            assert!(next(&first).unwrap().starts_with("page=2&"), "{counters}");
            assert_eq!(first.total, None, "{counters}");
            let last = at("page=2&first=a", &[], counters);
            assert_eq!(next(&last), None, "{counters}");
        }
        assert_eq!(
            next(&at("page=3&pages=3", &["c"], r#"{"total_pages":2}"#)),
            Some("page=4&first=c")
        );
        // A page without items and counters is one of those that an earlier page has counted.
        assert_eq!(next(&at("page=2&pages=3", &[], "null")), Some("page=3&pages=3"));
        assert_eq!(next(&at("page=3&pages=3", &[], "null")), None);
    }

    #[test]
    fn pages_of_another_size_begin_elsewhere() {
        let at = |cursor: &str, size: u32| {
            let body = format!(
                r#"{{{},"pagination":{{"per_page":{size},"total_pages":9}}}}"#,
                rows(&["x"])
            );
            let page =
                page::<ListReportRuns>(Some(&Cursor::new(cursor)), End::Empty, &body).unwrap();
            (page.items.len(), next(&page).map(str::to_owned))
        };
        // 60 items were read, and this page begins with the 41st, or with the 121st.
        assert_eq!(at("page=3&pages=9&size=30", 20), (0, Some("page=4&pages=14&size=20".into())));
        assert_eq!(at("page=4&pages=14&size=20", 20), (1, Some("page=5&pages=9&size=20".into())));
        assert_eq!(at("page=3&pages=9&size=30", 60), (0, Some("page=2&pages=5&size=60".into())));
        assert_eq!(at("page=3&pages=9&size=30", 30), (1, Some("page=4&pages=9&size=30".into())));
    }

    #[test]
    fn without_counters_links_are_followed_and_the_page_without_one_is_the_last() {
        let body = |tokens: &[&str], href: &str| {
            format!(r#"{{{},"_links":{{"next_page":{{"href":"{href}"}}}}}}"#, rows(tokens))
        };
        let first =
            page::<ListReportRuns>(None, End::Empty, &body(&["a"], "/api/x?page=2&per_page=1"));
        let first = first.unwrap();
        assert_eq!(next(&first), Some("page=2&linked=1&first=a"));
        let last = page::<ListReportRuns>(
            first.next.as_ref(),
            End::Empty,
            &format!("{{{}}}", rows(&["b"])),
        );
        assert_eq!(next(&last.unwrap()), None);
        // A link without a page number leads to the next page, whatever its host.
        let odd = page::<ListReportRuns>(None, End::Empty, &body(&["a"], "https://elsewhere/"));
        assert_eq!(next(&odd.unwrap()), Some("page=2&linked=1&first=a"));
    }

    #[test]
    fn without_both_the_list_ends_with_an_empty_page_or_one_that_repeats() {
        let body = |tokens: &[&str]| format!("{{{}}}", rows(tokens));
        let first = page::<ListSchedules>(None, End::Empty, &body(&["a", "b"])).unwrap();
        assert_eq!(next(&first), Some("page=2&first=a"));
        // Once because of new items, or because the vendor ignores `page`.
        let again =
            page::<ListSchedules>(first.next.as_ref(), End::Empty, &body(&["a", "b"])).unwrap();
        assert_eq!(next(&again), Some("page=3&first=a&repeats=1"));
        let repeated =
            page::<ListSchedules>(again.next.as_ref(), End::Empty, &body(&["a", "b"])).unwrap();
        assert!(repeated.items.is_empty() && repeated.next.is_none());
        for empty in
            [body(&[]), r#"{"_embedded":{}}"#.into(), "{}".into(), r#"{"_embedded":null}"#.into()]
        {
            let page = page::<ListSchedules>(first.next.as_ref(), End::Empty, &empty).unwrap();
            assert!(page.items.is_empty() && page.next.is_none());
        }
        let whole = page::<ListQueryRuns>(None, End::AtOnce, &body(&["a"])).unwrap();
        assert_eq!((whole.items.len(), next(&whole)), (1, None));
    }

    #[test]
    fn equal_pages_are_allowed_if_an_item_has_many_rows_but_not_forever() {
        let end = End::EmptyAfterRows(160);
        let body = format!("{{{}}}", rows(&["a"; 30]));
        let mut cursor = None;
        for number in 1..=6 {
            let page = page::<ListDataSourceReports>(cursor.as_ref(), end, &body).unwrap();
            assert_eq!(page.items.len(), 1, "each report once");
            assert!(next(&page).unwrap().starts_with(&format!("page={}", number + 1)));
            cursor = page.next;
        }
        let error = page::<ListDataSourceReports>(cursor.as_ref(), end, &body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pagination);
    }

    #[test]
    fn later_pages_are_computed_from_the_counters_of_any_page() {
        let page = |next: Option<&str>| -> Page<IgnoredAny> {
            Page::new(Vec::new(), next.map(Cursor::new))
        };
        let list = ListQuery::default();
        let first = page(Some("page=2&pages=43"));
        assert_eq!(list.page_count(&first), 43);
        assert_eq!(list.nth(&first, 1).as_str(), "page=2&pages=43");
        assert_eq!(list.nth(&first, 42).as_str(), "page=43&pages=43");
        let middle = page(Some("page=41&pages=43"));
        assert_eq!(list.page_count(&middle), 4);
        assert_eq!(list.nth(&middle, 3).as_str(), "page=43&pages=43");
        // Without counters the pages are fetched one by one.
        assert_eq!(list.page_count(&page(None)), 1);
        assert_eq!(list.page_count(&page(Some("page=2&linked=1"))), 1);
        assert_eq!(list.page_count(&page(Some("page=2&pages=18446744073709551615"))), usize::MAX);
    }

    #[test]
    fn a_cursor_of_another_vendor_and_an_empty_page_are_refused() {
        let base = url::Url::parse(crate::mode::BASE_URL).unwrap();
        let list = ListReportRuns::new("r");
        for cursor in ["", "2", "page=0", "page=x", "start=2020&page=2", "page=2&pages=x"] {
            let error = list.at(&Cursor::new(cursor)).to_request(&base).expect_err(cursor);
            assert_eq!(error.kind(), ErrorKind::Config);
        }
        let error = list.clone().per_page(0).to_request(&base).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            request_text(
                &list.per_page(30).at(&Cursor::new("page=2&linked=1&first=a%26b&repeats=1"))
            ),
            "GET /acme/reports/r/runs?page=2&per_page=30"
        );
    }
}
