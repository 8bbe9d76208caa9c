//! What the program detects in real footage, beside our own float reference: the same pictures to RGB with
//! the stream's matrix, each pixel in `f64`, OpenCV's bilinear resize, padding; then the same model.
//!
//! Needs ONNX Runtime and the shared footage (`VANTAGE_SHARED`, default `../shared`); says so and passes
//! without them. `cargo test --test detections_agree -- --nocapture` prints the shares.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::type_complexity)]

#[path = "support/decoded.rs"]
mod decoded;
mod preprocess_reference;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use preprocess_reference::{Picture, fill};
use vantage::base::ErrorKind;
use vantage::frame::{Colour, LetterboxMap, Matrix, Range};
use vantage::infer::{Detector, Model, ModelOptions, Runtime, runtime};

/// Lowest score of a box that must be found again.
const SCORE: f32 = 0.3;
/// Agreement: no side of a box further off than this, picture pixels.
const APART_PX: f32 = 2.0;
/// Agreement: scores no further apart than this.
const APART_SCORE: f32 = 0.01;
/// Share of boxes that must agree.
const SHARE: f64 = 0.99;
/// Of how many pictures one is analysed.
const EVERY: u64 = 4;

/// A box: class, score, left, top, right, bottom in picture pixels.
type Found = (u16, f32, [f32; 4]);
/// Boxes by picture, from 0.
type Boxes = BTreeMap<u64, Vec<Found>>;

struct Shared {
    runtime: &'static Runtime,
    footage: PathBuf,
    model: PathBuf,
}

fn shared() -> Option<Shared> {
    let shared = std::env::var_os("VANTAGE_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join(shared).join("data");
    let (footage, model) = (data.join("footage/traffic"), data.join("models/yolox_nano_416.onnx"));
    if !footage.is_dir() || !model.is_file() {
        eprintln!("skipped: no footage at {}; set VANTAGE_SHARED", footage.display());
        return None;
    }
    match runtime::load(None) {
        Ok(runtime) => Some(Shared { runtime, footage, model }),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Missing, "{error:?}");
            eprintln!("skipped: {error}");
            None
        }
    }
}

impl Shared {
    /// The program's detections; a little below [`SCORE`] too, so that a box at the limit has its partner.
    fn program(&self, clip: &str, arguments: &[&str]) -> (u64, Boxes) {
        let folder = tempfile::tempdir().unwrap();
        let rows = folder.path().join("detections.txt");
        let output = Command::new(env!("CARGO_BIN_EXE_vantage"))
            .arg("bench")
            .arg(self.footage.join(clip))
            .arg("--model")
            .arg(&self.model)
            .arg("--detections")
            .arg(&rows)
            .args(["--json", "--nms", "0.45", "--score"])
            .args([(SCORE - 2.0 * APART_SCORE).to_string(), "--every".to_owned(), EVERY.to_string()])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{clip}: {}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut boxes = Boxes::new();
        for line in std::fs::read_to_string(&rows).unwrap().lines() {
            let v: Vec<f32> = line.split(',').map(|v| v.parse().unwrap()).collect();
            let corners = [v[2], v[3], v[2] + v[4], v[3] + v[5]];
            boxes.entry(v[0] as u64 - 1).or_default().push((v[7] as u16, v[6], corners));
        }
        (report["frames"].as_u64().unwrap(), boxes)
    }

    /// The reference's detections, at the same scores, with each of `colours`.
    fn reference(&self, clip: &str, colours: &[Colour]) -> (u64, Vec<Boxes>) {
        let options = ModelOptions {
            score: Some(SCORE - 2.0 * APART_SCORE),
            nms: Some(0.45),
            intra_threads: 2,
            ..ModelOptions::default()
        };
        let model = Model::open(&self.model, &options).unwrap();
        let mut detector = Detector::new(&model, &options, self.runtime).unwrap();
        let mut boxes = vec![Boxes::new(); colours.len()];
        let pictures = decoded::pictures(&self.footage.join(clip), |number, read| {
            if number % EVERY != 0 {
                return;
            }
            let decoded = read();
            for (colour, boxes) in colours.iter().zip(&mut boxes) {
                let picture = Picture::decoded(decoded.size, *colour, decoded.planes.clone());
                boxes.insert(number, detect(&mut detector, &picture));
            }
        });
        (pictures, boxes)
    }
}

