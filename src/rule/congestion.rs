//! `congestion`: traffic as a whole is slow, queuing or stationary. Definition and truth table:
//! `docs/rules/congestion.md`.
//!
//! Speed, number and occupancy are means over the last `sustained`, taken over time and vehicles (the
//! space-mean speed); so a single frame decides nothing, and a level holds as long as it takes to begin.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::area::Area;
use super::draft::{Draft, EndReason, Values, number, seconds, values};
use super::held::PerTrack;
use super::interval::{Closed, Intervals};
use super::occupancy::Occupancy;
use super::pace::{Pace, unit};
use super::params::{Check, Common, ParamError, VEHICLES, params, read};
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{NormBox, Phase, Severity};

const NAME: &str = "congestion";

/// The means are kept in so many parts.
const PARTS: u32 = 60;
/// So much of the time must have been watched to say anything.
const WATCHED: f64 = 0.9;
/// Fewer than this share of `vehicles_min` end a congestion.
const FEW: f64 = 0.5;

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports slow, queuing and stationary traffic by its mean speed, or by how full the road is",
    required: &[],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

/// What the rule reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Report {
    /// When congestion begins, changes and ends.
    Congestion,
    /// The state of traffic in each interval.
    Count,
}

params! {
    /// Parameters of `congestion`. Speeds are in km/h on a calibrated camera, else in box heights a second.
    struct Params with Severity::Warning;
    /// The lane; either this or `zone`.
    lane: Option<String> = None,
    /// The zone; either this or `lane`.
    zone: Option<String> = None,
    /// Traffic slower than this is slow: 20 km/h, or 4 box heights a second.
    slow_below: Option<f64> = None,
    /// Traffic slower than this is queuing: 10 km/h, or 2 box heights a second.
    queuing_below: Option<f64> = None,
    /// Traffic slower than this is stationary: 3 km/h, or 0.5 box heights a second.
    stationary_below: Option<f64> = None,
    /// More of the area on the picture covered by vehicles than this is slow traffic too, whatever its speed; a
    /// share, 0 to 1.
    #[schemars(range(min = 0.01, max = 1.0))]
    occupancy_above: Option<f64> = None,
    /// Fewer vehicles, as a mean, are no congestion.
    #[schemars(range(min = 1, max = 1000))]
    vehicles_min: u32 = 5,
    /// The means are over so long; and so long it takes to begin.
    sustained: Span = Span::from_secs(60),
    /// To leave a level, speed must be this many times above its threshold, and occupancy below.
    #[schemars(range(min = 1.0, max = 10.0))]
    exit_factor: f64 = 1.3,
    /// How often congestion that goes on is reported again.
    update_every: Span = Span::from_secs(300),
    /// What is reported.
    report: Vec<Report> = vec![Report::Congestion, Report::Count],
    /// Length of an interval, from the first frame on.
    interval: Span = Span::from_secs(60),
    /// A longer step between frames counts as not observed.
    max_frame_step: Span = Span::from_secs(1),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (mut params, errors) = read::<Params>(given, KIND.required);
    let defaults = if names.calibrated { [20.0, 10.0, 3.0] } else { [4.0, 2.0, 0.5] };
    let given = [&mut params.slow_below, &mut params.queuing_below, &mut params.stationary_below];
    let below = given.into_iter().zip(defaults).map(|(given, default)| *given.get_or_insert(default));
    let below: Vec<f64> = below.collect();
    validate(&params, &below, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    Ok(Compiled { rule: Box::new(Congestion::new(params, names.calibrated)), params: values })
}

fn validate(
    params: &Params,
    below: &[f64],
    errors: Vec<ParamError>,
    names: &SceneNames,
) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    Area::check(&mut check, params.lane.as_ref(), params.zone.as_ref());
    check.classes(&params.classes, VEHICLES);
    let thresholds = ["slow_below", "queuing_below", "stationary_below"];
    for (name, value) in thresholds.iter().zip(below) {
        if !(*value > 0.0 && *value <= 400.0) {
            check.fail(name, format!("{value} is out of range: above 0, to 400"), None);
        }
    }
    for (names, pair) in thresholds.windows(2).zip(below.windows(2)) {
        if let ([faster, slower], [above, below]) = (names, pair)
            && below >= above
        {
            check.fail(slower, format!("{below} is not below `{faster}`, which is {above}"), None);
        }
    }
    check.at_least("sustained", params.sustained, Span::from_secs(2));
    check.at_most("sustained", params.sustained, Span::from_secs(3600));
    check.at_least("update_every", params.update_every, Span::from_secs(1));
    check.at_least("interval", params.interval, Span::from_secs(1));
    check.at_least("max_frame_step", params.max_frame_step, Span::from_millis(1));
    if params.report.is_empty() {
        check.fail("report", "is empty: the rule would say nothing".to_owned(), None);
    }
    check.finish()
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Free,
    Slow,
    Queuing,
    Stationary,
}

