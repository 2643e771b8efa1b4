//! What calls cost, compared to the same calls written by hand: `cargo bench --bench calls`.
//!
//! Each case runs in a separate process against a server in this process, so that the work of the server is not counted.
//! valgrind, if it is installed, counts instructions: those of a process that makes n calls, minus those of a process that makes
//! none. The process itself counts allocations, including reallocations. Both figures are almost the same in each run; they
//! differ only by how the network splits the data. Times vary more, so they are printed as a ratio of medians.
//!
//! `-- check` measures only the figures that have a limit, and fails if one exceeds it.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a program for developers, which may panic"
)]

mod server;
mod shapes;
mod work;

use std::alloc::System;
use std::collections::VecDeque;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::thread;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tracing::subscriber::NoSubscriber;

use self::server::Site;
use self::shapes::Shape;
use self::work::{Cost, What, Who, Work};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["work", what, who, url, calls] = words[..] {
        // Dependencies of the tests make `tracing` write to `log` if there is no subscriber; few programs do that.
        tracing::subscriber::set_global_default(NoSubscriber::default()).unwrap();
        let calls = calls.parse().unwrap();
        let work = Work { what: named(what), who: Who::named(who), url: url.to_owned(), calls };
        let Cost { allocations, median_us } = work.run();
        println!("{allocations} {median_us}");
        return ExitCode::SUCCESS;
    }
    // Cargo passes `--bench`; without it this is a test run, which only checks that it compiles.
    if !words.contains(&"--bench") {
        return ExitCode::SUCCESS;
    }
    compare(words.contains(&"check"))
}

fn title(what: What) -> String {
    match what {
        What::List(shape) => shape.name().to_owned(),
        What::Full => "full".to_owned(),
        What::Status => "status".to_owned(),
        What::Core => "core".to_owned(),
        What::Bare => "bare".to_owned(),
    }
}

fn named(title_of: &str) -> What {
    let rest = [What::Full, What::Status, What::Core, What::Bare];
    let all = Shape::LISTS.map(What::List).into_iter().chain(rest);
    all.into_iter().find(|what| title(*what) == title_of).unwrap()
}

/// One case, and its figures.
#[derive(Clone, Debug)]
struct Case {
    what: What,
    who: Who,
    size: usize,
    /// Whether instructions are counted as well.
    counted: bool,
    instructions: Option<f64>,
    allocations: f64,
    median_us: f64,
}

fn cases(check: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |what, who: &[Who], sizes: &[usize], counted| {
        for size in sizes {
            for who in who {
                let (instructions, allocations, median_us) = (None, 0.0, 0.0);
                let who = *who;
                cases.push(Case {
                    what,
                    who,
                    size: *size,
                    counted,
                    instructions,
                    allocations,
                    median_us,
                });
            }
        }
    };
    let (adobe, arcgis) = (What::List(Shape::Adobe), What::List(Shape::ArcGis));
    if check {
        add(What::Full, &[Who::Reqwest, Who::Send, Who::Hyper], &[100], true);
        add(adobe, &[Who::Send], &[100], true);
        add(adobe, &[Who::Send], &[20], false);
        add(arcgis, &[Who::Reqwest, Who::Send], &[100], true);
        add(arcgis, &[Who::Send], &[20], false);
        for shape in [Shape::Foundry, Shape::Mode, Shape::Supermetrics] {
            add(What::List(shape), &[Who::Send], &[20, 100], false);
        }
    } else {
        let sizes = [1, 20, 100, 1000];
        add(What::Full, &[Who::Reqwest, Who::Send, Who::Hyper, Who::Value], &sizes, true);
        for shape in Shape::LISTS {
            add(What::List(shape), &Who::LIST, &sizes, true);
        }
        add(adobe, &[Who::Drift], &sizes, true);
    }
    add(What::Status, &[Who::Reqwest, Who::Send, Who::Hyper], &[1], true);
    add(What::Core, &[Who::Send], &[1], true);
    add(What::Bare, &[Who::Send], &[1], true);
    cases
}

