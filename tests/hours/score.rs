//! What the rules told against what happened: found or missed, how late, and false alarms.

use std::collections::BTreeMap;

use vantage::config::{CameraPlan, RulePlan};
use vantage::scene::{Detection, NormBox, Phase, Track};

use super::play::{Eye, Told, plan, play};
use super::traffic::{Incident, Traffic};
use super::view::{Px, Seen, View, iou};

/// An alarm is about an object when their boxes share at least this much.
const SAME: f64 = 0.2;
/// An alarm that comes so long after the end of an incident is still about it.
const LATE_S: f64 = 2.0;

/// One alarm, judged.
#[derive(Debug, Clone)]
pub struct Alarm {
    pub camera: String,
    pub kind: String,
    pub rule: String,
    pub at_s: f64,
    pub verdict: Verdict,
    pub bbox: Px,
    /// The object behind it, for false ones: its class, how long it has stood, whether it is in an incident.
    pub about: String,
    /// The objects that its track followed before, the latest last.
    pub followed: String,
    /// What the rule says it measured.
    pub measured: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Found,
    /// The incident had been reported already.
    Again,
    /// About an object that is in another sort of incident at that time: a parked car stands, too.
    Related,
    False,
}

/// One incident, and what became of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub camera: String,
    pub incident: Incident,
    /// Seconds from onset to the first alarm.
    pub after_s: Option<f64>,
    /// What the rule's own definition asks for, seconds from onset.
    pub threshold_s: f64,
    pub watched: Watched,
}

/// What became of an incident's object on its way to the rules.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    frames: u32,
    found: u32,
    tracked: u32,
    /// Identities that it had, in their order.
    pub ids: Vec<u64>,
    /// Bottom centres of its tracks, in heights of its box from where it is.
    off: Vec<[f64; 2]>,
}

impl Watched {
    /// Share of the incident's frames in which the detector found the object.
    pub fn found_share(&self) -> f64 {
        f64::from(self.found) / f64::from(self.frames.max(1))
    }

    fn frame(&mut self, whole: &Px, found: &[Detection], tracks: &[Track], size: [f64; 2]) {
        let on = |b: &NormBox| iou(whole, &pixels(b, size));
        self.frames += 1;
        self.found += u32::from(found.iter().any(|d| on(&d.bbox) > 0.3));
        let best = tracks.iter().filter(|t| t.observed).max_by(|a, b| on(&a.bbox).total_cmp(&on(&b.bbox)));
        let Some(track) = best.filter(|track| on(&track.bbox) > 0.3) else { return };
        self.tracked += 1;
        if self.ids.last() != Some(&track.id.0) {
            self.ids.push(track.id.0);
        }
        let b = pixels(&track.bbox, size);
        let height = whole[3] - whole[1];
        self.off.push([(b[0] + b[2] - whole[0] - whole[2]) / 2.0 / height, (b[3] - whole[3]) / height]);
    }

    /// One line for people.
    pub fn told(&self) -> String {
        let spread = |k: usize| {
            let mut values: Vec<f64> = self.off.iter().map(|off| off[k]).collect();
            values.sort_by(f64::total_cmp);
            let at =
                |share: f64| values.get((share * (values.len().max(1) - 1) as f64) as usize).copied().unwrap_or(0.0);
            format!("{:.2} {:.2} {:.2}", at(0.05), at(0.5), at(0.95))
        };
        format!(
            "found in {:.0} %, tracked in {:.0} %, {} identities, bottom centre off by x {} y {} heights",
            self.found_share() * 100.0,
            100.0 * f64::from(self.tracked) / f64::from(self.frames.max(1)),
            self.ids.len(),
            spread(0),
            spread(1)
        )
    }
}

/// The objects that each track followed, and from which frame on: an alarm may be of the tracker's making.
#[derive(Debug, Default)]
struct Followed {
    tracks: BTreeMap<u64, Vec<(u64, i64)>>,
}

impl Followed {
    /// Objects that are told of, the latest ones.
    const LATEST: usize = 4;

    fn frame(&mut self, frame: i64, traffic: &Traffic, seen: &[Seen], tracks: &[Track], size: [f64; 2]) {
        for track in tracks.iter().filter(|track| track.observed) {
            let b = pixels(&track.bbox, size);
            let like = |s: &Seen| iou(&s.whole, &b).max(iou(&s.visible, &b));
            let best = seen.iter().max_by(|p, q| like(p).total_cmp(&like(q))).filter(|s| like(s) >= SAME);
            let object = best.map_or(0, |s| traffic.objects[s.object].id);
            let parts = self.tracks.entry(track.id.0).or_default();
            if parts.last().is_none_or(|(last, _)| *last != object) {
                parts.push((object, frame));
            }
        }
    }

