//! What is refused when a model is opened, and with which reason; what is recognised, and what is not.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::type_complexity)]

#[path = "support/onnx.rs"]
mod onnx;

use std::path::{Path, PathBuf};

use onnx::{FLOAT, HALF, INT64, UINT8, external_initialiser, model, nested_external, port};
use vantage::base::{Error, ErrorKind};
use vantage::infer::{Batch, Model, ModelOptions, inspect, write_model_yaml};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn images(shape: [&str; 4]) -> Vec<u8> {
    port("images", FLOAT, &shape)
}

const SQUARE: [&str; 4] = ["1", "3", "416", "416"];

/// One square input, one float output.
fn grid(output: &[&str], metadata: &[(&str, &str)]) -> Vec<u8> {
    model(&[images(SQUARE)], &[port("output", FLOAT, output)], metadata, &[])
}

fn open(bytes: &[u8], options: &ModelOptions) -> Result<Model, Error> {
    let folder = Folder::new();
    Model::open(&folder.put("m.onnx", bytes), options)
}

fn family(name: &str) -> ModelOptions {
    ModelOptions { family: Some(name.into()), ..ModelOptions::default() }
}

#[track_caller]
fn refused(bytes: &[u8], options: &ModelOptions, kind: ErrorKind, why: &str) {
    let error = open(bytes, options).unwrap_err();
    let text = format!("{error:?}");
    assert!(error.kind() == kind && text.contains(why) && text.contains("m.onnx"), "{text}");
}

#[test]
fn files_that_are_no_models() {
    let none = ModelOptions::default();
    refused(b"<html>not found</html>", &none, ErrorKind::Corrupt, "not an ONNX model");
    refused(b"", &none, ErrorKind::Corrupt, "not an ONNX model");
    let whole = grid(&["1", "3549", "85"], &[]);
    refused(&whole[..whole.len() - 9], &none, ErrorKind::Corrupt, "damaged");
    let error = Model::open(Path::new("/nonexistent/m.onnx"), &none).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn folders_without_one_model() {
    let none = ModelOptions::default();
    let folder = Folder::new();
    assert_eq!(Model::open(folder.path(), &none).unwrap_err().kind(), ErrorKind::NotFound);
    folder.put("a.onnx", grid(&["1", "3549", "85"], &[]));
    let lone = Model::open(folder.path(), &family("yolox")).unwrap();
    assert_eq!((lone.name.as_str(), lone.labels.len()), ("a", 80));
    folder.put("b.onnx", b"");
    let error = Model::open(folder.path(), &none).unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("b.onnx"), "{error:?}");
}

#[test]
fn inputs_that_cannot_be_fed() {
    let output = [port("output", FLOAT, &["1", "3549", "85"])];
    let with = |inputs: &[Vec<u8>]| model(inputs, &output, &[], &[]);
    let yolox = family("yolox");
    for (inputs, why) in [
        (vec![images(["1", "416", "416", "3"])], "channels last"),
        (vec![images(["1", "4", "416", "416"])], "3 channels"),
        (vec![port("images", UINT8, &SQUARE)], "uint8"),
        (vec![port("images", FLOAT, &["3", "416", "416"])], "rank 4"),
        (vec![images(SQUARE), port("mask", FLOAT, &["1", "10"])], "second input"),
        (vec![images(["100000", "3", "416", "416"])], "fixed batch"),
    ] {
        refused(&with(&inputs), &yolox, ErrorKind::Unsupported, why);
    }
    refused(&with(&[images(["1", "3", "h", "w"])]), &yolox, ErrorKind::Config, "--input");
    let sized = ModelOptions { input: Some((640, 640)), ..yolox };
    refused(&with(&[images(SQUARE)]), &sized, ErrorKind::Config, "416x416, 640x640 was asked for");
    assert!(open(&model(&[port("i", HALF, &SQUARE)], &output, &[], &[]), &family("yolox")).is_ok());
}

#[test]
fn outputs_that_are_not_the_family_s() {
    for (name, output, why) in [
        ("yolox", &["1", "3549"][..], "rank 3"),
        ("yolox", &["1", "3548", "85"], "[batch, 3549, 5 + classes]"),
        ("yolov8", &["1", "8400", "84"], "[batch, 4 + classes, anchors]"),
        ("yolov5", &["1", "84", "8400"], "[batch, anchors, 5 + classes]"),
        ("yolo_e2e", &["1", "300", "7"], "[batch, n, 6]"),
        ("nanodet", &["1", "300", "7"], "cls"),
        ("detr", &["1", "300", "7"], "orig_target_sizes"),
        ("nms_inside", &["1", "300", "7"], "three outputs"),
    ] {
        refused(&grid(output, &[]), &family(name), ErrorKind::Unsupported, why);
    }
    let integers = model(&[images(SQUARE)], &[port("output", INT64, &["1", "3549", "85"])], &[], &[]);
    refused(&integers, &family("yolox"), ErrorKind::Unsupported, "float output");
    refused(&grid(&["1", "3549", "85"], &[]), &family("yolo99"), ErrorKind::Config, "yolov8");
    let pose = grid(&["1", "56", "3549"], &[("task", "pose")]);
    refused(&pose, &family("yolov8"), ErrorKind::Unsupported, "pose");
}

