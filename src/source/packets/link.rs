//! How the times of kept packets relate to those of analysed frames.

use crate::base::{CaptureTime, MediaTime, RunId, TimeSource, Timestamp};
use crate::frame::Frame;

/// When a frame was, on every clock that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTime {
    /// The unbroken connection it belongs to.
    pub run: RunId,
    /// On the camera's timeline.
    pub at: MediaTime,
    /// When it was taken.
    pub capture: CaptureTime,
    /// When it was taken as far as its arrival tells.
    pub by_arrival: Timestamp,
}

impl FrameTime {
    /// When a decoded frame was.
    #[must_use]
    pub fn of(frame: &Frame) -> Self {
        let Frame { run, at, capture, by_arrival, .. } = frame;
        Self { run: *run, at: *at, capture: *capture, by_arrival: *by_arrival }
    }
}

/// Whose packets are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Those of the analysed stream itself: the clock is the camera's timeline.
    Same,
    /// Those of another stream of the same camera. Both streams' sender reports tell the camera's own clock (RFC
    /// 3550 §6.4.1); without them arrival times are compared, which is as exact as the network is even.
    Live,
    /// Those of another recording that begins at the same moment.
    Recorded,
}

/// A stream's clocks, as known when a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamClock {
    /// The run in progress.
    pub run: RunId,
    /// Time of its first packet, nanoseconds.
    pub first_ns: Option<i64>,
    /// UTC minus the run's time by the camera's sender reports, nanoseconds.
    pub reported_ns: Option<i64>,
    /// UTC minus the run's time by arrival, nanoseconds.
    pub arrival_ns: Option<i64>,
}

/// A time on the clock of the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub run: RunId,
    pub pts_ns: i64,
}

impl Link {
    /// Where a frame lies among packets with this clock; `None` while that cannot be told.
    pub(super) fn target(self, at: &FrameTime, clock: &StreamClock) -> Option<Target> {
        let utc = |time: Timestamp, offset_ns: i64| time.0.checked_sub(offset_ns);
        match self {
            Self::Same => Some(Target { run: at.run, pts_ns: at.at.0 }),
            Self::Live => {
                let reported = clock.reported_ns.filter(|_| at.capture.source == TimeSource::SenderReport);
                let pts_ns = match reported {
                    Some(offset) => utc(at.capture.utc, offset),
                    None => utc(at.by_arrival, clock.arrival_ns?),
                };
                Some(Target { run: clock.run, pts_ns: pts_ns? })
            }
            Self::Recorded => Some(Target { run: clock.run, pts_ns: clock.first_ns?.checked_add(at.at.0)? }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_streams_meet_at_the_cameras_clock_else_at_arrival() {
        let capture = |source| CaptureTime { utc: Timestamp(5_000), source, error_ns: None };
        let frame = |source| FrameTime {
            run: RunId(3),
            at: MediaTime(40),
            capture: capture(source),
            by_arrival: Timestamp(5_300),
        };
        let clock =
            StreamClock { run: RunId(9), first_ns: Some(1_000), reported_ns: Some(4_000), arrival_ns: Some(4_200) };
        let pts = |link: Link, source, clock: &StreamClock| link.target(&frame(source), clock).map(|t| t.pts_ns);
        assert_eq!(pts(Link::Same, TimeSource::Arrival, &clock), Some(40));
        assert_eq!(pts(Link::Live, TimeSource::SenderReport, &clock), Some(1_000));
        assert_eq!(pts(Link::Live, TimeSource::Arrival, &clock), Some(1_100));
        let silent = StreamClock { reported_ns: None, ..clock };
        assert_eq!(
            pts(Link::Live, TimeSource::SenderReport, &silent),
            Some(1_100),
            "both by arrival, or both reported"
        );
        assert_eq!(pts(Link::Recorded, TimeSource::Container, &clock), Some(1_040));
        assert_eq!(pts(Link::Live, TimeSource::Arrival, &StreamClock::default()), None);
    }
}
