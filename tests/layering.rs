//! The source tree keeps its rules: layers, house limits, complete tables.
//!
//! The layers are read from the table in `src/lib.rs`, which is the one place that states them. Paths are
//! read from the text with comments and strings taken out, so a link in a doc comment is no dependency.
#![allow(clippy::unwrap_used, reason = "a test helper fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The longest source file, lines.
const LONGEST: usize = 600;
/// Crates that stay in some modules: name (or its beginning, with `*`), modules.
const CONFINED: [(&str, &[&str]); 11] = [
    ("csv", &["warehouse"]),
    ("gstreamer*", &["media", "source", "frame", "serve"]),
    ("gio", &["source"]),
    ("jsonschema", &["contract"]),
    ("libc", &["base"]),
    ("ort", &["infer"]),
    ("parquet", &["warehouse"]),
    ("quick_xml", &["document"]),
    ("rusqlite", &["sink", "store"]),
    ("tokio_postgres", &["sink"]),
    ("ureq", &["pull"]),
];
/// Where kinds live, and the type of a row of their table.
const TABLES: [(&str, &str, &str); 3] =
    [("rule", "Kind", "Rule"), ("sink", "SinkKind", "Sink"), ("infer/family", "Family", "")];

/// One source file.
struct Source {
    /// Relative to `src`, such as `rule/table.rs`.
    path: PathBuf,
    text: String,
    tokens: Vec<String>,
}

impl Source {
    /// The module's path within the crate: `rule/mod.rs` is `[rule]`, `rule/table.rs` is `[rule, table]`.
    fn module(&self) -> Vec<String> {
        let mut parts: Vec<String> =
            self.path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
            parts.pop();
        }
        parts
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let src = root().join("src");
    let mut paths = Vec::new();
    visit(&src, &mut paths);
    paths.sort();
    assert!(paths.len() > 50, "only {} files found", paths.len());
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let tokens = tokens(&text);
            Source { path: path.strip_prefix(&src).unwrap().to_owned(), text, tokens }
        })
        .collect()
}

/// Words, `::` and single punctuation marks; no comments, strings or characters.
fn tokens(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let is_word = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    let after = |from: usize, end: &str| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(b"//") {
            at = after(at, "\n");
        } else if rest.starts_with(b"/*") {
            // Block comments nest; ours do not, and a nested one would only leave words behind.
            at = after(at, "*/");
        } else if rest[0] == b'"' {
            at += 1;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at += 1;
        } else if rest.starts_with(b"'\\") {
            at = after(at + 3, "'");
        } else if rest[0] == b'\'' {
            // A character ends with a quote soon; a lifetime does not.
            let length = text[at + 1..].chars().next().map_or(0, char::len_utf8);
            at += if rest.get(1 + length) == Some(&b'\'') { length + 2 } else { 1 };
        } else if is_word(rest[0]) {
            let length = rest.iter().take_while(|byte| is_word(**byte)).count();
            let word = &text[at..at + length];
            at += length;
            let hashes = bytes[at..].iter().take_while(|byte| **byte == b'#').count();
            if matches!(word, "r" | "br" | "cr") && bytes.get(at + hashes) == Some(&b'"') {
                at = after(at + hashes + 1, &format!("\"{}", "#".repeat(hashes)));
            } else {
                found.push(word.to_owned());
            }
        } else if rest.starts_with(b"::") {
            found.push("::".to_owned());
            at += 2;
        } else {
            if rest[0].is_ascii_punctuation() {
                found.push(char::from(rest[0]).to_string());
            }
            at += 1;
        }
    }
    found
}

/// The first names of the paths that begin at the crate's root, `crate::x`, `crate::{x, y::z}` and
/// `super::…::x` alike.
fn uses_of_the_crate(source: &Source) -> BTreeSet<String> {
    let token = |at: usize| source.tokens.get(at).map_or("", String::as_str);
    let mut found = BTreeSet::new();
    // Modules within the file, by the depth of braces at which they end.
    let (mut depth, mut inner) = (0_usize, Vec::new());
    for at in 0..source.tokens.len() {
        match token(at) {
            "{" => {
                depth += 1;
                if at >= 2 && token(at - 2) == "mod" {
                    inner.push(depth);
                }
            }
            "}" => {
                if inner.last() == Some(&depth) {
                    inner.pop();
                }
                depth = depth.saturating_sub(1);
            }
            "crate" if token(at + 1) == "::" => first_names(&source.tokens[at + 2..], &mut found),
            "super" if at == 0 || token(at - 1) != "::" || token(at - 2) == "self" => {
                let mut end = at;
                while token(end) == "super" && token(end + 1) == "::" {
                    end += 2;
                }
                if (end - at) / 2 == source.module().len() + inner.len() {
                    first_names(&source.tokens[end..], &mut found);
                }
            }
            _ => {}
        }
    }
    found
}

