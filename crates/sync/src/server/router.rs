use std::collections::BTreeMap;
use std::sync::Arc;

use vectr_delta::ShardId;

use crate::context::Context;
use crate::server::drain::ActiveSessions;

/// Routes an incoming session to the engine that serves its shard.
pub(crate) struct ShardRouter {
    /// The engine that owns the sockets.
    pub(crate) primary: Arc<Context>,
    pub(crate) active: Arc<ActiveSessions>,
    /// `None`: the primary engine serves every shard.
    by_shard: Option<BTreeMap<ShardId, Arc<Context>>>,
}

impl ShardRouter {
    /// One database serves every shard, including those that it does not have yet.
    pub(crate) fn single(context: &Arc<Context>, active: Arc<ActiveSessions>) -> Self {
        Self { primary: Arc::clone(context), active, by_shard: None }
    }

    /// Each listed shard is served by its database; all others are refused.
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
