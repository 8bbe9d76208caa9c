//! A camera's calibration: from what is written to a plane on the ground, or every reason why it is none.

use super::compile::{Context, mark_of};
use super::raw::{Calibration, Camera, GroundControl};
use super::read::{Field, Located};
use super::text::Mark;
use crate::scene::{ControlPoint, Ground, GroundError, GroundPoint, NormPoint};

/// The camera's ground plane, if it has one.
pub(super) fn compile(context: &mut Context<'_>, camera: &Camera) -> Option<Ground> {
    let written = camera.calibration.located()?;
    let calibration = &written.value;
    let error_m = error(context, &calibration.error);
    let ground = match (&calibration.points, &calibration.homography) {
        (Field::Absent, Field::Absent) => {
            let help = "add `points:` with four places or more, each with `picture: [x, y]` and `metres: [x, y]`";
            context.problems.error(written.mark, "this calibration has neither `points` nor `homography`", help);
            None
        }
        (points, Field::Good(matrix)) if points.is_given() => {
            context.problems.error(matrix.mark, "this calibration has both `points` and `homography`", "keep one");
            None
        }
        (Field::Good(points), _) => from_points(context, points, error_m),
        (_, Field::Good(matrix)) => from_matrix(context, matrix, error_m),
        _ => None,
    }?;
    below_the_horizon(context, calibration, camera, &ground);
    Some(ground)
}

fn error(context: &mut Context<'_>, field: &Field<f64>) -> f64 {
    let Some(error) = field.located() else { return Ground::DEFAULT_ERROR_M };
    if !(error.value > 0.0 && error.value <= 100.0) {
        let message = format!("`error` cannot be {}", error.value);
        context.problems.error(error.mark, message, "it is the standard error of a place in metres, such as 0.2");
    }
    error.value
}

fn from_points(
    context: &mut Context<'_>,
    points: &Located<Vec<Located<GroundControl>>>,
    error_m: f64,
) -> Option<Ground> {
    let given: Vec<ControlPoint> = points.value.iter().filter_map(|point| control(context, &point.value)).collect();
    if given.len() < points.value.len() {
        return None;
    }
    let (message, help) = match Ground::fit(&given, error_m) {
        Ok(ground) => return Some(ground),
        Err(GroundError::Count(count)) if count < 4 => {
            (format!("a calibration needs at least 4 points, this one has {count}"), "add places far from each other")
        }
        Err(GroundError::Count(count)) => (
            format!("a calibration takes at most {} points, this one has {count}", Ground::MAX_POINTS),
            "keep those that are surest, spread over the picture",
        ),
        Err(GroundError::Collinear) => (
            "these points lie on one line, or three of four do".to_owned(),
            "choose four that make a quadrangle, both in the picture and on the ground",
        ),
        Err(GroundError::Folded | GroundError::Singular) => (
            "no flat ground seen from one side explains these points: the horizon runs between them".to_owned(),
            "look for two points that were exchanged, or a sign that is wrong",
        ),
    };
    context.problems.error(points.mark, message, help);
    None
}

fn control(context: &mut Context<'_>, point: &GroundControl) -> Option<ControlPoint> {
    let metres = point.metres.located();
    let picture = point.picture.get()?.0;
    let metres = metres?;
    let [x, y] = metres.value;
    if !(x.abs() <= 1e5 && y.abs() <= 1e5) {
        let help = "choose an origin near the camera: metres, at most 100 km away";
        context.problems.error(metres.mark, format!("[{x}, {y}] is too far away"), help);
        return None;
    }
    Some(ControlPoint { picture, metres: GroundPoint::new(x, y) })
}

fn from_matrix(context: &mut Context<'_>, matrix: &Located<Vec<Located<[f64; 3]>>>, error_m: f64) -> Option<Ground> {
    let rows: Vec<[f64; 3]> = matrix.value.iter().map(|row| row.value).collect();
    let Ok(rows) = <[[f64; 3]; 3]>::try_from(rows) else {
        context.problems.error(matrix.mark, "a homography is 3 rows of 3 numbers", "[[a, b, c], [d, e, f], [g, h, i]]");
        return None;
    };
    // The bottom of the picture is ground that the camera sees, whatever the matrix is.
    match Ground::from_matrix(rows, error_m, NormPoint::new(0.5, 1.0)) {
        Ok(ground) => Some(ground),
        Err(_) => {
            let help = "it maps [x, y, 1] in shares of the picture to metres, and the bottom of the picture to ground";
            context.problems.error(matrix.mark, "this homography cannot be inverted", help);
            None
        }
    }
}

/// Zones and lanes of a calibrated camera lie on the ground, or nothing in them can be measured.
fn below_the_horizon(context: &mut Context<'_>, calibration: &Calibration, camera: &Camera, ground: &Ground) {
    let zones = camera.zones.get().into_iter().flatten().map(|zone| ("zone", &zone.value.id, &zone.value.polygon));
    let lanes = camera.lanes.get().into_iter().flatten().map(|lane| ("lane", &lane.value.id, &lane.value.polygon));
    let fallback = mark_of(&calibration.points).unwrap_or_default();
    let beyond: Vec<(Mark, String)> = zones
        .chain(lanes)
        .filter_map(|(what, id, polygon)| {
            let corners = polygon.get()?.0.iter();
            let hidden = corners.filter(|corner| ground.metres(**corner).is_none()).count();
            let name = id.get().map_or("", String::as_str);
            let message = format!("the horizon of the calibration runs through {what} \"{name}\" ({hidden} corners)");
            (hidden > 0).then(|| (mark_of(polygon).unwrap_or(fallback), message))
        })
        .collect();
    for (mark, message) in beyond {
        context.problems.error(mark, message, "draw it lower, or add a calibration point near its far end");
    }
}
