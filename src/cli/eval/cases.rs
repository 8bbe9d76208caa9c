//! Which truth belongs to which camera, and how events are matched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::{Error, ErrorKind, Result};
use crate::eval::Truth;
use crate::eval::counts::CountOptions;
use crate::eval::events::{Case, EventOptions};
use crate::eval::told::Told;
use crate::eval::truth;
use crate::scene::{Event, Severity};

/// Events may be told this long after the footage's end: the last frame's, and rounding.
const AFTER_END_S: f64 = 1.0;

/// How events are matched.
#[derive(Debug, Args)]
pub struct MatchArguments {
    /// How long before the onset or after the end an alarm still fits.
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS")]
    tolerance: f64,
    /// Events of this severity and above are alarms: info, warning or alert.
    #[arg(long, default_value = "warning", value_name = "SEVERITY", value_parser = severity)]
    min_severity: Severity,
    /// Scores only this kind; several times for several.
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// What a rule, or a kind of event, stands for in the ground truth.
    #[arg(long, value_name = "RULE=KIND", value_parser = mapping)]
    map: Vec<(String, String)>,
    /// IoU from which an alarm's box is on the true object, 0 to 1.
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    overlap: f64,
}

/// How counts are scored.
#[derive(Debug, Args)]
pub struct IntervalArguments {
    /// Length of a counting interval.
    #[arg(long, default_value_t = 60.0, value_name = "SECONDS")]
    interval: f64,
    /// Segments of the AI City score.
    #[arg(long, default_value_t = 10, value_name = "N")]
    segments: u32,
}

fn severity(text: &str) -> Result<Severity, String> {
    serde_json::from_value(text.into()).map_err(|_| "known are info, warning and alert".to_owned())
}

fn mapping(text: &str) -> Result<(String, String), String> {
    let (rule, kind) = text.split_once('=').ok_or("write RULE=KIND")?;
    Ok((rule.to_owned(), kind.to_owned()))
}

impl MatchArguments {
    /// The options they mean.
    ///
    /// # Errors
    /// `Usage` for a number out of its range.
    pub fn options(&self) -> Result<EventOptions> {
        if !(self.tolerance.is_finite() && self.tolerance >= 0.0) {
            return Err(Error::new(ErrorKind::Usage, format!("--tolerance {}: no time", self.tolerance)));
        }
        if !(0.0..=1.0).contains(&self.overlap) {
            return Err(Error::new(ErrorKind::Usage, format!("--overlap {} lies outside 0 to 1", self.overlap)));
        }
        Ok(EventOptions {
            tolerance_s: self.tolerance,
            min_severity: self.min_severity,
            kinds: self.kind.iter().cloned().collect(),
            map: self.map.iter().cloned().collect(),
            overlap: self.overlap,
        })
    }

    /// Refuses a `--map` of a rule that no camera has.
    ///
    /// # Errors
    /// `Usage` with the rules there are.
    pub fn check_rules(&self, rules: &BTreeSet<&str>) -> Result<()> {
        match self.map.iter().find(|(rule, _)| !rules.contains(rule.as_str())) {
            Some((rule, kind)) => {
                let known = rules.iter().copied().collect::<Vec<_>>().join(", ");
                Err(Error::new(ErrorKind::Usage, format!("--map {rule}={kind}: there is no rule or kind {rule}"))
                    .help(format!("the pipeline has {known}")))
            }
            None => Ok(()),
        }
    }
}

impl IntervalArguments {
    /// The options they mean.
    ///
    /// # Errors
    /// `Usage` for a number out of its range.
    pub fn options(&self) -> Result<CountOptions> {
        if !(self.interval.is_finite() && self.interval >= 1.0) {
            return Err(Error::new(ErrorKind::Usage, format!("--interval {}: at least 1 s", self.interval)));
        }
        if !(1..=10_000).contains(&self.segments) {
            return Err(Error::new(ErrorKind::Usage, format!("--segments {}: 1 to 10000", self.segments)));
        }
        Ok(CountOptions { interval_s: self.interval, segments: self.segments })
    }
}

/// A camera with its truth and what was told of it.
#[derive(Debug)]
pub struct Scored {
    /// The camera.
    pub camera: String,
    /// What happened.
    pub truth: Truth,
    /// What was told.
    pub told: Told,
}

