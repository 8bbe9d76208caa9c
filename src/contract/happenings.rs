//! Each happening's records: start, updates, end; or one that is instant. Revisions count from 0.

use std::collections::{HashMap, VecDeque};

use super::finding::Finding;
use crate::base::{EventId, Timestamp};
use crate::scene::{Event, Phase};

/// Happenings remembered; beyond it the oldest is forgotten, and a late record of it counts as begun before the sample.
const MAX_REMEMBERED: usize = 1 << 20;

const HELP: &str = "apply the records of one happening in the order of `revision`; what is missing shows under `gaps`";

#[derive(Debug, Clone, Copy)]
struct Known {
    revision: u32,
    phase: Phase,
    time: Timestamp,
}

/// All happenings of a stream.
#[derive(Debug, Default)]
pub(super) struct Happenings {
    known: HashMap<EventId, Known>,
    oldest: VecDeque<EventId>,
    /// Happenings that began before the sample.
    pub(super) begun_before: u64,
}

impl Happenings {
    /// Takes in a record that was not seen before.
    pub(super) fn take(&mut self, event: &Event, line: u64, found: &mut Vec<Finding>) {
        let now = Known { revision: event.revision, phase: event.phase, time: event.time.utc };
        let id = event.id;
        let mut wrong = |what: String| found.push(Finding::error(line, "phases", format!("{id}: {what}"), HELP));
        match self.known.get(&id) {
            None => {
                let first = matches!(event.phase, Phase::Start | Phase::Instant);
                match (first, event.revision) {
                    (true, 0) => {}
                    (true, n) => wrong(format!("{} has revision {n} and must have 0", name(event.phase))),
                    (false, 0) => wrong(format!("revision 0 is {} and must be a start", name(event.phase))),
                    (false, _) => self.begun_before += 1,
                }
                self.remember(id);
            }
            Some(before) => {
                if let Phase::End | Phase::Instant = before.phase {
                    wrong(format!("{} comes after {}", name(event.phase), name(before.phase)));
                } else if let Phase::Start | Phase::Instant = event.phase {
                    wrong(format!("{} comes a second time", name(event.phase)));
                } else if event.revision != before.revision + 1 {
                    wrong(format!("revision {} comes after {}", event.revision, before.revision));
                } else if event.time.utc < before.time {
                    let what = format!("{id}: its time goes back, from {} to {}", before.time, event.time.utc);
                    let help = "the camera's clock was set back: trust `media_time` for how long it lasted";
                    found.push(Finding::error(line, "times", what, help));
                }
            }
        }
        self.known.insert(id, now);
    }

    fn remember(&mut self, id: EventId) {
        self.oldest.push_back(id);
        if self.oldest.len() > MAX_REMEMBERED
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Happenings that have begun and not ended.
    pub(super) fn open(&self) -> u64 {
        self.known.values().filter(|known| matches!(known.phase, Phase::Start | Phase::Update)).count() as u64
    }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Instant => "an instant",
        Phase::Start => "a start",
        Phase::Update => "an update",
        Phase::End => "an end",
    }
}
