//! From the file as written to a checked [`Truth`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::counts::{ANY_CLASS, MovementKey, TrueCounts, TrueMovement};
use super::file::{Counts, CrossingRow, EventRow, File};
use super::{Incident, Truth, crossings};
use crate::base::{Error, ErrorKind, Result};
use crate::eval::tracks::PixelBox;

/// The shape that is read.
const SCHEMA: u32 = 1;

/// Reads and checks a truth.
///
/// # Errors
/// I/O kinds; `Unsupported` for another schema; `Corrupt` with the place for what contradicts itself.
pub fn read(path: &Path) -> Result<Truth> {
    let text = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let bare = parse(&text).map_err(|error| error.context(path.display()))?;
    Ok(Truth { path: path.to_owned(), ..bare })
}

fn bad(place: &str, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{place}: {what}")).help("docs/evaluation.md describes the ground truth")
}

/// A truth without its path.
pub(super) fn parse(text: &str) -> Result<Truth> {
    if text.trim().is_empty() {
        return Err(bad("line 1", "the file is empty"));
    }
    let file: File = serde_json::from_str(text).map_err(|e| {
        // The message ends with the line and column.
        Error::new(ErrorKind::Corrupt, format!("no ground truth: {e}")).help("docs/evaluation.md describes the file")
    })?;
    if file.schema != SCHEMA {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("schema {} of the ground truth is not known", file.schema),
        )
        .help(format!("this program reads schema {SCHEMA}")));
    }
    let reader = Reader::new(&file)?;
    let places = BTreeMap::from([
        ("lane", file.lanes.iter().map(|n| n.id.clone()).collect()),
        ("zone", file.zones.iter().map(|n| n.id.clone()).collect()),
        ("line", file.lines.iter().map(|n| n.id.clone()).collect::<BTreeSet<_>>()),
    ]);
    let boxes = reader.boxes()?;
    let mut incidents = Vec::new();
    for (index, row) in file.events.iter().enumerate() {
        incidents.push(reader.incident(row, &places, &boxes, &format!("events[{index}]"))?);
    }
    incidents.sort_by(|a: &Incident, b: &Incident| a.onset_s.total_cmp(&b.onset_s));
    let counts = file.counts.as_ref().map(|counts| reader.counts(counts)).transpose()?;
    Ok(Truth {
        path: Default::default(),
        camera_id: file.camera_id.clone(),
        starts_at: file.starts_at,
        clip: file.clip.clone(),
        sha256: file.sha256.as_ref().map(|hash| hash.to_ascii_lowercase()),
        size: file.width.zip(file.height),
        fps: file.fps,
        frames: file.frames,
        seconds: reader.seconds,
        places,
        incidents,
        counts,
        boxes,
    })
}

