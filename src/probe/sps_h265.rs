//! The H.265 sequence parameter set (ITU-T H.265 §7.3.2.2). Bounded and total, as its sibling.

use super::bits::{BitReader, rbsp};
use super::sps::{CHROMA, Picture, crop, plausible_fps, skip_vui_head};

/// Parses an H.265 SPS NAL unit, two header bytes included, start code not.
#[must_use]
pub fn h265(nal: &[u8]) -> Option<Picture> {
    if (nal.first()? >> 1) & 0x3f != 33 {
        return None;
    }
    let data = rbsp(nal.get(2..)?);
    let mut r = BitReader::new(&data);
    r.skip(4)?; // sps_video_parameter_set_id
    let sub_layers = r.bits(3)?; // sps_max_sub_layers_minus1
    r.flag()?; // sps_temporal_id_nesting_flag
    let (profile, level, interlaced) = h265_profile_tier_level(&mut r, sub_layers)?;
    r.ue()?; // sps_seq_parameter_set_id
    let chroma = r.ue()?;
    let separate_planes = chroma == 3 && r.flag()?;
    let size = (r.ue()?, r.ue()?);
    let (unit_x, unit_y) = match chroma {
        1 => (2, 2),
        2 => (2, 1),
        0 | 3 => (1, 1),
        _ => return None,
    };
    let (width, height) = crop(&mut r, size, unit_x, unit_y)?;
    let bit_depth = 8 + r.ue()?;
    r.ue()?; // bit_depth_chroma_minus8
    Some(Picture {
        width,
        height,
        profile,
        level,
        bit_depth: u8::try_from(bit_depth).ok().filter(|&depth| depth <= 16)?,
        chroma: CHROMA.get(usize::try_from(if separate_planes { 0 } else { chroma }).ok()?)?,
        interlaced,
        fps: h265_fps(&mut r, sub_layers),
    })
}

/// H.265 §7.3.3: profile, level, and whether the source is interlaced.
fn h265_profile_tier_level(r: &mut BitReader<'_>, sub_layers: u32) -> Option<(String, String, bool)> {
    r.skip(3)?; // general_profile_space, general_tier_flag
    let profile_idc = r.bits(5)?;
    let compatible = r.bits(32)?;
    let _progressive = r.flag()?;
    let interlaced = r.flag()?;
    r.skip(46)?; // constraint flags
    let level_idc = r.bits(8)?;
    let mut present = Vec::with_capacity(8);
    for _ in 0..sub_layers {
        present.push((r.flag()?, r.flag()?));
    }
    if sub_layers > 0 {
        r.skip(2 * (8 - usize::try_from(sub_layers).ok()?))?;
    }
    for (profile_present, level_present) in present {
        r.skip(if profile_present { 88 } else { 0 } + if level_present { 8 } else { 0 })?;
    }
    // A profile_idc of 0 leaves the answer to the compatibility flags (§A.3).
    let profile_idc = if profile_idc == 0 {
        (1..=4).find(|n| compatible & (0x8000_0000 >> n) != 0).unwrap_or(0)
    } else {
        profile_idc
    };
    let profile = match profile_idc {
        1 => "Main".to_owned(),
        2 => "Main 10".to_owned(),
        3 => "Main Still Picture".to_owned(),
        4 => "Range Extensions".to_owned(),
        other => format!("profile {other}"),
    };
    // general_level_idc is 30 times the level (§A.4.1).
    Some((profile, format!("{}.{}", level_idc / 30, level_idc % 30 / 3), interlaced))
}

/// Everything between the bit depths and `vui_timing_info` (H.265 §7.3.2.2.1).
fn h265_fps(r: &mut BitReader<'_>, sub_layers: u32) -> Option<f64> {
    let poc_lsb_bits = r.ue()?.checked_add(4)?;
    let first = if r.flag()? { 0 } else { sub_layers };
    for _ in first..=sub_layers {
        r.ue()?;
        r.ue()?;
        r.ue()?;
    }
    for _ in 0..6 {
        r.ue()?; // coding and transform block sizes, transform hierarchy depths
    }
    if r.flag()? && r.flag()? {
        skip_h265_scaling_lists(r)?;
    }
    r.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if r.flag()? {
        r.skip(8)?; // PCM bit depths
        r.ue()?;
        r.ue()?;
        r.flag()?;
    }
    skip_short_term_reference_sets(r)?;
    if r.flag()? {
        for _ in 0..r.ue().filter(|&count| count <= 32)? {
            r.skip(usize::try_from(poc_lsb_bits).ok().filter(|&bits| bits <= 16)? + 1)?;
        }
    }
    r.skip(2)?; // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    if !r.flag()? {
        return None; // no VUI
    }
    skip_vui_head(r)?;
    r.skip(3)?; // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    if r.flag()? {
        for _ in 0..4 {
            r.ue()?; // default display window
        }
    }
    if !r.flag()? {
        return None;
    }
    let (units, scale) = (r.bits(32)?, r.bits(32)?);
    plausible_fps(f64::from(scale) / f64::from(units))
}

/// H.265 §7.3.4.
fn skip_h265_scaling_lists(r: &mut BitReader<'_>) -> Option<()> {
    for size in 0..4 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !r.flag()? {
                r.ue()?;
                continue;
            }
            if size > 1 {
                r.se()?;
            }
            for _ in 0..(1 << (4 + (size << 1))).min(64) {
                r.se()?;
            }
        }
    }
    Some(())
}

/// H.265 §7.3.7, with the inter prediction of §7.4.8 followed as far as the count of pictures.
fn skip_short_term_reference_sets(r: &mut BitReader<'_>) -> Option<()> {
    let sets = r.ue().filter(|&count| count <= 64)?;
    let mut pictures = 0u32; // NumDeltaPocs of the set before
    for set in 0..sets {
        if set > 0 && r.flag()? {
            r.flag()?;
            r.ue()?;
            let mut kept = 0;
            for _ in 0..=pictures {
                let used = r.flag()?;
                if used || r.flag()? {
                    kept += 1;
                }
            }
            pictures = kept;
        } else {
            let (negative, positive) = (r.ue()?, r.ue()?);
            if negative > 16 || positive > 16 {
                return None;
            }
            for _ in 0..negative + positive {
                r.ue()?;
                r.flag()?;
            }
            pictures = negative + positive;
        }
    }
    Some(())
}
