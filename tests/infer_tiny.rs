//! The tiny model and its variants, through the public API. Needs ONNX Runtime; says so and passes
//! without it.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::type_complexity)]

#[path = "support/opencv.rs"]
mod opencv;

use std::path::{Path, PathBuf};

use opencv::Picture;
use vantage::base::ErrorKind;
use vantage::infer::{Batch, Detector, Model, ModelOptions, Provider, Runtime, runtime};
use vantage::scene::Detection;

fn loaded() -> Option<&'static Runtime> {
    match runtime::load(None) {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Missing, "{error:?}");
            eprintln!("skipped: {error}");
            None
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A variant of the tiny model: a bare file, so the family and labels must be told.
fn variant(name: &str) -> (Model, ModelOptions, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("labels.txt");
    std::fs::write(&labels, "car\ntruck\nperson\n").unwrap();
    let options = ModelOptions { family: Some("yolox".into()), labels: Some(labels), ..ModelOptions::default() };
    let model = Model::open(&root().join("tests/data/models").join(name), &options).unwrap();
    (model, options, folder)
}

fn tiny(runtime: &Runtime) -> (Model, Detector) {
    let options = ModelOptions::default();
    let model = Model::open(&root().join("models/tiny"), &options).unwrap();
    let detector = Detector::new(&model, &options, runtime).unwrap();
    (model, detector)
}

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];

/// Left, top, width, height in pixels, and a colour.
type Rectangle = ((usize, usize, usize, usize), [u8; 3]);

fn scene(rectangles: &[Rectangle]) -> Picture {
    let mut picture = Picture::plain(288, 160, [40, 40, 40]);
    for &(place, colour) in rectangles {
        picture.fill(place, colour);
    }
    picture
}

fn run(detector: &mut Detector, pictures: &[Picture]) -> Vec<Vec<Detection>> {
    let spec = detector.spec().clone();
    let maps: Vec<_> = pictures.iter().enumerate().map(|(row, p)| p.write_into(&spec, detector.input(row))).collect();
    detector.run(pictures.len()).unwrap();
    let mut out = Vec::new();
    let stats = detector.decode(&maps, &mut out).unwrap();
    assert_eq!(stats, Default::default());
    out
}

#[test]
fn a_rectangle_is_found_wherever_it_is() {
    let Some(runtime) = loaded() else { return };
    let (model, mut detector) = tiny(runtime);
    assert_eq!((model.name.as_str(), model.family, model.batch), ("tiny", "yolox", Batch::Fixed(1)));
    assert!(runtime.version.starts_with("1."), "{}", runtime.version);
    let mut seen = 0;
    for (size, colour, class) in
        [((24, 24), RED, "car"), ((64, 40), GREEN, "truck"), ((26, 62), BLUE, "person"), ((37, 31), RED, "car")]
    {
        for (x, y) in (0..288 - size.0).step_by(13).zip((0..160 - size.1).step_by(7).cycle()) {
            let found = run(&mut detector, &[scene(&[((x, y, size.0, size.1), colour)])]).remove(0);
            let [only] = found.as_slice() else { panic!("{size:?} at {x},{y}: {found:?}") };
            let (cx, cy) = (only.bbox.centre().x * 288.0, only.bbox.centre().y * 160.0);
            let (w, h) = (only.bbox.width() * 288.0, only.bbox.height() * 160.0);
            assert_eq!(model.labels.name(only.class), class);
            assert!((cx - (x + size.0 / 2) as f32).abs() < 4.0 && (cy - (y + size.1 / 2) as f32).abs() < 4.0);
            assert!((w / size.0 as f32 - 1.0).abs() < 0.3 && (h / size.1 as f32 - 1.0).abs() < 0.3, "{w}x{h} {size:?}");
            seen += 1;
        }
    }
    assert!(seen > 40);
}

#[test]
fn nothing_is_found_on_grey_and_all_of_several() {
    let Some(runtime) = loaded() else { return };
    let (_, mut detector) = tiny(runtime);
    assert!(run(&mut detector, &[scene(&[])])[0].is_empty());
    let three = scene(&[((10, 10, 40, 30), RED), ((120, 60, 50, 40), GREEN), ((230, 90, 30, 60), BLUE)]);
    let mut classes: Vec<u16> = run(&mut detector, &[three])[0].iter().map(|d| d.class.0).collect();
    classes.sort_unstable();
    assert_eq!(classes, [0, 1, 2]);
}

