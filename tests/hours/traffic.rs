//! Reads an hour of traffic: a gzip file of JSON lines, the head first, then one object a line. Written by
//! `test-media/make.py hours`; `test-media/README.md` has the format. Ground coordinates are metres.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;

/// What the first line says.
#[derive(Debug, Deserialize)]
pub struct Head {
    pub name: String,
    pub seed: u64,
    /// `day`, `night` or `rain`: which noise applies.
    pub light: String,
    pub fps: f64,
    pub seconds: f64,
    /// Pixels.
    pub width: f64,
    pub height: f64,
    pub camera: CameraFacts,
    pub incidents: Vec<Incident>,
}

/// A pinhole camera: pixel ~ K (R X + t), x right, y down, z ahead.
#[derive(Debug, Deserialize)]
pub struct CameraFacts {
    pub focal_px: f64,
    pub rotation_world_to_camera: [[f64; 3]; 3],
    pub translation_m: [f64; 3],
}

/// Something that a rule should report.
#[derive(Debug, Clone, Deserialize)]
pub struct Incident {
    /// The rule's kind; `short_stop` is one that no rule may report.
    pub kind: String,
    pub object: u64,
    /// The lane or zone.
    pub area: String,
    pub onset_s: f64,
    pub end_s: f64,
    pub what: String,
}

#[derive(Debug, Deserialize)]
struct Line {
    id: u64,
    class: String,
    size_m: [f64; 3],
    knots: Vec<i64>,
}

/// One object's way, straight between its knots.
#[derive(Debug)]
pub struct Object {
    pub id: u64,
    pub class: String,
    /// Length, width, height; metres.
    pub size_m: [f64; 3],
    knots: Vec<Knot>,
}

#[derive(Debug, Clone, Copy)]
struct Knot {
    frame: i64,
    x: f64,
    y: f64,
    yaw: f64,
}

/// Where an object is: middle of its footprint, heading in radians from east to north, speed in m/s.
#[derive(Debug, Clone, Copy)]
pub struct Pose {
    pub x: f64,
    pub y: f64,
    pub yaw: f64,
    pub speed: f64,
}

/// A camera's traffic.
#[derive(Debug)]
pub struct Traffic {
    pub head: Head,
    /// In order of their first frame.
    pub objects: Vec<Object>,
}

impl Traffic {
    /// Panics, as tests do, when the file is not one.
    pub fn read(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut lines = BufReader::new(GzDecoder::new(file)).lines().map(Result::unwrap);
        let head: Head = serde_json::from_str(&lines.next().unwrap()).unwrap();
        let mut objects: Vec<Object> = lines.map(|line| Object::of(serde_json::from_str(&line).unwrap())).collect();
        objects.sort_by_key(|object| (object.first(), object.id));
        Self { head, objects }
    }
}

impl Object {
    /// Knots are frame, x and y in centimetres and heading in degrees: the first as it is, the others as differences.
    fn of(line: Line) -> Self {
        let mut sum = [0i64; 4];
        let knots = line
            .knots
            .chunks_exact(4)
            .map(|step| {
                sum.iter_mut().zip(step).for_each(|(s, d)| *s += d);
                let [frame, x, y, yaw] = sum;
                Knot { frame, x: x as f64 / 100.0, y: y as f64 / 100.0, yaw: (yaw as f64).to_radians() }
            })
            .collect();
        Self { id: line.id, class: line.class, size_m: line.size_m, knots }
    }

    pub fn first(&self) -> i64 {
        self.knots[0].frame
    }

    pub fn last(&self) -> i64 {
        self.knots[self.knots.len() - 1].frame
    }

    /// None before its first and after its last knot.
    pub fn at(&self, frame: i64, fps: f64) -> Option<Pose> {
        let after = self.knots.partition_point(|knot| knot.frame <= frame);
        let a = self.knots.get(after.checked_sub(1)?)?;
        let Some(b) = self.knots.get(after) else {
            return (a.frame == frame).then_some(Pose { x: a.x, y: a.y, yaw: a.yaw, speed: 0.0 });
        };
        let span = (b.frame - a.frame) as f64;
        let s = (frame - a.frame) as f64 / span;
        let mix = |p: f64, q: f64| p + (q - p) * s;
        let speed = (b.x - a.x).hypot(b.y - a.y) * fps / span;
        Some(Pose { x: mix(a.x, b.x), y: mix(a.y, b.y), yaw: mix(a.yaw, b.yaw), speed })
    }
}
