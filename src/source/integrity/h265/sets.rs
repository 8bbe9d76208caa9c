//! Parameter sets and slice headers of H.265 (7.3.2, 7.3.6), as far as parsing slices needs them.

use super::super::bits::Bits;

/// Pulse code modulation of coding blocks (7.4.3.2.1).
#[derive(Debug, Clone, Copy)]
pub struct Pcm {
    pub luma_bits: u32,
    pub chroma_bits: u32,
    pub min_log2: u32,
    pub max_log2: u32,
}

/// One short-term reference picture set: (POC difference, used by the current picture).
#[derive(Debug, Clone, Default)]
pub struct ReferenceSet {
    before: Vec<(i32, bool)>,
    after: Vec<(i32, bool)>,
}

/// A sequence parameter set. Sizes are in luma samples.
#[derive(Debug, Clone)]
pub struct Sps {
    /// Main, Main 10 or Main Still: nothing of the extensions that change slice data.
    pub checkable: bool,
    pub temporal_layers: u32,
    pub chroma: bool,
    pub separate_planes: bool,
    pub width: u32,
    pub height: u32,
    pub luma_depth: u32,
    pub chroma_depth: u32,
    pub poc_bits: u32,
    pub min_cb_log2: u32,
    pub ctb_log2: u32,
    pub min_tb_log2: u32,
    pub max_tb_log2: u32,
    pub inter_depth: u32,
    pub intra_depth: u32,
    pub amp: bool,
    pub sao: bool,
    pub pcm: Option<Pcm>,
    sets: Vec<ReferenceSet>,
    long_term: Option<Vec<bool>>,
    temporal_mvp: bool,
}

impl Sps {
    /// Coding tree blocks in a row.
    pub fn ctbs_across(&self) -> u32 {
        self.width.div_ceil(1 << self.ctb_log2)
    }
    /// Rows of coding tree blocks.
    pub fn ctbs_down(&self) -> u32 {
        self.height.div_ceil(1 << self.ctb_log2)
    }
}

/// A picture parameter set.
#[derive(Debug, Clone)]
pub struct Pps {
    pub sps: u32,
    dependent_slices: bool,
    output_flag: bool,
    extra_bits: u32,
    pub sign_hiding: bool,
    cabac_init: bool,
    references: [u32; 2],
    init_qp: i32,
    pub transform_skip: bool,
    /// `diff_cu_qp_delta_depth`, if quantizers change within the picture.
    pub qp_delta_depth: Option<u32>,
    chroma_qp_offsets: bool,
    weighted: [bool; 2],
    pub transquant_bypass: bool,
    pub tiles: bool,
    pub wavefront: bool,
    filter_across_slices: bool,
    deblocking_override: bool,
    deblocking_disabled: bool,
    lists_modification: bool,
    header_extension: bool,
}

/// A slice segment header. A dependent one repeats the values of the slice it belongs to.
#[derive(Debug, Clone, Default)]
pub struct SliceHeader {
    pub pps: u32,
    pub first: bool,
    pub dependent: bool,
    /// Addresses of the slice's and of this segment's first coding tree block.
    pub slice_address: u32,
    pub segment_address: u32,
    /// 0 B, 1 P, 2 I
    pub slice_type: u32,
    pub poc_lsb: u32,
    pub sao_luma: bool,
    pub sao_chroma: bool,
    pub references: [u32; 2],
    pub mvd_l1_zero: bool,
    pub cabac_init: bool,
    pub merge_candidates: u32,
    pub qp: i32,
}

fn bits_for(count: u32) -> u32 {
    count.next_power_of_two().trailing_zeros()
}

