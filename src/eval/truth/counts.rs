//! True counts: how many cross each line, in which direction, of which class, and when.

use std::collections::BTreeMap;

/// Stands for a count of all classes together, where the truth does not tell them apart.
pub const ANY_CLASS: &str = "any";

/// A line's name and a direction, `forward` or `backward`.
pub type MovementKey = (String, String);

/// Crossings of all lines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrueCounts {
    /// The seconds in which crossings count, the end not included.
    pub window_s: (f64, f64),
    /// What crosses, by line and direction. A movement that is not here is not known.
    pub movements: BTreeMap<MovementKey, TrueMovement>,
}

/// One direction over one line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrueMovement {
    /// Crossings by class, or of [`ANY_CLASS`] alone.
    pub by_class: BTreeMap<String, u32>,
    /// When and of which class, in order of time; none where only the number is known.
    pub crossings: Option<Vec<(f64, String)>>,
}

impl TrueMovement {
    /// Crossings of all classes.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.by_class.values().sum()
    }

    /// Whether classes are told apart.
    #[must_use]
    pub fn has_classes(&self) -> bool {
        !self.by_class.contains_key(ANY_CLASS)
    }
}
