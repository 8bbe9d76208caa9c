//! What traffic signals show, from a file that a signal controller (or whoever asks it) writes: recorded, read whole; or
//! live, followed as it grows.
//!
//! One line a report, `time,signal,state` or `{"time": …, "signal": …, "state": …}`; times are RFC 3339. A controller may
//! report changes only, or repeat what is shown, so that silence tells that the feed is broken. Reports may come out of
//! order. What is remembered of a live feed is bounded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::base::{Error, ErrorKind, Result, Timestamp};
use crate::scene::{Aspect, SignalState};

/// A recorded feed larger than this is something else.
const MAX_RECORDED: u64 = 64 << 20;
/// What is read of a live feed at its beginning, and at most at once.
const MAX_READ: u64 = 1 << 20;
/// Reports kept of one signal of a live feed, and signals.
const MAX_REPORTS: usize = 1024;
const MAX_SIGNALS: usize = 256;
/// The same aspect after a longer silence is not known to have been shown all the time.
const MAX_SILENCE: Duration = Duration::from_secs(600);

/// See the module.
#[derive(Debug)]
pub struct SignalFeed {
    signals: BTreeMap<Arc<str>, Vec<Report>>,
    follow: Option<Follow>,
    is_live: bool,
    states: Vec<SignalState>,
}

#[derive(Debug, Clone, Copy)]
struct Report {
    at: Timestamp,
    aspect: Aspect,
    /// When it began to show that.
    since: Timestamp,
}

impl SignalFeed {
    /// A recorded feed, read whole.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it is none of a feed.
    pub fn recorded(path: &Path) -> Result<Self> {
        let help = "give the file that `signals:` names, with lines `time,signal,state`";
        let size = std::fs::metadata(path).map_err(|e| Error::io(path, e).help(help))?.len();
        if size > MAX_RECORDED {
            let message = format!("{}: {} MiB are too much for a feed of signals", path.display(), size >> 20);
            return Err(Error::new(ErrorKind::Unsupported, message).help("cut it to the time of the recording"));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e).help(help))?;
        let mut feed = Self { signals: BTreeMap::new(), follow: None, is_live: false, states: Vec::new() };
        for (n, line) in text.lines().enumerate() {
            let told = parse(line, n == 0).map_err(|why| {
                let message = format!("{}, line {}: {why}", path.display(), n + 1);
                Error::new(ErrorKind::Corrupt, message).help("a line is `2026-01-05T08:00:00Z,main,red`")
            })?;
            if let Some((at, signal, aspect)) = told {
                feed.insert(at, &signal, aspect);
            }
        }
        Ok(feed)
    }

    /// A feed that grows. The file may come later, be cut, or be replaced by a new one.
    #[must_use]
    pub fn live(path: PathBuf) -> Self {
        let follow = Follow { path, open: None, rest: Vec::new(), bad_lines: 0 };
        Self { signals: BTreeMap::new(), follow: Some(follow), is_live: true, states: Vec::new() }
    }

    /// What each signal showed at `at`, in order of name; signals not heard of until then are left out.
    pub fn at(&mut self, at: Timestamp) -> &[SignalState] {
        if let Some(mut follow) = self.follow.take() {
            for (time, signal, aspect) in follow.read() {
                self.insert(time, &signal, aspect);
            }
            self.follow = Some(follow);
        }
        self.states.clear();
        let known = self.signals.iter().filter_map(|(name, reports)| {
            let heard = reports.partition_point(|report| report.at <= at);
            let last = reports.get(heard.checked_sub(1)?)?;
            Some(SignalState {
                name: Arc::clone(name),
                aspect: last.aspect,
                shown_for: at - last.since,
                heard_ago: at - last.at,
            })
        });
        self.states.extend(known);
        &self.states
    }

    fn insert(&mut self, at: Timestamp, signal: &str, aspect: Aspect) {
        if self.is_live && self.signals.len() >= MAX_SIGNALS && !self.signals.contains_key(signal) {
            return;
        }
        let reports = self.signals.entry(Arc::from(signal)).or_default();
        let place = reports.partition_point(|report| report.at <= at);
        reports.insert(place, Report { at, aspect, since: at });
        // A late report may change since when the later ones were shown.
        let mut before = place.checked_sub(1).and_then(|n| reports.get(n)).copied();
        for report in reports.iter_mut().skip(place) {
            let goes_on = before.filter(|b| b.aspect == report.aspect && report.at - b.at <= MAX_SILENCE);
            report.since = goes_on.map_or(report.at, |b| b.since);
            before = Some(*report);
        }
        // Live feeds only: a recording is asked about its beginning, too.
        if self.is_live && reports.len() > 2 * MAX_REPORTS {
            reports.drain(..MAX_REPORTS);
        }
    }
}

