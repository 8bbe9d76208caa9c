//! Pictures for the page: what was missed and what was false, cut from the footage after the scoring.

use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;

use super::cases::Scored;
use crate::base::time::SystemClock;
use crate::base::{Clock, MediaTime, Result};
use crate::eval::Report;
use crate::eval::events::{AlarmRow, EventReport, Found, Was};
use crate::eval::html::{Still, StillOf};
use crate::eval::tracks::PixelBox;
use crate::eval::truth::Incident;
use crate::frame::still::{Overlay, Snapshot};
use crate::pipeline::pictures::pictures_at;
use crate::scene::NormBox;
use crate::source::Settings;

/// Width of a picture on the page, pixels.
const WIDTH: usize = 640;
/// JPEG quality: a page with a hundred of them stays below 10 MB.
const QUALITY: u8 = 80;
/// Red, green, blue of what was told wrongly, …
const FALSE: [u8; 3] = [255, 72, 56];
/// … of what truly happened …
const TRUE: [u8; 3] = [64, 224, 128];
/// … and of what was missed.
const MISSED: [u8; 3] = [255, 176, 32];

/// Arguments about pictures.
#[derive(Debug, Args)]
pub struct StillArguments {
    /// At most so many pictures on the page; missed and false ones come first.
    #[arg(long, default_value_t = 100, value_name = "N")]
    stills: usize,
}

/// A camera's footage and how it is read.
#[derive(Debug)]
pub struct Source {
    /// The camera.
    pub camera: String,
    /// Its recording.
    pub settings: Settings,
}

/// A picture to be cut.
struct Wanted {
    of: StillOf,
    camera: String,
    at_s: f64,
    title: String,
    detail: String,
    overlays: Vec<Overlay>,
}

/// Cuts the pictures of a report's incidents and alarms. A camera without footage, or whose footage cannot be
/// read, gets none, and a note says so.
///
/// # Errors
/// None of the footage: only defects of ours.
pub fn stills(
    report: &mut Report,
    scored: &[Scored],
    sources: &[Source],
    arguments: &StillArguments,
) -> Result<Vec<Still>> {
    let Some(events) = &report.events else { return Ok(Vec::new()) };
    let mut wanted: Vec<Wanted> = scored.iter().flat_map(|case| of_camera(case, events)).collect();
    wanted.retain(|wanted| sources.iter().any(|source| source.camera == wanted.camera));
    wanted
        .sort_by(|a, b| a.of.cmp(&b.of).then_with(|| a.camera.cmp(&b.camera)).then_with(|| a.at_s.total_cmp(&b.at_s)));
    if wanted.len() > arguments.stills {
        let left_out = wanted.len() - arguments.stills;
        wanted.truncate(arguments.stills);
        report.notes.push(format!("{left_out} more pictures were left out; --stills sets how many there are."));
    }
    let mut cut: Vec<Option<Vec<u8>>> = vec![None; wanted.len()];
    for source in sources {
        let places: Vec<usize> =
            (0..wanted.len()).filter(|i| wanted.get(*i).is_some_and(|w| w.camera == source.camera)).collect();
        if let Err(error) = cut_from(source, &wanted, &places, &mut cut) {
            report.notes.push(format!("No pictures of {}: {error}.", source.camera));
        }
    }
    let still = |(wanted, jpeg): (Wanted, Option<Vec<u8>>)| {
        Some(Still { of: wanted.of, title: wanted.title, detail: wanted.detail, jpeg: jpeg? })
    };
    Ok(wanted.into_iter().zip(cut).filter_map(still).collect())
}

fn cut_from(source: &Source, wanted: &[Wanted], places: &[usize], cut: &mut [Option<Vec<u8>>]) -> Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    let mine: Vec<&Wanted> = places.iter().filter_map(|place| wanted.get(*place)).collect();
    let moments: Vec<MediaTime> = mine.iter().map(|wanted| MediaTime::from_seconds(wanted.at_s)).collect();
    let overlays: Vec<Vec<Overlay>> = mine.iter().map(|wanted| wanted.overlays.clone()).collect();
    let taken = Arc::new(Mutex::new(vec![None; places.len()]));
    let into = Arc::clone(&taken);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    pictures_at(source.settings.clone(), &moments, &clock, move |index, frame| {
        let none = Vec::new();
        let encode = |snapshot: Snapshot| snapshot.encode(overlays.get(index).unwrap_or(&none), QUALITY);
        let jpeg = frame.picture.read(|planes| Snapshot::take(planes, WIDTH)).and_then(|taken| taken).and_then(encode);
        match jpeg {
            Ok(jpeg) => {
                if let Some(slot) = into.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
                    *slot = Some(jpeg);
                }
            }
            Err(error) => tracing::warn!(%error, "no still"),
        }
    })?;
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    for (place, jpeg) in places.iter().zip(taken.drain(..)) {
        if let Some(slot) = cut.get_mut(*place) {
            *slot = jpeg;
        }
    }
    Ok(())
}

