use std::time::Duration;

use super::shard_coordinator::ShardCoordinator;
use crate::SyncError;

impl ShardCoordinator {
    /// Keeps what this node shares with its neighbours in step from now on, as [`SyncEngine::start_auto_sync`] does for
    /// one shard and one peer. What runs already goes on unchanged; calling again takes in the peers and shards that
    /// came since. Live streams do not count against the limit of sessions. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// `ERR_CLOSED` after close; `ERR_ARGUMENT` for a malformed address, when all others have been started.
    ///
    /// [`SyncEngine::start_auto_sync`]: crate::SyncEngine::start_auto_sync
    pub fn start_auto_sync_all(&self, interval: Option<Duration>) -> Result<(), SyncError> {
        let _call = self.scheduler.begin_call()?;
        self.engine.engine.ensure_open()?;
        let mut first_failure = None;
        for (shard, address) in self.scheduler.pairs(self.engine.node()) {
            match self.engine.begin_auto_sync(&shard, &address, interval) {
                Ok(true) => self.scheduler.auto_syncs(|started| started.extend([(shard, address)])),
                Ok(false) => {}
                Err(error) => drop(first_failure.get_or_insert(error)),
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    /// Ends the auto-syncs that this coordinator started, and no others. What was applied stays applied.
    pub fn stop_auto_sync_all(&self) {
        let started = self.scheduler.auto_syncs(std::mem::take);
        self.engine.end_auto_syncs(|shard, address| started.contains(&(shard.clone(), address.to_owned())));
    }
}
