use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use vectr_delta::{NodeName, ShardId};

use super::executor::{Executor, StopSignals};
use super::health::ping_all;
use super::scheduler::Scheduler;
use super::task::Task;
use crate::engine::exchange::Exchange;
use crate::options::Limits;
use crate::{CancellationToken, ShardState, SyncEngine, SyncError, SyncResult};

/// Syncs many shards with many peers: executes the tasks of a [`Scheduler`] with a [`SyncEngine`].
///
/// A clone is another handle on the same coordinator. The scheduler's limit holds for all calls together. Results come
/// in the order of the tasks; a failed sync is a result, too.
#[derive(Clone)]
pub struct ShardCoordinator {
    pub(super) engine: SyncEngine,
    pub(super) scheduler: Scheduler,
}

/// The work of one call of a coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    /// The scheduled tasks, which are taken from the scheduler.
    Scheduled,
    /// All shards that this node shares with its neighbours.
    All,
    /// One shard, with the neighbours that hold it.
    Shard(ShardId),
    /// All shards of the peers at an address, neighbours or not.
    Peer(String),
}

impl ShardCoordinator {
    /// A coordinator that executes the tasks of a scheduler.
    #[must_use]
    pub fn new(engine: SyncEngine, scheduler: Scheduler) -> Self {
        scheduler.reserve_connections(engine.context.network.endpoint.max_connections);
        Self { engine, scheduler }
    }

    /// The scheduler.
    #[must_use]
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &SyncEngine {
        &self.engine
    }

    /// Runs the syncs of an assignment, by priority, then age.
    ///
    /// # Errors
    /// `ERR_CLOSED` if the coordinator or the engine is closed, `ERR_ABORTED` on abort. What was applied by then stays
    /// applied, and the tasks that were taken do not come back; a call that is aborted beforehand takes none.
    /// `ERR_UNKNOWN_PEER` if no peer is registered with exactly this address. Any other failure is in the results.
    pub async fn run(
        &self,
        assignment: &Assignment,
        abort: CancellationToken,
    ) -> Result<Vec<SyncResult>, SyncError> {
        self.exchange(assignment, abort).await?.decided().await
    }

    /// The first part of [`ShardCoordinator::run`]: resolves before the callback of [`SyncEngine::on_conflict`] has
    /// decided.
    ///
    /// # Errors
    /// As for [`ShardCoordinator::run`].
    pub async fn exchange(
        &self,
        assignment: &Assignment,
        abort: CancellationToken,
    ) -> Result<Exchange, SyncError> {
        // `close` waits for calls, and must not wait for the callback.
        let _call = self.scheduler.begin_call()?;
        let context = Arc::clone(&self.engine.context);
        context.ensure_open()?;
        if abort.is_cancelled() {
            return Err(SyncError::Aborted);
        }
        let stop_signals = StopSignals::new(&context, &self.scheduler, abort.clone());
        let tasks = self.tasks(assignment)?;
        let scope = self.engine.conflict_scope().await;
        let executor = Executor::new(context, self.scheduler.clone(), tasks, stop_signals)?;
        Ok(Exchange::new(executor.run().await?, scope, Limits::until(abort)))
    }

    /// Takes all scheduled tasks and executes them.
    ///
    /// # Errors
    /// As for [`ShardCoordinator::run`].
    pub async fn execute_tasks(&self, abort: CancellationToken) -> Result<Vec<SyncResult>, SyncError> {
        self.run(&Assignment::Scheduled, abort).await
    }

    /// Syncs all shared shards with each neighbour, with priority 1. Scheduled tasks stay scheduled.
    ///
    /// # Errors
    /// As for [`ShardCoordinator::run`].
    pub async fn sync_all(&self, abort: CancellationToken) -> Result<Vec<SyncResult>, SyncError> {
        self.run(&Assignment::All, abort).await
    }

    /// Syncs one shard with each neighbour that holds it, with priority 5. Scheduled tasks stay scheduled.
    ///
    /// # Errors
    /// As for [`ShardCoordinator::run`].
    pub async fn sync_shard(
        &self,
        shard: &ShardId,
        abort: CancellationToken,
    ) -> Result<Vec<SyncResult>, SyncError> {
        self.run(&Assignment::Shard(shard.clone()), abort).await
    }

