use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use vectr_core::{StoredConflict, VectrDB};
use vectr_delta::{ConflictId, Fingerprint, LocalWrite, NodeName, ShardId, VectorId};
use vectr_transport::{PoolStatistics, TlsConfig, Trust};

use crate::conflicts::callback::ConflictCallback;
use crate::conflicts::handler::{ConflictHandler, Scope};
use crate::context::{Context, Presence};
use crate::engine::auto_sync::AutoSyncs;
use crate::engine::exchange::Exchange;
use crate::engine::job::SyncJob;
use crate::options::Limits;
use crate::server::drain::ActiveSessions;
use crate::server::router::ShardRouter;
use crate::session::responder::serve;
use crate::{
    Events, FeedStatistics, NetworkConfig, ShardState, ShardTotals, SyncConfig, SyncError, SyncOptions,
    SyncResult, SyncStatus,
};

/// Syncs the shards of one database with any number of peers.
///
/// A clone is another handle on the same engine. Its async methods need a tokio runtime.
#[derive(Clone)]
pub struct SyncEngine {
    pub(crate) context: Arc<Context>,
    auto_syncs: Arc<AutoSyncs>,
    conflict_handler: Arc<Mutex<Option<Arc<ConflictHandler>>>>,
}

impl SyncEngine {
    /// An engine for `db` with the default configuration. `node` is what people call this node.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a name that no node can have, and as [`SyncEngine::new`].
    pub fn open(db: &VectrDB, node: &str) -> Result<Self, SyncError> {
        Self::new(db.clone(), NodeName::new(node)?, SyncConfig::default(), NetworkConfig::default())
    }

    /// An engine for `db`. Reads the node's identity, or creates it. Opens no socket before the first use.
    ///
    /// # Errors
    /// `ERR_NODE_ID` if the database has another name, `ERR_CONFIG` if the identity cannot be read or created,
    /// `ERR_STORAGE` if the disk has no room for it, `ERR_ARGUMENT` for values out of range.
    pub fn new(
        db: VectrDB,
        node: NodeName,
        config: impl Borrow<SyncConfig>,
        network: impl Borrow<NetworkConfig>,
    ) -> Result<Self, SyncError> {
        let (config, network) = (config.borrow().clone(), network.borrow().clone());
        network.validate()?;
        db.name_node(&node)?;
        let presence = Presence::load(&db, &config, &network)?;
        Ok(Self::of(Context::new(db, node, config, network, presence)?))
    }

    /// An engine for another database that shares this one's configuration, identity, trust and sockets. Closing one of
    /// them closes the sockets of all.
    ///
    /// # Errors
    /// `ERR_NODE_ID` if that database has another name, `ERR_CLOSED` after close.
    pub fn for_database(&self, db: VectrDB, node: NodeName) -> Result<Self, SyncError> {
        self.context.ensure_open()?;
        db.name_node(&node)?;
        Ok(Self::of(self.context.for_database(db, node)?))
    }

    /// Answers syncs of other nodes on `address`, as `host:port`, `host` (port 4433) or `[ipv6]:port`. Returns the bound
    /// address.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a malformed address, `ERR_CONFIG` if it cannot be bound, `ERR_CLOSED` after close.
    pub async fn listen(&self, address: &str) -> Result<SocketAddr, SyncError> {
        let listener = self.context.endpoint()?.listen(address).await?;
        let bound = listener.local_addr();
        let router = ShardRouter::single(&self.context, ActiveSessions::new());
        tokio::spawn(serve(Arc::new(router), listener));
        Ok(bound)
    }

    /// Exchanges with the node at `address` what each side lacks of `shard`. Resolves when both have all of it on disk.
    ///
    /// # Errors
    /// `ERR_CLOSED` after close and `ERR_ABORTED` on abort. Any other failure is in the result.
    pub async fn sync(
        &self,
        shard: &ShardId,
        address: &str,
        options: SyncOptions,
    ) -> Result<SyncResult, SyncError> {
        let started = Instant::now();
        let results = self.exchange(shard, address, options).await?.decided().await?;
        let mut result = results.into_iter().next().expect("an exchange has the result of each of its syncs");
        result.duration = started.elapsed();
        Ok(result)
    }

    /// The first part of [`SyncEngine::sync`]: resolves before the callback of [`SyncEngine::on_conflict`] has decided.
    /// The duration in the result is that of this part.
    ///
    /// # Errors
    /// As for [`SyncEngine::sync`].
    pub async fn exchange(
        &self,
        shard: &ShardId,
        address: &str,
        options: SyncOptions,
    ) -> Result<Exchange, SyncError> {
        let limits = Limits::of(&options);
        let scope = self.conflict_scope().await;
        let job = SyncJob::new(&self.context, shard.clone(), address.to_owned());
        let result = job.run(&self.context, options).await?;
        Ok(Exchange::new(vec![result], scope, limits))
    }