    /// Those of a track up to a frame, for people: `12 since -3.0 s` seen from that frame; 0 is nothing at all.
    fn told(&self, track: Option<u64>, frame: i64, fps: f64) -> String {
        let parts = track.and_then(|track| self.tracks.get(&track)).map_or(&[][..], Vec::as_slice);
        let parts = &parts[..parts.partition_point(|(_, from)| *from <= frame)];
        let latest = &parts[parts.len().saturating_sub(Self::LATEST)..];
        let told = latest.iter().map(|(object, from)| format!("{object} since {:.1} s", (from - frame) as f64 / fps));
        told.collect::<Vec<_>>().join(", ")
    }
}

/// One camera, scored.
#[derive(Debug, Default)]
pub struct Scored {
    pub hours: f64,
    pub outcomes: Vec<Outcome>,
    pub alarms: Vec<Alarm>,
    /// Kinds of rules that were at work.
    pub kinds: Vec<String>,
}

/// Plays a camera and judges each alarm.
pub fn score(traffic: &Traffic, pipeline: &std::path::Path, eye: Eye<'_>) -> Scored {
    let plan = plan(pipeline);
    let head = &traffic.head;
    let kinds: Vec<String> = {
        let mut kinds: Vec<String> = plan.rules.iter().map(|rule| rule.kind.clone()).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    let size = [head.width, head.height];
    let mut watched: BTreeMap<u64, Watched> = BTreeMap::new();
    let mut followed = Followed::default();
    let told = play(traffic, &plan, eye, |frame, seen, found, tracks| {
        let t = frame as f64 / head.fps;
        followed.frame(frame, traffic, seen, tracks, size);
        for incident in head.incidents.iter().filter(|i| i.onset_s <= t && t <= i.end_s) {
            if let Some(s) = seen.iter().find(|s| traffic.objects[s.object].id == incident.object) {
                watched.entry(incident.object).or_default().frame(&s.whole, found, tracks, size);
            }
        }
    });
    let judge = Judge { traffic, view: View::new(&head.camera, head.width, head.height) };
    let mut reported: BTreeMap<u64, f64> = BTreeMap::new();
    let mut alarms = Vec::new();
    for told in told.iter().filter(|told| told.draft.phase == Phase::Start) {
        let followed = followed.told(told.draft.track.map(|id| id.0), told.frame, head.fps);
        alarms.push(Alarm { followed, ..judge.alarm(told, &mut reported) });
    }
    let outcomes = head
        .incidents
        .iter()
        .filter(|incident| kinds.contains(&incident.kind))
        // Somebody who steps off the road before the rule's time is over is none of its incidents.
        .filter(|incident| incident.end_s - incident.onset_s >= judge.threshold(incident, &plan))
        .map(|incident| Outcome {
            camera: head.name.clone(),
            incident: incident.clone(),
            after_s: reported.get(&incident.object).map(|at| at - incident.onset_s),
            threshold_s: judge.threshold(incident, &plan),
            watched: watched.get(&incident.object).cloned().unwrap_or_default(),
        })
        .collect();
    Scored { hours: head.seconds / 3600.0, outcomes, alarms, kinds }
}

fn pixels(b: &NormBox, [width, height]: [f64; 2]) -> Px {
    [f64::from(b.x1) * width, f64::from(b.y1) * height, f64::from(b.x2) * width, f64::from(b.y2) * height]
}

struct Judge<'a> {
    traffic: &'a Traffic,
    view: View<'a>,
}

