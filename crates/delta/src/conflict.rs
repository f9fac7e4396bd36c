use std::fmt;

use xxhash_rust::xxh3::Xxh3Default;

use crate::{Row, ShardId, Sibling, VectorId};

/// Names a conflict: the XXH3-128 hash of shard, vector and the sorted dots of its versions, so the same on every
/// node. A new concurrent version makes it another conflict.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConflictId(u128);

impl ConflictId {
    /// The id of the conflict in `row`. `None` where only one version stands.
    #[must_use]
    pub fn of(shard: &ShardId, id: &VectorId, row: &Row) -> Option<Self> {
        if !row.is_concurrent() {
            return None;
        }
        let mut hasher = Xxh3Default::new();
        for name in [shard.as_str(), id.as_str()] {
            hasher.update(&(name.len() as u32).to_le_bytes());
            hasher.update(name.as_bytes());
        }
        for dot in row.siblings().iter().map(Sibling::dot) {
            hasher.update(&dot.site.number().to_be_bytes());
            hasher.update(&dot.seq.to_le_bytes());
        }
        Some(Self(hasher.digest128()))
    }
}

impl fmt::Display for ConflictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ConflictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
