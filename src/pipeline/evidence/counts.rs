//! What became of clips.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::base::ErrorKind;
use crate::source::packets::{Break, CutEnd, NoCut};

macro_rules! fates {
    ($($(#[$doc:meta])* $name:ident => $outcome:literal, $reason:literal;)*) => {
        /// What became of a clip.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ClipFate {
            $($(#[$doc])* $name,)*
        }

        impl ClipFate {
            /// All of them, for metrics.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Outcome and reason as metric labels.
            #[must_use]
            pub fn labels(self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$name => ($outcome, $reason),)*
                }
            }
        }
    };
}

fates! {
    /// Written, as long as was wanted.
    Complete => "written", "complete";
    /// Written up to where the connection was lost or nothing came.
    Gap => "written", "gap";
    /// Written up to where codec, size or parameter sets changed.
    Format => "written", "format_change";
    /// Written up to where the stream's clock leapt.
    Clock => "written", "clock_jump";
    /// Written up to where the footage or the program ended.
    End => "written", "stream_end";
    /// Written up to where packets had to go before they were read.
    Overrun => "written", "overrun";
    /// The disk had no room for it.
    DiskFull => "failed", "disk_full";
    /// The disk failed.
    Disk => "failed", "io";
    /// The stream could not be put into a file.
    Stream => "failed", "stream";
    /// More clips at once than are written at once.
    Busy => "given_up", "busy";
    /// Nothing was received at the event's time.
    NoPackets => "given_up", "no_packets";
    /// No keyframe before the event was kept.
    NoKeyframe => "given_up", "no_keyframe";
}

impl ClipFate {
    /// The fate of a file that failed with this kind.
    #[must_use]
    pub fn of_failure(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::DiskFull => Self::DiskFull,
            ErrorKind::Corrupt | ErrorKind::Unsupported => Self::Stream,
            _ => Self::Disk,
        }
    }
}

impl From<CutEnd> for ClipFate {
    fn from(end: CutEnd) -> Self {
        match end {
            CutEnd::Complete => Self::Complete,
            CutEnd::Broken(Break::Gap) => Self::Gap,
            CutEnd::Broken(Break::Format) => Self::Format,
            CutEnd::Broken(Break::Clock) => Self::Clock,
            CutEnd::Broken(Break::End) => Self::End,
            CutEnd::Overrun => Self::Overrun,
        }
    }
}

impl From<NoCut> for ClipFate {
    fn from(why: NoCut) -> Self {
        match why {
            NoCut::NoPackets => Self::NoPackets,
            NoCut::NoKeyframe => Self::NoKeyframe,
        }
    }
}

/// Counts by fate since the start. The default counts nothing yet.
#[derive(Debug, Default)]
pub struct ClipCounts([AtomicU64; ClipFate::ALL.len()]);

impl ClipCounts {
    /// Counts one.
    pub fn add(&self, fate: ClipFate) {
        if let Some(count) = self.0.get(fate as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// How many met this fate.
    #[must_use]
    pub fn get(&self, fate: ClipFate) -> u64 {
        self.0.get(fate as usize).map_or(0, |count| count.load(Relaxed))
    }
}
