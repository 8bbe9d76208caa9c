//! Cameras: their streams, logins, scenes and rules.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::about;
use super::address::{self, Address, Scheme};
use super::compile::{Context, mark_of};
use super::conditions;
use super::evidence;
use super::ground;
use super::login;
use super::plan::{CameraPlan, EvidencePlan, Rotation, RulePlan, TlsTrust, TrackPlan, Transport, Which};
use super::raw::{self, Camera, default};
use super::read::{Field, Located, quoted};
use super::scene;
use super::suggest;
use super::text::Mark;
use crate::base::{CameraId, Span, Timestamp};

type Models = Field<BTreeMap<String, Located<raw::Model>>>;

/// Compiles all cameras; those that could not be read are left out, after a diagnostic.
pub(super) fn cameras(
    context: &mut Context<'_>,
    cameras: &Field<Vec<Located<Camera>>>,
    models: &Models,
    store_tracks: bool,
    recording: &EvidencePlan,
) -> Vec<CameraPlan> {
    let Some(cameras) = cameras.located() else { return Vec::new() };
    if cameras.value.is_empty() {
        context.problems.error(cameras.mark, "there is no camera", "add one: `- {id: gate-1, url: rtsp://…}`");
    }
    context.unique(cameras.value.iter().map(|camera| &camera.value.id), "camera");
    cameras.value.iter().filter_map(|camera| compile(context, camera, models, store_tracks, recording)).collect()
}

fn compile(
    context: &mut Context<'_>,
    camera: &Located<Camera>,
    models: &Models,
    store_tracks: bool,
    recording: &EvidencePlan,
) -> Option<CameraPlan> {
    let (camera, mark) = (&camera.value, camera.mark);
    let streams = streams(context, camera, mark);
    if let Some((analysis, evidence)) = &streams {
        refuse_ignored(context, camera, analysis, evidence.as_ref());
    }
    let login = login::read(context, camera);
    let tls = tls(context, camera);
    let model = model(context, camera, mark, models);
    let names = scene::names(camera);
    let ground = ground::compile(context, camera);
    let signals = signals(context, camera, streams.as_ref().is_some_and(|(analysis, _)| analysis.is_file()));
    let zones = scene::zones(context, camera);
    let masks = scene::masks(context, camera);
    let lines = scene::lines(context, camera);
    let lanes = scene::lanes(context, camera);
    let presets = conditions::presets(context, camera);
    let site = camera.site.located().map(|site| {
        context.check_id(&site.value, site.mark, "site");
        site.value.clone()
    });
    let about = about::about(context, camera);
    let zone = conditions::zone(context, camera);
    let rules = rules(context, camera, &names, zone.as_ref());
    let maintenance = conditions::maintenance(context, camera, zone.as_ref());
    let budget = conditions::budget(context, &camera.budget);
    let track = track(context, camera);
    let recording = evidence::evidence(context, &camera.evidence, recording);
    let recording = without_masked_clips(context, camera, recording);
    refuse_unrecorded(context, camera, &recording);
    let starts_at = starts_at(context, camera);
    let latency = context.at_most(&camera.latency, "latency", Duration::from_secs(10), default::LATENCY);
    let assume_fps = rate(context, &camera.assume_fps, "assume_fps");
    let analyse_fps = rate(context, &camera.analyse_fps, "analyse_fps");
    let (mut analysis, mut evidence) = streams?;
    if let Some(login) = login {
        for address in std::iter::once(&mut analysis).chain(&mut evidence) {
            login::give(address, &login);
        }
    }
    Some(CameraPlan {
        id: CameraId::new(camera.id.get()?.as_str()),
        analysis,
        evidence,
        tls,
        transport: camera.transport.or(Transport::Tcp),
        latency,
        assume_fps,
        starts_at,
        matrix: camera.matrix.get().copied(),
        range: camera.range.get().copied(),
        rotate: camera.rotate.or(Rotation::None),
        analyse_fps,
        model,
        track,
        store_tracks: camera.store_tracks.or(store_tracks),
        ground,
        signals,
        recording,
        zones,
        lines,
        lanes,
        masks,
        rules,
        presets,
        site,
        maintenance,
        budget,
        about,
    })
}

