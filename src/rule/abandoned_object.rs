//! `abandoned_object`: something that nobody knows stands where nothing stood. Definition, limits and drawing:
//! `docs/rules/abandoned_object.md`.
//!
//! Works on glances, not on detections: whatever it is, a model need not have learnt it. Tracks only explain: cells
//! under a vehicle or a person are theirs, and where a vehicle stood, what remains is the vehicle.

use std::time::Duration;

use serde_json::Value;

use super::draft::{Draft, EndReason, number, seconds, values};
use super::params::{Check, Common, ParamError, VEHICLES, params, read};
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::view::{Background, Look, Region};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::glance::GridSize;
use crate::scene::{Labels, NormBox, NormPoint, Phase, Severity, Track};

const NAME: &str = "abandoned_object";

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports a thing of any sort that has come to stand still and is no vehicle and no person",
    required: &[],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

params! {
    /// Parameters of `abandoned_object`. `classes` are those whose tracks explain what stands there; by default road
    /// vehicles and persons.
    struct Params with Severity::Alert;
    /// Zone in which the thing's foot must stand; the whole picture when empty.
    zone: String = String::new(),
    /// How long it must have stood.
    left_for: Span = Span::from_secs(60),
    /// How often one that goes on standing is reported again.
    update_every: Span = Span::from_secs(60),
    /// After so long it belongs to the scene.
    absorb_after: Span = Span::from_secs(1800),
    /// Least size, share of the picture.
    #[schemars(range(min = 0.0001, max = 0.5))]
    min_area: f64 = 0.0005,
    /// Greatest size, share of the picture.
    #[schemars(range(min = 0.0005, max = 0.5))]
    max_area: f64 = 0.05,
    /// Difference in luma (0 to 255) from the empty scene that counts.
    #[schemars(range(min = 5.0, max = 120.0))]
    contrast: f64 = 20.0,
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    let mut check = Check::new(names, errors);
    if !params.zone.is_empty() {
        check.zone("zone", &params.zone);
    }
    check.classes(&params.classes, &[]);
    check.at_least("left_for", params.left_for, Span::from_secs(2));
    check.at_least("update_every", params.update_every, Span::from_secs(1));
    if params.absorb_after <= params.left_for {
        let message = format!("{} is not longer than `left_for` ({})", params.absorb_after, params.left_for);
        check.fail("absorb_after", message, Some("a thing must be reported before it is taken as given".to_owned()));
    }
    if params.min_area >= params.max_area {
        check.fail("min_area", format!("{} is not below `max_area` ({})", params.min_area, params.max_area), None);
    }
    check.finish()?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let common = params.common(&[]);
    Ok(Compiled { rule: Box::new(AbandonedObject::new(params, common)), params: values })
}

/// Regions reported at a time; more than this is no litter but another scene.
const MAX_OPEN: usize = 32;
/// A region that fills less of its box is a line or a scatter: a shadow's edge, reflections.
const MIN_FILL: f32 = 0.3;
/// Contrast across the outline, over that of the background, above which something was added.
const ADDED: f32 = 1.15;
/// Share of a reported thing's cells that must be in sight for it to be there.
const PRESENT: f32 = 0.4;
/// How long a reported thing may be out of sight, behind traffic.
const HIDDEN_FOR: Duration = Duration::from_secs(5);
/// A vehicle slower than this, in picture heights a second, stands.
const STANDS: f32 = 0.01;
/// A longer step between glances tells of nothing that happened in it.
const MAX_STEP_S: f32 = 1.5;

#[derive(Debug)]
struct Open {
    ordinal: u32,
    region: Region,
    since: MediaTime,
    seen: MediaTime,
    reported: MediaTime,
}

struct AbandonedObject {
    params: Params,
    common: Common,
    background: Background,
    open: Vec<Open>,
    last: Option<MediaTime>,
    happenings: u32,
}

impl AbandonedObject {
    fn new(params: Params, common: Common) -> Self {
        Self { params, common, background: Background::default(), open: Vec::new(), last: None, happenings: 0 }
    }

