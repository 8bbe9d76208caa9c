//! From evidence about access units to a decision about each picture.
//!
//! Evidence belongs to an access unit, in decoding order. Damage to one that others refer to spoils
//! all that follow until an entry point (IDR, CRA, recovery point) that is itself undamaged. Pictures
//! leave the decoder later and in another order, so the suspicion of each access unit is kept until
//! its picture asks.
//!
//! Policy: at the start, and after damage, pictures are dropped until a clean entry point. A stream
//! that has none for [`PATIENCE`] access units in a row without new evidence (refreshed by intra
//! blocks that no SEI announces) is believed again: any block has been refreshed by then.

use std::collections::VecDeque;

use super::log::Complaint;
use super::{Entry, Verdict};

/// Access units without evidence after which a stream without entry points is believed: 12 s at
/// 25 pictures/s, beyond the usual intra refresh cycles and keyframe intervals.
pub const PATIENCE: u32 = 300;

/// More than any decoder holds back (16 pictures, H.264 A.3.1), fields counted singly.
const REMEMBERED: usize = 64;

/// What to do with a decoded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It shows what the camera sent.
    Pass,
    /// It may not; the reason is for the log and the metric.
    Drop(&'static str),
}

/// Decides for one decoder. Feed it in the order: access unit, complaints, pictures.
#[derive(Debug)]
pub struct Gate {
    recent: VecDeque<(u64, Unit)>,
    broken: Option<&'static str>,
    /// What was broken before the last entry point: leading pictures refer to that.
    broken_before: Option<&'static str>,
    /// Reference pictures left until a gradual refresh is complete.
    refreshing: Option<u32>,
    calm: u32,
}

#[derive(Debug, Clone, Copy)]
struct Unit {
    suspect: Option<&'static str>,
    reference: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A new stream, which has to show an entry point first.
    #[must_use]
    pub fn new() -> Self {
        let broken = Some("no keyframe yet");
        Self { recent: VecDeque::new(), broken, broken_before: broken, refreshing: None, calm: 0 }
    }

    /// The access unit `number` is about to be decoded, with what the inspector says of it.
    pub fn access_unit(&mut self, number: u64, verdict: Verdict) {
        self.calm = self.calm.saturating_add(1);
        match verdict.entry {
            Entry::Clean => {
                self.broken_before = self.broken.take();
                self.refreshing = None;
            }
            Entry::Gradual(pictures) if self.broken.is_some() && self.refreshing.is_none() => {
                self.refreshing = Some(pictures);
            }
            _ => {}
        }
        if self.calm >= PATIENCE {
            self.broken = None;
        }
        if let Some(0) = self.refreshing {
            (self.broken, self.refreshing) = (None, None);
        }
        if verdict.reference {
            self.refreshing = self.refreshing.map(|left| left.saturating_sub(1));
        }
        let inherited = self.broken.or(self.broken_before.filter(|_| verdict.leading));
        self.recent.push_back((number, Unit { suspect: inherited, reference: verdict.reference }));
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
        if let Some(reason) = verdict.damage {
            self.damaged(reason, false);
        }
    }

    /// The decoder complained about the access unit given last.
    pub fn complaint(&mut self, complaint: Complaint) {
        self.damaged(complaint.reason, complaint.reference_missing);
    }

    fn damaged(&mut self, reason: &'static str, spreads: bool) {
        self.calm = 0;
        let Some((_, unit)) = self.recent.back_mut() else { return };
        unit.suspect.get_or_insert(reason);
        if unit.reference || spreads {
            self.broken.get_or_insert(reason);
            self.refreshing = None;
        }
    }

    /// Whether the picture decoded from access unit `number` may be analysed. A picture that cannot be
    /// traced to one (`None`, or too old) is not.
    #[must_use]
    pub fn picture(&self, number: Option<u64>) -> Decision {
        let unit = number.and_then(|number| self.recent.iter().rev().find(|(seen, _)| *seen == number));
        match unit {
            Some((_, Unit { suspect: None, .. })) => Decision::Pass,
            Some((_, Unit { suspect: Some(reason), .. })) => Decision::Drop(reason),
            None => Decision::Drop("of unknown origin"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Verdict = Verdict { entry: Entry::Clean, leading: false, reference: true, damage: None };
    const DELTA: Verdict = Verdict { entry: Entry::None, ..KEY };
    const ASIDE: Verdict = Verdict { reference: false, ..DELTA };
    const HEARD: Complaint = Complaint { reason: "concealing", reference_missing: false };

    fn passes(gate: &Gate, number: u64) -> bool {
        gate.picture(Some(number)) == Decision::Pass
    }

    #[test]
    fn waits_for_a_clean_keyframe_at_the_start_and_after_damage() {
        let mut gate = Gate::new();
        for (number, verdict, heard, pass) in [
            (1, DELTA, false, false),
            (2, KEY, false, true),
            (3, DELTA, false, true),
            (4, DELTA, true, false),
            (5, DELTA, false, false),
            (6, KEY, true, false),
            (7, DELTA, false, false),
            (8, KEY, false, true),
            (9, ASIDE, true, false),
            (10, DELTA, false, true),
        ] {
            gate.access_unit(number, verdict);
            if heard {
                gate.complaint(HEARD);
            }
            assert_eq!(passes(&gate, number), pass, "access unit {number}");
        }
        assert_eq!(gate.picture(None), Decision::Drop("of unknown origin"));
    }

    #[test]
    fn leading_pictures_inherit_from_before_the_keyframe() {
        let mut gate = Gate::new();
        gate.access_unit(1, KEY);
        gate.complaint(HEARD);
        gate.access_unit(2, KEY);
        gate.access_unit(3, Verdict { leading: true, ..ASIDE });
        gate.access_unit(4, DELTA);
        assert!(passes(&gate, 2) && !passes(&gate, 3) && passes(&gate, 4));
    }

    #[test]
    fn a_missing_reference_spreads_from_a_picture_nobody_refers_to() {
        let mut gate = Gate::new();
        gate.access_unit(1, KEY);
        gate.access_unit(2, ASIDE);
        gate.complaint(Complaint { reference_missing: true, ..HEARD });
        gate.access_unit(3, DELTA);
        assert!(passes(&gate, 1) && !passes(&gate, 3));
    }

    #[test]
    fn intra_refresh_recovers_announced_or_not() {
        let mut gate = Gate::new();
        gate.access_unit(1, Verdict { entry: Entry::Gradual(2), ..DELTA });
        gate.access_unit(2, DELTA);
        gate.access_unit(3, DELTA);
        assert!(!passes(&gate, 2) && passes(&gate, 3));
        gate.complaint(HEARD);
        for number in 4..4 + u64::from(PATIENCE) {
            gate.access_unit(number, DELTA);
        }
        assert!(!passes(&gate, 3 + u64::from(PATIENCE) - 1) && passes(&gate, 3 + u64::from(PATIENCE)));
    }
}
