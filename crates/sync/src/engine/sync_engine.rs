use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use tokio::task::JoinHandle;

use vectr_core::{SessionMark, StoredConflict, VectrDB};
use vectr_delta::{ConflictId, Fingerprint, LocalWrite, NodeName, Session, ShardId, Timestamp, VectorId};
use vectr_transport::{AcceptedStatistics, Endpoint, Identity, PoolStatistics, TlsConfig, Trust};

use crate::engine::auto_sync::AutoSyncs;
use crate::engine::job::SyncJob;
use crate::engine::retry::random;
use crate::engine::status::Activity;
use crate::engine::totals::Totals;
use crate::events::hub::EventHub;
use crate::result::SyncFailure;
use crate::server::drain::ActiveSessions;
use crate::server::router::ShardRouter;
use crate::session::responder::serve;
use crate::{
    CancellationSource, CancellationToken, Events, NetworkConfig, ShardState, ShardTotals, SyncConfig,
    SyncError, SyncEvent, SyncProgress, SyncResult, SyncStatus,
};

/// Syncs the shards of one database with any number of peers.
///
/// A clone is another handle on the same engine. Its async methods need a tokio runtime.
#[derive(Clone)]
pub struct SyncEngine {
    pub(crate) engine: Arc<Context>,
}

/// How one sync is done.
pub struct SyncOptions {
    /// Reads the peer's changelog from its beginning instead of from where the last sync ended.
    pub force: bool,
    /// Ends the sync early: what was applied stays applied.
    pub abort: CancellationToken,
    /// Hears how far it has come.
    pub progress: Option<Box<dyn Fn(SyncProgress) + Send + Sync>>,
}

pub(crate) struct Context {
    pub(crate) db: VectrDB,
    pub(crate) node: NodeName,
    pub(crate) config: SyncConfig,
    pub(crate) network: NetworkConfig,
    pub(crate) activity: Activity,
    pub(crate) closing: CancellationSource,
    pub(crate) events: Arc<EventHub>,
    pub(crate) auto_syncs: AutoSyncs,
    pub(crate) totals: Arc<Totals>,
    /// What the node shows at first.
    identity: Identity,
    trust: Trust,
    /// Shared with the engines beside this one.
    endpoint: Arc<OnceLock<Endpoint>>,
    /// Of the file where sessions are kept, else of this engine.
    mark: SessionMark,
    farewells: Mutex<Vec<JoinHandle<()>>>,
}

impl SyncEngine {
    /// An engine for `db`, whose identity is read or made. No socket is opened before the first use.
    ///
    /// # Errors
    /// `ERR_NODE_ID` where the database was named otherwise, `ERR_CONFIG` for an identity that cannot be read or
    /// made, `ERR_ARGUMENT` for values out of range.
    pub fn new(
        db: VectrDB,
        node: NodeName,
        config: SyncConfig,
        network: NetworkConfig,
    ) -> Result<Self, SyncError> {
        network.validate()?;
        db.name_node(&node)?;
        let (rules, given) = network.tls.load()?;
        let identity = match (given, identity_path(&db, &network)) {
            (Some(given), _) => given,
            (None, Some(path)) => Identity::load_or_create(&path)?,
            (None, None) => Identity::ephemeral()?,
        };
        let trust = Trust::this_machine();
        trust.set(rules);
        Self::assemble(db, node, config, network, Presence { identity, trust, endpoint: Arc::default() })
    }

    /// An engine for another database under the same identity and trust, over the same sockets, and with the same
    /// configuration. Closing one of them closes the sockets of all.
    ///
    /// # Errors
    /// `ERR_NODE_ID` where that database was named otherwise, `ERR_CLOSED` after close.
    pub fn for_database(&self, db: VectrDB, node: NodeName) -> Result<Self, SyncError> {
        let engine = &*self.engine;
        engine.ensure_open()?;
        db.name_node(&node)?;
        let presence = Presence {
            identity: engine.identity.clone(),
            trust: engine.trust.clone(),
            endpoint: Arc::clone(&engine.endpoint),
        };
        Self::assemble(db, node, engine.config.clone(), engine.network.clone(), presence)
    }

