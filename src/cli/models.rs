//! `vantage models`: what there is, what it is, and whether it runs here.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::terminal::{say, say_json};
use crate::base::time::SystemClock;
use crate::base::{Clock, Error, ErrorKind, Result};
use crate::frame::{Colour, LetterboxMap, Matrix, Plane, PlaneFormat, Planes, Preprocessor, Range, Rotation};
use crate::infer::{self, Detector, Model, ModelOptions};
use crate::scene::NormBox;

/// Arguments of `vantage models`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the model folders below a folder.
    List {
        /// Where they are.
        #[arg(default_value = "models")]
        folder: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Describes a model file or folder, also one that cannot be run.
    Inspect {
        /// Model folder or `.onnx` file.
        model: PathBuf,
        /// Writes `model.yaml` beside the file.
        #[arg(long)]
        write: bool,
        /// Model family, when the file does not tell it.
        #[arg(long, value_name = "NAME")]
        family: Option<String>,
        /// File with one class name per line.
        #[arg(long, value_name = "FILE")]
        labels: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetches a model of the catalogue into its own folder, checks it and describes it in model.yaml.
    Pull(super::pull::Arguments),
    /// Loads a model and runs it, on a picture of yours or an empty one.
    Test {
        /// Model folder or `.onnx` file.
        model: PathBuf,
        /// A JPEG or PNG picture; the boxes found in it are printed.
        #[arg(long, value_name = "FILE")]
        picture: Option<PathBuf>,
        /// Model family, when the file does not tell it.
        #[arg(long, value_name = "NAME")]
        family: Option<String>,
        /// File with one class name per line.
        #[arg(long, value_name = "FILE")]
        labels: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::List { folder, json } => list(&folder, json),
        Command::Inspect { model, write, family, labels, json } => {
            inspect(&model, write, &ModelOptions { family, labels, ..ModelOptions::default() }, json)
        }
        Command::Pull(arguments) => super::pull::run(&arguments),
        Command::Test { model, picture, family, labels, json } => {
            test(&model, picture.as_deref(), &ModelOptions { family, labels, ..ModelOptions::default() }, json)
        }
    }
}

fn list(folder: &Path, as_json: bool) -> Result<ExitCode> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.join("model.yaml").is_file()).collect();
    folders.sort();
    let mut rows = Vec::new();
    for path in folders {
        let row = match Model::open(&path, &ModelOptions::default()) {
            Ok(model) => json!({
                "path": path, "name": model.name, "family": model.family, "classes": model.labels.len(),
                "input": [model.spec.width, model.spec.height], "licence": model.licence,
            }),
            Err(error) => json!({"path": path, "error": error.to_string()}),
        };
        rows.push(row);
    }
    if as_json {
        say_json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    for row in rows {
        match row["error"].as_str() {
            Some(error) => say(format!("{:<28} {error}", row["path"].as_str().unwrap_or("")))?,
            None => say(format!(
                "{:<28} {:<10} {}x{} {} classes, {}",
                row["path"].as_str().unwrap_or(""),
                row["family"].as_str().unwrap_or(""),
                row["input"][0],
                row["input"][1],
                row["classes"],
                row["licence"].as_str().unwrap_or("licence unknown"),
            ))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn inspect(path: &Path, write: bool, options: &ModelOptions, as_json: bool) -> Result<ExitCode> {
    let report = infer::inspect(path, options)?;
    if write {
        let written = infer::write_model_yaml(path, options)?;
        eprintln!("written: {}", written.display());
    }
    if as_json {
        say_json(&report)?;
    } else {
        say(described(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn described(report: &infer::Report) -> String {
    let mut lines = vec![format!("{} ({} bytes, sha256 {})", report.file.display(), report.bytes, report.sha256)];
    for (word, ports) in [("input", &report.graph.inputs), ("output", &report.graph.outputs)] {
        lines.extend(ports.iter().map(|port| format!("  {word:<8} {port}")));
    }
    if let Some(detector) = &report.detector {
        lines.push(format!("  family   {}, batch {:?}", detector.family, detector.batch));
        lines.push(format!("  prepared {:?}", detector.input));
        lines.push(format!("  classes  {}: {}", detector.labels.len(), detector.labels.join(", ")));
        lines.extend(detector.licence.iter().map(|licence| format!("  licence  {licence}")));
    }
    lines.extend(report.warnings.iter().map(|warning| format!("  warning: {warning}")));
    if let Some(why) = &report.unusable {
        lines.push(format!("  cannot be run: {why}"));
    }
    lines.join("\n")
}

fn test(path: &Path, picture: Option<&Path>, options: &ModelOptions, as_json: bool) -> Result<ExitCode> {
    let runtime = infer::runtime::load(None)?;
    let model = Model::open(path, options)?;
    let mut detector = Detector::new(&model, options, runtime)?;
    let map = match picture {
        Some(file) => Some(load_picture(file, &mut detector)?),
        None => None,
    };
    let clock = SystemClock;
    let mut milliseconds = Vec::new();
    for _ in 0..20 {
        let before = clock.monotonic();
        detector.run(1)?;
        milliseconds.push((clock.monotonic() - before).as_secs_f64() * 1e3);
    }
    milliseconds.sort_by(f64::total_cmp);
    let median = milliseconds.get(milliseconds.len() / 2).copied().unwrap_or(0.0);
    let mut boxes = Vec::new();
    if let Some(map) = map {
        detector.decode(&[map], &mut boxes)?;
    }
    let boxes = boxes.pop().unwrap_or_default();
    if as_json {
        let boxes: Vec<_> = boxes
            .iter()
            .map(|b| json!({"class": model.labels.name(b.class), "score": b.score, "bbox": b.bbox}))
            .collect();
        say_json(&json!({
            "boxes": boxes, "model": model.name, "family": model.family, "provider": detector.provider().as_str(),
            "runtime": runtime.version, "median_ms": median,
        }))?;
    } else {
        say(format!(
            "{}: {} on {} runs, ONNX Runtime {}, {median:.2} ms a picture on one thread",
            model.name,
            model.family,
            detector.provider().as_str(),
            runtime.version
        ))?;
        for found in boxes {
            let NormBox { x1, y1, x2, y2 } = found.bbox;
            say(format!(
                "  {:<14} {:.2}  {x1:.3} {y1:.3} {x2:.3} {y2:.3}",
                model.labels.name(found.class),
                found.score
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Fills the detector's first row with a picture, by the same pass that frames take.
fn load_picture(file: &Path, detector: &mut Detector) -> Result<LetterboxMap> {
    let rgb = image::open(file)
        .map_err(|e| Error::new(ErrorKind::Corrupt, format!("{}: {e}", file.display())).source(e))?
        .to_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    // Full-range BT.601, as in JPEG (JFIF 1.02), without subsampling: back to RGB loses a rounding only.
    let mut planes = [const { Vec::new() }; 3];
    for pixel in rgb.pixels() {
        let [r, g, b] = pixel.0.map(f32::from);
        let luma = 0.299 * r + 0.587 * g + 0.114 * b;
        for (plane, value) in planes.iter_mut().zip([luma, (b - luma) / 1.772 + 128.0, (r - luma) / 1.402 + 128.0]) {
            plane.push(value.round().clamp(0.0, 255.0) as u8);
        }
    }
    let planes = planes.each_ref().map(|data| Plane { data, stride: width });
    let colour = Colour { matrix: Matrix::Bt601, range: Range::Full };
    let planes = Planes::new((width, height), PlaneFormat::Y444, &planes, colour, Rotation::None)?;
    let spec = detector.spec().clone();
    let map = LetterboxMap::new((width, height), &spec);
    Preprocessor::new().fill(&planes, &spec, &map, detector.input(0))?;
    Ok(map)
}
