//! From nodes to typed values: every wrong type, unknown key, missing key and bad choice is reported, and
//! reading goes on, so that all mistakes of a file come out at once (serde stops at its first).

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::diagnostic::Problems;
use super::node::{Entry, Node, NodeValue};
use super::suggest;
use super::text::Mark;
use crate::base::Span;

/// A value that can be read from a node. `name` is the key it stands under, for messages.
pub(super) trait FromNode: Sized {
    /// Reads, or reports what is wrong.
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self>;
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Located<T> {
    pub value: T,
    pub mark: Mark,
}

/// What a table has under one of its keys.
#[derive(Clone)]
pub(super) enum Field<T> {
    /// The key is not there.
    Absent,
    /// The key is there with a wrong value, which has been reported.
    Bad,
    /// The key with a good value.
    Good(Located<T>),
}

impl<T> Field<T> {
    /// The value, if good.
    pub fn get(&self) -> Option<&T> {
        self.located().map(|located| &located.value)
    }
    /// The value with its place, if good.
    pub fn located(&self) -> Option<&Located<T>> {
        match self {
            Self::Good(located) => Some(located),
            Self::Absent | Self::Bad => None,
        }
    }
    /// Whether the key is there at all.
    pub fn is_given(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

impl<T: Copy> Field<T> {
    /// The value or its default.
    pub fn or(&self, default: T) -> T {
        self.get().copied().unwrap_or(default)
    }
}

/// A map with a fixed set of keys, opened for reading.
pub(super) struct Table<'a> {
    entries: &'a [Entry],
    what: &'static str,
    mark: Mark,
}

impl<'a> Table<'a> {
    /// Opens `node` as a table, reporting every key that is not in `keys`.
    pub fn open(node: &'a Node, what: &'static str, keys: &[&str], problems: &mut Problems) -> Option<Self> {
        let table = Self::open_any(node, what, problems)?;
        for entry in table.entries.iter().filter(|entry| !keys.contains(&entry.key.as_str())) {
            // Far beyond what is shown, the search for the nearest key is in vain.
            let keys = if problems.is_full() { &[] } else { keys };
            let (message, help) = unknown_key(&entry.key, what, keys);
            problems.error(entry.key_mark, message, help);
        }
        Some(table)
    }

    /// Opens `node` as a table with free keys besides the fixed ones.
    pub fn open_any(node: &'a Node, what: &'static str, problems: &mut Problems) -> Option<Self> {
        let Some(entries) = node.entries() else {
            problems.error(
                node.mark,
                format!("{what} must be keys with values, this is {}", node.sort()),
                "write `key: value` pairs, one a line, indented",
            );
            return None;
        };
        Some(Self { entries, what, mark: node.mark })
    }

    /// Reads a key that may be missing.
    pub fn optional<T: FromNode>(&self, key: &str, problems: &mut Problems) -> Field<T> {
        let Some(entry) = self.entries.iter().find(|entry| entry.key == key) else { return Field::Absent };
        if matches!(entry.value.value, NodeValue::Null) {
            let help = "give it a value, or remove the key";
            problems.error(entry.key_mark, format!("`{key}` has no value"), help);
            return Field::Bad;
        }
        match T::from_node(&entry.value, key, problems) {
            Some(value) => Field::Good(Located { value, mark: entry.value.mark }),
            None => Field::Bad,
        }
    }

    /// Reads a key that must be there.
    pub fn required<T: FromNode>(&self, key: &str, problems: &mut Problems) -> Field<T> {
        let field = self.optional(key, problems);
        if matches!(field, Field::Absent) {
            problems.error(self.mark, format!("{} lacks `{key}`", self.what), format!("add `{key}:` to {}", self.what));
        }
        field
    }

