//! JSON Patch as vendors accept it: the operations of RFC 6902, two more, and three envelopes.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// One operation of a patch.
///
/// ```
/// use scheduled_runs::wire::patch::{Operation, Patch};
///
/// let json = |patch| serde_json::to_string(&patch).unwrap();
/// assert_eq!(json(Patch::Bare(Operation::Cancel)), r#"{"op":"cancel"}"#);
/// assert_eq!(
///     json(Patch::Body(vec![Operation::replace("/state", "disable")])),
///     r#"{"body":[{"op":"replace","path":"/state","value":"disable"}]}"#,
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operation {
    /// Adds a value.
    Add {
        /// Where, as a JSON Pointer (RFC 6901).
        path: String,
        /// The value.
        value: Value,
    },
    /// Removes a value.
    Remove {
        /// Where, as a JSON Pointer.
        path: String,
    },
    /// Replaces a value.
    Replace {
        /// Where, as a JSON Pointer.
        path: String,
        /// The new value.
        value: Value,
    },
    /// Moves a value.
    Move {
        /// From where, as a JSON Pointer.
        from: String,
        /// To where, as a JSON Pointer.
        path: String,
    },
    /// Copies a value.
    Copy {
        /// From where, as a JSON Pointer.
        from: String,
        /// To where, as a JSON Pointer.
        path: String,
    },
    /// Fails the patch unless the value is this one.
    Test {
        /// Where, as a JSON Pointer.
        path: String,
        /// The expected value.
        value: Value,
    },
    /// Cancels what is running. Not in RFC 6902; vendors use it without a path.
    Cancel,
    /// Hides a resource without deleting it. Not in RFC 6902; vendors use it without a path.
    SoftDelete,
}

impl Operation {
    /// Replaces the value at `path`, a JSON Pointer.
    #[must_use]
    pub fn replace(path: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Replace { path: path.into(), value: value.into() }
    }
}

/// A patch in the envelope that an endpoint accepts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Patch {
    /// One operation without an envelope: `{"op":…}`.
    Bare(Operation),
    /// A list in an object: `{"body":[{"op":…}]}`.
    Body(Vec<Operation>),
    /// A list, as in RFC 6902: `[{"op":…}]`.
    Array(Vec<Operation>),
}

impl Serialize for Patch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            body: &'a [Operation],
        }
        match self {
            Self::Bare(operation) => operation.serialize(serializer),
            Self::Body(operations) => Body { body: operations }.serialize(serializer),
            Self::Array(operations) => operations.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_serialized_as_in_the_rfc() {
        let (from, path) = (|| "/a".to_owned(), || "/b".to_owned());
        let all = Patch::Array(vec![
            Operation::Add { path: path(), value: 1.into() },
            Operation::Remove { path: path() },
            Operation::replace("/b", "x"),
            Operation::Move { from: from(), path: path() },
            Operation::Copy { from: from(), path: path() },
            Operation::Test { path: path(), value: Value::Null },
            Operation::SoftDelete,
        ]);
        assert_eq!(
            serde_json::to_string(&all).unwrap(),
            concat!(
                r#"[{"op":"add","path":"/b","value":1},{"op":"remove","path":"/b"},"#,
                r#"{"op":"replace","path":"/b","value":"x"},{"op":"move","from":"/a","path":"/b"},"#,
                r#"{"op":"copy","from":"/a","path":"/b"},{"op":"test","path":"/b","value":null},{"op":"soft_delete"}]"#
            )
        );
    }
}