/// The camera's addresses, from `url` or `streams`.
fn streams(context: &mut Context<'_>, camera: &Camera, mark: Mark) -> Option<(Address, Option<Address>)> {
    match (&camera.url, &camera.streams) {
        (Field::Absent, Field::Absent) => {
            let message = "this camera lacks `url`";
            context.problems.error(mark, message, "add `url: rtsp://host/path`, a recording's path, or `streams:`");
            None
        }
        (Field::Good(_), streams) if streams.is_given() => {
            let place = mark_of(streams).unwrap_or(mark);
            context.problems.error(place, "this camera has both `url` and `streams`", "keep one of them");
            None
        }
        (Field::Good(url), _) => Some((address(context, url)?, None)),
        (_, Field::Good(streams)) => {
            let analysis = streams.value.analysis.located().map(|url| address(context, url));
            let evidence = streams.value.evidence.located().map(|url| (url.mark, address(context, url)));
            let analysis = analysis.flatten()?;
            let Some((evidence_mark, evidence)) = evidence else { return Some((analysis, None)) };
            let evidence = evidence?;
            if evidence.is_file() != analysis.is_file() {
                let message = "one of the two streams is a recording and the other is not";
                context.problems.error(evidence_mark, message, "both must be live, or both recordings");
            }
            Some((analysis, Some(evidence)))
        }
        _ => None,
    }
}

fn address(context: &mut Context<'_>, url: &Located<String>) -> Option<Address> {
    match address::parse(&url.value, context.folder) {
        Ok(address) => {
            if let Address::Network { credentials: Some(login), .. } = &address
                && !login.password.expose().is_empty()
            {
                let help = "use `username` with `password_file` or `password_env`: the file is easier to share then";
                context.problems.warning(url.mark, "the address holds a password", help);
            }
            Some(address)
        }
        Err(bad) => {
            context.problems.error(url.mark, bad.message, bad.help);
            None
        }
    }
}

/// Refuses the keys that these streams would ignore.
fn refuse_ignored(context: &mut Context<'_>, camera: &Camera, analysis: &Address, evidence: Option<&Address>) {
    let file = analysis.is_file();
    let rtsp = analysis.is_rtsp() || evidence.is_some_and(Address::is_rtsp);
    let sort = match (file, rtsp) {
        (true, _) => "a recording",
        (false, true) => "an rtsp stream",
        (false, false) => "an http stream",
    };
    let over_tls = std::iter::once(analysis).chain(evidence).any(Address::is_tls);
    for (name, mark, used) in [
        ("tls", mark_of(&camera.tls), over_tls),
        ("transport", mark_of(&camera.transport), rtsp),
        ("latency", mark_of(&camera.latency), rtsp),
        ("starts_at", mark_of(&camera.starts_at), file),
        ("username", mark_of(&camera.username), !file),
        ("password_file", mark_of(&camera.password_file), !file),
        ("password_env", mark_of(&camera.password_env), !file),
    ] {
        if let Some(mark) = mark.filter(|_| !used) {
            context.problems.error(mark, format!("`{name}` would be ignored: this is {sort}"), "remove it");
        }
    }
    let rtsps = std::iter::once(analysis)
        .chain(evidence)
        .any(|address| matches!(address, Address::Network { scheme: Scheme::Rtsps, .. }));
    if let Some(transport) = camera.transport.located().filter(|t| rtsps && t.value != Transport::Tcp) {
        let message = "rtsps carries media inside its TLS connection";
        context.problems.error(transport.mark, message, "write `transport: tcp`, or remove it");
    }
}

/// Refuses a stream that is only there to be recorded when nothing is.
fn refuse_unrecorded(context: &mut Context<'_>, camera: &Camera, recording: &EvidencePlan) {
    if recording.clips == Which::None
        && let Some(evidence) = camera.streams.get().and_then(|streams| mark_of(&streams.evidence))
    {
        let message = "this stream would be ignored: `clips: none` records nothing";
        context.problems.error(evidence, message, "remove it, or let `evidence.clips` be `alarms` or `all`");
    }
}

/// A clip is the camera's own bits: nothing in it can be masked, so a camera with masks has none.
fn without_masked_clips(context: &mut Context<'_>, camera: &Camera, mut recording: EvidencePlan) -> EvidencePlan {
    let masks = camera.masks.located().filter(|masks| !masks.value.is_empty());
    if let Some(masks) = masks.filter(|_| recording.clips != Which::None) {
        recording.clips = Which::None;
        let message = "this camera gets no clips: they would show what the masks hide";
        context.problems.warning(masks.mark, message, "say so yourself: `evidence: {clips: none}`; stills are masked");
    }
    recording
}

fn model(context: &mut Context<'_>, camera: &Camera, mark: Mark, models: &Models) -> String {
    let name = camera.model.get().map_or(default::MODEL, String::as_str);
    let Some(models) = models.get() else { return name.to_owned() };
    if !models.contains_key(name) && !models.is_empty() && !matches!(camera.model, Field::Bad) {
        let known: Vec<&str> = models.keys().map(String::as_str).collect();
        let message = format!("there is no model {}", quoted(name));
        let help = match camera.model.is_given() {
            true => suggest::advice(name, &known, ""),
            false => format!("name this camera's model: `model:` with one of {}", known.join(", ")),
        };
        context.problems.error(mark_of(&camera.model).unwrap_or(mark), message, help);
    }
    name.to_owned()
}

