//! Noticing what a vendor sends and this crate has no name for.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Deserializer;

/// A member or a value of an answer that this version of the crate has no name for: the vendor's API has moved on.
///
/// Told to [`ClientBuilder::on_drift`](crate::ClientBuilder::on_drift). It never holds the value of a member that is not
/// an enum: that may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// The operation whose answer it was.
    pub operation: &'static str,
    /// Where it stands, as a JSON Pointer (RFC 6901), for example `/runs/3/priority`.
    pub pointer: Box<str>,
    /// The unknown value of an enum; `None` for an unknown member.
    pub value: Option<Box<str>>,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, pointer, value } = self;
        match value {
            Some(value) => write!(f, "{operation}: the value {value:?} at {pointer} is not known"),
            None => write!(f, "{operation}: the member {pointer} is not known"),
        }
    }
}

/// Tells each drift once. A client's requests carry it to where their answers are decoded.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Inner>);

struct Inner {
    told: Box<dyn Fn(&Drift) + Send + Sync>,
    /// What was told, with `*` for the indices of lists.
    known: Mutex<HashSet<Told>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// Operation, place, and the value if it is one.
type Told = (&'static str, Box<str>, Option<Box<str>>);

/// A server that makes up names shall not fill the memory.
const MOST_TOLD: usize = 1000;

impl Watch {
    pub(crate) fn new(told: impl Fn(&Drift) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { told: Box::new(told), known: Mutex::default() }))
    }

    /// Reads an answer that decodes once more, and tells what in it has no name.
    #[cold]
    pub(crate) fn look<T: DeserializeOwned>(&self, operation: &'static str, text: &str) {
        let mut members = Vec::new();
        let mut ignored = |path: serde_ignored::Path<'_>| members.push(Place::of(&path));
        let ignored: &mut dyn FnMut(serde_ignored::Path<'_>) = &mut ignored;
        let values = Values::with(Values::Noted(Vec::new()), || {
            // It was decoded before: it is the places that matter, not the outcome.
            drop(serde_ignored::deserialize::<_, _, T>(&mut Deserializer::from_str(text), ignored));
        });
        for place in members {
            self.tell(operation, place, None);
        }
        let Values::Noted(values) = values else { return };
        for value in &values {
            if self.is_known(operation, value) {
                continue;
            }
            let others = values.iter().filter(|other| *other != value).cloned().collect();
            let mut path = None;
            Values::with(Values::AllBut(others), || {
                let mut reader = Deserializer::from_str(text);
                let read = serde_path_to_error::deserialize::<_, T>(&mut reader);
                path = read.err().map(|error| Place::of_value(error.path()));
            });
            self.tell(operation, path.unwrap_or_default(), Some(value.clone()));
        }
    }

    fn is_known(&self, operation: &'static str, value: &str) -> bool {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|(of, _, told)| *of == operation && told.as_deref() == Some(value))
    }

    fn tell(&self, operation: &'static str, place: Place, value: Option<Box<str>>) {
        let new = {
            let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.len() < MOST_TOLD
                && known.insert((operation, place.pattern.into(), value.clone()))
        };
        if new {
            (self.0.told)(&Drift { operation, pointer: place.pointer.into(), value });
        }
    }
}

/// A JSON Pointer, and the same with `*` for indices.
#[derive(Default)]
struct Place {
    pointer: String,
    pattern: String,
}

impl Place {
    fn of(path: &serde_ignored::Path<'_>) -> Self {
        use serde_ignored::Path;

        match path {
            Path::Root => Self::default(),
            Path::Seq { parent, index } => Self::of(parent).index(*index),
            Path::Map { parent, key } => Self::of(parent).member(key),
            Path::Some { parent }
            | Path::NewtypeStruct { parent }
            | Path::NewtypeVariant { parent } => Self::of(parent),
        }
    }

    fn of_value(path: &serde_path_to_error::Path) -> Self {
        use serde_path_to_error::Segment;

        path.iter().fold(Self::default(), |place, segment| match segment {
            Segment::Seq { index } => place.index(*index),
            Segment::Map { key } => place.member(key),
            Segment::Enum { .. } | Segment::Unknown => place,
        })
    }

