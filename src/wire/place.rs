//! Finds the path to the value at which decoding a JSON text failed.

use std::fmt;
use std::ops::Range;

use serde_json::value::RawValue;

use super::raw::Members;

/// The path to a value, from the root inwards. Steps beyond [`DEEPEST`](Path::DEEPEST) are left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Index(usize),
    Member(String),
}

/// An object or a list that is open at the current position.
enum Level {
    List(usize),
    /// With the name of the current member; `None` until its name has been read.
    Object(Option<Range<usize>>),
}

impl Path {
    /// The recursion limit of the parser.
    const DEEPEST: usize = 128;

    /// The path to the value at which the parser stopped with this error.
    pub(crate) fn of(text: &str, error: &serde_json::Error) -> Self {
        // The parser counts lines from 1, and columns in bytes.
        let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let end = lines.map(str::len).sum::<usize>().saturating_add(error.column());
        Self::at(text, end.min(text.len()))
    }

    fn at(text: &str, end: usize) -> Self {
        let bytes = text.as_bytes().get(..end).unwrap_or_default();
        let (mut levels, mut deeper, mut at) = (Vec::new(), 0_usize, 0);
        while let Some(byte) = bytes.get(at) {
            let begin = at;
            at += 1;
            match byte {
                b'"' => {
                    at = end_of_text(bytes, at);
                    if let (Some(Level::Object(name @ None)), 0) = (levels.last_mut(), deeper) {
                        *name = Some(begin..at);
                    }
                }
                b'{' | b'[' if levels.len() == Self::DEEPEST => deeper += 1,
                b'{' => levels.push(Level::Object(None)),
                b'[' => levels.push(Level::List(0)),
                b'}' | b']' if deeper > 0 => deeper -= 1,
                b'}' | b']' => drop(levels.pop()),
                b',' if deeper == 0 => match levels.last_mut() {
                    Some(Level::List(index)) => *index += 1,
                    Some(Level::Object(name)) => *name = None,
                    None => {}
                },
                _ => {}
            }
        }
        let steps = levels.into_iter().filter_map(|level| match level {
            Level::List(index) => Some(Step::Index(index)),
            Level::Object(name) => serde_json::from_str(text.get(name?)?).ok().map(Step::Member),
        });
        Self(steps.collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value in a text that the path leads to, as it is written there. With `of_all_items`, also the values of the other
    /// items of all lists that it leads through, and of the other resources of maps by id.
    pub(super) fn values<'t>(&self, text: &'t str, of_all_items: bool) -> Vec<&'t str> {
        let mut found = Vec::new();
        if let Ok(root) = serde_json::from_str(text) {
            find(root, &self.0, of_all_items, &mut found);
        }
        found
    }

    /// The path to the list that has the value.
    pub(super) fn list(&self) -> Option<Self> {
        let (Step::Index(_), list) = self.0.split_last()? else { return None };
        Some(Self(list.to_vec()))
    }

    pub(super) fn is_within(&self, outer: &Self) -> bool {
        self.0.starts_with(&outer.0)
    }

    /// As JSON Pointer (RFC 6901), and as pattern with `*` for indices and ids.
    pub(super) fn pointer_and_pattern(&self) -> (String, String) {
        let (mut pointer, mut pattern) = (String::new(), String::new());
        for step in &self.0 {
            let name = match step {
                Step::Index(index) => index.to_string(),
                Step::Member(name) => name.replace('~', "~0").replace('/', "~1"),
            };
            pointer.extend(["/", &name]);
            pattern.extend(["/", if step.is_many() { "*" } else { &name }]);
        }
        (pointer, pattern)
    }
}

impl Step {
    /// Whether it leads to one of many values of the same type.
    fn is_many(&self) -> bool {
        match self {
            Self::Index(_) => true,
            Self::Member(name) => is_id(name),
        }
    }
}

/// Whether the name of a member is the id of a resource: ids have dots, names of the vendors' members do not.
pub(super) fn is_id(name: &str) -> bool {
    name.contains('.')
}

fn find<'t>(value: &'t RawValue, steps: &[Step], of_all_items: bool, found: &mut Vec<&'t str>) {
    let Some((step, rest)) = steps.split_first() else { return found.push(value.get()) };
    let all = of_all_items && step.is_many();
    match step {
        Step::Index(wanted) => {
            let list: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
            for (index, item) in list.into_iter().enumerate() {
                if all || index == *wanted {
                    find(item, rest, of_all_items, found);
                }
            }
        }
        Step::Member(wanted) => {
            let Ok(Members(members)) = serde_json::from_str(value.get()) else { return };
            for (name, member) in members {
                if name.0 == *wanted || (all && is_id(&name.0)) {
                    find(member, rest, of_all_items, found);
                }
            }
        }
    }
}

