//! Settings from the command line, `rules.ID.PARAM=VALUE`, put into the document before it is compiled: so that
//! their mistakes are found and told by the same checks as those of the file.

use super::diagnostic::Problems;
use super::node::{self, Entry, Node, NodeValue};
use super::suggest;
use super::text::{Mark, SourceText};

/// A parameter of a rule and the value it takes instead of the file's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The camera whose rule it is; `None`: every camera that has a rule of that id.
    camera: Option<String>,
    rule: String,
    /// Names from the rule inwards, one at least.
    param: Vec<String>,
    /// YAML.
    value: String,
}

impl std::str::FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const SHAPE: &str = "write rules.ID.PARAM=VALUE, or cameras.CAMERA.rules.ID.PARAM=VALUE";
        let (path, value) = text.split_once('=').ok_or(SHAPE)?;
        let mut steps = path.trim().split('.').map(str::to_owned);
        let mut next = || steps.next().filter(|step| !step.is_empty()).ok_or(SHAPE);
        let (first, mut camera) = (next()?, None);
        if first == "cameras" {
            camera = Some(next()?);
        }
        let section = if camera.is_some() { next()? } else { first };
        if section != "rules" {
            return Err(format!("only parameters of rules can be set, not `{section}`: {SHAPE}"));
        }
        let rule = next()?;
        let mut param = vec![next()?];
        param.extend(steps);
        if param.iter().any(String::is_empty) {
            return Err(SHAPE.to_owned());
        }
        Ok(Self { camera, rule, param, value: value.trim().to_owned() })
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(camera) = &self.camera {
            write!(f, "cameras.{camera}.")?;
        }
        write!(f, "rules.{}.{}={}", self.rule, self.param.join("."), self.value)
    }
}

/// The file's text with the settings after it, where messages about them point to, and each one's place.
pub(super) fn append(text: &str, settings: &[Setting]) -> (String, Vec<Mark>) {
    let mut shown = text.to_owned();
    let mut marks = Vec::new();
    for setting in settings {
        if !shown.ends_with('\n') {
            shown.push('\n');
        }
        shown.push_str("--set ");
        let written = setting.to_string();
        marks.push(Mark { offset: shown.len(), len: written.len() });
        shown.push_str(&written);
        shown.push('\n');
    }
    (shown, marks)
}

impl Setting {
    /// Puts the value into every rule that is meant.
    pub(super) fn apply(&self, root: &mut Node, mark: Mark, problems: &mut Problems) {
        let mut own = Problems::new(SourceText::new("--set", &self.value));
        let parsed = node::parse(&self.value, &mut own);
        let Some(mut value) = parsed.filter(|_| own.finish().is_ok()) else {
            problems.error(mark, "the value is not valid YAML", "quote text that holds `: `, `#`, `@` or `*`");
            return;
        };
        move_to(&mut value, mark);
        let mut known: Vec<String> = Vec::new();
        let mut found = false;
        for camera in items(root, "cameras") {
            let id = text(camera, "id").map(str::to_owned);
            if self.camera.is_some() && self.camera != id {
                continue;
            }
            for rule in items(camera, "rules") {
                match text(rule, "id") {
                    Some(id) if id == self.rule => {
                        put(rule, &self.param, value.clone(), mark);
                        found = true;
                    }
                    other => known.extend(other.map(str::to_owned)),
                }
            }
        }
        if !found {
            let of = self.camera.as_ref().map_or(String::new(), |camera| format!(" of camera `{camera}`"));
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let help = suggest::advice(&self.rule, &known, "the pipeline has no rule there");
            problems.error(mark, format!("there is no rule `{}`{of}", self.rule), help);
        }
    }
}

/// The maps of the list at `key`.
fn items<'n>(node: &'n mut Node, key: &str) -> impl Iterator<Item = &'n mut Node> + use<'n> {
    let list = match &mut node.value {
        NodeValue::Map(entries) => {
            entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value.value)
        }
        _ => None,
    };
    let items = match list {
        Some(NodeValue::List(items)) => Some(items),
        _ => None,
    };
    items.into_iter().flatten()
}

fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    let entry = node.entries()?.iter().find(|entry| entry.key == key)?;
    match &entry.value.value {
        NodeValue::Text(text) => Some(text),
        _ => None,
    }
}

/// Sets the value at `path`, making maps on the way where there is something else or nothing.
fn put(node: &mut Node, path: &[String], value: Node, mark: Mark) {
    let Some((key, rest)) = path.split_first() else {
        *node = value;
        return;
    };
    if !matches!(node.value, NodeValue::Map(_)) {
        *node = Node { mark, value: NodeValue::Map(Vec::new()) };
    }
    let NodeValue::Map(entries) = &mut node.value else { return };
    // Messages about the key point to the setting, too.
    let mut inner = Node { mark, value: NodeValue::Null };
    if let Some(at) = entries.iter().position(|entry| entry.key == *key) {
        inner = entries.remove(at).value;
    }
    put(&mut inner, rest, value, mark);
    entries.push(Entry { key: key.clone(), key_mark: mark, value: inner });
}

fn move_to(node: &mut Node, mark: Mark) {
    node.mark = mark;
    match &mut node.value {
        NodeValue::List(items) => items.iter_mut().for_each(|item| move_to(item, mark)),
        NodeValue::Map(entries) => {
            for entry in entries {
                entry.key_mark = mark;
                move_to(&mut entry.value, mark);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_shown_again() {
        for text in ["rules.stop.after=20s", "cameras.gate.rules.stop.zone.name=[a, b]"] {
            assert_eq!(text.parse::<Setting>().unwrap().to_string(), text);
        }
        for (text, why) in [
            ("rules.stop.after", "write rules.ID"),
            ("rules.stop=3", "write rules.ID"),
            ("track.lost_for=3s", "only parameters of rules"),
            ("rules..after=3", "write rules.ID"),
            ("rules.stop.a..b=3", "write rules.ID"),
        ] {
            assert!(text.parse::<Setting>().unwrap_err().contains(why), "{text}");
        }
    }
}