    /// Keeps a shard in sync with the node at `address` from now on: each commit of either node travels as it happens,
    /// and a stream that breaks is reopened after waits that double up to a minute. `interval` adds a full check at
    /// that interval. Does nothing if it runs already. Needs a tokio runtime.
    ///
    /// A failure is reported as [`SyncEvent::Failed`] and never ends the auto-sync. Errors that retrying cannot fix,
    /// such as missing trust, are retried once a minute.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a malformed address, `ERR_CLOSED` after close.
    ///
    /// [`SyncEvent::Failed`]: crate::SyncEvent::Failed
    pub fn start_auto_sync(
        &self,
        shard: &ShardId,
        address: &str,
        interval: Option<Duration>,
    ) -> Result<(), SyncError> {
        self.try_start_auto_sync(shard, address, interval).map(drop)
    }

    /// As [`SyncEngine::start_auto_sync`]. Returns whether this call started it.
    pub(crate) fn try_start_auto_sync(
        &self,
        shard: &ShardId,
        address: &str,
        interval: Option<Duration>,
    ) -> Result<bool, SyncError> {
        self.auto_syncs.start(&self.context, shard, address, interval)
    }

    /// Stops the auto-syncs of a shard. What was applied stays applied. Returns whether there was one.
    pub fn stop_auto_sync(&self, shard: &ShardId) -> bool {
        self.stop_auto_syncs(|running, _| running == shard)
    }

    /// Stops all auto-syncs.
    pub fn stop_all_auto_syncs(&self) {
        self.stop_auto_syncs(|_, _| true);
    }

    /// Stops the auto-syncs that `filter` picks by shard and address. Returns whether there was one.
    pub(crate) fn stop_auto_syncs(&self, filter: impl FnMut(&ShardId, &str) -> bool) -> bool {
        self.auto_syncs.stop(filter)
    }

    /// The running auto-syncs, by shard and address.
    #[must_use]
    pub fn auto_syncs(&self) -> Vec<(ShardId, String)> {
        self.auto_syncs.running()
    }

