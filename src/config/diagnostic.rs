//! What is wrong with a pipeline file: one [`Diagnostic`] per mistake, and all of them in a [`Report`].
//!
//! No diagnostic shows a secret, whatever the file looks like: excerpts and messages pass through `mask`.

use std::fmt;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use serde_json::{Value, json};

use super::mask::mask;
use super::text::{Mark, SourceText};
use crate::base::{Error, ErrorKind};

/// More mistakes than this are counted, not shown.
const MAX_SHOWN: usize = 100;
/// More mistakes than this are counted, not even kept.
const MAX_KEPT: usize = 1_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is accepted; the reader should know.
    Warning,
}

impl Severity {
    /// Stable lower-case name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One mistake: what, where, and what to do about it.
#[derive(Clone)]
pub struct Diagnostic {
    severity: Severity,
    message: String,
    help: Option<String>,
    place: Option<Mark>,
    other: Option<(Mark, String)>,
    source: Arc<SourceText>,
}

impl Diagnostic {
    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }
    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
    /// The file, as it was named to `load`.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.name()
    }
    /// Line and column, from 1, the column in characters; `None` when the file as a whole is meant.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place.map(|mark| self.source.position(mark.offset))
    }

    /// As JSON: `severity`, `message`, `help`, `file`, `line`, `column`, and `also` (a second place) when there is one.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (line, column) = self.position().unzip();
        let mut json = json!({
            "severity": self.severity.as_str(),
            "message": self.message,
            "help": self.help,
            "file": self.file(),
            "line": line,
            "column": column,
        });
        if let (Some((mark, label)), Some(object)) = (&self.other, json.as_object_mut()) {
            let (line, column) = self.source.position(mark.offset);
            object.insert("also".to_owned(), json!({"line": line, "column": column, "message": label}));
        }
        json
    }
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position() {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file(), self.message),
            None => write!(f, "{}: {}", self.file(), self.message),
        }
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.severity.as_str())?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " (help: {help})"))
    }
}

/// A diagnostic as miette draws it: without the place in the message, which the excerpt shows.
struct Drawn<'a>(&'a Diagnostic);

impl Drawn<'_> {
    /// The place, if an excerpt can show it.
    fn excerpt(&self) -> Option<Mark> {
        self.0.place.filter(|mark| self.0.source.has_excerpt(mark.offset))
    }
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.excerpt() {
            Some(_) => f.write_str(&self.0.message),
            None => fmt::Display::fmt(self.0, f),
        }
    }
}

impl fmt::Debug for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl std::error::Error for Drawn<'_> {}

impl miette::Diagnostic for Drawn<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.0.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt().map(|_| self.0.source.shown() as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.excerpt()?;
        let label = self.0.other.as_ref().map(|_| "here".to_owned());
        let main = LabeledSpan::new_primary_with_span(label, (place.offset, place.len));
        let other = self.0.other.as_ref().filter(|(at, _)| self.0.source.has_excerpt(at.offset));
        let other = other.map(|(at, label)| LabeledSpan::new(Some(label.clone()), at.offset, at.len));
        Some(Box::new(std::iter::once(main).chain(other)))
    }
}

/// Draws diagnostics for people, each with its excerpt of the file; `colour` for a terminal without `NO_COLOR`.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(110).with_context_lines(1);
    let mut out = String::new();
    for diagnostic in diagnostics {
        // Writing to a string does not fail; an excerpt that cannot be drawn leaves the plain line.
        if handler.render_report(&mut out, &Drawn(diagnostic)).is_err() {
            out.push_str(&format!("{diagnostic}\n"));
        }
        out.push('\n');
    }
    out
}

/// Why a pipeline file was refused: every mistake found, in file order, and the warnings.
#[derive(Clone)]
pub struct Report {
    kind: ErrorKind,
    diagnostics: Vec<Diagnostic>,
    omitted: usize,
}

