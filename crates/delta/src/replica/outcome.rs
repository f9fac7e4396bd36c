use crate::{DeltaError, Held, VectorId, VersionVector};

/// What applying batches did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Rows that came, whether they changed anything or not.
    pub received: u64,
    /// Rows whose join changed this database.
    pub changed: u64,
    /// Vectors that gained concurrent siblings here.
    pub conflicts: u64,
    /// Which, at most [`Applied::MAX_NAMED`] of them.
    pub conflicted: Vec<VectorId>,
    /// What was not taken in, by reason.
    pub held: Vec<Held>,
}

impl Applied {
    /// How many conflicted vectors are named.
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

/// What an end did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The shard's version vector now.
    pub version_vector: VersionVector,
    /// Both nodes claim the same changes and hold different content: a fault of storage, never of timing.
    pub digests_differ: bool,
}

/// Why a transaction must be rolled back and the session ended.
#[derive(Debug)]
pub enum Refusal<E> {
    /// The peer has collected tombstones that this node has not seen, or the reverse: sync afresh.
    Frontier,
    /// Another file goes on under this node's site: take a new one, then sync afresh.
    Forked,
    /// The shards do not fit each other.
    Shard(DeltaError),
    /// The storage failed.
    Store(E),
}

impl<E> From<E> for Refusal<E> {
    fn from(error: E) -> Self {
        Self::Store(error)
    }
}
