//! The table `cameras`: what the pipeline file says of each camera to people.

use super::table::Type::{Real, Text};
use super::table::{Cell, Table, column, nullable};
use crate::config::CameraPlan;

/// See the module.
pub const CAMERAS: Table = Table {
    name: "cameras",
    columns: &[
        column("camera", Text, "the camera's id"),
        nullable("name", Text, "its name where people read it"),
        nullable("site", Text, "site that it shares with others"),
        nullable("ward", Text, "the ward that it belongs to"),
        nullable("lat", Real, "degrees north (WGS 84)"),
        nullable("lon", Real, "degrees east (WGS 84)"),
        nullable("heading", Real, "where it looks, degrees clockwise from north"),
        nullable("reach_m", Real, "how far it sees, metres"),
    ],
};

/// The row of a camera.
#[must_use]
pub fn camera_row(camera: &CameraPlan) -> Vec<Cell> {
    let about = &camera.about;
    vec![
        camera.id.as_str().into(),
        about.name.as_deref().into(),
        camera.site.as_deref().into(),
        about.ward.as_deref().into(),
        about.place.map(|place| place.lat).into(),
        about.place.map(|place| place.lon).into(),
        about.place.and_then(|place| place.heading).into(),
        about.place.map(|place| place.reach_m).into(),
    ]
}
