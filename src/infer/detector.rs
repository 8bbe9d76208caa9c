//! One running model: input rows, a session, decoded boxes.
//!
//! Call order per batch: fill [`Detector::input`] row by row, [`Detector::run`], [`Detector::decode`].
//! Input and outputs are not copied on the way (half floats excepted): the session reads the rows in
//! place, decoders read the session's own output tensors.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::{Array4, Axis, s};
use ort::ep;
use ort::session::builder::{BuilderResult, GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Outlet, TensorElementType, TensorRef, ValueType};
use sha2::{Digest, Sha256};

use super::family::{Data, DecodeStats, Family, Layout, Row, Sink, Tensor, detr};
use super::graph::{Element, Port};
use super::manifest::Thresholds;
use super::model::{self, Batch, Model};
use super::nms::{self, Candidate};
use super::options::{ModelOptions, Provider};
use super::runtime::Runtime;
use crate::base::{Error, ErrorKind, Result, memory};
use crate::frame::{LetterboxMap, TensorSpec};
use crate::scene::{ClassId, Detection};

/// A model in a session of its own. Not shared: each lane has one.
pub struct Detector {
    name: String,
    family: &'static Family,
    layout: Layout,
    spec: TensorSpec,
    batch: Batch,
    thresholds: Thresholds,
    classes: usize,
    provider: Provider,
    session: Session,
    picture_name: String,
    picture_element: Element,
    /// `[rows, 3, height, width]`.
    input: Array4<f32>,
    /// The same as half floats, for graphs that take those.
    input_half: Vec<f16>,
    /// Width and height of the input, per row, for graphs that scale their boxes themselves.
    sizes: Option<Vec<i64>>,
    /// Outputs of the last run in the graph's order.
    outputs: Vec<Output>,
    rows_run: usize,
    candidates: Vec<Candidate>,
}

/// An output tensor; half floats are widened into a buffer of ours.
struct Output {
    value: DynValue,
    widened: Option<Vec<f32>>,
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Detector({}, {}, {})", self.name, self.family.name, self.provider.as_str())
    }
}

impl Detector {
    /// Starts a session for `model`. The file is read again and must still have the model's checksum,
    /// so that the checksum in events is that of the weights that ran.
    ///
    /// # Errors
    /// `Missing` when the provider cannot start and `fallback_cpu` is off; `Corrupt` when ONNX Runtime
    /// refuses the file or the file has changed; I/O kinds.
    pub fn new(model: &Model, options: &ModelOptions, runtime: &Runtime) -> Result<Self> {
        let (session, provider) = match start(model, options, &options.provider, runtime) {
            Err(error) if options.provider != Provider::Cpu && options.fallback_cpu => {
                tracing::warn!(provider = options.provider.as_str(), %error, "provider does not start, using the CPU");
                (start(model, options, &Provider::Cpu, runtime)?, Provider::Cpu)
            }
            session => (session?, options.provider.clone()),
        };
        let picture = model.graph.picture().ok_or_else(|| changed(model, "it has no picture input"))?;
        // Tensors are fed and read by position.
        let names = |outlets: &[Outlet]| outlets.iter().map(|o| o.name().to_owned()).collect::<Vec<_>>();
        let ports = |ports: &[Port]| ports.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
        if names(session.inputs()) != ports(&model.graph.inputs)
            || names(session.outputs()) != ports(&model.graph.outputs)
        {
            return Err(changed(model, "the runtime sees other inputs or outputs than the file declares"));
        }
        let sizes = model.graph.inputs.iter().any(|port| port.name == detr::SIZE_INPUT).then(Vec::new);
        let mut detector = Self {
            name: model.name.clone(),
            family: model.decoder,
            layout: model.layout.clone(),
            spec: model.spec.clone(),
            batch: model.batch,
            thresholds: model.thresholds,
            classes: model.labels.len(),
            provider,
            picture_name: picture.name.clone(),
            picture_element: picture.element,
            session,
            input: Array4::zeros((0, 3, model.spec.height, model.spec.width)),
            input_half: Vec::new(),
            sizes,
            outputs: Vec::with_capacity(model.graph.outputs.len()),
            rows_run: 0,
            candidates: Vec::with_capacity(nms::MAX_CANDIDATES),
        };
        detector.capacity(1);
        // Reading and optimising the graph took several times what stays: 4 MiB of 20 for a model of 4 MiB.
        memory::give_back();
        Ok(detector)
    }

