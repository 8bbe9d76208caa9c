//! Exact minimum-cost assignment with a gate, over a sparse set of allowed pairs.
//!
//! Shortest augmenting paths with dual potentials (Jonker and Volgenant, Computing 38, 1987; in the
//! sparse form of Derigs and Metz). Every row may stay alone at the price of the gate, so the result
//! minimises Σ (cost − gate) over the pairs made: a pair above the gate is never made, and a cheap pair
//! is given up only where two others gain more. Rows whose candidates do not overlap cost nothing
//! beyond their own, which is what a street looks like.
//!
//! Invariant: costs are finite; [`Assigner::pair`] drops others. Equal inputs in equal order give equal
//! results.

/// A reusable solver. Use: [`Assigner::begin`], then [`Assigner::row`] and [`Assigner::pair`] for each row, then
/// [`Assigner::solve`].
#[derive(Debug, Clone, Default)]
pub struct Assigner {
    gate: f64,
    /// Where each row's pairs begin in `pairs`.
    starts: Vec<usize>,
    /// (column, cost), row after row.
    pairs: Vec<(usize, f64)>,
    row_column: Vec<Option<usize>>,
    row_potential: Vec<f64>,
    columns: Vec<Column>,
    /// Columns seen by the current search, in the order of first sight.
    seen: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    row: Option<usize>,
    potential: f64,
    /// Length of the shortest alternating path to here in the current search; infinite when unseen.
    distance: f64,
    /// The row before this column on that path.
    from: usize,
    settled: bool,
}

impl Column {
    const NEW: Self = Self { row: None, potential: 0.0, distance: f64::INFINITY, from: 0, settled: false };
}

/// How a search ends.
#[derive(Clone, Copy)]
enum Sink {
    /// A free column.
    Column(usize),
    /// This row stays, or becomes, alone.
    Alone(usize),
}

impl Assigner {
    /// Starts a problem with this many columns. A pair dearer than `gate` is never made.
    pub fn begin(&mut self, columns: usize, gate: f64) {
        self.gate = if gate.is_finite() { gate } else { 0.0 };
        self.starts.clear();
        self.pairs.clear();
        self.columns.clear();
        self.columns.resize(columns, Column::NEW);
    }

    /// Starts the next row (from 0).
    pub fn row(&mut self) {
        self.starts.push(self.pairs.len());
    }

    /// Allows the current row to be paired with `column`; ignored above the gate, when the cost is not
    /// a number, or when there is no such column or no row yet.
    pub fn pair(&mut self, column: usize, cost: f64) {
        if cost <= self.gate && cost.is_finite() && column < self.columns.len() && !self.starts.is_empty() {
            self.pairs.push((column, cost));
        }
    }

    /// Solves; for each row its column, or `None`.
    pub fn solve(&mut self) -> &[Option<usize>] {
        let rows = self.starts.len();
        self.row_column.clear();
        self.row_column.resize(rows, None);
        self.row_potential.clear();
        self.row_potential.resize(rows, 0.0);
        // A column's potential never exceeds 0, so the least price of a row's options is no more than
        // the least reduced cost: starting potentials keep every reduced cost at or above 0.
        for row in 0..rows {
            let pairs = self.pairs.get(self.range(row)).unwrap_or(&[]);
            let cheapest = pairs.iter().map(|&(_, cost)| cost).fold(self.gate, f64::min);
            if let Some(potential) = self.row_potential.get_mut(row) {
                *potential = cheapest;
            }
        }
        for row in 0..rows {
            let (sink, length) = self.search(row);
            self.settle_potentials(row, length);
            self.augment(row, sink);
            for column in self.seen.drain(..) {
                if let Some(c) = self.columns.get_mut(column) {
                    c.distance = f64::INFINITY;
                    c.settled = false;
                }
            }
        }
        &self.row_column
    }

    /// Where a row's pairs lie in `pairs`.
    fn range(&self, row: usize) -> std::ops::Range<usize> {
        let from = self.starts.get(row).copied().unwrap_or(0);
        from..self.starts.get(row + 1).copied().unwrap_or(self.pairs.len())
    }

    /// Dijkstra over alternating paths from an unassigned row to the nearest free column, or to the row
    /// that is cheapest to leave alone.
    fn search(&mut self, start: usize) -> (Sink, f64) {
        let (mut row, mut walked) = (start, 0.0);
        let mut alone = (start, f64::INFINITY);
        loop {
            let potential = self.row_potential.get(row).copied().unwrap_or(0.0);
            let stop_here = walked + self.gate - potential;
            if stop_here < alone.1 {
                alone = (row, stop_here);
            }
            for &(index, cost) in self.pairs.get(self.range(row)).unwrap_or(&[]) {
                let Some(column) = self.columns.get_mut(index) else { continue };
                if column.settled {
                    continue;
                }
                let distance = walked + cost - potential - column.potential;
                if distance < column.distance {
                    if column.distance.is_infinite() {
                        self.seen.push(index);
                    }
                    column.distance = distance;
                    column.from = row;
                }
            }
            let mut nearest: Option<(usize, f64)> = None;
            for &index in &self.seen {
                if let Some(c) = self.columns.get(index)
                    && !c.settled
                    && nearest.is_none_or(|(_, d)| c.distance < d)
                {
                    nearest = Some((index, c.distance));
                }
            }
            let Some((index, distance)) = nearest.filter(|&(_, d)| d < alone.1) else {
                return (Sink::Alone(alone.0), alone.1);
            };
            let Some(column) = self.columns.get_mut(index) else { return (Sink::Alone(alone.0), alone.1) };
            column.settled = true;
            match column.row {
                None => return (Sink::Column(index), distance),
                Some(next) => (row, walked) = (next, distance),
            }
        }
    }