    fn cover(&mut self, track: &Track, scene: &Scene, dt_s: f32) {
        let name = scene.labels.name(track.class);
        let vehicle = VEHICLES.iter().any(|vehicle| vehicle.eq_ignore_ascii_case(&name));
        let slow = libm::hypotf(track.velocity.x * scene.aspect, track.velocity.y) < STANDS;
        self.background.cover(&grown(&track.bbox), vehicle && slow, dt_s);
    }

    fn explains(&self, track: &Track, labels: &Labels) -> bool {
        let name = labels.name(track.class);
        let usual = || name.eq_ignore_ascii_case("person") || VEHICLES.iter().any(|v| v.eq_ignore_ascii_case(&name));
        if self.params.classes.is_empty() { usual() } else { self.params.classes.iter().any(|c| *c == name) }
    }

    fn is_candidate(&self, region: &Region, scene: &Scene, size: GridSize) -> bool {
        let share = region.cells.len() as f32 / size.cells().max(1) as f32;
        let fill = region.cells.len() as f32 / (region.columns.len() * region.rows.len()).max(1) as f32;
        let foot = box_of(region, size).anchor();
        let in_zone = match scene.zones.get(&self.params.zone) {
            Some(zone) => zone.contains(NormPoint::new(foot.x, foot.y.min(0.999))),
            None => self.params.zone.is_empty(),
        };
        (self.params.min_area..=self.params.max_area).contains(&f64::from(share)) && fill >= MIN_FILL && in_zone
    }

    fn look_for_new(&mut self, scene: &Scene, at: MediaTime, out: &mut Vec<Draft>) {
        let size = self.background.size();
        let least = ((self.params.min_area * size.cells() as f64) as usize).max(1);
        let left_for = self.params.left_for.duration().as_secs_f32();
        for region in self.background.regions(left_for, least) {
            let known = self.open.iter().any(|open| overlap(&open.region, &region));
            if known || !self.is_candidate(&region, scene, size) {
                continue;
            }
            if self.background.outline_contrast(&region) < ADDED {
                // Something that belonged to the scene has gone, such as a car parked since before the start.
                self.background.absorb(&region.cells);
                continue;
            }
            if self.open.len() >= MAX_OPEN || !self.common.cooldown.pass(at) {
                continue;
            }
            let since = MediaTime(at.0.saturating_sub((f64::from(left_for) * 1e9) as i64));
            let open = Open { ordinal: self.happenings, region, since, seen: at, reported: at };
            self.happenings = self.happenings.saturating_add(1);
            self.report(&open, Phase::Start, at, None, out);
            self.open.push(open);
        }
    }

    fn follow_open(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        for mut open in std::mem::take(&mut self.open) {
            if self.background.still_shown(&open.region.cells, self.params.contrast as f32) >= PRESENT {
                open.seen = at;
            }
            if at.since(open.seen) >= HIDDEN_FOR {
                self.report(&open, Phase::End, at, Some("removed"), out);
            } else if at.since(open.since) >= self.params.absorb_after.duration() {
                self.background.absorb(&open.region.cells);
                self.report(&open, Phase::End, at, Some("absorbed"), out);
            } else {
                if at.since(open.reported) >= self.params.update_every.duration() {
                    open.reported = at;
                    self.report(&open, Phase::Update, at, None, out);
                }
                self.open.push(open);
            }
        }
    }

    fn close_all(&mut self, at: MediaTime, reason: &'static str, out: &mut Vec<Draft>) {
        for open in std::mem::take(&mut self.open) {
            self.report(&open, Phase::End, at, Some(reason), out);
        }
    }

