//! Spaces, which the web application calls collections: list, get.

use super::list::{ListQuery, page_setters};
use super::tokens::SpaceToken;
use super::{Mode, relations};
use crate::client::operation;
use crate::paging::Page;
use crate::wire::hal::{Embedded, Forms, Links};
use crate::wire::{lenient, model, open_enum};

operation! {
    /// Lists the spaces of the workspace, without other people's private ones unless a [filter](Self::filter) includes them.
    ///
    /// Source: Mode API reference, "Spaces", `GET /{workspace}/spaces`.
    ListSpaces {}
    pages counted { list: ListQuery, item: Space, key: token }
    for Mode, "mode.spaces.list", Safe: GET "spaces" -> Page<Space>
}

impl ListSpaces {
    page_setters!();

    /// Which spaces to list.
    pub fn filter(mut self, filter: SpaceFilter) -> Self {
        self.list.set_filter(filter);
        self
    }
}

open_enum! {
    /// Which spaces to list.
    SpaceFilter {
        /// All of them, including other people's private ones.
        All = "all",
        /// Shared spaces.
        Custom = "custom",
        /// The caller's own spaces.
        Mine = "mine",
    }
}

operation! {
    /// Gets one space.
    ///
    /// Source: Mode API reference, "Spaces", `GET /{workspace}/spaces/{space}`.
    GetSpace { space: SpaceToken }
    for Mode, "mode.spaces.get", Safe: GET "spaces" / {space} -> Space
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

model! {
    /// One space.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Space {
        /// Token.
        pub token: SpaceToken,
        /// A number, as text. Requests do not accept it.
        pub id: Option<Box<str>> as "id" with lenient::text,
        /// Who it is for.
        pub kind: Option<SpaceType> as "space_type",
        /// Name.
        pub name: Option<Box<str>>,
        /// Description.
        pub description: Option<Box<str>>,
        /// State, for example `active`.
        pub state: Option<Box<str>>,
        /// Whether only the people it is shared with may open it.
        pub restricted: Option<bool> as "restricted" with lenient::boolean,
        /// Whether new reports are created there by default.
        pub free_default: Option<bool> as "free_default" with lenient::boolean,
        /// Whether the caller may see it. The vendor's name for it ends in a question mark.
        pub viewable: Option<bool> as "viewable?" with lenient::boolean,
        /// Whether the caller has seen it. The vendor's name for it ends in a question mark.
        pub viewed: Option<bool> as "viewed?" with lenient::boolean,
        /// Default permission of members on its reports, for example `view` or `edit`.
        pub default_access_level: Option<Box<str>>,
        /// Name of its schema.
        pub schema_name: Option<Box<str>>,
        /// Links by relation; the documented ones have methods.
        pub links: Links as "_links" default,
        /// Its forms, by name. Not documented.
        pub forms: Forms as "_forms" default,
        /// Embedded resources.
        pub embedded: Embedded as "_embedded" default,
    }
}

relations! {
    Space {
        self_link = "self" "The space itself.",
        detail_link = "detail" "Its details.",
        space_report_pins_link = "space_report_pins" "Its pinned reports.",
        web_link = "web" "Its page for people.",
        reports_link = "reports" "Its reports.",
        creator_link = "creator" "Who created it.",
        user_space_membership_link = "user_space_membership" "The caller's membership.",
        space_memberships_link = "space_memberships" "Its memberships.",
        preview_space_memberships_link = "preview_space_memberships" "The first of its memberships.",
        search_space_permissions_link = "search_space_permissions" "Its permissions.",
        viewed_link = "viewed" "Whether the caller has seen it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::request_text;

    #[test]
    fn spaces_are_listed_by_kind_and_fetched() {
        assert_eq!(request_text(&ListSpaces::new()), "GET /acme/spaces");
        assert_eq!(
            request_text(&ListSpaces::new().filter(SpaceFilter::All).per_page(30)),
            "GET /acme/spaces?filter=all&per_page=30"
        );
        assert_eq!(request_text(&GetSpace::new("s1")), "GET /acme/spaces/s1");
    }
}