    /// Moves the potentials so that every edge on the shortest path has reduced cost 0.
    fn settle_potentials(&mut self, start: usize, length: f64) {
        if let Some(potential) = self.row_potential.get_mut(start) {
            *potential += length;
        }
        for &index in &self.seen {
            let Some(column) = self.columns.get_mut(index) else { continue };
            if !column.settled {
                continue;
            }
            let slack = length - column.distance;
            column.potential -= slack;
            if let Some(row) = column.row
                && let Some(potential) = self.row_potential.get_mut(row)
            {
                *potential += slack;
            }
        }
    }

    /// Flips the pairs along the path from `start` to `sink`.
    fn augment(&mut self, start: usize, sink: Sink) {
        let mut column = match sink {
            Sink::Column(column) => column,
            Sink::Alone(row) => match self.row_column.get_mut(row).and_then(Option::take) {
                Some(freed) if row != start => freed,
                _ => return,
            },
        };
        loop {
            let Some(c) = self.columns.get_mut(column) else { return };
            let row = c.from;
            c.row = Some(row);
            let previous = self.row_column.get_mut(row).and_then(|r| r.replace(column));
            match previous {
                Some(earlier) if row != start => column = earlier,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn solve(costs: &[Vec<Option<f64>>], columns: usize, gate: f64) -> Vec<Option<usize>> {
        let mut assigner = Assigner::default();
        assigner.begin(columns, gate);
        for row in costs {
            assigner.row();
            for (column, cost) in row.iter().enumerate() {
                if let Some(cost) = cost {
                    assigner.pair(column, *cost);
                }
            }
        }
        assigner.solve().to_vec()
    }

    /// Least Σ (cost − gate) over all matchings, by trying every one.
    fn best(costs: &[Vec<Option<f64>>], gate: f64, row: usize, used: u32) -> f64 {
        let Some(options) = costs.get(row) else { return 0.0 };
        let mut least = best(costs, gate, row + 1, used);
        for (column, cost) in options.iter().enumerate() {
            if let Some(cost) = cost
                && *cost <= gate
                && used & (1 << column) == 0
            {
                least = least.min(cost - gate + best(costs, gate, row + 1, used | 1 << column));
            }
        }
        least
    }

    #[test]
    fn gives_up_a_cheap_pair_where_two_others_gain_more() {
        // Greedy takes (0, 0) at 0.1 and leaves row 1 alone.
        let costs = [vec![Some(0.1), Some(0.2)], vec![Some(0.15), None]];
        assert_eq!(solve(&costs, 2, 0.8), [Some(1), Some(0)]);
    }

    #[test]
    fn never_pairs_above_the_gate_or_at_nan() {
        assert_eq!(solve(&[vec![Some(0.9), Some(f64::NAN)]], 2, 0.8), [None]);
        assert_eq!(solve(&[], 3, 0.8), []);
        assert_eq!(solve(&[vec![], vec![]], 0, 0.8), [None, None]);
    }

    #[test]
    fn a_solver_used_again_starts_afresh() {
        let mut assigner = Assigner::default();
        for _ in 0..2 {
            assigner.begin(1, 1.0);
            assigner.row();
            assigner.pair(0, 0.5);
            assigner.row();
            assigner.pair(0, 0.25);
            assert_eq!(assigner.solve(), [None, Some(0)]);
        }
    }

    fn matrices() -> impl Strategy<Value = (Vec<Vec<Option<f64>>>, usize)> {
        (0_usize..=6, 0_usize..=6).prop_flat_map(|(rows, columns)| {
            // Coarse costs, so that ties are common.
            let cost = prop_oneof![3 => (0_u8..=20).prop_map(|c| Some(f64::from(c) / 16.0)), 1 => Just(None)];
            let row = proptest::collection::vec(cost, columns);
            (proptest::collection::vec(row, rows), Just(columns))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn as_good_as_trying_everything((costs, columns) in matrices(), gate in 0.0_f64..1.5) {
            let found = solve(&costs, columns, gate);
            let mut used = vec![false; columns];
            let mut total = 0.0;
            for (row, column) in found.iter().enumerate() {
                let Some(column) = *column else { continue };
                prop_assert!(!std::mem::replace(&mut used[column], true), "column {} given twice", column);
                let cost = costs[row][column].expect("only allowed pairs");
                prop_assert!(cost <= gate);
                total += cost - gate;
            }
            let least = best(&costs, gate, 0, 0);
            prop_assert!((total - least).abs() < 1e-9, "{} instead of {}", total, least);
        }
    }
}
