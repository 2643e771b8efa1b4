//! What a person meets who calls an example in a wrong way, reads only a part of its output, or presses Ctrl-C.
#![cfg(all(
    feature = "adobe",
    feature = "arcgis",
    feature = "foundry",
    feature = "mode",
    feature = "supermetrics"
))]

use std::collections::BTreeMap;
use std::io::pipe;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The examples, and the arguments that each of them may have.
const EXAMPLES: [(&str, &[&str]); 10] = [
    ("any_vendor", &["adobe"]),
    ("arcgis_failed_runs", &["7"]),
    ("fakes", &[]),
    ("foundry_run_and_wait", &[]),
    ("mode_refresh_report", &["folder"]),
    ("quickstart", &["adobe"]),
    ("record_and_replay", &["file"]),
    ("resume", &["adobe"]),
    ("run_history", &["adobe"]),
    ("supermetrics_to_csv", &["file"]),
];

/// The examples that take a vendor.
const FOR_ANY_VENDOR: [&str; 4] = ["any_vendor", "quickstart", "resume", "run_history"];

/// The exit code of a program that the signal SIGPIPE ended.
const BROKEN_PIPE: i32 = 141;

/// An account: its vendor, the variables that it needs, and those that it can do without.
type Account = (&'static str, &'static [&'static str], &'static [&'static str]);

const ACCOUNTS: [Account; 6] = [
    (
        "adobe",
        &[
            "ADOBE_CLIENT_ID",
            "ADOBE_CLIENT_SECRET",
            "ADOBE_ORG_ID",
            "ADOBE_SANDBOX",
            "ADOBE_SCHEDULE_ID",
        ],
        &["ADOBE_BASE_URL", "ADOBE_TOKEN_URL"],
    ),
    ("arcgis", &["ARCGIS_PORTAL", "ARCGIS_USERNAME", "ARCGIS_PASSWORD", "ARCGIS_TASK"], &[]),
    ("foundry", &["FOUNDRY_HOSTNAME", "FOUNDRY_TOKEN", "FOUNDRY_SCHEDULE_RID"], &[]),
    (
        "mode",
        &["MODE_WORKSPACE", "MODE_API_TOKEN", "MODE_API_SECRET", "MODE_REPORT"],
        &["MODE_BASE_URL"],
    ),
    ("supermetrics", &["SUPERMETRICS_API_KEY", "SUPERMETRICS_QUERY"], &["SUPERMETRICS_BASE_URL"]),
    (
        "supermetrics-transfers",
        &["SUPERMETRICS_TRANSFERS_API_KEY", "SUPERMETRICS_TEAM", "SUPERMETRICS_TRANSFER"],
        &["SUPERMETRICS_TRANSFERS_BASE_URL"],
    ),
];

/// The program of an example. Cargo builds the examples, because it does not when it is asked for this test only.
fn program(name: &str) -> &'static Path {
    static BUILT: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        // What `cargo test` tells a test about its package would make Cargo build dependencies again.
        let package =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars().filter(|(name, _)| package(name)) {
            command.env_remove(name);
        }
        let output = command
            .args(["build", "--locked", "--examples", "--message-format", "json"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "the examples are not built");
        let lines = String::from_utf8(output.stdout).unwrap();
        let messages = lines.lines().map(|line| serde_json::from_str(line).unwrap());
        let example = |message: Value| {
            let target = message.get("target")?;
            let is_example = target.get("kind")?.get(0)? == "example";
            let path = message.get("executable")?.as_str().filter(|_| is_example)?;
            Some((target.get("name")?.as_str()?.to_owned(), path.into()))
        };
        messages.filter_map(example).collect()
    });
    built.get(name).unwrap()
}

/// An example in an environment that names no account, and whose files are in a folder of their own.
fn example(name: &str, arguments: &[&str]) -> Command {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples");
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(program(name));
    let variables = ACCOUNTS.iter().flat_map(|(_, needed, optional)| [*needed, *optional].concat());
    for variable in variables.chain(["COLUMNS"]) {
        command.env_remove(variable);
    }
    command.args(arguments).env("TMPDIR", &folder).env("TEMP", &folder).env("TMP", &folder);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn texts(output: &Output) -> (&str, &str) {
    (str::from_utf8(&output.stdout).unwrap(), str::from_utf8(&output.stderr).unwrap())
}

/// Runs an example that must find a mistake in what it was given before it does anything. Returns what it says.
fn mistake(mut command: Command) -> String {
    let output = command.output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert_eq!((output.status.code(), stdout), (Some(2), ""), "{command:?}: {stderr}");
    for part in ["panicked", "kind  ", "delivery", "attempt", "Error"] {
        assert!(!stderr.contains(part), "{command:?}: {stderr}");
    }
    stderr.to_owned()
}

/// Like [`mistake`], if all that it says is one line.
fn one_line(command: Command) -> String {
    let said = mistake(command);
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn every_example_is_known_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    let mut names: Vec<_> =
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    let known = EXAMPLES.iter().map(|(name, _)| *name);
    let mut known: Vec<_> = known.chain(["first_run"]).collect();
    known.sort_unstable();
    assert_eq!(names, known);
}

#[test]
fn the_first_run_can_be_copied_whole() {
    let code = include_str!("../../examples/first_run.rs");
    assert!(code.lines().count() <= 25);
    assert!(!code.contains("mod ") && !code.contains("std::env"));
    for import in code.lines().filter(|line| line.starts_with("use ")) {
        let root = import.trim_start_matches("use ").split("::").next().unwrap();
        assert!(["std", "scheduled_runs"].contains(&root), "{import}");
    }
}

#[test]
fn help_is_printed_for_both_options_and_fits_a_narrow_terminal() {
    for (name, _) in EXAMPLES {
        for option in ["--help", "-h"] {
            let output = example(name, &[option]).output().unwrap();
            let (stdout, stderr) = texts(&output);
            assert_eq!((output.status.code(), stderr), (Some(0), ""), "{name} {option}");
            assert!(stdout.starts_with(&format!("usage: {name}")), "{stdout}");
            assert!(stdout.lines().all(|line| line.chars().count() <= 60), "{stdout}");
        }
    }
}

#[test]
fn an_unknown_option_is_refused_with_the_usage() {
    for (name, arguments) in EXAMPLES {
        for option in ["--nonsense", "-x", "--nonsense=1"] {
            let said = mistake(example(name, &[arguments, &[option]].concat()));
            let option = option.trim_end_matches("=1");
            assert!(said.starts_with(&format!("unknown option {option}\n")), "{said}");
            assert!(said.contains(&format!("\nusage: {name}")), "{said}");
        }
    }
}

#[test]
fn an_argument_too_many_is_refused_with_the_usage() {
    for (name, arguments) in EXAMPLES {
        let said = mistake(example(name, &[arguments, &["foundry"]].concat()));
        assert!(said.starts_with("unexpected argument \"foundry\"\n"), "{said}");
        assert!(said.contains(&format!("\nusage: {name}")), "{said}");
    }
}

#[test]
fn an_option_without_its_value_is_named() {
    let options = [
        ("resume", "--file", "a file"),
        ("run_history", "--out", "a file"),
        ("fakes", "--adobe", "a port, 0 to 65535"),
    ];
    for (name, option, needed) in options {
        for rest in [&[][..], &["--crash"]] {
            let said = mistake(example(name, &[&[option], rest].concat()));
            assert!(said.starts_with(&format!("option {option} needs {needed}\n")), "{said}");
        }
    }
    let said = mistake(example("fakes", &["--mode", "65536"]));
    assert!(said.starts_with("option --mode needs a port, 0 to 65535\n"), "{said}");
    let said = mistake(example("arcgis_failed_runs", &["week"]));
    assert!(said.starts_with("\"week\" is not a number of days, 0 to 65535\n"), "{said}");
    let said = mistake(example("any_vendor", &["--fail=yes"]));
    assert!(said.contains("--fail") && said.contains("usage: any_vendor"), "{said}");
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_text_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    for (name, _) in EXAMPLES {
        let mut command = example(name, &[]);
        command.arg(std::ffi::OsStr::from_bytes(b"\xff"));
        assert!(mistake(command).contains(" is not UTF-8\n"), "{name}");
    }
}

#[test]
fn an_unknown_vendor_is_named_with_the_list_of_vendors() {
    for name in FOR_ANY_VENDOR {
        for vendor in ["nonsense", "nonsense:nightly"] {
            let expected = "unknown vendor \"nonsense\"; use one of adobe, arcgis, foundry, mode, supermetrics, supermetrics-transfers\n";
            assert_eq!(one_line(example(name, &[vendor])), expected);
        }
        let said = one_line(example(name, &["adobe:a/b"]));
        assert!(said.starts_with("a target is written `vendor:target`"), "{said}");
    }
}

/// `A`, `A and B`, `A, B and C`.
fn list(names: &[&str]) -> String {
    match names {
        [names @ .., last] if !names.is_empty() => format!("{} and {last}", names.join(", ")),
        names => names.concat(),
    }
}

#[test]
fn an_account_that_is_named_by_halves_never_means_the_fake() {
    let of = |vendor| *ACCOUNTS.iter().find(|(name, ..)| *name == vendor).unwrap();
    let mut cases: Vec<(&str, &[&str], Account)> = vec![
        ("foundry_run_and_wait", &[], of("foundry")),
        ("mode_refresh_report", &[], of("mode")),
        ("supermetrics_to_csv", &[], of("supermetrics")),
    ];
    let (vendor, needed, _) = of("arcgis");
    cases.push((
        "arcgis_failed_runs",
        &[],
        (vendor, needed.split_last().unwrap().1, &["ARCGIS_TASK"]),
    ));
    for account in &ACCOUNTS {
        let argument = std::slice::from_ref(&account.0);
        cases.extend(FOR_ANY_VENDOR.map(|name| (name, argument, *account)));
    }
    for (name, arguments, (_, needed, optional)) in cases {
        for missing in needed {
            let mut command = example(name, arguments);
            // An empty one counts as not set.
            command.envs(needed.iter().map(|name| (name, if name == missing { "" } else { "x" })));
            let said = one_line(command);
            let set: Vec<_> = needed.iter().copied().filter(|name| name != missing).collect();
            let expected = format!("also set {missing}, or unset {} to use the fake\n", list(&set));
            assert_eq!(said, expected, "{name}");
        }
        for set in needed.iter().chain(optional) {
            let mut command = example(name, arguments);
            command.env(set, "x");
            let missing: Vec<_> = needed.iter().copied().filter(|name| name != set).collect();
            let expected = format!("also set {}, or unset {set} to use the fake\n", list(&missing));
            assert_eq!(one_line(command), expected, "{name}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_used_is_a_mistake_of_one_line() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no such folder").join("file");
    let file = file.to_str().unwrap();
    let cases: [(&str, &[&str]); 4] = [
        ("record_and_replay", &[file]),
        ("run_history", &["--out", file]),
        ("supermetrics_to_csv", &[file]),
        ("mode_refresh_report", &[program("fakes").to_str().unwrap()]),
    ];
    for (name, arguments) in cases {
        let output = example(name, arguments).output().unwrap();
        let (_, stderr) = texts(&output);
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{stderr}");
        assert!(stderr.starts_with("cannot "), "{stderr}");
    }
}

#[test]
fn an_example_ends_quietly_if_nobody_reads_its_output() {
    for (name, _) in EXAMPLES {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = example(name, &[]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), texts(&output)), (Some(BROKEN_PIPE), ("", "")), "{name}");
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let status = example(name, &["--nonsense"]).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(BROKEN_PIPE), "{name}");
    }
}

#[test]
fn a_narrow_terminal_breaks_no_word_and_no_column() {
    let vendors = ACCOUNTS.map(|(vendor, ..)| ("run_history", vendor));
    for (name, argument) in vendors.into_iter().chain([("arcgis_failed_runs", "30")]) {
        let output = example(name, &[argument]).env("COLUMNS", "60").output().unwrap();
        let (stdout, stderr) = texts(&output);
        assert_eq!((output.status.code(), stderr), (Some(0), ""), "{name}");
        for line in stdout.lines() {
            // An id that somebody copies stays in one piece.
            let is_one_word = !line.trim().contains(' ');
            assert!(line.chars().count() <= 60 || is_one_word, "{name} {argument}: {line}");
        }
    }
}

#[cfg(unix)]
mod interrupts {
    use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
    use std::process::{Child, ChildStdout, Command, Stdio};
    use std::time::Duration;

    use scheduled_runs::testing::Plan;
    use scheduled_runs::testing::adobe::FakeAdobe;

    use super::example;

    const QUESTION: &str = "Cancel it as soon as it is known? [y]es, or [n]o to keep waiting.";

    /// The example `any_vendor`, whose trigger is under way: its run is not listed yet.
    struct Triggering {
        fake: FakeAdobe,
        process: Child,
        lines: Lines<BufReader<ChildStdout>>,
    }

    impl Triggering {
        async fn start(plan: Plan, listed_after: Duration) -> Self {
            let fake = FakeAdobe::start().await;
            fake.next_run(plan);
            fake.list_runs_after(listed_after);
            let variables = [
                ("ADOBE_CLIENT_ID", FakeAdobe::CLIENT_ID),
                ("ADOBE_CLIENT_SECRET", FakeAdobe::CLIENT_SECRET),
                ("ADOBE_ORG_ID", FakeAdobe::ORG_ID),
                ("ADOBE_SANDBOX", FakeAdobe::SANDBOX),
                ("ADOBE_BASE_URL", &fake.base_url()),
                ("ADOBE_TOKEN_URL", &fake.token_url()),
            ];
            let mut process = example("any_vendor", &["adobe:nightly-orders"])
                .envs(variables)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(process.stdout.take().unwrap()).lines();
            let mut this = Self { fake, process, lines };
            this.read_until("Triggering a run of adobe:nightly-orders.");
            while this.fake.triggers("nightly-orders") == 0 {
                std::thread::yield_now();
            }
            this
        }

        fn read_until(&mut self, beginning: &str) {
            let mut lines = self.lines.by_ref().map(Result::unwrap);
            let found = lines.any(|line| line.starts_with(beginning));
            assert!(found, "it prints no line that begins with {beginning:?}");
        }

        fn press_ctrl_c(&self) {
            let id = self.process.id().to_string();
            assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        }

        fn asks(&mut self) {
            self.press_ctrl_c();
            self.read_until("A run may have started at Adobe. It is not known yet.");
            self.read_until(QUESTION);
        }

        fn answer(&mut self, text: &str) {
            self.process.stdin.as_ref().unwrap().write_all(text.as_bytes()).unwrap();
        }

        /// The rest of the output, the errors and the exit code. One run was triggered.
        fn end(mut self) -> (String, Option<i32>) {
            let lines: Vec<_> = self.lines.map(Result::unwrap).collect();
            let (status, mut errors) = (self.process.wait().unwrap(), String::new());
            self.process.stderr.unwrap().read_to_string(&mut errors).unwrap();
            assert_eq!(errors, "");
            assert_eq!(self.fake.triggers("nightly-orders"), 1);
            (lines.join("\n"), status.code())
        }
    }

    const SOON: Duration = Duration::from_millis(500);
    const NEVER: Duration = Duration::from_secs(3600);

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_is_cancelled_when_it_is_known_if_the_user_says_so_during_its_trigger() {
        let mut triggering = Triggering::start(Plan::never_ends(), SOON).await;
        triggering.asks();
        triggering.answer("y\n");
        let (output, code) = triggering.end();
        assert!(output.contains("\n  adobe:nightly-orders/"), "{output}");
        assert!(
            output.contains("\nAdobe accepted the request; the run will end soon."),
            "{output}"
        );
        assert!(output.contains("\nIt was cancelled"), "{output}");
        assert!(!output.contains("reason"), "{output}");
        assert_eq!(code, Some(1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_trigger_and_the_wait_go_on_if_the_user_does_not_want_to_cancel() {
        let mut triggering = Triggering::start(Plan::succeeds().takes(0), SOON).await;
        triggering.asks();
        triggering.answer("n\n");
        let (output, code) = triggering.end();
        assert!(output.contains("\nIt succeeded"), "{output}");
        assert_eq!(code, Some(0));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_interrupt_ends_the_program_during_the_trigger() {
        let mut triggering = Triggering::start(Plan::never_ends(), NEVER).await;
        triggering.asks();
        triggering.press_ctrl_c();
        let (output, code) = triggering.end();
        assert!(output.ends_with("Look there before you start another one."), "{output}");
        assert_eq!(code, Some(1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_run_is_printed_before_the_program_ends_if_there_is_nobody_to_ask() {
        let mut triggering = Triggering::start(Plan::never_ends(), SOON).await;
        triggering.process.stdin = None;
        triggering.asks();
        let (output, code) = triggering.end();
        assert!(
            output.contains("To resume the wait, keep this line:\n  adobe:nightly-orders/"),
            "{output}"
        );
        assert_eq!(code, Some(1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn progress_ends_quietly_if_nobody_reads_it_any_more() {
        let mut triggering = Triggering::start(Plan::succeeds().takes(9), Duration::ZERO).await;
        triggering.read_until("  adobe:nightly-orders/");
        let Triggering { fake: _fake, mut process, lines } = triggering;
        drop(lines);
        let mut errors = String::new();
        process.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((process.wait().unwrap().code(), &*errors), (Some(super::BROKEN_PIPE), ""));
    }
}
