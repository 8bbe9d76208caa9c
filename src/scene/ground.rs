//! The ground plane: a plane homography from the picture to metres on the road.
//!
//! Source: Hartley and Zisserman, *Multiple View Geometry*, 2nd ed., algorithm 4.2 (normalised direct linear
//! transformation), solved with the last entry 1: the centroid of the control points, the origin after
//! normalisation, never maps to infinity. Picture points are normalised scene coordinates, so a calibration
//! holds for every stream of the camera. Plain sums and products in a fixed order: the same points give the
//! same bits everywhere.

use super::{NormPoint, Polygon};

/// A place on the ground, metres; axes and origin are those of the control points.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GroundPoint {
    /// Metres along the first axis.
    pub x: f64,
    /// Metres along the second axis.
    pub y: f64,
}

impl GroundPoint {
    /// A place.
    #[must_use]
    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }
    /// The distance to another place, metres.
    #[must_use]
    pub fn distance(self, other: Self) -> f64 {
        let (x, y) = (self.x - other.x, self.y - other.y);
        // `hypot` differs between machines, `sqrt` does not.
        (x * x + y * y).sqrt()
    }
}

/// A control point: the same place in the picture and on the ground.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ControlPoint {
    /// In normalised scene coordinates.
    pub picture: NormPoint,
    /// In metres.
    pub metres: GroundPoint,
}

/// Why points or a matrix are no calibration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroundError {
    /// Fewer than four, or more than [`Ground::MAX_POINTS`].
    Count(usize),
    /// No four of them in general position: they are (nearly) on one line.
    Collinear,
    /// The matrix cannot be inverted, or is not made of numbers.
    Singular,
    /// Some control points lie beyond the horizon of the plane that the others make.
    Folded,
}

/// The mapping between picture and ground.
#[derive(Debug, Clone, PartialEq)]
pub struct Ground {
    to_metres: Matrix3,
    to_picture: Matrix3,
    /// Sign of the projective denominator on the camera's side of the horizon.
    side: f64,
    residual_m: f64,
    error_m: f64,
    /// The same plane with one control point moved [`NUDGE`] standard errors along one axis of the ground,
    /// for every point and axis.
    nudged: Vec<Matrix3>,
}

/// Row-major.
pub type Matrix3 = [[f64; 3]; 3];

/// Closer to the horizon than this share of the denominator at the control point nearest to the camera,
/// metres mean nothing: one pixel is many of them.
const HORIZON: f64 = 0.005;
/// Share of a standard error by which a control point is moved to see what it does to the plane: small, so that
/// the answer is a slope.
const NUDGE: f64 = 0.01;
/// Smallest triangle among the best four points, as a share of the points' extent squared.
const GENERAL_POSITION: f64 = 2e-3;

impl Ground {
    /// More points than this are a survey, not a calibration.
    pub const MAX_POINTS: usize = 32;
    /// Standard error of a control point on the ground when none is given, metres.
    pub const DEFAULT_ERROR_M: f64 = 0.2;

    /// The least-squares plane through control points. `error_m` is the standard error of one control point
    /// on the ground, metres; the residual takes its place where it is larger.
    ///
    /// # Errors
    /// Too few points, points on one line, or points that no plane seen from one side can explain.
    pub fn fit(points: &[ControlPoint], error_m: f64) -> Result<Self, GroundError> {
        if !(4..=Self::MAX_POINTS).contains(&points.len()) {
            return Err(GroundError::Count(points.len()));
        }
        let picture: Vec<[f64; 2]> = points.iter().map(|p| [f64::from(p.picture.x), f64::from(p.picture.y)]).collect();
        let metres: Vec<[f64; 2]> = points.iter().map(|p| [p.metres.x, p.metres.y]).collect();
        if !in_general_position(&picture) || !in_general_position(&metres) {
            return Err(GroundError::Collinear);
        }
        let to_metres = fit_plane(&picture, &metres).ok_or(GroundError::Collinear)?;
        let weight = |p: &&ControlPoint| denominator(&to_metres, p.picture).abs();
        let nearest = points.iter().max_by(|a, b| weight(a).total_cmp(&weight(b))).ok_or(GroundError::Count(0))?;
        let mut ground = Self::of(to_metres, error_m, nearest.picture)?;
        let mut squares = 0.0;
        for point in points {
            let seen = ground.metres(point.picture).ok_or(GroundError::Folded)?;
            squares += seen.distance(point.metres).powi(2);
        }
        // Two equations a point, eight of them spent on the fit.
        ground.residual_m = (squares / points.len() as f64).sqrt();
        let freedom = 2 * points.len() - 8;
        if freedom > 0 {
            ground.error_m = ground.error_m.max((squares / freedom as f64).sqrt());
        }
        ground.nudged = nudged(&picture, &metres, ground.error_m);
        Ok(ground)
    }

