//! Road users as bodies on the plane of the road: where, how fast, how much room they take; when two of them touch.
//!
//! On a calibrated camera lengths are metres on the ground. Without one they are picture heights, and the usual height
//! of the class tells how many metres a picture height is at that place; motion along the line of sight is
//! foreshortened then, and looks slower than it is.
//!
//! A footprint is a rectangle. Times to contact come from the separating axis theorem on linear motion (Ericson,
//! *Real-Time Collision Detection*, 2005, 5.5.8), so they are exact for constant velocity.

use super::roles::Role;
use super::scene::{Lane, Scene};
use crate::base::MediaTime;
use crate::scene::{Ground, NormBox, NormPoint};

/// A point or a difference of two on the plane: metres on the ground, else picture heights.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Flat {
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Flat {
    pub(super) fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }
    pub(super) fn minus(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y)
    }
    pub(super) fn plus(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y)
    }
    pub(super) fn times(self, by: f64) -> Self {
        Self::new(self.x * by, self.y * by)
    }
    pub(super) fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y
    }
    pub(super) fn length(self) -> f64 {
        self.dot(self).sqrt()
    }
    /// The same direction with length 1; none without length.
    pub(super) fn unit(self) -> Option<Self> {
        let length = self.length();
        (length > 0.0 && length.is_finite()).then(|| self.times(1.0 / length))
    }
    fn across(self) -> Self {
        Self::new(-self.y, self.x)
    }
}

/// A rectangle on the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Footprint {
    pub(super) centre: Flat,
    /// Unit vector along its length.
    pub(super) axis: Flat,
    pub(super) half_length: f64,
    pub(super) half_width: f64,
}

impl Footprint {
    fn half_along(&self, direction: Flat) -> f64 {
        self.half_length * self.axis.dot(direction).abs() + self.half_width * self.axis.across().dot(direction).abs()
    }

    /// Whether they overlap, or come within `margin` of it.
    pub(super) fn overlaps(&self, other: &Self, margin: f64) -> bool {
        let between = other.centre.minus(self.centre);
        // Along two axes at right angles nobody reaches farther than the sum of his halves, so no two reach √2 times theirs.
        let reach = self.half_length + self.half_width + other.half_length + other.half_width + margin;
        if between.dot(between) > 2.0 * reach * reach {
            return false;
        }
        let apart = |n: Flat| between.dot(n).abs() > self.half_along(n) + other.half_along(n) + margin;
        !self.axes(other).into_iter().any(apart)
    }

    /// The part of it that is surely covered when every edge is uncertain by `by`.
    fn inner(&self, by: f64) -> Self {
        const LEAST: f64 = 0.05;
        let less = |half: f64| (half - by).max(half.min(LEAST));
        Self { half_length: less(self.half_length), half_width: less(self.half_width), ..*self }
    }

    fn axes(&self, other: &Self) -> [Flat; 4] {
        [self.axis, self.axis.across(), other.axis, other.axis.across()]
    }
}

/// One road user at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Body {
    pub(super) at: MediaTime,
    pub(super) footprint: Footprint,
    /// Per second.
    pub(super) velocity: Flat,
    /// Standard error of the velocity, per second, one axis.
    pub(super) velocity_error: f64,
    /// How many metres a unit of length is: 1 on the ground.
    pub(super) unit_metres: f64,
}

impl Body {
    /// Metres per second.
    pub(super) fn speed(&self) -> f64 {
        self.velocity.length() * self.unit_metres
    }
    /// Metres per second that are sure by two standard errors; 0 when none are.
    pub(super) fn sure_speed(&self) -> f64 {
        (self.velocity.length() - 2.0 * self.velocity_error).max(0.0) * self.unit_metres
    }
}

/// By how much an edge of a footprint may be off: usual sizes, boxes partly hidden.
const UNCERTAIN_METRES: f64 = 0.25;

