//! JSON that is kept as it came.

use std::borrow::Cow;
use std::collections::HashSet;
use std::{fmt, iter};

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// JSON that is kept as it came, and sent back unchanged: what has no fixed shape, or none that this version of the crate
/// has a name for. Equal if the texts are. It is serialised unchanged by `serde_json` only, and so is all that contains it.
#[derive(Clone)]
pub struct RawJson(pub(super) Box<RawValue>);

impl RawJson {
    /// Keeps a JSON text.
    pub(crate) fn of(json: String) -> serde_json::Result<Self> {
        RawValue::from_string(json).map(Self)
    }

    /// The JSON text.
    #[must_use]
    pub fn json(&self) -> &str {
        self.0.get()
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json())
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl Eq for RawJson {}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::deserialize(deserializer).map(Self)
    }
}

/// A string, borrowed unless it has escapes. (Serde never borrows for a plain `Cow`.)
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// The members of an object, as raw JSON. A name may be there several times: a server may send any number of members, so that no
/// member is compared with all others while they are read.
#[derive(Default)]
pub(super) struct Members<'a>(pub(super) Vec<(Text<'a>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The member of this name. Of several, the last one counts.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rfind(|(known, _)| known.0 == name).map(|(_, member)| *member)
    }

    pub(super) fn names(self) -> Vec<String> {
        let mut known = HashSet::new();
        let names = self.0.into_iter().map(|(name, _)| name.0.into_owned());
        names.filter(|name| known.insert(name.clone())).collect()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<Text<'de>, &RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The object `{"x":{…}}`, from a name and the JSON of its member.
pub(super) fn named<'de>(
    name: &'de str,
    member: &'de RawValue,
) -> impl Deserializer<'de, Error = serde_json::Error> {
    MapAccessDeserializer::new(MapDeserializer::new(iter::once((name, member))))
}
