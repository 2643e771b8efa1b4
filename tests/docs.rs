//! What the docs say in tables is what the code does.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use scheduled_runs::run::Capabilities;
use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::testing::arcgis::FakeArcGis;
use scheduled_runs::testing::foundry::FakeFoundry;
use scheduled_runs::testing::mode::FakeMode;
use scheduled_runs::testing::supermetrics::FakeSupermetrics;
use scheduled_runs::{ErrorKind, Result, RunProvider, RunProviderExt as _};

const README: &str = include_str!("../README.md");

/// The cells of the README's row about this vendor, after its name.
fn row(vendor: &str) -> Vec<&'static str> {
    let named = format!("(`{vendor}`)");
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
    let can = provider.capabilities();
    let vendor = provider.vendor();
    let cells = row(vendor.as_str());
    let [lists, triggers, id, _, _, cancels, ..] = &*cells else { panic!("{cells:?}") };
    let told = [
        *lists != "the vendor cannot",
        *triggers == "yes",
        ["in the response", "chosen by the caller"].contains(id),
        *id == "chosen by the caller",
        *cancels == "yes",
    ];
    assert_eq!(told, described(&can), "the README's row of {vendor}: {cells:?}");

    let run = scheduled_runs::Target::new(vendor.clone(), "anything").run("anything");
    let cancelled = provider.cancel(&run).await.unwrap_err().kind();
    // Mode looks at the run first: whether it can be cancelled depends on its form.
    let unsupported = !can.cancel && !cancels.starts_with("if the run");
    assert_eq!(cancelled == ErrorKind::Unsupported, unsupported, "{vendor}: {cancelled:?}");
}

#[tokio::test]
async fn the_front_page_says_what_each_vendor_can_do() {
    check(FakeAdobe::start().await.client_builder().build()).await;
    check(FakeArcGis::start().await.client_builder().build()).await;
    check(FakeFoundry::start().await.client_builder().build()).await;
    check(FakeMode::start().await.client_builder().build()).await;
    check(FakeSupermetrics::start().await.client_builder().build()).await;
}

/// The names in `pub use self::…` of a vendor's front page.
fn exported(page: &str) -> BTreeSet<&str> {
    let uses = page.split("pub use self::").skip(1).map(|rest| rest.split(';').next().unwrap());
    let words = uses.flat_map(|names| names.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.filter(|word| word.starts_with(char::is_uppercase)).collect()
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
    for vendor in ["adobe", "arcgis", "foundry", "mode", "supermetrics"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(vendor);
        let page = fs::read_to_string(folder.join("mod.rs")).unwrap();
        let (exported, quoted) = (exported(&page), format!("\"{vendor}."));
        let table = page.split("//! # Operations").nth(1).unwrap();
        let table: String = table.lines().take_while(|line| !line.starts_with("//! # ")).collect();
        let mut requests = BTreeSet::new();
        for file in fs::read_dir(&folder).unwrap() {
            let code = fs::read_to_string(file.unwrap().path()).unwrap();
            let code = code.split("#[cfg(test)]").next().unwrap();
            let mut last = None;
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                last = declared(line, &exported).or(last);
                // An operation, `adobe.runs.list`; what fetches tokens has a name of two parts.
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