fn of_camera(case: &Scored, events: &EventReport) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let missed = events.incident_rows.iter().filter(|row| row.camera == case.camera && row.outcome == Found::Missed);
    for row in missed {
        let same = |incident: &&Incident| incident.kind == row.kind && incident.onset_s == row.onset_s;
        let Some(incident) = case.truth.incidents.iter().find(same) else { continue };
        let at_s = incident.shown_at_s(case.truth.seconds);
        let place = row.place.as_ref().map(|place| format!(" in {place}")).unwrap_or_default();
        let note = incident.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
        wanted.push(Wanted {
            of: StillOf::Missed,
            camera: case.camera.clone(),
            at_s,
            title: format!("{}, {} at {:.1} s", row.kind, row.camera, row.onset_s),
            detail: format!("begins at {:.1} s{place}, {}{note}", row.onset_s, until(row.end_s)),
            overlays: true_boxes(case, incident, at_s, MISSED),
        });
    }
    for row in events.alarm_rows.iter().filter(|row| row.camera == case.camera && row.outcome != Was::Ignored) {
        wanted.push(of_alarm(case, row));
    }
    wanted
}

fn of_alarm(case: &Scored, row: &AlarmRow) -> Wanted {
    let (of, colour, why) = match row.outcome {
        Was::False => (StillOf::False, FALSE, row.why),
        Was::Repeat => (StillOf::Repeat, MISSED, None),
        Was::Hit | Was::Ignored => (StillOf::Hit, TRUE, None),
    };
    let mut overlays = Vec::new();
    if of == StillOf::False {
        // What an alarm of the wrong object should have been about.
        for incident in case.truth.incidents.iter().filter(|incident| incident.kind == row.kind) {
            if incident.onset_s <= row.at_s && row.at_s <= incident.end_s.unwrap_or(case.truth.seconds) {
                overlays.extend(true_boxes(case, incident, row.at_s, TRUE));
            }
        }
    }
    let alarm = case.told.alarms.iter().find(|alarm| alarm.id == row.id);
    if let Some(bbox) = alarm.and_then(|alarm| alarm.bbox) {
        overlays.push(Overlay { bbox, label: Some(row.rule.clone()), colour });
    }
    let why = why.map(|why| format!(". But {why}.")).unwrap_or_default();
    Wanted {
        of,
        camera: case.camera.clone(),
        at_s: row.at_s,
        title: format!("{}, {} at {:.1} s", row.kind, row.camera, row.at_s),
        detail: format!("{}{why}", row.summary),
        overlays,
    }
}

/// Where an incident is at a second.
fn true_boxes(case: &Scored, incident: &Incident, at_s: f64, colour: [u8; 3]) -> Vec<Overlay> {
    let mut boxes: Vec<PixelBox> =
        incident.objects.iter().filter_map(|object| case.truth.box_at(*object, at_s)).collect();
    if boxes.is_empty() {
        boxes.extend(incident.region.as_deref().and_then(around));
    }
    let shown = |bbox: PixelBox| -> Option<NormBox> { case.truth.normalised(&bbox) };
    let overlay = |bbox| Overlay { bbox, label: Some(format!("truth: {}", incident.kind)), colour };
    boxes.into_iter().filter_map(shown).map(overlay).collect()
}

/// The box around a polygon.
fn around(corners: &[[f64; 2]]) -> Option<PixelBox> {
    let reduce = |axis: fn(&[f64; 2]) -> f64, pick: fn(f64, f64) -> f64| corners.iter().map(axis).reduce(pick);
    let (left, right) = (reduce(|c| c[0], f64::min)?, reduce(|c| c[0], f64::max)?);
    let (top, bottom) = (reduce(|c| c[1], f64::min)?, reduce(|c| c[1], f64::max)?);
    Some(PixelBox::from_corners([left, top, right, bottom]))
}

fn until(end_s: Option<f64>) -> String {
    end_s.map_or_else(|| "goes on to the end".to_owned(), |end| format!("ends at {end:.1} s"))
}
