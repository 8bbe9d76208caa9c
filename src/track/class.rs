//! Which classes may be one object, and which class a track has by vote.
//!
//! Detectors swap car with truck and bicycle with motorcycle from frame to frame, so association cannot
//! insist on the class. But a person must not become a car: classes fall into groups, and a pair of
//! different groups counts less, or not at all.

use crate::scene::{ClassId, Labels};

/// Weight of a pair of the same group but different classes.
const SAME_GROUP: f32 = 0.95;
/// Weight of a pair of a person and a two-wheeler: a rider and the machine under them share much of
/// their boxes, and a detector may name one box either way.
const RIDER: f32 = 0.8;

/// What sort of road user a class is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Person,
    TwoWheeler,
    Vehicle,
    Other,
}

/// The group of each class of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClassGroups(Vec<Group>);

impl ClassGroups {
    /// Groups by the usual English names (COCO, and those of common traffic sets); any other name is a group
    /// that may pair with none but its own class. The default, without labels, lets any class pair with any.
    #[must_use]
    pub fn of(labels: &Labels) -> Self {
        let group = |name: &String| match name.to_ascii_lowercase().as_str() {
            "person" | "pedestrian" | "people" | "rider" | "cyclist" | "motorcyclist" => Group::Person,
            "bicycle" | "bike" | "motorcycle" | "motorbike" | "scooter" | "tricycle" | "two-wheeler" => {
                Group::TwoWheeler
            }
            "car" | "truck" | "bus" | "van" | "train" | "tram" | "vehicle" | "lorry" | "coach" | "taxi"
            | "ambulance" => Group::Vehicle,
            _ => Group::Other,
        };
        Self(labels.names().iter().map(group).collect())
    }

    /// Whether two boxes of these classes in one place can only be one object: not so for a person on
    /// a motorcycle.
    #[must_use]
    pub fn same_object(&self, a: ClassId, b: ClassId) -> bool {
        self.affinity(a, b) >= SAME_GROUP
    }

    /// How much a pair of these classes counts, 0 (never) to 1 (the same class).
    #[must_use]
    pub fn affinity(&self, a: ClassId, b: ClassId) -> f32 {
        if a == b {
            return 1.0;
        }
        let group = |class: ClassId| self.0.get(usize::from(class.0)).copied();
        match (group(a), group(b)) {
            (None, _) | (_, None) => SAME_GROUP,
            (Some(Group::Other), _) | (_, Some(Group::Other)) => 0.0,
            (Some(a), Some(b)) if a == b => SAME_GROUP,
            (Some(Group::Person), Some(Group::TwoWheeler)) | (Some(Group::TwoWheeler), Some(Group::Person)) => RIDER,
            _ => 0.0,
        }
    }
}

/// A score-weighted vote on a track's class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassVote {
    /// Summed scores; few classes ever compete, so a short list serves.
    weights: Vec<(ClassId, f32)>,
    leader: ClassId,
}

impl ClassVote {
    /// Candidates kept; the lightest makes room for a new one.
    const CANDIDATES: usize = 8;

    /// A vote that starts with one detection.
    #[must_use]
    pub fn new(class: ClassId, score: f32) -> Self {
        Self { weights: vec![(class, score)], leader: class }
    }

    /// Counts a detection.
    pub fn add(&mut self, class: ClassId, score: f32) {
        if let Some(entry) = self.weights.iter_mut().find(|(c, _)| *c == class) {
            entry.1 += score;
        } else {
            if self.weights.len() >= Self::CANDIDATES
                && let Some(lightest) =
                    (0..self.weights.len()).min_by(|a, b| self.weight_at(*a).total_cmp(&self.weight_at(*b)))
            {
                self.weights.swap_remove(lightest);
            }
            self.weights.push((class, score));
        }
        // The leader stays on a tie.
        let mut best = self.weight(self.leader);
        for (class, weight) in &self.weights {
            if *weight > best {
                (self.leader, best) = (*class, *weight);
            }
        }
    }

    /// The class with the most weight.
    #[must_use]
    pub fn leader(&self) -> ClassId {
        self.leader
    }

    fn weight(&self, class: ClassId) -> f32 {
        self.weights.iter().find(|(c, _)| *c == class).map_or(0.0, |(_, w)| *w)
    }

    fn weight_at(&self, index: usize) -> f32 {
        self.weights.get(index).map_or(0.0, |(_, w)| *w)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: ClassId = ClassId(0);
    const MOTORCYCLE: ClassId = ClassId(1);
    const CAR: ClassId = ClassId(2);
    const TRUCK: ClassId = ClassId(3);
    const DOG: ClassId = ClassId(4);

    #[test]
    fn a_person_never_becomes_a_car_and_a_car_may_become_a_truck() {
        let groups = ClassGroups::of(&Labels::new(["person", "motorcycle", "car", "truck", "dog"]));
        assert_eq!(groups.affinity(PERSON, CAR), 0.0);
        assert_eq!(groups.affinity(MOTORCYCLE, CAR), 0.0);
        assert_eq!(groups.affinity(DOG, CAR), 0.0);
        assert_eq!(groups.affinity(CAR, CAR), 1.0);
        assert!(groups.affinity(CAR, TRUCK) > groups.affinity(PERSON, MOTORCYCLE));
        assert!(groups.affinity(PERSON, MOTORCYCLE) > 0.0);
        assert!(ClassGroups::default().affinity(PERSON, CAR) > 0.0);
    }

    #[test]
    fn the_vote_weighs_scores_and_keeps_its_leader_on_a_tie() {
        let mut vote = ClassVote::new(CAR, 0.5);
        vote.add(TRUCK, 0.5);
        assert_eq!(vote.leader(), CAR);
        vote.add(TRUCK, 0.3);
        assert_eq!(vote.leader(), TRUCK);
        vote.add(CAR, 0.9);
        assert_eq!(vote.leader(), CAR);
        for class in 10..100 {
            vote.add(ClassId(class), 0.1);
        }
        assert_eq!(vote.leader(), CAR, "a crowd of stray names does not displace the leader");
    }
}