/// 7.3.2.2; the id and the set.
pub fn parse_sps(rbsp: &[u8]) -> Option<(u32, Sps)> {
    let mut bits = Bits::new(rbsp);
    bits.u(4)?;
    let sub_layers = bits.u(3)?;
    bits.flag()?;
    let profile = profile_tier_level(&mut bits, sub_layers)?;
    let id = bits.ue().filter(|id| *id < 16)?;
    let format = bits.ue().filter(|format| *format <= 3)?;
    let separate_planes = format == 3 && bits.flag()?;
    let (width, height) = (bits.ue()?, bits.ue()?);
    if !(8..=16888).contains(&width) || !(8..=16888).contains(&height) {
        return None;
    }
    if bits.flag()? {
        for _ in 0..4 {
            bits.ue()?;
        }
    }
    let luma_depth = 8 + bits.ue().filter(|more| *more <= 8)?;
    let chroma_depth = 8 + bits.ue().filter(|more| *more <= 8)?;
    let poc_bits = 4 + bits.ue().filter(|more| *more <= 12)?;
    let each = bits.flag()?;
    for _ in if each { 0 } else { sub_layers }..=sub_layers {
        bits.ue()?;
        bits.ue()?;
        bits.ue()?;
    }
    let min_cb_log2 = 3 + bits.ue().filter(|more| *more <= 3)?;
    let ctb_log2 = min_cb_log2 + bits.ue().filter(|more| *more <= 3)?;
    let min_tb_log2 = 2 + bits.ue().filter(|more| *more <= 3)?;
    let max_tb_log2 = min_tb_log2 + bits.ue().filter(|more| *more <= 3)?;
    if ctb_log2 > 6 || max_tb_log2 > ctb_log2.min(5) || min_tb_log2 >= min_cb_log2 {
        return None;
    }
    let inter_depth = bits.ue().filter(|depth| *depth <= 4)?;
    let intra_depth = bits.ue().filter(|depth| *depth <= 4)?;
    if bits.flag()? && bits.flag()? {
        scaling_lists(&mut bits, format)?;
    }
    let (amp, sao) = (bits.flag()?, bits.flag()?);
    let mut pcm = None;
    if bits.flag()? {
        let (luma_bits, chroma_bits) = (bits.u(4)? + 1, bits.u(4)? + 1);
        let min_log2 = 3 + bits.ue().filter(|more| *more <= 2)?;
        let max_log2 = min_log2 + bits.ue().filter(|more| *more <= 2)?;
        bits.flag()?;
        pcm = Some(Pcm { luma_bits, chroma_bits, min_log2, max_log2 });
    }
    let count = bits.ue().filter(|count| *count <= 64)?;
    let mut sets = Vec::new();
    for index in 0..count {
        sets.push(reference_set(&mut bits, index, count, &sets)?);
    }
    let mut long_term = None;
    if bits.flag()? {
        let mut used = Vec::new();
        for _ in 0..bits.ue().filter(|count| *count <= 32)? {
            bits.u(poc_bits)?;
            used.push(bits.flag()?);
        }
        long_term = Some(used);
    }
    let temporal_mvp = bits.flag()?;
    let checkable = (1..=3).contains(&profile) && format <= 1;
    Some((
        id,
        Sps {
            checkable,
            temporal_layers: sub_layers + 1,
            chroma: format != 0 && !separate_planes,
            separate_planes,
            width,
            height,
            luma_depth,
            chroma_depth,
            poc_bits,
            min_cb_log2,
            ctb_log2,
            min_tb_log2,
            max_tb_log2,
            inter_depth,
            intra_depth,
            amp,
            sao,
            pcm,
            sets,
            long_term,
            temporal_mvp,
        },
    ))
}

/// 7.3.3; `general_profile_idc`.
fn profile_tier_level(bits: &mut Bits, sub_layers: u32) -> Option<u32> {
    bits.u(3)?;
    let profile = bits.u(5)?;
    bits.skip(88)?;
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.flag()?, bits.flag()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers as usize))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(profile)
}

