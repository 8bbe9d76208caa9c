//! What can be wrong with a view, and when it is taken to be: the faults and parameters of `camera_unfit`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Span;
use crate::scene::Severity;

/// What can be wrong with a view; the gravest first, which is what a glance that shows several is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::rule) enum Fault {
    /// No pictures come.
    SignalLost,
    /// Parts of the picture are the green or grey of missing data.
    Corrupt,
    /// Nothing but darkness.
    Black,
    /// Nothing but glare.
    Overexposed,
    /// Something is before the lens.
    Covered,
    /// The camera looks elsewhere, or keeps moving.
    Moved,
    /// The lens is out of focus, wet or dirty.
    Blurred,
    /// The same picture comes again and again.
    Frozen,
}

impl Fault {
    pub(in crate::rule) const ALL: [Self; 8] = [
        Self::SignalLost,
        Self::Corrupt,
        Self::Black,
        Self::Overexposed,
        Self::Covered,
        Self::Moved,
        Self::Blurred,
        Self::Frozen,
    ];

    pub(in crate::rule) fn as_str(self) -> &'static str {
        match self {
            Self::SignalLost => "signal_lost",
            Self::Corrupt => "corrupt",
            Self::Black => "black",
            Self::Overexposed => "overexposed",
            Self::Covered => "covered",
            Self::Moved => "moved",
            Self::Blurred => "blurred",
            Self::Frozen => "frozen",
        }
    }
}

/// Parameters of `camera_unfit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::rule) struct Params {
    /// Which faults are looked for.
    pub(in crate::rule) faults: Vec<Fault>,
    /// How much an operator should care.
    pub(in crate::rule) severity: Severity,
    /// Over what time the reference view is learnt, from the first pictures on.
    pub(in crate::rule) learn_for: Span,
    /// How long the view must be without the fault for it to be over.
    pub(in crate::rule) clear_after: Span,
    /// How often a fault that goes on is reported again.
    pub(in crate::rule) update_every: Span,
    /// How long pictures must be missing.
    pub(in crate::rule) signal_lost_after: Span,
    /// How long damage must show.
    pub(in crate::rule) corrupt_after: Span,
    /// How long it must be dark.
    pub(in crate::rule) black_after: Span,
    /// How long it must glare.
    pub(in crate::rule) overexposed_after: Span,
    /// How long the cover must stay.
    pub(in crate::rule) covered_after: Span,
    /// How long the view must be another.
    pub(in crate::rule) moved_after: Span,
    /// How long it must be blurred.
    pub(in crate::rule) blurred_after: Span,
    /// How long the picture must be the same.
    pub(in crate::rule) frozen_after: Span,
    /// Share of the picture in the colours of missing data from which it is corrupt.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub(in crate::rule) corrupt_share: f64,
    /// Luma (0 black to 255 white) up to which a cell is black.
    #[schemars(range(min = 1.0, max = 80.0))]
    pub(in crate::rule) black_level: f64,
    /// Share of the picture that must be black.
    #[schemars(range(min = 0.5, max = 1.0))]
    pub(in crate::rule) black_share: f64,
    /// Share of the picture that must glare.
    #[schemars(range(min = 0.1, max = 1.0))]
    pub(in crate::rule) overexposed_share: f64,
    /// Share of the scene's marks that must have lost their contrast to be covered.
    #[schemars(range(min = 0.1, max = 1.0))]
    pub(in crate::rule) covered_share: f64,
    /// Share of the scene's marks found in place up to which the view is another.
    #[schemars(range(min = 0.0, max = 0.6))]
    pub(in crate::rule) moved_matching: f64,
    /// Shift of the whole view, in shares of the picture's sides, from which the view has moved even if much still matches.
    #[schemars(range(min = 0.005, max = 0.5))]
    pub(in crate::rule) moved_shift: f64,
    /// Sharpness of the marks, as a share of what it was, up to which the view is blurred.
    #[schemars(range(min = 0.1, max = 0.9))]
    pub(in crate::rule) blurred_sharpness: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            faults: Fault::ALL.to_vec(),
            severity: Severity::Warning,
            learn_for: Span::from_secs(10),
            clear_after: Span::from_secs(2),
            update_every: Span::from_secs(300),
            signal_lost_after: Span::from_secs(3),
            corrupt_after: Span::from_secs(2),
            black_after: Span::from_secs(5),
            overexposed_after: Span::from_secs(5),
            covered_after: Span::from_secs(4),
            moved_after: Span::from_secs(5),
            blurred_after: Span::from_secs(10),
            frozen_after: Span::from_secs(10),
            corrupt_share: 0.12,
            black_level: 20.0,
            black_share: 0.98,
            overexposed_share: 0.6,
            covered_share: 0.5,
            moved_matching: 0.3,
            moved_shift: 0.015,
            blurred_sharpness: 0.65,
        }
    }
}

impl Params {
    /// How long the fault must show.
    pub(in crate::rule) fn hold(&self, fault: Fault) -> Duration {
        let span = match fault {
            Fault::SignalLost => self.signal_lost_after,
            Fault::Corrupt => self.corrupt_after,
            Fault::Black => self.black_after,
            Fault::Overexposed => self.overexposed_after,
            Fault::Covered => self.covered_after,
            Fault::Moved => self.moved_after,
            Fault::Blurred => self.blurred_after,
            Fault::Frozen => self.frozen_after,
        };
        span.duration()
    }
}