    fn index(self, index: usize) -> Self {
        Self { pointer: format!("{}/{index}", self.pointer), pattern: self.pattern + "/*" }
    }

    fn member(self, name: &str) -> Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        Self {
            pointer: format!("{}/{name}", self.pointer),
            pattern: format!("{}/{name}", self.pattern),
        }
    }
}

/// What becomes of the unknown values that enums meet while an answer is read on this thread.
enum Values {
    /// They are kept, as always.
    Kept,
    /// They are kept, and listed here.
    Noted(Vec<Box<str>>),
    /// All but these are errors, which tell their place.
    AllBut(Vec<Box<str>>),
}

thread_local! {
    static VALUES: RefCell<Values> = const { RefCell::new(Values::Kept) };
}

impl Values {
    /// Does something while unknown values are treated like this. What they are afterwards.
    fn with(values: Self, read: impl FnOnce()) -> Self {
        VALUES.replace(values);
        read();
        VALUES.replace(Self::Kept)
    }
}

/// Called by an enum for a value that it has no name for. True if it is to be an error.
#[cold]
pub(super) fn refuses(value: &str) -> bool {
    VALUES.with_borrow_mut(|values| match values {
        Values::Kept => false,
        Values::Noted(noted) => {
            if !noted.iter().any(|known| **known == *value) {
                noted.push(value.into());
            }
            false
        }
        Values::AllBut(kept) => !kept.iter().any(|known| **known == *value),
    })
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro declares public enums")]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::wire::{lenient, open_enum, open_union};

    open_enum! {
        /// A state.
        State {
            /// It is over.
            Done = "DONE",
        }
    }

    open_union! {
        /// What came of it.
        Outcome {
            /// Something.
            Made = "made" {
                /// Its id.
                id: Box<str>,
            },
        }
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only what it ignores matters")]
    struct List {
        #[serde(default, deserialize_with = "lenient::list")]
        runs: Vec<Run>,
        other: Option<State>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only what it ignores matters")]
    struct Run {
        state: Option<State>,
        outcome: Option<Outcome>,
        raw: Option<Box<serde_json::value::RawValue>>,
    }

    fn drifts(watch: &Watch, told: &Mutex<Vec<Drift>>, answer: &serde_json::Value) -> Vec<String> {
        let text = answer.to_string();
        assert!(serde_json::from_str::<List>(&text).is_ok());
        watch.look::<List>("test", &text);
        told.lock().unwrap().drain(..).map(|drift| drift.to_string()).collect()
    }

    #[test]
    fn unknown_members_and_values_are_told_once_with_their_place_and_no_members_value() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let watch = Watch::new(move |drift| heard.lock().unwrap().push(drift.clone()));
        let run = json!({
            "state": "PAUSED",
            "outcome": { "type": "made", "id": "1" },
            "raw": { "anything": 1 },
            "a/b": "canary",
        });
        let answer =
            json!({ "runs": [{ "state": "done" }, run, run], "other": "LATE", "more": {} });
        let mut found = drifts(&watch, &told, &answer);
        found.sort();
        assert_eq!(
            found,
            [
                "test: the member /more is not known",
                "test: the member /runs/1/a~1b is not known",
                "test: the value \"LATE\" at /other is not known",
                "test: the value \"PAUSED\" at /runs/1/state is not known",
            ]
        );
        assert_eq!(drifts(&watch, &told, &answer), [""; 0], "each is told once");
        let later = json!({ "runs": [run], "other": "SOON" });
        assert_eq!(
            drifts(&watch, &told, &later),
            ["test: the value \"SOON\" at /other is not known"]
        );
    }

    #[test]
    fn what_is_told_is_bounded_and_reading_goes_on_as_before() {
        let told = Arc::new(Mutex::new(0));
        let heard = Arc::clone(&told);
        let watch = Watch::new(move |_| *heard.lock().unwrap() += 1);
        for number in 0..MOST_TOLD + 500 {
            watch.look::<List>("test", &json!({ (format!("m{number}")): 1 }).to_string());
        }
        assert_eq!(*told.lock().unwrap(), MOST_TOLD);
        let state: State = serde_json::from_str("\"PAUSED\"").unwrap();
        assert_eq!(state.as_str(), "PAUSED");
    }
}