fn track(context: &mut Context<'_>, camera: &Camera) -> TrackPlan {
    let Some(track) = camera.track.get() else {
        return TrackPlan {
            lost_for: default::LOST_FOR,
            high_score: default::HIGH_SCORE as f32,
            low_score: default::LOW_SCORE as f32,
        };
    };
    if let Some(zero) = track.lost_for.located().filter(|span| span.value == Span::ZERO) {
        context.problems.error(
            zero.mark,
            "`lost_for` cannot be zero",
            "write how long an object may be unseen, such as 1s",
        );
    }
    let plan = TrackPlan {
        lost_for: context.at_most(&track.lost_for, "lost_for", Duration::from_secs(60), default::LOST_FOR),
        high_score: context.share(&track.high_score, "high_score", default::HIGH_SCORE),
        low_score: context.share(&track.low_score, "low_score", default::LOW_SCORE),
    };
    if plan.low_score > plan.high_score
        && let Some(mark) = mark_of(&track.low_score).or(mark_of(&track.high_score))
    {
        let message = format!("`low_score` ({}) is above `high_score` ({})", plan.low_score, plan.high_score);
        context.problems.error(mark, message, "a track begins at `high_score` and may go on down to `low_score`");
    }
    plan
}

/// Which certificates are trusted; the file is opened when the camera is dialled, and only looked for here.
fn tls(context: &mut Context<'_>, camera: &Camera) -> TlsTrust {
    let Some(tls) = camera.tls.get() else { return TlsTrust::System };
    let insecure = tls.insecure.or(false);
    let Some(file) = tls.ca_file.located() else { return if insecure { TlsTrust::Any } else { TlsTrust::System } };
    if insecure {
        let message = "`ca_file` would be ignored: `insecure` takes any certificate";
        context.problems.error(file.mark, message, "remove one of them");
    }
    let path = context.path(&file.value);
    if let Err(why) = std::fs::metadata(&path) {
        let message = format!("{} cannot be read: {why}", quoted(&file.value));
        context.problems.error(file.mark, message, "name a PEM file with the authority's or the camera's certificate");
    }
    TlsTrust::CaFile(path)
}

fn starts_at(context: &mut Context<'_>, camera: &Camera) -> Option<Timestamp> {
    let written = camera.starts_at.located()?;
    let parsed = written.value.parse();
    if parsed.is_err() {
        let message = format!("`starts_at` cannot be {}", quoted(&written.value));
        context.problems.error(written.mark, message, "write a date and time with its zone: 2026-01-01T07:00:00Z");
    }
    parsed.ok()
}

fn rate(context: &mut Context<'_>, field: &Field<f64>, name: &str) -> Option<f64> {
    let rate = field.located()?;
    if !(rate.value > 0.0 && rate.value <= 240.0) {
        let message = format!("`{name}` cannot be {}", rate.value);
        context.problems.error(rate.mark, message, "it is a number of frames a second, above 0, at most 240");
    }
    Some(rate.value)
}

/// The signal feed. A recording's must be there; a live one may come later.
fn signals(context: &mut Context<'_>, camera: &Camera, is_recording: bool) -> Option<PathBuf> {
    let written = camera.signals.located()?;
    let path = context.path(&written.value);
    if is_recording && !path.is_file() {
        let message = format!("`signals` names no file: {}", path.display());
        context.problems.error(written.mark, message, "a recording needs the signals recorded with it");
    }
    Some(path)
}

fn rules(
    context: &mut Context<'_>,
    camera: &Camera,
    names: &super::SceneNames,
    zone: Option<&TimeZone>,
) -> Vec<RulePlan> {
    let Some(rules) = camera.rules.get() else { return Vec::new() };
    context.unique(rules.iter().map(|rule| &rule.value.id), "rule");
    let kinds = context.registry.rule_kinds;
    rules
        .iter()
        .filter_map(|rule| {
            let schedule = conditions::schedule(context, &rule.value, zone);
            let budget = conditions::budget(context, &rule.value.budget);
            let preset = conditions::preset(context, &rule.value.preset, camera);
            let (id, kind, params) = context.kind(&rule.value, kinds, "rule", names)?;
            Some(RulePlan { id, kind, params, schedule, budget, preset })
        })
        .collect()
}
