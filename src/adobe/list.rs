//! What all lists of this vendor share: order, filters, and pages with a keyset cursor.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use url::form_urlencoded;

use crate::client::{LinkPolicy, ListSettings, Meta, RequestBuilder, json};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::wire::hal::Links;
use crate::wire::lenient::{self, Scalar};
use crate::wire::{model, time};

/// What a list is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeField {
    /// When it was created. For runs, the scheduled time.
    #[default]
    Created,
    /// When it was last changed.
    Updated,
}

/// Order, page size, start and filters of one list request, and its page.
///
/// Source: Query Service API reference, parameters of every list. Paging is by keyset: `start` is the ordering value of the
/// page's first item, inclusive. So `orderby` and `limit` are always sent. Of a next link only the query is used: links may
/// omit `limit` and `property`, and name hosts that clients must not call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListQuery {
    pub(super) field: TimeField,
    pub(super) newest_first: bool,
    pub(super) limit: u32,
    pub(super) start: Option<DateTime<Utc>>,
    pub(super) filters: Vec<String>,
    /// This and the next field are set only for queries.
    pub(super) include_soft_deleted: bool,
    pub(super) include_hidden: bool,
    pub(super) cursor: Option<Cursor>,
}

impl Default for ListQuery {
    fn default() -> Self {
        // The documented default. It is sent because only the limit tells whether a page is full.
        Self {
            field: TimeField::Created,
            newest_first: false,
            limit: 20,
            start: None,
            filters: Vec::new(),
            include_soft_deleted: false,
            include_hidden: false,
            cursor: None,
        }
    }
}

impl ListQuery {
    /// Refuses settings that the vendor cannot express.
    pub(super) fn check(&self) -> Result<()> {
        if self.limit == 0 {
            return Err(Error::config("limit must be at least 1"));
        }
        self.filters.iter().try_for_each(|filter| check_clause(filter))
    }

    /// The value of `orderby`, with its sign: without one, the specification does not say which order is meant.
    pub(super) fn order(&self) -> &'static str {
        match (self.field, self.newest_first) {
            (TimeField::Created, false) => "+created",
            (TimeField::Created, true) => "-created",
            (TimeField::Updated, false) => "+updated",
            (TimeField::Updated, true) => "-updated",
        }
    }

    /// The value of `property`: all filters, of which every one must hold.
    pub(super) fn property(&self) -> Option<String> {
        (!self.filters.is_empty()).then(|| self.filters.join(","))
    }

    /// Makes a page of the parts of a response.
    fn page_of<T>(&self, items: Vec<T>, info: &PageInfo, links: &Links) -> Result<Page<T>> {
        let full = items.len() >= usize::try_from(self.limit).unwrap_or(usize::MAX);
        let next = match links.get("next") {
            Some(link) => cursor_of(&link.href),
            // Inferred: if a response has no link but names the next start, the list continues there. This holds also after
            // a page that is not full: the largest limit is not documented, and the vendor may send fewer items.
            None => match &info.next {
                Some(NextStart::At(start)) => {
                    Some(vec![("start".to_owned(), (**start).to_owned())])
                }
                Some(NextStart::Unreadable) => {
                    let message = "the start of the next page is not a text or number";
                    return Err(Error::new(ErrorKind::Decode, message));
                }
                None if links.has("next") => {
                    let message = "the link to the next page is not a link";
                    return Err(Error::new(ErrorKind::Pagination, message));
                }
                None => None,
            },
        };
        // A page that is not full and links to its own start is the last: samples have such links, and following one
        // returns the same page again.
        let next = next.filter(|pairs| {
            full || !pairs.iter().any(|(name, value)| {
                name == "start"
                    && info.start.as_deref().is_some_and(|start| same_moment(start, value))
            })
        });
        let cursor = next.map(|pairs| {
            Cursor::new(
                form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish(),
            )
        });
        Ok(Page::new(items, cursor))
    }
}

