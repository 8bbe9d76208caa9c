//! Why a rule starts nothing at present, whatever it sees, and until when: what `vantage why-not` shows before the
//! thresholds.

use std::borrow::Cow;

use serde::Serialize;

use crate::base::Timestamp;

/// One reason for which a rule starts nothing. There may be several at once; the rule works again when all are over.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rest {
    /// `maintenance`, `schedule`, `preset`, `cooldown`, `budget` (the rule's own), `camera_budget`, or what is wrong with
    /// the view, such as `covered`.
    pub why: Cow<'static, str>,
    /// What it is about: the schedule; the preset that is wanted (none: the camera stands at none of them); the size of the
    /// budget; the rule that finds the view unfit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// When this reason is over; none when nobody can know, as with a view that is covered.
    pub until: Option<Timestamp>,
}

impl Rest {
    pub(super) fn new(why: &'static str, about: Option<String>, until: Option<Timestamp>) -> Self {
        Self { why: why.into(), about, until }
    }
}