/// How two bodies move against each other, in metres and seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Approach {
    /// Time to contact at constant velocity (Hayward 1972); 0 when they overlap; none when they miss each other.
    pub(super) ttc_seconds: Option<f64>,
    /// Whether they would touch even if each were smaller all round, by [`UNCERTAIN_METRES`] and by half of what a standard
    /// error of the velocity makes until then.
    pub(super) is_sure: bool,
    /// Rate at which their centres come nearer; negative when they part.
    pub(super) closing_speed: f64,
    /// Standard error of that.
    pub(super) closing_error: f64,
}

impl Approach {
    /// None when their scales differ so much that one is far behind the other: the picture tells no distance.
    pub(super) fn of(a: &Body, b: &Body) -> Option<Self> {
        let metres = common_unit(a, b)?;
        let (between, velocity) = (b.footprint.centre.minus(a.footprint.centre), b.velocity.minus(a.velocity));
        let closing = between.unit().map_or(0.0, |direction| -velocity.dot(direction));
        let error = (a.velocity_error * a.velocity_error + b.velocity_error * b.velocity_error).sqrt();
        let ttc_seconds = contact(&a.footprint, &b.footprint, velocity);
        // Until contact the places drift apart by as much as the velocity is off; half of it for either.
        let drift = error * ttc_seconds.unwrap_or(0.0) / 2.0;
        let inner = |body: &Body| body.footprint.inner(UNCERTAIN_METRES / metres + drift);
        Some(Self {
            ttc_seconds,
            is_sure: ttc_seconds.is_some() && contact(&inner(a), &inner(b), velocity).is_some(),
            closing_speed: closing * metres,
            closing_error: error * metres,
        })
    }
}

/// How many metres a unit is for both.
pub(super) fn common_unit(a: &Body, b: &Body) -> Option<f64> {
    const ALIKE: f64 = 1.5;
    let (least, most) = (a.unit_metres.min(b.unit_metres), a.unit_metres.max(b.unit_metres));
    (most <= least * ALIKE).then_some((least + most) / 2.0)
}

/// Seconds until two footprints touch when the second moves by `velocity` relative to the first.
fn contact(a: &Footprint, b: &Footprint, velocity: Flat) -> Option<f64> {
    let between = b.centre.minus(a.centre);
    let (mut enter, mut leave) = (f64::NEG_INFINITY, f64::INFINITY);
    for axis in a.axes(b) {
        let (distance, speed) = (between.dot(axis), velocity.dot(axis));
        let reach = a.half_along(axis) + b.half_along(axis);
        if speed.abs() < 1e-9 {
            if distance.abs() > reach {
                return None;
            }
            continue;
        }
        let (one, other) = ((-reach - distance) / speed, (reach - distance) / speed);
        (enter, leave) = (enter.max(one.min(other)), leave.min(one.max(other)));
    }
    (enter <= leave && leave >= 0.0).then_some(enter.max(0.0))
}

/// Where a box stands on the plane; none where that cannot be told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stance {
    /// The anchor.
    pub(super) place: Flat,
    /// Unit vector on the plane that points away from the camera.
    away: Flat,
    /// The lane's direction there, for somebody whose own heading is not known.
    along: Option<Flat>,
    unit_metres: f64,
    /// How high the box is, metres.
    pub(super) height_metres: f64,
    /// Half the box's width and its height, picture heights; only for the picture's plane.
    half_width: f64,
    height: f64,
    on_ground: bool,
}

