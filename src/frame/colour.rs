//! What a picture's luma and chroma numbers mean: matrix, range, and the affine map to RGB.

/// Which luma weights the picture was coded with. The weights (`KR`, `KB`) are those of the named
/// recommendation; `KG = 1 - KR - KB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// ITU-R BT.601-7, 2.5.1: standard definition.
    Bt601,
    /// ITU-R BT.709-6, 3.2: high definition.
    Bt709,
    /// ITU-R BT.2020-2, table 4, non-constant luminance: ultra high definition.
    Bt2020,
}

impl Matrix {
    /// What an unlabelled picture of `height` lines is taken for: BT.709 from 720 lines up, else BT.601.
    #[must_use]
    pub fn default_for(height: usize) -> Self {
        if height >= 720 { Self::Bt709 } else { Self::Bt601 }
    }

    /// `(KR, KB)`.
    fn luma_weights(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
        }
    }
}

/// Which numbers stand for black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Range {
    /// Luma 16..=235, chroma 16..=240 (times 4 at 10 bits): BT.601-7 2.5.3, BT.709-6 4.6. What cameras send.
    Limited,
    /// Luma and chroma over all codes (JPEG, `yuvj420p`): ITU-T H.273, 8.3, `VideoFullRangeFlag` 1.
    Full,
}

/// Everything needed to read a picture's samples as colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour {
    /// Luma weights.
    pub matrix: Matrix,
    /// Code range.
    pub range: Range,
}

/// One colour channel as an affine function of a pixel's samples:
/// `value = y * Y + u * U + v * V + offset`, in levels 0..=255 before clamping.
///
/// `Y`, `U` and `V` are in 8-bit units: codes of deeper formats divided by `2^(depth - 8)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Channel {
    pub y: f32,
    pub u: f32,
    pub v: f32,
    pub offset: f32,
}

impl Colour {
    /// The channels red, green, blue for samples of `depth` bits.
    ///
    /// BT.601-7 2.5.1 solved for RGB: `R = Y + 2(1-KR)Cr`, `B = Y + 2(1-KB)Cb`,
    /// `G = Y - 2KB(1-KB)/KG Cb - 2KR(1-KR)/KG Cr`, with `Y` in 0..1 and `Cb`, `Cr` in -0.5..0.5.
    pub(super) fn channels(self, depth: u32) -> [Channel; 3] {
        let (kr, kb) = self.matrix.luma_weights();
        let kg = 1.0 - kr - kb;
        let (black, luma_span, chroma_span) = match self.range {
            Range::Limited => (16.0, 219.0, 224.0),
            // The highest code is 2^depth - 1: 255.75 in 8-bit units at 10 bits.
            Range::Full => {
                let top = 256.0 - 256.0 / f64::from(1_u32 << depth);
                (0.0, top, top)
            }
        };
        let (y, c) = (255.0 / luma_span, 255.0 / chroma_span);
        let channel = |cb: f64, cr: f64| {
            let (u, v) = (cb * c, cr * c);
            Channel { y: y as f32, u: u as f32, v: v as f32, offset: (-black * y - 128.0 * (u + v)) as f32 }
        };
        [
            channel(0.0, 2.0 * (1.0 - kr)),
            channel(-2.0 * kb * (1.0 - kb) / kg, -2.0 * kr * (1.0 - kr) / kg),
            channel(2.0 * (1.0 - kb), 0.0),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(colour: Colour, depth: u32, yuv: [f32; 3]) -> [f32; 3] {
        colour.channels(depth).map(|c| c.y * yuv[0] + c.u * yuv[1] + c.v * yuv[2] + c.offset)
    }

    fn close(a: [f32; 3], b: [f32; 3], within: f32) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= within), "{a:?} is not {b:?}");
    }

    #[test]
    fn white_and_black_are_white_and_black() {
        for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
            let limited = Colour { matrix, range: Range::Limited };
            let full = Colour { matrix, range: Range::Full };
            close(rgb(limited, 8, [235.0, 128.0, 128.0]), [255.0; 3], 1e-3);
            close(rgb(limited, 10, [16.0, 128.0, 128.0]), [0.0; 3], 1e-3);
            close(rgb(full, 8, [255.0, 128.0, 128.0]), [255.0; 3], 1e-3);
            close(rgb(full, 10, [1023.0 / 4.0, 128.0, 128.0]), [255.0; 3], 1e-3);
        }
    }

    #[test]
    fn the_colour_bars_of_bt601_and_bt709_come_back_as_primaries() {
        // 100 % red bars of the two standards, 8 bits, rounded codes.
        let sd = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        close(rgb(sd, 8, [81.0, 90.0, 240.0]), [255.0, 0.0, 0.0], 1.5);
        let hd = Colour { matrix: Matrix::Bt709, range: Range::Limited };
        close(rgb(hd, 8, [63.0, 102.0, 240.0]), [255.0, 0.0, 0.0], 1.5);
    }
}
