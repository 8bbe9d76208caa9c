//! Metadata that Ultralytics exports carry: class names, input size.

use super::graph::Graph;

/// Class names from `names`, a Python dictionary such as `{0: 'car', 1: "driver's cab"}`; `None` when
/// absent or not exactly the keys 0, 1, 2, …
#[must_use]
pub fn names(graph: &Graph) -> Option<Vec<String>> {
    let mut rest = graph.meta("names")?.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (key, value) = rest.split_once(':')?;
        if key.trim().parse() != Ok(names.len()) {
            return None;
        }
        let (name, after) = quoted(value.trim_start())?;
        names.push(name);
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    (!names.is_empty()).then_some(names)
}

/// A Python string literal at the beginning of `text`, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut name = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?.1),
            c if c == quote => return Some((name, text.get(at + c.len_utf8()..)?)),
            c => name.push(c),
        }
    }
    None
}

/// Input size (width, height) from `imgsz`, written `[height, width]`; 640 by 640, the exporter's
/// default, for a file that is Ultralytics' own but does not say.
#[must_use]
pub fn input_size(graph: &Graph) -> Option<(usize, usize)> {
    let sides: Option<Vec<usize>> = graph.meta("imgsz").and_then(|text| {
        text.trim_matches(['[', ']', '(', ')', ' ']).split(',').map(|side| side.trim().parse().ok()).collect()
    });
    match sides.as_deref() {
        Some([height, width]) => Some((*width, *height)),
        Some([side]) => Some((*side, *side)),
        _ => (graph.meta("author") == Some("Ultralytics")).then_some((640, 640)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(pairs: &[(&str, &str)]) -> Graph {
        let metadata = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Graph { metadata, ..Graph::default() }
    }

    #[test]
    fn names_are_read_as_python_writes_them() {
        let read = |text| names(&graph(&[("names", text)]));
        assert_eq!(read("{0: 'car', 1: \"driver's cab\"}").unwrap(), ["car", "driver's cab"]);
        assert_eq!(read(r"{0: 'a\'b', 1: 'xe máy, 2: x'}").unwrap(), ["a'b", "xe máy, 2: x"]);
        for bad in ["", "{}", "{1: 'car'}", "{0: 'car', 2: 'bus'}", "{0: 'car", "[0]"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn size_is_height_first() {
        assert_eq!(input_size(&graph(&[("imgsz", "[384, 640]")])), Some((640, 384)));
        assert_eq!(input_size(&graph(&[("author", "Ultralytics")])), Some((640, 640)));
        assert_eq!(input_size(&graph(&[])), None);
    }
}
