//! `pedestrian_on_road`: somebody on foot on the carriageway, away from any crossing. Definition and truth table:
//! `docs/rules/pedestrian_on_road.md`.
//!
//! A *stay* begins with the first sight clear on the road and ends when the foot point has been off it for
//! `exit_after`. Riders and people in vehicles are told by how they move with a machine ([`Together`]). A reported
//! person whom the tracker loses and finds again nearby under a new identity goes on as the same happening.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use super::body::Flat;
use super::carriageway::{Carriageway, Spot};
use super::draft::{Draft, EndReason, Sight, Values, number, seconds, values};
use super::fit::Line;
use super::held::PerTrack;
use super::params::{Check, Common, ParamError, params, read};
use super::roles::{PEOPLE, Role};
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::together::{Company, Together, may_ride};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{Ground, NormBox, Phase, Severity, Track};

const NAME: &str = "pedestrian_on_road";

/// A stay is believed only with so many sights clear on the road.
const MIN_OBSERVATIONS: u32 = 3;
/// Share of the sights since the stay began that must be on the road.
const MIN_SHARE: f32 = 0.8;
/// Share of the pictures since the stay began that must show the person.
const MIN_SEEN: f32 = 0.4;
/// A person not observed for so long may be found again as a new track.
const UNSEEN: Duration = Duration::from_millis(300);
/// How far a person gets, in heights of his box: at once (jitter, a hidden lower half), and each second (running).
const REACH: (f32, f32) = (0.7, 2.0);
/// How much taller one box of a person may be than the next.
const SAME_HEIGHT: f32 = 1.6;
/// Lost people who are waited for; beyond it the one lost longest ago is given up.
const MAX_LOST: usize = 64;
/// How fast somebody goes is told from the foot points of this time, so far apart.
const WAY: Duration = Duration::from_secs(2);
const WAY_STEP: Duration = Duration::from_millis(100);
const WAY_CAPACITY: usize = 24;
/// Nobody on foot is larger on a calibrated camera, standing or lying, metres: that is a vehicle by another name.
const LARGEST_METRES: f64 = 2.4;
/// A box that ends here or lower is cut by the picture's edge: nobody knows where its feet are.
const CUT_BELOW: f32 = 0.998;

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports a person on foot on the carriageway, away from any crossing",
    required: &[],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

