use std::collections::BTreeMap;
use std::sync::Arc;

use vectr_delta::ShardId;

use crate::context::Context;
use crate::server::drain::ActiveSessions;

/// Which engine answers for a shard.
pub(crate) struct ShardRouter {
    /// The engine whose sockets they are.
    pub(crate) primary: Arc<Context>,
    pub(crate) active: Arc<ActiveSessions>,
    /// `None`: the front one answers for every shard.
    by_shard: Option<BTreeMap<ShardId, Arc<Context>>>,
}

impl ShardRouter {
    /// One database answers for every shard, also for those that it does not have yet.
    pub(crate) fn single(context: &Arc<Context>, active: Arc<ActiveSessions>) -> Self {
        Self { primary: Arc::clone(context), active, by_shard: None }
    }

    /// Each shard is answered by one of several databases, any other shard by none.
    pub(crate) fn by_shard_name(
        primary: &Arc<Context>,
        by_shard: BTreeMap<ShardId, Arc<Context>>,
        active: Arc<ActiveSessions>,
    ) -> Self {
        Self { primary: Arc::clone(primary), active, by_shard: Some(by_shard) }
    }

    pub(crate) fn context(&self, shard: &ShardId) -> Option<&Arc<Context>> {
        match &self.by_shard {
            None => Some(&self.primary),
            Some(by_shard) => by_shard.get(shard),
        }
    }
}
