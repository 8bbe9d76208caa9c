//! Speeds by the bundled detector and the tracker, held to the truth of the clips.

use std::path::Path;

use serde_json::Value;

use crate::program::run;

/// Clips whose pipelines report each vehicle's speed.
const CLIPS: [&str; 3] = ["stopped-lorry", "wrong-way", "illegal-parking"];

/// Intersection over union of two boxes `[x1, y1, x2, y2]`.
fn iou(a: &[f64], b: &[f64]) -> f64 {
    let overlap = |low: usize| (a[low + 2].min(b[low + 2]) - a[low].max(b[low])).max(0.0);
    let inter = overlap(0) * overlap(1);
    let area = |c: &[f64]| (c[2] - c[0]) * (c[3] - c[1]);
    inter / (area(a) + area(b) - inter)
}

/// True mean speed in km/h of the object that was last seen in `bbox`, over the frames `from` to `to`.
fn true_kmh(truth: &Value, bbox: &[f64], frame: usize, from: f64, to: f64) -> Option<f64> {
    let size = [truth["width"].as_f64()?, truth["height"].as_f64()?];
    let frames = truth["frames_data"].as_array()?;
    let numbers = |row: &Value| row.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect::<Vec<f64>>();
    let mut best = (0.6, None);
    for rows in frames.get(frame.saturating_sub(40)..=frame.min(frames.len() - 1))? {
        for row in rows.as_array()?.iter().map(numbers) {
            let there: Vec<f64> = (0..4).map(|n| row[1 + n] / size[n % 2]).collect();
            let same = iou(bbox, &there);
            if same > best.0 {
                best = (same, Some(row[0]));
            }
        }
    }
    let id = best.1?;
    let within = frames.get(from.round() as usize..=to.round() as usize)?;
    let rows = within.iter().flat_map(|rows| rows.as_array().unwrap()).map(numbers);
    let speeds: Vec<f64> = rows.filter(|row| row[0] == id).map(|row| row[12] * 3.6).collect();
    (!speeds.is_empty()).then(|| speeds.iter().sum::<f64>() / speeds.len() as f64)
}

#[test]
fn speeds_by_the_detector_are_within_8_percent_and_their_intervals_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut errors, mut held, mut all) = (Vec::new(), 0, 0);
    for clip in CLIPS {
        let text = std::fs::read_to_string(root.join("test-media").join(clip).join("truth.json")).unwrap();
        let truth: Value = serde_json::from_str(&text).unwrap();
        let pipeline = root.join("pipelines").join(clip).with_extension("yaml");
        for event in run(&["replay", pipeline.to_str().unwrap()]).ok().lines() {
            if event["kind"] != "vehicle_speed" {
                continue;
            }
            let told = |name: &str| event["explanation"]["measured"][name].as_f64().unwrap();
            let bbox: Vec<f64> = serde_json::from_value(event["bbox"].clone()).unwrap();
            let frame = event["frame"].as_f64().unwrap();
            let to = frame - told("seconds_ago") * 10.0;
            let from = to - told("measured_seconds") * 10.0;
            let Some(kmh) = true_kmh(&truth, &bbox, frame as usize, from.max(0.0), to.max(0.0)) else { continue };
            all += 1;
            held += u32::from((told("speed_lower_kmh")..=told("speed_upper_kmh")).contains(&kmh));
            if kmh > 7.0 {
                errors.push((told("speed_kmh") / kmh - 1.0).abs());
            }
        }
    }
    let error = errors.iter().sum::<f64>() / errors.len() as f64;
    eprintln!("{all} vehicles, mean error {:.1} %, {held} intervals hold the truth", error * 100.0);
    assert!(all > 35 && error <= 0.08 && held * 10 >= all * 9, "{all} vehicles, {error}, {held} held");
}
