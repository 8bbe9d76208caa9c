//! The YAML text as a tree in which every key and value knows its place in the file.
//!
//! Nothing is interpreted here beyond YAML's own scalars, so that one wrong value does not hide the next.
//! Limits keep a hostile file from taking memory or time: see [`MAX_BYTES`] and the budget in [`parse`].

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, MergeKeyPolicy, NonFiniteFloatPolicy, Spanned};

use super::diagnostic::Problems;
use super::text::{Mark, SourceText};

/// The largest pipeline file.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// The deepest nesting.
const MAX_DEPTH: usize = 32;
/// The most keys and values.
const MAX_NODES: usize = 200_000;
/// The most keys and values that aliases may repeat.
const MAX_REPEATED: usize = 50_000;

/// A value and its place.
#[derive(Clone)]
pub(super) struct Node {
    pub mark: Mark,
    pub value: NodeValue,
}

/// A YAML value.
#[derive(Clone)]
pub(super) enum NodeValue {
    Null,
    Bool(bool),
    Integer(i128),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    /// In file order; a repeated key stays repeated.
    Map(Vec<Entry>),
}

/// A key of a map and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub key: String,
    pub key_mark: Mark,
    pub value: Node,
}

impl Node {
    /// What it is, for "must be X, found Y".
    pub fn sort(&self) -> &'static str {
        match &self.value {
            NodeValue::Null => "nothing",
            NodeValue::Bool(_) => "a truth value",
            NodeValue::Integer(_) | NodeValue::Number(_) => "a number",
            NodeValue::Text(_) => "text",
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "keys with values",
        }
    }

    /// The entries of a map.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            NodeValue::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// As JSON; not-a-number and infinity become null.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.value {
            NodeValue::Null => Value::Null,
            NodeValue::Bool(value) => Value::Bool(*value),
            NodeValue::Integer(value) => i64::try_from(*value).map_or_else(|_| Value::from(*value as f64), Value::from),
            NodeValue::Number(value) => Value::from(*value),
            NodeValue::Text(text) => Value::String(text.clone()),
            NodeValue::List(items) => items.iter().map(Self::to_json).collect(),
            NodeValue::Map(entries) => {
                Value::Object(entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect())
            }
        }
    }
}

/// Parses one YAML document, reporting a syntax error or a passed limit, and every repeated key.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        emit_comments: false,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPEATED },
    };
    let parsed: Result<Spanned<NodeValue>, _> = serde_saphyr::from_str_with_options(text, options);
    match parsed {
        Ok(spanned) => {
            let root = Node::from(spanned);
            refuse_repeated_keys(&root, problems);
            Some(root)
        }
        Err(error) => {
            let mark = error.location().map_or_else(Mark::default, |at| mark_of(&at, Some(problems.source())));
            let (message, help) = explain(&error);
            problems.error(mark, message, help);
            None
        }
    }
}

/// A parser error in our words where its own would not help.
fn explain(error: &serde_saphyr::Error) -> (String, String) {
    use serde_saphyr::Error as E;
    let error = error.without_snippet();
    if let E::AliasError { error, .. } = error {
        return explain(error);
    }
    let too_deep = || {
        let message =
            format!("the file is nested too deeply or holds too much: {MAX_DEPTH} levels, {MAX_NODES} values");
        (message, "check its brackets, or split it into several pipelines")
    };
    let (message, help) = match error {
        E::Budget { .. } => too_deep(),
        E::AliasReplayLimitExceeded { .. } | E::AliasReplayStackDepthExceeded { .. } => (
            format!("the aliases (`*name`) repeat more than {MAX_REPEATED} values"),
            "write the repeated part out, or split the file",
        ),
        E::RecursiveReferencesRequireWeakTypes { .. } => {
            ("an alias (`*name`) stands within its own anchor (`&name`)".to_owned(), "write the value out")
        }
        E::UnknownAnchor { .. } => (
            "this alias (`*name`) refers to an anchor (`&name`) that is not above it".to_owned(),
            "quote the text if it merely begins with `*`",
        ),
        E::MultipleDocuments { .. } => {
            ("a second YAML document begins here".to_owned(), "one file holds one pipeline: remove the `---`")
        }
        // The parser's own limit on brackets within brackets has no variant of its own.
        other if other.to_string().contains("recursion limit") => too_deep(),
        other => {
            let text = other.to_string();
            // The place is shown by the excerpt.
            let message = text.split(" at line ").next().unwrap_or_default().to_owned();
            let help = if message.contains("bracket") || message.contains("quote") {
                "close it, or quote the text if it is meant as it stands"
            } else {
                "check the indentation (spaces, not tabs) and quote text that holds `: `, `#`, `@` or `*`"
            };
            return (format!("this is not valid YAML: {message}"), help.to_owned());
        }
    };
    (message, help.to_owned())
}

