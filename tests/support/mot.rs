//! MOTChallenge files, and the CLEAR-MOT and identity metrics over them, for tests and benches.
//!
//! MOTA: Bernardin and Stiefelhagen, EURASIP JIVP 2008: correspondences of the frame before are kept
//! while they hold, the rest is assigned anew, a switch is a match with another hypothesis than the
//! object's last. IDF1: Ristani et al., ECCV 2016 workshops: one trajectory-to-trajectory assignment
//! over the whole sequence that minimises misses plus false alarms. IoU 0.5 throughout.
//!
//! Ignore rows (required 0) are neither misses nor, when matched, false alarms: in each frame all rows
//! are assigned, and the hypotheses that fall to ignore rows are dropped before scoring.

#![allow(dead_code)] // each test uses its part
#![allow(clippy::expect_used)] // a damaged data file fails the test

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use vantage::base::assignment::Assigner;
use vantage::scene::{ClassId, Detection, NormBox};

/// Two boxes are the same from this IoU on.
const SAME: f64 = 0.5;

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
    pub switches: u32,
    pub misses: u32,
    pub false_alarms: u32,
}

/// Scores hypotheses against ground truth over the given frames.
pub fn score(truth: &[Row], hypotheses: &[Row], frames: impl IntoIterator<Item = u32>) -> Scores {
    let (truth, hypotheses) = (by_frame(truth), by_frame(hypotheses));
    let mut last_match: BTreeMap<i64, i64> = BTreeMap::new();
    let mut overlaps: BTreeMap<(i64, i64), u32> = BTreeMap::new();
    let (mut switches, mut misses, mut false_alarms, mut objects, mut guesses) = (0, 0, 0, 0, 0);
    for frame in frames {
        let rows = truth.get(&frame).map_or(&[][..], Vec::as_slice);
        let guessed = without_ignored(rows, hypotheses.get(&frame).map_or(&[][..], Vec::as_slice));
        let required: Vec<Row> = rows.iter().filter(|r| r.value > 0.0).copied().collect();
        objects += required.len() as u32;
        guesses += guessed.len() as u32;
        for (o, h) in required.iter().flat_map(|o| guessed.iter().map(move |h| (o, h))) {
            if iou(&o.ltwh, &h.ltwh) >= SAME {
                *overlaps.entry((o.id, h.id)).or_default() += 1;
            }
        }

        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for (i, o) in required.iter().enumerate() {
            let kept = guessed.iter().position(|h| last_match.get(&o.id) == Some(&h.id));
            if let Some(j) = kept
                && iou(&o.ltwh, &guessed[j].ltwh) >= SAME
                && pairs.iter().all(|p| p.1 != j)
            {
                pairs.push((i, j));
            }
        }
        let free_objects: Vec<usize> = (0..required.len()).filter(|i| pairs.iter().all(|p| p.0 != *i)).collect();
        let free_guesses: Vec<usize> = (0..guessed.len()).filter(|j| pairs.iter().all(|p| p.1 != *j)).collect();
        let boxes = |rows: &[Row], which: &[usize]| which.iter().map(|i| rows[*i].ltwh).collect::<Vec<_>>();
        for (i, j) in assign(&boxes(&required, &free_objects), &boxes(&guessed, &free_guesses)) {
            pairs.push((free_objects[i], free_guesses[j]));
        }
        misses += (required.len() - pairs.len()) as u32;
        false_alarms += (guessed.len() - pairs.len()) as u32;
        for (i, j) in pairs {
            let before = last_match.insert(required[i].id, guessed[j].id);
            switches += u32::from(before.is_some_and(|b| b != guessed[j].id));
        }
    }
    let identified = identity_true_positives(&overlaps);
    Scores {
        mota: 1.0 - f64::from(switches + misses + false_alarms) / f64::from(objects.max(1)),
        idf1: 2.0 * f64::from(identified) / f64::from((objects + guesses).max(1)),
        switches,
        misses,
        false_alarms,
    }
}

fn by_frame(rows: &[Row]) -> BTreeMap<u32, Vec<Row>> {
    let mut frames: BTreeMap<u32, Vec<Row>> = BTreeMap::new();
    for row in rows {
        frames.entry(row.frame).or_default().push(*row);
    }
    frames
}

/// The hypotheses that do not fall to an ignore row.
fn without_ignored(truth: &[Row], hypotheses: &[Row]) -> Vec<Row> {
    let boxes = |rows: &[Row]| rows.iter().map(|r| r.ltwh).collect::<Vec<_>>();
    let pairs = assign(&boxes(truth), &boxes(hypotheses));
    let ignored: BTreeSet<usize> = pairs.iter().filter(|(i, _)| truth[*i].value <= 0.0).map(|(_, j)| *j).collect();
    hypotheses.iter().enumerate().filter(|(j, _)| !ignored.contains(j)).map(|(_, h)| *h).collect()
}

/// Most pairs of IoU 0.5 or more first, then least summed distance.
fn assign(a: &[[f64; 4]], b: &[[f64; 4]]) -> Vec<(usize, usize)> {
    let mut assigner = Assigner::default();
    // A gate dearer than any sum of distances makes one more pair worth any re-pairing.
    assigner.begin(b.len(), 1000.0);
    for left in a {
        assigner.row();
        for (j, right) in b.iter().enumerate() {
            let iou = iou(left, right);
            if iou >= SAME {
                assigner.pair(j, 1.0 - iou);
            }
        }
    }
    assigner.solve().iter().enumerate().filter_map(|(i, j)| Some((i, (*j)?))).collect()
}

/// Frames in which hypotheses agree with the objects they are assigned to for the whole sequence: the
/// assignment with the most such frames also has the fewest misses plus false alarms.
fn identity_true_positives(overlaps: &BTreeMap<(i64, i64), u32>) -> u32 {
    let objects: BTreeSet<i64> = overlaps.keys().map(|k| k.0).collect();
    let guesses: Vec<i64> = overlaps.keys().map(|k| k.1).collect::<BTreeSet<_>>().into_iter().collect();
    let most = f64::from(overlaps.values().max().copied().unwrap_or(0));
    let mut assigner = Assigner::default();
    assigner.begin(guesses.len(), most);
    for object in &objects {
        assigner.row();
        for (j, guess) in guesses.iter().enumerate() {
            if let Some(frames) = overlaps.get(&(*object, *guess)) {
                assigner.pair(j, most - f64::from(*frames));
            }
        }
    }
    let pairs = assigner.solve().iter().zip(&objects);
    pairs.filter_map(|(j, object)| overlaps.get(&(*object, guesses[(*j)?]))).sum()
}

fn iou(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let overlap = |i: usize| ((a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i])).max(0.0);
    let inter = overlap(0) * overlap(1);
    let union = a[2] * a[3] + b[2] * b[3] - inter;
    if union > 0.0 { inter / union } else { 0.0 }
}