impl Stance {
    /// Not for a box that the picture's edge cuts, nor for one so far away that its own jitter is metres; nor, on the ground,
    /// for one that is lower than half the usual height of its class: a helmet above a car's roof stands nowhere.
    pub(super) fn of(bbox: &NormBox, role: Role, scene: &Scene) -> Option<Self> {
        const EDGE: f32 = 0.002;
        /// How much a box's lower edge jitters, in its heights, and how many metres of that are too many.
        const JITTER: f64 = 0.05;
        const TOO_FUZZY_METRES: f64 = 0.75;
        const SHOWN: f64 = 0.5;
        let is_cut = bbox.x1 <= EDGE || bbox.x2 >= 1.0 - EDGE || bbox.y2 >= 1.0 - EDGE;
        let height = f64::from(bbox.height());
        if is_cut || height <= 0.0 {
            return None;
        }
        let half_width = f64::from(bbox.width() * scene.aspect) / 2.0;
        let Some(ground) = &scene.ground else {
            let anchor = scene.in_heights(bbox.anchor());
            return Some(Self {
                place: Flat::new(f64::from(anchor.x), f64::from(anchor.y)),
                away: Flat::new(0.0, -1.0),
                along: None,
                unit_metres: role.size().height / height,
                height_metres: height,
                half_width,
                height,
                on_ground: false,
            });
        };
        let [[x_by_x, x_by_y], [y_by_x, y_by_y]] = ground.jacobian(bbox.anchor())?;
        // Metres on the ground for one picture height upwards, and to the right.
        let (up, right) = (Flat::new(-x_by_y, -y_by_y), Flat::new(x_by_x, y_by_x).times(1.0 / f64::from(scene.aspect)));
        let place = ground.metres(bbox.anchor())?;
        let lane = || scene.lanes.values().find(|lane| lane.polygon.contains(bbox.anchor()));
        let height_metres = height * right.length();
        let is_shown = height_metres >= SHOWN * role.size().height;
        (is_shown && up.length() * JITTER * height <= TOO_FUZZY_METRES).then_some(Self {
            place: Flat::new(place.x, place.y),
            away: up.unit()?,
            along: lane().and_then(|lane| lane_on_ground(lane, bbox.anchor(), scene)),
            unit_metres: 1.0,
            height_metres,
            half_width,
            height,
            on_ground: true,
        })
    }

    /// Whether the plane is the ground.
    pub(super) fn is_on_ground(&self) -> bool {
        self.on_ground
    }

    pub(super) fn unit_metres(&self) -> f64 {
        self.unit_metres
    }

    /// The room that a road user of this sort takes, whose nearest edge on the ground is at `place`.
    pub(super) fn footprint(&self, place: Flat, role: Role, heading: Option<Flat>) -> Footprint {
        if !self.on_ground {
            // The lowest part of the box: what is above stands up from the road.
            const DEPTH: f64 = 0.15;
            let half = DEPTH * self.height;
            let centre = place.plus(self.away.times(half));
            return Footprint { centre, axis: Flat::new(1.0, 0.0), half_length: self.half_width, half_width: half };
        }
        let size = role.size();
        let heading = heading.or(self.along);
        // It may stand any way round: so much room it takes at least.
        let half_length = heading.map_or(size.width, |_| size.length) / 2.0;
        let (half_width, axis) = (size.width / 2.0, heading.unwrap_or(self.away));
        let fitted = Footprint { centre: place, axis, half_length, half_width };
        Footprint { centre: place.plus(self.away.times(fitted.half_along(self.away))), ..fitted }
    }
}

