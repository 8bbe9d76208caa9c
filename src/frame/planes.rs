//! A decoded picture by reference: sample planes, sizes, colour meaning, orientation.
//!
//! [`Planes`] can only be made by [`Planes::new`], which checks every plane against the picture's
//! size; so each row asked for later lies inside its plane.

use super::colour::Colour;
use crate::base::{Error, ErrorKind, Result};

/// The longest side accepted, in pixels; twice that of the highest H.265 level (6.2).
pub const MAX_SIDE: usize = 16_384;

/// How the samples lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaneFormat {
    /// Planes Y, U, V; chroma halved on both axes.
    I420,
    /// Planes Y and UV interleaved; chroma halved on both axes.
    Nv12,
    /// Planes Y and VU interleaved; chroma halved on both axes.
    Nv21,
    /// Planes Y, U, V; chroma halved horizontally (4:2:2).
    Y42b,
    /// Planes Y, U, V; chroma at full size (4:4:4).
    Y444,
    /// Plane Y alone.
    Gray8,
    /// As I420, each sample 10 bits in a little-endian `u16`.
    I420P10Le,
    /// As Y42b, each sample 10 bits in a little-endian `u16`.
    I422P10Le,
}

impl PlaneFormat {
    /// Number of planes.
    #[must_use]
    pub fn plane_count(self) -> usize {
        match self {
            Self::Gray8 => 1,
            Self::Nv12 | Self::Nv21 => 2,
            _ => 3,
        }
    }

    /// Bits per sample.
    #[must_use]
    pub fn depth(self) -> u32 {
        match self {
            Self::I420P10Le | Self::I422P10Le => 10,
            _ => 8,
        }
    }

    /// How often chroma is halved: (horizontally, vertically).
    #[must_use]
    pub fn chroma_shift(self) -> (u32, u32) {
        match self {
            Self::I420 | Self::Nv12 | Self::Nv21 | Self::I420P10Le => (1, 1),
            Self::Y42b | Self::I422P10Le => (1, 0),
            Self::Y444 | Self::Gray8 => (0, 0),
        }
    }

    /// Bytes of one row and rows of plane `index` of a picture of `width` x `height` pixels.
    fn plane_size(self, index: usize, width: usize, height: usize) -> (usize, usize) {
        let bytes_per_sample = if self.depth() > 8 { 2 } else { 1 };
        if index == 0 {
            return (width * bytes_per_sample, height);
        }
        let (shift_x, shift_y) = self.chroma_shift();
        let samples = if matches!(self, Self::Nv12 | Self::Nv21) { 2 } else { 1 };
        (halved(width, shift_x) * samples * bytes_per_sample, halved(height, shift_y))
    }
}

/// `n` halved `shift` times (0 or 1), rounded up: an odd picture's last column has its own chroma sample.
pub(super) fn halved(n: usize, shift: u32) -> usize {
    (n + (1 << shift) - 1) >> shift
}

/// One plane: rows of `stride` bytes, the first at the beginning of `data`.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// The rows; the last one may end before a whole stride.
    pub data: &'a [u8],
    /// Bytes from one row's beginning to the next one's.
    pub stride: usize,
}

/// The turn, clockwise, that brings the stored picture upright as displayed.
///
/// With a stored picture of `w` x `h` pixels, the displayed pixel (x, y) is the stored one
/// (y, h-1-x) for `Cw90`, (w-1-x, h-1-y) for `Cw180`, (w-1-y, x) for `Cw270`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rotation {
    /// Displayed as stored.
    #[default]
    None,
    /// A quarter turn clockwise.
    Cw90,
    /// Half a turn.
    Cw180,
    /// Three quarter turns clockwise.
    Cw270,
}

impl Rotation {
    /// Clockwise degrees.
    #[must_use]
    pub fn degrees(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Cw90 => 90,
            Self::Cw180 => 180,
            Self::Cw270 => 270,
        }
    }

    /// The size after the turn of something of `size` (width, height); its own inverse.
    #[must_use]
    pub fn turned(self, size: (usize, usize)) -> (usize, usize) {
        match self {
            Self::None | Self::Cw180 => size,
            Self::Cw90 | Self::Cw270 => (size.1, size.0),
        }
    }
}

/// A picture's planes with what is needed to understand them.
#[derive(Debug, Clone, Copy)]
pub struct Planes<'a> {
    width: usize,
    height: usize,
    format: PlaneFormat,
    planes: [Plane<'a>; 3],
    colour: Colour,
    rotation: Rotation,
}

