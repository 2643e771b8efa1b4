//! The layers of this crate: an import goes down [`LAYERS`], never up. See "Layers" in `src/guide/architecture.md`.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use source::{Import, Origin, Source, Token, code};

struct Layer {
    /// Files and folders of `src/`. The longest entry that fits a file counts. Entries of one layer do not import each
    /// other.
    entries: &'static [&'static str],
    /// Crates that these files do not name.
    without: &'static [&'static str],
}

/// From top to bottom.
const LAYERS: &[Layer] = &[
    Layer { entries: &["lib.rs", "guide/"], without: &[] },
    Layer { entries: &["testing/"], without: &[] },
    Layer { entries: VENDORS, without: &["reqwest", "hyper"] },
    Layer { entries: &["webhook/"], without: &["reqwest", "hyper"] },
    Layer { entries: &["run/"], without: HTTP },
    // The walk over a list. `paging/mod.rs` re-exports the data below as well.
    Layer { entries: &["paging/"], without: HTTP },
    Layer { entries: &["client/"], without: &[] },
    Layer { entries: &["error/"], without: &["reqwest", "hyper"] },
    // Data only.
    Layer { entries: &["paging/page.rs", "run/model.rs"], without: RUNTIME },
    Layer { entries: &["wire/"], without: RUNTIME },
    // Names, and what may be shown.
    Layer { entries: &["redact.rs", "vendor.rs"], without: &["reqwest", "hyper", "tokio"] },
];

const VENDORS: &[&str] = &["adobe/", "arcgis/", "foundry/", "mode/", "supermetrics/"];
const HTTP: &[&str] = &["http", "reqwest", "hyper"];
const RUNTIME: &[&str] = &["http", "reqwest", "hyper", "tokio"];

/// Files of one folder that import each other in a circle, and why they may. A folder stands for any circle inside it.
const CIRCLES: &[(&[&str], &str)] = &[
    (&["arcgis/dialect.rs", "arcgis/mod.rs", "arcgis/notebooks.rs", "arcgis/tasks.rs"], DIALECT),
    (
        &["client/credential.rs", "client/exchange.rs"],
        "a call needs a credential, and fetching a credential is a call",
    ),
    (&["supermetrics/dialect.rs", "supermetrics/mod.rs", "supermetrics/runs.rs"], DIALECT),
    (
        &["supermetrics/row_de.rs", "supermetrics/rows.rs"],
        "rows are deserialized by a deserializer over a row's cells",
    ),
    (&["testing/adobe/"], FAKE),
    (&["testing/arcgis/"], FAKE),
    (&["testing/foundry/"], FAKE),
    (
        &[
            "testing/kit/parsed_request.rs",
            "testing/kit/plan.rs",
            "testing/kit/response.rs",
            "testing/kit/state.rs",
        ],
        "a fake's requests, responses and plans are generic over its state, and the state is defined by them",
    ),
    (&["testing/mode/"], FAKE),
    (&["testing/supermetrics/"], FAKE),
];
const DIALECT: &str =
    "a vendor names its dialect, the dialect some operations, each operation its vendor";
const FAKE: &str = "a fake server's routes, state and responses are one program, split by topic";

/// What the code below the vendors contains nowhere, neither in a name nor in a string.
const VENDOR_NAMES: &[&str] =
    &["adobe", "arcgis", "foundry", "palantir", "supermetrics", "mode analytics", "\"mode\""];

/// The violations in these files, which are given by their paths below `src/`.
fn violations(files: &BTreeMap<String, String>, circles: &[(&[&str], &str)]) -> Vec<String> {
    let imports = Source::read(files).imports();
    let unlisted = files.keys().filter(|file| place(file).is_none());
    let mut found: Vec<String> = unlisted.map(|file| format!("{file} is in no layer")).collect();
    found.extend(imports.iter().filter_map(not_down));
    found.extend(files.iter().flat_map(|(file, text)| vendor_names(file, text)));
    found.extend(unexplained_circles(&imports, circles));
    found
}