impl Level {
    const ALL: [Self; 4] = [Self::Free, Self::Slow, Self::Queuing, Self::Stationary];

    fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Slow => "slow",
            Self::Queuing => "queuing",
            Self::Stationary => "stationary",
        }
    }
}

/// Sums over time.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    /// Seconds watched.
    watched: f64,
    /// Vehicles × seconds.
    vehicles: f64,
    /// Vehicles whose pace is known × seconds.
    paced: f64,
    /// Pace × vehicles × seconds.
    pace: f64,
    /// Occupancy × seconds.
    occupancy: f64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.watched += other.watched;
        self.vehicles += other.vehicles;
        self.paced += other.paced;
        self.pace += other.pace;
        self.occupancy += other.occupancy;
    }

    fn means(&self) -> Option<Means> {
        (self.watched > 0.0).then(|| Means {
            vehicles: self.vehicles / self.watched,
            pace: (self.paced > 0.0).then(|| self.pace / self.paced),
            occupancy: self.occupancy / self.watched,
        })
    }
}

/// What the sums say.
#[derive(Debug, Clone, Copy)]
struct Means {
    vehicles: f64,
    pace: Option<f64>,
    occupancy: f64,
}

/// The happening that is open.
#[derive(Debug, Clone, Copy)]
struct Open {
    since: MediaTime,
    /// When it was last reported.
    told: MediaTime,
    level: Level,
    worst: Level,
}

struct Congestion {
    unit: &'static str,
    area: Area,
    common: Common,
    intervals: Intervals,
    occupancy: Occupancy,
    vehicles: PerTrack<Pace>,
    /// The last `sustained`, in parts with their beginnings.
    recent: VecDeque<(MediaTime, Sums)>,
    interval: Sums,
    level_seconds: [f64; 4],
    open: Option<Open>,
    ordinal: u32,
    params: Params,
}

impl Congestion {
    fn new(params: Params, calibrated: bool) -> Self {
        Self {
            unit: unit(calibrated),
            area: Area::new(params.lane.as_ref(), params.zone.as_ref()),
            common: params.common(VEHICLES),
            intervals: Intervals::new(params.interval.duration(), params.max_frame_step.duration()),
            occupancy: Occupancy::default(),
            vehicles: PerTrack::new(),
            recent: VecDeque::new(),
            interval: Sums::default(),
            level_seconds: [0.0; 4],
            open: None,
            ordinal: 0,
            params,
        }
    }

    /// Adds what the frame shows, for the time since the frame before it.
    fn add(&mut self, at: MediaTime, step: Duration, occupancy: f64) {
        let watched = step.as_secs_f64();
        let mut now = Sums { watched, occupancy: occupancy * watched, ..Sums::default() };
        for vehicle in self.vehicles.states().filter(|vehicle| vehicle.is_seen(at)) {
            now.vehicles += watched;
            if let Some(pace) = vehicle.now() {
                now.paced += watched;
                now.pace += pace * watched;
            }
        }
        self.interval.add(&now);
        let sustained = self.params.sustained.duration();
        match self.recent.back_mut() {
            Some((since, sums)) if at.since(*since) < sustained / PARTS => sums.add(&now),
            _ => self.recent.push_back((at, now)),
        }
        while self.recent.front().is_some_and(|(since, _)| at.since(*since) > sustained) {
            self.recent.pop_front();
        }
    }

    /// The means over the last `sustained`, once that was watched.
    fn means(&self) -> Option<Means> {
        let mut all = Sums::default();
        self.recent.iter().for_each(|(_, sums)| all.add(sums));
        let enough = WATCHED * self.params.sustained.duration().as_secs_f64();
        all.means().filter(|_| all.watched >= enough)
    }