impl<'a> Planes<'a> {
    /// A picture of `width` x `height` pixels as stored, cropping already applied to sizes and plane
    /// beginnings. `planes` holds the format's planes in its order.
    ///
    /// # Errors
    /// `Corrupt` when a side is 0 or above [`MAX_SIDE`], a plane is missing, a stride is shorter than
    /// its row, or a plane's data ends before its last row does.
    pub fn new(
        (width, height): (usize, usize),
        format: PlaneFormat,
        planes: &[Plane<'a>],
        colour: Colour,
        rotation: Rotation,
    ) -> Result<Self> {
        let corrupt = |what: String| {
            Error::new(ErrorKind::Corrupt, format!("picture {width}x{height} {format:?}: {what}"))
                .help("the decoder described its buffer wrongly; this frame cannot be used")
        };
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(corrupt(format!("each side must be 1 to {MAX_SIDE} pixels")));
        }
        if planes.len() != format.plane_count() {
            return Err(corrupt(format!("{} planes instead of {}", planes.len(), format.plane_count())));
        }
        let mut checked = [Plane { data: &[], stride: 0 }; 3];
        for (index, (slot, plane)) in checked.iter_mut().zip(planes).enumerate() {
            let (row_bytes, rows) = format.plane_size(index, width, height);
            if plane.stride < row_bytes {
                return Err(corrupt(format!("plane {index} has stride {} below {row_bytes}", plane.stride)));
            }
            let needed = plane.stride.checked_mul(rows - 1).and_then(|n| n.checked_add(row_bytes));
            if needed.is_none_or(|needed| plane.data.len() < needed) {
                return Err(corrupt(format!(
                    "plane {index} has {} bytes, too few for {rows} rows of stride {}",
                    plane.data.len(),
                    plane.stride
                )));
            }
            *slot = *plane;
        }
        Ok(Self { width, height, format, planes: checked, colour, rotation })
    }

    /// Width as stored, pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height as stored, pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Sample layout.
    #[must_use]
    pub fn format(&self) -> PlaneFormat {
        self.format
    }

    /// What the samples mean.
    #[must_use]
    pub fn colour(&self) -> Colour {
        self.colour
    }

    /// The turn still to be applied for display.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        self.rotation
    }

    /// (width, height) as displayed, pixels.
    #[must_use]
    pub fn displayed_size(&self) -> (usize, usize) {
        self.rotation.turned((self.width, self.height))
    }

    /// The sample bytes of row `row` of plane `index`, without the stride's rest; empty for a plane
    /// that the format lacks.
    ///
    /// # Panics
    /// When `row` is not a row of that plane; the checks in [`Planes::new`] exclude every other cause.
    #[must_use]
    pub fn row(&self, index: usize, row: usize) -> &'a [u8] {
        if index >= self.format.plane_count() {
            return &[];
        }
        let (row_bytes, _) = self.format.plane_size(index, self.width, self.height);
        let plane = &self.planes[index];
        &plane.data[row * plane.stride..][..row_bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::colour::{Matrix, Range};

    const SD: Colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };

    #[test]
    fn odd_sizes_need_the_rounded_up_chroma() {
        let y = vec![0; 639 * 357];
        let c = vec![0; 320 * 179];
        let make = |c: &[u8]| {
            let plane = Plane { data: c, stride: 320 };
            let planes = [Plane { data: &y, stride: 639 }, plane, plane];
            Planes::new((639, 357), PlaneFormat::I420, &planes, SD, Rotation::None).map(|_| ())
        };
        make(&c).unwrap();
        let error = make(&c[1..]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("plane 1"), "{error}");
    }

    #[test]
    fn the_last_row_may_end_before_the_stride_does() {
        let data = vec![0; 64 * 9 + 10];
        let planes = [Plane { data: &data, stride: 64 }];
        let ok = Planes::new((10, 10), PlaneFormat::Gray8, &planes, SD, Rotation::Cw90).unwrap();
        assert_eq!(ok.row(0, 9).len(), 10);
        assert_eq!(ok.displayed_size(), (10, 10));
        assert!(Planes::new((11, 10), PlaneFormat::Gray8, &planes, SD, Rotation::None).is_err());
    }

    #[test]
    fn absurd_sizes_and_strides_are_refused() {
        let data = [0; 16];
        for (size, stride) in
            [((0, 4), 4), ((4, 0), 4), ((MAX_SIDE + 1, 1), MAX_SIDE + 1), ((4, 2), usize::MAX), ((4, 2), 3)]
        {
            let planes = [Plane { data: &data, stride }];
            assert!(Planes::new(size, PlaneFormat::Gray8, &planes, SD, Rotation::None).is_err(), "{size:?} {stride}");
        }
        let planes = [Plane { data: &data, stride: 4 }];
        assert!(Planes::new((4, 4), PlaneFormat::Nv12, &planes, SD, Rotation::None).is_err());
    }
}
