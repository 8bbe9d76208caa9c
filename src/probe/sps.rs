//! What a sequence parameter set says about the picture: size after cropping, profile, level, depth,
//! frame rate. Here H.264 (ITU-T H.264 §7.3.2.1) and what both standards share; H.265 beside it.
//!
//! Bounded and total: any bytes give `None` or a picture, never a panic or a long loop.

use serde::Serialize;

use super::bits::{BitReader, rbsp};
pub use super::sps_h265::h265;

/// The picture that a stream promises.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Picture {
    /// Width in pixels, after cropping.
    pub width: u32,
    /// Height in pixels, after cropping.
    pub height: u32,
    /// Profile name, such as `High` or `Main 10`; `profile 77` when we have no name for it.
    pub profile: String,
    /// Level, such as `4.1`.
    pub level: String,
    /// Bits per luma sample.
    pub bit_depth: u8,
    /// Chroma sampling: `4:0:0`, `4:2:0`, `4:2:2` or `4:4:4`.
    pub chroma: &'static str,
    /// Whether pictures may be coded as fields.
    pub interlaced: bool,
    /// Frames a second by the VUI timing; `None` when it says nothing.
    pub fps: Option<f64>,
}

/// Largest side that we believe; beyond it the data is damaged.
const MAX_SIDE: u32 = 16_384;

pub(super) const CHROMA: [&str; 4] = ["4:0:0", "4:2:0", "4:2:2", "4:4:4"];