#[test]
fn a_larger_picture_gives_boxes_in_its_own_coordinates() {
    let Some(runtime) = loaded() else { return };
    let (_, mut detector) = tiny(runtime);
    let mut picture = Picture::plain(1280, 720, [40, 40, 40]);
    picture.fill((640, 360, 160, 120), RED);
    let found = run(&mut detector, &[picture]).remove(0);
    let expected = vantage::scene::NormBox { x1: 0.5, y1: 0.5, x2: 0.625, y2: 0.6667 };
    assert_eq!(found.len(), 1);
    assert!(found[0].bbox.iou(&expected) > 0.8, "{found:?}");
}

#[test]
fn every_batch_form_gives_the_same_boxes() {
    let Some(runtime) = loaded() else { return };
    let (_, mut single) = tiny(runtime);
    let pictures: Vec<Picture> = (0..3).map(|i| scene(&[((20 + 60 * i, 20 + 30 * i, 40, 32), RED)])).collect();
    let expected: Vec<_> = pictures.iter().map(|p| run(&mut single, std::slice::from_ref(p)).remove(0)).collect();
    for (file, batch, rows) in
        [("tiny_dynamic_batch.onnx", Batch::Dynamic, 8), ("tiny_batch4.onnx", Batch::Fixed(4), 4)]
    {
        let (model, options, _folder) = variant(file);
        assert_eq!(model.batch, batch);
        let mut detector = Detector::new(&model, &options, runtime).unwrap();
        assert_eq!((detector.capacity(8), detector.rows()), (rows, rows));
        assert_eq!(run(&mut detector, &pictures), expected, "{file}");
        // A shorter batch afterwards must not show leftovers of the longer one.
        assert_eq!(run(&mut detector, &pictures[1..2]), expected[1..2], "{file}");
        assert_eq!(detector.run(rows + 1).unwrap_err().kind(), ErrorKind::Internal);
        assert!(detector.decode(&[], &mut Vec::new()).is_ok());
    }
}

#[test]
fn half_floats_are_converted_at_the_edges() {
    let Some(runtime) = loaded() else { return };
    let (model, options, _folder) = variant("tiny_half.onnx");
    let mut half = Detector::new(&model, &options, runtime).unwrap();
    let (_, mut full) = tiny(runtime);
    let picture = || scene(&[((100, 50, 50, 40), GREEN)]);
    let (a, b) = (run(&mut half, &[picture()]).remove(0), run(&mut full, &[picture()]).remove(0));
    assert_eq!((a.len(), b.len()), (1, 1));
    assert!(a[0].bbox.iou(&b[0].bbox) > 0.98 && a[0].class == b[0].class);
}

#[test]
fn a_provider_that_cannot_start_is_an_error_unless_the_cpu_may_step_in() {
    let Some(runtime) = loaded() else { return };
    let model = Model::open(&root().join("models/tiny"), &ModelOptions::default()).unwrap();
    for provider in [
        Provider::Cuda { device_id: 99 },
        Provider::TensorRt { device_id: 99, fp16: true, engine_cache: Some(PathBuf::from("/nonexistent")) },
    ] {
        let strict = ModelOptions { provider: provider.clone(), ..ModelOptions::default() };
        let error = Detector::new(&model, &strict, runtime).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing, "{error:?}");
        assert!(error.to_string().contains(provider.as_str()), "{error}");
        let lenient = ModelOptions { fallback_cpu: true, ..strict };
        assert_eq!(*Detector::new(&model, &lenient, runtime).unwrap().provider(), Provider::Cpu);
    }
}

#[test]
fn the_runtime_refuses_what_only_looks_like_a_model() {
    let Some(runtime) = loaded() else { return };
    let bytes = std::fs::read(root().join("models/tiny/tiny.onnx")).unwrap();
    // An operator that does not exist: the file reads well, the graph cannot run.
    let at = bytes.windows(4).position(|w| w == b"Conv").unwrap();
    let mut broken = bytes.clone();
    broken[at..at + 4].copy_from_slice(b"Covn");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.onnx");
    std::fs::write(&path, broken).unwrap();
    let (_, options, _labels) = variant("tiny_batch4.onnx");
    let model = Model::open(&path, &options).unwrap();
    let error = Detector::new(&model, &options, runtime).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("broken.onnx"), "{error}");
    // A file exchanged after it was opened.
    std::fs::write(&path, bytes).unwrap();
    let error = Detector::new(&model, &options, runtime).unwrap_err();
    assert!(error.to_string().contains("changed"), "{error}");
}

#[test]
fn a_detector_can_move_to_its_lane_s_thread() {
    fn sendable<T: Send>() {}
    sendable::<Detector>();
    sendable::<Model>();
}