fn refuse_repeated_keys(node: &Node, problems: &mut Problems) {
    match &node.value {
        NodeValue::List(items) => items.iter().for_each(|item| refuse_repeated_keys(item, problems)),
        NodeValue::Map(entries) => {
            let mut seen: HashMap<&str, Mark> = HashMap::new();
            for entry in entries {
                if let Some(first) = seen.get(entry.key.as_str()) {
                    let message = format!("the key `{}` is given twice", entry.key);
                    problems.clash(entry.key_mark, message, "remove one of them", (*first, "first given here"));
                } else {
                    seen.insert(&entry.key, entry.key_mark);
                }
                refuse_repeated_keys(&entry.value, problems);
            }
        }
        _ => {}
    }
}

/// Byte range of a parser location; syntax errors carry only line and column, which `source` resolves.
fn mark_of(location: &Location, source: Option<&SourceText>) -> Mark {
    let span = location.span();
    match (span.byte_offset(), span.byte_len()) {
        (Some(offset), Some(len)) => Mark { offset: offset as usize, len: len as usize },
        _ => {
            let (line, column) = (location.line() as usize, location.column() as usize);
            Mark { offset: source.map_or(0, |source| source.offset(line, column)), len: 0 }
        }
    }
}

impl From<Spanned<NodeValue>> for Node {
    fn from(spanned: Spanned<NodeValue>) -> Self {
        // Where the text stands, not where an alias repeats it: the text is what has to change.
        let mark = match &spanned.value {
            // The parser marks a block map somewhere in its first line; its first key is what people see as its place.
            NodeValue::Map(entries) if !entries.is_empty() => {
                entries.first().map(|entry| entry.key_mark).unwrap_or_default()
            }
            _ => mark_of(&spanned.defined, None),
        };
        Self { mark, value: spanned.value }
    }
}

impl<'de> Deserialize<'de> for NodeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = NodeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E>(self) -> Result<NodeValue, E> {
        Ok(NodeValue::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<NodeValue, E> {
        Ok(NodeValue::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<NodeValue, E> {
        Ok(NodeValue::Integer(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<NodeValue, E> {
        Ok(NodeValue::Integer(value.into()))
    }
    fn visit_i128<E>(self, value: i128) -> Result<NodeValue, E> {
        Ok(NodeValue::Integer(value))
    }
    fn visit_u128<E>(self, value: u128) -> Result<NodeValue, E> {
        Ok(i128::try_from(value).map_or(NodeValue::Number(value as f64), NodeValue::Integer))
    }
    fn visit_f64<E>(self, value: f64) -> Result<NodeValue, E> {
        Ok(NodeValue::Number(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<NodeValue, E> {
        Ok(NodeValue::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<NodeValue, E> {
        Ok(NodeValue::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<NodeValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<NodeValue>>()? {
            items.push(item.into());
        }
        Ok(NodeValue::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NodeValue, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<NodeValue>>()? {
            let key_mark = mark_of(&key.defined, None);
            let mut value = Node::from(value);
            // An empty value (`zones:`) has no text of its own: its key stands for it.
            if matches!(value.value, NodeValue::Null) && value.mark.len == 0 {
                value.mark = key_mark;
            }
            entries.push(Entry { key: key.value, key_mark, value });
        }
        Ok(NodeValue::Map(entries))
    }
}
