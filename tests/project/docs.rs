//! What the docs say in tables is what the code does.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use scheduled_runs::run::Capabilities;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::FakeArcGis;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::{FakeSupermetrics, FakeTransfers};
use scheduled_runs::{ErrorKind, Result, RunProvider, RunProviderExt as _, Target};

const README: &str = include_str!("../../README.md");

/// The cells of the README's row about this vendor, after its name, which holds this text.
fn row(vendor: &str, kind: &str) -> Vec<&'static str> {
    let named = format!("{kind} (`{}`)", vendor.replace('-', "::"));
    let mut rows = README.lines().filter(|line| line.starts_with('|'));
    rows.find(|line| line.contains(&named))
        .unwrap()
        .trim_matches('|')
        .split('|')
        .skip(1)
        .map(str::trim)
        .collect()
}

/// The row, as what a provider can do would fill it.
fn described(can: &Capabilities) -> [bool; 5] {
    [can.list, can.trigger, can.trigger_names_run, can.caller_names_run, can.cancel]
}

async fn check(provider: Result<impl RunProvider>) {
    let provider = provider.unwrap();
    let target = Target::new(provider.vendor(), "anything");
    check_kind(&provider, "", &target).await;
}

/// Of a vendor whose targets can do different things, the row of one kind.
async fn check_kind(provider: &impl RunProvider, kind: &str, target: &Target) {
    let can = provider.capabilities_of(target);
    let vendor = provider.vendor();
    let cells = row(vendor.as_str(), kind);
    let [lists, triggers, id, _, _, cancels, ..] = &*cells else { panic!("{cells:?}") };
    let told = [
        *lists != "the vendor cannot",
        *triggers == "yes",
        ["in the response", "chosen by the caller"].contains(id),
        *id == "chosen by the caller",
        *cancels == "yes",
    ];
    assert_eq!(told, described(&can), "the README's row of {vendor}: {cells:?}");

    let cancelled = provider.cancel(&target.run("anything")).await.unwrap_err().kind();
    // Whether a run of Mode can be cancelled depends on its form; one of the transfers must be a backfill.
    let unsupported = !can.cancel && !cancels.starts_with("if the run");
    assert_eq!(cancelled == ErrorKind::Unsupported, unsupported, "{vendor}: {cancelled:?}");
}

#[tokio::test]
async fn the_front_page_says_what_each_vendor_can_do() {
    check(FakeAdobe::start().await.client_builder().build()).await;
    let arcgis = FakeArcGis::start().await;
    let portal = arcgis.client_builder().build().unwrap();
    check_kind(&portal, "scheduled tasks", &portal.target("anything")).await;
    check_kind(&portal, "notebooks", &portal.notebook_target("anything")).await;
    check(FakeFoundry::start().await.client_builder().build()).await;
    check(FakeMode::start().await.client_builder().build()).await;
    check(FakeSupermetrics::start().await.client_builder().build()).await;
    check(FakeTransfers::start().await.client_builder().build()).await;
}

/// The names in `pub use self::…` of a vendor's front page.
fn exported(page: &str) -> BTreeSet<&str> {
    let uses = page.split("pub use self::").skip(1).map(|rest| rest.split(';').next().unwrap());
    let words = uses.flat_map(|names| names.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.filter(|word| word.starts_with(char::is_uppercase)).collect()
}

/// The files of a folder, without its folders.
fn files(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file())
}

/// The exported type that a line declares, if it declares one: `pub struct X`, `impl Endpoint for X`, or `X { …`, `X(…`
/// and `X GET …` inside the macros that declare requests.
fn declared<'l>(line: &'l str, exported: &BTreeSet<&str>) -> Option<&'l str> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub struct ").unwrap_or(line);
    let line = line.split_once("Endpoint for ").map_or(line, |(_, name)| name);
    let end = line.find(|c: char| !c.is_alphanumeric()).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let declares = |c: char| c.is_ascii_uppercase() || ['{', '(', ';'].contains(&c);
    (rest.trim_start().starts_with(declares) && exported.contains(name)).then_some(name)
}

