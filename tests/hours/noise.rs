//! A detector's errors, played back as `test-media/noise.py` measured them (the JSON files beside this one).
//!
//! Each object carries a few normal variables through time: a part that it keeps for life, a part that fades, a part
//! that is new in each frame, in the measured shares. Their normal probabilities pick from the measured quantiles
//! (a Gaussian copula: Nelsen, *An Introduction to Copulas*, 2006), so that every single frame errs as measured and
//! errors persist as measured. All is drawn from one seed: the same traffic gives the same detections.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use vantage::scene::{ClassId, Detection, NormBox};

use super::street::Dice;
use super::traffic::Head;
use super::view::{Px, Seen, View, iou};

/// Below this speed, m/s, an object stands.
const STANDING: f64 = 0.3;

#[derive(Debug, Deserialize)]
pub struct Measured {
    pub model: String,
    pub model_sha256: String,
    pub labels: Vec<String>,
    sorts: BTreeMap<String, String>,
    heights_px: Vec<f64>,
    covers: Vec<f64>,
    cuts: Vec<f64>,
    /// How far from the middle of the road the kerbs are, where it was measured and where it is played back.
    road_half_width_m: f64,
    lights: BTreeMap<String, Light>,
}

#[derive(Debug, Deserialize)]
struct Light {
    score: Score,
    edges: Edges,
    class: Class,
    second_boxes: BTreeMap<String, SecondBoxes>,
    strays: Strays,
}

#[derive(Debug, Deserialize)]
struct Score {
    /// By sort, height, cover.
    whole: BTreeMap<String, Vec<Vec<Cell>>>,
    /// By sort and cut.
    cut: BTreeMap<String, Vec<Cell>>,
    in_time: Motion,
}

#[derive(Debug, Deserialize)]
struct Cell {
    missed: f64,
    scores: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct Edges {
    towards_visible: f64,
    /// What an object keeps, and what differs from it.
    offset: Errors<EdgeQuantiles>,
    /// By cover.
    residual: Errors<Vec<EdgeQuantiles>>,
    in_time: Motion,
}

/// Quantiles of the four edges, in heights.
type EdgeQuantiles = [Vec<f64>; 4];

/// By motion and sort.
#[derive(Debug, Deserialize)]
struct Errors<T> {
    moving: BTreeMap<String, T>,
    standing: BTreeMap<String, T>,
}

impl<T> Errors<T> {
    fn of(&self, stands: bool, sort: &str) -> &T {
        if stands { &self.standing[sort] } else { &self.moving[sort] }
    }
}

#[derive(Debug, Deserialize)]
struct Motion {
    moving: Shares,
    standing: Shares,
}

/// Of a variance: kept for life, fading; the rest is new in each frame.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Shares {
    object: f64,
    fading: f64,
    fading_seconds: f64,
}

#[derive(Debug, Deserialize)]
struct Class {
    found_as: BTreeMap<String, Vec<f64>>,
    in_time: Shares,
}

#[derive(Debug, Deserialize)]
struct SecondBoxes {
    share_of_frames: f64,
    next_frame_too: f64,
    /// Class, score, and the box in shares of the object's.
    samples: Vec<(u16, f64, f64, f64, f64, f64)>,
}

#[derive(Debug, Deserialize)]
struct Strays {
    begin_per_frame: f64,
    samples: Vec<StraySample>,
}

/// Class, score, life in frames, share of it that shows, box in pixels, whether its foot is on the road.
type StraySample = (u16, f64, u32, f64, f64, f64, f64, f64, u8);

impl Measured {
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }
}

/// One normal variable through time.
#[derive(Debug)]
struct Wave {
    object: f64,
    fading: f64,
}

impl Wave {
    fn new(dice: &mut Dice) -> Self {
        Self { object: f64::from(dice.normal()), fading: f64::from(dice.normal()) }
    }

    /// The next frame's probability, even in 0 to 1.
    fn next(&mut self, shares: &Shares, dt: f64, dice: &mut Dice) -> f64 {
        let keep = (-dt / shares.fading_seconds).exp();
        self.fading = keep * self.fading + (1.0 - keep * keep).sqrt() * f64::from(dice.normal());
        let new = (1.0 - shares.object - shares.fading).max(0.0);
        let z = shares.object.sqrt() * self.object
            + shares.fading.sqrt() * self.fading
            + new.sqrt() * f64::from(dice.normal());
        normal_probability(z)
    }
}

/// From this intersection over union with the object a box was taken for its own (`match` in `test-media/noise.py`).
const MATCHED: f64 = 0.35;

/// What persists of one object's errors.
struct Mood {
    dice: Dice,
    score: Wave,
    class: Wave,
    edges: [Wave; 4],
    /// The sample that is being shown.
    second: Option<usize>,
    last_frame: i64,
}