impl Judge<'_> {
    fn alarm(&self, told: &Told, reported: &mut BTreeMap<u64, f64>) -> Alarm {
        let head = &self.traffic.head;
        let at_s = told.frame as f64 / head.fps;
        let bbox = told.draft.bbox.map(|b| pixels(&b, [head.width, head.height])).unwrap_or_default();
        let present = self.traffic.objects.iter().enumerate();
        let seen =
            self.view.see(present.filter_map(|(i, object)| Some((i, object.at(told.frame, head.fps)?, object.size_m))));
        let id = |s: &Seen| self.traffic.objects[s.object].id;
        let like = |s: &Seen| iou(&s.whole, &bbox).max(iou(&s.visible, &bbox));
        let now = |i: &&Incident| i.onset_s <= at_s && at_s <= i.end_s + LATE_S;
        let about = |i: &&Incident| seen.iter().any(|s| id(s) == i.object && like(s) >= SAME);
        let current: Vec<&Incident> = head.incidents.iter().filter(now).filter(about).collect();
        let verdict = match current.iter().find(|i| i.kind == told.draft.kind) {
            Some(incident) if reported.contains_key(&incident.object) => Verdict::Again,
            Some(incident) => {
                reported.insert(incident.object, at_s);
                Verdict::Found
            }
            None if current.iter().any(|i| i.kind != "short_stop") => Verdict::Related,
            None => Verdict::False,
        };
        let best = seen.iter().max_by(|a, b| like(a).total_cmp(&like(b))).filter(|s| like(s) >= SAME);
        Alarm {
            camera: head.name.clone(),
            kind: told.draft.kind.to_owned(),
            rule: told.rule.to_string(),
            at_s,
            verdict,
            bbox,
            about: best.map_or_else(|| "nothing".to_owned(), |s| self.describe(s, told.frame)),
            followed: String::new(),
            measured: serde_json::to_string(&told.draft.measured).unwrap(),
        }
    }

    fn describe(&self, seen: &Seen, frame: i64) -> String {
        let head = &self.traffic.head;
        let object = &self.traffic.objects[seen.object];
        let stood = (0..frame - object.first())
            .take_while(|back| object.at(frame - back, head.fps).is_some_and(|pose| pose.speed < 0.3))
            .count();
        let near = head
            .incidents
            .iter()
            .filter(|i| i.onset_s <= frame as f64 / head.fps && frame as f64 / head.fps <= i.end_s + 15.0)
            .map(|i| format!("{} {}", i.kind, i.object))
            .collect::<Vec<_>>()
            .join(", ");
        format!(
            "{} {} at x {:.0} y {:.1}, {:.1} m/s, has stood {:.1} s, cover {:.2}; going on: {near}",
            object.class,
            object.id,
            seen.pose.x,
            seen.pose.y,
            seen.pose.speed,
            stood as f64 / head.fps,
            seen.cover
        )
    }

    /// When an observer with exact boxes could have told at the earliest by the rule's own definition.
    fn threshold(&self, incident: &Incident, plan: &CameraPlan) -> f64 {
        let about = |rule: &&RulePlan| {
            rule.kind == incident.kind && rule.params.get("lane").is_none_or(|lane| *lane == incident.area.as_str())
        };
        let rule = plan.rules.iter().find(about);
        let span = |name: &str, default: f64| {
            let given = rule.and_then(|rule| rule.params.get(name)).and_then(|v| v.as_str().map(str::to_owned));
            given.and_then(|text| text.trim_end_matches('s').parse().ok()).unwrap_or(default)
        };
        match incident.kind.as_str() {
            "stopped_vehicle" => span("stopped_for", 8.0),
            "wrong_way" => self.way_needed(incident),
            "illegal_parking" => span("parked_for", 0.0),
            "pedestrian_on_road" => span("on_road_for", 1.0),
            other => panic!("{other}: nobody has said when it can be told"),
        }
    }

    /// Seconds until a wrong-way vehicle has covered the distance that the rule asks for (its defaults).
    fn way_needed(&self, incident: &Incident) -> f64 {
        let head = &self.traffic.head;
        let Some((index, object)) = self.traffic.objects.iter().enumerate().find(|(_, o)| o.id == incident.object)
        else {
            return 0.0;
        };
        let look = |frame: i64| {
            let seen = self.view.alone(index, object.at(frame, head.fps)?, object.size_m)?;
            let b = seen.whole;
            Some(([(b[0] + b[2]) / 2.0 / head.height, b[3] / head.height], seen.height() / head.height))
        };
        let onset = (incident.onset_s * head.fps) as i64;
        let Some((from, _)) = look(onset) else { return 0.0 };
        let far = |frame: &i64| {
            look(*frame)
                .is_some_and(|(to, height)| (to[0] - from[0]).hypot(to[1] - from[1]) >= (0.5 * height).max(0.08))
        };
        let last = (incident.end_s * head.fps) as i64;
        let reached = (onset..=last).find(far).unwrap_or(last);
        ((reached - onset) as f64 / head.fps).max(0.5)
    }
}
