use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use vectr_core::VectrDB;
use vectr_delta::{Fingerprint, NodeName, ShardId};
use vectr_transport::{AcceptedStatistics, SocketFaultStatistics};

use crate::context::Context;
use crate::server::drain::ActiveSessions;
use crate::server::router::ShardRouter;
use crate::session::responder::serve;
use crate::session::wire::FLUSH_TIMEOUT;
use crate::{FeedStatistics, NetworkConfig, ShardTotals, SyncConfig, SyncEngine, SyncError, node_name};

/// Answers syncs for the shards of one or several databases on one address, under one identity.
///
/// A server of one database serves every shard, as its engine does. A server of several serves the shards that they
/// contained when it was made, and refuses any other with `ERR_NOT_FOUND`, because a new shard belongs to none of
/// them.
///
/// Its async methods need a tokio runtime.
pub struct SyncServer {
    engines: Vec<SyncEngine>,
    router: Arc<ShardRouter>,
}

/// Statistics of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStatistics {
    /// Sessions that are running.
    pub running: usize,
    /// Sessions refused because the shard is not served or the server was draining.
    pub refused: u64,
    /// Connections of trusted peers.
    pub connections: AcceptedStatistics,
    /// Sockets that failed and were bound anew.
    pub socket_failures: u64,
    /// Totals of each shard's sessions.
    pub shards: BTreeMap<ShardId, ShardTotals>,
    /// How the feed of each shard with live sessions serves them.
    pub feeds: BTreeMap<ShardId, FeedStatistics>,
}

impl SyncServer {
    /// A server of these databases, at least one. `node` names the node in all of them; `None` takes the name recorded
    /// in each file (see [`node_name`]). Without `network.identity` it uses the identity of the first one. Opens no
    /// socket before [`SyncServer::listen`].
    ///
    /// # Errors
    /// `ERR_CONFIG` if a shard is in two of the databases, or there is no database; else as [`SyncEngine::new`].
    pub fn new(
        databases: Vec<VectrDB>,
        node: Option<&NodeName>,
        config: SyncConfig,
        network: NetworkConfig,
    ) -> Result<Self, SyncError> {
        let name = |db: &VectrDB| node.cloned().map_or_else(|| node_name(db), Ok);
        let shard_owners = shard_owners(&databases)?;
        let mut databases = databases.into_iter();
        let first = databases.next().ok_or(SyncError::NoDatabase)?;
        let first_name = name(&first)?;
        let primary = SyncEngine::new(first, first_name, config, network)?;
        let mut engines = vec![primary];
        for db in databases {
            let name = name(&db)?;
            engines.push(engines[0].for_database(db, name)?);
        }
        let router = Arc::new(build_router(&engines, shard_owners));
        Ok(Self { engines, router })
    }

    /// Answers syncs of other nodes on `address`, as [`SyncEngine::listen`]. Returns the bound address.
    ///
    /// # Errors
    /// As [`SyncEngine::listen`].
    pub async fn listen(&self, address: &str) -> Result<SocketAddr, SyncError> {
        let listener = self.primary().endpoint()?.listen(address).await?;
        let bound = listener.local_addr();
        tokio::spawn(serve(Arc::clone(&self.router), listener));
        Ok(bound)
    }

    /// Drains, then closes: new sessions are refused with `ERR_BUSY`, live ones end as soon as they have caught up,
    /// and the others may take `within` to end. Returns how many were cut off after that; what those had applied stays
    /// applied.
    pub async fn drain(&self, within: Duration) -> usize {
        self.router.active.drain();
        let cut = self.router.active.ended(within).await;
        self.close().await;
        cut
    }

    /// Ends all sessions at once and closes the sockets. The databases stay open. Closing again does nothing.
    pub async fn close(&self) {
        self.router.active.drain();
        for engine in &self.engines {
            engine.context.closing.cancel();
        }
        self.router.active.ended(FLUSH_TIMEOUT).await;
        // The engines share the sockets, which the first close closes: flush all of them before.
        for engine in &self.engines {
            engine.shut_down().await;
        }
        for engine in &self.engines {
            engine.close().await;
        }
    }

    /// SHA-256 of this node's certificate, which peers pin.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.engines[0].fingerprint()
    }

    /// Sockets of this server that failed, and whether one is not bound anew yet.
    #[must_use]
    pub fn socket_faults(&self) -> SocketFaultStatistics {
        self.primary().socket_faults()
    }

    /// The engines, in the order of the given databases. Closing one closes the sockets of all.
    #[must_use]
    pub fn engines(&self) -> &[SyncEngine] {
        &self.engines
    }

    /// Current statistics of the server.
    #[must_use]
    pub fn statistics(&self) -> ServerStatistics {
        let active = &self.router.active;
        ServerStatistics {
            running: active.running(),
            refused: active.refused(),
            connections: self.primary().accepted(),
            socket_failures: self.primary().socket_faults().failed,
            shards: self.engines.iter().flat_map(SyncEngine::totals).collect(),
            feeds: self.engines.iter().flat_map(SyncEngine::feeds).collect(),
        }
    }

    fn primary(&self) -> &Context {
        &self.engines[0].context
    }
}

/// Index of the database of each shard. A database owns its default shard even before the first write, unless another
/// one contains it.
fn shard_owners(databases: &[VectrDB]) -> Result<BTreeMap<ShardId, usize>, SyncError> {
    let mut shard_owners: BTreeMap<ShardId, usize> = BTreeMap::new();
    let mut claims = Vec::new();
    for (at, db) in databases.iter().enumerate() {
        claims.extend(db.shards()?.into_iter().map(|shard| (shard, at)));
    }
    let held: BTreeSet<ShardId> = claims.iter().map(|(shard, _)| shard.clone()).collect();
    let defaults = databases.iter().map(|db| db.default_shard().clone()).enumerate();
    claims.extend(defaults.filter(|(_, shard)| !held.contains(shard)).map(|(at, shard)| (shard, at)));
    for (shard, at) in claims {
        if let Some(other) = shard_owners.insert(shard.clone(), at) {
            let files = [other, at].map(|at| databases[at].path().map_or_else(PathBuf::new, Into::into));
            return Err(SyncError::ShardTwice { shard, files });
        }
    }
    Ok(shard_owners)
}

fn build_router(engines: &[SyncEngine], shard_owners: BTreeMap<ShardId, usize>) -> ShardRouter {
    let active = ActiveSessions::new();
    match engines {
        [only] => ShardRouter::single(&only.context, active),
        [first, ..] => {
            let by_shard = shard_owners
                .into_iter()
                .map(|(shard, at)| (shard, Arc::clone(&engines[at].context)))
                .collect();
            ShardRouter::by_shard_name(&first.context, by_shard, active)
        }
        [] => unreachable!("a server has at least one database"),
    }
}
