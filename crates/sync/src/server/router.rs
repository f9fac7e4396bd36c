use std::collections::BTreeMap;
use std::sync::Arc;

use vectr_delta::ShardId;

use crate::engine::sync_engine::Engine;
use crate::server::drain::Sessions;

/// Which engine answers for a shard.
pub(crate) struct Directory {
    /// The engine whose sockets they are.
    pub(crate) front: Arc<Engine>,
    pub(crate) sessions: Arc<Sessions>,
    /// `None`: the front one answers for every shard.
    by_shard: Option<BTreeMap<ShardId, Arc<Engine>>>,
}

impl Directory {
    /// One database answers for every shard, also for those that it does not have yet.
    pub(crate) fn of_one(engine: &Arc<Engine>, sessions: Arc<Sessions>) -> Self {
        Self { front: Arc::clone(engine), sessions, by_shard: None }
    }

    /// Each shard is answered by one of several databases, any other shard by none.
    pub(crate) fn of_several(
        front: &Arc<Engine>,
        by_shard: BTreeMap<ShardId, Arc<Engine>>,
        sessions: Arc<Sessions>,
    ) -> Self {
        Self { front: Arc::clone(front), sessions, by_shard: Some(by_shard) }
    }

    pub(crate) fn engine(&self, shard: &ShardId) -> Option<&Arc<Engine>> {
        match &self.by_shard {
            None => Some(&self.front),
            Some(by_shard) => by_shard.get(shard),
        }
    }
}