    /// A known homography from normalised scene coordinates to metres; `seen` is any picture point on the
    /// ground, below the horizon, and `error_m` its standard error, metres.
    ///
    /// Nobody knows which points a matrix was made from. For [`Ground::length_error`] four are taken: a fifth of
    /// the width from either side, at `seen` and where the ground is four times as far away.
    ///
    /// # Errors
    /// A matrix that cannot be inverted.
    pub fn from_matrix(to_metres: Matrix3, error_m: f64, seen: NormPoint) -> Result<Self, GroundError> {
        let mut ground = Self::of(to_metres, error_m, seen)?;
        let bottom = denominator(&to_metres, NormPoint::new(0.5, seen.y));
        let slope = to_metres[2][1];
        let quarter = (f64::from(seen.y) - 0.75 * bottom / slope) as f32;
        // Straight from above the ground is nowhere farther.
        let top = if quarter.is_finite() && (0.0..seen.y).contains(&quarter) { quarter } else { 0.0 };
        let corners = [(0.2, seen.y), (0.8, seen.y), (0.2, top), (0.8, top)].map(|(x, y)| NormPoint::new(x, y));
        let metres: Vec<[f64; 2]> = corners.iter().filter_map(|p| ground.metres(*p)).map(|m| [m.x, m.y]).collect();
        if metres.len() == corners.len() {
            let picture = corners.map(|p| [f64::from(p.x), f64::from(p.y)]);
            ground.nudged = nudged(&picture, &metres, error_m);
        }
        Ok(ground)
    }

    fn of(to_metres: Matrix3, error_m: f64, seen: NormPoint) -> Result<Self, GroundError> {
        let to_picture = invert(&to_metres).ok_or(GroundError::Singular)?;
        let reference = denominator(&to_metres, seen);
        if !(reference.abs() > 0.0 && reference.is_finite()) {
            return Err(GroundError::Singular);
        }
        Ok(Self { to_metres, to_picture, side: reference, residual_m: 0.0, error_m, nudged: Vec::new() })
    }

    /// Where a picture point lies on the ground; `None` at the horizon and beyond it.
    #[must_use]
    pub fn metres(&self, p: NormPoint) -> Option<GroundPoint> {
        let w = denominator(&self.to_metres, p);
        (w / self.side >= HORIZON).then(|| project(&self.to_metres, p))
    }

    /// Where a place on the ground is in the picture (possibly outside of it); `None` behind the camera.
    #[must_use]
    pub fn picture(&self, p: GroundPoint) -> Option<NormPoint> {
        let [x, y, w] = apply(&self.to_picture, p.x, p.y);
        let seen = NormPoint::new((x / w) as f32, (y / w) as f32);
        (w != 0.0 && seen.x.is_finite() && seen.y.is_finite() && self.metres(seen).is_some()).then_some(seen)
    }

    /// Derivatives of metres by normalised picture coordinates at `p`:
    /// `[[dX/dx, dX/dy], [dY/dx, dY/dy]]`; `None` at the horizon and beyond it.
    #[must_use]
    pub fn jacobian(&self, p: NormPoint) -> Option<[[f64; 2]; 2]> {
        let at = self.metres(p)?;
        let w = denominator(&self.to_metres, p);
        let [a, b, c] = &self.to_metres;
        let row = |m: &[f64; 3], v: f64| [(m[0] - v * c[0]) / w, (m[1] - v * c[1]) / w];
        Some([row(a, at.x), row(b, at.y)])
    }

