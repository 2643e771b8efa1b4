//! Links in answers, as HAL and its cousins write them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use url::Url;

use crate::client::link_target;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::RawJson;

/// Where something else is. Follow it with [`Client::follow`](crate::Client::follow).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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

    /// The absolute URL, if it stays with the vendor that `base` belongs to.
    ///
    /// # Errors
    /// [`ErrorKind::CrossOrigin`] if it leads elsewhere, [`ErrorKind::Unsupported`] if it is a template.
    pub fn resolve(&self, base: &Url) -> Result<Url> {
        if self.templated {
            let message = "the link is a template; send the request it stands for instead";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        link_target(base, &self.href)
    }
}

/// The links of an answer, by name. Kept as they came and parsed when one is asked for.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Links(Option<RawJson>);

impl Links {
    /// The link of this name; of several the first. `None` if there is none, or it is not a link.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Link> {
        self.all(name).into_iter().next()
    }

    /// All links of this name.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<Link> {
        let Some(member) = self.members().remove(name) else { return Vec::new() };
        let one = || serde_json::from_str(member.get()).map(|link| vec![link]);
        serde_json::from_str(member.get()).or_else(|_| one()).unwrap_or_default()
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.members().into_keys().collect()
    }

    fn members(&self) -> BTreeMap<String, &RawValue> {
        self.0.as_ref().and_then(|raw| serde_json::from_str(raw.json()).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Links").field(&self.names()).finish()
    }
}

/// Resources inside an answer, by name. Kept as they came and parsed when one is asked for.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Embedded(Option<RawJson>);

impl Embedded {
    /// The resource of this name.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if it is there and is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let members: BTreeMap<String, &RawValue> = self
            .0
            .as_ref()
            .and_then(|raw| serde_json::from_str(raw.json()).ok())
            .unwrap_or_default();
        let member = members.get(name).map(|member| serde_json::from_str(member.get())).transpose();
        member.map_err(|_| {
            Error::new(ErrorKind::Decode, "an embedded resource does not have the documented shape")
        })
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
            r#"{"a":"/x","b":{"href":"/y","templated":true,"method":"GET","id":"7"},"c":[{"href":"/1"},{"href":"/2"}],"d":4}"#,
        );
        assert_eq!(links.get("a"), Some(Link::new("/x")));
        let b = links.get("b").unwrap();
        assert_eq!((b.href.as_str(), b.templated, b.id.as_deref()), ("/y", true, Some("7")));
        assert_eq!(links.all("c").len(), 2);
        assert_eq!(links.get("c"), Some(Link::new("/1")));
        assert_eq!((links.get("d"), links.get("e")), (None, None));
        assert_eq!(links.names(), ["a", "b", "c", "d"]);
    }

    #[test]
    fn no_links_in_any_form_is_no_links() {
        for json in ["null", "{}", "[]", "\"x\"", "7"] {
            assert!(links(json).names().is_empty(), "{json}");
        }
    }

    #[test]
    fn a_template_and_a_foreign_link_are_refused() {
        let base = Url::parse("https://api.example.com/api").unwrap();
        let templated = links(r#"{"a":{"href":"/x{?page}","templated":true}}"#).get("a").unwrap();
        assert_eq!(templated.resolve(&base).unwrap_err().kind(), ErrorKind::Unsupported);
        let foreign = Link::new("//evil.example/x");
        assert_eq!(foreign.resolve(&base).unwrap_err().kind(), ErrorKind::CrossOrigin);
        assert_eq!(Link::new("/y").resolve(&base).unwrap().as_str(), "https://api.example.com/y");
    }

    #[test]
    fn embedded_resources_are_read_on_demand() {
        let embedded: Embedded = serde_json::from_str(r#"{"runs":[1,2],"x":"y"}"#).unwrap();
        assert_eq!(embedded.get::<Vec<u8>>("runs").unwrap(), Some(vec![1, 2]));
        assert_eq!(embedded.get::<u8>("none").unwrap(), None);
        assert_eq!(embedded.get::<u8>("x").unwrap_err().kind(), ErrorKind::Decode);
    }
}