/// A box where nothing is.
#[derive(Debug)]
struct Stray {
    sample: usize,
    until: i64,
    /// By how far it is shown aside, so that it is on the road or beside it as where it was measured; pixels.
    aside: f64,
}

/// A detector at work on one camera.
pub struct Detector<'a> {
    measured: &'a Measured,
    light: &'a Light,
    view: View<'a>,
    seed: u64,
    dt: f64,
    size: [f64; 2],
    moods: BTreeMap<usize, Mood>,
    strays: Vec<Stray>,
    dice: Dice,
}

impl<'a> Detector<'a> {
    pub fn new(measured: &'a Measured, head: &'a Head) -> Self {
        let light = measured.lights.get(&head.light).unwrap_or_else(|| panic!("no noise for {}", head.light));
        Self {
            measured,
            light,
            view: View::new(&head.camera, head.width, head.height),
            seed: head.seed,
            dt: 1.0 / head.fps,
            size: [head.width, head.height],
            moods: BTreeMap::new(),
            strays: Vec::new(),
            dice: Dice(head.seed ^ 0x5eed),
        }
    }

    /// What it finds in one frame. Frames come in order.
    pub fn detect(&mut self, frame: i64, seen: &[Seen], class_of: impl Fn(usize) -> &'a str) -> Vec<Detection> {
        let mut found = Vec::new();
        for object in seen {
            let seed = self.seed.wrapping_mul(0x9e37_79b9).wrapping_add(object.object as u64);
            let mood = self.moods.entry(object.object).or_insert_with(|| Mood::new(seed));
            mood.last_frame = frame;
            mood.find(object, class_of(object.object), self.measured, self.light, self.dt, &mut found);
        }
        if frame % 600 == 0 {
            self.moods.retain(|_, mood| frame - mood.last_frame < 600);
        }
        self.stray(frame, &mut found);
        let [width, height] = self.size;
        let detection = |(class, score, b): (u16, f64, Px)| Detection {
            class: ClassId(class),
            score: score as f32,
            bbox: NormBox {
                x1: (b[0] / width) as f32,
                y1: (b[1] / height) as f32,
                x2: (b[2] / width) as f32,
                y2: (b[3] / height) as f32,
            }
            .clamped(),
        };
        found.into_iter().map(detection).filter(|d| d.bbox.area() > 0.0).collect()
    }

    fn stray(&mut self, frame: i64, found: &mut Vec<(u16, f64, Px)>) {
        let strays = &self.light.strays;
        if !strays.samples.is_empty() && f64::from(self.dice.share()) < strays.begin_per_frame {
            let sample = self.dice.next() as usize % strays.samples.len();
            let until = frame + i64::from(strays.samples[sample].2);
            self.strays.extend(self.aside(&strays.samples[sample]).map(|aside| Stray { sample, until, aside }));
        }
        self.strays.retain(|stray| frame < stray.until);
        for stray in &self.strays {
            let (class, score, _, shows, x0, y0, x1, y1, _) = strays.samples[stray.sample];
            if f64::from(self.dice.share()) >= shows {
                continue;
            }
            let mut shake = |v: f64| v + 0.02 * (y1 - y0) * f64::from(self.dice.normal());
            let (x0, x1) = (x0 + stray.aside, x1 + stray.aside);
            found.push((class, score, [shake(x0), shake(y0), shake(x1), shake(y1)]));
        }
    }

    /// The least way aside, in the row of its foot, to where this camera has road for what was measured on the road, and
    /// none for what was measured beside it; none where the row has no such place.
    fn aside(&self, &(.., x0, _, x1, y1, on_road): &StraySample) -> Option<f64> {
        const STEP: f64 = 4.0;
        let fits = |x: f64| {
            let is_road = self.view.ground(x, y1).is_some_and(|[_, y]| y.abs() < self.measured.road_half_width_m);
            (0.0..=self.size[0]).contains(&x) && is_road == (on_road == 1)
        };
        let steps = (0..).map(|n| f64::from(n) * STEP).take_while(|way| *way <= self.size[0]);
        steps.flat_map(|way| [way, -way]).find(|way| fits((x0 + x1) / 2.0 + way))
    }
}

