//! Packets in, figures out: loss, frame rate, group of pictures, bit rate, jitter, the camera's clock.
//!
//! Pure: times are parameters, so a recorded session gives the same figures as a live one.

use std::time::Duration;

use serde::Serialize;

use super::rtp::{Rtp, ntp_to_unix_ns, sender_report};
use super::sdp::Media;
use crate::base::Timestamp;

/// Most frames that a look keeps times of.
const MAX_FRAMES: usize = 10_000;

/// A jump of the sequence number beyond this is a restart, not a loss (`MAX_DROPOUT` of RFC 3550 §A.1).
const MAX_DROPOUT: i16 = 3000;

/// A group of pictures: from one keyframe to the next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gop {
    /// Mean length in frames.
    pub frames: f64,
    /// Mean length in seconds of media time.
    pub seconds: f64,
    /// False when fewer than two keyframes were seen: then it is at least this long.
    pub exact: bool,
}

/// What a few seconds of the stream showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Look {
    /// Seconds looked, by our clock.
    pub seconds: f64,
    /// RTP packets of the video.
    pub packets: u64,
    /// Packets that are missing by their sequence numbers (RFC 3550 §A.3).
    pub lost: u64,
    /// Packets that came after a later one, or twice.
    pub out_of_order: u64,
    /// Pictures, told apart by RTP timestamp.
    pub frames: u64,
    /// Pictures that can be decoded alone.
    pub keyframes: u64,
    /// Frames a second of media time.
    pub fps: Option<f64>,
    /// Standard deviation of the frame interval over its mean; 0 for a steady camera.
    pub interval_variation: Option<f64>,
    /// Distance of keyframes.
    pub gop: Option<Gop>,
    /// Video bits a second of media time, in thousands, RTP headers not counted.
    pub kbit_per_s: Option<f64>,
    /// Interarrival jitter (RFC 3550 §6.4.1, §A.8).
    pub jitter_ms: f64,
    /// From `PLAY` to the first packet.
    pub first_packet_ms: Option<f64>,
    /// From `PLAY` to the first packet of the first keyframe.
    pub first_keyframe_ms: Option<f64>,
    /// RTCP sender reports of the video.
    pub sender_reports: u64,
    /// The camera's clock minus ours by the last sender report; the way here makes it a little too small.
    pub clock_offset_ms: Option<f64>,
}

impl Look {
    /// Missing packets in percent of those expected.
    #[must_use]
    pub fn loss_percent(&self) -> f64 {
        let expected = self.packets.saturating_sub(self.out_of_order) + self.lost;
        if expected == 0 { 0.0 } else { 100.0 * self.lost as f64 / expected as f64 }
    }
}

