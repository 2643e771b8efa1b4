//! Spaces, which people see as collections: list, get.

use serde::Deserialize;

use super::list::{End, counted, list, page_setters};
use super::{id, relations, request};
use crate::wire::hal::{Embedded, Links};
use crate::wire::open_enum;
use crate::wire::{json, lenient};

list! {
    /// Lists the spaces of the workspace; other people's private ones are left out unless [asked for](Self::filter).
    ///
    /// Source: Mode API reference, "Spaces", `GET /{workspace}/spaces`. Safe to repeat.
    ListSpaces {} "The spaces of the workspace."
    GET ["spaces"] -> Space, "mode.spaces.list", End::Empty
}

counted!(ListSpaces);

impl Default for ListSpaces {
    fn default() -> Self {
        Self::new()
    }
}

impl ListSpaces {
    page_setters!();

    /// Which spaces.
    pub fn filter(mut self, filter: SpaceFilter) -> Self {
        self.list.set_filter(filter);
        self
    }
}

open_enum! {
    /// Which spaces a list holds.
    SpaceFilter {
        /// All of them, other people's private ones too.
        All = "all",
        /// Those that are shared.
        Custom = "custom",
        /// The caller's.
        Mine = "mine",
    }
}

request! {
    /// Gets one space.
    ///
    /// Source: Mode API reference, "Spaces", `GET /{workspace}/spaces/{space}`. Safe to repeat.
    GetSpace { space: SpaceToken } "This space."
    GET ["spaces", space] -> Space = json::decode, "mode.spaces.get", Safe
}

id! {
    /// Token of a space.
    SpaceToken
}

open_enum! {
    /// Who a space is for.
    SpaceType {
        /// Those it is shared with.
        Custom = "custom",
        /// One person.
        Private = "private",
        /// The whole workspace.
        Community = "community",
    }
}

/// One space.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Space {
    /// Token.
    pub token: SpaceToken,
    /// A number, as text. It is of no use in requests.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id: Option<Box<str>>,
    /// Who it is for.
    #[serde(rename = "space_type")]
    pub kind: Option<SpaceType>,
    /// Name.
    pub name: Option<Box<str>>,
    /// Description.
    pub description: Option<Box<str>>,
    /// State, for example `active`.
    pub state: Option<Box<str>>,
    /// Whether it is closed to those it is not shared with.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub restricted: Option<bool>,
    /// Whether new reports go there.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub free_default: Option<bool>,
    /// Whether the caller may see it. The vendor's name for it ends in a question mark.
    #[serde(rename = "viewable?", default, deserialize_with = "lenient::boolean")]
    pub viewable: Option<bool>,
    /// Whether the caller has seen it. The vendor's name for it ends in a question mark.
    #[serde(rename = "viewed?", default, deserialize_with = "lenient::boolean")]
    pub viewed: Option<bool>,
    /// What members may do with its reports, for example `view` or `edit`.
    pub default_access_level: Option<Box<str>>,
    /// Name of its schema.
    pub schema_name: Option<Box<str>>,
    /// Links by name; the documented ones have methods.
    #[serde(rename = "_links", default)]
    pub links: Links,
    /// Resources that came with it.
    #[serde(rename = "_embedded", default)]
    pub embedded: Embedded,
}

relations! {
    Space {
        self_link = "self" "The space itself.",
        detail_link = "detail" "More about it.",
        space_report_pins_link = "space_report_pins" "Reports that are pinned there.",
        web_link = "web" "Its page for people.",
        reports_link = "reports" "Its reports.",
        creator_link = "creator" "Who made it.",
        user_space_membership_link = "user_space_membership" "The caller's membership.",
        space_memberships_link = "space_memberships" "Its memberships.",
        preview_space_memberships_link = "preview_space_memberships" "The first of its memberships.",
        search_space_permissions_link = "search_space_permissions" "Who may do what in it.",
        viewed_link = "viewed" "Whether the caller has seen it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::request_text;

    #[test]
    fn spaces_are_listed_by_kind_and_got() {
        assert_eq!(request_text(&ListSpaces::new()), "GET /acme/spaces");
        assert_eq!(
            request_text(&ListSpaces::new().filter(SpaceFilter::All).per_page(30)),
            "GET /acme/spaces?filter=all&per_page=30"
        );
        assert_eq!(request_text(&GetSpace::new("s1")), "GET /acme/spaces/s1");
    }
}