/// The entry of [`LAYERS`] that a file belongs to, with the number of layers above it.
fn place(file: &str) -> Option<(usize, &'static str)> {
    let entries = LAYERS.iter().enumerate();
    let entries =
        entries.flat_map(|(depth, layer)| layer.entries.iter().map(move |&entry| (depth, entry)));
    entries.filter(|(_, entry)| fits(entry, file)).max_by_key(|(_, entry)| entry.len())
}

fn fits(entry: &str, file: &str) -> bool {
    if entry.ends_with('/') { file.starts_with(entry) } else { file == entry }
}

fn not_down(Import { file, line, origin, .. }: &Import) -> Option<String> {
    let (depth, entry) = place(file)?;
    match origin {
        Origin::File(other) => {
            let (other_depth, other_entry) = place(other)?;
            let allowed = other_depth > depth || other_entry == entry;
            (!allowed).then(|| {
                format!("{file}:{line}: layer {entry} imports {other} of layer {other_entry}")
            })
        }
        Origin::Other(name) => LAYERS[depth]
            .without
            .contains(&&**name)
            .then(|| format!("{file}:{line}: layer {entry} names the crate {name}")),
        Origin::Glob => Some(format!("{file}:{line}: `*` hides what is imported")),
    }
}

fn vendor_names(file: &str, text: &str) -> Vec<String> {
    let vendors = LAYERS.iter().position(|layer| layer.entries == VENDORS);
    let Some((_, entry)) = place(file).filter(|(depth, _)| Some(*depth) > vendors) else {
        return Vec::new();
    };
    let names_one = |text: &str| VENDOR_NAMES.iter().any(|name| text.to_lowercase().contains(name));
    let tokens = code(text).into_iter().filter(|token| names_one(token.text));
    let violation = |Token { text, line }: Token<'_>| {
        format!("{file}:{line}: layer {entry} names a vendor: {text}")
    };
    tokens.map(violation).collect()
}

fn unexplained_circles(imports: &BTreeSet<Import>, explained: &[(&[&str], &str)]) -> Vec<String> {
    let mut arrows: Arrows<'_> = BTreeMap::new();
    for Import { file, line, origin, reexport } in imports {
        // With a `pub use` in its front page, a folder presents its files. It does not depend on them.
        let presents = *reexport && (file.ends_with("/mod.rs") || file == "lib.rs");
        if let (Origin::File(other), false) = (origin, presents) {
            arrows.entry(file).or_default().entry(other).or_insert(*line);
        }
    }
    let circles = circles(&arrows);
    let explains = |entries: &[&str], circle: &BTreeSet<&str>| {
        circle.iter().all(|file| entries.iter().any(|entry| fits(entry, file)))
            && entries.iter().all(|entry| circle.iter().any(|file| fits(entry, file)))
    };
    let mut found = Vec::new();
    for circle in &circles {
        let folders: BTreeSet<_> = circle.iter().map(|file| Path::new(file).parent()).collect();
        if folders.len() > 1 || !explained.iter().any(|(entries, _)| explains(entries, circle)) {
            found.push(format!("{} files import each other in a circle:", circle.len()));
            for (file, others) in arrows.iter().filter(|(file, _)| circle.contains(*file)) {
                let inside = others.iter().filter(|(other, _)| circle.contains(*other));
                found
                    .extend(inside.map(|(other, line)| format!("  {file}:{line} imports {other}")));
            }
        }
    }
    for (entries, _) in explained {
        if !circles.iter().any(|circle| explains(entries, circle)) {
            found.push(format!("{entries:?} are listed as a circle, but are not one"));
        }
    }
    found
}

/// Which file imports which, with the first line that does.
type Arrows<'a> = BTreeMap<&'a str, BTreeMap<&'a str, usize>>;

/// The sets of files that all reach each other.
fn circles<'a>(arrows: &Arrows<'a>) -> BTreeSet<BTreeSet<&'a str>> {
    let reached = |from: &'a str| {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(file) = next.pop() {
            let others = arrows.get(file).into_iter().flat_map(BTreeMap::keys);
            next.extend(others.filter(|other| seen.insert(**other)));
        }
        seen
    };
    let reached: BTreeMap<_, _> = arrows.keys().map(|&file| (file, reached(file))).collect();
    let leads_back = |to: &str, from: &str| reached.get(to).is_some_and(|seen| seen.contains(from));
    let circle = |(file, seen): (&&'a str, &BTreeSet<&'a str>)| {
        seen.iter().copied().filter(|other| leads_back(other, file)).collect::<BTreeSet<_>>()
    };
    reached.iter().map(circle).filter(|circle| circle.len() > 1).collect()
}

