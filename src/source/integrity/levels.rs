//! Brightness levels of a picture's blocks, against those of the picture before.
//!
//! One flipped bit in a JPEG's DC difference can leave every code in step and shift the level of all
//! blocks after it. In the median over a row of blocks nothing that moves is left, so such a shift
//! stands out: rows that agree with the last picture up to a point, and are off by one constant after.

/// Mean square of the rows' median shifts from which a picture counts as shifted: 65 would be 30 dB PSNR
/// from the shift alone, and some of the error lies in rows that the median does not see.
const DAMAGE: i64 = 40;
/// Below this two pictures agree.
const AGREEMENT: i64 = 10;
/// A shift begins with a jump this large from one row to the next; changing light does not.
const JUMP: i32 = 6;

/// Levels (8-bit samples) of one component, a value for each MCU in raster order, for each component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    /// MCUs in a row.
    pub across: usize,
    /// One list for each component.
    pub components: Vec<Vec<i16>>,
}

/// Remembers the last good picture.
#[derive(Debug, Default)]
pub struct Watch {
    good: Levels,
    doubted: Option<Levels>,
    scratch: Vec<i32>,
}

impl Watch {
    /// Whether the next picture's levels are plausible. A change that stays is believed at the
    /// second picture that shows it.
    pub fn plausible(&mut self, levels: &mut Levels) -> bool {
        let shifted = shift(&self.good, levels, &mut self.scratch)
            .is_some_and(|(energy, steps, rows)| energy >= DAMAGE && steps <= 3.max(rows / 4));
        let confirmed = shifted
            && self.doubted.as_ref().is_some_and(|doubted| {
                shift(doubted, levels, &mut self.scratch).is_some_and(|(energy, ..)| energy <= AGREEMENT)
            });
        if shifted && !confirmed {
            self.doubted = Some(std::mem::take(levels));
            return false;
        }
        self.doubted = None;
        std::mem::swap(&mut self.good, levels);
        true
    }
}

/// Of the component that moved most: mean square of the rows' median shifts, how often it changes from row
/// to row, and the number of rows. `None` for pictures that cannot be compared.
fn shift(before: &Levels, now: &Levels, scratch: &mut Vec<i32>) -> Option<(i64, usize, usize)> {
    if before.across != now.across || now.across == 0 || before.components.len() != now.components.len() {
        return None;
    }
    let mut worst = None;
    for (before, after) in before.components.iter().zip(&now.components) {
        let (mut energy, mut steps, mut rows, mut last, mut jump) = (0i64, 0, 0, 0, 0);
        for (before, after) in before.chunks(now.across).zip(after.chunks(now.across)) {
            scratch.clear();
            scratch.extend(after.iter().zip(before).map(|(after, before)| i32::from(*after) - i32::from(*before)));
            let middle = scratch.len() / 2;
            let (_, median, _) = scratch.select_nth_unstable(middle);
            energy += i64::from(*median) * i64::from(*median);
            if rows > 0 {
                steps += usize::from(*median != last);
                jump = jump.max((*median - last).abs());
            }
            (rows, last) = (rows + 1, *median);
        }
        if jump < JUMP {
            steps = rows;
        }
        let found = (energy / (rows.max(1) as i64), steps, rows);
        worst = worst.max(Some(found));
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(shift_from: usize, by: i16) -> Levels {
        let level = |at: usize| (at * 37 % 90) as i16 + if at >= shift_from { by } else { 0 };
        Levels { across: 20, components: vec![(0..400).map(level).collect()] }
    }

    #[test]
    fn a_shift_from_the_middle_on_is_implausible_until_confirmed() {
        let mut watch = Watch::default();
        assert!(watch.plausible(&mut picture(400, 0)));
        assert!(!watch.plausible(&mut picture(213, 20)), "a third of the picture 20 levels off");
        assert!(watch.plausible(&mut picture(400, 0)), "the next good picture");
        assert!(!watch.plausible(&mut picture(213, 20)));
        assert!(watch.plausible(&mut picture(213, 20)), "it stays: the scene changed");
    }

    #[test]
    fn movement_is_plausible() {
        let mut watch = Watch::default();
        assert!(watch.plausible(&mut picture(400, 0)));
        let mut moved = picture(400, 0);
        // A lorry over 8 of 20 columns.
        for row in moved.components[0].chunks_mut(20) {
            row[4..12].fill(120);
        }
        assert!(watch.plausible(&mut moved));
        assert!(watch.plausible(&mut picture(0, 2)), "a little brighter");
    }
}
