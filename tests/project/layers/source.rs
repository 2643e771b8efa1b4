//! Reads Rust source: which file imports what, and in which file that is defined. Comments, string literals and
//! `#[cfg(test)]` items do not count.

use std::collections::{BTreeMap, BTreeSet};

/// A word, an operator, or a literal with its quotes.
#[derive(Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// A name in a file that is defined elsewhere: in a `use`, or in a path such as `crate::client::Client`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) origin: Origin,
    /// Whether it is a `pub use`.
    pub(crate) reexport: bool,
}

/// Where a name is defined.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A file of this crate, with its path below `src/`.
    File(String),
    /// Another crate. Local types and the like come here as well.
    Other(String),
    /// Unknown: `use …::*`.
    Glob,
}

/// What the source files contain.
pub(crate) struct Source<'a> {
    /// By path: `crate::client::link`.
    modules: BTreeMap<String, Module>,
    paths: Vec<Path<'a>>,
}

#[derive(Default)]
struct Module {
    file: String,
    /// What `use` brings into the module, and macros that it defines: the path behind each name.
    names: BTreeMap<String, Vec<String>>,
}

/// A path, where it was found.
struct Path<'a> {
    module: String,
    segments: Vec<&'a str>,
    line: usize,
    reexport: bool,
}

impl<'a> Source<'a> {
    /// Reads files, given by their paths below `src/`.
    pub(crate) fn read(files: &'a BTreeMap<String, String>) -> Self {
        let mut source = Self { modules: BTreeMap::new(), paths: Vec::new() };
        for (file, text) in files {
            source.read_file(file, &code(text));
        }
        source
    }

    fn read_file(&mut self, file: &str, tokens: &[Token<'a>]) {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
        let path = file.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
        let mut module = if path == "lib" { "crate".to_owned() } else { format!("crate::{path}") };
        file.clone_into(&mut self.modules.entry(module.clone()).or_default().file);
        let mut depth = 0; // of braces
        let mut inline_modules = Vec::new(); // each with the depth around it, and the module around it
        let mut public = false;
        let mut at = 0;
        while at < tokens.len() {
            match (text(at), text(at + 1)) {
                ("pub", next) => {
                    public = true;
                    at = if next == "(" { closing(tokens, at + 1) + 1 } else { at + 1 };
                    continue;
                }
                ("{", _) => depth += 1,
                ("}", _) => {
                    depth -= 1;
                    if let Some((_, outer)) = inline_modules.pop_if(|(around, _)| *around == depth)
                    {
                        module = outer;
                    }
                }
                ("mod", name) if text(at + 2) == "{" => {
                    let inner = format!("{module}::{name}");
                    file.clone_into(&mut self.modules.entry(inner.clone()).or_default().file);
                    inline_modules.push((depth, std::mem::replace(&mut module, inner)));
                }
                ("macro_rules", "!") => {
                    let path: Vec<&str> = module.split("::").chain([text(at + 2)]).collect();
                    self.define(&module, text(at + 2), &path);
                    self.define("crate", text(at + 2), &path); // in case it is exported
                }
                ("use", next) if next != "<" => {
                    let mut leaves = Vec::new();
                    at = use_tree(tokens, at + 1, &[], &mut leaves);
                    for Leaf { path: segments, name, line } in leaves {
                        self.define(&module, name, &segments);
                        let module = module.clone();
                        self.paths.push(Path { module, segments, line, reexport: public });
                    }
                }
                (first, "::") if is_path_start(tokens, at) => {
                    let mut segments = vec![first];
                    while text(at + 1) == "::" && is_word(text(at + 2)) {
                        segments.push(text(at + 2));
                        at += 2;
                    }
                    let (module, line) = (module.clone(), tokens[at].line);
                    self.paths.push(Path { module, segments, line, reexport: false });
                }
                _ => {}
            }
            public = false;
            at += 1;
        }
    }

    fn define(&mut self, module: &str, name: &str, path: &[&str]) {
        let names = &mut self.modules.entry(module.to_owned()).or_default().names;
        // In `use serde;` the first segment is another crate, and not the name that is defined.
        let other_crate = (path.first() == Some(&name)).then_some("");
        let path = other_crate.into_iter().chain(path.iter().copied()).map(str::to_owned).collect();
        // A macro that is exported and then used by its path keeps the place where it is written.
        names.entry(name.to_owned()).or_insert(path);
    }

    /// What each file imports, with the file that defines it: re-exports are followed.
    pub(crate) fn imports(&self) -> BTreeSet<Import> {
        let import = |path: &Path<'_>| {
            let Path { module, segments, line, reexport } = path;
            let file = self.modules.get(module)?.file.clone();
            let origin = match segments.last() {
                Some(&"*") => Origin::Glob,
                _ => self.origin(module, segments)?,
            };
            let own = origin == Origin::File(file.clone());
            (!own).then_some(Import { file, line: *line, origin, reexport: *reexport })
        };
        self.paths.iter().filter_map(import).collect()
    }