    /// Answers other nodes' syncs on `address`, as `host:port`, `host` (port 4433) or `[ipv6]:port`. Returns the bound
    /// address.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a malformed address, `ERR_CONFIG` where it cannot be bound, `ERR_CLOSED` after close.
    pub async fn listen(&self, address: &str) -> Result<SocketAddr, SyncError> {
        let listener = self.engine.endpoint()?.listen(address).await?;
        let bound = listener.local_addr();
        let router = ShardRouter::single(&self.engine, ActiveSessions::new());
        tokio::spawn(serve(Arc::new(router), listener));
        Ok(bound)
    }

    /// Exchanges with the node at `address` what each lacks of `shard`. Resolves when both have all of it safe.
    ///
    /// # Errors
    /// `ERR_CLOSED` after close and `ERR_ABORTED` on abort. Whatever else went wrong stands in the result.
    pub async fn sync(
        &self,
        shard: &ShardId,
        address: &str,
        options: SyncOptions,
    ) -> Result<SyncResult, SyncError> {
        let engine = &*self.engine;
        let started = Instant::now();
        let busy = engine.activity.begin(shard);
        let mut job = SyncJob::new(engine, shard.clone(), address.to_owned());
        let outcome = engine.run_job(&mut job, &options).await;
        drop(busy);
        let mut result = job.finish(engine, outcome).await?;
        result.duration = started.elapsed();
        Ok(result)
    }

    /// What happens in the engine from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.engine.events.subscribe()
    }

    /// A real round trip to the node at `address`, no sync.
    ///
    /// # Errors
    /// As for a connection.
    pub async fn ping(&self, address: &str) -> Result<std::time::Duration, SyncError> {
        Ok(self.engine.endpoint()?.ping(address).await?)
    }

    /// Ends running syncs, stops answering, and lets go of the sockets. The database stays open. Closing again does
    /// nothing.
    pub async fn close(&self) {
        self.shut_down().await;
        if let Some(endpoint) = self.engine.endpoint.get() {
            endpoint.close().await;
        }
        self.engine.events.close();
    }

    /// The first part of closing: the sockets stay.
    pub(crate) async fn shut_down(&self) {
        self.engine.closing.cancel();
        self.stop_all_auto_syncs();
        let farewells = std::mem::take(&mut *self.engine.farewells());
        for farewell in farewells {
            // It ends by itself within its own bound, and cannot fail.
            let _ = farewell.await;
        }
    }

    /// What the sessions of each shard did since the engine was made, whoever opened them.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<ShardId, ShardTotals> {
        self.engine.totals.all()
    }

    /// Replaces whom this node trusts; see [`Endpoint::set_trust`]. Blocks on files, and tens of milliseconds for each
    /// secret.
    ///
    /// # Errors
    /// As [`TlsConfig::load`]; nothing has changed then. `ERR_CLOSED`.
    pub fn set_trust(&self, tls: &TlsConfig) -> Result<(), SyncError> {
        Ok(self.engine.endpoint()?.set_trust(tls)?)
    }

    /// SHA-256 of the certificate that this node shows: what others pin.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.engine.endpoint.get().map_or_else(|| self.engine.identity.fingerprint(), Endpoint::fingerprint)
    }

    /// Whom this node trusts. What is changed here counts at once, for open connections too.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.engine.trust
    }

    /// What the node is called.
    #[must_use]
    pub fn node(&self) -> &NodeName {
        &self.engine.node
    }

    /// The connections made from here.
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        self.engine.endpoint.get().map(Endpoint::statistics).unwrap_or_default()
    }

    /// The state of one shard. Blocks on storage.
    ///
    /// # Errors
    /// `ERR_CLOSED` where engine or database are closed, `ERR_STORAGE`.
    pub fn shard_state(&self, shard: &ShardId) -> Result<ShardState, SyncError> {
        self.engine.ensure_open()?;
        self.engine.shard_state(shard)
    }

    /// The conflicts that someone has to settle, of one shard or of all: of shards whose strategy is manual. Blocks on
    /// storage.
    ///
    /// # Errors
    /// `ERR_CLOSED` where engine or database are closed, `ERR_STORAGE`.
    pub fn pending_conflicts(&self, shard: Option<&ShardId>) -> Result<Vec<StoredConflict>, SyncError> {
        self.engine.ensure_open()?;
        Ok(self.engine.db.pending_conflicts(shard)?)
    }

    /// Settles a conflict by a write of this node, which travels like any other. Returns what is left of it; see
    /// [`VectrDB::resolve_conflict`]. Blocks on storage.
    ///
    /// # Errors
    /// As [`VectrDB::resolve_conflict`]; `ERR_CLOSED`.
    pub fn resolve_conflict(
        &self,
        conflict: &ConflictId,
        expected: Option<(&ShardId, &VectorId)>,
        write: LocalWrite,
    ) -> Result<Option<StoredConflict>, SyncError> {
        self.engine.ensure_open()?;
        Ok(self.engine.db.resolve_conflict(conflict, expected, write)?)
    }

    /// The state of all shards, and what is to be settled in them. Blocks on storage.
    ///
    /// # Errors
    /// `ERR_CLOSED` where engine or database are closed, `ERR_STORAGE`.
    pub fn status(&self) -> Result<SyncStatus, SyncError> {
        let engine = &*self.engine;
        engine.ensure_open()?;
        let shards = engine.db.shards()?;
        // A new life of the database has a new session.
        let mark =
            if engine.config.persist_session { engine.db.restore_session()? } else { engine.mark.clone() };
        Ok(SyncStatus {
            id: mark.id,
            node: engine.node.clone(),
            shards: shards.iter().map(|shard| engine.shard_state(shard)).collect::<Result<_, _>>()?,
            pending_conflicts: engine.db.pending_conflicts(None)?,
            created_at: mark.created_at,
            updated_at: engine.db.now(),
        })
    }
}