/// 7.3.4
fn scaling_lists(bits: &mut Bits, format: u32) -> Option<()> {
    for size in 0..4u32 {
        let mut matrix = 0;
        while matrix < 6 {
            if bits.flag()? {
                if size > 1 {
                    bits.se()?;
                }
                for _ in 0..64.min(1 << (4 + (size << 1))) {
                    bits.se()?;
                }
            } else {
                bits.ue()?;
            }
            matrix += if size == 3 && format != 3 { 3 } else { 1 };
        }
    }
    Some(())
}

/// 7.3.7 with the derivation of 7.4.8.
fn reference_set(bits: &mut Bits, index: u32, count: u32, sets: &[ReferenceSet]) -> Option<ReferenceSet> {
    let mut out = ReferenceSet::default();
    if index != 0 && bits.flag()? {
        let back = if index == count { bits.ue()?.checked_add(1)? } else { 1 };
        let negative = bits.flag()?;
        let size = i32::try_from(bits.ue()?.checked_add(1)?).ok().filter(|size| *size <= 1 << 15)?;
        let shift = if negative { -size } else { size };
        let from = sets.get(index.checked_sub(back)? as usize)?;
        let all: Vec<i32> = from.before.iter().chain(&from.after).map(|&(poc, _)| poc).chain([0]).collect();
        let mut kept = Vec::new();
        for poc in all {
            let used = bits.flag()?;
            let keep = used || bits.flag()?;
            if keep {
                kept.push((poc + shift, used));
            }
        }
        out.before = kept.iter().copied().filter(|(poc, _)| *poc < 0).collect();
        out.after = kept.into_iter().filter(|(poc, _)| *poc > 0).collect();
        out.before.sort_by_key(|(poc, _)| -poc);
        out.after.sort_by_key(|(poc, _)| *poc);
    } else {
        let (before, after) = (bits.ue()?, bits.ue()?);
        if before > 16 || after > 16 {
            return None;
        }
        for (count, sign, list) in [(before, -1, &mut out.before), (after, 1, &mut out.after)] {
            let mut poc = 0;
            for _ in 0..count {
                poc += i32::try_from(bits.ue().filter(|step| *step < 1 << 15)?).ok()? + 1;
                list.push((sign * poc, bits.flag()?));
            }
        }
    }
    (out.before.len() + out.after.len() <= 16).then_some(out)
}

/// 7.3.2.3
pub fn parse_pps(rbsp: &[u8]) -> Option<(u32, Pps)> {
    let mut bits = Bits::new(rbsp);
    let id = bits.ue().filter(|id| *id < 64)?;
    let sps = bits.ue().filter(|id| *id < 16)?;
    let (dependent_slices, output_flag, extra_bits) = (bits.flag()?, bits.flag()?, bits.u(3)?);
    let (sign_hiding, cabac_init) = (bits.flag()?, bits.flag()?);
    let references = [bits.ue()?.min(15) + 1, bits.ue()?.min(15) + 1];
    let init_qp = 26 + bits.se().filter(|qp| (-62..=25).contains(qp))?;
    bits.flag()?;
    let transform_skip = bits.flag()?;
    let qp_delta_depth = if bits.flag()? { Some(bits.ue().filter(|depth| *depth <= 3)?) } else { None };
    bits.se()?;
    bits.se()?;
    let chroma_qp_offsets = bits.flag()?;
    let weighted = [bits.flag()?, bits.flag()?];
    let (transquant_bypass, tiles, wavefront) = (bits.flag()?, bits.flag()?, bits.flag()?);
    if tiles {
        let (columns, rows) = (bits.ue()?.min(64), bits.ue()?.min(64));
        if !bits.flag()? {
            for _ in 0..columns + rows {
                bits.ue()?;
            }
        }
        bits.flag()?;
    }
    let filter_across_slices = bits.flag()?;
    let (mut deblocking_override, mut deblocking_disabled) = (false, false);
    if bits.flag()? {
        (deblocking_override, deblocking_disabled) = (bits.flag()?, bits.flag()?);
        if !deblocking_disabled {
            bits.se()?;
            bits.se()?;
        }
    }
    if bits.flag()? {
        scaling_lists(&mut bits, 1)?;
    }
    let lists_modification = bits.flag()?;
    bits.ue()?;
    let header_extension = bits.flag()?;
    Some((
        id,
        Pps {
            sps,
            dependent_slices,
            output_flag,
            extra_bits,
            sign_hiding,
            cabac_init,
            references,
            init_qp,
            transform_skip,
            qp_delta_depth,
            chroma_qp_offsets,
            weighted,
            transquant_bypass,
            tiles,
            wavefront,
            filter_across_slices,
            deblocking_override,
            deblocking_disabled,
            lists_modification,
            header_extension,
        },
    ))
}

