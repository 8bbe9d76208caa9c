//! What the checker found: how bad, where, what, and what to do.

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// Good to know.
    Note,
    /// The contract is broken: something is wrong, missing or in the wrong order.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Line of the stream, from 1.
    pub line: u64,
    /// How bad.
    pub rating: Rating,
    /// Which check: `json`, `schema`, `agreement`, `repeats`, `order`, `gaps`, `phases` or `times`.
    pub check: &'static str,
    /// What is wrong, and where within the line.
    pub what: String,
    /// What to do about it.
    pub help: &'static str,
}

impl Finding {
    pub(super) fn error(line: u64, check: &'static str, what: impl Into<String>, help: &'static str) -> Self {
        Self { line, rating: Rating::Error, check, what: what.into(), help }
    }

    pub(super) fn note(line: u64, check: &'static str, what: impl Into<String>, help: &'static str) -> Self {
        Self { line, rating: Rating::Note, check, what: what.into(), help }
    }
}