impl SyncEngine {
    fn assemble(
        db: VectrDB,
        node: NodeName,
        config: SyncConfig,
        network: NetworkConfig,
        presence: Presence,
    ) -> Result<Self, SyncError> {
        let mark = SessionMark { id: format!("{:016x}", random()), created_at: db.now() };
        let mark = if config.persist_session { db.restore_session()? } else { mark };
        let Presence { identity, trust, endpoint } = presence;
        let engine = Context {
            db,
            node,
            config,
            network,
            activity: Activity::default(),
            closing: CancellationSource::new(),
            events: Arc::default(),
            auto_syncs: AutoSyncs::default(),
            totals: Arc::default(),
            identity,
            trust,
            endpoint,
            mark,
            farewells: Mutex::default(),
        };
        Ok(Self { engine: Arc::new(engine) })
    }
}

impl Context {
    /// The endpoint, made at its first use.
    pub(crate) fn endpoint(&self) -> Result<&Endpoint, SyncError> {
        self.ensure_open()?;
        if let Some(endpoint) = self.endpoint.get() {
            return Ok(endpoint);
        }
        let endpoint = Endpoint::new(&self.identity, &self.trust, self.network.endpoint.clone())?;
        Ok(self.endpoint.get_or_init(|| endpoint))
    }

    /// Notes how a sync ended. The database hears of a success in its own time: nothing waits for the note.
    pub(crate) fn record_outcome(&self, shard: &ShardId, succeeded: bool) {
        let at = self.db.now();
        self.activity.record_outcome(shard, succeeded.then_some(at));
        if succeeded {
            let (db, shard) = (self.db.clone(), shard.clone());
            // A note that could not be written changes nothing of the sync.
            self.spawn_tracked(tokio::task::spawn_blocking(move || drop(db.note_sync(&shard, at))));
        }
    }

