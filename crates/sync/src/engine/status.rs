use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use vectr_core::StoredConflict;
use vectr_delta::{ChangeId, NodeName, ShardId, Timestamp};

/// What an engine knows of its syncs: the documented session.
#[derive(Debug, Clone)]
pub struct SyncStatus {
    /// Names the session: kept in the file for as long as the database goes on under one site, or of this engine only
    /// where sessions are not kept.
    pub id: String,
    /// The node.
    pub node: NodeName,
    /// Each shard of the database.
    pub shards: Vec<ShardState>,
    /// What someone has to settle.
    pub pending_conflicts: Vec<StoredConflict>,
    /// When the session began.
    pub created_at: Timestamp,
    /// When this was read.
    pub updated_at: Timestamp,
}

/// The state of one shard.
#[derive(Debug, Clone)]
pub struct ShardState {
    /// Which shard.
    pub shard: ShardId,
    /// Its newest change.
    pub change_id: ChangeId,
    /// By `name@site`.
    pub version_vector: Vec<(String, u64)>,
    /// Live vectors.
    pub vectors: u64,
    /// When a sync of it last succeeded; `None`: never.
    pub last_sync_at: Option<Timestamp>,
    /// What is going on.
    pub status: ShardStatus,
}

/// What is going on in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardStatus {
    /// Nothing.
    Idle,
    /// A sync, here or from a peer.
    Syncing,
    /// The last sync from here failed.
    Error,
}

/// Which shards are being synced, and which failed last.
#[derive(Debug, Default)]
pub(crate) struct Activity(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: BTreeMap<ShardId, usize>,
    failed: BTreeSet<ShardId>,
    synced: BTreeMap<ShardId, Timestamp>,
}

impl Activity {
    /// The shard is being synced until the guard is dropped.
    pub(crate) fn begin(&self, shard: &ShardId) -> ActivityGuard<'_> {
        self.state(|state| *state.running.entry(shard.clone()).or_default() += 1);
        ActivityGuard { activity: self, shard: shard.clone() }
    }

    /// `success`: when it was.
    pub(crate) fn record_outcome(&self, shard: &ShardId, success: Option<Timestamp>) {
        self.state(|state| match success {
            None => drop(state.failed.insert(shard.clone())),
            Some(at) => {
                state.failed.remove(shard);
                state.synced.insert(shard.clone(), at);
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
