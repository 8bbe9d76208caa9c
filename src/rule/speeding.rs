//! `speeding`: a vehicle is faster than the limit beyond the doubt of the measurement. Definition and
//! truth table: `docs/rules/speeding.md`; how a speed is measured: `speed.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::area::Area;
use super::draft::{Draft, EndReason, Sight, Values, number, seconds, values};
use super::held::PerTrack;
use super::interval::{Closed, Intervals};
use super::params::{Check, Common, ParamError, VEHICLES, params, read};
use super::quantiles::Quantiles;
use super::scene::{Scene, SceneNames};
use super::speed::{Gauge, KMH, Speed, Window, is_hidden};
use super::table::{Compiled, Kind};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{Phase, Severity};

const NAME: &str = "speeding";

/// A vehicle that is no longer provably too fast for so long has slowed down.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports a vehicle whose speed is above the limit even at the lower end of its uncertainty",
    required: &["limit_kmh"],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

/// What the rule reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Report {
    /// Who is too fast.
    Speeding,
    /// Each vehicle's best measured speed, when it has left.
    Vehicle,
    /// The distribution of speeds of each interval.
    Count,
}

params! {
    /// Parameters of `speeding`.
    struct Params with Severity::Warning;
    /// The lane; either this or `zone`.
    lane: Option<String> = None,
    /// The zone; either this or `lane`.
    zone: Option<String> = None,
    /// The limit in km/h.
    #[schemars(range(min = 1.0, max = 400.0))]
    limit_kmh: f64 = 50.0,
    /// Other limits by class name, in km/h.
    class_limits_kmh: BTreeMap<String, f64> = BTreeMap::new(),
    /// The speed is measured over so long.
    window: Span = Span::from_secs(2),
    /// It must be too fast for so long.
    held_for: Span = Span::from_millis(500),
    /// Faster than this, in km/h, is no vehicle but a mistake, and not counted either.
    #[schemars(range(min = 10.0, max = 1000.0))]
    max_kmh: f64 = 250.0,
    /// Standard error of one frame's time against the others.
    time_error: Span = Span::from_millis(5),
    /// What is reported; speeds are measured in any case.
    report: Vec<Report> = vec![Report::Speeding, Report::Count],
    /// Length of a counting interval, from the first frame on.
    interval: Span = Span::from_secs(60),
    /// A longer step between frames counts as not observed.
    max_frame_step: Span = Span::from_secs(1),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    Ok(Compiled { rule: Box::new(Speeding::new(params)), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    check.calibrated(NAME);
    Area::check(&mut check, params.lane.as_ref(), params.zone.as_ref());
    check.classes(&params.classes, VEHICLES);
    check.class_names("class_limits_kmh", params.class_limits_kmh.keys());
    for (class, limit) in &params.class_limits_kmh {
        if !(1.0..=400.0).contains(limit) {
            check.fail("class_limits_kmh", format!("{limit} for `{class}` is out of range: 1 to 400"), None);
        }
    }
    check.at_least("window", params.window, Span::from_millis(500));
    check.at_most("window", params.window, Span::from_secs(30));
    check.at_most("time_error", params.time_error, Span::from_secs(1));
    check.at_least("interval", params.interval, Span::from_secs(1));
    check.at_least("max_frame_step", params.max_frame_step, Span::from_millis(1));
    if params.report.is_empty() {
        check.fail("report", "is empty: the rule would say nothing".to_owned(), None);
    }
    check.finish()
}

/// What is remembered of one vehicle.
#[derive(Debug)]
struct Vehicle {
    window: Window,
    sight: Sight,
    class: String,
    limit_kmh: f64,
    now: Option<Speed>,
    /// The speed that is known best so far, and when it was.
    best: Option<(MediaTime, Speed)>,
    /// Since when the lower bound is above the limit.
    over_since: Option<MediaTime>,
    /// It was seen in the area; before, it may have been seen for long on its way there.
    entered: bool,
    /// The first sight outside the area, while it may still come back.
    outside_since: Option<MediaTime>,
    reported: Option<Reported>,
    /// It was reported, and that is over: a track is reported once.
    over: bool,
    /// It has left, and is counted: a track is counted once.
    done: bool,
}

#[derive(Debug, Clone, Copy)]
struct Reported {
    since: MediaTime,
    /// When it was last provably too fast.
    last_over: MediaTime,
    max_kmh: f64,
}

/// Speeds of one class in one interval, km/h.
#[derive(Debug, Default)]
struct Spots {
    speeds: Quantiles,
    over_limit: u32,
}

/// What turns a vehicle into drafts.
struct Teller {
    params: Params,
    area: Area,
    severity: Severity,
    spots: BTreeMap<String, Spots>,
}

struct Speeding {
    gauge: Gauge,
    common: Common,
    teller: Teller,
    intervals: Intervals,
    vehicles: PerTrack<Vehicle>,
}

impl Speeding {
    fn new(params: Params) -> Self {
        Self {
            gauge: Gauge { window: params.window.duration(), time_error: params.time_error.duration().as_secs_f64() },
            common: params.common(VEHICLES),
            intervals: Intervals::new(params.interval.duration(), params.max_frame_step.duration()),
            vehicles: PerTrack::new(),
            teller: Teller {
                area: Area::new(params.lane.as_ref(), params.zone.as_ref()),
                severity: params.severity,
                spots: BTreeMap::new(),
                params,
            },
        }
    }

    fn stop(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        for mut vehicle in self.vehicles.take_all() {
            self.teller.close(&mut vehicle, at, reason, out);
        }
        if let Some(closed) = self.intervals.interrupt(at, !self.teller.spots.is_empty()) {
            self.teller.flush(&closed, &self.intervals, out);
        }
    }
}

impl Rule for Speeding {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        for closed in self.intervals.advance(frame.at) {
            self.teller.flush(&closed, &self.intervals, out);
        }
        let Some(area) = self.teller.area.polygon(frame.scene) else { return };
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if !self.common.takes(track.class, &frame.scene.labels) {
                continue;
            }
            let sight = Sight::new(track, frame.at);
            let vehicle = self.vehicles.touch(track.id, frame.at, || Vehicle::new(sight));
            if vehicle.done {
                continue;
            }
            if !area.contains(track.anchor()) {
                // Whoever has not come yet has not left.
                if !vehicle.entered {
                    continue;
                }
                let left = *vehicle.outside_since.get_or_insert(frame.at);
                if frame.at.since(left) >= SETTLE {
                    self.teller.close(vehicle, frame.at, EndReason::Left, out);
                }
                continue;
            }
            (vehicle.sight, vehicle.entered, vehicle.outside_since) = (sight, true, None);
            // Whoever is hidden below has no place on the road now.
            let others = frame.tracks.iter().filter(|other| other.id != track.id).map(|other| &other.bbox);
            if is_hidden(&track.bbox, others) || !vehicle.window.push(frame.at, &track.bbox, frame.scene, &self.gauge) {
                continue;
            }
            vehicle.follow(frame, &self.gauge, &self.teller.params);
            if let Some(since) = vehicle.due(frame.at, &self.teller.params)
                && self.common.old_enough(track, frame.at)
                && self.common.cooldown.pass(frame.at)
            {
                self.teller.start(vehicle, since, frame.at, out);
            } else if vehicle.reported.is_some_and(|reported| frame.at.since(reported.last_over) >= SETTLE) {
                self.teller.finish(vehicle, frame.at, EndReason::Cleared, out);
            }
        }
        while let Some(mut vehicle) = self.vehicles.take_excess() {
            self.teller.close(&mut vehicle, frame.at, EndReason::Evicted, out);
        }
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.stop(from, EndReason::Gap, out);
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.stop(at, EndReason::StreamEnded, out);
    }

    fn forget(&mut self, id: TrackId, at: MediaTime, out: &mut Vec<Draft>) {
        if let Some(mut vehicle) = self.vehicles.remove(id) {
            self.teller.close(&mut vehicle, at, EndReason::TrackEnded, out);
        }
    }

    fn margins(&self, _at: MediaTime, _scene: &Scene, out: &mut Vec<Margin>) {
        let held_for = self.teller.params.held_for.duration().as_secs_f64();
        for (id, vehicle) in self.vehicles.iter() {
            let Some(now) = &vehicle.now else { continue };
            let id = Some(id);
            out.push(Margin::at_least(id, "speed_lower_kmh", now.lower * KMH, vehicle.limit_kmh));
            out.push(Margin::at_least(id, "speed_kmh", now.value * KMH, vehicle.limit_kmh));
            let held = vehicle.over_since.map_or(0.0, |since| vehicle.sight.at.since(since).as_secs_f64());
            out.push(Margin::at_least(id, "over_limit_seconds", held, held_for));
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.vehicles.len()
    }
}

impl Vehicle {
    fn new(sight: Sight) -> Self {
        Self {
            window: Window::default(),
            sight,
            class: String::new(),
            limit_kmh: f64::INFINITY,
            now: None,
            best: None,
            over_since: None,
            entered: false,
            outside_since: None,
            reported: None,
            over: false,
            done: false,
        }
    }

    /// The window has grown: the speed anew, and what follows from it.
    fn follow(&mut self, frame: &FrameView<'_>, gauge: &Gauge, params: &Params) {
        let class = frame.scene.labels.name(self.sight.class);
        if *class != self.class {
            self.class = class.into_owned();
            self.limit_kmh = params.class_limits_kmh.get(&self.class).copied().unwrap_or(params.limit_kmh);
        }
        let believed = |speed: &Speed| speed.value * KMH <= params.max_kmh;
        self.now = self.window.speed(frame.scene, gauge).filter(believed);
        let Some(now) = self.now else {
            self.over_since = None;
            return;
        };
        if self.best.is_none_or(|(_, best)| now.doubt() < best.doubt()) {
            self.best = Some((frame.at, now));
        }
        if now.lower * KMH > self.limit_kmh {
            self.over_since.get_or_insert(frame.at);
            if let Some(reported) = &mut self.reported {
                reported.last_over = frame.at;
                reported.max_kmh = reported.max_kmh.max(now.value * KMH);
            }
        } else {
            self.over_since = None;
        }
    }

    /// Since when it has been too fast, once that is long enough to report.
    fn due(&self, at: MediaTime, params: &Params) -> Option<MediaTime> {
        let since = self.over_since.filter(|since| at.since(*since) >= params.held_for.duration())?;
        (self.reported.is_none() && !self.over && params.report.contains(&Report::Speeding)).then_some(since)
    }
}

impl Teller {
    fn start(&self, vehicle: &mut Vehicle, since: MediaTime, at: MediaTime, out: &mut Vec<Draft>) {
        let Some(now) = vehicle.now else { return };
        vehicle.reported = Some(Reported { since, last_over: at, max_kmh: now.value * KMH });
        let summary = format!(
            "{} at {:.0} km/h in {}, at least {:.0}, limit {:.0}",
            vehicle.class,
            now.value * KMH,
            self.area.name(),
            now.lower * KMH,
            vehicle.limit_kmh,
        );
        out.push(self.draft(NAME, Phase::Start, vehicle, at, summary, told(&now)));
    }

    /// Ends what was reported.
    fn finish(&self, vehicle: &mut Vehicle, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        let Some(reported) = vehicle.reported.take() else { return };
        let lasted = reported.last_over.since(reported.since);
        let summary = format!("speeding in {} ended, at most {:.0} km/h", self.area.name(), reported.max_kmh);
        let measured = values([
            ("max_kmh", number(reported.max_kmh as f32)),
            ("speeding_seconds", seconds(lasted)),
            ("end_reason", reason.as_str().into()),
        ]);
        out.push(self.draft(NAME, Phase::End, vehicle, at, summary, measured));
        vehicle.over = true;
    }

    /// The vehicle is gone: ends what was reported, and counts its speed.
    fn close(&mut self, vehicle: &mut Vehicle, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        self.finish(vehicle, at, reason, out);
        if std::mem::replace(&mut vehicle.done, true) {
            return;
        }
        let Some((when, best)) = vehicle.best else { return };
        let spots = self.spots.entry(vehicle.class.clone()).or_default();
        spots.speeds.push(best.value * KMH);
        spots.over_limit += u32::from(best.lower * KMH > vehicle.limit_kmh);
        if self.params.report.contains(&Report::Vehicle) {
            let summary = format!("{} passed {} at {:.0} km/h", vehicle.class, self.area.name(), best.value * KMH);
            let mut measured = told(&best);
            measured.insert("seconds_ago".to_owned(), seconds(at.since(when)));
            out.push(self.draft("vehicle_speed", Phase::Instant, vehicle, at, summary, measured));
        }
    }

    fn flush(&mut self, closed: &Closed, intervals: &Intervals, out: &mut Vec<Draft>) {
        let spots = std::mem::take(&mut self.spots);
        if !self.params.report.contains(&Report::Count) {
            return;
        }
        let tell = |spots: &Spots| {
            let kmh = |value: Option<f64>| value.map(|kmh| number(kmh as f32));
            json!({
                "vehicles": spots.speeds.count(),
                "mean_kmh": kmh(spots.speeds.mean()),
                "p85_kmh": kmh(spots.speeds.percentile(0.85)),
                "max_kmh": kmh(spots.speeds.max()),
                "over_limit": spots.over_limit,
            })
        };
        let by_class: BTreeMap<&String, Value> = spots.iter().map(|(class, spots)| (class, tell(spots))).collect();
        let vehicles: u32 = spots.values().map(|spots| spots.speeds.count()).sum();
        let mut measured = values([("speeds", json!(by_class))]);
        closed.tell(&mut measured);
        out.push(Draft {
            kind: "speed_count",
            phase: Phase::Instant,
            track: None,
            ordinal: closed.ordinal,
            class: None,
            bbox: None,
            severity: Severity::Info,
            summary: format!("{}: speeds of {vehicles} vehicles {}", self.area.name(), closed.in_words()),
            thresholds: values([
                (self.area.what(), Value::from(self.area.name())),
                ("limit_kmh", self.params.limit_kmh.into()),
                ("interval_seconds", seconds(intervals.length())),
                ("max_frame_step_seconds", seconds(intervals.max_frame_step())),
            ]),
            measured,
            at: closed.at,
        });
    }

    fn draft(
        &self,
        kind: &'static str,
        phase: Phase,
        vehicle: &Vehicle,
        at: MediaTime,
        summary: String,
        measured: Values,
    ) -> Draft {
        Draft {
            kind,
            phase,
            track: Some(vehicle.sight.id),
            ordinal: 0,
            class: Some(vehicle.sight.class),
            bbox: Some(vehicle.sight.bbox),
            severity: if kind == NAME { self.severity } else { Severity::Info },
            summary,
            thresholds: values([
                (self.area.what(), Value::from(self.area.name())),
                ("limit_kmh", vehicle.limit_kmh.into()),
                ("held_for_seconds", seconds(self.params.held_for.duration())),
                ("window_seconds", seconds(self.params.window.duration())),
            ]),
            measured,
            at,
        }
    }
}

fn told(speed: &Speed) -> Values {
    let kmh = |mps: f64| number((mps * KMH) as f32);
    values([
        ("speed_kmh", kmh(speed.value)),
        ("speed_lower_kmh", kmh(speed.lower)),
        ("speed_upper_kmh", kmh(speed.upper)),
        ("error_jitter_kmh", kmh(speed.errors.jitter)),
        ("error_contact_kmh", kmh(speed.errors.contact)),
        ("error_turn_kmh", kmh(speed.errors.turn)),
        ("error_time_kmh", kmh(speed.errors.time)),
        ("error_calibration_kmh", kmh(speed.errors.calibration)),
        ("observations", speed.observations.into()),
        ("measured_seconds", seconds(speed.lasted)),
    ])
}
