//! One pass from decoded planes to a model's input tensor, or to a small RGB picture.
//!
//! The result is that of the plain way (every pixel to RGB with its nearest chroma sample, then
//! OpenCV's `INTER_LINEAR` resize, then padding, scale and bias), but neither the full-size RGB
//! picture nor the full-size float one ever exists. Per destination row: the two source rows are
//! mixed as they are (Y, U, V), the mixed row is sampled at the destination columns, and only the
//! samples that are left meet the colour matrix, whose constants already hold scale and bias.
//!
//! This commutes with the plain way because everything in it is affine, except for one thing: the
//! plain way clamps each source pixel to 0..=255 before resizing, this one clamps the result. The
//! two agree on every picture whose pixels are all real colours. Samples that are none (a YUV triple
//! outside the RGB cube: noise, ringing at saturated edges) are averaged with their overshoot; the
//! error is at most the overshoot times its bilinear weight.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod kernels;
mod portable;
mod taps;
mod turn;

use super::colour::Channel;
use super::letterbox::{ChannelOrder, LetterboxMap, TensorSpec};
use super::planes::{PlaneFormat, Planes, Rotation, halved};
use crate::base::{Error, ErrorKind, Result};
use kernels::Kernels;
use taps::{Plan, PlanKey, RowTap};
pub(super) use turn::turn;

/// Plans kept; a worker sees few picture sizes, so the oldest one goes when there are more.
const MAX_PLANS: usize = 16;

/// Vertically mixed samples are Q7 and horizontal weights Q14: this brings their product to levels.
const LEVELS_PER_Q21: f32 = 1.0 / (1 << 21) as f32;

/// A tensor channel as an affine function of Q21 samples, with the bounds it is clamped to.
#[derive(Debug, Clone, Copy)]
struct Finish {
    y: f32,
    u: f32,
    v: f32,
    offset: f32,
    low: f32,
    high: f32,
}

impl Finish {
    /// `channel * scale + bias`, the channel clamped to 0..=255.
    fn new(channel: Channel, format: PlaneFormat, scale: f32, bias: f32) -> Self {
        let (u, v) = if format == PlaneFormat::Nv21 { (channel.v, channel.u) } else { (channel.u, channel.v) };
        // A grey picture has neutral chroma everywhere, which the kernels then leave out.
        let neutral = if format == PlaneFormat::Gray8 { 128.0 * (u + v) } else { 0.0 };
        let (black, white) = (bias, 255.0 * scale + bias);
        let factor = scale * LEVELS_PER_Q21;
        Self {
            y: channel.y * factor,
            u: u * factor,
            v: v * factor,
            offset: (channel.offset + neutral) * scale + bias,
            low: black.min(white),
            high: black.max(white),
        }
    }
}

/// Turns pictures into tensors. Holds scratch memory and the taps of the sizes it has met: keep one
/// per worker.
#[derive(Debug)]
pub struct Preprocessor {
    kernels: Kernels,
    plans: Vec<Plan>,
    luma: Vec<i16>,
    chroma: Vec<i16>,
    /// Content before its rotation, planar.
    upright: Vec<f32>,
}

impl Default for Preprocessor {
    fn default() -> Self {
        Self::new()
    }
}

