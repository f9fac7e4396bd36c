use std::collections::{BTreeSet, BinaryHeap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use vectr_delta::{NodeName, ShardId, Timestamp};

use super::peer::Peer;
use super::peer_table::Roster;
use super::priority_semaphore::Gate;
use super::statistics::{CoordinatorStatistics, Tally};
use super::task::{Rank, Task};
use super::topology::Topology;
use crate::{Canceller, SyncError, SyncResult};

/// What a coordinator is to do, and what it has done: peers, tasks, topology, statistics. No IO: every call is quick.
///
/// A clone is another handle on the same agenda. What it returns are copies.
#[derive(Clone)]
pub struct Agenda {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    /// One permit for each session that runs.
    pub(super) sessions: Arc<Gate>,
    /// One place for each address between the begin of its connection attempt and its tasks' sessions.
    pub(super) places: Arc<Gate>,
    pub(super) closing: Canceller,
    /// How many calls wait for something.
    pub(super) calls: watch::Sender<usize>,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    roster: Roster,
    tasks: BinaryHeap<Task>,
    next_number: u64,
    topology: Topology,
    tally: Tally,
    auto_syncs: BTreeSet<(ShardId, String)>,
}

impl Agenda {
    /// An agenda of which at most `max_concurrent` sessions run at once, 1 to 1,024, over all calls.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for any other number.
    pub fn new(max_concurrent: usize) -> Result<Self, SyncError> {
        if !(1..=MOST_CONCURRENT).contains(&max_concurrent) {
            return Err(SyncError::Concurrency { given: max_concurrent });
        }
        let shared = Shared {
            sessions: Gate::new(max_concurrent),
            places: Gate::new(MOST_CONNECTING),
            closing: Canceller::new(),
            calls: watch::Sender::new(0),
            entries: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Adds a peer, or replaces the one of the same node.
    pub fn register_peer(&self, peer: Peer) {
        self.entries().roster.insert(peer);
    }

    /// Forgets a peer; tasks for its address stay. Whether it was known.
    pub fn unregister_peer(&self, node: &NodeName) -> bool {
        self.entries().roster.remove(node)
    }

    /// Adds a sync to do. Of two tasks the one with the greater priority goes first, then the older one.
    pub fn schedule(&self, shard: ShardId, address: &str, priority: i32) {
        let address = address.to_owned();
        let mut entries = self.entries();
        let rank = entries.next_rank(priority);
        entries.tasks.push(Task { rank, shard, address });
    }

    /// Forgets the tasks that nobody has begun to execute.
    pub fn clear_pending_tasks(&self) {
        let tasks = std::mem::take(&mut self.entries().tasks);
        drop(tasks);
    }

    /// Chooses who syncs with whom. The default is a mesh.
    pub fn set_topology(&self, topology: Topology) {
        self.entries().topology = topology;
    }

    /// All peers, in the order of names.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        self.entries().roster.iter().cloned().collect()
    }

    /// How many tasks nobody has begun to execute.
    #[must_use]
    pub fn pending_tasks(&self) -> usize {
        self.entries().tasks.len()
    }

    /// How many sessions run now. Connecting is none.
    #[must_use]
    pub fn active_syncs(&self) -> usize {
        self.shared.sessions.given()
    }

    /// Who syncs with whom.
    #[must_use]
    pub fn topology(&self) -> Topology {
        self.entries().topology
    }

    /// The peers with which the node `of` syncs at least one shard, in the order of names. Each shard has the topology
    /// for itself, among the nodes that hold it and `of`.
    #[must_use]
    pub fn neighbours(&self, of: &NodeName) -> Vec<Peer> {
        let entries = self.entries();
        let exchanges = entries.roster.exchanges(of, entries.topology);
        exchanges.into_iter().map(|(peer, _)| peer.clone()).collect()
    }

    /// What was done so far.
    #[must_use]
    pub fn statistics(&self) -> CoordinatorStatistics {
        let active = self.active_syncs();
        let entries = self.entries();
        entries.tally.statistics(entries.roster.count_shards(), active)
    }

    /// Leaves room in a pool of connections: those who connect and the sessions that run fit in together.
    pub(super) fn fit_connections(&self, most: usize) {
        let sessions = self.shared.sessions.limit();
        self.shared.places.narrow(most.saturating_sub(sessions).max(1));
    }

    /// Everything that is pending, the most urgent first.
    pub(super) fn take_pending(&self) -> Vec<Task> {
        let tasks = std::mem::take(&mut self.entries().tasks);
        let mut tasks = tasks.into_sorted_vec();
        tasks.reverse();
        tasks
    }

    /// Tasks of their own for the exchanges of `me`, in the order of peers; only those of one shard, where it is given.
    pub(super) fn plan(&self, me: &NodeName, only: Option<&ShardId>, priority: i32) -> Vec<Task> {
        let mut entries = self.entries();
        let exchanges = self::pairs(entries.roster.exchanges(me, entries.topology), only);
        entries.number(exchanges, priority)
    }

    /// Tasks of their own for all that the peers at an address hold; `None` where no peer is.
    pub(super) fn plan_for(&self, address: &str, priority: i32) -> Option<Vec<Task>> {
        let mut entries = self.entries();
        let mut listed = BTreeSet::new();
        let mut known = false;
        let mut pairs = Vec::new();
        for shard in entries.roster.at(address).inspect(|_| known = true).flat_map(|peer| &peer.shards) {
            if listed.insert(shard) {
                pairs.push((shard.clone(), address.to_owned()));
            }
        }
        known.then(|| entries.number(pairs, priority))
    }

    /// What `me` is to exchange with whom.
    pub(super) fn pairs(&self, me: &NodeName) -> Vec<(ShardId, String)> {
        let entries = self.entries();
        self::pairs(entries.roster.exchanges(me, entries.topology), None)
    }

    /// A rank for something that is no task.
    pub(super) fn next_rank(&self, priority: i32) -> Rank {
        self.entries().next_rank(priority)
    }

    pub(super) fn count(&self, result: &SyncResult) {
        self.entries().tally.add(result);
    }

    pub(super) fn note_call(&self, address: &str, at: Timestamp, answered: bool) {
        self.entries().roster.note_call(address, at, answered);
    }

    /// Lets the caller change which auto-syncs the coordinator has started.
    pub(super) fn auto_syncs<T>(&self, change: impl FnOnce(&mut BTreeSet<(ShardId, String)>) -> T) -> T {
        change(&mut self.entries().auto_syncs)
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

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Agenda {
    /// At most 5 sessions at once.
    fn default() -> Self {
        Self::new(DEFAULT_CONCURRENT).expect("the default is within the range")
    }
}

impl fmt::Debug for Agenda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agenda").field("pending_tasks", &self.pending_tasks()).finish_non_exhaustive()
    }
}

impl Entries {
    fn next_rank(&mut self, priority: i32) -> Rank {
        self.next_number += 1;
        Rank::new(priority, self.next_number)
    }

    fn number(&mut self, pairs: Vec<(ShardId, String)>, priority: i32) -> Vec<Task> {
        let task = |(shard, address)| Task { rank: self.next_rank(priority), shard, address };
        pairs.into_iter().map(task).collect()
    }
}

/// A call that waits for something. See [`Agenda::begin_call`].
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
const MOST_CONCURRENT: usize = 1024;
const MOST_CONNECTING: usize = 64;