/// The file with what all parts need.
struct Reader<'a> {
    file: &'a File,
    seconds: f64,
    classes: BTreeMap<i64, &'a str>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a File) -> Result<Self> {
        if let Some(fps) = file.fps.filter(|fps| !(fps.is_finite() && *fps > 0.0)) {
            return Err(bad("fps", format!("{fps} is no frame rate")));
        }
        let seconds = match (file.seconds, file.frames, file.fps) {
            (Some(seconds), ..) => seconds,
            (None, Some(frames), Some(fps)) => f64::from(frames) / fps,
            _ => return Err(bad("seconds", "is missing: give it, or `frames` and `fps`")),
        };
        if !(seconds.is_finite() && seconds > 0.0) {
            return Err(bad("seconds", format!("{seconds} is no length")));
        }
        let columns = file.frame_columns.len();
        if let Some(frames) =
            file.frames.filter(|n| !file.frames_data.is_empty() && file.frames_data.len() != *n as usize)
        {
            let what = format!("{} lists for {frames} frames", file.frames_data.len());
            return Err(bad("frames_data", what));
        }
        for (frame, rows) in file.frames_data.iter().enumerate() {
            if let Some(row) = rows.iter().find(|row| row.len() != columns) {
                let what = format!("a row of {} numbers for {columns} columns", row.len());
                return Err(bad(&format!("frames_data[{frame}]"), what));
            }
        }
        let class = |o: &'a super::file::Object| Some((o.id, o.class.as_deref()?));
        Ok(Self { file, seconds, classes: file.objects.iter().filter_map(class).collect() })
    }

    /// The second of a moment given either way.
    fn second(&self, at_s: Option<f64>, frame: Option<u32>, place: &str) -> Result<Option<f64>> {
        let at = match (at_s, frame, self.file.fps) {
            (Some(at), ..) => at,
            (None, Some(frame), Some(fps)) => f64::from(frame) / fps,
            (None, Some(_), None) => return Err(bad(place, "a frame means nothing without `fps`")),
            (None, None, _) => return Ok(None),
        };
        if !at.is_finite() || at < 0.0 || at > self.seconds + 1e-6 {
            let what = format!("{at} s lies outside the footage of {} s", self.seconds);
            return Err(bad(place, what));
        }
        Ok(Some(at))
    }

    /// Places of the named columns in a row of `frames_data`.
    fn columns<const N: usize>(&self, names: [&str; N]) -> Option<[usize; N]> {
        let found = names.map(|name| self.file.frame_columns.iter().position(|column| column == name));
        found.iter().all(Option::is_some).then(|| found.map(Option::unwrap_or_default))
    }

    /// Values of those columns, by object and frame.
    fn column_values<const N: usize>(&self, names: [&str; N]) -> BTreeMap<i64, BTreeMap<u32, [f64; N]>> {
        let mut all: BTreeMap<i64, BTreeMap<u32, [f64; N]>> = BTreeMap::new();
        let (Some([id]), Some(columns)) = (self.columns(["id"]), self.columns(names)) else { return all };
        for (frame, rows) in (0..).zip(&self.file.frames_data) {
            for row in rows {
                let value = |column: usize| row.get(column).copied().unwrap_or(f64::NAN);
                all.entry(value(id) as i64).or_default().insert(frame, columns.map(value));
            }
        }
        all
    }

    fn boxes(&self) -> Result<BTreeMap<i64, BTreeMap<u32, PixelBox>>> {
        let mut all = BTreeMap::new();
        for (object, frames) in self.column_values(["x0", "y0", "x1", "y1"]) {
            let mut boxes = BTreeMap::new();
            for (frame, corners) in frames {
                let bbox = PixelBox::from_corners(corners);
                if !(bbox.width > 0.0 && bbox.height > 0.0) {
                    let what = format!("object {object} has a box without area: {corners:?}");
                    return Err(bad(&format!("frames_data[{frame}]"), what));
                }
                boxes.insert(frame, bbox);
            }
            all.insert(object, boxes);
        }
        if !all.is_empty() && (self.file.width.is_none() || self.file.height.is_none()) {
            return Err(bad("width", "boxes need the picture's `width` and `height`"));
        }
        Ok(all)
    }

    fn incident(
        &self,
        row: &EventRow,
        places: &BTreeMap<&'static str, BTreeSet<String>>,
        boxes: &BTreeMap<i64, BTreeMap<u32, PixelBox>>,
        place: &str,
    ) -> Result<Incident> {
        let onset_s = self
            .second(row.onset_s, row.onset_frame, &format!("{place}.onset"))?
            .ok_or_else(|| bad(place, "`onset_s` or `onset_frame` is missing"))?;
        let end_s = self.second(row.end_s, row.end_frame, &format!("{place}.end"))?;
        if let Some(end) = end_s.filter(|end| *end < onset_s) {
            return Err(bad(place, format!("it ends at {end} s, before its onset at {onset_s} s")));
        }
        let objects: Vec<i64> = row.object.into_iter().chain(row.other).collect();
        if let Some(object) = objects.iter().find(|o| !self.file.frames_data.is_empty() && !boxes.contains_key(o)) {
            return Err(bad(place, format!("object {object} is in no frame")));
        }
        let named = [("lane", &row.lane), ("zone", &row.zone), ("line", &row.line)];
        let named = named.into_iter().find_map(|(kind, name)| Some((kind, name.clone()?)));
        if let Some((kind, name)) = &named
            && let Some(known) = places.get(kind).filter(|known| !known.is_empty() && !known.contains(name))
        {
            let known = known.iter().cloned().collect::<Vec<_>>().join(", ");
            return Err(bad(place, format!("there is no {kind} {name}; known are {known}")));
        }
        let from_box = |b: [f64; 4]| vec![[b[0], b[1]], [b[2], b[1]], [b[2], b[3]], [b[0], b[3]]];
        let region = row.region.clone().or_else(|| row.r#box.map(from_box));
        if let Some(corners) = &region {
            if corners.len() < 3 || corners.iter().flatten().any(|v| !v.is_finite()) {
                return Err(bad(place, "`region` needs three corners or more, in pixels"));
            }
            if self.file.width.is_none() || self.file.height.is_none() {
                return Err(bad(place, "a region needs the picture's `width` and `height`"));
            }
        }
        let (kind, required, note) = (row.kind.clone(), row.required, row.note.clone());
        Ok(Incident { kind, onset_s, end_s, objects, place: named, region, required, note })
    }

    fn counts(&self, counts: &Counts) -> Result<TrueCounts> {
        let window_s = match (counts.window_s, counts.window_frames, self.file.fps) {
            (Some([from, to]), ..) => (from, to),
            (None, Some([from, to]), Some(fps)) => (f64::from(from) / fps, f64::from(to) / fps),
            (None, Some(_), None) => return Err(bad("counts.window_frames", "means nothing without `fps`")),
            (None, None, _) => (0.0, self.seconds),
        };
        if !(window_s.0 >= 0.0 && window_s.0 < window_s.1 && window_s.1 <= self.seconds + 1e-6) {
            let what = format!("{} to {} s is no part of {} s of footage", window_s.0, window_s.1, self.seconds);
            return Err(bad("counts.window", what));
        }
        let mut movements: BTreeMap<MovementKey, TrueMovement> = BTreeMap::new();
        for (line, directions) in &counts.lines {
            for (direction, by_class) in directions {
                let key = self.movement(line, direction, &format!("counts.lines.{line}"))?;
                if by_class.contains_key(ANY_CLASS) && by_class.len() > 1 {
                    let what = format!("`{ANY_CLASS}` stands for all classes and cannot stand beside others");
                    return Err(bad(&format!("counts.lines.{line}.{direction}"), what));
                }
                movements.insert(key, TrueMovement { by_class: by_class.clone(), crossings: None });
            }
        }
        match &counts.crossings {
            Some(rows) => self.listed(rows, !counts.lines.is_empty(), &mut movements)?,
            None => self.derived(&mut movements),
        }
        // Of none it is known when.
        for movement in movements.values_mut().filter(|movement| movement.total() == 0) {
            movement.crossings.get_or_insert_default();
        }
        Ok(TrueCounts { window_s, movements })
    }

    fn movement(&self, line: &str, direction: &str, place: &str) -> Result<MovementKey> {
        if !self.file.lines.is_empty() && self.file.lines.iter().all(|known| known.id != line) {
            return Err(bad(place, format!("there is no line {line}")));
        }
        if !["forward", "backward"].contains(&direction) {
            return Err(bad(place, format!("no direction {direction}: write forward or backward")));
        }
        Ok((line.to_owned(), direction.to_owned()))
    }

    /// Crossings that the file lists. Where it states numbers as well, both must agree.
    fn listed(
        &self,
        rows: &[CrossingRow],
        stated: bool,
        movements: &mut BTreeMap<MovementKey, TrueMovement>,
    ) -> Result<()> {
        let mut listed: BTreeMap<MovementKey, Vec<(f64, String)>> = BTreeMap::new();
        for (index, row) in rows.iter().enumerate() {
            let place = format!("counts.crossings[{index}]");
            let key = self.movement(&row.line, &row.direction, &place)?;
            let at =
                self.second(row.at_s, row.frame, &place)?.ok_or_else(|| bad(&place, "`frame` or `at_s` is missing"))?;
            let class = row.class.clone().unwrap_or_else(|| ANY_CLASS.to_owned());
            listed.entry(key).or_default().push((at, class));
        }
        if !stated {
            // What is not listed is 0, not unknown, for the lines that are known.
            for line in &self.file.lines {
                for direction in ["forward", "backward"] {
                    listed.entry((line.id.clone(), direction.to_owned())).or_default();
                }
            }
        }
        for (key, mut crossings) in listed {
            crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
            let by_class = tally(crossings.iter().map(|(_, class)| class.as_str()));
            if let Some(known) = movements.get(&key).filter(|known| known.total() as usize != crossings.len()) {
                let what = format!("{} crossings listed, {} stated in counts.lines", crossings.len(), known.total());
                return Err(bad(&format!("counts.crossings, {} {}", key.0, key.1), what));
            }
            let movement = movements.entry(key).or_insert_with(|| TrueMovement { by_class, crossings: None });
            movement.crossings = Some(crossings);
        }
        Ok(())
    }

    /// Crossings from the places on the ground, for the movements whose stated numbers they agree with.
    fn derived(&self, movements: &mut BTreeMap<MovementKey, TrueMovement>) {
        let paths = self.column_values(["gx", "gy"]);
        let (Some(fps), false) = (self.file.fps, paths.is_empty()) else { return };
        for line in &self.file.lines {
            let Some(ground) = line.ground else { continue };
            let mut found = crossings::of_line(&line.id, ground, &paths);
            for direction in ["forward", "backward"] {
                let key = (line.id.clone(), direction.to_owned());
                let of_class = |(frame, object): (u32, i64)| {
                    Some((f64::from(frame) / fps, (*self.classes.get(&object)?).to_owned()))
                };
                let crossings: Vec<_> =
                    found.remove(&key).unwrap_or_default().into_iter().filter_map(of_class).collect();
                if let Some(movement) = movements.get_mut(&key)
                    && movement.by_class == tally(crossings.iter().map(|(_, class)| class.as_str()))
                {
                    movement.crossings = Some(crossings);
                }
            }
        }
    }
}

fn tally<'a>(classes: impl Iterator<Item = &'a str>) -> BTreeMap<String, u32> {
    let mut by_class = BTreeMap::new();
    for class in classes {
        *by_class.entry(class.to_owned()).or_default() += 1;
    }
    by_class
}
