//! Takes a decoder's boxes, refuses the impossible ones and counts them.

use serde::Serialize;

use super::super::nms::Candidate;
use crate::frame::LetterboxMap;

/// A box wider or higher than this many pictures is no box.
const ABSURD_SIZE: f32 = 4.0;

/// Boxes that passed the score threshold but were dropped, of all decoded pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct DecodeStats {
    /// A coordinate or the score was NaN or infinite.
    pub not_finite: u32,
    /// Negative or no size, more than four pictures large, wholly outside the picture, a score above
    /// 1, a class that the model does not have.
    pub absurd: u32,
}

impl std::ops::AddAssign for DecodeStats {
    fn add_assign(&mut self, other: Self) {
        self.not_finite = self.not_finite.saturating_add(other.not_finite);
        self.absurd = self.absurd.saturating_add(other.absurd);
    }
}

/// Where decoders put their boxes, one picture at a time.
#[derive(Debug)]
pub struct Sink<'a> {
    threshold: f32,
    classes: usize,
    /// The picture's place in the input: left, top, right, bottom.
    content: [f32; 4],
    candidates: &'a mut Vec<Candidate>,
    stats: DecodeStats,
}

impl<'a> Sink<'a> {
    /// Collects the boxes of a picture that lies in the input as `map` says; `candidates` is emptied.
    pub fn new(threshold: f32, classes: usize, map: &LetterboxMap, candidates: &'a mut Vec<Candidate>) -> Self {
        candidates.clear();
        let (left, top) = (map.left as f32, map.top as f32);
        let content = [left, top, left + map.width as f32, top + map.height as f32];
        Self { threshold, classes, content, candidates, stats: DecodeStats::default() }
    }

    /// Whether a score is worth decoding a box for. NaN passes, to be counted by [`Self::push`].
    #[must_use]
    pub fn passes(&self, score: f32) -> bool {
        score >= self.threshold || score.is_nan()
    }

    /// The score threshold.
    #[must_use]
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Adds a box by its corners (left, top, right, bottom) in input pixels.
    pub fn push(&mut self, class: usize, score: f32, corners: [f32; 4]) {
        let [x1, y1, x2, y2] = corners;
        let [left, top, right, bottom] = self.content;
        let (width, height) = (x2 - x1, y2 - y1);
        if !(score.is_finite() && corners.iter().all(|v| v.is_finite())) {
            self.stats.not_finite = self.stats.not_finite.saturating_add(1);
            return;
        }
        let class_id = u16::try_from(class).ok().filter(|_| class < self.classes);
        let sane = width > 0.0
            && height > 0.0
            && width <= ABSURD_SIZE * (right - left)
            && height <= ABSURD_SIZE * (bottom - top)
            && x2 > left
            && x1 < right
            && y2 > top
            && y1 < bottom
            && score <= 1.001;
        match class_id {
            Some(class) if sane => {
                let order = u32::try_from(self.candidates.len()).unwrap_or(u32::MAX);
                self.candidates.push(Candidate { corners, score: score.min(1.0), class, order });
            }
            _ => self.stats.absurd = self.stats.absurd.saturating_add(1),
        }
    }

    /// Adds a box by its centre and size in input pixels.
    pub fn push_centred(&mut self, class: usize, score: f32, [cx, cy, w, h]: [f32; 4]) {
        let (dx, dy) = (w / 2.0, h / 2.0);
        self.push(class, score, [cx - dx, cy - dy, cx + dx, cy + dy]);
    }

    /// What was dropped.
    #[must_use]
    pub fn finish(self) -> DecodeStats {
        self.stats
    }
}
