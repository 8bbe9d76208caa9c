//! What a camera is to people: its name, its ward, its place on the map. Nothing of it changes what is seen, so it is
//! outside the pipeline's fingerprint, and a change of it restarts no camera.

use super::compile::Context;
use super::plan::{AboutPlan, PlacePlan};
use super::raw::{self, Camera, default};
use super::read::{Field, quoted};

/// Longest name, in characters.
const NAME_MAX: usize = 100;

/// What the file says of the camera.
pub(super) fn about(context: &mut Context<'_>, camera: &Camera) -> AboutPlan {
    let ward = camera.ward.located().map(|ward| {
        context.check_id(&ward.value, ward.mark, "ward");
        ward.value.clone()
    });
    AboutPlan { name: name(context, &camera.name), ward, place: camera.place.get().and_then(|p| place(context, p)) }
}

fn name(context: &mut Context<'_>, field: &Field<String>) -> Option<String> {
    let written = field.located()?;
    let name = written.value.trim();
    if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        let message = format!("`name` cannot be {}", quoted(&written.value));
        let help = format!("it is one line of 1 to {NAME_MAX} characters, such as \"Nguyễn Huệ – Lê Lợi, north\"");
        context.problems.error(written.mark, message, help);
    }
    Some(name.to_owned())
}

fn place(context: &mut Context<'_>, place: &raw::Place) -> Option<PlacePlan> {
    // All are looked at before any can fail, so that all are reported.
    let lat = degrees(context, &place.lat, "lat", -90.0, 90.0, "degrees north, -90 to 90; is it the longitude?");
    let lon = degrees(context, &place.lon, "lon", -180.0, 180.0, "degrees east, -180 to 180");
    let heading = degrees(context, &place.heading, "heading", 0.0, 360.0, "degrees clockwise from north, 0 to 360");
    let reach = place.reach.located().filter(|reach| !(1.0..=10_000.0).contains(&reach.value));
    if let Some(reach) = reach {
        let message = format!("`reach` cannot be {}", reach.value);
        context.problems.error(reach.mark, message, "it is how far the camera sees, 1 to 10000 metres");
    }
    Some(PlacePlan { lat: lat?, lon: lon?, heading, reach_m: place.reach.or(default::REACH_M) })
}

fn degrees(context: &mut Context<'_>, field: &Field<f64>, name: &str, min: f64, max: f64, help: &str) -> Option<f64> {
    let written = field.located()?;
    if !(min..=max).contains(&written.value) {
        let message = format!("`{name}` cannot be {}", written.value);
        context.problems.error(written.mark, message, format!("it is {help}"));
    }
    Some(written.value)
}
