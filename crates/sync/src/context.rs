use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use vectr_core::replication::{self, SyncSessionId};
use vectr_core::{Subscription, Target, VectrDB};
use vectr_delta::{Fingerprint, HelloOffer, NodeName, Session, SessionConfig, ShardId, Timestamp};
use vectr_transport::{AcceptedStatistics, Endpoint, Identity, PoolStatistics, SocketFaultStatistics, Trust};

use crate::engine::status::Activity;
use crate::engine::totals::Totals;
use crate::entropy::random;
use crate::events::hub::EventHub;
use crate::feed::Feeds;
use crate::limits::arrivals::{Arrivals, Arriving};
use crate::limits::bounds::{MAX_CHECKS, MAX_SHARD_STREAMS};
use crate::limits::peer_limits::PeerLimits;
use crate::limits::receive_budget::{ReceiveAccount, ReceiveBudget};
use crate::limits::send_budget::{SendAccount, SendBudget};
use crate::session::hello_memory::HelloMemory;
use crate::session::repair_memory::RepairMemory;
use crate::task_tracker::TaskTracker;
use crate::{
    CancellationSource, NetworkConfig, ShardState, SyncConfig, SyncError, SyncEvent, SyncFailure, SyncStatus,
};

/// State that the sessions, syncs and handles of one engine share.
pub(crate) struct Context {
    pub(crate) db: VectrDB,
    pub(crate) node: NodeName,
    pub(crate) config: SyncConfig,
    pub(crate) network: NetworkConfig,
    pub(crate) activity: Activity,
    pub(crate) closing: CancellationSource,
    pub(crate) events: Arc<EventHub>,
    pub(crate) totals: Arc<Totals>,
    pub(crate) tasks: TaskTracker,
    pub(crate) feeds: Arc<Feeds>,
    /// Places for streams that peers may have open besides those that the endpoint's configuration lets them.
    pub(crate) shard_streams: Semaphore,
    pub(crate) hellos: HelloMemory,
    pub(crate) limits: Arc<PeerLimits>,
    pub(crate) repairs: Arc<RepairMemory>,
    /// One permit for each full check of an auto-sync.
    pub(crate) checks: Semaphore,
    presence: Presence,
    _log: Subscription,
    /// Kept in the file if sessions are, else made for this engine.
    mark: SyncSessionId,
}

/// Identity, trust, sockets, and the budgets of what waits for peers and of what has come from them. Engines that serve
/// on one address share them.
#[derive(Clone)]
pub(crate) struct Presence {
    /// The identity at the start; `Endpoint::set_trust` may replace it.
    identity: Identity,
    trust: Trust,
    endpoint: Arc<OnceLock<Endpoint>>,
    send_budget: Arc<SendBudget>,
    arrivals: Arc<Arrivals>,
    receive_budget: Arc<ReceiveBudget>,
}

impl Presence {
    /// Reads or creates the identity, and loads the trust rules. Opens no socket.
    pub(crate) fn load(
        db: &VectrDB,
        config: &SyncConfig,
        network: &NetworkConfig,
    ) -> Result<Self, SyncError> {
        let (rules, given) = network.tls.load()?;
        let identity = match (given, identity_path(db, network)) {
            (Some(given), _) => given,
            (None, Some(path)) => Identity::load_or_create(&path)?,
            (None, None) => Identity::ephemeral()?,
        };
        let trust = Trust::this_machine();
        trust.set(rules);
        let send_budget = Arc::new(SendBudget::new(config.max_unsent_bytes));
        let arrivals = Arc::new(Arrivals::new(config.max_unapplied_bytes));
        let receive_budget = Arc::new(ReceiveBudget::new(config.max_unapplied_bytes));
        Ok(Self { identity, trust, endpoint: Arc::default(), send_budget, arrivals, receive_budget })
    }
}

impl Context {
    pub(crate) fn new(
        db: VectrDB,
        node: NodeName,
        config: SyncConfig,
        network: NetworkConfig,
        presence: Presence,
    ) -> Result<Self, SyncError> {
        let mark = SyncSessionId { id: format!("{:016x}", random()), created_at: db.now() };
        let mark = if config.persist_session { replication::restore_session(&db)? } else { mark };
        let events = Arc::<EventHub>::default();
        let hub = Arc::clone(&events);
        let _log = db.on_log_excess(Box::new(move |excess| hub.emit(&SyncEvent::log_excess(excess))));
        let limits = PeerLimits::new(config.max_shards_per_peer);
        Ok(Self {
            db,
            node,
            config,
            network,
            activity: Activity::default(),
            closing: CancellationSource::new(),
            events,
            totals: Arc::default(),
            tasks: TaskTracker::default(),
            feeds: Arc::default(),
            shard_streams: Semaphore::new(MAX_SHARD_STREAMS),
            hellos: HelloMemory::default(),
            limits: Arc::new(limits),
            repairs: Arc::default(),
            checks: Semaphore::new(MAX_CHECKS),
            presence,
            _log,
            mark,
        })
    }

