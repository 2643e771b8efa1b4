//! What the requests of this vendor share: preview, calls by RID, batches, pages, empty answers.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use url::Url;

use super::rid;
use crate::client::{ApiRequest, Endpoint, Meta, RequestBuilder};
use crate::error::{Error, Result};
use crate::paging::{Cursor, Page};
use crate::wire::{json, lenient};

/// When a call asks for features in preview, with `preview=true` in its query.
///
/// Source: Foundry API reference, the parameters of operations in preview. Which operations are in preview changes with
/// the version of a Foundry: running, pausing and deleting a schedule and listing its runs were until 2025.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preview {
    /// Where the operation is in preview today.
    #[default]
    Auto,
    /// Always, for a Foundry of an older version.
    Always,
    /// Never: an operation in preview is refused with `ApiFeaturePreviewUsageOnly`.
    Never,
}

/// What a request tells the dialect: whether its operation is in preview, and what its caller wishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    in_preview: bool,
    wish: Option<Preview>,
}

impl Mark {
    pub(super) fn stable(wish: Option<Preview>) -> Self {
        Self { in_preview: false, wish }
    }

    pub(super) fn in_preview(wish: Option<Preview>) -> Self {
        Self { in_preview: true, wish }
    }

    /// Whether to ask for preview, with this setting of the client.
    pub(super) fn asks(self, client: Preview) -> bool {
        match self.wish.unwrap_or(client) {
            Preview::Auto => self.in_preview,
            Preview::Always => true,
            Preview::Never => false,
        }
    }
}

/// Starts a request of an operation.
pub(super) fn start<E: Endpoint>(
    method: Method,
    base: &Url,
    path: &[&str],
    mark: Mark,
) -> RequestBuilder {
    let builder = ApiRequest::of::<E>(method, base, path);
    if mark == Mark::default() { builder } else { builder.extension(mark) }
}

/// As [`start`], for a path that names a resource.
pub(super) fn start_at<E: Endpoint>(
    method: Method,
    base: &Url,
    path: &[&str],
    mark: Mark,
    (what, named): (&str, &str),
) -> RequestBuilder {
    checked(start::<E>(method, base, path, mark), rid::check(what, named))
}

pub(super) fn checked(builder: RequestBuilder, check: Result<()>) -> RequestBuilder {
    match check {
        Ok(()) => builder,
        Err(error) => builder.fail(error),
    }
}

/// The setter every request has.
macro_rules! preview_setter {
    () => {
        /// Whether to ask for features in preview. Left out, the client's own
        /// [`preview`](crate::ClientBuilder::preview) decides.
        pub fn preview(mut self, when: $crate::foundry::Preview) -> Self {
            self.preview = Some(when);
            self
        }
    };
}