impl Report {
    /// All diagnostics in file order, errors and warnings.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// How many errors there are, those beyond the shown ones included.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.errors().count() + self.omitted
    }

    /// For people; `colour` for a terminal without `NO_COLOR`.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let mut out = render(&self.diagnostics, colour);
        if self.omitted > 0 {
            out.push_str(&format!("and {} more mistakes\n", self.omitted));
        }
        out
    }

    /// For machines: `{"ok": false, "errors": N, "diagnostics": [...]}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let diagnostics: Vec<Value> = self.diagnostics.iter().map(Diagnostic::to_json).collect();
        json!({"ok": false, "errors": self.error_count(), "diagnostics": diagnostics})
    }

    fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|d| d.severity == Severity::Error)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.diagnostics).finish()
    }
}

impl std::error::Error for Report {}

impl From<Report> for Error {
    /// The first mistake and the number of the others; the caller prints the report itself where there is room.
    fn from(report: Report) -> Self {
        let first = report.errors().next();
        let mut message = first.map_or_else(|| "the pipeline file is refused".to_owned(), ToString::to_string);
        if report.error_count() > 1 {
            message.push_str(&format!(" (and {} more)", report.error_count() - 1));
        }
        let error = Self::new(report.kind, message);
        match first.and_then(Diagnostic::help) {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// Collects diagnostics while a file is read.
pub(super) struct Problems {
    source: Arc<SourceText>,
    found: Vec<Diagnostic>,
    beyond: usize,
}

impl Problems {
    /// None yet.
    pub fn new(source: SourceText) -> Self {
        Self { source: Arc::new(source), found: Vec::new(), beyond: 0 }
    }

    /// The text they are about.
    pub fn source(&self) -> &SourceText {
        &self.source
    }

    /// Whether further problems will only be counted, so that looking up their places is in vain.
    pub fn is_full(&self) -> bool {
        self.found.len() >= MAX_KEPT
    }

    /// Adds an error at `mark`.
    pub fn error(&mut self, mark: Mark, message: impl AsRef<str>, help: impl AsRef<str>) {
        self.add(Severity::Error, Some(mark), message.as_ref(), help.as_ref(), None);
    }

    /// Adds an error that two places share: `other` with what it is.
    pub fn clash(&mut self, mark: Mark, message: impl AsRef<str>, help: impl AsRef<str>, other: (Mark, &str)) {
        self.add(Severity::Error, Some(mark), message.as_ref(), help.as_ref(), Some(other));
    }

    /// Adds a warning at `mark`.
    pub fn warning(&mut self, mark: Mark, message: impl AsRef<str>, help: impl AsRef<str>) {
        self.add(Severity::Warning, Some(mark), message.as_ref(), help.as_ref(), None);
    }

    fn add(&mut self, severity: Severity, mark: Option<Mark>, message: &str, help: &str, other: Option<(Mark, &str)>) {
        if self.is_full() {
            self.beyond += usize::from(severity == Severity::Error);
            return;
        }
        let place = mark.map(|mark| self.source.widened(mark));
        // An aliased section is read once for each use, but its text is wrong only once.
        let message = mask(message);
        if self.found.iter().any(|d| d.place == place && d.message == message) {
            return;
        }
        self.found.push(Diagnostic {
            severity,
            message,
            help: (!help.is_empty()).then(|| mask(help)),
            place,
            other: other.map(|(mark, label)| (self.source.widened(mark), label.to_owned())),
            source: self.source.clone(),
        });
    }

    /// The warnings if there is no error, otherwise the report.
    pub fn finish(mut self) -> Result<Vec<Diagnostic>, Report> {
        self.found.sort_by_key(|d| d.place);
        if self.beyond == 0 && self.found.iter().all(|d| d.severity == Severity::Warning) {
            return Ok(self.found);
        }
        Err(self.report(ErrorKind::Config))
    }

    /// A report of one mistake about the file as a whole.
    pub fn whole_file(mut self, kind: ErrorKind, message: &str, help: &str) -> Report {
        self.add(Severity::Error, None, message, help, None);
        self.report(kind)
    }

    fn report(mut self, kind: ErrorKind) -> Report {
        let omitted = self.found.split_off(self.found.len().min(MAX_SHOWN));
        let omitted = omitted.iter().filter(|d| d.severity == Severity::Error).count() + self.beyond;
        Report { kind, diagnostics: self.found, omitted }
    }
}
