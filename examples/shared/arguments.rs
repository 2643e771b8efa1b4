//! Reads the arguments of an example.

use std::process::exit;

use lexopt::{Arg, Parser};

use super::MISTAKE;
use super::output::{complain, say};

/// The arguments that are left. A wrong one ends the program with the usage.
pub(crate) struct Arguments {
    usage: &'static str,
    parser: Parser,
}

impl Arguments {
    pub(crate) fn new(usage: &'static str) -> Self {
        Self { usage, parser: Parser::from_env() }
    }

    /// The next argument; an option has its dashes. `--help` ends the program with the usage.
    pub(crate) fn take(&mut self) -> Option<String> {
        let argument = match self.parser.next() {
            Ok(argument) => argument?,
            Err(error) => self.refuse(&error.to_string()),
        };
        Some(match argument {
            Arg::Short('h') | Arg::Long("help") => {
                say!("{}", self.usage);
                exit(0)
            }
            Arg::Short(letter) => format!("-{letter}"),
            Arg::Long(name) => format!("--{name}"),
            Arg::Value(text) => match text.into_string() {
                Ok(text) => text,
                Err(text) => self.refuse(&format!("argument {} is not UTF-8", text.display())),
            },
        })
    }

    /// The value of the option that was taken last.
    pub(crate) fn value(&mut self, option: &str, what: &str) -> String {
        let value = self.parser.value().ok().and_then(|value| value.into_string().ok());
        match value {
            Some(value) if !value.is_empty() && !value.starts_with('-') => value,
            _ => self.refuse(&format!("option {option} needs {what}")),
        }
    }

    /// Keeps the only argument that is not an option. Refuses an option, and a second argument.
    pub(crate) fn only(&self, place: &mut Option<String>, argument: String) {
        match place {
            None if !argument.starts_with('-') && !argument.is_empty() => *place = Some(argument),
            _ => self.unknown(&argument),
        }
    }

    pub(crate) fn unknown(&self, argument: &str) -> ! {
        if argument.starts_with('-') {
            self.refuse(&format!("unknown option {argument}"));
        }
        self.refuse(&format!("unexpected argument {argument:?}"))
    }

    pub(crate) fn refuse(&self, why: &str) -> ! {
        complain!("{why}\n\n{}", self.usage);
        exit(MISTAKE.into())
    }
}

/// Reads the arguments of an example that has none but perhaps this one.
pub(crate) fn at_most_one(usage: &'static str) -> Option<String> {
    let (mut arguments, mut place) = (Arguments::new(usage), None);
    while let Some(argument) = arguments.take() {
        arguments.only(&mut place, argument);
    }
    place
}
