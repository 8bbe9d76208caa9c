//! Two runs of rules over the same tracks, happening by happening: what is new, gone, or other than before.
//!
//! Event ids hang on the plan, so they do not tell which happenings of two plans are the same one. Those of
//! one camera, rule, kind and track are held against each other in order of time: first those that begin in the
//! same instant, then those that overlap or begin within `NEAR` of each other.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::base::{EventId, Timestamp, TrackId};
use crate::scene::{Event, Phase};

/// Happenings of one track that do not overlap are one when they begin no further apart.
const NEAR: Duration = Duration::from_secs(10);

/// What became of a happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Only the changed rules see it.
    Added,
    /// Only the rules as they were see it.
    Gone,
    /// Both see it, with other values.
    Changed,
}

/// A happening that differs.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// How.
    pub change: Change,
    /// The camera.
    pub camera: String,
    /// The rule.
    pub rule: String,
    /// The kind of record.
    pub kind: String,
    /// The track, when one is behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackId>,
    /// The class of the track.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Capture time at which it begins: as it was, or for an added one, as it is.
    pub time: Timestamp,
    /// The sentence for people of its first record.
    pub summary: String,
    /// Id as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<EventId>,
    /// Id as it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<EventId>,
    /// Of a changed one: value name → [as it was, as it would be].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, [Value; 2]>,
}

/// Numbers of happenings of one rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// As it was.
    pub before: u64,
    /// As it would be.
    pub after: u64,
    /// Of `after`, those that were not there.
    pub added: u64,
    /// Of `before`, those that are no more.
    pub gone: u64,
    /// Of both, those with other values.
    pub changed: u64,
}

/// What differs.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Comparison {
    /// Every difference in order of time.
    pub changes: Vec<Difference>,
    /// By camera and rule, as `CAMERA/RULE`.
    pub rules: BTreeMap<String, Totals>,
    /// Of all rules together.
    pub total: Totals,
}

/// The records of one id.
struct Happening<'a> {
    records: Vec<&'a Event>,
}

impl<'a> Happening<'a> {
    fn first(&self) -> Option<&'a Event> {
        self.records.first().copied()
    }
    fn begins(&self) -> Timestamp {
        self.first().map_or(Timestamp::EPOCH, |event| event.time.utc)
    }
    fn ends(&self) -> Timestamp {
        self.records.last().map_or(Timestamp::EPOCH, |event| event.time.utc)
    }
    fn overlaps(&self, other: &Self) -> bool {
        self.begins() <= other.ends() && other.begins() <= self.ends()
    }
    fn is_near(&self, other: &Self) -> bool {
        let (a, b) = (self.begins(), other.begins());
        self.overlaps(other) || a - b <= NEAR && b - a <= NEAR
    }

    /// What can be held against another run's: times, class, severity, and what was measured first and last.
    fn values(&self) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        let (Some(first), Some(last)) = (self.first(), self.records.last()) else { return values };
        values.insert("begins".to_owned(), json!(first.time.utc));
        if last.phase == Phase::End {
            values.insert("ends".to_owned(), json!(last.time.utc));
        }
        values.insert("class".to_owned(), json!(first.class));
        values.insert("severity".to_owned(), json!(first.severity));
        for (name, value) in &first.explanation.measured {
            values.insert(name.clone(), value.clone());
        }
        if self.records.len() > 1 {
            for (name, value) in &last.explanation.measured {
                values.insert(format!("{name} at the end"), value.clone());
            }
        }
        values
    }
}

type Key<'a> = (&'a str, &'a str, &'a str, Option<TrackId>);

/// Holds the events of two runs against each other.
#[must_use]
pub fn compare(before: &[Event], after: &[Event]) -> Comparison {
    let (mut old, mut new) = (happenings(before), happenings(after));
    let keys: Vec<Key<'_>> = old.keys().chain(new.keys()).copied().collect();
    let mut found = Comparison::default();
    for key in keys {
        let (old, new) = (old.remove(&key).unwrap_or_default(), new.remove(&key).unwrap_or_default());
        if !(old.is_empty() && new.is_empty()) {
            found.hold(&format!("{}/{}", key.0, key.1), old, new);
        }
    }
    found.changes.sort_by(|a, b| (a.time, &a.camera, &a.rule, a.track).cmp(&(b.time, &b.camera, &b.rule, b.track)));
    let sum = |sum: Totals, t: &Totals| Totals {
        before: sum.before + t.before,
        after: sum.after + t.after,
        added: sum.added + t.added,
        gone: sum.gone + t.gone,
        changed: sum.changed + t.changed,
    };
    found.total = found.rules.values().fold(Totals::default(), sum);
    found
}

