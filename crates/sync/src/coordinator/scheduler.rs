use std::collections::{BTreeSet, BinaryHeap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use vectr_delta::{NodeName, ShardId, Timestamp};

use super::peer::Peer;
use super::peer_table::PeerTable;
use super::priority_semaphore::PrioritySemaphore;
use super::statistics::{CoordinatorStatistics, Sums};
use super::task::{Rank, Task};
use super::topology::Topology;
use crate::{CancellationSource, SyncError, SyncResult};

/// Peers, tasks, topology and statistics of a coordinator. Does no IO: every call returns at once.
///
/// A clone is another handle on the same scheduler. It returns copies.
#[derive(Clone)]
pub struct Scheduler {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    /// One permit for each running session.
    pub(super) session_permits: Arc<PrioritySemaphore>,
    /// One permit for each address, from its connection attempt until its tasks have started.
    pub(super) dial_permits: Arc<PrioritySemaphore>,
    pub(super) closing: CancellationSource,
    /// Number of running calls.
    pub(super) calls: watch::Sender<usize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    peer_table: PeerTable,
    tasks: BinaryHeap<Task>,
    next_number: u64,
    topology: Topology,
    sums: Sums,
    auto_syncs: BTreeSet<(ShardId, String)>,
}

impl Scheduler {
    /// A scheduler that runs at most `max_concurrent` sessions at once, 1 to 1,024, over all calls.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for any other number.
    pub fn new(max_concurrent: usize) -> Result<Self, SyncError> {
        if !(1..=MAX_CONCURRENT).contains(&max_concurrent) {
            return Err(SyncError::Concurrency { given: max_concurrent });
        }
        let shared = Shared {
            session_permits: PrioritySemaphore::new(max_concurrent),
            dial_permits: PrioritySemaphore::new(MAX_CONNECTING),
            closing: CancellationSource::new(),
            calls: watch::Sender::new(0),
            state: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Adds a peer, or replaces the one with the same name.
    pub fn register_peer(&self, peer: Peer) {
        self.state().peer_table.insert(peer);
    }

    /// Removes a peer; tasks for its address stay. Returns whether it was registered.
    pub fn unregister_peer(&self, node: &NodeName) -> bool {
        self.state().peer_table.remove(node)
    }

    /// Adds a sync. Tasks with a greater priority go first, then older ones. Any number is a priority, 0.5 too.
    pub fn schedule(&self, shard: ShardId, address: &str, priority: impl Into<f64>) {
        let address = address.to_owned();
        let mut state = self.state();
        let rank = state.next_rank(priority.into());
        state.tasks.push(Task { rank, shard, address });
    }

    /// Removes all tasks that have not been taken for execution.
    pub fn clear_pending_tasks(&self) {
        let tasks = std::mem::take(&mut self.state().tasks);
        drop(tasks);
    }

    /// Sets the topology. The default is a mesh.
    pub fn set_topology(&self, topology: Topology) {
        self.state().topology = topology;
    }

    /// All peers, sorted by name.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        self.state().peer_table.iter().cloned().collect()
    }

    /// Number of tasks that have not been taken for execution.
    #[must_use]
    pub fn pending_tasks(&self) -> usize {
        self.state().tasks.len()
    }

    /// Number of running sessions, without connection attempts.
    #[must_use]
    pub fn active_syncs(&self) -> usize {
        self.shared.session_permits.in_use()
    }

    /// The current topology.
    #[must_use]
    pub fn topology(&self) -> Topology {
        self.state().topology
    }

    /// The peers with which the node `of` syncs at least one shard, sorted by name. The topology applies to each shard
    /// separately, among the nodes that hold it and `of`.
    #[must_use]
    pub fn neighbours(&self, of: &NodeName) -> Vec<Peer> {
        let state = self.state();
        let exchanges = state.peer_table.exchanges(of, state.topology);
        exchanges.into_iter().map(|(peer, _)| peer.clone()).collect()
    }

    /// Statistics so far.
    #[must_use]
    pub fn statistics(&self) -> CoordinatorStatistics {
        let active = self.active_syncs();
        let state = self.state();
        state.sums.statistics(state.peer_table.count_shards(), active)
    }

    /// Limits connection attempts so that they and the running sessions fit into a pool of `most` connections
    /// together.
    pub(super) fn reserve_connections(&self, most: usize) {
        let session_permits = self.shared.session_permits.limit();
        self.shared.dial_permits.reduce_limit(most.saturating_sub(session_permits).max(1));
    }

    /// Takes all pending tasks, the most urgent first.
    pub(super) fn take_pending(&self) -> Vec<Task> {
        let tasks = std::mem::take(&mut self.state().tasks);
        let mut tasks = tasks.into_sorted_vec();
        tasks.reverse();
        tasks
    }

    /// New tasks for the exchanges of `me`, in the order of peers; with `only`, those of one shard.
    pub(super) fn plan(&self, me: &NodeName, only: Option<&ShardId>, priority: f64) -> Vec<Task> {
        let mut state = self.state();
        let exchanges = self::pairs(state.peer_table.exchanges(me, state.topology), only);
        state.number(exchanges, priority)
    }

    /// New tasks for all shards of the peers at an address; `None` if no peer is registered there.
    pub(super) fn plan_for(&self, address: &str, priority: f64) -> Option<Vec<Task>> {
        let mut state = self.state();
        let mut listed = BTreeSet::new();
        let mut known = false;
        let mut pairs = Vec::new();
        for shard in state.peer_table.at(address).inspect(|_| known = true).flat_map(|peer| &peer.shards) {
            if listed.insert(shard) {
                pairs.push((shard.clone(), address.to_owned()));
            }
        }
        known.then(|| state.number(pairs, priority))
    }

    /// The shards and addresses that `me` syncs.
    pub(super) fn pairs(&self, me: &NodeName) -> Vec<(ShardId, String)> {
        let state = self.state();
        self::pairs(state.peer_table.exchanges(me, state.topology), None)
    }

    /// A rank for a request that is no task.
    pub(super) fn next_rank(&self, priority: f64) -> Rank {
        self.state().next_rank(priority)
    }

    pub(super) fn count(&self, result: &SyncResult) {
        self.state().sums.add(result);
    }

    pub(super) fn record_contact(&self, address: &str, at: Timestamp, answered: bool) {
        self.state().peer_table.record_contact(address, at, answered);
    }

    /// Changes the set of auto-syncs that the coordinator has started.
    pub(super) fn auto_syncs<T>(&self, change: impl FnOnce(&mut BTreeSet<(ShardId, String)>) -> T) -> T {
        change(&mut self.state().auto_syncs)
    }

    /// Counts a call until the guard is dropped.
    ///
    /// # Errors
    /// `ERR_CLOSED` after close.
    pub(super) fn begin_call(&self) -> Result<Call, SyncError> {
        self.shared.calls.send_modify(|calls| *calls += 1);
        let call = Call { shared: Arc::clone(&self.shared) };
        if self.shared.closing.token().is_cancelled() { Err(SyncError::CoordinatorClosed) } else { Ok(call) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Scheduler {
    /// A scheduler of at most 5 sessions at once.
    fn default() -> Self {
        Self::new(DEFAULT_CONCURRENT).expect("the default is within the range")
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agenda").field("pending_tasks", &self.pending_tasks()).finish_non_exhaustive()
    }
}

impl State {
    fn next_rank(&mut self, priority: f64) -> Rank {
        self.next_number += 1;
        Rank::new(priority, self.next_number)
    }

    fn number(&mut self, pairs: Vec<(ShardId, String)>, priority: f64) -> Vec<Task> {
        let task = |(shard, address)| Task { rank: self.next_rank(priority), shard, address };
        pairs.into_iter().map(task).collect()
    }
}

/// Guard of a running call. See [`Scheduler::begin_call`].
pub(super) struct Call {
    shared: Arc<Shared>,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.shared.calls.send_modify(|calls| *calls -= 1);
    }
}

fn pairs(exchanges: Vec<(&Peer, Vec<&ShardId>)>, only: Option<&ShardId>) -> Vec<(ShardId, String)> {
    let all =
        exchanges.into_iter().flat_map(|(peer, shards)| shards.into_iter().map(move |shard| (peer, shard)));
    all.filter(|(_, shard)| only.is_none_or(|only| only == *shard))
        .map(|(peer, shard)| (shard.clone(), peer.address.clone()))
        .collect()
}

const DEFAULT_CONCURRENT: usize = 5;
const MAX_CONCURRENT: usize = 1024;
const MAX_CONNECTING: usize = 64;