impl<T: DeserializeOwned> ListSettings<T> for ListQuery {
    /// Writes these settings; the cursor replaces order and start, and adds members of its own.
    fn write(&self, request: RequestBuilder) -> RequestBuilder {
        let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = vec![
            ("orderby".into(), self.order().into()),
            ("limit".into(), self.limit.to_string().into()),
        ];
        pairs.extend(self.start.map(|start| ("start".into(), timestamp(start).into())));
        pairs.extend(self.property().map(|filters| ("property".into(), filters.into())));
        // Both default to true at the vendor.
        let included = [
            ("excludeSoftDeleted", self.include_soft_deleted),
            ("excludeHidden", self.include_hidden),
        ];
        let included = included.into_iter().filter(|(_, included)| *included);
        pairs.extend(included.map(|(name, _)| (name.into(), "false".into())));
        let overlay = self.cursor.as_ref().map(Cursor::as_str).unwrap_or_default();
        for (name, value) in form_urlencoded::parse(overlay.as_bytes()) {
            match pairs.iter_mut().find(|(known, _)| *known == name) {
                // Only these change from page to page. Links have filters unencoded, so that a plus sign or ampersand in
                // one is lost.
                Some((_, known)) if name == "orderby" || name == "start" => *known = value,
                Some(_) => {}
                None => pairs.push((name, value)),
            }
        }
        request.check(self.check()).queries(pairs)
    }

    fn page(&self, meta: &Meta, body: &Bytes, _: fn(&T) -> Option<&str>) -> Result<Page<T>> {
        let list: ListResponse<T> = json::decode(meta, &json::or_empty(body))?;
        let info = list.page.unwrap_or_default();
        json::found(&list.items, info.count)?;
        self.page_of(list.items, &info, &list.links)
    }

    fn move_to(&mut self, cursor: &Cursor) {
        self.cursor = Some(cursor.clone());
    }
}

/// The query of a next link. Links are not encoded, so that a plus sign is decoded as a space: it is restored here.
fn cursor_of(href: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = LinkPolicy::query_of(href);
    for (name, value) in &mut pairs {
        if matches!(&**name, "orderby" | "start") {
            *value = value.replace(' ', "+");
        }
    }
    (!pairs.is_empty()).then_some(pairs)
}

fn same_moment(one: &str, other: &str) -> bool {
    one == other || time::parse(one).is_some_and(|moment| time::parse(other) == Some(moment))
}

/// The response to every list request; only the name of the items differs.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct ListResponse<T> {
    #[serde(
        alias = "runsSchedules",
        alias = "schedules",
        alias = "queries",
        alias = "templates",
        alias = "accounts",
        default,
        deserialize_with = "lenient::items"
    )]
    items: Vec<T>,
    #[serde(rename = "_page", default, deserialize_with = "lenient::object")]
    page: Option<PageInfo>,
    #[serde(rename = "_links", default)]
    links: Links,
}

model! {
    #[derive(Default)]
    struct PageInfo {
        start: Option<Box<str>> as "start" with lenient::text,
        next: Option<NextStart> as "next" with next_start,
        /// Number of items on this page.
        count: Option<u64> as "count" with lenient::count,
    }
}

/// Where the next page begins. It matters only if there is no link.
enum NextStart {
    At(Box<str>),
    Unreadable,
}

fn next_start<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NextStart>, D::Error> {
    lenient::scalar(deserializer, |value| match value {
        Scalar::Null | Scalar::Text("") => None,
        value => Some(value.into_text().map_or(NextStart::Unreadable, NextStart::At)),
    })
}

/// A time in the format of filters and `start`.
pub(super) fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// One condition of a `property` filter.
pub(super) fn clause(field: &str, operator: &str, value: impl fmt::Display) -> String {
    format!("{field}{operator}{value}")
}

/// Refuses a condition that the vendor would read as two.
pub(super) fn check_clause(clause: &str) -> Result<()> {
    if !clause.contains(',') {
        return Ok(());
    }
    let field = clause.split(['=', '!', '<', '>', '~']).next().unwrap_or_default();
    Err(Error::config(format!(
        "the filter on {field} holds a comma; the vendor separates filters by commas and has no way to escape one"
    )))
}