/// The sources in a folder, by their names below the top.
pub(crate) fn read(folder: &Path, top: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, top, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().replace('\\', "/");
            files.insert(name, fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn imports_go_down() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    read(&top, &top, &mut files);
    let mut found = violations(&files, CIRCLES);
    let entries = LAYERS.iter().flat_map(|layer| layer.entries);
    let unused = entries.filter(|entry| !files.keys().any(|file| fits(entry, file)));
    found.extend(unused.map(|entry| format!("{entry} is listed, but there is no such file")));
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The violations in made-up files.
fn found(files: &[(&str, &str)], circles: &[(&[&str], &str)]) -> Vec<String> {
    let owned = |&(file, text): &(&str, &str)| (file.to_owned(), text.to_owned());
    violations(&files.iter().map(owned).collect(), circles)
}

/// The violations in one made-up file, next to some that are in order.
fn found_in(file: &str, text: &str) -> Vec<String> {
    let others = [
        ("lib.rs", "pub use self::client::Client;\npub use self::run::{Phase, Wait};"),
        ("client/mod.rs", "pub use self::link::LinkPolicy;\npub struct Client;"),
        ("client/link.rs", "pub struct LinkPolicy;"),
        ("error/mod.rs", "pub struct Error;"),
        ("mode/mod.rs", "pub struct Mode;"),
        ("run/mod.rs", "pub use self::model::{Phase, RunRef};\npub use self::wait::Wait;"),
        ("run/model.rs", "pub struct RunRef;\npub enum Phase { Failed }"),
        ("run/wait.rs", "pub struct Wait;"),
        ("wire/mod.rs", "pub mod time;\nmod id;\npub use self::id::id;"),
        ("wire/id.rs", "macro_rules! __id { () => {} }\npub use __id as id;"),
        ("wire/time.rs", ""),
    ];
    let others = others.into_iter().filter(|(other, _)| *other != file);
    found(&others.chain([(file, text)]).collect::<Vec<_>>(), &[])
}

#[test]
fn an_import_of_a_higher_layer_is_found() {
    let cases = [
        ("use crate::client::Client;", 1, "client/mod.rs of layer client/"),
        ("use crate::{\n  run::{Phase, Wait},\n};", 2, "run/wait.rs of layer run/"),
        (
            "use crate::{client::{self, link::LinkPolicy as Policy}};",
            1,
            "client/link.rs of layer client/",
        ),
        // In paths within the code.
        ("\nfn f() -> crate::client::Client { todo!() }", 2, "client/mod.rs of layer client/"),
        ("fn f() { g(&super::run::Wait::new()) }", 1, "run/wait.rs of layer run/"),
        ("macro_rules! m { () => { $crate::mode::Mode } }", 1, "mode/mod.rs of layer mode/"),
        ("#[derive(Debug)]\nstruct A<'a>(&'a crate::mode::Mode);", 2, "mode/mod.rs of layer mode/"),
        ("mod inner { fn f(_: super::super::mode::Mode) {} }", 1, "mode/mod.rs of layer mode/"),
        // Through re-exports.
        ("use crate::Wait;", 1, "run/wait.rs of layer run/"),
        ("use crate::client::LinkPolicy;", 1, "client/link.rs of layer client/"),
        ("pub use crate::client::LinkPolicy;", 1, "client/link.rs of layer client/"),
        ("use crate::nothing_known;", 1, "lib.rs of layer lib.rs"),
        // After something that does not count.
        ("#[cfg(test)]\nuse a::{b};\nuse crate::Client;", 3, "client/mod.rs of layer client/"),
        (
            "const A: &[&str] = &[r#\"\"\"#, \"\\\"\"];/* /* */ */ use crate::Client;",
            1,
            "client/mod.rs of layer client/",
        ),
        (
            "const A: [char; 2] = ['\"', '\\''];\nuse crate::Client;",
            2,
            "client/mod.rs of layer client/",
        ),
    ];
    for (text, line, home) in cases {
        let expected = format!("error/mod.rs:{line}: layer error/ imports {home}");
        let found = found_in("error/mod.rs", text);
        assert!(found.contains(&expected), "{text}: {found:?}, not {expected}");
    }
    let named = found_in("client/mod.rs", "use crate::run;\nuse run::Wait;\npub struct Client;");
    assert!(
        named.contains(
            &"client/mod.rs:2: layer client/ imports run/wait.rs of layer run/".to_owned()
        ),
        "{named:?}"
    );
}

#[test]
fn an_import_of_a_lower_layer_is_not() {
    let cases = [
        "use crate::run::RunRef;\nuse crate::{Phase, wire::{id, time}};",
        "use std::fmt::{self, Debug};\nuse http::StatusCode;\nuse serde;",
        "fn f() { let a = crate::run::Phase::Failed; crate::wire::id! {} }",
        // Tests, comments and strings.
        "#[cfg(test)]\nmod tests { use crate::Client; fn f() { if true {} } }",
        "#[cfg(test)]\nuse crate::{Client};",
        "#[cfg(test)]\n#[allow(unused)]\nfn f(_: [u8; 2]) -> crate::Client { todo!() }",
        "//! `crate::Client`\n/// use crate::Client;\n/* use crate::Client; */ fn f() {}",
        "const A: &str = \"use crate::Client;\"; const B: &[u8] = br#\"\" use crate::Client;\"#;",
    ];
    for text in cases {
        assert_eq!(found_in("error/mod.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn entries_of_one_layer_do_not_import_each_other() {
    assert_eq!(
        found_in("adobe/runs.rs", "use crate::mode::Mode;"),
        ["adobe/runs.rs:1: layer adobe/ imports mode/mod.rs of layer mode/"]
    );
    assert_eq!(found_in("mode/runs.rs", "use super::Mode;"), [""; 0]);
}

#[test]
fn what_a_layer_must_not_name_is_found() {
    assert_eq!(
        found_in("wire/time.rs", "use http::header;\nfn f(_: &::reqwest::Url) {}"),
        [
            "wire/time.rs:1: layer wire/ names the crate http",
            "wire/time.rs:2: layer wire/ names the crate reqwest"
        ]
    );
    assert_eq!(
        found_in("client/link.rs", "const A: &str = \"of Adobe\"; // Mode\nfn mode() {}"),
        ["client/link.rs:1: layer client/ names a vendor: \"of Adobe\""]
    );
    assert_eq!(
        found_in("wire/time.rs", "use serde::*;"),
        ["wire/time.rs:1: `*` hides what is imported"]
    );
    assert_eq!(found_in("new.rs", ""), ["new.rs is in no layer"]);
}

#[test]
fn a_circle_needs_a_reason_and_stays_in_its_folder() {
    let pair = [
        ("client/mod.rs", "pub use self::a::A;\npub use self::b::B;"),
        ("client/a.rs", "use super::B;\npub struct A;"),
        ("client/b.rs", "\nuse super::A;\npub struct B;"),
    ];
    let circle = [
        "2 files import each other in a circle:",
        "  client/a.rs:1 imports client/b.rs",
        "  client/b.rs:2 imports client/a.rs",
    ];
    assert_eq!(found(&pair, &[]), circle);
    assert_eq!(found(&pair, &[(&["client/a.rs", "client/b.rs"], "a reason")]), [""; 0]);
    assert_eq!(found(&pair, &[(&["client/"], "a reason")]), [""; 0]);
    assert_eq!(
        found(&pair[..2], &[(&["client/"], "a reason")]),
        ["[\"client/\"] are listed as a circle, but are not one"]
    );

    let folders = [
        ("testing/mod.rs", "pub mod a;\npub mod b;"),
        ("testing/a/mod.rs", "use crate::testing::b::B;\npub struct A;"),
        ("testing/b/mod.rs", "use crate::testing::a::A;\npub struct B;"),
    ];
    assert_eq!(found(&folders, &[(&["testing/"], "a reason")])[0], circle[0]);
}
