//! Picks the kernels that this processor can run.

use super::taps::Columns;
use super::{Finish, portable};

/// A set of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kernels {
    /// The processor has AVX2 and FMA, and they are wanted. Set by [`Kernels::detect`] alone.
    avx2: bool,
}

impl Kernels {
    /// The plain ones.
    pub const PORTABLE: Self = Self { avx2: false };

    /// The fastest ones that run here.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        #[cfg(not(target_arch = "x86_64"))]
        let avx2 = false;
        Self { avx2 }
    }

    /// Mixes two rows sample by sample: see [`portable::blend`].
    pub fn blend(self, deep: bool, rows: [&[u8]; 2], weight_q15: i16, out: &mut [i16]) {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            // SAFETY: `avx2` is only set where the processor has the features.
            return unsafe {
                if deep {
                    super::avx2::blend::<true>(rows, weight_q15, out);
                } else {
                    super::avx2::blend::<false>(rows, weight_q15, out);
                }
            };
        }
        if deep {
            portable::blend::<true>(rows, weight_q15, out);
        } else {
            portable::blend::<false>(rows, weight_q15, out);
        }
    }

    /// Mixes two rows of U and two of V: see [`portable::blend_pair`].
    pub fn blend_pair(self, deep: bool, u: [&[u8]; 2], v: [&[u8]; 2], weight_q15: i16, out: &mut [i16]) {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            // SAFETY: `avx2` is only set where the processor has the features.
            return unsafe {
                if deep {
                    super::avx2::blend_pair::<true>(u, v, weight_q15, out);
                } else {
                    super::avx2::blend_pair::<false>(u, v, weight_q15, out);
                }
            };
        }
        if deep {
            portable::blend_pair::<true>(u, v, weight_q15, out);
        } else {
            portable::blend_pair::<false>(u, v, weight_q15, out);
        }
    }

    /// Brings blended rows to the destination columns and channels: see [`portable::project`].
    pub fn project(
        self,
        columns: &Columns,
        luma: &[i16],
        chroma: Option<&[i16]>,
        finish: &[Finish; 3],
        out: [&mut [f32]; 3],
    ) {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            // SAFETY: `avx2` is only set where the processor has the features.
            return unsafe { super::avx2::project(columns, luma, chroma, finish, out) };
        }
        portable::project(columns, luma, chroma, finish, out);
    }

    /// Rounds three rows of levels to interleaved bytes: see [`portable::pack`].
    pub fn pack(self, levels: [&[f32]; 3], pixels: &mut [[u8; 3]]) {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            // SAFETY: `avx2` is only set where the processor has the features.
            return unsafe { super::avx2::pack(levels, pixels) };
        }
        portable::pack(levels, pixels);
    }
}