/// The id of the PPS that a slice segment header names, and whether it is the picture's first.
pub fn slice_pps(kind: u8, rbsp: &[u8]) -> Option<(u32, bool)> {
    let mut bits = Bits::new(rbsp);
    let first = bits.flag()?;
    if (16..=23).contains(&kind) {
        bits.flag()?;
    }
    Some((bits.ue()?, first))
}

/// 7.3.6.1; the header and the byte where the data begins. `before`: the slice that a dependent
/// segment continues.
pub fn parse_slice(
    kind: u8,
    rbsp: &[u8],
    sps: &Sps,
    pps: &Pps,
    before: Option<&SliceHeader>,
) -> Option<(SliceHeader, usize)> {
    let mut bits = Bits::new(rbsp);
    let mut head = SliceHeader { first: bits.flag()?, ..SliceHeader::default() };
    if (16..=23).contains(&kind) {
        bits.flag()?;
    }
    head.pps = bits.ue()?;
    let total = sps.ctbs_across() * sps.ctbs_down();
    if !head.first {
        head.dependent = pps.dependent_slices && bits.flag()?;
        head.segment_address = bits.u(bits_for(total)).filter(|address| (1..total).contains(address))?;
        head.slice_address = head.segment_address;
    }
    if head.dependent {
        let slice = before?.clone();
        head = SliceHeader { first: false, dependent: true, segment_address: head.segment_address, ..slice };
    } else {
        independent(kind, &mut bits, sps, pps, &mut head)?;
    }
    if pps.tiles || pps.wavefront {
        let entries = bits.ue().filter(|entries| *entries <= total)?;
        if entries > 0 {
            let width = bits.ue().filter(|width| *width < 32)? + 1;
            bits.skip(entries as usize * width as usize)?;
        }
    }
    if pps.header_extension {
        let bytes = bits.ue()?;
        bits.skip(bytes as usize * 8)?;
    }
    // byte_alignment(): a one, then zeros.
    if !bits.flag()? {
        return None;
    }
    while bits.position() & 7 != 0 {
        if bits.flag()? {
            return None;
        }
    }
    Some((head, bits.position() / 8))
}