params! {
    /// Parameters of `pedestrian_on_road`.
    struct Params with Severity::Alert;
    /// Zones that are carriageway; these or `lanes`, or both.
    zones: Vec<String> = Vec::new(),
    /// Lanes that are carriageway.
    lanes: Vec<String> = Vec::new(),
    /// Zones where people may cross.
    crossings: Vec<String> = Vec::new(),
    /// How long a person is on the road before it is reported.
    on_road_for: Span = Span::from_secs(1),
    /// How far within the carriageway the foot point must be, in heights of the person's box.
    #[schemars(range(min = 0.0, max = 2.0))]
    clear: f64 = 0.15,
    /// How far beside a crossing people still use it, in heights of the person's box.
    #[schemars(range(min = 0.0, max = 5.0))]
    crossing_margin: f64 = 0.5,
    /// A person who is back on the road within this time has not left it.
    exit_after: Span = Span::from_secs(1),
    /// A person found again within this time, near where he was lost, is the same one.
    rejoin_within: Span = Span::from_secs(5),
    /// Nobody on foot is faster, in metres per second: who is rides something that the detector does not name.
    #[schemars(range(min = 1.0, max = 15.0))]
    on_foot_below: f64 = 3.5,
    /// How often a stay that goes on is reported again.
    update_every: Span = Span::from_secs(10),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let common = params.common(PEOPLE);
    let (people, together) = (PerTrack::new(), Together::default());
    let rule = PedestrianOnRoad { params, common, people, lost: Vec::new(), together, frames: 0 };
    Ok(Compiled { rule: Box::new(rule), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    if params.zones.is_empty() && params.lanes.is_empty() && !check.has_failed("zones") && !check.has_failed("lanes") {
        check.fail("zones", "is missing: give `zones` or `lanes` that are carriageway".to_owned(), None);
    }
    params.zones.iter().for_each(|zone| check.zone("zones", zone));
    params.lanes.iter().for_each(|lane| check.lane("lanes", lane));
    params.crossings.iter().for_each(|zone| check.zone("crossings", zone));
    check.people(&params.classes);
    check.at_least("update_every", params.update_every, Span::from_secs(1));
    check.finish()
}

impl Params {
    fn carriageway(&self) -> Carriageway<'_> {
        Carriageway {
            zones: &self.zones,
            lanes: &self.lanes,
            crossings: &self.crossings,
            clear: self.clear as f32,
            crossing_margin: self.crossing_margin as f32,
        }
    }
}

/// What is remembered of one person.
#[derive(Debug)]
struct Walker {
    stay: Option<Stay>,
    happening: Option<Happening>,
    /// Happenings that began with this track.
    begun: u32,
    company: Company,
    sight: Sight,
    /// Foot points of the last [`WAY`]: metres on the ground, else picture heights.
    way: VecDeque<(MediaTime, Flat)>,
}

/// A time on the road.
#[derive(Debug)]
struct Stay {
    since: MediaTime,
    /// The number of the frame that it began in.
    frame: u64,
    last_on: MediaTime,
    off_since: Option<MediaTime>,
    /// Sights since it began, and those of them on the road.
    seen: u32,
    on: u32,
}

/// What was reported and goes on; its identity is that of the track it began with.
#[derive(Debug, Clone, Copy)]
struct Happening {
    track: TrackId,
    ordinal: u32,
    since: MediaTime,
    told_at: MediaTime,
}

/// Somebody reported whose track has ended.
#[derive(Debug)]
struct Lost {
    happening: Happening,
    sight: Sight,
    last_on: MediaTime,
    until: MediaTime,
}

struct PedestrianOnRoad {
    params: Params,
    common: Common,
    people: PerTrack<Walker>,
    lost: Vec<Lost>,
    together: Together,
    /// Frames so far.
    frames: u64,
}

impl Rule for PedestrianOnRoad {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        self.frames += 1;
        self.give_up(frame.at, out);
        let role = |track: &Track| Role::of(&frame.scene.labels.name(track.class));
        let takes = |track: &Track| self.common.takes(track.class, &frame.scene.labels);
        self.together.observe(frame.at, frame.tracks, frame.scene, |a, b| match (takes(a), takes(b)) {
            (true, false) => may_ride(&a.bbox, &b.bbox, role(b)),
            (false, true) => may_ride(&b.bbox, &a.bbox, role(a)),
            _ => false,
        });
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if self.common.takes(track.class, &frame.scene.labels) {
                self.see(track, frame, out);
            }
        }
        while let Some(walker) = self.people.take_excess() {
            self.close(&walker, frame.at, EndReason::Evicted, out);
        }
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.close_all(from, EndReason::Gap, out);
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.close_all(at, EndReason::StreamEnded, out);
    }

    fn forget(&mut self, id: TrackId, at: MediaTime, out: &mut Vec<Draft>) {
        self.together.forget(id);
        let Some(walker) = self.people.remove(id) else { return };
        let Some(happening) = walker.happening else { return };
        if self.lost.len() >= MAX_LOST || self.params.rejoin_within.duration().is_zero() {
            self.close(&walker, at, EndReason::TrackEnded, out);
            return;
        }
        let until = at + self.params.rejoin_within.duration();
        self.lost.push(Lost { happening, sight: walker.sight, last_on: walker.last_on(), until });
    }

    fn margins(&self, at: MediaTime, scene: &Scene, out: &mut Vec<Margin>) {
        let carriageway = self.params.carriageway();
        for (id, walker) in self.people.iter() {
            let id = Some(id);
            let on_road = carriageway.spot(&walker.sight.bbox, scene) == Spot::Road;
            out.push(Margin::at_least(id, "clear_on_road", f64::from(u8::from(on_road)), 1.0));
            let with_vehicle = walker.company != Company::Alone;
            out.push(Margin::at_most(id, "moves_with_a_vehicle", f64::from(u8::from(with_vehicle)), 0.0));
            let stayed = walker.stay.as_ref().map_or(Duration::ZERO, |stay| at.since(stay.since));
            let least = self.params.on_road_for.duration().as_secs_f64();
            out.push(Margin::at_least(id, "on_road_seconds", stayed.as_secs_f64(), least));
            let share = walker.stay.as_ref().map_or(0.0, Stay::share);
            out.push(Margin::at_least(id, "share_of_sights_on_road", f64::from(share), f64::from(MIN_SHARE)));
            let shown = walker.stay.as_ref().map_or(0.0, |stay| stay.share_seen(self.frames));
            out.push(Margin::at_least(id, "share_of_pictures", f64::from(shown), f64::from(MIN_SEEN)));
            let pace = walker.pace_at_most(scene);
            out.push(Margin::at_most(id, "metres_per_second", pace, self.params.on_foot_below));
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.people.len() + self.lost.len()
    }
}