/// Setters of every list request, those with numbered pages included.
macro_rules! order_setters {
    ($filter:ty) => {
        /// Newest first.
        pub fn newest_first(mut self) -> Self {
            self.list.newest_first = true;
            self
        }

        /// Oldest first. The default.
        pub fn oldest_first(mut self) -> Self {
            self.list.newest_first = false;
            self
        }

        /// The time that decides what is newest and oldest. Default: [`Created`](crate::adobe::TimeField::Created).
        pub fn order_by(mut self, field: crate::adobe::TimeField) -> Self {
            self.list.field = field;
            self
        }

        /// Adds a condition; all conditions must hold.
        pub fn filter(mut self, filter: $filter) -> Self {
            self.list.filters.push(filter.0);
            self
        }
    };
}

/// Setters of every list request with keyset paging.
macro_rules! list_setters {
    ($filter:ty) => {
        /// Items per page. Default 20, as the vendor's; at least 1. The largest size is not documented.
        pub fn limit(mut self, items: u32) -> Self {
            self.list.limit = items;
            self
        }

        /// Begins the list at this time, inclusive: the time that the list is [ordered by](Self::order_by). If not set, the
        /// list begins with its first item.
        ///
        /// (Older vendor docs call it an offset; it is a time.)
        pub fn start(mut self, time: chrono::DateTime<chrono::Utc>) -> Self {
            self.list.start = Some(time);
            self
        }

        $crate::adobe::list::order_setters!($filter);
    };
}

pub(super) use {list_setters, order_setters};

#[cfg(test)]
mod tests {
    use super::*;

    fn page(list: &ListQuery, items: usize, info: &str, links: &str) -> Option<String> {
        let info = serde_json::from_str(info).unwrap();
        let links = serde_json::from_str(links).unwrap();
        let page = list.page_of(vec![(); items], &info, &links).unwrap();
        page.next.map(|cursor| cursor.as_str().to_owned())
    }

    #[test]
    fn the_next_link_is_read_in_every_form_and_only_its_query_is_kept() {
        let list = ListQuery { limit: 1, ..ListQuery::default() };
        let kept = Some("orderby=-created&start=2019-08-01T00%3A14%3A21.748Z".to_owned());
        for links in [
            r#"{"next":{"href":"https://elsewhere.example/q?orderby=-created&start=2019-08-01T00:14:21.748Z"}}"#,
            r#"{"next":"https://elsewhere.example/q?orderby=-created&start=2019-08-01T00:14:21.748Z"}"#,
        ] {
            assert_eq!(page(&list, 1, "{}", links), kept);
        }
        let plus = r#"{"next":"/q?orderby=+created&start=2019-08-01T00:00:00+00:00"}"#;
        assert_eq!(
            page(&list, 1, "{}", plus).unwrap(),
            "orderby=%2Bcreated&start=2019-08-01T00%3A00%3A00%2B00%3A00"
        );
    }

    #[test]
    fn without_a_link_the_list_continues_at_the_start_that_the_response_names() {
        let list = ListQuery { limit: 2, ..ListQuery::default() };
        let info = r#"{"start":"2020-01-01T00:00:00Z","next":"2020-01-02T00:00:00Z"}"#;
        for items in [1, 2] {
            assert_eq!(page(&list, items, info, "{}").unwrap(), "start=2020-01-02T00%3A00%3A00Z");
        }
        let itself = r#"{"start":"2020-01-01T00:00:00Z","next":"2020-01-01T00:00:00Z"}"#;
        assert_eq!(page(&list, 1, itself, "{}"), None);
        assert_eq!(page(&list, 2, "{}", "null"), None);
        let numbers = r#"{"start":1577836800000,"next":1577923200000}"#;
        assert_eq!(page(&list, 2, numbers, "{}").unwrap(), "start=1577923200000");
    }

    #[test]
    fn a_page_that_is_not_full_and_links_to_itself_is_the_last() {
        let list = ListQuery { limit: 2, ..ListQuery::default() };
        let info = r#"{"start":"2020-01-01T00:00:00Z","next":"2020-01-01T00:00:00.000Z"}"#;
        let links = r#"{"next":{"href":"/q?start=2020-01-01T00:00:00.000Z"}}"#;
        assert_eq!(page(&list, 1, info, links), None);
        // Paging cannot get past a full page of equal times: it must report that, not stop.
        assert!(page(&list, 2, info, links).is_some());
    }
}