    /// The entries whose keys are not in `keys`.
    pub fn others(&self, keys: &'a [&str]) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| !keys.contains(&entry.key.as_str()))
    }
}

fn unknown_key(key: &str, what: &str, keys: &[&str]) -> (String, String) {
    let message = format!("unknown key `{key}` in {what}");
    let help = match key {
        "<<" => "merge keys are not supported: write the keys out".to_owned(),
        "password" => "a password does not belong in this file: use `password_file` or `password_env`".to_owned(),
        _ => suggest::advice(key, keys, "remove it"),
    };
    (message, help)
}

fn wrong_type(node: &Node, name: &str, wanted: &str, help: &str, problems: &mut Problems) {
    problems.error(node.mark, format!("`{name}` must be {wanted}, this is {}", node.sort()), help);
}

/// User text as it may stand in a message: one line, not endless. Secrets are masked where messages are collected.
pub(super) fn quoted(text: &str) -> String {
    const MAX: usize = 60;
    let cut: String = text.chars().take(MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > MAX { format!("\"{cut}…\"") } else { format!("\"{cut}\"") }
}

impl FromNode for String {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            NodeValue::Text(text) if !text.trim().is_empty() => Some(text.clone()),
            NodeValue::Text(_) => {
                problems.error(node.mark, format!("`{name}` is empty"), "give it a value, or remove the key");
                None
            }
            NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Number(_) => {
                wrong_type(node, name, "text", "put it in quotes if it is meant as text", problems);
                None
            }
            _ => {
                wrong_type(node, name, "text", "write one value on this line", problems);
                None
            }
        }
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            NodeValue::Bool(value) => Some(*value),
            _ => {
                wrong_type(node, name, "`true` or `false`", "write true or false, without quotes", problems);
                None
            }
        }
    }
}

impl FromNode for u64 {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            NodeValue::Integer(value) if *value >= 0 => Self::try_from(*value).ok().or_else(|| {
                problems.error(node.mark, format!("`{name}` is too large"), "write a smaller number");
                None
            }),
            NodeValue::Integer(_) => {
                problems.error(node.mark, format!("`{name}` must not be negative"), "write a number from 0");
                None
            }
            NodeValue::Number(_) => {
                problems.error(node.mark, format!("`{name}` must be a whole number"), "write it without a fraction");
                None
            }
            _ => {
                wrong_type(node, name, "a whole number", number_help(node), problems);
                None
            }
        }
    }
}

impl FromNode for f64 {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        let value = match &node.value {
            NodeValue::Integer(value) => *value as Self,
            NodeValue::Number(value) => *value,
            _ => {
                wrong_type(node, name, "a number", number_help(node), problems);
                return None;
            }
        };
        if !value.is_finite() {
            problems.error(node.mark, format!("`{name}` must be a finite number"), "write a number such as 0.5");
            return None;
        }
        Some(value)
    }
}

fn number_help(node: &Node) -> &'static str {
    match &node.value {
        NodeValue::Text(text) if text.trim().parse::<f64>().is_ok() => "write the number without quotes",
        NodeValue::Text(text) if text.contains(',') => "write a fraction with a point: 0.5",
        _ => "write a number such as 2",
    }
}

impl FromNode for Span {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        const HELP: &str = "write a number and a unit (ms, s, m, h, d), such as 200ms or 3s";
        match &node.value {
            NodeValue::Text(text) => {
                text.parse().map_err(|why| problems.error(node.mark, format!("`{name}`: {why}"), HELP)).ok()
            }
            NodeValue::Integer(value) => {
                let help = format!("write the unit: {value}ms or {value}s");
                problems.error(node.mark, format!("`{name}` is no duration: a duration needs a unit"), help);
                None
            }
            _ => {
                wrong_type(node, name, "a duration", HELP, problems);
                None
            }
        }
    }
}

