//! The managed file: what the page draws and sets, beside the pipeline file, which is never rewritten.
//!
//! `site.yaml` has `site.managed.yaml` beside it. For a camera that it names, its `zones`, `lines`, `lanes`, `masks`,
//! `calibration` and `rules` stand instead of the pipeline file's (a `calibration` of `null`: the camera has none);
//! everything else is the pipeline file's alone. The two are put together
//! before anything is checked, so the same checks hold for both; mistakes in the managed file are told as if it stood at
//! the end of the pipeline file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::diagnostic::Problems;
use super::node::{self, Entry, Node, NodeValue};
use super::text::SourceText;

/// What the managed file may hold of a camera.
pub const MANAGED_KEYS: [&str; 6] = ["zones", "lines", "lanes", "masks", "calibration", "rules"];

/// Where the managed file of a pipeline file is.
#[must_use]
pub fn managed_path(pipeline: &Path) -> PathBuf {
    pipeline.with_extension("managed.yaml")
}

/// The managed parts of cameras, by camera and key, as JSON.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Managed(pub BTreeMap<String, Map<String, Value>>);

/// A managed file's text, with the field that each of its lines holds, such as `zones[1]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedText {
    /// The text.
    pub text: String,
    /// Camera and field by line, from 1.
    fields: BTreeMap<usize, (String, String)>,
}

impl ManagedText {
    /// The camera and field of a line of the text, from 1.
    #[must_use]
    pub fn field(&self, line: usize) -> Option<&(String, String)> {
        self.fields.range(..=line).next_back().map(|(_, field)| field)
    }
}

impl Managed {
    /// Reads a managed file's text.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut problems = Problems::new(SourceText::new("managed", text));
        let root = node::parse(text, &mut problems);
        problems.finish().map_err(|report| report.render(false))?;
        let cameras = root.map(|root| root.to_json()).and_then(|json| json.get("cameras").cloned());
        let mut managed = Self::default();
        for camera in cameras.as_ref().and_then(Value::as_array).into_iter().flatten() {
            let id = camera.get("id").and_then(Value::as_str).ok_or("a managed camera has no id")?;
            let parts =
                camera.as_object().into_iter().flatten().filter(|(key, _)| MANAGED_KEYS.contains(&key.as_str()));
            managed.0.insert(id.to_owned(), parts.map(|(key, value)| (key.clone(), value.clone())).collect());
        }
        Ok(managed)
    }

    /// The text of the file: YAML whose items are JSON, one a line, so that two versions can be compared.
    #[must_use]
    pub fn write(&self) -> ManagedText {
        let mut text = String::from(
            "# Written by Vantage's page; it stands instead of the pipeline file's own keys. Edits by hand are kept, comments are not.\n\
             version: 1\ncameras:\n",
        );
        let mut fields = BTreeMap::new();
        let mut line = 3;
        let mut put = |text: &mut String, written: String, field: Option<(&str, String)>| {
            line += 1;
            text.push_str(&written);
            text.push('\n');
            if let Some((camera, field)) = field {
                fields.insert(line, (camera.to_owned(), field));
            }
        };
        for (camera, parts) in &self.0 {
            put(&mut text, format!("  - id: {}", Value::from(camera.as_str())), Some((camera, String::new())));
            for (key, value) in parts {
                let Some(items) = value.as_array() else {
                    put(&mut text, format!("    {key}: {value}"), Some((camera, key.clone())));
                    continue;
                };
                let empty = if items.is_empty() { " []" } else { "" };
                put(&mut text, format!("    {key}:{empty}"), Some((camera, key.clone())));
                for (index, item) in items.iter().enumerate() {
                    put(&mut text, format!("      - {item}"), Some((camera, format!("{key}[{index}]"))));
                }
            }
        }
        if self.0.is_empty() {
            text.truncate(text.len() - "cameras:\n".len());
            text.push_str("cameras: []\n");
        }
        ManagedText { text, fields }
    }
}

/// `text` with the managed text after it, as messages show it, and the managed text with as much blank before it as
/// `text` is long, so that its places are those of the whole.
pub(super) fn append(text: &str, managed: &str) -> (String, String) {
    let mut shown = text.to_owned();
    if !shown.ends_with('\n') {
        shown.push('\n');
    }
    let blank: String = shown.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    shown.push_str(managed);
    (shown, blank + managed)
}

