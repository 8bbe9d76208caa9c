//! `residual_coding` of H.265 (7.3.8.11) as far as parsing goes: no coefficient is kept.

use super::cabac::{Cabac, Context};
use super::slice::{Fault, ctx};

/// What parsing a transform block depends on.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// log2 of its size, 2..=5.
    pub log2: u32,
    /// Chroma?
    pub chroma: bool,
    /// 0 diagonal, 1 horizontal, 2 vertical (6.5.3 to 6.5.5).
    pub scan: usize,
    /// The coding unit is coded without loss.
    pub lossless: bool,
    /// `transform_skip_enabled_flag`
    pub may_skip_transform: bool,
    /// `sign_data_hiding_enabled_flag`
    pub hides_signs: bool,
}

/// 6.5.3: up-right diagonal scan of a `1 << log2` square.
const fn diagonal<const N: usize>(log2: u32) -> [(u8, u8); N] {
    let size = 1 << log2;
    let mut out = [(0, 0); N];
    let (mut at, mut start) = (0, 0);
    while at < N {
        let (mut x, mut y) = (0, start);
        while y >= 0 {
            if x < size && y < size && at < N {
                out[at] = (x as u8, y as u8);
                at += 1;
            }
            x += 1;
            y -= 1;
        }
        start += 1;
    }
    out
}

/// 6.5.4 and 6.5.5
const fn lines<const N: usize>(log2: u32, vertical: bool) -> [(u8, u8); N] {
    let mut out = [(0, 0); N];
    let mut at = 0;
    while at < N {
        let (line, along) = ((at >> log2) as u8, (at & ((1 << log2) - 1)) as u8);
        out[at] = if vertical { (line, along) } else { (along, line) };
        at += 1;
    }
    out
}

static FOUR: [[(u8, u8); 16]; 3] = [diagonal(2), lines(2, false), lines(2, true)];
static TWO: [[(u8, u8); 4]; 3] = [diagonal(1), lines(1, false), lines(1, true)];
static EIGHT: [(u8, u8); 64] = diagonal(3);

/// Table 9-50
const SIG_4X4: [u8; 16] = [0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 8];

/// Parses one transform block.
pub fn residual(cabac: &mut Cabac, contexts: &mut [Context; ctx::COUNT], block: Block) -> Result<(), Fault> {
    let Block { log2, chroma, scan, .. } = block;
    let c = usize::from(chroma);
    if block.may_skip_transform && !block.lossless && log2 == 2 {
        cabac.bin(&mut contexts[ctx::TRANSFORM_SKIP + c]);
    }
    let (offset, shift) = if chroma { (15, log2 - 2) } else { (3 * (log2 - 2) + ((log2 - 1) >> 2), (log2 + 1) >> 2) };
    let mut prefix = |base: usize| {
        let mut count = 0;
        while count < (log2 << 1) - 1 && cabac.bin(&mut contexts[base + (offset + (count >> shift)) as usize]) {
            count += 1;
        }
        count
    };
    let prefixes = (prefix(ctx::LAST_X), prefix(ctx::LAST_Y));
    let mut last = |prefix: u32| {
        if prefix < 4 {
            return prefix;
        }
        let bits = (prefix >> 1) - 1;
        ((2 + (prefix & 1)) << bits) + cabac.bits(bits)
    };
    let (mut last_x, mut last_y) = (last(prefixes.0), last(prefixes.1));
    if scan == 2 {
        std::mem::swap(&mut last_x, &mut last_y);
    }
    let groups: &[(u8, u8)] = match log2 {
        2 => &[(0, 0)],
        3 => &TWO[scan % 3],
        4 => &FOUR[scan % 3],
        _ => &EIGHT,
    };
    let within = &FOUR[scan % 3];
    let find = |list: &[(u8, u8)], x: u32, y: u32| {
        list.iter().position(|&(a, b)| (u32::from(a), u32::from(b)) == (x, y)).ok_or("a coefficient outside its block")
    };
    let last_group = find(groups, last_x >> 2, last_y >> 2)?;
    let last_in_group = find(within, last_x & 3, last_y & 3)?;

    // One bit a group, row by row, with a border on the right and below.
    let mut coded_groups = [0u16; 9];
    let mut greater1_state = 1;
    for (index, &(group_x, group_y)) in groups.iter().enumerate().take(last_group + 1).rev() {
        let (gx, gy) = (usize::from(group_x & 7), usize::from(group_y & 7));
        let right = coded_groups[gy] >> (gx + 1) & 1;
        let below = coded_groups[gy + 1] >> gx & 1;
        let ends = index == last_group || index == 0;
        let coded = ends || cabac.bin(&mut contexts[ctx::CODED_GROUP + usize::from(right | below) + 2 * c]);
        if !coded {
            continue;
        }
        coded_groups[gy] |= 1 << gx;
        let neighbours = right | below << 1;
        let mut infer_dc = !ends;
        let mut significant = [0u8; 16];
        let mut count = 0;
        let mut from = 16;
        if index == last_group {
            significant[0] = last_in_group as u8;
            count = 1;
            from = last_in_group;
        }
        for position in (0..from).rev() {
            let (x, y) = within[position & 15];
            let found = if position == 0 && infer_dc {
                true
            } else {
                let at = sig_context(block, (group_x, group_y), (x, y), neighbours);
                cabac.bin(&mut contexts[ctx::SIG + at])
            };
            if found {
                significant[count & 15] = position as u8;
                count += 1;
                infer_dc = false;
            }
        }
        if count == 0 {
            continue;
        }
        levels(cabac, contexts, block, index, index == last_group, &significant[..count.min(16)], &mut greater1_state)?;
        if cabac.overrun() {
            return Err("the slice data is too short");
        }
    }
    Ok(())
}