/// Happenings in order of their beginning, by what they can be compared by.
fn happenings(events: &[Event]) -> BTreeMap<Key<'_>, Vec<Happening<'_>>> {
    let mut by_key: BTreeMap<Key<'_>, Vec<Happening<'_>>> = BTreeMap::new();
    for event in events {
        let key = (event.camera.as_str(), event.rule.as_str(), event.kind.as_str(), event.track);
        let list = by_key.entry(key).or_default();
        // The open one is among the latest: a track has few happenings at a time.
        let open = list.iter_mut().rev().take(16).find(|h| h.first().is_some_and(|first| first.id == event.id));
        match open {
            Some(happening) => happening.records.push(event),
            None => list.push(Happening { records: vec![event] }),
        }
    }
    for list in by_key.values_mut() {
        list.sort_by_key(Happening::begins);
    }
    by_key
}

impl Comparison {
    fn hold(&mut self, name: &str, old: Vec<Happening<'_>>, new: Vec<Happening<'_>>) {
        let mut totals = self.rules.remove(name).unwrap_or_default();
        totals.before += old.len() as u64;
        totals.after += new.len() as u64;
        for (before, after) in pairs(old, new) {
            let change = match (&before, &after) {
                (Some(before), Some(after)) => {
                    let values = differing(before, after);
                    (!values.is_empty()).then_some((Change::Changed, values))
                }
                (Some(_), None) => Some((Change::Gone, BTreeMap::new())),
                (None, _) => Some((Change::Added, BTreeMap::new())),
            };
            let Some((change, values)) = change else { continue };
            *match change {
                Change::Added => &mut totals.added,
                Change::Gone => &mut totals.gone,
                Change::Changed => &mut totals.changed,
            } += 1;
            let id = |happening: &Option<Happening<'_>>| Some(happening.as_ref()?.first()?.id);
            let Some(shown) = before.as_ref().or(after.as_ref()).and_then(Happening::first) else { continue };
            self.changes.push(Difference {
                change,
                camera: shown.camera.to_string(),
                rule: shown.rule.clone(),
                kind: shown.kind.clone(),
                track: shown.track,
                class: shown.class.clone(),
                time: shown.time.utc,
                summary: shown.explanation.summary.clone(),
                before: id(&before),
                after: id(&after),
                values,
            });
        }
        self.rules.insert(name.to_owned(), totals);
    }
}

fn differing(before: &Happening<'_>, after: &Happening<'_>) -> BTreeMap<String, [Value; 2]> {
    let (old, mut new) = (before.values(), after.values());
    let mut values = BTreeMap::new();
    for (name, was) in old {
        let is = new.remove(&name).unwrap_or(Value::Null);
        if was != is {
            values.insert(name, [was, is]);
        }
    }
    values.extend(new.into_iter().map(|(name, is)| (name, [Value::Null, is])));
    values
}

type Pair<'a> = (Option<Happening<'a>>, Option<Happening<'a>>);

/// Who is who: those that begin at once, then, of the rest in order, those that are near each other.
fn pairs<'a>(old: Vec<Happening<'a>>, new: Vec<Happening<'a>>) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    let mut by_time: BTreeMap<Timestamp, Vec<Happening<'a>>> = BTreeMap::new();
    for happening in new.into_iter().rev() {
        by_time.entry(happening.begins()).or_default().push(happening);
    }
    let mut left = Vec::new();
    for happening in old {
        match by_time.get_mut(&happening.begins()).and_then(Vec::pop) {
            Some(same) => pairs.push((Some(happening), Some(same))),
            None => left.push(happening),
        }
    }
    let mut old = left.into_iter().peekable();
    let mut new = by_time.into_values().flat_map(|list| list.into_iter().rev()).peekable();
    loop {
        match (old.peek(), new.peek()) {
            (Some(a), Some(b)) if a.is_near(b) => pairs.push((old.next(), new.next())),
            (Some(a), Some(b)) if a.begins() <= b.begins() => pairs.push((old.next(), None)),
            (Some(_), None) => pairs.push((old.next(), None)),
            (_, Some(_)) => pairs.push((None, new.next())),
            (None, None) => return pairs,
        }
    }
}
