//! A made-up junction full of motorbikes: known motion, noisy detections, for tracker tests and benches.

#![allow(dead_code)] // each test uses its part

use vantage::base::MediaTime;
use vantage::scene::{ClassId, Detection, NormBox};

/// Width over height of the made-up picture.
pub const ASPECT: f32 = 16.0 / 9.0;

/// SplitMix64: small, seeded, the same everywhere.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Even in 0 to 1.
    pub fn share(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }
    /// Roughly normal, mean 0, standard deviation 1.
    pub fn normal(&mut self) -> f32 {
        ((0..12).map(|_| self.share()).sum::<f32>() - 6.0).clamp(-3.0, 3.0)
    }
}

/// One rider: constant speed along a row or a column of the junction, in picture heights.
struct Rider {
    id: i64,
    from: [f32; 2],
    speed: [f32; 2],
    height: f32,
}

impl Rider {
    fn new(id: i64, dice: &mut Dice, anywhere: bool) -> Self {
        let height = 0.08 + 0.05 * dice.share();
        let pace = (1.0 + 1.5 * dice.share()) * height; // 1 to 2.5 box heights a second: about 6 to 16 km/h
        let drift = 0.1 * pace * dice.normal();
        let along = if anywhere { dice.share() } else { 0.0 };
        let lane = 0.25 + 0.5 * dice.share();
        let (from, speed) = match dice.next() % 4 {
            0 => ([along * ASPECT, lane], [pace, drift]),
            1 => ([(1.0 - along) * ASPECT, lane], [-pace, drift]),
            2 => ([lane * ASPECT, along], [drift, pace]),
            _ => ([lane * ASPECT, 1.0 - along], [drift, -pace]),
        };
        Self { id, from, speed, height }
    }

    fn bbox(&self, age: f32) -> NormBox {
        let x = self.from[0] + self.speed[0] * age;
        let y = self.from[1] + self.speed[1] * age;
        let (half_width, half_height) = (self.height * 0.3, self.height * 0.5);
        NormBox {
            x1: (x - half_width) / ASPECT,
            y1: y - half_height,
            x2: (x + half_width) / ASPECT,
            y2: y + half_height,
        }
    }
}

/// One frame of the junction.
pub struct Moment {
    pub at: MediaTime,
    /// Who is truly where.
    pub truth: Vec<(i64, NormBox)>,
    pub detections: Vec<Detection>,
}

/// What spoils the detections.
#[derive(Clone, Copy)]
pub struct Noise {
    /// Standard deviation of every edge, in box heights.
    pub jitter: f32,
    /// Share of boxes not detected.
    pub dropout: f32,
    /// Share of boxes detected with a low score.
    pub faint: f32,
    /// Standard deviation of frame times, in frame intervals.
    pub unsteady: f32,
}

/// `riders` at a time for `seconds` at `fps`; who leaves is replaced by somebody new. A box more than
/// 60 % covered by a nearer one is not detected.
pub fn junction(riders: usize, fps: f64, seconds: f64, noise: Noise, seed: u64) -> Vec<Moment> {
    let mut dice = Dice(seed);
    let mut next_id = 0;
    let mut enter = |dice: &mut Dice, anywhere: bool| {
        next_id += 1;
        Rider::new(next_id, dice, anywhere)
    };
    let mut crowd: Vec<(f64, Rider)> = (0..riders).map(|_| (0.0, enter(&mut dice, true))).collect();
    let mut moments = Vec::new();
    for frame in 0..(seconds * fps) as u32 {
        let wobble = f64::from((noise.unsteady * dice.normal()).clamp(-0.4, 0.4));
        let now = ((f64::from(frame) + wobble) / fps).max(0.0);
        for (since, rider) in &mut crowd {
            let centre = rider.bbox((now - *since) as f32).centre();
            if !(-0.02..=1.02).contains(&centre.x) || !(-0.02..=1.02).contains(&centre.y) {
                (*since, *rider) = (now, enter(&mut dice, false));
            }
        }
        let truth: Vec<(i64, NormBox)> = crowd.iter().map(|(since, r)| (r.id, r.bbox((now - since) as f32))).collect();
        let mut detections = Vec::new();
        for (_, bbox) in &truth {
            let covered = truth.iter().any(|(_, other)| other.y2 > bbox.y2 && cover(bbox, other) > 0.6);
            if covered || dice.share() < noise.dropout {
                continue;
            }
            let edge = noise.jitter * bbox.height();
            let mut shake = |v: f32, unit: f32| v + edge * unit * dice.normal();
            let bbox = NormBox {
                x1: shake(bbox.x1, 1.0 / ASPECT),
                y1: shake(bbox.y1, 1.0),
                x2: shake(bbox.x2, 1.0 / ASPECT),
                y2: shake(bbox.y2, 1.0),
            };
            let score = if dice.share() < noise.faint { 0.15 } else { 0.5 + 0.4 * dice.share() };
            detections.push(Detection { class: ClassId(3), score, bbox });
        }
        moments.push(Moment { at: MediaTime::from_seconds(now), truth, detections });
    }
    moments
}

/// Share of `a` that `b` covers.
fn cover(a: &NormBox, b: &NormBox) -> f32 {
    let width = (a.x2.min(b.x2) - a.x1.max(b.x1)).max(0.0);
    let height = (a.y2.min(b.y2) - a.y1.max(b.y1)).max(0.0);
    if a.area() > 0.0 { width * height / a.area() } else { 0.0 }
}
