use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use vectr_delta::{NodeName, ShardId};

use super::executor::{Executor, StopSignals};
use super::health::ping_all;
use super::scheduler::Scheduler;
use super::task::Task;
use crate::{CancellationToken, ShardState, SyncEngine, SyncError, SyncResult};

/// Syncs many shards with many peers: an [`Scheduler`] that is carried out by a [`SyncEngine`].
///
/// A clone is another handle on the same coordinator. All its calls keep to the agenda's limit together. Results come
/// in the order of the tasks; a sync that failed is a result too.
#[derive(Clone)]
pub struct ShardCoordinator {
    pub(super) engine: SyncEngine,
    pub(super) scheduler: Scheduler,
}

/// What one call of a coordinator is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    /// The scheduled tasks, which it takes.
    Scheduled,
    /// All that is shared with neighbours.
    All,
    /// One shard, with the neighbours that hold it.
    Shard(ShardId),
    /// Everything that the peers at an address hold, neighbours or not.
    Peer(String),
}

impl ShardCoordinator {
    /// A coordinator that carries out an agenda.
    #[must_use]
    pub fn new(engine: SyncEngine, scheduler: Scheduler) -> Self {
        scheduler.reserve_connections(engine.context.network.endpoint.max_connections);
        Self { engine, scheduler }
    }

    /// What is to do.
    #[must_use]
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// What does it.
    #[must_use]
    pub fn engine(&self) -> &SyncEngine {
        &self.engine
    }

    /// Runs the syncs of an assignment, by priority, then age.
    ///
    /// # Errors
    /// `ERR_CLOSED` after close, of the coordinator or the engine, and `ERR_ABORTED` on abort. What was applied by
    /// then stays applied, and the tasks that were taken do not come back; aborted beforehand, it takes none.
    /// `ERR_UNKNOWN_PEER` where no peer is registered with this very address. Whatever else went wrong stands in the
    /// results.
    pub async fn run(
        &self,
        assignment: &Assignment,
        abort: CancellationToken,
    ) -> Result<Vec<SyncResult>, SyncError> {
        let _call = self.scheduler.begin_call()?;
        let engine = Arc::clone(&self.engine.context);
        engine.ensure_open()?;
        if abort.is_cancelled() {
            return Err(SyncError::Aborted);
        }
        let stop_signals = StopSignals::new(&engine, &self.scheduler, abort);
        let tasks = self.tasks(assignment)?;
        Executor::new(engine, self.scheduler.clone(), tasks, stop_signals)?.run().await
    }

    /// Takes all scheduled tasks, and executes them.
    ///
    /// # Errors
    /// As for [`ShardCoordinator::run`].
    pub async fn execute_tasks(&self, abort: CancellationToken) -> Result<Vec<SyncResult>, SyncError> {
        self.run(&Assignment::Scheduled, abort).await
    }

    /// Syncs with each neighbour all that they share, with priority 1. Scheduled tasks stay scheduled.
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

    /// Syncs everything with the peers at an address, neighbours or not, with priority 2. Scheduled tasks stay
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

    /// One real round trip to each peer, in parallel, without a sync: whether it answered. Notes that in the agenda.
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

    /// Ends the auto-syncs that this coordinator started, and no others. What was applied stays applied.
    pub fn stop_auto_sync_all(&self) {
        let started = self.scheduler.auto_syncs(std::mem::take);
        self.engine.stop_auto_syncs(|shard, address| started.contains(&(shard.clone(), address.to_owned())));
    }

    /// The states of all shards of the database. Blocks on storage.
    ///
    /// # Errors
    /// `ERR_CLOSED` where engine or database are closed, `ERR_STORAGE`.
    pub fn shard_states(&self) -> Result<Vec<ShardState>, SyncError> {
        self.engine.context.shard_states()
    }

    /// Forgets scheduled tasks, ends what runs, auto-syncs that it started included, and waits until calls have ended.
    /// The engine stays open. Closing again does nothing.
    pub async fn close(&self) {
        self.scheduler.shared.closing.cancel();
        self.scheduler.clear_pending_tasks();
        self.stop_auto_sync_all();
        // The sender is held by the agenda.
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

const OF_ALL: i32 = 1;
const OF_PEER: i32 = 2;
const OF_SHARD: i32 = 5;
