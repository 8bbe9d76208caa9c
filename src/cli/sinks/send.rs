//! `vantage sinks test` and `replay`: events to a sink by a connection of the command's own.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tokio::runtime::Runtime;

use super::Replay;
use crate::base::time::SystemClock;
use crate::base::{
    CameraId, CaptureTime, Clock, Error, ErrorKind, EventId, FrameSeq, MediaTime, Result, RunId, TimeSource,
};
use crate::cli::terminal::say;
use crate::config::{Plan, SinkPlan};
use crate::scene::event::Explanation;
use crate::scene::{Event, InlineStill, LeftOut, Phase, Position, Severity, StoredEvent};
use crate::sink::dispatch::BATCH;
use crate::sink::{Outcome, Parcel, Sink, portions};
use crate::store::{Query, Reader, Store};

/// Attempts of one batch, and the pause between them unless the far side asks for another.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("tasks")
        .enable_all()
        .build()
        .map_err(|e| Error::new(ErrorKind::Io, "cannot start the task runtime").source(e))
}

fn connect(sink: &SinkPlan, plan: &Plan) -> Result<Box<dyn Sink>> {
    let unknown = || Error::new(ErrorKind::Config, format!("sink {}: unknown type {}", sink.id, sink.kind));
    let kind = crate::sink::find(&sink.kind).ok_or_else(unknown)?;
    (kind.connect)(&sink.params, &plan.folder).map_err(|error| error.context(format!("sink {}", sink.id)))
}

