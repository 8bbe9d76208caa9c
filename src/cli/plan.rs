//! From arguments to a plan: a pipeline file, or one camera and a model.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::base::{Error, ErrorKind, Result};
use crate::config::{self, CameraPlan, Plan, RulePlan, ZonePlan};
use crate::pipeline::registry::registry;
use crate::scene::Polygon;

/// Which model, on the command line.
#[derive(Debug, Clone, Args)]
pub struct ModelArguments {
    /// Model folder, or a bare `.onnx` file.
    #[arg(long, value_name = "PATH")]
    pub model: Option<PathBuf>,
    /// Model family, when the file does not tell it.
    #[arg(long, value_name = "NAME")]
    pub family: Option<String>,
    /// File with one class name per line.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Lowest score of a detection, 0 to 1.
    #[arg(long, value_name = "SHARE")]
    pub score: Option<f32>,
    /// IoU above which the weaker of two boxes goes, 0 to 1.
    #[arg(long, value_name = "SHARE")]
    pub nms: Option<f32>,
    /// What computes: cpu, cuda or tensorrt. One that cannot start is an error.
    #[arg(long, default_value = "cpu", value_name = "NAME")]
    pub provider: String,
}

impl ModelArguments {
    fn provider(&self) -> Result<config::Provider> {
        match self.provider.as_str() {
            "cpu" => Ok(config::Provider::Cpu),
            "cuda" => Ok(config::Provider::Cuda),
            "tensorrt" => Ok(config::Provider::Tensorrt),
            other => Err(Error::new(ErrorKind::Usage, format!("--provider {other}: no such provider"))
                .help("known are cpu, cuda and tensorrt")),
        }
    }
}

/// Loads a pipeline file; warnings go to stderr.
pub fn load(path: &Path) -> Result<Plan> {
    load_with(path, &[])
}

/// Loads a pipeline file with other parameters of rules; warnings go to stderr.
pub fn load_with(path: &Path, settings: &[config::Setting]) -> Result<Plan> {
    match config::load_with(path, registry(), settings) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                tracing::warn!("{}", warning.message());
            }
            Ok(loaded.plan)
        }
        Err(report) => {
            eprint!("{report}");
            Err(Error::from(report))
        }
    }
}

/// A plan of one camera without a file.
pub fn for_camera(url: &str, model: &ModelArguments) -> Result<Plan> {
    let folder = std::env::current_dir().map_err(|e| Error::io(".", e))?;
    let path = match &model.model {
        Some(path) => std::path::absolute(path).map_err(|e| Error::io(path, e))?,
        None => default_model()?,
    };
    let mut plan = Plan::for_camera_url(url, &path, model.family.as_deref(), model.provider()?, &folder, registry())?;
    for entry in plan.models.values_mut() {
        entry.labels.clone_from(&model.labels);
        for (given, name, slot) in [(model.score, "--score", &mut entry.score), (model.nms, "--nms", &mut entry.nms)] {
            if let Some(share) = given {
                if !(0.0..=1.0).contains(&share) {
                    return Err(Error::new(ErrorKind::Usage, format!("{name} {share} lies outside 0 to 1")));
                }
                *slot = Some(share);
            }
        }
    }
    for camera in &mut plan.cameras {
        camera.transport = config::Transport::Auto;
        watch_everything(camera)?;
    }
    Ok(plan)
}

/// Without a file there are no rules: one event for every object that comes into the picture, so that
/// there is something to see.
fn watch_everything(camera: &mut CameraPlan) -> Result<()> {
    let corners = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].map(Into::into).to_vec();
    let polygon = Polygon::new(corners).map_err(|why| Error::new(ErrorKind::Internal, why))?;
    camera.zones.push(ZonePlan { id: "picture".to_owned(), polygon });
    let serde_json::Value::Object(params) = json!({"zone": "picture", "report": ["entered"]}) else { return Ok(()) };
    camera.rules.push(RulePlan { id: "seen".to_owned(), kind: "zone_dwell".to_owned(), params, ..RulePlan::default() });
    Ok(())
}

/// The model used when none is named: `models/default`, else `models/tiny`, beside the working
/// directory or the program.
fn default_model() -> Result<PathBuf> {
    let mut roots: Vec<PathBuf> = std::env::current_dir().into_iter().collect();
    if let Ok(program) = std::env::current_exe() {
        roots.extend(program.ancestors().skip(1).take(4).map(Path::to_path_buf));
    }
    for name in ["default", "tiny"] {
        for root in &roots {
            let folder = root.join("models").join(name);
            if folder.join("model.yaml").is_file() {
                if name == "tiny" {
                    tracing::warn!(
                        "no --model: using {}, a test model that only sees saturated red, green and blue",
                        folder.display()
                    );
                }
                return Ok(folder);
            }
        }
    }
    Err(Error::new(ErrorKind::Usage, "no model").help("name one: --model FOLDER or --model FILE.onnx"))
}