    /// Makes room for batches of up to `max_batch` rows and returns how many fit: just as many, or the
    /// graph's own fixed number. New rows are zero.
    pub fn capacity(&mut self, max_batch: usize) -> usize {
        let rows = match self.batch {
            Batch::Fixed(rows) => rows,
            Batch::Dynamic => max_batch.max(1),
        };
        if rows != self.rows() {
            self.input = Array4::zeros((rows, 3, self.spec.height, self.spec.width));
        }
        if self.picture_element == Element::F16 {
            self.input_half.resize(self.input.len(), f16::ZERO);
        }
        if let Some(sizes) = &mut self.sizes {
            let size = [self.spec.width, self.spec.height].map(|side| i64::try_from(side).unwrap_or(i64::MAX));
            *sizes = size.repeat(rows);
        }
        rows
    }

    /// Rows that fit into one batch.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.input.len_of(Axis(0))
    }

    /// What a row must look like.
    #[must_use]
    pub fn spec(&self) -> &TensorSpec {
        &self.spec
    }

    /// Where the model really runs; differs from what was asked for only after a fallback.
    #[must_use]
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Row `row` of the input: `spec().len()` floats, `[3, height, width]`; empty when there is no
    /// such row. Its content is kept until it is overwritten.
    pub fn input(&mut self, row: usize) -> &mut [f32] {
        let rows = self.input.as_slice_mut().unwrap_or_default();
        rows.chunks_exact_mut(self.spec.len().max(1)).nth(row).unwrap_or_default()
    }

    /// Runs the first `rows` rows.
    ///
    /// # Errors
    /// `Internal` when `rows` is 0 or exceeds [`Self::rows`], or when the runtime fails.
    pub fn run(&mut self, rows: usize) -> Result<()> {
        self.outputs.clear();
        self.rows_run = 0;
        if rows == 0 || rows > self.rows() {
            return Err(Error::new(ErrorKind::Internal, format!("{} rows in a batch of up to {}", rows, self.rows())));
        }
        // A fixed batch always runs whole; spare rows hold old pictures, and nobody reads their boxes.
        let run = match self.batch {
            Batch::Fixed(fixed) => fixed,
            Batch::Dynamic => rows,
        };
        let failed = |name: &str, error: ort::Error| {
            Error::new(ErrorKind::Internal, format!("{name}: inference failed: {error}")).source(error)
        };
        self.infer(run).map_err(|error| failed(&self.name, error))?;
        self.rows_run = run;
        Ok(())
    }

    fn infer(&mut self, rows: usize) -> ort::Result<()> {
        let len = rows * self.spec.len();
        let shape = [rows, 3, self.spec.height, self.spec.width];
        let picture: SessionInputValue<'_> = if self.picture_element == Element::F16 {
            let half = self.input_half.get_mut(..len).unwrap_or_default();
            half.convert_from_f32_slice(self.input.as_slice().and_then(|all| all.get(..len)).unwrap_or_default());
            TensorRef::from_array_view((shape, &*half))?.into()
        } else {
            TensorRef::from_array_view(self.input.slice(s![..rows, .., .., ..]))?.into()
        };
        let results = match &self.sizes {
            Some(sizes) => {
                let sizes = TensorRef::from_array_view(([rows, 2], sizes.get(..2 * rows).unwrap_or_default()))?;
                self.session.run(ort::inputs![self.picture_name.as_str() => picture, detr::SIZE_INPUT => sizes])?
            }
            None => self.session.run([picture])?,
        };
        // Owned from here on: the tensors stay where the session made them until the next run.
        for (_, value) in results {
            let widened = match value.dtype() {
                ValueType::Tensor { ty: TensorElementType::Float16, .. } => {
                    Some(value.try_extract_tensor::<f16>()?.1.to_f32_vec())
                }
                _ => None,
            };
            self.outputs.push(Output { value, widened });
        }
        Ok(())
    }

    /// Reads the boxes of the last run, one picture per entry of `maps`, into `out` (resized to match;
    /// best boxes first). Boxes come normalised to the displayed picture.
    ///
    /// # Errors
    /// `Internal` for more pictures than were run; `Corrupt` when the model's output has another shape
    /// than its family's.
    pub fn decode(&mut self, maps: &[LetterboxMap], out: &mut Vec<Vec<Detection>>) -> Result<DecodeStats> {
        out.resize_with(maps.len(), Vec::new);
        out.iter_mut().for_each(Vec::clear);
        if maps.len() > self.rows_run {
            let what = format!("{} pictures to decode, {} were run", maps.len(), self.rows_run);
            return Err(Error::new(ErrorKind::Internal, what));
        }
        let outputs = self.layout.outputs.iter().filter_map(|&index| self.outputs.get(index));
        let tensors: Vec<Tensor<'_>> =
            outputs.map(Output::tensor).collect::<Result<_>>().map_err(|e| e.context(&self.name))?;
        let mut stats = DecodeStats::default();
        for (index, (map, out)) in maps.iter().zip(out).enumerate() {
            let mut sink = Sink::new(self.thresholds.score, self.classes, map, &mut self.candidates);
            let row = Row { index, of: self.rows_run };
            (self.family.decode)(&self.layout, &tensors, row, &mut sink).map_err(|e| e.context(&self.name))?;
            stats += sink.finish();
            nms::sort(&mut self.candidates);
            if self.family.suppress {
                nms::suppress(&mut self.candidates, self.thresholds.nms);
            }
            out.extend(self.candidates.iter().map(|candidate| {
                let [x1, y1, x2, y2] = candidate.corners;
                Detection {
                    class: ClassId(candidate.class),
                    score: candidate.score,
                    bbox: map.to_scene(x1, y1, x2, y2),
                }
            }));
        }
        Ok(stats)
    }
}

