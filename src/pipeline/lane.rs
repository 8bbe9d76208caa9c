//! A lane: one model, one ring, a few workers that each own a session.
//!
//! A worker takes the frame of the camera that was served least recently, maps the decoder's buffer,
//! fills the tensor, runs the model, reads the boxes and leaves them at the camera's tail. When the
//! model takes batches it waits a little for frames of other cameras.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::mode::Mode;
use super::tail::{Finished, Tail, Verdict};
use crate::base::{CameraId, Clock, Error, ErrorKind, Result};
use crate::frame::{Frame, LetterboxMap, Preprocessor, Ring, Seat, Stage, Stages, Stopwatch, Take, Taken};
use crate::infer::{Detector, Model};

/// A frame waiting in a ring, with the camera it belongs to.
pub struct Job {
    /// The frame.
    pub frame: Frame,
    /// Where its observation goes.
    pub camera: Arc<JobOwner>,
}

/// The part of a camera that its frames carry along.
pub struct JobOwner {
    /// The camera.
    pub id: CameraId,
    /// Where observations go.
    pub tail: Tail,
}

/// How a lane runs.
#[derive(Debug, Clone, Copy)]
pub struct LaneOptions {
    /// Worker threads.
    pub workers: usize,
    /// Most pictures per inference.
    pub max_batch: usize,
    /// How long a batch may wait to fill.
    pub max_wait: Duration,
    /// Live or recorded.
    pub mode: Mode,
}

/// A running lane. Dropping it ends its workers once the ring is empty.
pub struct Lane {
    ring: Ring<Job>,
    model: Arc<Model>,
    options: LaneOptions,
    workers: Vec<JoinHandle<()>>,
}

impl Lane {
    /// Starts one worker per detector.
    ///
    /// # Errors
    /// When a thread cannot be made.
    pub fn start(
        name: &str,
        model: Arc<Model>,
        detectors: Vec<Detector>,
        options: LaneOptions,
        stages: &Arc<Stages>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let ring = Ring::new();
        let mut lane = Self { ring: ring.clone(), model, options, workers: Vec::new() };
        for (index, mut detector) in detectors.into_iter().enumerate() {
            let wanted = if options.mode.may_batch { options.max_batch } else { 1 };
            let rows = detector.capacity(wanted);
            let worker = Worker {
                seat: ring.seat(),
                rows: rows.min(wanted.max(1)),
                max_wait: options.max_wait,
                max_age: options.mode.max_age,
                detector,
                preprocessor: Preprocessor::default(),
                stages: Arc::clone(stages),
                clock: Arc::clone(clock),
                boxes: Vec::new(),
            };
            let thread = std::thread::Builder::new()
                .name(format!("lane-{name}-{index}"))
                .spawn(move || worker.run())
                .map_err(|e| Error::new(ErrorKind::Io, "cannot start a lane worker").source(e))?;
            lane.workers.push(thread);
        }
        Ok(lane)
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// A camera's way in.
    #[must_use]
    pub fn inlet(&self) -> crate::frame::Inlet<Job> {
        self.ring.inlet(self.options.mode.inlet(self.options.workers, self.options.max_batch))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.ring.shut_down();
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                tracing::error!("a lane worker panicked");
            }
        }
    }
}

struct Worker {
    seat: Seat<Job>,
    rows: usize,
    max_wait: Duration,
    max_age: Option<Duration>,
    detector: Detector,
    preprocessor: Preprocessor,
    stages: Arc<Stages>,
    clock: Arc<dyn Clock>,
    boxes: Vec<Vec<crate::scene::Detection>>,
}

impl Worker {
    fn run(mut self) {
        let mut batch: Vec<Taken<Job>> = Vec::with_capacity(self.rows);
        while self.fill(&mut batch) {
            self.work(&mut batch);
        }
    }

    /// Takes at least one frame, and more while the batch may wait; false when the lane ends.
    fn fill(&self, batch: &mut Vec<Taken<Job>>) -> bool {
        match self.seat.take(None) {
            Take::Item(taken) => batch.push(taken),
            Take::TimedOut | Take::Ended => return false,
        }
        if self.rows > 1 {
            let started = self.clock.monotonic();
            while batch.len() < self.rows {
                let left = self.max_wait.saturating_sub(self.clock.monotonic() - started);
                match self.seat.take(Some(left)) {
                    Take::Item(taken) => batch.push(taken),
                    Take::TimedOut | Take::Ended => break,
                }
            }
        }
        true
    }

    fn work(&mut self, batch: &mut Vec<Taken<Job>>) {
        let stages = Arc::clone(&self.stages);
        let mut watch = Stopwatch::start(&stages);
        if let Some(max_age) = self.max_age {
            let now = self.clock.monotonic();
            for late in batch.extract_if(.., |taken| now.saturating_duration_since(taken.item.frame.arrived) > max_age)
            {
                deliver(late, Verdict::Expired);
            }
        }
        let mut maps: Vec<LetterboxMap> = Vec::with_capacity(batch.len());
        let mut ready: Vec<Taken<Job>> = Vec::with_capacity(batch.len());
        for taken in batch.drain(..) {
            match self.prepare(ready.len(), &taken.item.frame) {
                Ok(map) => {
                    maps.push(map);
                    ready.push(taken);
                }
                Err(error) => {
                    tracing::warn!(camera = %taken.item.camera.id, %error, "frame not inferred");
                    deliver(taken, Verdict::Failed);
                }
            }
        }
        watch.lap(Stage::Preprocess);
        if ready.is_empty() {
            return;
        }
        let inferred = self.detector.run(ready.len());
        watch.lap(Stage::Infer);
        let read = inferred.and_then(|()| self.detector.decode(&maps, &mut self.boxes));
        watch.lap(Stage::Postprocess);
        match read {
            Ok(_stats) => {
                for (taken, boxes) in ready.into_iter().zip(self.boxes.drain(..)) {
                    deliver(taken, Verdict::Detected(boxes));
                }
            }
            Err(error) => {
                tracing::error!(%error, "inference failed");
                for taken in ready {
                    deliver(taken, Verdict::Failed);
                }
            }
        }
    }

    fn prepare(&mut self, row: usize, frame: &Frame) -> Result<LetterboxMap> {
        let spec = self.detector.spec().clone();
        let map = LetterboxMap::new(frame.picture.displayed_size(), &spec);
        let (preprocessor, input) = (&mut self.preprocessor, self.detector.input(row));
        frame.picture.read(|planes| preprocessor.fill(planes, &spec, &map, input))??;
        Ok(map)
    }
}

fn deliver(taken: Taken<Job>, verdict: Verdict) {
    let Taken { item: Job { frame, camera }, ticket, permit } = taken;
    camera.tail.finish(ticket, Finished { frame, verdict, permit });
}
