//! Unions from the wire: an unknown variant is kept and is never an error.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::raw::{self, Members, Text};
use super::repair::{self, Mend};
use super::{RawJson, drift};

/// Deepest nesting of objects and lists in a union that is read. A union with deeper nesting becomes `Unknown`.
const DEEPEST: usize = 96;

/// Declares a public union: an object whose member `type` names the variant, next to the variant's own members.
///
/// Two other shapes are read as well, in which the variant's members are in an object of their own that is named after the
/// variant: with `type` (`{"type":"x","x":{…}}`) and without (`{"x":{…}}`). Any other shape becomes `Unknown`.
///
/// ```
/// scheduled_runs::wire::open_union! {
///     /// What starts a job.
///     Start {
///         /// A schedule.
///         Clock = "clock" {
///             /// When the job starts, as a cron expression.
///             cron_text: String,
///         },
///     }
/// }
///
/// let read = |json| serde_json::from_str::<Start>(json).unwrap();
/// let clock = read(r#"{"type":"clock","cronText":"0 4 * * *"}"#);
/// assert_eq!(clock, read(r#"{"clock":{"cronText":"0 4 * * *"}}"#));
///
/// let new = r#"{"type":"moon","phase":[1]}"#;
/// assert_eq!(serde_json::to_string(&read(new)).unwrap(), new);
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __open_union {
    (
        $(#[$meta:meta])*
        $name:ident {
            $(
                $(#[doc = $doc:expr])*
                $variant:ident = $tag:literal {
                    $(
                        $(#[doc = $field_doc:expr])*
                        $(#[serde($($attribute:tt)*)])?
                        $field:ident: $type:ty
                    ),* $(,)?
                }
            ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        ///
        /// A variant that this version does not know or cannot read is kept as `Unknown` and sent back unchanged.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[doc = $doc])*
                #[non_exhaustive]
                $variant { $( $(#[doc = $field_doc])* $field: $type, )* },
            )+
            /// Any other variant, as the vendor sent it.
            Unknown($crate::wire::RawJson),
        }

        const _: () = {
            use $crate::__private::serde::{Deserialize, Deserializer, Serialize, Serializer};

            #[derive(Deserialize)]
            #[serde(rename_all_fields = "camelCase")]
            enum Read {
                $(
                    #[serde(rename = $tag)]
                    $variant { $( $(#[serde($($attribute)*)])? $field: $type, )* },
                )+
            }

            #[derive(Serialize)]
            #[serde(tag = "type", rename_all_fields = "camelCase")]
            enum Write<'a> {
                $(
                    #[serde(rename = $tag)]
                    $variant { $( $(#[serde($($attribute)*)])? $field: &'a $type, )* },
                )+
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                    let raw = $crate::wire::RawJson::deserialize(deserializer)?;
                    Ok(match $crate::wire::open_union_read(stringify!($name), &raw) {
                        $( Some(Read::$variant { $($field),* }) => Self::$variant { $($field),* }, )+
                        None => Self::Unknown(raw),
                    })
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                    match self {
                        $( Self::$variant { $($field),* } => Write::$variant { $($field),* }.serialize(serializer), )+
                        Self::Unknown(raw) => raw.serialize(serializer),
                    }
                }
            }
        };
    };
}

pub use __open_union as open_union;

/// Reads a union in any of its three shapes as an enum that serde writes as `{"x":{…}}`.
#[must_use]
pub fn read<T: DeserializeOwned>(type_name: &'static str, raw: &RawJson) -> Option<T> {
    let Some((tag, fields)) = tag_and_fields(raw) else {
        drift::unknown_variant(type_name, "");
        return None;
    };
    if drift::is_collecting() {
        return drift::read_variant(type_name, &tag, fields.get());
    }
    let read = |fields: &str| T::deserialize(raw::named(&tag, serde_json::from_str(fields)?));
    repair::decode(fields.get(), Mend::Everything, read).ok().map(|(value, _)| value)
}

/// The name of a union's variant, and the object that holds its members.
fn tag_and_fields(RawJson(raw): &RawJson) -> Option<(Cow<'_, str>, &RawValue)> {
    // Reading a union recurses once for each level; keeping its JSON does not.
    if depth(raw.get()) > DEEPEST {
        return None;
    }
    let is_object = |member: &&RawValue| member.get().starts_with('{');
    let members: Members<'_> = serde_json::from_str(raw.get()).ok()?;
    if let Some(tag) = members.get("type") {
        let Text(tag) = serde_json::from_str(tag.get()).ok()?;
        let fields = members.get(&tag).filter(is_object).unwrap_or(raw);
        return Some((tag, fields));
    }
    // The vendor may send all other variants as `null`.
    let mut objects = members.0.into_iter().filter(|(_, member)| is_object(member));
    let (Text(tag), fields) = objects.next().filter(|_| objects.next().is_none())?;
    Some((tag, fields))
}

/// How deep the objects and lists of a valid JSON text are nested.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro declares public enums")]
mod tests {
    use super::*;
    use crate::wire::{lenient, open_union};

    open_union! {
        /// A shape.
        Shape {
            /// None.
            Nothing = "nothing" {},
            /// A circle.
            Circle = "roundThing" {
                /// Its radius.
                outer_radius: u32,
                /// Its name.
                #[serde(skip_serializing_if = "Option::is_none")]
                name: Option<String>,
            },
            /// Several.
            Group = "group" {
                /// The shapes.
                #[serde(default, deserialize_with = "lenient::exact_list")]
                shapes: Vec<Shape>,
            },
        }
    }

    fn read(json: &str) -> Shape {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn tagged_wrapped_and_bare_mean_the_same_and_tagged_is_written() {
        let circle = Shape::Circle { outer_radius: 7, name: None };
        for json in [
            r#"{"type":"roundThing","outerRadius":7}"#,
            r#"{"outerRadius":7,"new":[{}],"type":"roundThing"}"#,
            r#"{"type":"roundThing","roundThing":{"outerRadius":7}}"#,
            r#"{"roundThing":{"outerRadius":7,"name":null},"type":"roundThing"}"#,
            r#"{"roundThing":{"outerRadius":7}}"#,
            r#" { "group" : null , "roundThing" : { "outerRadius" : 7 } } "#,
        ] {
            assert_eq!(read(json), circle, "{json}");
        }
        let json = serde_json::to_string(&circle).unwrap();
        assert_eq!(json, r#"{"type":"roundThing","outerRadius":7}"#);
        for json in [
            r#"{"type":"nothing"}"#,
            r#"{"nothing":{}}"#,
            r#"{"type":"nothing","nothing":{"a":1}}"#,
        ] {
            assert_eq!(read(json), Shape::Nothing {}, "{json}");
        }
        assert_eq!(serde_json::to_string(&Shape::Nothing {}).unwrap(), r#"{"type":"nothing"}"#);
    }

    #[test]
    fn a_union_may_hold_any_number_of_others_side_by_side() {
        let shapes = vec![r#"{"type":"nothing"}"#; 10 * DEEPEST].join(",");
        let Shape::Group { shapes } = read(&format!(r#"{{"type":"group","shapes":[{shapes}]}}"#))
        else {
            panic!("a group")
        };
        assert_eq!(shapes.len(), 10 * DEEPEST);
        assert!(shapes.iter().all(|shape| *shape == Shape::Nothing {}));
    }

    #[test]
    fn unions_nest_and_a_list_that_is_missing_is_empty() {
        let json = r#"{"type":"group","shapes":[{"type":"nothing"},{"type":"group","shapes":[]},{"type":"star","big":1e400}]}"#;
        let Shape::Group { shapes } = read(json) else { panic!("a group") };
        assert!(matches!(&shapes[..], [Shape::Nothing {}, Shape::Group { .. }, Shape::Unknown(_)]));
        assert_eq!(serde_json::to_string(&read(json)).unwrap(), json);
        for json in [r#"{"type":"group"}"#, r#"{"type":"group","shapes":null}"#] {
            assert_eq!(read(json), Shape::Group { shapes: Vec::new() });
        }
    }

    #[test]
    fn what_is_unknown_is_kept_and_sent_back_unchanged() {
        for json in [
            r#"{"type":"star","z":1,"a":18446744073709551616,"m":[ 1,2 ]}"#,
            r#"{"type":"roundThing"}"#,
            r#"{"type":"roundThing","outerRadius":"wide"}"#,
            r#"{"type":7}"#,
            r#"{"a":{},"b":{}}"#,
            "{}",
            "[]",
            "\"nothing\"",
            "null",
        ] {
            let shape = read(json);
            assert!(matches!(&shape, Shape::Unknown(raw) if raw.json() == json), "{json}");
            assert_eq!(serde_json::to_string(&[&shape]).unwrap(), format!("[{json}]"));
        }
        assert_eq!(RawJson::parse("{").unwrap_err().kind(), crate::ErrorKind::Config);
        assert_eq!(format!("{:?}", RawJson::parse("[1]").unwrap()), "[1]");
    }

    #[test]
    fn a_union_is_read_from_a_value_too() {
        let value = serde_json::json!({"type": "group", "shapes": [{"type": "nothing"}]});
        let shape: Shape = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(shape, Shape::Group { shapes: vec![Shape::Nothing {}] });
        assert_eq!(serde_json::to_value(&shape).unwrap(), value);
    }

    #[test]
    fn depth_is_read_to_a_bound_and_kept_beyond_it() {
        let nested = |levels: usize| {
            let open = r#"{"type":"group","shapes":["#.repeat(levels);
            format!("{open}{}", "]}".repeat(levels))
        };
        let mut shape = read(&nested(DEEPEST / 2));
        for _ in 0..DEEPEST / 2 {
            let Shape::Group { mut shapes } = shape else { panic!("read to its end") };
            shape = shapes.pop().unwrap_or(Shape::Nothing {});
        }
        let deep = nested(200_000);
        assert!(matches!(read(&deep), Shape::Unknown(raw) if raw.json() == deep));
        // Brackets inside strings do not count.
        let text =
            format!(r#"{{"type":"roundThing","outerRadius":7,"name":"\"{}"}}"#, "[".repeat(500));
        assert!(matches!(read(&text), Shape::Circle { .. }));
    }
}