impl Output {
    fn tensor(&self) -> Result<Tensor<'_>> {
        let unreadable = |error: ort::Error| {
            Error::new(ErrorKind::Corrupt, format!("the model gave an output that cannot be read: {error}"))
        };
        let ValueType::Tensor { ty, shape, .. } = self.value.dtype() else {
            return Err(Error::new(ErrorKind::Corrupt, "the model gave an output that is no tensor"));
        };
        let data = match (&self.widened, ty) {
            (Some(widened), _) => Data::F32(widened),
            (None, TensorElementType::Int64) => Data::I64(self.value.try_extract_tensor().map_err(unreadable)?.1),
            (None, TensorElementType::Int32) => Data::I32(self.value.try_extract_tensor().map_err(unreadable)?.1),
            (None, _) => Data::F32(self.value.try_extract_tensor().map_err(unreadable)?.1),
        };
        Ok(Tensor { shape, data })
    }
}

fn changed(model: &Model, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{}: {what}", model.path.display()))
}

/// Commits a session on one provider.
fn start(model: &Model, options: &ModelOptions, provider: &Provider, runtime: &Runtime) -> Result<Session> {
    let bytes = model::read_file(&model.path)?;
    if model::hex(&Sha256::digest(&bytes)) != model.sha256 {
        return Err(changed(model, "the file has changed since it was opened"));
    }
    let mut builder = builder(options, provider, runtime).map_err(|why| match provider {
        Provider::Cpu => Error::new(ErrorKind::Missing, format!("ONNX Runtime gives no session: {why}")),
        provider => provider_missing(provider, &why),
    })?;
    // Weights in further files are found only relative to the file itself.
    let committed = if model.graph.external_files.is_empty() {
        builder.commit_from_memory(&bytes)
    } else {
        builder.commit_from_file(&model.path)
    };
    committed.map_err(|error| match provider {
        Provider::Cpu => changed(model, &format!("ONNX Runtime refuses the model: {error}")).source(error),
        provider => provider_missing(provider, &error.to_string()),
    })
}

fn builder(options: &ModelOptions, provider: &Provider, runtime: &Runtime) -> Result<SessionBuilder, String> {
    let builder = Session::builder(&runtime.environment).map_err(|error| error.to_string())?;
    configured(builder, options, provider).map_err(|error| error.to_string())
}

#[allow(clippy::result_large_err)] // the error type of `ort` carries the builder
fn configured(builder: SessionBuilder, options: &ModelOptions, provider: &Provider) -> BuilderResult {
    let builder = builder
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(options.intra_threads.max(1))?
        .with_inter_threads(1)?
        // Idle lanes must not burn a core while they wait for pictures.
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        // Without VNNI instructions the fast 8-bit kernels saturate and lose a fifth of the precision.
        .with_precise_qmm()?
        // A pattern takes the memory of a whole run as one block, beside what the first run took piece by piece.
        // Without one that is used again: 3 to 14 MiB less a session, at the same speed.
        .with_memory_pattern(*provider != Provider::Cpu)?;
    match provider {
        Provider::Cpu => Ok(builder),
        Provider::Cuda { device_id } => builder.with_execution_providers([cuda(*device_id)]),
        Provider::TensorRt { device_id, fp16, engine_cache } => {
            let mut tensorrt = ep::TensorRT::default().with_device_id(*device_id).with_fp16(*fp16);
            if let Some(folder) = engine_cache {
                let folder = folder.display();
                tensorrt = tensorrt
                    .with_engine_cache(true)
                    .with_engine_cache_path(&folder)
                    .with_timing_cache(true)
                    .with_timing_cache_path(&folder);
            }
            builder.with_execution_providers([tensorrt.build().error_on_failure(), cuda(*device_id)])
        }
    }
}

fn cuda(device_id: i32) -> ep::ExecutionProviderDispatch {
    ep::CUDA::default().with_device_id(device_id).build().error_on_failure()
}

fn provider_missing(provider: &Provider, why: &str) -> Error {
    Error::new(ErrorKind::Missing, format!("the {} provider does not start: {why}", provider.as_str())).help(
        "install an ONNX Runtime build with this provider and its driver libraries (`vantage doctor` lists them), \
         or choose the cpu provider",
    )
}
