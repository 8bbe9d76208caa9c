//! What a camera could see of the traffic in one frame: a box for each object from its size at its place, how much
//! of it nearer boxes cover, and what stays visible. Pixels; `test-media/noise.py` measures with the same definitions.

use super::traffic::{CameraFacts, Object, Pose};

/// Cells along each side of a box on which covering is counted.
const CELLS: usize = 16;
/// Lower or narrower objects are nobody's business.
const LEAST_PX: f64 = 6.0;

/// Left, top, right, bottom; pixels.
pub type Px = [f64; 4];

/// One object as the camera would see it alone, and what the others leave of it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Index into the traffic's objects.
    pub object: usize,
    pub pose: Pose,
    /// The whole box within the picture.
    pub whole: Px,
    /// The bounds of what no nearer box covers; the whole box when all is covered.
    pub visible: Px,
    /// Share of the whole box that nearer boxes cover.
    pub cover: f64,
    /// Share of the object that the picture's edge takes.
    pub cut: f64,
    depth: f64,
}

impl Seen {
    pub fn height(&self) -> f64 {
        self.whole[3] - self.whole[1]
    }
}

pub struct View<'a> {
    camera: &'a CameraFacts,
    width: f64,
    height: f64,
}

impl<'a> View<'a> {
    pub fn new(camera: &'a CameraFacts, width: f64, height: f64) -> Self {
        Self { camera, width, height }
    }

    /// Where on the ground a pixel looks, metres; none above the horizon.
    pub fn ground(&self, u: f64, v: f64) -> Option<[f64; 2]> {
        let (r, t) = (&self.camera.rotation_world_to_camera, &self.camera.translation_m);
        let ray = [(u - self.width / 2.0) / self.camera.focal_px, (v - self.height / 2.0) / self.camera.focal_px, 1.0];
        let to_world = |a: &[f64; 3], axis: usize| (0..3).map(|k| r[k][axis] * a[k]).sum::<f64>();
        let (down, height) = (to_world(&ray, 2), -to_world(t, 2));
        let far = -height / down;
        (down < 0.0).then(|| [0, 1].map(|axis| far * to_world(&ray, axis) - to_world(t, axis)))
    }

    /// All objects that the picture shows.
    pub fn see(&self, present: impl Iterator<Item = (usize, Pose, [f64; 3])>) -> Vec<Seen> {
        let mut seen: Vec<Seen> = present.filter_map(|(object, pose, size)| self.alone(object, pose, size)).collect();
        seen.sort_by(|a, b| a.depth.total_cmp(&b.depth).then(a.object.cmp(&b.object)));
        for i in 0..seen.len() {
            let (nearer, rest) = seen.split_at_mut(i);
            rest[0].cover_by(nearer);
        }
        seen
    }

    /// The box of one object, whatever stands before it.
    pub fn alone(&self, object: usize, pose: Pose, [length, width, height]: [f64; 3]) -> Option<Seen> {
        let (sin, cos) = pose.yaw.sin_cos();
        let mut whole = [f64::MAX, f64::MAX, f64::MIN, f64::MIN];
        for corner in 0..8 {
            let sign = |bit: u32| if corner >> bit & 1 == 1 { 0.5 } else { -0.5 };
            let (along, aside) = (sign(0) * length, sign(1) * width);
            let z = if corner >> 2 & 1 == 1 { height } else { 0.0 };
            let [u, v, depth] =
                self.project([pose.x + along * cos - aside * sin, pose.y + along * sin + aside * cos, z]);
            if depth < 1.0 {
                return None;
            }
            whole = [whole[0].min(u), whole[1].min(v), whole[2].max(u), whole[3].max(v)];
        }
        let inside = [
            whole[0].clamp(0.0, self.width),
            whole[1].clamp(0.0, self.height),
            whole[2].clamp(0.0, self.width),
            whole[3].clamp(0.0, self.height),
        ];
        let area = |b: &Px| (b[2] - b[0]) * (b[3] - b[1]);
        let [_, _, depth] = self.project([pose.x, pose.y, 0.0]);
        let large = inside[2] - inside[0] >= LEAST_PX / 2.0 && inside[3] - inside[1] >= LEAST_PX;
        large.then(|| Seen {
            object,
            pose,
            whole: inside,
            visible: inside,
            cover: 0.0,
            cut: 1.0 - area(&inside) / area(&whole),
            depth,
        })
    }

