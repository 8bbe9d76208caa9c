//! Reads MOTChallenge files: ground truth and trackers' results.
//!
//! `frame, id, left, top, width, height, …`, frames and pixels from 1 and 0. In ground truth column 7 says
//! whether the row is required (1) or to be ignored (0) and column 8 the class; in results they are the score
//! and whatever the tracker wrote. Separated by commas or blanks. Rows may be sorted by frame or by object.
//!
//! Invariant of what is read: numbers are finite, boxes have an area, frames begin at 1 and rise strictly
//! within an identity, so no identity has two boxes in a frame.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::boxes::PixelBox;
use crate::base::{Error, ErrorKind, Result};

/// One row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Which object, or which track.
    pub id: i64,
    /// Where.
    pub bbox: PixelBox,
    /// Column 7 of ground truth: false marks what is neither to be found nor a false alarm when found.
    pub required: bool,
    /// Column 8, where there is one that is not -1.
    pub class: Option<i64>,
}

/// Rows by frame, from 1.
pub type Rows = BTreeMap<u32, Vec<Row>>;

/// Which of the two a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Truth,
    Tracks,
}

/// Reads ground truth.
///
/// # Errors
/// I/O kinds; `Corrupt` with the line for a row that breaks the module's invariant.
pub fn read_truth(path: &Path) -> Result<Rows> {
    read(path, Role::Truth)
}

/// Reads a tracker's result.
///
/// # Errors
/// As [`read_truth`]; also when the identities are -1, as in a file of detections.
pub fn read_tracks(path: &Path) -> Result<Rows> {
    read(path, Role::Tracks)
}

fn read(path: &Path, role: Role) -> Result<Rows> {
    let text = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    parse(&text, role).map_err(|error| error.context(path.display()))
}

fn parse(text: &str, role: Role) -> Result<Rows> {
    let mut rows = Rows::new();
    // Per identity: its latest frame, and on which line that was.
    let mut latest: BTreeMap<i64, (u32, usize)> = BTreeMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = index + 1;
        let (frame, row) = parse_row(line, role).map_err(|why| bad(number, &why.0, why.1))?;
        if let Some((before, at)) = latest.insert(row.id, (frame, number)) {
            if frame == before {
                let what = format!("identity {} has a second box in frame {frame}; the first is on line {at}", row.id);
                return Err(bad(number, &what, "an identity has one box a frame: remove one of the rows"));
            }
            if frame < before {
                let what = format!(
                    "identity {} goes back from frame {before} (line {at}) to frame {frame}: not sorted",
                    row.id
                );
                return Err(bad(number, &what, "sort the rows by frame, and do not join two results in one file"));
            }
        }
        rows.entry(frame).or_default().push(row);
    }
    Ok(rows)
}

/// What is wrong, and what to do.
type Mistake = (String, &'static str);

fn parse_row(line: &str, role: Role) -> Result<(u32, Row), Mistake> {
    let cells: Vec<&str> =
        if line.contains(',') { line.split(',').map(str::trim).collect() } else { line.split_whitespace().collect() };
    let number = |index: usize, name: &str| -> Result<f64, Mistake> {
        let cell = cells.get(index).copied().ok_or_else(|| {
            (
                format!("no column {} ({name})", index + 1),
                "rows are frame,id,left,top,width,height,…: see docs/evaluation.md",
            )
        })?;
        match cell.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            Ok(value) => Err((format!("{name} is {value}"), "write a number, or leave the row out")),
            Err(_) => Err((format!("{name} is {cell:?}, not a number"), "a file without a heading, numbers only")),
        }
    };
    let whole = |index: usize, name: &str| -> Result<i64, Mistake> {
        let value = number(index, name)?;
        if value.fract() != 0.0 || value.abs() > 9e15 {
            return Err((format!("{name} is {value}, not a whole number"), "check the order of the columns"));
        }
        Ok(value as i64)
    };
    let frame = whole(0, "frame")?;
    let frame = u32::try_from(frame)
        .ok()
        .filter(|frame| *frame > 0)
        .ok_or_else(|| (format!("frame {frame}"), "frames count from 1: add 1 to frames that count from 0"))?;
    let id = whole(1, "id")?;
    if id < 0 {
        let help = match role {
            Role::Tracks => "this is a file of detections, or of an untracked object: give a tracker's result",
            Role::Truth => "give every object of the ground truth an id of 0 or more",
        };
        return Err((format!("id {id} is no identity"), help));
    }
    let bbox = PixelBox {
        left: number(2, "left")?,
        top: number(3, "top")?,
        width: number(4, "width")?,
        height: number(5, "height")?,
    };
    if bbox.width <= 0.0 || bbox.height <= 0.0 {
        let what = format!("the box of {} x {} pixels has no area", bbox.width, bbox.height);
        return Err((what, "columns 5 and 6 are width and height, not the lower right corner"));
    }
    let required = match role {
        Role::Truth if cells.len() > 6 => number(6, "required")? != 0.0,
        _ => true,
    };
    let class = match role {
        Role::Truth if cells.len() > 7 => Some(whole(7, "class").or_else(|_| number(7, "class").map(|_| -1))?),
        _ => None,
    };
    Ok((frame, Row { id, bbox, required, class: class.filter(|class| *class >= 0) }))
}