impl PedestrianOnRoad {
    fn see(&mut self, track: &Track, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let at = frame.at;
        let sight = Sight::new(track, at);
        let company = self.together.of(track.id);
        let fresh = || Walker { stay: None, happening: None, begun: 0, company, sight, way: VecDeque::new() };
        let walker = self.people.touch(track.id, at, fresh);
        (walker.sight, walker.company) = (sight, company);
        walker.go(frame.scene);
        let is_person = Role::of(&frame.scene.labels.name(track.class)) == Role::Person;
        if track.bbox.y2 >= CUT_BELOW || (is_person && is_vehicle_sized(&track.bbox, frame.scene)) {
            return;
        }
        if company == Company::Together && walker.happening.is_none() {
            walker.stay = None;
            return;
        }
        let spot = self.params.carriageway().spot(&track.bbox, frame.scene);
        let exit_after = self.params.exit_after.duration();
        if let Some(left) = walker.step(spot, at, self.frames, exit_after) {
            if let Some(happening) = walker.happening.take() {
                out.push(ending(&self.params, &self.common, happening, sight, at, left, EndReason::Left));
            }
            return;
        }
        let begins = walker.stay.as_ref().is_some_and(|stay| stay.since == at) && walker.happening.is_none();
        if begins {
            let found = self.find_again(&sight, frame);
            if let (Some(happening), Some(walker)) = (found, self.people.get_mut(track.id)) {
                walker.happening = Some(happening);
            }
        }
        self.report(track, frame, out);
    }

    fn report(&mut self, track: &Track, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let at = frame.at;
        let Some(walker) = self.people.get_mut(track.id) else { return };
        let Some(stay) = walker.stay.as_ref().filter(|stay| stay.last_on == at) else { return };
        let class = frame.scene.labels.name(track.class);
        if let Some(happening) = &mut walker.happening {
            if at.since(happening.told_at) < self.params.update_every.duration() {
                return;
            }
            happening.told_at = at;
            let lasted = at.since(happening.since);
            let summary = format!("{class} is still on the carriageway, for {:.1} s", lasted.as_secs_f64());
            let mut measured = measured(lasted, walker.sight.id);
            measured.insert("share_of_sights".to_owned(), number(stay.share()));
            out.push(draft(&self.params, &self.common, Phase::Update, *happening, walker.sight, at, summary, measured));
            return;
        }
        let lasted = at.since(stay.since);
        let proved = lasted >= self.params.on_road_for.duration()
            && stay.on >= MIN_OBSERVATIONS
            && stay.share() >= MIN_SHARE
            && stay.share_seen(self.frames) >= MIN_SEEN
            && walker.company == Company::Alone
            && walker.pace_at_most(frame.scene) < self.params.on_foot_below;
        if !proved || !self.common.old_enough(track, at) || !self.common.cooldown.pass(at) {
            return;
        }
        let happening = Happening { track: track.id, ordinal: walker.begun, since: stay.since, told_at: at };
        walker.begun = walker.begun.saturating_add(1);
        walker.happening = Some(happening);
        let summary = format!("{class} is on the carriageway, for {:.1} s", lasted.as_secs_f64());
        let mut measured = measured(lasted, track.id);
        measured.insert("observations".to_owned(), stay.on.into());
        measured.insert("share_of_sights".to_owned(), number(stay.share()));
        if let Some(place) = frame.scene.ground.as_ref().and_then(|ground| ground.metres(track.anchor())) {
            measured.insert("ground_metres".to_owned(), vec![place.x, place.y].into());
        }
        out.push(draft(&self.params, &self.common, Phase::Start, happening, walker.sight, at, summary, measured));
    }