fn first_names(tokens: &[String], found: &mut BTreeSet<String>) {
    if tokens.first().is_none_or(|first| first != "{") {
        found.extend(tokens.first().cloned());
        return;
    }
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            word if depth == 1 && matches!(tokens[at - 1].as_str(), "{" | ",") => {
                found.insert(word.to_owned());
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// Module to layer, from the rows `| 2 | [`config`], [`frame`] | … |`.
fn layers() -> BTreeMap<String, u32> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut layers = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("//! |")) {
        let mut cells = line.split('|').map(str::trim);
        let (Some(layer), Some(modules)) = (cells.next().and_then(|cell| cell.parse().ok()), cells.next()) else {
            continue;
        };
        for module in modules.split('`').skip(1).step_by(2) {
            assert_eq!(layers.insert(module.to_owned(), layer), None, "{module} stands twice in the table");
        }
    }
    layers
}

fn none(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn the_table_names_every_module_of_the_crate() {
    let lib = tokens(&fs::read_to_string(root().join("src/lib.rs")).unwrap());
    let declared: BTreeSet<&String> =
        lib.windows(3).filter(|w| w[0] == "mod" && w[2] == ";").map(|words| &words[1]).collect();
    let layers = layers();
    assert_eq!(declared, layers.keys().collect());
    assert!(layers["base"] < layers["scene"] && layers["pipeline"] < layers["cli"], "{layers:?}");
}

#[test]
fn a_module_uses_only_lower_layers() {
    let layers = layers();
    let (mut problems, mut edges) = (Vec::new(), BTreeSet::new());
    for source in sources() {
        let Some(from) = source.module().first().cloned() else { continue };
        let Some(own) = layers.get(&from) else { continue };
        for to in uses_of_the_crate(&source) {
            let allowed = to == from || layers.get(&to).is_some_and(|other| other < own);
            if !allowed {
                problems.push(format!("src/{}: {from} must not use {to}", source.path.display()));
            }
            edges.insert((from.clone(), to));
        }
    }
    none(&problems);
    // Edges that are there for certain: otherwise nothing was read.
    for (from, to) in [("pipeline", "config"), ("infer", "frame"), ("rule", "scene"), ("scene", "base")] {
        assert!(edges.contains(&(from.to_owned(), to.to_owned())), "{from} → {to} not seen in {edges:?}");
    }
}

#[test]
fn confined_crates_stay_where_they_belong() {
    let (mut problems, mut seen) = (Vec::new(), BTreeSet::new());
    for source in sources() {
        let from = source.module().first().cloned().unwrap_or_default();
        for (at, token) in source.tokens.iter().enumerate() {
            let text = |at: usize| source.tokens.get(at).map_or("", String::as_str);
            let before = if at == 0 { "" } else { text(at - 1) };
            // A crate's name is the beginning of a path, or all of `use name as`.
            if before == "::" || before == "." || (text(at + 1) != "::" && before != "use") {
                continue;
            }
            for (name, homes) in CONFINED {
                let is_it = name.strip_suffix('*').map_or(token == name, |start| token.starts_with(start));
                if is_it {
                    seen.insert(name);
                    if !homes.contains(&from.as_str()) {
                        problems.push(format!("src/{}: {token} belongs to {homes:?}", source.path.display()));
                    }
                }
            }
        }
    }
    none(&problems);
    assert_eq!(seen.len(), CONFINED.len(), "not seen at all: one of {CONFINED:?}");
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let mut problems = Vec::new();
    for source in sources() {
        let name = source.path.display();
        if !source.text.starts_with("//!") {
            problems.push(format!("src/{name} does not open with //!"));
        }
        let lines = source.text.lines().count();
        if lines > LONGEST {
            problems.push(format!("src/{name} has {lines} lines, more than {LONGEST}"));
        }
    }
    none(&problems);
}

/// `rustc` is silent about a file that no `mod` names; its rule or sink would just not exist.
#[test]
fn every_file_is_part_of_the_crate() {
    let sources = sources();
    let mut declared = BTreeSet::new();
    for source in &sources {
        for words in source.tokens.windows(3).filter(|words| words[0] == "mod" && words[2] == ";") {
            declared.insert([source.module(), vec![words[1].clone()]].concat());
        }
    }
    let problems: Vec<String> = sources
        .iter()
        .filter(|source| !["lib.rs", "main.rs"].iter().any(|root| source.path == Path::new(root)))
        .filter(|source| !declared.contains(&source.module()))
        .map(|source| format!("src/{}: no `mod` names it", source.path.display()))
        .collect();
    none(&problems);
}

#[test]
fn every_kind_is_in_its_table() {
    let sources = sources();
    let mut problems = Vec::new();
    for (folder, row, at_work) in TABLES {
        let files: Vec<&Source> = sources.iter().filter(|s| s.path.parent() == Some(Path::new(folder))).collect();
        let rows: BTreeSet<(String, String)> = files.iter().flat_map(|source| rows(&source.tokens)).collect();
        assert!(rows.len() >= 2, "the table of {folder} was not read: {rows:?}");
        for source in files {
            let module = source.module().pop().unwrap();
            let has = |words: &[&str]| source.tokens.windows(words.len()).any(|window| window == words);
            let constants: Vec<&String> = source
                .tokens
                .windows(4)
                .filter(|words| matches!(words[0].as_str(), "const" | "static") && words[2] == ":" && words[3] == row)
                .map(|words| &words[1])
                .collect();
            let name = source.path.display();
            if constants.is_empty() && !at_work.is_empty() && has(&["impl", at_work, "for"]) {
                problems.push(format!("src/{name}: a {at_work} without a {row} for the table"));
            }
            for constant in constants {
                if !rows.contains(&(module.clone(), constant.clone())) {
                    problems.push(format!("src/{name}: {module}::{constant} is not in the table"));
                }
            }
        }
    }
    none(&problems);
}

/// The rows `module::CONSTANT` of a file's `TABLE: &[…] = &[…];`, if it has one.
fn rows(tokens: &[String]) -> Vec<(String, String)> {
    let Some(start) = tokens.windows(2).position(|words| words[0] == "TABLE" && words[1] == ":") else {
        return Vec::new();
    };
    let statement: Vec<&String> = tokens[start..].iter().take_while(|token| *token != ";").collect();
    let value = statement.iter().position(|token| *token == "=").unwrap_or(statement.len());
    statement[value..]
        .windows(3)
        .filter(|words| words[1] == "::")
        .map(|words| (words[0].clone(), words[2].clone()))
        .collect()
}

/// A tracked file must not know on whose machine it was written.
#[test]
fn no_tracked_file_names_a_folder_of_somebodys_machine() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        eprintln!("skipped: no git, or no repository");
        return;
    };
    // Put together here, so that this file does not contain them.
    let mut folders: Vec<String> = ["root", "Users"].iter().map(|name| format!("/{name}/")).collect();
    // The user's own folder and the top folder of this checkout, unless every machine has one of that name.
    let common = ["home", "tmp", "usr", "opt", "var", "srv", "mnt", "run", "build", "data", "app", "src"];
    let top = root().iter().nth(1).and_then(|top| top.to_str()).filter(|top| !common.contains(top));
    folders.extend(top.map(|top| format!("/{top}/")));
    let own = std::env::var("HOME").ok().filter(|own| own.matches('/').count() > 1);
    folders.extend(own.map(|own| format!("{own}/")));
    let home = format!("/{}/", "home");
    let made_up = ["a", "user", "vantage", "me"];
    let begins_a_path = |text: &str, at: usize| {
        // Within a longer path (`docs/root/x`, a web address) it is another folder.
        !text[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '}' | ')'))
    };
    let mut problems = Vec::new();
    let names = String::from_utf8(listed.stdout).unwrap();
    for name in names.split_terminator('\0') {
        // Binary files and files deleted but not yet committed are not text.
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        for (number, line) in text.lines().enumerate() {
            let named = folders.iter().any(|folder| line.match_indices(folder).any(|(at, _)| begins_a_path(line, at)));
            let at_home = line.match_indices(&home).any(|(at, _)| {
                let user = line[at + home.len()..].split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
                begins_a_path(line, at) && !user.is_empty() && !made_up.contains(&user)
            });
            if named || at_home {
                problems.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    none(&problems);
}

#[test]
fn the_reader_of_tokens_knows_rust() {
    let text = r##"
        // crate::comment
        /* crate::block */ let a = "crate::\"string"; let b = r#"crate::"raw"#; let c = ('"', '\'', 'x'); fn f<'a>() {}
        use crate::{one, two::{three, four}, five as six};
        fn g() { crate::seven::h(); super::eight::i() }
        mod tests { use super::super::nine; use super::ten; }
    "##;
    let source = Source { path: "part.rs".into(), text: String::new(), tokens: tokens(text) };
    let found: Vec<String> = uses_of_the_crate(&source).into_iter().collect();
    assert_eq!(found, ["eight", "five", "nine", "one", "seven", "two"]);
}

/// Functions whose last bit the platform's library may round otherwise than the next machine's: glibc takes other
/// code where there is FMA. `sqrt` is exact everywhere.
const INEXACT: [&str; 24] = [
    "sin", "cos", "tan", "sin_cos", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "exp", "exp2", "exp_m1",
    "ln", "ln_1p", "log", "log2", "log10", "powf", "hypot", "cbrt", "gamma", "ln_gamma",
];

#[test]
fn rules_give_the_same_bits_on_every_machine() {
    let mut found = Vec::new();
    for source in sources() {
        if !(source.path.starts_with("rule") || source.path.starts_with("scene")) {
            continue;
        }
        for called in source.tokens.windows(3) {
            if let [dot, name, open] = called
                && (dot.as_str(), open.as_str()) == (".", "(")
                && INEXACT.contains(&name.as_str())
            {
                found.push(format!("{}: .{name}(", source.path.display()));
            }
        }
    }
    assert!(found.is_empty(), "take libm::… instead: {found:#?}");
}