impl Preprocessor {
    /// With the fastest kernels that this processor runs.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Kernels::detect())
    }

    /// With the plain kernels, whatever the processor: the definition that the others are tested against.
    #[must_use]
    pub fn portable() -> Self {
        Self::with(Kernels::PORTABLE)
    }

    fn with(kernels: Kernels) -> Self {
        Self { kernels, plans: Vec::new(), luma: Vec::new(), chroma: Vec::new(), upright: Vec::new() }
    }

    /// Writes all of `out`, one row (one picture) of a tensor as `spec` describes it, from `planes`
    /// laid in as `map` says.
    ///
    /// # Errors
    /// `Internal` when `out`, `spec`, `map` and `planes` do not belong together.
    pub fn fill(&mut self, planes: &Planes, spec: &TensorSpec, map: &LetterboxMap, out: &mut [f32]) -> Result<()> {
        check(planes, spec, map, out)?;
        let finish = finishes(planes, spec);
        let (plane0, rest) = out.split_at_mut(spec.width * spec.height);
        let (plane1, plane2) = rest.split_at_mut(spec.width * spec.height);
        let mut out = [plane0, plane1, plane2];
        for ((plane, scale), bias) in out.iter_mut().zip(spec.scale).zip(spec.bias) {
            pad(plane, spec.width, map, f32::from(spec.pad) * scale + bias);
        }
        let place = |y: usize| {
            let begin = (map.top + y) * spec.width + map.left;
            begin..begin + map.width
        };

        let rotation = planes.rotation();
        let content = rotation.turned((map.width, map.height));
        let mut upright = std::mem::take(&mut self.upright);
        let mut resize = self.resize(planes, content, finish);
        if rotation == Rotation::None {
            for y in 0..map.height {
                resize.row(y, out.each_mut().map(|plane| &mut plane[place(y)]));
            }
        } else {
            let area = content.0 * content.1;
            upright.resize(3 * area, 0.0);
            resize.all(&mut upright);
            for (plane, upright) in out.iter_mut().zip(upright.chunks_exact(area)) {
                turn(upright, content, rotation, &mut plane[place(0).start..], spec.width);
            }
        }
        self.upright = upright;
        Ok(())
    }

    /// The picture as displayed, resized to `size` (width, height) without padding: RGB, 3 bytes per
    /// pixel, rows without gaps.
    ///
    /// # Errors
    /// `Internal` when a side of `size` is 0.
    pub fn rgb(&mut self, planes: &Planes, size: (usize, usize)) -> Result<Vec<u8>> {
        if size.0 == 0 || size.1 == 0 {
            return Err(Error::new(ErrorKind::Internal, format!("a picture of {}x{} was asked for", size.0, size.1)));
        }
        let rotation = planes.rotation();
        let content = rotation.turned(size);
        let channels = planes.colour().channels(planes.format().depth());
        let finish = channels.map(|channel| Finish::new(channel, planes.format(), 1.0, 0.0));
        let mut pixels = vec![[0_u8; 3]; content.0 * content.1];
        let mut rows = std::mem::take(&mut self.upright);
        rows.resize(3 * content.0, 0.0);
        let kernels = self.kernels;
        let mut resize = self.resize(planes, content, finish);
        let (red, rest) = rows.split_at_mut(content.0);
        let (green, blue) = rest.split_at_mut(content.0);
        for (y, pixels) in pixels.chunks_exact_mut(content.0).enumerate() {
            resize.row(y, [red, green, blue]);
            kernels.pack([&*red, &*green, &*blue], pixels);
        }
        self.upright = rows;
        if rotation == Rotation::None {
            return Ok(pixels.into_flattened());
        }
        let mut turned = vec![[0_u8; 3]; size.0 * size.1];
        turn(&pixels, content, rotation, &mut turned, size.0);
        Ok(turned.into_flattened())
    }

    /// Prepares the resize of `planes` to `content` (width, height, before rotation).
    fn resize<'a>(&'a mut self, planes: &'a Planes<'a>, content: (usize, usize), finish: [Finish; 3]) -> Resize<'a> {
        let source = (planes.width(), planes.height());
        let key = PlanKey { source, content, chroma_shift_x: planes.format().chroma_shift().0 };
        let index = self.plans.iter().position(|plan| plan.key == key).unwrap_or_else(|| {
            if self.plans.len() == MAX_PLANS {
                self.plans.remove(0);
            }
            self.plans.push(Plan::new(key));
            self.plans.len() - 1
        });
        let plan = &self.plans[index];
        self.luma.resize(plan.columns.luma_len().max(self.luma.len()), 0);
        self.chroma.resize(plan.columns.chroma_len().max(self.chroma.len()), 0);
        Resize { kernels: self.kernels, plan, planes, finish, luma: &mut self.luma, chroma: &mut self.chroma }
    }
}

