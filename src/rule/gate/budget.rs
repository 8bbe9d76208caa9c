//! At most so many happenings an hour; the rest are counted and told of when there is room again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::{MediaTime, TrackId};
use crate::rule::Draft;
use crate::rule::draft::{seconds, values};
use crate::scene::{Phase, Severity};

/// The kind of the record that tells what was held back.
pub(in crate::rule) const SUMMARY: &str = "alarms_held_back";
/// Budgets are per hour, any hour: not from full hour to full hour, where two budgets could meet.
const HOUR: Duration = Duration::from_secs(3600);
/// Happenings held back that are remembered until they end; of more, updates may come through.
const MAX_HELD: usize = 4096;

type Happening = (&'static str, Option<TrackId>, u32);

/// See the module. Media time only.
#[derive(Debug)]
pub(in crate::rule) struct Budget {
    per_hour: u32,
    starts: VecDeque<MediaTime>,
    /// Begun and held back; their updates and ends are too.
    held: BTreeSet<Happening>,
    /// Held back since the last summary, by kind.
    counts: BTreeMap<&'static str, u32>,
    first: Option<MediaTime>,
    summaries: u32,
    total: u64,
}

impl Budget {
    pub(in crate::rule) fn new(per_hour: u32) -> Self {
        Self {
            per_hour,
            starts: VecDeque::new(),
            held: BTreeSet::new(),
            counts: BTreeMap::new(),
            first: None,
            summaries: 0,
            total: 0,
        }
    }

    /// How many it has held back since the start.
    pub(in crate::rule) fn total(&self) -> u64 {
        self.total
    }

    /// Whether the record may go on. Counts and other periodic records always may.
    pub(in crate::rule) fn admits(&mut self, draft: &Draft) -> bool {
        let happening: Happening = (draft.kind, draft.track, draft.ordinal);
        match draft.phase {
            Phase::Instant if draft.track.is_none() => true,
            Phase::Instant => self.has_room(draft),
            Phase::Start => {
                let room = self.has_room(draft);
                if !room && self.held.len() < MAX_HELD {
                    self.held.insert(happening);
                }
                room
            }
            Phase::Update => !self.held.contains(&happening),
            Phase::End => !self.held.remove(&happening),
        }
    }

    /// The same for a camera's budget, which is for alarms: notes and counts go through it freely.
    pub(in crate::rule) fn admits_alarm(&mut self, draft: &Draft) -> bool {
        draft.severity == Severity::Info || self.admits(draft)
    }

    fn has_room(&mut self, draft: &Draft) -> bool {
        self.expire(draft.at);
        let room = self.starts.len() < self.per_hour as usize;
        if room {
            self.starts.push_back(draft.at);
        } else {
            *self.counts.entry(draft.kind).or_default() += 1;
            self.first.get_or_insert(draft.at);
            self.total += 1;
        }
        room
    }

    /// How many an hour.
    pub(in crate::rule) fn per_hour(&self) -> u32 {
        self.per_hour
    }

    /// Until when it is used up at `at`; none when there is room.
    pub(in crate::rule) fn used_up_until(&self, at: MediaTime) -> Option<MediaTime> {
        let within: Vec<MediaTime> = self.starts.iter().copied().filter(|start| at.since(*start) < HOUR).collect();
        let room_after = within.len().checked_sub(self.per_hour as usize)?;
        within.get(room_after).map(|start| *start + HOUR)
    }

    fn expire(&mut self, at: MediaTime) {
        while self.starts.front().is_some_and(|start| at.since(*start) >= HOUR) {
            self.starts.pop_front();
        }
    }

    /// What was held back, once there is room again.
    pub(in crate::rule) fn summary(&mut self, at: MediaTime) -> Option<Draft> {
        if self.counts.is_empty() {
            return None;
        }
        self.expire(at);
        if self.starts.len() >= self.per_hour as usize { None } else { self.rest(at) }
    }

    /// What was held back and not told of yet.
    pub(in crate::rule) fn rest(&mut self, at: MediaTime) -> Option<Draft> {
        let since = self.first.take()?;
        let counts = std::mem::take(&mut self.counts);
        let sum: u32 = counts.values().sum();
        let draft = Draft {
            kind: SUMMARY,
            phase: Phase::Instant,
            track: None,
            ordinal: self.summaries,
            class: None,
            bbox: None,
            severity: Severity::Warning,
            summary: format!(
                "{sum} alarms were held back in {:.0} s: the budget is {} an hour",
                at.since(since).as_secs_f64(),
                self.per_hour
            ),
            thresholds: values([("budget_per_hour", Value::from(self.per_hour))]),
            measured: values([
                ("held_back", Value::from(sum)),
                ("held_back_by_kind", json!(counts)),
                ("seconds", seconds(at.since(since))),
            ]),
            at,
        };
        self.summaries = self.summaries.wrapping_add(1);
        Some(draft)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(phase: Phase, track: u64, at: u64) -> Draft {
        Draft {
            kind: "stopped_vehicle",
            phase,
            track: Some(TrackId(track)),
            ordinal: 0,
            class: None,
            bbox: None,
            severity: Severity::Alert,
            summary: String::new(),
            thresholds: BTreeMap::new(),
            measured: BTreeMap::new(),
            at: MediaTime(at as i64 * 1_000_000_000),
        }
    }

    #[test]
    fn a_happening_goes_through_whole_or_not_at_all() {
        let mut budget = Budget::new(2);
        assert!(budget.admits(&draft(Phase::Start, 1, 0)) && budget.admits(&draft(Phase::Start, 2, 10)));
        assert!(!budget.admits(&draft(Phase::Start, 3, 20)));
        assert!(!budget.admits(&draft(Phase::Update, 3, 30)) && budget.admits(&draft(Phase::Update, 1, 30)));
        assert!(budget.summary(MediaTime(3_599_000_000_000)).is_none());
        assert_eq!(budget.used_up_until(MediaTime(30_000_000_000)), Some(MediaTime(3_600_000_000_000)));
        assert_eq!(budget.used_up_until(MediaTime(3_600_000_000_000)), None);
        // The first has left the hour: one more may start, and the end of the one held back stays held back.
        assert!(budget.admits(&draft(Phase::Start, 4, 3600)));
        assert!(!budget.admits(&draft(Phase::End, 3, 3601)) && budget.admits(&draft(Phase::End, 1, 3601)));
        let told = budget.summary(MediaTime(3_611_000_000_000)).unwrap();
        assert_eq!(told.measured["held_back_by_kind"], json!({"stopped_vehicle": 1}));
        assert!(budget.summary(MediaTime(3_612_000_000_000)).is_none());
        assert_eq!(budget.total(), 1);
    }

    #[test]
    fn notes_pass_the_cameras_budget_and_counts_pass_any() {
        let mut budget = Budget::new(1);
        assert!(budget.admits(&draft(Phase::Start, 1, 0)));
        let note = Draft { severity: Severity::Info, ..draft(Phase::Start, 2, 1) };
        assert!(budget.admits_alarm(&note) && !budget.admits_alarm(&draft(Phase::Start, 3, 1)));
        assert!(budget.admits(&Draft { track: None, phase: Phase::Instant, ..draft(Phase::Start, 0, 1) }));
        assert!(budget.rest(MediaTime(2_000_000_000)).is_some() && budget.rest(MediaTime(0)).is_none());
    }
}
