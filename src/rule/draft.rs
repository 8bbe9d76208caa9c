//! What a rule says of a happening, before the wiring makes an event of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::base::{MediaTime, TrackId};
use crate::scene::{ClassId, NormBox, Phase, Severity, Track};

/// One record of a happening. `(rule id, track, ordinal)` names the happening: its start, updates and
/// end share it.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What sort of record it is: the rule's kind, or `line_count`.
    pub kind: &'static str,
    /// Start, update, end, or instant.
    pub phase: Phase,
    /// The track behind it; none for a count.
    pub track: Option<TrackId>,
    /// Which happening of this rule and track it belongs to.
    pub ordinal: u32,
    /// Class of the track, by vote.
    pub class: Option<ClassId>,
    /// Where the track was last observed.
    pub bbox: Option<NormBox>,
    /// How much an operator should care.
    pub severity: Severity,
    /// One sentence for people.
    pub summary: String,
    /// The parameters that mattered, with units in the names.
    pub thresholds: BTreeMap<String, Value>,
    /// What was measured, with units in the names.
    pub measured: BTreeMap<String, Value>,
    /// Media time; never later than the frame or call that the record came from.
    pub at: MediaTime,
}

impl Draft {
    /// Gives an end another reason than the rule could know.
    pub(super) fn ended_because(&mut self, why: &'static str) {
        if self.phase == Phase::End {
            self.measured.insert("end_reason".to_owned(), why.into());
        }
    }
}

/// Why a happening ended; goes into `measured.end_reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndReason {
    /// The track was seen to leave the zone or lane.
    Left,
    /// The vehicle moved on.
    Moved,
    /// The condition of an area, or of two road users, is over.
    Cleared,
    /// The tracker ended the track.
    TrackEnded,
    /// Frames were missing.
    Gap,
    /// The stream was over.
    StreamEnded,
    /// More tracks than a rule remembers; this one was seen longest ago.
    Evicted,
}

impl EndReason {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Moved => "moved",
            Self::Cleared => "cleared",
            Self::TrackEnded => "track_ended",
            Self::Gap => "gap",
            Self::StreamEnded => "stream_ended",
            Self::Evicted => "evicted",
        }
    }
}

/// How a track looked when a detection was last matched to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    pub(super) id: TrackId,
    pub(super) class: ClassId,
    pub(super) bbox: NormBox,
    pub(super) at: MediaTime,
}

impl Sight {
    pub(super) fn new(track: &Track, at: MediaTime) -> Self {
        Self { id: track.id, class: track.class, bbox: track.bbox, at }
    }
}

/// Named values for `thresholds` and `measured`.
pub(super) type Values = BTreeMap<String, Value>;

/// Makes [`Values`] of pairs.
pub(super) fn values<const N: usize>(pairs: [(&str, Value); N]) -> Values {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Seconds, to the millisecond.
pub(super) fn seconds(duration: Duration) -> Value {
    Value::from((duration.as_secs_f64() * 1e3).round() / 1e3)
}

/// A number to four decimals: finer digits are noise of the detector.
pub(super) fn number(value: f32) -> Value {
    Value::from((f64::from(value) * 1e4).round() / 1e4)
}
