//! Passthrough video of one camera for one viewer: the packets that are kept for clips, as fragmented MP4.
//!
//! A thread of its own reads a cut of the camera's packet ring and muxes it; no picture is decoded or encoded. A viewer
//! who does not take the pieces in time loses the session, never the camera anything; the next one begins at the latest
//! keyframe.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::base::{CameraId, Error, ErrorKind, MediaTime, Result};
use crate::media::fragments::{Fragments, Piece};
use crate::source::packets::{Cut, FrameTime, NoCut, PacketRing};

/// Pieces that may wait for the viewer: some seconds of video.
const QUEUE: usize = 128;
/// How often the ring is looked at.
const TICK: Duration = Duration::from_millis(20);
/// How long to stay on when no packet comes.
const PATIENCE: u32 = 500;

/// A piece of video.
#[derive(Debug, Clone)]
pub struct Video {
    /// The piece; times count from [`Self::origin`].
    pub piece: Piece,
    /// The first picture's place on the camera's timeline, on which objects are told as well.
    pub origin: MediaTime,
}

/// Begins at the latest keyframe before the frame `at` of the camera.
///
/// # Errors
/// `Unsupported` for a codec that browsers do not play; `NotFound` while there is no keyframe; `Io` without a thread.
pub fn start(camera: &CameraId, ring: &Arc<PacketRing>, at: &FrameTime) -> Result<mpsc::Receiver<Video>> {
    let cut = ring.follow(at).map_err(|why| {
        let what = match why {
            NoCut::NoPackets => "no video comes just now",
            NoCut::NoKeyframe => "no keyframe has come yet",
        };
        Error::new(ErrorKind::NotFound, what)
    })?;
    let fragments = Fragments::start(&cut.cutting().format)?;
    let (pieces, viewer) = mpsc::channel(QUEUE);
    // Packets may be of another stream with a clock of its own.
    let shift_ns = cut.cutting().event_ns - at.at.0;
    std::thread::Builder::new()
        .name(format!("view-{camera}"))
        .spawn(move || follow(cut, fragments, shift_ns, &pieces))
        .map_err(|e| Error::new(ErrorKind::Io, "cannot start the viewer's thread").source(e))?;
    Ok(viewer)
}

fn follow(mut cut: Cut, mut fragments: Fragments, shift_ns: i64, pieces: &mpsc::Sender<Video>) {
    let mut origin: Option<MediaTime> = None;
    let mut quiet = 0;
    while !pieces.is_closed() && quiet < PATIENCE {
        let read = cut.read();
        quiet = if read.packets.is_empty() { quiet + 1 } else { 0 };
        for packet in &read.packets {
            origin.get_or_insert(MediaTime(packet.pts_ns - shift_ns));
            if let Err(error) = fragments.push(packet) {
                tracing::debug!(%error, "passthrough video ends");
                return;
            }
        }
        match fragments.pull(TICK) {
            Ok(done) => {
                for piece in done {
                    let video = Video { piece, origin: origin.unwrap_or_default() };
                    if pieces.try_send(video).is_err() {
                        tracing::debug!("a viewer cannot follow; the video begins anew");
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, "passthrough video ends");
                return;
            }
        }
        if read.end.is_some() {
            return;
        }
    }
}
