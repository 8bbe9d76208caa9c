//! Roles, and which cameras a user may see.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody may do; each may all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Deals with incidents.
    Operator,
    /// Draws scenes and sets rules.
    Engineer,
    /// Manages users and reads the audit trail.
    Administrator,
}

impl Role {
    /// All, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Engineer, Self::Administrator];

    /// The role of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Engineer => "engineer",
            Self::Administrator => "administrator",
        }
    }
}

/// The cameras somebody may see: those of these wards and these ones; all when neither is narrowed down.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// Wards; `null` does not narrow.
    #[serde(default)]
    pub wards: Option<Vec<String>>,
    /// Ids of cameras; `null` does not narrow.
    #[serde(default)]
    pub cameras: Option<Vec<String>>,
}

impl Scope {
    /// Whether it narrows nothing.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.wards.is_none() && self.cameras.is_none()
    }

    /// Whether a camera of that ward is in it.
    #[must_use]
    pub fn allows(&self, camera: &str, ward: Option<&str>) -> bool {
        let named = |list: &Option<Vec<String>>, word: &str| list.iter().flatten().any(|one| one == word);
        self.is_all() || named(&self.cameras, camera) || ward.is_some_and(|ward| named(&self.wards, ward))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_adds_wards_and_cameras_up() {
        let list = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        let all = Scope::default();
        let ward = Scope { wards: list(&["w1"]), cameras: None };
        let both = Scope { wards: list(&["w1"]), cameras: list(&["c9"]) };
        let nothing = Scope { wards: list(&[]), cameras: None };
        for (scope, camera, of, allowed) in [
            (&all, "c1", None, true),
            (&ward, "c1", Some("w1"), true),
            (&ward, "c1", Some("w2"), false),
            (&ward, "c1", None, false),
            (&both, "c9", Some("w2"), true),
            (&both, "c8", Some("w2"), false),
            (&nothing, "c1", Some("w1"), false),
        ] {
            assert_eq!(scope.allows(camera, of), allowed, "{scope:?} {camera} {of:?}");
        }
        assert!(Role::ALL.is_sorted());
    }
}