/// One event to each sink; fails when one does not confirm it.
pub(super) fn test(sinks: &[&SinkPlan], plan: &Plan, as_json: bool) -> Result<ExitCode> {
    let runtime = runtime()?;
    let mut failed = Vec::new();
    for sink in sinks {
        let event = [Parcel::from(test_event(&sink.id))];
        let told = match connect(sink, plan) {
            Ok(mut connected) => match runtime.block_on(connected.deliver(&event)) {
                Outcome::Done => Ok(()),
                Outcome::Retry { reason, .. } | Outcome::Fatal { reason } => Err(reason),
                Outcome::Reject { reasons } => Err(reasons
                    .into_iter()
                    .next()
                    .map_or_else(|| "refused".to_owned(), |(_, why)| format!("refused: {why}"))),
            },
            Err(error) => Err(error.to_string()),
        };
        let id = event[0].stored.event.id;
        if as_json {
            say(json!({"sink": sink.id, "confirmed": told.is_ok(), "event": id, "reason": told.as_ref().err()}))?;
        } else {
            say(match &told {
                Ok(()) => format!("{}: confirmed event {id}", sink.id),
                Err(reason) => format!("{}: FAILED: {reason}", sink.id),
            })?;
        }
        if told.is_err() {
            failed.push(sink.id.as_str());
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Error::new(ErrorKind::Io, format!("not confirmed by {}", failed.join(", "))))
}

/// An event that no rule made: its kind and camera are `test`, its sequence is 0.
fn test_event(sink: &str) -> StoredEvent {
    let now = SystemClock.utc();
    let event = Event {
        id: EventId::derive(&[b"test", sink.as_bytes(), &now.0.to_le_bytes()]),
        revision: 0,
        phase: Phase::Instant,
        camera: CameraId::new("test"),
        site: None,
        sequence: 0,
        rule: "test".to_owned(),
        kind: "test".to_owned(),
        severity: Severity::Info,
        time: CaptureTime { utc: now, source: TimeSource::Arrival, error_ns: None },
        media_time: MediaTime(0),
        run: RunId(0),
        frame: FrameSeq(0),
        track: None,
        class: None,
        bbox: None,
        explanation: Explanation {
            summary: format!("a test of the sink {sink}: nothing has happened"),
            thresholds: BTreeMap::new(),
            measured: BTreeMap::new(),
            ..Explanation::default()
        },
        still: None,
        clean_still: None,
        clip: None,
    };
    StoredEvent { position: Position(0), event }
}

/// Sends what was asked for, in the store's order, and tells what became of it.
pub(super) fn replay(sink: &SinkPlan, plan: &Plan, which: &Replay) -> Result<ExitCode> {
    let reader = Store::open_reader(&plan.store.path)?;
    let runtime = runtime()?;
    let mut connected = connect(sink, plan)?;
    let newest = reader.latest()?;
    let mut after = Position(which.after.unwrap_or(0));
    let (mut confirmed, mut refused) = (0, Vec::new());
    loop {
        let mut batch = read(&reader, &sink.id, after, which)?;
        batch.retain(|stored| stored.position <= newest);
        let Some(last) = batch.last() else { break };
        after = last.position;
        for mut portion in portions(batch, connected.most_still_bytes() > 0) {
            add_still(&reader, connected.most_still_bytes(), &mut portion);
            let reasons = deliver(&runtime, connected.as_mut(), &mut portion).map_err(|reason| {
                let before = portion.first().map_or(0, |parcel| parcel.stored.position.0.saturating_sub(1));
                Error::new(ErrorKind::Io, format!("sink {}: {reason}", sink.id))
                    .help(format!("{confirmed} events are confirmed; go on with --after {before}"))
            })?;
            if !which.json {
                for (position, reason) in &reasons {
                    say(format!("refused: position {position}: {reason}"))?;
                }
            }
            confirmed += portion.len() - reasons.len();
            refused.extend(reasons);
        }
    }
    if which.json {
        let refused: Vec<_> = refused.iter().map(|(at, why)| json!({"position": at, "reason": why})).collect();
        say(json!({"sink": sink.id, "confirmed": confirmed, "refused": refused}))?;
    } else {
        say(format!("{}: {confirmed} events confirmed, {} refused", sink.id, refused.len()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The still of a portion that is one event, if its sink carries stills.
fn add_still(reader: &Reader, most_bytes: u64, portion: &mut [Parcel]) {
    if let ([parcel], 1..) = (portion, most_bytes)
        && let Some(name) = &parcel.stored.event.still
    {
        parcel.still = Some(InlineStill::of(reader.still(name, most_bytes), LeftOut::Missing));
    }
}

fn read(reader: &Reader, sink: &str, after: Position, which: &Replay) -> Result<Vec<StoredEvent>> {
    if which.dead_letters {
        return Ok(reader.refused(sink, after, BATCH)?.into_iter().map(|letter| letter.event).collect());
    }
    let (from, to, camera) = (which.from, which.to, which.camera.clone());
    reader.events(&Query { camera, from, to, after_position: Some(after), limit: BATCH, ..Query::default() })
}

/// Tries a few times, the last time without pictures; what was refused, or the last reason.
fn deliver(
    runtime: &Runtime,
    sink: &mut dyn Sink,
    batch: &mut [Parcel],
) -> std::result::Result<Vec<(Position, String)>, String> {
    let mut left = ATTEMPTS;
    loop {
        match runtime.block_on(sink.deliver(batch)) {
            Outcome::Done => return Ok(Vec::new()),
            Outcome::Reject { reasons } => {
                if reasons.is_empty() || !leave_pictures_out(batch) {
                    return Ok(reasons);
                }
            }
            Outcome::Fatal { reason } => return Err(reason),
            Outcome::Retry { after, reason } => {
                left -= 1;
                if left == 0 {
                    return Err(reason);
                }
                if left == 1 {
                    leave_pictures_out(batch);
                }
                tracing::warn!(reason, "trying again");
                std::thread::sleep(after.unwrap_or(PAUSE).min(LONGEST_PAUSE));
            }
        }
    }
}

/// Whether there was a picture to leave out.
fn leave_pictures_out(batch: &mut [Parcel]) -> bool {
    batch.iter_mut().map(Parcel::leave_picture_out).fold(false, |any, left_out| any | left_out)
}
