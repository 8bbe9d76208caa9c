//! `red_light`: a vehicle passes a stop line while its signal is red. Definition and truth table:
//! `docs/rules/red_light.md`.
//!
//! Every doubt is the driver's: the line was passed at the earliest moment that the frames allow, the signal is asked
//! again a little later, in case its feed was late, and a signal that is unknown or has not been heard of never accuses.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::draft::{Draft, Sight, number, seconds, values};
use super::held::PerTrack;
use super::params::{Check, Common, ParamError, VEHICLES, params, read};
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::wire::{Side, Wire};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{Aspect, NormPoint, Phase, Severity, SignalState};

const NAME: &str = "red_light";

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports a vehicle that passes a stop line while its signal, told by a feed, is red",
    required: &["line", "signal"],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

/// Which way over the line is forbidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Way {
    /// From the left of the arrow to its right.
    Forward,
    /// From the right of the arrow to its left.
    Backward,
}

params! {
    /// Parameters of `red_light`.
    struct Params with Severity::Alert;
    /// The stop line, a tripwire.
    line: String = String::new(),
    /// The signal's name in the feed.
    signal: String = String::new(),
    /// Which way over the line the signal forbids: `forward` is from the left of its arrow to the right.
    direction: Way = Way::Forward,
    /// How long the signal has been red before passing counts.
    grace: Span = Span::from_millis(500),
    /// A signal that its feed has not told for longer is unknown.
    stale_after: Span = Span::from_secs(180),
    /// How long after the passing the feed is asked again.
    confirm_after: Span = Span::from_millis(500),
    /// How far from the line a vehicle must have been before it, in picture heights.
    #[schemars(range(min = 0.0, max = 0.25))]
    hysteresis: f64 = 0.005,
    /// How far it must go on beyond the line, in heights of its box: who stops on the line has stopped.
    #[schemars(range(min = 0.0, max = 5.0))]
    beyond: f64 = 0.5,
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let common = params.common(VEHICLES);
    Ok(Compiled { rule: Box::new(RedLight { params, common, vehicles: PerTrack::new() }), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    check.tripwire("line", &params.line);
    check.classes(&params.classes, VEHICLES);
    check.signals("signal");
    check.at_least("stale_after", params.stale_after, Span::from_secs(1));
    check.at_most("confirm_after", params.confirm_after, Span::from_secs(5));
    check.finish()
}

/// What is remembered of one vehicle.
#[derive(Debug)]
struct Vehicle {
    sight: Sight,
    /// Whether it was seen clear before the line since it last passed it.
    was_before: bool,
    passed: Option<Passing>,
    reported: u32,
}

/// Over the line, not yet judged.
#[derive(Debug, Clone, Copy)]
struct Passing {
    /// The last sight before the line, and the first after it.
    earliest: MediaTime,
    at: MediaTime,
    point: NormPoint,
    sight: Sight,
    /// Since when the signal was red, as far as was known at the time.
    red_since: Option<MediaTime>,
    /// Whether it has gone on.
    is_beyond: bool,
    /// Whether the track may fire.
    old_enough: bool,
}

/// What the signal says at a moment, on the camera's timeline.
#[derive(Debug, Clone, Copy)]
struct Heard {
    aspect: Aspect,
    since: MediaTime,
    ago: Duration,
}

struct RedLight {
    params: Params,
    common: Common,
    vehicles: PerTrack<Vehicle>,
}

impl Rule for RedLight {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let wire = frame.scene.tripwires.get(&self.params.line).and_then(|line| Wire::new(line, frame.scene));
        let Some(wire) = wire else { return };
        let heard = self.heard(frame);
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if !self.common.takes(track.class, &frame.scene.labels) {
                continue;
            }
            let sight = Sight::new(track, frame.at);
            let vehicle = self.vehicles.touch(track.id, frame.at, || Vehicle {
                sight,
                was_before: false,
                passed: None,
                reported: 0,
            });
            let old_enough = self.common.old_enough(track, frame.at);
            vehicle.step(sight, &wire, &self.params, heard, old_enough);
        }
        // Also of those who are out of sight by now.
        let waiting = self.vehicles.iter().filter(|(_, v)| v.passed.is_some_and(|p| p.is_beyond)).map(|(id, _)| id);
        for id in waiting.collect::<Vec<_>>() {
            self.judge(id, frame, heard, out);
        }
        while self.vehicles.take_excess().is_some() {}
    }

    fn gap(&mut self, _from: MediaTime, _to: MediaTime, _out: &mut Vec<Draft>) {
        self.vehicles = PerTrack::new();
    }

    fn end(&mut self, _at: MediaTime, _out: &mut Vec<Draft>) {
        self.vehicles = PerTrack::new();
    }

    fn forget(&mut self, id: TrackId, _at: MediaTime, _out: &mut Vec<Draft>) {
        self.vehicles.remove(id);
    }

    fn margins(&self, at: MediaTime, scene: &Scene, out: &mut Vec<Margin>) {
        let wire = scene.tripwires.get(&self.params.line).and_then(|line| Wire::new(line, scene));
        let Some(wire) = wire else { return };
        for (id, vehicle) in self.vehicles.iter() {
            let id = Some(id);
            let beyond = self.params.beyond * f64::from(vehicle.sight.bbox.height());
            let offset = f64::from(self.params.past(&wire, vehicle.sight.bbox.anchor()));
            out.push(Margin::at_least(id, "heights_beyond_the_line", offset, beyond));
            let red = vehicle.passed.and_then(|passed| Some(passed.earliest.since(passed.red_since?)));
            let red = red.unwrap_or_default().as_secs_f64();
            out.push(Margin::at_least(id, "red_seconds", red, self.params.grace.duration().as_secs_f64()));
            let waited = vehicle.passed.map_or(Duration::ZERO, |passed| at.since(passed.at));
            let least = self.params.confirm_after.duration().as_secs_f64();
            out.push(Margin::at_least(id, "seconds_since_passing", waited.as_secs_f64(), least));
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.vehicles.len()
    }
}

impl RedLight {
    /// The signal now; none when it is unknown or has not been heard of for too long.
    fn heard(&self, frame: &FrameView<'_>) -> Option<Heard> {
        let told = |signal: &&SignalState| *signal.name == self.params.signal;
        let signal = frame.signals.iter().find(told)?;
        let known = signal.aspect != Aspect::Unknown && signal.heard_ago <= self.params.stale_after.duration();
        let shown = i64::try_from(signal.shown_for.as_nanos()).unwrap_or(i64::MAX);
        known.then_some(Heard {
            aspect: signal.aspect,
            since: MediaTime(frame.at.0.saturating_sub(shown)),
            ago: signal.heard_ago,
        })
    }

    fn judge(&mut self, id: TrackId, frame: &FrameView<'_>, heard: Option<Heard>, out: &mut Vec<Draft>) {
        let Some(vehicle) = self.vehicles.get_mut(id) else { return };
        let Some(passed) = vehicle.passed.filter(|passed| passed.is_beyond) else { return };
        if frame.at.since(passed.at) < self.params.confirm_after.duration() {
            return;
        }
        vehicle.passed = None;
        let Some(heard) = heard else { return };
        let red_since = match heard.aspect {
            // What is known now counts: the feed may have been late at the time.
            Aspect::Red => Some(heard.since),
            // It has changed since; but if it had changed before the passing, it was not red then.
            _ if heard.since > passed.at => passed.red_since,
            _ => None,
        };
        // The clocks of camera and signal agree no better than the capture time is known.
        let doubt = Duration::from_nanos(frame.capture.error_ns.unwrap_or(0));
        let Some(red_since) = red_since.filter(|since| passed.earliest >= *since) else { return };
        let red_for = passed.earliest.since(red_since);
        if red_for < self.params.grace.duration() + doubt || !passed.old_enough || !self.common.cooldown.pass(frame.at)
        {
            return;
        }
        let ordinal = vehicle.reported;
        vehicle.reported = vehicle.reported.saturating_add(1);
        let (class, sight) = (frame.scene.labels.name(passed.sight.class), vehicle.sight);
        let red = red_for.as_secs_f64();
        let line = &self.params.line;
        out.push(Draft {
            kind: NAME,
            phase: Phase::Instant,
            track: Some(id),
            ordinal,
            class: Some(passed.sight.class),
            // Where it is now, as on the still that is taken now.
            bbox: Some(sight.bbox),
            severity: self.common.severity,
            summary: format!("{class} passed {line} {red:.1} s or more after {} turned red", self.params.signal),
            thresholds: values([
                ("line", Value::from(line.as_str())),
                ("signal", self.params.signal.as_str().into()),
                ("direction", serde_json::to_value(self.params.direction).unwrap_or_default()),
                ("grace_seconds", seconds(self.params.grace.duration())),
                ("stale_after_seconds", seconds(self.params.stale_after.duration())),
                ("confirm_after_seconds", seconds(self.params.confirm_after.duration())),
                ("beyond_box_heights", self.params.beyond.into()),
            ]),
            measured: values([
                ("red_seconds", seconds(red_for)),
                ("passed_seconds_ago", seconds(frame.at.since(passed.at))),
                ("passing_uncertain_by_seconds", seconds(passed.at.since(passed.earliest))),
                ("capture_error_seconds", seconds(doubt)),
                ("feed_age_seconds", seconds(heard.ago)),
                ("signal_now", serde_json::to_value(heard.aspect).unwrap_or_default()),
                ("crossing_point", Value::from(vec![number(passed.point.x), number(passed.point.y)])),
            ]),
            at: frame.at,
        });
    }
}

impl Params {
    /// How far beyond the line, in picture heights; negative before it.
    fn past(&self, wire: &Wire<'_>, anchor: NormPoint) -> f32 {
        match self.direction {
            Way::Forward => wire.offset(anchor),
            Way::Backward => -wire.offset(anchor),
        }
    }
}

impl Vehicle {
    fn step(&mut self, sight: Sight, wire: &Wire<'_>, params: &Params, heard: Option<Heard>, old_enough: bool) {
        let before = std::mem::replace(&mut self.sight, sight);
        let forbidden = match params.direction {
            Way::Forward => Side::Right,
            Way::Backward => Side::Left,
        };
        match wire.passed(before.bbox.anchor(), sight.bbox.anchor()) {
            Some((towards, point)) if towards == forbidden && self.was_before => {
                let red_since = heard.filter(|heard| heard.aspect == Aspect::Red).map(|heard| heard.since);
                let (earliest, at, is_beyond) = (before.at, sight.at, false);
                self.passed = Some(Passing { earliest, at, point, sight, red_since, is_beyond, old_enough });
            }
            // Rolled back.
            Some(_) => self.passed = None,
            None => {}
        }
        let past = params.past(wire, sight.bbox.anchor());
        if past <= -(params.hysteresis as f32) {
            self.was_before = true;
        }
        if let Some(passed) = &mut self.passed
            && past >= params.beyond as f32 * sight.bbox.height()
        {
            passed.is_beyond = true;
            self.was_before = false;
        }
    }
}
