//! The part of the road that a rule looks at: a lane or a zone.

use super::params::Check;
use super::scene::Scene;
use crate::scene::Polygon;

/// A lane or a zone by name.
#[derive(Debug, Clone)]
pub(super) enum Area {
    Lane(String),
    Zone(String),
}

impl Area {
    /// From a rule's `lane` and `zone`, of which one is given; [`check`](Self::check) sees to it.
    pub(super) fn new(lane: Option<&String>, zone: Option<&String>) -> Self {
        match lane {
            Some(lane) => Self::Lane(lane.clone()),
            None => Self::Zone(zone.cloned().unwrap_or_default()),
        }
    }

    /// One of the two is given, and drawn.
    pub(super) fn check(check: &mut Check<'_>, lane: Option<&String>, zone: Option<&String>) {
        match (lane, zone) {
            (Some(_), Some(_)) => check.fail("zone", "give either `lane` or `zone`, not both".to_owned(), None),
            (None, None) if !check.has_failed("zone") => {
                check.fail("lane", "is missing: give `lane` or `zone`".to_owned(), None);
            }
            _ => {}
        }
        if let Some(lane) = lane {
            check.lane("lane", lane);
        }
        if let Some(zone) = zone {
            check.zone("zone", zone);
        }
    }

    pub(super) fn polygon<'s>(&self, scene: &'s Scene) -> Option<&'s Polygon> {
        match self {
            Self::Lane(name) => scene.lanes.get(name).map(|lane| &lane.polygon),
            Self::Zone(name) => scene.zones.get(name),
        }
    }

    /// The lane's name, if it is one.
    pub(super) fn lane(&self) -> Option<&str> {
        match self {
            Self::Lane(name) => Some(name),
            Self::Zone(_) => None,
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Lane(name) | Self::Zone(name) => name,
        }
    }

    /// `lane` or `zone`.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Lane(_) => "lane",
            Self::Zone(_) => "zone",
        }
    }
}
