//! Each camera's sequence numbers: from 1, each once, in order, none missing.

use std::collections::BTreeMap;

use super::finding::Finding;

/// Ranges of missing numbers kept per source; beyond it the oldest are told at once.
const MAX_RANGES: usize = 1000;

const GAP_HELP: &str = "the receiver lost records, or the sample leaves some out: ask for them again by \
                        `vantage sinks replay`, or take the whole stream as the sample";
const ORDER_HELP: &str = "keep one camera's records in one partition, queue or connection: `partitionkey` is for that";

/// The numbers of one source.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    highest: u64,
    /// First missing number → last one, and the line where it was noticed.
    missing: BTreeMap<u64, (u64, u64)>,
}

impl Numbers {
    /// Takes in the number of a record that was not seen before.
    pub(super) fn take(&mut self, source: &str, number: u64, line: u64, found: &mut Vec<Finding>) {
        if self.highest == 0 {
            if number > 1 {
                let what = format!("{source} begins at number {number}");
                found.push(Finding::note(
                    line,
                    "gaps",
                    what,
                    "a sample from the middle of a stream does; nothing to do",
                ));
            }
            self.highest = number;
        } else if number > self.highest {
            if number > self.highest + 1 {
                self.missing.insert(self.highest + 1, (number - 1, line));
            }
            self.highest = number;
        } else if self.fill(number) {
            let what = format!("{source}: number {number} comes after {}", self.highest);
            found.push(Finding::error(line, "order", what, ORDER_HELP));
        } else {
            let what = format!("{source}: number {number} is that of another record, or comes from before the sample");
            let help = "two stores write under one source: give each site its own `site`, and each camera its own id";
            found.push(Finding::error(line, "order", what, help));
        }
        while self.missing.len() > MAX_RANGES {
            let Some((first, (last, line))) = self.missing.pop_first() else { break };
            found.push(gap(source, first, last, line));
        }
    }

    /// Takes a number out of the missing ones; false where it was not missing.
    fn fill(&mut self, number: u64) -> bool {
        let around = self.missing.range(..=number).next_back().map(|(first, (last, line))| (*first, *last, *line));
        let Some((first, last, line)) = around.filter(|(_, last, _)| number <= *last) else { return false };
        self.missing.remove(&first);
        if first < number {
            self.missing.insert(first, (number - 1, line));
        }
        if number < last {
            self.missing.insert(number + 1, (last, line));
        }
        true
    }

    /// The stream is over: what is missing by now is missing.
    pub(super) fn finish(&self, source: &str, found: &mut Vec<Finding>) {
        found.extend(self.missing.iter().map(|(first, (last, line))| gap(source, *first, *last, *line)));
    }
}

fn gap(source: &str, first: u64, last: u64, line: u64) -> Finding {
    let which = if first == last { format!("number {first}") } else { format!("numbers {first} to {last}") };
    Finding::error(line, "gaps", format!("{source}: {which} never came"), GAP_HELP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(numbers: &[u64]) -> Vec<(&'static str, u64, String)> {
        let (mut state, mut found) = (Numbers::default(), Vec::new());
        for (line, number) in (1..).zip(numbers) {
            state.take("/camera/a", *number, line, &mut found);
        }
        state.finish("/camera/a", &mut found);
        found.into_iter().map(|f| (f.check, f.line, f.what.replace("/camera/a", "a"))).collect()
    }

    #[test]
    fn gaps_order_and_double_use_are_told_apart() {
        assert_eq!(run(&[1, 2, 3, 4]), []);
        assert_eq!(run(&[7, 8]), [("gaps", 1, "a begins at number 7".to_owned())]);
        assert_eq!(
            run(&[1, 2, 5, 6, 8]),
            [("gaps", 3, "a: numbers 3 to 4 never came".to_owned()), ("gaps", 5, "a: number 7 never came".to_owned())]
        );
        assert_eq!(run(&[1, 3, 2, 4]), [("order", 3, "a: number 2 comes after 3".to_owned())]);
        assert_eq!(run(&[1, 5, 3])[0].0, "order");
        assert_eq!(
            run(&[1, 5, 3])[1..],
            [("gaps", 2, "a: number 2 never came".to_owned()), ("gaps", 2, "a: number 4 never came".to_owned())]
        );
        assert_eq!(run(&[1, 2, 2])[0].1, 3);
    }

    #[test]
    fn endless_gaps_take_bounded_memory() {
        let numbers: Vec<u64> = (0..5000).map(|n| n * 2 + 1).collect();
        assert_eq!(run(&numbers).len(), 4999);
    }
}