impl Scored {
    /// As the scoring takes it.
    pub fn case(&self) -> Case<'_> {
        Case { camera: &self.camera, truth: &self.truth, alarms: &self.told.alarms }
    }
}

/// `CAMERA=FILE`, or a file alone. A path may hold `=` as well: a camera's id has no `/` or `.`.
pub fn camera_and_file(text: &str) -> Result<(Option<String>, PathBuf), String> {
    let id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    Ok(match text.split_once('=') {
        Some((camera, file)) if !camera.is_empty() && camera.chars().all(id) => {
            (Some(camera.to_owned()), PathBuf::from(file))
        }
        _ => (None, PathBuf::from(text)),
    })
}

/// Reads a camera's truth.
///
/// # Errors
/// What the reader finds; `Usage` when the truth is of another camera.
pub fn read_truth(camera: &str, path: &Path) -> Result<Truth> {
    let truth = truth::read(path)?;
    match &truth.camera_id {
        Some(other) if other != camera => Err(Error::new(
            ErrorKind::Usage,
            format!("{} is the truth of camera {other}, not of {camera}", path.display()),
        )
        .help(format!("write {other}={}, or give the truth of {camera}", path.display()))),
        _ => Ok(truth),
    }
}

/// Puts truths and events together.
///
/// # Errors
/// `Usage` when it is not clear which camera a truth is of, when two are of one, or when a camera told nothing;
/// `Corrupt` when events lie after the truth's footage.
pub fn assign(
    truths: &[(Option<String>, PathBuf)],
    events: &[Event],
    may_be_silent: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<Scored>> {
    let mut of_camera: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events {
        of_camera.entry(event.camera.as_str()).or_default().push(event);
    }
    let cameras: Vec<&str> = of_camera.keys().copied().collect();
    let mut scored: Vec<Scored> = Vec::new();
    for (camera, path) in truths {
        let truth = truth::read(path)?;
        let name = camera.clone().or_else(|| truth.camera_id.clone());
        let name = match (name, &cameras[..]) {
            (Some(name), _) => name,
            (None, [only]) if truths.len() == 1 => (*only).to_owned(),
            (None, []) => "camera".to_owned(),
            (None, _) => {
                let what = format!("{} does not say which camera it is of", path.display());
                return Err(Error::new(ErrorKind::Usage, what).help(format!(
                    "write CAMERA={}; the events are of {}",
                    path.display(),
                    cameras.join(", ")
                )));
            }
        };
        let truth = read_truth(&name, path)?;
        if scored.iter().any(|other| other.camera == name) {
            return Err(Error::new(ErrorKind::Usage, format!("two truths of camera {name}")).help("give one for each"));
        }
        let events = of_camera.remove(name.as_str()).unwrap_or_default();
        if events.is_empty() && !may_be_silent {
            return Err(Error::new(ErrorKind::Usage, format!("there is no event of camera {name}"))
                .help(format!("the events are of {}; --allow-empty if it told nothing", cameras.join(", "))));
        }
        scored.push(told(name, truth, &events)?);
    }
    if !of_camera.is_empty() {
        let others = of_camera.keys().copied().collect::<Vec<_>>().join(", ");
        notes.push(format!("Not scored, for want of a ground truth: {others}."));
    }
    Ok(scored)
}

/// A camera with its events.
///
/// # Errors
/// `Corrupt` when events lie after the footage that the truth is about.
pub fn told(camera: String, truth: Truth, events: &[&Event]) -> Result<Scored> {
    let told = match truth.starts_at {
        // Out of a longer stretch of time the truth's part is scored.
        Some(start) => {
            let within = |event: &&&Event| {
                let at_s = event.time.utc.0.saturating_sub(start.0) as f64 * 1e-9;
                (0.0..=truth.seconds + AFTER_END_S).contains(&at_s)
            };
            Told::of(events.iter().filter(within).copied(), Some(start))
        }
        None => Told::of(events.iter().copied(), None),
    };
    if told.last_s > truth.seconds + AFTER_END_S {
        let what = format!(
            "camera {camera}: events go on to {:.1} s, but the footage of {} is {:.1} s long",
            told.last_s,
            truth.path.display(),
            truth.seconds
        );
        return Err(Error::new(ErrorKind::Corrupt, what)
            .help("give the truth of this footage; for a live camera the truth needs `starts_at`"));
    }
    Ok(Scored { camera, truth, told })
}
