//! What the requests of this vendor share: preview, batches, pages, empty responses.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::rid;
use crate::client::{ListSettings, Meta, RequestBuilder, json};
use crate::error::{Error, Result};
use crate::paging::{Cursor, Page};
use crate::wire::{Only, lenient};

/// When a call asks for preview features, with `preview=true` in its query.
///
/// Source: Foundry API reference, the parameters of operations in preview. Which operations are in preview depends on the
/// version of a Foundry: running, pausing and deleting a schedule and listing its runs were until 2025.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preview {
    /// When the operation is in preview today.
    #[default]
    Auto,
    /// Always, for a Foundry of an older version.
    Always,
    /// Never: an operation in preview is refused with `ApiFeaturePreviewUsageOnly`.
    Never,
}

/// Requests several resources at once, with the body `[{"buildRid":"ri.…"}]`.
pub(super) fn batch<R: AsRef<str>>(
    request: RequestBuilder,
    member: &str,
    most: usize,
    rids: &[R],
) -> RequestBuilder {
    if !(1..=most).contains(&rids.len()) {
        return request.fail(Error::config(format!(
            "a batch has 1 to {most} elements, this one has {}; send several batches",
            rids.len()
        )));
    }
    let elements: Vec<_> = rids.iter().map(|rid| Only(member, rid.as_ref())).collect();
    let noun = member.trim_end_matches("Rid");
    let checked = rids.iter().try_for_each(|rid| rid::check(noun, rid.as_ref()));
    request.json(&elements).check(checked)
}

/// Decodes the response to a batch. What does not exist, or is hidden from the caller, is left out without an error.
pub(super) fn found<K: DeserializeOwned + Ord, T: DeserializeOwned>(
    meta: &Meta,
    body: &Bytes,
) -> Result<BTreeMap<K, T>> {
    #[derive(Deserialize)]
    #[serde(bound = "K: Deserialize<'de> + Ord, T: Deserialize<'de>")]
    struct Batch<K: Ord, T> {
        #[serde(default, deserialize_with = "lenient::items_by_id")]
        data: BTreeMap<K, T>,
    }

    let batch: Batch<K, T> = json::decode(meta, &json::or_empty(body))?;
    Ok(batch.data)
}

/// The size of a list's pages, and which page to get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Paging {
    pub(super) page_size: Option<u32>,
    pub(super) cursor: Option<Cursor>,
}

impl Paging {
    /// The vendor's token of the page.
    pub(super) fn token(&self) -> Option<&str> {
        self.cursor.as_ref().map(Cursor::as_str)
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.page_size == Some(0) {
            return Err(Error::config("page_size must be at least 1"));
        }
        Ok(())
    }
}

impl<T: DeserializeOwned> ListSettings<T> for Paging {
    fn write(&self, request: RequestBuilder) -> RequestBuilder {
        request
            .check(self.check())
            .query("pageSize", self.page_size)
            .query("pageToken", self.token())
    }

    /// An empty list may have no `data`, or the response has no body at all.
    fn page(&self, meta: &Meta, body: &Bytes, _: fn(&T) -> Option<&str>) -> Result<Page<T>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
        struct List<T> {
            #[serde(default, deserialize_with = "lenient::items")]
            data: Vec<T>,
            #[serde(default, deserialize_with = "lenient::next_page")]
            next_page_token: Option<Box<str>>,
        }

        let list: List<T> = json::decode(meta, &json::or_empty(body))?;
        Ok(Page::new(list.data, list.next_page_token.map(Cursor::new)))
    }

    fn move_to(&mut self, cursor: &Cursor) {
        self.cursor = Some(cursor.clone());
    }
}

/// The setter that every list has.
macro_rules! page_size_setter {
    () => {
        /// Items per page, at least 1. A hint: a page may be shorter or longer. If not set, the vendor decides; it documents
        /// 100 for runs of a schedule and for a search. The largest size is not documented.
        pub fn page_size(mut self, items: u32) -> Self {
            self.paging.page_size = Some(items);
            self
        }
    };
}

pub(super) use page_size_setter;
