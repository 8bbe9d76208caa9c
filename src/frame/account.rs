//! The accounting identity: nothing vanishes silently.
//!
//! Access units: `received = decoded + gated + dropped{reason} + in_decoder`.
//! Frames: `decoded = observed{detected|skipped(reason)} + dropped{overrun|expired|corrupt|shutdown} + in_flight`.
//!
//! Whoever ends a unit's or a frame's life counts it here, once. The two in-flight terms are what is
//! left over; after a clean stop both are 0, and every end-to-end test asserts it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use crate::scene::SkipReason;

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// All reasons, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The reason as a metric label.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

reasons! {
    /// Why an access unit gave no picture.
    UnitDrop {
        /// It came before the first keyframe of the run.
        BeforeKeyframe = "before_keyframe",
        /// The decoder took it and gave nothing.
        Undecodable = "undecodable",
        /// The run ended before the decoder gave its picture.
        Shutdown = "shutdown",
    }
}

reasons! {
    /// Why a decoded picture was not observed.
    FrameDrop {
        /// The ring was full: the detector is slower than the camera.
        Overrun = "overrun",
        /// It had waited longer than live analysis allows.
        Expired = "expired",
        /// The picture is damaged, or was predicted from a damaged one.
        Corrupt = "corrupt",
        /// The camera stopped while it waited.
        Shutdown = "shutdown",
    }
}

/// One camera's counters. Shared by its source, its ring inlet and its tail.
#[derive(Debug, Default)]
pub struct Account {
    received: AtomicU64,
    gated: AtomicU64,
    unit_drops: [AtomicU64; 3],
    decoded: AtomicU64,
    detected: AtomicU64,
    skipped_sampled: AtomicU64,
    skipped_failed: AtomicU64,
    frame_drops: [AtomicU64; 4],
}

impl Account {
    /// An access unit came from the camera.
    pub fn unit_received(&self) {
        self.received.fetch_add(1, Relaxed);
    }
    /// `n` access units gave no picture.
    pub fn units_dropped(&self, reason: UnitDrop, n: u64) {
        self.unit_drops[reason as usize].fetch_add(n, Relaxed);
    }
    /// The decoder gave a picture.
    pub fn frame_decoded(&self) {
        self.decoded.fetch_add(1, Relaxed);
    }
    /// A picture will not be observed.
    pub fn frame_dropped(&self, reason: FrameDrop) {
        self.frame_drops[reason as usize].fetch_add(1, Relaxed);
    }
    /// The detector ran on a picture and its observation went through the rules.
    pub fn frame_detected(&self) {
        self.detected.fetch_add(1, Relaxed);
    }
    /// A picture was observed without the detector.
    pub fn frame_skipped(&self, reason: SkipReason) {
        match reason {
            SkipReason::Sampled => &self.skipped_sampled,
            SkipReason::Failed => &self.skipped_failed,
        }
        .fetch_add(1, Relaxed);
    }

    /// Access units in the decoder now.
    #[must_use]
    pub fn in_decoder(&self) -> u64 {
        self.ledger().units.in_decoder
    }

    /// The counters at one moment. Ends of life are read before beginnings, so the in-flight terms
    /// are never negative.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let frame_drops = self.frame_drops.each_ref().map(read);
        let (detected, sampled, failed) =
            (read(&self.detected), read(&self.skipped_sampled), read(&self.skipped_failed));
        let decoded = read(&self.decoded);
        let unit_drops = self.unit_drops.each_ref().map(read);
        let gated = read(&self.gated);
        let received = read(&self.received);
        let gone: u64 = frame_drops.iter().sum::<u64>() + detected + sampled + failed;
        let [before_keyframe, undecodable, unit_shutdown] = unit_drops;
        let [overrun, expired, corrupt, frame_shutdown] = frame_drops;
        Ledger {
            units: UnitLedger {
                received,
                decoded,
                gated,
                dropped: UnitDrops { before_keyframe, undecodable, shutdown: unit_shutdown },
                in_decoder: received.saturating_sub(decoded + gated + unit_drops.iter().sum::<u64>()),
            },
            frames: FrameLedger {
                decoded,
                detected,
                skipped: Skips { sampled, failed },
                dropped: FrameDrops { overrun, expired, corrupt, shutdown: frame_shutdown },
                in_flight: decoded.saturating_sub(gone),
            },
        }
    }
}

/// All counters of a camera at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Compressed side.
    pub units: UnitLedger,
    /// Picture side.
    pub frames: FrameLedger,
}

/// Access units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct UnitLedger {
    /// From the camera.
    pub received: u64,
    /// Became a picture.
    pub decoded: u64,
    /// Not decoded because nothing moves.
    pub gated: u64,
    /// Gave no picture.
    pub dropped: UnitDrops,
    /// Not decided yet.
    pub in_decoder: u64,
}

/// Access units without a picture, by [`UnitDrop`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct UnitDrops {
    pub before_keyframe: u64,
    pub undecodable: u64,
    pub shutdown: u64,
}

/// Pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FrameLedger {
    /// From the decoder.
    pub decoded: u64,
    /// The detector ran.
    pub detected: u64,
    /// Observed without the detector.
    pub skipped: Skips,
    /// Not observed.
    pub dropped: FrameDrops,
    /// Not decided yet.
    pub in_flight: u64,
}

/// Observed without the detector, by [`SkipReason`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Skips {
    pub sampled: u64,
    pub failed: u64,
}

/// Pictures not observed, by [`FrameDrop`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct FrameDrops {
    pub overrun: u64,
    pub expired: u64,
    pub corrupt: u64,
    pub shutdown: u64,
}

impl std::iter::Sum for Ledger {
    fn sum<I: Iterator<Item = Self>>(ledgers: I) -> Self {
        ledgers.fold(Self::default(), |a, b| Self {
            units: UnitLedger {
                received: a.units.received + b.units.received,
                decoded: a.units.decoded + b.units.decoded,
                gated: a.units.gated + b.units.gated,
                dropped: UnitDrops {
                    before_keyframe: a.units.dropped.before_keyframe + b.units.dropped.before_keyframe,
                    undecodable: a.units.dropped.undecodable + b.units.dropped.undecodable,
                    shutdown: a.units.dropped.shutdown + b.units.dropped.shutdown,
                },
                in_decoder: a.units.in_decoder + b.units.in_decoder,
            },
            frames: FrameLedger {
                decoded: a.frames.decoded + b.frames.decoded,
                detected: a.frames.detected + b.frames.detected,
                skipped: Skips {
                    sampled: a.frames.skipped.sampled + b.frames.skipped.sampled,
                    failed: a.frames.skipped.failed + b.frames.skipped.failed,
                },
                dropped: FrameDrops {
                    overrun: a.frames.dropped.overrun + b.frames.dropped.overrun,
                    expired: a.frames.dropped.expired + b.frames.dropped.expired,
                    corrupt: a.frames.dropped.corrupt + b.frames.dropped.corrupt,
                    shutdown: a.frames.dropped.shutdown + b.frames.dropped.shutdown,
                },
                in_flight: a.frames.in_flight + b.frames.in_flight,
            },
        })
    }
}