/// Declares an operation on one resource: its RID in the path, no body.
macro_rules! by_rid {
    (
        $(#[$meta:meta])*
        $name:ident($field:ident: $rid:ty) -> $output:ty {
            $method:ident $collection:literal / rid $(/ $verb:literal)?,
            $stage:ident, $idempotency:ident, $operation:literal, $decode:path $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[must_use = "a request does nothing until it is sent"]
        pub struct $name {
            $field: $rid,
            preview: Option<$crate::foundry::Preview>,
        }

        impl $name {
            #[doc = concat!("This ", stringify!($field), ".")]
            pub fn new($field: impl Into<$rid>) -> Self {
                Self { $field: $field.into(), preview: None }
            }

            $crate::foundry::request::preview_setter!();
        }

        impl $crate::client::Endpoint for $name {
            type Api = $crate::foundry::Foundry;
            type Output = $output;
            const OPERATION: &'static str = $operation;
            const IDEMPOTENCY: $crate::client::Idempotency =
                $crate::client::Idempotency::$idempotency;

            fn to_request(&self, base: &url::Url) -> $crate::Result<$crate::client::ApiRequest> {
                use $crate::foundry::request::{Mark, start_at};

                let rid = self.$field.as_str();
                let path = ["v2", "orchestration", $collection, rid $(, $verb)?];
                let named = (stringify!($field), rid);
                start_at::<Self>(http::Method::$method, base, &path, Mark::$stage(self.preview), named)
                    .finish()
            }

            #[inline]
            fn decode(
                &self,
                meta: &$crate::client::Meta,
                body: &bytes::Bytes,
            ) -> $crate::Result<$output> {
                $decode(meta, body)
            }
        }
    };
}

/// Declares an operation that gets many resources at once.
macro_rules! batch {
    (
        $(#[$meta:meta])*
        $name:ident($field:ident: $what:literal $rid:ty, $most:literal) -> $item:ty {
            $collection:literal, $stage:ident, $operation:literal, $member:literal $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[must_use = "a request does nothing until it is sent"]
        pub struct $name {
            $field: Vec<$rid>,
            preview: Option<$crate::foundry::Preview>,
        }

        impl $name {
            /// Most of them in one request; more, and none at all, are refused before anything is sent.
            pub const MOST: usize = $most;

            #[doc = concat!("These ", stringify!($field), ".")]
            pub fn new<R: Into<$rid>>($field: impl IntoIterator<Item = R>) -> Self {
                Self { $field: $field.into_iter().map(Into::into).collect(), preview: None }
            }

            $crate::foundry::request::preview_setter!();
        }

        impl $crate::client::Endpoint for $name {
            type Api = $crate::foundry::Foundry;
            type Output = std::collections::BTreeMap<$rid, $item>;
            const OPERATION: &'static str = $operation;
            const IDEMPOTENCY: $crate::client::Idempotency = $crate::client::Idempotency::Safe;

            fn to_request(&self, base: &url::Url) -> $crate::Result<$crate::client::ApiRequest> {
                use $crate::foundry::request::{Mark, checked, elements, start};

                let path = ["v2", "orchestration", $collection, "getBatch"];
                let rids = self.$field.iter().map(<$rid>::as_str);
                let builder =
                    start::<Self>(http::Method::POST, base, &path, Mark::$stage(self.preview));
                match elements($what, $member, Self::MOST, rids) {
                    Ok(elements) => builder.json(&elements).finish(),
                    Err(error) => checked(builder, Err(error)).finish(),
                }
            }

            #[inline]
            fn decode(
                &self,
                meta: &$crate::client::Meta,
                body: &bytes::Bytes,
            ) -> $crate::Result<Self::Output> {
                $crate::foundry::request::batch_of(meta, body)
            }
        }
    };
}

pub(super) use {batch, by_rid, preview_setter};

/// The body of a batch: `[{"buildRid":"ri.…"}]`.
pub(super) fn elements<'a>(
    what: &str,
    member: &'static str,
    most: usize,
    rids: impl ExactSizeIterator<Item = &'a str>,
) -> Result<Vec<BTreeMap<&'static str, &'a str>>> {
    let count = rids.len();
    if !(1..=most).contains(&count) {
        return Err(Error::config(format!(
            "a batch has 1 to {most} elements, this one has {count}; send several"
        )));
    }
    rids.map(|rid| rid::check(what, rid).map(|()| BTreeMap::from([(member, rid)]))).collect()
}

/// The answer to a batch. What is missing or hidden from the caller is left out of it, without an error.
pub(super) fn batch_of<K: DeserializeOwned + Ord, T: DeserializeOwned>(
    meta: &Meta,
    body: &Bytes,
) -> Result<BTreeMap<K, T>> {
    #[derive(Deserialize)]
    #[serde(bound = "K: Deserialize<'de> + Ord, T: Deserialize<'de>")]
    struct Answer<K, T> {
        data: Option<BTreeMap<K, T>>,
    }

    Ok(match optional::<Answer<K, T>>(meta, body)? {
        Some(Answer { data: Some(found) }) => found,
        _ => BTreeMap::new(),
    })
}

/// Size and place of a page, for lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Paging {
    pub(super) page_size: Option<u32>,
    pub(super) cursor: Option<Cursor>,
}

impl Paging {
    /// The vendor's own token for the place.
    pub(super) fn token(&self) -> Option<&str> {
        self.cursor.as_ref().map(Cursor::as_str)
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.page_size == Some(0) {
            return Err(Error::config("a page of 0 items is refused; set a size of at least 1"));
        }
        Ok(())
    }

    /// Page size and token as members of the query.
    pub(super) fn write(&self, builder: RequestBuilder) -> RequestBuilder {
        checked(builder, self.check())
            .query("pageSize", self.page_size)
            .query("pageToken", self.token())
    }
}

/// The setter every list has.
macro_rules! page_size_setter {
    () => {
        /// Items per page, at least 1. A hint: a page may be shorter or longer. Left out, the vendor decides; it documents
        /// 100 for runs of a schedule and for a search. The largest size is not documented.
        pub fn page_size(mut self, items: u32) -> Self {
            self.paging.page_size = Some(items);
            self
        }
    };
}

pub(super) use page_size_setter;

/// The page of a list answer. An empty list may come as no list, or as no answer at all.
pub(super) fn page_of<T: DeserializeOwned>(meta: &Meta, body: &Bytes) -> Result<Page<T>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
    struct Answer<T> {
        #[serde(default, deserialize_with = "lenient::list")]
        data: Vec<T>,
        next_page_token: Option<Box<str>>,
    }

    Ok(match optional::<Answer<T>>(meta, body)? {
        Some(Answer { data, next_page_token }) => {
            let next = next_page_token.filter(|token| !token.is_empty());
            Page::new(data, next.map(Cursor::new))
        }
        None => Page::new(Vec::new(), None),
    })
}

/// An answer that may be empty.
pub(super) fn optional<T: DeserializeOwned>(meta: &Meta, body: &Bytes) -> Result<Option<T>> {
    if body.trim_ascii().is_empty() { Ok(None) } else { json::decode(meta, body) }
}

/// An answer that is documented to be empty. JSON is taken too; a page of a proxy is not.
pub(super) fn nothing(meta: &Meta, body: &Bytes) -> Result<()> {
    optional::<IgnoredAny>(meta, body).map(drop)
}
