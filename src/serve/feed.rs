//! Feeds a clip into a running media, again and again, on one rising timeline.

use std::path::{Path, PathBuf};

use gstreamer as gst;
use gstreamer_app::{AppSrc, AppSrcCallbacks};

use super::clip::Clip;
use crate::base::{Error, ErrorKind, Result};

/// Bytes that wait in front of the payloader; feeding blocks beyond. More than any keyframe.
const QUEUE_BYTES: u64 = 4 << 20;

/// Starts a thread that feeds `source` from the moment it wants data until its media is gone.
pub(super) fn attach(source: &AppSrc, path: PathBuf, caps: &gst::Caps, loop_forever: bool) {
    source.set_caps(Some(caps));
    source.set_format(gst::Format::Time);
    source.set_block(true);
    source.set_max_bytes(QUEUE_BYTES);
    let mut path = Some(path);
    let callbacks = AppSrcCallbacks::builder().need_data(move |source, _| {
        // Only the first call starts anything: from then on pushing blocks while the queue is full.
        let Some(path) = path.take() else { return };
        let feeder = source.clone();
        let started = std::thread::Builder::new().name("serve-feed".to_owned()).spawn(move || {
            if let Err(error) = feed(&feeder, &path, loop_forever) {
                tracing::error!(%error, "served clip ended");
            }
            // Fails only when the media is gone, and then nobody waits for it.
            let _ = feeder.end_of_stream();
        });
        if let Err(error) = started {
            tracing::error!(%error, "no thread for a served clip");
            let _ = source.end_of_stream();
        }
    });
    source.set_callbacks(callbacks.build());
}

fn feed(source: &AppSrc, path: &Path, loop_forever: bool) -> Result<()> {
    let mut timeline = Timeline::default();
    loop {
        // Opened anew each time: seeking back to the start works in fewer formats, and this takes milliseconds.
        let mut clip = Clip::open(path)?;
        timeline.next_round();
        let mut fed = false;
        while let Some(mut unit) = clip.next()? {
            let (pts, dts) = timeline.place(unit.pts_ns, unit.dts_ns, unit.duration_ns);
            let buffer = unit.buffer.make_mut();
            buffer.set_pts(gst::ClockTime::from_nseconds(pts));
            buffer.set_dts(dts.map(gst::ClockTime::from_nseconds));
            if source.push_buffer(unit.buffer).is_err() {
                return Ok(()); // the last client has left
            }
            fed = true;
        }
        if !loop_forever {
            return Ok(());
        }
        if !fed {
            return Err(Error::new(ErrorKind::Corrupt, format!("{}: no picture in it", path.display())));
        }
    }
}

/// Puts the rounds of a clip one behind the other, in nanoseconds, without gap or overlap.
#[derive(Debug, Default)]
struct Timeline {
    /// Where this round began.
    offset: i64,
    /// The first picture's time in the clip.
    first: Option<i64>,
    /// Where the next round begins: the end of the latest picture.
    end: i64,
    last_pts: i64,
    last_dts: i64,
}

impl Timeline {
    fn next_round(&mut self) {
        self.offset = self.end;
        self.first = None;
    }

    /// PTS and DTS on the endless timeline.
    fn place(&mut self, pts: i64, dts: Option<i64>, duration: Option<i64>) -> (u64, Option<u64>) {
        let first = *self.first.get_or_insert(pts);
        // Pictures shown before the first keyframe (open groups) would fall into the round before.
        let pts = self.offset + (pts - first).max(0);
        // The decoder needs rising decoding times; the first ones of a clip may lie before its start.
        let dts = dts.map(|dts| (self.offset + dts - first).clamp(self.last_dts, pts.max(self.last_dts)));
        let duration = duration.filter(|&ns| ns > 0).unwrap_or((pts - self.last_pts).max(1));
        self.end = self.end.max(pts + duration);
        self.last_pts = pts;
        self.last_dts = dts.unwrap_or(self.last_dts);
        let unsigned = |ns: i64| u64::try_from(ns).unwrap_or(0);
        (unsigned(pts), dts.map(unsigned))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rounds_follow_without_a_gap() {
        let mut timeline = Timeline::default();
        let mut seen = Vec::new();
        for _ in 0..3 {
            timeline.next_round();
            // I P B B, times from 80 as after an edit list, 40 apart.
            for (pts, dts) in [(80, 0), (200, 40), (120, 80), (160, 120)] {
                seen.push(timeline.place(pts, Some(dts), Some(40)));
            }
        }
        let mut shown: Vec<u64> = seen.iter().map(|&(pts, _)| pts).collect();
        shown.sort_unstable();
        assert_eq!(shown, (0..12).map(|n| n * 40).collect::<Vec<_>>());
        assert!(seen.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{seen:?}");
    }

    proptest! {
        #[test]
        fn decoding_times_never_fall(units in proptest::collection::vec((0i64..1_000_000, proptest::option::of(-100_000i64..1_000_000)), 1..50)) {
            let mut timeline = Timeline::default();
            let mut last = 0;
            for _ in 0..3 {
                let begins = timeline.end;
                timeline.next_round();
                for &(pts, dts) in &units {
                    let (pts, dts) = timeline.place(pts, dts, None);
                    prop_assert!(pts >= begins as u64);
                    if let Some(dts) = dts {
                        prop_assert!(dts >= last);
                        last = dts;
                    }
                }
                prop_assert!(timeline.end > begins);
            }
        }
    }
}
