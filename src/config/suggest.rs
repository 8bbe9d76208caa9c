//! "did you mean": the known name nearest to a misspelt one.

/// Names longer than this are not compared: nobody misspells them by accident, and the cost is quadratic.
const MAX_CHARS: usize = 64;
/// Of more candidates only the first are compared.
const MAX_COMPARED: usize = 1_000;
/// Of more candidates only the first are listed.
const MAX_LISTED: usize = 24;

/// The candidate nearest to `name` by edit distance, if it is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let chars = name.chars().count();
    if chars == 0 || chars > MAX_CHARS {
        return None;
    }
    candidates
        .into_iter()
        .take(MAX_COMPARED)
        .filter(|candidate| candidate.chars().count() <= MAX_CHARS)
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (chars.max(candidate.chars().count()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The advice for an unknown name: the nearest candidate, or all of them, or `nothing` when there is none.
pub(super) fn advice(name: &str, candidates: &[&str], nothing: &str) -> String {
    match nearest(name, candidates.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if candidates.is_empty() => nothing.to_owned(),
        None => match candidates.get(..MAX_LISTED) {
            Some(some) if candidates.len() > MAX_LISTED => format!("known here: {}, …", some.join(", ")),
            _ => format!("known here: {}", candidates.join(", ")),
        },
    }
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours
/// (Damerau 1964, restricted form), over characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (i, ca) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&last, j) + usize::from(ca != *cb)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = j > 0 && previous_a == Some(*cb) && b.get(j - 1) == Some(&ca);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
        previous_a = Some(ca);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("abc", "", 3), ("camera", "camras", 2), ("ab", "ba", 1), ("line", "lane", 1)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_near_names_are_offered() {
        let known = ["cameras", "models", "sinks"];
        assert_eq!(nearest("camras", known), Some("cameras"));
        assert_eq!(nearest("MODEL", known), Some("models"));
        assert_eq!(nearest("weather", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"x".repeat(1000), known), None);
    }
}
