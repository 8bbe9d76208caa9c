//! Documents of incidents, and a sample of envelopes, from the stored events.

use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::Value;

use super::every;
use crate::base::{Error, Result, Timestamp};
use crate::config::Plan;
use crate::document::{CapFeed, Chapter, Chronicle, Publisher, Situations, cameras_geojson, incidents_geojson};
use crate::sink;
use crate::store::{IncidentQuery, Query, Reader};
use crate::warehouse::AtomicFile;

/// When the chapters lie that are wanted: from, and before.
type Range = (Option<Timestamp>, Option<Timestamp>);

/// Writes a CAP message for each chapter in `range` into `out`, named after its identifier; how many.
///
/// # Errors
/// The store's and the disk's.
pub fn cap(reader: &Reader, publisher: &Publisher, range: Range, now: Timestamp, out: &Path) -> Result<u64> {
    let mut feed = CapFeed::new(publisher);
    let mut written = 0;
    chapters(reader, now, |chapter| {
        // Messages before the range are made all the same: those in it refer to them.
        let Some(message) = feed.message(&chapter)? else { return Ok(()) };
        if within(chapter.at, range) {
            write(&out.join(format!("{}.xml", message.identifier)), &message.xml)?;
            written += 1;
        }
        Ok(())
    })?;
    Ok(written)
}

/// Writes one DATEX II publication of the incidents whose latest chapter lies in `range` to `out`; how many situations,
/// and how many incidents had no place.
///
/// # Errors
/// The store's and the disk's.
pub fn datex(reader: &Reader, publisher: &Publisher, range: Range, now: Timestamp, out: &Path) -> Result<(usize, u64)> {
    let mut situations = Situations::new(publisher);
    chapters(reader, now, |chapter| {
        situations.take(chapter);
        Ok(())
    })?;
    situations.retain(|latest| within(latest, range));
    write(out, &situations.publication(now)?)?;
    Ok((situations.count(), situations.unplaced()))
}

/// Writes `cameras.geojson` and `incidents.geojson` into `out`; how many incidents.
///
/// # Errors
/// The store's and the disk's.
pub fn geojson(reader: &Reader, plan: &Plan, publisher: &Publisher, now: Timestamp, out: &Path) -> Result<usize> {
    write_json(&out.join("cameras.geojson"), &cameras_geojson(plan))?;
    let all = IncidentQuery { ongoing: false, site: None, limit: usize::MAX };
    let mut incidents = reader.incidents(&all)?;
    incidents.sort_by_key(|incident| (incident.began, incident.id));
    write_json(&out.join("incidents.geojson"), &incidents_geojson(&incidents, publisher, now))?;
    Ok(incidents.len())
}

/// Writes the events in `range` as JSON lines of CloudEvents, as sinks send them; how many.
///
/// # Errors
/// The store's and the disk's.
pub fn samples(reader: &Reader, camera: Option<String>, range: Range, out: &Path) -> Result<u64> {
    let mut file = BufWriter::new(AtomicFile::create(out)?);
    let mut written = 0;
    let query = Query { camera, from: range.0, to: range.1, ..Query::default() };
    every(reader, query, |stored| {
        written += 1;
        let mut line = sink::cloud_event(stored)?;
        line.push(b'\n');
        file.write_all(&line).map_err(|e| Error::io(out, e))
    })?;
    file.into_inner().map_err(|e| Error::io(out, e.into_error()))?.finish()?;
    Ok(written)
}

/// Every chapter of every incident, in order: an incident may have begun long before the range.
fn chapters(reader: &Reader, now: Timestamp, mut each: impl FnMut(Chapter) -> Result<()>) -> Result<()> {
    let mut chronicle = Chronicle::default();
    every(reader, Query::default(), |stored| chronicle.take(stored).into_iter().try_for_each(&mut each))?;
    chronicle.finish(now).into_iter().try_for_each(each)
}

fn within(at: Timestamp, (from, to): Range) -> bool {
    from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to)
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    write(path, format!("{value:#}\n").as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(|e| Error::io(path, e))?;
    file.finish()
}