    fn report(&self, open: &Open, phase: Phase, at: MediaTime, reason: Option<&'static str>, out: &mut Vec<Draft>) {
        let lasted = at.since(open.since);
        let how = match phase {
            Phase::End => "is gone or given up",
            Phase::Update => "still stands",
            Phase::Start | Phase::Instant => "stands",
        };
        let size = self.background.size();
        let area = open.region.cells.len() as f32 / size.cells().max(1) as f32;
        let mut measured = values([("stood_seconds", seconds(lasted)), ("area_share", number(area))]);
        if let Some(reason) = reason {
            measured.insert("end_reason".to_owned(), reason.into());
        }
        out.push(Draft {
            kind: NAME,
            phase,
            track: None,
            ordinal: open.ordinal,
            class: None,
            bbox: Some(box_of(&open.region, size)),
            severity: self.common.severity,
            summary: format!("an unknown object {how}, after {:.0} s", lasted.as_secs_f64()),
            thresholds: values([
                ("left_for_seconds", seconds(self.params.left_for.duration())),
                ("min_area_share", number(self.params.min_area as f32)),
                ("contrast", number(self.params.contrast as f32)),
                ("zone", self.params.zone.as_str().into()),
            ]),
            measured,
            at,
        });
    }
}

impl Rule for AbandonedObject {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let Some(glance) = frame.glance else { return };
        let dt_s = self.last.map_or(0.0, |last| frame.at.since(last).as_secs_f32()).min(MAX_STEP_S);
        self.last = Some(frame.at);
        match self.background.observe(glance, dt_s, self.params.contrast as f32) {
            Look::Learning => return,
            Look::Changed => return self.close_all(frame.at, "view_changed", out),
            Look::Usual => {}
        }
        for track in frame.tracks {
            if self.explains(track, &frame.scene.labels) {
                self.cover(track, frame.scene, 2.0 * dt_s);
            }
        }
        self.follow_open(frame.at, out);
        self.look_for_new(frame.scene, frame.at, out);
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.close_all(from, EndReason::Gap.as_str(), out);
        self.background.interrupt();
        self.last = None;
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.close_all(at, EndReason::StreamEnded.as_str(), out);
    }

    fn forget(&mut self, _id: TrackId, _at: MediaTime, _out: &mut Vec<Draft>) {}

    fn wants_glances(&self) -> bool {
        true
    }

    fn margins(&self, _at: MediaTime, scene: &Scene, out: &mut Vec<Margin>) {
        let least = self.params.left_for.duration().as_secs_f64();
        out.push(Margin::at_least(None, "stood_seconds", self.longest_s(scene).into(), least));
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        0
    }
}

impl AbandonedObject {
    /// How long the oldest thing that could become an event has stood, seconds, in quarters of what it takes.
    fn longest_s(&self, scene: &Scene) -> f32 {
        let size = self.background.size();
        let least = ((self.params.min_area * size.cells() as f64) as usize).max(1);
        let left_for = self.params.left_for.duration().as_secs_f32();
        let steps = (1..=4).rev().map(|quarter| left_for * quarter as f32 / 4.0);
        let mut steps = steps.filter(|seconds| {
            self.background.regions(*seconds, least).iter().any(|region| self.is_candidate(region, scene, size))
        });
        steps.next().unwrap_or(0.0)
    }
}

/// A box and a little around it: shadows and mirrors.
fn grown(bbox: &NormBox) -> NormBox {
    let (dx, dy) = ((bbox.x2 - bbox.x1) * 0.15, (bbox.y2 - bbox.y1) * 0.15);
    NormBox { x1: bbox.x1 - dx, y1: bbox.y1 - dy, x2: bbox.x2 + dx, y2: bbox.y2 + dy }
}

fn box_of(region: &Region, size: GridSize) -> NormBox {
    let share = |cell: usize, cells: usize| cell as f32 / cells.max(1) as f32;
    NormBox {
        x1: share(region.columns.start, size.width),
        y1: share(region.rows.start, size.height),
        x2: share(region.columns.end, size.width),
        y2: share(region.rows.end, size.height),
    }
}

fn overlap(a: &Region, b: &Region) -> bool {
    let meet = |a: &std::ops::Range<usize>, b: &std::ops::Range<usize>| a.start < b.end && b.start < a.end;
    meet(&a.columns, &b.columns) && meet(&a.rows, &b.rows)
}