impl Mood {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let score = Wave::new(&mut dice);
        let class = Wave::new(&mut dice);
        let edges = std::array::from_fn(|_| Wave::new(&mut dice));
        Self { dice, score, class, edges, second: None, last_frame: 0 }
    }

    fn find(
        &mut self,
        seen: &Seen,
        class: &str,
        measured: &Measured,
        light: &Light,
        dt: f64,
        found: &mut Vec<(u16, f64, Px)>,
    ) {
        let sort = &measured.sorts[class];
        let cover = bin(&measured.covers, seen.cover);
        let stands = seen.pose.speed < STANDING;
        let pick = |motion: &Motion| if stands { motion.standing } else { motion.moving };
        let (offsets, residuals) = (light.edges.offset.of(stands, sort), &light.edges.residual.of(stands, sort)[cover]);
        let cell = if seen.cut < measured.cuts[0] {
            &light.score.whole[sort][bin(&measured.heights_px, seen.height())][cover]
        } else {
            &light.score.cut[sort][bin(&measured.cuts, seen.cut)]
        };
        let luck = self.score.next(&pick(&light.score.in_time), dt, &mut self.dice);
        let name = self.class.next(&light.class.in_time, dt, &mut self.dice);
        let edges = pick(&light.edges.in_time);
        let luck_of_edges = [0, 1, 2, 3].map(|k| self.edges[k].next(&edges, dt, &mut self.dice));
        if luck >= cell.missed {
            let score = quantile(&cell.scores, (luck - cell.missed) / (1.0 - cell.missed));
            let errors = [0, 1, 2, 3].map(|k| {
                let kept = quantile(&offsets[k], normal_probability(self.edges[k].object));
                seen.height() * (kept + quantile(&residuals[k], luck_of_edges[k]))
            });
            let boxed = |share: f64| {
                [0, 1, 2, 3].map(|k| {
                    let reference = seen.whole[k] + light.edges.towards_visible * (seen.visible[k] - seen.whole[k]);
                    reference + share * errors[k]
                })
            };
            // Edges are drawn each by itself. Four that make a box which would not have been taken for the object's when it was
            // measured never came together.
            let is_its = |b: &Px| iou(b, &seen.whole).max(iou(b, &seen.visible)) >= MATCHED;
            let mut shares = [1.0, 0.5, 0.25, 0.125].into_iter().map(boxed);
            let bbox = shares.find(is_its).unwrap_or_else(|| boxed(0.0));
            found.push((category(&light.class.found_as[class], name), score, bbox));
        }
        self.second_box(seen, light.second_boxes.get(class), found);
    }

    /// Two states, shown and not, with the measured share of frames and chance of staying shown.
    fn second_box(&mut self, seen: &Seen, boxes: Option<&SecondBoxes>, found: &mut Vec<(u16, f64, Px)>) {
        let Some(boxes) = boxes.filter(|boxes| !boxes.samples.is_empty()) else { return };
        let luck = f64::from(self.dice.share());
        let begin = boxes.share_of_frames * (1.0 - boxes.next_frame_too) / (1.0 - boxes.share_of_frames).max(0.05);
        self.second = match self.second {
            Some(sample) if luck < boxes.next_frame_too => Some(sample),
            None if luck < begin => Some(self.dice.next() as usize % boxes.samples.len()),
            _ => None,
        };
        let Some(sample) = self.second else { return };
        let (class, score, x0, y0, x1, y1) = boxes.samples[sample];
        let [left, top, right, bottom] = seen.whole;
        let (width, height) = (right - left, bottom - top);
        let mut shake = |v: f64| v + 0.02 * height * f64::from(self.dice.normal());
        let bbox =
            [shake(left + x0 * width), shake(top + y0 * height), shake(left + x1 * width), shake(top + y1 * height)];
        found.push((class, score, bbox));
    }
}

/// The last of the bounds that a value reaches; the first when it reaches none.
fn bin(bounds: &[f64], value: f64) -> usize {
    bounds.partition_point(|bound| value >= *bound).saturating_sub(1)
}

/// Value at a probability, straight between evenly spaced quantiles.
fn quantile(table: &[f64], p: f64) -> f64 {
    let at = p.clamp(0.0, 1.0) * (table.len() - 1) as f64;
    let low = (at as usize).min(table.len() - 2);
    table[low] + (table[low + 1] - table[low]) * (at - low as f64)
}

/// The right class has the upper end of the probabilities, as in the measurement of how it keeps.
fn category(found_as: &[f64], p: f64) -> u16 {
    let right = (0..found_as.len()).max_by(|a, b| found_as[*a].total_cmp(&found_as[*b])).unwrap_or(0);
    let mut left = p;
    for (class, share) in found_as.iter().enumerate().filter(|(class, _)| *class != right) {
        if left < *share {
            return class as u16;
        }
        left -= share;
    }
    right as u16
}

/// Φ(z) by Abramowitz and Stegun, *Handbook of Mathematical Functions*, 26.2.17; good to 1e-7.
pub fn normal_probability(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let tail = series.iter().rev().fold(0.0, |sum, c| (sum + c) * t);
    let tail = tail * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z > 0.0 { 1.0 - tail } else { tail }
}
