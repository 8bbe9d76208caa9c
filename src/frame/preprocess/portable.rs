//! The kernels in plain Rust: the definition that the vector ones must equal.
//!
//! Vertically, two source rows become one row of `i16` samples in Q7 (8-bit level times 128; deeper
//! samples keep their extra bits). Horizontally, two neighbours become one `i32` in Q21, and luma
//! and chroma become three channels in `f32`.

use super::Finish;
use super::taps::{Columns, LANES};

/// Highest 10-bit code; damaged samples beyond it are taken for it.
pub(super) const MAX_10_BIT: u16 = 1023;

/// The samples of a row as Q7. `DEEP`: 10 bits in little-endian `u16`, else 8 bits.
fn widened<const DEEP: bool>(row: &[u8]) -> impl Iterator<Item = i16> {
    let step = if DEEP { 2 } else { 1 };
    row.chunks_exact(step).map(|sample| match *sample {
        [low, high] => (u16::from_le_bytes([low, high]).min(MAX_10_BIT) << 5) as i16,
        [value] => i16::from(value) << 7,
        _ => 0,
    })
}

/// `a + (b - a) * weight`, rounded as the `pmulhrsw` instruction does.
fn mixed(a: i16, b: i16, weight_q15: i16) -> i16 {
    let product = i32::from(b - a) * i32::from(weight_q15);
    a + ((product + (1 << 14)) >> 15) as i16
}

/// Mixes two rows sample by sample into `out`.
pub(super) fn blend<const DEEP: bool>(rows: [&[u8]; 2], weight_q15: i16, out: &mut [i16]) {
    let samples = widened::<DEEP>(rows[0]).zip(widened::<DEEP>(rows[1]));
    for (out, (a, b)) in out.iter_mut().zip(samples) {
        *out = mixed(a, b, weight_q15);
    }
}

/// Mixes two rows of U and two of V into `out` as U, V, U, V...
pub(super) fn blend_pair<const DEEP: bool>(u: [&[u8]; 2], v: [&[u8]; 2], weight_q15: i16, out: &mut [i16]) {
    let us = widened::<DEEP>(u[0]).zip(widened::<DEEP>(u[1]));
    let vs = widened::<DEEP>(v[0]).zip(widened::<DEEP>(v[1]));
    for (out, ((ua, ub), (va, vb))) in out.chunks_exact_mut(2).zip(us.zip(vs)) {
        out.copy_from_slice(&[mixed(ua, ub, weight_q15), mixed(va, vb, weight_q15)]);
    }
}

/// Brings a luma row and, unless the picture is grey, an interleaved chroma row to the destination
/// columns and to the three output channels.
pub(super) fn project(
    columns: &Columns,
    luma: &[i16],
    chroma: Option<&[i16]>,
    finish: &[Finish; 3],
    out: [&mut [f32]; 3],
) {
    let weighed =
        |a: i16, b: i16, [wa, wb]: [i16; 2]| (i32::from(a) * i32::from(wa) + i32::from(b) * i32::from(wb)) as f32;
    let [out0, out1, out2] = out;
    let outs = out0.chunks_mut(LANES).zip(out1.chunks_mut(LANES)).zip(out2.chunks_mut(LANES));
    for (taps, ((out0, out1), out2)) in columns.groups().iter().zip(outs) {
        for lane in 0..out0.len().min(LANES) {
            let at = taps.luma_at[lane] as usize;
            let y = weighed(luma[at], luma[at + 1], taps.luma_weights[lane]);
            let (u, v) = chroma.map_or((0.0, 0.0), |chroma| {
                let at = 2 * taps.chroma_at[lane] as usize;
                let weights = taps.chroma_weights[lane];
                (weighed(chroma[at], chroma[at + 2], weights), weighed(chroma[at + 1], chroma[at + 3], weights))
            });
            let value = |f: &Finish| (y * f.y + (u * f.u + (v * f.v + f.offset))).max(f.low).min(f.high);
            (out0[lane], out1[lane], out2[lane]) = (value(&finish[0]), value(&finish[1]), value(&finish[2]));
        }
    }
}

/// Rounds three rows of levels in 0..=255 to bytes and interleaves them.
#[inline(always)]
pub(super) fn pack([red, green, blue]: [&[f32]; 3], pixels: &mut [[u8; 3]]) {
    // Above 2^23 an `f32` has no fraction bits left, so adding that much leaves the rounded integer in
    // the lowest ones; several times faster than the saturating `as`.
    let rounded = |level: f32| (level + (1 << 23) as f32).to_bits() as u8;
    for (((pixel, red), green), blue) in pixels.iter_mut().zip(red).zip(green).zip(blue) {
        *pixel = [rounded(*red), rounded(*green), rounded(*blue)];
    }
}
