use std::cmp::{Ordering, Reverse};

use vectr_delta::ShardId;

/// Priority and age of a task: the greater rank goes first. Ranks of one scheduler are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    priority: i32,
    number: Reverse<u64>,
}

impl Rank {
    /// `number` counts up: of two tasks with the same priority the older one goes first.
    pub(super) const fn new(priority: i32, number: u64) -> Self {
        Self { priority, number: Reverse(number) }
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
