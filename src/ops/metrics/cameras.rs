//! The cameras' families: state, and both sides of the accounting identity (`frame::account`) term by
//! term, so that whoever scrapes can check that nothing vanished:
//!
//! `access_units_received = Σ access_units + in_decoder`, `frames_decoded = Σ frames + in_flight`.

use std::fmt::Result;

use super::page::{Labels, Page};
use crate::frame::account::{FrameDrops, FrameLedger, Skips, UnitDrops, UnitLedger};
use crate::frame::{FrameDrop, UnitDrop};
use crate::pipeline::CameraReport;
use crate::source::State;

/// A term of the identity: outcome, reason (where an outcome has several), count.
type Term = (&'static str, Option<&'static str>, u64);

/// Writes all families of `cameras`.
pub fn write(page: &mut Page, cameras: &[CameraReport]) -> Result {
    page.gauge(
        "camera_state",
        "1 for the state that the camera is in, 0 for the others",
        cameras.iter().flat_map(|report| {
            State::ALL.map(|state| {
                let labels = vec![("camera", report.camera.as_str()), ("state", state.as_str())];
                (labels, u64::from(state == report.status.state))
            })
        }),
    )?;
    page.gauge(
        "recording_state",
        "1 for the state that the camera's recorded second stream is in, 0 for the others",
        cameras.iter().filter_map(|report| Some((report, report.recording.as_ref()?))).flat_map(|(report, status)| {
            State::ALL.map(|state| {
                let labels = vec![("camera", report.camera.as_str()), ("state", state.as_str())];
                (labels, u64::from(state == status.state))
            })
        }),
    )?;
    page.counter(
        "camera_runs",
        "Connections to the camera, the present one included",
        each(cameras, |report| u64::from(report.status.runs)),
    )?;
    page.counter(
        "access_units_received",
        "Access units (compressed pictures) from the camera",
        each(cameras, |report| report.accounting.units.received),
    )?;
    page.counter(
        "access_units",
        "Access units by what became of them",
        cameras.iter().flat_map(|report| terms(report, unit_terms(&report.accounting.units))),
    )?;
    page.gauge(
        "access_units_in_decoder",
        "Access units that are not decided yet",
        each(cameras, |report| report.accounting.units.in_decoder),
    )?;
    page.counter(
        "frames_decoded",
        "Pictures from the decoder",
        each(cameras, |report| report.accounting.frames.decoded),
    )?;
    page.counter(
        "frames",
        "Pictures by what became of them",
        cameras.iter().flat_map(|report| terms(report, frame_terms(&report.accounting.frames))),
    )?;
    page.gauge(
        "frames_in_flight",
        "Pictures that are not decided yet",
        each(cameras, |report| report.accounting.frames.in_flight),
    )?;
    conditions(page, cameras)
}

/// Which rules rest and what budgets held back.
fn conditions(page: &mut Page, cameras: &[CameraReport]) -> Result {
    page.gauge(
        "camera_blind",
        "1 while all rules of the camera rest, with the reason: maintenance, or what is wrong with the view; else 0",
        cameras.iter().map(|report| {
            let why = report.conditions.blind;
            (vec![("camera", report.camera.as_str()), ("reason", why.unwrap_or("none"))], u64::from(why.is_some()))
        }),
    )?;
    page.gauge(
        "rule_paused",
        "1 for each rule that rests at present, with the reason; rules at work have no sample",
        cameras.iter().flat_map(|report| {
            let paused = report.conditions.paused.iter();
            paused.map(|(rule, why)| (vec![("camera", report.camera.as_str()), ("rule", rule), ("reason", *why)], 1u64))
        }),
    )?;
    page.counter(
        "alarms_held_back",
        "Happenings that a budget has held back; the rule is empty for the camera's own budget",
        cameras.iter().flat_map(|report| {
            let held = report.conditions.held_back.iter();
            held.map(|(rule, count)| (vec![("camera", report.camera.as_str()), ("rule", rule.as_str())], *count))
        }),
    )
}

fn each<V>(cameras: &[CameraReport], value: impl Fn(&CameraReport) -> V) -> impl Iterator<Item = (Labels<'_>, V)> {
    cameras.iter().map(move |report| (vec![("camera", report.camera.as_str())], value(report)))
}

fn terms<const N: usize>(report: &CameraReport, terms: [Term; N]) -> [(Labels<'_>, u64); N] {
    terms.map(|(outcome, reason, count)| {
        let mut labels = vec![("camera", report.camera.as_str()), ("outcome", outcome)];
        labels.extend(reason.map(|reason| ("reason", reason)));
        (labels, count)
    })
}

/// All fields are named, so that a new term of the identity does not compile until it is exported.
fn unit_terms(units: &UnitLedger) -> [Term; 5] {
    let UnitLedger { received: _, decoded, gated, dropped, in_decoder: _ } = *units;
    let UnitDrops { before_keyframe, undecodable, shutdown } = dropped;
    [
        ("decoded", None, decoded),
        ("gated", None, gated),
        ("dropped", Some(UnitDrop::BeforeKeyframe.as_str()), before_keyframe),
        ("dropped", Some(UnitDrop::Undecodable.as_str()), undecodable),
        ("dropped", Some(UnitDrop::Shutdown.as_str()), shutdown),
    ]
}

fn frame_terms(frames: &FrameLedger) -> [Term; 7] {
    let FrameLedger { decoded: _, detected, skipped, dropped, in_flight: _ } = *frames;
    let Skips { sampled, failed } = skipped;
    let FrameDrops { overrun, expired, corrupt, shutdown } = dropped;
    [
        ("detected", None, detected),
        ("skipped", Some("sampled"), sampled),
        ("skipped", Some("failed"), failed),
        ("dropped", Some(FrameDrop::Overrun.as_str()), overrun),
        ("dropped", Some(FrameDrop::Expired.as_str()), expired),
        ("dropped", Some(FrameDrop::Corrupt.as_str()), corrupt),
        ("dropped", Some(FrameDrop::Shutdown.as_str()), shutdown),
    ]
}
