//! The text of a pipeline file and places in it.

use std::sync::Arc;

use miette::NamedSource;

use super::mask::mask;

/// Longer lines are not shown as excerpts.
const MAX_EXCERPT_LINE: usize = 400;

/// A stretch of the file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Mark {
    /// Where it begins.
    pub offset: usize,
    /// How long it is; 0 marks a point.
    pub len: usize,
}

/// A file's text as it may be shown (secrets masked), with its line starts.
#[derive(Debug)]
pub(super) struct SourceText {
    name: Arc<str>,
    shown: NamedSource<String>,
    line_starts: Vec<usize>,
}

impl SourceText {
    /// Masks `text` and indexes its lines. `name` is the file as the user called it.
    pub fn new(name: &str, text: &str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.into(), shown: NamedSource::new(name, mask(text)), line_starts }
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The masked text.
    pub fn shown(&self) -> &NamedSource<String> {
        &self.shown
    }

    /// Line and column of a byte offset, both from 1, the column in characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        // Masking keeps characters, so the shown text counts like the real one.
        let column = self.shown.inner().get(start..offset).map_or(offset - start, |before| before.chars().count());
        (line, column + 1)
    }

    /// The byte offset of a line and column as `position` gives them; the end of the text when beyond it.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let text = self.shown.inner();
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(text.len());
        let rest = text.get(start..).unwrap_or_default();
        start + rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum::<usize>()
    }

    /// Whether the line at `offset` and its neighbours are short enough to be shown: a generated file may be one line.
    pub fn has_excerpt(&self, offset: usize) -> bool {
        let (line, _) = self.position(offset);
        let end = self.shown.inner().len();
        let start_of = |line: usize| self.line_starts.get(line).copied().unwrap_or(end);
        (line.saturating_sub(2)..=line).all(|line| start_of(line + 1) - start_of(line) <= MAX_EXCERPT_LINE)
    }

    /// What is underlined for `mark`: its first line, and at least the word at its start.
    pub fn widened(&self, mark: Mark) -> Mark {
        let rest = self.shown.inner().get(mark.offset..).unwrap_or_default();
        if let Some(marked) = rest.get(..mark.len).filter(|marked| !marked.is_empty()) {
            return Mark { len: marked.find(['\r', '\n']).unwrap_or(mark.len), ..mark };
        }
        let word = rest.find(|c: char| c.is_whitespace() || ":,]}".contains(c)).unwrap_or(rest.len());
        let first = rest.chars().next().filter(|c| !c.is_whitespace()).map_or(0, char::len_utf8);
        Mark { len: word.max(first), ..mark }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_come_back() {
        let source = SourceText::new("x", "a: é b\nurl: x\n");
        for (offset, position) in [(0, (1, 1)), (3, (1, 4)), (6, (1, 6)), (8, (2, 1)), (13, (2, 6))] {
            assert_eq!(source.position(offset), position);
            assert_eq!(source.offset(position.0, position.1), offset);
        }
        assert_eq!(source.offset(99, 1), 15);
    }

    #[test]
    fn a_point_widens_to_its_word() {
        let source = SourceText::new("x", "cameras: [a]\n");
        assert_eq!(source.widened(Mark { offset: 0, len: 0 }), Mark { offset: 0, len: 7 });
        assert_eq!(source.widened(Mark { offset: 11, len: 0 }), Mark { offset: 11, len: 1 });
        assert_eq!(source.widened(Mark { offset: 13, len: 0 }).len, 0);
    }
}
