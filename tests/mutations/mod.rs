//! An answer, changed in one place at a time: what becomes of it when the vendor changes its mind.

use serde_json::{Map, Value, json};

/// What was done to one member.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Removed,
    Null,
    /// A text nobody heard of, in place of a text: a new value of an enum, a new variant of a union.
    NewText,
    /// A member beside it that nobody knows.
    Sibling,
}

/// An answer with one change.
#[derive(Debug)]
pub(crate) struct Mutation {
    /// Where, as a JSON Pointer.
    pub(crate) at: String,
    /// The member's name.
    pub(crate) name: String,
    pub(crate) change: Change,
    pub(crate) body: String,
}

/// All changes of every member of every object.
pub(crate) fn of(answer: &str) -> Vec<Mutation> {
    let whole: Value = serde_json::from_str(answer).unwrap();
    let mut paths = Vec::new();
    members(&whole, &mut String::new(), &mut paths);
    assert!(paths.len() > 10, "an answer with hardly a member shows nothing");
    let mut mutations = Vec::new();
    for at in paths {
        let (parent, name) = at.rsplit_once('/').unwrap();
        let mut changed = |change, act: &dyn Fn(&mut Map<String, Value>)| {
            let mut body = whole.clone();
            act(body.pointer_mut(parent).unwrap().as_object_mut().unwrap());
            let (at, name, body) = (at.clone(), name.to_owned(), body.to_string());
            mutations.push(Mutation { at, name, change, body });
        };
        changed(Change::Removed, &|object| drop(object.remove(name)));
        changed(Change::Null, &|object| drop(object.insert(name.to_owned(), Value::Null)));
        changed(Change::Sibling, &|object| {
            drop(object.insert("lunarPhase".into(), json!({"a": [1, null]})));
        });
        if whole.pointer(&at).unwrap().is_string() {
            changed(Change::NewText, &|object| {
                drop(object.insert(name.to_owned(), "Unheard Of".into()));
            });
        }
    }
    mutations
}

fn members(value: &Value, at: &mut String, paths: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => return,
    };
    for (name, child) in children {
        let length = at.len();
        at.push('/');
        at.push_str(&name);
        if value.is_object() {
            paths.push(at.clone());
        }
        members(child, at, paths);
        at.truncate(length);
    }
}