/// Accumulates one video stream.
pub(super) struct Meter<'a> {
    media: &'a Media,
    packets: u64,
    out_of_order: u64,
    lost: u64,
    bytes: u64,
    last_sequence: Option<u16>,
    /// Last RTP timestamp, and its distance from the first without wraps, in clock ticks.
    clock: Option<(u32, i64)>,
    /// Media times of the frames, in ticks from the first one.
    frames: Vec<i64>,
    /// Indices into `frames`.
    keyframes: Vec<usize>,
    transit: Option<f64>,
    jitter: f64,
    first_packet: Option<Duration>,
    first_keyframe: Option<Duration>,
    sender_reports: u64,
    clock_offset_ms: Option<f64>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(media: &'a Media) -> Self {
        Self {
            media,
            packets: 0,
            out_of_order: 0,
            lost: 0,
            bytes: 0,
            last_sequence: None,
            clock: None,
            frames: Vec::new(),
            keyframes: Vec::new(),
            transit: None,
            jitter: 0.0,
            first_packet: None,
            first_keyframe: None,
            sender_reports: 0,
            clock_offset_ms: None,
        }
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// An RTP packet that arrived `at` after `PLAY`. Foreign and broken ones do not count.
    pub(super) fn rtp(&mut self, packet: &[u8], at: Duration) {
        let Some(rtp) = Rtp::parse(packet).filter(|rtp| rtp.payload_type == self.media.payload) else { return };
        self.packets += 1;
        self.bytes += rtp.payload.len() as u64;
        self.first_packet.get_or_insert(at);
        self.sequence(rtp.sequence);
        let (last, ticks) = self.clock.unwrap_or((rtp.timestamp, 0));
        // The distance of two timestamps, wrap or not, is the signed difference.
        let ticks = ticks + i64::from(rtp.timestamp.wrapping_sub(last).cast_signed());
        let new_frame = self.clock.is_none() || rtp.timestamp != last;
        self.clock = Some((rtp.timestamp, ticks));
        self.jitter(ticks, at);
        if new_frame && self.frames.len() < MAX_FRAMES {
            self.frames.push(ticks);
        }
        let frame = self.frames.len().saturating_sub(1);
        if rtp.starts_keyframe(&self.media.codec) && self.keyframes.last() != Some(&frame) {
            self.keyframes.push(frame);
            self.first_keyframe.get_or_insert(at);
        }
    }

    /// An RTCP packet that arrived at this wall time.
    pub(super) fn rtcp(&mut self, packet: &[u8], utc: Timestamp) {
        if let Some((ntp, _)) = sender_report(packet) {
            self.sender_reports += 1;
            self.clock_offset_ms = Some(ntp_to_unix_ns(ntp).saturating_sub(utc.0) as f64 * 1e-6);
        }
    }

    fn sequence(&mut self, sequence: u16) {
        let Some(last) = self.last_sequence.replace(sequence) else { return };
        let step = sequence.wrapping_sub(last).cast_signed();
        match step {
            1..=MAX_DROPOUT => self.lost += u64::from(step.unsigned_abs()) - 1,
            -100..=0 => {
                self.out_of_order += 1;
                // Counted as lost when the later one came, unless it is a repetition.
                self.lost = self.lost.saturating_sub(u64::from(step != 0));
                self.last_sequence = Some(last);
            }
            _ => {}
        }
    }

    /// RFC 3550 §A.8, in clock ticks.
    fn jitter(&mut self, ticks: i64, at: Duration) {
        let transit = at.as_secs_f64() * f64::from(self.media.clock_rate) - ticks as f64;
        if let Some(last) = self.transit.replace(transit) {
            self.jitter += ((transit - last).abs() - self.jitter) / 16.0;
        }
    }

    /// The figures, after `looked` since `PLAY`.
    pub(super) fn finish(&self, looked: Duration) -> Look {
        let rate = f64::from(self.media.clock_rate.max(1));
        let ms = |at: Duration| at.as_secs_f64() * 1e3;
        let mut times = self.frames.clone();
        times.sort_unstable();
        times.dedup();
        let pairs = times.iter().zip(times.iter().skip(1));
        let intervals: Vec<f64> = pairs.map(|(at, next)| (next - at) as f64 / rate).collect();
        let span: f64 = intervals.iter().sum();
        let count = intervals.len() as f64;
        let fps = (span > 0.0).then(|| count / span);
        let interval_variation = fps.filter(|_| intervals.len() >= 5).map(|fps| {
            let mean = 1.0 / fps;
            (intervals.iter().map(|interval| (interval - mean).powi(2)).sum::<f64>() / count).sqrt() / mean
        });
        Look {
            seconds: looked.as_secs_f64(),
            packets: self.packets,
            lost: self.lost,
            out_of_order: self.out_of_order,
            frames: self.frames.len() as u64,
            keyframes: self.keyframes.len() as u64,
            fps,
            interval_variation,
            gop: fps.and_then(|fps| self.gop(fps)),
            // The last frame's bits have no interval of their own: spread over one frame more.
            kbit_per_s: fps.map(|fps| self.bytes as f64 * 8e-3 / (span + 1.0 / fps)),
            jitter_ms: self.jitter / rate * 1e3,
            first_packet_ms: self.first_packet.map(ms),
            first_keyframe_ms: self.first_keyframe.map(ms),
            sender_reports: self.sender_reports,
            clock_offset_ms: self.clock_offset_ms,
        }
    }

    fn gop(&self, fps: f64) -> Option<Gop> {
        let (frames, exact) = match self.keyframes.as_slice() {
            [first, .., last] => ((last - first) as f64 / (self.keyframes.len() - 1) as f64, true),
            // Not even one whole group: the longest stretch without a keyframe bounds it from below.
            [only] => ((*only).max(self.frames.len().saturating_sub(*only)) as f64, false),
            [] => (self.frames.len() as f64, false),
        };
        (frames > 0.0).then(|| Gop { frames, seconds: frames / fps, exact })
    }
}