#[test]
fn labels_must_be_there_and_fit() {
    let folder = Folder::new();
    let file = folder.put("labels.txt", "car\nbus\n");
    let two = ModelOptions { labels: Some(file), ..family("yolox") };
    assert_eq!(open(&grid(&["1", "3549", "7"], &[]), &two).unwrap().labels.names(), ["car", "bus"]);
    refused(&grid(&["1", "3549", "85"], &[]), &two, ErrorKind::Config, "80 classes, there are 2 labels");
    refused(&grid(&["1", "3549", "7"], &[]), &family("yolox"), ErrorKind::Config, "--labels");
    refused(&grid(&["1", "300", "6"], &[]), &family("yolo_e2e"), ErrorKind::Config, "--labels");
    let gap = ModelOptions { labels: Some(folder.put("gap.txt", "car\n\nbus\n")), ..family("yolox") };
    let error = open(&grid(&["1", "3549", "8"], &[]), &gap).unwrap_err();
    assert!(error.to_string().contains("line 2 is empty"), "{error}");
}

#[test]
fn weights_outside_the_folder() {
    for graph in [
        external_initialiser("/etc/passwd"),
        external_initialiser("../../weights.bin"),
        external_initialiser(""),
        nested_external("../weights.bin"),
    ] {
        let bytes = model(&[images(SQUARE)], &[port("output", FLOAT, &["1", "3549", "85"])], &[], &graph);
        refused(&bytes, &family("yolox"), ErrorKind::Config, "outside its own folder");
    }
    let beside = model(
        &[images(SQUARE)],
        &[port("output", FLOAT, &["1", "3549", "85"])],
        &[],
        &external_initialiser("weights.bin"),
    );
    let opened = open(&beside, &family("yolox")).unwrap();
    assert!(opened.graph.external_files.contains("weights.bin"));
}

#[test]
fn only_the_unambiguous_is_recognised() {
    let detect = [("task", "detect"), ("names", "{0: 'car', 1: 'bus', 2: 'van'}")];
    let none = ModelOptions::default();
    for (output, metadata, name) in [
        (&["1", "10647", "85"][..], &[][..], "yolov5"),
        (&["1", "84", "3549"], &[], "yolov8"),
        (&["1", "7", "3549"], &detect, "yolov8"),
        (&["1", "300", "6"], &detect, "yolo_e2e"),
    ] {
        let opened = open(&grid(output, metadata), &none).unwrap();
        assert_eq!(opened.family, name, "{output:?}");
    }
    // Raw or decoded, YOLOX or YOLOv6: one shape. (The real raw graph is told by its operators.)
    for (output, candidates) in [
        (&["1", "3549", "85"][..], "yolox or yolox_decoded or yolov5"),
        (&["1", "7", "3549"], "yolov8"),
        (&["1", "300", "6"], "yolo_e2e"),
    ] {
        refused(&grid(output, &[]), &none, ErrorKind::Unsupported, candidates);
        refused(&grid(output, &[]), &none, ErrorKind::Unsupported, "--family");
    }
    refused(&grid(&["1", "512"], &[]), &none, ErrorKind::Unsupported, "no model family has these outputs");
}

fn yaml(file: &str, sha256: &str, more: &str) -> String {
    format!("name: m\nfile: {file}\nfamily: yolox\nsha256: {sha256}\n{more}")
}