/// Puts the managed parts into the document. `padded` is [`append`]'s.
pub(super) fn merge(root: &mut Node, padded: &str, problems: &mut Problems) {
    let Some(mut managed) = node::parse(padded, problems) else { return };
    for part in list(&mut managed, "cameras") {
        let Some(id) = text_of(part, "id").map(str::to_owned) else {
            problems.error(part.mark, "this managed camera has no `id`", "remove it, or give it the camera's id");
            continue;
        };
        let NodeValue::Map(entries) = &mut part.value else { continue };
        let (mark, entries) = (part.mark, std::mem::take(entries));
        let Some(camera) = list(root, "cameras").find(|camera| text_of(camera, "id") == Some(&id)) else {
            let message = format!("the managed file has a part for camera {id}, which there is not");
            problems.warning(mark, message, "remove it there, or leave it for the day that the camera comes back");
            continue;
        };
        for entry in entries.into_iter().filter(|entry| entry.key != "id") {
            if !MANAGED_KEYS.contains(&entry.key.as_str()) {
                let message = format!("`{}` cannot be managed", entry.key);
                problems.error(entry.key_mark, message, format!("these can: {}", MANAGED_KEYS.join(", ")));
                continue;
            }
            replace(camera, entry);
        }
    }
}

fn replace(camera: &mut Node, entry: Entry) {
    let NodeValue::Map(entries) = &mut camera.value else { return };
    entries.retain(|known| known.key != entry.key);
    // Nothing instead of what the pipeline file has: the key goes.
    if !matches!(entry.value.value, NodeValue::Null) {
        entries.push(entry);
    }
}

fn list<'n>(node: &'n mut Node, key: &str) -> impl Iterator<Item = &'n mut Node> + use<'n> {
    let found = match &mut node.value {
        NodeValue::Map(entries) => {
            entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value.value)
        }
        _ => None,
    };
    let items = match found {
        Some(NodeValue::List(items)) => Some(items),
        _ => None,
    };
    items.into_iter().flatten()
}

fn text_of<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    let entry = node.entries()?.iter().find(|entry| entry.key == key)?;
    match &entry.value.value {
        NodeValue::Text(text) => Some(text),
        _ => None,
    }
}

/// The manageable keys of a camera as they are in force, as JSON: an empty list, or `null` for the calibration, where
/// there is nothing. `None` when the text has no such camera.
pub(super) fn in_force(text: &str, managed: Option<&str>, camera: &str) -> Option<Map<String, Value>> {
    let mut problems = Problems::new(SourceText::new("pipeline", text));
    let mut root = node::parse(text, &mut problems)?;
    if let Some(managed) = managed {
        merge(&mut root, managed, &mut problems);
    }
    let camera = list(&mut root, "cameras").find(|known| text_of(known, "id") == Some(camera))?;
    let json = camera.to_json();
    let nothing = |key: &str| if key == "calibration" { Value::Null } else { Value::Array(Vec::new()) };
    let part = |key: &&str| ((*key).to_owned(), json.get(*key).cloned().unwrap_or_else(|| nothing(key)));
    Some(MANAGED_KEYS.iter().map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_again_and_lines_know_their_field() {
        let zones =
            json!([{"id": "a", "polygon": [[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]]}, {"id": "b: #", "polygon": []}]);
        let calibration = json!({"points": [{"picture": [0.1, 0.9], "metres": [0.0, -3.5]}], "error": 0.2});
        let parts = Map::from_iter([
            ("calibration".to_owned(), calibration),
            ("zones".to_owned(), zones),
            ("rules".to_owned(), json!([])),
        ]);
        let managed = Managed(BTreeMap::from([("cầu".to_owned(), parts)]));
        let written = managed.write();
        assert_eq!(Managed::read(&written.text), Ok(managed), "{}", written.text);
        let line = written.text.lines().position(|line| line.contains("b: #")).unwrap() + 1;
        assert_eq!(written.field(line).unwrap().1, "zones[1]");
        let line = written.text.lines().position(|line| line.contains("metres")).unwrap() + 1;
        assert_eq!(written.field(line).unwrap().1, "calibration");
        assert_eq!(Managed::read(&Managed::default().write().text), Ok(Managed::default()));
    }

    #[test]
    fn managed_keys_stand_instead_of_the_files_and_nothing_else_changes() {
        let text =
            "version: 1\ncameras:\n  - id: a\n    url: rtsp://h/x\n    zones: [{id: old}]\n    lines: [{id: l}]\n";
        let managed = "cameras:\n  - id: a\n    zones: []\n";
        let (shown, padded) = append(text, managed);
        assert_eq!(shown.len(), padded.len());
        let parts = in_force(text, Some(&padded), "a").unwrap();
        assert_eq!((parts["zones"].clone(), parts["lines"].clone()), (json!([]), json!([{"id": "l"}])));
        assert_eq!((parts["rules"].clone(), parts["calibration"].clone()), (json!([]), json!(null)));
        let text = text.replace("    zones", "    calibration: {points: []}\n    zones");
        assert_eq!(in_force(&text, None, "a").unwrap()["calibration"], json!({"points": []}));
        let (_, padded) = append(&text, "cameras:\n  - id: a\n    calibration: null\n");
        assert_eq!(in_force(&text, Some(&padded), "a").unwrap()["calibration"], json!(null));
        assert_eq!(in_force(&text, None, "b"), None);
    }
}