    /// The happening of somebody lost whom this sight may continue: the nearest one.
    fn find_again(&mut self, sight: &Sight, frame: &FrameView<'_>) -> Option<Happening> {
        let height = sight.bbox.height();
        let away = |other: &Sight| {
            let taller = (other.bbox.height() / height).max(height / other.bbox.height());
            let waited = frame.at.since(other.at).as_secs_f32();
            let far = frame.scene.distance(other.bbox.anchor(), sight.bbox.anchor()) / height;
            (taller <= SAME_HEIGHT && far <= REACH.0 + REACH.1 * waited).then_some(far)
        };
        let within = self.params.rejoin_within.duration();
        // Ended tracks first: a track that the tracker still hopes for may come back by itself.
        let ended = self.lost.iter().enumerate().filter_map(|(n, lost)| Some((away(&lost.sight)?, n)));
        if let Some((_, n)) = ended.min_by(|a, b| a.0.total_cmp(&b.0)) {
            return Some(self.lost.swap_remove(n).happening);
        }
        let unseen = self.people.iter().filter_map(|(id, walker)| {
            let waited = frame.at.since(walker.sight.at);
            let may = walker.happening.is_some() && waited >= UNSEEN && waited <= within;
            Some((away(&walker.sight).filter(|_| may)?, id))
        });
        let (_, id) = unseen.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let walker = self.people.get_mut(id)?;
        walker.stay = None;
        walker.happening.take()
    }

    /// Ends what is lost for too long.
    fn give_up(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        let (gone, waited): (Vec<Lost>, Vec<Lost>) =
            std::mem::take(&mut self.lost).into_iter().partition(|lost| at >= lost.until);
        self.lost = waited;
        for lost in gone {
            self.close_lost(&lost, at, EndReason::TrackEnded, out);
        }
    }

    fn close_all(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        self.together.clear();
        for lost in std::mem::take(&mut self.lost) {
            self.close_lost(&lost, at, reason, out);
        }
        for walker in self.people.take_all() {
            self.close(&walker, at, reason, out);
        }
    }

    fn close_lost(&self, lost: &Lost, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        out.push(ending(&self.params, &self.common, lost.happening, lost.sight, at, lost.last_on, reason));
    }

    fn close(&self, walker: &Walker, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        if let Some(happening) = walker.happening {
            out.push(ending(&self.params, &self.common, happening, walker.sight, at, walker.last_on(), reason));
        }
    }
}

impl Walker {
    fn last_on(&self) -> MediaTime {
        self.stay.as_ref().map_or(self.sight.at, |stay| stay.last_on)
    }

    /// Takes in the foot point.
    fn go(&mut self, scene: &Scene) {
        let (at, anchor) = (self.sight.at, self.sight.bbox.anchor());
        while self.way.front().is_some_and(|(first, _)| at.since(*first) > WAY) {
            self.way.pop_front();
        }
        if self.way.back().is_some_and(|(last, _)| at.since(*last) < WAY_STEP) || self.way.len() >= WAY_CAPACITY {
            return;
        }
        let in_heights = || {
            let place = scene.in_heights(anchor);
            Some(Flat::new(f64::from(place.x), f64::from(place.y)))
        };
        let on_ground = |ground: &Ground| ground.metres(anchor).map(|place| Flat::new(place.x, place.y));
        if let Some(place) = scene.ground.as_ref().map_or_else(in_heights, on_ground) {
            self.way.push_back((at, place));
        }
    }

