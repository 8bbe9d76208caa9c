//! Which events get a clip, and how far it goes.
//!
//! Decided in the tail, on media time alone: recorded footage gives the same clips every time. Events that happen
//! while a clip is being recorded share it, each with its own offset, as long as the clip may still grow that far.

use std::collections::HashSet;
use std::sync::Arc;

use super::clips::{ClipOrder, Clips};
use super::is_meant;
use crate::base::{CameraId, EventId, Timestamp};
use crate::config::EvidencePlan;
use crate::frame::Rotation;
use crate::media::clip::{ClipTags, extension};
use crate::scene::{Clip, Event, Phase};
use crate::source::packets::{Cutting, FrameTime, PacketRing, Until};

/// See the module.
pub struct Recorder {
    camera: CameraId,
    ring: Arc<PacketRing>,
    clips: Arc<Clips>,
    plan: EvidencePlan,
    open: Option<Open>,
}

/// The clip that grows now, or the latest one.
struct Open {
    cutting: Cutting,
    until: Until,
    file: String,
    starts_at: Timestamp,
    /// Happenings that have begun and not ended.
    ongoing: HashSet<EventId>,
    /// It never goes beyond, nanoseconds on the packets' clock.
    limit_ns: i64,
}

impl Recorder {
    /// A recorder of one camera.
    #[must_use]
    pub fn new(camera: CameraId, ring: Arc<PacketRing>, clips: Arc<Clips>, plan: EvidencePlan) -> Self {
        Self { camera, ring, clips, plan, open: None }
    }

    /// Gives the event its clip, if it has one. `at` is the time of the frame behind the event, `rotation` what its
    /// picture needs to be upright.
    pub fn attach(&mut self, event: &mut Event, at: &FrameTime, rotation: Rotation) {
        if matches!(event.phase, Phase::Update | Phase::End) {
            self.follow(event, at);
        } else if is_meant(self.plan.clips, event) && !self.join(event, at) {
            self.begin(event, at, rotation);
        }
    }

    /// Analysis has come as far as `at`, the events of that frame included.
    pub fn observed(&mut self, at: &FrameTime) {
        if let Some(open) = self.open.as_mut().filter(|open| !open.ongoing.is_empty())
            && let Some(now) = self.ring.place(at, &open.cutting)
        {
            open.extend(now, self.plan.post_roll);
        }
        self.ring.observed(at);
    }

    fn join(&mut self, event: &mut Event, at: &FrameTime) -> bool {
        let Some(open) = self.open.as_mut().filter(|open| !open.until.is_lost()) else { return false };
        let Some(now) = self.ring.place(at, &open.cutting) else { return false };
        if now > open.until.get() || now.saturating_add(nanos(self.plan.post_roll)) > open.limit_ns {
            return false;
        }
        open.extend(now, self.plan.post_roll);
        if event.phase == Phase::Start {
            open.ongoing.insert(event.id);
        }
        event.clip = open.at(now);
        true
    }

    fn follow(&mut self, event: &mut Event, at: &FrameTime) {
        let Some(open) = &mut self.open else { return };
        if !open.ongoing.contains(&event.id) {
            return;
        }
        if event.phase == Phase::End {
            open.ongoing.remove(&event.id);
        }
        if let Some(now) = self.ring.place(at, &open.cutting) {
            open.extend(now, self.plan.post_roll);
            event.clip = open.at(now);
        }
    }

    fn begin(&mut self, event: &mut Event, at: &FrameTime, rotation: Rotation) {
        let cut = match self.ring.begin(at) {
            Ok(cut) => cut,
            Err(why) => {
                self.clips.counts().add(why.into());
                tracing::warn!(camera = %self.camera, event = %event.id, ?why, "no clip");
                return;
            }
        };
        let cutting = cut.cutting().clone();
        let now = cutting.event_ns;
        let post_roll = nanos(self.plan.post_roll);
        let open = Open {
            until: cut.until(),
            file: format!("{}.{}.{}", self.camera, event.id, extension(cutting.format.codec)),
            starts_at: Timestamp(event.time.utc.0.saturating_sub(now.saturating_sub(cutting.first_ns))),
            ongoing: HashSet::from_iter((event.phase == Phase::Start).then_some(event.id)),
            // A long group of pictures before the event must not cost what comes after it.
            limit_ns: cutting.first_ns.saturating_add(nanos(self.plan.max_length)).max(now.saturating_add(post_roll)),
            cutting,
        };
        open.until.set(now.saturating_add(post_roll).min(open.limit_ns));
        event.clip = open.at(now);
        let tags = ClipTags {
            title: format!("{} {} {}", event.camera, event.rule, open.starts_at),
            comment: comment(event, &open.starts_at),
            rotate_degrees: rotation.degrees(),
        };
        let order = ClipOrder { camera: self.camera.clone(), name: open.file.clone(), cut, tags };
        self.open = Some(open);
        self.clips.order(order);
    }
}

impl Open {
    fn extend(&mut self, now_ns: i64, post_roll: std::time::Duration) {
        let until = now_ns.saturating_add(nanos(post_roll)).min(self.limit_ns);
        self.until.set(until.max(self.until.get()));
    }

    /// The clip as an event at `now_ns` names it; nothing when it ends before.
    fn at(&self, now_ns: i64) -> Option<Clip> {
        let offset_ns = now_ns.checked_sub(self.cutting.first_ns).filter(|_| now_ns <= self.until.get())?;
        let offset_s = (offset_ns as f64 / 1e3).round() / 1e6;
        Some(Clip { file: self.file.clone(), offset_s, starts_at: self.starts_at })
    }
}

/// What a file says of itself, wherever it is copied to.
fn comment(event: &Event, starts_at: &Timestamp) -> String {
    serde_json::json!({
        "camera": event.camera,
        "event": event.id,
        "rule": event.rule,
        "kind": event.kind,
        "starts_at": starts_at,
        "time_source": event.time.source,
    })
    .to_string()
}

fn nanos(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
