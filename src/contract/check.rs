//! The checker: lines of a sample stream in, findings out.
//!
//! It knows nothing of a store or a sink: what it checks is what any receiver can see. Memory is bounded: of the newest
//! [`MAX_REMEMBERED`] records it knows the ids.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::finding::{Finding, Rating};
use super::happenings::Happenings;
use super::numbers::Numbers;
use super::{Envelope, event_schema};
use crate::base::{Error, ErrorKind, Result, TimeSource};

/// Records whose ids are remembered; a repeat that comes later than so many others counts as out of order.
const MAX_REMEMBERED: usize = 1 << 20;
/// Findings kept per check; the others are counted.
const MAX_TOLD: usize = 20;
/// Kind of the events by which connections are tried; they have no place in a camera's sequence.
const TEST_KIND: &str = "test";
/// The member of `data` that is no part of the record.
const STILL: &str = "still_inline";
/// Schema mistakes told of one line.
const MAX_PER_LINE: usize = 5;

/// First 16 bytes of a SHA-256.
type Digest128 = [u8; 16];

/// The contract's judge over one stream.
pub struct Checker {
    schema: jsonschema::Validator,
    line: u64,
    records: u64,
    repeats: u64,
    undated: u64,
    seen: HashMap<Digest128, Digest128>,
    oldest: VecDeque<Digest128>,
    sources: BTreeMap<String, Numbers>,
    happenings: Happenings,
    told: BTreeMap<(&'static str, Rating), (u64, Vec<Finding>)>,
}

/// What a stream came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Whether the contract was kept.
    pub ok: bool,
    /// Lines that were not empty.
    pub lines: u64,
    /// Records, each counted once.
    pub records: u64,
    /// Records that came again, unchanged.
    pub repeats: u64,
    /// Sources, which are cameras.
    pub sources: u64,
    /// Happenings that have begun and not ended.
    pub open: u64,
    /// Errors of each check.
    pub errors: BTreeMap<&'static str, u64>,
    /// Notes of each check.
    pub notes: BTreeMap<&'static str, u64>,
    /// At most 20 findings of each check and rating, in order of lines.
    pub findings: Vec<Finding>,
}