/// The end of a growing file.
#[derive(Debug)]
struct Follow {
    path: PathBuf,
    open: Option<Open>,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
    bad_lines: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    inode: (u64, u64),
    offset: u64,
    /// Whether what comes is the file's first line.
    at_start: bool,
}

impl Follow {
    /// The reports written since the last call. A file that is not there says nothing.
    fn read(&mut self) -> Vec<(Timestamp, String, Aspect)> {
        let Ok(now) = std::fs::metadata(&self.path) else { return Vec::new() };
        let is_same = |open: &Open| open.inode == (now.dev(), now.ino()) && open.offset <= now.len();
        if !self.open.as_ref().is_some_and(is_same) {
            self.rest.clear();
            // A pipe or a device would make the camera wait for it.
            self.open = File::open(&self.path).ok().filter(|_| now.is_file()).map(|file| Open {
                file,
                inode: (now.dev(), now.ino()),
                offset: now.len().saturating_sub(MAX_READ),
                at_start: true,
            });
        }
        let Some(open) = self.open.as_mut().filter(|open| open.offset < now.len()) else { return Vec::new() };
        let is_cut = open.at_start && open.offset > 0;
        let mut bytes = Vec::new();
        let sought = open.file.seek(SeekFrom::Start(open.offset));
        let Ok(count) = sought.and_then(|_| (&open.file).take(MAX_READ).read_to_end(&mut bytes)) else {
            return Vec::new();
        };
        open.offset += count as u64;
        let mut is_first = std::mem::take(&mut open.at_start);
        self.rest.append(&mut bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, rest);
        let text = String::from_utf8_lossy(&lines);
        // Whoever comes late reads the end of the file, and the first line of that is half a line.
        let lines = text.lines().skip(usize::from(is_cut));
        let mut told = Vec::new();
        for line in lines {
            match parse(line, std::mem::take(&mut is_first)) {
                Ok(report) => told.extend(report),
                Err(why) => {
                    self.bad_lines += 1;
                    if self.bad_lines.is_power_of_two() {
                        let (path, bad) = (self.path.display(), self.bad_lines);
                        tracing::warn!(%path, bad, why, "a line of the signal feed cannot be read");
                    }
                }
            }
        }
        told
    }
}