    /// Where the path, seen from the module, leads.
    fn origin(&self, module: &str, path: &[&str]) -> Option<Origin> {
        let (mut module, mut rest) = match path {
            ["", name, ..] => return Some(Origin::Other((*name).to_owned())),
            ["crate", after @ ..] => ("crate", after),
            ["self", after @ ..] => (module, after),
            ["super", ..] => (module, path),
            [name, ..] if self.knows(module, name) => (module, path),
            [name, ..] => return Some(Origin::Other((*name).to_owned())),
            [] => return None,
        };
        while let ["super", after @ ..] = rest {
            (module, rest) = (module.rsplit_once("::")?.0, after);
        }
        let mut here = module.to_owned();
        while let [name, after @ ..] = rest {
            let child = format!("{here}::{name}");
            if self.modules.contains_key(&child) {
                (here, rest) = (child, after);
                continue;
            }
            match self.modules.get(&here)?.names.get(*name) {
                Some(path) if path.join("::") != child => {
                    let path = path.iter().map(String::as_str).chain(after.iter().copied());
                    return self.origin(&here, &path.collect::<Vec<_>>());
                }
                _ => break, // an item of this module
            }
        }
        Some(Origin::File(self.modules.get(&here)?.file.clone()))
    }

    fn knows(&self, module: &str, name: &str) -> bool {
        self.modules.contains_key(&format!("{module}::{name}"))
            || self.modules.get(module).is_some_and(|module| module.names.contains_key(name))
    }
}

/// One name that a `use` defines.
struct Leaf<'a> {
    path: Vec<&'a str>,
    name: &'a str,
    line: usize,
}

/// Splits `a::{b as c, d::e}` into single names, and returns where it ends.
fn use_tree<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    before: &[&'a str],
    leaves: &mut Vec<Leaf<'a>>,
) -> usize {
    let mut path = before.to_vec();
    let mut whole = false; // `a::{self}` is `a`
    while let Some(&Token { text, line }) = tokens.get(at) {
        match text {
            "::" if path.is_empty() => path.push(""),
            "::" => {}
            "{" => {
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = use_tree(tokens, at + 1, &path, leaves);
                }
                return at + 1;
            }
            "as" => {
                let name = tokens.get(at + 1).map_or("_", |token| token.text);
                leaves.push(Leaf { path, name, line });
                return at + 2;
            }
            "," | "}" | ";" => {
                if whole || path.len() > before.len() {
                    let name = path.last().copied().unwrap_or("_");
                    leaves.push(Leaf { path, name, line: tokens[at - 1].line });
                }
                return at;
            }
            "self" if !path.is_empty() => whole = true,
            part => path.push(part),
        }
        at += 1;
    }
    at
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Whether a path starts at this word. It does not after `::`, and not at a `$variable` of a macro.
fn is_path_start(tokens: &[Token<'_>], at: usize) -> bool {
    let before =
        |by: usize| at.checked_sub(by).and_then(|at| tokens.get(at)).map_or("", |token| token.text);
    let after_path = is_word(before(2)) || before(2) == ">";
    is_word(tokens[at].text) && before(1) != "$" && (before(1) != "::" || !after_path)
}

/// The code of a file: no comments, no `#[cfg(test)]` items.
pub(crate) fn code(text: &str) -> Vec<Token<'_>> {
    let all = tokens(text);
    let mut kept = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
        if all[at..].iter().map(|token| token.text).take(attribute.len()).eq(attribute) {
            at = item_end(&all, at + attribute.len());
        } else {
            kept.push(all[at]);
            at += 1;
        }
    }
    kept
}

/// Where the item ends that starts here, with its attributes.
fn item_end(tokens: &[Token<'_>], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text {
            "(" | "[" => at = closing(tokens, at),
            "{" => return closing(tokens, at) + 1,
            ";" => return at + 1,
            "}" => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Where the bracket is that closes the one here.
fn closing(tokens: &[Token<'_>], from: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (piece, after) = rest.split_at(length(rest));
        let is_comment = piece.starts_with("//") || piece.starts_with("/*");
        let is_dollar = piece == "$" && after.starts_with("crate"); // `$crate` is `crate`
        if !is_comment && !is_dollar && !first.is_whitespace() {
            tokens.push(Token { text: piece, line });
        }
        line += piece.matches('\n').count();
        rest = after;
    }
    tokens
}

/// The length in bytes of the comment, literal, word or operator at the start.
fn length(rest: &str) -> usize {
    let up_to = |end: &str, from: usize| {
        rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len())
    };
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let prefix = if matches!(&rest[..word], "" | "b" | "c" | "r" | "br" | "cr") { word } else { 0 };
    let hashes = rest[prefix..].len() - rest[prefix..].trim_start_matches('#').len();
    let raw = rest[..prefix].ends_with('r');
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        comment(rest)
    } else if raw && rest[prefix + hashes..].starts_with('"') {
        up_to(&format!("\"{}", "#".repeat(hashes)), prefix + hashes + 1)
    } else if rest[prefix..].starts_with('"') {
        quoted(rest, prefix + 1, '"')
    } else if rest[prefix..].starts_with('\'') && is_character(&rest[prefix + 1..]) {
        quoted(rest, prefix + 1, '\'')
    } else if word > 0 {
        word
    } else if rest.starts_with("::") {
        2
    } else {
        rest.chars().next().map_or(0, char::len_utf8)
    }
}

/// Whether a quote starts a character such as `'a'`, not a lifetime such as `'a`.
fn is_character(rest: &str) -> bool {
    rest.starts_with('\\') || rest.chars().nth(1) == Some('\'')
}

fn quoted(rest: &str, from: usize, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip_while(|(at, _)| *at < from) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a block comment, which may hold others.
fn comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}
