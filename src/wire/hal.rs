//! Links in responses, as HAL and its cousins write them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::RawJson;
use super::raw::Members;
use crate::wire::model;

/// Where something else is. Follow it with [`Client::follow`](crate::Client::follow).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "Spelling")]
#[non_exhaustive]
pub struct Link {
    /// A URL, absolute or relative to the vendor's host.
    pub href: String,
    /// Whether `href` is a URI template (RFC 6570) with parts to fill in.
    pub templated: bool,
    /// The HTTP method the vendor names for it.
    pub method: Option<String>,
    /// The vendor's id of the thing linked to, where the link carries one.
    pub id: Option<String>,
}

/// The two ways links are written: a plain text, or an object.
#[derive(Deserialize)]
#[serde(untagged)]
enum Spelling {
    Text(String),
    Object {
        href: String,
        #[serde(default)]
        templated: bool,
        method: Option<String>,
        id: Option<String>,
    },
}

impl From<Spelling> for Link {
    fn from(spelling: Spelling) -> Self {
        match spelling {
            Spelling::Text(href) => Self { href, templated: false, method: None, id: None },
            Spelling::Object { href, templated, method, id } => {
                Self { href, templated, method, id }
            }
        }
    }
}

impl Link {
    /// A plain link.
    #[must_use]
    pub fn new(href: impl Into<String>) -> Self {
        Spelling::Text(href.into()).into()
    }
}

/// The links of a response, by name. Kept as they came, and parsed when one is read.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Links(Option<RawJson>);

impl Links {
    /// The link of this name; of several the first. `None` if there is none, or it is not a link.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<Link> {
        self.all(name).into_iter().next()
    }

    /// Whether there is anything but `null` under this name, readable or not.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        members(self.0.as_ref()).get(name).is_some_and(|member| member.get() != "null")
    }

    /// All links of this name.
    #[must_use]
    #[inline]
    pub fn all(&self, name: &str) -> Vec<Link> {
        let Some(member) = members(self.0.as_ref()).get(name) else { return Vec::new() };
        let one = || serde_json::from_str(member.get()).map(|link| vec![link]);
        serde_json::from_str(member.get()).or_else(|_| one()).unwrap_or_default()
    }

    /// The names, in the order of the response.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        members(self.0.as_ref()).names()
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Links").field(&self.names()).finish()
    }
}

model! {
    /// What a response says how to send: a form as in HTML, with the method and the address that it is sent to.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Form {
        /// A URL, absolute or relative to the vendor's host.
        pub action: String,
        /// The HTTP method, in upper or lower case.
        pub method: String,
        /// Its fields, as the vendor describes them.
        pub input: Option<RawJson>,
    }
}

/// The forms of a response, by name. Kept as they came, and parsed when one is read.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Forms(Option<RawJson>);

impl Forms {
    /// The form of this name. `None` if there is none, or it is not a form.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<Form> {
        let member = members(self.0.as_ref()).get(name)?;
        serde_json::from_str(member.get()).ok()
    }
}

impl fmt::Debug for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Forms").field(&members(self.0.as_ref()).names()).finish()
    }
}

fn members(raw: Option<&RawJson>) -> Members<'_> {
    raw.and_then(|raw| serde_json::from_str(raw.json()).ok()).unwrap_or_default()
}

/// Resources inside a response, by name. Kept as they came, and parsed when one is read.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Embedded(Option<RawJson>);

impl Embedded {
    /// The text of the resource of this name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        members(self.0.as_ref()).get(name).map(RawValue::get)
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Embedded").field(&self.0.as_ref().map(|raw| raw.json().len())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(json: &str) -> Links {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn links_are_read_as_text_object_and_list() {
        let links = links(
            r#"{"a":"/x","b":{"href":"/y","templated":true,"method":"GET","id":"7"},"c":[{"href":"/1"},{"href":"/2"}],"d":4,"f":null}"#,
        );
        assert_eq!(links.get("a"), Some(Link::new("/x")));
        let b = links.get("b").unwrap();
        assert_eq!((b.href.as_str(), b.templated, b.id.as_deref()), ("/y", true, Some("7")));
        assert_eq!(links.all("c").len(), 2);
        assert_eq!(links.get("c"), Some(Link::new("/1")));
        assert_eq!((links.get("d"), links.get("e")), (None, None));
        assert_eq!((links.has("d"), links.has("e"), links.has("f")), (true, false, false));
        assert_eq!(links.names(), ["a", "b", "c", "d", "f"]);
        assert_eq!(format!("{links:?}"), r#"Links(["a", "b", "c", "d", "f"])"#);
    }

    #[test]
    fn values_that_were_kept_as_they_came_are_equal_if_their_text_is() {
        let read = |json| serde_json::from_str::<Embedded>(json).unwrap();
        let (one, other) = (read(r#"{"runs":[1]}"#), read(r#"{"runs":[2]}"#));
        assert_eq!(one, read(r#"{"runs":[1]}"#));
        assert_ne!(one, other);
        assert_ne!(links(r#"{"a":"/x"}"#), links(r#"{"a":"/y"}"#));
        assert_eq!(format!("{one:?}"), "Embedded(Some(12))");
    }

    #[test]
    fn a_form_has_an_address_and_a_method() {
        let forms = |json| serde_json::from_str::<Forms>(json).unwrap();
        let read = forms(r#"{"cancel":{"action":"/x","method":"patch","input":{"a":1}},"b":7}"#);
        let cancel = read.get("cancel").unwrap();
        assert_eq!((cancel.action.as_str(), cancel.method.as_str()), ("/x", "patch"));
        assert_eq!(cancel.input.unwrap().json(), r#"{"a":1}"#);
        assert_eq!((read.get("b"), forms("null").get("cancel")), (None, None));
        assert_eq!(format!("{read:?}"), r#"Forms(["cancel", "b"])"#);
    }

    #[test]
    fn a_response_with_any_number_of_links_is_read() {
        let many: Vec<_> = (0..100_000).map(|number| format!(r#""{number}":"/x""#)).collect();
        let read = links(&format!(r#"{{"a":"/x",{},"a":"/y"}}"#, many.join(",")));
        assert_eq!(read.names().len(), many.len() + 1);
        assert_eq!(read.get("a"), Some(Link::new("/y")), "the last of two counts");
    }

    #[test]
    fn no_links_in_any_form_is_no_links() {
        for json in ["null", "{}", "[]", "\"x\"", "7"] {
            assert!(links(json).names().is_empty(), "{json}");
        }
    }
}