    /// A context for another database: the same configuration, identity, trust and sockets.
    pub(crate) fn for_database(&self, db: VectrDB, node: NodeName) -> Result<Self, SyncError> {
        Self::new(db, node, self.config.clone(), self.network.clone(), self.presence.clone())
    }

    /// The endpoint, made at its first use.
    pub(crate) fn endpoint(&self) -> Result<&Endpoint, SyncError> {
        self.ensure_open()?;
        let Presence { identity, trust, endpoint: shared, .. } = &self.presence;
        if let Some(endpoint) = shared.get() {
            return Ok(endpoint);
        }
        let endpoint = Endpoint::new(identity, trust, self.network.endpoint.clone())?;
        Ok(shared.get_or_init(|| endpoint))
    }

    pub(crate) async fn close_endpoint(&self) {
        if let Some(endpoint) = self.presence.endpoint.get() {
            endpoint.close().await;
        }
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let Presence { identity, endpoint, .. } = &self.presence;
        endpoint.get().map_or_else(|| identity.fingerprint(), Endpoint::fingerprint)
    }

    pub(crate) const fn trust(&self) -> &Trust {
        &self.presence.trust
    }

    /// What a new session holds of the node's budget.
    pub(crate) fn send_account(&self) -> Arc<SendAccount> {
        SendAccount::new(&self.presence.send_budget)
    }

    /// Bytes that were read for peers and wait for them to read.
    pub(crate) fn unsent_bytes(&self) -> u64 {
        self.presence.send_budget.used()
    }

    /// What a new session with this peer has of the messages that arrive.
    pub(crate) fn arriving(&self, peer: Fingerprint) -> Arriving {
        Arriving::new(&self.presence.arrivals, peer)
    }

    /// Bytes of large messages that have arrived in part, or whole and are packed.
    pub(crate) fn arriving_bytes(&self) -> u64 {
        self.presence.arrivals.held()
    }

    /// What a new session with this peer holds of the node's other budget.
    pub(crate) fn receive_account(&self, peer: Fingerprint) -> ReceiveAccount {
        ReceiveAccount::new(&self.presence.receive_budget, peer)
    }

    /// Bytes that peers have sent and that wait to be applied.
    pub(crate) fn unapplied_bytes(&self) -> u64 {
        self.presence.receive_budget.unapplied()
    }

    /// Statistics of the connections made from here.
    pub(crate) fn dialed(&self) -> PoolStatistics {
        self.presence.endpoint.get().map(Endpoint::statistics).unwrap_or_default()
    }

    /// Statistics of the connections that the endpoint accepted.
    pub(crate) fn accepted(&self) -> AcceptedStatistics {
        self.presence.endpoint.get().map(Endpoint::accepted).unwrap_or_default()
    }

    /// Sockets of the endpoint that failed.
    pub(crate) fn socket_faults(&self) -> SocketFaultStatistics {
        self.presence.endpoint.get().map(Endpoint::socket_faults).unwrap_or_default()
    }

    pub(crate) fn ensure_open(&self) -> Result<(), SyncError> {
        if self.closing.token().is_cancelled() { Err(SyncError::Closed) } else { Ok(()) }
    }

    /// A session that is about to begin. `live`: it may go on after the first exchange.
    pub(crate) fn session(&self, peer: Fingerprint, shard: ShardId, live: bool) -> Session {
        let offer = HelloOffer {
            nonce: random(),
            codecs: self.config.codecs().iter().map(|codec| codec.id()).collect(),
            live,
            node: self.node.clone(),
            clock: self.db.now(),
            window: self.config.window,
        };
        let known = self.hellos.of(&shard, peer);
        let rest = self.repairs.rest(&shard, peer, Instant::now());
        let config = SessionConfig {
            peer,
            shard,
            offer,
            page: self.config.page_size(),
            keeps_cursor: self.config.persist_session,
        };
        Session::new(config).knowing(known).resting(rest)
    }

    /// Stores the configured strategy for a shard that is about to be synced.
    pub(crate) async fn apply_strategy(&self, shard: &ShardId) -> Result<(), SyncError> {
        let Some(strategy) = self.config.strategy else { return Ok(()) };
        let shard = shard.clone();
        self.blocking(move |db| db.set_strategy(&shard, strategy)).await
    }

