//! Stored tracks: what the tracker gave the rules, frame by frame, in compact files.
//!
//! With them rules can be run again over a day in seconds, with other thresholds, and without the footage.
//! `docs/backtest.md` describes the file; ADR 0011 tells why it is our own.
//!
//! Promises:
//! - A stored step is exactly the step that the rules were given; its numbers lie on a grid ([`crate::scene::grid`]).
//! - A block is whole or not there: a killed process loses the block that it was filling, 10 seconds at most,
//!   and a torn end of a file is found and said.
//! - Live, storing never waits: when the disk cannot keep up, blocks are given up and counted, and the file says
//!   where.
//! - Memory is bounded: a block per camera and `log::QUEUE` blocks in all.

mod bits;
mod block;
mod catalog;
mod coding;
mod file;
mod log;
mod shelf;
mod step;

pub use self::catalog::{Session, find};
pub use self::file::{Block, Header, TrackFile};
pub use self::log::{Counts, LogOptions, Recorder, TrackLog, WhenBehind};
pub use self::shelf::Keep;
pub use self::step::{FrameStep, Step};

/// The end of a tracks file's name.
pub const EXTENSION: &str = "tracks";