    /// The level by thresholds that are `factor` times as easy to stay within.
    fn level(&self, means: &Means, vehicles_min: f64, factor: f64) -> Level {
        if means.vehicles < vehicles_min {
            return Level::Free;
        }
        let below = |threshold: Option<f64>| {
            means.pace.zip(threshold).is_some_and(|(pace, threshold)| pace < threshold * factor)
        };
        let full = self.params.occupancy_above.is_some_and(|above| means.occupancy > above / factor);
        if below(self.params.stationary_below) {
            Level::Stationary
        } else if below(self.params.queuing_below) {
            Level::Queuing
        } else if full || below(self.params.slow_below) {
            Level::Slow
        } else {
            Level::Free
        }
    }

    /// Where it goes from the level that is open.
    fn judge(&self, means: &Means) -> Level {
        let least = f64::from(self.params.vehicles_min);
        let entered = self.level(means, least, 1.0);
        match self.open {
            // Down no farther than the thresholds of leaving allow.
            Some(open) if entered < open.level => {
                self.level(means, least * FEW, self.params.exit_factor).min(open.level).max(entered)
            }
            _ => entered,
        }
    }

    fn follow(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let Some(means) = self.means() else { return };
        let level = self.judge(&means);
        let (phase, mut open) = match self.open {
            None if level > Level::Free && self.common.cooldown.pass(frame.at) => {
                let since = self.recent.front().map_or(frame.at, |(since, _)| *since);
                (Phase::Start, Open { since, told: frame.at, level, worst: level })
            }
            Some(_) if level == Level::Free => return self.close(frame.at, EndReason::Cleared, out),
            Some(open) if level != open.level => (Phase::Update, open),
            Some(open) if frame.at.since(open.told) >= self.params.update_every.duration() => (Phase::Update, open),
            _ => return,
        };
        (open.level, open.worst, open.told) = (level, open.worst.max(level), frame.at);
        self.open = Some(open);
        let summary = format!(
            "{} traffic in {}: {:.0} vehicles{}",
            level.as_str(),
            self.area.name(),
            means.vehicles,
            means.pace.map_or_else(String::new, |pace| format!(" at {pace:.1} {}", self.unit_in_words())),
        );
        let mut measured = self.told(&means);
        measured.insert("level".to_owned(), level.as_str().into());
        measured.insert("congested_seconds".to_owned(), seconds(frame.at.since(open.since)));
        let bbox = self.area.polygon(frame.scene).map(|area| bounds(area.corners()));
        out.push(Draft { bbox, ..self.draft(phase, frame.at, summary, measured) });
    }

    fn close(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        let Some(open) = self.open.take() else { return };
        let lasted = at.since(open.since);
        let summary = format!("congestion in {} ended after {:.0} s", self.area.name(), lasted.as_secs_f64());
        let measured = values([
            ("congested_seconds", seconds(lasted)),
            ("worst_level", open.worst.as_str().into()),
            ("end_reason", reason.as_str().into()),
        ]);
        out.push(self.draft(Phase::End, at, summary, measured));
        self.ordinal += 1;
    }

    fn stop(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        self.close(at, reason, out);
        if let Some(closed) = self.intervals.interrupt(at, false) {
            self.flush(&closed, out);
        }
        self.vehicles = PerTrack::new();
        self.recent.clear();
    }