fn compare(check: bool) -> ExitCode {
    let server = server::start();
    let mut cases = cases(check);
    for case in &mut cases {
        let counted = case.run(&server, None, if case.size > 100 { 60 } else { 300 });
        let mut numbers = counted.split_whitespace().map(|number| number.parse().unwrap());
        (case.allocations, case.median_us) = (numbers.next().unwrap(), numbers.next().unwrap());
    }
    let valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if valgrind {
        // Two at a time: other work on the machine does not change the number of instructions.
        let (todo, done) = (Mutex::new(VecDeque::from(cases)), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let Some(mut case) = todo.lock().unwrap().pop_front() else { break };
                        if case.counted {
                            case.count(&server);
                        }
                        done.lock().unwrap().push(case);
                    }
                });
            }
        });
        cases = done.into_inner().unwrap();
    } else {
        println!("skipped: counting instructions (no valgrind here)");
    }
    print(&cases);
    if figures(&cases) || !check { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Case {
    /// The output of a process that makes these calls; with `under`, the output of valgrind.
    fn run(&self, server: &str, under: Option<&[&str]>, calls: usize) -> String {
        let shape = match self.what {
            What::List(shape) => shape,
            What::Full => Shape::Adobe,
            What::Status | What::Core | What::Bare => Shape::Status,
        };
        let url = Site { shape, size: self.size, total: self.size, delay: 0 }.url(server);
        let this = std::env::current_exe().unwrap();
        let mut command = match under {
            Some(words) => {
                let mut command = Command::new(words[0]);
                command.args(&words[1..]).arg(this);
                command
            }
            None => Command::new(this),
        };
        let (what, who) = (title(self.what), format!("{:?}", self.who));
        let command = command.args(["work", &what, &who, &url, &calls.to_string()]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let (printed, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{what} {who} {}: {error}", self.size);
        if under.is_some() { error.into_owned() } else { printed.into_owned() }
    }

    fn count(&mut self, server: &str) {
        let words = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
        let collected = |calls| -> f64 {
            let text = self.run(server, Some(&words), calls);
            let (_, number) = text.split_once("Collected : ").unwrap();
            number.split_whitespace().next().unwrap().parse().unwrap()
        };
        let calls = match self.size {
            0..=20 => 50,
            21..=100 => 20,
            _ => 5,
        };
        self.instructions = Some((collected(calls) - collected(0)) / calls as f64);
    }
}

fn find(cases: &[Case], what: What, who: Who, size: usize) -> &Case {
    cases.iter().find(|case| (case.what, case.who, case.size) == (what, who, size)).unwrap()
}

fn print(cases: &[Case]) {
    println!(
        "\n{:<13} {:>5}  {:<8} {:>12} {:>6}  {:>9} {:>6}  {:>6}",
        "what", "runs", "who", "instructions", "ratio", "allocs", "ratio", "time"
    );
    let mut cases: Vec<&Case> = cases.iter().collect();
    let order = |case: &&Case| (title(case.what), case.size, case.who as u8);
    cases.sort_by_key(order);
    for case in &cases {
        let base = cases
            .iter()
            .find(|base| (base.what, base.who, base.size) == (case.what, Who::Reqwest, case.size));
        let base = base.unwrap_or(case);
        let (count, ratio) = match (case.instructions, base.instructions) {
            (Some(count), Some(base)) => (format!("{count:.0}"), format!("{:.2}", count / base)),
            _ => ("-".to_owned(), "-".to_owned()),
        };
        println!(
            "{:<13} {:>5}  {:<8} {count:>12} {ratio:>6}  {:>9.1} {:>6.2}  {:>6.2}",
            title(case.what),
            case.size,
            format!("{:?}", case.who).to_lowercase(),
            case.allocations,
            case.allocations / base.allocations,
            case.median_us / base.median_us,
        );
    }
}

/// Prints the figures that have a limit. Returns whether all are within their limits, which leave a few per cent for another
/// compiler and another network.
fn figures(cases: &[Case]) -> bool {
    let mut within = true;
    let mut show = |name: &str, figure: Option<f64>, bound: f64, digits: usize| {
        let Some(figure) = figure else {
            println!("{name:<68} skipped");
            return;
        };
        let word = if figure <= bound { "" } else { "  EXCEEDED" };
        within &= figure <= bound;
        println!("{name:<68} {figure:>9.digits$}, limit {bound}{word}");
    };
    let counted = |what, who, size| find(cases, what, who, size).instructions;
    let ratio = |one: Option<f64>, other: Option<f64>| Some(one? / other?);
    let (by_hand, full) =
        (counted(What::Full, Who::Reqwest, 100), counted(What::Full, Who::Send, 100));
    let lean = counted(What::List(Shape::Adobe), Who::Send, 100);
    let hyper = counted(What::Full, Who::Hyper, 100);
    let arcgis = |who| counted(What::List(Shape::ArcGis), who, 100);
    let status = |who| counted(What::Status, who, 1);
    let alone = |what| counted(what, Who::Send, 1);
    let net = alone(What::Core).and_then(|core| Some(core - alone(What::Bare)?));
    println!();
    show("100 runs with all members, compared to reqwest", ratio(full, by_hand), 0.93, 3);
    show(
        "100 runs as this crate's type, compared to all members with reqwest",
        ratio(lean, by_hand),
        0.60,
        3,
    );
    show("100 runs with all members, compared to hyper", ratio(full, hyper), 1.0, 3);
    show(
        "100 ArcGIS runs, compared to reqwest",
        ratio(arcgis(Who::Send), arcgis(Who::Reqwest)),
        0.93,
        3,
    );
    show("one poll, compared to reqwest", ratio(status(Who::Send), status(Who::Reqwest)), 0.975, 3);
    show("instructions of a call for limits, retries, redaction", net, 4300.0, 0);
    let allocations = [
        (Shape::Adobe, 1.1, 74.0),
        (Shape::ArcGis, 11.1, 73.0),
        (Shape::Foundry, 7.1, 65.0),
        (Shape::Mode, 4.1, 68.0),
        (Shape::Supermetrics, 3.1, 75.0),
    ];
    for (shape, most_each, most_besides) in allocations {
        let count = |size| find(cases, What::List(shape), Who::Send, size).allocations;
        let each = (count(100) - count(20)) / 80.0;
        let name = shape.name();
        show(&format!("{name}: allocations per run of a list"), Some(each), most_each, 2);
        let besides = count(20) - 20.0 * each;
        show(&format!("{name}: other allocations of a call"), Some(besides), most_besides, 1);
    }
    within
}
