//! Quarter and half turns of a small row-major picture.

use crate::frame::planes::Rotation;

/// Writes row `y` of `source` (of `size` = width, height, before the turn) turned by `rotation`;
/// `out` is as long as the turned picture is wide.
pub(super) fn turned_row<T: Copy>(source: &[T], (w, h): (usize, usize), rotation: Rotation, y: usize, out: &mut [T]) {
    match rotation {
        Rotation::None => out.copy_from_slice(&source[y * w..][..w]),
        Rotation::Cw180 => {
            let row = &source[(h - 1 - y) * w..][..w];
            out.iter_mut().zip(row.iter().rev()).for_each(|(out, value)| *out = *value);
        }
        Rotation::Cw90 => {
            let column = source[y..].iter().step_by(w).rev();
            out.iter_mut().zip(column).for_each(|(out, value)| *out = *value);
        }
        Rotation::Cw270 => {
            let column = source[w - 1 - y..].iter().step_by(w);
            out.iter_mut().zip(column).for_each(|(out, value)| *out = *value);
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
            let (w, h) = rotation.turned((3, 2));
            let mut out = vec![0; 6];
            for y in 0..h {
                turned_row(&source, (3, 2), rotation, y, &mut out[y * w..][..w]);
            }
            out
        };
        assert_eq!(turned(Rotation::None), source);
        assert_eq!(turned(Rotation::Cw90), [4, 1, 5, 2, 6, 3]);
        assert_eq!(turned(Rotation::Cw180), [6, 5, 4, 3, 2, 1]);
        assert_eq!(turned(Rotation::Cw270), [3, 6, 2, 5, 1, 4]);
    }
}