    /// Relative standard error of the ground distance between two picture points that comes from the calibration:
    /// 0.02 is 2 %. `None` when a point is beyond the horizon or the two are one.
    ///
    /// Each control point is uncertain by [`Ground::error_m`] along either axis. The distance is measured again on
    /// the planes that follow from moving one point along one axis; the changes add up as independent errors do
    /// (first-order propagation of covariance; Hartley and Zisserman, 2nd ed., section 5.2). So the error is small
    /// between well-spread control points and grows outside of them.
    #[must_use]
    pub fn length_error(&self, a: NormPoint, b: NormPoint) -> Option<f64> {
        let length = self.metres(a)?.distance(self.metres(b)?);
        if length <= 0.0 {
            return None;
        }
        let change = |plane: &Matrix3| project(plane, a).distance(project(plane, b)) / length - 1.0;
        let squares: f64 = self.nudged.iter().map(|plane| (change(plane) / NUDGE).powi(2)).sum();
        squares.is_finite().then(|| squares.sqrt())
    }

    /// Whether the ground's axes are right-handed seen from above (x east, y north): a turn from x to y goes left.
    /// The camera looks from above, so a turn that goes left on the picture goes left on the ground. `None` for a
    /// plane that is all horizon.
    #[must_use]
    pub fn is_right_handed(&self) -> Option<bool> {
        let bottom = [0.5, 0.1, 0.9].map(|x| NormPoint::new(x, 1.0));
        let [[xx, xy], [yx, yy]] = bottom.into_iter().find_map(|p| self.jacobian(p))?;
        // The picture's y points down, so its axes turn right.
        Some(xx * yy - xy * yx < 0.0)
    }

    /// Whether the whole area lies on the ground, below the horizon.
    #[must_use]
    pub fn shows(&self, area: &Polygon) -> bool {
        area.corners().iter().all(|corner| self.metres(*corner).is_some())
    }

    /// Root mean square distance of the control points from where the fit puts them, metres; 0 for a matrix.
    #[must_use]
    pub fn residual_m(&self) -> f64 {
        self.residual_m
    }

    /// Standard error of a place on the ground near the control points, metres: as given, or what the
    /// residuals tell if that is more.
    #[must_use]
    pub fn error_m(&self) -> f64 {
        self.error_m
    }

    /// The homography, normalised scene coordinates to metres.
    #[must_use]
    pub fn matrix(&self) -> &Matrix3 {
        &self.to_metres
    }
}

fn denominator(m: &Matrix3, p: NormPoint) -> f64 {
    m[2][0] * f64::from(p.x) + m[2][1] * f64::from(p.y) + m[2][2]
}

fn apply(m: &Matrix3, x: f64, y: f64) -> [f64; 3] {
    m.map(|row| row[0] * x + row[1] * y + row[2])
}

fn project(m: &Matrix3, p: NormPoint) -> GroundPoint {
    let [x, y, w] = apply(m, f64::from(p.x), f64::from(p.y));
    GroundPoint::new(x / w, y / w)
}

/// The planes that follow from moving one control point along one axis by [`NUDGE`] × `error_m`.
fn nudged(picture: &[[f64; 2]], metres: &[[f64; 2]], error_m: f64) -> Vec<Matrix3> {
    let moved = (0..metres.len()).flat_map(|point| [(point, 0), (point, 1)]).filter_map(|(point, axis)| {
        let mut metres = metres.to_vec();
        *metres.get_mut(point)?.get_mut(axis)? += NUDGE * error_m;
        fit_plane(picture, &metres)
    });
    moved.collect()
}

/// The least-squares homography of picture points to metres.
fn fit_plane(picture: &[[f64; 2]], metres: &[[f64; 2]]) -> Option<Matrix3> {
    let (from, to) = (Similarity::of(picture), Similarity::of(metres));
    let normalised = solve_dlt(picture, &from, metres, &to)?;
    Some(multiply(&to.inverse(), &multiply(&normalised, &from.matrix())))
}

