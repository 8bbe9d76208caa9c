//! Quarter and half turns of a small row-major picture.

use crate::frame::planes::Rotation;

/// Columns of the source turned together: as many destination rows are being written at a time,
/// which a first-level cache holds.
const TILE: usize = 16;

/// Writes `source` (of `size` = width, height, before the turn) turned by `rotation` into `out`,
/// whose rows are `stride` apart; the turned picture's top left corner becomes `out[0]`.
pub(in crate::frame) fn turn<T: Copy>(
    source: &[T],
    (w, h): (usize, usize),
    rotation: Rotation,
    out: &mut [T],
    stride: usize,
) {
    let rows = source.chunks_exact(w).enumerate();
    match rotation {
        Rotation::None => rows.for_each(|(y, row)| out[y * stride..][..w].copy_from_slice(row)),
        Rotation::Cw180 => rows.for_each(|(y, row)| {
            let out = &mut out[(h - 1 - y) * stride..][..w];
            out.iter_mut().rev().zip(row).for_each(|(out, value)| *out = *value);
        }),
        Rotation::Cw90 | Rotation::Cw270 => {
            for left in (0..w).step_by(TILE) {
                for (y, row) in source.chunks_exact(w).enumerate() {
                    for (x, value) in row.iter().enumerate().skip(left).take(TILE) {
                        let at =
                            if rotation == Rotation::Cw90 { x * stride + h - 1 - y } else { (w - 1 - x) * stride + y };
                        out[at] = *value;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_clockwise() {
        // 1 2 3
        // 4 5 6
        let source = [1, 2, 3, 4, 5, 6];
        let turned = |rotation: Rotation| {
            let mut out = vec![0; 6];
            turn(&source, (3, 2), rotation, &mut out, rotation.turned((3, 2)).0);
            out
        };
        assert_eq!(turned(Rotation::None), source);
        assert_eq!(turned(Rotation::Cw90), [4, 1, 5, 2, 6, 3]);
        assert_eq!(turned(Rotation::Cw180), [6, 5, 4, 3, 2, 1]);
        assert_eq!(turned(Rotation::Cw270), [3, 6, 2, 5, 1, 4]);
    }
}