/// Parses an H.264 SPS NAL unit, header byte included, start code not.
#[must_use]
pub fn h264(nal: &[u8]) -> Option<Picture> {
    if nal.first()? & 0x1f != 7 {
        return None;
    }
    let data = rbsp(nal.get(1..)?);
    let mut r = BitReader::new(&data);
    let profile_idc = r.bits(8)?;
    let constraints = r.bits(8)?;
    let level_idc = r.bits(8)?;
    r.ue()?; // seq_parameter_set_id
    let (mut chroma, mut bit_depth, mut separate_planes) = (1, 8, false);
    if matches!(profile_idc, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244) {
        chroma = r.ue()?;
        if chroma == 3 {
            separate_planes = r.flag()?;
        }
        bit_depth = 8 + r.ue()?;
        r.ue()?; // bit_depth_chroma_minus8
        r.flag()?; // qpprime_y_zero_transform_bypass_flag
        if r.flag()? {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if r.flag()? {
                    skip_scaling_list(&mut r, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    r.ue()?; // log2_max_frame_num_minus4
    match r.ue()? {
        0 => {
            r.ue()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            r.flag()?;
            r.se()?;
            r.se()?;
            let cycle = r.ue()?;
            if cycle > 255 {
                return None;
            }
            for _ in 0..cycle {
                r.se()?;
            }
        }
        _ => {}
    }
    r.ue()?; // max_num_ref_frames
    r.flag()?; // gaps_in_frame_num_value_allowed_flag
    let width_mbs = r.ue()?.checked_add(1)?;
    let height_units = r.ue()?.checked_add(1)?;
    let frame_mbs_only = r.flag()?;
    if !frame_mbs_only {
        r.flag()?; // mb_adaptive_frame_field_flag
    }
    r.flag()?; // direct_8x8_inference_flag
    let fields = if frame_mbs_only { 1 } else { 2 };
    let size = (width_mbs.checked_mul(16)?, height_units.checked_mul(16 * fields)?);
    // Crop units of table 6-1: separate planes count as monochrome.
    let sampling = if separate_planes { 0 } else { chroma };
    let (unit_x, unit_y) = match sampling {
        1 => (2, 2),
        2 => (2, 1),
        0 | 3 => (1, 1),
        _ => return None,
    };
    let (width, height) = crop(&mut r, size, unit_x, unit_y * fields)?;
    let fps = if r.flag()? { h264_vui_fps(&mut r) } else { None };
    Some(Picture {
        width,
        height,
        profile: h264_profile(profile_idc, constraints),
        level: h264_level(level_idc, profile_idc, constraints),
        bit_depth: u8::try_from(bit_depth).ok().filter(|&depth| depth <= 16)?,
        chroma: CHROMA.get(usize::try_from(chroma).ok()?)?,
        interlaced: !frame_mbs_only,
        fps,
    })
}

/// The cropping or conformance window that follows the size in both standards.
pub(super) fn crop(r: &mut BitReader<'_>, size: (u32, u32), unit_x: u32, unit_y: u32) -> Option<(u32, u32)> {
    let (mut width, mut height) = size;
    if r.flag()? {
        let (left, right, top, bottom) = (r.ue()?, r.ue()?, r.ue()?, r.ue()?);
        width = width.checked_sub(left.checked_add(right)?.checked_mul(unit_x)?)?;
        height = height.checked_sub(top.checked_add(bottom)?.checked_mul(unit_y)?)?;
    }
    ((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height)).then_some((width, height))
}

/// H.264 §7.3.2.1.1.1.
fn skip_scaling_list(r: &mut BitReader<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8i64, 8i64);
    for _ in 0..size {
        if next != 0 {
            next = (last + i64::from(r.se()?) + 256).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// The parts of the VUI before the timing, alike in both standards (H.264 §E.1.1, H.265 §E.2.1).
pub(super) fn skip_vui_head(r: &mut BitReader<'_>) -> Option<()> {
    if r.flag()? && r.bits(8)? == 255 {
        r.skip(32)?; // sar_width, sar_height
    }
    if r.flag()? {
        r.flag()?; // overscan_appropriate_flag
    }
    if r.flag()? {
        r.skip(4)?; // video_format, video_full_range_flag
        if r.flag()? {
            r.skip(24)?; // colour description
        }
    }
    if r.flag()? {
        r.ue()?;
        r.ue()?; // chroma sample positions
    }
    Some(())
}

fn h264_vui_fps(r: &mut BitReader<'_>) -> Option<f64> {
    skip_vui_head(r)?;
    if !r.flag()? {
        return None;
    }
    let (units, scale) = (r.bits(32)?, r.bits(32)?);
    // A tick is a field (§E.2.1), so a frame lasts two.
    plausible_fps(f64::from(scale) / (2.0 * f64::from(units)))
}

pub(super) fn plausible_fps(fps: f64) -> Option<f64> {
    (fps.is_finite() && (0.1..=1000.0).contains(&fps)).then_some(fps)
}

fn h264_profile(profile_idc: u32, constraints: u32) -> String {
    let set = |n: u32| constraints & (0x80 >> n) != 0;
    match profile_idc {
        66 if set(1) => "Constrained Baseline",
        66 => "Baseline",
        77 => "Main",
        88 => "Extended",
        100 => "High",
        110 => "High 10",
        122 => "High 4:2:2",
        244 => "High 4:4:4 Predictive",
        44 => "CAVLC 4:4:4 Intra",
        other => return format!("profile {other}"),
    }
    .to_owned()
}

fn h264_level(level_idc: u32, profile_idc: u32, constraints: u32) -> String {
    // Level 1b of the Baseline, Main and Extended profiles is level 1.1 with constraint_set3 (§A.3.1).
    if level_idc == 11 && matches!(profile_idc, 66 | 77 | 88) && constraints & 0x10 != 0 {
        return "1b".to_owned();
    }
    format!("{}.{}", level_idc / 10, level_idc % 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::bits::base64;
    use super::*;

    /// Writes bits, so that the tests can make parameter sets of their own.
    #[derive(Default)]
    struct Bits(Vec<bool>);

    impl Bits {
        fn u(mut self, count: u32, value: u64) -> Self {
            self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
            self
        }
        fn ue(self, value: u64) -> Self {
            let length = 64 - (value + 1).leading_zeros();
            self.u(length - 1, 0).u(length, value + 1)
        }
        /// Emulation prevention included, after `header`.
        fn nal(self, header: &[u8]) -> Vec<u8> {
            let mut out = header.to_vec();
            let mut zeros = 0;
            let mut bits = self.u(1, 1).0;
            bits.resize(bits.len().next_multiple_of(8), false);
            for byte in bits.chunks(8).map(|chunk| chunk.iter().fold(0u8, |byte, &bit| byte << 1 | u8::from(bit))) {
                if zeros >= 2 && byte <= 3 {
                    out.push(3);
                    zeros = 0;
                }
                zeros = if byte == 0 { zeros + 1 } else { 0 };
                out.push(byte);
            }
            out
        }
    }

    #[test]
    fn a_1080p_baseline_stream_is_cropped_from_1088_rows() {
        // Size, crop and timing written by us: 120x68 macroblocks, 8 rows cut, 30 fps.
        let nal = Bits::default()
            .u(8, 66)
            .u(8, 0x40)
            .u(8, 40)
            .ue(0)
            .ue(0)
            .ue(2)
            .ue(1)
            .u(1, 0)
            .ue(119)
            .ue(67)
            .u(1, 1)
            .u(1, 1)
            .u(1, 1)
            .ue(0)
            .ue(0)
            .ue(0)
            .ue(4)
            .u(1, 1)
            .u(1, 0)
            .u(1, 0)
            .u(1, 0)
            .u(1, 0)
            .u(1, 1)
            .u(32, 1001)
            .u(32, 60_000)
            .nal(&[0x67]);
        let picture = h264(&nal).unwrap();
        assert_eq!((picture.width, picture.height), (1920, 1080));
        assert_eq!((picture.profile.as_str(), picture.level.as_str()), ("Constrained Baseline", "4.0"));
        assert!((picture.fps.unwrap() - 29.97).abs() < 0.01);
    }

    #[test]
    fn high_profiles_carry_chroma_depth_and_scaling_lists() {
        let lists = |bits: Bits| (0..8).fold(bits.u(1, 1), |bits, _| bits.u(1, 0));
        let head = |profile, chroma, depth: u64| {
            lists(Bits::default().u(8, profile).u(8, 0).u(8, 51).ue(0).ue(chroma).ue(depth - 8).ue(depth - 8).u(1, 0))
        };
        let size = |bits: Bits, frames_only| {
            let bits = bits.ue(0).ue(2).ue(1).u(1, 0).ue(39).ue(29).u(1, frames_only);
            let bits = if frames_only == 0 { bits.u(1, 0) } else { bits };
            bits.u(1, 1).u(1, 1).ue(0).ue(1).ue(0).ue(1).u(1, 0)
        };
        let p = h264(&size(head(122, 2, 10), 1).nal(&[0x67])).unwrap();
        assert_eq!((p.width, p.height, p.bit_depth, p.chroma), (638, 479, 10, "4:2:2"));
        let p = h264(&size(head(100, 1, 8), 0).nal(&[0x67])).unwrap();
        assert_eq!((p.width, p.height, p.interlaced), (638, 956, true));
        let p = h264(&size(head(100, 0, 8), 1).nal(&[0x67])).unwrap();
        assert_eq!((p.width, p.height, p.chroma), (639, 479, "4:0:0"));
    }

    #[test]
    fn an_h265_main_10_stream() {
        let nal = Bits::default()
            .u(4, 0)
            .u(3, 0)
            .u(1, 1)
            .u(3, 0)
            .u(5, 2)
            .u(32, 0x2000_0000)
            .u(1, 1)
            .u(1, 0)
            .u(32, 0)
            .u(14, 0)
            .u(8, 120)
            .ue(0)
            .ue(1)
            .ue(1920)
            .ue(1088)
            .u(1, 1)
            .ue(0)
            .ue(0)
            .ue(0)
            .ue(4)
            .ue(2)
            .ue(2)
            .ue(4)
            .u(1, 1)
            .ue(4)
            .ue(0)
            .ue(0)
            .ue(0)
            .ue(3)
            .ue(0)
            .ue(3)
            .ue(0)
            .ue(0)
            .u(1, 0)
            .u(2, 0)
            .u(1, 0)
            .ue(2)
            .ue(1)
            .ue(0)
            .ue(0)
            .u(1, 1) // a set with one picture
            .u(1, 1)
            .u(1, 0)
            .ue(0)
            .u(1, 1)
            .u(1, 0)
            .u(1, 1) // one predicted from it
            .u(1, 0)
            .u(2, 0)
            .u(1, 1)
            .u(1, 0)
            .u(1, 0)
            .u(1, 0)
            .u(1, 0)
            .u(3, 0)
            .u(1, 0)
            .u(1, 1)
            .u(32, 1)
            .u(32, 25)
            .nal(&[0x42, 1]);
        let p = h265(&nal).unwrap();
        assert_eq!((p.width, p.height, p.bit_depth), (1920, 1080, 10));
        assert_eq!((p.profile.as_str(), p.level.as_str(), p.fps), ("Main 10", "4.0", Some(25.0)));
    }

    #[test]
    fn an_sps_cut_short_is_none() {
        let nal = base64("Z0IAKZY1QPAET8s3AQEBQAAAAwBAAAAHoQ==");
        assert!(h264(&nal).is_some());
        for length in 0..8 {
            assert_eq!(h264(&nal[..length]), None, "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_fine(mut nal in proptest::collection::vec(any::<u8>(), 0..300)) {
            for header in [0x67, 0x42] {
                if let Some(first) = nal.first_mut() { *first = header; }
                for picture in [h264(&nal), h265(&nal)].into_iter().flatten() {
                    prop_assert!(picture.width <= MAX_SIDE && picture.height <= MAX_SIDE);
                }
            }
        }

        #[test]
        fn a_damaged_sps_is_fine(at in 0usize..40, bit in 0u8..8) {
            for text in ["Z2QAHqwsaoLA9puCgIKgAAADACAAAAMD0IAA", "QgEBAWAAAAMAsAAAAwAAAwBaoAWCAeFja5JFL83BQYFBAAADAAEAAAMADKE="] {
                let mut nal = base64(text);
                if let Some(byte) = nal.get_mut(at) { *byte ^= 1 << bit; }
                let _ = (h264(&nal), h265(&nal));
            }
        }
    }
}
