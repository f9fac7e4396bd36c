use std::cmp::{Ordering, Reverse};

use vectr_delta::ShardId;

/// Priority and age of a task: the greater rank goes first. Ranks of one scheduler are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// The bits of the number, in its order.
    priority: i64,
    number: Reverse<u64>,
}

impl Rank {
    /// `number` counts up: of two tasks with the same priority the older one goes first.
    pub(super) const fn new(priority: f64, number: u64) -> Self {
        // Zero has two forms, which differ for nobody. What is left orders as its bits do, the negative ones backwards.
        let bits = (priority + 0.0).to_bits() as i64;
        Self { priority: bits ^ ((bits >> 63) as u64 >> 1) as i64, number: Reverse(number) }
    }
}

/// A sync to be done.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) rank: Rank,
    pub(super) shard: ShardId,
    pub(super) address: String,
}

impl PartialEq for Task {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Task {}

impl PartialOrd for Task {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Task {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_a_priority_and_equal_ones_go_by_age() {
        let priorities = [f64::INFINITY, f64::MAX, 1e12, 5.0, 0.7, 0.5, 5e-324, 0.0, -0.5, -3.0, f64::MIN];
        for (at, pair) in priorities.windows(2).enumerate() {
            assert!(Rank::new(pair[0], 9) > Rank::new(pair[1], 1), "{at}: {pair:?}");
        }
        assert_eq!(Rank::new(0.0, 1), Rank::new(-0.0, 1));
        assert!(Rank::new(0.5, 1) > Rank::new(0.5, 2));
    }
}