fn independent(kind: u8, bits: &mut Bits, sps: &Sps, pps: &Pps, head: &mut SliceHeader) -> Option<()> {
    bits.u(pps.extra_bits)?;
    head.slice_type = bits.ue().filter(|slice_type| *slice_type <= 2)?;
    if pps.output_flag {
        bits.flag()?;
    }
    if sps.separate_planes {
        bits.u(2)?;
    }
    let mut available = 0;
    let mut temporal_mvp = false;
    if !matches!(kind, 19 | 20) {
        head.poc_lsb = bits.u(sps.poc_bits)?;
        let count = sps.sets.len() as u32;
        let own;
        let set = if !bits.flag()? {
            own = reference_set(bits, count, count, &sps.sets)?;
            &own
        } else {
            sps.sets.get(if count > 1 { bits.u(bits_for(count))? } else { 0 } as usize)?
        };
        available += set.before.iter().chain(&set.after).filter(|(_, used)| *used).count() as u32;
        if let Some(candidates) = &sps.long_term {
            available += long_term(bits, sps, candidates)?;
        }
        temporal_mvp = sps.temporal_mvp && bits.flag()?;
    }
    if sps.sao {
        head.sao_luma = bits.flag()?;
        head.sao_chroma = sps.chroma && bits.flag()?;
    }
    if head.slice_type != 2 {
        inter(bits, sps, pps, head, available, temporal_mvp)?;
    }
    head.qp = pps.init_qp + bits.se()?;
    if !(-48..=51).contains(&head.qp) {
        return None;
    }
    if pps.chroma_qp_offsets {
        bits.se()?;
        bits.se()?;
    }
    let mut deblocking_disabled = pps.deblocking_disabled;
    if pps.deblocking_override && bits.flag()? {
        deblocking_disabled = bits.flag()?;
        if !deblocking_disabled {
            bits.se()?;
            bits.se()?;
        }
    }
    if pps.filter_across_slices && (head.sao_luma || head.sao_chroma || !deblocking_disabled) {
        bits.flag()?;
    }
    Some(())
}

/// How many long-term pictures the current one uses.
fn long_term(bits: &mut Bits, sps: &Sps, candidates: &[bool]) -> Option<u32> {
    let listed = candidates.len() as u32;
    let from_sps = if listed > 0 { bits.ue()? } else { 0 };
    let total = from_sps.checked_add(bits.ue()?).filter(|total| *total <= 32)?;
    let mut used = 0;
    for index in 0..total {
        if index < from_sps {
            let at = if listed > 1 { bits.u(bits_for(listed))? } else { 0 };
            used += u32::from(*candidates.get(at as usize)?);
        } else {
            bits.u(sps.poc_bits)?;
            used += u32::from(bits.flag()?);
        }
        if bits.flag()? {
            bits.ue()?;
        }
    }
    Some(used)
}

/// What only P and B slices have.
fn inter(
    bits: &mut Bits,
    sps: &Sps,
    pps: &Pps,
    head: &mut SliceHeader,
    available: u32,
    temporal_mvp: bool,
) -> Option<()> {
    let both = head.slice_type == 0;
    head.references = pps.references;
    if bits.flag()? {
        head.references[0] = bits.ue().filter(|count| *count < 15)? + 1;
        if both {
            head.references[1] = bits.ue().filter(|count| *count < 15)? + 1;
        }
    }
    let lists = if both { 2 } else { 1 };
    if pps.lists_modification && available > 1 {
        for count in head.references.iter().take(lists) {
            if bits.flag()? {
                bits.skip((count * bits_for(available)) as usize)?;
            }
        }
    }
    head.mvd_l1_zero = both && bits.flag()?;
    head.cabac_init = pps.cabac_init && bits.flag()?;
    if temporal_mvp {
        let from_first = !both || bits.flag()?;
        let candidates = head.references[usize::from(!from_first)];
        if candidates > 1 {
            bits.ue().filter(|index| *index < candidates)?;
        }
    }
    if pps.weighted[usize::from(both)] {
        bits.ue().filter(|shift| *shift <= 7)?;
        if sps.chroma {
            bits.se()?;
        }
        for count in head.references.into_iter().take(lists) {
            weights(bits, sps.chroma, count)?;
        }
    }
    head.merge_candidates = 5u32.checked_sub(bits.ue()?).filter(|candidates| *candidates > 0)?;
    Some(())
}

/// One list of `pred_weight_table` (7.3.6.3).
fn weights(bits: &mut Bits, chroma: bool, count: u32) -> Option<()> {
    let luma = bits.u(count)?;
    let chroma = if chroma { bits.u(count)? } else { 0 };
    for index in (0..count).rev() {
        let pairs = (luma >> index & 1) + 2 * (chroma >> index & 1);
        for _ in 0..2 * pairs {
            bits.se()?;
        }
    }
    Some(())
}