/// One picture being resized, row by row.
struct Resize<'a> {
    kernels: Kernels,
    plan: &'a Plan,
    planes: &'a Planes<'a>,
    finish: [Finish; 3],
    luma: &'a mut [i16],
    chroma: &'a mut [i16],
}

impl Resize<'_> {
    /// Writes destination row `y`, one slice per channel.
    fn row(&mut self, y: usize, out: [&mut [f32]; 3]) {
        let tap = self.plan.rows[y];
        let format = self.planes.format();
        let deep = format.depth() > 8;
        let rows = |plane: usize, tap: RowTap| [self.planes.row(plane, tap.above), self.planes.row(plane, tap.below)];

        self.kernels.blend(deep, rows(0, tap), tap.weight_q15, &mut self.luma[..self.planes.width()]);
        let (shift_x, shift_y) = format.chroma_shift();
        let mixed = &mut self.chroma[..2 * halved(self.planes.width(), shift_x)];
        let tap = tap.chroma(shift_y);
        let chroma = match format.plane_count() {
            1 => None,
            2 => {
                self.kernels.blend(deep, rows(1, tap), tap.weight_q15, mixed);
                Some(&*self.chroma)
            }
            _ => {
                self.kernels.blend_pair(deep, rows(1, tap), rows(2, tap), tap.weight_q15, mixed);
                Some(&*self.chroma)
            }
        };
        self.kernels.project(&self.plan.columns, self.luma, chroma, &self.finish, out);
    }

    /// Writes every row into a planar buffer of the content's size.
    fn all(&mut self, out: &mut [f32]) {
        let (w, h) = self.plan.key.content;
        let (plane0, rest) = out.split_at_mut(w * h);
        let (plane1, plane2) = rest.split_at_mut(w * h);
        let rows = plane0.chunks_exact_mut(w).zip(plane1.chunks_exact_mut(w)).zip(plane2.chunks_exact_mut(w));
        for (y, ((row0, row1), row2)) in rows.enumerate() {
            self.row(y, [row0, row1, row2]);
        }
    }
}

/// The tensor's channels in its own order.
fn finishes(planes: &Planes, spec: &TensorSpec) -> [Finish; 3] {
    let [red, green, blue] = planes.colour().channels(planes.format().depth());
    let channels = match spec.order {
        ChannelOrder::Rgb => [red, green, blue],
        ChannelOrder::Bgr => [blue, green, red],
    };
    std::array::from_fn(|c| Finish::new(channels[c], planes.format(), spec.scale[c], spec.bias[c]))
}

fn check(planes: &Planes, spec: &TensorSpec, map: &LetterboxMap, out: &[f32]) -> Result<()> {
    let internal = |what: String| Err(Error::new(ErrorKind::Internal, format!("filling a tensor: {what}")));
    if out.len() != spec.len() {
        return internal(format!("{} values for an input of {}", out.len(), spec.len()));
    }
    if map.picture != planes.displayed_size() {
        return internal(format!("map for {:?}, picture displayed as {:?}", map.picture, planes.displayed_size()));
    }
    let inside = |begin: usize, n: usize, size: usize| n > 0 && begin.checked_add(n).is_some_and(|end| end <= size);
    if !inside(map.left, map.width, spec.width) || !inside(map.top, map.height, spec.height) {
        return internal(format!("{map:?} does not lie in an input of {}x{}", spec.width, spec.height));
    }
    Ok(())
}

/// Fills what the content leaves free.
fn pad(plane: &mut [f32], width: usize, map: &LetterboxMap, value: f32) {
    let (above, rest) = plane.split_at_mut(map.top * width);
    let (content, below) = rest.split_at_mut(map.height * width);
    above.fill(value);
    below.fill(value);
    if map.width < width {
        for row in content.chunks_exact_mut(width) {
            row[..map.left].fill(value);
            row[map.left + map.width..].fill(value);
        }
    }
}
