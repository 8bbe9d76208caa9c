//! How far a track was from firing a rule: what `vantage why-not` shows.

use serde::Serialize;

use crate::base::TrackId;

/// On which side of its threshold a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// At least the threshold.
    AtLeast,
    /// At most the threshold.
    AtMost,
}

/// One condition of a rule as it stands for one track, or for the rule's area as a whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Margin {
    /// The track; none when the condition is about many.
    pub track: Option<TrackId>,
    /// What is measured, with its unit in the name, such as `stopped_seconds`.
    pub quantity: &'static str,
    /// Its value now.
    pub measured: f64,
    /// What it is held against.
    pub threshold: f64,
    /// On which side it must be.
    pub bound: Bound,
}

impl Margin {
    pub(super) fn at_least(track: Option<TrackId>, quantity: &'static str, measured: f64, threshold: f64) -> Self {
        Self { track, quantity, measured, threshold, bound: Bound::AtLeast }
    }
    pub(super) fn at_most(track: Option<TrackId>, quantity: &'static str, measured: f64, threshold: f64) -> Self {
        Self { track, quantity, measured, threshold, bound: Bound::AtMost }
    }
    /// Whether the condition is met.
    #[must_use]
    pub fn met(&self) -> bool {
        match self.bound {
            Bound::AtLeast => self.measured >= self.threshold,
            Bound::AtMost => self.measured <= self.threshold,
        }
    }
}
