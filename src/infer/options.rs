//! What the caller chooses: thresholds, labels, the execution provider, threads.

use std::path::PathBuf;

/// Where the model runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Provider {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU through CUDA and cuDNN.
    Cuda {
        /// Index of the GPU.
        device_id: i32,
    },
    /// An NVIDIA GPU through TensorRT, with CUDA for what TensorRT does not take.
    TensorRt {
        /// Index of the GPU.
        device_id: i32,
        /// Whether TensorRT may compute in half precision.
        fp16: bool,
        /// Folder for built engines; without one, every start builds them anew (minutes).
        engine_cache: Option<PathBuf>,
    },
}

impl Provider {
    /// The name as it is shown and written in files.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda { .. } => "cuda",
            Self::TensorRt { .. } => "tensorrt",
        }
    }
}

/// How a model is opened and run.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelOptions {
    /// Family by name, instead of the one in `model.yaml` or the one recognised from the graph.
    pub family: Option<String>,
    /// File with one class name per line, instead of the names that come with the model.
    pub labels: Option<PathBuf>,
    /// Input size (width, height) in pixels for a graph that leaves it open.
    pub input: Option<(usize, usize)>,
    /// Lowest score kept; `None`: the model's own, else 0.25.
    pub score: Option<f32>,
    /// IoU from which the weaker of two boxes of one class goes; `None`: the model's own, else 0.45.
    /// Families that suppress inside the graph ignore it.
    pub nms: Option<f32>,
    /// Where to run.
    pub provider: Provider,
    /// Run on the processor when the provider cannot start, instead of failing.
    pub fallback_cpu: bool,
    /// Threads that share one operator.
    pub intra_threads: usize,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self {
            family: None,
            labels: None,
            input: None,
            score: None,
            nms: None,
            provider: Provider::Cpu,
            fallback_cpu: false,
            intra_threads: 1,
        }
    }
}