fn detect(detector: &mut Detector, picture: &Picture) -> Vec<Found> {
    let spec = detector.spec().clone();
    let map = LetterboxMap::new(picture.size, &spec);
    fill(picture, &spec, &map, detector.input(0));
    detector.run(1).unwrap();
    let mut out = Vec::new();
    detector.decode(&[map], &mut out).unwrap();
    let (w, h) = (picture.size.0 as f32, picture.size.1 as f32);
    out[0].iter().map(|d| (d.class.0, d.score, [d.bbox.x1 * w, d.bbox.y1 * h, d.bbox.x2 * w, d.bbox.y2 * h])).collect()
}

/// Boxes of at least [`SCORE`] on either side, how many of them agree with one of the other side, and the
/// ones that do not.
struct Agreement {
    boxes: usize,
    alone: Vec<(u64, Found)>,
}

impl Agreement {
    fn of(ours: &Boxes, theirs: &Boxes) -> Self {
        let mut agreement = Self { boxes: 0, alone: Vec::new() };
        for (a, b) in [(ours, theirs), (theirs, ours)] {
            for (picture, found) in a {
                let others = b.get(picture).map_or(&[][..], Vec::as_slice);
                let wanted: Vec<_> = found.iter().filter(|found| found.1 >= SCORE).collect();
                agreement.boxes += wanted.len();
                let alone = wanted.into_iter().filter(|found| !others.iter().any(|other| agree(found, other)));
                agreement.alone.extend(alone.map(|found| (*picture, *found)));
            }
        }
        agreement
    }

    fn share(&self) -> f64 {
        1.0 - self.alone.len() as f64 / self.boxes as f64
    }
}

fn agree(a: &Found, b: &Found) -> bool {
    let sides = a.2.iter().zip(b.2).all(|(a, b)| (a - b).abs() <= APART_PX);
    a.0 == b.0 && (a.1 - b.1).abs() <= APART_SCORE && sides
}

const SD: Colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
const HD: Colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };

/// `colour` is what the clip's own description says, or what a clip without one is taken for.
fn agrees(shared: &Shared, clip: &str, colour: Colour, at_least: usize) {
    let (decoded, ours) = shared.program(clip, &[]);
    let (pictures, theirs) = shared.reference(clip, &[colour]);
    assert_eq!(decoded, pictures, "{clip}");
    let agreement = Agreement::of(&ours, &theirs[0]);
    eprintln!("{clip}: {:.2} % of {} boxes agree", 100.0 * agreement.share(), agreement.boxes);
    assert!(agreement.boxes >= at_least, "{clip}: only {} boxes", agreement.boxes);
    assert!(agreement.share() >= SHARE, "{clip}: {:?}", agreement.alone);
}

#[test]
fn a_clip_that_says_bt601_agrees() {
    let Some(shared) = shared() else { return };
    agrees(&shared, "parking_car_detection.mp4", SD, 60);
}

#[test]
fn a_clip_that_says_bt709_agrees() {
    let Some(shared) = shared() else { return };
    agrees(&shared, "night_road_1080p.mp4", HD, 200);
}

#[test]
fn a_clip_of_720_lines_that_says_nothing_is_bt709_unless_told_otherwise() {
    let Some(shared) = shared() else { return };
    let clip = "uk_motorway_720p.mp4";
    let (decoded, untold) = shared.program(clip, &[]);
    let (_, told) = shared.program(clip, &["--matrix", "bt601"]);
    let (pictures, theirs) = shared.reference(clip, &[HD, SD]);
    assert_eq!(decoded, pictures);
    let share = |ours: &Boxes, theirs: &Boxes| {
        let agreement = Agreement::of(ours, theirs);
        assert!(agreement.boxes > 1000, "only {} boxes", agreement.boxes);
        eprintln!("{clip}: {:.2} % of {} boxes agree", 100.0 * agreement.share(), agreement.boxes);
        (agreement.share(), agreement.alone)
    };
    let right = [share(&untold, &theirs[0]), share(&told, &theirs[1])];
    eprintln!("{clip}: crossed, which must differ:");
    let wrong = [share(&untold, &theirs[1]), share(&told, &theirs[0])];
    for (share, alone) in &right {
        assert!(*share >= SHARE, "{alone:?}");
    }
    // So that agreement says something about colours.
    for (share, _) in &wrong {
        assert!(*share < 0.9, "the matrix makes no difference: {share}");
    }
}
