use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use vectr_core::StoredConflict;
use vectr_delta::{ChangeId, NodeName, ShardId, Timestamp};

use crate::limits::bounds::MAX_SHARDS;

/// Status of an engine: its shards, and the conflicts that wait for a decision.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SyncStatus {
    /// Id of the sync session. Stored in the file and stable until the database takes a new site; without
    /// `persist_session`, an id of this engine.
    pub id: String,
    /// Name of the node.
    pub node: NodeName,
    /// All shards of the database.
    pub shards: Vec<ShardState>,
    /// Conflicts that wait for a decision.
    pub pending_conflicts: Vec<StoredConflict>,
    /// Start of the sync session.
    pub created_at: Timestamp,
    /// Time of this status.
    pub updated_at: Timestamp,
}

/// The state of one shard.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ShardState {
    /// The shard.
    pub shard: ShardId,
    /// Id of its newest change.
    pub change_id: ChangeId,
    /// Entries by `name@site`.
    pub version_vector: Vec<(String, u64)>,
    /// Number of live vectors.
    pub vectors: u64,
    /// Time of the last successful sync. `None`: never.
    pub last_sync_at: Option<Timestamp>,
    /// Current activity.
    pub status: ShardStatus,
}

/// Current sync activity of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardStatus {
    /// No sync is running.
    Idle,
    /// A sync is running, started here or by a peer.
    Syncing,
    /// The last sync started here failed.
    Error,
}

/// Running and failed syncs by shard.
#[derive(Debug, Default)]
pub(crate) struct Activity(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: BTreeMap<ShardId, usize>,
    failed: BTreeSet<ShardId>,
    synced: BTreeMap<ShardId, Timestamp>,
}

impl State {
    /// The time of a shard that exists is in the database as well. Peers choose the names of others.
    fn note_synced(&mut self, shard: &ShardId, at: Timestamp) {
        if self.synced.len() >= MAX_SHARDS && !self.synced.contains_key(shard) {
            let oldest = self.synced.iter().min_by_key(|(_, at)| **at).map(|(shard, _)| shard.clone());
            oldest.map(|oldest| self.synced.remove(&oldest));
        }
        self.synced.insert(shard.clone(), at);
    }
}

impl Activity {
    /// Marks the shard as syncing until the guard is dropped.
    pub(crate) fn begin(&self, shard: &ShardId) -> ActivityGuard<'_> {
        self.state(|state| *state.running.entry(shard.clone()).or_default() += 1);
        ActivityGuard { activity: self, shard: shard.clone() }
    }

    /// `success`: its time; `None` for a failure.
    pub(crate) fn record_outcome(&self, shard: &ShardId, success: Option<Timestamp>) {
        self.state(|state| match success {
            None => drop(state.failed.insert(shard.clone())),
            Some(at) => {
                state.failed.remove(shard);
                state.note_synced(shard, at);
            }
        });
    }

    pub(crate) fn last_sync_at(&self, shard: &ShardId) -> Timestamp {
        self.state(|state| state.synced.get(shard).copied().unwrap_or_default())
    }

    pub(crate) fn status(&self, shard: &ShardId) -> ShardStatus {
        self.state(|state| match (state.running.contains_key(shard), state.failed.contains(shard)) {
            (true, _) => ShardStatus::Syncing,
            (false, true) => ShardStatus::Error,
            (false, false) => ShardStatus::Idle,
        })
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// See [`Activity::begin`].
pub(crate) struct ActivityGuard<'a> {
    activity: &'a Activity,
    shard: ShardId,
}

impl Drop for ActivityGuard<'_> {
    fn drop(&mut self) {
        self.activity.state(|state| {
            let Some(count) = state.running.get_mut(&self.shard) else { return };
            *count -= 1;
            if *count == 0 {
                state.running.remove(&self.shard);
            }
        });
    }
}
