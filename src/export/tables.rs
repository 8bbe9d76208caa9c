//! Warehouse tables: a file for each table, day and camera.
//!
//! A day is written whole, from midnight to midnight of one time zone, so that a later export replaces it and adds nothing
//! twice. What retention has taken from the store since is not taken from the export: a file with more rows stays.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::every;
use super::manifest::Manifest;
use crate::base::{CameraId, Error, ErrorKind, Result, Timestamp};
use crate::config::{AboutPlan, PlacePlan, Plan};
use crate::store::{Query, Reader};
use crate::warehouse::{
    CAMERAS, COUNTS, Cell, EVENTS, Format, Rows, Table, camera_row, count_rows, event_row, partition,
};

/// Which days.
#[derive(Debug, Clone)]
pub struct Days {
    /// The first; the earliest that the store has when `None`.
    pub from: Option<Date>,
    /// The first that is left out; none is when `None`.
    pub to: Option<Date>,
    /// The time zone whose days they are.
    pub zone: TimeZone,
    /// Only this camera.
    pub camera: Option<CameraId>,
}

/// What an export came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files written, and the rows in them.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Files that were there with more rows than the store has by now, and were left as they are.
    pub kept: Vec<PathBuf>,
}

/// Exports the tables into a folder; `plan` gives the table of cameras and, for GeoJSON, places.
///
/// # Errors
/// `Config` when the folder holds another sort of export; the store's and the disk's.
pub fn tables(reader: &Reader, plan: Option<&Plan>, days: &Days, format: Format, out: &Path) -> Result<Exported> {
    let zone = days.zone.iana_name().unwrap_or("UTC");
    let mut export =
        Export { reader, plan, format, out, manifest: Manifest::open(out, zone)?, done: Exported::default() };
    if let Some(plan) = plan {
        let mut file = export.begin(&CAMERAS, Path::new(""))?;
        for camera in &plan.cameras {
            file.rows.put(camera_row(camera), camera.about.place.as_ref())?;
        }
        // Cameras that are gone are gone from the pipeline as well.
        export.replace(file)?;
    }
    export.manifest.write(out)?;
    for camera in reader.cameras()?.into_iter().filter(|camera| days.camera.as_ref().is_none_or(|only| only == camera))
    {
        // What is written is told of even when the rest fails; a kill leaves at most one camera's files untold.
        let written = export.camera(&camera, days);
        export.manifest.write(out)?;
        written?;
    }
    Ok(export.done)
}

impl Days {
    /// When they begin, and when they are over.
    ///
    /// # Errors
    /// `Usage` for a day that no time of ours can name.
    pub fn range(&self) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
        let begin = |day: Option<Date>| day.map(|day| midnight(day, &self.zone)).transpose();
        Ok((begin(self.from)?, begin(self.to)?))
    }

    /// Those among the wanted ones that the span touches.
    fn of(&self, span: Option<(Timestamp, Timestamp)>) -> Result<Vec<Date>> {
        let Some((first, last)) = span else { return Ok(Vec::new()) };
        let day = |time: Timestamp| -> Result<Date> {
            let at = jiff::Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_nanos(time.0)).map_err(calendar)?;
            Ok(at.to_zoned(self.zone.clone()).date())
        };
        let (mut at, last) = (day(first)?, day(last)?);
        at = self.from.map_or(at, |from| at.max(from));
        let mut days = Vec::new();
        while at <= last && self.to.is_none_or(|to| at < to) {
            days.push(at);
            at = at.tomorrow().map_err(calendar)?;
        }
        Ok(days)
    }
}

struct Export<'a> {
    reader: &'a Reader,
    plan: Option<&'a Plan>,
    format: Format,
    out: &'a Path,
    manifest: Manifest,
    done: Exported,
}

/// A file in the making and its name below the folder.
struct Draft {
    rows: Rows,
    name: PathBuf,
}

impl Export<'_> {
    fn camera(&mut self, camera: &CameraId, days: &Days) -> Result<()> {
        for day in days.of(self.reader.span(camera)?)? {
            self.day(camera, day, &days.zone)?;
        }
        Ok(())
    }

    fn day(&mut self, camera: &CameraId, day: Date, zone: &TimeZone) -> Result<()> {
        let below = partition(day, camera.as_str());
        let query = Query {
            camera: Some(camera.as_str().to_owned()),
            from: Some(midnight(day, zone)?),
            to: Some(midnight(day.tomorrow().map_err(calendar)?, zone)?),
            ..Query::default()
        };
        let about = self.plan.and_then(|plan| plan.camera(camera)).map(|camera| camera.about.clone());
        let place = about.as_ref().and_then(|about: &AboutPlan| about.place);
        let (mut events, mut counts) = (None, None);
        // The reader is borrowed apart from the rest, which writes meanwhile.
        let reader = self.reader;
        every(reader, query, |stored| {
            self.put(&mut events, &EVENTS, &below, event_row(stored), place.as_ref())?;
            for row in count_rows(stored) {
                self.put(&mut counts, &COUNTS, &below, row, place.as_ref())?;
            }
            Ok(())
        })?;
        for draft in [events, counts].into_iter().flatten() {
            self.keep_more(draft)?;
        }
        Ok(())
    }

    fn put(
        &self,
        draft: &mut Option<Draft>,
        table: &'static Table,
        below: &Path,
        row: Vec<Cell>,
        place: Option<&PlacePlan>,
    ) -> Result<()> {
        let draft = match draft {
            Some(draft) => draft,
            None => draft.insert(self.begin(table, &Path::new(table.name).join(below))?),
        };
        draft.rows.put(row, place)
    }

    fn begin(&self, table: &'static Table, folder: &Path) -> Result<Draft> {
        let name = folder.join(table.name).with_extension(self.format.extension());
        Ok(Draft { rows: Rows::begin(table, self.format, &self.out.join(&name))?, name })
    }

    /// Puts the file in its place unless what is there has more rows.
    fn keep_more(&mut self, draft: Draft) -> Result<()> {
        let before = self.manifest.files.get(&key(&draft.name)).copied().unwrap_or(0);
        if before > draft.rows.count() && self.out.join(&draft.name).is_file() {
            self.done.kept.push(draft.name);
            return Ok(());
        }
        self.replace(draft)
    }

    fn replace(&mut self, draft: Draft) -> Result<()> {
        let rows = draft.rows.count();
        draft.rows.finish()?;
        self.done.files += 1;
        self.done.rows += rows;
        self.manifest.files.insert(key(&draft.name), rows);
        Ok(())
    }
}

fn key(name: &Path) -> String {
    name.to_string_lossy().into_owned()
}

fn midnight(day: Date, zone: &TimeZone) -> Result<Timestamp> {
    let begin = day.to_zoned(zone.clone()).map_err(calendar)?;
    i64::try_from(begin.timestamp().as_nanosecond()).map(Timestamp).map_err(|_| {
        Error::new(ErrorKind::Usage, format!("{day} lies outside the years 1678 to 2262")).help("name another day")
    })
}

fn calendar(error: jiff::Error) -> Error {
    Error::new(ErrorKind::Usage, "no such day").source(error)
}