    /// Pixels, and metres ahead of the camera.
    fn project(&self, p: [f64; 3]) -> [f64; 3] {
        let row = |i: usize| {
            let r = self.camera.rotation_world_to_camera[i];
            r[0] * p[0] + r[1] * p[1] + r[2] * p[2] + self.camera.translation_m[i]
        };
        let z = row(2);
        [self.camera.focal_px * row(0) / z + self.width / 2.0, self.camera.focal_px * row(1) / z + self.height / 2.0, z]
    }
}

impl Seen {
    fn cover_by(&mut self, nearer: &[Self]) {
        let own = self.whole;
        let step = [(own[2] - own[0]) / CELLS as f64, (own[3] - own[1]) / CELLS as f64];
        let mut hidden = [0u16; CELLS];
        let mut any = false;
        for other in nearer {
            let b = other.whole;
            if b[0] >= own[2] || b[2] <= own[0] || b[1] >= own[3] || b[3] <= own[1] {
                continue;
            }
            // A cell is covered when its middle is.
            let cell =
                |edge: f64, origin: f64, step: f64| ((edge - origin) / step + 0.5).floor().clamp(0.0, CELLS as f64);
            let (left, right) = (cell(b[0], own[0], step[0]) as u32, cell(b[2], own[0], step[0]) as u32);
            let (top, bottom) = (cell(b[1], own[1], step[1]) as usize, cell(b[3], own[1], step[1]) as usize);
            let columns = ((1u32 << right) - 1) & !((1u32 << left) - 1);
            for row in hidden.iter_mut().take(bottom).skip(top) {
                *row |= columns as u16;
                any = true;
            }
        }
        if !any {
            return;
        }
        let count: u32 = hidden.iter().map(|row| row.count_ones()).sum();
        self.cover = f64::from(count) / (CELLS * CELLS) as f64;
        let free = |row: &u16| *row != u16::MAX;
        let (Some(top), Some(bottom)) = (hidden.iter().position(free), hidden.iter().rposition(free)) else { return };
        let columns = hidden.iter().fold(0u16, |sum, row| sum | !row);
        let (left, right) = (columns.trailing_zeros(), CELLS as u32 - columns.leading_zeros());
        self.visible = [
            own[0] + f64::from(left) * step[0],
            own[1] + top as f64 * step[1],
            own[0] + f64::from(right) * step[0],
            own[1] + (bottom + 1) as f64 * step[1],
        ];
    }
}

/// Those of the objects that are there in a frame.
pub struct Presence<'a> {
    objects: &'a [Object],
    next: usize,
    live: Vec<usize>,
}

impl<'a> Presence<'a> {
    /// Frames must come in order.
    pub fn new(objects: &'a [Object]) -> Self {
        Self { objects, next: 0, live: Vec::new() }
    }

    pub fn at(&mut self, frame: i64, fps: f64) -> Vec<(usize, Pose, [f64; 3])> {
        while self.objects.get(self.next).is_some_and(|object| object.first() <= frame) {
            self.live.push(self.next);
            self.next += 1;
        }
        let objects = self.objects;
        self.live.retain(|&i| objects[i].last() >= frame);
        self.live.iter().filter_map(|&i| Some((i, objects[i].at(frame, fps)?, objects[i].size_m))).collect()
    }
}

/// Intersection over union.
pub fn iou(a: &Px, b: &Px) -> f64 {
    let w = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let h = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let area = |b: &Px| (b[2] - b[0]).max(0.0) * (b[3] - b[1]).max(0.0);
    let union = area(a) + area(b) - w * h;
    if union > 0.0 { w * h / union } else { 0.0 }
}
