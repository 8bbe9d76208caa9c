//! What sort of road user a class is, by the names that models use, with its usual size and its weight in traffic.

use super::params::VEHICLES;

/// Class names that models use for people on foot, in lower case.
pub(super) const PEOPLE: &[&str] = &["person", "pedestrian", "people", "human", "adult", "child"];

/// Class names of everybody on a road, on foot or in a vehicle.
pub(super) const ROAD_USERS: &[&str] = &{
    let mut all = [""; VEHICLES.len() + PEOPLE.len()];
    let mut n = 0;
    while n < all.len() {
        all[n] = if n < VEHICLES.len() { VEHICLES[n] } else { PEOPLE[n - VEHICLES.len()] };
        n += 1;
    }
    all
};

/// A sort of road user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Person,
    Bicycle,
    Motorcycle,
    Car,
    Van,
    Truck,
    Bus,
    Trailer,
}

/// Vehicles other than cars, by name in lower case.
const NAMES: &[(&str, Role)] = &[
    ("bicycle", Role::Bicycle),
    ("bike", Role::Bicycle),
    ("moped", Role::Motorcycle),
    ("moto", Role::Motorcycle),
    ("motor", Role::Motorcycle),
    ("motorbike", Role::Motorcycle),
    ("motorbiker", Role::Motorcycle),
    ("motorcycle", Role::Motorcycle),
    ("scooter", Role::Motorcycle),
    ("two-wheeler", Role::Motorcycle),
    ("van", Role::Van),
    ("minibus", Role::Van),
    ("pickup", Role::Van),
    ("truck", Role::Truck),
    ("lorry", Role::Truck),
    ("fire truck", Role::Truck),
    ("bus", Role::Bus),
    ("coach", Role::Bus),
    ("container truck", Role::Trailer),
    ("trailer", Role::Trailer),
];

/// A usual size, metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size {
    pub(super) length: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Role {
    /// By the class name; a vehicle of no known sort is as a car.
    pub(super) fn of(name: &str) -> Self {
        if PEOPLE.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Self::Person;
        }
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(Self::Car, |(_, role)| *role)
    }

    /// The usual size on the road, riders included.
    pub(super) fn size(self) -> Size {
        let (length, width, height) = match self {
            Self::Person => (0.5, 0.5, 1.7),
            Self::Bicycle => (1.8, 0.6, 1.7),
            Self::Motorcycle => (1.9, 0.75, 1.65),
            Self::Car => (4.4, 1.8, 1.5),
            Self::Van => (5.2, 2.0, 2.1),
            Self::Truck => (7.5, 2.4, 3.0),
            Self::Bus => (11.0, 2.5, 3.1),
            Self::Trailer => (14.0, 2.5, 3.8),
        };
        Size { length, width, height }
    }

    /// Whether riders sit on it, not in it.
    pub(super) fn is_two_wheeler(self) -> bool {
        matches!(self, Self::Bicycle | Self::Motorcycle)
    }

    /// Passenger car units: see `docs/rules/motorbike_flow.md` for the source. A person on foot is no vehicle.
    pub(super) fn pcu(self) -> f64 {
        match self {
            Self::Person => 0.0,
            Self::Bicycle => 0.2,
            Self::Motorcycle => 0.3,
            Self::Car => 1.0,
            Self::Van | Self::Truck => 2.0,
            Self::Bus => 2.5,
            Self::Trailer => 4.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_role_in_any_case() {
        for (name, role) in [
            ("Person", Role::Person),
            ("motorcycle", Role::Motorcycle),
            ("BIKE", Role::Bicycle),
            ("car", Role::Car),
            ("xe lạ", Role::Car),
            ("bus", Role::Bus),
            ("container truck", Role::Trailer),
        ] {
            assert_eq!(Role::of(name), role, "{name}");
        }
        assert!(["bicycle", "motorcycle", "scooter"].iter().all(|name| Role::of(name).is_two_wheeler()));
        assert!(VEHICLES.iter().all(|name| Role::of(name).pcu() > 0.0));
    }
}
