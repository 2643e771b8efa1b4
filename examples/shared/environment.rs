//! Environment variables that name an account. A variable that is empty counts as not set.

use scheduled_runs::{Error, ErrorKind, Result};

/// The values of the variables that name an account; `None` if none is set. An account that is named by halves is an error.
///
/// `also` must be set too. `optional` are variables that nobody sets who wants the fake.
pub(crate) fn account<const N: usize>(
    names: [&str; N],
    also: &[&str],
    optional: &[&str],
) -> Result<Option<[String; N]>> {
    let is_set = |name: &&str| variable(name).is_some();
    let required = || names.iter().chain(also).copied();
    let set: Vec<_> = required().chain(optional.iter().copied()).filter(is_set).collect();
    if set.is_empty() {
        return Ok(None);
    }
    let missing: Vec<_> = required().filter(|name| !is_set(name)).collect();
    if missing.is_empty() {
        return Ok(Some(names.map(|name| variable(name).unwrap_or_default())));
    }
    let (missing, set) = (list(&missing), list(&set));
    let message = format!("also set {missing}, or unset {set} to use the fake");
    Err(Error::new(ErrorKind::Config, message))
}

pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `A`, `A and B`, `A, B and C`.
pub(crate) fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [name] => (*name).to_owned(),
        [names @ .., last] => format!("{} and {last}", names.join(", ")),
    }
}