    /// The speed over the last [`WAY`], metres per second, and two standard errors more: what it surely does not exceed.
    /// Without a calibration by the height of the box, so that who goes along the line of sight seems slower.
    fn pace_at_most(&self, scene: &Scene) -> f64 {
        let by_height = || Role::Person.size().height / f64::from(self.sight.bbox.height());
        let metres = if scene.ground.is_some() { 1.0 } else { by_height() };
        Line::fit(self.way.iter()).map_or(0.0, |line| (line.slope.length() + 2.0 * line.slope_error) * metres)
    }

    /// Takes in where the person stands; when the stay ended, if it is over.
    fn step(&mut self, spot: Spot, at: MediaTime, frame: u64, exit_after: Duration) -> Option<MediaTime> {
        if spot == Spot::Road && self.stay.is_none() {
            self.stay = Some(Stay { since: at, frame, last_on: at, off_since: None, seen: 0, on: 0 });
        }
        let stay = self.stay.as_mut()?;
        stay.seen = stay.seen.saturating_add(1);
        if spot != Spot::Off {
            (stay.last_on, stay.off_since) = (at, None);
            stay.on = stay.on.saturating_add(u32::from(spot == Spot::Road));
            return None;
        }
        let off = *stay.off_since.get_or_insert(at);
        if at.since(off) < exit_after {
            return None;
        }
        self.stay = None;
        Some(off)
    }
}

impl Stay {
    fn share(&self) -> f32 {
        self.on as f32 / self.seen.max(1) as f32
    }

    /// Of the frames since it began, up to this one.
    fn share_seen(&self, frame: u64) -> f32 {
        self.seen as f32 / frame.saturating_sub(self.frame).saturating_add(1) as f32
    }
}

/// Whether a box is too large for somebody on foot; never without a calibration.
fn is_vehicle_sized(bbox: &NormBox, scene: &Scene) -> bool {
    let metres = |ground: &Ground| {
        let [[x_by_x, _], [y_by_x, _]] = ground.jacobian(bbox.anchor())?;
        let size = bbox.width().max(bbox.height() / scene.aspect);
        Some(Flat::new(x_by_x, y_by_x).length() * f64::from(size))
    };
    scene.ground.as_ref().and_then(metres).is_some_and(|metres| metres > LARGEST_METRES)
}

fn measured(lasted: Duration, now: TrackId) -> Values {
    values([("on_road_seconds", seconds(lasted)), ("present_track", now.0.into())])
}

fn ending(
    params: &Params,
    common: &Common,
    happening: Happening,
    sight: Sight,
    at: MediaTime,
    until: MediaTime,
    reason: EndReason,
) -> Draft {
    let lasted = until.since(happening.since);
    let summary = format!("person was on the carriageway for {:.1} s", lasted.as_secs_f64());
    let mut measured = measured(lasted, sight.id);
    measured.insert("end_reason".to_owned(), reason.as_str().into());
    draft(params, common, Phase::End, happening, sight, at, summary, measured)
}

#[allow(clippy::too_many_arguments)] // one record, written in three places
fn draft(
    params: &Params,
    common: &Common,
    phase: Phase,
    happening: Happening,
    sight: Sight,
    at: MediaTime,
    summary: String,
    measured: Values,
) -> Draft {
    Draft {
        kind: NAME,
        phase,
        track: Some(happening.track),
        ordinal: happening.ordinal,
        class: Some(sight.class),
        bbox: Some(sight.bbox),
        severity: common.severity,
        summary,
        thresholds: values([
            ("carriageway", params.zones.iter().chain(&params.lanes).cloned().collect::<Vec<_>>().into()),
            ("crossings", params.crossings.clone().into()),
            ("on_road_for_seconds", seconds(params.on_road_for.duration())),
            ("clear_box_heights", params.clear.into()),
            ("crossing_margin_box_heights", params.crossing_margin.into()),
            ("rejoin_within_seconds", seconds(params.rejoin_within.duration())),
        ]),
        measured,
        at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_a_person_is_small() {
        assert!(size_of::<Walker>() <= 256, "{}", size_of::<Walker>());
    }
}