/// The position after the quotation mark that closes the string that starts at `begin`.
fn end_of_text(bytes: &[u8], begin: usize) -> usize {
    let mut escaped = false;
    let rest = bytes.get(begin..).unwrap_or_default();
    let ends = |byte: &u8| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    };
    rest.iter().position(ends).map_or(bytes.len(), |length| begin + length + 1)
}

/// Writes the path as `runs[3].id`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Member(name) if depth == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only where decoding fails matters")]
    struct Run {
        id: u64,
        tasks: Option<Vec<Run>>,
        settings: Option<BTreeMap<String, Vec<bool>>>,
        state: Option<State>,
    }

    #[derive(Debug, Deserialize)]
    enum State {
        Good,
    }

    fn path<T: DeserializeOwned>(text: &str) -> String {
        let error = serde_json::from_str::<T>(text).err().unwrap();
        Path::of(text, &error).to_string()
    }

    #[test]
    fn what_is_nested_deeper_than_a_path_moves_nothing_in_it() {
        let open = "[".repeat(Path::DEEPEST);
        for (text, last) in [("1,2,", 2), ("[1,2],", 1), ("[[1,2],{\"a\":3,\"b\":4}],", 1)] {
            let text = format!("{open}{text}");
            let Path(steps) = Path::at(&text, text.len());
            assert_eq!(steps.len(), Path::DEEPEST, "{text}");
            assert!(matches!(steps.last(), Some(Step::Index(index)) if *index == last), "{text}");
        }
    }

    #[test]
    fn the_path_of_an_error_leads_to_the_wrong_value() {
        for (text, place) in [
            (r#"{"id": "x"}"#, "id"),
            (r#"{"id": {"a": 1}}"#, "id"),
            (r#"{"id": [1, 2]}"#, "id"),
            (r#"{"id": null}"#, "id"),
            (r#"{"id": -1}"#, "id"),
            (r#"{"id": 1, "tasks": 5}"#, "tasks"),
            (
                r#"{"id": 1, "tasks": [{"id": 1}, {"id": 2, "tasks": [{"id": true}]}]}"#,
                "tasks[1].tasks[0].id",
            ),
            ("{\"id\": 1,\r\n \"tasks\": [\n{\"id\": 1},\n\n{\"id\": \"Zürich\"}]}", "tasks[1].id"),
            (
                r#"{"id": 1, "settings": {"a,\"b\\": [true, false], "c\"]": [true, 7]}}"#,
                r#"settings.c"][1]"#,
            ),
            (r#"{"id": 1, "settings": {"\u0061": 1}}"#, "settings.a"),
            (r#"{"x": [{"y": "]}"}, 2], "id": 1, "state": "Odd"}"#, "state"),
            // The path of a missing member is that of its object.
            (r#"{"id": 1, "tasks": [{"id": 1}, {}]}"#, "tasks[1]"),
            ("{}", ""),
            ("[]", ""),
            ("7", ""),
        ] {
            assert_eq!(path::<Run>(text), place, "{text}");
        }
        assert_eq!(path::<Vec<Run>>(r#"[{"id": 1}, {"id": []}]"#), "[1].id");
        assert_eq!(path::<Vec<u8>>("[1, 2, 300]"), "[2]");
    }

    #[test]
    fn depth_is_bounded() {
        let text = format!(r#"{{"id":1,"x":{}"#, "[".repeat(1_000_000));
        let error = serde_json::from_str::<Run>(&text).unwrap_err();
        assert_eq!(Path::of(&text, &error).0.len(), Path::DEEPEST);
        let closed = format!(r#"{{"x":{}{},"id":"a"}}"#, "[".repeat(1000), "]".repeat(1000));
        assert_eq!(path::<Run>(&closed), "id");
    }

    /// A text of any characters, with many of those that JSON treats in a special way.
    fn any_text(random: &mut fastrand::Rng) -> String {
        let special = *br#""\[]{},: /u0n"#;
        let any = |_| {
            let is_special = random.bool();
            if is_special { char::from(random.choice(special).unwrap()) } else { random.char(..) }
        };
        (0..12).map(any).collect()
    }

    #[test]
    fn any_name_is_found() {
        let mut random = fastrand::Rng::with_seed(7);
        let json = |text: &String| serde_json::to_string(text).unwrap();
        for _ in 0..500 {
            let names: Vec<_> = (0..random.usize(1..5)).map(|_| any_text(&mut random)).collect();
            let before = json(&any_text(&mut random));
            let mut text = String::new();
            for name in names.iter().map(json) {
                text = [&*text, "{", &before, ": [", &before, ", {}],\n", &name, " : "].concat();
            }
            let end = text.len();
            let steps: Vec<_> = names.into_iter().map(Step::Member).collect();
            assert_eq!(Path::at(&text, end), Path(steps), "{text}");
        }
    }

    #[test]
    fn no_text_and_no_position_panics() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let (text, end) = (any_text(&mut random), random.usize(0..60));
            let _ = Path::at(&text, end).to_string();
        }
    }
}