fn multiply(a: &Matrix3, b: &Matrix3) -> Matrix3 {
    let mut out = Matrix3::default();
    for (row, from) in out.iter_mut().zip(a) {
        for (column, cell) in row.iter_mut().enumerate() {
            *cell = from.iter().zip(b).map(|(f, b)| f * b[column]).sum();
        }
    }
    out
}

/// By cofactors; `None` when singular.
fn invert(m: &Matrix3) -> Option<Matrix3> {
    let [[a, b, c], [d, e, f], [g, h, i]] = *m;
    let cofactors = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ];
    let determinant = a * cofactors[0][0] + b * cofactors[1][0] + c * cofactors[2][0];
    let size = m.iter().flatten().fold(0.0_f64, |most, cell| most.max(cell.abs()));
    let enough = determinant.abs() > 1e-12 * size.powi(3) && determinant.is_finite();
    enough.then(|| cofactors.map(|row| row.map(|cell| cell / determinant)))
}

/// Whether some four of the points make four triangles that are not slivers.
fn in_general_position(points: &[[f64; 2]]) -> bool {
    let extent = |axis: usize| {
        let values = || points.iter().map(|p| p[axis]);
        values().fold(f64::NEG_INFINITY, f64::max) - values().fold(f64::INFINITY, f64::min)
    };
    let least = GENERAL_POSITION * extent(0).max(extent(1)).powi(2);
    let twice = |a: &[f64; 2], b: &[f64; 2], c: &[f64; 2]| {
        ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])).abs()
    };
    let wide = |a, b, c| twice(a, b, c) > least;
    points.iter().enumerate().any(|(i, a)| {
        points.iter().enumerate().skip(i + 1).any(|(j, b)| {
            points.iter().enumerate().skip(j + 1).any(|(k, c)| {
                wide(a, b, c) && points.iter().skip(k + 1).any(|d| wide(a, b, d) && wide(a, c, d) && wide(b, c, d))
            })
        })
    })
}

/// Moves the centroid to the origin and makes the mean distance from it √2 (Hartley 1997).
struct Similarity {
    scale: f64,
    centre: [f64; 2],
}

impl Similarity {
    fn of(points: &[[f64; 2]]) -> Self {
        let n = points.len() as f64;
        let centre = [0, 1].map(|axis: usize| points.iter().map(|p| p[axis]).sum::<f64>() / n);
        let distance = |p: &[f64; 2]| ((p[0] - centre[0]).powi(2) + (p[1] - centre[1]).powi(2)).sqrt();
        let mean = points.iter().map(distance).sum::<f64>() / n;
        Self { scale: std::f64::consts::SQRT_2 / mean, centre }
    }
    fn apply(&self, p: [f64; 2]) -> [f64; 2] {
        [(p[0] - self.centre[0]) * self.scale, (p[1] - self.centre[1]) * self.scale]
    }
    fn matrix(&self) -> Matrix3 {
        let Self { scale, centre } = self;
        [[*scale, 0.0, -scale * centre[0]], [0.0, *scale, -scale * centre[1]], [0.0, 0.0, 1.0]]
    }
    fn inverse(&self) -> Matrix3 {
        let back = 1.0 / self.scale;
        [[back, 0.0, self.centre[0]], [0.0, back, self.centre[1]], [0.0, 0.0, 1.0]]
    }
}

/// The homography between normalised points with the last entry 1, by the normal equations.
fn solve_dlt(picture: &[[f64; 2]], from: &Similarity, metres: &[[f64; 2]], to: &Similarity) -> Option<Matrix3> {
    let mut normal = [[0.0; 9]; 8];
    for (p, m) in picture.iter().zip(metres) {
        let ([x, y], [u, v]) = (from.apply(*p), to.apply(*m));
        for row in [[x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u], [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v]] {
            for (sum, left) in normal.iter_mut().zip(row) {
                for (cell, right) in sum.iter_mut().zip(row) {
                    *cell += left * right;
                }
            }
        }
    }
    let [a, b, c, d, e, f, g, h] = eliminate(normal)?;
    Some([[a, b, c], [d, e, f], [g, h, 1.0]])
}

