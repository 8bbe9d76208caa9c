//! A block: some seconds of steps, readable without any other block.
//!
//! Layout, little-endian: steps `u32`, frames lost before it `u32`, capture time of its first and of its last
//! frame `i64` each (UTC, nanoseconds; equal to the last frame before it when it has none), then the steps' bits.

use super::bits::{BitReader, BitWriter};
use super::coding::Coding;
use super::step::{FrameStep, Step};
use crate::base::{MediaTime, Timestamp};
use std::time::Duration;

/// A block is closed once it spans so much media time: what a killed process loses at most.
const LONGEST: Duration = Duration::from_secs(10);
/// It is closed as well when it has grown so large, bytes.
const LARGEST: usize = 256 << 10;
/// Bytes before the bits.
const HEAD: usize = 24;

/// Gathers steps into a block.
#[derive(Debug, Default)]
pub(super) struct BlockWriter {
    bits: BitWriter,
    coding: Coding,
    steps: u32,
    since: Option<MediaTime>,
    until: MediaTime,
    first: Option<Timestamp>,
    last: Timestamp,
}

/// A finished block.
#[derive(Debug)]
pub(super) struct Sealed {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Capture time of its first frame.
    pub first: Timestamp,
    /// Media time of its first and of its last frame; none without a frame.
    pub span: Option<(MediaTime, MediaTime)>,
    /// Its frames.
    pub steps: u32,
}

impl BlockWriter {
    /// Adds a step; false when it cannot be written: it holds more tracks than any tracker gives.
    pub(super) fn push(&mut self, mut step: Step) -> bool {
        if let Step::Frame(FrameStep { moment, .. }) = &step {
            self.since.get_or_insert(moment.at);
            self.first.get_or_insert(moment.capture.utc);
            (self.until, self.last) = (moment.at, moment.capture.utc);
        }
        self.steps += 1;
        self.coding.step(&mut self.bits, &mut step).is_some()
    }

    /// Whether it is time for the next block.
    pub(super) fn is_full(&self) -> bool {
        self.span() >= LONGEST || self.bits.len() >= LARGEST
    }

    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    fn span(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| self.until.since(since))
    }

    /// The block's bytes; begins the next one. `lost` frames were given up before it.
    pub(super) fn seal(&mut self, lost: u32) -> Sealed {
        let (last, steps) = (self.last, self.steps);
        let span = self.since.map(|since| (since, self.until));
        let first = self.first.unwrap_or(last);
        let bits = self.bits.take();
        let mut bytes = Vec::with_capacity(HEAD + bits.len());
        bytes.extend(steps.to_le_bytes());
        bytes.extend(lost.to_le_bytes());
        bytes.extend(first.0.to_le_bytes());
        bytes.extend(last.0.to_le_bytes());
        bytes.extend(bits);
        *self = Self { last, ..Self::default() };
        Sealed { bytes, first, span, steps }
    }
}

impl Sealed {
    /// Frames lost before it.
    pub(super) fn lost(&self) -> u32 {
        BlockHead::read(&self.bytes).map_or(0, |head| head.lost)
    }

    /// Notes that more were lost before it.
    pub(super) fn add_lost(&mut self, more: u32) {
        let lost = self.lost().saturating_add(more);
        if let Some(place) = self.bytes.get_mut(4..8) {
            place.copy_from_slice(&lost.to_le_bytes());
        }
    }
}

/// What stands before a block's bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHead {
    pub steps: u32,
    pub lost: u32,
    pub first: Timestamp,
    pub last: Timestamp,
}

impl BlockHead {
    /// None when there are too few bytes.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let four = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let eight = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(i64::from_le_bytes);
        Some(Self { steps: four(0)?, lost: four(4)?, first: Timestamp(eight(8)?), last: Timestamp(eight(16)?) })
    }
}

/// The block's steps; none when its bits make no sense.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<Step>> {
    let head = BlockHead::read(bytes)?;
    let bits = bytes.get(HEAD..)?;
    // Each step takes two bits at least.
    let count = usize::try_from(head.steps).ok().filter(|count| *count <= bits.len() * 4)?;
    let (mut reader, mut coding) = (BitReader::new(bits), Coding::default());
    let mut steps = Vec::with_capacity(count);
    for _ in 0..count {
        let mut step = Step::End;
        coding.step(&mut reader, &mut step)?;
        steps.push(step);
    }
    Some(steps)
}