    /// Notes what the peer holds, as far as the session has told. Nothing waits for the note.
    pub(crate) fn save_peer_progress(&self, shard: &ShardId, session: &Session) {
        let Some(standing) = session.standing() else { return };
        let (db, shard) = (self.db.clone(), shard.clone());
        // Without the note the peer's lag shows as it was before.
        self.spawn_tracked(tokio::task::spawn_blocking(move || drop(db.note_peer(&shard, standing))));
    }

    /// The connections that the endpoint accepted.
    pub(crate) fn accepted(&self) -> AcceptedStatistics {
        self.endpoint.get().map(Endpoint::accepted).unwrap_or_default()
    }

    /// The configured strategy is kept in the database for each shard that is synced.
    pub(crate) async fn apply_strategy(&self, shard: &ShardId) -> Result<(), SyncError> {
        let Some(strategy) = self.config.strategy else { return Ok(()) };
        let shard = shard.clone();
        self.blocking(move |db| db.set_strategy(&shard, strategy)).await
    }

    /// Keeps what follows a session company, for `close` to wait for: a stream's last bytes, a note in the database.
    pub(crate) fn spawn_tracked(&self, farewell: JoinHandle<()>) {
        let mut farewells = self.farewells();
        farewells.retain(|farewell| !farewell.is_finished());
        farewells.push(farewell);
    }

    /// Tells those who listen that a sync did not succeed.
    pub(crate) fn report_failure(&self, shard: &ShardId, address: &str, error: &SyncError) -> SyncFailure {
        let failure = SyncFailure::from(error);
        self.events.emit(&SyncEvent::Failed {
            shard: shard.clone(),
            address: address.to_owned(),
            failure: failure.clone(),
        });
        failure
    }

    async fn run_job(&self, job: &mut SyncJob, options: &SyncOptions) -> Result<(), SyncError> {
        let (mut closed, mut aborted) = (self.closing.token(), options.abort.clone());
        loop {
            let Err(error) = job.attempt(self, options).await else { return Ok(()) };
            let Some(wait) = job.retry_delay(&error) else { return Err(error) };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = closed.cancelled() => return Err(SyncError::Closed),
                () = aborted.cancelled() => return Err(SyncError::Aborted),
            }
        }
    }

    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&VectrDB) -> Result<T, vectr_core::CoreError> + Send + 'static,
    ) -> Result<T, SyncError> {
        let db = self.db.clone();
        match tokio::task::spawn_blocking(move || work(&db)).await {
            Ok(done) => Ok(done?),
            // Only a runtime that is shutting down drops blocking work.
            Err(_) => Err(SyncError::Closed),
        }
    }

    fn shard_state(&self, shard: &ShardId) -> Result<ShardState, SyncError> {
        let status = self.db.shard_status(shard)?;
        Ok(ShardState {
            shard: shard.clone(),
            change_id: status.change_id,
            version_vector: status.version_vector,
            vectors: status.vectors,
            last_sync_at: Some(status.last_sync_at.max(self.activity.last_sync_at(shard)))
                .filter(|at| *at > Timestamp::default()),
            status: self.activity.status(shard),
        })
    }

    pub(crate) fn ensure_open(&self) -> Result<(), SyncError> {
        if self.closing.token().is_cancelled() { Err(SyncError::Closed) } else { Ok(()) }
    }

    fn farewells(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.farewells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who an engine is on the network.
struct Presence {
    identity: Identity,
    trust: Trust,
    endpoint: Arc<OnceLock<Endpoint>>,
}

/// What a node is called that was given no name: what its file recorded, else `node-` and its present site.
///
/// # Errors
/// None that is known: the name is always lawful.
pub fn node_name(db: &VectrDB) -> Result<NodeName, SyncError> {
    match db.node() {
        Some(node) => Ok(node),
        None => Ok(NodeName::new(&format!("node-{}", db.site()))?),
    }
}

fn identity_path(db: &VectrDB, network: &NetworkConfig) -> Option<PathBuf> {
    network.identity.clone().or_else(|| {
        let mut path = db.path()?.as_os_str().to_owned();
        path.push(".key");
        Some(path.into())
    })
}
