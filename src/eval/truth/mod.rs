//! What truly happens in a clip or a stretch of a camera's time: the product's `truth.json`.
//!
//! `docs/evaluation.md` describes the file; `test-media/` has examples. Seconds count from the beginning of the
//! footage; frame f of a clip shows the second f / fps. Boxes are in pixels of the picture as displayed.

mod counts;
mod crossings;
mod file;
mod fit;
mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use counts::{ANY_CLASS, MovementKey, TrueCounts, TrueMovement};
pub use fit::Footage;
pub use read::read;

use super::tracks::PixelBox;
use crate::base::Timestamp;
use crate::scene::NormBox;

/// Ground truth of one camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// The file it was read from.
    pub path: PathBuf,
    /// The camera it is of, when the file says so.
    pub camera_id: Option<String>,
    /// UTC of second 0, for a live camera; without it second 0 is the camera's media time 0.
    pub starts_at: Option<Timestamp>,
    /// The clip's file name, relative to the truth's folder.
    pub clip: Option<String>,
    /// SHA-256 of the clip, hexadecimal.
    pub sha256: Option<String>,
    /// Width and height of the picture as displayed, pixels.
    pub size: Option<(u32, u32)>,
    /// Frames a second.
    pub fps: Option<f64>,
    /// Frames of the clip.
    pub frames: Option<u32>,
    /// Length of the footage that the truth is about.
    pub seconds: f64,
    /// Names of lanes, zones and lines, by kind (`lane`, `zone`, `line`).
    pub places: BTreeMap<&'static str, BTreeSet<String>>,
    /// What happens, in order of onset.
    pub incidents: Vec<Incident>,
    /// Crossings of lines; none when the truth has none to give.
    pub counts: Option<TrueCounts>,
    /// Visible boxes by object and frame, pixels.
    pub boxes: BTreeMap<i64, BTreeMap<u32, PixelBox>>,
}

/// A true incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// What sort, such as `stopped_vehicle`.
    pub kind: String,
    /// When it begins.
    pub onset_s: f64,
    /// When it ends; none when it goes on at the end of the footage.
    pub end_s: Option<f64>,
    /// The objects behind it, empty for one of the whole picture.
    pub objects: Vec<i64>,
    /// Where, by name: (`lane`, `eastbound`).
    pub place: Option<(&'static str, String)>,
    /// Where, as corners in pixels: an alarm's ground point lies inside.
    pub region: Option<Vec<[f64; 2]>>,
    /// False marks what need not be reported and is no false alarm when it is.
    pub required: bool,
    /// A remark for people.
    pub note: Option<String>,
}

impl Truth {
    /// The frame that shows a second; none without a frame rate.
    #[must_use]
    pub fn frame_at(&self, at_s: f64) -> Option<u32> {
        let frame = (at_s * self.fps?).round().max(0.0) as u32;
        Some(self.frames.map_or(frame, |frames| frame.min(frames.saturating_sub(1))))
    }

    /// Where an object is at a second, at most half a second off; none when it is not visible.
    #[must_use]
    pub fn box_at(&self, object: i64, at_s: f64) -> Option<PixelBox> {
        let (boxes, frame) = (self.boxes.get(&object)?, self.frame_at(at_s)?);
        let reach = (self.fps? / 2.0).round().max(1.0) as u32;
        let around = boxes.range(frame.saturating_sub(reach)..=frame.saturating_add(reach));
        around.min_by_key(|(at, _)| at.abs_diff(frame)).map(|(_, bbox)| *bbox)
    }

    /// A box of pixels as a share of the picture; none when the truth does not tell the picture's size.
    #[must_use]
    pub fn normalised(&self, bbox: &PixelBox) -> Option<NormBox> {
        let (width, height) = self.size.map(|(w, h)| (f64::from(w), f64::from(h)))?;
        Some(NormBox {
            x1: (bbox.left / width) as f32,
            y1: (bbox.top / height) as f32,
            x2: ((bbox.left + bbox.width) / width) as f32,
            y2: ((bbox.top + bbox.height) / height) as f32,
        })
    }

    /// A box given as shares of the picture, in pixels.
    #[must_use]
    pub fn pixels(&self, bbox: &NormBox) -> Option<PixelBox> {
        let (width, height) = self.size.map(|(w, h)| (f64::from(w), f64::from(h)))?;
        let [x1, y1, x2, y2] = <[f32; 4]>::from(*bbox).map(f64::from);
        Some(PixelBox::from_corners([x1 * width, y1 * height, x2 * width, y2 * height]))
    }
}

impl Incident {
    /// The second that shows it best: two seconds in, or the middle of a shorter one.
    #[must_use]
    pub fn shown_at_s(&self, footage_s: f64) -> f64 {
        let lasts = self.end_s.unwrap_or(footage_s).min(footage_s) - self.onset_s;
        self.onset_s + (lasts / 2.0).clamp(0.0, 2.0)
    }
}
