//! Prints for a person: no line is wider than the terminal, and the program ends quietly when nobody reads what it prints.

use std::io::{self, ErrorKind, Write};
use std::process::exit;

use console::Term;

/// Prints to stdout, as `println!` does.
macro_rules! say {
    ($($text:tt)*) => { $crate::shared::output::print_out(&format!($($text)*)) };
}

/// Prints to stderr, as `eprintln!` does.
macro_rules! complain {
    ($($text:tt)*) => { $crate::shared::output::print_err(&format!($($text)*)) };
}

pub(crate) use {complain, say};

/// What a shell reports for a program that the signal SIGPIPE ended.
const BROKEN_PIPE: i32 = 128 + 13;

pub(crate) fn print_out(text: &str) {
    print_raw(io::stdout(), &fitted(text, &Term::stdout()));
}

pub(crate) fn print_err(text: &str) {
    print_raw(io::stderr(), &fitted(text, &Term::stderr()));
}

fn fitted(text: &str, term: &Term) -> String {
    let width = columns(term);
    let lines: Vec<_> = text.split('\n').map(|line| wrapped(line.trim_end(), width)).collect();
    lines.join("\n")
}

/// Prints a line as it is, for programs that read it.
pub(crate) fn print_raw(mut stream: impl Write, line: &str) {
    if let Err(error) = stream.write_all(format!("{line}\n").as_bytes()) {
        exit(if error.kind() == ErrorKind::BrokenPipe { BROKEN_PIPE } else { 1 });
    }
}

/// A terminal that does not say how wide it is.
const UNKNOWN_WIDTH: usize = 60;

/// How many columns a line can have: as many as `COLUMNS` says, or the terminal. In a file there is no limit.
fn columns(term: &Term) -> usize {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    set.filter(|&columns| columns > 0).unwrap_or_else(|| match term.size_checked() {
        Some((_, columns)) => columns.into(),
        None if term.is_term() => UNKNOWN_WIDTH,
        None => usize::MAX,
    })
}

/// How many columns a line on stdout can have.
pub(crate) fn width() -> usize {
    columns(&Term::stdout())
}

/// Breaks a line between words. If it is the row of a table, its last column goes below. A word that is wider than the terminal
/// stays in one piece: it may be an id that somebody copies.
fn wrapped(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let body = line.trim_start();
    let indent = line.len() - body.len();
    if let Some((row, last)) = body.rsplit_once("  ") {
        let row = format!("{:indent$}{}", "", row.trim_end());
        return format!(
            "{}\n{}",
            wrapped(&row, width),
            filled(last.trim(), indent.min(4) + 4, width)
        );
    }
    filled(body, indent.min(6), width)
}

fn filled(text: &str, indent: usize, width: usize) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.iter().map(|line| format!("{:indent$}{line}", "")).collect::<Vec<_>>().join("\n")
}

/// Shortens a text to so many characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// Shortens a text to one line of a terminal: the target of some vendors is a whole query.
pub(crate) fn short(text: &str) -> String {
    shortened(text, width().saturating_sub(4).min(100))
}

pub(crate) fn heading(text: &str) {
    let text = shortened(text, width());
    say!("\n{text}\n{}", "─".repeat(text.chars().count()));
}
