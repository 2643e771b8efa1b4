//! What all lists of this vendor share: pages that begin at an offset.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::parameters::Limited as _;
use crate::client::{CountedList, ListSettings, Meta, RequestBuilder, json};
use crate::error::{Error, ErrorKind, Result};
use crate::paging::{Cursor, Page};
use crate::wire::{lenient, model};

/// Which page of a list is requested, and how large it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListQuery {
    /// Items per page.
    pub(super) limit: u32,
    /// The first item of the page. `None` if the cursor came from another vendor's list.
    pub(super) offset: Option<u32>,
}

/// The default size of a page, which is the vendor's own.
impl Default for ListQuery {
    fn default() -> Self {
        Self::of(100)
    }
}

impl ListQuery {
    /// The first page of a list, in pages of this size.
    pub(super) fn of(limit: u32) -> Self {
        Self { limit, offset: Some(0) }
    }

    /// Refuses a page that the list cannot have. `most` is the largest size of a page.
    pub(super) fn check(&self, most: u32) -> Result<()> {
        self.limit.check("limit", 1..=most)?;
        let foreign = || Error::config("the cursor comes from another vendor's list");
        self.offset.map(|_| ()).ok_or_else(foreign)
    }

    /// Chooses the page at this cursor.
    pub(super) fn seek(&mut self, cursor: &Cursor) {
        self.offset = offset_of(cursor).and_then(|offset| offset.try_into().ok());
    }

    /// The offset of the page's first item.
    pub(super) fn start(&self) -> u64 {
        u64::from(self.offset.unwrap_or_default())
    }

    /// The offset of the item that follows these items of the page.
    pub(super) fn end<T>(&self, items: &[T]) -> u64 {
        self.start().saturating_add(u64::try_from(items.len()).unwrap_or(u64::MAX))
    }

    /// Whether the page has as many items as were requested.
    pub(super) fn is_full<T>(&self, items: &[T]) -> bool {
        u32::try_from(items.len()).map_or(true, |count| count >= self.limit)
    }

    /// The error of a page without items before the end of the list.
    pub(super) fn none_came(&self, total: u64, what: &str) -> Error {
        let start = self.start();
        let message = format!("there are {total} {what}, but none came after the first {start}");
        Error::new(ErrorKind::Pagination, message)
    }

    /// How many pages there are from this one on. Their offsets are known if the items are counted and the pages so far were full.
    pub(super) fn pages<T>(&self, page: &Page<T>) -> usize {
        let size = u64::from(self.limit.max(1));
        let next = page.next.as_ref().and_then(offset_of).filter(|next| next % size == 0);
        let left = next.zip(page.total).map_or(0, |(next, total)| total.saturating_sub(next));
        usize::try_from(left.div_ceil(size)).unwrap_or(usize::MAX).saturating_add(1)
    }

    /// The cursor of a page after this one; number 1 is the next.
    pub(super) fn later<T>(&self, page: &Page<T>, number: usize) -> Cursor {
        let next = page.next.as_ref().and_then(offset_of).unwrap_or_default();
        let further = u64::try_from(number.saturating_sub(1)).unwrap_or(u64::MAX);
        cursor_at(next.saturating_add(further.saturating_mul(u64::from(self.limit))))
    }
}

/// The offset at which the page of this cursor begins; `None` if the cursor is another vendor's.
fn offset_of(cursor: &Cursor) -> Option<u64> {
    cursor.as_str().strip_prefix("offset=")?.parse().ok()
}

/// The cursor of the page that begins at this offset.
pub(super) fn cursor_at(offset: u64) -> Cursor {
    Cursor::new(format!("offset={offset}"))
}

/// Lists that are counted by `offset`, `limit` and `total`.
impl<T: DeserializeOwned> ListSettings<T> for ListQuery {
    /// Adds nothing: offset and limit are sent with the other parameters, as one JSON object in most lists. So
    /// each list sends them itself.
    fn write(&self, request: RequestBuilder) -> RequestBuilder {
        request
    }

    fn page(&self, meta: &Meta, body: &Bytes, _: fn(&T) -> Option<&str>) -> Result<Page<T>> {
        let response: ListResponse<T> = json::decode(meta, &json::or_empty(body))?;
        let items = response.data;
        let (start, read) = (self.start(), self.end(&items));
        // A total that denies the items of this page is wrong.
        let total = response.meta.and_then(|meta| meta.paginate?.total);
        let total = total.filter(|total| items.is_empty() || *total >= read);
        if start == 0 {
            json::found(&items, total)?;
        }
        let more = match total {
            Some(total) if items.is_empty() && total > start => {
                return Err(self.none_came(total, "items"));
            }
            Some(total) => read < total,
            None => self.is_full(&items),
        };
        let mut page = Page::new(items, more.then(|| cursor_at(read)));
        page.total = total;
        Ok(page)
    }

    fn move_to(&mut self, cursor: &Cursor) {
        self.seek(cursor);
    }
}

impl<T: DeserializeOwned> CountedList<T> for ListQuery {
    fn page_count(&self, first: &Page<T>) -> usize {
        self.pages(first)
    }

    fn nth(&self, first: &Page<T>, number: usize) -> Cursor {
        self.later(first, number)
    }
}

/// The response of a counted list. `M` is the type of its `meta`.
#[derive(Deserialize, Serialize)]
#[serde(bound(deserialize = "T: DeserializeOwned, M: DeserializeOwned"))]
pub(super) struct ListResponse<T, M = ListMeta> {
    #[serde(default, deserialize_with = "lenient::object")]
    pub(super) meta: Option<M>,
    #[serde(default, deserialize_with = "lenient::items")]
    pub(super) data: Vec<T>,
}

model! {
    /// The part of `meta` that every counted list has.
    pub(super) struct ListMeta {
        paginate: Option<Counters> as "paginate" with lenient::object,
    }
}

/// How many items there are.
#[derive(Deserialize, Serialize)]
pub(super) struct Counters {
    #[serde(default, deserialize_with = "lenient::count")]
    pub(super) total: Option<u64>,
}

/// Reads a response that is one object in the member `data`.
pub(super) fn decode_data<T: DeserializeOwned>(meta: &Meta, body: &Bytes) -> Result<T> {
    model! {
        struct Envelope<T> {
            data: T,
        }
    }
    json::decode::<Envelope<T>>(meta, body).map(|envelope| envelope.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_side_by_side_need_a_count_and_full_pages() {
        let list = ListQuery::of(10);
        let page = |next: Option<u64>, total: Option<u64>| {
            let mut page = Page::<()>::new(Vec::new(), next.map(cursor_at));
            page.total = total;
            page
        };
        assert_eq!(list.pages(&page(Some(10), Some(25))), 3);
        assert_eq!(list.pages(&page(Some(20), Some(25))), 2);
        assert_eq!(list.pages(&page(None, Some(10))), 1);
        assert_eq!(list.pages(&page(Some(10), None)), 1);
        assert_eq!(
            list.pages(&page(Some(5), Some(25))),
            1,
            "the vendor sends less than was requested"
        );
        assert_eq!(list.pages(&page(Some(10), Some(u64::MAX))), 1_844_674_407_370_955_162);
        assert_eq!(list.later(&page(Some(10), Some(25)), 1).as_str(), "offset=10");
        assert_eq!(list.later(&page(Some(10), Some(99)), 3).as_str(), "offset=30");
    }
}
