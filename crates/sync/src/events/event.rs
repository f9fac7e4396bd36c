use vectr_delta::{ChangeId, ShardId, Strategy, VectorId};

use crate::{SyncFailure, SyncProgress};

/// What happened in an engine.
///
/// Events that nobody has taken yet are put together by kind, shard and peer: what is behind them stands in the database,
/// so that a slow listener misses nothing and holds little.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncEvent {
    /// Rows of a peer changed this database. They have the change ids after `after`, up to and including `to`, among
    /// which there may be others.
    Change {
        /// Where.
        shard: ShardId,
        /// Which peer.
        address: String,
        /// How many rows.
        changes: u64,
        /// The newest change before them.
        after: ChangeId,
        /// The newest of them.
        to: ChangeId,
    },
    /// Vectors gained concurrent versions here.
    Conflict {
        /// Where.
        shard: ShardId,
        /// Which peer.
        address: String,
        /// How many vectors.
        detected: u64,
        /// Whether the shard's strategy settles them; else they wait for someone to choose.
        resolved: bool,
        /// That strategy.
        strategy: Strategy,
        /// Which vectors: at most [`SyncEvent::MOST_VECTORS`] are named.
        vectors: Vec<VectorId>,
    },
    /// A live sync came up, or went down.
    Peer {
        /// Of which shard.
        shard: ShardId,
        /// Which peer.
        address: String,
        /// Whether it is up.
        online: bool,
        /// Why it is not, where that was no decision of this node.
        reason: Option<SyncFailure>,
    },
    /// A sync has come this far.
    Progress {
        /// Of which shard.
        shard: ShardId,
        /// With which peer.
        address: String,
        /// In its present attempt.
        progress: SyncProgress,
    },
    /// A sync did not succeed; an auto-sync goes on trying.
    Failed {
        /// Of which shard.
        shard: ShardId,
        /// With which peer.
        address: String,
        /// Why.
        failure: SyncFailure,
    },
}

/// Events of one key are put together while they wait.
pub(crate) type EventKey = (u8, ShardId, String);

impl SyncEvent {
    /// How many vectors a conflict event names.
    pub const MOST_VECTORS: usize = 100;

    pub(crate) fn key(&self) -> EventKey {
        let (kind, shard, address) = match self {
            Self::Change { shard, address, .. } => (0, shard, address),
            Self::Conflict { shard, address, .. } => (1, shard, address),
            Self::Peer { shard, address, .. } => (2, shard, address),
            Self::Progress { shard, address, .. } => (3, shard, address),
            Self::Failed { shard, address, .. } => (4, shard, address),
        };
        (kind, shard.clone(), address.clone())
    }

    /// Takes in a later event of the same key.
    pub(crate) fn absorb(&mut self, later: Self) {
        match (self, later) {
            (Self::Change { changes, to, .. }, Self::Change { changes: more, to: newest, .. }) => {
                *changes += more;
                *to = newest;
            }
            (
                Self::Conflict { detected, resolved, strategy, vectors, .. },
                Self::Conflict { detected: more, resolved: now, strategy: by, vectors: others, .. },
            ) => {
                *detected += more;
                (*resolved, *strategy) = (now, by);
                let room = Self::MOST_VECTORS.saturating_sub(vectors.len());
                let new: Vec<_> = others.into_iter().filter(|id| !vectors.contains(id)).take(room).collect();
                vectors.extend(new);
            }
            (earlier, later) => *earlier = later,
        }
    }
}
