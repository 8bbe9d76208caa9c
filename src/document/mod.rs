//! Incidents as documents that other centres read: CAP 1.2, DATEX II version 3, GeoJSON.
//!
//! A [`Chronicle`] turns stored events into the chapters of confirmed incidents: begun, changed, cleared. Each document is
//! written from chapters and from what the pipeline file says of cameras; the same events give the same bytes.
//! What each kind of event means in each language and standard is one row of `kinds::TABLE`.

mod cap;
mod chronicle;
mod datex;
mod geojson;
mod kinds;
mod xml;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

pub use cap::{CapFeed, CapMessage, is_sender};
pub use chronicle::{Chapter, Chronicle, Detail, Step};
pub use datex::Situations;
pub use geojson::{cameras_geojson, incidents_geojson};

use crate::base::{CameraId, Timestamp};
use crate::config::{AboutPlan, PlacePlan, Plan};

/// What documents need besides incidents.
#[derive(Debug, Clone)]
pub struct Publisher {
    /// Who sends: globally unique by Internet custom, such as `vantage@traffic.example` (CAP 1.2 §3.2.1).
    pub sender: String,
    /// Two letters of ISO 3166-1.
    pub country: String,
    /// Whether this is a drill: nothing in it has happened.
    pub exercise: bool,
    /// The time zone that times are written in.
    pub zone: TimeZone,
    /// What the cameras are to people.
    pub cameras: BTreeMap<CameraId, AboutPlan>,
}

impl Publisher {
    /// The cameras of a pipeline file.
    #[must_use]
    pub fn cameras_of(plan: &Plan) -> BTreeMap<CameraId, AboutPlan> {
        plan.cameras.iter().map(|camera| (camera.id.clone(), camera.about.clone())).collect()
    }

    fn name<'a>(&'a self, camera: &'a CameraId) -> &'a str {
        let about = self.cameras.get(camera);
        about.and_then(|about| about.name.as_deref()).unwrap_or(camera.as_str())
    }

    fn place(&self, camera: &CameraId) -> Option<&PlacePlan> {
        self.cameras.get(camera)?.place.as_ref()
    }

    /// Local time with its offset, to the second, as both standards want it. UTC is `-00:00` in CAP and `+00:00` elsewhere
    /// (CAP 1.2 §3.3.2).
    fn time(&self, time: Timestamp, utc: &str) -> String {
        let at = jiff::Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_nanos(time.0)).unwrap_or_default();
        let zoned = at.to_zoned(self.zone.clone());
        let local = zoned.strftime("%Y-%m-%dT%H:%M:%S");
        match zoned.offset().seconds() {
            0 => format!("{local}{utc}"),
            _ => format!("{local}{}", zoned.strftime("%:z")),
        }
    }
}
