use super::count::DamagedRows;
use crate::{DeltaError, Held, ShardSummary, ShardVersion, VectorId};

/// The effect of applying batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Rows received, whether they changed anything or not.
    pub received: u64,
    /// Rows that changed this database.
    pub changed: u64,
    /// Vectors that gained concurrent siblings here.
    pub conflicts: u64,
    /// The ids of those vectors, at most [`Applied::MAX_NAMED`].
    pub conflicted: Vec<VectorId>,
    /// Rows held back, grouped by reason.
    pub held: Vec<Held>,
}

impl Applied {
    /// The most ids of conflicted vectors.
    pub const MAX_NAMED: usize = 100;

    pub(crate) fn note_change(&mut self, id: &VectorId, conflict: bool) {
        self.changed += 1;
        if !conflict {
            return;
        }
        self.conflicts += 1;
        if self.conflicted.len() < Self::MAX_NAMED && !self.conflicted.contains(id) {
            self.conflicted.push(id.clone());
        }
    }
}

/// The effect of an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The shard's version vector now.
    pub version_vector: ShardVersion,
    /// Both nodes claim the same changes but hold different content: a storage fault, never a matter of timing.
    pub digests_differ: bool,
    /// The end was stored for after a repair, and its version vector is not taken over yet.
    pub deferred: bool,
    /// How many sites the peer claims changes of that this shard has no room for: it claims none of their changes.
    pub further_sites: u64,
}

/// The effect of the end of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The shard now.
    pub summary: ShardSummary,
    /// The rows that still do not match their hashes. Looked for only where rows had been altered.
    pub damaged: DamagedRows,
}

/// Why the transaction must be rolled back and the session ended.
#[derive(Debug)]
pub enum Refusal<E> {
    /// One node has collected tombstones that the other has not seen: sync again.
    Frontier,
    /// Another copy of the file is in use under this node's site: take a new site, then sync again.
    Forked,
    /// The database began a new life after this session's Hello named its site: sync again.
    NewLife,
    /// The shards are incompatible.
    Shard(DeltaError),
    /// The storage failed.
    Store(E),
}

impl<E> From<E> for Refusal<E> {
    fn from(error: E) -> Self {
        Self::Store(error)
    }
}
