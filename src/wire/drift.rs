//! Noticing what a vendor sends and this crate has no name for.

use std::any::type_name;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Deserializer;

use super::place::{Path, Step};

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
    /// The unknown value of an enum, or name of a union's variant; `None` for an unknown member.
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

/// Called for each drift.
pub(crate) type Told = dyn Fn(&Drift) + Send + Sync;

/// Tells each drift once. A client's requests carry it to where their answers are decoded.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Inner>);

struct Inner {
    told: Box<Told>,
    /// Ends of places that are known and read by nobody.
    unread: &'static [&'static str],
    known: Mutex<HashSet<(&'static str, Key)>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// What makes a drift of one operation the same as another: a place, and the value if it is one.
type Key = (Box<str>, Option<Box<str>>);

/// A server that makes up names shall not fill the memory.
const MOST_TOLD: usize = 1000;

/// Nor take the time: an answer is read once more for each place that must be looked for.
const MOST_LOOKED_FOR: usize = 32;

impl Watch {
    pub(crate) fn new(told: Box<Told>, unread: &'static [&'static str]) -> Self {
        Self(Arc::new(Inner { told, unread, known: Mutex::default() }))
    }

    /// Reads an answer that decodes once more, and tells what in it has no name. What panics here, in a function of the
    /// caller's, is no reason to lose the answer.
    #[cold]
    pub(crate) fn look<T: DeserializeOwned>(&self, operation: &'static str, text: &str) {
        if self.known(|known| known.len()) >= MOST_TOLD {
            return;
        }
        drop(catch_unwind(AssertUnwindSafe(|| {
            let is_known =
                |key: &Key| self.known(|known| known.contains(&(operation, key.clone())));
            for news in news::<T>(text, 0, &is_known).1 {
                self.tell(operation, news);
            }
        })));
        READING.set(Reading::Kept);
    }

    fn tell(&self, operation: &'static str, news: News) {
        let News { key, place, value } = news;
        let whole = format!("{operation}{}", place.pattern);
        if value.is_none() && self.0.unread.iter().any(|end| ends_like(&whole, end)) {
            return;
        }
        let new = self.known(|known| {
            known.len() < MOST_TOLD && known.insert((operation, (key, value.clone())))
        });
        if new {
            (self.0.told)(&Drift { operation, pointer: place.pointer.into(), value });
        }
    }

    fn known<T>(&self, look: impl FnOnce(&mut HashSet<(&'static str, Key)>) -> T) -> T {
        look(&mut self.0.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Something without a name, somewhere in a text.
pub(super) struct News {
    key: Box<str>,
    place: Place,
    value: Option<Box<str>>,
}

/// Reads a text, and what in it has no name. Places of what is known need not be looked for. Places are told from the `root`
/// on: the outermost names are left out.
fn news<T: DeserializeOwned>(
    text: &str,
    root: usize,
    is_known: &dyn Fn(&Key) -> bool,
) -> (Option<T>, Vec<News>) {
    let mut members = BTreeMap::new();
    let mut ignored = |path: serde_ignored::Path<'_>| {
        if members.len() < MOST_TOLD {
            let Place { pointer, pattern } = Place::of(&path);
            members.entry(pattern).or_insert(pointer);
        }
    };
    // One type for all readers: without `dyn` each level of a type would be compiled for each caller.
    let ignored: &mut dyn FnMut(serde_ignored::Path<'_>) = &mut ignored;
    let (read, noted) = Reading::with(Reading::Noting(Noted::default()), || {
        serde_ignored::deserialize::<_, _, T>(&mut Deserializer::from_str(text), ignored).ok()
    });
    let members = members.into_iter().map(|(pattern, pointer)| {
        let key = pattern.as_str().into();
        News { key, place: Place { pointer, pattern }, value: None }
    });
    let mut news: Vec<_> = members.collect();
    let Reading::Noting(noted) = noted else { return (read, news) };
    let mut looks = 0;
    let mut place = |reading| {
        looks += 1;
        let path = || {
            let error = serde_json::from_str::<T>(text).err()?;
            Some(Place::of_value(&Path::of(text, &error), root))
        };
        (looks <= MOST_LOOKED_FOR).then(|| Reading::with(reading, path).0.unwrap_or_default())
    };
    for value in &noted.values {
        let key = (Box::default(), Some(value.clone()));
        if is_known(&key) {
            continue;
        }
        let others = noted.values.iter().filter(|other| *other != value).cloned().collect();
        if let Some(place) = place(Reading::AllBut(others)) {
            news.push(News { key: key.0, place, value: key.1 });
        }
    }
    for (index, inside) in noted.inside {
        let key = (inside.key, inside.value);
        if is_known(&key) {
            continue;
        }
        if let Some(union) = place(Reading::Until(index)) {
            let place = union.then(&inside.place);
            news.push(News { key: key.0, place, value: key.1 });
        }
    }
    (read, news)
}

/// A JSON Pointer, and the same with `*` for indices and for names that no API would have: they are keys.
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

    fn of_value(path: &Path, root: usize) -> Self {
        path.steps().skip(root).fold(Self::default(), |place, step| match step {
            Step::Index(index) => place.index(*index),
            Step::Member(name) => place.member(name),
        })
    }

    fn index(self, index: usize) -> Self {
        Self { pointer: format!("{}/{index}", self.pointer), pattern: self.pattern + "/*" }
    }

    fn member(self, name: &str) -> Self {
        // Resource ids have dots.
        let pattern = if name.contains('.') { "*" } else { name };
        let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
        Self {
            pointer: format!("{}/{}", self.pointer, escaped(name)),
            pattern: format!("{}/{}", self.pattern, escaped(pattern)),
        }
    }

    fn then(mut self, inner: &Self) -> Self {
        self.pointer.push_str(&inner.pointer);
        self.pattern.push_str(&inner.pattern);
        self
    }
}

/// Whether the last names are these; `*` stands for any.
fn ends_like(place: &str, end: &str) -> bool {
    let mut names = place.rsplit('/');
    let mut wanted = end.trim_start_matches('/').rsplit('/');
    wanted.all(|wanted| names.next().is_some_and(|name| wanted == "*" || wanted == name))
}

/// What becomes of unknown values and of unions while an answer is read on this thread.
#[derive(Default)]
enum Reading {
    /// They are kept, as always.
    #[default]
    Kept,
    /// They are kept, and what is unknown is listed here.
    Noting(Noted),
    /// All unknown values but these are errors, which tell their place.
    AllBut(Vec<Box<str>>),
    /// The union after so many others is an error, which tells its place.
    Until(usize),
}

#[derive(Default)]
struct Noted {
    values: Vec<Box<str>>,
    /// What is inside of unions, with the number of unions before. Of each type once: places are looked for.
    inside: Vec<(usize, News)>,
    unions: usize,
}

thread_local! {
    static READING: RefCell<Reading> = const { RefCell::new(Reading::Kept) };
}

impl Reading {
    /// Does something while what is unknown is treated like this. What it is afterwards.
    fn with<T>(reading: Self, read: impl FnOnce() -> T) -> (T, Self) {
        let before = READING.replace(reading);
        let read = read();
        (read, READING.replace(before))
    }
}

/// Called by an enum for a value that it has no name for. True if it is to be an error.
#[cold]
pub(super) fn refuses(value: &str) -> bool {
    READING.with_borrow_mut(|reading| match reading {
        Reading::Kept | Reading::Until(_) => false,
        Reading::Noting(noted) => {
            let is_new = !noted.values.iter().any(|known| **known == *value);
            if is_new && noted.values.len() < MOST_LOOKED_FOR {
                noted.values.push(value.into());
            }
            false
        }
        Reading::AllBut(kept) => !kept.iter().any(|known| **known == *value),
    })
}

/// Called by a union before it is read: whether it is the one whose place is wanted, so that it is to be an error.
pub(super) fn asks_for_this_union() -> bool {
    READING.with_borrow(|reading| matches!(reading, Reading::Until(0)))
}

/// Called by a union to read its variant, which it keeps as text: what is unknown in it has its place in that text.
pub(super) fn union<T>(
    read: impl FnOnce() -> Option<T>,
    look: impl FnOnce() -> (Option<T>, Vec<News>),
) -> Option<T> {
    let (read, reading) = match READING.take() {
        Reading::Kept => (read(), Reading::Kept),
        Reading::AllBut(values) => (read(), Reading::AllBut(values)),
        Reading::Until(others) => (read(), Reading::Until(others.saturating_sub(1))),
        Reading::Noting(mut noted) => {
            let (read, news) = look();
            for mut news in news {
                news.key = format!("{}{}", type_name::<T>(), news.place.pattern).into();
                let same = |(_, old): &(_, News)| old.key == news.key && old.value == news.value;
                if noted.inside.len() < MOST_LOOKED_FOR && !noted.inside.iter().any(same) {
                    noted.inside.push((noted.unions, news));
                }
            }
            noted.unions += 1;
            (read, Reading::Noting(noted))
        }
    };
    READING.set(reading);
    read
}

/// Reads the variant of a union, `{tag: fields}`, and what in it has no name.
#[cold]
pub(super) fn variant<T: DeserializeOwned>(
    tag: &str,
    fields: &str,
    wrapped: bool,
) -> (Option<T>, Vec<News>) {
    let text = format!("{{{}:{fields}}}", serde_json::Value::from(tag));
    let (read, mut news) = news::<T>(&text, 1, &|_| false);
    if read.is_none() {
        let place = if wrapped { Place::default() } else { Place::default().member("type") };
        return (None, vec![News { key: Box::default(), place, value: Some(tag.into()) }]);
    }
    // The reader's places begin in the variant.
    if wrapped {
        for news in &mut news {
            news.place = Place::default().member(tag).then(&news.place);
        }
    } else {
        news.retain(|news| news.place.pointer != "/type" || news.value.is_some());
    }
    (read, news)
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
                /// How it stands.
                state: Option<State>,
                /// What came of its parts.
                #[serde(default, deserialize_with = "lenient::list")]
                parts: Vec<Outcome>,
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

    fn watch(told: impl Fn(&Drift) + Send + Sync + 'static) -> Watch {
        Watch::new(Box::new(told), &["/documented", "/runs/*/unread"])
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
        let watch = watch(move |drift| heard.lock().unwrap().push(drift.clone()));
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
    fn what_is_new_inside_of_unions_is_told_in_each_of_their_shapes() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let watch = watch(move |drift| heard.lock().unwrap().push(drift.clone()));
        let made = |more: &serde_json::Value| {
            let mut made = json!({ "type": "made", "id": "1" });
            made.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            made
        };
        let within = |outcome: serde_json::Value| json!({ "runs": [{}, { "outcome": made(&json!({})) }, { "outcome": outcome }] });
        let at = "/runs/2/outcome";
        for (outcome, expected) in [
            (made(&json!({})), None),
            (made(&json!({ "colour": 1 })), Some(format!("the member {at}/colour"))),
            (made(&json!({ "state": "LATE" })), Some(format!("the value \"LATE\" at {at}/state"))),
            (
                json!({ "type": "made", "made": { "id": "1", "size": 1 } }),
                Some(format!("the member {at}/made/size")),
            ),
            (
                json!({ "made": { "id": "1", "state": "SOON" } }),
                Some(format!("the value \"SOON\" at {at}/made/state")),
            ),
            (
                json!({ "type": "moved", "to": 1 }),
                Some(format!("the value \"moved\" at {at}/type")),
            ),
            (json!({ "lost": { "at": 1 } }), Some(format!("the value \"lost\" at {at}"))),
            (
                made(&json!({ "parts": [made(&json!({})), made(&json!({ "depth": 1 }))] })),
                Some(format!("the member {at}/parts/1/depth")),
            ),
            (
                made(&json!({ "parts": [{ "type": "sunk" }] })),
                Some(format!("the value \"sunk\" at {at}/parts/0/type")),
            ),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|what| format!("test: {what} is not known")).collect();
            let answer = within(outcome);
            assert_eq!(drifts(&watch, &told, &answer), expected, "{answer}");
            assert_eq!(drifts(&watch, &told, &answer), [""; 0], "told once: {answer}");
        }
    }

    #[test]
    fn what_is_documented_and_read_by_nobody_is_not_told() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let watch = watch(move |drift| heard.lock().unwrap().push(drift.clone()));
        let answer = json!({ "documented": 1, "unread": 1, "runs": [{ "unread": 1 }] });
        let expected = ["test: the member /unread is not known"];
        assert_eq!(drifts(&watch, &told, &answer), expected);
        assert!(ends_like("acme.info.get/a", "acme.info.get/*"));
        assert!(!ends_like("acme.info.get/a/b", "acme.info.get/*"));
        assert!(!ends_like("acme.info.get", "/acme.info.get/*"));
    }

    #[test]
    fn keys_of_a_map_are_not_places_of_their_own() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let watch = watch(move |drift| heard.lock().unwrap().push(drift.to_string()));
        let text = r#"{"ri.a.1":{"new":1},"ri.a.2":{"new":1}}"#;
        watch.look::<BTreeMap<String, Run>>("test", text);
        assert_eq!(*told.lock().unwrap(), ["test: the member /ri.a.1/new is not known"]);
    }

    #[test]
    fn a_function_that_panics_loses_no_answer_and_is_called_for_the_next_news() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let watch = watch(move |drift| {
            heard.lock().unwrap().push(drift.pointer.to_string());
            assert!(*drift.pointer != *"/first", "a test of panics");
        });
        watch.look::<List>("test", r#"{"first":1,"runs":[{"state":"LATE"}]}"#);
        watch.look::<List>("test", r#"{"second":1}"#);
        assert_eq!(*told.lock().unwrap(), ["/first", "/second"]);
        let state: State = serde_json::from_str("\"PAUSED\"").unwrap();
        assert_eq!(state.as_str(), "PAUSED");
    }

    #[test]
    fn an_answer_full_of_new_values_is_not_read_again_for_each() {
        let told = Arc::new(Mutex::new(0));
        let heard = Arc::clone(&told);
        let watch = watch(move |_| *heard.lock().unwrap() += 1);
        let runs = (0..20_000).map(|number| {
            let outcome = json!({ "type": format!("o{number}"), (format!("m{number}")): 1 });
            json!({ "state": format!("S{number}"), "outcome": outcome, (format!("m{number}")): 1 })
        });
        let answer = json!({ "runs": runs.collect::<Vec<_>>() }).to_string();
        watch.look::<List>("test", &answer);
        assert_eq!(*told.lock().unwrap(), MOST_TOLD);
    }

    #[test]
    fn what_is_told_is_bounded_and_reading_goes_on_as_before() {
        let told = Arc::new(Mutex::new(0));
        let heard = Arc::clone(&told);
        let watch = watch(move |_| *heard.lock().unwrap() += 1);
        for number in 0..MOST_TOLD + 500 {
            watch.look::<List>("test", &json!({ (format!("m{number}")): 1 }).to_string());
        }
        assert_eq!(*told.lock().unwrap(), MOST_TOLD);
        let state: State = serde_json::from_str("\"PAUSED\"").unwrap();
        assert_eq!(state.as_str(), "PAUSED");
    }
}