#[test]
fn model_yaml_is_checked() {
    let folder = Folder::new();
    folder.put("m.onnx", grid(&["1", "3549", "6"], &[]));
    let sha = inspect(&folder.path().join("m.onnx"), &ModelOptions::default()).unwrap().sha256;
    let open = |text: String| {
        folder.put("model.yaml", text);
        Model::open(folder.path(), &ModelOptions::default())
    };
    let good = open(yaml("m.onnx", &sha, "labels: [car]\nthresholds: {score: 0.4}\n")).unwrap();
    assert_eq!((good.thresholds.score, good.thresholds.nms, good.batch), (0.4, 0.45, Batch::Fixed(1)));
    let scaled = "labels: [car]\ninput: {mean: [103.53, 116.28, 123.675], std: [57.375, 57.12, 58.395]}\n";
    let spec = open(yaml("m.onnx", &sha, scaled)).unwrap().spec;
    assert!((spec.scale[0] - 1.0 / 57.375).abs() < 1e-6 && (spec.bias[2] + 123.675 / 58.395).abs() < 1e-6);
    for (text, kind, why) in [
        (yaml("m.onnx", &"0".repeat(64), "labels: [car]\n"), ErrorKind::Corrupt, "SHA-256"),
        (yaml("m.onnx", "abc", ""), ErrorKind::Config, "64 hexadecimal"),
        (yaml("../m.onnx", &sha, ""), ErrorKind::Config, "outside"),
        (yaml("/etc/m.onnx", &sha, ""), ErrorKind::Config, "outside"),
        (yaml("n.onnx", &sha, ""), ErrorKind::NotFound, "n.onnx"),
        (yaml("m.onnx", &sha, "labels: ../names.txt\n"), ErrorKind::Config, "outside"),
        (yaml("m.onnx", &sha, "colour: red\n"), ErrorKind::Config, "colour"),
        (yaml("m.onnx", &sha, "labels: [car]\ninput: {scale: 1, mean: [1, 1, 1]}\n"), ErrorKind::Config, "either"),
        (
            yaml("m.onnx", &sha, "labels: [car]\ninput: {mean: [0.4, 0.4, 0.4], std: [0.2, 0.2, 0.2]}\n"),
            ErrorKind::Config,
            "255",
        ),
        (yaml("m.onnx", &sha, "labels: [car]\nthresholds: {score: 2}\n"), ErrorKind::Config, "0 to 1"),
    ] {
        let error = open(text.clone()).unwrap_err();
        assert!(error.kind() == kind && format!("{error:?}").contains(why), "{text}{error:?}");
    }
}

#[test]
fn a_written_model_yaml_opens_the_same_model_and_is_kept() {
    let folder = Folder::new();
    let file = folder
        .put("m.onnx", grid(&["1", "7", "3549"], &[("task", "detect"), ("names", "{0: 'a', 1: 'b: c', 2: 'xe máy'}")]));
    let bare = Model::open(&file, &ModelOptions::default()).unwrap();
    let written = write_model_yaml(&file, &ModelOptions::default()).unwrap();
    assert_eq!(written, folder.path().join("model.yaml"));
    let again = Model::open(folder.path(), &ModelOptions::default()).unwrap();
    assert_eq!(
        (bare.family, &bare.labels, &bare.spec, bare.batch),
        (again.family, &again.labels, &again.spec, again.batch)
    );
    let error = write_model_yaml(&file, &ModelOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    let json = serde_json::to_value(inspect(folder.path(), &ModelOptions::default()).unwrap()).unwrap();
    assert_eq!(json["inputs"][0]["shape"], serde_json::json!([1, 3, 416, 416]));
    assert_eq!(json["detector"]["family"], "yolov8");
}

#[test]
fn a_model_without_a_licence_is_said_to_be() {
    let folder = Folder::new();
    let bytes = grid(&["1", "3549", "6"], &[]);
    folder.put("m.onnx", &bytes);
    let inspected = || inspect(folder.path(), &ModelOptions::default()).unwrap();
    let yaml = |licence: &str| {
        let sha = inspect(&folder.path().join("m.onnx"), &ModelOptions::default()).unwrap().sha256;
        folder.put(
            "model.yaml",
            format!("name: a\nfile: m.onnx\nfamily: yolox\nlabels: [car]\nsha256: {sha}\n{licence}"),
        );
    };
    for (licence, text) in [("", None), ("licence: ''\n", None), ("", Some("mine alone"))] {
        yaml(licence);
        if let Some(text) = text {
            // Beside a model.yaml such a file speaks of the model.
            folder.put("LICENSE", text);
        }
        let report = inspected();
        let stated = report.detector.and_then(|detector| detector.licence);
        assert_eq!(stated.as_deref(), text.map(|_| "see LICENSE"));
        assert_eq!(report.warnings.iter().any(|warning| warning.contains("licence")), text.is_none());
    }
    yaml("licence: MIT\n");
    let report = inspected();
    assert_eq!(report.detector.unwrap().licence.as_deref(), Some("MIT"));
    assert!(report.warnings.is_empty());
    // A bare file: the folder's own papers say nothing about it, its metadata does.
    let bare = |metadata| {
        inspect(&folder.put("b.onnx", grid(&["1", "3549", "6"], metadata)), &ModelOptions::default()).unwrap()
    };
    assert_eq!(bare(&[]).warnings.len(), 1);
    assert!(bare(&[("license", "AGPL-3.0")]).warnings.is_empty());
}