impl Checker {
    /// A checker that has seen nothing.
    ///
    /// # Errors
    /// `Internal` when our own schema is none.
    pub fn new() -> Result<Self> {
        let schema = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&event_schema())
            .map_err(|e| Error::new(ErrorKind::Internal, format!("the schema of events is none: {e}")))?;
        Ok(Self {
            schema,
            line: 0,
            records: 0,
            repeats: 0,
            undated: 0,
            seen: HashMap::new(),
            oldest: VecDeque::new(),
            sources: BTreeMap::new(),
            happenings: Happenings::default(),
            told: BTreeMap::new(),
        })
    }

    /// Takes the next line; an empty one only counts as a line.
    pub fn take(&mut self, line: &[u8]) {
        self.line += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let mut found = Vec::new();
        if let Some((envelope, content)) = self.read(line, &mut found) {
            self.judge(&envelope, content, &mut found);
        }
        self.tell(found);
    }

    /// The envelope of a line that fits the schema, and what tells its content from another.
    fn read(&self, line: &[u8], found: &mut Vec<Finding>) -> Option<(Envelope, Digest128)> {
        let at = self.line;
        let mut value: Value = match serde_json::from_slice(line) {
            Ok(value) => value,
            Err(e) => {
                let help =
                    "one whole envelope a line, UTF-8, structured mode; a torn last line is a copy made too early";
                found.push(Finding::error(at, "json", format!("no JSON: {e}"), help));
                return None;
            }
        };
        if value.get("specversion").is_none() && value.get("position").is_some() {
            let help = "sinks of type `jsonl` and `sqlite` write bare records: `vantage export --format cloudevents` makes a \
                        sample of envelopes";
            found.push(Finding::error(at, "schema", "a bare record without its envelope", help));
            return None;
        }
        let help = "compare with `vantage schema event`; a gateway on the way may have changed or unwrapped it";
        for error in self.schema.iter_errors(&value).take(MAX_PER_LINE) {
            let place = error.instance_path().as_str();
            let place = if place.is_empty() { "the envelope" } else { place };
            found.push(Finding::error(at, "schema", format!("{place}: {}", shortened(&error.to_string())), help));
        }
        if !found.is_empty() {
            return None;
        }
        let envelope = match serde_json::from_value(value.clone()) {
            Ok(envelope) => envelope,
            Err(e) => {
                found.push(Finding::error(at, "schema", format!("cannot be read: {e}"), help));
                return None;
            }
        };
        // The record is compared by its values, and without the still that only one of two repeats may carry.
        if let Some(data) = value.get_mut("data").and_then(Value::as_object_mut) {
            data.remove(STILL);
        }
        Some((envelope, digest(&[value.to_string().as_bytes()])))
    }

    fn judge(&mut self, envelope: &Envelope, content: Digest128, found: &mut Vec<Finding>) {
        agree(envelope, self.line, found);
        if self.is_repeat(envelope, content, found) {
            return;
        }
        self.records += 1;
        if envelope.data.record.event.kind == TEST_KIND {
            let help =
                "a connection was tried by `vantage sinks test`; receivers leave events of the kind `test` aside";
            found.push(Finding::note(self.line, "agreement", "an event that no camera made", help));
            return;
        }
        let event = &envelope.data.record.event;
        if event.time.source == TimeSource::Epoch {
            self.undated += 1;
            if self.undated == 1 {
                let what = format!("{}: a recording without any date; its times count from 1970", envelope.source);
                found.push(Finding::note(self.line, "times", what, "give the recording `starts_at` in the pipeline"));
            }
        }
        let numbers = self.sources.entry(envelope.source.clone()).or_default();
        numbers.take(&envelope.source, event.sequence, self.line, found);
        self.happenings.take(event, self.line, found);
    }

    /// Whether the record has come before; a different one under the same name is an error.
    fn is_repeat(&mut self, envelope: &Envelope, content: Digest128, found: &mut Vec<Finding>) -> bool {
        let name = digest(&[envelope.source.as_bytes(), envelope.id.as_bytes()]);
        match self.seen.get(&name) {
            Some(before) if *before == content => {
                self.repeats += 1;
                true
            }
            Some(_) => {
                let what = format!("{} {} came before with other content", envelope.source, envelope.id);
                let help = "nothing on the way may rewrite an envelope; two stores must not write under one source";
                found.push(Finding::error(self.line, "repeats", what, help));
                true
            }
            None => {
                self.seen.insert(name, content);
                self.oldest.push_back(name);
                if self.oldest.len() > MAX_REMEMBERED
                    && let Some(oldest) = self.oldest.pop_front()
                {
                    self.seen.remove(&oldest);
                }
                false
            }
        }
    }

    fn tell(&mut self, found: Vec<Finding>) {
        for finding in found {
            let (count, told) = self.told.entry((finding.check, finding.rating)).or_default();
            *count += 1;
            if told.len() < MAX_TOLD {
                told.push(finding);
            }
        }
    }

    /// The stream is over.
    #[must_use]
    pub fn finish(mut self) -> Summary {
        let mut found = Vec::new();
        for (source, numbers) in &self.sources {
            numbers.finish(source, &mut found);
        }
        let begun = self.happenings.begun_before;
        if begun > 0 {
            let help = "a sample from the middle of a stream has such; nothing to do";
            found.push(Finding::note(1, "phases", format!("{begun} happenings began before the sample"), help));
        }
        if self.records == 0 && self.told.is_empty() {
            let help = "point it at JSON lines, one envelope a line";
            found.push(Finding::error(self.line.max(1), "json", "there is no event", help));
        }
        self.tell(found);
        let of = |rating: Rating| -> BTreeMap<&'static str, u64> {
            let those = self.told.iter().filter(|((_, r), _)| *r == rating);
            those.map(|((check, _), (count, _))| (*check, *count)).collect()
        };
        let (errors, notes) = (of(Rating::Error), of(Rating::Note));
        let mut findings: Vec<Finding> = self.told.into_values().flat_map(|(_, told)| told).collect();
        findings.sort_by_key(|finding| finding.line);
        Summary {
            ok: errors.is_empty(),
            lines: self.line,
            records: self.records,
            repeats: self.repeats,
            sources: self.sources.len() as u64,
            open: self.happenings.open(),
            errors,
            notes,
            findings,
        }
    }
}

/// What the envelope says twice must be the same.
fn agree(envelope: &Envelope, line: u64, found: &mut Vec<Finding>) {
    let event = &envelope.data.record.event;
    let camera = event.camera.as_str();
    let (id, subject) = (format!("{}.{}", event.id, event.revision), event.id.to_string());
    let kind = format!("vantage.event.{}.v1", event.kind);
    let (sequence, of_source) = (event.sequence.to_string(), format!("/camera/{camera}"));
    for (what, agrees, should) in [
        ("id", envelope.id == id, id.as_str()),
        ("subject", envelope.subject == subject, &subject),
        ("type", envelope.r#type == kind, &kind),
        ("sequence", envelope.sequence == sequence, &sequence),
        ("partitionkey", envelope.partitionkey == camera, camera),
        ("source", envelope.source.ends_with(&of_source), &of_source),
        ("time", envelope.time == event.time.utc, &event.time.utc.to_string()),
    ] {
        if !agrees {
            let what = format!("`{what}` disagrees with `data`, which says {should}");
            let help = "the envelope is made of the record: something on the way has changed one of them";
            found.push(Finding::error(line, "agreement", what, help));
        }
    }
    let Some(still) = &envelope.data.still_inline else { return };
    let wrong = match still.jpeg() {
        Err(why) => Some(why),
        Ok(_) if event.still.is_none() => Some("`still` names none".to_owned()),
        Ok(_) => None,
    };
    if let Some(why) = wrong {
        let help = "a gateway on the way may have cut or changed it; the file itself is in the store's media folder";
        found.push(Finding::error(line, "agreement", format!("`{STILL}`: {why}"), help));
    }
}

fn digest(parts: &[&[u8]]) -> Digest128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

/// A message about a value may quote all of it.
fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        // What is wrong stands at the end.
        Some(_) => {
            let tail: String = text.chars().rev().take(MOST / 2).collect::<Vec<_>>().into_iter().rev().collect();
            format!("{}…{tail}", text.chars().take(MOST / 2).collect::<String>())
        }
        None => text.to_owned(),
    }
}