/// 9.3.4.2.5
fn sig_context(block: Block, group: (u8, u8), (x, y): (u8, u8), neighbours: u16) -> usize {
    let in_block = (group.0 * 4 + x, group.1 * 4 + y);
    let base = if block.log2 == 2 {
        usize::from(SIG_4X4[usize::from(in_block.1 * 4 + in_block.0) & 15])
    } else if in_block == (0, 0) {
        0
    } else {
        let falling = |distance: u8| match distance {
            0 => 2,
            1 => 1,
            _ => 0,
        };
        let near = match neighbours {
            0 if x + y == 0 => 2,
            0 if x + y < 3 => 1,
            0 => 0,
            1 => falling(y),
            2 => falling(x),
            _ => 2,
        };
        if block.chroma {
            near + if block.log2 == 3 { 9 } else { 12 }
        } else {
            let far = if group == (0, 0) { 0 } else { 3 };
            let size = match (block.log2, block.scan) {
                (3, 0) => 9,
                (3, _) => 15,
                _ => 21,
            };
            near + far + size
        }
    };
    if block.chroma { 27 + base } else { base }
}

/// The levels of a group's significant coefficients, given by scan position, highest first.
fn levels(
    cabac: &mut Cabac,
    contexts: &mut [Context; ctx::COUNT],
    block: Block,
    index: usize,
    is_first: bool,
    significant: &[u8],
    greater1_state: &mut usize,
) -> Result<(), Fault> {
    let mut set = if index == 0 || block.chroma { 0 } else { 2 };
    if !is_first && *greater1_state == 0 {
        set += 1;
    }
    *greater1_state = 1;
    let mut greater1 = [false; 8];
    let mut first_greater1 = None;
    for (at, flag) in greater1.iter_mut().enumerate().take(significant.len()) {
        let context = ctx::GREATER1 + set * 4 + *greater1_state + if block.chroma { 16 } else { 0 };
        *flag = cabac.bin(&mut contexts[context]);
        if *flag {
            *greater1_state = 0;
            first_greater1.get_or_insert(at);
        } else if (1..3).contains(greater1_state) {
            *greater1_state += 1;
        }
    }
    let greater2 =
        first_greater1.is_some() && cabac.bin(&mut contexts[ctx::GREATER2 + set + if block.chroma { 4 } else { 0 }]);
    let spread = significant.first().unwrap_or(&0) - significant.last().unwrap_or(&0);
    let hidden = block.hides_signs && !block.lossless && spread > 3;
    cabac.bits(significant.len() as u32 - u32::from(hidden));

    let mut rice = 0;
    for at in 0..significant.len() {
        let flagged = greater1.get(at).copied();
        let base = match flagged {
            None => 1,
            Some(false) => continue,
            Some(true) if first_greater1 != Some(at) => 2,
            Some(true) if greater2 => 3,
            Some(true) => continue,
        };
        let level = base + remaining(cabac, rice)?;
        if level > 3 << rice {
            rice = (rice + 1).min(4);
        }
    }
    Ok(())
}

/// `coeff_abs_level_remaining` (9.3.3.11)
fn remaining(cabac: &mut Cabac, rice: u32) -> Result<u32, Fault> {
    let mut prefix = 0;
    while cabac.bypass() {
        prefix += 1;
        if prefix > 24 {
            return Err("a coefficient out of range");
        }
    }
    Ok(if prefix <= 3 {
        (prefix << rice) + cabac.bits(rice)
    } else {
        (((1 << (prefix - 3)) + 2) << rice) + cabac.bits(prefix - 3 + rice)
    })
}
