//! Candidate boxes of one picture and class-wise non-maximum suppression, shared by all families.
//!
//! Greedy suppression as in Girshick et al., "Rich feature hierarchies" (2014): the best box stays,
//! boxes of its class that overlap it by more than the threshold go, and so on. The order is total
//! (score, then position in the output), so that equal inputs give equal outputs.

/// Most candidates that suppression looks at; with more, the best by score are kept.
pub const MAX_CANDIDATES: usize = 1000;

/// A box in the model's input pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Left, top, right, bottom.
    pub corners: [f32; 4],
    /// Confidence, 0 to 1.
    pub score: f32,
    /// Class index.
    pub class: u16,
    /// Place in the order the family found them; breaks ties.
    pub order: u32,
}

fn best_first(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then(a.order.cmp(&b.order))
}

/// Sorts by score, best first, and drops what exceeds [`MAX_CANDIDATES`].
pub fn sort(candidates: &mut Vec<Candidate>) {
    if candidates.len() > MAX_CANDIDATES {
        candidates.select_nth_unstable_by(MAX_CANDIDATES, best_first);
        candidates.truncate(MAX_CANDIDATES);
    }
    candidates.sort_unstable_by(best_first);
}

/// Removes, from candidates sorted best first, those whose IoU with a better kept one of the same
/// class exceeds `threshold`.
pub fn suppress(candidates: &mut Vec<Candidate>, threshold: f32) {
    let mut kept = 0;
    for i in 0..candidates.len() {
        let (better, rest) = candidates.split_at_mut(kept);
        let Some(&candidate) = rest.get(i - kept) else { break };
        if better.iter().all(|k| k.class != candidate.class || iou(&k.corners, &candidate.corners) <= threshold) {
            if let Some(slot) = rest.first_mut() {
                *slot = candidate;
            }
            kept += 1;
        }
    }
    candidates.truncate(kept);
}

fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let w = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let h = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let inter = w * h;
    let union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter;
    if union > 0.0 { inter / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(corners: [f32; 4], score: f32, class: u16, order: u32) -> Candidate {
        Candidate { corners, score, class, order }
    }

    fn run(mut candidates: Vec<Candidate>, threshold: f32) -> Vec<u32> {
        sort(&mut candidates);
        suppress(&mut candidates, threshold);
        candidates.iter().map(|c| c.order).collect()
    }

    #[test]
    fn overlapping_boxes_of_one_class_leave_the_best() {
        let boxes = vec![
            candidate([0.0, 0.0, 10.0, 10.0], 0.5, 0, 0),
            candidate([1.0, 0.0, 11.0, 10.0], 0.9, 0, 1),
            candidate([1.0, 0.0, 11.0, 10.0], 0.6, 1, 2),
            candidate([30.0, 0.0, 40.0, 10.0], 0.4, 0, 3),
        ];
        assert_eq!(run(boxes.clone(), 0.45), [1, 2, 3]);
        assert_eq!(run(boxes, 0.95), [1, 2, 0, 3]);
    }

    #[test]
    fn equal_scores_keep_the_order_of_the_output() {
        let twins = |order| candidate([0.0, 0.0, 10.0, 10.0], 0.5, 0, order);
        assert_eq!(run(vec![twins(7), twins(3), twins(5)], 0.45), [3]);
    }

    #[test]
    fn a_flood_is_cut_to_the_best() {
        let flood: Vec<_> = (0..5000)
            .map(|i| candidate([i as f32 * 20.0, 0.0, i as f32 * 20.0 + 10.0, 10.0], i as f32 / 5000.0, 0, i))
            .collect();
        let kept = run(flood, 0.45);
        assert_eq!(kept.len(), MAX_CANDIDATES);
        assert_eq!((kept[0], kept[999]), (4999, 4000));
    }

    proptest! {
        #[test]
        fn no_kept_pair_of_a_class_overlaps(raw in proptest::collection::vec((0f32..50., 0f32..50., 1f32..30., 1f32..30., 0f32..1., 0u16..3), 0..60)) {
            let mut boxes: Vec<_> = raw.iter().enumerate()
                .map(|(i, &(x, y, w, h, s, c))| candidate([x, y, x + w, y + h], s, c, i as u32)).collect();
            sort(&mut boxes);
            let all = boxes.clone();
            suppress(&mut boxes, 0.5);
            for (i, a) in boxes.iter().enumerate() {
                for b in &boxes[i + 1..] {
                    prop_assert!(a.class != b.class || iou(&a.corners, &b.corners) <= 0.5);
                    prop_assert!(a.score >= b.score);
                }
            }
            // Whatever went, went because of a better one that stayed.
            for gone in all.iter().filter(|c| !boxes.contains(c)) {
                prop_assert!(boxes.iter().any(|k| k.class == gone.class && k.score >= gone.score && iou(&k.corners, &gone.corners) > 0.5));
            }
        }
    }
}