    fn unit_in_words(&self) -> &'static str {
        if self.unit == "kmh" { "km/h" } else { "box heights a second" }
    }

    fn told(&self, means: &Means) -> Values {
        let mut told =
            values([("vehicles_mean", number(means.vehicles as f32)), ("occupancy", number(means.occupancy as f32))]);
        if let Some(pace) = means.pace {
            told.insert(format!("mean_speed_{}", self.unit), number(pace as f32));
        }
        told
    }

    fn flush(&mut self, closed: &Closed, out: &mut Vec<Draft>) {
        let sums = std::mem::take(&mut self.interval);
        let level_seconds = std::mem::take(&mut self.level_seconds);
        if !self.params.report.contains(&Report::Count) {
            return;
        }
        let mut measured = sums.means().map(|means| self.told(&means)).unwrap_or_default();
        let levels = Level::ALL.iter().zip(level_seconds);
        let levels: serde_json::Map<String, Value> =
            levels.map(|(level, seconds)| (level.as_str().to_owned(), number(seconds as f32))).collect();
        measured.insert("level_seconds".to_owned(), json!(levels));
        closed.tell(&mut measured);
        let summary = format!(
            "{}: {:.1} vehicles {}",
            self.area.name(),
            sums.means().map_or(0.0, |means| means.vehicles),
            closed.in_words()
        );
        out.push(Draft {
            kind: "traffic_state",
            ordinal: closed.ordinal,
            severity: Severity::Info,
            ..self.draft(Phase::Instant, closed.at, summary, measured)
        });
    }

    fn draft(&self, phase: Phase, at: MediaTime, summary: String, measured: Values) -> Draft {
        let mut thresholds = values([
            (self.area.what(), Value::from(self.area.name())),
            ("vehicles_min", self.params.vehicles_min.into()),
            ("sustained_seconds", seconds(self.params.sustained.duration())),
            ("exit_factor", self.params.exit_factor.into()),
        ]);
        let below = [
            ("slow_below", self.params.slow_below),
            ("queuing_below", self.params.queuing_below),
            ("stationary_below", self.params.stationary_below),
        ];
        let below =
            below.into_iter().filter_map(|(name, value)| Some((format!("{name}_{}", self.unit), value?.into())));
        thresholds.extend(below);
        if let Some(above) = self.params.occupancy_above {
            thresholds.insert("occupancy_above".to_owned(), above.into());
        }
        Draft {
            kind: NAME,
            phase,
            track: None,
            ordinal: self.ordinal,
            class: None,
            bbox: None,
            severity: self.common.severity,
            summary,
            thresholds,
            measured,
            at,
        }
    }
}

/// The smallest box around the corners, within the picture.
fn bounds(corners: &[crate::scene::NormPoint]) -> NormBox {
    let empty = NormBox { x1: 1.0, y1: 1.0, x2: 0.0, y2: 0.0 };
    corners.iter().fold(empty, |b, p| NormBox {
        x1: b.x1.min(p.x),
        y1: b.y1.min(p.y),
        x2: b.x2.max(p.x),
        y2: b.y2.max(p.y),
    })
}

impl Rule for Congestion {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let step = self.intervals.step(frame.at);
        for closed in self.intervals.advance(frame.at) {
            self.flush(&closed, out);
        }
        let Some(area) = self.area.polygon(frame.scene) else { return };
        let mut boxes = Vec::new();
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if !self.common.takes(track.class, &frame.scene.labels) || !self.common.old_enough(track, frame.at) {
                continue;
            }
            if area.contains(track.anchor()) {
                boxes.push(track.bbox);
                let vehicle = self.vehicles.touch(track.id, frame.at, Pace::default);
                vehicle.observe(frame.at, &track.bbox, frame.scene);
            } else {
                self.vehicles.remove(track.id);
            }
        }
        while self.vehicles.take_excess().is_some() {}
        let occupancy = self.occupancy.of(frame.at, area, &boxes);
        self.add(frame.at, step, occupancy);
        if self.params.report.contains(&Report::Congestion) {
            self.follow(frame, out);
        }
        let level = self.open.map_or(Level::Free, |open| open.level);
        if let Some(seconds) = self.level_seconds.get_mut(level as usize) {
            *seconds += step.as_secs_f64();
        }
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.stop(from, EndReason::Gap, out);
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.stop(at, EndReason::StreamEnded, out);
    }

    fn forget(&mut self, id: TrackId, _at: MediaTime, _out: &mut Vec<Draft>) {
        self.vehicles.remove(id);
    }

    fn margins(&self, _at: MediaTime, _scene: &Scene, out: &mut Vec<Margin>) {
        let Some(means) = self.means() else { return };
        out.push(Margin::at_least(None, "vehicles_mean", means.vehicles, f64::from(self.params.vehicles_min)));
        if let (Some(pace), Some(slow)) = (means.pace, self.params.slow_below) {
            let quantity = if self.unit == "kmh" { "mean_speed_kmh" } else { "mean_speed_box_heights_per_second" };
            out.push(Margin::at_most(None, quantity, pace, slow));
        }
        if let Some(above) = self.params.occupancy_above {
            out.push(Margin::at_least(None, "occupancy", means.occupancy, above));
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.vehicles.len()
    }
}
