//! Average precision at IoU 0.5 with 101-point interpolation, as COCO defines it, without crowd regions.
#![allow(dead_code)]

use std::collections::BTreeMap;

/// A box in pixels: left, top, right, bottom.
pub type Corners = [f32; 4];

/// A detection of one picture.
#[derive(Clone)]
pub struct Found {
    pub picture: usize,
    pub class: usize,
    pub score: f32,
    pub corners: Corners,
}

/// A labelled object.
#[derive(Clone)]
pub struct Truth {
    pub picture: usize,
    pub class: usize,
    pub corners: Corners,
}

pub fn iou(a: &Corners, b: &Corners) -> f32 {
    let w = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let h = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h;
    if union > 0.0 { w * h / union } else { 0.0 }
}

/// AP of every class that has a labelled object.
pub fn ap50(found: &[Found], truths: &[Truth]) -> BTreeMap<usize, f64> {
    let mut classes: Vec<usize> = truths.iter().map(|t| t.class).collect();
    classes.sort_unstable();
    classes.dedup();
    classes.into_iter().map(|class| (class, ap50_of(class, found, truths))).collect()
}

fn ap50_of(class: usize, found: &[Found], truths: &[Truth]) -> f64 {
    let truths: Vec<&Truth> = truths.iter().filter(|t| t.class == class).collect();
    let mut found: Vec<&Found> = found.iter().filter(|f| f.class == class).collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut taken = vec![false; truths.len()];
    let (mut right, mut curve) = (0usize, Vec::new());
    for (n, f) in found.iter().enumerate() {
        let best = truths
            .iter()
            .enumerate()
            .filter(|(i, t)| t.picture == f.picture && !taken[*i])
            .map(|(i, t)| (i, iou(&t.corners, &f.corners)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .filter(|(_, iou)| *iou >= 0.5);
        if let Some((i, _)) = best {
            taken[i] = true;
            right += 1;
        }
        curve.push((right as f64 / truths.len() as f64, right as f64 / (n + 1) as f64));
    }
    (0..=100)
        .map(|i| {
            let recall = f64::from(i) / 100.0;
            curve.iter().filter(|(r, _)| *r >= recall - 1e-12).map(|(_, p)| *p).fold(0.0, f64::max)
        })
        .sum::<f64>()
        / 101.0
}
