//! The plan's fingerprint: equal for pipelines that analyse alike, whatever their folder and passwords.
//!
//! Events carry it, so that an alarm tells which settings raised it.

use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::address::Address;
use super::plan::{CameraPlan, InferencePlan, ModelPlan, Plan, RulePlan, StorePlan, TrackPlan};
use crate::scene::schedule::{Maintenance, Occasion};
use crate::scene::{NormPoint, Polygon, Segment};

impl Plan {
    /// SHA-256, in hex, of [`Plan::normal_form`].
    #[must_use]
    pub fn hash(&self) -> String {
        let mut text = String::new();
        write_canonical(&self.normal_form(), &mut text);
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The plan as JSON with every default filled in: no secret, no store path, and paths below the pipeline file's
    /// folder relative to it, so that the same pipeline elsewhere gives the same.
    #[must_use]
    pub fn normal_form(&self) -> Value {
        // Taken apart without `..`, so that a new setting cannot be forgotten here.
        let Self { folder, store, tracks: _, server, inference, models, sinks, cameras } = self;
        // How long media are kept changes nothing of what is seen.
        let StorePlan { path: _, keep_days, keep_max_mib, media: _ } = store;
        let InferencePlan { workers, max_batch, max_wait } = inference;
        let models: Map<String, Value> =
            models.iter().map(|(name, model)| (name.clone(), model_form(model, folder))).collect();
        let sinks: Vec<Value> =
            sinks.iter().map(|sink| kind_form(&sink.id, &sink.kind, &sink.params, folder)).collect();
        let cameras: Vec<Value> = cameras.iter().map(|camera| camera_form(camera, folder)).collect();
        json!({
            "version": super::raw::VERSION,
            "store": {"keep": {"days": keep_days, "max_mib": keep_max_mib}},
            "server": server.as_ref().map(|server| json!({"listen": server.listen.to_string()})),
            "inference": {"workers": workers, "max_batch": max_batch, "max_wait_us": micros(*max_wait)},
            "models": models,
            "sinks": sinks,
            "cameras": cameras,
        })
    }
}

fn model_form(model: &ModelPlan, folder: &Path) -> Value {
    let ModelPlan { path, family, labels, score, nms, provider, device, fp16, engine_cache, fallback_to_cpu } = model;
    json!({
        "path": relative(path, folder),
        "family": family,
        "labels": labels.as_ref().map(|path| relative(path, folder)),
        "score": score,
        "nms": nms,
        "provider": provider.as_str(),
        "device": device,
        "fp16": fp16,
        "engine_cache": engine_cache.as_ref().map(|path| relative(path, folder)),
        "fallback_to_cpu": fallback_to_cpu,
    })
}

fn camera_form(camera: &CameraPlan, folder: &Path) -> Value {
    let CameraPlan {
        id,
        analysis,
        evidence,
        // Who is trusted changes nothing of what is seen.
        tls: _,
        transport,
        latency,
        assume_fps,
        starts_at,
        matrix,
        range,
        rotate,
        analyse_fps,
        model,
        track,
        // Whether what rules see is stored changes nothing of it.
        store_tracks: _,
        ground,
        signals,
        // Nor does what is kept of it.
        recording: _,
        // Nor what is shown of it.
        masks: _,
        zones,
        lines,
        lanes,
        rules,
        presets,
        site,
        maintenance,
        budget,
        // Nor what people call it, and where it stands.
        about: _,
    } = camera;
    let TrackPlan { lost_for, high_score, low_score } = track;
    let zones: Vec<Value> =
        zones.iter().map(|zone| json!({"id": zone.id, "polygon": polygon_form(&zone.polygon)})).collect();
    let lines: Vec<Value> =
        lines.iter().map(|line| json!({"id": line.id, "segment": segment_form(&line.segment)})).collect();
    let lanes: Vec<Value> = lanes
        .iter()
        .map(|lane| {
            json!({"id": lane.id, "polygon": polygon_form(&lane.polygon), "direction": segment_form(&lane.direction)})
        })
        .collect();
    let rules: Vec<Value> = rules.iter().map(|rule| rule_form(rule, folder)).collect();
    json!({
        "id": id,
        "analysis": address_form(analysis, folder),
        "evidence": evidence.as_ref().map(|address| address_form(address, folder)),
        "transport": format!("{transport:?}"),
        "latency_us": micros(*latency),
        "assume_fps": assume_fps,
        "starts_at": starts_at,
        "matrix": matrix.map(|matrix| format!("{matrix:?}")),
        "range": range.map(|range| format!("{range:?}")),
        "rotate": rotate.degrees(),
        "analyse_fps": analyse_fps,
        "model": model,
        "track": {"lost_for_us": micros(*lost_for), "high_score": high_score, "low_score": low_score},
        "ground": ground.as_ref().map(|ground| json!({"matrix": ground.matrix(), "error_m": ground.error_m()})),
        "signals": signals.as_ref().map(|path| relative(path, folder)),
        "zones": zones,
        "lines": lines,
        "lanes": lanes,
        "rules": rules,
        "presets": presets
            .iter()
            .map(|preset| json!({"id": preset.id, "reference": relative(&preset.reference, folder)}))
            .collect::<Vec<_>>(),
        "site": site,
        "maintenance": maintenance.iter().map(maintenance_form).collect::<Vec<_>>(),
        "budget": budget,
    })
}

fn rule_form(rule: &RulePlan, folder: &Path) -> Value {
    let RulePlan { id, kind, params, schedule, budget, preset } = rule;
    let mut form = kind_form(id, kind, params, folder);
    if let Some(form) = form.as_object_mut() {
        form.insert("schedule".to_owned(), json!(schedule.as_ref().map(ToString::to_string)));
        form.insert("budget".to_owned(), json!(budget));
        form.insert("preset".to_owned(), json!(preset));
    }
    form
}

fn maintenance_form(maintenance: &Maintenance) -> Value {
    let Maintenance { when, reason } = maintenance;
    match when {
        Occasion::Once(from, to) => json!({"from": from, "to": to, "reason": reason}),
        Occasion::Weekly(schedule) => json!({"weekly": schedule.to_string(), "reason": reason}),
    }
}

fn kind_form(id: &str, kind: &str, params: &Map<String, Value>, folder: &Path) -> Value {
    // Which parameters are paths is the kind's business, but only a path begins with the folder.
    let params: Map<String, Value> = params
        .iter()
        .map(|(name, value)| {
            let inside = value.as_str().map(Path::new).and_then(|path| path.strip_prefix(folder).ok());
            (name.clone(), inside.map_or_else(|| value.clone(), |path| json!(path.to_string_lossy())))
        })
        .collect();
    json!({"id": id, "type": kind, "params": params})
}

fn address_form(address: &Address, folder: &Path) -> Value {
    match address {
        Address::File(path) => relative(path, folder),
        Address::Network { .. } => json!(address.shown()),
    }
}

fn relative(path: &Path, folder: &Path) -> Value {
    json!(path.strip_prefix(folder).unwrap_or(path).to_string_lossy())
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn polygon_form(polygon: &Polygon) -> Value {
    json!(polygon.corners())
}

fn segment_form(segment: &Segment) -> Value {
    let points: [NormPoint; 2] = [segment.from, segment.to];
    json!(points)
}

/// Compact JSON with sorted keys, whatever order the map type keeps.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
