//! One run: start a graph, watch it, end it.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::controls::Controls;
use super::graph::Graph;
use super::packets::Break;
use super::reach::answers;
use super::status::{State, StatusCell};
use super::tap::{Tap, TapParts};
use super::{Location, Transport, fault};
use crate::base::{Clock, Error, ErrorKind, MediaTime, Result, Stop};

/// Time from the dial to the first access unit.
const DIAL_LIMIT: Duration = Duration::from_secs(10);
/// Silence after which a live stream counts as stalled, unless it is usually slower.
const STALL_LIMIT: Duration = Duration::from_millis(2500);
/// Access units without a single picture for this long: the stream cannot be decoded.
const PICTURE_LIMIT: Duration = Duration::from_secs(15);
/// How long a live graph may take to stop before the camera goes on without it.
const STOP_PATIENCE: Duration = Duration::from_millis(700);
/// How often the bus is looked at besides messages.
const TICK: Duration = Duration::from_millis(50);

/// How a run ended, when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The stream is over.
    Finished,
    /// We were asked to stop, or nobody takes frames any more.
    Stopped,
}

/// How a dial is made, where cameras differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// TCP or UDP.
    pub transport: Transport,
    /// What relative controls hang on.
    pub controls: Controls,
}

impl Manner {
    /// The first dial's, for a camera that may be reached by `allowed`.
    pub fn first(allowed: Transport) -> Self {
        let transport = if allowed == Transport::Udp { Transport::Udp } else { Transport::Tcp };
        Self { transport, controls: Controls::Appended }
    }
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub result: Result<End>,
    /// How long pictures came.
    pub lived: Duration,
    /// Whether the far side came to say which streams it has.
    pub described: bool,
    /// Where a following run of the recording begins on the camera's timeline.
    pub next_base: MediaTime,
}

/// Runs one connection, or one pass over a recording.
pub fn run_once(parts: TapParts, manner: Manner, status: &StatusCell, stop: &Stop) -> Outcome {
    let clock = Arc::clone(&parts.clock);
    let settings = parts.settings.clone();
    let base = parts.base;
    let tap = match Tap::new(parts) {
        Ok(tap) => tap,
        Err(error) => {
            return Outcome { result: Err(error), lived: Duration::ZERO, described: false, next_base: base };
        }
    };
    let started = clock.monotonic();
    let result = Graph::build(&settings, &tap, manner)
        .and_then(|graph| drive(&graph, &settings.location, clock.as_ref(), status, stop));
    let (units, pictures) = tap.progress();
    let packets = tap.packets();
    let result = match result {
        Ok(End::Finished) if pictures == 0 => Err(nothing_came(&settings.location, &tap, units)),
        other => other,
    };
    let lived = if pictures > 0 { clock.monotonic() - started } else { Duration::ZERO };
    let next_base = tap.finish(matches!(result, Ok(End::Stopped)));
    if let Some(packets) = packets {
        let over = match result {
            Ok(End::Stopped) => true,
            Ok(End::Finished) => !settings.location.is_live(),
            Err(_) => false,
        };
        packets.run_ended(if over { Break::End } else { Break::Gap });
    }
    Outcome { lived, described: tap.was_offered(), next_base, result }
}

fn nothing_came(location: &Location, tap: &Tap, units: u64) -> Error {
    tap.take_fault().or_else(|| tap.nothing_chosen()).unwrap_or_else(|| {
        Error::new(ErrorKind::Corrupt, format!("{location}: no picture could be decoded from {units} access units"))
            .help("the stream has no usable parameter sets or keyframe")
    })
}

