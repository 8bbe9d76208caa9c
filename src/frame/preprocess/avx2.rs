//! The kernels with AVX2 and FMA; same arithmetic as [`super::portable`], sample by sample.
//!
//! Pairs of samples are fetched with plain 32- and 64-bit loads rather than the gather instruction,
//! which Intel's microcode fix for CVE-2022-40982 makes slow.

use std::arch::x86_64::*;

use super::Finish;
use super::portable::{self, MAX_10_BIT};
use super::taps::{ColumnTaps, Columns, LANES};

/// Samples per vector step of the vertical kernels.
const STEP: usize = 16;

/// Sixteen samples as Q7; `chunk` holds exactly them.
#[inline]
#[target_feature(enable = "avx2")]
fn widened<const DEEP: bool>(chunk: &[u8]) -> __m256i {
    if DEEP {
        debug_assert!(chunk.len() == 2 * STEP);
        // SAFETY: callers pass chunks of `STEP` samples of 2 bytes: 32 bytes are readable.
        let samples = unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) };
        _mm256_slli_epi16::<5>(_mm256_min_epu16(samples, _mm256_set1_epi16(MAX_10_BIT as i16)))
    } else {
        debug_assert!(chunk.len() == STEP);
        // SAFETY: callers pass chunks of `STEP` samples of 1 byte: 16 bytes are readable.
        let samples = unsafe { _mm_loadu_si128(chunk.as_ptr().cast()) };
        _mm256_slli_epi16::<7>(_mm256_cvtepu8_epi16(samples))
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn mixed(a: __m256i, b: __m256i, weight_q15: __m256i) -> __m256i {
    _mm256_add_epi16(a, _mm256_mulhrs_epi16(_mm256_sub_epi16(b, a), weight_q15))
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(chunk: &mut [i16], value: __m256i) {
    assert!(chunk.len() == STEP);
    // SAFETY: the chunk holds 16 values of 2 bytes.
    unsafe { _mm256_storeu_si256(chunk.as_mut_ptr().cast(), value) }
}

/// See [`portable::blend`].
#[target_feature(enable = "avx2")]
pub(super) fn blend<const DEEP: bool>([a, b]: [&[u8]; 2], weight_q15: i16, out: &mut [i16]) {
    let bytes = if DEEP { 2 * STEP } else { STEP };
    let (a_chunks, b_chunks) = (a.chunks_exact(bytes), b.chunks_exact(bytes));
    let rest = [a_chunks.remainder(), b_chunks.remainder()];
    let done = a_chunks.len().min(b_chunks.len()).min(out.len() / STEP) * STEP;
    let out_chunks = out.chunks_exact_mut(STEP);
    if weight_q15 == 0 {
        for (out, a) in out_chunks.zip(a_chunks) {
            store(out, widened::<DEEP>(a));
        }
    } else {
        let weight = _mm256_set1_epi16(weight_q15);
        for (out, (a, b)) in out_chunks.zip(a_chunks.zip(b_chunks)) {
            store(out, mixed(widened::<DEEP>(a), widened::<DEEP>(b), weight));
        }
    }
    portable::blend::<DEEP>(rest, weight_q15, &mut out[done..]);
}

/// See [`portable::blend_pair`].
#[target_feature(enable = "avx2")]
pub(super) fn blend_pair<const DEEP: bool>(
    [ua, ub]: [&[u8]; 2],
    [va, vb]: [&[u8]; 2],
    weight_q15: i16,
    out: &mut [i16],
) {
    let bytes = if DEEP { 2 * STEP } else { STEP };
    let chunks = [ua, ub, va, vb].map(|row| row.chunks_exact(bytes));
    let [ua_rest, ub_rest, va_rest, vb_rest] = chunks.clone().map(|c| c.remainder());
    let done = chunks.iter().map(ExactSizeIterator::len).min().unwrap_or(0).min(out.len() / (2 * STEP));
    let [ua, ub, va, vb] = chunks;
    let out_chunks = out.chunks_exact_mut(2 * STEP);
    if weight_q15 == 0 {
        for (out, (u, v)) in out_chunks.zip(ua.zip(va)) {
            store_interleaved(out, widened::<DEEP>(u), widened::<DEEP>(v));
        }
    } else {
        let weight = _mm256_set1_epi16(weight_q15);
        for (out, ((ua, ub), (va, vb))) in out_chunks.zip(ua.zip(ub).zip(va.zip(vb))) {
            let u = mixed(widened::<DEEP>(ua), widened::<DEEP>(ub), weight);
            let v = mixed(widened::<DEEP>(va), widened::<DEEP>(vb), weight);
            store_interleaved(out, u, v);
        }
    }
    portable::blend_pair::<DEEP>([ua_rest, ub_rest], [va_rest, vb_rest], weight_q15, &mut out[2 * STEP * done..]);
}

/// Stores u0, v0, u1, v1...
#[inline]
#[target_feature(enable = "avx2")]
fn store_interleaved(chunk: &mut [i16], u: __m256i, v: __m256i) {
    let (low, high) = (_mm256_unpacklo_epi16(u, v), _mm256_unpackhi_epi16(u, v));
    let (first, second) = chunk.split_at_mut(STEP);
    store(first, _mm256_permute2x128_si256::<0x20>(low, high));
    store(second, _mm256_permute2x128_si256::<0x31>(low, high));
}

/// One channel's constants in every lane.
struct Broadcast {
    y: __m256,
    u: __m256,
    v: __m256,
    offset: __m256,
    low: __m256,
    high: __m256,
}

impl Broadcast {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(f: &Finish) -> Self {
        Self {
            y: _mm256_set1_ps(f.y),
            u: _mm256_set1_ps(f.u),
            v: _mm256_set1_ps(f.v),
            offset: _mm256_set1_ps(f.offset),
            low: _mm256_set1_ps(f.low),
            high: _mm256_set1_ps(f.high),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn finished(&self, y: __m256, chroma: Option<(__m256, __m256)>) -> __m256 {
        let coloured = match chroma {
            Some((u, v)) => _mm256_fmadd_ps(u, self.u, _mm256_fmadd_ps(v, self.v, self.offset)),
            None => self.offset,
        };
        let value = _mm256_fmadd_ps(y, self.y, coloured);
        _mm256_min_ps(_mm256_max_ps(value, self.low), self.high)
    }
}

/// See [`portable::project`].
#[target_feature(enable = "avx2,fma")]
pub(super) fn project(
    columns: &Columns,
    luma: &[i16],
    chroma: Option<&[i16]>,
    finish: &[Finish; 3],
    out: [&mut [f32]; 3],
) {
    assert!(luma.len() >= columns.luma_len());
    assert!(chroma.is_none_or(|chroma| chroma.len() >= columns.chroma_len()));
    let constants = [Broadcast::new(&finish[0]), Broadcast::new(&finish[1]), Broadcast::new(&finish[2])];
    let [out0, out1, out2] = out;
    let outs = out0.chunks_mut(LANES).zip(out1.chunks_mut(LANES)).zip(out2.chunks_mut(LANES));
    for (taps, ((out0, out1), out2)) in columns.groups().iter().zip(outs) {
        // SAFETY: `taps` comes from `columns`, whose indices are below the numbers of samples, and
        // the rows were checked above to hold one sample more than that.
        let y = unsafe { luma_lanes(luma, taps) };
        #[allow(clippy::manual_map, reason = "Option::map lacks the features, so vectors would pass through memory")]
        let uv = match chroma {
            // SAFETY: as above.
            Some(chroma) => Some(unsafe { chroma_lanes(chroma, taps) }),
            None => None,
        };
        for (constants, out) in constants.iter().zip([out0, out1, out2]) {
            let value = constants.finished(y, uv);
            if let Ok(out) = <&mut [f32; LANES]>::try_from(&mut *out) {
                // SAFETY: eight values of 4 bytes.
                unsafe { _mm256_storeu_ps(out.as_mut_ptr(), value) }
            } else {
                let mut last = [0.0; LANES];
                // SAFETY: eight values of 4 bytes.
                unsafe { _mm256_storeu_ps(last.as_mut_ptr(), value) };
                let n = out.len();
                out.copy_from_slice(&last[..n]);
            }
        }
    }
}

/// [`portable::pack`], compiled for these instructions.
#[target_feature(enable = "avx2")]
pub(super) fn pack(levels: [&[f32]; 3], pixels: &mut [[u8; 3]]) {
    portable::pack(levels, pixels);
}

/// Eight luma values, Q21.
///
/// # Safety
/// `luma[at + 1]` must exist for every `at` in `taps.luma_at`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn luma_lanes(luma: &[i16], taps: &ColumnTaps) -> __m256 {
    let base = luma.as_ptr();
    // SAFETY: by the contract, samples `at` and `at + 1`, 4 bytes, are readable.
    let pair = |lane: usize| unsafe { _mm_loadu_si32(base.add(taps.luma_at[lane] as usize).cast()) };
    let low = _mm_unpacklo_epi64(_mm_unpacklo_epi32(pair(0), pair(1)), _mm_unpacklo_epi32(pair(2), pair(3)));
    let high = _mm_unpacklo_epi64(_mm_unpacklo_epi32(pair(4), pair(5)), _mm_unpacklo_epi32(pair(6), pair(7)));
    // SAFETY: the weights are 8 pairs of 2 bytes each, 32 bytes.
    let weights = unsafe { _mm256_loadu_si256(taps.luma_weights.as_ptr().cast()) };
    _mm256_cvtepi32_ps(_mm256_madd_epi16(_mm256_set_m128i(high, low), weights))
}

/// Eight U and eight V values, Q21.
///
/// # Safety
/// `chroma[2 * at + 3]` must exist for every `at` in `taps.chroma_at`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn chroma_lanes(chroma: &[i16], taps: &ColumnTaps) -> (__m256, __m256) {
    let base = chroma.as_ptr();
    // SAFETY: by the contract, samples 2 * at .. 2 * at + 4, 8 bytes, are readable.
    let quad = |lane: usize| unsafe { _mm_loadu_si64(base.add(2 * taps.chroma_at[lane] as usize).cast()) };
    let four =
        |a, b, c, d| _mm256_set_m128i(_mm_unpacklo_epi64(quad(c), quad(d)), _mm_unpacklo_epi64(quad(a), quad(b)));
    // u0 v0 u1 v1 of each column becomes u0 u1 v0 v1, so that a multiply-add works on one of them.
    let pairs = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
    // SAFETY: the weights are 8 pairs of 2 bytes each, 32 bytes.
    let weights = unsafe { _mm256_loadu_si256(taps.chroma_weights.as_ptr().cast()) };
    // Columns 0 1 | 4 5 and 2 3 | 6 7, in the order in which unpacking doubles their weights.
    let even = _mm256_madd_epi16(_mm256_shuffle_epi8(four(0, 1, 4, 5), pairs), _mm256_unpacklo_epi32(weights, weights));
    let odd = _mm256_madd_epi16(_mm256_shuffle_epi8(four(2, 3, 6, 7), pairs), _mm256_unpackhi_epi32(weights, weights));
    let (even, odd) = (_mm256_cvtepi32_ps(even), _mm256_cvtepi32_ps(odd));
    (_mm256_shuffle_ps::<0x88>(even, odd), _mm256_shuffle_ps::<0xDD>(even, odd))
}
