//! `turning_movement`: the same track crosses an entry gate and then an exit gate; origin–destination
//! counts per class and interval. Definition and truth table: `docs/rules/turning_movement.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::draft::{Draft, Sight, seconds, values};
use super::held::PerTrack;
use super::interval::{Closed, Intervals};
use super::line_count::Counts;
use super::params::{Check, Common, ParamError, params, read};
use super::plane::Anchor;
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::turning_gate::{Gate, Turn};
use super::wire::{Passage, Wire};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{Phase, Severity, Track};

const NAME: &str = "turning_movement";

/// More gates than any junction has.
const MAX_GATES: usize = 32;

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "counts tracks by the gate at which they enter a junction and the gate at which they leave it",
    required: &["entries", "exits"],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

/// What the rule reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Report {
    /// Each movement.
    Movement,
    /// The counts of each interval.
    Count,
}

/// A movement with a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// What it is called in counts and events.
    name: String,
    /// The entry gate, as in `entries`.
    from: String,
    /// The exit gate, as in `exits`.
    to: String,
}

params! {
    /// Parameters of `turning_movement`.
    struct Params with Severity::Info;
    /// Tripwires by which tracks enter. `NAME` is crossed forward, `NAME:backward` backward.
    entries: Vec<String> = Vec::new(),
    /// Tripwires by which tracks leave, in the same way.
    exits: Vec<String> = Vec::new(),
    /// Names for movements; one without a name is called `ENTRY>EXIT`.
    movements: Vec<Named> = Vec::new(),
    /// Count only the movements that have a name.
    only_named: bool = false,
    /// How far an anchor must be from a gate to be clear of it, in picture heights.
    #[schemars(range(min = 0.0, max = 0.25))]
    hysteresis: f64 = 0.01,
    /// The point of the box that stands for the object.
    anchor: Anchor = Anchor::Bottom,
    /// Whoever has not left after so long is unfinished.
    max_duration: Span = Span::from_secs(300),
    /// What is reported; movements are counted in any case.
    report: Vec<Report> = vec![Report::Count],
    /// Length of a counting interval, from the first frame on.
    interval: Span = Span::from_secs(900),
    /// A longer step between frames counts as not observed.
    max_frame_step: Span = Span::from_secs(1),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    Ok(Compiled { rule: Box::new(TurningMovement::new(params)), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    for (param, gates) in [("entries", &params.entries), ("exits", &params.exits)] {
        if gates.is_empty() && !check.has_failed(param) {
            check.fail(param, "is empty: name one tripwire or more".to_owned(), None);
        }
        if gates.len() > MAX_GATES {
            check.fail(param, format!("{} gates are too many: at most {MAX_GATES}", gates.len()), None);
        }
        for (n, gate) in gates.iter().enumerate() {
            check.tripwire(param, Gate::parse(gate).line());
            if gates.iter().take(n).any(|earlier| Gate::parse(earlier) == Gate::parse(gate)) {
                check.fail(param, format!("gate `{gate}` is named twice"), None);
            }
        }
    }
    for both in params.entries.iter().filter(|entry| params.exits.iter().any(|e| Gate::parse(e) == Gate::parse(entry)))
    {
        let help =
            format!("a gate that is crossed both ways is `{both}` on one side and `{both}:backward` on the other");
        check.fail("exits", format!("gate `{both}` is an entry too"), Some(help));
    }
    for movement in &params.movements {
        for (gate, gates, what) in
            [(&movement.from, &params.entries, "entries"), (&movement.to, &params.exits, "exits")]
        {
            if !gates.iter().any(|known| Gate::parse(known) == Gate::parse(gate)) {
                check.fail("movements", format!("`{}`: gate `{gate}` is not among `{what}`", movement.name), None);
            }
        }
    }
    if params.only_named && params.movements.is_empty() {
        check.fail("only_named", "counts nothing: no movement has a name".to_owned(), None);
    }
    check.classes(&params.classes, &[]);
    check.at_least("interval", params.interval, Span::from_secs(1));
    check.at_least("max_duration", params.max_duration, Span::from_secs(1));
    check.at_least("max_frame_step", params.max_frame_step, Span::from_millis(1));
    if params.report.is_empty() {
        check.fail("report", "is empty: the rule would say nothing".to_owned(), None);
    }
    check.finish()
}

/// How far a track has come.
#[derive(Debug)]
struct Traveller {
    /// One a gate, entries first.
    passages: Vec<Passage>,
    /// The class when last seen.
    class: String,
    entered: Option<Entered>,
    /// Movements that it was counted for, each at most once.
    done: Vec<(usize, usize)>,
}

#[derive(Debug, Clone, Copy)]
struct Entered {
    entry: usize,
    at: MediaTime,
}

/// What an interval counts.
#[derive(Debug, Default)]
struct Tally {
    movements: BTreeMap<String, Counts>,
    /// Who entered, by entry.
    entered: BTreeMap<String, Counts>,
    /// Who entered and was lost, or stayed too long, by entry.
    unfinished: BTreeMap<String, Counts>,
    /// Who left without having been seen to enter, by exit.
    not_entered: BTreeMap<String, Counts>,
}

impl Tally {
    fn is_empty(&self) -> bool {
        self.movements.is_empty()
            && self.entered.is_empty()
            && self.unfinished.is_empty()
            && self.not_entered.is_empty()
    }
}

fn count(counts: &mut BTreeMap<String, Counts>, what: &str, class: &str) {
    *counts.entry(what.to_owned()).or_default().entry(class.to_owned()).or_default() += 1;
}

struct TurningMovement {
    /// Entries first.
    gates: Vec<Gate>,
    common: Common,
    intervals: Intervals,
    tally: Tally,
    travellers: PerTrack<Traveller>,
    params: Params,
}

impl TurningMovement {
    fn new(params: Params) -> Self {
        Self {
            gates: params.entries.iter().chain(&params.exits).map(|gate| Gate::parse(gate)).collect(),
            common: params.common(&[]),
            intervals: Intervals::new(params.interval.duration(), params.max_frame_step.duration()),
            tally: Tally::default(),
            travellers: PerTrack::new(),
            params,
        }
    }

    /// The name of a movement; none when it is not counted.
    fn name(&self, entry: usize, exit: usize) -> Option<String> {
        let (from, to) = (self.gates.get(entry)?, self.gates.get(exit)?);
        let named = self.params.movements.iter();
        let named = named.filter(|named| Gate::parse(&named.from) == *from && Gate::parse(&named.to) == *to);
        let name = named.map(|named| named.name.clone()).next();
        name.or_else(|| (!self.params.only_named).then(|| format!("{from}>{to}")))
    }

    fn gate_name(&self, gate: usize) -> String {
        self.gates.get(gate).map(Gate::to_string).unwrap_or_default()
    }

    /// A track has crossed a gate in the gate's direction.
    fn cross(&mut self, track: &Track, gate: usize, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let class = frame.scene.labels.name(track.class);
        let Some(traveller) = self.travellers.get_mut(track.id) else { return };
        if gate < self.params.entries.len() {
            let before = traveller.entered.replace(Entered { entry: gate, at: frame.at });
            let name = self.gate_name(gate);
            // Whoever enters twice has left unseen in between.
            if let Some(before) = before {
                let before = self.gate_name(before.entry);
                count(&mut self.tally.unfinished, &before, &class);
            }
            count(&mut self.tally.entered, &name, &class);
            return;
        }
        let Some(entered) = traveller.entered.take() else {
            let name = self.gate_name(gate);
            count(&mut self.tally.not_entered, &name, &class);
            return;
        };
        let movement = (entered.entry, gate);
        if traveller.done.contains(&movement) {
            return;
        }
        let ordinal = u32::try_from(traveller.done.len()).unwrap_or(u32::MAX);
        traveller.done.push(movement);
        let Some(name) = self.name(entered.entry, gate) else { return };
        count(&mut self.tally.movements, &name, &class);
        if !self.params.report.contains(&Report::Movement) || !self.common.cooldown.pass(frame.at) {
            return;
        }
        let sight = Sight::new(track, frame.at);
        let mut measured = values([
            ("movement", Value::from(name.as_str())),
            ("seconds_in_between", seconds(frame.at.since(entered.at))),
        ]);
        if let (Some(from), Some(to)) = (self.gates.get(entered.entry), self.gates.get(gate))
            && let Some(turn) = Turn::between(from, to, frame.scene)
        {
            measured.insert("turn".to_owned(), turn.as_str().into());
        }
        out.push(Draft {
            kind: NAME,
            phase: Phase::Instant,
            track: Some(sight.id),
            ordinal,
            class: Some(sight.class),
            bbox: Some(sight.bbox),
            severity: self.common.severity,
            summary: format!("{class} went {name}"),
            thresholds: values([
                ("entry", Value::from(self.gate_name(entered.entry))),
                ("exit", Value::from(self.gate_name(gate))),
                ("hysteresis_heights", self.params.hysteresis.into()),
            ]),
            measured,
            at: frame.at,
        });
    }

    /// The track is gone, or has stayed too long.
    fn lose(&mut self, traveller: &mut Traveller) {
        if let Some(entered) = traveller.entered.take() {
            let name = self.gate_name(entered.entry);
            count(&mut self.tally.unfinished, &name, &traveller.class);
        }
    }

    fn stop(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        for mut traveller in self.travellers.take_all() {
            self.lose(&mut traveller);
        }
        if let Some(closed) = self.intervals.interrupt(at, !self.tally.is_empty()) {
            self.flush(&closed, out);
        }
    }

    fn flush(&mut self, closed: &Closed, out: &mut Vec<Draft>) {
        let tally = std::mem::take(&mut self.tally);
        if !self.params.report.contains(&Report::Count) {
            return;
        }
        let total = |counts: &BTreeMap<String, Counts>| counts.values().flat_map(Counts::values).sum::<u32>();
        let summary = format!(
            "{} movements, {} unfinished {}",
            total(&tally.movements),
            total(&tally.unfinished),
            closed.in_words()
        );
        let mut measured = values([
            ("counts", json!(tally.movements)),
            ("entered", json!(tally.entered)),
            ("unfinished", json!(tally.unfinished)),
            ("not_entered", json!(tally.not_entered)),
        ]);
        closed.tell(&mut measured);
        out.push(Draft {
            kind: "turning_count",
            phase: Phase::Instant,
            track: None,
            ordinal: closed.ordinal,
            class: None,
            bbox: None,
            severity: Severity::Info,
            summary,
            thresholds: values([
                ("entries", json!(self.params.entries)),
                ("exits", json!(self.params.exits)),
                ("max_duration_seconds", seconds(self.params.max_duration.duration())),
                ("interval_seconds", seconds(self.intervals.length())),
                ("max_frame_step_seconds", seconds(self.intervals.max_frame_step())),
            ]),
            measured,
            at: closed.at,
        });
    }
}

impl Rule for TurningMovement {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        for closed in self.intervals.advance(frame.at) {
            self.flush(&closed, out);
        }
        let wires: Vec<Option<Wire<'_>>> = self.gates.iter().map(|gate| Wire::of(frame.scene, gate.line())).collect();
        let longest: Duration = self.params.max_duration.duration();
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if !self.common.takes(track.class, &frame.scene.labels) {
                continue;
            }
            let anchor = self.params.anchor.of(&track.bbox);
            let fresh = || Traveller {
                passages: wires.iter().map(|_| Passage::new(anchor)).collect(),
                class: String::new(),
                entered: None,
                done: Vec::new(),
            };
            let traveller = self.travellers.touch(track.id, frame.at, fresh);
            let class = frame.scene.labels.name(track.class);
            if *class != traveller.class {
                traveller.class = class.into_owned();
            }
            let stayed = traveller.entered.take_if(|entered| frame.at.since(entered.at) > longest);
            if let Some(gate) = stayed.and_then(|entered| self.gates.get(entered.entry)) {
                count(&mut self.tally.unfinished, &gate.to_string(), &traveller.class);
            }
            let mut crossed = Vec::new();
            for (n, ((gate, wire), passage)) in self.gates.iter().zip(&wires).zip(&mut traveller.passages).enumerate() {
                let Some(wire) = wire else { continue };
                let done = passage.advance(anchor, wire, self.params.hysteresis as f32);
                if done.is_some_and(|done| done.direction == gate.direction()) {
                    crossed.push(n);
                }
            }
            if self.common.old_enough(track, frame.at) {
                // Entries come first, so a step over both gates at once is a movement.
                crossed.into_iter().for_each(|gate| self.cross(track, gate, frame, out));
            }
        }
        while let Some(mut traveller) = self.travellers.take_excess() {
            self.lose(&mut traveller);
        }
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.stop(from, out);
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.stop(at, out);
    }

    fn forget(&mut self, id: TrackId, _at: MediaTime, _out: &mut Vec<Draft>) {
        if let Some(mut traveller) = self.travellers.remove(id) {
            self.lose(&mut traveller);
        }
    }

    fn margins(&self, _at: MediaTime, scene: &Scene, out: &mut Vec<Margin>) {
        for (id, traveller) in self.travellers.iter() {
            let id = Some(id);
            let entered = f64::from(u8::from(traveller.entered.is_some()));
            out.push(Margin::at_least(id, "entered", entered, 1.0));
            // The way to the nearest exit that is still ahead.
            let exits = self.gates.iter().zip(&traveller.passages).skip(self.params.entries.len());
            let ways = exits.filter_map(|(gate, passage)| {
                let offset = f64::from(Wire::of(scene, gate.line())?.offset(passage.last()));
                Some(gate.past(offset))
            });
            if let Some(past) = ways.max_by(f64::total_cmp) {
                out.push(Margin::at_least(id, "heights_past_an_exit", past, self.params.hysteresis));
            }
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.travellers.len()
    }
}