    /// The events of this engine from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.context.events.subscribe()
    }

    /// Measures a round trip to the node at `address`, without a sync.
    ///
    /// # Errors
    /// As for a connection.
    pub async fn ping(&self, address: &str) -> Result<Duration, SyncError> {
        Ok(self.context.endpoint()?.ping(address).await?)
    }

    /// Ends running syncs, stops answering, and closes the sockets. The database stays open. Closing again does nothing.
    pub async fn close(&self) {
        self.shut_down().await;
        self.context.close_endpoint().await;
        self.context.events.close();
    }

    /// The first part of closing, which keeps the sockets open.
    pub(crate) async fn shut_down(&self) {
        self.context.closing.cancel();
        self.stop_all_auto_syncs();
        self.context.tasks.drain().await;
    }

    /// Totals of each shard's sessions since the engine was made, whichever side opened them.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<ShardId, ShardTotals> {
        self.context.totals.all()
    }

    /// How the feed of each shard serves its live sessions, for shards that have one.
    #[must_use]
    pub fn feeds(&self) -> BTreeMap<ShardId, FeedStatistics> {
        self.context.feeds.statistics()
    }

    /// Replaces the peers that this node trusts; see [`vectr_transport::Endpoint::set_trust`]. Blocks on files, and tens of milliseconds
    /// for each secret.
    ///
    /// # Errors
    /// As [`TlsConfig::load`], and nothing has changed then. `ERR_CLOSED` after close.
    pub fn set_trust(&self, tls: &TlsConfig) -> Result<(), SyncError> {
        Ok(self.context.endpoint()?.set_trust(tls)?)
    }

    /// SHA-256 of this node's certificate, which peers pin.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.context.fingerprint()
    }

    /// The peers that this node trusts. A change takes effect at once, for open connections too.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        self.context.trust()
    }

    /// The name of this node.
    #[must_use]
    pub fn node(&self) -> &NodeName {
        &self.context.node
    }

    /// Statistics of the connections made from here.
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        self.context.dialed()
    }

    /// Bytes that were read for peers and wait for them to read, of all engines that share this one's sockets. At most
    /// [`SyncConfig::max_unsent_bytes`], and one page for each session.
    #[must_use]
    pub fn unsent_bytes(&self) -> u64 {
        self.context.unsent_bytes()
    }

    /// Bytes that peers have sent and this node has yet to apply, of all engines that share this one's sockets. At most
    /// [`SyncConfig::max_unapplied_bytes`], and for each session what its storage is applying.
    #[must_use]
    pub fn unapplied_bytes(&self) -> u64 {
        self.context.unapplied_bytes()
    }

    /// Bytes of messages above 512 KiB that have arrived in part, or whole and are still packed, over all sessions of the
    /// engines that share this one's sockets: at most [`SyncConfig::max_unapplied_bytes`], and one message.
    #[must_use]
    pub fn arriving_bytes(&self) -> u64 {
        self.context.arriving_bytes()
    }

    /// The state of one shard. Blocks on storage.
    ///
    /// # Errors
    /// `ERR_CLOSED` if the engine or the database is closed, `ERR_STORAGE`.
    pub fn shard_state(&self, shard: &ShardId) -> Result<ShardState, SyncError> {
        self.context.shard_state(shard)
    }

    /// The conflicts that wait for a decision, of one shard or of all. Only shards with the manual strategy have any.
    /// Blocks on storage.
    ///
    /// # Errors
    /// `ERR_CLOSED` if the engine or the database is closed, `ERR_STORAGE`.
    pub fn pending_conflicts(&self, shard: Option<&ShardId>) -> Result<Vec<StoredConflict>, SyncError> {
        self.context.ensure_open()?;
        Ok(self.context.db.pending_conflicts(shard)?)
    }

    /// Resolves a conflict by a write of this node, which reaches the peers like any other. Returns what is left of the
    /// conflict; see [`VectrDB::resolve_conflict`]. Blocks on storage.
    ///
    /// # Errors
    /// As [`VectrDB::resolve_conflict`]; `ERR_CLOSED` after close.
    pub fn resolve_conflict(
        &self,
        conflict: &ConflictId,
        expected: Option<(&ShardId, &VectorId)>,
        write: LocalWrite,
    ) -> Result<Option<StoredConflict>, SyncError> {
        self.context.ensure_open()?;
        Ok(self.context.db.resolve_conflict(conflict, expected, write)?)
    }

    /// Has `callback` decide the conflicts that the manual strategy leaves unresolved, on this node: those that are
    /// pending now, and those that a sync or a live stream brings from now on. Replaces the previous callback. Needs a
    /// tokio runtime.
    ///
    /// The callback runs for up to eight conflicts at a time. Its decision is written as by
    /// [`SyncEngine::resolve_conflict`]; `None` leaves the conflict, and the next sync of the shard asks again. If a
    /// version arrives that the callback has not seen, it is asked about what is left. A failure or panic of the
    /// callback leaves the conflict and is reported as [`SyncEvent::ConflictCallbackFailed`]; see also
    /// [`ConflictCallback::on_outcome`].
    ///
    /// [`SyncEngine::sync`] and the calls of a coordinator wait for the decisions about the conflicts of their results,
    /// and count the resolved ones. They do not wait if the callback itself makes the call. Closing the engine drops the
    /// calls of the callback that are running.
    ///
    /// ```
    /// # use vectr_core::VectrDB;
    /// # use vectr_delta::{LocalWrite, Strategy};
    /// # use vectr_sync::{ConflictCallback, NetworkConfig, SyncConfig, SyncEngine};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (db, name) = (VectrDB::builder().open()?, "agent-1".try_into()?);
    /// let mut config = SyncConfig::default();
    /// config.strategy(Strategy::Manual);
    /// let engine = SyncEngine::new(db, name, config, NetworkConfig::default())?;
    /// engine.on_conflict(ConflictCallback::new(|conflict| async move {
    ///     // Keep the first version that is no deletion.
    ///     let kept = conflict.row.siblings().iter().find_map(|version| version.payload().cloned());
    ///     Ok(kept.map(LocalWrite::Put))
    /// }))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ERR_CLOSED` after close.
    ///
    /// [`SyncEvent::ConflictCallbackFailed`]: crate::SyncEvent::ConflictCallbackFailed
    pub fn on_conflict(&self, callback: ConflictCallback) -> Result<(), SyncError> {
        self.context.ensure_open()?;
        let handler = ConflictHandler::start(&self.context, callback);
        let mut current = self.conflict_handler.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(previous) = current.replace(handler) {
            previous.retire();
        }
        Ok(())
    }

    /// Waits until nothing but answers of the callback of [`SyncEngine::on_conflict`] is missing: it is asked about all
    /// that is pending, or about as much as it is at a time, and its earlier decisions are written. For a host that may
    /// end while it owes answers.
    pub async fn conflicts_asked(&self) {
        if let Some(handler) = self.conflict_handler() {
            handler.idle().await;
        }
    }

    /// Counts the conflicts that the callback resolves from now on. `None` without a callback.
    pub(crate) async fn conflict_scope(&self) -> Option<Scope> {
        match self.conflict_handler() {
            Some(handler) => Some(handler.open_scope().await),
            None => None,
        }
    }

    fn conflict_handler(&self) -> Option<Arc<ConflictHandler>> {
        self.conflict_handler.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The status of all shards, and the conflicts that wait for a decision. Blocks on storage.
    ///
    /// # Errors
    /// `ERR_CLOSED` if the engine or the database is closed, `ERR_STORAGE`.
    pub fn status(&self) -> Result<SyncStatus, SyncError> {
        self.context.status()
    }

    fn of(context: Context) -> Self {
        Self { context: Arc::new(context), auto_syncs: Arc::default(), conflict_handler: Arc::default() }
    }
}

/// The name of a node that was given none: the one in its file, else `node-` and its current site.
///
/// # Errors
/// None that is known: the name is always valid.
pub fn node_name(db: &VectrDB) -> Result<NodeName, SyncError> {
    match db.node() {
        Some(node) => Ok(node),
        None => Ok(NodeName::new(&format!("node-{}", db.site()))?),
    }
}
