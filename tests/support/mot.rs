//! MOTChallenge files for tests of the tracker, scored by the product's own metrics (`vantage::eval::tracks`) at IoU 0.5.
//!
//! Ignore rows (required 0) are neither misses nor, when matched, false alarms.

#![allow(dead_code)] // each test uses its part
#![allow(clippy::expect_used)] // a damaged data file fails the test

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use vantage::eval::tracks::mot::{self, Rows};
use vantage::eval::tracks::{Clear, Identity, PixelBox, Protocol, Sequence as Scored, USUAL_IOU};
use vantage::scene::{ClassId, Detection, NormBox};

/// A box with an identity, in pixels: left, top, width, height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    pub frame: u32,
    pub id: i64,
    pub ltwh: [f64; 4],
    /// Ground truth: 1 required, 0 ignore. Detections: the score.
    pub value: f64,
    /// Class column, or -1.
    pub class: i64,
}

/// A sequence's folder and facts.
#[derive(Debug, Clone)]
pub struct Sequence {
    pub folder: PathBuf,
    pub frames: u32,
    pub fps: f64,
    pub width: f64,
    pub height: f64,
}

impl Sequence {
    /// Reads `seqinfo.ini`; `None` when the folder is absent.
    pub fn open(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join("seqinfo.ini")).ok()?;
        let value = |key: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
            line.and_then(|v| v.trim().parse::<f64>().ok()).unwrap_or_else(|| panic!("{}: no {key}", folder.display()))
        };
        Some(Self {
            folder: folder.to_owned(),
            frames: value("seqLength") as u32,
            fps: value("frameRate"),
            width: value("imWidth"),
            height: value("imHeight"),
        })
    }

    /// Ground truth rows.
    pub fn truth(&self) -> Vec<Row> {
        read(&self.folder.join("gt/gt.txt"))
    }

    /// The only file in `det`.
    pub fn detections(&self) -> Vec<Row> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.folder.join("det")).expect("det folder").map(|f| f.expect("entry").path()).collect();
        files.sort();
        read(files.first().expect("a detection file"))
    }

    /// Width over height.
    pub fn aspect(&self) -> f32 {
        (self.width / self.height) as f32
    }

    /// A detection row in normalised coordinates; a class of -1 becomes 0.
    pub fn detection(&self, row: &Row) -> Detection {
        let [left, top, width, height] = row.ltwh;
        Detection {
            class: ClassId(u16::try_from(row.class).unwrap_or(0)),
            score: row.value as f32,
            bbox: NormBox {
                x1: (left / self.width) as f32,
                y1: (top / self.height) as f32,
                x2: ((left + width) / self.width) as f32,
                y2: ((top + height) / self.height) as f32,
            },
        }
    }

    /// A normalised box in pixels.
    pub fn pixels(&self, bbox: &NormBox) -> [f64; 4] {
        let [x1, y1, x2, y2] = <[f32; 4]>::from(*bbox).map(f64::from);
        [x1 * self.width, y1 * self.height, (x2 - x1) * self.width, (y2 - y1) * self.height]
    }
}

/// Reads comma-separated MOTChallenge rows.
pub fn read(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let parse = |line: &str| {
        let cells: Vec<f64> = line.split(',').map(|c| c.trim().parse().expect("a number")).collect();
        Row {
            frame: cells[0] as u32,
            id: cells[1] as i64,
            ltwh: [cells[2], cells[3], cells[4], cells[5]],
            value: cells[6],
            class: cells.get(7).map_or(-1, |c| *c as i64),
        }
    };
    text.lines().filter(|l| !l.trim().is_empty()).map(parse).collect()
}

/// What the metrics give. Shares, not percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    pub mota: f64,
    pub idf1: f64,
    pub switches: u64,
    pub misses: u64,
    pub false_alarms: u64,
}

/// Scores hypotheses against ground truth over the given frames.
pub fn score(truth: &[Row], hypotheses: &[Row], frames: impl IntoIterator<Item = u32>) -> Scores {
    let frames: BTreeSet<u32> = frames.into_iter().collect();
    let scored = Scored::new(&rows(truth), &rows(hypotheses), Protocol::Ignore, &[], |frame| frames.contains(&frame));
    let (clear, identity) = (Clear::of(&scored, USUAL_IOU), Identity::of(&scored, USUAL_IOU));
    Scores {
        mota: clear.mota().expect("boxes to be found"),
        idf1: identity.idf1().expect("boxes to be found"),
        switches: clear.switches,
        misses: clear.misses,
        false_alarms: clear.false_positives,
    }
}

fn rows(list: &[Row]) -> Rows {
    let mut rows = Rows::new();
    for row in list {
        let [left, top, width, height] = row.ltwh;
        let bbox = PixelBox { left, top, width, height };
        let checked = mot::Row { id: row.id, bbox, required: row.value > 0.0, class: None };
        rows.entry(row.frame).or_default().push(checked);
    }
    rows
}
