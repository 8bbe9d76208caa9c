//! Privacy masks: areas whose pixels are painted over before anybody sees or stores them.

use super::Snapshot;
use crate::scene::{NormPoint, Polygon};

/// What stands where nothing may be seen.
const COVER: [u8; 3] = [96, 96, 96];

impl Snapshot {
    /// Paints `areas` over. A pixel goes when any of its corners or its middle lies inside, so that scaling never shows a
    /// rim of what is masked.
    pub fn mask(&mut self, areas: &[Polygon]) {
        let (width, height) = (self.width, self.height);
        for area in areas {
            let point = |x: f32, y: f32| NormPoint::new(x / width as f32, y / height as f32);
            for (y, row) in self.rgb.chunks_exact_mut(3 * width).enumerate() {
                for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                    let (x, y) = (x as f32, y as f32);
                    let places = [(0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)];
                    if places.iter().any(|(dx, dy)| area.contains(point(x + dx, y + dy))) {
                        pixel.copy_from_slice(&COVER);
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
    fn what_is_masked_is_gone_and_the_rest_stays() {
        let corners = [(0.25, 0.0), (0.75, 0.0), (0.75, 0.5), (0.25, 0.5)];
        let area = Polygon::new(corners.map(|(x, y)| NormPoint::new(x, y)).to_vec()).unwrap();
        let mut snapshot = Snapshot::from_rgb(vec![200; 3 * 40 * 20], 40, 20);
        snapshot.mask(&[area]);
        for (at, pixel) in snapshot.rgb().chunks_exact(3).enumerate() {
            let (x, y) = (at % 40, at / 40);
            let inside = (10..30).contains(&x) && y < 10;
            let outside = !(9..=30).contains(&x) || y > 10;
            assert!(!inside || pixel == COVER, "{x},{y}");
            assert!(!outside || pixel == [200; 3], "{x},{y}");
        }
    }
}