/// A lane's direction on the ground near a picture point; none without a calibration.
pub(super) fn lane_on_ground(lane: &Lane, near: NormPoint, scene: &Scene) -> Option<Flat> {
    let ground: &Ground = scene.ground.as_ref()?;
    let [[x_by_x, x_by_y], [y_by_x, y_by_y]] = ground.jacobian(near)?;
    let direction = lane.direction();
    let (x, y) = (f64::from(direction.x / scene.aspect), f64::from(direction.y));
    Flat::new(x_by_x * x + x_by_y * y, y_by_x * x + y_by_y * y).unit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(x: f64, y: f64, vx: f64, vy: f64) -> Body {
        let velocity = Flat::new(vx, vy);
        let axis = velocity.unit().unwrap_or(Flat::new(1.0, 0.0));
        let footprint = Footprint { centre: Flat::new(x, y), axis, half_length: 2.0, half_width: 1.0 };
        Body { at: MediaTime(0), footprint, velocity, velocity_error: 0.1, unit_metres: 1.0 }
    }

    fn ttc(a: &Body, b: &Body) -> Option<f64> {
        Approach::of(a, b).unwrap().ttc_seconds
    }

    #[test]
    fn times_to_contact_are_those_by_hand() {
        // 20 m between centres, 16 m between bumpers, 8 m/s: 2 s.
        let (behind, ahead) = (body(0.0, 0.0, 10.0, 0.0), body(20.0, 0.0, 2.0, 0.0));
        assert_eq!(ttc(&behind, &ahead), Some(2.0));
        assert_eq!(ttc(&ahead, &behind), Some(2.0));
        // The same gap at the same speed: never.
        assert_eq!(ttc(&body(0.0, 0.0, 10.0, 0.0), &body(20.0, 0.0, 10.0, 0.0)), None);
        // Head on: 16 m at 20 m/s.
        assert_eq!(ttc(&body(0.0, 0.0, 10.0, 0.0), &body(20.0, 0.0, -10.0, 0.0)), Some(0.8));
        // Past each other with 1 m between: never. With 0.1 m of overlap: contact.
        assert_eq!(ttc(&body(0.0, 0.0, 10.0, 0.0), &body(20.0, 3.0, -10.0, 0.0)), None);
        assert_eq!(ttc(&body(0.0, 0.0, 10.0, 0.0), &body(20.0, 1.9, -10.0, 0.0)), Some(0.8));
        let sure = |y: f64| Approach::of(&body(0.0, 0.0, 10.0, 0.0), &body(20.0, y, -10.0, 0.0)).unwrap().is_sure;
        // Half widths of 1 m each, less 0.25 m, less half of 0.14 m/s (the error of both) over 0.8 s: 1.39 m.
        assert!(sure(1.36) && !sure(1.42));
        // Crossing at right angles: the second's front is at the first's side after 1 s, and so is the first.
        let crossing = ttc(&body(-13.0, 0.0, 10.0, 0.0), &body(0.0, -13.0, 0.0, 10.0)).unwrap();
        assert!((crossing - 1.0).abs() < 1e-9, "{crossing}");
        // The second is there 2 s later: they miss each other.
        assert_eq!(ttc(&body(-13.0, 0.0, 10.0, 0.0), &body(0.0, -33.0, 0.0, 10.0)), None);
        // They overlap.
        assert_eq!(ttc(&body(0.0, 0.0, 1.0, 0.0), &body(1.0, 0.0, 0.0, 0.0)), Some(0.0));
    }

    #[test]
    fn closing_speed_is_along_the_line_between() {
        let approach = Approach::of(&body(0.0, 0.0, 3.0, 4.0), &body(10.0, 0.0, 0.0, 4.0)).unwrap();
        assert!((approach.closing_speed - 3.0).abs() < 1e-12);
        assert!((approach.closing_error - 0.02_f64.sqrt()).abs() < 1e-12);
        let parting = Approach::of(&body(0.0, 0.0, -3.0, 0.0), &body(10.0, 0.0, 0.0, 0.0)).unwrap();
        assert_eq!((parting.closing_speed, parting.ttc_seconds), (-3.0, None));
    }

    #[test]
    fn different_scales_are_not_compared() {
        let near = body(0.0, 0.0, 1.0, 0.0);
        assert_eq!(Approach::of(&near, &Body { unit_metres: 2.0, ..near }), None);
        let approach = Approach::of(&near, &Body { unit_metres: 1.2, ..body(9.0, 0.0, 0.0, 0.0) }).unwrap();
        assert!((approach.closing_speed - 1.1).abs() < 1e-12);
    }
}