    /// Syncs all shards of the peers at an address, neighbours or not, with priority 2. Scheduled tasks stay
    /// scheduled.
    ///
    /// # Errors
    /// As for [`ShardCoordinator::run`].
    pub async fn sync_with_peer(
        &self,
        address: &str,
        abort: CancellationToken,
    ) -> Result<Vec<SyncResult>, SyncError> {
        self.run(&Assignment::Peer(address.to_owned()), abort).await
    }

    /// Pings each peer, in parallel and without a sync. Returns which peers answered, and records it in the scheduler.
    ///
    /// # Errors
    /// As for [`ShardCoordinator::execute_tasks`].
    pub async fn health_check(
        &self,
        abort: CancellationToken,
    ) -> Result<BTreeMap<NodeName, bool>, SyncError> {
        let _call = self.scheduler.begin_call()?;
        let engine = &self.engine.context;
        let mut stop_signals = StopSignals::new(engine, &self.scheduler, abort);
        tokio::select! {
            biased;
            error = stop_signals.any() => Err(error),
            health = ping_all(engine, &self.scheduler) => health,
        }
    }

    /// Keeps all shards that this node shares with its neighbours in sync from now on, as
    /// [`SyncEngine::start_auto_sync`] does for one shard and one peer. Running auto-syncs stay unchanged; another
    /// call adds the peers and shards that are new. Live streams do not count against the limit of sessions. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// `ERR_CLOSED` after close; `ERR_ARGUMENT` for a malformed address, after all others have been started.
    ///
    /// [`SyncEngine::start_auto_sync`]: crate::SyncEngine::start_auto_sync
    pub fn start_auto_sync_all(&self, interval: Option<Duration>) -> Result<(), SyncError> {
        let _call = self.scheduler.begin_call()?;
        self.engine.context.ensure_open()?;
        let mut first_failure = None;
        for (shard, address) in self.scheduler.pairs(self.engine.node()) {
            match self.engine.try_start_auto_sync(&shard, &address, interval) {
                Ok(true) => self.scheduler.auto_syncs(|started| started.extend([(shard, address)])),
                Ok(false) => {}
                Err(error) => drop(first_failure.get_or_insert(error)),
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    /// Stops the auto-syncs that this coordinator started, and no others. What was applied stays applied.
    pub fn stop_auto_sync_all(&self) {
        let started = self.scheduler.auto_syncs(std::mem::take);
        self.engine.stop_auto_syncs(|shard, address| started.contains(&(shard.clone(), address.to_owned())));
    }

    /// The states of all shards of the database. Blocks on storage.
    ///
    /// # Errors
    /// `ERR_CLOSED` if the engine or the database is closed, `ERR_STORAGE`.
    pub fn shard_states(&self) -> Result<Vec<ShardState>, SyncError> {
        self.engine.context.shard_states()
    }

    /// Removes scheduled tasks, ends running calls and the auto-syncs that it started, and waits for the calls to end.
    /// The engine stays open. Closing again does nothing.
    pub async fn close(&self) {
        self.scheduler.shared.closing.cancel();
        self.scheduler.clear_pending_tasks();
        self.stop_auto_sync_all();
        // Cannot fail: the scheduler holds the sender.
        let _ = self.scheduler.shared.calls.subscribe().wait_for(|calls| *calls == 0).await;
    }

    fn tasks(&self, assignment: &Assignment) -> Result<Vec<Task>, SyncError> {
        let (scheduler, me) = (&self.scheduler, self.engine.node());
        Ok(match assignment {
            Assignment::Scheduled => scheduler.take_pending(),
            Assignment::All => scheduler.plan(me, None, OF_ALL),
            Assignment::Shard(shard) => scheduler.plan(me, Some(shard), OF_SHARD),
            Assignment::Peer(address) => scheduler
                .plan_for(address, OF_PEER)
                .ok_or_else(|| SyncError::UnknownPeer { address: address.clone() })?,
        })
    }
}

const OF_ALL: f64 = 1.0;
const OF_PEER: f64 = 2.0;
const OF_SHARD: f64 = 5.0;
