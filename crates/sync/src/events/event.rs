use vectr_core::LogExcess;
use vectr_delta::{ChangeId, ShardId, Strategy, VectorId};

use crate::{SyncFailure, SyncProgress};

/// An event of an engine.
///
/// Events that wait to be taken are merged by kind, shard and peer. Their details are in the database, so a slow
/// listener holds few events and misses nothing. Of more than 10,000 the oldest are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncEvent {
    /// Rows of a peer changed this database. Their change ids are above `after` and at most `to`; that range may
    /// contain other changes.
    Change {
        /// The shard.
        shard: ShardId,
        /// The peer's address.
        address: String,
        /// Number of rows.
        changes: u64,
        /// Id of the newest change before them.
        after: ChangeId,
        /// Id of the newest of them.
        to: ChangeId,
    },
    /// Vectors gained concurrent versions here.
    Conflict {
        /// The shard.
        shard: ShardId,
        /// The peer's address.
        address: String,
        /// Number of vectors.
        detected: u64,
        /// Whether the shard's strategy resolves them. Otherwise they wait for a decision.
        resolved: bool,
        /// The shard's strategy.
        strategy: Strategy,
        /// Ids of the vectors, at most [`SyncEvent::MOST_VECTORS`].
        vectors: Vec<VectorId>,
    },
    /// The shard was compared with the peer's, because rows of one of the two were damaged, lost or altered by another
    /// program, and those that differed were joined.
    Repair {
        /// The shard.
        shard: ShardId,
        /// The peer's address.
        address: String,
        /// Number of vectors that came back to this database.
        repaired: u64,
        /// Number of vectors of this database that are still damaged: the peer has no sound version of them.
        damaged: u64,
        /// Whether the two nodes hold different content of the same changes even so.
        differs: bool,
    },
    /// A live stream came up or went down.
    Peer {
        /// The shard.
        shard: ShardId,
        /// The peer's address.
        address: String,
        /// Whether the stream is up.
        online: bool,
        /// Why it went down, unless this node ended it.
        reason: Option<SyncFailure>,
    },
    /// A sync made progress.
    Progress {
        /// The shard.
        shard: ShardId,
        /// The peer's address.
        address: String,
        /// Progress of the current attempt.
        progress: SyncProgress,
    },
    /// A sync failed. An auto-sync keeps retrying.
    Failed {
        /// The shard.
        shard: ShardId,
        /// The peer's address.
        address: String,
        /// The reason.
        failure: SyncFailure,
    },
    /// The write-ahead log of the database has passed its limit, or queries and iterations that kept it so were cut off.
    LogExcess {
        /// How large the log is, and how many were cut off.
        excess: LogExcess,
        /// The same in words, with the code `ERR_LIMIT`.
        failure: SyncFailure,
    },
    /// The conflict callback failed, or its decision could not be written. The conflict stays.
    ConflictCallbackFailed {
        /// The shard; `None` if the pending conflicts of all shards could not be read.
        shard: Option<ShardId>,
        /// The reason: `ERR_CONFLICT_CALLBACK`, or the code of a storage error.
        failure: SyncFailure,
    },
}

/// Waiting events with the same key are merged.
pub(crate) type EventKey = (u8, Option<ShardId>, String);

impl SyncEvent {
    /// Maximum number of vector ids in a conflict event.
    pub const MOST_VECTORS: usize = 100;

    pub(crate) fn key(&self) -> EventKey {
        let (kind, shard, address) = match self {
            Self::Change { shard, address, .. } => (0, shard, address),
            Self::Conflict { shard, address, .. } => (1, shard, address),
            Self::Peer { shard, address, .. } => (2, shard, address),
            Self::Progress { shard, address, .. } => (3, shard, address),
            Self::Failed { shard, address, .. } => (4, shard, address),
            Self::ConflictCallbackFailed { shard, .. } => return (5, shard.clone(), String::new()),
            Self::LogExcess { .. } => return (6, None, String::new()),
            Self::Repair { shard, address, .. } => (7, shard, address),
        };
        (kind, Some(shard.clone()), address.clone())
    }

    pub(crate) fn log_excess(excess: LogExcess) -> Self {
        Self::LogExcess {
            excess,
            failure: SyncFailure { code: "ERR_LIMIT".into(), message: excess.to_string() },
        }
    }

    /// Merges a later event with the same key.
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
            (
                Self::Repair { repaired, damaged, differs, .. },
                Self::Repair { repaired: more, damaged: left, differs: now, .. },
            ) => {
                *repaired += more;
                (*damaged, *differs) = (left, now);
            }
            (Self::LogExcess { excess, failure }, Self::LogExcess { excess: later, .. }) => {
                let cut_off = excess.readers_cut_off + later.readers_cut_off;
                *excess = later;
                excess.readers_cut_off = cut_off;
                failure.message = excess.to_string();
            }
            (earlier, later) => *earlier = later,
        }
    }
}