fn bad(line: usize, what: &str, help: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("line {line}: {what}")).help(help)
}

/// What `seqinfo.ini` says of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceInfo {
    /// The file.
    pub path: PathBuf,
    /// `name`.
    pub name: Option<String>,
    /// `seqLength`.
    pub frames: Option<u32>,
}

impl SequenceInfo {
    /// Reads the `seqinfo.ini` that belongs to a ground truth: beside it, or one folder up as in
    /// `SEQUENCE/gt/gt.txt`. `None` when there is none.
    #[must_use]
    pub fn beside(truth: &Path) -> Option<Self> {
        let folder = truth.parent()?;
        let candidates = [Some(folder), folder.parent()];
        let (path, text) = candidates.into_iter().flatten().find_map(|folder| {
            let path = folder.join("seqinfo.ini");
            fs::read_to_string(&path).ok().map(|text| (path, text))
        })?;
        let value = |key: &str| {
            let of = |line: &str| {
                let (name, value) = line.split_once('=')?;
                (name.trim() == key).then(|| value.trim().to_owned())
            };
            text.lines().find_map(of)
        };
        Some(Self { path, name: value("name"), frames: value("seqLength").and_then(|v| v.parse().ok()) })
    }

    /// Whether all rows lie within the sequence.
    ///
    /// # Errors
    /// `Corrupt` for a row after the last frame.
    pub fn check(&self, rows: &Rows, file: &Path) -> Result<()> {
        match (self.frames, rows.keys().next_back()) {
            (Some(frames), Some(last)) if *last > frames => Err(Error::new(
                ErrorKind::Corrupt,
                format!("{}: frame {last} lies after the {frames} frames of the sequence", file.display()),
            )
            .help(format!("the length is from {}: is this the result of another clip?", self.path.display()))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, role: Role) -> String {
        format!("{:?}", parse(text, role).unwrap_err())
    }

    #[test]
    fn reads_both_orders_blanks_and_fewer_columns() {
        let by_frame = "1,1,0,0,10,10,1,3,1.0\n1,2,5,5,10,10,0,-1,1\n2,1,0,0,10,10,1,3,1\n\n";
        let by_object = "1,1,0,0,10,10,1,3,1.0\n2,1,0,0,10,10,1,3,1\n1,2,5,5,10,10,0,-1,1\n";
        let rows = parse(by_frame, Role::Truth).unwrap();
        assert_eq!(rows, parse(by_object, Role::Truth).unwrap());
        assert_eq!(rows[&1].len(), 2);
        assert_eq!((rows[&1][0].class, rows[&1][0].required), (Some(3), true));
        assert_eq!((rows[&1][1].class, rows[&1][1].required), (None, false));
        let short = parse("1 7 0.5 0 10 10", Role::Tracks).unwrap();
        assert_eq!((short[&1][0].id, short[&1][0].bbox.left), (7, 0.5));
        // Coordinates of the world stand where others have a class (MOTChallenge 2015).
        assert_eq!(parse("1,1,0,0,9,9,1,4.4852,5.5016,0", Role::Truth).unwrap()[&1][0].class, None);
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        for (text, role, line, word) in [
            ("1,1,0,0,10,10\n2,1,nan,0,10,10", Role::Tracks, 2, "left is NaN"),
            ("1,1,0,0,inf,10", Role::Tracks, 1, "width is inf"),
            ("frame,id,x,y,w,h", Role::Truth, 1, "frame is \"frame\""),
            ("0,1,0,0,10,10", Role::Tracks, 1, "count from 1"),
            ("1.5,1,0,0,10,10", Role::Tracks, 1, "whole number"),
            ("1,-1,0,0,10,10,0.9", Role::Tracks, 1, "file of detections"),
            ("1,1,0,0,0,10", Role::Truth, 1, "no area"),
            ("1,1,0,0", Role::Truth, 1, "no column 5 (width)"),
            ("1,1,0,0,9,9\n1,1,1,1,9,9", Role::Tracks, 2, "the first is on line 1"),
            ("3,1,0,0,9,9\n4,2,1,1,9,9\n2,1,0,0,9,9", Role::Tracks, 3, "goes back from frame 3 (line 1)"),
        ] {
            let said = refused(text, role);
            assert!(said.contains(&format!("line {line}: ")) && said.contains(word), "{text:?}: {said}");
        }
    }
}