    /// As [`Context::apply_strategy`], where a peer syncs: a shard that does not exist is not made.
    pub(crate) async fn apply_strategy_if_there(&self, shard: &ShardId) -> Result<(), SyncError> {
        let Some(strategy) = self.config.strategy else { return Ok(()) };
        let shard = shard.clone();
        self.blocking(move |db| match db.has_shard(&shard)? {
            true => db.set_strategy(&shard, strategy),
            false => Ok(()),
        })
        .await
    }

    /// Counts a session that `began` then and ended so that another one begins at once.
    ///
    /// # Errors
    /// If there were too many.
    pub(crate) fn note_restart(
        &self,
        shard: &ShardId,
        peer: Fingerprint,
        address: &str,
        began: Instant,
    ) -> Result<(), SyncError> {
        if self.limits.take_restart(shard, peer, began.elapsed()) {
            return Ok(());
        }
        Err(SyncError::Restarts { shard: shard.clone(), address: address.to_owned() })
    }

    /// Records how a sync ended. The database is told of a success in the background.
    pub(crate) fn record_outcome(&self, shard: &ShardId, succeeded: bool) {
        let at = self.db.now();
        self.activity.record_outcome(shard, succeeded.then_some(at));
        if succeeded {
            let (db, shard) = (self.db.clone(), shard.clone());
            // The sync succeeded even if this note is lost, and the scrub is made up for by the next one.
            self.tasks.track(tokio::task::spawn_blocking(move || {
                drop(replication::record_sync(&db, &shard, at));
                drop(replication::scrub(&db, at));
            }));
        }
    }

    /// Saves in the background what the session learnt of the peer's progress.
    pub(crate) fn save_peer_progress(&self, shard: &ShardId, session: &Session) {
        let Some(progress) = session.progress() else { return };
        let (db, shard) = (self.db.clone(), shard.clone());
        // If this note is lost, the peer's lag shows its previous value.
        self.tasks.track(tokio::task::spawn_blocking(move || {
            drop(replication::record_peer(&db, &shard, progress));
        }));
    }

    /// Remembers the repair of a session that has ended. If it has made none because of damage that the peer cannot repair,
    /// looks in the background whether that is still there.
    pub(crate) fn note_repair(&self, shard: &ShardId, session: &Session) {
        self.repairs.note(shard, session, Instant::now());
        let damaged = self.repairs.known_damage(shard, session);
        if damaged.is_empty() {
            return;
        }
        let (db, shard, repairs) = (self.db.clone(), shard.clone(), Arc::clone(&self.repairs));
        self.tasks.track(tokio::task::spawn_blocking(move || {
            let target = Target { shard: &shard, transaction: None };
            if damaged.iter().any(|id| db.get(target, id).is_ok()) {
                repairs.forget_damage(&shard);
            }
        }));
    }

    /// Emits the failure of a sync to the listeners.
    pub(crate) fn report_failure(&self, shard: &ShardId, address: &str, error: &SyncError) -> SyncFailure {
        let failure = SyncFailure::from(error);
        self.events.emit(&SyncEvent::Failed {
            shard: shard.clone(),
            address: address.to_owned(),
            failure: failure.clone(),
        });
        failure
    }

    /// Runs a closure on a thread that may block.
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

    /// The state of one shard. Blocks on storage.
    pub(crate) fn shard_state(&self, shard: &ShardId) -> Result<ShardState, SyncError> {
        self.ensure_open()?;
        let status = self.db.shard_statistics(shard)?;
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

    /// The states of all shards. Blocks on storage.
    pub(crate) fn shard_states(&self) -> Result<Vec<ShardState>, SyncError> {
        self.ensure_open()?;
        self.db.shards()?.iter().map(|shard| self.shard_state(shard)).collect()
    }

    /// The status of the whole engine. Blocks on storage.
    pub(crate) fn status(&self) -> Result<SyncStatus, SyncError> {
        let shards = self.shard_states()?;
        // A restored copy of the database has a session id of its own.
        let mark = if self.config.persist_session {
            replication::restore_session(&self.db)?
        } else {
            self.mark.clone()
        };
        Ok(SyncStatus {
            id: mark.id,
            node: self.node.clone(),
            shards,
            pending_conflicts: self.db.pending_conflicts(None)?,
            created_at: mark.created_at,
            updated_at: self.db.now(),
        })
    }
}

fn identity_path(db: &VectrDB, network: &NetworkConfig) -> Option<PathBuf> {
    network.identity.clone().or_else(|| {
        let mut path = db.path()?.as_os_str().to_owned();
        path.push(".key");
        Some(path.into())
    })
}