impl<const N: usize> FromNode for [f64; N] {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        let numbers = Vec::<Located<f64>>::from_node(node, name, problems)?;
        let count = match &node.value {
            NodeValue::List(items) => items.len(),
            _ => 0,
        };
        if count != N {
            problems.error(node.mark, format!("`{name}` takes {N} numbers, this has {count}"), "write [number, …]");
        }
        let numbers: Vec<f64> = numbers.into_iter().map(|number| number.value).collect();
        numbers.try_into().ok()
    }
}

impl<T: FromNode> FromNode for Vec<Located<T>> {
    /// Bad items are reported and left out; a list of nothing but bad items is bad, not empty.
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        let NodeValue::List(items) = &node.value else {
            let help = if node.entries().is_some() {
                "begin each item with `- `"
            } else {
                "write [a, b], or one `- ` line for each item"
            };
            wrong_type(node, name, "a list", help, problems);
            return None;
        };
        let read = |item: &Node| Some(Located { value: T::from_node(item, name, problems)?, mark: item.mark });
        let good: Self = items.iter().filter_map(read).collect();
        (!good.is_empty() || items.is_empty()).then_some(good)
    }
}

impl<T: FromNode> FromNode for BTreeMap<String, Located<T>> {
    /// Bad values are reported and left out, and nothing but bad values is bad; marks are those of the keys.
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        let Some(entries) = node.entries() else {
            wrong_type(node, name, "names with values", "write `name: {…}`", problems);
            return None;
        };
        let read = |entry: &Entry| {
            let value = T::from_node(&entry.value, &entry.key, problems)?;
            Some((entry.key.clone(), Located { value, mark: entry.key_mark }))
        };
        let good: Self = entries.iter().filter_map(read).collect();
        (!good.is_empty() || entries.is_empty()).then_some(good)
    }
}

/// A [`FromNode`] for an enum of fixed words.
pub(super) fn choice<T: Copy>(node: &Node, name: &str, words: &[(&str, T)], problems: &mut Problems) -> Option<T> {
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let NodeValue::Text(text) = &node.value else {
        let help = format!("write {}", known.first().unwrap_or(&name));
        wrong_type(node, name, &format!("one of {}", known.join(", ")), &help, problems);
        return None;
    };
    let found = words.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
    if found.is_none() {
        let message = format!("`{name}` cannot be {}", quoted(text));
        problems.error(node.mark, message, suggest::advice(text, &known, ""));
    }
    found
}

/// Declares a table of the pipeline file once: its struct, its reader and its JSON Schema.
///
/// ```text
/// table! {
///     /// What it is.
///     Store ("`store`") {
///         /// What the key means.
///         required path: String,
///         /// What the key means.
///         optional days: u64 = 30,
///     }
/// }
/// ```
macro_rules! table {
    (
        $(#[doc = $about:literal])+
        $name:ident ($what:literal) {
            $( $(#[doc = $doc:literal])+ $need:ident $field:ident: $type:ty $(= $default:expr)?, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone)]
        pub(in crate::config) struct $name {
            $( $(#[doc = $doc])+ pub $field: $crate::config::read::Field<$type>, )+
        }

        impl $name {
            /// The keys in the order of the reference.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($field)),+];
        }

        impl $crate::config::read::FromNode for $name {
            fn from_node(
                node: &$crate::config::node::Node,
                _name: &str,
                problems: &mut $crate::config::diagnostic::Problems,
            ) -> Option<Self> {
                let table = $crate::config::read::Table::open(node, $what, Self::KEYS, problems)?;
                Some(Self { $( $field: table.$need(stringify!($field), problems), )+ })
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut table = $crate::config::schema::TableSchema::new(concat!($($about),+));
                $(
                    #[allow(unused_mut, unused_assignments)]
                    let mut default: Option<serde_json::Value> = None;
                    $( default = Some(serde_json::json!($default)); )?
                    table.key(
                        stringify!($field),
                        generator.subschema_for::<$type>(),
                        concat!($($doc),+),
                        stringify!($need) == "required",
                        default,
                    );
                )+
                table.finish()
            }
        }
    };
}
pub(super) use table;

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}
