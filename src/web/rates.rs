//! Frames a second, from counters that only grow: over the last seconds, of each camera.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::CameraId;
use crate::pipeline::CameraReport;

/// Over how long rates are taken.
const WINDOW: Duration = Duration::from_secs(5);
/// Between two looks.
const STEP: Duration = Duration::from_millis(900);

/// Rates of one camera, frames a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Rate {
    /// Access units that came.
    pub received: f64,
    /// Pictures that the decoder gave.
    pub decoded: f64,
    /// Pictures that the detector saw.
    pub analysed: f64,
    /// Of the pictures that were to be seen, the share that was lost: overrun, expired or damaged.
    pub loss_share: f64,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    received: u64,
    decoded: u64,
    analysed: u64,
    lost: u64,
}

/// The latest looks at each camera's counters.
#[derive(Default)]
pub(super) struct Rates(Mutex<BTreeMap<CameraId, VecDeque<Look>>>);

impl Rates {
    /// Takes in counters.
    pub(super) fn look(&self, cameras: &[CameraReport], now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|id, _| cameras.iter().any(|camera| camera.camera == *id));
        for camera in cameras {
            let looks = all.entry(camera.camera.clone()).or_default();
            if looks.back().is_some_and(|last| now.saturating_duration_since(last.at) < STEP) {
                continue;
            }
            let (units, frames) = (&camera.accounting.units, &camera.accounting.frames);
            let look = Look {
                at: now,
                received: units.received,
                decoded: frames.decoded,
                analysed: frames.detected,
                lost: frames.dropped.overrun
                    + frames.dropped.expired
                    + frames.dropped.corrupt
                    + units.dropped.undecodable,
            };
            // A camera that was started anew counts from 0.
            if looks.back().is_some_and(|last| last.received > look.received || last.decoded > look.decoded) {
                looks.clear();
            }
            looks.push_back(look);
            while looks.len() > 2
                && looks.get(1).is_some_and(|second| now.saturating_duration_since(second.at) >= WINDOW)
            {
                looks.pop_front();
            }
        }
    }

    /// The rates of a camera; zero before the second look.
    pub(super) fn of(&self, camera: &CameraId) -> Rate {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(looks) = all.get(camera) else { return Rate::default() };
        let (Some(first), Some(last)) = (looks.front(), looks.back()) else { return Rate::default() };
        let seconds = last.at.saturating_duration_since(first.at).as_secs_f64();
        if seconds <= 0.0 {
            return Rate::default();
        }
        let rate = |from: u64, to: u64| {
            let per_second = to.saturating_sub(from) as f64 / seconds;
            (per_second * 100.0).round() / 100.0
        };
        let (lost, decoded) = (last.lost.saturating_sub(first.lost), last.decoded.saturating_sub(first.decoded));
        Rate {
            received: rate(first.received, last.received),
            decoded: rate(first.decoded, last.decoded),
            analysed: rate(first.analysed, last.analysed),
            loss_share: if decoded == 0 { 0.0 } else { (lost as f64 / decoded as f64).min(1.0) },
        }
    }
}