fn drive(graph: &Graph, location: &Location, clock: &dyn Clock, status: &StatusCell, stop: &Stop) -> Result<End> {
    let bus = graph.pipeline.bus().ok_or_else(|| Error::new(ErrorKind::Internal, "a pipeline without a bus"))?;
    let _ended = Ending { pipeline: &graph.pipeline, live: location.is_live() };
    let started = clock.monotonic();
    if graph.pipeline.set_state(gst::State::Playing).is_err() {
        let error = bus.timed_pop_filtered(gst::ClockTime::from_mseconds(100), &[gst::MessageType::Error]).and_then(
            |message| match message.view() {
                gst::MessageView::Error(error) => Some(fault::from_bus(location, error)),
                _ => None,
            },
        );
        return Err(error.unwrap_or_else(|| Error::new(ErrorKind::Io, format!("{location}: cannot be opened"))));
    }
    let mut was_live = false;
    loop {
        let message = bus.timed_pop(gst::ClockTime::from_nseconds(TICK.as_nanos() as u64));
        if stop.requested() || graph.tap.is_closed() {
            return graph.tap.take_fault().map_or(Ok(End::Stopped), Err);
        }
        if let Some(error) = graph.tap.take_fault() {
            return Err(error);
        }
        match message.as_ref().map(|m| m.view()) {
            Some(gst::MessageView::Eos(_)) => return Ok(End::Finished),
            Some(gst::MessageView::Error(error)) => {
                let offered_nothing = graph.tap.progress().0 == 0;
                let error = fault::from_bus(location, error);
                let is_stream_error = matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported);
                // "No supported stream" is our own choice: say what was on offer instead.
                return Err(match graph.tap.nothing_chosen() {
                    Some(better) if offered_nothing && is_stream_error && graph.tap.was_offered() => better,
                    _ if offered_nothing && is_absent(location) => fault::nobody_answers(location),
                    _ => error,
                });
            }
            Some(gst::MessageView::Element(element)) => {
                if let Some(error) = element.structure().and_then(|said| fault::not_a_stream(location, said)) {
                    return Err(error);
                }
            }
            Some(gst::MessageView::Warning(warning)) => {
                tracing::debug!(%location, warning = %warning.error(), "stream warning");
            }
            _ => {}
        }
        let (units, pictures) = graph.tap.progress();
        if pictures > 0 && !was_live {
            was_live = true;
            status.set(State::Live, "", clock);
        }
        if location.is_live() {
            check_silence(graph, location, clock.monotonic() - started, units, pictures)?;
        }
    }
}

/// Whether nobody listens at an HTTP camera's address: `souphttpsrc` 1.22 gives a refused connect no name.
fn is_absent(location: &Location) -> bool {
    matches!(location, Location::HttpMjpeg(_)) && location.endpoint().is_some_and(|(host, port)| !answers(&host, port))
}

fn check_silence(graph: &Graph, location: &Location, running: Duration, units: u64, pictures: u64) -> Result<()> {
    let (silent, usual) = graph.tap.silence();
    if units == 0 {
        if running < DIAL_LIMIT {
            return Ok(());
        }
        return Err(Error::new(
            ErrorKind::Io,
            format!("{location}: no video within {} s of the dial", DIAL_LIMIT.as_secs()),
        )
        .help("the camera accepts connections but sends nothing; restart it, or check the path"));
    }
    if silent > STALL_LIMIT.max(usual * 3) {
        return Err(Error::new(
            ErrorKind::Io,
            format!("{location}: stalled, no data for {:.1} s", silent.as_secs_f64()),
        ));
    }
    if pictures == 0 && running > PICTURE_LIMIT {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("{location}: {units} access units and not one picture in {} s", PICTURE_LIMIT.as_secs()),
        )
        .help("the stream lacks parameter sets or keyframes; set the camera's keyframe interval to 2 s"));
    }
    Ok(())
}

/// Ends the graph however the run ends.
struct Ending<'a> {
    pipeline: &'a gst::Pipeline,
    live: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if !self.live {
            to_null(self.pipeline);
            return;
        }
        // A server that trickles can hold `rtspsrc` up while it stops. The camera goes on without that
        // graph, which ends on a thread of its own when it can.
        let (done, ended) = crossbeam_channel::bounded::<()>(1);
        let pipeline = self.pipeline.clone();
        let thread = std::thread::Builder::new().name("graph-end".to_owned()).spawn(move || {
            to_null(&pipeline);
            drop(done);
        });
        if thread.is_err() {
            to_null(self.pipeline);
        } else if ended.recv_timeout(STOP_PATIENCE) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
            tracing::warn!("a graph takes long to stop; going on without it");
        }
    }
}

fn to_null(pipeline: &gst::Pipeline) {
    if pipeline.set_state(gst::State::Null).is_err() {
        tracing::warn!("a graph did not stop");
    }
}