/// Gaussian elimination with partial pivoting on eight equations; `None` when they are dependent.
fn eliminate(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let pivot = (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        let lead = rows[column];
        if lead[column].abs() < 1e-12 {
            return None;
        }
        for row in rows.iter_mut().skip(column + 1) {
            let factor = row[column] / lead[column];
            for (cell, above) in row.iter_mut().zip(lead) {
                *cell -= factor * above;
            }
        }
    }
    let mut solution = [0.0; 8];
    for row in (0..8).rev() {
        let known: f64 = (row + 1..8).map(|column| rows[row][column] * solution[column]).sum();
        solution[row] = (rows[row][8] - known) / rows[row][row];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A camera 6 m high looking down a road along +y.
    const ROAD: Matrix3 = [[20.0, 0.0, -10.0], [0.0, -6.0, 12.0], [0.0, 1.0, -0.2]];

    fn control(at: &[(f32, f32)]) -> Vec<ControlPoint> {
        let truth = Ground::from_matrix(ROAD, 0.1, NormPoint::new(0.5, 1.0)).unwrap();
        at.iter()
            .map(|(x, y)| {
                let picture = NormPoint::new(*x, *y);
                ControlPoint { picture, metres: truth.metres(picture).unwrap() }
            })
            .collect()
    }

    #[test]
    fn four_points_give_the_plane_back() {
        let points = control(&[(0.1, 0.9), (0.9, 0.9), (0.3, 0.4), (0.7, 0.4)]);
        let ground = Ground::fit(&points, 0.1).unwrap();
        assert!(ground.residual_m() < 1e-6, "{}", ground.residual_m());
        // By hand at (0.5, 0.7): w = 0.5, X = (10 - 10) / 0.5, Y = (12 - 4.2) / 0.5.
        let at = ground.metres(NormPoint::new(0.5, 0.7)).unwrap();
        assert!(at.distance(GroundPoint::new(0.0, 15.6)) < 1e-4, "{at:?}");
        assert_eq!(ground.metres(NormPoint::new(0.5, 0.2)), None, "the horizon");
        assert_eq!(ground.metres(NormPoint::new(0.5, 0.1)), None, "the sky");
    }

    #[test]
    fn points_that_are_no_calibration_are_refused() {
        let line = control(&[(0.1, 0.9), (0.3, 0.9), (0.6, 0.9), (0.9, 0.9), (0.5, 0.5)]);
        assert_eq!(Ground::fit(&line, 0.1), Err(GroundError::Collinear));
        assert_eq!(Ground::fit(&line[..3], 0.1), Err(GroundError::Count(3)));
        let same = [line[0]; 4];
        assert_eq!(Ground::fit(&same, 0.1), Err(GroundError::Collinear));
        // Two corners exchanged: a plane folded over its own horizon.
        let mut crossed = control(&[(0.1, 0.9), (0.9, 0.9), (0.3, 0.4), (0.7, 0.4)]);
        let metres = crossed[2].metres;
        crossed[2].metres = crossed[3].metres;
        crossed[3].metres = metres;
        assert_eq!(Ground::fit(&crossed, 0.1), Err(GroundError::Folded));
        assert_eq!(Ground::from_matrix([[1.0; 3]; 3], 0.1, NormPoint::new(0.5, 0.9)), Err(GroundError::Singular));
    }

    #[test]
    fn a_wrong_point_shows_in_the_residual() {
        let mut points = control(&[(0.1, 0.9), (0.9, 0.9), (0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.2, 0.6)]);
        points[4].metres.x += 2.0;
        let ground = Ground::fit(&points, 0.1).unwrap();
        assert!(ground.residual_m() > 0.3 && ground.error_m() > ground.residual_m(), "{ground:?}");
    }

    /// What the error says must be what wrong control points do: measured by drawing many.
    #[test]
    fn the_error_of_a_length_is_the_spread_of_lengths() {
        let points = control(&[(0.1, 0.9), (0.9, 0.9), (0.3, 0.4), (0.7, 0.4), (0.5, 0.6)]);
        let ground = Ground::fit(&points, 0.2).unwrap();
        let mut dice = 1_u64;
        let mut normal = || {
            let share = |_| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (dice >> 40) as f64 / f64::from(1_u32 << 24)
            };
            (0..12).map(share).sum::<f64>() - 6.0
        };
        for (a, b) in [((0.5, 0.85), (0.5, 0.6)), ((0.2, 0.7), (0.8, 0.7)), ((0.5, 0.4), (0.5, 0.33))] {
            let (a, b) = (NormPoint::new(a.0, a.1), NormPoint::new(b.0, b.1));
            let truth = ground.metres(a).unwrap().distance(ground.metres(b).unwrap());
            let mut squares = 0.0;
            for _ in 0..2000 {
                let mut drawn = points.clone();
                for point in &mut drawn {
                    point.metres.x += 0.2 * normal();
                    point.metres.y += 0.2 * normal();
                }
                let other = Ground::fit(&drawn, 0.2).unwrap();
                let length = other.metres(a).unwrap().distance(other.metres(b).unwrap());
                squares += (length / truth - 1.0).powi(2);
            }
            let (spread, said) = ((squares / 2000.0).sqrt(), ground.length_error(a, b).unwrap());
            assert!((said / spread - 1.0).abs() < 0.15, "{said} said, {spread} drawn");
        }
        let (near, far) = ((0.5, 0.85, 0.5, 0.6), (0.5, 0.4, 0.5, 0.33));
        let error = |(ax, ay, bx, by)| ground.length_error(NormPoint::new(ax, ay), NormPoint::new(bx, by)).unwrap();
        assert!(error(near) < 0.03 && error(far) > 1.5 * error(near), "{} {}", error(near), error(far));
        assert_eq!(ground.length_error(NormPoint::new(0.5, 0.1), NormPoint::new(0.5, 0.9)), None);
    }

    #[test]
    fn a_matrix_has_an_error_too() {
        let ground = |error_m| Ground::from_matrix(ROAD, error_m, NormPoint::new(0.5, 1.0)).unwrap();
        let error = |error_m| ground(error_m).length_error(NormPoint::new(0.5, 0.8), NormPoint::new(0.5, 0.6)).unwrap();
        assert!(error(0.2) > 0.003 && error(0.2) < 0.05, "{}", error(0.2));
        assert!((error(0.4) / error(0.2) - 2.0).abs() < 0.05);
    }

    proptest! {
        #[test]
        fn ground_and_picture_are_inverse(x in 0.0..1.0f32, y in 0.25..1.0f32) {
            let ground = Ground::from_matrix(ROAD, 0.1, NormPoint::new(0.5, 1.0)).unwrap();
            let p = NormPoint::new(x, y);
            let back = ground.picture(ground.metres(p).unwrap()).unwrap();
            prop_assert!((back.x - x).abs() < 1e-4 && (back.y - y).abs() < 1e-4, "{back:?}");
        }

        #[test]
        fn the_jacobian_is_the_slope(x in 0.0..1.0f32, y in 0.3..0.9f32) {
            let ground = Ground::from_matrix(ROAD, 0.1, NormPoint::new(0.5, 1.0)).unwrap();
            let at = |dx: f32, dy: f32| ground.metres(NormPoint::new(x + dx, y + dy)).unwrap();
            let step = 1.0 / 1024.0;
            let slope = ground.jacobian(NormPoint::new(x, y)).unwrap();
            let (right, left, down, up) = (at(step, 0.0), at(-step, 0.0), at(0.0, step), at(0.0, -step));
            let by = 2.0 * f64::from(step);
            let near = |a: f64, b: f64| (a - b).abs() < 0.02 * (1.0 + b.abs());
            prop_assert!(near((right.x - left.x) / by, slope[0][0]) && near((down.x - up.x) / by, slope[0][1]));
            prop_assert!(near((right.y - left.y) / by, slope[1][0]) && near((down.y - up.y) / by, slope[1][1]));
        }
    }
}
