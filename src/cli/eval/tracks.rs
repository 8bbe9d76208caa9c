//! `vantage eval tracks`: MOTChallenge files against each other.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::output::OutputArguments;
use crate::base::{Error, ErrorKind, Result};
use crate::eval::Report;
use crate::eval::tracks::mot::{Rows, SequenceInfo, read_tracks, read_truth};
use crate::eval::tracks::{Protocol, Sequence, TrackCounts, TrackReport, USUAL_IOU};

/// Arguments of `vantage eval tracks`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Ground truth as MOT rows; several times for several sequences.
    #[arg(long, required = true, value_name = "FILE")]
    truth: Vec<PathBuf>,
    /// The tracker's MOT rows (`vantage bench --mot`), in the order of the truths.
    #[arg(long, required = true, value_name = "FILE")]
    tracks: Vec<PathBuf>,
    /// IoU of a match, for all but HOTA, 0 to 1.
    #[arg(long, default_value_t = USUAL_IOU, value_name = "SHARE")]
    iou: f64,
    /// What is done with rows that are not required.
    #[arg(long, value_enum, default_value_t = ProtocolName::Ignore)]
    protocol: ProtocolName,
    /// Scores only this class of the ground truth, rows of others are ignored; several times for several.
    #[arg(long, value_name = "NUMBER")]
    class: Vec<i64>,
    /// An empty file is no mistake: there is nothing to find, or nothing was found.
    #[arg(long)]
    allow_empty: bool,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProtocolName {
    /// Boxes that fall to rows with a 0 in column 7 are dropped.
    Ignore,
    /// Rows with a 0 are dropped, and nothing else.
    Mot15,
    /// Pedestrians only, boxes on distractor classes are dropped; also for MOT17.
    Mot16,
    /// As mot16, vehicles are distractors as well.
    Mot20,
}

impl From<ProtocolName> for Protocol {
    fn from(name: ProtocolName) -> Self {
        match name {
            ProtocolName::Ignore => Self::Ignore,
            ProtocolName::Mot15 => Self::Mot15,
            ProtocolName::Mot16 => Self::Mot16,
            ProtocolName::Mot20 => Self::Mot20,
        }
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    check(arguments)?;
    let mut counts = Vec::new();
    let mut report = Report::new(arguments.output.title("Tracks against ground truth"));
    for (truth_path, tracks_path) in arguments.truth.iter().zip(&arguments.tracks) {
        let info = SequenceInfo::beside(truth_path);
        let truth = read(truth_path, read_truth, info.as_ref(), arguments.allow_empty)?;
        let tracks = read(tracks_path, read_tracks, info.as_ref(), arguments.allow_empty)?;
        let sequence = Sequence::new(&truth, &tracks, arguments.protocol.into(), &arguments.class, |_| true);
        if sequence.object_boxes.is_empty() && !truth.is_empty() {
            report.notes.push(format!("{}: no row of it is to be scored", truth_path.display()));
        }
        counts.push((name(truth_path, info.as_ref()), TrackCounts::of(&sequence, arguments.iou)));
        report.inputs.push(("ground truth".to_owned(), truth_path.display().to_string()));
        report.inputs.push(("tracks".to_owned(), tracks_path.display().to_string()));
    }
    report.tracks = Some(TrackReport::new(&counts));
    arguments.output.write(report, |_| Ok(Vec::new()))
}

fn check(arguments: &Arguments) -> Result<()> {
    let (truths, tracks) = (arguments.truth.len(), arguments.tracks.len());
    if truths != tracks {
        return Err(Error::new(ErrorKind::Usage, format!("{truths} files of --truth and {tracks} of --tracks"))
            .help("give one --tracks for each --truth, in the same order"));
    }
    if !(arguments.iou > 0.0 && arguments.iou <= 1.0) {
        return Err(Error::new(ErrorKind::Usage, format!("--iou {} lies outside 0 to 1", arguments.iou)));
    }
    let pedestrians_only = matches!(arguments.protocol, ProtocolName::Mot16 | ProtocolName::Mot20);
    if pedestrians_only && !arguments.class.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "--class does not go with this --protocol, which scores pedestrians")
            .help("leave one of them out"));
    }
    Ok(())
}

fn read(
    path: &Path,
    reader: fn(&Path) -> Result<Rows>,
    info: Option<&SequenceInfo>,
    may_be_empty: bool,
) -> Result<Rows> {
    let rows = reader(path)?;
    if rows.is_empty() && !may_be_empty {
        return Err(Error::new(ErrorKind::Corrupt, format!("{}: no row in it", path.display()))
            .help("if that is meant, say so with --allow-empty"));
    }
    if let Some(info) = info {
        info.check(&rows, path)?;
    }
    Ok(rows)
}

/// The sequence's name, else that of its folder.
fn name(truth: &Path, info: Option<&SequenceInfo>) -> String {
    let folder = || {
        let absolute = std::path::absolute(truth).ok()?;
        let parent = absolute.parent()?;
        let folder = if parent.file_name().is_some_and(|name| name == "gt") { parent.parent()? } else { parent };
        Some(folder.file_name()?.to_string_lossy().into_owned())
    };
    info.and_then(|info| info.name.clone()).or_else(folder).unwrap_or_else(|| truth.display().to_string())
}
