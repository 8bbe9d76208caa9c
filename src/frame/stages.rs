//! CPU time by stage, measured on the thread that did the work.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::base::time::thread_cpu;

/// A step of a frame's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Demultiplexing, parsing and decoding: everything the source's streaming thread does.
    Decode,
    /// YUV planes to the model's tensor.
    Preprocess,
    /// The model.
    Infer,
    /// Boxes out of the model's output.
    Postprocess,
    /// Tracker.
    Track,
    /// Rules.
    Rules,
}

impl Stage {
    /// All stages in order.
    pub const ALL: [Self; 6] =
        [Self::Decode, Self::Preprocess, Self::Infer, Self::Postprocess, Self::Track, Self::Rules];

    /// The stage as a metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Preprocess => "preprocess",
            Self::Infer => "infer",
            Self::Postprocess => "postprocess",
            Self::Track => "track",
            Self::Rules => "rules",
        }
    }
}

/// Sums of CPU time, shared by all threads of an engine.
#[derive(Debug, Default)]
pub struct Stages([AtomicU64; 6]);

impl Stages {
    /// Adds `cpu` to a stage.
    pub fn add(&self, stage: Stage, cpu: Duration) {
        self.0[stage as usize].fetch_add(u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
    /// The sum of a stage.
    #[must_use]
    pub fn get(&self, stage: Stage) -> Duration {
        Duration::from_nanos(self.0[stage as usize].load(Relaxed))
    }
}

/// Splits this thread's CPU time between consecutive stages: one clock read per boundary.
#[derive(Debug)]
pub struct Stopwatch<'a> {
    stages: &'a Stages,
    mark: Duration,
}

impl<'a> Stopwatch<'a> {
    /// Starts now.
    #[must_use]
    pub fn start(stages: &'a Stages) -> Self {
        Self { stages, mark: thread_cpu() }
    }
    /// Books the CPU time since the last call to `stage`.
    pub fn lap(&mut self, stage: Stage) {
        let now = thread_cpu();
        self.stages.add(stage, now.saturating_sub(self.mark));
        self.mark = now;
    }
    /// Forgets the CPU time since the last call.
    pub fn skip(&mut self) {
        self.mark = thread_cpu();
    }
}