#[test]
fn each_vendors_page_has_every_request_in_its_table_of_operations() {
    for vendor in ["adobe", "arcgis", "foundry", "mode", "supermetrics", "supermetrics/transfers"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(vendor);
        let page = fs::read_to_string(folder.join("mod.rs")).unwrap();
        let name = vendor.split('/').next().unwrap();
        let (exported, quoted) = (exported(&page), format!("\"{name}."));
        let table = page.split("//! # Operations").nth(1).unwrap();
        let table: String = table.lines().take_while(|line| !line.starts_with("//! # ")).collect();
        let mut requests = BTreeSet::new();
        for file in files(&folder) {
            let code = fs::read_to_string(file).unwrap();
            let code = code.split("#[cfg(test)]").next().unwrap();
            let mut last = None;
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                last = declared(line, &exported).or(last);
                // An operation, `adobe.runs.list`; what fetches tokens and events has a name of two parts.
                let operation =
                    line.split_once(&quoted).and_then(|(_, rest)| rest.split('"').next());
                if operation.is_some_and(|operation| operation.contains('.')) {
                    requests.extend(last.map(ToOwned::to_owned));
                }
            }
        }
        assert!(requests.len() > 15, "{vendor}: {requests:?}");
        let missing: Vec<_> = requests
            .iter()
            .filter(|name| {
                !table.contains(&format!("[`{name}`]")) && !table.contains(&format!("[`{name}::"))
            })
            .collect();
        assert!(missing.is_empty(), "the operations of {vendor} lack {missing:?}");
    }
}

#[test]
fn every_example_is_in_the_readme() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in names.filter(|path| path.extension().is_some_and(|kind| kind == "rs")) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(README.contains(&format!("cargo run --example {name}")), "{name} is not listed");
    }
}

/// The lines of all documentation, with where they are: doc comments of the source, the guide, the README.
fn documentation() -> Vec<(String, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    let documented = files.into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let is_rust = path.extension().is_some_and(|kind| kind == "rs");
        let line = |line: &str| -> Option<String> {
            let text = line.trim_start();
            let text = if is_rust {
                text.strip_prefix("///").or(text.strip_prefix("//!"))?
            } else {
                return Some(line.to_owned());
            };
            Some(text.strip_prefix(' ').unwrap_or(text).to_owned())
        };
        (path.display().to_string(), text.lines().filter_map(line).collect())
    });
    documented.collect()
}

#[test]
fn code_in_the_documentation_is_not_cut() {
    for (file, lines) in documentation() {
        let mut is_code = false;
        for line in lines {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if is_code && !line.trim_start().starts_with("# ") {
                let length = line.chars().count();
                assert!(length <= 90, "{file}: {length} characters: {line}");
            }
        }
    }
}

#[test]
fn a_full_stop_stands_at_its_word() {
    for (file, lines) in documentation() {
        let mut is_code = false;
        for line in lines {
            is_code ^= line.trim_start().starts_with("```");
            let is_lone = ["` .", "` ,", ") .", ") ,"].iter().any(|end| line.contains(end));
            assert!(is_code || !(is_lone || line.starts_with(['.', ','])), "{file}: {line}");
        }
    }
}

/// What an operation writes by itself is written here by hand.
#[test]
fn every_request_that_is_written_by_hand_says_how_to_send_it() {
    let mut checked = 0;
    for vendor in ["adobe", "arcgis", "foundry", "mode", "supermetrics"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(vendor);
        for file in files(&folder) {
            let code = fs::read_to_string(file).unwrap();
            for implemented in code.split("\nimpl Endpoint for ").skip(1) {
                let name = implemented.split_whitespace().next().unwrap();
                let operation = implemented.split("OPERATION: &'static str = \"").nth(1).unwrap();
                let operation = operation.split('"').next().unwrap();
                let Some((above, _)) = code.split_once(&format!("\npub struct {name}")) else {
                    continue;
                };
                let docs = above.rsplit("\n\n").next().unwrap();
                for said in
                    [format!("Operation `{operation}`."), "(crate::Client::send)".to_owned()]
                {
                    assert!(docs.contains(&said), "{vendor}: {name} does not say {said}:\n{docs}");
                }
                checked += 1;
            }
        }
    }
    assert!(checked >= 10, "{checked}");
}

/// The example is not in the published package, and its dependencies are not those of the crate.
#[test]
fn the_recipes_of_the_guide_are_files_of_an_example() {
    let guide = include_str!("../../src/guide/observing.md");
    for file in ["prometheus.rs", "opentelemetry.rs"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/service/src").join(file);
        let text = fs::read_to_string(path).unwrap();
        let code = text.lines().skip_while(|line| line.starts_with("//!") || line.is_empty());
        let code = code.collect::<Vec<_>>().join("\n");
        assert!(guide.contains(&format!("```rust,ignore\n{code}\n```")), "{file} has changed");
    }
}
