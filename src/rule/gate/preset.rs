//! Which preset a camera that can be turned stands at: each has a picture of its view.

use std::time::Duration;

use super::super::view::{Plate, Reference};
use crate::base::MediaTime;
use crate::rule::Draft;
use crate::rule::draft::{seconds, values};
use crate::scene::{Glance, Phase, Severity};

/// Share of a preset's marks that must be in place.
const MATCHING: f32 = 0.5;
/// How long a view must show before the camera is taken to stand there.
const ARRIVE_AFTER: Duration = Duration::from_secs(1);
/// How long it must not show before the camera is taken to have left.
const LEAVE_AFTER: Duration = Duration::from_millis(600);

/// A position that the camera returns to.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// Its name, which rules refer to.
    pub id: String,
    /// A picture of the view from there, in the shape of the analysed ones.
    pub view: Glance,
}

struct Known {
    id: String,
    view: Reference,
}

/// What a glance shows, and since when.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Shown {
    preset: Option<usize>,
    since: MediaTime,
}

/// Follows where the camera stands.
pub(in crate::rule) struct Presets {
    known: Vec<Known>,
    shown: Option<Shown>,
    /// The preset that it stands at, and since when.
    standing: Option<(usize, MediaTime)>,
    happenings: u32,
}

impl Presets {
    pub(in crate::rule) fn new(presets: &[Preset]) -> Self {
        let known = |preset: &Preset| Known {
            id: preset.id.clone(),
            view: Reference::of_still(Plate::of(&preset.view), &preset.view),
        };
        Self { known: presets.iter().map(known).collect(), shown: None, standing: None, happenings: 0 }
    }

    pub(in crate::rule) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The preset that the camera stands at; none while it moves, stands elsewhere or shows nothing.
    pub(in crate::rule) fn standing(&self) -> Option<&str> {
        self.standing.and_then(|(preset, _)| self.known.get(preset)).map(|known| known.id.as_str())
    }

    /// Takes in a glance; says when the camera arrives and leaves.
    pub(in crate::rule) fn look(&mut self, glance: &Glance, at: MediaTime, out: &mut Vec<Draft>) {
        let plate = Plate::of(glance);
        let matching = |known: &Known| known.view.compare(&plate, glance).map_or(0.0, |compared| compared.matching);
        let best = self.known.iter().map(matching).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let preset = best.filter(|(_, matching)| *matching >= MATCHING).map(|(preset, _)| preset);
        let since = self.shown.filter(|shown| shown.preset == preset).map_or(at, |shown| shown.since);
        self.shown = Some(Shown { preset, since });
        match (self.standing, preset) {
            (Some((here, _)), shown) if shown != Some(here) && at.since(since) >= LEAVE_AFTER => self.leave(at, out),
            (None, Some(there)) if at.since(since) >= ARRIVE_AFTER => {
                self.standing = Some((there, at));
                self.report(Phase::Start, at, out);
                self.happenings = self.happenings.saturating_add(1);
            }
            _ => {}
        }
    }

    /// Nobody sees where it stands any more.
    pub(in crate::rule) fn leave(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        if self.standing.is_some() {
            self.report(Phase::End, at, out);
            self.standing = None;
        }
    }

    fn report(&self, phase: Phase, at: MediaTime, out: &mut Vec<Draft>) {
        let (Some(id), Some((_, since))) = (self.standing(), self.standing) else { return };
        let summary = match phase {
            Phase::End => format!("the camera has left preset {id}: its rules rest"),
            _ => format!("the camera stands at preset {id}"),
        };
        out.push(Draft {
            kind: "preset",
            phase,
            track: None,
            ordinal: self.happenings.saturating_sub(u32::from(phase == Phase::End)),
            class: None,
            bbox: None,
            severity: Severity::Info,
            summary,
            thresholds: values([("matching_share", MATCHING.into())]),
            measured: values([("preset", id.into()), ("lasted_seconds", seconds(at.since(since)))]),
            at,
        });
    }
}