/// A report; none of an empty line, a comment or a heading.
fn parse(line: &str, is_first: bool) -> std::result::Result<Option<(Timestamp, String, Aspect)>, String> {
    #[derive(Deserialize)]
    struct Row {
        time: String,
        signal: String,
        state: String,
    }
    let line = line.trim().trim_start_matches('\u{feff}');
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let Row { time, signal, state } = if line.starts_with('{') {
        serde_json::from_str(line).map_err(|e| e.to_string())?
    } else {
        let fields: Vec<&str> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
        let [time, signal, state] = fields.as_slice() else {
            return Err(format!("{} fields instead of time, signal and state", fields.len()));
        };
        if is_first && time.eq_ignore_ascii_case("time") {
            return Ok(None);
        }
        Row { time: (*time).to_owned(), signal: (*signal).to_owned(), state: (*state).to_owned() }
    };
    let at: Timestamp = time.parse().map_err(|_| format!("`{time}` is no time such as 2026-01-05T08:00:00Z"))?;
    let aspect = match state.to_ascii_lowercase().as_str() {
        "red" | "red_amber" | "red_yellow" => Aspect::Red,
        "amber" | "yellow" => Aspect::Amber,
        "green" => Aspect::Green,
        "unknown" | "dark" | "off" | "flashing" | "fault" => Aspect::Unknown,
        _ => return Err(format!("`{state}` is none of red, amber, green, unknown")),
    };
    Ok(Some((at, signal, aspect)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    fn row(seconds: i64, signal: &str, state: &str) -> String {
        format!("{},{signal},{state}\n", at(seconds))
    }

    /// `red 5/5`: the aspect, seconds shown and seconds since it was heard of.
    fn told(feed: &mut SignalFeed, seconds: i64) -> Vec<String> {
        let states = feed.at(at(seconds)).iter();
        let text =
            |s: &SignalState| format!("{} {:?} {}/{}", s.name, s.aspect, s.shown_for.as_secs(), s.heard_ago.as_secs());
        states.map(text).collect()
    }

    #[test]
    fn a_recorded_feed_tells_any_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signals.csv");
        let json = format!("{{\"time\": \"{}\", \"signal\": \"side\", \"state\": \"yellow\"}}\n", at(12));
        let text = ["time,signal,state\n", "# by hand\n\n", &row(10, "main", "red"), &row(20, "main", "RED"), &json];
        std::fs::write(&path, text.concat() + &row(30, "main", "green") + &row(25, "main", "unknown")).unwrap();
        let mut feed = SignalFeed::recorded(&path).unwrap();
        for (seconds, expected) in [
            (9, vec![]),
            (10, vec!["main Red 0/0"]),
            (19, vec!["main Red 9/9", "side Amber 7/7"]),
            (24, vec!["main Red 14/4", "side Amber 12/12"]),
            (26, vec!["main Unknown 1/1", "side Amber 14/14"]),
            (1000, vec!["main Green 970/970", "side Amber 988/988"]),
            (10, vec!["main Red 0/0"]),
        ] {
            assert_eq!(told(&mut feed, seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn the_same_after_a_long_silence_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signals.csv");
        std::fs::write(&path, row(0, "main", "red") + &row(3600, "main", "red")).unwrap();
        assert_eq!(told(&mut SignalFeed::recorded(&path).unwrap(), 3605), ["main Red 5/5"]);
    }

    #[test]
    fn a_bad_recording_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signals.csv");
        for (line, why) in [
            ("soon,main,red", "`soon` is no time"),
            ("2026-01-05T08:00:00Z,main,blue", "`blue` is none of red"),
            ("2026-01-05T08:00:00Z,main", "2 fields"),
            ("{\"time\": 5}", "line 2"),
        ] {
            std::fs::write(&path, row(1, "main", "red") + line).unwrap();
            let error = SignalFeed::recorded(&path).unwrap_err().to_string();
            assert!(error.contains("line 2") && error.contains(why), "{error}");
        }
        assert!(SignalFeed::recorded(&folder.path().join("none.csv")).is_err());
    }

    #[test]
    fn a_live_feed_is_followed_through_cuts_and_replacements() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signals.csv");
        let mut feed = SignalFeed::live(path.clone());
        assert!(told(&mut feed, 5).is_empty(), "no file yet");
        let mut file = File::create(&path).unwrap();
        file.write_all(("time,signal,state\n".to_owned() + &row(1, "main", "red")).as_bytes()).unwrap();
        assert_eq!(told(&mut feed, 5), ["main Red 4/4"]);
        let green = row(6, "main", "green");
        let (half, rest) = green.split_at(9);
        file.write_all(half.as_bytes()).unwrap();
        assert_eq!(told(&mut feed, 7), ["main Red 6/6"], "half a line");
        file.write_all(rest.as_bytes()).unwrap();
        file.write_all(b"rubbish\n").unwrap();
        assert_eq!(told(&mut feed, 7), ["main Green 1/1"]);
        let other = folder.path().join("new.csv");
        std::fs::write(&other, row(8, "main", "amber")).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(told(&mut feed, 9), ["main Amber 1/1"], "replaced");
        std::fs::write(&path, "").unwrap();
        assert_eq!(told(&mut feed, 9), ["main Amber 1/1"], "cut");
        std::fs::write(&path, row(10, "main", "red")).unwrap();
        assert_eq!(told(&mut feed, 11), ["main Red 1/1"]);
    }

    #[test]
    fn a_late_follower_reads_the_end_and_memory_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signals.csv");
        let text: String = (0..60_000).map(|n| row(n, "main", if n % 40 < 20 { "red" } else { "green" })).collect();
        assert!(text.len() as u64 > MAX_READ);
        std::fs::write(&path, text).unwrap();
        let mut feed = SignalFeed::live(path);
        assert_eq!(told(&mut feed, 60_000), ["main Green 20/1"]);
        assert!(feed.signals.values().all(|reports| reports.len() <= 2 * MAX_REPORTS));
        assert_eq!(feed.follow.as_ref().map(|follow| follow.bad_lines), Some(0));
    }
}
